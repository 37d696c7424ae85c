//! Organisations: several users, of whom owners and administrators see the accounts of all. Nobody is in one who did not agree.

use super::Identity;
use super::login::{display_name, email};
use super::people::uuid;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::keys::{hex, random};
use crate::mail::Mail;
use crate::permission::Permission;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Organisations that a user is in, members of one, and invitations that wait, at most.
const ORGANISATIONS_MAX: i64 = 20;
const MEMBERS_MAX: i64 = 500;
const INVITES_MAX: i64 = 100;
/// Invitations without a wait: of one user, and to one address whoever invites. They do not count as mails that one asks for oneself.
const INVITES_FREE: u32 = 50;
const INVITES_OF_ADDRESS_FREE: u32 = 3;
/// How long an invitation is good.
const INVITE_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// What the tokens of invitations begin with.
const INVITE_PREFIX: &str = "tgi_";

/// What somebody is in an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Rank {
    /// Made it, or was made so; sees the accounts of all, invites and removes anybody.
    Owner,
    /// Sees the accounts of all, invites and removes members.
    Admin,
    /// Is seen.
    Member,
}

impl Rank {
    fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
        }
    }

    fn from_name(name: &str) -> Result<Self> {
        let all = [Self::Owner, Self::Admin, Self::Member];
        let found = all.into_iter().find(|rank| rank.as_str() == name);
        found.ok_or_else(|| ApiError::internal(format!("rank '{name}'")))
    }

    /// Whether one of this rank decides about one of another.
    fn decides_about(self, other: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => other == Self::Member,
            Self::Member => false,
        }
    }
}

impl Identity {
    /// Whether a caller may see what an account of `owner` holds and does: one's own, those of one's organisation as its owner or
    /// administrator, or everybody's by `accounts:read_all`.
    ///
    /// # Errors
    /// The database's.
    pub async fn may_see(&self, owner: Uuid, caller: &Caller) -> Result<bool> {
        if owner == caller.user || caller.permissions.has(Permission::AccountsReadAll) {
            return Ok(true);
        }
        let seen = match self.seen.get(&caller.user) {
            Ok(seen) => seen,
            Err(absent) => {
                let rows = sqlx::query(
                    "SELECT other.user_id FROM organisation_members AS mine
                     JOIN organisation_members AS other ON other.organisation_id = mine.organisation_id
                     WHERE mine.user_id = $1 AND mine.role <> 'member'",
                )
                .bind(caller.user.to_string())
                .fetch_all(&self.pool)
                .await?;
                let id = |row: &sqlx::any::AnyRow| uuid(&row.try_get::<String, _>("user_id")?);
                let seen = rows.iter().map(id).collect::<Result<HashSet<_>>>()?;
                self.seen.put(caller.user, seen, absent)
            }
        };
        Ok(seen.contains(&owner))
    }

    /// What a user is in an organisation; it is not found by who is not in it.
    async fn rank(&self, organisation: Uuid, user: Uuid) -> Result<Rank> {
        let row = sqlx::query(
            "SELECT role FROM organisation_members WHERE organisation_id = $1 AND user_id = $2",
        )
        .bind(organisation.to_string())
        .bind(user.to_string())
        .fetch_optional(&self.pool)
        .await?;
        let row = row.ok_or_else(|| ApiError::not_found("organisation"))?;
        Rank::from_name(&row.try_get::<String, _>("role")?)
    }
}

/// A new organisation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateOrganisation {
    /// 1 to 100 characters.
    #[schema(example = "Harbour Capital")]
    name: String,
}

/// An organisation that one is in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Organisation {
    id: Uuid,
    name: String,
    /// What one is in it.
    rank: Rank,
    /// In milliseconds since the Unix epoch.
    created_at: i64,
}

/// Somebody in an organisation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Member {
    user: Uuid,
    name: String,
    email: String,
    rank: Rank,
    /// In milliseconds since the Unix epoch.
    joined_at: i64,
}

/// Whom to ask to join.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Invite {
    email: String,
    /// What they will be.
    rank: Rank,
}

/// That an invitation was mailed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invited {
    /// In milliseconds since the Unix epoch.
    expires_at: i64,
}

/// An invitation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Join {
    /// As it was mailed.
    token: String,
}

/// Who is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    user: Uuid,
}

fn full(what: &str, limit: i64) -> ApiError {
    ApiError::new(Code::Conflict, format!("{what}: at most {limit}"))
        .with(json!({ "limit": limit }))
}

/// Makes an organisation, of which one is the owner.
#[utoipa::path(post, path = "/api/v1/organisations", tag = "organisations",
    security(("bearer" = ["credentials:write"])), request_body = CreateOrganisation,
    responses((status = 201, body = Envelope<Organisation>)))]
