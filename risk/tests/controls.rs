//! Each control at its limit, one below and one above, and at the ends of the integers.

mod desk;

use desk::{ACCOUNT, Desk, INSTRUMENT, REFERENCE, START, instrument, limits, market, order};
use tidegate_model::command::{KillSwitch, NewOrder, SetLimits};
use tidegate_model::fx::Rate;
use tidegate_model::{
    AccountId, InstrumentId, Lots, Money, PrincipalId, Reject, RejectReason, Scope, Side, Ticks,
    UnixNanos,
};
use tidegate_risk::Risk;
use tidegate_risk::exposure::PAIR_MONEY_MAX;

/// The answer as (reason, limit, value), or `None` if it passed.
fn told<T>(answer: Result<T, Reject>) -> Option<(RejectReason, i128, i128)> {
    answer.err().map(|reject| (reject.reason, reject.limit, reject.value))
}

fn check(limits: SetLimits, order: NewOrder) -> Option<(RejectReason, i128, i128)> {
    told(Desk::with(limits).check(order))
}

#[test]
fn an_account_without_limits_may_not_trade() {
    let mut desk = Desk::with(limits());
    for (account, reason) in [
        (AccountId(8), RejectReason::NoLimits),
        (AccountId(6), RejectReason::UnknownAccount),
        (AccountId(AccountId::COUNT_MAX as u32 - 1), RejectReason::UnknownAccount),
        (AccountId(AccountId::COUNT_MAX as u32), RejectReason::UnknownAccount),
        (AccountId::NONE, RejectReason::UnknownAccount),
    ] {
        if account == AccountId(8) {
            desk.risk.open_account(account).expect("a new account");
        }
        let answer = desk.check(NewOrder { account, ..order(Side::Buy, 1, 1) });
        assert_eq!(told(answer), Some((reason, 0, account.0.into())), "{account}");
        assert_eq!(desk.risk.limits(account), None);
    }
    assert_eq!(desk.risk.limits(ACCOUNT), Some(&limits()));
}

#[test]
fn accounts_open_once_and_within_the_table() {
    let mut risk = Risk::new();
    assert_eq!(risk.open_account(AccountId(0)), Ok(()));
    assert_eq!(told(risk.open_account(AccountId(0))), Some((RejectReason::DuplicateAccount, 0, 0)));
    let beyond = AccountId::COUNT_MAX as u32;
    assert_eq!(
        told(risk.open_account(AccountId(beyond))),
        Some((RejectReason::CapacityExceeded, beyond.into(), beyond.into()))
    );
    assert_eq!(
        told(risk.set_limits(&SetLimits { account: AccountId(1), ..limits() })),
        Some((RejectReason::UnknownAccount, 0, 1))
    );
}

#[test]
fn limits_below_zero_mean_nothing() {
    let mut desk = Desk::with(limits());
    for bad in [
        SetLimits { max_order_notional: Money(-1), ..limits() },
        SetLimits { credit: Money(-1), ..limits() },
    ] {
        let answer = desk.risk.set_limits(&bad);
        assert_eq!(told(answer), Some((RejectReason::BadField, 0, -1)));
    }
    assert_eq!(desk.risk.limits(ACCOUNT), Some(&limits()), "what was in force stays");
}

#[test]
fn limits_of_zero_let_nothing_pass() {
    let zero = SetLimits { account: ACCOUNT, message_burst: 1, ..SetLimits::default() };
    let answer = check(zero, order(Side::Buy, 1, 1));
    assert_eq!(answer, Some((RejectReason::MaxOrderQuantity, 0, 1)));
    let zero = SetLimits { account: ACCOUNT, ..SetLimits::default() };
    let answer = check(zero, order(Side::Buy, 1, 1));
    assert_eq!(answer, Some((RejectReason::MessageRate, 0, 0)));
}

