//! Controls of scopes: each at its limit, one below and one above, whose it is, and what passes it by design.

mod desk;

use desk::{ACCOUNT, Desk, INSTRUMENT, REFERENCE, limits, market, order};
use tidegate_model::command::{
    Action, ControlKind as Kind, Enable, GrantLocate, KillMode, KillSwitch, NewOrder, Reason,
    ReferenceKind, SetControl, SetFactors, SetGroup, SetListed,
};
use tidegate_model::{
    AccountId, GroupId, Lots, Money, PrincipalId, Reject, RejectReason as R, Scope, ScopeKind,
    Side, StrategyId, Ticks, UnixNanos,
};
use tidegate_risk::{Filled, Left};

const STRATEGY: StrategyId = StrategyId(4);
const PRINCIPAL: PrincipalId = PrincipalId(9);
const GROUP: GroupId = GroupId(2);
const SEC: u64 = 1_000_000_000;

/// Every scope that an order of these tests belongs to.
const SCOPES: [Scope; 6] = [
    Scope::FIRM,
    Scope::principal(PRINCIPAL),
    Scope::account(ACCOUNT),
    Scope::strategy(STRATEGY),
    Scope::instrument(INSTRUMENT),
    Scope::group(GROUP),
];

fn control(kind: Kind, scope: Scope, limit: i128) -> SetControl {
    SetControl::of(kind, scope, limit)
}

/// A desk whose account is in the group, and whose orders are a strategy's and a principal's.
fn desk_with(set: &SetControl) -> Desk {
    let mut desk = Desk::with(limits());
    desk.principal = PRINCIPAL;
    let member = Scope::account(ACCOUNT);
    let group = u32::from(GROUP.0);
    let join = SetGroup { member, group, reserved: [0; 4], reason: Reason::EMPTY };
    desk.risk.set_group(&join).expect("a new group");
    desk.risk.set_control(set).expect("a control that means something");
    desk
}

fn of(order: NewOrder) -> NewOrder {
    NewOrder { strategy: STRATEGY, ..order }
}

fn buy(qty: u64, price: i64) -> NewOrder {
    of(order(Side::Buy, qty, price))
}

fn sell(qty: u64, price: i64) -> NewOrder {
    of(order(Side::Sell, qty, price))
}

/// What a refusal says, whose limit it was with it.
fn told<T>(answer: Result<T, Reject>) -> Option<(R, i128, i128, Option<ScopeKind>)> {
    answer.err().map(|reject| (reject.reason, reject.limit, reject.value, reject.scope))
}

/// Lets the account, the strategy and the principal hold lots that were traded at a price.
fn trade(desk: &mut Desk, side: Side, qty: u64, price: i64, realised: i128) {
    let exposure = desk.open(of(order(side, qty, price))).expect("it passes");
    let held = desk.risk.exposure(ACCOUNT, INSTRUMENT);
    let lots = if side == Side::Buy { qty as i64 } else { -(qty as i64) };
    let value = i128::from(qty) * i128::from(price);
    let cost = held.cost.0 + if side == Side::Buy { value } else { -value };
    desk.risk.filled(
        desk.now,
        &Filled {
            account: ACCOUNT,
            instrument: INSTRUMENT,
            strategy: STRATEGY,
            principal: PRINCIPAL,
            side,
            qty: Lots(qty),
            price: Ticks(price),
            value: Money(value),
            fee: Money::ZERO,
            realised: Money(realised),
            is_first: true,
            position: (held.position + lots, Money(cost)),
        },
        Some(&Left { before: exposure, after: exposure.none(), is_open: false }),
    );
}

