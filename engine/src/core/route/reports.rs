//! What comes back: reports of orders, the state of the link, positions. Whatever a venue says, it is answered with a state
//! that the table allows, or shown as a difference.

use super::table::{Happening, Next, Standing, next};
use super::{Resize, Routed};
use crate::core::Core;
use crate::core::orders::NOBODY;
use crate::core::output::Publisher;
use crate::core::reports::Execute;
use tidegate_model::command::{
    ConfirmPosition, FLAG_FOREIGN_CANCELED, ROUTES_MAX, RouteLink, RoutePosition, RouteReport,
    RouteReportKind, RouteStatus,
};
use tidegate_model::event::{
    CancelReason, Event, ExecType, Liquidity, OrdStatus, RouteDifference, RouteDifferenceKind,
    RouteState,
};
use tidegate_model::{
    AccountId, InstrumentId, Lots, OrderId, Reject, RejectReason, RoutedKind, Side, Ticks,
};
use tidegate_oms::{Order, OrderSlot};

type Done = Result<u64, Reject>;

fn bad_route(value: u8) -> Reject {
    Reject::of(RejectReason::BadRoute, value.into())
}

impl Core {
    /// What a venue said of an order. Only what cannot be is answered.
    pub(in crate::core) fn route_report(
        &mut self,
        report: RouteReport,
        publisher: &mut Publisher<'_>,
    ) -> Done {
        let kind = RouteReportKind::from_wire(report.kind).ok_or(bad_route(report.kind))?;
        check_number(report.route)?;
        if report.cursor != [0; 2] {
            self.routes.route_mut(report.route).cursor = report.cursor;
        }
        if kind == RouteReportKind::Foreign {
            let settled = report.flags & FLAG_FOREIGN_CANCELED != 0;
            self.differ(&report, RouteDifferenceKind::ForeignOrder, 0, settled, publisher);
            return Ok(0);
        }
        let Some(slot) = self.routed_slot(&report) else {
            match kind {
                RouteReportKind::Executed => {
                    self.differ(&report, RouteDifferenceKind::Execution, 0, false, publisher);
                }
                RouteReportKind::Found => {
                    self.differ(&report, RouteDifferenceKind::ForeignOrder, 0, false, publisher);
                }
                _ => {}
            }
            return Err(Reject::of(RejectReason::UnknownOrder, report.order_id.0.into()));
        };
        self.check_possible(slot, kind, &report, publisher)?;
        match kind {
            RouteReportKind::Accepted => self.route_accepted(slot, &report, publisher),
            RouteReportKind::Rejected => self.route_rejected(slot, &report, publisher),
            RouteReportKind::Executed => self.route_executed(slot, &report, publisher),
            RouteReportKind::Canceled => {
                let asked = self.routes.order(slot).reason;
                let theirs = CancelReason::from_wire(report.code);
                let theirs = theirs.filter(|reason| *reason != CancelReason::User);
                let reason = asked.or(theirs).unwrap_or(CancelReason::AtVenue);
                self.end(slot, reason, publisher);
                self.step(slot, Happening::End);
            }
            RouteReportKind::Expired => {
                self.expire(slot, publisher);
                self.step(slot, Happening::End);
            }
            RouteReportKind::Replaced => self.route_replaced(slot, &report, publisher),
            RouteReportKind::CancelRejected | RouteReportKind::ReplaceRejected => {
                self.route_refused(slot, kind, &report, publisher);
            }
            RouteReportKind::UnknownOutcome => _ = self.step(slot, Happening::Lose),
            RouteReportKind::Found => self.route_found(slot, &report, publisher),
            RouteReportKind::Missing => self.route_missing(slot, &report, publisher),
            RouteReportKind::Foreign => unreachable!("it names no order"),
        }
        if kind != RouteReportKind::ReplaceRejected {
            self.resize_again(slot);
        }
        Ok(0)
    }

    /// Nothing is under way about a leg any more: a change of its quantity that had to wait for that is asked for again.
    fn resize_again(&mut self, slot: OrderSlot) {
        let Routed { standing, resize, .. } = self.routes.order(slot);
        if standing == Standing::Working && resize.is_none() && self.oms.resizes(slot) {
            self.oms.resize_answered(slot);
            self.oms.note_change(slot);
        }
    }

