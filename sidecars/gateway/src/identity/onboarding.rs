//! How far a new user has come.

use crate::error::Result;
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::http::guard::Caller;
use crate::trading::words::OrdStatus;
use axum::extract::State;
use serde::Serialize;
use sqlx::Row;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

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
    /// An order was accepted.
    order: bool,
    /// All of it was done once; what is taken back later changes nothing of that.
    complete: bool,
    /// When that was first seen, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<i64>,
}

/// Whether an order of a user's accounts was accepted.
fn has_order(gateway: &Gateway, user: Uuid) -> bool {
    let numbers = gateway.accounts.numbers_of(user);
    let picture = gateway.events.picture();
    let orders = numbers.iter().filter_map(|number| picture.account(*number));
    let mut orders = orders.flat_map(|account| account.orders.values());
    // What was refused before the engine took it has no number.
    orders.any(|order| order.report.order_id != 0 && order.status() != Some(OrdStatus::Rejected))
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
        "SELECT onboarded_at, (SELECT COUNT(*) FROM accounts WHERE owner = $1 AND opened_at IS NOT NULL)
         AS accounts FROM users WHERE id = $1",
    )
    .bind(caller.user.to_string())
    .fetch_one(&gateway.pool)
    .await?;
    let account = row.try_get::<i64, _>("accounts")? > 0;
    let order = has_order(&gateway, caller.user);
    let mut completed_at: Option<i64> = row.try_get("onboarded_at")?;
    let (email_verified, second_factor, pin) =
        (person.is_verified, person.has_totp, person.has_pin);
    let is_all = [email_verified, second_factor, pin, account, order].iter().all(|done| *done);
    if is_all && completed_at.is_none() {
        let now = crate::now_ms();
        sqlx::query("UPDATE users SET onboarded_at = $2 WHERE id = $1 AND onboarded_at IS NULL")
            .bind(caller.user.to_string())
            .bind(now)
            .execute(&gateway.pool)
            .await?;
        completed_at = Some(now);
    }
    let complete = completed_at.is_some();
    let order = order || complete;
    Ok(Data::new(Onboarding {
        email_verified,
        second_factor,
        pin,
        account,
        order,
        complete,
        completed_at,
    }))
}
