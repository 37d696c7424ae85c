//! Lists of orders on the paper venue, scenario by scenario: what is done to the desk, and every report about orders and
//! lists that follows.

mod support;
use support::quoted::{check_all_released, desk, open, position, told, trade};
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::Contingency::{Bracket, Oco, OneTriggersOco, Oto};
use tidegate_model::command::OrderType as Type;
use tidegate_model::command::TimeInForce::{Day, Gtc, Ioc};
use tidegate_model::command::*;
use tidegate_model::event::Event;
use tidegate_model::market::{Bar, MarketEventKind as Kind};
use tidegate_model::*;

const LATENCY_NS: u64 = 1_000;

fn limit(side: Side, price: i64, qty: u64) -> NewOrder {
    new_order("limit", side, Some(cents(price)), qty, Gtc)
}

fn market_order(side: Side, qty: u64) -> NewOrder {
    new_order("market", side, None, qty, Gtc)
}

fn stop(side: Side, stop_price: i64, qty: u64) -> NewOrder {
    NewOrder {
        order_type: Type::Stop.wire(),
        stop_price: cents(stop_price),
        ..new_order("stop", side, None, qty, Gtc)
    }
}

fn stop_limit(side: Side, stop_price: i64, price: i64, qty: u64) -> NewOrder {
    let order_type = Type::StopLimit.wire();
    NewOrder { order_type, price: cents(price), ..stop(side, stop_price, qty) }
}

/// Sends a list under a fresh number, its legs under fresh names; all reports.
fn enter(desk: &mut Desk, contingency: Contingency, legs: &[NewOrder]) -> Vec<String> {
    desk.names += 1;
    let list_id = desk.names as u32;
    enter_as(desk, list_id, contingency, legs)
}

fn enter_as(desk: &mut Desk, list_id: u32, kind: Contingency, legs: &[NewOrder]) -> Vec<String> {
    let mut told = lines(&desk.command(Command::NewList(NewList {
        account: ACCOUNT,
        list_id,
        contingency: kind.wire(),
        leg_count: legs.len() as u8,
        reserved: [0; 6],
    })));
    for (at, leg) in legs.iter().enumerate() {
        let name = ClientOrderId::new(&format!("list-{list_id}-{at}")).expect("valid");
        let leg = NewOrder { client_order_id: name, list_id, leg: at as u8 + 1, ..*leg };
        told.extend(lines(&desk.command(Command::NewOrder(leg))));
    }
    told
}

/// Entry: buy 100 at 99.95; take profit at 100.50; stop loss at 99.50.
fn bracket() -> [NewOrder; 3] {
    [limit(Buy, 9_995, 100), limit(Sell, 10_050, 100), stop(Sell, 9_950, 100)]
}

fn with_bracket(latency_ns: u64) -> Desk {
    let mut desk = desk(latency_ns);
    let told = enter(&mut desk, Bracket, &bracket());
    let expected = match latency_ns {
        0 => [
            "list 1 executing",
            "1 new -> new",
            "2 pending_new -> pending_new",
            "3 pending_new -> pending_new",
        ],
        _ => [
            "list 1 executing",
            "1 pending_new -> pending_new",
            "2 pending_new -> pending_new",
            "3 pending_new -> pending_new",
        ],
    };
    assert_eq!(told, expected);
    desk.pass(latency_ns);
    desk
}

