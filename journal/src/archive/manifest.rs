//! What is written down about an archived segment, as JSON: enough to rebuild it byte for byte and to prove its place in the chain.

use crate::chain::{ChainHash, Head, LINK_EVERY};
use crate::error::JournalError;
use crate::frame::FRAME_HEADER_LEN;
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::writer::SEGMENT_LEN_MAX;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tidegate_model::SeqNo;

/// The newest version of manifests that this build reads, and the one it writes.
pub const MANIFEST_VERSION: u32 = 1;
/// Bytes a manifest may have: a segment of [`SEGMENT_LEN_MAX`] has 1,024 links of 200 bytes at most.
pub const MANIFEST_LEN_MAX: u64 = 1 << 20;
/// Bytes an object may have: what does not compress grows by little.
pub(crate) const OBJECT_LEN_MAX: u64 = SEGMENT_LEN_MAX + (SEGMENT_LEN_MAX >> 6);

/// One archived segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The journal it belongs to, as 32 hexadecimal digits.
    pub instance: String,
    /// The segment's epoch.
    pub epoch: u64,
    /// The segment's number, from 1.
    pub index: u64,
    /// The number of its first record.
    pub first_seq: u64,
    /// The number of its last record; one less than `first_seq` if it has none.
    pub last_seq: u64,
    /// The segment's header as it lies on disk, in hexadecimal digits.
    pub header: String,
    /// Bytes of the segment's file; behind the last frame it is zeros.
    pub file_len: u64,
    /// BLAKE3 of the segment's file.
    pub file_blake3: String,
    /// When the file was written last: UTC nanoseconds since the Unix epoch. Retention counts from here.
    pub modified_ns: u64,
    /// The chain as it stands before the segment's first frame.
    pub before: Stand,
    /// The chain as it stands behind the segment's last frame.
    pub after: Stand,
    /// The links that are closed by a frame of this segment.
    pub links: Vec<Stand>,
    /// Every frame but market events: commands, events, checkpoints, the seal.
    pub audit: Object,
    /// Market events.
    pub market: Object,
}

/// A [`Head`] in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stand {
    /// The last number covered.
    pub seq: u64,
    /// The audit chain, in hexadecimal digits.
    pub audit: String,
    /// The market chain, in hexadecimal digits.
    pub market: String,
}

/// One of a segment's two objects: frames as they lie in the segment, one after the other, compressed by zstd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// Frames in it.
    pub frames: u64,
    /// Bytes of the frames.
    pub raw_len: u64,
    /// Bytes of the object.
    pub stored_len: u64,
    /// BLAKE3 of the object.
    pub stored_blake3: String,
}

impl From<Head> for Stand {
    fn from(head: Head) -> Self {
        let (audit, market) = (head.audit.to_string(), head.market.to_string());
        Self { seq: head.seq.0, audit, market }
    }
}

impl Stand {
    /// The head; `None` if a hash is none.
    pub fn head(&self) -> Option<Head> {
        let (audit, market) = (self.audit.parse().ok()?, self.market.parse().ok()?);
        Some(Head { seq: SeqNo(self.seq), audit, market })
    }
}

impl Manifest {
    /// The beginning of the names of a segment's objects.
    pub(crate) fn stem(header: &SegmentHeader) -> String {
        let first = header.first_seq.unwrap_or_default().0;
        format!("{:032x}/{first:020}-{:010}", header.instance, header.epoch)
    }

    /// The manifest as it is stored.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("texts and numbers");
        bytes.push(b'\n');
        bytes
    }

    /// Takes a manifest apart and checks it. `object` is its name, for messages.
    ///
    /// # Errors
    /// [`JournalError::Archive`] with what is wrong.
    pub fn decode(bytes: &[u8], object: &str) -> Result<Self, JournalError> {
        let bad = |reason: String| JournalError::Archive { object: object.to_string(), reason };
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } =
            serde_json::from_slice(bytes).map_err(|error| bad(format!("no manifest: {error}")))?;
        if version != MANIFEST_VERSION {
            return Err(bad(format!(
                "it has version {version}, this build reads up to {MANIFEST_VERSION}: use a newer build"
            )));
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| bad(format!("no manifest: {error}")))?;
        let header = manifest.header(object)?;
        match manifest.contradiction(&header) {
            None => Ok(manifest),
            Some(what) => Err(bad(format!("its parts contradict each other: {what}"))),
        }
    }

    /// What does not fit; the numbers bound everything that is later done with them.
    fn contradiction(&self, header: &SegmentHeader) -> Option<&'static str> {
        let frames_max = self.file_len / FRAME_HEADER_LEN as u64;
        let records = (self.last_seq.wrapping_add(1)).wrapping_sub(self.first_seq);
        let stands = || self.links.iter().chain([&self.before, &self.after]);
        let hash = |text: &String| text.parse::<ChainHash>().is_ok();
        let raw_len = self.audit.raw_len.saturating_add(self.market.raw_len);
        let checks = [
            (self.instance == format!("{:032x}", header.instance), "instance"),
            (self.epoch == header.epoch && self.index == header.index, "epoch or index"),
            (header.first_seq == Some(SeqNo(self.first_seq)), "first_seq"),
            (self.file_len <= SEGMENT_LEN_MAX, "file_len"),
            (records <= frames_max, "last_seq"),
            (raw_len.saturating_add(SEGMENT_HEADER_LEN as u64) <= self.file_len, "raw_len"),
            (self.audit.frames.saturating_add(self.market.frames) <= frames_max, "frames"),
            (self.audit.stored_len.max(self.market.stored_len) <= OBJECT_LEN_MAX, "stored_len"),
            (self.before.seq.wrapping_add(1) == self.first_seq, "before"),
            (self.after.seq == self.last_seq, "after"),
            (self.links.len() as u64 <= frames_max / LINK_EVERY + 2, "links"),
            (stands().all(|stand| stand.head().is_some()), "a hash of the chain"),
            (
                hash(&self.file_blake3)
                    && hash(&self.audit.stored_blake3)
                    && hash(&self.market.stored_blake3),
                "a hash",
            ),
        ];
        checks.into_iter().find(|(fits, _)| !fits).map(|(_, what)| what)
    }

    /// The segment's header.
    ///
    /// # Errors
    /// [`JournalError::Archive`], or what is wrong with the header.
    pub fn header(&self, object: &str) -> Result<SegmentHeader, JournalError> {
        SegmentHeader::decode(&self.header_bytes(object)?, Path::new(object))
    }

    pub(crate) fn header_bytes(
        &self,
        object: &str,
    ) -> Result<[u8; SEGMENT_HEADER_LEN], JournalError> {
        from_hex(&self.header).ok_or_else(|| JournalError::Archive {
            object: object.to_string(),
            reason: "its header is not hexadecimal digits of a header's length".to_string(),
        })
    }
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; SEGMENT_HEADER_LEN]> {
    let text = text.as_bytes();
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(bytes)
}
