//! Live venues behind one trait. An [`Adapter`] speaks to one venue; a [`runner`] moves records between it and the engine, in
//! a thread of its own: requests from the engine's ring, reports back as commands.
//!
//! **Invariant:** an adapter decides nothing about orders. What left and what is unknown is known to the engine alone, from
//! its journal; an adapter sends each request that it is handed once, and never one that it was handed before a break.
//!
//! **Invariant:** whatever breaks, the runner says that the route is down, connects again and lets the engine ask.
//!
//! Start reading at [`runner`]; [`tidegate`] is the first adapter: to another Tidegate over its gRPC edge.

pub mod runner;
pub mod tidegate;

use std::future::Future;
use tidegate_client::ClientError;
use tidegate_model::command::RouteReport;
use tidegate_model::{Command, RoutedKind, RoutedOrder};

/// Why an adapter cannot go on with its connection. The runner makes another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// A call to the venue failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The venue said something that cannot be read.
    #[error("the venue's {what} is not what it should be: '{text}'")]
    Unreadable {
        /// Which field.
        what: &'static str,
        /// As it came.
        text: String,
    },
    /// The venue took too long.
    #[error("the venue did not answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The engine's requests are not complete: the ring was full.
    #[error("request {found} came where {expected} was due")]
    Gap {
        /// The next number.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// The venue speaks another version than the adapter: what it says may mean something else.
    #[error(
        "the venue has version '{found}', the adapter was made for {expected}: the route stays down until they agree"
    )]
    Version {
        /// What the adapter was made for.
        expected: String,
        /// What the venue has.
        found: String,
    },
    /// The engine takes no reports any more.
    #[error("the engine is gone")]
    EngineGone,
}

/// What an adapter has to say, in order.
#[derive(Debug, Default)]
pub struct Reports(pub(crate) Vec<Command>);

impl Reports {
    /// Adds a report about an order.
    pub fn order(&mut self, report: RouteReport) {
        self.0.push(Command::RouteReport(report));
    }
}

/// Everything that reconciliation has to answer.
#[derive(Debug, Default)]
pub struct Known {
    /// The place of the venue's history up to which everything was told.
    pub cursor: [u64; 2],
    /// When the engine's journal began; part of the names of its orders.
    pub journal: u64,
    /// Orders that are open as far as the engine knows.
    pub orders: Vec<RoutedOrder>,
}

/// One venue. A future that is dropped before it is done counts as a broken connection, but for [`Self::next`].
pub trait Adapter: Send {
    /// Says whether the venue speaks the version that the adapter was made for; asked after each [`Self::connect`], before
    /// anything that it says is believed. An adapter whose venue has no versions answers `Ok` and says so there.
    ///
    /// # Errors
    /// [`AdapterError::Version`]: the route stays down.
    fn check_version(&self) -> Result<(), AdapterError>;

    /// Connects; the place where the venue's history stands.
    fn connect(&mut self) -> impl Future<Output = Result<[u64; 2], AdapterError>> + Send;

    /// Tells what happened since `known.cursor`, positions, whether each of the orders is there, and which others are. Before
    /// a position or an order is told, every execution that it includes is. An order is missing only if no request for it
    /// can still be under way.
    fn reconcile(
        &mut self,
        known: Known,
        reports: &mut Reports,
    ) -> impl Future<Output = Result<(), AdapterError>> + Send;

    /// Sends one request. An error means that its outcome is unknown; a refusal is a report.
    fn send(
        &mut self,
        request: &RoutedKind,
        reports: &mut Reports,
    ) -> impl Future<Output = Result<(), AdapterError>> + Send;

    /// Waits for what the venue says next. It may be dropped at any time without loss.
    fn next(
        &mut self,
        reports: &mut Reports,
    ) -> impl Future<Output = Result<(), AdapterError>> + Send;
}
