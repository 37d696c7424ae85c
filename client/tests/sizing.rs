//! Sizing rules: what each answers, and what none of them ever does.

use proptest::prelude::*;
use tidegate_client::strategy::sizing::{Basis, Between, Caps, Millionths, SizingError, kelly};
use tidegate_client::strategy::{Instrument, Lots, Money, Side, Symbol, Ticks};

const CENT: i128 = 10_000_000_000_000_000;
const WIDE: Caps = Caps { lots: Lots(u64::MAX), leverage: Millionths(1_000_000_000) };

/// Ticks of 0.0001, lots of one share.
fn share() -> Instrument {
    let symbol = Symbol::new("ACME").expect("a symbol");
    Instrument::us_equity(symbol).checked().expect("terms")
}

/// An account of so many dollars that buys at 50.00.
fn basis(instrument: &Instrument, dollars: i128) -> Basis<'_> {
    let equity = Money(dollars * 100 * CENT);
    Basis { instrument, equity, side: Side::Buy, price: Ticks(500_000), caps: WIDE }
}

fn percent(percent: i64) -> Millionths {
    Millionths(percent * 10_000)
}

#[test]
fn what_each_rule_says() {
    let share = share();
    let buy = basis(&share, 100_000);
    let sell = Basis { side: Side::Sell, ..buy };
    let round = Instrument { order_lot: Lots(100), ..share };
    let by_hundreds = Basis { instrument: &round, ..buy };
    let capped = Basis { caps: Caps { lots: Lots(150), ..WIDE }, ..buy };
    let unlevered = Basis { caps: Caps { leverage: Millionths::ONE, ..WIDE }, ..buy };
    let poor = Basis { equity: Money(-1), ..buy };
    let stop = |basis: &Basis<'_>, ticks| basis.by_stop(percent(1), Ticks(ticks), Money(CENT));
    for (what, told, lots) in [
        ("fixed", buy.fixed(Lots(70)), 70),
        ("fixed, in hundreds", by_hundreds.fixed(Lots(270)), 200),
        ("fixed, capped", capped.fixed(Lots(270)), 150),
        ("fixed, beyond the account", unlevered.fixed(Lots(3_000)), 2_000),
        ("fixed, of nothing", poor.fixed(Lots(10)), 0),
        ("2 % over a loss of 8.00", buy.fixed_fractional(percent(2), Money(800 * CENT)), 250),
        ("25 %", buy.of_equity(percent(25)), 500),
        ("25 %, in hundreds", by_hundreds.of_equity(percent(29)), 500),
        ("200 %", buy.of_equity(percent(200)), 4_000),
        ("200 % without borrowing", unlevered.of_equity(percent(200)), 2_000),
        ("stop 2.00 below", stop(&buy, 480_000), 497),
        ("stop 2.00 above", stop(&sell, 520_000), 497),
        ("one tick away, held", buy.by_stop(percent(1), Ticks(499_999), Money::ZERO), 2_000_000),
        ("stop, of nothing", stop(&poor, 480_000), 0),
        ("12 % of 24 %", buy.volatility_target(percent(12), percent(24)), 1_000),
        ("12 % of 3 %", buy.volatility_target(percent(12), percent(3)), 8_000),
        ("12 % of 3 %, held", unlevered.volatility_target(percent(12), percent(3)), 2_000),
    ] {
        assert_eq!(told, Ok(Lots(lots)), "{what}");
    }
}

#[test]
fn what_means_nothing_is_said() {
    let share = share();
    let buy = basis(&share, 100_000);
    let out = |name| move |error: &SizingError| matches!(error, SizingError::OutOfRange { name: told, .. } if *told == name);
    let check = |told: Result<Lots, SizingError>, is: &dyn Fn(&SizingError) -> bool| {
        let error = told.expect_err("it means nothing");
        assert!(is(&error), "{error}");
    };
    let stop = |ticks| buy.by_stop(percent(1), Ticks(ticks), Money::ZERO);
    for ticks in [500_000, 500_001, i64::MAX] {
        check(stop(ticks), &|error| matches!(error, SizingError::StopOnWrongSide { .. }));
    }
    check(Basis { price: Ticks::ZERO, ..buy }.fixed(Lots(1)), &out("price"));
    let caps = Caps { leverage: Millionths(-1), ..WIDE };
    check(Basis { caps, ..buy }.fixed(Lots(1)), &out("caps.leverage"));
    check(buy.of_equity(Millionths(-1)), &out("fraction"));
    check(buy.fixed_fractional(percent(101), Money(1)), &out("fraction"));
    check(buy.fixed_fractional(percent(1), Money::ZERO), &out("largest_loss_per_lot"));
    check(buy.by_stop(percent(1), Ticks(1), Money(-1)), &out("costs_per_lot"));
    check(buy.volatility_target(percent(10), Millionths::ZERO), &out("volatility"));
    let unchecked = Instrument { money_per_tick_lot: 0, ..share };
    let unchecked = Basis { instrument: &unchecked, ..buy };
    check(unchecked.fixed(Lots(1)), &out("instrument.money_per_tick_lot"));
    let rich = Basis { equity: Money::MAX, ..buy };
    check(rich.of_equity(percent(1_000)), &|error| *error == SizingError::Overflow);
}

