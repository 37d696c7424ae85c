//! The 128 bytes at the head of a segment.
//!
//! ```text
//! offset  size  field              unit
//!      0     8  magic              "TGJRNL\r\n": also shows a copy that changed line ends
//!      8     2  format_version     1
//!     10     2  header_len         128
//!     12     4  behaviour_version  of the engine that writes
//!     16    16  instance           the journal this segment belongs to
//!     32     8  epoch              grows with each change of primary
//!     40     8  index              the segment's number, as in its name, from 1
//!     48     8  segment_len        bytes the segment was made with
//!     56     8  created            UTC nanoseconds since the Unix epoch
//!     64    28  reserved           zero
//!     92     4  crc32c             of bytes 0..92
//!     96     8  first_seq          0: not in use yet; else the number of the first record of the segment
//!    104    16  reserved           zero
//!    120     4  first_crc32c       of bytes 92..120
//!    124     4  reserved           zero
//! ```
//!
//! A segment is made ahead of its use, when its first number is not known. Bytes 96.. are written when it comes
//! into use: `first_crc32c` first, `first_seq` last and in one store, so that a crash leaves it unused or in use.

use crate::crc;
use crate::error::JournalError;
use std::path::Path;
use tidegate_model::{SeqNo, UnixNanos};

/// Bytes of a segment's header; the first frame begins here.
pub const SEGMENT_HEADER_LEN: usize = 128;
/// The newest version of the format that this build reads, and the one it writes.
pub const FORMAT_VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"TGJRNL\r\n";
const CRC_AT: usize = 92;
pub(crate) const FIRST_SEQ_AT: usize = 96;
pub(crate) const FIRST_CRC_AT: usize = 120;

/// What a segment says about itself; the layout is in the head of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Version of the engine's behaviour: replay needs the same.
    pub behaviour_version: u32,
    /// The journal it belongs to.
    pub instance: u128,
    /// The epoch it was written in.
    pub epoch: u64,
    /// Its number, from 1.
    pub index: u64,
    /// Bytes it was made with; a sealed segment may be shorter.
    pub segment_len: u64,
    /// When it was made.
    pub created: UnixNanos,
    /// The number of its first record, or `None` while it is not in use.
    pub first_seq: Option<SeqNo>,
}

impl SegmentHeader {
    /// The header as it is on disk.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        let mut at = 0;
        let mut put = |field: &[u8]| {
            bytes[at..at + field.len()].copy_from_slice(field);
            at += field.len();
        };
        put(&MAGIC);
        put(&FORMAT_VERSION.to_le_bytes());
        put(&(SEGMENT_HEADER_LEN as u16).to_le_bytes());
        put(&self.behaviour_version.to_le_bytes());
        put(&self.instance.to_le_bytes());
        put(&self.epoch.to_le_bytes());
        put(&self.index.to_le_bytes());
        put(&self.segment_len.to_le_bytes());
        put(&self.created.0.to_le_bytes());
        let crc = crc::bytes(&bytes[..CRC_AT]);
        bytes[CRC_AT..FIRST_SEQ_AT].copy_from_slice(&crc.to_le_bytes());
        if let Some(first) = self.first_seq {
            let crc = first_crc(&bytes, first);
            bytes[FIRST_SEQ_AT..FIRST_SEQ_AT + 8].copy_from_slice(&first.0.to_le_bytes());
            bytes[FIRST_CRC_AT..FIRST_CRC_AT + 4].copy_from_slice(&crc.to_le_bytes());
        }
        bytes
    }

    /// Takes a header apart and checks it.
    ///
    /// # Errors
    /// [`JournalError::BadHeader`] or [`JournalError::Version`], naming `path`.
    pub fn decode(bytes: &[u8; SEGMENT_HEADER_LEN], path: &Path) -> Result<Self, JournalError> {
        let bad = |reason| JournalError::BadHeader { path: path.to_path_buf(), reason };
        if bytes[..8] != MAGIC {
            return Err(bad("it does not begin with the mark of a journal segment"));
        }
        // The CRC comes before the version: a flipped bit must not ask for a newer build.
        if u32_at(bytes, CRC_AT) != crc::bytes(&bytes[..CRC_AT]) {
            return Err(bad("its CRC does not match"));
        }
        let version = u16_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(JournalError::Version {
                path: path.to_path_buf(),
                found: version,
                supported: FORMAT_VERSION,
            });
        }
        if usize::from(u16_at(bytes, 10)) != SEGMENT_HEADER_LEN {
            return Err(bad("its length is not the one of its version"));
        }
        let first_seq = match u64_at(bytes, FIRST_SEQ_AT) {
            0 => None,
            seq if first_crc(bytes, SeqNo(seq)) == u32_at(bytes, FIRST_CRC_AT)
                && u32_at(bytes, 124) == 0 =>
            {
                Some(SeqNo(seq))
            }
            _ => return Err(bad("the CRC of its first sequence number does not match")),
        };
        let mut instance = [0; 16];
        instance.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            behaviour_version: u32_at(bytes, 12),
            instance: u128::from_le_bytes(instance),
            epoch: u64_at(bytes, 32),
            index: u64_at(bytes, 40),
            segment_len: u64_at(bytes, 48),
            created: UnixNanos(u64_at(bytes, 56)),
            first_seq,
        })
    }
}

/// The CRC that goes with a first sequence number. It covers the CRC of the fixed part as well, so a pair that
/// belongs to another segment does not pass.
pub(crate) fn first_crc(header: &[u8; SEGMENT_HEADER_LEN], first: SeqNo) -> u32 {
    let mut covered = [0; FIRST_CRC_AT - CRC_AT];
    covered.copy_from_slice(&header[CRC_AT..FIRST_CRC_AT]);
    covered[4..12].copy_from_slice(&first.0.to_le_bytes());
    crc::bytes(&covered)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(first_seq: Option<SeqNo>) -> SegmentHeader {
        SegmentHeader {
            behaviour_version: 7,
            instance: 0x0123_4567_89ab_cdef_0011_2233_4455_6677,
            epoch: 3,
            index: 9,
            segment_len: 1 << 20,
            created: UnixNanos(1_700_000_000_000_000_000),
            first_seq,
        }
    }

    #[test]
    fn encodes_and_decodes() {
        for header in [sample(None), sample(Some(SeqNo(1))), sample(Some(SeqNo(u64::MAX)))] {
            let decoded = SegmentHeader::decode(&header.encode(), Path::new("x"));
            assert_eq!(decoded.expect("own header"), header);
        }
    }

    #[test]
    fn every_flipped_bit_is_seen_or_harmless() {
        for header in [sample(None), sample(Some(SeqNo(0x1234)))] {
            let good = header.encode();
            for bit in 0..SEGMENT_HEADER_LEN * 8 {
                let mut bytes = good;
                bytes[bit / 8] ^= 1 << (bit % 8);
                if let Ok(decoded) = SegmentHeader::decode(&bytes, Path::new("x")) {
                    assert!(header.first_seq.is_none(), "bit {bit} went unseen");
                    assert_eq!(decoded, header, "bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = sample(None).encode();
        bytes[8] = 2;
        let crc = crc::bytes(&bytes[..CRC_AT]);
        bytes[CRC_AT..FIRST_SEQ_AT].copy_from_slice(&crc.to_le_bytes());
        let error = SegmentHeader::decode(&bytes, Path::new("x")).expect_err("version 2");
        assert!(matches!(error, JournalError::Version { found: 2, supported: 1, .. }));
    }
}
