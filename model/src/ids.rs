//! Identifiers: small integers that index tables, and the fixed-width texts that people see.

use bytemuck::{Pod, Zeroable};
use core::fmt;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty)) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[derive(Serialize, Deserialize)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into a table.
            #[inline]
            pub const fn index(self) -> usize { self.0 as usize }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
    };
}

id!(
    /// An instrument; given densely from 0 by the engine as instruments are defined.
    InstrumentId(u32)
);
id!(
    /// A trading account; chosen by the operator, below [`AccountId::COUNT_MAX`].
    AccountId(u32)
);
id!(
    /// Whoever acts: a person, a strategy, an agent. The gateway maps people to principals.
    PrincipalId(u32)
);
id!(
    /// A strategy, whichever accounts it trades for; 0 is none.
    StrategyId(u16)
);
id!(
    /// Principals, accounts, strategies or instruments that are limited together; 0 is none.
    GroupId(u16)
);
id!(
    /// One connection of a client; 0 is the operator's own.
    SessionId(u32)
);
id!(
    /// The engine's number for an order, from 1, never reused.
    OrderId(u64)
);

id!(
    /// The engine's number for one execution (FIX ExecID, tag 17), from 1, never reused.
    ExecId(u64)
);

impl InstrumentId {
    /// Instruments one engine can hold. All of Nasdaq's are about 11,000.
    pub const COUNT_MAX: usize = 16_384;
    /// Stands for "no instrument" or "all instruments", as the field says.
    pub const NONE: Self = Self(u32::MAX);
}

impl PrincipalId {
    /// The operator's own: the configuration, and what the engine does by itself. No token stands for it.
    pub const OPERATOR: Self = Self(0);
    /// Principals that one engine can know: the people and programs of a firm. They are numbered below it.
    pub const COUNT_MAX: usize = 16_384;
}

impl StrategyId {
    /// None: an order that no strategy sent.
    pub const NONE: Self = Self(0);
    /// Strategies that one engine can hold; they are numbered below it.
    pub const COUNT_MAX: usize = 4_096;
}

impl GroupId {
    /// None.
    pub const NONE: Self = Self(0);
    /// Groups that one engine can hold; they are numbered below it.
    pub const COUNT_MAX: usize = 1_024;
}

impl AccountId {
    /// Accounts that one engine can hold: of so many the tables of orders, money and risk take
    /// 1 KiB each before they trade. They are numbered below it, best from 0 on: tables reach up to the highest number.
    pub const COUNT_MAX: usize = 1 << 17;
    /// Currencies that one account may hold: those of the markets that one desk trades, and the bound of sums over them.
    pub const CURRENCIES_MAX: usize = 8;
    /// Stands for "no account" or "all accounts", as the field says.
    pub const NONE: Self = Self(u32::MAX);
}

/// Why a text cannot be an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextIdError {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// The field.
        what: &'static str,
    },
    /// More bytes than the field holds.
    #[error("{what} has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// The field.
        what: &'static str,
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A byte that is not printable ASCII.
    #[error("{what} has byte 0x{byte:02x} at {at}; only printable ASCII without spaces is allowed")]
    Byte {
        /// The field.
        what: &'static str,
        /// The offending byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
}

fn copy_text<const N: usize>(
    what: &'static str,
    text: &str,
    max: usize,
) -> Result<[u8; N], TextIdError> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Err(TextIdError::Empty { what });
    }
    if bytes.len() > max {
        return Err(TextIdError::TooLong { what, len: bytes.len(), max });
    }
    if let Some(at) = bytes.iter().position(|b| !b.is_ascii_graphic()) {
        return Err(TextIdError::Byte { what, byte: bytes[at], at });
    }
    let mut out = [0; N];
    out[..bytes.len()].copy_from_slice(bytes);
    Ok(out)
}

/// True for 1 to `MAX` printable ASCII bytes followed by zeros. Eight bytes at a time: this is asked of each order.
#[inline]
fn is_padded_text<const SIZE: usize, const MAX: usize>(bytes: &[u8; SIZE]) -> bool {
    const { assert!(SIZE.is_multiple_of(8), "whole words") };
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    let (mut is_wrong, mut is_over) = (bytes[0] == 0, false);
    for (at, word) in bytes.chunks_exact(8).enumerate() {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight"));
        if is_over {
            is_wrong |= word != 0;
            continue;
        }
        let low = word & !HIGH;
        // The high bit of each byte that is not 0, and of each from '!' on; that of 0x7f alone goes beyond it.
        let (is_some, is_graphic) = (low + 0x7f * EACH, low + (0x80 - b'!' as u64) * EACH);
        let is_bad = word | (is_some ^ is_graphic) | (low + EACH);
        // A bit for each byte of the text, from the first on: without a gap, and full if more follows.
        let text = (is_some & HIGH) >> 7;
        let has_gap = text & !(text << 8 | 1) != 0;
        let room = MAX.saturating_sub(8 * at);
        let is_long = room < 8 && word >> (8 * room) != 0;
        is_wrong |= is_bad & HIGH != 0 || has_gap || is_long;
        is_over = text >> 56 == 0;
    }
    !is_wrong
}

fn text_of(bytes: &[u8]) -> &str {
    let len = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    core::str::from_utf8(&bytes[..len]).unwrap_or("?")
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $what:literal, $size:literal, $max:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
        #[repr(transparent)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Bytes a text may have; the rest of the field is zero.
            pub const LEN_MAX: usize = $max;
            /// No text.
            pub const EMPTY: Self = Self([0; $size]);

            /// Takes printable ASCII of 1 to `LEN_MAX` bytes.
            ///
            /// # Errors
            /// [`TextIdError`] names the field, the byte and the limit.
            pub fn new(text: &str) -> Result<Self, TextIdError> {
                copy_text($what, text, Self::LEN_MAX).map(Self)
            }

            /// The text, without padding.
            pub fn as_str(&self) -> &str { text_of(&self.0) }

            /// True if there is no text.
            #[inline]
            pub fn is_empty(&self) -> bool { self.0[0] == 0 }

            /// True if the bytes are a text that [`Self::new`] would accept, zero-padded.
            ///
            /// Records that come from outside are checked with it before they are believed.
            #[inline]
            pub fn is_valid(&self) -> bool {
                is_padded_text::<$size, $max>(&self.0)
            }
        }

        impl Default for $name { fn default() -> Self { Self::EMPTY } }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{:?}", self.as_str()) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }

        crate::saved_as_bytes!($name);
    };
}

text_id!(
    /// A client's own name for its order (FIX ClOrdID, tag 11); unique per account and trading day.
    ClientOrderId, "client_order_id", 40, 36
);
text_id!(
    /// An instrument's symbol as its venue writes it.
    Symbol, "symbol", 24, 24
);
text_id!(
    /// A venue, currency or other short code.
    Code, "code", 8, 8
);
