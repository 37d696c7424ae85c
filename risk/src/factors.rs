//! A portfolio's factors: how much of its value moves with each of a few things that move together.
//!
//! A sidecar estimates them, such that they are uncorrelated and each has the same variance; what they amount to is then the
//! root of the sum of their squares. Here they are integers.

use crate::stake::Contribution;
use serde::{Deserialize, Serialize};
use tidegate_model::Money;
use tidegate_model::command::FACTORS_MAX;

/// Sums are kept in so many [`Money`] units: thousandths of a currency's unit, times millionths of a loading.
const MILLI: i128 = 1_000_000_000_000_000;
const E6: i128 = 1_000_000;
/// What is squared is a sum without its last ten bits, a millionth of a unit: a shift where a division would take long.
const SHIFT: u32 = 10;
/// The most of it that is squared, 590 thousand million units: eight squares fit 128 bits.
const FACTOR_MAX: u128 = 1 << 59;

/// Each factor if all that raises it executes, and if all that lowers it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FactorSums {
    pub highest: [i128; FACTORS_MAX],
    pub lowest: [i128; FACTORS_MAX],
}

/// A limit as squares of sums are compared with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FactorLimit(u128);

impl FactorLimit {
    /// What comes to more than `limit` of money is beyond it.
    pub fn of(limit: i128) -> Self {
        let kept = u128::try_from(limit / MILLI).unwrap_or(0).saturating_mul(E6 as u128) >> SHIFT;
        let next = kept + 1;
        Self(next.saturating_mul(next))
    }
}

impl FactorSums {
    /// Adds (`sign` 1) or takes away (-1) what one instrument contributes.
    pub fn add(&mut self, of: &Contribution, loadings_e6: &[i32; FACTORS_MAX], sign: i128) {
        // What the value may become if every order of one side executes.
        let value = of.long - of.short;
        let [up, down] = [value + of.open[0], value - of.open[1]].map(|money| money / MILLI);
        let sides = self.highest.iter_mut().zip(&mut self.lowest);
        for ((highest, lowest), loading) in sides.zip(loadings_e6) {
            let [a, b] = [up, down].map(|milli| milli * i128::from(*loading));
            *highest += sign * a.max(b);
            *lowest += sign * a.min(b);
        }
    }

    /// True if the factors come to no more than the limit at worst.
    #[inline]
    pub fn is_within(&self, limit: FactorLimit) -> bool {
        self.squares() < limit.0
    }

    /// What the factors come to at worst, to a thousandth of a unit.
    pub fn exposure(&self) -> Money {
        let root = self.squares().isqrt() as i128;
        Money(((root << SHIFT) + E6 / 2) / E6 * MILLI)
    }

    #[inline]
    fn squares(&self) -> u128 {
        let squares = self.highest.iter().zip(&self.lowest).map(|(highest, lowest)| {
            let worst = highest.unsigned_abs().max(lowest.unsigned_abs()) >> SHIFT;
            // Below 2^59: one multiplication of 64 bits.
            let worst = worst.min(FACTOR_MAX) as u64;
            u128::from(worst) * u128::from(worst)
        });
        squares.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::units::MONEY_PER_UNIT;

    fn contribution(long: i128, short: i128, open: [i128; 2]) -> Contribution {
        let [long, short] = [long, short].map(|units| units * MONEY_PER_UNIT);
        Contribution { long, short, open: open.map(|units| units * MONEY_PER_UNIT), pnl: 0 }
    }

    #[test]
    fn what_moves_together_adds_up_and_what_does_not_less() {
        let market = [1_000_000, 0, 0, 0, 0, 0, 0, 0];
        let other = [0, 1_000_000, 0, 0, 0, 0, 0, 0];
        let against = [-1_000_000, 0, 0, 0, 0, 0, 0, 0];
        let (long, short) = (contribution(300, 0, [0, 0]), contribution(0, 400, [0, 0]));
        for (parts, units) in [
            (&[(long, market), (short, market)][..], 100),
            (&[(long, market), (short, against)], 700),
            (&[(long, market), (short, other)], 500),
            // An order that would hedge is not counted on, one that would not is.
            (&[(contribution(300, 0, [0, 200]), market)], 300),
            (&[(contribution(300, 0, [200, 0]), market)], 500),
            (&[(contribution(100, 0, [0, 500]), market)], 400),
            (&[(contribution(100, 0, [0, 500]), against)], 400),
            (&[], 0),
        ] {
            let mut sums = FactorSums::default();
            parts.iter().for_each(|(part, loadings)| sums.add(part, loadings, 1));
            let told = sums.exposure().0;
            let away = (told - units * MONEY_PER_UNIT).abs();
            assert!(away <= 2 * MILLI, "{parts:?}: {told}");
            let [at, below] = [0, 1].map(|less| FactorLimit::of((units - less) * MONEY_PER_UNIT));
            assert!(sums.is_within(at) && (units == 0 || !sums.is_within(below)), "{parts:?}");
            parts.iter().for_each(|(part, loadings)| sums.add(part, loadings, -1));
            assert_eq!(sums, FactorSums::default(), "taken away again");
        }
    }
}
