//! What strangers may send: each is answered with a status or a reject that names field and limit, and everybody else
//! is served on.

mod support;

use std::time::Duration;
use support::*;
use tidegate_client::proto::order_event::Event as Heard;
use tidegate_client::proto::*;
use tidegate_client::{Client, ClientError, OrderRef};
use tidegate_edge::{EdgeConfig, Limits as EdgeLimits};
use tonic::Code;

/// Long enough for anything that is answered at all.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn numbers_and_texts_beyond_all_bounds() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let good = house.order(Side::Buy, "100", "10.00");
    type Spoil = fn(&mut SubmitOrderRequest);
    let cases: [(&str, Spoil, &str); 12] = [
        (
            "a quantity above 64 bits",
            |o| o.qty = "9223372037".into(),
            "qty: 9223372037 is out of range: at most 9 decimals, and at most 9223372036",
        ),
        (
            "a quantity without end",
            |o| o.qty = "9".repeat(1_000),
            "qty: has 1000 bytes, at most 32 are allowed",
        ),
        (
            "a price without end",
            |o| o.price = format!("10.{}", "0".repeat(60_000)),
            "price: has 60003 bytes, at most 32 are allowed",
        ),
        (
            "a price of ten decimals",
            |o| o.price = "10.0000000001".into(),
            "price: 10.0000000001 is out of range: at most 9 decimals",
        ),
        ("no quantity", |o| o.qty = String::new(), "qty: '' is not a decimal"),
        ("no symbol", |o| o.symbol = String::new(), "symbol: is empty"),
        (
            "a symbol of 25",
            |o| o.symbol = "S".repeat(25),
            "symbol: has 25 bytes, at most 24 are allowed",
        ),
        ("no name", |o| o.client_order_id.clear(), "client_order_id: is empty"),
        (
            "a name of no ASCII",
            |o| o.client_order_id = "größe".into(),
            "client_order_id: has byte 0xc3 at 2; only printable ASCII",
        ),
        (
            "the largest account",
            |o| o.account = u32::MAX,
            "account: 4294967295 is out of range: 0 to 131071",
        ),
        (
            "the largest side",
            |o| o.side = i32::MAX,
            "side: 2147483647 is not allowed: SIDE_BUY (1) or SIDE_SELL (2)",
        ),
        ("a side that is one in its last byte", |o| o.side = 257, "side: 257 is not allowed"),
    ];
    for (what, spoil, text) in cases {
        let mut order = good.clone();
        spoil(&mut order);
        let (code, message) = failure(trader.submit(order).await);
        assert_eq!(code, Code::InvalidArgument, "{what}: {message}");
        assert!(message.starts_with(text), "{what}: {message}");
    }
    for text in [
        "NaN", "nan", "inf", "-inf", "Infinity", "1e3", "0x10", "1_000", "+1", " 1", "1 ", "1,5",
        "٣", "--1", "-", ".",
    ] {
        for field in ["qty", "price"] {
            let mut order = good.clone();
            *(if field == "qty" { &mut order.qty } else { &mut order.price }) = text.into();
            let (code, message) = failure(trader.submit(order).await);
            assert_eq!(code, Code::InvalidArgument, "{text:?}: {message}");
            assert!(message.starts_with(&format!("{field}: '")), "{text:?}: {message}");
        }
    }
    // Well-formed, and for the gate to refuse: as data, with the value.
    for (price, reason, value) in [
        ("-10.00", RejectReason::BadPrice, "-10.0000"),
        ("0", RejectReason::BadPrice, "0.0000"),
        ("9223372036.85", RejectReason::MaxOrderNotional, ""),
    ] {
        let order = house.order(Side::Buy, "100", price);
        let report = trader.submit(order).await.expect("a report");
        let reject = report.reject.expect("a reject");
        assert_ne!(reject.text, "", "{price}");
        if !value.is_empty() {
            assert_eq!((reject.reason(), reject.value.as_str()), (reason, value), "{price}");
        }
    }
    let mut nobody = house.order(Side::Buy, "100", "10.00");
    nobody.account = 131_071;
    let reject = trader.submit(nobody).await.expect("a report").reject.expect("a reject");
    assert_eq!((reject.reason(), reject.value.as_str()), (RejectReason::UnknownAccount, "131071"));

    // A message beyond the bound is not even read, and the bound is named.
    let mut large = good.clone();
    large.symbol = "S".repeat(70_000);
    let (code, message) = failure(trader.submit(large).await);
    assert_eq!(code, Code::OutOfRange, "{message}");
    assert!(message.contains("65536"), "{message}");
    assert_eq!(trader.submit(good).await.expect("a report").reject, None);
    house.close().await;
}

