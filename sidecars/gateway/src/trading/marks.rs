//! What positions are valued at: the middle of the book, else the last trade.

use crate::market::Market;
use tidegate_client::decimal;
use tidegate_client::proto::Quote;

/// The mark of a symbol in 1e-9; `None` without a market.
pub(crate) fn of(market: &Market, symbol: &str) -> Option<i128> {
    let instrument = market.instrument(symbol).ok()?;
    let state = instrument.look();
    mark(state.quote.as_ref()?)
}

fn mark(quote: &Quote) -> Option<i128> {
    let nano = |text: &str| decimal::parse_nano(text).ok().map(i128::from);
    match (nano(&quote.bid_price), nano(&quote.ask_price)) {
        // Prices have ticks of 1e-9 at least: half of one is cut off.
        (Some(bid), Some(ask)) => Some((bid + ask) / 2),
        _ => nano(&quote.last_price),
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
            (quote("10.00", "10.02", "9"), Some(10_010_000_000)),
            (quote("10.00", "", "9.5"), Some(9_500_000_000)),
            (quote("", "", ""), None),
        ] {
            assert_eq!(mark(&quote), expected);
        }
    }
}
