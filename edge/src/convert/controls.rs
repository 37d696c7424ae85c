//! Controls, proposals and what stands still, in the protocol's words; and each of them in one sentence.

use super::amounts::{hundredths, price_or_empty, qty, reject_amounts};
use super::rejects::reject_text;
use super::reports;
use super::risk::Unit;
use crate::view::{View, asked_for, is_off, scopes_of, text_of};
use std::fmt::Write as _;
use tidegate_client::proto;
use tidegate_client::proto::proposal_report::Asked;
use tidegate_model::command::{
    Action, CommandKind, ControlKind, FLAG_HIDDEN, GrantLocate, KillMode, KillSwitch, MAY_CONTROL,
    MAY_ESTIMATE, MAY_TRADE, NewOrder, OrderType, PegKind, PostOnly, ReferenceKind, Role,
    SelfTrade, SetControl, SetFactors, SetGroup, SetLimits, SetListed, SetPrincipal, TimeInForce,
    TrailUnit,
};
use tidegate_model::event::{OrdStatus, Proposal, ProposalStatus, Tripped, Verdict};
use tidegate_model::instrument::format_money;
use tidegate_model::{
    AccountId, Command, Event, EventRecord, Instrument, InstrumentId, Lots, Money, Reject,
    RejectReason, Scope, ScopeKind, Side, StrategyId, Ticks, decimal,
};

/// A scope.
pub(crate) fn scope(view: &View, scope: Scope) -> proto::Scope {
    let is_instrument = scope.scope_kind() == Some(ScopeKind::Instrument);
    proto::Scope {
        kind: scope.kind.into(),
        id: if is_instrument { 0 } else { scope.id },
        symbol: if is_instrument { symbol(view, InstrumentId(scope.id)) } else { String::new() },
    }
}

fn scope_text(view: &View, scope: Scope) -> String {
    match scope.scope_kind() {
        Some(ScopeKind::Instrument) => {
            format!("instrument:{}", symbol(view, InstrumentId(scope.id)))
        }
        _ => scope.to_string(),
    }
}

/// The symbol behind a number, or the number where nothing is defined.
fn symbol(view: &View, id: InstrumentId) -> String {
    view.instrument(id).map_or_else(|| id.to_string(), |terms| terms.symbol.to_string())
}

/// A limit, or what met it, in what its control counts.
fn amount(control: u8, amount: i128) -> String {
    match ControlKind::from_wire(control).map(Unit::of) {
        Some(Unit::Money) => format_money(Money(amount)),
        Some(Unit::Hundredths) => hundredths(amount),
        Some(Unit::Number | Unit::Switch) | None => amount.to_string(),
    }
}

/// A control.
pub(crate) fn control(view: &View, set: &SetControl) -> proto::Control {
    let is_volatility = set.control == ControlKind::Volatility.wire();
    let is_off = is_off(set);
    proto::Control {
        scope: Some(scope(view, set.scope)),
        control: set.control.into(),
        limit: if is_off { String::new() } else { amount(set.control, set.limit) },
        window_ns: set.window_ns,
        hold_ns: set.hold_ns,
        count: set.count,
        action: set.action.into(),
        reference: if is_volatility { 0 } else { set.option.into() },
        whole_market: is_volatility && set.option == 1,
        off: is_off,
        reason: set.reason.as_str().to_string(),
    }
}

/// Who a principal is.
pub(crate) fn principal(set: &SetPrincipal) -> proto::PrincipalReport {
    let may = |permission: u8| set.permissions & permission != 0;
    proto::PrincipalReport {
        principal: set.principal.0,
        name: text_of(&set.name),
        role: set.role.into(),
        may_trade: may(MAY_TRADE),
        may_control: may(MAY_CONTROL),
        may_estimate: may(MAY_ESTIMATE),
        account: (set.account != AccountId::NONE).then_some(set.account.0),
        strategy: set.strategy.0.into(),
    }
}

/// A member of a group.
pub(crate) fn group(view: &View, set: &SetGroup) -> proto::GroupReport {
    proto::GroupReport {
        member: Some(scope(view, set.member)),
        group: set.group,
        reason: set.reason.as_str().to_string(),
    }
}

/// An instrument on a list, or off it.
pub(crate) fn listed(view: &View, set: &SetListed) -> proto::ListedReport {
    proto::ListedReport {
        symbol: symbol(view, set.instrument),
        list: set.list.into(),
        listed: set.listed != 0,
        reason: set.reason.as_str().to_string(),
    }
}

