//! Strategies in processes of their own over shared memory with a real server: killed at any moment, or left behind by it.

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::market::SYMBOL;
use support::pair::{PATIENCE, open, quoted};
use support::{ADMIN, Place, Random, Server, run, spawn_command, text, tidegate};
use tidegate_shm::{Attach, Session};
use tokio::time::sleep;

fn place() -> Place {
    Place::new(&Place::account(1))
}

fn door(place: &Place) -> PathBuf {
    place.journal().join("door.sock")
}

/// The market maker at the door; it quotes both sides as soon as there is a book.
fn market_maker(place: &Place) -> Command {
    let mut command = tidegate();
    command
        .args(["trade", "market-maker", "--param", "size=1"])
        .args(["--account", "1", "--symbols", SYMBOL, "--door"])
        .arg(door(place))
        .env("TIDEGATE_TOKEN", ADMIN)
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_that_is_killed_leaves_nothing_open_and_its_seat_is_free() {
    let place = place();
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let mut random = Random::from_environment("a_strategy_that_is_killed");
    let rounds = 24;
    let mut found_open = 0;
    for round in 0..rounds {
        let strategy = spawn_command(&mut market_maker(&place));
        // From before it comes in until it quotes.
        let until = Instant::now() + Duration::from_millis(random.below(120));
        while Instant::now() < until && (round % 3 != 0 || open(&client, 1).await.is_empty()) {
            sleep(Duration::from_millis(2)).await;
        }
        if round % 3 == 0 {
            let patience = Instant::now() + PATIENCE;
            while open(&client, 1).await.is_empty() {
                assert!(Instant::now() < patience, "it does not quote");
                sleep(Duration::from_millis(5)).await;
            }
            found_open += 1;
        }
        strategy.kill();
        let patience = Instant::now() + PATIENCE;
        while !open(&client, 1).await.is_empty() {
            assert!(Instant::now() < patience, "round {round}: {:?}", open(&client, 1).await);
            sleep(Duration::from_millis(5)).await;
        }
    }
    assert_eq!(found_open, rounds / 3);
    // More than there are seats came and went; as many as there are can still come.
    let attach = Attach { token: ADMIN.into(), ..Attach::default() };
    let patience = Instant::now() + PATIENCE;
    let mut sessions = Vec::new();
    while sessions.len() < 16 {
        match Session::attach(&door(&place), &attach) {
            Ok(session) => sessions.push(session),
            Err(error) => assert!(Instant::now() < patience, "{}: {error}", sessions.len()),
        }
    }
    drop(sessions);
    assert!(server.stop("TERM").is_ok());
    let journal = place.journal();
    run(&["replay", text(&journal)]).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_ends_with_its_summary_or_with_the_reason() {
    let place = place();
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let until_quoted = || async {
        let patience = Instant::now() + PATIENCE;
        while open(&client, 1).await.is_empty() {
            assert!(Instant::now() < patience, "it does not quote");
            sleep(Duration::from_millis(5)).await;
        }
    };
    // Asked to end, it cancels what is open and says what it did.
    let strategy = spawn_command(&mut market_maker(&place));
    until_quoted().await;
    strategy.signal("TERM");
    let said = strategy.wait().ok();
    assert!(
        said.contains("\"strategy\":\"market-maker\"") && said.contains("\"orders\":"),
        "{said}"
    );
    assert!(open(&client, 1).await.is_empty());
    // The server goes: it says so.
    let strategy = spawn_command(&mut market_maker(&place));
    until_quoted().await;
    server.kill();
    let ended = strategy.wait().without_panic();
    assert!(!ended.is_ok() && ended.stderr.contains("the server is gone"), "{ended:?}");
    // The socket that the killed server left is no obstacle to the next.
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let strategy = spawn_command(&mut market_maker(&place));
    let patience = Instant::now() + PATIENCE;
    while open(&client, 1).await.is_empty() {
        assert!(Instant::now() < patience, "it does not quote after a restart");
        sleep(Duration::from_millis(5)).await;
    }
    strategy.kill();
    // A wrong token, and a path where nobody listens.
    let stranger = market_maker(&place).env("TIDEGATE_TOKEN", "not-a-token-of-theirs").output();
    let told = String::from_utf8_lossy(&stranger.expect("it starts").stderr).into_owned();
    assert!(told.contains("unknown token"), "{told}");
    assert!(server.stop("TERM").is_ok());
    let nobody = market_maker(&place).output().expect("it starts");
    let told = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(told.contains("is it running") && told.contains("door"), "{told}");
}
