//! One segment's file, read through a buffer.
//!
//! Reads go through `pread`, not through a map: the page cache shows what the writer stored into its own map, and a
//! file that is cut under a reader gives a short read instead of SIGBUS. Copying costs a few nanoseconds a record.

use crate::crc;
use crate::directory::{open_segment, segment_path};
use crate::error::JournalError;
use crate::frame::{FRAME_ALIGN, FRAME_HEADER_LEN, FRAME_LEN_MAX, FrameHeader};
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::storage::{Dir, StorageFile};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

/// Bytes read at once: enough for the longest frame, small enough for the second-level cache.
const BUFFER_LEN: usize = 256 * 1024;

const _: () = assert!(BUFFER_LEN >= FRAME_LEN_MAX);

/// What lies behind the place where the valid frames end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Bytes up to the last one that is not zero.
    pub(crate) used_len: u64,
    /// A whole frame lies there that could follow the last valid one.
    pub(crate) has_frame: bool,
    /// The file's length.
    pub(crate) file_len: u64,
}

#[derive(Debug)]
pub(crate) struct SegmentFile {
    file: Box<dyn StorageFile>,
    pub(crate) path: PathBuf,
    pub(crate) header: SegmentHeader,
    buffer: Vec<u8>,
    /// Offset in the file of the buffer's first byte.
    buffer_at: u64,
    buffer_len: usize,
}

