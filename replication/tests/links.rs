//! Nodes over real QUIC on loopback: who may speak, what hostile bytes do, what a state that differs does, and how far a
//! standby is behind.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_engine::broadcast;
use tidegate_engine::event_log::EventPosition;
use tidegate_engine::replay::BEHAVIOUR_VERSION;
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineHandle, Inputs, Outputs, Release, Wait,
};
use tidegate_journal::frame::{KIND_CHECKPOINT, KIND_COMMAND};
use tidegate_journal::{Checkpoint, Dir};
use tidegate_model::command::Configure;
use tidegate_model::ids::Code;
use tidegate_model::market::{Definition, MarketEventKind};
use tidegate_model::{
    Command, CommandRecord, MarketEvent, ReleaseLevel, SeqNo, StateHash, Symbol, UnixNanos,
};
use tidegate_replication::catchup::Place;
use tidegate_replication::leader::{Identity, Limits, Names};
use tidegate_replication::message::{
    Control, EpochBegins, Hello, Message, PROTOCOL_VERSION, RecordsBuilder, Refusal, Reply,
    Request, Stop, Welcome,
};
use tidegate_replication::node::{Node, NodeConfig};
use tidegate_replication::primary::Lead;
use tidegate_replication::quic::{self, QuicError};
use tidegate_replication::standby::{Outcome, Start};
use tidegate_replication::tls::Tls;
use tidegate_replication::{History, tail};

const PATIENCE: Duration = Duration::from_secs(20);

