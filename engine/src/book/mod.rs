//! The order books of the engine's feeds: one L3 book per instrument, in flat memory.
//!
//! * [`Books`] holds every instrument's book. [`Books::apply`] takes one [`MarketEvent`](tidegate_model::MarketEvent).
//! * [`BookObserver`] is told what an event did, order by order and level by level; `()` listens to nothing
//!   and costs nothing.
//! * [`NaiveBooks`] is the same thing written with maps, for tests to compare with after every event.
//!
//! A book is a faithful copy of what the feed says. It may be crossed (before the open, in a locked market):
//! that is visible by [`Books::is_crossed`] and never repaired. An event that contradicts the book is a
//! [`BookError`] and changes nothing.
//!
//! Where things are:
//! * an order is one 32-byte record in a slab, a link of its price's queue ([`Slot`] is its place);
//! * an order reference finds its slot through `index`: pages of slots, and a table for sparse references;
//! * a side's queues are in a `ladder`: a window of adjacent prices in a ring with a bitmap, and a sorted list of
//!   the prices outside the window or between its steps;
//! * levels of a feed that tells no orders are in a `side`: the same idea, wider, and with a step that it finds by itself.
//!
//! **Invariant:** no allocation once the slabs have grown to what the flow needs. **Invariant:** every table has
//! a bound in [`BookLimits`].

mod books;
mod fetch;
mod index;
mod ladder;
mod naive;
mod query;
mod side;
#[cfg(test)]
mod tests;

pub use books::Books;
#[cfg(test)]
use fetch::Ahead;
pub(crate) use fetch::FETCHED;
pub use naive::NaiveBooks;
pub use query::{Levels, OrdersAt};

use serde::{Deserialize, Serialize};
use tidegate_model::hash::fold;
use tidegate_model::{InstrumentId, Lots, Side, Ticks};

/// Bounds of a [`Books`], given once. Memory is reserved as address space and used as it is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookLimits {
    /// Orders resting at once, over all instruments; at most [`BookLimits::ORDERS_CEILING`]. 32 bytes each.
    pub orders_max: u32,
    /// Levels without orders (L1 and L2 feeds) at once, over all instruments.
    pub aggregate_levels_max: u32,
    /// Order references below this are found by direct index; larger ones through a table.
    pub direct_refs_max: u64,
    /// Pages of the direct index in use at once, 16 KiB each. When they run out, the references of a nearly
    /// empty page move to the table.
    pub index_pages_max: u32,
}

impl BookLimits {
    /// The most that [`BookLimits::orders_max`] can be: slots are counted in 32 bits and the table is twice as large.
    pub const ORDERS_CEILING: u32 = 1 << 28;
}

impl Default for BookLimits {
    /// A whole market such as Nasdaq: some 2 million orders rest at once and a day's references stay below 2^33.
    fn default() -> Self {
        Self {
            orders_max: 1 << 22,
            aggregate_levels_max: 1 << 20,
            direct_refs_max: 1 << 33,
            index_pages_max: 1 << 14,
        }
    }
}

/// The place of a resting order. It is free to be given to another order once this one has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// The slot as an index into a table beside the books, from 1 to [`BookLimits::orders_max`].
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A resting order, as seen by queries and observers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOrder {
    /// The feed's reference.
    pub order_ref: u64,
    /// Whose book it rests in.
    pub instrument: InstrumentId,
    /// Bid or offer.
    pub side: Side,
    /// Its price.
    pub price: Ticks,
    /// What is left of it; above 0.
    pub qty: Lots,
    /// Its number of arrival in the instrument's book, from 1. Of two orders at one price the smaller goes first.
    pub priority: u64,
    /// The mark set by [`Books::set_taken`]. It is not part of the state hash of the books.
    pub taken: bool,
}

/// One price of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Ticks,
    /// Sum over its orders, or what the L1/L2 feed said.
    pub qty: Lots,
    /// Number of orders, or what the L2 feed said (0 if it does not say).
    pub orders: u32,
}

/// Why quantity left an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// It traded, at this price.
    Executed {
        /// Price of the execution; the order's own unless the feed gave another.
        price: Ticks,
    },
    /// Its owner took it off, in part or whole.
    Canceled,
    /// Its owner replaced or modified it so that it lost its place; the new order, `order_ref`, is added next.
    Replaced {
        /// Reference of the order that follows; the same as before if the feed modifies in place.
        order_ref: u64,
    },
    /// Its owner made it smaller, and it kept its place.
    Modified,
    /// The feed cleared the book.
    Cleared,
}

/// Is told what an event did to a book, while it is done. All methods do nothing by default.
///
/// When a method is called, the order's record is already changed; the level's follows with [`Self::level`].
pub trait BookObserver {
    /// `order` now rests at the back of its queue.
    #[inline]
    fn added(&mut self, slot: Slot, order: &BookOrder) {
        let _ = (slot, order);
    }

    /// `by` lots left the order, which was `before` and still rests with `before.qty - by` above 0, in its place.
    #[inline]
    fn reduced(&mut self, slot: Slot, before: &BookOrder, by: Lots, cause: Cause) {
        let _ = (slot, before, by, cause);
    }

    /// The order, which was `before`, left the book with all its quantity.
    #[inline]
    fn removed(&mut self, slot: Slot, before: &BookOrder, cause: Cause) {
        let _ = (slot, before, cause);
    }

    /// The level is now `level`; it is gone if `level.qty` is 0.
    #[inline]
    fn level(&mut self, instrument: InstrumentId, side: Side, level: Level) {
        let _ = (instrument, side, level);
    }
}

