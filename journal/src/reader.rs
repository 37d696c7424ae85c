//! Walking a journal's records in order, each checked before it is given out.

use crate::crc;
use crate::directory::segment_indexes;
use crate::error::{Damage, JournalError};
use crate::frame::{
    FRAME_HEADER_LEN, FrameHeader, KIND_PRUNED, KIND_SEAL, Pruned, Seal, SealReason, seq_step,
};
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::protection::{Protection, is_removed};
use crate::scan::SegmentFile;
use crate::storage::{Dir, Open};
use crate::synced;
use crate::watermark::{Position, Watermark};
use std::path::PathBuf;
use std::sync::Arc;
use tidegate_model::SeqNo;

/// One record, borrowed from its reader until the next is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its number; a checkpoint or seal has that of the record before.
    pub seq: SeqNo,
    /// `KIND_*` of [`crate::frame`], or a kind of a later version.
    pub kind: u8,
    /// The bytes that were appended. They lie at no particular alignment: see [`Self::pod`].
    pub payload: &'a [u8],
    /// The segment it is in, from 1.
    pub segment: u64,
    /// Where its frame begins in the segment's file, in bytes.
    pub offset: u64,
    /// The behaviour version of the engine that wrote the segment.
    pub behaviour_version: u32,
    /// The epoch that the segment was written in.
    pub epoch: u64,
}

impl Record<'_> {
    /// The payload as a plain record, e.g. `record.pod::<MarketEvent>()`.
    ///
    /// # Errors
    /// [`JournalError::PayloadSize`] if it has another size.
    #[inline]
    pub fn pod<T: bytemuck::AnyBitPattern>(&self) -> Result<T, JournalError> {
        bytemuck::try_pod_read_unaligned(self.payload).map_err(|_| JournalError::PayloadSize {
            seq: self.seq.0,
            kind: self.kind,
            len: self.payload.len(),
            expected: size_of::<T>(),
        })
    }
}

/// The torn end of a journal whose writer crashed, or whose machine lost power: nothing valid is there, or may be counted on. It
/// lies above the durable watermark, or is a record that was never complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment's file.
    pub path: PathBuf,
    /// Where the record would begin.
    pub offset: u64,
    /// Bytes up to the last one of that file that is not zero.
    pub len: u64,
}

/// Iterates over the records of a directory. Checks CRC, numbers and seals, and skips nothing.
///
/// A reader sees what a writer, in this process or another, had appended when it looked; at the end it may be asked
/// again. It never maps a file, so that a file that is cut cannot kill the process.
#[derive(Debug)]
pub struct Reader {
    dir: Dir,
    segment: Option<SegmentFile>,
    /// The segment to open when there is none, or when the one that is open has ended.
    next_index: u64,
    /// Where the next frame begins in the open segment.
    offset: u64,
    /// The number that must come next; not known before the first segment is open.
    expected: Option<u64>,
    /// Frames read in the open segment.
    frame_count: u64,
    /// Records below this are checked, but not given out.
    give_from: u64,
    watermark: Option<Arc<Watermark>>,
    /// Where the bytes end that were on the disk for certain when the reader was opened. What is damaged above is a torn end.
    synced: Option<Position>,
    header: Option<SegmentHeader>,
    seal: Option<Seal>,
    torn: Option<Torn>,
    /// The buffer, between two segments.
    spare: Vec<u8>,
}

struct Found {
    header: FrameHeader,
    offset: u64,
}

impl Reader {
    /// Opens the journal in `dir` at its first record.
    ///
    /// # Errors
    /// [`JournalError::NoJournal`] if there is no segment, [`JournalError::MissingSegment`] if there is a hole.
    pub fn open(dir: impl Into<Dir>) -> Result<Self, JournalError> {
        let dir = dir.into();
        let indexes = segment_indexes(&dir)?;
        let first = *indexes.first().ok_or_else(|| no_journal(&dir))?;
        let synced = synced::read(&dir)?.map(|synced| synced.position);
        Ok(Self {
            dir,
            segment: None,
            next_index: first,
            offset: 0,
            expected: None,
            frame_count: 0,
            give_from: 0,
            watermark: None,
            synced,
            header: None,
            seal: None,
            torn: None,
            spare: Vec::new(),
        })
    }

