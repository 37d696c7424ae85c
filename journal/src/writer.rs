//! Appending.

use crate::crc::{Payload, Plain};
use crate::directory::{Lock, segment_path};
use crate::error::JournalError;
use crate::frame::{
    Checkpoint, FRAME_LEN_MAX, KIND_CHECKPOINT, KIND_PRUNED, KIND_SEAL, PAYLOAD_LEN_MAX,
    SEAL_FRAME_LEN, Seal, SealReason, seq_step,
};
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::mapped::{Cursor, Era};
use crate::prepare::Preparer;
use crate::recovery::{Recovery, give_back, recover};
use crate::storage::{Dir, Open};
use crate::syncer::Syncer;
use crate::watermark::{Position, Watermark};
use bytemuck::Pod;
use std::sync::Arc;
use tidegate_model::{SeqNo, StateHash, UnixNanos};

/// Bytes of a segment unless configured: 800,000 market events. At a million inputs a second the next one has 0.8 s to
/// be made, which takes 50 ms, and the two that exist at a time hold no more than 128 MiB of memory.
pub const SEGMENT_LEN_DEFAULT: u64 = 64 << 20;
/// The smallest segment: any record fits into it, with header and seal.
pub const SEGMENT_LEN_MIN: u64 = 128 << 10;
/// The largest segment: two of them are kept in memory, and offsets fit 32 bits of the watermark.
pub const SEGMENT_LEN_MAX: u64 = 1 << 30;

const _: () =
    assert!(SEGMENT_HEADER_LEN + FRAME_LEN_MAX + SEAL_FRAME_LEN <= SEGMENT_LEN_MIN as usize);

/// How much [`Writer::open`] reads of a journal that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every record.
    All,
    /// The headers of all segments, and the records of the last one: for those who read the rest anyway.
    LastSegment,
}

/// How a writer opens a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of a segment, a multiple of 4096 from [`SEGMENT_LEN_MIN`] to [`SEGMENT_LEN_MAX`].
    pub segment_len: u64,
    /// The journal that must be there; `None` takes the one that is, or draws a number for a new one.
    pub instance: Option<u128>,
    /// The epoch of this writer, at least that of every segment.
    pub epoch: u64,
    /// The version of the engine's behaviour, written into each segment's header.
    pub behaviour_version: u32,
    /// The number of the first record of a new journal, at least 1.
    pub first_seq: SeqNo,
    /// The number of the first segment of a new journal: 1 unless what came before it is elsewhere.
    pub first_index: u64,
    /// How much is read at the beginning.
    pub check: Check,
    /// Segments are made by the writer's own thread when they are needed, not ahead by another: for a simulator.
    pub is_inline: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            segment_len: SEGMENT_LEN_DEFAULT,
            instance: None,
            epoch: 0,
            behaviour_version: 1,
            first_seq: SeqNo(1),
            first_index: 1,
            check: Check::All,
            is_inline: false,
        }
    }
}

impl Config {
    fn check(&self) -> Result<(), JournalError> {
        let len = self.segment_len;
        let (min, max) = (SEGMENT_LEN_MIN, SEGMENT_LEN_MAX);
        if !(min..=max).contains(&len) || !len.is_multiple_of(4096) {
            return Err(JournalError::SegmentLen { len, min, max });
        }
        if self.first_seq.0 == 0 {
            return Err(JournalError::FirstSeqZero);
        }
        Ok(())
    }
}

/// The one writer of a journal. It belongs to one thread and may be sent to it.
///
/// Dropped without [`Self::close`], it leaves what a crash leaves: every appended record, and no seal.
#[derive(Debug)]
pub struct Writer {
    cursor: Cursor,
    last_seq: u64,
    /// Frames in the segment in use.
    frame_count: u64,
    /// The segment in use, or the next to be.
    segment: u64,
    /// What the next segment is written under.
    era: Era,
    instance: u128,
    watermark: Arc<Watermark>,
    syncer: Syncer,
    preparer: Preparer,
    dir: Dir,
    // Last, so that it is given up when everything else is gone.
    _lock: Lock,
}

