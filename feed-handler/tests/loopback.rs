//! Server and receiver over the loopback interface, with packets lost on purpose.

use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tidegate_feed_handler::binary_file::{Frames, Reader};
use tidegate_feed_handler::itch::Decoder;
use tidegate_feed_handler::mold_udp64::SessionName;
use tidegate_feed_handler::server::{FeedServer, ServerConfig, ServerOutcome, ServerStats, Speed};
use tidegate_feed_handler::session_date::last_new_york_midnight;
use tidegate_feed_handler::synthetic::{Length, Parameters, Session, write_session};
use tidegate_feed_handler::udp::{AfterSession, FeedConfig, FeedOutcome, FeedReceiver, FeedStats};
use tidegate_model::UnixNanos;
use tidegate_model::market::{MarketEvent, MarketEventKind};

fn any_port() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)
}

fn session_bytes(parameters: Parameters) -> Vec<u8> {
    let mut bytes = Vec::new();
    let session = Session::new(parameters).expect("valid");
    write_session(session, &mut bytes, |_, _| {}).expect("memory takes it");
    bytes
}

/// The events of a file, without the receive times that differ from run to run.
fn events_of(bytes: &[u8]) -> Vec<MarketEvent> {
    let mut decoder = Decoder::new(UnixNanos(0));
    let mut events = Vec::new();
    for frame in Frames::new(bytes) {
        decoder
            .decode(frame.expect("valid").message, |mut event| {
                event.ts_recv = UnixNanos(0);
                events.push(event);
            })
            .expect("valid");
    }
    events
}

struct Played {
    events: Vec<MarketEvent>,
    outcome: FeedOutcome,
    stats: Arc<FeedStats>,
    server: Arc<ServerStats>,
}

fn play(
    bytes: Vec<u8>,
    two_lines: bool,
    change: impl FnOnce(&mut ServerConfig, &mut FeedConfig),
) -> Played {
    let mut feed = FeedConfig::new(any_port());
    feed.line_b = two_lines.then(any_port);
    // The request server's port is known only once it is bound, and it needs the lines' ports.
    let probe = std::net::UdpSocket::bind(any_port()).expect("loopback");
    let request_addr = probe.local_addr().expect("bound");
    drop(probe);
    feed.request_server = Some(request_addr);
    let mut config = ServerConfig::new(any_port());
    config.request_listen = request_addr;
    config.speed = Speed::FlatOut;
    config.linger = Duration::from_secs(20);
    change(&mut config, &mut feed);
    let receiver = FeedReceiver::bind(feed).expect("bound");
    let lines = receiver.line_addrs();
    config.to_a = lines[0];
    config.to_b = lines.get(1).copied();
    let server = FeedServer::bind(config).expect("bound");
    let server_stats = Arc::new(ServerStats::default());
    let stats = Arc::new(FeedStats::default());
    let stop_server = Arc::new(AtomicBool::new(false));
    let (producer, mut consumer) = rtrb::RingBuffer::new(1 << 12);
    let serving = thread::spawn({
        let (stop, stats) = (stop_server.clone(), server_stats.clone());
        move || server.run(&mut Reader::new(Cursor::new(bytes)), &stop, &stats)
    });
    let receiving = thread::spawn({
        let stats = stats.clone();
        move || receiver.run(producer, &AtomicBool::new(false), &stats)
    });
    let mut events = Vec::new();
    loop {
        let over = receiving.is_finished();
        while let Ok(mut event) = consumer.pop() {
            assert!(event.ts_recv.0 > 1_700_000_000_000_000_000, "received now");
            event.ts_recv = UnixNanos(0);
            events.push(event);
        }
        if over {
            break;
        }
        thread::yield_now();
    }
    let outcome = receiving.join().expect("no panic").expect("no error");
    stop_server.store(true, Ordering::Relaxed);
    let served = serving.join().expect("no panic").expect("no error");
    assert!(matches!(served, ServerOutcome::EndOfFile { .. }));
    Played { events, outcome, stats, server: server_stats }
}

fn parameters(messages: u64) -> Parameters {
    Parameters { seed: 5, length: Length::Messages(messages), ..Parameters::default() }
}