    /// The change of a leg's quantity that left is in force, or never will be: the venue has `there`.
    fn resize_answered(&mut self, slot: OrderSlot, there: Lots, publisher: &mut Publisher<'_>) {
        let routed = self.routes.order(slot);
        let Some(resize) = routed.resize else { return };
        self.routes.set_order(slot, Routed { resize: None, ..routed });
        self.count_there(slot, there);
        self.oms.resize_answered(slot);
        if there == resize.to {
            let who = self.oms.order(slot).who;
            self.report(slot, ExecType::Restated, who, publisher, |_| {});
        }
    }

    /// The order of a report, if it left on the report's route and is kept.
    fn routed_slot(&self, report: &RouteReport) -> Option<OrderSlot> {
        let slot = self.oms.by_id(report.order_id)?;
        let terms = &self.listing[self.oms.order(slot).instrument].instrument;
        let left = self.routes.order(slot).order_id == report.order_id;
        (left && terms.is_routed() && terms.route == report.route).then_some(slot)
    }

    /// Lets a report pass that can be of this order now, and keeps the venue's number of it.
    fn check_possible(
        &mut self,
        slot: OrderSlot,
        kind: RouteReportKind,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) -> Result<(), Reject> {
        let routed = self.routes.order(slot);
        let is_answer = matches!(kind, RouteReportKind::Found | RouteReportKind::Missing);
        let is_asked = self.routes.route(report.route).link == RouteLink::Reconciling;
        let is_possible = next(routed.standing, meaning(kind)) != Next::Not
            && routed.standing != Standing::Kept
            && (is_asked || !is_answer);
        // A venue may give an order another number with other terms.
        let may_differ = matches!(kind, RouteReportKind::Replaced | RouteReportKind::Found);
        let known = routed.venue_order_id;
        let told = report.venue_order_id;
        let is_same = told == 0 || known == 0 || told == known || may_differ;
        if is_possible && is_same {
            if told != 0 && told != known {
                self.routes.set_order(slot, Routed { venue_order_id: told, ..routed });
            }
            return Ok(());
        }
        let &Order { instrument, cum_qty, .. } = self.oms.order(slot);
        if kind == RouteReportKind::Executed || !is_same {
            self.routes.held_mut(instrument).is_blocked = true;
            let difference = match is_same {
                true => RouteDifferenceKind::Execution,
                false => RouteDifferenceKind::SecondOrder,
            };
            self.differ(report, difference, cum_qty.0 as i64, false, publisher);
        }
        Err(bad_route(report.kind))
    }

    /// Takes a step of the table; what it says.
    pub(super) fn step(&mut self, slot: OrderSlot, happening: Happening) -> Next {
        let routed = self.routes.order(slot);
        let next = next(routed.standing, happening);
        if let Next::To(standing) = next
            && standing != routed.standing
        {
            self.routes.set_order(slot, Routed { standing, ..routed });
            if standing == Standing::Ended {
                let route = self.listing[self.oms.order(slot).instrument].instrument.route;
                let open = &mut self.routes.route_mut(route).open;
                *open = open.checked_sub(1).expect("an order ends once, after it left");
            }
        }
        next
    }

    fn route_accepted(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        if self.step(slot, Happening::Acknowledge) == Next::Late {
            return self.cancel_late(slot, report, publisher);
        }
        self.acknowledge(slot, publisher);
    }

    fn acknowledge(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let &Order { acknowledged, who, .. } = self.oms.order(slot);
        if !acknowledged && self.oms.accepted(slot).is_ok() {
            self.report(slot, ExecType::New, who, publisher, |_| {});
        }
    }

    /// The venue has open what has ended here: it is canceled there, and what it executes meanwhile is booked.
    fn cancel_late(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        let executed = self.oms.order(slot).cum_qty;
        self.differ(report, RouteDifferenceKind::LateOrder, executed.0 as i64, true, publisher);
        self.count_attempt(slot);
        self.request(slot, RoutedKind::Cancel, publisher);
    }