pub(super) async fn create(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<CreateOrganisation>,
) -> Result<Data<Organisation>> {
    let name = display_name(&asked.name)?;
    let (id, now) = (Uuid::now_v7(), crate::now_ms());
    let mut transaction = gateway.pool.begin().await?;
    let added = sqlx::query(
        "INSERT INTO organisations (id, name, created_at) SELECT $1, $2, $3 FROM users WHERE id = $4 AND
         (SELECT COUNT(*) FROM organisation_members WHERE user_id = $4) < $5",
    )
    .bind(id.to_string())
    .bind(name.clone())
    .bind(now)
    .bind(caller.user.to_string())
    .bind(ORGANISATIONS_MAX)
    .execute(&mut *transaction)
    .await?;
    if added.rows_affected() == 0 {
        return Err(full("organisations of a user", ORGANISATIONS_MAX));
    }
    sqlx::query(
        "INSERT INTO organisation_members (organisation_id, user_id, role, joined_at)
         VALUES ($1, $2, 'owner', $3)",
    )
    .bind(id.to_string())
    .bind(caller.user.to_string())
    .bind(now)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    gateway.audit.add(caller.entry("organisation.create", id, json!({ "name": name }))).await?;
    Ok(Data::created(Organisation { id, name, rank: Rank::Owner, created_at: now }))
}

/// The organisations that one is in.
#[utoipa::path(get, path = "/api/v1/organisations", tag = "organisations", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Vec<Organisation>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<Organisation>>> {
    let rows = sqlx::query(
        "SELECT id, name, created_at, role FROM organisations
         JOIN organisation_members ON organisation_id = id WHERE user_id = $1 ORDER BY id",
    )
    .bind(caller.user.to_string())
    .fetch_all(&gateway.pool)
    .await?;
    let report = |row: &sqlx::any::AnyRow| {
        Ok(Organisation {
            id: uuid(&row.try_get::<String, _>("id")?)?,
            name: row.try_get("name")?,
            rank: Rank::from_name(&row.try_get::<String, _>("role")?)?,
            created_at: row.try_get("created_at")?,
        })
    };
    rows.iter().map(report).collect::<Result<Vec<_>>>().map(Data::new)
}

/// Who is in an organisation of one's own.
#[utoipa::path(get, path = "/api/v1/organisations/{id}/members", tag = "organisations",
    security(("bearer" = ["profile:read"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Envelope<Vec<Member>>)))]
pub(super) async fn members(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Vec<Member>>> {
    gateway.identity.rank(id, caller.user).await?;
    let rows = sqlx::query(
        "SELECT users.id, users.name, users.email, organisation_members.role, joined_at
         FROM organisation_members JOIN users ON users.id = user_id
         WHERE organisation_id = $1 ORDER BY joined_at, users.id",
    )
    .bind(id.to_string())
    .fetch_all(&gateway.pool)
    .await?;
    let report = |row: &sqlx::any::AnyRow| {
        Ok(Member {
            user: uuid(&row.try_get::<String, _>("id")?)?,
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            rank: Rank::from_name(&row.try_get::<String, _>("role")?)?,
            joined_at: row.try_get("joined_at")?,
        })
    };
    rows.iter().map(report).collect::<Result<Vec<_>>>().map(Data::new)
}

/// Asks somebody to join, by mail; they see the token, nobody else.
#[utoipa::path(post, path = "/api/v1/organisations/{id}/invites", tag = "organisations",
    security(("bearer" = ["credentials:write"])), params(("id" = Uuid, Path)), request_body = Invite,
    responses((status = 201, body = Envelope<Invited>)))]
pub(super) async fn invite(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Body(asked): Body<Invite>,
) -> Result<Data<Invited>> {
    let identity = &gateway.identity;
    let to = email(&asked.email)?;
    if !identity.rank(id, caller.user).await?.decides_about(asked.rank) {
        let message = "only owners and admins of an organisation invite, and admins members only";
        return Err(ApiError::new(Code::NotPermitted, message));
    }
    let now = crate::now_ms();
    let throttle = &identity.throttle;
    throttle.begin_anywhere(&format!("{}#invites", caller.user), INVITES_FREE, now)?;
    throttle.begin_anywhere(&format!("invite#{to}"), INVITES_OF_ADDRESS_FREE, now)?;
    let token = format!("{INVITE_PREFIX}{}", hex(&random::<32>()));
    let expires_at = now + INVITE_MS;
    let added = sqlx::query(
        "INSERT INTO organisation_invites (hash, organisation_id, email, role, expires_at)
         SELECT $1, id, $3, $4, $5 FROM organisations WHERE id = $2 AND (SELECT COUNT(*) FROM organisation_invites
         WHERE organisation_id = $2 AND used_at IS NULL AND expires_at > $6) < $7",
    )
    .bind(identity.lookup.hash("invite", &token))
    .bind(id.to_string())
    .bind(to.clone())
    .bind(asked.rank.as_str())
    .bind(expires_at)
    .bind(now)
    .bind(INVITES_MAX)
    .execute(&gateway.pool)
    .await?;
    if added.rows_affected() == 0 {
        return Err(full("invitations that wait", INVITES_MAX));
    }
    let detail = json!({ "email": to, "rank": asked.rank });
    gateway.audit.add(caller.entry("organisation.invite", id, detail)).await?;
    let public_url = &gateway.config.public_url;
    let text = format!(
        "You are asked to join an organisation. Its owners and admins will see your accounts. To join, log in and open\n\n\
         {public_url}/join#token={token}\n\nor give this token, within a week:\n\n{token}\n"
    );
    identity.mailer.send(Mail { to, subject: "An invitation", text });
    Ok(Data::created(Invited { expires_at }))
}