impl SegmentFile {
    /// Opens segment `index` with a buffer that is used again from segment to segment; `None` if it is not there.
    pub(crate) fn open(
        dir: &Dir,
        index: u64,
        mut buffer: Vec<u8>,
    ) -> Result<Option<Self>, JournalError> {
        let Some((file, header)) = open_segment(dir, index)? else { return Ok(None) };
        buffer.resize(BUFFER_LEN, 0);
        let path = segment_path(dir.path(), index);
        Ok(Some(Self { file, path, header, buffer, buffer_at: 0, buffer_len: 0 }))
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Forgets what was read: the file may have grown records since.
    pub(crate) fn forget(&mut self) {
        self.buffer_len = 0;
    }

    /// Sees to it that `len` bytes at `at` are buffered, reading no further than `limit`. False if the file or the
    /// limit ends before.
    #[inline]
    pub(crate) fn has(&mut self, at: u64, len: usize, limit: u64) -> Result<bool, JournalError> {
        let begin = at.wrapping_sub(self.buffer_at);
        if begin <= self.buffer_len as u64 && len as u64 <= self.buffer_len as u64 - begin {
            return Ok(true);
        }
        self.fill(at, len, limit)
    }

    #[cold]
    fn fill(&mut self, at: u64, len: usize, limit: u64) -> Result<bool, JournalError> {
        self.buffer_at = at;
        self.buffer_len = 0;
        let room = usize::try_from(limit.saturating_sub(at)).unwrap_or(usize::MAX).min(BUFFER_LEN);
        while self.buffer_len < len {
            let target = &mut self.buffer[self.buffer_len..room.max(self.buffer_len)];
            match self.file.read_at(target, at + self.buffer_len as u64) {
                Ok(0) => return Ok(false),
                Ok(count) => self.buffer_len += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(JournalError::io("read", &self.path)(error)),
            }
        }
        Ok(true)
    }

    /// The buffered bytes at `at`; [`Self::has`] has just returned true for them.
    #[inline]
    pub(crate) fn bytes(&self, at: u64, len: usize) -> &[u8] {
        let begin = (at - self.buffer_at) as usize;
        &self.buffer[begin..begin + len]
    }

    #[inline]
    pub(crate) fn frame_header(&self, at: u64) -> FrameHeader {
        let bytes = self.bytes(at, FRAME_HEADER_LEN);
        FrameHeader::parse(bytes.try_into().expect("that many were asked for"))
    }

    /// True if a whole frame with a correct CRC is at `at` now.
    pub(crate) fn is_frame(&mut self, at: u64) -> Result<bool, JournalError> {
        self.forget();
        if !self.has(at, FRAME_HEADER_LEN, u64::MAX)? {
            return Ok(false);
        }
        let header = self.frame_header(at);
        let len = header.frame_len();
        if header.kind == 0 || !self.has(at, len, u64::MAX)? {
            return Ok(false);
        }
        Ok(crc::frame(self.bytes(at, len)) == header.crc)
    }

    /// True if the segment says that it is not in use, but has a first frame.
    pub(crate) fn contradicts_unused(&mut self) -> Result<bool, JournalError> {
        self.forget();
        let at = SEGMENT_HEADER_LEN as u64;
        Ok(self.has(at, FRAME_ALIGN, u64::MAX)? && self.bytes(at, FRAME_ALIGN) != [0; FRAME_ALIGN])
    }

    /// Looks at everything from `at` on, where no valid frame begins, and where `expected_seq` should have come.
    pub(crate) fn tail(&mut self, at: u64, expected_seq: u64) -> Result<Tail, JournalError> {
        let file_len = self.file.len().map_err(JournalError::io("look at", &self.path))?;
        let mut tail = Tail { used_len: 0, has_frame: false, file_len };
        // A frame is at least as long as its header, which bounds the numbers that can follow here.
        let seq_max =
            expected_seq.saturating_add(self.header.segment_len / FRAME_HEADER_LEN as u64);
        let plausible = expected_seq.saturating_sub(1)..=seq_max;
        let mut block = vec![0; BUFFER_LEN];
        let mut from = at;
        while from < file_len {
            let count = read_some(self.file.as_ref(), &mut block, from)
                .map_err(JournalError::io("read", &self.path))?;
            if count == 0 {
                break;
            }
            let bytes = &block[..count];
            if let Some(last) = last_used(bytes) {
                tail.used_len = from + last as u64 + 1 - at;
                tail.has_frame = tail.has_frame || self.frame_among(bytes, from, at, &plausible)?;
            }
            // Headers that straddle two blocks are found in the second one.
            let overlap = if count > FRAME_HEADER_LEN { FRAME_HEADER_LEN - FRAME_ALIGN } else { 0 };
            from += (count - overlap) as u64;
            from -= if count > FRAME_HEADER_LEN { from % FRAME_ALIGN as u64 } else { 0 };
        }
        Ok(tail)
    }

    /// Bytes from `at` up to the last one that is not zero.
    pub(crate) fn used_len(&self, at: u64) -> Result<u64, JournalError> {
        used_len(self.file.as_ref(), at).map_err(JournalError::io("read", &self.path))
    }

    fn frame_among(
        &mut self,
        bytes: &[u8],
        from: u64,
        damaged_at: u64,
        plausible: &std::ops::RangeInclusive<u64>,
    ) -> Result<bool, JournalError> {
        for begin in (0..bytes.len().saturating_sub(FRAME_HEADER_LEN - 1)).step_by(FRAME_ALIGN) {
            let Some(head) = bytes[begin..].first_chunk::<FRAME_HEADER_LEN>() else { break };
            let header = FrameHeader::parse(head);
            let at = from + begin as u64;
            let possible = header.kind != 0 && header.zero == 0 && plausible.contains(&header.seq);
            if possible && at != damaged_at && self.is_frame(at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The offset of the first byte from `at` on that is not zero.
    pub(crate) fn first_used_byte(&self, at: u64) -> Result<Option<u64>, JournalError> {
        let mut block = vec![0; BUFFER_LEN];
        let mut from = at;
        loop {
            let count = read_some(self.file.as_ref(), &mut block, from)
                .map_err(JournalError::io("read", &self.path))?;
            if count == 0 {
                return Ok(None);
            }
            let bytes = &block[..count];
            if last_used(bytes).is_some() {
                let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
                return Ok(Some(from + zeros as u64));
            }
            from += count as u64;
        }
    }
}

/// The place of the last byte that is not zero. Looks at whole pages first: most are empty.
fn last_used(bytes: &[u8]) -> Option<usize> {
    let mut end = bytes.len();
    for page in bytes.rchunks(4096) {
        end -= page.len();
        if page.iter().fold(0, |all, byte| all | byte) != 0 {
            return page.iter().rposition(|&byte| byte != 0).map(|last| end + last);
        }
    }
    None
}

pub(crate) fn read_some(file: &dyn StorageFile, block: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(block, at) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Bytes of `file` from `at` up to the last one that is not zero.
pub(crate) fn used_len(file: &dyn StorageFile, at: u64) -> io::Result<u64> {
    let mut block = vec![0; BUFFER_LEN];
    let (mut from, mut used) = (at, 0);
    loop {
        let count = read_some(file, &mut block, from)?;
        if count == 0 {
            return Ok(used);
        }
        if let Some(last) = last_used(&block[..count]) {
            used = from + last as u64 + 1 - at;
        }
        from += count as u64;
    }
}
