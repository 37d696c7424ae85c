//! Whether an order says something that its instrument and its venue allow at all.

use crate::gate::OrderContext;
use tidegate_model::command::{
    FLAG_HIDDEN, FLAGS_KNOWN, NewOrder, OrderType, PPM_PER_UNIT, PostOnly, SelfTrade, TimeInForce,
    TrailUnit,
};
use tidegate_model::instrument::venue_kind;
use tidegate_model::{Instrument, Lots, Reject, RejectReason, Side, Ticks};

/// What the controls need of an order, read from its wire form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Buy or sell.
    pub side: Side,
    /// Limit price in ticks, or `None` for a market order.
    pub limit_price: Option<Ticks>,
    /// OrderQty in lots, above 0.
    pub qty: Lots,
    /// The stop price that it waits for: when it trades, the market will be there, whatever it is now.
    pub trigger: Option<Ticks>,
}

impl Terms {
    /// True if the order may trade at `best` of the other side.
    #[inline]
    pub fn reaches(&self, best: Ticks) -> bool {
        self.limit_price.is_none_or(|limit| match self.side {
            Side::Buy => limit >= best,
            Side::Sell => limit <= best,
        })
    }
}

/// Reads the terms of a new order.
///
/// # Errors
/// [`RejectReason::BadField`] for a value that is not assigned, or a term that its type of order has not;
/// [`RejectReason::UnsupportedByVenue`]; [`RejectReason::Expired`]; and those of [`check_qty`] and [`check_price`].
#[inline]
pub fn check_terms(order: &NewOrder, context: &OrderContext<'_>) -> Result<Terms, Reject> {
    let side = Side::from_wire(order.side).ok_or_else(|| bad(order.side))?;
    let order_type = OrderType::from_wire(order.order_type).ok_or_else(|| bad(order.order_type))?;
    let time_in_force = TimeInForce::from_wire(order.time_in_force);
    let time_in_force = time_in_force.ok_or_else(|| bad(order.time_in_force))?;
    if order.flags & !FLAGS_KNOWN != 0 {
        return Err(bad(order.flags));
    }
    let is_plain = order.is_plain()
        && matches!(order_type, OrderType::Market | OrderType::Limit)
        && time_in_force <= TimeInForce::Fok;
    check_qty(order.qty, context.instrument)?;
    if !is_plain {
        return check_special(order, (side, order_type, time_in_force), context);
    }
    let limit_price = match order_type {
        OrderType::Market if order.price == Ticks::ZERO => None,
        OrderType::Market => {
            return Err(Reject::of(RejectReason::BadField, i128::from(order.price.0)));
        }
        _ => {
            check_price(order.price, context)?;
            Some(order.price)
        }
    };
    Ok(Terms { side, limit_price, qty: order.qty, trigger: None })
}

/// The terms of a limit order that is replaced.
///
/// # Errors
/// Those of [`check_qty`] and [`check_price`].
#[inline]
pub fn check_limit(
    side: Side,
    qty: Lots,
    price: Ticks,
    context: &OrderContext<'_>,
) -> Result<Terms, Reject> {
    check_qty(qty, context.instrument)?;
    check_price(price, context)?;
    Ok(Terms { side, limit_price: Some(price), qty, trigger: None })
}

#[cold]
fn bad(value: u8) -> Reject {
    Reject::of(RejectReason::BadField, i128::from(value))
}

#[cold]
fn bad_number(value: i64) -> Reject {
    Reject::of(RejectReason::BadField, i128::from(value))
}

/// An order with more to say than type, side, price, quantity and a plain time in force.
#[cold]
fn check_special(
    order: &NewOrder,
    (side, order_type, time_in_force): (Side, OrderType, TimeInForce),
    context: &OrderContext<'_>,
) -> Result<Terms, Reject> {
    check_venue(order, order_type, time_in_force, context.instrument)?;
    match time_in_force {
        TimeInForce::Gtd if order.expire_at <= context.now => {
            let (now, expiry) = (context.now.0.into(), order.expire_at.0.into());
            return Err(Reject::new(RejectReason::Expired, now, expiry));
        }
        TimeInForce::Gtd => {}
        _ if order.expire_at.0 != 0 => return Err(bad(order.time_in_force)),
        _ => {}
    }
    check_instructions(order, order_type, time_in_force)?;
    check_trail(order, order_type)?;
    let trigger = match order_type.waits() {
        true => check_stop_price(order, side, order_type, context)?,
        false if order.stop_price != Ticks::ZERO => return Err(bad_number(order.stop_price.0)),
        false => None,
    };
    let limit_price = special_limit(order, order_type, trigger, context)?;
    // A stop price that the market has reached already holds nothing back: the order goes in at once.
    let is_reached = |last: Ticks| match order_type.triggers_upwards(side) {
        true => last >= order.stop_price,
        false => last <= order.stop_price,
    };
    let has_stop = order.stop_price != Ticks::ZERO;
    let goes_at_once = has_stop && context.reference.is_some_and(is_reached);
    let trigger = trigger.filter(|_| !goes_at_once);
    Ok(Terms { side, limit_price, qty: order.qty, trigger })
}

