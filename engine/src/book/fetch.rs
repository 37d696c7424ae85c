//! Asking the memory for what events that are still to come will look at.
//!
//! A book of a whole market is larger than any cache, and the places that one event touches are found one behind the other: the
//! reference's place in the index, the order there, its neighbours and its level. Whoever knows the events ahead, as a replay does, asks for
//! each place some events before it is needed: then the memory works on many at once.

use super::books::Books;
use tidegate_model::market::MarketEventKind;
use tidegate_model::{InstrumentId, MarketEvent, Side, ahead};

/// How far ahead an event is: each step needs what the one before it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Where the order stands in the index.
    Index,
    /// The order, or the level that it will join.
    Order,
    /// Its neighbours in its level, and that level.
    Neighbours,
}

/// What is fetched how many events ahead, by whoever knows so many.
pub(crate) const FETCHED: [(usize, Ahead); 3] =
    [(24, Ahead::Index), (16, Ahead::Order), (8, Ahead::Neighbours)];

impl Books {
    /// Begins to fetch what [`Books::apply`] of `event` will look at. Changes nothing; whether the event can be applied is no matter.
    ///
    /// Whether an event adds an order or names one is a coin toss in real flow, so no branch depends on it: what belongs to the other
    /// of the two is asked for as well. That is slot 0 and the level of price 0, which are at hand. A feed tells either levels or orders,
    /// so that branch is never in doubt.
    #[inline]
    pub(crate) fn fetch(&self, instrument: InstrumentId, event: &MarketEvent, what: Ahead) {
        let Some(book) = self.books.get(instrument.index()) else { return };
        if event.kind == MarketEventKind::Level.wire() {
            let levels = event.side().and_then(|side| book.levels(side));
            if let (Ahead::Order, Some(levels)) = (what, levels) {
                levels.fetch(event.price);
            }
            return;
        }
        let joined = || {
            let ladder = &book.ladders[usize::from(event.side == Side::Sell.wire())];
            ladder.window_queue(&book.grid, event.price)
        };
        let slot = || self.index.slot_or_none(event.order_ref, &self.refs) as usize;
        match what {
            Ahead::Index => {
                self.index.fetch(event.order_ref);
                self.index.fetch(event.aux);
            }
            Ahead::Order => {
                ahead::fetch(&self.records[slot()]);
                if let Some(queue) = joined() {
                    ahead::fetch(queue);
                }
            }
            Ahead::Neighbours => {
                let record = &self.records[slot()];
                for neighbour in record.neighbours() {
                    ahead::fetch(&self.records[neighbour as usize]);
                }
                if let Some(queue) = joined() {
                    ahead::fetch(&self.records[queue.tail as usize]);
                }
                let ladder = &book.ladders[record.side().index()];
                if let Some(queue) = ladder.window_queue(&book.grid, record.price()) {
                    ahead::fetch(queue);
                }
            }
        }
    }
}
