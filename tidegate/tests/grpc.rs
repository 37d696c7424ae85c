//! The services of a running server, as clients see them.

mod support;

use std::process::Command;
use support::market::{Market, SYMBOL, book_with, levels};
use support::{
    ADMIN, Place, Running, Server, TRADER, approve, python, run, scope, spawn_command, text,
};
use tidegate_client::proto::cancel_order_request::Order as Named;
use tidegate_client::proto::event::Body;
use tidegate_client::proto::{
    CancelOrderRequest, CancelReason, DefineInstrumentRequest, EventKind, ExecType, FillModel,
    GetAccountRequest, GetLimitsRequest, Instrument, KillRequest, Limits, Liquidity,
    ListOrdersRequest, ListPositionsRequest, MarketEventKind, MassCancelRequest,
    OpenAccountRequest, OrdStatus, OrderReport, OrderType, PositionReport, RejectReason,
    ReleaseRequest, ReplaceOrderRequest, SetLimitsRequest, Side, SubmitOrderRequest, TimeInForce,
    TransferRequest, replace_order_request,
};
use tidegate_client::{Client, ClientError, EventFilter};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServiceResponse};

const SERVICES: [&str; 6] = [
    "tidegate.v1.OrderService",
    "tidegate.v1.EventService",
    "tidegate.v1.MarketDataService",
    "tidegate.v1.AccountService",
    "tidegate.v1.AdminService",
    "tidegate.v1.DeskService",
];

/// A server with a market at 10.00 / 10.02 and, if asked for, account 1.
struct House {
    server: Server,
    market: Market,
    client: Client,
    orders: u64,
    place: Place,
}

impl House {
    async fn new(more: &str) -> Self {
        Self::at(Place::new(more)).await
    }

    async fn at(place: Place) -> Self {
        let server = Server::start(&place);
        let client = server.admin().await;
        let market = Market::quoted(server.line);
        book_with(&client, SYMBOL, |book| book.bids.len() == 1 && book.asks.len() == 1).await;
        Self { server, market, client, orders: 0, place }
    }

    fn order(&mut self, side: Side, qty: &str, price: &str) -> SubmitOrderRequest {
        self.orders += 1;
        SubmitOrderRequest {
            account: 1,
            symbol: SYMBOL.into(),
            client_order_id: format!("order-{}", self.orders),
            side: side.into(),
            order_type: OrderType::Limit.into(),
            time_in_force: TimeInForce::Day.into(),
            qty: qty.into(),
            price: price.into(),
            ..Default::default()
        }
    }

    async fn submit(&mut self, side: Side, qty: &str, price: &str) -> OrderReport {
        let order = self.order(side, qty, price);
        self.client.submit(order).await.expect("an answer")
    }

    async fn position(&self) -> PositionReport {
        let request =
            ListPositionsRequest { account: Some(1), include_flat: true, ..Default::default() };
        let answer = self.client.list_positions(request).await.expect("an answer");
        let [position] = &answer.positions[..] else { panic!("{answer:?}") };
        position.clone()
    }
}

fn reason(report: &OrderReport) -> Option<RejectReason> {
    report.reject.as_ref().map(|reject| reject.reason())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, code: Code) -> String {
    let error = answer.expect_err("the call should be refused");
    let ClientError::Call { status, .. } = &error else { panic!("not an answer: {error}") };
    assert_eq!(status.code(), code, "{error}");
    error.to_string()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is no number"))
}

