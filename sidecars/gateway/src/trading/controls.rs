//! Controls in force, and what happened to them: what people see of the engine's risk beyond their limits.

use super::picture::place;
use super::report::time;
use super::risk::{About, Sight};
use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::cursor::Page;
use crate::http::guard::Caller;
use crate::market::report::{name, some};
use axum::extract::{Query, State};
use serde::Serialize;
use std::sync::Arc;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    Action, Control, ControlInForce, ControlKind, HistoryEntry, HistoryRequest,
    ListControlsRequest, ReferenceKind, ScopeKind,
};
use utoipa::ToSchema;

/// Controls that the engine tells at a time.
const PAGE_SIZE: u32 = 1_000;
/// Pages of controls that are read at most: as many controls as the engine holds for all principals, accounts and instruments of a
/// large house, and an answer that a browser can still take.
const PAGES_MAX: usize = 10;
/// Questions to the engine for one page of history at most: of what others did, a caller is told little.
const LOOKS_MAX: usize = 20;

/// A control in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ControlReport {
    /// Whom it is for.
    scope: Option<About>,
    /// What is limited, such as `open_orders`.
    control: String,
    /// The limit, in what the control counts; text.
    limit: String,
    /// What is counted now; absent where the engine does not tell it, which is everywhere but for open orders of an account.
    counted: Option<String>,
    /// Over what time, in milliseconds, where the control has such.
    window_ms: Option<u64>,
    /// For how long, in milliseconds, where the control has such.
    hold_ms: Option<u64>,
    /// How many, where the control has such: of `message_rate`, how many may come at once.
    count: Option<u32>,
    /// What it does when it is met by what happened: `stop_opening`, `cancel` or `flatten`.
    action: Option<String>,
    /// Of a collar, what it measures from: `last`, `mid` or `previous_close`.
    reference: Option<String>,
    /// Why.
    reason: Option<String>,
    /// Who set it last, as the engine calls them; absent: the configuration.
    changed_by: Option<String>,
    /// When; RFC 3339.
    changed_at: Option<String>,
}

impl ControlReport {
    fn new(entry: &ControlInForce, gateway: &Gateway) -> Option<Self> {
        let control = entry.control.as_ref()?;
        let ms = |ns: u64| (ns != 0).then_some(ns / 1_000_000);
        let action = Some(control.action()).filter(|action| *action != Action::Unspecified);
        let reference = control.reference();
        let reference = (reference != ReferenceKind::Unspecified).then_some(reference);
        let changed = entry.changed.as_ref();
        Some(Self {
            scope: About::of(control.scope.as_ref(), &gateway.accounts),
            control: name(control.control().as_str_name(), "CONTROL_KIND_"),
            limit: control.limit.clone(),
            counted: counted(control, gateway),
            window_ms: ms(control.window_ns),
            hold_ms: ms(control.hold_ns),
            count: (control.count != 0).then_some(control.count),
            action: action.map(|action| name(action.as_str_name(), "ACTION_")),
            reference: reference.map(|from| name(from.as_str_name(), "REFERENCE_KIND_")),
            reason: some(&control.reason),
            changed_by: changed.and_then(|changed| some(&changed.name)),
            changed_at: changed.map(|changed| time(changed.ts)),
        })
    }
}

/// What a control counts now, where that can be told exactly.
fn counted(control: &Control, gateway: &Gateway) -> Option<String> {
    let scope = control.scope.as_ref().filter(|scope| scope.kind() == ScopeKind::Account)?;
    match control.control() {
        ControlKind::OpenOrders => {
            let picture = gateway.events.picture();
            Some(picture.account(scope.id)?.open_orders().to_string())
        }
        _ => None,
    }
}