#[test]
fn bracket_takes_its_profit() {
    let mut desk = with_bracket(0);
    assert_eq!(open(&desk), [100, 0], "exits count as the entry executes");
    assert_eq!(
        trade(&mut desk, 9_990, 100),
        ["1 trade 100@9995 -> filled", "2 new -> new", "3 new -> new"]
    );
    assert_eq!(open(&desk), [0, 100], "one of two");
    assert_eq!(
        trade(&mut desk, 10_060, 100),
        ["2 trade 100@10050 -> filled", "3 canceled 100 contingent -> canceled", "list 1 all_done"]
    );
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

#[test]
fn bracket_stops_its_loss_and_cancels_the_other_exit_first() {
    let mut desk = with_bracket(0);
    trade(&mut desk, 9_990, 100);
    assert_eq!(
        trade(&mut desk, 9_950, 1),
        [
            "3 triggered -> new",
            "2 canceled 100 contingent -> canceled",
            "3 trade 100@9990 -> filled",
            "list 1 all_done"
        ]
    );
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

#[test]
fn exits_follow_partial_fills_of_the_entry() {
    let mut desk = with_bracket(0);
    assert_eq!(told(&desk, 2), (100, 100), "as entered, until they begin");
    assert_eq!(
        trade(&mut desk, 9_990, 40),
        ["1 trade 40@9995 -> partially_filled", "2 new -> new", "3 new -> new"]
    );
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((40, 40), (40, 40)));
    assert_eq!(open(&desk), [60, 40]);
    assert_eq!(
        trade(&mut desk, 9_990, 25),
        ["1 trade 25@9995 -> partially_filled", "2 restated -> new", "3 restated -> new"]
    );
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((65, 65), (65, 65)));
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Sell)[0].leaves, Lots(65));
    // The profit is taken in parts: the other exit shrinks, and nothing more is bought.
    assert_eq!(
        trade(&mut desk, 10_060, 15),
        [
            "2 trade 15@10050 -> partially_filled",
            "1 canceled 35 contingent -> canceled",
            "3 restated -> new"
        ]
    );
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((65, 50), (50, 50)));
    assert_eq!(
        trade(&mut desk, 9_940, 1),
        [
            "3 triggered -> new",
            "2 canceled 50 contingent -> canceled",
            "3 trade 50@9990 -> filled",
            "list 1 all_done"
        ]
    );
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

