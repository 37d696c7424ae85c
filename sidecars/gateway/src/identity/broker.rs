//! Credentials that people keep here for brokers: sealed for their row and their owner, and never told again.

use super::people::uuid;
use crate::db::is_duplicate;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::http::idempotency::IdempotencyKey;
use crate::sealed::owned;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// The table, as secrets in it are bound to it.
pub const TABLE: &str = "broker_connections";
/// Connections of one user at most.
const CONNECTIONS_MAX: i64 = 20;
/// Characters of a name, of a broker's name and of a field's, at most.
const NAME_LEN_MAX: usize = 60;
const BROKER_LEN_MAX: usize = 32;
/// Fields of credentials, and bytes of each, at most; a private key in PEM has some 3 KiB.
const FIELDS_MAX: usize = 8;
const FIELD_BYTES_MAX: usize = 8 * 1024;
/// Hexadecimal digits of a fingerprint.
const FINGERPRINT_LEN: usize = 12;

/// What a broker asks for, by its own names; each is a secret.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object, example = json!({ "key": "AK…", "secret": "…" }))]
struct Credentials(BTreeMap<String, String>);

// Secrets stay out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A name of a broker's, or of a field.
fn is_name(name: &str) -> bool {
    (1..=BROKER_LEN_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}

impl Credentials {
    fn check(&self) -> Result<()> {
        let is_fine = |value: &String| (1..=FIELD_BYTES_MAX).contains(&value.len());
        let all = (1..=FIELDS_MAX).contains(&self.0.len())
            && self.0.iter().all(|(name, value)| is_name(name) && is_fine(value));
        let rule =
            "1 to 8 fields; names of 1 to 32 of a-z, 0-9, _ and -, values of 1 to 8192 bytes";
        if all { Ok(()) } else { Err(ApiError::field("credentials", rule)) }
    }

    /// Sealed for a row of a user, and what they are known by.
    fn sealed(&self, gateway: &Gateway, user: Uuid, row: Uuid) -> Result<(String, String)> {
        let text = serde_json::to_string(self).map_err(ApiError::internal)?;
        let identity = &gateway.identity;
        let sealed = identity.sealer.seal(&owned(TABLE, user), row, text.as_bytes())?;
        let mut fingerprint = identity.lookup.hash("broker credentials", &text);
        fingerprint.truncate(FINGERPRINT_LEN);
        Ok((sealed, fingerprint))
    }
}

/// A new connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Connect {
    /// What to call it; 1 to 60 characters, another than one's other connections.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    /// Which broker: 1 to 32 of a-z, 0-9, _ and -.
    #[schema(example = "alpaca", pattern = "^[a-z0-9_-]{1,32}$")]
    broker: String,
    /// What it asks for; told to nobody again.
    credentials: Credentials,
}

/// Other credentials for a connection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    /// All of them; those before are gone.
    credentials: Credentials,
}

/// A connection. What it is made with is never told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Connection {
    /// Its UUID.
    id: Uuid,
    /// What it is called.
    name: String,
    /// Which broker.
    broker: String,
    /// The same for the same credentials; nothing can be learned of them from it.
    fingerprint: String,
    /// When it was made, in milliseconds since the Unix epoch.
    created_at: i64,
    /// When the credentials were changed last, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotated_at: Option<i64>,
}

fn read(row: &AnyRow) -> Result<Connection> {
    Ok(Connection {
        id: uuid(&row.try_get::<String, _>("id")?)?,
        name: row.try_get("name")?,
        broker: row.try_get("broker")?,
        fingerprint: row.try_get("fingerprint")?,
        created_at: row.try_get("created_at")?,
        rotated_at: row.try_get("rotated_at")?,
    })
}

async fn find(gateway: &Gateway, caller: &Caller, id: Uuid) -> Result<Connection> {
    let row = sqlx::query("SELECT * FROM broker_connections WHERE id = $1 AND user_id = $2")
        .bind(id.to_string())
        .bind(caller.user.to_string())
        .fetch_optional(&gateway.pool)
        .await?;
    read(&row.ok_or_else(|| ApiError::not_found("broker connection"))?)
}

/// One's broker connections, by name, without what they are made with.
#[utoipa::path(get, path = "/api/v1/broker-connections", tag = "identity", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Vec<Connection>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<Connection>>> {
    let rows = sqlx::query("SELECT * FROM broker_connections WHERE user_id = $1 ORDER BY name")
        .bind(caller.user.to_string())
        .fetch_all(&gateway.pool)
        .await?;
    rows.iter().map(read).collect::<Result<Vec<_>>>().map(Data::new)
}

