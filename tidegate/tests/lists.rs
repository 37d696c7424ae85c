//! Lists and parent orders over gRPC, with the server killed in the middle of them.

mod support;

use std::time::{Duration, Instant};
use support::market::{Market, SYMBOL, book_with};
use support::{Place, Server, run, text};
use tidegate_client::Client;
use tidegate_client::proto::get_order_request::Order as Asked;
use tidegate_client::proto::{
    Algorithm, CancelOrderRequest, Contingency, FlattenRequest, GetOrderRequest, ListOrderStatus,
    ListPositionsRequest, OrdStatus, OrderReport, OrderType, Side, SubmitAlgorithmRequest,
    SubmitListRequest, SubmitOrderRequest, TimeInForce, cancel_order_request,
};

fn limit(name: &str, side: Side, price: &str, qty: &str) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account: 1,
        symbol: SYMBOL.into(),
        client_order_id: name.into(),
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: qty.into(),
        price: price.into(),
        ..Default::default()
    }
}

/// Waits until an order is as it should be.
async fn order_with(
    client: &Client,
    name: &str,
    is_there: impl Fn(&OrderReport) -> bool,
) -> OrderReport {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut last = None;
    while Instant::now() < deadline {
        let order = Some(Asked::ClientOrderId(name.into()));
        let answer = client.get_order(GetOrderRequest { account: 1, order }).await;
        let report = answer.ok().and_then(|answer| answer.report);
        if let Some(report) = report.clone().filter(|report| is_there(report)) {
            return report;
        }
        last = report;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("order {name} did not become what it should be: {last:?}");
}

async fn position(client: &Client) -> String {
    let request = ListPositionsRequest { account: Some(1), ..Default::default() };
    let answer = client.list_positions(request).await.expect("an answer");
    answer.positions.first().map_or_else(|| "0".into(), |position| position.qty.clone())
}

/// A market that begins again, later by the feed's clock than it ever was.
fn later(server: &Server) -> Market {
    let mut market = Market::open(server.line);
    for _ in 0..50 {
        market.add(99, b'B', 900, 1);
        market.delete(99);
    }
    market
}

fn bracket() -> SubmitListRequest {
    let legs = vec![
        limit("entry", Side::Buy, "10.02", "600"),
        limit("target", Side::Sell, "10.05", "600"),
    ];
    SubmitListRequest { list_id: 7, contingency: Contingency::Bracket.into(), legs }
}

fn iceberg() -> SubmitAlgorithmRequest {
    SubmitAlgorithmRequest {
        parent: Some(limit("parent", Side::Buy, "9.90", "30")),
        algorithm: Algorithm::Iceberg.into(),
        slice_qty: "10".into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bracket_and_a_parent_go_on_after_a_kill() {
    let place = Place::new(&Place::account(1));
    let server = Server::start(&place);
    let client = server.admin().await;
    let _market = Market::quoted(server.line);
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;

    let taken = client.submit_list(bracket()).await.expect("an answer").list.expect("a list");
    assert_eq!((taken.list_id, taken.status()), (7, ListOrderStatus::Executing), "{taken:?}");
    order_with(&client, "entry", |entry| entry.cum_qty == "500").await;
    let target = order_with(&client, "target", |target| target.leaves_qty == "500").await;
    assert_eq!((target.qty.as_str(), target.parent_id), ("500", taken.first_order_id));
    let parent = client.algorithm(iceberg()).await.expect("an answer");
    assert_eq!((parent.reject.as_ref(), parent.client_order_id.as_str()), (None, "parent"));
    let child = format!("~{}.1", parent.order_id);
    order_with(&client, &child, |child| child.ord_status() == OrdStatus::New).await;
    server.kill();

    // In the middle: part of the entry executed, its exit as large as that, a child of the parent at work.
    let server = Server::start(&place);
    let client = server.admin().await;
    order_with(&client, "entry", |entry| entry.leaves_qty == "100").await;
    order_with(&client, "target", |target| target.leaves_qty == "500").await;
    order_with(&client, "parent", |parent| parent.leaves_qty == "30").await;
    // Sent again after the crash, the list is told how it stands, and is not entered twice.
    let again = client.submit_list(bracket()).await.expect("an answer").list.expect("a list");
    assert_eq!((again.first_order_id, again.reject), (taken.first_order_id, None));

    let mut market = later(&server);
    market.add(1, b'S', 1_002, 500);
    order_with(&client, "entry", |entry| entry.ord_status() == OrdStatus::Filled).await;
    order_with(&client, "target", |target| target.leaves_qty == "600").await;
    server.kill();

    let server = Server::start(&place);
    let client = server.admin().await;
    let mut market = later(&server);
    for _ in 0..60 {
        market.add(99, b'B', 900, 1);
        market.delete(99);
    }
    market.add(2, b'B', 1_005, 250);
    order_with(&client, "target", |target| target.leaves_qty == "350").await;
    assert_eq!(position(&client).await, "350");

    // The rest goes by hand, and the parent with it.
    let flatten = FlattenRequest { account: 1, symbol: SYMBOL.into(), ..Default::default() };
    market.add(3, b'B', 1_001, 1_000);
    market.add(4, b'S', 1_008, 500);
    book_with(&client, SYMBOL, |book| book.bids.len() == 2 && book.asks.len() == 1).await;
    assert_eq!(client.flatten(flatten).await.expect("an answer").reject, None);
    order_with(&client, "parent", |parent| parent.ord_status() == OrdStatus::Canceled).await;
    order_with(&client, &child, |child| child.ord_status() == OrdStatus::Canceled).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while position(&client).await != "0" {
        assert!(Instant::now() < deadline, "{} are left", position(&client).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop("TERM").ok();
    run(&["journal", "verify", text(&place.journal())]).ok();
    run(&["replay", text(&place.journal())]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_list_or_algorithm_says_which_field() {
    let place = Place::new(&Place::account(1));
    let server = Server::start(&place);
    let client = server.admin().await;
    let _market = Market::quoted(server.line);
    book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;

    type Spoil<T> = fn(&mut T);
    let lists: [(&str, Spoil<SubmitListRequest>); 5] = [
        ("contingency", |list| list.contingency = 9),
        ("list_id", |list| list.list_id = 0),
        ("legs", |list| list.legs.truncate(1)),
        ("account", |list| list.legs[1].account = 2),
        ("cancel_on_disconnect", |list| list.legs[1].cancel_on_disconnect = true),
    ];
    for (field, spoil) in lists {
        let mut list = bracket();
        spoil(&mut list);
        let error = client.submit_list(list).await.expect_err("malformed").to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    let parents: [(&str, Spoil<SubmitAlgorithmRequest>); 3] = [
        ("algorithm", |new| new.algorithm = 0),
        ("parent", |new| new.parent = None),
        ("slice_qty", |new| new.slice_qty = "1.5".into()),
    ];
    for (field, spoil) in parents {
        let mut new = iceberg();
        spoil(&mut new);
        let error = client.algorithm(new).await.expect_err("malformed").to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
    // What a rule refuses is an answer.
    let mut list = bracket();
    list.legs[1].qty = "500".into();
    let refused = client.submit_list(list).await.expect("an answer").list.expect("a list");
    assert_eq!(refused.status(), ListOrderStatus::Reject);
    assert!(refused.reject.expect("a reason").text.contains("600"));
    let order = Some(cancel_order_request::Order::ClientOrderId("entry".into()));
    let report = client.cancel(CancelOrderRequest { account: 1, order }).await.expect("an answer");
    assert!(report.reject.is_some(), "nothing of it is kept");
    server.stop("TERM").ok();
}
