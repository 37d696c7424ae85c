//! Every instrument's L3 book, and what each event does to it.

mod saved;

use super::index::{Found, RefIndex};
use super::ladder::{Ladder, Queue, Spot};
use super::side::{LevelSide, Place};
use super::{
    BookError, BookLimits, BookObserver, BookOrder, Cause, Level, PRIORITY_MAX, Slot,
    TAG_INSTRUMENT_SHIFT, TAG_PRIORITY_SHIFT, TAG_SIDE_SHIFT, TAG_TAKEN, level_hash, order_hash,
    pack_tag,
};
use crate::grid::Grid;
use bytemuck::{Pod, Zeroable};
use core::hint::select_unpredictable;
use tidegate_model::hash::fold;
use tidegate_model::{InstrumentId, Lots, MarketEvent, MarketEventKind, Side, StateHash, Ticks};

/// A resting order: half a cache line.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Record {
    price: i64,
    qty: u64,
    /// Priority, instrument, side and mark: see [`pack_tag`].
    tag: u64,
    /// Slot of the order before it in its queue, 0 is none.
    prev: u32,
    /// Slot of the order after it, 0 is none; of a free slot, the next free one.
    pub(super) next: u32,
}

const _: () = assert!(size_of::<Record>() == 32);

impl Record {
    #[inline(always)]
    pub(super) fn price(&self) -> Ticks {
        Ticks(self.price)
    }

    #[inline(always)]
    pub(super) fn side(&self) -> Side {
        if self.tag >> TAG_SIDE_SHIFT & 1 == 0 { Side::Buy } else { Side::Sell }
    }

    #[inline(always)]
    fn instrument(&self) -> InstrumentId {
        let mask = (1 << (TAG_PRIORITY_SHIFT - TAG_INSTRUMENT_SHIFT)) - 1;
        InstrumentId((self.tag >> TAG_INSTRUMENT_SHIFT & mask) as u32)
    }

    /// Slots of the orders before and after it, 0 is none.
    #[inline(always)]
    pub(super) fn neighbours(&self) -> [u32; 2] {
        [self.prev, self.next]
    }

    #[inline(always)]
    fn priority(&self) -> u64 {
        self.tag >> TAG_PRIORITY_SHIFT
    }

    /// See [`order_identity_hash`]: the tag without its mark is what the hash is made of.
    #[inline(always)]
    fn identity(&self, order_ref: u64) -> u64 {
        fold(order_ref, self.tag & !TAG_TAKEN)
    }

    #[inline]
    pub(super) fn seen(&self, order_ref: u64) -> BookOrder {
        BookOrder {
            order_ref,
            instrument: self.instrument(),
            side: self.side(),
            price: Ticks(self.price),
            qty: Lots(self.qty),
            priority: self.priority(),
            taken: self.tag & TAG_TAKEN != 0,
        }
    }
}

/// One instrument's book.
#[derive(Debug)]
pub(super) struct Book {
    /// Sum of the hashes of what it holds.
    hash: StateHash,
    /// Tag of the next bid to arrive, its priority from 1; 0 in a book that is not defined.
    next_tag: u64,
    /// Orders it holds.
    pub(super) orders: u32,
    /// Levels without orders it holds; never together with orders.
    aggregates: u32,
    pub(super) grid: Grid,
    /// Bids, offers.
    pub(super) ladders: [Ladder; 2],
    /// The same of levels without orders; made when the first is told.
    pub(super) sides: Option<Box<[LevelSide; 2]>>,
}

/// An order as it comes to rest.
struct Arrival {
    instrument: InstrumentId,
    side: Side,
    order_ref: u64,
    price: Ticks,
    qty: Lots,
}

impl Book {
    #[inline(always)]
    fn is_exhausted(&self) -> bool {
        self.next_tag >> TAG_PRIORITY_SHIFT >= PRIORITY_MAX
    }

    fn undefined() -> Self {
        Self {
            hash: StateHash::default(),
            next_tag: 0,
            orders: 0,
            aggregates: 0,
            grid: Grid::new(1),
            ladders: [Ladder::new(Side::Buy), Ladder::new(Side::Sell)],
            sides: None,
        }
    }

