//! How far a new user has come.

use crate::second_factor::setup;
use crate::support::{Front, PASSWORD};
use serde_json::json;
use tidegate_model::Side as ModelSide;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_done_every_step_is_done_for_good() {
    let mut front = Front::new().await;
    let ann = front.register("ann").await;
    let path = "/api/v1/users/me/onboarding";
    let steps = ann.get(path).await.data();
    for step in ["email_verified", "second_factor", "pin", "account", "order", "complete"] {
        assert_eq!(steps[step], false, "{step}");
    }
    let token = json!({ "token": front.mailed("ann", 1).await });
    front.api.post("/api/v1/auth/email/verify", token).await.data();
    let (_, recovery) = setup(&ann).await;
    let pin = json!({ "password": PASSWORD, "pin": "2580" });
    ann.put("/api/v1/users/me/pin", pin).await.data();
    let account = ann.open_account("Paper").await;
    let order = |qty: &str| {
        json!({ "account": account, "symbol": "ACME", "side": "buy", "type": "limit", "qty": qty,
            "limit_price": "10.02" })
    };
    // What is refused is no order.
    let refused = ann.post_once("/api/v1/orders", "large", &order("100000000")).await;
    assert_eq!(refused.error(), (422, "rejected"));
    let steps = ann.get(path).await.data();
    assert_eq!((&steps["account"], &steps["order"]), (&json!(true), &json!(false)), "{steps:#}");
    assert_eq!(ann.post_once("/api/v1/orders", "small", &order("5")).await.status, 201);
    front.house.add(3, ModelSide::Buy, 999, 100);
    let done = ann.until(path, |steps| steps["complete"] == true).await;
    assert!(done["completed_at"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "{done:#}");
    // What is taken back later makes nobody new.
    let code = json!({ "code": recovery[0] });
    ann.post("/api/v1/auth/totp/disable", code).await.data();
    let front = front.restart().await;
    let ann = front.api.with(ann.token.as_deref().expect("a token"));
    let later = ann.get(path).await.data();
    assert_eq!((&later["second_factor"], &later["complete"]), (&json!(false), &json!(true)));
    assert_eq!(later["completed_at"], done["completed_at"]);
    front.close().await;
}
