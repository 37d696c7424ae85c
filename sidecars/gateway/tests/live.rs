//! Streams to clients, from a real engine.

mod support;

use futures_util::SinkExt;
use serde_json::{Value, json};
use std::time::Duration;
use support::house::SYMBOL;
use support::socket::{PATIENCE, Socket};
use support::{Api, Front, PASSWORD};
use tidegate_model::Side as ModelSide;
use tokio_tungstenite::tungstenite::{Error, Message};

fn follow(channel: &str, symbols: &[&str]) -> Value {
    json!({ "op": "subscribe", "channel": channel, "symbols": symbols })
}

/// Enters a buy order for the day; its UUID. The same key is the same order.
async fn enter(api: &Api, account: &str, key: &str, price: &str) -> String {
    let order = json!({
        "account": account, "symbol": SYMBOL, "side": "buy", "type": "limit", "qty": "5",
        "limit_price": price,
    });
    for _ in 0..100 {
        let answer = api.post_once("/api/v1/orders", key, &order).await;
        if answer.status < 500 {
            return answer.data()["id"].as_str().expect("a UUID").to_string();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the engine does not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_is_told_and_a_slow_client_gets_the_newest() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    ann.settle().await;
    // The token in the first message, as browsers send it.
    let mut socket = Socket::open(&front.api).await;
    let refused = socket.ask(json!({ "op": "subscribe", "channel": "orders" })).await;
    assert_eq!(refused["error"]["code"], "unauthenticated");
    let auth = json!({ "op": "auth", "token": ann.token, "id": "a" });
    let authenticated = socket.ask(auth).await;
    assert_eq!(
        (&authenticated["op"], &authenticated["id"]),
        (&json!("authenticated"), &json!("a"))
    );
    assert_eq!(socket.ask(follow("quotes", &[SYMBOL])).await["op"], "subscribed");
    let quote = socket.until(|message| message["channel"] == "quotes").await;
    assert_eq!(
        (&quote["symbol"], &quote["data"]["bid_price"]),
        (&json!(SYMBOL), &json!("10.0000"))
    );
    for channel in ["books", "trades", "bars"] {
        assert_eq!(socket.ask(follow(channel, &[SYMBOL])).await["op"], "subscribed");
    }
    front.house.execute(1, 7);
    let bar = socket.until(|message| message["channel"] == "bars").await;
    assert_eq!((&bar["resolution"], &bar["data"]["volume"]), (&json!("1m"), &json!("7")));
    let stop = json!({ "op": "unsubscribe", "channel": "bars", "symbols": [SYMBOL] });
    assert_eq!(socket.ask(stop).await["op"], "unsubscribed");
    // It does not read, while the book changes a thousand times.
    for order in 100..1_100 {
        front.house.add(order, ModelSide::Buy, 1_001, 5);
        if order % 100 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut count = 0;
    loop {
        let message = socket.next().await.expect("it is open");
        count += 1;
        if message["channel"] == "quotes" && message["data"]["bid_qty"] == "5000" {
            break;
        }
    }
    assert!(count < 300, "{count} messages for a thousand changes");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_see_the_market_and_nothing_else_and_not_without_bound() {
    let front = Front::with(|config| {
        config.live.onlookers = 3;
        config.live.onlookers_per_ip = 2;
    })
    .await;
    let ann = front.register("ann").await;
    ann.settle().await;
    let of = |route: &str| format!("{route}{SYMBOL}");
    for path in ["instruments", &of("quotes?symbols="), &of("books/"), &of("history/")] {
        let answer = front.api.get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    let mut first = Socket::open(&front.api).await;
    assert_eq!(first.ask(follow("quotes", &[SYMBOL])).await["op"], "subscribed");
    first.until(|message| message["channel"] == "quotes").await;
    for channel in ["orders", "fills", "positions", "balances", "risk", "alerts"] {
        let refused = first.ask(json!({ "op": "subscribe", "channel": channel })).await;
        assert_eq!(refused["error"]["code"], "unauthenticated", "{channel}");
    }
    let left = first.ask(json!({ "op": "unsubscribe", "channel": "orders" })).await;
    assert_eq!(left["error"]["code"], "unauthenticated");
    assert_eq!(first.ask(follow("books", &[SYMBOL])).await["op"], "subscribed");
    // Two of one address; who leaves or says who it is makes room.
    let mut second = Socket::open(&front.api).await;
    assert_eq!(second.ask(follow("quotes", &[SYMBOL])).await["op"], "subscribed");
    let mut third = Socket::open(&front.api).await;
    let refused = third.ask(follow("quotes", &[SYMBOL])).await;
    assert_eq!(refused["error"]["code"], "too_many", "{refused}");
    let auth = json!({ "op": "auth", "token": ann.token });
    assert_eq!(second.ask(auth).await["op"], "authenticated");
    assert_eq!(third.ask(follow("quotes", &[SYMBOL])).await["op"], "subscribed");
    let mut fourth = Socket::open(&front.api).await;
    assert_eq!(fourth.ask(follow("quotes", &[SYMBOL])).await["error"]["code"], "too_many");
    drop(first);
    tokio::time::timeout(PATIENCE, async {
        while fourth.ask(follow("quotes", &[SYMBOL])).await["op"] != "subscribed" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("there is room again");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_market_is_seen_by_those_who_log_in() {
    let front = Front::with(|config| config.market.is_open = false).await;
    let ann = front.register("ann").await;
    ann.settle().await;
    assert_eq!(front.api.get("/api/v1/instruments").await.status, 401);
    assert_eq!(ann.get("/api/v1/instruments").await.status, 200);
    let mut socket = Socket::open(&front.api).await;
    let refused = socket.ask(follow("quotes", &[SYMBOL])).await;
    assert_eq!(refused["error"]["code"], "unauthenticated");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_again_from_where_they_were_left_without_loss() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let follow_orders = |from: Option<&str>| json!({ "op": "subscribe", "channel": "orders", "account": account, "from": from });
    let mut socket = Socket::open(&ann).await;
    assert_eq!(socket.ask(follow_orders(None)).await["gap"], false);
    for channel in ["fills", "positions"] {
        let wanted = json!({ "op": "subscribe", "channel": channel });
        assert_eq!(socket.ask(wanted).await["op"], "subscribed");
    }
    enter(&ann, &account, "filled", "10.02").await;
    // The paper venue fills with the market's next word.
    front.house.add(3, ModelSide::Buy, 999, 100);
    let fill = socket.until(|message| message["channel"] == "fills").await;
    assert_eq!((&fill["account"], &fill["data"]["qty"]), (&json!(account), &json!("5")));
    let held = socket.until(|message| message["channel"] == "positions").await;
    assert_eq!(held["data"]["qty"], "5");
    let last = fill["seq"].as_str().expect("a place").to_string();
    drop(socket);
    let mut names = Vec::new();
    for number in 0..20 {
        names.push(enter(&ann, &account, &format!("k{number}"), "9.50").await);
    }
    let mut socket = Socket::open(&ann).await;
    assert_eq!(socket.ask(follow_orders(Some(&last))).await["gap"], false);
    let mut heard: Vec<String> = Vec::new();
    let mut places = Vec::new();
    while heard.len() < names.len() {
        let message = socket.until(|message| message["channel"] == "orders").await;
        places.push(message["seq"].as_str().expect("a place").to_string());
        let name = message["data"]["id"].as_str().expect("a UUID");
        if heard.last().is_none_or(|last| last != name) {
            heard.push(name.to_string());
        }
    }
    assert_eq!(heard, names);
    let distinct: std::collections::HashSet<_> = places.iter().collect();
    assert_eq!(distinct.len(), places.len());
    // The same over the other doors.
    let path = format!("/api/v1/events?after={last}&limit=1000&wait_ms=5000");
    let polled = ann.get(&path).await.data();
    let polled: Vec<_> = polled["events"].as_array().expect("a list").iter().collect();
    assert_eq!(
        polled.iter().map(|event| event["seq"].as_str()).collect::<Vec<_>>()[..places.len()],
        places.iter().map(|place| Some(place.as_str())).collect::<Vec<_>>()[..]
    );
    let sent = sse(&ann, &format!("channel=orders&from={last}"), None, places.len()).await;
    assert_eq!(sent, places);
    let resumed = sse(&ann, "channel=orders", Some(&places[3]), places.len() - 4).await;
    assert_eq!(resumed, places[4..]);
    front.close().await;
}

/// Ids of so many server-sent events, after the first that says where they begin.
async fn sse(api: &Api, query: &str, last: Option<&str>, count: usize) -> Vec<String> {
    let url = format!("{}/api/v1/stream/sse?{query}", api.base);
    let token = format!("Bearer {}", api.token.as_deref().expect("a token"));
    let last = last.map(str::to_string);
    let reading = tokio::task::spawn_blocking(move || {
        use std::io::BufRead;
        let mut request = ureq::get(url).header("authorization", token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let body = request.call().expect("an answer").into_body();
        let lines = std::io::BufReader::new(body.into_reader()).lines().map_while(Result::ok);
        let ids = lines.filter_map(|line| line.strip_prefix("id: ").map(str::to_string));
        ids.skip(1).take(count).collect()
    });
    tokio::time::timeout(PATIENCE, reading).await.expect("in time").expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_told() {
    let front = Front::with(|config| config.live.events_kept = 2).await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let begun = ann.get("/api/v1/events").await.data();
    let from = begun["after"].as_str().expect("a place").to_string();
    for number in 0..5 {
        enter(&ann, &account, &format!("k{number}"), "9.50").await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let again = json!({ "op": "subscribe", "channel": "orders", "account": account, "from": from });
    let mut socket = Socket::open(&ann).await;
    let gap = socket.ask(again).await;
    assert_eq!(gap["gap"], true);
    assert_ne!(gap["from"], from);
    let polled = ann.get(&format!("/api/v1/events?after={from}")).await.data();
    assert_eq!((&polled["gap"], &polled["events"]), (&json!(true), &json!([])));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_told_with_the_one_they_belong_to_and_refused_cancels_are() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let mut socket = Socket::open(&ann).await;
    socket.ask(json!({ "op": "subscribe", "channel": "orders" })).await;
    let leg = |side: &str, kind: &str, price: &str, value: &str| {
        let mut leg = json!({
            "account": account, "symbol": SYMBOL, "side": side, "type": kind, "qty": "5",
            "time_in_force": "gtc",
        });
        leg[price] = json!(value);
        leg
    };
    let legs = [
        leg("buy", "limit", "limit_price", "9.00"),
        leg("sell", "limit", "limit_price", "10.50"),
        leg("sell", "stop", "stop_price", "8.50"),
    ];
    let bracket = json!({ "contingency": "bracket", "legs": legs });
    let list = ann.post_once("/api/v1/orders/lists", "list", &bracket).await.data();
    let (entry, target) = (&list["legs"][0], &list["legs"][1]);
    let told = socket.until(|message| message["data"]["id"] == *target).await;
    assert_eq!(told["data"]["parent"], *entry);
    let path = |id: &Value| format!("/api/v1/orders/{}", id.as_str().expect("a UUID"));
    assert_eq!(ann.get(&path(target)).await.data()["parent"], *entry);
    // More than one may hold: the engine refuses it, and the order stands.
    ann.patch(&path(entry), json!({ "qty": "99999999" })).await;
    let told = socket.until(|message| !message["data"]["cancel_reject"].is_null()).await;
    assert_eq!((&told["data"]["id"], &told["account"]), (entry, &json!(account)));
    assert!(told["data"]["cancel_reject"]["reason"].is_string(), "{told}");
    assert_eq!(ann.get(&path(entry)).await.data()["qty"], "5");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_the_accounts_of_others() {
    let front = Front::new().await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let account = ann.open_account("Paper").await;
    let mut socket = Socket::open(&bob).await;
    for channel in ["orders", "fills", "positions", "balances", "risk", "alerts"] {
        let wanted = json!({ "op": "subscribe", "channel": channel, "account": account });
        assert_eq!(socket.ask(wanted).await["error"]["code"], "not_found", "{channel}");
        let own = json!({ "op": "subscribe", "channel": channel });
        assert_eq!(socket.ask(own).await["op"], "subscribed", "{channel}");
    }
    let path = format!("/api/v1/events?account={account}");
    assert_eq!(bob.get(&path).await.error(), (404, "not_found"));
    let path = format!("/api/v1/stream/sse?channel=orders&account={account}");
    assert_eq!(bob.get(&path).await.error(), (404, "not_found"));
    enter(&ann, &account, "k", "9.50").await;
    let heard = ann.get(&format!("/api/v1/events?account={account}&after=0:0")).await.data();
    assert_eq!(heard["gap"], false);
    tokio::time::sleep(Duration::from_millis(300)).await;
    // Nothing came before the answer to this.
    socket.send(json!({ "op": "ping" })).await;
    assert_eq!(socket.next().await.expect("open")["op"], "pong");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_clients_send_is_answered_or_ends_them_alone() {
    let front = Front::with(|config| config.live.connections_per_user = 3).await;
    let ann = front.register("ann").await;
    ann.settle().await;
    let mut socket = Socket::open(&ann).await;
    let many: Vec<String> = (0..201).map(|n| format!("S{n}")).collect();
    for (request, code) in [
        (json!([]), "malformed"),
        (json!({}), "malformed"),
        (json!({ "op": "fly" }), "malformed"),
        (json!({ "op": "ping", "more": 1 }), "malformed"),
        (json!({ "op": "subscribe" }), "invalid_field"),
        (json!({ "op": "subscribe", "channel": "quotes" }), "invalid_field"),
        (follow("quotes", &["NONE"]), "not_found"),
        (json!({ "op": "subscribe", "channel": "quotes", "symbols": many }), "not_found"),
        (json!({ "op": "subscribe", "channel": "orders", "from": "x" }), "invalid_field"),
        (json!({ "op": "subscribe", "channel": "orders", "symbols": ["ACME"] }), "invalid_field"),
        (
            json!({ "op": "subscribe", "channel": "bars", "symbols": ["ACME"], "resolution": "2m" }),
            "invalid_field",
        ),
        (json!({ "op": "auth" }), "invalid_field"),
        (json!({ "op": "auth", "token": "x" }), "unauthenticated"),
    ] {
        assert_eq!(socket.ask(request.clone()).await["error"]["code"], code, "{request}");
    }
    // Somebody else's token does not turn a socket over.
    let bob = front.register("bob").await;
    let turned = socket.ask(json!({ "op": "auth", "token": bob.token })).await;
    assert_eq!(turned["error"]["code"], "not_permitted");
    assert_eq!(
        socket.ask(json!({ "op": "auth", "token": ann.token })).await["op"],
        "authenticated"
    );
    // Too many of one user, and too large.
    let mut second = Socket::open(&ann).await;
    let mut third = Socket::open(&ann).await;
    let Err(Error::Http(refused)) = Socket::try_open(&ann).await else { panic!("a fourth") };
    assert_eq!(refused.status(), 429);
    let mut fourth = Socket::open(&front.api).await;
    let refused = fourth.ask(json!({ "op": "auth", "token": ann.token })).await;
    assert_eq!(refused["error"]["code"], "too_many");
    second.0.send(Message::text("x".repeat(5_000))).await.expect("sent");
    assert_eq!(second.closed().await, 1009);
    third.0.send(Message::binary(vec![0u8; 10])).await.expect("sent");
    assert_eq!(third.closed().await, 1003);
    let mut fifth = Socket::open(&ann).await;
    for _ in 0..1_000 {
        if fifth.0.send(Message::text(r#"{"op":"ping"}"#)).await.is_err() {
            break;
        }
    }
    assert!([4429, 0].contains(&fifth.closed().await));
    assert_eq!(socket.ask(json!({ "op": "ping" })).await["op"], "pong");
    let plain = ann.get("/api/v1/stream").await;
    assert_eq!(plain.error(), (400, "malformed"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session_and_with_its_token() {
    // A token that is good for this second only.
    let front = Front::with(|config| config.identity.access_minutes = 0).await;
    front.register("ann").await;
    let login = json!({ "email": "ann@example.org", "password": PASSWORD });
    let mut socket = loop {
        let pair = front.api.post("/api/v1/auth/login", login.clone()).await.data();
        let ann = front.api.with(pair["access_token"].as_str().expect("a token"));
        if let Ok(socket) = Socket::try_open(&ann).await {
            break socket;
        }
    };
    assert_eq!(socket.closed().await, 4401);
    front.close().await;
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let mut socket = Socket::open(&ann).await;
    let mut silent = Socket::open(&front.api).await;
    assert_eq!(socket.ask(json!({ "op": "ping" })).await["op"], "pong");
    ann.post("/api/v1/auth/logout", json!({})).await.data();
    assert_eq!(socket.closed().await, 4401);
    assert_eq!(silent.closed().await, 4401);
    let bob = front.register("bob").await;
    let mut last = Socket::open(&bob).await;
    let closing = tokio::spawn(async move { last.closed().await });
    front.close().await;
    assert_eq!(closing.await.expect("no panic"), 1001);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leads_no_more_hears_no_more() {
    let front = Front::new().await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let account = bob.open_account("Bob's").await;
    let made = ann.post("/api/v1/organisations", json!({ "name": "Harbour" })).await.data();
    let path = format!("/api/v1/organisations/{}", made["id"].as_str().expect("an id"));
    let invite = json!({ "email": "bob@example.org", "rank": "owner" });
    ann.post(&format!("{path}/invites"), invite).await.data();
    let join = json!({ "token": front.mailed("bob", 2).await });
    bob.post("/api/v1/organisations/join", join).await.data();
    let wanted = json!({ "op": "subscribe", "channel": "orders", "account": account });
    let (mut of_ann, mut of_bob) = (Socket::open(&ann).await, Socket::open(&bob).await);
    assert_eq!(of_ann.ask(wanted.clone()).await["op"], "subscribed");
    assert_eq!(of_bob.ask(wanted).await["op"], "subscribed");
    let me = ann.get("/api/v1/users/me").await.data()["id"].as_str().expect("an id").to_string();
    bob.delete(&format!("{path}/members/{me}")).await.data();
    assert_eq!(of_ann.closed().await, 4401);
    assert_eq!(of_bob.ask(json!({ "op": "ping" })).await["op"], "pong");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_live_through_a_restart_of_the_edge() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    ann.settle().await;
    let mut socket = Socket::open(&ann).await;
    assert_eq!(socket.ask(follow("quotes", &[SYMBOL])).await["op"], "subscribed");
    assert_eq!(socket.ask(json!({ "op": "subscribe", "channel": "orders" })).await["gap"], false);
    let mut front = front.restart_edge().await;
    let order = enter(&ann, &account, "k", "9.50").await;
    let new = socket.until(|message| message["channel"] == "orders").await;
    assert_eq!(new["data"]["id"], order);
    front.house.add(50, ModelSide::Buy, 1_001, 9);
    let quote = socket.until(|message| message["data"]["bid_price"] == "10.0100").await;
    assert_eq!(quote["data"]["bid_qty"], "9");
    front.close().await;
}
