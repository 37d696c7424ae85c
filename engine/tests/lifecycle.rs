//! FIX's "Order State Change Matrices" (FIX 4.4 and 5.0, volume 4, appendix D) as the engine tells them: who asks what, and
//! every report about orders that follows. The states alone are walked in `oms/tests/fix_scenarios.rs`.

mod support;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Fok, Gtc, Ioc};
use tidegate_model::command::{CancelOrder, Command, KillSwitch, NewOrder, ReplaceOrder};
use tidegate_model::*;

const LATENCY_NS: u64 = 1_000;

/// Offers 100.01 x 100; bids 100.00 x 100; requests need a microsecond to the venue.
fn desk() -> Desk {
    let mut desk = Desk::new(LATENCY_NS);
    desk.market(add(1, Sell, cents(10_001), 100));
    desk.market(add(2, Buy, cents(10_000), 100));
    desk
}

/// A buy of 100 lots at 99.90 that rests.
fn resting() -> Desk {
    let mut desk = desk();
    desk.order(Buy, Some(cents(9_990)), 100, Gtc);
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["1 new -> new"]);
    desk
}

/// `qty` lots come through the price of the order that rests.
fn flow(desk: &mut Desk, qty: u64) -> Vec<String> {
    let trade = market(market::MarketEventKind::Trade, 0);
    lines(&desk.market(MarketEvent { price: cents(9_989), qty: Lots(qty), ..trade }))
}

#[test]
fn b_1_a_cancel_of_a_zero_filled_order() {
    let mut desk = resting();
    assert_eq!(lines(&desk.cancel(1)), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["1 canceled 100 user -> canceled"]);
}

#[test]
fn b_1_b_executions_whilst_the_cancel_is_active() {
    let mut desk = resting();
    assert_eq!(flow(&mut desk, 20), ["1 trade 20@9990 -> partially_filled"]);
    assert_eq!(lines(&desk.cancel(1)), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(flow(&mut desk, 30), ["1 trade 30@9990 -> pending_cancel"]);
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["1 canceled 50 user -> canceled"]);
}

#[test]
fn b_1_c_filled_before_the_cancel_is_accepted() {
    let mut desk = resting();
    desk.cancel(1);
    assert_eq!(flow(&mut desk, 100), ["1 trade 100@9990 -> pending_cancel"]);
    assert_eq!(
        lines(&desk.cancel(1)),
        ["1 cancel_reject -> pending_cancel too_late_to_cancel: limit=0 value=1"]
    );
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        ["1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"]
    );
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0);
}

#[test]
fn b_1_d_and_e_cancel_of_an_order_not_yet_acknowledged() {
    let mut desk = desk();
    desk.order(Buy, Some(cents(9_990)), 100, Gtc);
    assert_eq!(lines(&desk.cancel(1)), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        ["1 new -> pending_cancel", "1 canceled 100 user -> canceled"]
    );
}

#[test]
fn b_1_f_cancel_and_replace_of_an_unknown_order() {
    let mut desk = resting();
    let unknown = ["7 cancel_reject -> - unknown_order: limit=0 value=7"];
    assert_eq!(lines(&desk.cancel(7)), unknown);
    assert_eq!(lines(&desk.replace(7, cents(9_990), 10)), unknown);
    let named = CancelOrder {
        client_order_id: ClientOrderId::new("nobody").expect("valid"),
        order_id: OrderId(0),
        account: ACCOUNT,
        reserved: [0; 4],
    };
    let unknown = ["0 cancel_reject -> - unknown_order: limit=0 value=0"];
    assert_eq!(lines(&desk.command(Command::CancelOrder(named))), unknown);
    // Another account's order is as unknown.
    let other = CancelOrder { order_id: OrderId(1), account: AccountId(2), ..named };
    let other = CancelOrder { client_order_id: ClientOrderId::EMPTY, ..other };
    assert_eq!(
        lines(&desk.command(Command::CancelOrder(other))),
        ["1 cancel_reject -> - unknown_order: limit=0 value=1"]
    );
}

