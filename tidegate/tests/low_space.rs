//! A disk that gets full: what opens positions stops before there is no room, and goes on when two persons say so.

mod support;

use support::market::{Market, SYMBOL, book_with};
use support::{OFFICER, Place, Server, TRADER, run};
use tidegate_client::Client;
use tidegate_client::proto::{
    CancelOrderRequest, ListControlsRequest, OrdStatus, OrderType, RejectReason, Side,
    SubmitOrderRequest, TimeInForce, cancel_order_request,
};

fn order(name: &str, side: Side) -> SubmitOrderRequest {
    SubmitOrderRequest {
        account: 1,
        symbol: SYMBOL.into(),
        client_order_id: name.into(),
        side: side.into(),
        order_type: OrderType::Limit.into(),
        time_in_force: TimeInForce::Gtc.into(),
        qty: "10".into(),
        price: "9.90".into(),
        ..Default::default()
    }
}

/// A server with quotes, and a client that trades.
async fn start(place: &Place) -> (Server, Market, Client) {
    let server = Server::start(place);
    let admin = server.admin().await;
    let market = Market::quoted(server.line);
    book_with(&admin, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
    let trader = Client::connect(&server.addr, Some(TRADER)).await.expect("a connection");
    (server, market, trader)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn low_space_stops_what_opens_and_lets_cancels_pass() {
    let mut place = Place::with_journal("low_space_mib = 0", &Place::account(1));
    let (server, market, trader) = start(&place).await;
    let resting = trader.submit(order("before", Side::Buy)).await.expect("an answer");
    assert_eq!(resting.reject, None);
    server.kill();
    drop(market);

    // More than any disk has.
    place.journal_keys = "low_space_mib = 1073741824".into();
    place.configure(&Place::account(1));
    let (server, market, trader) = start(&place).await;
    let refused = trader.submit(order("low", Side::Buy)).await.expect("an answer");
    let reject = refused.reject.expect("it would open a position");
    assert_eq!(reject.reason(), RejectReason::ReduceOnly, "{reject:?}");
    let controls = trader.list_controls(ListControlsRequest::default()).await.expect("a page");
    let found = controls.controls.iter().find(|found| {
        found.control.as_ref().is_some_and(|control| control.reason == "low disk space")
    });
    assert!(found.is_some(), "{controls:?}");
    // What was open is open still, and can be canceled.
    let named = Some(cancel_order_request::Order::OrderId(resting.order_id));
    let cancel = CancelOrderRequest { account: 1, order: named };
    let canceled = trader.cancel(cancel).await.expect("an answer");
    assert_eq!(canceled.ord_status(), OrdStatus::Canceled, "{canceled:?}");
    let said = tokio::task::spawn_blocking(move || server.stop("TERM")).await;
    let said = said.expect("no panic").stderr;
    assert!(said.contains("low disk space") && said.contains("journal.low_space_mib"), "{said}");
    drop(market);

    // There is room again, and a second person agrees.
    place.journal_keys = "low_space_mib = 0".into();
    place.configure(&Place::account(1));
    let (server, _market, trader) = start(&place).await;
    let still = trader.submit(order("still", Side::Buy)).await.expect("an answer");
    assert!(still.reject.is_some(), "a restart lifts nothing");
    let addr = server.addr.clone();
    let risk = move |token: &str, words: &[&str]| {
        let server = ["--addr", addr.as_str(), "--token", token];
        run(&[&["risk"], words, &server].concat())
    };
    let lifted = tokio::task::spawn_blocking(move || {
        risk(support::ADMIN, &["clear", "firm", "reduce_only", "--reason", "room"]).ok();
        let shown = risk(OFFICER, &["approve", "1"]).stdout;
        let hash = shown.lines().find_map(|line| line.strip_prefix("hash"));
        let hash = hash.unwrap_or_else(|| panic!("no proposal: {shown}")).trim();
        risk(OFFICER, &["approve", "1", "--hash", hash]).ok()
    });
    lifted.await.expect("no panic");
    let passed = trader.submit(order("after", Side::Buy)).await.expect("an answer");
    assert_eq!(passed.reject, None);
    server.kill();
}
