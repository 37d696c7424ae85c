//! Orders that wait for a price or end by the clock, and those that must not take: rules 2.3 to 2.6, 3.3 and 4.1 of
//! `docs/rule-book.md` on the paper venue, scenario by scenario.

mod support;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::OrderType as Type;
use tidegate_model::command::TimeInForce::{Day, Fok, Gtc, Gtd, Ioc};
use tidegate_model::command::*;
use tidegate_model::market::{MarketEventKind as Kind, TradingStatus};
use tidegate_model::*;

/// Bids 99.90 x 100 and 99.00 x 1,000; offers 100.10 x 100 and 101.00 x 1,000; the last trade was at 100.00.
fn with_book(latency_ns: u64) -> Desk {
    let mut desk = Desk::new(latency_ns);
    desk.market(add(1, Buy, cents(9_990), 100));
    desk.market(add(2, Buy, cents(9_900), 1_000));
    desk.market(add(3, Sell, cents(10_010), 100));
    desk.market(add(4, Sell, cents(10_100), 1_000));
    trade(&mut desk, 10_000);
    desk
}

/// Somebody trades one lot, hidden from the book.
fn trade(desk: &mut Desk, at_cents: i64) -> Vec<String> {
    let event = MarketEvent { price: cents(at_cents), qty: Lots(1), ..market(Kind::Trade, 0) };
    lines(&desk.market(event))
}

fn status(desk: &mut Desk, status: TradingStatus) -> Vec<String> {
    let event = MarketEvent { flags: status.wire().into(), ..market(Kind::Status, 0) };
    lines(&desk.market(event))
}

/// An order with a stop price, and a limit if `limit` is not 0.
fn stop(order_type: OrderType, side: Side, stop: i64, limit: i64, qty: u64) -> NewOrder {
    let price = Some(cents(limit)).filter(|_| limit != 0);
    NewOrder {
        order_type: order_type.wire(),
        stop_price: cents(stop),
        ..new_order("stop", side, price, qty, Gtc)
    }
}

fn trailing(side: Side, unit: TrailUnit, trail: i64, first: i64) -> NewOrder {
    NewOrder {
        trail,
        trail_unit: unit.wire(),
        stop_price: cents(first),
        order_type: Type::TrailingStop.wire(),
        ..new_order("trail", side, None, 10, Gtc)
    }
}

fn send(desk: &mut Desk, order: NewOrder) -> Vec<String> {
    desk.names += 1;
    let name = ClientOrderId::new(&format!("order-{}", desk.names)).expect("valid");
    lines(&desk.command(Command::NewOrder(NewOrder { client_order_id: name, ..order })))
}

fn stop_price(desk: &Desk, order_id: u64) -> Option<i64> {
    let mut waiters = desk.core.waiting().waiters(INSTRUMENT);
    let waiter = waiters.find(|waiter| waiter.order_id.0 == order_id)?;
    waiter.stop_price.map(|stop| stop.0 / 100)
}

