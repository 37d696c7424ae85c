//! Decimal text to integers and back: exact, or an error that says what is wrong.

use proptest::prelude::*;
use tidegate_model::decimal::{
    TEXT_LEN_MAX, format_lots, format_nano, format_scaled, format_ticks, parse_lots, parse_nano,
    parse_ticks,
};
use tidegate_model::instrument::{AssetClass, format_money, venue_kind};
use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{DecimalError, Instrument, Lots, Money, Symbol, Ticks};

fn share() -> Instrument {
    let symbol = Symbol::new("AAPL").expect("a valid symbol");
    Instrument::us_equity(symbol).checked().expect("a valid instrument")
}

#[test]
fn texts_and_their_nanounits() {
    let check = |text: &str, nano: i64| assert_eq!(parse_nano(text), Ok(nano), "{text}");
    check("0", 0);
    check("-0", 0);
    check("1", 1_000_000_000);
    check("12.34", 12_340_000_000);
    check("-12.34", -12_340_000_000);
    check("0.000000001", 1);
    check("-0.000000001", -1);
    check("1.50", 1_500_000_000);
    check("007.5", 7_500_000_000);
    check("0.0000000010000000", 1);
    check("0000000000000000000000000000012", 12_000_000_000);
    check("9223372036.854775807", i64::MAX);
    check("-9223372036.854775808", i64::MIN);
}

#[test]
fn texts_that_are_no_numbers() {
    for text in [
        "", "-", "+1", ".", "1.", ".5", "--1", "1-", "1e9", "1_000", "1,5", " 1", "1 ", "0x1",
        "1.2.3", "1.-2", "NaN", "inf", "½", "1\0", "١",
    ] {
        assert_eq!(parse_nano(text), Err(DecimalError::Syntax(text.to_string())), "{text:?}");
    }
    let long = "1".repeat(TEXT_LEN_MAX + 1);
    assert!(matches!(parse_nano(&long), Err(DecimalError::Syntax(_))));
    let wide = "½".repeat(1_000);
    let Err(DecimalError::Syntax(shown)) = parse_nano(&wide) else { panic!("accepted") };
    assert!(shown.chars().count() <= TEXT_LEN_MAX, "an error repeats no more than a line of input");
}

#[test]
fn texts_out_of_range() {
    for text in [
        "9223372036.854775808",
        "-9223372036.854775809",
        "0.0000000001",
        "1.0000000001",
        "10000000000",
        // As long as a text may be: 128 bits on the way must not overflow either.
        "99999999999999999999999999999999",
        "-9999999999999999999999999999999",
    ] {
        assert_eq!(parse_nano(text), Err(DecimalError::Range(text.to_string())), "{text}");
    }
}

#[test]
fn errors_as_people_read_them() {
    let share = share();
    let check = |error: DecimalError, text: &str| assert_eq!(error.to_string(), text);
    let price = |text| share.parse_order_price(text).expect_err("must be refused");
    check(price("10.005"), "10.005 is not a multiple of the tick 0.01");
    check(price("10.00005"), "10.00005 is not a multiple of the tick 0.0001");
    check(price("0.00005"), "0.00005 is not a multiple of the tick 0.0001");
    check(price("ten"), "'ten' is not a decimal number such as 12 or 12.34");
    check(
        price("99999999999"),
        "99999999999 is out of range: at most 9 decimals, and at most 9223372036.854775807",
    );
    let qty = |text| share.parse_qty(text).expect_err("must be refused");
    check(qty("1.5"), "1.5 is not a multiple of the lot 1");
    check(qty("-3"), "-3 is negative; a quantity cannot be");
}

#[test]
fn order_tick_widens_at_one_dollar() {
    let share = share();
    let check = |text: &str, ticks: Option<i64>| {
        assert_eq!(share.parse_order_price(text).ok(), ticks.map(Ticks), "{text}");
    };
    check("0.9999", Some(9_999));
    check("0.0001", Some(1));
    check("1.00", Some(10_000));
    check("1.0001", None);
    check("1.01", Some(10_100));
    check("-0.0001", Some(-1));
    assert_eq!(share.order_tick_at(Ticks(9_999)), Ticks(1));
    assert_eq!(share.order_tick_at(Ticks(10_000)), Ticks(100));
    assert_eq!(share.parse_price("1.0001"), Ok(Ticks(10_001)), "feeds may name any tick");
}

#[test]
fn printing() {
    let share = share();
    assert_eq!(share.format_price(Ticks(2_891_200)), "289.1200");
    assert_eq!(share.format_price(Ticks(-1)), "-0.0001");
    assert_eq!(share.format_price(Ticks(0)), "0.0000");
    assert_eq!(share.format_qty(Lots(300)), "300");
    assert_eq!(format_money(Money(0)), "0.00");
    assert_eq!(format_money(Money(-MONEY_PER_UNIT / 2)), "-0.50");
    assert_eq!(format_money(Money(1)), "0.000000000000000001");
    assert_eq!(format_money(Money(i128::MIN)), "-170141183460469231731.687303715884105728");
    assert_eq!(format_nano(1_230_000_000), "1.23");
    assert_eq!(format_scaled(7, 0, 0), "7");
    assert_eq!(format_scaled(-7, 0, 2), "-7.00");
    let widest = format_lots(Lots(u64::MAX), i64::MAX, 0);
    assert_eq!(widest, "170141183460469231704017187605.319778305");
}

