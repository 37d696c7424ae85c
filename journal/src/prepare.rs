//! The thread that makes segments ahead of the writer: allocates, maps, faults in, and puts old ones away.
//!
//! The writer meets neither an allocation nor a cold page, unless it fills a segment faster than the next is made.

use crate::directory::{segment_path, unfinished_path};
use crate::error::JournalError;
use crate::header::SegmentHeader;
use crate::mapped::Mapping;
use crate::storage::{Dir, Open};
use crate::watermark::Watermark;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often pages ahead of the writer are looked after. Write-back makes clean pages read-only again, which
/// takes seconds; 20 ms of appends at 50 MB/s stay within [`WARM_AHEAD_LEN`].
const WARM_INTERVAL: Duration = Duration::from_millis(20);
/// Bytes ahead of the writer that are kept writable.
const WARM_AHEAD_LEN: u64 = 1 << 20;
/// Full segments that can wait to be put away: each roll adds two holds on one, and waits for the thread in between.
const RETIRED_COUNT_MAX: usize = 8;
/// How often a waiting writer looks whether the thread still lives.
const LIVENESS_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct State {
    next: Option<Result<Arc<Mapping>, JournalError>>,
    /// The segment in use: its pages are kept warm.
    active: Option<Arc<Mapping>>,
    /// Full segments; unmapped here, since that takes a millisecond.
    retired: Vec<Arc<Mapping>>,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    ready: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half way, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let ahead = Ahead::start(maker, watermark)?;
        ahead.wait()?;
        Ok(Self::Ahead(ahead))
    }

    /// Takes the next segment into use, and puts `retired` away.
    ///
    /// # Errors
    /// Why it could not be made. It is tried again when it is asked for again.
    pub(crate) fn take(
        &mut self,
        retired: Option<Arc<Mapping>>,
    ) -> Result<Arc<Mapping>, JournalError> {
        match self {
            Self::Ahead(ahead) => ahead.take(retired),
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
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    dir: Dir,
}

impl Ahead {
    fn start(maker: Maker, watermark: Arc<Watermark>) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared::default());
        let dir = maker.dir.clone();
        let worker = Worker { shared: Arc::clone(&shared), maker, watermark };
        let thread = std::thread::Builder::new()
            .name("journal-prepare".to_string())
            .spawn(move || worker.run())
            .map_err(JournalError::io("start a thread for", dir.path()))?;
        Ok(Self { shared, thread: Some(thread), dir })
    }

    /// Waits until the next segment is made, or could not be.
    ///
    /// # Errors
    /// Why it could not be made. The thread tries again then.
    fn wait(&self) -> Result<(), JournalError> {
        let mut state = self.wait_for_next()?;
        match state.next.take() {
            Some(Err(error)) => Err(error),
            next => {
                state.next = next;
                Ok(())
            }
        }
    }

    /// Takes the next segment into use, and lets the thread make another and put `retired` away, when it looks next: waking it would be
    /// a system call of the writer's.
    ///
    /// # Errors
    /// Why it could not be made. The thread tries again then.
    fn take(&self, retired: Option<Arc<Mapping>>) -> Result<Arc<Mapping>, JournalError> {
        self.shared.lock().retired.extend(retired);
        let mut state = self.wait_for_next()?;
        let next = state.next.take().ok_or_else(|| self.gone())??;
        // Kept, so that the thread and not the writer lets go of it last.
        let before = state.active.replace(Arc::clone(&next));
        state.retired.extend(before);
        Ok(next)
    }

    fn wait_for_next(&self) -> Result<MutexGuard<'_, State>, JournalError> {
        let mut state = self.shared.lock();
        while state.next.is_none() {
            self.shared.wake.notify_one();
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                return Err(self.gone());
            }
            state = self
                .shared
                .ready
                .wait_timeout(state, LIVENESS_INTERVAL)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(state)
    }

    fn gone(&self) -> JournalError {
        JournalError::PreparerGone { dir: self.dir.path().to_path_buf() }
    }

    fn stop(&mut self) -> Option<u64> {
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported as `PreparerGone` to whoever waited for it.
            let _ = thread.join();
        }
        let mut state = self.shared.lock();
        state.active = None;
        state.retired.clear();
        let next = state.next.take()?.ok()?;
        Some(next.header().index)
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    shared: Arc<Shared>,
    maker: Maker,
    watermark: Arc<Watermark>,
}

impl Worker {
    fn run(mut self) {
        let mut warmed = self.watermark.position();
        let mut retired = Vec::with_capacity(RETIRED_COUNT_MAX);
        let mut state = self.shared.lock();
        state.retired.reserve(RETIRED_COUNT_MAX);
        while !state.stop {
            if state.next.is_none() {
                drop(state);
                let next = self.maker.make();
                state = self.shared.lock();
                state.next = Some(next);
                self.shared.ready.notify_all();
                continue;
            }
            // The list keeps its memory, so that the writer never allocates when it adds to it.
            retired.append(&mut state.retired);
            let active = state.active.clone();
            drop(state);
            retired.clear();
            let position = self.watermark.position();
            if let Some(active) = active
                && position != warmed
                && active.header().index == position.segment
            {
                // Failing costs speed only: the pages are there, a store faults at worst.
                let _ = active.warm(position.offset, WARM_AHEAD_LEN, self.maker.dir.path());
                warmed = position;
            }
            state = self.shared.lock();
            if !state.stop && state.next.is_some() {
                state = self
                    .shared
                    .wake
                    .wait_timeout(state, WARM_INTERVAL)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
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
    fn make(&mut self) -> Result<Arc<Mapping>, JournalError> {
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