    fn route_rejected(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        let &Order { status, cum_qty, who, .. } = self.oms.order(slot);
        if status.is_final() || cum_qty > Lots::ZERO {
            return;
        }
        let (route, code) = (report.route.into(), report.code.into());
        let reject = Reject::new(RejectReason::RouteRefused, route, code);
        self.reject_at_venue(slot, reject, who, publisher);
        self.step(slot, Happening::End);
    }

    /// An execution at the venue: booked once, whatever became of the order here.
    fn route_executed(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        let order = *self.oms.order(slot);
        let Order { instrument, side, .. } = order;
        if report.cum_qty <= order.cum_qty {
            return;
        }
        let liquidity = Liquidity::from_wire(report.liquidity).unwrap_or(Liquidity::Taker);
        let follows = order.cum_qty.checked_add(report.qty) == Some(report.cum_qty);
        let lots = i64::try_from(report.qty.0).ok();
        let here = lots.and_then(|lots| {
            let before = self.routes.held(instrument).here;
            match side {
                Side::Buy => before.checked_add(lots),
                Side::Sell => before.checked_sub(lots),
            }
        });
        let whole = self.oms.qty_there(slot);
        let is_sound = follows && report.qty > Lots::ZERO && report.cum_qty <= whole;
        let terms = &self.listing[instrument].instrument;
        let execute = Execute { slot, qty: report.qty, price: report.price, liquidity, terms };
        let booked = here.filter(|_| is_sound).and_then(|here| {
            let (oms, risk) = (&mut self.oms, &mut self.risk);
            execute.book(oms, risk, publisher, |_| {}).is_ok().then_some(here)
        });
        let Some(here) = booked else {
            let held = self.routes.held_mut(instrument);
            held.is_blocked = true;
            // What the venue has then, if it is to be believed.
            let lots = lots.unwrap_or(i64::MAX);
            held.there = match side {
                Side::Buy => held.expected().saturating_add(lots),
                Side::Sell => held.expected().saturating_sub(lots),
            };
            let executed = order.cum_qty.0 as i64;
            return self.differ(report, RouteDifferenceKind::Execution, executed, false, publisher);
        };
        self.routes.held_mut(instrument).here = here;
        self.counters.fills += 1;
        self.step(slot, Happening::Execute);
        self.end_if_done_there(slot, publisher);
        self.end_if_filled(slot, publisher);
    }

    /// The venue has executed all that it had of a leg, and has closed it: what is held back, or was asked for beside, never
    /// goes there.
    fn end_if_done_there(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let order = *self.oms.order(slot);
        let routed = self.routes.order(slot);
        let there = routed.resize.map_or(self.oms.qty_there(slot), |resize| resize.from);
        let is_done = order.is_open() && order.cum_qty >= there;
        if !is_done || order.leaves_qty() == Lots::ZERO {
            return;
        }
        let before = self.oms.exposure(slot);
        if self.oms.done_there(slot).is_some() {
            self.routes.set_order(slot, Routed { resize: None, ..routed });
            self.oms.recount(&mut self.risk, slot, &before);
            self.report(slot, ExecType::Restated, order.who, publisher, |_| {});
        }
    }

    /// Nothing is left of the order: a cancel or a replace that is under way can only be refused.
    fn end_if_filled(&mut self, slot: OrderSlot, publisher: &mut Publisher<'_>) {
        let order = *self.oms.order(slot);
        if order.leaves_qty() > Lots::ZERO {
            return;
        }
        let reject = Reject::of(RejectReason::TooLateToCancel, order.order_id.0.into());
        if order.status == OrdStatus::PendingCancel {
            self.refuse_pending(slot, RouteReportKind::CancelRejected, reject, publisher);
        }
        if order.replace.is_some() {
            self.refuse_pending(slot, RouteReportKind::ReplaceRejected, reject, publisher);
        }
        if !self.oms.order(slot).is_open() {
            self.step(slot, Happening::End);
        }
    }

    fn refuse_pending(
        &mut self,
        slot: OrderSlot,
        kind: RouteReportKind,
        reject: Reject,
        publisher: &mut Publisher<'_>,
    ) {
        let order = *self.oms.order(slot);
        let before = self.oms.exposure(slot);
        let (who, refused) = match kind {
            RouteReportKind::CancelRejected => (order.who, self.oms.cancel_rejected(slot)),
            _ => {
                let who = order.replace.map_or(order.who, |asked| asked.who);
                (who, self.oms.replace_rejected(slot))
            }
        };
        if refused.is_ok() {
            self.oms.recount(&mut self.risk, slot, &before);
            self.report_refusal(slot, reject, who, publisher);
        }
    }

