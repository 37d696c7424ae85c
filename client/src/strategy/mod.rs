//! A strategy, written once: [`Strategy`] says what it does when something happens, a [`Desk`] is all that it trades with.
//! Which market that is, is the host's to know:
//!
//! * [`trade`] runs it against a server, over gRPC;
//! * [`trade_over_shared_memory`] runs it against a server on the same machine, over memory that both share;
//! * [`trade_in_lock_step`] runs it against a backtest that listens (`tidegate backtest FILE --listen ADDR`);
//! * `tidegate run --strategy NAME` runs those of `examples/` inside the engine of a server, on its thread;
//! * `tidegate backtest FILE --strategy NAME` runs them inside the backtest.
//!
//! Going from one to the other changes the line that calls the host, and nothing in the strategy. Prices are [`Ticks`],
//! quantities [`Lots`], instruments and orders small numbers; time is the [`Desk::now`] of the market, never a clock. A
//! strategy that follows from nothing else does the same each time it sees the same.

mod convert;
mod desk;
mod live;
mod lock_step;
mod records;
mod shared;
pub mod sizing;
mod tally;

pub use desk::{Desk, Full, Holding, Open, REQUESTS_MAX, Request};
pub use live::{Live, trade};
pub use lock_step::trade_in_lock_step;
pub use records::Numbers;
pub use shared::{Shared, SharedError, Wait, trade_over_shared_memory};
pub use tally::Tally;

pub use tidegate_model::command::TimeInForce;
pub use tidegate_model::event::{CancelReason, ExecType, Liquidity, OrdStatus};
pub use tidegate_model::market::TradingStatus;
pub use tidegate_model::{
    Instrument, InstrumentId, Lots, Money, RejectReason, Side, Symbol, Ticks, UnixNanos,
};

use core::fmt;

/// What a strategy does. Each call is over before time goes on; what it asks of the desk is sent when it returns.
#[expect(unused_variables, reason = "what a strategy does not care about, it leaves out")]
pub trait Strategy {
    /// Before anything else: no instrument is there yet.
    fn on_start(&mut self, desk: &mut Desk) {}

    /// An instrument to trade is there: all of them at the start, or as the feed defines them.
    fn on_instrument(&mut self, instrument: InstrumentId, desk: &mut Desk) {}

    /// The best bid or offer of an instrument, or its status, is new: see [`Desk::book`].
    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {}

    /// The market traded.
    fn on_trade(&mut self, trade: &Trade, desk: &mut Desk) {}

    /// One of our orders changed, or a request of ours was refused. Positions are up to date: see [`Desk::position`].
    fn on_report(&mut self, report: &Report, desk: &mut Desk) {}

    /// The time that [`Desk::wake_at`] asked for has come.
    fn on_timer(&mut self, desk: &mut Desk) {}

    /// No more is heard after this. What is sent now still goes out; then what is open is canceled.
    fn on_end(&mut self, desk: &mut Desk) {}
}

impl<S: Strategy + ?Sized> Strategy for Box<S> {
    fn on_start(&mut self, desk: &mut Desk) {
        (**self).on_start(desk);
    }
    fn on_instrument(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        (**self).on_instrument(instrument, desk);
    }
    fn on_book(&mut self, instrument: InstrumentId, desk: &mut Desk) {
        (**self).on_book(instrument, desk);
    }
    fn on_trade(&mut self, trade: &Trade, desk: &mut Desk) {
        (**self).on_trade(trade, desk);
    }
    fn on_report(&mut self, report: &Report, desk: &mut Desk) {
        (**self).on_report(report, desk);
    }
    fn on_timer(&mut self, desk: &mut Desk) {
        (**self).on_timer(desk);
    }
    fn on_end(&mut self, desk: &mut Desk) {
        (**self).on_end(desk);
    }
}

/// The best price of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: Ticks,
    /// All that is displayed there.
    pub qty: Lots,
}

