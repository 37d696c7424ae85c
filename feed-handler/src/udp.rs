//! A live MoldUDP64 feed over UDP: sockets and the clock around [`Receiver`] and [`Decoder`], on a thread of its own.

use crate::error::Error;
use crate::itch::Decoder;
use crate::mold_udp64::{Delivery, Receiver, ReceiverConfig, SessionName};
use crate::session_date::last_new_york_midnight;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_model::market::{MarketEvent, MarketEventKind};
use tidegate_model::{Lots, UnixNanos};

/// Bytes of the largest UDP payload.
const PACKET_LEN_MAX: usize = 65_536;
/// Packets taken from one socket before the next one gets its turn.
const BATCH: usize = 64;
/// Longest sleep while nothing arrives: bounds how late a stop is seen.
const IDLE_MAX: Duration = Duration::from_millis(10);
/// Longest sleep while a message is missing: the timers of the receiver are that coarse.
const STALLED_MAX: Duration = Duration::from_millis(1);
/// Attempts at a full ring without giving the core away.
const SPINS_BEFORE_YIELD: u32 = 64;

/// One message in this many is told to whoever measures.
const SAMPLE_EVERY: u64 = 64;

/// Whom the feed tells when the packet of a message was read, and when the events of that message were in the ring.
pub type OnDecoded = Box<dyn FnMut(UnixNanos, UnixNanos) + Send>;

/// What a feed does when its session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSession {
    /// It ends: [`FeedOutcome::EndOfSession`].
    End,
    /// It waits for the next session, which has another name, and takes it from its first message on.
    Wait,
}

/// Where a feed comes from.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Line A: the address to listen at, or the multicast group to join with its port.
    pub line_a: SocketAddr,
    /// Line B, which carries the same.
    pub line_b: Option<SocketAddr>,
    /// The local interface that multicast groups are joined on; unspecified lets the system choose.
    pub interface: Ipv4Addr,
    /// The server that repeats messages.
    pub request_server: Option<SocketAddr>,
    /// How loss is dealt with; `can_request` is set from `request_server`.
    pub receiver: ReceiverConfig,
    /// Midnight of the session's day; `None` takes the last one in New York whenever a session begins.
    pub midnight: Option<UnixNanos>,
    /// What to do when a session is over.
    pub after_session: AfterSession,
    /// Bytes of each socket's buffer, as far as the system allows.
    pub socket_buffer_bytes: usize,
    /// Never sleep: costs a core, saves the wake-up time of some microseconds.
    pub busy_poll: bool,
}

impl FeedConfig {
    /// One unicast or multicast line without anybody to ask, times counted from the epoch.
    pub fn new(line_a: SocketAddr) -> Self {
        Self {
            line_a,
            line_b: None,
            interface: Ipv4Addr::UNSPECIFIED,
            request_server: None,
            receiver: ReceiverConfig::default(),
            midnight: Some(UnixNanos(0)),
            after_session: AfterSession::End,
            socket_buffer_bytes: 8 * 1024 * 1024,
            busy_poll: false,
        }
    }
}

/// What a feed has seen, for whoever watches from another thread.
#[derive(Debug, Default)]
pub struct FeedStats {
    /// Packets taken, of all lines and answers.
    pub packets: AtomicU64,
    /// Packets refused as damaged.
    pub damaged: AtomicU64,
    /// Packets of other sessions.
    pub foreign: AtomicU64,
    /// Messages delivered.
    pub messages: AtomicU64,
    /// Events put into the ring.
    pub events: AtomicU64,
    /// Times that a message was missing.
    pub gaps: AtomicU64,
    /// Messages asked for again, repetitions included.
    pub requested: AtomicU64,
    /// Messages that came after they had been asked for.
    pub recovered: AtomicU64,
    /// Messages given up.
    pub lost: AtomicU64,
    /// Messages that had come before, as all of line B should.
    pub duplicates: AtomicU64,
    /// Messages that were not what the specification says; each makes a gap.
    pub decode_errors: AtomicU64,
    /// Times that the ring was full: the engine did not keep up.
    pub ring_full: AtomicU64,
    /// Number of the last message delivered or given up.
    pub last_feed_seq: AtomicU64,
    /// The session is over.
    pub end_of_session: AtomicBool,
    last_end: Mutex<Option<SessionEnd>>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionEnd {
    /// Its name.
    pub session: SessionName,
    /// Number of its last message.
    pub messages: u64,
    /// Sessions of this feed that are over, this one included.
    pub count: u64,
}

impl FeedStats {
    /// The session that was over last.
    pub fn last_end(&self) -> Option<SessionEnd> {
        *self.locked_end()
    }

