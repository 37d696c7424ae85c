//! `Idempotency-Key`: a POST that is sent again under its key is answered as it was, and not done again.
//!
//! The answer is written before it is given, that of an order just after; before, nothing is. A request that a crash cut off is done
//! anew when it comes again, so orders, accounts and watchlists are named after user and key ([`IdempotencyKey::uuid`]): the second
//! time they are found, not made, and what is found for another request is refused as far as it shows. API keys and invitations are
//! made again: the token of the first was told to nobody.

use super::BODY_BYTES_MAX;
use super::guard::Caller;
use crate::error::{ApiError, Code, Result};
use crate::keys::{Keys, Purpose, hex};
use crate::sealed::Sealer;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::hmac::{Context, HMAC_SHA256, Key};
use serde_json::json;
use sqlx::{AnyPool, Row};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

/// The header of keys.
pub const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED_HEADER: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Characters of a key at most.
const KEY_LEN_MAX: usize = 128;
/// How long an answer is kept.
const KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// So many answers are written between two looks for old ones.
const PRUNE_EVERY: u64 = 256;
/// Bytes of an answer that is kept, at most; the largest, a list of orders, has some 20 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Requests with a key that are under way at one time, at most.
const UNDER_WAY_MAX: usize = 4_096;
/// How long a second one of the same key waits for the first.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where questions in GraphQL come in.
const GRAPHQL: &str = "/api/v1/graphql";

/// Where answers are kept.
const TABLE: &str = "idempotency";

type Slot = (Uuid, String);

/// What an answer is sealed for.
fn row_of((user, key): &Slot) -> Uuid {
    Uuid::new_v5(user, key.as_bytes())
}

/// What the answer to a user's key is sealed for: table and row.
pub(crate) fn place(user: Uuid, key: &str) -> (String, Uuid) {
    (TABLE.into(), row_of(&(user, key.into())))
}

/// The key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    fn read(headers: &HeaderMap) -> Result<Option<Self>> {
        let mut all = headers.get_all(KEY_HEADER).iter();
        let Some(value) = all.next() else { return Ok(None) };
        let bad = || {
            let message = "1 to 128 visible ASCII characters, once";
            ApiError::field("Idempotency-Key", message)
        };
        let text = value.to_str().map_err(|_| bad())?;
        let is_fine = (1..=KEY_LEN_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && all.next().is_none();
        is_fine.then(|| Some(Self(text.to_string()))).ok_or_else(bad)
    }

    /// The name of what a request of `user` under this key makes: the same each time.
    pub fn uuid(&self, user: Uuid) -> Uuid {
        Uuid::new_v5(&user, self.0.as_bytes())
    }

    /// The name of the part of that number.
    pub fn part(&self, user: Uuid, number: usize) -> Uuid {
        Uuid::new_v5(&self.uuid(user), number.to_string().as_bytes())
    }
}

/// Routes that cannot do without one take this.
impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Self::read(&parts.headers)?.ok_or_else(|| {
            let message = "send an Idempotency-Key with each order: a name of your own for it, \
                           the same when you try again";
            ApiError::field("Idempotency-Key", message)
        })
    }
}

/// Routes that may have one take `Option<IdempotencyKey>`.
impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>> {
        Self::read(&parts.headers)
    }
}

/// What was answered, and what is under way.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pool: AnyPool,
    /// Answers may hold secrets that are told once: they are sealed.
    sealer: Arc<Sealer>,
    /// For [`hash`].
    key: Key,
    under_way: Arc<Lock<HashMap<Slot, Arc<Mutex<()>>>>>,
    written: Arc<AtomicU64>,
}

/// The turn of one request among those of its key.
#[derive(Debug)]
struct Turn {
    slot: Slot,
    mine: Option<OwnedMutexGuard<()>>,
    under_way: Arc<Lock<HashMap<Slot, Arc<Mutex<()>>>>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.mine.take());
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits for the turn holds it too.
        if under_way.get(&self.slot).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            under_way.remove(&self.slot);
        }
    }
}

impl Idempotency {
    /// Nothing is under way.
    pub fn new(keys: &Keys, sealer: Sealer, pool: AnyPool) -> Self {
        let key = Key::new(HMAC_SHA256, &keys.of(Purpose::Lookup));
        let sealer = Arc::new(sealer);
        Self { pool, key, sealer, under_way: Arc::default(), written: Arc::default() }
    }