#[test]
fn kill_switches_stop_new_orders_and_replaces() {
    let mut desk = Desk::with(limits());
    let open = desk.open(order(Side::Buy, 10, 100)).expect("passes");
    for scope in [Scope::FIRM, Scope::account(ACCOUNT), Scope::instrument(INSTRUMENT)] {
        desk.risk.kill(&KillSwitch::of(scope, true)).expect("known");
        desk.risk.kill(&KillSwitch::of(scope, true)).expect("once more is no change");
        assert!(desk.risk.killed(scope).is_some());
        let killed = Some((RejectReason::KillSwitch, 0, 0));
        let reject = desk.check(order(Side::Sell, 1, 2_000)).expect_err("it is stopped");
        assert_eq!(reject.scope, scope.scope_kind(), "whose it is");
        assert_eq!(told(desk.check(order(Side::Sell, 1, 2_000))), killed);
        assert_eq!(told(desk.check_replace(&open, 0, 5, 100)), killed);
        desk.risk.kill(&KillSwitch::of(scope, false)).expect("known");
        assert!(desk.risk.killed(scope).is_none());
        assert_eq!(desk.risk.hash(), desk.risk.hash_from_scratch());
        assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
    }
    let unknown = desk.risk.kill(&KillSwitch::of(Scope::account(AccountId(9)), true));
    assert_eq!(told(unknown), Some((RejectReason::UnknownAccount, 0, 9)));
}

#[test]
fn another_accounts_kill_switch_is_another_accounts() {
    let mut desk = Desk::with(limits());
    desk.risk.open_account(AccountId(1)).expect("new");
    desk.risk.kill(&KillSwitch::of(Scope::account(AccountId(1)), true)).expect("known");
    assert!(desk.risk.is_killed(AccountId(1)));
    assert!(!desk.risk.is_killed(ACCOUNT));
    assert!(!desk.risk.is_killed(AccountId::NONE));
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
}

#[test]
fn messages_pass_at_their_rate() {
    let mut desk = Desk::with(SetLimits { messages_per_sec: 2, message_burst: 3, ..limits() });
    let refused = Some((RejectReason::MessageRate, 2, 0));
    let open = desk.open(order(Side::Buy, 10, 100)).expect("the first of three");
    assert_eq!(told(desk.check_replace(&open, 0, 9, 100)), None);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), refused);
    assert_eq!(told(desk.check_replace(&open, 0, 9, 100)), refused);

    desk.now = UnixNanos(START.0 + 499_999_999);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), refused, "one nanosecond early");
    desk.now = UnixNanos(START.0 + 500_000_000);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), refused);
}

#[test]
fn a_cancel_takes_a_token_and_is_never_refused() {
    let mut desk = Desk::with(SetLimits { messages_per_sec: 1, message_burst: 2, ..limits() });
    for _ in 0..5 {
        desk.risk.count_cancel(desk.now, ACCOUNT, PrincipalId(0));
    }
    desk.risk.count_cancel(desk.now, AccountId(9), PrincipalId(0));
    let answer = desk.check(order(Side::Buy, 1, 1));
    assert_eq!(told(answer), Some((RejectReason::MessageRate, 1, 0)));
    assert_eq!(desk.risk.hash(), desk.risk.hash_from_scratch());
}

