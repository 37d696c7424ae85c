//! The way to the paper venue and back, leg by leg.

mod support;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Gtc, Ioc};
use tidegate_model::command::*;
use tidegate_model::event::Event;
use tidegate_model::market::MarketEventKind as Kind;
use tidegate_model::*;

fn set(desk: &mut Desk, leg: LatencyLeg, model: LatencyModel, constant_ns: u64) -> Vec<Event> {
    desk.command(Command::SetLatency(SetLatency {
        constant_ns,
        seed: 1,
        leg: leg.wire(),
        model: model.wire(),
        reserved: [0; 6],
    }))
}

fn add_points(desk: &mut Desk, leg: LatencyLeg, points: &[(u64, u64)]) -> Vec<Event> {
    let mut add = AddLatencyPoints { leg: leg.wire(), ..Default::default() };
    add.count = points.len() as u8;
    for (slot, &(at, ns)) in add.points.iter_mut().zip(points) {
        *slot = LatencyPoint { at, ns };
    }
    desk.command(Command::AddLatencyPoints(add))
}

/// Bid 100.00 x 100, offer 100.01 x 100, and constant legs.
fn desk(feed: u64, entry: u64, answer: u64) -> Desk {
    let mut desk = Desk::new(entry);
    desk.market(add(1, Buy, cents(10_000), 100));
    desk.market(add(2, Sell, cents(10_001), 100));
    set(&mut desk, LatencyLeg::Feed, LatencyModel::Constant, feed);
    set(&mut desk, LatencyLeg::Answer, LatencyModel::Constant, answer);
    desk
}

#[test]
fn reports_leave_when_the_answer_has_come_back() {
    let mut desk = desk(0, 1_000, 500);
    assert_eq!(lines(&desk.order(Buy, None, 10, Ioc)), ["1 pending_new -> pending_new"]);
    assert_eq!(desk.core.next_due(), Some(UnixNanos(desk.now.0 + 1_000)));
    assert_eq!(lines(&desk.pass(1_000)), [""; 0], "it is filled, and nobody knows");
    assert_eq!(desk.core.oms().position(ACCOUNT, INSTRUMENT).qty, 10);
    assert_eq!(desk.core.next_due(), Some(UnixNanos(desk.now.0 + 500)));
    assert_eq!(lines(&desk.pass(499)), [""; 0]);
    let told = desk.pass(1);
    assert_eq!(lines(&told), ["1 new -> new", "1 trade 10@10001 -> filled"]);
    assert!(matches!(told[2], Event::Position(_)) && matches!(told[3], Event::Account(_)));
    assert_eq!(desk.core.next_due(), None);
    // What arrived meanwhile counts from its arrival, however late the engine is told the time.
    desk.order(Buy, None, 10, Ioc);
    assert_eq!(lines(&desk.pass(5_000)), ["2 new -> new", "2 trade 10@10001 -> filled"]);
}

#[test]
fn nothing_about_an_account_overtakes_what_was_not_told_yet() {
    let mut desk = desk(0, 0, 500);
    assert_eq!(lines(&desk.order(Buy, Some(cents(10_001)), 10, Day)), [""; 0]);
    // Canceled in the belief that it rests: the refusal comes behind the fill.
    assert_eq!(lines(&desk.cancel(1)), [""; 0]);
    // Another account has nothing to wait for.
    let order = NewOrder { account: AccountId(2), ..new_order("b", Buy, None, 10, Ioc) };
    let other = NewOrder { qty: Lots(0), ..order };
    let told = lines(&desk.command(Command::NewOrder(other)));
    assert!(matches!(&told[..], [refused] if refused.starts_with("0 rejected")), "{told:?}");
    desk.pass(100);
    assert_eq!(
        lines(&desk.pass(400)),
        [
            "1 new -> new",
            "1 trade 10@10001 -> filled",
            "1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"
        ]
    );
    // Fills at rest are told late as well; the market itself is not.
    desk.order(Buy, Some(cents(10_000)), 10, Gtc);
    desk.pass(500);
    desk.market(market(Kind::Delete, 1));
    let sold = add(9, Sell, cents(10_000), 10);
    assert_eq!(lines(&desk.market(sold)), [""; 0]);
    assert_eq!(lines(&desk.pass(500)), ["2 trade 10@10000 -> filled"]);
}

#[test]
fn the_feed_leg_is_on_the_way_there_and_not_on_the_way_back() {
    let mut desk = desk(300, 1_000, 500);
    desk.order(Buy, None, 10, Ioc);
    assert_eq!(desk.core.next_due(), Some(UnixNanos(desk.now.0 + 1_300)));
    desk.pass(1_300);
    assert_eq!(desk.core.next_due(), Some(UnixNanos(desk.now.0 + 200)));
    // An answer that is quicker than the feed comes with the market's news.
    set(&mut desk, LatencyLeg::Answer, LatencyModel::Constant, 100);
    desk.pass(200);
    desk.order(Buy, None, 10, Ioc);
    assert_eq!(lines(&desk.pass(1_300)), ["2 new -> new", "2 trade 10@10001 -> filled"]);
}

