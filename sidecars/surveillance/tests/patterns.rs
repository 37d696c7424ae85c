//! Each pattern: what fires, and what lies just below. Settings are the defaults unless a row changes them.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::{MS, START, SYMBOL, Stream};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    CancelReason, ControlKind, ExecType, GroupReport, KillSwitchReport, OrderType, Reject,
    RejectReason, Scope, ScopeKind, Side, TrippedReport,
};
use tidegate_surveillance::{Alert, AlertKind, Settings, Severity, Surveillance};

use Side::{Buy, Sell};

/// What the alerts of a made-up stream are about.
#[track_caller]
fn check(name: &str, settings: &Settings, story: impl FnOnce(&mut Stream), expected: &[&str]) {
    let mut stream = Stream::default();
    story(&mut stream);
    let alerts = stream.watched(settings);
    let kinds: Vec<_> = alerts.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, expected, "{name}: {alerts:#?}");
    for alert in &alerts {
        assert!(alert.evidence.contains(&alert.place), "{name}: {alert:#?}");
        assert!(alert.text.len() > 10, "{name}: {alert:#?}");
    }
}

#[track_caller]
fn one(story: impl FnOnce(&mut Stream)) -> Alert {
    let mut stream = Stream::default();
    story(&mut stream);
    let mut alerts = stream.watched(&Settings::default());
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    alerts.remove(0)
}

#[track_caller]
fn figures(alert: &Alert, expected: &[(&str, &str)]) {
    for (name, text) in expected {
        let found = alert.figures.iter().find(|(it, _)| it == name).map(|(_, text)| text.as_str());
        assert_eq!(found, Some(*text), "{name}: {alert:#?}");
    }
}

/// So many refusals of account 1, so many milliseconds apart.
fn refusals(stream: &mut Stream, count: u64, apart_ms: u64) {
    for n in 0..count {
        stream.at(n * apart_ms).refuse(1, RejectReason::MaxOrderQty);
    }
}

#[test]
fn limit_breach_attempts() {
    const HIT: &[&str] = &["limit_breach_attempts"];
    #[track_caller]
    fn row(name: &str, story: fn(&mut Stream), expected: &[&str]) {
        check(name, &Settings::default(), story, expected);
    }
    row("five within ten seconds", |s| refusals(s, 5, 2_500), HIT);
    row("four are none", |s| refusals(s, 4, 0), &[]);
    row("the first of five is too long ago", |s| refusals(s, 5, 2_501), &[]);
    row("told once in a minute", |s| refusals(s, 1_000, 50), HIT);
    row("told again after a minute", |s| refusals(s, 1_000, 100), &[HIT, HIT].concat());
    row(
        "reasons of the request and the venue are no control's",
        |s| {
            for reason in [
                RejectReason::Tick,
                RejectReason::DuplicateClientOrderId,
                RejectReason::NotTrading,
                RejectReason::Unspecified,
            ] {
                (0..10).for_each(|_| _ = s.refuse(1, reason));
            }
        },
        &[],
    );
    row(
        "a principal over many accounts",
        |s| (1..=5).for_each(|account| _ = s.refuse(account, RejectReason::PriceCollar)),
        HIT,
    );
    row(
        "many principals in one account",
        |s| (1..=5).for_each(|n| _ = s.by(n).refuse(1, RejectReason::PriceCollar)),
        HIT,
    );
    row(
        "others do not add up",
        |s| (1..=9).for_each(|n| _ = s.by(n).refuse(n, RejectReason::PriceCollar)),
        &[],
    );
    row(
        "refused replaces count as well",
        |s| {
            s.enter(1, 1, Buy, 10, 10);
            (0..5).for_each(|_| _ = s.refuse_cancel(1, RejectReason::PositionLimit));
        },
        HIT,
    );
    for (reason, scope, expected) in [
        (79, "", &[][..]),
        (80, "", HIT),
        (159, "", HIT),
        (160, "", &[]),
        (-1, "", &[]),
        (250, "", &[]),
        // Newer than this version, but some control's.
        (250, "strategy", HIT),
    ] {
        let story = |s: &mut Stream| {
            for _ in 0..5 {
                s.refuse_with(1, Reject { reason, scope: scope.into(), ..Default::default() });
            }
        };
        check(&format!("reason {reason} '{scope}'"), &Settings::default(), story, expected);
    }
    let fewer = Settings { breach_count: 2, breach_within_ns: MS, ..Settings::default() };
    check("other thresholds", &fewer, |s| refusals(s, 2, 1), HIT);
    check("other thresholds, too slow", &fewer, |s| refusals(s, 2, 2), &[]);
}

