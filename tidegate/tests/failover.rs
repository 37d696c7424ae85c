//! Who may lead when a primary is gone or gives over: what a promotion asks, what becomes of a hand-over that nobody takes, and nodes
//! that are killed again and again.

mod support;

use std::time::{Duration, Instant};
use support::load::{
    Told, Traded, assert_known, assert_nothing_lost, assert_silence, assert_whole, market, settled,
    traded_here, trading, wait_for_more,
};
use support::nodes::{Deployment, Etcd, Node, end};
use support::{Ran, Random};
use tidegate_client::Client;
use tidegate_client::EventFilter;
use tidegate_client::proto::{EventPosition, GetStatusRequest};

/// The lease of a deployment that says nothing else.
const LEASE: Duration = Duration::from_secs(1);

fn promote(deployment: &Deployment, name: &str, args: &[&str]) -> Ran {
    deployment.run(&[&["promote"], args].concat(), name)
}

/// Promotes the node `name`, asking again as an operator would as long as the others are too slow to say what they have.
fn promoted(deployment: &Deployment, name: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let ran = promote(deployment, name, &[]);
        if ran.is_ok() || Instant::now() > deadline || !ran.stderr.contains("do not say what") {
            return ran.ok();
        }
    }
}

/// Asks until the node `name` refuses to lead for one of `reasons`, whatever else it has to wait for before that; it never agrees.
fn refuses_to_lead(deployment: &Deployment, name: &str, reasons: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let ran = promote(deployment, name, &[]);
        assert!(!ran.is_ok(), "{ran:?}");
        if reasons.iter().any(|reason| ran.stderr.contains(reason)) {
            return;
        }
        assert!(Instant::now() < deadline, "{reasons:?} is not what it says: {ran:?}");
    }
}

/// Starts 'a' as primary and the others as its standbys, in sync.
fn in_sync(levels: &[(&str, &str)], etcd: Option<&Etcd>) -> (Deployment, Vec<Node>) {
    let deployment = Deployment::new(levels, etcd);
    let primary = deployment.start("run", "a");
    primary.hears("primary");
    let mut nodes: Vec<_> =
        levels[1..].iter().map(|(name, _)| deployment.start("standby", name)).collect();
    nodes.insert(0, primary.serves());
    for (name, _) in &levels[1..] {
        deployment.wait_for("a", &[&format!("follower {name}: connected, in sync")]);
    }
    (deployment, nodes)
}

/// Waits until the primary has just taken an input of its clock's: for a second nothing else comes.
fn after_an_input(deployment: &Deployment) {
    let line = || deployment.status("a").lines().next().expect("it says something").to_string();
    let (before, deadline) = (line(), Instant::now() + Duration::from_secs(10));
    while line() == before {
        assert!(Instant::now() < deadline, "no input comes: {before}");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(50));
}

