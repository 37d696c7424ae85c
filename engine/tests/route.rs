//! The live route in the state machine: what leaves, what comes back, what a break leaves unknown, and that a replay knows
//! all of it.

mod route_support;
mod support;
use route_support::*;
use support::*;
use tidegate_model::command::TimeInForce::Day;
use tidegate_model::command::*;
use tidegate_model::*;

#[test]
fn an_order_goes_there_and_back() {
    let mut near = Near::up();
    assert_eq!(near.order(Side::Buy, 100), ["1 pending_new -> pending_new"]);
    assert_eq!(near.left(), ["new 1.0 100@10000"]);
    assert_eq!(near.report(RouteReportKind::Accepted, 1, blank()), ["1 new -> new"]);
    assert_eq!(near.fill(1, 40, 40), ["1 trade 40@10000 -> partially_filled"]);
    assert_eq!(near.fill(1, 40, 40), [] as [&str; 0], "told again");
    assert_eq!(near.replace(1, 80), ["1 pending_replace -> pending_replace"]);
    assert_eq!(near.left(), ["replace 1.1 80@10000"]);
    let replaced = near.report(RouteReportKind::Replaced, 1, terms(80));
    assert_eq!(replaced, ["1 replaced -> partially_filled"]);
    assert_eq!(near.cancel(1), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(near.left(), ["cancel 1.2 80@10000"]);
    assert_eq!(
        near.report(RouteReportKind::Canceled, 1, blank()),
        ["1 canceled 40 user -> canceled"]
    );
    assert_eq!(near.fill(1, 10, 50), ["1 trade 10@10000 -> canceled"], "told late");
    assert_eq!((near.held(), near.desk.core.routes().all()[2].open), (50, 0));
    near.check_replay();
}

#[test]
fn refusals_of_the_venue_are_told() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    let code = RouteReport { code: 86, ..blank() };
    let rejected = near.report(RouteReportKind::Rejected, 1, code);
    assert_eq!(rejected, ["1 rejected -> rejected route_refused: limit=2 value=86"]);
    near.order(Side::Buy, 100);
    near.report(RouteReportKind::Accepted, 2, blank());
    near.replace(2, 50);
    near.cancel(2);
    let refused =
        near.report(RouteReportKind::ReplaceRejected, 2, RouteReport { attempt: 1, ..blank() });
    assert_eq!(refused, ["2 cancel_reject -> pending_cancel route_refused: limit=2 value=0"]);
    let refused =
        near.report(RouteReportKind::CancelRejected, 2, RouteReport { attempt: 2, ..blank() });
    assert_eq!(refused, ["2 cancel_reject -> new route_refused: limit=2 value=0"]);
    near.check_replay();
}

#[test]
fn while_the_link_is_down_orders_are_refused_and_cancels_wait() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.report(RouteReportKind::Accepted, 1, blank());
    near.left();
    near.link(RouteLink::Down);
    assert_eq!(near.order(Side::Sell, 10), ["0 rejected -> rejected route_down: limit=0 value=2"]);
    assert_eq!(near.replace(1, 50), ["1 cancel_reject -> new route_down: limit=0 value=2"]);
    assert_eq!(near.cancel(1), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(near.left(), [] as [&str; 0]);
    near.link(RouteLink::Reconciling);
    assert_eq!(near.left(), ["begin 9", "query 1.0 100@10000", "end"]);
    near.report(RouteReportKind::Found, 1, terms(100));
    near.link(RouteLink::Up);
    assert_eq!(near.left(), ["cancel 1.1 100@10000"]);
    near.check_replay();
}

#[test]
fn what_left_without_an_answer_never_leaves_again() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.order(Side::Buy, 200);
    near.left();
    near.link(RouteLink::Down);
    near.link(RouteLink::Reconciling);
    assert_eq!(near.left(), ["begin 9", "query 1.0 100@10000", "query 2.0 200@10000", "end"]);
    assert_eq!(near.report(RouteReportKind::Found, 1, terms(100)), ["1 new -> new"]);
    assert_eq!(
        near.report(RouteReportKind::Missing, 2, blank()),
        ["2 canceled 200 lost_at_venue -> canceled", "lost_order 0/0"]
    );
    near.link(RouteLink::Up);
    assert_eq!(near.left(), [] as [&str; 0]);
    // It arrived after all: it is canceled there, and what it did is booked.
    assert_eq!(near.report(RouteReportKind::Accepted, 2, blank()), ["late_order 0/0"]);
    assert_eq!(near.left(), ["cancel 2.1 200@10000"]);
    assert_eq!(near.fill(2, 5, 5), ["2 trade 5@10000 -> canceled"]);
    assert_eq!(near.held(), 5);
    near.check_replay();
}