    /// Its levels without orders on one side, if it ever had any.
    #[inline(always)]
    pub(super) fn levels(&self, side: Side) -> Option<&LevelSide> {
        self.sides.as_deref().map(|sides| &sides[side.index()])
    }

    /// As [`Self::levels`], to be changed.
    #[inline(always)]
    fn levels_mut(&mut self, side: Side) -> &mut LevelSide {
        let sides = self.sides.get_or_insert_with(|| {
            Box::new([LevelSide::new(Side::Buy), LevelSide::new(Side::Sell)])
        });
        &mut sides[side.index()]
    }

    /// The best level of a side.
    #[inline(always)]
    pub(super) fn best(&self, side: Side) -> Option<Level> {
        if self.aggregates != 0 {
            return self.levels(side)?.best();
        }
        let (price, queue) = self.ladders[side.index()].best(&self.grid)?;
        Some(level_of(price, queue))
    }

    /// Puts an order into a slot and at the back of the queue at `spot`, whose quantity is `total` with it.
    #[inline(always)]
    fn rest<O: BookObserver>(
        &mut self,
        records: &mut [Record],
        slot: u32,
        spot: Spot,
        total: u64,
        order: &Arrival,
        observer: &mut O,
    ) {
        let &Arrival { instrument, side, order_ref, price, qty } = order;
        let tag = self.next_tag | (side.index() as u64) << TAG_SIDE_SHIFT;
        self.next_tag += 1 << TAG_PRIORITY_SHIFT;
        let ladder = &mut self.ladders[side.index()];
        let queue = ladder.queue_mut(spot);
        queue.qty = total;
        queue.orders += 1;
        let prev = queue.tail;
        queue.tail = slot;
        queue.head = select_unpredictable(prev == 0, slot, queue.head);
        let level = level_of(price, queue);
        ladder.note_held(spot);
        records[prev as usize].next = slot;
        let record = Record { price: price.0, qty: qty.0, tag, prev, next: 0 };
        records[slot as usize] = record;
        self.hash.add(order_hash(record.identity(order_ref), price, qty));
        observer.added(Slot(slot), &record.seen(order_ref));
        observer.level(instrument, side, level);
    }

    /// Finds the queue of the order's price, made if there is none, and puts the order at its back.
    #[inline(always)]
    fn rest_anywhere<O: BookObserver>(
        &mut self,
        records: &mut [Record],
        slot: u32,
        order: &Arrival,
        observer: &mut O,
    ) {
        let ladder = &mut self.ladders[order.side.index()];
        let spot = ladder.enter(&self.grid, order.price);
        let total = ladder.queue(spot).qty + order.qty.0;
        self.rest(records, slot, spot, total, order, observer);
    }

    /// Takes an order out of its queue and its hash out of the sum. It keeps its slot and its place in the index.
    #[inline(always)]
    fn unlink<O: BookObserver>(
        &mut self,
        records: &mut [Record],
        slot: u32,
        order_ref: u64,
        cause: Cause,
        observer: &mut O,
    ) {
        let record = records[slot as usize];
        let (side, price) = (record.side(), Ticks(record.price));
        let ladder = &mut self.ladders[side.index()];
        let spot = ladder.held(&self.grid, price);
        let queue = ladder.queue_mut(spot);
        queue.qty -= record.qty;
        queue.orders -= 1;
        // Whether an order is first or last is a coin toss in real flow, so no branch may depend on it.
        queue.head = select_unpredictable(record.prev == 0, record.next, queue.head);
        queue.tail = select_unpredictable(record.next == 0, record.prev, queue.tail);
        let level = level_of(price, queue);
        ladder.note_emptied(spot, level.orders == 0);
        records[record.prev as usize].next = record.next;
        records[record.next as usize].prev = record.prev;
        self.hash.remove(order_hash(record.identity(order_ref), price, Lots(record.qty)));
        observer.removed(Slot(slot), &record.seen(order_ref), cause);
        observer.level(record.instrument(), side, level);
    }