/// What the order is asked in every scope that can have the control: one below the limit and at it passes, one above does
/// not, and the refusal says limit, value and whose.
#[test]
fn at_the_limit_and_beyond() {
    type Before = fn(&mut Desk);
    let nothing: Before = |_| {};
    let (at, none) = (|qty, price| buy(qty, price), nothing);
    type Row = (Kind, R, i128, Before, [NewOrder; 3], i128);
    let table: &[Row] = &[
        // control, refusal, limit, what is there before, orders of limit - 1, limit, limit + 1, value of the last
        (Kind::MaxOrderQty, R::MaxOrderQuantity, 10, none, [at(9, 5), at(10, 5), at(11, 5)], 11),
        (Kind::MaxOrderQty, R::MaxOrderQuantity, 0, none, [at(0, 5), at(0, 5), at(1, 5)], 1),
        (
            Kind::MaxOrderNotional,
            R::MaxOrderNotional,
            50,
            none,
            [at(49, 1), at(50, 1), at(51, 1)],
            51,
        ),
        (Kind::GrossExposure, R::GrossExposure, 50, none, [at(49, 1), at(25, 2), at(17, 3)], 51),
        (
            Kind::GrossExposure,
            R::GrossExposure,
            150,
            |desk| trade(desk, Side::Buy, 100, 1, 0),
            [at(49, 1), at(50, 1), at(51, 1)],
            151,
        ),
        (
            Kind::NetExposure,
            R::NetExposure,
            50,
            |desk| trade(desk, Side::Sell, 20, 1, 0),
            [at(69, 1), at(70, 1), at(71, 1)],
            51,
        ),
        (
            Kind::OpenExposure,
            R::OpenExposure,
            50,
            |desk| _ = desk.open(sell(1, REFERENCE)).expect("1,000"),
            [at(1, 1); 3],
            1_001,
        ),
        (
            Kind::OpenOrders,
            R::MaxOpenOrders,
            2,
            |desk| _ = [desk.open(buy(1, 1)), desk.open(buy(1, 2))],
            [at(1, 1); 3],
            3,
        ),
        (
            Kind::DayOrders,
            R::DayOrders,
            1,
            |desk| {
                let open = desk.open(buy(1, 1)).expect("the first");
                desk.risk.order_closed(&open);
            },
            [at(1, 1); 3],
            2,
        ),
        (Kind::DayOrders, R::DayOrders, 0, none, [at(0, 1), at(0, 1), at(1, 1)], 1),
        (
            Kind::DayTrades,
            R::DayTrades,
            2,
            |desk| {
                trade(desk, Side::Buy, 1, 1, 0);
                desk.open(buy(1, 1)).expect("it might be the second");
            },
            [at(1, 1); 3],
            3,
        ),
        (
            Kind::DayNotional,
            R::DayNotional,
            100,
            |desk| trade(desk, Side::Buy, 60, 1, 0),
            [at(39, 1), at(40, 1), at(41, 1)],
            101,
        ),
        (
            Kind::PositionLong,
            R::PositionLong,
            30,
            |desk| trade(desk, Side::Buy, 20, 1, 0),
            [at(9, 1), at(10, 1), at(11, 1)],
            31,
        ),
        (
            Kind::PositionShort,
            R::PositionShort,
            30,
            |desk| trade(desk, Side::Sell, 20, 1_000, 0),
            [sell(9, 1_000), sell(10, 1_000), sell(11, 1_000)],
            31,
        ),
        (
            Kind::ShortSale,
            R::ShortSale,
            0,
            |desk| trade(desk, Side::Buy, 10, 1, 0),
            [sell(9, 1_000), sell(10, 1_000), sell(11, 1_000)],
            1,
        ),
    ];
    for (kind, reason, limit, before, orders, value) in table {
        for scope in SCOPES {
            let set = control(*kind, scope, *limit);
            if !tidegate_risk::control::fits(*kind, scope.scope_kind().expect("assigned")) {
                continue;
            }
            // What is there before the control is counted by it.
            let mut desk = desk_with(&control(Kind::MaxOrderQty, scope, i128::from(u64::MAX)));
            before(&mut desk);
            desk.risk.set_control(&set).expect("it fits");
            for (number, order) in orders.iter().enumerate() {
                let answer = told(desk.check(*order));
                let says = format!("{kind} {limit} of {scope}, order {number}: {answer:?}");
                let is_refused = Some((*reason, *limit, *value, scope.scope_kind()));
                if number == 2 {
                    assert_eq!(answer, is_refused, "{says}");
                } else if orders[0] != orders[2] && order.qty.0 > 0 {
                    assert_eq!(answer, None, "{says}");
                }
            }
        }
    }
}

#[test]
fn replaces_are_asked_like_new_orders() {
    for scope in SCOPES {
        let mut desk = desk_with(&control(Kind::GrossExposure, scope, 50));
        let open = desk.open(buy(40, 1)).expect("40");
        let up = |desk: &mut Desk, qty| told(desk.check_replace(&open, 0, qty, 1).map(|_| ()));
        assert_eq!(up(&mut desk, 50), None, "its own 40 are taken out");
        let refused = (R::GrossExposure, 50, 51, scope.scope_kind());
        assert_eq!(up(&mut desk, 51), Some(refused), "{scope}");
    }
}

