//! Two servers, one of which routes to the other.

use super::market::{Market, SYMBOL, book_with};
use super::{Place, Server, TRADER};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    CancelOrderRequest, ExecType, GetBookRequest, GetStatusRequest, ListOrdersRequest,
    ListPositionsRequest, ListRoutesRequest, OrderReport, OrderType, RouteLink, Side,
    SubmitOrderRequest, TimeInForce, cancel_order_request,
};
use tidegate_client::{Client, EventFilter};
use tokio::time::sleep;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A routing engine, and the engine with the paper venue that it routes to.
pub struct Pair {
    pub near: Place,
    pub far: Place,
}

impl Pair {
    pub fn new() -> Self {
        Self::through(|far| far)
    }

    /// A pair whose near side connects to what `between` makes of the far side's port.
    pub fn through(between: impl FnOnce(u16) -> u16) -> Self {
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
        let port = between(port);
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

pub fn order(name: String, side: Side, cents: u64) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account: 1,
        symbol: SYMBOL.into(),
        client_order_id: name,
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: "10".into(),
        price: format!("{}.{:02}", cents / 100, cents % 100),
        ..Default::default()
    }
}

pub async fn position(client: &Client, account: u32) -> String {
    let request = ListPositionsRequest { account: Some(account), ..Default::default() };
    let told = client.list_positions(request).await.expect("an answer");
    told.positions.first().map_or("0".into(), |held| held.qty.clone())
}

pub async fn open(client: &Client, account: u32) -> Vec<OrderReport> {
    let request = ListOrdersRequest { account: Some(account), ..Default::default() };
    client.list_orders(request).await.expect("an answer").orders
}

/// Every execution of an account, told once each: order name or number, CumQty.
pub async fn executions(client: &Client, account: u32) -> Vec<(String, String)> {
    reports(client, account, ExecType::Trade).await
}

/// Every report of one kind of an account's orders: order name, CumQty.
pub async fn reports(client: &Client, account: u32, kind: ExecType) -> Vec<(String, String)> {
    let end = client.get_status(GetStatusRequest {}).await.expect("an answer").last_event;
    let end = end.expect("there are events");
    let filter = EventFilter { account: Some(account), ..Default::default() };
    let mut stream = client.events(None, filter);
    let mut found = Vec::new();
    loop {
        if let Some(event) = stream.step_once().await.expect("a stream")
            && let Some(Body::Execution(report)) = event.body
            && report.exec_type() == kind
        {
            found.push((report.client_order_id, report.cum_qty));
        }
        let at = stream.position().expect("it has begun");
        if (at.seq, at.ordinal) >= (end.seq, end.ordinal) {
            return found;
        }
    }
}

/// Waits until the route is up and the gate has a price to compare with.
pub async fn until_up(client: &Client) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let routes = client.list_routes(ListRoutesRequest {}).await.expect("an answer").routes;
        let book = GetBookRequest { symbol: SYMBOL.into(), depth: 1 };
        let book = client.get_book(book).await;
        let is_up = routes[0].state.is_some_and(|state| state.link() == RouteLink::Up);
        if is_up && book.is_ok_and(|book| !book.bids.is_empty()) {
            assert!(routes[0].blocked.is_empty(), "{routes:?}");
            return;
        }
        assert!(Instant::now() < deadline, "the route does not come up: {routes:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub async fn cancel(client: &Client, order_id: u64) {
    let order = Some(cancel_order_request::Order::OrderId(order_id));
    let _ = client.cancel(CancelOrderRequest { account: 1, order }).await;
}

/// Waits until nothing is open on either side and the positions are the same.
pub async fn until_equal(near: &Client, far: &Client) -> String {
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
pub async fn quoted(server: &Server) -> (Market, Client) {
    let client = server.admin().await;
    let market = Market::quoted(server.line);
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    (market, client)
}
