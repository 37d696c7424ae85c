//! One record on disk: a frame of a 16-byte header and a payload, padded to 8 bytes.
//!
//! ```text
//! offset  size  field        unit
//!      0     4  crc32c       of every byte of the frame behind this field, padding included
//!      4     2  payload_len  bytes
//!      6     1  kind         KIND_*, never 0
//!      7     1  zero         0
//!      8     8  seq          see below
//!     16     n  payload      then zeros up to a multiple of 8
//! ```
//!
//! All integers are little-endian. The writer stores the first eight bytes last, in one store: eight zero bytes
//! mean that nothing is written from there on.
//!
//! `seq` counts 1, 2, 3, ... over all frames of a journal but checkpoints and seals, which repeat the number of
//! the record before them.

use bytemuck::{Pod, Zeroable};
use tidegate_model::{SeqNo, StateHash};

/// A [`tidegate_model::MarketEvent`].
pub const KIND_MARKET_EVENT: u8 = 1;
/// A [`tidegate_model::CommandRecord`].
pub const KIND_COMMAND: u8 = 2;
/// A [`Checkpoint`]; repeats the number of the record before it.
pub const KIND_CHECKPOINT: u8 = 3;
/// A [`tidegate_model::EventRecord`], in the event log.
pub const KIND_EVENT: u8 = 4;
/// A [`Seal`], the last frame of a segment; repeats the number of the record before it.
pub const KIND_SEAL: u8 = 5;

/// A [`Pruned`], in a copy whose market events were not kept; its number is that of the last event it stands for.
pub const KIND_PRUNED: u8 = 6;

/// Bytes of a frame's header.
pub const FRAME_HEADER_LEN: usize = 16;
/// Frames begin at multiples of this many bytes, so that a header's word is stored in one piece.
pub const FRAME_ALIGN: usize = 8;
/// Bytes a payload may have: what the length field can say.
pub const PAYLOAD_LEN_MAX: usize = u16::MAX as usize;
/// Bytes of the longest frame.
pub const FRAME_LEN_MAX: usize = frame_len(PAYLOAD_LEN_MAX);
/// Bytes of a seal's frame. Every segment keeps this much in reserve.
pub const SEAL_FRAME_LEN: usize = frame_len(size_of::<Seal>());

/// Bytes of the frame around a payload of `payload_len` bytes.
#[inline]
pub const fn frame_len(payload_len: usize) -> usize {
    FRAME_HEADER_LEN + payload_len.next_multiple_of(FRAME_ALIGN)
}

/// How much a frame of this kind adds to the sequence: 0 for checkpoints and seals, 1 for all others but [`KIND_PRUNED`], which
/// says itself.
#[inline]
pub const fn seq_step(kind: u8) -> u64 {
    !matches!(kind, KIND_CHECKPOINT | KIND_SEAL) as u64
}

/// The engine's state after record `seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Checkpoint {
    /// The last input that is in the hash.
    pub seq: SeqNo,
    /// The state's hash.
    pub hash: StateHash,
}

/// Why a segment ended, as it stands in [`Seal::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum SealReason {
    /// It was full; the next segment goes on.
    Rolled = 1,
    /// The writer was closed in order.
    Closed = 2,
    /// A recovery found it open, because its writer had crashed.
    Recovered = 3,
}

impl SealReason {
    /// The reason for a number on disk, or `None` if none is assigned.
    pub const fn from_wire(wire: u64) -> Option<Self> {
        match wire {
            1 => Some(Self::Rolled),
            2 => Some(Self::Closed),
            3 => Some(Self::Recovered),
            _ => None,
        }
    }

    /// The lower-case name used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rolled => "rolled",
            Self::Closed => "closed",
            Self::Recovered => "recovered",
        }
    }
}

/// The last record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Seal {
    /// Frames in the segment before the seal.
    pub frame_count: u64,
    /// A [`SealReason`] on the wire.
    pub reason: u64,
    /// Bytes of a torn record that recovery cleared; 0 otherwise.
    pub cut_bytes: u64,
}

/// A run of market events that are not here any more: [`crate::archive`] restores such journals. No engine can replay one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Pruned {
    /// How many they are, at least 1.
    pub count: u64,
}

const _: () = assert!(size_of::<Checkpoint>() == 16);
const _: () = assert!(size_of::<Seal>() == 24);

/// The header word that is stored last: CRC, length and kind.
#[inline]
pub(crate) const fn commit_word(crc: u32, head: u32) -> u64 {
    crc as u64 | (head as u64) << 32
}

/// The second half of the commit word: length, kind, zero.
#[inline]
pub(crate) const fn head_of(payload_len: u16, kind: u8) -> u32 {
    payload_len as u32 | (kind as u32) << 16
}

/// A frame's header, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) crc: u32,
    pub(crate) payload_len: u16,
    pub(crate) kind: u8,
    pub(crate) zero: u8,
    pub(crate) seq: u64,
}

impl FrameHeader {
    #[inline]
    pub(crate) fn parse(bytes: &[u8; FRAME_HEADER_LEN]) -> Self {
        let [c0, c1, c2, c3, l0, l1, kind, zero, seq @ ..] = *bytes;
        Self {
            crc: u32::from_le_bytes([c0, c1, c2, c3]),
            payload_len: u16::from_le_bytes([l0, l1]),
            kind,
            zero,
            seq: u64::from_le_bytes(seq),
        }
    }

    #[inline]
    pub(crate) fn frame_len(&self) -> usize {
        frame_len(usize::from(self.payload_len))
    }
}

/// A frame as bytes, for the places where speed does not matter.
pub(crate) fn encode(kind: u8, seq: u64, payload: &[u8]) -> Vec<u8> {
    let payload_len = u16::try_from(payload.len()).expect("only fixed small payloads come here");
    let mut bytes = vec![0; frame_len(payload.len())];
    bytes[4..8].copy_from_slice(&head_of(payload_len, kind).to_le_bytes());
    bytes[8..16].copy_from_slice(&seq.to_le_bytes());
    bytes[16..16 + payload.len()].copy_from_slice(payload);
    let crc = crate::crc::frame(&bytes);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes
}