    /// Takes `by` lots, fewer than it has, off an order that keeps its place.
    #[inline(always)]
    fn shrink<O: BookObserver>(
        &mut self,
        record: &mut Record,
        slot: u32,
        order_ref: u64,
        by: Lots,
        cause: Cause,
        observer: &mut O,
    ) {
        let before = *record;
        record.qty -= by.0;
        let (side, price) = (before.side(), Ticks(before.price));
        let identity = before.identity(order_ref);
        self.hash.remove(order_hash(identity, price, Lots(before.qty)));
        self.hash.add(order_hash(identity, price, Lots(record.qty)));
        let ladder = &mut self.ladders[side.index()];
        let spot = ladder.held(&self.grid, price);
        let queue = ladder.queue_mut(spot);
        queue.qty -= by.0;
        let level = level_of(price, queue);
        observer.reduced(Slot(slot), &before.seen(order_ref), by, cause);
        observer.level(before.instrument(), side, level);
    }
}

/// All books of the engine's feeds.
///
/// The books say nothing about time and nothing about symbols: the caller maps a feed's channel to an
/// [`InstrumentId`], and counts the events that are refused.
#[derive(Debug)]
pub struct Books {
    limits: BookLimits,
    /// By instrument; priority 0 marks those that are not defined.
    pub(super) books: Vec<Book>,
    /// Resting orders by slot. Slot 0 is no order: what would be written to the neighbour of the first or last of a queue
    /// lands there, which saves a branch that real flow makes unpredictable.
    pub(super) records: Vec<Record>,
    /// Order references by slot.
    pub(super) refs: Vec<u64>,
    /// The free slot to be used next, 0 is none.
    free: u32,
    pub(super) index: RefIndex,
    aggregates: u32,
}

impl Books {
    /// Empty books within `limits`.
    ///
    /// # Panics
    /// If `limits.orders_max` is 0 or above [`BookLimits::ORDERS_CEILING`].
    pub fn new(limits: BookLimits) -> Self {
        assert!(limits.orders_max > 0, "orders_max is at least 1");
        assert!(limits.orders_max <= BookLimits::ORDERS_CEILING, "orders_max is at most 2^28");
        let slots = limits.orders_max as usize + 1;
        let mut records = Vec::with_capacity(slots);
        records.push(Record::default());
        let mut refs = Vec::with_capacity(slots);
        refs.push(0);
        Self {
            limits,
            books: Vec::new(),
            records,
            refs,
            free: 0,
            index: RefIndex::new(&limits),
            aggregates: 0,
        }
    }

    /// Opens the book of `instrument`, whose usual prices are multiples of `stride` ticks (its order tick).
    ///
    /// Any other price is right too, only slower. Defining an instrument again changes nothing.
    ///
    /// # Errors
    /// [`BookError::BadDefinition`].
    pub fn define(&mut self, instrument: InstrumentId, stride: Ticks) -> Result<(), BookError> {
        let id_fits = instrument.index() < InstrumentId::COUNT_MAX;
        if !id_fits || !(1..=Grid::STRIDE_MAX).contains(&stride.0) {
            return Err(BookError::BadDefinition { instrument, stride });
        }
        if self.books.len() <= instrument.index() {
            self.books.resize_with(instrument.index() + 1, Book::undefined);
        }
        let book = &mut self.books[instrument.index()];
        if book.next_tag == 0 {
            book.next_tag = pack_tag(instrument, Side::Buy, 1);
            book.grid = Grid::new(stride.0);
        }
        Ok(())
    }

