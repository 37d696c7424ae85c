//! One instrument's public state.

use crate::sync::lock;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tidegate_model::market::TradingStatus;
use tidegate_model::{Lots, PublicKind, PublicUpdate, SeqNo, Side, Ticks, UnixNanos};

/// Trades kept for consumers that are behind; who is further behind is told how many it missed.
const TRADES_KEPT: usize = 1_024;

/// A price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub price: Ticks,
    pub qty: Lots,
    pub orders: u32,
}

/// A trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TradeRow {
    pub price: Ticks,
    pub qty: Lots,
    /// A [`Side`] on the wire, or 0.
    pub aggressor: u8,
    pub ts_event: UnixNanos,
    pub ts: UnixNanos,
    pub seq: SeqNo,
}

/// What an auction would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuctionRow {
    pub price: Ticks,
    pub qty: Lots,
    pub imbalance: Lots,
    /// The imbalance's [`Side`] on the wire, or 0.
    pub side: u8,
}

/// The best levels of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    pub bids: Vec<Row>,
    pub asks: Vec<Row>,
}

/// Levels, last trade and status.
#[derive(Debug, Default)]
pub(crate) struct BookState {
    /// Quantity and orders by price.
    sides: [BTreeMap<Ticks, (Lots, u32)>; 2],
    /// False while updates are missing from it.
    is_whole: bool,
    is_in_picture: bool,
    /// A TradingStatus on the wire, or 0.
    pub status: u8,
    /// While orders are collected.
    auction: Option<AuctionRow>,
    /// The first half of what was told of it last.
    indicative: AuctionRow,
    pub last_price: Option<Ticks>,
    pub ts_event: UnixNanos,
    pub ts: UnixNanos,
    pub seq: SeqNo,
    trades: VecDeque<TradeRow>,
    trades_total: u64,
    /// Changes of the book, and of its best levels or status, ever.
    pub book_version: u64,
    pub quote_version: u64,
}

/// A book that one thread changes and many look at.
#[derive(Debug)]
pub(crate) struct BookCell {
    state: Mutex<BookState>,
    /// Copies of the versions, to see without the lock that nothing changed.
    book_version: AtomicU64,
    quote_version: AtomicU64,
    trades_total: AtomicU64,
    is_wanted: AtomicBool,
}

impl BookCell {
    pub fn new(is_whole: bool) -> Self {
        Self {
            state: Mutex::new(BookState { is_whole, ..BookState::default() }),
            book_version: AtomicU64::new(0),
            quote_version: AtomicU64::new(0),
            trades_total: AtomicU64::new(0),
            is_wanted: AtomicBool::new(false),
        }
    }

    pub fn book_version(&self) -> u64 {
        self.book_version.load(Ordering::Acquire)
    }

    pub fn quote_version(&self) -> u64 {
        self.quote_version.load(Ordering::Acquire)
    }

    pub fn trades_total(&self) -> u64 {
        self.trades_total.load(Ordering::Acquire)
    }

    /// Looks at a whole book; `None` while it is not.
    pub fn look<T>(&self, look: impl FnOnce(&BookState) -> T) -> Option<T> {
        let state = lock(&self.state);
        (state.is_whole && !state.is_in_picture).then(|| look(&state))
    }

    /// Looks at trades, which need no whole book.
    pub fn look_at_trades<T>(&self, look: impl FnOnce(&BookState) -> T) -> T {
        look(&lock(&self.state))
    }

    /// Somebody wants this book; true if it has to be asked for.
    pub(super) fn want(&self) -> bool {
        self.is_wanted.store(true, Ordering::Relaxed);
        let state = lock(&self.state);
        !state.is_whole && !state.is_in_picture
    }

    /// Updates may be missing; true if somebody wants the book.
    pub(super) fn doubt(&self) -> bool {
        let mut state = lock(&self.state);
        state.is_whole = false;
        state.is_in_picture = false;
        self.is_wanted.load(Ordering::Relaxed)
    }

    pub(super) fn apply(&self, update: &PublicUpdate) {
        let mut state = lock(&self.state);
        state.apply(update);
        self.book_version.store(state.book_version, Ordering::Release);
        self.quote_version.store(state.quote_version, Ordering::Release);
        self.trades_total.store(state.trades_total, Ordering::Release);
    }
}

impl BookState {
    /// The best bid or offer.
    pub fn best(&self, side: Side) -> Option<Row> {
        let row = |(&price, &(qty, orders)): (&Ticks, &(Lots, u32))| Row { price, qty, orders };
        let levels = &self.sides[side.index()];
        match side {
            Side::Buy => levels.last_key_value().map(row),
            Side::Sell => levels.first_key_value().map(row),
        }
    }

    /// The best `count` levels of both sides.
    pub fn depth(&self, count: usize) -> Depth {
        let row = |(&price, &(qty, orders)): (&Ticks, &(Lots, u32))| Row { price, qty, orders };
        Depth {
            bids: self.sides[Side::Buy.index()].iter().rev().take(count).map(row).collect(),
            asks: self.sides[Side::Sell.index()].iter().take(count).map(row).collect(),
        }
    }

    /// What an auction would do, while orders are collected for one.
    pub fn auction(&self) -> Option<AuctionRow> {
        self.auction
    }

    /// Trades after the first `seen`, and how many of those are no longer kept.
    pub fn trades_after(&self, seen: u64) -> (Vec<TradeRow>, u64) {
        let fresh = self.trades_total.saturating_sub(seen);
        let kept = fresh.min(self.trades.len() as u64) as usize;
        let rows = self.trades.range(self.trades.len() - kept..).copied().collect();
        (rows, fresh - kept as u64)
    }