/// The factors of an instrument.
pub(crate) fn factors(view: &View, set: &SetFactors) -> proto::FactorsReport {
    let text = |e6: &i32| decimal::format_scaled((*e6).into(), 6, 0);
    proto::FactorsReport {
        symbol: symbol(view, set.instrument),
        loadings: set.loadings_e6.iter().map(text).collect(),
    }
}

fn qty_text(view: &View, id: InstrumentId, lots: Lots) -> String {
    view.instrument(id).map_or_else(|| lots.to_string(), |terms| qty(terms, lots))
}

/// What was located.
pub(crate) fn locate(view: &View, set: &GrantLocate) -> proto::LocateReport {
    proto::LocateReport {
        account: set.account.0,
        symbol: symbol(view, set.instrument),
        qty: qty_text(view, set.instrument, set.qty),
        reason: set.reason.as_str().to_string(),
    }
}

/// A kill switch.
pub(crate) fn kill_switch(view: &View, kill: &KillSwitch) -> proto::KillSwitchReport {
    proto::KillSwitchReport {
        scope: Some(scope(view, kill.whom())),
        engaged: kill.engaged != 0,
        mode: kill.mode.max(KillMode::Block.wire()).into(),
        reason: kill.reason.as_str().to_string(),
    }
}

/// What one control says of an order of `instrument`.
pub(crate) fn verdict(
    view: &View,
    verdict: &Verdict,
    instrument: Option<&Instrument>,
) -> proto::Verdict {
    let reason = RejectReason::from_wire(verdict.reason);
    let (limit, value, code, text) = match reason {
        None => (verdict.limit.to_string(), verdict.value.to_string(), "", String::new()),
        Some(reason) => {
            let reject = Reject {
                scope: verdict.scope.scope_kind(),
                ..Reject::new(reason, verdict.limit, verdict.value)
            };
            let (limit, value) = reject_amounts(&reject, instrument);
            let text = reject_text(&reject, &limit, &value);
            (limit, value, reason.as_str(), text)
        }
    };
    let passes = verdict.passes != 0;
    proto::Verdict {
        scope: Some(scope(view, verdict.scope)),
        reason: verdict.reason.into(),
        code: code.to_string(),
        limit,
        value,
        passes,
        text: if passes { String::new() } else { text },
    }
}

/// A control that stopped a scope, or lets it go on.
pub(crate) fn tripped(view: &View, tripped: &Tripped) -> proto::TrippedReport {
    proto::TrippedReport {
        scope: Some(scope(view, tripped.scope)),
        control: tripped.control.into(),
        action: tripped.action.into(),
        limit: amount(tripped.control, tripped.limit),
        value: amount(tripped.control, tripped.value),
        until: tripped.until.0,
        stopped: tripped.stopped != 0,
        reason: tripped.reason.as_str().to_string(),
    }
}

/// A proposal.
pub(crate) fn proposal(view: &View, proposal: &Proposal) -> proto::ProposalReport {
    let asked = asked_for(proposal);
    let kind = CommandKind::from_wire(proposal.command_kind).map_or("", CommandKind::as_str);
    let summary = asked.as_ref().map(|asked| summary(view, asked)).unwrap_or_default();
    let [whom, _] = scopes_of(&Event::Proposal(*proposal));
    proto::ProposalReport {
        number: proposal.number,
        hash: format!("{:016x}", proposal.hash),
        status: proposal.status.into(),
        lapses_at: proposal.lapses_at.0,
        proposer: proposal.proposer.0,
        decider: proposal.decider.0,
        command: kind.to_string(),
        summary,
        scope: whom.map(|whom| scope(view, whom)),
        reason: asked.as_ref().map(reason_of_command).unwrap_or_default(),
        asked: asked.and_then(|asked| {
            Some(match asked {
                Command::SetControl(set) => Asked::Control(control(view, &set)),
                Command::SetLimits(set) => Asked::Limits(reports::limits(&set)),
                Command::KillSwitch(kill) => Asked::KillSwitch(kill_switch(view, &kill)),
                Command::NewOrder(order) => Asked::Order(order_that_waits(view, &order)),
                _ => return None,
            })
        }),
    }
}

