//! Fractions, and what is known of them.

use super::{SizingError, within};

/// A fraction, a ratio or a volatility in millionths: 10,000 is one per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millionths(pub i64);

/// Trades that a share of wins is estimated from at most: more than any record of one strategy has, and the products fit.
const TRADES_MAX: u64 = 1_000_000_000;
/// The most standard errors: beyond, nothing would be left of any estimate.
const ERRORS_MAX: i64 = 10_000_000;
/// Spans that a volatility is taken over at most: the milliseconds of a year.
const SPANS_MAX: u32 = 4_000_000_000;

impl Millionths {
    /// The whole.
    pub const ONE: Self = Self(1_000_000);
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The product, rounded down: a fraction of a fraction, such as half of what Kelly says.
    ///
    /// # Errors
    /// [`SizingError::Overflow`].
    pub fn times(self, other: Self) -> Result<Self, SizingError> {
        // Two of 64 bits.
        let product = i128::from(self.0) * i128::from(other.0);
        Self::try_from(product.div_euclid(Self::ONE.0.into()))
    }

    /// A volatility of one span over so many: it grows with the square root of time if what happens in each span has nothing
    /// to do with the others. 252 takes that of a day to a year. Rounded up.
    ///
    /// # Errors
    /// [`SizingError::OutOfRange`] for a volatility below 0 or more than 4,000,000,000 spans; [`SizingError::Overflow`].
    pub fn over(self, spans: u32) -> Result<Self, SizingError> {
        within("volatility", self.0, 0, i64::MAX.into())?;
        within("spans", spans, 1, SPANS_MAX.into())?;
        // The root of spans in 1e-9, so that the answer is exact to its last digit for any volatility below 1,000.
        let root = root_up(u128::from(spans) * 10_u128.pow(18));
        let product = i128::from(self.0).checked_mul(root).ok_or(SizingError::Overflow)?;
        Self::try_from(div_up(product, 1_000_000_000))
    }

    pub(super) fn try_from(value: i128) -> Result<Self, SizingError> {
        i64::try_from(value).map(Self).map_err(|_| SizingError::Overflow)
    }
}

/// What an estimate may really be: from `low` to `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    low: Millionths,
    high: Millionths,
}

impl Between {
    /// From `low` to `high`.
    ///
    /// # Errors
    /// [`SizingError::OutOfRange`] if `low` is above `high`.
    pub fn new(low: Millionths, high: Millionths) -> Result<Self, SizingError> {
        within("low", low.0, i64::MIN.into(), high.0.into())?;
        Ok(Self { low, high })
    }

    /// An estimate and what it may be wrong by on either side, such as two of its standard errors.
    ///
    /// # Errors
    /// [`SizingError::OutOfRange`] if `error` is below 0; [`SizingError::Overflow`].
    pub fn around(value: Millionths, error: Millionths) -> Result<Self, SizingError> {
        within("error", error.0, 0, i64::MAX.into())?;
        let low = value.0.checked_sub(error.0).ok_or(SizingError::Overflow)?;
        let high = value.0.checked_add(error.0).ok_or(SizingError::Overflow)?;
        Ok(Self { low: Millionths(low), high: Millionths(high) })
    }

    /// The share of wins behind a record of `wins` of `trades`, within `errors` standard errors: Wilson's score interval
    /// (1927), which is sound for few trades too. 1,645,000 errors leave one chance in twenty that it is less. The fewer the
    /// trades, the wider.
    ///
    /// # Errors
    /// [`SizingError::OutOfRange`] for no trades or more than 1,000,000,000, more wins than trades, or errors outside 0 to
    /// 10,000,000.
    pub fn of_wins(wins: u64, trades: u64, errors: Millionths) -> Result<Self, SizingError> {
        within("trades", trades, 1, TRADES_MAX.into())?;
        within("wins", wins, 0, trades.into())?;
        within("errors", errors.0, 0, ERRORS_MAX.into())?;
        const E6: i128 = 1_000_000;
        const E12: i128 = E6 * E6;
        let (wins, trades) = (i128::from(wins), i128::from(trades));
        // (2 wins + z^2 -+ z root(z^2 + 4 wins losses / trades)) / 2 (trades + z^2), all above and below in 1e-12.
        let z = i128::from(errors.0);
        let square = z * z;
        let spread = div_up(4 * wins * (trades - wins) * E12, trades);
        let spread = z * root_up((square + spread).unsigned_abs());
        let centre = 2 * wins * E12 + square;
        let whole = 2 * (trades * E12 + square);
        let low = ((centre - spread) * E6).div_euclid(whole).max(0);
        let high = div_up((centre + spread) * E6, whole).min(E6);
        Ok(Self { low: Millionths::try_from(low)?, high: Millionths::try_from(high)? })
    }

    /// The least it may be.
    pub const fn low(&self) -> Millionths {
        self.low
    }

    /// The most it may be.
    pub const fn high(&self) -> Millionths {
        self.high
    }
}

/// The square root, rounded up, of what is below 2^126.
fn root_up(square: u128) -> i128 {
    let root = square.isqrt();
    let root = root + u128::from(root * root != square);
    i128::try_from(root).expect("a root has half of the bits")
}

/// The quotient rounded up, for a divisor above 0.
pub(super) fn div_up(dividend: i128, divisor: i128) -> i128 {
    -(-dividend).div_euclid(divisor)
}
