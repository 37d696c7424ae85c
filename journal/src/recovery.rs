//! What happens when a writer opens a directory: finding the last record, and clearing what a crash left behind it.
//!
//! | what the last segment in use ends with | what recovery does |
//! |---|---|
//! | a seal | nothing; bytes beyond it are given back to the disk |
//! | its last record, then zeros to its full length | seals it |
//! | a torn record with no whole one behind it | clears the torn bytes, then seals it |
//! | a damaged record with a whole one behind it | refuses: `Damaged` |
//! | the end of a file that is shorter than it was made | refuses: `Truncated` |
//!
//! Records go on in a new segment. Every step leaves a directory on which recovery can begin again.

use crate::directory::sync_directory;
use crate::directory::{open_segment, remove_unfinished, segment_indexes, segment_path};
use crate::error::JournalError;
use crate::frame::{KIND_SEAL, Seal, SealReason, encode};
use crate::header::SegmentHeader;
use crate::reader::Reader;
use crate::writer::{Check, Config};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tidegate_model::SeqNo;

/// Bytes cleared at once.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// What [`crate::Writer::open`] found, and what it did about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The journal was new.
    pub created: bool,
    /// The last record's number; the number before the first if there is none.
    pub last_seq: SeqNo,
    /// The writer before had crashed: the last segment was not sealed.
    pub crashed: bool,
    /// Bytes of a torn record that were cleared. Nobody had been told that it was written.
    pub cut_bytes: u64,
    /// Where they were: the segment's file and the offset in it.
    pub cut_at: Option<(PathBuf, u64)>,
}

/// What the writer goes on from.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) recovery: Recovery,
    pub(crate) instance: u128,
    pub(crate) next_index: u64,
}

/// Recovers `dir`, whose lock the caller holds.
pub(crate) fn recover(dir: &Path, config: &Config) -> Result<Start, JournalError> {
    remove_unfinished(dir)?;
    let indexes = segment_indexes(dir)?;
    let mut headers = Vec::with_capacity(indexes.len());
    for &index in &indexes {
        let header = open_segment(dir, index)?
            .ok_or_else(|| JournalError::MissingSegment { dir: dir.to_path_buf(), index })?
            .1;
        check_header(dir, &header, headers.first(), config)?;
        headers.push(header);
    }
    let last_used = headers.iter().rev().find(|header| header.first_seq.is_some()).copied();
    let (recovery, next_index) = match last_used {
        Some(last) => (settle(dir, &last, config)?, last.index + 1),
        None => {
            if !indexes.is_empty() {
                // Finds a segment that says it is not in use, but has records.
                Reader::open(dir)?.next()?;
            }
            let recovery = Recovery {
                created: indexes.is_empty(),
                last_seq: SeqNo(config.first_seq.0 - 1),
                crashed: false,
                cut_bytes: 0,
                cut_at: None,
            };
            (recovery, indexes.first().copied().unwrap_or(1))
        }
    };
    if next_index >= u64::from(u32::MAX) {
        let path = segment_path(dir, next_index);
        return Err(JournalError::BadHeader { path, reason: "segments are numbered below 2^32" });
    }
    // Segments that were made ahead are empty; they are made anew with this writer's terms.
    for header in headers.iter().filter(|header| header.first_seq.is_none()) {
        let path = segment_path(dir, header.index);
        fs::remove_file(&path).map_err(JournalError::io("remove", &path))?;
    }
    sync_directory(dir)?;
    let known = headers.first().map(|header| header.instance).or(config.instance);
    let instance = known.map_or_else(draw_instance, Ok)?;
    Ok(Start { recovery, instance, next_index })
}

fn check_header(
    dir: &Path,
    header: &SegmentHeader,
    first: Option<&SegmentHeader>,
    config: &Config,
) -> Result<(), JournalError> {
    let path = || segment_path(dir, header.index);
    let expected = config.instance.or(first.map(|first| first.instance));
    if let Some(expected) = expected
        && expected != header.instance
    {
        return Err(JournalError::WrongInstance { path: path(), found: header.instance, expected });
    }
    if header.epoch > config.epoch {
        let (found, asked) = (header.epoch, config.epoch);
        return Err(JournalError::StaleEpoch { path: path(), found, asked });
    }
    Ok(())
}

/// Walks to the last record and seals its segment.
fn settle(dir: &Path, last: &SegmentHeader, config: &Config) -> Result<Recovery, JournalError> {
    let mut reader = Reader::open(dir)?;
    if config.check == Check::LastSegment {
        reader.start_at(last.index);
    }
    while reader.next()?.is_some() {}
    let path = segment_path(dir, last.index);
    let last_seq = reader.last_seq().unwrap_or_default();
    let torn = reader.torn().cloned();
    let crashed = reader.seal().is_none();
    let end = reader.last_end();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .map_err(JournalError::io("open", &path))?;
    let cut_bytes = torn.as_ref().map_or(0, |torn| torn.len);
    let mut used_len = end.offset;
    if crashed {
        clear(&file, used_len, cut_bytes).map_err(JournalError::io("clear the end of", &path))?;
        let reason = SealReason::Recovered as u64;
        let seal = Seal { frame_count: end.frame_count, reason, cut_bytes };
        let frame = encode(KIND_SEAL, last_seq.0, bytemuck::bytes_of(&seal));
        file.write_all_at(&frame, used_len).map_err(JournalError::io("seal", &path))?;
        used_len += frame.len() as u64;
    }
    give_back(&file, used_len, &path)?;
    Ok(Recovery {
        created: false,
        last_seq,
        crashed,
        cut_bytes,
        cut_at: torn.map(|torn| (torn.path, torn.offset)),
    })
}

/// Writes zeros over a torn record and makes them last before anything else is written there.
fn clear(file: &File, mut at: u64, mut len: u64) -> std::io::Result<()> {
    while len > 0 {
        let count = len.min(ZEROS.len() as u64);
        file.write_all_at(&ZEROS[..count as usize], at)?;
        at += count;
        len -= count;
    }
    file.sync_data()
}

/// Cuts a sealed segment behind its seal, once the seal is on disk.
pub(crate) fn give_back(file: &File, used_len: u64, path: &Path) -> Result<(), JournalError> {
    let sync = |what| file.sync_all().map_err(JournalError::io(what, path));
    sync("sync")?;
    let len = file.metadata().map_err(JournalError::io("look at", path))?.len();
    if len > used_len {
        file.set_len(used_len).map_err(JournalError::io("cut", path))?;
        sync("sync")?;
    }
    Ok(())
}

/// A number for a new journal, from the system's random source.
fn draw_instance() -> Result<u128, JournalError> {
    use std::io::Read;
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(JournalError::io("read", path))?;
    Ok(u128::from_le_bytes(bytes))
}
