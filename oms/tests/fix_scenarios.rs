//! The scenarios of FIX's "Order State Change Matrices" (FIX 4.4 and 5.0, volume 4, appendix D) by their numbers: what
//! happens to an order, and OrdStatus, OrderQty, CumQty and LeavesQty after it, as the appendix prints them.
//!
//! Those that are about messages rather than states (unknown orders, duplicate ids, orders that no venue takes) are in
//! `engine/tests/lifecycle.rs`. Left out, since nothing here can do it: D.2.a to D.2.c (several replaces under way),
//! E.1.a and G.1.b (telephone), H.1.b (a split changes positions, not open orders), L.1.a (Stopped), L.1.b (CashOrderQty).

mod desk;

use desk::{Desk, WHO, order};
use tidegate_model::event::Liquidity::Maker;
use tidegate_model::{Lots, Reject, Side, Ticks};
use tidegate_oms::OrderSlot;

type Done = Result<(), Reject>;
type Step = fn(&mut Desk, OrderSlot) -> Done;

fn trade<const QTY: u64, const PRICE: i64>(desk: &mut Desk, slot: OrderSlot) -> Done {
    let terms = desk.terms;
    desk.oms.fill(slot, Lots(QTY), Ticks(PRICE), Maker, &terms).map(|_| ())
}

fn ask_replace<const QTY: u64>(desk: &mut Desk, slot: OrderSlot) -> Done {
    desk.oms.check_replaceable(slot)?;
    let approved = desk.approve_replace(slot, QTY, 100)?;
    desk.oms.replace_requested(slot, &approved, WHO).map(|_| ())
}

const ACCEPT: Step = |desk, slot| desk.oms.accepted(slot).map(|_| ());
const REJECT: Step = |desk, slot| desk.oms.rejected(slot).map(|_| ());
const ASK_CANCEL: Step = |desk, slot| desk.oms.cancel_requested(slot).map(|_| ());
const CANCEL: Step = |desk, slot| desk.oms.canceled(slot).map(|_| ());
const REFUSE_CANCEL: Step = |desk, slot| desk.oms.cancel_rejected(slot).map(|_| ());
const REPLACE: Step = |desk, slot| desk.oms.replaced(slot).map(|_| ());
const REFUSE_REPLACE: Step = |desk, slot| desk.oms.replace_rejected(slot).map(|_| ());
const DONE: Step = |desk, slot| desk.oms.done_for_day(slot).map(|_| ());
const EXPIRE: Step = |desk, slot| desk.oms.expired(slot).map(|_| ());

fn restate<const QTY: u64>(desk: &mut Desk, slot: OrderSlot) -> Done {
    desk.oms.restated(slot, Lots(QTY)).map(|_| ())
}

/// Takes an order of 10,000 through `rows`: a step, and how the order stands after it; `!` before it if the step is refused.
fn check(scenario: &str, rows: &[(Step, &str)]) {
    let mut desk = Desk::new(16, 1, 1);
    let slot = desk.enter(order(0, 0, 1, Side::Buy, 10_000)).expect("room");
    for (at, (step, expected)) in rows.iter().enumerate() {
        let done = step(&mut desk, slot);
        let order = desk.oms.order(slot);
        let refused = if done.is_err() { "! " } else { "" };
        let (status, leaves) = (order.status, order.leaves_qty());
        let stands = format!("{refused}{status} {} {} {leaves}", order.qty, order.cum_qty);
        assert_eq!(stands, *expected, "{scenario}, row {}", at + 1);
    }
    assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
}

#[test]
fn a_vanilla() {
    check(
        "A.1.a filled order",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<2_000, 100>, "partially_filled 10000 2000 8000"),
            (trade::<1_000, 100>, "partially_filled 10000 3000 7000"),
            (trade::<7_000, 100>, "filled 10000 10000 0"),
        ],
    );
    check("A.1.a, rejected", &[(REJECT, "rejected 10000 0 0")]);
    // Day orders expire when the day ends: there is no second report.
    check(
        "A.1.b part-filled day order, done for day",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<2_000, 100>, "partially_filled 10000 2000 8000"),
            (trade::<1_000, 100>, "partially_filled 10000 3000 7000"),
            (EXPIRE, "expired 10000 3000 0"),
        ],
    );
}

