//! The file system of the machine.
// Allowed here: a shared mapping and the one system call that neither std nor memmap2 offers need `unsafe`.
#![allow(unsafe_code)]

use crate::storage::{LockRefused, Open, Storage, StorageFile, StorageMap};
use memmap2::{Advice, MmapOptions, MmapRaw};
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};
use tidegate_model::UnixNanos;

/// The one storage that plain paths are on.
pub(crate) fn storage() -> Arc<dyn Storage> {
    static SYSTEM: OnceLock<Arc<SystemStorage>> = OnceLock::new();
    Arc::<SystemStorage>::clone(SYSTEM.get_or_init(Arc::default))
}

/// Files as the operating system keeps them.
#[derive(Debug, Default)]
struct SystemStorage;

impl Storage for SystemStorage {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn StorageFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read);
        // A pipe that has the name of a file is told by what it holds, and not waited for.
        options.custom_flags(libc::O_NONBLOCK);
        match how {
            Open::Read | Open::Write => {}
            Open::Create => {
                options.create(true).truncate(true);
            }
            Open::Synced => {
                options.create(true).truncate(false);
                options.custom_flags(libc::O_NONBLOCK | libc::O_DSYNC);
            }
        }
        Ok(Box::new(SystemFile(options.open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        // A name that is not UTF-8 is none of ours.
        let names = fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(dir)?;
        match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Debug + Send + Sync>, LockRefused> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(LockRefused::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok();
                return Err(LockRefused::Held(holder.and_then(|_| text.trim().parse().ok())));
            }
            Err(TryLockError::Error(error)) => return Err(LockRefused::Io(error)),
        }
        // The number is for the message only: a lock without it holds just as well.
        let _ = file.set_len(0);
        let _ = file.rewind();
        let _ = writeln!(file, "{}", std::process::id());
        Ok(Box::new(file))
    }

    fn now(&self) -> UnixNanos {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

#[derive(Debug)]
struct SystemFile(File);

impl StorageFile for SystemFile {
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(bytes, at)
    }

    fn write_all_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        // Data and what is needed to find it: its length and its blocks, not its times.
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let size = libc::off_t::try_from(len).unwrap_or(libc::off_t::MAX);
        // SAFETY: the descriptor is open for as long as the file lives; the call touches no memory of ours.
        match unsafe { libc::posix_fallocate(self.0.as_raw_fd(), 0, size) } {
            0 => Ok(()),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    fn map(&self, len: usize) -> io::Result<Box<dyn StorageMap>> {
        Ok(Box::new(SystemMap(MmapOptions::new().len(len).map_raw(&self.0)?)))
    }
}

#[derive(Debug)]
struct SystemMap(MmapRaw);

// SAFETY: a mapping begins at a page, has the length it was made with and stays until it is dropped.
unsafe impl StorageMap for SystemMap {
    fn base(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn warm(&self, begin: usize, len: usize) -> io::Result<()> {
        match self.0.advise_range(Advice::PopulateWrite, begin, len) {
            // A kernel before 5.14 does not know it; faults are then met by the writer.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            other => other,
        }
    }
}
