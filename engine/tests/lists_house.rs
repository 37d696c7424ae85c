//! Lists of orders whose legs trade in a market of the house: what is done, and every report about orders and lists that
//! follows.

mod support;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::Contingency::{Bracket, Oco, Oto};
use tidegate_model::command::OrderType as Type;
use tidegate_model::command::TimeInForce::{Day, Gtc};
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, Execution};
use tidegate_model::instrument::venue_kind;
use tidegate_model::*;

const HOUSE: InstrumentId = InstrumentId(1);
const ALICE: AccountId = AccountId(1);
const BOB: AccountId = AccountId(2);

/// A market whose reference is 100.00.
fn house() -> Desk {
    let mut desk = Desk::new(0);
    let symbol = Symbol::new("HOUSE").expect("valid");
    let (venue_kind, order_tick_from) = (venue_kind::INTERNAL, Ticks::ZERO);
    let terms = Instrument { venue_kind, order_tick_from, ..Instrument::us_equity(symbol) };
    desk.command(Command::DefineInstrument(terms));
    let (price, instrument) = (cents(10_000), HOUSE);
    desk.command(Command::SetReference(SetReference { price, instrument, reserved: [0; 4] }));
    desk
}

fn limit(side: Side, price: i64, qty: u64) -> NewOrder {
    NewOrder { instrument: HOUSE, ..new_order("x", side, Some(cents(price)), qty, Gtc) }
}

fn stop(side: Side, stop_price: i64, qty: u64) -> NewOrder {
    let (order_type, stop_price) = (Type::Stop.wire(), cents(stop_price));
    let market = new_order("x", side, None, qty, Gtc);
    NewOrder { instrument: HOUSE, order_type, stop_price, ..market }
}

/// Bob enters a limit order.
fn bob(desk: &mut Desk, side: Side, price: i64, qty: u64) -> Vec<String> {
    desk.names += 1;
    let client_order_id = ClientOrderId::new(&format!("bob-{}", desk.names)).expect("valid");
    let order = NewOrder { client_order_id, account: BOB, ..limit(side, price, qty) };
    lines(&desk.command(Command::NewOrder(order)))
}

/// Alice enters a list.
fn enter(desk: &mut Desk, contingency: Contingency, legs: &[NewOrder]) -> Vec<String> {
    lines(&enter_list(desk, contingency, legs))
}

fn enter_list(desk: &mut Desk, contingency: Contingency, legs: &[NewOrder]) -> Vec<Event> {
    desk.names += 1;
    let list_id = desk.names as u32;
    let (contingency, leg_count) = (contingency.wire(), legs.len() as u8);
    let head = NewList { account: ALICE, list_id, contingency, leg_count, reserved: [0; 6] };
    let mut told = desk.command(Command::NewList(head));
    for (leg, order) in (1..).zip(legs) {
        let name = ClientOrderId::new(&format!("list-{list_id}-{leg}")).expect("valid");
        let order = NewOrder { client_order_id: name, list_id, leg, ..*order };
        told.extend(desk.command(Command::NewOrder(order)));
    }
    told
}

fn phase(desk: &mut Desk, phase: Phase) -> Vec<String> {
    let set = SetPhase::now(HOUSE, phase);
    lines(&desk.command(Command::SetPhase(set)))
}

fn in_market(desk: &Desk, order_id: u64) -> Option<u64> {
    let slot = desk.core.oms().by_id(OrderId(order_id)).expect("kept");
    desk.core.internal().markets().open(slot.index() as u32).map(|qty| qty.0)
}

fn check_all_released(desk: &Desk) {
    assert_eq!(desk.core.oms().position(ALICE, HOUSE).qty, 0);
    let pair = desk.core.risk().exposure(ALICE, HOUSE);
    assert_eq!((pair.open_qty, pair.open_notional), ([Lots(0); 2], [Money(0); 2]));
    assert_eq!(desk.core.risk().open_orders(ALICE), 0);
    assert_eq!(desk.core.oms().hash(), desk.core.oms().hash_from_scratch());
    assert_eq!(desk.core.risk().hash(), desk.core.risk().hash_from_scratch());
}

