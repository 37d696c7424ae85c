//! Surveillance of a real server, from outside: alerts in under a second, the drop copy, exposure, and going on after a stop.

mod support;

use serde_json::Value;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use support::nodes::free_port;
use support::{Place, Running, Server, run, spawn_all_heard, spawn_heard, text, tidegate};
use tidegate_client::Client;
use tidegate_client::proto::{
    KillRequest, OrderReport, OrderType, Scope, ScopeKind, SetReferenceRequest, Side,
    SubmitOrderRequest, TimeInForce,
};

const SYMBOL: &str = "HOUSE";
/// From the event to the line that tells of it.
const TOLD_WITHIN: Duration = Duration::from_secs(1);
/// How long a start of the command may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn place() -> Place {
    let market = format!(
        "[[instruments]]\nsymbol = \"{SYMBOL}\"\nprice_unit = \"0.01\"\nvenue_kind = \"internal\"\n"
    );
    Place::new(&[market, Place::account(1), Place::account(2), Place::account(3)].concat())
}

/// A connection to a market that has a price to begin from.
async fn client(server: &Server) -> Client {
    let client = server.admin().await;
    let reference = SetReferenceRequest { symbol: SYMBOL.into(), price: "100.00".into() };
    assert_eq!(client.set_reference(reference).await.expect("an answer").reject, None);
    client
}

