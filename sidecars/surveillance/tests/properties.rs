//! What must hold whatever is heard: exposure is what a recomputation from all events gives, nothing panics, memory is bounded.

mod support;

use proptest::prelude::*;
use std::collections::BTreeMap;
use support::{Stream, is_open, number};
use tidegate_client::decimal::{format_nano, format_scaled};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    Event, EventPosition, ExecType, Instrument, OrderReport, PositionReport, Reject, RejectReason,
    Side,
};
use tidegate_surveillance::{AlertKind, Settings, Surveillance};

const SYMBOLS: [(&str, i64); 2] = [("TIDE", 1), ("EBB", 50)];

fn watching() -> Surveillance {
    Surveillance::new(Settings::default()).expect("defaults are in range")
}

fn defined() -> Surveillance {
    let mut surveillance = watching();
    for (symbol, multiplier) in SYMBOLS {
        let terms = Instrument {
            symbol: symbol.into(),
            multiplier: multiplier.to_string(),
            currency: "USD".into(),
            ..Default::default()
        };
        surveillance.define(&terms).expect("terms");
    }
    surveillance
}

/// One step of somebody's trading; numbers choose among what is possible.
#[derive(Clone, Debug)]
enum Step {
    New { symbol: usize, account: u32, buys: bool, qty: i64, price: i64 },
    Fill { pick: usize, qty: i64 },
    Cancel(usize),
    Replace { pick: usize, more: i64, price: i64 },
    Refuse(u32),
    Bust(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..2, 0u32..3, any::<bool>(), 1i64..1_000, 1i64..500).prop_map(
            |(symbol, account, buys, qty, price)| Step::New { symbol, account, buys, qty, price }
        ),
        4 => (any::<usize>(), 1i64..1_000).prop_map(|(pick, qty)| Step::Fill { pick, qty }),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), 1i64..100, 1i64..500)
            .prop_map(|(pick, more, price)| Step::Replace { pick, more, price }),
        1 => (0u32..3).prop_map(Step::Refuse),
        1 => any::<usize>().prop_map(Step::Bust),
    ]
}

/// Events of a life that an engine could tell.
fn told(steps: &[Step]) -> Stream {
    let mut stream = Stream::default();
    for (n, step) in steps.iter().enumerate() {
        let open = stream.open();
        let picked = |pick: &usize| open.get(pick % open.len().max(1)).copied();
        stream.at(n as u64 * 7);
        match step {
            Step::New { symbol, account, buys, qty, price } => {
                let side = if *buys { Side::Buy } else { Side::Sell };
                let (symbol, _) = SYMBOLS[*symbol];
                stream.enter_in(symbol, n as u64 + 1, *account, side, *qty, *price);
            }
            Step::Fill { pick, qty } => {
                if let Some(id) = picked(pick) {
                    let order = stream.order(id).expect("it is open");
                    let (leaves, price) = (number(&order.leaves_qty), number(&order.price));
                    stream.fill(id, leaves.min(*qty), price);
                }
            }
            Step::Cancel(pick) => {
                if let Some(id) = picked(pick) {
                    stream.cancel(id);
                }
            }
            Step::Replace { pick, more, price } => {
                if let Some(id) = picked(pick) {
                    let executed = number(&stream.order(id).expect("it is open").cum_qty);
                    stream.replace(id, executed + more, *price);
                }
            }
            Step::Refuse(account) => _ = stream.refuse(*account, RejectReason::PriceCollar),
            Step::Bust(pick) => {
                let executed = picked(pick)
                    .filter(|id| stream.order(*id).is_some_and(|it| number(&it.cum_qty) > 0));
                if let Some(id) = executed {
                    stream.reports_as(id, |it| {
                        let left = number(&it.cum_qty) - 1;
                        it.cum_qty = left.to_string();
                    });
                    stream.bust_one(id);
                }
            }
        }
    }
    stream
}

impl Stream {
    /// One lot of the order's executions is taken back.
    fn bust_one(&mut self, id: u64) {
        self.told(id, ExecType::TradeCancel);
        let event = self.events.last_mut().expect("it was told");
        if let Some(Body::Execution(report)) = &mut event.body {
            report.last_qty = "1".into();
        }
    }
}

/// What an account holds and has open in an instrument, summed up from scratch: every event is looked at again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Naive {
    position: i128,
    open_qty: [i128; 2],
    open_notional: [i128; 2],
    orders: [u32; 2],
}

