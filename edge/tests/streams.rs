//! Streams of events and of market data, with a real engine behind them.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;
use support::*;
use tidegate_client::proto::stream_events_response::Step;
use tidegate_client::proto::*;
use tidegate_client::{Client, EventFilter};
use tidegate_edge::{EdgeConfig, Limits as EdgeLimits};
use tidegate_model::Side as ModelSide;
use tonic::Code;

type RawEvents = tonic::Streaming<StreamEventsResponse>;

/// A stream without the client's help, over a connection that buffers little.
async fn raw_events(addr: &str, request: StreamEventsRequest) -> Result<RawEvents, tonic::Status> {
    let endpoint = tonic::transport::Endpoint::from_shared(addr.to_string()).expect("an address");
    let endpoint =
        endpoint.initial_stream_window_size(65_535).initial_connection_window_size(8 << 20);
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = event_service_client::EventServiceClient::new(channel);
    Ok(client.stream_events(request).await?.into_inner())
}

/// All events there are after `after`.
async fn events_after(addr: &str, after: Option<EventPosition>) -> Vec<Event> {
    let request = StreamEventsRequest { after, stop_at_end: true, ..Default::default() };
    let mut stream = raw_events(addr, request).await.expect("a stream");
    let mut events = Vec::new();
    while let Some(message) = stream.message().await.expect("no error") {
        if let Some(Step::Event(event)) = message.step {
            events.push(event);
        }
    }
    events
}

#[tokio::test]
async fn a_stream_resumes_anywhere_without_gap_or_repeat() {
    let mut house = House::new(config()).await;
    let trader = house.trader().await;
    for at in 0..20 {
        // Every other one takes: several events of one input.
        let price = if at % 2 == 0 { "10.00" } else { "10.02" };
        trader.submit(house.order(Side::Buy, "10", price)).await.expect("a report");
    }
    let all = events_after(&house.addr, None).await;
    let positions: Vec<_> = all.iter().map(|event| event.position.expect("a position")).collect();
    assert!(positions.is_sorted_by_key(|at| (at.seq, at.ordinal)));
    assert!(positions.iter().any(|at| at.ordinal > 1), "inputs with several events are needed");
    for (count, &position) in positions.iter().enumerate() {
        let rest = events_after(&house.addr, Some(position)).await;
        assert_eq!(rest, all[count + 1..], "after {position:?}");
    }
    let beyond = EventPosition { seq: 1 << 40, ordinal: 0 };
    let request = StreamEventsRequest { after: Some(beyond), ..Default::default() };
    let status = raw_events(&house.addr, request).await.expect_err("beyond the end");
    assert_eq!(status.code(), Code::OutOfRange);
    house.close().await;
}

#[tokio::test]
async fn a_client_stream_outlives_the_edge() {
    let mut house = House::new(config()).await;
    let order = house.order(Side::Buy, "10", "10.00");
    house.client.submit(order).await.expect("a report");
    let filter = EventFilter { kinds: vec![EventKind::Execution], ..Default::default() };
    let mut stream = house.client.events(None, filter);
    let mut names = Vec::new();
    let name = |event: Event| match event.body {
        Some(event::Body::Execution(report)) => report.client_order_id,
        other => panic!("{other:?}"),
    };
    names.push(name(stream.next().await.expect("an event")));
    house = house.restart_edge().await;
    for _ in 0..3 {
        let order = house.order(Side::Buy, "10", "9.99");
        house.client.submit(order).await.expect("a report");
        names.push(name(stream.next().await.expect("an event")));
    }
    assert_eq!(names, ["c1", "c2", "c3", "c4"]);
    house.close().await;
}