/// What the paper venue does not know: it simulates orders of ours in somebody else's book, where nobody sees them anyway.
fn check_venue(
    order: &NewOrder,
    order_type: OrderType,
    time_in_force: TimeInForce,
    instrument: &Instrument,
) -> Result<(), Reject> {
    if instrument.venue_kind != venue_kind::PAPER {
        return Ok(());
    }
    let not = |value: i128| Err(Reject::of(RejectReason::UnsupportedByVenue, value));
    if order_type == OrderType::Pegged || order.peg != 0 {
        return not(order.order_type.into());
    }
    if time_in_force > TimeInForce::Gtd {
        return not(order.time_in_force.into());
    }
    if order.flags & FLAG_HIDDEN != 0 {
        return not(order.flags.into());
    }
    if order.display_qty.0 != 0 {
        return not(order.display_qty.0.into());
    }
    if order.min_qty.0 != 0 {
        return not(order.min_qty.0.into());
    }
    Ok(())
}

/// Post-only, and what happens where an account would meet itself.
fn check_instructions(
    order: &NewOrder,
    order_type: OrderType,
    time_in_force: TimeInForce,
) -> Result<(), Reject> {
    if order.self_trade != 0 && SelfTrade::from_wire(order.self_trade).is_none() {
        return Err(bad(order.self_trade));
    }
    if order.post_only == 0 {
        return Ok(());
    }
    let rests = !order_type.is_market()
        && order_type != OrderType::MarketToLimit
        && !matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
    match PostOnly::from_wire(order.post_only) {
        Some(_) if rests => Ok(()),
        _ => Err(bad(order.post_only)),
    }
}

/// A trailing order says how far behind it trails, and no other does.
fn check_trail(order: &NewOrder, order_type: OrderType) -> Result<(), Reject> {
    if !order_type.trails() {
        return match (order.trail, order.trail_unit) {
            (0, 0) => Ok(()),
            (0, unit) => Err(bad(unit)),
            (trail, _) => Err(bad_number(trail)),
        };
    }
    let unit = TrailUnit::from_wire(order.trail_unit).ok_or_else(|| bad(order.trail_unit))?;
    // A share of the whole price or more would put the stop price of a sell where there are none.
    let is_far = unit == TrailUnit::Ppm && order.trail >= PPM_PER_UNIT;
    if order.trail <= 0 || is_far {
        return Err(bad_number(order.trail));
    }
    Ok(())
}

/// The price at which a waiting order will find the market: its stop price, or where it would be if the market turned now.
fn check_stop_price(
    order: &NewOrder,
    side: Side,
    order_type: OrderType,
    context: &OrderContext<'_>,
) -> Result<Option<Ticks>, Reject> {
    if !order_type.trails() || order.stop_price != Ticks::ZERO {
        check_price(order.stop_price, context)?;
        return Ok(Some(order.stop_price));
    }
    let unit = TrailUnit::from_wire(order.trail_unit).ok_or_else(|| bad(order.trail_unit))?;
    let last = context.reference.ok_or(Reject::of(RejectReason::NoReferencePrice, 0))?;
    let stop = unit.stop_behind(side, order.trail, last);
    if stop <= Ticks::ZERO {
        return Err(Reject::of(RejectReason::BadPrice, i128::from(stop.0)));
    }
    Ok(Some(stop))
}

/// The limit price of an order that is not plain, if its type has one.
fn special_limit(
    order: &NewOrder,
    order_type: OrderType,
    trigger: Option<Ticks>,
    context: &OrderContext<'_>,
) -> Result<Option<Ticks>, Reject> {
    let follows_stop = order_type == OrderType::TrailingStopLimit && order.price == Ticks::ZERO;
    if order.offset != Ticks::ZERO && !follows_stop && order_type != OrderType::Pegged {
        return Err(bad_number(order.offset.0));
    }
    if order_type.is_market() || order_type == OrderType::MarketToLimit {
        return match order.price {
            Ticks::ZERO => Ok(None),
            price => Err(bad_number(price.0)),
        };
    }
    if order_type == OrderType::Pegged && order.price == Ticks::ZERO {
        return Ok(None);
    }
    if !follows_stop {
        check_price(order.price, context)?;
        return Ok(Some(order.price));
    }
    let stop = trigger.expect("a trailing order has a stop price");
    let limit = stop.0.checked_add(order.offset.0).filter(|limit| *limit > 0);
    let limit = limit.ok_or(Reject::of(RejectReason::BadPrice, i128::from(order.offset.0)))?;
    Ok(Some(Ticks(limit)))
}

/// Lets a quantity pass that is above 0 and a multiple of the order lot.
///
/// # Errors
/// [`RejectReason::ZeroQuantity`] or [`RejectReason::Lot`].
#[inline]
pub fn check_qty(qty: Lots, instrument: &Instrument) -> Result<(), Reject> {
    if qty == Lots::ZERO {
        return Err(Reject::of(RejectReason::ZeroQuantity, 0));
    }
    let step = instrument.order_lot.0;
    if step > 1 && !qty.0.is_multiple_of(step) {
        return Err(Reject::new(RejectReason::Lot, i128::from(step), i128::from(qty.0)));
    }
    Ok(())
}

/// Lets a limit price pass that is above 0 and a multiple of the order tick at that price.
///
/// # Errors
/// [`RejectReason::BadPrice`] or [`RejectReason::Tick`].
#[inline]
pub fn check_price(price: Ticks, context: &OrderContext<'_>) -> Result<(), Reject> {
    if price <= Ticks::ZERO {
        return Err(Reject::of(RejectReason::BadPrice, i128::from(price.0)));
    }
    let step = context.order_tick_at(price).0;
    if step > 1 && price.0 % step != 0 {
        return Err(Reject::new(RejectReason::Tick, i128::from(step), i128::from(price.0)));
    }
    Ok(())
}
