//! What goes over the wire between a leader and its followers.
//!
//! ```text
//! offset  size  field     unit
//!      0     4  body_len  bytes, at most BODY_LEN_MAX
//!      4     1  shape     1 control, 2 records, 3 a piece of a snapshot
//!      5     n  body
//! ```
//!
//! Control messages are a [`Control`] in postcard's encoding. Records are as they lie in the journal:
//!
//! ```text
//! offset  size  field         unit
//!      0     8  leader_epoch  of the leader that sends
//!      8     8  after         the number of the record before the first
//!     16     4  count         records
//!     20        per record: 1 kind, 2 payload_len, then the payload
//! ```
//!
//! A record's number follows from the one before and its kind, as in a journal. A piece of a snapshot is 8 bytes, where it
//! begins in the file, and then bytes of it. All integers are little-endian.
//!
//! A welcome with a snapshot ([`SnapshotBegins`]) is followed by the pieces of its file, in order; by the event log up to it, as
//! records numbered from 1; by the records of the journal that lead up to it, the last of which ends the link.
//!
//! A link is ordered and reliable, and ends when anything on it is not as it should be; the next one begins with a
//! greeting. Whatever is read here comes from outside.

use crate::history::{History, HistoryError};
use serde::{Deserialize, Serialize};
use tidegate_engine::snapshot::FILE_LEN_MAX;
use tidegate_journal::frame::{KIND_SEAL, PAYLOAD_LEN_MAX, seq_step};
use tidegate_model::{SeqNo, StateHash};

/// The version of this protocol. Both ends must speak the same: they are upgraded by a hand-over, one after the other.
pub const PROTOCOL_VERSION: u16 = 2;
/// Bytes of a message's header.
pub const HEADER_LEN: usize = 5;
/// Bytes of a body: a batch of records that fills a few packets, and any single record.
pub const BODY_LEN_MAX: usize = 256 << 10;
/// The highest epoch: one a second would take longer than anything lasts.
pub const EPOCH_MAX: u64 = 1 << 62;
/// Bytes of a name of a node.
pub const NAME_LEN_MAX: usize = 64;
/// Bytes of a reason in words.
pub const TEXT_LEN_MAX: usize = 1_024;

const SHAPE_CONTROL: u8 = 1;
const SHAPE_RECORDS: u8 = 2;
const SHAPE_PIECE: u8 = 3;
const RECORDS_HEAD_LEN: usize = 20;
const RECORD_HEAD_LEN: usize = 3;
const PIECE_HEAD_LEN: usize = 8;

const _: () = assert!(RECORDS_HEAD_LEN + RECORD_HEAD_LEN + PAYLOAD_LEN_MAX <= BODY_LEN_MAX);

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A body longer than any may be.
    #[error("a message of {len} bytes is longer than {BODY_LEN_MAX}")]
    TooLong {
        /// Its length.
        len: usize,
    },
    /// A shape that is not assigned.
    #[error("a message has the unknown shape {shape}")]
    UnknownShape {
        /// The shape.
        shape: u8,
    },
    /// A control message that cannot be read.
    #[error("a control message of {len} bytes cannot be read: {cause}")]
    Control {
        /// Bytes of its body.
        len: usize,
        /// Why.
        cause: postcard::Error,
    },
    /// Bytes behind the end of a control message.
    #[error("a control message has {extra} bytes behind its end")]
    Extra {
        /// How many.
        extra: usize,
    },
    /// A text longer than it may be.
    #[error("{what} of {len} bytes is longer than {max}")]
    TextTooLong {
        /// Which.
        what: &'static str,
        /// Its length.
        len: usize,
        /// The most.
        max: usize,
    },
    /// An epoch that none can have.
    #[error("epoch {epoch} is above {EPOCH_MAX}, which no epoch is")]
    Epoch {
        /// What it says.
        epoch: u64,
    },
    /// A name of a node that is empty or has other characters than letters, digits, `-`, `_` and `.`.
    #[error("a node's name is made of letters, digits, '-', '_' and '.'")]
    Name,
    /// A history that no journal can have.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// What is said of a snapshot cannot be.
    #[error("a snapshot of input {seq} is announced that cannot be: {what}")]
    Snapshot {
        /// Its input.
        seq: SeqNo,
        /// What is wrong.
        what: &'static str,
    },
    /// Records that are not as they should be.
    #[error("records are not whole at byte {offset}: {what}")]
    Records {
        /// Where, from the beginning of the body.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// What a follower says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub version: u16,
    /// Who it is: the name in its certificate.
    pub name: String,
    /// The journal it has; `None` of one that has none yet.
    pub instance: Option<u128>,
    /// The version of its engine's behaviour.
    pub behaviour_version: u32,
    /// The newest epoch it has heard of: a leader of an older one is none.
    pub newest_epoch: u64,
    /// What its journal holds.
    pub history: History,
    /// The lowest number that it could cut its journal after: there is no state to begin with below.
    pub back_to: SeqNo,
}

