//! The thread around the state machine: what it recovers, what it never drops, how it ends.

mod support;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::*;
use tidegate_engine::core::{Core, NoOutput};
use tidegate_engine::event_log::{self, EventPosition};
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::replay::replay;
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineError, EngineHandle, Inputs, Orders, Outputs, Strategy,
    Wait,
};
use tidegate_engine::{broadcast, runtime::EVENT_RING_CAPACITY};
use tidegate_model::command::TimeInForce::{Gtc, Ioc};
use tidegate_model::command::{Contingency, ControlKind, NewList, NewOrder, Reason, SetControl};
use tidegate_model::event::{CancelReason, Event};
use tidegate_model::*;

const PATIENCE: Duration = Duration::from_secs(20);

struct Bench {
    engine: EngineHandle,
    feed: rtrb::Producer<MarketEvent>,
    lane: CommandLane,
    events: tidegate_ring::queue::Receiver<EventRecord>,
    public: broadcast::Reader,
    book_requests: Arc<BookRequests>,
}

fn config(dir: &Path) -> EngineConfig {
    EngineConfig {
        journal_dir: dir.into(),
        journal: tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() },
        configure: configure(0),
        pin_core: None,
        wait: Wait::Park,
        release: Arc::default(),
        sync: Some(Default::default()),
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    }
}

fn start(dir: &Path, logged: EventPosition) -> Bench {
    start_with(dir, logged, ())
}

fn start_with(dir: &Path, logged: EventPosition, strategy: impl Strategy + 'static) -> Bench {
    let bench = start_only(dir, logged, strategy);
    wait_for("the engine to be alive", || bench.engine.status.alive.load(Ordering::Acquire));
    bench
}

/// Starts an engine that may not come to life.
fn start_only(dir: &Path, logged: EventPosition, strategy: impl Strategy + 'static) -> Bench {
    let (feed, feed_in) = runtime::feed_ring();
    let (events_out, events) = runtime::event_ring().expect("memory");
    let (stages, _) = runtime::stage_ring();
    let (public_out, public) = broadcast::channel(Arc::default()).expect("memory");
    let (lane, lane_in) = lane();
    let book_requests = Arc::new(BookRequests::default());
    let inputs =
        Inputs { feed: feed_in, lanes: vec![lane_in], book_requests: Arc::clone(&book_requests) };
    let outputs = Outputs {
        events: events_out,
        public: public_out,
        stages,
        routes: Vec::new(),
        seats: Default::default(),
    };
    let engine = runtime::start(config(dir), inputs, outputs, logged, strategy).expect("it starts");
    Bench { engine, feed, lane, events, public, book_requests }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Bench {
    fn command(&mut self, command: Command) {
        self.command_of(SessionId(0), command);
    }

    fn command_of(&mut self, session: SessionId, command: Command) {
        let mut record = CommandRecord::new(command).from_session(PrincipalId(0), session, 1);
        record.ts_recv = runtime::unix_now();
        wait_for("room in the lane", || self.lane.try_send(record).is_ok());
    }

    fn market(&mut self, event: MarketEvent) {
        self.feed.push(event).expect("the ring has room");
    }

    fn set_up(&mut self) {
        self.market(definition());
        for command in setup_commands() {
            self.command(command);
        }
        self.market(add(1, Side::Buy, cents(10_000), 500));
        self.market(add(2, Side::Sell, cents(10_001), 500));
        let last = self.engine.status.clone();
        // Configure, the definition, six commands, two orders of the book.
        wait_for("the set-up", || last.seq.load(Ordering::Relaxed) >= 10);
    }

    fn order(&mut self, n: u64, tif: command::TimeInForce) {
        let name = format!("n{n}");
        let order = new_order(&name, Side::Buy, Some(cents(10_001)), 1, tif);
        self.command(Command::NewOrder(order));
    }

    fn taken(&mut self) -> Vec<EventRecord> {
        std::iter::from_fn(|| self.events.pop()).collect()
    }

    /// Waits until every input up to `seq` is applied.
    fn applied(&self, seq: u64) {
        let status = Arc::clone(&self.engine.status);
        wait_for("the inputs", || status.seq.load(Ordering::Relaxed) >= seq);
    }

    /// Ends it as a crash does: nothing is canceled, the journal is not sealed.
    fn crash(self) {
        let Self { engine, events, .. } = self;
        drop(events);
        wait_for("the engine to end", || engine.is_finished());
        assert!(matches!(engine.stop(), Err(EngineError::EventLogGone)));
    }
}

#[test]
fn restart_reaches_the_same_state_and_sends_only_what_is_missing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    for n in 0..20 {
        bench.order(n, if n % 2 == 0 { Ioc } else { Gtc });
    }
    let status = Arc::clone(&bench.engine.status);
    wait_for("twenty orders", || status.fills.load(Ordering::Relaxed) == 20);
    let events = bench.taken();
    let stopped = bench.engine.stop().expect("it stops in order");
    let replayed = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays");
    let replayed = replayed.expect("there are inputs");
    assert_eq!(replayed.core.state_hash(), stopped.state_hash);
    assert!(replayed.checkpoints >= 1);

    // Half of the events are in the log: the other half comes again, and nothing else.
    let half = events.len() / 2;
    let mut again = start(dir.path(), EventPosition::of(&events[half - 1]));
    let checkpoint = again.engine.status.checkpoint().expect("one was recorded at the end");
    assert_eq!((checkpoint.seq, checkpoint.hash), (stopped.seq, stopped.state_hash));
    let sent_again = again.taken();
    assert_eq!(sent_again[..events.len() - half], events[half..]);
    assert!(sent_again[events.len() - half..].iter().all(|event| event.seq > stopped.seq));
    let stopped_again = again.engine.stop().expect("it stops in order");
    assert_eq!(stopped_again.recovered, stopped.seq.0);
    let replayed = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays");
    let core = replayed.expect("there are inputs").core;
    assert_eq!(core.state_hash(), stopped_again.state_hash);
    assert_eq!(core.oms().position(ACCOUNT, INSTRUMENT).bought, Lots(20));
}

