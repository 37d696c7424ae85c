//! What positions are valued at: the middle of the book, else the last trade, of every instrument. A task follows the quotes.

use super::events::Events;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tidegate_client::proto::{Quote, QuotesRequest};
use tidegate_client::{Client, decimal};
use tokio::task::{JoinHandle, JoinSet};

/// Symbols of one stream, as the edge allows.
const SYMBOLS_MAX: usize = 1_000;
/// Least time between two quotes of one symbol.
const INTERVAL_MS: u32 = 200;
/// How often new instruments are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Marks by symbol.
type Prices = Arc<RwLock<HashMap<String, String>>>;

/// Follows the quotes; ends when it is dropped.
#[derive(Debug)]
pub struct Marks {
    prices: Prices,
    task: JoinHandle<()>,
}

impl Drop for Marks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Marks {
    /// Begins to follow every instrument that `events` knows of.
    pub fn start(engine: Client, events: Arc<Events>) -> Self {
        let prices = Prices::default();
        let task = tokio::spawn(follow(engine, events, Arc::clone(&prices)));
        Self { prices, task }
    }

    /// The mark of a symbol; decimal text; `None` without a market.
    pub fn of(&self, symbol: &str) -> Option<String> {
        self.prices.read().unwrap_or_else(PoisonError::into_inner).get(symbol).cloned()
    }
}

/// The middle of the book, else the last trade.
fn mark(quote: &Quote) -> Option<String> {
    let nano = |text: &str| decimal::parse_nano(text).ok();
    match (nano(&quote.bid_price), nano(&quote.ask_price)) {
        // Prices have ticks of 1e-9 at least: half of one is cut off.
        (Some(bid), Some(ask)) => {
            Some(decimal::format_nano((i128::from(bid) + i128::from(ask)) / 2))
        }
        _ => Some(quote.last_price.clone()).filter(|price| !price.is_empty()),
    }
}

/// Follows every instrument, and begins anew where there are more.
async fn follow(engine: Client, events: Arc<Events>, prices: Prices) {
    let (mut followed, mut streams) = (Vec::new(), JoinSet::new());
    loop {
        let symbols = events.picture().symbols();
        if symbols != followed {
            // Those before end.
            streams = JoinSet::new();
            for symbols in symbols.chunks(SYMBOLS_MAX) {
                streams.spawn(quotes(engine.clone(), symbols.to_vec(), Arc::clone(&prices)));
            }
            followed = symbols;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Some(_) = streams.join_next() => followed.clear(),
        }
    }
}

/// Follows some symbols until their stream cannot be had any more.
async fn quotes(engine: Client, symbols: Vec<String>, prices: Prices) {
    loop {
        let request = QuotesRequest { symbols: symbols.clone(), min_interval_ms: INTERVAL_MS };
        if let Ok(mut stream) = engine.quotes(request).await {
            while let Ok(Some(quote)) = stream.message().await {
                let mark = mark(&quote);
                let mut prices = prices.write().unwrap_or_else(PoisonError::into_inner);
                match mark {
                    Some(mark) => drop(prices.insert(quote.symbol, mark)),
                    None => drop(prices.remove(&quote.symbol)),
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_the_middle_or_the_last_trade() {
        let quote = |bid: &str, ask: &str, last: &str| Quote {
            bid_price: bid.into(),
            ask_price: ask.into(),
            last_price: last.into(),
            ..Default::default()
        };
        for (quote, expected) in [
            (quote("10.00", "10.02", "9"), Some("10.01")),
            (quote("10.00", "", "9.5"), Some("9.5")),
            (quote("", "", ""), None),
        ] {
            assert_eq!(mark(&quote).as_deref(), expected);
        }
    }
}
