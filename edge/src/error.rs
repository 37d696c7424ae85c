//! What can go wrong at the edge: for the one who runs it, and for the one who calls.

use crate::config::ActsFor;
use crate::link::EventLogError;
use std::net::SocketAddr;
use std::path::PathBuf;
use tidegate_client::tls::TlsError;
use tidegate_model::PrincipalId;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// Why an edge did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EdgeError {
    /// Strangers could reach it and nothing would stop them.
    #[error(
        "refusing to listen on {listen} without tokens: it is not loopback; add [[edge.tokens]] or listen on 127.0.0.1"
    )]
    Unprotected {
        /// Where it was to listen.
        listen: SocketAddr,
    },
    /// A certificate or key that cannot be used.
    #[error("edge.tls: {0}")]
    Tls(#[from] TlsError),
    /// A token that is no protection.
    #[error("the token named '{name}' {why}")]
    Token {
        /// Its name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// What is no range of principals that a token can act for.
    #[error(
        "acts_for = [{first}, {last}] is not allowed: the first and the last of some principals, from 1 to {max}"
    )]
    ActsFor {
        /// Where it begins.
        first: u32,
        /// Where it ends.
        last: u32,
        /// The highest principal there can be.
        max: usize,
    },
    /// A token that acts for somebody whom another one stands for, or acts for.
    #[error(
        "the token named '{name}' acts for principals {range}, but the token named '{other}' stands or acts for {principal}"
    )]
    ActsForAnother {
        /// The token's name.
        name: String,
        /// Whom it acts for.
        range: ActsFor,
        /// Who of them is another's.
        principal: PrincipalId,
        /// The other token's name.
        other: String,
    },
    /// More tokens than are compared in reasonable time.
    #[error("{count} tokens are configured, at most {max} are allowed")]
    TooManyTokens {
        /// As configured.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// No lane for unary calls.
    #[error("the engine gave the edge {given} command lanes; it needs 2 at least")]
    NoLanes {
        /// Lanes given.
        given: usize,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The door cannot be opened.
    #[error("cannot open the door at {}: {source}", path.display())]
    Door {
        /// The socket's path.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system gave no thread.
    #[error("cannot start the thread {name}: {source}")]
    Thread {
        /// Which.
        name: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The event log cannot be read.
    #[error("cannot read the event log: {0}")]
    EventLog(#[from] EventLogError),
    /// The service descriptions are damaged.
    #[error("cannot offer reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The server failed.
    #[error("the gRPC server failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// A request that is refused before it reaches the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: Code,
    /// The field at fault, or empty.
    pub field: &'static str,
    /// What was wrong, and what is allowed.
    pub text: String,
}

/// Characters of a caller's text that are repeated in an error.
const ECHO_MAX: usize = 64;

/// A caller's text, fit to be repeated.
pub(crate) fn echo(text: &str) -> String {
    let mut out: String = text.chars().take(ECHO_MAX).flat_map(char::escape_default).collect();
    if text.chars().nth(ECHO_MAX).is_some() {
        out.push_str("...");
    }
    out
}

impl Refusal {
    /// A field that cannot be what it is.
    pub fn invalid(field: &'static str, text: impl std::fmt::Display) -> Self {
        Self { code: Code::InvalidArgument, field, text: text.to_string() }
    }

    /// A field that names what does not exist.
    pub fn not_found(field: &'static str, text: impl std::fmt::Display) -> Self {
        Self { code: Code::NotFound, field, text: text.to_string() }
    }

    /// A bound that is reached.
    pub fn exhausted(text: impl std::fmt::Display) -> Self {
        Self { code: Code::ResourceExhausted, field: "", text: text.to_string() }
    }

    /// Field and text in one line.
    pub fn message(&self) -> String {
        if self.field.is_empty() {
            self.text.clone()
        } else {
            format!("{}: {}", self.field, self.text)
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut metadata = MetadataMap::new();
        if !refusal.field.is_empty() {
            metadata.insert("tidegate-field", MetadataValue::from_static(refusal.field));
        }
        Self::with_metadata(refusal.code, refusal.message(), metadata)
    }
}
