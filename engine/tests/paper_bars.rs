//! Fills by bars, scenario by scenario, and what holds for whatever bars and orders.

mod support;
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::{Day, Fok, Gtc, Ioc};
use tidegate_model::command::*;
use tidegate_model::event::{Event, ExecType, Execution, Liquidity};
use tidegate_model::market::{Bar, MarketEventKind as Kind, TradingStatus};
use tidegate_model::*;

/// A desk that has seen one bar, 100.00 to 100.00.
fn desk(latency_ns: u64) -> Desk {
    let mut desk = Desk::new(latency_ns);
    desk.bar(10_000, 10_010, 9_990, 10_000, 1_000);
    desk
}

/// An order with a stop price, and a limit if `limit` is not 0.
fn stop(order_type: OrderType, side: Side, stop: i64, limit: i64) -> NewOrder {
    let price = Some(cents(limit)).filter(|_| limit != 0);
    NewOrder {
        order_type: order_type.wire(),
        stop_price: cents(stop),
        ..new_order("stop", side, price, 10, Gtc)
    }
}

fn send(desk: &mut Desk, order: NewOrder) -> Vec<String> {
    desk.names += 1;
    let name = ClientOrderId::new(&format!("order-{}", desk.names)).expect("valid");
    lines(&desk.command(Command::NewOrder(NewOrder { client_order_id: name, ..order })))
}

#[test]
fn what_takes_is_filled_at_the_next_open() {
    let mut desk = desk(0);
    assert_eq!(lines(&desk.order(Buy, None, 30, Day)), ["1 new -> new"]);
    let told = desk.bar(10_020, 10_050, 9_950, 9_960, 1_000);
    assert_eq!(lines(&told), ["1 trade 30@10020 -> filled"]);
    let Event::Execution(execution) = told[0] else { panic!("{told:?}") };
    assert_eq!(execution.fill_model, FillModelKind::Bars.wire());
    assert_eq!(
        (execution.cause_seq, execution.liquidity),
        (desk.core.seq(), Liquidity::Taker.wire())
    );
    // Limits of immediate orders are held against the open, not against the range.
    desk.order(Buy, Some(cents(9_999)), 10, Ioc);
    desk.order(Buy, Some(cents(10_001)), 10, Ioc);
    desk.order(Buy, Some(cents(10_001)), 91, Fok);
    desk.order(Buy, Some(cents(10_001)), 90, Fok);
    assert_eq!(
        lines(&desk.bar(10_000, 10_050, 9_950, 10_000, 1_000)),
        [
            "2 canceled 10 ioc -> canceled",
            "3 trade 10@10000 -> filled",
            "4 canceled 91 fok -> canceled",
            "5 trade 90@10000 -> filled",
        ]
    );
}

#[test]
fn nothing_takes_part_in_a_bar_that_had_begun() {
    let mut desk = desk(100);
    // On its way when the bar begins, at the venue 100 ns into it.
    desk.order(Buy, None, 10, Day);
    desk.order(Buy, Some(cents(10_000)), 10, Day);
    assert_eq!(
        lines(&desk.bar(10_020, 10_050, 9_950, 9_960, 1_000)),
        ["1 new -> new", "2 new -> new"]
    );
    assert_eq!(
        lines(&desk.bar(9_970, 9_980, 9_950, 9_960, 1_000)),
        ["1 trade 10@9970 -> filled", "2 trade 10@9980 -> filled"]
    );
    // Nor in a bar of the same end that is told after it was sent.
    let mut desk = self::desk(0);
    desk.order(Buy, Some(cents(10_000)), 10, Day);
    desk.now.0 -= 1_000;
    assert_eq!(lines(&desk.bar(9_970, 9_980, 9_950, 9_960, 1_000)), [""; 0]);
}