    /// Opens the journal in `dir` for following its writer in this process: [`Self::next`] gives records up to the
    /// watermark, then `None`, and more when the watermark has moved. Anything invalid below it is damage.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn follow(dir: impl Into<Dir>, watermark: Arc<Watermark>) -> Result<Self, JournalError> {
        Ok(Self { watermark: Some(watermark), synced: None, ..Self::open(dir)? })
    }

    /// Goes to record `seq`: the next record given out is the first whose number is `seq` or more. Takes one look at
    /// the headers of a few segments and a walk through one.
    ///
    /// # Errors
    /// [`JournalError::SeqNotHeld`] if the journal begins after `seq`.
    pub fn seek(&mut self, seq: SeqNo) -> Result<(), JournalError> {
        let indexes = segment_indexes(&self.dir)?;
        let mut first_held = None;
        // The last segment that begins at or before `seq`; those not in use count as beginning behind everything.
        let (mut low, mut high) = (0, indexes.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let header = crate::directory::open_segment(&self.dir, indexes[middle])?
                .ok_or_else(|| JournalError::MissingSegment {
                    dir: self.dir.path().to_path_buf(),
                    index: indexes[middle],
                })?
                .1;
            if middle == 0 {
                first_held = header.first_seq;
            }
            if header.first_seq.is_some_and(|first| first <= seq) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if let (0, Some(first)) = (low, first_held) {
            let dir = self.dir.path().to_path_buf();
            return Err(JournalError::SeqNotHeld { dir, asked: seq.0, first: first.0 });
        }
        let index = indexes.get(low.saturating_sub(1)).copied();
        let index = index.ok_or_else(|| no_journal(&self.dir))?;
        self.start_at(index);
        self.give_from = seq.0;
        Ok(())
    }

    /// Goes to the beginning of segment `index`.
    pub(crate) fn start_at(&mut self, index: u64) {
        self.leave_segment();
        self.next_index = index;
        self.expected = None;
        self.header = None;
        self.seal = None;
        self.torn = None;
        self.give_from = 0;
    }

    /// The next record, or `None` at the end of what is written.
    ///
    /// Damage above the durable watermark ([`crate::synced`]) is an end as well: [`Self::torn`] tells of it.
    ///
    /// At the end, a reader that does not follow a watermark looks through the rest of the segment, to tell the end
    /// from damage: that reads up to a segment's length, so do not poll with it.
    ///
    /// # Errors
    /// [`JournalError::Damaged`], [`JournalError::Truncated`], [`JournalError::BadHeader`] and others for what is
    /// wrong with the journal. The reader stays where it is: asked again, it says the same.
    // Not an `Iterator`: a record borrows from its reader.
    #[allow(clippy::should_implement_trait)]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, JournalError> {
        let found = loop {
            let advanced = match self.advance() {
                Err(error) => {
                    self.end_above_synced(error)?;
                    None
                }
                Ok(advanced) => advanced,
            };
            match advanced {
                None => return Ok(None),
                Some(found) if found.header.seq >= self.give_from => break found,
                Some(_) => {}
            }
        };
        let Found { header, offset } = found;
        let Some(segment) = &self.segment else { return Ok(None) };
        let payload =
            segment.bytes(offset + FRAME_HEADER_LEN as u64, usize::from(header.payload_len));
        let (seq, kind) = (SeqNo(header.seq), header.kind);
        let SegmentHeader { index: segment, behaviour_version, epoch, .. } = segment.header;
        Ok(Some(Record { seq, kind, payload, segment, offset, behaviour_version, epoch }))
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Found>, JournalError> {
        loop {
            if self.segment.is_none() && !self.open_next()? {
                return self.check_end().map(|()| None);
            }
            let Some(limit) = self.limit() else { return Ok(None) };
            let Some(segment) = &mut self.segment else { return Ok(None) };
            if self.seal.is_some() {
                self.leave_segment();
                continue;
            }
            let offset = self.offset;
            if offset >= limit {
                return Ok(None);
            }
            let expected = self.expected.expect("known since the segment was opened");
            let checked = check_frame(segment, offset, limit, expected)?;
            let header = match checked {
                Ok(header) => header,
                Err(damage) if self.settle_end(damage)? => continue,
                Err(_) => return Ok(None),
            };
            if header.kind == KIND_SEAL {
                self.pass_seal(&header, offset)?;
            }
            self.offset = offset + header.frame_len() as u64;
            self.expected = Some(header.seq + 1);
            self.frame_count += 1;
            return Ok(Some(Found { header, offset }));
        }
    }

    /// Lets damage pass for a torn end where it lies above the durable watermark.
    #[cold]
    fn end_above_synced(&mut self, error: JournalError) -> Result<(), JournalError> {
        let Some(synced) = self.synced else { return Err(error) };
        let path = match &error {
            JournalError::Damaged { path, .. }
            | JournalError::Truncated { path, .. }
            | JournalError::BadHeader { path, .. } => path.clone(),
            _ => return Err(error),
        };
        let end = self.position();
        if end < synced {
            return Err(error);
        }
        let len = match &self.segment {
            Some(segment) => segment.used_len(end.offset)?,
            None => self
                .dir
                .open(&path, Open::Read)?
                .len()
                .map_err(JournalError::io("look at", &path))?,
        };
        self.torn = Some(Torn { path, offset: end.offset, len });
        Ok(())
    }

    /// Where the valid frames end that were read so far: behind the last frame, or at the beginning of the segment that
    /// comes next.
    pub(crate) fn position(&self) -> Position {
        match &self.segment {
            Some(segment) => Position { segment: segment.header.index, offset: self.offset },
            None => Position { segment: self.next_index, offset: 0 },
        }
    }

    /// How far frames may be read in the open segment; `None` if not at all.
    #[inline]
    fn limit(&self) -> Option<u64> {
        let (Some(watermark), Some(segment)) = (&self.watermark, &self.segment) else {
            return Some(u64::MAX);
        };
        let position = watermark.position();
        match position.segment.cmp(&segment.header.index) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(position.offset),
            std::cmp::Ordering::Greater => Some(u64::MAX),
        }
    }

    fn leave_segment(&mut self) {
        if let Some(segment) = self.segment.take() {
            self.next_index = segment.header.index + 1;
            self.spare = segment.into_buffer();
        }
        self.offset = 0;
        self.frame_count = 0;
    }

    /// Opens the next segment; false if none is in use yet.
    fn open_next(&mut self) -> Result<bool, JournalError> {
        let index = self.next_index;
        if let Some(watermark) = &self.watermark {
            let unused = Position { segment: index, offset: SEGMENT_HEADER_LEN as u64 };
            if watermark.position() < unused {
                return Ok(false);
            }
        }
        let spare = std::mem::take(&mut self.spare);
        let Some(mut segment) = SegmentFile::open(&self.dir, index, spare)? else {
            return Ok(false);
        };
        let header = segment.header;
        let bad = |reason| JournalError::BadHeader { path: segment.path.clone(), reason };
        let Some(first) = header.first_seq else {
            return self.check_unused(segment).map(|()| false);
        };
        if let Some(before) = &self.header {
            if before.instance != header.instance {
                return Err(JournalError::WrongInstance {
                    path: segment.path,
                    found: header.instance,
                    expected: before.instance,
                });
            }
            if before.epoch > header.epoch {
                return Err(bad("its epoch is older than that of the segment before it"));
            }
        }
        if let Some(expected) = self.expected
            && expected != first.0
        {
            let damage = Damage::Sequence { expected, found: first.0 };
            return Err(JournalError::damaged(&segment.path, 0, damage));
        }
        segment.forget();
        self.expected = Some(first.0);
        self.header = Some(header);
        self.offset = SEGMENT_HEADER_LEN as u64;
        self.frame_count = 0;
        self.seal = None;
        self.segment = Some(segment);
        Ok(true)
    }

    /// Where no segment comes any more, none may have been on the disk.
    #[cold]
    fn check_end(&self) -> Result<(), JournalError> {
        if self.synced.is_some_and(|synced| self.position() < synced) {
            let (dir, index) = (self.dir.path().to_path_buf(), self.next_index);
            return Err(JournalError::MissingSegment { dir, index });
        }
        Ok(())
    }

    /// A segment that is not in use must be the last and empty, unless its writer has just taken it into use.
    fn check_unused(&mut self, mut segment: SegmentFile) -> Result<(), JournalError> {
        let index = segment.header.index;
        let followed = crate::directory::open_segment(&self.dir, index + 1)?
            .is_some_and(|(_, next)| next.first_seq.is_some());
        if followed || segment.contradicts_unused()? {
            let path = segment.path.clone();
            self.spare = segment.into_buffer();
            let now = crate::directory::open_segment(&self.dir, index)?;
            if now.is_none_or(|(_, header)| header.first_seq.is_none()) {
                let reason = "it says that it is not in use, but records are there";
                return Err(JournalError::BadHeader { path, reason });
            }
            return Ok(());
        }
        self.spare = segment.into_buffer();
        Ok(())
    }

    /// Where no valid frame begins: tells the end of the journal from damage. True if a frame has come since.
    #[cold]
    fn settle_end(&mut self, damage: Damage) -> Result<bool, JournalError> {
        let offset = self.offset;
        self.torn = None;
        let Some(segment) = &mut self.segment else { return Ok(false) };
        if self.watermark.is_some() {
            return Err(JournalError::damaged(&segment.path, offset, damage));
        }
        let tail = segment.tail(offset, self.expected.unwrap_or_default())?;
        let next = crate::directory::open_segment(&self.dir, segment.header.index + 1)?;
        let followed = next.is_some_and(|(_, header)| header.first_seq.is_some());
        // A writer may be at work in another process. It commits in order: what was seen behind this place, or of
        // the file's end, counts only if there is still no frame here.
        if segment.is_frame(offset)? {
            return Ok(true);
        }
        segment.forget();
        if tail.has_frame {
            return Err(JournalError::damaged(&segment.path, offset, damage));
        }
        if tail.file_len < segment.header.segment_len {
            return Err(JournalError::Truncated {
                path: segment.path.clone(),
                offset,
                len: tail.file_len,
                expected: segment.header.segment_len,
            });
        }
        if followed {
            return Err(JournalError::damaged(&segment.path, offset, Damage::Unsealed));
        }
        let here = Position { segment: segment.header.index, offset };
        if self.synced.is_some_and(|synced| here < synced) {
            return Err(JournalError::damaged(&segment.path, offset, damage));
        }
        self.torn = (tail.used_len > 0).then(|| Torn {
            path: segment.path.clone(),
            offset,
            len: tail.used_len,
        });
        Ok(false)
    }

    #[cold]
    fn pass_seal(&mut self, header: &FrameHeader, offset: u64) -> Result<(), JournalError> {
        let Some(segment) = &self.segment else { return Ok(()) };
        let payload =
            segment.bytes(offset + FRAME_HEADER_LEN as u64, usize::from(header.payload_len));
        let seal = bytemuck::try_pod_read_unaligned::<Seal>(payload).ok().filter(|seal| {
            seal.frame_count == self.frame_count && SealReason::from_wire(seal.reason).is_some()
        });
        let Some(seal) = seal else {
            return Err(JournalError::damaged(&segment.path, offset, Damage::Seal));
        };
        if self.watermark.is_none() {
            let end = offset + header.frame_len() as u64;
            if let Some(used) = segment.first_used_byte(end)? {
                return Err(JournalError::damaged(&segment.path, used, Damage::AfterSeal));
            }
        }
        self.seal = Some(seal);
        Ok(())
    }

    /// The number of the last record read, those that were not given out included.
    pub fn last_seq(&self) -> Option<SeqNo> {
        self.expected.map(|expected| SeqNo(expected.saturating_sub(1)))
    }

    /// The header of the segment that was read last; `None` before the first record was asked for.
    pub fn header(&self) -> Option<&SegmentHeader> {
        self.header.as_ref()
    }

    /// The seal of the segment that was read last, if its end was reached and is sealed.
    pub fn seal(&self) -> Option<Seal> {
        self.seal
    }

    /// The torn end, if [`Self::next`] has returned `None` in front of one.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }
}

