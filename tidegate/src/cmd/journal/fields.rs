//! Records of a journal as named fields: the one place that knows what `cat` and `export` print.

use super::risk::{risk_command, risk_event, strategy};
use std::fmt::Write as _;
use tidegate_journal::frame::{
    KIND_CHECKPOINT, KIND_COMMAND, KIND_EVENT, KIND_MARKET_EVENT, KIND_PRUNED, KIND_SEAL, Pruned,
};
use tidegate_journal::{Checkpoint, Record, Seal, SealReason};
use tidegate_model::command::{
    AccountKind, Algorithm, AmendKind, CommandKind, Contingency, CorporateActionKind, CostMethod,
    FillModelKind, LatencyLeg, LatencyModel, NewOrder, OrderType, Phase, RouteLink,
    RouteReportKind, SetLimits, SetTickTable, TimeInForce,
};
use tidegate_model::event::{
    Ack, CancelReason, EventKind, ExecType, Execution, Liquidity, ListOrderStatus, OrdStatus,
    PhaseCause, PostingKind, RouteDifferenceKind,
};
use tidegate_model::instrument::{AssetClass, Settlement};
use tidegate_model::market::MarketEventKind;
use tidegate_model::{
    AccountId, Command, CommandRecord, Event, EventRecord, Instrument, InstrumentId, MarketEvent,
    RejectReason, ScopeKind, Side, TickTable,
};

/// A field's value, as it came.
pub(super) enum Value {
    Unsigned(u64),
    Signed(i64),
    Wide(i128),
    Word(&'static str),
    Text(String),
}

impl Value {
    /// The value as plain text.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Unsigned(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Wide(value) => value.to_string(),
            Self::Word(value) => (*value).to_string(),
            Self::Text(value) => value.clone(),
        }
    }
}

macro_rules! into_value {
    ($($from:ty => $variant:ident,)+) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self { Self::$variant(value.into()) }
        })+
    };
}

into_value! {
    u8 => Unsigned, u16 => Unsigned, u32 => Unsigned, u64 => Unsigned,
    i64 => Signed, i128 => Wide, &'static str => Word, String => Text,
}

/// Names with their units, and values.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Adds `name = value` pairs.
macro_rules! put {
    ($fields:expr, $($name:literal = $value:expr),+ $(,)?) => {
        $fields.extend([$(($name, Value::from($value))),+])
    };
}

pub(super) use put;

/// The name of a value on the wire, `-` for 0, or the number if no name is assigned.
macro_rules! name_of {
    ($type:ty, $wire:expr) => {
        match (<$type>::from_wire($wire), $wire) {
            (Some(value), _) => Value::Word(value.as_str()),
            (None, 0) => Value::Word("-"),
            (None, wire) => Value::Unsigned(wire.into()),
        }
    };
}

pub(super) use name_of;

