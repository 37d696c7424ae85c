//! The journal's directory: names, order, lock, and the syncs that make names last.

use crate::error::JournalError;
use crate::header::{SEGMENT_HEADER_LEN, SegmentHeader};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
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
/// [`JournalError::MissingSegment`] if one between two others is gone.
pub(crate) fn segment_indexes(dir: &Path) -> Result<Vec<u64>, JournalError> {
    let mut indexes = Vec::new();
    for entry in fs::read_dir(dir).map_err(JournalError::io("list", dir))? {
        let name = entry.map_err(JournalError::io("list", dir))?.file_name();
        indexes.extend(name.to_str().and_then(index_of));
    }
    indexes.sort_unstable();
    for pair in indexes.windows(2) {
        if pair[1] != pair[0] + 1 {
            let dir = dir.to_path_buf();
            return Err(JournalError::MissingSegment { dir, index: pair[0] + 1 });
        }
    }
    Ok(indexes)
}

/// Removes segments that a crash left half made.
pub(crate) fn remove_unfinished(dir: &Path) -> Result<(), JournalError> {
    for entry in fs::read_dir(dir).map_err(JournalError::io("list", dir))? {
        let entry = entry.map_err(JournalError::io("list", dir))?;
        if entry.file_name().to_str().is_some_and(|name| name.ends_with(UNFINISHED_SUFFIX)) {
            let path = entry.path();
            fs::remove_file(&path).map_err(JournalError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Opens segment `index` and reads its header; `None` if there is no such file.
///
/// # Errors
/// [`JournalError::BadHeader`] if the file is shorter than a header, is damaged, or has another segment's number.
pub(crate) fn open_segment(
    dir: &Path,
    index: u64,
) -> Result<Option<(File, SegmentHeader)>, JournalError> {
    let path = segment_path(dir, index);
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(JournalError::io("open", &path))?,
    };
    let mut bytes = [0; SEGMENT_HEADER_LEN];
    match file.read_exact(&mut bytes) {
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

/// Makes names in `dir` last.
pub(crate) fn sync_directory(dir: &Path) -> Result<(), JournalError> {
    File::open(dir).and_then(|file| file.sync_all()).map_err(JournalError::io("sync", dir))
}

/// Makes `dir` and the directories above it, where they do not exist.
pub(crate) fn create(dir: &Path) -> Result<(), JournalError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => Ok(()),
    }
}

/// The right to write into a directory; given up when dropped, or when the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `dir`.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if someone has it, this process included.
    pub(crate) fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(LOCK_NAME);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(JournalError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder_pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(JournalError::Locked { dir: dir.to_path_buf(), holder_pid });
            }
            Err(TryLockError::Error(source)) => {
                return Err(JournalError::io("lock", &path)(source));
            }
        }
        // The number is for the message only: a lock without it holds just as well.
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Self { _file: file })
    }
}
