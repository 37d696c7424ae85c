//! Coming in: register, log in, refresh, log out.

use super::engine::engine_hears;
use super::password;
use super::people::Person;
use super::proof::Shows;
use super::session::{Ended, Rotated, ended};
use super::token::Refresh;
use crate::audit::Entry;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope, request_id};
use crate::http::guard::{Caller, Stranger};
use crate::http::origin::place as network;
use crate::permission::Role;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Bytes of an address at most (RFC 5321, 4.5.3.1).
const EMAIL_LEN_MAX: usize = 254;
/// Characters of a name at most.
const NAME_LEN_MAX: usize = 100;

/// A new user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    /// An e-mail address; it is the log-in.
    #[schema(example = "ann@example.org")]
    email: String,
    /// 10 to 256 characters.
    #[schema(example = "correct horse battery", min_length = 10, max_length = 256)]
    password: String,
    /// What to be called; 1 to 100 characters.
    #[schema(example = "Ann", min_length = 1, max_length = 100)]
    name: String,
}

/// Credentials.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// The address.
    email: String,
    /// The password.
    password: String,
    /// A code of the second factor or a recovery code, where `second_factor_required` asked for it.
    code: Option<String>,
}

/// A refresh token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshRequest {
    /// The newest one of the session.
    refresh_token: String,
}

/// What a session is carried on with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenPair {
    /// For `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds that the access token is good for.
    expires_in: i64,
    /// For the next pair; good once.
    refresh_token: String,
    /// The user.
    user: Uuid,
}

/// The address as it is kept, if it can be one.
pub(super) fn email(given: &str) -> Result<String> {
    let email = given.trim().to_lowercase();
    // As the mailer reads it, so that a mail goes to what was counted and to nobody else.
    let address = email.parse::<lettre::Address>().ok().filter(|address| {
        email.len() <= EMAIL_LEN_MAX
            && address.domain().contains('.')
            && !address.domain().starts_with('[')
            && email.chars().all(|c| !c.is_whitespace() && !c.is_control())
    });
    let rule = "an e-mail address such as ann@example.org, at most 254 bytes";
    address.map(|_| email).ok_or_else(|| ApiError::field("email", rule))
}

/// A name as it is kept.
pub(super) fn display_name(given: &str) -> Result<String> {
    crate::name::checked(given, NAME_LEN_MAX)
}

/// A row of the audit log about what somebody did who is not logged in.
pub(super) fn entry(
    actor: impl ToString,
    from: &Stranger,
    action: &'static str,
    detail: Value,
) -> Entry {
    let (actor, ip) = (actor.to_string(), from.ip.to_string());
    Entry { target: actor.clone(), actor, action, detail, ip, request_id: request_id() }
}

fn pair(gateway: &Gateway, user: Uuid, refresh: Refresh) -> Result<TokenPair> {
    let tokens = &gateway.identity.tokens;
    Ok(TokenPair {
        access_token: tokens.access(user, refresh.session)?,
        token_type: "Bearer",
        expires_in: tokens.access_s(),
        refresh_token: tokens.refresh(refresh),
        user,
    })
}

/// The password was right, and a code is asked for besides.
pub(super) fn code_is_missing() -> ApiError {
    let message = "give a code of the second factor, or a recovery code, as 'code'";
    ApiError::new(Code::SecondFactorRequired, message)
}

/// Lets somebody in who has shown who it is, once the second factor is given too if there is one.
///
/// # Errors
/// [`Code::SecondFactorRequired`], [`Code::WrongCredentials`], [`Code::TooMany`], or the database's.
pub(super) async fn enter(
    gateway: &Gateway,
    person: &Person,
    from: &Stranger,
    code: Option<&str>,
) -> Result<TokenPair> {
    let (identity, id) = (&gateway.identity, person.id);
    match code {
        None if person.has_totp => return Err(code_is_missing()),
        Some(code) if person.has_totp => {
            if let Err(error) = identity.ask_code(person, from.ip, code).await {
                let detail = json!({ "second_factor": error.code });
                gateway.audit.add(entry(id, from, "login.failed", detail)).await?;
                return Err(error);
            }
        }
        _ => {}
    }
    let refresh = identity.sessions.begin(id, from).await?;
    gateway.audit.add(entry(id, from, "login", json!({ "session": refresh.session }))).await?;
    pair(gateway, id, refresh)
}

