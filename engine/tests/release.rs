//! Nothing leaves before its release level holds: events, public updates, requests to adapters. The disk is held and let go
//! by the test.

mod support;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use support::*;
use tidegate_engine::broadcast::{self, Next};
use tidegate_engine::core::Collected;
use tidegate_engine::event_log::{self, EventLog, EventLogError, EventLogHandle, EventPosition};
use tidegate_engine::lane::{CommandLane, LANE_CAPACITY, lane};
use tidegate_engine::replay::replay;
use tidegate_engine::runtime::{
    self, EVENT_RING_CAPACITY, EngineConfig, EngineError, EngineHandle, Inputs, Outputs, Release,
    SyncPolicy, Wait,
};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::{RouteLink, RouteStatus};
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for whatever would leave to leave.
const MOMENT: Duration = Duration::from_millis(3);
const ROUTE: u8 = 0;

/// A disk whose syncs wait for the test.
#[derive(Default)]
struct Gate {
    /// How many more syncs pass; `None`: all of them.
    permits: Mutex<Option<u64>>,
    changed: Condvar,
    failing: Mutex<bool>,
    waiting: AtomicU64,
}

impl Gate {
    fn policy(self: &Arc<Self>) -> SyncPolicy {
        let gate = Arc::clone(self);
        SyncPolicy { before: Some(Arc::new(move || gate.pass())), ..Default::default() }
    }

    fn pass(&self) -> io::Result<()> {
        let mut permits = self.permits.lock().expect("no panic under it");
        self.waiting.fetch_add(1, Ordering::AcqRel);
        while *permits == Some(0) {
            permits = self.changed.wait(permits).expect("no panic under it");
        }
        if let Some(left) = permits.as_mut() {
            *left -= 1;
        }
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        match *self.failing.lock().expect("no panic under it") {
            true => Err(io::Error::other("the disk is gone")),
            false => Ok(()),
        }
    }

    fn set(&self, permits: Option<u64>) {
        *self.permits.lock().expect("no panic under it") = permits;
        self.changed.notify_all();
    }

    fn fail(&self) {
        *self.failing.lock().expect("no panic under it") = true;
        self.set(None);
    }