#[test]
fn b_cancel() {
    check(
        "B.1.a zero-filled order",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ASK_CANCEL, "pending_cancel 10000 0 10000"),
            (REFUSE_CANCEL, "new 10000 0 10000"),
            (ASK_CANCEL, "pending_cancel 10000 0 10000"),
            (CANCEL, "canceled 10000 0 0"),
        ],
    );
    check(
        "B.1.b executions whilst the cancel request is active",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<2_000, 100>, "partially_filled 10000 2000 8000"),
            (trade::<3_000, 100>, "partially_filled 10000 5000 5000"),
            (ASK_CANCEL, "pending_cancel 10000 5000 5000"),
            (trade::<1_000, 100>, "pending_cancel 10000 6000 4000"),
            (CANCEL, "canceled 10000 6000 0"),
        ],
    );
    check(
        "B.1.c filled before the cancel request can be accepted",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<5_000, 100>, "partially_filled 10000 5000 5000"),
            (ASK_CANCEL, "pending_cancel 10000 5000 5000"),
            (trade::<5_000, 100>, "pending_cancel 10000 10000 0"),
            (CANCEL, "! pending_cancel 10000 10000 0"),
            (REFUSE_CANCEL, "filled 10000 10000 0"),
        ],
    );
    check(
        "B.1.d not yet acknowledged",
        &[(ASK_CANCEL, "pending_cancel 10000 0 10000"), (CANCEL, "canceled 10000 0 0")],
    );
    check(
        "B.1.e the acknowledgment and the cancel request cross",
        &[
            (ASK_CANCEL, "pending_cancel 10000 0 10000"),
            (ACCEPT, "pending_cancel 10000 0 10000"),
            (CANCEL, "canceled 10000 0 0"),
        ],
    );
}

#[test]
fn c_replace() {
    check(
        "C.1.a zero-filled, increased",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ask_replace::<11_000>, "pending_replace 10000 0 10000"),
            (REPLACE, "new 11000 0 11000"),
            (trade::<1_000, 100>, "partially_filled 11000 1000 10000"),
            (trade::<2_000, 100>, "partially_filled 11000 3000 8000"),
        ],
    );
    check(
        "C.1.b part-filled, increased, execution whilst pending",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (ask_replace::<12_000>, "pending_replace 10000 1000 9000"),
            (trade::<100, 100>, "pending_replace 10000 1100 8900"),
            (REPLACE, "partially_filled 12000 1100 10900"),
            (trade::<10_900, 100>, "filled 12000 12000 0"),
        ],
    );
    check(
        "C.1.c filled, then increased: refused",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<10_000, 100>, "filled 10000 10000 0"),
            (ask_replace::<12_000>, "! filled 10000 10000 0"),
        ],
    );
    check(
        "C.2.a not for quantity, filled meanwhile",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (ask_replace::<10_000>, "pending_replace 10000 1000 9000"),
            (trade::<9_000, 100>, "pending_replace 10000 10000 0"),
            (REFUSE_REPLACE, "filled 10000 10000 0"),
        ],
    );
    check(
        "C.3.a decreased, more than executed",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ask_replace::<8_000>, "pending_replace 10000 0 10000"),
            (trade::<7_000, 100>, "pending_replace 10000 7000 3000"),
            (REPLACE, "partially_filled 8000 7000 1000"),
            (trade::<1_000, 100>, "filled 8000 8000 0"),
        ],
    );
    check(
        "C.3.b decreased to what is executed",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ask_replace::<7_000>, "pending_replace 10000 0 10000"),
            (trade::<7_000, 100>, "pending_replace 10000 7000 3000"),
            (REPLACE, "filled 7000 7000 0"),
        ],
    );
    check(
        "C.3.c decreased to less than is executed",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ask_replace::<7_000>, "pending_replace 10000 0 10000"),
            (trade::<8_000, 100>, "pending_replace 10000 8000 2000"),
            (REPLACE, "filled 8000 8000 0"),
        ],
    );
}