/// Each type on each side: not triggered one cent before its stop price, triggered at it, and what follows.
#[test]
fn rules_2_4_and_2_5_each_type_is_triggered_at_its_stop_price() {
    let market_buy = ["1 trade 100@10010 -> partially_filled", "1 trade 20@10100 -> filled"];
    let market_sell = ["1 trade 100@9990 -> partially_filled", "1 trade 20@9900 -> filled"];
    let limit_buy = ["1 trade 100@10010 -> partially_filled"];
    let limit_sell = ["1 trade 100@9990 -> partially_filled"];
    /// Type, side, stop price, limit, the last price that does not trigger, fills.
    type Row<'a> = (OrderType, Side, i64, i64, i64, &'a [&'a str]);
    let table: [Row; 8] = [
        (Type::Stop, Buy, 10_020, 0, 10_019, &market_buy),
        (Type::Stop, Sell, 9_980, 0, 9_981, &market_sell),
        (Type::StopLimit, Buy, 10_020, 10_020, 10_019, &limit_buy),
        (Type::StopLimit, Sell, 9_980, 9_980, 9_981, &limit_sell),
        (Type::MarketIfTouched, Buy, 9_980, 0, 9_981, &market_buy),
        (Type::MarketIfTouched, Sell, 10_020, 0, 10_019, &market_sell),
        (Type::LimitIfTouched, Buy, 9_980, 10_020, 9_981, &limit_buy),
        (Type::LimitIfTouched, Sell, 10_020, 9_980, 10_019, &limit_sell),
    ];
    for (order_type, side, stop_at, limit, before, fills) in table {
        let what = format!("{order_type} {side}");
        let mut desk = with_book(0);
        assert_eq!(send(&mut desk, stop(order_type, side, stop_at, limit, 120)), ["1 new -> new"]);
        let open = desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty;
        assert_eq!(open[side.index()], Lots(120), "{what}: counted at once");
        assert_eq!(trade(&mut desk, before), [""; 0], "{what}");
        let told = trade(&mut desk, stop_at);
        assert_eq!(told[0], "1 triggered -> new", "{what}");
        assert_eq!(told[1..], *fills, "{what}");
        assert!(!desk.core.waiting().has_any(INSTRUMENT));
        let rests = desk.core.paper().resting(INSTRUMENT, side).len();
        assert_eq!(rests, usize::from(limit != 0), "{what}: the rest of a limit order rests");
        let told = trade(&mut desk, stop_at).concat();
        assert!(!told.contains("triggered"), "{what}: once");
    }
}

#[test]
fn rule_2_4_a_stop_price_that_was_reached_triggers_at_once() {
    let mut desk = with_book(0);
    for (order_type, side, stop_at) in [
        (Type::Stop, Buy, 10_000),
        (Type::Stop, Sell, 10_000),
        (Type::MarketIfTouched, Buy, 10_000),
        (Type::MarketIfTouched, Sell, 9_999),
    ] {
        let told = send(&mut desk, stop(order_type, side, stop_at, 0, 1));
        assert!(told[0].ends_with("new -> new"), "{told:?}");
        assert!(told[1].ends_with("triggered -> new"), "{told:?}");
        assert!(told[2].ends_with("-> filled"), "{told:?}");
    }
}

#[test]
fn a_triggered_order_keeps_its_time_in_force() {
    let mut desk = with_book(0);
    let order = stop(Type::StopLimit, Buy, 10_020, 10_020, 120);
    send(&mut desk, NewOrder { time_in_force: Ioc.wire(), ..order });
    send(&mut desk, NewOrder { time_in_force: Fok.wire(), ..order });
    assert_eq!(
        trade(&mut desk, 10_020),
        [
            "1 triggered -> new",
            "1 trade 100@10010 -> partially_filled",
            "1 canceled 20 ioc -> canceled",
            "2 triggered -> new",
            "2 canceled 120 fok -> canceled"
        ]
    );
}

#[test]
fn triggered_orders_go_in_the_order_in_which_the_price_reached_them() {
    let mut desk = with_book(0);
    for stop_at in [9_960, 9_980, 9_970, 9_980] {
        send(&mut desk, stop(Type::StopLimit, Sell, stop_at, 10_400, 1));
    }
    send(&mut desk, stop(Type::LimitIfTouched, Buy, 9_965, 9_700, 1));
    let trail = NewOrder { stop_price: cents(9_975), ..trailing(Sell, TrailUnit::Ticks, 9_000, 0) };
    let limit = OrderType::TrailingStopLimit.wire();
    send(&mut desk, NewOrder { order_type: limit, price: cents(10_400), ..trail });
    let triggered: Vec<String> =
        ["2", "4", "6", "3", "5", "1"].map(|id| format!("{id} triggered -> new")).to_vec();
    assert_eq!(trade(&mut desk, 9_955), triggered);
}

#[test]
fn a_stop_price_is_told_with_the_order_and_with_its_new_terms() {
    let mut desk = with_book(0);
    let order = stop(Type::StopLimit, Sell, 9_980, 9_970, 10);
    let first = desk.command(Command::NewOrder(order));
    assert_eq!(stop_prices(&first), [(1, Some(cents(9_980)))]);
    // What is not asked for stays.
    let same = desk.replace(1, cents(9_960), 20);
    assert_eq!(stop_prices(&same), [(1, Some(cents(9_980)))]);
    let moved = desk.replace_with_stop(1, cents(9_960), 20, cents(9_975));
    assert_eq!(stop_prices(&moved), [(1, Some(cents(9_975)))]);
    assert_eq!(stop_price(&desk, 1), Some(9_975));
    // No other event tells one: what it triggers and fills, an order at a limit, one that trails.
    let event = MarketEvent { price: cents(9_975), qty: Lots(1), ..market(Kind::Trade, 0) };
    let told = stop_prices(&desk.market(event));
    assert!(told.len() >= 2 && told.iter().all(|(_, stop)| stop.is_none()), "{told:?}");
    let limit = new_order("limit", Buy, Some(cents(9_900)), 1, Gtc);
    assert_eq!(stop_prices(&desk.command(Command::NewOrder(limit))), [(2, None)]);
    let trail = trailing(Sell, TrailUnit::Ticks, 5_000, 9_900);
    assert_eq!(stop_prices(&desk.command(Command::NewOrder(trail))), [(3, None)]);
}

#[test]
fn rule_2_6_a_trailing_stop_follows_and_never_returns() {
    let mut desk = with_book(0);
    // Half a unit behind the last trade, 100.00; one per cent above it.
    assert_eq!(send(&mut desk, trailing(Sell, TrailUnit::Ticks, 5_000, 0)), ["1 new -> new"]);
    assert_eq!(send(&mut desk, trailing(Buy, TrailUnit::Ppm, 10_000, 0)), ["2 new -> new"]);
    // The first stop price given.
    assert_eq!(send(&mut desk, trailing(Sell, TrailUnit::Ticks, 5_000, 9_940)), ["3 new -> new"]);
    let stops = |desk: &Desk| [1, 2, 3].map(|order| stop_price(desk, order));
    assert_eq!(stops(&desk), [Some(9_950), Some(10_100), Some(9_940)]);
    assert_eq!(trade(&mut desk, 9_980), [""; 0]);
    assert_eq!(stops(&desk), [Some(9_950), Some(10_079), Some(9_940)], "a buy follows down");
    assert_eq!(trade(&mut desk, 10_040), [""; 0]);
    assert_eq!(stops(&desk), [Some(9_990), Some(10_079), Some(9_990)], "a sell follows up");
    assert_eq!(
        trade(&mut desk, 9_990),
        [
            "1 triggered -> new",
            "1 trade 10@9990 -> filled",
            "3 triggered -> new",
            "3 trade 10@9990 -> filled"
        ]
    );
    // 1 % above 99.80 is 100.798.
    assert_eq!(trade(&mut desk, 10_079), [""; 0]);
    assert_eq!(trade(&mut desk, 10_080), ["2 triggered -> new", "2 trade 10@10010 -> filled"]);
}

#[test]
fn rule_2_6_without_a_trade_the_first_one_gives_the_stop_price() {
    let mut desk = Desk::new(0);
    desk.market(add(1, Buy, cents(9_990), 100));
    desk.market(add(2, Sell, cents(10_010), 100));
    send(&mut desk, trailing(Sell, TrailUnit::Ticks, 5_000, 0));
    assert_eq!(stop_price(&desk, 1), None);
    trade(&mut desk, 10_000);
    assert_eq!(stop_price(&desk, 1), Some(9_950));
}

#[test]
fn rule_2_6_the_limit_of_a_trailing_stop_limit_follows_its_stop_price() {
    let mut desk = with_book(0);
    let order_type = Type::TrailingStopLimit.wire();
    let order = NewOrder { order_type, ..trailing(Sell, TrailUnit::Ticks, 5_050, 0) };
    // 30 cents below the stop price; both lie between cents, where no order may be.
    send(&mut desk, NewOrder { offset: Ticks(-2_950), ..order });
    let order = NewOrder { order_type, ..trailing(Buy, TrailUnit::Ticks, 5_050, 0) };
    send(&mut desk, NewOrder { offset: Ticks(2_970), ..order });
    trade(&mut desk, 10_020);
    // 100.20 less 0.505 is 99.695; less 0.295 is 99.40.
    assert_eq!(trade(&mut desk, 9_969)[0], "1 triggered -> new");
    let order =
        |desk: &Desk, id| *desk.core.oms().order(desk.core.oms().by_id(OrderId(id)).expect("kept"));
    assert_eq!(order(&desk, 1).price, cents(9_940));
    // 99.69 plus 0.505 is 100.195; plus 0.297 is 100.492, and a buy goes no higher than that.
    assert_eq!(trade(&mut desk, 10_020)[0], "2 triggered -> new");
    assert_eq!(order(&desk, 2).price, cents(10_049));
}

#[test]
fn a_triggered_market_order_goes_no_further_than_its_collar_there() {
    let mut desk = with_book(0);
    // 10 % beyond the stop price of 91.00.
    send(&mut desk, stop(Type::Stop, Sell, 9_100, 0, 5));
    let bound =
        |desk: &Desk| desk.core.oms().open_orders(ACCOUNT).next().map(|o| o.1.protection_price);
    assert_eq!(bound(&desk), Some(cents(8_190)));
    desk.market(market(Kind::Delete, 1));
    desk.market(market(Kind::Delete, 2));
    desk.market(add(9, Buy, cents(8_189), 100));
    assert_eq!(
        trade(&mut desk, 9_000),
        ["1 triggered -> new", "1 canceled 5 no_liquidity -> canceled"]
    );
    assert_eq!(desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty, [Lots(0); 2]);
}

#[test]
fn latency_lies_between_the_trigger_and_the_venue() {
    let mut desk = with_book(1_000);
    assert_eq!(send(&mut desk, stop(Type::Stop, Buy, 10_020, 0, 120)), ["1 new -> new"]);
    assert_eq!(trade(&mut desk, 10_020), ["1 triggered -> new", "1 pending_new -> new"]);
    desk.market(market(Kind::Delete, 3));
    assert_eq!(lines(&desk.pass(1_000)), ["1 trade 120@10100 -> filled"]);
}

#[test]
fn the_engine_cancels_and_replaces_at_once_what_it_holds() {
    let mut desk = with_book(1_000);
    send(&mut desk, stop(Type::Stop, Buy, 10_020, 0, 120));
    assert_eq!(
        lines(&desk.replace_with_stop(1, cents(0), 50, cents(10_030))),
        ["1 replaced -> new"]
    );
    assert_eq!(stop_price(&desk, 1), Some(10_030));
    assert_eq!(desk.core.risk().exposure(ACCOUNT, INSTRUMENT).open_qty[0], Lots(50));
    // The same stop price; none is not a price.
    assert_eq!(lines(&desk.replace_with_stop(1, cents(0), 60, cents(0))), ["1 replaced -> new"]);
    assert_eq!(stop_price(&desk, 1), Some(10_030));
    assert_eq!(
        lines(&desk.replace_with_stop(1, cents(10_000), 60, cents(10_030))),
        ["1 cancel_reject -> new bad_field: limit=0 value=1000000"]
    );
    assert_eq!(
        lines(&desk.replace_with_stop(1, cents(0), 60, cents(-1))),
        ["1 cancel_reject -> new bad_price: limit=0 value=-100"]
    );
    // Replaced to what the market has reached.
    assert_eq!(
        lines(&desk.replace_with_stop(1, cents(0), 60, cents(10_000))),
        ["1 replaced -> new", "1 triggered -> new", "1 pending_new -> new"]
    );
    // On its way it is a market order like any other.
    assert_eq!(
        lines(&desk.replace_with_stop(1, cents(0), 70, cents(10_030))),
        ["1 cancel_reject -> new bad_field: limit=0 value=3"]
    );
    assert_eq!(lines(&desk.cancel(1)), ["1 pending_cancel -> pending_cancel"]);
    assert_eq!(
        lines(&desk.pass(1_000)),
        [
            "1 trade 60@10010 -> pending_cancel",
            "1 cancel_reject -> filled too_late_to_cancel: limit=0 value=1"
        ]
    );

    send(&mut desk, stop(Type::StopLimit, Sell, 9_950, 9_940, 10));
    assert_eq!(
        lines(&desk.replace_with_stop(2, cents(9_930), 20, cents(0))),
        ["2 replaced -> new"]
    );
    assert_eq!(lines(&desk.cancel(2)), ["2 canceled 20 user -> canceled"]);
    assert!(!desk.core.waiting().has_any(INSTRUMENT));
    let pair = desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    assert_eq!((pair.open_qty, pair.open_notional), ([Lots(0); 2], [Money(0); 2]));
    // Triggered, it is replaced like a limit order, without a stop price.
    send(&mut desk, stop(Type::StopLimit, Sell, 10_000, 10_020, 10));
    desk.pass(1_000);
    assert_eq!(
        lines(&desk.replace_with_stop(3, cents(10_030), 10, cents(9_990))),
        ["3 cancel_reject -> new bad_field: limit=0 value=999000"]
    );
    desk.replace_with_stop(3, cents(10_030), 10, cents(0));
    assert_eq!(lines(&desk.pass(1_000)), ["3 replaced -> new"]);
}

#[test]
fn rule_6_3_nothing_is_triggered_in_a_halt() {
    let mut desk = with_book(0);
    send(&mut desk, stop(Type::Stop, Buy, 10_020, 0, 10));
    send(&mut desk, stop(Type::Stop, Buy, 10_050, 0, 10));
    status(&mut desk, TradingStatus::Halted);
    assert_eq!(trade(&mut desk, 10_060), [""; 0]);
    assert_eq!(trade(&mut desk, 10_030), [""; 0]);
    // The last price counts when trading goes on.
    assert_eq!(
        status(&mut desk, TradingStatus::Trading),
        ["1 triggered -> new", "1 trade 10@10010 -> filled"]
    );
    assert_eq!(stop_price(&desk, 2), Some(10_050));
}

#[test]
fn executions_of_displayed_orders_are_trades() {
    let mut desk = with_book(0);
    send(&mut desk, stop(Type::Stop, Buy, 10_010, 0, 120));
    assert_eq!(
        lines(&desk.market(execute(3, 40))),
        [
            "1 triggered -> new",
            "1 trade 60@10010 -> partially_filled",
            "1 trade 60@10100 -> filled"
        ]
    );
}

#[test]
fn rule_4_1_orders_end_when_their_time_comes() {
    let mut desk = with_book(1_000);
    let until = |desk: &Desk, ns: u64| UnixNanos(desk.now.0 + ns);
    let gtd = |order: NewOrder, at| NewOrder { time_in_force: Gtd.wire(), expire_at: at, ..order };
    let limit = |price| new_order("gtd", Buy, Some(cents(price)), 10, Gtc);
    let at = until(&desk, 5_000);
    send(&mut desk, gtd(limit(9_980), at));
    let at = until(&desk, 3_000);
    send(&mut desk, gtd(stop(Type::Stop, Buy, 10_050, 0, 10), at));
    let at = until(&desk, 500);
    send(&mut desk, gtd(limit(9_970), at));
    let at = until(&desk, 1_000);
    send(&mut desk, gtd(limit(9_960), at));
    assert_eq!(desk.core.next_due(), Some(until(&desk, 500)));
    // All at once, in the order of time: one on its way, one that arrives at its last instant.
    assert_eq!(
        lines(&desk.pass(4_000)),
        [
            "3 expired -> expired",
            "1 new -> new",
            "4 new -> new",
            "4 expired -> expired",
            "2 expired -> expired"
        ]
    );
    assert_eq!(lines(&desk.pass(999)), [""; 0]);
    assert_eq!(desk.core.next_due(), Some(until(&desk, 1)));
    assert_eq!(lines(&desk.pass(1)), ["1 expired -> expired"]);
    assert_eq!(desk.core.next_due(), None);
    let pair = desk.core.risk().exposure(ACCOUNT, INSTRUMENT);
    assert_eq!((pair.open_qty, pair.open_notional), ([Lots(0); 2], [Money(0); 2]));
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy).len(), 0);
    // One that ended before is not told again.
    let at = until(&desk, 2_000);
    send(&mut desk, gtd(limit(9_980), at));
    desk.pass(1_000);
    desk.cancel(5);
    assert_eq!(lines(&desk.pass(5_000)), ["5 canceled 10 user -> canceled"]);
    // It outlives a day.
    let at = until(&desk, 2_000);
    send(&mut desk, gtd(limit(9_980), at));
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        ["6 new -> new", "6 done_for_day -> done_for_day", "6 restated -> new"]
    );
    assert_eq!(lines(&desk.pass(2_000)), ["6 expired -> expired"]);
}