/// Joins an organisation, by the token that was mailed to one's own address.
#[utoipa::path(post, path = "/api/v1/organisations/join", tag = "organisations",
    security(("bearer" = ["credentials:write"])), request_body = Join,
    responses((status = 200, body = Envelope<Vec<Organisation>>)))]
pub(super) async fn join(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Join>,
) -> Result<Data<Vec<Organisation>>> {
    let identity = &gateway.identity;
    let person = identity.person(caller.user).await?;
    let over = || ApiError::field("token", "this invitation is over, was used, or is for another");
    let mut transaction = gateway.pool.begin().await?;
    let row = sqlx::query(
        "UPDATE organisation_invites SET used_at = $3
         WHERE hash = $1 AND email = $2 AND used_at IS NULL AND expires_at > $3 RETURNING organisation_id, role",
    )
    .bind(identity.lookup.hash("invite", &asked.token))
    .bind(person.email.clone())
    .bind(crate::now_ms())
    .fetch_optional(&mut *transaction)
    .await?
    .ok_or_else(over)?;
    let organisation: String = row.try_get("organisation_id")?;
    let joined = sqlx::query(
        "INSERT INTO organisation_members (organisation_id, user_id, role, joined_at)
         SELECT $1, $2, $3, $4 FROM users WHERE id = $2
         AND NOT EXISTS (SELECT 1 FROM organisation_members WHERE organisation_id = $1 AND user_id = $2)
         AND (SELECT COUNT(*) FROM organisation_members WHERE organisation_id = $1) < $5
         AND (SELECT COUNT(*) FROM organisation_members WHERE user_id = $2) < $6",
    )
    .bind(organisation.clone())
    .bind(caller.user.to_string())
    .bind(row.try_get::<String, _>("role")?)
    .bind(crate::now_ms())
    .bind(MEMBERS_MAX)
    .bind(ORGANISATIONS_MAX)
    .execute(&mut *transaction)
    .await?;
    if joined.rows_affected() == 0 {
        let message = "you are in it already, or it is full, or you are in too many";
        return Err(ApiError::new(Code::Conflict, message));
    }
    transaction.commit().await?;
    identity.seen.clear();
    gateway.audit.add(caller.entry("organisation.join", organisation, json!({}))).await?;
    list(State(gateway), caller).await
}

/// Takes somebody out of an organisation, or leaves it. An owner always remains.
#[utoipa::path(delete, path = "/api/v1/organisations/{id}/members/{user}", tag = "organisations",
    security(("bearer" = ["credentials:write"])), params(("id" = Uuid, Path), ("user" = Uuid, Path)),
    responses((status = 200, body = Envelope<Removed>)))]
pub(super) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path((id, user)): Path<(Uuid, Uuid)>,
) -> Result<Data<Removed>> {
    let identity = &gateway.identity;
    let mine = identity.rank(id, caller.user).await?;
    let theirs = identity.rank(id, user).await.map_err(|error| match error.code {
        Code::NotFound => ApiError::not_found("member"),
        _ => error,
    })?;
    if user != caller.user && !mine.decides_about(theirs) {
        let message = "only owners and admins of an organisation remove, and admins members only";
        return Err(ApiError::new(Code::NotPermitted, message));
    }
    // One at a time: of two owners who leave at once, one remains.
    let turn = identity.administering.lock().await;
    let gone = sqlx::query(
        "DELETE FROM organisation_members WHERE organisation_id = $1 AND user_id = $2 AND (role <> 'owner' OR
         (SELECT COUNT(*) FROM organisation_members WHERE organisation_id = $1 AND role = 'owner') > 1)",
    )
    .bind(id.to_string())
    .bind(user.to_string())
    .execute(&gateway.pool)
    .await?;
    drop(turn);
    if gone.rows_affected() == 0 {
        return Err(ApiError::new(Code::Conflict, "the last owner stays"));
    }
    identity.seen.clear();
    gateway.audit.add(caller.entry("organisation.remove", id, json!({ "user": user }))).await?;
    Ok(Data::new(Removed { user }))
}
