//! Reports on their way back from the venue: they leave when their latency has passed.

use super::table::Bounded;
use serde::{Deserialize, Serialize};
use tidegate_model::hash::hash_words;
use tidegate_model::saved::{Inconsistent, Sparse};
use tidegate_model::{AccountId, EventRecord, StateHash, UnixNanos};

/// Reports that may be on their way at once; when there are more, the oldest leaves early.
pub const ANSWERS_MAX: usize = 65_536;

/// Reports on their way, in the order in which they leave.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answers {
    held: Bounded<(UnixNanos, EventRecord), ANSWERS_MAX>,
    /// How many are about each account.
    #[serde(with = "Sparse::<{ AccountId::COUNT_MAX }>")]
    of_account: Vec<u32>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { held: Bounded::new(), of_account: vec![0; AccountId::COUNT_MAX] }
    }
}

impl Answers {
    /// Looks at what was read from a snapshot.
    pub fn restored(&self) -> Result<(), Inconsistent> {
        let check = |holds, why| Inconsistent::unless(holds, "answers", why);
        check(self.of_account.len() == AccountId::COUNT_MAX, "every account has a count")?;
        let mut counts = vec![0; AccountId::COUNT_MAX];
        for (_, record) in self.held.iter() {
            counts.get_mut(record.account.index()).into_iter().for_each(|count| *count += 1);
        }
        check(self.of_account == counts, "reports are counted by account")?;
        let due = || self.held.iter().map(|answer| answer.0);
        check(due().is_sorted(), "reports leave in their order")
    }

    /// When the next one leaves.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.held.front().map(|answer| answer.0)
    }

    /// True if one about the account is on its way: what is told later must not overtake it.
    pub fn has_of(&self, account: AccountId) -> bool {
        self.of_account.get(account.index()).is_some_and(|&count| count > 0)
    }

    /// Sends one on its way, to leave at `due` or with the one before it if that is later. Gives the oldest one if there are
    /// too many.
    pub fn push(&mut self, due: UnixNanos, record: EventRecord) -> Option<EventRecord> {
        let due = self.held.back().map_or(due, |last| last.0.max(due));
        let early = if self.held.has_room() { None } else { self.pop(UnixNanos::MAX) };
        if let Some(count) = self.of_account.get_mut(record.account.index()) {
            *count += 1;
        }
        self.held.push_back((due, record)).expect("room was made");
        early
    }

    /// The next one that leaves by `until`.
    pub fn pop(&mut self, until: UnixNanos) -> Option<EventRecord> {
        let (_, record) = self.held.pop_front_if(|answer| answer.0 <= until)?;
        if let Some(count) = self.of_account.get_mut(record.account.index()) {
            *count -= 1;
        }
        Some(record)
    }

    /// The hash of all of it, from scratch.
    pub fn hash(&self) -> StateHash {
        let mut hash = StateHash::default();
        for (place, (due, record)) in self.held.iter().enumerate() {
            let words: [u64; 32] = bytemuck::cast(*record);
            hash.add(hash_words(place as u64, &words).wrapping_add(due.0));
        }
        hash
    }
}