/// Keeps credentials for a broker.
#[utoipa::path(post, path = "/api/v1/broker-connections", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = Connect, responses((status = 201, body = Envelope<Connection>)))]
pub(super) async fn connect(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    key: Option<IdempotencyKey>,
    Body(asked): Body<Connect>,
) -> Result<Data<Connection>> {
    let Connect { name, broker, credentials } = asked;
    let name = name.trim().to_string();
    if !(1..=NAME_LEN_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(ApiError::field("name", format!("1 to {NAME_LEN_MAX} characters")));
    }
    if !is_name(&broker) {
        return Err(ApiError::field("broker", "1 to 32 of a-z, 0-9, _ and -"));
    }
    credentials.check()?;
    let id = key.map_or_else(Uuid::now_v7, |key| key.uuid(caller.user));
    // Made before by the same request.
    if let Ok(made) = find(&gateway, &caller, id).await {
        return Ok(Data::created(made));
    }
    let (sealed, fingerprint) = credentials.sealed(&gateway, caller.user, id)?;
    let added = sqlx::query(
        "INSERT INTO broker_connections (id, user_id, name, broker, sealed, fingerprint, created_at)
         SELECT $1, $2, $3, $4, $5, $6, $7 FROM users WHERE id = $2 AND
         (SELECT COUNT(*) FROM broker_connections WHERE user_id = $2) < $8",
    )
    .bind(id.to_string())
    .bind(caller.user.to_string())
    .bind(name.clone())
    .bind(broker.clone())
    .bind(sealed)
    .bind(fingerprint.clone())
    .bind(crate::now_ms())
    .bind(CONNECTIONS_MAX)
    .execute(&gateway.pool)
    .await;
    let added = added.map_err(|error| match is_duplicate(&error) {
        true => ApiError::new(Code::Conflict, "another connection of yours has this name"),
        false => error.into(),
    })?;
    if added.rows_affected() == 0 {
        let message = format!("a user has {CONNECTIONS_MAX} broker connections at most");
        let error = ApiError::new(Code::Conflict, message);
        return Err(error.with(json!({ "limit": CONNECTIONS_MAX })));
    }
    let detail = json!({ "name": name, "broker": broker, "fingerprint": fingerprint });
    gateway.audit.add(caller.entry("broker.connect", id, detail)).await?;
    find(&gateway, &caller, id).await.map(Data::created)
}

/// Puts other credentials in the place of a connection's.
#[utoipa::path(put, path = "/api/v1/broker-connections/{id}", tag = "identity",
    security(("bearer" = ["credentials:write"])), params(("id" = Uuid, Path)), request_body = Rotate,
    responses((status = 200, body = Envelope<Connection>)))]
pub(super) async fn rotate(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<Rotate>,
) -> Result<Data<Connection>> {
    asked.credentials.check()?;
    let (sealed, fingerprint) = asked.credentials.sealed(&gateway, caller.user, id)?;
    let done = sqlx::query(
        "UPDATE broker_connections SET sealed = $3, fingerprint = $4, rotated_at = $5
         WHERE id = $1 AND user_id = $2",
    )
    .bind(id.to_string())
    .bind(caller.user.to_string())
    .bind(sealed)
    .bind(fingerprint.clone())
    .bind(crate::now_ms())
    .execute(&gateway.pool)
    .await?;
    if done.rows_affected() > 0 {
        let detail = json!({ "fingerprint": fingerprint });
        gateway.audit.add(caller.entry("broker.rotate", id, detail)).await?;
    }
    find(&gateway, &caller, id).await.map(Data::new)
}

/// Deletes a connection and its credentials; the answer is what it was.
#[utoipa::path(delete, path = "/api/v1/broker-connections/{id}", tag = "identity",
    security(("bearer" = ["credentials:write"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Envelope<Connection>)))]
pub(super) async fn disconnect(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Connection>> {
    let was = find(&gateway, &caller, id).await?;
    sqlx::query("DELETE FROM broker_connections WHERE id = $1 AND user_id = $2")
        .bind(id.to_string())
        .bind(caller.user.to_string())
        .execute(&gateway.pool)
        .await?;
    let detail = json!({ "name": was.name, "broker": was.broker });
    gateway.audit.add(caller.entry("broker.disconnect", id, detail)).await?;
    Ok(Data::new(was))
}