#[test]
fn an_exit_that_closes_all_ends_the_entry_and_is_filled() {
    let mut desk = with_bracket(0);
    trade(&mut desk, 9_990, 40);
    assert_eq!(
        trade(&mut desk, 10_060, 100),
        [
            "2 trade 40@10050 -> partially_filled",
            "1 canceled 60 contingent -> canceled",
            "2 restated -> filled",
            "3 canceled 40 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn entry_canceled_after_a_partial_fill_leaves_its_exits() {
    let mut desk = with_bracket(0);
    trade(&mut desk, 9_990, 40);
    assert_eq!(lines(&desk.cancel(1)), ["1 canceled 60 user -> canceled"]);
    assert_eq!(told(&desk, 2), (40, 40));
    assert_eq!(open(&desk), [0, 40]);
    assert_eq!(
        trade(&mut desk, 10_060, 100),
        ["2 trade 40@10050 -> filled", "3 canceled 40 contingent -> canceled", "list 1 all_done"]
    );
    check_all_released(&desk);
}

#[test]
fn entry_that_ends_without_a_fill_takes_its_exits_along() {
    let mut desk = with_bracket(0);
    assert_eq!(
        lines(&desk.cancel(1)),
        [
            "1 canceled 100 user -> canceled",
            "2 canceled 100 contingent -> canceled",
            "3 canceled 100 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn one_exit_canceled_cancels_the_other_and_not_the_entry() {
    let mut desk = with_bracket(0);
    trade(&mut desk, 9_990, 40);
    assert_eq!(
        lines(&desk.cancel(3)),
        ["3 canceled 40 user -> canceled", "2 canceled 40 contingent -> canceled"]
    );
    assert_eq!(trade(&mut desk, 9_990, 60), ["1 trade 60@9995 -> filled", "list 1 all_done"]);
    assert_eq!(position(&desk), 100);
    check_all_released(&desk);
}

#[test]
fn the_entry_is_replaced_and_its_exits_follow() {
    let mut desk = with_bracket(0);
    trade(&mut desk, 9_990, 40);
    assert_eq!(lines(&desk.replace(1, cents(9_992), 150)), ["1 replaced -> partially_filled"]);
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((40, 40), (40, 40)));
    assert_eq!(
        trade(&mut desk, 9_990, 200),
        ["1 trade 110@9992 -> filled", "2 restated -> new", "3 restated -> new"]
    );
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((150, 150), (150, 150)));
    // Replaced to what it has executed and less, in a bracket of its own.
    let mut desk = with_bracket(0);
    assert_eq!(lines(&desk.replace(1, cents(9_995), 50))[0], "1 replaced -> new");
    assert_eq!(told(&desk, 2), (50, 50));
    trade(&mut desk, 9_990, 40);
    assert_eq!(lines(&desk.replace(1, cents(9_995), 45))[0], "1 replaced -> partially_filled");
    assert_eq!(trade(&mut desk, 9_990, 9)[0], "1 trade 5@9995 -> filled");
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((45, 45), (45, 45)));
}

#[test]
fn an_exit_is_replaced_in_price_and_not_in_quantity() {
    let mut desk = with_bracket(0);
    assert_eq!(
        lines(&desk.replace(2, cents(10_040), 90)),
        ["2 cancel_reject -> pending_new contingent_qty: limit=100 value=90"]
    );
    assert_eq!(lines(&desk.replace(2, cents(10_040), 100)), ["2 replaced -> pending_new"]);
    let changed = desk.replace_with_stop(3, Ticks::ZERO, 100, cents(9_960));
    assert_eq!(lines(&changed), ["3 replaced -> pending_new"]);
    // A stop loss that is held back tells its stop price, and tells it as it begins to wait.
    assert_eq!(stop_prices(&changed), [(3, Some(cents(9_960)))]);
    let event = MarketEvent { price: cents(9_990), qty: Lots(40), ..market(Kind::Trade, 0) };
    let told = stop_prices(&desk.market(event));
    assert_eq!(told.iter().find(|(order, _)| *order == 3), Some(&(3, Some(cents(9_960)))));
    let waits_at = desk.core.waiting().waiters(INSTRUMENT).next().and_then(|w| w.stop_price);
    assert_eq!(waits_at, Some(cents(9_960)));
    assert_eq!(lines(&desk.replace(2, cents(10_030), 40)), ["2 replaced -> new"]);
    assert_eq!(open(&desk), [60, 40]);
    assert_eq!(trade(&mut desk, 10_035, 40)[0], "2 trade 40@10030 -> partially_filled");
}

#[test]
fn latency_the_stop_loss_leaves_only_when_the_other_exit_is_gone() {
    let mut desk = with_bracket(LATENCY_NS);
    trade(&mut desk, 9_990, 100);
    desk.pass(LATENCY_NS);
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Sell).len(), 1);
    assert_eq!(
        trade(&mut desk, 9_950, 1),
        ["3 triggered -> new", "2 pending_cancel -> pending_cancel"]
    );
    // The profit is taken after all, in part, while its cancel is under way.
    assert_eq!(
        trade(&mut desk, 10_060, 30),
        ["2 trade 30@10050 -> pending_cancel", "3 restated -> new"]
    );
    assert_eq!(open(&desk), [0, 70]);
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        ["2 canceled 70 contingent -> canceled", "3 pending_new -> new"]
    );
    assert_eq!(lines(&desk.pass(LATENCY_NS)), ["3 trade 70@9990 -> filled", "list 1 all_done"]);
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

#[test]
fn latency_the_other_exit_fills_before_its_cancel_arrives() {
    let mut desk = with_bracket(LATENCY_NS);
    trade(&mut desk, 9_990, 100);
    desk.pass(LATENCY_NS);
    trade(&mut desk, 9_950, 1);
    assert_eq!(
        trade(&mut desk, 10_060, 100),
        ["2 trade 100@10050 -> pending_cancel", "3 canceled 100 contingent -> canceled"]
    );
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        ["2 cancel_reject -> filled too_late_to_cancel: limit=0 value=2", "list 1 all_done"]
    );
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

