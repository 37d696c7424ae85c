//! The thread that makes segments ahead of the writer: allocates, maps, faults in, and puts old ones away.
//!
//! The writer meets neither an allocation nor a cold page, unless it fills a segment faster than the next is made.

use crate::directory::{segment_path, unfinished_path};
use crate::error::JournalError;
use crate::header::SegmentHeader;
use crate::mapped::Mapping;
use crate::storage::{Dir, Open};
use crate::watermark::Watermark;
use rtrb::{Consumer, Producer, RingBuffer};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often pages ahead of the writer are looked after. Write-back makes clean pages read-only again, which
/// takes seconds; 20 ms of appends at 50 MB/s stay within [`WARM_AHEAD_LEN`].
const WARM_INTERVAL: Duration = Duration::from_millis(20);
/// Bytes ahead of the writer that are kept writable.
const WARM_AHEAD_LEN: u64 = 1 << 20;
/// How often a writer looks that waits for its next segment.
const LOOK_INTERVAL: Duration = Duration::from_micros(100);

type Made = Result<Arc<Mapping>, JournalError>;

/// Where the writer's next segment comes from.
#[derive(Debug)]
pub(crate) enum Preparer {
    /// From a thread, which makes it ahead of need.
    Ahead(Ahead),
    /// From the writer's own thread, when it is needed: for a simulator, in which there is one thread.
    Inline(Inline),
}

impl Preparer {
    /// Begins to make segments; the first is `template.index`. Returns when it is there.
    ///
    /// # Errors
    /// Why it could not be made.
    pub(crate) fn start(
        dir: &Dir,
        template: SegmentHeader,
        watermark: Arc<Watermark>,
        is_inline: bool,
    ) -> Result<Self, JournalError> {
        let mut maker = Maker { dir: dir.clone(), template };
        if is_inline {
            let next = Some(maker.make()?);
            return Ok(Self::Inline(Inline { maker, next }));
        }
        let mut ahead = Ahead::start(maker, watermark)?;
        ahead.wait()?;
        Ok(Self::Ahead(ahead))
    }

    /// Takes the next segment into use.
    ///
    /// # Errors
    /// Why it could not be made. It is tried again when it is asked for again.
    pub(crate) fn take(&mut self) -> Made {
        match self {
            Self::Ahead(ahead) => ahead.take(),
            Self::Inline(inline) => inline.next.take().map_or_else(|| inline.maker.make(), Ok),
        }
    }

    /// Ends, and returns the number of the segment that was made and not used, if there is one.
    pub(crate) fn stop(&mut self) -> Option<u64> {
        match self {
            Self::Ahead(ahead) => ahead.stop(),
            Self::Inline(inline) => inline.next.take().map(|next| next.header().index),
        }
    }
}

/// Segments made one by one.
#[derive(Debug)]
pub(crate) struct Inline {
    maker: Maker,
    next: Option<Arc<Mapping>>,
}

/// The writer's hold on the thread.
#[derive(Debug)]
pub(crate) struct Ahead {
    next: Consumer<Made>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    dir: Dir,
}

impl Ahead {
    fn start(maker: Maker, watermark: Arc<Watermark>) -> Result<Self, JournalError> {
        let (made, next) = RingBuffer::new(1);
        let is_stopped = Arc::<AtomicBool>::default();
        let dir = maker.dir.clone();
        let worker = Worker { made, is_stopped: Arc::clone(&is_stopped), maker, watermark };
        let thread = std::thread::Builder::new()
            .name("journal-prepare".to_string())
            .spawn(move || worker.run())
            .map_err(JournalError::io("start a thread for", dir.path()))?;
        Ok(Self { next, is_stopped, thread: Some(thread), dir })
    }

    /// Waits until the next segment is made, or could not be.
    ///
    /// # Errors
    /// Why it could not be made. The thread tries again then.
    fn wait(&mut self) -> Result<(), JournalError> {
        self.wait_for_next()?;
        match self.next.peek() {
            Ok(Err(_)) => self.take().map(|_| ()),
            _ => Ok(()),
        }
    }

