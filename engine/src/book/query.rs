//! What can be asked of the books.

use super::books::{Books, level_of};
use super::ladder::LadderIter;
use super::side::{LevelSide, LevelSideIter};
use super::{BookOrder, Level, Slot};
use tidegate_model::{InstrumentId, Lots, Side, Ticks};

impl Books {
    /// The best level of a side.
    #[inline]
    pub fn best(&self, instrument: InstrumentId, side: Side) -> Option<Level> {
        self.book(instrument)?.best(side)
    }

    /// The level at `price`, if anything is there.
    #[inline]
    pub fn level(&self, instrument: InstrumentId, side: Side, price: Ticks) -> Option<Level> {
        let book = self.book(instrument)?;
        if let Some(levels) = book.levels(side).filter(|_| book.orders == 0) {
            let level = levels.at(levels.place(price), price);
            return (level.qty != Lots::ZERO).then_some(level);
        }
        let ladder = &book.ladders[side.index()];
        let spot = ladder.find(&book.grid, price)?;
        Some(level_of(price, ladder.queue(spot)))
    }

    /// All levels of a side, best first.
    pub fn levels(&self, instrument: InstrumentId, side: Side) -> Levels<'_> {
        let book = self.book(instrument);
        let ladder = book.map(|book| book.ladders[side.index()].iter(&book.grid));
        let bare = book.and_then(|book| book.levels(side)).map(LevelSide::iter);
        Levels { ladder, bare }
    }

    /// The orders at a price, first to be executed first.
    pub fn orders_at(&self, instrument: InstrumentId, side: Side, price: Ticks) -> OrdersAt<'_> {
        let head = self.book(instrument).and_then(|book| {
            let ladder = &book.ladders[side.index()];
            ladder.find(&book.grid, price).map(|spot| ladder.queue(spot).head)
        });
        OrdersAt { books: self, next: head.unwrap_or(0) }
    }

    /// The order that rests in `slot`. Ask only for slots that an observer or a query gave and that have not been left since.
    ///
    /// # Panics
    /// If no order ever rested in `slot`.
    #[inline]
    pub fn order(&self, slot: Slot) -> BookOrder {
        self.records[slot.index()].seen(self.refs[slot.index()])
    }

    /// The slot of the order that the feed calls `order_ref`, if it rests.
    #[inline]
    pub fn find(&self, order_ref: u64) -> Option<Slot> {
        self.slot_of(order_ref)
    }

    /// Whether the best bid is at or above the best offer. Feeds' books may be so; nobody repairs it.
    #[inline]
    pub fn is_crossed(&self, instrument: InstrumentId) -> bool {
        match (self.best(instrument, Side::Buy), self.best(instrument, Side::Sell)) {
            (Some(bid), Some(offer)) => bid.price >= offer.price,
            _ => false,
        }
    }
}

/// The levels of a side, best first; made by [`Books::levels`].
#[derive(Clone, Debug)]
pub struct Levels<'a> {
    ladder: Option<LadderIter<'a>>,
    /// Those without orders: a book has no others beside them.
    bare: Option<LevelSideIter<'a>>,
}

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        let with_orders = self.ladder.as_mut().and_then(Iterator::next);
        match with_orders {
            Some((price, queue)) => Some(level_of(price, queue)),
            None => self.bare.as_mut()?.next(),
        }
    }
}

/// The orders at a price, first to be executed first; made by [`Books::orders_at`].
#[derive(Clone, Debug)]
pub struct OrdersAt<'a> {
    books: &'a Books,
    next: u32,
}

impl Iterator for OrdersAt<'_> {
    type Item = (Slot, BookOrder);

    #[inline]
    fn next(&mut self) -> Option<(Slot, BookOrder)> {
        if self.next == 0 {
            return None;
        }
        let slot = Slot(self.next);
        self.next = self.books.records[slot.index()].next;
        Some((slot, self.books.order(slot)))
    }
}
