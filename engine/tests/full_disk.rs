//! A disk that is full stops the engine with an error that says so, before anything is applied that is not in the journal.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::*;
use tidegate_engine::broadcast::{self, Next};
use tidegate_engine::core::NoOutput;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::replay::replay;
use tidegate_engine::runtime::{self, EngineConfig, EngineError, Inputs, Outputs, Stopped, Wait};
use tidegate_journal::JournalError;
use tidegate_model::*;

const PATIENCE: Duration = Duration::from_secs(20);
/// The journal's segments have a megabyte; this many fit.
const ROOM_MIB: u32 = 5;

/// A small file system, if this test may mount one; else a folder in which one segment cannot be made.
struct Small {
    dir: tempfile::TempDir,
    is_mounted: bool,
}

impl Small {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let is_mounted = mount(dir.path(), "size", ROOM_MIB);
        if !is_mounted {
            println!(
                "no file system can be mounted here: a name that is taken stands for the full disk"
            );
        }
        Self { dir, is_mounted }
    }

    /// Where the segment would be that has no room.
    fn taken(&self) -> PathBuf {
        self.dir.path().join("00000000000000000005.tgj")
    }

    /// From now on there is no room for all.
    fn fill(&self) {
        if !self.is_mounted {
            std::fs::create_dir(self.taken()).expect("made");
        }
    }

    /// There is room again.
    fn grow(&self) {
        if self.is_mounted {
            assert!(mount(self.dir.path(), "remount,size", 64));
        } else {
            std::fs::remove_dir(self.taken()).expect("removed");
        }
    }
}

fn mount(at: &Path, option: &str, mib: u32) -> bool {
    let options = format!("{option}={mib}m");
    let mut mount = Process::new("mount");
    mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at);
    mount.output().is_ok_and(|done| done.status.success())
}

impl Drop for Small {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = Process::new("umount").arg(self.dir.path()).output();
        }
    }
}

/// Runs an engine on `dir` and feeds it until it ends, or has taken `events`. Returns what it said at its end, the last input
/// that it said to have applied, and the last that anybody saw something of.
fn feed(
    dir: &Path,
    events: u64,
    when_alive: impl FnOnce(),
) -> (Result<Stopped, EngineError>, SeqNo, SeqNo) {
    let release = Arc::default();
    let (mut feed, feed_in) = runtime::feed_ring();
    let (events_out, _events) = runtime::event_ring().expect("memory");
    let (stages, _) = runtime::stage_ring();
    let (public_out, mut public) = broadcast::channel(Arc::clone(&release)).expect("memory");
    let config = EngineConfig {
        journal_dir: dir.into(),
        journal: tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() },
        configure: configure(0),
        pin_core: None,
        wait: Wait::Park,
        release,
        sync: Some(Default::default()),
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    };
    let inputs = Inputs { feed: feed_in, lanes: Vec::new(), book_requests: Arc::default() };
    let outputs = Outputs {
        events: events_out,
        public: public_out,
        stages,
        routes: Vec::new(),
        seats: Default::default(),
    };
    let engine =
        runtime::start(config, inputs, outputs, EventPosition::default(), ()).expect("a thread");
    let deadline = Instant::now() + PATIENCE;
    while !engine.status.alive.load(Ordering::Acquire) {
        assert!(Instant::now() < deadline && !engine.is_finished(), "it does not start");
        std::thread::yield_now();
    }
    when_alive();
    let mut seen = SeqNo::ZERO;
    let mut sent = 0;
    while !engine.is_finished() && (sent < events || feed.slots() < runtime::FEED_RING_CAPACITY) {
        assert!(Instant::now() < deadline, "{sent} events were taken, and the engine goes on");
        let event = if sent == 0 { definition() } else { add_of(sent) };
        if sent < events && feed.push(event).is_ok() {
            sent += 1;
        } else {
            std::thread::sleep(Duration::from_micros(100));
        }
        look(&mut public, &mut seen);
    }
    let status = Arc::clone(&engine.status);
    let stopped = engine.stop();
    look(&mut public, &mut seen);
    (stopped, SeqNo(status.seq.load(Ordering::Acquire)), seen)
}

/// Adds an order, and deletes it with the next event.
fn add_of(n: u64) -> MarketEvent {
    match n % 2 {
        1 => add(n, Side::Buy, cents(9_000), 1),
        _ => market(MarketEventKind::Delete, n - 1),
    }
}

fn look(public: &mut broadcast::Reader, seen: &mut SeqNo) {
    loop {
        match public.next() {
            Next::Item(update) => *seen = update.seq,
            Next::Lapped { .. } => {}
            Next::Empty => return,
        }
    }
}

#[test]
fn a_full_disk_stops_the_engine_before_anything_unjournaled_is_applied() {
    let small = Small::new();
    let dir = small.dir.path();
    let (stopped, told, seen) = feed(dir, u64::MAX, || small.fill());
    let error = stopped.expect_err("the disk is full");
    match &error {
        EngineError::Journal(JournalError::NoSpace { .. }) => assert!(small.is_mounted),
        EngineError::Journal(JournalError::Io { .. }) => assert!(!small.is_mounted, "{error}"),
        _ => panic!("{error:?}"),
    }
    small.grow();
    let replayed = replay(dir, &mut NoOutput, |_| {}).expect("it replays").expect("inputs");
    let journaled = replayed.core.seq();
    assert!(journaled > SeqNo(20_000), "{journaled} inputs in some megabytes");
    assert!(told <= journaled && seen <= journaled, "{told} and {seen} of {journaled}");
    assert!(
        seen.0 + 1 >= journaled.0,
        "the last that is journaled was applied: {seen} of {journaled}"
    );

    // With room, it goes on where it was.
    let (stopped, ..) = feed(dir, 1_000, || ());
    let stopped = stopped.expect("there is room");
    assert_eq!(stopped.recovered, journaled.0);
    assert!(stopped.seq.0 >= journaled.0 + 1_000);
}
