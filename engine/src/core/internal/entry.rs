//! An order as its market takes it: what the wire says, in the words of the market.

use crate::matching::{Entry, PRICE_MAX, Peg, Terms, Trail};
use tidegate_model::command::{
    FLAG_HIDDEN, NewOrder, OrderType, PegKind, PostOnly, SelfTrade, TimeInForce, TrailUnit,
};
use tidegate_model::{Lots, Reject, RejectReason, Side, Ticks};
use tidegate_oms::Order;

/// True if the market takes the order the short way.
#[inline]
pub(super) fn is_plain(new: &NewOrder) -> bool {
    new.order_type == OrderType::Limit.wire()
        && new.time_in_force <= TimeInForce::Fok.wire()
        && new.is_plain()
}

/// Refuses terms of an order that no market would know.
///
/// # Errors
/// `BadField` with the value that is not assigned.
pub(in crate::core) fn check_house_terms(new: &NewOrder) -> Result<(), Reject> {
    if is_plain(new) {
        return Ok(());
    }
    terms(new).map(|_| ())
}

/// The terms of an order that a plain one does not have, as its market takes them.
fn terms(new: &NewOrder) -> Result<Terms, Reject> {
    let bad = |value: u8| Reject::of(RejectReason::BadField, value.into());
    let kind = OrderType::from_wire(new.order_type).ok_or_else(|| bad(new.order_type))?;
    let trail = match (new.trail_unit, TrailUnit::from_wire(new.trail_unit)) {
        (0, _) => None,
        (_, Some(TrailUnit::Ticks)) => Some(Trail::Ticks(new.trail)),
        (_, Some(TrailUnit::Ppm)) => Some(Trail::Ppm(new.trail)),
        (unit, None) => return Err(bad(unit)),
    };
    let peg = match (new.peg, PegKind::from_wire(new.peg)) {
        (0, _) => None,
        (_, Some(kind)) => Some(Peg { kind, offset: new.offset }),
        (peg, None) => return Err(bad(peg)),
    };
    let post_only = match (new.post_only, PostOnly::from_wire(new.post_only)) {
        (0, _) => None,
        (post_only, None) => return Err(bad(post_only)),
        (_, known) => known,
    };
    let self_trade = match (new.self_trade, SelfTrade::from_wire(new.self_trade)) {
        (0, _) => None,
        (self_trade, None) => return Err(bad(self_trade)),
        (_, known) => known,
    };
    let follows_stop = kind == OrderType::TrailingStopLimit && new.price == Ticks::ZERO;
    Ok(Terms {
        stop_price: Some(new.stop_price).filter(|stop| *stop != Ticks::ZERO),
        trail,
        limit_offset: Some(new.offset).filter(|_| follows_stop),
        peg,
        post_only,
        self_trade,
        hidden: new.flags & FLAG_HIDDEN != 0,
        display_qty: Some(new.display_qty).filter(|qty| *qty != Lots::ZERO),
        min_qty: Some(new.min_qty).filter(|qty| *qty != Lots::ZERO),
        expire_at: new.expire_at,
    })
}

/// A leg of a list whose stop price was reached while the engine held it, as it goes to its market: an order like any other,
/// with the limit that it has from then on.
pub(super) fn as_triggered(mut order: Order, entered: &NewOrder) -> (Order, NewOrder) {
    order.order_type = match order.order_type.is_market() {
        true => OrderType::Market,
        false => OrderType::Limit,
    };
    let (order_type, price) = (order.order_type.wire(), order.price);
    let (stop_price, trail, trail_unit, offset) = (Ticks::ZERO, 0, 0, Ticks::ZERO);
    (order, NewOrder { order_type, price, stop_price, trail, trail_unit, offset, ..*entered })
}

/// An order as its market takes it. `step` is one step of prices there.
pub(super) fn entry(handle: u32, order: &Order, new: &NewOrder, step: Ticks) -> Entry {
    Entry {
        handle,
        account: order.account,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        qty: order.qty,
        price: house_price(order, order.price, step),
        terms: terms(new).expect("they were checked when the order was let in"),
    }
}

/// The limit of an order in its market: its own, or where it has none the worst price that the gate lets it have. A limit
/// that follows its stop price comes with that.
pub(super) fn house_price(order: &Order, price: Ticks, step: Ticks) -> Ticks {
    match order.order_type {
        OrderType::TrailingStopLimit => price,
        _ if price == Ticks::ZERO => protection(order.side, order.protection_price, step),
        _ => price,
    }
}

/// The worst price at which a market order may trade, as the market takes it: a multiple of its step, 0 for any.
fn protection(side: Side, price: Ticks, step: Ticks) -> Ticks {
    let inside = price.0.clamp(0, PRICE_MAX.0);
    let below = inside - inside % step.0;
    match side {
        Side::Buy => Ticks(below.max(step.0)),
        Side::Sell if below < inside => Ticks(below + step.0),
        Side::Sell => Ticks(below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protection_price_lies_on_a_step_inside_the_collar() {
        let table = [
            (Side::Buy, 1_099, 100, 1_000),
            (Side::Buy, 1_100, 100, 1_100),
            (Side::Buy, 50, 100, 100),
            (Side::Buy, i64::MAX, 100, PRICE_MAX.0 - PRICE_MAX.0 % 100),
            (Side::Sell, 901, 100, 1_000),
            (Side::Sell, 900, 100, 900),
            (Side::Sell, 1, 100, 100),
            (Side::Sell, 0, 100, 0),
            (Side::Sell, i64::MIN, 100, 0),
        ];
        for (side, bound, step, expected) in table {
            let found = protection(side, Ticks(bound), Ticks(step));
            assert_eq!(found, Ticks(expected), "{side} {bound} {step}");
        }
    }
}