#[test]
fn terms_that_no_order_may_have() {
    let mut desk = Desk::with(limits());
    desk.terms.order_lot = Lots(10);
    desk.terms.order_tick = Ticks(5);
    desk.terms.order_tick_from = Ticks(100);
    let good = order(Side::Buy, 20, 105);
    let table = [
        (good, None),
        (NewOrder { side: 0, ..good }, Some((RejectReason::BadField, 0, 0))),
        (NewOrder { side: 3, ..good }, Some((RejectReason::BadField, 0, 3))),
        (NewOrder { order_type: 11, ..good }, Some((RejectReason::BadField, 0, 11))),
        (NewOrder { time_in_force: 0, ..good }, Some((RejectReason::BadField, 0, 0))),
        (NewOrder { flags: 4, ..good }, Some((RejectReason::BadField, 0, 4))),
        (NewOrder { qty: Lots(0), ..good }, Some((RejectReason::ZeroQuantity, 0, 0))),
        (NewOrder { qty: Lots(21), ..good }, Some((RejectReason::Lot, 10, 21))),
        (NewOrder { qty: Lots::MAX, ..good }, Some((RejectReason::Lot, 10, u64::MAX.into()))),
        (NewOrder { price: Ticks(104), ..good }, Some((RejectReason::Tick, 5, 104))),
        (NewOrder { price: Ticks(99), ..good }, None),
        (NewOrder { price: Ticks(0), ..good }, Some((RejectReason::BadPrice, 0, 0))),
        (NewOrder { price: Ticks(-5), ..good }, Some((RejectReason::BadPrice, 0, -5))),
        (
            NewOrder { price: Ticks(i64::MIN), ..good },
            Some((RejectReason::BadPrice, 0, i64::MIN.into())),
        ),
        (market(Side::Buy, 20), None),
        (
            NewOrder { price: Ticks(5), ..market(Side::Buy, 20) },
            Some((RejectReason::BadField, 0, 5)),
        ),
        (
            NewOrder { instrument: InstrumentId(2), ..good },
            Some((RejectReason::UnknownInstrument, 0, 2)),
        ),
        (
            NewOrder { instrument: InstrumentId::NONE, ..good },
            Some((RejectReason::UnknownInstrument, 0, u32::MAX.into())),
        ),
    ];
    for (order, expected) in table {
        assert_eq!(told(desk.check(order)), expected, "{order:?}");
    }
    for (qty, price, expected) in [
        (0, 105, Some((RejectReason::ZeroQuantity, 0, 0))),
        (25, 105, Some((RejectReason::Lot, 10, 25))),
        (20, 0, Some((RejectReason::BadPrice, 0, 0))),
        (20, 106, Some((RejectReason::Tick, 5, 106))),
        (20, 110, None),
    ] {
        let open = desk.open(good).expect("passes");
        assert_eq!(told(desk.check_replace(&open, 0, qty, price)), expected, "{qty}@{price}");
    }
}

#[test]
fn order_quantity() {
    let limited = SetLimits { max_order_qty: Lots(100), ..limits() };
    for (qty, refused) in [(1, false), (99, false), (100, false), (101, true), (u64::MAX, true)] {
        let expected = refused.then_some((RejectReason::MaxOrderQuantity, 100, qty.into()));
        assert_eq!(check(limited, order(Side::Buy, qty, 1)), expected, "{qty}");
        let mut desk = Desk::with(limited);
        let open = desk.open(order(Side::Sell, 10, 1_000)).expect("passes");
        assert_eq!(told(desk.check_replace(&open, 0, qty, 1_000)), expected, "{qty}");
    }
}

#[test]
fn price_collar() {
    let limited = SetLimits { price_collar_bp: 500, ..limits() };
    let table = [
        (Side::Buy, 1_049, None),
        (Side::Buy, 1_050, None),
        (Side::Buy, 1_051, Some(1_050)),
        (Side::Buy, i64::MAX, Some(1_050)),
        (Side::Buy, 1, None),
        (Side::Sell, 951, None),
        (Side::Sell, 950, None),
        (Side::Sell, 949, Some(950)),
        (Side::Sell, 1, Some(950)),
        (Side::Sell, 1_000_000, None),
    ];
    for (side, price, bound) in table {
        let expected = bound.map(|bound| (RejectReason::PriceCollar, bound, price.into()));
        assert_eq!(check(limited, order(side, 1, price)), expected, "{side} {price}");
        let mut desk = Desk::with(limited);
        let open = desk.open(order(side, 1, 1_000)).expect("at the reference");
        assert_eq!(told(desk.check_replace(&open, 0, 1, price)), expected, "{side} {price}");
    }
    for reference in [None, Some(Ticks(0)), Some(Ticks(-1))] {
        let mut desk = Desk::with(limited);
        desk.reference = reference;
        for order in [order(Side::Buy, 1, 1_000), market(Side::Sell, 1)] {
            let reject = desk.check(order).expect_err("nothing to compare with");
            assert_eq!(reject.reason, RejectReason::NoReferencePrice);
        }
    }
}

