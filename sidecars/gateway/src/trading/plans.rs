//! What a plan lets a user do: automatic orders a day, which the engine limits, and queries of models, which others do.

use super::principal;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::Caller;
use serde::Serialize;
use std::sync::Arc;
use tidegate_client::proto::{Control, ControlKind, Scope, ScopeKind, SetControlRequest};
use utoipa::ToSchema;

/// A plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// No automatic orders.
    Free,
    /// Some.
    Basic,
    /// More.
    Pro,
    /// As many as the account's limits let through.
    Enterprise,
}

impl Plan {
    /// All of them, the smallest first.
    pub const ALL: [Self; 4] = [Self::Free, Self::Basic, Self::Pro, Self::Enterprise];

    /// Its name, as the database and answers have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Basic => "basic",
            Self::Pro => "pro",
            Self::Enterprise => "enterprise",
        }
    }

    /// The plan of a name; free, for one that is not known.
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|plan| plan.as_str() == name).unwrap_or(Self::Free)
    }

    /// Automatic orders a day; `None`: any number.
    pub fn automatic_orders(self) -> Option<u32> {
        match self {
            Self::Free => Some(0),
            Self::Basic => Some(10),
            Self::Pro => Some(50),
            Self::Enterprise => None,
        }
    }

    /// Queries of models a day; `None`: any number.
    pub fn ai_queries(self) -> Option<u32> {
        match self {
            Self::Free => Some(5),
            Self::Basic => Some(50),
            Self::Pro => Some(500),
            Self::Enterprise => None,
        }
    }
}

/// Limits the orders of a day of a principal to what a plan has.
pub(super) async fn limit(gateway: &Gateway, principal: u32, plan: Plan) -> Result<()> {
    let Some(orders) = plan.automatic_orders() else { return Ok(()) };
    let control = Control {
        scope: Some(Scope {
            kind: ScopeKind::Principal.into(),
            id: principal,
            ..Default::default()
        }),
        control: ControlKind::DayOrders.into(),
        limit: orders.to_string(),
        reason: format!("plan {}", plan.as_str()),
        ..Default::default()
    };
    let keeper = principal::keeper(gateway).await?;
    let answer = keeper.set_control(SetControlRequest { control: Some(control) }).await?;
    super::outcome::check(answer.reject.as_ref())
}

/// A refusal of a program's order, in the words of its user's plan where that is the reason.
pub(super) async fn told(gateway: &Gateway, caller: &Caller, error: ApiError) -> ApiError {
    if !principal::is_program(caller) || error.code != Code::Rejected {
        return error;
    }
    let Ok(person) = gateway.identity.person(caller.user).await else { return error };
    let plan = Plan::from_name(&person.plan);
    let is_by_plan = plan.automatic_orders().is_some_and(|orders| {
        error.details["limit"].as_str() == Some(&*orders.to_string())
            && ["not_permitted", "day_orders"]
                .iter()
                .any(|reason| error.details["reason"] == *reason)
    });
    if !is_by_plan {
        return error;
    }
    let orders = plan.automatic_orders().unwrap_or_default();
    let name = plan.as_str();
    let mut details = error.details;
    details["plan"] = name.into();
    let message =
        format!("the plan {name} has {orders} automatic orders a day; GET /api/v1/plans has more");
    ApiError::new(Code::Rejected, message).with(details)
}

/// What a plan has.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlanReport {
    /// Its name.
    plan: Plan,
    /// Orders of programs (API keys, agents) a day; absent: any number.
    automatic_orders_per_day: Option<u32>,
    /// Queries of models a day; absent: any number.
    ai_queries_per_day: Option<u32>,
    /// Whether it is the caller's.
    is_current: bool,
}

/// Every plan, and which is the caller's.
#[utoipa::path(get, path = "/api/v1/plans", tag = "plans", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Vec<PlanReport>>)))]
pub(super) async fn list(
    axum::extract::State(gateway): axum::extract::State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<PlanReport>>> {
    let current = Plan::from_name(&gateway.identity.person(caller.user).await?.plan);
    let report = |plan: Plan| PlanReport {
        plan,
        automatic_orders_per_day: plan.automatic_orders(),
        ai_queries_per_day: plan.ai_queries(),
        is_current: plan == current,
    };
    Ok(Data::new(Plan::ALL.into_iter().map(report).collect()))
}
