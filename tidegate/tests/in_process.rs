//! A strategy inside the engine of a real server: it quotes, is filled, answers that, goes with the server and comes back with it.

mod support;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::market::SYMBOL;
use support::pair::{PATIENCE, executions, open, position, quoted, reports};
use support::{ADMIN, Place, Server, run, text};
use tidegate_client::Client;
use tidegate_client::proto::{ExecType, OrderReport, Side};
use tidegate_shm::{Attach, Session};
use tokio::time::sleep;

/// A market maker of one share a side, for account 1.
fn place() -> Place {
    let strategy = format!(
        "[strategy]\nname = \"market-maker\"\nparams = [\"size=1\"]\naccount = 1\nsymbols = [\"{SYMBOL}\"]\n"
    );
    Place::new(&(Place::account(1) + &strategy))
}

/// Waits until it has a bid and an offer.
async fn both_sides(client: &Client) -> Vec<OrderReport> {
    let patience = Instant::now() + PATIENCE;
    loop {
        let orders = open(client, 1).await;
        let sides: BTreeSet<_> = orders.iter().map(|order| order.side).collect();
        if orders.len() == 2 && sides.len() == 2 {
            return orders;
        }
        assert!(Instant::now() < patience, "it does not quote: {orders:#?}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn names(client: &Client) -> Vec<String> {
    reports(client, 1, ExecType::New).await.into_iter().map(|(name, _)| name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_inside_quotes_is_filled_and_leaves_nothing_open() {
    let place = place();
    let server = Server::start(&place);
    let (mut market, client) = quoted(&server).await;
    let orders = both_sides(&client).await;
    let bid = orders.iter().find(|order| order.side() == Side::Buy).expect("a bid");
    assert_eq!((bid.price.as_str(), bid.qty.as_str()), ("10.0000", "1"), "{bid:?}");
    // All who were ahead are executed, and then one behind: that one's turn was ours.
    market.add(3, b'B', 1_000, 100);
    market.execute(1, 500);
    market.execute(3, 50);
    let patience = Instant::now() + PATIENCE;
    while executions(&client, 1).await.is_empty() {
        assert!(Instant::now() < patience, "it is not filled");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(position(&client, 1).await, "1");
    // The market stands still from here on: it bids again because of its own fill and of the time.
    let again = both_sides(&client).await;
    assert!(again.iter().all(|order| order.order_id != bid.order_id), "{again:#?}");
    // Nobody else has its session's number.
    let door = place.journal().join("door.sock");
    let attach = Attach { token: ADMIN.into(), ..Attach::default() };
    drop(Session::attach(&door, &attach).expect("it comes in"));
    assert_eq!(both_sides(&client).await, again, "the end of another session is nothing to it");
    let before = names(&client).await;
    drop((market, client));
    server.stop("TERM").ok();
    let journal = place.journal();
    run(&["replay", text(&journal)]).ok();

    // It comes back with the server, holds what it held, and calls its orders by other names.
    let server = Server::start(&place);
    let client = server.admin().await;
    assert_eq!(open(&client, 1).await, [], "nothing was left open");
    assert_eq!(position(&client, 1).await, "1");
    let (_market, client) = quoted(&server).await;
    both_sides(&client).await;
    let all = names(&client).await;
    assert!(all.len() >= before.len() + 2 && all.starts_with(&before), "{all:?}");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");

    // A server that is killed in the midst of that leaves its orders to the next start, which cancels them.
    server.kill();
    let server = Server::start(&place);
    let client = server.admin().await;
    assert_eq!(open(&client, 1).await, []);
    let (_market, client) = quoted(&server).await;
    both_sides(&client).await;
    server.stop("TERM").ok();
    run(&["replay", text(&journal)]).ok();
}

#[test]
fn a_strategy_that_cannot_trade_is_refused_before_anything_is_opened() {
    run(&["run", "--strategy", "nobody"]).refused(&[
        "there is no strategy 'nobody'",
        "buy-and-hold",
        "market-maker",
    ]);
    run(&["run", "--strategy", "idle"]).refused(&["the strategy has no account", "--account"]);
    run(&["run", "--strategy", "market-maker", "--param", "sizes=1", "--account", "1"])
        .refused(&["market-maker has no parameter 'sizes'", "inventory (10)"]);
    let place = Place::new("[strategy]\nname = \"idle\"\n");
    let config = place.config();
    let config = text(&config);
    run(&["run", "--config", config]).refused(&["the strategy has no account", "[[accounts]]"]);
    assert!(!place.journal().exists());
    place.configure("");
    // Accounts may have been opened by people: whether one is there only the engine knows.
    run(&["run", "--config", config, "--strategy", "idle", "--account", "9"])
        .refused(&["the strategy's account 9", "unknown_account"]);
}