fn no_journal(dir: &Dir) -> JournalError {
    JournalError::NoJournal { dir: dir.path().to_path_buf() }
}

/// Checks the frame at `offset`; the inner error says what is wrong with it.
#[inline]
fn check_frame(
    segment: &mut SegmentFile,
    offset: u64,
    limit: u64,
    expected: u64,
) -> Result<Result<FrameHeader, Damage>, JournalError> {
    if !segment.has(offset, FRAME_HEADER_LEN, limit)? {
        return Ok(Err(Damage::Length));
    }
    let header = segment.frame_header(offset);
    if header.kind == 0 {
        let empty = header.crc == 0 && header.payload_len == 0 && header.zero == 0;
        return Ok(Err(if empty { Damage::Missing } else { Damage::Header }));
    }
    let len = header.frame_len();
    if !segment.has(offset, len, limit)? {
        return Ok(Err(Damage::Length));
    }
    let is_whole = crc::frame(segment.bytes(offset, len)) == header.crc;
    if !is_whole && !is_removed(Protection::Crc) {
        return Ok(Err(Damage::Crc));
    }
    // From here on the frame is whole: what is wrong with it was written so, and is no torn end.
    if header.zero != 0 {
        return Err(JournalError::damaged(&segment.path, offset, Damage::Header));
    }
    let step = match header.kind {
        KIND_PRUNED => pruned_count(segment, &header, offset)?,
        kind => seq_step(kind),
    };
    let expected = (expected - 1).saturating_add(step);
    if header.seq != expected {
        let damage = Damage::Sequence { expected, found: header.seq };
        return Err(JournalError::damaged(&segment.path, offset, damage));
    }
    Ok(Ok(header))
}

/// How many events the frame stands for.
#[cold]
fn pruned_count(
    segment: &SegmentFile,
    header: &FrameHeader,
    offset: u64,
) -> Result<u64, JournalError> {
    let payload = segment.bytes(offset + FRAME_HEADER_LEN as u64, usize::from(header.payload_len));
    match bytemuck::try_pod_read_unaligned::<Pruned>(payload) {
        Ok(Pruned { count }) if count > 0 => Ok(count),
        _ => Err(JournalError::damaged(&segment.path, offset, Damage::Header)),
    }
}
