//! A second state that follows the journal, to take snapshots of it: the engine never stops for one.

use super::{Counting, EventsSoFar, Header, SnapshotError, write};
use crate::core::Core;
use crate::replay::{ReplayError, Replayed, Resumed, resume};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_journal::{Dir, JournalError};
use tidegate_model::SeqNo;

/// How long the shadow sleeps where there is nothing for it to follow.
const PARK: Duration = Duration::from_millis(20);
/// Inputs that are applied before it looks again at what it was asked for.
const BATCH: u64 = 4_096;

/// Why nothing follows any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShadowError {
    /// The journal cannot be read, or leads to another state than was recorded.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The journal's files.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A snapshot cannot be written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// There is nothing yet to take a snapshot of.
    #[error("the journal has no synced input")]
    Empty,
    /// The operating system gave no thread.
    #[error("cannot start the thread that takes snapshots: {0}")]
    Thread(io::Error),
}

/// A state that follows a journal.
#[derive(Debug)]
pub struct Follow {
    dir: Dir,
    resumed: Resumed,
    out: Counting,
}

impl Follow {
    /// Begins with the newest snapshot that is good, or with the journal's first input. `last` is the last input that is
    /// certain to stay in the journal.
    ///
    /// # Errors
    /// [`ShadowError`].
    pub fn begin(dir: &Dir, last: SeqNo) -> Result<Self, ShadowError> {
        let is_held = |header: &Header| match header.seq <= last {
            true => Ok(()),
            false => Err(format!("the journal goes to input {last} only")),
        };
        let resumed = resume(dir, is_held)?;
        let events = resumed.from.map_or_else(EventsSoFar::default, |header| header.events);
        Ok(Self { dir: dir.clone(), resumed, out: Counting(events) })
    }

    /// Why snapshots that are newer than the one that it began with were passed over.
    pub fn passed_over(&self) -> &[SnapshotError] {
        &self.resumed.passed_over
    }

    /// The snapshot that it began with.
    pub fn from(&self) -> Option<&Header> {
        self.resumed.from.as_ref()
    }

    /// The state; `None` before the first input.
    pub fn core(&self) -> Option<&Core> {
        self.resumed.replayed.as_ref().map(|replayed| &replayed.core)
    }

    /// The last input that was applied.
    pub fn seq(&self) -> SeqNo {
        self.core().map_or(SeqNo::ZERO, Core::seq)
    }

    /// Applies inputs up to `last`, which is in the journal, but at most `count` of them.
    ///
    /// # Errors
    /// [`ShadowError::Replay`].
    pub fn advance(&mut self, last: SeqNo, count: u64) -> Result<(), ShadowError> {
        for _ in 0..count {
            if self.seq() >= last || !self.resumed.step(&mut self.out)? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a snapshot of where it is.
    ///
    /// # Errors
    /// [`ShadowError`].
    pub fn snapshot(&self) -> Result<Header, ShadowError> {
        let Some(Replayed { core, .. }) = &self.resumed.replayed else {
            return Err(ShadowError::Empty);
        };
        let (instance, epoch) = self.resumed.written_in().ok_or(ShadowError::Empty)?;
        Ok(write(&self.dir, core, instance, epoch, self.out.0)?)
    }
}

/// What the shadow tells of.
#[derive(Debug)]
pub enum News {
    /// A snapshot was passed over at the start.
    PassedOver(String),
    /// A snapshot was taken.
    Taken(Header),
    /// Nothing follows any more: no snapshots are taken until the next start. The engine goes on.
    Failed(ShadowError),
}

/// The thread that follows the journal of a running engine and takes snapshots.
#[derive(Debug)]
pub struct Shadow {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Shadow {
    /// Takes a snapshot of the journal in `dir` after every `every_inputs` of its inputs, or a few more. `synced` says which
    /// input is the last that is on disk: what is not might be lost with the power, and the state after it would be nobody's.
    ///
    /// # Errors
    /// [`ShadowError::Thread`]; everything else goes to `tell`, and to nobody else.
    pub fn start(
        dir: Dir,
        every_inputs: u64,
        synced: impl Fn() -> SeqNo + Send + 'static,
        tell: impl Fn(News) + Send + 'static,
    ) -> Result<Self, ShadowError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let run = move || {
            // Whatever else wants a processor goes first. Where the system refuses that, snapshots only come sooner.
            let _ = rustix::process::setpriority_process(None, 19);
            let is_stopped = || stopping.load(Ordering::Acquire);
            if let Err(error) = follow(&dir, every_inputs, &synced, &tell, &is_stopped) {
                tell(News::Failed(error));
            }
        };
        let thread = std::thread::Builder::new().name("shadow".into()).spawn(run);
        Ok(Self { thread: Some(thread.map_err(ShadowError::Thread)?), stop })
    }
}

impl Drop for Shadow {
    /// Stops it; a snapshot that is being written is finished.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // What it panicked on it has said.
            let _ = thread.join();
        }
    }
}

fn follow(
    dir: &Dir,
    every_inputs: u64,
    synced: &impl Fn() -> SeqNo,
    tell: &impl Fn(News),
    is_stopped: &impl Fn() -> bool,
) -> Result<(), ShadowError> {
    while synced() == SeqNo::ZERO {
        if is_stopped() {
            return Ok(());
        }
        std::thread::sleep(PARK);
    }
    let mut shadow = Follow::begin(dir, synced())?;
    for error in shadow.passed_over() {
        tell(News::PassedOver(error.to_string()));
    }
    let mut taken = shadow.from().map_or(SeqNo::ZERO, |header| header.seq);
    while !is_stopped() {
        let before = shadow.seq();
        shadow.advance(synced(), BATCH)?;
        if shadow.seq().0 - taken.0 >= every_inputs.max(1) {
            taken = shadow.seq();
            tell(News::Taken(shadow.snapshot()?));
        }
        if shadow.seq() == before {
            std::thread::sleep(PARK);
        }
    }
    Ok(())
}
