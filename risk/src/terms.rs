//! Whether an order says something that its instrument allows at all.

use tidegate_model::command::{FLAGS_KNOWN, NewOrder, OrderType, TimeInForce};
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
}

/// Reads the terms of a new order.
///
/// # Errors
/// [`RejectReason::BadField`] for a value that is not assigned or a market order with a price,
/// and those of [`check_qty`] and [`check_price`].
#[inline]
pub fn check_terms(order: &NewOrder, instrument: &Instrument) -> Result<Terms, Reject> {
    let bad = |value: u8| Reject::of(RejectReason::BadField, i128::from(value));
    let side = Side::from_wire(order.side).ok_or_else(|| bad(order.side))?;
    let order_type = OrderType::from_wire(order.order_type).ok_or_else(|| bad(order.order_type))?;
    let time_in_force = TimeInForce::from_wire(order.time_in_force);
    let time_in_force = time_in_force.ok_or_else(|| bad(order.time_in_force))?;
    if time_in_force > TimeInForce::Fok {
        return Err(bad(order.time_in_force));
    }
    if order.flags & !FLAGS_KNOWN != 0 {
        return Err(bad(order.flags));
    }
    if !order.is_plain() {
        return Err(bad(order.order_type));
    }
    check_qty(order.qty, instrument)?;
    let limit_price = match order_type {
        OrderType::Limit => {
            check_price(order.price, instrument)?;
            Some(order.price)
        }
        OrderType::Market if order.price == Ticks::ZERO => None,
        OrderType::Market => {
            return Err(Reject::of(RejectReason::BadField, i128::from(order.price.0)));
        }
        other => return Err(bad(other.wire())),
    };
    Ok(Terms { side, limit_price, qty: order.qty })
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
pub fn check_price(price: Ticks, instrument: &Instrument) -> Result<(), Reject> {
    if price <= Ticks::ZERO {
        return Err(Reject::of(RejectReason::BadPrice, i128::from(price.0)));
    }
    let step = instrument.order_tick_at(price).0;
    if step > 1 && price.0 % step != 0 {
        return Err(Reject::new(RejectReason::Tick, i128::from(step), i128::from(price.0)));
    }
    Ok(())
}
