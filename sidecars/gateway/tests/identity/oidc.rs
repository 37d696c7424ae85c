//! Signing in elsewhere: with a real OpenID Connect provider, with one that lies, and with what GitHub documents.

use crate::support::{Answer, Front, PASSWORD};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use tidegate_gateway::{Provider, ProviderKind};

fn provider(name: &str, kind: ProviderKind, issuer: &str) -> Provider {
    Provider {
        name: name.into(),
        kind,
        client_id: "tidegate".into(),
        client_secret: "a secret".into(),
        client_secret_file: None,
        issuer: issuer.into(),
    }
}

/// A sign-in that has begun: where to send the browser, and the cookie that it keeps.
async fn start(front: &Front, provider: &str) -> (String, String) {
    let answer = front.api.get(&format!("/api/v1/auth/oidc/{provider}/start")).await;
    let cookie = answer.headers["set-cookie"].to_str().expect("text").to_string();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let url = answer.data()["url"].as_str().expect("a URL").to_string();
    (url, cookie.split(';').next().expect("a pair").to_string())
}

/// A field of a URL's query.
fn field(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').expect("a query");
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(one, _)| *one == name).unwrap_or_else(|| panic!("{name} in {url}")).1.to_string()
}

async fn back(front: &Front, path: &str, cookie: &str) -> Answer {
    front.api.call("GET", path, &[("cookie", cookie)], None).await
}

/// The provider of `pip install oidc-provider-mock`, if it is there.
struct Mock(Child, String);

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Mock {
    async fn new() -> Option<Self> {
        let named = std::env::var("TIDEGATE_OIDC_MOCK");
        let program = named.clone().unwrap_or("oidc-provider-mock".into());
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let claims = |sub: &str, verified: bool| {
            json!({ "sub": sub, "email": format!("{sub}@example.org"), "email_verified": verified })
                .to_string()
        };
        let child = Command::new(&program)
            .args(["--port", &port.to_string(), "--require-nonce", "true"])
            .args(["--user-claims", &claims("ann", true), "--user-claims", &claims("eve", false)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            assert!(named.is_err(), "TIDEGATE_OIDC_MOCK: {program} cannot be started");
            eprintln!(
                "SKIPPED: no {program}; pip install oidc-provider-mock, or TIDEGATE_OIDC_MOCK=PATH"
            );
            return None;
        };
        let mock = Self(child, format!("http://127.0.0.1:{port}"));
        for _ in 0..300 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(mock);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{program} does not listen");
    }

    /// Signs in as somebody in the browser; the path that the provider leads back to.
    async fn sign_in(&self, url: &str, sub: &str) -> String {
        let (url, form) = (url.to_string(), format!("sub={sub}"));
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
            let agent = agent.build().new_agent();
            let request = agent.post(&url).content_type("application/x-www-form-urlencoded");
            let answer = request.send(form).expect("an answer");
            let to = answer.headers()["location"].to_str().expect("text").to_string();
            to.strip_prefix("http://127.0.0.1:8080").expect("it leads back").to_string()
        })
        .await
        .expect("no panic")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_with_a_real_provider() {
    let Some(mock) = Mock::new().await else { return };
    let issuer = mock.1.clone();
    let front = Front::with(|config| {
        let office = provider("office", ProviderKind::Oidc, &issuer);
        config.identity.providers =
            vec![Provider { name: "other".into(), ..office.clone() }, office];
    })
    .await;
    assert_eq!(front.api.get("/api/v1/auth/oidc").await.data(), json!(["other", "office"]));
    let unknown = front.api.get("/api/v1/auth/oidc/none/start").await;
    assert_eq!(unknown.error(), (404, "not_found"));

    // A new user, whose address is verified and who has no password.
    let (url, cookie) = start(&front, "office").await;
    let path = mock.sign_in(&url, "ann").await;
    // Not in another browser, not with another state, not with the cookie of another provider or sign-in.
    let (_, other) = start(&front, "other").await;
    let (_, later) = start(&front, "office").await;
    for bad in ["", "tidegate_oidc=", "tidegate_oidc=00.00", &other, &later] {
        assert_eq!(back(&front, &path, bad).await.error(), (401, "unauthenticated"), "{bad}");
    }
    let forged = path.replace("state=", "state=0");
    assert_eq!(back(&front, &forged, &cookie).await.error(), (401, "unauthenticated"));
    let pair = back(&front, &path, &cookie).await.data();
    let ann = front.api.with(pair["access_token"].as_str().expect("a token"));
    let me = ann.get("/api/v1/users/me").await.data();
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("ann@example.org"), &json!(true)));
    assert_eq!(front.api.login("ann", "", None).await.error(), (401, "wrong_credentials"));
    // A code is good once.
    assert!(back(&front, &path, &cookie).await.status >= 400);

    // The same user comes again.
    let (url, cookie) = start(&front, "office").await;
    let again = back(&front, &mock.sign_in(&url, "ann").await, &cookie).await.data();
    assert_eq!(again["user"], pair["user"]);

    // What the provider has not verified is no address.
    let (url, cookie) = start(&front, "office").await;
    let answer = back(&front, &mock.sign_in(&url, "eve").await, &cookie).await;
    assert_eq!(answer.error(), (403, "not_permitted"));
    front.close().await;
}

