//! Nodes on machines of their own, whose cables are pulled under load: whoever is cut off, nothing that was acknowledged is lost,
//! and nobody leads beside another.

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::load::{
    Told, Traded, assert_nothing_lost, assert_silence, assert_whole, count, settled, traded,
    wait_for_more,
};
use support::network::{HUB, Network, is_inside};
use support::nodes::{Deployment, Etcd, end};
use support::{run, text};

/// How long a cable is out: longer than a lease, than a link may be silent, and than QUIC waits.
const CUT: Duration = Duration::from_secs(4);
const LEVELS: [(&str, &str); 2] = [("a", "replica"), ("b", "process")];

/// Both journals replay to the same state, and their chains' heads at one number are the same.
fn assert_equal(deployment: &Deployment) {
    assert_eq!(assert_whole(deployment, "a"), assert_whole(deployment, "b"));
    let journals = ["a", "b"].map(|name| deployment.journal(name));
    let [a, b] = journals.map(|journal| {
        let newest = run(&["journal", "head", text(&journal), "--json"]).ok();
        let newest = newest.lines().next().expect("the journal's");
        let newest: serde_json::Value = serde_json::from_str(newest).expect("one line of JSON");
        (journal, newest["seq"].as_u64().expect("a number"))
    });
    let at = a.1.min(b.1).to_string();
    let head = |journal: &Path| run(&["journal", "head", text(journal), "--at", &at]).ok();
    assert_eq!(head(&a.0), head(&b.0));
}

/// The nodes across `network` with a lease in a store at its hub, traded with; `None` where there is no store to be had.
async fn traded_with_lease(network: &Network) -> Option<(Etcd, Traded)> {
    let etcd = Etcd::start_at(HUB)?;
    let deployment = Deployment::across(network, &LEVELS, Some(&etcd));
    Some((etcd, traded(deployment).await))
}

async fn assert_flows(told: &Told, deployment: &Deployment) {
    deployment.wait_for("b", &["; in sync"]);
    deployment.wait_for("a", &["follower b: connected, in sync"]);
    wait_for_more(told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_cut_off_holds_acknowledgements_until_the_cable_is_in_again() {
    if !is_inside("a_standby_that_is_cut_off_holds_acknowledgements_until_the_cable_is_in_again") {
        return;
    }
    let network = Network::of(&["a", "b"]);
    let deployment = Deployment::across(&network, &LEVELS, None);
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded(deployment).await;
    for cut in ["b", "a"] {
        network.cut(cut);
        let status = deployment.wait_for("a", &["ALARM", "waiting for b", "not connected"]);
        assert!(status.contains("primary of epoch"), "{status}");
        assert_silence(&told, CUT).await;
        let status = deployment.wait_for("b", &["standby at input"]);
        assert!(status.contains("no link") || status.contains("heard"), "{status}");
        network.mend(cut);
        assert_flows(&told, &deployment).await;
        assert!(!deployment.status("a").contains("ALARM"), "{}", deployment.status("a"));
    }
    end([primary, standby]);
    let told = settled(&mut tasks, &told).await;
    assert!(told.len() > 50, "{}", told.len());
    assert_equal(&deployment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_cut_off_from_store_and_standby_ends_and_the_standby_leads() {
    if !is_inside("a_primary_that_is_cut_off_from_store_and_standby_ends_and_the_standby_leads") {
        return;
    }
    let network = Network::of(&["a", "b"]);
    let Some((_etcd, traded)) = traded_with_lease(&network).await else { return };
    let Traded { deployment, primary, standby, told, mut tasks, _market } = traded;
    let began = Instant::now();
    network.cut("a");
    // Its clients reach it still, and are told nothing.
    assert_silence(&told, Duration::from_millis(100)).await;
    let cut_at = count(&told);
    let standby = standby.serves();
    println!("serves {:?} after the cable was pulled", began.elapsed());
    let ran = primary.running.wait();
    assert!(!ran.is_ok() && ran.stderr.contains("lease"), "{ran:#?}");
    let told = settled(&mut tasks, &told).await;
    assert_eq!(told.len(), cut_at, "acknowledged after the cable was pulled");
    assert_nothing_lost(&standby.admin().await, &told).await;

    network.mend("a");
    let again = deployment.start("standby", "a");
    again.hears("standby   follows");
    deployment.wait_for("b", &["follower a: connected, in sync"]);
    end([standby, again]);
    assert_equal(&deployment);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_cut_off_from_store_and_primary_never_leads() {
    if !is_inside("a_standby_that_is_cut_off_from_store_and_primary_never_leads") {
        return;
    }
    let network = Network::of(&["a", "b"]);
    let Some((_etcd, traded)) = traded_with_lease(&network).await else { return };
    let Traded { deployment, primary, standby, told, mut tasks, _market } = traded;
    network.cut("b");
    let status = deployment.wait_for("a", &["ALARM", "waiting for b", "not connected"]);
    assert!(status.contains("held by a, in sync: b"), "the last one is never taken out: {status}");
    assert_silence(&told, CUT).await;
    for name in ["a", "b"] {
        let status = deployment.status(name);
        assert_eq!(status.contains("primary of epoch"), name == "a", "{status}");
    }
    let began = Instant::now();
    network.mend("b");
    assert_flows(&told, &deployment).await;
    println!("flows {:?} after the cable was in again", began.elapsed());
    // It hears the store again as well, at once: connections of before the cut do not hold it up.
    let began = Instant::now();
    primary.running.kill();
    let standby = standby.serves();
    println!("serves {:?} after the primary was killed", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let told = settled(&mut tasks, &told).await;
    assert_nothing_lost(&standby.admin().await, &told).await;
}
