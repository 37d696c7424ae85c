//! Between the engine's records and the desk's words, for hosts that are near the engine: in its process, or over shared memory.

use super::{Desk, Heard, Order, Report, Request};
use tidegate_model::command::{
    CancelOrder, FLAG_CANCEL_ON_DISCONNECT, MassCancel, NewOrder, OrderType, ReplaceOrder,
};
use tidegate_model::event::{Event, ExecType, Execution, OrdStatus};
use tidegate_model::{
    AccountId, Command, EventRecord, InstrumentId, OrderId, RejectReason, Side, Ticks,
};

/// Which of the desk's instruments is which of the engine's.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// The engine's number of each of the desk's instruments.
    engine: Vec<InstrumentId>,
    /// The desk's number of each of the engine's.
    desk: Vec<Option<InstrumentId>>,
}

impl Numbers {
    /// The engine's instrument `id` becomes the desk's next. False if it is there already, or no engine has that number.
    pub fn add(&mut self, id: InstrumentId) -> bool {
        let at = id.index();
        if at >= InstrumentId::COUNT_MAX {
            return false;
        }
        if self.desk.len() <= at {
            self.desk.resize(at + 1, None);
        }
        if self.desk[at].is_some() {
            return false;
        }
        self.desk[at] = Some(InstrumentId(self.engine.len() as u32));
        self.engine.push(id);
        true
    }

    /// The engine's numbers, in the desk's order.
    pub fn all(&self) -> impl Iterator<Item = InstrumentId> {
        self.engine.iter().copied()
    }

    /// The desk's number of the engine's instrument `id`, if it trades that.
    #[inline]
    pub fn of_desk(&self, id: InstrumentId) -> Option<InstrumentId> {
        *self.desk.get(id.index())?
    }

    /// What an event says, in the desk's words; `None` if it is nothing to a strategy.
    pub fn heard(&self, record: &EventRecord, desk: &Desk) -> Option<Heard> {
        match record.event()? {
            Event::Execution(execution) => self.report(record, &execution, true, desk),
            Event::CancelReject(execution) => self.report(record, &execution, false, desk),
            Event::Position(position) => {
                Some(Heard::Position(self.of_desk(record.instrument)?, position.qty))
            }
            Event::Account(account) if account.currency == account.base => {
                Some(Heard::Cash(account.cash))
            }
            _ => None,
        }
    }

    fn report(
        &self,
        record: &EventRecord,
        execution: &Execution,
        is_execution: bool,
        desk: &Desk,
    ) -> Option<Heard> {
        let key = desk.key_of(execution.client_order_id.as_str())?;
        let reject = RejectReason::from_wire(execution.reject_reason);
        let Some(instrument) = self.of_desk(record.instrument) else {
            // A refused change of an order that the engine does not know.
            let refusal = desk.refusal(&Request::Cancel(key))?;
            return Some(Heard::Report(Report { reject, ..refusal }));
        };
        let exec_type = ExecType::from_wire(execution.exec_type);
        Some(Heard::Report(Report {
            key,
            instrument,
            side: Side::from_wire(execution.side)?,
            exec_type: exec_type.filter(|_| is_execution),
            status: OrdStatus::from_wire(execution.ord_status)?,
            price: execution.price,
            cum_qty: execution.cum_qty,
            leaves_qty: execution.leaves_qty,
            last_qty: execution.last_qty,
            last_price: match execution.stop_price() {
                Some(_) => Ticks::ZERO,
                None => execution.last_price,
            },
            reject,
        }))
    }

    /// A request as the engine takes it. Whatever happens to the strategy, its orders do not outlive it.
    pub fn command(&self, desk: &Desk, request: Request) -> Command {
        let name = |key| desk.name(key);
        let account = AccountId(desk.account());
        match request {
            Request::Submit(key, order) => {
                let Order { instrument, side, qty, price, time_in_force } = order;
                let order_type = if price.is_some() { OrderType::Limit } else { OrderType::Market };
                Command::NewOrder(NewOrder {
                    client_order_id: name(key),
                    account,
                    instrument: self.engine[instrument.index()],
                    side: side.wire(),
                    order_type: order_type.wire(),
                    time_in_force: time_in_force.wire(),
                    flags: FLAG_CANCEL_ON_DISCONNECT,
                    qty,
                    price: price.unwrap_or_default(),
                    ..NewOrder::BLANK
                })
            }
            Request::Replace(key, _, qty, price) => Command::ReplaceOrder(ReplaceOrder {
                client_order_id: name(key),
                order_id: OrderId(0),
                account,
                reserved: [0; 4],
                qty,
                price,
                stop_price: Ticks::ZERO,
            }),
            Request::Cancel(key) => Command::CancelOrder(CancelOrder {
                client_order_id: name(key),
                order_id: OrderId(0),
                account,
                reserved: [0; 4],
            }),
            Request::CancelAll => Command::MassCancel(MassCancel {
                account,
                instrument: InstrumentId::NONE,
                side: 0,
                reserved: [0; 7],
            }),
        }
    }
}