/// Controls in force: the firm's, those of one's own accounts, of instruments and strategies; everybody's for who sees everybody's
/// accounts. By scope, then by kind; 10,000 are looked at at most.
#[utoipa::path(get, path = "/api/v1/risk/controls", tag = "risk", security(("bearer" = ["risk:read"])),
    responses((status = 200, body = Envelope<Vec<ControlReport>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<ControlReport>>> {
    let sight = Sight::of(&gateway, &caller);
    let mut request = ListControlsRequest { page_size: PAGE_SIZE, ..Default::default() };
    let mut controls = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = gateway.engine.list_controls(request.clone()).await?;
        let seen = page.controls.iter().filter(|entry| {
            sight.sees(entry.control.as_ref().and_then(|control| control.scope.as_ref()))
        });
        controls.extend(seen.filter_map(|entry| ControlReport::new(entry, &gateway)));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(Data::new(controls))
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RiskChange {
    /// A control stopped a scope, or told that its limit was met.
    Breach,
    /// A scope goes on that a control had stopped.
    Resumed,
    /// A kill switch was engaged.
    Kill,
    /// A kill switch was released.
    Release,
    /// Limits of an account were set.
    Limits,
    /// A control was set or taken away.
    Control,
}

impl RiskChange {
    /// What an event of the engine's history tells; `None` of one that is not about what may be traded.
    fn of(body: Option<&Body>) -> Option<Self> {
        Some(match body? {
            Body::Tripped(tripped) if tripped.stopped => Self::Breach,
            Body::Tripped(_) => Self::Resumed,
            Body::KillSwitchReport(kill) if kill.engaged => Self::Kill,
            Body::KillSwitchReport(_) => Self::Release,
            Body::Limits(_) => Self::Limits,
            Body::Control(_) => Self::Control,
            _ => return None,
        })
    }
}

/// A change of what may be traded.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RiskEvent {
    /// The event that told it, `SEQ:ORDINAL`.
    seq: String,
    /// When; RFC 3339.
    at: String,
    /// What happened.
    kind: RiskChange,
    /// Whom it is about.
    scope: Option<About>,
    /// All of it in one sentence.
    text: String,
    /// Why, in the words of whoever asked.
    reason: Option<String>,
    /// Who did it, as the engine calls them; absent: the configuration, the market or the clock.
    by: Option<String>,
}

impl RiskEvent {
    fn new(entry: &HistoryEntry, sight: &Sight, gateway: &Gateway) -> Option<Self> {
        let event = entry.event.as_ref().filter(|_| sight.sees(entry.scope.as_ref()))?;
        let at = event.position.map_or((0, 0), |at| (at.seq, at.ordinal));
        Some(Self {
            seq: place(at),
            at: time(event.ts),
            kind: RiskChange::of(event.body.as_ref())?,
            scope: About::of(entry.scope.as_ref(), &gateway.accounts),
            text: entry.text.clone(),
            reason: some(&entry.reason),
            by: some(&entry.name),
        })
    }
}

/// Breaches, kill switches, limits and controls as they changed, the newest first: what a caller may see of `/risk/stopped`. A
/// page may be shorter than asked for while there is a `meta.next_cursor`.
#[utoipa::path(get, path = "/api/v1/risk/history", tag = "risk", security(("bearer" = ["risk:read"])),
    params(Page), responses((status = 200, body = Envelope<Vec<RiskEvent>>)))]
pub(super) async fn history(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<Data<Vec<RiskEvent>>> {
    let (size, sight) = (page.size()?, Sight::of(&gateway, &caller));
    let mut request =
        HistoryRequest { page_token: page.cursor.unwrap_or_default(), ..Default::default() };
    let mut rows = Vec::new();
    for _ in 0..LOOKS_MAX {
        // The engine's page ends where this one does, so that its token is the cursor of the next.
        request.page_size = u32::try_from(size - rows.len()).unwrap_or(u32::MAX);
        let told = gateway.engine.history(request.clone()).await.map_err(named)?;
        let seen = told.entries.iter();
        rows.extend(seen.filter_map(|entry| RiskEvent::new(entry, &sight, &gateway)));
        request.page_token = told.next_page_token;
        if request.page_token.is_empty() || rows.len() == size {
            break;
        }
    }
    Ok(Data::page(rows, some(&request.page_token)))
}

/// A refusal of the engine in the words of this list.
fn named(error: tidegate_client::ClientError) -> ApiError {
    let error = ApiError::from(error);
    match error.details["field"] == "page_token" {
        true => ApiError::field("cursor", "is not one that this list gave out; begin without one"),
        false => error,
    }
}
