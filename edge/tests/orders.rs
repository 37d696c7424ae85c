//! Orders through the edge and back, with a real engine behind it.

mod support;

use std::time::Duration;
use support::*;
use tidegate_client::proto::order_event::Event as Heard;
use tidegate_client::proto::*;
use tidegate_client::{Client, OrderRef};
use tidegate_model::Side as ModelSide;
use tonic::Code;

#[tokio::test]
async fn everything_that_changes_state_needs_a_token() {
    let mut house = House::new(config()).await;
    let order = house.order(Side::Buy, "100", "10.00");
    let stranger = Client::connect(&house.addr, None).await.expect("a connection");
    assert_eq!(failure(stranger.submit(order.clone()).await).0, Code::Unauthenticated);
    assert_eq!(failure(stranger.order_session().await).0, Code::Unauthenticated);
    assert_eq!(failure(stranger.day_roll(DayRollRequest {}).await).0, Code::Unauthenticated);
    let impostor = Client::connect(&house.addr, Some("trader-token-012345678")).await;
    let impostor = impostor.expect("a connection");
    assert_eq!(failure(impostor.submit(order.clone()).await).0, Code::Unauthenticated);
    // Not even reading, with a wrong token.
    assert_eq!(failure(impostor.instruments().await).0, Code::Unauthenticated);
    assert_eq!(stranger.instruments().await.expect("reading is free here").len(), 1);

    let trader = house.trader().await;
    assert_eq!(failure(trader.day_roll(DayRollRequest {}).await).0, Code::PermissionDenied);
    assert_eq!(trader.submit(order).await.expect("a report").ord_status(), OrdStatus::New);
    house.close().await;
}

#[tokio::test]
async fn an_order_that_is_sent_again_is_taken_once() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let order = house.order(Side::Buy, "100", "10.00");
    let first = trader.submit(order.clone()).await.expect("a report");
    let again = trader.submit(order.clone()).await.expect("a report");
    assert_eq!((again.order_id, again.ord_status()), (first.order_id, OrdStatus::New));
    assert_eq!((again.exec_type(), again.reject), (ExecType::OrderStatus, None));
    let other = SubmitOrderRequest { qty: "101".into(), ..order };
    let refused = trader.submit(other).await.expect("a report").reject.expect("a reject");
    assert_eq!(refused.reason(), RejectReason::DuplicateClientOrderId);
    let open = trader.list_orders(ListOrdersRequest::default()).await.expect("orders");
    assert_eq!(open.orders.len(), 1);
    house.close().await;
}

/// The last account that there can be, too.
#[tokio::test]
async fn accounts_are_listed_by_the_page() {
    let house = House::new(config()).await;
    for account in [131_071, 5] {
        house.open_account(account).await;
    }
    let trader = house.trader().await;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    for page in 0.. {
        let request = ListAccountsRequest { page_size: 2, page_token };
        let answer = trader.list_accounts(request).await.expect("accounts");
        assert!(answer.accounts.len() <= 2, "page {page}");
        found.extend(answer.accounts.iter().map(|account| account.account));
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(found, [ACCOUNT, 5, 131_071]);
    let all = trader.list_accounts(ListAccountsRequest::default()).await.expect("accounts");
    assert_eq!((all.accounts.len(), all.next_page_token.as_str()), (3, ""));
    for (page_size, page_token) in [(1_001, ""), (2, "x"), (2, "1-2")] {
        let request = ListAccountsRequest { page_size, page_token: page_token.into() };
        let (code, _) = failure(trader.list_accounts(request).await);
        assert_eq!(code, Code::InvalidArgument, "{page_size} {page_token}");
    }
    house.close().await;
}

#[tokio::test]
async fn an_order_is_answered_filled_and_found_again() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let resting = trader.submit(house.order(Side::Buy, "100", "10.00")).await.expect("a report");
    assert_eq!(resting.ord_status(), OrdStatus::New);
    assert_eq!((resting.qty.as_str(), resting.price.as_str()), ("100", "10.0000"));

    // The last word of the input that carried it is the answer: a taker is filled by then.
    let taken = trader.submit(house.order(Side::Buy, "200", "10.02")).await.expect("a report");
    assert_eq!(taken.ord_status(), OrdStatus::Filled);
    assert_eq!((taken.cum_qty.as_str(), taken.avg_price.as_str()), ("200", "10.0200"));

    let found = trader
        .get_order(GetOrderRequest {
            account: ACCOUNT,
            order: Some(get_order_request::Order::ClientOrderId("c1".into())),
        })
        .await
        .expect("an order");
    // An answer says what it has waited for; what is looked up later has waited for nothing.
    assert_eq!(resting.release_level(), ReleaseLevel::Process);
    let looked_up = OrderReport { release_level: 0, ..resting.clone() };
    assert_eq!(found.report, Some(looked_up));
    let open = trader.list_orders(ListOrdersRequest::default()).await.expect("orders");
    assert_eq!(open.orders.len(), 1);
    let all = ListOrdersRequest { include_finished: true, page_size: 1, ..Default::default() };
    let first = trader.list_orders(all.clone()).await.expect("orders");
    assert!(!first.next_page_token.is_empty());
    let rest = ListOrdersRequest { page_token: first.next_page_token, ..all };
    let rest = trader.list_orders(rest).await.expect("orders");
    assert_eq!((rest.orders.len(), rest.next_page_token.as_str()), (1, ""));

    // Bought 200 at 10.02, valued at the middle, 10.01.
    let positions = trader.list_positions(ListPositionsRequest::default()).await;
    let position = positions.expect("positions").positions.remove(0);
    assert_eq!((position.qty.as_str(), position.cost.as_str()), ("200", "2004.00"));
    assert_eq!((position.mark_price.as_str(), position.unrealised.as_str()), ("10.0100", "-2.00"));
    let account = trader.get_account(GetAccountRequest { account: ACCOUNT }).await;
    let account = account.expect("an answer").account.expect("an account");
    assert_eq!((account.cash.as_str(), account.deposits.as_str()), ("97996.00", "100000.00"));

    let order = OrderRef::Id(resting.order_id);
    let order = CancelOrderRequest { account: ACCOUNT, order: Some(order.into()) };
    let canceled = trader.cancel(order.clone()).await.expect("a report");
    assert_eq!(canceled.ord_status(), OrdStatus::Canceled);
    let again = trader.cancel(order).await.expect("a report").reject.expect("a reject");
    assert_eq!(again.reason(), RejectReason::TooLateToCancel);
    house.close().await;
}

