//! Instruments, quotes, books, trades and bars over REST.

use super::bars::{Bar, Range, Resolution};
use super::define;
use super::picture::{Index, Instrument};
use super::report::{BarReport, BookReport, InstrumentReport, QuoteReport, TradeReport, as_of};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::trading::sectors;
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Things of one page at most.
const PAGE_MAX: usize = 1_000;
/// Things of one page if nothing is said.
const PAGE: usize = 100;
/// Symbols of one question for quotes.
const SYMBOLS_MAX: usize = 200;
/// Characters of a symbol, and of what is searched for.
const SYMBOL_LEN_MAX: usize = 24;

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(instruments, define::define))
        .routes(routes!(instrument))
        .routes(routes!(quotes))
        .routes(routes!(quote))
        .routes(routes!(book))
        .routes(routes!(trades))
        .routes(routes!(history))
}

/// Parameters of a query; what cannot be read is a typed error.
#[derive(Debug)]
pub(crate) struct Query<T>(pub T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> axum::extract::FromRequestParts<S>
    for Query<T>
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let bad = |error: axum::extract::rejection::QueryRejection| {
            ApiError::new(Code::InvalidField, error.body_text())
        };
        read.map(|axum::extract::Query(query)| Self(query)).map_err(bad)
    }
}

fn limit(asked: Option<usize>) -> Result<usize> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        limit => Err(ApiError::new(Code::InvalidField, format!("limit: 1 to {PAGE_MAX}"))
            .with(json!({ "field": "limit", "limit": PAGE_MAX, "value": limit }))),
    }
}

fn not_told(instrument: &Instrument, what: &str) -> ApiError {
    let message = format!(
        "no {what} of {} is known now: the engine has not told one; try again",
        instrument.symbol
    );
    ApiError::new(Code::Unavailable, message).with(json!({ "retry_after_s": 1 }))
}

/// Which instruments.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct InstrumentsQuery {
    /// What the symbol contains, in either case: one that it is comes first, then those that begin with it, then the others. Absent:
    /// all, by symbol.
    q: Option<String>,
    /// Only of this class, such as `equity`.
    asset_class: Option<String>,
    /// Only of this venue, such as `XNAS`.
    venue: Option<String>,
    /// A page, 1 to 1000; 100.
    limit: Option<usize>,
    /// `meta.next_cursor` of the page before.
    cursor: Option<String>,
}

/// Where an instrument stands in what is found: how well it fits, then its symbol. `None`: it does not fit.
fn rank(symbol: &str, wanted: &str) -> Option<u8> {
    let symbol = symbol.to_ascii_uppercase();
    match symbol.find(wanted)? {
        _ if symbol == wanted => Some(0),
        0 => Some(1),
        _ => Some(2),
    }
}

/// What can be traded: all, or what is searched for.
#[utoipa::path(get, path = "/api/v1/instruments", tag = "market", security((), ("bearer" = ["market:read"])),
    params(InstrumentsQuery), responses((status = 200, body = Envelope<Vec<InstrumentReport>>)))]
async fn instruments(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<InstrumentsQuery>,
) -> Result<Data<Vec<InstrumentReport>>> {
    let limit = limit(query.limit)?;
    let wanted = query.q.unwrap_or_default().to_ascii_uppercase();
    if wanted.len() > SYMBOL_LEN_MAX {
        return Err(ApiError::field("q", format!("q: at most {SYMBOL_LEN_MAX} characters")));
    }
    let after = query.cursor.as_deref().map(read_cursor).transpose()?;
    let index = gateway.market.picture.index();
    let mut found = ranked(&index, &wanted);
    found.retain(|(rank, one)| after.is_none_or(|after| (*rank, one.symbol.as_str()) > after));
    let mut page = Vec::new();
    let mut next = None;
    let mut last = String::new();
    for (rank, one) in found {
        let report = InstrumentReport::new(&one.look().terms, sectors::of(&gateway, &one.symbol));
        if !report.fits(query.asset_class.as_deref(), query.venue.as_deref()) {
            continue;
        }
        if page.len() == limit {
            next = Some(last);
            break;
        }
        last = format!("{rank}{}", one.symbol);
        page.push(report);
    }
    Ok(Data::page(page, next))
}

/// Instruments that fit, the best first, by symbol among equals.
fn ranked<'a>(index: &'a Index, wanted: &str) -> Vec<(u8, &'a Arc<Instrument>)> {
    let fits = |one: &'a Arc<Instrument>| Some((rank(&one.symbol, wanted)?, one));
    let mut found: Vec<_> = index.sorted.iter().filter_map(fits).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found
}