#[test]
fn a_lost_replace_is_settled_by_what_the_venue_has() {
    for (there, told) in
        [(50, "1 replaced -> new"), (100, "1 cancel_reject -> new route_down: limit=0 value=2")]
    {
        let mut near = Near::up();
        near.order(Side::Buy, 100);
        near.report(RouteReportKind::Accepted, 1, blank());
        near.replace(1, 50);
        near.link(RouteLink::Down);
        near.link(RouteLink::Reconciling);
        assert_eq!(near.report(RouteReportKind::Found, 1, terms(there)), [told]);
        near.check_replay();
    }
}

#[test]
fn positions_that_differ_block_until_an_operator_confirms() {
    let mut near = Near::up();
    assert_eq!(near.position(30), ["position 0/30"]);
    assert_eq!(
        near.order(Side::Buy, 10),
        ["0 rejected -> rejected route_blocked: limit=30 value=0"]
    );
    near.tell(Command::ConfirmPosition(ConfirmPosition {
        instrument: INSTRUMENT,
        reserved: [0; 4],
    }));
    assert_eq!(near.order(Side::Buy, 10), ["1 pending_new -> pending_new"]);
    near.fill(1, 10, 10);
    assert_eq!(near.position(40), [] as [&str; 0]);
    near.check_replay();
}

#[test]
fn an_execution_that_cannot_be_booked_is_shown_and_blocks() {
    // Quantity, CumQty of the second execution of an order of 100, of which 40 are executed.
    for (qty, cum_qty) in [(10, 60), (61, 101), (0, 45), (u64::MAX, u64::MAX)] {
        let mut near = Near::up();
        near.order(Side::Buy, 100);
        near.fill(1, 40, 40);
        let told = near.fill(1, qty, cum_qty);
        assert!(told[0].starts_with("execution 40/"), "{told:?}");
        assert_eq!(near.held(), 40);
        assert!(near.order(Side::Buy, 1)[0].contains("route_blocked"));
        near.check_replay();
    }
}

#[test]
fn reports_that_cannot_be_are_refused() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    let report = |kind: u8, route: u8, order_id: u64| {
        let order_id = OrderId(order_id);
        Command::RouteReport(RouteReport { kind, route, order_id, ..blank() })
    };
    for (command, reason) in [
        (report(0, ROUTE, 1), "bad_route"),
        (report(200, ROUTE, 1), "bad_route"),
        (report(1, 16, 1), "bad_route"),
        (report(1, ROUTE + 1, 1), "unknown_order"),
        (report(1, ROUTE, 77), "unknown_order"),
        (report(RouteReportKind::Missing.wire(), ROUTE, 1), "bad_route"),
    ] {
        assert_eq!(near.tell(command), [reason], "{command:?}");
    }
    assert_eq!(near.link(RouteLink::Up), ["bad_route"], "only after reconciliation");
    near.check_replay();
}

#[test]
fn orders_that_a_route_does_not_take() {
    let mut near = Near::up();
    let order = || new_order("n", Side::Buy, Some(PRICE), 10, Day);
    for unsupported in [
        NewOrder { flags: FLAG_HIDDEN, ..order() },
        NewOrder { post_only: PostOnly::Reject.wire(), ..order() },
        NewOrder { display_qty: Lots(1), ..order() },
        NewOrder { min_qty: Lots(1), ..order() },
        NewOrder { time_in_force: TimeInForce::AtTheOpen.wire(), ..order() },
    ] {
        let told = near.tell(Command::NewOrder(unsupported));
        assert!(told[0].contains("unsupported_by_venue"), "{told:?}");
    }
    assert_eq!(near.left(), [] as [&str; 0]);
}

/// A desk that is long 100, with its route down.
fn long_and_down() -> Near {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.fill(1, 100, 100);
    near.link(RouteLink::Down);
    near.left();
    near
}

#[test]
fn while_the_link_is_down_only_what_reduces_a_position_is_kept() {
    let mut near = long_and_down();
    let down = " rejected -> rejected route_down: limit=0 value=2";
    assert_eq!(near.order(Side::Buy, 1), [format!("0{down}")]);
    assert_eq!(near.order(Side::Sell, 101), [format!("0{down}")]);
    assert_eq!(near.order(Side::Sell, 60), ["2 pending_new -> pending_new"]);
    assert_eq!(near.order(Side::Sell, 41), [format!("0{down}")], "60 of 100 are spoken for");
    assert_eq!(near.order(Side::Sell, 40), ["3 pending_new -> pending_new"]);
    let at_once = new_order("ioc", Side::Sell, Some(PRICE), 1, TimeInForce::Ioc);
    assert_eq!(near.tell(Command::NewOrder(at_once)), [format!("0{down}")], "it cannot wait");
    assert_eq!(near.cancel(3), ["3 canceled 40 user -> canceled"], "it never left");
    assert_eq!(near.left(), [] as [&str; 0]);
    near.link(RouteLink::Reconciling);
    assert_eq!(near.left(), ["begin 9", "end"], "nobody is asked for what never left");
    near.link(RouteLink::Up);
    assert_eq!(near.left(), ["new 2.0 60@10000"]);
    near.link(RouteLink::Down);
    near.link(RouteLink::Reconciling);
    near.link(RouteLink::Up);
    assert_eq!(near.left()[1..], ["query 2.0 60@10000", "end"], "it leaves once");
    near.check_replay();
}

