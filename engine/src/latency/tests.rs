use super::*;
use crate::runtime::{Trace, Traced, stage_ring};
use proptest::prelude::*;
use rtrb::Producer;
use std::sync::Arc;
use tidegate_model::command::CommandKind;
use tidegate_model::{ReleaseLevel, SeqNo};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
/// When the tests begin: on a second, and on ten of them.
const T0: u64 = 1_700_000_000 * S;

struct Desk {
    latency: Arc<Latency>,
    collector: Collector,
    traces: Producer<Trace>,
}

impl Desk {
    fn new(level: ReleaseLevel) -> Self {
        let (traces, out) = stage_ring();
        let latency = Arc::new(Latency::new(Budgets::whole(10 * MS)));
        Self { collector: Collector::new(Arc::clone(&latency), out, level), latency, traces }
    }

    fn turn(&mut self, at: u64) {
        self.collector.turn(UnixNanos(at));
    }

    /// A request of session 4 that took `ns` from its receipt to its publication, and all that is said of it at once.
    fn ended(&mut self, seq: u64, at: u64, ns: u64) {
        self.traces.push(order(seq, at - ns, ns)).expect("room");
        self.latency.released(place(seq, 9), UnixNanos(at));
        self.latency.delivered(SessionId(4), seq, place(seq, 1), UnixNanos(at));
        self.turn(at);
    }

    fn figures(&self, what: What, window: Window, at: u64) -> Figures {
        let report = self.latency.report(window, UnixNanos(at));
        *report.figures.iter().find(|figures| figures.what == what).expect("each is there")
    }

    fn count(&self, at: u64) -> u64 {
        self.figures(What::Path(Path::Order), Window::Start, at).count
    }
}

fn place(seq: u64, ordinal: u32) -> EventPosition {
    EventPosition { seq: SeqNo(seq), ordinal }
}

/// An order of session 4 whose request is numbered as its input; two events tell of it.
fn order(seq: u64, received: u64, ns: u64) -> Trace {
    let mut trace = Trace {
        followed: Traced::Request(CommandKind::NewOrder),
        seq: SeqNo(seq),
        session: SessionId(4),
        request_id: seq,
        told: Some(1),
        ..Trace::default()
    };
    for (stage, at) in [
        (Stage::Received, received),
        (Stage::Sequenced, received + ns / 4),
        (Stage::Journaled, received + ns / 2),
        (Stage::RiskPassed, received + ns / 2),
        (Stage::AtVenue, received + ns * 3 / 4),
        (Stage::Published, received + ns),
    ] {
        trace.set(stage, at);
    }
    trace
}

#[test]
fn what_several_threads_stamped_is_one_way() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    desk.traces.push(order(50, T0, 4 * MS)).expect("room");
    desk.turn(T0 + 4 * MS);
    assert_eq!(desk.count(T0 + 4 * MS), 0, "the report has not left");
    desk.latency.released(place(50, 1), UnixNanos(T0 + 5 * MS));
    // The first of two reports.
    desk.latency.delivered(SessionId(4), 50, place(50, 0), UnixNanos(T0 + 6 * MS));
    desk.turn(T0 + 6 * MS);
    assert_eq!(desk.count(T0 + 6 * MS), 0);
    desk.latency.delivered(SessionId(4), 50, place(50, 1), UnixNanos(T0 + 7 * MS));
    desk.turn(T0 + 7 * MS);
    let report = desk.latency.report(Window::Start, UnixNanos(T0 + 7 * MS));
    assert_eq!((report.traces, report.pending, report.dropped), (1, 0, 0));
    let [slow] = &report.slowest[..] else { panic!("{:?}", report.slowest) };
    let steps: Vec<_> = slow.steps().map(|(stage, at)| (stage, (at - T0) / MS)).collect();
    let expected = [
        (Stage::Received, 0),
        (Stage::Sequenced, 1),
        (Stage::Journaled, 2),
        (Stage::RiskPassed, 2),
        (Stage::AtVenue, 3),
        (Stage::Published, 4),
        (Stage::Released, 5),
        (Stage::Delivered, 7),
    ];
    assert_eq!((slow.took_ns, &steps[..]), (7 * MS, &expected[..]));
    let delivered = desk.figures(What::Stage(Stage::Delivered), Window::Start, T0 + 7 * MS);
    assert_eq!((delivered.count, delivered.max_ns / MS, delivered.budget_ns), (1, 2, None));
    assert_eq!(desk.figures(What::Stage(Stage::Filled), Window::Start, T0).count, 0);
}