fn recomputed(events: &[Event]) -> BTreeMap<(u32, String), Naive> {
    let mut sums: BTreeMap<(u32, String), Naive> = BTreeMap::new();
    let mut latest: BTreeMap<u64, &OrderReport> = BTreeMap::new();
    let reports = events.iter().filter_map(|event| match &event.body {
        Some(Body::Execution(report)) if report.order_id != 0 => Some(report),
        _ => None,
    });
    for report in reports {
        latest.insert(report.order_id, report);
        let sum = sums.entry((report.account, report.symbol.clone())).or_default();
        let sign = if report.side() == Side::Buy { 1 } else { -1 };
        let qty = i128::from(number(&report.last_qty)) * sign;
        match report.exec_type() {
            ExecType::Trade => sum.position += qty,
            ExecType::TradeCancel => sum.position -= qty,
            _ => {}
        }
    }
    for report in latest.values().filter(|it| is_open(it.ord_status())) {
        let sum = sums.entry((report.account, report.symbol.clone())).or_default();
        let side = if report.side() == Side::Buy { 0 } else { 1 };
        let multiplier = SYMBOLS.iter().find(|(symbol, _)| *symbol == report.symbol);
        let multiplier = i128::from(multiplier.expect("a known symbol").1);
        let leaves = i128::from(number(&report.leaves_qty));
        sum.open_qty[side] += leaves;
        sum.open_notional[side] += leaves * i128::from(number(&report.price)) * multiplier;
        sum.orders[side] += 1;
    }
    sums
}

proptest! {
    /// After every event, not only at the end.
    #[test]
    fn exposure_is_what_a_recomputation_gives(steps in prop::collection::vec(step(), 1..120)) {
        let stream = told(&steps);
        let mut surveillance = defined();
        for (n, event) in stream.events.iter().enumerate() {
            surveillance.on_event(event);
            let naive = recomputed(&stream.events[..=n]);
            let found: BTreeMap<_, _> = surveillance
                .exposures()
                .map(|it| ((it.account, it.symbol.clone()), it))
                .collect();
            prop_assert_eq!(found.keys().collect::<Vec<_>>(), naive.keys().collect::<Vec<_>>());
            for (key, naive) in naive {
                let found = &found[&key];
                let whole = |n: i128| format_nano(n * 1_000_000_000);
                let money = |n: i128| format_scaled(n, 0, 0) + ".00";
                prop_assert_eq!(&found.position, &whole(naive.position));
                prop_assert_eq!(&found.open_qty, &naive.open_qty.map(whole));
                prop_assert_eq!(&found.open_notional, &naive.open_notional.map(money));
                prop_assert_eq!(found.orders, naive.orders);
                prop_assert_eq!(found.unpriced, 0);
            }
        }
        prop_assert_eq!(surveillance.counts().unreadable, 0);
    }

    /// Events come twice, too late, or not at all: those that are left out change nothing.
    #[test]
    fn what_comes_twice_or_too_late_is_left_out(
        steps in prop::collection::vec(step(), 1..60),
        again in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..30),
    ) {
        let stream = told(&steps);
        prop_assume!(!stream.events.is_empty());
        let (mut clean, mut noisy) = (defined(), defined());
        stream.events.iter().for_each(|event| _ = clean.on_event(event));
        for (n, event) in stream.events.iter().enumerate() {
            noisy.on_event(event);
            for (at, old) in &again {
                if at.index(stream.events.len()) == n {
                    noisy.on_event(&stream.events[old.index(n + 1)]);
                }
            }
        }
        prop_assert_eq!(noisy.counts().out_of_order, again.len() as u64);
        prop_assert_eq!(
            noisy.exposures().collect::<Vec<_>>(),
            clean.exposures().collect::<Vec<_>>()
        );
    }

    #[test]
    fn hostile_events_never_panic(events in prop::collection::vec(hostile(), 0..80)) {
        let mut surveillance = watching();
        for event in &events {
            for alert in surveillance.on_event(event) {
                alert.to_json(u64::MAX).to_string();
            }
            if let Some(copy) = tidegate_surveillance::drop_copy(event) {
                copy.to_string();
            }
            surveillance.exposures().for_each(|it| _ = it.to_json().to_string());
        }
        let counts = surveillance.counts();
        prop_assert!(counts.events + counts.out_of_order + counts.unreadable >= events.len() as u64);
    }
}

fn number_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-5i64..200).prop_map(|n| n.to_string()),
        1 => Just(String::new()),
        1 => Just("9223372036.854775807".to_string()),
        1 => Just("-9223372036.854775808".to_string()),
        1 => Just("0.000000001".to_string()),
        1 => Just("99999999999999999999999999999999999".to_string()),
        1 => ".*",
    ]
}

