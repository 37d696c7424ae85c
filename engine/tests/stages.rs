//! Which stages are stamped, through the real thread: of what rests, takes, is canceled and refused, of fills that the market
//! brings, and of what a strategy on the engine's thread answers.

mod support;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::*;
use tidegate_engine::broadcast;
use tidegate_engine::core::Core;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::runtime::{
    self, EngineConfig, EngineHandle, Inputs, Orders, Outputs, Stage, Strategy, Trace, Traced, Wait,
};
use tidegate_model::command::CommandKind;
use tidegate_model::command::TimeInForce::{Gtc, Ioc};
use tidegate_model::*;

const PATIENCE: Duration = Duration::from_secs(20);
const OF_REQUEST: [Stage; 3] = [Stage::Received, Stage::Sequenced, Stage::Journaled];

struct Bench {
    engine: EngineHandle,
    feed: rtrb::Producer<MarketEvent>,
    lane: CommandLane,
    traces: rtrb::Consumer<Trace>,
    requests: u64,
    _events: tidegate_ring::queue::Receiver<EventRecord>,
    _public: broadcast::Reader,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(latency_ns: u64, strategy: impl Strategy + 'static) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (feed, feed_in) = runtime::feed_ring();
        let (events, _events) = runtime::event_ring().expect("memory");
        let (stages, traces) = runtime::stage_ring();
        let (public, _public) = broadcast::channel(Arc::default()).expect("memory");
        let (lane, lane_in) = lane();
        let config = EngineConfig {
            journal_dir: dir.path().into(),
            journal: tidegate_journal::Config { segment_len: 1 << 20, ..Default::default() },
            configure: configure(latency_ns),
            pin_core: None,
            wait: Wait::Park,
            release: Arc::default(),
            sync: Some(Default::default()),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let inputs = Inputs { feed: feed_in, lanes: vec![lane_in], book_requests: Arc::default() };
        let outputs =
            Outputs { events, public, stages, routes: Vec::new(), seats: Default::default() };
        let engine = runtime::start(config, inputs, outputs, EventPosition::default(), strategy);
        let engine = engine.expect("it starts");
        let mut bench =
            Self { engine, feed, lane, traces, requests: 0, _events, _public, _dir: dir };
        bench.wait(|status| status.alive.load(Ordering::Acquire));
        bench.market(definition());
        for command in setup_commands() {
            bench.command(command);
        }
        bench.market(add(1, Side::Buy, cents(9_990), 500));
        bench.market(add(2, Side::Sell, cents(10_010), 500));
        assert_eq!(bench.traces(), [], "what is set up is no order");
        bench
    }

    fn wait(&self, is_done: impl Fn(&runtime::EngineStatus) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_done(&self.engine.status) {
            assert!(Instant::now() < deadline, "waited {PATIENCE:?}: {:?}", self.engine.status);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn market(&mut self, event: MarketEvent) {
        let before = self.engine.status.market_events.load(Ordering::Relaxed);
        let event = MarketEvent { ts_recv: runtime::unix_now(), ..event };
        self.feed.push(event).expect("room");
        self.wait(|status| status.market_events.load(Ordering::Acquire) > before);
    }

    fn command(&mut self, command: Command) {
        self.requests += 1;
        let before = self.engine.status.commands.load(Ordering::Relaxed);
        let record = CommandRecord::new(command);
        let mut record = record.from_session(PrincipalId(0), SessionId(3), self.requests);
        record.ts_recv = runtime::unix_now();
        self.lane.try_send(record).expect("room");
        self.wait(|status| status.commands.load(Ordering::Acquire) > before);
    }

    /// All but the market events that are sampled.
    fn traces(&mut self) -> Vec<Trace> {
        let traces = std::iter::from_fn(|| self.traces.pop().ok());
        traces.filter(|trace| trace.followed != Traced::Market).collect()
    }

    /// The one trace that what was done has left, its stages in order.
    #[track_caller]
    fn one(&mut self, followed: Traced, stages: &[&[Stage]]) -> Trace {
        let deadline = Instant::now() + PATIENCE;
        let mut traces = self.traces();
        while traces.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
            traces = self.traces();
        }
        let [trace] = &traces[..] else { panic!("{traces:?}") };
        assert_eq!(trace.followed, followed);
        check(trace, &stages.concat());
        *trace
    }
}

/// Fails unless exactly these stages were reached, one after the other, and a moment ago.
#[track_caller]
fn check(trace: &Trace, stages: &[Stage]) {
    let reached = Stage::ALL.into_iter().filter(|stage| trace.at(*stage).is_some());
    assert_eq!(reached.collect::<Vec<_>>(), stages, "{trace:?}");
    let stamps: Vec<_> = stages.iter().filter_map(|stage| trace.at(*stage)).collect();
    assert!(stamps.is_sorted(), "{trace:?}");
    let ago = runtime::unix_now().0.saturating_sub(stamps[0]);
    assert!(ago < PATIENCE.as_nanos() as u64, "{trace:?}");
}

fn buy(name: &str, price: i64, tif: tidegate_model::command::TimeInForce) -> Command {
    Command::NewOrder(new_order(name, Side::Buy, Some(cents(price)), 10, tif))
}

#[test]
fn each_request_is_stamped_at_the_stages_that_it_comes_to() {
    use Stage::{AtVenue, Filled, Published, RiskPassed};
    let mut bench = Bench::new(0, ());
    let request = |kind| Traced::Request(kind);
    bench.command(buy("rests", 9_980, Gtc));
    let new = request(CommandKind::NewOrder);
    let trace = bench.one(new, &[&OF_REQUEST, &[RiskPassed, AtVenue, Published]]);
    assert_eq!((trace.session, trace.request_id), (SessionId(3), bench.requests));
    assert!(trace.told.is_some());
    bench.command(buy("takes", 10_010, Ioc));
    bench.one(new, &[&OF_REQUEST, &[RiskPassed, AtVenue, Filled, Published]]);
    bench.command(buy("rests", 9_970, Gtc));
    bench.one(new, &[&OF_REQUEST, &[Published]]);
    let cancel = command::CancelOrder {
        client_order_id: ClientOrderId::new("rests").expect("valid"),
        order_id: OrderId(0),
        account: ACCOUNT,
        reserved: [0; 4],
    };
    bench.command(Command::CancelOrder(cancel));
    bench.one(request(CommandKind::CancelOrder), &[&OF_REQUEST, &[AtVenue, Published]]);
}

#[test]
fn a_fill_that_the_market_brings_is_a_way_of_its_own() {
    let mut bench = Bench::new(0, ());
    bench.command(buy("rests", 10_000, Gtc));
    let order = bench.traces().pop().expect("the order");
    bench.market(trade(Side::Sell, cents(9_995), 500));
    let fill =
        bench.one(Traced::Fill, &[&[Stage::MarketReceived, Stage::Filled, Stage::Published]]);
    assert_eq!((fill.session, fill.request_id), (order.session, order.request_id));
    assert!(fill.told.is_some() && fill.seq > order.seq);
}

#[test]
fn an_order_under_way_arrives_later() {
    let mut bench = Bench::new(2_000_000, ());
    bench.command(buy("takes", 10_010, Ioc));
    bench.wait(|status| status.fills.load(Ordering::Acquire) > 0);
    let traces = bench.traces();
    let [sent, there] = &traces[..] else { panic!("{traces:?}") };
    check(sent, &[&OF_REQUEST[..], &[Stage::RiskPassed, Stage::Published]].concat());
    assert_eq!((there.followed, there.request_id), (Traced::Arrival, sent.request_id));
    check(there, &[Stage::AtVenue, Stage::Filled, Stage::Published]);
    assert!(there.at(Stage::AtVenue) >= sent.at(Stage::Received).map(|at| at + 2_000_000));
}

/// Buys once the offer is there.
struct Buyer(bool);

impl Strategy for Buyer {
    fn on_market(&mut self, _: &Core, event: &MarketEvent, orders: &mut Orders) {
        if self.0 && event.order_ref == 77 {
            self.0 = false;
            let mut record = CommandRecord::new(buy("mine", 10_010, Ioc));
            (record.session, record.request_id) = (SessionId(9), 5);
            record.ts_recv = event.ts_recv;
            orders.send(record).expect("room for one");
        }
    }
    fn on_event(&mut self, _: &EventRecord) {}
}

#[test]
fn what_a_strategy_answers_begins_with_the_market_event() {
    use Stage::*;
    let mut bench = Bench::new(0, Buyer(true));
    bench.market(add(77, Side::Sell, cents(10_020), 5));
    let before = [MarketReceived, Applied, Decided, Sequenced, Journaled];
    let after = [RiskPassed, AtVenue, Filled, Published];
    bench.wait(|status| status.fills.load(Ordering::Acquire) > 0);
    let trace = bench.one(Traced::Request(CommandKind::NewOrder), &[&before, &after]);
    assert_eq!((trace.session, trace.request_id), (SessionId(9), 5));
}

#[test]
fn market_events_are_sampled_and_what_nobody_takes_is_counted() {
    let mut bench = Bench::new(0, ());
    for n in 0..640 {
        bench
            .feed
            .push(MarketEvent {
                ts_recv: runtime::unix_now(),
                ..level(Side::Buy, cents(9_000), n + 1)
            })
            .expect("room");
    }
    bench.wait(|status| status.market_events.load(Ordering::Acquire) >= 640);
    let sampled: Vec<_> = std::iter::from_fn(|| bench.traces.pop().ok()).collect();
    assert!((10..=12).contains(&sampled.len()), "{}", sampled.len());
    for trace in &sampled {
        check(trace, &[Stage::MarketReceived, Stage::Taken, Stage::Applied]);
    }
    for n in 0..runtime::STAGE_RING_CAPACITY + 100 {
        let record = CommandRecord::new(buy(&format!("o{n}"), 20_000, Ioc));
        while bench.lane.try_send(record).is_err() {
            std::thread::yield_now();
        }
    }
    bench.wait(|status| status.traces_dropped.load(Ordering::Acquire) >= 100);
}