/// What a leader answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The journal that is followed.
    pub instance: u128,
    /// The leader's epoch.
    pub epoch: u64,
    /// The last number that both hold alike: what the follower has behind it must be cut, and the stream begins there.
    pub common: SeqNo,
    /// The leader's last record.
    pub last: SeqNo,
    /// How far everything has been confirmed by the leader's in-sync followers.
    pub replicated: SeqNo,
    /// What comes in place of the records after `common`: nothing is to be cut then, all that the follower has is set aside when the
    /// snapshot is there.
    pub snapshot: Option<Box<SnapshotBegins>>,
}

/// Why a leader does not take a follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another version of the protocol.
    #[error(
        "the leader speaks version {leader} of the protocol, the follower {follower}: upgrade one of them"
    )]
    Version {
        /// The leader's.
        leader: u16,
        /// The follower's.
        follower: u16,
    },
    /// Not one of the followers that the leader's configuration names.
    #[error("'{name}' is none of the leader's followers: add it to its configuration")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// Another journal.
    #[error(
        "the follower has journal {follower:032x}, the leader {leader:032x}: give the follower an empty folder"
    )]
    Instance {
        /// The leader's.
        leader: u128,
        /// The follower's.
        follower: u128,
    },
    /// Another behaviour of the engine.
    #[error(
        "the leader's engine has behaviour version {leader}, the follower's {follower}: they would not reach the same state"
    )]
    Behaviour {
        /// The leader's.
        leader: u32,
        /// The follower's.
        follower: u32,
    },
    /// The follower has heard of a newer epoch: it is the leader that is none any more.
    #[error("the leader is of epoch {leader}, the follower has heard of epoch {newest}")]
    OldLeader {
        /// The leader's.
        leader: u64,
        /// The newest epoch.
        newest: u64,
    },
    /// What comes next for the follower is not in the leader's journal any more, or the follower has no state to go on from there; and
    /// the leader has no snapshot to send.
    #[error(
        "the leader's journal begins at {first}, the follower needs {needed} or a snapshot, and the leader has none to send: take one there (tidegate journal snapshot), or restore the follower's journal from the archive"
    )]
    NotHeld {
        /// The first number that the leader has.
        first: SeqNo,
        /// The number that comes next for the follower.
        needed: SeqNo,
    },
    /// The histories have nothing in common, though both have records.
    #[error(
        "the follower's journal has nothing in common with the leader's: give the follower an empty folder"
    )]
    Foreign,
    /// The node is no leader.
    #[error("this node is no leader")]
    NotLeading,
}

/// The records that follow were written in another epoch than those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochBegins {
    /// The epoch.
    pub epoch: u64,
    /// The version of the engine that wrote them.
    pub behaviour_version: u32,
    /// The number of the record before the first of them.
    pub after: SeqNo,
}

/// How the leader stands; sent at intervals, so that silence means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Its epoch.
    pub epoch: u64,
    /// Its last record.
    pub last: SeqNo,
    /// How far everything has been confirmed.
    pub replicated: SeqNo,
    /// Whether the follower is in sync: one that may take over.
    pub in_sync: bool,
}

/// How far a follower is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// In its journal, in memory: it survives the end of the process.
    pub received: SeqNo,
    /// Applied to its state.
    pub applied: SeqNo,
    /// On its disk.
    pub synced: SeqNo,
}

/// A follower's confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirm {
    /// The epoch of the leader that it follows.
    pub epoch: u64,
    /// How far it is.
    pub progress: Progress,
}

/// Why a follower stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Stop {
    /// Its state is not the one that the leader recorded.
    #[error("after input {seq} its state hash is {own}, the leader recorded {recorded}")]
    Diverged {
        /// The input.
        seq: SeqNo,
        /// What the leader recorded.
        recorded: StateHash,
        /// What it reached.
        own: StateHash,
    },
    /// Anything else, in words.
    #[error("{text}")]
    Failed {
        /// The words.
        text: String,
    },
}

