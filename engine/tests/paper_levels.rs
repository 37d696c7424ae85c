//! Fills where the feed shows levels or quotes: what each model makes of the same messages, and what holds for all of them.

mod support;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use std::cell::{Cell, RefCell};
use support::*;
use tidegate_model::Side::{Buy, Sell};
use tidegate_model::command::TimeInForce::Gtc;
use tidegate_model::command::{
    Command, FLAG_FILL_ON_TOUCH, FillModelKind, MassCancel, SetFillModel, SetLimits,
};
use tidegate_model::event::Event;
use tidegate_model::market::MarketEventKind as Kind;
use tidegate_model::*;

const BID: Ticks = Ticks(1_000_000);
const LEVELS: [FillModelKind; 4] =
    [FillModelKind::RiskAverse, FillModelKind::Power, FillModelKind::Log, FillModelKind::Square];

fn settings(model: FillModelKind) -> SetFillModel {
    let exponent_e3 = if model == FillModelKind::Power { 3_000 } else { 0 };
    SetFillModel { exponent_e3, ..SetFillModel::default() }
}

/// Bid 100 lots at 100.00, offer 100 at 100.01, and an order of ours of 50 lots behind that bid; nothing else.
fn stand_behind_100(desk: &mut Desk, model: FillModelKind) {
    desk.command(Command::MassCancel(MassCancel {
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side: 0,
        reserved: [0; 7],
    }));
    desk.fill_by(model, settings(model));
    desk.now.0 += 10_000;
    desk.market(market(Kind::Clear, 0));
    desk.market(level(Buy, BID, 100));
    desk.market(level(Sell, cents(10_001), 100));
    desk.order(Buy, Some(BID), 50, Gtc);
}

fn behind_100(model: FillModelKind) -> Desk {
    let mut desk = Desk::new(0);
    stand_behind_100(&mut desk, model);
    desk
}

fn ahead(desk: &Desk) -> u64 {
    desk.core.paper().resting(INSTRUMENT, Buy).first().map_or(0, |resting| resting.ahead.0)
}

fn filled(told: &[Event]) -> u64 {
    let of = |event: &Event| match event {
        Event::Execution(e) if e.exec_type == event::ExecType::Trade.wire() => e.last_qty.0,
        _ => 0,
    };
    told.iter().map(of).sum()
}

/// What happens to the level that our order rests at.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// A sell of so many lots traded there.
    Trade(u64),
    /// So many lots are there.
    Level(u64),
}

/// Plays messages, each with the exchange's time, against our order behind 100; lots ahead and lots filled after each.
fn play(desk: &mut Desk, model: FillModelKind, messages: &[(u64, Told)]) -> Vec<(u64, u64)> {
    stand_behind_100(desk, model);
    let (start, mut sum) = (desk.now.0, 0);
    let mut after = Vec::new();
    for &(time, told) in messages {
        desk.now.0 += 1;
        let event = match told {
            Told::Trade(qty) => trade(Sell, BID, qty),
            Told::Level(qty) => level(Buy, BID, qty),
        };
        sum += filled(&desk.market_of(UnixNanos(start + time), event));
        after.push((ahead(desk), sum));
    }
    after
}

