//! What a desk asks for, checked field by field and put into the engine's words.

use super::amounts::parse_money;
use super::requests::{
    Checked, account, code, decimal_field, decimal_length, instrument, nano, order_number,
};
use crate::error::{Refusal, echo};
use crate::view::View;
use tidegate_client::proto;
use tidegate_client::proto::assign_fees_request::Holder;
use tidegate_model::command::{
    AmendKind, AmendTrade, AssignFees, Convert, CorporateAction, CorporateActionKind, ReportEquity,
    SetBorrow, SetFees, SetMargin, SetRate, SetTickTable, Settle,
};
use tidegate_model::fx::RATE_SCALE_MAX;
use tidegate_model::tick_table::{PackedBand, TICK_BANDS_MAX, TickTableError};
use tidegate_model::{
    AccountId, Command, ExecId, Instrument, InstrumentId, Lots, Money, OrderId, TickTable, Ticks,
};

/// Days of a year for the cost of borrowing, if the request names none: as the money market counts.
const DAYS_PER_YEAR: u16 = 360;

/// A rate between currencies.
pub(crate) fn set_rate(request: &proto::SetRateRequest) -> Checked<Command> {
    let (from, to) = (code("from", &request.from)?, code("to", &request.to)?);
    let (mantissa, scale) = match request.rate.as_str() {
        "" => (0, 0),
        text => rate_of(text).ok_or_else(|| {
            let must = "a decimal number above 0 of at most 19 digits, 18 of them after the point";
            Refusal::invalid("rate", format_args!("'{}' is not {must}", echo(text)))
        })?,
    };
    Ok(Command::SetRate(SetRate { from, to, mantissa, scale, reserved: [0; 7] }))
}

/// The digits of a decimal number above 0, and how many of them are behind the point.
fn rate_of(text: &str) -> Option<(u64, u8)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = fraction.len() <= usize::from(RATE_SCALE_MAX) && text.len() <= 20;
    if whole.is_empty() || !fits || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    if fraction.is_empty() && text.contains('.') {
        return None;
    }
    let mantissa: u64 = format!("{whole}{fraction}").parse().ok()?;
    (mantissa > 0).then_some((mantissa, fraction.len() as u8))
}

/// Cash of one currency for cash of another.
pub(crate) fn convert(request: &proto::ConvertRequest) -> Checked<Command> {
    let received = match request.received.as_str() {
        "" => Money::ZERO,
        text => above_zero("received", text)?,
    };
    Ok(Command::Convert(Convert {
        amount: above_zero("amount", &request.amount)?,
        received,
        from: code("from", &request.from)?,
        to: code("to", &request.to)?,
        account: account(request.account)?,
        reserved: [0; 12],
    }))
}

/// A schedule of fees.
pub(crate) fn set_fees(request: &proto::SetFeesRequest) -> Checked<Command> {
    let rate = |field, text: &str| scaled(field, text, 10);
    let amount = |field, text: &str| nano(field, text, "0");
    Ok(Command::SetFees(SetFees {
        schedule: request.schedule,
        reserved: [0; 4],
        maker_e8: rate("maker_rate", &request.maker_rate)?,
        taker_e8: rate("taker_rate", &request.taker_rate)?,
        maker_per_lot_nano: amount("maker_per_lot", &request.maker_per_lot)?,
        taker_per_lot_nano: amount("taker_per_lot", &request.taker_per_lot)?,
        per_trade_nano: amount("per_trade", &request.per_trade)?,
        trade_min_nano: amount("trade_min", &request.trade_min)?,
        trade_max_nano: amount("trade_max", &request.trade_max)?,
        order_min_nano: amount("order_min", &request.order_min)?,
        order_max_nano: amount("order_max", &request.order_max)?,
        sell_e8: rate("sell_rate", &request.sell_rate)?,
        sell_per_lot_nano: amount("sell_per_lot", &request.sell_per_lot)?,
        sell_per_lot_max_nano: amount("sell_per_lot_max", &request.sell_per_lot_max)?,
        sell_round_nano: amount("sell_round", &request.sell_round)?,
    }))
}

/// Whom a schedule is for.
pub(crate) fn assign_fees(view: &View, request: &proto::AssignFeesRequest) -> Checked<Command> {
    let none = (AccountId::NONE, InstrumentId::NONE);
    let (account, instrument) = match &request.holder {
        Some(Holder::Account(number)) => (account(*number)?, none.1),
        Some(Holder::Symbol(text)) => (none.0, instrument(view, text)?.0),
        None => return Err(Refusal::invalid("holder", "neither account nor symbol is given")),
    };
    let schedule = request.schedule;
    Ok(Command::AssignFees(AssignFees { account, instrument, schedule, reserved: [0; 4] }))
}

