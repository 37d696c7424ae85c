//! Limits, kill switches, and what waits for a second person. Whoever calls is a person to the engine, which judges by itself who may
//! do what, and whether a change needs two.

use super::accounts::{Accounts, as_of};
use super::picture::AccountPicture;
use super::report::is_flat;
use super::words::{Decision, KillMode, ProposalStatus};
use super::{outcome, principal};
use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::market::report::name;
use crate::permission::Permission;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tidegate_client::decimal;
use tidegate_client::proto::{
    self, AdminResponse, ControlKind, DecideRequest, KillRequest, ListProposalsRequest,
    ListStoppedRequest, ReleaseRequest, SetLimitsRequest,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Characters of a reason at most, as the engine keeps it.
const REASON_LEN_MAX: usize = 48;
/// Proposals of one answer.
const PROPOSALS_MAX: u32 = 200;

/// Every limit of an account.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest notional of one order; decimal text, the account's currency.
    pub max_order_notional: String,
    /// Largest sum of notionals of open orders and positions above cash; decimal text.
    pub credit: String,
    /// Largest quantity of one order, in lots.
    pub max_order_lots: u64,
    /// Largest position, long or short, in one instrument, in lots.
    pub max_position_lots: u64,
    /// Widest distance of a limit price from the reference, in basis points.
    pub price_collar_bp: u32,
    /// Most open orders.
    pub max_open_orders: u32,
    /// New, cancel and replace messages a second.
    pub messages_per_sec: u32,
    /// Messages that may come at once.
    pub message_burst: u32,
    /// What is used of them now; told of one account, and not looked at in what is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub used: Option<Used>,
}

/// What is used of an account's limits. What open orders and positions tie up of its cash and `credit` only the engine knows.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
pub struct Used {
    /// Open orders, as `max_open_orders` counts them.
    open_orders: usize,
    /// The largest position that is held in one instrument, long or short, in lots. `max_position_lots` counts open orders of its
    /// direction besides. Absent if the lots of an instrument are not known.
    largest_position_lots: Option<u64>,
}

impl Used {
    fn of(known: &AccountPicture, lot_size: impl Fn(&str) -> Option<i64>) -> Self {
        let lots = |position: &proto::PositionReport| -> Option<u64> {
            let qty = decimal::parse_nano(&position.qty).ok()?.unsigned_abs();
            qty.checked_div(lot_size(&position.symbol)?.unsigned_abs())
        };
        let mut held = known.positions.values().filter(|position| !is_flat(position));
        Self {
            open_orders: known.open_orders(),
            largest_position_lots: held
                .try_fold(0, |largest, position| Some(lots(position)?.max(largest))),
        }
    }
}

impl Limits {
    /// As the engine told them.
    pub fn new(limits: &proto::Limits) -> Self {
        Self {
            max_order_notional: limits.max_order_notional.clone(),
            credit: limits.credit.clone(),
            max_order_lots: limits.max_order_lots,
            max_position_lots: limits.max_position_lots,
            price_collar_bp: limits.price_collar_bp,
            max_open_orders: limits.max_open_orders,
            messages_per_sec: limits.messages_per_sec,
            message_burst: limits.message_burst,
            used: None,
        }
    }

    /// As the engine takes them, for account `number`.
    pub fn to_engine(&self, number: u32) -> proto::Limits {
        proto::Limits {
            account: number,
            max_order_notional: self.max_order_notional.clone(),
            credit: self.credit.clone(),
            max_order_lots: self.max_order_lots,
            max_position_lots: self.max_position_lots,
            price_collar_bp: self.price_collar_bp,
            max_open_orders: self.max_open_orders,
            messages_per_sec: self.messages_per_sec,
            message_burst: self.message_burst,
        }
    }
}

/// What is stopped, limited or asked about.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
pub enum Scope {
    /// Everything.
    Firm {},
    /// One account.
    Account {
        /// Its UUID.
        account: Uuid,
    },
    /// One strategy, whichever accounts it trades for.
    Strategy {
        /// Its number, 1 to 4,095.
        strategy: u32,
    },
    /// One instrument, whoever trades it.
    Instrument {
        /// Its symbol.
        symbol: String,
    },
}

impl Scope {
    fn to_engine(&self, accounts: &Accounts) -> Result<proto::Scope> {
        use proto::ScopeKind as Kind;
        let (kind, id, symbol) = match self {
            Self::Firm {} => (Kind::Firm, 0, String::new()),
            Self::Account { account } => {
                let account = accounts.get(*account);
                let account = account.ok_or_else(|| ApiError::not_found("account"))?;
                (Kind::Account, account.number, String::new())
            }
            Self::Strategy { strategy } => (Kind::Strategy, *strategy, String::new()),
            Self::Instrument { symbol } => (Kind::Instrument, 0, symbol.clone()),
        };
        Ok(proto::Scope { kind: kind.into(), id, symbol })
    }
}

