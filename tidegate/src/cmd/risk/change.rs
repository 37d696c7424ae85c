//! What changes something: done at once, or a proposal.

use super::words::protocol_limit;
use super::{Clear, Set};
use crate::remote::{ServerArgs, unless_refused};
use crate::scope_text::ScopeText;
use crate::time_text::span;
use anyhow::{Context, Result};
use serde_json::json;
use std::io::{self, Write};
use tidegate_client::proto;
use tidegate_model::command::{Action, ControlKind, ReferenceKind};

/// The number that an enum of the protocol shares with the engine's; the parser let no other name pass.
macro_rules! number {
    ($type:ty, $text:expr) => {
        <$type>::ALL
            .iter()
            .find(|value| value.as_str() == $text)
            .map_or(0, |value| value.wire().into())
    };
}

/// Says what came of a change, or why it was refused.
pub(super) fn told(answer: &proto::AdminResponse, as_json: bool) -> Result<()> {
    unless_refused(answer.reject.as_ref())?;
    let mut out = io::stdout().lock();
    let proposal = answer.proposal;
    if as_json {
        let seq = answer.position.map_or(0, |position| position.seq);
        let proposal = (proposal != 0).then_some(proposal);
        writeln!(
            out,
            "{}",
            json!({ "done": proposal.is_none(), "proposal": proposal, "seq": seq })
        )?;
        return Ok(());
    }
    match proposal {
        0 => writeln!(out, "done")?,
        _ => writeln!(
            out,
            "proposal {proposal}: nothing has changed until a second person approves it with tidegate risk approve {proposal}"
        )?,
    }
    Ok(())
}

fn span_ns(option: &str, text: Option<&String>) -> Result<u64> {
    let Some(text) = text else { return Ok(0) };
    span(text).with_context(|| format!("{option}: '{text}' is not a span such as 500ms or 5s"))
}

pub(super) fn set(server: &ServerArgs, set: Set, as_json: bool) -> Result<()> {
    let kind = ControlKind::ALL.iter().find(|kind| kind.as_str() == set.control);
    let kind = kind.context("the parser knows every control")?;
    let control = proto::Control {
        scope: Some(set.scope.into()),
        control: kind.wire().into(),
        limit: protocol_limit(*kind, &set.limit)?,
        window_ns: span_ns("--window", set.window.as_ref())?,
        hold_ns: span_ns("--hold", set.hold.as_ref())?,
        count: set.count,
        action: set.action.map_or(0, |action| number!(Action, action)),
        reference: set.reference.map_or(0, |reference| number!(ReferenceKind, reference)),
        whole_market: set.whole_market,
        off: false,
        reason: set.reason,
    };
    let request = proto::SetControlRequest { control: Some(control) };
    told(&server.ask(|client| async move { client.set_control(request).await })?, as_json)
}

pub(super) fn clear(server: &ServerArgs, clear: Clear, as_json: bool) -> Result<()> {
    let request = proto::ClearControlRequest {
        scope: Some(clear.scope.into()),
        control: number!(ControlKind, clear.control),
        limit: clear.list.map(|list| list.to_string()).unwrap_or_default(),
        reason: clear.reason,
    };
    told(&server.ask(|client| async move { client.clear_control(request).await })?, as_json)
}

pub(super) fn enable(
    server: &ServerArgs,
    whom: ScopeText,
    reason: String,
    as_json: bool,
) -> Result<()> {
    let request = proto::EnableRequest { scope: Some(whom.into()), reason };
    told(&server.ask(|client| async move { client.enable(request).await })?, as_json)
}

pub(super) fn group(
    server: &ServerArgs,
    member: ScopeText,
    group: u32,
    reason: String,
    as_json: bool,
) -> Result<()> {
    let request = proto::SetGroupRequest { member: Some(member.into()), group, reason };
    told(&server.ask(|client| async move { client.set_group(request).await })?, as_json)
}

pub(super) fn listed(
    server: &ServerArgs,
    list: u32,
    symbol: String,
    listed: bool,
    reason: String,
    as_json: bool,
) -> Result<()> {
    let request = proto::SetListedRequest { symbol, list, listed, reason };
    told(&server.ask(|client| async move { client.set_listed(request).await })?, as_json)
}

pub(super) fn locate(
    server: &ServerArgs,
    account: u32,
    symbol: String,
    qty: String,
    reason: String,
    as_json: bool,
) -> Result<()> {
    let request = proto::GrantLocateRequest { account, symbol, qty, reason };
    told(&server.ask(|client| async move { client.grant_locate(request).await })?, as_json)
}
