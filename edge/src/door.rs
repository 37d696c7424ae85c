//! The door: lets processes in that share memory with the engine, and out again.
//!
//! One thread takes connections; each session has a thread that brings it in and then waits for its end, which is the end of its
//! socket. What goes over the socket is in [`tidegate_shm::protocol`]; orders and events never pass here.

use crate::clients::Open;
use crate::error::EdgeError;
use crate::link::{EventPosition, Release, Usher};
use crate::service::Shared;
use crate::sync::{lock, read};
use crate::view::View;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_engine::broadcast::{BROADCAST_AT, BROADCAST_CAPACITY, Shared as Public};
use tidegate_engine::runtime::seats::{
    EVENTS_CAPACITY, ORDERS_CAPACITY, SEATS_MAX, Seat, SeatEnd, SeatStatus,
};
use tidegate_model::{
    AccountId, Event, EventRecord, PrincipalId, ReleaseLevel, SeqNo, SessionId, UnixNanos,
};
use tidegate_ring::queue::{Receiver, Sender};
use tidegate_ring::{Access, Memory};
use tidegate_shm::protocol::{
    self, Code, Head, Hello, Kind, MAGIC, NO_ACCOUNT, Position, RECORDS_MAX, Refusal, VERSION,
    Welcome, reached_word,
};
use tidegate_shm::socket;

/// Connections that are served at one time: sessions, those that are coming in, and those that are refused.
const CONNECTIONS_MAX: usize = SEATS_MAX + 16;
/// How long a client may take with a packet, and the engine or the event log with what is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a waiting thread looks for what nothing wakes it for.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The same while a session comes in or goes.
const LOOK_SOON: Duration = Duration::from_millis(1);

/// An open door.
pub(crate) struct Door {
    listener: OwnedFd,
    house: Arc<House>,
}

/// What all sessions need.
struct House {
    path: PathBuf,
    shared: Arc<Shared>,
    usher: Mutex<Usher>,
    public: Arc<Public>,
    /// Seats that are taken, until the engine has given them back.
    taken: AtomicUsize,
    connections: AtomicUsize,
}

/// Why a session does not begin, or ends.
struct Reason {
    code: Code,
    text: String,
}

impl Reason {
    fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Self::new(Code::Protocol, format!("the connection failed: {error}"))
    }
}

fn unavailable(text: &str) -> Reason {
    Reason::new(Code::Unavailable, text)
}

impl Door {
    /// Listens at `path`. What a server that was killed left there is removed.
    pub fn open(
        path: PathBuf,
        shared: Arc<Shared>,
        usher: Usher,
        public: Arc<Public>,
    ) -> Result<Self, EdgeError> {
        let failed = |source| EdgeError::Door { path: path.clone(), source };
        clear(&path).map_err(failed)?;
        let listener = socket::listen_at(&path).map_err(failed)?;
        tell_reached(&shared.release, &public);
        let (usher, taken) = (Mutex::new(usher), AtomicUsize::new(0));
        let connections = AtomicUsize::new(0);
        tracing::info!(path = %path.display(), "the door for shared memory is open");
        let house = Arc::new(House { path, shared, usher, public, taken, connections });
        Ok(Self { listener, house })
    }

    /// Serves until `stop`, on a thread of its own.
    pub fn spawn(self, stop: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("edge-door".into()).spawn(move || {
            let mut sessions: Vec<JoinHandle<()>> = Vec::new();
            while !stop.load(Ordering::Acquire) {
                match socket::accept_within(&self.listener, LOOK_EVERY) {
                    Ok(Some(connection)) => self.house.receive(connection, &stop, &mut sessions),
                    Ok(None) => {}
                    Err(error) => {
                        // Mostly a lack of file handles, which only time mends.
                        tracing::warn!(%error, "the door cannot take a connection");
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
                sessions.retain(|session| !session.is_finished());
            }
            let _ = std::fs::remove_file(&self.house.path);
            for session in sessions {
                if session.join().is_err() {
                    tracing::error!("a session's thread at the door had panicked");
                }
            }
        })
    }
}

/// Removes a socket that nobody listens at any more.
fn clear(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is there"))
        }
        Ok(_) => match socket::connect_to(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)
            }
            _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")),
        },
    }
}