#[test]
fn the_last_event_of_each_input_says_so_however_many_there_are() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    for n in 0..600 {
        let order = new_order(&format!("n{n}"), Side::Buy, Some(cents(9_999)), 1, Gtc);
        bench.command(Command::NewOrder(order));
    }
    bench.order(600, Ioc);
    bench.command(Command::MassCancel(command::MassCancel {
        account: AccountId::NONE,
        instrument: InstrumentId::NONE,
        side: 0,
        reserved: [0; 7],
    }));
    bench.applied(612);
    let events = bench.taken();
    let of_last_input = events.iter().filter(|event| event.seq == SeqNo(612)).count();
    assert_eq!(of_last_input, 601, "600 orders and the answer");
    for (at, event) in events.iter().enumerate() {
        let next = events.get(at + 1);
        let is_last = next.is_none_or(|next| next.seq != event.seq);
        assert_eq!(event.is_last_of_input(), is_last, "{:?}", (event.seq, event.ordinal));
        let follows = next.is_none_or(|next| is_last || next.ordinal == event.ordinal + 1);
        assert!(follows, "nothing is left out");
    }
    bench.engine.stop().expect("it stops in order");
}

#[test]
fn sessions_of_a_process_that_crashed_take_their_orders_along() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    let goes = command::FLAG_CANCEL_ON_DISCONNECT;
    for (n, (session, flags)) in
        [(5, goes), (5, 0), (6, goes), (5, goes), (7, 0)].iter().enumerate()
    {
        let order = new_order(&format!("n{n}"), Side::Buy, Some(cents(9_999)), 1, Gtc);
        bench.command_of(
            SessionId(*session),
            Command::NewOrder(NewOrder { flags: *flags, ..order }),
        );
    }
    bench.applied(15);
    bench.taken();
    bench.crash();
    let before = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs");
    assert_eq!(before.core.oms().open_count(), 5);

    let logged = EventPosition { seq: before.core.seq(), ordinal: u32::MAX };
    let mut again = start(dir.path(), logged);
    let canceled: Vec<_> = again
        .taken()
        .iter()
        .filter_map(|record| match record.event() {
            Some(Event::Execution(execution)) => Some((execution, record.session)),
            _ => None,
        })
        .map(|(execution, session)| {
            let reason = CancelReason::from_wire(execution.cancel_reason);
            assert_eq!(reason, Some(CancelReason::Disconnect), "{execution:?}");
            (execution.order_id.0, session.0)
        })
        .collect();
    assert_eq!(canceled, [(1, 5), (4, 5), (3, 6)]);
    again.engine.stop().expect("it stops in order");
    let core = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs").core;
    let open: Vec<_> = core.oms().open_orders(ACCOUNT).map(|(_, order)| order.order_id.0).collect();
    assert_eq!(open, [2, 5]);
}

