//! The audit log: rows are only added, and each row's hash is over itself and the row before, so that no row can be changed or
//! taken out without a trace.

use crate::error::Result;
use crate::keys::hex;
use ring::digest::{Context, SHA256};
use serde_json::Value;
use sqlx::{AnyPool, Row};
use tokio::sync::Mutex;

/// What the first row stands on.
const GENESIS: &str = "tidegate audit 1";
/// Rows that are read at a time while the log is verified.
const PAGE: i64 = 1_000;

/// One thing that somebody did.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Who: a user's UUID, or `system`.
    pub actor: String,
    /// What, such as `order.submit`.
    pub action: &'static str,
    /// To what: a UUID or a name.
    pub target: String,
    /// With which particulars; an object. Never a secret.
    pub detail: Value,
    /// From where.
    pub ip: String,
    /// In which request.
    pub request_id: String,
}

/// The log; rows are added one at a time.
#[derive(Debug)]
pub struct Audit {
    pool: AnyPool,
    /// Number and hash of the newest row.
    last: Mutex<(i64, String)>,
}

/// Hash of a row that follows one of hash `before`. Fields are told apart by their lengths.
fn hash(before: &str, seq: i64, at: i64, fields: [&str; 6]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(before.as_bytes());
    context.update(&seq.to_be_bytes());
    context.update(&at.to_be_bytes());
    for field in fields {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field.as_bytes());
    }
    hex(context.finish().as_ref())
}

impl Audit {
    /// Goes on after the newest row.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(pool: AnyPool) -> Result<Self> {
        let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&pool)
            .await?;
        let last = match row {
            Some(row) => (row.try_get("seq")?, row.try_get("hash")?),
            None => (0, GENESIS.to_string()),
        };
        Ok(Self { pool, last: Mutex::new(last) })
    }

    /// Adds a row; it is on the disk when this returns.
    ///
    /// # Errors
    /// The database's: then there is no row.
    pub async fn add(&self, entry: Entry) -> Result<()> {
        let mut last = self.last.lock().await;
        let (seq, at) = (last.0 + 1, crate::now_ms());
        let Entry { actor, action, target, detail, ip, request_id } = entry;
        let detail = detail.to_string();
        let hash = hash(&last.1, seq, at, [&actor, action, &target, &detail, &ip, &request_id]);
        sqlx::query(
            "INSERT INTO audit (seq, at, actor, action, target, detail, ip, request_id, hash)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(seq)
        .bind(at)
        .bind(actor)
        .bind(action)
        .bind(target)
        .bind(detail)
        .bind(ip)
        .bind(request_id)
        .bind(hash.clone())
        .execute(&self.pool)
        .await?;
        *last = (seq, hash);
        Ok(())
    }
}

/// What a look over the whole log found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Every row is as it was written; so many, and the newest hash. Write it down elsewhere: a log that is cut at its end is
    /// seen only by who knows it.
    Whole(i64, String),
    /// The first row that is not as it was written, or follows none.
    Broken(i64),
}

/// Reads the whole log and compares every hash.
///
/// # Errors
/// The database's.
pub async fn verify(pool: &AnyPool) -> Result<Verified> {
    let (mut last, mut before) = (0i64, GENESIS.to_string());
    loop {
        let rows = sqlx::query("SELECT * FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(last)
            .bind(PAGE)
            .fetch_all(pool)
            .await?;
        if rows.is_empty() {
            return Ok(Verified::Whole(last, before));
        }
        for row in rows {
            let (seq, at): (i64, i64) = (row.try_get("seq")?, row.try_get("at")?);
            let text = |name: &str| row.try_get::<String, _>(name);
            let [actor, action, target] = [text("actor")?, text("action")?, text("target")?];
            let [detail, ip, request] = [text("detail")?, text("ip")?, text("request_id")?];
            let fields = [&*actor, &*action, &*target, &*detail, &*ip, &*request];
            let expected = hash(&before, seq, at, fields);
            if seq != last + 1 || text("hash")? != expected {
                return Ok(Verified::Broken(seq));
            }
            (last, before) = (seq, expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(target: &str) -> Entry {
        Entry {
            actor: "somebody".into(),
            action: "order.submit",
            target: target.into(),
            detail: json!({"qty": "5"}),
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn whatever_is_changed_or_taken_out_is_found() {
        let database = crate::testing::Database::new().await;
        let pool = &database.pool;
        let audit = Audit::open(pool.clone()).await.expect("empty");
        for target in ["a", "b", "c"] {
            audit.add(entry(target)).await.expect("added");
        }
        let Verified::Whole(3, newest) = verify(pool).await.expect("read") else {
            panic!("it is whole")
        };
        // It goes on where it stopped.
        let audit = Audit::open(pool.clone()).await.expect("as it was");
        audit.add(entry("d")).await.expect("added");
        assert!(matches!(verify(pool).await, Ok(Verified::Whole(4, hash)) if hash != newest));
        for (broken, statement) in [
            (2, "UPDATE audit SET target = 'x' WHERE seq = 2"),
            (1, "UPDATE audit SET at = at + 1 WHERE seq = 1"),
            (2, "DELETE FROM audit WHERE seq = 1"),
        ] {
            sqlx::query(statement).execute(pool).await.expect("done");
            assert_eq!(verify(pool).await, Ok(Verified::Broken(broken)), "{statement}");
        }
    }
}