/// Takes a record apart into `fields` and returns what it is. A payload that is not what its kind says, or is of a kind
/// of a later version, comes as hexadecimal.
pub(super) fn decode(record: &Record<'_>, fields: &mut Fields) -> &'static str {
    let decoded = match record.kind {
        KIND_MARKET_EVENT => record.pod().map(|event| market_event(&event, fields)),
        KIND_COMMAND => record.pod().map(|command| self::command(&command, fields)),
        KIND_EVENT => record.pod().map(|event| self::event(&event, fields)),
        KIND_CHECKPOINT => record.pod().map(|checkpoint: Checkpoint| {
            put!(fields, "state_hash" = checkpoint.hash.to_string());
            Some("checkpoint")
        }),
        KIND_SEAL => record.pod().map(|seal: Seal| {
            let reason = SealReason::from_wire(seal.reason).map_or("-", SealReason::as_str);
            put!(
                fields,
                "frame_count" = seal.frame_count,
                "reason" = reason,
                "cut_bytes" = seal.cut_bytes
            );
            Some("seal")
        }),
        KIND_PRUNED => record.pod().map(|pruned: Pruned| {
            put!(fields, "pruned_count" = pruned.count);
            Some("pruned")
        }),
        _ => Ok(None),
    };
    if let Ok(Some(name)) = decoded {
        return name;
    }
    fields.clear();
    let mut hex = String::with_capacity(record.payload.len() * 2);
    for byte in record.payload {
        let _ = write!(hex, "{byte:02x}");
    }
    put!(fields, "kind_number" = record.kind, "payload_hex" = hex);
    "unknown"
}

fn market_event(event: &MarketEvent, fields: &mut Fields) -> Option<&'static str> {
    let kind = MarketEventKind::from_wire(event.kind)?;
    put!(
        fields,
        "ts_event_ns" = event.ts_event.0,
        "ts_recv_ns" = event.ts_recv.0,
        "channel_id" = event.channel_id
    );
    if let Some(definition) = event.definition() {
        put!(
            fields,
            "symbol" = definition.symbol.to_string(),
            "tick_size_nano" = definition.tick_size_nano,
            "lot_size_nano" = definition.lot_size_nano,
            "price_scale" = definition.price_scale,
            "flags" = definition.flags
        );
        return Some(kind.as_str());
    }
    put!(
        fields,
        "side" = name_of!(Side, event.side),
        "price_ticks" = event.price.0,
        "qty_lots" = event.qty.0,
        "order_ref" = event.order_ref,
        "aux" = event.aux,
        "flags" = event.flags,
        "feed_seq" = event.feed_seq
    );
    Some(kind.as_str())
}

pub(super) fn account(id: AccountId) -> Value {
    if id == AccountId::NONE { Value::Word("-") } else { Value::from(id.0) }
}

pub(super) fn instrument(id: InstrumentId) -> Value {
    if id == InstrumentId::NONE { Value::Word("-") } else { Value::from(id.0) }
}

fn command(record: &CommandRecord, fields: &mut Fields) -> Option<&'static str> {
    let command = record.command()?;
    put!(
        fields,
        "ts_recv_ns" = record.ts_recv.0,
        "principal" = record.principal.0,
        "session" = record.session.0,
        "request_id" = record.request_id
    );
    command_fields(&command, fields);
    CommandKind::from_wire(record.kind).map(CommandKind::as_str)
}

/// A new order, or one that is only looked at.
pub(super) fn order_fields(body: &NewOrder, fields: &mut Fields) {
    put!(
        fields,
        "account" = account(body.account),
        "instrument" = instrument(body.instrument),
        "strategy" = strategy(body.strategy),
        "client_order_id" = body.client_order_id.to_string(),
        "side" = name_of!(Side, body.side),
        "order_type" = name_of!(OrderType, body.order_type),
        "time_in_force" = name_of!(TimeInForce, body.time_in_force),
        "flags" = body.flags,
        "qty_lots" = body.qty.0,
        "price_ticks" = body.price.0,
        "stop_price_ticks" = body.stop_price.0,
        "list_id" = body.list_id,
        "leg" = body.leg
    );
}

