//! The thread that syncs: as long as there is something new where the release level waits for the disk, at intervals
//! elsewhere, at once where somebody asks. One sync carries everything that was appended before it began.

use crate::bell::Rest;
use crate::error::JournalError;
use crate::release::Release;
use crate::syncer::Syncer;
use crate::watermark::Watermark;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the thread looks for something new where every output waits for it: far below what a disk takes.
const LOOK_EVERY: Duration = Duration::from_micros(50);
/// How long it goes on like that when nothing comes.
const QUIET: Duration = Duration::from_millis(20);
/// How long it rests then where somebody would wake it.
const REST: Duration = Duration::from_millis(5);
/// How long something new may stay unseen where nobody waits for it: nothing beside an interval between syncs.
const LOOK_EVERY_LAZY: Duration = Duration::from_millis(20);
/// How long a journal goes without a sync unless somebody waits for one.
pub const SYNC_EVERY_DEFAULT: Duration = Duration::from_secs(1);

/// What is done before each sync: a slower or a failing disk, for tests and measurements.
pub type BeforeSync = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// When the thread syncs.
#[derive(Clone)]
pub struct SyncPolicy {
    /// How long what was appended stays without a sync that nobody waits for.
    pub every: Duration,
    /// Done before each sync; what it returns counts as the disk's answer.
    pub before: Option<BeforeSync>,
}

impl Default for SyncPolicy {
    fn default() -> Self {
        Self { every: SYNC_EVERY_DEFAULT, before: None }
    }
}

impl std::fmt::Debug for SyncPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncPolicy").field("every", &self.every).finish_non_exhaustive()
    }
}

/// The running thread. Dropped, it ends after the sync under way.
#[derive(Debug)]
pub struct SyncThread {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl SyncThread {
    /// Starts it under `name`. It moves `release` on, and stops it on the first error, which is final: what the disk
    /// holds is unknown from then on, and only a restart finds out.
    ///
    /// # Errors
    /// The operating system gave no thread.
    pub fn start(
        name: &str,
        syncer: Syncer,
        watermark: Arc<Watermark>,
        release: Arc<Release>,
        policy: SyncPolicy,
    ) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stop_inner = Arc::clone(&stop);
        let run = move || {
            release.wake_for_sync(std::thread::current());
            let _end = End(&release);
            let outcome = Syncing { syncer, watermark, release: &release, policy }.run(&stop_inner);
            if let Err(error) = outcome {
                release.stop(error.to_string());
            }
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(Self { thread: Some(thread), stop })
    }
}

impl Drop for SyncThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic has stopped the release.
            let _ = thread.join();
        }
    }
}

/// Stops the release if the thread panics: nobody would move it on any more.
struct End<'r>(&'r Release);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop("the thread that syncs stopped on a broken invariant".into());
        }
    }
}

struct Syncing<'r> {
    syncer: Syncer,
    watermark: Arc<Watermark>,
    release: &'r Release,
    policy: SyncPolicy,
}

impl Syncing<'_> {
    fn run(mut self, stop: &AtomicBool) -> Result<(), JournalError> {
        let mut last = Instant::now();
        let mut rest = Rest::new(LOOK_EVERY, QUIET);
        while !stop.load(Ordering::Acquire) {
            let synced = self.release.synced();
            let is_asked = self.release.level().is_synced() || self.release.wanted() > synced;
            let left = self.policy.every.saturating_sub(last.elapsed());
            if self.watermark.seq() > synced && (is_asked || left.is_zero()) {
                self.sync()?;
                last = Instant::now();
                rest.worked();
                continue;
            }
            if !self.release.level().is_synced() {
                // Whoever wants it earlier wakes the thread.
                std::thread::park_timeout(left.max(LOOK_EVERY_LAZY));
                continue;
            }
            rest.sleep(self.release.bell(), REST, || self.watermark.seq() > synced);
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        if let Some(before) = &self.policy.before {
            before().map_err(JournalError::io("sync", Path::new("the journal")))?;
        }
        let synced = self.syncer.sync()?;
        self.release.set_synced(synced);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::{Config, Writer};
    use std::sync::atomic::AtomicU64;
    use tidegate_model::{ReleaseLevel, SeqNo};

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Bench {
        writer: Writer,
        release: Arc<Release>,
        syncs: Arc<AtomicU64>,
        _thread: SyncThread,
        _dir: tempfile::TempDir,
    }

    /// A journal with a thread whose every sync is counted; that number `fails_at` fails.
    fn bench(level: ReleaseLevel, every: Duration, fails_at: u64) -> Bench {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = Config { segment_len: 1 << 20, ..Default::default() };
        let (writer, _) = Writer::open(dir.path(), config).expect("a new journal");
        let release = Arc::new(Release::new(level));
        let syncs = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&syncs);
        let before: BeforeSync = Arc::new(move || match counts.fetch_add(1, Ordering::Relaxed) {
            n if n + 1 == fails_at => Err(io::Error::other("the disk is gone")),
            _ => Ok(()),
        });
        let policy = SyncPolicy { every, before: Some(before) };
        let (syncer, watermark) = (writer.syncer(), writer.watermark());
        let thread = SyncThread::start("sync", syncer, watermark, Arc::clone(&release), policy);
        let _thread = thread.expect("a thread");
        Bench { writer, release, syncs, _thread, _dir: dir }
    }

    impl Bench {
        fn append(&mut self) -> SeqNo {
            let seq = self.writer.last_seq().next();
            self.writer.append(9, seq, b"something").expect("room");
            seq
        }

        fn wait(&self, done: impl Fn(&Release) -> bool) -> Duration {
            let began = Instant::now();
            while !done(&self.release) {
                assert!(began.elapsed() < PATIENCE, "{:?}", self.release);
                std::thread::sleep(Duration::from_micros(100));
            }
            began.elapsed()
        }
    }

    #[test]
    fn power_syncs_whatever_is_new_without_being_asked() {
        let mut bench = bench(ReleaseLevel::Power, PATIENCE, 0);
        for _ in 0..50 {
            let seq = bench.append();
            bench.wait(|release| release.released() >= seq);
        }
        let syncs = bench.syncs.load(Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(bench.syncs.load(Ordering::Relaxed), syncs, "nothing new, nothing synced");
    }

    #[test]
    fn process_syncs_at_intervals_and_at_once_for_whoever_waits() {
        let mut lazy = bench(ReleaseLevel::Process, PATIENCE, 0);
        let seq = lazy.append();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(lazy.syncs.load(Ordering::Relaxed), 0);
        lazy.release.want_synced(seq);
        let waited = lazy.wait(|release| release.synced() >= seq);
        assert!(waited < PATIENCE / 2, "{waited:?}");

        let mut regular = bench(ReleaseLevel::Process, Duration::from_millis(30), 0);
        let seq = regular.append();
        regular.wait(|release| release.synced() >= seq);
        assert_eq!(regular.release.wanted(), SeqNo(0));
    }

    #[test]
    fn first_error_stops_the_release_for_good() {
        let mut bench = bench(ReleaseLevel::Power, PATIENCE, 3);
        let mut last = SeqNo(0);
        for _ in 0..2 {
            last = bench.append();
            bench.wait(|release| release.released() >= last);
        }
        bench.append();
        bench.wait(Release::is_stopped);
        let why = bench.release.stopped().expect("a reason");
        assert!(why.contains("the disk is gone"), "{why}");
        bench.append();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(bench.release.released(), last);
        assert_eq!(bench.syncs.load(Ordering::Relaxed), 3, "it never tries again");
    }
}