    fn is_reached(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

struct Bench {
    engine: EngineHandle,
    release: Arc<Release>,
    gate: Arc<Gate>,
    feed: rtrb::Producer<MarketEvent>,
    lane: CommandLane,
    log: EventLog,
    log_handle: EventLogHandle,
    public: broadcast::Reader,
    requests: rtrb::Consumer<RoutedRequest>,
    commands: u64,
    events: u64,
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn start(dir: &Path, level: ReleaseLevel) -> Bench {
    let mut bench = begin(dir, level);
    bench.replicate_all();
    bench
}

/// The same, with nothing confirmed by followers.
fn begin(dir: &Path, level: ReleaseLevel) -> Bench {
    let release = Arc::new(Release::new(level));
    let gate = Arc::<Gate>::default();
    let small = tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() };
    let (writer, log) = event_log::open(&dir.join("events"), small.clone()).expect("a log");
    let (feed, feed_in) = runtime::feed_ring();
    let (events_out, events) = runtime::event_ring().expect("memory");
    let (stages, _) = runtime::stage_ring();
    let (public_out, public) = broadcast::channel(Arc::clone(&release)).expect("memory");
    let (lane, lane_in) = lane();
    let (route, requests) = runtime::route_ring();
    let inputs = Inputs { feed: feed_in, lanes: vec![lane_in], book_requests: Arc::default() };
    let outputs = Outputs {
        events: events_out,
        public: public_out,
        stages,
        routes: vec![route],
        seats: Default::default(),
    };
    let config = EngineConfig {
        journal_dir: dir.into(),
        journal: small,
        configure: configure(0),
        pin_core: None,
        wait: Wait::Park,
        release: Arc::clone(&release),
        sync: Some(gate.policy()),
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    };
    let log_handle = event_log::start(writer, events, Arc::clone(&release)).expect("a thread");
    let engine = runtime::start(config, inputs, outputs, log.last(), ()).expect("it starts");
    wait_for("the engine to be alive", || engine.status.alive.load(Ordering::Acquire));
    Bench {
        engine,
        release,
        gate,
        feed,
        lane,
        log,
        log_handle,
        public,
        requests,
        commands: 0,
        events: 0,
    }
}

impl Bench {
    fn applied(&self) -> SeqNo {
        SeqNo(self.engine.status.seq.load(Ordering::Acquire))
    }

    /// Waits until everything that was sent is applied.
    fn apply_all(&self) {
        let status = &self.engine.status;
        // Beside what was sent there are the first command and the clock's.
        wait_for("the inputs", || {
            status.market_events.load(Ordering::Relaxed) >= self.events
                && status.commands.load(Ordering::Relaxed) > self.commands
        });
        std::thread::sleep(MOMENT);
    }

    fn command(&mut self, command: Command) {
        let mut record = CommandRecord::new(command).from_session(PrincipalId(0), SessionId(3), 1);
        record.ts_recv = runtime::unix_now();
        let lane = &mut self.lane;
        wait_for("room in the lane", || lane.try_send(record).is_ok());
        self.commands += 1;
    }

    fn market(&mut self, event: MarketEvent) {
        self.feed.push(event).expect("the ring has room");
        self.events += 1;
    }

    fn order(&mut self, n: u64) {
        let name = format!("n{n}");
        self.command(Command::NewOrder(new_order(&name, Side::Buy, Some(cents(9_999)), 1, Gtc)));
    }

    fn replicate_all(&mut self) {
        if self.release.level().is_replicated() {
            self.release.set_replicated(self.applied());
        }
    }

    /// One instrument whose orders leave by a route that is up.
    fn set_up(&mut self) {
        let terms = Instrument::us_equity(Symbol::new("ACME").expect("valid"));
        let routed = Instrument { venue_kind: venue_kind::ROUTE, route: ROUTE, ..terms };
        self.command(Command::DefineInstrument(routed));
        for command in setup_commands() {
            self.command(command);
        }
        // Before the market tells of the instrument, which would be one of paper then.
        self.apply_all();
        self.market(definition());
        self.market(add(1, Side::Buy, cents(10_000), 500));
        self.market(add(2, Side::Sell, cents(10_001), 500));
        for link in [RouteLink::Reconciling, RouteLink::Up] {
            let link = link.wire();
            let status = RouteStatus { cursor: [9, 0], route: ROUTE, link, reserved: [0; 6] };
            self.command(Command::RouteStatus(status));
        }
        self.apply_all();
        self.replicate_all();
        let log = self.log.clone();
        let mut requests = Vec::new();
        wait_for("the set-up", || {
            requests.extend(self.requests.pop());
            log.count() >= 12 && requests.iter().any(|request| request.kind == RoutedKind::End)
        });
        while matches!(self.public.next(), Next::Item(_) | Next::Lapped { .. }) {}
    }

    /// Closes the gate, and waits until nothing can pass it any more.
    fn hold_disk(&mut self) {
        self.gate.set(Some(0));
        if self.release.level().is_synced() {
            self.market(add(900, Side::Buy, cents(9_000), 1));
            let gate = Arc::clone(&self.gate);
            wait_for("the syncer at the gate", || gate.is_reached());
        }
    }

    /// Lets one sync through, and waits for it.
    fn sync_once(&mut self) {
        let applied = self.applied();
        self.gate.set(Some(1));
        let release = Arc::clone(&self.release);
        wait_for("a sync", || release.synced() >= applied);
    }

    fn stop(self) -> (Result<runtime::Stopped, EngineError>, Result<(), EventLogError>) {
        let stopped = self.engine.stop();
        (stopped, self.log_handle.stop())
    }
}

/// Draws numbers from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn all_events(dir: &Path) -> Vec<EventRecord> {
    let mut told = Collected::default();
    replay(dir, &mut told, |_| {}).expect("it replays").expect("inputs");
    told.events
}

/// Everything in the log.
fn logged(log: &EventLog) -> Vec<EventRecord> {
    let mut cursor = log.cursor(EventPosition::default()).expect("a cursor");
    std::iter::from_fn(|| cursor.next().expect("readable")).collect()
}

/// Random inputs, random progress of disk and followers: at each step only what is released is seen anywhere, and in the end
/// all of it, once.
fn check_random_progress(level: ReleaseLevel, seed: u64) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut draw = Draw(seed);
    let mut bench = start(dir.path(), level);
    bench.set_up();
    bench.hold_disk();
    // Which order was seen leaving at which release.
    let mut left = Vec::new();
    let mut public_count = 0;
    for step in 0..40u64 {
        for n in 0..draw.below(6) {
            match draw.below(2) {
                0 => bench.order(step * 10 + n),
                _ => bench.market(add(
                    1_000 + step * 10 + n,
                    Side::Buy,
                    cents(9_900 + draw.below(90) as i64),
                    1,
                )),
            }
        }
        bench.apply_all();
        match draw.below(4) {
            0 if level.is_synced() => bench.sync_once(),
            1 if level.is_replicated() => {
                let room = bench.applied().0 - bench.release.replicated().0;
                let to = bench.release.replicated().0 + draw.below(room + 1);
                bench.release.set_replicated(SeqNo(to));
            }
            _ => {}
        }
        std::thread::sleep(MOMENT);
        let last = bench.log.last().seq;
        let seen: Vec<_> = std::iter::from_fn(|| match bench.public.next() {
            Next::Item(update) => Some(update),
            _ => None,
        })
        .collect();
        // After what was seen: the clock's own inputs may be released at any time.
        let released = bench.release.released();
        assert!(level == ReleaseLevel::Process || bench.applied() >= released);
        assert!(last <= released, "seed {seed}: event of {last} above {released}");
        for update in &seen {
            assert!(update.seq <= released, "seed {seed}: {update:?} above {released}");
        }
        public_count += seen.len();
        while let Ok(request) = bench.requests.pop() {
            let RoutedKind::New(order) = request.kind else { panic!("{request:?}") };
            left.push((order.order_id, released));
        }
    }
    bench.release.set_replicated(SeqNo(u64::MAX));
    bench.gate.set(None);
    let Bench { engine, log_handle, log, mut requests, mut public, .. } = bench;
    let stopped = engine.stop().expect("it stops in order");
    log_handle.stop().expect("all is released");
    while let Ok(request) = requests.pop() {
        let RoutedKind::New(order) = request.kind else { panic!("{request:?}") };
        left.push((order.order_id, stopped.seq));
    }
    while let Next::Item(_) = public.next() {
        public_count += 1;
    }
    let events = all_events(dir.path());
    let found = logged(&log);
    assert!(found == events, "seed {seed}: {} of {} events", found.len(), events.len());
    let mut seq_of = BTreeMap::new();
    for event in &events {
        if let Some(Event::Execution(execution)) = event.event() {
            seq_of.entry(execution.order_id).or_insert(event.seq);
        }
    }
    assert_eq!(left.len(), seq_of.len(), "seed {seed}: each order left once");
    for ((order, released), (expected, seq)) in left.iter().zip(&seq_of) {
        assert_eq!(order, expected, "seed {seed}: in their order");
        assert!(seq <= released, "seed {seed}: order {order} of {seq} left at {released}");
    }
    assert!(public_count > 10, "seed {seed}: {public_count} public updates");
}

