//! Sessions: a family of refresh tokens, of which only the newest is good. One that comes again late ends the family, for one of the
//! two who sent it has stolen it.

use super::people::uuid;
use super::token::Refresh;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::{Caller, Stranger};
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::json;
use sqlx::{AnyPool, Row};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use utoipa::ToSchema;
use uuid::Uuid;

/// Sessions of one user at a time; the one that was used longest ago ends.
const SESSIONS_MAX: i64 = 20;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// For so long the token before the newest gets the same next one: a page that was reloaded has not heard the answer, and of two tabs
/// that begin at once both ask.
const AGAIN_MS: i64 = 30_000;

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    pool: AnyPool,
    life_ms: i64,
    access_ms: i64,
    /// Those that were ended while an access token of theirs may still be good, and until when that is.
    revoked: RwLock<HashMap<Uuid, i64>>,
}

/// What became of a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Rotated {
    /// It was the newest, or had been a moment ago: the user, and the next.
    Next(Uuid, Refresh),
    /// It had been used long before: the family of this user has ended.
    Reused(Uuid),
    /// Its session has ended.
    Ended,
}

impl Sessions {
    /// Reads which sessions were ended lately.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(pool: AnyPool, days: u32, access_s: i64) -> Result<Self> {
        let access_ms = access_s * 1_000;
        let rows = sqlx::query("SELECT id, revoked_at FROM sessions WHERE revoked_at > $1")
            .bind(crate::now_ms() - access_ms)
            .fetch_all(&pool)
            .await?;
        let mut revoked = HashMap::new();
        for row in rows {
            let at: i64 = row.try_get("revoked_at")?;
            revoked.insert(uuid(&row.try_get::<String, _>("id")?)?, at + access_ms);
        }
        Ok(Self {
            pool,
            life_ms: i64::from(days) * DAY_MS,
            access_ms,
            revoked: RwLock::new(revoked),
        })
    }

    /// Whether a session was ended while its access tokens may still be good.
    pub fn is_revoked(&self, session: Uuid) -> bool {
        self.revoked.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session)
    }

    /// Begins a session.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(&self, user: Uuid, from: &Stranger) -> Result<Refresh> {
        let (session, now) = (Uuid::new_v4(), crate::now_ms());
        sqlx::query(
            "INSERT INTO sessions (id, user_id, generation, created_at, used_at, expires_at, ip, user_agent)
             VALUES ($1, $2, 1, $3, $3, $4, $5, $6)",
        )
        .bind(session.to_string())
        .bind(user.to_string())
        .bind(now)
        .bind(now + self.life_ms)
        .bind(from.ip.to_string())
        .bind(from.user_agent.clone())
        .execute(&self.pool)
        .await?;
        let old = sqlx::query(
            "SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
             ORDER BY used_at DESC, created_at DESC LIMIT 1000 OFFSET $3",
        )
        .bind(user.to_string())
        .bind(now)
        .bind(SESSIONS_MAX)
        .fetch_all(&self.pool)
        .await?;
        for row in old {
            self.end(user, Some(uuid(&row.try_get::<String, _>("id")?)?)).await?;
        }
        Ok(Refresh { session, generation: 1 })
    }

    /// Whether a session began after a time.
    ///
    /// # Errors
    /// The database's.
    pub async fn began_after(&self, session: Option<Uuid>, time: i64) -> Result<bool> {
        let found = sqlx::query("SELECT 1 FROM sessions WHERE id = $1 AND created_at > $2")
            .bind(session.map_or(String::new(), |session| session.to_string()))
            .bind(time)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.is_some())
    }

    /// Takes a refresh token for the next: the same one however often within 30 s.
    ///
    /// # Errors
    /// The database's.
    pub async fn rotate(&self, refresh: Refresh) -> Result<Rotated> {
        let now = crate::now_ms();
        let Refresh { session, generation } = refresh;
        // One statement: of two who come at once one makes the next token.
        let taken = sqlx::query(
            "UPDATE sessions SET generation = generation + 1, used_at = $3, expires_at = $4
             WHERE id = $1 AND generation = $2 AND revoked_at IS NULL AND expires_at > $3 RETURNING user_id",
        )
        .bind(session.to_string())
        .bind(generation)
        .bind(now)
        .bind(now + self.life_ms)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = taken {
            let user = uuid(&row.try_get::<String, _>("user_id")?)?;
            return Ok(Rotated::Next(user, Refresh { session, generation: generation + 1 }));
        }
        let row = sqlx::query(
            "SELECT user_id, generation, used_at FROM sessions WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2",
        )
        .bind(session.to_string())
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(Rotated::Ended) };
        let (newest, used_at): (i64, i64) = (row.try_get("generation")?, row.try_get("used_at")?);
        if newest <= generation {
            return Ok(Rotated::Ended);
        }
        let user = uuid(&row.try_get::<String, _>("user_id")?)?;
        if newest == generation + 1 && now - used_at <= AGAIN_MS {
            return Ok(Rotated::Next(user, Refresh { session, generation: newest }));
        }
        self.end(user, Some(session)).await?;
        Ok(Rotated::Reused(user))
    }

    /// Ends one session of a user, or all; says how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn end(&self, user: Uuid, session: Option<Uuid>) -> Result<usize> {
        self.end_but(user, session, None).await
    }

    /// Ends all sessions of a user but one; says how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_others(&self, user: Uuid, kept: Option<Uuid>) -> Result<usize> {
        self.end_but(user, None, kept).await
    }

    async fn end_but(&self, user: Uuid, one: Option<Uuid>, kept: Option<Uuid>) -> Result<usize> {
        let now = crate::now_ms();
        let text = |session: Option<Uuid>| session.map_or(String::new(), |id| id.to_string());
        let rows = sqlx::query(
            "UPDATE sessions SET revoked_at = $3
             WHERE user_id = $1 AND ($2 = '' OR id = $2) AND id <> $4 AND revoked_at IS NULL RETURNING id",
        )
        .bind(user.to_string())
        .bind(text(one))
        .bind(now)
        .bind(text(kept))
        .fetch_all(&self.pool)
        .await?;
        // What was authorized in one of them and not spent goes with it.
        void_authorizations(&self.pool, user).await?;
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.retain(|_, until| *until > now);
        for row in &rows {
            revoked.insert(uuid(&row.try_get::<String, _>("id")?)?, now + self.access_ms);
        }
        Ok(rows.len())
    }
}