/// The body of a command.
pub(super) fn command_fields(command: &Command, fields: &mut Fields) {
    match command {
        Command::SetPrincipal(_)
        | Command::SetControl(_)
        | Command::SetLimits(_)
        | Command::KillSwitch(_)
        | Command::SetGroup(_)
        | Command::SetListed(_)
        | Command::SetFactors(_)
        | Command::GrantLocate(_)
        | Command::Enable(_)
        | Command::Decide(_)
        | Command::CheckOrder(_) => {
            risk_command(command, fields);
        }
        Command::NewOrder(body) => order_fields(body, fields),
        Command::NewAlgorithm(body) => put!(
            fields,
            "account" = account(body.account),
            "list_id" = body.list_id,
            "algorithm" = name_of!(Algorithm, body.algorithm),
            "start_at_ns" = body.start_at.0,
            "end_at_ns" = body.end_at.0,
            "interval_ns" = body.interval_ns,
            "slice_lots" = body.slice_qty.0,
            "rate_bp" = body.rate_bp,
            "curve" = body.curve
        ),
        Command::SetVolumeCurve(body) => put!(
            fields,
            "curve" = body.curve,
            "begin_ns" = body.begin_ns,
            "bucket_ns" = body.bucket_ns,
            "buckets" = body.bucket_count
        ),
        Command::Flatten(body) => put!(
            fields,
            "account" = account(body.account),
            "instrument" = instrument(body.instrument),
            "at_ns" = body.at.0
        ),
        Command::NewList(body) => put!(
            fields,
            "account" = account(body.account),
            "list_id" = body.list_id,
            "contingency" = name_of!(Contingency, body.contingency),
            "leg_count" = body.leg_count
        ),
        Command::CancelOrder(body) => put!(
            fields,
            "account" = account(body.account),
            "client_order_id" = body.client_order_id.to_string(),
            "order_id" = body.order_id.0
        ),
        Command::ReplaceOrder(body) => put!(
            fields,
            "account" = account(body.account),
            "client_order_id" = body.client_order_id.to_string(),
            "order_id" = body.order_id.0,
            "qty_lots" = body.qty.0,
            "price_ticks" = body.price.0
        ),
        Command::MassCancel(body) => put!(
            fields,
            "account" = account(body.account),
            "instrument" = instrument(body.instrument),
            "side" = name_of!(Side, body.side)
        ),
        Command::DefineInstrument(body) => instrument_fields(body, fields),
        Command::OpenAccount(body) => put!(
            fields,
            "account" = account(body.account),
            "currency" = body.currency.to_string(),
            "cost_method" = name_of!(CostMethod, body.cost_method),
            "account_kind" = name_of!(AccountKind, body.kind)
        ),
        Command::Transfer(body) => put!(
            fields,
            "account" = account(body.account),
            "amount_e18" = body.amount.0,
            "currency" = body.currency.to_string()
        ),
        Command::Configure(body) => put!(
            fields,
            "paper_latency_ns" = body.paper_latency_ns,
            "orders_max" = body.orders_max,
            "book_orders_max" = body.book_orders_max
        ),
        Command::SetLatency(body) => put!(
            fields,
            "latency_leg" = name_of!(LatencyLeg, body.leg),
            "latency_model" = name_of!(LatencyModel, body.model),
            "latency_ns" = body.constant_ns,
            "seed" = body.seed
        ),
        Command::AddLatencyPoints(body) => {
            let count = usize::from(body.count).min(body.points.len());
            let points = body.points[..count].iter().map(|p| format!("{}:{}", p.at, p.ns));
            put!(
                fields,
                "latency_leg" = name_of!(LatencyLeg, body.leg),
                "latency_points_ns" = points.collect::<Vec<_>>().join(" ")
            );
        }
        Command::SetFillModel(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "fill_model" = name_of!(FillModelKind, body.model),
            "flags" = body.flags,
            "exponent_e3" = body.exponent_e3,
            "volume_share_bp" = body.volume_share_bp,
            "log_unit_lots" = body.log_unit.0
        ),
        Command::SetImpact(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "volatility_e6" = body.volatility_e6,
            "daily_volume_lots" = body.daily_volume.0,
            "half_life_ns" = body.half_life_ns,
            "coefficient_e4" = body.coefficient_e4
        ),
        Command::SessionClosed | Command::Time | Command::DayRoll => {}
        Command::SetRate(_)
        | Command::Convert(_)
        | Command::ReportEquity(_)
        | Command::SetFees(_)
        | Command::AssignFees(_)
        | Command::SetMargin(_)
        | Command::SetBorrow(_)
        | Command::CorporateAction(_)
        | Command::Settle(_)
        | Command::AmendTrade(_) => account_command(command, fields),
        Command::SetPhase(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "phase" = name_of!(Phase, body.phase),
            "due_at_ns" = body.due_at.0
        ),
        Command::SetBands(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "static_ppm" = body.static_ppm,
            "dynamic_ppm" = body.dynamic_ppm,
            "pause_ns" = body.pause_ns
        ),
        Command::SetReference(body) => {
            put!(fields, "instrument" = instrument(body.instrument), "price_ticks" = body.price.0)
        }
        Command::SetTickTable(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "tick_table_ticks" = tick_table(body)
        ),
        Command::RouteReport(_)
        | Command::RouteStatus(_)
        | Command::RoutePosition(_)
        | Command::ConfirmPosition(_) => route_command(command, fields),
    }
}

