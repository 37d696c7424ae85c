//! A primary and its standby, two processes: whatever becomes of one of them, what was acknowledged is on the other.

mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::market::{Market, SYMBOL, book_with};
use support::nodes::{Deployment, Etcd, Node};
use support::{run, text};
use tidegate_client::Client;
use tidegate_client::proto::get_order_request::Order as Asked;
use tidegate_client::proto::{
    GetOrderRequest, OrderReport, OrderType, Side, SubmitOrderRequest, TimeInForce,
};
use tokio::task::JoinSet;

/// Acknowledgements that clients were given.
type Told = Arc<Mutex<Vec<OrderReport>>>;

/// Orders one after the other, from several tasks, until the server is gone.
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

/// Every order that was acknowledged is known, and a replay of the journal reaches the state that was recorded.
async fn assert_nothing_lost(client: &Client, told: &[OrderReport]) {
    assert!(told.len() > 50, "only {} were acknowledged", told.len());
    for report in told.iter().filter(|report| report.reject.is_none()) {
        let order = Some(Asked::OrderId(report.order_id));
        let request = GetOrderRequest { account: report.account, order };
        let now = client.get_order(request).await;
        let now = now.unwrap_or_else(|error| panic!("{report:?} was acknowledged: {error}"));
        let now = now.report.expect("a report");
        assert_eq!(now.client_order_id, report.client_order_id);
    }
}

fn assert_whole(deployment: &Deployment, name: &str) -> String {
    let journal = deployment.journal(name);
    run(&["journal", "verify", text(&journal)]).ok();
    let replayed = run(&["replay", text(&journal), "--json"]).ok();
    let replayed: serde_json::Value = serde_json::from_str(&replayed).expect("one line of JSON");
    replayed["state_hash"].as_str().expect("a hash").to_string()
}

/// A primary 'a' at the replica level and a standby 'b' in sync, with a market and orders flowing.
struct Pair {
    deployment: Deployment,
    primary: Node,
    standby: Node,
    told: Told,
    tasks: JoinSet<()>,
    _market: Market,
}

async fn pair(etcd: Option<&Etcd>) -> Pair {
    let deployment = Deployment::new(&[("a", "replica"), ("b", "process")], etcd);
    let primary = deployment.start("run", "a");
    primary.hears("primary");
    let standby = deployment.start("standby", "b");
    let primary = primary.serves();
    let client = primary.admin().await;
    let market = Market::quoted(primary.line.expect("a feed"));
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    let told = Told::default();
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        tasks.spawn(trade(primary.addr.clone(), task, Arc::clone(&told)));
    }
    deployment.wait_for("b", &["in sync"]);
    tokio::time::sleep(Duration::from_millis(800)).await;
    Pair { deployment, primary, standby, told, tasks, _market: market }
}

