//! The way of an order: gate, store, venue, fills; and of its cancel and replace.

use super::internal::check_house_terms;
use super::market::is_acceptable;
use super::output::Publisher;
use super::paper::{Depth, FillCause, Flight, LevelPlace, PaperFill, Request, Resting};
use super::reports::{Execute, refused, report, report_refusal};
use super::{Core, Listed};
use crate::book::Slot;
use tidegate_model::command::{CancelOrder, NewOrder, OrderType, ReplaceOrder, TimeInForce};
use tidegate_model::event::{CancelReason, Event, ExecType, Execution, OrdStatus};
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    AccountId, InstrumentId, Lots, OrderId, PrincipalId, Reject, RejectReason, Side, TickTable,
    Ticks, UnixNanos,
};
use tidegate_oms::{Named, Oms, Order, OrderSlot, Place, Requester};
use tidegate_risk::{
    Counting, Funds, MarketView, OrderContext, OrderExposure, OwnOrders, Parties, RiskApproved,
};

/// Nobody's request: what the market or the clock caused.
pub(super) const NOBODY: Requester = Requester {
    principal: tidegate_model::PrincipalId(0),
    session: tidegate_model::SessionId(0),
    request_id: 0,
};

/// What a market event says was traded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traded {
    /// The last price.
    pub(super) price: Ticks,
    /// Lots, all together.
    pub(super) qty: Lots,
}

/// What became of a new order that was not refused.
enum Entry {
    /// It is in the store.
    New(OrderSlot),
    /// It was before: the same message, sent again.
    Again(OrderSlot),
}

impl Core {
    /// A new order: checked, stored, sent to the venue.
    pub(super) fn new_order(
        &mut self,
        order: &NewOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        if order.list_id != 0 || order.leg != 0 {
            return self.new_leg(*order, who, publisher);
        }
        if self.waits_already(order, who, publisher) {
            return;
        }
        match self.admit(order, who, false) {
            Ok(Entry::New(slot)) => {
                publisher.out.passed();
                self.begin(slot, who, publisher);
            }
            Ok(Entry::Again(slot)) => {
                self.report(slot, ExecType::OrderStatus, who, publisher, |_| {});
            }
            Err(reject) if reject.reason == RejectReason::ApprovalNeeded => {
                self.await_approval(*order, reject, who, publisher);
            }
            Err(reject) => refuse_new(order, reject, who, publisher),
        }
    }

    /// A new order that the engine enters for another: it must be new.
    pub(super) fn admit_new(
        &mut self,
        order: NewOrder,
        who: Requester,
    ) -> Result<OrderSlot, Reject> {
        self.admit_once(order, who, false)
    }

    /// The same; `is_approved` if a person has approved exactly this order.
    pub(super) fn admit_once(
        &mut self,
        order: NewOrder,
        who: Requester,
        is_approved: bool,
    ) -> Result<OrderSlot, Reject> {
        match self.admit(&order, who, is_approved)? {
            Entry::New(slot) => Ok(slot),
            Entry::Again(slot) => {
                let order_id = self.oms.order(slot).order_id;
                Err(Reject::of(RejectReason::DuplicateClientOrderId, order_id.0.into()))
            }
        }
    }

