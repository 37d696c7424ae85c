//! Exposure by events: what counts, and at which price.

mod support;

use support::{SYMBOL, Stream};
use tidegate_client::proto::{ExecType, Instrument, OrderType, Side};
use tidegate_surveillance::{Exposure, Settings, Surveillance};

use Side::{Buy, Sell};

fn exposures(settings: Settings, story: impl FnOnce(&mut Stream)) -> Vec<Exposure> {
    let mut stream = Stream::default();
    story(&mut stream);
    let mut surveillance = Surveillance::new(settings).expect("settings in range");
    let terms = Instrument {
        symbol: SYMBOL.into(),
        multiplier: "50".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    surveillance.define(&terms).expect("terms");
    stream.events.iter().for_each(|event| _ = surveillance.on_event(event));
    surveillance.exposures().collect()
}

/// Position, gross, net; then quantity and notional of open buys and sells, each with how many orders.
type Row<'a> = ([&'a str; 3], [(&'a str, &'a str, u32); 2], u32);

#[track_caller]
fn check(name: &str, settings: Settings, story: impl FnOnce(&mut Stream), expected: &[Row<'_>]) {
    let exposures = exposures(settings, story);
    let found: Vec<Row<'_>> = exposures
        .iter()
        .map(|it| {
            let side =
                |n: usize| (it.open_qty[n].as_str(), it.open_notional[n].as_str(), it.orders[n]);
            ([it.position.as_str(), &it.gross, &it.net], [side(0), side(1)], it.unpriced)
        })
        .collect();
    assert_eq!(found, expected, "{name}: {exposures:#?}");
}

#[test]
fn what_counts_and_at_which_price() {
    const NONE: (&str, &str, u32) = ("0", "0.00", 0);
    let all = Settings::default;
    let later = || Settings { from_the_first: false, ..Settings::default() };
    let market = |s: &mut Stream| {
        s.enter(9, 1, Buy, 4, 10);
        s.events.clear();
        s.reports_as(9, |it| {
            it.order_type = OrderType::Market.into();
            it.price = String::new();
        });
        s.told(9, ExecType::New);
    };
    check("nothing", all(), |_| {}, &[]);
    check(
        "both sides and a position",
        all(),
        |s| _ = s.enter(1, 1, Buy, 10, 100).fill(1, 4, 99).enter(2, 1, Sell, 3, 110),
        &[(["4", "66300.00", "19800.00"], [("6", "30000.00", 1), ("3", "16500.00", 1)], 0)],
    );
    check(
        "short",
        all(),
        |s| _ = s.enter(1, 1, Sell, 10, 100).fill(1, 10, 100),
        &[(["-10", "50000.00", "-50000.00"], [NONE, NONE], 0)],
    );
    check(
        "a market order before any execution has no worth",
        all(),
        market,
        &[(["0", "0.00", "0.00"], [("4", "0.00", 1), NONE], 1)],
    );
    check(
        "after one, at its price",
        all(),
        |s| {
            s.enter(1, 2, Sell, 1, 7).fill(1, 1, 7);
            let before = std::mem::take(&mut s.events);
            market(s);
            s.events.splice(0..0, before);
        },
        &[
            (["0", "1400.00", "0.00"], [("4", "1400.00", 1), NONE], 0),
            (["-1", "350.00", "-350.00"], [NONE, NONE], 0),
        ],
    );
    check(
        "children stand in for the parent they work",
        all(),
        |s| {
            s.enter(1, 1, Buy, 100, 10).enter(2, 1, Buy, 20, 10);
            s.reports_as(2, |it| it.parent_id = 1).told(2, ExecType::OrderStatus);
            s.told(1, ExecType::OrderStatus);
        },
        &[(["0", "10000.00", "0.00"], [("20", "10000.00", 1), NONE], 0)],
    );
    check(
        "and go on when it has ended",
        all(),
        |s| {
            s.enter(1, 1, Buy, 100, 10).enter(2, 1, Buy, 20, 10);
            s.reports_as(2, |it| it.parent_id = 1).told(2, ExecType::OrderStatus);
            s.cancel(1);
        },
        &[(["0", "10000.00", "0.00"], [("20", "10000.00", 1), NONE], 0)],
    );
    check(
        "the legs of a list stand for themselves",
        all(),
        |s| {
            for id in 1..=2 {
                s.enter(id, 1, Buy, 20, 10);
                s.reports_as(id, |it| it.parent_id = 1).told(id, ExecType::OrderStatus);
            }
        },
        &[(["0", "20000.00", "0.00"], [("40", "20000.00", 2), NONE], 0)],
    );
    check(
        "from the middle on the position is not known until it is told",
        later(),
        |s| _ = s.enter(1, 1, Buy, 10, 100).fill(1, 10, 100),
        &[(["", "", ""], [NONE, NONE], 0)],
    );
    check(
        "then it is",
        later(),
        |s| _ = s.enter(1, 1, Buy, 10, 100).fill(1, 10, 100).position(1, 25, true),
        &[(["25", "125000.00", "125000.00"], [NONE, NONE], 0)],
    );
}