#[tokio::test]
async fn strangers_find_the_services_and_their_health() {
    let server = Server::start(&Place::new(""));
    let channel = Endpoint::from_shared(server.addr.clone()).expect("a URL");
    let channel = channel.connect().await.expect("a connection");
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let asked = tokio_stream::iter(vec![
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol("tidegate.v1.OrderService".into())),
    ]);
    let answers = reflection.server_reflection_info(asked).await.expect("a stream").into_inner();
    let answers: Vec<_> =
        answers.map(|answer| answer.expect("an answer").message_response).collect().await;
    let Some(MessageResponse::ListServicesResponse(list)) = &answers[0] else {
        panic!("{:?}", answers[0])
    };
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        let named = |found: &ServiceResponse| found.name == service;
        assert!(list.service.iter().any(named), "{service} is not in {list:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(files)) = &answers[1] else {
        panic!("{:?}", answers[1])
    };
    assert!(!files.file_descriptor_proto.is_empty());

    let mut health = HealthClient::new(channel);
    for service in SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest { service: service.into() };
        let answer = health.check(request).await.expect("an answer").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test]
async fn what_changes_state_needs_a_token() {
    let mut house = House::new(&Place::account(1)).await;
    let order = house.order(Side::Buy, "10", "10.02");
    for (token, order_code, admin_code) in [
        (None, Code::Unauthenticated, Code::Unauthenticated),
        (Some("a-token-nobody-gave"), Code::Unauthenticated, Code::Unauthenticated),
        (Some(TRADER), Code::Ok, Code::PermissionDenied),
    ] {
        let client = Client::connect(&house.server.addr, token).await.expect("a connection");
        if order_code != Code::Ok {
            refused(client.submit(order.clone()).await, order_code);
            let cancel = CancelOrderRequest { account: 1, order: Some(Named::OrderId(1)) };
            refused(client.cancel(cancel).await, order_code);
            refused(client.mass_cancel(Default::default()).await, order_code);
            refused(client.order_session().await.map(|_| ()), order_code);
        }
        let open = OpenAccountRequest { account: 9, currency: "USD".into(), ..Default::default() };
        refused(client.open_account(open).await, admin_code);
        let pay = TransferRequest { account: 1, amount: "1000000".into(), ..Default::default() };
        refused(client.transfer(pay).await, admin_code);
        refused(client.set_limits(Default::default()).await, admin_code);
        refused(client.kill(Default::default()).await, admin_code);
        refused(client.release(Default::default()).await, admin_code);
        refused(client.day_roll(Default::default()).await, admin_code);
        refused(client.define_instrument(Default::default()).await, admin_code);
        if token != Some("a-token-nobody-gave") {
            client.get_status(Default::default()).await.expect("reading is free on loopback");
        }
    }
    let account = house.client.get_account(GetAccountRequest { account: 1 }).await;
    let account = account.expect("an answer").account.expect("an account");
    assert_eq!(account.cash, "1000000.00", "nothing was done for strangers");
    let orders = ListOrdersRequest { include_finished: true, ..Default::default() };
    assert_eq!(house.client.list_orders(orders).await.expect("an answer").orders, []);
}