#[test]
fn a_future_worth_more_than_nine_dollars_a_tick() {
    let mut future = share();
    future.asset_class = AssetClass::Future.wire();
    future.tick_size_nano = 250_000_000;
    future.multiplier_nano = 50_000_000_000;
    let future = future.checked().expect("the E-mini S&P 500 is a valid instrument");
    let money = future.notional(Ticks(4), Lots(3)).expect("fits");
    assert_eq!(format_money(money), "150.00");
}

#[test]
fn definitions_that_others_would_divide_by_are_refused() {
    let check = |field: &str, spoil: fn(&mut Instrument)| {
        let mut instrument = share();
        spoil(&mut instrument);
        let error = instrument.checked().expect_err(field);
        assert_eq!(error.field, field);
    };
    check("symbol", |i| i.symbol = Symbol::EMPTY);
    check("venue", |i| i.venue.0 = *b"X NAS\0\0\0");
    check("currency", |i| i.currency.0[0] = 0);
    check("tick_size", |i| i.tick_size_nano = 0);
    check("lot_size", |i| i.lot_size_nano = -1);
    check("multiplier", |i| i.multiplier_nano = 0);
    check("order_tick", |i| i.order_tick = Ticks(0));
    check("order_lot", |i| i.order_lot = Lots(0));
    check("maker_fee", |i| i.maker_fee_e8 = 100_000_001);
    check("taker_fee", |i| i.taker_fee_e8 = i64::MIN);
    check("asset_class", |i| i.asset_class = 0);
    check("venue_kind", |i| i.venue_kind = 0);
    check("order_tick_from", |i| i.venue_kind = venue_kind::INTERNAL);
    check("price_scale", |i| i.price_scale = 10);
    check("qty_scale", |i| i.qty_scale = 255);
    check("settlement", |i| i.settlement = 3);
    let product = "tick_size x lot_size x multiplier";
    check(product, |i| (i.tick_size_nano, i.lot_size_nano, i.multiplier_nano) = (1, 1, 1));
    check(product, |i| (i.tick_size_nano, i.multiplier_nano) = (1_000_000_000, i64::MAX));
    check(product, |i| {
        (i.tick_size_nano, i.lot_size_nano, i.multiplier_nano) = (i64::MAX, i64::MAX, i64::MAX);
    });
}

/// Tick and lot sizes as instruments have them: round ones, odd ones, and the smallest.
fn size_nano() -> impl Strategy<Value = i64> {
    prop_oneof![
        (0u32..=9, 1i64..=9).prop_map(|(zeros, digit)| digit * 10i64.pow(zeros)),
        Just(31_250_000), // 1/32
        Just(7_812_500),  // 1/128
        1i64..=10_000_000_000,
    ]
}

proptest! {
    #[test]
    fn nanounits_round_trip(nano: i64) {
        let text = format_nano(nano.into());
        prop_assert_eq!(parse_nano(&text), Ok(nano));
        prop_assert!(text.len() <= TEXT_LEN_MAX);
    }

    #[test]
    fn prices_round_trip(tick_size_nano in size_nano(), part: i64, decimals_min in 0u8..=9) {
        let ticks = Ticks(part / tick_size_nano);
        let text = format_ticks(ticks, tick_size_nano, decimals_min);
        prop_assert_eq!(parse_ticks(&text, tick_size_nano), Ok(ticks));
        let decimals = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        prop_assert!(decimals >= usize::from(decimals_min));
    }

    #[test]
    fn quantities_round_trip(lot_size_nano in size_nano(), part in 0..=i64::MAX, decimals_min in 0u8..=9) {
        let lots = Lots((part / lot_size_nano).unsigned_abs());
        let text = format_lots(lots, lot_size_nano, decimals_min);
        prop_assert_eq!(parse_lots(&text, lot_size_nano), Ok(lots));
    }

    /// A text is accepted exactly if its value is a whole number of ticks; nothing is rounded.
    #[test]
    fn prices_between_ticks_are_refused(tick_size_nano in size_nano(), nano: i64) {
        let text = format_nano(nano.into());
        match parse_ticks(&text, tick_size_nano) {
            Ok(ticks) => prop_assert_eq!(
                i128::from(ticks.0) * i128::from(tick_size_nano),
                i128::from(nano)
            ),
            Err(DecimalError::Tick { value, tick }) => {
                prop_assert!(nano % tick_size_nano != 0);
                prop_assert_eq!(value, text);
                prop_assert_eq!(parse_nano(&tick), Ok(tick_size_nano));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    /// Whatever the text, an answer and no panic; what is accepted has one value only.
    #[test]
    fn any_text_has_an_answer(text in prop_oneof![".*", "-?[0-9]{0,34}[.]?[0-9]{0,34}"]) {
        if let Ok(nano) = parse_nano(&text) {
            prop_assert_eq!(parse_nano(&format_nano(nano.into())), Ok(nano));
        }
    }

    /// A notional is exact: tick x lot x multiplier, in 1e-18.
    #[test]
    fn notionals_are_exact(price in -1_000_000_000i64..1_000_000_000, qty in 0u64..1_000_000_000) {
        let share = share();
        let money = share.notional(Ticks(price), Lots(qty));
        let units = i128::from(price) * i128::from(qty) * (MONEY_PER_UNIT / 10_000);
        prop_assert_eq!(money, Some(Money(units)));
    }

    /// At the ends of the range a notional is `None`, not a panic and not a wrapped number.
    #[test]
    fn notionals_overflow_into_none(price: i64, qty: u64) {
        let share = share();
        let exact = i128::from(price)
            .checked_mul(qty.into())
            .and_then(|v| v.checked_mul(MONEY_PER_UNIT / 10_000));
        prop_assert_eq!(share.notional(Ticks(price), Lots(qty)), exact.map(Money));
    }
}
