//! How an edge is set up, and every bound it keeps.

use crate::error::EdgeError;
use crate::tls::EdgeTls;
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

/// The principals that a token acts for: the people and programs of a gateway. Never the operator's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActsFor {
    first: PrincipalId,
    last: PrincipalId,
}

impl ActsFor {
    /// From `first` to `last`, both included.
    ///
    /// # Errors
    /// [`EdgeError::ActsFor`] if it begins above its end, or not all of them are principals: 1 to 16,383.
    pub fn new(first: PrincipalId, last: PrincipalId) -> Result<Self, EdgeError> {
        let is_known = first != PrincipalId::OPERATOR && last.index() < PrincipalId::COUNT_MAX;
        if is_known && first <= last {
            return Ok(Self { first, last });
        }
        let max = PrincipalId::COUNT_MAX - 1;
        Err(EdgeError::ActsFor { first: first.0, last: last.0, max })
    }

    /// True if it acts for `principal`.
    pub fn contains(self, principal: PrincipalId) -> bool {
        (self.first..=self.last).contains(&principal)
    }

    /// The lowest principal that both act for.
    fn common(self, other: Self) -> Option<PrincipalId> {
        let first = self.first.max(other.first);
        (self.contains(first) && other.contains(first)).then_some(first)
    }
}

impl std::fmt::Display for ActsFor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

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
    /// The principals that it may act for, and make: a gateway's. A call says for which with
    /// [`PRINCIPAL_KEY`](tidegate_client::PRINCIPAL_KEY). None: it acts for its own principal only.
    pub acts_for: Option<ActsFor>,
}

// Secrets stay out of logs.
impl std::fmt::Debug for TokenEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenEntry")
            .field("principal", &self.principal)
            .field("name", &self.name)
            .field("may_administer", &self.may_administer)
            .field("may_control", &self.may_control)
            .field("acts_for", &self.acts_for)
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

/// Refuses tokens that act for somebody who is another's to say: a principal that a token stands for, or that a token of another
/// principal acts for.
///
/// # Errors
/// [`EdgeError::ActsForAnother`].
pub fn check_acts_for(tokens: &[TokenEntry]) -> Result<(), EdgeError> {
    for entry in tokens {
        let Some(range) = entry.acts_for else { continue };
        let taken = tokens.iter().find_map(|other| {
            let stands = Some(other.principal).filter(|principal| range.contains(*principal));
            let acts = other.acts_for.filter(|_| other.principal != entry.principal);
            let principal = stands.or_else(|| range.common(acts?))?;
            Some((principal, &other.name))
        });
        if let Some((principal, other)) = taken {
            let (name, other) = (entry.name.clone(), other.clone());
            return Err(EdgeError::ActsForAnother { name, range, principal, other });
        }
    }
    Ok(())
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
    /// Who the edge is, and who may connect; without, nothing is encrypted.
    pub tls: Option<EdgeTls>,
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
            tls: None,
        }
    }
}

impl EdgeConfig {
    /// Refuses what would be unsafe to start with.
    ///
    /// # Errors
    /// [`EdgeError::Unprotected`], [`EdgeError::Token`], [`EdgeError::TooManyTokens`], [`EdgeError::ActsForAnother`] or
    /// [`EdgeError::Tls`].
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
        self.tls.as_ref().map(EdgeTls::read).transpose()?;
        check_acts_for(&self.tokens)
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
            acts_for: None,
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
    fn a_token_acts_for_principals_that_there_can_be() {
        for (first, last, is_one) in [
            (1, 1, true),
            (1_000, 16_383, true),
            (0, 5, false),
            (0, 0, false),
            (6, 5, false),
            (1_000, 16_384, false),
            (1_000, u32::MAX, false),
            (u32::MAX, u32::MAX, false),
        ] {
            let range = ActsFor::new(PrincipalId(first), PrincipalId(last));
            assert_eq!(range.is_ok(), is_one, "{first} to {last}");
        }
        let error = ActsFor::new(PrincipalId(1_000), PrincipalId(131_071)).expect_err("too many");
        assert_eq!(
            error.to_string(),
            "acts_for = [1000, 131071] is not allowed: the first and the last of some principals, from 1 to 16383"
        );
    }

    #[test]
    fn nobody_acts_for_whom_another_token_stands() {
        let token = |name: &str, principal, acts_for: Option<(u32, u32)>| TokenEntry {
            name: name.into(),
            principal: PrincipalId(principal),
            acts_for: acts_for.map(|(first, last)| {
                ActsFor::new(PrincipalId(first), PrincipalId(last)).expect("principals")
            }),
            ..entry(&format!("0123456789abcdef-{name}"))
        };
        let gateway = || token("gateway", 2, Some((1_000, 2_000)));
        for (other, said) in [
            (token("a", 3, None), None),
            (token("a", 999, None), None),
            (token("a", 2_001, Some((2_002, 2_003))), None),
            (token("a", 1_000, None), Some("but the token named 'a' stands or acts for 1000")),
            (token("a", 2_000, None), Some("acts for 2000")),
            (
                token("a", 3, Some((1, 2))),
                Some("principals 1 to 2, but the token named 'gateway' stands or acts for 2"),
            ),
            (
                token("a", 3, Some((3, 9))),
                Some("principals 3 to 9, but the token named 'a' stands or acts for 3"),
            ),
            (token("a", 3, Some((2_000, 3_000))), Some("acts for 2000")),
            (token("a", 3, Some((900, 1_000))), Some("acts for 1000")),
            (token("a", 3, Some((1_500, 1_500))), Some("acts for 1500")),
            // Another token of the same gateway, while one takes the other's place.
            (token("a", 2, Some((1_000, 2_000))), None),
        ] {
            let swapped = vec![other.clone(), gateway()];
            let error = EdgeConfig { tokens: swapped, ..Default::default() }.check().err();
            assert_eq!(error.is_some(), said.is_some(), "{other:?}: {error:?}");
            let tokens = vec![gateway(), other.clone()];
            let error = EdgeConfig { tokens, ..Default::default() }.check().err();
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(said.unwrap_or_default()), "{other:?}: {error}");
        }
    }

    #[test]
    fn secrets_stay_out_of_debug_output() {
        assert!(!format!("{:?}", entry("0123456789abcdef")).contains("0123456789abcdef"));
    }
}
