//! What leaves: the checks before it, and the requests.

use super::table::{Happening, Next, Standing, next};
use super::{NOT_ROUTED, ROUTE_ORDERS_MAX, Resize, Route, Routed};
use crate::core::output::Publisher;
use crate::core::paper::Request;
use crate::core::{Core, Listed};
use tidegate_model::command::{FLAG_HIDDEN, NewOrder, OrderType, RouteLink, TimeInForce};
use tidegate_model::event::{ExecType, OrdStatus};
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Lots, OrderId, Reject, RejectReason, RoutedKind,
    RoutedOrder, RoutedRequest, Side, Ticks,
};
use tidegate_oms::{Order, OrderSlot, Place, Requester};

/// What becomes of an order that is to leave.
enum Way {
    /// It leaves.
    Leaves,
    /// It is kept until the route is up.
    Stays,
}

/// What an order asks for.
struct Asked {
    order_id: OrderId,
    account: AccountId,
    instrument: InstrumentId,
    side: Side,
    time_in_force: TimeInForce,
    qty: Lots,
}

impl Asked {
    fn of(order: &Order, qty: Lots) -> Self {
        let &Order { order_id, account, instrument, side, time_in_force, .. } = order;
        Self { order_id, account, instrument, side, time_in_force, qty }
    }
}

impl Core {
    /// True if the order is at, or on its way to, a venue behind a route.
    #[inline]
    pub(in crate::core) fn is_routed(&self, slot: OrderSlot) -> bool {
        let order = self.oms.order(slot);
        order.place == Place::Venue && self.listing[order.instrument].instrument.is_routed()
    }

    /// Lets a new order pass that its route takes now, or that is kept until it does. One that waits for its stop price
    /// or for other legs of its list (`is_held`) needs no link yet.
    ///
    /// # Errors
    /// [`RejectReason::UnsupportedByVenue`], [`RejectReason::RouteBlocked`], [`RejectReason::RouteDown`] and
    /// [`RejectReason::CapacityExceeded`].
    #[inline]
    pub(in crate::core) fn check_route(
        &self,
        order: &NewOrder,
        listed: &Listed,
        is_held: bool,
    ) -> Result<(), Reject> {
        if !listed.instrument.is_routed() {
            return Ok(());
        }
        check_routable(order)?;
        let &NewOrder { account, instrument, qty, .. } = order;
        self.check_blocked(instrument)?;
        let waits = OrderType::from_wire(order.order_type).is_some_and(OrderType::waits);
        if is_held || waits {
            return Ok(());
        }
        let time_in_force = TimeInForce::from_wire(order.time_in_force);
        let (Some(side), Some(time_in_force)) = (Side::from_wire(order.side), time_in_force) else {
            // The gate has refused it.
            return Ok(());
        };
        let order_id = OrderId(u64::MAX);
        let asked = Asked { order_id, account, instrument, side, time_in_force, qty };
        self.way(listed.instrument.route, &asked).map(drop)
    }

    fn check_blocked(&self, id: InstrumentId) -> Result<(), Reject> {
        let held = self.routes.held(id);
        if held.is_blocked {
            let (there, here) = (held.there.into(), held.expected().into());
            return Err(Reject::new(RejectReason::RouteBlocked, there, here));
        }
        Ok(())
    }

