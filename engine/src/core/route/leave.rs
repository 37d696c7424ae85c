//! What leaves: the checks before it, and the requests.

use super::table::{Happening, Next, Standing, next};
use super::{ROUTE_ORDERS_MAX, Routed};
use crate::core::output::{Output, Publisher};
use crate::core::paper::Request;
use crate::core::{Core, Listed};
use tidegate_model::command::{FLAG_HIDDEN, NewOrder, OrderType, RouteLink, TimeInForce};
use tidegate_model::event::ExecType;
use tidegate_model::{
    Instrument, InstrumentId, Reject, RejectReason, RoutedKind, RoutedOrder, RoutedRequest, Side,
    Ticks,
};
use tidegate_oms::{Order, OrderSlot, Place, Requester};

impl Core {
    /// True if the order is at, or on its way to, a venue behind a route.
    #[inline]
    pub(in crate::core) fn is_routed(&self, slot: OrderSlot) -> bool {
        let order = self.oms.order(slot);
        order.place == Place::Venue && self.listing[order.instrument].instrument.is_routed()
    }

    /// Lets a new order pass that its route can take now. One that waits for its stop price needs no link yet.
    ///
    /// # Errors
    /// [`RejectReason::UnsupportedByVenue`], [`RejectReason::RouteBlocked`], [`RejectReason::RouteDown`] and
    /// [`RejectReason::CapacityExceeded`].
    #[inline]
    pub(in crate::core) fn check_route(
        &self,
        order: &NewOrder,
        listed: &Listed,
    ) -> Result<(), Reject> {
        if !listed.instrument.is_routed() {
            return Ok(());
        }
        check_routable(order)?;
        let waits = OrderType::from_wire(order.order_type).is_some_and(OrderType::waits);
        self.check_link(order.instrument, &listed.instrument, waits)
    }

    fn check_link(&self, id: InstrumentId, terms: &Instrument, waits: bool) -> Result<(), Reject> {
        let held = self.routes.held(id);
        if held.is_blocked {
            let (there, here) = (held.there.into(), held.expected().into());
            return Err(Reject::new(RejectReason::RouteBlocked, there, here));
        }
        let route = self.routes.route(terms.route);
        if waits {
            return Ok(());
        }
        if route.link != RouteLink::Up {
            return Err(Reject::of(RejectReason::RouteDown, terms.route.into()));
        }
        if route.open >= ROUTE_ORDERS_MAX {
            let open = i128::from(route.open);
            return Err(Reject::new(RejectReason::CapacityExceeded, open, open + 1));
        }
        Ok(())
    }

    /// Lets a replace pass that may leave now.
    ///
    /// # Errors
    /// As [`Self::check_route`], and [`RejectReason::RouteUncertain`].
    pub(in crate::core) fn check_route_change(&self, slot: OrderSlot) -> Result<(), Reject> {
        if !self.is_routed(slot) {
            return Ok(());
        }
        let order = self.oms.order(slot);
        let terms = &self.listing[order.instrument].instrument;
        self.check_link(order.instrument, terms, true)?;
        if self.routes.route(terms.route).link != RouteLink::Up {
            return Err(Reject::of(RejectReason::RouteDown, terms.route.into()));
        }
        match next(self.routes.order(slot).standing, Happening::LeaveReplace) {
            Next::To(_) => Ok(()),
            _ => Err(Reject::of(RejectReason::RouteUncertain, order.order_id.0.into())),
        }
    }

    /// A request about a routed order: it leaves, or waits for the link if it is a cancel.
    pub(in crate::core) fn leave<O: Output>(
        &mut self,
        slot: OrderSlot,
        request: Request,
        who: Requester,
        publisher: &mut Publisher<'_, O>,
    ) {
        let &Order { order_id, instrument, .. } = self.oms.order(slot);
        match request {
            Request::New => {
                let terms = self.listing[instrument].instrument;
                // One that waited for its stop price meets the link as it is now.
                if let Err(reject) = self.check_link(instrument, &terms, false) {
                    return self.reject_at_venue(slot, reject, who, publisher);
                }
                self.routes.route_mut(terms.route).open += 1;
                let standing = Standing::Sent;
                let routed = Routed { order_id, standing, attempt: 0, reason: None };
                self.routes.set_order(slot, routed);
                self.report(slot, ExecType::PendingNew, who, publisher, |_| {});
                self.request(slot, RoutedKind::New, publisher);
            }
            Request::Cancel(reason) => {
                let routed = Routed { reason: Some(reason), ..self.routes.order(slot) };
                self.routes.set_order(slot, routed);
                self.report(slot, ExecType::PendingCancel, who, publisher, |_| {});
                self.leave_cancel(slot, publisher);
            }
            Request::Replace => {
                self.report(slot, ExecType::PendingReplace, who, publisher, |_| {});
                if self.next_attempt(slot, Happening::LeaveReplace) {
                    self.request(slot, RoutedKind::Replace, publisher);
                }
            }
            Request::Resize => unreachable!("no leg of a list goes there"),
        }
    }