/// Whom something is about, as it is told.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct About {
    /// `firm`, `principal`, `account`, `strategy`, `instrument` or `group`.
    pub kind: String,
    /// Of an account of people: its UUID.
    pub account: Option<Uuid>,
    /// Of a principal, strategy, group, or an account that is nobody's here: its number.
    pub number: Option<u32>,
    /// Of an instrument: its symbol.
    pub symbol: Option<String>,
}

impl About {
    fn new(scope: &proto::Scope, accounts: &Accounts) -> Self {
        let kind = scope.kind();
        let account = (kind == proto::ScopeKind::Account).then(|| accounts.by_number(scope.id));
        let account = account.flatten().map(|account| account.id);
        let has_number = account.is_none()
            && !matches!(kind, proto::ScopeKind::Firm | proto::ScopeKind::Instrument);
        Self {
            kind: name(kind.as_str_name(), "SCOPE_KIND_"),
            account,
            number: has_number.then_some(scope.id),
            symbol: (!scope.symbol.is_empty()).then(|| scope.symbol.clone()),
        }
    }

    /// The same of what may have none.
    pub(super) fn of(scope: Option<&proto::Scope>, accounts: &Accounts) -> Option<Self> {
        scope.map(|scope| Self::new(scope, accounts))
    }
}

/// A kill switch.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Kill {
    /// Whom it stops.
    pub scope: Option<About>,
    /// Whether it is engaged.
    pub engaged: bool,
    /// What it lets through: nothing (`block`), or what reduces a position (`reduce_only`).
    pub mode: Option<KillMode>,
    /// Why.
    pub reason: String,
    /// Who engaged it, as the engine calls them; absent in streams.
    pub by: Option<String>,
}

impl Kill {
    /// As the engine told it.
    pub fn new(
        kill: &proto::KillSwitchReport,
        by: Option<&proto::Changed>,
        accounts: &Accounts,
    ) -> Self {
        Self {
            scope: About::of(kill.scope.as_ref(), accounts),
            engaged: kill.engaged,
            mode: KillMode::of(kill.mode),
            reason: kill.reason.clone(),
            by: by.map(|by| by.name.clone()),
        }
    }
}

/// A control that stopped a scope by what happened.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Tripped {
    /// Whom it stopped.
    pub scope: Option<About>,
    /// Which, such as `day_loss`.
    pub control: String,
    /// The limit in force.
    pub limit: String,
    /// What met it.
    pub value: String,
    /// Whether it stops the scope; else the scope goes on.
    pub stopped: bool,
}

impl Tripped {
    /// As the engine told it.
    pub fn new(tripped: &proto::TrippedReport, accounts: &Accounts) -> Self {
        let control = ControlKind::try_from(tripped.control).unwrap_or_default();
        Self {
            scope: About::of(tripped.scope.as_ref(), accounts),
            control: name(control.as_str_name(), "CONTROL_KIND_"),
            limit: tripped.limit.clone(),
            value: tripped.value.clone(),
            stopped: tripped.stopped,
        }
    }
}

/// Something that waits for a second person, or no longer does.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Proposal {
    /// Its number.
    pub number: u64,
    /// The hash of what was asked for: a decision repeats it.
    pub hash: String,
    /// Where it stands.
    pub status: Option<ProposalStatus>,
    /// What was asked for, such as `set_limits`.
    pub command: String,
    /// All of it in one sentence.
    pub summary: String,
    /// Whom it is about.
    pub scope: Option<About>,
    /// Why.
    pub reason: String,
    /// Who asked: the engine's number.
    pub proposer: u32,
    /// What the engine calls them; absent in streams.
    pub proposer_name: Option<String>,
    /// When it lapses; RFC 3339.
    pub lapses_at: String,
}

impl Proposal {
    /// As the engine told it.
    pub fn of(report: &proto::ProposalReport, accounts: &Accounts) -> Self {
        Self {
            number: report.number,
            hash: report.hash.clone(),
            status: ProposalStatus::of(report.status),
            command: report.command.clone(),
            summary: report.summary.clone(),
            scope: About::of(report.scope.as_ref(), accounts),
            reason: report.reason.clone(),
            proposer: report.proposer,
            proposer_name: None,
            lapses_at: super::report::time(report.lapses_at),
        }
    }
}

/// What became of a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Changed {
    /// `done`, or `waiting` for a second person.
    status: &'static str,
    /// The number of the proposal, if it waits.
    proposal: Option<u64>,
    /// Open orders that a kill switch canceled.
    canceled: u64,
}

