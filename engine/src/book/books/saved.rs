//! Books in a snapshot: the records of resting orders as they lie, and the levels without orders. Ladders and index follow from
//! them and are made anew, which looks at every record on the way.

use super::{Book, Books, Record};
use crate::book::index::RefIndex;
use crate::book::ladder::Queue;
use crate::book::side::LevelSide;
use crate::book::{BookLimits, Level, TAG_PRIORITY_SHIFT, level_hash, order_hash, pack_tag};
use crate::grid::Grid;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tidegate_model::saved::{Inconsistent, records};
use tidegate_model::{InstrumentId, Lots, Side, Ticks};

const PART: &str = "books";
const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

fn check(holds: bool, why: &'static str) -> Result<(), Inconsistent> {
    Inconsistent::unless(holds, PART, why)
}

/// One book, without what follows from its orders.
#[derive(Serialize, Deserialize)]
struct SavedBook {
    /// As [`Book::next_tag`].
    next_tag: u64,
    grid: Grid,
    /// By side: levels without orders, their price, quantity and count of orders.
    levels: [Vec<(Ticks, Lots, u32)>; 2],
}

#[derive(Serialize)]
struct Saving<'a> {
    limits: &'a BookLimits,
    books: Vec<SavedBook>,
    #[serde(with = "records")]
    records: &'a [Record],
    #[serde(with = "records")]
    refs: &'a [u64],
    free: u32,
}

#[derive(Deserialize)]
struct Saved {
    limits: BookLimits,
    books: Vec<SavedBook>,
    #[serde(with = "records")]
    records: Vec<Record>,
    #[serde(with = "records")]
    refs: Vec<u64>,
    free: u32,
}

impl Serialize for Books {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let levels = |book: &Book, side: Side| {
            let levels = book.levels(side).into_iter().flat_map(LevelSide::iter);
            levels.map(|level| (level.price, level.qty, level.orders)).collect()
        };
        let saved = |book: &Book| SavedBook {
            next_tag: book.next_tag,
            grid: book.grid,
            levels: SIDES.map(|side| levels(book, side)),
        };
        Saving {
            limits: &self.limits,
            books: self.books.iter().map(saved).collect(),
            records: &self.records,
            refs: &self.refs,
            free: self.free,
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Books {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Saved::deserialize(from)?.into_books().map_err(de::Error::custom)
    }
}

impl Saved {
    fn into_books(self) -> Result<Books, Inconsistent> {
        let Self { limits, books: saved, mut records, mut refs, free } = self;
        check(
            (1..=BookLimits::ORDERS_CEILING).contains(&limits.orders_max),
            "orders have a limit",
        )?;
        check(
            limits.direct_refs_max <= BookLimits::default().direct_refs_max,
            "direct references have a limit",
        )?;
        check(
            limits.index_pages_max <= BookLimits::default().index_pages_max,
            "pages have a limit",
        )?;
        check(saved.len() <= InstrumentId::COUNT_MAX, "instruments have a limit")?;
        let slots = limits.orders_max as usize + 1;
        check((1..=slots).contains(&records.len()), "orders are within their limit")?;
        check(refs.len() == records.len(), "orders have references")?;
        records.reserve_exact(slots - records.len());
        refs.reserve_exact(slots - refs.len());
        let mut books = Books {
            limits,
            books: Vec::new(),
            records,
            refs,
            free,
            index: RefIndex::new(&limits),
            aggregates: 0,
        };
        for (saved, id) in saved.into_iter().zip(0..) {
            books.restore_levels(InstrumentId(id), saved)?;
        }
        books.restore_orders()?;
        Ok(books)
    }
}

impl Books {
    /// Makes a book with its levels without orders.
    fn restore_levels(&mut self, id: InstrumentId, saved: SavedBook) -> Result<(), Inconsistent> {
        let mut book = Book::undefined();
        let is_defined = saved.next_tag != 0;
        let tag = pack_tag(id, Side::Buy, saved.next_tag >> TAG_PRIORITY_SHIFT);
        let has_priority = saved.next_tag >> TAG_PRIORITY_SHIFT > 0;
        check(!is_defined || has_priority && saved.next_tag == tag, "a book has its own tag")?;
        (book.next_tag, book.grid) = (saved.next_tag, saved.grid);
        for (side, levels) in SIDES.into_iter().zip(saved.levels) {
            for (price, qty, orders) in levels {
                let levels = book.levels_mut(side);
                let place = levels.place(price);
                let is_new = levels.at(place, price).qty == Lots::ZERO;
                check(is_defined && is_new && qty > Lots::ZERO, "a level without orders is one")?;
                let level = Level { price, qty, orders };
                levels.put(place, level);
                book.hash.add(level_hash(id, side, &level));
                book.aggregates += 1;
                self.aggregates += 1;
            }
        }
        check(
            self.aggregates <= self.limits.aggregate_levels_max,
            "levels are within their limit",
        )?;
        self.books.push(book);
        Ok(())
    }

