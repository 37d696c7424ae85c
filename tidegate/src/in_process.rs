//! A strategy in the process of the engine: the engine's words into the desk's, and back. [`InProcess`] does that in a backtest and
//! beside a live engine; [`Residence`] is how a server lets one in and out.

use crate::config::StrategyEntry;
use anyhow::{Context, Result};
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidegate_client::strategy::{
    Book, Desk, Heard, Level, Numbers, Player, Request, Strategy, Trade,
};
use tidegate_engine::core::Core;
use tidegate_engine::runtime::{EngineStatus, Guest, Host, Resident, resident};
use tidegate_engine::trader::{self, Answer, Quote, Step, Trader, Watch};
use tidegate_model::market::TradingStatus;
use tidegate_model::{AccountId, SessionId, Side};

/// Instruments traded when none are named.
pub const SYMBOLS_MAX: usize = 32;
/// How long a strategy may take to end: its last word, and the turns of the engine that it needs for that.
const GOODBYE: Duration = Duration::from_secs(10);
/// Between two looks at whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A strategy as the engine's trader.
pub struct InProcess<S> {
    player: Player<S>,
    account: AccountId,
    numbers: Numbers,
    /// Requests sent.
    requests: u64,
    /// Those of one step, a buffer that is used again.
    asked: Vec<Request>,
}

impl<S: Strategy> InProcess<S> {
    /// `strategy`, trading for `account`, whose orders are called `prefix` and a number.
    pub fn new(strategy: S, account: AccountId, prefix: &str) -> Self {
        Self {
            player: Player { desk: Desk::new(account.0, prefix), strategy },
            account,
            numbers: Numbers::default(),
            requests: 0,
            asked: Vec::new(),
        }
    }

    fn heard(&mut self, core: &Core, heard: &trader::Heard) -> Option<Heard> {
        match heard {
            trader::Heard::Instrument(id) => {
                self.numbers.add(*id).then_some(())?;
                let held = core.oms().position(self.account, *id).qty;
                Some(Heard::Instrument(core.listing()[*id].instrument, held))
            }
            trader::Heard::Quote(quote) => {
                Some(Heard::Book(self.numbers.of_desk(quote.instrument)?, book(quote)))
            }
            trader::Heard::Trade(update) => Some(Heard::Trade(Trade {
                instrument: self.numbers.of_desk(update.instrument)?,
                price: update.price,
                qty: update.qty,
                aggressor: Side::from_wire(update.side),
                ts_event: update.ts_event,
            })),
            trader::Heard::Event(record) => self.numbers.heard(record, &self.player.desk),
            trader::Heard::Timer => Some(Heard::Timer),
            trader::Heard::End => Some(Heard::End),
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
        self.asked.extend(self.player.desk.take_requests());
        for request in self.asked.drain(..) {
            self.requests += 1;
            let command = self.numbers.command(&self.player.desk, request);
            let sent = answer.send(self.requests, command);
            sent.expect("a desk takes no more requests than a step");
        }
        answer.wake_at = self.player.desk.timer();
        Ok(())
    }
}

/// A strategy that a server runs.
type Live = InProcess<Box<dyn Strategy + Send>>;

/// The strategy of a server, from before the engine is there until it has ended.
pub struct Residence {
    entry: StrategyEntry,
    account: AccountId,
    strategy: Option<Box<dyn Strategy + Send>>,
    host: Host<Live>,
}

impl Residence {
    /// The strategy that `entry` names, trading for `account`, and its place on the engine's thread.
    ///
    /// # Errors
    /// If there is no such strategy, or it has no such parameter.
    pub fn new(entry: &StrategyEntry, account: AccountId) -> Result<(Self, Resident<Live>)> {
        let strategy = Some(entry.build()?);
        let (host, place) = resident();
        Ok((Self { entry: entry.clone(), account, strategy, host }, place))
    }

    /// The account that it trades for.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Lets it trade, by a session of its own. Everything is set up.
    ///
    /// # Errors
    /// If it was let in before.
    pub fn begin(&mut self, session: SessionId, status: &EngineStatus) -> Result<()> {
        let strategy = self.strategy.take().context("the strategy trades already")?;
        // Every start has inputs of its own before this, so no two have the same names. 14 digits last for a thousand years.
        let prefix = format!("s{:x}", status.seq.load(Ordering::Acquire));
        let watch = match &self.entry.symbols[..] {
            [] => Watch::First(SYMBOLS_MAX),
            symbols => Watch::Symbols(symbols.to_vec()),
        };
        let guest = Guest {
            trader: InProcess::new(strategy, self.account, &prefix),
            account: self.account,
            principal: self.entry.principal(),
            session,
            watch,
        };
        tracing::info!(strategy = self.entry.name, session = session.0, "the strategy begins");
        self.host.begin(guest).ok().context("the strategy trades already")?;
        status.bell.ring();
        Ok(())
    }

    /// Lets it say its last word and closes its session, which cancels what it has open.
    pub fn end(&self, status: &EngineStatus) {
        self.host.ask_to_end();
        status.bell.ring();
        let until = Instant::now() + GOODBYE;
        while !self.host.has_ended() && status.alive.load(Ordering::Acquire) {
            if Instant::now() >= until {
                tracing::warn!(
                    "the strategy did not end within {} s; its orders are canceled with all others",
                    GOODBYE.as_secs()
                );
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        tracing::info!(requests = self.host.requests(), "the strategy has ended");
    }
}