    /// A panic elsewhere does not make this plain value wrong.
    fn locked_end(&self) -> MutexGuard<'_, Option<SessionEnd>> {
        self.last_end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a feed came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedOutcome {
    /// The sender said that the session is over, and everything that could be had was delivered.
    EndOfSession {
        /// Messages of the session.
        messages: u64,
    },
    /// We were told to stop.
    Stopped,
    /// The reader of the ring is gone.
    Abandoned,
}

/// A feed whose sockets are open, so that nothing sent from now on is missed for lack of a listener.
pub struct FeedReceiver {
    config: FeedConfig,
    lines: Vec<UdpSocket>,
    requests: Option<(UdpSocket, SocketAddr)>,
    poll: Poll,
    on_decoded: Option<OnDecoded>,
}

impl FeedReceiver {
    /// Opens the sockets.
    ///
    /// # Errors
    /// [`Error::Socket`] names the address.
    pub fn bind(mut config: FeedConfig) -> Result<Self, Error> {
        config.receiver.can_request = config.request_server.is_some();
        let poll = Poll::new().map_err(|cause| Error::Socket {
            what: "watch sockets for",
            addr: config.line_a,
            cause,
        })?;
        let mut lines = Vec::new();
        for addr in [Some(config.line_a), config.line_b].into_iter().flatten() {
            let socket = open_line(addr, &config).map_err(|cause| Error::Socket {
                what: "listen at",
                addr,
                cause,
            })?;
            lines.push(socket);
        }
        let mut requests = None;
        if let Some(server) = config.request_server {
            let any = match server.ip() {
                IpAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
                IpAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
            };
            let fail = |cause| Error::Socket { what: "ask", addr: server, cause };
            requests = Some((open_unicast(any, &config).map_err(fail)?, server));
        }
        let sockets = lines.iter_mut().chain(requests.iter_mut().map(|(socket, _)| socket));
        for (n, socket) in sockets.enumerate() {
            poll.registry().register(socket, Token(n), Interest::READABLE).map_err(|cause| {
                Error::Socket { what: "watch the socket of", addr: config.line_a, cause }
            })?;
        }
        Ok(Self { config, lines, requests, poll, on_decoded: None })
    }

    /// The addresses that the lines listen at, with the ports that the system chose where 0 was given.
    pub fn line_addrs(&self) -> Vec<SocketAddr> {
        self.lines.iter().filter_map(|line| line.local_addr().ok()).collect()
    }

    /// Tells `tell` of one message in 64 when its packet was read, and when its events were in the ring.
    pub fn on_decoded(&mut self, tell: OnDecoded) {
        self.on_decoded = Some(tell);
    }