/// The bodies of the commands about what accounts hold.
fn account_command(command: &Command, fields: &mut Fields) {
    match command {
        Command::SetRate(body) => put!(
            fields,
            "from" = body.from.to_string(),
            "to" = body.to.to_string(),
            "rate" = body.mantissa,
            "rate_scale" = body.scale
        ),
        Command::Convert(body) => put!(
            fields,
            "account" = account(body.account),
            "from" = body.from.to_string(),
            "to" = body.to.to_string(),
            "amount_e18" = body.amount.0,
            "received_e18" = body.received.0
        ),
        Command::ReportEquity(body) => put!(fields, "account" = account(body.account)),
        Command::SetFees(body) => put!(
            fields,
            "schedule" = body.schedule,
            "maker_fee_e8" = body.maker_e8,
            "taker_fee_e8" = body.taker_e8,
            "maker_per_lot_nano" = body.maker_per_lot_nano,
            "taker_per_lot_nano" = body.taker_per_lot_nano,
            "per_trade_nano" = body.per_trade_nano,
            "trade_min_nano" = body.trade_min_nano,
            "trade_max_nano" = body.trade_max_nano,
            "order_min_nano" = body.order_min_nano,
            "order_max_nano" = body.order_max_nano,
            "sell_fee_e8" = body.sell_e8,
            "sell_per_lot_nano" = body.sell_per_lot_nano,
            "sell_per_lot_max_nano" = body.sell_per_lot_max_nano,
            "sell_round_nano" = body.sell_round_nano
        ),
        Command::AssignFees(body) => put!(
            fields,
            "account" = account(body.account),
            "instrument" = instrument(body.instrument),
            "schedule" = body.schedule
        ),
        Command::SetMargin(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "initial_e6" = body.initial_e6,
            "maintenance_e6" = body.maintenance_e6,
            "initial_per_lot_e18" = body.initial_per_lot.0,
            "maintenance_per_lot_e18" = body.maintenance_per_lot.0
        ),
        Command::SetBorrow(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "rate_e6" = body.rate_e6,
            "days_per_year" = body.days_per_year
        ),
        Command::CorporateAction(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "action" = name_of!(CorporateActionKind, body.kind),
            "amount_e18" = body.amount.0,
            "price_ticks" = body.price.0,
            "numerator" = body.numerator,
            "denominator" = body.denominator
        ),
        Command::Settle(body) => {
            put!(fields, "instrument" = instrument(body.instrument), "price_ticks" = body.price.0)
        }
        Command::AmendTrade(body) => put!(
            fields,
            "account" = account(body.account),
            "order_id" = body.order_id.0,
            "exec_id" = body.exec_id.0,
            "action" = name_of!(AmendKind, body.kind),
            "qty_lots" = body.qty.0,
            "price_ticks" = body.price.0
        ),
        _ => unreachable!("the caller passes these only"),
    }
}