impl BookObserver for () {}

/// Why an event was not applied. The books are as they were before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// No order with this reference rests (a feed that is joined in mid-session names many).
    #[error("order {order_ref} is unknown")]
    UnknownOrder {
        /// The reference.
        order_ref: u64,
    },
    /// An order with this reference rests already.
    #[error("order {order_ref} rests already")]
    DuplicateOrder {
        /// The reference.
        order_ref: u64,
    },
    /// More was to leave the order than it has.
    #[error("order {order_ref} has {resting} lots, {asked} were to leave it")]
    QuantityExceeds {
        /// The reference.
        order_ref: u64,
        /// What it has.
        resting: Lots,
        /// What was to leave.
        asked: Lots,
    },
    /// The order rests in the book of another instrument.
    #[error("order {order_ref} belongs to instrument {resting}, not {named}")]
    WrongInstrument {
        /// The reference.
        order_ref: u64,
        /// Whose book it rests in.
        resting: InstrumentId,
        /// The instrument of the event.
        named: InstrumentId,
    },
    /// An order or a change of quantity 0.
    #[error("quantity is 0 for order {order_ref}")]
    ZeroQuantity {
        /// The reference.
        order_ref: u64,
    },
    /// Neither buy nor sell, or not the side on which the order rests.
    #[error("side {side} is not allowed for order {order_ref}")]
    BadSide {
        /// The reference.
        order_ref: u64,
        /// The side on the wire.
        side: u8,
    },
    /// A kind of event that is not assigned.
    #[error("event kind {kind} is unknown")]
    UnknownKind {
        /// The kind on the wire.
        kind: u8,
    },
    /// The instrument was not defined.
    #[error("instrument {instrument} is not defined")]
    UnknownInstrument {
        /// The instrument.
        instrument: InstrumentId,
    },
    /// A definition out of bounds: ids go up to [`InstrumentId::COUNT_MAX`], strides from 1 to 2^32.
    #[error(
        "instrument {instrument} with stride {stride} cannot be defined: ids end at 16383, strides are 1 to 4294967296"
    )]
    BadDefinition {
        /// The instrument.
        instrument: InstrumentId,
        /// The step between usual prices.
        stride: Ticks,
    },
    /// As many orders rest as the limits allow.
    #[error("{limit} orders rest, which is the limit")]
    OrdersFull {
        /// [`BookLimits::orders_max`].
        limit: u32,
    },
    /// As many levels without orders are held as the limits allow.
    #[error("{limit} aggregate levels are held, which is the limit")]
    LevelsFull {
        /// [`BookLimits::aggregate_levels_max`].
        limit: u32,
    },
    /// The sum of a level's quantities would pass 64 bits.
    #[error("the quantity at price {price} passes 64 bits")]
    LevelOverflow {
        /// The price.
        price: Ticks,
    },
    /// An L3 event for a book of bare levels, or the reverse. A book is cleared before its feed changes kind.
    #[error("instrument {instrument} holds orders and is sent levels, or the reverse")]
    MixedDepth {
        /// The instrument.
        instrument: InstrumentId,
    },
    /// More orders arrived in one book than 48 bits count.
    #[error("instrument {instrument} has no priority left")]
    PriorityExhausted {
        /// The instrument.
        instrument: InstrumentId,
    },
}

/// What of an order's hash does not change while it rests: who it is and when it came.
#[inline]
pub(crate) fn order_identity_hash(
    order_ref: u64,
    instrument: InstrumentId,
    side: Side,
    priority: u64,
) -> u64 {
    // The same packing as the order's record, so that the record's word enters the hash as it is.
    fold(order_ref, pack_tag(instrument, side, priority))
}

/// The hash of an order that rests with `qty` at `price`: one term of the state hash.
#[inline]
pub(crate) fn order_hash(identity: u64, price: Ticks, qty: Lots) -> u64 {
    fold(identity.wrapping_add(price.0 as u64), qty.0)
}

/// The hash of a level without orders: one term of the state hash.
pub(crate) fn level_hash(instrument: InstrumentId, side: Side, level: &Level) -> u64 {
    const TAG_LEVEL: u64 = 0x6c65_7665;
    let place = u64::from(instrument.0) << 1 | side.index() as u64;
    let orders = u64::from(level.orders);
    tidegate_model::hash::hash_words(TAG_LEVEL, &[place, level.price.0 as u64, level.qty.0, orders])
}

/// Bits of an order's tag below its priority: taken, side, instrument.
const TAG_TAKEN: u64 = 1;
const TAG_SIDE_SHIFT: u32 = 1;
const TAG_INSTRUMENT_SHIFT: u32 = 2;
const TAG_PRIORITY_SHIFT: u32 = 16;

/// Priorities end here: 48 bits, nine years at a million orders a second in one book.
pub(crate) const PRIORITY_MAX: u64 = (1 << (64 - TAG_PRIORITY_SHIFT)) - 1;

const _: () = assert!(InstrumentId::COUNT_MAX <= 1 << (TAG_PRIORITY_SHIFT - TAG_INSTRUMENT_SHIFT));

#[inline]
const fn pack_tag(instrument: InstrumentId, side: Side, priority: u64) -> u64 {
    priority << TAG_PRIORITY_SHIFT
        | (instrument.0 as u64) << TAG_INSTRUMENT_SHIFT
        | (side.index() as u64) << TAG_SIDE_SHIFT
}
