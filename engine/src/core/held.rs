//! Orders that the engine holds, whatever their venue: until the last trade reaches their stop price; and until their own
//! time ends.

use super::Core;
use super::market::is_acceptable;
use super::orders::Traded;
use super::output::Publisher;
use super::paper::Request;
use serde::{Deserialize, Serialize};
use tidegate_model::command::{NewOrder, OrderType, PostOnly, ReplaceOrder, TimeInForce};
use tidegate_model::event::{CancelReason, ExecType};
use tidegate_model::market::TradingStatus;
use tidegate_model::saved::Inconsistent;
use tidegate_model::{InstrumentId, Lots, OrderId, Reject, RejectReason, Side, Ticks, UnixNanos};
use tidegate_oms::{Order, OrderSlot, Place, Requester, Waiter};

/// When orders end by themselves, soonest first, then in the order of entry.
///
/// An order that ended before stays in until its time comes or the day ends, so there are never more than the store keeps.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expiries {
    heap: std::collections::BinaryHeap<std::cmp::Reverse<(UnixNanos, OrderId)>>,
}

impl Expiries {
    /// Room for as many as the order store keeps; the memory is touched as they come.
    pub fn new(orders_max: u32) -> Self {
        Self { heap: std::collections::BinaryHeap::with_capacity(orders_max as usize) }
    }

    /// Reserves the room that [`Self::new`] does, after it was read from a snapshot.
    pub fn restored(&mut self, orders_max: u32) -> Result<(), Inconsistent> {
        let room = (orders_max as usize).checked_sub(self.heap.len());
        let room = room.ok_or(Inconsistent { part: "expiries", why: "orders expire once" })?;
        self.heap.reserve_exact(room);
        Ok(())
    }

    /// When the next one is due.
    #[inline]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.heap.peek().map(|next| next.0.0)
    }

    fn push(&mut self, at: UnixNanos, order: OrderId) {
        self.heap.push(std::cmp::Reverse((at, order)));
    }

    fn pop(&mut self) -> Option<OrderId> {
        self.heap.pop().map(|next| next.0.1)
    }
}

impl Core {
    /// An order that was let in begins: it goes to its venue, or waits for its stop price.
    #[inline]
    pub(super) fn begin(&mut self, slot: OrderSlot, who: Requester, publisher: &mut Publisher<'_>) {
        let order = self.oms.order(slot);
        if order.time_in_force == TimeInForce::Gtd {
            self.expiries.push(self.oms.entered(slot).expire_at, order.order_id);
        }
        match order.place {
            Place::Venue | Place::House => self.send(slot, Request::New, who, publisher),
            Place::Waiting => self.wait(slot, who, publisher),
            Place::Held => {
                let stop_price = self.told_stop_price(slot);
                self.report(slot, ExecType::PendingNew, who, publisher, |execution| {
                    execution.last_price = stop_price;
                });
            }
            Place::Parent => {
                self.oms.accepted(slot).expect("a new order is accepted");
                self.report(slot, ExecType::New, who, publisher, |_| {});
            }
        }
    }

    /// Everything that is due by `until` happens, in the order of time: requests reach the venue, orders expire, markets of
    /// the house reopen. What arrives at the very instant at which an order ends arrives before.
    pub(super) fn carry_out_due(&mut self, until: UnixNanos, publisher: &mut Publisher<'_>) {
        while let Some(due) = self.next_deed().filter(|due| *due <= until) {
            self.arrived_at = due;
            publisher.release(due);
            if self.paper.next_due() == Some(due) {
                self.carry_out_arrived(due, publisher);
            } else if self.internal.next_due() == Some(due) {
                self.carry_out_market_due(publisher);
            } else if self.proposals.next_due() == Some(due) {
                self.lapse_due(publisher);
            } else if self.expiries.next_due() != Some(due) {
                // What they do next they do now, whenever they were due.
                self.oms.algorithms_due(self.now);
                self.flatten_due(publisher);
            } else if let Some(order_id) = self.expiries.pop()
                && let Some(slot) = self.oms.by_id(order_id)
            {
                match self.oms.order(slot).place {
                    Place::House => self.tell_time(slot, due, publisher),
                    _ => _ = self.expire(slot, publisher),
                }
            }
            self.follow_up(publisher);
        }
        self.arrived_at = self.now;
    }

    /// The order's time ends; false if it had ended before.
    pub(super) fn expire(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) -> bool {
        let who = self.oms.order(slot).who;
        let before = self.oms.exposure(slot);
        let leaves = self.oms.shown_leaves(slot);
        if self.oms.expired(slot).is_err() {
            return false;
        }
        self.take_off(slot);
        self.oms.recount(&mut self.risk, slot, &before);
        self.report(slot, ExecType::Expired, who, publisher, |execution| {
            execution.last_qty = leaves;
        });
        true
    }

