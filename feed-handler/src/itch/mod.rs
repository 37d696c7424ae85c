//! Nasdaq TotalView-ITCH 5.0: every message of the specification, to and from bytes, and the [`Decoder`] that
//! turns them into market events.
//!
//! Numbers are big-endian, texts are padded with spaces on the right, prices of four bytes count 0.0001,
//! those of eight bytes 0.00000001. Message lengths are exact: one byte more or less is an error.

mod decoder;
mod messages;

pub use decoder::{Decoder, MessageCounts};
pub use messages::*;

#[cfg(test)]
mod golden_tests;

#[cfg(test)]
mod decoder_tests;

/// What one tick of ITCH prices is worth, in 1e-9 of the currency.
pub const TICK_SIZE_NANO: i64 = 100_000;
/// What one lot of ITCH quantities is, in 1e-9: one share.
pub const LOT_SIZE_NANO: i64 = 1_000_000_000;
/// Bytes of the longest message (`I`).
pub const MESSAGE_LEN_MAX: usize = 50;
/// Nanoseconds of a day: every timestamp is below.
pub const NANOS_PER_DAY: u64 = 86_400_000_000_000;

/// A stock symbol: eight bytes, padded with spaces on the right.
pub type Stock = [u8; 8];

/// `symbol` as the eight bytes of a [`Stock`]; `None` if it is longer.
pub fn stock(symbol: &str) -> Option<Stock> {
    let mut out = [b' '; 8];
    out.get_mut(..symbol.len())?.copy_from_slice(symbol.as_bytes());
    Some(out)
}
