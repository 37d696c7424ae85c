//! Decimal text to integers and back, exactly. Nothing is ever rounded: what does not fit is an error.

use crate::units::{Lots, NANO, Ticks};

/// Characters a decimal text may have: more than any value in range needs, zeros in front and behind included.
pub const TEXT_LEN_MAX: usize = 32;

/// Digits before the point that matter: 64 bits of 1e-9 hold ten, and 128 bits must not overflow on the way there.
const WHOLE_DIGITS_MAX: usize = 10;

/// Why a decimal text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// Not `[-]digits[.digits]`.
    #[error("'{0}' is not a decimal number such as 12 or 12.34")]
    Syntax(String),
    /// More than nine digits after the point, or beyond what 64 bits of 1e-9 hold.
    #[error("{0} is out of range: at most 9 decimals, and at most 9223372036.854775807")]
    Range(String),
    /// A price between two ticks.
    #[error("{value} is not a multiple of the tick {tick}")]
    Tick {
        /// The price given.
        value: String,
        /// The tick size.
        tick: String,
    },
    /// A quantity between two lots.
    #[error("{value} is not a multiple of the lot {lot}")]
    Lot {
        /// The quantity given.
        value: String,
        /// The lot size.
        lot: String,
    },
    /// A quantity below zero.
    #[error("{0} is negative; a quantity cannot be")]
    Negative(String),
}

fn shorten(text: &str) -> String {
    text.chars().take(TEXT_LEN_MAX).collect()
}

/// Parses `[-]digits[.digits]` into units of 1e-9.
///
/// # Errors
/// [`DecimalError::Syntax`] or [`DecimalError::Range`].
pub fn parse_nano(text: &str) -> Result<i64, DecimalError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(DecimalError::Syntax(shorten(text)));
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let well_formed = !whole.is_empty()
        && whole.bytes().all(|b| b.is_ascii_digit())
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && !(digits.contains('.') && fraction.is_empty());
    if !well_formed {
        return Err(DecimalError::Syntax(shorten(text)));
    }
    let whole = whole.trim_start_matches('0');
    let significant = fraction.trim_end_matches('0');
    if whole.len() > WHOLE_DIGITS_MAX || significant.len() > 9 {
        return Err(DecimalError::Range(text.to_string()));
    }
    let mut nano: i128 = 0;
    for digit in whole.bytes() {
        nano = nano * 10 + i128::from(digit - b'0');
    }
    for place in 0..9 {
        let digit = significant.as_bytes().get(place).map_or(0, |b| b - b'0');
        nano = nano * 10 + i128::from(digit);
    }
    i64::try_from(if negative { -nano } else { nano })
        .map_err(|_| DecimalError::Range(text.to_string()))
}

/// Prints `units / 10^scale` exactly, with at least `decimals_min` digits after the point.
pub fn format_scaled(units: i128, scale: u32, decimals_min: u8) -> String {
    let digits = units.unsigned_abs();
    let per_unit = 10u128.pow(scale);
    let (whole, rest) = (digits / per_unit, digits % per_unit);
    let mut fraction =
        if scale == 0 { String::new() } else { format!("{rest:0width$}", width = scale as usize) };
    while fraction.len() > usize::from(decimals_min) && fraction.ends_with('0') {
        fraction.pop();
    }
    while fraction.len() < usize::from(decimals_min) {
        fraction.push('0');
    }
    let sign = if units < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Prints a count of 1e-9 exactly, without trailing zeros.
pub fn format_nano(nano: i128) -> String {
    format_scaled(nano, 9, 0)
}

/// Parses a price into ticks of `tick_size_nano` (1e-9 each).
///
/// # Errors
/// [`DecimalError::Tick`] if the price lies between two ticks; the syntax errors of [`parse_nano`].
pub fn parse_ticks(text: &str, tick_size_nano: i64) -> Result<Ticks, DecimalError> {
    let nano = parse_nano(text)?;
    if nano % tick_size_nano != 0 {
        return Err(DecimalError::Tick {
            value: text.to_string(),
            tick: format_nano(tick_size_nano.into()),
        });
    }
    Ok(Ticks(nano / tick_size_nano))
}

/// Prints a price exactly, with at least `decimals_min` digits after the point.
pub fn format_ticks(price: Ticks, tick_size_nano: i64, decimals_min: u8) -> String {
    format_scaled(i128::from(price.0) * i128::from(tick_size_nano), 9, decimals_min)
}

/// Parses a quantity into lots of `lot_size_nano` (1e-9 each).
///
/// # Errors
/// [`DecimalError::Lot`], [`DecimalError::Negative`], and the syntax errors of [`parse_nano`].
pub fn parse_lots(text: &str, lot_size_nano: i64) -> Result<Lots, DecimalError> {
    let nano = parse_nano(text)?;
    if nano < 0 {
        return Err(DecimalError::Negative(text.to_string()));
    }
    if nano % lot_size_nano != 0 {
        return Err(DecimalError::Lot {
            value: text.to_string(),
            lot: format_nano(lot_size_nano.into()),
        });
    }
    Ok(Lots((nano / lot_size_nano).unsigned_abs()))
}

/// Prints a quantity exactly.
pub fn format_lots(qty: Lots, lot_size_nano: i64, decimals_min: u8) -> String {
    format_scaled(i128::from(qty.0) * i128::from(lot_size_nano), 9, decimals_min)
}

const _: () = assert!(NANO == 1_000_000_000, "the nine decimals above are those of NANO");
