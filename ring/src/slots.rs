//! Places for messages of one type, each beginning a cache line.

use crate::memory::Memory;
use bytemuck::Pod;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words of a cache line.
pub(crate) const LINE: usize = 8;

/// A row of places, of which each has `HEAD` words in front of its message.
#[derive(Debug)]
pub(crate) struct Slots<T, const HEAD: usize> {
    memory: Arc<Memory>,
    /// The first word.
    from: usize,
    mask: u64,
    of: PhantomData<fn() -> T>,
}

impl<T, const HEAD: usize> Clone for Slots<T, HEAD> {
    fn clone(&self) -> Self {
        let Self { memory, from, mask, of } = self;
        Self { memory: Arc::clone(memory), from: *from, mask: *mask, of: *of }
    }
}

impl<T: Pod, const HEAD: usize> Slots<T, HEAD> {
    /// Words of a message.
    const WORDS: usize = {
        assert!(size_of::<T>() > 0 && size_of::<T>().is_multiple_of(8), "messages are words");
        assert!(align_of::<T>() >= 8, "messages are aligned as words are");
        size_of::<T>() / 8
    };
    /// Words from one place to the next.
    const STRIDE: usize = (HEAD + Self::WORDS).next_multiple_of(LINE);

    /// Bytes that `capacity` places take.
    pub const fn len(capacity: usize) -> usize {
        capacity * Self::STRIDE * 8
    }

    /// `capacity` places from byte `at` on.
    ///
    /// # Panics
    /// If the capacity is not a power of two, `at` does not begin a cache line, or the memory ends before the last place.
    pub fn new(memory: Arc<Memory>, at: usize, capacity: usize) -> Self {
        assert!(capacity.is_power_of_two(), "a ring has a power of two of places");
        assert!(at.is_multiple_of(LINE * 8), "places begin cache lines");
        assert!(at + Self::len(capacity) <= memory.len(), "the memory has room for all places");
        Self { memory, from: at / 8, mask: capacity as u64 - 1, of: PhantomData }
    }

    pub fn capacity(&self) -> u64 {
        self.mask + 1
    }

    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// The words of the place for message number `number`: its head, then the message's.
    #[inline(always)]
    pub fn at(&self, number: u64) -> &[AtomicU64] {
        let from = self.from + (number & self.mask) as usize * Self::STRIDE;
        &self.memory.words()[from..from + HEAD + Self::WORDS]
    }
}

/// Stores the words of `message`, in any order.
#[inline(always)]
pub(crate) fn store<T: Pod>(words: &[AtomicU64], message: &T) {
    let source: &[u64] = bytemuck::cast_slice(std::slice::from_ref(message));
    for (word, value) in words.iter().zip(source) {
        word.store(*value, Ordering::Relaxed);
    }
}

/// Loads a message, its words in any order.
#[inline(always)]
pub(crate) fn load<T: Pod>(words: &[AtomicU64]) -> T {
    let mut message = T::zeroed();
    let target: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut message));
    for (value, word) in target.iter_mut().zip(words) {
        *value = word.load(Ordering::Relaxed);
    }
    message
}
