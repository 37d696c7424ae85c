//! What the engine says, in the protocol's words.

use super::amounts::{average_cost, average_price, format_rate, price_or_empty, qty, signed_qty};
use super::controls;
pub(crate) use super::rejects::reject;
use crate::link::{EventPosition, QueuePicture, QueuePlace};
use crate::view::{OrderView, RouteView, View};
use tidegate_client::proto;
use tidegate_client::proto::event::Body;
use tidegate_model::command::{CommandKind, RouteLink, SetLimits};
use tidegate_model::event::{
    Account, Ack, Equity, ExecType, Execution, ListStatus, OrdStatus, PhaseChange, Position,
    Posting, RouteDifference, RouteState,
};
use tidegate_model::instrument::{Settlement, format_money};
use tidegate_model::{
    AccountId, Event, EventRecord, Instrument, Lots, ReleaseLevel, SeqNo, Side, TickTable, Ticks,
    UnixNanos,
};

/// A position in the log, as the protocol has it.
pub(crate) fn position(at: EventPosition) -> proto::EventPosition {
    proto::EventPosition { seq: at.seq.0, ordinal: at.ordinal }
}

/// The position that a request names; the beginning if it names none.
pub(crate) fn position_of(at: Option<proto::EventPosition>) -> EventPosition {
    at.map_or_else(EventPosition::default, |at| EventPosition {
        seq: SeqNo(at.seq),
        ordinal: at.ordinal,
    })
}

fn of_record(record: &EventRecord) -> proto::EventPosition {
    proto::EventPosition { seq: record.seq.0, ordinal: record.ordinal }
}

/// An order after an event.
pub(crate) fn order(
    record: &EventRecord,
    execution: &Execution,
    instrument: &Instrument,
) -> proto::OrderReport {
    let is_trade = [ExecType::Trade, ExecType::TradeCancel, ExecType::TradeCorrect]
        .iter()
        .any(|exec_type| execution.exec_type == exec_type.wire());
    let has_limit = execution.price != Ticks::ZERO;
    proto::OrderReport {
        order_id: execution.order_id.0,
        client_order_id: execution.client_order_id.as_str().to_string(),
        account: record.account.0,
        symbol: instrument.symbol.as_str().to_string(),
        exec_type: execution.exec_type.into(),
        ord_status: execution.ord_status.into(),
        side: execution.side.into(),
        order_type: execution.order_type.into(),
        time_in_force: execution.time_in_force.into(),
        qty: qty(instrument, execution.qty),
        price: price_or_empty(instrument, execution.price, has_limit),
        cum_qty: qty(instrument, execution.cum_qty),
        leaves_qty: qty(instrument, execution.leaves_qty),
        avg_price: average_price(instrument, execution.cum_ticks_lots, execution.cum_qty.0.into()),
        last_qty: qty(instrument, execution.last_qty),
        last_price: price_or_empty(instrument, execution.last_price, is_trade),
        stop_price: execution
            .stop_price()
            .map_or_else(String::new, |stop| instrument.format_price(stop)),
        fee: format_money(execution.fee),
        currency: instrument.currency.as_str().to_string(),
        liquidity: execution.liquidity.into(),
        cancel_reason: execution.cancel_reason.into(),
        reject: execution.reject().map(|refused| reject(&refused, Some(instrument))),
        cause_seq: execution.cause_seq.0,
        cause_kind: execution.cause_kind.into(),
        exec_id: execution.exec_id.0,
        parent_id: execution.parent_id.0,
        fill_model: execution.fill_model.into(),
        queue_ahead_at_fill: qty(instrument, execution.queue_ahead_at_fill()),
        impact: instrument.format_price(execution.impact()),
        queue_ahead_at_entry: qty(instrument, execution.queue_ahead_at_entry),
        position: Some(of_record(record)),
        ts: record.ts.0,
        strategy: record.strategy.0.into(),
        release_level: proto::ReleaseLevel::Unspecified.into(),
    }
}

/// A report about an order whose instrument is not known: a refusal of an order that never was.
fn order_without_instrument(record: &EventRecord, execution: &Execution) -> proto::OrderReport {
    proto::OrderReport {
        order_id: execution.order_id.0,
        client_order_id: execution.client_order_id.as_str().to_string(),
        account: record.account.0,
        exec_type: execution.exec_type.into(),
        ord_status: execution.ord_status.into(),
        side: execution.side.into(),
        order_type: execution.order_type.into(),
        time_in_force: execution.time_in_force.into(),
        reject: execution.reject().map(|refused| reject(&refused, None)),
        position: Some(of_record(record)),
        ts: record.ts.0,
        strategy: record.strategy.0.into(),
        ..Default::default()
    }
}

