//! GraphQL before a real engine: questions, orders, subscriptions over a WebSocket.

mod support;

use futures_util::SinkExt;
use serde_json::{Value, json};
use std::time::Instant;
use support::socket::Socket;
use support::{Api, Front};
use tidegate_model::Side as ModelSide;
use tokio_tungstenite::tungstenite::{Error, Message};

const PATH: &str = "/api/v1/graphql";

/// What is told to a question.
async fn ask(api: &Api, query: &str) -> Value {
    let answer = api.post(PATH, json!({ "query": query })).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.body
}

/// `data` of a question that fails nowhere.
async fn data(api: &Api, query: &str) -> Value {
    let reply = ask(api, query).await;
    assert_eq!(reply["errors"], Value::Null, "{reply:#}");
    reply["data"].clone()
}

/// The code of the first error.
fn code(reply: &Value) -> &str {
    reply["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

fn place(key: &str, account: &str, price: &str) -> String {
    format!(
        "mutation {{ placeOrder(input: {{ account: \"{account}\", symbol: \"ACME\", side: BUY, type: LIMIT, \
         quantity: \"5\", price: \"{price}\", idempotencyKey: \"{key}\" }}) {{ id status side type quantity price }} }}"
    )
}

/// A socket that is begun.
async fn begin(api: &Api) -> Socket {
    let mut socket = Socket::graphql(api).await.expect("it opens");
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await, Ok(json!({ "type": "connection_ack" })));
    socket
}

async fn subscribe(socket: &mut Socket, id: &str, query: &str) {
    let payload = json!({ "query": query });
    socket.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
}

/// The next that is told of `id`.
async fn told(socket: &mut Socket, id: &str) -> Value {
    socket.until(|message| message["id"] == id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_is_told_and_orders_are_entered_and_cancelled() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    ann.settle().await;
    let account = ann.open_account("Paper").await;
    let all = data(&ann, "{ me { email fullName role } quote(symbol: \"ACME\") { symbol bidPrice } positions { symbol } orders { id } }").await;
    assert_eq!(
        all,
        json!({
            "me": { "email": "ann@example.org", "fullName": "ann", "role": "trader" },
            "quote": { "symbol": "ACME", "bidPrice": "10.0000" },
            "positions": [],
            "orders": [],
        })
    );
    let resting = data(&ann, &place("rests", &account, "9.50")).await["placeOrder"].clone();
    assert_eq!((&resting["side"], &resting["type"]), (&json!("BUY"), &json!("LIMIT")));
    assert_eq!((&resting["quantity"], &resting["price"]), (&json!("5"), &json!("9.5000")));
    // The same key is the same order.
    let again = data(&ann, &place("rests", &account, "9.50")).await["placeOrder"].clone();
    assert_eq!(again["id"], resting["id"]);
    // Without an account it is one's only one, and variables are passed on.
    let body = json!({
        "query": "mutation Enter($order: OrderInput!) { placeOrder(input: $order) { id account } }",
        "operationName": "Enter",
        "variables": { "order": { "symbol": "ACME", "side": "BUY", "type": "LIMIT", "quantity": "5", "price": "10.02" } },
    });
    let reply = ann.post(PATH, body).await.body;
    assert_eq!(reply["data"]["placeOrder"]["account"], account, "{reply:#}");
    front.house.add(3, ModelSide::Buy, 999, 100);
    ann.until("/api/v1/positions", |all| all[0]["qty"] == "5").await;
    let held = data(&ann, "{ positions { symbol quantity avgCost } orders(limit: 1) { status filledQuantity filledAt } }").await;
    assert_eq!(held["positions"][0]["quantity"], "5");
    assert_eq!(held["orders"][0]["filledQuantity"], "5");
    assert!(held["orders"][0]["filledAt"].is_string(), "{held:#}");
    let cancel = format!("mutation {{ cancelOrder(id: {}) }}", resting["id"]);
    // Somebody else's is not there.
    let bob = front.register("bob").await;
    assert_eq!(code(&ask(&bob, &cancel).await), "not_found");
    assert_eq!(code(&ask(&bob, &place("x", &account, "9.00")).await), "not_found");
    assert_eq!(data(&bob, "{ orders { id } positions { symbol } }").await["orders"], json!([]));
    assert_eq!(data(&ann, &cancel).await, json!({ "cancelOrder": true }));
    let refused = ask(&ann, &cancel).await;
    assert_eq!(code(&refused), "rejected");
    assert_eq!(refused["errors"][0]["extensions"]["details"]["reason"], "too_late_to_cancel");
    let open = data(&ann, "{ orders { status } }").await;
    assert_eq!(open["orders"][1]["status"], "canceled");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lacks_a_permission_hears_which_code() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let key = ann.key(&["profile:read"]).await;
    assert_eq!(data(&key, "{ me { role } }").await["me"]["role"], "trader");
    for query in [
        "{ orders { id } }".to_string(),
        "{ positions { symbol } }".to_string(),
        "{ quote(symbol: \"ACME\") { symbol } }".to_string(),
        place("k", &account, "9.00"),
        "mutation { cancelOrder(id: \"00000000-0000-4000-8000-000000000000\") }".to_string(),
    ] {
        let reply = ask(&key, &query).await;
        assert_eq!(code(&reply), "not_permitted", "{query} {reply:#}");
    }
    let mut socket = begin(&key).await;
    for query in ["quoteUpdates(symbols: [\"ACME\"]) { symbol }", "orderUpdates { id }"] {
        subscribe(&mut socket, "a", &format!("subscription {{ {query} }}")).await;
        let error = told(&mut socket, "a").await;
        assert_eq!(error["type"], "error", "{error:#}");
        assert_eq!(error["payload"][0]["extensions"]["code"], "not_permitted", "{query}");
    }
    assert_eq!(front.api.post(PATH, json!({ "query": "{ me { id } }" })).await.status, 401);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_costs_too_much_is_not_begun() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let one = |number| format!("q{number}: quote(symbol: \"ACME\") {{ symbol }}");
    let many: String = (0..20).map(one).collect();
    let deep = format!(
        "{{ __schema {} }}",
        "{ types { fields { type ".repeat(6) + "{ name }" + &"} } }".repeat(6)
    );
    for (query, why) in [
        (format!("{{ {many} }}"), "complex"),
        (deep, "deep"),
        ("{ orders { id".to_string(), "expected"),
        ("{ nothing }".to_string(), "nothing"),
        ("subscription { orderUpdates { id } }".to_string(), "transport"),
    ] {
        let reply = ask(&ann, &query).await;
        let message = reply["errors"][0]["message"].as_str().expect("an error");
        assert!(message.contains(why), "{query}: {message}");
        assert_eq!(reply["data"], Value::Null);
    }
    // What doubles with every line.
    let twice = |n: usize| format!("fragment F{n} on Query {{ ...F{0} ...F{0} }} ", n + 1);
    let bomb: String = (0..30).map(twice).collect();
    let bomb = format!("{{ ...F0 }} {bomb} fragment F30 on Query {{ __typename }}");
    let refused = ann.post(PATH, json!({ "query": bomb })).await;
    assert_eq!(refused.error(), (422, "invalid_field"));
    let unknown = ann.post(PATH, json!({ "query": "{ me { id } }", "more": 1 })).await;
    assert_eq!(unknown.error(), (422, "invalid_field"));
    // Over the socket likewise.
    let mut socket = begin(&ann).await;
    let many: String = (0..20)
        .map(|number| format!("q{number}: quoteUpdates(symbols: [\"ACME\"]) {{ symbol }}"))
        .collect();
    subscribe(&mut socket, "a", &format!("subscription {{ {many} }}")).await;
    assert_eq!(told(&mut socket, "a").await["type"], "error");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_can_ask_for_the_schema_and_nobody_makes_it_expensive() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let schema = data(&ann, INTROSPECTION).await;
    assert_eq!(schema["__schema"]["subscriptionType"]["name"], "Subscription");
    let types = schema["__schema"]["types"].as_array().expect("types");
    assert!(types.iter().any(|one| one["name"] == "OrderInput"));
    let sdl = front.api.get("/api/v1/graphql/schema").await.text;
    for field in ["quoteUpdates(symbols: [String!]!): Quote!", "orderUpdates(account: ID): Order!"]
    {
        assert!(sdl.contains(field), "{sdl}");
    }
    // As wide as the depth allows.
    let (open, close) = ("fields { type { ofType { ", "} } }");
    let wide =
        format!("{{ __schema {{ types {{ {}name{} }} }} }}", open.repeat(4), close.repeat(4));
    let begun = Instant::now();
    let reply = ann.post(PATH, json!({ "query": wide })).await;
    let (taken, bytes) = (begun.elapsed(), reply.text.len());
    println!("the widest introspection: {bytes} bytes in {taken:?}");
    assert!(bytes < 4 << 20, "{bytes}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_and_orders_are_told_as_they_change() {
    let mut front = Front::new().await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    ann.settle().await;
    let account = ann.open_account("Paper").await;
    let other = bob.open_account("Paper").await;
    let mut socket = begin(&ann).await;
    subscribe(
        &mut socket,
        "q",
        "subscription { quoteUpdates(symbols: [\"ACME\"]) { symbol bidPrice bidQty } }",
    )
    .await;
    let quote = told(&mut socket, "q").await;
    assert_eq!(quote["type"], "next", "{quote:#}");
    let first = quote["payload"]["data"]["quoteUpdates"].clone();
    assert_eq!((&first["symbol"], &first["bidPrice"]), (&json!("ACME"), &json!("10.0000")));
    assert_eq!(first.as_object().map(serde_json::Map::len), Some(3));
    // A client that does not read gets the newest, not all.
    for order in 100..1_100 {
        front.house.add(order, ModelSide::Buy, 1_001, 5);
        if order % 100 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    let mut count = 0;
    loop {
        let quote = told(&mut socket, "q").await;
        count += 1;
        if quote["payload"]["data"]["quoteUpdates"]["bidQty"] == "5000" {
            break;
        }
    }
    assert!(count < 300, "{count} messages for a thousand changes");
    let follow = |account: &str| {
        format!(
            "subscription {{ orderUpdates(account: \"{account}\") {{ id status side price }} }}"
        )
    };
    subscribe(&mut socket, "theirs", &follow(&other)).await;
    let error = told(&mut socket, "theirs").await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "not_found", "{error:#}");
    subscribe(&mut socket, "odd", &follow("x")).await;
    let error = told(&mut socket, "odd").await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "invalid_field", "{error:#}");
    // A question over the same socket is answered once; after it both subscriptions stand.
    subscribe(&mut socket, "all", "subscription { orderUpdates { id status } }").await;
    subscribe(&mut socket, "own", &follow(&account)).await;
    subscribe(&mut socket, "me", "{ me { email } }").await;
    let me = told(&mut socket, "me").await;
    assert_eq!(me["payload"]["data"]["me"]["email"], "ann@example.org", "{me:#}");
    assert_eq!(told(&mut socket, "me").await["type"], "complete");
    data(&bob, &place("b", &other, "9.00")).await;
    subscribe(&mut socket, "enter", &place("k", &account, "9.50")).await;
    let entered = told(&mut socket, "enter").await["payload"]["data"]["placeOrder"].clone();
    let mut heard = Vec::new();
    while !["all", "own"].iter().all(|id| heard.iter().any(|one| one == id)) {
        let message =
            socket.until(|message| message["id"] == "all" || message["id"] == "own").await;
        let order = &message["payload"]["data"]["orderUpdates"];
        assert_eq!(order["id"], entered["id"], "{message:#}");
        heard.push(message["id"].as_str().expect("a name").to_string());
    }
    // One ends, the other goes on.
    socket.send(json!({ "type": "complete", "id": "all" })).await;
    socket.send(json!({ "type": "ping", "payload": { "n": 1 } })).await;
    socket.until(|message| *message == json!({ "type": "pong", "payload": { "n": 1 } })).await;
    let cancel = format!("mutation {{ cancelOrder(id: {}) }}", entered["id"]);
    data(&ann, &cancel).await;
    let end = socket.until(|message| message["id"] != "q").await;
    assert_eq!(end["id"], "own", "{end:#}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_keeps_to_the_protocol_or_is_closed() {
    let front = Front::with(|config| config.live.connections_per_user = 3).await;
    let ann = front.register("ann").await;
    ann.settle().await;
    let quotes = "subscription { quoteUpdates(symbols: [\"ACME\"]) { symbol } }";
    let Err(Error::Http(refused)) = Socket::dial(&ann, PATH, None).await else {
        panic!("no protocol")
    };
    assert_eq!(refused.status(), 400);
    let refused = Socket::graphql(&front.api.with("nonsense")).await;
    let Err(Error::Http(refused)) = refused else { panic!("no such token") };
    assert_eq!(refused.status(), 401);
    assert_eq!(ann.get(PATH).await.error(), (400, "malformed"));
    assert_eq!(ann.put(PATH, json!({})).await.error(), (405, "method_not_allowed"));
    // A browser's: the token is in the first message.
    let with =
        |token: Option<&str>| json!({ "type": "connection_init", "payload": { "token": token } });
    let mut socket = Socket::graphql(&front.api).await.expect("it opens");
    socket.send(with(ann.token.as_deref())).await;
    assert_eq!(socket.next().await, Ok(json!({ "type": "connection_ack" })));
    subscribe(&mut socket, "me", "{ me { email } }").await;
    assert_eq!(told(&mut socket, "me").await["payload"]["data"]["me"]["email"], "ann@example.org");
    socket.send(with(ann.token.as_deref())).await;
    assert_eq!(socket.closed().await, 4429);
    for (message, code) in [
        (with(None), 4403),
        (with(Some("nonsense")), 4403),
        (json!({ "type": "subscribe", "id": "a", "payload": { "query": quotes } }), 4401),
        (json!({ "type": "fly" }), 4400),
        (json!([]), 4400),
        (
            json!({ "type": "subscribe", "id": "a", "payload": { "query": "x".repeat(20_000) } }),
            1009,
        ),
    ] {
        let mut socket = Socket::graphql(&front.api).await.expect("it opens");
        socket.send(message.clone()).await;
        assert_eq!(socket.closed().await, code, "{message}");
    }
    let mut socket = begin(&ann).await;
    for number in 0..17 {
        subscribe(&mut socket, &format!("s{number}"), quotes).await;
    }
    let error = told(&mut socket, "s16").await;
    assert_eq!(error["payload"][0]["extensions"]["code"], "too_many", "{error:#}");
    subscribe(&mut socket, "s0", quotes).await;
    assert_eq!(socket.closed().await, 4409);
    // Too many of one user, and too many messages.
    let mut first = begin(&ann).await;
    let (_second, _third) = (begin(&ann).await, begin(&ann).await);
    let Err(Error::Http(refused)) = Socket::graphql(&ann).await else { panic!("a fourth") };
    assert_eq!(refused.status(), 429);
    let mut socket = Socket::graphql(&front.api).await.expect("it opens");
    socket.send(with(ann.token.as_deref())).await;
    assert_eq!(socket.closed().await, 4403);
    for _ in 0..1_000 {
        if first.0.send(Message::text(r#"{"type":"pong"}"#)).await.is_err() {
            break;
        }
    }
    assert!([4429, 0].contains(&first.closed().await));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_session_its_user_and_the_gateway() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let mut socket = begin(&ann).await;
    subscribe(&mut socket, "o", "subscription { orderUpdates { id } }").await;
    ann.post("/api/v1/auth/logout", json!({})).await.data();
    assert_eq!(socket.closed().await, 4403);
    front.register("root").await;
    let front = front.promote("root", "administrator").await;
    let root = front.api.login("root", support::PASSWORD, None).await.data();
    let root = front.api.with(root["access_token"].as_str().expect("a token"));
    let bob = front.register("bob").await;
    let id = bob.get("/api/v1/users/me").await.data()["id"].clone();
    let mut socket = begin(&bob).await;
    let path = format!("/api/v1/users/{}", id.as_str().expect("a UUID"));
    let disabled = root.patch(&path, json!({ "disabled": true })).await;
    assert_eq!(disabled.status, 200, "{disabled:#?}");
    assert_eq!(socket.closed().await, 4403);
    let cid = front.register("cid").await;
    let mut last = begin(&cid).await;
    let closing = tokio::spawn(async move { last.closed().await });
    front.close().await;
    assert_eq!(closing.await.expect("no panic"), 1001);
}

/// What tools send, by the specification.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name }
  subscriptionType { name } types { ...FullType } directives { name description locations args { ...InputValue } } } }
fragment FullType on __Type { kind name description
  fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";
