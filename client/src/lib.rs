//! The protocol of the edge, and a Rust client of it. Sidecars, adapters and examples depend on this crate and on no
//! other of the project.
//!
//! * [`proto`]: messages and services generated from `proto/tidegate/v1/*.proto`, which are the documentation.
//! * [`Client`]: a connection with typed calls.
//! * [`OrderSession`]: a two-way session, split into a sending and a hearing half.
//! * [`EventStream`]: every event of the engine, resumed by itself after a disconnect, without gap or repeat.
//! * [`tls`]: what a connection trusts and shows.
//! * [`strategy`]: what a strategy is, and the hosts that run one against a server or a backtest.
//!
//! Nothing here decides anything about an order, and nothing here retries one: [`ClientError::Call`] says when its outcome
//! is unknown.
//!
//! Start reading at [`Client::connect`].

mod client;
mod error;
mod events;
mod nodes;
mod session;
pub mod strategy;
pub mod tls;

/// Generated from `proto/tidegate/v1/*.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("tidegate.v1");

    /// The compiled `.proto` files, for servers that offer reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/tidegate_v1.bin"));
}

pub use client::{
    Client, OrderRef, PRINCIPAL_KEY, RELEASE_LEVEL_KEY, TRACEPARENT, TRACEPARENT_KEY,
};
pub use error::ClientError;
pub use events::{EventFilter, EventStream};
pub use session::{OrderEvents, OrderSender, OrderSession};
/// What an acknowledgement waits for: see [`Client::with_release_level`].
pub use tidegate_model::ReleaseLevel;
/// Exact decimal text, as messages carry it, to integers and back.
pub use tidegate_model::decimal;