/// An order after an event, whatever is known of its instrument.
pub(crate) fn any_order(
    view: &View,
    record: &EventRecord,
    execution: &Execution,
) -> proto::OrderReport {
    match view.instrument(record.instrument) {
        Some(instrument) => order(record, execution, instrument),
        None => order_without_instrument(record, execution),
    }
}

/// An order as it stands: a refused cancel or replace is not part of that.
pub(crate) fn standing_order(view: &View, standing: &OrderView) -> proto::OrderReport {
    let mut report = any_order(view, &standing.record, &standing.execution);
    if let (Some(stop), Some(terms)) =
        (standing.stop_price, view.instrument(standing.record.instrument))
    {
        report.stop_price = terms.format_price(stop);
    }
    if standing.execution.ord_status != OrdStatus::Rejected.wire() {
        report.reject = None;
    }
    report
}

/// The places of one account's orders.
pub(crate) fn queue(
    picture: &QueuePicture,
    account: AccountId,
    terms: &Instrument,
) -> proto::GetQueueResponse {
    let row = |side: Side, place: &QueuePlace| {
        let displayed = |lots: Option<Lots>| lots.map_or_else(String::new, |lots| qty(terms, lots));
        proto::QueuePlace {
            order_id: place.order.0,
            side: side.wire().into(),
            price: terms.format_price(place.price),
            leaves_qty: qty(terms, place.leaves),
            ahead: displayed(place.around.map(|(ahead, _)| ahead)),
            behind: displayed(place.around.map(|(_, behind)| behind)),
            level_qty: qty(terms, place.level),
        }
    };
    let of_side = |side: Side| {
        let own = picture.places[side.index()].iter().filter(|place| place.account == account);
        own.map(move |place| row(side, place))
    };
    proto::GetQueueResponse {
        places: [Side::Buy, Side::Sell].into_iter().flat_map(of_side).collect(),
        fill_model: picture.model.map_or(0, |model| model.wire().into()),
        seq: picture.seq.0,
        ts: picture.ts.0,
        truncated: picture.is_cut,
    }
}

/// A position, without a mark.
pub(crate) fn position_report(
    account: AccountId,
    held: &Position,
    instrument: &Instrument,
) -> proto::PositionReport {
    proto::PositionReport {
        account: account.0,
        symbol: instrument.symbol.as_str().to_string(),
        qty: signed_qty(instrument, held.qty.into()),
        cost: format_money(held.cost),
        avg_price: average_cost(instrument, held.cost, held.qty),
        realised: format_money(held.realised),
        fees: format_money(held.fees),
        bought: qty(instrument, held.bought),
        sold: qty(instrument, held.sold),
        mark_price: String::new(),
        unrealised: String::new(),
        currency: instrument.currency.as_str().to_string(),
    }
}

/// An account's cash in one currency.
pub(crate) fn account_report(account: AccountId, cash: &Account) -> proto::AccountReport {
    let base = if cash.base.is_empty() { cash.currency } else { cash.base };
    proto::AccountReport {
        account: account.0,
        currency: cash.currency.as_str().to_string(),
        cash: format_money(cash.cash),
        deposits: format_money(cash.deposits),
        realised: format_money(cash.realised),
        fees: format_money(cash.fees),
        dividends: format_money(cash.dividends),
        borrow: format_money(cash.borrow),
        conversions: format_money(cash.conversions),
        base_currency: base.as_str().to_string(),
    }
}

/// Cash that no execution and no transfer moved.
fn posting_report(
    account: AccountId,
    posting: &Posting,
    known: Option<&Instrument>,
) -> proto::PostingReport {
    let of_instrument = |is_there: bool, text: &dyn Fn(&Instrument) -> String| {
        known.filter(|_| is_there).map(text).unwrap_or_default()
    };
    proto::PostingReport {
        account: account.0,
        kind: posting.kind.into(),
        currency: posting.currency.as_str().to_string(),
        amount: format_money(posting.amount),
        symbol: of_instrument(true, &|terms| terms.symbol.as_str().to_string()),
        qty: of_instrument(posting.qty != 0, &|terms| signed_qty(terms, posting.qty.into())),
        price: of_instrument(posting.price.0 != 0, &|terms| terms.format_price(posting.price)),
    }
}

