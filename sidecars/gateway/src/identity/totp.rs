//! The second factor: time-based codes (RFC 6238) and recovery codes, each taken once.

use super::Identity;
use super::people::Person;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use crate::keys::{hex, random};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use std::net::IpAddr;
use std::sync::Arc;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use utoipa::ToSchema;
use uuid::Uuid;

/// Bytes of a secret (RFC 4226, 4: 160 bits).
const SECRET_BYTES: usize = 20;
/// Seconds of a step, and steps that a clock may be off either way.
const STEP_S: u64 = 30;
const SKEW: u16 = 1;
/// Recovery codes of a user.
const RECOVERY_CODES: usize = 10;
/// Wrong codes of one user without a wait, from wherever they come.
const FAILURES_FREE: u32 = 50;
/// Characters of a code at most.
const CODE_LEN_MAX: usize = 64;

fn totp(secret: &[u8], email: &str) -> Result<Totp> {
    let secret: Secret = secret.to_vec().into();
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_step_duration(STEP_S)
        .with_skew(SKEW)
        .with_secret(secret)
        .with_issuer(Some("Tidegate"))
        // A colon would end the name.
        .with_account_name(email.replace(':', " "));
    totp.build().map_err(ApiError::internal)
}

/// The step that a code belongs to, if it is one of now.
fn step(secret: &[u8], email: &str, code: &str) -> Result<Option<i64>> {
    let now = u64::try_from(crate::now_ms() / 1_000).unwrap_or_default();
    let step = totp(secret, email)?.check(code, now);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// A recovery code as it is hashed: how it is typed does not matter.
fn canonical(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

impl Identity {
    /// The user's sealed secret, and what is in it.
    async fn totp_secret(&self, user: Uuid) -> Result<Option<(String, Vec<u8>)>> {
        let row = sqlx::query("SELECT totp_secret FROM users WHERE id = $1")
            .bind(user.to_string())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let Some(sealed) = row.try_get::<Option<String>, _>("totp_secret")? else {
            return Ok(None);
        };
        let secret = self.sealer.unseal("users", user, &sealed).ok_or_else(|| {
            ApiError::internal(format!("the second factor of {user} does not open"))
        })?;
        Ok(Some((sealed, secret)))
    }

    /// Takes a code of the user's second factor, or one of the recovery codes. None is taken twice.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn take_code(&self, person: &Person, code: &str) -> Result<bool> {
        if code.len() > CODE_LEN_MAX {
            return Ok(false);
        }
        let is_totp = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        if !is_totp {
            let taken = sqlx::query(
                "UPDATE recovery_codes SET used_at = $3
                 WHERE user_id = $1 AND hash = $2 AND used_at IS NULL",
            )
            .bind(person.id.to_string())
            .bind(self.lookup.hash("recovery code", &canonical(code)))
            .bind(crate::now_ms())
            .execute(&self.pool)
            .await?;
            return Ok(taken.rows_affected() == 1);
        }
        let Some((sealed, secret)) = self.totp_secret(person.id).await? else { return Ok(false) };
        let Some(step) = step(&secret, &person.email, code)? else { return Ok(false) };
        // One statement: of two who send the same code, one is let in.
        let taken = sqlx::query(
            "UPDATE users SET totp_last_step = $3 WHERE id = $1 AND totp_secret = $2
             AND totp_enabled_at IS NOT NULL AND totp_last_step < $3",
        )
        .bind(person.id.to_string())
        .bind(sealed)
        .bind(step)
        .execute(&self.pool)
        .await?;
        Ok(taken.rows_affected() == 1)
    }

    /// Takes a code from somebody who has shown the password, or is logged in; slowed down when it fails.
    ///
    /// # Errors
    /// [`Code::WrongCredentials`], [`Code::TooMany`], or the database's.
    pub(super) async fn ask_code(&self, person: &Person, ip: IpAddr, code: &str) -> Result<()> {
        // Another password is another beginning: whoever used this one up by knowing it is shut out by changing it.
        let password = person.password_hash.as_deref().unwrap_or_default();
        let who = format!("{}#code{}", person.id, self.lookup.hash("password", password));
        let now = crate::now_ms();
        self.throttle.begin(&who, ip, now)?;
        self.throttle.begin_anywhere(&who, FAILURES_FREE, now)?;
        if !self.take_code(person, code).await? {
            let wrong =
                ApiError::new(Code::WrongCredentials, "the code is wrong, or was used already");
            return Err(wrong.with(json!({ "field": "code" })));
        }
        self.throttle.succeeded(&who, ip);
        Ok(())
    }

    /// Gives new recovery codes in place of all others, as one of the transaction's changes.
    async fn renew_codes(
        &self,
        user: Uuid,
        transaction: &mut sqlx::Transaction<'_, sqlx::Any>,
    ) -> Result<Vec<String>> {
        let clear = sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1");
        clear.bind(user.to_string()).execute(&mut **transaction).await?;
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let code = hex(&random::<8>());
            sqlx::query("INSERT INTO recovery_codes (user_id, hash) VALUES ($1, $2)")
                .bind(user.to_string())
                .bind(self.lookup.hash("recovery code", &code))
                .execute(&mut **transaction)
                .await?;
            codes.push(format!("{}-{}-{}-{}", &code[..4], &code[4..8], &code[8..12], &code[12..]));
        }
        Ok(codes)
    }
}

