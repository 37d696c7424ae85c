//! How engine, feed and gateway stand, for those who watch them on a page.

use super::health::Heard;
use crate::error::{ApiError, Code, Result};
use crate::gateway::Gateway;
use crate::http::answer::{Data, Envelope};
use crate::market::Query;
use crate::market::picture::signed;
use crate::market::report::{name, some, time};
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_client::proto::{self, GetLatencyRequest};
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long an answer is kept, so that many pages are one question to the engine.
const KEPT_FOR: Duration = Duration::from_secs(1);
/// How long the engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Alerts of one answer, the newest: each has the way of an input with it.
const ALERTS_MAX: usize = 32;

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new().routes(routes!(system)).routes(routes!(latency))
}

/// How everything stands.
#[derive(Debug, Serialize, ToSchema)]
struct System {
    /// The engine; absent while it does not answer.
    engine: Option<EngineReport>,
    /// What feeds it; absent with it.
    feed: Option<FeedReport>,
    /// Its counts by name, such as `commands`, `fills` or `refused.price_collar`.
    counters: BTreeMap<String, u64>,
    /// The gateway.
    gateway: GatewayReport,
}

/// How the engine stands, to a second. Numbers of inputs are text: they may pass 2^53.
#[derive(Debug, Serialize, ToSchema)]
struct EngineReport {
    /// False if its thread has stopped.
    alive: bool,
    /// The server's version.
    version: String,
    /// The last input that was sequenced.
    seq: String,
    /// The engine's time.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The state hash at the checkpoint `checkpoint_seq` of the counters, 16 hexadecimal digits.
    state_hash: String,
    /// What every output waits for: `process`, `power`, `replica` or `replica_power`.
    release_level: String,
    /// The last input that is on the engine's disk.
    synced_seq: String,
    /// The last input that every follower has; 0 without followers.
    replicated_seq: String,
    /// Whether it takes no input because disk or followers take too long.
    waits_for_release: bool,
    /// Whether the firm's kill switch is engaged.
    firm_killed: bool,
    /// Order sessions open now.
    sessions_open: u32,
    /// Order sessions that may be open at one time.
    sessions_max: u32,
    /// Streams open now, sessions included.
    streams_open: u32,
    /// Streams that may be open at one time.
    streams_max: u32,
    /// Who has called it since its start: gateway, sidecars, strategies, tools.
    clients: Vec<ClientReport>,
}

/// What the bearers of one of the engine's tokens have open.
#[derive(Debug, Serialize, ToSchema)]
struct ClientReport {
    /// What the engine's configuration calls the token; absent: whoever reads on the engine's machine without one.
    name: Option<String>,
    /// Whom the engine takes its bearer for; absent without a token.
    principal: Option<u32>,
    /// Streams open now, order sessions among them.
    streams_open: u32,
    /// Order sessions over shared memory open now.
    seats_open: u32,
    /// When it called last.
    #[schema(value_type = String, format = DateTime)]
    last_call_at: Timestamp,
}

/// What the feed brought since the journal began.
#[derive(Debug, Serialize, ToSchema)]
struct FeedReport {
    /// Market events that were applied.
    market_events: u64,
    /// Gaps that it declared.
    gaps: u64,
    /// Events that named an order which the book does not hold.
    unknown_orders: u64,
    /// Events that were refused for another reason.
    refused_events: u64,
    /// When it was heard last, to a second; absent until it was heard once since the gateway started.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Timestamp>,
}

/// How the gateway stands.
#[derive(Debug, Serialize, ToSchema)]
struct GatewayReport {
    /// Its version.
    version: &'static str,
    /// Since when it runs.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// Clients that follow by WebSocket, events or polls.
    streams_open: usize,
    /// Whether the engine answered when it was last asked, and runs.
    engine_connected: bool,
}

fn at(ns: u64) -> Timestamp {
    time(signed(ns))
}

impl EngineReport {
    fn new(status: &proto::GetStatusResponse) -> Self {
        Self {
            alive: status.engine_alive,
            version: status.version.clone(),
            seq: status.seq.to_string(),
            at: at(status.ts),
            state_hash: status.state_hash.clone(),
            release_level: name(status.release_level().as_str_name(), "RELEASE_LEVEL_"),
            synced_seq: status.synced_seq.to_string(),
            replicated_seq: status.replicated_seq.to_string(),
            waits_for_release: status.waits_for_release,
            firm_killed: status.firm_killed,
            sessions_open: status.sessions_open,
            sessions_max: status.sessions_max,
            streams_open: status.streams_open,
            streams_max: status.streams_max,
            clients: status.clients.iter().map(ClientReport::new).collect(),
        }
    }
}

impl ClientReport {
    fn new(client: &proto::ClientReport) -> Self {
        Self {
            name: some(&client.name),
            principal: (client.principal != 0).then_some(client.principal),
            streams_open: client.streams_open,
            seats_open: client.seats_open,
            last_call_at: at(client.last_call),
        }
    }
}

