//! Orders that depend on each other, orders that are worked, and positions that are closed.

use super::accounts::{Account, Accounts, as_of};
use super::amount::canonical;
use super::authorize::{Estimate, Preview};
use super::report::Order;
use super::request::{NewOrder, hash, nanos};
use super::words::{Algorithm, Contingency};
use super::{authorize, outcome, principal};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::http::idempotency::IdempotencyKey;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tidegate_client::proto::{FlattenRequest, SubmitAlgorithmRequest, SubmitListRequest};
use utoipa::ToSchema;
use uuid::Uuid;

/// Legs of a list, at most.
const LEGS_MAX: usize = 8;
const MS_NS: u64 = 1_000_000;

/// A list of orders that depend on each other.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewList {
    /// What its legs are to each other.
    contingency: Contingency,
    /// Its orders, 2 to 8, all of one account; of those that are triggered by another, that one first.
    #[schema(min_items = 2, max_items = 8)]
    legs: Vec<NewOrder>,
}

/// A list as it was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListReport {
    /// Its UUID.
    id: Uuid,
    /// What its legs are to each other.
    contingency: Contingency,
    /// The UUIDs of its legs, in their order.
    legs: Vec<Uuid>,
    /// Its legs as they stand; those that the picture does not have yet are left out.
    orders: Vec<Order>,
}

impl NewList {
    fn checked(self) -> Result<Self> {
        if !(2..=LEGS_MAX).contains(&self.legs.len()) {
            return Err(ApiError::field("legs", format!("2 to {LEGS_MAX} orders")));
        }
        let legs = self.legs.into_iter().map(NewOrder::checked).collect::<Result<Vec<_>>>()?;
        let account = legs.first().map(|leg| leg.account);
        if legs.iter().any(|leg| Some(leg.account) != account) {
            return Err(ApiError::field("legs", "all legs must be of one account"));
        }
        Ok(Self { legs, ..self })
    }
}

fn orders_of(gateway: &Gateway, account: &Account, ids: &[Uuid]) -> Vec<Order> {
    let picture = gateway.events.picture();
    let Some(known) = picture.account(account.number) else { return Vec::new() };
    let rows = ids.iter().filter_map(|id| known.order(*id));
    rows.map(|row| Order::of(row, account.id, known)).collect()
}

/// What a list is and would cost.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ListPreview {
    /// For `POST /api/v1/orders/authorize`.
    hash: String,
    /// What its legs are to each other.
    contingency: Contingency,
    /// Whether it needs an authorization.
    needs_authorization: bool,
    /// Its legs, in their order.
    legs: Vec<Estimate>,
}

/// Says what a list is and would cost; nothing is sent.
#[utoipa::path(post, path = "/api/v1/orders/lists/preview", tag = "orders", security(("bearer" = ["orders:write"])),
    request_body = NewList, responses((status = 200, body = Envelope<ListPreview>)))]
pub(super) async fn preview(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<NewList>,
) -> Result<Data<ListPreview>> {
    let asked = asked.checked()?;
    let account = asked.legs.first().map(|leg| leg.account).unwrap_or_default();
    let account = Accounts::ready(&gateway, &caller, account).await?;
    let symbols: Vec<_> = asked.legs.iter().map(|leg| leg.symbol.as_str()).collect();
    let mut legs = Vec::with_capacity(asked.legs.len());
    for leg in &asked.legs {
        legs.push(authorize::estimate(&gateway, &caller, &account, leg).await?);
    }
    let preview = ListPreview {
        hash: authorize::signed(&gateway, &caller, account.id, &asked)?,
        contingency: asked.contingency,
        needs_authorization: authorize::is_needed(&gateway, &caller, &symbols),
        legs,
    };
    Ok(Data::new(preview).as_of(as_of(&gateway)))
}

/// Enters a list of orders, whole or not at all. Needs an Idempotency-Key; see POST /api/v1/orders.
#[utoipa::path(post, path = "/api/v1/orders/lists", tag = "orders", security(("bearer" = ["orders:write"])),
    params(("Idempotency-Key" = String, Header, description = "A name of your own, 1 to 128 visible ASCII characters."),
        ("Trade-Authorization" = Option<String>, Header, description = "The token of POST /api/v1/orders/authorize.")),
    request_body = NewList, responses((status = 201, body = Envelope<ListReport>)))]
