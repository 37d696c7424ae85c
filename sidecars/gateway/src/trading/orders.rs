//! Orders: entering, changing and canceling them, and what became of them.
//!
//! An order's UUID is made of user and Idempotency-Key and is its name in the engine, which takes a name once: whatever broke,
//! the same request again is the same order.

use super::accounts::{Account, Accounts, as_of};
use super::amount::canonical;
use super::picture::{OrderRow, place};
use super::report::Order;
use super::request::{NewOrder, hash};
use super::words::OrdStatus;
use super::{authorize, outcome, plans, principal};
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::cursor::Page;
use crate::http::guard::Caller;
use crate::http::idempotency::IdempotencyKey;
use crate::ops::trace::note;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tidegate_client::proto::{
    self, CancelOrderRequest, MassCancelRequest, OrderReport, ReplaceOrderRequest,
    cancel_order_request, replace_order_request,
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The list that cursors of orders belong to.
const LIST: &str = "orders";

/// The answer to what was asked of one order: as it stands after the engine's word on it.
pub(super) async fn told(
    gateway: &Gateway,
    account: &Account,
    id: Uuid,
    principal: u32,
    report: OrderReport,
) -> Result<Order> {
    outcome::check(report.reject.as_ref())?;
    gateway.events.reach(report.position.as_ref()).await;
    let picture = gateway.events.picture();
    let known = picture.account(account.number);
    let row = known.and_then(|known| known.order(id)).filter(|row| {
        let at = |report: &OrderReport| report.position.map_or((0, 0), |at| (at.seq, at.ordinal));
        at(&row.report) >= at(&report)
    });
    Ok(match (known, row) {
        (Some(known), Some(row)) => Order::of(row, account.id, known),
        // The picture is behind: what the engine said.
        _ => {
            let created_at = report.ts;
            let row = OrderRow { id, serial: 0, report, principal, created_at };
            Order::new(&row, Some(account.id), None)
        }
    })
}

/// An order of a name that the engine took before: of this process's life or another's.
pub(super) fn known(
    gateway: &Gateway,
    account: &Account,
    id: Uuid,
    asked: &NewOrder,
) -> Result<Option<Order>> {
    let picture = gateway.events.picture();
    let Some(known) = picture.account(account.number) else { return Ok(None) };
    // One that was refused is looked at anew.
    let row = known.order(id).filter(|row| row.status() != Some(OrdStatus::Rejected));
    let Some(row) = row else { return Ok(None) };
    if !asked.may_be(&row.report) {
        let message = "this Idempotency-Key was used for another order; take a new one";
        return Err(ApiError::new(Code::KeyReused, message));
    }
    Ok(Some(Order::of(row, account.id, known)))
}

/// Enters an order. Needs an Idempotency-Key, and of a person, where the house asks for it, the token of an authorization in
/// `Trade-Authorization`.
#[utoipa::path(post, path = "/api/v1/orders", tag = "orders", security(("bearer" = ["orders:write"])),
    params(("Idempotency-Key" = String, Header, description = "A name of your own, 1 to 128 visible ASCII characters."),
        ("Trade-Authorization" = Option<String>, Header, description = "The token of POST /api/v1/orders/authorize.")),
    request_body = NewOrder, responses((status = 201, body = Envelope<Order>)))]
pub(super) async fn submit(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    key: IdempotencyKey,
    headers: HeaderMap,
    Body(asked): Body<NewOrder>,
) -> Result<Data<Order>> {
    let asked = asked.checked()?;
    let account = Accounts::ready(&gateway, &caller, asked.account).await?;
    let id = key.uuid(caller.user);
    let request = asked.to_engine(account.number, id)?;
    if let Some(order) = known(&gateway, &account, id, &asked)? {
        return Ok(Data::created(order).as_of(as_of(&gateway)));
    }
    let symbols = [asked.symbol.as_str()];
    authorize::check(&gateway, &caller, &headers, account.id, &symbols, id, &hash(&asked)?).await?;
    let engine = principal::trader(&gateway, &caller).await?;
    note("order.id", id);
    // First written down, then sent, as all that trades or loosens: what became of it the engine's journal has. What stops is sent
    // first: no database may keep it.
    let detail = json!({ "account": account.id, "order": asked.summary() });
    gateway.audit.add(caller.entry("order.submit", id, detail)).await?;
    let order = match engine.submit(request).await.map_err(outcome::unknown) {
        Ok(report) => told(&gateway, &account, id, caller.principal, report).await,
        Err(error) => Err(error),
    };
    gateway.ops.metrics.ordered(order.as_ref().map_err(|error| error.code));
    let order = match order {
        Ok(order) => order,
        Err(error) => return Err(plans::told(&gateway, &caller, error).await),
    };
    note("order.seq", &order.seq);
    let seq = order.seq.clone();
    Ok(Data::named(order).as_of(seq))
}

