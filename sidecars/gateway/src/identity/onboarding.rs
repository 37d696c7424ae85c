//! How far a new user has come.

use crate::error::Result;
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::Caller;
use axum::extract::State;
use serde::Serialize;
use sqlx::Row;
use std::sync::Arc;
use utoipa::ToSchema;

/// What is done and what is left.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Onboarding {
    /// The address was shown to be the user's.
    email_verified: bool,
    /// There is a second factor.
    second_factor: bool,
    /// There is a PIN.
    pin: bool,
    /// There is an account.
    account: bool,
    /// An order was authorized once.
    order: bool,
    /// All of it.
    complete: bool,
}

/// How far one has come oneself.
#[utoipa::path(get, path = "/api/v1/users/me/onboarding", tag = "identity", security(("bearer" = ["profile:read"])),
    responses((status = 200, body = Envelope<Onboarding>)))]
pub(super) async fn onboarding(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Result<Data<Onboarding>> {
    let person = gateway.identity.person(caller.user).await?;
    let row = sqlx::query(
        "SELECT (SELECT COUNT(*) FROM accounts WHERE owner = $1 AND opened_at IS NOT NULL) AS accounts,
         (SELECT COUNT(*) FROM trade_authorizations WHERE user_id = $1 AND used_at IS NOT NULL) AS orders",
    )
    .bind(caller.user.to_string())
    .fetch_one(&gateway.pool)
    .await?;
    let is_some = |column: &str| row.try_get::<i64, _>(column).map(|count| count > 0);
    let (account, order) = (is_some("accounts")?, is_some("orders")?);
    let (email_verified, second_factor, pin) =
        (person.is_verified, person.has_totp, person.has_pin);
    let complete = [email_verified, second_factor, pin, account, order].iter().all(|done| *done);
    Ok(Data::new(Onboarding { email_verified, second_factor, pin, account, order, complete }))
}
