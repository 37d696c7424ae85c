//! The thread that looks how much room is left for the journal. Before there is none, it stops what opens positions: the firm's
//! control `reduce_only`, journaled like every other. What is open stays open, and cancels pass.
//!
//! It is not a kill: that would cancel every open order, protective ones among them, and write much where little is left.

use crate::config::Journal;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_engine::lane::CommandLane;
use tidegate_engine::runtime::unix_now;
use tidegate_model::command::{ControlKind, Reason, SetControl};
use tidegate_model::{Command, CommandRecord, PrincipalId, Scope, SessionId};

/// Time between two looks: at a gigabyte a second, the most that a disk takes, the default bound is a second away from none.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Where the numbers of its requests begin, apart from those of others without a session.
const REQUESTS_FROM: u64 = 1 << 62;
/// Room counts as back when there is this much more of it than the bound, in quarters: a log that is rotated must not
/// stop and lift by turns.
const BACK_QUARTERS: u64 = 5;

/// The running thread; dropped, it ends.
#[derive(Debug)]
pub struct SpaceWatch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SpaceWatch {
    /// Looks once, and goes on looking in a thread of its own; `None` if it is switched off.
    ///
    /// # Errors
    /// If the room cannot be asked for, or the thread cannot be started.
    pub fn start(journal: &Journal, lane: CommandLane) -> Result<Option<Self>> {
        let low_bytes = journal.low_space_mib.get() << 20;
        if low_bytes == 0 {
            return Ok(None);
        }
        let mut watch = Watch::new(journal.dir.clone(), low_bytes, lane);
        watch.look(available(&watch.dir)?);
        let stop = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&stop);
        let run = move || {
            while !is_over.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK_EVERY);
                match available(&watch.dir) {
                    Ok(bytes) => watch.look(bytes),
                    Err(error) => tracing::error!("{error:#}"),
                }
            }
        };
        let thread = std::thread::Builder::new().name("space".into()).spawn(run);
        let thread = Some(thread.context("cannot start the thread that looks for room")?);
        Ok(Some(Self { stop, thread }))
    }
}

impl Drop for SpaceWatch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Bytes that this process may still take on the file system of `dir`.
fn available(dir: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(dir);
    let found = found.with_context(|| format!("cannot ask how much room {} has", dir.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// What the thread knows.
struct Watch {
    dir: PathBuf,
    low_bytes: u64,
    lane: CommandLane,
    /// The control was sent, and room has not come back since.
    is_low: bool,
    requests: u64,
}

impl Watch {
    fn new(dir: PathBuf, low_bytes: u64, lane: CommandLane) -> Self {
        Self { dir, low_bytes, lane, is_low: false, requests: REQUESTS_FROM }
    }

    /// Takes note of how much there is. Tries again next time if the engine takes nothing.
    fn look(&mut self, bytes: u64) {
        let (dir, left, bound) = (self.dir.display(), bytes >> 20, self.low_bytes >> 20);
        if !self.is_low && bytes < self.low_bytes {
            self.is_low = self.lane.try_send(stop_opening(self.requests)).is_ok();
            self.requests += 1;
            tracing::error!(
                "low disk space: {left} MiB are left where {dir} is, less than journal.low_space_mib = {bound}: no order passes \
                 that opens a position, cancels do; make room, then 'tidegate risk clear firm reduce_only' and a second person's \
                 approval lift it"
            );
        } else if self.is_low && bytes / BACK_QUARTERS >= self.low_bytes / (BACK_QUARTERS - 1) {
            self.is_low = false;
            tracing::warn!(
                "{left} MiB are free again where {dir} is; what opens positions stays stopped until it is lifted: tidegate risk \
                 clear firm reduce_only"
            );
        }
    }
}

/// The command that lets only orders pass that reduce a position.
fn stop_opening(request_id: u64) -> CommandRecord {
    let control = SetControl {
        reason: Reason::new("low disk space").unwrap_or_default(),
        ..SetControl::of(ControlKind::ReduceOnly, Scope::FIRM, 0)
    };
    let record = CommandRecord::new(Command::SetControl(control));
    let mut record = record.from_session(PrincipalId::OPERATOR, SessionId(0), request_id);
    record.ts_recv = unix_now();
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_engine::lane::{LANE_CAPACITY, lane};

    const LOW: u64 = 1_024 << 20;

    #[test]
    fn low_space_is_told_once_and_again_after_room_came_back() {
        let (lane, mut taken) = lane();
        let mut watch = Watch::new("journal".into(), LOW, lane);
        for (bytes, sent) in [
            (LOW, 0),
            (LOW - 1, 1),
            (LOW - 2, 0),
            (LOW, 0),
            // A little more is not back.
            (LOW + LOW / 8, 0),
            (LOW - 1, 0),
            (LOW + LOW / 4, 0),
            (0, 1),
        ] {
            watch.look(bytes);
            assert_eq!(std::iter::from_fn(|| taken.pop().ok()).count(), sent, "{bytes}");
        }
    }

    #[test]
    fn an_engine_that_takes_nothing_is_told_later() {
        let (mut lane, mut taken) = lane();
        for _ in 0..LANE_CAPACITY {
            lane.try_send(CommandRecord::new(Command::Time)).expect("room");
        }
        let mut watch = Watch::new("journal".into(), LOW, lane);
        watch.look(0);
        assert!(!watch.is_low);
        while taken.pop().is_ok() {}
        watch.look(0);
        let Some(Command::SetControl(set)) = taken.pop().expect("sent").command() else {
            panic!("another command")
        };
        assert_eq!((set.scope, set.reason.as_str()), (Scope::FIRM, "low disk space"));
        assert_eq!(ControlKind::from_wire(set.control), Some(ControlKind::ReduceOnly));
    }

    #[test]
    fn the_room_of_a_folder_is_known_and_of_none_is_not() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        assert!(available(dir.path()).expect("it is there") > 0);
        let error = available(&dir.path().join("none")).expect_err("it is not there");
        assert!(error.to_string().contains("none"), "{error}");
    }
}