    /// The gate. The one place where an order is let in.
    fn admit(
        &mut self,
        order: &NewOrder,
        who: Requester,
        is_approved: bool,
    ) -> Result<Entry, Reject> {
        let name = self.oms.name_hash(order.account, &order.client_order_id);
        let unknown = Reject::of(RejectReason::UnknownInstrument, order.instrument.0.into());
        let listed = self.listing.get(order.instrument).ok_or(unknown)?;
        let (margin, ticks) =
            (self.margin_funds(order.account), self.listing.tick_table(order.instrument));
        let (account, instrument) = (order.account, order.instrument);
        let funds = self.oms.funds(account, &listed.instrument, margin.as_ref())?;
        let oms = &self.oms;
        let own = |side, is_in: &dyn Fn(Parties) -> bool| best_of_own(oms, instrument, side, is_in);
        let context = self.order_context(who.principal, (listed, ticks), funds);
        let context = OrderContext { is_approved, own: OwnOrders(&own), ..context };
        let answer = self.risk.check_new(*order, &context);
        // A message that is repeated is answered as what it is, whatever the gate says of it.
        if let Named::Same(slot) = self.oms.check_client_order_id(order, name)? {
            return Ok(Entry::Again(slot));
        }
        // A market of the house says itself what it takes now.
        let is_internal = listed.instrument.is_internal();
        if !is_internal {
            check_trading(listed)?;
            self.check_route(order, listed, false)?;
            self.paper.check_room()?;
        }
        let approved: RiskApproved<NewOrder> = answer?;
        if is_internal {
            check_house_terms(order)?;
        } else {
            self.check_room_to_wait(order)?;
        }
        let slot = self.oms.admit(&approved, name, who, self.now, &listed.instrument)?;
        self.risk.order_opened(approved.exposure());
        Ok(Entry::New(slot))
    }

