//! What goes over the socket, and where everything lies in the memory.
//!
//! Packets are little-endian, as they lie in memory: a [`Head`], then what its kind says. The client sends a [`Hello`] and nothing
//! more; closing the socket ends the session. The server answers with a [`Refusal`], or with a [`Welcome`] and two descriptors
//! (public data, the session's own memory), then with what is known ([`Kind::Known`]), what was missed ([`Kind::Missed`]), and
//! [`Kind::Begin`]. From then on everything is in the rings; the server says only why it ends, if it does.
//!
//! ```text
//! public memory (read only)                         session memory
//! byte     0  reserved                              byte     0  orders: queue of CommandRecord
//!         64  reached: one u64 a release level      events_at   events: queue of EventRecord
//!  public_at  broadcast of PublicUpdate
//! ```
//!
//! The rings are those of [`tidegate_ring`], whose head says how they are read and written. What a record is stands in
//! `tidegate_model`: [`CommandRecord`], [`EventRecord`], [`PublicUpdate`].
//!
//! A record may be in the memory before its input has reached the release level of the session. Whoever reads does not look at
//! it before `reached` says so: what is not released may be lost in a crash, and was never said.

use bytemuck::{Pod, Zeroable};
use tidegate_model::{CommandRecord, EventRecord, PublicUpdate, ReleaseLevel};

/// What every packet begins with.
pub const MAGIC: u32 = u32::from_le_bytes(*b"tgsm");
/// The version of this protocol, of the rings and of the records in them.
pub const VERSION: u32 = 1;
/// Bytes of a token at most.
pub const TOKEN_LEN_MAX: usize = 512;
/// Records of one packet at most.
pub const RECORDS_MAX: usize = 64;
/// Bytes of a packet at most.
pub const PACKET_LEN_MAX: usize = size_of::<Head>() + RECORDS_MAX * size_of::<EventRecord>();
/// Bytes of a text at most.
pub const TEXT_LEN_MAX: usize = 400;
/// Where the public memory says what each release level has reached: see [`reached_word`].
pub const REACHED_AT: usize = 64;
/// No account.
pub const NO_ACCOUNT: u32 = u32::MAX;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// [`Hello`].
    Hello = 1,
    /// [`Refusal`]: there is no session.
    Refused = 2,
    /// [`Welcome`], with two descriptors.
    Welcome = 3,
    /// [`EventRecord`]s of how things stand: instruments, and of the session's account cash and positions.
    Known = 4,
    /// [`EventRecord`]s that were told after the position that the client gave.
    Missed = 5,
    /// [`Position`]: everything up to it was sent; what the ring has of it is to be passed over.
    Begin = 6,
    /// [`Refusal`]: the session is over.
    Ended = 7,
}

impl Kind {
    /// The kind with this number.
    pub const fn from_wire(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Refused,
            3 => Self::Welcome,
            4 => Self::Known,
            5 => Self::Missed,
            6 => Self::Begin,
            7 => Self::Ended,
            _ => return None,
        })
    }
}

/// Why there is no session, or no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// The client speaks another version, or nonsense.
    Protocol = 1,
    /// The token is unknown.
    Unauthenticated = 2,
    /// All seats are taken, or the engine takes nobody now.
    Exhausted = 3,
    /// What was asked for cannot be had here.
    Precondition = 4,
    /// The session's ring of events was full.
    Behind = 5,
    /// The session wrote what no session may.
    Garbage = 6,
    /// The server stops, or releases nothing any more.
    Unavailable = 7,
}

impl Code {
    /// The code with this number; one that is not known is [`Code::Unavailable`].
    pub const fn from_wire(number: u32) -> Self {
        match number {
            1 => Self::Protocol,
            2 => Self::Unauthenticated,
            3 => Self::Exhausted,
            4 => Self::Precondition,
            5 => Self::Behind,
            6 => Self::Garbage,
            _ => Self::Unavailable,
        }
    }
}