impl FeedReport {
    fn new(status: &proto::GetStatusResponse, fed_at: Option<u64>) -> Self {
        let count = |name| status.counters.get(name).copied().unwrap_or_default();
        Self {
            market_events: count("market_events"),
            gaps: count("gaps"),
            unknown_orders: count("unknown_orders"),
            refused_events: count("refused_events"),
            last_at: fed_at.map(at),
        }
    }
}

/// How engine, feed and gateway stand. The engine is not asked for it: what it said of itself in the last second is told.
#[utoipa::path(get, path = "/api/v1/system", tag = "system", security(("bearer" = ["risk:read"])),
    responses((status = 200, body = Envelope<System>)))]
async fn system(State(gateway): State<Arc<Gateway>>) -> Data<System> {
    let Heard { status, fed_at, .. } = gateway.ops.pulse.heard();
    let status = status.as_ref();
    Data::new(System {
        engine: status.map(EngineReport::new),
        feed: status.map(|status| FeedReport::new(status, fed_at)),
        counters: status
            .map(|status| status.counters.clone().into_iter().collect())
            .unwrap_or_default(),
        gateway: GatewayReport {
            version: env!("CARGO_PKG_VERSION"),
            started_at: gateway.ops.started_at,
            streams_open: gateway.live.streams(),
            engine_connected: gateway.ops.pulse.is_alive(),
        },
    })
}

/// Which measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Window {
    /// All since the server's start.
    #[default]
    Start,
    /// Those of the last minute, to ten seconds.
    Minute,
}

/// Which measurements.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LatencyQuery {
    /// All since the server's start, or those of the last minute; absent: all.
    #[serde(default)]
    #[param(inline)]
    window: Window,
}

/// What each stage of an order's way takes. docs/latency.md says what each is.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Latency {
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Which measurements `figures` are of.
    window: Window,
    /// The whole paths `order` and `fill`, then the stages in the order of the way.
    figures: Vec<LatencyFigures>,
    /// The slowest of the last minute, slowest first; 10 at most.
    slowest: Vec<Way>,
    /// The slowest of each of the last 60 seconds in nanoseconds, oldest first; 0 where nothing ended.
    worst_by_second: Vec<u64>,
    /// What took longer than it may, the newest first; 32 at most.
    alerts: Vec<LatencyAlert>,
    /// Alerts since the server's start.
    alerts_count: u64,
}

/// What one path, or the step to one stage, took; nanoseconds.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LatencyFigures {
    /// `order`, `fill`, or a stage.
    name: String,
    /// Measurements.
    count: u64,
    /// What half of them took at most.
    p50_ns: u64,
    /// 90 in 100.
    p90_ns: u64,
    /// 99 in 100.
    p99_ns: u64,
    /// 999 in 1,000.
    p999_ns: u64,
    /// The longest.
    max_ns: u64,
    /// What it may take; absent: any time.
    budget_ns: Option<u64>,
    /// How many took longer since the start.
    breaches: u64,
}

/// One input, and when it came to which stages.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Way {
    /// `order` or `fill`.
    path: String,
    /// What was asked for, such as `new_order`; `fill` if an order that rested was filled.
    kind: String,
    /// The input; a number as text.
    seq: String,
    /// From the first step to the last, nanoseconds.
    total_ns: u64,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The stages that it came to, in the order of time.
    steps: Vec<WayStep>,
}

/// When a stage was reached.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct WayStep {
    /// The stage.
    stage: String,
    /// Nanoseconds since the first step.
    ns: u64,
}

/// Something took longer than it may.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct LatencyAlert {
    /// Its number since the server's start.
    number: u64,
    /// When it was noticed.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What took too long: a name of the figures.
    name: String,
    /// How long the worst took, nanoseconds.
    took_ns: u64,
    /// How long it may.
    budget_ns: u64,
    /// Breaches that it stands for.
    breaches: u64,
    /// The worst of them.
    worst: Option<Way>,
}

impl Latency {
    fn new(report: &proto::LatencyReport, window: Window) -> Self {
        let alerts = report.alerts.iter().rev().take(ALERTS_MAX);
        Self {
            at: at(report.ts),
            window,
            figures: report.figures.iter().map(LatencyFigures::new).collect(),
            slowest: report.slowest.iter().map(Way::new).collect(),
            worst_by_second: report.worst_by_second.clone(),
            alerts: alerts.map(LatencyAlert::new).collect(),
            alerts_count: report.alerts_count,
        }
    }
}

impl LatencyFigures {
    fn new(figures: &proto::LatencyFigures) -> Self {
        Self {
            name: figures.name.clone(),
            count: figures.count,
            p50_ns: figures.p50_ns,
            p90_ns: figures.p90_ns,
            p99_ns: figures.p99_ns,
            p999_ns: figures.p999_ns,
            max_ns: figures.max_ns,
            budget_ns: (figures.budget_ns != 0).then_some(figures.budget_ns),
            breaches: figures.breaches,
        }
    }
}

