//! A client's session.

use crate::protocol::{
    self, Code, Head, Hello, Kind, MAGIC, NO_ACCOUNT, PACKET_LEN_MAX, Position, RECORDS_MAX,
    Refusal, TOKEN_LEN_MAX, VERSION, Welcome, reached_word,
};
use crate::socket;
use bytemuck::Zeroable;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};
use tidegate_model::command::{CancelOrder, MassCancel, NewOrder, PICTURE_WANTED, ReplaceOrder};
use tidegate_model::{
    Command, CommandRecord, EventRecord, InstrumentId, PrincipalId, PublicUpdate, ReleaseLevel,
    SeqNo, SessionId,
};
use tidegate_ring::broadcast::{Next, Reader};
use tidegate_ring::queue::{Receiver, Sender};
use tidegate_ring::{Access, Memory, MemoryError};

/// How long the server may take with each packet while a session begins.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks in vain at a ring before the clock is read: it takes as long as several of them.
const LOOKS_PER_TIME: u32 = 8;
/// Where nothing comes for that long, the socket is asked whether the server is still there.
const CHECK_EVERY: Duration = Duration::from_millis(50);
/// Rings and offsets that a server may name: far beyond what one has.
const RING_MAX: u32 = 1 << 24;

/// How to come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attach {
    /// The token, as for gRPC.
    pub token: String,
    /// The account whose events are heard beside those of one's own requests, and whose cash and positions are told at the start.
    pub account: Option<u32>,
    /// The last event that is known, to hear of those after it; without, the session begins with what happens from now on.
    pub after: Option<Position>,
    /// What events wait for; without, what the server's outputs do. Never less.
    pub level: Option<ReleaseLevel>,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShmError {
    /// Nobody listens at the path, or it cannot be reached.
    #[error("cannot reach the server at {}: {source}; is it running, and is this its door ([edge] door in its configuration)?", path.display())]
    Connect {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke, or the server took too long.
    #[error("the server did not let us in: {0}")]
    Io(#[from] io::Error),
    /// The server says no.
    #[error("the server refuses ({code:?}): {text}")]
    Refused {
        /// The kind of reason.
        code: Code,
        /// The reason.
        text: String,
    },
    /// The server speaks another version, or is no server of ours.
    #[error("what listens there does not speak this protocol: {0}")]
    Protocol(String),
    /// The memory cannot be mapped.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The token is longer than any.
    #[error("the token has {len} bytes, {TOKEN_LEN_MAX} are allowed")]
    Token {
        /// Its length.
        len: usize,
    },
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over ({code:?}): {text}; the last event heard is input {}, number {}", position.seq, position.ordinal)]
pub struct Ended {
    /// The kind of reason.
    pub code: Code,
    /// The reason.
    pub text: String,
    /// The last event that was heard: where to resume.
    pub position: Position,
}

/// A request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The ring has no room: the engine is held, or requests come faster than it takes them.
    #[error("the ring of orders is full; the request was not sent")]
    Full,
}

/// A session with an engine, over memory that both share. Dropping it ends it: orders that asked for it are canceled.
#[derive(Debug)]
pub struct Session {
    socket: OwnedFd,
    welcome: Welcome,
    level: ReleaseLevel,
    orders: Sender<CommandRecord>,
    events: Receiver<EventRecord>,
    public: Reader<PublicUpdate>,
    public_memory: Arc<Memory>,
    /// What was reached when last looked at.
    reached: SeqNo,
    /// Told before the ring: what is known, then what was missed.
    before: VecDeque<EventRecord>,
    /// Out of the ring, but not released yet.
    held: Option<EventRecord>,
    /// The last event told.
    position: Position,
    last_request: u64,
    looks: u32,
    checked: Instant,
}

/// A packet as it was received.
struct Packet {
    head: Head,
    body: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Packet {
    fn receive(socket: &OwnedFd) -> Result<Self, ShmError> {
        let mut buffer = vec![0; PACKET_LEN_MAX];
        let (len, fds) = socket::receive(socket, &mut buffer)?;
        if len == 0 {
            let gone = io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection");
            return Err(gone.into());
        }
        buffer.truncate(len);
        let bad = |why: String| ShmError::Protocol(why);
        if len < size_of::<Head>() {
            return Err(bad(format!("a packet of {len} bytes")));
        }
        let body = buffer.split_off(size_of::<Head>());
        let head: Head = bytemuck::pod_read_unaligned(&buffer);
        if head.magic != MAGIC {
            return Err(bad("its packets begin otherwise".into()));
        }
        if head.version != VERSION {
            return Err(bad(format!("it has version {}, we have {VERSION}", head.version)));
        }
        Ok(Self { head, body, fds })
    }

    fn read<T: bytemuck::Pod>(&self) -> Result<T, ShmError> {
        let len = self.body.len();
        bytemuck::try_pod_read_unaligned(&self.body).map_err(|_| {
            ShmError::Protocol(format!("a packet of kind {} with {len} bytes", self.head.kind))
        })
    }

    fn records(&self) -> Result<impl Iterator<Item = EventRecord>, ShmError> {
        let (records, rest) = self.body.as_chunks::<{ size_of::<EventRecord>() }>();
        if !rest.is_empty()
            || records.len() != self.head.count as usize
            || records.len() > RECORDS_MAX
        {
            return Err(ShmError::Protocol("records that are none".into()));
        }
        Ok(records.iter().map(|bytes| bytemuck::pod_read_unaligned(bytes)))
    }
}

impl Session {
    /// Comes in at the door at `path`. It waits for the server, seconds at most for each packet.
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn attach(path: &Path, attach: &Attach) -> Result<Self, ShmError> {
        let connect = |source| ShmError::Connect { path: path.to_path_buf(), source };
        let socket = socket::connect_to(path).map_err(connect)?;
        socket::set_timeouts(&socket, PATIENCE)?;
        let mut hello = Hello {
            after: attach.after.unwrap_or_default(),
            account: attach.account.unwrap_or(NO_ACCOUNT),
            level: attach.level.map_or(0, |level| level.wire().into()),
            resumes: attach.after.is_some().into(),
            token_len: attach.token.len() as u32,
            ..Hello::zeroed()
        };
        let Some(token) = hello.token.get_mut(..attach.token.len()) else {
            return Err(ShmError::Token { len: attach.token.len() });
        };
        token.copy_from_slice(attach.token.as_bytes());
        let head = Head::new(Kind::Hello, 0);
        socket::send(&socket, &[bytemuck::bytes_of(&head), bytemuck::bytes_of(&hello)], &[])?;

        let packet = Packet::receive(&socket)?;
        let welcome: Welcome = match Kind::from_wire(packet.head.kind) {
            Some(Kind::Welcome) => packet.read()?,
            Some(Kind::Refused) => return Err(refused(&packet)?),
            _ => return Err(ShmError::Protocol(format!("it begins with {}", packet.head.kind))),
        };
        let Ok([public, own]) = <[OwnedFd; 2]>::try_from(packet.fds) else {
            return Err(ShmError::Protocol("it gives no memory".into()));
        };
        let public = Arc::new(Memory::open(&public, Access::Read)?);
        let own = Arc::new(Memory::open(&own, Access::ReadWrite)?);
        check(&welcome, &public, &own).map_err(|what| ShmError::Protocol(what.into()))?;
        let level = u8::try_from(welcome.level).ok().and_then(ReleaseLevel::from_wire);
        let level = level.ok_or_else(|| ShmError::Protocol("a level that is none".into()))?;
        let mut before = VecDeque::new();
        loop {
            let packet = Packet::receive(&socket)?;
            match Kind::from_wire(packet.head.kind) {
                Some(Kind::Known | Kind::Missed) => before.extend(packet.records()?),
                Some(Kind::Begin) => break,
                Some(Kind::Refused | Kind::Ended) => return Err(refused(&packet)?),
                _ => {
                    return Err(ShmError::Protocol(format!(
                        "it goes on with {}",
                        packet.head.kind
                    )));
                }
            }
        }
        let capacity = |capacity: u32| capacity as usize;
        let mut session = Self {
            orders: Sender::new(Arc::clone(&own), 0, capacity(welcome.orders_capacity)),
            events: Receiver::new(
                own,
                welcome.events_at as usize,
                capacity(welcome.events_capacity),
            ),
            public: Reader::new(
                Arc::clone(&public),
                welcome.public_at as usize,
                capacity(welcome.public_capacity),
            ),
            public_memory: public,
            socket,
            level,
            reached: SeqNo::ZERO,
            before,
            held: None,
            position: attach.after.unwrap_or_default(),
            last_request: 0,
            looks: 0,
            checked: Instant::now(),
            welcome,
        };
        session.public.skip_to_end();
        Ok(session)
    }

    /// The session's number: events of its requests carry it.
    pub fn session(&self) -> SessionId {
        SessionId(self.welcome.session)
    }

    /// Whom the engine takes its requests for.
    pub fn principal(&self) -> PrincipalId {
        PrincipalId(self.welcome.principal)
    }

    /// What its events wait for.
    pub fn level(&self) -> ReleaseLevel {
        self.level
    }

    /// The last event that was told: where to resume.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Sends a request, and says the number under which it is answered. What no session may send ends the session.
    ///
    /// # Errors
    /// [`SendError`]: nothing was sent.
    #[inline]
    pub fn send(&mut self, command: Command) -> Result<u64, SendError> {
        let request_id = self.last_request + 1;
        let record = CommandRecord { request_id, ..CommandRecord::new(command) };
        self.orders.push(&record).map_err(|_| SendError::Full)?;
        self.last_request = request_id;
        Ok(request_id)
    }

    /// Sends requests that belong together, all or none: a list and its legs, a parent order and how it is worked. They have one
    /// number.
    ///
    /// # Errors
    /// [`SendError`]: nothing was sent.
    pub fn send_together(&mut self, commands: &[Command]) -> Result<u64, SendError> {
        if !self.orders.has_room(commands.len() as u64) {
            return Err(SendError::Full);
        }
        let request_id = self.last_request + 1;
        for command in commands {
            let record = CommandRecord { request_id, ..CommandRecord::new(*command) };
            self.orders.push(&record).map_err(|_| SendError::Full)?;
        }
        self.last_request = request_id;
        Ok(request_id)
    }

    /// Sends a new order.
    ///
    /// # Errors
    /// As [`Self::send`].
    #[inline]
    pub fn submit(&mut self, order: NewOrder) -> Result<u64, SendError> {
        self.send(Command::NewOrder(order))
    }

    /// Asks for the end of an order.
    ///
    /// # Errors
    /// As [`Self::send`].
    #[inline]
    pub fn cancel(&mut self, cancel: CancelOrder) -> Result<u64, SendError> {
        self.send(Command::CancelOrder(cancel))
    }

    /// Asks for other terms of an order.
    ///
    /// # Errors
    /// As [`Self::send`].
    #[inline]
    pub fn replace(&mut self, replace: ReplaceOrder) -> Result<u64, SendError> {
        self.send(Command::ReplaceOrder(replace))
    }

    /// Asks for the end of many orders.
    ///
    /// # Errors
    /// As [`Self::send`].
    #[inline]
    pub fn mass_cancel(&mut self, scope: MassCancel) -> Result<u64, SendError> {
        self.send(Command::MassCancel(scope))
    }

    /// Asks for a whole picture of a book on the broadcast: everyone sees it.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn ask_picture(&mut self, instrument: InstrumentId) -> Result<(), SendError> {
        let mut record = CommandRecord { kind: PICTURE_WANTED, ..CommandRecord::zeroed() };
        record.body[..4].copy_from_slice(&instrument.0.to_le_bytes());
        self.orders.push(&record).map_err(|_| SendError::Full)
    }

    /// The next event, if there is one: first how things stand, then what was missed, then what happens.
    ///
    /// # Errors
    /// [`Ended`], once everything that was told before is taken.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<EventRecord>, Ended> {
        if let Some(record) = self.before.pop_front() {
            self.position = self.position.max(Position::of(&record));
            return Ok(Some(record));
        }
        loop {
            let Some(record) = self.held.take().or_else(|| self.events.pop()) else {
                return self.nothing_there().map(|()| None);
            };
            if Position::of(&record) <= self.welcome.position {
                // It was known, or missed.
                continue;
            }
            if !self.is_released(record.seq) {
                self.held = Some(record);
                return self.nothing_there().map(|()| None);
            }
            self.position = Position::of(&record);
            return Ok(Some(record));
        }
    }

    /// The next public update. What came before the session began is not told; [`Self::ask_picture`] asks for how a book stands.
    ///
    /// # Errors
    /// [`Ended`].
    #[inline]
    pub fn next_public(&mut self) -> Result<Next<PublicUpdate>, Ended> {
        let (memory, level, reached) = (&self.public_memory, self.level, &mut self.reached);
        let next = self.public.next_if(|update| is_released(memory, level, reached, update.seq));
        if matches!(next, Next::Empty) {
            self.nothing_there()?;
        }
        Ok(next)
    }

    /// Whether the server is still there; asks the system, so not for the path. [`Self::next_event`] and [`Self::next_public`] ask
    /// when they have looked in vain for long.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn check(&mut self) -> Result<(), Ended> {
        self.checked = Instant::now();
        let ended = |code, text: &str, position| Ended { code, text: text.into(), position };
        match socket::is_readable(self.socket.as_fd(), Duration::ZERO) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(ended(Code::Unavailable, &error.to_string(), self.position)),
        }
        if !self.events.is_empty() || !self.before.is_empty() {
            // First everything that was told.
            return Ok(());
        }
        let refusal = Packet::receive(&self.socket).ok().filter(|packet| {
            matches!(Kind::from_wire(packet.head.kind), Some(Kind::Ended | Kind::Refused))
        });
        match refusal.and_then(|packet| packet.read::<Refusal>().ok()) {
            Some(why) => Err(ended(Code::from_wire(why.code), &why.text(), self.position)),
            None => Err(ended(Code::Unavailable, "the server is gone", self.position)),
        }
    }

    #[inline]
    fn nothing_there(&mut self) -> Result<(), Ended> {
        self.looks += 1;
        if self.looks < LOOKS_PER_TIME {
            return Ok(());
        }
        self.looks = 0;
        if self.checked.elapsed() < CHECK_EVERY { Ok(()) } else { self.check() }
    }

    #[inline]
    fn is_released(&mut self, seq: SeqNo) -> bool {
        is_released(&self.public_memory, self.level, &mut self.reached, seq)
    }
}