/// An order that has no number yet.
fn order_that_waits(view: &View, order: &NewOrder) -> proto::OrderReport {
    let terms = view.instrument(order.instrument);
    let price = |price: Ticks| {
        terms.map(|terms| price_or_empty(terms, price, price != Ticks::ZERO)).unwrap_or_default()
    };
    proto::OrderReport {
        client_order_id: order.client_order_id.to_string(),
        account: order.account.0,
        symbol: symbol(view, order.instrument),
        ord_status: OrdStatus::PendingApproval.wire().into(),
        side: order.side.into(),
        order_type: order.order_type.into(),
        time_in_force: order.time_in_force.into(),
        qty: qty_text(view, order.instrument, order.qty),
        price: price(order.price),
        stop_price: price(order.stop_price),
        strategy: order.strategy.0.into(),
        ..Default::default()
    }
}

/// A change of risk for its history; `None` of an event that is none.
pub(crate) fn history_entry(view: &View, record: &EventRecord) -> Option<proto::HistoryEntry> {
    let event = record.event()?;
    let [whom, _] = scopes_of(&event);
    Some(proto::HistoryEntry {
        event: Some(reports::event(view, record)),
        name: view.risk.name(record.principal),
        scope: whom.map(|whom| scope(view, whom)),
        text: change_text(view, &event)?,
        reason: reason_of(&event),
    })
}

/// Why, in the words of whoever asked.
fn reason_of(event: &Event) -> String {
    let reason = match event {
        Event::Control(set) => &set.reason,
        Event::Limits(set) => &set.reason,
        Event::Group(set) => &set.reason,
        Event::Listed(set) => &set.reason,
        Event::Locate(set) => &set.reason,
        Event::KillSwitch(kill) => &kill.reason,
        Event::Tripped(tripped) => &tripped.reason,
        Event::Proposal(proposal) => {
            return asked_for(proposal).as_ref().map(reason_of_command).unwrap_or_default();
        }
        _ => return String::new(),
    };
    reason.as_str().to_string()
}

fn reason_of_command(command: &Command) -> String {
    let reason = match command {
        Command::SetControl(set) => &set.reason,
        Command::SetLimits(set) => &set.reason,
        Command::SetGroup(set) => &set.reason,
        Command::SetListed(set) => &set.reason,
        Command::GrantLocate(set) => &set.reason,
        Command::KillSwitch(kill) => &kill.reason,
        Command::Enable(enable) => &enable.reason,
        _ => return String::new(),
    };
    reason.as_str().to_string()
}

/// A change in one sentence.
fn change_text(view: &View, event: &Event) -> Option<String> {
    Some(match event {
        Event::Principal(set) => principal_text(set),
        Event::Control(set) => summary(view, &Command::SetControl(*set)),
        Event::Limits(set) => summary(view, &Command::SetLimits(*set)),
        Event::Group(set) => summary(view, &Command::SetGroup(*set)),
        Event::Listed(set) => summary(view, &Command::SetListed(*set)),
        Event::Locate(set) => summary(view, &Command::GrantLocate(*set)),
        Event::KillSwitch(kill) => summary(view, &Command::KillSwitch(*kill)),
        Event::Tripped(tripped) => tripped_text(view, tripped),
        Event::Proposal(proposal) => {
            let status = ProposalStatus::from_wire(proposal.status);
            let status = status.map_or("unknown", ProposalStatus::as_str);
            let asked = asked_for(proposal).map(|asked| summary(view, &asked));
            format!("proposal {} is {status}: {}", proposal.number, asked.unwrap_or_default())
        }
        _ => return None,
    })
}

fn principal_text(set: &SetPrincipal) -> String {
    let role = Role::from_wire(set.role).map_or("principal", Role::as_str);
    let rights = [(MAY_TRADE, "trade"), (MAY_CONTROL, "control"), (MAY_ESTIMATE, "estimate")];
    let rights: Vec<_> = rights
        .iter()
        .filter(|(permission, _)| set.permissions & permission != 0)
        .map(|(_, name)| *name)
        .collect();
    let rights = if rights.is_empty() { "do nothing".to_string() } else { rights.join(", ") };
    format!("principal:{} is the {role} '{}', who may {rights}", set.principal, text_of(&set.name))
}