    /// Receives until the session ends (see [`AfterSession`]), `stop` is set or the ring's reader is gone. A full ring
    /// holds it up: what the sockets' buffers cannot take in the meantime is asked for again.
    ///
    /// Before the first message of a session that follows another goes an event of kind [`MarketEventKind::Gap`] with
    /// quantity 0: the orders of the session before are gone.
    ///
    /// # Errors
    /// [`Error::Socket`] if a socket fails.
    pub fn run(
        self,
        events: rtrb::Producer<MarketEvent>,
        stop: &AtomicBool,
        stats: &Arc<FeedStats>,
    ) -> Result<FeedOutcome, Error> {
        let Self { config, lines, requests, poll, on_decoded } = self;
        let receiver = Receiver::new(config.receiver);
        let sink = Sink {
            decoder: Decoder::new(config.midnight.unwrap_or_default()),
            midnight: config.midnight,
            after_session: config.after_session,
            session: None,
            events,
            stop,
            stats,
            ts_recv: UnixNanos(0),
            on_decoded,
            ended: None,
        };
        Loop { config, lines, requests, poll, receiver, sink, start: Instant::now() }.run()
    }
}

fn open_unicast(addr: SocketAddr, config: &FeedConfig) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    // The system caps it silently; a smaller buffer only means more requests.
    socket.set_recv_buffer_size(config.socket_buffer_bytes)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn open_line(addr: SocketAddr, config: &FeedConfig) -> io::Result<UdpSocket> {
    if !addr.ip().is_multicast() {
        return open_unicast(addr, config);
    }
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(config.socket_buffer_bytes)?;
    // Several processes of one host may listen to one group.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Bound to the group, so that other groups of the same port stay out.
    socket.bind(&addr.into())?;
    match addr.ip() {
        IpAddr::V4(group) => socket.join_multicast_v4(&group, &config.interface)?,
        IpAddr::V6(group) => socket.join_multicast_v6(&group, 0)?,
    }
    Ok(UdpSocket::from_std(socket.into()))
}

/// From deliveries to the ring.
struct Sink<'a> {
    decoder: Decoder,
    midnight: Option<UnixNanos>,
    after_session: AfterSession,
    session: Option<SessionName>,
    events: rtrb::Producer<MarketEvent>,
    stop: &'a AtomicBool,
    stats: &'a FeedStats,
    ts_recv: UnixNanos,
    on_decoded: Option<OnDecoded>,
    ended: Option<FeedOutcome>,
}

impl Sink<'_> {
    fn deliver(&mut self, delivery: Delivery<'_>) {
        let Self { decoder, events, stop, stats, ts_recv, ended, .. } = self;
        let mut push = |mut event: MarketEvent| {
            event.ts_recv = *ts_recv;
            if ended.is_none() {
                *ended = push_waiting(events, event, stop, stats);
            }
        };
        match delivery {
            Delivery::Session(name) => {
                if self.session.replace(name).is_some() {
                    push(gap(0, 0, *ts_recv));
                }
                let midnight = self.midnight.unwrap_or_else(|| last_new_york_midnight(*ts_recv));
                decoder.begin_session(midnight);
                stats.end_of_session.store(false, Ordering::Release);
            }
            Delivery::Message { sequence, message } => {
                decoder.set_next_message(sequence);
                if decoder.decode(message, &mut push).is_err() {
                    stats.decode_errors.fetch_add(1, Ordering::Relaxed);
                    push(gap(sequence, 1, *ts_recv));
                }
                stats.last_feed_seq.store(sequence, Ordering::Relaxed);
                if sequence.is_multiple_of(SAMPLE_EVERY)
                    && let Some(tell) = &mut self.on_decoded
                {
                    tell(*ts_recv, now_utc());
                }
            }
            Delivery::Gap { sequence, count } => {
                push(gap(sequence, count, *ts_recv));
                stats.last_feed_seq.store(sequence + count - 1, Ordering::Relaxed);
            }
            Delivery::EndOfSession { messages } => {
                if let Some(session) = self.session {
                    let mut last = stats.locked_end();
                    let count = last.map_or(1, |before| before.count + 1);
                    *last = Some(SessionEnd { session, messages, count });
                }
                stats.end_of_session.store(true, Ordering::Release);
                if self.after_session == AfterSession::End {
                    ended.get_or_insert(FeedOutcome::EndOfSession { messages });
                }
            }
        }
    }
}

/// The event that says `count` messages from `sequence` on are lost; 0 and 0 when nobody knows which and how many. What
/// happened in between is unknown, so whoever takes it empties every book of the feed.
fn gap(sequence: u64, count: u64, now: UnixNanos) -> MarketEvent {
    MarketEvent {
        kind: MarketEventKind::Gap.wire(),
        ts_event: now,
        ts_recv: now,
        qty: Lots(count),
        aux: count,
        feed_seq: sequence,
        ..MarketEvent::default()
    }
}

