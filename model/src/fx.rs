//! Rates between currencies, and exact conversion: what a division leaves over is carried, never dropped.

use crate::units::Money;
use serde::{Deserialize, Serialize};

/// Decimals that a rate may have.
pub const RATE_SCALE_MAX: u8 = 18;

/// The unit of a carried remainder: 1e-18 of a [`Money`] unit.
const REST_SCALE: u32 = RATE_SCALE_MAX as u32;

/// What one unit of a currency is worth in another: `mantissa / 10^scale` units of that.
///
/// One way only. The way back is a rate of its own, as a dealer quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "(u64, u8)", try_from = "(u64, u8)")]
pub struct Rate {
    mantissa: u64,
    scale: u8,
}

/// What a conversion left over, in 1e-18 of a [`Money`] unit; always below one unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest(u64);

impl Rest {
    /// The count of 1e-18 of a [`Money`] unit.
    #[inline]
    pub const fn units(self) -> u64 {
        self.0
    }
}

impl From<Rate> for (u64, u8) {
    fn from(Rate { mantissa, scale }: Rate) -> Self {
        (mantissa, scale)
    }
}

impl TryFrom<(u64, u8)> for Rate {
    type Error = &'static str;

    fn try_from((mantissa, scale): (u64, u8)) -> Result<Self, Self::Error> {
        Self::new(mantissa, scale).ok_or("a rate is above 0 and has at most 18 decimals")
    }
}

impl Rate {
    /// A unit for a unit.
    pub const ONE: Self = Self { mantissa: 1, scale: 0 };

    /// The rate `mantissa / 10^scale`, or `None` if it is 0 or has more than [`RATE_SCALE_MAX`] decimals.
    pub const fn new(mantissa: u64, scale: u8) -> Option<Self> {
        if mantissa == 0 || scale > RATE_SCALE_MAX {
            return None;
        }
        Some(Self { mantissa, scale })
    }

    /// The digits of the rate.
    #[inline]
    pub const fn mantissa(self) -> u64 {
        self.mantissa
    }

    /// Its decimals.
    #[inline]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// `amount` in the other currency, rounded down to whole [`Money`] units; `None` if it does not fit.
    #[inline]
    pub fn value(self, amount: Money) -> Option<Money> {
        self.split(amount).map(|(whole, _)| Money(whole))
    }

    /// `amount` in the other currency, with what earlier conversions into it left over, and what is left over now: the sum
    /// of all that is paid out and the last rest is exactly what all amounts were worth. `None` if it does not fit.
    pub fn convert(self, amount: Money, carried: Rest) -> Option<(Money, Rest)> {
        let (whole, rest) = self.split(amount)?;
        // Both below 10^18, so that the sum fits.
        let rest = rest * 10_u64.pow(REST_SCALE - u32::from(self.scale)) + carried.0;
        let unit = 10_u64.pow(REST_SCALE);
        let whole = whole.checked_add(i128::from(rest / unit))?;
        Some((Money(whole), Rest(rest % unit)))
    }

    /// `amount x mantissa / 10^scale`, rounded down, and the remainder of that division.
    #[inline]
    fn split(self, amount: Money) -> Option<(i128, u64)> {
        let per_unit = 10_i128.pow(u32::from(self.scale));
        let mantissa = i128::from(self.mantissa);
        let (whole, part) = (amount.0.div_euclid(per_unit), amount.0.rem_euclid(per_unit));
        // Below 2^60 x 2^64: it fits.
        let part = part * mantissa;
        let value = whole.checked_mul(mantissa)?.checked_add(part / per_unit)?;
        let rest = u64::try_from(part % per_unit).expect("below 10^18");
        Some((value, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_rounded_down() {
        for (amount, mantissa, scale, value) in [
            (100, 9, 1, Some(90)),
            (101, 9, 1, Some(90)),
            (-101, 9, 1, Some(-91)),
            (7, 1, 0, Some(7)),
            (1, u64::MAX, 18, Some(18)),
            (-1, 1, 18, Some(-1)),
            (i128::MAX, 1, 18, Some(i128::MAX / 1_000_000_000_000_000_000)),
            (i128::MAX, 2, 0, None),
            (i128::MIN, 11, 1, None),
            (1 << 100, u64::MAX, 18, Some(23_384_026_197_294_446_689_991_306_723_232)),
        ] {
            let rate = Rate::new(mantissa, scale).expect("a rate");
            assert_eq!(rate.value(Money(amount)), value.map(Money), "{amount} x {rate:?}");
        }
    }

    #[test]
    fn rates_that_mean_nothing() {
        assert_eq!(Rate::new(0, 3), None);
        assert_eq!(Rate::new(1, 19), None);
        assert_eq!(Rate::new(10, 1).map(|rate| rate.value(Money(5))), Some(Some(Money(5))));
    }

    proptest! {
        /// However an amount is cut into pieces: what they bring, and the rest, is what the whole is worth.
        #[test]
        fn nothing_is_lost(
            pieces in prop::collection::vec((-1_000_000_000_i64..1_000_000_000, 0_u64..1 << 30, 0_u8..=18), 1..20)
        ) {
            let (mut paid, mut rest) = (0, Rest::default());
            // In 1e-18 of a money unit, summed exactly.
            let mut exact = 0_i128;
            for (amount, mantissa, scale) in pieces {
                let Some(rate) = Rate::new(mantissa, scale) else { continue };
                let (money, left) = rate.convert(Money(amount.into()), rest).expect("small");
                (paid, rest) = (paid + money.0, left);
                let part = i128::from(amount) * i128::from(mantissa);
                exact += part * 10_i128.pow(18 - u32::from(scale));
            }
            prop_assert_eq!(paid * 10_i128.pow(18) + i128::from(rest.units()), exact);
        }
    }
}