/// Registers, and logs in.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "identity", security(()), request_body = Register,
    responses((status = 201, body = Envelope<TokenPair>)))]
pub(super) async fn register(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<Register>,
) -> Result<Data<TokenPair>> {
    if !gateway.config.identity.open_registration {
        let message = "registration is closed here; ask an administrator for a user";
        return Err(ApiError::new(Code::NotPermitted, message));
    }
    let (email, name) = (email(&asked.email)?, display_name(&asked.name)?);
    password::check(&asked.password, &email)?;
    let identity = &gateway.identity;
    let free = gateway.config.identity.registrations_per_network;
    identity.throttle.begin_at("registration", network(from.ip), free, crate::now_ms())?;
    let hash = identity.passwords.hash(asked.password).await?;
    let person = identity.people.add(&email, &name, Some(&hash), Role::Trader).await?;
    gateway.audit.add(entry(person.id, &from, "user.register", json!({ "email": email }))).await?;
    identity.mail(&gateway.config.public_url, Shows::Address, &person);
    let refresh = identity.sessions.begin(person.id, &from).await?;
    let pair = pair(&gateway, person.id, refresh)?;
    // Nobody waits for an engine that is away.
    tokio::spawn(async move { engine_hears(&gateway, person.id).await });
    Ok(Data::created(pair))
}

/// Logs in.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "identity", security(()), request_body = Login,
    responses((status = 200, body = Envelope<TokenPair>)))]
pub(super) async fn login(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<Login>,
) -> Result<Data<TokenPair>> {
    let identity = &gateway.identity;
    let wrong = || ApiError::new(Code::WrongCredentials, "address or password is wrong");
    let email = email(&asked.email).map_err(|_| wrong())?;
    identity.throttle.begin(&email, from.ip, crate::now_ms())?;
    let person = identity.people.by_email(&email).await?;
    let hash = person.as_ref().and_then(|person| person.password_hash.clone());
    let is_right = identity.passwords.is_right(asked.password, hash).await?;
    let Some(person) = person.filter(|person| is_right && !person.is_disabled) else {
        gateway.audit.add(entry("", &from, "login.failed", json!({ "email": email }))).await?;
        return Err(wrong());
    };
    identity.throttle.succeeded(&email, from.ip);
    enter(&gateway, &person, &from, asked.code.as_deref()).await.map(Data::new)
}

/// Takes a refresh token for the next pair. One that was used before ends the session: one of the two who have it stole it.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "identity", security(()),
    request_body = RefreshRequest, responses((status = 200, body = Envelope<TokenPair>)))]
pub(super) async fn refresh(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<RefreshRequest>,
) -> Result<Data<TokenPair>> {
    let identity = &gateway.identity;
    let token = identity.tokens.read_refresh(&asked.refresh_token).ok_or_else(ended)?;
    match identity.sessions.rotate(token).await? {
        Rotated::Next(user, next) => {
            let person = identity.people.get(user).await?;
            person.filter(|person| !person.is_disabled).ok_or_else(ended)?;
            pair(&gateway, user, next).map(Data::new)
        }
        Rotated::Reused(user) => {
            let detail = json!({ "session": token.session });
            gateway.audit.add(entry(user, &from, "session.reuse", detail)).await?;
            Err(ended())
        }
        Rotated::Ended => Err(ended()),
    }
}

/// Ends the session of the access token.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "identity", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Ended>)))]
pub(super) async fn logout(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Ended>> {
    let Some(session) = caller.session else {
        return Err(ApiError::new(Code::Conflict, "an API key has no session; delete the key"));
    };
    let ended = gateway.identity.sessions.end(caller.user, Some(session)).await?;
    gateway.audit.add(caller.entry("logout", session, json!({}))).await?;
    Ok(Data::new(Ended { ended }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_kept_in_lower_case() {
        assert_eq!(email(" Ann@Example.ORG "), Ok("ann@example.org".into()));
        for bad in [
            "",
            "ann",
            "ann@",
            "@x.org",
            "ann@localhost",
            "a b@x.org",
            "a@x..org",
            "a@\u{0}x.org",
            "a1<victim@x.org>",
            "<victim@x.org>",
            "a,b@x.org",
            "a@[127.0.0.1]",
        ] {
            assert!(email(bad).is_err(), "{bad}");
        }
        assert!(email(&format!("{}@x.org", "a".repeat(300))).is_err());
    }
}
