//! The gateway: people and their programs come in here. It owns users, credentials and the mapping from UUIDs to the engine's
//! numbers, and serves REST and streams. It is a client of the edge like any other: it may be slow or restarted, and the engine
//! does not notice; nothing here decides about an order.
//!
//! * [`Config`]: how one is set up.
//! * [`Gateway`]: what every request shares; [`serve`] runs it.
//! * [`permission`]: roles and what they may; each route names what it needs in its OpenAPI description, and `http::guard`
//!   enforces that.
//! * [`audit`]: what somebody did, in a chain of hashes.
//!
//! Start reading at [`http::api`], which lists the routes.

pub mod audit;
mod billing;
pub mod command;
mod config;
mod db;
pub mod error;
mod gateway;
mod graphql;
pub mod http;
mod identity;
mod keys;
mod live;
mod mail;
mod market;
mod name;
mod ops;
pub mod permission;
mod reseal;
mod sealed;
mod secrets;
#[cfg(test)]
mod testing;
mod trading;

pub use config::{Authorization, Config, DEFAULT, Provider, ProviderKind};
pub use db::open as open_database;
pub use gateway::Gateway;
pub use http::serve::serve;

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, as the database keeps times.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
