//! A kill switch passes when nothing else does.

mod support;

use rtrb::Consumer;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::*;
use tempfile::TempDir;
use tidegate_client::proto::*;
use tidegate_client::{Client, EventFilter};
use tidegate_edge::{EdgeConfig, EngineLink, Limits as EdgeLimits};
use tidegate_engine::event_log::EventLogHandle;
use tidegate_engine::lane::{LANE_CAPACITY, lane};
use tidegate_engine::runtime::seats::seats;
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineHandle, Inputs, Outputs, Wait,
};
use tidegate_engine::{broadcast, event_log};
use tidegate_model::command::Configure;
use tidegate_model::{Command, CommandRecord};
use tonic::Code;

/// Connections and streams of the edge: few, so that they are soon taken.
const CONNECTIONS: usize = 4;
const STREAMS: usize = 3;
/// As `edge/src/listener.rs` has it.
const RESERVED: usize = 8;

/// An engine that takes nothing but kills: whatever else there is waits for ever, in rings that are full.
struct Held {
    engine: EngineHandle,
    log: EventLogHandle,
    edge: Running,
    addr: String,
    _full: Vec<Consumer<CommandRecord>>,
    _dir: TempDir,
}

impl Held {
    async fn new() -> Self {
        let dir = TempDir::new().expect("a folder");
        let (writer, events) =
            event_log::open(&dir.path().join("events"), Default::default()).expect("a log");
        let (event_ring, events_in) = runtime::event_ring().expect("memory");
        let (stages, _) = runtime::stage_ring();
        let (public_writer, public) = broadcast::channel(Arc::default()).expect("memory");
        let (_feed, feed) = runtime::feed_ring();
        let (mut kill, kill_in) = lane();
        let (mut lanes, full): (Vec<_>, Vec<_>) = (0..LANES).map(|_| lane()).unzip();
        for lane in &mut lanes {
            while lane.try_send(CommandRecord::new(Command::Time)).is_ok() {}
        }
        assert!(full.iter().all(|lane| lane.slots() == LANE_CAPACITY));
        let book_requests = Arc::new(BookRequests::default());
        let inputs =
            Inputs { feed, lanes: vec![kill_in], book_requests: Arc::clone(&book_requests) };
        let outputs = Outputs {
            events: event_ring,
            public: public_writer,
            stages,
            routes: Vec::new(),
            seats: Default::default(),
        };
        let configure = Configure {
            paper_latency_ns: 0,
            orders_max: 1 << 10,
            book_orders_max: 1 << 10,
            currency: tidegate_model::ids::Code::EMPTY,
        };
        let engine_config = EngineConfig {
            journal_dir: (&dir.path().join("journal")).into(),
            journal: Default::default(),
            configure,
            pin_core: None,
            wait: Wait::Park,
            release: Arc::default(),
            sync: Some(Default::default()),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let log = event_log::start(writer, events_in, Arc::default()).expect("a thread");
        let engine =
            runtime::start(engine_config, inputs, outputs, events.last(), ()).expect("a thread");
        let status = Arc::clone(&engine.status);
        while !status.alive.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        set_people(&mut kill, &events).await;
        let link = EngineLink {
            latency: Default::default(),
            usher: seats().0,
            kill,
            lanes,
            events,
            public,
            book_requests,
            status,
            release: Arc::default(),
        };
        let limits = EdgeLimits {
            connections_max: CONNECTIONS,
            streams_max: STREAMS,
            waiting_max: 0,
            ..Default::default()
        };
        let (edge, addr) = serve(link, EdgeConfig { limits, ..config() }).await;
        Self { engine, log, edge, addr, _full: full, _dir: dir }
    }

    async fn client(&self) -> Result<Client, tidegate_client::ClientError> {
        Client::connect(&self.addr, Some(ADMIN)).await
    }
}

/// Kills the firm; how long it took.
async fn kill(client: &Client) -> Duration {
    let began = Instant::now();
    let firm = Scope { kind: ScopeKind::Firm.into(), ..Default::default() };
    let request = KillRequest { scope: Some(firm), ..Default::default() };
    done(client.kill(request).await.expect("an answer"));
    began.elapsed()
}

#[tokio::test]
async fn a_kill_passes_when_every_ring_stream_and_connection_is_taken() {
    let held = Held::new().await;
    // Opened before, and not used since.
    let earlier = held.client().await.expect("a connection");
    let others = [held.client().await.expect("another"), held.client().await.expect("another")];

    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = others[0].events(None, EventFilter::default());
        stream.open().await.expect("a stream");
        streams.push(stream);
    }
    let mut refused = others[0].events(None, EventFilter::default());
    let (code, text) = failure(refused.open().await);
    assert!(code == Code::ResourceExhausted && text.contains("streams_max"), "{text}");
    let (code, text) = failure(others[1].day_roll(DayRollRequest {}).await);
    assert!(code == Code::ResourceExhausted && text.contains("waiting_max"), "{text}");
    let (code, text) = failure(others[1].release(ReleaseRequest::default()).await);
    assert!(code == Code::InvalidArgument, "{text}");

    // All connections, and those that are kept for this machine.
    let mut connections = Vec::new();
    for _ in others.len() + 1..CONNECTIONS {
        connections.push(held.client().await.expect("within connections_max"));
    }
    let reserved = held.client().await.expect("a reserved one");
    kill(&reserved).await;
    for _ in 1..RESERVED {
        let client = held.client().await.expect("a reserved one");
        client.get_status(GetStatusRequest {}).await.expect("it is served");
        connections.push(client);
    }
    let beyond = async { held.client().await?.get_status(GetStatusRequest {}).await };
    assert!(beyond.await.is_err(), "everything is taken");

    let took = kill(&earlier).await;
    println!("a kill took {took:?} with everything taken");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let status = earlier.get_status(GetStatusRequest {}).await.expect("an answer");
    assert!(status.firm_killed, "{status:?}");
    drop((streams, connections, others, reserved, earlier));
    held.edge.stop().await;
    held.engine.stop().expect("it ends well");
    held.log.stop().expect("it ends well");
}

#[tokio::test]
async fn a_reserved_place_is_given_back_after_ten_seconds() {
    let held = Held::new().await;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS + RESERVED {
        let client = held.client().await.expect("a place");
        client.get_status(GetStatusRequest {}).await.expect("it is served");
        connections.push(client);
    }
    let began = Instant::now();
    let again = loop {
        assert!(began.elapsed() < Duration::from_secs(20), "no place comes free");
        let served = async {
            let client = held.client().await?;
            client.get_status(GetStatusRequest {}).await.map(|_| client)
        };
        match served.await {
            Ok(client) => break client,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    assert!(began.elapsed() > Duration::from_secs(8), "a place has its time");
    kill(&again).await;
    // Those with places of the others' live on.
    for client in &connections[..CONNECTIONS] {
        client.get_status(GetStatusRequest {}).await.expect("it is served");
    }
    drop((connections, again));
    held.edge.stop().await;
    held.engine.stop().expect("it ends well");
    held.log.stop().expect("it ends well");
}