    /// The cancel of an order leaves, if the link is up and nothing about the order is unknown.
    pub(super) fn leave_cancel<O: Output>(
        &mut self,
        slot: OrderSlot,
        publisher: &mut Publisher<'_, O>,
    ) {
        let route = self.listing[self.oms.order(slot).instrument].instrument.route;
        let is_up = self.routes.route(route).link == RouteLink::Up;
        if is_up && self.next_attempt(slot, Happening::LeaveCancel) {
            self.request(slot, RoutedKind::Cancel, publisher);
        }
    }

    fn next_attempt(&mut self, slot: OrderSlot, leave: Happening) -> bool {
        let routed = self.routes.order(slot);
        let Next::To(standing) = next(routed.standing, leave) else { return false };
        let attempt = routed.attempt.saturating_add(1);
        self.routes.set_order(slot, Routed { standing, attempt, ..routed });
        true
    }

    /// Hands a request about an order to its adapter.
    pub(super) fn request<O: Output>(
        &mut self,
        slot: OrderSlot,
        kind: impl FnOnce(RoutedOrder) -> RoutedKind,
        publisher: &mut Publisher<'_, O>,
    ) {
        let order = self.oms.order(slot);
        let terms = self.listing[order.instrument].instrument;
        let (qty, price) = match order.replace {
            Some(asked) => (asked.qty, asked.price),
            None => (order.qty, order.price),
        };
        let is_market = price == Ticks::ZERO;
        let time_in_force = match order.time_in_force {
            TimeInForce::Fok => TimeInForce::Fok,
            _ if is_market => TimeInForce::Ioc,
            time_in_force => time_in_force,
        };
        let price = match is_market {
            true => within(order.side, order.protection_price, &terms),
            false => price,
        };
        let routed = RoutedOrder {
            order_id: order.order_id,
            attempt: self.routes.order(slot).attempt,
            account: order.account,
            instrument: terms,
            side: order.side,
            time_in_force,
            qty,
            price,
        };
        self.hand_over(terms.route, kind(routed), publisher);
    }

    pub(super) fn hand_over<O: Output>(
        &mut self,
        route: u8,
        kind: RoutedKind,
        publisher: &mut Publisher<'_, O>,
    ) {
        let state = self.routes.route_mut(route);
        state.number += 1;
        let number = state.number;
        let journal = self.began.0;
        publisher.out.routed(&RoutedRequest { route, number, journal, kind });
    }
}

/// What a venue behind a route takes: limit and market orders without further instructions, and those that wait here.
fn check_routable(order: &NewOrder) -> Result<(), Reject> {
    let not = |value: i128| Err(Reject::of(RejectReason::UnsupportedByVenue, value));
    let order_type = OrderType::from_wire(order.order_type);
    if matches!(order_type, Some(OrderType::MarketToLimit | OrderType::Pegged)) {
        return not(order.order_type.into());
    }
    if TimeInForce::from_wire(order.time_in_force) > Some(TimeInForce::Fok) {
        return not(order.time_in_force.into());
    }
    if order.flags & FLAG_HIDDEN != 0 {
        return not(order.flags.into());
    }
    if order.post_only | order.self_trade | order.peg != 0 {
        return not((order.post_only | order.self_trade | order.peg).into());
    }
    match order.display_qty.0 | order.min_qty.0 {
        0 => Ok(()),
        qty => not(qty.into()),
    }
}

/// The last price that an order may have on its own side of `bound`.
fn within(side: Side, bound: Ticks, terms: &Instrument) -> Ticks {
    let step = terms.order_tick_at(bound).0;
    let below = bound.0 - bound.0.rem_euclid(step);
    match side {
        Side::Sell if below < bound.0 => Ticks(below.saturating_add(step)),
        _ => Ticks(below.max(1)),
    }
}
