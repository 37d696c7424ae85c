//! What is told of the market: the same over REST and over streams.

use super::bars::Bar;
use super::picture::{Book, State, TradeRow, signed};
use jiff::Timestamp;
use serde::Serialize;
use tidegate_client::decimal::format_scaled;
use tidegate_client::proto;
use utoipa::ToSchema;

/// Digits of what counts 1e-9.
const NANO: u32 = 9;

/// A time of the engine's.
pub(crate) fn time(ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(ns.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A text of the protocol's, where it has one.
pub(crate) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

/// The name of a protocol's value, without what all of its kind begin with, in lower case.
pub(crate) fn name(full: &str, prefix: &str) -> String {
    full.strip_prefix(prefix).unwrap_or(full).to_lowercase()
}

/// What can be traded.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct InstrumentReport {
    /// As the venue writes it.
    symbol: String,
    /// The venue, such as `XNAS`.
    venue: String,
    /// The currency of prices.
    currency: String,
    /// `equity`, `future`, and so on.
    asset_class: String,
    /// Prices of the market are multiples of it.
    tick_size: String,
    /// Quantities of the market are multiples of it.
    lot_size: String,
    /// Units of the underlying per unit traded.
    multiplier: String,
    /// Prices of orders are multiples of it, from `order_tick_from` on.
    order_tick: String,
    /// Below, prices of orders are multiples of `tick_size`.
    order_tick_from: String,
    /// Quantities of orders are multiples of it.
    order_lot: String,
    /// Bands FROM:STEP of order prices, which hold in place of `order_tick`; none has no table.
    tick_table: Option<String>,
    /// Fee when resting, a fraction of the notional.
    maker_fee_rate: String,
    /// Fee when taking.
    taker_fee_rate: String,
    /// Digits of a price after the point, at least.
    price_decimals: u32,
    /// Digits of a quantity after the point, at least.
    qty_decimals: u32,
    /// `paid` or `daily`.
    settlement: String,
    /// `paper`, `internal` or `route`.
    venue_kind: String,
    /// The sector that risk counts it in (GET /sectors), if any.
    sector: Option<String>,
}

impl InstrumentReport {
    /// Of its terms, in a sector.
    pub fn new(terms: &proto::Instrument, sector: Option<String>) -> Self {
        let terms = terms.clone();
        Self {
            asset_class: name(terms.asset_class().as_str_name(), "ASSET_CLASS_"),
            settlement: name(terms.settlement().as_str_name(), "SETTLEMENT_"),
            venue_kind: name(terms.venue_kind().as_str_name(), "VENUE_KIND_"),
            tick_table: some(&terms.tick_table),
            symbol: terms.symbol,
            venue: terms.venue,
            currency: terms.currency,
            tick_size: terms.tick_size,
            lot_size: terms.lot_size,
            multiplier: terms.multiplier,
            order_tick: terms.order_tick,
            order_tick_from: terms.order_tick_from,
            order_lot: terms.order_lot,
            maker_fee_rate: terms.maker_fee_rate,
            taker_fee_rate: terms.taker_fee_rate,
            price_decimals: terms.price_decimals,
            qty_decimals: terms.qty_decimals,
            sector,
        }
    }

    /// Whether it is of this class and venue, where they are named.
    pub fn fits(&self, asset_class: Option<&str>, venue: Option<&str>) -> bool {
        asset_class.is_none_or(|class| class == self.asset_class)
            && venue.is_none_or(|venue| venue == self.venue)
    }
}

/// Best bid and offer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct QuoteReport {
    /// The instrument.
    symbol: String,
    /// Best bid; none if there is none.
    bid_price: Option<String>,
    /// Quantity at it.
    bid_qty: Option<String>,
    /// Best offer.
    ask_price: Option<String>,
    /// Quantity at it.
    ask_qty: Option<String>,
    /// Price of the last trade.
    last_price: Option<String>,
    /// `trading`, `halted`, `paused`, `quotation_only`, `closed`, or `unspecified`: the feed has not said.
    status: String,
    /// What an auction would do; none while none would trade.
    #[serde(skip_serializing_if = "Option::is_none")]
    auction: Option<AuctionReport>,
    /// The engine's time of the last change.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The engine's input that caused it.
    seq: u64,
}

/// What an auction would do now.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct AuctionReport {
    /// The price; none if nothing would trade.
    price: Option<String>,
    /// What would trade.
    qty: String,
    /// What would be left at that price.
    imbalance_qty: String,
    /// On which side: `buy`, `sell` or `unspecified`.
    imbalance_side: String,
}

