//! What happens when a writer opens a directory: finding the last record, and cutting what a crash left behind it.
//!
//! | what the valid records end with | what recovery does |
//! |---|---|
//! | a seal | nothing; bytes beyond it are given back to the disk |
//! | zeros to the full length of the segment | seals it |
//! | a torn record with no whole one behind it | cuts it, then seals |
//! | damage at or above the durable watermark ([`crate::synced`]), whatever is behind it | cuts there, then seals |
//! | damage below the watermark, or in a journal without one | refuses: `Damaged`, `Truncated`, `BadHeader` |
//!
//! What is cut is set aside in the directory `cut` first: the end of a segment as `INDEX-OFFSET.N.part`, a whole later segment
//! as `INDEX.N.tgj`, where N tells repetitions apart. Nothing reads it again; remove it when it is not needed.
//!
//! Records go on in a new segment, when all that stays is synced and the watermark says so. Every step leaves a directory on
//! which recovery can begin again.

use crate::chain;
use crate::directory::{Lock, open_segment, remove_unfinished, segment_indexes, segment_path};
use crate::error::JournalError;
use crate::frame::{KIND_SEAL, SEAL_FRAME_LEN, Seal, SealReason, encode, frame_len};
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::protection::{Protection, is_removed};
use crate::reader::Reader;
use crate::scan::{SegmentFile, read_some, used_len};
use crate::storage::{Dir, Open, StorageFile};
use crate::synced::{self, Synced, SyncedFile};
use crate::watermark::Position;
use crate::writer::{Check, Config};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tidegate_model::SeqNo;

/// Where what is cut is set aside.
pub(crate) const CUT_DIR: &str = "cut";
/// Bytes moved at once.
const BLOCK_LEN: usize = 64 * 1024;

/// What [`crate::Writer::open`] found, and what it did about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The journal was new.
    pub created: bool,
    /// The last record's number; the number before the first if there is none.
    pub last_seq: SeqNo,
    /// The writer before had crashed: the last segment was not sealed.
    pub crashed: bool,
    /// What was cut behind the last record.
    pub cut: Cut,
}

/// What a recovery cut and set aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Bytes behind the last record that stayed, in its segment. Nobody had been told that they are on the disk.
    pub bytes: u64,
    /// Where they were: the segment's file and the offset in it.
    pub at: Option<(PathBuf, u64)>,
    /// Whole segments behind it.
    pub segments: u64,
}

/// What the writer goes on from.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) recovery: Recovery,
    pub(crate) instance: u128,
    pub(crate) next_index: u64,
    pub(crate) synced: SyncedFile,
}

/// Recovers `dir`, whose lock the caller holds.
pub(crate) fn recover(dir: &Dir, config: &Config) -> Result<Start, JournalError> {
    remove_unfinished(dir)?;
    let synced = synced::read(dir)?;
    let indexes = segment_indexes(dir)?;
    let headers = read_headers(dir, &indexes, config, synced.as_ref())?;
    let known = headers.first().map(|header| header.instance).or(config.instance);
    let known = known.or(synced.map(|synced| synced.instance));
    let instance = known.map_or_else(draw_instance, Ok)?;
    let certain = synced.map(|synced| synced.position);
    let first_index = indexes.first().copied().unwrap_or(config.first_index.max(1));
    let from = match config.check {
        Check::All => first_index,
        Check::LastSegment => last_looked_at(&headers, certain, first_index),
    };
    let end = if indexes.is_empty() { None } else { walk(dir, from, None)? };
    let cut = cut_behind(dir, &indexes, end.as_ref())?;
    let recovery = Recovery {
        created: indexes.is_empty(),
        last_seq: end.as_ref().map_or(SeqNo(config.first_seq.0 - 1), |end| end.last_seq),
        crashed: end.as_ref().is_some_and(|end| !end.is_sealed),
        cut,
    };
    chain::cut_after(dir, recovery.last_seq)?;
    let next_index = end.as_ref().map_or(first_index, |end| end.position.segment + 1);
    if next_index >= u64::from(u32::MAX) {
        let path = segment_path(dir.path(), next_index);
        return Err(JournalError::BadHeader { path, reason: "segments are numbered below 2^32" });
    }
    // What a crash of the process left in the page cache only.
    for index in unsynced_from(certain, first_index)..next_index {
        let from = certain.filter(|certain| certain.segment == index).map_or(0, |c| c.offset);
        write_again(dir, index, from)?;
    }
    dir.sync()?;
    let position = Position { segment: next_index, offset: 0 };
    let mut synced = SyncedFile::open(dir)?;
    synced.write(&Synced { instance, position, seq: recovery.last_seq })?;
    // Its name, if it is new.
    dir.sync()?;
    Ok(Start { recovery, instance, next_index, synced })
}