#[test]
fn places_by_model() {
    use FillModelKind::{Log, Power, RiskAverse, Square};
    use Told::{Level, Trade};
    let desk = RefCell::new(Desk::new(0));
    let play = |model, messages: &[_]| play(&mut desk.borrow_mut(), model, messages);
    let check =
        |what: &str, messages: &[(u64, Told)], wanted: &[(FillModelKind, &[(u64, u64)])]| {
            for (model, want) in wanted {
                assert_eq!(&play(*model, messages), want, "{what}, {model}");
            }
        };
    let trades = [(1, Trade(60)), (1, Level(40)), (2, Trade(55)), (2, Level(0))];
    for model in LEVELS {
        check("trades alone", &trades, &[(model, &[(40, 0), (40, 0), (0, 15), (0, 15)])]);
    }
    for model in LEVELS {
        let late = [(1, Level(40)), (1, Trade(60)), (2, Trade(55))];
        let got = play(model, &late);
        assert_eq!(got[1..], [(40, 0), (0, 15)], "a change told before its trade, {model}");
    }
    check(
        "who joins and cancels",
        &[(1, Level(200)), (2, Level(150)), (3, Level(120)), (4, Level(60))],
        &[
            (RiskAverse, &[(100, 0), (100, 0), (100, 0), (60, 0)]),
            // Half ahead, half behind: 25; then 75 and 75: 15; then 60 and 60: 30.
            (Square, &[(100, 0), (75, 0), (60, 0), (30, 0)]),
            (Power, &[(100, 0), (75, 0), (60, 0), (30, 0)]),
            (Log, &[(100, 0), (75, 0), (60, 0), (30, 0)]),
        ],
    );
    check(
        "canceled at unequal lengths",
        &[(1, Level(400)), (2, Level(360))],
        &[
            (RiskAverse, &[(100, 0), (100, 0)]),
            // 40 x 100^n / (100^n + 300^n): n = 3 gives 40 / 28, n = 2 gives 4, the logarithm 40 x 4.615 / (4.615 + 5.707).
            (Power, &[(100, 0), (99, 0)]),
            (Square, &[(100, 0), (96, 0)]),
            (Log, &[(100, 0), (83, 0)]),
        ],
    );
    check(
        "a trade and a cancel in one change",
        &[(1, Level(200)), (2, Trade(20)), (2, Level(120))],
        // 80 ahead, 100 behind, 60 canceled.
        &[(RiskAverse, &[(100, 0), (80, 0), (80, 0)]), (Square, &[(100, 0), (80, 0), (57, 0)])],
    );
    check(
        "a change older than the trade before it",
        &[(5, Trade(30)), (3, Level(90)), (5, Level(60))],
        // The first change is a cancel of 10, all of it ahead; the second is the trade.
        &[(RiskAverse, &[(70, 0), (60, 0), (60, 0)]), (Square, &[(70, 0), (60, 0), (60, 0)])],
    );
}

#[test]
fn what_happened_before_it_rested_does_not_move_it() {
    let desk = &mut Desk::new(0);
    for model in LEVELS {
        stand_behind_100(desk, model);
        let before = UnixNanos(desk.now.0 - 1);
        assert_eq!(filled(&desk.market_of(before, trade(Sell, BID, 500))), 0);
        assert_eq!(filled(&desk.market_of(before, trade(Sell, cents(9_990), 500))), 0);
        desk.market_of(before, level(Buy, BID, 5));
        assert_eq!(ahead(desk), 100, "{model}");
        // Nor does a book that is cleared and told again.
        desk.market(market(Kind::Clear, 0));
        desk.market(level(Buy, BID, 100));
        assert_eq!(ahead(desk), 100, "{model}");
    }
}

#[test]
fn a_side_is_cleared_up_to_a_price_and_a_gap_clears_both() {
    let desk = &mut Desk::new(0);
    let best = |desk: &Desk, side| desk.core.books().best(INSTRUMENT, side).map(|best| best.price);
    for model in LEVELS {
        stand_behind_100(desk, model);
        desk.market(level(Buy, cents(9_990), 7));
        let clear = |price| MarketEvent { side: Buy.wire(), price, ..market(Kind::Clear, 0) };
        assert_eq!(filled(&desk.market(clear(BID))), 0, "{model}");
        assert_eq!(best(desk, Buy), Some(cents(9_990)), "what is worse stays");
        assert_eq!(best(desk, Sell), Some(cents(10_001)), "and the other side");
        // As after a clear of both sides, our order does not lose what it waited for.
        desk.market(level(Buy, BID, 100));
        assert_eq!(ahead(desk), 100, "{model}");
        desk.market(MarketEvent { side: Buy.wire(), ..market(Kind::Gap, 0) });
        assert_eq!((best(desk, Buy), best(desk, Sell)), (None, None), "{model}");
    }
}

#[test]
fn prices_that_are_passed_fill_by_what_flowed() {
    let desk = &mut Desk::new(0);
    for model in [LEVELS.as_slice(), &[FillModelKind::Quotes]].concat() {
        stand_behind_100(desk, model);
        assert_eq!(filled(&desk.market(trade(Buy, cents(9_990), 20))), 0, "a buyer meets offers");
        assert_eq!(filled(&desk.market(trade(Sell, cents(9_990), 20))), 20, "{model}");
        // An offer at our price would have met us, once.
        assert_eq!(filled(&desk.market(level(Sell, BID, 10))), 10, "{model}");
        assert_eq!(filled(&desk.market(level(Sell, BID, 10))), 0, "{model}");
        assert_eq!(filled(&desk.market(level(Sell, BID, 25))), 15, "{model}");
    }
}

