//! Accounts and orders of people, before a real engine: what is entered is filled, and seen everywhere.

mod support;

use serde_json::{Value, json};
use support::{Api, Front};
use tidegate_model::Side as ModelSide;

/// A limit order for the day.
fn limit(account: &str, side: &str, qty: &str, price: &str) -> Value {
    json!({
        "account": account, "symbol": "ACME", "side": side, "type": "limit", "qty": qty,
        "limit_price": price,
    })
}

async fn enter(api: &Api, key: &str, order: &Value) -> Value {
    let answer = api.post_once("/api/v1/orders", key, order).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    answer.data()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field}: {value:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_filled_and_seen_everywhere() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let seen = ann.get(&format!("/api/v1/accounts/{account}")).await.data();
    assert_eq!((text(&seen, "status"), text(&seen, "kind")), ("open", "paper"));
    assert_eq!(seen["balances"][0]["cash"], "100000.00");
    let limits = ann.get(&format!("/api/v1/accounts/{account}/limits")).await.data();
    assert_eq!(limits["max_open_orders"], 500);

    let order = enter(&ann, "first", &limit(&account, "buy", "5", "10.02")).await;
    let path = format!("/api/v1/orders/{}", text(&order, "id"));
    // The paper venue fills with the market's next word.
    front.house.add(3, ModelSide::Buy, 999, 100);
    let filled = ann.until(&path, |order| order["status"] == "filled").await;
    assert_eq!((text(&filled, "filled_qty"), text(&filled, "avg_price")), ("5", "10.0200"));
    assert_eq!(filled["account"], json!(account));

    let executions = ann.get("/api/v1/executions").await.data();
    let [execution] = &executions.as_array().expect("a list")[..] else { panic!("{executions:#}") };
    assert_eq!((&execution["order"], &execution["qty"]), (&order["id"], &json!("5")));
    assert_eq!((text(execution, "type"), text(execution, "price")), ("trade", "10.0200"));
    // It took from the book, whose orders are shown.
    let why = &execution["why"];
    assert_eq!((text(why, "fill_model"), text(why, "impact")), ("exact", "0.0000"));
    assert_eq!(
        (&why["queue_ahead_at_entry"], &why["queue_ahead_at_fill"]),
        (&json!(null), &json!(null))
    );

    let positions = ann.until("/api/v1/positions", |all| !all[0]["value"].is_null()).await;
    assert_eq!((text(&positions[0], "qty"), text(&positions[0], "cost")), ("5", "50.10"));
    // Valued at the middle of 10.00 and 10.02.
    assert_eq!(text(&positions[0], "unrealised"), "-0.05");
    let answer = ann.get("/api/v1/portfolio").await;
    assert!(answer.body["meta"]["as_of"].as_str().is_some_and(|at| at.contains(':')));
    let totals = answer.data()["totals"][0].clone();
    for (field, expected) in [
        ("currency", "USD"),
        ("cash", "99949.90"),
        ("equity", "99999.95"),
        ("gross_exposure", "50.05"),
        ("net_exposure", "50.05"),
        ("unrealised", "-0.05"),
        ("realised", "0.00"),
    ] {
        assert_eq!(text(&totals, field), expected, "{field}");
    }
    assert_eq!(totals["allocation"][1]["symbol"], "ACME");
    assert_eq!(totals["allocation"][1]["percent"], "0.05");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_told_why_an_order_at_rest_was_filled() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let order = enter(&ann, "rests", &limit(&account, "buy", "5", "10.00")).await;
    let path = format!("/api/v1/orders/{}", text(&order, "id"));
    // It comes to the paper venue with the market's next word.
    front.house.add(3, ModelSide::Buy, 999, 100);
    ann.until(&path, |order| order["status"] == "new").await;
    // All 500 that were there before it, then more.
    front.house.execute(1, 500);
    front.house.add(4, ModelSide::Buy, 1000, 100);
    front.house.execute(4, 50);
    ann.until(&path, |order| order["status"] == "filled").await;
    let executions = ann.get("/api/v1/executions").await.data();
    let why = &executions[0]["why"];
    assert_eq!((text(why, "fill_model"), text(why, "cause_kind")), ("exact", "execute"));
    assert!(text(why, "cause_seq").parse::<u64>().is_ok_and(|seq| seq > 0), "{why:#}");
    assert_eq!((text(why, "queue_ahead_at_entry"), text(why, "queue_ahead_at_fill")), ("500", "0"));
    assert_eq!(why["impact"], json!(null));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_accounts_were_worth_is_told_as_a_curve() {
    let mut front = Front::with(|config| config.trading.equity_every_s = 1).await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let account = ann.open_account("Paper").await;
    let path = format!("/api/v1/portfolio/history?account={account}");
    assert_eq!(ann.get(&path).await.data(), json!([]));
    enter(&ann, "first", &limit(&account, "buy", "5", "10.02")).await;
    front.house.add(3, ModelSide::Buy, 999, 100);
    let points = ann.until(&path, |points| !points[1].is_null()).await;
    let points = points.as_array().expect("a list");
    for (field, expected) in [
        ("currency", "USD"),
        ("equity", "99999.95"),
        ("cash", "99949.90"),
        ("realised", "0.00"),
        ("unrealised", "-0.05"),
        ("fees", "0.00"),
    ] {
        assert_eq!(text(&points[0], field), expected, "{field}");
    }
    // The last is now, also of what moved since.
    front.house.add(4, ModelSide::Buy, 1001, 100);
    let is_now = |points: &Value| {
        points
            .as_array()
            .and_then(|all| all.last())
            .is_some_and(|last| last["unrealised"] == "-0.025")
    };
    let points = ann.until(&path, is_now).await;
    let time = |point: &Value| text(point, "at").parse::<jiff::Timestamp>().expect("a time");
    let times: Vec<_> = points.as_array().expect("a list").iter().map(time).collect();
    assert!(times.is_sorted(), "{times:?}");
    for resolution in ["1h", "1d"] {
        let points = ann.get(&format!("{path}&resolution={resolution}")).await.data();
        assert!(points.as_array().is_some_and(|points| points.len() >= 2), "{points:#}");
    }
    let past = ann.get(&format!("{path}&to=2020-01-01T00:00:00Z")).await.data();
    assert_eq!(past, json!([]));
    // It is there after a restart, and nobody else's.
    let front = front.restart().await;
    let [ann, bob] = [ann, bob].map(|api| front.api.with(api.token.as_deref().expect("a token")));
    assert!(ann.get(&path).await.data().as_array().is_some_and(|points| !points.is_empty()));
    assert_eq!(bob.get(&path).await.error(), (404, "not_found"));
    for bad in
        ["/api/v1/portfolio/history", &format!("{path}&resolution=1w"), &format!("{path}&from=x")]
    {
        assert_eq!(ann.get(bad).await.error(), (422, "invalid_field"), "{bad}");
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_changed_and_canceled() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let order = limit(&account, "buy", "1", &format!("9.0{number}"));
        ids.push(text(&enter(&ann, &format!("k{number}"), &order).await, "id").to_string());
    }
    // Pages, the newest first, none twice.
    let (mut path, mut seen) = ("/api/v1/orders?limit=2&status=open".to_string(), Vec::new());
    loop {
        let page = ann.get(&path).await;
        let next = page.body["meta"]["next_cursor"].as_str().map(str::to_string);
        let rows = page.data();
        seen.extend(rows.as_array().expect("a list").iter().map(|row| text(row, "id").to_string()));
        let Some(next) = next else { break };
        path = format!("/api/v1/orders?limit=2&status=open&cursor={next}");
    }
    ids.reverse();
    assert_eq!(seen, ids);
    assert_eq!(ann.get("/api/v1/orders?cursor=AAAA").await.error(), (422, "invalid_field"));
    assert_eq!(ann.get("/api/v1/orders?status=odd").await.error(), (422, "invalid_field"));

    let path = format!("/api/v1/orders/{}", ids[0]);
    let changed = ann.patch(&path, json!({ "qty": "3", "limit_price": "9.10" })).await.data();
    assert_eq!((text(&changed, "qty"), text(&changed, "limit_price")), ("3", "9.1000"));
    // What is absent stays.
    let changed = ann.patch(&path, json!({ "qty": "4" })).await.data();
    assert_eq!((text(&changed, "qty"), text(&changed, "limit_price")), ("4", "9.1000"));
    assert_eq!(ann.patch(&path, json!({})).await.error(), (422, "invalid_field"));
    assert_eq!(text(&ann.delete(&path).await.data(), "status"), "canceled");
    let again = ann.delete(&path).await;
    assert_eq!(again.error(), (422, "rejected"));
    assert_eq!(again.body["error"]["details"]["reason"], "too_late_to_cancel");

    let all = format!("/api/v1/orders?account={account}");
    assert_eq!(ann.delete(&all).await.data(), json!({ "canceled": 4 }));
    let open = ann.get("/api/v1/orders?status=open").await.data();
    assert_eq!(open, json!([]));
    let canceled = ann.get("/api/v1/orders?status=canceled&symbol=ACME").await.data();
    assert_eq!(canceled.as_array().map(Vec::len), Some(5));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_and_why() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let with = |field: &str, value: Value| {
        let mut order = limit(&account, "buy", "1", "10.00");
        order[field] = value;
        order
    };
    for (at, (order, code, detail)) in [
        (with("qty", json!("50000")), "rejected", ("reason", "max_order_notional")),
        (with("qty", json!("0.5")), "invalid_field", ("field", "qty")),
        (with("qty", json!("-1")), "invalid_field", ("field", "qty")),
        (with("limit_price", json!("50")), "rejected", ("reason", "price_collar")),
        (with("symbol", json!("NONE")), "invalid_field", ("field", "symbol")),
        (with("symbol", json!("")), "invalid_field", ("field", "symbol")),
        (with("type", json!("stop")), "invalid_field", ("field", "stop_price")),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = ann.post_once("/api/v1/orders", &format!("bad{at}"), &order).await;
        assert_eq!(answer.error(), (422, code), "{order} {answer:#?}");
        assert_eq!(answer.body["error"]["details"][detail.0], detail.1, "{order}");
        assert!(!answer.body["error"]["message"].as_str().expect("text").is_empty());
    }
    // What the engine refused is told among the orders, with the reason.
    let refused = ann.get("/api/v1/orders?status=rejected").await.data();
    assert_eq!(refused[0]["reject"]["reason"], "price_collar");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_parents_and_positions_that_are_closed() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let stop = json!({
        "account": account, "symbol": "ACME", "side": "sell", "type": "stop", "qty": "5",
        "stop_price": "9.50", "time_in_force": "gtc",
    });
    let mut target = limit(&account, "sell", "5", "10.50");
    target["time_in_force"] = json!("gtc");
    let entry = limit(&account, "buy", "5", "10.02");
    let bracket = json!({ "contingency": "bracket", "legs": [entry, target, stop] });
    let answer = ann.post_once("/api/v1/orders/lists", "b", &bracket).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    let list = answer.data();
    let legs = list["legs"].as_array().expect("legs");
    assert_eq!(legs.len(), 3);
    let path = format!("/api/v1/orders/{}", legs[0].as_str().expect("an id"));
    front.house.add(3, ModelSide::Buy, 999, 100);
    ann.until(&path, |order| order["status"] == "filled").await;
    let target = format!("/api/v1/orders/{}", legs[1].as_str().expect("an id"));
    let target = ann.until(&target, |order| order["leaves_qty"] == "5").await;
    assert_eq!(target["parent"], legs[0]);
    let stop = format!("/api/v1/orders/{}", legs[2].as_str().expect("an id"));
    let waits = ann.until(&stop, |order| order["status"] == "new").await;
    assert_eq!((&waits["stop_price"], &waits["limit_price"]), (&json!("9.5000"), &Value::Null));
    let lower = ann.patch(&stop, json!({ "stop_price": "9.40" })).await.data();
    assert_eq!(lower["stop_price"], "9.4000");
    assert_eq!(ann.get(&stop).await.data()["stop_price"], "9.4000");
    // The same list again is the same list.
    let again = ann.post_once("/api/v1/orders/lists", "b", &bracket).await.data();
    assert_eq!(again["legs"], list["legs"]);
    let odd = json!({ "contingency": "oco", "legs": [limit(&account, "buy", "1", "9.00")] });
    let refused = ann.post_once("/api/v1/orders/lists", "c", &odd).await;
    assert_eq!(refused.error(), (422, "invalid_field"));

    let iceberg = json!({
        "order": limit(&account, "buy", "6", "9.00"), "algorithm": "iceberg", "slice_qty": "2",
    });
    let answer = ann.post_once("/api/v1/orders/algorithms", "i", &iceberg).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    let parent = answer.data()["id"].clone();
    let open = ann
        .until("/api/v1/orders?status=open", |open| {
            open.as_array().is_some_and(|open| open.iter().any(|order| order["parent"] == parent))
        })
        .await;
    let child = open.as_array().and_then(|all| all.iter().find(|order| order["parent"] == parent));
    assert_eq!(child.map(|child| child["qty"].clone()), Some(json!("2")));

    let flatten = format!("/api/v1/accounts/{account}/flatten");
    ann.post(&flatten, json!({ "symbol": "ACME" })).await.data();
    front.house.add(4, ModelSide::Buy, 998, 100);
    ann.until("/api/v1/positions", |all| all == &json!([])).await;
    let flat = ann.get("/api/v1/positions?include_flat=true").await.data();
    assert_eq!(text(&flat[0], "bought"), text(&flat[0], "sold"));
    front.close().await;
}
