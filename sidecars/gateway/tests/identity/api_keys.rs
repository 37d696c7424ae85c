//! API keys, and what cannot be done with one.

use crate::second_factor::setup;
use crate::support::{Front, PASSWORD};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_what_it_was_given_until_it_is_revoked() {
    let front = Front::new().await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let body = json!({ "name": "notebook", "scopes": ["profile:read", "orders:write"], "password": PASSWORD });
    let made = ann.post("/api/v1/api-keys", body).await.data();
    let token = made["token"].as_str().expect("a token");
    assert!(token.starts_with("tgk_"));
    let id = made["key"]["id"].as_str().expect("an id");
    let key = front.api.with(token);
    let me = key.get("/api/v1/users/me").await.data();
    assert_eq!(me["permissions"], json!(["profile:read", "orders:write"]));
    // The list tells of it, not it.
    let list = ann.get("/api/v1/api-keys").await.data();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert!(!list.to_string().contains("tgk_"));
    assert_eq!(bob.get("/api/v1/api-keys").await.data(), json!([]));

    // Credentials are out of its reach, whatever it was given.
    for (method, path) in [
        ("POST", "/api/v1/api-keys"),
        ("POST", "/api/v1/auth/totp/setup"),
        ("POST", "/api/v1/auth/password"),
        ("PUT", "/api/v1/users/me/pin"),
        ("POST", "/api/v1/organisations"),
        ("PATCH", "/api/v1/users/me"),
        ("GET", "/api/v1/users"),
    ] {
        let answer = key.call(method, path, &[], Some("{}".into())).await;
        assert_eq!(answer.error(), (403, "not_permitted"), "{method} {path}");
    }
    let logout = key.post("/api/v1/auth/logout", json!({})).await;
    assert_eq!(logout.error(), (409, "conflict"));
    // A key is no access token and no refresh token, and the other way round.
    let refresh = json!({ "refresh_token": token });
    assert_eq!(
        front.api.post("/api/v1/auth/refresh", refresh).await.error(),
        (401, "unauthenticated")
    );
    let last = if token.ends_with('0') { '1' } else { '0' };
    let changed = format!("{}{last}", &token[..token.len() - 1]);
    let longer = format!("{token}0");
    for bad in ["tgk_", "tgk_0", &changed, &token[4..], &longer] {
        let answer = front.api.with(bad).get("/api/v1/users/me").await;
        assert_eq!(answer.error(), (401, "unauthenticated"), "{bad}");
    }

    let path = format!("/api/v1/api-keys/{id}");
    assert_eq!(bob.delete(&path).await.error(), (404, "not_found"));
    key.get("/api/v1/users/me").await.data();
    ann.delete(&path).await.data();
    assert_eq!(key.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    assert_eq!(ann.delete(&path).await.error(), (404, "not_found"));
    let front = front.restart().await;
    let key = front.api.with(token);
    assert_eq!(key.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_bounds() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let make = async |change: Value| {
        let mut body = json!({ "name": "key", "scopes": ["profile:read"], "password": PASSWORD });
        for (name, value) in change.as_object().expect("an object") {
            body[name] = value.clone();
        }
        ann.post("/api/v1/api-keys", body).await
    };
    for (bad, field) in [
        (json!({ "scopes": [] }), Some("scopes")),
        (json!({ "scopes": ["credentials:write"] }), Some("scopes")),
        (json!({ "scopes": ["profile:read", "users:admin"] }), Some("scopes")),
        (json!({ "scopes": ["risk:write"] }), Some("scopes")),
        (json!({ "scopes": ["everything"] }), None),
        (json!({ "networks": ["10.0.0.0/33"] }), Some("networks")),
        (json!({ "networks": vec!["10.0.0.1"; 21] }), Some("networks")),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), Some("expires_at")),
        (json!({ "expires_at": "tomorrow" }), None),
        (json!({ "name": "" }), Some("name")),
        (json!({ "user_id": "00000000-0000-0000-0000-000000000000" }), None),
    ] {
        let answer = make(bad.clone()).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{bad}");
        if let Some(field) = field {
            assert_eq!(answer.body["error"]["details"]["field"], json!(field), "{bad}");
        }
    }
    let token = |made: &Value| made["token"].as_str().expect("a token").to_string();
    let here = make(json!({ "networks": ["127.0.0.0/8", "::1"] })).await.data();
    front.api.with(&token(&here)).get("/api/v1/users/me").await.data();
    let there = make(json!({ "networks": ["10.0.0.0/8"] })).await.data();
    let there = front.api.with(&token(&there));
    assert_eq!(there.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    let headers = [("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1")];
    let forged = there.call("GET", "/api/v1/users/me", &headers, None).await;
    assert_eq!(forged.error(), (401, "unauthenticated"));
    // It ends by itself, also where it is kept in memory.
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(1_500);
    let brief = make(json!({ "expires_at": soon.to_string() })).await.data();
    let brief = front.api.with(&token(&brief));
    brief.get("/api/v1/users/me").await.data();
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    assert_eq!(brief.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_an_access_token_alone_makes_no_key() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let make = async |given: Value| {
        let mut body = json!({ "name": "key", "scopes": ["profile:read"] });
        for (name, value) in given.as_object().expect("an object") {
            body[name] = value.clone();
        }
        ann.post("/api/v1/api-keys", body).await
    };
    assert_eq!(make(json!({})).await.error(), (401, "wrong_credentials"));
    assert_eq!(
        make(json!({ "password": "wrong password" })).await.error(),
        (401, "wrong_credentials")
    );
    make(json!({ "password": PASSWORD })).await.data();
    let (_, recovery) = setup(&ann).await;
    let only_password = make(json!({ "password": PASSWORD })).await;
    assert_eq!(only_password.error(), (401, "second_factor_required"));
    let wrong = make(json!({ "password": PASSWORD, "code": "000000" })).await;
    assert_eq!(wrong.error(), (401, "wrong_credentials"));
    make(json!({ "password": PASSWORD, "code": recovery[0] })).await.data();
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_decides_nothing_whatever_its_key_was_given_before() {
    let front = Front::new().await;
    front.register("root").await;
    let front = front.promote("root", "administrator").await;
    let root = front.api.login("root", PASSWORD, None).await.data();
    let root = front.api.with(root["access_token"].as_str().expect("a token"));
    let key = root.key(&["risk:read"]).await;
    front
        .sql("UPDATE api_keys SET scopes = '[\"risk:read\",\"risk:write\",\"users:admin\"]'")
        .await;
    let front = front.restart().await;
    let key = front.api.with(key.token.as_deref().expect("a key"));
    assert_eq!(key.get("/api/v1/users").await.error(), (403, "not_permitted"));
    let decision = json!({ "decision": "approve", "hash": "00", "reason": "x" });
    let decided = key.post("/api/v1/risk/proposals/1/decision", decision).await;
    assert_eq!(decided.error(), (403, "not_permitted"));
    front.close().await;
}