#[test]
fn our_own_orders_stand_ahead_of_each_other() {
    let desk = &mut Desk::new(0);
    for (model, first) in LEVELS.into_iter().zip((1..).step_by(2)) {
        stand_behind_100(desk, model);
        desk.order(Buy, Some(BID), 30, Gtc);
        // 100 are displayed, then ours of 50, then ours of 30.
        let told = desk.market(trade(Sell, BID, 160));
        let want = [
            format!("{first} trade 50@10000 -> filled"),
            format!("{} trade 10@10000 -> partially_filled", first + 1),
        ];
        assert_eq!(lines(&told), want, "{model}");
    }
}

#[test]
fn quotes_fill_through_and_on_touch_only_if_set() {
    let quote = |side: Side, price, qty| MarketEvent {
        kind: Kind::Quote.wire(),
        ..level(side, price, qty)
    };
    for (flags, at_price) in [(0, 0), (FLAG_FILL_ON_TOUCH, 10)] {
        let mut desk = Desk::new(0);
        desk.market(quote(Buy, BID, 100));
        desk.market(quote(Sell, cents(10_001), 100));
        // Quotes are what is told: no other model would have enough to go by.
        let told = desk.fill_by(FillModelKind::Exact, SetFillModel { flags, ..Default::default() });
        let quotes = u64::from(FillModelKind::Quotes.wire());
        assert!(matches!(told[..], [Event::Ack(ack)] if ack.value == quotes), "{told:?}");
        desk.order(Buy, Some(BID), 50, Gtc);
        assert_eq!(filled(&desk.market(trade(Sell, BID, 10))), at_price);
        assert_eq!(filled(&desk.market(trade(Sell, cents(9_999), 10))), 10);
        assert_eq!(filled(&desk.market(quote(Sell, BID, 5))), 5);
        assert_eq!(filled(&desk.market(quote(Sell, BID, 5))), 0);
    }
}

#[test]
fn settings_are_checked_and_do_not_change_under_resting_orders() {
    let mut desk = behind_100(FillModelKind::RiskAverse);
    let refused = |desk: &mut Desk, set: SetFillModel, want: &str| {
        let told = desk.command(Command::SetFillModel(set));
        let [Event::Ack(ack)] = told[..] else { panic!("{told:?}") };
        assert_eq!(ack.reject().map(|reject| reject.to_string()).as_deref(), Some(want));
    };
    let of = |model: u8| SetFillModel { instrument: INSTRUMENT, model, ..Default::default() };
    let power = of(FillModelKind::Power.wire());
    refused(&mut desk, of(1), "orders_resting: limit=0 value=1");
    desk.cancel(1);
    let far = SetFillModel { instrument: InstrumentId(9), ..power };
    refused(&mut desk, far, "unknown_instrument: limit=0 value=9");
    refused(&mut desk, of(8), "bad_field: limit=7 value=8");
    refused(&mut desk, SetFillModel { flags: 2, ..of(1) }, "bad_field: limit=1 value=2");
    refused(&mut desk, power, "bad_field: limit=10000 value=0");
    refused(
        &mut desk,
        SetFillModel { exponent_e3: 10_001, ..power },
        "bad_field: limit=10000 value=10001",
    );
    refused(&mut desk, SetFillModel { exponent_e3: 1, ..of(2) }, "bad_field: limit=0 value=1");
    let share = SetFillModel { volume_share_bp: 10_001, ..of(0) };
    refused(&mut desk, share, "bad_field: limit=10000 value=10001");
    let before = desk.core.state_hash();
    desk.fill_by(FillModelKind::Power, SetFillModel { exponent_e3: 10_000, ..power });
    assert_ne!(desk.core.state_hash(), before, "what is set is state");
}

