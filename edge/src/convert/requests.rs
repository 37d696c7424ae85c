//! What a caller asks for, checked field by field and put into the engine's words.

use super::amounts::parse_money;
use super::order_terms;
use crate::error::{Refusal, echo};
use crate::view::View;
use std::sync::Arc;
use tidegate_client::proto;
use tidegate_client::proto::{cancel_order_request, get_order_request, replace_order_request};
use tidegate_model::command::{
    AccountKind, CancelOrder, ConfirmPosition, CostMethod, FLAG_CANCEL_ON_DISCONNECT, MassCancel,
    NewOrder, OpenAccount, OrderType, ReplaceOrder, SetLimits, TimeInForce, Transfer,
};
use tidegate_model::ids::{Code, TextIdError};
use tidegate_model::instrument::{AssetClass, Settlement, venue_kind};
use tidegate_model::{
    AccountId, ClientOrderId, Command, DecimalError, Instrument, InstrumentId, Lots, OrderId, Side,
    StrategyId, Symbol, Ticks, decimal,
};

pub(super) type Checked<T> = Result<T, Refusal>;

/// An account number that can exist.
pub(crate) fn account(number: u32) -> Checked<AccountId> {
    if number as usize >= AccountId::COUNT_MAX {
        let max = AccountId::COUNT_MAX - 1;
        return Err(Refusal::invalid(
            "account",
            format_args!("{number} is out of range: 0 to {max}"),
        ));
    }
    Ok(AccountId(number))
}

/// What is wrong with a text of `field`. The error calls the text by its kind, which the field says already.
fn bad_text(field: &'static str, kind: &str, error: &TextIdError) -> Refusal {
    let text = error.to_string();
    let text = text.strip_prefix(kind).map_or(text.as_str(), str::trim_start);
    Refusal::invalid(field, text)
}

fn symbol_text(text: &str) -> Checked<Symbol> {
    Symbol::new(text).map_err(|error| bad_text("symbol", "symbol", &error))
}

/// A symbol that is defined.
pub(crate) fn instrument(view: &View, text: &str) -> Checked<(InstrumentId, Arc<Instrument>)> {
    let symbol = symbol_text(text)?;
    let (id, terms) = view.by_symbol(&symbol).ok_or_else(|| {
        let text =
            format_args!("'{symbol}' is not defined; ListInstruments says what is").to_string();
        Refusal::not_found("symbol", text)
    })?;
    Ok((id, Arc::clone(terms)))
}

/// Where a page of instruments begins; empty text: at the first.
pub(crate) fn symbol_from(field: &'static str, text: &str) -> Checked<Symbol> {
    if text.is_empty() {
        return Ok(Symbol::EMPTY);
    }
    Symbol::new(text).map_err(|error| bad_text(field, "symbol", &error))
}

fn client_order_id(text: &str) -> Checked<ClientOrderId> {
    ClientOrderId::new(text).map_err(|error| bad_text("client_order_id", "client_order_id", &error))
}

/// An order, by number or by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderName {
    pub order_id: OrderId,
    pub client_order_id: ClientOrderId,
}

/// The engine's number of an order.
pub(super) fn order_number(number: u64) -> Checked<OrderId> {
    match number {
        0 => Err(Refusal::invalid("order_id", "0 is no order; numbers begin at 1")),
        number => Ok(OrderId(number)),
    }
}

fn named(order_id: Option<u64>, client_id: Option<&str>) -> Checked<OrderName> {
    match (order_id, client_id) {
        (Some(id), _) => {
            let order_id = order_number(id)?;
            Ok(OrderName { order_id, client_order_id: ClientOrderId::EMPTY })
        }
        (None, Some(text)) => {
            Ok(OrderName { order_id: OrderId(0), client_order_id: client_order_id(text)? })
        }
        (None, None) => {
            Err(Refusal::invalid("order", "neither order_id nor client_order_id is given"))
        }
    }
}

/// The order that GetOrder asks for.
pub(crate) fn order_asked(order: Option<&get_order_request::Order>) -> Checked<OrderName> {
    match order {
        Some(get_order_request::Order::OrderId(id)) => named(Some(*id), None),
        Some(get_order_request::Order::ClientOrderId(text)) => named(None, Some(text)),
        None => named(None, None),
    }
}

