//! MoldUDP64, Nasdaq's way to send numbered messages by UDP: packets ([`Packet`], [`PacketBuilder`],
//! [`Request`]), the receiving side as a state machine ([`Receiver`]), and what a sender keeps to answer
//! requests ([`History`]). No sockets and no clock here: times are given in, in nanoseconds of any steady clock.
//!
//! ```text
//! packet    session 10 bytes | sequence u64 | count u16 | count x (length u16 | message)
//! request   session 10 bytes | sequence u64 | count u16
//! ```
//!
//! Numbers are big-endian. `sequence` is that of the first message, or of the next one to come where there is
//! none. A count of 0 is a heartbeat, 0xFFFF the end of the session.

mod history;
mod packet;
mod receiver;

pub use history::History;
pub use packet::{
    HEADER_LEN, Messages, PACKET_LEN_MAX, Packet, PacketBuilder, PacketError, PacketKind, Request,
    SessionName, end_of_session, heartbeat,
};
pub use receiver::{
    Delivery, FirstMessage, MESSAGE_LEN_MAX, REQUEST_COUNT_MAX, Receiver, ReceiverConfig,
    ReceiverCounts, WINDOW,
};

#[cfg(test)]
mod receiver_tests;
