//! Addresses and passwords: to show that an address is one's own, to change a password, to set one that was forgotten.

use super::Identity;
use super::login::{email, entry};
use super::password;
use super::people::Person;
use super::proof::{Proofs, Shows};
use super::session::Ended;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::{Caller, Stranger};
use crate::mail::Mail;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

/// Mails to an address without a wait, from wherever they are asked for.
const MAILS_FREE: u32 = 5;

/// A token that was mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Mailed {
    /// As it was mailed.
    token: String,
}

/// Whether an address is known to be the user's.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AddressState {
    email_verified: bool,
}

/// That something was taken notice of; what came of it is mailed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Noted {
    /// What happens next.
    message: &'static str,
}

/// An address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forgotten {
    /// The address.
    email: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// As it was mailed.
    token: String,
    /// 10 to 256 characters.
    #[schema(min_length = 10, max_length = 256)]
    password: String,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangePassword {
    /// The one that is in force.
    old_password: String,
    /// 10 to 256 characters.
    #[schema(min_length = 10, max_length = 256)]
    new_password: String,
}

impl Identity {
    /// Mails a token to somebody, unless too many went to that address lately: then the newest of those will do.
    pub(super) fn mail(&self, public_url: &str, shows: Shows, person: &Person) {
        let (to, now) = (person.email.clone(), crate::now_ms());
        if self.throttle.begin_anywhere(&format!("mail#{to}"), MAILS_FREE, now).is_err() {
            return;
        }
        let token = self.proofs.make(shows, person, now);
        let (subject, page, what, life) = match shows {
            Shows::Address => ("Is this your address?", "verify-email", "show that it is", "a day"),
            Shows::Reset => ("A new password", "reset-password", "set one", "an hour"),
        };
        // After '#', where no server writes it down.
        let text = format!(
            "To {what}, open\n\n{public_url}/{page}#token={token}\n\nor give this token, within {life}:\n\n{token}\n\n\
             If you did not ask for this, do nothing.\n"
        );
        self.mailer.send(Mail { to, subject, text });
    }
}

fn over() -> ApiError {
    ApiError::field("token", "this token is over or was used; ask for another")
}

/// Takes a token that was mailed as proof that the address is the user's.
#[utoipa::path(post, path = "/api/v1/auth/email/verify", tag = "identity", security(()), request_body = Mailed,
    responses((status = 200, body = Envelope<AddressState>)))]
pub(super) async fn verify(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<Mailed>,
) -> Result<Data<AddressState>> {
    let identity = &gateway.identity;
    let user = Proofs::user(Shows::Address, &asked.token).ok_or_else(over)?;
    let person = identity.people.get(user).await?.ok_or_else(over)?;
    if !identity.proofs.is_good(Shows::Address, &asked.token, &person, crate::now_ms()) {
        return Err(over());
    }
    let done = sqlx::query(
        "UPDATE users SET email_verified_at = $3 WHERE id = $1 AND email = $2 AND email_verified_at IS NULL",
    )
    .bind(user.to_string())
    .bind(person.email.clone())
    .bind(crate::now_ms())
    .execute(&gateway.pool)
    .await?;
    if done.rows_affected() == 0 {
        return Err(over());
    }
    identity.people.changed(user);
    gateway.audit.add(entry(user, &from, "email.verify", json!({}))).await?;
    Ok(Data::new(AddressState { email_verified: true }))
}

/// Mails another token to one's address.
#[utoipa::path(post, path = "/api/v1/auth/email/resend", tag = "identity", security(("bearer" = ["profile:write"])),
    responses((status = 200, body = Envelope<Noted>)))]
pub(super) async fn resend(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Noted>> {
    let identity = &gateway.identity;
    let person = identity.person(caller.user).await?;
    if person.is_verified {
        return Err(ApiError::new(Code::Conflict, "the address is verified already"));
    }
    identity.throttle.begin(&format!("{}#resend", caller.user), caller.ip, crate::now_ms())?;
    identity.mail(&gateway.config.public_url, Shows::Address, &person);
    Ok(Data::new(Noted { message: "a mail is on its way" }))
}

/// Mails a token with which a new password can be set, if there is such a user. The answer is the same if not.
#[utoipa::path(post, path = "/api/v1/auth/password/forgotten", tag = "identity", security(()), request_body = Forgotten,
    responses((status = 200, body = Envelope<Noted>)))]
