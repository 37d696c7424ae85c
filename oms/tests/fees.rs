//! Schedules of fees: tables of tariffs as brokers and regulators publish them, and sums that do not depend on how an order
//! is cut into executions.

mod desk;

use desk::{Desk, order};
use proptest::prelude::*;
use tidegate_model::command::{AssignFees, SetFees};
use tidegate_model::event::Liquidity::{self, Maker, Taker};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{AccountId, InstrumentId, Lots, Money, RejectReason, Side};
use tidegate_oms::fee::{Commission, charge, check_schedule, fee};
use tidegate_risk::exposure::PAIR_MONEY_MAX;

/// One in 1e-9.
const NANO: i64 = 1_000_000_000;
/// A schedule that charges nothing.
const NONE: SetFees = SetFees {
    schedule: 1,
    reserved: [0; 4],
    maker_e8: 0,
    taker_e8: 0,
    maker_per_lot_nano: 0,
    taker_per_lot_nano: 0,
    per_trade_nano: 0,
    trade_min_nano: 0,
    trade_max_nano: 0,
    order_min_nano: 0,
    order_max_nano: 0,
    sell_e8: 0,
    sell_per_lot_nano: 0,
    sell_per_lot_max_nano: 0,
    sell_round_nano: 0,
};

/// Half a cent a share, at least a dollar an order and at most four.
const PER_SHARE: SetFees = SetFees {
    maker_per_lot_nano: 5_000_000,
    taker_per_lot_nano: 5_000_000,
    order_min_nano: NANO,
    order_max_nano: 4 * NANO,
    ..NONE
};

/// An exchange that pays who rests and charges who takes.
const MAKER_TAKER: SetFees =
    SetFees { maker_per_lot_nano: -2_000_000, taker_per_lot_nano: 3_000_000, ..NONE };

/// Section 31 at 27.80 a million, and the TAF of 0.000166 a share up to 8.30, each to the next cent.
const REGULATORS: SetFees = SetFees {
    sell_e8: 2_780,
    sell_per_lot_nano: 166_000,
    sell_per_lot_max_nano: 8_300_000_000,
    sell_round_nano: 10_000_000,
    ..NONE
};

/// A tenth of a per cent and 2.50 a trade, at least 5 and at most 20 a trade.
const CLASSIC: SetFees = SetFees {
    maker_e8: 100_000,
    taker_e8: 100_000,
    per_trade_nano: 2_500_000_000,
    trade_min_nano: 5 * NANO,
    trade_max_nano: 20 * NANO,
    ..NONE
};

/// Fees in 1e-9, of executions (lots, price in whole units) of one order.
fn charged(
    schedule: &SetFees,
    side: Side,
    liquidity: Liquidity,
    fills: &[(u64, i128)],
) -> Vec<i64> {
    let mut commission = Commission::default();
    let one = |&(qty, price): &(u64, i128)| {
        let notional = Money(i128::from(qty) * price * MONEY_PER_UNIT);
        let charge =
            charge(schedule, side, liquidity, Lots(qty), notional, commission).expect("fits");
        commission = charge.commission;
        assert_eq!(charge.fee.0 % 1_000_000_000, 0, "these tariffs come out in 1e-9");
        (charge.fee.0 / 1_000_000_000) as i64
    };
    fills.iter().map(one).collect()
}