#[test]
fn order_notional() {
    let limited =
        SetLimits { max_order_notional: Money(110_000), price_collar_bp: 1_000, ..limits() };
    let over = |value| Some((RejectReason::MaxOrderNotional, 110_000, value));
    let table = [
        (order(Side::Buy, 109, 1_000), None),
        (order(Side::Buy, 110, 1_000), None),
        (order(Side::Buy, 111, 1_000), over(111_000)),
        // A market buy counts at its collar's bound, 1,100.
        (market(Side::Buy, 100), None),
        (market(Side::Buy, 101), over(111_100)),
        // A sell below the reference counts at the reference: that is what it may get.
        (order(Side::Sell, 110, 950), None),
        (order(Side::Sell, 111, 950), over(111_000)),
        (market(Side::Sell, 110), None),
        (market(Side::Sell, 111), over(111_000)),
        (order(Side::Sell, 100, 1_101), over(110_100)),
    ];
    for (order, expected) in table {
        assert_eq!(check(limited, order), expected, "{order:?}");
    }
    // The executed part of a replaced order belongs to its notional.
    let mut desk = Desk::with(limited);
    let mut open = desk.open(order(Side::Buy, 100, 1_000)).expect("passes");
    let before = open;
    open.qty = Lots(10);
    open.notional = Money(10_000);
    desk.risk.order_changed(&before, &open);
    assert_eq!(told(desk.check_replace(&open, 90, 110, 1_000)), None);
    assert_eq!(told(desk.check_replace(&open, 90, 111, 1_000)), over(111_000));
}

#[test]
fn amounts_beyond_the_integers_are_rejects() {
    let overflow = |answer: Option<(RejectReason, i128, i128)>| {
        assert_eq!(answer.map(|(reason, _, _)| reason), Some(RejectReason::Overflow));
    };
    let mut desk = Desk::with(limits());
    desk.reference = Some(Ticks::MAX);
    overflow(told(desk.check(order(Side::Buy, u64::MAX, i64::MAX))));
    overflow(told(desk.check(order(Side::Sell, u64::MAX, 1))));
    overflow(told(desk.check(market(Side::Buy, 1))));

    let mut desk = Desk::with(limits());
    desk.terms.money_per_tick_lot = i128::MAX;
    overflow(told(desk.check(order(Side::Buy, 2, 1))));
    overflow(told(desk.check(order(Side::Buy, 1, 1))));

    // The largest amount that one side of a pair may have open, and one more.
    let mut desk = Desk::with(limits());
    desk.terms.money_per_tick_lot = PAIR_MONEY_MAX.0;
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
    desk.open(order(Side::Buy, 1, 1)).expect("fits");
    overflow(told(desk.check(order(Side::Buy, 1, 1))));

    // Equity and credit whose sum does not fit.
    let mut desk = Desk::with(SetLimits { credit: Money::MAX, ..limits() });
    desk.equity = Money::MAX;
    overflow(told(desk.check(order(Side::Buy, 1, 1))));

    // Lots of all open orders whose sum does not fit: sells behind the largest long position.
    let mut desk = Desk::with(limits());
    desk.hold(i64::MAX, 0);
    desk.open(order(Side::Sell, i64::MAX as u64, 1_000)).expect("reduces");
    desk.open(order(Side::Sell, i64::MAX as u64, 1_000)).expect("to the largest short");
    let answer = told(desk.check(order(Side::Sell, 2, 1_000)));
    overflow(answer);
}