#[tokio::test]
async fn an_engine_is_set_up_over_grpc() {
    let mut house = House::new("").await;
    let client = house.client.clone();
    let terms = Instrument {
        symbol: "ESZ6".into(),
        venue: "XCME".into(),
        currency: "USD".into(),
        asset_class: 2,
        tick_size: "0.25".into(),
        multiplier: "50".into(),
        ..Default::default()
    };
    let define = DefineInstrumentRequest { instrument: Some(terms) };
    let defined = client.define_instrument(define.clone()).await.expect("an answer");
    assert_eq!(defined.reject, None);
    let again = client.define_instrument(define.clone()).await.expect("an answer");
    assert_eq!((again.reject, again.value), (None, defined.value), "the same terms are confirmed");
    let mut other = define;
    other.instrument.as_mut().expect("terms").tick_size = "0.5".into();
    let other = client.define_instrument(other).await.expect("an answer").reject;
    assert_eq!(other.expect("a refusal").reason(), RejectReason::DuplicateSymbol);

    // Nobody trades before there is an account, cash and limits; each refusal is data.
    let unknown = house.submit(Side::Buy, "10", "10.02").await;
    assert_eq!(reason(&unknown), Some(RejectReason::UnknownAccount), "{unknown:?}");
    let open = OpenAccountRequest { account: 1, currency: "USD".into(), ..Default::default() };
    assert_eq!(client.open_account(open.clone()).await.expect("an answer").reject, None);
    let twice = client.open_account(open).await.expect("an answer").reject.expect("a refusal");
    assert_eq!(twice.reason(), RejectReason::DuplicateAccount);
    let pay = TransferRequest { account: 1, amount: "5000.50".into(), ..Default::default() };
    assert_eq!(client.transfer(pay).await.expect("an answer").reject, None);
    let unlimited = house.submit(Side::Buy, "10", "10.02").await;
    assert_eq!(reason(&unlimited), Some(RejectReason::NoLimits), "{unlimited:?}");
    assert_eq!(unlimited.ord_status(), OrdStatus::Rejected);
    let reject = unlimited.reject.expect("a refusal");
    assert_eq!(reject.code, "no_limits");
    assert!(!reject.text.is_empty());

    let limits = Limits {
        account: 1,
        max_order_notional: "1002.00".into(),
        credit: "0.00".into(),
        max_order_lots: 100,
        max_position_lots: 150,
        price_collar_bp: 500,
        max_open_orders: 10,
        messages_per_sec: 1_000,
        message_burst: 1_000,
    };
    let set = SetLimitsRequest { limits: Some(limits.clone()), reason: String::new() };
    // The first ones let an account trade, so they take two persons.
    let asked = client.set_limits(set).await.expect("an answer");
    assert_eq!(asked.reject, None);
    let none = client.get_limits(GetLimitsRequest { account: 1 }).await.expect("an answer");
    assert_eq!(none.limits, None);
    assert_eq!(approve(&house.server.officer().await, asked.proposal).await.reject, None);
    let got = client.get_limits(GetLimitsRequest { account: 1 }).await.expect("an answer");
    assert_eq!(got.limits, Some(limits));
    for (qty, price, want, limit) in [
        ("101", "10.02", RejectReason::MaxOrderQty, "100"),
        ("100", "10.03", RejectReason::MaxOrderNotional, "1002.00"),
        ("10", "11.00", RejectReason::PriceCollar, ""),
    ] {
        let report = house.submit(Side::Buy, qty, price).await;
        assert_eq!(reason(&report), Some(want), "{report:?}");
        let reject = report.reject.expect("a refusal");
        assert!(limit.is_empty() || reject.limit == limit, "{reject:?}");
    }
    let filled = house.submit(Side::Buy, "100", "10.02").await;
    assert_eq!((filled.ord_status(), reason(&filled)), (OrdStatus::Filled, None), "{filled:?}");
    let beyond = house.submit(Side::Buy, "51", "10.02").await;
    assert_eq!(reason(&beyond), Some(RejectReason::PositionLimit), "{beyond:?}");
}