#[test]
fn only_what_is_released_is_seen_anywhere() {
    for &level in ReleaseLevel::ALL {
        for seed in [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0x94d0_49bb_1331_11eb] {
            check_random_progress(level, seed);
        }
    }
}

#[test]
fn first_sync_error_ends_the_engine_and_a_restart_tells_the_rest() {
    for level in [ReleaseLevel::Power, ReleaseLevel::Process] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut bench = start(dir.path(), level);
        bench.set_up();
        bench.hold_disk();
        for n in 0..10 {
            bench.order(n);
        }
        bench.apply_all();
        let (applied, synced) = (bench.applied(), bench.release.synced());
        assert!(level == ReleaseLevel::Process || synced < applied);
        bench.gate.fail();
        bench.release.want_synced(applied);
        let engine = &bench.engine;
        wait_for("the engine to end", || engine.is_finished());
        let (log, release) = (bench.log.clone(), Arc::clone(&bench.release));
        assert_eq!(release.synced(), synced);
        let (stopped, logs) = bench.stop();
        let error = stopped.expect_err("the disk is gone");
        assert!(matches!(error, EngineError::ReleaseStopped { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("the disk is gone") && text.contains("restart"), "{text}");
        let count = log.count();
        if level == ReleaseLevel::Power {
            assert!(log.last().seq <= synced, "{:?} above {synced}", log.last());
            assert!(matches!(logs, Err(EventLogError::Unreleased { .. })), "{logs:?}");
        }
        drop(log);

        // What is in the journal is recovered, and counts from the start.
        let again = start(dir.path(), level);
        let recovered = again.release.synced();
        assert!(recovered >= applied, "{recovered} of {applied}");
        again.log_handle.settle(|| true).expect("it runs");
        let log = again.log.clone();
        assert!(log.count() >= count);
        let (stopped, logs) = again.stop();
        stopped.expect("it stops in order");
        logs.expect("all is released");
        assert!(logged(&log) == all_events(dir.path()), "nothing is left out, none comes twice");
    }
}

#[test]
fn a_full_release_buffer_holds_the_engine_and_says_so() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), ReleaseLevel::Power);
    bench.set_up();
    bench.hold_disk();
    let status = Arc::clone(&bench.engine.status);
    assert!(!status.is_waiting.load(Ordering::Relaxed));
    // Each is refused with one event.
    let count = (EVENT_RING_CAPACITY + 3 * LANE_CAPACITY) as u64;
    let order = new_order("same", Side::Buy, Some(cents(9_000)), 20_000, Gtc);
    let mut sent = 0;
    while !status.is_waiting.load(Ordering::Relaxed) {
        assert!(sent < count, "the ring is full and the engine does not wait");
        if bench.lane.try_send(CommandRecord::new(Command::NewOrder(order))).is_ok() {
            sent += 1;
        } else {
            std::thread::yield_now();
        }
    }
    let held_at = status.seq.load(Ordering::Relaxed);
    std::thread::sleep(MOMENT);
    assert_eq!(status.seq.load(Ordering::Relaxed), held_at, "it takes nothing");
    assert_eq!(status.waits.load(Ordering::Relaxed), 1);
    bench.gate.set(None);
    let log = bench.log.clone();
    let (stopped, logs) = bench.stop();
    stopped.expect("it goes on and stops in order");
    logs.expect("all is released");
    assert!(!status.is_waiting.load(Ordering::Relaxed));
    assert!(logged(&log) == all_events(dir.path()));
}

