//! Who may come in: users, their passwords, sessions and tokens.

mod address;
mod api_key;
pub(crate) mod broker;
mod engine;
mod kept;
mod login;
mod lookup;
mod oidc;
mod onboarding;
mod organisations;
mod password;
pub(crate) mod people;
mod pin;
mod profile;
mod proof;
mod session;
mod throttle;
mod token;
mod totp;
mod users;

pub use engine::engine_knows;
pub(crate) use lookup::Lookup;
pub use pin::Second;

use crate::config::Config;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::Caller;
use crate::keys::Keys;
use crate::mail::Mailer;
use crate::permission::{Permission, Permissions, Role};
use crate::sealed::Sealer;
use people::Person;
use sqlx::AnyPool;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Mutex;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// How long after a sign-in elsewhere it still stands for a password.
const FRESH_MS: i64 = 10 * 60 * 1_000;
/// How long what is over stays in the database.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Who may come in.
#[derive(Debug)]
pub struct Identity {
    pool: AnyPool,
    passwords: password::Passwords,
    /// Those of who is logged in, and PINs.
    confirmed: password::Passwords,
    tokens: token::Tokens,
    people: people::People,
    sessions: session::Sessions,
    throttle: throttle::Throttle,
    keys: api_key::ApiKeys,
    lookup: Arc<lookup::Lookup>,
    proofs: proof::Proofs,
    sealer: Sealer,
    mailer: Mailer,
    providers: Vec<oidc::Provider>,
    /// Whose accounts somebody sees as owner or administrator of an organisation.
    seen: kept::Kept<Uuid, HashSet<Uuid>>,
    /// Whether users must show that their address is theirs before they trade.
    verify_email: bool,
    /// Held while the engine is told of somebody.
    telling: Mutex<()>,
    /// Held while something changes of which one must remain.
    administering: Mutex<()>,
}

impl Identity {
    /// Reads who is logged in.
    ///
    /// # Errors
    /// What cannot be opened, or the database's.
    pub async fn open(config: &Config, keys: &Keys, pool: AnyPool) -> anyhow::Result<Self> {
        let tokens = token::Tokens::new(keys, config.identity.access_minutes);
        let days = config.identity.refresh_days;
        let sessions = session::Sessions::open(pool.clone(), days, tokens.access_s()).await;
        let lookup = Arc::new(lookup::Lookup::new(keys));
        let passwords = password::Passwords::new();
        Ok(Self {
            confirmed: passwords.apart(),
            passwords,
            people: people::People::new(pool.clone(), config.engine.principals),
            throttle: throttle::Throttle::default(),
            tokens,
            sessions: sessions.map_err(|error| anyhow::anyhow!(error.message))?,
            keys: api_key::ApiKeys::new(pool.clone(), Arc::clone(&lookup)),
            lookup,
            proofs: proof::Proofs::new(keys),
            sealer: Sealer::open(keys, &config.dir)?,
            mailer: Mailer::open(&config.mail, &config.dir.join("mail"))?,
            providers: oidc::providers(config)?,
            seen: kept::Kept::default(),
            verify_email: config.identity.verify_email,
            telling: Mutex::default(),
            administering: Mutex::default(),
            pool,
        })
    }

    /// Adds a user on the word of whoever runs the gateway.
    ///
    /// # Errors
    /// What address, name or password cannot be, and [`Code::Conflict`] if the address is taken.
    pub async fn add(
        &self,
        email: &str,
        name: &str,
        role: Role,
        password: String,
    ) -> Result<Arc<Person>> {
        let (email, name) = (login::email(email)?, login::display_name(name)?);
        password::check(&password, &email)?;
        let hash = self.passwords.hash(password).await?;
        self.people.add(&email, &name, Some(&hash), role).await
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
        let (user, session, scopes) = match token.starts_with(api_key::PREFIX) {
            true => {
                let holder = self.keys.holder(token, ip, crate::now_ms()).await?;
                (holder.user, None, Some(holder.scopes))
            }
            false => {
                let claims = self.tokens.claims(token)?;
                if self.sessions.is_revoked(claims.sid) {
                    let message = "this session was ended; log in again";
                    return Err(ApiError::new(Code::Unauthenticated, message));
                }
                (claims.sub, Some(claims.sid), None)
            }
        };
        let person = self.people.get(user).await?.filter(|person| !person.is_disabled);
        let gone = || ApiError::new(Code::Unauthenticated, "this user cannot log in any more");
        let person = person.ok_or_else(gone)?;
        let permissions = self.permissions(&person);
        Ok(Caller {
            user: person.id,
            principal: person.principal,
            role: person.role,
            permissions: scopes.map_or(permissions, |scopes| permissions.and(scopes)),
            session,
            ip,
        })
    }

