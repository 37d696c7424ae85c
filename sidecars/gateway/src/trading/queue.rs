//! Where resting orders stand in the queues of their prices, as the engine tells when it is asked.

use super::accounts::{Account, Accounts};
use super::orders;
use super::picture::place;
use super::words::Side;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::Caller;
use crate::market::report::{name, some};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tidegate_client::proto::{self, FillModel, GetQueueRequest, GetQueueResponse};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A resting order in the queue of its price.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct QueuePlace {
    /// The order's UUID.
    order: Uuid,
    /// Its side.
    side: Option<Side>,
    /// Its limit price; decimal text.
    price: String,
    /// May still be executed; decimal text.
    leaves_qty: String,
    /// Displayed at its price and before it in the queue; decimal text. Absent where nobody can know.
    ahead: Option<String>,
    /// Displayed at its price and behind it; decimal text. Absent where nobody can know.
    behind: Option<String>,
    /// Displayed at its price; decimal text. An order on paper is not in it.
    level_qty: String,
    /// What reckons a place on paper: `exact`, or the estimate's name. Absent in a market of the house, which knows it.
    model: Option<String>,
}

impl QueuePlace {
    fn new(order: Uuid, row: &proto::QueuePlace, model: FillModel) -> Self {
        let is_on_paper = model != FillModel::Unspecified;
        Self {
            order,
            side: Side::of(row.side),
            price: row.price.clone(),
            leaves_qty: row.leaves_qty.clone(),
            ahead: some(&row.ahead),
            behind: some(&row.behind),
            level_qty: row.level_qty.clone(),
            model: is_on_paper.then(|| name(model.as_str_name(), "FILL_MODEL_")),
        }
    }
}

/// Whose orders.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    /// Of this account.
    account: Uuid,
}

async fn ask(gateway: &Gateway, account: &Account, symbol: &str) -> Result<GetQueueResponse> {
    let request = GetQueueRequest { account: account.number, symbol: symbol.to_string() };
    Ok(gateway.engine.get_queue(request).await?)
}

fn as_of(told: &GetQueueResponse) -> String {
    place((told.seq, 0))
}

/// Where the resting orders of an account stand in the queues of a symbol: bids, then offers, the best price first.
#[utoipa::path(get, path = "/api/v1/books/{symbol}/queue", tag = "orders", security(("bearer" = ["orders:read"])),
    params(("symbol" = String, Path), Whose), responses((status = 200, body = Envelope<Vec<QueuePlace>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(symbol): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Data<Vec<QueuePlace>>> {
    let account = Accounts::seen(&gateway, &caller, whose.account).await?;
    let instrument = gateway.market.instrument(&symbol)?;
    let told = ask(&gateway, &account, &instrument.symbol).await?;
    let picture = gateway.events.picture();
    let known = picture.account(account.number);
    // One that is not known here yet is in the next answer.
    let row = |row: &proto::QueuePlace| {
        Some(QueuePlace::new(known?.name_of(row.order_id)?, row, told.fill_model()))
    };
    let places: Vec<_> = told.places.iter().filter_map(row).collect();
    Ok(Data::new(places).truncated(told.truncated).as_of(as_of(&told)))
}

/// Where one order stands in the queue of its price.
#[utoipa::path(get, path = "/api/v1/orders/{id}/queue", tag = "orders", security(("bearer" = ["orders:read"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<QueuePlace>)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<QueuePlace>> {
    let (account, order) = orders::seen(&gateway, &caller, id).await?;
    let told = ask(&gateway, &account, &order.report.symbol).await?;
    let row = told.places.iter().find(|row| row.order_id == order.report.order_id);
    let row = row.ok_or_else(|| no_place(told.truncated))?;
    Ok(Data::new(QueuePlace::new(id, row, told.fill_model())).as_of(as_of(&told)))
}

fn no_place(is_cut: bool) -> ApiError {
    let message = match is_cut {
        true => "more orders rest nearer to the market than the engine tells the places of",
        false => {
            "the order stands in no queue now: it has ended, is on its way, waits or is not displayed"
        }
    };
    ApiError::new(Code::NotFound, message).with(json!({ "truncated": is_cut }))
}
