//! Parent orders on the paper venue, scenario by scenario: what is done to the desk, and every report about orders.

mod support;
use support::quoted::{check_all_released, desk, trade};
use support::*;
use tidegate_engine::core::{Collected, Input};
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Gtc, Ioc};
use tidegate_model::command::*;
use tidegate_model::market::{MarketEventKind as Kind, TradingStatus};
use tidegate_model::*;

const SEC: u64 = 1_000_000_000;
const LATENCY_NS: u64 = 1_000;

const BLANK: NewAlgorithm = NewAlgorithm {
    account: ACCOUNT,
    list_id: 0,
    start_at: UnixNanos::ZERO,
    end_at: UnixNanos::ZERO,
    interval_ns: 0,
    slice_qty: Lots::ZERO,
    rate_bp: 0,
    curve: 0,
    algorithm: 0,
    reserved: [0; 7],
};

/// From now on for ten seconds, once a second.
fn twap(desk: &Desk) -> NewAlgorithm {
    let (algorithm, end_at) = (Algorithm::Twap.wire(), UnixNanos(desk.now.0 + 10 * SEC));
    NewAlgorithm { algorithm, end_at, interval_ns: SEC, ..BLANK }
}

fn iceberg(slice: u64) -> NewAlgorithm {
    NewAlgorithm { algorithm: Algorithm::Iceberg.wire(), slice_qty: Lots(slice), ..BLANK }
}

fn pov(rate_bp: u32, least: u64) -> NewAlgorithm {
    let algorithm = Algorithm::Pov.wire();
    NewAlgorithm { algorithm, rate_bp, slice_qty: Lots(least), ..BLANK }
}

fn enter(desk: &mut Desk, new: NewAlgorithm, parent: NewOrder) -> Vec<String> {
    desk.names += 1;
    let list_id = desk.names as u32;
    let client_order_id = ClientOrderId::new(&format!("parent-{list_id}")).expect("valid");
    assert!(desk.command(Command::NewAlgorithm(NewAlgorithm { list_id, ..new })).is_empty());
    let parent = NewOrder { client_order_id, list_id, leg: 1, ..parent };
    lines(&desk.command(Command::NewOrder(parent)))
}

fn buy(qty: u64, price: Option<i64>) -> NewOrder {
    new_order("x", Buy, price.map(cents), qty, Day)
}

/// CumQty and what is at work of order 1, a parent.
fn at_work(desk: &Desk) -> (u64, u64) {
    let slot = desk.core.oms().by_id(OrderId(1)).expect("kept");
    let cum_qty = desk.core.oms().order(slot).cum_qty.0;
    (cum_qty, desk.core.oms().at_work(slot).0 - cum_qty)
}

fn set_status(desk: &mut Desk, status: TradingStatus) {
    desk.market(MarketEvent { flags: status.wire().into(), ..market(Kind::Status, 0) });
}

#[test]
fn twap_sends_the_same_in_each_interval() {
    let mut desk = desk(0);
    let new = twap(&desk);
    assert_eq!(
        enter(&mut desk, new, buy(105, None)),
        [
            "1 new -> new",
            "2 new -> new",
            "2 trade 10@10010 -> filled",
            "1 order_status -> partially_filled"
        ]
    );
    assert_eq!(lines(&desk.pass(SEC - 1)), [""; 0]);
    let second =
        ["3 new -> new", "3 trade 11@10010 -> filled", "1 order_status -> partially_filled"];
    assert_eq!(lines(&desk.pass(1)), second, "rounding carries over");
    // Whoever is late catches up with one child.
    desk.pass(4 * SEC);
    assert_eq!(at_work(&desk), (63, 0));
    for _ in 0..4 {
        desk.pass(SEC);
    }
    assert_eq!(at_work(&desk), (105, 0));
    assert_eq!(desk.core.oms().open_count(), 0);
    assert_eq!(desk.core.next_due(), None);
    check_all_released(&desk);
}