#[tokio::test]
async fn a_malformed_order_names_field_and_rule() {
    let mut house = House::new(&Place::account(1)).await;
    let good = house.order(Side::Buy, "10", "10.02");
    type Spoil = fn(&mut SubmitOrderRequest);
    let cases: [(Spoil, Code, &[&str]); 14] = [
        (|o| o.price = "10.005".into(), Code::InvalidArgument, &["price: ", "10.005", "tick 0.01"]),
        (|o| o.price = "ten".into(), Code::InvalidArgument, &["price: ", "ten"]),
        (|o| o.price = "1e1".into(), Code::InvalidArgument, &["price: "]),
        (|o| o.price = String::new(), Code::InvalidArgument, &["price: ", "needs one"]),
        (|o| o.qty = "0.5".into(), Code::InvalidArgument, &["qty: ", "0.5", "lot"]),
        (|o| o.qty = "0".into(), Code::InvalidArgument, &["qty: ", "above 0"]),
        (|o| o.qty = "-5".into(), Code::InvalidArgument, &["qty: "]),
        (|o| o.qty = "9".repeat(40), Code::InvalidArgument, &["qty: "]),
        (|o| o.symbol = "NOPE".into(), Code::NotFound, &["symbol: ", "NOPE"]),
        (|o| o.client_order_id = String::new(), Code::InvalidArgument, &["client_order_id: "]),
        (|o| o.client_order_id = "é".into(), Code::InvalidArgument, &["client_order_id: "]),
        (|o| o.side = 0, Code::InvalidArgument, &["side: "]),
        (|o| o.order_type = 77, Code::InvalidArgument, &["order_type: ", "77"]),
        (|o| o.cancel_on_disconnect = true, Code::InvalidArgument, &["cancel_on_disconnect: "]),
    ];
    for (spoil, code, parts) in cases {
        let mut order = good.clone();
        spoil(&mut order);
        let said = refused(house.client.submit(order.clone()).await, code);
        for part in parts {
            assert!(said.contains(part), "'{part}' is not in '{said}' about {order:?}");
        }
    }
    assert_eq!(house.client.submit(good).await.expect("an answer").ord_status(), OrdStatus::Filled);
}

#[tokio::test]
async fn orders_live_from_submit_to_fill_replace_and_cancel() {
    let mut house = House::new(&Place::account(1)).await;
    let client = house.client.clone();
    let start = client.get_status(Default::default()).await.expect("an answer").last_event;
    let mut events = client.events(start, EventFilter { account: Some(1), ..Default::default() });

    // Takes what is offered.
    let taken = house.submit(Side::Buy, "200", "10.02").await;
    assert_eq!((taken.ord_status(), taken.exec_type()), (OrdStatus::Filled, ExecType::Trade));
    assert_eq!((taken.avg_price.as_str(), taken.liquidity()), ("10.0200", Liquidity::Taker));
    // Rests behind the 500 at 10.00, moves to where it is alone, and fills when flow reaches it.
    let resting = house.submit(Side::Sell, "100", "10.05").await;
    assert_eq!((resting.ord_status(), resting.leaves_qty.as_str()), (OrdStatus::New, "100"));
    let replace = ReplaceOrderRequest {
        account: 1,
        order: Some(replace_order_request::Order::OrderId(resting.order_id)),
        symbol: SYMBOL.into(),
        qty: "80".into(),
        price: "10.01".into(),
        ..Default::default()
    };
    let replaced = client.replace(replace).await.expect("an answer");
    assert_eq!((replaced.exec_type(), reason(&replaced)), (ExecType::Replaced, None));
    assert_eq!((replaced.qty.as_str(), replaced.price.as_str()), ("80", "10.0100"));
    // A buyer crosses it.
    house.market.add(10, b'B', 1_001, 50);
    let filled = loop {
        let event = events.next().await.expect("an event");
        match event.body {
            Some(Body::Execution(report))
                if report.order_id == resting.order_id && report.exec_type() == ExecType::Trade =>
            {
                break report;
            }
            _ => {}
        }
    };
    assert_eq!((filled.last_qty.as_str(), filled.liquidity()), ("50", Liquidity::Maker));
    assert_ne!(filled.cause_seq, 0, "market data caused it");
    assert_ne!(filled.cause_kind(), MarketEventKind::Unspecified, "{filled:?}");
    assert_eq!(filled.fill_model(), FillModel::Exact, "{filled:?}");
    assert!(!filled.queue_ahead_at_fill.is_empty() && !filled.queue_ahead_at_entry.is_empty());
    let cancel = CancelOrderRequest { account: 1, order: Some(Named::OrderId(resting.order_id)) };
    let canceled = client.cancel(cancel.clone()).await.expect("an answer");
    assert_eq!(canceled.ord_status(), OrdStatus::Canceled);
    assert_eq!((canceled.cum_qty.as_str(), canceled.leaves_qty.as_str()), ("50", "0"));
    let late = client.cancel(cancel).await.expect("an answer");
    assert_eq!(reason(&late), Some(RejectReason::TooLateToCancel), "{late:?}");

    // Bought 200 at 10.02, sold 50 at 10.01; the rest is valued at the middle of the book.
    let position = house.position().await;
    assert_eq!((position.qty.as_str(), position.bought.as_str()), ("150", "200"));
    assert_eq!(position.sold, "50");
    assert!((number(&position.realised) + 0.5).abs() < 1e-9, "{position:?}");
    assert!((number(&position.cost) - 1_503.0).abs() < 1e-9, "{position:?}");
    let unrealised = 150.0 * number(&position.mark_price) - number(&position.cost);
    assert!((number(&position.unrealised) - unrealised).abs() < 1e-9, "{position:?}");
    let account = client.get_account(GetAccountRequest { account: 1 }).await.expect("an answer");
    let account = account.account.expect("an account");
    assert_eq!(account.realised, position.realised);
    assert_eq!(number(&account.cash), 1_000_000.0 - 200.0 * 10.02 + 50.0 * 10.01, "{account:?}");

    // What the answers said is what the stream says.
    let mut replayed = client
        .events(start, EventFilter { kinds: vec![EventKind::Execution], ..Default::default() });
    for told in [&taken, &resting, &replaced, &filled, &canceled] {
        loop {
            let event = replayed.next().await.expect("an event");
            if event.position == told.position {
                // But for what the answer waited for.
                let told = OrderReport { release_level: 0, ..told.clone() };
                assert_eq!(event.body, Some(Body::Execution(told)));
                break;
            }
        }
    }
}

