//! The terms of a new order beyond its type, side, quantity and time in force. What goes together with what is the gate's and
//! the market's to say (`docs/rule-book.md`, rule 3.7); here a term becomes a number exactly, or is refused by its field's name.

use super::requests::{Checked, decimal_field, decimal_length, order_price, units};
use crate::error::{Refusal, echo};
use tidegate_client::proto;
use tidegate_client::proto::submit_order_request::Trail;
use tidegate_model::command::{
    FLAG_HIDDEN, NewOrder, OrderType, PPM_PER_UNIT, PegKind, PostOnly, SelfTrade, TrailUnit,
};
use tidegate_model::{Instrument, Lots, Ticks, UnixNanos, decimal};

/// 1e-9 per cent in one millionth of the whole: a share of a price has so many of them.
const NANO_PERCENT_PER_PPM: i64 = 100_000;

/// A share in per cent, in millionths, from 0 to all of it.
pub(super) fn percent(field: &'static str, text: &str) -> Checked<u32> {
    decimal_length(field, text)?;
    let nano = decimal::parse_nano(text).map_err(decimal_field(field))?;
    let ppm = nano / NANO_PERCENT_PER_PPM;
    match u32::try_from(ppm) {
        Ok(share) if ppm <= PPM_PER_UNIT && nano % NANO_PERCENT_PER_PPM == 0 => Ok(share),
        _ => Err(Refusal::invalid(
            field,
            format_args!("{} is not allowed: 0 to 100, at most 4 decimals", echo(text)),
        )),
    }
}

/// Whether an order of this type has a limit price: always, never, or as it likes.
enum Limit {
    Needed,
    Possible,
    None,
}

fn limit_of(order_type: OrderType) -> Limit {
    use OrderType as T;
    match order_type {
        T::Limit | T::StopLimit | T::LimitIfTouched => Limit::Needed,
        T::TrailingStopLimit | T::Pegged => Limit::Possible,
        T::Market | T::Stop | T::MarketToLimit | T::MarketIfTouched | T::TrailingStop => {
            Limit::None
        }
    }
}

/// The limit price of an order of this type; 0 if it has none.
pub(super) fn limit(terms: &Instrument, order_type: OrderType, text: &str) -> Checked<Ticks> {
    match (limit_of(order_type), text) {
        (Limit::Needed, "") => {
            Err(Refusal::invalid("price", format!("is empty; a {order_type} order needs one")))
        }
        (Limit::None, text) if !text.is_empty() => {
            Err(Refusal::invalid("price", format!("must be empty for a {order_type} order")))
        }
        (_, "") => Ok(Ticks::ZERO),
        (_, text) => order_price("price", terms, text),
    }
}

/// The order with all its further terms.
pub(super) fn with_terms(
    order: NewOrder,
    terms: &Instrument,
    order_type: OrderType,
    request: &proto::SubmitOrderRequest,
) -> Checked<NewOrder> {
    let needed = |field: &'static str, is_missing: bool| match is_missing {
        true => Err(Refusal::invalid(field, format!("is missing; a {order_type} order needs one"))),
        false => Ok(()),
    };
    needed(
        "stop_price",
        order_type.waits() && !order_type.trails() && request.stop_price.is_empty(),
    )?;
    needed("trail", order_type.trails() && request.trail.is_none())?;
    needed("peg", order_type == OrderType::Pegged && request.peg == 0)?;
    let is_unlimited = request.price.is_empty() && request.offset.is_empty();
    needed("price", order_type == OrderType::TrailingStopLimit && is_unlimited)?;
    let (trail_unit, trail) = trail(terms, request.trail.as_ref())?;
    Ok(NewOrder {
        stop_price: match request.stop_price.as_str() {
            "" => Ticks::ZERO,
            text => order_price("stop_price", terms, text)?,
        },
        trail_unit,
        trail,
        peg: instruction("peg", request.peg, PegKind::from_wire, PegKind::wire)?,
        post_only: instruction(
            "post_only",
            request.post_only,
            PostOnly::from_wire,
            PostOnly::wire,
        )?,
        self_trade: instruction(
            "self_trade",
            request.self_trade,
            SelfTrade::from_wire,
            SelfTrade::wire,
        )?,
        offset: match request.offset.as_str() {
            "" => Ticks::ZERO,
            text => ticks("offset", terms, text)?,
        },
        flags: order.flags | if request.hidden { FLAG_HIDDEN } else { 0 },
        display_qty: lots("display_qty", terms, &request.display_qty)?,
        min_qty: lots("min_qty", terms, &request.min_qty)?,
        expire_at: UnixNanos(request.expire_at),
        ..order
    })
}

fn trail(terms: &Instrument, asked: Option<&Trail>) -> Checked<(u8, i64)> {
    let (unit, field, text, count) = match asked {
        None => return Ok((0, 0)),
        Some(Trail::TrailAmount(text)) => {
            (TrailUnit::Ticks, "trail_amount", text, ticks("trail_amount", terms, text)?.0)
        }
        Some(Trail::TrailPercent(text)) => {
            (TrailUnit::Ppm, "trail_percent", text, percent("trail_percent", text)?.into())
        }
    };
    if count <= 0 || (unit == TrailUnit::Ppm && count >= PPM_PER_UNIT) {
        let allowed = if unit == TrailUnit::Ppm { "above 0 and below 100" } else { "above 0" };
        return Err(Refusal::invalid(
            field,
            format_args!("{} is not allowed: {allowed}", echo(text)),
        ));
    }
    Ok((unit.wire(), count))
}

fn ticks(field: &'static str, terms: &Instrument, text: &str) -> Checked<Ticks> {
    decimal_length(field, text)?;
    decimal::parse_ticks(text, terms.tick_size_nano).map_err(decimal_field(field))
}

/// A part of the order's quantity; 0 if the text is empty.
fn lots(field: &'static str, terms: &Instrument, text: &str) -> Checked<Lots> {
    if text.is_empty() { Ok(Lots::ZERO) } else { units(field, terms, text) }
}

/// The number of an instruction, which is that of the engine's own records; 0 if none is given.
fn instruction<T>(
    field: &'static str,
    number: i32,
    from_wire: fn(u8) -> Option<T>,
    wire: fn(T) -> u8,
) -> Checked<u8> {
    if number == 0 {
        return Ok(0);
    }
    let known = u8::try_from(number).ok().and_then(from_wire);
    known.map(wire).ok_or_else(|| {
        Refusal::invalid(field, format_args!("{number} is not one of the values it may have"))
    })
}
