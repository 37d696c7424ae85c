//! The way of the reports to the thread that reads them: a ring of 32-byte records for one writer and one reader.
//!
//! The writer shows what it wrote every `BATCH` records, and when asked to. Each side keeps a copy of the other's
//! position and looks at the real one only when the copy says that there is nothing left.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Records between two positions shown: sixteen cache lines.
const BATCH: u64 = 32;

/// One report.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(32))]
pub struct Record {
    /// The message that it answers.
    pub seq: u64,
    /// Ticks.
    pub price: i64,
    /// Lots.
    pub qty: u32,
    /// The message's order, as [`crate::ids`] codes it.
    pub order: u32,
    /// The order that it trades with, as [`crate::ids`] codes it.
    pub maker: u32,
    /// What it says: a `me_report_type_t`, as `ORDER_ACK` and its like.
    pub kind: u16,
    /// 0 buy, 1 sell.
    pub side: u16,
}

const _: () = assert!(size_of::<Record>() == 32);

#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

/// What only the writer uses.
#[derive(Debug)]
struct Writing {
    /// Records written.
    written: Cell<u64>,
    /// The reader's position as last seen.
    read: Cell<u64>,
}

/// What only the reader uses.
#[derive(Debug)]
struct Reading {
    read: Cell<u64>,
}

/// The ring.
#[derive(Debug)]
pub struct Ring {
    slots: Box<[UnsafeCell<MaybeUninit<Record>>]>,
    mask: u64,
    writer: Line<Writing>,
    /// Records shown to the reader.
    shown: Line<AtomicU64>,
    reader: Line<Reading>,
    /// Records that the reader is done with.
    done: Line<AtomicU64>,
}

// SAFETY: `writer` is touched by the one writing thread alone and `reader` by the one reading thread; slots below `shown` belong
// to the reader until `done` passes them, all others to the writer.
unsafe impl Sync for Ring {}

impl Ring {
    /// Room for at least `capacity` records, every page of it touched.
    pub fn new(capacity: u32) -> Self {
        let len = (capacity as usize).next_power_of_two().max(BATCH as usize * 2);
        let slots = (0..len).map(|_| UnsafeCell::new(MaybeUninit::new(Record::default())));
        Self {
            slots: slots.collect(),
            mask: len as u64 - 1,
            writer: Line(Writing { written: Cell::new(0), read: Cell::new(0) }),
            shown: Line(AtomicU64::new(0)),
            reader: Line(Reading { read: Cell::new(0) }),
            done: Line(AtomicU64::new(0)),
        }
    }

    /// Writes a record; waits while the ring is full. For the one writing thread.
    ///
    /// # Safety
    /// No other thread writes.
    #[inline(always)]
    pub unsafe fn push(&self, record: Record) {
        let writer = &self.writer.0;
        let written = writer.written.get();
        if written - writer.read.get() > self.mask {
            self.wait_for_room(written);
        }
        let slot = &self.slots[(written & self.mask) as usize];
        // SAFETY: the slot is the writer's: it is not shown, or the reader is done with it.
        unsafe { (*slot.get()).write(record) };
        let written = written + 1;
        writer.written.set(written);
        if written.is_multiple_of(BATCH) {
            self.shown.0.store(written, Ordering::Release);
        }
    }

    #[cold]
    fn wait_for_room(&self, written: u64) {
        self.shown.0.store(written, Ordering::Release);
        loop {
            let read = self.done.0.load(Ordering::Acquire);
            self.writer.0.read.set(read);
            if written - read <= self.mask {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Shows all that was written. For the one writing thread.
    ///
    /// # Safety
    /// No other thread writes.
    pub unsafe fn flush(&self) {
        self.shown.0.store(self.writer.0.written.get(), Ordering::Release);
    }

    /// Gives up to `max` records to `take`, first to last; returns how many. For the one reading thread.
    ///
    /// # Safety
    /// No other thread reads.
    #[inline(always)]
    pub unsafe fn drain(&self, max: u32, mut take: impl FnMut(usize, &Record)) -> u32 {
        let read = self.reader.0.read.get();
        let shown = self.shown.0.load(Ordering::Acquire);
        let count = (shown - read).min(u64::from(max));
        for at in 0..count {
            let slot = &self.slots[((read + at) & self.mask) as usize];
            // SAFETY: slots below `shown` are written and belong to the reader.
            take(at as usize, unsafe { (*slot.get()).assume_init_ref() });
        }
        if count > 0 {
            self.reader.0.read.set(read + count);
            self.done.0.store(read + count, Ordering::Release);
        }
        count as u32
    }
}

/// A ring with room for at least `capacity` records, for one thread that writes and another that reads.
pub fn ring(capacity: u32) -> (Writer, Reader) {
    let ring = Arc::new(Ring::new(capacity));
    (Writer(Arc::clone(&ring)), Reader(ring))
}

/// The end of a ring where records go in. There is one.
#[derive(Debug)]
pub struct Writer(pub(crate) Arc<Ring>);

impl Writer {
    /// Writes a record; waits while the ring is full.
    #[inline(always)]
    pub fn push(&mut self, record: Record) {
        // SAFETY: there is one writer, and it is borrowed mutably.
        unsafe { self.0.push(record) }
    }

    /// Shows the reader all that was written.
    pub fn flush(&mut self) {
        // SAFETY: as in `push`.
        unsafe { self.0.flush() }
    }
}

/// The end of a ring where records come out. There is one.
#[derive(Debug)]
pub struct Reader(Arc<Ring>);

impl Reader {
    /// Gives up to `max` records to `take`, with their number from 0, first to last; returns how many.
    #[inline(always)]
    pub fn drain(&mut self, max: u32, take: impl FnMut(usize, &Record)) -> u32 {
        // SAFETY: there is one reader, and it is borrowed mutably.
        unsafe { self.0.drain(max, take) }
    }

    /// True if nobody will write any more. What was shown before is there to be drained.
    pub fn is_abandoned(&self) -> bool {
        let is_alone = Arc::strong_count(&self.0) == 1;
        fence(Ordering::Acquire);
        is_alone
    }
}

#[cfg(test)]
mod tests {
    use super::{Record, ring};

    #[test]
    fn records_come_out_as_they_went_in() {
        const COUNT: u64 = 100_000;
        let (mut writer, mut reader) = ring(64);
        let reading = std::thread::spawn(move || {
            let mut next = 0;
            while next < COUNT {
                reader.drain(16, |_, record| {
                    assert_eq!((record.seq, record.price), (next, -(next as i64)));
                    next += 1;
                });
            }
            assert_eq!(reader.drain(16, |_, _| {}), 0, "nothing comes twice");
        });
        for seq in 0..COUNT {
            writer.push(Record { seq, price: -(seq as i64), ..Record::default() });
        }
        writer.flush();
        reading.join().expect("the records come in order");
    }
}