#[test]
fn a_limit_breach_says_what_was_met() {
    let alert = one(|s| {
        s.refuse(1, RejectReason::PriceCollar).refuse(2, RejectReason::MaxOrderQty);
        s.refuse(2, RejectReason::MaxOrderQty).refuse(2, RejectReason::MaxOrderQty);
        s.at(70).refuse(3, RejectReason::BuyingPower);
    });
    figures(
        &alert,
        &[("rejects", "5"), ("reasons", "max_order_qty 3, price_collar 1, buying_power 1")],
    );
    assert_eq!((alert.kind, alert.severity), (AlertKind::LimitBreach, Severity::High));
    assert_eq!((alert.accounts, alert.principals), (vec![3], vec![1]));
    assert_eq!(alert.evidence.iter().map(|it| it.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(alert.ts, START + 70 * MS);
}

#[test]
fn requests_that_only_another_may_make() {
    #[track_caller]
    fn row(name: &str, story: fn(&mut Stream), expected: &[&str]) {
        check(name, &Settings::default(), story, expected);
    }
    for reason in [
        RejectReason::NotPermitted,
        RejectReason::SamePerson,
        RejectReason::NotAPerson,
        RejectReason::WrongHash,
    ] {
        check(
            reason.as_str_name(),
            &Settings::default(),
            |s| _ = s.ack("decide", reason),
            &["not_permitted"],
        );
    }
    row("one may err", |s| _ = s.ack("decide", RejectReason::UnknownProposal), &[]);
    row(
        "told once",
        |s| (0..9).for_each(|_| _ = s.ack("set_limits", RejectReason::NotPermitted)),
        &["not_permitted"],
    );
}

#[test]
fn every_stop_is_told() {
    let scope = |kind: ScopeKind, id, symbol: &str| {
        Some(Scope { kind: kind.into(), id, symbol: symbol.into() })
    };
    let kill = |scope, engaged| {
        let reason = "drill".into();
        Body::KillSwitchReport(KillSwitchReport { scope, engaged, reason, mode: 0 })
    };
    let trip = |scope, stopped| {
        let (limit, value) = ("100".into(), "101".into());
        let control = ControlKind::DayLoss.into();
        Body::Tripped(TrippedReport { scope, control, limit, value, stopped, ..Default::default() })
    };
    let mut stream = Stream::default();
    for (account, body) in [
        (None, kill(scope(ScopeKind::Firm, 0, ""), true)),
        (None, kill(scope(ScopeKind::Account, 7, ""), true)),
        (None, kill(scope(ScopeKind::Account, 7, ""), false)),
        (Some(3), trip(scope(ScopeKind::Strategy, 5, ""), true)),
        (None, trip(scope(ScopeKind::Instrument, 0, SYMBOL), true)),
        (None, trip(scope(ScopeKind::Group, 2, ""), false)),
    ] {
        stream.body(account, "", body);
    }
    let alerts = stream.watched(&Settings::default());
    let found: Vec<_> = alerts.iter().map(|it| (it.text.as_str(), it.severity)).collect();
    let expected = [
        ("the kill switch of firm was engaged by principal 1: drill", Severity::High),
        ("the kill switch of account:7 was engaged by principal 1: drill", Severity::High),
        ("the kill switch of account:7 was released by principal 1: drill", Severity::Medium),
        ("day_loss stopped strategy:5: limit 100, value 101", Severity::High),
        ("day_loss stopped instrument:TIDE: limit 100, value 101", Severity::High),
        ("group:2 goes on after day_loss", Severity::Medium),
    ];
    assert_eq!(found, expected);
    assert_eq!((&alerts[1].accounts, alerts[4].symbol.as_str()), (&vec![7], SYMBOL));
}

/// Account 1 buys, account `seller` sells, each from somebody else.
fn round(stream: &mut Stream, seller: u32, [bought, sold]: [i64; 2], price: i64, apart_ms: u64) {
    stream.enter(1, 1, Buy, bought, 10).fill(1, bought, 10);
    stream.at(apart_ms).enter(2, seller, Sell, sold, price).fill(2, sold, price);
}

#[test]
fn wash_trades() {
    const HIT: &[&str] = &["wash_trade"];
    #[track_caller]
    fn row(name: &str, story: fn(&mut Stream), expected: &[&str]) {
        check(name, &Settings::default(), story, expected);
    }
    row("there and back within a minute", |s| round(s, 1, [100, 100], 10, 60_000), HIT);
    row("too late", |s| round(s, 1, [100, 100], 10, 60_001), &[]);
    row("nine tenths match", |s| round(s, 1, [100, 90], 10, 0), HIT);
    row("less does not", |s| round(s, 1, [100, 89], 10, 0), &[]);
    row("more does not", |s| round(s, 1, [100, 112], 10, 0), &[]);
    row("another price", |s| round(s, 1, [100, 100], 11, 0), &[]);
    row("another account of the same principal", |s| round(s, 2, [100, 100], 10, 0), HIT);
    row(
        "another principal's account",
        |s| {
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10);
            s.by(2).enter(2, 2, Sell, 100, 10).fill(2, 100, 10);
        },
        &[],
    );
    row(
        "twice the same side is none",
        |s| _ = s.enter(1, 1, Buy, 200, 10).fill(1, 100, 10).fill(1, 100, 10),
        &[],
    );
    row(
        "another instrument",
        |s| {
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10);
            s.enter_in("EBB", 2, 1, Sell, 100, 10).fill(2, 100, 10);
        },
        &[],
    );
    row(
        "split into parts that add up",
        |s| {
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10);
            s.enter(2, 1, Sell, 100, 10).fill(2, 50, 10).fill(2, 40, 10);
        },
        HIT,
    );
    row(
        "parts that do not add up",
        |s| {
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10);
            s.enter(2, 1, Sell, 100, 10).fill(2, 50, 10).fill(2, 39, 10);
        },
        &[],
    );
    row(
        "told once for two accounts in an instrument",
        |s| {
            for n in 0..20 {
                s.at(n * 10).enter(2 * n + 1, 1, Buy, 5, 10).fill(2 * n + 1, 5, 10);
                s.enter(2 * n + 2, 1, Sell, 5, 10).fill(2 * n + 2, 5, 10);
            }
        },
        HIT,
    );
}

