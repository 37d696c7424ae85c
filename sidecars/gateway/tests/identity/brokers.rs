//! Credentials for brokers: kept, never told, and nobody else's.

use crate::support::{Api, Front};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/broker-connections";
const SECRETS: [&str; 3] = ["first-secret-of-ann", "second-secret-of-ann", "AK-OF-ANN-0001"];

fn connect(name: &str, secret: &str) -> Value {
    json!({ "name": name, "broker": "alpaca", "credentials": { "key": SECRETS[2], "secret": secret } })
}

fn put(secret: &str) -> Value {
    json!({ "credentials": { "key": SECRETS[2], "secret": secret } })
}

/// An answer that tells no secret.
fn discreet(answer: crate::support::Answer) -> crate::support::Answer {
    for secret in SECRETS {
        assert!(!answer.text.contains(secret), "{}", answer.text);
    }
    answer
}

async fn list(api: &Api) -> Value {
    discreet(api.get(PATH).await).data()
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_broker_are_kept_and_never_told() {
    let front = Front::new().await;
    front.register("root").await;
    let front = front.promote("root", "administrator").await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let made = discreet(ann.post_once(PATH, "k", &connect("mine", SECRETS[0])).await);
    assert_eq!(made.status, 201);
    let made = made.data();
    let fields: Vec<&String> = made.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["broker", "created_at", "fingerprint", "id", "name"]);
    // The same request is the same connection.
    let again = discreet(ann.post_once(PATH, "k", &connect("mine", SECRETS[0])).await).data();
    assert_eq!(again, made);
    let other = ann.post_once(PATH, "k", &connect("mine", SECRETS[1])).await;
    assert_eq!(other.error(), (409, "key_reused"));
    let same_name = discreet(ann.post(PATH, connect("mine", SECRETS[1])).await);
    assert_eq!(same_name.error(), (409, "conflict"));
    assert_eq!(list(&ann).await, json!([made]));
    // In the database it is sealed.
    for statement in [
        "UPDATE broker_connections SET name = name WHERE sealed LIKE '%ann%' OR fingerprint LIKE '%ann%'",
        "UPDATE idempotency SET key = key WHERE response LIKE '%ann%' OR request_hash LIKE '%ann%'",
    ] {
        assert_eq!(front.sql(statement).await, 0);
    }
    let path = format!("{PATH}/{}", made["id"].as_str().expect("a UUID"));
    let rotated = discreet(ann.put(&path, put(SECRETS[1])).await).data();
    assert_ne!(rotated["fingerprint"], made["fingerprint"]);
    assert!(rotated["rotated_at"].is_i64());
    let back = discreet(ann.put(&path, put(SECRETS[0])).await).data();
    assert_eq!(back["fingerprint"], made["fingerprint"]);

    // Somebody else's is not there, nor is it anywhere to an administrator.
    assert_eq!(list(&bob).await, json!([]));
    assert_eq!(bob.put(&path, put("x")).await.error(), (404, "not_found"));
    assert_eq!(bob.delete(&path).await.error(), (404, "not_found"));
    assert_eq!(list(&ann).await[0]["fingerprint"], made["fingerprint"]);
    let root = front.api.login("root", crate::support::PASSWORD, None).await.data();
    let root = front.api.with(root["access_token"].as_str().expect("a token"));
    assert_eq!(list(&root).await, json!([]));
    let told = discreet(root.get("/api/v1/audit?limit=200").await);
    for action in ["broker.connect", "broker.rotate"] {
        assert!(told.text.contains(action), "{}", told.text);
    }
    // A program may not.
    let key = ann.key(&["profile:read", "profile:write"]).await;
    assert_eq!(key.post(PATH, connect("x", "x")).await.error(), (403, "not_permitted"));

    let gone = discreet(ann.delete(&path).await).data();
    assert_eq!(gone["id"], made["id"]);
    assert_eq!(ann.delete(&path).await.error(), (404, "not_found"));
    assert_eq!(list(&ann).await, json!([]));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_connections_and_too_many_are_refused() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let many: Value =
        (0..9).map(|n| (format!("f{n}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(61))),
        ("name", json!("a\nb")),
        ("broker", json!("")),
        ("broker", json!("Alpaca")),
        ("broker", json!("../x")),
        ("credentials", json!({})),
        ("credentials", json!({ "key": "" })),
        ("credentials", json!({ "a key": "x" })),
        ("credentials", json!({ "key": "x".repeat(8_193) })),
        ("credentials", many),
    ] {
        let mut body = connect("mine", "x");
        body[field] = value;
        let answer = ann.post(PATH, body).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{field}");
        assert_eq!(answer.body["error"]["details"]["field"], field);
    }
    for body in [
        json!({ "name": "x", "broker": "x", "credentials": { "key": 1 } }),
        json!({ "name": "x", "broker": "x", "credentials": { "key": "x" }, "user_id": "x" }),
    ] {
        assert_eq!(ann.post(PATH, body).await.error(), (422, "invalid_field"));
    }
    for number in 0..20 {
        ann.post(PATH, connect(&format!("n{number}"), "x")).await.data();
    }
    let full = ann.post(PATH, connect("more", "x")).await;
    assert_eq!(
        (full.error(), &full.body["error"]["details"]["limit"]),
        ((409, "conflict"), &json!(20))
    );
    front.close().await;
}