#[tokio::test]
async fn market_orders_and_times_in_force() {
    let mut house = House::new(&Place::account(1)).await;
    let client = house.client.clone();
    let with = |mut order: SubmitOrderRequest, force: TimeInForce| {
        order.time_in_force = force.into();
        order
    };
    let all_or_nothing = with(house.order(Side::Buy, "501", "10.02"), TimeInForce::Fok);
    let killed = client.submit(all_or_nothing).await.expect("an answer");
    assert_eq!((killed.ord_status(), killed.cum_qty.as_str()), (OrdStatus::Canceled, "0"));
    assert_eq!(killed.cancel_reason(), CancelReason::Fok);
    let at_once = with(house.order(Side::Buy, "600", "10.02"), TimeInForce::Ioc);
    let partly = client.submit(at_once).await.expect("an answer");
    assert_eq!((partly.ord_status(), partly.cum_qty.as_str()), (OrdStatus::Canceled, "500"));
    assert_eq!(partly.cancel_reason(), CancelReason::Ioc);
    let mut at_any_price = with(house.order(Side::Sell, "500", ""), TimeInForce::Ioc);
    at_any_price.order_type = OrderType::Market.into();
    let sold = client.submit(at_any_price).await.expect("an answer");
    assert_eq!((sold.ord_status(), sold.avg_price.as_str()), (OrdStatus::Filled, "10.0000"));
    let position = house.position().await;
    assert_eq!((position.qty.as_str(), position.cost.as_str()), ("0", "0.00"));
    assert!((number(&position.realised) + 10.0).abs() < 1e-9, "{position:?}");
}