#[test]
fn d_sequencing_and_chaining() {
    check(
        "D.1.a one accepted, another accepted",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (ask_replace::<8_000>, "pending_replace 10000 1000 9000"),
            (trade::<500, 100>, "pending_replace 10000 1500 8500"),
            (REPLACE, "partially_filled 8000 1500 6500"),
            (trade::<2_000, 100>, "partially_filled 8000 3500 4500"),
            (ask_replace::<6_000>, "pending_replace 8000 3500 4500"),
            (REPLACE, "partially_filled 6000 3500 2500"),
            (trade::<2_500, 100>, "filled 6000 6000 0"),
        ],
    );
    check(
        "D.1.b one refused before it is pending, another accepted",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (ask_replace::<900>, "! partially_filled 10000 1000 9000"),
            (ask_replace::<6_000>, "pending_replace 10000 1000 9000"),
            (REPLACE, "partially_filled 6000 1000 5000"),
        ],
    );
    check(
        "D.1.c one refused while pending, another accepted",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (ask_replace::<8_000>, "pending_replace 10000 1000 9000"),
            (trade::<500, 100>, "pending_replace 10000 1500 8500"),
            (REFUSE_REPLACE, "partially_filled 10000 1500 8500"),
            (trade::<2_000, 100>, "partially_filled 10000 3500 6500"),
            (ask_replace::<6_000>, "pending_replace 10000 3500 6500"),
            (REPLACE, "partially_filled 6000 3500 2500"),
        ],
    );
    check(
        "D.2.d the second is refused while the first is pending",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (ask_replace::<8_000>, "pending_replace 10000 1000 9000"),
            (ask_replace::<7_000>, "! pending_replace 10000 1000 9000"),
            (REPLACE, "partially_filled 8000 1000 7000"),
            (trade::<2_000, 100>, "partially_filled 8000 3000 5000"),
        ],
    );
    check(
        "a cancel follows a replace, and both are answered",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ask_replace::<8_000>, "pending_replace 10000 0 10000"),
            (ASK_CANCEL, "pending_cancel 10000 0 10000"),
            (ASK_CANCEL, "! pending_cancel 10000 0 10000"),
            (REPLACE, "pending_cancel 8000 0 8000"),
            (REFUSE_CANCEL, "new 8000 0 8000"),
        ],
    );
    check(
        "a cancel crosses a replace that is refused after it",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ask_replace::<8_000>, "pending_replace 10000 0 10000"),
            (ASK_CANCEL, "pending_cancel 10000 0 10000"),
            (REFUSE_CANCEL, "pending_replace 10000 0 10000"),
            (REFUSE_REPLACE, "new 10000 0 10000"),
        ],
    );
    check(
        "no replace follows a cancel",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (ASK_CANCEL, "pending_cancel 10000 0 10000"),
            (ask_replace::<8_000>, "! pending_cancel 10000 0 10000"),
            (CANCEL, "canceled 10000 0 0"),
            (REPLACE, "! canceled 10000 0 0"),
        ],
    );
}

#[test]
fn e_unsolicited() {
    check(
        "E.1.b unsolicited cancel of a part-filled order, and K.1.b on a trading halt",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (CANCEL, "canceled 10000 1000 0"),
        ],
    );
    check(
        "E.1.c unsolicited replacement",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (restate::<11_000>, "new 11000 0 11000"),
            (trade::<1_000, 100>, "partially_filled 11000 1000 10000"),
            (restate::<12_000>, "partially_filled 12000 1000 11000"),
        ],
    );
    check(
        "E.1.d the quantity is reduced, unsolicited",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (restate::<9_000>, "new 9000 0 9000"),
            (trade::<1_000, 100>, "partially_filled 9000 1000 8000"),
            (restate::<1_000>, "filled 1000 1000 0"),
        ],
    );
}