#[test]
fn two_sessions_cannot_race_a_sum() {
    // Whatever is asked for counts at once, filled or not.
    let mut desk = desk_with(&control(Kind::OpenExposure, Scope::FIRM, 100));
    for _ in 0..10 {
        desk.open(buy(10, 1)).expect("ten times ten");
    }
    let refused = (R::OpenExposure, 100, 101, Some(ScopeKind::Firm));
    assert_eq!(told(desk.check(buy(1, 1))), Some(refused));
}

#[test]
fn collars_by_reference() {
    let collar = |option: ReferenceKind| SetControl {
        option: option.wire(),
        ..control(Kind::PriceCollar, Scope::FIRM, 100)
    };
    // The last trade is at 1,000, the middle of the book at 1,100, the day before closed at 900.
    for (option, bound) in [
        (ReferenceKind::Last, 1_010),
        (ReferenceKind::Mid, 1_111),
        (ReferenceKind::PreviousClose, 909),
    ] {
        let mut desk = desk_with(&collar(option));
        desk.market.best = [Some(Ticks(1_090)), Some(Ticks(1_110))];
        desk.risk.marked(desk.now, INSTRUMENT, Ticks(900));
        desk.risk.day_roll();
        assert_eq!(told(desk.check(buy(1, bound))), None, "{option}");
        let refused = (R::PriceCollar, bound.into(), i128::from(bound) + 1, Some(ScopeKind::Firm));
        assert_eq!(told(desk.check(buy(1, bound + 1))), Some(refused), "{option}");
    }
    let mut desk = desk_with(&collar(ReferenceKind::PreviousClose));
    assert_eq!(told(desk.check(buy(1, 1))).map(|t| t.0), Some(R::NoReferencePrice));
}

#[test]
fn a_price_cannot_be_walked_within_a_window() {
    let scope = Scope::instrument(INSTRUMENT);
    let window = SetControl { window_ns: SEC, ..control(Kind::WindowCollar, scope, 100) };
    let mut desk = desk_with(&window);
    assert_eq!(told(desk.check(buy(1, 1_010))), None);
    // The market follows, the bound does not.
    desk.reference = Some(Ticks(1_010));
    let refused = (R::WindowCollar, 1_010, 1_020, Some(ScopeKind::Instrument));
    assert_eq!(told(desk.check(buy(1, 1_020))), Some(refused));
    desk.now.0 += SEC;
    assert_eq!(told(desk.check(buy(1, 1_020))), None, "another window");
}

#[test]
fn a_fat_finger_is_many_times_the_average() {
    for scope in SCOPES {
        let set = SetControl { count: 3, ..control(Kind::FatFinger, scope, 500) };
        let mut desk = desk_with(&set);
        assert_eq!(told(desk.check(buy(1_000, 1))), None, "nothing to compare with");
        let mut desk = desk_with(&set);
        for _ in 0..3 {
            desk.open(buy(10, 1)).expect("small");
        }
        assert_eq!(told(desk.check(buy(50, 1))), None, "{scope}");
        let mut desk = desk_with(&set);
        for _ in 0..3 {
            desk.open(buy(10, 1)).expect("small");
        }
        let refused = (R::FatFinger, 500, 510, scope.scope_kind());
        assert_eq!(told(desk.check(buy(51, 1))), Some(refused), "{scope}");
    }
}

#[test]
fn message_rates_of_scopes() {
    for scope in SCOPES {
        let set = SetControl { count: 2, ..control(Kind::MessageRate, scope, 1) };
        let mut desk = desk_with(&set);
        for _ in 0..2 {
            assert_eq!(told(desk.check(buy(1, 1))), None);
        }
        let refused = (R::MessageRate, 1, 0, scope.scope_kind());
        assert_eq!(told(desk.check(buy(1, 1))), Some(refused), "{scope}");
        desk.now.0 += SEC;
        assert_eq!(told(desk.check(buy(1, 1))), None, "{scope}");
        // A clock that jumps back brings nothing.
        desk.now.0 -= 100 * SEC;
        assert_eq!(told(desk.check(buy(1, 1))), Some(refused), "{scope}");
    }
}

#[test]
fn the_same_order_again() {
    for scope in SCOPES {
        let set = SetControl { window_ns: SEC, ..control(Kind::DuplicateOrders, scope, 1) };
        let mut desk = desk_with(&set);
        for name in ["a", "b"] {
            let client_order_id = tidegate_model::ClientOrderId::new(name).expect("a name");
            let order = NewOrder { client_order_id, ..buy(5, 7) };
            assert_eq!(told(desk.check(order)), None, "one may be meant twice");
        }
        let refused = (R::DuplicateOrder, 1, 2, scope.scope_kind());
        assert_eq!(told(desk.check(buy(5, 7))), Some(refused), "{scope}");
        assert_eq!(told(desk.check(buy(6, 7))), None, "another quantity");
        assert_eq!(told(desk.check(buy(5, 8))), None, "another price");
        desk.now.0 += SEC;
        assert_eq!(told(desk.check(buy(5, 7))), None, "later");
    }
}