/// What an account is worth.
fn equity_report(account: AccountId, equity: &Equity) -> proto::EquityReport {
    proto::EquityReport {
        account: account.0,
        currency: equity.currency.as_str().to_string(),
        equity: format_money(equity.equity),
        unrealised: format_money(equity.unrealised),
        unmarked: equity.unmarked,
        initial_margin: format_money(equity.initial_margin),
        maintenance_margin: format_money(equity.maintenance_margin),
        excess_liquidity: format_money(equity.excess_liquidity),
    }
}

/// What an account is worth, as an answer.
pub(crate) fn equity(record: &EventRecord, worth: &Equity) -> proto::GetEquityResponse {
    proto::GetEquityResponse {
        equity: Some(equity_report(record.account, worth)),
        reject: None,
        position: Some(of_record(record)),
    }
}

/// How a route stands.
fn route_state(state: &RouteState) -> proto::RouteStateReport {
    proto::RouteStateReport {
        route: state.route.into(),
        link: state.link.into(),
        open_orders: state.open_orders,
        unsure_orders: state.unsure_orders,
    }
}

/// What differs between here and a venue.
fn route_difference(difference: &RouteDifference) -> proto::RouteDifferenceReport {
    proto::RouteDifferenceReport {
        route: difference.route.into(),
        kind: difference.kind.into(),
        order_id: difference.order_id.0,
        venue_order_id: difference.venue_order_id,
        here_lots: difference.here,
        there_lots: difference.there,
        settled: difference.settled != 0,
    }
}

/// A route as queries tell it.
pub(crate) fn route(
    view: &View,
    (number, name): (u8, &str),
    open_orders: u32,
    route: &RouteView,
) -> proto::RouteInfo {
    let link = RouteLink::Down.wire();
    let down = RouteState { open_orders, unsure_orders: 0, route: number, link, reserved: [0; 6] };
    let (state, since) = route.state.unwrap_or((down, UnixNanos::ZERO));
    let blocked = route.blocked.iter().filter_map(|(id, (difference, since))| {
        Some(proto::BlockedInstrument {
            symbol: view.instrument(*id)?.symbol.to_string(),
            difference: Some(route_difference(difference)),
            since: since.0,
        })
    });
    proto::RouteInfo {
        name: name.to_string(),
        state: Some(route_state(&state)),
        since: since.0,
        open_orders,
        differences: route.differences.iter().map(|(kind, n)| ((*kind).to_string(), *n)).collect(),
        blocked: blocked.collect(),
    }
}

/// The last step of a market of the house.
pub(crate) fn phase_report(change: &PhaseChange, instrument: &Instrument) -> proto::PhaseReport {
    proto::PhaseReport {
        symbol: instrument.symbol.as_str().to_string(),
        phase: change.phase.into(),
        before: change.before.into(),
        cause: change.cause.into(),
        reopen_at: change.reopen_at.0,
        last_price: price_or_empty(instrument, change.last_price, change.last_price != Ticks::ZERO),
    }
}

/// An instrument's terms.
pub(crate) fn instrument(terms: &Instrument, ticks: Option<&TickTable>) -> proto::Instrument {
    let nano = |nano: i64| tidegate_model::decimal::format_nano(nano.into());
    proto::Instrument {
        symbol: terms.symbol.as_str().to_string(),
        venue: terms.venue.as_str().to_string(),
        currency: terms.currency.as_str().to_string(),
        asset_class: terms.asset_class.into(),
        tick_size: nano(terms.tick_size_nano),
        lot_size: nano(terms.lot_size_nano),
        multiplier: nano(terms.multiplier_nano),
        order_tick: tidegate_model::decimal::format_ticks(
            terms.order_tick,
            terms.tick_size_nano,
            0,
        ),
        // Every price is at or above the lowest there is.
        order_tick_from: if terms.order_tick_from.0 == i64::MIN {
            "0".to_string()
        } else {
            terms.format_price(terms.order_tick_from)
        },
        order_lot: tidegate_model::decimal::format_lots(terms.order_lot, terms.lot_size_nano, 0),
        maker_fee_rate: format_rate(terms.maker_fee_e8),
        taker_fee_rate: format_rate(terms.taker_fee_e8),
        price_decimals: terms.price_scale.into(),
        qty_decimals: terms.qty_scale.into(),
        settlement: terms.settlement.max(Settlement::Paid.wire()).into(),
        tick_table: ticks.map(|table| table.format(terms.tick_size_nano)).unwrap_or_default(),
        venue_kind: terms.venue_kind.into(),
    }
}

