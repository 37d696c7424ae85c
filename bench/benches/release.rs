//! What the release levels cost: from a command that is due in its lane to its event readable in the event log, and how many
//! records a second are carried to the disk.
//!
//! The way of an acknowledgement: lane -> engine thread {sequence, journal, gate, book, venue} -> event ring -> event log's
//! thread, when the syncer's thread has released it -> a reader of the log. Five threads, none bound to a core; open loop:
//! the clock of each command starts when it was due (no coordinated omission), and stops when its event was read.
//!
//! Disks: this one (the temporary folder's file system), and one whose sync takes a millisecond, which is this machine's
//! memory (`/dev/shm`) with a pause of two before each: the data are synced, then the watermark. Each figure is the median of rounds in turn.

#![allow(missing_docs, reason = "a bench")]

use hdrhistogram::Histogram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tidegate_bench::desk::{self, CONFIGURE_MARKET};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::{self, EventLog, EventLogHandle, EventPosition};
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::runtime::{
    self, EngineConfig, EngineHandle, Inputs, Outputs, Release, SyncPolicy, Wait,
};
use tidegate_model::command::MassCancel;
use tidegate_model::{
    Command, CommandRecord, InstrumentId, MarketEvent, PrincipalId, ReleaseLevel, Side, Ticks,
};

const ROUNDS: usize = 5;
/// Commands a second, and of one round.
const RATES: [(u64, u64); 2] = [(1_000, 3_000), (10_000, 30_000)];
/// How long records are appended as fast as they go.
const FLOOD: Duration = Duration::from_secs(2);
/// Before the first command: segments are made ahead at the start, of which the cores have their share to do.
const SETTLE: Duration = Duration::from_secs(1);
/// One for the data, one for the watermark.
const SYNC_SIMULATED: Duration = Duration::from_millis(2);

#[derive(Clone, Copy)]
enum Disk {
    This,
    OneMillisecond,
}

fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_test = std::env::args().any(|arg| arg == "--test");
    if is_test || !names.iter().all(|name| "release".contains(name.as_str())) {
        return;
    }
    println!("release: medians of {ROUNDS} rounds, in turn");
    let ways = [
        ("process, this disk", ReleaseLevel::Process, Disk::This),
        ("power, this disk", ReleaseLevel::Power, Disk::This),
        ("power, a sync of 1 ms", ReleaseLevel::Power, Disk::OneMillisecond),
    ];
    for (rate, count) in RATES {
        let mut rounds = ways.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for ((_, level, disk), rounds) in ways.iter().zip(&mut rounds) {
                rounds.push(acknowledgements(*level, *disk, rate, count));
            }
        }
        for ((what, ..), rounds) in ways.iter().zip(rounds) {
            let at = |quantile| median(rounds.iter().map(|r| r.value_at_quantile(quantile)));
            println!(
                "  acknowledgement, {what}, {rate} a second: p50 {} us  p99 {} us  p99.9 {} us",
                at(0.5) / 1_000,
                at(0.99) / 1_000,
                at(0.999) / 1_000,
            );
        }
    }
    let mut rounds = ways.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        for ((_, level, disk), rounds) in ways.iter().zip(&mut rounds) {
            rounds.push(carried(*level, *disk));
        }
    }
    for ((what, ..), rounds) in ways.iter().zip(rounds) {
        let records = median(rounds.iter().map(|(records, _)| *records));
        let syncs = median(rounds.iter().map(|(_, syncs)| *syncs));
        println!("  carried, {what}: {records} records a second, {syncs} syncs a second");
    }
}

fn median(figures: impl Iterator<Item = u64>) -> u64 {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_unstable();
    figures[figures.len() / 2]
}

struct Bench {
    engine: EngineHandle,
    log_handle: EventLogHandle,
    log: EventLog,
    release: Arc<Release>,
    syncs: Arc<AtomicU64>,
    lane: CommandLane,
    feed: rtrb::Producer<MarketEvent>,
    _dir: TempDir,
}