/// The password once more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    /// The password; not needed by a user who has none.
    pub password: Option<String>,
}

/// A code of the second factor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenCode {
    /// Six digits, or a recovery code.
    code: String,
}

/// For the authenticator; told this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Setup {
    /// Base32.
    secret: String,
    /// The same as `otpauth://` URI, for a QR code.
    uri: String,
}

/// Recovery codes; told this once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RecoveryCodes {
    /// Each is good once, in place of a code.
    recovery_codes: Vec<String>,
}

/// Whether a second factor is asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TotpState {
    totp_enabled: bool,
}

/// Makes the secret of a second factor, which is asked for once it is enabled.
#[utoipa::path(post, path = "/api/v1/auth/totp/setup", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = Password, responses((status = 200, body = Envelope<Setup>)))]
pub(super) async fn setup(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<Password>,
) -> Result<Data<Setup>> {
    let identity = &gateway.identity;
    let person = identity.confirm(&caller, asked.password).await?;
    let secret: [u8; SECRET_BYTES] = random();
    let totp = totp(&secret, &person.email)?;
    let sealed = identity.sealer.seal("users", person.id, &secret)?;
    let set =
        sqlx::query("UPDATE users SET totp_secret = $2 WHERE id = $1 AND totp_enabled_at IS NULL")
            .bind(person.id.to_string())
            .bind(sealed)
            .execute(&gateway.pool)
            .await?;
    if set.rows_affected() == 0 {
        return Err(ApiError::new(Code::Conflict, "the second factor is on; disable it first"));
    }
    gateway.audit.add(caller.entry("totp.setup", person.id, json!({}))).await?;
    let uri = totp.to_url().map_err(ApiError::internal)?;
    Ok(Data::new(Setup { secret: totp.secret().to_base32(), uri }))
}

/// Asks for the second factor from now on; the first code shows that the authenticator has it.
#[utoipa::path(post, path = "/api/v1/auth/totp/enable", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = GivenCode, responses((status = 200, body = Envelope<RecoveryCodes>)))]
pub(super) async fn enable(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<GivenCode>,
) -> Result<Data<RecoveryCodes>> {
    let identity = &gateway.identity;
    let person = identity.person(caller.user).await?;
    let who = format!("{}#enable", person.id);
    identity.throttle.begin(&who, caller.ip, crate::now_ms())?;
    let Some((sealed, secret)) = identity.totp_secret(person.id).await? else {
        return Err(ApiError::new(Code::Conflict, "POST /api/v1/auth/totp/setup comes first"));
    };
    let Some(step) = step(&secret, &person.email, &asked.code)? else {
        return Err(ApiError::field("code", "the code is wrong; is the clock right?"));
    };
    let mut transaction = gateway.pool.begin().await?;
    let enabled = sqlx::query(
        "UPDATE users SET totp_enabled_at = $3, totp_last_step = $4 WHERE id = $1
         AND totp_secret = $2 AND totp_enabled_at IS NULL AND totp_last_step < $4",
    )
    .bind(person.id.to_string())
    .bind(sealed)
    .bind(crate::now_ms())
    .bind(step)
    .execute(&mut *transaction)
    .await?;
    if enabled.rows_affected() == 0 {
        return Err(ApiError::new(Code::Conflict, "it is on already, or the code was used"));
    }
    let recovery_codes = identity.renew_codes(person.id, &mut transaction).await?;
    transaction.commit().await?;
    identity.people.changed(person.id);
    identity.throttle.succeeded(&who, caller.ip);
    gateway.audit.add(caller.entry("totp.enable", person.id, json!({}))).await?;
    Ok(Data::new(RecoveryCodes { recovery_codes }))
}

/// Asks for no second factor any more.
#[utoipa::path(post, path = "/api/v1/auth/totp/disable", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = GivenCode, responses((status = 200, body = Envelope<TotpState>)))]
pub(super) async fn disable(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<GivenCode>,
) -> Result<Data<TotpState>> {
    let identity = &gateway.identity;
    let person = identity.person(caller.user).await?;
    identity.ask_code(&person, caller.ip, &asked.code).await?;
    let mut transaction = gateway.pool.begin().await?;
    for statement in [
        "UPDATE users SET totp_secret = NULL, totp_enabled_at = NULL WHERE id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
    ] {
        sqlx::query(statement).bind(person.id.to_string()).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    identity.people.changed(person.id);
    gateway.audit.add(caller.entry("totp.disable", person.id, json!({}))).await?;
    Ok(Data::new(TotpState { totp_enabled: false }))
}

/// Gives new recovery codes in place of all others.
#[utoipa::path(post, path = "/api/v1/auth/totp/recovery-codes", tag = "identity",
    security(("bearer" = ["credentials:write"])), request_body = GivenCode,
    responses((status = 200, body = Envelope<RecoveryCodes>)))]
pub(super) async fn recovery_codes(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<GivenCode>,
) -> Result<Data<RecoveryCodes>> {
    let identity = &gateway.identity;
    let person = identity.person(caller.user).await?;
    identity.ask_code(&person, caller.ip, &asked.code).await?;
    let mut transaction = gateway.pool.begin().await?;
    let recovery_codes = identity.renew_codes(person.id, &mut transaction).await?;
    transaction.commit().await?;
    gateway.audit.add(caller.entry("totp.recovery_codes", person.id, json!({}))).await?;
    Ok(Data::new(RecoveryCodes { recovery_codes }))
}
