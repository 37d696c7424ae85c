//! Plays a BinaryFILE as a live MoldUDP64 feed: packets to one or two lines at the pace of the file's own
//! timestamps, a multiple of it, or flat out, and answers to requests.
//!
//! Answered is what the history holds ([`ServerConfig::history_bytes`] of packets, the last sent); a request for
//! older or future messages is counted and gets no answer, as on a real feed. Flat out, each request slows the
//! sender down for a moment, so that a receiver that cannot keep up catches up instead of falling out of the history.

use crate::binary_file::{LENGTH_LEN, Reader};
use crate::error::Error;
use crate::mold_udp64::{
    HEADER_LEN, History, PACKET_LEN_MAX, PacketBuilder, Request, SessionName, end_of_session,
    heartbeat,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Packets that answer one request at most.
const ANSWER_PACKETS_MAX: usize = 32;
/// Requests looked at between two packets.
const REQUESTS_BATCH: usize = 64;
/// A heartbeat goes out after so much silence (MoldUDP64, section 3.2).
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Time between two end-of-session packets.
const END_REPEAT: Duration = Duration::from_millis(50);
/// How long the sender rests after it had to answer a request when it runs flat out.
const REST_AFTER_REQUEST: Duration = Duration::from_millis(1);
/// Longest sleep: requests wait no longer than this.
const SLEEP_MAX: Duration = Duration::from_micros(500);
/// Waits shorter than this are not slept but spun.
const SPIN_BELOW: Duration = Duration::from_micros(60);
/// Bytes of the send buffers, as far as the system allows.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a request that one looks at: one more than it has, so that a longer one is recognized.
const REQUEST_BUFFER_LEN: usize = 64;
/// Bytes of type and header of an ITCH message, the last six of which are its time.
const ITCH_HEADER_LEN: usize = 11;

/// Bytes of the longest message that is sent: with the packet's header and its own length it fills a packet.
pub const MESSAGE_LEN_MAX: usize = PACKET_LEN_MAX - HEADER_LEN - LENGTH_LEN;

/// Why a file was not played to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayError {
    /// The file.
    #[error(transparent)]
    File(#[from] Error),
    /// A message that no packet takes. Sent all the same, it would be fragmented, or lost without a word.
    #[error(
        "message {message} at byte {offset} has {found} bytes; a packet takes messages of {MESSAGE_LEN_MAX} bytes at most"
    )]
    TooLong {
        /// Where the message begins, after its length field.
        offset: u64,
        /// The message, from 1.
        message: u64,
        /// Its bytes.
        found: usize,
    },
}

/// How fast a file is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// At this multiple of its own timestamps; 1 is as recorded.
    Times(u32),
    /// As fast as it goes.
    FlatOut,
}

/// What is played where.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where line A goes.
    pub to_a: SocketAddr,
    /// Where line B goes.
    pub to_b: Option<SocketAddr>,
    /// The local interface that multicast groups are reached over; unspecified lets the system choose.
    pub interface: Ipv4Addr,
    /// Where requests are listened for; port 0 lets the system choose.
    pub request_listen: SocketAddr,
    /// The session's name.
    pub session: SessionName,
    /// How fast.
    pub speed: Speed,
    /// What happened earlier in the day than this, in nanoseconds after midnight, is sent flat out: a whole day's file
    /// begins hours before the market opens.
    pub pace_from_ns: u64,
    /// Messages a second at most, whatever the speed.
    pub messages_per_sec_max: Option<u64>,
    /// Loses every Nth packet of line A on purpose, to try out recovery.
    pub drop_a: Option<u64>,
    /// The same for line B.
    pub drop_b: Option<u64>,
    /// Bytes of packets kept to answer requests.
    pub history_bytes: usize,
    /// How long end-of-session packets are repeated and requests answered after the last message.
    pub linger: Duration,
}

impl ServerConfig {
    /// Line A to `to_a` as recorded, requests at a port of the same host that the system chooses.
    pub fn new(to_a: SocketAddr) -> Self {
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Self {
            to_a,
            to_b: None,
            interface: Ipv4Addr::UNSPECIFIED,
            request_listen: any,
            session: SessionName(*b"TIDEGATE01"),
            speed: Speed::Times(1),
            pace_from_ns: 0,
            messages_per_sec_max: None,
            drop_a: None,
            drop_b: None,
            history_bytes: 256 * 1024 * 1024,
            linger: Duration::from_secs(2),
        }
    }
}