/// Margins.
pub(crate) fn set_margin(view: &View, request: &proto::SetMarginRequest) -> Checked<Command> {
    Ok(Command::SetMargin(SetMargin {
        initial_per_lot: not_negative("initial_per_lot", &request.initial_per_lot)?,
        maintenance_per_lot: not_negative("maintenance_per_lot", &request.maintenance_per_lot)?,
        instrument: instrument(view, &request.symbol)?.0,
        initial_e6: share("initial", &request.initial)?,
        maintenance_e6: share("maintenance", &request.maintenance)?,
        reserved: [0; 4],
    }))
}

/// A tick table.
pub(crate) fn set_tick_table(
    view: &View,
    request: &proto::SetTickTableRequest,
) -> Checked<Command> {
    let (instrument, terms) = instrument(view, &request.symbol)?;
    let bands = [PackedBand::default(); TICK_BANDS_MAX];
    let none = SetTickTable { instrument, count: 0, reserved: [0; 3], bands };
    if request.tick_table.is_empty() {
        return Ok(Command::SetTickTable(none));
    }
    // The texts are the caller's: fit them to be repeated.
    let bad = |error: TickTableError| match error {
        TickTableError::Syntax { text, reason } => {
            let (text, reason) = (echo(&text), echo(&reason));
            Refusal::invalid("tick_table", TickTableError::Syntax { text, reason })
        }
        other => Refusal::invalid("tick_table", other),
    };
    let table = TickTable::parse(&request.tick_table, terms.tick_size_nano).map_err(bad)?;
    let (count, bands) = (table.bands().len() as u8, table.packed().map_err(bad)?);
    Ok(Command::SetTickTable(SetTickTable { count, bands, ..none }))
}

/// What being short costs.
pub(crate) fn set_borrow(view: &View, request: &proto::SetBorrowRequest) -> Checked<Command> {
    let days_per_year = match request.days_per_year {
        0 => DAYS_PER_YEAR,
        days => u16::try_from(days).map_err(|_| {
            Refusal::invalid("days_per_year", format_args!("{days} is out of range: 360 or 365"))
        })?,
    };
    Ok(Command::SetBorrow(SetBorrow {
        instrument: instrument(view, &request.symbol)?.0,
        rate_e6: share("rate", &request.rate)?,
        days_per_year,
        reserved: [0; 6],
    }))
}

/// A dividend.
pub(crate) fn pay_dividend(view: &View, request: &proto::PayDividendRequest) -> Checked<Command> {
    let action = corporate_action(view, &request.symbol, CorporateActionKind::CashDividend)?.0;
    let amount = above_zero("amount_per_lot", &request.amount_per_lot)?;
    Ok(Command::CorporateAction(CorporateAction { amount, ..action }))
}

/// A split.
pub(crate) fn split(view: &View, request: &proto::SplitInstrumentRequest) -> Checked<Command> {
    let (action, terms) = corporate_action(view, &request.symbol, CorporateActionKind::Split)?;
    let price = match request.price.as_str() {
        "" => Ticks::ZERO,
        text => price_of(&terms, text)?,
    };
    let &proto::SplitInstrumentRequest { numerator, denominator, .. } = request;
    Ok(Command::CorporateAction(CorporateAction { price, numerator, denominator, ..action }))
}

fn corporate_action(
    view: &View,
    symbol: &str,
    kind: CorporateActionKind,
) -> Checked<(CorporateAction, std::sync::Arc<Instrument>)> {
    let (instrument, terms) = instrument(view, symbol)?;
    let action = CorporateAction {
        amount: Money::ZERO,
        price: Ticks::ZERO,
        instrument,
        numerator: 0,
        denominator: 0,
        kind: kind.wire(),
        reserved: [0; 11],
    };
    Ok((action, terms))
}

/// A settlement price.
pub(crate) fn settle(view: &View, request: &proto::SettleRequest) -> Checked<Command> {
    let (instrument, terms) = instrument(view, &request.symbol)?;
    let price = price_of(&terms, &request.price)?;
    Ok(Command::Settle(Settle { price, instrument, reserved: [0; 4] }))
}

