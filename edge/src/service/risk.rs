//! The administration of risk.

use super::{Done, Shared, misfit, page, token_numbers};
use crate::answers::{Answer, Expect};
use crate::convert::{controls, reports, requests, risk};
use crate::error::Refusal;
use crate::view::{ControlKey, Noted, View, scopes_of};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate_client::proto;
use tidegate_client::proto::risk_service_server::RiskService;
use tidegate_model::command::SetGroup;
use tidegate_model::event::{ProposalStatus, Tripped};
use tidegate_model::{
    AccountId, Command, Event, EventRecord, InstrumentId, PrincipalId, Scope, SeqNo,
};
use tonic::{Request, Response, Status};

/// Rows of one page where none is asked for.
const ROWS_PAGE: usize = 1_000;
/// Proposals or changes of one page where none is asked for: each has sentences.
const TEXTS_PAGE: usize = 100;
/// Switches, and stopped scopes, of one answer.
const STOPPED_MAX: usize = 1_000;

/// RiskService.
#[derive(Clone, Debug)]
pub(crate) struct Risk(pub Arc<Shared>);

type Answered<T> = Result<Response<T>, Status>;

impl Risk {
    /// A change that only a person may ask for that may control.
    async fn control<T>(
        &self,
        request: Request<T>,
        read: impl FnOnce(&View, &T) -> Result<Command, Refusal>,
    ) -> Done {
        let caller = self.0.auth.controller(&request)?;
        let command = read(&self.0.view(), request.get_ref())?;
        self.0.administer(caller, command).await
    }
}

fn changed<T>(view: &View, noted: &Noted<T>) -> proto::Changed {
    proto::Changed {
        principal: noted.principal.0,
        name: view.risk.name(noted.principal),
        ts: noted.ts.0,
        position: Some(reports::position(noted.position)),
    }
}

/// Where a page of a map begins.
fn after<const N: usize, K>(
    token: &str,
    key: impl FnOnce([u64; N]) -> Option<K>,
) -> Result<Bound<K>, Refusal> {
    let foreign = || Refusal::invalid("page_token", "is not one that this call gave out");
    match token_numbers::<N>(token)? {
        None => Ok(Bound::Unbounded),
        Some(numbers) => key(numbers).map(Bound::Excluded).ok_or_else(foreign),
    }
}

fn scope_of_token(kind: u64, id: u64) -> Option<Scope> {
    Some(Scope { kind: u8::try_from(kind).ok()?, reserved: [0; 3], id: u32::try_from(id).ok()? })
}

#[tonic::async_trait]
impl RiskService for Risk {
    async fn set_control(&self, request: Request<proto::SetControlRequest>) -> Done {
        self.control(request, risk::set_control).await
    }

    async fn clear_control(&self, request: Request<proto::ClearControlRequest>) -> Done {
        self.control(request, risk::clear_control).await
    }