#[test]
fn owners_and_shared_principals() {
    let two_principals = |s: &mut Stream| {
        s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10);
        s.by(2).enter(2, 2, Sell, 100, 10).fill(2, 100, 10);
    };
    let one_principal = |s: &mut Stream| round(s, 2, [100, 100], 10, 0);
    let owners = |pairs: &[(u32, u32)]| Settings {
        owners: pairs.iter().copied().collect::<BTreeMap<_, _>>(),
        ..Settings::default()
    };
    check("one owner", &owners(&[(1, 9), (2, 9)]), two_principals, &["wash_trade"]);
    check("two owners", &owners(&[(1, 8), (2, 9)]), two_principals, &[]);
    check("an owner's number is no account's", &owners(&[(2, 1)]), two_principals, &[]);
    let grouped = |groups: [u32; 2], then: [u32; 2]| {
        move |s: &mut Stream| {
            for groups in [groups, then] {
                for (account, group) in (1..).zip(groups) {
                    let kind = ScopeKind::Account.into();
                    let member = Some(Scope { kind, id: account, ..Default::default() });
                    let told = GroupReport { member, group, ..Default::default() };
                    s.body(None, "", Body::Group(told));
                }
            }
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10);
            s.by(2).enter(2, 2, Sell, 100, 10).fill(2, 100, 10);
        }
    };
    let settings = Settings::default();
    check("one group", &settings, grouped([5, 5], [5, 5]), &["wash_trade"]);
    check("two groups", &settings, grouped([5, 6], [5, 6]), &[]);
    check("no longer one group", &settings, grouped([5, 5], [5, 0]), &[]);
    check("neither is in one", &settings, grouped([5, 5], [0, 0]), &[]);
    let shared = Settings { shared_principals: BTreeSet::from([1]), ..Settings::default() };
    check("a shared principal", &shared, one_principal, &[]);
    check(
        "the same account all the same",
        &shared,
        |s| round(s, 1, [9, 9], 10, 0),
        &["wash_trade"],
    );
}