#[test]
fn what_was_kept_leaves_only_if_it_still_reduces() {
    let mut near = long_and_down();
    near.order(Side::Sell, 60);
    near.order(Side::Sell, 40);
    near.link(RouteLink::Reconciling);
    // What the venue did meanwhile.
    near.tell(Command::RouteReport(RouteReport { kind: 0, ..blank() }));
    near.restart();
    near.link(RouteLink::Down);
    near.position(70);
    near.link(RouteLink::Reconciling);
    let refused = ["2 rejected -> rejected route_blocked: limit=70 value=100"];
    assert_eq!(near.link(RouteLink::Up)[..1], refused);
    near.check_replay();

    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.fill(1, 100, 100);
    near.order(Side::Sell, 50);
    near.cancel(2);
    near.link(RouteLink::Down);
    // The cancel counts on the first, which is filled nevertheless.
    assert_eq!(near.order(Side::Sell, 60), ["3 pending_new -> pending_new"]);
    near.link(RouteLink::Reconciling);
    near.fill(2, 50, 50);
    let refused = ["3 rejected -> rejected not_reducing: limit=50 value=60"];
    assert_eq!(near.link(RouteLink::Up), refused);
    assert_eq!(near.desk.core.routes().all()[2].open, 0);
    near.check_replay();
}

#[test]
fn a_kept_day_order_ends_with_the_day_and_hears_nothing_of_the_venue() {
    let mut near = long_and_down();
    let order = new_order("day", Side::Sell, Some(PRICE), 10, Day);
    assert_eq!(near.tell(Command::NewOrder(order)), ["2 pending_new -> pending_new"]);
    near.order(Side::Sell, 10);
    for kind in RouteReportKind::ALL.iter().filter(|kind| **kind != RouteReportKind::Foreign) {
        let told = near.report(*kind, 2, RouteReport { qty: Lots(1), cum_qty: Lots(1), ..blank() });
        assert_eq!(told.last().map(String::as_str), Some("bad_route"), "{kind}");
    }
    assert_eq!(near.tell(Command::DayRoll), ["2 expired -> expired"]);
    assert_eq!(near.open(), [3]);
    assert_eq!(near.left(), [] as [&str; 0]);
    near.check_replay();
}

#[test]
fn two_orders_of_one_request_are_shown_and_block() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    let of = |venue_order_id| RouteReport { venue_order_id, ..blank() };
    near.report(RouteReportKind::Accepted, 1, of(70));
    let told = near.report(RouteReportKind::Accepted, 1, of(71));
    assert_eq!(told, ["second_order 0/0", "bad_route"]);
    assert!(near.order(Side::Buy, 1)[0].contains("route_blocked"));
    // The venue's own number goes along with every request.
    near.cancel(1);
    let left = near.desk.out.routed.last().expect("the cancel").kind;
    let RoutedKind::Cancel(RoutedOrder { venue_order_id: 70, .. }) = left else {
        panic!("{left:?}")
    };
    near.check_replay();
}

#[test]
fn executions_that_were_never_told_block() {
    let mut near = Near::up();
    near.order(Side::Buy, 100);
    near.report(RouteReportKind::Accepted, 1, blank());
    near.link(RouteLink::Down);
    near.link(RouteLink::Reconciling);
    let found = RouteReport { qty: Lots(100), cum_qty: Lots(30), ..blank() };
    assert_eq!(near.report(RouteReportKind::Found, 1, found), ["execution 0/30"]);
    near.link(RouteLink::Up);
    assert!(near.order(Side::Buy, 1)[0].contains("route_blocked"));
    near.check_replay();
}

#[test]
fn an_order_of_ours_that_nobody_here_knows_is_shown() {
    let mut near = Near::up();
    near.link(RouteLink::Down);
    near.link(RouteLink::Reconciling);
    let told = near.report(RouteReportKind::Found, 44, terms(10));
    assert_eq!(told, ["foreign_order 0/10", "unknown_order"]);
    near.check_replay();
}