#[tokio::test]
async fn a_consumer_that_sleeps_is_told_where_to_resume() {
    let limits = EdgeLimits { event_lag_max: 500, ..Default::default() };
    let mut house = House::new(EdgeConfig { limits, ..config() }).await;
    let trader = house.trader().await;
    let mut sleeper =
        raw_events(&house.addr, StreamEventsRequest::default()).await.expect("a stream");
    let mut heard = 0u64;
    while let Some(message) = sleeper.message().await.expect("no error") {
        match message.step {
            Some(Step::Event(_)) => heard += 1,
            // Caught up: from now on it is live, and falls asleep.
            _ => break,
        }
    }
    let session = trader.order_session().await.expect("a session");
    let (mut sender, mut events) = session.split();
    for _ in 0..4_000 {
        sender.submit(house.order(Side::Buy, "1", "9.00")).await.expect("sent");
        events.next().await.expect("no error").expect("no end");
    }
    let status = loop {
        match sleeper.message().await {
            Ok(Some(message)) => heard += u64::from(matches!(message.step, Some(Step::Event(_)))),
            Ok(None) => panic!("it should have been told why"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert!(status.message().contains("event_lag_max"), "{status:?}");
    let number = |key: &str| -> u64 {
        let value = status.metadata().get(key).expect("a trailer");
        value.to_str().expect("ASCII").parse().expect("a number")
    };
    let resume = EventPosition {
        seq: number("tidegate-resume-seq"),
        ordinal: number("tidegate-resume-ordinal") as u32,
    };
    let all = events_after(&house.addr, None).await.len() as u64;
    let rest = events_after(&house.addr, Some(resume)).await.len() as u64;
    assert_eq!(heard + rest, all, "none is left out, none comes twice");
    assert!(rest > 1_000, "the sleeper was let go early, {rest} were left");
    house.close().await;
}

#[tokio::test]
async fn book_deltas_add_up_to_the_book() {
    let mut house = House::new(config()).await;
    let request = BooksRequest { symbols: vec![SYMBOL.into()], depth: 5, min_interval_ms: 0 };
    let mut books = house.client.books(request).await.expect("a stream");
    let mut sides: [BTreeMap<String, (String, u32)>; 2] = Default::default();
    let mut apply = |update: &BookUpdate| {
        for (side, levels) in sides.iter_mut().zip([&update.bids, &update.asks]) {
            if update.snapshot {
                side.clear();
            }
            for level in levels {
                match level.qty.as_str() {
                    "0" => side.remove(&level.price),
                    _ => side.insert(level.price.clone(), (level.qty.clone(), level.orders)),
                };
            }
        }
        sides.clone()
    };
    let first = books.message().await.expect("no error").expect("a snapshot");
    assert!(first.snapshot);
    apply(&first);
    // Levels come, go, change, and move in and out of the depth asked for.
    let mut rows = 0u64;
    for round in 0..50u64 {
        for step in 0..8 {
            let cents = 990 - ((round * 7 + step * 3) % 20) as i64;
            house.add(100 + round * 8 + step, ModelSide::Buy, cents, 10 + step);
        }
        rows += 8;
        if round % 3 == 2 {
            for step in 0..8 {
                house.delete(100 + (round - 1) * 8 + step);
            }
            rows -= 8;
        }
    }
    let orders = move |book: &Book| {
        book.bids.iter().map(|level| u64::from(level.orders)).sum::<u64>() == rows + 1
    };
    let whole = house.settle(orders).await;
    let expected = |levels: &[Level]| -> BTreeMap<String, (String, u32)> {
        let row = |l: &Level| (l.price.clone(), (l.qty.clone(), l.orders));
        levels.iter().take(5).map(row).collect()
    };
    let expected = [expected(&whole.bids), expected(&whole.asks)];
    let mut passed = 0;
    loop {
        let update = tokio::time::timeout(Duration::from_secs(5), books.message()).await;
        let update = update.expect("the stream gets there").expect("no error").expect("no end");
        assert!(!update.snapshot);
        passed += 1 + update.skipped;
        if apply(&update) == expected {
            break;
        }
    }
    assert!(passed > 1, "{passed} changes");
    house.close().await;
}

#[tokio::test]
async fn quotes_conflate_and_trades_are_all_there() {
    let mut house = House::new(config()).await;
    let symbols = vec![SYMBOL.to_string()];
    let slow = QuotesRequest { symbols: symbols.clone(), min_interval_ms: 200 };
    let mut quotes = house.client.quotes(slow).await.expect("a stream");
    let mut trades = house.client.trades(TradesRequest { symbols }).await.expect("a stream");
    let first = quotes.message().await.expect("no error").expect("the quote now");
    assert_eq!((first.bid_price.as_str(), first.ask_price.as_str()), ("10.0000", "10.0200"));
    assert_eq!((first.bid_qty.as_str(), first.skipped), ("500", 0));

    for _ in 0..100 {
        house.execute(1, 1);
    }
    let mut traded = 0;
    while traded < 100 {
        let trade = trades.message().await.expect("no error").expect("a trade");
        assert_eq!((trade.price.as_str(), trade.qty.as_str()), ("10.0000", "1"));
        assert_eq!((trade.aggressor(), trade.skipped), (Side::Sell, 0));
        traded += 1;
    }
    let mut passed = 0;
    let last = loop {
        let quote = quotes.message().await.expect("no error").expect("a quote");
        passed += 1 + quote.skipped;
        if quote.bid_qty == "400" {
            break quote;
        }
    };
    assert_eq!(passed, 100);
    assert!(last.skipped > 0);
    assert_eq!(last.last_price, "10.0000");

    let none = house.client.quotes(QuotesRequest::default()).await;
    assert_eq!(failure(none).0, Code::InvalidArgument);
    let deep = BooksRequest { symbols: vec![SYMBOL.into()], depth: 1_001, ..Default::default() };
    assert_eq!(failure(house.client.books(deep).await).0, Code::InvalidArgument);
    house.close().await;
}

#[tokio::test]
async fn instruments_are_defined_and_listed_in_pages() {
    let house = House::empty(config()).await;
    for symbol in ["BTC-EUR", "AAPL", "ES", "AAL"] {
        let instrument = Instrument {
            symbol: symbol.into(),
            tick_size: "0.01".into(),
            lot_size: "0.001".into(),
            price_decimals: 2,
            qty_decimals: 3,
            maker_fee_rate: "-0.0001".into(),
            ..Default::default()
        };
        let request = DefineInstrumentRequest { instrument: Some(instrument) };
        done(house.client.define_instrument(request).await.expect("an answer"));
    }
    let names = |page: &ListInstrumentsResponse| -> Vec<String> {
        page.instruments.iter().map(|i| i.symbol.clone()).collect()
    };
    let request = ListInstrumentsRequest { page_size: 3, ..Default::default() };
    let page = house.client.list_instruments(request.clone()).await.expect("a page");
    assert_eq!(names(&page), ["AAL", "AAPL", "BTC-EUR"]);
    assert_eq!(page.instruments[0].maker_fee_rate, "-0.0001");
    assert_eq!(
        (page.instruments[0].order_tick.as_str(), page.instruments[0].order_lot.as_str()),
        ("0.01", "0.001")
    );
    let next = ListInstrumentsRequest { page_token: page.next_page_token, ..request };
    let page = house.client.list_instruments(next).await.expect("a page");
    assert_eq!((names(&page), page.next_page_token.as_str()), (vec!["ES".to_string()], ""));
    let request = ListInstrumentsRequest { prefix: "AA".into(), ..Default::default() };
    let page = house.client.list_instruments(request).await.expect("a page");
    assert_eq!(names(&page), ["AAL", "AAPL"]);
    let bad = Instrument { symbol: "X".into(), tick_size: "0".into(), ..Default::default() };
    let bad = DefineInstrumentRequest { instrument: Some(bad) };
    let (code, text) = failure(house.client.define_instrument(bad).await);
    assert_eq!((code, text.as_str()), (Code::InvalidArgument, "tick_size: must be above 0"));
    house.close().await;
}

#[tokio::test]
async fn shutting_down_tells_the_streams() {
    let house = House::new(config()).await;
    let addr = house.addr.clone();
    let mut stream = raw_events(&addr, StreamEventsRequest::default()).await.expect("a stream");
    let session = house.client.order_session().await.expect("a session");
    let (_sender, mut events) = session.split();
    house.close().await;
    let status = loop {
        if let Err(status) = stream.message().await {
            break status;
        }
    };
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(events.next().await.is_err());
    assert!(Client::connect(&addr, None).await.is_err());
}
