//! Figures as Prometheus reads them.

use crate::error::Code;
use crate::gateway::Gateway;
use crate::http::guard::{bearer, unauthenticated};
use crate::http::origin::Origin;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::{Router, routing};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use ring::digest::{SHA256, digest};
use std::sync::Arc;
use std::time::Duration;

/// What a scrape is answered with, as the format asks.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The upper ends of the buckets of durations, in seconds.
const BOUNDS_S: [f64; 14] =
    [0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: String,
}

/// A label with one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Of {
    /// Which.
    pub kind: &'static str,
}

/// All figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Asked, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    limited: Family<Of, Counter>,
    pool_size: Gauge,
    pool_idle: Gauge,
    engine: Gauge,
    /// Connections that were closed because there were too many.
    pub(crate) refused_connections: Counter,
    orders: Family<Of, Counter>,
    /// Executions on accounts of people since the start.
    pub(crate) executions: Counter,
    websockets: Gauge,
}

impl Metrics {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        registry.register("http_requests", "Requests that were answered", requests.clone());
        let buckets: fn() -> Histogram = || Histogram::new(BOUNDS_S);
        let durations = Family::new_with_constructor(buckets);
        let help = "From the head of a request to the head of its answer";
        registry.register("http_request_duration_seconds", help, durations.clone());
        let limited = Family::default();
        registry.register("http_requests_limited", "Requests above a limit", limited.clone());
        let [pool_size, pool_idle, engine, websockets] = std::array::from_fn(|_| Gauge::default());
        let help = "Connections to the database";
        registry.register("db_connection_pool_size", help, pool_size.clone());
        let help = "Connections to the database that wait for work";
        registry.register("db_connection_pool_idle", help, pool_idle.clone());
        registry.register("engine_connected", "1 while the engine answers", engine.clone());
        registry.register(
            "websocket_clients",
            "Clients that follow by WebSocket, events or polls",
            websockets.clone(),
        );
        let [refused_connections, executions] = std::array::from_fn(|_| Counter::default());
        let help = "Connections closed because there were too many";
        registry.register("http_connections_refused", help, refused_connections.clone());
        registry.register(
            "trade_executions",
            "Executions on accounts of people",
            executions.clone(),
        );
        let orders = Family::default();
        registry.register("orders", "Orders by what became of them", orders.clone());
        Self {
            registry,
            requests,
            durations,
            limited,
            pool_size,
            pool_idle,
            engine,
            refused_connections,
            orders,
            executions,
            websockets,
        }
    }

    /// A request was answered.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let route = route.to_string();
        let asked = Asked { method, route: route.clone(), status };
        self.requests.get_or_create(&asked).inc();
        self.durations.get_or_create(&Route { method, route }).observe(took.as_secs_f64());
    }

    /// A request was above a limit.
    pub fn limited(&self, kind: &'static str) {
        self.limited.get_or_create(&Of { kind }).inc();
    }

    /// An order was sent to the engine, and this became of it.
    pub fn ordered<T>(&self, outcome: Result<T, Code>) {
        let kind = match outcome {
            Ok(_) => "taken",
            Err(Code::OutcomeUnknown | Code::Unavailable) => "unknown",
            Err(_) => "refused",
        };
        self.orders.get_or_create(&Of { kind }).inc();
    }

    /// Looks at what is read rather than counted.
    pub(super) fn see(&self, gateway: &Gateway) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.pool_size.set(gateway.pool.size().into());
        self.pool_idle.set(count(gateway.pool.num_idle()));
        self.websockets.set(count(gateway.live.streams()));
        self.engine.set(gateway.ops.pulse.is_alive().into());
    }
}

/// `/metrics`
pub(crate) fn routes() -> Router<Arc<Gateway>> {
    Router::new().route("/metrics", routing::get(scrape))
}

/// For this machine, and for whoever has the token.
async fn scrape(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let token = &gateway.config.telemetry.metrics_token;
    // Digests may be compared at any speed: nobody can choose one.
    let same = |given: &str| {
        let [given, token] = [given, token].map(|text| digest(&SHA256, text.as_bytes()));
        given.as_ref() == token.as_ref()
    };
    let is_known =
        !token.is_empty() && matches!(bearer(request.headers()), Ok(Some(given)) if same(given));
    if !is_known && !Origin::of(request.extensions()).is_local {
        return unauthenticated().into_response();
    }
    gateway.ops.metrics.see(&gateway);
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = encode(&mut text, &gateway.ops.metrics.registry);
    ([(CONTENT_TYPE, TEXT)], text).into_response()
}
