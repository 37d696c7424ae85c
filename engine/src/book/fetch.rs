//! Asking the memory for what events that are still to come will look at.
//!
//! A book of a whole market is larger than any cache, and the places that one event touches are found one behind the other: the
//! reference's place in the index, the order there, its neighbours and its level. Whoever knows the events ahead, as a replay does, asks for
//! each place some events before it is needed: then the memory works on many at once.

use super::books::Books;
use super::ladder::Queue;
use tidegate_model::{InstrumentId, MarketEvent, MarketEventKind, Side, Ticks, ahead};

/// How far ahead an event is: each step needs what the one before it asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// Where the order stands in the index.
    Index,
    /// The order, or the level that it will join.
    Order,
    /// Its neighbours in its level, and that level.
    Neighbours,
}

impl Books {
    /// Begins to fetch what [`Books::apply`] of `event` will look at. Changes nothing; whether the event can be applied is no matter.
    #[inline]
    pub fn fetch(&self, instrument: InstrumentId, event: &MarketEvent, what: Ahead) {
        let is_add = event.kind == MarketEventKind::Add.wire();
        let joined = || self.queue(instrument, Side::from_wire(event.side)?, event.price);
        match what {
            Ahead::Index => {
                self.index.fetch(event.order_ref);
                if event.kind == MarketEventKind::Replace.wire() {
                    self.index.fetch(event.aux);
                }
            }
            Ahead::Order if is_add => {
                if let Some(queue) = joined() {
                    ahead::fetch(queue);
                }
            }
            Ahead::Order => {
                if let Some(slot) = self.slot_of(event.order_ref) {
                    ahead::fetch(&self.records[slot.index()]);
                }
            }
            Ahead::Neighbours if is_add => {
                if let Some(queue) = joined() {
                    ahead::fetch(&self.records[queue.tail as usize]);
                }
            }
            Ahead::Neighbours => {
                let Some(slot) = self.slot_of(event.order_ref) else { return };
                let record = &self.records[slot.index()];
                for neighbour in record.neighbours() {
                    ahead::fetch(&self.records[neighbour as usize]);
                }
                let order = record.seen(event.order_ref);
                if let Some(queue) = self.queue(order.instrument, order.side, order.price) {
                    ahead::fetch(queue);
                }
            }
        }
    }

    #[inline]
    fn queue(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Option<&Queue> {
        let book = self.book(instrument)?;
        book.ladders[side.index()].near_queue(&book.grid, price)
    }
}
