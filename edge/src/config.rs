//! How an edge is set up, and every bound it keeps.

use crate::error::EdgeError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tidegate_model::PrincipalId;

/// Characters a token has at least: too many to guess over a network.
const TOKEN_LEN_MIN: usize = 16;
/// Characters a token has at most: headers are bounded.
pub(crate) const TOKEN_LEN_MAX: usize = 512;
/// Tokens one edge knows at most: each is compared with on every call.
const TOKENS_MAX: usize = 1_024;

/// A secret and whom it stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// The secret: 16 to 512 printable ASCII characters without spaces.
    pub token: String,
    /// Whom the engine takes its bearer for.
    pub principal: PrincipalId,
    /// A name for logs.
    pub name: String,
    /// True if it may use the calls of AdminService that change something.
    pub may_administer: bool,
    /// True if it may set controls and limits, engage and release kill switches, and decide proposals: a person.
    pub may_control: bool,
}

// Secrets stay out of logs.
impl std::fmt::Debug for TokenEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenEntry")
            .field("principal", &self.principal)
            .field("name", &self.name)
            .field("may_administer", &self.may_administer)
            .field("may_control", &self.may_control)
            .finish_non_exhaustive()
    }
}

/// The bounds of one edge. Reaching one is a typed error that names it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time; each costs some tens of KiB. Eight more are kept for this machine, ten seconds each.
    pub connections_max: usize,
    /// Streams (calls in flight) of one connection.
    pub streams_per_connection_max: u32,
    /// Streams at one time over all connections, order sessions included.
    pub streams_max: usize,
    /// Bytes of one request; the largest real one, a subscription to 1,000 symbols, has 26 KiB.
    pub request_bytes_max: usize,
    /// Bytes of all headers of one request.
    pub header_bytes_max: u32,
    /// Unary calls that wait for the engine at one time.
    pub waiting_max: usize,
    /// How long a unary call waits for the engine.
    pub answer_timeout: Duration,
    /// Events a live stream may be behind before it is disconnected.
    pub event_lag_max: u64,
    /// Finished orders of the day that queries can see.
    pub finished_orders_max: usize,
    /// How long streams get to end when the edge shuts down.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            streams_per_connection_max: 128,
            streams_max: 1_024,
            request_bytes_max: 64 * 1_024,
            header_bytes_max: 16 * 1_024,
            waiting_max: 4_096,
            answer_timeout: Duration::from_secs(5),
            event_lag_max: 1_000_000,
            finished_orders_max: 100_000,
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// How an edge is set up.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Where to listen; port 0 takes a free one. Anything but loopback needs tokens.
    pub listen: SocketAddr,
    /// The socket at which processes of this machine come in that share memory with the engine; without, none do.
    pub door: Option<PathBuf>,
    /// Who may change state. Without any, nobody.
    pub tokens: Vec<TokenEntry>,
    /// True if calls from this machine may read without a token.
    pub loopback_reads_free: bool,
    /// Its bounds.
    pub limits: Limits,
    /// What the live routes are called, by number.
    pub routes: Vec<String>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7_800),
            door: None,
            tokens: Vec::new(),
            loopback_reads_free: true,
            limits: Limits::default(),
            routes: Vec::new(),
        }
    }
}

impl EdgeConfig {
    /// Refuses what would be unsafe to start with.
    ///
    /// # Errors
    /// [`EdgeError::Unprotected`], [`EdgeError::Token`] or [`EdgeError::TooManyTokens`].
    pub fn check(&self) -> Result<(), EdgeError> {
        if !self.listen.ip().is_loopback() && self.tokens.is_empty() {
            return Err(EdgeError::Unprotected { listen: self.listen });
        }
        if self.tokens.len() > TOKENS_MAX {
            return Err(EdgeError::TooManyTokens { count: self.tokens.len(), max: TOKENS_MAX });
        }
        for (at, entry) in self.tokens.iter().enumerate() {
            let bad = |why| Err(EdgeError::Token { name: entry.name.clone(), why });
            if !(TOKEN_LEN_MIN..=TOKEN_LEN_MAX).contains(&entry.token.len()) {
                return bad("must have 16 to 512 characters");
            }
            if !entry.token.bytes().all(|b| b.is_ascii_graphic()) {
                return bad("must be printable ASCII without spaces");
            }
            if self.tokens[..at].iter().any(|other| other.token == entry.token) {
                return bad("is given twice");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(token: &str) -> TokenEntry {
        TokenEntry {
            token: token.into(),
            principal: PrincipalId(1),
            name: "t".into(),
            may_administer: false,
            may_control: false,
        }
    }

    #[test]
    fn only_loopback_may_go_without_tokens() {
        let open = EdgeConfig { listen: ([0, 0, 0, 0], 0).into(), ..Default::default() };
        assert!(matches!(open.check(), Err(EdgeError::Unprotected { .. })));
        let with = EdgeConfig { tokens: vec![entry("0123456789abcdef")], ..open };
        assert!(with.check().is_ok());
        assert!(EdgeConfig::default().check().is_ok());
    }

    #[test]
    fn weak_tokens_are_refused() {
        for bad in ["", "short", "0123456789abcde", "0123456789abcdef ", "0123456789abcdé"] {
            let config = EdgeConfig { tokens: vec![entry(bad)], ..Default::default() };
            assert!(matches!(config.check(), Err(EdgeError::Token { .. })), "{bad:?}");
        }
        let twice = vec![entry("0123456789abcdef"), entry("0123456789abcdef")];
        assert!(EdgeConfig { tokens: twice, ..Default::default() }.check().is_err());
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        assert!(!format!("{:?}", entry("0123456789abcdef")).contains("0123456789abcdef"));
    }
}