#[test]
fn an_order_that_reaches_its_venue_later_is_one_way_too() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    let mut sent = order(50, T0, MS);
    sent.set(Stage::AtVenue, 0);
    desk.traces.push(sent).expect("room");
    desk.latency.released(place(50, 1), UnixNanos(T0 + MS));
    desk.latency.delivered(SessionId(4), 50, place(50, 1), UnixNanos(T0 + MS));
    desk.turn(T0 + MS);
    assert_eq!(desk.count(T0 + MS), 0, "it is on its way");
    let mut there = Trace { followed: Traced::Arrival, seq: SeqNo(60), ..sent };
    there.stamps = [0; Stage::COUNT];
    for (stage, ms) in [(Stage::AtVenue, 3), (Stage::Filled, 4), (Stage::Published, 5)] {
        there.set(stage, T0 + ms * MS);
    }
    desk.traces.push(there).expect("room");
    desk.latency.released(place(60, 1), UnixNanos(T0 + 6 * MS));
    desk.latency.delivered(SessionId(4), 50, place(60, 1), UnixNanos(T0 + 7 * MS));
    desk.turn(T0 + 7 * MS);
    let slowest = desk.latency.report(Window::Start, UnixNanos(T0 + 7 * MS)).slowest;
    let steps: Vec<_> = slowest[0].steps().map(|(stage, at)| (stage, (at - T0) / MS)).collect();
    assert_eq!(steps[4..7], [(Stage::AtVenue, 3), (Stage::Filled, 4), (Stage::Published, 5)]);
    assert_eq!(steps[7..], [(Stage::Released, 6), (Stage::Delivered, 7)]);
    // One whose request is forgotten is nobody's.
    desk.traces.push(Trace { request_id: 51, ..there }).expect("room");
    desk.turn(T0 + 8 * MS);
    assert_eq!(desk.count(T0 + 5 * S), 1);
}

#[test]
fn a_report_that_nobody_takes_ends_the_wait_after_a_second() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    desk.traces.push(order(50, T0, MS)).expect("room");
    desk.latency.released(place(50, 1), UnixNanos(T0 + 2 * MS));
    desk.turn(T0 + 2 * MS);
    desk.turn(T0 + S);
    assert_eq!(desk.count(T0 + S), 0);
    desk.turn(T0 + S + 2 * MS);
    assert_eq!(desk.figures(What::Path(Path::Order), Window::Start, T0 + 2 * S).max_ns / MS, 2);
}

#[test]
fn what_waits_for_its_release_is_followed_until_then() {
    let mut desk = Desk::new(ReleaseLevel::Power);
    desk.traces.push(order(50, T0, MS)).expect("room");
    for second in 0..5 {
        desk.turn(T0 + second * S);
    }
    assert_eq!(desk.count(T0 + 5 * S), 0, "the disk is slow");
    desk.latency.released(place(50, 1), UnixNanos(T0 + 5 * S));
    desk.latency.delivered(SessionId(4), 50, place(50, 1), UnixNanos(T0 + 5 * S + MS));
    desk.turn(T0 + 5 * S + MS);
    let released = desk.figures(What::Stage(Stage::Released), Window::Start, T0 + 6 * S);
    assert_eq!((released.count, released.max_ns / S), (1, 4), "5 s less a millisecond");
    let (alerts, _) = desk.latency.alerts_after(0);
    assert_eq!(
        (alerts.len(), alerts[0].what, alerts[0].took_ns),
        (1, What::Path(Path::Order), 5 * S + MS)
    );
}