/// Cuts every record behind `seq` from the journal in `dir`, and sets it aside: for a follower whose last records its leader
/// never had. Does nothing to a journal that ends at or before it.
///
/// # Errors
/// [`JournalError::Locked`] if somebody writes it, [`JournalError::SeqNotHeld`] if it begins behind `seq`, and damage before it.
pub fn cut_after(dir: impl Into<Dir>, seq: SeqNo) -> Result<Recovery, JournalError> {
    let dir = dir.into();
    let _lock = Lock::take(&dir)?;
    remove_unfinished(&dir)?;
    let indexes = segment_indexes(&dir)?;
    let first_index = *indexes
        .first()
        .ok_or_else(|| JournalError::NoJournal { dir: dir.path().to_path_buf() })?;
    let end = walk(&dir, first_index, Some(seq))?;
    let first = open_segment(&dir, first_index)?.and_then(|(_, header)| header.first_seq);
    let first = first.unwrap_or_default();
    if end.is_none() && seq.next() < first {
        let (dir, first) = (dir.path().to_path_buf(), first.0);
        return Err(JournalError::SeqNotHeld { dir, asked: seq.0, first });
    }
    let position = end.as_ref().map(|end| end.position);
    let position = position.unwrap_or(Position { segment: first_index, offset: 0 });
    let last_seq = end.as_ref().map_or(seq, |end| end.last_seq);
    // From here on what is behind is not promised any more, so that a crash in the middle of the cut is like any other.
    if let Some(synced) = synced::read(&dir)?.filter(|synced| synced.position > position) {
        SyncedFile::open(&dir)?.write(&Synced { position, seq: last_seq, ..synced })?;
    }
    let cut = cut_behind(&dir, &indexes, end.as_ref())?;
    dir.sync()?;
    let crashed = end.is_some_and(|end| !end.is_sealed);
    Ok(Recovery { created: false, last_seq, crashed, cut })
}

/// Where a journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalEnd {
    /// The last record's number.
    pub last_seq: SeqNo,
    /// Its writer was closed in order: nothing can be missing behind it.
    pub was_closed: bool,
}

/// Where the journal in `dir` ends, as a recovery would find it now; nothing is changed. `None` if there is none; zero if none of
/// its records is left.
///
/// # Errors
/// As a recovery: damage below the durable watermark.
pub fn find_end(dir: impl Into<Dir>) -> Result<Option<JournalEnd>, JournalError> {
    let dir = dir.into();
    let indexes = match segment_indexes(&dir) {
        Err(JournalError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
            return Ok(None);
        }
        indexes => indexes?,
    };
    let Some(&first_index) = indexes.first() else { return Ok(None) };
    let synced = synced::read(&dir)?;
    let any = Config { epoch: u64::MAX, ..Config::default() };
    let headers = read_headers(&dir, &indexes, &any, synced.as_ref())?;
    let certain = synced.map(|synced| synced.position);
    let end = walk(&dir, last_looked_at(&headers, certain, first_index), None)?;
    // A watermark behind the segment's end tells of a writer that came after the one that closed it.
    let came_after = |end: &End| certain.is_some_and(|c| c.segment > end.position.segment);
    let (last_seq, was_closed) =
        end.map_or((SeqNo::ZERO, false), |end| (end.last_seq, end.was_closed && !came_after(&end)));
    Ok(Some(JournalEnd { last_seq, was_closed }))
}

/// The segment from which on records are read by those who read the rest anyway: what was synced before it is whole.
fn last_looked_at(headers: &[SegmentHeader], certain: Option<Position>, first: u64) -> u64 {
    let is_certain = |index| certain.is_some_and(|certain: Position| index < certain.segment);
    // What lies behind a segment that a loss of power left unused goes with it.
    let kept = headers.iter().take_while(|h| h.first_seq.is_some() || is_certain(h.index));
    let used = kept.filter(|header| header.first_seq.is_some()).last();
    let last = used.map_or(first, |header| header.index);
    certain.map_or(last, |certain| last.min(certain.segment)).max(first)
}