#[test]
fn latency_the_entry_goes_on_while_its_cancel_is_under_way() {
    let mut desk = with_bracket(LATENCY_NS);
    trade(&mut desk, 9_990, 40);
    desk.pass(LATENCY_NS);
    assert_eq!(
        trade(&mut desk, 10_060, 40),
        [
            "2 trade 40@10050 -> partially_filled",
            "1 pending_cancel -> pending_cancel",
            "3 restated -> new"
        ]
    );
    // Twenty more are bought before the cancel arrives: they are protected as well.
    assert_eq!(trade(&mut desk, 9_990, 20)[0], "1 trade 20@9995 -> pending_cancel");
    let arrived = lines(&desk.pass(LATENCY_NS));
    assert!(arrived.contains(&"1 canceled 40 contingent -> canceled".to_string()), "{arrived:?}");
    desk.pass(LATENCY_NS);
    assert_eq!((told(&desk, 2), told(&desk, 3)), ((60, 20), (20, 20)));
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Sell)[0].leaves, Lots(20));
    assert_eq!(
        trade(&mut desk, 10_060, 40),
        ["2 trade 20@10050 -> filled", "3 canceled 20 contingent -> canceled", "list 1 all_done"]
    );
    assert_eq!(position(&desk), 0);
    check_all_released(&desk);
}

#[test]
fn a_bracket_may_trail_and_may_have_one_exit() {
    let mut desk = desk(0);
    let trailing = NewOrder {
        order_type: Type::TrailingStop.wire(),
        trail: 5_000,
        trail_unit: TrailUnit::Ticks.wire(),
        ..market_order(Sell, 10)
    };
    enter(&mut desk, Bracket, &[market_order(Buy, 10), trailing]);
    assert_eq!(position(&desk), 10);
    trade(&mut desk, 10_020, 1);
    assert_eq!(
        trade(&mut desk, 9_970, 1),
        ["2 triggered -> new", "2 trade 10@9990 -> filled", "list 1 all_done"]
    );
    check_all_released(&desk);
}

#[test]
fn a_short_bracket() {
    let mut desk = desk(0);
    enter(
        &mut desk,
        Bracket,
        &[market_order(Sell, 10), limit(Buy, 9_950, 10), stop(Buy, 10_050, 10)],
    );
    assert_eq!(position(&desk), -10);
    assert_eq!(open(&desk), [10, 0]);
    assert_eq!(
        trade(&mut desk, 10_050, 1),
        [
            "3 triggered -> new",
            "2 canceled 10 contingent -> canceled",
            "3 trade 10@10010 -> filled",
            "list 1 all_done"
        ]
    );
}