#[test]
fn what_a_crashed_process_left_half_done_is_ended() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    let resting = |name: &str| new_order(name, Side::Buy, Some(cents(9_999)), 1, Gtc);
    // Session 5 asked for nothing, a control asks for it.
    let control = |kind: ControlKind, scope, limit| {
        Command::SetControl(SetControl {
            reason: Reason::new("test").expect("short"),
            ..SetControl::of(kind, scope, limit)
        })
    };
    bench.command(control(ControlKind::CancelOnDisconnect, Scope::account(ACCOUNT), 0));
    bench.command_of(SessionId(5), Command::NewOrder(resting("covered")));
    // Session 6 sent one leg of two.
    bench.command_of(
        SessionId(6),
        Command::NewList(NewList {
            account: ACCOUNT,
            list_id: 7,
            contingency: Contingency::Oco.wire(),
            leg_count: 2,
            reserved: [0; 6],
        }),
    );
    let leg = NewOrder { list_id: 7, leg: 1, ..resting("leg") };
    bench.command_of(SessionId(6), Command::NewOrder(leg));
    // An order of session 7 waits for a second person.
    bench.command(control(ControlKind::ApprovalAbove, Scope::account(ACCOUNT), 1));
    bench.command_of(SessionId(7), Command::NewOrder(resting("waits")));
    bench.applied(16);
    bench.taken();
    bench.crash();
    let before = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs");
    let to_close: Vec<_> =
        before.core.sessions_to_close().iter().map(|(session, _)| session.0).collect();
    assert_eq!(to_close, [5, 6, 7]);

    let logged = EventPosition { seq: before.core.seq(), ordinal: u32::MAX };
    let mut again = start(dir.path(), logged);
    let mut ended: Vec<_> = again
        .taken()
        .iter()
        .filter_map(|record| {
            let told = match record.event()? {
                Event::Execution(it) if it.cancel_reason != 0 => "canceled".to_string(),
                Event::Execution(it) => it.reject().map(|it| it.reason.to_string())?,
                Event::ListStatus(_) => "list".into(),
                Event::Proposal(_) => "proposal".into(),
                _ => return None,
            };
            Some((record.session.0, told))
        })
        .collect();
    ended.sort();
    let ended: Vec<_> = ended.iter().map(|(session, told)| (*session, told.as_str())).collect();
    assert_eq!(
        ended,
        [
            (5, "canceled"),
            (6, "list"),
            (6, "list_incomplete"),
            (7, "approval_lapsed"),
            (7, "proposal")
        ]
    );
    again.engine.stop().expect("it stops in order");
    let core = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs").core;
    assert_eq!(core.sessions_to_close(), []);
    assert_eq!(core.oms().open_count(), 0);
}

/// How many records of the journal are gaps, and how many messages they say are lost.
fn gaps(dir: &Path) -> Vec<u64> {
    let mut reader = tidegate_journal::Reader::open(dir).expect("a journal");
    let mut gaps = Vec::new();
    while let Some(record) = reader.next().expect("a whole journal") {
        if record.kind == tidegate_journal::frame::KIND_MARKET_EVENT {
            let event: MarketEvent = record.pod().expect("an event");
            if event.kind() == Some(MarketEventKind::Gap) {
                gaps.push(event.qty.0);
            }
        }
    }
    gaps
}

