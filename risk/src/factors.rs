//! A portfolio's factors: how much of its value moves with each of a few things that move together.
//!
//! A sidecar estimates them, such that they are uncorrelated and each has the same variance; what they amount to is then the
//! root of the sum of their squares. Here they are integers.

use crate::stake::Contribution;
use tidegate_model::Money;
use tidegate_model::command::FACTORS_MAX;

/// Millionths in the whole.
const E6: i128 = 1_000_000;
/// Factors are summed in thousandths of a currency's unit: 2^59 of them, 576 trillion units, and eight squares fit 128 bits.
const MILLI: i128 = 1_000_000_000_000_000;
const FACTOR_MAX: i128 = 1 << 59;

/// Each factor if all that raises it executes, and if all that lowers it does. In money of 1e-15.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FactorSums {
    pub highest: [i128; FACTORS_MAX],
    pub lowest: [i128; FACTORS_MAX],
}

impl FactorSums {
    /// Adds (`sign` 1) or takes away (-1) what one instrument contributes.
    pub fn add(&mut self, of: &Contribution, loadings_e6: &[i32; FACTORS_MAX], sign: i128) {
        // What the value may become if every order of one side executes. In thousandths, so that products fit.
        let value = of.long - of.short;
        let [up, down] = [value + of.open[0], value - of.open[1]].map(|money| money / 1_000);
        let sides = self.highest.iter_mut().zip(&mut self.lowest);
        for ((highest, lowest), loading) in sides.zip(loadings_e6) {
            let [a, b] = [up, down].map(|money| money * i128::from(*loading) / E6);
            *highest += sign * a.max(b);
            *lowest += sign * a.min(b);
        }
    }

    /// True if the factors amount to no more than `limit` at worst.
    #[inline]
    pub fn is_within(&self, limit: i128) -> bool {
        // The root is rounded down: what comes to the next thousandth of a unit is beyond.
        let limit = u128::try_from(limit / MILLI).unwrap_or(0).saturating_add(1);
        limit.checked_mul(limit).is_none_or(|square| self.squares() < square)
    }

    /// What the factors amount to at worst.
    pub fn exposure(&self) -> Money {
        Money(self.squares().isqrt() as i128 * MILLI)
    }

    #[inline]
    fn squares(&self) -> u128 {
        let squares = self.highest.iter().zip(&self.lowest).map(|(highest, lowest)| {
            let worst = highest.abs().max(lowest.abs()) / (MILLI / 1_000);
            let worst = worst.min(FACTOR_MAX) as u128;
            worst * worst
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
            assert_eq!(sums.exposure(), Money(units * MONEY_PER_UNIT), "{parts:?}");
            parts.iter().for_each(|(part, loadings)| sums.add(part, loadings, -1));
            assert_eq!(sums, FactorSums::default(), "taken away again");
        }
    }
}