/// Reads the headers of all segments up to the first whose header may be damaged.
fn read_headers(
    dir: &Dir,
    indexes: &[u64],
    config: &Config,
    synced: Option<&Synced>,
) -> Result<Vec<SegmentHeader>, JournalError> {
    let mut headers: Vec<SegmentHeader> = Vec::with_capacity(indexes.len());
    for &index in indexes {
        let may_be_bad =
            synced.is_some_and(|synced| synced.position <= Position { segment: index, offset: 0 });
        let header = match open_segment(dir, index) {
            // The walk ends there.
            Err(JournalError::BadHeader { .. }) if may_be_bad => break,
            found => found?.ok_or_else(|| JournalError::MissingSegment {
                dir: dir.path().to_path_buf(),
                index,
            })?,
        };
        let header = header.1;
        let is_unused = may_be_bad && header.first_seq.is_none();
        check_header(dir, &header, headers.first(), config, is_unused)?;
        headers.push(header);
        if is_unused {
            // What lies behind it, after a loss of power, goes with it.
            break;
        }
    }
    Ok(headers)
}

fn check_header(
    dir: &Dir,
    header: &SegmentHeader,
    first: Option<&SegmentHeader>,
    config: &Config,
    is_unused: bool,
) -> Result<(), JournalError> {
    let path = || segment_path(dir.path(), header.index);
    let expected = config.instance.or(first.map(|first| first.instance));
    if let Some(expected) = expected
        && expected != header.instance
    {
        return Err(JournalError::WrongInstance { path: path(), found: header.instance, expected });
    }
    if header.epoch > config.epoch && !is_unused {
        let (found, asked) = (header.epoch, config.epoch);
        return Err(JournalError::StaleEpoch { path: path(), found, asked });
    }
    Ok(())
}

/// Where the records end that stay.
#[derive(Debug)]
struct End {
    /// Behind the last of them, its segment's seal not counted.
    position: Position,
    last_seq: SeqNo,
    /// Frames in that segment, its seal not counted.
    frame_count: u64,
    is_sealed: bool,
    /// The seal says that the writer was closed in order.
    was_closed: bool,
}

/// Walks from the beginning of segment `from` to the last valid record, or to the last that has no higher number than `until`.
/// `None` if there is none.
fn walk(dir: &Dir, from: u64, until: Option<SeqNo>) -> Result<Option<End>, JournalError> {
    let mut reader = Reader::open(dir)?;
    reader.start_at(from);
    let mut end: Option<End> = None;
    while let Some(record) = reader.next()? {
        if until.is_some_and(|until| record.seq > until) {
            return Ok(end);
        }
        let before = end.as_ref().filter(|end| end.position.segment == record.segment);
        let is_sealed = record.kind == KIND_SEAL;
        let frame_count = before.map_or(0, |end| end.frame_count) + u64::from(!is_sealed);
        let len = if is_sealed { 0 } else { frame_len(record.payload.len()) as u64 };
        let position = Position { segment: record.segment, offset: record.offset + len };
        let seal = is_sealed.then(|| record.pod::<Seal>()).transpose()?;
        let was_closed = seal.is_some_and(|seal| seal.reason == SealReason::Closed as u64);
        end = Some(End { position, last_seq: record.seq, frame_count, is_sealed, was_closed });
    }
    // A segment may have come into use and hold no record.
    if let (Some(header), Some(last_seq)) = (reader.header(), reader.last_seq())
        && end.as_ref().is_none_or(|end| end.position.segment < header.index)
    {
        let position = Position { segment: header.index, offset: SEGMENT_HEADER_LEN as u64 };
        let (is_sealed, was_closed) = (false, false);
        end = Some(End { position, last_seq, frame_count: 0, is_sealed, was_closed });
    }
    Ok(end)
}

/// Sets aside what lies behind `end`, from the last segment to the first, then seals the segment of `end`.
fn cut_behind(dir: &Dir, indexes: &[u64], end: Option<&End>) -> Result<Cut, JournalError> {
    let mut cut = Cut::default();
    let kept = end.map_or(0, |end| end.position.segment);
    for &index in indexes.iter().rev().take_while(|&&index| index > kept) {
        let path = segment_path(dir.path(), index);
        if is_unused(dir, index) {
            // Made ahead and empty: it is made anew with the terms of the writer that comes.
            dir.remove(&path)?;
            continue;
        }
        let aside = free_name(dir, &format!("{index:020}"), "tgj")?;
        let moved = dir.storage().rename(&path, &aside);
        moved.map_err(JournalError::io("set aside", &path))?;
        dir.join(CUT_DIR).sync()?;
        dir.sync()?;
        cut.segments += 1;
    }
    let Some(end) = end else { return Ok(cut) };
    let Position { segment, offset } = end.position;
    let path = segment_path(dir.path(), segment);
    let file = dir.open(&path, Open::Write)?;
    if !end.is_sealed {
        cut.bytes = used_len(file.as_ref(), offset).map_err(JournalError::io("read", &path))?;
        if cut.bytes > 0 {
            cut.at = Some((path.clone(), offset));
            let aside = free_name(dir, &format!("{segment:020}-{offset}"), "part")?;
            copy(dir, file.as_ref(), (offset, cut.bytes), &aside)?;
            clear(file.as_ref(), offset, cut.bytes)
                .map_err(JournalError::io("clear the end of", &path))?;
        }
        let reason = SealReason::Recovered as u64;
        let seal = Seal { frame_count: end.frame_count, reason, cut_bytes: cut.bytes };
        let frame = encode(KIND_SEAL, end.last_seq.0, bytemuck::bytes_of(&seal));
        file.write_all_at(&frame, offset).map_err(JournalError::io("seal", &path))?;
    }
    give_back(file.as_ref(), offset + SEAL_FRAME_LEN as u64, &path)?;
    Ok(cut)
}