#[test]
fn limit_orders_are_filled_where_the_bar_goes_through_them() {
    // Limit, then the bar, then the price of the fill; through and on touch.
    for (side, limit, bar, through, touch) in [
        (Buy, 9_990, [10_000, 10_010, 9_990, 10_000], None, Some(9_990)),
        (Buy, 9_990, [10_000, 10_010, 9_989, 10_000], Some(9_990), Some(9_990)),
        (Buy, 9_990, [9_980, 9_985, 9_970, 9_980], Some(9_985), Some(9_985)),
        (Buy, 9_990, [9_980, 10_020, 9_970, 9_980], Some(9_990), Some(9_990)),
        (Sell, 10_010, [10_000, 10_010, 9_990, 10_000], None, Some(10_010)),
        (Sell, 10_010, [10_000, 10_011, 9_990, 10_000], Some(10_010), Some(10_010)),
        (Sell, 10_010, [10_030, 10_040, 10_020, 10_030], Some(10_020), Some(10_020)),
    ] {
        for (flags, want) in [(0, through), (FLAG_FILL_ON_TOUCH, touch)] {
            let mut desk = desk(0);
            desk.fill_by(FillModelKind::Bars, SetFillModel { flags, ..Default::default() });
            desk.order(side, Some(cents(limit)), 10, Gtc);
            let [open, high, low, close] = bar;
            let want: Vec<String> =
                want.iter().map(|price| format!("1 trade 10@{price} -> filled")).collect();
            assert_eq!(
                lines(&desk.bar(open, high, low, close, 1_000)),
                want,
                "{side} {limit} {bar:?}"
            );
        }
    }
}

#[test]
fn all_orders_share_a_part_of_the_volume() {
    let mut desk = desk(0);
    desk.order(Buy, None, 30, Day);
    desk.order(Buy, None, 10, Ioc);
    desk.order(Buy, Some(cents(9_995)), 20, Gtc);
    desk.order(Buy, Some(cents(9_998)), 20, Gtc);
    assert_eq!(lines(&desk.bar(10_000, 10_010, 9_900, 10_000, 0)), [""; 0], "nothing was traded");
    // A tenth of 350.
    assert_eq!(
        lines(&desk.bar(10_000, 10_010, 9_900, 10_000, 350)),
        [
            "1 trade 30@10000 -> filled",
            "2 trade 5@10000 -> partially_filled",
            "2 canceled 5 no_liquidity -> canceled"
        ]
    );
    assert_eq!(lines(&desk.order(Sell, None, 50, Day)), ["5 new -> new"]);
    // What its share did not bring the market order waits for the next open.
    assert_eq!(
        lines(&desk.bar(10_000, 10_010, 9_900, 10_000, 300)),
        ["5 trade 30@10000 -> partially_filled"]
    );
    assert_eq!(
        lines(&desk.bar(10_005, 10_010, 9_900, 10_000, 450)),
        [
            "5 trade 20@10005 -> filled",
            "4 trade 20@9998 -> filled",
            "3 trade 5@9995 -> partially_filled"
        ]
    );
}

#[test]
fn stops_come_before_targets_unless_the_open_is_beyond_the_target() {
    let check = |bar: [i64; 4], want: &[&str]| {
        let mut desk = desk(0);
        send(&mut desk, stop(OrderType::Stop, Sell, 9_950, 0));
        desk.order(Sell, Some(cents(10_050)), 10, Gtc);
        let [open, high, low, close] = bar;
        assert_eq!(lines(&desk.bar(open, high, low, close, 10_000)), want, "{bar:?}");
    };
    let stopped = ["1 triggered -> new", "1 trade 10@9950 -> filled"];
    let target = ["2 trade 10@10050 -> filled"];
    check([10_000, 10_040, 9_950, 10_000], &stopped);
    check([10_000, 10_060, 9_960, 10_000], &target);
    check([10_000, 10_060, 9_940, 10_000], &[stopped, [target[0], ""]].concat()[..3]);
    check([10_055, 10_060, 9_940, 10_000], &[&target[..], &stopped[..]].concat());
    // A market that opens beyond the stop is met at its open, or where that is all there is.
    check([9_900, 9_990, 9_880, 9_900], &["1 triggered -> new", "1 trade 10@9900 -> filled"]);
}