/// The place once more, from all messages since the order came to rest: each trade is first given to the change of the level that
/// holds it, then the changes are gone through from the start.
fn ahead_from_scratch(messages: &[(u64, Told)], cancels: impl Fn(u64, u64, u64) -> u64) -> u64 {
    struct Change {
        time: u64,
        qty: u64,
        traded: u64,
        later: Vec<(u64, u64)>,
    }
    let mut changes = vec![Change { time: 0, qty: 100, traded: 0, later: vec![] }];
    for &(time, told) in messages {
        match told {
            Told::Level(qty) => {
                let last = changes.last_mut().expect("the first is always there");
                let pending = std::mem::take(&mut last.later);
                let holds = pending.first().is_some_and(|&(first, _)| time >= first);
                let (traded, later) = match holds {
                    true => (pending.iter().map(|trade| trade.1).sum(), vec![]),
                    false => (0, pending),
                };
                changes.push(Change { time, qty, traded, later });
            }
            Told::Trade(qty) => {
                let before = changes.len().checked_sub(2).map_or(100, |at| changes[at].qty);
                let last = changes.last_mut().expect("the first is always there");
                let unexplained = before.saturating_sub(last.qty).saturating_sub(last.traded);
                if time < last.time || (time == last.time && unexplained >= qty) {
                    last.traded += qty;
                } else {
                    last.later.push((time, qty));
                }
            }
        }
    }
    let (mut ahead, mut before) = (100u64, 100u64);
    for change in &changes {
        ahead = ahead.saturating_sub(change.traded);
        let standing = before.saturating_sub(change.traded);
        let canceled = standing.saturating_sub(change.qty);
        ahead = (ahead - cancels(ahead, standing.saturating_sub(ahead), canceled)).min(change.qty);
        before = change.qty;
    }
    let pending: u64 =
        changes.last().map_or(0, |last| last.later.iter().map(|trade| trade.1).sum());
    ahead.saturating_sub(pending)
}

fn message() -> impl Strategy<Value = (u64, Told)> {
    // Times that mostly go on and sometimes come late or together.
    let told = prop_oneof![(1..80u64).prop_map(Told::Trade), (0..300u64).prop_map(Told::Level)];
    (prop_oneof![0..3u64, 5..9u64], told)
}

fn messages() -> impl Strategy<Value = Vec<(u64, Told)>> {
    prop::collection::vec(message(), 1..25).prop_map(|mut messages| {
        let mut now = 1;
        for (time, _) in &mut messages {
            now += *time;
            // One in four or so happened before what was told last.
            *time = if *time % 4 == 3 { now.saturating_sub(4).max(1) } else { now };
        }
        messages
    })
}

