//! Accounts through the whole state machine: what a command or a fill does to positions and cash, and what is told.

mod support;
use support::*;
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, Execution};
use tidegate_model::*;

/// The executions among `events`.
fn trades(events: &[Event]) -> Vec<Execution> {
    let trade = |event: &Event| match event {
        Event::Execution(told) if told.exec_type == ExecType::Trade.wire() => Some(*told),
        _ => None,
    };
    events.iter().filter_map(trade).collect()
}

#[test]
fn executions_are_numbered_through() {
    let mut desk = Desk::new(0);
    desk.market(add(9, Side::Buy, cents(9_999), 10));
    desk.market(add(1, Side::Sell, cents(10_000), 10));
    desk.market(add(2, Side::Sell, cents(10_001), 10));
    let mut events = desk.order(Side::Buy, Some(cents(10_001)), 15, TimeInForce::Ioc);
    events.extend(desk.order(Side::Buy, Some(cents(10_001)), 9, TimeInForce::Day));
    events.extend(desk.market(add(3, Side::Sell, cents(10_001), 4)));
    let numbers: Vec<_> = trades(&events).iter().map(|told| told.exec_id.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4], "two levels, what is left of the second, a maker's fill");
    let others = events.iter().filter_map(|event| match event {
        Event::Execution(told) if told.exec_type != ExecType::Trade.wire() => Some(told.exec_id.0),
        _ => None,
    });
    assert!(
        others.clone().count() > 0 && others.sum::<u64>() == 0,
        "only executions have a number"
    );
}
