//! For whom the engine takes a caller: people for themselves, their programs for others.
//!
//! A program is what comes with an API key, or is of the role agent. Its orders are automatic, and how many a day may have is a
//! control of the engine on its principal. So that a person's own orders do not count, each user's programs have a principal of
//! their own; one for each plan, for a control that is in force can be loosened by two persons only, and a plan changes at once.
//! Programs of the plan without automatic orders are all one principal, which may not trade.

use super::plans::Plan;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::guard::Caller;
use crate::identity::engine_knows;
use crate::identity::people::Person;
use crate::permission::Role;
use sqlx::Row;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use tidegate_client::proto;
use tidegate_client::{Client, proto::SetPrincipalRequest};
use uuid::Uuid;

/// Bytes of a name that the engine keeps.
const NAME_LEN_MAX: usize = 24;
/// How often a number is tried to be found that nobody else took in the same moment.
const TRIES: usize = 8;

/// What the engine was told since this gateway started.
#[derive(Debug, Default)]
pub struct Known {
    principals: Mutex<HashSet<u32>>,
    programs: Mutex<HashMap<(Uuid, Plan), u32>>,
}

/// A name as the engine takes it.
fn short(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(NAME_LEN_MAX).collect()
}

/// Says to the engine who `principal` is, if that was not said yet.
async fn tell(gateway: &Gateway, asked: SetPrincipalRequest) -> Result<()> {
    let principal = asked.principal;
    let known = || gateway.trading.known.principals.lock().unwrap_or_else(PoisonError::into_inner);
    if known().contains(&principal) {
        return Ok(());
    }
    let answer = gateway.engine.set_principal(asked).await?;
    super::outcome::check(answer.reject.as_ref())?;
    known().insert(principal);
    Ok(())
}

/// Sees to it that the engine knows a user's programs under the user's plan; their number.
///
/// # Errors
/// The engine's, the database's; [`Code::Conflict`] if no number is left.
pub async fn ensure_program(gateway: &Gateway, person: &Person) -> Result<u32> {
    let plan = Plan::from_name(&person.plan);
    let [first, _] = gateway.config.engine.programs;
    let program = |principal, name: &str, may_trade| SetPrincipalRequest {
        principal,
        name: short(name),
        role: proto::Role::Strategy.into(),
        may_trade,
        ..Default::default()
    };
    if plan.automatic_orders() == Some(0) {
        tell(gateway, program(first, "no automatic orders", false)).await?;
        return Ok(first);
    }
    let known = || gateway.trading.known.programs.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(number) = known().get(&(person.id, plan)) {
        return Ok(*number);
    }
    let number = number_of(gateway, person.id, plan).await?;
    let name = format!("{} of {}", plan.as_str(), person.principal);
    tell(gateway, program(number, &name, true)).await?;
    super::plans::limit(gateway, number, plan).await?;
    known().insert((person.id, plan), number);
    Ok(number)
}

/// The number of a user's programs under a plan, given on first use.
async fn number_of(gateway: &Gateway, user: Uuid, plan: Plan) -> Result<u32> {
    let [first, last] = gateway.config.engine.programs.map(i64::from);
    for _ in 0..TRIES {
        let row = sqlx::query("SELECT principal FROM programs WHERE user_id = $1 AND plan = $2")
            .bind(user.to_string())
            .bind(plan.as_str())
            .fetch_optional(&gateway.pool)
            .await?;
        if let Some(row) = row {
            return u32::try_from(row.try_get::<i64, _>("principal")?).map_err(ApiError::internal);
        }
        // The first two are those of nobody: who may not trade, and who sets the controls of plans.
        let added = sqlx::query(
            "INSERT INTO programs (principal, user_id, plan)
             SELECT COALESCE(MAX(principal) + 1, $3), $1, $2 FROM programs HAVING COALESCE(MAX(principal), 0) < $4",
        )
        .bind(user.to_string())
        .bind(plan.as_str())
        .bind(first + 2)
        .bind(last)
        .execute(&gateway.pool)
        .await;
        match added {
            Ok(done) if done.rows_affected() == 0 => {
                let message =
                    format!("all principals up to {last} are given away (engine.programs)");
                return Err(ApiError::new(Code::Conflict, message));
            }
            Ok(_) => {}
            Err(error) if crate::db::is_duplicate(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::new(Code::Unavailable, "many programs begin at once; try again"))
}

/// The one who sets the controls of plans.
///
/// # Errors
/// The engine's.
pub async fn keeper(gateway: &Gateway) -> Result<Client> {
    let principal = gateway.config.engine.programs[0] + 1;
    let asked = SetPrincipalRequest {
        principal,
        name: "plans of the gateway".into(),
        role: proto::Role::Person.into(),
        may_control: true,
        ..Default::default()
    };
    tell(gateway, asked).await?;
    Ok(gateway.engine.acting_for(principal))
}

/// Whether what a caller enters is automatic.
pub fn is_program(caller: &Caller) -> bool {
    caller.session.is_none() || caller.role == Role::Agent
}

/// The engine, for a caller who trades.
///
/// # Errors
/// The engine's, the database's.
pub async fn trader(gateway: &Gateway, caller: &Caller) -> Result<Client> {
    if is_program(caller) {
        let person = gateway.identity.person(caller.user).await?;
        return Ok(gateway.engine.acting_for(ensure_program(gateway, &person).await?));
    }
    controller(gateway, caller).await
}

/// The engine, for a caller who decides in person.
///
/// # Errors
/// The engine's, the database's.
pub async fn controller(gateway: &Gateway, caller: &Caller) -> Result<Client> {
    engine_knows(gateway, caller.user).await?;
    Ok(gateway.engine.acting_for(caller.principal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_what_the_engine_keeps() {
        for (name, kept) in [("Ann", "Ann"), ("Zoë 🚀 Ω", "Zo  "), ("", "")] {
            assert_eq!(short(name), kept);
        }
        assert_eq!(short(&"a".repeat(100)).len(), NAME_LEN_MAX);
    }
}