#[test]
fn lists_of_instruments() {
    let put = |desk: &mut Desk, list| {
        let set = SetListed {
            instrument: INSTRUMENT,
            list,
            listed: 1,
            reserved: [0; 2],
            reason: Reason::EMPTY,
        };
        desk.risk.set_listed(&set).expect("a list");
    };
    for scope in SCOPES {
        let refused = |list| Some((R::Restricted, list, 3, scope.scope_kind()));
        let mut desk = desk_with(&control(Kind::RestrictedList, scope, 5));
        put(&mut desk, 4);
        assert_eq!(told(desk.check(buy(1, 1))), None, "on another list");
        trade(&mut desk, Side::Buy, 10, 1, 0);
        put(&mut desk, 5);
        assert_eq!(told(desk.check(buy(1, 1))), refused(5), "{scope}");
        assert_eq!(told(desk.check(sell(10, 1_000))), None, "what is held may be sold");
        assert_eq!(told(desk.check(sell(11, 1_000))), refused(5), "and no more");
        let mut desk = desk_with(&control(Kind::AllowedList, scope, 6));
        assert_eq!(told(desk.check(buy(1, 1))), refused(6), "{scope}");
        put(&mut desk, 6);
        assert_eq!(told(desk.check(buy(1, 1))), None);
    }
}

#[test]
fn located_shares_may_be_sold_short() {
    let mut desk = desk_with(&control(Kind::ShortSale, Scope::FIRM, 0));
    let refused = |limit, value| Some((R::ShortSale, limit, value, Some(ScopeKind::Firm)));
    assert_eq!(told(desk.check(sell(1, 1_000))), refused(0, 1));
    let grant = GrantLocate {
        qty: Lots(7),
        account: ACCOUNT,
        instrument: INSTRUMENT,
        reason: Reason::EMPTY,
    };
    assert!(desk.risk.is_loosened_by_locate(&grant), "a second person looks at it");
    desk.risk.grant_locate(&grant, 0).expect("known");
    assert_eq!(told(desk.check(sell(7, 1_000))), None);
    desk.open(sell(3, 1_000)).expect("three of seven");
    assert_eq!(told(desk.check(sell(5, 1_000))), refused(7, 8));
    desk.risk.day_roll();
    assert_eq!(told(desk.check(sell(1, 1_000))), refused(0, 4), "until the day ends");
}

#[test]
fn nobody_trades_with_himself() {
    for scope in SCOPES {
        let mut desk = desk_with(&control(Kind::SelfTrade, scope, 0));
        desk.own_best = Some(Ticks(1_010));
        assert_eq!(told(desk.check(buy(1, 1_010))), None, "nothing of it is open");
        desk.open(sell(5, 1_010)).expect("an offer");
        assert_eq!(told(desk.check(buy(1, 1_009))), None, "{scope}");
        let refused = Some((R::SelfTrade, 0, 1_010, scope.scope_kind()));
        assert_eq!(told(desk.check(buy(1, 1_010))), refused, "{scope}");
        assert_eq!(told(desk.check(of(market(Side::Buy, 1)))), refused, "{scope}");
        // The offer is gone: the bound is stale, the orders are asked.
        desk.own_best = None;
        assert_eq!(told(desk.check(buy(1, 1_010))), None, "{scope}");
    }
}

#[test]
fn an_old_book_is_not_taken_from() {
    for scope in SCOPES {
        let mut desk = desk_with(&control(Kind::StaleMarket, scope, i128::from(SEC)));
        desk.market.has_feed = true;
        desk.market.best = [Some(Ticks(990)), Some(Ticks(1_010))];
        desk.market.heard_at = Some(desk.now);
        desk.now.0 += SEC - 1;
        assert_eq!(told(desk.check(buy(1, 1_010))), None);
        desk.now.0 += 1;
        let refused = Some((R::StaleMarket, SEC.into(), SEC.into(), scope.scope_kind()));
        assert_eq!(told(desk.check(buy(1, 1_010))), refused, "{scope}");
        assert_eq!(told(desk.check(of(market(Side::Buy, 1)))), refused, "{scope}");
        assert_eq!(told(desk.check(buy(1, 1_009))), None, "it rests");
        desk.market.best = [None; 2];
        assert_eq!(told(desk.check(buy(1, 1_009))), refused, "nobody knows what it meets");
    }
}

