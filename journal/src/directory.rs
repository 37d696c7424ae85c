//! The journal's directory: names, order, lock.

use crate::error::JournalError;
use crate::exchange;
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use crate::storage::{Dir, LockRefused, StorageFile};
use std::fmt::Debug;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const SEGMENT_SUFFIX: &str = ".tgj";
const UNFINISHED_SUFFIX: &str = ".tgj.tmp";
const LOCK_NAME: &str = "LOCK";
const INDEX_DIGITS: usize = 20;

/// The file of segment `index`.
pub(crate) fn segment_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:0INDEX_DIGITS$}{SEGMENT_SUFFIX}"))
}

/// The file of segment `index` while it is being made.
pub(crate) fn unfinished_path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:0INDEX_DIGITS$}{UNFINISHED_SUFFIX}"))
}

fn index_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SEGMENT_SUFFIX)?;
    let well_formed = digits.len() == INDEX_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    if well_formed { digits.parse().ok() } else { None }
}

/// The numbers of all segments, ascending and without a hole. Empty if there is no segment.
///
/// # Errors
/// [`JournalError::MissingSegment`] if one between two others is gone, [`JournalError::Exchanging`] if what is here is partly of
/// another journal.
pub(crate) fn segment_indexes(dir: &Dir) -> Result<Vec<u64>, JournalError> {
    exchange::check(dir)?;
    let mut indexes: Vec<u64> = dir.names()?.iter().filter_map(|name| index_of(name)).collect();
    indexes.sort_unstable();
    for pair in indexes.windows(2) {
        if pair[1] != pair[0] + 1 {
            let dir = dir.path().to_path_buf();
            return Err(JournalError::MissingSegment { dir, index: pair[0] + 1 });
        }
    }
    Ok(indexes)
}

/// Removes segments that a crash left half made.
pub(crate) fn remove_unfinished(dir: &Dir) -> Result<(), JournalError> {
    for name in dir.names()?.iter().filter(|name| name.ends_with(UNFINISHED_SUFFIX)) {
        dir.remove(&dir.path().join(name))?;
    }
    Ok(())
}

/// A segment's file, and what it says about itself.
pub(crate) type OpenSegment = (Box<dyn StorageFile>, SegmentHeader);

/// Opens segment `index` and reads its header; `None` if there is no such file.
///
/// # Errors
/// [`JournalError::BadHeader`] if the file is shorter than a header, is damaged, or has another segment's number.
pub(crate) fn open_segment(dir: &Dir, index: u64) -> Result<Option<OpenSegment>, JournalError> {
    let path = segment_path(dir.path(), index);
    let Some(file) = dir.open_if_there(&path)? else { return Ok(None) };
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            return Err(JournalError::BadHeader { path, reason: "the file is too short for it" });
        }
        other => other.map_err(JournalError::io("read", &path))?,
    }
    let header = SegmentHeader::decode(&bytes, &path)?;
    if header.index != index {
        return Err(JournalError::BadHeader { path, reason: "it is of another segment" });
    }
    Ok(Some((file, header)))
}

/// The right to write into a directory; given up when dropped, or when the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Box<dyn Debug + Send + Sync>,
}

impl Lock {
    /// Takes the lock of `dir`.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if someone has it, this process included.
    pub(crate) fn take(dir: &Dir) -> Result<Self, JournalError> {
        let path = dir.path().join(LOCK_NAME);
        match dir.storage().lock(&path) {
            Ok(held) => Ok(Self { _held: held }),
            Err(LockRefused::Held(holder_pid)) => {
                Err(JournalError::Locked { dir: dir.path().to_path_buf(), holder_pid })
            }
            Err(LockRefused::Io(error)) => Err(JournalError::io("lock", &path)(error)),
        }
    }
}
