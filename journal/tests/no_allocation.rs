//! The append allocates nothing, not even where a segment is full.
// Allowed here: a global allocator that counts cannot be written without it.
#![allow(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tempfile::TempDir;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, Reader, Writer};
use tidegate_model::{MarketEvent, SeqNo, StateHash};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn append_and_read_allocate_nothing_once_warm() {
    assert!(allocations_of(|| drop(std::hint::black_box(Box::new(1)))) > 0, "it counts");
    let dir = TempDir::new().unwrap();
    let config = Config { segment_len: SEGMENT_LEN_MIN, ..Config::default() };
    let (mut writer, _) = Writer::open(dir.path(), config).unwrap();
    let event = MarketEvent::default();
    let mut seq = SeqNo(0);
    let mut append = |count: u64| {
        for _ in 0..count {
            seq = seq.next();
            writer.append_pod(KIND_MARKET_EVENT, seq, &event).unwrap();
            seq = seq.next();
            writer.append(KIND_COMMAND, seq, &[1; 160]).unwrap();
            writer.append_checkpoint(StateHash(1)).unwrap();
        }
    };
    // The first roll makes the list of segments to put away.
    append(1_000);
    assert_eq!(allocations_of(|| append(10_000)), 0);
    let mut reader = Reader::open(dir.path()).unwrap();
    reader.next().unwrap();
    let mut records = 0;
    let one_segment = allocations_of(|| {
        while reader.next().unwrap().unwrap().segment == 1 {
            records += 1;
        }
    });
    // Paths and a block for checking what lies behind the seal, once a segment.
    assert!(one_segment < 32 && records > 1_000, "{one_segment} for {records} records");
}
