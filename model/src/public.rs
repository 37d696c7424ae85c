//! Public data: what changed in a book or traded, for everyone, in one 56-byte record.
//!
//! It goes out once, as a broadcast that readers cannot block; whoever was too slow is told so and asks for
//! a new picture of the book.

use crate::ids::InstrumentId;
use crate::units::{Lots, SeqNo, Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// What a [`PublicUpdate`] tells.
    PublicKind {
        /// One price level is now `qty` lots in `orders` orders; 0 lots: it is gone.
        Level = 1 => "level",
        /// A trade of `qty` lots at `price`; `side` is the aggressor's, 0 if unknown.
        Trade = 2 => "trade",
        /// The instrument's trading status is now `orders`.
        Status = 3 => "status",
        /// Every level of the instrument is gone: a new picture follows as levels.
        Clear = 4 => "clear",
        /// The picture that `Clear` began is complete.
        PictureEnd = 5 => "picture_end",
        /// An auction would trade `qty` lots at `price` now; 0 lots: it would not trade. [`PublicKind::Imbalance`] follows.
        Indicative = 6 => "indicative",
        /// The auction that was told of before would leave `qty` lots on `side` at its price; `side` is 0 if none.
        Imbalance = 7 => "imbalance",
    }
);

/// One public update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PublicUpdate {
    /// The input that caused it.
    pub seq: SeqNo,
    /// Exchange time of that input.
    pub ts_event: UnixNanos,
    /// The engine's time.
    pub ts: UnixNanos,
    /// The instrument.
    pub instrument: InstrumentId,
    /// A [`PublicKind`] on the wire.
    pub kind: u8,
    /// A [`crate::Side`] on the wire, or 0.
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 2],
    /// Price in ticks.
    pub price: Ticks,
    /// Quantity in lots.
    pub qty: Lots,
    /// Orders at the level.
    pub orders: u32,
    /// Zero.
    pub reserved_tail: [u8; 4],
}

const _: () = assert!(size_of::<PublicUpdate>() == 56);
