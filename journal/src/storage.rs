//! What the journal asks of a file system, behind one trait: the system's own (`system.rs`), or one that fails on purpose.
//!
//! The model of a crash is SQLite's. What a process wrote is seen by every process at once, and survives the end of it. A loss
//! of power keeps what was synced before, and of everything else each piece may be there, be missing, or be garbage. Names
//! (created, renamed, removed) last once their directory is synced.

use crate::error::JournalError;
use crate::protection::{Protection, is_removed};
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_model::UnixNanos;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading; it must be there.
    Read,
    /// For reading and writing; it must be there.
    Write,
    /// For reading and writing; made, or emptied if it is there.
    Create,
    /// For reading and writing; made if it is not there. A write returns when it would survive a loss of power.
    Synced,
}

/// Files and their names.
pub trait Storage: Debug + Send + Sync {
    /// Opens `path`.
    ///
    /// # Errors
    /// As the file system says; `NotFound` if it must be there and is not.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn StorageFile>>;
    /// The names in `dir`, in no order.
    ///
    /// # Errors
    /// As the file system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Takes a name away.
    ///
    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file another name, in one step, in place of whatever had it.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes `dir` and those above it where they are missing, and makes that last.
    ///
    /// # Errors
    /// As the file system says.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Makes the names in `dir` last.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock that `path` stands for, until what is returned is dropped or the process ends.
    ///
    /// # Errors
    /// [`LockRefused::Held`] if somebody has it, this process included.
    fn lock(&self, path: &Path) -> Result<Box<dyn Debug + Send + Sync>, LockRefused>;
    /// The time that segments are stamped with when they are made.
    fn now(&self) -> UnixNanos;
}

/// Why a lock was not given.
#[derive(Debug)]
pub enum LockRefused {
    /// Somebody has it: the process, if it left its number.
    Held(Option<u32>),
    /// The file system failed.
    Io(io::Error),
}

/// An open file.
// Every file of a journal has a size of its own, so there is no use for `is_empty`.
#[allow(clippy::len_without_is_empty)]
pub trait StorageFile: Debug + Send + Sync {
    /// Reads up to `bytes.len()` bytes; 0 at the end.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;
    /// Fills `bytes`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, or as the file system says.
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut done = 0;
        while done < bytes.len() {
            match self.read_at(&mut bytes[done..], at + done as u64) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// As the file system says; a part may have been written.
    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// Bytes in the file.
    ///
    /// # Errors
    /// As the file system says.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file, or fills it up with zeros.
    ///
    /// # Errors
    /// As the file system says.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the content last through a loss of power.
    ///
    /// # Errors
    /// As the file system says; what the disk holds is unknown then.
    fn sync(&self) -> io::Result<()>;
    /// Takes `len` bytes of disk, so that no later write into them can meet a full one.
    ///
    /// # Errors
    /// `StorageFull`, `QuotaExceeded` or `FileTooLarge` if there is no room, or as the file system says.
    fn allocate(&self, len: u64) -> io::Result<()>;
    /// The first `len` bytes of the file as memory; what is stored there is written to the file.
    ///
    /// # Errors
    /// As the file system says.
    fn map(&self, len: usize) -> io::Result<Box<dyn StorageMap>>;
}

/// A file's bytes in memory.
// Implementing it promises something that the compiler cannot see.
#[allow(unsafe_code)]
/// # Safety
/// [`Self::base`] points to [`Self::len`] bytes, aligned to 4096, that stay there and may be read and written by any thread for
/// as long as the map lives.
pub unsafe trait StorageMap: Debug + Send + Sync {
    /// Where the bytes begin.
    fn base(&self) -> *mut u8;
    /// How many they are.
    fn len(&self) -> usize;
    /// True if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Makes the pages of `begin..begin + len` present and writable; `begin` is a multiple of 4096.
    ///
    /// # Errors
    /// As the system says.
    fn warm(&self, begin: usize, len: usize) -> io::Result<()>;
}

/// A directory on a storage. A plain path is one on the system's.
#[derive(Clone, Debug)]
pub struct Dir {
    storage: Arc<dyn Storage>,
    path: PathBuf,
}

impl Dir {
    /// `path` on `storage`.
    pub fn on(storage: Arc<dyn Storage>, path: impl Into<PathBuf>) -> Self {
        Self { storage, path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is on.
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    /// The directory `name` in it.
    pub fn join(&self, name: &str) -> Self {
        Self { storage: Arc::clone(&self.storage), path: self.path.join(name) }
    }

    pub(crate) fn open(
        &self,
        path: &Path,
        how: Open,
    ) -> Result<Box<dyn StorageFile>, JournalError> {
        self.storage.open(path, how).map_err(JournalError::io("open", path))
    }

    /// Opens what need not be there.
    pub(crate) fn open_if_there(
        &self,
        path: &Path,
    ) -> Result<Option<Box<dyn StorageFile>>, JournalError> {
        match self.storage.open(path, Open::Read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).map_err(JournalError::io("open", path)),
        }
    }

    pub(crate) fn remove(&self, path: &Path) -> Result<(), JournalError> {
        self.storage.remove(path).map_err(JournalError::io("remove", path))
    }

    pub(crate) fn names(&self) -> Result<Vec<String>, JournalError> {
        self.storage.list(&self.path).map_err(JournalError::io("list", &self.path))
    }

    pub(crate) fn create(&self) -> Result<(), JournalError> {
        self.storage.create_dir(&self.path).map_err(JournalError::io("create", &self.path))
    }

    /// Puts a file of these bytes in place of `name`, whole or not at all, and makes it last: it is written under another name first.
    pub(crate) fn replace(
        &self,
        name: &str,
        bytes: &[u8],
    ) -> Result<Box<dyn StorageFile>, JournalError> {
        let path = self.path.join(name);
        let unfinished = path.with_extension("tmp");
        let file = self.open(&unfinished, Open::Create)?;
        file.write_all_at(bytes, 0).map_err(JournalError::io("write", &unfinished))?;
        file.sync().map_err(JournalError::io("sync", &unfinished))?;
        let renamed = self.storage.rename(&unfinished, &path);
        renamed.map_err(JournalError::io("rename", &unfinished))?;
        self.sync()?;
        Ok(file)
    }

    /// Makes names in it last.
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        if is_removed(Protection::DirectorySync) {
            return Ok(());
        }
        self.storage.sync_dir(&self.path).map_err(JournalError::io("sync", &self.path))
    }
}

impl From<&Path> for Dir {
    fn from(path: &Path) -> Self {
        Self::on(crate::system::storage(), path)
    }
}

impl From<&PathBuf> for Dir {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl From<&Dir> for Dir {
    fn from(dir: &Dir) -> Self {
        dir.clone()
    }
}