/// A journal whose events are more than the ring holds, and no log of them.
fn many_events(dir: &Path) -> Vec<EventRecord> {
    let mut bench = start(dir, ReleaseLevel::Process);
    bench.set_up();
    let order = new_order("same", Side::Buy, Some(cents(9_000)), 20_000, Gtc);
    for _ in 0..EVENT_RING_CAPACITY + 1_000 {
        bench.command(Command::NewOrder(order));
    }
    let (stopped, logs) = bench.stop();
    stopped.expect("it stops in order");
    logs.expect("all is released");
    std::fs::remove_dir_all(dir.join("events")).expect("removed");
    let events = all_events(dir);
    assert!(events.len() > EVENT_RING_CAPACITY + 1_000, "{}", events.len());
    events
}

#[test]
fn more_than_the_ring_holds_is_recovered_before_anybody_confirms_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let before = many_events(dir.path());
    let mut bench = begin(dir.path(), ReleaseLevel::Replica);
    let status = Arc::clone(&bench.engine.status);
    assert!(status.has_backlog.load(Ordering::Acquire), "it is alive, and the ring is full");
    let held_at = bench.applied();
    bench.order(1);
    std::thread::sleep(100 * MOMENT);
    assert_eq!(bench.applied(), held_at, "it takes nothing");
    assert_eq!(bench.log.count(), 0, "nothing was confirmed");
    // As far as is confirmed they leave, and with the last of the backlog inputs are taken again.
    let middle = before[before.len() / 2].seq;
    bench.release.set_replicated(middle);
    let log = bench.log.clone();
    wait_for("the first half", || log.last().seq == middle);
    wait_for("room", || !status.has_backlog.load(Ordering::Acquire));
    wait_for("the order", || status.seq.load(Ordering::Acquire) > held_at.0);
    assert_eq!(log.last().seq, middle);
    bench.release.set_replicated(SeqNo::MAX);
    let (stopped, logs) = bench.stop();
    stopped.expect("it stops in order");
    logs.expect("all is released");
    assert!(logged(&log) == all_events(dir.path()), "nothing is left out, none comes twice");
}

