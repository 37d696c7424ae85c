//! How much anybody may ask, how slowly, and from where.

mod support;

use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};
use support::{Front, PASSWORD};

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("some")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_asks_too_much_is_told_when_to_come_back() {
    let front = Front::with(|config| {
        config.limits.user_per_minute = count(60);
        config.limits.user_burst = count(3);
    })
    .await;
    let (ann, bob) = (front.register("ann").await, front.register("bob").await);
    let first = ann.get("/api/v1/users/me").await;
    assert_eq!(first.headers["ratelimit-policy"], "\"user\";q=60;w=60, \"user-burst\";q=3");
    assert_eq!(first.headers["ratelimit"], "\"user-burst\";r=2;t=1");
    for _ in 0..2 {
        assert_eq!(ann.get("/api/v1/sessions").await.status, 200);
    }
    let limited = ann.get("/api/v1/users/me").await;
    assert_eq!(limited.error(), (429, "too_many"));
    assert_eq!(limited.headers["retry-after"], "1");
    assert_eq!(limited.body["error"]["details"]["limit"], "user");
    // What may not be done counts as well, and another user is not held up.
    assert_eq!(bob.get("/api/v1/users/me").await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(ann.get("/api/v1/users/me").await.status, 200);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_limited_by_address_and_route() {
    let front = Front::with(|config| {
        config.limits.open_per_minute = count(1);
        config.limits.open_burst = count(4);
        config.limits.trusted_proxies = vec!["127.0.0.1".parse().expect("an address")];
    })
    .await;
    let login = json!({ "email": "nobody@example.org", "password": PASSWORD }).to_string();
    let from = |ip: &'static str, path: &'static str, body: Option<String>| {
        let api = front.api.clone();
        let method = if body.is_some() { "POST" } else { "GET" };
        async move { api.call(method, path, &[("x-forwarded-for", ip)], body).await.status }
    };
    for status in [401, 401, 401, 401, 429] {
        assert_eq!(from("192.0.2.1", "/api/v1/auth/login", Some(login.clone())).await, status);
    }
    assert_eq!(from("192.0.2.2", "/api/v1/auth/login", Some(login.clone())).await, 401);
    assert_eq!(from("192.0.2.1", "/docs", None).await, 200);
    // Tokens cannot be guessed at without end.
    let guess = front.api.with("eyJhbGciOiJIUzI1NiJ9.e30.x");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let headers = [("x-forwarded-for", "192.0.2.9")];
        statuses.push(guess.call("GET", "/api/v1/users/me", &headers, None).await.status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429]);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_trusted_proxy_cannot_say_where_it_comes_from() {
    let front = Front::with(|config| {
        config.limits.open_per_minute = count(1);
        config.limits.open_burst = count(2);
    })
    .await;
    let mut statuses = Vec::new();
    for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        statuses
            .push(front.api.call("GET", "/docs", &[("x-forwarded-for", ip)], None).await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_no_credential() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let token = ann.token.as_deref().expect("a token");
    for cookie in
        [format!("access_token={token}"), format!("Authorization=Bearer {token}"), token.into()]
    {
        let answer = front.api.call("GET", "/api/v1/users/me", &[("cookie", &cookie)], None).await;
        assert_eq!(answer.error(), (401, "unauthenticated"));
    }
    let body = json!({ "email": "ann@example.org", "password": PASSWORD });
    let login = front.api.post("/api/v1/auth/login", body).await;
    assert!(login.status == 200 && !login.headers.contains_key("set-cookie"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pages_of_configured_origins_may_call() {
    let front =
        Front::with(|config| config.cors.origins = vec!["https://trade.example.org".into()]).await;
    let preflight = |origin: &'static str| {
        let api = front.api.clone();
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,idempotency-key"),
        ];
        async move { api.call("OPTIONS", "/api/v1/auth/login", &headers, None).await }
    };
    let ours = preflight("https://trade.example.org").await;
    assert_eq!(ours.status, 200);
    assert_eq!(ours.headers["access-control-allow-origin"], "https://trade.example.org");
    assert!(!ours.headers.contains_key("access-control-allow-credentials"));
    for other in ["https://evil.example.org", "https://trade.example.org.evil.org", "null"] {
        let answer = preflight(other).await;
        assert!(
            !answer.headers.contains_key("access-control-allow-origin"),
            "{other}: {answer:#?}"
        );
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_that_browsers_need() {
    let front = Front::new().await;
    for path in ["/api/v1/users/me", "/docs", "/nowhere", "/health", "/api/v1/openapi.json"] {
        let answer = front.api.get(path).await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["x-frame-options"], "DENY", "{path}");
        let policy = answer.headers["content-security-policy"].to_str().expect("text");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "{path}: without TLS");
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_and_heads_are_refused() {
    let front = Front::new().await;
    let body = json!({ "email": "a@example.org", "password": "x".repeat(70_000) });
    assert_eq!(front.api.post("/api/v1/auth/login", body).await.error(), (413, "too_large"));
    let long = "x".repeat(20_000);
    let answer = front.api.call("GET", "/health", &[("x-long", &long)], None).await;
    assert_eq!(answer.status, 431);
    front.close().await;
}

/// A raw connection, and what comes until it is closed.
fn raw(base: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(base.trim_start_matches("http://")).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a socket");
    stream.write_all(text.as_bytes()).expect("written");
    stream
}

fn rest(mut stream: TcpStream) -> (String, Duration) {
    let started = Instant::now();
    let mut heard = String::new();
    // A connection that is cut ends as well.
    let _ = stream.read_to_string(&mut heard);
    (heard, started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_slowly_is_cut_off() {
    let front = Front::new().await;
    let base = front.api.base.clone();
    let slow = tokio::task::spawn_blocking(move || {
        let nothing = raw(&base, "");
        let head = raw(&base, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ");
        let body = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
        let body = raw(&base, body);
        // One byte now and then does not help.
        let mut drip = head.try_clone().expect("the same");
        let dripping = std::thread::spawn(move || {
            for _ in 0..60 {
                std::thread::sleep(Duration::from_millis(500));
                if drip.write_all(b"x").is_err() {
                    return;
                }
            }
        });
        let body = std::thread::spawn(move || rest(body));
        let nothing = std::thread::spawn(move || rest(nothing));
        let head = rest(head);
        dripping.join().expect("no panic");
        (nothing.join().expect("no panic"), head, body.join().expect("no panic"))
    });
    let (nothing, head, body) = slow.await.expect("no panic");
    assert!(nothing.1 < Duration::from_secs(18), "{nothing:?}");
    assert!(head.1 < Duration::from_secs(18), "{head:?}");
    assert!(body.0.starts_with("HTTP/1.1 408") && body.0.contains("timed_out"), "{body:?}");
    assert!(body.1 < Duration::from_secs(25), "{body:?}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_every_connection() {
    let front = Front::with(|config| config.limits.connections_per_ip = 3).await;
    let base = front.api.base.clone();
    let (held, refused) = tokio::task::spawn_blocking(move || {
        let ask = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
        let held: Vec<_> = (0..3).map(|_| raw(&base, ask)).collect();
        for mut stream in &held {
            let mut start = [0; 12];
            stream.read_exact(&mut start).expect("answered");
            assert_eq!(&start, b"HTTP/1.1 200");
        }
        let refused = rest(raw(&base, ""));
        (held, refused)
    })
    .await
    .expect("no panic");
    assert!(refused.0.is_empty() && refused.1 < Duration::from_secs(5), "{refused:?}");
    drop(held);
    // Those who leave make room.
    let until = Instant::now() + Duration::from_secs(5);
    let base = front.api.base.clone();
    let answered = tokio::task::spawn_blocking(move || {
        while Instant::now() < until {
            let ask = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            if rest(raw(&base, ask)).0.starts_with("HTTP/1.1 200") {
                return true;
            }
        }
        false
    });
    assert!(answered.await.expect("no panic"));
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_nobodys_to_set_are_refused() {
    let front = Front::new().await;
    let mut register = json!({ "email": "eve@example.org", "password": PASSWORD, "name": "eve" });
    register["role"] = "administrator".into();
    assert_eq!(
        front.api.post("/api/v1/auth/register", register).await.error(),
        (422, "invalid_field")
    );
    let ann = front.register("ann").await;
    let before = ann.get("/api/v1/users/me").await.data();
    for (field, value) in [
        ("role", json!("administrator")),
        ("plan", json!("enterprise")),
        ("permissions", json!(["users:admin"])),
        ("principal", json!(1)),
        ("id", json!("00000000-0000-4000-8000-000000000000")),
        ("email_verified", json!(true)),
    ] {
        let answer = ann.patch("/api/v1/users/me", json!({ "name": "ann", field: value })).await;
        assert_eq!(answer.error(), (422, "invalid_field"), "{field}");
    }
    // Nor by their place in a list.
    let list = ann.patch("/api/v1/users/me", json!(["eve", null])).await;
    assert_eq!(list.error(), (422, "invalid_field"));
    let path = ann.delete("/api/v1/sessions/null").await;
    assert_eq!(path.error(), (400, "malformed"));
    assert_eq!(ann.get("/api/v1/users/me").await.data(), before);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_leaves_nothing_half_done() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let base = front.api.base.clone();
    let guess = json!({ "email": "ann@example.org", "password": "wrong but long" }).to_string();
    let logout = format!(
        "POST /api/v1/auth/logout HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: 0\r\n\r\n",
        ann.token.as_deref().expect("a token")
    );
    let guess = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{guess}",
        guess.len()
    );
    tokio::task::spawn_blocking(move || {
        for (nth, text) in [&guess, &guess, &guess, &logout].into_iter().enumerate() {
            let stream = raw(&base, text);
            std::thread::sleep(Duration::from_millis(nth as u64));
            drop(stream);
        }
    })
    .await
    .expect("no panic");
    // What was begun is done: the session has ended, in memory too.
    let until = Instant::now() + Duration::from_secs(10);
    while ann.get("/api/v1/users/me").await.status != 401 {
        assert!(Instant::now() < until, "the session goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // And the audit log goes on.
    for _ in 0..3 {
        assert_eq!(front.api.login("ann", PASSWORD, None).await.status, 200);
    }
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_no_answers_is_cut_off() {
    let front = Front::new().await;
    let base = front.api.base.clone();
    let heard = tokio::task::spawn_blocking(move || {
        let ask = "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
        let whole = rest(raw(&base, &ask.replace("Host", "Connection: close\r\nHost"))).0.len();
        let count = 64 * 1_024 * 1_024 / whole;
        let stream = raw(&base, "");
        let mut writer = stream.try_clone().expect("the same");
        // The gateway stops reading when its answers are not taken.
        let asking = std::thread::spawn(move || {
            for _ in 0..count {
                if writer.write_all(ask.as_bytes()).is_err() {
                    return;
                }
            }
        });
        std::thread::sleep(Duration::from_secs(33));
        let heard = rest(stream).0.len();
        asking.join().expect("no panic");
        (heard, whole * count)
    });
    let (heard, all) = heard.await.expect("no panic");
    assert!(heard < all / 2, "{heard} of {all} bytes were there");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_network_registers_only_so_many() {
    let front = Front::with(|config| config.identity.registrations_per_network = 2).await;
    let register = |name: &'static str| {
        let api = front.api.clone();
        let body =
            json!({ "email": format!("{name}@example.org"), "password": PASSWORD, "name": name });
        async move { api.post("/api/v1/auth/register", body).await }
    };
    assert_eq!((register("ann").await.status, register("bob").await.status), (201, 201));
    let third = register("eve").await;
    assert_eq!(third.error(), (429, "too_many"));
    assert!(third.headers.contains_key("retry-after"));
    assert_eq!(front.api.login("ann", PASSWORD, None).await.status, 200);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_a_user_counts_as_the_users() {
    let front = Front::with(|config| {
        config.limits.open_per_minute = count(1);
        config.limits.open_burst = count(2);
    })
    .await;
    let ann = front.register("ann").await;
    let base = front.api.base.clone();
    let authorization = format!("Authorization: Bearer {}\r\n", ann.token.expect("a token"));
    let statuses = tokio::task::spawn_blocking(move || {
        let open = |headers: &str| {
            let ask = format!(
                "GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
            );
            let mut stream = raw(&base, &ask);
            let mut start = [0; 12];
            stream.read_exact(&mut start).expect("answered");
            (String::from_utf8_lossy(&start[9..]).into_owned(), stream)
        };
        let known: Vec<_> = (0..5).map(|_| open(&authorization)).collect();
        let strangers: Vec<_> = (0..3).map(|_| open("")).collect();
        let statuses = known.iter().chain(&strangers).map(|(status, _)| status.clone());
        statuses.collect::<Vec<_>>()
    })
    .await
    .expect("no panic");
    assert_eq!(statuses, ["101", "101", "101", "101", "101", "101", "101", "429"]);
    front.close().await;
}