    /// Twice the price a position is valued at, in ticks: the sum of best bid and offer, else twice the last trade.
    pub fn mark_doubled(&self) -> Option<i128> {
        let best = |side| self.best(side).map(|row| i128::from(row.price.0));
        match (best(Side::Buy), best(Side::Sell)) {
            (Some(bid), Some(ask)) => Some(bid + ask),
            _ => self.last_price.map(|price| 2 * i128::from(price.0)),
        }
    }

    fn apply(&mut self, update: &PublicUpdate) {
        match PublicKind::from_wire(update.kind) {
            Some(PublicKind::Level) => {
                let Some(side) = Side::from_wire(update.side) else { return };
                let before = self.best(side);
                let levels = &mut self.sides[side.index()];
                if update.qty.0 == 0 {
                    levels.remove(&update.price);
                } else {
                    levels.insert(update.price, (update.qty, update.orders));
                }
                self.book_version += 1;
                self.quote_version += u64::from(self.best(side) != before);
            }
            Some(PublicKind::Trade) => {
                self.last_price = Some(update.price);
                self.trades_total += 1;
                if self.trades.len() == TRADES_KEPT {
                    self.trades.pop_front();
                }
                self.trades.push_back(TradeRow {
                    price: update.price,
                    qty: update.qty,
                    aggressor: update.side,
                    ts_event: update.ts_event,
                    ts: update.ts,
                    seq: update.seq,
                });
                return;
            }
            Some(PublicKind::Status) => {
                self.set_status(update.orders);
                self.book_version += 1;
            }
            Some(PublicKind::Indicative) => {
                let &PublicUpdate { price, qty, .. } = update;
                // What it would leave follows.
                self.indicative = AuctionRow { price, qty, ..Default::default() };
                return;
            }
            Some(PublicKind::Imbalance) => {
                let &PublicUpdate { qty: imbalance, side, .. } = update;
                self.auction = Some(AuctionRow { imbalance, side, ..self.indicative });
                self.quote_version += 1;
            }
            Some(PublicKind::Clear) => {
                self.sides.iter_mut().for_each(BTreeMap::clear);
                self.is_in_picture = true;
                self.set_status(update.orders);
            }
            // The end of a picture whose beginning was missed says nothing.
            Some(PublicKind::PictureEnd) if self.is_in_picture => {
                self.is_in_picture = false;
                self.is_whole = true;
                self.book_version += 1;
                self.quote_version += 1;
            }
            Some(PublicKind::PictureEnd) | None => return,
        }
        self.ts_event = update.ts_event;
        self.ts = update.ts;
        self.seq = update.seq;
    }

    fn set_status(&mut self, status: u32) {
        let status = u8::try_from(status).unwrap_or(0);
        if matches!(
            TradingStatus::from_wire(status),
            Some(TradingStatus::Trading | TradingStatus::Closed)
        ) {
            self.auction = None;
        }
        self.quote_version += u64::from(status != self.status);
        self.status = status;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(side: Side, price: i64, qty: u64) -> PublicUpdate {
        PublicUpdate {
            kind: PublicKind::Level.wire(),
            side: side.wire(),
            price: Ticks(price),
            qty: Lots(qty),
            orders: 1,
            ..Default::default()
        }
    }

    fn kind(kind: PublicKind) -> PublicUpdate {
        PublicUpdate { kind: kind.wire(), ..Default::default() }
    }

    #[test]
    fn levels_come_best_first_and_quotes_count_only_their_changes() {
        let cell = BookCell::new(true);
        cell.apply(&level(Side::Buy, 100, 5));
        cell.apply(&level(Side::Buy, 99, 7));
        cell.apply(&level(Side::Sell, 102, 3));
        cell.apply(&level(Side::Sell, 103, 0));
        assert_eq!((cell.book_version(), cell.quote_version()), (4, 2));
        let depth = cell.look(|book| book.depth(10)).expect("a whole book");
        assert_eq!(depth.bids.iter().map(|row| row.price.0).collect::<Vec<_>>(), [100, 99]);
        assert_eq!(cell.look(BookState::mark_doubled), Some(Some(202)));
        cell.apply(&level(Side::Buy, 100, 0));
        assert_eq!(cell.look(|book| book.best(Side::Buy).map(|row| row.qty.0)), Some(Some(7)));
    }

    #[test]
    fn a_doubted_book_is_not_shown_before_a_whole_picture() {
        let cell = BookCell::new(true);
        cell.apply(&level(Side::Buy, 100, 5));
        assert!(!cell.doubt());
        assert!(cell.want());
        cell.apply(&kind(PublicKind::PictureEnd));
        assert!(cell.look(|_| ()).is_none(), "its beginning was missed");
        cell.apply(&kind(PublicKind::Clear));
        cell.apply(&level(Side::Buy, 98, 1));
        assert!(cell.look(|_| ()).is_none());
        assert!(!cell.want(), "it is on its way");
        cell.apply(&kind(PublicKind::PictureEnd));
        let best = cell.look(|book| book.best(Side::Buy)).flatten();
        assert_eq!(best.map(|row| row.price.0), Some(98));
        assert!(cell.doubt(), "somebody wants it");
    }

    #[test]
    fn trades_beyond_those_kept_are_counted() {
        let cell = BookCell::new(true);
        let trade = kind(PublicKind::Trade);
        let count = TRADES_KEPT as u64 + 10;
        (0..count).for_each(|_| cell.apply(&trade));
        assert_eq!(cell.trades_total(), count);
        let (rows, skipped) = cell.look_at_trades(|book| book.trades_after(4));
        assert_eq!((rows.len() as u64, skipped), (TRADES_KEPT as u64, 6));
        let (rows, skipped) = cell.look_at_trades(|book| book.trades_after(count));
        assert_eq!((rows.len(), skipped), (0, 0));
    }
}