/// Keeps the words of the public memory that say what each level has reached.
fn tell_reached(release: &Arc<Release>, public: &Arc<Public>) {
    let (weak, memory) = (Arc::downgrade(release), Arc::clone(&public.memory));
    let tell = move || {
        let Some(release) = weak.upgrade() else { return };
        for level in ReleaseLevel::ALL {
            let (word, reached) = (&memory.words()[reached_word(*level)], release.reached(*level));
            if release.is_stopped() {
                word.store(reached.0, Ordering::Release);
            } else {
                // Two may tell at one time: the later one stays.
                word.fetch_max(reached.0, Ordering::AcqRel);
            }
        }
    };
    tell();
    release.on_advance(tell);
}

impl House {
    fn receive(
        self: &Arc<Self>,
        connection: OwnedFd,
        stop: &Arc<AtomicBool>,
        sessions: &mut Vec<JoinHandle<()>>,
    ) {
        if self.connections.load(Ordering::Acquire) >= CONNECTIONS_MAX {
            tracing::warn!(max = CONNECTIONS_MAX, "too many come to the door; one is turned away");
            let text =
                format!("{CONNECTIONS_MAX} are at the door already; try again in some seconds");
            let reason = Reason::new(Code::Exhausted, text);
            tell_end(&connection, Kind::Refused, &reason, EventPosition::default());
            return;
        }
        self.connections.fetch_add(1, Ordering::AcqRel);
        let (house, stop) = (Arc::clone(self), Arc::clone(stop));
        let serve = move || {
            house.serve(&connection, &stop);
            house.connections.fetch_sub(1, Ordering::AcqRel);
        };
        match std::thread::Builder::new().name("edge-door-shm".into()).spawn(serve) {
            Ok(thread) => sessions.push(thread),
            Err(error) => {
                self.connections.fetch_sub(1, Ordering::AcqRel);
                tracing::warn!(%error, "no thread for a session at the door");
            }
        }
    }

    /// One connection, from its first packet to its end.
    fn serve(&self, connection: &OwnedFd, stop: &AtomicBool) {
        let entered = socket::set_timeouts(connection, PATIENCE)
            .map_err(Reason::from)
            .and_then(|()| self.enter(connection, stop));
        let (guest, reason) = match entered {
            Err(reason) => {
                tracing::info!(code = ?reason.code, reason = reason.text, "refused at the door");
                tell_end(connection, Kind::Refused, &reason, EventPosition::default());
                return;
            }
            Ok(guest) => {
                let reason = self.bring_in(connection, &guest, stop).err();
                let reason = reason.unwrap_or_else(|| self.stay(connection, &guest, stop));
                (guest, reason)
            }
        };
        let (session, code) = (guest.session.0, reason.code);
        tracing::info!(session, ?code, reason = reason.text, "session over shared memory ends");
        let at = read(&self.shared.view).as_of;
        tell_end(connection, Kind::Ended, &reason, at);
        self.leave(&guest);
    }

