//! Is it alive, and can it serve?

use crate::gateway::Gateway;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use serde_json::{Value, json};
use sqlx::AnyPool;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tidegate_client::Client;
use tidegate_client::proto::{GetStatusRequest, GetStatusResponse};
use tokio::time::timeout;

/// How long the database or the engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How what the gateway needs is, as it was last seen.
#[derive(Debug, Default)]
pub struct Pulse {
    is_alive: AtomicBool,
    is_stored: AtomicBool,
    heard: RwLock<Heard>,
}

/// What the engine said of itself when it was last asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// All of it; none if it did not answer.
    pub status: Option<GetStatusResponse>,
    /// When it was last seen to have more market events than before: the engine's time, UTC nanoseconds.
    pub fed_at: Option<u64>,
    /// The market events that it had then.
    market_events: Option<u64>,
}

impl Heard {
    fn hear(&mut self, status: Option<GetStatusResponse>) {
        if let Some(status) = &status {
            let now = status.counters.get("market_events").copied();
            if self.market_events.is_some() && self.market_events != now {
                self.fed_at = Some(status.ts);
            }
            self.market_events = now;
        }
        self.status = status;
    }
}

impl Pulse {
    /// Asks the engine and the database.
    pub(super) async fn feel(&self, engine: &Client, pool: &AnyPool) {
        // A write: a full disk can be read from.
        let write = sqlx::query("UPDATE secret_mark SET sealed = sealed WHERE id = 1");
        let stored = timeout(PATIENCE, write.execute(pool)).await;
        let is_stored = matches!(stored, Ok(Ok(_)));
        if self.is_stored.swap(is_stored, Ordering::Relaxed) && !is_stored {
            let why = stored.map(|answer| answer.err().map(|error| error.to_string()));
            tracing::warn!("the database is gone: {why:?}");
        }
        let asked = timeout(PATIENCE, engine.get_status(GetStatusRequest {})).await;
        let is_alive = matches!(&asked, Ok(Ok(status)) if status.engine_alive);
        if self.is_alive.swap(is_alive, Ordering::Relaxed) && !is_alive {
            tracing::warn!("the engine is gone: {asked:?}");
        }
        let status = asked.ok().and_then(Result::ok);
        self.heard.write().unwrap_or_else(PoisonError::into_inner).hear(status);
    }

    /// What the engine said of itself in the last second.
    pub(super) fn heard(&self) -> Heard {
        self.heard.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the engine answered when it was last asked, and runs.
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::Relaxed)
    }
}

/// `/health` and `/ready`.
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/health", routing::get(health)).route("/ready", routing::get(ready))
}

/// The process lives.
async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// It can serve: what it needs is there. 503 and what is missing if not.
async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let pulse = &gateway.ops.pulse;
    let is_stored = pulse.is_stored.load(Ordering::Relaxed);
    let is_caught_up = gateway.events.is_caught_up();
    let said = |is_fine: bool| if is_fine { "ok" } else { "down" };
    let is_ready = is_stored && pulse.is_alive() && is_caught_up;
    let body = json!({
        "status": if is_ready { "ready" } else { "not_ready" },
        "database": said(is_stored),
        "engine": said(pulse.is_alive()),
        "events": if is_caught_up { "caught_up" } else { "behind" },
    });
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feed_was_heard_when_it_brought_more() {
        let mut heard = Heard::default();
        let mut hear = |told: Option<(u64, u64)>| {
            heard.hear(told.map(|(ts, market_events)| GetStatusResponse {
                ts,
                counters: [("market_events".to_string(), market_events)].into(),
                ..Default::default()
            }));
            (heard.status.is_some(), heard.fed_at)
        };
        for (told, expected) in [
            (Some((10, 5)), (true, None)),
            (Some((11, 5)), (true, None)),
            (Some((12, 6)), (true, Some(12))),
            (None, (false, Some(12))),
            (Some((14, 6)), (true, Some(12))),
            (Some((15, 9)), (true, Some(15))),
        ] {
            assert_eq!(hear(told), expected, "{told:?}");
        }
    }
}