    /// What becomes of an order that is to leave now.
    fn way(&self, route: u8, asked: &Asked) -> Result<Way, Reject> {
        let &Route { link, open, .. } = self.routes.route(route);
        if open >= ROUTE_ORDERS_MAX {
            let (limit, value) = (open.into(), i128::from(open) + 1);
            return Err(Reject::new(RejectReason::CapacityExceeded, limit, value));
        }
        if link == RouteLink::Up {
            return Ok(Way::Leaves);
        }
        // At once or not at all cannot wait.
        let can_wait = !matches!(asked.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if can_wait && self.check_reduces(asked).is_ok() {
            return Ok(Way::Stays);
        }
        Err(Reject::of(RejectReason::RouteDown, route.into()))
    }

    /// Lets an order pass that can only reduce the account's position, together with what has left and what was kept before
    /// it, but for what is being canceled. The walk ends with the account's open orders, which its limits bound.
    fn check_reduces(&self, asked: &Asked) -> Result<(), Reject> {
        let held = self.oms.position(asked.account, asked.instrument).qty;
        let mut room = match asked.side {
            Side::Buy => -i128::from(held),
            Side::Sell => i128::from(held),
        };
        let mut walk = self.oms.first_open(asked.account);
        while let Some(slot) = walk {
            walk = self.oms.next_open(asked.account, slot);
            let order = self.oms.order(slot);
            let is_before = self.routes.order(slot).standing != Standing::Kept
                || order.order_id < asked.order_id;
            if order.instrument == asked.instrument
                && order.side == asked.side
                && order.order_id != asked.order_id
                && order.status != OrdStatus::PendingCancel
                && order.place == Place::Venue
                && is_before
            {
                room -= i128::from(self.oms.live_qty(slot).0);
            }
        }
        let qty = i128::from(asked.qty.0);
        if qty <= room {
            Ok(())
        } else {
            Err(Reject::new(RejectReason::NotReducing, room.max(0), qty))
        }
    }

    /// Lets a replace pass that may leave now.
    ///
    /// # Errors
    /// [`RejectReason::RouteBlocked`], [`RejectReason::RouteDown`] and [`RejectReason::RouteUncertain`].
    pub(in crate::core) fn check_route_change(&self, slot: OrderSlot) -> Result<(), Reject> {
        if !self.is_routed(slot) {
            return Ok(());
        }
        let order = self.oms.order(slot);
        let route = self.listing[order.instrument].instrument.route;
        self.check_blocked(order.instrument)?;
        if self.routes.route(route).link != RouteLink::Up {
            return Err(Reject::of(RejectReason::RouteDown, route.into()));
        }
        let routed = self.routes.order(slot);
        match next(routed.standing, Happening::LeaveReplace) {
            Next::To(_) if routed.resize.is_none() => Ok(()),
            _ => Err(Reject::of(RejectReason::RouteUncertain, order.order_id.0.into())),
        }
    }

    /// A request about a routed order: it leaves, or waits for the link if it is a cancel.
    pub(in crate::core) fn leave(
        &mut self,
        slot: OrderSlot,
        request: Request,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        match request {
            Request::New => self.leave_new(slot, who, publisher),
            Request::Cancel(reason) if self.routes.order(slot).standing == Standing::Kept => {
                self.end_for(slot, reason, who, publisher);
                self.step(slot, Happening::End);
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
            Request::Resize if self.routes.order(slot).standing == Standing::Kept => {
                self.arrive_resize(slot, publisher);
            }
            Request::Resize => self.leave_resize(slot, publisher),
        }
    }

    /// A leg's quantity is to follow the others. While anything else about the order is under way it waits, and leaves with
    /// what is wanted then. The larger of both quantities is counted until the venue has answered.
    fn leave_resize(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let &Order { instrument, status, replace, .. } = self.oms.order(slot);
        let routed = self.routes.order(slot);
        let is_busy = routed.standing != Standing::Working
            || routed.resize.is_some()
            || replace.is_some()
            || status == OrdStatus::PendingCancel;
        if is_busy {
            return;
        }
        let Some(to) = self.oms.wanted_there(slot) else { return };
        let from = self.oms.qty_there(slot);
        if to == from {
            // Only what is held back changes, and the venue knows nothing of that.
            self.restate_there(slot, to, publisher);
            return self.oms.resize_answered(slot);
        }
        let route = self.listing[instrument].instrument.route;
        if self.routes.route(route).link != RouteLink::Up || self.check_blocked(instrument).is_err()
        {
            return;
        }
        if to <= self.oms.order(slot).cum_qty || to > from && !self.count_there(slot, to) {
            // Nothing would be left of it, or it cannot be counted: what is there stays.
            return;
        }
        if self.next_attempt(slot, Happening::LeaveReplace) {
            let routed = self.routes.order(slot);
            self.routes.set_order(slot, Routed { resize: Some(Resize { from, to }), ..routed });
            self.request(slot, RoutedKind::Replace, publisher);
        }
    }

    /// The venue has `there` as OrderQty, or is asked for it: counted so from now on, if it can be.
    pub(super) fn count_there(&mut self, slot: OrderSlot, there: Lots) -> bool {
        let (before, from) = (self.oms.exposure(slot), self.oms.qty_there(slot));
        if self.oms.resized_there(slot, there).is_none() {
            return false;
        }
        if self.risk.check_change(&before, &self.oms.exposure(slot)).is_err() {
            self.oms.resized_there(slot, from);
            return false;
        }
        self.oms.recount(&mut self.risk, slot, &before);
        true
    }

    /// As [`Self::count_there`], and told.
    pub(super) fn restate_there(
        &mut self,
        slot: OrderSlot,
        there: Lots,
        publisher: &mut Publisher<'_>,
    ) {
        let told = |core: &Self| (core.oms.qty_there(slot), core.oms.execution(slot).ord_status);
        let before = told(self);
        if self.count_there(slot, there) && told(self) != before {
            let who = self.oms.order(slot).who;
            self.report(slot, ExecType::Restated, who, publisher, |_| {});
        }
    }

    /// A new order leaves, or is kept. One that waited for its stop price meets the link as it is now.
    fn leave_new(&mut self, slot: OrderSlot, who: Requester, publisher: &mut Publisher<'_>) {
        let asked = Asked::of(self.oms.order(slot), self.oms.live_qty(slot));
        let route = self.listing[asked.instrument].instrument.route;
        let way = self.check_blocked(asked.instrument).and_then(|()| self.way(route, &asked));
        let standing = match way {
            Ok(Way::Leaves) => Standing::Sent,
            Ok(Way::Stays) => Standing::Kept,
            Err(reject) => return self.reject_at_venue(slot, reject, who, publisher),
        };
        self.routes.route_mut(route).open += 1;
        let blank = Routed { order_id: asked.order_id, standing, ..NOT_ROUTED };
        self.routes.set_order(slot, blank);
        self.report(slot, ExecType::PendingNew, who, publisher, |_| {});
        if standing == Standing::Sent {
            self.request(slot, RoutedKind::New, publisher);
        }
    }

    /// The route is up: an order that was kept leaves if it still reduces the position.
    pub(super) fn leave_kept(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let asked = Asked::of(self.oms.order(slot), self.oms.live_qty(slot));
        let checked =
            self.check_blocked(asked.instrument).and_then(|()| self.check_reduces(&asked));
        if let Err(reject) = checked {
            let who = self.oms.order(slot).who;
            self.reject_at_venue(slot, reject, who, publisher);
            self.step(slot, Happening::End);
            return;
        }
        self.step(slot, Happening::Leave);
        self.request(slot, RoutedKind::New, publisher);
    }

    /// The day ends for an order of a route; false if that is for its venue to say.
    pub(in crate::core) fn expire_kept(
        &mut self,
        slot: OrderSlot,
        publisher: &mut Publisher<'_>,
    ) -> bool {
        let is_kept = self.routes.order(slot).standing == Standing::Kept;
        if !is_kept || self.oms.order(slot).time_in_force != TimeInForce::Day {
            return false;
        }
        self.step(slot, Happening::End);
        self.expire(slot, publisher)
    }

    /// The cancel of an order leaves, if the link is up and nothing about the order is unknown.
    pub(super) fn leave_cancel(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let route = self.listing[self.oms.order(slot).instrument].instrument.route;
        let is_up = self.routes.route(route).link == RouteLink::Up;
        if is_up && self.next_attempt(slot, Happening::LeaveCancel) {
            self.request(slot, RoutedKind::Cancel, publisher);
        }
    }

    fn next_attempt(&mut self, slot: OrderSlot, leave: Happening) -> bool {
        let routed = self.routes.order(slot);
        let Next::To(standing) = next(routed.standing, leave) else { return false };
        self.routes.set_order(slot, Routed { standing, ..routed });
        self.count_attempt(slot);
        true
    }

    /// One more request of the order leaves.
    pub(super) fn count_attempt(&mut self, slot: OrderSlot) {
        let routed = self.routes.order(slot);
        let attempt = routed.attempt.saturating_add(1);
        self.routes.set_order(slot, Routed { attempt, ..routed });
    }

    /// Hands a request about an order to its adapter.
    pub(super) fn request(
        &mut self,
        slot: OrderSlot,
        kind: impl FnOnce(RoutedOrder) -> RoutedKind,
        publisher: &mut Publisher<'_>,
    ) {
        let order = self.oms.order(slot);
        let terms = self.listing[order.instrument].instrument;
        let (qty, price) = match order.replace {
            Some(asked) => (asked.qty, asked.price),
            None => (order.qty, order.price),
        };
        let qty = match self.routes.order(slot).resize {
            Some(resize) => resize.to,
            None => {
                let held = order.qty.0 - self.oms.qty_there(slot).0;
                Lots(qty.0.saturating_sub(held))
            }
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
        let Routed { attempt, venue_order_id, .. } = self.routes.order(slot);
        let routed = RoutedOrder {
            order_id: order.order_id,
            attempt,
            venue_order_id,
            account: order.account,
            instrument: terms,
            side: order.side,
            time_in_force,
            qty,
            price,
        };
        self.hand_over(terms.route, kind(routed), publisher);
    }

    pub(super) fn hand_over(&mut self, route: u8, kind: RoutedKind, publisher: &mut Publisher<'_>) {
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
