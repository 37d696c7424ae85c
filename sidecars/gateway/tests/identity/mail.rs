//! Addresses that are shown to be one's own, and passwords that were forgotten.

use crate::support::{Front, PASSWORD};
use serde_json::json;

const NEW: &str = "another horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_shown_the_address_does_not_trade_where_that_is_asked_for() {
    let front = Front::with(|config| config.identity.verify_email = true).await;
    let ann = front.register("ann").await;
    let may = |me: &serde_json::Value| me["permissions"].to_string().contains("orders:write");
    assert!(!may(&ann.get("/api/v1/users/me").await.data()));
    let key = ann.key(&["orders:write", "profile:read"]).await;
    assert!(!may(&key.get("/api/v1/users/me").await.data()));

    let first = front.mailed("ann", 1).await;
    ann.post("/api/v1/auth/email/resend", json!({})).await.data();
    let token = front.mailed("ann", 2).await;
    // What is for something else, or somebody else, or changed, is worth nothing.
    front.register("bob").await;
    let reset =
        front.api.post("/api/v1/auth/password/forgotten", json!({ "email": "ann@example.org" }));
    reset.await.data();
    let reset = front.mailed("ann", 3).await;
    let other = token.replace("tgv_", "tgp_");
    for bad in ["", "tgv_", &reset, &other, &token[..token.len() - 2]] {
        let answer = front.api.post("/api/v1/auth/email/verify", json!({ "token": bad })).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{bad}");
    }
    let verify = async |token: &str| {
        front.api.post("/api/v1/auth/email/verify", json!({ "token": token })).await
    };
    verify(&token).await.data();
    assert!(may(&ann.get("/api/v1/users/me").await.data()));
    assert!(may(&key.get("/api/v1/users/me").await.data()));
    // Once.
    for used in [&token, &first] {
        assert_eq!(verify(used).await.error(), (422, "invalid_field"));
    }
    let again = ann.post("/api/v1/auth/email/resend", json!({})).await;
    assert_eq!(again.error(), (409, "conflict"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_anew_once_and_ends_all_sessions() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let verify = json!({ "token": front.mailed("ann", 1).await });
    front.api.post("/api/v1/auth/email/verify", verify).await.data();
    let forgotten = async |email: &str| {
        let answer =
            front.api.post("/api/v1/auth/password/forgotten", json!({ "email": email })).await;
        answer.data()
    };
    // Nobody learns who is a user.
    let known = forgotten("ann@example.org").await;
    assert_eq!(known, forgotten("nobody@example.org").await);
    forgotten("ann@example.org").await;
    let mails = front.mails("ann", 3).await;
    let [_, first, second] = &mails[..] else { panic!("three") };
    let token = |mail: &str| {
        mail.lines().map(str::trim).rfind(|line| line.starts_with("tgp_")).expect("it").to_string()
    };
    let reset = async |token: &str, password: &str| {
        let body = json!({ "token": token, "password": password });
        front.api.post("/api/v1/auth/password/reset", body).await
    };
    assert_eq!(reset(&token(first), "short").await.error(), (422, "invalid_field"));
    assert_eq!(
        reset(&token(first).replace("tgp_", "tgv_"), NEW).await.error(),
        (422, "invalid_field")
    );
    let (first, second) = (token(first), token(second));
    let (a, b) = tokio::join!(reset(&first, NEW), reset(&second, NEW));
    let mut statuses = [a.status, b.status];
    statuses.sort();
    assert_eq!(statuses, [200, 422], "one of them comes too late");
    for used in [&first, &second] {
        assert_eq!(reset(used, PASSWORD).await.error(), (422, "invalid_field"));
    }
    assert_eq!(ann.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    assert_eq!(front.api.login("ann", PASSWORD, None).await.error(), (401, "wrong_credentials"));
    front.api.login("ann", NEW, None).await.data();
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_reset_by_half() {
    // The cut is made with a trigger of SQLite's.
    if std::env::var_os("TIDEGATE_POSTGRES").is_some() {
        return;
    }
    let front = Front::new().await;
    let thief = front.register("ann").await;
    let key = thief.key(&["profile:read"]).await;
    let forgotten = json!({ "email": "ann@example.org" });
    front.api.post("/api/v1/auth/password/forgotten", forgotten).await.data();
    let body = json!({ "token": front.mailed("ann", 2).await, "password": NEW });
    front
        .sql("CREATE TRIGGER cut BEFORE UPDATE ON api_keys BEGIN SELECT RAISE(ABORT, 'cut'); END")
        .await;
    let cut = front.api.post("/api/v1/auth/password/reset", body.clone()).await;
    assert_eq!(cut.error(), (500, "internal"));
    front.sql("DROP TRIGGER cut").await;
    // Nothing was done, so the token is good still; then nothing of the thief's is left.
    front.api.post("/api/v1/auth/password/reset", body).await.data();
    for old in [&thief, &key] {
        assert_eq!(old.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_registers_somebody_elses_address_keeps_nothing_of_it() {
    let front = Front::new().await;
    let thief = front.register("ann").await;
    let key = thief.key(&["profile:read"]).await;
    let forgotten = json!({ "email": "ann@example.org" });
    front.api.post("/api/v1/auth/password/forgotten", forgotten).await.data();
    let token = front.mailed("ann", 2).await;
    let body = json!({ "token": token, "password": NEW });
    front.api.post("/api/v1/auth/password/reset", body).await.data();
    for old in [&thief, &key] {
        assert_eq!(old.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    }
    let ann = front.api.login("ann", NEW, None).await.data();
    let ann = front.api.with(ann["access_token"].as_str().expect("a token"));
    assert_eq!(ann.get("/api/v1/users/me").await.data()["email_verified"], json!(true));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_by_who_knows_it() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let other = front.api.login("ann", PASSWORD, None).await.data();
    let other = front.api.with(other["access_token"].as_str().expect("a token"));
    let change = async |old: &str, new: &str| {
        let body = json!({ "old_password": old, "new_password": new });
        ann.post("/api/v1/auth/password", body).await
    };
    assert_eq!(change("wrong password", NEW).await.error(), (401, "wrong_credentials"));
    assert_eq!(change(PASSWORD, "short").await.error(), (422, "invalid_field"));
    assert_eq!(change(PASSWORD, NEW).await.data(), json!({ "ended": 1 }));
    ann.get("/api/v1/users/me").await.data();
    assert_eq!(other.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    assert_eq!(front.api.login("ann", PASSWORD, None).await.error(), (401, "wrong_credentials"));
    front.api.login("ann", NEW, None).await.data();
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_to_one_address_are_few() {
    let front = Front::new().await;
    front.register("ann").await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let body = json!({ "email": "ann@example.org" });
        statuses.push(front.api.post("/api/v1/auth/password/forgotten", body).await.status);
    }
    assert_eq!(statuses[..5], [200; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    assert!(front.mails("ann", 5).await.len() <= 5);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_mails_lead_to_the_page_with_the_token_where_no_server_sees_it() {
    let front = Front::with(|config| config.public_url = "https://front.example.org".into()).await;
    let ann = front.register("ann").await;
    let forgotten = json!({ "email": "ann@example.org" });
    front.api.post("/api/v1/auth/password/forgotten", forgotten).await.data();
    let made = ann.post("/api/v1/organisations", json!({ "name": "Harbour" })).await.data();
    let invites = format!("/api/v1/organisations/{}/invites", made["id"].as_str().expect("an id"));
    ann.post(&invites, json!({ "email": "ann@example.org", "rank": "member" })).await.data();
    for mail in front.mails("ann", 3).await {
        let link = mail.lines().find_map(|line| line.strip_prefix("https://front.example.org/"));
        let (path, token) = link.expect("a link").split_once("#token=").expect("a token");
        assert!(token.starts_with("tg"), "{token}");
        assert!(["verify-email", "reset-password", "join"].contains(&path), "{path}");
        let (path, accept) = (format!("/{path}"), [("accept", "text/html")]);
        let page = front.api.call("GET", &path, &accept, None).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    }
    front.close().await;
}
