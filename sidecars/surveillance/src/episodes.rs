//! An alert is told once, not once for each event that keeps it true.

use crate::alert::AlertKind;
use std::collections::{HashMap, VecDeque};

/// Episodes that are remembered. Meeting it forgets the oldest, so that at worst an alert is told again too soon.
pub(crate) const EPISODES_MAX: usize = 65_536;

/// Whom an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Principal(u32),
    Account(u32),
    /// Two accounts, the lower number first.
    Accounts(u32, u32),
    /// Nobody: surveillance itself.
    Nobody,
}

/// What one episode is about: an alert of one kind, about somebody, in one instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub kind: AlertKind,
    pub who: Who,
    /// The instrument, or what else tells two apart; 0 if nothing does.
    pub what: u32,
}

#[derive(Clone, Copy)]
struct Episode {
    told_at: u64,
    repeats: u64,
}

/// What was told lately, and how often it was met since.
pub(crate) struct Episodes {
    cool_down_ns: u64,
    told: HashMap<Subject, Episode>,
    /// By the time they were told. One that was told again since is passed over.
    order: VecDeque<(u64, Subject)>,
}

impl Episodes {
    pub fn new(cool_down_ns: u64) -> Self {
        Self { cool_down_ns, told: HashMap::new(), order: VecDeque::new() }
    }

    /// A pattern is met. `None` if it was told less than the cool-down ago; else it is to be told now, with how often it was
    /// met, untold, since the last time.
    pub fn met(&mut self, now: u64, subject: Subject) -> Option<u64> {
        let mut repeats = 0;
        if let Some(episode) = self.told.get_mut(&subject) {
            if now.saturating_sub(episode.told_at) < self.cool_down_ns {
                episode.repeats += 1;
                return None;
            }
            repeats = episode.repeats;
        }
        self.told.insert(subject, Episode { told_at: now, repeats: 0 });
        self.order.push_back((now, subject));
        while self.order.len() > EPISODES_MAX {
            let Some((told_at, oldest)) = self.order.pop_front() else { break };
            if self.told.get(&oldest).is_some_and(|it| it.told_at == told_at) {
                self.told.remove(&oldest);
            }
        }
        Some(repeats)
    }

    /// Episodes that are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(account: u32) -> Subject {
        Subject { kind: AlertKind::Layering, who: Who::Account(account), what: 0 }
    }

    #[test]
    fn an_episode_is_told_once_and_again_after_the_cool_down() {
        let mut episodes = Episodes::new(100);
        for (now, account, expected) in [
            (1_000, 1, Some(0)),
            (1_001, 1, None),
            (1_001, 2, Some(0)),
            (1_099, 1, None),
            (1_100, 1, Some(2)),
            (1_150, 2, Some(0)),
            (1_150, 1, None),
            (9_000, 1, Some(1)),
        ] {
            assert_eq!(episodes.met(now, of(account)), expected, "account {account} at {now}");
        }
    }

    #[test]
    fn no_more_are_kept_than_the_bound() {
        let mut episodes = Episodes::new(u64::MAX);
        for account in 0..EPISODES_MAX as u32 + 10 {
            assert_eq!(episodes.met(1, of(account)), Some(0));
        }
        assert_eq!((episodes.len(), episodes.told.len()), (EPISODES_MAX, EPISODES_MAX));
        assert_eq!(episodes.met(1, of(0)), Some(0), "the oldest is forgotten");
        assert_eq!(episodes.met(1, of(EPISODES_MAX as u32)), None);
    }
}
