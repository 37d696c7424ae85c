//! What a feed says, in one 64-byte record: the input of books, and the larger part of the journal.
//!
//! ```text
//! offset  size  field         unit
//!      0     1  kind          MarketEventKind
//!      1     1  side          1 buy, 2 sell, 0 none
//!      2     2  flags         FLAG_*
//!      4     4  channel_id    the feed's own number for the instrument (ITCH stock locate)
//!      8     8  ts_event      exchange time, UTC nanoseconds
//!     16     8  ts_recv       time the engine's host received it, UTC nanoseconds
//!     24     8  order_ref     exchange order reference
//!     32     8  price         ticks of the instrument
//!     40     8  qty           lots of the instrument
//!     48     8  aux           Replace: new order reference; trades: match number
//!     56     8  feed_seq      number of the message in the feed, from 1
//! ```

use crate::ids::Symbol;
use crate::units::{Lots, Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// Which way an order or position goes (FIX tag 54).
    Side {
        /// To buy; a bid.
        Buy = 1 => "buy",
        /// To sell; an offer.
        Sell = 2 => "sell",
    }
);

impl Side {
    /// The other side.
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// 0 for buy, 1 for sell: an index into a pair.
    #[inline]
    pub const fn index(self) -> usize {
        self as usize - 1
    }
}

wire_enum!(
    /// What a [`MarketEvent`] means for the book.
    MarketEventKind {
        /// A new displayed order: `order_ref`, `side`, `price`, `qty`.
        Add = 1 => "add",
        /// `qty` lots of `order_ref` executed at its own price; `aux` is the match number.
        Execute = 2 => "execute",
        /// `qty` lots of `order_ref` executed at `price`, which differs from its own; `FLAG_NON_PRINTABLE` if not for the tape.
        ExecuteAtPrice = 3 => "execute_at_price",
        /// `qty` lots taken off `order_ref` by its owner.
        Reduce = 4 => "reduce",
        /// `order_ref` leaves the book.
        Delete = 5 => "delete",
        /// `order_ref` is replaced by order `aux` with `price` and `qty`, on the same side, at the back of the queue.
        Replace = 6 => "replace",
        /// A trade that does not change the book, as against an order that was not displayed: `price`, `qty`; `side` is the
        /// aggressor's where the feed tells; `FLAG_FILLS_FOLLOW` if displayed orders were part of it.
        Trade = 7 => "trade",
        /// An auction trade: `price`, `qty`; the book does not change.
        Cross = 8 => "cross",
        /// The instrument's trading status is now `flags & STATUS_MASK`.
        Status = 9 => "status",
        /// All orders of the instrument leave the book (feed reset); with a `side`, those of it at `price` and better.
        Clear = 10 => "clear",
        /// The instrument behind `channel_id`: see [`Definition`].
        Definition = 11 => "definition",
        /// Best bid or offer without orders behind it: the whole `side` is now `qty` at `price` (L1 feeds).
        Quote = 12 => "quote",
        /// One price level of an L2 feed: `side`, `price`, `qty` (0 removes it), `aux` orders.
        Level = 13 => "level",
        /// What happened in between is unknown: every book is emptied. `qty` messages from `feed_seq` on are lost; 0 if nobody
        /// knows how many, as over a restart or from one session of the feed to the next.
        Gap = 14 => "gap",
        /// System-wide state of the feed, in `flags`: `SYSTEM_*`.
        System = 15 => "system",
        /// `order_ref` now has `price` and `qty`; it keeps its place only if the price stays and the quantity shrinks.
        Modify = 16 => "modify",
        /// `qty` lots of `order_ref` were executed; the change of the book follows as an event of its own (DBN).
        Fill = 17 => "fill",
        /// The first half of a [`Bar`]: `price` is its open, `order_ref` its high and `aux` its low, as the bits of [`Ticks`].
        BarRange = 18 => "bar_range",
        /// The second half of a [`Bar`], next in its channel after the first: `price` is its close, `qty` its volume, `aux` when it
        /// began, `ts_event` when it ended.
        Bar = 19 => "bar",
    }
);

/// [`MarketEventKind::System`]: the feed's first message of the day.
pub const SYSTEM_START_OF_MESSAGES: u16 = 1;
/// [`MarketEventKind::System`]: orders are accepted from now on.
pub const SYSTEM_START_OF_SYSTEM_HOURS: u16 = 2;
/// [`MarketEventKind::System`]: regular market hours begin.
pub const SYSTEM_START_OF_MARKET_HOURS: u16 = 3;
/// [`MarketEventKind::System`]: regular market hours end.
pub const SYSTEM_END_OF_MARKET_HOURS: u16 = 4;
/// [`MarketEventKind::System`]: no order is accepted any more.
pub const SYSTEM_END_OF_SYSTEM_HOURS: u16 = 5;
/// [`MarketEventKind::System`]: the feed's last message of the day.
pub const SYSTEM_END_OF_MESSAGES: u16 = 6;

/// The execution is not to be printed: it is counted in a cross later.
pub const FLAG_NON_PRINTABLE: u16 = 0x0100;
/// The displayed orders that this trade executed are told one by one, as [`MarketEventKind::Fill`].
pub const FLAG_FILLS_FOLLOW: u16 = 0x0200;
/// The low byte of `flags` in [`MarketEventKind::Status`]: a [`TradingStatus`].
pub const STATUS_MASK: u16 = 0x00ff;