#[test]
fn every_book_is_forgotten_over_a_restart_with_one_gap() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    // The feed's number goes to another instrument: nothing reaches the book of the first any more.
    let other = Symbol::new("OTHER").expect("valid");
    let rebound: market::Definition = bytemuck::cast(definition());
    bench.market(market::Definition { symbol: other, ..rebound }.into_event());
    bench.market(add(3, Side::Buy, cents(10_000), 500));
    bench.applied(12);
    bench.crash();
    let core = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs").core;
    assert_eq!(core.books().orders_count_total(), 3);
    assert_eq!(gaps(dir.path()), Vec::<u64>::new());

    start(dir.path(), EventPosition::default()).engine.stop().expect("it stops in order");
    assert_eq!(gaps(dir.path()), [0]);
    let core = replay(dir.path(), &mut NoOutput, |_| {}).expect("it replays").expect("inputs").core;
    assert_eq!(core.books().orders_count_total(), 0);
    // There is nothing left to forget.
    start(dir.path(), EventPosition::default()).engine.stop().expect("it stops in order");
    assert_eq!(gaps(dir.path()), [0]);
}

/// A strategy with a defect.
struct Broken;

impl Strategy for Broken {
    fn on_market(&mut self, _: &Core, _: &MarketEvent, _: &mut Orders) {
        panic!("a broken strategy");
    }
    fn on_event(&mut self, _: &EventRecord) {}
}

#[test]
fn engine_that_panics_is_not_alive() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start_with(dir.path(), EventPosition::default(), Broken);
    bench.market(definition());
    wait_for("the engine to end", || bench.engine.is_finished());
    assert!(!bench.engine.status.alive.load(Ordering::Acquire));
    let why = bench.engine.stop().expect_err("it panicked").to_string();
    assert!(why.contains("a broken strategy"), "{why}");
}

#[test]
fn full_event_ring_holds_the_engine_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    // Each duplicate name is refused with one event; nobody takes them.
    let count = EVENT_RING_CAPACITY as u64 + 3_000;
    let mut sent = 0;
    let deadline = Instant::now() + PATIENCE;
    while sent < count && Instant::now() < deadline {
        let order = new_order("same", Side::Buy, Some(cents(9_000)), 1, Gtc);
        let record = CommandRecord::new(Command::NewOrder(order));
        if bench.lane.try_send(record).is_err() {
            if bench.engine.status.is_waiting.load(Ordering::Relaxed) {
                break;
            }
            std::thread::yield_now();
            continue;
        }
        sent += 1;
    }
    assert!(bench.engine.status.is_waiting.load(Ordering::Relaxed), "the engine is held");
    let mut answers = 0;
    while answers < sent {
        assert!(Instant::now() < deadline, "{answers} of {sent} orders were answered");
        let taken = bench.taken();
        answers += taken
            .iter()
            .filter(|record| record.kind == tidegate_model::event::EventKind::Execution.wire())
            .count() as u64;
    }
    assert_eq!(answers, sent);
    bench.engine.stop().expect("it goes on and stops in order");
}

#[test]
fn lost_event_log_stops_the_engine_with_a_reason() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    let Bench { engine, events, mut lane, .. } = bench;
    drop(events);
    let mut n = 0;
    wait_for("the engine to notice", || {
        n += 1;
        let name = format!("x{n}");
        let order = new_order(&name, Side::Buy, Some(cents(9_000)), 1, Gtc);
        // The lane fills once the engine is gone; that is what is waited for.
        let _ = lane.try_send(CommandRecord::new(Command::NewOrder(order)));
        engine.is_finished()
    });
    assert!(matches!(engine.stop(), Err(EngineError::EventLogGone)));
}

#[test]
fn picture_of_a_book_is_broadcast_on_request() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    bench.book_requests.request(INSTRUMENT);
    let mut seen = Vec::new();
    wait_for("the picture", || {
        while let broadcast::Next::Item(update) = bench.public.next() {
            seen.push((PublicKind::from_wire(update.kind).expect("known"), update.qty.0));
        }
        seen.last().is_some_and(|last| last.0 == PublicKind::PictureEnd)
    });
    let begin = seen.iter().position(|(kind, _)| *kind == PublicKind::Clear).expect("it begins");
    let levels: Vec<_> =
        seen[begin..].iter().filter(|(kind, _)| *kind == PublicKind::Level).collect();
    assert_eq!(levels.len(), 2);
    bench.engine.stop().expect("it stops in order");
}

