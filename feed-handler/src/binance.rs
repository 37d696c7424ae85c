//! Binance market streams as recorders write them: lines of a receive time in nanoseconds, a space, and the message as JSON.
//!
//! | message | events |
//! |---|---|
//! | `depthUpdate` | `Level` for each level, those that are gone first |
//! | a snapshot (`lastUpdateId`) | `Clear`, `Level` for each level, and what changed since it was taken |
//! | `trade`, else `aggTrade` | `Trade` with the aggressor's side; trades that met no order (`X` other than `MARKET`) are skipped |
//! | `bookTicker` | `Quote` for the side that changed, as long as no depth was told |
//!
//! Messages may stand in `{"stream": ..., "data": ...}`. Everything else is counted and skipped. Times are the exchange's
//! transaction times (`T`, else `E`), in milliseconds. A snapshot comes late: the changes told before it that it does not hold yet are
//! told again after it. Where updates are missing (`pu`, else `U`, does not follow) the book is cleared, since nobody knows
//! what it holds. Formats: Binance API, "Diff. Book Depth Streams", "Trade Streams", "Individual Symbol Book Ticker Streams".
//!
//! Prices and quantities count in 1e-8, of which every symbol's ticks and lots are multiples.

use crate::error::Error;
use crate::lines::{Lines, wrong};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use tidegate_model::market::{Definition, MarketEvent, MarketEventKind, Side};
use tidegate_model::{InstrumentId, Lots, Symbol, Ticks, UnixNanos, decimal};

/// What one tick and one lot are, in 1e-9.
pub const UNIT_NANO: i64 = 10;
/// Symbols a file may have.
const CHANNELS_MAX: usize = InstrumentId::COUNT_MAX;
/// Changes of levels that are kept to be told again after a snapshot: those of some seconds in the busiest symbols.
const CHANGES_KEPT_MAX: usize = 1 << 16;

/// What a message is, before it is read whole.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
    #[serde(rename = "lastUpdateId")]
    last_update_id: Option<u64>,
    /// Book tickers of spot have this and no `e`.
    u: Option<u64>,
    #[serde(borrow)]
    data: Option<Box<Head<'a>>>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Depth,
    Snapshot,
    Trade,
    AggTrade,
    Ticker,
    Other,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Depth, Self::Snapshot, Self::Trade, Self::AggTrade, Self::Ticker, Self::Other];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Depth => "depthUpdate",
            Self::Snapshot => "snapshot",
            Self::Trade => "trade",
            Self::AggTrade => "aggTrade",
            Self::Ticker => "bookTicker",
            Self::Other => "other",
        }
    }

    fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).unwrap_or(Self::Other)
    }
}

#[derive(Deserialize)]
struct Wrapped<T> {
    data: T,
}

type Pairs = Vec<(String, String)>;

#[derive(Deserialize)]
struct Depth {
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(rename = "T")]
    transaction_time: Option<u64>,
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "U")]
    first_update: u64,
    #[serde(rename = "u")]
    last_update: u64,
    #[serde(rename = "pu")]
    previous_update: Option<u64>,
    #[serde(rename = "b")]
    bids: Pairs,
    #[serde(rename = "a")]
    asks: Pairs,
}

#[derive(Deserialize)]
struct Snapshot {
    #[serde(rename = "lastUpdateId")]
    last_update: u64,
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(rename = "T")]
    transaction_time: Option<u64>,
    bids: Pairs,
    asks: Pairs,
}

#[derive(Deserialize)]
struct Trade {
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(rename = "T")]
    transaction_time: Option<u64>,
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "t", alias = "a")]
    id: u64,
    #[serde(rename = "p")]
    price: String,
    #[serde(rename = "q")]
    qty: String,
    #[serde(rename = "X")]
    kind: Option<String>,
    /// The buyer rested, so the aggressor sold.
    #[serde(rename = "m")]
    buyer_is_maker: bool,
}

#[derive(Deserialize)]
struct Ticker {
    #[serde(rename = "E")]
    event_time: Option<u64>,
    #[serde(rename = "T")]
    transaction_time: Option<u64>,
    #[serde(rename = "s")]
    symbol: String,
    #[serde(rename = "b")]
    bid: String,
    #[serde(rename = "B")]
    bid_qty: String,
    #[serde(rename = "a")]
    ask: String,
    #[serde(rename = "A")]
    ask_qty: String,
}

/// A level as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    side: Side,
    price: Ticks,
    qty: Lots,
}