#[test]
fn an_engine_that_holds_a_backlog_or_a_full_ring_can_be_stopped() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    many_events(dir.path());
    // Never confirmed, and stopped: the ring is as full as it was.
    let bench = begin(dir.path(), ReleaseLevel::Replica);
    assert!(bench.engine.status.has_backlog.load(Ordering::Acquire));
    let last = bench.applied();
    let log = bench.log.clone();
    let (stopped, logs) = bench.stop();
    assert_eq!(stopped.expect("it stops in order").seq, last);
    assert!(matches!(logs, Err(EventLogError::Unreleased { .. })), "{logs:?}");
    assert_eq!(log.count(), 0);
    drop(log);
    let count = all_events(dir.path()).len() as u64;
    // The same while it waits for room in the middle of an input: whoever stops it says that nothing leaves any more.
    let mut bench = begin(dir.path(), ReleaseLevel::Replica);
    let status = Arc::clone(&bench.engine.status);
    bench.release.set_replicated(last);
    wait_for("the backlog to go", || !status.has_backlog.load(Ordering::Acquire));
    let log = bench.log.clone();
    wait_for("the log", || log.count() == count);
    let order = new_order("same", Side::Buy, Some(cents(9_000)), 20_000, Gtc);
    while !status.is_waiting.load(Ordering::Relaxed) {
        if bench.lane.try_send(CommandRecord::new(Command::NewOrder(order))).is_err() {
            std::thread::yield_now();
        }
    }
    bench.engine.ask_to_stop();
    std::thread::sleep(100 * MOMENT);
    assert!(!bench.engine.is_finished(), "it keeps what it has");
    bench.release.stop("the test ends".into());
    let engine = &bench.engine;
    wait_for("the engine to end", || engine.is_finished());
    let (stopped, _) = bench.stop();
    assert!(matches!(stopped, Err(EngineError::ReleaseStopped { .. })), "{stopped:?}");
    drop(log);
    // All of it is told after the next start.
    let again = start(dir.path(), ReleaseLevel::Process);
    again.log_handle.settle(|| true).expect("it runs");
    let log = again.log.clone();
    let (stopped, logs) = again.stop();
    stopped.expect("it stops in order");
    logs.expect("all is released");
    assert!(logged(&log) == all_events(dir.path()), "nothing is left out, none comes twice");
}

#[test]
fn an_end_without_followers_comes_and_says_what_stayed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), ReleaseLevel::ReplicaPower);
    bench.set_up();
    let replicated = bench.release.replicated();
    for n in 0..10 {
        bench.order(n);
    }
    bench.apply_all();
    let began = Instant::now();
    let log = bench.log.clone();
    let (stopped, logs) = bench.stop();
    let took = began.elapsed();
    assert!(took < event_log::RELEASE_PATIENCE + PATIENCE, "{took:?}");
    let last = stopped.expect("the engine itself stops in order").seq;
    let error = logs.expect_err("ten orders were never released");
    let EventLogError::Unreleased { events, first, level, released, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*level, *released), (ReleaseLevel::ReplicaPower, replicated));
    assert!(*events >= 10 && *first > replicated && *first <= last, "{error}");
    assert!(log.last().seq <= replicated);
}