fn check_flows<T: std::fmt::Debug>(
    flows: impl Strategy<Value = Vec<T>>,
    check: impl Fn(&mut Desk, &[T]) -> Result<(), TestCaseError>,
) {
    let config = ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() };
    // A state machine takes long to set up.
    let mut desk = Desk::new(0);
    let credit = Money(i128::from(u64::MAX) * units::MONEY_PER_UNIT);
    let limits = SetLimits { credit, max_position: Lots(u64::MAX), ..limits(ACCOUNT) };
    desk.agreed(Command::SetLimits(limits));
    let desk = RefCell::new(desk);
    let checked = TestRunner::new(config).run(&flows, |flow| {
        let mut desk = desk.borrow_mut();
        desk.command(Command::DayRoll);
        check(&mut desk, &flow)
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn places_are_those_reckoned_from_scratch() {
    let none = |_: u64, _: u64, _: u64| 0;
    let square = |ahead: u64, behind: u64, canceled: u64| {
        let (a, b) = (u128::from(ahead).pow(2), u128::from(behind).pow(2));
        let share = (u128::from(canceled) * a).checked_div(a + b).unwrap_or(0) as u64;
        share.max(canceled.saturating_sub(behind)).min(ahead)
    };
    check_flows(messages(), |desk, messages| {
        let averse = play(desk, FillModelKind::RiskAverse, messages);
        let squared = play(desk, FillModelKind::Square, messages);
        for upto in 1..=messages.len() {
            let part = &messages[..upto];
            for ((got, filled), want) in [
                (averse[upto - 1], ahead_from_scratch(part, none)),
                (squared[upto - 1], ahead_from_scratch(part, square)),
            ] {
                prop_assert!(filled == 50 || got == want, "{got}, not {want}, after {upto}");
            }
        }
        Ok(())
    });
}

#[test]
fn risk_averse_is_never_filled_before_the_others() {
    check_flows(messages(), |desk, messages| {
        let averse = play(desk, FillModelKind::RiskAverse, messages);
        for model in &LEVELS[1..] {
            let other = play(desk, *model, messages);
            let mut traded = 0;
            for (at, (averse, other)) in averse.iter().zip(&other).enumerate() {
                traded += if let Told::Trade(qty) = messages[at].1 { qty } else { 0 };
                prop_assert!(averse.1 <= other.1, "{model} after {at}: {averse:?} {other:?}");
                prop_assert!(other.1 <= traded, "{model}: no more is filled than traded");
            }
        }
        Ok(())
    });
}

/// One message of a feed that shows orders: what, which order, cents above 99.98, lots, time since the last.
type OrderStep = (u8, u64, i64, u64, u64);

/// Plays orders around one of ours at 100.00, entered after a third of them; lots filled after each message.
fn play_orders(desk: &mut Desk, model: FillModelKind, steps: &[OrderStep]) -> Vec<u64> {
    stand_behind_100(desk, model);
    desk.command(Command::MassCancel(MassCancel {
        account: ACCOUNT,
        instrument: INSTRUMENT,
        side: 0,
        reserved: [0; 7],
    }));
    desk.market(market(Kind::Clear, 0));
    desk.market(add(1_000, Buy, cents(9_990), 1_000));
    // What an order's price is measured against.
    desk.market(trade(Sell, BID, 1));
    let mut sum = 0;
    let mut after = Vec::new();
    for (at, &(what, order_ref, above, qty, passed)) in steps.iter().enumerate() {
        if at == steps.len() / 3 {
            let told = desk.order(Buy, Some(BID), 50, Gtc);
            assert!(lines(&told)[0].ends_with("new -> new"), "{told:?}");
            sum += filled(&told);
        }
        desk.now.0 += passed;
        let price = cents(9_998 + above);
        sum += filled(&desk.market(match what {
            0..8 => add(order_ref, if above < 3 { Buy } else { Sell }, price, qty),
            8..13 => execute(order_ref, qty),
            13..16 => MarketEvent { qty: Lots(qty), ..market(Kind::Reduce, order_ref) },
            16..19 => market(Kind::Delete, order_ref),
            19 => execute(1_000, 1),
            _ => MarketEvent { price, qty: Lots(qty), ..market(Kind::Modify, order_ref) },
        }));
        after.push(sum);
    }
    after
}

#[test]
fn risk_averse_is_never_filled_before_the_exact_place_is() {
    let step = (0..21u8, 1..12u64, 0..5i64, 1..60u64, 0..2u64);
    let flows = prop::collection::vec(step, 3..60);
    let filled_at_all = Cell::new([0; 2]);
    check_flows(flows, |desk, steps| {
        let exact = play_orders(desk, FillModelKind::Exact, steps);
        let averse = play_orders(desk, FillModelKind::RiskAverse, steps);
        for (at, (exact, averse)) in exact.iter().zip(&averse).enumerate() {
            prop_assert!(averse <= exact, "after {at}: {averse}, exactly {exact}");
        }
        let [a, b] = filled_at_all.get();
        let ends = |fills: &[u64]| u32::from(fills.last().is_some_and(|&sum| sum > 0));
        filled_at_all.set([a + ends(&exact), b + ends(&averse)]);
        Ok(())
    });
    let [exact, averse] = filled_at_all.get();
    assert!(averse > 100 && exact >= averse, "{exact} and {averse} of 1,000 flows fill");
}

/// What our fills spared at a price where nothing was displayed any more is forgotten with the book.
#[test]
fn a_book_that_is_cleared_leaves_nothing_spared() {
    use Told::{Level, Trade};
    let messages = [
        (6, Level(106)),
        (11, Trade(28)),
        (17, Level(196)),
        (25, Level(171)),
        (27, Level(215)),
        (30, Trade(46)),
        (37, Trade(48)),
        (46, Level(0)),
        (48, Trade(26)),
        (48, Trade(58)),
        (49, Trade(48)),
        (52, Trade(18)),
        (59, Trade(18)),
    ];
    let mut desk = Desk::new(0);
    let first = play(&mut desk, FillModelKind::RiskAverse, &messages);
    desk.command(Command::DayRoll);
    assert_eq!(play(&mut desk, FillModelKind::RiskAverse, &messages), first);
}