/// A trade that is taken back.
pub(crate) fn bust_trade(request: &proto::BustTradeRequest) -> Checked<Command> {
    Ok(Command::AmendTrade(AmendTrade {
        order_id: order_number(request.order_id)?,
        exec_id: ExecId(request.exec_id),
        qty: Lots::ZERO,
        price: Ticks::ZERO,
        account: account(request.account)?,
        kind: AmendKind::Bust.wire(),
        reserved: [0; 3],
    }))
}

/// A trade that is put right.
pub(crate) fn correct_trade(view: &View, request: &proto::CorrectTradeRequest) -> Checked<Command> {
    let (instrument, terms) = instrument(view, &request.symbol)?;
    let order_id: OrderId = order_number(request.order_id)?;
    // Quantity and price would be read in the wrong units.
    if view.orders.get(&order_id).is_some_and(|order| order.record.instrument != instrument) {
        let text = format_args!("the order does not trade {}", terms.symbol).to_string();
        return Err(Refusal::invalid("symbol", text));
    }
    decimal_length("qty", &request.qty)?;
    let qty = terms.parse_qty(&request.qty).map_err(decimal_field("qty"))?;
    Ok(Command::AmendTrade(AmendTrade {
        order_id,
        exec_id: ExecId(request.exec_id),
        qty,
        price: price_of(&terms, &request.price)?,
        account: account(request.account)?,
        kind: AmendKind::Correct.wire(),
        reserved: [0; 3],
    }))
}

/// What an account is worth.
pub(crate) fn get_equity(request: &proto::GetEquityRequest) -> Checked<Command> {
    let account = account(request.account)?;
    Ok(Command::ReportEquity(ReportEquity { account, reserved: [0; 4] }))
}

/// A price of the feed's own unit.
fn price_of(terms: &Instrument, text: &str) -> Checked<Ticks> {
    decimal_length("price", text)?;
    tidegate_model::decimal::parse_ticks(text, terms.tick_size_nano).map_err(decimal_field("price"))
}

fn above_zero(field: &'static str, text: &str) -> Checked<Money> {
    match parse_money(text).map_err(|text| Refusal::invalid(field, text))? {
        amount if amount > Money::ZERO => Ok(amount),
        _ => Err(Refusal::invalid(field, format_args!("{} is not above 0", echo(text)))),
    }
}

fn not_negative(field: &'static str, text: &str) -> Checked<Money> {
    if text.is_empty() {
        return Ok(Money::ZERO);
    }
    match parse_money(text).map_err(|text| Refusal::invalid(field, text))? {
        amount if amount >= Money::ZERO => Ok(amount),
        _ => Err(Refusal::invalid(field, format_args!("{} is below 0", echo(text)))),
    }
}

/// A fraction in millionths, at least 0.
fn share(field: &'static str, text: &str) -> Checked<u32> {
    let millionths = scaled(field, text, 1_000)?;
    u32::try_from(millionths)
        .map_err(|_| Refusal::invalid(field, format_args!("{} is out of range", echo(text))))
}

/// A decimal number in units of so many 1e-9; empty is 0.
fn scaled(field: &'static str, text: &str, nano_per_unit: i64) -> Checked<i64> {
    let nano = nano(field, text, "0")?;
    if nano % nano_per_unit != 0 {
        let unit = tidegate_model::decimal::format_nano(nano_per_unit.into());
        let text = format_args!("{} is not a multiple of {unit}", echo(text)).to_string();
        return Err(Refusal::invalid(field, text));
    }
    Ok(nano / nano_per_unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_every_digit() {
        for (text, told) in [
            ("1.0835", Some((10_835, 4))),
            ("151", Some((151, 0))),
            ("0.000000000000000001", Some((1, 18))),
            ("1234567890123456789", Some((1_234_567_890_123_456_789, 0))),
            ("0.0066225165562913907", None),
            ("0", None),
            ("0.00", None),
            ("1.", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("1 ", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(rate_of(text), told, "{text}");
        }
    }

    #[test]
    fn shares_and_rates_are_exact() {
        assert_eq!(share("initial", "0.5").ok(), Some(500_000));
        assert_eq!(share("initial", "").ok(), Some(0));
        assert_eq!(share("initial", "10").ok(), Some(10_000_000));
        for bad in ["-0.1", "0.0000001", "5000", "half"] {
            assert!(share("initial", bad).is_err(), "{bad}");
        }
        assert_eq!(scaled("sell_rate", "0.0000278", 10).ok(), Some(2_780));
        assert!(scaled("sell_rate", "0.000000001", 10).is_err());
    }
}
