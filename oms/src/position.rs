//! A position at average cost, and what an execution does to it.

use tidegate_model::event::Position;
use tidegate_model::{Instrument, Lots, Money, Reject, RejectReason, Side, Ticks};
use tidegate_risk::exposure::PAIR_MONEY_MAX;

/// One execution, as it is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Bought or sold.
    pub side: Side,
    /// LastQty, above 0.
    pub qty: Lots,
    /// LastPx.
    pub price: Ticks,
    /// The fee; below 0 is a rebate.
    pub fee: Money,
}

/// What a trade changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The position after it.
    pub position: Position,
    /// Cash paid (below 0) or received, the fee included. Of an instrument that is settled daily nothing is paid but what
    /// is realised.
    pub cash: Money,
    /// What it added to the cost of positions that are paid for: 0 of an instrument that is settled daily.
    pub paid: Money,
    /// What it realised, before the fee.
    pub realised: Money,
}

pub(crate) fn overflow(value: i128) -> Reject {
    Reject::new(RejectReason::Overflow, PAIR_MONEY_MAX.0, value)
}

/// `price x qty` as money with the price's sign, within [`PAIR_MONEY_MAX`].
///
/// # Errors
/// [`RejectReason::Overflow`].
#[inline]
pub fn trade_value(price: Ticks, qty: Lots, instrument: &Instrument) -> Result<Money, Reject> {
    let value = instrument.notional(price, qty).ok_or_else(|| overflow(i128::MAX))?;
    within_bound(value.0)
}

#[inline]
pub(crate) fn within_bound(value: i128) -> Result<Money, Reject> {
    if value.unsigned_abs() > PAIR_MONEY_MAX.0 as u128 {
        Err(overflow(value))
    } else {
        Ok(Money(value))
    }
}

/// Lots of a position that a trade closes.
#[inline]
pub fn closing_qty(before: &Position, trade: &Trade) -> u64 {
    let sign: i64 = if trade.side == Side::Buy { 1 } else { -1 };
    if before.qty.signum() == -sign { trade.qty.0.min(before.qty.unsigned_abs()) } else { 0 }
}

/// Books a trade at average cost. What it closes leaves at the average cost of what is open, rounded towards zero: the
/// remainder of the division stays in the cost of what remains open, and leaves with the last lot. A trade
/// through zero closes all and opens the rest at its own price.
///
/// # Errors
/// [`RejectReason::Overflow`] if a quantity or an amount would not fit; then nothing is booked.
#[inline]
pub fn booked(before: &Position, trade: &Trade, instrument: &Instrument) -> Result<Change, Reject> {
    let released = match closing_qty(before, trade) {
        0 => 0,
        closing => share(before.cost.0, closing.into(), i128::from(before.qty).abs()),
    };
    booked_at(before, trade, Money(released), instrument)
}

/// Books a trade of which is known what the lots that it closes had cost.
///
/// # Errors
/// As [`booked`].
#[inline]
pub fn booked_at(
    before: &Position,
    trade: &Trade,
    Money(released): Money,
    instrument: &Instrument,
) -> Result<Change, Reject> {
    assert!(trade.qty > Lots::ZERO, "an execution executes something");
    let signed = |amount: i128| if trade.side == Side::Buy { amount } else { -amount };
    let held = i128::from(before.qty);
    let qty = i128::from(trade.qty.0);
    let closing = Lots(closing_qty(before, trade));

    let value = signed(trade_value(trade.price, trade.qty, instrument)?.0);
    let closing_value = signed(trade_value(trade.price, closing, instrument)?.0);

    let cost = (value - closing_value) - released;
    let realised = -closing_value - released;
    let (cash, paid) = match instrument.is_settled_daily() {
        true => (realised - trade.fee.0, 0),
        false => (-value - trade.fee.0, cost),
    };

    let qty_after = i64::try_from(held + signed(qty)).ok().filter(|qty| *qty != i64::MIN);
    let mut after = *before;
    after.qty = qty_after.ok_or_else(|| overflow(held + signed(qty)))?;
    after.cost = within_bound(before.cost.0 + cost)?;
    let sum =
        |total: Money, part: i128| total.checked_add(Money(part)).ok_or_else(|| overflow(part));
    after.realised = sum(before.realised, realised)?;
    after.fees = sum(before.fees, trade.fee.0)?;
    let lots = match trade.side {
        Side::Buy => &mut after.bought,
        Side::Sell => &mut after.sold,
    };
    *lots = lots.checked_add(trade.qty).ok_or_else(|| overflow(qty))?;

    assert!(after.qty != 0 || after.cost == Money::ZERO, "a flat position costs nothing");
    Ok(Change { position: after, cash: Money(cash), paid: Money(paid), realised: Money(realised) })
}

/// `total x part / whole`, rounded towards zero; `0 < part <= whole < 2^64`.
#[inline]
pub(crate) fn share(total: i128, part: i128, whole: i128) -> i128 {
    if part == whole {
        return total;
    }
    // total x part may not fit; quotient x part is within total, and remainder x part below 2^127.
    let (quotient, remainder) = (total / whole, total % whole);
    quotient * part + remainder * part / whole
}

/// Unrealised profit and loss of a position if one could close it at `mark`, before fees.
///
/// # Errors
/// [`RejectReason::Overflow`] if the value at that mark does not fit.
pub fn unrealised(
    position: &Position,
    mark: Ticks,
    instrument: &Instrument,
) -> Result<Money, Reject> {
    let ticks_lots = i128::from(mark.0) * i128::from(position.qty);
    let value = instrument.value_of(ticks_lots).ok_or_else(|| overflow(i128::MAX))?;
    value.checked_sub(position.cost).ok_or_else(|| overflow(value.0))
}
