//! Positions and cash against what the trades alone say: profit from the trades' prices, cost as the exact
//! fraction that averaging gives.

mod desk;

use desk::{USD, instrument};
use proptest::prelude::*;
use tidegate_model::command::OpenAccount;
use tidegate_model::event::{Liquidity, Position};
use tidegate_model::ids::Code;
use tidegate_model::{
    AccountId, Instrument, InstrumentId, Lots, Money, RejectReason, Side, Symbol, Ticks,
};
use tidegate_oms::Oms;
use tidegate_oms::fee::fee;
use tidegate_oms::position::{Trade, booked, unrealised};
use tidegate_risk::exposure::PAIR_MONEY_MAX;

fn trade(side: Side, qty: u64, price: i64) -> Trade {
    Trade { side, qty: Lots(qty), price: Ticks(price), fee: Money::ZERO }
}

/// Books trades given as (lots bought, or sold if below 0; price) and tells qty, cost and realised.
fn after(trades: &[(i64, i64)]) -> (i64, i128, i128) {
    let terms = instrument();
    let mut position: Position = bytemuck::Zeroable::zeroed();
    for (qty, price) in trades {
        let side = if *qty > 0 { Side::Buy } else { Side::Sell };
        let trade = trade(side, qty.unsigned_abs(), *price);
        position = booked(&position, &trade, &terms).expect("small").position;
    }
    (position.qty, position.cost.0, position.realised.0)
}

#[test]
fn average_cost() {
    type Row<'a> = (&'a [(i64, i64)], (i64, i128, i128));
    let table: &[Row<'_>] = &[
        (&[(10, 100)], (10, 1_000, 0)),
        (&[(10, 100), (10, 200)], (20, 3_000, 0)),
        (&[(10, 100), (-4, 130)], (6, 600, 120)),
        (&[(10, 100), (-10, 90)], (0, 0, -100)),
        (&[(-10, 100)], (-10, -1_000, 0)),
        (&[(-10, 100), (4, 130)], (-6, -600, -120)),
        (&[(-10, 100), (10, 90)], (0, 0, 100)),
        // Through zero: all of the old is closed, the rest is opened at its own price.
        (&[(10, 100), (-15, 120)], (-5, -600, 200)),
        (&[(-10, 100), (15, 120)], (5, 600, -200)),
        // 10 for 3 lots: a third leaves at 3, then at 3, and the last takes what is left.
        (&[(2, 3), (1, 4), (-1, 5)], (2, 7, 2)),
        (&[(2, 3), (1, 4), (-1, 5), (-1, 5)], (1, 4, 4)),
        (&[(2, 3), (1, 4), (-1, 5), (-1, 5), (-1, 5)], (0, 0, 5)),
        (&[(-2, 3), (-1, 4), (1, 5)], (-2, -7, -2)),
        (&[(-2, 3), (-1, 4), (1, 5), (1, 5), (1, 5)], (0, 0, -5)),
        // A price below zero, as of a spread.
        (&[(10, -5), (-10, -3)], (0, 0, 20)),
    ];
    for (trades, expected) in table {
        assert_eq!(after(trades), *expected, "{trades:?}");
    }
}

