//! API keys: tokens of programs, with a part of what their owner may.

use super::kept::Kept;
use super::lookup::Lookup;
use super::people::uuid;
use super::session::Ended;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::http::origin::Network;
use crate::keys::{hex, random};
use crate::permission::{Permission, Permissions};
use axum::extract::{Path, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// What they begin with, so that one who finds one knows what it is.
pub const PREFIX: &str = "tgk_";
/// Hexadecimal digits of chance; a tag follows, which shows that we made it.
const CHANCE_LEN: usize = 32;
/// Keys of a user at a time, characters of a name, networks of a key.
const KEYS_MAX: i64 = 50;
const NAME_LEN_MAX: usize = 100;
const NETWORKS_MAX: usize = 20;

/// A key, as it is kept in memory.
#[derive(Debug)]
struct Key {
    id: Uuid,
    user: Uuid,
    scopes: Permissions,
    networks: Vec<Network>,
    expires_at: Option<i64>,
}

/// Whom a key stands for.
#[derive(Debug)]
pub struct Holder {
    /// Its owner.
    pub user: Uuid,
    /// What it lets through, if the owner still may.
    pub scopes: Permissions,
}

/// All keys.
#[derive(Debug)]
pub struct ApiKeys {
    pool: AnyPool,
    lookup: Arc<Lookup>,
    kept: Kept<String, Key>,
}

fn list<T: serde::de::DeserializeOwned>(row: &AnyRow, column: &str) -> Result<Vec<T>> {
    serde_json::from_str(&row.try_get::<String, _>(column)?).map_err(ApiError::internal)
}

fn unknown() -> ApiError {
    ApiError::new(Code::Unauthenticated, "this API key is not good, or not any more")
}

impl ApiKeys {
    /// Keys in this database.
    pub fn new(pool: AnyPool, lookup: Arc<Lookup>) -> Self {
        Self { pool, lookup, kept: Kept::default() }
    }

    /// A new token.
    fn make(&self) -> String {
        let chance = hex(&random::<{ CHANCE_LEN / 2 }>());
        format!("{PREFIX}{chance}{}", self.lookup.hash("api key tag", &chance))
    }

    /// The hash of a token that we made; what somebody made up does not get as far as the database.
    fn hash(&self, token: &str) -> Result<String> {
        let body = token.strip_prefix(PREFIX).ok_or_else(unknown)?;
        let (chance, tag) = body.split_at_checked(CHANCE_LEN).ok_or_else(unknown)?;
        let is_ours = self.lookup.is_hash("api key tag", chance, tag);
        is_ours.then(|| self.lookup.hash("api key", token)).ok_or_else(unknown)
    }

    /// Whose key a token is, if it is good at this time and from there.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`], or the database's.
    pub async fn holder(&self, token: &str, ip: IpAddr, now: i64) -> Result<Holder> {
        let hash = self.hash(token)?;
        let key = match self.kept.get(&hash) {
            Ok(key) => key,
            Err(absent) => {
                let row =
                    sqlx::query("SELECT * FROM api_keys WHERE hash = $1 AND revoked_at IS NULL")
                        .bind(hash.clone())
                        .fetch_optional(&self.pool)
                        .await?
                        .ok_or_else(unknown)?;
                let key = Key {
                    id: uuid(&row.try_get::<String, _>("id")?)?,
                    user: uuid(&row.try_get::<String, _>("user_id")?)?,
                    scopes: Permissions::of(&list::<Permission>(&row, "scopes")?).for_programs(),
                    networks: list(&row, "networks")?,
                    expires_at: row.try_get("expires_at")?,
                };
                self.kept.put(hash, key, absent)
            }
        };
        if key.expires_at.is_some_and(|at| at <= now) {
            return Err(unknown());
        }
        if !key.networks.is_empty() && !key.networks.iter().any(|network| network.has(ip)) {
            tracing::warn!("API key {} was used from {ip}, where it is not good", key.id);
            return Err(unknown());
        }
        Ok(Holder { user: key.user, scopes: key.scopes })
    }

    /// Reads all keys anew: some were revoked by a transaction.
    pub fn forget(&self) {
        self.kept.clear();
    }

    /// Revokes one key of a user, or all; says how many. They are worth nothing from this moment on.
    ///
    /// # Errors
    /// The database's.
    pub async fn revoke(&self, user: Uuid, key: Option<Uuid>) -> Result<usize> {
        let rows = sqlx::query(
            "UPDATE api_keys SET revoked_at = $3
             WHERE user_id = $1 AND ($2 = '' OR id = $2) AND revoked_at IS NULL RETURNING hash",
        )
        .bind(user.to_string())
        .bind(key.map_or(String::new(), |key| key.to_string()))
        .bind(crate::now_ms())
        .fetch_all(&self.pool)
        .await?;
        for row in &rows {
            self.kept.forget(&row.try_get::<String, _>("hash")?);
        }
        Ok(rows.len())
    }
}

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// What it is for; 1 to 100 characters.
    #[schema(example = "research notebook")]
    name: String,
    /// What it lets through: some of what one may oneself, never `credentials:write`, `risk:write` or `users:admin`.
    scopes: Vec<Permission>,
    /// Addresses and networks it may come from, at most 20; empty: any.
    #[serde(default)]
    #[schema(example = json!(["10.0.0.0/8", "2001:db8::1"]))]
    networks: Vec<String>,
    /// When it ends; absent: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The password once more; not needed by a user who has none and has just signed in.
    password: Option<String>,
    /// A code of the second factor or a recovery code, where it is on.
    code: Option<String>,
}