#[test]
fn one_line_that_loses_packets_is_repaired_by_requests() {
    let bytes = session_bytes(parameters(60_000));
    let want = events_of(&bytes);
    let played = play(bytes, false, |server, _| server.drop_a = Some(7));
    assert_eq!(played.outcome, FeedOutcome::EndOfSession { messages: 60_000 });
    assert!(played.events == want, "events differ");
    let of = |cell: &std::sync::atomic::AtomicU64| cell.load(Ordering::Relaxed);
    assert_eq!(of(&played.stats.lost), 0);
    assert_eq!(of(&played.stats.messages), 60_000);
    assert_eq!(of(&played.stats.last_feed_seq), 60_000);
    assert!(of(&played.server.dropped) > 50);
    assert!(of(&played.stats.recovered) > 1_000, "{:?}", played.stats);
    assert!(played.stats.end_of_session.load(Ordering::Relaxed));
}

#[test]
fn two_lines_make_up_for_each_other() {
    let bytes = session_bytes(parameters(60_000));
    let want = events_of(&bytes);
    let played = play(bytes, true, |server, _| {
        server.drop_a = Some(10);
        server.drop_b = Some(10);
        server.messages_per_sec_max = Some(300_000);
    });
    assert!(played.events == want, "events differ");
    assert!(played.stats.duplicates.load(Ordering::Relaxed) > 30_000);
}

#[test]
fn without_a_request_server_loss_is_declared() {
    let bytes = session_bytes(parameters(20_000));
    let played = play(bytes, false, |server, feed| {
        server.drop_a = Some(100);
        server.messages_per_sec_max = Some(200_000);
        feed.request_server = None;
    });
    assert_eq!(played.outcome, FeedOutcome::EndOfSession { messages: 20_000 });
    let gaps: Vec<_> =
        played.events.iter().filter(|event| event.kind() == Some(MarketEventKind::Gap)).collect();
    assert!(!gaps.is_empty());
    let lost: u64 = gaps.iter().map(|gap| gap.qty.0).sum();
    assert_eq!(lost, played.stats.lost.load(Ordering::Relaxed));
    assert_eq!(lost + played.stats.messages.load(Ordering::Relaxed), 20_000);
}

#[test]
fn recorded_speed_takes_the_recorded_time() {
    let length = Length::DurationNs(2_000_000_000);
    let bytes =
        session_bytes(Parameters { seed: 2, length, messages_per_sec: 3_000, ..parameters(0) });
    let want = events_of(&bytes);
    for (speed, least_ms) in [(Speed::Times(1), 1_990), (Speed::Times(10), 199)] {
        let begin = std::time::Instant::now();
        let played = play(bytes.clone(), false, |server, _| server.speed = speed);
        assert!(begin.elapsed() >= Duration::from_millis(least_ms));
        assert!(played.events == want, "events differ");
    }
}

/// A receiver that waits for the next session, and what it has put into its ring.
struct Waiting {
    line: SocketAddr,
    stop: Arc<AtomicBool>,
    stats: Arc<FeedStats>,
    thread: thread::JoinHandle<FeedOutcome>,
    ring: rtrb::Consumer<MarketEvent>,
}

impl Waiting {
    fn start(midnight: Option<UnixNanos>) -> Self {
        let config = FeedConfig {
            midnight,
            after_session: AfterSession::Wait,
            ..FeedConfig::new(any_port())
        };
        let receiver = FeedReceiver::bind(config).expect("bound");
        let line = receiver.line_addrs()[0];
        let (stop, stats) = (Arc::new(AtomicBool::new(false)), Arc::<FeedStats>::default());
        let (producer, ring) = rtrb::RingBuffer::new(1 << 14);
        let (stop_inner, stats_inner) = (Arc::clone(&stop), Arc::clone(&stats));
        let thread = thread::spawn(move || {
            receiver.run(producer, &stop_inner, &stats_inner).expect("no error")
        });
        Self { line, stop, stats, thread, ring }
    }

    /// Plays one session to its end, and takes its events.
    fn hear(&mut self, name: &str, bytes: Vec<u8>, count: u64) -> Vec<MarketEvent> {
        let mut config = ServerConfig::new(self.line);
        config.session = self::name(name);
        config.speed = Speed::FlatOut;
        config.messages_per_sec_max = Some(50_000);
        config.linger = Duration::from_millis(20);
        let server = FeedServer::bind(config).expect("bound");
        let stop = AtomicBool::new(false);
        let mut file = Reader::new(Cursor::new(bytes));
        server.run(&mut file, &stop, &ServerStats::default()).expect("no error");
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.stats.last_end().is_none_or(|end| end.count < count) {
            assert!(Instant::now() < deadline, "no end of session {name}: {:?}", self.stats);
            thread::yield_now();
        }
        std::iter::from_fn(|| self.ring.pop().ok()).collect()
    }
}

