//! The live route between two real processes: orders there and back, and either side killed, at random and at every step.
//! Nothing is lost, nothing is doubled, and positions are equal once the two have reconciled.

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::pair::{
    PATIENCE, Pair, cancel, executions, open, order, position, quoted, until_equal, until_up,
};
use support::{ADMIN, Random, Server, TRADER, run, text};
use tidegate_client::proto::{Side, SubmitOrderRequest};
use tokio::time::sleep;

/// Kills in a row, of either side in turn.
const ROUNDS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_there_and_back() {
    let pair = Pair::new();
    let (far, near) = (Server::start(&pair.far), Server::start(&pair.near));
    let (_far_market, far_client) = quoted(&far).await;
    let (_near_market, near_client) = quoted(&near).await;
    until_up(&near_client).await;
    // Rests far below, and takes above the offer.
    let resting = near_client.submit(order("rest".into(), Side::Buy, 960)).await.expect("answered");
    assert_eq!(resting.reject, None);
    let taking =
        near_client.submit(order("take".into(), Side::Buy, 1_040)).await.expect("answered");
    assert_eq!(taking.reject, None);
    let deadline = Instant::now() + PATIENCE;
    while position(&near_client, 1).await != "10" {
        assert!(Instant::now() < deadline, "no fill: {:#?}", open(&near_client, 1).await);
        sleep(Duration::from_millis(10)).await;
    }
    cancel(&near_client, resting.order_id).await;
    assert_eq!(until_equal(&near_client, &far_client).await, "10");
    near.stop("TERM").ok();
    far.stop("TERM").ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_side_is_killed_and_nothing_is_lost_or_doubled() {
    let mut random = Random::from_environment("either_side_is_killed");
    let pair = Pair::new();
    let (mut far, mut near) = (Server::start(&pair.far), Server::start(&pair.near));
    for round in 0..ROUNDS {
        let (_far_market, far_client) = quoted(&far).await;
        let (_near_market, near_client) = quoted(&near).await;
        until_up(&near_client).await;
        let sending = near_client.clone();
        let seed = random.below(1 << 30);
        let sender = tokio::spawn(async move {
            let mut random = Random::new(seed);
            for n in 0.. {
                let cents = 980 + random.below(60);
                let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
                let Ok(told) = sending.submit(order(format!("{round}-{n}"), side, cents)).await
                else {
                    return;
                };
                if random.below(3) == 0 && told.order_id != 0 {
                    cancel(&sending, told.order_id).await;
                }
                if told.reject.is_some() {
                    sleep(Duration::from_millis(5)).await;
                }
            }
        });
        sleep(Duration::from_millis(50 + random.below(300))).await;
        if round % 2 == 0 {
            near.kill();
            near = Server::start(&pair.near);
        } else {
            far.kill();
            far = Server::start(&pair.far);
            sleep(Duration::from_millis(100)).await;
        }
        sender.abort();
        let _ = sender.await;
        let (_far_market, far_client) = match round % 2 {
            0 => (_far_market, far_client),
            _ => quoted(&far).await,
        };
        let (_near_market, near_client) = match round % 2 {
            0 => quoted(&near).await,
            _ => (_near_market, near_client),
        };
        until_up(&near_client).await;
        let held = until_equal(&near_client, &far_client).await;
        let (here, there) = (executions(&near_client, 1).await, executions(&far_client, 7).await);
        println!("round {round}: {held} held, {} executions", here.len());
        assert_eq!(here.len(), there.len(), "executions here and there");
        let mut once = BTreeMap::new();
        for execution in here {
            assert_eq!(once.insert(execution.clone(), ()), None, "booked twice: {execution:?}");
        }
    }
    near.kill();
    far.kill();
    for place in [&pair.near, &pair.far] {
        run(&["journal", "verify", text(&place.journal())]).ok();
        run(&["replay", text(&place.journal())]).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_differs_blocks_until_somebody_confirms_it() {
    let pair = Pair::new();
    let (far, near) = (Server::start(&pair.far), Server::start(&pair.near));
    let (_far_market, far_client) = quoted(&far).await;
    let (_near_market, near_client) = quoted(&near).await;
    until_up(&near_client).await;
    let status =
        |more: &[&str]| run(&[&["route", "status", "--addr", &near.addr], more].concat()).ok();
    assert!(status(&[]).lines().any(|line| line.starts_with("far ") && line.contains(" up ")));
    // Somebody else trades in the account over there, and the link breaks.
    let foreign = SubmitOrderRequest { account: 7, ..order("other".into(), Side::Buy, 1_040) };
    assert_eq!(far_client.submit(foreign).await.expect("answered").reject, None);
    far.kill();
    let far = Server::start(&pair.far);
    let (_far_market, far_client) = quoted(&far).await;
    let deadline = Instant::now() + PATIENCE;
    while !status(&[]).contains("blocked: ACME") {
        assert!(Instant::now() < deadline, "it is not noticed: {}", status(&["--json"]));
        sleep(Duration::from_millis(50)).await;
    }
    let told = status(&["--json"]);
    assert!(told.contains(r#""difference":"position","here_lots":0"#), "{told}");
    assert!(told.contains(r#""there_lots":10"#), "{told}");
    let confirm = ["route", "confirm", "ACME", "--addr", &near.addr, "--token"];
    run(&[&confirm[..], &[TRADER]].concat()).refused(&["token"]);
    let said = run(&[&confirm[..], &[ADMIN]].concat()).ok();
    assert_eq!(said, "ACME trades again; 10 lots beside are expected at its venue\n");
    until_up(&near_client).await;
    let taking = near_client.submit(order("take".into(), Side::Buy, 1_040)).await;
    assert_eq!(taking.expect("answered").reject, None);
    let deadline = Instant::now() + PATIENCE;
    while (position(&near_client, 1).await, position(&far_client, 7).await)
        != ("10".into(), "20".into())
    {
        assert!(Instant::now() < deadline, "no fill: {:#?}", open(&near_client, 1).await);
        sleep(Duration::from_millis(10)).await;
    }
    assert!(!status(&[]).contains("blocked"));
    near.kill();
    far.kill();
}
