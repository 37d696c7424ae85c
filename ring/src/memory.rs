//! Memory that rings lie on.

#![allow(unsafe_code, reason = "mapped memory becomes a slice of atomics, here and nowhere else")]

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{
    MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, ftruncate, memfd_create,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;

/// Bytes of one mapping at most: far more than any ring of ours.
pub const LEN_MAX: usize = 1 << 30;
/// What a memory file of ours is sealed with: it never changes its length, so that no access to it can fail.
const FIXED_LEN: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

/// Why memory cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The length is not one that rings lie on.
    #[error("{len} bytes cannot be mapped: a multiple of 64 up to {LEN_MAX} is needed")]
    Len {
        /// Bytes asked for, or the file's.
        len: u64,
    },
    /// The file could be shortened under us.
    #[error("the memory file is not sealed against a change of its length")]
    NotSealed,
    /// The system refuses.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

impl MemoryError {
    fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }
}

/// What may be done with a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Loads only: a store would end the process, and nothing here stores to it.
    Read,
    /// Loads and stores.
    ReadWrite,
}

/// A mapping: zero when it is new, its pages present, its length fixed.
#[derive(Debug)]
pub struct Memory {
    map: MmapRaw,
}

fn check_len(len: usize) -> Result<(), MemoryError> {
    if len == 0 || len > LEN_MAX || !len.is_multiple_of(64) {
        return Err(MemoryError::Len { len: len as u64 });
    }
    Ok(())
}

impl Memory {
    /// `len` bytes of this process: a multiple of 64 up to 1 GiB.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn private(len: usize) -> Result<Self, MemoryError> {
        check_len(len)?;
        let map = MmapOptions::new().len(len).populate().map_anon();
        Ok(Self { map: map.map_err(MemoryError::system("map memory"))?.into() })
    }

    /// `len` bytes that other processes can map by the descriptor, `name` in their list of mappings. Who is given it may read,
    /// and with [`Access::ReadWrite`] write; nobody can change the length. The memory is freed when the last mapping and the
    /// last descriptor are gone, however their processes end.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn shared(name: &str, len: usize, others: Access) -> Result<(Self, OwnedFd), MemoryError> {
        check_len(len)?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let fd = memfd_create(name, flags).map_err(MemoryError::system("make a memory file"))?;
        ftruncate(&fd, len as u64).map_err(MemoryError::system("size a memory file"))?;
        let map = MmapOptions::new().len(len).populate().map_raw(&fd);
        let map = map.map_err(MemoryError::system("map a memory file"))?;
        let seals = match others {
            Access::Read => FIXED_LEN | SealFlags::FUTURE_WRITE | SealFlags::SEAL,
            Access::ReadWrite => FIXED_LEN | SealFlags::SEAL,
        };
        fcntl_add_seals(&fd, seals).map_err(MemoryError::system("seal a memory file"))?;
        Ok((Self { map }, fd))
    }

    /// Maps the whole of a memory file that another process made with [`Self::shared`].
    ///
    /// # Errors
    /// [`MemoryError`]: also if its length could change.
    pub fn open(fd: &impl AsFd, access: Access) -> Result<Self, MemoryError> {
        let seals = fcntl_get_seals(fd).map_err(|_| MemoryError::NotSealed)?;
        if !seals.contains(FIXED_LEN) {
            return Err(MemoryError::NotSealed);
        }
        let stat = rustix::fs::fstat(fd).map_err(MemoryError::system("look at a memory file"))?;
        let len = usize::try_from(stat.st_size).unwrap_or(usize::MAX);
        check_len(len)?;
        let fd = fd.as_fd();
        let mut options = MmapOptions::new();
        let map = match access {
            Access::Read => options.len(len).populate().map_raw_read_only(&fd),
            Access::ReadWrite => options.len(len).populate().map_raw(&fd),
        };
        Ok(Self { map: map.map_err(MemoryError::system("map a memory file"))? })
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Never: a mapping has a byte at least.
    pub fn is_empty(&self) -> bool {
        self.map.len() == 0
    }

    /// All of it as words. Of memory that was opened with [`Access::Read`] they may only be loaded, and `Relaxed`.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is aligned to pages, has this length and lives as long as `self`. Its length cannot change: it is
        // anonymous or sealed. Any bits are a valid u64, and whoever else writes to it, in this process or another, makes a
        // race with nothing but atomics. Relaxed loads of eight bytes are allowed on memory that is read-only.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.map.len() / 8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_one_mapping_writes_the_other_reads() {
        let (ours, fd) = Memory::shared("test", 4096, Access::ReadWrite).expect("memory");
        let theirs = Memory::open(&fd, Access::ReadWrite).expect("the same");
        assert_eq!((ours.len(), theirs.len()), (4096, 4096));
        ours.words()[7].store(42, Relaxed);
        assert_eq!(theirs.words()[7].load(Relaxed), 42);
        theirs.words()[511].store(43, Relaxed);
        assert_eq!(ours.words()[511].load(Relaxed), 43);
    }

    #[test]
    fn who_may_only_read_cannot_map_it_to_write_nor_change_its_length() {
        let (ours, fd) = Memory::shared("test", 4096, Access::Read).expect("memory");
        assert!(matches!(
            Memory::open(&fd, Access::ReadWrite),
            Err(MemoryError::System { what: "map a memory file", .. })
        ));
        let theirs = Memory::open(&fd, Access::Read).expect("readable");
        ours.words()[0].store(1, Relaxed);
        assert_eq!(theirs.words()[0].load(Relaxed), 1);
        assert!(ftruncate(&fd, 0).is_err() && ftruncate(&fd, 8192).is_err());
        assert!(fcntl_add_seals(&fd, SealFlags::WRITE).is_err());
    }

    #[test]
    fn a_file_that_could_be_shortened_is_refused() {
        let fd = memfd_create("test", MemfdFlags::ALLOW_SEALING).expect("a file");
        ftruncate(&fd, 4096).expect("it grows");
        assert!(matches!(Memory::open(&fd, Access::Read), Err(MemoryError::NotSealed)));
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert!(matches!(Memory::open(&file, Access::Read), Err(MemoryError::NotSealed)));
    }

    #[test]
    fn lengths_are_bounded_whole_lines() {
        for len in [0, 63, LEN_MAX + 64] {
            assert!(matches!(Memory::private(len), Err(MemoryError::Len { .. })), "{len}");
        }
        assert!(Memory::private(64).is_ok());
    }
}
