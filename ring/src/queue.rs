//! One sender, one receiver, every message once and in order.
//!
//! A place is empty while its first word is zero. The sender writes the other words, then the first; the receiver takes a copy and
//! clears the first. There are no counters: neither end believes anything that the other could have written.

use crate::memory::{Memory, MemoryError};
use crate::slots::{Slots, first_word, first_word_mut, load, store};
use bytemuck::Pod;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far the sender looks ahead for room: places are emptied in order, so if one is empty, those before it are. It asks for a
/// line that the receiver has once for so many messages.
const AHEAD: u64 = 16;

/// The queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full")]
pub struct Full;

/// The sending end.
#[derive(Debug)]
pub struct Sender<T> {
    slots: Slots<T, 0>,
    next: u64,
    /// Places from `next` on that are known to be empty.
    free: u64,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T> {
    slots: Slots<T, 0>,
    next: u64,
}

/// Bytes that a queue of `capacity` messages lies on.
pub const fn len<T: Pod>(capacity: usize) -> usize {
    Slots::<T, 0>::len(capacity)
}

/// Both ends of a queue within this process.
///
/// # Errors
/// The system's, if it has no memory.
///
/// # Panics
/// If the capacity is not a power of two.
pub fn queue<T: Pod>(capacity: usize) -> Result<(Sender<T>, Receiver<T>), MemoryError> {
    let memory = Arc::new(Memory::private(len::<T>(capacity))?);
    Ok((Sender::new(Arc::clone(&memory), 0, capacity), Receiver::new(memory, 0, capacity)))
}

impl<T: Pod> Sender<T> {
    /// The sending end of the queue at byte `at` of memory that was zero; there may be one.
    ///
    /// # Panics
    /// If the capacity is not a power of two, `at` does not begin a cache line, or the memory is too short.
    pub fn new(memory: Arc<Memory>, at: usize, capacity: usize) -> Self {
        Self { slots: Slots::new(memory, at, capacity), next: 0, free: 0 }
    }

    /// Sends a message; it never waits.
    ///
    /// # Errors
    /// [`Full`]: nothing is sent.
    ///
    /// # Panics
    /// If the message's first word is zero: nobody would ever see it.
    #[inline]
    pub fn push(&mut self, message: &T) -> Result<(), Full> {
        let first = first_word(message);
        assert!(first != 0, "a message begins with a word that is not zero");
        if self.free == 0 && !self.find_room() {
            return Err(Full);
        }
        let slot = self.slots.at(self.next);
        store(slot, message, 1);
        slot[0].store(first, Ordering::Release);
        self.next += 1;
        self.free -= 1;
        Ok(())
    }

    /// True if there is room for `count` messages.
    pub fn has_room(&mut self, count: u64) -> bool {
        let is_empty = |at: u64| self.slots.at(self.next + at)[0].load(Ordering::Acquire) == 0;
        if self.free < count && count <= self.slots.capacity() && is_empty(count - 1) {
            self.free = count;
        }
        self.free >= count
    }

    #[inline]
    fn find_room(&mut self) -> bool {
        let ahead = AHEAD.min(self.slots.capacity());
        [ahead, 1].into_iter().any(|count| self.has_room(count))
    }

    /// True once the receiver of this process has gone. Of one in another process nothing is known here.
    #[inline]
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(self.slots.memory()) < 2
    }
}

impl<T: Pod> Receiver<T> {
    /// The receiving end of the queue at byte `at`; there may be one.
    ///
    /// # Panics
    /// If the capacity is not a power of two, `at` does not begin a cache line, or the memory is too short.
    pub fn new(memory: Arc<Memory>, at: usize, capacity: usize) -> Self {
        Self { slots: Slots::new(memory, at, capacity), next: 0 }
    }

    /// Takes the next message, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let slot = self.slots.at(self.next);
        let first = slot[0].load(Ordering::Acquire);
        if first == 0 {
            return None;
        }
        let mut message: T = load(slot, 1);
        *first_word_mut(&mut message) = first;
        slot[0].store(0, Ordering::Release);
        self.next += 1;
        Some(message)
    }

    /// True if there is nothing to take.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.at(self.next)[0].load(Ordering::Acquire) == 0
    }

    /// True once the sender of this process has gone. Of one in another process nothing is known here.
    #[inline]
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(self.slots.memory()) < 2
    }

    /// Messages that it holds at most.
    pub fn capacity(&self) -> u64 {
        self.slots.capacity()
    }
}
