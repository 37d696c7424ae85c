//! Whom a kill switch or a control stopped. Each is told, each time.

use crate::Heard;
use crate::alert::{Alert, AlertKind, Severity};
use tidegate_client::proto::{ControlKind, KillSwitchReport, Scope, ScopeKind, TrippedReport};

/// A scope as the command line writes it.
fn scope_text(scope: Option<&Scope>) -> String {
    let Some(scope) = scope else { return "firm".into() };
    let id = scope.id;
    match scope.kind() {
        ScopeKind::Firm => "firm".into(),
        ScopeKind::Principal => format!("principal:{id}"),
        ScopeKind::Account => format!("account:{id}"),
        ScopeKind::Strategy => format!("strategy:{id}"),
        ScopeKind::Instrument => format!("instrument:{}", scope.symbol),
        ScopeKind::Group => format!("group:{id}"),
        ScopeKind::Unspecified => format!("scope_{}:{id}", scope.kind),
    }
}

fn alert(kind: AlertKind, heard: &Heard, stops: bool, scope: Option<&Scope>) -> Alert {
    let severity = if stops { Severity::High } else { Severity::Medium };
    let mut alert = Alert::new(kind, severity, heard);
    match scope {
        Some(it) if it.kind() == ScopeKind::Account => alert.accounts.push(it.id),
        Some(it) if it.kind() == ScopeKind::Instrument => alert.symbol.clone_from(&it.symbol),
        _ => {}
    }
    alert.figures.push(("scope", scope_text(scope)));
    alert
}

pub(crate) fn kill_switch(heard: &Heard, kill: &KillSwitchReport) -> Alert {
    let mut alert = alert(AlertKind::KillSwitch, heard, kill.engaged, kill.scope.as_ref());
    let (whose, who) = (scope_text(kill.scope.as_ref()), heard.principal);
    let done = if kill.engaged { "engaged" } else { "released" };
    alert.text =
        format!("the kill switch of {whose} was {done} by principal {who}: {}", kill.reason);
    alert.figures.push(("engaged", kill.engaged.to_string()));
    alert.figures.push(("reason", kill.reason.clone()));
    alert
}

pub(crate) fn tripped(heard: &Heard, tripped: &TrippedReport) -> Alert {
    let mut alert = alert(AlertKind::Tripped, heard, tripped.stopped, tripped.scope.as_ref());
    let whose = scope_text(tripped.scope.as_ref());
    let control = match ControlKind::try_from(tripped.control) {
        Ok(kind) => kind.as_str_name().trim_start_matches("CONTROL_KIND_").to_lowercase(),
        Err(_) => format!("control_{}", tripped.control),
    };
    let (limit, value) = (&tripped.limit, &tripped.value);
    alert.text = match tripped.stopped {
        true => format!("{control} stopped {whose}: limit {limit}, value {value}"),
        false => format!("{whose} goes on after {control}"),
    };
    alert.figures.extend([
        ("control", control),
        ("limit", limit.clone()),
        ("value", value.clone()),
        ("stopped", tripped.stopped.to_string()),
    ]);
    alert
}