/// An authority that signs certificates of nodes.
struct Authority {
    pem: rustls::pki_types::CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { pem: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    fn tls(&self, name: &str) -> Tls {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_string()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let chain = vec![certificate.der().clone()];
        Tls::new(vec![self.pem.clone()], chain, key).expect("they fit together")
    }
}

fn free_address() -> SocketAddr {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a loopback socket");
    socket.local_addr().expect("it is bound")
}

fn node(tls: &Tls, listen: SocketAddr, peers: &[(&str, SocketAddr)]) -> Node {
    let peers = peers.iter().map(|(name, address)| (name.to_string(), address.to_string()));
    let config = NodeConfig {
        listen,
        address: listen.to_string(),
        peers: peers.collect::<BTreeMap<_, _>>(),
        limits: Limits::default(),
        lease: None,
        hand_over_max: Duration::from_secs(2),
    };
    Node::start(config, tls).expect("a node")
}

fn configure() -> Configure {
    Configure {
        paper_latency_ns: 0,
        orders_max: 1_024,
        book_orders_max: 1_024,
        currency: Code::EMPTY,
    }
}

fn engine_config(dir: &Path, epoch: u64, instance: u128, release: &Arc<Release>) -> EngineConfig {
    let journal = tidegate_journal::Config {
        segment_len: 16 << 20,
        epoch,
        instance: Some(instance),
        ..Default::default()
    };
    EngineConfig {
        journal_dir: dir.into(),
        journal,
        configure: configure(),
        pin_core: None,
        wait: Wait::Park,
        release: Arc::clone(release),
        sync: Some(Default::default()),
        checkpoint_every: runtime::CHECKPOINT_EVERY,
    }
}

/// The rings around an engine; a thread takes its events.
struct Rings {
    feed: rtrb::Producer<MarketEvent>,
    ends: Option<(Inputs, Outputs)>,
    _taking: JoinHandle<()>,
}

fn rings() -> Rings {
    let (feed, feed_in) = runtime::feed_ring();
    let (events_out, mut events) = runtime::event_ring().expect("memory");
    let (stages, _) = runtime::stage_ring();
    let (public, _) = broadcast::channel(Arc::default()).expect("memory");
    let book_requests = Arc::new(BookRequests::default());
    let inputs = Inputs { feed: feed_in, lanes: Vec::new(), book_requests };
    let outputs = Outputs {
        events: events_out,
        public,
        stages,
        routes: Vec::new(),
        seats: Default::default(),
    };
    let taking = std::thread::spawn(move || {
        while !events.is_abandoned() {
            while events.pop().is_some() {}
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    Rings { feed, ends: Some((inputs, outputs)), _taking: taking }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn lead(node: &Node, dir: &Path, engine: &EngineHandle, release: &Arc<Release>) {
    wait_for("the engine", || engine.status.alive.load(Ordering::Acquire));
    let open = engine.status.journal.get().expect("it is open").clone();
    let history = tail::history(dir, open.watermark.seq()).expect("a history");
    let epoch = history.last_epoch().expect("an epoch");
    let identity =
        Identity { instance: open.instance, epoch, behaviour_version: BEHAVIOUR_VERSION };
    node.lead(Lead {
        dir: Dir::from(dir),
        watermark: Arc::clone(&open.watermark),
        // Nobody keeps its events here, and there is no snapshot.
        events: Arc::clone(&open.watermark),
        release: Arc::clone(release),
        drain: engine.drain(),
        status: Arc::clone(&engine.status),
        identity,
        history,
        in_sync: Names::new(),
    });
}

/// A standby's engine on `dir`, which follows whatever `node` finds.
fn stand_by(node: &Node, dir: &Path, instance: u128) -> (EngineHandle, Arc<Release>) {
    let release = Arc::new(Release::with_followers(ReleaseLevel::Process));
    let mut rings = rings();
    let (inputs, outputs) = rings.ends.take().expect("new");
    let (end, unbegun) = node.queue(Arc::clone(&release));
    let epochs = tidegate_journal::epochs(dir).unwrap_or_default();
    let epoch = epochs.last().map_or(0, |(epoch, _)| *epoch);
    let config = engine_config(dir, epoch, instance, &release);
    let logged = EventPosition::default();
    let engine = runtime::start_standby(config, inputs, outputs, logged, (), end);
    let engine = engine.expect("a thread");
    wait_for("the replay", || engine.status.journal.get().is_some());
    let open = engine.status.journal.get().expect("it is open");
    let history = tail::history(dir, open.watermark.seq()).expect("a history");
    let (behaviour_version, is_complete) = (BEHAVIOUR_VERSION, true);
    let journal = tidegate_journal::Config { instance: Some(instance), ..Default::default() };
    let place = Place { dir: dir.into(), log: journal.clone(), journal };
    let back_to = SeqNo::ZERO;
    node.begin(
        unbegun,
        Start { instance, history, behaviour_version, is_complete, back_to, place },
    );
    (engine, release)
}

fn client(tls: &Tls) -> (tokio::runtime::Runtime, quinn::Endpoint) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let endpoint = {
        let _inside = runtime.enter();
        quic::client(tls).expect("a socket")
    };
    (runtime, endpoint)
}

fn status(tls: &Tls, address: SocketAddr) -> Result<Reply, QuicError> {
    let (runtime, endpoint) = client(tls);
    let address = address.to_string();
    runtime.block_on(quic::ask(&endpoint, "a", &address, Request::Status, PATIENCE, |_| {}))
}

#[test]
fn only_nodes_of_the_authority_are_heard_and_only_under_their_own_name() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let address = free_address();
    let node = node(&ours.tls("a"), address, &[("b", free_address())]);
    assert!(matches!(status(&ours.tls("x"), address), Ok(Reply::Said(_))));
    let refused = status(&theirs.tls("b"), address).expect_err("another authority");
    assert!(matches!(refused, QuicError::Connection(_)), "{refused}");
    // One who trusts our authority, and has a certificate of another: the node refuses it.
    let dir = tempfile::tempdir().expect("a folder");
    let release = Arc::new(Release::with_followers(ReleaseLevel::Replica));
    let mut rings = rings();
    let (inputs, outputs) = rings.ends.take().expect("new");
    let config = engine_config(dir.path(), 1, 7, &release);
    let engine = runtime::start(config, inputs, outputs, EventPosition::default(), ());
    let engine = engine.expect("a thread");
    lead(&node, dir.path(), &engine, &release);
    let greets = |tls: &Tls, name: &str| {
        let (runtime, endpoint) = client(tls);
        let hello = Control::Hello(Hello {
            version: PROTOCOL_VERSION,
            name: name.into(),
            instance: None,
            behaviour_version: BEHAVIOUR_VERSION,
            newest_epoch: 0,
            history: History::default(),
            back_to: SeqNo::ZERO,
        });
        runtime.block_on(async {
            let mut link = quic::connect(&endpoint, "a", &address.to_string()).await?;
            link.out.send(&hello.to_bytes()).await?;
            let (shape, body) = link.incoming.next().await?;
            Ok::<_, QuicError>(match Message::decode(shape, body)? {
                Message::Control(control) => control,
                other => panic!("{other:?}"),
            })
        })
    };
    assert!(matches!(greets(&ours.tls("b"), "b"), Ok(Control::Welcome(_))));
    let unknown = Control::Refused(Refusal::Unknown { name: "c".into() });
    assert_eq!(greets(&ours.tls("c"), "c").ok(), Some(unknown), "not in the configuration");
    let stolen = Control::Refused(Refusal::Unknown { name: "c".into() });
    assert_eq!(greets(&ours.tls("c"), "b").ok(), Some(stolen), "under another's name");
    engine.stop().expect("it ends in order");
}

#[test]
fn hostile_bytes_end_their_link_and_nothing_else() {
    let authority = Authority::new();
    let address = free_address();
    let _node = node(&authority.tls("a"), address, &[("b", free_address())]);
    let tls = authority.tls("b");
    let mut seed = 7u64;
    for round in 0..40 {
        let (runtime, endpoint) = client(&tls);
        runtime.block_on(async {
            let link = quic::connect(&endpoint, "a", &address.to_string()).await;
            let mut link = link.expect("a connection");
            let mut bytes = Vec::new();
            for _ in 0..200 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((seed >> 33) as u8);
            }
            if round % 2 == 0 {
                // A length that is allowed and a shape that is: the body is what is wrong.
                bytes[..5].copy_from_slice(&[100, 0, 0, 0, 1 + (round / 2 % 3) as u8]);
            }
            let _ = link.out.send(&bytes).await;
            let answer = tokio::time::timeout(Duration::from_secs(5), link.incoming.next()).await;
            assert!(matches!(answer, Ok(Err(_))), "round {round}: {answer:?}");
        });
    }
    assert!(matches!(status(&authority.tls("x"), address), Ok(Reply::Said(_))));
}

#[test]
fn a_standby_whose_state_differs_stops_and_says_both_hashes() {
    let authority = Authority::new();
    let (leader, address) = (free_address(), free_address());
    let tls = authority.tls("a");
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
    let endpoint = {
        let _inside = runtime.enter();
        quic::bind(leader, &tls).expect("a socket")
    };
    // A leader that recorded a state which no engine reaches.
    let told = runtime.spawn(async move {
        let incoming = endpoint.accept().await.expect("a follower");
        let mut link = quic::accept(incoming).await.expect("a link");
        let (shape, body) = link.incoming.next().await.expect("a greeting");
        assert!(matches!(
            Message::decode(shape, body),
            Ok(Message::Control(Control::Hello(hello))) if hello.name == "b"
        ));
        let zero = SeqNo::ZERO;
        let welcome = Welcome {
            instance: 7,
            epoch: 1,
            common: zero,
            last: SeqNo(1),
            replicated: zero,
            snapshot: None,
        };
        let mut out = Control::Welcome(welcome).to_bytes();
        let begins = EpochBegins { epoch: 1, behaviour_version: BEHAVIOUR_VERSION, after: zero };
        Control::Epoch(begins).encode(&mut out);
        let mut builder = RecordsBuilder::begin(1, zero, &mut out);
        let first = CommandRecord::new(Command::Configure(configure()));
        let wrong = Checkpoint { seq: SeqNo(1), hash: StateHash(0xbad) };
        assert!(builder.push(KIND_COMMAND, bytemuck::bytes_of(&first), &mut out));
        assert!(builder.push(KIND_CHECKPOINT, bytemuck::bytes_of(&wrong), &mut out));
        builder.finish(&mut out);
        link.out.send(&out).await.expect("sent");
        loop {
            let (shape, body) = link.incoming.next().await.expect("word of it");
            if let Ok(Message::Control(Control::Stopped(why))) = Message::decode(shape, body) {
                return why;
            }
        }
    });
    let dir = tempfile::tempdir().expect("a folder");
    let node = node(&authority.tls("b"), address, &[("a", leader)]);
    let (engine, _) = stand_by(&node, dir.path(), 7);
    wait_for("the end", || engine.is_finished());
    let error = engine.stop().expect_err("states differ").to_string();
    assert!(error.contains("after input 1"), "{error}");
    assert!(matches!(node.outcome(), Some(Outcome::Failed { .. })), "{:?}", node.outcome());
    let why = runtime.block_on(told).expect("no panic");
    let expected = StateHash(0xbad);
    assert!(
        matches!(why, Stop::Diverged { recorded, own, .. } if recorded == expected && own != expected)
    );
}

/// A journal of epoch 1 with an instrument of this name.
fn journal_with(dir: &Path, symbol: &str) {
    let release = Arc::new(Release::new(ReleaseLevel::Process));
    let mut rings = rings();
    let (inputs, outputs) = rings.ends.take().expect("new");
    let config = engine_config(dir, 1, 7, &release);
    let engine = runtime::start(config, inputs, outputs, EventPosition::default(), ());
    let engine = engine.expect("a thread");
    let definition = Definition {
        kind: MarketEventKind::Definition.wire(),
        price_scale: 4,
        flags: 0,
        channel_id: 1,
        ts_event: UnixNanos(1),
        ts_recv: UnixNanos(1),
        symbol: Symbol::new(symbol).expect("a name"),
        tick_size_nano: 100_000,
        lot_size_nano: 1_000_000_000,
    };
    rings.feed.push(definition.into_event()).expect("room");
    wait_for("the instrument", || engine.status.market_events.load(Ordering::Relaxed) == 1);
    engine.stop().expect("it ends in order");
}

#[test]
fn two_journals_that_only_look_the_same_are_told_apart_when_one_follows_the_other() {
    let authority = Authority::new();
    let (at_a, at_b) = (free_address(), free_address());
    let a = node(&authority.tls("a"), at_a, &[("b", at_b)]);
    let b = node(&authority.tls("b"), at_b, &[("a", at_a)]);
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    journal_with(dirs[0].path(), "THIS");
    journal_with(dirs[1].path(), "THAT");
    let release = Arc::new(Release::with_followers(ReleaseLevel::Process));
    let mut rings = rings();
    let (inputs, outputs) = rings.ends.take().expect("new");
    let config = engine_config(dirs[0].path(), 2, 7, &release);
    let primary = runtime::start(config, inputs, outputs, EventPosition::default(), ());
    let primary = primary.expect("a thread");
    lead(&a, dirs[0].path(), &primary, &release);
    let (standby, _) = stand_by(&b, dirs[1].path(), 7);
    wait_for("the end", || standby.is_finished());
    let error = standby.stop().expect_err("states differ").to_string();
    assert!(error.contains("the state hash is"), "{error}");
    wait_for("word of it", || a.status().contains("b: stopped: after input"));
    primary.stop().expect("it ends in order");
}

/// Samples of how long it takes until a standby has applied what its primary had.
fn lag(rate: u64, seconds: u64) -> Vec<Duration> {
    let authority = Authority::new();
    let (at_a, at_b) = (free_address(), free_address());
    let a = node(&authority.tls("a"), at_a, &[("b", at_b)]);
    let b = node(&authority.tls("b"), at_b, &[("a", at_a)]);
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let release = Arc::new(Release::with_followers(ReleaseLevel::Process));
    let mut rings = rings();
    let (inputs, outputs) = rings.ends.take().expect("new");
    let config = engine_config(dirs[0].path(), 1, 7, &release);
    let primary = runtime::start(config, inputs, outputs, EventPosition::default(), ());
    let primary = primary.expect("a thread");
    lead(&a, dirs[0].path(), &primary, &release);
    let (standby, _) = stand_by(&b, dirs[1].path(), 7);
    wait_for("the standby in sync", || a.status().contains("b: connected, in sync"));

    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let mut feed = rings.feed;
    let feeding = std::thread::spawn(move || {
        let (began, mut sent) = (Instant::now(), 0u64);
        // Events that name no instrument: each is sequenced, journaled, replicated and refused.
        while !stopped.load(Ordering::Acquire) {
            let due = (began.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000) as u64;
            while sent < due {
                let now = runtime::unix_now();
                let event =
                    MarketEvent { ts_event: now, ts_recv: now, kind: 1, ..Default::default() };
                if feed.push(event).is_err() {
                    break;
                }
                sent += 1;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        sent
    });
    // Long before the next is due the leader has recorded its state for the one that joined, and both are the same.
    wait_for("a state to compare", || standby.status.checkpoint().is_some());
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut samples = Vec::new();
    std::thread::sleep(Duration::from_millis(300));
    while Instant::now() < until {
        let (began, at) = (Instant::now(), primary.status.seq.load(Ordering::Acquire));
        while standby.status.seq.load(Ordering::Acquire) < at {
            assert!(began.elapsed() < PATIENCE, "the standby stands still");
            std::thread::sleep(Duration::from_micros(20));
        }
        samples.push(began.elapsed());
        std::thread::sleep(Duration::from_micros(500));
    }
    stop.store(true, Ordering::Release);
    let sent = feeding.join().expect("no panic");
    let primary = primary.stop().expect("it ends in order");
    wait_for("the rest", || standby.status.seq.load(Ordering::Acquire) == primary.seq.0);
    let stopped = standby.stop().expect("it ends in order");
    assert_eq!((stopped.seq, stopped.state_hash), (primary.seq, primary.state_hash));
    assert!(sent > rate * seconds / 2, "only {sent} were sent");
    samples.sort_unstable();
    samples
}

#[test]
fn a_standby_follows_to_the_same_state() {
    let samples = lag(20_000, 2);
    assert!(samples.len() > 100, "{} samples", samples.len());
}

#[test]
#[ignore = "deep: measures how far a standby is behind, for seconds, with optimization on"]
fn how_far_behind() {
    for rate in [50_000, 200_000] {
        let samples = lag(rate, 10);
        let at = |per_mille: usize| samples[(samples.len() - 1) * per_mille / 1_000];
        println!(
            "{rate} inputs/s: behind p50 {:?}, p99 {:?}, p99.9 {:?}, most {:?} ({} samples)",
            at(500),
            at(990),
            at(999),
            at(1_000),
            samples.len()
        );
    }
}
