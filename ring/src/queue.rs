//! One sender, one receiver, every message once and in order.
//!
//! Each place has a version in front of its message, in the same cache line: message number `n`, counted from 0, is there when the
//! version is `n + 1`. So a message that fits the line goes from core to core with it, where a counter of all messages makes it
//! two lines. How far the receiver has come is a counter of its own, which the sender looks at only when the ring may be full.
//!
//! Neither end believes what the other could have written: a version is compared with the one that must come, and a counter that
//! cannot be is no room.

use crate::memory::{Memory, MemoryError};
use crate::slots::{LINE, Slots, load, store};
use bytemuck::Pod;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Bytes in front of the places: a line with the number of messages taken.
const HEAD_LEN: usize = LINE * 8;

/// The queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full")]
pub struct Full;

/// The sending end.
#[derive(Debug)]
pub struct Sender<T> {
    slots: Slots<T, 1>,
    /// The word of the memory that counts what was taken.
    taken: usize,
    next: u64,
    /// The first message for which there may be no room.
    until: u64,
}

/// The receiving end.
#[derive(Debug)]
pub struct Receiver<T> {
    slots: Slots<T, 1>,
    taken: usize,
    next: u64,
}

/// Bytes that a queue of `capacity` messages lies on.
pub const fn len<T: Pod>(capacity: usize) -> usize {
    HEAD_LEN + Slots::<T, 1>::len(capacity)
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
        let slots = Slots::new(memory, at + HEAD_LEN, capacity);
        Self { slots, taken: at / 8, next: 0, until: capacity as u64 }
    }

    /// Sends a message; it never waits.
    ///
    /// # Errors
    /// [`Full`]: nothing is sent.
    #[inline]
    pub fn push(&mut self, message: &T) -> Result<(), Full> {
        if self.next == self.until && !self.has_room(1) {
            return Err(Full);
        }
        let slot = self.slots.at(self.next);
        store(&slot[1..], message);
        self.next += 1;
        slot[0].store(self.next, Ordering::Release);
        Ok(())
    }

    /// True if there is room for `count` messages.
    pub fn has_room(&mut self, count: u64) -> bool {
        if self.until - self.next >= count {
            return true;
        }
        let taken = self.slots.memory().words()[self.taken].load(Ordering::Acquire);
        // Whoever shares the memory may have written anything: more than was sent, or less than was known before.
        let until = taken.saturating_add(self.slots.capacity());
        if taken <= self.next && until > self.until {
            self.until = until;
        }
        self.until - self.next >= count
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
        Self { slots: Slots::new(memory, at + HEAD_LEN, capacity), taken: at / 8, next: 0 }
    }

    /// Takes the next message, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let message = self.peek()?;
        self.advance();
        Some(message)
    }

    /// The next message, which stays where it is.
    #[inline]
    pub fn peek(&self) -> Option<T> {
        let slot = self.slots.at(self.next);
        (slot[0].load(Ordering::Acquire) == self.next + 1).then(|| load(&slot[1..]))
    }

    /// Gives up the place of the message that [`Self::peek`] showed.
    #[inline]
    pub fn advance(&mut self) {
        self.next += 1;
        self.slots.memory().words()[self.taken].store(self.next, Ordering::Release);
    }

    /// True if there is nothing to take.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.at(self.next)[0].load(Ordering::Acquire) != self.next + 1
    }

    /// True once the sender of this process has gone. Of one in another process nothing is known here.
    #[inline]
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(self.slots.memory()) < 2
    }
}