/// True if segment `index` was made ahead of its use and nothing was ever written to it.
fn is_unused(dir: &Dir, index: u64) -> bool {
    let Ok(Some(mut segment)) = SegmentFile::open(dir, index, Vec::new()) else { return false };
    segment.header.first_seq.is_none() && matches!(segment.contradicts_unused(), Ok(false))
}

/// A name that nothing in the directory of what is cut has yet; makes that directory.
fn free_name(dir: &Dir, stem: &str, suffix: &str) -> Result<PathBuf, JournalError> {
    let aside = dir.join(CUT_DIR);
    aside.create()?;
    let taken = aside.names()?;
    let names = (1u64..).map(|n| format!("{stem}.{n}.{suffix}"));
    let free = names.into_iter().find(|name| !taken.contains(name));
    Ok(aside.path().join(free.expect("numbers do not end")))
}

/// Copies `len` bytes of `file` from `at` on to the new file `to`, and makes the copy last.
fn copy(
    dir: &Dir,
    file: &dyn StorageFile,
    (at, len): (u64, u64),
    to: &Path,
) -> Result<(), JournalError> {
    let copy = dir.open(to, Open::Create)?;
    let failed = |what: &'static str| JournalError::io(what, to);
    let mut block = vec![0; BLOCK_LEN];
    let mut done = 0;
    while done < len {
        let part = &mut block[..BLOCK_LEN.min((len - done) as usize)];
        file.read_exact_at(part, at + done).map_err(failed("copy to"))?;
        copy.write_all_at(part, done).map_err(failed("write"))?;
        done += part.len() as u64;
    }
    copy.sync().map_err(failed("sync"))?;
    dir.join(CUT_DIR).sync()
}

/// Writes zeros over what was cut and makes them last before anything else is written there.
fn clear(file: &dyn StorageFile, mut at: u64, mut len: u64) -> std::io::Result<()> {
    let zeros = vec![0; BLOCK_LEN];
    while len > 0 {
        let count = len.min(BLOCK_LEN as u64);
        file.write_all_at(&zeros[..count as usize], at)?;
        at += count;
        len -= count;
    }
    file.sync()
}

/// Cuts a sealed segment behind its seal, once the seal is on disk.
pub(crate) fn give_back(
    file: &dyn StorageFile,
    used_len: u64,
    path: &Path,
) -> Result<(), JournalError> {
    let sync = || file.sync().map_err(JournalError::io("sync", path));
    sync()?;
    if file.len().map_err(JournalError::io("look at", path))? > used_len {
        file.set_len(used_len).map_err(JournalError::io("cut", path))?;
        sync()?;
    }
    Ok(())
}

/// The first segment of which something may not be on the disk.
fn unsynced_from(certain: Option<Position>, first_index: u64) -> u64 {
    certain.map_or(first_index, |certain| certain.segment.max(first_index))
}

/// Writes what a segment holds from `from` on over itself, and syncs it. After a failed sync the page cache may take for written
/// what the disk does not have: a sync alone would say that all is well and write nothing.
fn write_again(dir: &Dir, index: u64, from: u64) -> Result<(), JournalError> {
    let path = segment_path(dir.path(), index);
    let file = dir.open(&path, Open::Write)?;
    let mut block = vec![0; BLOCK_LEN];
    let mut at = from;
    while !is_removed(Protection::WriteAgain) {
        let count =
            read_some(file.as_ref(), &mut block, at).map_err(JournalError::io("read", &path))?;
        if count == 0 {
            break;
        }
        let again = file.write_all_at(&block[..count], at);
        again.map_err(JournalError::io("write again", &path))?;
        at += count as u64;
    }
    file.sync().map_err(JournalError::io("sync", &path))
}

/// A number for a new journal, from the system's random source.
fn draw_instance() -> Result<u128, JournalError> {
    use std::io::Read;
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(JournalError::io("read", path))?;
    Ok(u128::from_le_bytes(bytes))
}