#[test]
fn a_session_that_shares_memory_has_its_reports_when_they_may_leave() {
    for (level, delivered) in [(ReleaseLevel::Process, 4), (ReleaseLevel::Power, 9)] {
        let mut desk = Desk::new(level);
        desk.latency.seated(SessionId(4));
        desk.traces.push(order(50, T0, 4 * MS)).expect("room");
        desk.latency.released(place(50, 1), UnixNanos(T0 + 9 * MS));
        desk.turn(T0 + 9 * MS);
        let slowest = desk.latency.report(Window::Start, UnixNanos(T0 + 9 * MS)).slowest;
        assert_eq!(slowest[0].trace.at(Stage::Delivered), Some(T0 + delivered * MS), "{level}");
        assert_eq!(slowest[0].took_ns, delivered * MS);
    }
}

#[test]
fn a_breach_is_an_alert_and_further_ones_are_counted_for_a_second() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    desk.ended(1, T0, 10 * MS);
    assert_eq!(desk.latency.alerts_after(0).0, [], "just within it");
    desk.ended(2, T0 + MS, 10 * MS + 1);
    for (seq, ms) in [(3, 30), (4, 50), (5, 40)] {
        desk.ended(seq, T0 + 2 * MS, ms * MS);
    }
    let (alerts, last) = desk.latency.alerts_after(0);
    assert_eq!((alerts.len(), last, alerts[0].breaches, alerts[0].took_ns), (1, 1, 1, 10 * MS + 1));
    desk.turn(T0 + S);
    assert_eq!(desk.latency.alerts_after(1).0, []);
    desk.turn(T0 + S + MS);
    let (alerts, last) = desk.latency.alerts_after(1);
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!((last, alert.breaches, alert.took_ns, alert.budget_ns), (2, 3, 50 * MS, 10 * MS));
    assert_eq!((alert.trace.seq, alert.at), (SeqNo(4), UnixNanos(T0 + S + MS)));
    assert_eq!(desk.figures(What::Path(Path::Order), Window::Start, T0 + S).breaches, 4);
    // Each stage has a budget of its own, if any.
    let mut budgets = Budgets::whole(S);
    budgets.set(What::Stage(Stage::Journaled), MS);
    desk.latency = Arc::new(Latency::new(budgets));
    let (traces, out) = stage_ring();
    desk.traces = traces;
    desk.collector = Collector::new(Arc::clone(&desk.latency), out, ReleaseLevel::Process);
    desk.ended(6, T0 + 3 * S, 8 * MS);
    let (alerts, _) = desk.latency.alerts_after(0);
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!((alert.what, alert.took_ns), (What::Stage(Stage::Journaled), 2 * MS));
}

#[test]
fn the_slowest_are_those_of_the_last_minute() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    for seq in 0..30 {
        desk.ended(seq + 1, T0 + seq * S, (seq % 7 + 1) * MS);
    }
    let at = T0 + 29 * S;
    let took = |desk: &Desk, at: u64| -> Vec<u64> {
        let report = desk.latency.report(Window::Start, UnixNanos(at));
        report.slowest.iter().map(|slow| slow.took_ns / MS).collect()
    };
    assert_eq!(took(&desk, at), [7, 7, 7, 7, 6, 6, 6, 6, 5, 5]);
    let worst = desk.latency.report(Window::Start, UnixNanos(at)).worst_by_second;
    assert_eq!((worst.len(), worst[59], worst[30], worst[29]), (WINDOW_S, 2 * MS, MS, 0));
    // Those of 7 ms were at seconds 6, 13, 20 and 27.
    assert_eq!(took(&desk, T0 + 65 * S).first(), Some(&7));
    assert_eq!(took(&desk, T0 + 85 * S), [7, 6, 2, 1], "seconds 26 to 29");
    assert_eq!(took(&desk, T0 + 89 * S), [0; 0]);
}