#[test]
fn position_limit_counts_every_open_order() {
    let limited = SetLimits { max_position: Lots(100), ..limits() };
    let over = |value| Some((RejectReason::PositionLimit, 100, value));
    // position, open buys, open sells, side, qty, answer
    let table = [
        (0, 0, 0, Side::Buy, 99, None),
        (0, 0, 0, Side::Buy, 100, None),
        (0, 0, 0, Side::Buy, 101, over(101)),
        (0, 0, 0, Side::Sell, 100, None),
        (0, 0, 0, Side::Sell, 101, over(101)),
        (60, 30, 0, Side::Buy, 10, None),
        (60, 30, 0, Side::Buy, 11, over(101)),
        (60, 0, 30, Side::Buy, 41, over(101)),
        (60, 0, 30, Side::Sell, 130, None),
        (60, 0, 30, Side::Sell, 131, over(101)),
        (-60, 0, 40, Side::Sell, 1, over(101)),
        (-60, 10, 0, Side::Buy, 150, None),
        // Beyond the limit already, as when it was lowered: what reduces passes.
        (500, 0, 0, Side::Sell, 600, None),
        (500, 0, 0, Side::Sell, 601, over(101)),
        (500, 0, 0, Side::Buy, 1, over(501)),
    ];
    for (position, buys, sells, side, qty, expected) in table {
        let mut desk = Desk::with(limits());
        desk.hold(position, i128::from(position) * 1_000);
        for (side, qty) in [(Side::Buy, buys), (Side::Sell, sells)] {
            if qty > 0 {
                desk.open(order(side, qty, 1_000)).expect("unlimited yet");
            }
        }
        desk.risk.set_limits(&limited).expect("known");
        let answer = told(desk.check(order(side, qty, 1_000)));
        assert_eq!(answer, expected, "{position} +{buys} -{sells} {side} {qty}");
    }
}

#[test]
fn positions_fit_64_bits_whatever_the_limit() {
    let max = i128::from(i64::MAX);
    let mut desk = Desk::with(limits());
    desk.hold(i64::MAX - 1, 0);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
    let answer = told(desk.check(order(Side::Buy, 2, 1)));
    assert_eq!(answer, Some((RejectReason::PositionLimit, max, max + 1)));
}

#[test]
fn open_orders() {
    let mut desk = Desk::with(SetLimits { max_open_orders: 2, ..limits() });
    let first = desk.open(order(Side::Buy, 1, 1)).expect("one");
    desk.open(order(Side::Sell, 1, 1_000)).expect("two");
    let full = Some((RejectReason::MaxOpenOrders, 2, 3));
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), full);
    assert_eq!(told(desk.check_replace(&first, 0, 2, 1)), None, "a replace opens none");
    desk.risk.order_closed(&first);
    assert_eq!(desk.risk.open_orders(ACCOUNT), 1);
    assert_eq!(told(desk.check(order(Side::Buy, 1, 1))), None);
}

#[test]
fn buying_power_counts_every_open_order_at_once() {
    // position, its cost, open buys, open sells (lots at 1,000), equity, credit, side, lots at 1,000, answer
    let over = |limit, value| Some((RejectReason::BuyingPower, limit, value));
    let table = [
        (0, 0, 0, 0, 5_000, 0, Side::Buy, 4, None),
        (0, 0, 0, 0, 5_000, 0, Side::Buy, 5, None),
        (0, 0, 0, 0, 4_999, 0, Side::Buy, 5, over(4_999, 5_000)),
        (0, 0, 0, 0, 5_000, 0, Side::Buy, 6, over(5_000, 6_000)),
        (0, 0, 0, 0, 5_000, 1_000, Side::Buy, 6, None),
        (0, 0, 0, 0, 0, 0, Side::Buy, 1, over(0, 1_000)),
        (0, 0, 0, 0, -1_000, 1_999, Side::Buy, 1, over(999, 1_000)),
        // Open buys count, open sells are the other way and free.
        (0, 0, 3, 0, 5_000, 0, Side::Buy, 3, over(5_000, 6_000)),
        (0, 0, 0, 3, 5_000, 0, Side::Buy, 5, None),
        // A long position counts at cost, whatever it is worth now.
        (2, 3_000, 0, 0, 5_000, 0, Side::Buy, 2, None),
        (2, 3_000, 0, 0, 5_000, 0, Side::Buy, 3, over(5_000, 6_000)),
        // A short one too.
        (-2, -3_000, 0, 0, 5_000, 0, Side::Sell, 2, None),
        (-2, -3_000, 0, 0, 5_000, 0, Side::Sell, 3, over(5_000, 6_000)),
        // What only reduces passes even with nothing left.
        (5, 5_000, 0, 0, 0, 0, Side::Sell, 5, None),
        (5, 5_000, 0, 2, 0, 0, Side::Sell, 3, None),
        (5, 5_000, 0, 2, 0, 0, Side::Sell, 4, over(0, 6_000)),
        (-5, -5_000, 0, 0, 0, 0, Side::Buy, 5, None),
        (-5, -5_000, 0, 0, 0, 0, Side::Buy, 6, over(0, 6_000)),
    ];
    for (position, cost, buys, sells, equity, credit, side, qty, expected) in table {
        let mut desk = Desk::with(limits());
        desk.hold(position, cost);
        for (side, qty) in [(Side::Buy, buys), (Side::Sell, sells)] {
            if qty > 0 {
                desk.open(order(side, qty, REFERENCE)).expect("rich yet");
            }
        }
        desk.equity = Money(equity);
        desk.risk.set_limits(&SetLimits { credit: Money(credit), ..limits() }).expect("known");
        let answer = told(desk.check(order(side, qty, REFERENCE)));
        assert_eq!(answer, expected, "{position} at {cost} +{buys} -{sells} {side} {qty}");
    }
}