/// The bodies of what comes back on a live route.
fn route_command(command: &Command, fields: &mut Fields) {
    match command {
        Command::RouteReport(body) => put!(
            fields,
            "route" = body.route,
            "route_report" = name_of!(RouteReportKind, body.kind),
            "order_id" = body.order_id.0,
            "attempt" = body.attempt,
            "venue_order_id" = body.venue_order_id,
            "venue_exec_id" = body.exec_id,
            "venue_code" = body.code,
            "qty_lots" = body.qty.0,
            "price_ticks" = body.price.0,
            "cum_qty_lots" = body.cum_qty.0,
            "fee_e18" = body.fee.0,
            "liquidity" = name_of!(Liquidity, body.liquidity),
            "flags" = body.flags,
            "cursor" = format!("{}.{}", body.cursor[0], body.cursor[1])
        ),
        Command::RouteStatus(body) => put!(
            fields,
            "route" = body.route,
            "link" = name_of!(RouteLink, body.link),
            "cursor" = format!("{}.{}", body.cursor[0], body.cursor[1])
        ),
        Command::RoutePosition(body) => put!(
            fields,
            "route" = body.route,
            "symbol" = body.symbol.to_string(),
            "there_lots" = body.qty
        ),
        Command::ConfirmPosition(body) => {
            put!(fields, "instrument" = instrument(body.instrument))
        }
        _ => unreachable!("the caller passes these only"),
    }
}

fn event(record: &EventRecord, fields: &mut Fields) -> Option<&'static str> {
    let event = record.event()?;
    put!(
        fields,
        "ts_ns" = record.ts.0,
        "input_seq" = record.seq.0,
        "ordinal" = record.ordinal,
        "principal" = record.principal.0,
        "session" = record.session.0,
        "request_id" = record.request_id,
        "account" = account(record.account),
        "instrument" = instrument(record.instrument),
        "strategy" = strategy(record.strategy)
    );
    let mut body = Vec::new();
    event_fields(&event, &mut body);
    // What the body names as well, the head need not.
    fields.retain(|(name, _)| !body.iter().any(|(other, _)| other == name));
    fields.append(&mut body);
    EventKind::from_wire(record.kind).map(EventKind::as_str)
}

/// The body of an event.
fn event_fields(event: &Event, fields: &mut Fields) {
    match event {
        Event::Principal(_)
        | Event::Control(_)
        | Event::Limits(_)
        | Event::KillSwitch(_)
        | Event::Group(_)
        | Event::Listed(_)
        | Event::Factors(_)
        | Event::Locate(_)
        | Event::Proposal(_)
        | Event::Verdict(_)
        | Event::Tripped(_) => {
            risk_event(event, fields);
        }
        Event::Execution(body) | Event::CancelReject(body) => execution_fields(body, fields),
        Event::Position(body) => put!(
            fields,
            "position_lots" = body.qty,
            "cost_e18" = body.cost.0,
            "realised_e18" = body.realised.0,
            "fees_e18" = body.fees.0,
            "bought_lots" = body.bought.0,
            "sold_lots" = body.sold.0
        ),
        Event::Account(body) => put!(
            fields,
            "cash_e18" = body.cash.0,
            "deposits_e18" = body.deposits.0,
            "realised_e18" = body.realised.0,
            "fees_e18" = body.fees.0,
            "currency" = body.currency.to_string(),
            "base" = body.base.to_string(),
            "dividends_e18" = body.dividends.0,
            "borrow_e18" = body.borrow.0,
            "conversions_e18" = body.conversions.0
        ),
        Event::Instrument(body) => instrument_fields(body, fields),
        Event::Ack(body) => ack_fields(body, fields),
        Event::Posting(body) => put!(
            fields,
            "posting" = name_of!(PostingKind, body.kind),
            "amount_e18" = body.amount.0,
            "currency" = body.currency.to_string(),
            "position_lots" = body.qty,
            "price_ticks" = body.price.0
        ),
        Event::ListStatus(body) => {
            put!(
                fields,
                "list_id" = body.list_id,
                "contingency" = name_of!(Contingency, body.contingency),
                "leg_count" = body.leg_count,
                "list_status" = name_of!(ListOrderStatus, body.status),
                "parent_id" = body.first_order_id.0
            );
            reject_fields(body.reject_reason, body.reject_limit, body.reject_value, fields);
        }
        Event::RouteState(body) => put!(
            fields,
            "route" = body.route,
            "link" = name_of!(RouteLink, body.link),
            "open_orders" = body.open_orders,
            "unsure_orders" = body.unsure_orders
        ),
        Event::RouteDifference(body) => put!(
            fields,
            "route" = body.route,
            "difference" = name_of!(RouteDifferenceKind, body.kind),
            "order_id" = body.order_id.0,
            "venue_order_id" = body.venue_order_id,
            "here_lots" = body.here,
            "there_lots" = body.there,
            "settled" = body.settled
        ),
        Event::Equity(body) => put!(
            fields,
            "equity_e18" = body.equity.0,
            "unrealised_e18" = body.unrealised.0,
            "currency" = body.currency.to_string(),
            "unmarked" = body.unmarked,
            "initial_margin_e18" = body.initial_margin.0,
            "maintenance_margin_e18" = body.maintenance_margin.0,
            "excess_liquidity_e18" = body.excess_liquidity.0
        ),
        Event::TickTable(body) => put!(fields, "tick_table_ticks" = tick_table(body)),
        Event::Phase(body) => put!(
            fields,
            "phase" = name_of!(Phase, body.phase),
            "before" = name_of!(Phase, body.before),
            "cause" = name_of!(PhaseCause, body.cause),
            "reopen_at_ns" = body.reopen_at.0,
            "last_price_ticks" = body.last_price.0
        ),
    }
}

