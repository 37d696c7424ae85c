//! What operators ask of the markets of the house: phases and prices to begin from (`docs/rule-book.md`).

use crate::ids::InstrumentId;
use crate::units::Ticks;
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
