//! A segment in memory: allocated on disk, mapped, faulted in, and written to in order.
// Allowed here: stores into a shared mapping need `unsafe`.
#![allow(unsafe_code)]

use crate::crc::{self, Payload};
use crate::error::JournalError;
use crate::frame::{FRAME_HEADER_LEN, SEAL_FRAME_LEN, commit_word, frame_len, head_of};
use crate::header::{FIRST_CRC_AT, FIRST_SEQ_AT, SEGMENT_HEADER_LEN, SegmentHeader, first_crc};
use crate::storage::{StorageFile, StorageMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_model::SeqNo;

/// The smallest page that Linux uses on the machines we run on.
const PAGE_LEN: usize = 4096;

/// A segment's file, mapped for writing.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: Box<dyn StorageMap>,
    header: SegmentHeader,
}

impl Mapping {
    /// Maps `file`, which has been allocated with `header.segment_len` bytes.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the system refuses the map.
    pub(crate) fn new(
        file: &dyn StorageFile,
        header: SegmentHeader,
        path: &Path,
    ) -> Result<Self, JournalError> {
        let len = usize::try_from(header.segment_len).expect("bounded by SEGMENT_LEN_MAX");
        let map = file.map(len).map_err(JournalError::io("map", path))?;
        Ok(Self { map, header })
    }

    pub(crate) fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// Makes the pages of `offset..offset + len` present and writable, so that a store there does not fault.
    ///
    /// Harmless beside a writer: the content stays as it is.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the system has no memory or no disk for them.
    pub(crate) fn warm(&self, offset: u64, len: u64, path: &Path) -> Result<(), JournalError> {
        let begin = (usize::try_from(offset).unwrap_or(usize::MAX)).min(self.map.len());
        let begin = begin - begin % PAGE_LEN;
        let len = (usize::try_from(len).unwrap_or(usize::MAX)).min(self.map.len() - begin);
        if len == 0 {
            return Ok(());
        }
        self.map.warm(begin, len).map_err(JournalError::io("fault in", path))
    }
}

/// What records are written under: it stands in the header of their segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Era {
    pub(crate) epoch: u64,
    pub(crate) behaviour_version: u32,
}

/// Where the next frame goes.
///
/// **Invariant**: `base + pos` to `base + end` lies in `map`, behind every frame written so far, and `pos` is a
/// multiple of 8. Without a map both are 0.
#[derive(Debug)]
pub(crate) struct Cursor {
    base: *mut u8,
    pos: usize,
    end: usize,
    instruction: bool,
    map: Option<Arc<Mapping>>,
}

// SAFETY: `base` points into `map`, which may be used from any thread; only the one cursor stores through it.
unsafe impl Send for Cursor {}

impl Cursor {
    /// A cursor without a segment: it has room for nothing.
    pub(crate) fn nowhere() -> Self {
        let instruction = crc::has_instruction();
        Self { base: std::ptr::null_mut(), pos: 0, end: 0, instruction, map: None }
    }

    /// Brings `map` into use: its first record will be `first`, written in the epoch and by the behaviour that `era` says, which may
    /// be others than when the segment was made.
    ///
    /// # Panics
    /// If it is in use already; a mapping is handed out once.
    pub(crate) fn begin(map: Arc<Mapping>, era: Era, first: SeqNo) -> Self {
        assert!(map.header.first_seq.is_none(), "a segment comes into use once");
        let base = map.map.base();
        let len = map.map.len();
        assert!(len > SEGMENT_HEADER_LEN + SEAL_FRAME_LEN, "a segment has room for its seal");
        let Era { epoch, behaviour_version } = era;
        let header = SegmentHeader { epoch, behaviour_version, ..map.header }.encode();
        let crc = first_crc(&header, first);
        // SAFETY: the header lies at the beginning of the map, which is aligned to a page; nobody else writes.
        unsafe {
            std::ptr::copy_nonoverlapping(header.as_ptr(), base, FIRST_SEQ_AT);
            base.add(FIRST_CRC_AT).cast::<u32>().write(crc);
            AtomicU64::from_ptr(base.add(FIRST_SEQ_AT).cast()).store(first.0, Ordering::Release);
        }
        Self {
            base,
            pos: SEGMENT_HEADER_LEN,
            end: len - SEAL_FRAME_LEN,
            instruction: crc::has_instruction(),
            map: Some(map),
        }
    }

    /// Bytes from the beginning of the segment to the next frame.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.pos as u64
    }

    pub(crate) fn map(&self) -> Option<&Arc<Mapping>> {
        self.map.as_ref()
    }

    /// Writes one frame, or returns false if the segment has no room for it.
    ///
    /// The caller has checked that the payload has at most [`crate::frame::PAYLOAD_LEN_MAX`] bytes.
    #[inline]
    pub(crate) fn put<P: Payload + ?Sized>(&mut self, kind: u8, seq: u64, payload: &P) -> bool {
        let payload_len = payload.as_bytes().len();
        let len = frame_len(payload_len);
        if len > self.end - self.pos {
            return false;
        }
        let head = head_of(payload_len as u16, kind);
        // SAFETY: `len` bytes from `pos` lie in the map and are aligned to 8, by the invariant and the check above;
        // no other reference to them exists, since readers go through the file. The CRC instruction was detected.
        unsafe {
            let frame = self.base.add(self.pos).cast::<u64>();
            let body = frame.add(FRAME_HEADER_LEN / 8);
            let crc = crc::copy_frame(body, payload, head, seq, self.instruction);
            frame.add(1).write(seq);
            // Whoever sees this word sees the rest of the frame.
            AtomicU64::from_ptr(frame).store(commit_word(crc, head), Ordering::Release);
        }
        self.pos += len;
        true
    }

    /// Leaves room for nothing more but the seal.
    pub(crate) fn close(&mut self) {
        self.end = self.pos;
    }

    /// Lets the seal into the room that is kept for it.
    pub(crate) fn open_reserve(&mut self) {
        if self.map.is_some() {
            self.end += SEAL_FRAME_LEN;
        }
    }
}
