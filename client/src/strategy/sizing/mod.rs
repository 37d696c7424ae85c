//! How much to trade: pure functions over an account and a signal. Each rule answers with lots, rounded down to what the
//! instrument's `order_lot` allows and held within [`Caps`]; 0 says: not this time.
//!
//! | rule | lots | source |
//! |---|---|---|
//! | [`Basis::fixed`] | the same each time | |
//! | [`Basis::fixed_fractional`] | fraction x equity / largest loss of one lot | Vince, Portfolio Management Formulas, 1990 |
//! | [`Basis::of_equity`] | fraction x equity / value of one lot | |
//! | [`Basis::by_stop`] | fraction x equity / (loss of one lot at the stop + its costs) | Tharp, Trade Your Way to Financial Freedom, 1998 |
//! | [`Basis::volatility_target`] | target / volatility x equity / value of one lot | Carver, Systematic Trading, 2015 |
//! | [`kelly::of_bets`], [`kelly::of_returns`] | a fraction for [`Basis::by_stop`] or [`Basis::of_equity`] | Kelly 1956; Thorp 2006 |
//!
//! Everything is an integer: money in 1e-18, fractions in [`Millionths`]. Divisions round towards the smaller size. Nothing
//! here overflows or panics, whatever the values: what does not fit or means nothing is a [`SizingError`].
//!
//! ```
//! use tidegate_client::strategy::sizing::{Basis, Between, Caps, Millionths, kelly};
//! use tidegate_client::strategy::{Instrument, Lots, Money, Side, Symbol, Ticks};
//!
//! let terms = Instrument::us_equity(Symbol::new("ACME")?).checked()?;
//! let equity = Money(100_000 * 10_i128.pow(18));
//! let basis = Basis {
//!     instrument: &terms,
//!     equity,
//!     side: Side::Buy,
//!     price: Ticks(500_000), // 50.00
//!     caps: Caps { lots: Lots(1_000), leverage: Millionths::ONE },
//! };
//! // 1 % of 100,000 at risk, two dollars a share away, a cent of costs.
//! let cent = Money(10_i128.pow(16));
//! assert_eq!(basis.by_stop(Millionths(10_000), Ticks(480_000), cent)?, Lots(497));
//!
//! // 60 wins of 100 trades, each paying 1.5 times what a loss costs; both as bad as they may well be, and half of that.
//! let wins = Between::of_wins(60, 100, Millionths(1_645_000))?;
//! let payoff = Between::around(Millionths(1_500_000), Millionths(100_000))?;
//! let fraction = kelly::of_bets(wins, payoff)?.times(Millionths(500_000))?;
//! assert_eq!(fraction, Millionths(86_687));
//! assert_eq!(basis.of_equity(fraction)?, Lots(173));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod kelly;
mod ratio;

pub use ratio::{Between, Millionths};

use super::{Instrument, Lots, Money, Side, Ticks};

/// Why no size can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizingError {
    /// A number lies outside what it may be.
    #[error("{name} is {value}, allowed are {min} to {max}")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// What it is.
        value: i128,
        /// The least it may be.
        min: i128,
        /// The most it may be.
        max: i128,
    },
    /// The stop does not lie where the position loses: below the price of what is bought, above that of what is sold.
    #[error("a stop at {stop} limits no loss of a position entered at {price}")]
    StopOnWrongSide {
        /// The stop, in ticks.
        stop: i64,
        /// The price, in ticks.
        price: i64,
    },
    /// An amount does not fit 128 bits.
    #[error("an amount does not fit 128 bits")]
    Overflow,
}

pub(super) fn within(
    name: &'static str,
    value: impl Into<i128>,
    min: i128,
    max: i128,
) -> Result<(), SizingError> {
    let value = value.into();
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(SizingError::OutOfRange { name, value, min, max })
}

/// What no size passes, whatever the rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Lots.
    pub lots: Lots,
    /// Value of the position, as a share of equity: 1,000,000 is all of it, without borrowing.
    pub leverage: Millionths,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// What to trade.
    pub instrument: &'a Instrument,
    /// What the account is worth, **in the currency of the instrument**. 0 or less gives no size.
    pub equity: Money,
    /// Which way the signal points.
    pub side: Side,
    /// Where the position is expected to be entered, above 0.
    pub price: Ticks,
    /// Bounds of every answer.
    pub caps: Caps,
}

