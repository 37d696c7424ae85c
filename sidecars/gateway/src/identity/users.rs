//! Users, as administrators see and change them.

use super::engine::engine_hears;
use super::login::{display_name, email};
use super::password;
use super::people::Person;
use super::proof::Shows;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::permission::Role;
use crate::trading::plans::Plan;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Users of a page.
const PAGE_MAX: i64 = 200;
const PAGE: i64 = 50;

/// A user, as an administrator sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    id: Uuid,
    email: String,
    name: String,
    role: Role,
    /// free, basic, pro or enterprise.
    plan: String,
    /// What the engine takes the user for.
    principal: u32,
    email_verified: bool,
    totp_enabled: bool,
    /// Whether the user is shut out.
    disabled: bool,
    /// In milliseconds since the Unix epoch.
    created_at: i64,
}

impl From<&Person> for User {
    fn from(person: &Person) -> Self {
        Self {
            id: person.id,
            email: person.email.clone(),
            name: person.name.clone(),
            role: person.role,
            plan: person.plan.clone(),
            principal: person.principal,
            email_verified: person.is_verified,
            totp_enabled: person.has_totp,
            disabled: person.is_disabled,
            created_at: person.created_at,
        }
    }
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// How many, 1 to 200; absent: 50.
    limit: Option<i64>,
    /// `meta.next_cursor` of the page before.
    cursor: Option<Uuid>,
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateUser {
    email: String,
    /// 1 to 100 characters.
    name: String,
    role: Role,
    /// 10 to 256 characters; absent: a mail lets the user set one.
    password: Option<String>,
}

/// What to change; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeUser {
    role: Option<Role>,
    /// free, basic, pro or enterprise.
    plan: Option<String>,
    /// Whether the user is shut out: sessions and API keys end at once.
    disabled: Option<bool>,
}

/// All users, from the one who registered first.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", security(("bearer" = ["users:admin"])), params(Page),
    responses((status = 200, body = Envelope<Vec<User>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Query(page): Query<Page>,
) -> Result<Data<Vec<User>>> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(ApiError::field("limit", "1 to 200"));
    }
    // Identifiers are UUIDv7: they are in the order of time.
    let rows = sqlx::query("SELECT * FROM users WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(page.cursor.map_or(String::new(), |cursor| cursor.to_string()))
        .bind(limit + 1)
        .fetch_all(&gateway.pool)
        .await?;
    let mut people = rows.iter().map(Person::read).collect::<Result<Vec<_>>>()?;
    let is_more = rows.len() > usize::try_from(limit).unwrap_or_default();
    if is_more {
        people.pop();
    }
    let next = people.last().filter(|_| is_more).map(|person| person.id.to_string());
    Ok(Data::page(people.iter().map(User::from).collect(), next))
}

/// A user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", security(("bearer" = ["users:admin"])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Envelope<User>)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    Path(id): Path<Uuid>,
) -> Result<Data<User>> {
    let person = gateway.identity.person(id).await?;
    Ok(Data::new(User::from(&*person)))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", security(("bearer" = ["users:admin"])),
    request_body = CreateUser, responses((status = 201, body = Envelope<User>)))]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<CreateUser>,
) -> Result<Data<User>> {
    let CreateUser { email: address, name, role, password } = asked;
    let (email, name) = (email(&address)?, display_name(&name)?);
    let identity = &gateway.identity;
    let hash = match password {
        Some(password) => {
            password::check(&password, &email)?;
            Some(identity.confirmed.hash(password).await?)
        }
        None => None,
    };
    let person = identity.people.add(&email, &name, hash.as_deref(), role).await?;
    let detail = json!({ "email": email, "role": role });
    gateway.audit.add(caller.entry("user.create", person.id, detail)).await?;
    let shows = if hash.is_some() { Shows::Address } else { Shows::Reset };
    identity.mail(&gateway.config.public_url, shows, &person);
    engine_hears(&gateway, person.id).await;
    Ok(Data::created(User::from(&*person)))
}

/// Changes a user. Nobody changes oneself, and an administrator always remains.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", security(("bearer" = ["users:admin"])),
    params(("id" = Uuid, Path)), request_body = ChangeUser, responses((status = 200, body = Envelope<User>)))]
pub(super) async fn change(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<ChangeUser>,
) -> Result<Data<User>> {
    let ChangeUser { role, plan, disabled } = asked;
    let plans = Plan::ALL.map(Plan::as_str);
    if plan.as_deref().is_some_and(|plan| !plans.contains(&plan)) {
        return Err(ApiError::field("plan", format!("one of {}", plans.join(", "))));
    }
    if id == caller.user {
        let message = "nobody changes oneself: ask another administrator";
        return Err(ApiError::new(Code::NotPermitted, message));
    }
    let identity = &gateway.identity;
    let before = identity.person(id).await?;
    // One at a time: of two administrators who shut each other out, one remains.
    let turn = identity.administering.lock().await;
    let done = sqlx::query(
        "UPDATE users SET role = COALESCE($2, role), plan = COALESCE($3, plan),
         disabled_at = CASE $4 WHEN 1 THEN COALESCE(disabled_at, $5) WHEN 0 THEN NULL ELSE disabled_at END
         WHERE id = $1 AND EXISTS (SELECT 1 FROM users AS me WHERE me.id = $6 AND me.role = 'administrator'
         AND me.disabled_at IS NULL)",
    )
    .bind(id.to_string())
    .bind(role.map(|role| role.as_str().to_string()))
    .bind(plan.clone())
    .bind(disabled.map_or(-1i64, i64::from))
    .bind(crate::now_ms())
    .bind(caller.user.to_string())
    .execute(&gateway.pool)
    .await?;
    drop(turn);
    if done.rows_affected() == 0 {
        return Err(ApiError::new(Code::NotPermitted, "you are no administrator any more"));
    }
    identity.people.changed(id);
    if disabled == Some(true) {
        identity.sessions.end(id, None).await?;
        identity.keys.revoke(id, None).await?;
    }
    let detail = json!({
        "role": role, "plan": plan, "disabled": disabled,
        "before": { "role": before.role, "plan": before.plan, "disabled": before.is_disabled },
    });
    gateway.audit.add(caller.entry("user.change", id, detail)).await?;
    engine_hears(&gateway, id).await;
    get(State(gateway), Path(id)).await
}
