//! Which epoch each record of a journal was written in, and from where on two journals differ.
//!
//! One primary writes in an epoch, in order, so a record is known by its epoch and number, and two journals that both hold
//! it hold the same up to there. Where they differ, one holds records that its primary never got confirmed.

use crate::message::EPOCH_MAX;
use serde::{Deserialize, Serialize};
use tidegate_model::SeqNo;

/// Epochs that a history tells of: each is a change of primary or a restart. A journal that has more tells of its last.
pub const EPOCHS_MAX: usize = 1_024;

/// Where an epoch begins in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: u64,
    /// The number of its first record.
    pub first: SeqNo,
}

/// The epochs of one journal, oldest first, and its last number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    starts: Vec<EpochStart>,
    last: SeqNo,
}

/// Why a history cannot be one of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// More than can be told.
    #[error("a history of {count} epochs is longer than {EPOCHS_MAX}")]
    TooLong {
        /// How many.
        count: usize,
    },
    /// An epoch that none can have.
    #[error("epoch {epoch} is above {EPOCH_MAX}, which no epoch is")]
    Epoch {
        /// What it says.
        epoch: u64,
    },
    /// Epochs and numbers only grow.
    #[error("epoch {epoch} from number {first} on does not come after the one before")]
    Order {
        /// The epoch.
        epoch: u64,
        /// Its first number.
        first: SeqNo,
    },
    /// The last number lies before the first of the last epoch, or there is a last number and no epoch.
    #[error("the last number {last} lies in no epoch")]
    Last {
        /// The number.
        last: SeqNo,
    },
}

impl History {
    /// A history out of its parts; `last` is the number of the last record, zero of an empty journal.
    ///
    /// # Errors
    /// [`HistoryError`] if no journal can have it.
    pub fn new(starts: Vec<EpochStart>, last: SeqNo) -> Result<Self, HistoryError> {
        let history = Self { starts, last };
        history.check().map(|()| history)
    }

