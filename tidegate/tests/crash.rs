//! A server that is killed at any moment, and started again: nothing that anybody was told is lost or changed.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::market::{Market, SYMBOL, book_with, levels};
use support::{Place, Random, Server, run, spawn, text};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::event_service_client::EventServiceClient;
use tidegate_client::proto::get_order_request::Order as Asked;
use tidegate_client::proto::order_event::Event as Heard;
use tidegate_client::proto::stream_events_response::Step;
use tidegate_client::proto::{
    CancelOrderRequest, Event, EventPosition, ExecType, GetBookRequest, GetOrderRequest,
    ListOrdersRequest, OrderReport, OrderType, Side, StreamEventsRequest, SubmitOrderRequest,
    TimeInForce, cancel_order_request,
};
use tidegate_client::{Client, EventFilter, OrderRef, ReleaseLevel};
use tidegate_journal::synced;
use tokio::task::{JoinError, JoinSet};
use tonic::transport::{Channel, Endpoint};

/// Kills in a row, on one journal.
const ROUNDS: u64 = 5;
/// Connections without traffic are probed each 10 s, and given up 20 s later.
const NOTICED_WITHIN: Duration = Duration::from_secs(45);
/// The accounts that trade, each in a task of its own.
const ACCOUNTS: [u32; 3] = [1, 2, 3];

/// What a client knows for sure: a report that it was given.
type Told = Arc<Mutex<Vec<OrderReport>>>;

fn at(event: &Event) -> (u64, u32) {
    let position = event.position.expect("every event has a position");
    (position.seq, position.ordinal)
}

fn report_of(event: &Event) -> Option<&OrderReport> {
    match &event.body {
        Some(Body::Execution(report) | Body::CancelReject(report)) => Some(report),
        _ => None,
    }
}

/// The bare event service, which shows ends of streams that the client's own streams hide.
async fn event_service(addr: &str) -> Result<EventServiceClient<Channel>, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(addr.to_string())?
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(10));
    Ok(EventServiceClient::new(endpoint.connect().await?))
}

/// Every event after `after` that is there now.
async fn history(addr: &str, after: Option<EventPosition>) -> Vec<Event> {
    let mut service = event_service(addr).await.expect("a connection");
    let request = StreamEventsRequest { after, stop_at_end: true, ..Default::default() };
    let mut stream = service.stream_events(request).await.expect("a stream").into_inner();
    let mut events = Vec::new();
    while let Some(message) = stream.message().await.expect("a whole stream") {
        if let Some(Step::Event(event)) = message.step {
            events.push(event);
        }
    }
    events
}

/// Records every event live, for as long as the server lives.
async fn record(addr: String, heard: Arc<Mutex<Vec<Event>>>) {
    let Ok(mut service) = event_service(&addr).await else { return };
    let Ok(stream) = service.stream_events(StreamEventsRequest::default()).await else { return };
    let mut stream = stream.into_inner();
    while let Ok(Some(message)) = stream.message().await {
        if let Some(Step::Event(event)) = message.step {
            heard.lock().expect("no panic").push(event);
        }
    }
}

/// Best bid and offer in cents, if there are both.
async fn touch(client: &Client, symbol: &str) -> Option<(u64, u64)> {
    let request = GetBookRequest { symbol: symbol.into(), depth: 1 };
    let book = client.get_book(request).await.ok()?;
    let cents = |text: &str| text.replace('.', "").parse::<u64>().expect("a price") / 100;
    Some((cents(&book.bids.first()?.price), cents(&book.asks.first()?.price)))
}

fn order(account: u32, symbol: &str, name: String, side: Side, cents: u64) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account,
        symbol: symbol.into(),
        client_order_id: name,
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: "10".into(),
        price: format!("{}.{:02}", cents / 100, cents % 100),
        ..Default::default()
    }
}

