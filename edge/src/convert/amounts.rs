//! Amounts as decimal text.

use tidegate_model::units::MONEY_PER_UNIT;
use tidegate_model::{Instrument, Lots, Money, Reject, RejectReason, Ticks, decimal};

/// Decimals that money has: 1e-18.
const MONEY_SCALE: usize = 18;
/// Digits before the point of an amount of money: 10^18 units of a currency are beyond any account.
const MONEY_WHOLE_DIGITS_MAX: usize = 18;
/// Bytes of an amount of money: all its digits, and as many zeros around them as anybody writes.
const MONEY_TEXT_LEN_MAX: usize = 64;
/// Digits that average prices are rounded to.
const AVERAGE_SCALE: u32 = 9;

/// Parses money, to the last of its 18 decimals.
pub(crate) fn parse_money(text: &str) -> Result<Money, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if text.len() > MONEY_TEXT_LEN_MAX {
        return Err(format!("has {} bytes, at most {MONEY_TEXT_LEN_MAX} are allowed", text.len()));
    }
    if !is_digits(whole) || !is_digits(fraction) {
        return Err(format!(
            "'{}' is not a decimal number such as 100000 or -12.34",
            crate::error::echo(text)
        ));
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > MONEY_WHOLE_DIGITS_MAX || fraction.len() > MONEY_SCALE {
        return Err(format!(
            "{text} is out of range: at most 18 digits before and 18 after the point"
        ));
    }
    let number = |digits: &str| digits.bytes().fold(0i128, |n, b| n * 10 + i128::from(b - b'0'));
    let scale = (fraction.len()..MONEY_SCALE).fold(1i128, |n, _| n * 10);
    let units = number(whole) * MONEY_PER_UNIT + number(fraction) * scale;
    Ok(Money(if text.starts_with('-') { -units } else { units }))
}

/// A signed count of lots as a quantity.
pub(crate) fn signed_qty(instrument: &Instrument, lots: i128) -> String {
    let nano = lots.saturating_mul(instrument.lot_size_nano.into());
    decimal::format_scaled(nano, 9, instrument.qty_scale)
}

/// A count of ticks, of any size, as a price.
fn wide_price(instrument: &Instrument, ticks: i128) -> String {
    let nano = ticks.saturating_mul(instrument.tick_size_nano.into());
    decimal::format_scaled(nano, 9, instrument.price_scale)
}

/// A limit price; empty where there is none.
pub(crate) fn price_or_empty(instrument: &Instrument, price: Ticks, is_there: bool) -> String {
    if is_there { instrument.format_price(price) } else { String::new() }
}

/// `numerator / denominator` rounded half to even.
fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    let (quotient, rest) = (numerator.div_euclid(denominator), numerator.rem_euclid(denominator));
    // |denominator| is below 2^126 wherever this is used: it is a quantity, or money of one.
    match (2 * rest).cmp(&denominator.abs()) {
        std::cmp::Ordering::Less => quotient,
        std::cmp::Ordering::Greater => quotient + denominator.signum(),
        std::cmp::Ordering::Equal => quotient + (quotient & 1) * denominator.signum(),
    }
}

/// `ticks` (summed over `count`) per one of `count`, as a price of nine decimals.
pub(crate) fn average_price(instrument: &Instrument, ticks: i128, count: i128) -> String {
    if count == 0 {
        return String::new();
    }
    let nano = match ticks.checked_mul(instrument.tick_size_nano.into()) {
        Some(sum) => divide_half_even(sum, count),
        // Beyond 128 bits: whole ticks are all the precision there is room for.
        None => divide_half_even(ticks, count).saturating_mul(instrument.tick_size_nano.into()),
    };
    decimal::format_scaled(nano, AVERAGE_SCALE, instrument.price_scale)
}

/// What `cost` is per unit held, as a price of nine decimals; empty when flat.
pub(crate) fn average_cost(instrument: &Instrument, cost: Money, qty: i64) -> String {
    match i128::from(qty).checked_mul(instrument.money_per_tick_lot) {
        Some(per_tick) => average_price(instrument, cost.0, per_tick),
        None => String::new(),
    }
}

/// What a figure of a refusal counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    /// Money units.
    Money,
    /// Lots of the instrument.
    Qty,
    /// Ticks of the instrument.
    Price,
    /// Hundredths.
    Hundredths,
    /// The number of an instrument.
    Instrument,
    /// A number: basis points, nanoseconds, how many, which.
    Number,
}

/// What limit and value of a refusal count, as [`RejectReason`] says.
const fn figures(reason: RejectReason) -> (Figure, Figure) {
    use Figure as F;
    use RejectReason as R;
    let both = match reason {
        R::MaxOrderNotional
        | R::BuyingPower
        | R::InitialMargin
        | R::GrossExposure
        | R::NetExposure
        | R::OpenExposure
        | R::DayNotional
        | R::DayLoss
        | R::Drawdown
        | R::FactorExposure
        | R::ApprovalNeeded => F::Money,
        R::Lot
        | R::ZeroQuantity
        | R::QuantityBelowExecuted
        | R::MaxOrderQuantity
        | R::PositionLimit
        | R::PositionLong
        | R::PositionShort
        | R::ShortSale
        | R::ReduceOnly => F::Qty,
        R::Tick | R::BadPrice | R::PriceCollar | R::WindowCollar | R::PostOnlyWouldCross => {
            F::Price
        }
        R::FatFinger => F::Hundredths,
        R::SelfTrade => return (F::Qty, F::Price),
        R::Restricted => return (F::Number, F::Instrument),
        _ => F::Number,
    };
    (both, both)
}