/// Puts `event` into the ring, waiting for room; an outcome if that is not to be.
#[inline]
fn push_waiting(
    events: &mut rtrb::Producer<MarketEvent>,
    event: MarketEvent,
    stop: &AtomicBool,
    stats: &FeedStats,
) -> Option<FeedOutcome> {
    if events.push(event).is_ok() {
        return None;
    }
    stats.ring_full.fetch_add(1, Ordering::Relaxed);
    let mut spins = 0;
    while events.push(event).is_err() {
        if stop.load(Ordering::Relaxed) {
            return Some(FeedOutcome::Stopped);
        }
        if events.is_abandoned() {
            return Some(FeedOutcome::Abandoned);
        }
        spins += 1;
        if spins < SPINS_BEFORE_YIELD {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
    None
}

/// Everything that the thread holds.
struct Loop<'a> {
    config: FeedConfig,
    lines: Vec<UdpSocket>,
    requests: Option<(UdpSocket, SocketAddr)>,
    poll: Poll,
    receiver: Receiver,
    sink: Sink<'a>,
    start: Instant,
}

impl Loop<'_> {
    fn run(mut self) -> Result<FeedOutcome, Error> {
        let mut buffer = vec![0; PACKET_LEN_MAX].into_boxed_slice();
        let mut ready = Events::with_capacity(8);
        loop {
            let received = self.receive(&mut buffer)?;
            self.pass_time();
            self.publish_counts();
            if let Some(outcome) = self.sink.ended {
                return Ok(outcome);
            }
            if self.sink.stop.load(Ordering::Relaxed) {
                return Ok(FeedOutcome::Stopped);
            }
            if received {
                continue;
            }
            if self.config.busy_poll {
                std::hint::spin_loop();
                continue;
            }
            // Every socket was read until it would block, so the next packet makes an edge.
            let wait = if self.receiver.is_stalled() { STALLED_MAX } else { IDLE_MAX };
            match self.poll.poll(&mut ready, Some(wait)) {
                Err(cause) if cause.kind() != io::ErrorKind::Interrupted => {
                    return Err(self.socket_error(cause));
                }
                _ => {}
            }
        }
    }

    fn socket_error(&self, cause: io::Error) -> Error {
        Error::Socket { what: "receive at", addr: self.config.line_a, cause }
    }

    /// Takes a batch of packets from every socket; true if there were any.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool, Error> {
        let mut received = false;
        let answers = self.requests.iter().map(|(socket, _)| socket);
        for socket in self.lines.iter().chain(answers) {
            for _ in 0..BATCH {
                let len = match socket.recv_from(buffer) {
                    Ok((len, _)) => len,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // A request that nobody listens to comes back as this; the timeout deals with it.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(cause) => return Err(self.socket_error(cause)),
                };
                received = true;
                self.sink.ts_recv = now_utc();
                let now_ns = elapsed_ns(self.start);
                let sink = &mut self.sink;
                // Damaged packets are counted by the receiver; the other line or a request makes up for them.
                let _ = self.receiver.on_packet(now_ns, &buffer[..len], &mut |delivery| {
                    sink.deliver(delivery);
                });
                if self.sink.ended.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(received)
    }

    fn pass_time(&mut self) {
        if !self.receiver.is_stalled() {
            return;
        }
        let sink = &mut self.sink;
        sink.ts_recv = now_utc();
        let now_ns = elapsed_ns(self.start);
        let request = self.receiver.on_time(now_ns, &mut |delivery| sink.deliver(delivery));
        if let (Some(request), Some((socket, server))) = (request, &self.requests) {
            // A request that cannot be sent is one that gets no answer: the timeout deals with both.
            let _ = socket.send_to(&request.to_bytes(), *server);
        }
    }

    fn publish_counts(&self) {
        let counts = self.receiver.counts();
        let stats = self.sink.stats;
        for (cell, value) in [
            (&stats.packets, counts.packets),
            (&stats.damaged, counts.damaged),
            (&stats.foreign, counts.foreign),
            (&stats.messages, counts.messages),
            (&stats.gaps, counts.gaps),
            (&stats.requested, counts.requested),
            (&stats.recovered, counts.recovered),
            (&stats.lost, counts.lost),
            (&stats.duplicates, counts.duplicates),
        ] {
            cell.store(value, Ordering::Relaxed);
        }
    }
}

fn elapsed_ns(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The system's clock; the epoch if it stands before that.
fn now_utc() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
