//! What is in force, what stands still, what was changed, and what would be refused.

use super::Check;
use super::words::{
    Table, changed_json, control_json, limit_text, limits_json, name, scope_text, terms, time, who,
};
use crate::remote::{ServerArgs, unless_refused};
use crate::scope_text::ScopeText;
use anyhow::Result;
use serde_json::json;
use std::io::{self, Write};
use tidegate_client::proto::event::Body;
use tidegate_client::{Client, ClientError, proto};
use tidegate_model::command::{Action, ControlKind, KillMode, Role};
use tidegate_model::scope::ScopeKind;

/// Reads page after page of a listing; every page has rows, or is the last.
macro_rules! pages {
    ($client:expr, $call:ident, $request:expr, $rows:ident) => {{
        let mut request = $request;
        let mut rows = Vec::new();
        loop {
            let page = $client.$call(request.clone()).await?;
            rows.extend(page.$rows);
            if page.next_page_token.is_empty() {
                break rows;
            }
            request.page_token = page.next_page_token;
        }
    }};
}

/// All that `show` shows.
struct InForce {
    controls: Vec<proto::ControlInForce>,
    limits: Vec<proto::LimitsInForce>,
    stopped: proto::ListStoppedResponse,
}

async fn read(client: &Client, whose: Option<proto::Scope>) -> Result<InForce, ClientError> {
    let request = proto::ListControlsRequest { scope: whose.clone(), ..Default::default() };
    let controls = pages!(client, list_controls, request, controls);
    let account =
        whose.as_ref().map(|scope| (scope.kind() == proto::ScopeKind::Account).then_some(scope.id));
    let limits = match account {
        // No account has the limits of another scope.
        Some(None) => Vec::new(),
        None | Some(Some(_)) => {
            let account = account.flatten();
            let request = proto::ListLimitsRequest { account, ..Default::default() };
            pages!(client, list_limits, request, limits)
        }
    };
    let mut stopped = client.list_stopped(proto::ListStoppedRequest {}).await?;
    if whose.is_some() {
        stopped.kills.retain(|kill| kill.kill.as_ref().map(|kill| &kill.scope) == Some(&whose));
        let of = |stop: &proto::TrippedInForce| stop.tripped.as_ref().map(|t| t.scope.clone());
        stopped.tripped.retain(|stop| of(stop) == Some(whose.clone()));
    }
    Ok(InForce { controls, limits, stopped })
}

pub(super) fn in_force(server: &ServerArgs, whose: Option<ScopeText>, as_json: bool) -> Result<()> {
    let all = server.ask(|client| async move { read(&client, whose.map(Into::into)).await })?;
    let mut out = io::stdout().lock();
    if as_json {
        return in_force_json(&mut out, &all);
    }
    stopped_text(&mut out, &all.stopped)?;
    let mut table = Table::new(&["scope", "control", "limit", "terms", "set by", "when", "why"]);
    for in_force in &all.controls {
        let Some(control) = &in_force.control else { continue };
        let changed = in_force.changed.clone().unwrap_or_default();
        table.row([
            scope_text(control.scope.as_ref()),
            name!(ControlKind, control.control).to_string(),
            limit_text(control.control, &control.limit),
            terms(control),
            who(changed.principal, &changed.name),
            time(changed.ts),
            control.reason.clone(),
        ]);
    }
    if table.is_empty() {
        writeln!(
            out,
            "no controls are set{}",
            whose.map(|s| format!(" for {s}")).unwrap_or_default()
        )?;
    } else {
        table.print(&mut out)?;
    }
    for in_force in &all.limits {
        let Some(limits) = &in_force.limits else { continue };
        let changed = in_force.changed.clone().unwrap_or_default();
        let why = if in_force.reason.is_empty() { "" } else { ": " };
        writeln!(
            out,
            "\nlimits of account:{}, set by {} at {}{why}{}",
            limits.account,
            who(changed.principal, &changed.name),
            time(changed.ts),
            in_force.reason
        )?;
        writeln!(
            out,
            "  max_order_notional {}  credit {}  max_order_lots {}  max_position_lots {}",
            limits.max_order_notional,
            limits.credit,
            limits.max_order_lots,
            limits.max_position_lots
        )?;
        writeln!(
            out,
            "  price_collar_bp {}  max_open_orders {}  messages_per_sec {}  message_burst {}",
            limits.price_collar_bp,
            limits.max_open_orders,
            limits.messages_per_sec,
            limits.message_burst
        )?;
    }
    Ok(())
}

