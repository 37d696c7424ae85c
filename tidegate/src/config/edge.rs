//! `[edge]`

use super::values::{address, secret};
use serde::Deserialize;
use std::net::SocketAddr;

/// `[edge]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// Where gRPC listens.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Who may change state.
    pub tokens: Vec<Token>,
}

impl Default for Edge {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7_800)), tokens: Vec::new() }
    }
}

/// `[[edge.tokens]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The secret, at least 16 characters.
    #[serde(deserialize_with = "secret")]
    pub token: String,
    /// The principal it stands for.
    pub principal: u32,
    /// A name for logs.
    pub name: String,
    /// True if it may use the administrative calls: instruments, accounts, cash, phases.
    #[serde(default)]
    pub may_administer: bool,
    /// True if it may set limits and controls, engage kill switches, propose and decide.
    #[serde(default)]
    pub may_control: bool,
}
