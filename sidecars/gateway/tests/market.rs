//! The market over REST, from a real engine.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::house::SYMBOL;
use support::{Api, Front, PASSWORD};

/// Asks again until the answer is as it should be.
async fn until(api: &Api, path: &str, is_there: impl Fn(&Value) -> bool) -> Value {
    let mut last = None;
    for _ in 0..1_000 {
        let answer = api.get(path).await;
        if answer.status == 200 && is_there(&answer.body["data"]) {
            return answer.body;
        }
        last = Some(answer);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} did not become what it should: {last:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_is_told_as_it_stands() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let quote = until(&ann, "/api/v1/quotes/ACME", |quote| quote["bid_price"] == "10.0000").await;
    let data = &quote["data"];
    assert_eq!((&data["ask_price"], &data["ask_qty"]), (&json!("10.0200"), &json!("500")));
    assert_eq!(data["last_price"], Value::Null);
    assert_eq!(quote["meta"]["as_of"], format!("{}:0", data["seq"]));
    front.house.add(3, tidegate_model::Side::Buy, 999, 70);
    let book = until(&ann, "/api/v1/books/ACME", |book| book["bids"][1]["qty"] == "70").await;
    assert_eq!(book["data"]["bids"][1]["price"], "9.9900");
    let best = ann.get("/api/v1/books/ACME?depth=1").await.data();
    assert_eq!(
        (best["bids"].as_array().map(Vec::len), &best["bids"][0]["orders"]),
        (Some(1), &json!(1))
    );
    for qty in [10, 20, 30] {
        front.house.execute(1, qty);
    }
    front.house.execute(2, 40);
    until(&ann, "/api/v1/trades/ACME", |trades| trades[3]["qty"] == "40").await;
    let trades = ann.get("/api/v1/trades/ACME?after=1&limit=2").await.data();
    let numbers: Vec<_> = trades.as_array().expect("a list").iter().map(|t| &t["number"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(3)]);
    let bars = ann.get("/api/v1/history/ACME?resolution=1d").await.data();
    let bar = json!({
        "start": bars[0]["start"], "open": "10.0000", "high": "10.0200", "low": "10.0000",
        "close": "10.0200", "volume": "100", "vwap": "10.0080", "trades": 4, "is_whole": false,
    });
    assert_eq!(bars, json!([bar]));
    // Bars of trades, two pages of them.
    let page =
        ann.get("/api/v1/history/ACME?resolution=ticks&from=2020-01-01T00:00:00Z&limit=3").await;
    assert_eq!(page.body["data"].as_array().map(Vec::len), Some(3));
    // Everything of one input's time has one time here: the cursor is that of the bars that follow.
    assert!(page.body["meta"]["next_cursor"].is_string(), "{page:#?}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_begin_where_they_ended() {
    let front = Front::new().await;
    let old: i64 = tidegate_engine::runtime::unix_now().0.cast_signed() / 1_000_000_000 / 3_600
        * 3_600
        - 3_600;
    // As the task writes them; a test does not wait for a minute to end.
    let row = format!(
        "INSERT INTO bars (symbol, seconds, starts_at, open, high, low, close, volume, value, trades, is_whole)
         VALUES ('ACME', 60, {old}, 9000000000, 9500000000, 8500000000, 9250000000, '7000000000', '63000000000000000000', 3, 1)"
    );
    front.sql(row.leak()).await;
    let front = front.restart().await;
    let ann = front.register("ann").await;
    for (resolution, is_whole) in [("1m", true), ("5m", false), ("1d", false)] {
        let path = format!("/api/v1/history/ACME?resolution={resolution}");
        let told = until(&ann, &path, |bars| !bars[0].is_null()).await;
        let bar = &told["data"][0];
        let expected = json!({
            "start": bar["start"], "open": "9.0000", "high": "9.5000", "low": "8.5000", "close": "9.2500",
            "volume": "7", "vwap": "9.0000", "trades": 3, "is_whole": is_whole,
        });
        assert_eq!(*bar, expected, "{resolution}");
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_cannot_be_is_told() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    until(&ann, "/api/v1/instruments/ACME", |_| true).await;
    for (path, error) in [
        ("/api/v1/instruments/NONE", (404, "not_found")),
        ("/api/v1/quotes/acme", (404, "not_found")),
        ("/api/v1/quotes?symbols=ACME,NONE", (404, "not_found")),
        ("/api/v1/quotes?symbols=,", (422, "invalid_field")),
        ("/api/v1/quotes", (422, "invalid_field")),
        ("/api/v1/books/ACME?depth=0", (422, "invalid_field")),
        ("/api/v1/books/ACME?depth=-1", (422, "invalid_field")),
        ("/api/v1/books/ACME?deep=1", (422, "invalid_field")),
        ("/api/v1/trades/ACME?limit=1001", (422, "invalid_field")),
        ("/api/v1/history/ACME?resolution=1w", (422, "invalid_field")),
        ("/api/v1/history/ACME?from=yesterday", (422, "invalid_field")),
        ("/api/v1/history/ACME?to=9999-01-01T00:00:00Z", (422, "invalid_field")),
        ("/api/v1/history/ACME?cursor=x", (422, "invalid_field")),
        ("/api/v1/instruments?cursor=x", (422, "invalid_field")),
        ("/api/v1/instruments?limit=0", (422, "invalid_field")),
    ] {
        assert_eq!(ann.get(path).await.error(), error, "{path}");
    }
    let nobody = front.api.with("nonsense");
    assert_eq!(nobody.get("/api/v1/quotes/ACME").await.error(), (401, "unauthenticated"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instruments_are_found_and_paged_as_they_are_defined() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    until(&ann, "/api/v1/instruments/ACME", |_| true).await;
    for symbol in ["AC", "BACME", "ZED"] {
        let terms = tidegate_client::proto::Instrument {
            symbol: symbol.into(),
            venue: "XNYS".into(),
            currency: "USD".into(),
            asset_class: tidegate_client::proto::AssetClass::Equity.into(),
            tick_size: "0.0001".into(),
            lot_size: "1".into(),
            multiplier: "1".into(),
            order_tick: "0.01".into(),
            order_tick_from: "1".into(),
            order_lot: "1".into(),
            maker_fee_rate: "0".into(),
            taker_fee_rate: "0".into(),
            price_decimals: 2,
            ..Default::default()
        };
        let request = tidegate_client::proto::DefineInstrumentRequest { instrument: Some(terms) };
        support::house::done(front.house.client.define_instrument(request).await.expect("defined"));
    }
    until(&ann, "/api/v1/instruments/ZED", |_| true).await;
    let symbols = |answer: &Value| -> Vec<String> {
        let list = answer["data"].as_array().expect("a list").iter();
        list.map(|one| one["symbol"].as_str().expect("text").to_string()).collect()
    };
    let found = ann.get("/api/v1/instruments?q=ac").await.body;
    assert_eq!(symbols(&found), ["AC", "ACME", "BACME"]);
    let first = ann.get("/api/v1/instruments?q=ac&limit=2").await.body;
    assert_eq!(symbols(&first), ["AC", "ACME"]);
    let cursor = first["meta"]["next_cursor"].as_str().expect("another page");
    let second = ann.get(&format!("/api/v1/instruments?q=ac&limit=2&cursor={cursor}")).await.body;
    assert_eq!(
        (symbols(&second), &second["meta"]["next_cursor"]),
        (vec!["BACME".into()], &Value::Null)
    );
    let all = ann.get("/api/v1/instruments?venue=XNYS").await.body;
    assert_eq!(symbols(&all), ["AC", "BACME", "ZED"]);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_defines_instruments() {
    let front = Front::new().await;
    front.register("ann").await;
    let front = front.promote("ann", "administrator").await;
    let pair = front.api.login("ann", PASSWORD, None).await.data();
    let ann = front.api.with(pair["access_token"].as_str().expect("a token"));
    let path = "/api/v1/instruments";
    let terms = json!({
        "symbol": "FUT", "asset_class": "future", "settlement": "daily", "multiplier": "50",
        "tick_size": "0.25", "price_decimals": 2, "venue_kind": "internal",
    });
    let made = ann.post(path, terms.clone()).await;
    assert_eq!(made.status, 201, "{made:#?}");
    let made = made.data();
    for (field, expected) in [
        ("symbol", json!("FUT")),
        ("venue", json!("XNAS")),
        ("currency", json!("USD")),
        ("asset_class", json!("future")),
        ("settlement", json!("daily")),
        ("multiplier", json!("50")),
        ("order_tick", json!("0.25")),
        ("venue_kind", json!("internal")),
        ("tick_table", json!(null)),
    ] {
        assert_eq!(made[field], expected, "{field}");
    }
    assert_eq!(ann.get("/api/v1/instruments/FUT").await.data(), made);
    // The same terms again are confirmed, others are not taken.
    assert_eq!(ann.post(path, terms.clone()).await.status, 201);
    let with = |field: &str, value: Value| {
        let mut terms = terms.clone();
        terms[field] = value;
        terms
    };
    let other = ann.post(path, with("multiplier", json!("20"))).await;
    assert_eq!(other.error(), (422, "rejected"));
    assert_eq!(other.body["error"]["details"]["reason"], "duplicate_symbol");
    for (field, value) in [
        ("symbol", json!("")),
        ("symbol", json!("A B")),
        ("tick_size", json!("0")),
        ("lot_size", json!("1e3")),
        ("price_decimals", json!(10)),
        ("taker_fee_rate", json!("0.000000001")),
        ("maker_fee_rate", json!("2")),
        ("venue_kind", json!("route")),
    ] {
        let refused = ann.post(path, with(field, value.clone())).await;
        assert_eq!(refused.error(), (422, "invalid_field"), "{field} {value}");
        assert_eq!(refused.body["error"]["details"]["field"], field, "{value}");
    }
    let odd = ann.post(path, with("tick_table", json!("0:0.01"))).await;
    assert_eq!(odd.error(), (422, "invalid_field"));
    let log = ann.get("/api/v1/audit?action=instrument.define").await.data();
    assert_eq!((&log[0]["target"], log.as_array().map(Vec::len)), (&json!("FUT"), Some(2)));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_market_comes_back_with_the_engine() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let quotes = format!("/api/v1/quotes/{SYMBOL}");
    until(&ann, &quotes, |_| true).await;
    front.house.execute(1, 10);
    until(&ann, "/api/v1/trades/ACME", |trades| trades[0]["qty"] == "10").await;
    let mut front = front.restart_edge().await;
    let quote = until(&ann, &quotes, |quote| quote["bid_qty"] == "490").await;
    assert_eq!(quote["data"]["last_price"], "10.0000");
    // What traded before is still here; the streams of trades follow what trades from here on.
    let mut qty = 0;
    let has_two = loop {
        qty += 1;
        front.house.execute(1, qty);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let trades = ann.get("/api/v1/trades/ACME").await.data();
        if trades.as_array().is_some_and(|trades| trades.len() >= 2) || qty > 20 {
            break trades;
        }
    };
    assert_eq!(has_two[0]["qty"], "10");
    assert_eq!(has_two[1]["number"], 2);
    front.close().await;
}