    /// Applies one event of the feed to the book of `instrument`, and tells `observer` what changed.
    ///
    /// Kinds that say nothing about the book (trades, status, definitions, gaps) change nothing.
    ///
    /// # Errors
    /// A [`BookError`] if the event contradicts the book or a limit is reached; nothing has changed then, and
    /// the observer was told nothing.
    #[inline(always)]
    pub fn apply<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        observer: &mut O,
    ) -> Result<(), BookError> {
        const ADD: u8 = MarketEventKind::Add.wire();
        const EXECUTE: u8 = MarketEventKind::Execute.wire();
        const EXECUTE_AT_PRICE: u8 = MarketEventKind::ExecuteAtPrice.wire();
        const REDUCE: u8 = MarketEventKind::Reduce.wire();
        const DELETE: u8 = MarketEventKind::Delete.wire();
        const REPLACE: u8 = MarketEventKind::Replace.wire();
        const LEVEL: u8 = MarketEventKind::Level.wire();
        match event.kind {
            ADD => {
                self.add(instrument, event.order_ref, event.side, event.price, event.qty, observer)
            }
            DELETE => self.delete(instrument, event.order_ref, Cause::Canceled, observer),
            REPLACE => self.replace(
                instrument,
                event.order_ref,
                event.aux,
                event.price,
                event.qty,
                observer,
            ),
            EXECUTE => self.take_off(
                instrument,
                event.order_ref,
                event.qty,
                Taking::ExecuteAtOwnPrice,
                observer,
            ),
            EXECUTE_AT_PRICE => {
                let taking = Taking::Execute { price: event.price };
                self.take_off(instrument, event.order_ref, event.qty, taking, observer)
            }
            REDUCE => {
                self.take_off(instrument, event.order_ref, event.qty, Taking::Cancel, observer)
            }
            LEVEL => {
                let orders = u32::try_from(event.aux).unwrap_or(u32::MAX);
                self.set_level(instrument, event, orders, observer)
            }
            _ => self.apply_rare(instrument, event, observer),
        }
    }

    #[cold]
    #[inline(never)]
    fn apply_rare<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        observer: &mut O,
    ) -> Result<(), BookError> {
        match event.kind() {
            Some(MarketEventKind::Modify) => self.modify(instrument, event, observer),
            Some(MarketEventKind::Clear) => self.clear(instrument, event, observer),
            Some(MarketEventKind::Quote) => self.quote(instrument, event, observer),
            Some(_) => Ok(()),
            None => Err(BookError::UnknownKind { kind: event.kind }),
        }
    }

    #[inline(always)]
    fn add<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        order_ref: u64,
        side: u8,
        price: Ticks,
        qty: Lots,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let Some(side) = Side::from_wire(side) else {
            return Err(BookError::BadSide { order_ref, side });
        };
        if qty == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref });
        }
        let book = book_mut(&mut self.books, instrument)?;
        if book.aggregates != 0 {
            return Err(BookError::MixedDepth { instrument });
        }
        if book.is_exhausted() {
            return Err(BookError::PriorityExhausted { instrument });
        }
        if self.free == 0 {
            self.free = grow(&mut self.records, &mut self.refs, self.limits.orders_max)?;
        }
        let slot = self.free;
        self.refs[slot as usize] = order_ref;
        if !self.index.insert(order_ref, slot, &self.refs) {
            return Err(BookError::DuplicateOrder { order_ref });
        }
        let ladder = &mut book.ladders[side.index()];
        let spot = ladder.enter(&book.grid, price);
        let Some(total) = ladder.queue(spot).qty.checked_add(qty.0) else {
            // A sum that overflows is not 0: the queue was there before and stays.
            if let Some(found) = self.index.find(order_ref, &self.refs) {
                self.index.remove(order_ref, found, &self.refs);
            }
            return Err(BookError::LevelOverflow { price });
        };
        self.free = self.records[slot as usize].next;
        book.orders += 1;
        let order = Arrival { instrument, side, order_ref, price, qty };
        book.rest(&mut self.records, slot, spot, total, &order, observer);
        Ok(())
    }

    /// The resting order that the feed calls `order_ref`, in the book of `instrument`.
    #[inline(always)]
    fn resting(
        &self,
        instrument: InstrumentId,
        order_ref: u64,
    ) -> Result<(Found, &Record), BookError> {
        let Some(found) = self.index.find(order_ref, &self.refs) else {
            return Err(BookError::UnknownOrder { order_ref });
        };
        let record = &self.records[found.slot as usize];
        if record.instrument() != instrument {
            let resting = record.instrument();
            return Err(BookError::WrongInstrument { order_ref, resting, named: instrument });
        }
        Ok((found, record))
    }

    #[inline(always)]
    fn delete<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        order_ref: u64,
        cause: Cause,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let (found, _) = self.resting(instrument, order_ref)?;
        self.remove(instrument, found, order_ref, cause, observer);
        Ok(())
    }

    /// Takes an order out of its book and frees its slot.
    #[inline(always)]
    fn remove<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        found: Found,
        order_ref: u64,
        cause: Cause,
        observer: &mut O,
    ) {
        let slot = found.slot;
        let book = &mut self.books[instrument.index()];
        book.unlink(&mut self.records, slot, order_ref, cause, observer);
        book.orders -= 1;
        self.index.remove(order_ref, found, &self.refs);
        self.records[slot as usize].next = self.free;
        self.free = slot;
    }

    #[inline(never)]
    fn take_off<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        order_ref: u64,
        asked: Lots,
        taking: Taking,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let (found, record) = self.resting(instrument, order_ref)?;
        if asked == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref });
        }
        if asked.0 > record.qty {
            return Err(BookError::QuantityExceeds { order_ref, resting: Lots(record.qty), asked });
        }
        let cause = match taking {
            Taking::ExecuteAtOwnPrice => Cause::Executed { price: Ticks(record.price) },
            Taking::Execute { price } => Cause::Executed { price },
            Taking::Cancel => Cause::Canceled,
        };
        if asked.0 == record.qty {
            self.remove(instrument, found, order_ref, cause, observer);
        } else {
            let book = &mut self.books[instrument.index()];
            let record = &mut self.records[found.slot as usize];
            book.shrink(record, found.slot, order_ref, asked, cause, observer);
        }
        Ok(())
    }

    #[inline(never)]
    fn replace<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        order_ref: u64,
        new_ref: u64,
        price: Ticks,
        qty: Lots,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let (found, record) = self.resting(instrument, order_ref)?;
        if qty == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref: new_ref });
        }
        if self.index.find(new_ref, &self.refs).is_some() {
            return Err(BookError::DuplicateOrder { order_ref: new_ref });
        }
        self.check_room(instrument, record, price, qty)?;
        let slot = found.slot;
        let order = Arrival { instrument, side: record.side(), order_ref: new_ref, price, qty };
        let cause = Cause::Replaced { order_ref: new_ref };
        let book = &mut self.books[instrument.index()];
        book.unlink(&mut self.records, slot, order_ref, cause, observer);
        self.index.remove(order_ref, found, &self.refs);
        self.refs[slot as usize] = new_ref;
        let entered = self.index.insert(new_ref, slot, &self.refs);
        assert!(entered, "the new reference was looked for above");
        book.rest_anywhere(&mut self.records, slot, &order, observer);
        Ok(())
    }

    /// Whether `record` can become an order of `qty` at `price`.
    #[inline(always)]
    fn check_room(
        &self,
        instrument: InstrumentId,
        record: &Record,
        price: Ticks,
        qty: Lots,
    ) -> Result<(), BookError> {
        let book = &self.books[instrument.index()];
        if book.is_exhausted() {
            return Err(BookError::PriorityExhausted { instrument });
        }
        let ladder = &book.ladders[record.side().index()];
        let there = ladder.find(&book.grid, price).map_or(0, |spot| ladder.queue(spot).qty);
        let own = if price.0 == record.price { record.qty } else { 0 };
        match (there - own).checked_add(qty.0) {
            Some(_) => Ok(()),
            None => Err(BookError::LevelOverflow { price }),
        }
    }

    fn modify<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let (order_ref, price, qty) = (event.order_ref, event.price, event.qty);
        let (found, record) = self.resting(instrument, order_ref)?;
        let (slot, record) = (found.slot, *record);
        let side = record.side();
        if event.side != 0 && event.side != side.wire() {
            return Err(BookError::BadSide { order_ref, side: event.side });
        }
        if qty == Lots::ZERO {
            return Err(BookError::ZeroQuantity { order_ref });
        }
        if price.0 == record.price && qty.0 <= record.qty {
            if qty.0 < record.qty {
                let by = Lots(record.qty - qty.0);
                let book = &mut self.books[instrument.index()];
                let record = &mut self.records[slot as usize];
                book.shrink(record, slot, order_ref, by, Cause::Modified, observer);
            }
            return Ok(());
        }
        self.check_room(instrument, &record, price, qty)?;
        let order = Arrival { instrument, side, order_ref, price, qty };
        let cause = Cause::Replaced { order_ref };
        let book = &mut self.books[instrument.index()];
        book.unlink(&mut self.records, slot, order_ref, cause, observer);
        book.rest_anywhere(&mut self.records, slot, &order, observer);
        Ok(())
    }

    fn clear<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        observer: &mut O,
    ) -> Result<(), BookError> {
        book_mut(&mut self.books, instrument)?;
        match event.side() {
            Some(side) => self.clear_side(instrument, side, Some(event.price), observer),
            None => {
                self.clear_side(instrument, Side::Buy, None, observer)?;
                self.clear_side(instrument, Side::Sell, None, observer)
            }
        }
    }

    /// Empties one side, best first, up to a price or whole.
    fn clear_side<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        to: Option<Ticks>,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let is_beyond = |price: Ticks| match side {
            Side::Buy => to.is_some_and(|to| price < to),
            Side::Sell => to.is_some_and(|to| price > to),
        };
        loop {
            let book = book_mut(&mut self.books, instrument)?;
            let best = book.best(side).filter(|best| !is_beyond(best.price));
            let Some(level) = best else { return Ok(()) };
            if book.orders == 0 {
                let place = book.levels_mut(side).place(level.price);
                let gone = Level { qty: Lots::ZERO, orders: 0, ..level };
                self.put_level(instrument, side, place, level, gone, observer);
            } else {
                let ladder = &book.ladders[side.index()];
                let head = ladder.queue(ladder.held(&book.grid, level.price)).head;
                let order_ref = self.refs[head as usize];
                self.delete(instrument, order_ref, Cause::Cleared, observer)?;
            }
        }
    }

    fn quote<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let side = self.check_aggregate(instrument, event)?;
        let book = book_mut(&mut self.books, instrument)?;
        let same = book.best(side).is_some_and(|best| best.price == event.price);
        let full = self.aggregates >= self.limits.aggregate_levels_max;
        let frees = self.best(instrument, side).is_some();
        if event.qty != Lots::ZERO && full && !frees {
            return Err(BookError::LevelsFull { limit: self.limits.aggregate_levels_max });
        }
        if !(same && event.qty != Lots::ZERO && self.levels(instrument, side).count() == 1) {
            self.clear_side(instrument, side, None, observer)?;
        }
        if event.qty == Lots::ZERO {
            return Ok(());
        }
        self.set_level(instrument, event, 0, observer)
    }

    fn check_aggregate(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
    ) -> Result<Side, BookError> {
        let Some(side) = event.side() else {
            return Err(BookError::BadSide { order_ref: event.order_ref, side: event.side });
        };
        let book = book_mut(&mut self.books, instrument)?;
        if book.orders != 0 { Err(BookError::MixedDepth { instrument }) } else { Ok(side) }
    }

    #[inline]
    fn set_level<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        event: &MarketEvent,
        orders: u32,
        observer: &mut O,
    ) -> Result<(), BookError> {
        let side = self.check_aggregate(instrument, event)?;
        let limit = self.limits.aggregate_levels_max;
        let is_full = self.aggregates >= limit;
        let book = book_mut(&mut self.books, instrument)?;
        let (price, qty) = (event.price, event.qty);
        let levels = book.levels_mut(side);
        let place = levels.place(price);
        let before = levels.at(place, price);
        if before.qty == Lots::ZERO {
            if qty == Lots::ZERO {
                return Ok(());
            }
            if is_full {
                return Err(BookError::LevelsFull { limit });
            }
        }
        let orders = if qty == Lots::ZERO { 0 } else { orders };
        let after = Level { price, qty, orders };
        self.put_level(instrument, side, place, before, after, observer);
        Ok(())
    }

    /// Sets the level without orders at `place`, which was `before`; without quantity it goes.
    #[inline]
    fn put_level<O: BookObserver>(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        place: Place,
        before: Level,
        after: Level,
        observer: &mut O,
    ) {
        let book = &mut self.books[instrument.index()];
        let (held, holds) = (before.qty != Lots::ZERO, after.qty != Lots::ZERO);
        if held {
            book.hash.remove(level_hash(instrument, side, &before));
        }
        if holds {
            book.hash.add(level_hash(instrument, side, &after));
        }
        book.aggregates = book.aggregates - u32::from(held) + u32::from(holds);
        self.aggregates = self.aggregates - u32::from(held) + u32::from(holds);
        book.levels_mut(side).put(place, after);
        observer.level(instrument, side, after);
    }

    /// Sets or clears the mark of a resting order: for whoever observes the books, who may ask for it back in [`BookOrder::taken`].
    /// An order that loses its place loses the mark.
    ///
    /// # Panics
    /// If no order ever rested in `slot`.
    #[inline]
    pub fn set_taken(&mut self, slot: Slot, taken: bool) {
        let tag = &mut self.records[slot.index()].tag;
        *tag = *tag & !TAG_TAKEN | u64::from(taken);
    }

    /// The bounds given at construction.
    pub fn limits(&self) -> &BookLimits {
        &self.limits
    }

    /// The sum of the hashes of all orders and levels: equal for equal books, however they came about.
    pub fn hash(&self) -> StateHash {
        self.books.iter().fold(StateHash::default(), |sum, book| sum.combined(book.hash))
    }

    /// The priority that the next order of this instrument gets; 0 if the instrument is not defined.
    #[inline]
    pub fn next_priority(&self, instrument: InstrumentId) -> u64 {
        self.book(instrument).map_or(0, |book| book.next_tag >> TAG_PRIORITY_SHIFT)
    }

    /// Orders that rest in one book.
    #[inline]
    pub fn orders_count(&self, instrument: InstrumentId) -> u32 {
        self.book(instrument).map_or(0, |book| book.orders)
    }

    /// Orders that rest in all books.
    #[inline]
    pub fn orders_count_total(&self) -> u32 {
        self.books.iter().map(|book| book.orders).sum()
    }

    #[inline]
    pub(super) fn book(&self, instrument: InstrumentId) -> Option<&Book> {
        self.books.get(instrument.index()).filter(|book| book.next_tag != 0)
    }

    pub(super) fn slot_of(&self, order_ref: u64) -> Option<Slot> {
        self.index.find(order_ref, &self.refs).map(|found| Slot(found.slot))
    }
}

/// How quantity is taken off an order.
#[derive(Clone, Copy)]
enum Taking {
    ExecuteAtOwnPrice,
    Execute { price: Ticks },
    Cancel,
}

#[inline]
fn book_mut(books: &mut [Book], instrument: InstrumentId) -> Result<&mut Book, BookError> {
    match books.get_mut(instrument.index()) {
        Some(book) if book.next_tag != 0 => Ok(book),
        _ => Err(BookError::UnknownInstrument { instrument }),
    }
}

/// Adds a slot to the slab.
#[cold]
#[inline(never)]
fn grow(records: &mut Vec<Record>, refs: &mut Vec<u64>, limit: u32) -> Result<u32, BookError> {
    let slot = records.len() as u32;
    if slot > limit {
        return Err(BookError::OrdersFull { limit });
    }
    records.push(Record::default());
    refs.push(0);
    Ok(slot)
}

#[inline]
pub(super) fn level_of(price: Ticks, queue: &Queue) -> Level {
    Level { price, qty: Lots(queue.qty), orders: queue.orders }
}
