//! The thread that makes segments ahead of the writer: allocates, maps, faults in, and puts old ones away.
//!
//! The writer meets neither an allocation nor a cold page, unless it fills a segment faster than the next is made.

use crate::directory::{segment_path, sync_directory, unfinished_path};
use crate::error::JournalError;
use crate::header::SegmentHeader;
use crate::mapped::{Mapping, allocate};
use crate::watermark::Watermark;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_model::UnixNanos;

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

/// The writer's hold on the thread.
#[derive(Debug)]
pub(crate) struct Preparer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    dir: PathBuf,
}

impl Preparer {
    /// Starts the thread; the first segment it makes is `template.index`.
    pub(crate) fn start(
        dir: &Path,
        template: SegmentHeader,
        watermark: Arc<Watermark>,
    ) -> Result<Self, JournalError> {
        let shared = Arc::new(Shared::default());
        let worker =
            Worker { shared: Arc::clone(&shared), dir: dir.to_path_buf(), template, watermark };
        let thread = std::thread::Builder::new()
            .name("journal-prepare".to_string())
            .spawn(move || worker.run())
            .map_err(JournalError::io("start a thread for", dir))?;
        Ok(Self { shared, thread: Some(thread), dir: dir.to_path_buf() })
    }

    /// Waits until the next segment is made, or could not be.
    ///
    /// # Errors
    /// Why it could not be made. The thread tries again then.
    pub(crate) fn wait(&self) -> Result<(), JournalError> {
        let mut state = self.wait_for_next()?;
        match state.next.take() {
            Some(Err(error)) => {
                self.shared.wake.notify_one();
                Err(error)
            }
            next => {
                state.next = next;
                Ok(())
            }
        }
    }

    /// Takes the next segment into use, and lets the thread make another and put `retired` away.
    ///
    /// # Errors
    /// Why it could not be made. The thread tries again then.
    pub(crate) fn take(&self, retired: Option<Arc<Mapping>>) -> Result<Arc<Mapping>, JournalError> {
        self.shared.lock().retired.extend(retired);
        let mut state = self.wait_for_next()?;
        let next = state.next.take().ok_or_else(|| self.gone())?;
        self.shared.wake.notify_one();
        let next = next?;
        // Kept, so that the thread and not the writer lets go of it last.
        let before = state.active.replace(Arc::clone(&next));
        state.retired.extend(before);
        Ok(next)
    }

    fn wait_for_next(&self) -> Result<MutexGuard<'_, State>, JournalError> {
        let mut state = self.shared.lock();
        while state.next.is_none() {
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
        JournalError::PreparerGone { dir: self.dir.clone() }
    }

    /// Ends the thread and returns the number of the segment that was made and not used, if there is one.
    pub(crate) fn stop(&mut self) -> Option<u64> {
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

impl Drop for Preparer {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Worker {
    shared: Arc<Shared>,
    dir: PathBuf,
    template: SegmentHeader,
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
                let next = self.make();
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
                let _ = active.warm(position.offset, WARM_AHEAD_LEN, &self.dir);
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

    /// Makes one segment. It gets its name when it is complete, so a name never stands for half a segment.
    fn make(&mut self) -> Result<Arc<Mapping>, JournalError> {
        let header = SegmentHeader { created: now(), ..self.template };
        let unfinished = unfinished_path(&self.dir, header.index);
        let made = self.make_unfinished(&unfinished, header);
        if made.is_err() {
            // The disk may be full: give back what was taken. The error that matters is the first.
            let _ = fs::remove_file(&unfinished);
        }
        let mapping = made?;
        self.template.index += 1;
        Ok(Arc::new(mapping))
    }

    fn make_unfinished(&self, path: &Path, header: SegmentHeader) -> Result<Mapping, JournalError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .map_err(JournalError::io("create", path))?;
        allocate(&file, header.segment_len, path)?;
        file.write_all_at(&header.encode(), 0).map_err(JournalError::io("write", path))?;
        file.sync_all().map_err(JournalError::io("sync", path))?;
        let mapping = Mapping::new(&file, header, path)?;
        mapping.warm(0, header.segment_len, path)?;
        let named = segment_path(&self.dir, header.index);
        fs::rename(path, &named).map_err(JournalError::io("rename", path))?;
        sync_directory(&self.dir)?;
        Ok(mapping)
    }
}

fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
