//! Orders of the last while, to know one that is sent again under another name.

use serde::{Deserialize, Serialize};
use tidegate_model::command::NewOrder;
use tidegate_model::hash::hash_words;
use tidegate_model::saved::Sparse;
use tidegate_model::{StateHash, UnixNanos};

/// Sets of four: together as many orders as arrive within a second on a busy day. 768 KiB.
const SETS: usize = 1 << 13;
/// Orders that a set remembers; the one that was seen longest ago makes way.
const WAYS: usize = 4;
const TAG_RECENT: u64 = 0x7269_736b_6475_7065;
const TAG_CONTENT: u64 = 0x7269_736b_636f_6e74;

/// What an order says but for its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content(u64);

impl Content {
    pub fn of(order: &NewOrder) -> Self {
        let words: [u64; 16] = bytemuck::cast(*order);
        // The first five words are the name.
        Self(hash_words(TAG_CONTENT, &words[5..]))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    content: u64,
    first_at: UnixNanos,
    last_at: UnixNanos,
    count: u32,
}

impl Seen {
    fn hash(&self) -> u64 {
        if self.count == 0 {
            return 0;
        }
        let words = [self.content, self.first_at.0, self.last_at.0, self.count.into()];
        hash_words(TAG_RECENT, &words)
    }
}

/// How often orders of one content came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recent {
    #[serde(with = "Sparse::<SETS>")]
    sets: Vec<[Seen; WAYS]>,
    hash: StateHash,
}

impl Recent {
    pub fn new() -> Self {
        Self { sets: vec![[Seen::default(); WAYS]; SETS], hash: StateHash::default() }
    }

    /// How many of this content passed within `window_ns` of the first of them.
    #[inline]
    pub fn count(&self, content: Content, now: UnixNanos, window_ns: u64) -> u32 {
        let set = &self.sets[content.0 as usize % SETS];
        let seen = set.iter().find(|seen| seen.content == content.0 && seen.count > 0);
        let is_recent = |seen: &&Seen| now.0.saturating_sub(seen.first_at.0) < window_ns;
        seen.filter(is_recent).map_or(0, |seen| seen.count)
    }

    /// One more of this content passed; what is longer ago than `window_ns` is forgotten.
    pub fn note(&mut self, content: Content, now: UnixNanos, window_ns: u64) {
        let set = &mut self.sets[content.0 as usize % SETS];
        let at = set.iter().position(|seen| seen.content == content.0 && seen.count > 0);
        let oldest = || (0..WAYS).min_by_key(|at| set[*at].last_at).expect("there are four");
        let at = at.unwrap_or_else(oldest);
        let seen = &mut set[at];
        self.hash.remove(seen.hash());
        let goes_on = seen.content == content.0
            && seen.count > 0
            && now.0.saturating_sub(seen.first_at.0) < window_ns;
        *seen = match goes_on {
            true => Seen { last_at: now, count: seen.count.saturating_add(1), ..*seen },
            false => Seen { content: content.0, first_at: now, last_at: now, count: 1 },
        };
        self.hash.add(seen.hash());
    }

    /// The same hash, computed anew.
    pub fn hash_from_scratch(&self) -> StateHash {
        let mut hash = StateHash::default();
        self.sets.iter().flatten().for_each(|seen| hash.add(seen.hash()));
        hash
    }

    pub const fn hash(&self) -> StateHash {
        self.hash
    }
}
