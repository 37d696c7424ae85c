//! How far the writer has come, for threads of the same process.

use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_model::SeqNo;

/// A place in a journal: a byte of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment's number, from 1.
    pub segment: u64,
    /// Bytes from the beginning of the segment's file.
    pub offset: u64,
}

/// What is committed at the `process` level: written by the [`crate::Writer`], read by anyone who holds it.
///
/// Two cache lines of its own, so that those who poll it disturb nothing else of the writer.
#[derive(Debug)]
#[repr(align(128))]
pub struct Watermark {
    /// Segment in the upper half, offset in the lower: one store moves both.
    position: AtomicU64,
    seq: AtomicU64,
}

impl Watermark {
    pub(crate) fn new(position: Position, seq: SeqNo) -> Self {
        Self { position: AtomicU64::new(pack(position)), seq: AtomicU64::new(seq.0) }
    }

    /// The last committed record's number; the number before the first if there is none.
    #[inline]
    pub fn seq(&self) -> SeqNo {
        SeqNo(self.seq.load(Ordering::Acquire))
    }

    /// Where the committed frames end. Taken after [`Self::seq`], it lies behind that record.
    #[inline]
    pub fn position(&self) -> Position {
        let packed = self.position.load(Ordering::Acquire);
        Position { segment: packed >> 32, offset: packed & u64::from(u32::MAX) }
    }

    /// Moves on. The position goes first, so that whoever sees the number sees its bytes as well.
    #[inline]
    pub(crate) fn publish(&self, position: Position, seq: SeqNo) {
        self.position.store(pack(position), Ordering::Release);
        self.seq.store(seq.0, Ordering::Release);
    }
}

#[inline]
const fn pack(position: Position) -> u64 {
    position.segment << 32 | position.offset
}
