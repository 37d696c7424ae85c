//! Parent orders: entered like lists, and worked by child orders that pass the gate like any other.
//!
//! What a parent must do is derived in `oms` ([`tidegate_oms::algorithms`]); here it is done.

use super::Core;
use super::lists::Assembling;
use super::orders::refuse_new;
use super::output::Publisher;
use tidegate_model::command::{NewAlgorithm, NewOrder, OrderType, SetVolumeCurve, TimeInForce};
use tidegate_model::event::{CancelReason, ExecType};
use tidegate_model::market::TradingStatus;
use tidegate_model::{Lots, Reject, RejectReason};
use tidegate_oms::algorithms::ALGORITHM_STEPS_MAX;
use tidegate_oms::{
    AlgorithmEnd, AlgorithmSlot, AlgorithmStep, Named, Order, OrderSlot, Requester,
};
use tidegate_risk::{Counting, RiskApproved};

impl Core {
    /// A parent order has come: it passes the gate, and is accepted, or is refused.
    pub(super) fn enter_algorithm(
        &mut self,
        new: NewAlgorithm,
        order: NewOrder,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        match self.admit_parent(&new, order, who) {
            Ok(Named::Same(slot)) => {
                self.report(slot, ExecType::OrderStatus, who, publisher, |_| {});
            }
            Ok(_) => {
                let account = order.account;
                let found = self.oms.find(account, Default::default(), &order.client_order_id);
                let slot = found.expect("it was admitted just now");
                self.oms.open_algorithm(slot, new, self.now);
                self.begin(slot, who, publisher);
            }
            Err(reject) => refuse_new(&order, reject, who, publisher),
        }
    }

    fn admit_parent(
        &mut self,
        new: &NewAlgorithm,
        order: NewOrder,
        who: Requester,
    ) -> Result<Named, Reject> {
        let name = self.oms.name_hash(order.account, &order.client_order_id);
        if let Named::Same(slot) = self.oms.check_client_order_id(&order, name)? {
            return Ok(Named::Same(slot));
        }
        let unknown = Reject::of(RejectReason::UnknownInstrument, order.instrument.0.into());
        let listed = self.listing.get(order.instrument).ok_or(unknown)?;
        self.oms.check_algorithm(new, self.now)?;
        check_parent(&order, new, listed.instrument.order_lot)?;
        let (account, instrument) = (order.account, order.instrument);
        let (margin, ticks) = (self.margin_funds(account), self.listing.tick_table(instrument));
        let funds = self.oms.funds(account, &listed.instrument, margin.as_ref())?;
        let mut context = self.order_context(who.principal, (listed, ticks), funds);
        context.counting = Counting::Later;
        let approved: RiskApproved<NewOrder> = self.risk.check_new(order, &context)?;
        self.oms.admit(&approved, name, who, self.now, &listed.instrument)?;
        self.risk.order_opened(approved.exposure());
        Ok(Named::Free)
    }

    /// Sets a curve of volume; its number.
    pub(super) fn set_curve(&mut self, set: SetVolumeCurve) -> Result<u64, Reject> {
        self.oms.set_curve(set)
    }

    /// A parent does what follows from the time, from its child and from what was asked of it.
    pub(super) fn settle_algorithm(
        &mut self,
        algorithm: AlgorithmSlot,
        publisher: &mut Publisher<'_>,
    ) {
        for _ in 0..ALGORITHM_STEPS_MAX {
            let parent = self.oms.parent(algorithm);
            let before = self.oms.exposure(parent);
            if self.oms.take_in(algorithm) {
                self.oms.recount(&mut self.risk, parent, &before);
                let who = self.oms.order(parent).who;
                self.report(parent, ExecType::OrderStatus, who, publisher, |_| {});
            }
            let &Order { instrument, .. } = self.oms.order(parent);
            let listed = &self.listing[instrument];
            let is_trading = listed.status == TradingStatus::Trading;
            let lot = listed.instrument.order_lot.0;
            match self.oms.algorithm_step(algorithm, self.now, is_trading, lot) {
                None | Some(AlgorithmStep::Done) => return,
                Some(AlgorithmStep::Cancel(child)) => {
                    self.yield_order(child, CancelReason::Parent, publisher);
                }
                Some(AlgorithmStep::Send(qty)) => self.send_child(algorithm, qty, publisher),
                Some(AlgorithmStep::End(end)) => self.end_parent(parent, end, publisher),
            }
        }
    }

