//! What positions tie up in a margin account: a share of their value, or so much a lot, by instrument.

use serde::{Deserialize, Serialize};
use tidegate_model::command::SetMargin;
use tidegate_model::hash::hash_words;
use tidegate_model::{InstrumentId, Money, Reject, RejectReason};

/// Millionths in the whole.
const E6: i128 = 1_000_000;
/// The largest share: ten times the value.
pub const SHARE_E6_MAX: u32 = 10_000_000;
/// The most money a lot: with it the margin of any number of lots up to 2^22 fits what a pair may tie up.
pub const PER_LOT_MAX: Money = Money(1 << 90);
/// What one pair of account and instrument ties up at most; beyond it is held here. No account has as much, so that more
/// would refuse nothing else, and the sum over [`InstrumentId::COUNT_MAX`] instruments fits.
pub const MARGIN_MAX: Money = Money(1 << 112);

const TAG_MARGIN: u64 = 0x7269_736b_6d61_7267;

/// One of the two margins of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Millionths of the value.
    pub share_e6: u32,
    /// For each lot.
    pub per_lot: Money,
}

/// The margins of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarginTerms {
    /// What opening a position takes.
    pub initial: Requirement,
    /// What keeping it takes.
    pub maintenance: Requirement,
}

impl Requirement {
    /// All of the value: what an instrument takes whose margins nobody has set.
    pub const FULL: Self = Self { share_e6: E6 as u32, per_lot: Money::ZERO };

    /// What `lots` lots worth `value` (at least 0) take, rounded up, at most [`MARGIN_MAX`].
    #[inline]
    pub fn of(&self, value: Money, lots: u128) -> Money {
        let share = i128::from(self.share_e6);
        // Within 2^112 and 10: whole x share fits.
        let value = value.0.min(MARGIN_MAX.0);
        let (whole, rest) = (value / E6, value % E6);
        let by_value = whole * share + (rest * share + E6 - 1) / E6;
        let by_lots = i128::try_from(lots).ok().and_then(|lots| lots.checked_mul(self.per_lot.0));
        let by_lots = by_lots.unwrap_or(MARGIN_MAX.0).min(MARGIN_MAX.0);
        Money((by_value + by_lots).min(MARGIN_MAX.0))
    }
}

impl MarginTerms {
    /// All of the value, to open and to keep.
    pub const FULL: Self = Self { initial: Requirement::FULL, maintenance: Requirement::FULL };

    /// Reads margins; `None` if they are all 0, which takes them away.
    ///
    /// # Errors
    /// [`RejectReason::BadField`] with the bound and the value: an amount below 0 or beyond its bound, or a maintenance margin
    /// above the initial one.
    pub fn of(set: &SetMargin) -> Result<Option<Self>, Reject> {
        let check = |ok: bool, limit: i128, value: i128| {
            if ok { Ok(()) } else { Err(Reject::new(RejectReason::BadField, limit, value)) }
        };
        let initial = Requirement { share_e6: set.initial_e6, per_lot: set.initial_per_lot };
        let maintenance =
            Requirement { share_e6: set.maintenance_e6, per_lot: set.maintenance_per_lot };
        for Requirement { share_e6, per_lot } in [initial, maintenance] {
            check(share_e6 <= SHARE_E6_MAX, SHARE_E6_MAX.into(), share_e6.into())?;
            check((Money::ZERO..=PER_LOT_MAX).contains(&per_lot), PER_LOT_MAX.0, per_lot.0)?;
        }
        let (most, share) = (initial.share_e6, maintenance.share_e6);
        check(share <= most, most.into(), share.into())?;
        check(maintenance.per_lot <= initial.per_lot, initial.per_lot.0, maintenance.per_lot.0)?;
        let is_none = most == 0 && initial.per_lot == Money::ZERO;
        Ok((!is_none).then_some(Self { initial, maintenance }))
    }

    pub(crate) fn hash(&self, instrument: InstrumentId) -> u64 {
        let of = |requirement: &Requirement| {
            let per_lot = requirement.per_lot.0;
            [requirement.share_e6.into(), per_lot as u64, (per_lot >> 64) as u64]
        };
        let ([a, b, c], [d, e, f]) = (of(&self.initial), of(&self.maintenance));
        hash_words(TAG_MARGIN, &[instrument.0.into(), a, b, c, d, e, f])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_rounded_up_and_held_at_their_most() {
        let half = Requirement { share_e6: 500_000, per_lot: Money::ZERO };
        let future = Requirement { share_e6: 0, per_lot: Money(12) };
        let both = Requirement { share_e6: 250_000, per_lot: Money(3) };
        for (requirement, value, lots, expected) in [
            (half, 1_000, 10, 500),
            (half, 1_001, 10, 501),
            (half, 0, 0, 0),
            (future, 1_000, 10, 120),
            (both, 1_000, 10, 280),
            (Requirement::FULL, 777, 5, 777),
            (Requirement { share_e6: SHARE_E6_MAX, ..half }, 1 << 100, 1, 10 << 100),
            (Requirement { share_e6: SHARE_E6_MAX, ..half }, 1 << 112, 1, MARGIN_MAX.0),
            (Requirement::FULL, i128::MAX, 1, MARGIN_MAX.0),
            (Requirement { per_lot: PER_LOT_MAX, ..future }, 0, 1 << 22, MARGIN_MAX.0),
            (Requirement { per_lot: PER_LOT_MAX, ..future }, 0, u128::MAX, MARGIN_MAX.0),
        ] {
            let told = requirement.of(Money(value), lots);
            assert_eq!(told, Money(expected), "{requirement:?} of {value}, {lots} lots");
        }
    }

    #[test]
    fn margins_that_mean_nothing() {
        const SET: SetMargin = SetMargin {
            initial_per_lot: Money(10),
            maintenance_per_lot: Money(5),
            instrument: InstrumentId(1),
            initial_e6: 500_000,
            maintenance_e6: 250_000,
            reserved: [0; 4],
        };
        for (set, limit, value) in [
            (SetMargin { initial_e6: 10_000_001, ..SET }, 10_000_000, 10_000_001),
            (SetMargin { maintenance_e6: 500_001, ..SET }, 500_000, 500_001),
            (SetMargin { initial_per_lot: Money(-1), ..SET }, PER_LOT_MAX.0, -1),
            (SetMargin { maintenance_per_lot: Money(11), ..SET }, 10, 11),
            (SetMargin { initial_per_lot: Money::MAX, ..SET }, PER_LOT_MAX.0, i128::MAX),
        ] {
            let reject = MarginTerms::of(&set).expect_err("it means nothing");
            let expected = Reject::new(RejectReason::BadField, limit, value);
            assert_eq!(reject, expected, "{set:?}");
        }
        assert!(MarginTerms::of(&SET).expect("sensible").is_some());
        let nothing = Money::ZERO;
        let none = SetMargin { initial_e6: 0, maintenance_e6: 0, initial_per_lot: nothing, ..SET };
        let none = SetMargin { maintenance_per_lot: nothing, ..none };
        assert_eq!(MarginTerms::of(&none), Ok(None));
    }
}