#[test]
fn executions_in_a_row_disable_until_somebody_enables() {
    for scope in SCOPES {
        let set = SetControl { window_ns: SEC, ..control(Kind::ExecutionThrottle, scope, 3) };
        let mut desk = desk_with(&set);
        for _ in 0..3 {
            trade(&mut desk, Side::Buy, 1, 1, 0);
        }
        assert_eq!(told(desk.check(buy(1, 1))), None, "three are allowed");
        trade(&mut desk, Side::Buy, 1, 1, 0);
        let since = desk.now.0.into();
        desk.now.0 += 1_000 * SEC;
        let refused = Some((R::Disabled, 3, since, scope.scope_kind()));
        assert_eq!(told(desk.check(buy(1, 1))), refused, "{scope}");
        assert_eq!(told(desk.check(sell(1, 1_000))), refused, "not even to reduce");
        let trips = std::mem::take(desk.risk.trips());
        assert_eq!((trips.len(), trips[0].scope, trips[0].stopped), (1, scope, 1));
        desk.risk.enable_scope(&Enable { scope, reason: Reason::EMPTY }).expect("known");
        assert_eq!(told(desk.check(buy(1, 1))), None, "{scope}");
    }
}

#[test]
fn losses_stop_what_opens_and_not_what_reduces() {
    let loss = |kind, scope| SetControl {
        action: Action::StopOpening.wire(),
        ..control(kind, scope, 100)
    };
    for scope in SCOPES {
        for (kind, reason) in [(Kind::DayLoss, R::DayLoss), (Kind::Drawdown, R::Drawdown)] {
            let mut desk = desk_with(&loss(kind, scope));
            trade(&mut desk, Side::Buy, 10, 100, 0);
            let mark = |desk: &mut Desk, price| {
                desk.risk.marked(desk.now, INSTRUMENT, Ticks(price));
                desk.now.0 += tidegate_risk::marks::SWEEP_NS;
                desk.risk.sweep(desk.now);
            };
            // A gain of 50 is a best to fall from, not a loss.
            mark(&mut desk, 105);
            let at_limit = if kind == Kind::DayLoss { 90 } else { 95 };
            mark(&mut desk, at_limit);
            assert_eq!(told(desk.check(buy(1, 1))), None, "{kind} {scope} at its limit");
            mark(&mut desk, at_limit - 1);
            let refused = Some((reason, 100, 110, scope.scope_kind()));
            assert_eq!(told(desk.check(buy(1, 1))), refused, "{kind} {scope}");
            assert_eq!(told(desk.check(sell(10, 1_000))), None, "{kind} {scope} reduces");
            assert_eq!(told(desk.check(sell(11, 1_000))), refused, "{kind} {scope} and opens");
            mark(&mut desk, 200);
            assert_eq!(told(desk.check(buy(1, 1))), refused, "a gain afterwards does not help");
            desk.risk.day_roll();
            assert_eq!(told(desk.check(buy(1, 1))), None, "another day");
        }
    }
}

#[test]
fn losses_in_a_row_cool_down() {
    for scope in SCOPES {
        let set = SetControl { window_ns: SEC, ..control(Kind::ConsecutiveLosses, scope, 2) };
        let mut desk = desk_with(&set);
        for realised in [-1, -1, 1, -1, -1] {
            trade(&mut desk, Side::Buy, 1, 1, realised);
        }
        assert_eq!(told(desk.check(buy(1, 1))), None, "a gain in between begins anew");
        trade(&mut desk, Side::Buy, 1, 1, -1);
        let until = i128::from(desk.now.0 + SEC);
        let refused = Some((R::CoolDown, 2, until, scope.scope_kind()));
        assert_eq!(told(desk.check(buy(1, 1))), refused, "{scope}");
        assert_eq!(told(desk.check(sell(6, 1_000))), None, "{scope} reduces");
        desk.now.0 += SEC;
        assert_eq!(told(desk.check(buy(1, 1))), None, "{scope}: it is over");
    }
}