fn exactly(value: i64) -> Between {
    Between::around(Millionths(value), Millionths::ZERO).expect("no error")
}

#[test]
fn kelly_says_what_kelly_said() {
    for (wins, payoff, fraction) in [
        (600_000, 1_000_000, 200_000),
        (500_000, 2_000_000, 250_000),
        (500_000, 1_000_000, 0),
        (400_000, 1_000_000, 0),
        (1_000_000, 1, 1_000_000),
        (0, i64::MAX, 0),
        // 0.55 - 0.45 / 1.1 = 0.140909...
        (550_000, 1_100_000, 140_909),
    ] {
        let told = kelly::of_bets(exactly(wins), exactly(payoff));
        assert_eq!(told, Ok(Millionths(fraction)), "{wins} at {payoff}");
    }
    for (mean, volatility, fraction) in [
        // Thorp's S&P 500: (0.11 - 0.06) / 0.15^2 = 2.2222.
        (50_000, 150_000, 2_222_222),
        (-50_000, 150_000, 0),
        (0, 1, 0),
    ] {
        let told = kelly::of_returns(exactly(mean), exactly(volatility));
        assert_eq!(told, Ok(Millionths(fraction)), "{mean} at {volatility}");
    }
    let half = kelly::of_bets(exactly(600_000), exactly(1_000_000)).expect("odds");
    assert_eq!(half.times(percent(50)), Ok(percent(10)));
    assert!(kelly::of_bets(exactly(1_000_001), exactly(1)).is_err());
    assert!(kelly::of_bets(exactly(1), exactly(0)).is_err());
    assert!(kelly::of_returns(exactly(1), exactly(0)).is_err());
    assert_eq!(
        kelly::of_returns(exactly(i64::MAX), exactly(1)),
        Err(SizingError::Overflow),
        "what no fraction holds"
    );
}

#[test]
fn few_trades_prove_little() {
    let z = Millionths(1_960_000);
    let wins = |wins, trades| Between::of_wins(wins, trades, z).expect("a record");
    // Wilson's interval for 8 of 10 at 95 %: 0.4902 to 0.9433.
    let few = wins(8, 10);
    assert_eq!((few.low(), few.high()), (Millionths(490_156), Millionths(943_320)));
    let many = wins(8_000, 10_000);
    assert!(few.low() < many.low() && many.high() < few.high());
    assert_eq!(wins(0, 5).low(), Millionths::ZERO);
    assert_eq!(wins(5, 5).high(), Millionths::ONE);
    assert!(Between::of_wins(6, 5, z).is_err());
    assert!(Between::of_wins(0, 0, z).is_err());
    assert!(Between::of_wins(1, 5, Millionths(10_000_001)).is_err());
    let none = Between::of_wins(1, 4, Millionths::ZERO).expect("a record");
    assert_eq!((none.low(), none.high()), (percent(25), percent(25)), "taken at its word");
}

#[test]
fn volatility_grows_with_the_root_of_time() {
    assert_eq!(percent(1).over(252), Ok(Millionths(158_746)), "0.01 x 15.8745...");
    assert_eq!(percent(1).over(4), Ok(percent(2)));
    assert_eq!(percent(1).over(1), Ok(percent(1)));
    assert!(percent(1).over(0).is_err());
    assert!(Millionths(-1).over(4).is_err());
    assert_eq!(Millionths(i64::MAX).over(4), Err(SizingError::Overflow));
}