impl Writer {
    /// Opens the journal in `dir`, or makes a new one there. Returns when its next segment is allocated and in memory.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another writer has it, [`JournalError::NoSpace`] if there is no room for a segment,
    /// and what is wrong with a journal that is there: see [`crate::recovery`].
    pub fn open(dir: impl Into<Dir>, config: Config) -> Result<(Self, Recovery), JournalError> {
        config.check()?;
        let dir = dir.into();
        dir.create()?;
        let lock = Lock::take(&dir)?;
        let start = recover(&dir, &config)?;
        let last_seq = start.recovery.last_seq;
        let position = Position { segment: start.next_index, offset: 0 };
        let watermark = Arc::new(Watermark::new(position, last_seq));
        let template = SegmentHeader {
            behaviour_version: config.behaviour_version,
            instance: start.instance,
            epoch: config.epoch,
            index: start.next_index,
            segment_len: config.segment_len,
            created: UnixNanos::ZERO,
            first_seq: None,
        };
        let preparer = Preparer::start(&dir, template, Arc::clone(&watermark), config.is_inline)?;
        let writer = Self {
            cursor: Cursor::nowhere(),
            last_seq: last_seq.0,
            frame_count: 0,
            segment: start.next_index,
            instance: start.instance,
            era: Era { epoch: config.epoch, behaviour_version: config.behaviour_version },
            syncer: Syncer::new(&dir, Arc::clone(&watermark), start.instance, start.synced),
            watermark,
            preparer,
            dir,
            _lock: lock,
        };
        Ok((writer, start.recovery))
    }

    /// Appends one record at the `process` level: when this returns, it survives the end of the process.
    ///
    /// `seq` is one more than the last record's, or equal to it if `kind` is [`KIND_CHECKPOINT`]. Allocates nothing and
    /// makes no system call, except where a segment is full.
    ///
    /// # Errors
    /// Nothing is appended then, and the writer can go on: [`JournalError::NotContiguous`],
    /// [`JournalError::PayloadTooLong`], [`JournalError::ReservedKind`]; [`JournalError::NoSpace`] if the next segment
    /// could not be made.
    #[inline]
    pub fn append(&mut self, kind: u8, seq: SeqNo, payload: &[u8]) -> Result<(), JournalError> {
        self.append_payload(kind, seq, payload)
    }

    /// Appends one plain record, whose size the compiler knows: the fastest way. Otherwise like [`Self::append`].
    ///
    /// # Errors
    /// As for [`Self::append`].
    #[inline]
    pub fn append_pod<T: Pod>(
        &mut self,
        kind: u8,
        seq: SeqNo,
        record: &T,
    ) -> Result<(), JournalError> {
        self.append_payload(kind, seq, &Plain(record))
    }

    /// Appends the state's hash after the last record.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`] and others, if the next segment could not be made.
    pub fn append_checkpoint(&mut self, hash: StateHash) -> Result<(), JournalError> {
        let seq = SeqNo(self.last_seq);
        self.append_pod(KIND_CHECKPOINT, seq, &Checkpoint { seq, hash })
    }

    #[inline]
    fn append_payload<P: Payload + ?Sized>(
        &mut self,
        kind: u8,
        seq: SeqNo,
        payload: &P,
    ) -> Result<(), JournalError> {
        let expected = self.last_seq.wrapping_add(seq_step(kind));
        let in_order = seq.0 == expected;
        let kind_allowed = !matches!(kind, 0 | KIND_SEAL | KIND_PRUNED);
        let short = payload.as_bytes().len() <= PAYLOAD_LEN_MAX;
        if !(in_order && kind_allowed && short) {
            return Err(self.refusal(kind, seq, payload.as_bytes().len()));
        }
        if !self.cursor.put(kind, seq.0, payload) {
            self.roll()?;
            assert!(self.cursor.put(kind, seq.0, payload), "any record fits an empty segment");
        }
        self.last_seq = seq.0;
        self.frame_count += 1;
        self.publish();
        Ok(())
    }

    #[inline]
    fn publish(&self) {
        let position = Position { segment: self.segment, offset: self.cursor.offset() };
        self.watermark.publish(position, SeqNo(self.last_seq));
    }