#[test]
fn a_market_that_moves_too_far() {
    for (option, stopped) in [(0, ScopeKind::Instrument), (1, ScopeKind::Firm)] {
        let set = SetControl {
            window_ns: SEC,
            hold_ns: 10 * SEC,
            action: Action::StopOpening.wire(),
            option,
            ..control(Kind::Volatility, Scope::instrument(INSTRUMENT), 100)
        };
        let mut desk = desk_with(&set);
        trade(&mut desk, Side::Buy, 5, 1_000, 0);
        for price in [1_000, 1_010] {
            desk.risk.marked(desk.now, INSTRUMENT, Ticks(price));
        }
        assert_eq!(told(desk.check(buy(1, 1))), None, "one per cent is allowed");
        desk.risk.marked(desk.now, INSTRUMENT, Ticks(1_011));
        let until = i128::from(desk.now.0 + 10 * SEC);
        let refused = Some((R::Volatility, 100, until, Some(stopped)));
        assert_eq!(told(desk.check(buy(1, 1))), refused);
        assert_eq!(told(desk.check(sell(5, 1_000))), None, "it reduces");
        desk.now.0 += 10 * SEC;
        assert_eq!(told(desk.check(buy(1, 1))), None, "it is over");
    }
}

#[test]
fn factors_add_up_by_the_root_of_squares() {
    let mut desk = desk_with(&control(Kind::FactorExposure, Scope::FIRM, 0));
    // Amounts of this test's instrument are far below a thousandth of a unit: what they come to is 0.
    let mut loadings_e6 = [0; 8];
    loadings_e6[0] = 1_000_000;
    desk.risk.set_factors(&SetFactors { instrument: INSTRUMENT, loadings_e6 }).expect("in range");
    assert_eq!(told(desk.check(buy(1, 1))), None);
    desk.terms.money_per_tick_lot = tidegate_model::units::MONEY_PER_UNIT;
    let refused =
        desk.risk.set_factors(&SetFactors { instrument: INSTRUMENT, loadings_e6: [10_000_001; 8] });
    assert_eq!(told(refused).map(|t| t.0), Some(R::BadField));
}

#[test]
fn one_instrument_is_a_share_of_equity() {
    for scope in SCOPES {
        let mut desk = desk_with(&control(Kind::Concentration, scope, 2_500));
        desk.equity = Money(1_000);
        assert_eq!(told(desk.check(buy(250, 1))), None, "a quarter");
        let refused = Some((R::Concentration, 2_500, 2_510, scope.scope_kind()));
        assert_eq!(told(desk.check(buy(251, 1))), refused, "{scope}");
    }
}

#[test]
fn modes_sides_and_ends() {
    for scope in SCOPES {
        let whose = scope.scope_kind();
        let mut desk = desk_with(&control(Kind::ReduceOnly, scope, 0));
        assert_eq!(told(desk.check(buy(5, 1))), Some((R::ReduceOnly, 0, 5, whose)), "{scope}");
        let mut desk = desk_with(&control(Kind::MaxOrderQty, scope, 1_000));
        trade(&mut desk, Side::Buy, 5, 1, 0);
        desk.risk.set_control(&control(Kind::ReduceOnly, scope, 0)).expect("fits");
        assert_eq!(told(desk.check(sell(5, 1_000))), None, "{scope}");
        assert_eq!(told(desk.check(sell(6, 1_000))), Some((R::ReduceOnly, 0, 1, whose)), "{scope}");

        let mut desk = desk_with(&control(Kind::Sides, scope, 1));
        assert_eq!(told(desk.check(buy(1, 1))), None);
        assert_eq!(told(desk.check(sell(1, 1_000))), Some((R::SideNotAllowed, 1, 2, whose)));

        let end = i128::from(desk.now.0) + 1;
        let mut desk = desk_with(&control(Kind::ExpiresAt, scope, end));
        assert_eq!(told(desk.check(buy(1, 1))), None);
        desk.now.0 += 1;
        assert_eq!(told(desk.check(buy(1, 1))), Some((R::TokenExpired, end, end, whose)));

        let mut desk = desk_with(&control(Kind::ApprovalAbove, scope, 50));
        assert_eq!(told(desk.check(buy(50, 1))), None);
        assert_eq!(told(desk.check(buy(51, 1))), Some((R::ApprovalNeeded, 50, 51, whose)));
        desk.is_approved = true;
        assert_eq!(told(desk.check(buy(51, 1))), None, "a person has looked at it");
    }
}

#[test]
fn kill_switches_that_let_reducing_orders_through() {
    for scope in SCOPES {
        let mut desk = desk_with(&control(Kind::MaxOrderQty, scope, 1_000));
        trade(&mut desk, Side::Buy, 5, 1, 0);
        let kill = KillSwitch { mode: KillMode::ReduceOnly.wire(), ..KillSwitch::of(scope, true) };
        desk.risk.kill(&kill).expect("known");
        let refused = Some((R::KillSwitch, 0, 1, scope.scope_kind()));
        assert_eq!(told(desk.check(buy(1, 1))), refused, "{scope}");
        assert_eq!(told(desk.check(sell(6, 1_000))), refused, "{scope}");
        assert_eq!(told(desk.check(sell(5, 1_000))), None, "{scope}");
    }
}