/// What a server has done, for whoever watches from another thread.
#[derive(Debug, Default)]
pub struct ServerStats {
    /// Messages sent.
    pub messages: AtomicU64,
    /// Packets sent on both lines.
    pub packets: AtomicU64,
    /// Packets lost on purpose.
    pub dropped: AtomicU64,
    /// Packets that the system did not take.
    pub send_errors: AtomicU64,
    /// Requests received.
    pub requests: AtomicU64,
    /// Messages repeated.
    pub repeated: AtomicU64,
    /// Requests that could not be answered.
    pub unanswered: AtomicU64,
    /// The file's time that has been reached, in nanoseconds after midnight.
    pub session_time_ns: AtomicU64,
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerOutcome {
    /// The whole file was played.
    EndOfFile {
        /// Messages of the file.
        messages: u64,
    },
    /// It was told to stop; the session was ended in order.
    Stopped {
        /// Messages played.
        messages: u64,
    },
}

/// A server whose sockets are open.
pub struct FeedServer {
    config: ServerConfig,
    socket: UdpSocket,
}

impl FeedServer {
    /// Opens the socket, which sends both lines, receives requests and answers them.
    ///
    /// # Errors
    /// [`Error::Socket`] names the address.
    pub fn bind(config: ServerConfig) -> Result<Self, Error> {
        let addr = config.request_listen;
        let open = || -> io::Result<UdpSocket> {
            let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
            socket.set_nonblocking(true)?;
            if addr.is_ipv4() && !config.interface.is_unspecified() {
                socket.set_multicast_if_v4(&config.interface)?;
            }
            socket.bind(&addr.into())?;
            Ok(socket.into())
        };
        let fail = |cause| Error::Socket { what: "listen for requests at", addr, cause };
        let socket = open().map_err(fail)?;
        Ok(Self { config, socket })
    }

    /// The address that requests are to be sent to.
    ///
    /// # Errors
    /// [`Error::Socket`] if the system does not know.
    pub fn request_addr(&self) -> Result<SocketAddr, Error> {
        let addr = self.config.request_listen;
        self.socket.local_addr().map_err(|cause| Error::Socket { what: "name", addr, cause })
    }

    /// Plays `file` to its end, or until `stop` is set; either way the session is ended in order.
    ///
    /// # Errors
    /// [`PlayError`] says what is wrong with the file: what came before was sent, and the session is not ended.
    pub fn run<R: Read>(
        self,
        file: &mut Reader<R>,
        stop: &AtomicBool,
        stats: &ServerStats,
    ) -> Result<ServerOutcome, PlayError> {
        let now = Instant::now();
        let Self { config, socket } = self;
        let mut player = Player {
            builder: PacketBuilder::new(config.session, 1),
            history: History::new(config.history_bytes),
            pace: Pace { start: now, first: None, delay: Duration::ZERO },
            sent_a: 0,
            sent_b: 0,
            last_sent: now,
            config,
            socket,
            stop,
            stats,
        };
        loop {
            match file.next_frame() {
                Ok(Some(frame)) if frame.message.len() > MESSAGE_LEN_MAX => {
                    let (offset, found) = (frame.offset, frame.message.len());
                    player.flush();
                    return Err(PlayError::TooLong { offset, message: file.messages(), found });
                }
                Ok(Some(frame)) => player.play(frame.message),
                Ok(None) => break,
                Err(error) => {
                    player.flush();
                    return Err(error.into());
                }
            }
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
        player.flush();
        let stopped = stop.load(Ordering::Relaxed);
        let messages = player.builder.next_sequence() - 1;
        player.end_session(stopped);
        Ok(if stopped {
            ServerOutcome::Stopped { messages }
        } else {
            ServerOutcome::EndOfFile { messages }
        })
    }
}

/// 60 bits of nanoseconds: far inside what an [`Instant`] takes.
fn nanos(ns: u64) -> Duration {
    Duration::from_nanos(ns.min(1 << 60))
}

/// When each message is due.
struct Pace {
    start: Instant,
    /// The first time that is played at speed, in nanoseconds after midnight, and when it was.
    first: Option<(u64, Instant)>,
    /// Rests taken when running flat out.
    delay: Duration,
}

struct Player<'a> {
    config: ServerConfig,
    socket: UdpSocket,
    builder: PacketBuilder,
    history: History,
    pace: Pace,
    /// Packets of each line, the lost ones included.
    sent_a: u64,
    sent_b: u64,
    last_sent: Instant,
    stop: &'a AtomicBool,
    stats: &'a ServerStats,
}

impl Player<'_> {
    fn play(&mut self, message: &[u8]) {
        let due = self.due(message);
        if Instant::now() < due {
            // What is due goes out; what comes later does not hold it up.
            self.flush();
            self.wait_until(due);
        }
        if !self.builder.push(message) {
            self.flush();
            self.answer_requests();
            // An empty packet takes any message that is not too long, and those are refused.
            let _ = self.builder.push(message);
        }
    }

