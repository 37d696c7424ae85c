//! What can go wrong between a client and the edge.

use crate::tls::TlsError;
use std::error::Error;
use tonic::{Code, Status};

/// Why a call failed. A refusal by the engine's rules is not among them: it is data in the answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is not one.
    #[error("'{addr}' is not an address such as http://127.0.0.1:7800")]
    Address {
        /// As given.
        addr: String,
        /// What is wrong with it.
        source: tonic::transport::Error,
    },
    /// Addresses of nodes of which only some are `https://`.
    #[error("of the addresses in '{addr}' all or none must begin with https://")]
    Mixed {
        /// As given.
        addr: String,
    },
    /// What TLS needs is not there.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// Nobody answers there.
    #[error("cannot connect to {addr}; is `tidegate run` up, and listening there?")]
    Connect {
        /// Where.
        addr: String,
        /// What happened.
        source: tonic::transport::Error,
    },
    /// The token has characters that a header cannot carry.
    #[error("the token has characters other than printable ASCII")]
    Token,
    /// The edge refused or failed the call.
    ///
    /// With `Cancelled`, `DeadlineExceeded`, `Internal`, `Unavailable` or `Unknown` a request may or may not have been
    /// carried out. An order can be sent again under its name, unchanged: it is taken once. With any other code it was not.
    #[error("{call}: {} ({:?})", told(status), status.code())]
    Call {
        /// The call.
        call: &'static str,
        /// The edge's answer.
        status: Box<Status>,
    },
    /// The answer lacks a part that it always has.
    #[error("{call}: the answer has no {part}; server and client disagree on the protocol")]
    Protocol {
        /// The call.
        call: &'static str,
        /// What is missing.
        part: &'static str,
    },
    /// The session is over: what is sent would go nowhere.
    #[error("the order session is closed")]
    SessionClosed,
    /// A decimal text cannot be read in the instrument's units.
    #[error(transparent)]
    Decimal(#[from] tidegate_model::DecimalError),
    /// An instrument has terms that cannot be.
    #[error(transparent)]
    Terms(#[from] tidegate_model::instrument::InstrumentError),
}

/// What a status says; where nothing but a broken connection does, the last cause of it too.
fn told(status: &Status) -> String {
    let mut causes = std::iter::successors(status.source(), |&cause| Error::source(cause));
    match causes.by_ref().last() {
        Some(cause) => format!("{}: {cause}", status.message()),
        None => status.message().to_string(),
    }
}

impl ClientError {
    /// True if the same call of a stream cannot succeed later either: the request, the token or the position is wrong, or the
    /// event log is damaged.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Call { status, .. } => crate::events::is_final(status.code()),
            Self::Connect { .. } | Self::SessionClosed => false,
            _ => true,
        }
    }

    /// True if nobody answered: the connection could not be made, or broke.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connect { .. } => true,
            Self::Call { status, .. } => {
                matches!(status.code(), Code::Unknown | Code::Unavailable)
                    && status.source().is_some_and(|source| source.is::<tonic::transport::Error>())
            }
            _ => false,
        }
    }

    /// True if it is certain that the request never left: nobody listens where the server should be.
    pub fn was_not_sent(&self) -> bool {
        let Self::Call { status, .. } = self else { return matches!(self, Self::Connect { .. }) };
        let mut causes = std::iter::successors(status.source(), |&cause| Error::source(cause));
        causes.any(|cause| {
            let cause = cause.downcast_ref::<std::io::Error>();
            cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::ConnectionRefused)
        })
    }

    /// True if the server asks for a token, or for another one.
    pub fn is_unauthenticated(&self) -> bool {
        matches!(self, Self::Call { status, .. } if status.code() == Code::Unauthenticated)
    }

    pub(crate) fn call(call: &'static str) -> impl FnOnce(Status) -> Self {
        move |status| Self::Call { call, status: Box::new(status) }
    }
}