    fn route_refused(
        &mut self,
        slot: OrderSlot,
        kind: RouteReportKind,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        let routed = self.routes.order(slot);
        if routed.standing == Standing::Unsure {
            // Reconciliation settles it.
            return;
        }
        // A replace that a cancel has overtaken is refused by its own number; the cancel stays under way.
        if routed.attempt == report.attempt {
            self.step(slot, Happening::Refuse);
        }
        if kind == RouteReportKind::CancelRejected {
            let routed = self.routes.order(slot);
            self.routes.set_order(slot, Routed { reason: None, ..routed });
        }
        let (route, code) = (report.route.into(), report.code.into());
        let reject = Reject::new(RejectReason::RouteRefused, route, code);
        self.refuse_pending(slot, kind, reject, publisher);
        if let (RouteReportKind::ReplaceRejected, Some(resize)) = (kind, routed.resize) {
            self.resize_answered(slot, resize.from, publisher);
        }
        self.end_if_filled(slot, publisher);
    }

    fn route_replaced(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        let order = *self.oms.order(slot);
        if !order.is_open() {
            return;
        }
        let before = self.oms.exposure(slot);
        let held = self.oms.bond(slot).held;
        let is_asked = order.replace.is_some_and(|asked| {
            asked.qty.0.checked_sub(held.0) == Some(report.qty.0) && asked.price == report.price
        });
        let resize = self.routes.order(slot).resize;
        if resize.is_some_and(|resize| resize.to == report.qty) {
            self.resize_answered(slot, report.qty, publisher);
        }
        if is_asked && self.oms.replaced(slot).is_ok() {
            self.oms.recount(&mut self.risk, slot, &before);
            let who = order.replace.map_or(order.who, |asked| asked.who);
            self.report(slot, ExecType::Replaced, who, publisher, |_| {});
        } else if (self.oms.qty_there(slot), order.price) != (report.qty, report.price) {
            self.take_over(slot, report, publisher);
        }
        self.step(slot, Happening::Change);
        self.end_if_filled(slot, publisher);
    }

    /// The venue has given the order other terms, unasked.
    fn take_over(&mut self, slot: OrderSlot, report: &RouteReport, publisher: &mut Publisher<'_>) {
        let order = *self.oms.order(slot);
        let before = self.oms.exposure(slot);
        let resize = self.routes.order(slot).resize;
        let had = resize.map_or(self.oms.qty_there(slot), |resize| resize.from);
        // What was asked for before may still come into force.
        let there = resize.map_or(report.qty, |resize| report.qty.max(resize.to));
        if self.oms.resized_there(slot, there).is_none() {
            return;
        }
        if let Some(resize) = resize {
            let routed = self.routes.order(slot);
            let resize = Some(Resize { from: report.qty, ..resize });
            self.routes.set_order(slot, Routed { resize, ..routed });
        }
        if order.price != Ticks::ZERO && report.price > Ticks::ZERO {
            self.oms.priced(slot, report.price);
        }
        self.oms.recount(&mut self.risk, slot, &before);
        self.report(slot, ExecType::Restated, order.who, publisher, |_| {});
        let kind = RouteDifferenceKind::Terms;
        self.differ(report, kind, had.0 as i64, true, publisher);
    }