    /// Takes an order that has ended from where it was.
    pub(super) fn take_off(&mut self, slot: OrderSlot) {
        let order = self.oms.order(slot);
        match order.place {
            Place::Venue => {
                self.paper.remove(order.instrument, order.side, slot);
            }
            Place::Waiting => {
                self.waiting.remove(order);
            }
            // A market takes an order off itself.
            Place::House | Place::Held | Place::Parent => {}
        }
    }

    /// The engine has the order, and holds it until its stop price is reached; that may be at once.
    pub(super) fn wait(&mut self, slot: OrderSlot, who: Requester, publisher: &mut Publisher<'_>) {
        self.oms.accepted(slot).expect("a new order is accepted");
        let stop_price = self.told_stop_price(slot);
        self.report(slot, ExecType::New, who, publisher, |execution| {
            execution.last_price = stop_price;
        });
        let entered = self.oms.entered(slot);
        let stop_price = self.oms.first_stop_price(slot);
        let waiter = Waiter::of(slot, self.oms.order(slot), &entered, stop_price);
        self.hold(waiter, publisher);
    }

    /// StopPx as the report of an order tells it that does not wait yet; see [`Execution::stop_price`].
    fn told_stop_price(&self, slot: OrderSlot) -> Ticks {
        match self.oms.order(slot).order_type.trails() {
            true => Ticks::ZERO,
            false => self.oms.first_stop_price(slot),
        }
    }

    /// The last trade before it counts: it gives a trailing order its first stop price, and triggers what it has reached.
    fn hold(&mut self, mut waiter: Waiter, publisher: &mut Publisher<'_>) {
        let instrument = self.oms.order(waiter.slot).instrument;
        let listed = &self.listing[instrument];
        if let Some(last) = listed.last_trade {
            waiter.stop_price = waiter.stop_price.or_else(|| waiter.stop_after(last));
            if listed.status == TradingStatus::Trading && waiter.is_triggered_by(last) {
                return self.trigger(&waiter, publisher);
            }
        }
        let &Order { side, order_type, .. } = self.oms.order(waiter.slot);
        if self.waiting.check_room(instrument, side, order_type).is_err() {
            // There was room when it was let in, but others came while it was held.
            return self.end(waiter.slot, CancelReason::Capacity, publisher);
        }
        self.paper.armed(waiter.slot);
        self.waiting.insert(instrument, waiter);
    }

    /// Where orders of the instrument trade.
    pub(super) fn home_of(&self, instrument: InstrumentId) -> Place {
        match self.internal.market_of(instrument) {
            Some(_) => Place::House,
            None => Place::Venue,
        }
    }

    /// The instrument traded, or trades again: orders that wait for that are triggered.
    pub(super) fn after_trade(
        &mut self,
        instrument: InstrumentId,
        traded: Traded,
        publisher: &mut Publisher<'_>,
    ) {
        if !self.waiting.has_any(instrument)
            || self.listing[instrument].status != TradingStatus::Trading
        {
            return;
        }
        let mut triggered = std::mem::take(&mut self.triggered);
        self.waiting.traded(instrument, traded.price, &mut triggered);
        for waiter in &triggered {
            self.trigger(waiter, publisher);
        }
        triggered.clear();
        self.triggered = triggered;
    }

    /// A waiting order's stop price is reached: it goes to its venue.
    pub(super) fn trigger(&mut self, waiter: &Waiter, publisher: &mut Publisher<'_>) {
        let slot = waiter.slot;
        let order = self.oms.order(slot);
        if !order.is_open() || order.place != Place::Waiting {
            // Another order that the same trade triggered has ended it.
            return;
        }
        let &Order { account, instrument, side, order_type, who, .. } = order;
        let Some(is_blocked) = self.is_blocked(slot) else { return };
        let stop = waiter.stop_price.expect("a trade has reached it");
        let price = self.limit_at(slot, stop);
        let protection = match order_type.is_market() {
            true => {
                let counted = self.oms.order(slot).exposure_price;
                self.risk.protection_at(account, side, stop, counted)
            }
            false => price,
        };
        let place = if is_blocked { Place::Held } else { self.home_of(instrument) };
        let triggered = self.oms.triggered(slot, price, protection, place);
        triggered.expect("an order that waits can be triggered");
        self.report(slot, ExecType::Triggered, who, publisher, |_| {});
        if !is_blocked {
            self.send(slot, Request::New, who, publisher);
        }
    }

    /// The limit of an order that is triggered at `stop`; 0 if it is a market order. A limit that follows the stop price is
    /// put on the order's side of it onto a price that orders may have.
    fn limit_at(&self, slot: OrderSlot, stop: Ticks) -> Ticks {
        let order = self.oms.order(slot);
        if order.order_type != OrderType::TrailingStopLimit || order.price != Ticks::ZERO {
            return order.price;
        }
        let offset = self.oms.entered(slot).offset;
        let limit = Ticks(stop.0.saturating_add(offset.0).max(1));
        let step = self.listing.order_tick_at(order.instrument, limit).0;
        let below = Ticks(limit.0 - limit.0 % step);
        match order.side {
            Side::Buy if below.0 > 0 => below,
            _ if below == limit => limit,
            _ => Ticks(below.0.saturating_add(step)),
        }
    }

