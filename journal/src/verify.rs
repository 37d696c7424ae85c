//! Reading a journal from end to end, to say what is in it.

use crate::error::JournalError;
use crate::frame::{KIND_CHECKPOINT, SealReason, seq_step};
use crate::header::SEGMENT_HEADER_LEN;
use crate::reader::{Reader, Torn};
use crate::storage::Dir;
use std::collections::BTreeMap;
use tidegate_model::SeqNo;

/// What a whole journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The journal's number.
    pub instance: u128,
    /// The epoch of the last segment in use.
    pub epoch: u64,
    /// The behaviour version of the last segment in use.
    pub behaviour_version: u32,
    /// Segments in use.
    pub segment_count: u64,
    /// Records that count in the sequence: all but checkpoints and seals.
    pub record_count: u64,
    /// Frames by kind, checkpoints and seals included.
    pub frame_count_by_kind: BTreeMap<u8, u64>,
    /// Checkpoints.
    pub checkpoint_count: u64,
    /// The first record's number.
    pub first_seq: Option<SeqNo>,
    /// The last record's number.
    pub last_seq: Option<SeqNo>,
    /// Bytes of all frames, headers and padding included.
    pub frame_bytes: u64,
    /// How the last segment was sealed; `None` if it is being written, or its writer crashed.
    pub sealed: Option<SealReason>,
    /// The torn end that a crash left; recovery will clear it.
    pub torn: Option<Torn>,
}

impl Report {
    /// Bytes that the journal holds: records and the headers of segments in use, without what is allocated ahead.
    pub fn used_bytes(&self) -> u64 {
        self.frame_bytes + self.segment_count * SEGMENT_HEADER_LEN as u64
    }
}

/// Reads every record of the journal in `dir` and checks it.
///
/// # Errors
/// The first damage, as [`Reader::next`] names it.
pub fn verify(dir: impl Into<Dir>) -> Result<Report, JournalError> {
    let mut reader = Reader::open(dir)?;
    let mut report = Report::default();
    let mut by_kind = [0u64; 256];
    let mut segment = 0;
    while let Some(record) = reader.next()? {
        by_kind[usize::from(record.kind)] += 1;
        if record.segment != segment {
            segment = record.segment;
            report.segment_count += 1;
        }
        if seq_step(record.kind) == 1 {
            report.record_count += 1;
            report.first_seq.get_or_insert(record.seq);
            report.last_seq = Some(record.seq);
        }
        report.frame_bytes += crate::frame::frame_len(record.payload.len()) as u64;
    }
    report.checkpoint_count = by_kind[usize::from(KIND_CHECKPOINT)];
    report.frame_count_by_kind =
        (0..=u8::MAX).zip(by_kind).filter(|&(_, count)| count > 0).collect();
    if let Some(header) = reader.header() {
        report.instance = header.instance;
        report.epoch = header.epoch;
        report.behaviour_version = header.behaviour_version;
    }
    report.sealed = reader.seal().and_then(|seal| SealReason::from_wire(seal.reason));
    report.torn = reader.torn().cloned();
    Ok(report)
}
