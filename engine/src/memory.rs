//! Large tables on huge pages.
// Allowed here: an allocator, and advice about memory, can only be written so.
#![allow(unsafe_code)]

use rustix::mm::{Advice, madvise};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

/// What is smaller gets none: less than two huge pages of most machines.
const LARGE_LEN: usize = 4 << 20;
/// Advice begins and ends at a page: the largest that a kernel we run on may have.
const PAGE_LEN: usize = 64 << 10;

static IS_WANTED: AtomicBool = AtomicBool::new(true);

/// Whether large allocations ask for huge pages from now on; they do unless told otherwise.
pub fn want_huge_pages(is_wanted: bool) {
    IS_WANTED.store(is_wanted, Ordering::Relaxed);
}

/// The system's allocator, which asks for huge pages where an allocation is large. A look at a table of some hundred megabytes
/// misses the processor's table of pages almost every time; with pages of 2 MiB it seldom does. For a binary's
/// `#[global_allocator]`.
#[derive(Debug)]
pub struct HugePages;

/// Costs speed only where the system refuses, so nobody is told.
fn advise(pointer: *mut u8, len: usize) {
    if len < LARGE_LEN || pointer.is_null() || !IS_WANTED.load(Ordering::Relaxed) {
        return;
    }
    let skipped = pointer.align_offset(PAGE_LEN);
    let whole = len.saturating_sub(skipped) / PAGE_LEN * PAGE_LEN;
    // SAFETY: the range lies in one allocation, and the advice changes nothing but how its pages are made.
    let _ = unsafe { madvise(pointer.wrapping_add(skipped).cast(), whole, Advice::LinuxHugepage) };
}

// SAFETY: every call is handed to the system's allocator unchanged; advice neither allocates nor changes memory.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        let pointer = unsafe { System.alloc(layout) };
        advise(pointer, layout.size());
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        let pointer = unsafe { System.alloc_zeroed(layout) };
        advise(pointer, layout.size());
        pointer
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the pointer came from `System`, as all do, and the caller keeps the contract of `realloc`.
        let pointer = unsafe { System.realloc(pointer, layout, new_size) };
        advise(pointer, new_size);
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`, as all do.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_systems_and_whole_however_it_grows() {
        for len in [1, PAGE_LEN, LARGE_LEN - 1, LARGE_LEN, LARGE_LEN + 1, 3 * LARGE_LEN + 17] {
            let layout = Layout::array::<u8>(len).expect("small enough");
            let grown = Layout::array::<u8>(2 * len).expect("small enough");
            // SAFETY: the layouts are not empty, the bytes lie within, and each pointer is given back as it was taken.
            unsafe {
                let pointer = HugePages.alloc_zeroed(layout);
                assert_eq!((*pointer, *pointer.add(len - 1)), (0, 0));
                *pointer.add(len - 1) = 7;
                let pointer = HugePages.realloc(pointer, layout, 2 * len);
                assert_eq!(*pointer.add(len - 1), 7);
                *pointer.add(2 * len - 1) = 8;
                HugePages.dealloc(pointer, grown);
                let pointer = HugePages.alloc(layout);
                *pointer = 9;
                HugePages.dealloc(pointer, layout);
            }
        }
    }
}