async fn submit(client: &Client, name: &str, account: u32, side: Side, qty: u32) -> OrderReport {
    let order = SubmitOrderRequest {
        client_order_id: name.into(),
        account,
        symbol: SYMBOL.into(),
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: qty.to_string(),
        price: "100.00".into(),
        ..Default::default()
    };
    client.submit(order).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `tidegate surveil`, with its lines as they come.
struct Watch {
    running: Running,
    lines: Receiver<String>,
}

impl Watch {
    fn start(server: &Server, args: &[&str]) -> Self {
        let mut command = tidegate();
        command.args(["surveil", "--addr", &server.addr]).args(args);
        let (running, lines) = spawn_heard(&mut command);
        Self { running, lines }
    }

    /// The next line that tells such a thing, and when it was read.
    fn next(&self, wanted: impl Fn(&Value) -> bool) -> (Value, Instant) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).expect("it is told in time");
            let told: Value = serde_json::from_str(&line).expect("a line is an object");
            if wanted(&told) {
                return (told, Instant::now());
            }
        }
    }

    fn alert(&self, kind: &str) -> (Value, Instant) {
        self.next(|it| it["type"] == "alert" && it["kind"] == kind)
    }

    fn stop(self) -> String {
        self.running.signal("TERM");
        let ran = self.running.wait();
        assert!(ran.is_ok(), "{ran:#?}");
        ran.stderr
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wash_trade_and_refused_orders_are_told_within_a_second() {
    let place = place();
    let server = Server::start(&place);
    let client = client(&server).await;
    let watch = Watch::start(&server, &["--drop-copy", "--exposure", "1"]);
    submit(&client, "rests", 1, Side::Sell, 10).await;
    // It listens: what follows is told live.
    watch.next(|it| it["type"] == "drop_copy" && it["cl_ord_id"] == "rests");

    let traded = Instant::now();
    submit(&client, "takes", 2, Side::Buy, 10).await;
    let (told, at) = watch.alert("wash_trade");
    assert!(at - traded < TOLD_WITHIN, "{:?}: {told}", at - traded);
    assert!(told["late_us"].as_u64().expect("a number") < 1_000_000, "{told}");
    assert_eq!(told["severity"], "high");
    assert_eq!(told["accounts"], serde_json::json!([1, 2]));
    assert_eq!(told["principals"], serde_json::json!([1]));
    assert_eq!(told["figures"]["one_trade"], "true");
    let proof = told["events"].as_array().expect("the events that prove it");
    assert_eq!(proof.len(), 2, "{told}");
    assert_eq!(proof[0]["seq"], proof[1]["seq"], "{told}");

    let refused = Instant::now();
    for n in 0..5 {
        let report = submit(&client, &format!("large{n}"), 3, Side::Buy, 6_000).await;
        assert_eq!(report.reject.expect("a refusal").code, "max_order_qty");
    }
    let (told, at) = watch.alert("limit_breach_attempts");
    assert!(at - refused < TOLD_WITHIN, "{:?}: {told}", at - refused);
    assert!(told["late_us"].as_u64().expect("a number") < 1_000_000, "{told}");
    assert_eq!(told["figures"]["reasons"], "max_order_qty 5");
    assert_eq!(told["events"].as_array().map(Vec::len), Some(5));

    submit(&client, "open", 2, Side::Buy, 7).await;
    let account = Scope { kind: ScopeKind::Account.into(), id: 3, ..Default::default() };
    let reason = "drill".to_string();
    let request = KillRequest { scope: Some(account), reason, ..Default::default() };
    let engaged = Instant::now();
    assert_eq!(client.kill(request).await.expect("an answer").reject, None);
    let (told, at) = watch.alert("kill_switch");
    assert!(at - engaged < TOLD_WITHIN, "{:?}: {told}", at - engaged);
    assert_eq!(told["figures"]["scope"], "account:3");
    assert_eq!(told["figures"]["reason"], "drill");
    let (held, _) = watch
        .next(|it| it["type"] == "exposure" && it["account"] == 2 && it["open_buy_qty"] == "7");
    assert_eq!((&held["position"], &held["net"]), (&"10".into(), &"1000.00".into()), "{held}");
    assert_eq!(held["gross"], "1700.00", "{held}");
    let said = watch.stop();
    assert!(said.contains("3 alerts, 0 unreadable, 0 out of order, 0 bounds met"), "{said}");
    let (_, within) = said.trim_end().rsplit_once("told within ").expect("how late it was");
    let within_ms: u64 = within.trim_end_matches(" ms").parse().expect("a number");
    assert!((1..1_000).contains(&within_ms), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_where_it_stopped_with_whole_sums() {
    let place = place();
    let server = Server::start(&place);
    let client = client(&server).await;
    let state = place.dir.path().join("surveil.json");
    let args = ["--drop-copy", "--exposure", "1", "--state", text(&state)];

    submit(&client, "first", 1, Side::Sell, 10).await;
    let watch = Watch::start(&server, &args);
    watch.next(|it| it["cl_ord_id"] == "first");
    submit(&client, "second", 2, Side::Buy, 4).await;
    watch.alert("wash_trade");
    watch.stop();

    // While it is away an order is filled, after its own break nothing is told twice, and the position is the whole one.
    submit(&client, "third", 3, Side::Buy, 6).await;
    let watch = Watch::start(&server, &args);
    let (copied, _) = watch.next(|it| it["type"] == "drop_copy");
    assert_eq!(copied["cl_ord_id"], "third", "what was told is not told again: {copied}");
    let (alert, _) = watch.alert("wash_trade");
    assert_eq!(alert["accounts"], serde_json::json!([1, 3]), "{alert}");
    let (held, _) = watch.next(|it| it["type"] == "exposure" && it["account"] == 1);
    assert_eq!(held["position"], "-10", "{held}");
    watch.stop();

    // Who wants to hear of what is to come only, does.
    let live = Watch::start(&server, &["--live", "--drop-copy", "--exposure", "1"]);
    live.next(|it| it["type"] == "exposure");
    submit(&client, "fourth", 2, Side::Sell, 1).await;
    let (copied, _) = live.next(|it| it["type"] != "exposure");
    assert_eq!(copied["cl_ord_id"], "fourth", "{copied}");
    live.stop();

    // The same log gives the same alerts again, all of them.
    let watch = Watch::start(&server, &[]);
    let again = [watch.alert("wash_trade").0, watch.alert("wash_trade").0];
    assert_eq!(again[1]["seq"], alert["seq"]);
    assert_eq!(again[1]["events"], alert["events"]);
    watch.stop();

    // A position of another journal, and files that hold none.
    std::fs::write(&state, "{\"seq\": 999999999, \"ordinal\": 0}").expect("it is written");
    let addr = ["surveil", "--addr", &server.addr, "--state", text(&state)];
    run(&addr).refused(&["--state is of another journal", "beyond the last event"]);
    std::fs::write(&state, "nothing").expect("it is written");
    run(&addr).refused(&["surveil.json holds no position", "remove it"]);
    let twice = ["surveil", "--owner", "1,2", "--owner", "2,3"];
    run(&twice).refused(&["account 2 has two owners"]);
    let none = ["surveil", "--breach-count", "0"];
    run(&none).refused(&["breach_count is 0; it may be 1 to 256"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_is_said_and_survived() {
    let place = place();
    // It comes back where it was.
    let config = std::fs::read_to_string(place.config()).expect("the configuration");
    let listen = format!("listen = \"127.0.0.1:{}\"", free_port());
    std::fs::write(place.config(), config.replace("listen = \"127.0.0.1:0\"", &listen))
        .expect("the configuration is written");
    let server = Server::start(&place);
    let addr = server.addr.clone();
    submit(&client(&server).await, "before", 1, Side::Sell, 10).await;
    let mut command = tidegate();
    command.args(["surveil", "--addr", &addr, "--drop-copy"]);
    let (running, lines, errors) = spawn_all_heard(&mut command);
    let watch = Watch::start(&server, &["--drop-copy"]);
    watch.next(|it| it["cl_ord_id"] == "before");
    // One that has not come so far yet ends with its server.
    while !lines.recv_timeout(PATIENCE).expect("it watches").contains("\"before\"") {}
    server.kill();
    let line = errors.recv_timeout(PATIENCE).expect("it is said");
    assert!(line.contains("nothing is watched until they go on"), "{line}");

    let server = Server::start(&place);
    submit(&server.admin().await, "after", 2, Side::Buy, 10).await;
    watch.alert("wash_trade");
    let said = watch.stop();
    assert!(said.contains("0 out of order"), "{said}");
    running.signal("INT");
    assert!(running.wait().is_ok());
}