prop_compose! {
    fn report()(
        (order_id, account, symbol, parent_id) in (0u64..6, 0u32..3, prop_oneof![4 => Just("TIDE".to_string()), 1 => ".*"], 0u64..6),
        (exec_type, ord_status, side, order_type, cancel_reason) in (-1i32..20, -1i32..13, -1i32..4, -1i32..12, -1i32..40),
        (qty, price, leaves_qty) in (number_text(), number_text(), number_text()),
        (last_qty, last_price, reason, is_refused) in (number_text(), number_text(), -5i32..200, any::<bool>()),
    ) -> OrderReport {
        let reject = is_refused.then(|| Reject { reason, ..Default::default() });
        OrderReport {
            order_id, account, symbol, parent_id, exec_type, ord_status, side, order_type, cancel_reason,
            qty, price, leaves_qty, last_qty, last_price, reject, ..Default::default()
        }
    }
}

fn hostile() -> impl Strategy<Value = Event> {
    let body = prop_oneof![
        6 => report().prop_map(|it| Some(Body::Execution(it))),
        1 => report().prop_map(|it| Some(Body::CancelReject(it))),
        1 => (0u32..3, number_text()).prop_map(|(account, qty)| Some(Body::PositionReport(
            PositionReport { account, symbol: "TIDE".into(), qty, ..Default::default() }))),
        1 => number_text().prop_map(|multiplier| Some(Body::Instrument(
            Instrument { symbol: "TIDE".into(), multiplier, ..Default::default() }))),
        1 => Just(None),
    ];
    let place = prop_oneof![
        1 => Just(None),
        9 => (0u64..60, 0u32..4).prop_map(|(seq, ordinal)| Some(EventPosition { seq, ordinal })),
        1 => Just(Some(EventPosition { seq: u64::MAX, ordinal: u32::MAX })),
    ];
    let ts = prop_oneof![3 => 0u64..10_000_000_000, 1 => any::<u64>()];
    (place, ts, 0u32..3, prop::option::of(0u32..3), body).prop_map(
        |(position, ts, principal, account, body)| Event {
            position,
            ts,
            principal,
            account,
            body,
            ..Default::default()
        },
    )
}

/// More open orders than are kept, each refused and filled ones between: nothing grows beyond its bound, and it is said.
#[test]
fn memory_is_bounded_under_a_million_orders() {
    const ORDERS_MAX: u64 = 1 << 20;
    let mut surveillance = watching();
    let mut stream = Stream::default();
    stream.enter(1, 1, Side::Buy, 1, 10);
    let mut event = stream.events[0].clone();
    let mut blind = 0;
    let told = ORDERS_MAX + 50_000;
    for id in 1..=told {
        event.position = Some(EventPosition { seq: id, ordinal: 0 });
        event.ts += 1;
        let Some(Body::Execution(report)) = &mut event.body else { unreachable!("it is a report") };
        report.order_id = id;
        let alerts = surveillance.on_event(&event);
        blind += alerts.iter().filter(|it| it.kind == AlertKind::Blind).count();
    }
    assert_eq!(blind, 1, "told once");
    assert_eq!(surveillance.counts().bounds_met, 50_000);
    let exposure = surveillance.exposures().next().expect("one account");
    assert_eq!(u64::from(exposure.orders[0]), ORDERS_MAX);
    // The open orders, one tally, and the episodes of two alerts.
    assert_eq!(surveillance.entries() as u64, ORDERS_MAX + 1 + 2);
}

#[test]
fn windows_are_bounded_under_a_million_executions() {
    let mut surveillance = watching();
    let mut stream = Stream::default();
    stream.enter(1, 1, Side::Buy, 1, 10).fill(1, 1, 10);
    let mut event = stream.events.pop().expect("the execution");
    let mut blind = 0;
    for id in 1..=1_100_000u64 {
        event.position = Some(EventPosition { seq: id, ordinal: 0 });
        let Some(Body::Execution(report)) = &mut event.body else { unreachable!("it is a report") };
        report.order_id = id;
        report.account = (id % 5_000) as u32;
        report.last_price = (id % 50_000).to_string();
        let alerts = surveillance.on_event(&event);
        blind += alerts.iter().filter(|it| it.kind == AlertKind::Blind).count();
    }
    assert_eq!(blind, 1, "told once");
    // Two windows of a million at most, 5,000 tallies, episodes.
    assert!(surveillance.entries() <= 2 * (1 << 20) + 5_000 + 65_536);
}
