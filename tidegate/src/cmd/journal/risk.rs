//! Fields of what is asked and told about risk.

use super::fields::{
    Fields, Value, account, command_fields, instrument, limits_fields, name_of, order_fields, put,
    reject_fields,
};
use tidegate_model::command::{
    Action, CommandKind, ControlKind, Decision, KillMode, KillSwitch, NO_LIMIT, Role, SetControl,
    SetPrincipal,
};
use tidegate_model::event::{Proposal, ProposalStatus};
use tidegate_model::{Command, CommandRecord, Event, StrategyId};

/// The bodies of the commands about risk; false of any other.
pub(super) fn risk_command(command: &Command, fields: &mut Fields) -> bool {
    match command {
        Command::SetPrincipal(body) => principal_fields(body, fields),
        Command::SetControl(body) => control_fields(body, fields),
        Command::SetLimits(body) => {
            limits_fields(body, fields);
            put!(fields, "reason" = body.reason.as_str().to_string());
        }
        Command::KillSwitch(body) => kill_fields(body, fields),
        Command::SetGroup(body) => put!(
            fields,
            "scope" = body.member.to_string(),
            "group" = body.group,
            "reason" = body.reason.as_str().to_string()
        ),
        Command::SetListed(body) => put!(
            fields,
            "instrument" = instrument(body.instrument),
            "list" = body.list,
            "listed" = body.listed,
            "reason" = body.reason.as_str().to_string()
        ),
        Command::SetFactors(body) => {
            let loadings: Vec<_> = body.loadings_e6.iter().map(i32::to_string).collect();
            put!(
                fields,
                "instrument" = instrument(body.instrument),
                "loadings_e6" = loadings.join(" ")
            );
        }
        Command::GrantLocate(body) => put!(
            fields,
            "account" = account(body.account),
            "instrument" = instrument(body.instrument),
            "qty_lots" = body.qty.0,
            "reason" = body.reason.as_str().to_string()
        ),
        Command::Enable(body) => put!(
            fields,
            "scope" = body.scope.to_string(),
            "reason" = body.reason.as_str().to_string()
        ),
        Command::Decide(body) => put!(
            fields,
            "proposal" = body.proposal,
            "hash" = format!("{:016x}", body.hash),
            "decision" = name_of!(Decision, body.decision),
            "reason" = body.reason.as_str().to_string()
        ),
        Command::CheckOrder(body) => order_fields(body, fields),
        _ => return false,
    }
    true
}

/// The bodies of the events about risk; false of any other. What sets something is told as it was asked for.
pub(super) fn risk_event(event: &Event, fields: &mut Fields) -> bool {
    match event {
        Event::Principal(body) => risk_command(&Command::SetPrincipal(*body), fields),
        Event::Control(body) => risk_command(&Command::SetControl(*body), fields),
        Event::Limits(body) => risk_command(&Command::SetLimits(*body), fields),
        Event::KillSwitch(body) => risk_command(&Command::KillSwitch(*body), fields),
        Event::Group(body) => risk_command(&Command::SetGroup(*body), fields),
        Event::Listed(body) => risk_command(&Command::SetListed(*body), fields),
        Event::Factors(body) => risk_command(&Command::SetFactors(*body), fields),
        Event::Locate(body) => risk_command(&Command::GrantLocate(*body), fields),
        Event::Proposal(body) => {
            proposal_fields(body, fields);
            true
        }
        Event::Verdict(body) => {
            put!(fields, "scope" = body.scope.to_string(), "passes" = body.passes);
            reject_fields(body.reason, body.limit, body.value, fields);
            true
        }
        Event::Tripped(body) => {
            put!(
                fields,
                "scope" = body.scope.to_string(),
                "control" = name_of!(ControlKind, body.control),
                "limit" = body.limit,
                "met_by" = body.value,
                "action" = name_of!(Action, body.action),
                "until_ns" = body.until.0,
                "stopped" = body.stopped,
                "reason" = body.reason.as_str().to_string()
            );
            true
        }
        _ => false,
    }
}

fn principal_fields(body: &SetPrincipal, fields: &mut Fields) {
    let len = body.name.iter().position(|&byte| byte == 0).unwrap_or(body.name.len());
    put!(
        fields,
        "scope" = format!("principal:{}", body.principal),
        "name" = String::from_utf8_lossy(&body.name[..len]).into_owned(),
        "role" = name_of!(Role, body.role),
        "permissions" = body.permissions,
        "account" = account(body.account),
        "strategy" = strategy(body.strategy)
    );
}

/// A strategy, or that there is none.
pub(super) fn strategy(id: StrategyId) -> Value {
    if id == StrategyId::NONE { Value::Word("-") } else { Value::from(id.0) }
}

fn control_fields(body: &SetControl, fields: &mut Fields) {
    let limit = match body.limit {
        NO_LIMIT => Value::Word("-"),
        limit => Value::from(limit),
    };
    put!(
        fields,
        "scope" = body.scope.to_string(),
        "control" = name_of!(ControlKind, body.control),
        "limit" = limit,
        "count" = body.count,
        "window_ns" = body.window_ns,
        "hold_ns" = body.hold_ns,
        "action" = name_of!(Action, body.action),
        "option" = body.option,
        "off" = body.off,
        "reason" = body.reason.as_str().to_string()
    );
}

fn kill_fields(body: &KillSwitch, fields: &mut Fields) {
    put!(
        fields,
        "scope" = body.whom().to_string(),
        "engaged" = body.engaged,
        "mode" = name_of!(KillMode, body.mode),
        "reason" = body.reason.as_str().to_string()
    );
}

/// A proposal, and all of what it asks for.
fn proposal_fields(body: &Proposal, fields: &mut Fields) {
    put!(
        fields,
        "proposal" = body.number,
        "hash" = format!("{:016x}", body.hash),
        "proposal_status" = name_of!(ProposalStatus, body.status),
        "lapses_at_ns" = body.lapses_at.0,
        "proposer" = body.proposer.0,
        "decider" = body.decider.0,
        "asked" = name_of!(CommandKind, body.command_kind)
    );
    let blank = CommandRecord::new(Command::Time);
    let asked = CommandRecord { kind: body.command_kind, body: body.body, ..blank };
    if let Some(asked) = asked.command() {
        command_fields(&asked, fields);
    }
}