    /// Puts every order that is not free into its queue and into the index.
    fn restore_orders(&mut self) -> Result<(), Inconsistent> {
        let mut seen = vec![false; self.records.len()];
        seen[0] = true;
        let mut at = self.free;
        while at != 0 {
            let is_new =
                seen.get_mut(at as usize).is_some_and(|seen| !core::mem::replace(seen, true));
            check(is_new, "free places are a list")?;
            at = self.records[at as usize].next;
        }
        for slot in 1..self.records.len() as u32 {
            if self.records[slot as usize].prev == 0 && !seen[slot as usize] {
                self.restore_queue(slot, &mut seen)?;
            }
        }
        check(seen.iter().all(|seen| *seen), "an order rests in a queue")
    }

    /// Puts a queue whose first order is `head` where its price says.
    fn restore_queue(&mut self, head: u32, seen: &mut [bool]) -> Result<(), Inconsistent> {
        let first = self.records[head as usize];
        let (id, side, price) = (first.instrument(), first.side(), Ticks(first.price));
        let book = self.books.get_mut(id.index()).filter(|book| book.next_tag != 0);
        let book = book.ok_or(Inconsistent { part: PART, why: "an order's book is defined" })?;
        check(book.aggregates == 0, "a book holds orders or levels")?;
        let mut queue = Queue { head, ..Queue::default() };
        let (mut at, mut before, mut priority) = (head, 0, 0);
        while at != 0 {
            let is_new =
                seen.get_mut(at as usize).is_some_and(|seen| !core::mem::replace(seen, true));
            check(is_new, "an order rests once")?;
            let record = self.records[at as usize];
            let belongs = record.instrument() == id
                && record.side() == side
                && record.price == first.price
                && record.prev == before
                && record.qty > 0;
            check(belongs, "a queue is one price's")?;
            let came = record.priority();
            let is_next = came > priority && came < book.next_tag >> TAG_PRIORITY_SHIFT;
            check(is_next, "a queue is in the order of arrival")?;
            let order_ref = self.refs[at as usize];
            check(self.index.insert(order_ref, at, &self.refs), "a reference is one order's")?;
            let qty = queue.qty.checked_add(record.qty);
            queue.qty = qty.ok_or(Inconsistent { part: PART, why: "a level fits 64 bits" })?;
            queue.orders += 1;
            book.orders += 1;
            book.hash.add(order_hash(record.identity(order_ref), price, Lots(record.qty)));
            (before, priority, at) = (at, came, record.next);
        }
        queue.tail = before;
        let ladder = &mut book.ladders[side.index()];
        check(ladder.find(&book.grid, price).is_none(), "a price has one queue")?;
        let spot = ladder.enter(&book.grid, price);
        *ladder.queue_mut(spot) = queue;
        ladder.note_held(spot);
        Ok(())
    }
}