    /// Whether a journal can have this history: what came over a wire is checked before it is used.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn check(&self) -> Result<(), HistoryError> {
        let count = self.starts.len();
        if count > EPOCHS_MAX {
            return Err(HistoryError::TooLong { count });
        }
        let mut before: Option<EpochStart> = None;
        for start in &self.starts {
            if start.epoch > EPOCH_MAX {
                return Err(HistoryError::Epoch { epoch: start.epoch });
            }
            let grows = before.is_none_or(|b| b.epoch < start.epoch && b.first < start.first);
            if !grows || start.first == SeqNo::ZERO {
                return Err(HistoryError::Order { epoch: start.epoch, first: start.first });
            }
            before = Some(*start);
        }
        match before {
            None if self.last != SeqNo::ZERO => Err(HistoryError::Last { last: self.last }),
            Some(start) if start.first > self.last => Err(HistoryError::Last { last: self.last }),
            _ => Ok(()),
        }
    }

    /// The number of the last record; zero if there is none.
    pub fn last(&self) -> SeqNo {
        self.last
    }

    /// The epoch of the last record; `None` if there is none.
    pub fn last_epoch(&self) -> Option<u64> {
        self.starts.last().map(|start| start.epoch)
    }

    /// The epoch of the record of number `seq`; `None` if it is not in the journal, or from before what is known of it.
    pub fn epoch_at(&self, seq: SeqNo) -> Option<u64> {
        let start = self.starts.iter().rfind(|start| start.first <= seq)?;
        (seq <= self.last).then_some(start.epoch)
    }

    /// The epochs, oldest first.
    pub fn starts(&self) -> &[EpochStart] {
        &self.starts
    }

    /// Records up to `last` were appended in the epoch of the last.
    ///
    /// # Panics
    /// If there is no epoch yet, or numbers would go back: only a bug does that.
    pub fn grow(&mut self, last: SeqNo) {
        assert!(!self.starts.is_empty(), "records belong to an epoch");
        assert!(last >= self.last, "numbers only grow: {last} after {}", self.last);
        self.last = last;
    }

    /// The first record of `epoch` was appended, at the next number.
    ///
    /// # Panics
    /// If the epoch does not come after the last one.
    pub fn begin(&mut self, epoch: u64) {
        assert!(self.last_epoch().is_none_or(|last| last < epoch), "epochs only grow");
        let first = self.last.next();
        if self.starts.len() == EPOCHS_MAX {
            self.starts.remove(0);
        }
        self.starts.push(EpochStart { epoch, first });
        self.last = first;
    }

    /// Everything after `last` was cut.
    pub fn cut_after(&mut self, last: SeqNo) {
        if last >= self.last {
            return;
        }
        self.starts.retain(|start| start.first <= last);
        self.last = if self.starts.is_empty() { SeqNo::ZERO } else { last };
    }

    /// The last number that both journals hold alike; zero if they have none in common, of which the epochs tell.
    pub fn common(&self, other: &Self) -> SeqNo {
        let mut common = SeqNo::ZERO;
        for (at, mine) in self.starts.iter().enumerate() {
            let Some(place) = other.starts.iter().position(|start| start.epoch == mine.epoch)
            else {
                continue;
            };
            let first = mine.first.max(other.starts[place].first);
            let both = self.end_of(at).min(other.end_of(place));
            if first <= both {
                common = common.max(both);
            }
        }
        common
    }

    /// The last number of the epoch at `place`.
    fn end_of(&self, place: usize) -> SeqNo {
        match self.starts.get(place + 1) {
            Some(next) => SeqNo(next.first.0 - 1),
            None => self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn history(starts: &[(u64, u64)], last: u64) -> History {
        let starts = starts.iter().map(|&(epoch, first)| EpochStart { epoch, first: SeqNo(first) });
        History::new(starts.collect(), SeqNo(last)).expect("a history of a journal")
    }

    #[test]
    fn what_two_journals_have_in_common() {
        type Journal<'a> = (&'a [(u64, u64)], u64);
        let rows: [(Journal<'_>, Journal<'_>, u64); 9] = [
            ((&[], 0), (&[(1, 1)], 10), 0),
            ((&[(1, 1)], 10), (&[(1, 1)], 10), 10),
            ((&[(1, 1)], 7), (&[(1, 1)], 10), 7),
            // A tail of the old epoch that nobody confirmed.
            ((&[(1, 1)], 12), (&[(1, 1), (2, 11)], 30), 10),
            ((&[(1, 1)], 9), (&[(1, 1), (2, 11)], 30), 9),
            // An epoch that only one of them knows.
            ((&[(1, 1), (2, 8)], 12), (&[(1, 1), (3, 11)], 30), 7),
            ((&[(1, 1), (2, 8), (4, 20)], 25), (&[(1, 1), (2, 8), (3, 15)], 30), 14),
            // Nothing in common: two journals of their own.
            ((&[(1, 1)], 5), (&[(2, 1)], 5), 0),
            // One that lost its beginning to retention.
            ((&[(2, 100)], 120), (&[(1, 1), (2, 50)], 110), 110),
        ];
        for ((mine, mine_last), (other, other_last), common) in rows {
            let (mine, other) = (history(mine, mine_last), history(other, other_last));
            assert_eq!(mine.common(&other), SeqNo(common), "{mine:?} and {other:?}");
            assert_eq!(other.common(&mine), SeqNo(common), "the other way round");
        }
    }

    #[test]
    fn what_no_journal_can_have_is_refused() {
        let check = |starts: &[(u64, u64)], last| {
            let starts = starts.iter();
            let starts = starts.map(|&(epoch, first)| EpochStart { epoch, first: SeqNo(first) });
            History::new(starts.collect(), SeqNo(last)).err()
        };
        assert_eq!(check(&[], 0), None);
        assert_eq!(check(&[(0, 1)], 1), None, "journals of before epochs have 0");
        assert!(matches!(check(&[], 1), Some(HistoryError::Last { .. })));
        assert!(matches!(check(&[(1, 5)], 4), Some(HistoryError::Last { .. })));
        assert!(matches!(check(&[(1, 0)], 4), Some(HistoryError::Order { .. })));
        assert!(matches!(check(&[(1, 1), (1, 2)], 4), Some(HistoryError::Order { .. })));
        assert!(matches!(check(&[(1, 2), (2, 2)], 4), Some(HistoryError::Order { .. })));
        let many: Vec<_> = (1..=EPOCHS_MAX as u64 + 1).map(|n| (n, n)).collect();
        assert!(matches!(check(&many, 9_999), Some(HistoryError::TooLong { .. })));
    }

    /// The naive twin: the epoch of each number, one by one.
    fn epochs(history: &History) -> Vec<u64> {
        let mut epochs = Vec::new();
        for number in 1..=history.last.0 {
            let mut starts = history.starts.iter().rev();
            let start = starts.find(|start| start.first.0 <= number).expect("in an epoch");
            epochs.push(start.epoch);
        }
        epochs
    }

    proptest! {
        /// Two journals that part at some number and go on in epochs of their own agree up to there and no farther.
        #[test]
        fn they_agree_up_to_where_they_parted(
            shared in prop::collection::vec(1u64..5, 0..5),
            mine in prop::collection::vec(1u64..5, 0..4),
            other in prop::collection::vec(1u64..5, 0..4),
            more in 0u64..5,
        ) {
            let mut history = History::default();
            let mut epoch = 0;
            for records in shared {
                epoch += 1;
                history.begin(epoch);
                history.grow(SeqNo(history.last().0 + records - 1));
            }
            let mut left = history.clone();
            if left.last_epoch().is_some() {
                left.grow(SeqNo(left.last().0 + more));
            }
            let mut right = history.clone();
            for (place, (history, epochs)) in [(&mut left, mine), (&mut right, other)].into_iter().enumerate() {
                for (at, records) in epochs.into_iter().enumerate() {
                    history.begin(epoch + 1 + 2 * at as u64 + place as u64);
                    history.grow(SeqNo(history.last().0 + records - 1));
                }
            }
            let same = epochs(&left).iter().zip(&epochs(&right)).take_while(|(a, b)| a == b).count();
            prop_assert_eq!(left.common(&right), SeqNo(same as u64));
            let mut cut = left.clone();
            cut.cut_after(SeqNo(same as u64));
            let mut kept = epochs(&left);
            kept.truncate(same);
            prop_assert_eq!(epochs(&cut), kept);
            prop_assert!(cut.check().is_ok());
        }
    }
}
