//! People come in, and their sessions end when they should.

mod support;

use serde_json::json;
use support::{Front, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_across_a_restart_and_ends_when_it_is_told() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let me = ann.get("/api/v1/users/me").await.data();
    assert_eq!((&me["email"], &me["role"]), (&json!("ann@example.org"), &json!("trader")));
    let front = front.restart().await;
    let ann = front.api.with(ann.token.as_deref().expect("a token"));
    assert_eq!(ann.get("/api/v1/users/me").await.status, 200);
    ann.post("/api/v1/auth/logout", json!({})).await.data();
    assert_eq!(ann.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    // It stays ended after a restart.
    let front = front.restart().await;
    let ann = front.api.with(ann.token.as_deref().expect("a token"));
    assert_eq!(ann.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_that_is_used_again_ends_the_session() {
    let front = Front::new().await;
    front.register("ann").await;
    let login = json!({ "email": "ann@example.org", "password": PASSWORD });
    let first = front.api.post("/api/v1/auth/login", login).await.data();
    let refresh = |pair: &serde_json::Value| json!({ "refresh_token": pair["refresh_token"] });
    let second = front.api.post("/api/v1/auth/refresh", refresh(&first)).await.data();
    let long_ago = "UPDATE sessions SET used_at = used_at - 31000";
    assert!(front.sql(long_ago).await > 0);
    let stolen = front.api.post("/api/v1/auth/refresh", refresh(&first)).await;
    assert_eq!(stolen.error(), (401, "unauthenticated"));
    let owner = front.api.post("/api/v1/auth/refresh", refresh(&second)).await;
    assert_eq!(owner.error(), (401, "unauthenticated"));
    let access = front.api.with(second["access_token"].as_str().expect("a token"));
    assert_eq!(access.get("/api/v1/users/me").await.error(), (401, "unauthenticated"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_whose_answer_was_lost_is_answered_again() {
    let front = Front::new().await;
    front.register("ann").await;
    let first = front.api.login("ann", PASSWORD, None).await.data();
    let refresh = |pair: &serde_json::Value| json!({ "refresh_token": pair["refresh_token"] });
    let second = front.api.post("/api/v1/auth/refresh", refresh(&first)).await.data();
    let again = front.api.post("/api/v1/auth/refresh", refresh(&first)).await.data();
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    // The one before the newest and no older one.
    let third = front.api.post("/api/v1/auth/refresh", refresh(&again)).await.data();
    assert_ne!(third["refresh_token"], second["refresh_token"]);
    let old = front.api.post("/api/v1/auth/refresh", refresh(&first)).await;
    assert_eq!(old.error(), (401, "unauthenticated"));
    let newest = front.api.post("/api/v1/auth/refresh", refresh(&third)).await;
    assert_eq!(newest.error(), (401, "unauthenticated"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_does_not_stay_in_the_database() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let open = front.api.login("ann", PASSWORD, None).await.data();
    ann.post("/api/v1/auth/logout", json!({})).await.data();
    let over = "UPDATE sessions SET revoked_at = 1 WHERE revoked_at IS NOT NULL";
    assert_eq!(front.sql(over).await, 1);
    let front = front.restart().await;
    for tries in 0.. {
        if front.sql(over).await == 0 {
            break;
        }
        assert!(tries < 100, "it is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let refresh = json!({ "refresh_token": open["refresh_token"] });
    front.api.post("/api/v1/auth/refresh", refresh).await.data();
    front.close().await;
}
