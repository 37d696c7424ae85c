//! Large tables on huge pages, and memory that is there before it is needed.
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

/// Makes every page of this process's own memory present, tables and stacks, so that nobody meets a page fault there, and says how many
/// bytes that was. What is allocated later is not among them. Takes about a second for ten gigabytes; other threads go on meanwhile.
///
/// # Errors
/// If the system does not say what memory there is.
pub fn populate() -> std::io::Result<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut populated = 0;
    for (begin, len) in maps.lines().filter_map(own_memory) {
        let pointer = std::ptr::with_exposed_provenance_mut(begin);
        // SAFETY: the advice makes pages present and changes no content, whatever is there by now; where nothing is it fails.
        if unsafe { madvise(pointer, len, Advice::LinuxPopulateWrite) }.is_ok() {
            populated += len as u64;
        }
    }
    Ok(populated)
}

/// Where a line of `/proc/self/maps` begins and how long it is, if that is memory of no file that may be written.
fn own_memory(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_ascii_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let (inode, name) = (words.nth(2)?, words.next().unwrap_or_default());
    // The first stack grows on demand: what it may grow into is not there.
    let is_own = rights == "rw-p" && inode == "0" && name != "[stack]";
    let (begin, end) = range.split_once('-')?;
    let (begin, end) =
        (usize::from_str_radix(begin, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    is_own.then_some((begin, end.checked_sub(begin)?))
}

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

    /// Page faults of this thread so far.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("it is there");
        let after_name = stat.rsplit(')').next().expect("there is one");
        after_name
            .split_ascii_whitespace()
            .nth(7)
            .and_then(|word| word.parse().ok())
            .expect("a number")
    }

    #[test]
    fn memory_that_was_populated_meets_no_fault() {
        let [fresh, populated] = [false, true].map(|is_populated| {
            let mut table = vec![0u8; 64 << 20];
            if is_populated {
                assert!(populate().expect("the system tells") >= 64 << 20);
            }
            let before = faults();
            for at in (0..table.len()).step_by(4096) {
                table[at] = 1;
            }
            std::hint::black_box(&table);
            faults() - before
        });
        // With huge pages one fault makes two megabytes.
        assert!(fresh >= 32 && populated < 8, "{fresh} faults, {populated} when populated");
    }

    #[test]
    fn memory_of_files_is_left_alone() {
        let check = |line: &str| own_memory(line);
        assert_eq!(check("1000-3000 rw-p 00000000 00:00 0 "), Some((0x1000, 0x2000)));
        assert_eq!(check("1000-3000 rw-p 00000000 00:00 0      [heap]"), Some((0x1000, 0x2000)));
        for line in [
            "",
            "1000-3000",
            "1000-3000 r--p 00000000 00:00 0 ",
            "1000-3000 rw-s 00000000 00:00 0 ",
            "1000-3000 rw-p 00000000 fe:00 77 /some/file",
            "1000-3000 rw-p 00000000 00:00 0 [stack]",
            "3000-1000 rw-p 00000000 00:00 0 ",
            "x-y rw-p 00000000 00:00 0 ",
        ] {
            assert_eq!(check(line), None, "{line}");
        }
    }

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