#[test]
fn a_child_that_rests_makes_way_for_the_next_and_the_end_takes_what_is_left() {
    let mut desk = desk(LATENCY_NS);
    let new = twap(&desk);
    assert_eq!(
        enter(&mut desk, new, buy(100, Some(9_995))),
        ["1 new -> new", "2 pending_new -> pending_new"]
    );
    desk.pass(SEC / 2);
    trade(&mut desk, 9_990, 4);
    assert_eq!(at_work(&desk), (4, 6));
    assert_eq!(
        lines(&desk.pass(SEC / 2)),
        ["2 pending_cancel -> pending_cancel"],
        "the next goes out when this one is gone"
    );
    assert_eq!(trade(&mut desk, 9_990, 1)[0], "2 trade 1@9995 -> pending_cancel");
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        ["2 canceled 5 parent -> canceled", "3 pending_new -> pending_new"]
    );
    assert_eq!(at_work(&desk), (5, 15));
    desk.pass(9 * SEC);
    let told = lines(&desk.pass(LATENCY_NS));
    assert!(told.contains(&"1 expired -> expired".to_owned()), "{told:?}");
    assert_eq!(desk.core.oms().open_count(), 0);
    check_all_released(&desk);
}

#[test]
fn vwap_follows_its_curve() {
    let mut desk = desk(0);
    let mut weights = [0; CURVE_BUCKETS_MAX];
    weights[..3].copy_from_slice(&[1, 3, 1]);
    let curve = SetVolumeCurve {
        begin_ns: desk.now.0,
        bucket_ns: 5 * SEC,
        curve: 0,
        bucket_count: 3,
        reserved: [0; 3],
        weights,
    };
    let vwap = NewAlgorithm {
        algorithm: Algorithm::Vwap.wire(),
        end_at: UnixNanos(desk.now.0 + 10 * SEC),
        interval_ns: 2 * SEC + SEC / 2,
        ..BLANK
    };
    let told = enter(&mut desk, vwap, buy(80, None));
    assert_eq!(told, ["0 rejected -> rejected unknown_curve: limit=0 value=0"]);
    desk.command(Command::SetVolumeCurve(curve));
    enter(&mut desk, vwap, buy(80, None));
    let mut executed = vec![at_work(&desk).0];
    for _ in 0..3 {
        desk.pass(vwap.interval_ns);
        executed.push(at_work(&desk).0);
    }
    assert_eq!(executed, [10, 20, 50, 80]);
    check_all_released(&desk);
}

#[test]
fn pov_takes_its_share_of_what_is_traded() {
    let mut desk = desk(0);
    assert_eq!(enter(&mut desk, pov(1_000, 5), buy(30, None)), ["1 new -> new"]);
    assert_eq!(trade(&mut desk, 10_000, 49), [""; 0]);
    assert_eq!(
        trade(&mut desk, 10_000, 1),
        ["2 new -> new", "2 trade 5@10010 -> filled", "1 order_status -> partially_filled"]
    );
    trade(&mut desk, 10_000, 200);
    assert_eq!(at_work(&desk), (25, 0));
    // What is left is less than the least, and goes out all the same.
    trade(&mut desk, 10_000, 10_000);
    assert_eq!(at_work(&desk), (30, 0));
    check_all_released(&desk);
}

#[test]
fn an_iceberg_reloads_when_a_part_is_filled() {
    let mut desk = desk(0);
    enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    assert_eq!(at_work(&desk), (0, 10));
    assert_eq!(
        trade(&mut desk, 9_990, 4),
        ["2 trade 4@9995 -> partially_filled", "1 order_status -> partially_filled"]
    );
    assert_eq!(
        trade(&mut desk, 9_990, 100),
        ["2 trade 6@9995 -> filled", "1 order_status -> partially_filled", "3 new -> new"]
    );
    trade(&mut desk, 9_990, 100);
    assert_eq!(at_work(&desk), (20, 5));
    assert_eq!(
        trade(&mut desk, 9_990, 100),
        ["4 trade 5@9995 -> filled", "1 order_status -> filled"]
    );
    check_all_released(&desk);
}

#[test]
fn an_iceberg_that_trades_at_once_takes_turns_with_everybody_else() {
    let mut desk = desk(0);
    let told = enter(&mut desk, iceberg(10), buy(200, Some(10_010)));
    assert_eq!(told.iter().filter(|line| line.contains("trade")).count(), 8);
    assert_eq!(at_work(&desk), (80, 0));
    desk.pass(SEC / 1_000);
    assert_eq!(at_work(&desk), (160, 0));
    desk.pass(SEC / 1_000);
    check_all_released(&desk);
}

