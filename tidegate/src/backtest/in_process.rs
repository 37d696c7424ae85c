//! A strategy inside the backtest: the engine's words into the desk's, and back.

use std::convert::Infallible;
use tidegate_client::strategy::{Book, Desk, Heard, Level, Numbers, Player, Strategy, Trade};
use tidegate_engine::backtest::{Answer, Quote, Step, Trader};
use tidegate_engine::{backtest, core::Core};
use tidegate_model::market::TradingStatus;
use tidegate_model::{AccountId, Side};

/// What the strategy's orders are called: the same as over gRPC, so that both lead to the same state.
const PREFIX: &str = "bt";

/// A strategy as the engine's trader.
pub struct InProcess<S> {
    player: Player<S>,
    account: AccountId,
    numbers: Numbers,
    /// Requests sent.
    requests: u64,
}

impl<S: Strategy> InProcess<S> {
    /// `strategy`, trading for `account`.
    pub fn new(strategy: S, account: AccountId) -> Self {
        Self {
            player: Player { desk: Desk::new(account.0, PREFIX), strategy },
            account,
            numbers: Numbers::default(),
            requests: 0,
        }
    }

    fn heard(&mut self, core: &Core, heard: &backtest::Heard) -> Option<Heard> {
        match heard {
            backtest::Heard::Instrument(id) => {
                self.numbers.add(*id).then_some(())?;
                let held = core.oms().position(self.account, *id).qty;
                Some(Heard::Instrument(core.listing()[*id].instrument, held))
            }
            backtest::Heard::Quote(quote) => {
                Some(Heard::Book(self.numbers.of_desk(quote.instrument)?, book(quote)))
            }
            backtest::Heard::Trade(update) => Some(Heard::Trade(Trade {
                instrument: self.numbers.of_desk(update.instrument)?,
                price: update.price,
                qty: update.qty,
                aggressor: Side::from_wire(update.side),
                ts_event: update.ts_event,
            })),
            backtest::Heard::Event(record) => self.numbers.heard(record, &self.player.desk),
            backtest::Heard::Timer => Some(Heard::Timer),
            backtest::Heard::End => Some(Heard::End),
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
            let command = self.numbers.command(&self.player.desk, request);
            let sent = answer.send(self.requests, command);
            sent.expect("a desk takes no more requests than a step");
        }
        answer.wake_at = self.player.desk.timer();
        Ok(())
    }
}