/// A cursor is the rank and the symbol of the last instrument that was told.
fn read_cursor(cursor: &str) -> Result<(u8, &str)> {
    let read =
        cursor.split_at_checked(1).and_then(|(rank, symbol)| Some((rank.parse().ok()?, symbol)));
    read.ok_or_else(|| {
        ApiError::field("cursor", "cursor: give meta.next_cursor of the page before")
    })
}

/// One instrument.
#[utoipa::path(get, path = "/api/v1/instruments/{symbol}", tag = "market", security((), ("bearer" = ["market:read"])),
    params(("symbol" = String, Path)), responses((status = 200, body = Envelope<InstrumentReport>)))]
async fn instrument(
    State(gateway): State<Arc<Gateway>>,
    Path(symbol): Path<String>,
) -> Result<Data<InstrumentReport>> {
    let instrument = gateway.market.instrument(&symbol)?;
    let sector = sectors::of(&gateway, &symbol);
    Ok(Data::new(InstrumentReport::new(&instrument.look().terms, sector)))
}

/// Which quotes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct QuotesQuery {
    /// Symbols with commas between them, at most 200.
    symbols: String,
}

/// Reads symbols with commas between them.
pub(crate) fn read_symbols(symbols: &str) -> Result<Vec<&str>> {
    let symbols: Vec<&str> = symbols.split(',').filter(|symbol| !symbol.is_empty()).collect();
    let count = symbols.len();
    if !(1..=SYMBOLS_MAX).contains(&count) {
        let message = format!("symbols: {count} are named, 1 to {SYMBOLS_MAX} are allowed");
        return Err(ApiError::field("symbols", message));
    }
    Ok(symbols)
}

/// Best bids and offers, in the order of the question; of an instrument that none is known of, none.
#[utoipa::path(get, path = "/api/v1/quotes", tag = "market", security((), ("bearer" = ["market:read"])),
    params(QuotesQuery), responses((status = 200, body = Envelope<Vec<QuoteReport>>)))]
async fn quotes(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<QuotesQuery>,
) -> Result<Data<Vec<QuoteReport>>> {
    let mut quotes = Vec::new();
    let mut newest = None;
    for symbol in read_symbols(&query.symbols)? {
        let instrument = gateway
            .market
            .instrument(symbol)
            .map_err(|error| error.with(json!({ "field": "symbols", "symbol": symbol })))?;
        let state = instrument.look();
        if let Some(quote) = &state.quote {
            newest = newest.max(Some(quote.seq));
            quotes.push(QuoteReport::new(quote));
        }
    }
    Ok(told(Data::new(quotes), newest.map(|seq| format!("{seq}:0"))))
}

fn told<T>(data: Data<T>, as_of: Option<String>) -> Data<T> {
    match as_of {
        Some(as_of) => data.as_of(as_of),
        None => data,
    }
}

/// Best bid and offer.
#[utoipa::path(get, path = "/api/v1/quotes/{symbol}", tag = "market", security((), ("bearer" = ["market:read"])),
    params(("symbol" = String, Path)), responses((status = 200, body = Envelope<QuoteReport>)))]
async fn quote(
    State(gateway): State<Arc<Gateway>>,
    Path(symbol): Path<String>,
) -> Result<Data<QuoteReport>> {
    let instrument = gateway.market.instrument(&symbol)?;
    let state = instrument.look();
    let quote = state.quote.as_ref().ok_or_else(|| not_told(&instrument, "quote"))?;
    Ok(told(Data::new(QuoteReport::new(quote)), as_of(&state)))
}

/// How deep.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct BookQuery {
    /// Levels of each side; the most that are kept (`market.depth`) if absent or above.
    depth: Option<usize>,
}

/// The book, by price level.
#[utoipa::path(get, path = "/api/v1/books/{symbol}", tag = "market", security((), ("bearer" = ["market:read"])),
    params(("symbol" = String, Path), BookQuery), responses((status = 200, body = Envelope<BookReport>)))]
async fn book(
    State(gateway): State<Arc<Gateway>>,
    Path(symbol): Path<String>,
    Query(query): Query<BookQuery>,
) -> Result<Data<BookReport>> {
    let depth = query.depth.unwrap_or(usize::MAX);
    if depth == 0 {
        return Err(ApiError::field("depth", "depth: 1 or more"));
    }
    let instrument = gateway.market.instrument(&symbol)?;
    let state = instrument.look();
    let book = state.book.as_ref().ok_or_else(|| not_told(&instrument, "book"))?;
    let report = BookReport::new(&instrument.symbol, book, depth);
    let as_of = format!("{}:0", report.seq);
    Ok(Data::new(report).as_of(as_of))
}