/// The rules, with what each takes from random numbers.
fn every_rule(
    basis: &Basis<'_>,
    fraction: Millionths,
    other: i64,
) -> Vec<Result<Lots, SizingError>> {
    let money = Money(i128::from(other) * CENT);
    vec![
        basis.fixed(Lots(other.unsigned_abs())),
        basis.fixed_fractional(fraction, money),
        basis.of_equity(fraction),
        basis.by_stop(fraction, Ticks(other), Money::ZERO),
        basis.volatility_target(fraction, Millionths(other)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// No size passes its caps, and each is a multiple of the order lot, whatever is asked.
    #[test]
    fn sizes_stay_within_their_caps(
        equity in any::<i64>(),
        price in any::<i64>(),
        is_buy in any::<bool>(),
        lots in any::<u64>(),
        leverage in any::<i64>(),
        order_lot in 0_u64..1_000,
        fraction in any::<i64>(),
        other in any::<i64>(),
    ) {
        let terms = Instrument { order_lot: Lots(order_lot), ..share() };
        let side = if is_buy { Side::Buy } else { Side::Sell };
        let caps = Caps { lots: Lots(lots), leverage: Millionths(leverage) };
        let equity = Money(i128::from(equity) * CENT);
        let basis = Basis { instrument: &terms, equity, side, price: Ticks(price), caps };
        for fraction in [Millionths(fraction), Millionths(fraction.rem_euclid(1_000_001))] {
            for told in every_rule(&basis, fraction, other).into_iter().flatten() {
                prop_assert!(told <= caps.lots);
                prop_assert_eq!(told.0 % order_lot.max(1), 0);
                let value = i128::from(told.0) * i128::from(price) * terms.money_per_tick_lot;
                let most = equity.0.max(0) / 1_000_000 * i128::from(leverage) + i128::from(leverage);
                prop_assert!(value <= most, "{} of {}", value, most);
            }
        }
    }

    /// The largest size that costs no more than it may: one lot more would.
    #[test]
    fn sizes_use_what_they_may_risk(
        dollars in 1_i128..100_000_000,
        fraction in 0_i64..=1_000_000,
        distance in 1_i64..400_000,
        costs in 0_i128..100,
    ) {
        let share = share();
        // A stop of one tick asks for 250,000 shares a hundred dollars.
        let caps = Caps { leverage: Millionths(1_000_000_000_000), ..WIDE };
        let basis = Basis { caps, ..basis(&share, dollars) };
        let (fraction, costs) = (Millionths(fraction), Money(costs * CENT));
        let stop = Ticks(500_000 - distance);
        let lots = i128::from(basis.by_stop(fraction, stop, costs).expect("a size").0);
        let risked = basis.equity.0 / 1_000_000 * i128::from(fraction.0);
        let loss = i128::from(distance) * share.money_per_tick_lot + costs.0;
        prop_assert!(lots * loss <= risked && risked < (lots + 1) * loss);
        let more = basis.by_stop(fraction, Ticks(stop.0 + 1), costs);
        prop_assert!(distance == 1 || more.expect("a size").0 as i128 >= lots, "a closer stop, no smaller size");
    }

    /// The fraction for what the odds may be is none that any odds within would call too much.
    #[test]
    fn kelly_takes_the_worst_odds_within(
        wins in 1_u64..200,
        losses in 0_u64..200,
        payoff in 1_000_i64..10_000_000,
        error in 0_i64..1_000_000,
        at in 0_i64..=1_000,
        beside in 0_i64..=1_000,
        part in 0_i64..=1_000_000,
    ) {
        let wins = Between::of_wins(wins, wins + losses, Millionths(1_645_000)).expect("a record");
        let payoff = Between::around(Millionths(payoff), Millionths(error.min(payoff - 1))).expect("fits");
        let fraction = kelly::of_bets(wins, payoff).expect("odds");
        let within = |range: Between, at: i64| {
            let Millionths(low) = range.low();
            low + (i128::from(range.high().0 - low) * i128::from(at) / 1_000) as i64
        };
        let told = kelly::of_bets(exactly(within(wins, at)), exactly(within(payoff, beside)));
        let best = told.expect("odds");
        prop_assert!(fraction <= best, "{:?} is beyond {:?}", fraction, best);
        prop_assert!(Millionths::ZERO <= fraction && fraction <= Millionths::ONE);
        prop_assert!(fraction.times(Millionths(part)).expect("fits") <= fraction);
    }

    /// Wilson's interval holds the share that was seen, and agrees with its formula in floating point.
    #[test]
    fn wilson_agrees_with_floating_point(wins in 0_u64..100_000, losses in 0_u64..100_000, z in 0_i64..5_000_000) {
        prop_assume!(wins + losses > 0);
        let told = Between::of_wins(wins, wins + losses, Millionths(z)).expect("a record");
        let (n, z) = ((wins + losses) as f64, z as f64 / 1e6);
        let p = wins as f64 / n;
        let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z * z / n;
        let near = |told: Millionths, is: f64| (told.0 as f64 - is * 1e6).abs() < 2.0;
        let centre = p + z * z / (2.0 * n);
        prop_assert!(near(told.low(), (centre - spread) / whole), "{:?}", told);
        prop_assert!(near(told.high(), (centre + spread) / whole), "{:?}", told);
        prop_assert!(told.low().0 as f64 <= p * 1e6 + 1.0 && p * 1e6 - 1.0 <= told.high().0 as f64);
    }
}