#[test]
fn c_1_b_replaced_to_more_with_an_execution_whilst_pending() {
    let mut desk = resting();
    flow(&mut desk, 10);
    assert_eq!(
        lines(&desk.replace(1, cents(9_990), 120)),
        ["1 pending_replace -> pending_replace"]
    );
    assert_eq!(flow(&mut desk, 1), ["1 trade 1@9990 -> pending_replace"]);
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["1 replaced -> partially_filled"]);
    assert_eq!(flow(&mut desk, 200), ["1 trade 109@9990 -> filled"]);
}

#[test]
fn c_1_c_and_c_2_a_filled_before_the_replace_is_accepted() {
    for (price, qty) in [(cents(9_995), 100), (cents(9_990), 200)] {
        let mut desk = resting();
        desk.replace(1, price, qty);
        assert_eq!(flow(&mut desk, 100), ["1 trade 100@9990 -> pending_replace"]);
        assert_eq!(
            lines(&desk.pass(LATENCY_NS)),
            ["1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"]
        );
        assert_eq!(
            lines(&desk.replace(1, price, 200)),
            ["1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"]
        );
        assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0);
    }
}

#[test]
fn c_3_replaced_to_less_while_it_is_executed() {
    for (executed, told) in [
        (60, "1 replaced -> partially_filled"),
        (70, "1 replaced -> filled"),
        (80, "1 replaced -> filled"),
    ] {
        let mut desk = resting();
        desk.replace(1, cents(9_990), 70);
        flow(&mut desk, executed);
        assert_eq!(lines(&desk.pass(LATENCY_NS)), [told], "{executed} executed");
        let order_qty = desk.core.oms().order(slot(&desk, 1)).qty;
        assert_eq!(order_qty, Lots(executed.max(70)));
        let open = desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty[0];
        assert_eq!(open, Lots(70u64.saturating_sub(executed)));
    }
}

/// The slot of an order, by its number.
fn slot(desk: &Desk, order_id: u64) -> tidegate_oms::OrderSlot {
    let found = desk.core.oms().find(ACCOUNT, OrderId(order_id), &ClientOrderId::EMPTY);
    found.expect("the order is kept")
}

#[test]
fn d_1_b_one_replace_refused_at_the_gate_then_another() {
    let mut desk = resting();
    flow(&mut desk, 10);
    assert_eq!(
        lines(&desk.replace(1, cents(9_990), 10)),
        ["1 cancel_reject -> partially_filled qty_below_executed: limit=10 value=10"]
    );
    desk.replace(1, cents(9_990), 60);
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["1 replaced -> partially_filled"]);
}

#[test]
fn d_2_d_of_two_replaces_the_second_is_refused_and_a_cancel_may_follow() {
    let mut desk = resting();
    desk.replace(1, cents(9_990), 80);
    let pending = "pending_cancel_or_replace: limit=0 value=1";
    assert_eq!(
        lines(&desk.replace(1, cents(9_990), 70)),
        [format!("1 cancel_reject -> pending_replace {pending}")]
    );
    assert_eq!(lines(&desk.cancel(1)), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(lines(&desk.cancel(1)), [format!("1 cancel_reject -> pending_cancel {pending}")]);
    assert_eq!(
        lines(&desk.replace(1, cents(9_990), 70)),
        [format!("1 cancel_reject -> pending_cancel {pending}")]
    );
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        ["1 replaced -> pending_cancel", "1 canceled 80 user -> canceled"]
    );
}

#[test]
fn d_2_fills_under_a_replace_and_a_cancel_are_answered_both() {
    let mut desk = resting();
    desk.replace(1, cents(9_990), 80);
    desk.cancel(1);
    assert_eq!(flow(&mut desk, 100), ["1 trade 100@9990 -> pending_cancel"]);
    let late = "too_late_to_cancel: limit=0 value=1";
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        [
            format!("1 cancel_reject -> pending_cancel {late}"),
            format!("1 cancel_reject -> filled {late}"),
        ]
    );
}

