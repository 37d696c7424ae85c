//! Who stops whom: limits, kill switches, two persons, plans, authorizations, and the log of it all.

mod support;

use serde_json::{Value, json};
use support::{Api, Front, PASSWORD};

fn limit(account: &str, qty: &str) -> Value {
    json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "limit", "qty": qty,
        "limit_price": "9.00",
    })
}

/// A house with a trader and two risk officers.
async fn desk() -> (Front, Api, Api, Api, String) {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let (rita, ron) = (front.register("rita").await, front.register("ron").await);
    let account = ann.open_account("Paper").await;
    front.sql("UPDATE users SET role = 'risk_officer' WHERE name LIKE 'r%'").await;
    let front = front.restart().await;
    let again = |api: &Api| front.api.with(api.token.as_deref().expect("a token"));
    let all = (again(&ann), again(&rita), again(&ron));
    let path = format!("/api/v1/accounts/{account}");
    all.0.until(&path, |account| !account["balances"][0].is_null()).await;
    (front, all.0, all.1, all.2, account)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_stops_and_two_let_go() {
    let (front, ann, rita, ron, account) = desk().await;
    let open = ann.post_once("/api/v1/orders", "1", &limit(&account, "1")).await.data();
    let scope = json!({ "kind": "account", "account": account });
    let engage = json!({ "scope": scope, "reason": "a test" });
    let killed = rita.post("/api/v1/risk/kill", engage).await.data();
    assert_eq!((&killed["status"], &killed["canceled"]), (&json!("done"), &json!(1)));
    let path = format!("/api/v1/orders/{}", open["id"].as_str().expect("an id"));
    let order = ann.until(&path, |order| order["status"] == "canceled").await;
    assert_eq!(order["cancel_reason"], "kill_switch");
    let refused = ann.post_once("/api/v1/orders", "2", &limit(&account, "1")).await;
    assert_eq!(refused.error(), (422, "rejected"));
    assert_eq!(refused.body["error"]["details"]["reason"], "kill_switch");
    for api in [&ann, &rita] {
        let stopped = api.get("/api/v1/risk/stopped").await.data();
        assert_eq!(stopped["kills"][0]["scope"]["account"], json!(account));
    }

    let release = json!({ "scope": scope, "reason": "all is well" });
    let waits = rita.post("/api/v1/risk/release", release).await.data();
    assert_eq!(waits["status"], "waiting");
    let proposals = ron.get("/api/v1/risk/proposals").await.data();
    let proposal = &proposals[0];
    assert_eq!((&proposal["number"], &proposal["status"]), (&waits["proposal"], &json!("pending")));
    let decide = json!({ "hash": proposal["hash"], "decision": "approve", "reason": "yes" });
    let path = format!("/api/v1/risk/proposals/{}/decision", waits["proposal"]);
    let same = rita.post(&path, decide.clone()).await;
    assert_eq!(same.body["error"]["details"]["reason"], "same_person");
    ron.post(&path, decide).await.data();
    assert_eq!(ann.get("/api/v1/risk/stopped").await.data()["kills"], json!([]));
    let order = ann.post_once("/api/v1/orders", "3", &limit(&account, "1")).await;
    assert_eq!(order.status, 201);

    // All of it is in the log, page by page.
    let acts = rita.get("/api/v1/audit?action=kill.engage").await.data();
    assert_eq!(acts[0]["detail"]["scope"]["account"], json!(account));
    let first = rita.get("/api/v1/audit?limit=3").await;
    let next = first.body["meta"]["next_cursor"].as_str().expect("more").to_string();
    let second = rita.get(&format!("/api/v1/audit?limit=3&cursor={next}")).await.data();
    let last = first.data()[2]["seq"].as_i64().expect("a number");
    assert_eq!(second[0]["seq"], json!(last - 1));
    // A cursor is one's own.
    let foreign = ron.get(&format!("/api/v1/audit?cursor={next}")).await;
    assert_eq!(foreign.error(), (422, "invalid_field"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sector_is_a_group_of_the_engines_and_left_by_two() {
    let (front, ann, rita, ron, _) = desk().await;
    let mut front = front
        .restart_with(|config| {
            config.market.sectors = [("Energy".into(), 7), ("Shipping".into(), 9)].into();
        })
        .await;
    let again = |front: &Front, api: &Api| front.api.with(api.token.as_deref().expect("a token"));
    let [ann, rita, ron] = [&ann, &rita, &ron].map(|api| again(&front, api));
    let sectors = json!([{ "name": "Energy", "group": 7 }, { "name": "Shipping", "group": 9 }]);
    assert_eq!(ann.get("/api/v1/sectors").await.data(), sectors);
    let path = "/api/v1/instruments/ACME";
    ann.until(path, |acme| acme["sector"].is_null()).await;
    let put = format!("{path}/sector");
    let into = |sector: Value| json!({ "sector": sector, "reason": "what it earns by" });
    assert_eq!(ann.put(&put, into(json!("Energy"))).await.error(), (403, "not_permitted"));
    let unknown = rita.put(&put, into(json!("energy"))).await;
    assert_eq!(unknown.error(), (422, "invalid_field"));
    assert_eq!(unknown.body["error"]["details"]["field"], "sector");
    let absent = rita.put("/api/v1/instruments/NONE/sector", into(json!("Energy"))).await;
    assert_eq!(absent.error(), (404, "not_found"));
    assert_eq!(rita.put(&put, into(json!("Energy"))).await.data()["status"], "done");
    assert_eq!(ann.get(path).await.data()["sector"], "Energy");
    // The limits of one sector would not hold any more: a second person agrees.
    let waits = rita.put(&put, into(json!("Shipping"))).await.data();
    assert_eq!(waits["status"], "waiting");
    assert_eq!(ann.get(path).await.data()["sector"], "Energy");
    let proposal = ron.get("/api/v1/risk/proposals").await.data()[0].take();
    let decide = json!({ "hash": proposal["hash"], "decision": "approve", "reason": "yes" });
    ron.post(&format!("/api/v1/risk/proposals/{}/decision", waits["proposal"]), decide)
        .await
        .data();
    ann.until(path, |acme| acme["sector"] == "Shipping").await;
    // It is the engine's, and is read from it again.
    front = front.restart().await;
    let ann = again(&front, &ann);
    ann.until("/api/v1/instruments?q=ACME", |found| found[0]["sector"] == "Shipping").await;
    let acts = again(&front, &rita).get("/api/v1/audit?action=instrument.sector").await.data();
    assert_eq!(
        (&acts[0]["target"], &acts[0]["detail"]["sector"]),
        (&json!("ACME"), &json!("Shipping"))
    );
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_lowered_by_one_and_raised_by_two() {
    let (front, ann, rita, _, account) = desk().await;
    let path = format!("/api/v1/accounts/{account}/limits");
    let mut limits = ann.get(&path).await.data();
    assert_eq!(limits["used"], json!({ "open_orders": 0, "largest_position_lots": 0 }));
    let set = |limits: &Value| json!({ "limits": limits, "reason": "a test" });
    assert_eq!(ann.put(&path, set(&limits)).await.error(), (403, "not_permitted"));
    limits["max_order_lots"] = json!(5);
    assert_eq!(rita.put(&path, set(&limits)).await.data()["status"], "done");
    assert_eq!(ann.get(&path).await.data()["max_order_lots"], 5);
    let refused = ann.post_once("/api/v1/orders", "1", &limit(&account, "6")).await;
    assert_eq!(refused.body["error"]["details"]["reason"], "max_order_qty");
    assert_eq!(refused.body["error"]["details"]["limit"], "5");
    limits["max_order_lots"] = json!(6);
    assert_eq!(rita.put(&path, set(&limits)).await.data()["status"], "waiting");
    assert_eq!(ann.get(&path).await.data()["max_order_lots"], 5);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_of_limits_is_told() {
    let (mut front, ann, _, _, account) = desk().await;
    let taking = json!({
        "account": account, "symbol": "ACME", "side": "buy", "type": "market", "qty": "7",
    });
    ann.post_once("/api/v1/orders", "t", &taking).await.data();
    front.house.add(3, tidegate_model::Side::Buy, 999, 100);
    for key in ["1", "2", "3"] {
        ann.post_once("/api/v1/orders", key, &limit(&account, "1")).await.data();
    }
    let path = format!("/api/v1/accounts/{account}/limits");
    let expected = json!({ "open_orders": 3, "largest_position_lots": 7 });
    ann.until(&path, |limits| limits["used"] == expected).await;
    ann.delete(&format!("/api/v1/orders?account={account}")).await.data();
    ann.until(&path, |limits| limits["used"]["open_orders"] == 0).await;
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_the_controls_and_the_history_that_concern_them() {
    let (front, ann, rita, _, account) = desk().await;
    let bob = front.register("bob").await;
    bob.open_account("Paper").await;
    use tidegate_client::proto::{Control, ControlKind, Scope, ScopeKind, SetControlRequest};
    for (kind, id, limit) in [
        (ScopeKind::Firm, 0, "900"),
        // The first two accounts that people opened.
        (ScopeKind::Account, 1_000, "50"),
        (ScopeKind::Account, 1_001, "60"),
    ] {
        let control = Control {
            scope: Some(Scope { kind: kind.into(), id, symbol: String::new() }),
            control: ControlKind::OpenOrders.into(),
            limit: limit.into(),
            reason: "a test".into(),
            ..Default::default()
        };
        let answer = front.house.client.set_control(SetControlRequest { control: Some(control) });
        support::house::done(answer.await.expect("set"));
    }
    let limits = |controls: &Value| -> Vec<String> {
        let all = controls.as_array().expect("a list").iter();
        let open = all.filter(|one| one["control"] == "open_orders");
        open.map(|one| one["limit"].as_str().expect("text").to_string()).collect()
    };
    let path = "/api/v1/risk/controls";
    let controls = ann.until(path, |controls| limits(controls).len() == 2).await;
    assert_eq!(limits(&controls), ["900", "50"]);
    let own = controls.as_array().expect("a list").iter().find(|one| one["limit"] == "50");
    let own = own.expect("it is there");
    assert_eq!(
        own["scope"],
        json!({ "kind": "account", "account": account, "number": null, "symbol": null })
    );
    assert_eq!((&own["reason"], &own["counted"]), (&json!("a test"), &json!("0")));
    assert!(own["changed_at"].is_string(), "{own:#}");
    assert_eq!(limits(&bob.get(path).await.data()), ["900", "60"]);
    assert_eq!(limits(&rita.get(path).await.data()), ["900", "50", "60"]);

    // A control is met, and a kill switch engaged: for ann alone, and who sees everybody's.
    let scope = json!({ "kind": "account", "account": account });
    rita.post("/api/v1/risk/kill", json!({ "scope": scope, "reason": "a stop" })).await.data();
    let path = "/api/v1/risk/history";
    let history = ann.until(path, |history| history[0]["kind"] == "kill").await;
    assert_eq!(history[0]["scope"]["account"], json!(account));
    assert_eq!(
        (&history[0]["reason"], &history[0]["by"]),
        (&json!("a stop"), &json!("rita@example.org"))
    );
    let kinds = |history: &Value| -> Vec<String> {
        let all = history.as_array().expect("a list").iter();
        all.map(|one| one["kind"].as_str().expect("text").to_string()).collect()
    };
    assert_eq!(kinds(&history), ["kill", "control", "control", "limits"]);
    assert_eq!(kinds(&bob.get(path).await.data()), ["control", "control", "limits"]);
    // Pages put together are the whole.
    let (mut next, mut paged) = (String::new(), Vec::new());
    loop {
        let page = ann.get(&format!("{path}?limit=1{next}")).await.body;
        paged.extend(page["data"].as_array().expect("a list").iter().cloned());
        let Some(cursor) = page["meta"]["next_cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(Value::Array(paged), history);
    let foreign = ann.get(&format!("{path}?cursor=nonsense")).await;
    assert_eq!(foreign.error(), (422, "invalid_field"));
    assert_eq!(foreign.body["error"]["details"]["field"], "cursor");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_have_as_many_orders_as_the_plan_and_people_any() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let plans = ann.get("/api/v1/plans").await.data();
    assert_eq!((&plans[0]["plan"], &plans[0]["is_current"]), (&json!("free"), &json!(true)));
    assert_eq!(plans[1]["automatic_orders_per_day"], 10);
    // A person's own orders are no program's.
    for number in 0..12 {
        let (key, order) = (format!("p{number}"), limit(&account, "1"));
        assert_eq!(ann.post_once("/api/v1/orders", &key, &order).await.status, 201);
    }
    front.sql("UPDATE users SET role = 'agent'").await;
    let front = front.restart().await;
    let bot = front.api.with(ann.token.as_deref().expect("a token"));
    let free = bot.post_once("/api/v1/orders", "f", &limit(&account, "1")).await;
    assert_eq!(free.error(), (422, "rejected"));
    assert_eq!(free.body["error"]["details"]["reason"], "not_permitted");

    front.sql("UPDATE users SET plan = 'basic'").await;
    let front = front.restart().await;
    let bot = front.api.with(ann.token.as_deref().expect("a token"));
    for number in 0..11 {
        let (key, order) = (format!("b{number}"), limit(&account, "1"));
        let order = bot.post_once("/api/v1/orders", &key, &order).await;
        if number < 10 {
            assert_eq!(order.status, 201, "{number} {order:#?}");
            continue;
        }
        assert_eq!(order.error(), (422, "rejected"));
        assert_eq!(order.body["error"]["details"]["reason"], "day_orders");
        assert_eq!(order.body["error"]["details"]["scope"], "principal");
    }
    // A larger plan is in force at once.
    front.sql("UPDATE users SET plan = 'pro'").await;
    let front = front.restart().await;
    let bot = front.api.with(ann.token.as_deref().expect("a token"));
    let order = bot.post_once("/api/v1/orders", "pro", &limit(&account, "1")).await;
    assert_eq!(order.status, 201);
    // A program changes what programs entered, and cancels anything.
    let open = bot.get("/api/v1/orders?limit=200&status=open").await.data();
    let open = open.as_array().expect("a list");
    let path = |row: &Value| format!("/api/v1/orders/{}", row["id"].as_str().expect("an id"));
    let (newest, oldest) = (path(&open[0]), path(&open[open.len() - 1]));
    assert_eq!(bot.patch(&newest, json!({ "qty": "2" })).await.status, 200);
    assert_eq!(bot.patch(&oldest, json!({ "qty": "2" })).await.error(), (403, "not_permitted"));
    assert_eq!(bot.delete(&oldest).await.status, 200);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_a_person_needs_an_authorization_where_the_house_says_so() {
    let front = Front::with(|config| {
        config.trading.authorization = tidegate_gateway::Authorization::Always;
    })
    .await;
    let ann = front.register("ann").await;
    let account = ann.open_account("Paper").await;
    let order = limit(&account, "1");
    let preview = ann.post("/api/v1/orders/preview", order.clone()).await.data();
    assert_eq!(preview["needs_authorization"], true);
    assert_eq!((&preview["notional"], &preview["currency"]), (&json!("9.00"), &json!("USD")));
    assert_eq!(
        preview["summary"],
        "Paper: buy 1 ACME, limit at 9, day; about 9.00 USD, fee about 0.00"
    );
    // Every control has its say, those too that let it pass.
    let says = |preview: &Value| -> Vec<(String, bool)> {
        let text = |value: &Value| value.as_str().expect("text").to_string();
        let all = preview["controls"].as_array().expect("a list").iter();
        all.map(|one| (text(&one["reason"]), one["passes"] == true)).collect()
    };
    assert!(!says(&preview).is_empty() && says(&preview).iter().all(|(_, passes)| *passes));
    let large = ann.post("/api/v1/orders/preview", limit(&account, "200000")).await.data();
    let (passes, refuses): (Vec<_>, Vec<_>) = says(&large).into_iter().partition(|(_, it)| *it);
    assert!(!passes.is_empty(), "{large:#}");
    let refuses: Vec<_> = refuses.iter().map(|(reason, _)| reason.as_str()).collect();
    assert!(refuses.contains(&"max_order_qty"), "{large:#}");
    let all = large["controls"].as_array().expect("a list");
    let qty = all.iter().find(|one| one["reason"] == "max_order_qty").expect("it is there");
    assert_eq!((&qty["limit"], &qty["value"]), (&json!("100000"), &json!("200000")));
    assert_eq!((&qty["scope"], &large["reject"]), (&json!("account"), &json!(null)));
    assert!(qty["message"].is_string(), "{qty:#}");
    assert_eq!(ann.get("/api/v1/orders").await.data(), json!([]), "nothing was sent");

    let refused = ann.post_once("/api/v1/orders", "1", &order).await;
    assert_eq!(refused.error(), (403, "authorization_required"));
    // Only what the server said can be authorized.
    let hash = preview["hash"].as_str().expect("text");
    for bad in ["", &"0".repeat(64), &hash[..64], &format!("{}{}", "0".repeat(64), &hash[64..])] {
        let asked = json!({ "account": account, "hash": bad, "pin": "1234" });
        let refused = ann.post("/api/v1/orders/authorize", asked).await;
        assert_eq!(refused.error(), (422, "invalid_field"), "{bad}");
    }
    let headers =
        [("idempotency-key", "1"), ("trade-authorization", &*format!("tga_{}", "0".repeat(64)))];
    let forged = ann.call("POST", "/api/v1/orders", &headers, Some(order.to_string())).await;
    assert_eq!(forged.error(), (403, "authorization_required"));
    let asked = json!({ "account": account, "hash": preview["hash"], "pin": "1234" });
    let none = ann.post("/api/v1/orders/authorize", asked.clone()).await;
    assert_eq!(none.error(), (409, "conflict"), "no second factor is set up");

    let pin = json!({ "pin": "1234", "password": PASSWORD });
    ann.put("/api/v1/users/me/pin", pin).await.data();
    let wrong = json!({ "account": account, "hash": preview["hash"], "pin": "4321" });
    let wrong = ann.post("/api/v1/orders/authorize", wrong).await;
    assert_eq!(wrong.error(), (401, "wrong_credentials"));
    let granted = ann.post("/api/v1/orders/authorize", asked).await.data();
    let token = granted["token"].as_str().expect("a token");
    // It is for this order alone, of this account, of this user.
    let other = limit(&account, "2");
    let with = |key| [("idempotency-key", key), ("trade-authorization", token)];
    let changed = ann.call("POST", "/api/v1/orders", &with("2"), Some(other.to_string())).await;
    assert_eq!(changed.error(), (403, "authorization_required"));
    let bob = front.register("bob").await;
    let theirs = bob.open_account("Paper").await;
    let theirs = limit(&theirs, "1").to_string();
    let stolen = bob.call("POST", "/api/v1/orders", &with("3"), Some(theirs)).await;
    assert_eq!(stolen.error(), (403, "authorization_required"));
    // It is good once; the same order tried again is the same order.
    let first = ann.call("POST", "/api/v1/orders", &with("1"), Some(order.to_string())).await;
    let again = ann.call("POST", "/api/v1/orders", &with("1"), Some(order.to_string())).await;
    assert_eq!(again.body["data"]["id"], first.data()["id"]);
    let twice = ann.call("POST", "/api/v1/orders", &with("4"), Some(order.to_string())).await;
    assert_eq!(twice.error(), (403, "authorization_required"));

    // Lists and parents: the same three steps.
    let list =
        json!({ "contingency": "oto", "legs": [limit(&account, "1"), limit(&account, "2")] });
    let parent = json!({ "order": limit(&account, "5"), "algorithm": "iceberg", "slice_qty": "1" });
    for (path, body) in [("/api/v1/orders/lists", list), ("/api/v1/orders/algorithms", parent)] {
        let preview = ann.post(&format!("{path}/preview"), body.clone()).await.data();
        assert_eq!(preview["needs_authorization"], true, "{preview:#}");
        assert!(
            preview.to_string().contains("worked by iceberg")
                || preview["legs"][1]["cost"] == "18.00",
            "{preview:#}"
        );
        let refused = ann.post_once(path, path, &body).await;
        assert_eq!(refused.error(), (403, "authorization_required"));
        let asked = json!({ "account": account, "hash": preview["hash"], "pin": "1234" });
        let granted = ann.post("/api/v1/orders/authorize", asked).await.data();
        let token = granted["token"].as_str().expect("a token");
        let headers = [("idempotency-key", path), ("trade-authorization", token)];
        let entered = ann.call("POST", path, &headers, Some(body.to_string())).await;
        assert_eq!(entered.status, 201, "{entered:#?}");
    }
    // What is open is closed without one.
    let flat = ann.post(&format!("/api/v1/accounts/{account}/flatten"), json!({})).await;
    assert_eq!(flat.status, 200, "{flat:#?}");
    front.close().await;
}
