//! Packets and requests, to and from bytes.

use core::fmt;

/// Bytes of a packet's header, which is also all of a request.
pub const HEADER_LEN: usize = 20;
/// Bytes of the packets that we build: below every path's limit, so that no packet is fragmented.
pub const PACKET_LEN_MAX: usize = 1_400;
/// Bytes of a message's length field.
const LENGTH_LEN: usize = 2;
/// The count that ends a session.
const END_OF_SESSION: u16 = 0xffff;

/// The name of a session: ten bytes of text, padded with spaces on the left or right as the sender likes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SessionName(pub [u8; 10]);

impl SessionName {
    /// `text`, padded with spaces on the right; `None` if it is empty, longer than ten bytes or not printable.
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return None;
        }
        let mut name = [b' '; 10];
        name.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(name))
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.escape_ascii().to_string().trim())
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Why a packet was refused; nothing of it is used then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// Fewer bytes than a header has.
    #[error("the packet has {found} bytes, its header alone needs {HEADER_LEN}")]
    Header {
        /// Bytes found.
        found: usize,
    },
    /// A message that reaches beyond the packet.
    #[error(
        "message {message} of the packet at byte {offset} needs {needed} bytes, {found} are left"
    )]
    Truncated {
        /// Which message of the packet, from 1.
        message: u16,
        /// Where its length field is.
        offset: usize,
        /// Bytes it needs.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Bytes after the last message.
    #[error("{found} bytes follow the last message of the packet at byte {offset}")]
    Trailing {
        /// Where they begin.
        offset: usize,
        /// How many there are.
        found: usize,
    },
    /// A sequence number that cannot be.
    #[error("sequence {sequence} is implausible: {expected} is expected next")]
    Sequence {
        /// The number found.
        sequence: u64,
        /// The number that is due.
        expected: u64,
    },
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// It carries messages.
    Data,
    /// It only says which message comes next.
    Heartbeat,
    /// No more messages will come.
    EndOfSession,
}

/// A packet, checked: every message lies within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The session.
    pub session: SessionName,
    /// Number of the first message, or of the next to come.
    pub sequence: u64,
    /// What it is for.
    pub kind: PacketKind,
    /// Messages it carries.
    pub count: u16,
    blocks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads and checks a packet.
    ///
    /// # Errors
    /// [`PacketError`] says what is wrong, and where.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PacketError> {
        let (session, sequence, count) = parse_header(bytes)?;
        let blocks = &bytes[HEADER_LEN..];
        let (kind, count) = match count {
            0 => (PacketKind::Heartbeat, 0),
            END_OF_SESSION => (PacketKind::EndOfSession, 0),
            count => (PacketKind::Data, count),
        };
        let mut at = 0;
        for message in 1..=count {
            let rest = &blocks[at..];
            let needed = match rest {
                [high, low, ..] => LENGTH_LEN + usize::from(u16::from_be_bytes([*high, *low])),
                _ => LENGTH_LEN,
            };
            if needed > rest.len() {
                let (offset, found) = (HEADER_LEN + at, rest.len());
                return Err(PacketError::Truncated { message, offset, needed, found });
            }
            at += needed;
        }
        if at < blocks.len() {
            let (offset, found) = (HEADER_LEN + at, blocks.len() - at);
            return Err(PacketError::Trailing { offset, found });
        }
        if sequence == 0 || sequence.checked_add(u64::from(count)).is_none() {
            return Err(PacketError::Sequence { sequence, expected: 1 });
        }
        Ok(Self { session, sequence, kind, count, blocks })
    }

    /// The messages in order.
    pub fn messages(&self) -> Messages<'a> {
        Messages { blocks: self.blocks }
    }
}

/// The messages of a [`Packet`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    blocks: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.blocks.split_first_chunk::<LENGTH_LEN>()?;
        let (message, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        self.blocks = rest;
        Some(message)
    }
}

fn parse_header(bytes: &[u8]) -> Result<(SessionName, u64, u16), PacketError> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return Err(PacketError::Header { found: bytes.len() });
    };
    let mut session = [0; 10];
    session.copy_from_slice(&header[..10]);
    let sequence = u64::from_be_bytes(header[10..18].try_into().expect("eight bytes"));
    let count = u16::from_be_bytes([header[18], header[19]]);
    Ok((SessionName(session), sequence, count))
}

fn header(session: SessionName, sequence: u64, count: u16) -> [u8; HEADER_LEN] {
    let mut bytes = [0; HEADER_LEN];
    bytes[..10].copy_from_slice(&session.0);
    bytes[10..18].copy_from_slice(&sequence.to_be_bytes());
    bytes[18..].copy_from_slice(&count.to_be_bytes());
    bytes
}

/// A packet without messages: `next` is the number of the message that comes next.
pub fn heartbeat(session: SessionName, next: u64) -> [u8; HEADER_LEN] {
    header(session, next, 0)
}

/// The packet that ends a session: `next` is the number after its last message.
pub fn end_of_session(session: SessionName, next: u64) -> [u8; HEADER_LEN] {
    header(session, next, END_OF_SESSION)
}

/// Asks for messages again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The session.
    pub session: SessionName,
    /// The first message asked for.
    pub sequence: u64,
    /// How many are asked for; the answer may have fewer.
    pub count: u16,
}