/// Without the receive times that differ from run to run.
fn without_receive_times(events: &[MarketEvent]) -> Vec<MarketEvent> {
    events.iter().map(|event| MarketEvent { ts_recv: UnixNanos(0), ..*event }).collect()
}

#[test]
fn sessions_follow_one_another() {
    let (first, second) = (session_bytes(parameters(2_000)), session_bytes(parameters(3_000)));
    let mut feed = Waiting::start(Some(UnixNanos(0)));
    let heard = feed.hear("MONDAY", first.clone(), 1);
    assert_eq!(without_receive_times(&heard), events_of(&first));
    assert!(feed.stats.end_of_session.load(Ordering::Relaxed));
    // What a session says after its end, or again from its beginning, is nothing new.
    let again = feed.hear("MONDAY", first, 1);
    assert_eq!(again, []);
    let heard = feed.hear("TUESDAY", second.clone(), 2);
    // What happened between the two is unknown: that comes first.
    assert_eq!(heard[0].kind(), Some(MarketEventKind::Gap));
    assert_eq!((heard[0].qty.0, heard[0].feed_seq), (0, 0));
    assert_eq!(without_receive_times(&heard[1..]), events_of(&second));
    let end = feed.stats.last_end().expect("two sessions ended");
    assert_eq!((end.session, end.messages, end.count), (name("TUESDAY"), 3_000, 2));
    feed.stop.store(true, Ordering::Relaxed);
    assert_eq!(feed.thread.join().expect("no panic"), FeedOutcome::Stopped);
}

fn name(text: &str) -> SessionName {
    SessionName::new(text).expect("a name")
}

#[test]
fn a_session_s_day_is_the_day_on_which_it_begins() {
    let bytes = session_bytes(parameters(1_000));
    let mut feed = Waiting::start(None);
    for (count, name) in [(1, "ONE"), (2, "TWO")] {
        let heard = feed.hear(name, bytes.clone(), count);
        let event = heard.last().expect("events");
        let midnight = last_new_york_midnight(event.ts_recv);
        let time = events_of(&bytes).last().expect("events").ts_event;
        assert_eq!(event.ts_event, UnixNanos(midnight.0 + time.0));
    }
    feed.stop.store(true, Ordering::Relaxed);
    assert_eq!(feed.thread.join().expect("no panic"), FeedOutcome::Stopped);
}

#[test]
fn a_stop_ends_both_sides() {
    let receiver = FeedReceiver::bind(FeedConfig::new(any_port())).expect("bound");
    let (producer, _consumer) = rtrb::RingBuffer::new(16);
    let stop = AtomicBool::new(true);
    let outcome = receiver.run(producer, &stop, &Arc::default()).expect("no error");
    assert_eq!(outcome, FeedOutcome::Stopped);
    let mut config = ServerConfig::new(any_port());
    config.to_a = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 9);
    config.linger = Duration::ZERO;
    let server = FeedServer::bind(config).expect("bound");
    let bytes = session_bytes(parameters(10_000));
    let outcome = server.run(&mut Reader::new(&bytes[..]), &stop, &ServerStats::default());
    assert!(matches!(outcome, Ok(ServerOutcome::Stopped { messages: 1 })), "{outcome:?}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::UdpSocket::bind(any_port()).expect("loopback");
    let addr = taken.local_addr().expect("bound");
    let error = FeedReceiver::bind(FeedConfig::new(addr)).err().expect("refused");
    assert!(error.to_string().contains(&addr.to_string()), "{error}");
}

#[test]
fn multicast_groups_deliver_both_lines() {
    let parameters = Parameters { length: Length::Messages(20_000), ..Default::default() };
    let bytes = session_bytes(parameters);
    let expected = events_of(&bytes);
    // Administratively scoped groups on the loopback interface: nothing leaves this machine.
    let port = any_free_port();
    let group = |last| SocketAddr::new(Ipv4Addr::new(239, 255, 77, last).into(), port);
    let played = play(bytes, true, |server, feed| {
        (feed.line_a, feed.line_b) = (group(1), Some(group(2)));
        (feed.interface, server.interface) = (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        server.drop_a = Some(7);
        server.drop_b = Some(11);
    });
    assert_eq!(played.events, expected);
    assert_eq!(played.outcome, FeedOutcome::EndOfSession { messages: 20_000 });
    assert!(played.stats.duplicates.load(Ordering::Relaxed) > 0, "line B carries the same");
}

fn any_free_port() -> u16 {
    let probe = std::net::UdpSocket::bind(any_port()).expect("loopback");
    probe.local_addr().expect("bound").port()
}
