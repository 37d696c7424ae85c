//! The fraction that makes an account grow fastest in the long run, if the odds are what one believes: Kelly, A New
//! Interpretation of Information Rate, 1956; Thorp, The Kelly Criterion, 2006.
//!
//! The odds never are what one believes, and betting too much costs more than betting too little: twice the fraction grows
//! not at all. So each input is a [`Between`], and the fraction is that of the worst odds within. Most take a part of it
//! besides: [`Millionths::times`], a half or a quarter.

use super::ratio::div_up;
use super::{Between, Millionths, SizingError, within};

const E6: i128 = 1_000_000;

/// Of bets that win `payoff` times the stake with the chance `wins`, or lose the stake: `p - (1 - p) / b`, 0 if it is not worth
/// it. The stake is what a loss costs, so the fraction is for [`super::Basis::by_stop`]; where all can be lost, for
/// [`super::Basis::of_equity`].
///
/// # Errors
/// [`SizingError::OutOfRange`] unless wins lie within 0 and 1 and payoffs above 0.
pub fn of_bets(wins: Between, payoff: Between) -> Result<Millionths, SizingError> {
    within("wins", wins.low().0, 0, E6)?;
    within("wins", wins.high().0, 0, E6)?;
    within("payoff", payoff.low().0, 1, i64::MAX.into())?;
    // It rises with both.
    let (p, b) = (i128::from(wins.low().0), i128::from(payoff.low().0));
    let fraction = p - div_up((E6 - p) * E6, b);
    Millionths::try_from(fraction.max(0))
}

/// Of returns that vary all the time: `mean / volatility^2`, both over the same span, the mean less what is safe; 0 if that is
/// not above 0. May be more than 1, which is leverage. For [`super::Basis::of_equity`].
///
/// # Errors
/// [`SizingError::OutOfRange`] unless volatilities lie above 0; [`SizingError::Overflow`].
pub fn of_returns(mean: Between, volatility: Between) -> Result<Millionths, SizingError> {
    within("volatility", volatility.low().0, 1, i64::MAX.into())?;
    // It rises with the mean and falls with the volatility.
    let (mean, deviation) = (i128::from(mean.low().0.max(0)), i128::from(volatility.high().0));
    // 2^63 of 1e12 fits, and so does the square of 2^63.
    Millionths::try_from(mean * E6 * E6 / (deviation * deviation))
}