#[test]
fn how_sure_a_wash_trade_is() {
    for (seller, expected) in [(1, Severity::Low), (2, Severity::Medium)] {
        let alert = one(|s| round(s, seller, [100, 100], 10, 5));
        assert_eq!(alert.severity, expected, "{alert:#?}");
        figures(&alert, &[("one_trade", "false"), ("bought", "100"), ("sold", "100")]);
    }
}

#[test]
fn both_sides_of_one_trade_are_the_surest_sign() {
    let cross = |s: &mut Stream| {
        s.enter(1, 1, Buy, 100, 10).by(2).enter(2, 2, Sell, 40, 10);
    };
    let mut settings = Settings::default();
    check(
        "strangers",
        &settings,
        |s| {
            cross(s);
            s.cross(1, 2, 40, 10);
        },
        &[],
    );
    settings.owners = BTreeMap::from([(1, 1), (2, 1)]);
    let mut stream = Stream::default();
    cross(&mut stream);
    stream.cross(1, 2, 40, 10);
    let alerts = stream.watched(&settings);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    let alert = &alerts[0];
    assert_eq!((alert.severity, alert.accounts.as_slice()), (Severity::High, &[1, 2][..]));
    figures(
        alert,
        &[
            ("one_trade", "true"),
            ("bought", "40"),
            ("sold", "40"),
            ("price", "10"),
            ("link", "same owner"),
        ],
    );
    assert_eq!(alert.evidence.iter().map(|it| it.seq).collect::<Vec<_>>(), [3, 3]);
}

/// Sells shown at rising prices above a bid that is filled; `shown` each. They are withdrawn `after_ms` after the fill.
fn show(stream: &mut Stream, prices: i64, shown: i64, executed: i64, after_ms: u64) {
    for n in 0..prices {
        stream.enter(10 + n as u64, 1, Sell, shown, 20 + n);
    }
    stream.enter(1, 1, Buy, executed, 10).at(1_000).fill(1, executed, 10);
    stream.at(1_000 + after_ms);
    (0..prices).for_each(|n| _ = stream.cancel(10 + n as u64));
}

#[test]
fn layering_and_spoofing() {
    const LAYERING: &[&str] = &["layering"];
    const SPOOFING: &[&str] = &["spoofing"];
    #[track_caller]
    fn row(name: &str, story: fn(&mut Stream), expected: &[&str]) {
        check(name, &Settings::default(), story, expected);
    }
    row("three prices, four times the quantity", |s| show(s, 3, 400, 300, 5_000), LAYERING);
    row("a little less quantity", |s| show(s, 3, 399, 300, 0), &[]);
    row("two prices", |s| show(s, 2, 600, 300, 0), &[]);
    row("too late", |s| show(s, 3, 400, 300, 5_001), &[]);
    row("one price, ten times the quantity", |s| show(s, 1, 1_000, 100, 0), SPOOFING);
    row("one price, a little less", |s| show(s, 1, 999, 100, 0), &[]);
    row(
        "three at one price are one",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, 20));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        &[],
    );
    row(
        "withdrawn before the execution",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            (10..13).for_each(|id| _ = s.cancel(id));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
        },
        &[],
    );
    row(
        "shown after the execution",
        |s| {
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        &[],
    );
    row(
        "the execution is on the same side",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            s.enter(1, 1, Sell, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        &[],
    );
    row(
        "somebody else's execution",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            s.enter(1, 2, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        &[],
    );
    row(
        "it works on the other side as well",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Buy, 400, id as i64));
            s.enter(1, 1, Sell, 300, 30).fill(1, 300, 30);
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        LAYERING,
    );
    row(
        "moved away instead of canceled",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.replace(id, 400, 90));
        },
        LAYERING,
    );
    row(
        "moved towards the market",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.replace(id, 400, 15));
        },
        &[],
    );
    row(
        "one order that moves three times is one price",
        |s| {
            s.enter(10, 1, Sell, 500, 20).enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            s.replace(10, 500, 21).replace(10, 500, 22).replace(10, 500, 23);
        },
        &[],
    );
    row(
        "made small instead of canceled",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 500, id as i64 + 10));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.replace(id, 100, id as i64 + 10));
        },
        LAYERING,
    );
    row(
        "by closing the session",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel_for(id, CancelReason::Disconnect));
        },
        LAYERING,
    );
    row(
        "by a kill switch",
        |s| {
            (10..13).for_each(|id| _ = s.enter(id, 1, Sell, 400, id as i64 + 10));
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel_for(id, CancelReason::KillSwitch));
        },
        &[],
    );
    row(
        "stop orders were never shown",
        |s| {
            for id in 10..13 {
                s.enter(id, 1, Sell, 400, id as i64 + 10);
            }
            s.events.clear();
            for id in 10..13 {
                s.reports_as(id, |it| it.order_type = OrderType::StopLimit.into());
                s.told(id, ExecType::New);
            }
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        &[],
    );
    row(
        "stop orders that were triggered were",
        |s| {
            for id in 10..13 {
                s.enter(id, 1, Sell, 400, id as i64 + 10);
            }
            s.events.clear();
            for id in 10..13 {
                s.reports_as(id, |it| it.order_type = OrderType::StopLimit.into());
                s.told(id, ExecType::New).told(id, ExecType::Triggered);
            }
            s.enter(1, 1, Buy, 300, 10).fill(1, 300, 10);
            (10..13).for_each(|id| _ = s.cancel(id));
        },
        LAYERING,
    );
    row(
        "told once",
        |s| {
            for n in 0..20 {
                s.at(n * 100).enter(1_000 + n, 1, Buy, 10, 10);
                (0..5).for_each(|p| _ = s.enter(n * 10 + p, 1, Sell, 100, 20 + p as i64));
                s.fill(1_000 + n, 10, 10);
                (0..5).for_each(|p| _ = s.cancel(n * 10 + p));
            }
        },
        &["spoofing", "layering"],
    );
}