#[test]
fn pictures_without_end_are_paced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    bench.applied(10);
    let pictures = |bench: &mut Bench| {
        let mut ends = 0;
        loop {
            match bench.public.next() {
                broadcast::Next::Item(update) => {
                    ends += u128::from(update.kind == PublicKind::PictureEnd.wire());
                }
                broadcast::Next::Lapped { .. } => panic!("the ring holds more than that"),
                broadcast::Next::Empty => return ends,
            }
        }
    };
    assert_eq!(pictures(&mut bench), 0);
    let began = Instant::now();
    let mut told = 0;
    while began.elapsed() < Duration::from_millis(50) || told == 0 {
        bench.book_requests.request(INSTRUMENT);
        told += pictures(&mut bench);
    }
    // Two levels and two marks, a microsecond each.
    let most = began.elapsed().as_micros() / 4 + 1;
    assert!(told > 1 && told <= most, "{told} pictures, {most} at most");
    bench.engine.stop().expect("it stops in order");
}

#[test]
fn places_in_a_queue_are_told_on_request() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    let behind = new_order("behind", Side::Buy, Some(cents(10_000)), 7, Gtc);
    bench.command(Command::NewOrder(behind));
    bench.applied(11);
    let requests = Arc::clone(&bench.book_requests);
    let picture = requests.take_places().expect("nobody has it");
    assert!(requests.take_places().is_none(), "there is one");
    requests.ask_places(picture, INSTRUMENT);
    let mut told = None;
    wait_for("the places", || {
        told = requests.take_places();
        told.is_some()
    });
    let picture = told.take().expect("it was waited for");
    assert!(picture.seq >= SeqNo(11));
    let [place] = picture.places[Side::Buy.index()][..] else { panic!("{picture:?}") };
    assert_eq!((place.leaves, place.around), (Lots(7), Some((Lots(500), Lots(0)))));
    // Asked for without end, they are paced, and books have their turn beside them.
    let (began, mut places, mut books) = (Instant::now(), 0, 0);
    requests.return_places(picture);
    while began.elapsed() < Duration::from_millis(50) || places == 0 || books == 0 {
        requests.request(INSTRUMENT);
        if let Some(picture) = requests.take_places() {
            places += 1;
            requests.ask_places(picture, INSTRUMENT);
        }
        while let broadcast::Next::Item(update) = bench.public.next() {
            books += u128::from(update.kind == PublicKind::PictureEnd.wire());
        }
    }
    // One order or two levels, and two marks, a microsecond each; one picture was at hand.
    let most = began.elapsed().as_micros() / 3 + 2;
    assert!(places + books <= most, "{places} and {books} pictures, {most} at most");
    bench.engine.stop().expect("it stops in order");
}

#[test]
fn core_that_does_not_exist_is_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (_feed, feed) = runtime::feed_ring();
    let (events, _events) = runtime::event_ring().expect("memory");
    let (stages, _) = runtime::stage_ring();
    let (public, _) = broadcast::channel(Arc::default()).expect("memory");
    let inputs = Inputs { feed, lanes: Vec::new(), book_requests: Arc::default() };
    let outputs = Outputs { events, public, stages, routes: Vec::new(), seats: Default::default() };
    let config = EngineConfig { pin_core: Some(9_999), ..config(dir.path()) };
    let refused = runtime::start(config, inputs, outputs, EventPosition::default(), ());
    assert!(matches!(refused, Err(EngineError::Pin { core: 9_999, .. })));
}

#[test]
fn event_log_resumes_from_any_position_without_gap_or_repeat() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let small = tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() };
    let (writer, log) = event_log::open(dir.path(), small.clone()).expect("a new log");
    let (mut ring, ring_out) = runtime::event_ring().expect("memory");
    let handle = event_log::start(writer, ring_out, Arc::default()).expect("its thread starts");
    let all: Vec<EventRecord> = (0..5_000u64)
        .map(|n| EventRecord {
            seq: SeqNo(n / 3 + 1),
            ordinal: (n % 3) as u32,
            ..bytemuck::Zeroable::zeroed()
        })
        .collect();
    for event in &all {
        ring.push(event).expect("the ring has room");
    }
    wait_for("every event", || log.count() == 5_000);
    let check = |log: &event_log::EventLog| {
        for from in [0usize, 1, 1_022, 1_023, 1_024, 1_025, 3_071, 4_998, 4_999] {
            let mut cursor = log.cursor(EventPosition::of(&all[from])).expect("a cursor");
            for event in &all[from + 1..] {
                assert_eq!(cursor.next().expect("readable"), Some(*event));
            }
            assert_eq!(cursor.next().expect("readable"), None);
        }
        assert_eq!(log.last(), EventPosition::of(&all[4_999]));
    };
    check(&log);
    handle.stop().expect("it stops in order");
    drop(log);
    let (_writer, log) = event_log::open(dir.path(), small).expect("the log is there");
    check(&log);
}

