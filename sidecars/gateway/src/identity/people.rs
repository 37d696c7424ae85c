//! Users, as they stand in the database, kept in memory while they are active.

use super::kept::Kept;
use crate::db::is_duplicate;
use crate::error::{ApiError, Code, Result};
use crate::permission::Role;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row};
use std::sync::Arc;
use uuid::Uuid;

/// How often a principal is tried to be found that nobody else took in the same moment.
const TRIES: usize = 8;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user's UUID.
    pub id: Uuid,
    /// Lower case.
    pub email: String,
    /// What the user wants to be called.
    pub name: String,
    /// What the user is.
    pub role: Role,
    /// The plan.
    pub plan: String,
    /// What the engine takes the user for.
    pub principal: u32,
    /// Argon2id; `None` for those who only sign in elsewhere.
    pub password_hash: Option<String>,
    /// When the user registered, in milliseconds.
    pub created_at: i64,
    /// Whether the address was shown to be the user's.
    pub is_verified: bool,
    /// Whether an administrator has shut the user out.
    pub is_disabled: bool,
    /// Whether a second factor is asked for.
    pub has_totp: bool,
    /// Whether there is a PIN.
    pub has_pin: bool,
    /// What the engine was last told that the user is; empty: nothing yet.
    pub engine_role: String,
    /// JSON.
    pub preferences: String,
}

impl Person {
    /// A row of `users`.
    ///
    /// # Errors
    /// The database's.
    pub fn read(row: &AnyRow) -> Result<Self> {
        let time = |name: &str| row.try_get::<Option<i64>, _>(name);
        let text = |name: &str| row.try_get::<String, _>(name);
        let role = text("role")?;
        Ok(Self {
            id: uuid(&text("id")?)?,
            email: text("email")?,
            name: text("name")?,
            role: Role::from_name(&role)
                .ok_or_else(|| ApiError::internal(format!("role '{role}'")))?,
            plan: text("plan")?,
            principal: u32::try_from(row.try_get::<i64, _>("principal")?)
                .map_err(ApiError::internal)?,
            password_hash: row.try_get("password_hash")?,
            created_at: row.try_get("created_at")?,
            is_verified: time("email_verified_at")?.is_some(),
            is_disabled: time("disabled_at")?.is_some(),
            has_totp: time("totp_enabled_at")?.is_some(),
            has_pin: row.try_get::<Option<String>, _>("pin_hash")?.is_some(),
            engine_role: text("engine_role")?,
            preferences: text("preferences")?,
        })
    }
}

/// A UUID of the database's.
pub fn uuid(text: &str) -> Result<Uuid> {
    text.parse().map_err(|_| ApiError::internal(format!("the database holds '{text}' for a UUID")))
}

/// All users.
#[derive(Debug)]
pub struct People {
    pool: AnyPool,
    principals: [u32; 2],
    kept: Kept<Uuid, Person>,
}

impl People {
    /// Users who get principals of this range.
    pub fn new(pool: AnyPool, principals: [u32; 2]) -> Self {
        Self { pool, principals, kept: Kept::default() }
    }

    /// A user, from memory if possible.
    ///
    /// # Errors
    /// The database's.
    pub async fn get(&self, id: Uuid) -> Result<Option<Arc<Person>>> {
        let absent = match self.kept.get(&id) {
            Ok(person) => return Ok(Some(person)),
            Err(absent) => absent,
        };
        let row = sqlx::query("SELECT * FROM users WHERE id = $1").bind(id.to_string());
        let Some(row) = row.fetch_optional(&self.pool).await? else { return Ok(None) };
        Ok(Some(self.kept.put(id, Person::read(&row)?, absent)))
    }

    /// A user by address, from the database.
    ///
    /// # Errors
    /// The database's.
    pub async fn by_email(&self, email: &str) -> Result<Option<Person>> {
        let row = sqlx::query("SELECT * FROM users WHERE email = $1").bind(email.to_string());
        row.fetch_optional(&self.pool).await?.map(|row| Person::read(&row)).transpose()
    }

    /// Gives a user a plan.
    ///
    /// # Errors
    /// The database's.
    pub async fn set_plan(&self, id: Uuid, plan: &str) -> Result<()> {
        let set = sqlx::query("UPDATE users SET plan = $1 WHERE id = $2");
        set.bind(plan.to_string()).bind(id.to_string()).execute(&self.pool).await?;
        self.changed(id);
        Ok(())
    }

    /// Forgets a user, whose row has changed. Call it after the change.
    pub fn changed(&self, id: Uuid) {
        self.kept.forget(&id);
    }

    /// Adds a user, with the next principal that is free.
    ///
    /// # Errors
    /// [`Code::Conflict`] if the address is taken or no principal is left.
    pub async fn add(
        &self,
        email: &str,
        name: &str,
        hash: Option<&str>,
        role: Role,
    ) -> Result<Arc<Person>> {
        let [first, last] = self.principals;
        let id = Uuid::now_v7();
        for _ in 0..TRIES {
            let added = sqlx::query(
                "INSERT INTO users (id, email, name, password_hash, role, plan, principal, created_at)
                 SELECT $1, $2, $3, $4, $5, 'free', COALESCE(MAX(principal) + 1, $6), $7 FROM users
                 HAVING COALESCE(MAX(principal), 0) < $8",
            )
            .bind(id.to_string())
            .bind(email.to_string())
            .bind(name.to_string())
            .bind(hash.map(str::to_string))
            .bind(role.as_str())
            .bind(i64::from(first))
            .bind(crate::now_ms())
            .bind(i64::from(last))
            .execute(&self.pool)
            .await;
            match added {
                Ok(done) if done.rows_affected() == 1 => {
                    let person = self.get(id).await?;
                    return person.ok_or_else(|| ApiError::internal("a user vanished"));
                }
                Ok(_) => {
                    let message =
                        format!("all principals up to {last} are given away (engine.principals)");
                    return Err(ApiError::new(Code::Conflict, message));
                }
                Err(error) if is_duplicate(&error) => {
                    if self.by_email(email).await?.is_some() {
                        return Err(taken());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::new(Code::Unavailable, "many register at once; try again"))
    }
}

fn taken() -> ApiError {
    ApiError::new(
        Code::Conflict,
        "this address is registered already; log in, or reset the password",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Database;

    #[tokio::test]
    async fn everybody_gets_a_principal_until_none_is_left() {
        let database = Database::new().await;
        let people = People::new(database.pool.clone(), [10, 12]);
        let add = |name: &'static str| people.add(name, name, None, Role::Trader);
        let principal = |person: Arc<Person>| person.principal;
        assert_eq!(add("a").await.map(principal), Ok(10));
        let (b, c) = tokio::join!(add("b"), add("c"));
        let mut both = [b.map(principal), c.map(principal)];
        both.sort_by_key(|one| one.clone().ok());
        assert_eq!(both, [Ok(11), Ok(12)]);
        assert_eq!(add("a").await.expect_err("taken").code, Code::Conflict);
        assert!(add("d").await.expect_err("full").message.contains("up to 12"));
    }

    #[tokio::test]
    async fn a_change_is_seen_at_once() {
        let database = Database::new().await;
        let people = People::new(database.pool.clone(), [10, 12]);
        let id = people.add("a", "A", None, Role::Trader).await.expect("added").id;
        sqlx::query("UPDATE users SET role = 'viewer'")
            .execute(&database.pool)
            .await
            .expect("done");
        people.changed(id);
        let role = people.get(id).await.expect("read").expect("there").role;
        assert_eq!(role, Role::Viewer);
        assert_eq!(people.get(Uuid::nil()).await, Ok(None));
    }
}