macro_rules! wire_field {
    ($name:ident, $type:ty, $field:literal, $allowed:literal) => {
        fn $name(number: i32) -> Checked<$type> {
            u8::try_from(number).ok().and_then(<$type>::from_wire).ok_or_else(|| {
                Refusal::invalid($field, format_args!("{number} is not allowed: {}", $allowed))
            })
        }
    };
}
wire_field!(side, Side, "side", "SIDE_BUY (1) or SIDE_SELL (2)");
wire_field!(order_type, OrderType, "order_type", "ORDER_TYPE_MARKET (1) to ORDER_TYPE_PEGGED (10)");
wire_field!(account_kind, AccountKind, "kind", "ACCOUNT_KIND_CASH (1) or ACCOUNT_KIND_MARGIN (2)");
wire_field!(
    cost_method,
    CostMethod,
    "cost_method",
    "COST_METHOD_AVERAGE (1) or COST_METHOD_FIFO (2)"
);
wire_field!(
    time_in_force,
    TimeInForce,
    "time_in_force",
    "TIME_IN_FORCE_DAY (1) to TIME_IN_FORCE_AT_THE_CLOSE (7)"
);

pub(super) fn decimal_field(field: &'static str) -> impl Fn(DecimalError) -> Refusal {
    move |error| {
        // The text is the caller's: fit it to be repeated.
        Refusal::invalid(
            field,
            match error {
                DecimalError::Syntax(text) => DecimalError::Syntax(echo(&text)),
                other => other,
            },
        )
    }
}

/// Refuses what is too long to be a decimal: to call it malformed would hide the reason.
pub(super) fn decimal_length(field: &'static str, text: &str) -> Checked<()> {
    let (len, max) = (text.len(), decimal::TEXT_LEN_MAX);
    if len > max {
        let text = format_args!("has {len} bytes, at most {max} are allowed").to_string();
        return Err(Refusal::invalid(field, text));
    }
    Ok(())
}

fn order_qty(terms: &Instrument, text: &str) -> Checked<Lots> {
    units("qty", terms, text)
}

/// A quantity above 0 that orders may have.
pub(super) fn units(field: &'static str, terms: &Instrument, text: &str) -> Checked<Lots> {
    decimal_length(field, text)?;
    let qty = terms.parse_qty(text).map_err(decimal_field(field))?;
    if qty.0 == 0 {
        return Err(Refusal::invalid(field, format_args!("{} is not above 0", echo(text))));
    }
    if qty.0 % terms.order_lot.0 != 0 {
        let lot = decimal::format_lots(terms.order_lot, terms.lot_size_nano, 0);
        let text = format_args!("{} is not a multiple of the lot {lot}", echo(text)).to_string();
        return Err(Refusal::invalid(field, text));
    }
    Ok(qty)
}

/// A price that orders may have.
pub(super) fn order_price(field: &'static str, terms: &Instrument, text: &str) -> Checked<Ticks> {
    decimal_length(field, text)?;
    terms.parse_order_price(text).map_err(decimal_field(field))
}

/// A strategy that can exist; 0 is none.
fn strategy(number: u32) -> Checked<StrategyId> {
    let known = u16::try_from(number).ok().filter(|id| usize::from(*id) < StrategyId::COUNT_MAX);
    known.map(StrategyId).ok_or_else(|| {
        let max = StrategyId::COUNT_MAX - 1;
        Refusal::invalid("strategy", format_args!("{number} is out of range: 0 to {max}"))
    })
}

/// A new order.
pub(crate) fn new_order(view: &View, request: &proto::SubmitOrderRequest) -> Checked<Command> {
    let account = account(request.account)?;
    let (instrument, terms) = instrument(view, &request.symbol)?;
    let client_order_id = client_order_id(&request.client_order_id)?;
    let side = side(request.side)?;
    let order_type = order_type(request.order_type)?;
    let time_in_force = time_in_force(request.time_in_force)?;
    let qty = order_qty(&terms, &request.qty)?;
    let price = order_terms::limit(&terms, order_type, &request.price)?;
    let flags = if request.cancel_on_disconnect { FLAG_CANCEL_ON_DISCONNECT } else { 0 };
    let order = NewOrder {
        client_order_id,
        account,
        instrument,
        side: side.wire(),
        order_type: order_type.wire(),
        time_in_force: time_in_force.wire(),
        flags,
        qty,
        price,
        strategy: strategy(request.strategy)?,
        ..NewOrder::BLANK
    };
    order_terms::with_terms(order, &terms, order_type, request).map(Command::NewOrder)
}

/// A cancel.
pub(crate) fn cancel(request: &proto::CancelOrderRequest) -> Checked<Command> {
    use cancel_order_request::Order;
    let name = match &request.order {
        Some(Order::OrderId(id)) => named(Some(*id), None),
        Some(Order::ClientOrderId(text)) => named(None, Some(text)),
        None => named(None, None),
    }?;
    Ok(Command::CancelOrder(CancelOrder {
        client_order_id: name.client_order_id,
        order_id: name.order_id,
        account: account(request.account)?,
        reserved: [0; 4],
    }))
}

