//! A momentum trader: when a price has moved one way for a second, it takes what is offered there and bets on more of
//! the same; after a fixed time it gets out again, right or wrong.
//!
//! It shows how to take liquidity: immediate-or-cancel orders with a limit to get in, market orders to get out, and
//! how to follow quotes and trades of several symbols at once.

use anyhow::Result;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tidegate_client::proto::{
    ExecType, OrdStatus, OrderReport, Quote, QuotesRequest, Side, TimeInForce, Trade,
    TradesRequest, TradingStatus,
};
use tidegate_examples::{Desk, Market, Order, Start};
use tokio::time::{Instant, MissedTickBehavior};

/// How often signals and positions are looked at.
const DECIDE_EVERY: Duration = Duration::from_millis(20);
/// A trend is measured over this much time.
const WINDOW: Duration = Duration::from_secs(1);
/// How long a position is held.
const HOLD: Duration = Duration::from_millis(1_500);
/// Pause between two entries into a symbol, and after a refusal.
const PAUSE: Duration = Duration::from_secs(1);
/// Order ticks that the middle must have moved within the window, times two: the middle lies between two ticks.
const MOVE_HALF_TICKS_MIN: i64 = 2;
/// Order ticks beyond the touch that we pay to get in.
const SLIPPAGE_TICKS: i64 = 1;
/// Middles that are remembered a symbol: one each 10 ms, for the window and some more.
const MIDDLES_MAX: usize = 256;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let Some(start) = Start::new("momentum").await? else { return Ok(()) };
    let Start { client, mut desk, markets, size, mut stop } = start;
    let symbols: Vec<_> = markets.iter().map(|market| market.symbol.clone()).collect();
    let mut trades = client.trades(TradesRequest { symbols: symbols.clone() }).await?;
    let mut quotes = client.quotes(QuotesRequest { symbols, min_interval_ms: 10 }).await?;
    let mut trends: BTreeMap<String, Trend> = markets
        .into_iter()
        .map(|market| (market.symbol.clone(), Trend::new(market, size)))
        .collect();
    let mut decide = tokio::time::interval(DECIDE_EVERY);
    decide.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            stopped = &mut stop => {
                stopped?;
                break;
            }
            quote = quotes.message() => {
                let Some(quote) = quote? else { break };
                if let Some(trend) = trends.get_mut(&quote.symbol) {
                    trend.on_quote(&quote)?;
                }
            }
            trade = trades.message() => {
                let Some(trade) = trade? else { break };
                if let Some(trend) = trends.get_mut(&trade.symbol) {
                    trend.on_trade(&trade)?;
                }
            }
            order = desk.heard() => match order? {
                Order::Report(report) => {
                    if let Some(trend) = trends.get_mut(&report.symbol) {
                        trend.on_report(&report)?;
                    }
                }
                Order::Position(position) => {
                    if let Some(trend) = trends.get_mut(&position.symbol) {
                        trend.on_position(trend.market.grid.lots(&position.qty)?);
                    }
                }
                Order::Refused(refused) => {
                    trends.values_mut().for_each(|trend| trend.on_refused(&refused.client_order_id));
                }
            },
            _ = decide.tick() => {
                for trend in trends.values_mut() {
                    trend.decide(&mut desk).await?;
                }
            }
        }
    }
    desk.close().await?.print()
}

/// One symbol: what its price does, and what we hold of it. Prices are in order ticks, quantities in order lots.
struct Trend {
    market: Market,
    size: u64,
    touch: Option<(i64, i64)>,
    /// Twice the middle of bid and offer over time, oldest first.
    middles: VecDeque<(Instant, i64)>,
    /// Bought less sold by aggressors since the last decision to enter: which way the tape leans.
    tape: i64,
    position: i64,
    /// When the position was opened.
    opened_at: Option<Instant>,
    /// The order we wait for; there is never more than one.
    working: Option<String>,
    not_before: Instant,
}

impl Trend {
    fn new(market: Market, size: u64) -> Self {
        let now = Instant::now();
        Self {
            size,
            touch: None,
            middles: VecDeque::new(),
            tape: 0,
            position: market.held,
            opened_at: (market.held != 0).then_some(now),
            working: None,
            not_before: now,
            market,
        }
    }