/// Where only bars are told, a bar that reaches both exits stops the position out.
#[test]
fn a_bracket_on_bars() {
    let mut desk = Desk::new(0);
    let mut at = 0;
    let mut bar = |desk: &mut Desk, prices: [i64; 4]| {
        at += 1_000;
        desk.now = UnixNanos(at);
        let [open, high, low, close] = prices.map(cents);
        let (begin, end) = (UnixNanos(at - 999), desk.now);
        let (channel_id, volume, feed_seq) = (7, Lots(1_000), 1);
        let bar = Bar { channel_id, begin, end, open, high, low, close, volume, feed_seq };
        bar.into_events().into_iter().flat_map(|half| lines(&desk.market(half))).collect::<Vec<_>>()
    };
    bar(&mut desk, [10_000, 10_000, 10_000, 10_000]);
    enter(
        &mut desk,
        Bracket,
        &[market_order(Buy, 10), limit(Sell, 10_050, 10), stop(Sell, 9_950, 10)],
    );
    assert_eq!(
        bar(&mut desk, [10_000, 10_010, 9_990, 10_005]),
        ["1 trade 10@10000 -> filled", "2 new -> new", "3 new -> new"]
    );
    assert_eq!(
        bar(&mut desk, [10_005, 10_080, 9_940, 10_060]),
        [
            "3 triggered -> new",
            "2 canceled 10 contingent -> canceled",
            "3 trade 10@9950 -> filled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn cash_for_the_entry_is_cash_for_the_bracket() {
    let mut desk = desk(0);
    // 100,000 in cash and a million of credit; 10,000 lots at 99.90 are 999,000, at 105 they would be 1,050,000.
    let exits = [limit(Sell, 20_000, 10_000), stop(Sell, 9_500, 10_000)];
    let mut limits = limits(ACCOUNT);
    limits.credit = Money(900_000 * tidegate_model::units::MONEY_PER_UNIT);
    limits.max_order_notional = Money(i128::MAX);
    desk.agreed(Command::SetLimits(limits));
    let told = enter(&mut desk, Bracket, &[limit(Buy, 9_990, 10_000), exits[0], exits[1]]);
    assert_eq!(told[0], "list 1 executing");
}

#[test]
fn oco_one_filled_cancels_the_other() {
    let mut desk = desk(0);
    let told = enter(&mut desk, Oco, &[limit(Buy, 9_980, 50), stop(Buy, 10_030, 50)]);
    assert_eq!(told, ["list 1 executing", "1 new -> new", "2 new -> new"]);
    assert_eq!(open(&desk), [50, 0], "the larger of the two");
    assert_eq!(
        trade(&mut desk, 9_970, 20),
        ["1 trade 20@9980 -> partially_filled", "2 restated -> new"]
    );
    assert_eq!(open(&desk), [30, 0]);
    assert_eq!(
        trade(&mut desk, 10_030, 1),
        [
            "2 triggered -> new",
            "1 canceled 30 contingent -> canceled",
            "2 trade 30@10010 -> filled",
            "list 1 all_done"
        ]
    );
    assert_eq!(position(&desk), 50);
    check_all_released(&desk);
}

#[test]
fn oco_one_canceled_or_expired_ends_the_other() {
    let mut desk = desk(0);
    let day = NewOrder { time_in_force: Day.wire(), ..limit(Buy, 9_980, 50) };
    enter(&mut desk, Oco, &[day, limit(Sell, 10_020, 50), stop(Buy, 10_030, 50)]);
    assert_eq!(
        lines(&desk.cancel(3)),
        [
            "3 canceled 50 user -> canceled",
            "1 canceled 50 contingent -> canceled",
            "2 canceled 50 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    enter(&mut desk, Oco, &[day, limit(Sell, 10_020, 50)]);
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        [
            "4 expired -> expired",
            "5 done_for_day -> done_for_day",
            "5 restated -> new",
            "5 canceled 50 contingent -> canceled",
            "list 2 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn oco_on_two_sides_is_a_breakout() {
    let mut desk = desk(0);
    enter(&mut desk, Oco, &[stop(Buy, 10_030, 50), stop(Sell, 9_970, 50)]);
    assert_eq!(open(&desk), [50, 50]);
    assert_eq!(
        trade(&mut desk, 9_970, 1),
        [
            "2 triggered -> new",
            "2 trade 50@9990 -> filled",
            "1 canceled 50 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    assert_eq!(position(&desk), -50);
}

/// Two limit orders on two sides may both be met before the cancel of either arrives, or by one input: both are booked.
#[test]
fn oco_on_two_sides_may_be_executed_on_both() {
    let mut desk = desk(0);
    enter(&mut desk, Oco, &[limit(Buy, 10_005, 50), limit(Sell, 10_006, 50)]);
    desk.market(market(Kind::Delete, 1));
    desk.market(market(Kind::Delete, 2));
    // One input: the book is found across both when trading goes on.
    let halt = MarketEvent { flags: 2, ..market(Kind::Status, 0) };
    desk.market(halt);
    desk.market(add(7, Sell, cents(10_004), 30));
    desk.market(add(8, Buy, cents(10_007), 30));
    let trading = MarketEvent { flags: 1, ..market(Kind::Status, 0) };
    assert_eq!(
        lines(&desk.market(trading)),
        [
            "1 trade 30@10004 -> partially_filled",
            "2 trade 30@10007 -> partially_filled",
            "1 canceled 20 contingent -> canceled",
            "2 canceled 20 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn oco_what_the_first_leg_takes_at_once_the_second_does_not_begin_with() {
    let mut desk = desk(0);
    desk.market(add(7, Sell, cents(10_005), 30));
    assert_eq!(
        enter(&mut desk, Oco, &[limit(Buy, 10_005, 50), limit(Sell, 10_040, 50)]),
        [
            "list 1 executing",
            "1 new -> new",
            "1 trade 30@10005 -> partially_filled",
            "2 restated -> pending_new",
            "2 new -> new"
        ]
    );
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Sell).len(), 1);
    assert_eq!(open(&desk), [20, 20]);
}

#[test]
fn oto_holds_the_others_until_the_entry_is_filled() {
    let mut desk = desk(0);
    let legs = [limit(Buy, 9_980, 50), limit(Sell, 10_050, 20), stop(Sell, 9_950, 30)];
    let told = enter(&mut desk, Oto, &legs);
    assert_eq!(
        told,
        [
            "list 1 executing",
            "1 new -> new",
            "2 pending_new -> pending_new",
            "3 pending_new -> pending_new"
        ]
    );
    assert_eq!(open(&desk), [50, 50], "counted at once");
    assert_eq!(trade(&mut desk, 9_970, 20), ["1 trade 20@9980 -> partially_filled"]);
    assert_eq!(
        trade(&mut desk, 9_970, 40),
        ["1 trade 30@9980 -> filled", "2 new -> new", "3 new -> new"]
    );
    assert_eq!(trade(&mut desk, 10_060, 20), ["2 trade 20@10050 -> filled"]);
    assert_eq!(
        trade(&mut desk, 9_950, 1),
        ["3 triggered -> new", "3 trade 30@9990 -> filled", "list 1 all_done"]
    );
    check_all_released(&desk);
}

#[test]
fn oto_whose_entry_is_not_filled_ends_whole() {
    let mut desk = desk(0);
    enter(&mut desk, Oto, &[limit(Buy, 9_980, 50), limit(Sell, 10_050, 50)]);
    trade(&mut desk, 9_970, 20);
    assert_eq!(
        lines(&desk.cancel(1)),
        [
            "1 canceled 30 user -> canceled",
            "2 canceled 50 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    let ioc = NewOrder { time_in_force: Ioc.wire(), ..limit(Buy, 9_980, 50) };
    assert_eq!(
        enter(&mut desk, Oto, &[ioc, limit(Sell, 10_050, 50)]),
        [
            "list 2 executing",
            "3 new -> new",
            "3 canceled 50 ioc -> canceled",
            "4 pending_new -> pending_new",
            "4 canceled 50 contingent -> canceled",
            "list 2 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn one_triggers_oco() {
    let mut desk = desk(0);
    let legs = [market_order(Buy, 50), limit(Sell, 10_050, 50), stop_limit(Sell, 9_950, 9_940, 50)];
    assert_eq!(
        enter(&mut desk, OneTriggersOco, &legs),
        [
            "list 1 executing",
            "1 new -> new",
            "1 trade 50@10010 -> filled",
            "2 pending_new -> pending_new",
            "3 pending_new -> pending_new",
            "2 new -> new",
            "3 new -> new"
        ]
    );
    assert_eq!(open(&desk), [0, 50]);
    assert_eq!(
        trade(&mut desk, 10_060, 50),
        ["2 trade 50@10050 -> filled", "3 canceled 50 contingent -> canceled", "list 1 all_done"]
    );
    check_all_released(&desk);
}

#[test]
fn a_list_is_taken_whole_or_not_at_all() {
    let mut desk = desk(0);
    let before = desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    let [entry, profit, loss] = bracket();
    let far = stop_limit(Sell, 9_950, 8_000, 100);
    let refused = "rejected -> rejected price_collar: limit=895500 value=800000";
    assert_eq!(
        enter(&mut desk, Bracket, &[entry, profit, far]),
        [
            format!("0 {refused}"),
            format!("0 {refused}"),
            format!("0 {refused}"),
            "list 1 reject price_collar: limit=895500 value=800000".into()
        ]
    );
    assert_eq!(desk.core.risk().exposure(ACCOUNT, INSTRUMENT), before);
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0);
    assert_eq!(desk.core.oms().kept_count(), 0);
    check_all_released(&desk);
    type Spoil = fn(&mut [NewOrder; 3]);
    let table: [(Contingency, Spoil, &str); 11] = [
        (Bracket, |l| l[1].side = Buy.wire(), "bad_field: limit=0 value=1"),
        (Bracket, |l| l[2].qty = Lots(90), "contingent_qty: limit=100 value=90"),
        (Bracket, |l| l[1].time_in_force = Ioc.wire(), "bad_field: limit=0 value=3"),
        (Bracket, |l| l[1].instrument = InstrumentId(1), "bad_field: limit=0 value=1"),
        (Bracket, |l| l[2] = limit(Sell, 10_060, 100), "contingent_over_commit: limit=0 value=3"),
        (Oco, |l| l[0] = limit(Sell, 10_060, 100), "contingent_over_commit: limit=0 value=2"),
        (
            OneTriggersOco,
            |l| l[2] = limit(Sell, 10_060, 10),
            "contingent_over_commit: limit=0 value=3",
        ),
        (Oto, |l| l[1].instrument = InstrumentId(9), "unknown_instrument: limit=0 value=9"),
        (Oto, |l| l[2].account = AccountId(2), "bad_field: limit=0 value=3"),
        (Oto, |l| l[0].qty = Lots(20_000), "max_order_qty: limit=10000 value=20000"),
        (Oto, |l| l[2].time_in_force = TimeInForce::Gtd.wire(), "expired: limit=1000 value=0"),
    ];
    for (at, (kind, spoil, reject)) in table.into_iter().enumerate() {
        let mut legs = [entry, profit, loss];
        spoil(&mut legs);
        let told = enter(&mut desk, kind, &legs);
        assert!(told.last().is_some_and(|last| last.ends_with(reject)), "row {at}: {told:?}");
        assert!(told[..told.len() - 1].iter().all(|leg| leg.contains("rejected")), "{told:?}");
        check_all_released(&desk);
    }
    // Two limit orders on one side are no OCO, but as legs of an OTO they are two orders.
    let told = enter(&mut desk, Oto, &[entry, profit, limit(Sell, 10_060, 100)]);
    assert_eq!(told[0], "list 13 executing");
}

#[test]
fn heads_that_no_list_may_have() {
    let mut desk = desk(0);
    let mut head = |contingency: u8, leg_count: u8, list_id: u32| {
        let account = ACCOUNT;
        let head = NewList { account, list_id, contingency, leg_count, reserved: [0; 6] };
        lines(&desk.command(Command::NewList(head)))
    };
    let bad =
        |list: u32, value: u8| vec![format!("list {list} reject bad_field: limit=0 value={value}")];
    assert_eq!(head(0, 2, 1), bad(1, 0));
    assert_eq!(head(5, 2, 1), bad(1, 5));
    assert_eq!(head(Oco.wire(), 1, 1), bad(1, 1));
    assert_eq!(head(Oco.wire(), 9, 1), bad(1, 9));
    assert_eq!(head(Bracket.wire(), 4, 1), bad(1, 4));
    assert_eq!(head(OneTriggersOco.wire(), 2, 1), bad(1, 2));
    assert_eq!(head(Oco.wire(), 2, 0), bad(0, 0));
    assert_eq!(head(Oco.wire(), 8, 7), [""; 0]);
}

#[test]
fn a_list_whose_legs_do_not_come_is_refused() {
    let mut desk = desk(0);
    let head = |list_id| {
        Command::NewList(NewList {
            account: ACCOUNT,
            list_id,
            contingency: Oco.wire(),
            leg_count: 3,
            reserved: [0; 6],
        })
    };
    let leg = |list_id, leg, name: &str| {
        let order = new_order(name, Buy, Some(cents(9_980)), 10, Gtc);
        Command::NewOrder(NewOrder { list_id, leg, ..order })
    };
    // No such list.
    let unknown = ["0 rejected -> rejected unknown_list: limit=0 value=4"];
    assert_eq!(lines(&desk.command(leg(4, 1, "a"))), unknown);
    let unknown = ["0 rejected -> rejected unknown_list: limit=0 value=0"];
    assert_eq!(lines(&desk.command(leg(0, 1, "a"))), unknown);
    // Another list begins, the session ends, a leg is out of turn. Other orders may come between.
    desk.command(head(4));
    assert_eq!(lines(&desk.command(leg(4, 1, "a"))), [""; 0]);
    assert_eq!(lines(&desk.order(Buy, Some(cents(9_900)), 1, Gtc)), ["1 new -> new"]);
    let incomplete = "list_incomplete: limit=3 value=1";
    assert_eq!(
        lines(&desk.command(head(5))),
        [format!("0 rejected -> rejected {incomplete}"), format!("list 4 reject {incomplete}")]
    );
    let incomplete = "list_incomplete: limit=3 value=0";
    assert_eq!(
        lines(&desk.command(Command::SessionClosed)),
        [format!("list 5 reject {incomplete}")]
    );
    desk.command(head(6));
    assert_eq!(
        lines(&desk.command(leg(6, 2, "a"))),
        [
            "0 rejected -> rejected bad_field: limit=0 value=2",
            "list 6 reject bad_field: limit=0 value=2"
        ]
    );
    assert_eq!(desk.core.oms().open_count(), 1);
}

#[test]
fn a_list_that_is_sent_again_is_taken_once() {
    let mut desk = desk(0);
    enter_as(&mut desk, 1, Bracket, &bracket());
    let again = [
        "list 1 executing",
        "1 order_status -> new",
        "2 order_status -> pending_new",
        "3 order_status -> pending_new",
    ];
    assert_eq!(enter_as(&mut desk, 1, Bracket, &bracket()), again);
    let mut other = bracket();
    other[2].stop_price = cents(9_940);
    let told = enter_as(&mut desk, 1, Bracket, &other);
    assert_eq!(told[3], "list 1 reject duplicate_client_order_id: limit=0 value=3");
    desk.cancel(1);
    let told = enter_as(&mut desk, 1, Bracket, &bracket());
    assert_eq!(told[..2], ["list 1 all_done", "1 order_status -> canceled"]);
    // Some of its names are taken.
    let legs = [limit(Buy, 9_980, 1), limit(Sell, 10_020, 1)];
    let told = enter_as(&mut desk, 1, Oco, &legs);
    assert_eq!(told[2], "list 1 reject duplicate_client_order_id: limit=0 value=1");
    check_all_released(&desk);
}

#[test]
fn reports_name_the_list_by_its_first_order() {
    let mut desk = desk(0);
    desk.order(Buy, Some(cents(9_900)), 1, Gtc);
    enter(&mut desk, Oco, &[limit(Buy, 9_980, 50), stop(Buy, 10_030, 50)]);
    let events = desk.cancel(3);
    let parents: Vec<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Execution(told) => Some(told.parent_id.0),
            Event::ListStatus(told) => Some(told.first_order_id.0),
            _ => None,
        })
        .collect();
    assert_eq!(parents, [2, 2, 2]);
    let parent = |events: &[Event]| match events.first() {
        Some(Event::Execution(told)) => told.parent_id.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(parent(&desk.cancel(1)), 0);
}

#[test]
fn kill_switches_reach_every_leg() {
    let mut desk = with_bracket(LATENCY_NS);
    trade(&mut desk, 9_990, 40);
    desk.pass(LATENCY_NS);
    let kill = KillSwitch::of(Scope::account(ACCOUNT), true);
    assert_eq!(
        lines(&desk.command(Command::KillSwitch(kill))),
        [
            "1 pending_cancel -> pending_cancel",
            "2 pending_cancel -> pending_cancel",
            "3 canceled 40 kill_switch -> canceled"
        ]
    );
    assert_eq!(
        lines(&desk.pass(LATENCY_NS)),
        [
            "1 canceled 60 kill_switch -> canceled",
            "2 canceled 40 kill_switch -> canceled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}