#[test]
fn days_kill_switches_and_lost_sessions_end_what_waits() {
    let mut desk = with_book(1_000);
    let order = stop(Type::Stop, Buy, 10_050, 0, 10);
    send(&mut desk, NewOrder { time_in_force: Day.wire(), ..order });
    send(&mut desk, NewOrder { flags: FLAG_CANCEL_ON_DISCONNECT, ..order });
    send(&mut desk, order);
    assert_eq!(
        lines(&desk.command(Command::SessionClosed)),
        ["2 canceled 10 disconnect -> canceled"]
    );
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        ["1 expired -> expired", "3 done_for_day -> done_for_day", "3 restated -> new"]
    );
    let kill = KillSwitch::of(Scope::account(ACCOUNT), true);
    assert_eq!(
        lines(&desk.command(Command::KillSwitch(kill))),
        ["3 canceled 10 kill_switch -> canceled"]
    );
    assert!(!desk.core.waiting().has_any(INSTRUMENT));
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 0);
}

#[test]
fn rule_2_3_market_to_limit_takes_the_best_price_and_rests_there() {
    let mut desk = with_book(0);
    let order = new_order("mtl", Buy, None, 120, Gtc);
    let order = NewOrder { order_type: Type::MarketToLimit.wire(), ..order };
    assert_eq!(send(&mut desk, order), ["1 new -> new", "1 trade 100@10010 -> partially_filled"]);
    let resting = desk.core.paper().resting(INSTRUMENT, Buy)[0];
    assert_eq!((resting.price, resting.leaves), (cents(10_010), Lots(20)));
    assert_eq!(lines(&desk.replace(1, cents(10_000), 130)), ["1 replaced -> partially_filled"]);
    // Nothing to take within the collar.
    for order_ref in [3, 4] {
        desk.market(market(Kind::Delete, order_ref));
    }
    desk.market(add(9, Sell, cents(11_001), 10));
    assert_eq!(send(&mut desk, order), ["2 new -> new", "2 canceled 120 no_liquidity -> canceled"]);
}

