//! Books made of public data.

use tidegate_model::market::TradingStatus;
use tidegate_model::{InstrumentId, Lots, PublicKind, PublicUpdate, Side, Ticks};

/// What all orders at one price come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Ticks,
    /// Lots displayed.
    pub qty: Lots,
    /// In so many orders; 0 where the feed does not tell.
    pub orders: u32,
}

/// One instrument's market.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// By [`Side::index`], the best level last: what changes is near it.
    sides: [Vec<Level>; 2],
    /// False while updates are missing from it.
    pub is_whole: bool,
    is_in_picture: bool,
    /// The trading status, once it was told.
    pub status: Option<TradingStatus>,
    /// Price of the last trade.
    pub last: Option<Ticks>,
}

impl Book {
    /// The best level of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<Level> {
        self.sides[side.index()].last().copied()
    }

    /// All levels of a side, the best first.
    pub fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> {
        self.sides[side.index()].iter().rev().copied()
    }

    /// True if it can be looked at: whole, and not half of a new picture.
    pub fn is_shown(&self) -> bool {
        self.is_whole && !self.is_in_picture
    }

    fn level(&mut self, side: Side, level: Level) {
        let levels = &mut self.sides[side.index()];
        let is_worse = |known: &Level| match side {
            Side::Buy => known.price < level.price,
            Side::Sell => known.price > level.price,
        };
        // Mostly at the end.
        let mut at = levels.len();
        let near = at.saturating_sub(8);
        while at > near && !is_worse(&levels[at - 1]) {
            at -= 1;
        }
        if at == near {
            at = levels[..near].partition_point(is_worse);
        }
        let is_known = levels.get(at).is_some_and(|known| known.price == level.price);
        match (is_known, level.qty == Lots::ZERO) {
            (true, true) => {
                levels.remove(at);
            }
            (true, false) => levels[at] = level,
            (false, true) => {}
            (false, false) => levels.insert(at, level),
        }
    }

    fn apply(&mut self, update: &PublicUpdate) -> bool {
        let side = Side::from_wire(update.side);
        match (PublicKind::from_wire(update.kind), side) {
            (Some(PublicKind::Level), Some(side)) => {
                let (price, qty, orders) = (update.price, update.qty, update.orders);
                self.level(side, Level { price, qty, orders });
            }
            (Some(PublicKind::Trade), _) => self.last = Some(update.price),
            (Some(PublicKind::Status), _) => {
                self.status = u8::try_from(update.orders).ok().and_then(TradingStatus::from_wire);
            }
            (Some(PublicKind::Clear), _) => {
                self.sides.iter_mut().for_each(Vec::clear);
                self.is_in_picture = true;
            }
            (Some(PublicKind::PictureEnd), _) => {
                self.is_in_picture = false;
                self.is_whole = true;
            }
            _ => return false,
        }
        true
    }
}

/// The books of all instruments that were spoken of.
#[derive(Clone, Debug, Default)]
pub struct Books {
    books: Vec<Book>,
}

impl Books {
    /// The book of an instrument; empty and not whole if nothing was said of it.
    pub fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.books.get(instrument.index())
    }

    /// Takes an update in; its book, if it changed.
    pub fn apply(&mut self, update: &PublicUpdate) -> Option<&Book> {
        let at = update.instrument.index();
        if at >= InstrumentId::COUNT_MAX {
            return None;
        }
        if at >= self.books.len() {
            self.books.resize_with(at + 1, Book::default);
        }
        let book = &mut self.books[at];
        book.apply(update).then_some(&*book)
    }

    /// Updates were lost: no book is whole until a picture of it has come.
    pub fn doubt(&mut self) {
        for book in &mut self.books {
            book.is_whole = false;
            book.is_in_picture = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn level(side: Side, price: i64, qty: u64) -> PublicUpdate {
        PublicUpdate {
            kind: PublicKind::Level.wire(),
            side: side.wire(),
            price: Ticks(price),
            qty: Lots(qty),
            orders: u32::from(qty > 0),
            ..Default::default()
        }
    }

    proptest! {
        #[test]
        fn as_a_map_by_price(changes in prop::collection::vec((any::<bool>(), 0i64..40, 0u64..4), 0..300)) {
            let (mut books, mut twin) = (Books::default(), [BTreeMap::new(), BTreeMap::new()]);
            for (is_buy, price, qty) in changes {
                let side = if is_buy { Side::Buy } else { Side::Sell };
                books.apply(&level(side, price, qty));
                match qty {
                    0 => twin[side.index()].remove(&price),
                    qty => twin[side.index()].insert(price, qty),
                };
                let book = books.book(InstrumentId(0)).expect("it was spoken of");
                for side in [Side::Buy, Side::Sell] {
                    let mut wanted: Vec<_> = twin[side.index()].iter().map(|(p, q)| (*p, *q)).collect();
                    if side == Side::Buy {
                        wanted.reverse();
                    }
                    let found: Vec<_> = book.levels(side).map(|level| (level.price.0, level.qty.0)).collect();
                    prop_assert_eq!(found, wanted);
                    prop_assert_eq!(book.best(side), book.levels(side).next());
                }
            }
        }
    }

    #[test]
    fn a_book_is_shown_when_it_is_whole() {
        let mut books = Books::default();
        let of_kind = |kind: PublicKind| PublicUpdate { kind: kind.wire(), ..Default::default() };
        let is_shown = |books: &Books| books.book(InstrumentId(0)).is_some_and(Book::is_shown);
        books.apply(&level(Side::Buy, 5, 1));
        assert!(!is_shown(&books), "what came before is not known");
        books.apply(&of_kind(PublicKind::Clear));
        books.apply(&level(Side::Buy, 5, 1));
        assert!(!is_shown(&books), "half a picture");
        books.apply(&of_kind(PublicKind::PictureEnd));
        assert!(is_shown(&books));
        books.doubt();
        assert!(!is_shown(&books));
        let beyond = PublicUpdate { instrument: InstrumentId::NONE, ..level(Side::Buy, 1, 1) };
        assert_eq!(books.apply(&beyond), None);
    }
}
