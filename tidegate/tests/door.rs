//! Strategies in processes of their own over shared memory with a real server: killed at any moment, or left behind by it.

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::market::SYMBOL;
use support::pair::{PATIENCE, open, quoted};
use support::{ADMIN, Place, Random, Server, run, spawn_command, text, tidegate};
use tidegate_model::command::{MassCancel, NewOrder};
use tidegate_model::{AccountId, InstrumentId};
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
    // So does a session that looks in its own time, seldom.
    let attach = Attach { token: ADMIN.into(), ..Attach::default() };
    let mut seldom = Session::attach(&door(&place), &attach).expect("it comes in");
    server.kill();
    let patience = Instant::now() + Duration::from_secs(2);
    while seldom.next_event().is_ok() && seldom.next_public().is_ok() {
        assert!(Instant::now() < patience, "it does not hear that the server is gone");
        sleep(Duration::from_millis(10)).await;
    }
    let ended = strategy.wait().without_panic();
    assert!(!ended.is_ok() && ended.stderr.contains("the server is gone"), "{ended:?}");
    // The socket that the killed server left is no obstacle to the next.
    let nobody = Session::attach(&door(&place), &attach).expect_err("nobody is there");
    assert!(nobody.to_string().contains("door"), "{nobody}");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_hears_why_it_trades_nothing_and_counts_only_its_own() {
    let place = place();
    let server = Server::start(&place);
    let (_market, client) = quoted(&server).await;
    let door = door(&place);
    let trade = |args: &[&str]| {
        let mut command = tidegate();
        command.args(["trade", "market-maker", "--param", "size=1", "--door"]).arg(&door);
        command.args(args).env("TIDEGATE_TOKEN", ADMIN).stdin(Stdio::null());
        spawn_command(&mut command)
    };
    // An account that is not open: each order is refused, which is told once, and counted.
    let lost = trade(&["--account", "77", "--seconds", "2"]).wait();
    assert!(lost.is_ok() && lost.stderr.contains("refused: unknown_account"), "{lost:?}");
    assert!(!lost.stdout.contains("\"rejects\":0"), "{lost:?}");
    // A symbol that nobody lists.
    let lost = trade(&["--account", "1", "--symbols", "NOPE", "--seconds", "7"]).wait();
    assert!(lost.is_ok() && lost.stderr.contains("lists none of the symbols"), "{lost:?}");
    assert!(lost.stdout.contains("\"symbols\":0"), "{lost:?}");
    // Another session's refused orders, of the same account, are not its own.
    let mut idle = tidegate();
    idle.args(["trade", "idle", "--account", "1", "--seconds", "3", "--door"]).arg(&door);
    let idle = spawn_command(idle.env("TIDEGATE_TOKEN", ADMIN).stdin(Stdio::null()));
    sleep(Duration::from_secs(1)).await;
    let attach = Attach { token: ADMIN.into(), account: Some(1), ..Attach::default() };
    let mut other = Session::attach(&door, &attach).expect("it comes in");
    let nothing = MassCancel {
        account: AccountId(77),
        instrument: InstrumentId::NONE,
        side: 0,
        reserved: [0; 7],
    };
    other.mass_cancel(nothing).expect("there is room");
    let order = NewOrder { account: AccountId(1), ..bytemuck::Zeroable::zeroed() };
    other.submit(order).expect("there is room");
    let said = idle.wait().ok();
    assert!(said.contains("\"rejects\":0") && said.contains("\"symbols\":1"), "{said}");
    // What cannot be right is refused before anything is asked.
    let wrong = run(&["trade", "idle", "--account", "1", "--symbols", ",", "--token", "t"]);
    assert!(!wrong.is_ok() && wrong.stderr.contains("symbol is empty"), "{wrong:?}");
    run(&["trade", "nothing", "--account", "1", "--token", "t"]).refused(&["buy-and-hold"]);
    let mut tokenless = tidegate();
    tokenless.args(["trade", "idle", "--account", "1"]).env_remove("TIDEGATE_TOKEN");
    spawn_command(&mut tokenless).wait().refused(&["TIDEGATE_TOKEN"]);
    let addr = server.addr.as_str();
    run(&["trade", "idle", "--lock-step", "--addr", addr]).refused(&["backtest FILE --listen"]);
    drop(client);
    assert!(server.stop("TERM").is_ok());
}