#[test]
fn what_waits_for_a_price_by_type() {
    use OrderType::{LimitIfTouched, MarketIfTouched, Stop, StopLimit};
    let bar = [10_000, 10_060, 9_940, 10_000];
    for (order_type, side, stop_price, limit, want) in [
        (Stop, Buy, 10_050, 0, "1 trade 10@10050 -> filled"),
        (Stop, Buy, 10_060, 0, "1 trade 10@10060 -> filled"),
        (Stop, Buy, 10_061, 0, ""),
        (Stop, Sell, 9_950, 0, "1 trade 10@9950 -> filled"),
        (StopLimit, Sell, 9_950, 9_945, "1 trade 10@9950 -> filled"),
        (StopLimit, Sell, 9_950, 9_960, "rests"),
        (MarketIfTouched, Buy, 9_950, 0, "1 trade 10@9950 -> filled"),
        (LimitIfTouched, Sell, 10_050, 10_050, "1 trade 10@10050 -> filled"),
    ] {
        let mut desk = desk(0);
        send(&mut desk, stop(order_type, side, stop_price, limit));
        let got = lines(&desk.bar(bar[0], bar[1], bar[2], bar[3], 10_000));
        let want = match want {
            "" => vec![],
            "rests" => vec!["1 triggered -> new"],
            fill => vec!["1 triggered -> new", fill],
        };
        assert_eq!(got, want, "{order_type} {side} {stop_price}");
    }
    // Entered within the bar, it is looked at with the close.
    let mut desk = desk(0);
    desk.now.0 += 500;
    send(&mut desk, stop(Stop, Sell, 9_950, 0));
    desk.now.0 -= 500;
    assert_eq!(lines(&desk.bar(10_000, 10_060, 9_900, 10_000, 10_000)), [""; 0]);
    assert_eq!(lines(&desk.bar(10_000, 10_060, 9_951, 9_951, 10_000)), [""; 0]);
}

#[test]
fn a_stop_reacts_within_its_bar_whatever_the_latency() {
    let mut desk = desk(100);
    send(&mut desk, stop(OrderType::Stop, Sell, 9_950, 0));
    let told = desk.bar(10_000, 10_060, 9_940, 10_000, 10_000);
    assert_eq!(lines(&told), ["1 triggered -> new", "1 trade 10@9950 -> filled"]);
}

#[test]
fn halves_that_make_no_bar_are_refused() {
    let mut desk = desk(0);
    desk.order(Buy, Some(cents(10_000)), 10, Gtc);
    let (begin, end) = (desk.now, UnixNanos(desk.now.0 + 1_000));
    let [open, high, low, close] = [10_000, 10_010, 9_900, 10_000].map(cents);
    let volume = Lots(1_000);
    let bar = Bar { channel_id: 7, begin, end, open, high, low, close, volume, feed_seq: 1 };
    let [first, second] = bar.into_events();
    desk.now = end;
    let refused = |desk: &Desk| desk.core.counters().refused_events;
    for (halves, want) in [
        (vec![second], 1),
        (vec![first, MarketEvent { price: Ticks(open.0 * 2), ..second }], 2),
        (vec![first, MarketEvent { aux: end.0, ..second }, second], 4),
        (vec![first, MarketEvent { order_ref: 0, ..first }, second], 5),
    ] {
        for half in halves {
            assert_eq!(lines(&desk.market_of(end, half)), [""; 0]);
        }
        assert_eq!(refused(&desk), want);
    }
    // Nor do bars of what is told in full.
    desk.market(level(Buy, cents(9_000), 10));
    assert_eq!(lines(&desk.bar(10_000, 10_010, 9_900, 10_000, 1_000)), [""; 0]);
    assert_eq!(refused(&desk), 6);
}

#[test]
fn nothing_fills_in_a_halt_and_what_waits_can_be_canceled() {
    let mut desk = desk(0);
    desk.order(Buy, None, 10, Day);
    desk.order(Buy, None, 10, Day);
    desk.order(Buy, Some(cents(10_000)), 10, Day);
    let halt = |status: TradingStatus| MarketEvent {
        flags: status.wire().into(),
        ..market(Kind::Status, 0)
    };
    desk.market(halt(TradingStatus::Halted));
    assert_eq!(lines(&desk.bar(10_000, 10_010, 9_900, 10_000, 1_000)), [""; 0]);
    desk.market(halt(TradingStatus::Trading));
    assert_eq!(lines(&desk.cancel(1)), ["1 canceled 10 user -> canceled"]);
    let set = SetFillModel { instrument: INSTRUMENT, ..Default::default() };
    for (flags, resting) in [(FLAG_FILL_ON_TOUCH, 2), (0, 0)] {
        // What is set already may be set again.
        let told = desk.command(Command::SetFillModel(SetFillModel { flags, ..set }));
        assert!(matches!(told[..], [Event::Ack(ack)] if ack.reject_value == resting), "{told:?}");
    }
    assert_eq!(
        lines(&desk.command(Command::DayRoll)),
        ["2 expired -> expired", "3 expired -> expired"]
    );
    assert_eq!(lines(&desk.bar(10_000, 10_010, 9_900, 10_000, 1_000)), [""; 0]);
}

