//! Administration.

use super::{Done, Shared};
use crate::convert::{lists, markets, reports, requests, risk};
use crate::error::Refusal;
use crate::view::RouteView;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate_client::proto;
use tidegate_client::proto::admin_service_server::AdminService;
use tidegate_model::{Command, PrincipalId, Scope, StateHash};
use tonic::{Request, Response, Status};

/// AdminService.
#[derive(Clone, Debug)]
pub(crate) struct Admin(pub Arc<Shared>);

impl Admin {
    async fn administer<T>(
        &self,
        request: Request<T>,
        read: impl FnOnce(&T) -> Result<Command, Refusal>,
    ) -> Done {
        let caller = self.0.auth.administrator(&request)?;
        let command = read(request.get_ref())?;
        self.0.administer(caller, command).await
    }

    /// The same of what changes limits, which only a person may that may control.
    async fn control<T>(
        &self,
        request: Request<T>,
        read: impl FnOnce(&T) -> Result<Command, Refusal>,
    ) -> Done {
        let caller = self.0.auth.controller(&request)?;
        self.0.administer(caller, read(request.get_ref())?).await
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn define_instrument(&self, request: Request<proto::DefineInstrumentRequest>) -> Done {
        self.administer(request, requests::define).await
    }

    async fn open_account(&self, request: Request<proto::OpenAccountRequest>) -> Done {
        self.administer(request, requests::open_account).await
    }

    async fn transfer(&self, request: Request<proto::TransferRequest>) -> Done {
        self.administer(request, requests::transfer).await
    }

    async fn set_limits(&self, request: Request<proto::SetLimitsRequest>) -> Done {
        if let Some(operator) = self.0.auth.founder(&request)? {
            let account = requests::account(
                request.get_ref().limits.as_ref().map_or(0, |limits| limits.account),
            )?;
            if !self.0.view().risk.limits.contains_key(&account) {
                let command = risk::set_limits(request.get_ref())?;
                return self.0.administer(operator, command).await;
            }
        }
        self.control(request, risk::set_limits).await
    }

    async fn get_limits(
        &self,
        request: Request<proto::GetLimitsRequest>,
    ) -> Result<Response<proto::GetLimitsResponse>, Status> {
        self.0.auth.reader(&request)?;
        let account = requests::account(request.get_ref().account)?;
        let view = self.0.view();
        Ok(Response::new(proto::GetLimitsResponse {
            limits: view.risk.limits.get(&account).map(|limits| reports::limits(&limits.what)),
            account_killed: view.risk.is_killed(Scope::account(account)),
            firm_killed: view.risk.is_killed(Scope::FIRM),
        }))
    }

    async fn set_principal(&self, request: Request<proto::SetPrincipalRequest>) -> Done {
        let asked = request.get_ref();
        let caller = self.0.auth.gateway(&request, PrincipalId(asked.principal))?;
        self.0.administer(caller, risk::set_principal(asked)?).await
    }

    async fn confirm_position(&self, request: Request<proto::ConfirmPositionRequest>) -> Done {
        let read = |asked: &_| requests::confirm_position(&self.0.view(), asked);
        self.administer(request, read).await
    }

    async fn set_phase(&self, request: Request<proto::SetPhaseRequest>) -> Done {
        self.administer(request, |asked| markets::set_phase(&self.0.view(), asked)).await
    }

    async fn set_bands(&self, request: Request<proto::SetBandsRequest>) -> Done {
        self.administer(request, |asked| markets::set_bands(&self.0.view(), asked)).await
    }

    async fn set_reference(&self, request: Request<proto::SetReferenceRequest>) -> Done {
        self.administer(request, |asked| markets::set_reference(&self.0.view(), asked)).await
    }

    async fn set_volume_curve(&self, request: Request<proto::SetVolumeCurveRequest>) -> Done {
        self.administer(request, lists::curve).await
    }

    async fn day_roll(&self, request: Request<proto::DayRollRequest>) -> Done {
        self.administer(request, |_| Ok(Command::DayRoll)).await
    }

    async fn list_routes(
        &self,
        request: Request<proto::ListRoutesRequest>,
    ) -> Result<Response<proto::ListRoutesResponse>, Status> {
        self.0.auth.reader(&request)?;
        let view = self.0.view();
        let open = view.routed_orders();
        let routes = self.0.routes.iter().zip(0u8..).map(|(name, number)| {
            let route = view.routes.get(&number).cloned().unwrap_or_default();
            let open_orders = open.get(&number).copied().unwrap_or_default();
            reports::route(&view, (number, name), open_orders, &route)
        });
        Ok(Response::new(proto::ListRoutesResponse {
            routes: routes.collect(),
            as_of: Some(reports::position(view.as_of)),
        }))
    }

    async fn get_status(
        &self,
        request: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        self.0.auth.reader(&request)?;
        let Shared { status, release, limits, lanes, streams, board, .. } = &*self.0;
        let checkpoint = status.checkpoint();
        let (checkpoint_seq, state_hash) =
            checkpoint.map_or((0, StateHash(0)), |checkpoint| (checkpoint.seq.0, checkpoint.hash));
        let view = self.0.view();
        let numbers = 0u8..u8::try_from(self.0.routes.len()).unwrap_or(u8::MAX);
        let is_up = |number: &u8| view.routes.get(number).is_some_and(RouteView::is_up);
        let routes_down = numbers.filter(|number| !is_up(number)).count() as u64;
        let routes_blocked = view.routes.values().map(|route| route.blocked.len() as u64).sum();
        let counters = [
            ("market_events", status.market_events.load(Ordering::Relaxed)),
            ("commands", status.commands.load(Ordering::Relaxed)),
            ("fills", status.fills.load(Ordering::Relaxed)),
            ("unknown_orders", status.unknown_orders.load(Ordering::Relaxed)),
            ("refused_events", status.refused_events.load(Ordering::Relaxed)),
            ("gaps", status.gaps.load(Ordering::Relaxed)),
            ("checkpoint_seq", checkpoint_seq),
            ("events", self.0.log.count()),
            ("public_updates_lost", board.lost()),
            ("routes_down", routes_down),
            ("routes_blocked", routes_blocked),
            ("release_waits", status.waits.load(Ordering::Relaxed)),
            ("held_requests", status.held_requests.load(Ordering::Relaxed)),
        ];
        let refusals = view.refusals.iter().map(|((reason, scope), count)| {
            let by = scope.map_or(String::new(), |scope| format!(".{scope}"));
            (format!("refused.{reason}{by}"), *count)
        });
        let counters = counters.map(|(name, value)| (name.to_string(), value));
        let counters = counters.into_iter().chain(refusals).collect();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Response::new(proto::GetStatusResponse {
            version: env!("CARGO_PKG_VERSION").to_string(),
            engine_alive: status.alive.load(Ordering::Acquire),
            seq: status.seq.load(Ordering::Relaxed),
            ts: status.now.load(Ordering::Relaxed),
            state_hash: state_hash.to_string(),
            last_event: Some(reports::position(view.as_of)),
            sessions_open: count(lanes.sessions_open()),
            sessions_max: count(lanes.sessions_max()),
            streams_open: count(limits.streams_max - streams.available_permits()),
            streams_max: count(limits.streams_max),
            counters,
            firm_killed: view.risk.is_killed(Scope::FIRM),
            release_level: reports::level(release.level()),
            synced_seq: release.synced().0,
            replicated_seq: release.replicated().0,
            waits_for_release: status.is_waiting.load(Ordering::Relaxed),
            clients: self.0.auth.clients(),
        }))
    }
}
