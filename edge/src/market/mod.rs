//! Public market data: a thread reads the engine's broadcast into one book an instrument, and consumers take from
//! there what they have not seen. Whoever is slow sees fewer, later states and is told how many it skipped.

mod book;
mod reader;

pub(crate) use book::{BookCell, BookState, Depth, Row, TradeRow};
pub(crate) use reader::MarketReader;

use crate::link::BookRequests;
use crate::sync::{read, write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use tidegate_model::InstrumentId;
use tokio::sync::watch;

/// All books, and the signal that some changed.
#[derive(Debug)]
pub(crate) struct Board {
    /// By instrument number.
    cells: RwLock<Vec<Arc<BookCell>>>,
    /// Updates that this edge lost because its reader was too slow.
    lost: AtomicU64,
    requests: Arc<BookRequests>,
    changed: watch::Sender<()>,
}

impl Board {
    pub fn new(requests: Arc<BookRequests>) -> Self {
        let cells = RwLock::default();
        Self { cells, lost: AtomicU64::new(0), requests, changed: watch::Sender::new(()) }
    }

    /// The book of an instrument, for someone who wants it: if it is not whole, the engine is asked for it.
    pub fn wanted(&self, instrument: InstrumentId) -> Arc<BookCell> {
        let cell = self.cell(instrument);
        if cell.want() {
            self.requests.request(instrument);
        }
        cell
    }

    /// The book of an instrument, as it is.
    pub fn cell(&self, instrument: InstrumentId) -> Arc<BookCell> {
        if let Some(cell) = read(&self.cells).get(instrument.index()) {
            return Arc::clone(cell);
        }
        let mut cells = write(&self.cells);
        // Ids come from the engine, which gives them densely below its bound.
        let count = (instrument.index() + 1).min(InstrumentId::COUNT_MAX).max(cells.len());
        // Before the first loss, a book that nothing was heard of is whole: it is empty.
        let is_whole = self.lost() == 0;
        cells.resize_with(count, || Arc::new(BookCell::new(is_whole)));
        let last = cells.len() - 1;
        Arc::clone(&cells[instrument.index().min(last)])
    }

    /// Updates lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Fires after books changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The reader was overtaken: no book is whole any more, and those somebody wants are asked for anew.
    fn lost_some(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
        for (index, cell) in read(&self.cells).iter().enumerate() {
            if cell.doubt() {
                self.requests.request(InstrumentId(index as u32));
            }
        }
    }
}