/// A change that may have to be told again.
#[derive(Debug)]
struct Kept {
    first_update: u64,
    last_update: u64,
    ts_event: UnixNanos,
    levels: Vec<Told>,
}

/// What is known of a symbol.
#[derive(Debug)]
struct Channel {
    id: u32,
    /// The last update of depth, once one was told.
    last_update: Option<u64>,
    /// The last update that the snapshot holds: older ones come too late.
    taken_at: u64,
    /// Which kind of trades is used: of two that tell the same one is enough.
    trades: Option<Kind>,
    /// Bid and offer, of a symbol without depth.
    quotes: [Option<Told>; 2],
    kept: VecDeque<Kept>,
    kept_levels: usize,
}

/// The line that is read.
#[derive(Clone, Copy)]
struct Stamp {
    number: u64,
    ts_recv: UnixNanos,
}

/// Reads one recorded stream.
pub struct BinanceReader<R> {
    lines: Lines<R>,
    channels: BTreeMap<Symbol, Channel>,
    counts: [u64; Kind::ALL.len()],
    skipped: u64,
    finished: bool,
}

/// True if `text`, the begin of a stream, is a recorded message.
pub fn is_recording(text: &str) -> bool {
    split(text).is_some()
}

/// Receive time and message.
fn split(line: &str) -> Option<(u64, &str)> {
    let (time, message) = line.split_once(' ')?;
    let is_time = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    let message = message.trim();
    (is_time && message.starts_with('{')).then_some(())?;
    Some((time.parse().ok()?, message))
}

impl<R: Read> BinanceReader<R> {
    /// Reads `input`, which is not compressed.
    pub fn new(input: R) -> Self {
        let lines = Lines::new(input);
        let counts = [0; Kind::ALL.len()];
        Self { lines, channels: BTreeMap::new(), counts, skipped: 0, finished: false }
    }

    /// Lines read so far.
    pub fn lines(&self) -> u64 {
        self.lines.lines()
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    /// Messages that gave nothing although their kind is read.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Messages of each kind so far, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.counts;
        Kind::ALL.iter().map(move |&kind| (kind.as_str(), counts[kind as usize]))
    }

