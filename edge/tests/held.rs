//! An engine that takes nothing: what callers are told.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::*;
use tidegate_client::Client;
use tidegate_client::proto::*;
use tidegate_edge::{Edge, EdgeConfig, EdgeError, EngineLink, Limits as EdgeLimits};
use tidegate_engine::lane::{LANE_CAPACITY, lane};
use tidegate_engine::runtime::seats::seats;
use tidegate_engine::runtime::{BookRequests, EngineStatus};
use tidegate_engine::{broadcast, event_log};
use tonic::Code;

#[tokio::test]
async fn an_engine_that_does_not_answer_leaves_the_outcome_unknown() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let (_writer, events) = event_log::open(dir.path(), Default::default()).expect("a log");
    let (_public_writer, public) = broadcast::channel(Arc::default()).expect("memory");
    // The other ends are kept, and nobody reads from them.
    let (lanes, _held): (Vec<_>, Vec<_>) = (0..LANES).map(|_| lane()).unzip();
    let status = Arc::new(EngineStatus::default());
    let (kill, _kill_end) = lane();
    let link = EngineLink {
        latency: Default::default(),
        usher: seats().0,
        kill,
        lanes,
        events,
        public,
        book_requests: Arc::new(BookRequests::default()),
        status: Arc::clone(&status),
        release: Arc::default(),
    };
    let limits = EdgeLimits {
        answer_timeout: Duration::from_millis(50),
        waiting_max: LANE_CAPACITY + 10,
        ..Default::default()
    };
    let (edge, addr) = serve(link, EdgeConfig { limits, ..config() }).await;
    let client = Client::connect(&addr, Some(ADMIN)).await.expect("a connection");
    let open = OpenAccountRequest { account: 1, currency: "USD".into(), ..Default::default() };

    let (code, text) = failure(client.open_account(open.clone()).await);
    assert_eq!(code, Code::Unavailable, "{text}");
    assert!(text.contains("was not sent"), "{text}");

    status.alive.store(true, Ordering::Release);
    let (code, text) = failure(client.open_account(open.clone()).await);
    assert_eq!(code, Code::DeadlineExceeded);
    assert!(text.contains("the outcome is unknown"), "{text}");
    assert!(text.contains("request_id 1"), "{text}");

    // A full ring is a refusal, and nothing waits any more.
    for _ in 1..LANE_CAPACITY {
        let client = client.clone();
        let open = open.clone();
        tokio::spawn(async move { client.open_account(open).await });
    }
    let mut refused = None;
    for _ in 0..200 {
        let (code, text) = failure(client.open_account(open.clone()).await);
        if code == Code::ResourceExhausted {
            refused = Some(text);
            break;
        }
    }
    let refused = refused.expect("the ring fills up");
    assert!(refused.contains("not taking commands"), "{refused}");
    edge.stop().await;
}

#[tokio::test]
async fn an_edge_refuses_to_be_open_to_strangers() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let (_writer, events) = event_log::open(dir.path(), Default::default()).expect("a log");
    let link = |lanes: usize| EngineLink {
        latency: Default::default(),
        usher: seats().0,
        kill: lane().0,
        lanes: (0..lanes).map(|_| lane().0).collect(),
        events: events.clone(),
        public: broadcast::channel(Arc::default()).expect("memory").1,
        book_requests: Arc::default(),
        status: Arc::default(),
        release: Arc::default(),
    };
    let open = EdgeConfig { listen: ([0, 0, 0, 0], 0).into(), ..Default::default() };
    let refused = Edge::bind(link(LANES), open).await.expect_err("no tokens");
    assert!(matches!(refused, EdgeError::Unprotected { .. }), "{refused}");
    let refused = Edge::bind(link(1), config()).await.expect_err("no lanes");
    assert!(matches!(refused, EdgeError::NoLanes { given: 1 }), "{refused}");
}
