//! Two processes: a standby that needs what its primary has archived and pruned begins with a snapshot, and is as good as any
//! other: it comes into sync, takes over, and has lost nothing.

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::market::{Market, SYMBOL, book_with};
use support::nodes::Deployment;
use support::{run, text};
use tidegate_client::Client;
use tidegate_client::proto::get_order_request::Order as Asked;
use tidegate_client::proto::{
    GetOrderRequest, OrderReport, OrderType, Side, SubmitOrderRequest, TimeInForce,
};
use tokio::task::JoinSet;

type Told = Arc<Mutex<Vec<OrderReport>>>;

/// Orders one after the other until the server is gone.
async fn trade(addr: String, task: u64, told: Told) {
    let Ok(client) = Client::connect(&addr, Some(support::TRADER)).await else { return };
    for n in 0u64.. {
        let request = SubmitOrderRequest {
            account: 1,
            symbol: SYMBOL.into(),
            client_order_id: format!("t{task}n{n}"),
            side: Side::Buy.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: TimeInForce::Gtc.into(),
            qty: "1".into(),
            price: format!("9.{:02}", 50 + n % 40),
            ..Default::default()
        };
        match client.submit(request).await {
            Ok(report) => told.lock().expect("no panic").push(report),
            Err(_) => return,
        }
    }
}

async fn assert_nothing_lost(client: &Client, told: &[OrderReport]) {
    assert!(told.len() > 100, "only {} were acknowledged", told.len());
    for report in told.iter().filter(|report| report.reject.is_none()) {
        let order = Some(Asked::OrderId(report.order_id));
        let request = GetOrderRequest { account: report.account, order };
        let now = client.get_order(request).await;
        let now = now.unwrap_or_else(|error| panic!("{report:?} was acknowledged: {error}"));
        assert_eq!(now.report.expect("a report").client_order_id, report.client_order_id);
    }
}

fn json(args: &[&str]) -> serde_json::Value {
    let said = run(args).ok();
    let first = said.lines().next().expect("a line");
    serde_json::from_str(first).expect("JSON")
}

/// The first and the last record of a journal.
fn range(journal: &Path) -> (u64, u64) {
    let report = json(&["journal", "verify", text(journal), "--json"]);
    let number = |key: &str| report["journal"][key].as_u64().expect("a number");
    (number("first_seq"), number("last_seq"))
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_standby_of_a_primary_that_pruned_begins_with_a_snapshot_and_takes_over() {
    let deployment = Deployment::new(&[("a", "replica"), ("b", "process")], None);
    let primary = deployment.start("run", "a");
    primary.hears("primary");
    let standby = deployment.start("standby", "b");
    let primary = primary.serves();
    let client = primary.admin().await;
    let mut market = Market::quoted(primary.line.expect("a feed"));
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    let (told, mut tasks) = (Told::default(), JoinSet::new());
    for task in 0..2 {
        tasks.spawn(trade(primary.addr.clone(), task, Arc::clone(&told)));
    }
    deployment.wait_for("b", &["; in sync"]);
    // Over a link of the chains of hashes, and into the second segment: else nothing is pruned.
    market.noise(4_000, 990);
    let (a, b) = (deployment.journal("a"), deployment.journal("b"));
    wait_for("the market", || (range(&a).1 > 75_000).then_some(()));
    deployment.wait_for("b", &["; in sync"]);
    let said = wait_for("everything to be told and on the disk", || {
        let taken = json(&["journal", "snapshot", text(&a), "--json"]);
        (taken["seq"].as_u64() > Some(70_000)).then_some(taken)
    });
    let seq = said["seq"].as_u64().expect("a number");
    standby.running.signal("TERM");
    standby.running.wait().ok();

    // More comes that only the primary has, and what is old goes.
    market.noise(20, 991);
    let store = format!("file://{}", text(&deployment.path().join("archive")));
    run(&["journal", "archive", text(&a), "--to", &store]).ok();
    let prune = ["journal", "prune", text(&a), "--archive", &store, "--local-days", "0"];
    wait_for("the first segment to go", || {
        run(&prune).ok();
        (range(&a).0 > 1).then_some(())
    });
    let (first, _) = range(&a);
    assert!(first > 1 && first <= seq, "{first}");
    std::fs::remove_dir_all(&b).expect("it is there");

    let standby = deployment.start("standby", "b");
    let said = standby.hears("standby   begins anew");
    assert!(said.contains(&format!("snapshot of input {seq}")), "{said}");
    deployment.wait_for("b", &["; in sync"]);
    deployment.wait_for("a", &["follower b: connected, in sync"]);
    let before = told.lock().expect("no panic").len();
    wait_for("acknowledgements", || {
        (told.lock().expect("no panic").len() > before + 20).then_some(())
    });
    let (began, _) = range(&b);
    assert!(began > 1 && began <= seq, "{began}");

    // It is as good as any other after a restart, too.
    standby.running.signal("TERM");
    standby.running.wait().ok();
    run(&["journal", "verify", text(&b)]).ok();
    let standby = deployment.start("standby", "b");
    deployment.wait_for("b", &["; in sync"]);
    deployment.wait_for("a", &["follower b: connected, in sync"]);
    primary.running.kill();
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    let told = told.lock().expect("no panic").clone();
    tokio::time::sleep(Duration::from_millis(700)).await;
    run(&["promote", "--config", text(&deployment.config("b"))]).ok();
    let standby = standby.serves();
    assert_nothing_lost(&standby.admin().await, &told).await;
    standby.running.signal("TERM");
    let stopped = standby.running.wait().ok();
    let last = stopped.lines().last().expect("a last line").to_string();

    run(&["journal", "verify", text(&b)]).ok();
    let replayed = json(&["replay", text(&b), "--json"]);
    let hash = replayed["state_hash"].as_str().expect("a hash");
    assert!(last.ends_with(hash), "{last}, replayed to {hash}");
    // The chains lead through the same heads on both.
    for at in [seq, seq + 50] {
        let at = at.to_string();
        let head = |journal: &Path| {
            let head = json(&["journal", "head", text(journal), "--at", &at, "--json"]);
            (head["audit"].clone(), head["market"].clone(), head["instance"].clone())
        };
        assert_eq!(head(&a), head(&b), "at {at}");
    }
}