#[test]
fn what_no_scope_can_have() {
    let mut desk = Desk::with(limits());
    let mut refuse = |set: SetControl| told(desk.risk.set_control(&set)).map(|t| t.0);
    let firm = |kind, limit| control(kind, Scope::FIRM, limit);
    let window = |set: SetControl, window_ns| SetControl { window_ns, ..set };
    for (set, reason) in [
        (firm(Kind::MaxOrderQty, -1), R::BadControl),
        (firm(Kind::MaxOrderQty, i128::from(u64::MAX) + 1), R::BadControl),
        (firm(Kind::GrossExposure, i128::MAX), R::BadControl),
        (SetControl { control: 0, ..firm(Kind::MaxOrderQty, 1) }, R::BadControl),
        (SetControl { control: 255, ..firm(Kind::MaxOrderQty, 1) }, R::BadControl),
        (window(firm(Kind::MaxOrderQty, 1), 1), R::BadControl),
        (firm(Kind::DuplicateOrders, 1), R::BadControl),
        (window(firm(Kind::DuplicateOrders, 1), u64::MAX), R::BadControl),
        (firm(Kind::DayLoss, 1), R::BadControl),
        (window(firm(Kind::ExecutionThrottle, 0), SEC), R::BadControl),
        (window(firm(Kind::ExecutionThrottle, 1_024), SEC), R::BadControl),
        (window(firm(Kind::WindowCollar, 1), SEC), R::BadControl),
        (control(Kind::PositionLong, Scope::group(GROUP), 1), R::BadControl),
        (firm(Kind::RestrictedList, 0), R::BadControl),
        (firm(Kind::RestrictedList, 65), R::BadControl),
        (firm(Kind::Sides, 4), R::BadControl),
        (control(Kind::Sides, Scope::default(), 1), R::BadControl),
        (control(Kind::Sides, Scope::account(AccountId(8)), 1), R::UnknownAccount),
        (control(Kind::Sides, Scope::of(ScopeKind::Instrument, 900), 1), R::UnknownInstrument),
        (control(Kind::Sides, Scope::of(ScopeKind::Strategy, 0), 1), R::UnknownScope),
        (control(Kind::Sides, Scope::of(ScopeKind::Strategy, 4_096), 1), R::UnknownScope),
        (control(Kind::Sides, Scope::of(ScopeKind::Group, 1_024), 1), R::UnknownScope),
        (control(Kind::Sides, Scope::of(ScopeKind::Principal, 16_384), 1), R::UnknownScope),
        (control(Kind::Sides, Scope::of(ScopeKind::Firm, 1), 1), R::UnknownScope),
    ] {
        assert_eq!(refuse(set), Some(reason), "{set:?}");
    }
}

#[test]
fn what_loosens_is_told_apart_from_what_tightens() {
    let mut desk = Desk::with(limits());
    let firm = |kind, limit| control(kind, Scope::FIRM, limit);
    let throttle =
        |limit, window_ns| SetControl { window_ns, ..firm(Kind::ExecutionThrottle, limit) };
    let loss =
        |limit, action: Action| SetControl { action: action.wire(), ..firm(Kind::DayLoss, limit) };
    let off = |set: SetControl| SetControl { off: 1, ..set };
    for (old, new, loosens) in [
        (None, firm(Kind::MaxOrderQty, 10), false),
        (Some(firm(Kind::MaxOrderQty, 10)), firm(Kind::MaxOrderQty, 10), false),
        (Some(firm(Kind::MaxOrderQty, 10)), firm(Kind::MaxOrderQty, 9), false),
        (Some(firm(Kind::MaxOrderQty, 10)), firm(Kind::MaxOrderQty, 11), true),
        (Some(firm(Kind::MaxOrderQty, 10)), off(firm(Kind::MaxOrderQty, 10)), true),
        (None, off(firm(Kind::MaxOrderQty, 10)), false),
        (Some(firm(Kind::LiquidationDistance, 10)), firm(Kind::LiquidationDistance, 9), true),
        (Some(firm(Kind::LiquidationDistance, 10)), firm(Kind::LiquidationDistance, 11), false),
        (Some(firm(Kind::Sides, 3)), firm(Kind::Sides, 1), false),
        (Some(firm(Kind::Sides, 1)), firm(Kind::Sides, 2), true),
        (Some(firm(Kind::RestrictedList, 1)), firm(Kind::RestrictedList, 2), false),
        (Some(throttle(3, SEC)), throttle(3, SEC - 1), true),
        (Some(throttle(3, SEC)), throttle(3, SEC + 1), false),
        (Some(loss(5, Action::Cancel)), loss(5, Action::StopOpening), true),
        (Some(loss(5, Action::Cancel)), loss(5, Action::Flatten), false),
    ] {
        if let Some(old) = old {
            desk.risk.set_control(&old).expect("sensible");
        }
        assert_eq!(desk.risk.is_loosened_by_control(&new), Ok(loosens), "{old:?} {new:?}");
        for kind in Kind::ALL {
            let away = off(firm(*kind, i128::from(*kind == Kind::RestrictedList)));
            let _ = desk.risk.set_control(&away);
        }
    }
}

