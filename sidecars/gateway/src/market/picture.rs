//! The market as it stands: of each instrument its terms, quote, book, trades and bars. One task a stream writes; whoever reads
//! holds the lock of one instrument for as long as a copy takes.

use super::bars::Bars;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tidegate_client::decimal::parse_nano;
use tidegate_client::proto;
use tokio::sync::Notify;

/// What of an instrument changed, as bits.
pub(crate) mod change {
    /// The best bid or offer.
    pub const QUOTE: u8 = 1;
    /// The book.
    pub const BOOK: u8 = 2;
    /// It traded.
    pub const TRADE: u8 = 4;
}

/// A trade. Prices and quantities count 1e-9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TradeRow {
    /// Its number among the trades of the instrument that came here, from 1.
    pub number: u64,
    /// The engine's time, nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// The price.
    pub price: i64,
    /// The quantity.
    pub qty: i64,
    /// The aggressor's side.
    pub aggressor: proto::Side,
    /// The input that caused it.
    pub seq: u64,
}

/// One side of a book, best first.
pub(crate) type Side = Vec<(i64, proto::Level)>;

/// A book, to the depth that is followed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// Bids, best first.
    pub bids: Side,
    /// Offers, best first.
    pub asks: Side,
    /// Whether the instrument trades.
    pub status: proto::TradingStatus,
    /// The engine's time of the last change.
    pub time_ns: i64,
    /// The input that caused it.
    pub seq: u64,
}

impl Book {
    fn update(&mut self, update: proto::BookUpdate) {
        self.status = update.status();
        self.time_ns = signed(update.ts);
        self.seq = update.seq;
        if update.snapshot {
            (self.bids, self.asks) = (Vec::new(), Vec::new());
        }
        for level in update.bids {
            set(&mut self.bids, level, |price| -i128::from(price));
        }
        for level in update.asks {
            set(&mut self.asks, level, i128::from);
        }
    }
}

/// Sets one level, or takes it away.
fn set(side: &mut Side, level: proto::Level, rank: impl Fn(i64) -> i128) {
    let Ok(price) = parse_nano(&level.price) else { return };
    let place = side.binary_search_by_key(&rank(price), |(price, _)| rank(*price));
    match (place, level.qty == "0") {
        (Ok(at), true) => drop(side.remove(at)),
        (Ok(at), false) => side[at] = (price, level),
        (Err(at), false) => side.insert(at, (price, level)),
        (Err(_), true) => {}
    }
}

/// How an instrument stands.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What it is.
    pub terms: Arc<proto::Instrument>,
    /// Best bid and offer; none came yet, or the engine cannot be reached.
    pub quote: Option<proto::Quote>,
    /// The book; none came yet, or the engine cannot be reached.
    pub book: Option<Book>,
    /// Trades that are kept, oldest first.
    pub trades: VecDeque<TradeRow>,
    /// Number of the last trade.
    pub traded: u64,
    /// Bars.
    pub bars: Bars,
}

/// An instrument; it keeps its slot for as long as the gateway runs.
#[derive(Debug)]
pub(crate) struct Instrument {
    /// Its place in the index.
    pub slot: u32,
    /// Its symbol.
    pub symbol: String,
    state: RwLock<State>,
    changed: AtomicU8,
}

impl Instrument {
    /// Looks at it; keep it short.
    pub fn look(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changed since it was last asked.
    pub fn take_changed(&self) -> u8 {
        self.changed.swap(0, Ordering::AcqRel)
    }
}

/// All instruments, by symbol.
#[derive(Debug, Default)]
pub(crate) struct Index {
    of: HashMap<String, Arc<Instrument>>,
    /// In the order of their symbols.
    pub sorted: Vec<Arc<Instrument>>,
}

impl Index {
    /// The instrument of a symbol.
    pub fn get(&self, symbol: &str) -> Option<&Arc<Instrument>> {
        self.of.get(symbol)
    }
}

/// The market as it stands.
#[derive(Debug)]
pub(crate) struct Picture {
    index: RwLock<Index>,
    trades_kept: usize,
    /// Bars that were written down, of instruments that are not defined yet.
    written: Mutex<HashMap<String, Bars>>,
    changed: Mutex<Vec<Arc<Instrument>>>,
    /// Rings when something changed.
    pub changes: Notify,
}

impl Picture {
    /// One that keeps so many trades of an instrument, and begins with these bars.
    pub fn new(trades_kept: usize, written: HashMap<String, Bars>) -> Self {
        Self {
            index: RwLock::default(),
            trades_kept,
            written: Mutex::new(written),
            changed: Mutex::default(),
            changes: Notify::new(),
        }
    }

    /// All instruments; keep it short.
    pub fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Defines instruments, or gives them other terms; the symbols of those that are new.
    pub fn define(&self, defined: Vec<proto::Instrument>) -> Vec<String> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let Index { of, sorted } = &mut *index;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for terms in defined {
            let terms = Arc::new(terms);
            if let Some(known) = of.get(&terms.symbol) {
                known.write().terms = terms;
                continue;
            }
            let symbol = terms.symbol.clone();
            let bars = written.remove(&symbol).unwrap_or_default();
            let state = State { terms, bars, ..State::default() };
            let instrument = Arc::new(Instrument {
                slot: u32::try_from(sorted.len()).unwrap_or(u32::MAX),
                symbol: symbol.clone(),
                state: RwLock::new(state),
                changed: AtomicU8::new(0),
            });
            let at = sorted.partition_point(|one| one.symbol < symbol);
            sorted.insert(at, Arc::clone(&instrument));
            of.insert(symbol.clone(), instrument);
            new.push(symbol);
        }
        new
    }