/// A key. The token itself is told when it is made, and never again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyReport {
    id: Uuid,
    name: String,
    /// What it lets through, as far as its owner may.
    scopes: Vec<Permission>,
    /// Where it may come from; empty: anywhere.
    networks: Vec<String>,
    /// In milliseconds since the Unix epoch.
    created_at: i64,
    /// In milliseconds since the Unix epoch; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

/// A key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewKey {
    /// For `Authorization: Bearer`; told this once.
    token: String,
    key: KeyReport,
}

/// Makes an API key.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = CreateKey, responses((status = 201, body = Envelope<NewKey>)))]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<CreateKey>,
) -> Result<Data<NewKey>> {
    let name = crate::name::checked(&asked.name, NAME_LEN_MAX)?;
    let scopes = Permissions::of(&asked.scopes);
    if scopes.list().is_empty() || scopes.for_programs() != scopes {
        let rule = "at least one, and never credentials:write, risk:write or users:admin";
        return Err(ApiError::field("scopes", rule));
    }
    if scopes.and(caller.role.permissions()) != scopes {
        return Err(ApiError::field("scopes", "no more than one may oneself"));
    }
    if asked.networks.len() > NETWORKS_MAX {
        return Err(ApiError::field("networks", format!("at most {NETWORKS_MAX}")));
    }
    let networks = asked.networks.iter().map(|text| text.parse::<Network>());
    let networks = networks.collect::<std::result::Result<Vec<_>, _>>();
    let networks = networks.map_err(|bad| ApiError::field("networks", bad))?;
    let now = crate::now_ms();
    let expires_at = asked.expires_at.map(Timestamp::as_millisecond);
    if expires_at.is_some_and(|at| at <= now) {
        return Err(ApiError::field("expires_at", "a time to come"));
    }
    // A key outlives the session that makes it: an access token alone makes none.
    gateway.identity.confirm_twice(&caller, asked.password, asked.code.as_deref()).await?;
    let keys = &gateway.identity.keys;
    let (id, token) = (Uuid::now_v7(), keys.make());
    let (scopes, networks) = (scopes.list(), json!(networks));
    let added = sqlx::query(
        "INSERT INTO api_keys (id, user_id, name, hash, scopes, networks, created_at, expires_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8 FROM users WHERE id = $2 AND
         (SELECT COUNT(*) FROM api_keys WHERE user_id = $2 AND revoked_at IS NULL) < $9",
    )
    .bind(id.to_string())
    .bind(caller.user.to_string())
    .bind(name.clone())
    .bind(keys.hash(&token)?)
    .bind(json!(scopes).to_string())
    .bind(networks.to_string())
    .bind(now)
    .bind(expires_at)
    .bind(KEYS_MAX)
    .execute(&gateway.pool)
    .await?;
    if added.rows_affected() == 0 {
        let error = ApiError::new(Code::Conflict, format!("{KEYS_MAX} keys are there already"));
        return Err(error.with(json!({ "limit": KEYS_MAX })));
    }
    let detail = json!({ "name": name, "scopes": scopes, "networks": networks });
    gateway.audit.add(caller.entry("api_key.create", id, detail)).await?;
    let networks = serde_json::from_value(networks).map_err(ApiError::internal)?;
    let key = KeyReport { id, name, scopes, networks, created_at: now, expires_at };
    Ok(Data::created(NewKey { token, key }))
}

/// One's own API keys.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "identity", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Vec<KeyReport>>)))]
pub(super) async fn list_keys(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<KeyReport>>> {
    let rows =
        sqlx::query("SELECT * FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id")
            .bind(caller.user.to_string())
            .fetch_all(&gateway.pool)
            .await?;
    let report = |row: &AnyRow| {
        Ok(KeyReport {
            id: uuid(&row.try_get::<String, _>("id")?)?,
            name: row.try_get("name")?,
            scopes: list(row, "scopes")?,
            networks: list(row, "networks")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    };
    rows.iter().map(report).collect::<Result<Vec<_>>>().map(Data::new)
}

/// Revokes an API key: it is worth nothing from this moment on.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "identity", security(("bearer" = ["credentials:write"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<Ended>)))]
pub(super) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Ended>> {
    let ended = gateway.identity.keys.revoke(caller.user, Some(id)).await?;
    if ended == 0 {
        return Err(ApiError::not_found("API key"));
    }
    gateway.audit.add(caller.entry("api_key.revoke", id, json!({}))).await?;
    Ok(Data::new(Ended { ended }))
}
