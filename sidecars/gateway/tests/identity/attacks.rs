//! Guessing, and turning what stops it against somebody else.

use crate::support::{Answer, Api, Front, PASSWORD};
use serde_json::json;
use std::time::Instant;

/// A call from another address of this machine.
async fn from(ip: &str, api: &Api, path: &str, body: serde_json::Value) -> Answer {
    use std::io::{Read, Write};
    let (ip, addr) = (ip.to_string(), api.base.trim_start_matches("http://").to_string());
    let (path, body) = (path.to_string(), body.to_string());
    tokio::task::spawn_blocking(move || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        let local: std::net::SocketAddr = format!("{ip}:0").parse().expect("an address");
        socket.bind(&local.into()).expect("loopback has it");
        let peer: std::net::SocketAddr = addr.parse().expect("an address");
        socket.connect(&peer.into()).expect("it listens");
        let mut stream = std::net::TcpStream::from(socket);
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        Answer {
            status: head.split(' ').nth(1).expect("a status").parse().expect("a number"),
            headers: Default::default(),
            body: serde_json::from_str(body).unwrap_or_default(),
            text: body.to_string(),
        }
    })
    .await
    .expect("no panic")
}

/// Calls until one has to wait for seconds.
async fn until_it_waits(call: impl AsyncFn() -> Answer) -> usize {
    for tries in 0..100 {
        let wait_s = call().await.body["error"]["details"]["retry_after_s"].as_u64();
        match wait_s {
            Some(4..) => return tries,
            Some(seconds) => tokio::time::sleep(std::time::Duration::from_secs(seconds)).await,
            None => {}
        }
    }
    panic!("it goes on and on");
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_locks_out_who_guesses_and_not_the_user() {
    let front = Front::new().await;
    front.register("ann").await;
    let login = async |ip: &str, password: &str| {
        let body = json!({ "email": "ann@example.org", "password": password });
        from(ip, &front.api, "/api/v1/auth/login", body).await
    };
    until_it_waits(async || login("127.0.0.66", "a wrong guess").await).await;
    assert_eq!(login("127.0.0.66", PASSWORD).await.error(), (429, "too_many"));
    login("127.0.0.1", PASSWORD).await.data();
    // The same of forgotten passwords.
    let forgotten = async |ip: &str| {
        let body = json!({ "email": "ann@example.org" });
        from(ip, &front.api, "/api/v1/auth/password/forgotten", body).await
    };
    until_it_waits(async || forgotten("127.0.0.66").await).await;
    forgotten("127.0.0.1").await.data();
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_no_more_than_one_after_the_other() {
    let front = Front::new().await;
    front.register("ann").await;
    let guesses: Vec<_> = (0..30)
        .map(|n| {
            let api = front.api.clone();
            tokio::spawn(async move {
                api.login("ann", &format!("wrong password {n}"), None).await.status
            })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += usize::from(guess.await.expect("no panic") == 401);
    }
    // Five, and one more for each wait that is over when the last come.
    assert!((1..=8).contains(&looked_at), "{looked_at}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_an_answer_does_not_tell_who_is_a_user() {
    let front = Front::new().await;
    for name in ["ann", "bob", "cid", "dan", "eve"] {
        front.register(name).await;
    }
    let mut times = [Vec::new(), Vec::new()];
    for pair in [["ann", "fay"], ["bob", "guy"], ["cid", "hal"], ["dan", "ida"], ["eve", "jim"]] {
        for (name, times) in pair.into_iter().zip(&mut times) {
            let begun = Instant::now();
            let answer = front.api.login(name, "a wrong guess", None).await;
            times.push(begun.elapsed().as_secs_f64());
            assert_eq!(answer.error(), (401, "wrong_credentials"));
            assert_eq!(answer.body["error"]["message"], json!("address or password is wrong"));
        }
    }
    let [known, unknown] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[2]
    });
    assert!((0.3..3.3).contains(&(known / unknown)), "{known} {unknown}");
    front.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_what_it_was_made_for() {
    let front = Front::new().await;
    let ann = front.register("ann").await;
    let pair = front.api.login("ann", PASSWORD, None).await.data();
    let refresh = pair["refresh_token"].as_str().expect("a token");
    let mailed = front.mailed("ann", 1).await;
    for token in [refresh, &mailed] {
        assert_eq!(
            front.api.with(token).get("/api/v1/users/me").await.error(),
            (401, "unauthenticated")
        );
    }
    let access = ann.token.as_deref().expect("a token");
    for token in [access, &mailed] {
        let answer =
            front.api.post("/api/v1/auth/refresh", json!({ "refresh_token": token })).await;
        assert_eq!(answer.error(), (401, "unauthenticated"));
    }
    for token in [access, refresh] {
        for (path, body) in [
            ("/api/v1/auth/email/verify", json!({ "token": token })),
            ("/api/v1/auth/password/reset", json!({ "token": token, "password": PASSWORD })),
        ] {
            assert_eq!(front.api.post(path, body).await.error(), (422, "invalid_field"), "{path}");
        }
    }
    front.close().await;
}
