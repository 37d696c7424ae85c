//! The live route between two real processes: orders there and back, and either side killed at any moment. Nothing is lost,
//! nothing is doubled, and positions are equal once the two have reconciled.

mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use support::market::{Market, SYMBOL, book_with};
use support::{Place, Random, Server, TRADER, run, text};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    CancelOrderRequest, ExecType, GetStatusRequest, ListOrdersRequest, ListPositionsRequest,
    OrderReport, OrderType, Side, SubmitOrderRequest, TimeInForce, cancel_order_request,
};
use tidegate_client::{Client, EventFilter};
use tokio::time::sleep;

/// Kills in a row, of either side in turn.
const ROUNDS: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(60);

/// A routing engine, and the engine with the paper venue that it routes to.
struct Pair {
    near: Place,
    far: Place,
}

impl Pair {
    fn new() -> Self {
        // The far side keeps its port over a restart.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr());
        let port = port.expect("a free port").port();
        let far = Place::new(&Place::account(7));
        let config = std::fs::read_to_string(far.config()).expect("it was written");
        let config = config.replace(
            "listen = \"127.0.0.1:0\"\n[[edge",
            &format!("listen = \"127.0.0.1:{port}\"\n[[edge"),
        );
        assert!(config.contains(&format!(":{port}")), "{config}");
        std::fs::write(far.config(), config).expect("it is written");
        let near = Place::new(&format!(
            r#"{}
[[instruments]]
symbol = "{SYMBOL}"
route = "far"
[[routes]]
name = "far"
venue = "tidegate"
address = "http://127.0.0.1:{port}"
token = "{TRADER}"
account = 7
settle_ms = 100
timeout_ms = 2000
requests_per_sec = 10000
"#,
            Place::account(1)
        ));
        Self { near, far }
    }
}

fn order(name: String, side: Side, cents: u64) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account: 1,
        symbol: SYMBOL.into(),
        client_order_id: name,
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: "10".into(),
        price: format!("{}.{:02}", cents / 100, cents % 100),
        cancel_on_disconnect: false,
    }
}

async fn position(client: &Client, account: u32) -> String {
    let request = ListPositionsRequest { account: Some(account), ..Default::default() };
    let told = client.list_positions(request).await.expect("an answer");
    told.positions.first().map_or("0".into(), |held| held.qty.clone())
}

async fn open(client: &Client, account: u32) -> Vec<OrderReport> {
    let request = ListOrdersRequest { account: Some(account), ..Default::default() };
    client.list_orders(request).await.expect("an answer").orders
}

/// Every execution of an account, told once each: order name or number, CumQty.
async fn executions(client: &Client, account: u32) -> Vec<(String, String)> {
    let end = client.get_status(GetStatusRequest {}).await.expect("an answer").last_event;
    let end = end.expect("there are events");
    let filter = EventFilter { account: Some(account), ..Default::default() };
    let mut stream = client.events(None, filter);
    let mut found = Vec::new();
    loop {
        if let Some(event) = stream.step_once().await.expect("a stream")
            && let Some(Body::Execution(report)) = event.body
            && report.exec_type() == ExecType::Trade
        {
            found.push((report.client_order_id, report.cum_qty));
        }
        let at = stream.position().expect("it has begun");
        if (at.seq, at.ordinal) >= (end.seq, end.ordinal) {
            return found;
        }
    }
}