/// A replace.
pub(crate) fn replace(view: &View, request: &proto::ReplaceOrderRequest) -> Checked<Command> {
    use replace_order_request::Order;
    let name = match &request.order {
        Some(Order::OrderId(id)) => named(Some(*id), None),
        Some(Order::ClientOrderId(text)) => named(None, Some(text)),
        None => named(None, None),
    }?;
    let account = account(request.account)?;
    let (instrument, terms) = instrument(view, &request.symbol)?;
    // Quantity and price would be read in the wrong units.
    let known = match name.order_id {
        OrderId(0) => view.order_by_client_id(account, name.client_order_id),
        id => view.orders.get(&id),
    };
    if known.is_some_and(|order| order.record.instrument != instrument) {
        return Err(Refusal::invalid(
            "symbol",
            format_args!("the order does not trade {}", terms.symbol),
        ));
    }
    Ok(Command::ReplaceOrder(ReplaceOrder {
        client_order_id: name.client_order_id,
        order_id: name.order_id,
        account,
        reserved: [0; 4],
        qty: order_qty(&terms, &request.qty)?,
        price: match (request.price.as_str(), known) {
            ("", Some(order)) => {
                let kind = order_type(order.execution.order_type.into())?;
                order_terms::limit(&terms, kind, "")?
            }
            // The engine knows no such order either, and says so.
            ("", None) => Ticks::ZERO,
            (text, _) => order_price("price", &terms, text)?,
        },
        stop_price: match request.stop_price.as_str() {
            "" => Ticks::ZERO,
            text => order_price("stop_price", &terms, text)?,
        },
    }))
}

/// A mass cancel.
pub(crate) fn mass_cancel(view: &View, request: &proto::MassCancelRequest) -> Checked<Command> {
    Ok(Command::MassCancel(MassCancel {
        account: request.account.map_or(Ok(AccountId::NONE), account)?,
        instrument: match request.symbol.as_str() {
            "" => InstrumentId::NONE,
            text => instrument(view, text)?.0,
        },
        side: match request.side {
            0 => 0,
            number => side(number)?.wire(),
        },
        reserved: [0; 7],
    }))
}

pub(super) fn code(field: &'static str, text: &str) -> Checked<Code> {
    Code::new(text).map_err(|error| bad_text(field, "code", &error))
}

/// `text`, or `default` where it is empty, in 1e-9.
pub(super) fn nano(field: &'static str, text: &str, default: &str) -> Checked<i64> {
    decimal_length(field, text)?;
    decimal::parse_nano(or(text, default)).map_err(decimal_field(field))
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

/// An instrument's terms.
pub(crate) fn define(request: &proto::DefineInstrumentRequest) -> Checked<Command> {
    let Some(asked) = &request.instrument else {
        return Err(Refusal::invalid("instrument", "is missing"));
    };
    if !asked.tick_table.is_empty() {
        return Err(Refusal::invalid("tick_table", "must be empty; SetTickTable sets it"));
    }
    let above_zero = |field: &'static str, nano: i64| {
        if nano > 0 { Ok(nano) } else { Err(Refusal::invalid(field, "must be above 0")) }
    };
    let tick_size_nano = above_zero("tick_size", nano("tick_size", &asked.tick_size, "0.0001")?)?;
    let lot_size_nano = above_zero("lot_size", nano("lot_size", &asked.lot_size, "1")?)?;
    let multiplier_nano = above_zero("multiplier", nano("multiplier", &asked.multiplier, "1")?)?;
    let ticks = |field: &'static str, text: &str, default: Ticks| match text {
        "" => Ok(default),
        text => {
            decimal_length(field, text)?;
            decimal::parse_ticks(text, tick_size_nano).map_err(decimal_field(field))
        }
    };
    let order_lot = match asked.order_lot.as_str() {
        "" => Lots(1),
        text => {
            decimal_length("order_lot", text)?;
            decimal::parse_lots(text, lot_size_nano).map_err(decimal_field("order_lot"))?
        }
    };
    let rate = |field: &'static str, text: &str| match nano(field, text, "0")? {
        nano if nano % 10 == 0 => Ok(nano / 10),
        _ => Err(Refusal::invalid(
            field,
            format_args!("{} is not a multiple of 0.00000001", echo(text)),
        )),
    };
    let asset_class = match asked.asset_class {
        0 => AssetClass::Equity,
        number => u8::try_from(number).ok().and_then(AssetClass::from_wire).ok_or_else(|| {
            Refusal::invalid("asset_class", format_args!("{number} is not allowed: 1 to 5"))
        })?,
    };
    let settlement = match asked.settlement {
        0 => Settlement::Paid,
        number => u8::try_from(number).ok().and_then(Settlement::from_wire).ok_or_else(|| {
            Refusal::invalid("settlement", format_args!("{number} is not allowed: 1 or 2"))
        })?,
    };
    let venue_kind = match asked.venue_kind {
        0 => venue_kind::PAPER,
        number => u8::try_from(number)
            .ok()
            .filter(|kind| matches!(*kind, venue_kind::PAPER | venue_kind::INTERNAL))
            .ok_or_else(|| {
                Refusal::invalid("venue_kind", format_args!("{number} is not allowed: 1 or 2"))
            })?,
    };
    let decimals = |field: &'static str, number: u32| {
        u8::try_from(number).ok().filter(|&n| n <= 9).ok_or_else(|| {
            Refusal::invalid(field, format_args!("{number} is out of range: 0 to 9"))
        })
    };
    let terms = Instrument {
        venue: code("venue", or(&asked.venue, "XNAS"))?,
        currency: code("currency", or(&asked.currency, "USD"))?,
        tick_size_nano,
        lot_size_nano,
        multiplier_nano,
        order_tick: ticks("order_tick", &asked.order_tick, Ticks(1))?,
        order_tick_from: ticks("order_tick_from", &asked.order_tick_from, Ticks(0))?,
        order_lot,
        maker_fee_e8: rate("maker_fee_rate", &asked.maker_fee_rate)?,
        taker_fee_e8: rate("taker_fee_rate", &asked.taker_fee_rate)?,
        asset_class: asset_class.wire(),
        venue_kind,
        price_scale: decimals("price_decimals", asked.price_decimals)?,
        qty_scale: decimals("qty_decimals", asked.qty_decimals)?,
        settlement: settlement.wire(),
        ..Instrument::us_equity(symbol_text(&asked.symbol)?)
    };
    let checked = terms
        .checked()
        .map_err(|error| Refusal::invalid(error.field, format_args!("must be {}", error.must)))?;
    Ok(Command::DefineInstrument(checked))
}