#[test]
fn groups_are_of_one_kind_and_count_their_members() {
    let mut desk = desk_with(&control(Kind::OpenExposure, Scope::group(GROUP), 100));
    let join = |member, group| SetGroup { member, group, reserved: [0; 4], reason: Reason::EMPTY };
    let mixed = desk.risk.set_group(&join(Scope::strategy(STRATEGY), u32::from(GROUP.0)));
    assert_eq!(told(mixed).map(|t| t.0), Some(R::MixedGroup));
    for (member, group, reason) in [
        (Scope::FIRM, 1, R::BadField),
        (Scope::group(GROUP), 1, R::BadField),
        (Scope::account(AccountId(8)), 1, R::UnknownAccount),
        (Scope::account(ACCOUNT), 1_024, R::UnknownScope),
        (Scope::account(ACCOUNT), 70_000, R::UnknownScope),
    ] {
        let answer = desk.risk.set_group(&join(member, group));
        assert_eq!(told(answer).map(|t| t.0), Some(reason), "{member} in {group}");
    }
    desk.open(buy(60, 1)).expect("60 of 100");
    let money = |desk: &Desk| desk.risk.totals(Scope::group(GROUP)).expect("there").money.open[0];
    assert_eq!(money(&desk), 60);
    desk.risk.set_group(&join(Scope::account(ACCOUNT), 0)).expect("out");
    assert_eq!(money(&desk), 0, "what is open goes along");
    desk.risk.set_group(&join(Scope::account(ACCOUNT), u32::from(GROUP.0))).expect("in");
    assert_eq!(money(&desk), 60);
    let refused = (R::OpenExposure, 100, 101, Some(ScopeKind::Group));
    assert_eq!(told(desk.check(buy(41, 1))), Some(refused));
}

/// A check of what would be said and the gate itself agree, and asking changes nothing.
#[test]
fn what_if_says_what_the_gate_says() {
    for scope in SCOPES {
        let mut desk = desk_with(&control(Kind::GrossExposure, scope, 50));
        desk.risk.set_control(&control(Kind::Sides, scope, 1)).expect("fits");
        desk.risk.set_control(&control(Kind::MaxOrderQty, scope, 40)).expect("fits");
        for order in [buy(10, 1), buy(60, 1), sell(10, 1_000), sell(60, 1_000)] {
            let before = desk.risk.hash();
            let verdicts = desk.explain(&order).expect("it can be asked");
            assert_eq!(desk.risk.hash(), before, "asking changes nothing");
            let refusing: Vec<_> = verdicts
                .iter()
                .filter(|v| v.passes == 0)
                .map(|v| (v.reason, v.limit, v.value))
                .collect();
            let answer = desk.check(order).err();
            let first = answer.map(|r| (r.reason.wire(), r.limit, r.value));
            assert_eq!(refusing.first().copied(), first, "{scope}: {verdicts:?}");
            assert!(verdicts.len() > 8, "those that pass are told too");
        }
    }
}

#[test]
fn accounts_without_limits_cannot_trade_whatever_their_scopes_allow() {
    let mut desk = Desk::with(limits());
    desk.risk.open_account(AccountId(1)).expect("new");
    let answer = desk.check(NewOrder { account: AccountId(1), ..buy(1, 1) });
    assert_eq!(told(answer), Some((R::NoLimits, 0, 1, None)));
    let unknown = desk.check(NewOrder { account: AccountId(2), ..buy(1, 1) });
    assert_eq!(told(unknown), Some((R::UnknownAccount, 0, 2, None)));
    let strategy = desk.check(NewOrder { strategy: StrategyId(4_096), ..buy(1, 1) });
    assert_eq!(told(strategy), Some((R::UnknownScope, 4_095, 4_096, None)));
    assert_eq!(desk.now, UnixNanos(desk::START.0));
}
