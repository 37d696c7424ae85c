//! Who may come in: users, their passwords, sessions and tokens.

mod login;
mod password;
pub(crate) mod people;
mod profile;
mod session;
mod throttle;
mod token;

use crate::config::Config;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::Caller;
use crate::keys::Keys;
use sqlx::AnyPool;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// Who may come in.
#[derive(Debug)]
pub struct Identity {
    passwords: password::Passwords,
    tokens: token::Tokens,
    people: people::People,
    sessions: session::Sessions,
    throttle: throttle::Throttle,
}

impl Identity {
    /// Reads who is logged in.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(config: &Config, keys: &Keys, pool: AnyPool) -> Result<Self> {
        let tokens = token::Tokens::new(keys, config.identity.access_minutes);
        let days = config.identity.refresh_days;
        let sessions = session::Sessions::open(pool.clone(), days, tokens.access_s()).await?;
        Ok(Self {
            passwords: password::Passwords::new(),
            people: people::People::new(pool, config.engine.principals),
            throttle: throttle::Throttle::default(),
            tokens,
            sessions,
        })
    }

    /// A user.
    ///
    /// # Errors
    /// [`Code::NotFound`], or the database's.
    pub async fn person(&self, id: Uuid) -> Result<Arc<people::Person>> {
        self.people.get(id).await?.ok_or_else(|| ApiError::not_found("user"))
    }

    /// Gives a user a plan.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_plan(&self, id: Uuid, plan: &str) -> Result<()> {
        self.people.set_plan(id, plan).await
    }

    /// Whom a token stands for, and what it lets through.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`], or the database's.
    pub async fn caller(&self, token: &str, ip: IpAddr) -> Result<Caller> {
        let claims = self.tokens.claims(token)?;
        if self.sessions.is_revoked(claims.sid) {
            return Err(ApiError::new(
                Code::Unauthenticated,
                "this session was ended; log in again",
            ));
        }
        let person = self.people.get(claims.sub).await?.filter(|person| !person.is_disabled);
        let gone = || ApiError::new(Code::Unauthenticated, "this user cannot log in any more");
        let person = person.ok_or_else(gone)?;
        Ok(Caller {
            user: person.id,
            principal: person.principal,
            role: person.role,
            permissions: person.role.permissions(),
            session: Some(claims.sid),
            ip,
        })
    }
}

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(login::register))
        .routes(routes!(login::login))
        .routes(routes!(login::refresh))
        .routes(routes!(login::logout))
        .routes(routes!(session::list))
        .routes(routes!(session::revoke))
        .routes(routes!(profile::me, profile::change))
}