#[test]
fn h_good_till() {
    let day_one: [(Step, &str); 4] = [
        (ACCEPT, "new 10000 0 10000"),
        (trade::<2_000, 100>, "partially_filled 10000 2000 8000"),
        (DONE, "done_for_day 10000 2000 8000"),
        (restate::<10_000>, "partially_filled 10000 2000 8000"),
    ];
    let rest: [(Step, &str); 1] = [(trade::<1_000, 100>, "partially_filled 10000 3000 7000")];
    check("H.1.a renewed, part-filled the following day", &[&day_one[..], &rest].concat());
    let rest: [(Step, &str); 2] =
        [(ASK_CANCEL, "pending_cancel 10000 2000 8000"), (CANCEL, "canceled 10000 2000 0")];
    check("H.1.c renewed, canceled the following day", &[&day_one[..], &rest].concat());
    let rest: [(Step, &str); 3] = [
        (ask_replace::<15_000>, "pending_replace 10000 2000 8000"),
        (trade::<1_000, 100>, "pending_replace 10000 3000 7000"),
        (REPLACE, "partially_filled 15000 3000 12000"),
    ];
    check("H.1.d renewed, increased the following day", &[&day_one[..], &rest].concat());
}

#[test]
fn i_immediate() {
    let rows: [(Step, &str); 2] = [(ACCEPT, "new 10000 0 10000"), (CANCEL, "canceled 10000 0 0")];
    check("I.1.a fill or kill that cannot be filled", &rows);
    check(
        "I.1.b immediate or cancel, part-filled",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (CANCEL, "canceled 10000 1000 0"),
        ],
    );
}

fn bust<const QTY: u64, const PRICE: i64>(desk: &mut Desk, slot: OrderSlot) -> Done {
    desk.oms.trade_canceled(slot, Lots(QTY), Ticks(PRICE)).map(|_| ())
}

#[test]
fn j_execution_cancels_and_corrects() {
    let correct_price: Step = |desk, slot| {
        let (was, is) = ((Lots(9_000), Ticks(110)), (Lots(9_000), Ticks(100)));
        desk.oms.trade_corrected(slot, was, is).map(|_| ())
    };
    let correct_again: Step = |desk, slot| {
        let (was, is) = ((Lots(9_000), Ticks(100)), (Lots(9_000), Ticks(120)));
        desk.oms.trade_corrected(slot, was, is)?;
        assert_eq!(desk.oms.order(slot).cum_ticks_lots, 120 * 10_000, "AvgPx is 120");
        Ok(())
    };
    check(
        "J.1.a filled, then corrected and canceled executions",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<1_000, 100>, "partially_filled 10000 1000 9000"),
            (trade::<9_000, 110>, "filled 10000 10000 0"),
            (bust::<1_000, 100>, "partially_filled 10000 9000 1000"),
            (correct_price, "partially_filled 10000 9000 1000"),
            (trade::<1_000, 120>, "filled 10000 10000 0"),
            (correct_again, "filled 10000 10000 0"),
        ],
    );
    check(
        "J.1.b canceled, then an execution busted and a new one",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<5_000, 50>, "partially_filled 10000 5000 5000"),
            (ASK_CANCEL, "pending_cancel 10000 5000 5000"),
            (CANCEL, "canceled 10000 5000 0"),
            (bust::<5_000, 50>, "canceled 10000 0 0"),
            (trade::<4_000, 51>, "canceled 10000 4000 0"),
        ],
    );
    let yesterday: Step = |desk, slot| {
        let (was, is) = ((Lots(2_000), Ticks(100)), (Lots(1_500), Ticks(100)));
        desk.oms.trade_corrected(slot, was, is).map(|_| ())
    };
    let today: Step = |desk, slot| {
        let (was, is) = ((Lots(1_000), Ticks(100)), (Lots(500), Ticks(100)));
        desk.oms.trade_corrected(slot, was, is).map(|_| ())
    };
    check(
        "J.1.c good-till order with corrections on both days",
        &[
            (ACCEPT, "new 10000 0 10000"),
            (trade::<2_000, 100>, "partially_filled 10000 2000 8000"),
            (DONE, "done_for_day 10000 2000 8000"),
            (restate::<10_000>, "partially_filled 10000 2000 8000"),
            (trade::<1_000, 100>, "partially_filled 10000 3000 7000"),
            (yesterday, "partially_filled 10000 2500 7500"),
            (today, "partially_filled 10000 2000 8000"),
        ],
    );
}