#[test]
fn rule_3_3_post_only_never_takes() {
    let mut desk = with_book(0);
    let order = |instruction: PostOnly, side, price| NewOrder {
        post_only: instruction.wire(),
        ..new_order("post", side, Some(cents(price)), 10, Gtc)
    };
    let (reject, slide) = (PostOnly::Reject, PostOnly::Slide);
    assert_eq!(
        send(&mut desk, order(reject, Buy, 10_010)),
        ["1 rejected -> rejected post_only_would_cross: limit=1001000 value=1001000"]
    );
    assert_eq!(send(&mut desk, order(reject, Buy, 10_009)), ["2 new -> new"]);
    assert_eq!(send(&mut desk, order(slide, Buy, 10_020)), ["3 new -> new"]);
    assert_eq!(send(&mut desk, order(slide, Sell, 9_000)), ["4 new -> new"]);
    let price = |desk: &Desk, id| {
        desk.core.oms().order(desk.core.oms().by_id(OrderId(id)).expect("kept")).price
    };
    assert_eq!(price(&desk, 3), cents(10_009));
    assert_eq!(price(&desk, 4), cents(9_991));
    // It stays post-only.
    assert_eq!(
        lines(&desk.replace(2, cents(10_010), 10)),
        ["2 cancel_reject -> new post_only_would_cross: limit=1001000 value=1001000"]
    );
    assert_eq!(price(&desk, 2), cents(10_009));
    assert_eq!(lines(&desk.replace(3, cents(10_300), 20)), ["3 replaced -> new"]);
    assert_eq!(price(&desk, 3), cents(10_009));
    let fills = |desk: &mut Desk, event| lines(&desk.market(event));
    assert_eq!(
        fills(&mut desk, add(9, Sell, cents(10_009), 5)),
        ["2 trade 5@10009 -> partially_filled"]
    );
    // The book that a halt left crosses it: whoever comes meets it where it is.
    status(&mut desk, TradingStatus::Halted);
    desk.market(add(10, Sell, cents(10_000), 5));
    assert_eq!(status(&mut desk, TradingStatus::Trading), [""; 0]);
    assert_eq!(fills(&mut desk, add(11, Sell, cents(10_005), 5)), ["2 trade 5@10009 -> filled"]);
    assert_eq!(desk.core.risk().open_orders(ACCOUNT), 2);
    // Next to the lowest price there is nothing.
    let mut desk = Desk::new(0);
    desk.market(add(1, Sell, Ticks(1), 10));
    desk.market(add(2, Buy, Ticks(1), 10));
    let told = send(&mut desk, NewOrder { price: Ticks(1), ..order(slide, Buy, 1) });
    assert_eq!(told, ["1 rejected -> rejected post_only_would_cross: limit=1 value=1"]);
}