/// A provider that says what a test wants it to.
#[derive(Default)]
struct Rogue {
    issuer: Mutex<String>,
    id_token: Mutex<String>,
}

/// It, and the key that it signs with.
async fn rogue() -> (Arc<Rogue>, EncodingKey, Vec<u8>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("a key");
    let public =
        Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("it").public_key().as_ref().to_vec();
    let key = EncodingKey::from_ed_der(pkcs8.as_ref());
    let jwk = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "1", "use": "sig",
        "x": URL_SAFE_NO_PAD.encode(&public) }] });
    let rogue = Arc::new(Rogue::default());
    let discovery = |State(rogue): State<Arc<Rogue>>| async move {
        let base = rogue.issuer.lock().expect("whole").clone();
        Json(json!({ "issuer": base, "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"), "jwks_uri": format!("{base}/jwks") }))
    };
    let token = |State(rogue): State<Arc<Rogue>>| async move {
        let id_token = rogue.id_token.lock().expect("whole").clone();
        Json(json!({ "access_token": "x", "token_type": "Bearer", "id_token": id_token }))
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(move || async move { Json(jwk) }))
        .route("/token", post(token))
        .with_state(Arc::clone(&rogue));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    *rogue.issuer.lock().expect("whole") =
        format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (rogue, key, public)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_is_taken_only_if_it_is_the_providers_for_us_and_for_this_sign_in() {
    let (rogue, key, public) = rogue().await;
    let issuer = rogue.issuer.lock().expect("whole").clone();
    let front = Front::with(|config| {
        config.identity.providers = vec![provider("office", ProviderKind::Oidc, &issuer)];
    })
    .await;
    front.register("bob").await;
    let now = jiff::Timestamp::now().as_second();
    let good = json!({ "iss": issuer, "aud": "tidegate", "sub": "1", "iat": now, "exp": now + 60,
        "email": "ann@example.org", "email_verified": true });
    let header = |algorithm| Header { kid: Some("1".into()), ..Header::new(algorithm) };
    let try_with = async |make: &dyn Fn(Value) -> String| {
        let (url, cookie) = start(&front, "office").await;
        let mut claims = good.clone();
        claims["nonce"] = field(&url, "nonce").into();
        *rogue.id_token.lock().expect("whole") = make(claims);
        let state = field(&url, "state");
        back(&front, &format!("/api/v1/auth/oidc/office/callback?code=1&state={state}"), &cookie)
            .await
    };
    let sign = |claims: &Value| {
        jsonwebtoken::encode(&header(Algorithm::EdDSA), claims, &key).expect("signed")
    };
    for (what, value) in [
        ("iss", json!("http://127.0.0.1:1")),
        ("aud", json!("another")),
        ("aud", json!(["tidegate", "another"])),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("exp", json!(now - 120)),
        ("exp", Value::Null),
        ("sub", json!("")),
        ("azp", json!("another")),
    ] {
        let answer = try_with(&|mut claims| {
            claims[what] = value.clone();
            sign(&claims)
        })
        .await;
        assert_eq!(answer.error(), (401, "unauthenticated"), "{what} {value}");
    }
    // Signed by nobody, by another, or with the public key as if it were a secret.
    let (_, other, _) = self::rogue().await;
    let forgers: [&dyn Fn(Value) -> String; 3] = [
        &|claims: Value| {
            jsonwebtoken::encode(&header(Algorithm::EdDSA), &claims, &other).expect("signed")
        },
        &|claims: Value| {
            let secret = EncodingKey::from_secret(&public);
            jsonwebtoken::encode(&header(Algorithm::HS256), &claims, &secret).expect("signed")
        },
        &|claims: Value| {
            let body = URL_SAFE_NO_PAD.encode(claims.to_string());
            format!("{}.{body}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1"}"#))
        },
    ];
    for make in forgers {
        assert_eq!(try_with(make).await.error(), (401, "unauthenticated"));
    }
    // Nobody gets into a user of somebody else who has not shown that the address is theirs, or in by one that is not verified.
    for (claims, code) in [
        (json!({ "email": "bob@example.org" }), (409, "conflict")),
        (json!({ "email": "bob@example.org", "email_verified": false }), (403, "not_permitted")),
        (json!({ "email_verified": "false" }), (403, "not_permitted")),
    ] {
        let answer = try_with(&|mut all| {
            all.as_object_mut().expect("it").extend(claims.as_object().expect("it").clone());
            sign(&all)
        })
        .await;
        assert_eq!(answer.error(), code, "{claims}");
    }
    try_with(&|claims| sign(&claims)).await.data();
    // Once bob has shown that, the address is enough; the second factor is asked for here too.
    let token = json!({ "token": front.mailed("bob", 1).await });
    front.api.post("/api/v1/auth/email/verify", token).await.data();
    let as_bob = |mut claims: Value| {
        (claims["sub"], claims["email"]) = (json!("2"), json!("BOB@example.org"));
        sign(&claims)
    };
    let pair = try_with(&as_bob).await.data();
    let bob = front.api.with(pair["access_token"].as_str().expect("a token"));
    let setup = bob.post("/api/v1/auth/totp/setup", json!({ "password": PASSWORD })).await.data();
    let secret =
        totp_rs::Secret::try_from_base32(setup["secret"].as_str().expect("text")).expect("base32");
    let totp =
        totp_rs::Builder::new().with_secret(secret).with_account_name("x").build().expect("it");
    let code = totp.generate_current().to_string();
    let enabled = bob.post("/api/v1/auth/totp/enable", json!({ "code": code })).await.data();
    let asked = try_with(&as_bob).await;
    assert_eq!(asked.error(), (401, "second_factor_required"));
    let ticket = asked.body["error"]["details"]["ticket"].clone();
    let finish = async |ticket: &Value, code: &Value| {
        front.api.post("/api/v1/auth/oidc/finish", json!({ "ticket": ticket, "code": code })).await
    };
    let (recovery, wrong) = (&enabled["recovery_codes"][0], json!("000000"));
    assert_eq!(finish(&ticket, &wrong).await.error(), (401, "wrong_credentials"));
    assert_eq!(finish(&json!("00.00"), recovery).await.error(), (401, "unauthenticated"));
    finish(&ticket, recovery).await.data();
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_with_apple_which_comes_back_by_a_form() {
    let (rogue, key, _) = rogue().await;
    let issuer = rogue.issuer.lock().expect("whole").clone();
    let front = Front::with(|config| {
        config.public_url = "https://trade.example.org".into();
        config.identity.providers = vec![provider("apple", ProviderKind::Apple, &issuer)];
    })
    .await;
    let start = async || {
        let answer = front.api.get("/api/v1/auth/oidc/apple/start").await;
        let cookie = answer.headers["set-cookie"].to_str().expect("text").to_string();
        // Apple's page posts the form: only such a cookie comes along.
        for part in ["SameSite=None", "Secure", "HttpOnly", "Path=/api/v1/auth/oidc"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let url = answer.data()["url"].as_str().expect("a URL").to_string();
        assert_eq!(field(&url, "response_mode"), "form_post");
        assert_eq!(field(&url, "scope"), "openid%20email");
        (url, cookie.split(';').next().expect("a pair").to_string())
    };
    let come_back = async |cookie: &str, form: String, kind: &str| {
        let url = format!("{}/api/v1/auth/oidc/apple/callback", front.api.base);
        let (cookie, kind) = (cookie.to_string(), kind.to_string());
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder().http_status_as_error(false).build();
            let request = agent.new_agent().post(url).header("cookie", cookie).content_type(&kind);
            let request = request.header("origin", "https://appleid.apple.com");
            let mut answer = request.send(form).expect("an answer");
            let text = answer.body_mut().read_to_string().expect("text");
            (answer.status().as_u16(), serde_json::from_str::<Value>(&text).expect("JSON"))
        })
        .await
        .expect("no panic")
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    let now = jiff::Timestamp::now().as_second();
    // Apple says so as text.
    let sign_in = async |verified: &str, state: Option<&str>, cookie: Option<&str>, kind: &str| {
        let (url, own) = start().await;
        let claims = json!({ "iss": issuer, "aud": "tidegate", "sub": "001.a", "iat": now, "exp": now + 60,
            "email": "ann@example.org", "email_verified": verified, "nonce": field(&url, "nonce") });
        let header = Header { kid: Some("1".into()), ..Header::new(Algorithm::EdDSA) };
        *rogue.id_token.lock().expect("whole") =
            jsonwebtoken::encode(&header, &claims, &key).expect("signed");
        let given = field(&url, "state");
        // The first time the form has the name too.
        let user = "user=%7B%22name%22%3A%7B%22firstName%22%3A%22Ann%22%7D%7D";
        let form = format!("state={}&code=c0de&{user}", state.unwrap_or(&given));
        come_back(cookie.unwrap_or(&own), form, kind).await
    };
    let code = |answer: &(u16, Value)| answer.1["error"]["code"].as_str().map(str::to_string);
    let (_, later) = start().await;
    for (state, cookie) in
        [(Some("another"), None), (None, Some("")), (None, Some(&*later)), (Some(""), None)]
    {
        let answer = sign_in("true", state, cookie, FORM).await;
        assert_eq!((answer.0, code(&answer).as_deref()), (401, Some("unauthenticated")));
    }
    let answer = sign_in("false", None, None, FORM).await;
    assert_eq!((answer.0, code(&answer).as_deref()), (403, Some("not_permitted")));
    // Nothing but a form, and one with an end.
    let answer = sign_in("true", None, None, "text/plain").await;
    assert_eq!((answer.0, code(&answer).as_deref()), (400, Some("malformed")));
    let (_, own) = start().await;
    let answer = come_back(&own, format!("state={}", "x".repeat(100_000)), FORM).await;
    assert_eq!((answer.0, code(&answer).as_deref()), (400, Some("malformed")));
    let (url, own) = start().await;
    let no = format!("state={}&error=user_cancelled_authorize", field(&url, "state"));
    let answer = come_back(&own, no, FORM).await;
    assert_eq!((answer.0, code(&answer).as_deref()), (401, Some("unauthenticated")));
    let (status, pair) = sign_in("true", None, None, FORM).await;
    assert_eq!(status, 200, "{pair:#}");
    let ann = front.api.with(pair["data"]["access_token"].as_str().expect("a token"));
    let me = ann.get("/api/v1/users/me").await.data();
    assert_eq!((&me["email"], &me["email_verified"]), (&json!("ann@example.org"), &json!(true)));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_with_github() {
    let emails = Arc::new(Mutex::new(json!([])));
    let told = Arc::clone(&emails);
    let router = Router::new()
        .route(
            "/login/oauth/access_token",
            post(|form: String| async move {
                for part in ["code=the-code", "client_id=tidegate", "client_secret=a%20secret", "code_verifier="] {
                    assert!(form.contains(part), "{form}");
                }
                Json(json!({ "access_token": "gho_1", "scope": "read:user,user:email", "token_type": "bearer" }))
            }),
        )
        .route("/api/v3/user", get(|| async { Json(json!({ "login": "octocat", "id": 583_231, "name": null })) }))
        .route("/api/v3/user/emails", get(move || async move { Json(told.lock().expect("whole").clone()) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let issuer = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let front = Front::with(|config| {
        config.identity.providers = vec![provider("github", ProviderKind::Github, &issuer)];
    })
    .await;
    let sign_in = async |said: Value| {
        *emails.lock().expect("whole") = said;
        let (url, cookie) = start(&front, "github").await;
        assert!(url.starts_with(&format!("{issuer}/login/oauth/authorize?")), "{url}");
        let state = field(&url, "state");
        let path = format!("/api/v1/auth/oidc/github/callback?code=the-code&state={state}");
        // The browser is led to the page, which asks itself: the code is good still.
        let led = [("cookie", &*cookie), ("sec-fetch-dest", "document")];
        let page = front.api.call("GET", &path, &led, None).await;
        assert_eq!((page.status, page.headers.contains_key("set-cookie")), (303, false));
        let to = format!("/sign-in#oidc=github&code=the-code&state={state}");
        assert_eq!(page.headers["location"], to);
        back(&front, &path, &cookie).await
    };
    let email = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified, "visibility": null });
    let unverified = sign_in(json!([email("octo@example.org", true, false)])).await;
    assert_eq!(unverified.error(), (403, "not_permitted"));
    let both = json!([email("x@example.org", false, true), email("octo@example.org", true, true)]);
    let pair = sign_in(both).await.data();
    let octo = front.api.with(pair["access_token"].as_str().expect("a token"));
    assert_eq!(octo.get("/api/v1/users/me").await.data()["email"], json!("octo@example.org"));
    // The person, not the address, is who comes again.
    let moved = sign_in(json!([email("new@example.org", true, true)])).await.data();
    assert_eq!(moved["user"], pair["user"]);
    let refused = format!("/api/v1/auth/oidc/github/callback?error=access_denied&state={}", "x");
    assert_eq!(back(&front, &refused, "").await.error(), (401, "unauthenticated"));
    let hostile = "/api/v1/auth/oidc/github/callback?error=%0d%0ax%26code%3d1%23";
    let page = front.api.call("GET", hostile, &[("sec-fetch-dest", "document")], None).await;
    assert_eq!(page.headers["location"], "/sign-in#oidc=github&error=%0D%0Ax%26code%3D1%23");
    front.close().await;
}