/// What one sees of an instrument's market.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Best bid.
    pub bid: Option<Level>,
    /// Best offer.
    pub ask: Option<Level>,
    /// True unless the instrument is halted, paused, or only quoted.
    pub is_trading: bool,
    /// Price of the last trade.
    pub last: Option<Ticks>,
}

impl Book {
    /// Best bid and offer of an instrument that trades and has both.
    pub fn touch(&self) -> Option<(Level, Level)> {
        self.is_trading.then_some((self.bid?, self.ask?))
    }
}

/// A trade of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// What was traded.
    pub instrument: InstrumentId,
    /// Price.
    pub price: Ticks,
    /// Quantity.
    pub qty: Lots,
    /// Who took, where the feed tells.
    pub aggressor: Option<Side>,
    /// Exchange time.
    pub ts_event: UnixNanos,
}

/// The desk's number of an order, from 1, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(pub u64);

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A new order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// What to trade.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// How much: a multiple of the instrument's `order_lot`.
    pub qty: Lots,
    /// Limit price, a multiple of the instrument's order tick; without, a market order.
    pub price: Option<Ticks>,
    /// How long it lives.
    pub time_in_force: TimeInForce,
}

/// An order as it stands, and why we hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which order.
    pub key: OrderKey,
    /// What it trades.
    pub instrument: InstrumentId,
    /// Which way.
    pub side: Side,
    /// What happened; `None` if a cancel or replace was refused, or never reached the engine.
    pub exec_type: Option<ExecType>,
    /// Where the order stands.
    pub status: OrdStatus,
    /// Limit price; 0 of a market order.
    pub price: Ticks,
    /// Executed so far.
    pub cum_qty: Lots,
    /// May still be executed.
    pub leaves_qty: Lots,
    /// Executed, or canceled, now.
    pub last_qty: Lots,
    /// Price of this execution.
    pub last_price: Ticks,
    /// Why it, or the change of it, was refused.
    pub reject: Option<RejectReason>,
}

/// What a host tells a strategy.
#[derive(Clone, Copy, Debug)]
pub enum Heard {
    /// It begins.
    Start,
    /// An instrument is there, with what is held of it: lots, below 0 short.
    Instrument(Instrument, i64),
    /// A book is new.
    Book(InstrumentId, Book),
    /// The market traded.
    Trade(Trade),
    /// An order of ours.
    Report(Report),
    /// A position as the engine has it: lots, below 0 short.
    Position(InstrumentId, i64),
    /// The account's cash in its base currency.
    Cash(Money),
    /// The time is up.
    Timer,
    /// It is over.
    End,
}

/// A strategy at its desk, for hosts: takes what is heard to where it belongs.
#[derive(Debug)]
pub struct Player<S> {
    /// What it trades with.
    pub desk: Desk,
    /// What it does.
    pub strategy: S,
}

impl<S: Strategy> Player<S> {
    /// The strategy hears something at `now`; what it wants lies at the desk then.
    pub fn hear(&mut self, now: UnixNanos, heard: &Heard) {
        let Self { desk, strategy } = self;
        desk.pass_to(now);
        match heard {
            Heard::Start => strategy.on_start(desk),
            Heard::Instrument(terms, held) => {
                let id = desk.list(*terms, *held);
                strategy.on_instrument(id, desk);
            }
            Heard::Book(id, book) => {
                if desk.set_book(*id, *book) {
                    strategy.on_book(*id, desk);
                }
            }
            Heard::Trade(trade) => {
                if desk.set_last(trade.instrument, trade.price) {
                    strategy.on_trade(trade, desk);
                }
            }
            Heard::Report(report) => {
                if desk.note(report) {
                    strategy.on_report(report, desk);
                }
            }
            Heard::Position(id, held) => desk.set_position(*id, *held),
            Heard::Cash(cash) => desk.set_cash(*cash),
            Heard::Timer => {
                desk.clear_timer();
                strategy.on_timer(desk);
            }
            Heard::End => strategy.on_end(desk),
        }
    }
}