#[tokio::test]
async fn malformed_requests_say_which_field_and_what_is_allowed() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let good = house.order(Side::Buy, "100", "10.00");
    type Spoil = fn(&mut SubmitOrderRequest);
    let cases: [(Spoil, Code, &str); 16] = [
        (
            |o| o.price = "10.005".into(),
            Code::InvalidArgument,
            "price: 10.005 is not a multiple of the tick 0.01",
        ),
        (|o| o.price = "ten".into(), Code::InvalidArgument, "price: 'ten' is not a decimal number"),
        (|o| o.price = "1e1".into(), Code::InvalidArgument, "price: '1e1' is not a decimal number"),
        (
            |o| o.price = "99999999999".into(),
            Code::InvalidArgument,
            "price: 99999999999 is out of range",
        ),
        (
            |o| o.price = String::new(),
            Code::InvalidArgument,
            "price: is empty; a limit order needs one",
        ),
        (
            |o| o.order_type = OrderType::Market.into(),
            Code::InvalidArgument,
            "price: must be empty for a market order",
        ),
        (|o| o.qty = "0".into(), Code::InvalidArgument, "qty: 0 is not above 0"),
        (|o| o.qty = "-5".into(), Code::InvalidArgument, "qty: -5 is negative"),
        (
            |o| o.qty = "1.5".into(),
            Code::InvalidArgument,
            "qty: 1.5 is not a multiple of the lot 1",
        ),
        (|o| o.side = 0, Code::InvalidArgument, "side: 0 is not allowed"),
        (|o| o.order_type = 99, Code::InvalidArgument, "order_type: 99 is not allowed"),
        (|o| o.time_in_force = -1, Code::InvalidArgument, "time_in_force: -1 is not allowed"),
        (
            |o| o.client_order_id = "a b".into(),
            Code::InvalidArgument,
            "client_order_id: has byte 0x20 at 1",
        ),
        (
            |o| o.client_order_id = "x".repeat(37),
            Code::InvalidArgument,
            "client_order_id: has 37 bytes",
        ),
        (
            |o| o.account = 131_072,
            Code::InvalidArgument,
            "account: 131072 is out of range: 0 to 131071",
        ),
        (|o| o.symbol = "NONE".into(), Code::NotFound, "symbol: 'NONE' is not defined"),
    ];
    for (spoil, code, text) in cases {
        let mut order = good.clone();
        spoil(&mut order);
        let (found, message) = failure(trader.submit(order).await);
        assert_eq!(found, code, "{message}");
        assert!(message.starts_with(text), "{message:?} should start with {text:?}");
    }
    let mut order = good.clone();
    order.cancel_on_disconnect = true;
    assert!(failure(trader.submit(order).await).1.contains("needs a session"));
    // None of them was sent: the name is still free.
    assert_eq!(trader.submit(good).await.expect("a report").reject, None);
    house.close().await;
}