    /// Reads one line and gives its events to `emit`; false at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::Line`], [`Error::Read`] or [`Error::TooManyInstruments`].
    pub fn read_line(&mut self, mut emit: impl FnMut(MarketEvent)) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        self.finished = true;
        let Some(text) = self.lines.next_line()? else { return Ok(false) };
        let text = text.to_string();
        let number = self.lines.lines();
        if !text.trim().is_empty() {
            let Some((ts_recv, message)) = split(&text) else {
                return Err(wrong(
                    number,
                    "it is not a time in nanoseconds, a space and a JSON object",
                ));
            };
            self.message(message, Stamp { number, ts_recv: UnixNanos(ts_recv) }, &mut emit)?;
        }
        self.finished = false;
        Ok(true)
    }

    fn message(
        &mut self,
        text: &str,
        stamp: Stamp,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Error> {
        let outer: Head<'_> = parse(text, stamp)?;
        let wrapped = outer.data.is_some();
        let head = match outer.data {
            Some(inner) => *inner,
            None => outer,
        };
        let kind = match (&head.e, head.last_update_id, head.u) {
            (Some(name), ..) => Kind::of(name),
            (None, Some(_), _) => Kind::Snapshot,
            (None, None, Some(_)) => Kind::Ticker,
            (None, None, None) => Kind::Other,
        };
        self.counts[kind as usize] += 1;
        match kind {
            Kind::Depth => self.depth(&body(text, wrapped, stamp)?, stamp, emit)?,
            Kind::Snapshot => self.snapshot(&body(text, wrapped, stamp)?, stamp, emit)?,
            Kind::Trade | Kind::AggTrade => {
                self.trade(kind, &body(text, wrapped, stamp)?, stamp, emit)?;
            }
            Kind::Ticker => self.ticker(&body(text, wrapped, stamp)?, stamp, emit)?,
            Kind::Other => self.skipped += 1,
        }
        Ok(())
    }

    /// The symbol's channel, defined before its first event. `price` shows how many decimals its prices have.
    fn channel(
        &mut self,
        symbol: &str,
        price: Option<&str>,
        stamp: Stamp,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<&mut Channel, Error> {
        let symbol = Symbol::new(symbol)
            .map_err(|error| wrong(stamp.number, format!("symbol {symbol:?}: {error}")))?;
        let known = self.channels.len();
        if known == CHANNELS_MAX && !self.channels.contains_key(&symbol) {
            let (offset, record) = (self.lines.bytes(), stamp.number);
            return Err(Error::TooManyInstruments { offset, record, limit: CHANNELS_MAX });
        }
        Ok(self.channels.entry(symbol).or_insert_with(|| {
            let decimals =
                price.and_then(|price| price.split_once('.')).map_or(2, |part| part.1.len());
            let definition = Definition {
                kind: MarketEventKind::Definition.wire(),
                price_scale: decimals.min(8) as u8,
                flags: 0,
                channel_id: known as u32,
                ts_event: stamp.ts_recv,
                ts_recv: stamp.ts_recv,
                symbol,
                tick_size_nano: UNIT_NANO,
                lot_size_nano: UNIT_NANO,
            };
            emit(definition.into_event());
            Channel {
                id: known as u32,
                last_update: None,
                taken_at: 0,
                trades: None,
                quotes: [None; 2],
                kept: VecDeque::new(),
                kept_levels: 0,
            }
        }))
    }

    fn depth(
        &mut self,
        depth: &Depth,
        stamp: Stamp,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Error> {
        let levels = levels_of(&depth.bids, &depth.asks, stamp)?;
        let ts_event = time_of(depth.transaction_time, depth.event_time, stamp)?;
        let price = depth.bids.first().or(depth.asks.first()).map(|level| level.0.as_str());
        let channel = self.channel(&depth.symbol, price, stamp, emit)?;
        let event = event_of(channel.id, ts_event, stamp);
        let follows = match (channel.last_update, depth.previous_update) {
            (None, _) => true,
            (Some(last), Some(previous)) => previous == last,
            (Some(last), None) => depth.first_update <= last.saturating_add(1),
        };
        let had_quotes = channel.quotes != [None; 2];
        if !follows || had_quotes {
            emit(MarketEvent { kind: MarketEventKind::Clear.wire(), ..event });
            channel.forget();
        }
        channel.last_update = Some(depth.last_update);
        if depth.last_update <= channel.taken_at {
            self.skipped += 1;
            return Ok(());
        }
        give(&levels, event, emit);
        channel.keep(Kept {
            first_update: depth.first_update,
            last_update: depth.last_update,
            ts_event,
            levels,
        });
        Ok(())
    }

    /// A snapshot does not say whose it is: of several symbols none is taken.
    fn snapshot(
        &mut self,
        snapshot: &Snapshot,
        stamp: Stamp,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Error> {
        let levels = levels_of(&snapshot.bids, &snapshot.asks, stamp)?;
        let ts_event = time_of(snapshot.transaction_time, snapshot.event_time, stamp)?;
        let mut channels = self.channels.values_mut();
        let (Some(channel), None) = (channels.next(), channels.next()) else {
            self.skipped += 1;
            return Ok(());
        };
        let taken_at = snapshot.last_update;
        let later = channel.kept.iter().position(|kept| kept.last_update > taken_at);
        let is_joined = match later {
            // What it lacks is kept from its very next update on.
            Some(at) => channel.kept[at].first_update <= taken_at.saturating_add(1) || at > 0,
            None => channel.last_update.is_none_or(|last| last <= taken_at),
        };
        if !is_joined {
            self.skipped += 1;
            return Ok(());
        }
        let event = event_of(channel.id, ts_event, stamp);
        emit(MarketEvent { kind: MarketEventKind::Clear.wire(), ..event });
        give(&levels, event, emit);
        for kept in channel.kept.iter().skip(later.unwrap_or(channel.kept.len())) {
            give(&kept.levels, MarketEvent { ts_event: kept.ts_event, ..event }, emit);
        }
        channel.quotes = [None; 2];
        channel.taken_at = taken_at;
        Ok(())
    }

    fn trade(
        &mut self,
        kind: Kind,
        trade: &Trade,
        stamp: Stamp,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Error> {
        let told = told_of(Side::Buy, &trade.price, &trade.qty, stamp)?;
        let ts_event = time_of(trade.transaction_time, trade.event_time, stamp)?;
        let met_orders = trade.kind.as_deref().is_none_or(|kind| kind == "MARKET");
        let channel = self.channel(&trade.symbol, Some(&trade.price), stamp, emit)?;
        if !met_orders || *channel.trades.get_or_insert(kind) != kind {
            self.skipped += 1;
            return Ok(());
        }
        let aggressor = if trade.buyer_is_maker { Side::Sell } else { Side::Buy };
        emit(MarketEvent {
            kind: MarketEventKind::Trade.wire(),
            side: aggressor.wire(),
            price: told.price,
            qty: told.qty,
            aux: trade.id,
            ..event_of(channel.id, ts_event, stamp)
        });
        Ok(())
    }

    fn ticker(
        &mut self,
        ticker: &Ticker,
        stamp: Stamp,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(), Error> {
        let bid = told_of(Side::Buy, &ticker.bid, &ticker.bid_qty, stamp)?;
        let ask = told_of(Side::Sell, &ticker.ask, &ticker.ask_qty, stamp)?;
        let ts_event = time_of(ticker.transaction_time, ticker.event_time, stamp)?;
        let channel = self.channel(&ticker.symbol, Some(&ticker.bid), stamp, emit)?;
        if channel.last_update.is_some() {
            // Depth tells more.
            self.skipped += 1;
            return Ok(());
        }
        let event = event_of(channel.id, ts_event, stamp);
        for told in [bid, ask] {
            if channel.quotes[told.side.index()].replace(told) != Some(told) {
                emit(told.event(MarketEventKind::Quote, event));
            }
        }
        Ok(())
    }
}

impl Channel {
    /// What was told before belongs to nothing any more.
    fn forget(&mut self) {
        self.kept.clear();
        self.kept_levels = 0;
        self.quotes = [None; 2];
    }

    fn keep(&mut self, change: Kept) {
        self.kept_levels += change.levels.len();
        self.kept.push_back(change);
        while self.kept_levels > CHANGES_KEPT_MAX || self.kept.len() > CHANGES_KEPT_MAX {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_levels -= oldest.levels.len();
        }
    }
}

impl Told {
    fn event(&self, kind: MarketEventKind, template: MarketEvent) -> MarketEvent {
        let Self { side, price, qty } = *self;
        MarketEvent { kind: kind.wire(), side: side.wire(), price, qty, ..template }
    }
}

/// The levels that are gone first, so that the book is not crossed where it only moved.
fn give(levels: &[Told], template: MarketEvent, emit: &mut impl FnMut(MarketEvent)) {
    let (gone, left): (Vec<&Told>, Vec<&Told>) =
        levels.iter().partition(|told| told.qty == Lots::ZERO);
    for told in gone.into_iter().chain(left) {
        emit(told.event(MarketEventKind::Level, template));
    }
}

fn event_of(channel_id: u32, ts_event: UnixNanos, stamp: Stamp) -> MarketEvent {
    let Stamp { number: feed_seq, ts_recv } = stamp;
    MarketEvent { channel_id, ts_event, ts_recv, feed_seq, ..MarketEvent::default() }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str, stamp: Stamp) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| wrong(stamp.number, format!("its JSON: {error}")))
}

fn body<T: DeserializeOwned>(text: &str, wrapped: bool, stamp: Stamp) -> Result<T, Error> {
    if wrapped { Ok(parse::<Wrapped<T>>(text, stamp)?.data) } else { parse(text, stamp) }
}

/// The exchange's time, from milliseconds; the receive time where there is none.
fn time_of(first: Option<u64>, second: Option<u64>, stamp: Stamp) -> Result<UnixNanos, Error> {
    let Some(millis) = first.or(second) else { return Ok(stamp.ts_recv) };
    let nanos = millis.checked_mul(1_000_000);
    nanos
        .map(UnixNanos)
        .ok_or_else(|| wrong(stamp.number, format!("time {millis} ms does not fit")))
}

fn told_of(side: Side, price: &str, qty: &str, stamp: Stamp) -> Result<Told, Error> {
    let fail = |error: tidegate_model::DecimalError| wrong(stamp.number, error.to_string());
    let price = decimal::parse_ticks(price, UNIT_NANO).map_err(fail)?;
    let qty = decimal::parse_lots(qty, UNIT_NANO).map_err(fail)?;
    Ok(Told { side, price, qty })
}

fn levels_of(bids: &Pairs, asks: &Pairs, stamp: Stamp) -> Result<Vec<Told>, Error> {
    let bids = bids.iter().map(|level| (Side::Buy, level));
    let asks = asks.iter().map(|level| (Side::Sell, level));
    bids.chain(asks).map(|(side, (price, qty))| told_of(side, price, qty, stamp)).collect()
}

#[cfg(test)]
#[path = "binance_tests.rs"]
mod tests;
