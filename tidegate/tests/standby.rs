//! A primary and its standby, two processes: whatever becomes of one of them, what was acknowledged is on the other.

mod support;

use std::time::{Duration, Instant};
use support::load::{
    Told, Traded, assert_nothing_lost, assert_silence, assert_whole, settled, traded, traded_here,
    trading, wait_for_more,
};
use support::nodes::{Deployment, Etcd, Node, end};
use support::{ADMIN, Place, run, text};
use tidegate_client::proto::{Event, GetOrderRequest, GetStatusRequest, get_order_request};
use tidegate_client::{Client, EventFilter};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_s_acknowledgements_are_on_the_standby_that_is_promoted() {
    let Traded { deployment, primary, standby, told, mut tasks, _market } = traded_here(None).await;
    let config = deployment.config("b");
    run(&["promote", "--config", text(&config)]).refused(&["primary is alive", "--planned"]);
    primary.running.kill();
    let told = settled(&mut tasks, &told).await;
    // Silence is what tells that it is gone.
    let began = Instant::now();
    let said = run(&["promote", "--config", text(&config)]).ok();
    assert!(said.contains("for a sign of life of the primary"), "{said}");
    assert!(said.contains("'b' does not hear what 'a' has: no answer within"), "{said}");
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
    end([again]);
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_by_itself_when_the_lease_ends() {
    let Some(etcd) = Etcd::start() else { return };
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded_here(Some(&etcd)).await;
    let began = Instant::now();
    primary.running.kill();
    let standby = standby.serves();
    let took = began.elapsed();
    println!("automatic failover: serves {took:?} after the kill");
    let told = settled(&mut tasks, &told).await;
    assert_nothing_lost(&standby.admin().await, &told).await;
    assert!(took < Duration::from_secs(4), "{took:?}; the target is 2 s on a quiet machine");
    end([standby]);
    assert_whole(&deployment, "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_paused_past_its_lease_acknowledges_nothing_and_stops() {
    let Some(etcd) = Etcd::start() else { return };
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded_here(Some(&etcd)).await;
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
        let Traded { deployment, primary, standby, told, mut tasks, _market } =
            traded_here(etcd.as_ref()).await;
        let config = deployment.config("a");
        let began = Instant::now();
        let said = run(&["promote", "--planned", "--config", text(&config)]).ok();
        let standby = standby.serves();
        println!("lease {with_lease}: {said} serves {:?} after the command began", began.elapsed());
        let reports = settled(&mut tasks, &told).await;
        // From the last that the old primary acknowledged to the first that the new one does.
        let last = told.lock().expect("no panic").last().expect("there are some").0;
        let mut again = trading(&standby, 100, &told);
        wait_for_more(&told).await;
        let first = told.lock().expect("no panic")[reports.len()].0;
        let pause = first.duration_since(last);
        println!("lease {with_lease}: clients were told nothing for {pause:?}");
        assert!(pause < Duration::from_secs(1), "{pause:?}");
        assert_nothing_lost(&standby.admin().await, &reports).await;
        let ran = primary.running.wait();
        assert!(ran.stdout.contains("given     to b"), "{ran:#?}");
        ran.ok();
        standby.running.signal("TERM");
        standby.running.wait().ok();
        settled(&mut again, &told).await;
        assert_whole(&deployment, "b");
    }
}

/// Kills the primary and promotes 'b', which has everything that was acknowledged, and whose journal is whole.
async fn assert_takes_over(
    deployment: &Deployment,
    primary: Node,
    standby: Node,
    told: &Told,
    mut tasks: JoinSet<()>,
) {
    primary.running.kill();
    let told = settled(&mut tasks, told).await;
    run(&["promote", "--config", text(&deployment.config("b"))]).ok();
    let standby = standby.serves();
    assert_nothing_lost(&standby.admin().await, &told).await;
    end([standby]);
    assert_whole(deployment, "b");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_killed_holds_acknowledgements_until_it_is_back() {
    let Traded { deployment, primary, mut standby, told, tasks, _market } = traded_here(None).await;
    for _ in 0..4 {
        standby.running.kill();
        assert_silence(&told, Duration::from_millis(300)).await;
        deployment.wait_for("a", &["ALARM"]);
        standby = deployment.start("standby", "b");
        deployment.wait_for("b", &["; in sync"]);
        wait_for_more(&told).await;
    }
    assert_takes_over(&deployment, primary, standby, &told, tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirmed_is_set_aside_when_its_primary_comes_back() {
    let Traded { deployment, primary, standby, told, mut tasks, _market } = traded_here(None).await;
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
    end([standby, again]);
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_snapshots_while_it_follows_and_begins_with_one() {
    let deployment = Deployment::new(&[("a", "replica"), ("b", "process")], None);
    let more = Place::account(1) + "[snapshots]\nevery_inputs = 200\n";
    deployment.configure("b", "process", None, &more);
    let Traded { deployment, primary, standby, told, tasks, _market } = traded(deployment).await;
    let journal = deployment.journal("b");
    let (deadline, mut newest) = (Instant::now() + Duration::from_secs(30), None);
    while newest.is_none() {
        assert!(Instant::now() < deadline, "it takes none");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let listed = run(&["journal", "snapshots", text(&journal)]).ok();
        newest = listed.lines().find(|line| line.contains(" good ")).map(str::to_string);
    }
    println!("{newest:?}");
    assert!(journal.join("CHAIN").is_file() && journal.join("events/CHAIN").is_file());
    standby.running.kill();
    let standby = deployment.start("standby", "b");
    standby.hears("standby   follows");
    deployment.wait_for("b", &["; in sync"]);
    wait_for_more(&told).await;
    assert_takes_over(&deployment, primary, standby, &told, tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_knows_both_nodes_goes_on_with_the_one_that_took_over() {
    let deployment = Deployment::new(&[("a", "replica"), ("b", "process")], None);
    let addrs = ["a", "b"].map(|name| deployment.serve_at_a_fixed_port(name)).join(",");
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded(deployment).await;
    let client = Client::connect(&addrs, Some(ADMIN)).await.expect("the primary takes it");
    let mut events = client.events(None, EventFilter::default());
    let mut heard = Vec::new();
    while heard.len() < 200 {
        heard.push(position(&events.next().await.expect("an event")));
    }
    primary.running.kill();
    settled(&mut tasks, &told).await;
    run(&["promote", "--config", text(&deployment.config("b"))]).ok();
    let standby = standby.serves();
    // The stream goes on by itself, and so does the next call.
    let last = client.get_status(GetStatusRequest {}).await.expect("the standby answers");
    let last = last.last_event.map(|at| (at.seq, at.ordinal)).expect("there are events");
    while *heard.last().expect("some") < last {
        heard.push(position(&events.next().await.expect("an event")));
    }
    let mut anew = client.events(None, EventFilter::default());
    for heard in &heard {
        assert_eq!(position(&anew.next().await.expect("an event")), *heard);
    }
    end([standby]);
}

/// Number and place of an event.
fn position(event: &Event) -> (u64, u32) {
    event.position.map(|at| (at.seq, at.ordinal)).expect("each has one")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_gave_up_is_set_aside_with_what_clients_heard_of_it() {
    let deployment = Deployment::new(&[("a", "power"), ("b", "power")], None);
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded(deployment).await;
    standby.running.kill();
    wait_for_more(&told).await;
    // Acknowledged on the disk of the primary, which burns down.
    primary.running.kill();
    let told = settled(&mut tasks, &told).await;
    let standby = deployment.start("standby", "b");
    deployment.wait_for("b", &["standby at input"]);
    run(&["promote", "--force", "--config", text(&deployment.config("b"))]).ok();
    let standby = standby.serves();
    let last = told.last().expect("orders were acknowledged");
    let order = Some(get_order_request::Order::OrderId(last.order_id));
    let asked = GetOrderRequest { account: last.account, order };
    let lost = standby.admin().await.get_order(asked).await;
    assert!(lost.is_err(), "the standby was dead when it was acknowledged: {lost:?}");
    let again = deployment.start("standby", "a");
    let aside = again.hears("standby   set aside");
    assert!(!aside.contains(" with 0 events"), "clients had heard of some: {aside}");
    deployment.wait_for("b", &["follower a: connected, in sync"]);
    end([standby, again]);
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_cut_off_from_its_store_stops_by_itself() {
    let Some(etcd) = Etcd::start() else { return };
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded_here(Some(&etcd)).await;
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
