//! Where a routed order stands between here and its venue: one table. It decides what may leave; the order's own status
//! (`oms`) decides what is told.
//!
//! At most once: a request leaves on `Leave*` only, and none of those is possible while an earlier outcome is unknown.

/// Where an order stands with its venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Standing {
    /// It left; nothing was heard.
    Sent = 1,
    /// The venue has it, nothing is under way.
    Working = 2,
    /// A cancel left.
    Canceling = 3,
    /// A replace left.
    Replacing = 4,
    /// What left last has no known outcome: nothing leaves until reconciliation has found the order or missed it.
    Unsure = 5,
    /// Nothing more is expected of it.
    Ended = 6,
    /// It never left: it waits here until the route is up.
    Kept = 7,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It is to leave for the first time.
    Leave,
    /// The venue has it.
    Acknowledge,
    /// Some of it is executed.
    Execute,
    /// It is refused, canceled, expired, filled, or the venue does not know it.
    End,
    /// A cancel is to leave.
    LeaveCancel,
    /// A replace is to leave.
    LeaveReplace,
    /// The venue gave it other terms.
    Change,
    /// The venue refused what left last.
    Refuse,
    /// The link is gone, or the outcome of what left last is unknown.
    Lose,
    /// Reconciliation found it open.
    Find,
}

impl Standing {
    /// Every standing, in the order of the table's rows.
    pub const ALL: [Self; 7] = [
        Self::Sent,
        Self::Working,
        Self::Canceling,
        Self::Replacing,
        Self::Unsure,
        Self::Ended,
        Self::Kept,
    ];

    /// True if something left that is not answered.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Sent | Self::Canceling | Self::Replacing)
    }
}

impl Happening {
    /// Every happening, in the order of the table's columns.
    pub const ALL: [Self; 10] = [
        Self::Leave,
        Self::Acknowledge,
        Self::Execute,
        Self::End,
        Self::LeaveCancel,
        Self::LeaveReplace,
        Self::Change,
        Self::Refuse,
        Self::Lose,
        Self::Find,
    ];
}

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It cannot happen: the report is refused, or nothing leaves.
    Not,
    /// It stands so from now on.
    To(Standing),
    /// The venue has open what has ended here: it is canceled there.
    Late,
}

use Next::{Late, Not, To};
use Standing::{Canceling, Ended, Kept, Replacing, Sent, Unsure, Working};
use serde::{Deserialize, Serialize};

/// The table. Rows are [`Standing`], columns [`Happening`], in declared order.
#[rustfmt::skip]
const TABLE: [(Standing, [Next; 10]); 7] = [
    //           Leave     Acknowledge    Execute        End        LeaveCancel    LeaveReplace   Change         Refuse       Lose         Find
    (Sent,      [Not,      To(Working),   To(Working),   To(Ended), To(Canceling), Not,           Not,           Not,         To(Unsure),  Not]),
    (Working,   [Not,      To(Working),   To(Working),   To(Ended), To(Canceling), To(Replacing), To(Working),   To(Working), To(Working), To(Working)]),
    (Canceling, [Not,      To(Canceling), To(Canceling), To(Ended), Not,           Not,           To(Canceling), To(Working), To(Unsure),  Not]),
    (Replacing, [Not,      To(Replacing), To(Replacing), To(Ended), To(Canceling), Not,           To(Working),   To(Working), To(Unsure),  Not]),
    (Unsure,    [Not,      To(Unsure),    To(Unsure),    To(Ended), Not,           Not,           To(Unsure),    To(Unsure),  To(Unsure),  To(Working)]),
    (Ended,     [Not,      Late,          To(Ended),     To(Ended), Not,           Not,           To(Ended),     To(Ended),   To(Ended),   Late]),
    (Kept,      [To(Sent), Not,           Not,           To(Ended), Not,           Not,           Not,           Not,         To(Kept),    Not]),
];

/// What follows where `happening` meets an order that stands at `standing`.
#[inline]
pub fn next(standing: Standing, happening: Happening) -> Next {
    let (row, cells) = &TABLE[standing as usize - 1];
    debug_assert!(*row == standing, "rows are in declared order");
    cells[happening as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use Happening::*;

    #[test]
    fn rows_and_columns_are_in_declared_order() {
        for (at, standing) in Standing::ALL.into_iter().enumerate() {
            assert_eq!((TABLE[at].0, standing as usize), (standing, at + 1));
        }
        for (at, happening) in Happening::ALL.into_iter().enumerate() {
            assert_eq!(happening as usize, at);
        }
    }

    #[test]
    fn an_order_leaves_once() {
        for standing in Standing::ALL {
            let leaves = next(standing, Leave) == To(Sent);
            assert_eq!(leaves, standing == Kept, "{standing:?}");
            for happening in Happening::ALL {
                // Nothing brings it back to where it could leave again.
                assert!(next(standing, happening) != To(Kept) || standing == Kept, "{standing:?}");
            }
        }
    }

    #[test]
    fn nothing_leaves_while_an_outcome_is_unknown() {
        for leave in [Leave, LeaveCancel, LeaveReplace] {
            assert_eq!(next(Unsure, leave), Not);
            assert_eq!(next(Ended, leave), Not);
        }
        // One cancel at a time, and no replace beside anything that is under way.
        assert_eq!(next(Canceling, LeaveCancel), Not);
        for standing in Standing::ALL {
            let may_replace = next(standing, LeaveReplace) != Not;
            assert_eq!(may_replace, standing == Working, "{standing:?}");
        }
    }

    #[test]
    fn what_is_lost_is_unsure_until_it_is_found_or_ends() {
        for standing in Standing::ALL {
            let lost = if standing.is_under_way() { Unsure } else { standing };
            assert_eq!(next(standing, Lose), To(lost), "{standing:?}");
        }
        for happening in Happening::ALL {
            let out = match happening {
                Find => To(Working),
                End => To(Ended),
                Leave | LeaveCancel | LeaveReplace => Not,
                _ => To(Unsure),
            };
            assert_eq!(next(Unsure, happening), out, "{happening:?}");
        }
    }

    #[test]
    fn every_standing_is_reached_from_the_first_and_ends() {
        let mut reached = vec![Kept];
        let mut at = 0;
        while at < reached.len() {
            for happening in Happening::ALL {
                if let To(standing) = next(reached[at], happening)
                    && !reached.contains(&standing)
                {
                    reached.push(standing);
                }
            }
            assert_eq!(next(reached[at], End), To(Ended));
            at += 1;
        }
        assert_eq!(reached.len(), Standing::ALL.len(), "{reached:?}");
    }

    #[test]
    fn what_has_ended_never_comes_back_here() {
        for happening in Happening::ALL {
            assert!(matches!(next(Ended, happening), To(Ended) | Late | Not), "{happening:?}");
        }
    }
}
