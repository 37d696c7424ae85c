//! The audit log: rows are only added, and each row's hash is over itself and the row before, so that no row can be changed or
//! taken out without a trace. The hash is made with a key of the gateway's: who writes the database alone cannot make it anew.

use crate::error::{ApiError, Result};
use crate::keys::{Keys, Purpose, hex};
use ring::hmac::{Context, HMAC_SHA256, Key};
use serde_json::Value;
use sqlx::{AnyPool, Row};
use tokio::sync::{mpsc, oneshot};

/// What the first row stands on.
const GENESIS: &str = "tidegate audit 1";
/// Rows that are read at a time while the log is verified.
const PAGE: i64 = 1_000;
/// Rows that may wait, and that are written at once.
const AT_ONCE: usize = 256;

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

/// The log. One task writes, many rows in one transaction: whoever adds a row waits for the disk with all the others, and if it goes
/// away meanwhile, the row is there all the same.
#[derive(Debug)]
pub struct Audit {
    to_write: mpsc::Sender<Waiting>,
}

/// A row that is to be written, and who waits for it.
#[derive(Debug)]
struct Waiting {
    entry: Entry,
    at: i64,
    written: oneshot::Sender<Result<()>>,
}

/// The task that writes.
struct Writer {
    pool: AnyPool,
    key: Key,
    /// Number and hash of the newest row; `None`: to be read again.
    last: Option<(i64, String)>,
}

fn key(keys: &Keys) -> Key {
    Key::new(HMAC_SHA256, &keys.of(Purpose::Audit))
}

/// Hash of a row that follows one of hash `before`. Fields are told apart by their lengths.
fn hash(key: &Key, before: &str, seq: i64, at: i64, fields: [&str; 6]) -> String {
    let mut context = Context::with_key(key);
    context.update(before.as_bytes());
    context.update(&seq.to_be_bytes());
    context.update(&at.to_be_bytes());
    for field in fields {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field.as_bytes());
    }
    hex(context.sign().as_ref())
}

impl Audit {
    /// Goes on after the newest row.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(pool: AnyPool, keys: &Keys) -> Result<Self> {
        let mut writer = Writer { pool, key: key(keys), last: None };
        writer.newest().await?;
        let (to_write, waiting) = mpsc::channel(AT_ONCE);
        tokio::spawn(writer.run(waiting));
        Ok(Self { to_write })
    }

    /// Adds a row; it is on the disk when this returns.
    ///
    /// # Errors
    /// The database's: then there is no row.
    pub async fn add(&self, entry: Entry) -> Result<()> {
        let (written, done) = oneshot::channel();
        let row = Waiting { entry, at: crate::now_ms(), written };
        self.to_write.send(row).await.map_err(ApiError::internal)?;
        done.await.map_err(ApiError::internal)?
    }
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut rows = Vec::with_capacity(AT_ONCE);
        while waiting.recv_many(&mut rows, AT_ONCE).await > 0 {
            let mut outcome = self.write(&rows).await;
            if outcome.is_err() {
                // Somebody else wrote (the command line does), or the connection broke: once more, after what is there.
                self.last = None;
                outcome = self.write(&rows).await;
            }
            for row in rows.drain(..) {
                let told = outcome
                    .as_ref()
                    .map(|_| ())
                    .map_err(|error| ApiError::new(error.code, error.message.clone()));
                // Who has gone away does not hear it.
                let _ = row.written.send(told);
            }
            self.last = outcome.ok();
        }
    }

    /// Number and hash of the newest row.
    async fn newest(&mut self) -> Result<(i64, String)> {
        if let Some(last) = &self.last {
            return Ok(last.clone());
        }
        let row = sqlx::query("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await?;
        let last = match row {
            Some(row) => (row.try_get("seq")?, row.try_get("hash")?),
            None => (0, GENESIS.to_string()),
        };
        self.last = Some(last.clone());
        Ok(last)
    }

    /// Writes all rows or none; the newest then.
    async fn write(&mut self, rows: &[Waiting]) -> Result<(i64, String)> {
        let (mut seq, mut before) = self.newest().await?;
        let mut transaction = self.pool.begin().await?;
        for Waiting { entry, at, .. } in rows {
            seq += 1;
            let Entry { actor, action, target, detail, ip, request_id } = entry;
            let detail = detail.to_string();
            let fields: [&str; 6] = [actor, action, target, &detail, ip, request_id];
            before = hash(&self.key, &before, seq, *at, fields);
            sqlx::query(
                "INSERT INTO audit (seq, at, actor, action, target, detail, ip, request_id, hash)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(seq)
            .bind(*at)
            .bind(actor.clone())
            .bind(*action)
            .bind(target.clone())
            .bind(detail)
            .bind(ip.clone())
            .bind(request_id.clone())
            .bind(before.clone())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok((seq, before))
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

/// Reads the whole log and compares every hash, each with the first of these keys that made it: after the secret was changed, the
/// rows of before are of the one before.
///
/// # Errors
/// The database's.
pub(crate) async fn verify(pool: &AnyPool, keys: &[Keys]) -> Result<Verified> {
    let keys: Vec<_> = keys.iter().map(key).collect();
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
            let written = text("hash")?;
            let is_ours = |key: &Key| hash(key, &before, seq, at, fields) == written;
            if seq != last + 1 || !keys.iter().any(is_ours) {
                return Ok(Verified::Broken(seq));
            }
            (last, before) = (seq, written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
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
        let keys = [Keys::new(&[1; 32])];
        let audit = Audit::open(pool.clone(), &keys[0]).await.expect("empty");
        for target in ["a", "b", "c"] {
            audit.add(entry(target)).await.expect("added");
        }
        let Verified::Whole(3, newest) = verify(pool, &keys).await.expect("read") else {
            panic!("it is whole")
        };
        // It goes on where it stopped.
        let audit = Audit::open(pool.clone(), &keys[0]).await.expect("as it was");
        audit.add(entry("d")).await.expect("added");
        assert!(
            matches!(verify(pool, &keys).await, Ok(Verified::Whole(4, hash)) if hash != newest)
        );
        // Whoever gives up waiting, and whoever writes beside it, stops nobody.
        assert_eq!(audit.add(entry("e")).now_or_never(), None);
        audit.add(entry("f")).await.expect("added");
        let beside = Audit::open(pool.clone(), &keys[0]).await.expect("as it was");
        beside.add(entry("g")).await.expect("added");
        audit.add(entry("h")).await.expect("added");
        assert!(matches!(verify(pool, &keys).await, Ok(Verified::Whole(8, _))));
        // Another secret made none of these rows; it goes on with its own, and both are needed.
        let other = [Keys::new(&[2; 32])];
        assert_eq!(verify(pool, &other).await, Ok(Verified::Broken(1)));
        let later = Audit::open(pool.clone(), &other[0]).await.expect("as it was");
        later.add(entry("i")).await.expect("added");
        assert_eq!(verify(pool, &keys).await, Ok(Verified::Broken(9)));
        let keys = [Keys::new(&[2; 32]), Keys::new(&[1; 32])];
        assert!(matches!(verify(pool, &keys).await, Ok(Verified::Whole(9, _))));
        for (broken, statement) in [
            (2, "UPDATE audit SET target = 'x' WHERE seq = 2"),
            (1, "UPDATE audit SET at = at + 1 WHERE seq = 1"),
            (2, "DELETE FROM audit WHERE seq = 1"),
        ] {
            sqlx::query(statement).execute(pool).await.expect("done");
            assert_eq!(verify(pool, &keys).await, Ok(Verified::Broken(broken)), "{statement}");
        }
    }
}