#[test]
fn a_recording_is_replayed_by_time() {
    let mut desk = desk(0, 0, 0);
    let start = desk.now.0;
    set(&mut desk, LatencyLeg::Entry, LatencyModel::Recorded, 7);
    desk.order(Buy, None, 1, Ioc);
    assert_eq!(desk.core.next_due(), Some(UnixNanos(start + 7)), "no points yet");
    desk.pass(7);
    let points = [(start + 1_000, 100), (start + 2_000, 300)];
    assert!(
        matches!(add_points(&mut desk, LatencyLeg::Entry, &points)[..], [Event::Ack(ack)] if ack.value == 2)
    );
    for (at, want) in [(500, 100), (1_000, 100), (1_500, 200), (1_999, 299), (3_000, 300)] {
        desk.pass(start + at - desk.now.0);
        desk.order(Buy, None, 1, Ioc);
        assert_eq!(desk.core.next_due(), Some(UnixNanos(desk.now.0 + want)), "at {at}");
        desk.pass(want);
    }
}

#[test]
fn a_distribution_draws_the_same_from_the_same_seed() {
    let draws = |seed: u64| -> Vec<u64> {
        let mut desk = desk(0, 0, 0);
        desk.command(Command::SetLatency(SetLatency {
            constant_ns: 0,
            seed,
            leg: LatencyLeg::Entry.wire(),
            model: LatencyModel::Distribution.wire(),
            reserved: [0; 6],
        }));
        add_points(&mut desk, LatencyLeg::Entry, &[(0, 1_000), (1_000_000_000, 2_000)]);
        let mut draws = Vec::new();
        for _ in 0..20 {
            desk.order(Buy, None, 1, Ioc);
            let due = desk.core.next_due().expect("on its way");
            draws.push(due.0 - desk.now.0);
            desk.pass(2_000);
        }
        draws
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
    assert!(draws(1).iter().all(|ns| (1_000..=2_000).contains(ns)));
}

#[test]
fn tables_are_checked() {
    use LatencyLeg::{Answer, Entry};
    let mut desk = desk(0, 0, 0);
    let check = |told: Vec<Event>, want: &str| {
        let [Event::Ack(ack)] = told[..] else { panic!("{told:?}") };
        assert_eq!(ack.reject().map_or(String::new(), |reject| reject.to_string()), want);
    };
    check(set(&mut desk, Entry, LatencyModel::Constant, LATENCY_NS_MAX), "");
    let hour = "bad_field: limit=3600000000000 value=3600000000001";
    check(set(&mut desk, Entry, LatencyModel::Constant, LATENCY_NS_MAX + 1), hour);
    check(add_points(&mut desk, Answer, &[(1, LATENCY_NS_MAX + 1)]), hour);
    for (leg, model) in [(0, 1), (4, 1), (1, 0), (1, 4)] {
        let set = SetLatency { leg, model, ..Default::default() };
        let wrong = if (1..=3).contains(&leg) { model } else { leg };
        check(desk.command(Command::SetLatency(set)), &format!("bad_field: limit=3 value={wrong}"));
    }
    let add = AddLatencyPoints { leg: Answer.wire(), count: 8, ..Default::default() };
    check(desk.command(Command::AddLatencyPoints(add)), "bad_field: limit=7 value=8");
    check(add_points(&mut desk, Answer, &[(5, 9), (5, 9)]), "bad_field: limit=5 value=5");
    check(add_points(&mut desk, Answer, &[(5, 9), (6, 8)]), "");
    check(add_points(&mut desk, Answer, &[(6, 8)]), "bad_field: limit=6 value=6");
    // Quantiles neither fall nor pass one.
    set(&mut desk, Answer, LatencyModel::Distribution, 0);
    check(add_points(&mut desk, Answer, &[(5, 9), (6, 8)]), "bad_field: limit=5 value=6");
    let beyond = "bad_field: limit=1000000000 value=1000000001";
    check(add_points(&mut desk, Answer, &[(1_000_000_001, 9)]), beyond);
    check(add_points(&mut desk, Answer, &[(5, 9)]), "");
    for chunk in 0..65_535 / 7 {
        let points: Vec<(u64, u64)> = (0..7).map(|n| (6 + chunk * 7 + n, 9)).collect();
        check(add_points(&mut desk, Answer, &points), "");
    }
    // 1 + 9,362 x 7 = 65,535 are there.
    let full = "capacity_exceeded: limit=65536 value=65537";
    check(add_points(&mut desk, Answer, &[(80_000, 9), (80_001, 9)]), full);
    check(add_points(&mut desk, Answer, &[(80_000, 9)]), "");
    check(add_points(&mut desk, Answer, &[(80_001, 9)]), full);
}

#[test]
fn when_too_many_reports_are_on_their_way_the_oldest_leave_early() {
    let mut desk = desk(0, 0, 1_000_000);
    desk.order(Buy, Some(cents(9_000)), 10, Gtc);
    let mut told = 0;
    for n in 0..70_000 {
        told += desk.replace(1, cents(9_000), 10 + n % 2).len();
    }
    assert_eq!(told, 70_001 - 65_536);
    assert_eq!(desk.pass(1_000_000).len(), 65_536, "and none is lost");
}