    /// What an order in an instrument is checked against, but for orders of ours that it might meet.
    #[inline(always)]
    pub(super) fn order_context<'l>(
        &self,
        principal: PrincipalId,
        (listed, tick_table): (&'l Listed, Option<&'l TickTable>),
        funds: Funds<'l>,
    ) -> OrderContext<'l> {
        let best = [Side::Buy, Side::Sell].map(|side| self.best_price(listed.id, side));
        let reference = self.reference_beside(listed.id, || best);
        let market = MarketView {
            best,
            heard_at: listed.heard_at,
            has_feed: !listed.instrument.is_internal(),
        };
        let plain = OrderContext::plain(self.now, &listed.instrument, reference, funds);
        OrderContext { principal, tick_table, market, ..plain }
    }

    /// The best displayed price of a side.
    #[inline]
    pub(super) fn best_price(&self, instrument: InstrumentId, side: Side) -> Option<Ticks> {
        match self.internal.market_of(instrument) {
            Some(market) => self.internal.best(market, side),
            None => self.books.best(instrument, side).map(|level| level.price),
        }
    }

    /// Sends a request to the venue: to the paper venue with the configured latency, to a market of the house at once.
    /// What the engine holds needs no way.
    pub(super) fn send(
        &mut self,
        slot: OrderSlot,
        request: Request,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let is_here = !matches!(self.oms.order(slot).place, Place::Venue | Place::House);
        if !is_here && let Some(market) = self.internal.market_of(self.oms.order(slot).instrument) {
            return self.ask_market(market, (slot, request, who), publisher);
        }
        if self.is_routed(slot) {
            return self.leave(slot, request, who, publisher);
        }
        // What a bar brings about, the engine sends within it.
        let at_once = is_here
            || self.paper.is_immediate() && self.paper.next_due().is_none()
            || self.paper.is_in_bar(self.oms.order(slot).instrument);
        // New orders and replaces were checked for room; a cancel that finds none overtakes what is under way.
        if at_once || self.paper.send(self.now, slot, request, who).is_err() {
            return self.carry_out(slot, request, who, publisher);
        }
        let exec_type = match request {
            Request::New => ExecType::PendingNew,
            Request::Cancel(_) => ExecType::PendingCancel,
            Request::Replace => ExecType::PendingReplace,
            Request::Resize => return,
        };
        self.report(slot, exec_type, who, publisher, |_| {});
    }

    /// Carries out every request that has reached the venue by `until`.
    pub(super) fn carry_out_arrived(&mut self, until: UnixNanos, publisher: &mut Publisher<'_>) {
        while let Some(Flight { order, request, who, .. }) = self.paper.arrived(until) {
            self.carry_out(order, request, who, publisher);
            self.follow_up(publisher);
        }
    }

    fn carry_out(
        &mut self,
        slot: OrderSlot,
        request: Request,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let is_here = self.oms.order(slot).place == Place::Waiting;
        let before = if is_here { None } else { self.enter_venue(publisher) };
        match request {
            Request::New => self.arrive(slot, who, publisher),
            Request::Cancel(reason) => self.arrive_cancel(slot, reason, who, publisher),
            Request::Replace => self.arrive_replace(slot, who, publisher),
            Request::Resize => self.arrive_resize(slot, publisher),
        }
        if !is_here {
            publisher.reports_leave_at(before);
        }
    }

    /// From now on reports are the paper venue's, until the publisher is given back what this returns: they leave when
    /// their latency has passed.
    pub(super) fn enter_venue(&mut self, publisher: &mut Publisher<'_>) -> Option<UnixNanos> {
        if !publisher.holds_answers() {
            return None;
        }
        let latency_ns = self.paper.latency_mut().from_venue(self.arrived_at);
        publisher.reports_leave_at(Some(UnixNanos(self.arrived_at.0.saturating_add(latency_ns))))
    }

    /// A new order reaches the venue.
    fn arrive(&mut self, slot: OrderSlot, who: Requester, publisher: &mut Publisher<'_>) {
        let order = self.oms.order(slot);
        if !order.is_open() {
            // A cancel overtook it, or its time ended on the way.
            return;
        }
        let (price, was_here) = (order.price, order.acknowledged);
        match self.passive_price(slot, price) {
            Ok(passive) if passive == price => {}
            Ok(passive) => self.oms.priced(slot, passive),
            Err(reject) => return self.reject_at_venue(slot, reject, who, publisher),
        }
        // One that waited for its stop price was accepted when it began to.
        if !was_here {
            self.oms.accepted(slot).expect("the venue accepts an order once");
            self.report(slot, ExecType::New, who, publisher, |_| {});
        }
        self.execute(slot, FillCause::default(), publisher);
    }

    /// The venue refuses a new order.
    pub(super) fn reject_at_venue(
        &mut self,
        slot: OrderSlot,
        reject: Reject,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let before = self.oms.exposure(slot);
        self.oms.rejected(slot).expect("nothing of a new order is executed");
        self.oms.recount(&mut self.risk, slot, &before);
        self.report(slot, ExecType::Rejected, who, publisher, |execution| {
            *execution = refused(*execution, reject);
        });
    }

    /// An order at the venue takes what it can, then rests or ends.
    pub(super) fn execute(
        &mut self,
        slot: OrderSlot,
        cause: FillCause,
        publisher: &mut Publisher<'_>,
    ) {
        let order = self.oms.order(slot);
        let &Order { instrument, side, order_type, time_in_force, .. } = order;
        let mut leaves = self.oms.live_qty(slot);
        if leaves == Lots::ZERO {
            // All of it is held back.
            return;
        }
        if self.books.orders_count(instrument) > 0 {
            self.paper.told(instrument, Depth::Orders);
        }
        if self.paper.depth(instrument) == Depth::Bars {
            return self.execute_in_bars(slot, publisher);
        }
        let (mut price, protection) = (order.price, order.protection_price);
        let impact = self.impact_of_others(instrument, side);
        if order_type == OrderType::MarketToLimit && price == Ticks::ZERO {
            let Some(best) = self.best_to_take(instrument, side, impact, protection) else {
                return self.end(slot, CancelReason::NoLiquidity, publisher);
            };
            // What is left of it rests at a price that orders may have.
            price = self.onto_tick(instrument, side, best);
            self.oms.priced(slot, price);
        }
        let limit = if order_type.is_market() { protection } else { price };
        if self.listing[instrument].status == TradingStatus::Trading {
            let reachable = self.find_liquidity(instrument, side, impact, limit, leaves);
            if time_in_force == TimeInForce::Fok && reachable < leaves {
                return self.end(slot, CancelReason::Fok, publisher);
            }
            while !self.walk.is_empty() {
                self.take(slot, impact, cause, publisher);
                leaves = self.oms.live_qty(slot);
                if leaves.0 == 0 {
                    return;
                }
                self.find_liquidity(instrument, side, impact, limit, leaves);
            }
        }
        self.rest_or_end(slot, self.paper.market.time, publisher);
    }

    /// What is left of an order that took what it could rests from `since` on, or ends.
    pub(super) fn rest_or_end(
        &mut self,
        slot: OrderSlot,
        since: UnixNanos,
        publisher: &mut Publisher<'_>,
    ) {
        let order = self.oms.order(slot);
        if self.oms.live_qty(slot) == Lots::ZERO {
            return;
        }
        match (order.order_type, order.time_in_force) {
            (order_type, _) if order_type.is_market() => {
                self.end(slot, CancelReason::NoLiquidity, publisher);
            }
            (OrderType::MarketToLimit, _) if order.price == Ticks::ZERO => {
                self.end(slot, CancelReason::NoLiquidity, publisher);
            }
            (_, TimeInForce::Fok) => self.end(slot, CancelReason::Fok, publisher),
            (_, TimeInForce::Ioc) => self.end(slot, CancelReason::Ioc, publisher),
            _ => self.lay_to_rest(slot, since),
        }
    }

    /// An order takes its place behind everything displayed at its price.
    pub(super) fn lay_to_rest(&mut self, slot: OrderSlot, since: UnixNanos) {
        let order = self.oms.order(slot);
        let &Order { instrument, side, price, .. } = order;
        let leaves = self.oms.live_qty(slot);
        let level = self.books.level(instrument, side, price);
        let ahead = level.map_or(Lots::ZERO, |level| level.qty);
        let priority = self.books.next_priority(instrument);
        self.oms.rested(slot, ahead);
        let level = LevelPlace::default();
        let spared = Lots::ZERO;
        let resting = Resting { order: slot, price, priority, ahead, leaves, since, spared, level };
        self.paper.rest(instrument, side, resting);
    }

    /// Trading goes on: orders of ours that the book crosses take from it, best price first, then first come.
    pub(super) fn take_what_rests_across(
        &mut self,
        instrument: InstrumentId,
        publisher: &mut Publisher<'_>,
    ) {
        for side in [Side::Buy, Side::Sell] {
            let Some(best) = self.books.best(instrument, side.opposite()) else { continue };
            // A list of its own, since those that are not filled rest again.
            let mut crossed = std::mem::take(&mut self.crossed);
            let resting = self.paper.resting(instrument, side).iter();
            let resting = resting.take_while(|order| is_acceptable(side, order.price, best.price));
            let now = self.paper.market.time;
            crossed.extend(resting.filter(|order| order.since <= now).map(|order| order.order));
            for &slot in &crossed {
                if self.oms.order(slot).post_only.is_some() {
                    // It never takes; whoever comes across meets it where it is.
                    continue;
                }
                self.paper.remove(instrument, side, slot);
                self.execute(slot, self.paper.market.cause, publisher);
            }
            crossed.clear();
            self.crossed = crossed;
        }
    }

    /// Books the fills that a market event brought to resting orders.
    pub(super) fn settle_resting(&mut self, publisher: &mut Publisher<'_>) {
        for at in 0..self.paper.met.len() {
            let (met, qty): (Slot, Lots) = self.paper.met[at];
            self.note_taken(met, qty);
        }
        self.paper.met.clear();
        let before = self.enter_venue(publisher);
        for at in 0..self.paper.fills.len() {
            let fill = self.paper.fills[at];
            self.fill(fill, publisher);
        }
        self.paper.fills.clear();
        publisher.reports_leave_at(before);
    }

    /// One execution: order, position, cash, exposure, and the three reports of it.
    pub(super) fn fill(&mut self, paper: PaperFill, publisher: &mut Publisher<'_>) {
        let PaperFill { order: slot, price, qty, liquidity, .. } = paper;
        let order = self.oms.order(slot);
        if !order.is_open() {
            // An execution before this one could not be booked.
            return;
        }
        let terms = &self.listing[order.instrument].instrument;
        let execute = Execute { slot, qty, price, liquidity, terms };
        let booked = execute.book(&mut self.oms, &mut self.risk, publisher, |execution| {
            execution.cause_seq = paper.cause.seq;
            execution.cause_kind = paper.cause.kind;
            execution.fill_detail = paper.detail();
            execution.fill_model = paper.model.wire();
        });
        match booked {
            Ok(()) => self.counters.fills += 1,
            // Only a feed with absurd prices leads here: what cannot be counted is not traded.
            Err(_) => self.end(slot, CancelReason::CannotBook, publisher),
        }
    }

    /// Ends an open order.
    pub(super) fn end(
        &mut self,
        slot: OrderSlot,
        reason: CancelReason,
        publisher: &mut Publisher<'_>,
    ) {
        let who = self.oms.order(slot).who;
        self.end_for(slot, reason, who, publisher);
    }

    pub(super) fn end_for(
        &mut self,
        slot: OrderSlot,
        reason: CancelReason,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let before = self.oms.exposure(slot);
        self.end_counted(slot, &before, reason, who, publisher);
    }

    /// Ends an open order that was last counted as tying up `before`.
    pub(super) fn end_counted(
        &mut self,
        slot: OrderSlot,
        before: &OrderExposure,
        reason: CancelReason,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let leaves = self.oms.shown_leaves(slot);
        if self.oms.canceled(slot).is_err() {
            return;
        }
        self.take_off(slot);
        self.oms.recount(&mut self.risk, slot, before);
        self.report(slot, ExecType::Canceled, who, publisher, |execution| {
            execution.last_qty = leaves;
            execution.cancel_reason = reason.wire();
        });
    }

    /// A cancel is asked for. It is never refused for want of rate or by a kill switch.
    pub(super) fn cancel_order(
        &mut self,
        cancel: CancelOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        if self.cancel_waiting(&cancel, who, publisher) {
            return;
        }
        self.risk.count_cancel(self.now, cancel.account, who.principal);
        let may = self.risk.check_account(who.principal, cancel.account);
        let found = may
            .and_then(|()| self.oms.find(cancel.account, cancel.order_id, &cancel.client_order_id));
        let asked = found.and_then(|slot| self.oms.cancel_requested(slot).map(|_| slot));
        match asked {
            Ok(slot) => self.send(slot, Request::Cancel(CancelReason::User), who, publisher),
            Err(reject) => {
                let named = (cancel.account, cancel.order_id, cancel.client_order_id);
                self.refuse_change(found.ok(), named, reject, who, publisher);
            }
        }
    }

    fn arrive_cancel(
        &mut self,
        slot: OrderSlot,
        reason: CancelReason,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        if self.oms.algorithm_of(slot).is_some() {
            return self.cancel_parent(slot, reason, who, publisher);
        }
        let order = self.oms.order(slot);
        if order.leaves_qty() == Lots::ZERO {
            return self.cancel_too_late(slot, who, publisher);
        }
        self.end_for(slot, reason, who, publisher);
    }

    /// The order was filled while its cancel was under way.
    pub(super) fn cancel_too_late(
        &mut self,
        slot: OrderSlot,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        let order_id = self.oms.order(slot).order_id;
        let reject = Reject::of(RejectReason::TooLateToCancel, order_id.0.into());
        let before = self.oms.exposure(slot);
        if self.oms.cancel_rejected(slot).is_ok() {
            self.oms.recount(&mut self.risk, slot, &before);
        }
        self.report_refusal(slot, reject, who, publisher);
    }

    /// New terms are asked for: through the gate like a new order, with what the order ties up taken out.
    pub(super) fn replace_order(
        &mut self,
        replace: ReplaceOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        if self.replace_waiting(&replace, who, publisher) {
            return;
        }
        let may = self.risk.check_account(who.principal, replace.account);
        let found = may.and_then(|()| {
            self.oms.find(replace.account, replace.order_id, &replace.client_order_id)
        });
        let asked = found.and_then(|slot| self.admit_replace(slot, replace, who));
        match asked {
            Ok(slot) => self.send(slot, Request::Replace, who, publisher),
            Err(reject) => {
                let named = (replace.account, replace.order_id, replace.client_order_id);
                self.refuse_change(found.ok(), named, reject, who, publisher);
            }
        }
    }

    fn admit_replace(
        &mut self,
        slot: OrderSlot,
        replace: ReplaceOrder,
        who: Requester,
    ) -> Result<OrderSlot, Reject> {
        self.oms.check_replaceable(slot)?;
        self.check_route_change(slot)?;
        let order = self.oms.order(slot);
        let replace = self.with_followed_qty(slot, replace)?;
        self.oms.check_family(slot, replace.qty)?;
        if order.place == Place::Venue && replace.stop_price != Ticks::ZERO {
            return Err(Reject::of(RejectReason::BadField, replace.stop_price.0.into()));
        }
        let listed = &self.listing[order.instrument];
        if !listed.instrument.is_internal() {
            self.paper.check_room()?;
            check_trading(listed)?;
        }
        let (margin, ticks) =
            (self.margin_funds(order.account), self.listing.tick_table(order.instrument));
        let (account, instrument) = (order.account, order.instrument);
        let funds = self.oms.funds(account, &listed.instrument, margin.as_ref())?;
        let oms = &self.oms;
        let own = |side, is_in: &dyn Fn(Parties) -> bool| best_of_own(oms, instrument, side, is_in);
        let context = self.order_context(who.principal, (listed, ticks), funds);
        let counting = self.counting_of(slot);
        let context = OrderContext { counting, own: OwnOrders(&own), ..context };
        let before = self.oms.exposure(slot);
        let cum_qty = order.cum_qty;
        let as_new = match order.place {
            Place::Venue => None,
            Place::Waiting | Place::Held | Place::Parent => Some(self.as_replaced(slot, &replace)),
            Place::House => self.as_replaced_in_house(slot, &replace),
        };
        let approved = match as_new {
            Some(order) => {
                self.risk.check_replace_waiting(replace, &order, &before, cum_qty, &context)?
            }
            None => self.risk.check_replace(replace, &before, cum_qty, &context)?,
        };
        self.oms.replace_requested(slot, &approved, who)?;
        let fits = self.risk.check_change(&before, &self.oms.exposure(slot));
        if let (Counting::Later, Err(reject)) = (counting, fits) {
            self.oms.replace_rejected(slot).expect("it was asked for just now");
            return Err(reject);
        }
        self.oms.recount(&mut self.risk, slot, &before);
        Ok(slot)
    }

    fn arrive_replace(&mut self, slot: OrderSlot, who: Requester, publisher: &mut Publisher<'_>) {
        let old = *self.oms.order(slot);
        if old.place != Place::Venue {
            return self.replace_here(slot, who, publisher);
        }
        let before = self.oms.exposure(slot);
        let asked = old.replace.map_or(old.price, |terms| terms.price);
        let passive = self.passive_price(slot, asked);
        let replaced = match old.leaves_qty() {
            Lots::ZERO => Err(Reject::of(RejectReason::TooLateToCancel, old.order_id.0.into())),
            _ => passive.and_then(|_| self.oms.replaced(slot)),
        };
        if let Err(reject) = replaced {
            if self.oms.replace_rejected(slot).is_ok() {
                self.oms.recount(&mut self.risk, slot, &before);
            }
            return self.report_refusal(slot, reject, who, publisher);
        }
        if let Ok(passive) = passive
            && passive != asked
        {
            self.oms.priced(slot, passive);
        }
        self.oms.recount(&mut self.risk, slot, &before);
        self.report(slot, ExecType::Replaced, who, publisher, |_| {});
        let new = self.oms.order(slot);
        let leaves = self.oms.live_qty(slot);
        let keeps_place = new.price == old.price && new.qty <= old.qty && leaves > Lots::ZERO;
        if keeps_place && self.paper.reduce(old.instrument, old.side, slot, leaves) {
            return;
        }
        self.paper.remove(old.instrument, old.side, slot);
        if leaves > Lots::ZERO {
            self.execute(slot, FillCause::default(), publisher);
        }
    }

    pub(super) fn report(
        &mut self,
        slot: OrderSlot,
        exec_type: ExecType,
        who: Requester,
        publisher: &mut Publisher<'_>,
        fill_in: impl FnOnce(&mut Execution),
    ) {
        report(&mut self.oms, slot, exec_type, who, publisher, fill_in);
    }

    pub(super) fn report_refusal(
        &mut self,
        slot: OrderSlot,
        reject: Reject,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        report_refusal(&mut self.oms, slot, reject, who, publisher);
    }

    /// Refuses a cancel or replace, of an order that may not even be known.
    fn refuse_change(
        &mut self,
        slot: Option<OrderSlot>,
        (account, order_id, client_order_id): (AccountId, OrderId, tidegate_model::ClientOrderId),
        reject: Reject,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        if let Some(slot) = slot {
            return self.report_refusal(slot, reject, who, publisher);
        }
        let nothing: Execution = bytemuck::Zeroable::zeroed();
        let execution = refused(Execution { order_id, client_order_id, ..nothing }, reject);
        publisher.event(who, account, InstrumentId::NONE, &Event::CancelReject(execution));
    }
}

