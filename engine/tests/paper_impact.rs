//! What our own taking does to the price that our next orders pay.

mod support;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Fok, Gtc, Ioc};
use tidegate_model::command::*;
use tidegate_model::event::Event;
use tidegate_model::*;

/// 1 % a day, 10,000 lots a day: 100 lots move the price by a thousandth.
const IMPACT: SetImpact = SetImpact {
    instrument: INSTRUMENT,
    volatility_e6: 10_000,
    daily_volume: Lots(10_000),
    half_life_ns: 1_000_000,
    coefficient_e4: 10_000,
    reserved: [0; 4],
};

/// Bid 100.00 x 1000; offers 100.01 x 100, 100.20 x 1000; with impact.
fn desk() -> Desk {
    let mut desk = Desk::new(0);
    desk.market(add(1, Buy, cents(10_000), 1_000));
    desk.market(add(2, Sell, cents(10_001), 100));
    desk.market(add(3, Sell, cents(10_020), 1_000));
    let told = desk.command(Command::SetImpact(IMPACT));
    assert!(matches!(told[..], [Event::Ack(ack)] if ack.reject().is_none()));
    desk
}

/// Price and impact, in ticks, and lots of each trade.
fn trades(told: &[Event]) -> Vec<(i64, i64, u64)> {
    let executions = told.iter().filter_map(|event| match event {
        Event::Execution(execution) if execution.last_price.0 > 0 => Some(execution),
        _ => None,
    });
    executions.map(|e| (e.last_price.0, e.impact().0, e.last_qty.0)).collect()
}

#[test]
fn an_order_walks_the_book_and_those_after_it_pay_what_it_moved() {
    let mut desk = desk();
    // The first pays what is displayed, level by level.
    assert_eq!(
        trades(&desk.order(Buy, None, 200, Ioc)),
        [(1_000_100, 0, 100), (1_002_000, 0, 100)]
    );
    // 200 lots are a fiftieth of the day: 1 % of its root, 0.1414 % of the best price.
    assert_eq!(trades(&desk.order(Buy, None, 200, Ioc)), [(1_003_414, 1_414, 200)]);
    // The other side pays nothing, and takes back 300 of 400.
    assert_eq!(trades(&desk.order(Sell, None, 300, Ioc)), [(1_000_000, 0, 300)]);
    assert_eq!(trades(&desk.order(Buy, None, 1, Ioc)), [(1_003_000, 1_000, 1)]);
    // Half of 101 is forgotten after a half-life, all when the day ends.
    desk.pass(1_000_000);
    assert_eq!(trades(&desk.order(Buy, None, 1, Ioc)), [(1_002_707, 707, 1)]);
    desk.command(Command::DayRoll);
    assert_eq!(trades(&desk.order(Buy, None, 1, Ioc)), [(1_002_000, 0, 1)]);
    desk.command(Command::SetImpact(SetImpact { instrument: INSTRUMENT, ..Default::default() }));
    assert_eq!(trades(&desk.order(Buy, None, 10, Ioc)), [(1_002_000, 0, 10)]);
}

#[test]
fn what_is_moved_beyond_a_limit_is_not_taken() {
    let mut desk = desk();
    desk.order(Buy, None, 100, Ioc);
    desk.market(add(4, Sell, cents(10_001), 50));
    // 100.01 has moved to 100.1100.
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_010)), 10, Ioc)),
        ["2 new -> new", "2 canceled 10 ioc -> canceled"]
    );
    assert_eq!(
        lines(&desk.order(Buy, Some(cents(10_012)), 51, Fok)),
        ["3 new -> new", "3 canceled 51 fok -> canceled"]
    );
    // It rests as a bid that others meet.
    assert_eq!(lines(&desk.order(Buy, Some(cents(10_010)), 10, Gtc)), ["4 new -> new"]);
    assert_eq!(trades(&desk.market(add(5, Sell, cents(10_010), 10))), [(1_001_000, 0, 10)]);
    assert_eq!(trades(&desk.order(Buy, Some(cents(10_012)), 50, Fok)), [(1_001_100, 1_000, 50)]);
    // Nobody else has moved anything for the other side.
    assert_eq!(trades(&desk.order(Sell, None, 10, Ioc)), [(1_000_000, 0, 10)]);
}

#[test]
fn what_is_left_of_market_to_limit_rests_at_a_price_that_orders_may_have() {
    let mut desk = desk();
    desk.order(Buy, None, 110, Ioc);
    desk.market(add(4, Sell, cents(10_001), 5));
    let order = NewOrder {
        order_type: OrderType::MarketToLimit.wire(),
        ..new_order("mtl", Buy, None, 20, Day)
    };
    let told = desk.command(Command::NewOrder(order));
    assert_eq!(trades(&told), [(1_001_149, 1_049, 5)]);
    let Some(slot) = desk.core.oms().by_id(OrderId(2)) else { panic!("{told:?}") };
    assert_eq!(desk.core.oms().order(slot).price, cents(10_012));
}

#[test]
fn of_a_bar_an_order_pays_for_half_of_itself_too() {
    let mut desk = Desk::new(0);
    desk.bar(10_000, 10_050, 9_950, 10_000, 10_000);
    desk.command(Command::SetImpact(IMPACT));
    desk.order(Buy, None, 200, Day);
    desk.order(Buy, None, 100, Day);
    // 100 of 10,000, then 200 + 50.
    assert_eq!(
        trades(&desk.bar(10_000, 10_050, 9_950, 10_000, 10_000)),
        [(1_001_000, 1_000, 200), (1_001_581, 1_581, 100)]
    );
}

#[test]
fn settings_are_checked_and_hashed() {
    let mut desk = desk();
    for (set, want) in [
        (
            SetImpact { instrument: InstrumentId(9), ..IMPACT },
            "unknown_instrument: limit=0 value=9",
        ),
        (SetImpact { daily_volume: Lots(0), ..IMPACT }, "bad_field: limit=0 value=10000"),
    ] {
        let told = desk.command(Command::SetImpact(set));
        let [Event::Ack(ack)] = told[..] else { panic!("{told:?}") };
        assert_eq!(ack.reject().map(|reject| reject.to_string()).as_deref(), Some(want));
    }
    assert_eq!(set_and_traded(IMPACT), set_and_traded(IMPACT));
    for other in [
        SetImpact { volatility_e6: 10_001, ..IMPACT },
        SetImpact { daily_volume: Lots(10_001), ..IMPACT },
        SetImpact { half_life_ns: 1, ..IMPACT },
        SetImpact { coefficient_e4: 10_001, ..IMPACT },
    ] {
        assert_ne!(set_and_traded(IMPACT), set_and_traded(other), "{other:?}");
    }
}

/// The state hash after one trade, which no impact has changed yet.
fn set_and_traded(set: SetImpact) -> StateHash {
    let mut desk = desk();
    desk.command(Command::SetImpact(set));
    desk.order(Buy, None, 1, Ioc);
    desk.core.state_hash()
}