/// Turns a byte in the middle of the first of several segments; its file's name.
fn damage_first_segment(dir: &Path) -> &'static str {
    let name = "00000000000000000001.tgj";
    assert!(dir.join("00000000000000000003.tgj").exists(), "several segments");
    let mut bytes = std::fs::read(dir.join(name)).expect("a segment");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(dir.join(name), bytes).expect("written");
    name
}

#[test]
fn damage_far_behind_the_end_is_refused_at_the_start() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut bench = start(dir.path(), EventPosition::default());
    bench.set_up();
    for n in 0..40_000 {
        bench.market(add(10 + n % 5_000, Side::Buy, cents(9_000), 1));
    }
    bench.applied(40_010);
    // What is on the disk for certain may not be damaged; above that, the journal would be cut.
    let synced = || tidegate_journal::synced::read(dir.path()).expect("readable");
    wait_for("the sync", || synced().is_some_and(|synced| synced.seq.0 >= 40_010));
    bench.crash();
    let name = damage_first_segment(dir.path());
    let Bench { engine, .. } = start_only(dir.path(), EventPosition::default(), ());
    wait_for("the engine to refuse", || engine.is_finished());
    let error = engine.stop().expect_err("it is damaged");
    assert!(matches!(error, EngineError::Replay(_)), "{error:?}");
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn damage_far_behind_the_end_of_the_event_log_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let small = tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() };
    let (writer, _) = event_log::open(dir.path(), small.clone()).expect("a new log");
    let (mut ring, ring_out) = runtime::event_ring().expect("memory");
    for n in 0..12_000u64 {
        let event = EventRecord { seq: SeqNo(n + 1), ..bytemuck::Zeroable::zeroed() };
        ring.push(&event).expect("the ring has room");
    }
    event_log::start(writer, ring_out, Arc::default())
        .expect("a thread")
        .stop()
        .expect("it stops in order");
    let name = damage_first_segment(dir.path());
    let error = event_log::open(dir.path(), small).expect_err("it is damaged").to_string();
    assert!(error.contains(name), "{error}");
}

#[test]
fn a_journal_of_a_newer_behaviour_is_refused_and_one_of_an_older_goes_on() {
    let known = tidegate_engine::replay::BEHAVIOUR_VERSION;
    for (version, is_known) in [(1, true), (known, true), (known + 1, false), (u32::MAX, false)] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let journal =
            tidegate_journal::Config { behaviour_version: version, ..config(dir.path()).journal };
        let (mut writer, _) = tidegate_journal::Writer::open(dir.path(), journal).expect("opened");
        let first = CommandRecord::new(Command::Configure(configure(0)));
        writer
            .append_pod(tidegate_journal::frame::KIND_COMMAND, SeqNo(1), &first)
            .expect("appended");
        writer.close().expect("closed");
        let replayed = replay(dir.path(), &mut NoOutput, |_| {});
        assert_eq!(replayed.is_ok(), is_known, "{version}: {replayed:?}");
        let bench = start_only(dir.path(), EventPosition::default(), ());
        wait_for("the start or its end", || {
            bench.engine.is_finished() || bench.engine.status.alive.load(Ordering::Acquire)
        });
        match bench.engine.stop() {
            Ok(_) => assert!(is_known, "{version}"),
            Err(error) => {
                let text = error.to_string();
                assert!(!is_known && text.contains("use a newer build"), "{version}: {text}");
            }
        }
        // What a run appends names the version that wrote it.
        let report = tidegate_journal::verify(dir.path()).expect("a whole journal");
        let expected = if is_known { known } else { version };
        assert_eq!(report.behaviour_version, expected, "{version}");
    }
}
