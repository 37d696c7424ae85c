//! Plans are sold by a payment service whose answers and events are those that it documents.

mod support;

use axum::Json;
use axum::extract::{Form, State};
use axum::http::HeaderMap;
use ring::hmac;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Answer, Api, Front};

const SECRET: &str = "whsec_test_secret";
const CHECKOUT: &str = include_str!("../src/billing/testdata/checkout_completed.json");
const UPDATED: &str = include_str!("../src/billing/testdata/subscription_updated.json");

/// What was asked of the payment service: key, form.
type Asked = Arc<Mutex<Vec<(String, HashMap<String, String>)>>>;

async fn page(
    State(asked): State<Asked>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Json<Value> {
    let key = headers["authorization"].to_str().expect("text").to_string();
    asked.lock().expect("no panic").push((key, form));
    Json(json!({ "id": "cs_test_1", "url": "https://checkout.stripe.com/c/pay/cs_test_1" }))
}

/// A payment service, and the front that uses it.
async fn shop() -> (Front, Asked) {
    let asked = Asked::default();
    let service = axum::Router::new()
        .route("/v1/checkout/sessions", axum::routing::post(page))
        .route("/v1/billing_portal/sessions", axum::routing::post(page))
        .with_state(Arc::clone(&asked));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, service).await });
    let front = Front::with(|config| {
        config.billing.api = api;
        config.billing.stripe_key = "sk_test_x".into();
        config.billing.webhook_secret = SECRET.into();
        let price = "price_1PgafmB7WZ01zgkW6dKueIc5";
        config.billing.prices.insert("pro".into(), price.into());
    })
    .await;
    (front, asked)
}

async fn tell(api: &Api, body: &str) -> Answer {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("t={at},v1={tag}");
    let headers = [("stripe-signature", signature.as_str())];
    api.call("POST", "/api/v1/billing/webhooks/stripe", &headers, Some(body.into())).await
}

async fn plan(user: &Api) -> Value {
    user.get("/api/v1/users/me").await.data()["plan"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_bought_changed_and_ended() {
    let (front, asked) = shop().await;
    let ann = front.register("ann").await;
    let id = ann.get("/api/v1/users/me").await.data()["id"].as_str().expect("an id").to_string();
    let refused = ann.post("/api/v1/billing/checkout", json!({ "plan": "platinum" })).await;
    assert_eq!(refused.error(), (422, "invalid_field"));
    let to = ann.post("/api/v1/billing/checkout", json!({ "plan": "pro" })).await.data();
    assert_eq!(to["url"], "https://checkout.stripe.com/c/pay/cs_test_1");
    let (key, form) = asked.lock().expect("no panic").pop().expect("it was asked");
    assert_eq!(key, "Bearer sk_test_x");
    assert_eq!(form["line_items[0][price]"], "price_1PgafmB7WZ01zgkW6dKueIc5");
    assert_eq!((&form["client_reference_id"], &form["mode"]), (&id, &"subscription".to_string()));

    // Paid: what the page said changes nothing, the subscription does.
    let ours = |text: &str| text.replace("USER", &id);
    assert_eq!(tell(&front.api, &ours(CHECKOUT)).await.data(), json!({ "taken": true }));
    assert_eq!(plan(&ann).await, "free");
    let updated = ours(UPDATED);
    assert_eq!(tell(&front.api, &updated).await.data(), json!({ "taken": true }));
    assert_eq!(plan(&ann).await, "pro");
    // Again: nothing.
    assert_eq!(tell(&front.api, &updated).await.data(), json!({ "taken": false }));
    let paid = ann.get("/api/v1/billing/subscription").await.data();
    let expected =
        json!({ "status": "active", "plan": "pro", "paid_until": 1_724_425_000_000_i64 });
    assert_eq!(paid, expected);

    // Ended; what is older and comes later does not bring it back.
    let ended = updated
        .replace("\"status\": \"active\"", "\"status\": \"canceled\"")
        .replace("customer.subscription.updated", "customer.subscription.deleted")
        .replace("SubUpdated", "SubDeleted")
        .replace("\"created\": 1721747000", "\"created\": 1721748000");
    tell(&front.api, &ended).await.data();
    assert_eq!(plan(&ann).await, "free");
    tell(&front.api, &updated.replace("SubUpdated", "Late")).await.data();
    assert_eq!(plan(&ann).await, "free");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_tells_who_has_paid() {
    let (front, _) = shop().await;
    let ann = front.register("ann").await;
    let path = "/api/v1/billing/webhooks/stripe";
    let unsigned = front.api.call("POST", path, &[], Some(UPDATED.into())).await;
    assert_eq!(unsigned.error(), (401, "wrong_credentials"));
    let headers = [("stripe-signature", "t=1721747000,v1=00ff")];
    let forged = ann.call("POST", path, &headers, Some(UPDATED.into())).await;
    assert_eq!(forged.error(), (401, "wrong_credentials"));
    // A payment of somebody who is not here is heard, and changes nobody.
    tell(&front.api, UPDATED).await.data();
    let other = uuid::Uuid::nil().to_string();
    tell(&front.api, &UPDATED.replace("USER", &other).replace("SubUpdated", "2")).await.data();
    assert_eq!(plan(&ann).await, "free");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_sold_it_is_said() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let asked = ann.post("/api/v1/billing/checkout", json!({ "plan": "pro" })).await;
    assert_eq!(asked.error(), (404, "not_found"));
    assert_eq!(ann.get("/api/v1/billing/subscription").await.data()["status"], "none");
    front.close().await;
}