pub(super) async fn submit(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    key: IdempotencyKey,
    headers: HeaderMap,
    Body(asked): Body<NewList>,
) -> Result<Data<ListReport>> {
    let asked = asked.checked()?;
    let account = asked.legs.first().map(|leg| leg.account).unwrap_or_default();
    let account = Accounts::ready(&gateway, &caller, account).await?;
    let id = key.uuid(caller.user);
    let ids: Vec<_> = (0..asked.legs.len()).map(|leg| key.part(caller.user, leg)).collect();
    let report =
        |orders| ListReport { id, contingency: asked.contingency, legs: ids.clone(), orders };
    let known = asked.legs.iter().zip(&ids);
    let known = known.map(|(leg, id)| super::orders::known(&gateway, &account, *id, leg));
    let known = known.collect::<Result<Option<Vec<_>>>>()?;
    let more = key.part(caller.user, ids.len());
    if !orders_of(&gateway, &account, &[more]).is_empty() {
        let message = "this Idempotency-Key was used for a longer list; take a new one";
        return Err(ApiError::new(Code::KeyReused, message));
    }
    if let Some(known) = known {
        return Ok(Data::created(report(known)).as_of(as_of(&gateway)));
    }
    let symbols: Vec<_> = asked.legs.iter().map(|leg| leg.symbol.as_str()).collect();
    authorize::check(&gateway, &caller, &headers, account.id, &symbols, id, &hash(&asked)?).await?;
    let legs = asked.legs.iter().zip(&ids);
    let legs = legs.map(|(leg, id)| leg.to_engine(account.number, *id)).collect::<Result<_>>()?;
    // The same number each time, and never 0.
    let list_id = (id.as_u128() as u32).max(1);
    let contingency = asked.contingency.number();
    let engine = principal::trader(&gateway, &caller).await?;
    let summary: Vec<_> = asked.legs.iter().map(NewOrder::summary).collect();
    let detail = json!({
        "account": account.id, "contingency": asked.contingency, "legs": summary,
    });
    gateway.audit.add(caller.entry("order.submit_list", id, detail)).await?;
    let answer = engine.submit_list(SubmitListRequest { list_id, contingency, legs }).await;
    let answer = answer.map_err(outcome::unknown)?;
    outcome::check(answer.list.as_ref().and_then(|list| list.reject.as_ref()))?;
    gateway.events.reach(answer.position.as_ref()).await;
    let orders = orders_of(&gateway, &account, &ids);
    Ok(Data::created(report(orders)).as_of(as_of(&gateway)))
}

/// A parent order, which the engine works by child orders.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewParent {
    /// What is to be traded: a market or limit order, for the day or until canceled.
    order: NewOrder,
    /// How.
    algorithm: Algorithm,
    /// No child goes out before; RFC 3339; absent: now.
    #[schema(value_type = Option<String>, format = DateTime)]
    start_at: Option<Timestamp>,
    /// What is not executed by then is given up; RFC 3339; needed by TWAP and VWAP.
    #[schema(value_type = Option<String>, format = DateTime)]
    end_at: Option<Timestamp>,
    /// Of TWAP and VWAP: milliseconds between two children, at least 100.
    interval_ms: Option<u64>,
    /// Of an iceberg: the quantity of each child. Of POV: the least one. Decimal text.
    slice_qty: Option<String>,
    /// Of POV: the share of what is traded, in 0.01 %, 1 to 10,000.
    rate_bp: Option<u32>,
    /// Of VWAP: the number of the curve of volume.
    curve: Option<u32>,
}

impl NewParent {
    fn checked(self) -> Result<Self> {
        let order = self.order.checked()?;
        let slice_qty = self.slice_qty.map(|text| canonical("slice_qty", &text)).transpose()?;
        Ok(Self { order, slice_qty, ..self })
    }

    /// How it is worked.
    fn summary(&self) -> String {
        let mut text = format!("worked by {}", self.algorithm.as_text());
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        for (name, value) in [
            ("from", self.start_at.map(|at| at.to_string())),
            ("until", self.end_at.map(|at| at.to_string())),
            ("every ms", number(self.interval_ms)),
            ("in slices of", self.slice_qty.clone()),
            ("at 0.01 % times", number(self.rate_bp.map(u64::from))),
            ("along curve", number(self.curve.map(u64::from))),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(" {name} {value}"));
            }
        }
        text
    }
}

/// Says what a parent order is and would cost; nothing is sent.
#[utoipa::path(post, path = "/api/v1/orders/algorithms/preview", tag = "orders",
    security(("bearer" = ["orders:write"])), request_body = NewParent,
    responses((status = 200, body = Envelope<Preview>)))]
