//! The second factor and the PIN, and who tries to get around them.

use crate::support::{Api, Front, PASSWORD};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use totp_rs::{Builder, Secret};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Waits until so many seconds of a step are over at most.
async fn early(seconds: u64) {
    while now() % 30 > seconds {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Codes of an authenticator: of the step before, of this one and of the next, all good for the next seconds.
async fn codes(secret: &str) -> [String; 3] {
    early(15).await;
    let secret = Secret::try_from_base32(secret).expect("base32");
    let totp = Builder::new().with_secret(secret).with_account_name("x").build().expect("a TOTP");
    [now() - 30, now(), now() + 30].map(|time| totp.generate(time).to_string())
}

pub async fn setup(user: &Api) -> (String, Vec<String>) {
    let setup = user.post("/api/v1/auth/totp/setup", json!({ "password": PASSWORD })).await.data();
    let secret = setup["secret"].as_str().expect("a secret").to_string();
    let uri = setup["uri"].as_str().expect("a URI");
    assert!(uri.starts_with("otpauth://totp/") && uri.contains(&secret), "{uri}");
    let [first, ..] = codes(&secret).await;
    let enabled = user.post("/api/v1/auth/totp/enable", json!({ "code": first })).await.data();
    let codes: Vec<String> =
        serde_json::from_value(enabled["recovery_codes"].clone()).expect("codes");
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_for_and_taken_once() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let setup_with =
        |password: Value| ann.post("/api/v1/auth/totp/setup", json!({ "password": password }));
    assert_eq!(setup_with(json!("wrong password")).await.error(), (401, "wrong_credentials"));
    assert_eq!(setup_with(Value::Null).await.error(), (401, "wrong_credentials"));
    let too_early = ann.post("/api/v1/auth/totp/enable", json!({ "code": "123456" })).await;
    assert_eq!(too_early.error(), (409, "conflict"));
    // Codes below are of the same step as those of the set-up.
    early(5).await;
    let (secret, recovery) = setup(&ann).await;
    assert_eq!(setup_with(json!(PASSWORD)).await.error(), (409, "conflict"));

    let login =
        async |code: Option<String>| front.api.login("ann", PASSWORD, code.as_deref()).await;
    let [used, now, next] = codes(&secret).await;
    assert_eq!(login(None).await.error(), (401, "second_factor_required"));
    let wrong = front.api.login("ann", "another password", Some(&now)).await;
    assert_eq!(wrong.error(), (401, "wrong_credentials"));
    // The one that enabled it is used; of many who send the next, one is let in.
    assert_eq!(login(Some(used.clone())).await.error(), (401, "wrong_credentials"));
    let (a, b, c) =
        tokio::join!(login(Some(now.clone())), login(Some(now.clone())), login(Some(now.clone())));
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort();
    assert_eq!(statuses, [200, 401, 401]);
    login(Some(next)).await.data();
    // A newer one was taken: none before it is.
    assert_eq!(login(Some(now)).await.error(), (401, "wrong_credentials"));

    // Recovery codes: each once, however it is typed.
    login(Some(recovery[0].to_uppercase().replace('-', " "))).await.data();
    assert_eq!(login(Some(recovery[0].clone())).await.error(), (401, "wrong_credentials"));
    let renew = json!({ "code": recovery[1] });
    let renewed = ann.post("/api/v1/auth/totp/recovery-codes", renew).await.data();
    assert_eq!(login(Some(recovery[2].clone())).await.error(), (401, "wrong_credentials"));
    let newest = renewed["recovery_codes"][0].as_str().expect("a code");
    let disabled = ann.post("/api/v1/auth/totp/disable", json!({ "code": newest })).await.data();
    assert_eq!(disabled["totp_enabled"], json!(false));
    login(None).await.data();
    let left = renewed["recovery_codes"][1].as_str().expect("a code");
    let again = ann.post("/api/v1/auth/totp/disable", json!({ "code": left })).await;
    assert_eq!(again.error(), (401, "wrong_credentials"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed_and_a_restart_forgets_none() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let (secret, recovery) = setup(&ann).await;
    let [_, now, _] = codes(&secret).await;
    front.api.login("ann", PASSWORD, Some(&now)).await.data();
    let front = front.restart().await;
    let replay = front.api.login("ann", PASSWORD, Some(&now)).await;
    assert_eq!(replay.error(), (401, "wrong_credentials"));
    // At once or one after the other: a few, then a wait.
    let guesses: Vec<_> = (0..20)
        .map(|n| {
            let api = front.api.clone();
            tokio::spawn(async move {
                api.login("ann", PASSWORD, Some(&format!("{n:06}"))).await.status
            })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += usize::from(guess.await.expect("no panic") == 401);
    }
    assert!(looked_at <= 8, "{looked_at}");
    loop {
        let wrong = front.api.login("ann", PASSWORD, Some("000000")).await;
        match wrong.body["error"]["details"]["retry_after_s"].as_u64() {
            Some(4..) => break,
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => assert_eq!(wrong.status, 401),
        }
    }
    let right = front.api.login("ann", PASSWORD, Some(&recovery[0])).await;
    assert_eq!(right.error(), (429, "too_many"));
    assert!(right.headers.contains_key("retry-after"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_needs_the_password() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let set = async |password: &str, pin: &str| {
        ann.put("/api/v1/users/me/pin", json!({ "password": password, "pin": pin })).await
    };
    for bad in ["", "123", "1234567", "12a4", "１２３４"] {
        assert_eq!(set(PASSWORD, bad).await.error(), (422, "invalid_field"), "{bad}");
    }
    assert_eq!(set("wrong password", "1234").await.error(), (401, "wrong_credentials"));
    let state = set(PASSWORD, "1234").await.data();
    assert_eq!(state, json!({ "pin_set": true, "locked": false }));
    let unlock = |password: &str| json!({ "password": password });
    let wrong = ann.post("/api/v1/users/me/pin/unlock", unlock("wrong password")).await;
    assert_eq!(wrong.error(), (401, "wrong_credentials"));
    ann.post("/api/v1/users/me/pin/unlock", unlock(PASSWORD)).await.data();
    let steps = ann.get("/api/v1/users/me/onboarding").await.data();
    assert_eq!((&steps["pin"], &steps["second_factor"]), (&json!(true), &json!(false)));
    front.close().await;
}