/// The leader gives over: it takes no more inputs, and everything it has is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The epoch that ends; the follower goes on with the next.
    pub epoch: u64,
    /// Its last record.
    pub last: SeqNo,
}

/// A snapshot comes, in pieces: the follower is too far behind for the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotBegins {
    /// The last record that is in it.
    pub seq: SeqNo,
    /// Bytes of its file.
    pub len: u64,
    /// The events up to it: so many records of the event log come.
    pub events: u64,
    /// The records of the journal that come are those after this one, up to `seq`.
    pub after: SeqNo,
    /// The journal's epochs up to `seq`, which is the last number in it.
    pub history: History,
    /// A link of the leader's chains of hashes that these records lead on from, or lead to; `None` if the leader lost its own.
    pub link: Option<Link>,
}

/// Both chains of a journal at a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The number.
    pub seq: SeqNo,
    /// The chain over everything but market events.
    pub audit: [u8; 32],
    /// That over market events.
    pub market: [u8; 32],
}

impl SnapshotBegins {
    /// The epoch of its input.
    pub fn epoch(&self) -> u64 {
        self.history.last_epoch().unwrap_or(0)
    }

    fn check(&self) -> Result<(), MessageError> {
        self.history.check()?;
        let wrong = |what| Err(MessageError::Snapshot { seq: self.seq, what });
        if self.seq != self.history.last() || self.seq == SeqNo::ZERO {
            return wrong("its epochs do not end with it");
        }
        if self.len > FILE_LEN_MAX {
            return wrong("its file is longer than any");
        }
        if self.after >= self.seq {
            return wrong("its own record does not come with it");
        }
        Ok(())
    }
}

/// How a node stands, for one that is to lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// The epoch that it leads in; `None` if it does not.
    pub leads: Option<u64>,
    /// It was told to lead, and asks the others whether it may.
    pub is_asked: bool,
    /// Its journal; `None` if it has none yet.
    pub instance: Option<u128>,
    /// The epoch of its last record; `None` if it has none.
    pub epoch: Option<u64>,
    /// The number of its last record.
    pub last: SeqNo,
}

/// What an operator, or another node, asks a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// How it stands.
    Status,
    /// Standby: lead, although the primary is gone or because it is. `force` accepts that acknowledged inputs may be missing.
    Promote {
        /// Whatever is known to be missing.
        force: bool,
    },
    /// Primary: give over to a follower that is in sync.
    HandOver {
        /// To which; any that can if `None`.
        to: Option<String>,
    },
    /// How it stands, as [`Reply::Stands`].
    Standing,
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done, or how it stands, in lines for people.
    Said(String),
    /// Not done, and why.
    Refused(String),
    /// What it waits for; another answer follows.
    Waits(String),
    /// To [`Request::Standing`].
    Stands(Stands),
}

/// Everything but records and pieces of snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// Follower: who it is.
    Hello(Hello),
    /// Leader: from where it goes on.
    Welcome(Welcome),
    /// Leader: no.
    Refused(Refusal),
    /// Leader: an epoch.
    Epoch(EpochBegins),
    /// Leader: alive.
    Heartbeat(Heartbeat),
    /// Follower: how far it is.
    Confirm(Confirm),
    /// Follower: the leader is of an older epoch than this one, and must stop.
    Fenced {
        /// The newest epoch.
        epoch: u64,
    },
    /// Follower: it stopped, and why.
    Stopped(Stop),
    /// Leader: go on in its place.
    HandOver(HandOver),
    /// Follower: it leads now.
    Taken {
        /// In this epoch.
        epoch: u64,
    },
    /// Operator: a question, alone on its link.
    Ask(Request),
    /// The answer to it.
    Reply(Reply),
}

/// One message, as it lies in the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'m> {
    /// Anything but the two that are many.
    Control(Control),
    /// Records of the journal.
    Records(Records<'m>),
    /// A piece of a snapshot's file.
    Piece {
        /// Where it begins in the file.
        offset: u64,
        /// The bytes.
        bytes: &'m [u8],
    },
}

/// Records of a journal, one after the other, checked when they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records<'m> {
    /// The epoch of the leader that sends them.
    pub leader_epoch: u64,
    /// The number of the record before the first.
    pub after: SeqNo,
    /// The number of the last.
    pub last: SeqNo,
    /// How many.
    pub count: u32,
    bytes: &'m [u8],
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'m> {
    /// Its number; a checkpoint has that of the record before.
    pub seq: SeqNo,
    /// Its kind, as in the journal; never 0 nor a seal.
    pub kind: u8,
    /// What was appended.
    pub payload: &'m [u8],
}

