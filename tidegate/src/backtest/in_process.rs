//! A strategy inside the backtest: the engine's words into the desk's, and back.

use std::convert::Infallible;
use tidegate_client::strategy::{
    Book, Desk, Heard, Level, Order, Player, Report, Request, Strategy, Trade,
};
use tidegate_engine::backtest::{Answer, Quote, Step, Trader};
use tidegate_engine::{backtest, core::Core};
use tidegate_model::command::{
    CancelOrder, FLAG_CANCEL_ON_DISCONNECT, MassCancel, NewOrder, OrderType, ReplaceOrder,
};
use tidegate_model::event::{Event, ExecType, Execution, OrdStatus};
use tidegate_model::market::TradingStatus;
use tidegate_model::{
    AccountId, Command, EventRecord, InstrumentId, OrderId, RejectReason, Side, Ticks,
};

/// What the strategy's orders are called: the same as over gRPC, so that both lead to the same state.
const PREFIX: &str = "bt";

/// A strategy as the engine's trader.
pub struct InProcess<S> {
    player: Player<S>,
    account: AccountId,
    /// The engine's number of each of the desk's instruments.
    engine_ids: Vec<InstrumentId>,
    /// The desk's number of each of the engine's.
    desk_ids: Vec<Option<InstrumentId>>,
    /// Requests sent.
    requests: u64,
}

impl<S: Strategy> InProcess<S> {
    /// `strategy`, trading for `account`.
    pub fn new(strategy: S, account: AccountId) -> Self {
        Self {
            player: Player { desk: Desk::new(account.0, PREFIX), strategy },
            account,
            engine_ids: Vec::new(),
            desk_ids: Vec::new(),
            requests: 0,
        }
    }

    fn desk_id(&self, id: InstrumentId) -> Option<InstrumentId> {
        *self.desk_ids.get(id.index())?
    }

    fn heard(&mut self, core: &Core, heard: &backtest::Heard) -> Option<Heard> {
        match heard {
            backtest::Heard::Instrument(id) => {
                if self.desk_ids.len() <= id.index() {
                    self.desk_ids.resize(id.index() + 1, None);
                }
                self.desk_ids[id.index()] = Some(InstrumentId(self.engine_ids.len() as u32));
                self.engine_ids.push(*id);
                let held = core.oms().position(self.account, *id).qty;
                Some(Heard::Instrument(core.listing()[*id].instrument, held))
            }
            backtest::Heard::Quote(quote) => {
                Some(Heard::Book(self.desk_id(quote.instrument)?, book(quote)))
            }
            backtest::Heard::Trade(update) => Some(Heard::Trade(Trade {
                instrument: self.desk_id(update.instrument)?,
                price: update.price,
                qty: update.qty,
                aggressor: Side::from_wire(update.side),
                ts_event: update.ts_event,
            })),
            backtest::Heard::Event(record) => self.event(record),
            backtest::Heard::Timer => Some(Heard::Timer),
            backtest::Heard::End => Some(Heard::End),
        }
    }

    fn event(&self, record: &EventRecord) -> Option<Heard> {
        match record.event()? {
            Event::Execution(execution) => self.report(record, &execution, true),
            Event::CancelReject(execution) => self.report(record, &execution, false),
            Event::Position(position) => {
                Some(Heard::Position(self.desk_id(record.instrument)?, position.qty))
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
    ) -> Option<Heard> {
        let desk = &self.player.desk;
        let key = desk.key_of(execution.client_order_id.as_str())?;
        let reject = RejectReason::from_wire(execution.reject_reason);
        let Some(instrument) = self.desk_id(record.instrument) else {
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
            last_price: execution.last_price,
            reject,
        }))
    }

    fn command(&self, request: Request) -> Command {
        let name = |key| self.player.desk.name(key);
        let account = self.account;
        match request {
            Request::Submit(key, order) => {
                let Order { instrument, side, qty, price, time_in_force } = order;
                let order_type = if price.is_some() { OrderType::Limit } else { OrderType::Market };
                Command::NewOrder(NewOrder {
                    client_order_id: name(key),
                    account,
                    instrument: self.engine_ids[instrument.index()],
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

fn book(quote: &Quote) -> Book {
    let level = |(price, qty)| Level { price, qty };
    Book {
        bid: quote.bid.map(level),
        ask: quote.ask.map(level),
        is_trading: quote.status == TradingStatus::Trading,
        last: quote.last_trade,
    }
}

impl<S: Strategy> Trader for InProcess<S> {
    type Error = Infallible;

    fn step(
        &mut self,
        core: &Core,
        step: &Step<'_>,
        answer: &mut Answer,
    ) -> Result<(), Infallible> {
        if step.number == 1 {
            self.player.hear(step.now, &Heard::Start);
        }
        for heard in step.heard {
            if let Some(heard) = self.heard(core, heard) {
                self.player.hear(step.now, &heard);
            }
        }
        let requests: Vec<_> = self.player.desk.take_requests().collect();
        for request in requests {
            self.requests += 1;
            let sent = answer.send(self.requests, self.command(request));
            sent.expect("a desk takes no more requests than a step");
        }
        answer.wake_at = self.player.desk.timer();
        Ok(())
    }
}
