//! What can be wrong with a feed.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a single message was refused; [`Error::Message`] adds where it stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A message without a byte.
    #[error("the message is empty; even its type is missing")]
    Empty,
    /// A first byte that names no message type of the specification.
    #[error("unknown message type {}", show(*.kind))]
    UnknownType {
        /// The byte found.
        kind: u8,
    },
    /// A message whose length is not that of its type.
    #[error(
        "message type {} has {found} bytes, the specification says {expected}",
        show(*.kind)
    )]
    Length {
        /// The message type.
        kind: u8,
        /// Bytes the type has.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A field with a value that the specification does not assign.
    #[error(
        "message type {}: field {field} has the unassigned value {value}",
        show(*.kind)
    )]
    Field {
        /// The message type.
        kind: u8,
        /// The field.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// A stock symbol with bytes that no symbol has.
    #[error("message type {}: stock symbol bytes {stock:02x?} are not text", show(*.kind))]
    Symbol {
        /// The message type.
        kind: u8,
        /// The bytes found.
        stock: [u8; 8],
    },
    /// A stock locate that an earlier message bound to another symbol.
    #[error(
        "message type {}: stock locate {locate} belongs to another symbol than {stock:02x?}",
        show(*.kind)
    )]
    LocateRebound {
        /// The message type.
        kind: u8,
        /// The stock locate.
        locate: u16,
        /// The symbol's bytes as found.
        stock: [u8; 8],
    },
}

/// A byte as people read it: the character where there is one, the number always.
fn show(byte: u8) -> String {
    if byte.is_ascii_graphic() {
        format!("'{}' (0x{byte:02x})", byte as char)
    } else {
        format!("0x{byte:02x}")
    }
}

/// What can be wrong with a feed, with the place. Offsets count bytes of the uncompressed stream from 0,
/// messages count from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened.
    #[error("cannot open {}: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The stream broke, or its compression is damaged.
    #[error("reading failed at byte {offset}, in message {message}: {cause}")]
    Read {
        /// Bytes read before.
        offset: u64,
        /// The message that was being read.
        message: u64,
        /// What the system or the decompressor said.
        cause: io::Error,
    },
    /// The file ends in the middle of a message.
    #[error(
        "the file is cut short: message {message} at byte {offset} needs {needed} bytes, {found} are left"
    )]
    Truncated {
        /// Where the message's frame begins.
        offset: u64,
        /// The message.
        message: u64,
        /// Bytes the frame needs, its length field included.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// Bytes after the end-of-session marker.
    #[error("data follows the end-of-session marker at byte {offset}, after message {message}")]
    TrailingData {
        /// Where the marker stands.
        offset: u64,
        /// The last message before it.
        message: u64,
    },
    /// A message that is not what the specification says.
    #[error("message {message} at byte {offset}: {cause}")]
    Message {
        /// Where the message begins, after its length field.
        offset: u64,
        /// The message.
        message: u64,
        /// What is wrong with it.
        cause: MessageError,
    },
    /// A socket could not be set up or used.
    #[error("cannot {what} {addr}: {cause}")]
    Socket {
        /// What was tried.
        what: &'static str,
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A DBN file that is not what its format says.
    #[error("record {record} at byte {offset} of the DBN stream: {reason}")]
    Dbn {
        /// Where the record begins; 0 for the metadata.
        offset: u64,
        /// The record, from 1; 0 is the metadata.
        record: u64,
        /// What the format's own decoder says.
        reason: String,
    },
    /// A line of a text file that is not what its format says.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An array of events that is not what its format says.
    #[error("row {row} of the event array: {reason}")]
    Array {
        /// The row, from 1; 0 is the head.
        row: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A text file of none of the formats that are read.
    #[error(
        "it is text, but neither lines of a time and a Binance message nor bars under a header with date, open, high, low, close, volume"
    )]
    UnknownText,
    /// More instruments than an engine can hold.
    #[error(
        "record {record} at byte {offset} names instrument number {limit}: more than {limit} are not supported"
    )]
    TooManyInstruments {
        /// Where the record ends.
        offset: u64,
        /// The record.
        record: u64,
        /// The bound.
        limit: usize,
    },
}