/// Which orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this account; absent: of all of one's own.
    account: Option<Uuid>,
    /// In this symbol.
    symbol: Option<String>,
    /// `open`, `closed`, or one status such as `filled`.
    status: Option<String>,
    /// `meta.next_cursor` of the page before; absent: the newest.
    cursor: Option<String>,
    /// Rows of the page, 1 to 200; absent: 50.
    limit: Option<u32>,
}

/// Orders, the newest first: all that are open, and the latest of those that have ended.
#[utoipa::path(get, path = "/api/v1/orders", tag = "orders", security(("bearer" = ["orders:read"])),
    params(Filter), responses((status = 200, body = Envelope<Vec<Order>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Data<Vec<Order>>> {
    let page = Page { cursor: filter.cursor, limit: filter.limit };
    let (size, before) = (page.size()?, gateway.cursors.read(&caller, LIST, &page)?);
    let accounts = Accounts::asked(&gateway, &caller, filter.account).await?;
    let wanted = match filter.status.as_deref() {
        None | Some("open" | "closed") => None,
        Some(name) => Some(serde_json::from_value::<OrdStatus>(json!(name)).map_err(|_| {
            ApiError::field("status", "open, closed, or one status such as filled")
        })?),
    };
    let passes = |row: &OrderRow| {
        let is_in = match filter.status.as_deref() {
            None => true,
            Some("open") => !row.is_closed(),
            Some("closed") => row.is_closed(),
            Some(_) => row.status() == wanted,
        };
        is_in && filter.symbol.as_ref().is_none_or(|symbol| *symbol == row.report.symbol)
    };
    let picture = gateway.events.picture();
    let mut rows = Vec::new();
    for account in &accounts {
        let Some(known) = picture.account(account.number) else { continue };
        let older = known.orders.range(..before.unwrap_or(u64::MAX)).rev();
        let of_page = older.map(|(_, row)| row).filter(|row| passes(row)).take(size + 1);
        rows.extend(of_page.map(|row| (row.serial, Order::of(row, account.id, known))));
    }
    let seen = place(picture.as_of());
    drop(picture);
    rows.sort_by_key(|(serial, _)| std::cmp::Reverse(*serial));
    let next = gateway.cursors.cut(&caller, LIST, &mut rows, size, |(serial, _)| *serial);
    Ok(Data::page(rows.into_iter().map(|(_, order)| order).collect(), next).as_of(seen))
}

/// An order of some accounts: its account and its row.
fn find(
    gateway: &Gateway,
    accounts: Vec<Arc<Account>>,
    id: Uuid,
) -> Result<(Arc<Account>, OrderRow)> {
    let picture = gateway.events.picture();
    let found = accounts.into_iter().find_map(|account| {
        let row = picture.account(account.number)?.order(id)?.clone();
        Some((account, row))
    });
    found.ok_or_else(|| ApiError::not_found("order"))
}

/// An order of one's own, or one of another's, for who may see that account.
pub(super) async fn seen(
    gateway: &Gateway,
    caller: &Caller,
    id: Uuid,
) -> Result<(Arc<Account>, OrderRow)> {
    let none = match find(gateway, gateway.accounts.of(caller.user), id) {
        Ok(own) => return Ok(own),
        Err(none) => none,
    };
    let (account, row) = find(gateway, gateway.accounts.all(), id)?;
    let may = gateway.identity.may_see(account.owner, caller).await?;
    may.then_some((account, row)).ok_or(none)
}

/// One order.
#[utoipa::path(get, path = "/api/v1/orders/{id}", tag = "orders", security(("bearer" = ["orders:read"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<Order>)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Order>> {
    let (account, row) = seen(&gateway, &caller, id).await?;
    let picture = gateway.events.picture();
    let known = picture.account(account.number).ok_or_else(|| ApiError::not_found("order"))?;
    Ok(Data::new(Order::of(&row, account.id, known)).as_of(place(picture.as_of())))
}

/// Asks to cancel an order; the answer is how it stands, `pending_cancel` where its venue has to be asked.
#[utoipa::path(delete, path = "/api/v1/orders/{id}", tag = "orders", security(("bearer" = ["orders:write"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<Order>)))]
pub(super) async fn cancel(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Order>> {
    use cancel_order_request::Order as Named;
    let (account, row) = find(&gateway, gateway.accounts.of(caller.user), id)?;
    let order = match row.report.order_id {
        0 => Named::ClientOrderId(row.report.client_order_id.clone()),
        number => Named::OrderId(number),
    };
    let engine = principal::trader(&gateway, &caller).await?;
    let request = CancelOrderRequest { account: account.number, order: Some(order) };
    let report = engine.cancel(request).await.map_err(outcome::unknown)?;
    let order = told(&gateway, &account, id, row.principal, report).await?;
    let detail = json!({ "account": account.id });
    gateway.audit.add(caller.entry("order.cancel", id, detail)).await?;
    let seq = order.seq.clone();
    Ok(Data::new(order).as_of(seq))
}

/// New terms; what is absent stays.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replace {
    /// Quantity, the executed part included; decimal text.
    qty: Option<String>,
    /// Limit price; decimal text.
    limit_price: Option<String>,
    /// Stop price of an order that waits for one; decimal text.
    stop_price: Option<String>,
}

/// Changes quantity and prices of an order. Where a person's orders need an authorization, cancel it and enter another.
#[utoipa::path(patch, path = "/api/v1/orders/{id}", tag = "orders", security(("bearer" = ["orders:write"])),
    params(("id" = Uuid, Path)), request_body = Replace, responses((status = 200, body = Envelope<Order>)))]
