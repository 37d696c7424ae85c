//! From a market event into the engine's feed ring to the fill of the order that answers it out of its event ring.
//!
//! The way: feed ring -> engine thread {sequence, journal, book, strategy callback -> sequence, journal, risk,
//! order store, paper venue} -> event ring. Two threads: this one sends and receives on one core, the engine spins
//! on another; release level `process`.
//!
//! Open loop: events are sent at fixed times whatever the engine does, and the clock of each starts when it was
//! *due*, not when it was sent, so a stall counts for every event that it delays (no coordinated omission). It
//! stops when the last event of its order (the trade) is taken from the ring.
//!
//! The floor is the same with a thread that only answers: what the machine takes for the two hops, and how often it
//! stops a thread that asks for nothing but its core.

#![allow(missing_docs, reason = "a bench")]

use core_affinity::CoreId;
use hdrhistogram::Histogram;
use quanta::Clock;
use rtrb::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidegate_bench::desk::{self, CONFIGURE, Taker};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::lane::lane;
use tidegate_engine::runtime::{self, BookRequests, EngineConfig, Inputs, Outputs, Wait};
use tidegate_model::event::{Event, ExecType, Execution};
use tidegate_model::{EventRecord, MarketEvent, Side, Ticks};

/// Events a second that are offered, one order each.
const RATES: [u64; 2] = [100_000, 200_000];
const WARM_UP: u64 = 100_000;
const MEASURED: u64 = 900_000;
const BID: Ticks = Ticks(1_000_000);
const OFFER: Ticks = Ticks(1_000_100);

fn main() {
    // `cargo bench -- NAME` and `cargo test --benches` pass arguments; run only when meant.
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_test = std::env::args().any(|arg| arg == "--test");
    let wanted = names.iter().all(|name| "tick_to_order".contains(name.as_str()));
    if is_test || !wanted {
        return;
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if cores.len() < 2 {
        println!("tick_to_order: needs two cores, this machine offers {}", cores.len());
        return;
    }
    println!(
        "tick_to_order: nanoseconds from due time to fill; sender on core {}, engine on core {}",
        cores[0].id, cores[1].id
    );
    for (what, measure) in [("floor", floor as Measure), ("order", order)] {
        for rate in RATES {
            // A thread of its own, because whoever starts the engine must not be pinned itself.
            let (sender, engine) = (cores[0], cores[1]);
            let run = std::thread::spawn(move || measure(rate, sender, engine));
            let figures = run.join().expect("the measurement does not panic");
            let at = |quantile| figures.value_at_quantile(quantile);
            println!(
                "  {what} at {rate:>7} a second: p50 {}  p90 {}  p99 {}  p99.9 {}  p99.99 {}  max {}  of {}",
                at(0.5),
                at(0.9),
                at(0.99),
                at(0.999),
                at(0.9999),
                figures.max(),
                figures.len(),
            );
        }
    }
}

/// Measures at a rate, with the sender on one core and what answers it on another.
type Measure = fn(u64, CoreId, CoreId) -> Histogram<u64>;

/// What the machine takes for the two hops alone: a thread that answers each event with a record and does nothing else.
fn floor(rate: u64, sender: CoreId, answerer: CoreId) -> Histogram<u64> {
    let (feed, mut feed_in) = runtime::feed_ring();
    let (mut events_out, mut events) = runtime::event_ring();
    let mut fill: Execution = bytemuck::Zeroable::zeroed();
    fill.exec_type = ExecType::Trade.wire();
    let mut record = EventRecord::new(&Event::Execution(fill));
    record.session = desk::SESSION;
    let answering = std::thread::spawn(move || {
        core_affinity::set_for_current(answerer);
        loop {
            let Ok(event) = feed_in.pop() else {
                if feed_in.is_abandoned() {
                    return;
                }
                std::hint::spin_loop();
                continue;
            };
            record.request_id = event.feed_seq;
            events_out.push(record).expect("the sender reads as fast as it sends");
        }
    });
    core_affinity::set_for_current(sender);
    let figures = drive(rate, feed, &mut events, || answering.is_finished());
    answering.join().expect("the answers do not fail");
    figures
}

/// From event to fill through the engine.
fn order(rate: u64, sender: CoreId, engine_core: CoreId) -> Histogram<u64> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut feed, feed_in) = runtime::feed_ring();
    let (events_out, mut events) = runtime::event_ring();
    let (stages, _stages) = runtime::stage_ring();
    let (public, _public) = broadcast::channel(Arc::default()).expect("memory");
    let (mut operator, operator_in) = lane();
    let config = EngineConfig {
        journal_dir: (&dir.path().join("journal")).into(),
        journal: tidegate_journal::Config { segment_len: 512 << 20, ..Default::default() },
        configure: CONFIGURE,
        pin_core: Some(engine_core.id),
        wait: Wait::Spin,
        release: Arc::default(),
        sync: Some(Default::default()),
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    };
    let book_requests = Arc::new(BookRequests::default());
    let inputs = Inputs { feed: feed_in, lanes: vec![operator_in], book_requests };
    let outputs = Outputs {
        events: events_out,
        public,
        stages,
        routes: Vec::new(),
        seats: Default::default(),
    };
    let engine = runtime::start(config, inputs, outputs, EventPosition::default(), Taker)
        .expect("the engine starts");
    core_affinity::set_for_current(sender);
    while !engine.status.alive.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    let mut send = |event: MarketEvent| {
        let event = MarketEvent { ts_recv: runtime::unix_now(), ..event };
        while feed.push(event).is_err() {
            std::hint::spin_loop();
        }
    };
    send(desk::definition());
    send(desk::add(1, Side::Buy, BID, 1_000));
    send(desk::add(2, Side::Sell, OFFER, 1_000));
    for command in desk::set_up() {
        operator.try_send(command).expect("an empty lane takes three commands");
    }
    std::thread::sleep(Duration::from_millis(50));

    let figures = drive(rate, feed, &mut events, || engine.is_finished());
    engine.stop().expect("the engine does not fail");
    figures
}

/// Sends events when they are due and takes what comes back until every one is answered, or nobody will.
fn drive(
    rate: u64,
    mut feed: Producer<MarketEvent>,
    events: &mut Consumer<EventRecord>,
    is_over: impl Fn() -> bool,
) -> Histogram<u64> {
    let clock = Clock::new();
    let period_ns = 1_000_000_000 / rate;
    let mut figures =
        Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).expect("a valid shape");
    let started = clock.raw();
    let (mut sent, mut received) = (0, 0);
    let mut refs = [1u64, 2];
    while received < WARM_UP + MEASURED {
        let now = clock.delta_as_nanos(started, clock.raw());
        if sent < WARM_UP + MEASURED && now >= sent * period_ns {
            let side = (sent % 2) as usize;
            let new_ref = sent + 3;
            let event = desk::refresh(refs[side], new_ref, [BID, OFFER][side], 1_000, sent);
            // The engine's time is not measured by the wall clock here: a system call would be.
            while feed.push(event).is_err() {
                std::hint::spin_loop();
            }
            refs[side] = new_ref;
            sent += 1;
        }
        while let Ok(record) = events.pop() {
            let is_fill = matches!(
                record.event(),
                Some(Event::Execution(execution)) if execution.exec_type == ExecType::Trade.wire()
            );
            if is_fill && record.session == desk::SESSION {
                let now = clock.delta_as_nanos(started, clock.raw());
                if record.request_id >= WARM_UP {
                    figures.saturating_record(now - record.request_id * period_ns);
                }
                received += 1;
            }
        }
        if is_over() {
            break;
        }
    }
    figures
}
