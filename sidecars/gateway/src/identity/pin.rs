//! The PIN, and what authorizes a trade: a PIN or a code, of which five wrong ones in a row lock.

use super::Identity;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Body, Data, Envelope};
use crate::http::guard::Caller;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Wrong ones in a row until it locks.
const FAILURES_MAX: i64 = 5;

/// What somebody shows to authorize a trade.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Second {
    /// The PIN: 4 to 6 digits.
    Pin(String),
    /// A code of the second factor, or a recovery code.
    Totp(String),
}

// Secrets stay out of logs.
impl std::fmt::Debug for Second {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pin(_) => "Pin",
            Self::Totp(_) => "Totp",
        })
    }
}

impl Identity {
    /// Takes a PIN or a code that authorizes a trade. After five wrong ones in a row nothing is right until the password is given again.
    ///
    /// # Errors
    /// [`Code::WrongCredentials`], [`Code::Locked`], [`Code::Conflict`] if the user has set up neither, or the database's.
    pub async fn check_second(&self, user: Uuid, second: Second) -> Result<()> {
        let person = self.person(user).await?;
        let can = match second {
            Second::Pin(_) => person.has_pin,
            Second::Totp(_) => person.has_totp,
        };
        if !can {
            let message = "set a PIN (PUT /api/v1/users/me/pin) or a second factor up first";
            return Err(ApiError::new(Code::Conflict, message));
        }
        // It counts as wrong before it is looked at, so that many at once are no more than five.
        let begun = sqlx::query(
            "UPDATE users SET pin_failures = pin_failures + 1 WHERE id = $1 AND pin_failures < $2
             RETURNING pin_hash, pin_failures",
        )
        .bind(user.to_string())
        .bind(FAILURES_MAX)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = begun else { return Err(locked()) };
        let hash = row.try_get::<Option<String>, _>("pin_hash")?;
        let left = FAILURES_MAX - row.try_get::<i64, _>("pin_failures")?;
        let is_right = match second {
            Second::Pin(pin) => self.confirmed.is_right(pin, hash).await,
            Second::Totp(code) => self.take_code(&person, &code).await,
        };
        let settle = match is_right {
            Ok(true) => "UPDATE users SET pin_failures = 0 WHERE id = $1",
            // Nobody looked at it.
            Err(_) => {
                "UPDATE users SET pin_failures = pin_failures - 1 WHERE id = $1 AND pin_failures > 0"
            }
            Ok(false) if left == 0 => return Err(locked()),
            Ok(false) => {
                let wrong = ApiError::new(Code::WrongCredentials, "the PIN or the code is wrong");
                return Err(wrong.with(json!({ "tries_left": left })));
            }
        };
        sqlx::query(settle).bind(user.to_string()).execute(&self.pool).await?;
        is_right.map(drop)
    }
}

fn locked() -> ApiError {
    let message =
        "five wrong ones: locked until POST /api/v1/users/me/pin/unlock with the password";
    ApiError::new(Code::Locked, message).with(json!({ "limit": FAILURES_MAX }))
}

/// A new PIN.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPin {
    /// The password; not needed by a user who has none.
    password: Option<String>,
    /// 4 to 6 digits.
    #[schema(example = "2580", min_length = 4, max_length = 6)]
    pin: String,
}

/// How the PIN stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PinState {
    pin_set: bool,
    /// After five wrong ones.
    locked: bool,
}

/// Sets the PIN, or changes it; one that is locked is good again.
#[utoipa::path(put, path = "/api/v1/users/me/pin", tag = "identity", security(("bearer" = ["credentials:write"])),
    request_body = SetPin, responses((status = 200, body = Envelope<PinState>)))]
pub(super) async fn set(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<SetPin>,
) -> Result<Data<PinState>> {
    let SetPin { password, pin } = asked;
    if !(4..=6).contains(&pin.len()) || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::field("pin", "a PIN is 4 to 6 digits"));
    }
    let identity = &gateway.identity;
    let person = identity.confirm(&caller, password).await?;
    let hash = identity.confirmed.hash(pin).await?;
    sqlx::query("UPDATE users SET pin_hash = $2, pin_failures = 0 WHERE id = $1")
        .bind(person.id.to_string())
        .bind(hash)
        .execute(&gateway.pool)
        .await?;
    super::session::void_authorizations(&gateway.pool, person.id).await?;
    identity.people.changed(person.id);
    gateway.audit.add(caller.entry("pin.set", person.id, json!({}))).await?;
    Ok(Data::new(PinState { pin_set: true, locked: false }))
}

/// Makes a locked PIN good again, by the password.
#[utoipa::path(post, path = "/api/v1/users/me/pin/unlock", tag = "identity",
    security(("bearer" = ["credentials:write"])), request_body = super::totp::Password,
    responses((status = 200, body = Envelope<PinState>)))]
pub(super) async fn unlock(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Body(asked): Body<super::totp::Password>,
) -> Result<Data<PinState>> {
    let person = gateway.identity.confirm(&caller, asked.password).await?;
    if person.password_hash.is_none() {
        let message = "this needs a password: POST /api/v1/auth/password/forgotten sets one";
        return Err(ApiError::new(Code::Conflict, message));
    }
    let unlock = sqlx::query("UPDATE users SET pin_failures = 0 WHERE id = $1");
    unlock.bind(person.id.to_string()).execute(&gateway.pool).await?;
    gateway.audit.add(caller.entry("pin.unlock", person.id, json!({}))).await?;
    Ok(Data::new(PinState { pin_set: person.has_pin, locked: false }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::keys::Keys;
    use crate::permission::Role;
    use crate::testing::Database;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn guesses_at_once_are_five_at_most() {
        let database = Database::new().await;
        let dir = tempfile::tempdir().expect("a folder");
        let config = Config { dir: dir.path().into(), ..Config::default() };
        let keys = Keys::new(&[1; 32]);
        let identity = Identity::open(&config, &keys, database.pool.clone()).await.expect("open");
        let user = identity.people.add("a@x.org", "A", None, Role::Trader).await.expect("added").id;
        let pin = |pin: &str| Second::Pin(pin.into());
        let code = |checked: Result<()>| checked.map_err(|error| error.code);
        assert_eq!(code(identity.check_second(user, pin("1234")).await), Err(Code::Conflict));
        let hash = identity.passwords.hash("1234".into()).await.expect("hashed");
        sqlx::query("UPDATE users SET pin_hash = $1")
            .bind(hash)
            .execute(&database.pool)
            .await
            .expect("set");
        identity.people.changed(user);
        for _ in 0..2 {
            assert_eq!(
                code(identity.check_second(user, pin("1111")).await),
                Err(Code::WrongCredentials)
            );
        }
        assert_eq!(code(identity.check_second(user, pin("1234")).await), Ok(()));
        let identity = Arc::new(identity);
        let guesses: Vec<_> = (0..30)
            .map(|n| {
                let identity = Arc::clone(&identity);
                tokio::spawn(async move {
                    identity.check_second(user, Second::Pin(format!("{:04}", 2_000 + n))).await
                })
            })
            .collect();
        let mut looked_at = 0;
        for guess in guesses {
            let error = guess.await.expect("no panic").expect_err("all are wrong");
            looked_at += usize::from(error.code == Code::WrongCredentials);
        }
        // The fifth is told that it locked.
        assert_eq!(looked_at, 4);
        assert_eq!(code(identity.check_second(user, pin("1234")).await), Err(Code::Locked));
    }
}
