//! Levels, supposing that cancels are shared between those ahead of us and those behind.
//!
//! With `a` lots ahead and `b` behind, a cancel stood ahead with probability `f(a) / (f(a) + f(b))`: 0 at the front of the queue, 1
//! at its back. Of `d` canceled lots the expected `d x f(a) / (f(a) + f(b))` leave from ahead, rounded down, and whatever those
//! behind cannot have had. (Cont, Stoikov, Talreja 2010 measure how cancels depend on the place; Rigtorp 2013, "Estimating order queue
//! position", has this form with `log(1 + x)`.)
//!
//! Bias: it moves by the expectation of something random, and `f` is a guess about one market at one time: compare fills with
//! live ones before it is trusted. Steeper powers take more from the longer part of the queue. `log(1 + x)` depends on what
//! counts as 1, the powers do not.

use super::fixed::{EXP_BITS, exp2_neg, log2};
use super::levels::{Cancels, Change};
use tidegate_model::Lots;
use tidegate_model::command::FillModelKind;

/// The function `f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probability {
    /// `x^n`, n in 1e-3.
    Power(u32),
    /// `log(1 + x / unit)`; the unit is at least 1.
    Log(Lots),
    /// `x^2`.
    Square,
}

impl Probability {
    /// Two numbers in the proportion of `f(ahead)` to `f(behind)`, below 2^64 each.
    ///
    /// The error of the probability that follows is below 2^-29; for logarithms only while one of the two is at least the unit.
    fn weights(&self, ahead: u64, behind: u64) -> (u64, u64) {
        match *self {
            _ if ahead == 0 || behind == 0 => (ahead, behind),
            Self::Square => {
                // 32 bits of each are left, so that the squares fit.
                let shift = 32u32.saturating_sub(ahead.max(behind).leading_zeros());
                let (ahead, behind) = (ahead >> shift, behind >> shift);
                (ahead * ahead, behind * behind)
            }
            Self::Power(exponent_e3) => {
                let (log_ahead, log_behind) = (log2(ahead), log2(behind));
                // At most 64 x 2^32 x 10,000, below 2^52.
                let ratio = log_ahead.abs_diff(log_behind) * u64::from(exponent_e3) / 1_000;
                let (large, small) = (1 << EXP_BITS, exp2_neg(ratio));
                if ahead >= behind { (large, small) } else { (small, large) }
            }
            Self::Log(unit) => {
                let base = log2(unit.0);
                let of = |lots: u64| log2(lots.saturating_add(unit.0)) - base;
                match (of(ahead), of(behind)) {
                    // Both are below what the logarithm resolves; there it is a straight line.
                    (0, 0) => (ahead, behind),
                    weights => weights,
                }
            }
        }
    }
}

impl Cancels for Probability {
    fn kind(&self) -> FillModelKind {
        match self {
            Self::Power(_) => FillModelKind::Power,
            Self::Log(_) => FillModelKind::Log,
            Self::Square => FillModelKind::Square,
        }
    }

    fn ahead_after(&self, change: &Change) -> Lots {
        let canceled = change.canceled();
        let ahead = change.ahead.0;
        if canceled == 0 {
            return Lots(ahead.min(change.after.0));
        }
        let standing = change.before.0.saturating_sub(change.traded.0);
        let behind = standing.saturating_sub(ahead);
        let (weight, other) = self.weights(ahead, behind);
        let sum = u128::from(weight) + u128::from(other);
        let share = (u128::from(canceled) * u128::from(weight)).checked_div(sum).unwrap_or(0);
        // What those behind did not have left from ahead.
        let left = (share as u64).max(canceled.saturating_sub(behind));
        Lots(ahead.saturating_sub(left).min(change.after.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same with floats, from the definition.
    fn reference(f: impl Fn(f64) -> f64, ahead: u64, behind: u64) -> f64 {
        let (a, b) = (f(ahead as f64), f(behind as f64));
        a / (a + b)
    }

    fn got(shape: Probability, ahead: u64, behind: u64) -> f64 {
        let (a, b) = shape.weights(ahead, behind);
        a as f64 / (a as f64 + b as f64)
    }

    fn check(ahead: u64, behind: u64, exponent_e3: u32, unit: u64) {
        let n = f64::from(exponent_e3) / 1e3;
        let log = |x: f64| (1.0 + x / unit as f64).ln();
        let cases = [
            // Of a ratio, so that large powers stay finite.
            (Probability::Power(exponent_e3), {
                1.0 / (1.0 + (behind as f64 / ahead as f64).powf(n))
            }),
            (Probability::Square, reference(|x| x * x, ahead, behind)),
            (Probability::Log(Lots(unit)), reference(log, ahead, behind)),
        ];
        for (shape, want) in cases {
            let (got, fine) = (got(shape, ahead, behind), ahead.max(behind) >= unit);
            let bound =
                if fine || shape.kind() != FillModelKind::Log { (-29f64).exp2() } else { 1.0 };
            assert!((got - want).abs() < bound, "{shape:?} {ahead} {behind}: {got}, not {want}");
        }
    }

    #[test]
    fn at_the_ends_of_the_queue() {
        for shape in [Probability::Power(500), Probability::Log(Lots(1)), Probability::Square] {
            let after = |ahead, before, after| {
                let change = Change {
                    ahead: Lots(ahead),
                    before: Lots(before),
                    after: Lots(after),
                    traded: Lots(0),
                };
                shape.ahead_after(&change).0
            };
            assert_eq!(after(0, 100, 40), 0, "at the front every cancel is behind");
            assert_eq!(after(100, 100, 40), 40, "at the back every cancel is ahead");
            assert_eq!(after(50, 100, 90), 45, "in the middle they are shared");
            assert_eq!(after(50, 100, 20), 10, "and all of the others left");
            assert_eq!(after(50, 100, 130), 50, "who joins stands behind");
            assert_eq!(after(u64::MAX, u64::MAX, 0), 0);
        }
    }

    proptest! {
        #[test]
        fn as_floats_reckon(
            ahead in 1..=u64::MAX, behind in 1..=u64::MAX, shifts in (0..64u32, 0..64u32),
            exponent_e3 in 1..=10_000u32, unit in 1..1_000_000_000u64,
        ) {
            check((ahead >> shifts.0).max(1), (behind >> shifts.1).max(1), exponent_e3, unit);
        }

        /// What [`Cancels`] demands, and that nobody gets further forward than cancels allow.
        #[test]
        fn ahead_stays_within_its_bounds(
            figures in (0..1_000u64, 0..1_000u64, 0..1_000u64, 0..300u64), exponent_e3 in 1..=10_000u32,
        ) {
            let (ahead, before, after, traded) = figures;
            for shape in [Probability::Power(exponent_e3), Probability::Log(Lots(10)), Probability::Square] {
                let of = |ahead: u64| {
                    let (ahead, before) = (Lots(ahead), Lots(before));
                    let change = Change { ahead, before, after: Lots(after), traded: Lots(traded) };
                    (shape.ahead_after(&change).0, change.canceled())
                };
                let (got, canceled) = of(ahead);
                prop_assert!(got <= ahead && got <= after);
                prop_assert!(got >= ahead.saturating_sub(canceled).min(after));
            }
        }
    }
}
