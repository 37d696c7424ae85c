//! Places of people's orders in the queues of their prices, before a real engine.

mod support;

use serde_json::{Value, json};
use support::{Api, Front};
use tidegate_model::Side as ModelSide;

async fn enter(api: &Api, key: &str, account: &str, qty: &str, price: &str) -> String {
    let order = json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "limit", "qty": qty,
        "limit_price": price,
    });
    let answer = api.post_once("/api/v1/orders", key, &order).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    answer.data()["id"].as_str().expect("an id").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_sees_its_place_and_nobody_sees_anothers() {
    let mut front = Front::new().await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let (anns, bobs) = (ann.open_account("Paper").await, bob.open_account("Paper").await);
    ann.settle().await;
    let first = enter(&ann, "first", &anns, "5", "10.00").await;
    let far = enter(&ann, "far", &anns, "7", "9.90").await;
    enter(&bob, "bob", &bobs, "9", "10.00").await;

    let path = format!("/api/v1/orders/{first}/queue");
    let place = |ahead: &str, behind: &str, level_qty: &str| {
        json!({
            "order": first, "side": "buy", "price": "10.0000", "leaves_qty": "5", "ahead": ahead,
            "behind": behind, "level_qty": level_qty, "model": "exact",
        })
    };
    let answer = ann.get(&path).await;
    let as_of = answer.body["meta"]["as_of"].as_str().map(str::to_string);
    assert!(as_of.is_some_and(|at| at.ends_with(":0")), "{answer:#?}");
    assert_eq!(answer.data(), place("500", "0", "500"));
    front.house.add(3, ModelSide::Buy, 1000, 40);
    front.house.execute(1, 120);
    ann.until(&path, |told| *told == place("380", "40", "420")).await;

    // The ladder's: the best price first, one's own only.
    let ladder = |account: &str| format!("/api/v1/books/ACME/queue?account={account}");
    let rows = ann.get(&ladder(&anns)).await;
    assert_eq!(rows.body["meta"].get("truncated"), None);
    let rows = rows.data();
    assert_eq!(rows[0], place("380", "40", "420"));
    let of_far = [&rows[1]["order"], &rows[1]["ahead"], &rows[1]["level_qty"], &rows[2]];
    assert_eq!(of_far, [&json!(far), &json!("0"), &json!("0"), &Value::Null]);
    assert_eq!(bob.get(&ladder(&bobs)).await.data()[0]["leaves_qty"], "9");
    assert_eq!(bob.get(&ladder(&anns)).await.error(), (404, "not_found"));
    assert_eq!(bob.get(&path).await.error(), (404, "not_found"));
    assert_eq!(ann.get("/api/v1/books/ACME/queue").await.error(), (400, "malformed"));
    let nowhere = format!("/api/v1/books/NONE/queue?account={anns}");
    assert_eq!(ann.get(&nowhere).await.error(), (404, "not_found"));

    // What has ended stands in no queue.
    ann.delete(&format!("/api/v1/orders/{first}")).await.data();
    assert_eq!(ann.get(&path).await.error(), (404, "not_found"));
    assert_eq!(ann.get(&ladder(&anns)).await.data().as_array().map(Vec::len), Some(1));
    // Who sees everybody's accounts sees these.
    front.register("officer").await;
    front = front.promote("officer", "risk_officer").await;
    let login = front.api.login("officer", support::PASSWORD, None).await.data();
    let officer = front.api.with(login["access_token"].as_str().expect("a token"));
    officer.until(&ladder(&anns), |rows| rows[0]["order"] == far.as_str()).await;
    let path = format!("/api/v1/orders/{far}/queue");
    assert_eq!(officer.get(&path).await.data()["ahead"], "0");
    front.close().await;
}
