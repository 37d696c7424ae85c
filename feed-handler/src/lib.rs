//! Feeds in, [`tidegate_model::MarketEvent`]s out.
//!
//! The decoders ([`itch`], [`binary_file`], [`mold_udp64`]) are sans-I/O: bytes and times are given to them,
//! events and packets come out. The same code serves file replay, the live socket, tests and fuzzers. Around
//! them stand the parts that touch the world: [`source`] opens files of any kind, [`udp`] receives a live
//! feed, [`server`] plays a file as one, [`synthetic`] makes up sessions.
//!
//! Everything that comes in is treated as hostile: damage ends in a typed error that names the byte offset
//! and the message number; nothing panics, loops or grows without a named bound.
//!
//! This crate never builds a book and never judges an event; that is the engine's. Start reading at
//! [`itch::Decoder`], then [`source::Source`].

pub mod binance;
pub mod binary_file;
pub mod csv_bars;
pub mod dbn_file;
pub mod error;
pub mod event_array;
pub mod itch;
pub mod lines;
pub mod mold_udp64;
pub mod server;
pub mod session_date;
pub mod source;
pub mod synthetic;
pub mod udp;

pub use error::{Error, MessageError};