#[tokio::test]
async fn terms_of_every_order_type_name_what_is_wrong() {
    use submit_order_request::Trail;
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let good = house.order(Side::Buy, "100", "10.00");
    type Spoil = fn(&mut SubmitOrderRequest);
    let cases: [(Spoil, &str); 22] = [
        (|o| o.order_type = 11, "order_type: 11 is not allowed: ORDER_TYPE_MARKET (1) to"),
        (|o| o.time_in_force = 8, "time_in_force: 8 is not allowed: TIME_IN_FORCE_DAY (1) to"),
        (|o| o.price.clear(), "price: is empty; a limit order needs one"),
        (|o| o.order_type = OrderType::Stop.into(), "price: must be empty for a stop order"),
        (
            |o| o.order_type = OrderType::StopLimit.into(),
            "stop_price: is missing; a stop_limit order needs one",
        ),
        (
            |o| {
                o.order_type = OrderType::TrailingStop.into();
                o.price.clear();
            },
            "trail: is missing; a trailing_stop order needs one",
        ),
        (
            |o| {
                o.order_type = OrderType::TrailingStopLimit.into();
                o.trail = Some(Trail::TrailAmount("1".into()));
                o.price.clear();
            },
            "price: is missing; a trailing_stop_limit order needs one",
        ),
        (|o| o.order_type = OrderType::Pegged.into(), "peg: is missing; a pegged order needs one"),
        (|o| o.stop_price = "1e3".into(), "stop_price: '1e3' is not a decimal"),
        (|o| o.stop_price = "9".repeat(40), "stop_price: has 40 bytes, at most 32 are allowed"),
        (
            |o| o.trail = Some(Trail::TrailAmount("0".into())),
            "trail_amount: 0 is not allowed: above 0",
        ),
        (
            |o| o.trail = Some(Trail::TrailAmount("-1".into())),
            "trail_amount: -1 is not allowed: above 0",
        ),
        (
            |o| o.trail = Some(Trail::TrailPercent("100".into())),
            "trail_percent: 100 is not allowed: above 0 and below 100",
        ),
        (
            |o| o.trail = Some(Trail::TrailPercent("1.00001".into())),
            "trail_percent: 1.00001 is not allowed: 0 to 100, at most 4 decimals",
        ),
        (|o| o.trail = Some(Trail::TrailPercent("-1".into())), "trail_percent: -1 is not allowed"),
        (|o| o.peg = 4, "peg: 4 is not one of the values it may have"),
        (|o| o.post_only = -1, "post_only: -1 is not one of the values it may have"),
        (|o| o.self_trade = 257, "self_trade: 257 is not one of the values it may have"),
        (|o| o.offset = "0.00005".into(), "offset: 0.00005 is not a multiple"),
        (|o| o.display_qty = "0".into(), "display_qty: 0 is not above 0"),
        (|o| o.min_qty = "-5".into(), "min_qty: "),
        (|o| o.min_qty = "0.5".into(), "min_qty: 0.5 is not a multiple"),
    ];
    for (spoil, text) in cases {
        let mut order = good.clone();
        spoil(&mut order);
        let (code, message) = failure(trader.submit(order).await);
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.starts_with(text), "'{text}': {message}");
    }
    // Well-formed, but not what goes together, or not for this venue: for the gate to refuse, as data.
    let spoils: [(Spoil, RejectReason); 4] = [
        (|o| o.stop_price = "10.00".into(), RejectReason::BadField),
        (|o| o.trail = Some(Trail::TrailAmount("1".into())), RejectReason::BadField),
        (|o| o.peg = PegKind::Mid.into(), RejectReason::UnsupportedByVenue),
        (|o| o.expire_at = 5, RejectReason::BadField),
    ];
    for (spoil, expected) in spoils {
        let mut order = house.order(Side::Buy, "100", "10.00");
        spoil(&mut order);
        let report = trader.submit(order.clone()).await.expect("a report");
        let reject = report.reject.expect("a reject");
        assert_eq!(reject.reason(), expected, "{order:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn what_operators_ask_of_markets_names_what_is_wrong() {
    let house = House::new(config()).await;
    let admin = &house.client;
    let phase = |symbol: &str, phase: i32| SetPhaseRequest { symbol: symbol.into(), phase };
    let (code, message) = failure(admin.set_phase(phase("", 0)).await);
    assert_eq!((code, message.contains("phase: 0 is not allowed")), (Code::InvalidArgument, true));
    let (code, message) = failure(admin.set_phase(phase("NONE", 3)).await);
    assert_eq!((code, message.contains("'NONE'")), (Code::NotFound, true), "{message}");
    // On paper there is no market of the house.
    let refused = admin.set_phase(phase(SYMBOL, 3)).await.expect("an answer").reject;
    assert_eq!(refused.expect("a reject").reason(), RejectReason::NoMarket);
    let asked = GetPhaseRequest { symbol: SYMBOL.into() };
    let (code, message) = failure(admin.get_phase(asked).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(message.contains("has no market of the house"), "{message}");
    for (static_percent, pause_ms, text) in [
        ("101", 0, "static_percent: 101 is not allowed: 0 to 100, at most 4 decimals"),
        ("-1", 0, "static_percent: -1 is not allowed"),
        ("x", 0, "static_percent: 'x' is not a decimal"),
        ("1", 86_400_001, "pause_ms: 86400001 is out of range: 0 to 86400000"),
    ] {
        let bands = SetBandsRequest {
            static_percent: static_percent.into(),
            pause_ms,
            ..Default::default()
        };
        let (code, message) = failure(admin.set_bands(bands).await);
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.starts_with(text), "'{text}': {message}");
    }
    let trader = house.trader().await;
    let (code, _) = failure(trader.set_phase(phase("", 3)).await);
    assert_eq!(code, Code::PermissionDenied, "it needs an administrator");
    house.close().await;
}

#[tokio::test]
async fn administration_and_queries_name_what_is_wrong() {
    let house = House::new(config()).await;
    let admin = &house.client;
    let transfer = |amount: &str| TransferRequest {
        account: ACCOUNT,
        amount: amount.into(),
        ..Default::default()
    };
    for (amount, text) in [
        ("NaN", "amount: 'NaN' is not a decimal number"),
        ("", "amount: '' is not a decimal number"),
        ("1e9", "amount: '1e9' is not a decimal number"),
        ("1000000000000000000", "amount: 1000000000000000000 is out of range: at most 18 digits"),
        (&"1".repeat(65), "amount: has 65 bytes, at most 64 are allowed"),
    ] {
        let (code, message) = failure(admin.transfer(transfer(amount)).await);
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.starts_with(text), "{message}");
    }
    let define = |spoil: fn(&mut Instrument)| {
        let mut instrument = Instrument { symbol: "NEW".into(), ..Default::default() };
        spoil(&mut instrument);
        admin.define_instrument(DefineInstrumentRequest { instrument: Some(instrument) })
    };
    type Spoil = fn(&mut Instrument);
    let cases: [(Spoil, &str); 9] = [
        (|i| i.tick_size = "-0.01".into(), "tick_size: must be above 0"),
        (|i| i.tick_size = "NaN".into(), "tick_size: 'NaN' is not a decimal number"),
        (|i| i.lot_size = "1".repeat(40), "lot_size: has 40 bytes, at most 32 are allowed"),
        (|i| i.order_lot = "-1".into(), "order_lot: -1 is negative"),
        (|i| i.price_decimals = 10, "price_decimals: 10 is out of range: 0 to 9"),
        (|i| i.asset_class = 6, "asset_class: 6 is not allowed: 1 to 5"),
        (
            |i| i.maker_fee_rate = "0.000000001".into(),
            "maker_fee_rate: 0.000000001 is not a multiple",
        ),
        (|i| i.taker_fee_rate = "\u{7}".into(), "taker_fee_rate: '\\u{7}' is not a decimal number"),
        (|i| i.currency = "TOOLONGER".into(), "currency: has 9 bytes, at most 8 are allowed"),
    ];
    for (spoil, text) in cases {
        let (code, message) = failure(define(spoil).await);
        assert_eq!(code, Code::InvalidArgument, "{message}");
        assert!(message.starts_with(text), "{message}");
    }
    for page_token in ["x", "1-", "1-x", "1-2-3", "18446744073709551616", "-1", "é"] {
        let request = ListOrdersRequest { page_token: page_token.into(), ..Default::default() };
        let (code, message) = failure(admin.list_orders(request).await);
        assert_eq!(code, Code::InvalidArgument, "{page_token}");
        assert!(message.starts_with("page_token: is not one"), "{message}");
    }
    let request = ListOrdersRequest { page_size: u32::MAX, ..Default::default() };
    let (_, message) = failure(admin.list_orders(request).await);
    assert_eq!(message, "page_size: 4294967295 is out of range: 1 to 1000");
    let quotes = |symbols, min_interval_ms| QuotesRequest { symbols, min_interval_ms };
    for (request, code, text) in [
        (quotes(vec![], 0), Code::InvalidArgument, "symbols: 0 are named, 1 to 1000 are allowed"),
        (
            quotes(vec![SYMBOL.into(); 1_001], 0),
            Code::InvalidArgument,
            "symbols: 1001 are named, 1 to 1000 are allowed",
        ),
        (
            quotes(vec![SYMBOL.into()], 60_001),
            Code::InvalidArgument,
            "min_interval_ms: 60001 is out of range: 0 to 60000",
        ),
        (quotes(vec!["NONE".into()], 0), Code::NotFound, "symbol: 'NONE' is not defined"),
    ] {
        let (found, message) = failure(admin.quotes(request).await);
        assert_eq!(found, code, "{message}");
        assert!(message.starts_with(text), "{message}");
    }
    let request = GetOrderRequest { account: ACCOUNT, order: None };
    assert_eq!(failure(admin.get_order(request).await).0, Code::InvalidArgument);
    // For programs the field is in a trailer.
    let answer = admin.get_book(GetBookRequest { symbol: "NONE".into(), depth: 0 }).await;
    let Err(ClientError::Call { status, .. }) = answer else { panic!("{answer:?}") };
    let field = status.metadata().get("tidegate-field").expect("a trailer");
    assert_eq!(field, "symbol");
    let request = GetAccountRequest { account: 77 };
    let (code, message) = failure(admin.get_account(request).await);
    assert_eq!(code, Code::NotFound);
    assert!(message.starts_with("account: 77 is not open"), "{message}");
    house.close().await;
}

