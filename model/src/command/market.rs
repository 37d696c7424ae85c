//! What operators ask of the markets of the house: phases and prices to begin from (`docs/rule-book.md`).

use crate::ids::InstrumentId;
use crate::tick_table::{PackedBand, TICK_BANDS_MAX};
use crate::units::{Ticks, UnixNanos};
use bytemuck::{Pod, Zeroable};

wire_enum!(
    /// What a market does with orders now (`docs/rule-book.md`, rule 6).
    #[derive(Default)]
    Phase {
        /// Orders are collected; at-the-open orders may still come.
        PreOpen = 1 => "pre_open",
        /// Orders are collected for the opening auction.
        OpenAuction = 2 => "open_auction",
        /// Orders trade as they come.
        #[default]
        Continuous = 3 => "continuous",
        /// Orders are collected; nothing trades.
        Halt = 4 => "halt",
        /// Orders are collected for the closing auction.
        CloseAuction = 5 => "close_auction",
        /// No order comes in.
        Closed = 6 => "closed",
    }
);

impl Phase {
    /// True if orders rest without trading, for an auction (rule 6).
    pub const fn collects(self) -> bool {
        !matches!(self, Self::Continuous | Self::Closed)
    }
}

/// Steps a market of the house to another phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetPhase {
    /// Whose market, or [`InstrumentId::NONE`] for every one.
    pub instrument: InstrumentId,
    /// A [`Phase`] on the wire.
    pub phase: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// When a calendar had the step due; 0 for one that is asked for now. A market that has taken a later step, for whatever
    /// reason, or this one, does not take it: a calendar may ask again for what it is not sure of.
    pub due_at: UnixNanos,
}

impl SetPhase {
    /// A step that is asked for now.
    pub const fn now(instrument: InstrumentId, phase: Phase) -> Self {
        Self { instrument, phase: phase.wire(), reserved: [0; 3], due_at: UnixNanos::ZERO }
    }
}

/// The longest pause that a price band may bring: a day, after which a market has long been somebody's to look after.
pub const PAUSE_NS_MAX: u64 = 86_400_000_000_000;
/// The widest price band: within the whole of the price.
pub const BAND_PPM_MAX: u32 = 1_000_000;

/// Sets the price bands of a market of the house (`docs/rule-book.md`, rule 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetBands {
    /// How long a trade outside the bands pauses the market, in nanoseconds, at most [`PAUSE_NS_MAX`]. An auction ends the
    /// pause. 0: the market halts until somebody ends that.
    pub pause_ns: u64,
    /// Whose market, or [`InstrumentId::NONE`] for every one.
    pub instrument: InstrumentId,
    /// How far prices may be from the last auction's price, or from the reference that was set since, in millionths of it, at
    /// most [`BAND_PPM_MAX`]; 0: any distance.
    pub static_ppm: u32,
    /// How far prices may be from the last trade before the order that trades, in millionths of it, at most [`BAND_PPM_MAX`];
    /// 0: any distance.
    pub dynamic_ppm: u32,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Sets the price that orders are measured against, and that auctions lean to, until there is a trade: a market of the house
/// has none of its own before its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetReference {
    /// The price in ticks, above 0.
    pub price: Ticks,
    /// Whose market.
    pub instrument: InstrumentId,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Sets the tick table of an instrument, whatever its market, in place of the one it had; what rests stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SetTickTable {
    /// Whose prices.
    pub instrument: InstrumentId,
    /// Bands in use; 0 takes the table away: then the instrument's own `order_tick` holds.
    pub count: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The bands by rising price; each step a multiple of the instrument's `order_tick`.
    pub bands: [PackedBand; TICK_BANDS_MAX],
}