    /// What somebody may: what the role has, without trading where the address must be verified and is not.
    fn permissions(&self, person: &Person) -> Permissions {
        let all = person.role.permissions();
        if person.is_verified || !self.verify_email {
            return all;
        }
        let waits = [Permission::AccountsWrite, Permission::OrdersWrite, Permission::RiskWrite];
        let mut left = all.list();
        left.retain(|permission| !waits.contains(permission));
        Permissions::of(&left)
    }

    /// A user.
    ///
    /// # Errors
    /// [`Code::NotFound`], or the database's.
    pub(crate) async fn person(&self, user: Uuid) -> Result<Arc<Person>> {
        self.people.get(user).await?.ok_or_else(|| ApiError::not_found("user"))
    }

    /// Asks for the caller's password once more; who has none must have signed in just now.
    ///
    /// # Errors
    /// [`Code::WrongCredentials`], [`Code::TooMany`], or the database's.
    async fn confirm(&self, caller: &Caller, password: Option<String>) -> Result<Arc<Person>> {
        let person = self.person(caller.user).await?;
        if person.password_hash.is_none() {
            let since = crate::now_ms() - FRESH_MS;
            if self.sessions.began_after(caller.session, since).await? {
                return Ok(person);
            }
            return Err(ApiError::new(Code::WrongCredentials, "sign in again, then try again"));
        }
        let who = format!("{}#password", person.id);
        self.throttle.begin(&who, caller.ip, crate::now_ms())?;
        let given = password.unwrap_or_default();
        if !self.confirmed.is_right(given, person.password_hash.clone()).await? {
            let wrong = ApiError::new(Code::WrongCredentials, "the password is wrong");
            return Err(wrong.with(serde_json::json!({ "field": "password" })));
        }
        self.throttle.succeeded(&who, caller.ip);
        Ok(person)
    }

    /// Deletes sessions and invitations that have been over for a day.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn clear(&self, now: i64) -> Result<()> {
        for statement in [
            "DELETE FROM sessions WHERE expires_at < $1 OR revoked_at < $1",
            "DELETE FROM organisation_invites WHERE expires_at < $1 OR used_at < $1",
        ] {
            sqlx::query(statement).bind(now - DAY_MS).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Asks for the caller's password once more, and for a code where the second factor is on.
    ///
    /// # Errors
    /// [`Code::SecondFactorRequired`], and those of a wrong password or code.
    async fn confirm_twice(
        &self,
        caller: &Caller,
        password: Option<String>,
        code: Option<&str>,
    ) -> Result<Arc<Person>> {
        let person = self.confirm(caller, password).await?;
        match code {
            Some(code) if person.has_totp => self.ask_code(&person, caller.ip, code).await?,
            None if person.has_totp => return Err(login::code_is_missing()),
            _ => {}
        }
        Ok(person)
    }

    /// Takes everything from a user that lets somebody in beside the password, as one of the transaction's changes. Afterwards
    /// [`api_key::ApiKeys::forget`] and [`people::People::changed`] are due.
    ///
    /// # Errors
    /// The database's.
    async fn strip(
        &self,
        user: Uuid,
        transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
    ) -> Result<()> {
        for statement in [
            "UPDATE users SET totp_secret = NULL, totp_enabled_at = NULL, pin_hash = NULL WHERE id = $1",
            "DELETE FROM recovery_codes WHERE user_id = $1",
            "DELETE FROM external_identities WHERE user_id = $1",
        ] {
            sqlx::query(statement).bind(user.to_string()).execute(&mut **transaction).await?;
        }
        sqlx::query(
            "UPDATE api_keys SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL",
        )
        .bind(user.to_string())
        .bind(crate::now_ms())
        .execute(&mut **transaction)
        .await?;
        Ok(())
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
        .routes(routes!(totp::setup))
        .routes(routes!(totp::enable))
        .routes(routes!(totp::disable))
        .routes(routes!(totp::recovery_codes))
        .routes(routes!(pin::set))
        .routes(routes!(pin::unlock))
        .routes(routes!(api_key::create, api_key::list_keys))
        .routes(routes!(api_key::revoke))
        .routes(routes!(broker::list, broker::connect))
        .routes(routes!(broker::rotate, broker::disconnect))
        .routes(routes!(address::verify))
        .routes(routes!(address::resend))
        .routes(routes!(address::forgotten))
        .routes(routes!(address::reset))
        .routes(routes!(address::change))
        .routes(routes!(oidc::list))
        .routes(routes!(oidc::start))
        .routes(routes!(oidc::callback, oidc::callback_form))
        .routes(routes!(oidc::finish))
        .routes(routes!(onboarding::onboarding))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::get, users::change))
        .routes(routes!(organisations::create, organisations::list))
        .routes(routes!(organisations::join))
        .routes(routes!(organisations::members))
        .routes(routes!(organisations::invite))
        .routes(routes!(organisations::remove))
}