/// Orders at and around the touch, and cancels, one call after the other, until the server is gone.
async fn trade(addr: String, account: u32, symbol: String, round: u64, told: Told) {
    let Ok(client) = Client::connect(&addr, Some(support::TRADER)).await else { return };
    let mut open = Vec::new();
    for n in 0u64.. {
        let Some((bid, ask)) = touch(&client, &symbol).await else {
            // No quotes yet, or no server any more.
            if client.get_status(Default::default()).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let (side, cents) = match n % 4 {
            0 => (Side::Buy, ask),
            1 => (Side::Sell, ask),
            2 => (Side::Sell, bid),
            _ => (Side::Buy, bid - 2),
        };
        let name = format!("r{round}a{account}n{n}");
        match client.submit(order(account, &symbol, name, side, cents)).await {
            Ok(report) => {
                open.push(report.order_id);
                told.lock().expect("no panic").push(report);
            }
            Err(_) => return,
        }
        if n % 3 == 2 {
            let id = open.swap_remove((n as usize * 7) % open.len());
            let order = Some(cancel_order_request::Order::OrderId(id));
            match client.cancel(CancelOrderRequest { account, order }).await {
                Ok(report) => told.lock().expect("no panic").push(report),
                Err(_) => return,
            }
        }
    }
}

/// The same over a session, without waiting for answers.
async fn trade_over_session(addr: String, account: u32, symbol: String, round: u64, told: Told) {
    let client = Client::connect(&addr, Some(support::TRADER)).await.expect("a connection");
    let (mut sender, mut events) = client.order_session().await.expect("a session is free").split();
    let hearing = tokio::spawn(async move {
        while let Ok(Some(heard)) = events.next().await {
            if let Heard::Engine(event) = heard
                && let Some(report) = report_of(&event)
            {
                told.lock().expect("no panic").push(report.clone());
            }
        }
    });
    let mut n = 0;
    while !hearing.is_finished() {
        n += 1;
        if let Some((bid, ask)) = touch(&client, &symbol).await {
            let name = format!("r{round}s{account}n{n}");
            let (side, cents) = if n % 2 == 0 { (Side::Buy, ask) } else { (Side::Sell, bid) };
            if sender.submit(order(account, &symbol, name.clone(), side, cents)).await.is_err() {
                break;
            }
            if n % 5 == 0 && sender.cancel(account, OrderRef::ClientId(name)).await.is_err() {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(sender);
    hearing.await.expect("no panic");
}

/// The next task that ends; a client must notice within [`NOTICED_WITHIN`] that its server is gone.
async fn join_next(tasks: &mut JoinSet<()>) -> Option<Result<(), JoinError>> {
    tokio::time::timeout(NOTICED_WITHIN, tasks.join_next())
        .await
        .expect("every client notices that its server is gone")
}

/// The positions ascend strictly: nothing comes twice.
fn assert_ascending(events: &[Event]) {
    for pair in events.windows(2) {
        assert!(at(&pair[0]) < at(&pair[1]), "{:?} then {:?}", at(&pair[0]), at(&pair[1]));
    }
}

/// Everything that was told is in the history as it was told, and the server still knows each order with its fills.
async fn assert_nothing_lost(client: &Client, history: &[Event], told: &[OrderReport]) {
    let by_position: BTreeMap<_, _> = history.iter().map(|event| (at(event), event)).collect();
    let mut filled = BTreeMap::<u64, u64>::new();
    for report in history.iter().filter_map(report_of) {
        if report.exec_type() == ExecType::Trade {
            let qty: u64 = report.last_qty.parse().expect("whole shares");
            *filled.entry(report.order_id).or_default() += qty;
        }
    }
    for report in told {
        let position = report.position.expect("a report has a position");
        let event = by_position
            .get(&(position.seq, position.ordinal))
            .unwrap_or_else(|| panic!("lost: {report:?}"));
        // What an answer waited for is about the answer.
        let told = OrderReport { release_level: 0, ..report.clone() };
        assert_eq!(report_of(event), Some(&told), "told otherwise");
    }
    // One request an order: several reports are about the same.
    let orders: BTreeMap<_, _> = told
        .iter()
        .filter(|report| report.order_id != 0 && report.exec_type() != ExecType::Rejected)
        .map(|report| (report.order_id, report))
        .collect();
    for (id, report) in orders {
        let request = GetOrderRequest { account: report.account, order: Some(Asked::OrderId(id)) };
        let now = client.get_order(request).await.unwrap_or_else(|error| {
            panic!("order {id} was acknowledged, and is not there: {error}")
        });
        let now = now.report.expect("a report");
        assert_eq!(now.client_order_id, report.client_order_id);
        let executed: u64 = now.cum_qty.parse().expect("whole shares");
        assert_eq!(executed, filled.get(&id).copied().unwrap_or(0), "fills of {now:?}");
        assert!(executed >= report.cum_qty.parse().expect("whole shares"), "{now:?} {report:?}");
    }
}

/// `journal verify` and `replay` find nothing wrong; the state hash that the replay reached.
fn assert_whole(journal: &Path) -> String {
    let verified = run(&["journal", "verify", text(journal)]).ok();
    assert!(verified.contains(": whole"), "{verified}");
    let replayed = run(&["replay", text(journal), "--json"]).ok();
    let replayed: serde_json::Value = serde_json::from_str(&replayed).expect("one line of JSON");
    replayed["state_hash"].as_str().expect("a hash").to_string()
}

/// The records of the event log, without their places in files.
fn exported(events: &Path) -> Vec<String> {
    let text = run(&["journal", "export", text(events), "--format", "jsonl", "--kind", "event"]);
    let without_place = |line: &str| {
        let mut record: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let fields = record.as_object_mut().expect("an object");
        fields.remove("segment").expect("a segment");
        fields.remove("offset").expect("an offset");
        record.to_string()
    };
    text.ok().lines().map(without_place).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_told_is_lost() {
    kill_at_any_moment(ReleaseLevel::Process).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_everything_told_at_power_is_on_disk() {
    kill_at_any_moment(ReleaseLevel::Power).await;
}

async fn kill_at_any_moment(level: ReleaseLevel) {
    let mut random = Random::from_environment("--test crash");
    let release = format!("release = \"{level}\"");
    let place = Place::with_journal(&release, &ACCOUNTS.map(Place::account).concat());
    let session = place.dir.path().join("session.itch");
    let seed = random.below(1_000_000).to_string();
    run(&[
        "gen",
        "--seed",
        &seed,
        "--symbols",
        "3",
        "--duration",
        "30",
        "--rate",
        "500",
        "-o",
        text(&session),
    ])
    .ok();
    let told = Told::default();
    let mut before: Vec<Event> = Vec::new();

    for round in 0..ROUNDS {
        let server = Server::start(&place);
        let client = server.admin().await;

        // What was recorded up to the last kill is where the history begins.
        let now = history(&server.addr, None).await;
        assert_ascending(&now);
        assert!(now.len() >= before.len(), "{} events, {} were told", now.len(), before.len());
        for (was, is) in before.iter().zip(&now) {
            assert_eq!(was, is, "an event changed");
        }
        // Resuming anywhere goes on right there.
        for _ in 0..5 {
            let from = random.below(now.len() as u64) as usize;
            let rest = history(&server.addr, now[from].position).await;
            assert_eq!(rest.first().map(at), now.get(from + 1).map(at), "after event {from}");
            let known = now.len() - from - 1;
            assert!(rest.len() >= known && rest[..known] == now[from + 1..], "after event {from}");
        }
        let told_before = told.lock().expect("no panic").clone();
        assert_nothing_lost(&client, &now, &told_before).await;

        let line = server.line.to_string();
        let feed = spawn(&["feed", "serve", text(&session), "--to", &line, "--speed", "2"]);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(record(server.addr.clone(), Arc::clone(&heard)));
        for account in ACCOUNTS {
            let symbol = ["TIDE", "GATE", "EBBS"][account as usize % 3].to_string();
            let (addr, told) = (server.addr.clone(), Arc::clone(&told));
            if account == 3 {
                tasks.spawn(trade_over_session(addr, account, symbol, round, told));
            } else {
                tasks.spawn(trade(addr, account, symbol, round, told));
            }
        }
        tokio::time::sleep(Duration::from_millis(500 + random.below(900))).await;
        server.kill();
        drop(feed);
        while let Some(done) = join_next(&mut tasks).await {
            done.expect("no panic");
        }
        before = std::mem::take(&mut *heard.lock().expect("no panic"));
        if level == ReleaseLevel::Power {
            // What the disk is known to hold goes as far as whatever anybody was told.
            let synced = synced::read(&place.journal()).expect("readable").expect("it is there");
            let told = told.lock().expect("no panic");
            let told = told.iter().filter_map(|report| report.position).map(|at| at.seq);
            let heard = before.iter().map(|event| at(event).0);
            let last = told.chain(heard).max().expect("something was told");
            assert!(last <= synced.seq.0, "{last} was told, {} is synced", synced.seq);
        }
        assert_whole(&place.journal());
    }

    // The rounds would prove little if nothing had happened in them.
    let told = std::mem::take(&mut *told.lock().expect("no panic"));
    let trades = told.iter().filter(|report| report.exec_type() == ExecType::Trade).count();
    println!("{} reports told, {trades} of them fills; {} events", told.len(), before.len());
    assert!(told.len() > 100 && trades > 10, "{} reports, {trades} fills", told.len());

    let server = Server::start(&place);
    assert_nothing_lost(&server.admin().await, &history(&server.addr, None).await, &told).await;
    server.stop("TERM").ok();

    // The event log is derived: from nothing but the journal it comes out the same.
    let kept = exported(&place.events());
    std::fs::remove_dir_all(place.events()).expect("the event log can be removed");
    let server = Server::start(&place);
    let rebuilt_live = history(&server.addr, None).await;
    assert_ascending(&rebuilt_live);
    for (was, is) in before.iter().zip(&rebuilt_live) {
        assert_eq!(was, is, "an event changed");
    }
    server.stop("TERM").ok();
    let rebuilt = exported(&place.events());
    assert!(rebuilt.len() >= kept.len(), "{} of {} events", rebuilt.len(), kept.len());
    for (was, is) in kept.iter().zip(&rebuilt) {
        assert_eq!(was, is, "a rebuilt event differs");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_cancels_orders_and_seals_the_journal() {
    let place = Place::new(&ACCOUNTS.map(Place::account).concat());
    for (round, signal) in ["TERM", "INT"].into_iter().enumerate() {
        let server = Server::start(&place);
        let client = server.admin().await;
        let _market = Market::quoted(server.line);
        book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
        // One that rests, and clients that go on sending while the server stops.
        let resting = order(1, SYMBOL, format!("rest-{signal}"), Side::Buy, 990);
        let resting = client.submit(resting).await.expect("an answer");
        assert_eq!(resting.reject, None);
        let mut tasks = JoinSet::new();
        for account in ACCOUNTS {
            let (addr, told) = (server.addr.clone(), Told::default());
            tasks.spawn(trade(addr, account, SYMBOL.into(), round as u64, told));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        let said = tokio::task::spawn_blocking(move || server.stop(signal)).await;
        let said = said.expect("no panic").ok();
        while let Some(done) = join_next(&mut tasks).await {
            done.expect("no panic");
        }
        let stopped = said.lines().last().expect("a last line");
        assert!(stopped.starts_with("stopped "), "{said}");
        assert!(stopped.ends_with(&assert_whole(&place.journal())), "{stopped}");
        let verified = run(&["journal", "verify", text(&place.journal())]).ok();
        assert_eq!(verified.matches("closed in order").count(), 2, "{verified}");

        let server = Server::start(&place);
        let client = server.admin().await;
        let open = client.list_orders(ListOrdersRequest::default()).await.expect("an answer");
        assert_eq!(open.orders, [], "{signal}: orders are still open");
        server.stop(signal).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_that_begins_again_makes_the_same_book() {
    let place = Place::new("");
    let want = (vec![("10.0000", "60")], vec![("10.0200", "500")]);
    for _ in 0..3 {
        let server = Server::start(&place);
        let client = server.admin().await;
        let mut market = Market::open(server.line);
        market.add(1, b'B', 1_000, 100);
        market.add(2, b'B', 999, 100);
        market.execute(1, 40);
        market.delete(2);
        market.add(3, b'S', 1_002, 500);
        let book = book_with(&client, SYMBOL, |book| !book.asks.is_empty()).await;
        assert_eq!((levels(&book.bids), levels(&book.asks)), want);
        server.kill();
    }
    assert_whole(&place.journal());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_s_stream_goes_on_over_a_kill() {
    let place = Place::new(&Place::account(1));
    let server = Server::start(&place);
    let last = history(&server.addr, None).await.pop().expect("set-up makes events");
    server.kill();
    let server = Server::start(&place);
    let client = server.admin().await;
    let mut stream = client.events(last.position, EventFilter::default());
    let next = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    let next = next.expect("in time").expect("an event");
    assert!(at(&next) > at(&last), "{next:?}");
}