    /// Takes the next segment into use. The thread makes another, and puts the one before away, when it looks next: waking it would be
    /// a system call of the writer's.
    ///
    /// # Errors
    /// Why it could not be made. The thread tries again then.
    fn take(&mut self) -> Made {
        self.wait_for_next()?;
        self.next.pop().unwrap_or_else(|_| Err(self.gone()))
    }

    fn wait_for_next(&self) -> Result<(), JournalError> {
        while self.next.is_empty() {
            let Some(thread) = self.thread.as_ref().filter(|thread| !thread.is_finished()) else {
                return Err(self.gone());
            };
            thread.thread().unpark();
            std::thread::sleep(LOOK_INTERVAL);
        }
        Ok(())
    }

    fn gone(&self) -> JournalError {
        JournalError::PreparerGone { dir: self.dir.path().to_path_buf() }
    }

    fn stop(&mut self) -> Option<u64> {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the thread has been reported as `PreparerGone` to whoever waited for it.
            let _ = thread.join();
        }
        let next = self.next.pop().ok()?.ok()?;
        Some(next.header().index)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    made: Producer<Made>,
    is_stopped: Arc<AtomicBool>,
    maker: Maker,
    watermark: Arc<Watermark>,
}

impl Worker {
    fn run(mut self) {
        let mut warmed = self.watermark.position();
        // Held until everyone else has let go: it is unmapped here, since that takes a millisecond.
        let mut in_use: Vec<Arc<Mapping>> = Vec::new();
        while !self.is_stopped.load(Ordering::Relaxed) {
            if !self.made.is_full() {
                let next = self.maker.make();
                in_use.extend(next.as_ref().ok().cloned());
                let pushed = self.made.push(next);
                assert!(pushed.is_ok(), "nobody else fills it");
                continue;
            }
            in_use.retain(|mapping| Arc::strong_count(mapping) > 1);
            let position = self.watermark.position();
            let active = in_use.iter().find(|it| it.header().index == position.segment);
            if let Some(active) = active.filter(|_| position != warmed) {
                // Failing costs speed only: the pages are there, a store faults at worst.
                let _ = active.warm(position.offset, WARM_AHEAD_LEN, self.maker.dir.path());
                warmed = position;
            }
            std::thread::park_timeout(WARM_INTERVAL);
        }
    }
}

/// Makes segments, one after the other.
#[derive(Debug)]
struct Maker {
    dir: Dir,
    /// The header of the next one.
    template: SegmentHeader,
}

impl Maker {
    /// Makes one segment. It gets its name when it is complete, so a name never stands for half a segment.
    fn make(&mut self) -> Made {
        let header = SegmentHeader { created: self.dir.storage().now(), ..self.template };
        let unfinished = unfinished_path(self.dir.path(), header.index);
        let made = self.make_unfinished(&unfinished, header);
        if made.is_err() {
            // The disk may be full: give back what was taken. The error that matters is the first.
            let _ = self.dir.remove(&unfinished);
        }
        let mapping = made?;
        self.template.index += 1;
        Ok(Arc::new(mapping))
    }

    fn make_unfinished(&self, path: &Path, header: SegmentHeader) -> Result<Mapping, JournalError> {
        let file = self.dir.open(path, Open::Create)?;
        file.allocate(header.segment_len).map_err(|error| match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                let needed_bytes = header.segment_len;
                JournalError::NoSpace { path: path.to_path_buf(), needed_bytes }
            }
            _ => JournalError::io("allocate", path)(error),
        })?;
        file.write_all_at(&header.encode(), 0).map_err(JournalError::io("write", path))?;
        file.sync().map_err(JournalError::io("sync", path))?;
        let mapping = Mapping::new(file.as_ref(), header, path)?;
        mapping.warm(0, header.segment_len, path)?;
        let named = segment_path(self.dir.path(), header.index);
        let renamed = self.dir.storage().rename(path, &named);
        renamed.map_err(JournalError::io("rename", path))?;
        self.dir.sync()?;
        Ok(mapping)
    }
}