    /// Reconciliation: the venue has the order, with these terms. A replace that is not in force never will be; a cancel
    /// that is still wanted leaves again when the link is up.
    fn route_found(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        if self.step(slot, Happening::Find) == Next::Late {
            return self.cancel_late(slot, report, publisher);
        }
        self.acknowledge(slot, publisher);
        let order = *self.oms.order(slot);
        if order.cum_qty != report.cum_qty {
            // Every execution was told before.
            self.routes.held_mut(order.instrument).is_blocked = true;
            let executed = order.cum_qty.0 as i64;
            self.differ(report, RouteDifferenceKind::Execution, executed, false, publisher);
        }
        if let Some(resize) = self.routes.order(slot).resize {
            let is_there = resize.to == report.qty;
            let there = if is_there { resize.to } else { resize.from };
            self.resize_answered(slot, there, publisher);
        }
        let Some(asked) = order.replace else { return self.end_if_filled(slot, publisher) };
        let asked_there = Lots(asked.qty.0.saturating_sub(self.oms.bond(slot).held.0));
        if (asked_there, asked.price) == (report.qty, report.price) {
            return self.route_replaced(slot, report, publisher);
        }
        let reject = Reject::of(RejectReason::RouteDown, report.route.into());
        self.refuse_pending(slot, RouteReportKind::ReplaceRejected, reject, publisher);
        self.end_if_filled(slot, publisher);
    }

    /// Reconciliation: the venue does not know the order, so it ends here.
    fn route_missing(
        &mut self,
        slot: OrderSlot,
        report: &RouteReport,
        publisher: &mut Publisher<'_>,
    ) {
        if self.routes.order(slot).standing != Standing::Ended {
            let executed = self.oms.order(slot).cum_qty.0 as i64;
            self.differ(report, RouteDifferenceKind::LostOrder, executed, true, publisher);
            self.oms.lost(slot);
            self.end(slot, CancelReason::LostAtVenue, publisher);
            self.step(slot, Happening::End);
        }
    }

    /// The link to a venue changed; how many orders are open on it.
    pub(in crate::core) fn route_status(
        &mut self,
        status: RouteStatus,
        publisher: &mut Publisher<'_>,
    ) -> Done {
        let link = RouteLink::from_wire(status.link).ok_or(bad_route(status.link))?;
        check_number(status.route)?;
        let route = self.routes.route_mut(status.route);
        if link == RouteLink::Up && route.link != RouteLink::Reconciling {
            return Err(bad_route(status.link));
        }
        route.link = link;
        match link {
            RouteLink::Down => self.each_routed(status.route, |core, slot| {
                core.step(slot, Happening::Lose);
            }),
            RouteLink::Reconciling => {
                if route.cursor == [0; 2] {
                    route.cursor = status.cursor;
                }
                let cursor = route.cursor;
                self.hand_over(status.route, RoutedKind::Begin { cursor }, publisher);
                self.each_routed(status.route, |core, slot| {
                    core.step(slot, Happening::Lose);
                    if core.routes.order(slot).standing != Standing::Kept {
                        core.request(slot, RoutedKind::Query, publisher);
                    }
                });
                self.hand_over(status.route, RoutedKind::End, publisher);
            }
            RouteLink::Up => {
                self.each_routed(status.route, |core, slot| {
                    if core.oms.order(slot).status == OrdStatus::PendingCancel {
                        core.leave_cancel(slot, publisher);
                    }
                });
                self.each_routed(status.route, |core, slot| {
                    if core.routes.order(slot).standing == Standing::Kept {
                        core.leave_kept(slot, publisher);
                    }
                    // One whose change was refused is asked for again as well.
                    core.resize_again(slot);
                    core.oms.note_change(slot);
                });
            }
        }
        let mut unsure_orders = 0;
        self.each_routed(status.route, |core, slot| {
            unsure_orders += u32::from(core.routes.order(slot).standing == Standing::Unsure);
        });
        let open_orders = self.routes.route(status.route).open;
        let RouteStatus { route, link, .. } = status;
        let state = RouteState { open_orders, unsure_orders, route, link, reserved: [0; 6] };
        publisher.event(NOBODY, AccountId::NONE, InstrumentId::NONE, &Event::RouteState(state));
        Ok(open_orders.into())
    }

    /// Every order that is open on a route, in the order of entry.
    fn each_routed(&mut self, route: u8, mut each: impl FnMut(&mut Self, OrderSlot)) {
        let mut walk = self.oms.first_open(AccountId::NONE);
        while let Some(slot) = walk {
            walk = self.oms.next_open(AccountId::NONE, slot);
            let terms = &self.listing[self.oms.order(slot).instrument].instrument;
            if terms.route == route
                && self.is_routed(slot)
                && self.routes.order(slot).standing != Standing::Ended
            {
                each(self, slot);
            }
        }
    }