/// An account's limits.
pub(crate) fn limits(limits: &SetLimits) -> proto::Limits {
    proto::Limits {
        account: limits.account.0,
        max_order_notional: format_money(limits.max_order_notional),
        credit: format_money(limits.credit),
        max_order_lots: limits.max_order_qty.0,
        max_position_lots: limits.max_position.0,
        price_collar_bp: limits.price_collar_bp,
        max_open_orders: limits.max_open_orders,
        messages_per_sec: limits.messages_per_sec,
        message_burst: limits.message_burst,
    }
}

/// A list of orders.
pub(crate) fn list(status: &ListStatus) -> proto::ListReport {
    proto::ListReport {
        list_id: status.list_id,
        contingency: status.contingency.into(),
        leg_count: status.leg_count.into(),
        status: status.status.into(),
        first_order_id: status.first_order_id.0,
        reject: status.reject().map(|refused| reject(&refused, None)),
    }
}

fn ack(ack: &Ack) -> proto::Ack {
    let command = CommandKind::from_wire(ack.command_kind).map_or("", CommandKind::as_str);
    proto::Ack {
        command: command.to_string(),
        value: ack.value,
        reject: ack.reject().map(|refused| reject(&refused, None)),
    }
}

/// What an answer has waited for.
pub(crate) fn level(level: ReleaseLevel) -> i32 {
    level.wire().into()
}

/// The answer to an administrative command; `proposal` waits for a second person, if it is not 0.
pub(crate) fn admin(
    record: &EventRecord,
    ack: &Ack,
    proposal: u64,
    waited_for: ReleaseLevel,
) -> proto::AdminResponse {
    proto::AdminResponse {
        release_level: level(waited_for),
        value: if proposal == 0 { ack.value } else { 0 },
        reject: ack.reject().map(|refused| reject(&refused, None)),
        position: Some(of_record(record)),
        proposal,
    }
}