/// Whose an order is.
pub(super) fn parties_of(order: &Order) -> Parties {
    Parties {
        account: order.account,
        instrument: order.instrument,
        strategy: order.strategy,
        principal: order.who.principal,
    }
}

/// The best limit of open orders of ours that rest on one side of an instrument. Linear in what is open; asked only where an
/// order may meet one of them.
pub(super) fn best_of_own(
    oms: &Oms,
    instrument: InstrumentId,
    side: Side,
    is_in: &dyn Fn(Parties) -> bool,
) -> Option<Ticks> {
    let rests = |order: &Order| {
        order.instrument == instrument
            && order.side == side
            && order.price != Ticks::ZERO
            && matches!(order.place, Place::Venue | Place::House)
            && is_in(parties_of(order))
    };
    let open = oms.open_orders(AccountId::NONE).filter(|(_, order)| rests(order));
    let limits = open.map(|(_, order)| order.price);
    match side {
        Side::Buy => limits.max(),
        Side::Sell => limits.min(),
    }
}

pub(super) fn check_trading(listed: &Listed) -> Result<(), Reject> {
    if listed.status == TradingStatus::Trading {
        return Ok(());
    }
    Err(Reject::of(RejectReason::NotTrading, listed.status.wire().into()))
}

/// Tells that a new order was refused at the gate: it has no number, and nothing of it is kept.
pub(super) fn refuse_new(
    order: &NewOrder,
    reject: Reject,
    who: Requester,
    publisher: &mut Publisher<'_>,
) {
    let nothing: Execution = bytemuck::Zeroable::zeroed();
    let execution = Execution {
        client_order_id: order.client_order_id,
        qty: order.qty,
        price: order.price,
        exec_type: ExecType::Rejected.wire(),
        ord_status: OrdStatus::Rejected.wire(),
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        ..nothing
    };
    let event = Event::Execution(refused(execution, reject));
    publisher.event_of(who, (order.account, order.instrument, order.strategy), &event);
}