pub(super) async fn replace(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<Replace>,
) -> Result<Data<Order>> {
    use replace_order_request::Order as Named;
    let (account, row) = find(&gateway, gateway.accounts.of(caller.user), id)?;
    if authorize::is_needed(&gateway, &caller, &[row.report.symbol.as_str()]) {
        let message = "new terms need a new authorization: cancel the order and enter another";
        return Err(ApiError::new(Code::AuthorizationRequired, message));
    }
    let text = |field, given: &Option<String>| {
        given.as_ref().map(|text| canonical(field, text)).transpose()
    };
    let (qty, price) = (text("qty", &asked.qty)?, text("limit_price", &asked.limit_price)?);
    let stop_price = text("stop_price", &asked.stop_price)?;
    if qty.is_none() && price.is_none() && stop_price.is_none() {
        return Err(ApiError::field("qty", "give qty, limit_price or stop_price"));
    }
    let order = match row.report.order_id {
        0 => Named::ClientOrderId(row.report.client_order_id.clone()),
        number => Named::OrderId(number),
    };
    let [first, last] = gateway.config.engine.programs;
    if principal::is_program(&caller) && !(first..=last).contains(&row.principal) {
        let message = "a program changes orders that programs of yours entered; it may cancel any";
        return Err(ApiError::new(Code::NotPermitted, message));
    }
    // The engine takes new terms of who entered the order only: the person, or a program of the person's.
    principal::trader(&gateway, &caller).await?;
    let engine = gateway.engine.acting_for(row.principal);
    let request = ReplaceOrderRequest {
        account: account.number,
        order: Some(order),
        symbol: row.report.symbol.clone(),
        qty: qty.unwrap_or_else(|| row.report.qty.clone()),
        price: price.unwrap_or_else(|| row.report.price.clone()),
        stop_price: stop_price.unwrap_or_default(),
    };
    let detail = json!({ "account": account.id, "to": asked });
    gateway.audit.add(caller.entry("order.replace", id, detail)).await?;
    let report = engine.replace(request).await.map_err(outcome::unknown)?;
    let order = told(&gateway, &account, id, row.principal, report).await?;
    let seq = order.seq.clone();
    Ok(Data::new(order).as_of(seq))
}

/// Which orders to cancel.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// Of this account.
    account: Uuid,
    /// In this symbol; absent: in all.
    symbol: Option<String>,
}

/// How many cancels were sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Canceled {
    /// Open orders for which one was sent.
    canceled: u64,
}

/// Cancels every open order of an account.
#[utoipa::path(delete, path = "/api/v1/orders", tag = "orders", security(("bearer" = ["orders:write"])),
    params(Scope), responses((status = 200, body = Envelope<Canceled>)))]
pub(super) async fn cancel_all(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(scope): Query<Scope>,
) -> Result<Data<Canceled>> {
    let account = gateway.accounts.own(&caller, scope.account)?;
    let engine = principal::trader(&gateway, &caller).await?;
    let request = MassCancelRequest {
        account: Some(account.number),
        symbol: scope.symbol.clone().unwrap_or_default(),
        side: proto::Side::Unspecified.into(),
    };
    let answer = engine.mass_cancel(request).await.map_err(outcome::unknown)?;
    outcome::check(answer.reject.as_ref())?;
    gateway.events.reach(answer.position.as_ref()).await;
    let detail = json!({ "symbol": scope.symbol, "canceled": answer.canceled });
    gateway.audit.add(caller.entry("order.cancel_all", account.id, detail)).await?;
    Ok(Data::new(Canceled { canceled: answer.canceled }).as_of(as_of(&gateway)))
}
