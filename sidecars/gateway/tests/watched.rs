//! Who watches sees how gateway and engine are: health, readiness, figures, traces, latencies.

mod support;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;
use support::house::{House, TRADER};
use support::{Front, GATEWAY, edge_config};
use tidegate_gateway::{Config, Gateway};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Not with somebody's first order.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_for_the_work_is_found_at_the_start() {
    let house = House::new(edge_config()).await;
    let refused = async |token: &str, programs: [u32; 2]| {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config { dir: dir.path().into(), ..Config::default() };
        (config.engine.addr, config.engine.token) = (house.addr.clone(), token.into());
        config.engine.programs = programs;
        Gateway::open(config).await.err().map(|error| format!("{error:#}")).unwrap_or_default()
    };
    assert_eq!(refused(GATEWAY, [3_000, 3_999]).await, "");
    let beyond = refused(GATEWAY, [3_000, 4_000]).await;
    assert!(
        beyond.starts_with("engine.programs = [3000, 4000]: the token named 'gateway' acts for"),
        "{beyond}"
    );
    let own = refused(TRADER, [3_000, 3_999]).await;
    assert!(own.contains("engine.principals") && own.contains("no principal but its own"), "{own}");
    let stranger = refused("a token of nobody's", [3_000, 3_999]).await;
    assert!(stranger.contains("does not know this token"), "{stranger}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_while_database_and_engine_are_there() {
    let front = Front::new().await;
    let health = front.api.get("/health").await;
    assert_eq!((health.status, health.body["status"].as_str()), (200, Some("ok")));
    let mut ready = front.api.get("/ready").await;
    for _ in 0..50 {
        if ready.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        ready = front.api.get("/ready").await;
    }
    assert_eq!(ready.status, 200, "{ready:#?}");
    assert_eq!((&ready.body["database"], &ready.body["engine"]), (&"ok".into(), &"ok".into()));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_counted_and_kept_from_strangers() {
    let front = Front::with(|config| {
        config.telemetry.metrics_token = "scrape-token-0123456789".into();
        config.limits.open_per_minute = std::num::NonZeroU32::MIN;
        config.limits.open_burst = std::num::NonZeroU32::MIN;
    })
    .await;
    let ann = front.register("ann").await;
    ann.get("/api/v1/users/me").await.data();
    front.api.get("/nowhere/at/all").await;
    front.api.get("/docs").await;
    front.api.get("/docs").await;
    let text = front.api.get("/metrics").await.text;
    for line in [
        "http_requests_total{method=\"GET\",route=\"/api/v1/users/me\",status=\"200\"} 1",
        "http_requests_total{method=\"GET\",route=\"other\",status=\"404\"} 1",
        "http_request_duration_seconds_count{method=\"GET\",route=\"/api/v1/users/me\"} 1",
        "http_requests_limited_total{kind=\"address\"} 1",
        "engine_connected 1",
        "trade_executions_total 0",
        "websocket_clients 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let pool = text.lines().find_map(|line| line.strip_prefix("db_connection_pool_size "));
    assert!(pool.expect("it is there").parse::<u32>().expect("a number") >= 1);
    // What comes by a proxy does not come from this machine.
    let proxied = [("x-forwarded-for", "192.0.2.1")];
    let call = |api: support::Api| async move { api.call("GET", "/metrics", &proxied, None).await };
    assert_eq!(call(front.api.clone()).await.error(), (401, "unauthenticated"));
    assert_eq!(call(front.api.with("scrape-token-0123456780")).await.status, 401);
    assert_eq!(call(front.api.with("scrape-token-0123456789")).await.status, 200);
    front.close().await;
}

/// A collector that keeps what it gets.
struct Collector(mpsc::UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        for span in resources.flat_map(|all| all.scope_spans).flat_map(|all| all.spans) {
            let _ = self.0.send(span);
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts a collector: where it listens, what it gets.
async fn collect() -> (SocketAddr, mpsc::UnboundedReceiver<Span>, AbortHandle) {
    let (kept, spans) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("bound");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server =
        tonic::transport::Server::builder().add_service(TraceServiceServer::new(Collector(kept)));
    let collecting = tokio::spawn(server.serve_with_incoming(incoming));
    (addr, spans, collecting.abort_handle())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_a_span_of_each_request_in_its_callers_trace() {
    let (addr, mut spans, collecting) = collect().await;
    let front = Front::with(|config| config.telemetry.otlp = format!("http://{addr}")).await;
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    front.api.call("GET", "/api/v1/users/me", &[("traceparent", traceparent)], None).await;
    // What is left is sent at the end.
    front.close().await;
    let span = tokio::time::timeout(Duration::from_secs(10), spans.recv()).await;
    let span = span.expect("in time").expect("one");
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(span.name, "GET /api/v1/users/me");
    let said = format!("{:?}", span.attributes);
    for part in ["http.response.status_code", "401", "http.route", "tidegate.request_id"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    collecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_through_every_stage_of_the_engine() {
    let (addr, mut spans, collecting) = collect().await;
    let mut front = Front::with(|config| config.telemetry.otlp = format!("http://{addr}")).await;
    let collector = front.house.collect();
    let ann = front.register("ann").await;
    let account = ann.open_account("traced").await;
    // The edge begins to tell when it is asked, soon after the start.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let order = serde_json::json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "market", "qty": "10",
    });
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("traceparent", traceparent), ("idempotency-key", "traced")];
    let answer = ann.call("POST", "/api/v1/orders", &headers, Some(order.to_string())).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    let id = answer.body["data"]["id"].as_str().expect("an id").to_string();
    // Fills are counted, and what was there before the start is not.
    ann.until(&format!("/api/v1/orders/{id}"), |order| order["status"] == "filled").await;
    let text = front.api.get("/metrics").await.text;
    assert!(text.contains("\ntrade_executions_total 1\n"), "{text}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    front.close().await;
    drop(collector);
    let mut all = Vec::new();
    while let Ok(Some(span)) = tokio::time::timeout(Duration::from_secs(1), spans.recv()).await {
        if hex(&span.trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736" {
            all.push(span);
        }
    }
    let named = |name: &str| all.iter().find(|span| span.name == name).expect(name);
    let request = named("POST /api/v1/orders");
    assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
    assert!(format!("{:?}", request.attributes).contains(&id), "{:?}", request.attributes);
    let engine = named("engine new_order");
    assert_eq!(engine.parent_span_id, request.span_id);
    let within = |inner: &Span, outer: &Span| {
        outer.start_time_unix_nano <= inner.start_time_unix_nano
            && inner.end_time_unix_nano <= outer.end_time_unix_nano
    };
    assert!(within(engine, request), "{engine:?} {request:?}");
    let mut steps: Vec<_> =
        all.iter().filter(|span| span.parent_span_id == engine.span_id).collect();
    steps.sort_by_key(|span| (span.end_time_unix_nano, span.start_time_unix_nano));
    let mut names: Vec<_> = steps.iter().map(|span| span.name.as_str()).collect();
    assert!(steps.windows(2).all(|two| two[0].end_time_unix_nano == two[1].start_time_unix_nano));
    assert!(steps.iter().all(|step| within(step, engine)));
    names.sort_unstable();
    let mut expected = [
        "received",
        "sequenced",
        "journaled",
        "risk_passed",
        "at_venue",
        "filled",
        "published",
        "released",
        "delivered",
    ];
    expected.sort_unstable();
    assert_eq!(names, expected);
    collecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_how_engine_feed_and_gateway_stand() {
    let mut front = Front::new().await;
    let collector = front.house.collect();
    let ann = front.register("ann").await;
    let path = "/api/v1/system";
    let system = ann.until(path, |system| !system["engine"].is_null()).await;
    let engine = &system["engine"];
    assert_eq!((&engine["alive"], &engine["release_level"]), (&json!(true), &json!("process")));
    assert!(
        engine["seq"].as_str().and_then(|seq| seq.parse::<u64>().ok()).is_some_and(|seq| seq > 0)
    );
    assert_eq!(system["gateway"]["engine_connected"], true);
    assert_eq!(system["feed"]["market_events"], system["counters"]["market_events"]);
    let before = system["feed"]["market_events"].as_u64().expect("a count");
    front.house.execute(1, 10);
    let system = ann.until(path, |system| system["feed"]["market_events"] == before + 1).await;
    assert!(system["feed"]["last_at"].is_string(), "{system:#}");

    let account = ann.open_account("timed").await;
    let order = json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "market", "qty": "10",
    });
    assert_eq!(ann.post_once("/api/v1/orders", "timed", &order).await.status, 201);
    let path = "/api/v1/system/latency?window=minute";
    let latency = ann.until(path, |latency| !latency["slowest"][0].is_null()).await;
    let figures = latency["figures"].as_array().expect("a list");
    let order = figures.iter().find(|figures| figures["name"] == "order").expect("it is there");
    assert!(order["count"].as_u64() >= Some(1) && order["p99_ns"].is_u64(), "{order:#}");
    let steps = latency["slowest"][0]["steps"].as_array().expect("a list");
    let last = steps.last().expect("a step");
    assert_eq!((&steps[0]["ns"], &last["ns"]), (&json!(0), &latency["slowest"][0]["total_ns"]));
    assert_eq!(latency["worst_by_second"].as_array().map(Vec::len), Some(60));
    let odd = ann.get("/api/v1/system/latency?window=day").await;
    assert_eq!(odd.error(), (422, "invalid_field"));

    // Without the engine the page still hears of the gateway.
    front.house.close().await;
    drop(collector);
    let system = ann.until("/api/v1/system", |system| system["engine"].is_null()).await;
    assert_eq!(system["gateway"]["engine_connected"], false);
    assert_eq!((&system["feed"], &system["counters"]), (&json!(null), &json!({})));
    let latency = ann.get("/api/v1/system/latency").await;
    assert_eq!(latency.error(), (503, "unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_is_served_without_help_from_elsewhere() {
    let front = Front::new().await;
    let page = front.api.get("/docs").await;
    assert_eq!(
        (page.status, &page.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().expect("text"))
    );
    for path in ["/docs/reference.js", "/docs/reference.css"] {
        assert!(page.text.contains(path), "{path}");
        let part = front.api.get(path).await;
        assert_eq!(part.status, 200);
        assert!(!part.text.contains("https://") && !part.text.contains("innerHTML"), "{path}");
    }
    assert!(!page.text.contains("https://") && !page.text.contains("http://"));
    let document = front.api.get("/api/v1/openapi.json").await.body;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    front.close().await;
}
