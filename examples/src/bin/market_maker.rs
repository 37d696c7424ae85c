//! A market maker: offers to buy and to sell at the touch of several symbols, and earns the spread when both are taken.
//!
//! It shows how to hold an order session, to follow quotes, and to keep two orders a symbol where they should be:
//!
//! 1. a quote or a fill says where the orders *should* be (`Quoting::target`),
//! 2. what *is* there is compared with it, and sent, replaced or canceled (`Quoting::adjust`),
//! 3. the engine's reports say what came of it (`Quoting::on_report`).
//!
//! The inventory skews the quotes: whoever is long bids lower and offers lower, until somebody buys.

use anyhow::Result;
use std::collections::BTreeMap;
use std::time::Duration;
use tidegate_client::proto::{
    ExecType, OrdStatus, OrderReport, Quote, QuotesRequest, Side, TimeInForce, TradingStatus,
};
use tidegate_examples::{Desk, Market, Order, Start};
use tokio::time::{Instant, MissedTickBehavior};

/// Quotes are looked over this often.
const ADJUST_EVERY: Duration = Duration::from_millis(20);
/// One symbol's orders are changed at most this often: chasing every flicker only loses the place in the queue.
const REST_MIN: Duration = Duration::from_millis(100);
/// After a refusal the symbol is left alone for this long.
const BACK_OFF: Duration = Duration::from_secs(1);
/// Orders' sizes that may be held, long or short.
const INVENTORY_SIZES_MAX: i64 = 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(start) = Start::new("market_maker").await? else { return Ok(()) };
    let Start { client, mut desk, markets, size, mut stop } = start;
    let symbols = markets.iter().map(|market| market.symbol.clone()).collect();
    let mut quotes = client.quotes(QuotesRequest { symbols, min_interval_ms: 10 }).await?;
    let mut quoting: BTreeMap<String, Quoting> = markets
        .into_iter()
        .map(|market| (market.symbol.clone(), Quoting::new(market, size)))
        .collect();
    let mut adjust = tokio::time::interval(ADJUST_EVERY);
    adjust.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            stopped = &mut stop => {
                stopped?;
                break;
            }
            quote = quotes.message() => {
                let Some(quote) = quote? else { break };
                if let Some(quoting) = quoting.get_mut(&quote.symbol) {
                    quoting.on_quote(&quote)?;
                }
            }
            order = desk.heard() => match order? {
                Order::Report(report) => {
                    if let Some(quoting) = quoting.get_mut(&report.symbol) {
                        quoting.on_report(&report)?;
                    }
                }
                Order::Position(position) => {
                    if let Some(quoting) = quoting.get_mut(&position.symbol) {
                        quoting.inventory = quoting.market.grid.lots(&position.qty)?;
                    }
                }
                Order::Refused(refused) => {
                    quoting.values_mut().for_each(|quoting| quoting.on_refused(&refused.client_order_id));
                }
            },
            _ = adjust.tick() => {
                for quoting in quoting.values_mut() {
                    quoting.adjust(&mut desk).await?;
                }
            }
        }
    }
    desk.close().await?.print()
}

/// An order of ours that may be executed.
struct Working {
    client_order_id: String,
    /// In order ticks.
    price: i64,
    /// A request about it is on its way; another would only cross it.
    is_in_flight: bool,
}

/// One symbol and our two orders in it. Prices are in order ticks, quantities in order lots.
struct Quoting {
    market: Market,
    size: u64,
    /// Best bid and offer; `None` if a side is empty or nothing trades.
    touch: Option<(i64, i64)>,
    inventory: i64,
    bid: Option<Working>,
    ask: Option<Working>,
    /// Not before then.
    rest_until: Instant,
}

impl Quoting {
    fn new(market: Market, size: u64) -> Self {
        let (inventory, rest_until) = (market.held, Instant::now());
        Self { market, size, touch: None, inventory, bid: None, ask: None, rest_until }
    }