    /// Those that changed since it was last asked.
    pub fn take_changed(&self) -> Vec<Arc<Instrument>> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn touch(&self, instrument: &Arc<Instrument>, what: u8) {
        if instrument.changed.fetch_or(what, Ordering::AcqRel) == 0 {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.push(Arc::clone(instrument));
            drop(changed);
            self.changes.notify_one();
        }
    }

    /// Takes a quote.
    pub fn quote(&self, quote: proto::Quote) {
        let Some(instrument) = self.index().get(&quote.symbol).cloned() else { return };
        instrument.write().quote = Some(quote);
        self.touch(&instrument, change::QUOTE);
    }

    /// Takes a change of a book.
    pub fn book(&self, update: proto::BookUpdate) {
        let Some(instrument) = self.index().get(&update.symbol).cloned() else { return };
        instrument.write().book.get_or_insert_default().update(update);
        self.touch(&instrument, change::BOOK);
    }

    /// Takes a trade.
    pub fn trade(&self, trade: &proto::Trade) {
        let Some(instrument) = self.index().get(&trade.symbol).cloned() else { return };
        let (Ok(price), Ok(qty)) = (parse_nano(&trade.price), parse_nano(&trade.qty)) else {
            return;
        };
        let mut state = instrument.write();
        if trade.skipped > 0 || trade.lost_upstream > 0 {
            state.bars.broke();
        }
        // The engine's time never goes back; the order of bars does not stand on it all the same.
        let last_ns = state.trades.back().map_or(i64::MIN, |trade| trade.time_ns);
        let time_ns = signed(trade.ts).max(last_ns);
        state.traded += 1;
        let number = state.traded;
        if state.trades.len() >= self.trades_kept {
            state.trades.pop_front();
        }
        let (aggressor, seq) = (trade.aggressor(), trade.seq);
        state.trades.push_back(TradeRow { number, time_ns, price, qty, aggressor, seq });
        state.bars.trade(time_ns, price, qty);
        drop(state);
        self.touch(&instrument, change::TRADE);
    }

    /// The streams of these broke: what they had told is not known any more, and trades may have been missed.
    pub fn broke(&self, symbols: &[String]) {
        let index = self.index();
        for instrument in symbols.iter().filter_map(|symbol| index.get(symbol)) {
            let mut state = instrument.write();
            (state.quote, state.book) = (None, None);
            state.bars.broke();
        }
    }
}

/// Nanoseconds of the engine's, signed.
pub(crate) fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: &str, qty: &str) -> proto::Level {
        proto::Level { price: price.into(), qty: qty.into(), orders: 1 }
    }

    #[test]
    fn deltas_change_a_book_and_a_snapshot_replaces_it() {
        let mut book = Book::default();
        book.update(proto::BookUpdate {
            snapshot: true,
            bids: vec![level("10", "5"), level("9.5", "1")],
            asks: vec![level("11", "2")],
            ..Default::default()
        });
        book.update(proto::BookUpdate {
            bids: vec![level("9.75", "3"), level("10", "0"), level("8", "0")],
            asks: vec![level("11.00", "7"), level("10.5", "1")],
            ..Default::default()
        });
        let text = |side: &Side| -> Vec<String> {
            side.iter().map(|(_, level)| format!("{}x{}", level.price, level.qty)).collect()
        };
        assert_eq!(text(&book.bids), ["9.75x3", "9.5x1"]);
        assert_eq!(text(&book.asks), ["10.5x1", "11.00x7"]);
        book.update(proto::BookUpdate { snapshot: true, ..Default::default() });
        assert!(book.bids.is_empty() && book.asks.is_empty());
    }

    #[test]
    fn trades_are_bounded_and_numbered() {
        let picture = Picture::new(3, HashMap::new());
        let acme = proto::Instrument { symbol: "ACME".into(), ..Default::default() };
        assert_eq!(picture.define(vec![acme.clone()]), ["ACME"]);
        assert!(picture.define(vec![acme]).is_empty());
        for ts in [5, 6, 4, 8] {
            let (symbol, price, qty) = ("ACME".into(), "10".into(), "1".into());
            picture.trade(&proto::Trade { symbol, price, qty, ts, ..Default::default() });
        }
        let index = picture.index();
        let acme = index.get("ACME").expect("defined");
        let rows: Vec<_> = acme.look().trades.iter().map(|t| (t.number, t.time_ns)).collect();
        assert_eq!(rows, [(2, 6), (3, 6), (4, 8)]);
        assert_eq!((picture.take_changed().len(), acme.take_changed()), (1, change::TRADE));
        assert_eq!((picture.take_changed().len(), acme.take_changed()), (0, 0));
    }
}