/// An event, whole.
pub(crate) fn event(view: &View, record: &EventRecord) -> proto::Event {
    let known = view.instrument(record.instrument);
    let body = record.event().and_then(|event| {
        Some(match event {
            Event::Execution(execution) => Body::Execution(any_order(view, record, &execution)),
            Event::CancelReject(execution) => {
                Body::CancelReject(any_order(view, record, &execution))
            }
            Event::Position(held) => {
                Body::PositionReport(position_report(record.account, &held, known?))
            }
            Event::Account(cash) => Body::AccountReport(account_report(record.account, &cash)),
            Event::Instrument(terms) => Body::Instrument(instrument(&terms, None)),
            Event::TickTable(set) => {
                let table = TickTable::unpack(&set).ok().flatten();
                Body::TickTable(instrument(known?, table.as_ref()))
            }
            Event::Limits(set) => Body::Limits(limits(&set)),
            Event::Ack(done) => Body::Ack(ack(&done)),
            Event::KillSwitch(kill) => Body::KillSwitchReport(controls::kill_switch(view, &kill)),
            Event::Posting(posting) => {
                let known = known.map(|known| &**known);
                Body::PostingReport(posting_report(record.account, &posting, known))
            }
            Event::ListStatus(status) => Body::ListReport(list(&status)),
            Event::Equity(worth) => Body::EquityReport(equity_report(record.account, &worth)),
            Event::RouteState(state) => Body::RouteState(route_state(&state)),
            Event::RouteDifference(difference) => {
                Body::RouteDifference(route_difference(&difference))
            }
            Event::Phase(change) => Body::PhaseReport(phase_report(&change, known?)),
            Event::Principal(set) => Body::PrincipalReport(controls::principal(&set)),
            Event::Control(set) => Body::Control(controls::control(view, &set)),
            Event::Group(set) => Body::Group(controls::group(view, &set)),
            Event::Listed(set) => Body::Listed(controls::listed(view, &set)),
            Event::Factors(set) => Body::Factors(controls::factors(view, &set)),
            Event::Locate(set) => Body::Locate(controls::locate(view, &set)),
            Event::Proposal(proposal) => Body::Proposal(controls::proposal(view, &proposal)),
            Event::Verdict(verdict) => {
                let known = known.map(|known| &**known);
                Body::Verdict(controls::verdict(view, &verdict, known))
            }
            Event::Tripped(tripped) => Body::Tripped(controls::tripped(view, &tripped)),
        })
    });
    proto::Event {
        position: Some(of_record(record)),
        ts: record.ts.0,
        request_id: record.request_id,
        session: record.session.0,
        principal: record.principal.0,
        strategy: record.strategy.0.into(),
        account: (record.account != AccountId::NONE).then_some(record.account.0),
        symbol: known.map(|known| known.symbol.as_str().to_string()).unwrap_or_default(),
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::command::{FillModelKind, TimeInForce};
    use tidegate_model::event::{EventKind, Liquidity, PostingKind};
    use tidegate_model::market::TradingStatus;
    use tidegate_model::{RejectReason, Side};

    /// The protocol's numbers are the records' numbers, name by name: that is what lets them pass unchanged.
    #[test]
    fn enums_have_the_numbers_of_the_records() {
        fn check<M: Copy + std::fmt::Debug>(
            prefix: &str,
            all: &[M],
            wire: fn(M) -> u8,
            name: fn(M) -> &'static str,
            proto_name: fn(i32) -> Option<&'static str>,
        ) {
            for &value in all {
                let expected = format!("{prefix}_{}", name(value).to_uppercase());
                let found = proto_name(wire(value).into());
                assert_eq!(found, Some(expected.as_str()), "{value:?}");
            }
        }
        macro_rules! check {
            ($prefix:literal, $model:ty, $proto:ty) => {
                check($prefix, <$model>::ALL, <$model>::wire, <$model>::as_str, |n| {
                    <$proto>::try_from(n).ok().map(|v| v.as_str_name())
                })
            };
        }
        check!("SIDE", Side, proto::Side);
        check!("ORDER_TYPE", tidegate_model::command::OrderType, proto::OrderType);
        check!("TIME_IN_FORCE", TimeInForce, proto::TimeInForce);
        check!("EXEC_TYPE", ExecType, proto::ExecType);
        check!("ORD_STATUS", OrdStatus, proto::OrdStatus);
        check!("LIQUIDITY", Liquidity, proto::Liquidity);
        check!("FILL_MODEL", FillModelKind, proto::FillModel);
        check!(
            "MARKET_EVENT_KIND",
            tidegate_model::market::MarketEventKind,
            proto::MarketEventKind
        );
        check!("CANCEL_REASON", tidegate_model::event::CancelReason, proto::CancelReason);
        check!("REJECT_REASON", RejectReason, proto::RejectReason);
        check!("SETTLEMENT", Settlement, proto::Settlement);
        check!("ASSET_CLASS", tidegate_model::instrument::AssetClass, proto::AssetClass);
        check!("TRADING_STATUS", TradingStatus, proto::TradingStatus);
        check!("EVENT_KIND", EventKind, proto::EventKind);
        check!("CONTINGENCY", tidegate_model::command::Contingency, proto::Contingency);
        check!("LIST_ORDER_STATUS", tidegate_model::event::ListOrderStatus, proto::ListOrderStatus);
        check!("POSTING_KIND", PostingKind, proto::PostingKind);
        check!("ACCOUNT_KIND", tidegate_model::command::AccountKind, proto::AccountKind);
        check!("COST_METHOD", tidegate_model::command::CostMethod, proto::CostMethod);
        check!("ROUTE_LINK", tidegate_model::command::RouteLink, proto::RouteLink);
        check!(
            "ROUTE_DIFFERENCE_KIND",
            tidegate_model::event::RouteDifferenceKind,
            proto::RouteDifferenceKind
        );
        check!("PHASE", tidegate_model::command::Phase, proto::Phase);
        check!("PHASE_CAUSE", tidegate_model::event::PhaseCause, proto::PhaseCause);
        check!("PEG_KIND", tidegate_model::command::PegKind, proto::PegKind);
        check!("POST_ONLY", tidegate_model::command::PostOnly, proto::PostOnly);
        check!("SELF_TRADE", tidegate_model::command::SelfTrade, proto::SelfTrade);
        check!("SCOPE_KIND", tidegate_model::ScopeKind, proto::ScopeKind);
        check!("CONTROL_KIND", tidegate_model::command::ControlKind, proto::ControlKind);
        check!("REFERENCE_KIND", tidegate_model::command::ReferenceKind, proto::ReferenceKind);
        check!("ACTION", tidegate_model::command::Action, proto::Action);
        check!("ROLE", tidegate_model::command::Role, proto::Role);
        check!("KILL_MODE", tidegate_model::command::KillMode, proto::KillMode);
        check!("DECISION", tidegate_model::command::Decision, proto::Decision);
        check!("PROPOSAL_STATUS", tidegate_model::event::ProposalStatus, proto::ProposalStatus);
    }
}