#[test]
fn layering_names_its_events() {
    let alert = one(|s| show(s, 3, 400, 300, 20));
    figures(
        &alert,
        &[("executed", "300"), ("executed_side", "buy"), ("withdrawn", "1200"), ("prices", "3")],
    );
    assert_eq!(alert.evidence.iter().map(|it| it.seq).collect::<Vec<_>>(), [5, 6, 7, 8]);
    assert_eq!((alert.symbol.as_str(), alert.accounts.as_slice()), (SYMBOL, &[1][..]));
}

/// So many orders that come and go, and so many executions of one lot at the start.
fn quotes(stream: &mut Stream, orders: u64, executions: u64, apart_ms: u64) {
    stream.enter(1, 1, Buy, 10_000, 10);
    (0..executions).for_each(|_| _ = stream.fill(1, 100, 10));
    for n in 0..orders {
        stream.at(n * apart_ms).enter(n + 2, 1, Buy, 100, 10).cancel(n + 2);
    }
}

#[test]
fn order_to_trade_ratio() {
    const HIT: &[&str] = &["order_to_trade_ratio"];
    #[track_caller]
    fn row(name: &str, story: fn(&mut Stream), expected: &[&str]) {
        check(name, &Settings::default(), story, expected);
    }
    // One message each: the first order, and two for each that comes and goes.
    row("below the least number of messages", |s| quotes(s, 249, 0, 1), &[]);
    row("five hundred without any execution", |s| quotes(s, 250, 0, 1), HIT);
    row("505 messages for five executions are a ratio of 100", |s| quotes(s, 252, 5, 1), &[]);
    row(
        "506 are more",
        |s| {
            quotes(s, 252, 5, 1);
            s.enter(900, 1, Buy, 100, 10);
        },
        HIT,
    );
    row("told once", |s| quotes(s, 2_000, 1, 1), HIT);
    row("spread over hours", |s| quotes(s, 600, 0, 30_000), &[]);
    row(
        "a kill switch's cancels are no messages",
        |s| {
            (1..=260).for_each(|id| _ = s.enter(id, 1, Buy, 1, 10));
            (1..=260).for_each(|id| _ = s.cancel_for(id, CancelReason::KillSwitch));
        },
        &[],
    );
    row(
        "a cancel under way counts once",
        |s| {
            for id in 1..=249 {
                s.enter(id, 1, Buy, 1, 10).told(id, ExecType::PendingCancel).cancel(id);
            }
        },
        &[],
    );
    row(
        "a replace under way counts once",
        |s| {
            s.enter(1, 1, Buy, 1, 10);
            (0..498).for_each(|n| _ = s.told(1, ExecType::PendingReplace).replace(1, 1, 11 + n));
        },
        &[],
    );
    row(
        "one that was not told before counts again",
        |s| {
            s.enter(1, 1, Buy, 1, 10).told(1, ExecType::PendingReplace).replace(1, 1, 11);
            (0..498).for_each(|n| _ = s.replace(1, 1, 12 + n));
        },
        HIT,
    );
    row(
        "replaces count",
        |s| {
            s.enter(1, 1, Buy, 1, 10);
            (0..499).for_each(|n| _ = s.replace(1, 1, 11 + n));
        },
        HIT,
    );
    row(
        "so do cancels that came too late",
        |s| {
            s.enter(1, 1, Buy, 1, 10);
            (0..499).for_each(|_| _ = s.refuse_cancel(1, RejectReason::PendingCancelOrReplace));
        },
        HIT,
    );

    let by_volume = Settings { ratio_volume_max: 9, ratio_messages_min: 2, ..Settings::default() };
    let volume = |last: i64| {
        move |s: &mut Stream| {
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10).enter(2, 1, Buy, last, 10);
        }
    };
    check("ten times the quantity is a ratio of nine", &by_volume, volume(900), &[]);
    check("one lot more", &by_volume, volume(901), HIT);
}

