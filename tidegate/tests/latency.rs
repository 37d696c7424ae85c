//! What a running server tells of the time that orders take: `tidegate latency`, its stream, its metrics, its alerts.

mod support;

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::market::{Market, SYMBOL, book_with};
use support::{ADMIN, Place, Server, run};
use tidegate_client::Client;
use tidegate_client::proto::{
    OrderType, Side, StreamLatencyRequest, SubmitOrderRequest, TimeInForce,
};

const PATIENCE: Duration = Duration::from_secs(20);
const ORDERS: usize = 20;

fn order(number: usize, tif: TimeInForce, price: &str) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account: 1,
        symbol: SYMBOL.into(),
        client_order_id: format!("order-{number}"),
        side: Side::Buy.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: tif.into(),
        qty: "1".into(),
        price: price.into(),
        ..Default::default()
    }
}

fn latency(server: &Server, args: &[&str]) -> String {
    run(&[&["latency", "--addr", &server.addr], args].concat()).ok()
}

/// What `tidegate latency --json` says, once so many orders were followed to their end.
fn followed(server: &Server, count: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said: Value =
            serde_json::from_str(&latency(server, &["--json"])).expect("it is one JSON object");
        if figure(&said, "order", "count") >= count {
            return said;
        }
        assert!(Instant::now() < deadline, "{said:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn figure(said: &Value, name: &str, key: &str) -> u64 {
    let figures = said["figures"].as_array().expect("a list");
    let of = figures.iter().find(|figures| figures["name"] == name).expect("it is told");
    of[key].as_u64().unwrap_or_else(|| panic!("{key} of {name}: {of}"))
}

async fn quoted(place: &Place) -> (Server, Client, Market) {
    let server = Server::start(place);
    let client = server.admin().await;
    let market = Market::quoted(server.line);
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    (server, client, market)
}

/// A page over HTTP.
fn get(addr: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).expect("somebody listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

// The client hears of the end of its server on a thread of its own, else that waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_stage_of_an_order_is_told_and_scraped() {
    let more = "[metrics]\nlisten = '127.0.0.1:0'\n";
    let place = Place::new(&format!("{}{more}", Place::account(1)));
    let (server, client, _market) = quoted(&place).await;
    let offer = "10.02";
    let session = client.order_session().await.expect("a session");
    let (mut sender, mut events) = session.split();
    for number in 0..ORDERS {
        sender.submit(order(number, TimeInForce::Ioc, offer)).await.expect("sent");
        events.next().await.expect("no error").expect("a report");
    }
    for number in ORDERS..2 * ORDERS {
        client.submit(order(number, TimeInForce::Ioc, offer)).await.expect("an answer");
    }
    let count = 2 * ORDERS as u64;
    let said = followed(&server, count);
    let stages = [
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
    for stage in &stages[1..] {
        assert_eq!(figure(&said, stage, "count"), count, "{stage}: {said:#}");
        assert!(figure(&said, stage, "max_ns") < 20_000_000_000);
    }
    let slowest = said["slowest"].as_array().expect("a list");
    assert_eq!(slowest.len(), 10, "{said:#}");
    for slow in slowest {
        let steps = slow["steps"].as_array().expect("a list");
        let names: Vec<_> = steps.iter().filter_map(|step| step["stage"].as_str()).collect();
        assert_eq!(names, stages, "{slow:#}");
        let at = |step: &Value| step["ts"].as_u64().expect("a number");
        let took = at(&steps[steps.len() - 1]) - at(&steps[0]);
        assert_eq!(slow["took_ns"].as_u64(), Some(took));
        assert_eq!(slow["kind"], "new_order");
    }
    assert_eq!((&said["dropped"], said["window"].as_str()), (&Value::from(0), Some("start")));
    let table = latency(&server, &["--once", "--minute"]);
    assert!(table.starts_with("the last minute"), "{table}");
    assert!(table.contains("received > sequenced") && table.contains("slowest of"), "{table}");

    let addr = server.metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    let page = get(addr, "/metrics");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("application/openmetrics-text"));
    for written in [
        format!("tidegate_path_seconds_count{{path=\"order\"}} {count}"),
        format!("tidegate_stage_seconds_bucket{{le=\"+Inf\",stage=\"delivered\"}} {count}"),
        format!("tidegate_fills_total {count}"),
        "tidegate_engine_alive 1".to_string(),
        "# EOF".to_string(),
    ] {
        assert!(page.lines().any(|line| line == written), "no line '{written}' in:\n{page}");
    }
    assert!(get(addr, "/other").starts_with("HTTP/1.1 404"));
    server.stop("TERM").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_takes_longer_than_it_may_is_an_alert_in_stream_log_and_figures() {
    let more = "[latency]\nbudget = '1ns'\n[latency.stages]\ndelivered = '1ns'\n";
    let place = Place::new(&format!("{}{more}", Place::account(1)));
    let (server, client, mut market) = quoted(&place).await;
    let every = StreamLatencyRequest { interval_ms: 100, ..Default::default() };
    let mut stream = client.stream_latency(every).await.expect("a stream");
    client.submit(order(1, TimeInForce::Day, "10.02")).await.expect("an answer");
    let mut alerts = Vec::new();
    while alerts.len() < 2 {
        let report = tokio::time::timeout(PATIENCE, stream.message()).await.expect("in time");
        alerts.extend(report.expect("no error").expect("no end").alerts);
    }
    let mut names: Vec<_> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["delivered", "order"], "{alerts:?}");
    let worst = alerts[0].worst.as_ref().expect("it is shown");
    assert_eq!((worst.kind.as_str(), alerts[0].budget_ns, alerts[0].breaches), ("new_order", 1, 1));
    // Each is told once on one stream.
    let report = stream.message().await.expect("no error").expect("no end");
    assert_eq!((report.alerts.len(), report.alerts_count), (0, 2));

    // An order that rests, and is filled by the market.
    client.submit(order(2, TimeInForce::Day, "10.00")).await.expect("an answer");
    // What is ahead of it goes, and then somebody sells to what is behind it.
    market.execute(1, 500);
    market.add(3, b'B', 1_000, 10);
    market.execute(3, 10);
    let deadline = Instant::now() + PATIENCE;
    let said = loop {
        let said: Value = serde_json::from_str(&latency(&server, &["--json"])).expect("JSON");
        if figure(&said, "fill", "count") == 1 {
            break said;
        }
        assert!(Instant::now() < deadline, "{said:#}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let fills =
        said["slowest"].as_array().expect("a list").iter().find(|slow| slow["path"] == "fill");
    let steps = fills.expect("it was slow")["steps"].as_array().expect("a list").clone();
    assert_eq!(
        (&steps[0]["stage"], steps[1]["stage"].as_str()),
        (&"market_received".into(), Some("filled"))
    );
    assert_eq!(figure(&said, "fill", "breaches"), 1);
    drop((stream, client));
    let ended = server.stop("TERM");
    assert!(ended.stderr.contains("took longer than it may"), "{}", ended.stderr);
    ended.ok();
}

#[test]
fn those_who_hold_connections_for_metrics_hold_up_nobody() {
    let place = Place::new("[metrics]\nlisten = '127.0.0.1:0'\n");
    let server = Server::start(&place);
    let addr = server.metrics.trim_start_matches("http://").trim_end_matches("/metrics");
    let mut held: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(addr).expect("somebody listens");
            // Half of a request. Those that are turned away may hear so while they write.
            let _ = write!(stream, "GET /met");
            stream
        })
        .collect();
    let began = Instant::now();
    let mut turned_away = 0;
    held.retain_mut(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(5))).expect("set");
        let is_open = stream.read(&mut [0]).is_err_and(|error| {
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        });
        turned_away += usize::from(!is_open);
        is_open
    });
    assert!(turned_away >= 150, "{turned_away} of 200 were turned away");
    // The others are let go when their time is up.
    for stream in &mut held {
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        let ended = stream.read(&mut [0; 512]);
        assert!(ended.is_ok() || began.elapsed() < Duration::from_secs(20), "{ended:?}");
    }
    drop(held);
    assert!(get(addr, "/metrics").starts_with("HTTP/1.1 200"));
    assert!(server.stop("TERM").is_ok());
}

#[test]
fn without_a_server_it_says_what_to_do() {
    run(&["latency", "--once", "--addr", "http://127.0.0.1:9", "--token", ADMIN])
        .refused(&["cannot connect to http://127.0.0.1:9", "is `tidegate run` up"]);
    run(&["latency", "--addr", "http://127.0.0.1:9", "--token", ADMIN])
        .refused(&["cannot connect to http://127.0.0.1:9", "is `tidegate run` up"]);
}
