//! Plans are sold by a payment service whose answers and events are those that it documents.

mod support;

use axum::Json;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, Uri};
use ring::hmac;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Answer, Api, Front};

const SECRET: &str = "whsec_test_secret";
const CHECKOUT: &str = include_str!("../src/billing/testdata/checkout_completed.json");
const UPDATED: &str = include_str!("../src/billing/testdata/subscription_updated.json");

/// Key and form of a question.
type Asked = (String, HashMap<String, String>);

/// A payment service.
#[derive(Clone, Default)]
struct Service {
    /// What was asked for: key, form.
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Subscriptions that have not ended.
    standing: Arc<Mutex<Vec<Value>>>,
}

impl Service {
    /// What there is from now on.
    fn now(&self, standing: &[Value]) {
        *self.standing.lock().expect("no panic") = standing.to_vec();
    }
}

async fn standing(
    State(service): State<Service>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let mut data = service.standing.lock().expect("no panic").clone();
    data.retain(|one| one["customer"] == query["customer"].as_str());
    Json(json!({ "object": "list", "data": data, "has_more": false }))
}

async fn page(
    State(service): State<Service>,
    uri: Uri,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Json<Value> {
    let key = headers["authorization"].to_str().expect("text").to_string();
    service.asked.lock().expect("no panic").push((key, form));
    let page = match uri.path() {
        "/v1/checkout/sessions" => "https://checkout.stripe.com/c/pay/cs_test_1",
        _ => "https://billing.stripe.com/p/session/1",
    };
    Json(json!({ "id": "cs_test_1", "url": page }))
}

/// A payment service, and the front that uses it.
async fn shop() -> (Front, Service) {
    let service = Service::default();
    let routes = axum::Router::new()
        .route("/v1/subscriptions", axum::routing::get(standing))
        .route("/v1/checkout/sessions", axum::routing::post(page))
        .route("/v1/billing_portal/sessions", axum::routing::post(page))
        .with_state(service.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let api = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let front = Front::with(|config| {
        config.billing.api = api;
        config.billing.stripe_key = "sk_test_x".into();
        config.billing.webhook_secret = SECRET.into();
        let price = "price_1PgafmB7WZ01zgkW6dKueIc5";
        config.billing.prices.insert("pro".into(), price.into());
    })
    .await;
    (front, service)
}

/// A subscription as `event` tells of it, changed.
fn subscription(event: &str, change: &Value) -> Value {
    let mut event: Value = serde_json::from_str(event).expect("JSON");
    let mut object = event["data"]["object"].take();
    for (name, value) in change.as_object().expect("an object") {
        object[name] = value.clone();
    }
    object
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
    let (front, service) = shop().await;
    let ann = front.register("ann").await;
    let id = ann.get("/api/v1/users/me").await.data()["id"].as_str().expect("an id").to_string();
    let refused = ann.post("/api/v1/billing/checkout", json!({ "plan": "platinum" })).await;
    assert_eq!(refused.error(), (422, "invalid_field"));
    let to = ann.post("/api/v1/billing/checkout", json!({ "plan": "pro" })).await.data();
    assert_eq!(to["url"], "https://checkout.stripe.com/c/pay/cs_test_1");
    let (key, form) = service.asked.lock().expect("no panic").pop().expect("it was asked");
    assert_eq!(key, "Bearer sk_test_x");
    assert_eq!(form["line_items[0][price]"], "price_1PgafmB7WZ01zgkW6dKueIc5");
    assert_eq!((&form["client_reference_id"], &form["mode"]), (&id, &"subscription".to_string()));

    // Begun, and not paid yet.
    let ours = |text: &str| text.replace("USER", &id);
    let updated = ours(UPDATED);
    service.now(&[subscription(&updated, &json!({ "status": "incomplete" }))]);
    assert_eq!(tell(&front.api, &ours(CHECKOUT)).await.data(), json!({ "taken": true }));
    assert_eq!(plan(&ann).await, "free");
    service.now(&[subscription(&updated, &json!({}))]);
    assert_eq!(tell(&front.api, &updated).await.data(), json!({ "taken": true }));
    assert_eq!(plan(&ann).await, "pro");
    // Again: nothing.
    assert_eq!(tell(&front.api, &updated).await.data(), json!({ "taken": false }));
    let paid = ann.get("/api/v1/billing/subscription").await.data();
    let expected =
        json!({ "status": "active", "plan": "pro", "paid_until": 1_724_425_000_000_i64 });
    assert_eq!(paid, expected);
    // Who has one is not sold another.
    let to = ann.post("/api/v1/billing/checkout", json!({ "plan": "pro" })).await.data();
    assert_eq!(to["url"], "https://billing.stripe.com/p/session/1");

    // Ended; what is older and comes later does not bring it back.
    service.now(&[]);
    tell(&front.api, &updated.replace("SubUpdated", "SubDeleted").replace("updated", "deleted"))
        .await
        .data();
    assert_eq!(plan(&ann).await, "free");
    tell(&front.api, &updated.replace("SubUpdated", "Late")).await.data();
    assert_eq!(plan(&ann).await, "free");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_paid_has_the_plan_however_events_come() {
    let (front, service) = shop().await;
    let ann = front.register("ann").await;
    let id = ann.get("/api/v1/users/me").await.data()["id"].as_str().expect("an id").to_string();
    let updated = UPDATED.replace("USER", &id);
    let paid = subscription(&updated, &json!({}));
    // The later one first.
    service.now(std::slice::from_ref(&paid));
    let later = CHECKOUT.replace("USER", &id).replace("1721746600", "1721747001");
    tell(&front.api, &later).await.data();
    tell(&front.api, &updated).await.data();
    assert_eq!(plan(&ann).await, "pro");
    // An older one of hers ends, and one of another customer that never was paid begins.
    let deleted = updated.replace("customer.subscription.updated", "customer.subscription.deleted");
    let old = deleted.replace("SubUpdated", "OldDeleted").replace("sub_1", "sub_0");
    tell(&front.api, &old.replace("active", "canceled")).await.data();
    assert_eq!(plan(&ann).await, "pro");
    let unpaid = json!({ "customer": "cus_other", "status": "incomplete" });
    service.now(&[paid, subscription(&updated, &unpaid)]);
    let other = updated.replace("SubUpdated", "Other").replace("cus_QXg1o8vcGmoR32", "cus_other");
    tell(&front.api, &other).await.data();
    assert_eq!(plan(&ann).await, "pro");
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
