//! A snapshot's file on its way to another machine, in pieces.

use super::file::{
    BODY_LEN_MAX, HASH_AT, HEADER_LEN, Header, Opened, SnapshotError, UNFINISHED_SUFFIX, io_error,
    open, path_of,
};
use super::folder;
use std::path::PathBuf;
use tidegate_journal::Dir;
use tidegate_journal::storage::{Open, StorageFile};
use tidegate_model::SeqNo;

/// Bytes of the longest file that is sent or taken.
pub const FILE_LEN_MAX: u64 = HEADER_LEN as u64 + BODY_LEN_MAX;

/// A snapshot's file to read from. It stays open: nobody who prunes snapshots meanwhile takes it away.
#[derive(Debug)]
pub struct Outgoing {
    file: Box<dyn StorageFile>,
    path: PathBuf,
    header: Header,
    expected: [u8; 32],
    hasher: blake3::Hasher,
    hashed: u64,
}

impl Outgoing {
    /// Opens the snapshot of input `seq` of the journal in `dir`.
    ///
    /// # Errors
    /// [`SnapshotError`]; nothing but the header is looked at.
    pub fn open(dir: &Dir, seq: SeqNo) -> Result<Self, SnapshotError> {
        let Opened { file, head, header, path } = open(dir, seq)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&head[..HASH_AT]);
        let mut expected = [0; 32];
        expected.copy_from_slice(&head[HASH_AT..]);
        Ok(Self { file, path, header, expected, hasher, hashed: HEADER_LEN as u64 })
    }

    /// What it says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        HEADER_LEN as u64 + self.header.body_len
    }

    /// Never: there is a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Compares the next `count` bytes at most with the hash over all; true when that is done. Call it until then before anything is
    /// sent: whoever takes it would find it out at the end only.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`], [`SnapshotError::Io`].
    pub fn check(&mut self, count: usize) -> Result<bool, SnapshotError> {
        let mut bytes = vec![0; count];
        let read = self.read(self.hashed, &mut bytes)?;
        self.hasher.update(&bytes[..read]);
        self.hashed += read as u64;
        if self.hashed < self.len() {
            return Ok(false);
        }
        if *self.hasher.finalize().as_bytes() != self.expected {
            let why = "its bytes are not those that were written";
            return Err(SnapshotError::Damaged { path: self.path.clone(), why });
        }
        Ok(true)
    }

    /// Reads what lies at `at`, as far as the file goes; how many bytes that were.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn read(&self, at: u64, bytes: &mut [u8]) -> Result<usize, SnapshotError> {
        let left = usize::try_from(self.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let count = bytes.len().min(left);
        let read = self.file.read_exact_at(&mut bytes[..count], at);
        read.map_err(io_error("read", &self.path))?;
        Ok(count)
    }
}

/// A snapshot's file that arrives.
#[derive(Debug)]
pub struct Incoming {
    dir: Dir,
    file: Box<dyn StorageFile>,
    unfinished: PathBuf,
    seq: SeqNo,
    len: u64,
    at: u64,
}

impl Incoming {
    /// Begins the file of a snapshot of input `seq` for the journal in `dir`, under another name: `len` bytes are to come.
    ///
    /// # Errors
    /// [`SnapshotError::TooLong`], [`SnapshotError::Io`].
    pub fn begin(dir: &Dir, seq: SeqNo, len: u64) -> Result<Self, SnapshotError> {
        if len > FILE_LEN_MAX {
            return Err(SnapshotError::TooLong { len, max: FILE_LEN_MAX });
        }
        let folder = folder(dir);
        let storage = folder.storage();
        storage.create_dir(folder.path()).map_err(io_error("create", folder.path()))?;
        let unfinished = path_of(&folder, seq, UNFINISHED_SUFFIX);
        let file = storage.open(&unfinished, Open::Create);
        let file = file.map_err(io_error("create", &unfinished))?;
        Ok(Self { dir: folder, file, unfinished, seq, len, at: 0 })
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// [`SnapshotError::TooLong`] if more comes than was said, [`SnapshotError::Io`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let len = self.at + bytes.len() as u64;
        if len > self.len {
            return Err(SnapshotError::TooLong { len, max: self.len });
        }
        self.file.write_all_at(bytes, self.at).map_err(io_error("write", &self.unfinished))?;
        self.at = len;
        Ok(())
    }

    /// Everything has arrived: makes it last and gives it its name. It has not been looked at: [`super::read`] does.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] if bytes are missing, [`SnapshotError::Io`].
    pub fn finish(self) -> Result<(), SnapshotError> {
        if self.at != self.len {
            return Err(SnapshotError::Damaged {
                path: self.unfinished,
                why: "bytes of it are missing",
            });
        }
        self.file.sync().map_err(io_error("sync", &self.unfinished))?;
        drop(self.file);
        let path = path_of(&self.dir, self.seq, super::file::SUFFIX);
        let storage = self.dir.storage();
        storage.rename(&self.unfinished, &path).map_err(io_error("rename", &self.unfinished))?;
        storage.sync_dir(self.dir.path()).map_err(io_error("sync", self.dir.path()))
    }
}