#[test]
fn buying_power_is_shared_by_all_instruments() {
    let mut desk = Desk::with(limits());
    desk.equity = Money(10_000);
    let other = InstrumentId(900);
    desk.risk.define_instrument(other, &instrument(), &|_| Some(Rate::ONE)).expect("in range");
    desk.open(NewOrder { instrument: other, ..order(Side::Sell, 6, 1_000) }).expect("6,000");
    let answer = told(desk.check(order(Side::Buy, 5, 1_000)));
    assert_eq!(answer, Some((RejectReason::BuyingPower, 10_000, 11_000)));
    desk.open(order(Side::Buy, 4, 1_000)).expect("4,000");
    assert_eq!(desk.risk.committed(ACCOUNT), Money(10_000));
}

#[test]
fn selling_what_one_has_leaves_buying_power_for_the_rest() {
    let mut desk = Desk::with(limits());
    desk.hold(10, 1_000);
    desk.equity = Money(2_000);
    desk.open(order(Side::Sell, 10, 1_000)).expect("a sale of all of it, at ten times its cost");
    assert_eq!(desk.risk.committed(ACCOUNT), Money(1_000));
}

#[test]
fn replace_takes_the_old_terms_out() {
    let mut desk = Desk::with(SetLimits { max_position: Lots(10), ..limits() });
    desk.equity = Money(10_000);
    let open = desk.open(order(Side::Buy, 10, 1_000)).expect("all there is");
    assert_eq!(told(desk.check_replace(&open, 0, 10, 1_000)), None);
    assert_eq!(
        told(desk.check_replace(&open, 0, 10, 1_001)),
        Some((RejectReason::BuyingPower, 10_000, 10_010))
    );
    assert_eq!(
        told(desk.check_replace(&open, 0, 11, 900)),
        Some((RejectReason::PositionLimit, 10, 11))
    );
    for (cum_qty, qty, refused) in [(3, 4, false), (3, 3, true), (3, 1, true), (0, 1, false)] {
        let expected =
            refused.then_some((RejectReason::QuantityBelowExecuted, cum_qty.into(), qty.into()));
        assert_eq!(told(desk.check_replace(&open, cum_qty, qty, 1_000)), expected);
    }
    let approved = desk.check_replace(&open, 3, 9, 900).expect("passes");
    assert_eq!((approved.qty, approved.notional), (Lots(6), Money(5_400)), "what is still open");
}