#[test]
fn fees_round_up_and_rebates_down() {
    for (notional, rate_e8, expected) in [
        (1_000, 0, 0),
        (100_000_000, 1, 1),
        (100_000_001, 1, 2),
        (99_999_999, 1, 1),
        (1, 100_000_000, 1),
        (0, 5, 0),
        (100_000_000, -1, -1),
        (199_999_999, -1, -1),
        (99_999_999, -1, 0),
        (1, -100_000_000, -1),
        (PAIR_MONEY_MAX.0, 100_000_000, PAIR_MONEY_MAX.0),
        (PAIR_MONEY_MAX.0, -100_000_000, -PAIR_MONEY_MAX.0),
        (PAIR_MONEY_MAX.0, 1, (PAIR_MONEY_MAX.0 + 99_999_999) / 100_000_000),
    ] {
        assert_eq!(fee(Money(notional), rate_e8), Money(expected), "{notional} x {rate_e8}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let terms = instrument();
    let overflows = |position: Position, side, qty, price| {
        let answer = booked(&position, &trade(side, qty, price), &terms);
        answer.map(|_| ()).expect_err("does not fit").reason == RejectReason::Overflow
    };
    let flat: Position = bytemuck::Zeroable::zeroed();
    assert!(overflows(flat, Side::Buy, u64::MAX, 1), "lots beyond 63 bits");
    assert!(overflows(flat, Side::Sell, 1 << 63, 1), "the one that has no opposite");
    assert!(overflows(flat, Side::Buy, 1 << 62, i64::MAX), "money");
    assert!(overflows(Position { qty: i64::MAX, ..flat }, Side::Buy, 1, 1));
    assert!(overflows(Position { qty: 1, cost: PAIR_MONEY_MAX, ..flat }, Side::Buy, 1, 1));
    assert!(overflows(Position { bought: Lots::MAX, ..flat }, Side::Buy, 1, 1));
    let full = Position { realised: Money::MAX, qty: 1, ..flat };
    assert!(overflows(full, Side::Sell, 1, 1), "profit");
    assert!(unrealised(&Position { qty: i64::MAX, ..flat }, Ticks::MAX, &terms).is_ok());
    let dear = Instrument { money_per_tick_lot: 1 << 90, ..terms };
    assert!(unrealised(&Position { qty: i64::MAX, ..flat }, Ticks::MAX, &dear).is_err());
    assert!(unrealised(&Position { qty: i64::MIN, ..flat }, Ticks(i64::MIN), &dear).is_err());
}

#[test]
fn transfers_bound_cash() {
    let mut oms = Oms::new(16).expect("a power of two");
    let account = AccountId(0);
    oms.open_account(&OpenAccount::of(account, USD)).expect("new");
    oms.transfer(account, Money(500), Code::EMPTY).expect("in");
    oms.transfer(account, Money(-700), Code::EMPTY).expect("out, beyond zero");
    assert_eq!(oms.account(account).expect("open").cash, Money(-200));
    assert_eq!(oms.equity_at_cost(account), Money(-200));
    let before = oms.hash();
    for amount in [Money::MAX, Money(i128::MIN), Money(1 << 126)] {
        let reject = oms.transfer(account, amount, Code::EMPTY).expect_err("too much");
        assert_eq!(reject.reason, RejectReason::Overflow);
    }
    assert_eq!(oms.hash(), before);
    let reject = oms.transfer(AccountId(1), Money(1), Code::EMPTY).expect_err("unknown");
    assert_eq!(reject.reason, RejectReason::UnknownAccount);
}

#[derive(Clone, Copy, Debug)]
struct Deal {
    account: u32,
    instrument: u32,
    buy: bool,
    qty: u64,
    price: i64,
    maker: bool,
    transfer: i64,
}

fn deal() -> impl Strategy<Value = Deal> {
    // Small lots meet zero often, large ones try the width of the arithmetic.
    let qty = prop_oneof![4 => 1_u64..20, 1 => 1_u64..4_000_000_000];
    let price = prop_oneof![6 => 1_i64..5_000_000, 1 => -1_000_i64..1_000];
    (0_u32..2, 0_u32..2, any::<bool>(), qty, price, any::<bool>(), -5_i64..50).prop_map(
        |(account, instrument, buy, qty, price, maker, transfer)| Deal {
            account,
            instrument,
            buy,
            qty,
            price,
            maker,
            transfer,
        },
    )
}

/// A number of money as `numerator / denominator`, the denominator above 0.
#[derive(Clone, Copy)]
struct Fraction(i128, i128);

fn terms(instrument: u32) -> Instrument {
    let mut terms = Instrument::us_equity(Symbol::new("TEST").expect("a symbol"));
    if instrument == 1 {
        // One tick of one lot is one unit, so that nearly every division leaves a remainder.
        terms.tick_size_nano = 1;
        terms.lot_size_nano = 1;
    }
    terms.maker_fee_e8 = -1_234;
    terms.taker_fee_e8 = 30_001;
    terms.checked().expect("acceptable")
}

/// Everything that the trades of one account and instrument say, added up anew.
fn check_position(oms: &Oms, deals: &[Deal], account: u32, instrument: u32) {
    let position = *oms.position(AccountId(account), InstrumentId(instrument));
    let terms = terms(instrument);
    let per_one = terms.money_per_tick_lot;
    let (mut qty, mut paid, mut fees, mut bought, mut sold) = (0_i128, 0_i128, 0_i128, 0, 0);
    let mut closes = 0_i128;
    for deal in deals.iter().filter(|d| (d.account, d.instrument) == (account, instrument)) {
        let signed = if deal.buy { i128::from(deal.qty) } else { -i128::from(deal.qty) };
        let value = i128::from(deal.price) * signed * per_one;
        let rate = i128::from(if deal.maker { -1_234 } else { 30_001 });
        let fee_e8 = value.abs() * rate;
        fees += fee_e8.div_euclid(100_000_000) + i128::from(fee_e8.rem_euclid(100_000_000) > 0);
        closes += i128::from(qty.signum() == -signed.signum());
        qty += signed;
        paid += value;
        if deal.buy { bought += deal.qty } else { sold += deal.qty }
    }
    assert_eq!(i128::from(position.qty), qty);
    assert_eq!((position.bought.0, position.sold.0), (bought, sold));
    assert_eq!(position.fees.0, fees);
    // However cost is shared out, what is realised and what is not add up to what the trades made.
    for mark in [1, 777, 2_000_000] {
        let open = unrealised(&position, Ticks(mark), &terms).expect("fits");
        let made = i128::from(mark) * qty * per_one - paid;
        assert_eq!(position.realised.0 + open.0, made, "at {mark}");
    }
    let exact = exact_cost(deals, account, instrument, per_one);
    if let Some(Fraction(numerator, denominator)) = exact {
        let off = (position.cost.0 * denominator - numerator).abs();
        assert!(off <= closes * denominator, "each close may leave less than one unit behind");
    }
}

/// Average cost as an exact fraction, where it fits 128 bits.
fn exact_cost(deals: &[Deal], account: u32, instrument: u32, per_one: i128) -> Option<Fraction> {
    let mut held = 0_i128;
    let mut cost = Fraction(0, 1);
    for deal in deals.iter().filter(|d| (d.account, d.instrument) == (account, instrument)) {
        let signed = if deal.buy { i128::from(deal.qty) } else { -i128::from(deal.qty) };
        let price = i128::from(deal.price) * per_one;
        let after = held + signed;
        if held.signum() != -signed.signum() {
            cost = Fraction(
                cost.0.checked_add(price.checked_mul(signed)?.checked_mul(cost.1)?)?,
                cost.1,
            );
        } else if after.signum() == held.signum() {
            cost = reduced(cost.0.checked_mul(after)?, cost.1.checked_mul(held)?);
        } else {
            cost = Fraction(after * price, 1);
        }
        held = after;
    }
    // Room for the comparison above.
    (cost.1 < 1 << 60 && cost.0.abs() < 1 << 100).then_some(cost)
}

fn reduced(numerator: i128, denominator: i128) -> Fraction {
    let (mut a, mut b) = (numerator.abs(), denominator.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let sign = denominator.signum();
    Fraction(sign * numerator / a.max(1), sign * denominator / a.max(1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn money_is_what_the_trades_say(deals in prop::collection::vec(deal(), 1..60)) {
        let mut desk = desk::Desk::new(64, 2, 2);
        let mut transfers = [0_i128; 2];
        for (number, deal) in deals.iter().enumerate() {
            let transfer = i128::from(deal.transfer) << 64;
            transfers[deal.account as usize] += transfer;
            desk.oms.transfer(AccountId(deal.account), Money(transfer), Code::EMPTY).expect("fits");

            let side = if deal.buy { Side::Buy } else { Side::Sell };
            let new = desk::order(deal.account, deal.instrument, number as u64, side, deal.qty);
            desk.terms = terms(deal.instrument);
            desk.terms.order_tick = Ticks(1);
            let slot = desk.enter(new).expect("sensible");
            let liquidity = if deal.maker { Liquidity::Maker } else { Liquidity::Taker };
            let before = desk.oms.exposure(slot);
            let filled = desk.oms.fill(
                slot, Lots(deal.qty), Ticks(deal.price), liquidity, &desk.terms,
            );
            let fill = filled.expect("fits");
            desk.oms.recount(&mut desk.risk, slot, &before);
            let booking = fill.booking;
            desk.risk.position_changed(
                before.account, before.instrument, booking.position_qty, booking.position_cost,
            );

            let done = &deals[..=number];
            check_position(&desk.oms, done, deal.account, deal.instrument);
            let id = AccountId(deal.account);
            let account = *desk.oms.account(id).expect("open");
            let sum = |of: fn(&Position) -> i128| -> i128 {
                desk.oms.positions(id).map(|(_, position)| of(position)).sum()
            };
            assert_eq!(booking.cash, account.cash);
            assert_eq!(account.deposits.0, transfers[deal.account as usize]);
            assert_eq!(account.realised.0, sum(|p| p.realised.0));
            assert_eq!(account.fees.0, sum(|p| p.fees.0));
            let equity = account.cash.0 + sum(|p| p.cost.0);
            assert_eq!(equity, account.deposits.0 + account.realised.0 - account.fees.0);
            assert_eq!(desk.oms.equity_at_cost(id).0, equity);
            assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
            let held = desk.risk.exposure(id, before.instrument);
            assert_eq!((held.position, held.cost), (booking.position_qty, booking.position_cost));
        }
    }
}