    /// The moment a message is to be sent.
    fn due(&mut self, message: &[u8]) -> Instant {
        let time_ns = message
            .get(ITCH_HEADER_LEN - 6..ITCH_HEADER_LEN)
            .map(|bytes| bytes.iter().fold(0, |ns, &byte| (ns << 8) | u64::from(byte)));
        let mut due = self.pace.start;
        if let Some(time_ns) = time_ns {
            self.stats.session_time_ns.store(time_ns, Ordering::Relaxed);
            if let Speed::Times(times) = self.config.speed
                && time_ns >= self.config.pace_from_ns
            {
                if self.pace.first.is_none() {
                    self.pace.delay = Duration::ZERO;
                }
                let (first_ns, at) = *self.pace.first.get_or_insert((time_ns, Instant::now()));
                due = at + nanos(time_ns.saturating_sub(first_ns) / u64::from(times.max(1)));
            }
        }
        if let Some(rate) = self.config.messages_per_sec_max {
            let sent = self.builder.next_sequence() - 1;
            let at_rate = u128::from(sent) * 1_000_000_000 / u128::from(rate.max(1));
            due = due.max(self.pace.start + nanos(u64::try_from(at_rate).unwrap_or(u64::MAX)));
        }
        due + self.pace.delay
    }

    /// Answers requests and keeps the line alive until `due`.
    fn wait_until(&mut self, due: Instant) {
        loop {
            self.answer_requests();
            self.keep_alive();
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() || self.stop.load(Ordering::Relaxed) {
                return;
            }
            if wait < SPIN_BELOW {
                std::hint::spin_loop();
            } else {
                std::thread::sleep(wait.min(SLEEP_MAX));
            }
        }
    }

    /// Sends the packet that is being filled, if there is anything in it.
    fn flush(&mut self) {
        let count = u64::from(self.builder.count());
        let Some(packet) = self.builder.packet() else { return };
        self.history.keep(packet);
        self.sent_a += 1;
        let lost = self.config.drop_a.is_some_and(|n| self.sent_a.is_multiple_of(n.max(1)));
        transmit(&self.socket, self.config.to_a, packet, lost, self.stats);
        if let Some(to_b) = self.config.to_b {
            self.sent_b += 1;
            // Shifted by half a period, so that both lines lose different packets if their periods are equal.
            let lost =
                self.config.drop_b.is_some_and(|n| (self.sent_b + n / 2).is_multiple_of(n.max(1)));
            transmit(&self.socket, to_b, packet, lost, self.stats);
        }
        self.builder.advance();
        self.last_sent = Instant::now();
        self.stats.messages.fetch_add(count, Ordering::Relaxed);
    }

    fn keep_alive(&mut self) {
        if self.last_sent.elapsed() >= HEARTBEAT {
            self.send_both(&heartbeat(self.config.session, self.builder.next_sequence()));
        }
    }

    fn send_both(&mut self, packet: &[u8]) {
        for to in [Some(self.config.to_a), self.config.to_b].into_iter().flatten() {
            transmit(&self.socket, to, packet, false, self.stats);
        }
        self.last_sent = Instant::now();
    }

    fn answer_requests(&mut self) {
        let mut buffer = [0; REQUEST_BUFFER_LEN];
        for _ in 0..REQUESTS_BATCH {
            let (len, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                // Nobody listens on a line: that is not an error of a broadcaster.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            let Ok(request) = Request::parse(&buffer[..len]) else { continue };
            if request.session != self.config.session {
                continue;
            }
            self.stats.requests.fetch_add(1, Ordering::Relaxed);
            let (socket, stats) = (&self.socket, self.stats);
            let repeated = self.history.answer(request, ANSWER_PACKETS_MAX, |packet| {
                transmit(socket, from, packet, false, stats);
            });
            self.stats.repeated.fetch_add(repeated, Ordering::Relaxed);
            if repeated == 0 {
                self.stats.unanswered.fetch_add(1, Ordering::Relaxed);
            }
            if self.config.speed == Speed::FlatOut || self.pace.first.is_none() {
                let rested = self.pace.start.elapsed() + REST_AFTER_REQUEST;
                self.pace.delay = self.pace.delay.max(rested);
            }
        }
    }

    /// Says that the session is over, for as long as the configuration wants.
    fn end_session(&mut self, stopped: bool) {
        let packet = end_of_session(self.config.session, self.builder.next_sequence());
        let over = Instant::now() + self.config.linger;
        loop {
            self.send_both(&packet);
            let next = Instant::now() + END_REPEAT;
            while Instant::now() < next {
                self.answer_requests();
                std::thread::sleep(SLEEP_MAX);
            }
            let told_to_stop = !stopped && self.stop.load(Ordering::Relaxed);
            if Instant::now() >= over || told_to_stop {
                return;
            }
        }
    }
}

/// Sends a packet, or loses it on purpose.
fn transmit(socket: &UdpSocket, to: SocketAddr, packet: &[u8], lost: bool, stats: &ServerStats) {
    if lost {
        stats.dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    loop {
        match socket.send_to(packet, to) {
            Ok(_) => {
                stats.packets.fetch_add(1, Ordering::Relaxed);
                return;
            }
            // The send buffer is full: it empties by itself.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => {
                // ConnectionRefused and its like: a receiver may come later, and asks for what it missed.
                stats.send_errors.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}