/// In front of every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Head {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// A [`Kind`].
    pub kind: u32,
    /// Records that follow, or 0.
    pub count: u32,
}

impl Head {
    /// The head of a packet with `count` records.
    pub const fn new(kind: Kind, count: usize) -> Self {
        Self { magic: MAGIC, version: VERSION, kind: kind as u32, count: count as u32 }
    }
}

/// A place among all events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Pod, Zeroable)]
#[repr(C)]
pub struct Position {
    /// The input.
    pub seq: u64,
    /// The event's place among those of the input.
    pub ordinal: u32,
    /// Zero.
    pub reserved: u32,
}

impl Position {
    /// Event `ordinal` of input `seq`.
    pub const fn new(seq: u64, ordinal: u32) -> Self {
        Self { seq, ordinal, reserved: 0 }
    }

    /// Where `record` is.
    pub const fn of(record: &EventRecord) -> Self {
        Self::new(record.seq.0, record.ordinal)
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Hello {
    /// The last event that it knows of, if it resumes.
    pub after: Position,
    /// The account whose events it wants to hear beside those of its own requests, or [`NO_ACCOUNT`].
    pub account: u32,
    /// The [`ReleaseLevel`] that its events wait for, on the wire; 0: the server's, which is the least.
    pub level: u32,
    /// 1 if it resumes, else 0.
    pub resumes: u32,
    /// Bytes of the token.
    pub token_len: u32,
    /// The token, then zeros.
    pub token: [u8; TOKEN_LEN_MAX],
}

/// What a session is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Welcome {
    /// Events up to here are known or missed; those after it are in the ring.
    pub position: Position,
    /// The session's number.
    pub session: u32,
    /// Whom the engine takes its requests for.
    pub principal: u32,
    /// The [`ReleaseLevel`] that its events wait for, on the wire.
    pub level: u32,
    /// Where the broadcast begins in the public memory.
    pub public_at: u32,
    /// Updates that it holds.
    pub public_capacity: u32,
    /// Requests that the ring of orders holds; it begins at byte 0 of the session's memory.
    pub orders_capacity: u32,
    /// Where the ring of events begins there.
    pub events_at: u32,
    /// Events that it holds.
    pub events_capacity: u32,
}

/// Why there is no session, or no more.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct Refusal {
    /// Everything up to here was put into the ring.
    pub position: Position,
    /// A [`Code`].
    pub code: u32,
    /// Bytes of the text.
    pub len: u32,
    /// What is wrong and what to do, UTF-8, then zeros.
    pub text: [u8; TEXT_LEN_MAX],
}

impl Refusal {
    /// With as much of `text` as has room.
    pub fn new(code: Code, text: &str, position: Position) -> Self {
        let len = text.floor_char_boundary(TEXT_LEN_MAX.min(text.len()));
        let mut refusal = Self { position, code: code as u32, len: len as u32, ..Self::zeroed() };
        refusal.text[..len].copy_from_slice(&text.as_bytes()[..len]);
        refusal
    }

    /// What is wrong and what to do.
    pub fn text(&self) -> String {
        let len = (self.len as usize).min(TEXT_LEN_MAX);
        String::from_utf8_lossy(&self.text[..len]).into_owned()
    }
}

/// The word of the public memory that says what `level` has reached: the last input for which it holds.
pub const fn reached_word(level: ReleaseLevel) -> usize {
    REACHED_AT / 8 + level.wire() as usize - 1
}

/// Bytes of a session's memory.
pub const fn session_len(orders: usize, events: usize) -> usize {
    events_at(orders) + tidegate_ring::queue::len::<EventRecord>(events)
}

/// Where the ring of events begins in it.
pub const fn events_at(orders: usize) -> usize {
    tidegate_ring::queue::len::<CommandRecord>(orders)
}

const _: () = assert!(REACHED_AT + ReleaseLevel::ALL.len() * 8 <= 4_096);
const _: () = assert!(align_of::<PublicUpdate>() == 8);