/// Takes back what a user authorized and did not spend.
///
/// # Errors
/// The database's.
pub async fn void_authorizations(pool: &AnyPool, user: Uuid) -> Result<()> {
    sqlx::query("DELETE FROM trade_authorizations WHERE user_id = $1 AND used_at IS NULL")
        .bind(user.to_string())
        .execute(pool)
        .await?;
    Ok(())
}

/// A session of one's own.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionReport {
    /// Its UUID.
    id: Uuid,
    /// When it began, in milliseconds since the Unix epoch.
    created_at: i64,
    /// When its tokens were last refreshed.
    used_at: i64,
    /// When it ends unless they are again.
    expires_at: i64,
    /// Where it began.
    ip: String,
    /// What the client calls itself.
    user_agent: String,
    /// Whether it is the one that asks.
    is_current: bool,
}

/// The sessions that are open.
#[utoipa::path(get, path = "/api/v1/sessions", tag = "identity", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Vec<SessionReport>>)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Vec<SessionReport>>> {
    let rows = sqlx::query(
        "SELECT * FROM sessions WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY used_at DESC",
    )
    .bind(caller.user.to_string())
    .bind(crate::now_ms())
    .fetch_all(&gateway.pool)
    .await?;
    let report = |row: &sqlx::any::AnyRow| {
        let id = uuid(&row.try_get::<String, _>("id")?)?;
        Ok(SessionReport {
            id,
            created_at: row.try_get("created_at")?,
            used_at: row.try_get("used_at")?,
            expires_at: row.try_get("expires_at")?,
            ip: row.try_get("ip")?,
            user_agent: row.try_get("user_agent")?,
            is_current: caller.session == Some(id),
        })
    };
    rows.iter().map(report).collect::<Result<Vec<_>>>().map(Data::new)
}

/// Ends a session: its access tokens are worth nothing from this moment on.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}", tag = "identity",
    security(("bearer" = ["credentials:write"])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Envelope<Ended>)))]
pub(super) async fn revoke(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Data<Ended>> {
    let ended = gateway.identity.sessions.end(caller.user, Some(id)).await?;
    if ended == 0 {
        return Err(ApiError::not_found("session"));
    }
    gateway.audit.add(caller.entry("session.end", id, json!({}))).await?;
    Ok(Data::new(Ended { ended }))
}

/// How many sessions were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ended {
    /// So many.
    pub ended: usize,
}

/// What a client hears whose refresh token is no longer good.
pub(super) fn ended() -> ApiError {
    ApiError::new(Code::Unauthenticated, "this session has ended; log in again")
}
