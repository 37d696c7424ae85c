//! Public data, sent once for everyone: a [`tidegate_ring::broadcast`] that readers cannot block, on memory that readers of other
//! processes can be given.
//!
//! An update whose input is not released is there, but readers do not see it yet; the writer knows nothing of that.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tidegate_journal::Release;
pub use tidegate_journal::Rest;
use tidegate_model::PublicUpdate;
use tidegate_ring::broadcast as ring;
use tidegate_ring::{Access, Memory, MemoryError};

/// Updates the ring holds: 4 MiB, a tenth of a second of the busiest feed.
pub const BROADCAST_CAPACITY: usize = 65_536;
/// Where the ring begins in its memory. What is in front belongs to whoever gives the memory to other processes.
pub const BROADCAST_AT: usize = 4_096;

const _: () = assert!(
    ring::len::<PublicUpdate>(1) == 2 * 64,
    "an update and its version share one cache line"
);

/// What [`Reader::next`] found.
pub type Next = ring::Next<PublicUpdate>;

/// The writing end; there is one.
#[derive(Debug)]
pub struct Writer(ring::Writer<PublicUpdate>);

/// A reading end; there may be any number, each with its own place.
#[derive(Clone, Debug)]
pub struct Reader {
    ring: ring::Reader<PublicUpdate>,
    release: Arc<Release>,
    shared: Arc<Shared>,
}

/// The memory that the ring lies on.
#[derive(Debug)]
pub struct Shared {
    /// This process's mapping.
    pub memory: Arc<Memory>,
    /// What another process maps, to read.
    pub fd: OwnedFd,
}

/// A ring's writing end and a first reading end, which sees what `release` lets out.
///
/// # Errors
/// The system has no memory to share.
pub fn channel(release: Arc<Release>) -> Result<(Writer, Reader), MemoryError> {
    let len = BROADCAST_AT + ring::len::<PublicUpdate>(BROADCAST_CAPACITY);
    let (memory, fd) = Memory::shared("tidegate-public", len, Access::Read)?;
    let memory = Arc::new(memory);
    let writer = ring::Writer::new(Arc::clone(&memory), BROADCAST_AT, BROADCAST_CAPACITY);
    let ring = ring::Reader::new(Arc::clone(&memory), BROADCAST_AT, BROADCAST_CAPACITY);
    Ok((Writer(writer), Reader { ring, release, shared: Arc::new(Shared { memory, fd }) }))
}

impl Writer {
    /// Writes one update; never waits.
    #[inline]
    pub fn publish(&mut self, update: &PublicUpdate) {
        self.0.publish(update);
    }
}

impl Reader {
    /// Sleeps after [`Next::Empty`], as `rest` has it; where the engine rings for what comes, for `long` at most, and is woken.
    pub fn rest(&self, rest: &mut Rest, long: Duration) {
        let has_work = || self.ring.has_more();
        rest.sleep(self.release.bell().filter(|_| !has_work()), long, has_work);
    }

    /// The next update, if there is one; never waits.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "empty is not the end")]
    pub fn next(&mut self) -> Next {
        self.ring.next_if(|update| update.seq <= self.release.released())
    }

    /// The memory that the ring lies on, for who gives it to other processes.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::{ReleaseLevel, SeqNo};

    fn update(n: u64) -> PublicUpdate {
        PublicUpdate { seq: SeqNo(n), ..Default::default() }
    }

    #[test]
    fn what_is_not_released_is_not_there_yet() {
        let release = Arc::new(Release::new(ReleaseLevel::Power));
        let (mut writer, mut reader) = channel(Arc::clone(&release)).expect("memory");
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
}