impl QuoteReport {
    /// Of a quote of the edge's.
    pub fn new(quote: &proto::Quote) -> Self {
        Self {
            symbol: quote.symbol.clone(),
            bid_price: some(&quote.bid_price),
            bid_qty: some(&quote.bid_qty),
            ask_price: some(&quote.ask_price),
            ask_qty: some(&quote.ask_qty),
            last_price: some(&quote.last_price),
            status: name(quote.status().as_str_name(), "TRADING_STATUS_"),
            auction: quote.auction.as_ref().map(|auction| AuctionReport {
                price: some(&auction.price),
                qty: auction.qty.clone(),
                imbalance_qty: auction.imbalance_qty.clone(),
                imbalance_side: side(auction.imbalance_side()),
            }),
            time: time(signed(quote.ts)),
            seq: quote.seq,
        }
    }
}

fn side(side: proto::Side) -> String {
    name(side.as_str_name(), "SIDE_")
}

/// One price level.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LevelReport {
    /// The price.
    price: String,
    /// The quantity at it.
    qty: String,
    /// Orders in it; 0 if the feed shows none.
    orders: u32,
}

/// A book.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BookReport {
    /// The instrument.
    symbol: String,
    /// Bids, best first.
    bids: Vec<LevelReport>,
    /// Offers, best first.
    asks: Vec<LevelReport>,
    /// As in a quote.
    status: String,
    /// The engine's time of the last change.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The engine's input that caused it.
    pub seq: u64,
}

impl BookReport {
    /// So many levels of each side.
    pub fn new(symbol: &str, book: &Book, depth: usize) -> Self {
        let levels = |side: &[(i64, proto::Level)]| -> Vec<LevelReport> {
            let report = |(_, level): &(i64, proto::Level)| LevelReport {
                price: level.price.clone(),
                qty: level.qty.clone(),
                orders: level.orders,
            };
            side.iter().take(depth).map(report).collect()
        };
        Self {
            symbol: symbol.to_string(),
            bids: levels(&book.bids),
            asks: levels(&book.asks),
            status: name(book.status.as_str_name(), "TRADING_STATUS_"),
            time: time(book.time_ns),
            seq: book.seq,
        }
    }
}

/// A trade of the market.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct TradeReport {
    /// Its number among those of the instrument, since the gateway started: they are dense.
    number: u64,
    /// The price.
    price: String,
    /// The quantity.
    qty: String,
    /// Who took: `buy`, `sell`, or `unspecified`: the feed does not tell.
    aggressor: String,
    /// The engine's time.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The engine's input that caused it.
    seq: u64,
}

impl TradeReport {
    /// With the digits that prices of the instrument have.
    pub fn new(terms: &proto::Instrument, trade: &TradeRow) -> Self {
        Self {
            number: trade.number,
            price: price(terms, trade.price.into()),
            qty: qty(terms, trade.qty.into()),
            aggressor: side(trade.aggressor),
            time: time(trade.time_ns),
            seq: trade.seq,
        }
    }
}

/// A bar.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct BarReport {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    /// First price.
    open: String,
    /// Highest price.
    high: String,
    /// Lowest price.
    low: String,
    /// Last price.
    close: String,
    /// What was traded.
    volume: String,
    /// The average price by volume, rounded half to even at 9 digits.
    vwap: String,
    /// How many trades.
    trades: u64,
    /// False if trades of the interval may be missing: the gateway started or lost the engine in it.
    is_whole: bool,
}

impl BarReport {
    /// With the digits that prices of the instrument have.
    pub fn new(terms: &proto::Instrument, bar: &Bar) -> Self {
        Self {
            start: time(bar.start_ns),
            open: price(terms, bar.open.into()),
            high: price(terms, bar.high.into()),
            low: price(terms, bar.low.into()),
            close: price(terms, bar.close.into()),
            volume: qty(terms, bar.volume),
            vwap: price(terms, bar.vwap()),
            trades: bar.trades,
            is_whole: bar.is_whole,
        }
    }
}

fn digits(decimals: u32) -> u8 {
    u8::try_from(decimals.min(NANO)).unwrap_or(0)
}

fn price(terms: &proto::Instrument, nano: i128) -> String {
    format_scaled(nano, NANO, digits(terms.price_decimals))
}

fn qty(terms: &proto::Instrument, nano: i128) -> String {
    format_scaled(nano, NANO, digits(terms.qty_decimals))
}

/// The engine's last input that a state of an instrument includes, as `meta.as_of` has it.
pub(crate) fn as_of(state: &State) -> Option<String> {
    let quote = state.quote.as_ref().map(|quote| quote.seq);
    let book = state.book.as_ref().map(|book| book.seq);
    let trade = state.trades.back().map(|trade| trade.seq);
    quote.max(book).max(trade).map(|seq| format!("{seq}:0"))
}
