//! Nobody reaches what is another's, nothing is done twice, and nothing is lost where something breaks.

mod support;

use serde_json::{Value, json};
use support::{Api, Front};
use tidegate_model::Side as ModelSide;

fn limit(account: &str, qty: &str, price: &str) -> Value {
    json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "limit", "qty": qty,
        "limit_price": price,
    })
}

async fn count(api: &Api) -> usize {
    let all = api.get("/api/v1/orders?limit=200").await.data();
    all.as_array().expect("a list").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_not_found() {
    let front = Front::new().await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let account = ann.open_account("Paper").await;
    let order = ann.post_once("/api/v1/orders", "k", &limit(&account, "1", "9.00")).await.data();
    let order = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
    let list =
        ann.post("/api/v1/watchlists", json!({ "name": "Mine", "symbols": ["ACME"] })).await.data();
    let list = format!("/api/v1/watchlists/{}", list["id"].as_str().expect("an id"));
    let content = json!({ "name": "Yours", "symbols": [] });
    let of = format!("/api/v1/accounts/{account}");
    for (what, answer) in [
        ("account", bob.get(&of).await),
        ("limits", bob.get(&format!("{of}/limits")).await),
        ("positions", bob.get(&format!("/api/v1/positions?account={account}")).await),
        ("portfolio", bob.get(&format!("/api/v1/portfolio?account={account}")).await),
        ("executions", bob.get(&format!("/api/v1/executions?account={account}")).await),
        ("orders", bob.get(&format!("/api/v1/orders?account={account}")).await),
        ("order", bob.get(&order).await),
        ("cancel", bob.delete(&order).await),
        ("replace", bob.patch(&order, json!({ "qty": "2" })).await),
        ("cancel all", bob.delete(&format!("/api/v1/orders?account={account}")).await),
        ("submit", bob.post_once("/api/v1/orders", "k", &limit(&account, "1", "9.00")).await),
        ("preview", bob.post("/api/v1/orders/preview", limit(&account, "1", "9.00")).await),
        ("flatten", bob.post(&format!("{of}/flatten"), json!({})).await),
        ("watchlist", bob.get(&list).await),
        ("watchlist", bob.put(&list, content).await),
        ("watchlist", bob.delete(&list).await),
    ] {
        assert_eq!(answer.error(), (404, "not_found"), "{what}");
    }
    assert_eq!(bob.get("/api/v1/orders").await.data(), json!([]));
    assert_eq!(ann.get(&order).await.data()["status"], "new");
    // The same key of another user is another order.
    let own = bob.open_account("Paper").await;
    let theirs = bob.post_once("/api/v1/orders", "k", &limit(&own, "1", "9.00")).await.data();
    assert!(!order.ends_with(theirs["id"].as_str().expect("an id")));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_themselves_what_they_do_not_have() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    for (field, value) in [
        ("number", json!(1)),
        ("owner", json!(uuid::Uuid::nil())),
        ("cash", json!("1000000")),
        ("status", json!("open")),
    ] {
        let answer = ann.post("/api/v1/accounts", json!({ "name": "x", field: value })).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{field}");
    }
    let account = ann.open_account("Paper").await;
    for (field, value) in [
        ("principal", json!(1)),
        ("client_order_id", json!("c1")),
        ("id", json!(uuid::Uuid::nil())),
        ("authorization", json!("x")),
        ("cancel_on_disconnect", json!(true)),
    ] {
        let mut order = limit(&account, "1", "9.00");
        order[field] = value;
        let answer = ann.post_once("/api/v1/orders", field, &order).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{field}");
    }
    for (path, body) in [
        ("/api/v1/risk/kill", json!({ "scope": { "kind": "firm" }, "reason": "x" })),
        ("/api/v1/risk/release", json!({ "scope": { "kind": "firm" }, "reason": "x" })),
        (
            "/api/v1/risk/proposals/1/decision",
            json!({ "hash": "", "decision": "approve", "reason": "x" }),
        ),
    ] {
        assert_eq!(ann.post(path, body).await.error(), (403, "not_permitted"), "{path}");
    }
    for path in ["/api/v1/audit", "/api/v1/risk/proposals"] {
        assert_eq!(ann.get(path).await.error(), (403, "not_permitted"), "{path}");
    }
    // Ten accounts, and no more.
    for number in 1..10 {
        ann.open_account(&format!("Paper {number}")).await;
    }
    let more = ann.post("/api/v1/accounts", json!({ "name": "More" })).await;
    assert_eq!(more.error(), (409, "conflict"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_one_order_however_often_it_comes() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let order = limit(&account, "1", "9.00");
    let answer = ann.post("/api/v1/orders", order.clone()).await;
    assert_eq!(answer.error(), (422, "invalid_field"), "it needs a key");
    let all = (0..20).map(|_| {
        let (ann, order) = (ann.clone(), order.clone());
        tokio::spawn(async move { ann.post_once("/api/v1/orders", "race", &order).await })
    });
    let mut answers = Vec::new();
    for one in all.collect::<Vec<_>>() {
        answers.push(one.await.expect("no panic"));
    }
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (201, &answers[0].body));
    }
    let replayed = answers.iter().filter(|one| one.headers.contains_key("idempotency-replayed"));
    assert_eq!(replayed.count(), 19);
    assert_eq!(count(&ann).await, 1);
    // Of the engine's too there is one.
    let number = front.house.client.list_orders(Default::default()).await.expect("orders");
    assert_eq!(number.orders.len(), 1);

    let other = ann.post_once("/api/v1/orders", "race", &limit(&account, "2", "9.00")).await;
    assert_eq!(other.error(), (409, "key_reused"));
    let elsewhere = ann.post_once("/api/v1/accounts", "race", &json!({ "name": "x" })).await;
    assert_eq!(elsewhere.error(), (409, "key_reused"));
    for key in ["", "a b", &"k".repeat(129)] {
        let answer = ann.post_once("/api/v1/orders", key, &order).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{key}");
    }
    // A refusal is the same the second time.
    let large = limit(&account, "50000", "10.00");
    let first = ann.post_once("/api/v1/orders", "large", &large).await;
    let again = ann.post_once("/api/v1/orders", "large", &large).await;
    assert_eq!((first.status, &first.body), (422, &again.body));
    // Accounts too are opened once.
    let name = json!({ "name": "Once" });
    let first = ann.post_once("/api/v1/accounts", "acc", &name).await.data();
    assert_eq!(ann.post_once("/api/v1/accounts", "acc", &name).await.data()["id"], first["id"]);
    assert_eq!(ann.get("/api/v1/accounts").await.data().as_array().map(Vec::len), Some(2));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_a_crash_cut_off_is_no_other() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let list = |qty: [&str; 2]| {
        let legs = qty.map(|qty| limit(&account, qty, "9.00"));
        json!({ "contingency": "oto", "legs": legs })
    };
    let path = "/api/v1/orders/lists";
    let first = ann.post_once(path, "k", &list(["1", "2"])).await.data();
    assert_eq!(front.sql("DELETE FROM idempotency").await, 1);
    let other = ann.post_once(path, "k", &list(["1", "3"])).await;
    assert_eq!(other.error(), (409, "key_reused"));
    let again = ann.post_once(path, "k", &list(["1", "2"])).await.data();
    assert_eq!(again["legs"], first["legs"]);
    assert_eq!(count(&ann).await, 2);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_the_database_lost_is_given_to_nobody_else() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let order = limit(&account, "1", "9.00");
    ann.post_once("/api/v1/orders", "k", &order).await.data();
    assert_eq!(front.sql("DELETE FROM accounts").await, 1);
    let front = front.restart().await;
    let bob = front.register("bob").await;
    let body = json!({ "name": "Paper" });
    let mut opened = bob.post("/api/v1/accounts", body.clone()).await;
    while opened.status == 503 {
        opened = bob.post("/api/v1/accounts", body.clone()).await;
    }
    let opened = opened.data();
    assert_eq!(opened["balances"][0]["cash"], "100000.00");
    assert_eq!(bob.get("/api/v1/orders").await.data(), json!([]));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_cut_off_is_done_once() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let order = limit(&account, "1", "9.00");
    let first = ann.post_once("/api/v1/orders", "k", &order).await.data();
    // As if the gateway had gone before it wrote what it answered, which it does just after, and before the account was noted as open.
    while front.sql("DELETE FROM idempotency").await == 0 {}
    assert_eq!(front.sql("UPDATE accounts SET opened_at = NULL").await, 1);
    let front = front.restart().await;
    let ann = front.api.with(ann.token.as_deref().expect("a token"));
    let path = format!("/api/v1/orders/{}", first["id"].as_str().expect("an id"));
    ann.until(&path, |order| order["status"] == "new").await;
    for other in [limit(&account, "2", "9.00"), limit(&account, "1", "9.01")] {
        let refused = ann.post_once("/api/v1/orders", "k", &other).await;
        assert_eq!(refused.error(), (409, "key_reused"), "{other}");
    }
    let again = ann.post_once("/api/v1/orders", "k", &order).await;
    assert_eq!((again.status, &again.body["data"]["id"]), (201, &first["id"]));
    assert_eq!(count(&ann).await, 1);
    let seen = ann.get(&format!("/api/v1/accounts/{account}")).await.data();
    assert_eq!(seen["status"], "open");
    assert_eq!(seen["balances"][0]["deposits"], "100000.00", "paid once");
    // With another order under the key, the engine's memory tells, not the gateway's.
    front.sql("DELETE FROM idempotency").await;
    let mut other = order.clone();
    other["side"] = json!("sell");
    let refused = ann.post_once("/api/v1/orders", "k", &other).await;
    assert_eq!(refused.error(), (409, "key_reused"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_goes_on_when_the_edge_comes_back() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let before = limit(&account, "5", "10.02");
    let before = ann.post_once("/api/v1/orders", "before", &before).await.data();
    let mut front = {
        front.house.add(3, ModelSide::Buy, 999, 100);
        let path = format!("/api/v1/orders/{}", before["id"].as_str().expect("an id"));
        ann.until(&path, |order| order["status"] == "filled").await;
        front.restart_edge().await
    };
    // What was known is known, and what follows is heard.
    assert_eq!(count(&ann).await, 1);
    let order = limit(&account, "3", "10.02");
    let mut answer = ann.post_once("/api/v1/orders", "after", &order).await;
    for _ in 0..50 {
        if answer.status == 201 {
            break;
        }
        // Whether it was done is not known, or it was not: the same again is right in both cases.
        assert!([503, 504].contains(&answer.status), "{answer:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        answer = ann.post_once("/api/v1/orders", "after", &order).await;
    }
    let after = answer.data();
    let path = format!("/api/v1/orders/{}", after["id"].as_str().expect("an id"));
    front.house.add(4, ModelSide::Buy, 998, 100);
    ann.until(&path, |order| order["status"] == "filled").await;
    let positions = ann.until("/api/v1/positions", |all| all[0]["qty"] == "8").await;
    assert_eq!(positions[0]["cost"], "80.16");
    assert_eq!(ann.get("/api/v1/executions").await.data().as_array().map(Vec::len), Some(2));
    // A gateway that starts anew makes the same picture of the engine's events.
    let whole = ann.get("/api/v1/orders").await.data();
    let front = front.restart().await;
    let ann = front.api.with(ann.token.as_deref().expect("a token"));
    let anew = ann.until("/api/v1/orders", |all| all.as_array().is_some_and(|all| all.len() == 2));
    assert_eq!(anew.await, whole);
    front.close().await;
}