#[test]
fn the_ratio_says_its_figures() {
    let alert = one(|s| quotes(s, 250, 2, 0));
    figures(
        &alert,
        &[
            ("messages", "500"),
            ("executions", "2"),
            ("ratio_number", "249"),
            ("executed", "200"),
            ("window_s", "3600"),
        ],
    );
    assert_eq!((alert.evidence.len(), alert.severity), (2, Severity::Medium));
}

#[test]
fn a_position_that_executions_do_not_explain() {
    const HIT: &[&str] = &["position_difference"];
    let all = Settings::default();
    let later = Settings { from_the_first: false, ..Settings::default() };
    let filled = |told: i64| {
        move |s: &mut Stream| {
            s.enter(1, 1, Buy, 100, 10).fill(1, 100, 10).position(1, told, true);
        }
    };
    check("as executed", &all, filled(100), &[]);
    check("one more", &all, filled(101), HIT);
    check("from the middle on nobody knows", &later, filled(101), &[]);
    check(
        "a split is another input",
        &all,
        |s| {
            filled(100)(s);
            s.position(1, 200, false).buy_more(300);
        },
        &[],
    );
    check(
        "after a split executions explain again",
        &all,
        |s| {
            filled(100)(s);
            s.position(1, 200, false).buy_more(301);
        },
        HIT,
    );
    check(
        "an execution put right",
        &all,
        |s| {
            filled(100)(s);
            s.told(1, ExecType::TradeCorrect).position(1, 90, true);
        },
        &[],
    );
}

impl Stream {
    /// Account 1 buys another hundred, and is told to hold `told`.
    fn buy_more(&mut self, told: i64) -> &mut Self {
        self.enter(2, 1, Buy, 100, 10).fill(2, 100, 10).position(1, told, true)
    }
}

#[test]
fn the_same_events_give_the_same_alerts() {
    let mut stream = Stream::default();
    refusals(&mut stream, 30, 10);
    show(&mut stream, 4, 500, 100, 3);
    round(&mut stream, 1, [50, 50], 10, 2_000);
    let settings = Settings::default();
    assert_eq!(stream.watched(&settings), stream.watched(&settings));
}

#[test]
fn json_says_how_late_it_is() {
    let alert = one(|s| show(s, 3, 400, 300, 0));
    let told = alert.to_json(alert.ts + 1_234_567);
    assert_eq!(told["late_us"], 1_234);
    assert_eq!(told["kind"], "layering");
    assert_eq!(told["figures"]["withdrawn"], "1200");
    assert_eq!(told["events"][0]["seq"], 5);
    assert_eq!(alert.to_json(0)["late_us"], 0, "a clock that is behind");
}

#[test]
fn thresholds_out_of_range_are_refused() {
    let settings = Settings { breach_count: 0, ..Settings::default() };
    let error = Surveillance::new(settings).expect_err("it means nothing").to_string();
    assert_eq!(error, "breach_count is 0; it may be 1 to 256");
}