impl<'m> Records<'m> {
    fn parse(body: &'m [u8]) -> Result<Self, MessageError> {
        let bad = |offset, what| MessageError::Records { offset, what };
        if body.len() < RECORDS_HEAD_LEN {
            return Err(bad(0, "shorter than its head"));
        }
        let (leader_epoch, after) = (u64_at(body, 0), u64_at(body, 8));
        let count = u32::from_le_bytes([body[16], body[17], body[18], body[19]]);
        let mut at = RECORDS_HEAD_LEN;
        let mut last = after;
        for _ in 0..count {
            let Some((kind, len)) = record_head(body, at) else {
                return Err(bad(at, "fewer records than it says"));
            };
            if kind == 0 || kind == KIND_SEAL {
                return Err(bad(at, "a kind that is no record's"));
            }
            at += RECORD_HEAD_LEN + len;
            if at > body.len() {
                return Err(bad(at, "a payload longer than what is there"));
            }
            last = last.checked_add(seq_step(kind)).ok_or(bad(at, "a number beyond the last"))?;
        }
        if at != body.len() {
            return Err(bad(at, "bytes behind the last record"));
        }
        let (after, last) = (SeqNo(after), SeqNo(last));
        Ok(Self { leader_epoch, after, last, count, bytes: &body[RECORDS_HEAD_LEN..] })
    }

    /// The records in order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'m>> + use<'m> {
        let (bytes, mut at, mut last) = (self.bytes, 0, self.after.0);
        std::iter::from_fn(move || {
            let (kind, len) = record_head(bytes, at)?;
            let payload = &bytes[at + RECORD_HEAD_LEN..][..len];
            at += RECORD_HEAD_LEN + len;
            last += seq_step(kind);
            Some(Record { seq: SeqNo(last), kind, payload })
        })
    }
}

/// Kind and length of the payload of the record at `at`.
fn record_head(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let head = bytes.get(at..at + RECORD_HEAD_LEN)?;
    Some((head[0], usize::from(u16::from_le_bytes([head[1], head[2]]))))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

/// Takes a message's header apart: its shape, and the length of its body.
///
/// # Errors
/// [`MessageError::TooLong`], [`MessageError::UnknownShape`].
pub fn header(bytes: [u8; HEADER_LEN]) -> Result<(u8, usize), MessageError> {
    let [a, b, c, d, shape] = bytes;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    if len > BODY_LEN_MAX {
        return Err(MessageError::TooLong { len });
    }
    if !matches!(shape, SHAPE_CONTROL | SHAPE_RECORDS | SHAPE_PIECE) {
        return Err(MessageError::UnknownShape { shape });
    }
    Ok((shape, len))
}

impl<'m> Message<'m> {
    /// Reads a body of a shape that [`header`] has told.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(shape: u8, body: &'m [u8]) -> Result<Self, MessageError> {
        match shape {
            SHAPE_CONTROL => Control::decode(body).map(Self::Control),
            SHAPE_RECORDS => Records::parse(body).map(Self::Records),
            SHAPE_PIECE if body.len() >= PIECE_HEAD_LEN => {
                Ok(Self::Piece { offset: u64_at(body, 0), bytes: &body[PIECE_HEAD_LEN..] })
            }
            SHAPE_PIECE => {
                Err(MessageError::Records { offset: 0, what: "a piece shorter than its head" })
            }
            _ => Err(MessageError::UnknownShape { shape }),
        }
    }

    /// The first message in `bytes` and its length; `None` if it is not all there yet.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn split(bytes: &'m [u8]) -> Result<Option<(Self, usize)>, MessageError> {
        let Some(head) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let (shape, len) = header(*head)?;
        match bytes.get(HEADER_LEN..HEADER_LEN + len) {
            None => Ok(None),
            Some(body) => Ok(Some((Self::decode(shape, body)?, HEADER_LEN + len))),
        }
    }
}

/// Whether `name` may be a node's.
///
/// # Errors
/// [`MessageError::TextTooLong`], [`MessageError::Name`].
pub fn check_name(name: &str) -> Result<(), MessageError> {
    check_text("a name", name, NAME_LEN_MAX)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(MessageError::Name);
    }
    Ok(())
}

/// Whether `epoch` may be one: whoever leads next counts on from it.
pub(crate) fn check_epoch(epoch: u64) -> Result<(), MessageError> {
    if epoch > EPOCH_MAX {
        return Err(MessageError::Epoch { epoch });
    }
    Ok(())
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), MessageError> {
    if text.len() > max {
        return Err(MessageError::TextTooLong { what, len: text.len(), max });
    }
    Ok(())
}

