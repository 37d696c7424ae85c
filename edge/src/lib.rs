//! The edge: the engine's gRPC services, documented in `client/proto/tidegate/v1/*.proto`.
//!
//! * Commands go from callers, checked field by field, into bounded rings of the engine.
//! * Events come from the event log, at each consumer's own pace; a thread of the edge follows it to keep the picture
//!   that queries are answered from, and to hand answers to waiting calls.
//! * Processes of this machine may share memory with the engine: the door lets them in, and is on no path of theirs afterwards.
//! * Public data comes from the engine's broadcast; a thread keeps one book an instrument, streams conflate from it.
//!
//! A backtest has an edge of its own, [`LockStep`], whose engine waits for one strategy.
//!
//! **Invariant:** nothing else here makes the engine wait, and nothing here decides about an order: malformed requests are
//! refused, every other goes to the engine's gate.
//!
//! Start reading at [`EngineLink`], then [`Edge::bind`] and [`Edge::serve`].

mod answers;
mod auth;
mod clients;
mod config;
mod convert;
mod door;
mod error;
mod follow;
mod lanes;
mod link;
mod listener;
mod lock_step;
mod market;
mod outlet;
mod places;
mod server;
mod service;
mod sync;
mod tail;
mod tls;
mod traces;
mod view;

pub use config::{ActsFor, EdgeConfig, Limits, TokenEntry, check_acts_for};
pub use error::EdgeError;
pub use link::EngineLink;
pub use listener::{Counted, accept};
pub use lock_step::{LockStep, LockStepError};
pub use server::{Edge, bind};
pub use tls::EdgeTls;
