//! Lists of symbols that users keep for themselves.

use crate::db::is_duplicate;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::http::idempotency::IdempotencyKey;
use crate::identity::people::uuid;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Lists of one user at most.
const LISTS_MAX: i64 = 50;
/// Symbols of a list at most.
const SYMBOLS_MAX: usize = 200;
/// Characters of a name at most.
const NAME_LEN_MAX: usize = 60;
/// Characters of a symbol at most, as the engine has them.
const SYMBOL_LEN_MAX: usize = 24;

/// What is in a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    /// What to call it; 1 to 60 characters, another than one's other lists.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// Symbols, in order; 200 at most, each once.
    #[schema(max_items = 200)]
    symbols: Vec<String>,
}

impl Content {
    fn checked(mut self) -> Result<Self> {
        self.name = crate::name::checked(&self.name, NAME_LEN_MAX)?;
        if self.symbols.len() > SYMBOLS_MAX {
            return Err(ApiError::field("symbols", format!("at most {SYMBOLS_MAX}")));
        }
        let is_symbol = |symbol: &String| {
            (1..=SYMBOL_LEN_MAX).contains(&symbol.len())
                && symbol.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !self.symbols.iter().all(is_symbol) {
            let rule = "each 1 to 24 printable ASCII characters without spaces";
            return Err(ApiError::field("symbols", rule));
        }
        let mut seen = std::collections::HashSet::new();
        if !self.symbols.iter().all(|symbol| seen.insert(symbol)) {
            return Err(ApiError::field("symbols", "each once"));
        }
        Ok(self)
    }
}

/// A list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Watchlist {
    /// Its UUID.
    id: Uuid,
    /// What it is called.
    name: String,
    /// Symbols, in order.
    symbols: Vec<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    created_at: i64,
}

fn read(row: &AnyRow) -> Result<Watchlist> {
    let symbols: String = row.try_get("symbols")?;
    Ok(Watchlist {
        id: uuid(&row.try_get::<String, _>("id")?)?,
        name: row.try_get("name")?,
        symbols: serde_json::from_str(&symbols).map_err(ApiError::internal)?,
        created_at: row.try_get("created_at")?,
    })
}

async fn find(gateway: &Gateway, caller: &Caller, id: Uuid) -> Result<Watchlist> {
    let row = sqlx::query("SELECT * FROM watchlists WHERE id = $1 AND user_id = $2")
        .bind(id.to_string())
        .bind(caller.user.to_string())
        .fetch_optional(&gateway.pool)
        .await?;
    read(&row.ok_or_else(|| ApiError::not_found("watchlist"))?)
}

fn taken(error: sqlx::Error) -> ApiError {
    match is_duplicate(&error) {
        true => ApiError::new(Code::Conflict, "another watchlist of yours has this name"),
        false => error.into(),
    }
}

/// One's watchlists, by name.
#[utoipa::path(get, path = "/api/v1/watchlists", tag = "watchlists", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Vec<Watchlist>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<Watchlist>>> {
    let rows = sqlx::query("SELECT * FROM watchlists WHERE user_id = $1 ORDER BY name")
        .bind(caller.user.to_string())
        .fetch_all(&gateway.pool)
        .await?;
    rows.iter().map(read).collect::<Result<Vec<_>>>().map(Data::new)
}

/// One watchlist.
#[utoipa::path(get, path = "/api/v1/watchlists/{id}", tag = "watchlists", security(("bearer" = ["profile:read"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<Watchlist>)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Watchlist>> {
    find(&gateway, &caller, id).await.map(Data::new)
}

/// Makes a watchlist.
#[utoipa::path(post, path = "/api/v1/watchlists", tag = "watchlists", security(("bearer" = ["profile:write"])),
    request_body = Content, responses((status = 201, body = Envelope<Watchlist>)))]
pub(super) async fn add(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Body(asked): Body<Content>,
) -> Result<Data<Watchlist>> {
    let asked = asked.checked()?;
    let id = key.map_or_else(Uuid::now_v7, |key| key.uuid(caller.user));
    // Made before by the same request.
    if let Ok(made) = find(&gateway, &caller, id).await {
        return Ok(Data::created(made));
    }
    let added = sqlx::query(
        "INSERT INTO watchlists (id, user_id, name, symbols, created_at)
         SELECT $1, $2, $3, $4, $5 WHERE (SELECT COUNT(*) FROM watchlists WHERE user_id = $2) < $6",
    )
    .bind(id.to_string())
    .bind(caller.user.to_string())
    .bind(asked.name)
    .bind(json!(asked.symbols).to_string())
    .bind(crate::now_ms())
    .bind(LISTS_MAX)
    .execute(&gateway.pool)
    .await
    .map_err(taken)?;
    if added.rows_affected() == 0 {
        let message = format!("a user has {LISTS_MAX} watchlists at most");
        return Err(ApiError::new(Code::Conflict, message).with(json!({ "limit": LISTS_MAX })));
    }
    find(&gateway, &caller, id).await.map(Data::created)
}

/// Puts another name and other symbols in a watchlist's place.
#[utoipa::path(put, path = "/api/v1/watchlists/{id}", tag = "watchlists", security(("bearer" = ["profile:write"])),
    params(("id" = Uuid, Path)), request_body = Content, responses((status = 200, body = Envelope<Watchlist>)))]
pub(super) async fn put(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<Content>,
) -> Result<Data<Watchlist>> {
    let asked = asked.checked()?;
    sqlx::query("UPDATE watchlists SET name = $3, symbols = $4 WHERE id = $1 AND user_id = $2")
        .bind(id.to_string())
        .bind(caller.user.to_string())
        .bind(asked.name)
        .bind(json!(asked.symbols).to_string())
        .execute(&gateway.pool)
        .await
        .map_err(taken)?;
    find(&gateway, &caller, id).await.map(Data::new)
}

/// Deletes a watchlist; the answer is what it was.
#[utoipa::path(delete, path = "/api/v1/watchlists/{id}", tag = "watchlists", security(("bearer" = ["profile:write"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<Watchlist>)))]
pub(super) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Watchlist>> {
    let was = find(&gateway, &caller, id).await?;
    sqlx::query("DELETE FROM watchlists WHERE id = $1 AND user_id = $2")
        .bind(id.to_string())
        .bind(caller.user.to_string())
        .execute(&gateway.pool)
        .await?;
    Ok(Data::new(was))
}