#[test]
fn a_parent_is_canceled_after_its_child() {
    let mut desk = desk(LATENCY_NS);
    enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    desk.pass(LATENCY_NS);
    assert_eq!(
        lines(&desk.cancel(1)),
        ["1 pending_cancel -> pending_cancel", "2 pending_cancel -> pending_cancel"]
    );
    // It is filled meanwhile, and no other goes out.
    trade(&mut desk, 9_990, 100);
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        [
            "2 cancel_reject -> filled too_late_to_cancel: limit=0 value=2",
            "1 canceled 15 user -> canceled"
        ]
    );
    assert_eq!(at_work(&desk), (10, 0));
    check_all_released(&desk);
}

#[test]
fn a_parent_is_replaced() {
    let mut desk = desk(0);
    enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    trade(&mut desk, 9_990, 4);
    assert_eq!(
        lines(&desk.replace(1, cents(9_995), 9)),
        ["1 cancel_reject -> partially_filled below_at_work: limit=10 value=9"]
    );
    assert_eq!(
        lines(&desk.replace(2, cents(9_995), 30)),
        ["2 cancel_reject -> partially_filled child_order: limit=0 value=1"]
    );
    assert_eq!(
        lines(&desk.replace(1, cents(9_994), 12)),
        ["1 replaced -> partially_filled", "2 canceled 6 parent -> canceled", "3 new -> new"]
    );
    assert_eq!(at_work(&desk), (4, 8));
    trade(&mut desk, 9_990, 100);
    check_all_released(&desk);
}

#[test]
fn a_child_canceled_by_hand_comes_back_after_a_while() {
    let mut desk = desk(0);
    enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    assert_eq!(lines(&desk.cancel(2)), ["2 canceled 10 user -> canceled"]);
    assert_eq!(lines(&desk.pass(SEC - 1)), [""; 0]);
    assert_eq!(lines(&desk.pass(1)), ["3 new -> new"]);
}

#[test]
fn nothing_goes_out_in_a_halt() {
    let mut desk = desk(0);
    set_status(&mut desk, TradingStatus::Halted);
    let new = twap(&desk);
    assert_eq!(enter(&mut desk, new, buy(100, None)), ["1 new -> new"]);
    assert_eq!(lines(&desk.pass(3 * SEC)), [""; 0]);
    set_status(&mut desk, TradingStatus::Trading);
    desk.pass(SEC);
    assert_eq!(at_work(&desk), (50, 0), "what was due meanwhile goes out together");
}