/// A new account.
pub(crate) fn open_account(request: &proto::OpenAccountRequest) -> Checked<Command> {
    let currency = code("currency", &request.currency)?;
    // Unspecified is 0 on either side.
    let kind = if request.kind == 0 { 0 } else { account_kind(request.kind)?.wire() };
    let cost_method =
        if request.cost_method == 0 { 0 } else { cost_method(request.cost_method)?.wire() };
    let open = OpenAccount::of(account(request.account)?, currency);
    Ok(Command::OpenAccount(OpenAccount { kind, cost_method, ..open }))
}

/// Cash in or out.
pub(crate) fn transfer(request: &proto::TransferRequest) -> Checked<Command> {
    let amount = parse_money(&request.amount).map_err(|text| Refusal::invalid("amount", text))?;
    let mut transfer = Transfer::of_base(account(request.account)?, amount);
    if !request.currency.is_empty() {
        transfer.currency = code("currency", &request.currency)?;
    }
    Ok(Command::Transfer(transfer))
}

/// All limits of an account, without a reason.
pub(super) fn limits(asked: Option<&proto::Limits>) -> Checked<SetLimits> {
    let Some(asked) = asked else {
        return Err(Refusal::invalid("limits", "is missing"));
    };
    let money = |field: &'static str, text: &str| match parse_money(text) {
        Ok(amount) if amount.0 >= 0 => Ok(amount),
        Ok(_) => Err(Refusal::invalid(
            field,
            format_args!("{} is negative; a limit cannot be", echo(text)),
        )),
        Err(text) => Err(Refusal::invalid(field, text)),
    };
    Ok(SetLimits {
        max_order_notional: money("max_order_notional", &asked.max_order_notional)?,
        credit: money("credit", or(&asked.credit, "0"))?,
        max_order_qty: Lots(asked.max_order_lots),
        max_position: Lots(asked.max_position_lots),
        price_collar_bp: asked.price_collar_bp,
        max_open_orders: asked.max_open_orders,
        messages_per_sec: asked.messages_per_sec,
        message_burst: asked.message_burst,
        account: account(asked.account)?,
        ..SetLimits::default()
    })
}

/// A difference of positions is known.
pub(crate) fn confirm_position(
    view: &View,
    request: &proto::ConfirmPositionRequest,
) -> Checked<Command> {
    let (instrument, _) = instrument(view, &request.symbol)?;
    Ok(Command::ConfirmPosition(ConfirmPosition { instrument, reserved: [0; 4] }))
}

/// A page's size: 0 stands for `default`.
pub(crate) fn page_size(asked: u32, default: usize) -> Checked<usize> {
    /// Rows of one page: an answer stays far below the 4 MiB that clients accept.
    const PAGE_MAX: usize = 1_000;
    match asked as usize {
        0 => Ok(default),
        size if size <= PAGE_MAX => Ok(size),
        size => Err(Refusal::invalid(
            "page_size",
            format_args!("{size} is out of range: 1 to {PAGE_MAX}"),
        )),
    }
}
