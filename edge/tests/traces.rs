//! Ways of calls that belong to a trace: told whole, to whose calls they are.

mod support;

use std::time::Duration;
use support::*;
use tidegate_client::proto::*;
use tidegate_client::{Client, TRACEPARENT};
use tonic::{Code, Streaming};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

async fn next(told: &mut Streaming<LatencyTrace>, wait: Duration) -> Option<LatencyTrace> {
    tokio::time::timeout(wait, told.message()).await.ok()?.expect("it goes on")
}

#[tokio::test]
async fn a_traced_call_is_followed_to_its_end_for_whose_it_is() {
    let mut house = House::new(config()).await;
    let _collector = house.collect();
    let trader = house.trader().await;
    let stranger = Client::connect(&house.addr, None).await.expect("a connection");
    let asked = stranger.stream_traces(StreamTracesRequest {}).await;
    assert_eq!(failure(asked).0, Code::Unauthenticated);
    let ask = async |client: &Client| {
        client.stream_traces(StreamTracesRequest {}).await.expect("a stream")
    };
    let (mut own, mut others) = (ask(&trader).await, ask(&house.client).await);
    let send = async |trace: &str, order| {
        let sent = TRACEPARENT.scope(trace.to_string(), trader.submit(order));
        sent.await.expect("a report")
    };
    let order = house.order(Side::Buy, "10", "10.00");
    send(UNSAMPLED, order).await;
    let order = house.order(Side::Buy, "10", "10.00");
    trader.submit(order).await.expect("a report");
    let order = house.order(Side::Buy, "10", "10.02");
    let report = send(SAMPLED, order).await;
    let told = next(&mut own, Duration::from_secs(5)).await.expect("in time");
    assert_eq!(told.traceparent, SAMPLED, "the only one that is recorded");
    let way = told.way.expect("a way");
    assert_eq!((way.kind.as_str(), way.path.as_str()), ("new_order", "order"));
    assert_eq!(Some(way.seq), report.position.map(|at| at.seq));
    let mut stages: Vec<_> = way.steps.iter().map(|step| step.stage.as_str()).collect();
    assert!(way.steps.is_sorted_by_key(|step| step.ts));
    stages.sort_unstable();
    let mut expected = [
        "received",
        "sequenced",
        "journaled",
        "risk_passed",
        "at_venue",
        "filled",
        "published",
        "released",
        "delivered",
    ];
    expected.sort_unstable();
    assert_eq!(stages, expected);
    let soon = Duration::from_millis(200);
    assert_eq!(next(&mut own, soon).await, None);
    assert_eq!(next(&mut others, soon).await, None, "it is another's");
    drop((own, others));
    house.close().await;
}
