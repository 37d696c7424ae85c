//! Execution reports: how an order stands after an event, told to whoever it concerns.

use super::accounts::tell_account;
use super::output::Publisher;
use tidegate_model::event::{Event, ExecType, Execution, Liquidity};
use tidegate_model::{Instrument, Lots, Money, Reject, Ticks};
use tidegate_oms::position::trade_value;
use tidegate_oms::{Booking, Oms, Order, OrderSlot, Requester};
use tidegate_risk::{Filled, Left, Risk};

/// Tells how an order stands after an event; `fill_in` adds what only the event knows.
#[inline]
pub(super) fn report(
    oms: &mut Oms,
    slot: OrderSlot,
    exec_type: ExecType,
    who: Requester,
    publisher: &mut Publisher<'_>,
    fill_in: impl FnOnce(&mut Execution),
) {
    let order = oms.order(slot);
    let mut execution = oms.execution(slot);
    execution.exec_type = exec_type.wire();
    fill_in(&mut execution);
    let whose = (order.account, order.instrument, order.strategy);
    publisher.event_of(who, whose, &Event::Execution(execution));
    oms.note_change(slot);
}

/// Tells that a cancel or replace was refused, and how the order stands.
pub(super) fn report_refusal(
    oms: &mut Oms,
    slot: OrderSlot,
    reject: Reject,
    who: Requester,
    publisher: &mut Publisher<'_>,
) {
    let order = oms.order(slot);
    let execution = refused(oms.execution(slot), reject);
    let whose = (order.account, order.instrument, order.strategy);
    publisher.event_of(who, whose, &Event::CancelReject(execution));
    oms.note_change(slot);
}

/// Tells that a venue refused a new order.
pub(super) fn report_reject(
    oms: &mut Oms,
    slot: OrderSlot,
    reject: Reject,
    who: Requester,
    publisher: &mut Publisher<'_>,
) {
    report(oms, slot, ExecType::Rejected, who, publisher, |execution| {
        *execution = refused(*execution, reject);
    });
}

/// A report with the reason of a refusal.
pub(super) fn refused(execution: Execution, reject: Reject) -> Execution {
    Execution {
        reject_reason: reject.reason.wire(),
        reject_limit: reject.limit,
        reject_value: reject.value,
        reject_scope: reject.scope.map_or(0, |scope| scope.wire()),
        ..execution
    }
}

/// An execution of an order, as risk has to know of it; neither the first of its order nor of any profit or loss.
pub(super) fn filled(
    order: &Order,
    (qty, price): (Lots, Ticks),
    terms: &Instrument,
    fee: Money,
) -> Filled {
    Filled {
        account: order.account,
        instrument: order.instrument,
        strategy: order.strategy,
        principal: order.who.principal,
        side: order.side,
        qty,
        price,
        value: trade_value(price, qty, terms).expect("it is booked, or was"),
        fee,
        realised: Money::ZERO,
        is_first: false,
        position: (0, Money::ZERO),
    }
}

/// One execution of an order, as its venue tells it.
pub(super) struct Execute<'a> {
    pub slot: OrderSlot,
    pub qty: Lots,
    pub price: Ticks,
    pub liquidity: Liquidity,
    /// Of its instrument.
    pub terms: &'a Instrument,
}

impl Execute<'_> {
    /// Books it into order, position, cash and exposure, and tells all of them.
    ///
    /// # Errors
    /// As [`Oms::fill`]; nothing is changed or told then.
    #[inline]
    pub fn book(
        &self,
        oms: &mut Oms,
        risk: &mut Risk,
        publisher: &mut Publisher<'_>,
        fill_in: impl FnOnce(&mut Execution),
    ) -> Result<(), Reject> {
        let &Self { slot, qty, price, liquidity, terms } = self;
        let order = oms.order(slot);
        let &Order { account, instrument, who, .. } = order;
        let is_first = order.cum_qty == Lots::ZERO;
        let before = order.is_open().then(|| oms.exposure(slot));
        let fill = oms.fill(slot, qty, price, liquidity, terms)?;
        let Booking { position_qty, position_cost, realised, .. } = fill.booking;
        let order = oms.order(slot);
        let filled = filled(order, (qty, price), terms, fill.fee);
        let position = (position_qty, position_cost);
        // One that its venue tells after the order has ended ties up nothing any more.
        let is_open = order.is_open();
        let left = before.map(|before| Left { before, after: oms.exposure(slot), is_open });
        let filled = Filled { realised, is_first, position, ..filled };
        risk.filled(publisher.ts, &filled, left.as_ref());
        report(oms, slot, ExecType::Trade, who, publisher, |execution| {
            execution.last_price = price;
            execution.last_qty = qty;
            execution.fee = fill.fee;
            execution.liquidity = liquidity.wire();
            execution.exec_id = fill.exec_id;
            fill_in(execution);
        });
        let position = *oms.position(account, instrument);
        publisher.event(who, account, instrument, &Event::Position(position));
        tell_account(oms, fill.booking.wallet, who, publisher);
        Ok(())
    }
}
