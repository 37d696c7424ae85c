//! Public data, sent once for everyone: a ring that readers cannot block.
//!
//! The writer overwrites the oldest slot. Each slot carries a version, odd while it is written, so a reader
//! either gets a whole update, learns that there is none yet, or learns that it was lapped and by how much.
//! Slots are atomics: a torn read is seen by its version, and there is no `unsafe`.
//!
//! An update whose input is not released is there, but readers do not see it yet; the writer knows nothing of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use tidegate_journal::Release;
use tidegate_model::PublicUpdate;

/// Updates the ring holds: 4 MiB, a tenth of a second of the busiest feed.
pub const BROADCAST_CAPACITY: usize = 65_536;

const WORDS: usize = size_of::<PublicUpdate>() / 8;
const MASK: u64 = BROADCAST_CAPACITY as u64 - 1;
const _: () = assert!(BROADCAST_CAPACITY.is_power_of_two());
const _: () = assert!(size_of::<Slot>() == 64);

/// Version and update share one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct Slot {
    /// `2 n + 1` while update `n` is written, `2 n + 2` once it is whole.
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

#[derive(Debug)]
struct Shared {
    slots: Box<[Slot]>,
    /// Updates ever written.
    written: AtomicU64,
}

/// The writing end; there is one.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    next: u64,
}

/// A reading end; there may be any number, each with its own place.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    release: Arc<Release>,
    next: u64,
}

/// What [`Reader::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next update.
    Item(PublicUpdate),
    /// Nothing yet, or nothing that is released.
    Empty,
    /// The writer overtook the reader, which goes on `skipped` updates later.
    Lapped {
        /// Updates that were lost to this reader.
        skipped: u64,
    },
}

/// A ring's writing end and a first reading end, which sees what `release` lets out.
pub fn channel(release: Arc<Release>) -> (Writer, Reader) {
    let slots = (0..BROADCAST_CAPACITY)
        .map(|_| Slot { version: AtomicU64::new(0), words: Default::default() })
        .collect();
    let shared = Arc::new(Shared { slots, written: AtomicU64::new(0) });
    (Writer { shared: Arc::clone(&shared), next: 0 }, Reader { shared, release, next: 0 })
}

impl Writer {
    /// Writes one update; never waits.
    #[inline]
    pub fn publish(&mut self, update: &PublicUpdate) {
        let words: [u64; WORDS] = bytemuck::cast(*update);
        let slot = &self.shared.slots[(self.next & MASK) as usize];
        slot.version.store(2 * self.next + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (cell, word) in slot.words.iter().zip(words) {
            cell.store(word, Ordering::Relaxed);
        }
        slot.version.store(2 * self.next + 2, Ordering::Release);
        self.next += 1;
        self.shared.written.store(self.next, Ordering::Release);
    }
}

impl Reader {
    /// The next update, if there is one; never waits.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "empty is not the end")]
    pub fn next(&mut self) -> Next {
        let whole = 2 * self.next + 2;
        let slot = &self.shared.slots[(self.next & MASK) as usize];
        let before = slot.version.load(Ordering::Acquire);
        if before < whole {
            return Next::Empty;
        }
        if before == whole {
            let words: [u64; WORDS] =
                std::array::from_fn(|i| slot.words[i].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if slot.version.load(Ordering::Relaxed) == whole {
                let update: PublicUpdate = bytemuck::cast(words);
                if update.seq > self.release.released() {
                    return Next::Empty;
                }
                self.next += 1;
                return Next::Item(update);
            }
        }
        // Half a ring behind the writer leaves room to catch up before the next lap.
        let resume = self.shared.written.load(Ordering::Acquire) - BROADCAST_CAPACITY as u64 / 2;
        let skipped = resume - self.next;
        self.next = resume;
        Next::Lapped { skipped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::{Lots, ReleaseLevel, SeqNo};

    fn channel() -> (Writer, Reader) {
        super::channel(Arc::default())
    }

    fn update(n: u64) -> PublicUpdate {
        PublicUpdate { seq: SeqNo(n), qty: Lots(n.wrapping_mul(7)), ..Default::default() }
    }

    #[test]
    fn reader_sees_updates_in_order_then_empty() {
        let (mut writer, mut reader) = channel();
        assert_eq!(reader.next(), Next::Empty);
        for n in 0..10 {
            writer.publish(&update(n));
        }
        for n in 0..10 {
            assert_eq!(reader.next(), Next::Item(update(n)));
        }
        assert_eq!(reader.next(), Next::Empty);
    }

    #[test]
    fn what_is_not_released_is_not_there_yet() {
        let release = Arc::new(Release::new(ReleaseLevel::Power));
        let (mut writer, mut reader) = super::channel(Arc::clone(&release));
        (1..=3).for_each(|n| writer.publish(&update(n)));
        for released in 1..=3 {
            assert_eq!(reader.next(), Next::Empty);
            release.set_synced(SeqNo(released));
            assert_eq!(reader.next(), Next::Item(update(released)));
        }
        // A reader that was overtaken goes on where the writer is, and sees nothing there before its time.
        let count = BROADCAST_CAPACITY as u64 + 5;
        (4..4 + count).for_each(|n| writer.publish(&update(n)));
        assert!(matches!(reader.next(), Next::Lapped { .. }));
        assert_eq!(reader.next(), Next::Empty);
        release.set_synced(SeqNo(4 + count));
        assert!(matches!(reader.next(), Next::Item(_)));
    }

    #[test]
    fn lapped_reader_is_told_how_much_it_lost() {
        let (mut writer, mut reader) = channel();
        let count = BROADCAST_CAPACITY as u64 + 5;
        for n in 0..count {
            writer.publish(&update(n));
        }
        let Next::Lapped { skipped } = reader.next() else { panic!("not lapped") };
        assert_eq!(skipped, count - BROADCAST_CAPACITY as u64 / 2);
        assert_eq!(reader.next(), Next::Item(update(skipped)));
    }

    #[test]
    fn racing_reader_never_sees_a_torn_update() {
        let (mut writer, mut reader) = channel();
        let count = 2_000_000;
        let writing =
            std::thread::spawn(move || (0..count).for_each(|n| writer.publish(&update(n))));
        let (mut seen, mut skipped_sum, mut last) = (0, 0, None);
        while seen + skipped_sum < count {
            match reader.next() {
                Next::Item(item) => {
                    assert_eq!(item, update(item.seq.0));
                    assert!(last < Some(item.seq));
                    last = Some(item.seq);
                    seen += 1;
                }
                Next::Lapped { skipped } => skipped_sum += skipped,
                Next::Empty => std::hint::spin_loop(),
            }
        }
        writing.join().expect("the writer does not panic");
        assert_eq!(last, Some(SeqNo(count - 1)));
    }
}