#[test]
fn exits_of_a_bracket_follow_its_entry() {
    let mut desk = house();
    let legs = [limit(Buy, 9_995, 100), limit(Sell, 10_050, 100), stop(Sell, 9_950, 100)];
    assert_eq!(
        enter(&mut desk, Bracket, &legs),
        [
            "list 1 executing",
            "1 new -> new",
            "2 pending_new -> pending_new",
            "3 pending_new -> pending_new"
        ]
    );
    assert_eq!([in_market(&desk, 2), in_market(&desk, 3)], [None, None]);
    assert_eq!(
        bob(&mut desk, Sell, 9_995, 40),
        [
            "4 new -> new",
            "1 trade 40@9995 -> partially_filled",
            "4 trade 40@9995 -> filled",
            "2 new -> new",
            "3 new -> new"
        ]
    );
    assert_eq!(in_market(&desk, 2), Some(40));
    assert_eq!(
        bob(&mut desk, Sell, 9_995, 25),
        [
            "5 new -> new",
            "1 trade 25@9995 -> partially_filled",
            "5 trade 25@9995 -> filled",
            "2 restated -> new",
            "3 restated -> new"
        ]
    );
    assert_eq!(in_market(&desk, 2), Some(65));
    assert_eq!(
        bob(&mut desk, Buy, 10_050, 15),
        [
            "6 new -> new",
            "2 trade 15@10050 -> partially_filled",
            "6 trade 15@10050 -> filled",
            "1 canceled 35 contingent -> canceled",
            "3 restated -> new"
        ]
    );
    bob(&mut desk, Buy, 9_940, 100);
    bob(&mut desk, Buy, 9_950, 1);
    assert_eq!(
        bob(&mut desk, Sell, 9_950, 1),
        [
            "9 new -> new",
            "8 trade 1@9950 -> filled",
            "9 trade 1@9950 -> filled",
            "3 triggered -> new",
            "2 canceled 50 contingent -> canceled",
            "7 trade 50@9940 -> partially_filled",
            "3 trade 50@9940 -> filled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}

#[test]
fn an_exit_that_closes_all_ends_the_entry_and_leaves_the_market() {
    let mut desk = house();
    let legs = [limit(Buy, 9_995, 100), limit(Sell, 10_050, 100), stop(Sell, 9_950, 100)];
    enter(&mut desk, Bracket, &legs);
    bob(&mut desk, Sell, 9_995, 40);
    assert_eq!(
        bob(&mut desk, Buy, 10_050, 60),
        [
            "5 new -> new",
            "2 trade 40@10050 -> partially_filled",
            "5 trade 40@10050 -> partially_filled",
            "1 canceled 60 contingent -> canceled",
            "2 restated -> filled",
            "3 canceled 40 contingent -> canceled",
            "list 1 all_done"
        ]
    );
    check_all_released(&desk);
}

/// The stop price of an exit is reached as soon as it begins, while the other exit is there: it is held until that is canceled,
/// and rests with what it began with.
#[test]
fn an_exit_that_is_held_at_its_stop_price_has_what_is_live_of_it() {
    let mut desk = house();
    bob(&mut desk, Sell, 9_995, 40);
    let stop_limit = NewOrder {
        order_type: Type::StopLimit.wire(),
        price: cents(10_010),
        ..stop(Sell, 9_996, 100)
    };
    let legs = [limit(Buy, 10_000, 100), limit(Sell, 10_050, 100), stop_limit];
    let told = enter_list(&mut desk, Bracket, &legs);
    let of_stop = told.iter().filter_map(|event| match event {
        Event::Execution(Execution {
            order_id: OrderId(4), exec_type, qty, leaves_qty, ..
        }) => {
            let exec_type = ExecType::from_wire(*exec_type).expect("known");
            Some((exec_type, qty.0, leaves_qty.0))
        }
        _ => None,
    });
    assert_eq!(
        of_stop.collect::<Vec<_>>(),
        [(ExecType::PendingNew, 100, 100), (ExecType::New, 40, 40), (ExecType::Triggered, 40, 40)]
    );
    assert_eq!(lines(&told).last().expect("some"), "3 canceled 40 contingent -> canceled");
    assert_eq!(in_market(&desk, 4), Some(40));
    assert_eq!(
        bob(&mut desk, Sell, 10_000, 25),
        [
            "5 new -> new",
            "2 trade 25@10000 -> partially_filled",
            "5 trade 25@10000 -> filled",
            "4 restated -> new"
        ]
    );
    assert_eq!(in_market(&desk, 4), Some(65));
}

#[test]
fn one_cancels_the_other_where_one_waits() {
    let mut desk = house();
    let told = enter(&mut desk, Oco, &[limit(Sell, 10_050, 10), stop(Sell, 9_950, 10)]);
    assert_eq!(told, ["list 1 executing", "1 new -> new", "2 new -> new"]);
    bob(&mut desk, Buy, 9_950, 5);
    assert_eq!(
        bob(&mut desk, Buy, 10_050, 4),
        [
            "4 new -> new",
            "1 trade 4@10050 -> partially_filled",
            "4 trade 4@10050 -> filled",
            "2 restated -> new"
        ]
    );
    // A halt keeps everything where it is, and what follows trades as the auction says.
    phase(&mut desk, Phase::Halt);
    assert_eq!(bob(&mut desk, Sell, 9_950, 5), ["5 new -> new"]);
    let told = phase(&mut desk, Phase::Continuous);
    assert_eq!(
        told,
        [
            "3 trade 5@9950 -> filled",
            "5 trade 5@9950 -> filled",
            "2 triggered -> new",
            "1 canceled 6 contingent -> canceled",
            "2 canceled 6 no_liquidity -> canceled",
            "list 1 all_done"
        ]
    );
}

#[test]
fn what_its_market_does_not_take_ends_the_list() {
    let mut desk = house();
    let day = NewOrder { time_in_force: Day.wire(), ..limit(Sell, 10_050, 10) };
    enter(&mut desk, Oto, &[limit(Buy, 9_995, 10), day]);
    assert_eq!(lines(&desk.cancel(2)), ["2 canceled 10 user -> canceled"], "the engine holds it");
    let post = NewOrder { post_only: PostOnly::Reject.wire(), ..limit(Sell, 9_990, 10) };
    enter(&mut desk, Oto, &[limit(Buy, 9_996, 10), post, limit(Sell, 10_050, 10)]);
    bob(&mut desk, Buy, 9_990, 10);
    assert_eq!(
        bob(&mut desk, Sell, 9_996, 10),
        [
            "7 new -> new",
            "3 trade 10@9996 -> filled",
            "7 trade 10@9996 -> filled",
            "4 rejected -> rejected post_only_would_cross: limit=999500 value=999000",
            "5 new -> new",
        ]
    );
}

/// A market that closes executes a part of one leg, and takes no change of the other any more.
#[test]
fn a_leg_that_its_market_does_not_change_is_canceled_as_it_was_told() {
    let mut desk = house();
    phase(&mut desk, Phase::CloseAuction);
    enter(&mut desk, Oco, &[limit(Buy, 9_995, 10), limit(Sell, 10_050, 10)]);
    bob(&mut desk, Sell, 9_995, 4);
    assert_eq!(
        phase(&mut desk, Phase::Closed),
        [
            "1 trade 4@9995 -> partially_filled",
            "3 trade 4@9995 -> filled",
            "2 restated -> new",
            "2 canceled 6 contingent -> canceled",
            "1 canceled 6 contingent -> canceled",
            "list 1 all_done"
        ]
    );
}

#[test]
fn the_day_ends_for_legs_that_the_engine_holds() {
    let mut desk = house();
    let day = |order: NewOrder| NewOrder { time_in_force: Day.wire(), ..order };
    enter(&mut desk, Oto, &[day(limit(Buy, 9_995, 10)), day(stop(Sell, 9_950, 10))]);
    enter(&mut desk, Oto, &[limit(Buy, 9_994, 10), stop(Sell, 9_950, 10)]);
    let told = lines(&desk.command(Command::DayRoll));
    let ends = |id: u64| told.iter().filter(|line| line.starts_with(&format!("{id} "))).count();
    assert_eq!(ends(1), 1, "{told:?}");
    assert_eq!(told.iter().filter(|line| line.ends_with("expired")).count(), 2, "{told:?}");
    assert!(told.contains(&"list 1 all_done".to_owned()), "{told:?}");
    assert!(!told.contains(&"list 2 all_done".to_owned()), "{told:?}");
    assert_eq!(desk.core.oms().open_count(), 2);
}
