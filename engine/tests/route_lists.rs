//! Lists on a live route: what waits stays in the engine, what is live leaves, and what is unknown holds the others back.

mod route_support;
mod support;
use RouteReportKind::*;
use Side::Buy;
use route_support::*;
use tidegate_model::command::Contingency::{Bracket, Oco};
use tidegate_model::command::*;
use tidegate_model::*;

const NONE: [&str; 0] = [];

/// A bracket of 100 whose entry is there.
fn entered() -> Near {
    let mut near = Near::up();
    near.list(Bracket, &bracket(Buy, 100));
    assert_eq!(near.left(), ["new 1.0 100@10000"], "only the entry");
    near.report(Accepted, 1, blank());
    near
}

#[test]
fn exits_follow_the_entry_one_request_at_a_time() {
    let mut near = entered();
    near.fill(1, 40, 40);
    assert_eq!(near.left(), ["new 2.0 40@10000"]);
    near.fill(1, 10, 50);
    assert_eq!(near.left(), NONE, "nothing was heard of it yet");
    near.restart();
    near.report(Accepted, 2, blank());
    assert_eq!(near.left(), ["replace 2.1 50@10000"]);
    near.fill(1, 50, 100);
    assert_eq!(near.left(), NONE, "one at a time");
    near.restart();
    assert_eq!(near.report(Replaced, 2, terms(50)), ["2 restated -> new"]);
    assert_eq!(near.left(), ["replace 2.2 100@10000"]);
    assert_eq!(near.report(Replaced, 2, terms(100)), ["2 restated -> new"]);
    let told = near.fill(2, 100, 100);
    assert_eq!(
        told,
        ["2 trade 100@10000 -> filled", "3 canceled 100 contingent -> canceled", "list 1 all_done"]
    );
    assert_eq!((near.held(), near.open()), (0, vec![]));
    near.check_replay();
}

#[test]
fn a_stop_loss_leaves_when_nothing_else_is_live() {
    let mut near = entered();
    near.fill(1, 40, 40);
    near.report(Accepted, 2, blank());
    near.left();
    near.trade(9_890);
    assert_eq!(near.left(), ["cancel 1.1 100@10000", "cancel 2.1 40@10000"]);
    near.report(Canceled, 2, blank());
    assert_eq!(near.left(), NONE, "the entry may execute more");
    near.restart();
    near.fill(1, 20, 60);
    near.report(Canceled, 1, blank());
    let left = near.left();
    assert!(left.len() == 1 && left[0].starts_with("new 3.0 60@"), "{left:?}");
    near.fill(3, 60, 60);
    assert_eq!((near.held(), near.open()), (0, vec![]));
    near.check_replay();
}

#[test]
fn what_is_unknown_holds_the_stop_loss_back() {
    let mut near = entered();
    near.fill(1, 100, 100);
    near.report(Accepted, 2, blank());
    near.left();
    near.trade(9_890);
    assert_eq!(near.left(), ["cancel 2.1 100@10000"]);
    near.link(RouteLink::Down);
    near.trade(9_880);
    near.link(RouteLink::Reconciling);
    near.report(Found, 2, terms(100));
    assert_eq!(near.left(), ["begin 9", "query 2.1 100@10000", "end"]);
    near.link(RouteLink::Up);
    assert_eq!(near.left(), ["cancel 2.2 100@10000"]);
    near.report(CancelRejected, 2, RouteReport { attempt: 2, ..blank() });
    assert_eq!(near.left(), ["cancel 2.3 100@10000"]);
    near.fill(2, 30, 30);
    near.report(Canceled, 2, blank());
    let left = near.left();
    assert!(left.len() == 1 && left[0].starts_with("new 3.0 70@"), "{left:?}");
    near.check_replay();
}

#[test]
fn a_lost_change_is_made_when_the_link_is_up() {
    // What the venue has when it is asked, and what leaves then.
    for (there, left) in [(40, vec!["replace 2.2 60@10000"]), (60, vec![])] {
        let mut near = entered();
        near.fill(1, 40, 40);
        near.report(Accepted, 2, blank());
        near.fill(1, 20, 60);
        assert_eq!(near.left(), ["new 2.0 40@10000", "replace 2.1 60@10000"]);
        near.link(RouteLink::Down);
        near.link(RouteLink::Reconciling);
        near.report(Found, 1, RouteReport { cum_qty: Lots(60), ..terms(100) });
        near.report(Found, 2, terms(there));
        near.left();
        near.restart();
        near.link(RouteLink::Up);
        assert_eq!(near.left(), left);
        near.check_replay();
    }
}

#[test]
fn a_refused_change_is_asked_for_with_the_next() {
    let mut near = entered();
    near.fill(1, 40, 40);
    near.report(Accepted, 2, blank());
    near.fill(1, 20, 60);
    near.left();
    near.report(ReplaceRejected, 2, RouteReport { attempt: 1, ..blank() });
    assert_eq!(near.left(), NONE);
    near.fill(1, 10, 70);
    assert_eq!(near.left(), ["replace 2.2 70@10000"]);
    // It is filled before: the stop loss guards the rest alone.
    near.fill(2, 40, 40);
    assert_eq!(near.left(), ["cancel 1.1 100@10000"]);
    assert_eq!(near.open(), [1, 3]);
    near.report(Canceled, 1, blank());
    near.trade(9_890);
    let left = near.left();
    assert!(left.len() == 1 && left[0].starts_with("new 3.0 30@"), "{left:?}");
    near.fill(3, 30, 30);
    assert_eq!((near.held(), near.open()), (0, vec![]));
    near.check_replay();
}

#[test]
fn a_take_profit_that_is_lost_leaves_the_stop_loss() {
    let mut near = entered();
    near.fill(1, 100, 100);
    near.link(RouteLink::Down);
    near.link(RouteLink::Reconciling);
    near.report(Missing, 2, blank());
    near.link(RouteLink::Up);
    assert_eq!(near.open(), [3]);
    near.check_replay();
}

#[test]
fn one_cancels_the_other() {
    let mut near = Near::up();
    near.order(Buy, 100);
    near.fill(1, 100, 100);
    let [_, limit, stop] = bracket(Buy, 100);
    near.list(Oco, &[limit, stop]);
    assert_eq!(near.left(), ["new 1.0 100@10000", "new 2.0 100@10000"]);
    near.report(Accepted, 2, blank());
    near.fill(2, 30, 30);
    near.trade(9_890);
    assert_eq!(near.left(), ["cancel 2.1 100@10000"]);
    near.restart();
    near.report(Canceled, 2, blank());
    let left = near.left();
    assert!(left.len() == 1 && left[0].starts_with("new 3.0 70@"), "{left:?}");
    near.check_replay();
}
