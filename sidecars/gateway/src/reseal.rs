//! Seals anew under the newest key what an older one sealed, so that the older one can be thrown away.

use crate::error::Result;
use crate::http::idempotency;
use crate::identity::broker;
use crate::sealed::{Sealer, owned};
use sqlx::{AnyPool, Row};
use uuid::Uuid;

/// Rows that are read at a time.
const PAGE: i64 = 200;

/// Rows with something sealed.
struct Kind {
    /// What is after the row of owner `$1` and name `$2`, oldest names first, `$3` rows at most.
    select: &'static str,
    /// Puts `$4` in the place of `$3` in the row of owner `$1` and name `$2`.
    update: &'static str,
    /// What the secret of a row is bound to.
    place: fn(&str, &str) -> Option<(String, Uuid)>,
}

/// Everything that is sealed in the database. What browsers hold sealed is over within minutes.
const KINDS: [Kind; 3] = [
    Kind {
        select: "SELECT id AS owner, id AS name, totp_secret AS sealed FROM users
                 WHERE id > $1 AND id >= $2 AND totp_secret IS NOT NULL ORDER BY id LIMIT $3",
        update: "UPDATE users SET totp_secret = $4 WHERE id = $1 AND id = $2 AND totp_secret = $3",
        place: |owner, _| Some(("users".into(), owner.parse().ok()?)),
    },
    Kind {
        select: "SELECT user_id AS owner, id AS name, sealed FROM broker_connections
                 WHERE user_id > $1 OR (user_id = $1 AND id > $2) ORDER BY user_id, id LIMIT $3",
        update: "UPDATE broker_connections SET sealed = $4
                 WHERE user_id = $1 AND id = $2 AND sealed = $3",
        place: |owner, name| Some((owned(broker::TABLE, owner.parse().ok()?), name.parse().ok()?)),
    },
    Kind {
        select: "SELECT user_id AS owner, key AS name, response AS sealed FROM idempotency
                 WHERE response IS NOT NULL AND (user_id > $1 OR (user_id = $1 AND key > $2))
                 ORDER BY user_id, key LIMIT $3",
        update: "UPDATE idempotency SET response = $4
                 WHERE user_id = $1 AND key = $2 AND response = $3",
        place: |owner, name| Some(idempotency::place(owner.parse().ok()?, name)),
    },
];

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows that were sealed anew.
    pub anew: u64,
    /// Rows that the newest key had sealed before.
    pub before: u64,
    /// Rows that no key opens.
    pub closed: u64,
}

/// Seals every row anew that the newest key has not sealed. It may be killed and begun again, and gateways may run meanwhile: a row
/// that changes under it is left as it is.
///
/// # Errors
/// The database's; what was sealed before it stays so.
pub async fn reseal(pool: &AnyPool, sealer: &Sealer) -> Result<Resealed> {
    let mut done = Resealed::default();
    for Kind { select, update, place } in KINDS {
        let mut last = (String::new(), String::new());
        loop {
            let query = sqlx::query(select).bind(last.0.clone()).bind(last.1.clone()).bind(PAGE);
            let rows = query.fetch_all(pool).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let text = |column: &str| row.try_get::<String, _>(column);
                let (owner, name, sealed) = (text("owner")?, text("name")?, text("sealed")?);
                let found = place(&owner, &name);
                let opened = found.and_then(|(table, row)| {
                    sealer.unseal(&table, row, &sealed).map(|secret| (table, row, secret))
                });
                match opened {
                    None => done.closed += 1,
                    Some(_) if sealer.is_newest(&sealed) => done.before += 1,
                    Some((table, row, secret)) => {
                        let put = sqlx::query(update)
                            .bind(owner.clone())
                            .bind(name.clone())
                            .bind(sealed)
                            .bind(sealer.seal(&table, row, &secret)?)
                            .execute(pool)
                            .await?;
                        done.anew += put.rows_affected();
                    }
                }
                last = (owner, name);
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use crate::testing::Database;

    async fn run(pool: &AnyPool, statement: &'static str, values: &[&str]) {
        let mut query = sqlx::query(statement);
        for value in values {
            query = query.bind(value.to_string());
        }
        query.execute(pool).await.expect("done");
    }

    const USER: &str =
        "INSERT INTO users (id, email, name, role, plan, principal, created_at, totp_secret)
         VALUES ($1, $1, 'x', 'trader', 'free', (SELECT COUNT(*) FROM users), 0, $2)";
    const BROKER: &str = "INSERT INTO broker_connections
         (id, user_id, name, broker, sealed, fingerprint, created_at)
         VALUES ($1, $2, $1, 'alpaca', $3, '', 0)";
    const ANSWER: &str =
        "INSERT INTO idempotency (user_id, key, request_hash, status, response, created_at)
         VALUES ($1, $2, '', 200, $3, 0)";

    #[tokio::test]
    async fn every_row_is_sealed_anew_once_and_opens_where_it_was_only() {
        let database = Database::new().await;
        let pool = &database.pool;
        let [old, new] = [1, 2].map(|n| Keys::new(&[n; 32]));
        let before = Sealer::new(&old, &[]);
        let users = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let names = users.map(|user| user.to_string());
        let seal = |table: &str, row, text: &str| {
            before.seal(table, row, text.as_bytes()).expect("sealed")
        };
        for (user, name) in users.iter().zip(&names) {
            run(pool, USER, &[name, &seal("users", *user, "totp")]).await;
        }
        // More than a page.
        for n in 0..450u128 {
            let (row, user) = (Uuid::from_u128(1_000 + n), usize::from(n % 2 == 0));
            let sealed = seal(&owned(broker::TABLE, users[user]), row, &n.to_string());
            run(pool, BROKER, &[&row.to_string(), &names[user], &sealed]).await;
        }
        let (table, row) = idempotency::place(users[0], "key");
        run(pool, ANSWER, &[&names[0], "key", &seal(&table, row, "answer")]).await;
        let now = Sealer::new(&new, &[old]);
        // One was moved to another user.
        let moved = Uuid::from_u128(1_001).to_string();
        run(pool, "UPDATE broker_connections SET user_id = $2 WHERE id = $1", &[&moved, &names[1]])
            .await;
        let done = reseal(pool, &now).await.expect("done");
        assert_eq!(done, Resealed { anew: 452, before: 0, closed: 1 });
        let done = reseal(pool, &now).await.expect("done");
        assert_eq!(done, Resealed { anew: 0, before: 452, closed: 1 });
        // The older key is needed no more, and every secret is what it was.
        let alone = Sealer::new(&new, &[]);
        let done = reseal(pool, &alone).await.expect("done");
        assert_eq!(done, Resealed { anew: 0, before: 452, closed: 1 });
        let rows = sqlx::query("SELECT id, user_id, sealed FROM broker_connections WHERE id <> $1")
            .bind(moved)
            .fetch_all(pool)
            .await
            .expect("rows");
        for found in rows {
            let text = |column: &str| found.try_get::<String, _>(column).expect("text");
            let (id, user): (Uuid, Uuid) =
                (text("id").parse().expect("a UUID"), text("user_id").parse().expect("a UUID"));
            let secret = alone.unseal(&owned(broker::TABLE, user), id, &text("sealed"));
            let secret = String::from_utf8(secret.expect("it opens")).expect("text");
            assert_eq!(secret, (id.as_u128() - 1_000).to_string());
        }
    }
}