#[tokio::test]
async fn mass_cancel_and_kill_switch() {
    let more = [Place::account(1), Place::account(2)].concat();
    let mut house = House::new(&more).await;
    let officer = house.server.officer().await;
    let client = house.client.clone();
    let mut place = async |account: u32, side: Side, price: &str| {
        let order = SubmitOrderRequest { account, ..house.order(side, "10", price) };
        client.submit(order).await.expect("an answer")
    };
    for account in [1, 2] {
        for price in ["9.95", "9.96"] {
            assert_eq!(reason(&place(account, Side::Buy, price).await), None);
        }
        assert_eq!(reason(&place(account, Side::Sell, "10.10").await), None);
    }
    let buys =
        MassCancelRequest { account: Some(1), symbol: SYMBOL.into(), side: Side::Buy.into() };
    assert_eq!(client.mass_cancel(buys.clone()).await.expect("an answer").canceled, 2);
    assert_eq!(client.mass_cancel(buys).await.expect("an answer").canceled, 0);

    let kill = async |account: Option<u32>| {
        let request = KillRequest { scope: Some(scope(account)), ..Default::default() };
        let answer = client.kill(request).await.expect("an answer");
        assert_eq!(answer.reject, None);
        answer.value
    };
    let release = async |account: Option<u32>| {
        let request = ReleaseRequest { scope: Some(scope(account)), ..Default::default() };
        let asked = client.release(request).await.expect("an answer");
        assert_eq!(asked.reject, None);
        // Whoever asked is one person; it takes two.
        let alone = approve(&client, asked.proposal).await.reject.expect("a reject");
        assert_eq!(alone.code, "same_person");
        assert_eq!(approve(&officer, asked.proposal).await.reject, None);
    };
    assert_eq!(kill(Some(1)).await, 1, "the sell order is left to cancel");
    let blocked = place(1, Side::Buy, "9.95").await;
    assert_eq!(reason(&blocked), Some(RejectReason::KillSwitch), "{blocked:?}");
    assert_eq!(reason(&place(2, Side::Buy, "9.94").await), None, "the other account trades on");
    let limits = client.get_limits(GetLimitsRequest { account: 1 }).await.expect("an answer");
    assert_eq!((limits.account_killed, limits.firm_killed), (true, false));

    assert_eq!(kill(None).await, 4, "all of account 2");
    assert_eq!(reason(&place(2, Side::Buy, "9.95").await), Some(RejectReason::KillSwitch));
    assert!(client.get_status(Default::default()).await.expect("an answer").firm_killed);
    release(None).await;
    assert_eq!(reason(&place(2, Side::Buy, "9.95").await), None);
    assert_eq!(reason(&place(1, Side::Buy, "9.95").await), Some(RejectReason::KillSwitch));
    release(Some(1)).await;
    assert_eq!(reason(&place(1, Side::Buy, "9.95").await), None);
    let open = client.list_orders(ListOrdersRequest::default()).await.expect("an answer");
    assert_eq!(open.orders.len(), 2, "{open:?}");
}

#[tokio::test]
async fn events_resume_after_any_position() {
    let mut house = House::new(&Place::account(1)).await;
    let client = house.client.clone();
    for n in 0..20 {
        let price = if n % 2 == 0 { "10.02" } else { "9.95" };
        assert_eq!(reason(&house.submit(Side::Buy, "10", price).await), None);
    }
    let last = client.mass_cancel(Default::default()).await.expect("an answer").position;
    let mut stream = client.events(None, EventFilter::default());
    let mut all = Vec::new();
    while all.last().is_none_or(|event: &tidegate_client::proto::Event| event.position != last) {
        all.push(stream.next().await.expect("an event"));
    }
    for (n, from) in all.iter().enumerate().step_by(7) {
        let mut stream = client.events(from.position, EventFilter::default());
        for want in &all[n + 1..] {
            assert_eq!(&stream.next().await.expect("an event"), want, "after event {n}");
        }
    }
}

#[tokio::test]
async fn the_book_is_the_feed_s() {
    let mut house = House::new("").await;
    house.market.add(3, b'B', 999, 300);
    house.market.execute(1, 200);
    house.market.add(4, b'S', 1_003, 100);
    house.market.delete(2);
    let book = book_with(&house.client, SYMBOL, |book| {
        book.asks.len() == 1 && book.asks[0].price == "10.0300"
    })
    .await;
    assert_eq!(levels(&book.bids), [("10.0000", "300"), ("9.9900", "300")]);
    assert_eq!(levels(&book.asks), [("10.0300", "100")]);
    assert_eq!(book.last_price, "10.0000");
}