    /// Waits for the turn of a request of this key.
    async fn turn(&self, slot: Slot) -> Result<Turn> {
        let turn = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if under_way.len() >= UNDER_WAY_MAX && !under_way.contains_key(&slot) {
                let message = "too many requests with an Idempotency-Key are under way";
                return Err(
                    ApiError::new(Code::TooMany, message).with(json!({ "retry_after_s": 1 }))
                );
            }
            Arc::clone(under_way.entry(slot.clone()).or_default())
        };
        let mut waiting = Turn { slot, mine: None, under_way: Arc::clone(&self.under_way) };
        match tokio::time::timeout(PATIENCE, turn.lock_owned()).await {
            Ok(mine) => {
                waiting.mine = Some(mine);
                Ok(waiting)
            }
            Err(_) => {
                let message = "a request with this Idempotency-Key is still under way; try again";
                Err(ApiError::new(Code::Conflict, message).with(json!({ "retry_after_s": 2 })))
            }
        }
    }

    /// What was answered under a key, if something was.
    async fn answered(&self, slot: &Slot, request_hash: &str) -> Result<Option<Response>> {
        let row = sqlx::query(
            "SELECT request_hash, status, response FROM idempotency
             WHERE user_id = $1 AND key = $2 AND created_at > $3 AND status IS NOT NULL",
        )
        .bind(slot.0.to_string())
        .bind(slot.1.clone())
        .bind(crate::now_ms() - KEPT_MS)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.try_get::<String, _>("request_hash")? != request_hash {
            let message = "this Idempotency-Key was used with another request; take a new one";
            return Err(ApiError::new(Code::KeyReused, message));
        }
        let status = u16::try_from(row.try_get::<i64, _>("status")?).ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let sealed: String = row.try_get("response")?;
        let body = self.sealer.unseal(TABLE, row_of(slot), &sealed);
        let (Some(status), Some(body)) = (status, body) else {
            return Err(ApiError::internal("a kept answer cannot be read"));
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (REPLAYED_HEADER, HeaderValue::from_static("true")),
        ];
        Ok(Some((status, headers, body).into_response()))
    }

    async fn keep(
        &self,
        slot: &Slot,
        request_hash: String,
        status: StatusCode,
        body: &[u8],
    ) -> Result<()> {
        let now = crate::now_ms();
        sqlx::query(
            "INSERT INTO idempotency (user_id, key, request_hash, status, response, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (user_id, key) DO UPDATE SET request_hash = excluded.request_hash,
               status = excluded.status, response = excluded.response, created_at = excluded.created_at",
        )
        .bind(slot.0.to_string())
        .bind(slot.1.clone())
        .bind(request_hash)
        .bind(i64::from(status.as_u16()))
        .bind(self.sealer.seal(TABLE, row_of(slot), body)?)
        .bind(now)
        .execute(&self.pool)
        .await?;
        if self.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(PRUNE_EVERY) {
            sqlx::query("DELETE FROM idempotency WHERE created_at <= $1")
                .bind(now - KEPT_MS)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }
}

/// Whether an answer is the last word on a request. After any other, the same request may have another outcome: a service that is
/// back, a token that was refreshed, an authorization that was given.
fn is_last_word(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::UNPROCESSABLE_ENTITY
}

/// What tells one request from another. A body may hold a password: nobody finds it out from this without the key.
fn hash(key: &Key, method: &Method, path: &str, body: &[u8]) -> String {
    let mut context = Context::with_key(key);
    for part in [method.as_str().as_bytes(), path.as_bytes(), body] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    hex(context.sign().as_ref())
}

/// An answer that need not be kept before it is given: what it tells of is found by the name that key and user give it, though a
/// crash takes the answer.
#[derive(Clone, Copy, Debug)]
pub struct FoundByName;