/// Waits until the route takes orders: one that is far from the market, and its cancel.
async fn until_up(client: &Client, name: &str) {
    let deadline = Instant::now() + PATIENCE;
    for n in 0.. {
        let probe = order(format!("{name}-probe-{n}"), Side::Buy, 950);
        let told = client.submit(probe).await.expect("an answer");
        let Some(reject) = told.reject else {
            cancel(client, told.order_id).await;
            return;
        };
        assert!(["route_down", "no_reference_price"].contains(&reject.code.as_str()), "{reject:?}");
        assert!(Instant::now() < deadline, "the route does not come up: {reject:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn cancel(client: &Client, order_id: u64) {
    let order = Some(cancel_order_request::Order::OrderId(order_id));
    let _ = client.cancel(CancelOrderRequest { account: 1, order }).await;
}

/// Waits until nothing is open on either side and the positions are the same.
async fn until_equal(near: &Client, far: &Client) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open = (open(near, 1).await, open(far, 7).await);
        let held = (position(near, 1).await, position(far, 7).await);
        if open.0.is_empty() && open.1.is_empty() && held.0 == held.1 {
            return held.0;
        }
        assert!(Instant::now() < deadline, "they do not agree: {held:?} {open:#?}");
        for order in &open.0 {
            cancel(near, order.order_id).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Both sides with quotes on their feeds.
async fn quoted(server: &Server) -> (Market, Client) {
    let client = server.admin().await;
    let market = Market::quoted(server.line);
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    (market, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_there_and_back() {
    let pair = Pair::new();
    let (far, near) = (Server::start(&pair.far), Server::start(&pair.near));
    let (_far_market, far_client) = quoted(&far).await;
    let (_near_market, near_client) = quoted(&near).await;
    until_up(&near_client, "there").await;
    // Rests far below, and takes above the offer.
    let resting = near_client.submit(order("rest".into(), Side::Buy, 960)).await.expect("answered");
    assert_eq!(resting.reject, None);
    let taking =
        near_client.submit(order("take".into(), Side::Buy, 1_040)).await.expect("answered");
    assert_eq!(taking.reject, None);
    let deadline = Instant::now() + PATIENCE;
    while position(&near_client, 1).await != "10" {
        assert!(Instant::now() < deadline, "no fill: {:#?}", open(&near_client, 1).await);
        sleep(Duration::from_millis(10)).await;
    }
    cancel(&near_client, resting.order_id).await;
    assert_eq!(until_equal(&near_client, &far_client).await, "10");
    near.stop("TERM").ok();
    far.stop("TERM").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_side_is_killed_and_nothing_is_lost_or_doubled() {
    let mut random = Random::from_environment("either_side_is_killed");
    let pair = Pair::new();
    let (mut far, mut near) = (Server::start(&pair.far), Server::start(&pair.near));
    for round in 0..ROUNDS {
        let (_far_market, far_client) = quoted(&far).await;
        let (_near_market, near_client) = quoted(&near).await;
        until_up(&near_client, &format!("r{round}")).await;
        let sending = near_client.clone();
        let seed = random.below(1 << 30);
        let sender = tokio::spawn(async move {
            let mut random = Random::new(seed);
            for n in 0.. {
                let cents = 980 + random.below(60);
                let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
                let Ok(told) = sending.submit(order(format!("{round}-{n}"), side, cents)).await
                else {
                    return;
                };
                if random.below(3) == 0 && told.order_id != 0 {
                    cancel(&sending, told.order_id).await;
                }
                if told.reject.is_some() {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        });
        sleep(Duration::from_millis(50 + random.below(300))).await;
        if round % 2 == 0 {
            near.kill();
            near = Server::start(&pair.near);
        } else {
            far.kill();
            far = Server::start(&pair.far);
            sleep(Duration::from_millis(100)).await;
        }
        sender.abort();
        let _ = sender.await;
        let (_far_market, far_client) = match round % 2 {
            0 => (_far_market, far_client),
            _ => quoted(&far).await,
        };
        let (_near_market, near_client) = match round % 2 {
            0 => quoted(&near).await,
            _ => (_near_market, near_client),
        };
        until_up(&near_client, &format!("s{round}")).await;
        let held = until_equal(&near_client, &far_client).await;
        let (here, there) = (executions(&near_client, 1).await, executions(&far_client, 7).await);
        println!("round {round}: {held} held, {} executions", here.len());
        assert_eq!(here.len(), there.len(), "executions here and there");
        let mut once = BTreeMap::new();
        for execution in here {
            assert_eq!(once.insert(execution.clone(), ()), None, "booked twice: {execution:?}");
        }
    }
    near.kill();
    far.kill();
    for place in [&pair.near, &pair.far] {
        run(&["journal", "verify", text(&place.journal())]).ok();
        run(&["replay", text(&place.journal())]).ok();
    }
}
