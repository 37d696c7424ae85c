//! Which records of a journal were written in which epoch, as the headers of its segments tell, and of those that were taken away
//! the file `EPOCHS`:
//!
//! ```text
//! offset  size  field    unit
//!      0     8  magic    "TGEPOCH\n"
//!      8     4  count    entries
//!     12     4  crc32c   of count and entries
//!     16    16  entries  epoch (8), number of its first record (8)
//! ```
//!
//! It is written before the first segment is taken away, and by a journal that begins as the copy of another's end. What it says
//! of numbers that the segments hold is not read.

use crate::crc;
use crate::directory::{open_segment, segment_indexes};
use crate::error::JournalError;
use crate::header::{SegmentHeader, u32_at, u64_at};
use crate::storage::Dir;
use crate::watermark::Position;
use tidegate_model::SeqNo;

/// The file's name.
pub(crate) const FILE_NAME: &str = "EPOCHS";
const MAGIC: [u8; 8] = *b"TGEPOCH\n";
const HEADER_LEN: usize = 16;
const ENTRY_LEN: usize = 16;
/// Entries that are kept: a change of primary every hour for seven years. Older ones are let go.
const ENTRIES_MAX: usize = 1 << 16;

/// The header of the oldest segment in `dir` that is in use; `None` if nothing was ever written.
///
/// # Errors
/// [`JournalError::MissingSegment`] if there is a hole, [`JournalError::BadHeader`] for a header that is damaged.
pub fn oldest(dir: impl Into<Dir>) -> Result<Option<SegmentHeader>, JournalError> {
    let dir = dir.into();
    let Some(&index) = segment_indexes(&dir)?.first() else { return Ok(None) };
    let header = open_segment(&dir, index)?.map(|(_, header)| header);
    Ok(header.filter(|header| header.first_seq.is_some()))
}

/// The headers of the segments in `dir` that are in use, oldest first.
///
/// # Errors
/// [`JournalError::MissingSegment`] if there is a hole, [`JournalError::BadHeader`] for a header that is damaged.
pub fn headers(dir: impl Into<Dir>) -> Result<Vec<SegmentHeader>, JournalError> {
    let dir = dir.into();
    let synced = crate::synced::read(&dir)?.map(|synced| synced.position);
    let mut headers = Vec::new();
    for index in segment_indexes(&dir)? {
        let missing = || JournalError::MissingSegment { dir: dir.path().to_path_buf(), index };
        let begin = Position { segment: index, offset: 0 };
        let may_be_cut = synced.is_some_and(|synced| synced <= begin);
        let header = match open_segment(&dir, index) {
            // A loss of power may have left it so: recovery cuts there.
            Err(JournalError::BadHeader { .. }) if may_be_cut => break,
            found => found?.ok_or_else(missing)?.1,
        };
        if header.first_seq.is_some() {
            headers.push(header);
        } else if may_be_cut {
            // What lies behind it, after a loss of power, goes with it.
            break;
        }
    }
    Ok(headers)
}

/// The epochs of the journal in `dir`, oldest first, each with the number that its first record has, or would have. Empty if
/// nothing was ever written.
///
/// # Errors
/// As [`headers`], and [`JournalError::BadEpochs`].
pub fn epochs(dir: impl Into<Dir>) -> Result<Vec<(u64, SeqNo)>, JournalError> {
    let dir = dir.into();
    let headers = headers(&dir)?;
    let mut epochs: Vec<(u64, SeqNo)> = Vec::new();
    if let Some(SegmentHeader { first_seq: Some(first), epoch, .. }) = headers.first()
        && *first > SeqNo(1)
    {
        epochs = read(&dir)?;
        epochs.retain(|(kept, begins)| begins < first && kept <= epoch);
    }
    for header in headers {
        let Some(first) = header.first_seq else { continue };
        // An epoch without a record left no trace but a segment.
        epochs.pop_if(|(_, before)| *before == first);
        if epochs.last().is_none_or(|(epoch, _)| *epoch != header.epoch) {
            epochs.push((header.epoch, first));
        }
    }
    Ok(epochs)
}

/// Keeps what the segments in `dir` tell of epochs beyond the segments: call it before any of them is taken away.
///
/// # Errors
/// As [`epochs`], and if the file cannot be written.
pub fn keep(dir: impl Into<Dir>) -> Result<(), JournalError> {
    let dir = dir.into();
    let epochs = epochs(&dir)?;
    seed(&dir, &epochs)
}

/// Lets the journal in `dir`, which does not begin with the first record, know the epochs of the records before it.
///
/// # Errors
/// [`JournalError::Io`].
pub fn seed(dir: impl Into<Dir>, epochs: &[(u64, SeqNo)]) -> Result<(), JournalError> {
    let dir = dir.into();
    let epochs = &epochs[epochs.len().saturating_sub(ENTRIES_MAX)..];
    let mut bytes = Vec::with_capacity(HEADER_LEN + epochs.len() * ENTRY_LEN);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&(epochs.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for (epoch, first) in epochs {
        bytes.extend_from_slice(&epoch.to_le_bytes());
        bytes.extend_from_slice(&first.0.to_le_bytes());
    }
    let crc = crc_of(&bytes);
    bytes[12..HEADER_LEN].copy_from_slice(&crc.to_le_bytes());
    dir.replace(FILE_NAME, &bytes).map(|_| ())
}

/// What the file says; nothing if it is not there.
fn read(dir: &Dir) -> Result<Vec<(u64, SeqNo)>, JournalError> {
    let path = dir.path().join(FILE_NAME);
    let Some(file) = dir.open_if_there(&path)? else { return Ok(Vec::new()) };
    let len = file.len().map_err(JournalError::io("look at", &path))?;
    let bad = || JournalError::BadEpochs { path: path.clone() };
    let lens = HEADER_LEN..=HEADER_LEN + ENTRIES_MAX * ENTRY_LEN;
    let len = usize::try_from(len).ok().filter(|len| lens.contains(len)).ok_or_else(bad)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0).map_err(JournalError::io("read", &path))?;
    let count = u32_at(&bytes, 8) as usize;
    let is_sound = bytes.starts_with(&MAGIC)
        && bytes.len() == HEADER_LEN + count * ENTRY_LEN
        && u32_at(&bytes, 12) == crc_of(&bytes);
    if !is_sound {
        return Err(bad());
    }
    let entries = (HEADER_LEN..bytes.len()).step_by(ENTRY_LEN);
    Ok(entries.map(|at| (u64_at(&bytes, at), SeqNo(u64_at(&bytes, at + 8)))).collect())
}

fn crc_of(bytes: &[u8]) -> u32 {
    let mut summed = bytes[8..12].to_vec();
    summed.extend_from_slice(&bytes[HEADER_LEN..]);
    crc::bytes(&summed)
}