    fn on_quote(&mut self, quote: &Quote) -> Result<()> {
        let is_open = matches!(quote.status(), TradingStatus::Trading | TradingStatus::Unspecified);
        if !is_open || quote.bid_price.is_empty() || quote.ask_price.is_empty() {
            self.touch = None;
            self.middles.clear();
            return Ok(());
        }
        let grid = &self.market.grid;
        let (bid, ask) = (grid.price_floor(&quote.bid_price)?, grid.price_ceil(&quote.ask_price)?);
        self.touch = Some((bid, ask));
        if self.middles.len() == MIDDLES_MAX {
            self.middles.pop_front();
        }
        self.middles.push_back((Instant::now(), bid + ask));
        Ok(())
    }

    fn on_trade(&mut self, trade: &Trade) -> Result<()> {
        let lots = self.market.grid.lots(&trade.qty)?;
        self.tape = self.tape.saturating_add(match trade.aggressor() {
            Side::Buy => lots,
            Side::Sell => -lots,
            Side::Unspecified => 0,
        });
        Ok(())
    }

    /// Which way the price has gone over the window, if far enough and the tape does not lean against it.
    fn signal(&mut self) -> Option<Side> {
        // The newest middle that is at least a window old is what the window began with.
        let begin = Instant::now().checked_sub(WINDOW)?;
        while self.middles.get(1).is_some_and(|(at, _)| *at <= begin) {
            self.middles.pop_front();
        }
        let (then, before) = *self.middles.front()?;
        let (_, now) = *self.middles.back()?;
        if then > begin {
            return None;
        }
        match now - before {
            moved if moved >= MOVE_HALF_TICKS_MIN && self.tape >= 0 => Some(Side::Buy),
            moved if moved <= -MOVE_HALF_TICKS_MIN && self.tape <= 0 => Some(Side::Sell),
            _ => None,
        }
    }

    async fn decide(&mut self, desk: &mut Desk) -> Result<()> {
        if self.working.is_some() || Instant::now() < self.not_before {
            return Ok(());
        }
        let Some((bid, ask)) = self.touch else { return Ok(()) };
        let (symbol, grid) = (self.market.symbol.clone(), self.market.grid.clone());
        if self.position != 0 {
            let is_over = self.opened_at.is_none_or(|at| at.elapsed() >= HOLD);
            if is_over && desk.afford(1) {
                let side = if self.position > 0 { Side::Sell } else { Side::Buy };
                let qty = grid.qty_text(self.position.unsigned_abs());
                let name = desk.submit(&symbol, side, qty, None, TimeInForce::Ioc).await?;
                self.working = Some(name);
                self.not_before = Instant::now() + PAUSE;
            }
            return Ok(());
        }
        let Some(side) = self.signal() else { return Ok(()) };
        if !desk.afford(1) {
            return Ok(());
        }
        let limit = match side {
            Side::Buy => ask + SLIPPAGE_TICKS,
            _ => (bid - SLIPPAGE_TICKS).max(1),
        };
        let (qty, price) = (grid.qty_text(self.size), grid.price_text(limit));
        let name = desk.submit(&symbol, side, qty, Some(price), TimeInForce::Ioc).await?;
        self.working = Some(name);
        self.tape = 0;
        Ok(())
    }

    fn on_report(&mut self, report: &OrderReport) -> Result<()> {
        if self.working.as_ref() != Some(&report.client_order_id) {
            return Ok(());
        }
        // The position follows as an event of its own; a decision in between must not be made on the old one.
        if report.exec_type() == ExecType::Trade {
            let lots = self.market.grid.lots(&report.last_qty)?;
            let bought = if report.side() == Side::Buy { lots } else { -lots };
            self.on_position(self.position + bought);
        }
        if matches!(
            report.ord_status(),
            OrdStatus::Filled | OrdStatus::Canceled | OrdStatus::Rejected | OrdStatus::Expired
        ) {
            self.working = None;
        }
        if report.reject.is_some() {
            self.not_before = Instant::now() + PAUSE;
        }
        Ok(())
    }

    fn on_position(&mut self, lots: i64) {
        if self.position == 0 && lots != 0 {
            self.opened_at = Some(Instant::now());
        }
        self.position = lots;
    }

    fn on_refused(&mut self, client_order_id: &str) {
        if self.working.as_deref() == Some(client_order_id) {
            self.working = None;
            self.not_before = Instant::now() + PAUSE;
        }
    }
}