pub(super) async fn preview_parent(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<NewParent>,
) -> Result<Data<Preview>> {
    let asked = asked.checked()?;
    let account = Accounts::ready(&gateway, &caller, asked.order.account).await?;
    let symbols = [asked.order.symbol.as_str()];
    let mut estimate = authorize::estimate(&gateway, &caller, &account, &asked.order).await?;
    estimate.summary = format!("{}; {}", estimate.summary, asked.summary());
    let preview = Preview {
        hash: authorize::signed(&gateway, &caller, account.id, &asked)?,
        needs_authorization: authorize::is_needed(&gateway, &caller, &symbols),
        estimate,
    };
    Ok(Data::new(preview).as_of(as_of(&gateway)))
}

/// Enters a parent order. Needs an Idempotency-Key; see POST /api/v1/orders.
#[utoipa::path(post, path = "/api/v1/orders/algorithms", tag = "orders", security(("bearer" = ["orders:write"])),
    params(("Idempotency-Key" = String, Header, description = "A name of your own, 1 to 128 visible ASCII characters."),
        ("Trade-Authorization" = Option<String>, Header, description = "The token of POST /api/v1/orders/authorize.")),
    request_body = NewParent, responses((status = 201, body = Envelope<Order>)))]
pub(super) async fn work(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    key: IdempotencyKey,
    headers: HeaderMap,
    Body(asked): Body<NewParent>,
) -> Result<Data<Order>> {
    let asked = asked.checked()?;
    let account = Accounts::ready(&gateway, &caller, asked.order.account).await?;
    let id = key.uuid(caller.user);
    let time = |field, at: Option<Timestamp>| {
        at.map(|at| nanos(field, at)).transpose().map(Option::unwrap_or_default)
    };
    let interval_ns = asked.interval_ms.unwrap_or(0).checked_mul(MS_NS);
    let request = SubmitAlgorithmRequest {
        parent: Some(asked.order.to_engine(account.number, id)?),
        algorithm: asked.algorithm.number(),
        start_at: time("start_at", asked.start_at)?,
        end_at: time("end_at", asked.end_at)?,
        interval_ns: interval_ns.ok_or_else(|| ApiError::field("interval_ms", "is too long"))?,
        slice_qty: asked.slice_qty.clone().unwrap_or_default(),
        rate_bp: asked.rate_bp.unwrap_or(0),
        curve: asked.curve.unwrap_or(0),
    };
    if let Some(order) = super::orders::known(&gateway, &account, id, &asked.order)? {
        return Ok(Data::created(order).as_of(as_of(&gateway)));
    }
    let symbols = [asked.order.symbol.as_str()];
    authorize::check(&gateway, &caller, &headers, account.id, &symbols, id, &hash(&asked)?).await?;
    let engine = principal::trader(&gateway, &caller).await?;
    let detail = json!({
        "account": account.id, "algorithm": asked.algorithm, "order": asked.order.summary(),
    });
    gateway.audit.add(caller.entry("order.submit_algorithm", id, detail)).await?;
    let report = engine.algorithm(request).await.map_err(outcome::unknown)?;
    let order = super::orders::told(&gateway, &account, id, caller.principal, report).await?;
    let seq = order.seq.clone();
    Ok(Data::created(order).as_of(seq))
}

/// Which positions to close.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Flatten {
    /// In this symbol; absent: in all.
    symbol: Option<String>,
    /// When; RFC 3339; absent: now.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// True: what waits for its time, or is being closed, no longer is.
    #[serde(default)]
    take_back: bool,
}

/// What is being closed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Flattening {
    /// Scopes that wait for their time or are being closed; 0: all is closed.
    waiting: u64,
}

/// Closes positions of an account, now or at a time: cancels what is open there, then trades them to zero. It needs no
/// authorization: like a cancel it only makes smaller what one stands to lose.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/flatten", tag = "orders", security(("bearer" = ["orders:write"])),
    params(("id" = Uuid, Path)), request_body = Flatten, responses((status = 200, body = Envelope<Flattening>)))]
pub(super) async fn flatten(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<Flatten>,
) -> Result<Data<Flattening>> {
    let account = gateway.accounts.own(&caller, id)?;
    let request = FlattenRequest {
        account: account.number,
        symbol: asked.symbol.clone().unwrap_or_default(),
        at: asked.at.map(|at| nanos("at", at)).transpose()?.unwrap_or(0),
        take_back: asked.take_back,
    };
    let engine = principal::trader(&gateway, &caller).await?;
    let answer = engine.flatten(request).await.map_err(outcome::unknown)?;
    outcome::check(answer.reject.as_ref())?;
    gateway.events.reach(answer.position.as_ref()).await;
    let detail = json!({ "symbol": asked.symbol, "at": asked.at, "take_back": asked.take_back });
    gateway.audit.add(caller.entry("account.flatten", id, detail)).await?;
    Ok(Data::new(Flattening { waiting: answer.waiting }).as_of(as_of(&gateway)))
}