impl Request {
    /// Reads a request. It has nothing after its header.
    ///
    /// # Errors
    /// [`PacketError::Header`], [`PacketError::Trailing`] or [`PacketError::Sequence`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PacketError> {
        let (session, sequence, count) = parse_header(bytes)?;
        if bytes.len() > HEADER_LEN {
            let found = bytes.len() - HEADER_LEN;
            return Err(PacketError::Trailing { offset: HEADER_LEN, found });
        }
        if sequence == 0 || sequence.checked_add(u64::from(count)).is_none() {
            return Err(PacketError::Sequence { sequence, expected: 1 });
        }
        Ok(Self { session, sequence, count })
    }

    /// The request as bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        header(self.session, self.sequence, self.count)
    }
}

/// Fills packets with messages.
#[derive(Clone, Debug)]
pub struct PacketBuilder {
    session: SessionName,
    /// Number of the packet's first message.
    sequence: u64,
    count: u16,
    bytes: Vec<u8>,
}

impl PacketBuilder {
    /// Begins with the message `sequence` of `session`.
    pub fn new(session: SessionName, sequence: u64) -> Self {
        let mut bytes = Vec::with_capacity(PACKET_LEN_MAX);
        bytes.extend_from_slice(&header(session, sequence, 0));
        Self { session, sequence, count: 0, bytes }
    }

    /// Number of the next message to be pushed.
    pub fn next_sequence(&self) -> u64 {
        self.sequence + u64::from(self.count)
    }

    /// Messages in the packet.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Appends a message; false if it does not fit any more. A message that would not fit even an empty packet
    /// makes a packet of its own, as UDP allows.
    #[must_use]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let Ok(length) = u16::try_from(message.len()) else { return false };
        let fits = self.bytes.len() + LENGTH_LEN + message.len() <= PACKET_LEN_MAX;
        if self.count > 0 && (!fits || self.count == END_OF_SESSION - 1) {
            return false;
        }
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(message);
        self.count += 1;
        true
    }

    /// The packet, or `None` if it has no messages. It stays as it is until [`Self::advance`].
    pub fn packet(&mut self) -> Option<&[u8]> {
        if self.count == 0 {
            return None;
        }
        self.bytes[..HEADER_LEN].copy_from_slice(&header(self.session, self.sequence, self.count));
        Some(&self.bytes)
    }

    /// Begins the next packet.
    pub fn advance(&mut self) {
        self.sequence = self.next_sequence();
        self.count = 0;
        self.bytes.truncate(HEADER_LEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> SessionName {
        SessionName::new("TIDE000001").expect("ten bytes")
    }

    #[test]
    fn golden_bytes() {
        let mut builder = PacketBuilder::new(session(), 0x0102);
        assert!(builder.packet().is_none());
        assert!(builder.push(b"ab") && builder.push(b"c"));
        let golden = b"TIDE000001\0\0\0\0\0\0\x01\x02\0\x02\0\x02ab\0\x01c";
        assert_eq!(builder.packet(), Some(&golden[..]));
        let packet = Packet::parse(golden).expect("valid");
        assert_eq!((packet.sequence, packet.count), (0x0102, 2));
        assert_eq!(packet.messages().collect::<Vec<_>>(), [&b"ab"[..], b"c"]);
        builder.advance();
        assert_eq!(builder.next_sequence(), 0x0104);
        let beat = heartbeat(session(), 7);
        assert_eq!(&beat, b"TIDE000001\0\0\0\0\0\0\0\x07\0\0");
        assert_eq!(Packet::parse(&beat).map(|p| p.kind), Ok(PacketKind::Heartbeat));
        let end = end_of_session(session(), 7);
        assert_eq!(&end, b"TIDE000001\0\0\0\0\0\0\0\x07\xff\xff");
        assert_eq!(Packet::parse(&end).map(|p| p.kind), Ok(PacketKind::EndOfSession));
        let request = Request { session: session(), sequence: 7, count: 9 };
        assert_eq!(&request.to_bytes(), b"TIDE000001\0\0\0\0\0\0\0\x07\0\x09");
        assert_eq!(Request::parse(&request.to_bytes()), Ok(request));
    }

    #[test]
    fn damage_is_named() {
        let golden = b"TIDE000001\0\0\0\0\0\0\x01\x02\0\x02\0\x02ab\0\x01c";
        for len in 0..golden.len() {
            let error = Packet::parse(&golden[..len]).expect_err("cut short");
            let known = matches!(error, PacketError::Header { .. } | PacketError::Truncated { .. });
            assert!(known, "{error}");
        }
        let mut longer = golden.to_vec();
        longer.push(0);
        assert_eq!(
            Packet::parse(&longer),
            Err(PacketError::Trailing { offset: golden.len(), found: 1 })
        );
        let zero = heartbeat(session(), 0);
        assert!(matches!(Packet::parse(&zero), Err(PacketError::Sequence { .. })));
        assert!(matches!(Request::parse(b"x"), Err(PacketError::Header { found: 1 })));
        assert_eq!(SessionName::new("elevenbytes"), None);
        assert_eq!(SessionName::new(""), None);
    }

    #[test]
    fn packets_stay_below_their_limit() {
        let mut builder = PacketBuilder::new(session(), 1);
        while builder.push(&[0; 36]) {}
        let len = builder.packet().map_or(0, <[u8]>::len);
        assert!(len <= PACKET_LEN_MAX && len > PACKET_LEN_MAX - 38, "{len}");
        builder.advance();
        assert!(builder.push(&[0; 5_000]) && !builder.push(b"x"));
    }
}