fn tripped_text(view: &View, tripped: &Tripped) -> String {
    let whose = scope_text(view, tripped.scope);
    let control = ControlKind::from_wire(tripped.control).map_or("a control", ControlKind::as_str);
    if tripped.stopped == 0 {
        return format!("{whose} goes on: {control} no longer stops it");
    }
    let [limit, value] =
        [tripped.limit, tripped.value].map(|figure| amount(tripped.control, figure));
    let action = Action::from_wire(tripped.action).map_or("stop", Action::as_str);
    format!("{control} stopped {whose} ({action}): {value} met the limit {limit}")
}

/// What a command about risk asks for, all of it, in one sentence.
fn summary(view: &View, command: &Command) -> String {
    match command {
        Command::SetControl(set) => control_text(view, set),
        Command::SetLimits(set) => limits_text(set),
        Command::SetGroup(SetGroup { member, group: 0, .. }) => {
            format!("{} is in no group", scope_text(view, *member))
        }
        Command::SetGroup(SetGroup { member, group, .. }) => {
            format!("{} is in group:{group}", scope_text(view, *member))
        }
        Command::SetListed(SetListed { instrument, list, listed, .. }) => {
            let place = if *listed == 0 { "off" } else { "on" };
            format!("{} is {place} list {list}", symbol(view, *instrument))
        }
        Command::GrantLocate(GrantLocate { qty, account, instrument, .. }) => format!(
            "{} {} are located for account:{account}",
            qty_text(view, *instrument, *qty),
            symbol(view, *instrument)
        ),
        Command::KillSwitch(kill) => {
            let whose = scope_text(view, kill.whom());
            let mode = KillMode::from_wire(kill.mode).unwrap_or(KillMode::Block);
            match kill.engaged {
                0 => format!("the kill switch of {whose} is released"),
                _ => format!("the kill switch of {whose} is engaged ({mode})"),
            }
        }
        Command::Enable(enable) => format!("{} is enabled", scope_text(view, enable.scope)),
        Command::NewOrder(order) => order_text(view, order),
        other => CommandKind::from_wire(tidegate_model::CommandRecord::new(*other).kind)
            .map_or("", CommandKind::as_str)
            .to_string(),
    }
}