    /// What a venue holds: compared with what was booked from it. Anything else blocks the instrument.
    pub(in crate::core) fn route_position(
        &mut self,
        told: RoutePosition,
        publisher: &mut Publisher<'_>,
    ) -> Done {
        check_number(told.route)?;
        let unknown = Reject::of(RejectReason::UnknownInstrument, 0);
        let id = self.listing.by_symbol(&told.symbol).ok_or(unknown)?;
        let terms = &self.listing[id].instrument;
        if !terms.is_routed() || terms.route != told.route {
            return Err(bad_route(told.route));
        }
        let held = self.routes.held_mut(id);
        held.there = told.qty;
        if held.expected() == told.qty {
            return Ok(0);
        }
        held.is_blocked = true;
        let difference = RouteDifference {
            order_id: OrderId(0),
            venue_order_id: 0,
            here: held.expected(),
            there: told.qty,
            route: told.route,
            kind: RouteDifferenceKind::Position.wire(),
            settled: 0,
            reserved: [0; 5],
        };
        publisher.event(NOBODY, AccountId::NONE, id, &Event::RouteDifference(difference));
        Ok(1)
    }

    /// An operator has seen what differs in an instrument: it is expected from now on.
    pub(in crate::core) fn confirm_position(
        &mut self,
        confirm: ConfirmPosition,
        publisher: &mut Publisher<'_>,
    ) -> Done {
        let unknown = Reject::of(RejectReason::UnknownInstrument, confirm.instrument.0.into());
        let listed = self.listing.get(confirm.instrument).ok_or(unknown)?;
        if !listed.instrument.is_routed() {
            return Err(unknown);
        }
        let held = self.routes.held_mut(confirm.instrument);
        let before = held.expected();
        held.offset = held.there.saturating_sub(held.here);
        held.is_blocked = false;
        let (there, offset) = (held.there, held.offset.unsigned_abs());
        let difference = RouteDifference {
            here: before,
            there,
            route: listed.instrument.route,
            kind: RouteDifferenceKind::Position.wire(),
            settled: 1,
            ..bytemuck::Zeroable::zeroed()
        };
        let event = Event::RouteDifference(difference);
        publisher.event(NOBODY, AccountId::NONE, confirm.instrument, &event);
        Ok(offset)
    }

    fn differ(
        &self,
        report: &RouteReport,
        kind: RouteDifferenceKind,
        here: i64,
        settled: bool,
        publisher: &mut Publisher<'_>,
    ) {
        let there = match kind {
            RouteDifferenceKind::Terms | RouteDifferenceKind::ForeignOrder => report.qty,
            _ => report.cum_qty,
        };
        let difference = RouteDifference {
            order_id: report.order_id,
            venue_order_id: report.venue_order_id,
            here,
            there: i64::try_from(there.0).unwrap_or(i64::MAX),
            route: report.route,
            kind: kind.wire(),
            settled: settled.into(),
            reserved: [0; 5],
        };
        let about = self.oms.by_id(report.order_id).map(|slot| self.oms.order(slot));
        let (account, instrument) = about.map_or((AccountId::NONE, InstrumentId::NONE), |order| {
            (order.account, order.instrument)
        });
        publisher.event(NOBODY, account, instrument, &Event::RouteDifference(difference));
    }
}

/// What a report means to the table.
const fn meaning(kind: RouteReportKind) -> Happening {
    match kind {
        RouteReportKind::Accepted => Happening::Acknowledge,
        RouteReportKind::Executed => Happening::Execute,
        RouteReportKind::Rejected
        | RouteReportKind::Canceled
        | RouteReportKind::Expired
        | RouteReportKind::Missing => Happening::End,
        RouteReportKind::Replaced => Happening::Change,
        RouteReportKind::CancelRejected | RouteReportKind::ReplaceRejected => Happening::Refuse,
        RouteReportKind::UnknownOutcome | RouteReportKind::Foreign => Happening::Lose,
        RouteReportKind::Found => Happening::Find,
    }
}

fn check_number(route: u8) -> Result<(), Reject> {
    if usize::from(route) < ROUTES_MAX { Ok(()) } else { Err(bad_route(route)) }
}