    /// Lets a waiting order pass whose list has room.
    pub(super) fn check_room_to_wait(&self, order: &NewOrder) -> Result<(), Reject> {
        match (OrderType::from_wire(order.order_type), Side::from_wire(order.side)) {
            (Some(order_type), Some(side)) if order_type.waits() => {
                self.waiting.check_room(order.instrument, side, order_type)
            }
            _ => Ok(()),
        }
    }

    /// A waiting order as it would be entered with new terms.
    pub(super) fn as_replaced(&self, slot: OrderSlot, replace: &ReplaceOrder) -> NewOrder {
        let entered = self.oms.entered(slot);
        let order = self.oms.order(slot);
        let stop_price = match (replace.stop_price, order.place) {
            (Ticks::ZERO, Place::Parent) => Ticks::ZERO,
            (Ticks::ZERO, Place::Held) => self.oms.first_stop_price(slot),
            (Ticks::ZERO, _) => self.waiting.stop_price(order).unwrap_or_default(),
            (stop_price, _) => stop_price,
        };
        let offset = if replace.price == Ticks::ZERO { entered.offset } else { Ticks::ZERO };
        let (qty, price) = (replace.qty, replace.price);
        NewOrder { qty, price, stop_price, offset, ..entered }
    }

    /// New terms of an order that the engine holds are in force: the engine is where they arrive, and at once.
    pub(super) fn replace_here(
        &mut self,
        slot: OrderSlot,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let before = self.oms.exposure(slot);
        let order = *self.oms.order(slot);
        let asked = order.replace.expect("a replace was asked for").stop_price;
        let waiter = match order.place {
            Place::Waiting => {
                let waiter = self.waiting.remove(&order).expect("the order waits");
                let asked = Some(asked).filter(|stop_price| *stop_price != Ticks::ZERO);
                Some(Waiter { stop_price: asked.or(waiter.stop_price), ..waiter })
            }
            _ => None,
        };
        self.oms.replaced(slot).expect("what was asked for can be had at once");
        self.oms.recount(&mut self.risk, slot, &before);
        let stop_price = match &waiter {
            Some(waiter) if waiter.trail.is_none() => waiter.stop_price.unwrap_or_default(),
            Some(_) => Ticks::ZERO,
            None => self.told_stop_price(slot),
        };
        self.report(slot, ExecType::Replaced, who, publisher, |execution| {
            execution.last_price = stop_price;
        });
        if let Some(waiter) = waiter {
            self.hold(waiter, publisher);
        }
    }

    /// The limit price of a post-only order as the venue takes it: its own, or one step short of the best opposite price if
    /// it slides there (`docs/rule-book.md`, 3.3).
    ///
    /// # Errors
    /// [`RejectReason::PostOnlyWouldCross`].
    pub(super) fn passive_price(&self, slot: OrderSlot, price: Ticks) -> Result<Ticks, Reject> {
        let order = self.oms.order(slot);
        let Some(instruction) = order.post_only else { return Ok(price) };
        let &Order { instrument, side, .. } = order;
        let listed = &self.listing[instrument];
        let best = self.books.best(instrument, side.opposite());
        let best = best.filter(|_| listed.status == TradingStatus::Trading);
        let Some(best) = best.filter(|best| is_acceptable(side, price, best.price)) else {
            return Ok(price);
        };
        let would_cross =
            Err(Reject::new(RejectReason::PostOnlyWouldCross, best.price.0.into(), price.0.into()));
        if instruction == PostOnly::Reject {
            return would_cross;
        }
        // The price next to the best one on our side, then onto a price that orders may have.
        let beside = match side {
            Side::Buy => best.price.0.checked_sub(1),
            Side::Sell => best.price.0.checked_add(1),
        };
        let Some(beside) = beside.filter(|beside| *beside > 0) else { return would_cross };
        let step = self.listing.order_tick_at(instrument, Ticks(beside)).0;
        let below = beside - beside % step;
        match side {
            Side::Buy if below > 0 => Ok(Ticks(below)),
            Side::Buy => would_cross,
            Side::Sell if below == beside => Ok(Ticks(below)),
            Side::Sell => below
                .checked_add(step)
                .map(Ticks)
                .ok_or(Reject::of(RejectReason::Overflow, price.0.into())),
        }
    }

    /// The day ends: orders that are kept no longer end no more.
    pub(super) fn forget_expiries(&mut self) {
        let oms = &self.oms;
        self.expiries.heap.retain(|entry| {
            oms.by_id(entry.0.1).is_some_and(|slot| oms.order(slot).leaves_qty() > Lots::ZERO)
        });
    }
}