#[tokio::test]
async fn what_a_rule_refuses_is_data() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let report = trader.submit(house.order(Side::Buy, "1001", "10.00")).await.expect("a report");
    assert_eq!((report.ord_status(), report.order_id), (OrdStatus::Rejected, 0));
    let reject = report.reject.expect("a reject");
    assert_eq!(reject.reason(), RejectReason::MaxOrderQty);
    assert_eq!(
        (reject.code.as_str(), reject.limit.as_str(), reject.value.as_str()),
        ("max_order_qty", "1000", "1001")
    );
    let far = trader.submit(house.order(Side::Buy, "1", "50.00")).await.expect("a report");
    assert_eq!(far.reject.expect("a reject").reason(), RejectReason::PriceCollar);

    let firm = Some(Scope { kind: ScopeKind::Firm.into(), ..Default::default() });
    let kill = KillRequest { scope: firm, ..Default::default() };
    assert_eq!(house.client.kill(kill).await.expect("an answer").value, 0);
    let limits = house.client.get_limits(GetLimitsRequest { account: ACCOUNT }).await;
    assert!(limits.expect("limits").firm_killed);
    let killed = trader.submit(house.order(Side::Buy, "1", "10.00")).await.expect("a report");
    assert_eq!(killed.reject.expect("a reject").reason(), RejectReason::KillSwitch);
    let unknown =
        OpenAccountRequest { account: ACCOUNT, currency: "USD".into(), ..Default::default() };
    let twice = house.client.open_account(unknown).await.expect("an answer").reject;
    assert_eq!(twice.expect("a reject").code, "duplicate_account");
    house.close().await;
}

#[tokio::test]
async fn a_session_hears_its_orders_and_takes_them_along_when_it_ends() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let session = trader.order_session().await.expect("a session");
    assert_eq!(session.opened.principal, 2);
    let (mut sender, mut events) = session.split();
    let mut order = house.order(Side::Buy, "100", "10.00");
    order.cancel_on_disconnect = true;
    let stays = house.order(Side::Buy, "100", "9.99");
    let mut bad = house.order(Side::Buy, "100", "9.995");
    bad.client_order_id = "bad".into();
    assert_eq!(sender.submit(order).await.expect("sent"), 1);
    assert_eq!(sender.submit(bad).await.expect("sent"), 2);
    assert_eq!(sender.submit(stays).await.expect("sent"), 3);

    let mut reported = Vec::new();
    let mut refused = None;
    while reported.len() < 2 || refused.is_none() {
        match events.next().await.expect("no error").expect("no end") {
            Heard::Engine(event) => reported.push((event.request_id, event.symbol)),
            Heard::Refused(refusal) => refused = Some(refusal),
            Heard::Opened(_) => panic!("it is open"),
        }
    }
    assert_eq!(reported, [(1, SYMBOL.to_string()), (3, SYMBOL.to_string())]);
    let refused = refused.expect("a refusal");
    assert_eq!((refused.request_id, refused.field.as_str()), (2, "price"));
    assert_eq!(refused.client_order_id, "bad");

    // Somebody else's order is not told.
    let other = house.order(Side::Sell, "100", "10.05");
    house.client.submit(other).await.expect("a report");
    // A fill that the market brings is.
    house.execute(1, 500);
    house.add(3, ModelSide::Buy, 1000, 100);
    house.execute(3, 1);
    drop(sender);
    let mut canceled = Vec::new();
    while let Some(heard) = events.next().await.expect("no error") {
        let Heard::Engine(event) = heard else { panic!("{heard:?}") };
        if let Some(event::Body::Execution(report)) = event.body
            && report.exec_type() == ExecType::Canceled
        {
            canceled.push((report.client_order_id, report.cancel_reason));
        }
    }
    assert_eq!(canceled, [("c1".to_string(), CancelReason::Disconnect as i32)]);
    let open = trader.list_orders(ListOrdersRequest::default()).await.expect("orders");
    let open: Vec<_> = open.orders.iter().map(|order| order.client_order_id.as_str()).collect();
    assert_eq!(open, ["c2", "c4"]);
    house.close().await;
}

#[tokio::test]
async fn sessions_are_bounded_and_come_free_again() {
    let house = House::new(config()).await;
    let trader = house.trader().await;
    let sessions_max = LANES - 1;
    let mut sessions = Vec::new();
    for _ in 0..sessions_max {
        sessions.push(trader.order_session().await.expect("a session"));
    }
    let (code, text) = failure(trader.order_session().await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(text.contains("all 2 order sessions are taken (sessions_max"), "{text}");
    let status = trader.get_status(GetStatusRequest {}).await.expect("a status");
    assert_eq!((status.sessions_open, status.sessions_max), (2, 2));

    sessions.pop();
    let mut again = trader.order_session().await;
    for _ in 0..500 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(4)).await;
        again = trader.order_session().await;
    }
    let again = again.expect("the lane came home");
    assert!(again.opened.session > sessions[0].opened.session);
    house.close().await;
}

