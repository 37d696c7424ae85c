//! Decimal text to integers of 1e-18 and back: money, and products of prices and quantities.

use crate::error::{ApiError, Result};
use tidegate_client::decimal;

/// Decimals of an amount.
const SCALE: u32 = 18;
/// Digits before the point of an amount at most.
const WHOLE_DIGITS_MAX: usize = 18;
const NANO: i128 = 1_000_000_000;

/// An amount in 1e-18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub i128);

impl Amount {
    /// Reads `[-]digits[.digits]`; `None` for anything else, and for more than 18 digits on either side of the point.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_fine = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let whole_digits = whole.trim_start_matches('0').len();
        let fits = whole_digits <= WHOLE_DIGITS_MAX && fraction.len() <= SCALE as usize;
        if !is_fine(whole) || !is_fine(fraction) || !fits {
            return None;
        }
        let units: i128 = format!("{whole}{fraction:0<18}").parse().ok()?;
        Some(Self(if negative { -units } else { units }))
    }

    /// `price` times `qty` times `multiplier`, decimal texts; `None` if one cannot be read or it does not fit. What is below 1e-18
    /// is cut off.
    pub fn product(price: &str, qty: &str, multiplier: &str) -> Option<Self> {
        Self::value(decimal::parse_nano(price).ok()?.into(), qty, multiplier)
    }

    /// The same of a price in 1e-9.
    pub fn value(price_nano: i128, qty: &str, multiplier: &str) -> Option<Self> {
        let nano = |text: &str| decimal::parse_nano(text).ok().map(i128::from);
        let value = price_nano.checked_mul(nano(qty)?)?;
        let multiplier = nano(multiplier)?;
        let whole = value.checked_mul(multiplier / NANO)?;
        let rest = (value / NANO).checked_mul(multiplier % NANO)?;
        whole.checked_add(rest).map(Self)
    }

    /// A share of it: `rate` is a fraction, decimal text.
    pub fn times(self, rate: &str) -> Option<Self> {
        let rate = i128::from(decimal::parse_nano(rate).ok()?);
        let whole = (self.0 / NANO).checked_mul(rate)?;
        whole.checked_add((self.0 % NANO) * rate / NANO).map(Self)
    }

    /// Its part of `whole` in per cent, with two decimals; `None` of nothing.
    pub fn percent_of(self, whole: Self) -> Option<String> {
        // Cents of both are enough for two decimals, and leave room.
        let cents = |amount: Self| amount.0 / 10i128.pow(SCALE - 4);
        let basis = cents(whole);
        (basis != 0)
            .then(|| cents(self).checked_mul(10_000))
            .flatten()
            .map(|part| decimal::format_scaled(part / basis, 2, 2))
    }

    /// The sum; the largest there is where it does not fit.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Without its sign.
    #[must_use]
    pub fn size(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// Decimal text with at least two decimals.
    pub fn text(self) -> String {
        decimal::format_scaled(self.0, SCALE, 2)
    }
}

/// A decimal text of a price or quantity in its shortest form: what is one number is one text.
///
/// # Errors
/// [`crate::error::Code::InvalidField`] naming `field`.
pub fn canonical(field: &str, text: &str) -> Result<String> {
    match decimal::parse_nano(text) {
        Ok(nano) => Ok(decimal::format_nano(nano.into())),
        Err(error) => Err(ApiError::field(field, error.to_string())),
    }
}

/// Whether a decimal text is zero; what cannot be read is not.
pub fn is_zero(text: &str) -> bool {
    Amount::parse(text) == Some(Amount(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        for text in ["0.00", "1.00", "-0.50", "100000.00", "0.000000000000000001"] {
            assert_eq!(Amount::parse(text).map(Amount::text), Some(text.to_string()));
        }
        let long = "9".repeat(18);
        assert!(Amount::parse(&format!("{long}.{long}")).is_some());
        for bad in
            ["", "-", ".5", "5.", "1e3", "+1", " 1", &"9".repeat(19), "0.0000000000000000001"]
        {
            assert_eq!(Amount::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn products_and_shares() {
        for (price, qty, multiplier, product) in [
            ("10.02", "5", "1", "50.10"),
            ("-2", "3", "50", "-300.00"),
            ("0.000000001", "0.000000001", "1", "0.000000000000000001"),
            ("100", "3", "0.5", "150.00"),
        ] {
            let made = Amount::product(price, qty, multiplier).map(Amount::text);
            assert_eq!(made.as_deref(), Some(product));
        }
        assert_eq!(Amount::product("9000000000", "9000000000", "9000000000"), None);
        let hundred = Amount::parse("100").expect("a number");
        assert_eq!(hundred.times("0.0001").map(Amount::text).as_deref(), Some("0.01"));
        let part = Amount::parse("33.333").expect("a number");
        assert_eq!(part.percent_of(hundred).as_deref(), Some("33.33"));
        assert_eq!(part.percent_of(Amount(0)), None);
    }

    #[test]
    fn one_number_is_one_text() {
        for (given, text) in [("1", "1"), ("1.0", "1"), ("01.50", "1.5"), ("-0", "0")] {
            assert_eq!(canonical("qty", given).as_deref(), Ok(text));
        }
        assert!(canonical("qty", "1e3").is_err());
    }
}