#[tokio::test]
async fn a_token_in_a_wrong_form_is_told_the_right_one() {
    use tonic::metadata::MetadataValue;
    let house = House::new(config()).await;
    let endpoint = tonic::transport::Endpoint::from_shared(house.addr.clone()).expect("an address");
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = account_service_client::AccountServiceClient::new(channel);
    let long = format!("Bearer {}", "x".repeat(513));
    for header in [TRADER, "Bearer", "Basic dXNlcg==", "Bearer\ttoken", "Token x", "", &long] {
        let mut request = tonic::Request::new(ListAccountsRequest::default());
        request.metadata_mut().insert("authorization", header.parse().expect("ASCII"));
        let status = client.list_accounts(request).await.expect_err(header);
        assert_eq!(status.code(), Code::Unauthenticated, "{header}");
        assert_eq!(status.message(), "authorization: must read 'Bearer TOKEN'", "{header}");
    }
    let mut request = tonic::Request::new(ListAccountsRequest::default());
    let header = MetadataValue::try_from(b"Bearer \xff\xfe".as_slice()).expect("opaque bytes");
    request.metadata_mut().insert("authorization", header);
    let status = client.list_accounts(request).await.expect_err("no text");
    assert_eq!(status.code(), Code::Unauthenticated);
    // Headers without end are refused before anything looks at them.
    let mut request = tonic::Request::new(ListAccountsRequest::default());
    let header = format!("Bearer {}", "x".repeat(20_000)).parse().expect("ASCII");
    request.metadata_mut().insert("authorization", header);
    client.list_accounts(request).await.expect_err("beyond header_bytes_max");
    let fine = client.list_accounts(ListAccountsRequest::default()).await.expect("served on");
    assert_eq!(fine.into_inner().accounts.len(), 1);
    house.close().await;
}

