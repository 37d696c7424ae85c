//! What a venue charges for an execution.

use tidegate_model::event::Liquidity;
use tidegate_model::{Instrument, Money};

/// Rates are in 1e-8.
const RATE_SCALE: i128 = 100_000_000;

/// The fee on `notional` (at least 0), rounded up: a fee away from zero, a rebate (below 0) towards it, so
/// that the house never gives away what a division left over.
///
/// Exact for any notional within [`tidegate_risk::exposure::PAIR_MONEY_MAX`] and any rate within 100 %.
#[inline]
pub fn fee(notional: Money, rate_e8: i64) -> Money {
    if rate_e8 == 0 {
        return Money::ZERO;
    }
    let rate = i128::from(rate_e8);
    // Split, so that the product fits whatever the notional: whole x rate is exact, the rest is small.
    let (whole, rest) = (notional.0 / RATE_SCALE, notional.0 % RATE_SCALE);
    let rest_fee = rest * rate;
    let rounded_up =
        rest_fee.div_euclid(RATE_SCALE) + i128::from(rest_fee.rem_euclid(RATE_SCALE) != 0);
    Money(whole * rate + rounded_up)
}

/// The rate of `instrument` for an execution that rested or took, in 1e-8.
#[inline]
pub const fn rate_e8(instrument: &Instrument, liquidity: Liquidity) -> i64 {
    match liquidity {
        Liquidity::Maker => instrument.maker_fee_e8,
        Liquidity::Taker => instrument.taker_fee_e8,
    }
}
