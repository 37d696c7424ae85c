//! Messages of risk as text for people, and as JSON for programs.

use crate::config::limit_of;
use crate::time_text::{moment_text, span_text};
use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use std::io::Write;
use tidegate_client::proto;
use tidegate_model::command::{Action, ControlKind, ReferenceKind};
use tidegate_model::event::ProposalStatus;
use tidegate_model::instrument::format_money;
use tidegate_model::scope::ScopeKind;
use tidegate_model::{Money, UnixNanos, decimal};

/// The engine's name of a number of the protocol.
macro_rules! name {
    ($type:ty, $number:expr) => {
        u8::try_from($number).ok().and_then(<$type>::from_wire).map_or("", <$type>::as_str)
    };
}
pub(super) use name;

/// A scope as people write it.
pub(super) fn scope_text(scope: Option<&proto::Scope>) -> String {
    let Some(scope) = scope else { return String::new() };
    match scope.kind() {
        proto::ScopeKind::Firm => ScopeKind::Firm.to_string(),
        proto::ScopeKind::Instrument => format!("instrument:{}", scope.symbol),
        _ => format!("{}:{}", name!(ScopeKind, scope.kind), scope.id),
    }
}

/// Money limits.
const fn is_money(kind: ControlKind) -> bool {
    use ControlKind as K;
    matches!(
        kind,
        K::MaxOrderNotional
            | K::GrossExposure
            | K::NetExposure
            | K::OpenExposure
            | K::DayNotional
            | K::DayLoss
            | K::Drawdown
            | K::FactorExposure
            | K::ApprovalAbove
    )
}

/// What people write for a limit, as the protocol has it: the same words as in the configuration.
pub(super) fn protocol_limit(kind: ControlKind, text: &str) -> Result<String> {
    let limit = limit_of(kind, text).map_err(|why| anyhow!("{why}"))?;
    Ok(match kind {
        kind if is_money(kind) => format_money(Money(limit)),
        ControlKind::FatFinger => decimal::format_scaled(limit, 2, 0),
        _ => limit.to_string(),
    })
}

/// What the protocol has for a limit, or for what met it, for people.
pub(super) fn limit_text(control: i32, limit: &str) -> String {
    use ControlKind as K;
    let Some(kind) = u8::try_from(control).ok().and_then(K::from_wire) else {
        return limit.to_string();
    };
    let number: Option<u64> = limit.parse().ok();
    match (kind, number) {
        (K::StaleMarket, Some(ns)) => span_text(ns),
        (K::ExpiresAt, Some(ns)) => time(ns),
        (K::Sides, Some(0)) => "neither".into(),
        (K::Sides, Some(1)) => "buy".into(),
        (K::Sides, Some(2)) => "sell".into(),
        (K::Sides, Some(3)) => "both".into(),
        (K::CancelOnDisconnect | K::ReduceOnly, _) => "on".into(),
        (
            K::PriceCollar
            | K::WindowCollar
            | K::Concentration
            | K::LiquidationDistance
            | K::Volatility,
            _,
        ) => format!("{limit} bp"),
        (K::MaxOrderQty | K::PositionLong | K::PositionShort | K::ShortSale | K::SelfTrade, _) => {
            format!("{limit} lots")
        }
        (K::FatFinger, _) => format!("{limit} x average"),
        (K::MessageRate, _) => format!("{limit}/s"),
        (K::RestrictedList | K::AllowedList, _) => format!("list {limit}"),
        _ => limit.to_string(),
    }
}

/// What a control has beside its limit.
pub(super) fn terms(control: &proto::Control) -> String {
    let mut terms = Vec::new();
    if control.count != 0 {
        terms.push(format!("count {}", control.count));
    }
    if control.window_ns != 0 {
        terms.push(format!("window {}", span_text(control.window_ns)));
    }
    if control.reference != 0 {
        terms.push(format!("from {}", name!(ReferenceKind, control.reference)));
    }
    if control.whole_market {
        terms.push("whole market".to_string());
    }
    if control.action != 0 {
        terms.push(format!("then {}", name!(Action, control.action)));
    }
    if control.hold_ns != 0 {
        terms.push(format!("for {}", span_text(control.hold_ns)));
    }
    terms.join(", ")
}

/// A moment, to the second; `-` for none.
pub(super) fn time(ns: u64) -> String {
    let text = moment_text(UnixNanos(ns));
    match text.split_once('.') {
        Some((seconds, _)) if ns != 0 => format!("{seconds}Z"),
        _ => "-".to_string(),
    }
}

/// Who somebody is.
pub(super) fn who(principal: u32, name: &str) -> String {
    match (principal, name) {
        (0, _) => "configuration".to_string(),
        (number, "") => format!("principal {number}"),
        (number, name) => format!("{name} ({number})"),
    }
}

