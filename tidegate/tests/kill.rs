//! A human stops everything: by a file when nothing else works, by a call, from the command line; and it stays stopped.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::pair::{PATIENCE, Pair, open, order, quoted, until_up};
use support::{ADMIN, OFFICER, Place, Server, TRADER, run, scope, text};
use tidegate_client::proto::{
    GetStatusRequest, KillRequest, ListOrdersRequest, ListRoutesRequest, OrderReport, RouteLink,
    Side, SubmitOrderRequest,
};
use tidegate_client::{Client, EventFilter};
use tokio::time::sleep;

/// A server with a quoted market and one account.
fn place(more: &str) -> Place {
    Place::new(&format!("{}{more}", Place::account(1)))
}

fn kill_file(place: &Place) -> PathBuf {
    place.journal().join("KILL")
}

/// Makes something at a path.
type Make = fn(&Path);

/// What lies in a folder under a name that begins so.
fn beginning(folder: &Path, begin: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    let is_one = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))
    };
    paths.filter(is_one).collect()
}

/// Waits until nothing lies at `path`.
fn until_gone(path: &Path) {
    let deadline = Instant::now() + PATIENCE;
    while path.symlink_metadata().is_ok() {
        assert!(Instant::now() < deadline, "{} still lies there", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends an order that rests far below the market.
async fn rest(client: &Client, name: &str) -> OrderReport {
    client.submit(order(name.into(), Side::Buy, 900)).await.expect("answered")
}

/// Fails unless an order is refused by a kill switch.
#[track_caller]
fn is_killed(report: &OrderReport) {
    let reject = report.reject.as_ref().unwrap_or_else(|| panic!("it passed: {report:?}"));
    assert_eq!(reject.code, "kill_switch", "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_stops_the_firm_and_a_killed_server_stays_stopped() {
    let place = place("");
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    assert_eq!(rest(&client, "before").await.reject, None);
    assert_eq!(open(&client, 1).await.len(), 1);

    std::fs::write(kill_file(&place), "firm it runs wild\n").expect("written");
    until_gone(&kill_file(&place));
    // Renamed means that it is in force: the canceled order is told by the edge a moment later at most.
    is_killed(&rest(&client, "after").await);
    assert!(open(&client, 1).await.is_empty());
    let done = beginning(&place.journal(), "KILL.done-");
    assert_eq!(done.len(), 1, "{done:?}");
    server.kill();

    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    is_killed(&rest(&client, "again").await);
    let said = server.stop("TERM");
    assert!(!said.stderr.contains("KILL firm"), "obeyed twice: {said:#?}");
    said.ok();
    run(&["journal", "verify", text(&place.journal())]).ok();
    run(&["replay", text(&place.journal())]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_there_is_obeyed_before_the_edge_listens() {
    let place = place("");
    std::fs::create_dir_all(place.journal()).expect("made");
    // No end of a line: whoever writes it may not be done.
    std::fs::write(kill_file(&place), "").expect("written");
    let server = Server::start(&place);
    assert!(!kill_file(&place).exists(), "it was obeyed");
    let (_market, client) = quoted(&server).await;
    is_killed(&rest(&client, "first").await);
    server.stop("TERM").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_lies_there_stops_the_firm() {
    let hostile: [(&str, Make); 8] = [
        ("it is no regular file", |at| std::fs::create_dir(at).expect("made")),
        ("it is no regular file", |at| {
            std::fs::create_dir(at).expect("made");
            std::fs::write(at.join("inside"), "x").expect("written");
        }),
        ("it is too long", |at| {
            // Far more than there is memory; no block of it is on disk.
            let file = std::fs::File::create(at).expect("made");
            file.set_len(1 << 40).expect("a file with a hole");
        }),
        ("it is not text", |at| std::fs::write(at, [0xff; 64]).expect("written")),
        ("symbolic links", |at| symlink(at, at).expect("made")),
        ("No such file", |at| symlink("/nowhere/at/all", at).expect("made")),
        ("it is no regular file", |at| symlink("/dev/zero", at).expect("made")),
        ("it is no regular file", |at| {
            assert!(Command::new("mkfifo").arg(at).status().expect("it runs").success());
        }),
    ];
    let place = place("");
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    assert_eq!(rest(&client, "before").await.reject, None);
    for (n, (_, make)) in hostile.iter().enumerate() {
        make(&kill_file(&place));
        until_gone(&kill_file(&place));
        assert_eq!(beginning(&place.journal(), "KILL.done-").len(), n + 1);
        is_killed(&rest(&client, &format!("after-{n}")).await);
    }
    // Whatever is written, and is no scope, stops the firm as well.
    let words = ["account:99999999\n", "instrument:NOWHERE\n", "stop", "firm\0\n", "reduce_only\n"];
    for words in words {
        std::fs::write(kill_file(&place), words).expect("written");
        until_gone(&kill_file(&place));
    }
    let said = server.stop("TERM").stderr;
    for (why, _) in hostile {
        assert!(said.contains(why), "'{why}' is not in {said}");
    }
    let told = said.lines().filter(|line| line.contains("KILL firm by ")).count();
    assert_eq!(told, hostile.len() + words.len(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_renamed_is_obeyed_once() {
    let name = "K".repeat(250);
    let place = place("");
    let path = place.dir.path().join(&name);
    place.configure(&format!("[risk]\nkill_file = '{}'\n{}", text(&path), Place::account(1)));
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    std::fs::write(&path, "firm\n").expect("written");
    let deadline = Instant::now() + PATIENCE;
    for n in 0.. {
        if rest(&client, &format!("try-{n}")).await.reject.is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "it is not obeyed");
    }
    // Time for fifty looks, and for one more attempt to rename it.
    std::thread::sleep(Duration::from_millis(1_200));
    let said = server.stop("TERM").stderr;
    assert_eq!(said.matches("KILL firm by ").count(), 1, "{said}");
    assert!((1..=3).contains(&said.matches("cannot be renamed").count()), "{said}");
}

#[test]
fn a_place_where_nobody_can_make_the_file_is_refused() {
    let place = place("");
    let path = place.dir.path().join("none/KILL");
    place.configure(&format!("[risk]\nkill_file = '{}'\n", text(&path)));
    let config = place.config();
    run(&["run", "--config", text(&config)])
        .refused(&["risk.kill_file", "its folder is not there"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_calls_the_server_and_falls_back_to_the_file() {
    let place = place("");
    let journal = place.journal();
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    assert_eq!(rest(&client, "before").await.reject, None);
    let killed =
        run(&["kill", "--addr", &server.addr, "--token", ADMIN, "--reason", "a test"]).ok();
    assert_eq!(killed, "KILL firm is in force: 1 open orders canceled\n");
    is_killed(&rest(&client, "after").await);
    // Nobody listens there; nobody may do it with that token.
    for (addr, token, why) in [
        ("127.0.0.1:1", ADMIN, "127.0.0.1:1"),
        (&server.addr, TRADER, "needs the token of a person with may_control"),
    ] {
        let call = ["kill", "account:1", "--addr", addr, "--token", token];
        run(&call).refused(&["KILL account:1 is not known to be in force", why, "--journal"]);
        let said = run(&[&call[..], &["--journal", text(&journal)]].concat()).ok();
        assert!(said.contains(why) && said.contains("is in force"), "{said}");
    }
    assert_eq!(beginning(&journal, "KILL").len(), 2, "two files were obeyed");
    let asked = ["--addr", "127.0.0.1:1", "--config"];
    let config = place.config();
    run(&[&["kill", "strategy:7"][..], &asked, &[text(&config)]].concat()).ok();
    server.kill();

    // Nobody obeys it, until a server starts.
    let by_file = ["kill", "--addr", "127.0.0.1:1", "--journal", text(&journal)];
    run(&by_file).refused(&["not known to be in force", "no server obeys it"]);
    run(&by_file).refused(&["is there already"]);
    let server = Server::start(&place);
    assert!(!kill_file(&place).exists(), "it was obeyed");
    server.stop("TERM").ok();
    let usage = run(&["kill", "desk:7"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(usage.stderr.contains("'desk:7' is no scope"), "{}", usage.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_is_stopped_alone_and_two_persons_let_it_go() {
    let place = place(&Place::account(2));
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let of = |account: u32, name: &str, side: Side, cents: u64| SubmitOrderRequest {
        account,
        ..order(name.into(), side, cents)
    };
    let send = async |order| client.submit(order).await.expect("answered");
    std::fs::write(kill_file(&place), "account:1 runs wild\n").expect("written");
    until_gone(&kill_file(&place));
    is_killed(&rest(&client, "one").await);
    // The other trades on, and holds something for what follows.
    assert_eq!(send(of(2, "taken", Side::Buy, 1_040)).await.cum_qty, "10");

    let officer = |args: &[&str], token: &str| {
        run(&[args, &["--addr", &server.addr, "--token", token]].concat())
    };
    // Until somebody else approves exactly that, nothing is released.
    let ask = ["kill", "--release", "account:1", "--reason", "the bug is fixed"];
    officer(&ask, TRADER).refused(&["may_control"]);
    let asked = officer(&ask, ADMIN).ok();
    assert!(asked.contains("release of account:1 is proposal 1"), "{asked}");
    is_killed(&rest(&client, "two").await);
    let shown = officer(&["risk", "approve", "1"], OFFICER);
    let shown = shown.refused(&["nothing was approved"]);
    let hash = shown.trim_end().rsplit(' ').next().expect("a hash").to_string();
    let approve = ["risk", "approve", "1", "--hash", &hash];
    officer(&approve, ADMIN).refused(&["same_person"]);
    officer(&approve, OFFICER).ok();
    assert_eq!(rest(&client, "three").await.reject, None);

    // What may still be reduced, and by no more than there is.
    let reduce = officer(&["kill", "account:2", "--reduce-only"], ADMIN).ok();
    assert!(reduce.starts_with("KILL account:2 is in force"), "{reduce}");
    is_killed(&send(of(2, "more", Side::Buy, 1_040)).await);
    let sold = send(of(2, "less", Side::Sell, 960)).await;
    assert_eq!((sold.reject, sold.cum_qty.as_str()), (None, "10"));
    is_killed(&send(of(2, "short", Side::Sell, 960)).await);

    std::fs::write(kill_file(&place), "instrument:ACME bad news\n").expect("written");
    until_gone(&kill_file(&place));
    is_killed(&rest(&client, "four").await);
    assert!(open(&client, 1).await.is_empty(), "what was open there is canceled");
    let said = server.stop("TERM").stderr;
    assert!(said.contains("KILL instrument:ACME by ") && !said.contains("KILL firm"), "{said}");
    run(&["replay", text(&place.journal())]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_nobody_reads_keeps_no_kill_out() {
    let place = place("");
    let config = place.config();
    let mut command = support::tidegate();
    command.args(["run", "--config", text(&config)]).env("TIDEGATE_LOG", "trace");
    // The edge says much of every call, into a pipe that soon is full.
    let mut server =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let stdout = BufReader::new(server.stdout.take().expect("piped"));
    let mut lines = stdout.lines().map(|line| line.expect("text"));
    let line = lines.find(|line| line.starts_with("gRPC")).expect("it serves");
    let addr = line.split_whitespace().nth(1).expect("a URL").to_string();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let call = async {
            let client = Client::connect(&addr, Some(ADMIN)).await?;
            client.get_status(GetStatusRequest {}).await
        };
        if tokio::time::timeout(Duration::from_secs(1), call).await.is_err() {
            break;
        }
        assert!(Instant::now() < deadline, "the edge answers on");
    }
    let journal = place.journal();
    for _ in 0..2 {
        let said = run(&["kill", "--addr", &addr, "--token", ADMIN, "--journal", text(&journal)]);
        let said = said.ok();
        assert!(said.contains("no answer within 1 s") && said.contains("is in force"), "{said}");
    }
    server.kill().expect("it runs");
    server.wait().expect("it is ours");
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    is_killed(&rest(&client, "after").await);
    server.stop("TERM").ok();
}

/// Streams of one connection, sessions at one time and connections of an edge, as it has them by default.
const STREAMS_PER_CONNECTION: usize = 128;
const SESSIONS: usize = 15;
const CONNECTIONS: usize = 256;
/// Connections that an edge keeps for its own machine.
const RESERVED: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_keeps_no_kill_out() {
    let place = place("");
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let earlier = server.admin().await;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(client.order_session().await.expect("a session is free").split());
    }
    assert!(client.order_session().await.is_err(), "every session is taken");
    // Every stream, and every connection.
    let mut streams = Vec::new();
    let mut connections = vec![server.admin().await];
    let is_full = 'full: loop {
        let holder = server.admin().await;
        for _ in 0..STREAMS_PER_CONNECTION - 1 {
            let filter = EventFilter { account: Some(4_000), ..Default::default() };
            let mut stream = holder.events(None, filter);
            if let Err(error) = stream.open().await {
                break 'full error.to_string();
            }
            streams.push(stream);
        }
        connections.push(holder);
    };
    assert!(is_full.contains("streams_max"), "{is_full}");
    while connections.len() < CONNECTIONS + RESERVED {
        let Ok(one) = Client::connect(&server.addr, Some(TRADER)).await else { break };
        if one.get_status(GetStatusRequest {}).await.is_err() {
            break;
        }
        connections.push(one);
    }
    println!("{} streams, {} connections", streams.len(), connections.len());
    let mut flood = Vec::new();
    // Every session sends as fast as it is taken, and others ask for an answer each.
    for (n, (mut sender, mut events)) in sessions.into_iter().enumerate() {
        flood.push(tokio::spawn(async move {
            for k in 0.. {
                if sender.submit(order(format!("s{n}-{k}"), Side::Buy, 900)).await.is_err() {
                    return;
                }
            }
        }));
        flood.push(tokio::spawn(async move { while let Ok(Some(_)) = events.next().await {} }));
    }
    for n in 0..64 {
        let client = client.clone();
        flood.push(tokio::spawn(async move {
            for k in 0.. {
                let _ = client.submit(order(format!("u{n}-{k}"), Side::Buy, 900)).await;
            }
        }));
    }
    let deadline = Instant::now() + PATIENCE;
    while earlier.get_status(GetStatusRequest {}).await.expect("an answer").seq < 5_000 {
        assert!(Instant::now() < deadline, "there is no flood");
        sleep(Duration::from_millis(10)).await;
    }

    let began = Instant::now();
    let request = KillRequest { scope: Some(scope(None)), ..Default::default() };
    let killed = earlier.kill(request).await.expect("an answer");
    println!("{} orders canceled after {:?}", killed.value, began.elapsed());
    assert_eq!(killed.reject, None);
    assert!(killed.value > 0);
    // No way is left for a new connection: the command takes the file.
    let journal = place.journal();
    let said =
        run(&["kill", "--addr", &server.addr, "--token", ADMIN, "--journal", text(&journal)]);
    assert!(said.ok().contains("is in force: the server has obeyed"));
    flood.iter().for_each(tokio::task::JoinHandle::abort);
    drop((streams, connections));
    assert!(open(&earlier, 1).await.is_empty());
    server.kill();
    run(&["replay", text(&journal)]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_while_the_route_is_away_reaches_the_orders_there_when_it_is_back() {
    let pair = Pair::new();
    let (far, near) = (Server::start(&pair.far), Server::start(&pair.near));
    let (_far_market, _) = quoted(&far).await;
    let (_near_market, near_client) = quoted(&near).await;
    until_up(&near_client).await;
    for name in ["one", "two"] {
        assert_eq!(rest(&near_client, name).await.reject, None);
    }
    let far_client = far.admin().await;
    let deadline = Instant::now() + PATIENCE;
    while open(&far_client, 7).await.len() < 2 {
        assert!(Instant::now() < deadline, "they do not arrive");
        sleep(Duration::from_millis(10)).await;
    }
    far.kill();
    loop {
        let routes = near_client.list_routes(ListRoutesRequest {}).await.expect("an answer").routes;
        if routes[0].state.is_some_and(|state| state.link() == RouteLink::Down) {
            break;
        }
        sleep(Duration::from_millis(10)).await;
    }

    let journal = pair.near.journal();
    run(&["kill", "--addr", "127.0.0.1:1", "--journal", text(&journal)]).ok();
    // The route says no before the switch is asked.
    assert!(rest(&near_client, "three").await.reject.is_some());

    // Its market is not there again: nothing here can have ended by a trade.
    let far = Server::start(&pair.far);
    let far_client = far.admin().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (here, there) = (open(&near_client, 1).await, open(&far_client, 7).await);
        if here.is_empty() && there.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "not canceled: here {here:#?} there {there:#?}");
        sleep(Duration::from_millis(20)).await;
    }
    is_killed(&rest(&near_client, "four").await);
    let all = ListOrdersRequest { account: Some(7), include_finished: true, ..Default::default() };
    let there = far_client.list_orders(all).await.expect("an answer").orders;
    assert_eq!(there.len(), 2, "nothing new has left: {there:#?}");
    near.stop("TERM").ok();
    far.stop("TERM").ok();
    run(&["replay", text(&journal)]).ok();
}