/// True if `level` holds for input `seq`; asks the memory only if what is known does not say so.
#[inline]
fn is_released(memory: &Memory, level: ReleaseLevel, reached: &mut SeqNo, seq: SeqNo) -> bool {
    if seq > *reached {
        *reached = SeqNo(memory.words()[reached_word(level)].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
    }
    seq <= *reached
}

fn refused(packet: &Packet) -> Result<ShmError, ShmError> {
    let refusal: Refusal = packet.read()?;
    Ok(ShmError::Refused { code: Code::from_wire(refusal.code), text: refusal.text() })
}

/// Whether rings of these sizes lie in memory of these lengths.
fn check(welcome: &Welcome, public: &Memory, own: &Memory) -> Result<(), &'static str> {
    let is_ring = |capacity: u32| capacity.is_power_of_two() && capacity <= RING_MAX;
    let capacities = [welcome.public_capacity, welcome.orders_capacity, welcome.events_capacity];
    if !capacities.into_iter().all(is_ring) {
        return Err("a ring of an impossible size");
    }
    let (public_at, events_at) = (welcome.public_at as usize, welcome.events_at as usize);
    let orders = welcome.orders_capacity as usize;
    let len = |capacity: u32| capacity as usize;
    let public_len = tidegate_ring::broadcast::len::<PublicUpdate>(len(welcome.public_capacity));
    let events_len = tidegate_ring::queue::len::<EventRecord>(len(welcome.events_capacity));
    let fits = public_at >= protocol::REACHED_AT + 64
        && public_at.is_multiple_of(64)
        && public_at + public_len <= public.len()
        && events_at >= protocol::events_at(orders)
        && events_at.is_multiple_of(64)
        && events_at + events_len <= own.len();
    if fits { Ok(()) } else { Err("a ring beyond its memory") }
}
