//! `[[routes]]`

use super::values::{Within, secret};
use serde::Deserialize;
use tidegate_model::AccountId;

/// The venues that a route can lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteVenue {
    /// Another Tidegate, over its gRPC edge.
    Tidegate,
}

/// `[[routes]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    /// What instruments call it.
    pub name: String,
    /// What it leads to.
    pub venue: RouteVenue,
    /// Where that is.
    pub address: String,
    /// The token to trade with there.
    #[serde(deserialize_with = "secret")]
    pub token: String,
    /// The account there, which nobody else trades in.
    pub account: Within<0, { AccountId::COUNT_MAX as u64 - 1 }>,
    /// Longest wait for one answer.
    #[serde(default = "RouteEntry::timeout")]
    pub timeout_ms: Within<10, 600_000>,
    /// How long a request of a broken connection may still be under way there.
    #[serde(default = "RouteEntry::settle")]
    pub settle_ms: Within<10, 600_000>,
    /// Most requests a second.
    #[serde(default = "RouteEntry::requests")]
    pub requests_per_sec: Within<1, 100_000>,
    /// Cancel open orders there that did not come from here.
    #[serde(default)]
    pub cancel_foreign: bool,
}

impl RouteEntry {
    const fn timeout() -> Within<10, 600_000> {
        Within::new(5_000)
    }
    const fn settle() -> Within<10, 600_000> {
        Within::new(500)
    }
    const fn requests() -> Within<1, 100_000> {
        Within::new(100)
    }
}