#[test]
fn a_standby_that_is_promoted_asks_the_others_what_they_have() {
    let levels = [("a", "replica"), ("b", "process"), ("c", "process")];
    let (deployment, nodes) = in_sync(&levels, None);
    // The others go on without 'c', which takes itself for in sync, or reads in what was sent while it stood still that it is not.
    nodes[2].running.signal("STOP");
    deployment.wait_for("a", &["follower c: not connected, not in sync"]);
    let mut nodes = nodes.into_iter();
    let (primary, b, c) = (nodes.next(), nodes.next().expect("b"), nodes.next().expect("c"));
    after_an_input(&deployment);
    primary.expect("a").running.kill();
    c.running.signal("CONT");
    refuses_to_lead(&deployment, "c", &["'b' has more: input", "was not in sync when it last"]);
    let said = promoted(&deployment, "b");
    assert!(said.contains("'b' leads after"), "{said}");
    let b = b.serves();
    deployment.wait_for("b", &["follower c: connected, in sync"]);
    // One that begins anew on an empty disk is told as well.
    let ran = deployment.start("run", "a").running.wait();
    assert!(ran.stderr.contains("'b' leads") || ran.stderr.contains("has more"), "{ran:?}");
    std::fs::remove_dir_all(deployment.journal("a")).expect("it is there");
    let ran = deployment.start("run", "a").running.wait();
    assert!(ran.stderr.contains("'b' leads") && ran.stderr.contains("standby"), "{ran:?}");
    end([b, c]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_promoted_waits_for_whoever_confirms_as_long_as_it_takes() {
    let (deployment, nodes) = in_sync(&[("a", "replica"), ("b", "replica")], None);
    let mut nodes = nodes.into_iter();
    nodes.next().expect("a").running.kill();
    let said = promoted(&deployment, "b");
    assert!(said.contains("'b' leads after"), "{said}");
    // Longer than a question to the engine may take once it serves.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let again = deployment.start("standby", "a");
    let b = nodes.next().expect("b").serves();
    market(&b).await;
    deployment.wait_for("b", &["follower a: connected, in sync"]);
    end([b, again]);
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[test]
fn a_primary_without_a_lease_that_stood_still_finds_that_another_leads() {
    let (deployment, nodes) = in_sync(&[("a", "process"), ("b", "process")], None);
    let mut nodes = nodes.into_iter();
    let (a, b) = (nodes.next().expect("a"), nodes.next().expect("b"));
    a.running.signal("STOP");
    promoted(&deployment, "b");
    a.running.signal("CONT");
    let ran = a.running.wait();
    assert!(!ran.is_ok() && ran.stderr.contains("has begun"), "{ran:?}");
    end([b]);
}

#[test]
fn of_two_that_are_promoted_at_once_one_leads_at_most() {
    let levels = [("a", "replica"), ("b", "process"), ("c", "process")];
    let (deployment, nodes) = in_sync(&levels, None);
    let mut nodes = nodes.into_iter();
    nodes.next().expect("a").running.kill();
    let (b, c) = std::thread::scope(|scope| {
        let b = scope.spawn(|| promote(&deployment, "b", &[]));
        (promote(&deployment, "c", &[]), b.join().expect("no panic"))
    });
    assert!(!(b.is_ok() && c.is_ok()), "{b:?} {c:?}");
    if !b.is_ok() && !c.is_ok() {
        promoted(&deployment, "b");
    }
    let leads = |name| deployment.status(name).contains(&format!("node {name}: primary"));
    assert_eq!([leads("b"), leads("c")].iter().filter(|leads| **leads).count(), 1);
    end(nodes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_over_that_nobody_takes_is_taken_back_with_the_lease() {
    let Some(etcd) = Etcd::start() else { return };
    let (deployment, nodes) = in_sync(&[("a", "replica"), ("b", "process")], Some(&etcd));
    let [primary, standby] = <[Node; 2]>::try_from(nodes).ok().expect("two");
    after_an_input(&deployment);
    standby.running.signal("STOP");
    promote(&deployment, "a", &["--planned"]).refused(&["'b' has not taken over", "goes on"]);
    let status = deployment.wait_for("a", &["primary of epoch 1", "held by a"]);
    assert!(status.contains("in sync: b"), "{status}");
    // The heir hears late that it was to lead: it is none any more.
    standby.running.signal("CONT");
    deployment.wait_for("a", &["follower b: connected, in sync"]);
    let _market = market(&primary).await;
    let told = Told::default();
    let mut tasks = trading(&primary, 0, &told);
    for _ in 0..3 {
        tokio::time::sleep(LEASE).await;
        wait_for_more(&told).await;
    }
    assert!(deployment.status("a").contains("primary of epoch 1"));
    primary.running.signal("TERM");
    let ran = primary.running.wait();
    assert!(ran.stderr.contains("gives the lease up for 'b'"), "{ran:?}");
    settled(&mut tasks, &told).await;
    end([standby]);
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[test]
fn another_in_sync_leads_when_the_heir_of_a_hand_over_does_not() {
    let Some(etcd) = Etcd::start() else { return };
    let levels = [("a", "replica"), ("b", "process"), ("c", "process")];
    let (deployment, nodes) = in_sync(&levels, Some(&etcd));
    let [primary, b, c] = <[Node; 3]>::try_from(nodes).ok().expect("three");
    after_an_input(&deployment);
    b.running.signal("STOP");
    let said = promote(&deployment, "a", &["--planned", "--to", "b"]).ok();
    assert!(said.contains("'c' leads"), "{said}");
    let c = c.serves();
    let ran = primary.running.wait();
    assert!(ran.stdout.contains("given     to c"), "{ran:?}");
    b.running.signal("CONT");
    deployment.wait_for("c", &["follower b: connected, in sync"]);
    end([c, b]);
    assert_eq!(assert_whole(&deployment, "b"), assert_whole(&deployment, "c"));
}

#[test]
fn without_a_lease_an_operator_says_what_becomes_of_a_hand_over_that_nobody_took() {
    let (deployment, nodes) = in_sync(&[("a", "replica"), ("b", "process")], None);
    let [primary, standby] = <[Node; 2]>::try_from(nodes).ok().expect("two");
    promote(&deployment, "a", &[]).refused(&["this node is the primary already"]);
    after_an_input(&deployment);
    standby.running.signal("STOP");
    promote(&deployment, "a", &["--planned"]).refused(&["was told to", "tidegate promote"]);
    deployment.wait_for("a", &["ALARM: 'b' was told to lead and has not said that it does"]);
    promote(&deployment, "a", &[]).refused(&["'b' was told to lead and does not say", "--force"]);
    // It comes back and does not lead: then the primary goes on.
    standby.running.kill();
    let standby = deployment.start("standby", "b");
    deployment.wait_for("b", &["standby at input"]);
    let said = promoted(&deployment, "a");
    assert!(said.contains("'a' goes on as primary"), "{said}");
    let status = deployment.wait_for("a", &["follower b: connected, in sync"]);
    assert!(!status.contains("ALARM"), "{status}");
    after_an_input(&deployment);
    end([primary, standby]);
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_on_a_wiped_disk_gets_everything_before_it_may_lead() {
    let Some(etcd) = Etcd::start() else { return };
    let Traded { deployment, primary, standby, told, mut tasks, _market } =
        traded_here(Some(&etcd)).await;
    standby.running.kill();
    primary.running.kill();
    let reports = settled(&mut tasks, &told).await;
    std::fs::remove_dir_all(deployment.journal("b")).expect("it is there");
    // The lease's record says that it is in sync. It is not any more.
    let standby = deployment.start("standby", "b");
    standby.hears("standby   has no journal yet");
    tokio::time::sleep(3 * LEASE).await;
    let status = deployment.status("b");
    assert!(status.contains("neither leads nor follows"), "{status}");
    // The old primary has everything, and leads again as soon as it is back.
    let primary = deployment.start("standby", "a").serves();
    deployment.wait_for("a", &["follower b: connected, in sync"]);
    primary.running.kill();
    let standby = standby.serves();
    assert_nothing_lost(&standby.admin().await, &reports).await;
    end([standby]);
    assert_whole(&deployment, "b");
}

/// Hears events as a client does which goes on, on whatever primary there is, behind the last that it has heard.
#[derive(Default)]
struct Listener {
    after: Option<EventPosition>,
    /// Number and place of each event, as they came.
    heard: Vec<(u64, u32)>,
}

impl Listener {
    /// Until the stream ends, or has come to `end`.
    async fn listen(mut self, client: Client, end: Option<EventPosition>) -> Self {
        let mut stream = client.events(self.after, EventFilter::default());
        while let Ok(event) = stream.step_once().await {
            let position = event.and_then(|event| event.position);
            self.heard.extend(position.map(|at| (at.seq, at.ordinal)));
            self.after = stream.position();
            if end
                .zip(self.after)
                .is_some_and(|(end, at)| (at.seq, at.ordinal) >= (end.seq, end.ordinal))
            {
                break;
            }
        }
        self
    }
}

/// Kills the primary or the standby, in the middle of orders, as often as `rounds` says.
async fn kill_in_turn(rounds: u64) {
    let Some(etcd) = Etcd::start() else { return };
    let mut random = Random::from_environment("--test failover");
    let levels = [("a", "replica"), ("b", "replica")];
    let (deployment, nodes) = in_sync(&levels, Some(&etcd));
    let [mut leads, mut follows] = <[Node; 2]>::try_from(nodes).ok().expect("two");
    let (mut all, mut listener) = (Vec::new(), Listener::default());
    for round in 0..rounds {
        let name = follows.name.clone();
        deployment.wait_for(&leads.name, &[&format!("follower {name}: connected, in sync")]);
        let _market = market(&leads).await;
        let told = Told::default();
        let mut tasks = trading(&leads, round * 4, &told);
        let listening = tokio::spawn(listener.listen(leads.admin().await, None));
        wait_for_more(&told).await;
        let span = Duration::from_millis(random.below(600));
        tokio::time::sleep(span).await;
        if random.below(3) == 0 {
            println!("round {round}: the standby '{name}' is killed after {span:?}");
            follows.running.kill();
            assert_silence(&told, Duration::from_millis(100)).await;
            follows = deployment.start("standby", &name);
            wait_for_more(&told).await;
        }
        println!("round {round}: the primary '{}' is killed", leads.name);
        let name = leads.name.clone();
        leads.running.kill();
        // Back within its lease it would lead again. The other serves once it is followed.
        deployment.wait_for(&follows.name, &[&format!("node {}: primary", follows.name)]);
        let again = deployment.start("standby", &name);
        (leads, follows) = (follows.serves(), again);
        all.extend(settled(&mut tasks, &told).await);
        listener = listening.await.expect("no panic");
        assert_known(&leads.admin().await, &all).await;
    }
    assert!(all.len() > 50, "only {} were acknowledged", all.len());
    deployment.wait_for(&leads.name, &[&format!("follower {}: connected, in sync", follows.name)]);
    let client = leads.admin().await;
    let last = client.get_status(GetStatusRequest {}).await.expect("an answer").last_event;
    let went_on = listener.listen(client.clone(), last).await.heard;
    let at_once = Listener::default().listen(client, last).await.heard;
    assert!(went_on.is_sorted_by(|one, next| one < next), "repeated");
    let missing = at_once.iter().find(|at| went_on.binary_search(at).is_err());
    assert!(missing.is_none(), "{missing:?} is missing in what a client heard that went on");
    assert!(went_on.len() == at_once.len() && went_on.len() > 100, "{} events", went_on.len());
    end([leads, follows]);
    println!("{rounds} rounds, {} acknowledgements, none lost", all.len());
    assert_eq!(assert_whole(&deployment, "a"), assert_whole(&deployment, "b"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_nothing_that_was_acknowledged_is_lost() {
    kill_in_turn(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "deep: kills primary and standby as often as ROUNDS says"]
async fn killed_again_and_again() {
    let rounds = std::env::var("ROUNDS").ok().map(|text| text.parse().expect("a number"));
    kill_in_turn(rounds.unwrap_or(20)).await;
}