/// What stands still comes first: whoever looks must not miss it.
fn stopped_text(out: &mut impl Write, stopped: &proto::ListStoppedResponse) -> Result<()> {
    for in_force in &stopped.kills {
        let (Some(kill), changed) = (&in_force.kill, in_force.changed.clone().unwrap_or_default())
        else {
            continue;
        };
        let why = if kill.reason.is_empty() { "" } else { ": " };
        writeln!(
            out,
            "STOPPED {} by its kill switch ({}), engaged by {} at {}{why}{}",
            scope_text(kill.scope.as_ref()),
            name!(KillMode, kill.mode),
            who(changed.principal, &changed.name),
            time(changed.ts),
            kill.reason
        )?;
    }
    for stop in &stopped.tripped {
        let Some(tripped) = &stop.tripped else { continue };
        let until = match tripped.until {
            0 => "until somebody enables it".to_string(),
            until => format!("until {}", time(until)),
        };
        writeln!(
            out,
            "STOPPED {} by {} ({}) at {}, {until}: {} met the limit {}",
            scope_text(tripped.scope.as_ref()),
            name!(ControlKind, tripped.control),
            name!(Action, tripped.action),
            time(stop.since),
            limit_text(tripped.control, &tripped.value),
            limit_text(tripped.control, &tripped.limit)
        )?;
    }
    if stopped.left_out > 0 {
        writeln!(out, "STOPPED {} more scopes", stopped.left_out)?;
    }
    Ok(())
}

fn in_force_json(out: &mut impl Write, all: &InForce) -> Result<()> {
    let with = |mut object: serde_json::Value, changed: Option<&proto::Changed>| {
        object["changed"] = changed_json(changed);
        object
    };
    let controls = all.controls.iter().filter_map(|in_force| {
        Some(with(control_json(in_force.control.as_ref()?), in_force.changed.as_ref()))
    });
    let limits = all.limits.iter().filter_map(|in_force| {
        let mut limits = limits_json(in_force.limits.as_ref()?);
        limits["reason"] = in_force.reason.clone().into();
        Some(with(limits, in_force.changed.as_ref()))
    });
    let kills = all.stopped.kills.iter().filter_map(|in_force| {
        let kill = in_force.kill.as_ref()?;
        let object = json!({
            "scope": scope_text(kill.scope.as_ref()),
            "mode": name!(KillMode, kill.mode),
            "reason": kill.reason,
        });
        Some(with(object, in_force.changed.as_ref()))
    });
    let tripped = all.stopped.tripped.iter().filter_map(|stop| {
        let tripped = stop.tripped.as_ref()?;
        Some(json!({
            "scope": scope_text(tripped.scope.as_ref()),
            "control": name!(ControlKind, tripped.control),
            "action": name!(Action, tripped.action),
            "limit": tripped.limit,
            "value": tripped.value,
            "since": stop.since,
            "until": tripped.until,
        }))
    });
    let object = json!({
        "controls": controls.collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
        "kills": kills.collect::<Vec<_>>(),
        "tripped": tripped.collect::<Vec<_>>(),
    });
    writeln!(out, "{object}")?;
    Ok(())
}