async fn settled(tasks: &mut JoinSet<()>, told: &Told) -> Vec<OrderReport> {
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    told.lock().expect("no panic").clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_s_acknowledgements_are_on_the_standby_that_is_promoted() {
    let Pair { deployment, primary, standby, told, mut tasks, _market } = pair(None).await;
    let config = deployment.config("b");
    run(&["promote", "--config", text(&config)]).refused(&["primary is alive", "--planned"]);
    primary.running.kill();
    let told = settled(&mut tasks, &told).await;
    // Silence is what tells that it is gone.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let began = Instant::now();
    let said = run(&["promote", "--config", text(&config)]).ok();
    let standby = standby.serves();
    println!("promoted within {:?}: {said}", began.elapsed());
    assert_nothing_lost(&standby.admin().await, &told).await;

    // The old primary comes back as a standby, without what nobody confirmed.
    let again = deployment.start("standby", "a");
    again.hears("standby   follows");
    deployment.wait_for("b", &["follower a: connected, in sync"]);
    standby.running.signal("TERM");
    let stopped = standby.running.wait().ok();
    let last = stopped.lines().last().expect("a last line").to_string();
    assert!(last.ends_with(&assert_whole(&deployment, "b")), "{last}");
    again.running.signal("TERM");
    again.running.wait().ok();
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_by_itself_when_the_lease_ends() {
    let Some(etcd) = Etcd::start() else { return };
    let Pair { deployment, primary, standby, told, mut tasks, _market } = pair(Some(&etcd)).await;
    let began = Instant::now();
    primary.running.kill();
    let standby = standby.serves();
    let took = began.elapsed();
    println!("automatic failover: serves {took:?} after the kill");
    let told = settled(&mut tasks, &told).await;
    assert_nothing_lost(&standby.admin().await, &told).await;
    assert!(took < Duration::from_secs(4), "{took:?}; the target is 2 s on a quiet machine");
    standby.running.signal("TERM");
    standby.running.wait().ok();
    assert_whole(&deployment, "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_paused_past_its_lease_acknowledges_nothing_and_stops() {
    let Some(etcd) = Etcd::start() else { return };
    let Pair { deployment, primary, standby, told, mut tasks, _market } = pair(Some(&etcd)).await;
    primary.running.signal("STOP");
    let standby = standby.serves();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = told.lock().expect("no panic").len();
    primary.running.signal("CONT");
    let ran = primary.running.wait();
    let told = settled(&mut tasks, &told).await;
    assert!(!ran.is_ok(), "{ran:#?}");
    assert!(ran.stderr.contains("standby"), "{ran:#?}");
    // What was on its way to clients when it was paused may arrive: it was confirmed before.
    println!("{} acknowledged before, {} after it went on", before, told.len() - before);
    assert_nothing_lost(&standby.admin().await, &told).await;
    drop(deployment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_hand_over_loses_nothing_and_is_short() {
    for with_lease in [false, true] {
        let etcd = if with_lease { Etcd::start() } else { None };
        let Pair { deployment, primary, standby, told, mut tasks, _market } =
            pair(etcd.as_ref()).await;
        let config = deployment.config("a");
        let began = Instant::now();
        let said = run(&["promote", "--planned", "--config", text(&config)]).ok();
        let standby = standby.serves();
        println!("lease {with_lease}: {said} serves {:?} after the command began", began.elapsed());
        let told = settled(&mut tasks, &told).await;
        assert_nothing_lost(&standby.admin().await, &told).await;
        let ran = primary.running.wait();
        assert!(ran.stdout.contains("given     to b"), "{ran:#?}");
        ran.ok();
        standby.running.signal("TERM");
        standby.running.wait().ok();
        assert_whole(&deployment, "b");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_killed_holds_acknowledgements_until_it_is_back() {
    let Pair { deployment, primary, mut standby, told, mut tasks, _market } = pair(None).await;
    for _ in 0..4 {
        standby.running.kill();
        // What was confirmed may still be told; then there is silence, however long it takes.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = told.lock().expect("no panic").len();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let after = told.lock().expect("no panic").len();
        assert_eq!(after, before, "acknowledged at the replica level without a replica");
        deployment.wait_for("a", &["ALARM"]);
        standby = deployment.start("standby", "b");
        deployment.wait_for("b", &["in sync"]);
        let deadline = Instant::now() + Duration::from_secs(20);
        while told.lock().expect("no panic").len() == after {
            assert!(Instant::now() < deadline, "nothing is acknowledged though it is back");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    primary.running.kill();
    let told = settled(&mut tasks, &told).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    run(&["promote", "--config", text(&deployment.config("b"))]).ok();
    let standby = standby.serves();
    assert_nothing_lost(&standby.admin().await, &told).await;
    standby.running.signal("TERM");
    standby.running.wait().ok();
    assert_whole(&deployment, "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirmed_is_set_aside_when_its_primary_comes_back() {
    let Pair { deployment, primary, standby, told, mut tasks, _market } = pair(None).await;
    // What the primary takes from now on nobody confirms: the orders under way, and its clock.
    standby.running.kill();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    primary.running.kill();
    let told = settled(&mut tasks, &told).await;
    let standby = deployment.start("standby", "b");
    standby.hears("standby   follows");
    deployment.wait_for("b", &["standby at input"]);
    run(&["promote", "--config", text(&deployment.config("b"))]).refused(&["--force"]);
    run(&["promote", "--force", "--config", text(&deployment.config("b"))]).ok();
    let standby = standby.serves();
    assert_nothing_lost(&standby.admin().await, &told).await;
    let again = deployment.start("standby", "a");
    let aside = again.hears("standby   set aside");
    println!("{aside}");
    deployment.wait_for("b", &["follower a: connected, in sync"]);
    assert!(deployment.journal("a").join("cut").read_dir().expect("it is there").count() >= 1);
    standby.running.signal("TERM");
    standby.running.wait().ok();
    again.running.signal("TERM");
    again.running.wait().ok();
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_cut_off_from_its_store_stops_by_itself() {
    let Some(etcd) = Etcd::start() else { return };
    let Pair { deployment, primary, standby, told, mut tasks, _market } = pair(Some(&etcd)).await;
    // It still has its standby and its clients, but nobody can know whether another leads.
    etcd.running.signal("STOP");
    let ran = primary.running.wait();
    assert!(!ran.is_ok() && ran.stderr.contains("lease"), "{ran:#?}");
    etcd.running.signal("CONT");
    let standby = standby.serves();
    let told = settled(&mut tasks, &told).await;
    assert_nothing_lost(&standby.admin().await, &told).await;
    drop(deployment);
}