#[tokio::test]
async fn a_resting_order_sees_its_place_in_the_queue() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    house.open_account(2).await;
    let order = house.order(Side::Buy, "100", "10.00");
    let order = trader.submit(order).await.expect("a report").order_id;
    let others = house.order(Side::Buy, "20", "10.00");
    trader.submit(SubmitOrderRequest { account: 2, ..others }).await.expect("a report");
    let far = house.order(Side::Sell, "10", "10.05");
    let far = trader.submit(far).await.expect("a report").order_id;
    let ask = |account| trader.get_queue(GetQueueRequest { account, symbol: SYMBOL.into() });
    let place =
        |order_id, side: Side, price: &str, leaves_qty: &str, ahead: &str, level: [&str; 2]| {
            QueuePlace {
                order_id,
                side: side.into(),
                price: price.into(),
                leaves_qty: leaves_qty.into(),
                ahead: ahead.into(),
                behind: level[0].into(),
                level_qty: level[1].into(),
            }
        };
    let at_best = |leaves, ahead, level| place(order, Side::Buy, "10.0000", leaves, ahead, level);
    let other_side = place(far, Side::Sell, "10.0500", "10", "0", ["0", "0"]);
    house.add(3, ModelSide::Buy, 1000, 70);
    let book = house.settle(|book| book.bids[0].qty == "570").await;
    let told = ask(ACCOUNT).await.expect("places");
    assert_eq!(told.places, [at_best("100", "500", ["70", "570"]), other_side.clone()]);
    assert_eq!((told.fill_model(), told.truncated), (FillModel::Exact, false));
    assert!(told.seq >= book.seq && told.ts >= book.ts);

    // A trade ahead, then all else ahead is canceled.
    house.execute(1, 200);
    house.settle(|book| book.bids[0].qty == "370").await;
    let told = ask(ACCOUNT).await.expect("places");
    assert_eq!(told.places[0], at_best("100", "300", ["70", "370"]));
    house.delete(1);
    house.settle(|book| book.bids[0].qty == "70").await;
    let told = ask(ACCOUNT).await.expect("places");
    assert_eq!(told.places[0], at_best("100", "0", ["70", "70"]));
    // Whoever was behind is met: so were we, from the place that was told.
    house.execute(3, 60);
    house.settle(|book| book.bids[0].qty == "10").await;
    let told = ask(ACCOUNT).await.expect("places");
    assert_eq!(told.places[0], at_best("40", "0", ["10", "10"]));
    let name = get_order_request::Order::OrderId(order);
    let request = GetOrderRequest { account: ACCOUNT, order: Some(name) };
    let filled = loop {
        let told = trader.get_order(request.clone()).await.expect("it").report.expect("a report");
        if told.cum_qty != "0" {
            break told;
        }
    };
    assert_eq!((filled.cum_qty.as_str(), filled.queue_ahead_at_fill.as_str()), ("60", "0"));

    // Everybody's own; where nothing happened since, what was told is told again.
    let others = ask(2).await.expect("places");
    assert_eq!((others.places.len(), others.places[0].leaves_qty.as_str()), (1, "20"));
    let name = cancel_order_request::Order::OrderId(order);
    let cancel = CancelOrderRequest { account: ACCOUNT, order: Some(name) };
    trader.cancel(cancel).await.expect("a report");
    assert_eq!(ask(ACCOUNT).await.expect("places").places, [other_side]);
    assert_eq!(failure(ask(9).await).0, Code::NotFound);
    let nowhere = GetQueueRequest { account: ACCOUNT, symbol: "NONE".into() };
    assert_eq!(failure(trader.get_queue(nowhere).await).0, Code::NotFound);
    // Many at once, some of whom do not wait for the answer.
    let mut askers = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (client, symbol) = (house.trader().await, SYMBOL.into());
        let ask =
            async move { client.get_queue(GetQueueRequest { account: ACCOUNT, symbol }).await };
        let patience = Duration::from_micros(if number % 3 == 0 { 300 } else { 5_000_000 });
        askers.spawn(async move { (number % 3 != 0, tokio::time::timeout(patience, ask).await) });
        house.add(100 + number, ModelSide::Buy, 990, 1);
    }
    for (waits, answer) in askers.join_all().await {
        if let Ok(answer) = answer {
            assert_eq!(answer.expect("places").places.len(), 1);
        } else {
            assert!(!waits, "it is answered in the end");
        }
    }
    house.close().await;
}