    /// From the first packet to a seat at the engine.
    fn enter(&self, connection: &OwnedFd, stop: &AtomicBool) -> Result<Guest, Reason> {
        let hello = read_hello(connection)?;
        let token = hello.token.get(..hello.token_len as usize).unwrap_or_default();
        let (entry, client) = self.shared.auth.known(token).ok_or_else(|| {
            Reason::new(Code::Unauthenticated, "unknown token (edge.tokens in the configuration)")
        })?;
        let level = self.level(hello.level)?;
        let account = self.account(hello.account)?;
        if !self.shared.status.alive.load(Ordering::Acquire) {
            return Err(unavailable("the engine is not running"));
        }
        self.reap();
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
            (taken < SEATS_MAX).then_some(taken + 1)
        });
        if taken.is_err() {
            return Err(Reason::new(
                Code::Exhausted,
                format!("all {SEATS_MAX} seats are taken; end a session first"),
            ));
        }
        let session = self.shared.next_session();
        self.shared.latency.seated(session);
        let after = EventPosition { seq: SeqNo(hello.after.seq), ordinal: hello.after.ordinal };
        let after = (hello.resumes != 0).then_some(after);
        let principal = entry.principal;
        tracing::info!(
            session = session.0,
            principal = principal.0,
            name = entry.name,
            "session over shared memory"
        );
        match self.seat(session, principal, account, stop) {
            Ok((memory, status)) => {
                let _open = client.open_seat();
                Ok(Guest { session, principal, account, level, after, memory, status, _open })
            }
            Err(reason) => {
                self.shared.latency.unseated(session);
                self.taken.fetch_sub(1, Ordering::AcqRel);
                Err(reason)
            }
        }
    }

    /// Makes a session's memory and gives the engine its ends.
    fn seat(
        &self,
        session: SessionId,
        principal: PrincipalId,
        account: Option<AccountId>,
        stop: &AtomicBool,
    ) -> Result<(OwnedFd, Arc<SeatStatus>), Reason> {
        let len = protocol::session_len(ORDERS_CAPACITY, EVENTS_CAPACITY);
        let (memory, fd) = Memory::shared("tidegate-session", len, Access::ReadWrite)
            .map_err(|error| unavailable(&error.to_string()))?;
        let memory = Arc::new(memory);
        let status = Arc::<SeatStatus>::default();
        let events_at = protocol::events_at(ORDERS_CAPACITY);
        let mut seat = Seat {
            session,
            principal,
            account,
            orders: Receiver::new(Arc::clone(&memory), 0, ORDERS_CAPACITY),
            events: Sender::new(memory, events_at, EVENTS_CAPACITY),
            status: Arc::clone(&status),
        };
        let until = Instant::now() + PATIENCE;
        loop {
            match lock(&self.usher).open(seat) {
                Ok(()) => return Ok((fd, status)),
                Err(back) => seat = back,
            }
            if Instant::now() >= until || stop.load(Ordering::Acquire) {
                return Err(unavailable("the engine takes nobody now"));
            }
            std::thread::sleep(LOOK_SOON);
        }
    }

    fn level(&self, asked: u32) -> Result<ReleaseLevel, Reason> {
        let least = self.shared.release.level();
        if asked == 0 {
            return Ok(least);
        }
        let asked = u8::try_from(asked).ok().and_then(ReleaseLevel::from_wire);
        let Some(asked) = asked else {
            return Err(Reason::new(Code::Protocol, "the release level is none"));
        };
        if !self.shared.release.offers(asked) {
            let text = format!("{asked} waits for followers, and none is configured here");
            return Err(Reason::new(Code::Precondition, text));
        }
        Ok(least.union(asked))
    }

    fn account(&self, asked: u32) -> Result<Option<AccountId>, Reason> {
        if asked == NO_ACCOUNT {
            return Ok(None);
        }
        let account = AccountId(asked);
        if account.index() >= AccountId::COUNT_MAX {
            let max = AccountId::COUNT_MAX - 1;
            let text = format!("account {asked} is out of range: 0 to {max}");
            return Err(Reason::new(Code::Precondition, text));
        }
        Ok(Some(account))
    }

    /// Tells a session how things stand and what it missed, and gives it its memory.
    fn bring_in(
        &self,
        connection: &OwnedFd,
        guest: &Guest,
        stop: &AtomicBool,
    ) -> Result<(), Reason> {
        let began = self.wait(stop, || guest.status.began())?;
        let reaches = || (self.shared.followed.borrow().position >= began).then_some(());
        self.wait(stop, reaches)?;
        let (known, position) = {
            let view = read(&self.shared.view);
            (known(&view, guest.account), view.as_of)
        };
        // What it is told has waited for the level that it asked for, as what it will hear.
        let release = &self.shared.release;
        if guest.level.is_synced() {
            release.want_synced(position.seq);
        }
        self.wait(stop, || (release.reached(guest.level) >= position.seq).then_some(()))?;
        let welcome = Welcome {
            position: Position::new(position.seq.0, position.ordinal),
            session: guest.session.0,
            principal: guest.principal.0,
            level: guest.level.wire().into(),
            public_at: BROADCAST_AT as u32,
            public_capacity: BROADCAST_CAPACITY as u32,
            orders_capacity: ORDERS_CAPACITY as u32,
            events_at: protocol::events_at(ORDERS_CAPACITY) as u32,
            events_capacity: EVENTS_CAPACITY as u32,
        };
        let head = Head::new(Kind::Welcome, 0);
        socket::send(
            connection,
            &[bytemuck::bytes_of(&head), bytemuck::bytes_of(&welcome)],
            &[self.public.fd.as_fd(), guest.memory.as_fd()],
        )?;
        for records in known.chunks(RECORDS_MAX) {
            send_records(connection, Kind::Known, records)?;
        }
        if let Some(after) = guest.after {
            self.send_missed(connection, guest, after, position, stop)?;
        }
        let head = Head::new(Kind::Begin, 0);
        let parts = [bytemuck::bytes_of(&head), bytemuck::bytes_of(&welcome.position)];
        Ok(socket::send(connection, &parts, &[])?)
    }

    /// Events of the session's account after `after` and up to `until`, out of the event log; of a session without an account those of
    /// its principal.
    fn send_missed(
        &self,
        connection: &OwnedFd,
        guest: &Guest,
        after: EventPosition,
        until: EventPosition,
        stop: &AtomicBool,
    ) -> Result<(), Reason> {
        let failed = |error| unavailable(&format!("the event log cannot be read: {error}"));
        let mut cursor = self.shared.log.cursor(after).map_err(failed)?;
        let mut records = Vec::with_capacity(RECORDS_MAX);
        while let Some(record) = cursor.next().map_err(failed)? {
            if (EventPosition { seq: record.seq, ordinal: record.ordinal }) > until {
                break;
            }
            let is_own = match guest.account {
                Some(account) => account == record.account,
                None => guest.principal == record.principal,
            };
            if is_own {
                records.push(record);
            }
            if records.len() == RECORDS_MAX {
                // Whoever reads slowly holds up nobody's end but his own.
                if self.is_over(stop) {
                    return Err(unavailable("the server is shutting down"));
                }
                send_records(connection, Kind::Missed, &records)?;
                records.clear();
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        Ok(send_records(connection, Kind::Missed, &records)?)
    }

    fn wait<T>(&self, stop: &AtomicBool, found: impl Fn() -> Option<T>) -> Result<T, Reason> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return Ok(found);
            }
            if self.is_over(stop) {
                return Err(unavailable("the server is shutting down"));
            }
            if Instant::now() >= until {
                return Err(unavailable("the engine is held, or nothing is released now"));
            }
            std::thread::sleep(LOOK_SOON);
        }
    }

    fn is_over(&self, stop: &AtomicBool) -> bool {
        stop.load(Ordering::Acquire)
            || *self.shared.shutdown.borrow()
            || !self.shared.status.alive.load(Ordering::Acquire)
    }

    /// Waits for the end of a session.
    fn stay(&self, connection: &OwnedFd, guest: &Guest, stop: &AtomicBool) -> Reason {
        loop {
            match socket::is_readable(connection.as_fd(), LOOK_EVERY) {
                // Its end, or something that no session sends: the end either way.
                Ok(true) => return Reason::new(Code::Protocol, "the client ended it"),
                Ok(false) => {}
                Err(error) => return error.into(),
            }
            match guest.status.end() {
                None => {}
                Some(SeatEnd::Behind) => {
                    let text = format!(
                        "{EVENTS_CAPACITY} events waited in the ring and more came; come in again and resume after the last event heard"
                    );
                    return Reason::new(Code::Behind, text);
                }
                Some(SeatEnd::Garbage { kind }) => {
                    let text = format!("a request of kind {kind}, which no session may send");
                    return Reason::new(Code::Garbage, text);
                }
            }
            if let Some(why) = self.shared.release.stopped() {
                return unavailable(&format!("nothing is released any more ({why})"));
            }
            if self.is_over(stop) {
                return unavailable("the server is shutting down; come in again when it is back");
            }
        }
    }

    /// The engine gives up the seat, and its memory is freed.
    fn leave(&self, guest: &Guest) {
        self.shared.latency.unseated(guest.session);
        let mut is_asked = false;
        let until = Instant::now() + PATIENCE;
        while !guest.status.has_left() && Instant::now() < until {
            let mut usher = lock(&self.usher);
            is_asked = is_asked || usher.close(guest.session);
            if usher.is_closed() {
                return;
            }
            drop(usher);
            std::thread::sleep(LOOK_SOON);
        }
        self.reap();
    }

    /// Takes back the seats that the engine has given up: of whoever leaves, and of those for whom it took too long.
    fn reap(&self) {
        while lock(&self.usher).take_gone().is_some() {
            self.taken.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// A session at the door.
struct Guest {
    session: SessionId,
    principal: PrincipalId,
    account: Option<AccountId>,
    level: ReleaseLevel,
    after: Option<EventPosition>,
    memory: OwnedFd,
    status: Arc<SeatStatus>,
    /// Counts the session for as long as it lives.
    _open: Open,
}

fn read_hello(connection: &OwnedFd) -> Result<Hello, Reason> {
    let mut buffer = [0; size_of::<Head>() + size_of::<Hello>()];
    let (len, _) = socket::receive(connection, &mut buffer)?;
    let protocol = |text: String| Reason::new(Code::Protocol, text);
    if len < size_of::<Head>() {
        return Err(protocol(format!("a packet of {len} bytes")));
    }
    let (head, body) = buffer.split_at(size_of::<Head>());
    let head: Head = bytemuck::pod_read_unaligned(head);
    if head.magic != MAGIC || Kind::from_wire(head.kind) != Some(Kind::Hello) {
        return Err(protocol("the first packet is no hello".into()));
    }
    if head.version != VERSION {
        let version = head.version;
        return Err(protocol(format!("version {version} is asked for, this is {VERSION}")));
    }
    if len != buffer.len() {
        return Err(protocol(format!("a hello of {len} bytes, {} are needed", buffer.len())));
    }
    Ok(bytemuck::pod_read_unaligned(body))
}

fn send_records(connection: &OwnedFd, kind: Kind, records: &[EventRecord]) -> io::Result<()> {
    let head = Head::new(kind, records.len());
    socket::send(connection, &[bytemuck::bytes_of(&head), bytemuck::cast_slice(records)], &[])
}

/// Says why it ends, as far as the other side still listens.
fn tell_end(connection: &OwnedFd, kind: Kind, reason: &Reason, at: EventPosition) {
    let position = Position::new(at.seq.0, at.ordinal);
    let refusal = Refusal::new(reason.code, &reason.text, position);
    let head = Head::new(kind, 0);
    let _ =
        socket::send(connection, &[bytemuck::bytes_of(&head), bytemuck::bytes_of(&refusal)], &[]);
}

/// How things stand: every instrument, and cash and positions of the account.
fn known(view: &View, account: Option<AccountId>) -> Vec<EventRecord> {
    let record = |account, instrument, event: &Event| {
        let mut record = EventRecord::new(event);
        (record.account, record.instrument) = (account, instrument);
        (record.seq, record.ordinal) = (view.as_of.seq, view.as_of.ordinal);
        record.ts = UnixNanos::ZERO;
        record
    };
    let mut known: Vec<_> = view
        .instruments()
        .map(|(id, terms)| record(AccountId::NONE, id, &Event::Instrument(**terms)))
        .collect();
    let Some(account) = account else { return known };
    if let Some(cash) = view.accounts.get(&account) {
        let none = tidegate_model::InstrumentId::NONE;
        known.extend(cash.currencies().map(|cash| record(account, none, &Event::Account(*cash))));
    }
    let range = (account, tidegate_model::InstrumentId(0))..;
    let positions = view.positions.range(range).take_while(|((of, _), _)| *of == account);
    known.extend(
        positions.map(|((_, id), position)| record(account, *id, &Event::Position(*position))),
    );
    known
}