    #[cold]
    fn refusal(&self, kind: u8, seq: SeqNo, len: usize) -> JournalError {
        if matches!(kind, 0 | KIND_SEAL | KIND_PRUNED) {
            return JournalError::ReservedKind { kind };
        }
        if len > PAYLOAD_LEN_MAX {
            return JournalError::PayloadTooLong { len, max: PAYLOAD_LEN_MAX };
        }
        let expected = self.last_seq.wrapping_add(seq_step(kind));
        JournalError::NotContiguous { expected, found: seq.0 }
    }

    /// Seals the segment in use and goes on in the next. If that one could not be made, the writer is without a
    /// segment, and the next append tries again.
    #[cold]
    #[inline(never)]
    fn roll(&mut self) -> Result<(), JournalError> {
        if self.seal(SealReason::Rolled).is_some() {
            self.segment += 1;
            self.cursor = Cursor::nowhere();
        }
        let next = self.preparer.take()?;
        assert_eq!(next.header().index, self.segment, "segments come in order");
        self.cursor = Cursor::begin(next, self.era, SeqNo(self.last_seq + 1));
        self.frame_count = 0;
        self.publish();
        Ok(())
    }

    /// Records from the next on are of `epoch`, written by an engine of `behaviour_version`: they begin a segment.
    ///
    /// # Errors
    /// [`JournalError::EpochBack`] if the epoch is older than the one before; nothing changes then.
    pub fn begin_epoch(&mut self, epoch: u64, behaviour_version: u32) -> Result<(), JournalError> {
        if epoch < self.era.epoch {
            return Err(JournalError::EpochBack { before: self.era.epoch, asked: epoch });
        }
        self.era = Era { epoch, behaviour_version };
        self.cursor.close();
        Ok(())
    }

    /// The epoch of the records that come next.
    pub fn epoch(&self) -> u64 {
        self.era.epoch
    }

    /// Which journal it is.
    pub fn instance(&self) -> u128 {
        self.instance
    }

    /// Ends the segment in use and returns the bytes used of it; `None` if there is none.
    fn seal(&mut self, reason: SealReason) -> Option<u64> {
        self.cursor.map()?;
        let frame_count = self.frame_count;
        let seal = Seal { frame_count, reason: reason as u64, cut_bytes: 0 };
        self.cursor.open_reserve();
        let sealed = self.cursor.put(KIND_SEAL, self.last_seq, &Plain(&seal));
        assert!(sealed, "room for the seal is kept");
        self.publish();
        Some(self.cursor.offset())
    }

    /// Seals the journal, gives unused space back, and makes everything last through a loss of power.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the disk refuses; every record is still there, as after a crash.
    pub fn close(mut self) -> Result<(), JournalError> {
        let used_len = self.seal(SealReason::Closed);
        self.cursor = Cursor::nowhere();
        if let Some(unused) = self.preparer.stop() {
            self.dir.remove(&segment_path(self.dir.path(), unused))?;
        }
        self.syncer.sync()?;
        if let Some(used_len) = used_len {
            let path = segment_path(self.dir.path(), self.segment);
            give_back(self.dir.open(&path, Open::Write)?.as_ref(), used_len, &path)?;
        }
        self.dir.sync()
    }

    /// Syncs from the writer's own thread: for tools and shut-down. An engine gives [`Self::syncer`] to a thread.
    ///
    /// # Errors
    /// As for [`Syncer::sync`].
    pub fn sync(&self) -> Result<SeqNo, JournalError> {
        self.syncer.sync()
    }

    /// A syncer for another thread.
    pub fn syncer(&self) -> Syncer {
        self.syncer.clone()
    }

    /// How far the writer has come, for readers in this process: see [`crate::Reader::follow`].
    pub fn watermark(&self) -> Arc<Watermark> {
        Arc::clone(&self.watermark)
    }

    /// The last record's number; the number before the first if there is none.
    #[inline]
    pub fn last_seq(&self) -> SeqNo {
        SeqNo(self.last_seq)
    }
}