impl Bench {
    fn start(level: ReleaseLevel, disk: Disk) -> Self {
        let memory = Path::new("/dev/shm");
        let dir = match disk {
            Disk::OneMillisecond if memory.is_dir() => tempfile::tempdir_in(memory),
            _ => tempfile::tempdir(),
        };
        let dir = dir.expect("a temporary folder");
        let syncs = Arc::<AtomicU64>::default();
        let counts = Arc::clone(&syncs);
        let before = move || {
            counts.fetch_add(1, Ordering::Relaxed);
            if matches!(disk, Disk::OneMillisecond) {
                std::thread::sleep(SYNC_SIMULATED);
            }
            Ok(())
        };
        let release = Arc::new(Release::new(level));
        let journal = tidegate_journal::Config::default();
        let (writer, log) =
            event_log::open(&dir.path().join("events"), journal.clone()).expect("a new event log");
        let (feed, feed_in) = runtime::feed_ring();
        let (events, events_in) = runtime::event_ring().expect("memory");
        let (stages, _) = runtime::stage_ring();
        let (public, _) = broadcast::channel(Arc::clone(&release)).expect("memory");
        let (mut lane, lane_in) = lane();
        let config = EngineConfig {
            journal_dir: (&dir.path().join("journal")).into(),
            journal,
            configure: CONFIGURE_MARKET,
            pin_core: None,
            wait: Wait::Park,
            release: Arc::clone(&release),
            sync: Some(SyncPolicy { before: Some(Arc::new(before)), ..Default::default() }),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let inputs = Inputs { feed: feed_in, lanes: vec![lane_in], book_requests: Arc::default() };
        let outputs =
            Outputs { events, public, stages, routes: Vec::new(), seats: Default::default() };
        let log_handle =
            event_log::start(writer, events_in, Arc::clone(&release)).expect("a thread");
        let engine = runtime::start(config, inputs, outputs, EventPosition::default(), ())
            .expect("a thread");
        while !engine.status.alive.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        for command in desk::set_up() {
            lane.try_send(command).expect("an empty lane");
        }
        log_handle.settle(|| true).expect("it runs");
        Self { engine, log_handle, log, release, syncs, lane, feed, _dir: dir }
    }

    fn stop(self) {
        self.engine.stop().expect("the engine does not fail");
        self.log_handle.stop().expect("all is released");
    }
}

/// A command that is answered with one event, and changes nothing.
fn question(request_id: u64) -> CommandRecord {
    let nothing = MassCancel {
        account: desk::ACCOUNT,
        instrument: InstrumentId::NONE,
        side: Side::Buy.wire(),
        reserved: [0; 7],
    };
    let record = CommandRecord::new(Command::MassCancel(nothing));
    let mut record = record.from_session(PrincipalId(0), desk::SESSION, request_id);
    record.ts_recv = runtime::unix_now();
    record
}

/// Nanoseconds from due to readable.
fn acknowledgements(level: ReleaseLevel, disk: Disk, rate: u64, count: u64) -> Histogram<u64> {
    let mut bench = Bench::start(level, disk);
    let mut cursor = bench.log.cursor(bench.log.last()).expect("a cursor");
    let mut figures = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("a shape");
    let period = Duration::from_nanos(1_000_000_000 / rate);
    let begun = Arc::new(AtomicBool::new(false));
    let begins = Arc::clone(&begun);
    let started = Instant::now() + SETTLE;
    let due = move |n: u64| started + period * u32::try_from(n).expect("few");
    let reading = std::thread::spawn(move || {
        begins.store(true, Ordering::Release);
        let mut read = 0;
        while read < count {
            let Some(event) = cursor.next().expect("readable") else {
                std::thread::sleep(Duration::from_micros(20));
                continue;
            };
            if event.session == desk::SESSION {
                let took = Instant::now().saturating_duration_since(due(event.request_id));
                figures.saturating_record(took.as_nanos() as u64);
                read += 1;
            }
        }
        figures
    });
    while !begun.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    for n in 0..count {
        while Instant::now() < due(n) {
            std::thread::sleep(Duration::from_micros(20));
        }
        let mut asked = question(n);
        while let Err(back) = bench.lane.try_send(asked) {
            asked = back;
            std::thread::yield_now();
        }
    }
    let figures = reading.join().expect("no panic");
    bench.stop();
    figures
}

/// Records a second that are appended and, where the level waits for it, on disk; syncs a second.
fn carried(level: ReleaseLevel, disk: Disk) -> (u64, u64) {
    let mut bench = Bench::start(level, disk);
    let price = Ticks(1_000_000);
    bench.feed.push(desk::definition()).expect("an empty ring");
    bench.feed.push(desk::add(1, Side::Buy, price, 1_000)).expect("an empty ring");
    let at = |bench: &Bench| {
        let applied = bench.engine.status.seq.load(Ordering::Acquire);
        if level.is_synced() { bench.release.synced().0 } else { applied }
    };
    let mut reference = 1;
    let began = Instant::now();
    let (first, syncs) = (at(&bench), bench.syncs.load(Ordering::Relaxed));
    while began.elapsed() < FLOOD {
        for _ in 0..256 {
            let event = desk::refresh(reference, reference + 1, price, 1_000, reference);
            if bench.feed.push(event).is_err() {
                std::thread::yield_now();
                break;
            }
            reference += 1;
        }
    }
    let took = began.elapsed().as_secs_f64();
    let records = (at(&bench) - first) as f64 / took;
    let syncs = (bench.syncs.load(Ordering::Relaxed) - syncs) as f64 / took;
    assert!(bench.release.stopped().is_none());
    bench.stop();
    (records as u64, syncs as u64)
}
