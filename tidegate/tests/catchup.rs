//! Two processes: a standby that needs what its primary has archived and pruned begins with a snapshot, and is as good as any
//! other: it comes into sync, takes over, and has lost nothing.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::load::{Told, assert_nothing_lost, trade};
use support::market::{Market, SYMBOL, book_with};
use support::nodes::Deployment;
use support::{run, text};
use tidegate_client::proto::OrderReport;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// What the thin line carries to the standby: the snapshot and the events then take seconds.
const BYTES_A_SECOND: f64 = 400_000.0;

/// A line to `to` that carries little on the way back, and loses what comes faster; its address.
async fn thin_line(to: String) -> String {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
    let address = front.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let mut backs = HashMap::new();
        let mut datagram = vec![0; 65_536];
        while let Ok((len, client)) = front.recv_from(&mut datagram).await {
            let back = match backs.get(&client) {
                Some(back) => Arc::clone(back),
                None => {
                    let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
                    back.connect(&to).await.expect("an address");
                    tokio::spawn(answers(Arc::clone(&front), Arc::clone(&back), client));
                    backs.insert(client, Arc::clone(&back));
                    back
                }
            };
            let _ = back.send(&datagram[..len]).await;
        }
    });
    address
}

/// What the socket holds meanwhile is the line's queue.
async fn answers(front: Arc<UdpSocket>, back: Arc<UdpSocket>, client: SocketAddr) {
    let mut datagram = vec![0; 65_536];
    let mut free_at = Instant::now();
    while let Ok(len) = back.recv(&mut datagram).await {
        free_at =
            free_at.max(Instant::now()) + Duration::from_secs_f64(len as f64 / BYTES_A_SECOND);
        tokio::time::sleep_until(free_at.into()).await;
        let _ = front.send_to(&datagram[..len], client).await;
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

    // Over a line so thin that the primary would take a follower for gone which speaks only when it is asked.
    let config = std::fs::read_to_string(deployment.config("b")).expect("it is there");
    let thin = thin_line(deployment.address("a").to_string()).await;
    std::fs::write(deployment.config("b"), config.replace(deployment.address("a"), &thin))
        .expect("written");
    let standby = deployment.start("standby", "b");
    standby.hears("standby   follows journal");
    let comes = Instant::now();
    let said = standby.hears("standby   begins anew");
    assert!(said.contains(&format!("snapshot of input {seq}")), "{said}");
    assert!(comes.elapsed() > Duration::from_millis(800), "{:?} shows nothing", comes.elapsed());
    std::fs::write(deployment.config("b"), config).expect("written");
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
    let told: Vec<OrderReport> =
        told.lock().expect("no panic").iter().map(|(_, report)| report.clone()).collect();
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