pub(super) async fn forgotten(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<Forgotten>,
) -> Result<Data<Noted>> {
    let email = email(&asked.email)?;
    let identity = &gateway.identity;
    identity.throttle.begin(&format!("{email}#forgotten"), from.ip, crate::now_ms())?;
    let person = identity.people.by_email(&email).await?.filter(|person| !person.is_disabled);
    // The same row either way, so that it takes as long.
    gateway.audit.add(entry("", &from, "password.forgotten", json!({ "email": email }))).await?;
    if let Some(person) = person {
        identity.mail(&gateway.config.public_url, Shows::Reset, &person);
    }
    Ok(Data::new(Noted { message: "if there is such a user, a mail is on its way" }))
}

/// Sets a new password by a token that was mailed, and ends all sessions. The second factor stays.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", tag = "identity", security(()), request_body = Reset,
    responses((status = 200, body = Envelope<Ended>)))]
pub(super) async fn reset(
    State(gateway): State<Arc<Gateway>>,
    from: Stranger,
    Body(asked): Body<Reset>,
) -> Result<Data<Ended>> {
    let Reset { token, password } = asked;
    let identity = &gateway.identity;
    let user = Proofs::user(Shows::Reset, &token).ok_or_else(over)?;
    let person = identity.people.get(user).await?.ok_or_else(over)?;
    if !identity.proofs.is_good(Shows::Reset, &token, &person, crate::now_ms()) {
        return Err(over());
    }
    password::check(&password, &person.email)?;
    let hash = identity.passwords.hash(password).await?;
    // Before, so that none is left if what follows is cut off; and after, for one that began meanwhile.
    let mut ended = identity.sessions.end(user, None).await?;
    let mut transaction = gateway.pool.begin().await?;
    let done = sqlx::query(
        "UPDATE users SET password_hash = $2, email_verified_at = COALESCE(email_verified_at, $3)
         WHERE id = $1 AND COALESCE(password_hash, '') = $4 AND disabled_at IS NULL",
    )
    .bind(user.to_string())
    .bind(hash)
    .bind(crate::now_ms())
    .bind(person.password_hash.clone().unwrap_or_default())
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Err(over());
    }
    if !person.is_verified {
        // Whoever registered this address had not shown that it is theirs: nothing that they set up stays.
        identity.strip(user, &mut transaction).await?;
    }
    transaction.commit().await?;
    identity.keys.forget();
    identity.people.changed(user);
    ended += identity.sessions.end(user, None).await?;
    gateway.audit.add(entry(user, &from, "password.reset", json!({ "ended": ended }))).await?;
    Ok(Data::new(Ended { ended }))
}

/// Changes one's password, and ends all other sessions.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = ChangePassword, responses((status = 200, body = Envelope<Ended>)))]
pub(super) async fn change(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<ChangePassword>,
) -> Result<Data<Ended>> {
    let ChangePassword { old_password, new_password } = asked;
    let identity = &gateway.identity;
    let person = identity.confirm(&caller, Some(old_password)).await?;
    let Some(old) = person.password_hash.clone() else {
        let message = "there is none yet: POST /api/v1/auth/password/forgotten sets one";
        return Err(ApiError::new(Code::Conflict, message));
    };
    password::check(&new_password, &person.email)
        .map_err(|error| error.with(json!({ "field": "new_password" })))?;
    let hash = identity.confirmed.hash(new_password).await?;
    let done =
        sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1 AND password_hash = $3")
            .bind(person.id.to_string())
            .bind(hash)
            .bind(old)
            .execute(&gateway.pool)
            .await?;
    if done.rows_affected() == 0 {
        return Err(ApiError::new(Code::Conflict, "the password was changed meanwhile"));
    }
    identity.people.changed(person.id);
    let ended = identity.sessions.end_others(person.id, caller.session).await?;
    gateway
        .audit
        .add(caller.entry("password.change", person.id, json!({ "ended": ended })))
        .await?;
    Ok(Data::new(Ended { ended }))
}