pub(super) fn check(server: &ServerArgs, check: Check, as_json: bool) -> Result<()> {
    let order = Some(check.order.request(check.account)?);
    let request = proto::CheckOrderRequest { order };
    let answer = server.ask(|client| async move { client.check_order(request).await })?;
    unless_refused(answer.reject.as_ref())?;
    let mut out = io::stdout().lock();
    if as_json {
        let verdicts = answer.verdicts.iter().map(|verdict| {
            json!({
                "scope": scope_text(verdict.scope.as_ref()),
                "code": verdict.code,
                "limit": verdict.limit,
                "value": verdict.value,
                "passes": verdict.passes,
                "text": verdict.text,
            })
        });
        let object = json!({
            "refusals": answer.refusals,
            "left_out": answer.left_out,
            "verdicts": verdicts.collect::<Vec<_>>(),
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    let mut table = Table::new(&["", "scope", "control", "limit", "value", "says"]);
    for verdict in &answer.verdicts {
        table.row([
            if verdict.passes { "pass" } else { "REFUSE" }.to_string(),
            scope_text(verdict.scope.as_ref()),
            verdict.code.clone(),
            verdict.limit.clone(),
            verdict.value.clone(),
            verdict.text.clone(),
        ]);
    }
    if !table.is_empty() {
        table.print(&mut out)?;
    }
    if answer.left_out > 0 {
        writeln!(out, "and {} more", answer.left_out)?;
    }
    match answer.refusals {
        0 => writeln!(out, "no control would refuse it")?,
        1 => writeln!(out, "1 control would refuse it")?,
        count => writeln!(out, "{count} controls would refuse it")?,
    }
    Ok(())
}

async fn changes(
    client: &Client,
    whose: Option<proto::Scope>,
    limit: usize,
) -> Result<(Vec<proto::HistoryEntry>, u64), ClientError> {
    let mut request =
        proto::HistoryRequest { scope: whose, page_size: 1_000, ..Default::default() };
    let mut entries = Vec::new();
    loop {
        let page = client.history(request.clone()).await?;
        entries.extend(page.entries);
        if page.next_page_token.is_empty() || entries.len() >= limit {
            entries.truncate(limit);
            return Ok((entries, page.older));
        }
        request.page_token = page.next_page_token;
    }
}

pub(super) fn history(
    server: &ServerArgs,
    whose: Option<ScopeText>,
    limit: usize,
    as_json: bool,
) -> Result<()> {
    let (entries, older) =
        server.ask(|client| async move { changes(&client, whose.map(Into::into), limit).await })?;
    let mut out = io::stdout().lock();
    if as_json {
        let entries = entries.iter().map(|entry| {
            let event = entry.event.clone().unwrap_or_default();
            json!({
                "ts": event.ts,
                "seq": event.position.map_or(0, |position| position.seq),
                "principal": event.principal,
                "name": entry.name,
                "scope": scope_text(entry.scope.as_ref()),
                "text": entry.text,
                "reason": entry.reason,
            })
        });
        let object = json!({ "older": older, "changes": entries.collect::<Vec<_>>() });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    if entries.is_empty() {
        writeln!(out, "nothing was changed")?;
        return Ok(());
    }
    let mut table = Table::new(&["when", "who", "why", "what"]);
    for entry in &entries {
        let event = entry.event.clone().unwrap_or_default();
        let by = match (event.principal, &event.body) {
            // A control was met by what happened: nobody did it.
            (0, Some(Body::Tripped(_))) => "the engine".to_string(),
            (principal, _) => who(principal, &entry.name),
        };
        table.row([time(event.ts), by, entry.reason.clone(), entry.text.clone()]);
    }
    table.print(&mut out)?;
    if older > 0 {
        writeln!(out, "{older} older changes are in the event log: tidegate journal export")?;
    }
    Ok(())
}

pub(super) fn groups(server: &ServerArgs, as_json: bool) -> Result<()> {
    let request = proto::ListGroupsRequest::default();
    let members = server.ask(|client| async move {
        Ok::<_, ClientError>(pages!(client, list_groups, request, members))
    })?;
    let mut out = io::stdout().lock();
    if as_json {
        let members = members.iter().map(|set| {
            let member = scope_text(set.member.as_ref());
            json!({ "member": member, "group": set.group, "reason": set.reason })
        });
        writeln!(out, "{}", json!({ "members": members.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new(&["group", "member", "why"]);
    for set in &members {
        table.row([
            format!("group:{}", set.group),
            scope_text(set.member.as_ref()),
            set.reason.clone(),
        ]);
    }
    print_or(&mut out, &table, "there are no groups")
}

pub(super) fn listed(server: &ServerArgs, list: Option<u32>, as_json: bool) -> Result<()> {
    let request = proto::ListListedRequest { list: list.unwrap_or_default(), ..Default::default() };
    let listed = server.ask(|client| async move {
        Ok::<_, ClientError>(pages!(client, list_listed, request, listed))
    })?;
    let mut out = io::stdout().lock();
    if as_json {
        let listed = listed
            .iter()
            .map(|set| json!({ "list": set.list, "symbol": set.symbol, "reason": set.reason }));
        writeln!(out, "{}", json!({ "listed": listed.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new(&["list", "symbol", "why"]);
    for set in &listed {
        table.row([set.list.to_string(), set.symbol.clone(), set.reason.clone()]);
    }
    print_or(&mut out, &table, "no instrument is on a list")
}

pub(super) fn locates(server: &ServerArgs, account: Option<u32>, as_json: bool) -> Result<()> {
    let request = proto::ListLocatesRequest { account, ..Default::default() };
    let locates = server.ask(|client| async move {
        Ok::<_, ClientError>(pages!(client, list_locates, request, locates))
    })?;
    let mut out = io::stdout().lock();
    if as_json {
        let locates = locates.iter().map(|set| {
            json!({
                "account": set.account, "symbol": set.symbol, "qty": set.qty, "reason": set.reason,
            })
        });
        writeln!(out, "{}", json!({ "locates": locates.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new(&["account", "symbol", "qty", "why"]);
    for set in &locates {
        table.row([
            format!("{}:{}", ScopeKind::Account, set.account),
            set.symbol.clone(),
            set.qty.clone(),
            set.reason.clone(),
        ]);
    }
    print_or(&mut out, &table, "nothing was located")
}

pub(super) fn principals(server: &ServerArgs, as_json: bool) -> Result<()> {
    let request = proto::ListPrincipalsRequest::default();
    let principals = server.ask(|client| async move {
        Ok::<_, ClientError>(pages!(client, list_principals, request, principals))
    })?;
    let mut out = io::stdout().lock();
    if as_json {
        let principals = principals.iter().map(|known| {
            json!({
                "principal": known.principal,
                "name": known.name,
                "role": name!(Role, known.role),
                "may_trade": known.may_trade,
                "may_control": known.may_control,
                "may_estimate": known.may_estimate,
                "account": known.account,
                "strategy": known.strategy,
            })
        });
        writeln!(out, "{}", json!({ "principals": principals.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new(&["principal", "name", "role", "may", "account", "strategy"]);
    for known in &principals {
        let rights = [
            (known.may_trade, "trade"),
            (known.may_control, "control"),
            (known.may_estimate, "estimate"),
        ];
        let rights: Vec<_> =
            rights.iter().filter(|(may, _)| *may).map(|(_, right)| *right).collect();
        table.row([
            known.principal.to_string(),
            known.name.clone(),
            name!(Role, known.role).to_string(),
            rights.join(", "),
            known.account.map_or_else(|| "any".to_string(), |account| account.to_string()),
            if known.strategy == 0 { "any".to_string() } else { known.strategy.to_string() },
        ]);
    }
    print_or(&mut out, &table, "the configuration names nobody ([[edge.tokens]])")
}

fn print_or(out: &mut impl Write, table: &Table, none: &str) -> Result<()> {
    if table.is_empty() {
        writeln!(out, "{none}")?;
        return Ok(());
    }
    table.print(out)
}