#[test]
fn the_last_minute_forgets_and_all_since_the_start_does_not() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    let order = What::Path(Path::Order);
    desk.ended(1, T0, MS);
    desk.ended(2, T0 + 30 * S, 2 * MS);
    let count = |desk: &Desk, at| desk.figures(order, Window::Minute, at).count;
    assert_eq!((count(&desk, T0 + 31 * S), count(&desk, T0 + 59 * S)), (2, 2));
    assert_eq!((count(&desk, T0 + 60 * S), count(&desk, T0 + 90 * S)), (1, 0));
    desk.ended(3, T0 + 600 * S, 3 * MS);
    assert_eq!((count(&desk, T0 + 600 * S), desk.count(T0 + 600 * S)), (1, 3));
    let minute = desk.figures(order, Window::Minute, T0 + 600 * S);
    assert!(minute.p50_ns.abs_diff(3 * MS) <= 3 * MS / 100, "to one per cent: {minute:?}");
    // A clock that is set back changes nothing.
    desk.ended(4, T0, 4 * MS);
    assert_eq!(count(&desk, T0), 2);
}

#[test]
fn decoding_is_a_step_of_its_own() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    desk.latency.decoded(UnixNanos(T0), UnixNanos(T0 + 700));
    desk.turn(T0 + MS);
    let figures = desk.figures(What::Stage(Stage::Decoded), Window::Minute, T0 + MS);
    assert_eq!((figures.count, figures.max_ns), (1, 703), "to one per cent");
}

#[test]
fn what_finds_no_room_is_counted() {
    let latency = Latency::default();
    for seq in 0..QUEUE_MAX as u64 + 3 {
        latency.delivered(SessionId(1), seq, place(seq, 0), UnixNanos(T0));
    }
    assert_eq!(latency.report(Window::Start, UnixNanos(T0)).dropped, 3);
}

#[test]
fn counts_up_to_bounds_are_those_of_all_measurements() {
    let mut desk = Desk::new(ReleaseLevel::Process);
    for (seq, ms) in [(1, 1), (2, 2), (3, 400)] {
        desk.ended(seq, T0 + seq * S, ms * MS);
    }
    let counted = desk.latency.cumulative(&[MS / 2, 3 * MS, S]);
    let of = counted.iter().find(|counts| counts.what == What::Path(Path::Order)).expect("there");
    assert_eq!((&of.counts[..], of.count, of.sum_ns), (&[0, 2, 3][..], 3, 403 * MS));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Traces, releases and deliveries come from three threads, each in its own order: what is counted is the same however they are
    /// mixed, and whenever the collector looks.
    #[test]
    fn however_stamps_are_mixed_the_ways_are_the_same(
        mixed in proptest::collection::vec((0usize..3, any::<bool>()), 60..200),
    ) {
        const ORDERS: u64 = 12;
        let mut desk = Desk::new(ReleaseLevel::Process);
        let mut next = [1u64; 3];
        let all = mixed.into_iter().chain((0..3 * ORDERS as usize).map(|n| (n % 3, true)));
        for (source, turns) in all {
            let seq = next[source];
            if seq > ORDERS {
                continue;
            }
            next[source] += 1;
            let received = T0 + seq * MS;
            match source {
                0 => desk.traces.push(order(seq, received, seq * 4)).expect("room"),
                1 => desk.latency.released(place(seq, 3), UnixNanos(received + 500)),
                _ => {
                    desk.latency.delivered(SessionId(4), seq, place(seq, 0), UnixNanos(received + 600));
                    desk.latency.delivered(SessionId(4), seq, place(seq, 1), UnixNanos(received + 1_000));
                }
            }
            if turns {
                desk.turn(T0 + 100 * MS);
            }
        }
        desk.turn(T0 + 100 * MS);
        let report = desk.latency.report(Window::Start, UnixNanos(T0 + 100 * MS));
        prop_assert_eq!((report.traces, report.pending), (ORDERS, 0));
        let whole = desk.figures(What::Path(Path::Order), Window::Start, T0 + 100 * MS);
        prop_assert_eq!((whole.count, whole.p50_ns, whole.max_ns), (ORDERS, 1_000, 1_000));
        let released = desk.figures(What::Stage(Stage::Released), Window::Start, T0 + 100 * MS);
        prop_assert_eq!((released.count, released.max_ns), (ORDERS, 496));
    }
}