pub(super) fn reason(text: &str) -> Result<String> {
    let is_fine = (1..=REASON_LEN_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    let rule = "say why: 1 to 48 printable ASCII characters";
    is_fine.then(|| text.to_string()).ok_or_else(|| ApiError::field("reason", rule))
}

pub(super) async fn changed(
    gateway: &Gateway,
    answer: AdminResponse,
    canceled: u64,
) -> Result<Data<Changed>> {
    outcome::check(answer.reject.as_ref())?;
    gateway.events.reach(answer.position.as_ref()).await;
    let waits = answer.proposal != 0;
    let data = Changed {
        status: if waits { "waiting" } else { "done" },
        proposal: waits.then_some(answer.proposal),
        canceled,
    };
    Ok(Data::new(data).as_of(as_of(gateway)))
}

/// The limits of an account, and what of them is used; absent until it is open.
#[utoipa::path(get, path = "/api/v1/accounts/{id}/limits", tag = "risk", security(("bearer" = ["risk:read"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<Option<Limits>>)))]
pub(super) async fn limits(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Option<Limits>>> {
    let account = Accounts::seen(&gateway, &caller, id).await?;
    let picture = gateway.events.picture();
    let lot_size = |symbol: &str| decimal::parse_nano(&picture.instrument(symbol)?.lot_size).ok();
    let data = Data::new(picture.account(account.number).and_then(|known| {
        let used = Some(Used::of(known, lot_size));
        Some(Limits { used, ..Limits::new(known.limits.as_ref()?) })
    }));
    Ok(data.as_of(super::picture::place(picture.as_of())))
}

/// New limits of an account, all of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetLimits {
    /// The limits.
    limits: Limits,
    /// Why; 1 to 48 characters.
    reason: String,
}

/// Sets every limit of an account. What is higher than before in anything waits for a second person.
#[utoipa::path(put, path = "/api/v1/accounts/{id}/limits", tag = "risk", security(("bearer" = ["risk:write"])),
    params(("id" = Uuid, Path)), request_body = SetLimits, responses((status = 200, body = Envelope<Changed>)))]
pub(super) async fn set_limits(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<SetLimits>,
) -> Result<Data<Changed>> {
    let account = Accounts::seen(&gateway, &caller, id).await?;
    let reason = reason(&asked.reason)?;
    let limits = Limits { used: None, ..asked.limits };
    let engine = principal::controller(&gateway, &caller).await?;
    let request = SetLimitsRequest { limits: Some(limits.to_engine(account.number)), reason };
    let detail = json!({ "limits": limits, "reason": asked.reason });
    gateway.audit.add(caller.entry("limits.set", id, detail)).await?;
    let answer = engine.set_limits(request).await.map_err(outcome::unknown)?;
    changed(&gateway, answer, 0).await
}

/// What a caller is told of: the firm, one's own accounts, instruments and strategies; everything for who sees everybody's accounts.
pub(super) struct Sight {
    sees_all: bool,
    accounts: Vec<u32>,
    principal: u32,
}

impl Sight {
    /// A caller's.
    pub fn of(gateway: &Gateway, caller: &Caller) -> Self {
        Self {
            sees_all: caller.permissions.has(Permission::AccountsReadAll),
            accounts: gateway.accounts.numbers_of(caller.user),
            principal: caller.principal,
        }
    }

    /// Whether the caller is told what is about a scope.
    pub fn sees(&self, scope: Option<&proto::Scope>) -> bool {
        self.sees_all
            || scope.is_some_and(|scope| match scope.kind() {
                proto::ScopeKind::Account => self.accounts.contains(&scope.id),
                proto::ScopeKind::Principal => scope.id == self.principal,
                kind => kind != proto::ScopeKind::Group,
            })
    }
}

/// All that stands still.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Stopped {
    /// Kill switches that are engaged.
    kills: Vec<Kill>,
    /// Scopes that a control stopped.
    tripped: Vec<Tripped>,
}

/// What stands still: the firm, one's own accounts, instruments and strategies; everything for who sees everybody's accounts.
#[utoipa::path(get, path = "/api/v1/risk/stopped", tag = "risk", security(("bearer" = ["risk:read"])),
    responses((status = 200, body = Envelope<Stopped>)))]
pub(super) async fn stopped(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Stopped>> {
    let sight = Sight::of(&gateway, &caller);
    let answer = gateway.engine.list_stopped(ListStoppedRequest {}).await?;
    let accounts = &gateway.accounts;
    let kills = answer.kills.iter().filter_map(|entry| {
        let kill = entry.kill.as_ref().filter(|kill| sight.sees(kill.scope.as_ref()))?;
        Some(Kill::new(kill, entry.changed.as_ref(), accounts))
    });
    let tripped = answer.tripped.iter().filter_map(|entry| {
        let tripped = entry.tripped.as_ref().filter(|it| sight.sees(it.scope.as_ref()))?;
        Some(Tripped::new(tripped, accounts))
    });
    Ok(Data::new(Stopped { kills: kills.collect(), tripped: tripped.collect() }))
}

/// Whom to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Engage {
    /// Whom.
    scope: Scope,
    /// What may still pass; absent: nothing.
    mode: Option<KillMode>,
    /// Why; 1 to 48 characters.
    reason: String,
}