    /// A parent whose child is gone ends.
    fn end_parent(&mut self, slot: OrderSlot, end: AlgorithmEnd, publisher: &mut Publisher<'_>) {
        let &Order { who: owner, .. } = self.oms.order(slot);
        let is_filled = self.oms.order(slot).leaves_qty() == Lots::ZERO;
        match end {
            AlgorithmEnd::Canceled(_, who) if is_filled => {
                self.cancel_too_late(slot, who, publisher);
            }
            AlgorithmEnd::Expired if is_filled => self.cancel_too_late(slot, owner, publisher),
            AlgorithmEnd::Expired => _ = self.expire(slot, publisher),
            AlgorithmEnd::Canceled(reason, who) => {
                let who = if who == Requester::default() { owner } else { who };
                self.end_for(slot, reason, who, publisher);
            }
        }
    }

    /// A child goes out: through the gate, like any order.
    fn send_child(&mut self, algorithm: AlgorithmSlot, qty: Lots, publisher: &mut Publisher<'_>) {
        let parent = self.oms.parent(algorithm);
        let &Order { price, who, .. } = self.oms.order(parent);
        // Nobody asked for this one.
        let who = Requester { request_id: 0, ..who };
        let child = NewOrder {
            client_order_id: self.oms.child_name(algorithm),
            qty,
            price,
            // A child does not outlive the day; its parent may.
            time_in_force: TimeInForce::Day.wire(),
            list_id: 0,
            leg: 0,
            ..self.oms.entered(parent)
        };
        match self.admit_new(child, who) {
            Ok(slot) => {
                self.oms.adopt(algorithm, slot);
                self.begin(slot, who, publisher);
            }
            Err(reject) => {
                refuse_new(&child, reject, who, publisher);
                self.oms.child_refused(algorithm, self.now);
            }
        }
    }

    /// The cancel of a parent arrives: first its child goes.
    pub(super) fn cancel_parent(
        &mut self,
        slot: OrderSlot,
        reason: CancelReason,
        who: Requester,
        publisher: &mut Publisher<'_>,
    ) {
        self.report(slot, ExecType::PendingCancel, who, publisher, |_| {});
        self.oms.end_algorithm(slot, AlgorithmEnd::Canceled(reason, who));
    }
}

/// Whether an order can be a parent: its children are limit orders at its price, or market orders, and live for a day.
fn check_parent(order: &NewOrder, new: &NewAlgorithm, lot: Lots) -> Result<(), Reject> {
    let bad = |value: u64| Err(Reject::of(RejectReason::BadField, value.into()));
    if ![OrderType::Market.wire(), OrderType::Limit.wire()].contains(&order.order_type) {
        return bad(order.order_type.into());
    }
    if ![TimeInForce::Day.wire(), TimeInForce::Gtc.wire()].contains(&order.time_in_force) {
        return bad(order.time_in_force.into());
    }
    if order.min_qty != Lots::ZERO {
        return bad(order.min_qty.0);
    }
    // What is displayed of a child may not be more than it has.
    if order.display_qty != Lots::ZERO {
        return bad(order.display_qty.0);
    }
    if !new.slice_qty.0.is_multiple_of(lot.0) {
        let (limit, value) = (lot.0.into(), new.slice_qty.0.into());
        return Err(Reject::new(RejectReason::Lot, limit, value));
    }
    Ok(())
}

impl Assembling {
    /// What is begun if the order that follows is a parent.
    pub(super) fn of_algorithm(new: NewAlgorithm, who: Requester) -> Self {
        let head = tidegate_model::command::NewList {
            account: new.account,
            list_id: new.list_id,
            contingency: 0,
            leg_count: 1,
            reserved: [0; 6],
        };
        Self::begun(head, Some(new), who)
    }
}