/// Rows under their heads, each column as wide as what is in it.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_string()).collect()] }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        // What others wrote must not move the cursor of whoever reads it.
        let cells = cells.into_iter();
        self.rows.push(cells.map(|cell| cell.replace(char::is_control, "?")).collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    pub(super) fn print(&self, out: &mut impl Write) -> Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let len = |row: &Vec<String>, at: usize| row.get(at).map_or(0, |cell| cell.chars().count());
        let widths: Vec<_> = (0..columns)
            .map(|at| self.rows.iter().map(|row| len(row, at)).max().unwrap_or(0))
            .collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

pub(super) fn changed_json(changed: Option<&proto::Changed>) -> Value {
    changed.map_or(
        Value::Null,
        |changed| json!({ "principal": changed.principal, "name": changed.name, "ts": changed.ts }),
    )
}

pub(super) fn control_json(control: &proto::Control) -> Value {
    json!({
        "scope": scope_text(control.scope.as_ref()),
        "control": name!(ControlKind, control.control),
        "limit": control.limit,
        "window_ns": control.window_ns,
        "hold_ns": control.hold_ns,
        "count": control.count,
        "action": name!(Action, control.action),
        "reference": name!(ReferenceKind, control.reference),
        "whole_market": control.whole_market,
        "reason": control.reason,
    })
}

pub(super) fn limits_json(limits: &proto::Limits) -> Value {
    json!({
        "account": limits.account,
        "max_order_notional": limits.max_order_notional,
        "credit": limits.credit,
        "max_order_lots": limits.max_order_lots,
        "max_position_lots": limits.max_position_lots,
        "price_collar_bp": limits.price_collar_bp,
        "max_open_orders": limits.max_open_orders,
        "messages_per_sec": limits.messages_per_sec,
        "message_burst": limits.message_burst,
    })
}

pub(super) fn proposal_json(entry: &proto::ProposalEntry) -> Option<Value> {
    let proposal = entry.proposal.as_ref()?;
    Some(json!({
        "number": proposal.number,
        "hash": proposal.hash,
        "status": name!(ProposalStatus, proposal.status),
        "command": proposal.command,
        "summary": proposal.summary,
        "scope": scope_text(proposal.scope.as_ref()),
        "reason": proposal.reason,
        "proposer": proposal.proposer,
        "proposer_name": entry.proposer_name,
        "decider": proposal.decider,
        "decider_name": entry.decider_name,
        "lapses_at": proposal.lapses_at,
        "ts": entry.ts,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope_text::ScopeText;

    #[test]
    fn limits_are_the_words_of_people_on_one_side_and_of_the_protocol_on_the_other() {
        for (kind, written, sent, shown) in [
            (ControlKind::MaxOrderNotional, "25000", "25000.00", "25000.00"),
            (ControlKind::MaxOrderQty, "500", "500", "500 lots"),
            (ControlKind::FatFinger, "7.5", "7.5", "7.5 x average"),
            (ControlKind::StaleMarket, "500ms", "500000000", "500 ms"),
            (ControlKind::ExpiresAt, "1970-01-02", "86400000000000", "1970-01-02T00:00:00Z"),
            (ControlKind::Sides, "sell", "2", "sell"),
            (ControlKind::ReduceOnly, "", "0", "on"),
            (ControlKind::PriceCollar, "250", "250", "250 bp"),
            (ControlKind::MessageRate, "100", "100", "100/s"),
            (ControlKind::RestrictedList, "3", "3", "list 3"),
            (ControlKind::DayOrders, "50", "50", "50"),
        ] {
            let protocol = protocol_limit(kind, written).expect(written);
            assert_eq!(protocol, sent, "{kind}");
            assert_eq!(limit_text(kind.wire().into(), &protocol), shown, "{kind}");
        }
        let error = protocol_limit(ControlKind::DayOrders, "many").expect_err("no number");
        assert!(error.to_string().contains("a whole number such as 100"), "{error}");
    }

    #[test]
    fn scopes_come_back_as_they_were_written() {
        for text in ["firm", "principal:7", "account:3", "strategy:5", "instrument:AAPL", "group:2"]
        {
            let parsed: ScopeText = text.parse().expect(text);
            assert_eq!(scope_text(Some(&parsed.into())), text);
        }
    }

    #[test]
    fn columns_line_up_and_nobody_else_moves_the_cursor() {
        let mut table = Table::new(&["a", "bcd"]);
        table.row(["long".to_string(), "x\u{1b}[31m".to_string()]);
        let mut out = Vec::new();
        table.print(&mut out).expect("memory takes all");
        assert_eq!(String::from_utf8(out).expect("text"), "a     bcd\nlong  x?[31m\n");
    }
}