impl Way {
    fn new(way: &proto::LatencyWaterfall) -> Self {
        let first = way.steps.first().map_or(0, |step| step.ts);
        let step = |step: &proto::LatencyStep| WayStep {
            stage: step.stage.clone(),
            ns: step.ts.saturating_sub(first),
        };
        Self {
            path: way.path.clone(),
            kind: way.kind.clone(),
            seq: way.seq.to_string(),
            total_ns: way.took_ns,
            at: at(first),
            steps: way.steps.iter().map(step).collect(),
        }
    }
}

impl LatencyAlert {
    fn new(alert: &proto::LatencyAlert) -> Self {
        Self {
            number: alert.number,
            at: at(alert.ts),
            name: alert.name.clone(),
            took_ns: alert.took_ns,
            budget_ns: alert.budget_ns,
            breaches: alert.breaches,
            worst: alert.worst.as_ref().map(Way::new),
        }
    }
}

/// What the engine answered last, and when; also that it did not.
type Kept = Option<(Instant, Result<Latency>)>;

/// What it answered of each window.
#[derive(Debug, Default)]
pub(crate) struct Latencies([Mutex<Kept>; 2]);

impl Latencies {
    /// The answer of the last second, or a new one; whoever else asks meanwhile waits for that.
    async fn of(
        &self,
        window: Window,
        now: impl Fn() -> Instant,
        ask: impl Future<Output = Result<Latency>>,
    ) -> Result<Latency> {
        let mut kept = self.0[window as usize].lock().await;
        if let Some((at, answer)) = &*kept
            && now().duration_since(*at) < KEPT_FOR
        {
            return answer.clone();
        }
        let answer = ask.await;
        *kept = Some((now(), answer.clone()));
        answer
    }
}

async fn ask(gateway: &Gateway, window: Window) -> Result<Latency> {
    let asked = match window {
        Window::Start => proto::LatencyWindow::Unspecified,
        Window::Minute => proto::LatencyWindow::Minute,
    };
    let asking = gateway.engine.get_latency(GetLatencyRequest { window: asked.into() });
    let late = |_| {
        let error = ApiError::new(Code::Unavailable, "the engine does not answer; try again");
        error.with(json!({ "retry_after_s": 1 }))
    };
    Ok(Latency::new(&timeout(PATIENCE, asking).await.map_err(late)??, window))
}

/// What each stage of an order's way takes, against its budget; an answer is kept for a second.
#[utoipa::path(get, path = "/api/v1/system/latency", tag = "system", security(("bearer" = ["risk:read"])),
    params(LatencyQuery), responses((status = 200, body = Envelope<Latency>)))]
async fn latency(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<LatencyQuery>,
) -> Result<Data<Latency>> {
    let answer = gateway.ops.latencies.of(query.window, Instant::now, ask(&gateway, query.window));
    Ok(Data::new(answer.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: u64) -> Latency {
        let report = proto::LatencyReport { alerts_count: number, ..Default::default() };
        Latency::new(&report, Window::Start)
    }

    #[tokio::test]
    async fn an_answer_is_kept_for_a_second_and_so_is_a_failure() {
        let (latencies, start) = (Latencies::default(), Instant::now());
        let failed = || Err(ApiError::internal("a test"));
        for (after, window, answer, expected) in [
            (Duration::ZERO, Window::Start, Ok(told(1)), Ok(1)),
            (KEPT_FOR / 2, Window::Start, Ok(told(2)), Ok(1)),
            (KEPT_FOR / 2, Window::Minute, failed(), Err(Code::Internal)),
            (KEPT_FOR, Window::Minute, Ok(told(3)), Err(Code::Internal)),
            (KEPT_FOR, Window::Start, Ok(told(4)), Ok(4)),
            (KEPT_FOR * 2, Window::Minute, Ok(told(5)), Ok(5)),
        ] {
            let answer = latencies.of(window, || start + after, async { answer }).await;
            let count = answer.map(|told| told.alerts_count).map_err(|error| error.code);
            assert_eq!(count, expected, "{window:?} after {after:?}");
        }
    }

    #[test]
    fn steps_count_from_the_first_and_the_newest_alerts_come_first() {
        let step = |stage: &str, ts| proto::LatencyStep { stage: stage.into(), ts };
        let way = proto::LatencyWaterfall {
            took_ns: 700,
            steps: vec![step("received", 1_000_000_100), step("delivered", 1_000_000_800)],
            ..Default::default()
        };
        let alerts = (1..=40).map(|number| proto::LatencyAlert { number, ..Default::default() });
        let report = proto::LatencyReport {
            slowest: vec![way],
            alerts: alerts.collect(),
            ..Default::default()
        };
        let told = Latency::new(&report, Window::Minute);
        let steps: Vec<_> = told.slowest[0].steps.iter().map(|step| step.ns).collect();
        assert_eq!((told.slowest[0].at.as_nanosecond(), steps), (1_000_000_100, vec![0, 700]));
        let numbers: Vec<_> = told.alerts.iter().map(|alert| alert.number).collect();
        assert_eq!(numbers, (9..=40).rev().collect::<Vec<_>>());
    }
}
