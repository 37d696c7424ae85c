//! What users see and change of themselves.

use super::login::display_name;
use super::people::Person;
use crate::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::permission::{Permission, Role};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Bytes of all preferences at most.
const PREFERENCES_LEN_MAX: usize = 8 * 1_024;

/// A user, as the user sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Profile {
    id: Uuid,
    email: String,
    name: String,
    role: Role,
    /// The plan.
    plan: String,
    /// Whether the address was shown to be one's own.
    email_verified: bool,
    /// Whether a second factor is asked for.
    totp_enabled: bool,
    /// When the user registered, in milliseconds since the Unix epoch.
    created_at: i64,
    /// What pages keep for the user.
    #[schema(value_type = Object)]
    preferences: Value,
    /// What the credential of this request lets through.
    permissions: Vec<Permission>,
}

impl Profile {
    fn new(person: &Person, caller: &Caller) -> Self {
        Self {
            id: person.id,
            email: person.email.clone(),
            name: person.name.clone(),
            role: person.role,
            plan: person.plan.clone(),
            email_verified: person.is_verified,
            totp_enabled: person.has_totp,
            created_at: person.created_at,
            preferences: serde_json::from_str(&person.preferences).unwrap_or_default(),
            permissions: caller.permissions.list(),
        }
    }
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// 1 to 100 characters.
    name: Option<String>,
    /// An object of at most 8 KiB; it takes the place of the one before.
    #[schema(value_type = Option<Object>)]
    preferences: Option<Map<String, Value>>,
}

/// The user who asks.
#[utoipa::path(get, path = "/api/v1/users/me", tag = "identity", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Profile>)))]
pub(super) async fn me(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Profile>> {
    let person = gateway.identity.people.get(caller.user).await?;
    let person = person.ok_or_else(|| ApiError::not_found("user"))?;
    Ok(Data::new(Profile::new(&person, &caller)))
}

/// Changes the user who asks.
#[utoipa::path(patch, path = "/api/v1/users/me", tag = "identity", security(("bearer" = ["profile:write"])),
    request_body = Change, responses((status = 200, body = Envelope<Profile>)))]
pub(super) async fn change(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Change>,
) -> Result<Data<Profile>> {
    let name = asked.name.as_deref().map(display_name).transpose()?;
    let preferences = asked.preferences.map(|map| Value::Object(map).to_string());
    if preferences.as_ref().is_some_and(|text| text.len() > PREFERENCES_LEN_MAX) {
        let error = ApiError::field("preferences", "at most 8192 bytes");
        return Err(
            error.with(json!({ "field": "preferences", "limit_bytes": PREFERENCES_LEN_MAX }))
        );
    }
    sqlx::query(
        "UPDATE users SET name = COALESCE($2, name), preferences = COALESCE($3, preferences) WHERE id = $1",
    )
    .bind(caller.user.to_string())
    .bind(name)
    .bind(preferences)
    .execute(&gateway.pool)
    .await?;
    gateway.identity.people.changed(caller.user);
    me(State(gateway), caller).await
}
