//! One writer who never waits, any number of readers who cannot make it.
//!
//! The writer overwrites the oldest place. Each has a version, odd while it is written, so a reader either gets a whole message,
//! learns that there is none yet, or learns that it was overtaken and by how much.

use crate::memory::{Memory, MemoryError};
use crate::slots::{LINE, Slots, load, store};
use bytemuck::Pod;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// Bytes in front of the places: a line with the number of messages ever written.
const HEAD_LEN: usize = LINE * 8;

/// The writing end; there is one.
#[derive(Debug)]
pub struct Writer<T> {
    slots: Slots<T, 1>,
    /// The word of the memory that counts messages.
    written: usize,
    next: u64,
}

/// A reading end; there may be any number, each with its own place.
#[derive(Debug)]
pub struct Reader<T> {
    slots: Slots<T, 1>,
    written: usize,
    next: u64,
}

impl<T> Clone for Reader<T> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), written: self.written, next: self.next }
    }
}

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<T> {
    /// The next message.
    Item(T),
    /// Nothing yet, or nothing that may be seen.
    Empty,
    /// The writer overtook the reader, which goes on `skipped` messages later.
    Lapped {
        /// Messages that were lost to this reader.
        skipped: u64,
    },
}

/// Bytes that a broadcast of `capacity` messages lies on.
pub const fn len<T: Pod>(capacity: usize) -> usize {
    HEAD_LEN + Slots::<T, 1>::len(capacity)
}

/// A writing end and a first reading end within this process.
///
/// # Errors
/// The system's, if it has no memory.
///
/// # Panics
/// If the capacity is not a power of two.
pub fn broadcast<T: Pod>(capacity: usize) -> Result<(Writer<T>, Reader<T>), MemoryError> {
    let memory = Arc::new(Memory::private(len::<T>(capacity))?);
    Ok((Writer::new(Arc::clone(&memory), 0, capacity), Reader::new(memory, 0, capacity)))
}

impl<T: Pod> Writer<T> {
    /// The writing end of the broadcast at byte `at` of memory that was zero; there may be one.
    ///
    /// # Panics
    /// If the capacity is not a power of two, `at` does not begin a cache line, or the memory is too short.
    pub fn new(memory: Arc<Memory>, at: usize, capacity: usize) -> Self {
        Self { slots: Slots::new(memory, at + HEAD_LEN, capacity), written: at / 8, next: 0 }
    }

    /// Writes a message; it never waits.
    #[inline]
    pub fn publish(&mut self, message: &T) {
        let slot = self.slots.at(self.next);
        slot[0].store(2 * self.next + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        store(&slot[1..], message);
        slot[0].store(2 * self.next + 2, Ordering::Release);
        self.next += 1;
        self.slots.memory().words()[self.written].store(self.next, Ordering::Release);
    }
}

impl<T: Pod> Reader<T> {
    /// A reading end of the broadcast at byte `at`, at its beginning. The memory may be read-only.
    ///
    /// # Panics
    /// If the capacity is not a power of two, `at` does not begin a cache line, or the memory is too short.
    pub fn new(memory: Arc<Memory>, at: usize, capacity: usize) -> Self {
        Self { slots: Slots::new(memory, at + HEAD_LEN, capacity), written: at / 8, next: 0 }
    }

    /// Goes to where the writer is: what was written before is not read.
    pub fn skip_to_end(&mut self) {
        self.next = self.next.max(self.written());
    }

    /// True if something was written that this reader has not passed.
    pub fn has_more(&self) -> bool {
        self.written() != self.next
    }

    fn written(&self) -> u64 {
        let written = self.slots.memory().words()[self.written].load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        written
    }

    /// The next message, if there is one and `may_see` says that it is to be seen already; never waits.
    #[inline]
    pub fn next_if(&mut self, may_see: impl FnOnce(&T) -> bool) -> Next<T> {
        let whole = 2 * self.next + 2;
        let slot = self.slots.at(self.next);
        let before = slot[0].load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        if before < whole {
            return Next::Empty;
        }
        if before == whole {
            let message: T = load(&slot[1..]);
            fence(Ordering::Acquire);
            if slot[0].load(Ordering::Relaxed) == whole {
                if !may_see(&message) {
                    return Next::Empty;
                }
                self.next += 1;
                return Next::Item(message);
            }
        }
        // Half a ring behind the writer leaves room to catch up before it is overtaken again.
        let resume = self.written().saturating_sub(self.slots.capacity() / 2).max(self.next);
        let skipped = resume - self.next;
        self.next = resume;
        Next::Lapped { skipped }
    }
}