#[tokio::test]
async fn a_stock_client_in_python_trades_by_reflection_alone() {
    let program = match python() {
        Ok(program) => program,
        Err(why) => {
            println!(
                "skipped: no Python with grpcio and grpcio-reflection ({why}); TIDEGATE_TEST_PYTHON names one"
            );
            return;
        }
    };
    let house = House::new(&Place::account(1)).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/stock_client.py");
    let addr = house.server.addr.trim_start_matches("http://");
    let running: Running = spawn_command(
        Command::new(program).args([script, addr, SYMBOL]).env("TIDEGATE_TOKEN", ADMIN),
    );
    let said = tokio::task::spawn_blocking(|| running.wait()).await.expect("no panic").ok();
    let said: serde_json::Value = serde_json::from_str(said.trim()).expect("JSON");
    for service in SERVICES {
        let services = said["services"].as_array().expect("a list");
        assert!(services.iter().any(|found| found == service), "{said}");
    }
    assert_eq!(said["health"], "SERVING", "{said}");
    assert_eq!(said["without_token"], "UNAUTHENTICATED", "{said}");
    assert_eq!(said["answer"]["ord_status"], "ORD_STATUS_FILLED", "{said}");
    assert_eq!(said["fill"]["last_qty"], "100", "{said}");
    assert_eq!(said["fill"]["last_price"], "10.0200", "{said}");
    assert_eq!(said["fill"]["order_id"], said["answer"]["order_id"], "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_latency_takes_effect_over_a_restart() {
    let House { server, place, .. } = House::new(&Place::account(1)).await;
    server.stop("TERM").ok();
    let config = std::fs::read_to_string(place.config()).expect("a configuration");
    let slow = format!("[paper]\nentry_latency = \"1.5s\"\n{config}");
    std::fs::write(place.config(), slow).expect("written");

    let mut house = House::at(place).await;
    let report = house.submit(Side::Buy, "10", "9.98").await;
    assert_eq!(report.ord_status(), OrdStatus::PendingNew, "{report:?}");
    house.server.kill();
    // The cancels of the end wait behind an order that set out with the longer latency, and the end waits for them.
    std::fs::write(house.place.config(), config).expect("written");
    Server::start(&house.place).stop("TERM").ok();
    let server = Server::start(&house.place);
    let request = ListOrdersRequest::default();
    let open = server.admin().await.list_orders(request).await.expect("an answer");
    assert_eq!(open.orders, []);
}

/// The cash of account 1.
async fn cash(server: &Server) -> String {
    let request = GetAccountRequest { account: 1 };
    server
        .admin()
        .await
        .get_account(request)
        .await
        .expect("an answer")
        .account
        .expect("an account")
        .cash
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_cash_is_paid_once_and_only_once() {
    let place = Place::new("[[accounts]]\nid = 1\ncash = \"0\"\n");
    let server = Server::start(&place);
    assert_eq!(cash(&server).await, "0.00");
    // As if it had died between the opening of the account and the payment.
    server.kill();
    place.configure(&Place::account(1));
    for _ in 0..2 {
        let server = Server::start(&place);
        assert_eq!(cash(&server).await, "1000000.00");
        server.kill();
    }
    let server = Server::start(&place);
    let request = TransferRequest { account: 1, amount: "-1000000".into(), ..Default::default() };
    server.admin().await.transfer(request).await.expect("done");
    server.kill();
    // Paid in and out again is not unpaid.
    let server = Server::start(&place);
    assert_eq!(cash(&server).await, "0.00");
    server.stop("TERM").ok();

    place.configure("[[accounts]]\nid = 1\ncurrency = \"EUR\"\ncash = \"1\"\n");
    let config = place.config();
    run(&["run", "--config", text(&config)]).refused(&["account 1", "USD", "EUR"]);
}