/// F.1.a and F.1.b. An order needs no flag to be taken for a resend: its content tells.
#[test]
fn f_1_the_same_id_is_the_same_order_or_is_refused() {
    let mut desk = desk();
    let order = new_order("twice", Buy, Some(cents(9_990)), 100, Gtc);
    let send = |desk: &mut Desk, order: NewOrder| lines(&desk.command(Command::NewOrder(order)));
    assert_eq!(send(&mut desk, order), ["1 pending_new -> pending_new"]);
    assert_eq!(send(&mut desk, order), ["1 order_status -> pending_new"]);
    desk.pass(LATENCY_NS);
    assert_eq!(send(&mut desk, order), ["1 order_status -> new"]);
    flow(&mut desk, 10);
    assert_eq!(send(&mut desk, order), ["1 order_status -> partially_filled"]);
    desk.replace(1, cents(9_991), 90);
    assert_eq!(send(&mut desk, order), ["1 order_status -> pending_replace"]);
    desk.pass(LATENCY_NS);
    let refused = "0 rejected -> rejected duplicate_client_order_id: limit=0 value=1";
    // What it was replaced to is other content.
    let replaced = NewOrder { qty: Lots(90), price: cents(9_991), ..order };
    assert_eq!(send(&mut desk, replaced), [refused]);
    assert_eq!(send(&mut desk, NewOrder { qty: Lots(101), ..order }), [refused]);
    assert_eq!(send(&mut desk, NewOrder { flags: 1, ..order }), [refused]);
    // Whatever the gate would say now.
    let kill = KillSwitch::of(Scope::account(ACCOUNT), true);
    desk.command(Command::KillSwitch(kill));
    desk.pass(LATENCY_NS);
    assert_eq!(send(&mut desk, order), ["1 order_status -> canceled"]);
    assert_eq!(desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty, [Lots(0); 2]);
    // The next day the name is free.
    desk.agreed(Command::KillSwitch(KillSwitch { engaged: 0, ..kill }));
    desk.command(Command::DayRoll);
    assert_eq!(send(&mut desk, order), ["2 pending_new -> pending_new"]);
    // What was refused never was an order: it is looked at anew.
    let dear = new_order("dear", Buy, Some(cents(99_999)), 100, Gtc);
    for _ in 0..2 {
        let told = send(&mut desk, dear);
        assert!(told[0].starts_with("0 rejected -> rejected price_collar"), "{told:?}");
    }
    let cheap = NewOrder { price: cents(9_000), ..dear };
    assert_eq!(send(&mut desk, cheap), ["3 pending_new -> pending_new"]);
}

#[test]
fn h_1_good_till_orders_are_renewed() {
    let mut desk = resting();
    flow(&mut desk, 20);
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        ["1 done_for_day -> done_for_day", "1 restated -> partially_filled"]
    );
    assert_eq!(flow(&mut desk, 10), ["1 trade 10@9990 -> partially_filled"]);
    desk.cancel(1);
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["1 canceled 70 user -> canceled"]);
    assert_eq!(lines(&desk.command(Command::DayRoll)), [""; 0]);
}

#[test]
fn i_1_immediate_orders() {
    let mut desk = desk();
    desk.order(Buy, Some(cents(10_001)), 101, Fok);
    desk.order(Buy, Some(cents(10_001)), 101, Ioc);
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        [
            "1 new -> new",
            "1 canceled 101 fok -> canceled",
            "2 new -> new",
            "2 trade 100@10001 -> partially_filled",
            "2 canceled 1 ioc -> canceled"
        ]
    );
}

#[test]
fn day_orders_under_a_request_expire_when_the_day_ends() {
    let mut desk = desk();
    desk.order(Buy, Some(cents(9_990)), 100, Day);
    desk.pass(LATENCY_NS);
    let replace = ReplaceOrder {
        client_order_id: ClientOrderId::EMPTY,
        order_id: OrderId(1),
        account: ACCOUNT,
        reserved: [0; 4],
        qty: Lots(90),
        price: cents(9_991),
        stop_price: Ticks::ZERO,
    };
    desk.command(Command::ReplaceOrder(replace));
    // What is under way arrives first.
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        ["1 replaced -> new", "1 expired -> expired"]
    );
}