impl Control {
    fn decode(body: &[u8]) -> Result<Self, MessageError> {
        let cause = |cause| MessageError::Control { len: body.len(), cause };
        let (control, rest) = postcard::take_from_bytes::<Self>(body).map_err(cause)?;
        if !rest.is_empty() {
            return Err(MessageError::Extra { extra: rest.len() });
        }
        match &control {
            Self::Hello(hello) => {
                check_name(&hello.name)?;
                hello.history.check()?;
                check_epoch(hello.newest_epoch)?;
            }
            Self::Refused(Refusal::OldLeader { newest, .. }) => check_epoch(*newest)?,
            Self::Epoch(EpochBegins { epoch, .. })
            | Self::Heartbeat(Heartbeat { epoch, .. })
            | Self::Fenced { epoch }
            | Self::HandOver(HandOver { epoch, .. })
            | Self::Taken { epoch } => check_epoch(*epoch)?,
            Self::Welcome(welcome) => {
                check_epoch(welcome.epoch)?;
                if let Some(snapshot) = &welcome.snapshot {
                    snapshot.check()?;
                }
            }
            Self::Refused(Refusal::Unknown { name }) => check_name(name)?,
            Self::Stopped(Stop::Failed { text }) => check_text("a reason", text, TEXT_LEN_MAX)?,
            Self::Ask(Request::HandOver { to: Some(name) }) => check_name(name)?,
            _ => {}
        }
        Ok(control)
    }

    /// Appends this message to `out`.
    ///
    /// # Panics
    /// If it is longer than a message may be: texts and histories are bounded where they are made.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let at = begin(out, SHAPE_CONTROL);
        *out = postcard::to_extend(self, std::mem::take(out)).expect("a vector takes any length");
        finish(out, at);
    }

    /// This message alone.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

impl Stop {
    /// A reason in words, shortened to what may be sent.
    pub fn failed(text: impl Into<String>) -> Self {
        let mut text: String = text.into();
        let mut len = text.len().min(TEXT_LEN_MAX);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        text.truncate(len);
        Self::Failed { text }
    }
}

fn begin(out: &mut Vec<u8>, shape: u8) -> usize {
    let at = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, shape]);
    at
}

fn finish(out: &mut [u8], at: usize) {
    let len = out.len() - at - HEADER_LEN;
    assert!(len <= BODY_LEN_MAX, "a message of {len} bytes");
    out[at..at + 4].copy_from_slice(&(len as u32).to_le_bytes());
}

/// Appends a piece of a snapshot to `out`: `bytes`, which lie at `offset` in its file.
///
/// # Panics
/// If they are more than a message may hold.
pub fn piece(offset: u64, bytes: &[u8], out: &mut Vec<u8>) {
    let at = begin(out, SHAPE_PIECE);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(bytes);
    finish(out, at);
}

/// Builds a message of records at the end of a buffer.
#[derive(Debug)]
pub struct RecordsBuilder {
    at: usize,
    count: u32,
}

impl RecordsBuilder {
    /// Begins a message behind what `out` holds.
    pub fn begin(leader_epoch: u64, after: SeqNo, out: &mut Vec<u8>) -> Self {
        let at = begin(out, SHAPE_RECORDS);
        out.extend_from_slice(&leader_epoch.to_le_bytes());
        out.extend_from_slice(&after.0.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        Self { at, count: 0 }
    }

    /// Appends a record; false, and nothing, if it does not fit any more; the first always does.
    ///
    /// # Panics
    /// If the payload is longer than a journal's may be.
    #[inline]
    pub fn push(&mut self, kind: u8, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let len = out.len() - self.at - HEADER_LEN + RECORD_HEAD_LEN + payload.len();
        if len > BODY_LEN_MAX {
            return false;
        }
        let payload_len = u16::try_from(payload.len()).expect("a journal's payload");
        let [low, high] = payload_len.to_le_bytes();
        out.extend_from_slice(&[kind, low, high]);
        out.extend_from_slice(payload);
        self.count += 1;
        true
    }

    /// Ends the message; takes it back if it holds no record.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.count == 0 {
            out.truncate(self.at);
            return;
        }
        out[self.at + HEADER_LEN + 16..][..4].copy_from_slice(&self.count.to_le_bytes());
        finish(out, self.at);
    }
}

#[cfg(test)]
mod tests;