fn execution_fields(body: &Execution, fields: &mut Fields) {
    put!(
        fields,
        "exec_type" = name_of!(ExecType, body.exec_type),
        "ord_status" = name_of!(OrdStatus, body.ord_status),
        "order_id" = body.order_id.0,
        "client_order_id" = body.client_order_id.to_string(),
        "side" = name_of!(Side, body.side),
        "order_type" = name_of!(OrderType, body.order_type),
        "time_in_force" = name_of!(TimeInForce, body.time_in_force),
        "price_ticks" = body.price.0,
        "qty_lots" = body.qty.0,
        "cum_qty_lots" = body.cum_qty.0,
        "leaves_qty_lots" = body.leaves_qty.0,
        "last_qty_lots" = body.last_qty.0,
        "last_price_ticks" = body.last_price.0,
        "cum_ticks_lots" = body.cum_ticks_lots,
        "fee_e18" = body.fee.0,
        "liquidity" = name_of!(Liquidity, body.liquidity),
        "queue_ahead_lots" = body.queue_ahead_at_entry.0,
        "queue_ahead_at_fill_lots" = body.queue_ahead_at_fill().0,
        "impact_ticks" = body.impact().0,
        "fill_model" = name_of!(FillModelKind, body.fill_model),
        "cause_seq" = body.cause_seq.0,
        "cause_kind" = name_of!(MarketEventKind, body.cause_kind),
        "exec_id" = body.exec_id.0,
        "parent_id" = body.parent_id.0,
        "cancel_reason" = name_of!(CancelReason, body.cancel_reason),
        "reject_scope" = name_of!(ScopeKind, body.reject_scope)
    );
    reject_fields(body.reject_reason, body.reject_limit, body.reject_value, fields);
}

pub(super) fn reject_fields(reason: u8, limit: i128, value: i128, fields: &mut Fields) {
    put!(
        fields,
        "reject_reason" = name_of!(RejectReason, reason),
        "reject_limit" = limit,
        "reject_value" = value
    );
}

fn ack_fields(body: &Ack, fields: &mut Fields) {
    put!(
        fields,
        "command_kind" = name_of!(CommandKind, body.command_kind),
        "value" = body.value,
        "reject_scope" = name_of!(ScopeKind, body.reject_scope)
    );
    reject_fields(body.reject_reason, body.reject_limit, body.reject_value, fields);
}

pub(super) fn limits_fields(body: &SetLimits, fields: &mut Fields) {
    put!(
        fields,
        "account" = account(body.account),
        "max_order_qty_lots" = body.max_order_qty.0,
        "max_order_notional_e18" = body.max_order_notional.0,
        "credit_e18" = body.credit.0,
        "max_position_lots" = body.max_position.0,
        "price_collar_bp" = body.price_collar_bp,
        "max_open_orders" = body.max_open_orders,
        "messages_per_sec" = body.messages_per_sec,
        "message_burst" = body.message_burst
    );
}