/// Does what is asked once for each user and key. Requests without a key, of strangers, other than POST, and questions in GraphQL pass:
/// of those, each mutation comes here by itself.
///
/// # Errors
/// Another request of the same key, and the database's.
pub async fn once(idempotency: &Idempotency, request: Request, next: Next) -> Result<Response> {
    let caller = request.extensions().get::<Caller>().map(|caller| caller.user);
    let is_one = request.method() == Method::POST && request.uri().path() != GRAPHQL;
    let Some(user) = caller.filter(|_| is_one) else {
        return Ok(next.run(request).await);
    };
    let Some(IdempotencyKey(key)) = IdempotencyKey::read(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        let message = format!("the body has more than {BODY_BYTES_MAX} bytes, or broke off");
        return Err(
            ApiError::new(Code::TooLarge, message).with(json!({ "limit_bytes": BODY_BYTES_MAX }))
        );
    };
    let path = parts.uri.path_and_query().map_or(parts.uri.path(), |path| path.as_str());
    let (request_hash, slot) = (hash(&idempotency.key, &parts.method, path, &body), (user, key));
    let turn = idempotency.turn(slot.clone()).await?;
    if let Some(answer) = idempotency.answered(&slot, &request_hash).await? {
        return Ok(answer);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !is_last_word(response.status()) {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(ApiError::internal)?;
    if head.extensions.get::<FoundByName>().is_some() {
        // The next of this key has its turn when it is kept.
        let (idempotency, status, body) = (idempotency.clone(), head.status, body.clone());
        tokio::spawn(async move {
            // What goes wrong is in the log.
            let _ = idempotency.keep(&slot, request_hash, status, &body).await;
            drop(turn);
        });
    } else {
        idempotency.keep(&slot, request_hash, head.status, &body).await?;
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Database;

    fn idempotency(database: &Database) -> Idempotency {
        let keys = Keys::new(&[9; 32]);
        Idempotency::new(&keys, Sealer::new(&keys, &[]), database.pool.clone())
    }

    fn read(value: &[u8]) -> Result<Option<IdempotencyKey>> {
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, HeaderValue::from_bytes(value).expect("a header"));
        IdempotencyKey::read(&headers)
    }

    #[test]
    fn keys_are_visible_and_short() {
        assert_eq!(IdempotencyKey::read(&HeaderMap::new()), Ok(None));
        for good in ["a", "0b9f-~!", &"k".repeat(128)] {
            assert!(read(good.as_bytes()).is_ok_and(|key| key.is_some()), "{good}");
        }
        for bad in [&b""[..], b"a b", b"a\tb", b"\xff", &[b'k'; 129]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        let key = IdempotencyKey("k".into());
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(key.uuid(ann), key.uuid(ann));
        assert_ne!(key.uuid(ann), key.uuid(bob));
        assert_ne!(key.part(ann, 0), key.part(ann, 1));
    }

    #[tokio::test]
    async fn an_answer_is_kept_sealed_for_its_user_and_key() {
        let database = Database::new().await;
        let pool = &database.pool;
        let user = Uuid::from_u128(1);
        sqlx::query(
            "INSERT INTO users (id, email, name, role, plan, principal, created_at)
             VALUES ($1, 'a@x.org', 'a', 'trader', 'free', 1000, 1)",
        )
        .bind(user.to_string())
        .execute(pool)
        .await
        .expect("added");
        let idempotency = idempotency(&database);
        let slot = (user, "k".to_string());
        let missing = idempotency.answered(&slot, "h").await.expect("read");
        assert!(missing.is_none());
        let kept = idempotency.keep(&slot, "h".into(), StatusCode::CREATED, b"secret").await;
        kept.expect("kept");
        let answer = idempotency.answered(&slot, "h").await.expect("read").expect("kept");
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body = to_bytes(answer.into_body(), 100).await.expect("whole");
        assert_eq!(&body[..], b"secret");
        let other = idempotency.answered(&slot, "other").await.expect_err("refused");
        assert_eq!(other.code, Code::KeyReused);
        let row = sqlx::query("SELECT response FROM idempotency").fetch_one(pool).await;
        let text: String = row.expect("a row").try_get("response").expect("text");
        assert!(!text.contains(&hex(b"secret")));
        // It is forgotten after a day.
        sqlx::query("UPDATE idempotency SET created_at = $1")
            .bind(crate::now_ms() - KEPT_MS)
            .execute(pool)
            .await
            .expect("done");
        assert!(idempotency.answered(&slot, "h").await.expect("read").is_none());
    }

    #[tokio::test]
    async fn one_goes_at_a_time_and_nothing_stays_behind() {
        let database = Database::new().await;
        let idempotency = idempotency(&database);
        let slot = (Uuid::nil(), "k".to_string());
        let first = idempotency.turn(slot.clone()).await.expect("a turn");
        let other = idempotency.turn((Uuid::nil(), "l".into())).await.expect("another key");
        let waits = idempotency.turn(slot);
        tokio::pin!(waits);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut waits).await.is_err());
        drop(first);
        let second = waits.await.expect("its turn");
        drop((second, other));
        assert!(idempotency.under_way.lock().expect("whole").is_empty());
    }
}