#[test]
fn the_first_no_is_the_answer() {
    // Everything is wrong; each line puts one thing right, in the order in which the controls are asked.
    let mut desk = Desk::with(limits());
    desk.risk = Risk::new();
    desk.equity = Money(-1);
    desk.reference = None;
    let ask = |desk: &mut Desk, order: NewOrder, reason: RejectReason| {
        assert_eq!(desk.check(order).map(|_| ()).map_err(|reject| reject.reason), Err(reason));
    };
    let wrong = order(Side::Buy, 1_000, 5_000);
    let zero = SetLimits { account: ACCOUNT, ..SetLimits::default() };
    ask(&mut desk, wrong, RejectReason::UnknownAccount);
    desk.risk.open_account(ACCOUNT).expect("new");
    ask(&mut desk, wrong, RejectReason::NoLimits);
    desk.risk.set_limits(&zero).expect("known");
    desk.risk.kill(&KillSwitch::of(Scope::account(ACCOUNT), true)).expect("known");
    ask(&mut desk, wrong, RejectReason::KillSwitch);
    desk.risk.kill(&KillSwitch::of(Scope::account(ACCOUNT), false)).expect("known");
    ask(&mut desk, wrong, RejectReason::MessageRate);
    let mut limits = SetLimits { messages_per_sec: u32::MAX, message_burst: u32::MAX, ..zero };
    desk.risk.set_limits(&limits).expect("known");
    desk.now = UnixNanos(START.0 + 1_000_000_000);
    ask(&mut desk, NewOrder { side: 0, ..wrong }, RejectReason::BadField);
    ask(&mut desk, wrong, RejectReason::UnknownInstrument);
    desk.risk.define_instrument(INSTRUMENT, &instrument(), &|_| Some(Rate::ONE)).expect("in range");
    ask(&mut desk, wrong, RejectReason::MaxOrderQuantity);
    limits.max_order_qty = Lots(1_000);
    desk.risk.set_limits(&limits).expect("known");
    ask(&mut desk, wrong, RejectReason::NoReferencePrice);
    desk.reference = Some(Ticks(1_000));
    ask(&mut desk, wrong, RejectReason::PriceCollar);
    limits.price_collar_bp = 40_000;
    desk.risk.set_limits(&limits).expect("known");
    ask(&mut desk, wrong, RejectReason::MaxOrderNotional);
    limits.max_order_notional = Money(5_000_000);
    desk.risk.set_limits(&limits).expect("known");
    ask(&mut desk, wrong, RejectReason::PositionLimit);
    limits.max_position = Lots(1_000);
    desk.risk.set_limits(&limits).expect("known");
    ask(&mut desk, wrong, RejectReason::MaxOpenOrders);
    limits.max_open_orders = 1;
    desk.risk.set_limits(&limits).expect("known");
    ask(&mut desk, wrong, RejectReason::BuyingPower);
    desk.equity = Money(5_000_000);
    assert_eq!(told(desk.check(wrong)), None);
}

#[test]
fn approval_carries_what_was_counted() {
    let mut desk = Desk::with(SetLimits { price_collar_bp: 1_000, ..limits() });
    let approved = desk.check(market(Side::Buy, 3)).expect("passes");
    assert_eq!(approved.exposure_price(), Ticks(1_100));
    assert_eq!(approved.exposure().notional, Money(3_300));
    assert_eq!(approved.protection_price(), Ticks(1_100));
    assert_eq!(approved.get(), &market(Side::Buy, 3));
    let approved = desk.check(market(Side::Sell, 3)).expect("passes");
    assert_eq!(
        (approved.exposure_price(), approved.protection_price()),
        (Ticks(1_000), Ticks(900))
    );
    let approved = desk.check(order(Side::Sell, 3, 950)).expect("passes");
    assert_eq!(approved.protection_price(), Ticks(950));
    assert_eq!(desk.terms, instrument());
}

#[test]
#[should_panic(expected = "brought")]
fn an_order_that_never_opened_cannot_close() {
    let mut desk = Desk::with(limits());
    let exposure = *desk.check(order(Side::Buy, 1, 1)).expect("passes").exposure();
    desk.risk.order_closed(&exposure);
}