/// One step: an order, or a bar.
#[derive(Clone, Debug)]
enum Step {
    Order { buy: bool, limit: Option<i64>, stop: Option<i64>, qty: u64, tif: TimeInForce },
    Bar { prices: [i64; 4], volume: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let price = || 9_990..10_010i64;
    let tif = prop::sample::select(vec![Day, Gtc, Ioc, Fok]);
    prop_oneof![
        3 => (any::<bool>(), prop::option::weighted(0.7, price()), prop::option::weighted(0.3, price()), 1..80u64, tif)
            .prop_map(|(buy, limit, stop, qty, tif)| Step::Order { buy, limit, stop, qty, tif }),
        2 => ([price(), price(), price(), price()], 0..2_000u64).prop_map(|([open, close, a, b], volume)| {
            let (high, low) = (open.max(close).max(a), open.min(close).min(b));
            Step::Bar { prices: [open, high, low, close], volume }
        }),
    ]
}

/// What the test remembers of an order.
struct Sent {
    at: UnixNanos,
    buy: bool,
    limit: Option<i64>,
    has_stop: bool,
    left: u64,
}

fn executions(told: &[Event]) -> impl Iterator<Item = &Execution> {
    told.iter().filter_map(|event| match event {
        Event::Execution(execution) => Some(execution),
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn fills_are_proved_by_their_bar_and_what_is_proved_is_filled(
        steps in prop::collection::vec(step(), 1..60), latency_ns in prop::sample::select(vec![0u64, 300]),
    ) {
        let mut desk = desk(latency_ns);
        let mut sent: BTreeMap<u64, Sent> = BTreeMap::new();
        for step in &steps {
            match *step {
                Step::Order { buy, limit, stop, qty, tif } => {
                    let side = if buy { Buy } else { Sell };
                    let order = new_order("o", side, limit.map(cents), qty, tif);
                    let order_type = match (limit, stop) {
                        (Some(_), Some(_)) => OrderType::StopLimit,
                        (None, Some(_)) => OrderType::Stop,
                        (Some(_), None) => OrderType::Limit,
                        (None, None) => OrderType::Market,
                    };
                    let stop_price = cents(stop.unwrap_or(0));
                    let order = NewOrder { order_type: order_type.wire(), stop_price, ..order };
                    desk.names += 1;
                    let client_order_id = ClientOrderId::new(&format!("o{}", desk.names)).unwrap();
                    let told = desk.command(Command::NewOrder(NewOrder { client_order_id, ..order }));
                    let first = *executions(&told).next().expect("an answer");
                    prop_assert!(executions(&told).all(|e| e.exec_type != ExecType::Trade.wire()));
                    let at = UnixNanos(desk.now.0 + if stop.is_some() { 0 } else { latency_ns });
                    if first.reject_reason == 0 {
                        let order = Sent { at, buy, limit, has_stop: stop.is_some(), left: qty };
                        sent.insert(first.order_id.0, order);
                    }
                }
                Step::Bar { prices: [open, high, low, close], volume } => {
                    let begin = desk.now;
                    let told = desk.bar(open, high, low, close, volume);
                    let mut filled = 0;
                    for execution in executions(&told) {
                        let order = sent.get_mut(&execution.order_id.0).expect("it was sent");
                        if ExecType::from_wire(execution.exec_type) != Some(ExecType::Trade) {
                            if execution.leaves_qty.0 == 0 {
                                order.left = 0;
                            }
                            continue;
                        }
                        let price = execution.last_price.0 / 100;
                        prop_assert!((low..=high).contains(&price), "{price} in {low}..={high}");
                        prop_assert!(order.at <= begin, "it was there when the bar began");
                        prop_assert_eq!(execution.cause_seq, desk.core.seq());
                        let worse = |limit: i64| if order.buy { price > limit } else { price < limit };
                        prop_assert!(!order.limit.is_some_and(worse), "no worse than its limit");
                        filled += execution.last_qty.0;
                        order.left -= execution.last_qty.0;
                    }
                    prop_assert!(filled <= volume / 10, "{filled} of {volume}");
                    // What the bar passed and the volume had room for does not rest on.
                    for order in sent.values().filter(|order| order.left > 0 && order.at <= begin) {
                        let passed = |limit: i64| if order.buy { low < limit } else { high > limit };
                        if !order.has_stop && order.limit.is_none_or(passed) {
                            prop_assert_eq!(filled, volume / 10, "only want of volume leaves it open");
                        }
                    }
                }
            }
        }
    }
}