#[test]
fn children_that_are_refused_again_and_again_end_their_parent() {
    let mut desk = desk(0);
    desk.command(Command::SetLimits(SetLimits { max_position: Lots(15), ..limits(ACCOUNT) }));
    let new = twap(&desk);
    enter(&mut desk, new, buy(100, None));
    let told = lines(&desk.pass(SEC));
    assert_eq!(told, ["0 rejected -> rejected position_limit: limit=15 value=20"]);
    let mut told = Vec::new();
    for _ in 0..4 {
        told = lines(&desk.pass(SEC));
    }
    assert_eq!(
        told,
        [
            "0 rejected -> rejected position_limit: limit=15 value=60",
            "1 canceled 90 children_refused -> canceled"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn the_day_ends_for_a_parent_of_the_day_and_for_every_child() {
    for (life, ends) in [(Day, true), (Gtc, false)] {
        let mut desk = desk(0);
        let parent = NewOrder { time_in_force: life.wire(), ..buy(25, Some(9_995)) };
        enter(&mut desk, iceberg(10), parent);
        let told = lines(&desk.command(Command::DayRoll));
        assert!(told.contains(&"2 expired -> expired".to_owned()), "{told:?}");
        assert_eq!(told.contains(&"1 expired -> expired".to_owned()), ends, "{told:?}");
        let next = lines(&desk.pass(SEC));
        assert_eq!(next, if ends { vec![] } else { vec!["3 new -> new"] });
    }
}

#[test]
fn a_kill_switch_ends_parents_and_children() {
    let mut desk = desk(0);
    enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    let kill = KillSwitch::of(Scope::account(ACCOUNT), true);
    desk.command(Command::KillSwitch(kill));
    assert_eq!(desk.core.oms().open_count(), 0);
    check_all_released(&desk);
    let told = enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    assert_eq!(told, ["0 rejected -> rejected kill_switch: limit=0 value=0 scope=account"]);
}

#[test]
fn the_same_parent_again_is_told_how_it_stands() {
    let mut desk = desk(0);
    enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    desk.names = 0;
    let told = enter(&mut desk, iceberg(10), buy(25, Some(9_995)));
    assert_eq!(told, ["1 order_status -> new"]);
    desk.names = 0;
    let told = enter(&mut desk, iceberg(10), buy(26, Some(9_995)));
    assert_eq!(told, ["0 rejected -> rejected duplicate_client_order_id: limit=0 value=1"]);
}

#[test]
fn what_no_algorithm_means_is_refused() {
    let desk_now = desk(0).now;
    let twap = twap(&desk(0));
    let limit = buy(25, Some(9_995));
    let table = [
        (NewAlgorithm { algorithm: 0, ..twap }, limit),
        (NewAlgorithm { algorithm: 5, ..twap }, limit),
        (NewAlgorithm { end_at: UnixNanos::ZERO, ..twap }, limit),
        (NewAlgorithm { end_at: desk_now, ..twap }, limit),
        (NewAlgorithm { end_at: UnixNanos(u64::MAX), ..twap }, limit),
        (NewAlgorithm { start_at: twap.end_at, ..twap }, limit),
        (NewAlgorithm { interval_ns: ALGORITHM_INTERVAL_MIN_NS - 1, ..twap }, limit),
        (NewAlgorithm { slice_qty: Lots(1), ..twap }, limit),
        (NewAlgorithm { rate_bp: 1, ..twap }, limit),
        (NewAlgorithm { curve: 1, ..twap }, limit),
        (iceberg(0), limit),
        (NewAlgorithm { interval_ns: SEC, ..iceberg(1) }, limit),
        (pov(0, 1), limit),
        (pov(10_001, 1), limit),
        (iceberg(1), NewOrder { time_in_force: Ioc.wire(), ..limit }),
        (iceberg(1), NewOrder { order_type: OrderType::MarketToLimit.wire(), ..buy(5, None) }),
        (iceberg(1), NewOrder { leg: 2, ..limit }),
    ];
    for (new, parent) in table {
        let mut desk = desk(0);
        let leg = parent.leg.max(1);
        desk.command(Command::NewAlgorithm(NewAlgorithm { list_id: 7, ..new }));
        let told = lines(&desk.command(Command::NewOrder(NewOrder { list_id: 7, leg, ..parent })));
        assert_eq!(told.len(), 1, "{new:?}: {told:?}");
        assert!(told[0].starts_with("0 rejected"), "{new:?}: {told:?}");
        assert_eq!(desk.core.oms().kept_count(), 0);
    }
}

/// The same inputs from the beginning, as after a restart, at every point of every algorithm.
#[test]
fn a_restart_in_the_middle_goes_on_where_it_was() {
    let flow = |desk: &mut Desk, steps: usize| {
        let new = twap(desk);
        enter(desk, new, buy(100, Some(9_995)));
        enter(desk, iceberg(10), new_order("x", Sell, Some(cents(10_005)), 50, Day));
        enter(desk, pov(2_000, 0), buy(40, None));
        for at in 0..steps as u64 {
            match at % 4 {
                0 => drop(desk.pass(SEC / 3)),
                1 => drop(trade(desk, 9_993, 7)),
                2 => drop(trade(desk, 10_007, 9)),
                _ => drop(desk.cancel(at / 2)),
            }
        }
        desk.core.state_hash()
    };
    for steps in 0..48 {
        let (mut first, mut second) = (desk(LATENCY_NS), desk(LATENCY_NS));
        assert_eq!(flow(&mut first, steps), flow(&mut second, steps), "after {steps} steps");
        let mut told = Collected::default();
        for desk in [&mut first, &mut second] {
            desk.now.0 += SEC;
            let mut record = CommandRecord::new(Command::Time);
            record.ts_recv = desk.now;
            desk.core.apply(desk.core.seq().next(), Input::Command(&record), &mut told);
        }
        let (one, other) = told.events.split_at(told.events.len() / 2);
        assert_eq!(one, other, "after {steps} steps");
    }
}