/// Engages a kill switch: cancels every open order in scope, and refuses new ones.
#[utoipa::path(post, path = "/api/v1/risk/kill", tag = "risk", security(("bearer" = ["risk:write"])),
    request_body = Engage, responses((status = 200, body = Envelope<Changed>)))]
pub(super) async fn kill(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Engage>,
) -> Result<Data<Changed>> {
    let request = KillRequest {
        scope: Some(asked.scope.to_engine(&gateway.accounts)?),
        mode: asked.mode.map_or(0, KillMode::number),
        reason: reason(&asked.reason)?,
    };
    let engine = principal::controller(&gateway, &caller).await?;
    let answer = engine.kill(request).await.map_err(outcome::unknown)?;
    let canceled = answer.value;
    let answer = changed(&gateway, answer, canceled).await?;
    let detail = json!({ "scope": asked.scope, "mode": asked.mode, "reason": asked.reason });
    gateway.audit.add(caller.entry("kill.engage", "", detail)).await?;
    Ok(answer)
}

/// Whom to let go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LetGo {
    /// Whom.
    scope: Scope,
    /// Why; 1 to 48 characters.
    reason: String,
}

/// Asks for the release of a kill switch: it waits for a second person.
#[utoipa::path(post, path = "/api/v1/risk/release", tag = "risk", security(("bearer" = ["risk:write"])),
    request_body = LetGo, responses((status = 200, body = Envelope<Changed>)))]
pub(super) async fn release(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<LetGo>,
) -> Result<Data<Changed>> {
    let scope = Some(asked.scope.to_engine(&gateway.accounts)?);
    let request = ReleaseRequest { scope, reason: reason(&asked.reason)? };
    let engine = principal::controller(&gateway, &caller).await?;
    let detail = json!({ "scope": asked.scope, "reason": asked.reason });
    gateway.audit.add(caller.entry("kill.release", "", detail)).await?;
    let answer = engine.release(request).await.map_err(outcome::unknown)?;
    changed(&gateway, answer, 0).await
}

/// Which proposals.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those too that are decided or lapsed.
    #[serde(default)]
    include_decided: bool,
}

/// What waits for a second person, the newest first; 200 at most.
#[utoipa::path(get, path = "/api/v1/risk/proposals", tag = "risk", security(("bearer" = ["risk:write"])),
    params(Which), responses((status = 200, body = Envelope<Vec<Proposal>>)))]
pub(super) async fn proposals(
    State(gateway): State<Arc<Gateway>>,
    _: Caller,
    Query(which): Query<Which>,
) -> Result<Data<Vec<Proposal>>> {
    let request = ListProposalsRequest {
        include_decided: which.include_decided,
        page_size: PROPOSALS_MAX,
        page_token: String::new(),
    };
    let answer = gateway.engine.list_proposals(request).await?;
    let entries = answer.proposals.iter().filter_map(|entry| {
        let proposal = Proposal::of(entry.proposal.as_ref()?, &gateway.accounts);
        Some(Proposal { proposer_name: Some(entry.proposer_name.clone()), ..proposal })
    });
    Ok(Data::new(entries.collect()))
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    /// The hash of the proposal: what was looked at.
    hash: String,
    /// Approve or refuse. Whoever asked may only take it back.
    decision: Decision,
    /// Why; 1 to 48 characters.
    reason: String,
}

/// Decides a proposal of another person's.
#[utoipa::path(post, path = "/api/v1/risk/proposals/{number}/decision", tag = "risk",
    security(("bearer" = ["risk:write"])), params(("number" = u64, Path)), request_body = Decide,
    responses((status = 200, body = Envelope<Changed>)))]
pub(super) async fn decide(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(number): Path<u64>,
    Body(asked): Body<Decide>,
) -> Result<Data<Changed>> {
    let request = DecideRequest {
        proposal: number,
        hash: asked.hash.clone(),
        decision: asked.decision.number(),
        reason: reason(&asked.reason)?,
    };
    let engine = principal::controller(&gateway, &caller).await?;
    let detail = json!({ "decision": asked.decision, "hash": asked.hash, "reason": asked.reason });
    gateway.audit.add(caller.entry("proposal.decide", number, detail)).await?;
    let answer = engine.decide(request).await.map_err(outcome::unknown)?;
    changed(&gateway, answer, 0).await
}