/// A span in its largest unit that divides it.
fn span(ns: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let fits = UNITS.iter().find(|(unit, _)| ns.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{ns}ns"), |(unit, name)| format!("{}{name}", ns / unit))
}

fn control_text(view: &View, set: &SetControl) -> String {
    use ControlKind as K;
    let whose = scope_text(view, set.scope);
    let Some(control) = K::from_wire(set.control) else {
        return format!("control {} of {whose}", set.control);
    };
    let limit = amount(set.control, set.limit);
    if is_off(set) {
        let list = if control == K::RestrictedList { format!(" {limit}") } else { String::new() };
        return format!("{control}{list} of {whose} is taken away");
    }
    let mut text = format!("{control} of {whose} is ");
    // Writing into a string cannot fail.
    let _ = match control {
        K::MaxOrderQty | K::PositionLong | K::PositionShort | K::ShortSale | K::SelfTrade => {
            write!(text, "{limit} lots")
        }
        K::PriceCollar
        | K::WindowCollar
        | K::Concentration
        | K::LiquidationDistance
        | K::Volatility => write!(text, "{limit} bp"),
        K::FatFinger => write!(text, "{limit} times the average"),
        K::MessageRate => write!(text, "{limit} a second"),
        K::RestrictedList | K::AllowedList => write!(text, "list {limit}"),
        K::StaleMarket => write!(text, "{}", u64::try_from(set.limit).map_or(limit, span)),
        K::CancelOnDisconnect | K::ReduceOnly => write!(text, "on"),
        K::Sides => {
            let sides = ["neither side", "buy only", "sell only", "both sides"];
            let at = usize::try_from(set.limit).ok();
            write!(text, "{}", at.and_then(|at| sides.get(at)).unwrap_or(&"unknown"))
        }
        K::ExpiresAt => write!(text, "{limit} (UTC ns)"),
        _ => write!(text, "{limit}"),
    };
    if set.count != 0 {
        let _ = write!(text, ", count {}", set.count);
    }
    if set.window_ns != 0 {
        let _ = write!(text, ", window {}", span(set.window_ns));
    }
    if control == K::Volatility {
        text.push_str(if set.option == 1 { ", the whole market" } else { "" });
    } else if let Some(reference) = ReferenceKind::from_wire(set.option) {
        let _ = write!(text, ", from {reference}");
    }
    if let Some(action) = Action::from_wire(set.action) {
        let _ = write!(text, ", then {action}");
    }
    if set.hold_ns != 0 {
        let _ = write!(text, " for {}", span(set.hold_ns));
    }
    text
}

fn limits_text(set: &SetLimits) -> String {
    format!(
        "limits of account:{}: max_order_notional {}, credit {}, max_order_lots {}, max_position_lots {}, price_collar_bp {}, \
         max_open_orders {}, messages_per_sec {}, message_burst {}",
        set.account,
        format_money(set.max_order_notional),
        format_money(set.credit),
        set.max_order_qty,
        set.max_position,
        set.price_collar_bp,
        set.max_open_orders,
        set.messages_per_sec,
        set.message_burst
    )
}

/// An order, every term of it.
fn order_text(view: &View, order: &NewOrder) -> String {
    let terms = view.instrument(order.instrument).map(|terms| &**terms);
    let price =
        |ticks: Ticks| terms.map_or_else(|| ticks.to_string(), |terms| terms.format_price(ticks));
    let lots = |lots: Lots| qty_text(view, order.instrument, lots);
    let side = Side::from_wire(order.side).map_or("?", Side::as_str);
    let order_type = OrderType::from_wire(order.order_type).map_or("?", OrderType::as_str);
    let time_in_force = TimeInForce::from_wire(order.time_in_force);
    let mut text =
        format!("{side} {} {} {order_type}", lots(order.qty), symbol(view, order.instrument));
    // Writing into a string cannot fail.
    if order.price != Ticks::ZERO {
        let _ = write!(text, " {}", price(order.price));
    }
    let _ = write!(text, " {}", time_in_force.map_or("?", TimeInForce::as_str));
    let _ = write!(text, " for account:{}", order.account);
    if order.strategy != StrategyId::NONE {
        let _ = write!(text, ", strategy:{}", order.strategy);
    }
    let notional = terms.and_then(|terms| terms.notional(order.price, order.qty));
    if let Some(notional) = notional.filter(|_| order.price != Ticks::ZERO) {
        let _ = write!(text, ", notional {}", format_money(notional));
    }
    if order.stop_price != Ticks::ZERO {
        let _ = write!(text, ", stop price {}", price(order.stop_price));
    }
    match TrailUnit::from_wire(order.trail_unit) {
        Some(TrailUnit::Ppm) => {
            let percent = decimal::format_scaled(order.trail.into(), 4, 0);
            let _ = write!(text, ", trailing by {percent} per cent");
        }
        Some(TrailUnit::Ticks) => {
            let _ = write!(text, ", trailing by {}", price(Ticks(order.trail)));
        }
        None => {}
    }
    if let Some(peg) = PegKind::from_wire(order.peg) {
        let _ = write!(text, ", pegged to {peg}");
    }
    if order.offset != Ticks::ZERO {
        let _ = write!(text, ", offset {}", price(order.offset));
    }
    if let Some(post_only) = PostOnly::from_wire(order.post_only) {
        let _ = write!(text, ", post-only ({post_only})");
    }
    if let Some(self_trade) = SelfTrade::from_wire(order.self_trade) {
        let _ = write!(text, ", self-trade {self_trade}");
    }
    for (name, lot) in [("displaying", order.display_qty), ("at least", order.min_qty)] {
        if lot != Lots::ZERO {
            let _ = write!(text, ", {name} {}", lots(lot));
        }
    }
    if order.flags & FLAG_HIDDEN != 0 {
        text.push_str(", hidden");
    }
    if order.expire_at.0 != 0 {
        let _ = write!(text, ", until {} (UTC ns)", order.expire_at);
    }
    let _ = write!(text, ", named '{}'", order.client_order_id);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use tidegate_model::{ClientOrderId, EventRecord, PrincipalId, SeqNo, Symbol, UnixNanos};

    fn view() -> View {
        let mut view = View::new(1);
        let share = Instrument::us_equity(Symbol::new("AAPL").expect("a symbol"));
        let mut record =
            EventRecord::new(&Event::Instrument(share.checked().expect("sound terms")));
        record.instrument = InstrumentId(4);
        record.seq = SeqNo(1);
        view.apply(&record);
        view
    }

    #[test]
    fn a_summary_has_all_that_is_asked_for() {
        let view = view();
        let control = |control: ControlKind, limit: i128, scope: Scope| SetControl {
            limit,
            scope,
            control: control.wire(),
            ..SetControl::zeroed()
        };
        let account = Scope::account(AccountId(3));
        let check = |set: SetControl, expected: &str| {
            assert_eq!(summary(&view, &Command::SetControl(set)), expected);
        };
        check(
            control(ControlKind::MaxOrderNotional, 25_000 * 10i128.pow(18), account),
            "max_order_notional of account:3 is 25000.00",
        );
        check(
            SetControl {
                off: 1,
                ..control(ControlKind::MaxOrderQty, 0, Scope::instrument(InstrumentId(4)))
            },
            "max_order_qty of instrument:AAPL is taken away",
        );
        check(
            SetControl { count: 20, ..control(ControlKind::MessageRate, 100, Scope::FIRM) },
            "message_rate of firm is 100 a second, count 20",
        );
        check(
            SetControl {
                window_ns: 300_000_000_000,
                hold_ns: 1_500_000_000,
                option: 1,
                action: Action::Cancel.wire(),
                ..control(ControlKind::Volatility, 500, Scope::instrument(InstrumentId(4)))
            },
            "volatility of instrument:AAPL is 500 bp, window 5m, the whole market, then cancel for 1500ms",
        );
        check(
            control(ControlKind::Sides, 2, Scope::principal(PrincipalId(7))),
            "sides of principal:7 is sell only",
        );
        check(
            control(ControlKind::StaleMarket, 500_000_000, Scope::FIRM),
            "stale_market of firm is 500ms",
        );
        let order = NewOrder {
            client_order_id: ClientOrderId::new("a-1").expect("a name"),
            account: AccountId(3),
            instrument: InstrumentId(4),
            side: Side::Buy.wire(),
            order_type: OrderType::Limit.wire(),
            time_in_force: TimeInForce::Gtd.wire(),
            qty: Lots(500),
            price: Ticks(1_900_000),
            strategy: StrategyId(5),
            display_qty: Lots(50),
            expire_at: UnixNanos(9),
            flags: FLAG_HIDDEN,
            ..NewOrder::BLANK
        };
        assert_eq!(
            summary(&view, &Command::NewOrder(order)),
            "buy 500 AAPL limit 190.0000 gtd for account:3, strategy:5, notional 95000.00, displaying 50, hidden, \
             until 9 (UTC ns), named 'a-1'"
        );
    }

    /// What is told of a control is what sets it again.
    #[test]
    fn a_control_comes_back_as_it_was_told() {
        let view = view();
        for &kind in ControlKind::ALL {
            let set = SetControl {
                limit: if Unit::of(kind) == Unit::Switch { 0 } else { 3 },
                window_ns: 7,
                hold_ns: 8,
                scope: Scope::instrument(InstrumentId(4)),
                count: 9,
                control: kind.wire(),
                action: Action::Flatten.wire(),
                option: 1,
                off: 0,
                reason: tidegate_model::command::Reason::new("because").expect("a reason"),
            };
            let told = control(&view, &set);
            let request = proto::SetControlRequest { control: Some(told) };
            let read = super::super::risk::set_control(&view, &request);
            assert_eq!(read.ok(), Some(Command::SetControl(set)), "{kind}");
        }
    }

    #[test]
    fn history_tells_changes_only() {
        let view = view();
        let tripped = Tripped {
            limit: 1_000 * 10i128.pow(18),
            value: 1_001 * 10i128.pow(18),
            scope: Scope::account(AccountId(3)),
            control: ControlKind::DayLoss.wire(),
            action: Action::StopOpening.wire(),
            stopped: 1,
            ..Tripped::zeroed()
        };
        let entry = history_entry(&view, &EventRecord::new(&Event::Tripped(tripped)));
        assert_eq!(
            entry.expect("a change").text,
            "day_loss stopped account:3 (stop_opening): 1001.00 met the limit 1000.00"
        );
        let kill = KillSwitch::of(Scope::FIRM, true);
        let entry = history_entry(&view, &EventRecord::new(&Event::KillSwitch(kill)));
        assert_eq!(entry.expect("a change").text, "the kill switch of firm is engaged (block)");
        let none = EventRecord::new(&Event::Verdict(Verdict::zeroed()));
        assert!(history_entry(&view, &none).is_none());
    }
}