    fn on_quote(&mut self, quote: &Quote) -> Result<()> {
        let is_open = matches!(quote.status(), TradingStatus::Trading | TradingStatus::Unspecified);
        let is_two_sided = !quote.bid_price.is_empty() && !quote.ask_price.is_empty();
        self.touch = if is_open && is_two_sided {
            let grid = &self.market.grid;
            Some((grid.price_floor(&quote.bid_price)?, grid.price_ceil(&quote.ask_price)?))
        } else {
            None
        };
        Ok(())
    }

    /// Where an order on `side` should be, if anywhere.
    fn target(&self, side: Side) -> Option<i64> {
        let (bid, ask) = self.touch?;
        let sizes = self.inventory / self.size as i64;
        let is_full = match side {
            Side::Buy => sizes >= INVENTORY_SIZES_MAX,
            _ => sizes <= -INVENTORY_SIZES_MAX,
        };
        if is_full {
            return None;
        }
        // A tick of skew for every two sizes held. A wide spread leaves room to be alone in front.
        let skew = sizes / 2;
        let step = i64::from(ask - bid > 2);
        let (bid_target, ask_target) = (bid + step - skew, ask - step - skew);
        // Never through the other side: we make prices, we do not take them.
        Some(match side {
            Side::Buy => bid_target.min(ask - 1).max(1),
            _ => ask_target.max(bid + 1).max(1),
        })
    }

    /// Brings both orders to where they should be.
    async fn adjust(&mut self, desk: &mut Desk) -> Result<()> {
        if Instant::now() < self.rest_until {
            return Ok(());
        }
        for side in [Side::Buy, Side::Sell] {
            let target = self.target(side);
            let qty = self.market.grid.qty_text(self.size);
            let (symbol, grid) = (&self.market.symbol, &self.market.grid);
            let working = if side == Side::Buy { &mut self.bid } else { &mut self.ask };
            match (target, working) {
                (Some(price), none @ None) if desk.afford(1) => {
                    let text = Some(grid.price_text(price));
                    let client_order_id =
                        desk.submit(symbol, side, qty, text, TimeInForce::Day).await?;
                    *none = Some(Working { client_order_id, price, is_in_flight: true });
                }
                (Some(price), Some(working))
                    if !working.is_in_flight && working.price != price && desk.afford(1) =>
                {
                    let text = grid.price_text(price);
                    desk.replace(symbol, &working.client_order_id, qty, text).await?;
                    working.is_in_flight = true;
                }
                (None, Some(working)) if !working.is_in_flight && desk.afford(1) => {
                    desk.cancel(&working.client_order_id).await?;
                    working.is_in_flight = true;
                }
                _ => continue,
            }
            self.rest_until = Instant::now() + REST_MIN;
        }
        Ok(())
    }

    fn on_report(&mut self, report: &OrderReport) -> Result<()> {
        let mine = if report.side() == Side::Buy { &mut self.bid } else { &mut self.ask };
        let Some(working) =
            mine.as_mut().filter(|working| working.client_order_id == report.client_order_id)
        else {
            return Ok(());
        };
        if report.reject.is_some() {
            self.rest_until = Instant::now() + BACK_OFF;
        }
        match report.ord_status() {
            OrdStatus::Filled | OrdStatus::Canceled | OrdStatus::Rejected | OrdStatus::Expired => {
                *mine = None;
            }
            OrdStatus::PendingNew | OrdStatus::PendingCancel | OrdStatus::PendingReplace => {}
            _ => {
                working.price = self.market.grid.price_floor(&report.price)?;
                // A fill says nothing about a request that is on its way.
                if report.exec_type() != ExecType::Trade {
                    working.is_in_flight = false;
                }
            }
        }
        Ok(())
    }

    fn on_refused(&mut self, client_order_id: &str) {
        for mine in [&mut self.bid, &mut self.ask] {
            if mine.as_ref().is_some_and(|working| working.client_order_id == client_order_id) {
                *mine = None;
                self.rest_until = Instant::now() + BACK_OFF;
            }
        }
    }
}