    async fn list_controls(
        &self,
        request: Request<proto::ListControlsRequest>,
    ) -> Answered<proto::ListControlsResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ROWS_PAGE)?;
        let from = after(&request.page_token, |[kind, id, control, list]: [u64; 4]| {
            Some(ControlKey {
                scope: scope_of_token(kind, id)?,
                control: u8::try_from(control).ok()?,
                list: u8::try_from(list).ok()?,
            })
        })?;
        let view = self.0.view();
        let wanted = risk::scope_filter(&view, request.scope.as_ref())?;
        let controls = view.risk.controls.range((from, Bound::Unbounded));
        let rows: Vec<_> = controls
            .filter(|(key, _)| wanted.is_none_or(|wanted| wanted == key.scope))
            .take(size + 1)
            .collect();
        let (rows, next_page_token) = page(rows, size, |(key, _)| {
            format!("{}-{}-{}-{}", key.scope.kind, key.scope.id, key.control, key.list)
        });
        let in_force = |(_, noted): &(_, &Noted<_>)| proto::ControlInForce {
            control: Some(controls::control(&view, &noted.what)),
            changed: Some(changed(&view, noted)),
        };
        Ok(Response::new(proto::ListControlsResponse {
            controls: rows.iter().map(in_force).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn list_limits(
        &self,
        request: Request<proto::ListLimitsRequest>,
    ) -> Answered<proto::ListLimitsResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ROWS_PAGE)?;
        let from =
            after(&request.page_token, |[id]: [u64; 1]| u32::try_from(id).ok().map(AccountId))?;
        let wanted = request.account.map(requests::account).transpose()?;
        let view = self.0.view();
        let limits = view.risk.limits.range((from, Bound::Unbounded));
        let rows: Vec<_> = limits
            .filter(|(account, _)| wanted.is_none_or(|wanted| wanted == **account))
            .take(size + 1)
            .collect();
        let (rows, next_page_token) = page(rows, size, |(account, _)| account.to_string());
        let in_force =
            |(_, noted): &(_, &Noted<tidegate_model::command::SetLimits>)| proto::LimitsInForce {
                limits: Some(reports::limits(&noted.what)),
                changed: Some(changed(&view, noted)),
                reason: noted.what.reason.as_str().to_string(),
            };
        Ok(Response::new(proto::ListLimitsResponse {
            limits: rows.iter().map(in_force).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn list_principals(
        &self,
        request: Request<proto::ListPrincipalsRequest>,
    ) -> Answered<proto::ListPrincipalsResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ROWS_PAGE)?;
        let from =
            after(&request.page_token, |[id]: [u64; 1]| u32::try_from(id).ok().map(PrincipalId))?;
        let view = self.0.view();
        let principals = view.risk.principals.range((from, Bound::Unbounded));
        let rows: Vec<_> = principals.take(size + 1).collect();
        let (rows, next_page_token) = page(rows, size, |(id, _)| id.to_string());
        Ok(Response::new(proto::ListPrincipalsResponse {
            principals: rows.iter().map(|(_, set)| controls::principal(set)).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn set_group(&self, request: Request<proto::SetGroupRequest>) -> Done {
        self.control(request, risk::set_group).await
    }

    async fn list_groups(
        &self,
        request: Request<proto::ListGroupsRequest>,
    ) -> Answered<proto::ListGroupsResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ROWS_PAGE)?;
        let from = after(&request.page_token, |[kind, id]: [u64; 2]| scope_of_token(kind, id))?;
        let view = self.0.view();
        let members = view.risk.groups.range((from, Bound::Unbounded));
        let rows: Vec<&SetGroup> = members
            .map(|(_, set)| set)
            .filter(|set| request.group == 0 || request.group == set.group)
            .take(size + 1)
            .collect();
        let (rows, next_page_token) =
            page(rows, size, |set| format!("{}-{}", set.member.kind, set.member.id));
        Ok(Response::new(proto::ListGroupsResponse {
            members: rows.iter().map(|set| controls::group(&view, set)).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn set_listed(&self, request: Request<proto::SetListedRequest>) -> Done {
        self.control(request, risk::set_listed).await
    }

    async fn list_listed(
        &self,
        request: Request<proto::ListListedRequest>,
    ) -> Answered<proto::ListListedResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ROWS_PAGE)?;
        let from = after(&request.page_token, |[list, id]: [u64; 2]| {
            Some((u8::try_from(list).ok()?, InstrumentId(u32::try_from(id).ok()?)))
        })?;
        let wanted = if request.list == 0 { None } else { Some(risk::list(request.list)?) };
        let view = self.0.view();
        let listed = view.risk.listed.range((from, Bound::Unbounded));
        let rows: Vec<_> = listed
            .filter(|((list, _), _)| wanted.is_none_or(|wanted| wanted == *list))
            .take(size + 1)
            .collect();
        let (rows, next_page_token) =
            page(rows, size, |((list, instrument), _)| format!("{list}-{instrument}"));
        Ok(Response::new(proto::ListListedResponse {
            listed: rows.iter().map(|(_, set)| controls::listed(&view, set)).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn set_factors(&self, request: Request<proto::SetFactorsRequest>) -> Done {
        // Whether the principal may estimate, the engine knows.
        let caller = self.0.auth.trader(&request)?;
        let command = risk::set_factors(&self.0.view(), request.get_ref())?;
        self.0.administer(caller, command).await
    }

    async fn grant_locate(&self, request: Request<proto::GrantLocateRequest>) -> Done {
        self.control(request, risk::grant_locate).await
    }

    async fn list_locates(
        &self,
        request: Request<proto::ListLocatesRequest>,
    ) -> Answered<proto::ListLocatesResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, ROWS_PAGE)?;
        let from = after(&request.page_token, |[account, id]: [u64; 2]| {
            Some((AccountId(u32::try_from(account).ok()?), InstrumentId(u32::try_from(id).ok()?)))
        })?;
        let wanted = request.account.map(requests::account).transpose()?;
        let view = self.0.view();
        let locates = view.risk.locates.range((from, Bound::Unbounded));
        let rows: Vec<_> = locates
            .filter(|((account, _), _)| wanted.is_none_or(|wanted| wanted == *account))
            .take(size + 1)
            .collect();
        let (rows, next_page_token) =
            page(rows, size, |((account, instrument), _)| format!("{account}-{instrument}"));
        Ok(Response::new(proto::ListLocatesResponse {
            locates: rows.iter().map(|(_, set)| controls::locate(&view, set)).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn kill(&self, request: Request<proto::KillRequest>) -> Done {
        self.control(request, risk::kill).await
    }

    async fn release(&self, request: Request<proto::ReleaseRequest>) -> Done {
        self.control(request, risk::release).await
    }

    async fn enable(&self, request: Request<proto::EnableRequest>) -> Done {
        self.control(request, risk::enable).await
    }

    async fn list_stopped(
        &self,
        request: Request<proto::ListStoppedRequest>,
    ) -> Answered<proto::ListStoppedResponse> {
        self.0.auth.reader(&request)?;
        let view = self.0.view();
        // What stops for a time goes on by itself, and nobody says so.
        let now = self.0.status.now.load(Ordering::Relaxed);
        let stops = |noted: &&Noted<Tripped>| noted.what.until.0 == 0 || noted.what.until.0 > now;
        let kills = &view.risk.kills;
        let tripped: Vec<_> = view.risk.tripped.values().filter(stops).collect();
        let left_out = |len: usize| len.saturating_sub(STOPPED_MAX) as u64;
        let kill = |noted: &Noted<_>| proto::KillInForce {
            kill: Some(controls::kill_switch(&view, &noted.what)),
            changed: Some(changed(&view, noted)),
        };
        let stop = |noted: &&Noted<_>| proto::TrippedInForce {
            tripped: Some(controls::tripped(&view, &noted.what)),
            since: noted.ts.0,
        };
        Ok(Response::new(proto::ListStoppedResponse {
            kills: kills.values().take(STOPPED_MAX).map(kill).collect(),
            tripped: tripped.iter().take(STOPPED_MAX).map(stop).collect(),
            left_out: left_out(kills.len()) + left_out(tripped.len()),
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn list_proposals(
        &self,
        request: Request<proto::ListProposalsRequest>,
    ) -> Answered<proto::ListProposalsResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, TEXTS_PAGE)?;
        let before = after(&request.page_token, |[number]: [u64; 1]| Some(number))?;
        let view = self.0.view();
        let rows: Vec<_> = view
            .risk
            .proposals
            .range((Bound::Unbounded, before))
            .rev()
            .map(|(_, noted)| noted)
            .filter(|noted| {
                request.include_decided || noted.what.status == ProposalStatus::Pending.wire()
            })
            .take(size + 1)
            .collect();
        let (rows, next_page_token) = page(rows, size, |noted| noted.what.number.to_string());
        let name = |id: PrincipalId| if id.0 == 0 { String::new() } else { view.risk.name(id) };
        let entry = |noted: &&Noted<_>| proto::ProposalEntry {
            proposal: Some(controls::proposal(&view, &noted.what)),
            ts: noted.ts.0,
            proposer_name: name(noted.what.proposer),
            decider_name: name(noted.what.decider),
        };
        Ok(Response::new(proto::ListProposalsResponse {
            proposals: rows.iter().map(entry).collect(),
            next_page_token,
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn decide(&self, request: Request<proto::DecideRequest>) -> Done {
        self.control(request, |_, asked| risk::decide(asked)).await
    }

    async fn check_order(
        &self,
        request: Request<proto::CheckOrderRequest>,
    ) -> Answered<proto::CheckOrderResponse> {
        let caller = self.0.auth.trader(&request)?;
        let command = risk::check_order(&self.0.view(), request.get_ref())?;
        let answer = self.0.answer(caller, &[command], Expect::Verdicts).await?;
        let Answer { record, beside, left_out } = answer;
        let Some(Event::Ack(ack)) = record.event() else { return Err(misfit(&record)) };
        let view = self.0.view();
        let verdict = |record: &EventRecord| match (record.event(), &command) {
            (Some(Event::Verdict(verdict)), Command::CheckOrder(order)) => {
                let terms = view.instrument(order.instrument).map(|terms| &**terms);
                Some(controls::verdict(&view, &verdict, terms))
            }
            _ => None,
        };
        let reports = reports::admin(&record, &ack, 0, caller.level);
        Ok(Response::new(proto::CheckOrderResponse {
            verdicts: beside.iter().filter_map(verdict).collect(),
            refusals: reports.value,
            reject: reports.reject,
            left_out,
            position: reports.position,
        }))
    }

    async fn history(
        &self,
        request: Request<proto::HistoryRequest>,
    ) -> Answered<proto::HistoryResponse> {
        self.0.auth.reader(&request)?;
        let request = request.get_ref();
        let size = requests::page_size(request.page_size, TEXTS_PAGE)?;
        let before = token_numbers::<2>(&request.page_token)?;
        let view = self.0.view();
        let wanted = risk::scope_filter(&view, request.scope.as_ref())?;
        let history = &view.risk.history;
        let place = |record: &EventRecord| (record.seq, u64::from(record.ordinal));
        let end = before.map_or(history.len(), |[seq, ordinal]| {
            history.partition_point(|record| place(record) < (SeqNo(seq), ordinal))
        });
        let is_wanted = |record: &&EventRecord| {
            let about = record.event().map_or([None; 2], |event| scopes_of(&event));
            wanted.is_none() || about.contains(&wanted)
        };
        let rows: Vec<_> = history.range(..end).rev().filter(is_wanted).take(size + 1).collect();
        let (rows, next_page_token) =
            page(rows, size, |record| format!("{}-{}", record.seq, record.ordinal));
        let entry = |record: &&EventRecord| controls::history_entry(&view, record);
        Ok(Response::new(proto::HistoryResponse {
            entries: rows.iter().filter_map(entry).collect(),
            next_page_token,
            older: view.risk.older,
            as_of: Some(reports::position(view.as_of)),
        }))
    }
}