impl Basis<'_> {
    /// The same number of lots each time.
    ///
    /// # Errors
    /// [`SizingError::OutOfRange`] for a price or caps that mean nothing, [`SizingError::Overflow`].
    pub fn fixed(&self, lots: Lots) -> Result<Lots, SizingError> {
        self.capped(i128::from(lots.0))
    }

    /// So many lots that the largest loss one lot is thought to make costs `fraction` of equity (Vince's fixed fraction).
    ///
    /// # Errors
    /// As [`Self::fixed`]; [`SizingError::OutOfRange`] for a fraction outside 0 to 1, or a loss that is not above 0.
    pub fn fixed_fractional(
        &self,
        fraction: Millionths,
        largest_loss_per_lot: Money,
    ) -> Result<Lots, SizingError> {
        within("fraction", fraction.0, 0, Millionths::ONE.0.into())?;
        within("largest_loss_per_lot", largest_loss_per_lot.0, 1, i128::MAX)?;
        self.capped(self.share(fraction)? / largest_loss_per_lot.0)
    }

    /// So many lots that their value is `fraction` of equity: per cent of equity.
    ///
    /// # Errors
    /// As [`Self::fixed`]; [`SizingError::OutOfRange`] for a fraction below 0.
    pub fn of_equity(&self, fraction: Millionths) -> Result<Lots, SizingError> {
        within("fraction", fraction.0, 0, i64::MAX.into())?;
        self.capped(self.share(fraction)? / self.value_per_lot()?)
    }

    /// So many lots that being stopped out at `stop` costs `fraction` of equity, with `costs_per_lot` for fees and slippage of
    /// both ways.
    ///
    /// # Errors
    /// As [`Self::fixed`]; [`SizingError::StopOnWrongSide`]; [`SizingError::OutOfRange`] for a fraction outside 0 to 1, or
    /// costs below 0.
    pub fn by_stop(
        &self,
        fraction: Millionths,
        stop: Ticks,
        costs_per_lot: Money,
    ) -> Result<Lots, SizingError> {
        within("fraction", fraction.0, 0, Millionths::ONE.0.into())?;
        within("costs_per_lot", costs_per_lot.0, 0, i128::MAX)?;
        let distance = match self.side {
            Side::Buy => i128::from(self.price.0) - i128::from(stop.0),
            Side::Sell => i128::from(stop.0) - i128::from(self.price.0),
        };
        if distance <= 0 {
            return Err(SizingError::StopOnWrongSide { stop: stop.0, price: self.price.0 });
        }
        let loss = distance.checked_mul(self.money_per_tick_lot()?);
        let loss = loss.and_then(|loss| loss.checked_add(costs_per_lot.0));
        self.capped(self.share(fraction)? / loss.ok_or(SizingError::Overflow)?)
    }

    /// So many lots that the position is expected to vary by `target` of equity: both volatilities are standard deviations over
    /// the same span, mostly a year (see [`Millionths::over`]). The less an instrument moves the larger the position; what
    /// [`Caps::leverage`] says, holds.
    ///
    /// # Errors
    /// As [`Self::fixed`]; [`SizingError::OutOfRange`] for a target below 0 or a volatility that is not above 0.
    pub fn volatility_target(
        &self,
        target: Millionths,
        volatility: Millionths,
    ) -> Result<Lots, SizingError> {
        within("target", target.0, 0, i64::MAX.into())?;
        within("volatility", volatility.0, 1, i64::MAX.into())?;
        let value = share_of(self.equity, target.0.into(), volatility.0.into())?;
        self.capped(value / self.value_per_lot()?)
    }

    /// `fraction` of equity, rounded down; 0 if there is no equity.
    fn share(&self, fraction: Millionths) -> Result<i128, SizingError> {
        share_of(self.equity, fraction.0.into(), Millionths::ONE.0.into())
    }

    fn money_per_tick_lot(&self) -> Result<i128, SizingError> {
        let money = self.instrument.money_per_tick_lot;
        within("instrument.money_per_tick_lot", money, 1, i128::MAX)?;
        Ok(money)
    }

    fn value_per_lot(&self) -> Result<i128, SizingError> {
        within("price", self.price.0, 1, i64::MAX.into())?;
        let money = self.money_per_tick_lot()?;
        money.checked_mul(self.price.0.into()).ok_or(SizingError::Overflow)
    }

    /// `lots` (at least 0) within the caps, as a multiple of the order lot.
    fn capped(&self, lots: i128) -> Result<Lots, SizingError> {
        within("caps.leverage", self.caps.leverage.0, 0, i64::MAX.into())?;
        let affordable = self.share(self.caps.leverage)? / self.value_per_lot()?;
        let lots = lots.min(affordable).min(self.caps.lots.0.into());
        let order_lot = i128::from(self.instrument.order_lot.0.max(1));
        let lots = u64::try_from(lots - lots % order_lot);
        Ok(Lots(lots.expect("between 0 and the cap, which is one")))
    }
}

/// `amount x part / whole` rounded down, for `part` at least 0 and `whole` above 0; 0 for an amount below 0.
fn share_of(amount: Money, part: i128, whole: i128) -> Result<i128, SizingError> {
    let amount = amount.0.max(0);
    // Exact: quotient x part is whole, and only the rest is divided. The rest and part are below 2^63.
    let (quotient, rest) = (amount / whole, amount % whole);
    let whole_part = quotient.checked_mul(part).ok_or(SizingError::Overflow)?;
    whole_part.checked_add(rest * part / whole).ok_or(SizingError::Overflow)
}
