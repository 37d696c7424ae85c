//! What the engine knows of people: which principal is who, and what it may.

use super::people::Person;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::permission::{Permission, Role};
use tidegate_client::proto::{self, SetPrincipalRequest};
use uuid::Uuid;

/// Characters of a name that the engine keeps.
const NAME_LEN_MAX: usize = 24;
/// What is kept of somebody who is shut out.
const NOTHING: &str = "nothing";

/// What the engine should know that somebody is.
fn wanted(person: &Person) -> &'static str {
    match person.is_disabled {
        true => NOTHING,
        false => person.role.as_str(),
    }
}

fn principal(person: &Person) -> SetPrincipalRequest {
    let may = |permission| !person.is_disabled && person.role.permissions().has(permission);
    let name: String =
        person.email.chars().filter(char::is_ascii_graphic).take(NAME_LEN_MAX).collect();
    let role = match person.role {
        Role::Agent => proto::Role::Agent,
        _ => proto::Role::Person,
    };
    SetPrincipalRequest {
        principal: person.principal,
        name,
        role: role.into(),
        may_trade: may(Permission::OrdersWrite),
        may_control: may(Permission::RiskWrite),
        ..Default::default()
    }
}

/// Tells the engine who somebody is and what it may, unless it knows. Call it before whatever the user asks of the engine.
///
/// # Errors
/// [`Code::Unavailable`] and the engine's others, or the database's.
pub async fn engine_knows(gateway: &Gateway, user: Uuid) -> Result<()> {
    let identity = &gateway.identity;
    let person = identity.person(user).await?;
    if person.engine_role == wanted(&person) {
        return Ok(());
    }
    // One at a time: what the engine hears last is what the database says.
    let _turn = identity.telling.lock().await;
    identity.people.changed(user);
    let person = identity.person(user).await?;
    let answer = gateway.engine.set_principal(principal(&person)).await?;
    if let Some(reject) = answer.reject {
        let message = format!("the engine does not take the user: {}", reject.text);
        return Err(ApiError::new(Code::Rejected, message));
    }
    sqlx::query("UPDATE users SET engine_role = $2 WHERE id = $1")
        .bind(user.to_string())
        .bind(wanted(&person))
        .execute(&gateway.pool)
        .await?;
    identity.people.changed(user);
    Ok(())
}

/// The same where it can wait: what fails now is done before the first thing that the user asks of the engine.
pub async fn engine_hears(gateway: &Gateway, user: Uuid) {
    if let Err(error) = engine_knows(gateway, user).await {
        tracing::warn!("the engine does not know user {user} yet: {}", error.message);
    }
}