#[test]
fn a_stop_limit_order_may_be_post_only() {
    let mut desk = with_book(0);
    let order = stop(Type::StopLimit, Buy, 10_005, 10_020, 10);
    send(&mut desk, NewOrder { post_only: PostOnly::Reject.wire(), ..order });
    send(&mut desk, NewOrder { post_only: PostOnly::Slide.wire(), ..order });
    assert_eq!(
        trade(&mut desk, 10_005),
        [
            "1 triggered -> new",
            "1 rejected -> rejected post_only_would_cross: limit=1001000 value=1002000",
            "2 triggered -> new"
        ]
    );
    assert_eq!(desk.core.paper().resting(INSTRUMENT, Buy)[0].price, cents(10_009));
}

#[test]
fn what_the_paper_venue_has_not_is_refused_by_name() {
    let mut desk = with_book(0);
    let order = new_order("x", Buy, Some(cents(9_980)), 10, Gtc);
    let table = [
        NewOrder { display_qty: Lots(5), ..order },
        NewOrder { flags: FLAG_HIDDEN, ..order },
        NewOrder { min_qty: Lots(5), ..order },
        NewOrder { order_type: Type::Pegged.wire(), peg: PegKind::Mid.wire(), ..order },
        NewOrder { time_in_force: TimeInForce::AtTheClose.wire(), ..order },
    ];
    for order in table {
        let told = send(&mut desk, order);
        assert!(told[0].starts_with("0 rejected -> rejected unsupported_by_venue"), "{told:?}");
    }
    // Paper orders never meet each other: what becomes of one that would is no question.
    let order = NewOrder { self_trade: SelfTrade::CancelBoth.wire(), ..order };
    assert_eq!(send(&mut desk, order), ["1 new -> new"]);
}
