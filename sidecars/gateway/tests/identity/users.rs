//! What administrators do, and what nobody does to oneself.

use crate::support::{Api, Front, PASSWORD};
use serde_json::{Value, json};

async fn id(user: &Api) -> String {
    user.get("/api/v1/users/me").await.data()["id"].as_str().expect("an id").to_string()
}

/// An administrator named root, and ann.
async fn front() -> (Front, Api, Api) {
    let front = Front::new().await;
    front.register("root").await;
    let front = front.promote("root", "administrator").await;
    let root = front.api.login("root", PASSWORD, None).await.data();
    let root = front.api.with(root["access_token"].as_str().expect("a token"));
    let ann = front.register("ann").await;
    (front, root, ann)
}

/// What the engine knows of a principal: may it trade, may it control?
async fn known(front: &Front, principal: &Value) -> Option<(bool, bool)> {
    let all = front.house.client.list_principals(Default::default()).await.expect("an answer");
    let number = principal.as_u64().expect("a number");
    let found = all.principals.into_iter().find(|one| u64::from(one.principal) == number)?;
    Some((found.may_trade, found.may_control))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_knows_what_people_are() {
    let (front, root, ann) = front().await;
    let path = format!("/api/v1/users/{}", id(&ann).await);
    let principal = root.get(&path).await.data()["principal"].clone();
    // Registration does not wait for it.
    for _ in 0..100 {
        if known(&front, &principal).await.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(known(&front, &principal).await, Some((true, false)));
    for (change, expected) in [
        (json!({ "role": "risk_officer" }), (false, true)),
        (json!({ "role": "administrator" }), (false, true)),
        (json!({ "role": "viewer" }), (false, false)),
        (json!({ "role": "agent" }), (true, false)),
        (json!({ "role": "trader" }), (true, false)),
        (json!({ "disabled": true }), (false, false)),
        (json!({ "disabled": false }), (true, false)),
    ] {
        root.patch(&path, change.clone()).await.data();
        assert_eq!(known(&front, &principal).await, Some(expected), "{change}");
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_shut_out_is_out_at_once() {
    let (front, root, ann) = front().await;
    let key = ann.key(&["profile:read"]).await;
    let login = front.api.login("ann", PASSWORD, None).await.data();
    key.get("/api/v1/users/me").await.data();
    let path = format!("/api/v1/users/{}", id(&ann).await);
    root.patch(&path, json!({ "disabled": true })).await.data();
    for one in [&ann, &key] {
        assert_eq!(one.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    }
    let refresh = json!({ "refresh_token": login["refresh_token"] });
    let refreshed = front.api.post("/api/v1/auth/refresh", refresh).await;
    assert_eq!(refreshed.error(), (401, "unauthenticated"));
    assert_eq!(front.api.login("ann", PASSWORD, None).await.error(), (401, "wrong_credentials"));
    root.patch(&path, json!({ "disabled": false })).await.data();
    // Nothing of before comes back.
    for one in [&ann, &key] {
        assert_eq!(one.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    }
    front.api.login("ann", PASSWORD, None).await.data();
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_at_once_and_limits_keys_too() {
    let (front, root, ann) = front().await;
    let key = ann.key(&["profile:read", "orders:write"]).await;
    let path = format!("/api/v1/users/{}", id(&ann).await);
    root.patch(&path, json!({ "role": "viewer" })).await.data();
    let me = key.get("/api/v1/users/me").await.data();
    assert_eq!(me["permissions"], json!(["profile:read"]));
    let me = ann.get("/api/v1/users/me").await.data();
    assert!(!me["permissions"].to_string().contains("orders:write"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_oneself_more() {
    let (front, root, ann) = front().await;
    for (field, value) in [
        ("role", json!("administrator")),
        ("plan", json!("enterprise")),
        ("principal", json!(1)),
        ("id", json!("00000000-0000-0000-0000-000000000000")),
        ("email_verified", json!(true)),
        ("disabled", json!(false)),
        ("password_hash", json!("x")),
    ] {
        let answer = ann.patch("/api/v1/users/me", json!({ field: value })).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{field}");
        let mut body = json!({ "email": "eve@example.org", "password": PASSWORD, "name": "Eve" });
        body[field] = value;
        let answer = front.api.post("/api/v1/auth/register", body).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{field}");
    }
    let (mine, roots) = (id(&ann).await, id(&root).await);
    for path in [format!("/api/v1/users/{mine}"), format!("/api/v1/users/{roots}")] {
        let answer = ann.patch(&path, json!({ "role": "administrator" })).await;
        assert_eq!(answer.error(), (403, "not_permitted"));
        assert_eq!(ann.get(&path).await.error(), (403, "not_permitted"));
    }
    // Nor does an administrator change oneself, so that one remains.
    for change in
        [json!({ "role": "viewer" }), json!({ "disabled": true }), json!({ "plan": "pro" })]
    {
        let answer = root.patch(&format!("/api/v1/users/{roots}"), change).await;
        assert_eq!(answer.error(), (403, "not_permitted"));
    }
    let unknown = "/api/v1/users/00000000-0000-0000-0000-000000000000";
    assert_eq!(root.patch(unknown, json!({})).await.error(), (404, "not_found"));
    let plan = root.patch(&format!("/api/v1/users/{mine}"), json!({ "plan": "gold" })).await;
    assert_eq!(plan.error(), (422, "invalid_field"));
    // Two who shut each other out at once: one of them remains.
    root.patch(&format!("/api/v1/users/{mine}"), json!({ "role": "administrator" })).await.data();
    let change = json!({ "role": "viewer" });
    let (path_a, path_b) = (format!("/api/v1/users/{mine}"), format!("/api/v1/users/{roots}"));
    let (a, b) = tokio::join!(root.patch(&path_a, change.clone()), ann.patch(&path_b, change));
    let mut statuses = [a.status, b.status];
    statuses.sort();
    assert_eq!(statuses, [200, 403]);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_made_and_listed_page_by_page() {
    let (front, root, _) = front().await;
    let body = json!({ "email": "max@example.org", "name": "Max", "role": "risk_officer" });
    let max = root.post("/api/v1/users", body.clone()).await.data();
    assert_eq!(max["role"], json!("risk_officer"));
    assert_eq!(root.post("/api/v1/users", body).await.error(), (409, "conflict"));
    let token = front.mailed("max", 1).await;
    let set = json!({ "token": token, "password": PASSWORD });
    front.api.post("/api/v1/auth/password/reset", set).await.data();
    front.api.login("max", PASSWORD, None).await.data();

    let mut seen = Vec::new();
    let mut path = "/api/v1/users?limit=2".to_string();
    loop {
        let page = root.get(&path).await;
        let next = page.body["meta"]["next_cursor"].as_str().map(str::to_string);
        for user in page.data().as_array().expect("a list") {
            assert!(!user.to_string().contains("argon2"), "{user}");
            seen.push(user["email"].as_str().expect("text").to_string());
        }
        let Some(next) = next else { break };
        path = format!("/api/v1/users?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["root", "ann", "max"].map(|name| format!("{name}@example.org")));
    for bad in ["limit=0", "limit=201"] {
        assert_eq!(root.get(&format!("/api/v1/users?{bad}")).await.error(), (422, "invalid_field"));
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organisation_is_of_those_who_agreed() {
    let (front, root, ann) = front().await;
    let eve = front.register("eve").await;
    let made = ann.post("/api/v1/organisations", json!({ "name": "Harbour" })).await.data();
    let path = format!("/api/v1/organisations/{}", made["id"].as_str().expect("an id"));
    let invite =
        |name: &str, rank: &str| json!({ "email": format!("{name}@example.org"), "rank": rank });
    // Who is not in it does not find it.
    assert_eq!(eve.get(&format!("{path}/members")).await.error(), (404, "not_found"));
    let foreign = eve.post(&format!("{path}/invites"), invite("eve", "owner")).await;
    assert_eq!(foreign.error(), (404, "not_found"));
    ann.post(&format!("{path}/invites"), invite("root", "admin")).await.data();
    let token = front.mailed("root", 2).await;
    let join = json!({ "token": token });
    // An invitation is for one, once.
    assert_eq!(
        eve.post("/api/v1/organisations/join", join.clone()).await.error(),
        (422, "invalid_field")
    );
    root.post("/api/v1/organisations/join", join.clone()).await.data();
    assert_eq!(root.post("/api/v1/organisations/join", join).await.error(), (422, "invalid_field"));
    let above = root.post(&format!("{path}/invites"), invite("eve", "owner")).await;
    assert_eq!(above.error(), (403, "not_permitted"));
    root.post(&format!("{path}/invites"), invite("eve", "member")).await.data();
    let join = json!({ "token": front.mailed("eve", 2).await });
    eve.post("/api/v1/organisations/join", join).await.data();
    let members = eve.get(&format!("{path}/members")).await.data();
    assert_eq!(members.as_array().map(Vec::len), Some(3));
    let ids = [id(&ann).await, id(&root).await, id(&eve).await];
    // Who leads finds the accounts of members; members find their own.
    let account = eve.open_account("Eve's").await;
    let of_eve = format!("/api/v1/accounts?owner={}", ids[2]);
    assert_eq!(ann.get(&of_eve).await.data()[0]["id"], account.as_str());
    let of_ann = format!("/api/v1/accounts?owner={}", ids[0]);
    assert_eq!(eve.get(&of_ann).await.error(), (404, "not_found"));
    assert_eq!(ann.get("/api/v1/accounts?everybody=true").await.error(), (403, "not_permitted"));
    let all = root.get("/api/v1/accounts?everybody=true&limit=1").await;
    assert_eq!(all.body["meta"]["next_cursor"], serde_json::Value::Null);
    assert_eq!(all.data()[0]["id"], account.as_str());
    let member = |id: &str| format!("{path}/members/{id}");
    assert_eq!(eve.delete(&member(&ids[1])).await.error(), (403, "not_permitted"));
    assert_eq!(root.delete(&member(&ids[0])).await.error(), (403, "not_permitted"));
    assert_eq!(ann.delete(&member(&ids[0])).await.error(), (409, "conflict"));
    eve.delete(&member(&ids[2])).await.data();
    ann.delete(&member(&ids[1])).await.data();
    assert_eq!(root.get(&format!("{path}/members")).await.error(), (404, "not_found"));
    front.close().await;
}