/// Which trades.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TradesQuery {
    /// Those after this number; absent: the newest.
    after: Option<u64>,
    /// A page, 1 to 1000; 100.
    limit: Option<usize>,
}

/// Trades, oldest first, of those that are kept (`market.trades_kept`): the newest, or those after a number.
#[utoipa::path(get, path = "/api/v1/trades/{symbol}", tag = "market", security((), ("bearer" = ["market:read"])),
    params(("symbol" = String, Path), TradesQuery), responses((status = 200, body = Envelope<Vec<TradeReport>>)))]
async fn trades(
    State(gateway): State<Arc<Gateway>>,
    Path(symbol): Path<String>,
    Query(query): Query<TradesQuery>,
) -> Result<Data<Vec<TradeReport>>> {
    let limit = limit(query.limit)?;
    let instrument = gateway.market.instrument(&symbol)?;
    let state = instrument.look();
    let kept = state.trades.len();
    let first = match query.after {
        Some(after) => state.trades.partition_point(|trade| trade.number <= after),
        None => kept.saturating_sub(limit),
    };
    let page = state.trades.range(first..kept.min(first.saturating_add(limit)));
    let trades = page.map(|trade| TradeReport::new(&state.terms, trade)).collect();
    Ok(told(Data::new(trades), as_of(&state)))
}

/// Which bars.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HistoryQuery {
    /// `ticks` (each trade is a bar), or a number and `s`, `m`, `h` or `d`, up to `366d`; `1m` if absent.
    resolution: Option<String>,
    /// Bars that begin then or later, RFC 3339; absent: the newest.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Bars that begin before, RFC 3339; absent: up to now.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// A page, 1 to 1000; 100.
    limit: Option<usize>,
    /// `meta.next_cursor` of the page before, in place of `from`.
    cursor: Option<String>,
}

/// Open, high, low, close, volume and VWAP by interval, oldest first; intervals without a trade have no bar. How far back depends on
/// the resolution: two hours by the second, two days by the minute, five years by the day, and not beyond the start of the gateway.
#[utoipa::path(get, path = "/api/v1/history/{symbol}", tag = "market", security((), ("bearer" = ["market:read"])),
    params(("symbol" = String, Path), HistoryQuery), responses((status = 200, body = Envelope<Vec<BarReport>>)))]
async fn history(
    State(gateway): State<Arc<Gateway>>,
    Path(symbol): Path<String>,
    Query(query): Query<HistoryQuery>,
) -> Result<Data<Vec<BarReport>>> {
    let text = query.resolution.as_deref().unwrap_or("1m");
    let resolution = Resolution::parse(text).ok_or_else(|| {
        let message = "resolution: 'ticks', or a number and s, m, h or d, up to 366d";
        ApiError::field("resolution", message)
    })?;
    let ns = |at: Timestamp| i64::try_from(at.as_nanosecond());
    let bound = |field, at: Option<Timestamp>| {
        at.map(ns).transpose().map_err(|_| ApiError::field(field, format!("{field}: 1678 to 2262")))
    };
    let cursor = query.cursor.as_deref().map(str::parse::<i64>).transpose().map_err(|_| {
        ApiError::field("cursor", "cursor: give meta.next_cursor of the page before")
    })?;
    let from_ns = cursor.or(bound("from", query.from)?);
    let to_ns = bound("to", query.to)?.unwrap_or(i64::MAX);
    let range = Range { from_ns, to_ns, limit: limit(query.limit)? };
    let instrument = gateway.market.instrument(&symbol)?;
    let state = instrument.look();
    let (bars, next) = match resolution {
        Resolution::Ticks => {
            let bar =
                |trade: &super::picture::TradeRow| Bar::of(trade.time_ns, trade.price, trade.qty);
            range.take(state.trades.iter().map(bar))
        }
        Resolution::Seconds(seconds) => state.bars.page(seconds, &range),
    };
    let reports = bars.iter().map(|bar| BarReport::new(&state.terms, bar)).collect();
    Ok(told(Data::page(reports, next.map(|ns| ns.to_string())), as_of(&state)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbol_itself_comes_before_what_begins_with_it_and_that_before_the_rest() {
        for (symbol, wanted, expected) in [
            ("AAPL", "AAPL", Some(0)),
            ("AAPL", "AA", Some(1)),
            ("AAPL", "PL", Some(2)),
            ("aapl", "AA", Some(1)),
            ("AAPL", "", Some(1)),
            ("AAPL", "X", None),
        ] {
            assert_eq!(rank(symbol, wanted), expected, "{symbol} {wanted}");
        }
        assert_eq!(read_cursor("1AAPL"), Ok((1, "AAPL")));
        for bad in ["", "A", "é1"] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
    }
}
