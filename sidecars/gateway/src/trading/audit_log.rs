//! The audit log, for those who may read it.

use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::cursor::Page;
use crate::http::guard::Caller;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Row;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// The list that its cursors belong to.
const LIST: &str = "audit";
/// Characters of a filter at most.
const FILTER_LEN_MAX: usize = 200;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Of this user: a UUID.
    actor: Option<String>,
    /// Of this kind, such as `order.submit`.
    action: Option<String>,
    /// About this: a UUID or a name.
    target: Option<String>,
    /// Not before; milliseconds since the Unix epoch.
    from: Option<i64>,
    /// Before; milliseconds since the Unix epoch.
    to: Option<i64>,
    /// `meta.next_cursor` of the page before; absent: the newest.
    cursor: Option<String>,
    /// Rows of the page, 1 to 200; absent: 50.
    limit: Option<u32>,
}

/// One thing that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditRow {
    /// Its number in the log.
    seq: i64,
    /// When, in milliseconds since the Unix epoch.
    at: i64,
    /// Who: a user's UUID; empty for strangers.
    actor: String,
    /// What.
    action: String,
    /// To what.
    target: String,
    /// With which particulars.
    #[schema(value_type = Object)]
    detail: Value,
    /// From where.
    ip: String,
    /// In which request.
    request_id: String,
    /// The hash of this row and all before it.
    hash: String,
}

/// The audit log, the newest row first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", security(("bearer" = ["audit:read"])),
    params(Filter), responses((status = 200, body = Envelope<Vec<AuditRow>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Data<Vec<AuditRow>>> {
    let page = Page { cursor: filter.cursor, limit: filter.limit };
    let (size, before) = (page.size()?, gateway.cursors.read(&caller, LIST, &page)?);
    let text = |field: &str, given: Option<String>| {
        let given = given.unwrap_or_default();
        let is_fine = given.chars().count() <= FILTER_LEN_MAX && !given.contains('\0');
        let rule = "at most 200 characters, and no zero";
        is_fine.then_some(given).ok_or_else(|| ApiError::field(field, rule))
    };
    let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    let rows = sqlx::query(
        "SELECT * FROM audit WHERE seq < $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3)
           AND ($4 = '' OR target = $4) AND at >= $5 AND at < $6
         ORDER BY seq DESC LIMIT $7",
    )
    .bind(before)
    .bind(text("actor", filter.actor)?)
    .bind(text("action", filter.action)?)
    .bind(text("target", filter.target)?)
    .bind(filter.from.unwrap_or(0))
    .bind(filter.to.unwrap_or(i64::MAX))
    .bind(i64::try_from(size + 1).unwrap_or(i64::MAX))
    .fetch_all(&gateway.pool)
    .await?;
    let read = |row: &sqlx::any::AnyRow| {
        let detail: String = row.try_get("detail")?;
        Ok(AuditRow {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            target: row.try_get("target")?,
            detail: serde_json::from_str(&detail).unwrap_or_default(),
            ip: row.try_get("ip")?,
            request_id: row.try_get("request_id")?,
            hash: row.try_get("hash")?,
        })
    };
    let mut rows = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    let next = gateway.cursors.cut(&caller, LIST, &mut rows, size, |row| row.seq.unsigned_abs());
    Ok(Data::page(rows, next))
}