/// Limit and value of a refusal in the unit its reason names.
pub(crate) fn reject_amounts(reject: &Reject, instrument: Option<&Instrument>) -> (String, String) {
    let in_unit = |amount: i128, figure: Figure| match (figure, instrument) {
        (Figure::Money, _) => tidegate_model::instrument::format_money(Money(amount)),
        (Figure::Hundredths, _) => hundredths(amount),
        (Figure::Qty, Some(instrument)) => signed_qty(instrument, amount),
        (Figure::Price, Some(instrument)) => wide_price(instrument, amount),
        (Figure::Instrument, Some(instrument)) => instrument.symbol.as_str().to_string(),
        _ => amount.to_string(),
    };
    let (limit, value) = figures(reject.reason);
    (in_unit(reject.limit, limit), in_unit(reject.value, value))
}

/// Hundredths as a decimal number, without zeros at its end.
pub(crate) fn hundredths(amount: i128) -> String {
    decimal::format_scaled(amount, 2, 0)
}

/// A fraction of notional in 1e-8 as decimal text.
pub(crate) fn format_rate(e8: i64) -> String {
    decimal::format_scaled(e8.into(), 8, 0)
}

/// A count of lots as text, for quantities.
pub(crate) fn qty(instrument: &Instrument, lots: Lots) -> String {
    instrument.format_qty(lots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::{Symbol, instrument::format_money};

    fn share() -> Instrument {
        Instrument::us_equity(Symbol::new("AAPL").expect("a symbol")).checked().expect("terms")
    }

    #[test]
    fn money_is_exact_to_the_last_decimal() {
        for (text, printed) in [
            ("0", "0.00"),
            ("-0", "0.00"),
            ("100000", "100000.00"),
            ("-12.345", "-12.345"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("999999999999999999.999999999999999999", "999999999999999999.999999999999999999"),
            ("000000000000000000000001.50000000000000000000000", "1.50"),
        ] {
            assert_eq!(parse_money(text).map(format_money).as_deref(), Ok(printed), "{text}");
        }
        for bad in
            ["", "-", ".", "1.", ".5", "+1", "1e5", " 1", "1,000", "1.0.0", "--1", "NaN", "٣"]
        {
            assert!(parse_money(bad).is_err(), "{bad}");
        }
        assert!(parse_money("1000000000000000000").is_err());
        assert!(parse_money("0.0000000000000000001").is_err());
        assert!(parse_money(&"9".repeat(1_000)).is_err());
    }

    #[test]
    fn averages_round_half_to_even() {
        for (n, d, q) in [
            (5, 2, 2),
            (7, 2, 4),
            (-5, 2, -2),
            (-7, 2, -4),
            (7, 3, 2),
            (8, 3, 3),
            (-8, 3, -3),
            (5, -2, -2),
            (8, -3, -3),
        ] {
            assert_eq!(divide_half_even(n, d), q, "{n}/{d}");
        }
        // 1 share at 10.00 and 2 at 10.01.
        let sum = 100_000 + 2 * 100_100;
        assert_eq!(average_price(&share(), sum, 3), "10.006666667");
        assert_eq!(average_price(&share(), 0, 0), "");
        let cost = share().notional(Ticks(100_000), Lots(50)).expect("fits");
        assert_eq!(average_cost(&share(), cost, 50), "10.0000");
        assert_eq!(average_cost(&share(), Money(-cost.0), -50), "10.0000");
    }

    #[test]
    fn refusals_come_in_the_unit_of_their_reason() {
        let amounts = |reason, limit, value| {
            reject_amounts(&Reject::new(reason, limit, value), Some(&share()))
        };
        let text = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(amounts(RejectReason::MaxOrderQuantity, 100, 500), text("100", "500"));
        assert_eq!(
            amounts(RejectReason::PriceCollar, 1_050_000, 1_100_000),
            text("105.0000", "110.0000")
        );
        let money = 25_000 * MONEY_PER_UNIT;
        assert_eq!(
            amounts(RejectReason::MaxOrderNotional, money, money + 1),
            text("25000.00", "25000.000000000000000001")
        );
        assert_eq!(amounts(RejectReason::MessageRate, 100, 0), text("100", "0"));
        for (reason, limit, value, told) in [
            (RejectReason::DayLoss, money, -money, text("25000.00", "-25000.00")),
            (RejectReason::PositionShort, 100, 101, text("100", "101")),
            (RejectReason::WindowCollar, 1_050_000, 0, text("105.0000", "0.0000")),
            (RejectReason::FatFinger, 750, 1_000, text("7.5", "10")),
            (RejectReason::SelfTrade, 0, 1_050_000, text("0", "105.0000")),
            (RejectReason::Restricted, 3, 17, text("3", "AAPL")),
            (RejectReason::StaleMarket, 5_000_000, 6_000_000, text("5000000", "6000000")),
            (RejectReason::Concentration, 2_500, 2_600, text("2500", "2600")),
            (RejectReason::Volatility, 500, 1_577_664_000, text("500", "1577664000")),
        ] {
            assert_eq!(amounts(reason, limit, value), told, "{reason}");
        }
        // Amounts that no order can have must not overflow.
        amounts(RejectReason::PositionLimit, i128::MAX, i128::MIN);
    }

    #[test]
    fn rates_are_exact() {
        assert_eq!(format_rate(-2_000), "-0.00002");
        assert_eq!(format_rate(10_000), "0.0001");
        assert_eq!(format_rate(0), "0");
    }
}
