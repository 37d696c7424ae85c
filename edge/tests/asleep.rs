//! A client that falls asleep costs the engine nothing: measured with and without one, in turn, in the same run.

mod support;

use std::time::Duration;
use support::*;
use tidegate_client::proto::*;
use tidegate_engine::runtime::{Stage, Trace};

const ROUNDS: usize = 5;
const ORDERS: usize = 2_000;
/// Clients that sleep at one time.
const SLEEPERS: usize = 8;
/// How much worse the steps with sleepers may be: machines that run other tests beside are noisy, while an engine that waited
/// for a client would stand still for as long as that sleeps, a thousand times as long.
const RATIO_MAX: u64 = 5;
/// Differences below this are the machine's.
const NOISE_NS: u64 = 300_000;

type Sleeper = tonic::Streaming<StreamEventsResponse>;

/// A client that has begun to listen, and reads no more.
async fn fall_asleep(addr: &str) -> Sleeper {
    let endpoint = tonic::transport::Endpoint::from_shared(addr.to_string()).expect("an address");
    // It takes the least that a client can take.
    let endpoint = endpoint.initial_stream_window_size(65_535);
    let endpoint = endpoint.initial_connection_window_size(65_535);
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = event_service_client::EventServiceClient::new(channel);
    let stream = client.stream_events(StreamEventsRequest::default()).await.expect("a stream");
    let mut stream = stream.into_inner();
    stream.message().await.expect("no error").expect("an event");
    stream
}

/// The p99.9 of the engine's steps, in nanoseconds, while a session sends its orders.
async fn round(house: &mut House) -> u64 {
    while house.stages.pop().is_ok() {}
    let session = house.trader().await.order_session().await.expect("a session");
    let (mut sender, mut heard) = session.split();
    for _ in 0..ORDERS {
        let order = house.order(Side::Buy, "1", "9.00");
        let order = SubmitOrderRequest { cancel_on_disconnect: true, ..order };
        sender.submit(order).await.expect("sent");
        heard.next().await.expect("no error").expect("no end");
    }
    let samples = std::iter::from_fn(|| house.stages.pop().ok());
    let step = |trace: Trace| {
        Some(trace.at(Stage::Published)?.saturating_sub(trace.at(Stage::Sequenced)?))
    };
    let mut steps: Vec<_> = samples.filter_map(step).collect();
    assert!(steps.len() >= ORDERS, "{} steps", steps.len());
    steps.sort_unstable();
    // Its orders go with the session.
    drop((sender, heard));
    tokio::time::sleep(Duration::from_millis(50)).await;
    steps[steps.len() * 999 / 1_000]
}

fn median(mut figures: Vec<u64>) -> u64 {
    figures.sort_unstable();
    figures[figures.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_asleep_does_not_move_the_engines_steps() {
    let mut house = House::new(config()).await;
    round(&mut house).await;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(round(&mut house).await);
        let mut sleepers = Vec::new();
        for _ in 0..SLEEPERS {
            sleepers.push(fall_asleep(&house.addr).await);
        }
        with.push(round(&mut house).await);
        drop(sleepers);
    }
    let (with, without) = (median(with), median(without));
    println!(
        "p99.9 of the engine's step, median of {ROUNDS}: {without} ns alone, {with} ns with {SLEEPERS} asleep"
    );
    assert!(with <= without * RATIO_MAX + NOISE_NS, "{with} ns with sleepers, {without} without");
    house.close().await;
}