#[test]
fn tariffs() {
    type Row<'a> = (SetFees, Side, Liquidity, &'a [(u64, i128)], &'a [i64]);
    let cent = NANO / 100;
    let table: &[Row<'_>] = &[
        (NONE, Side::Sell, Taker, &[(100, 50)], &[0]),
        // 0.50 comes to the least; 0.75 is within it; then what is above it, up to the most.
        (
            PER_SHARE,
            Side::Buy,
            Taker,
            &[(100, 50), (50, 50), (200, 50), (1_000, 50), (7, 50)],
            &[NANO, 0, 75 * cent, 225 * cent, 0],
        ),
        (MAKER_TAKER, Side::Buy, Maker, &[(100, 50)], &[-20 * cent]),
        (MAKER_TAKER, Side::Buy, Taker, &[(100, 50)], &[30 * cent]),
        // 0.278 and 0.0166 to the next cent each; then 2.78 and the most of 8.30.
        (REGULATORS, Side::Sell, Maker, &[(100, 100)], &[28 * cent + 2 * cent]),
        (REGULATORS, Side::Sell, Taker, &[(100_000, 1)], &[278 * cent + 830 * cent]),
        (REGULATORS, Side::Buy, Taker, &[(100_000, 1)], &[0]),
        // 1.00 + 2.50 is raised to 5; 10 + 2.50; 100 + 2.50 is held at 20. Each execution by itself.
        (
            CLASSIC,
            Side::Sell,
            Taker,
            &[(10, 100), (100, 100), (1_000, 100)],
            &[5 * NANO, 1_250 * cent, 20 * NANO],
        ),
    ];
    for (schedule, side, liquidity, fills, expected) in table {
        let told = charged(schedule, *side, *liquidity, fills);
        assert_eq!(told, *expected, "{side} {liquidity} {fills:?} by {schedule:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let ask = |schedule: SetFees, qty, notional| {
        let before = Commission::default();
        let answer = charge(&schedule, Side::Sell, Taker, Lots(qty), Money(notional), before);
        answer.map(|_| ()).map_err(|reject| reject.reason)
    };
    let dear = SetFees { taker_per_lot_nano: i64::MAX, ..NONE };
    assert_eq!(ask(dear, u64::MAX, 1), Err(RejectReason::Overflow));
    let levy = SetFees { sell_per_lot_nano: i64::MAX, ..NONE };
    assert_eq!(ask(levy, u64::MAX, 1), Err(RejectReason::Overflow));
    let all = SetFees { taker_e8: 100_000_000, ..NONE };
    assert_eq!(ask(all, 1, PAIR_MONEY_MAX.0), Ok(()));
    let more = SetFees { per_trade_nano: 1, ..all };
    assert_eq!(ask(more, 1, PAIR_MONEY_MAX.0), Err(RejectReason::Overflow));
    let steep = SetFees { sell_e8: 100_000_000, sell_round_nano: i64::MAX, ..NONE };
    assert_eq!(ask(steep, 1, PAIR_MONEY_MAX.0), Err(RejectReason::Overflow));
}

#[test]
fn schedules_that_mean_nothing() {
    let bad = [
        SetFees { schedule: 0, ..NONE },
        SetFees { schedule: 257, ..NONE },
        SetFees { maker_e8: -100_000_001, ..NONE },
        SetFees { taker_e8: 100_000_001, ..NONE },
        SetFees { sell_e8: -1, ..NONE },
        SetFees { trade_min_nano: -1, ..NONE },
        SetFees { trade_min_nano: 2, trade_max_nano: 1, ..NONE },
        SetFees { order_min_nano: 2, order_max_nano: 1, ..NONE },
        SetFees { order_max_nano: -1, ..NONE },
        SetFees { sell_per_lot_nano: -1, ..NONE },
        SetFees { sell_per_lot_max_nano: -1, ..NONE },
        SetFees { sell_round_nano: -1, ..NONE },
    ];
    for schedule in bad {
        let reject = check_schedule(&schedule).expect_err("it means nothing");
        assert_eq!(reject.reason, RejectReason::BadField, "{schedule:?}");
    }
    for schedule in [PER_SHARE, MAKER_TAKER, REGULATORS, CLASSIC, SetFees { schedule: 256, ..NONE }]
    {
        assert_eq!(check_schedule(&schedule), Ok(()));
    }
}

/// What an execution of 10 lots at 100 is charged at the desk, where one lot at one tick is one unit of money.
fn fee_at(desk: &mut Desk, number: u64) -> i128 {
    let slot = desk.enter(order(0, 1, number, Side::Buy, 10)).expect("room");
    desk.fill(slot, 10, 100, Taker).fee.0
}

#[test]
fn an_accounts_schedule_goes_before_an_instruments_and_both_before_its_rates() {
    let mut desk = Desk::new(64, 1, 2);
    desk.terms.taker_fee_e8 = 10_000_000;
    let assign = |account, instrument, schedule| AssignFees {
        account: AccountId(account),
        instrument: InstrumentId(instrument),
        schedule,
        reserved: [0; 4],
    };
    const ANY: u32 = u32::MAX;
    assert_eq!(fee_at(&mut desk, 1), 100, "a tenth of the notional");
    let refused =
        |desk: &mut Desk, asked| desk.oms.assign_fees(&asked).expect_err("refused").reason;
    let before = desk.oms.hash();
    assert_eq!(refused(&mut desk, assign(0, ANY, 1)), RejectReason::BadField, "not set");
    for (schedule, taker_e8) in [(1, 1_000_000), (2, 2_000_000)] {
        desk.oms.set_fees(&SetFees { schedule, taker_e8, ..NONE }).expect("sensible");
    }
    assert_eq!(refused(&mut desk, assign(0, 1, 1)), RejectReason::BadField, "one of the two");
    assert_eq!(refused(&mut desk, assign(ANY, ANY, 1)), RejectReason::BadField, "one of the two");
    assert_eq!(refused(&mut desk, assign(0, ANY, 9)), RejectReason::BadField, "not set");
    assert_eq!(refused(&mut desk, assign(7, ANY, 1)), RejectReason::UnknownAccount);
    assert_eq!(refused(&mut desk, assign(ANY, 70_000, 1)), RejectReason::UnknownInstrument);
    assert_ne!(desk.oms.hash(), before, "a schedule shapes what follows");

    for (step, asked, fee) in [
        (2, assign(ANY, 1, 1), 10),
        (3, assign(0, ANY, 2), 20),
        (4, assign(ANY, 1, 0), 20),
        (5, assign(0, ANY, 0), 100),
    ] {
        desk.oms.assign_fees(&asked).expect("sensible");
        assert_eq!(fee_at(&mut desk, step), fee, "{asked:?}");
        assert_eq!(desk.oms.hash(), desk.oms.hash_from_scratch());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// However an order is executed, its commissions come to those of all executions within the bounds of an order.
    #[test]
    fn an_order_pays_its_least_and_its_most(
        fills in prop::collection::vec((1_u64..500, 1_i128..900), 1..20),
        (maker_e8, per_lot, per_trade) in (-50_000_i64..200_000, -3_000_000_i64..6_000_000, 0..NANO),
        (least, more) in (0..8 * NANO, 0..9 * NANO),
    ) {
        let schedule = SetFees {
            maker_e8,
            maker_per_lot_nano: per_lot,
            per_trade_nano: per_trade,
            order_min_nano: least,
            order_max_nano: least + more,
            ..NONE
        };
        check_schedule(&schedule).expect("sensible");
        let (mut commission, mut paid, mut raw) = (Commission::default(), 0, 0);
        for (qty, price) in fills {
            let notional = Money(i128::from(qty) * price * MONEY_PER_UNIT / 1_000);
            let told = charge(&schedule, Side::Sell, Maker, Lots(qty), notional, commission).expect("fits");
            commission = told.commission;
            paid += told.fee.0;
            let nano = 1_000_000_000;
            raw += fee(notional, maker_e8).0 + i128::from(per_lot) * i128::from(qty) * nano + i128::from(per_trade) * nano;
            let least = i128::from(least) * nano;
            let most = least + i128::from(more) * nano;
            // A bound of 0 is none.
            let raised = if least == 0 { raw } else { raw.max(least) };
            let expected = if most == 0 { raised } else { raised.min(most) };
            prop_assert_eq!(paid, expected);
        }
    }
}