fn instrument_fields(body: &Instrument, fields: &mut Fields) {
    put!(
        fields,
        "symbol" = body.symbol.to_string(),
        "venue" = body.venue.to_string(),
        "currency" = body.currency.to_string(),
        "tick_size_nano" = body.tick_size_nano,
        "lot_size_nano" = body.lot_size_nano,
        "multiplier_nano" = body.multiplier_nano,
        "order_tick_ticks" = body.order_tick.0,
        "order_tick_from_ticks" = body.order_tick_from.0,
        "order_lot_lots" = body.order_lot.0,
        "maker_fee_e8" = body.maker_fee_e8,
        "taker_fee_e8" = body.taker_fee_e8,
        "asset_class" = name_of!(AssetClass, body.asset_class),
        "venue_kind" = body.venue_kind,
        "settlement" = name_of!(Settlement, body.settlement),
        "price_scale" = body.price_scale,
        "qty_scale" = body.qty_scale
    );
}

/// The bands of a tick table, from:step in ticks; empty if it has none, or they make no table.
fn tick_table(set: &SetTickTable) -> String {
    let table = TickTable::unpack(set).ok().flatten();
    // Where a tick is a whole unit, its number is its price.
    table.map(|table| table.format(tidegate_model::units::NANO)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::columns::COLUMNS;
    use super::*;
    use tidegate_model::SeqNo;

    /// A payload of zeros of which only the byte that names its kind is set.
    fn payloads(kind: u8, len: usize, kind_at: usize, wires: Vec<u8>) -> Vec<(u8, Vec<u8>)> {
        let of = |wire| {
            let mut payload = vec![0; len];
            payload[kind_at] = wire;
            (kind, payload)
        };
        wires.into_iter().map(of).collect()
    }

    #[test]
    fn every_field_has_a_column() {
        let market = MarketEventKind::ALL.iter().map(|kind| kind.wire()).collect();
        let commands = CommandKind::ALL.iter().map(|kind| kind.wire()).collect();
        let events = EventKind::ALL.iter().map(|kind| kind.wire()).collect();
        let mut payloads = [
            payloads(KIND_MARKET_EVENT, size_of::<MarketEvent>(), 0, market),
            payloads(KIND_COMMAND, size_of::<CommandRecord>(), 0, commands),
            payloads(KIND_EVENT, size_of::<EventRecord>(), 12, events),
        ]
        .concat();
        payloads.push((KIND_CHECKPOINT, vec![0; 16]));
        payloads.push((KIND_SEAL, vec![0; 24]));
        payloads.push((KIND_PRUNED, vec![0; 8]));
        payloads.push((99, vec![1, 2]));
        for (kind, payload) in payloads {
            let record = Record {
                seq: SeqNo(1),
                kind,
                payload: &payload,
                segment: 1,
                offset: 128,
                behaviour_version: 1,
                epoch: 0,
            };
            let mut fields = Vec::new();
            let name = decode(&record, &mut fields);
            assert_eq!(name == "unknown", kind == 99, "{kind} is {name}");
            for (index, (field, _)) in fields.iter().enumerate() {
                assert!(COLUMNS.contains(field), "{name}: {field} has no column");
                let twice = fields[..index].iter().any(|(other, _)| other == field);
                assert!(!twice, "{name}: {field} comes twice");
            }
        }
    }

    #[test]
    fn a_payload_of_the_wrong_size_is_shown_as_bytes() {
        let payload = [0xab, 0x01];
        let record = Record {
            seq: SeqNo(1),
            kind: KIND_COMMAND,
            payload: &payload,
            segment: 1,
            offset: 128,
            behaviour_version: 1,
            epoch: 0,
        };
        let mut fields = Vec::new();
        assert_eq!(decode(&record, &mut fields), "unknown");
        assert!(fields.iter().any(|(_, value)| value.text() == "ab01"));
    }
}