#[tokio::test]
async fn a_thousand_streams_meet_a_bound_and_leave_room_again() {
    const STREAMS_MAX: usize = 40;
    let limits = EdgeLimits { streams_max: STREAMS_MAX, ..Default::default() };
    let mut house = House::new(EdgeConfig { limits, ..config() }).await;
    let request = || QuotesRequest { symbols: vec![SYMBOL.into()], min_interval_ms: 0 };
    let mut open = Vec::new();
    let mut refused = 0;
    for _ in 0..1_000 {
        match tokio::time::timeout(SOON, house.client.quotes(request())).await.expect("soon") {
            Ok(stream) => open.push(stream),
            answer => {
                let (code, text) = failure(answer);
                assert_eq!(code, Code::ResourceExhausted);
                assert_eq!(text, "all 40 streams are taken (streams_max)");
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (STREAMS_MAX, 1_000 - STREAMS_MAX));
    // Calls are served meanwhile.
    let order = house.order(Side::Buy, "1", "10.00");
    assert_eq!(house.client.submit(order).await.expect("a report").reject, None);
    drop(open);
    let again = async {
        while house.client.quotes(request()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SOON, again).await.expect("streams that end make room");
    house.close().await;
}

#[tokio::test]
async fn a_session_that_never_reads_is_ended_with_the_reason() {
    let limits = EdgeLimits { event_lag_max: 500, ..Default::default() };
    let mut house = House::new(EdgeConfig { limits, ..config() }).await;
    let trader = house.trader().await;
    let session = trader.order_session().await.expect("a session");
    let (mut sender, mut events) = session.split();
    // More than the queues on the way hold.
    let mut orders = Vec::new();
    for _ in 0..20_000 {
        let order = house.order(Side::Buy, "1", "9.00");
        orders.push(SubmitOrderRequest { cancel_on_disconnect: true, ..order });
    }
    let sending = tokio::spawn(async move {
        for order in orders {
            if sender.submit(order).await.is_err() {
                return true;
            }
        }
        false
    });
    let none_open = async {
        // The lane is free again, though nobody has read a word.
        loop {
            let status = trader.get_status(GetStatusRequest {}).await.expect("a status");
            if status.counters["commands"] > 100 && status.sessions_open == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let all = ListOrdersRequest::default();
        while !trader.list_orders(all.clone()).await.expect("orders").orders.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, none_open).await.expect("the session ends, its orders with it");
    let reason = async {
        loop {
            match events.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it should have been told why"),
                Err(ClientError::Call { status, .. }) => break status,
                Err(other) => panic!("{other}"),
            }
        }
    };
    let status = tokio::time::timeout(SOON, reason).await.expect("soon");
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("event_lag_max"), "{status:?}");
    assert!(status.metadata().get("tidegate-resume-seq").is_some());
    let is_told = tokio::time::timeout(SOON, sending).await.expect("soon").expect("no panic");
    assert!(is_told, "sending on should have failed");
    house.close().await;
}

#[tokio::test]
async fn malformed_requests_of_a_session_wait_until_their_refusals_are_read() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    let (mut sender, mut events) = trader.order_session().await.expect("a session").split();
    let count = 5_000u64;
    let bad = house.order(Side::Buy, "NaN", "10.00");
    let sending = tokio::spawn(async move {
        for _ in 0..count {
            sender.submit(bad.clone()).await.expect("the session is open");
        }
        let nothing = OrderRef::Id(0);
        sender.cancel(ACCOUNT, nothing).await.expect("the session is open");
        sender
    });
    // Others are served while it waits.
    let order = house.order(Side::Buy, "1", "10.00");
    assert_eq!(trader.submit(order).await.expect("a report").reject, None);
    for request_id in 1..=count {
        let heard = tokio::time::timeout(SOON, events.next()).await.expect("soon");
        let Ok(Some(Heard::Refused(refused))) = heard else { panic!("{heard:?}") };
        assert_eq!((refused.request_id, refused.field.as_str()), (request_id, "qty"));
    }
    let heard = tokio::time::timeout(SOON, events.next()).await.expect("soon");
    let Ok(Some(Heard::Refused(refused))) = heard else { panic!("{heard:?}") };
    assert_eq!(refused.text, "order_id: 0 is no order; numbers begin at 1");

    // What cannot be read ends the session, with the reason.
    let mut sender = sending.await.expect("no panic");
    let mut large = house.order(Side::Buy, "1", "10.00");
    large.symbol = "S".repeat(70_000);
    sender.submit(large).await.expect("sent");
    let heard = tokio::time::timeout(SOON, events.next()).await.expect("soon");
    let (code, text) = failure(heard);
    assert_eq!(code, Code::OutOfRange, "{text}");
    assert!(text.contains("65536"), "{text}");
    house.close().await;
}

#[tokio::test]
async fn positions_of_another_journal_are_refused() {
    let house = House::new(config()).await;
    let last = house.client.get_status(GetStatusRequest {}).await.expect("a status").last_event;
    let last = last.expect("a position");
    for (seq, ordinal) in [(last.seq, u32::MAX), (last.seq + 1_000, 0), (u64::MAX, u32::MAX)] {
        let after = EventPosition { seq, ordinal };
        let mut stream = house.client.events(Some(after), Default::default());
        let answer = tokio::time::timeout(SOON, stream.next()).await.expect("soon");
        let (code, text) = failure(answer);
        assert_eq!(code, Code::OutOfRange);
        assert!(
            text.starts_with(&format!("after: seq {seq} ordinal {ordinal} lies beyond")),
            "{text}"
        );
    }
    let stranger = Client::connect(&house.addr, None).await.expect("a connection");
    let filter = tidegate_client::EventFilter { account: Some(199_999), ..Default::default() };
    let (code, text) = failure(stranger.events(None, filter).next().await);
    assert_eq!(code, Code::InvalidArgument);
    assert_eq!(text, "account: 199999 is out of range: 0 to 131071");
    house.close().await;
}