wire_enum!(
    /// Whether an instrument trades (ITCH 5.0 section 1.2.2).
    TradingStatus {
        /// Continuous trading.
        Trading = 1 => "trading",
        /// No trading on any venue.
        Halted = 2 => "halted",
        /// No trading on this venue.
        Paused = 3 => "paused",
        /// Orders are taken, none is executed.
        QuotationOnly = 4 => "quotation_only",
        /// Between sessions: no order is taken. Of markets of the house.
        Closed = 5 => "closed",
    }
);

/// One message of a feed; the layout is in the head of this module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MarketEvent {
    /// A [`MarketEventKind`] on the wire.
    pub kind: u8,
    /// A [`Side`] on the wire, or 0.
    pub side: u8,
    /// `FLAG_*`, or the value that `kind` names.
    pub flags: u16,
    /// The feed's own number for the instrument.
    pub channel_id: u32,
    /// Exchange time.
    pub ts_event: UnixNanos,
    /// Receive time; the engine takes the later of this and its own last time.
    pub ts_recv: UnixNanos,
    /// Exchange order reference.
    pub order_ref: u64,
    /// Price in ticks.
    pub price: Ticks,
    /// Quantity in lots.
    pub qty: Lots,
    /// New order reference or match number.
    pub aux: u64,
    /// Number of the message in the feed, from 1.
    pub feed_seq: u64,
}

crate::saved_as_bytes!(MarketEvent);

/// A [`MarketEvent`] of kind [`MarketEventKind::Definition`], seen with its own fields.
///
/// Feeds send it before the first event of an instrument, so that a journal explains itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Definition {
    /// [`MarketEventKind::Definition`] on the wire.
    pub kind: u8,
    /// Digits to print after the point of a price.
    pub price_scale: u8,
    /// Zero.
    pub flags: u16,
    /// The feed's number that the symbol is bound to.
    pub channel_id: u32,
    /// Exchange time.
    pub ts_event: UnixNanos,
    /// Receive time.
    pub ts_recv: UnixNanos,
    /// The symbol, as the venue writes it.
    pub symbol: Symbol,
    /// What one tick of this feed's prices is worth, in 1e-9.
    pub tick_size_nano: i64,
    /// What one lot of this feed's quantities is, in 1e-9.
    pub lot_size_nano: i64,
}

/// What was traded of an instrument in a span of time. It travels as two [`MarketEvent`]s, at its end: nobody knows a bar before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The feed's number for the instrument.
    pub channel_id: u32,
    /// When it began.
    pub begin: UnixNanos,
    /// When it ended; after `begin`.
    pub end: UnixNanos,
    /// First price.
    pub open: Ticks,
    /// Highest price.
    pub high: Ticks,
    /// Lowest price.
    pub low: Ticks,
    /// Last price.
    pub close: Ticks,
    /// Quantity traded.
    pub volume: Lots,
    /// Number of the message in the feed, from 1.
    pub feed_seq: u64,
}

const _: () = assert!(size_of::<MarketEvent>() == 64);
const _: () = assert!(size_of::<Definition>() == 64);

impl Definition {
    /// The record as it travels.
    #[inline]
    pub fn into_event(self) -> MarketEvent {
        bytemuck::cast(self)
    }
}

impl Bar {
    /// True if it is one: it has a length, and its high and low enclose its open and its close.
    pub fn is_consistent(&self) -> bool {
        let range = self.low..=self.high;
        self.begin < self.end && range.contains(&self.open) && range.contains(&self.close)
    }

    /// The two records as they travel, in order.
    pub fn into_events(self) -> [MarketEvent; 2] {
        let half = MarketEvent {
            channel_id: self.channel_id,
            ts_event: self.end,
            ts_recv: self.end,
            feed_seq: self.feed_seq,
            ..MarketEvent::default()
        };
        [
            MarketEvent {
                kind: MarketEventKind::BarRange.wire(),
                price: self.open,
                order_ref: self.high.0 as u64,
                aux: self.low.0 as u64,
                ..half
            },
            MarketEvent {
                kind: MarketEventKind::Bar.wire(),
                price: self.close,
                qty: self.volume,
                aux: self.begin.0,
                ..half
            },
        ]
    }

    /// The bar that two records are the halves of; `None` if they are not, or if what they say is not [`Self::is_consistent`].
    pub fn from_events(first: &MarketEvent, second: &MarketEvent) -> Option<Self> {
        let are_halves = first.kind() == Some(MarketEventKind::BarRange)
            && second.kind() == Some(MarketEventKind::Bar)
            && first.channel_id == second.channel_id
            && first.ts_event == second.ts_event;
        let bar = Self {
            channel_id: second.channel_id,
            begin: UnixNanos(second.aux),
            end: second.ts_event,
            open: first.price,
            high: Ticks(first.order_ref as i64),
            low: Ticks(first.aux as i64),
            close: second.price,
            volume: second.qty,
            feed_seq: second.feed_seq,
        };
        (are_halves && bar.is_consistent()).then_some(bar)
    }
}

impl MarketEvent {
    /// The kind, or `None` if the number is not assigned.
    #[inline]
    pub const fn kind(&self) -> Option<MarketEventKind> {
        MarketEventKind::from_wire(self.kind)
    }

    /// The side, or `None` if there is none.
    #[inline]
    pub const fn side(&self) -> Option<Side> {
        Side::from_wire(self.side)
    }

    /// The record as a [`Definition`], if it is one.
    pub fn definition(&self) -> Option<Definition> {
        (self.kind == MarketEventKind::Definition.wire()).then(|| bytemuck::cast(*self))
    }
}
