//! Trading: accounts, orders, what they hold, and who stops them. Whatever changes something goes to the engine as the principal of
//! whoever asks; whatever is read comes from the picture that [`events`] keeps.
//!
//! * [`accounts`], [`orders`], [`queue`], [`lists`], [`portfolio`], [`history`]: what traders do and see; [`authorize`]: what lets a
//!   person's order through.
//! * [`risk`], [`controls`], [`sectors`], [`audit_log`]: what risk officers do and see. [`plans`], [`watchlists`].
//! * [`picture`]: orders, executions, positions and cash, of the events and of nothing else; [`marks`]: what positions are valued at.
//! * [`principal`]: for whom the engine takes a caller.

pub mod accounts;
mod amount;
mod audit_log;
mod authorize;
mod controls;
pub mod events;
pub mod history;
mod lists;
mod marks;
mod orders;
pub mod outcome;
pub mod picture;
pub mod plans;
mod portfolio;
pub mod principal;
mod queue;
#[cfg(test)]
mod recount;
pub mod report;
mod request;
pub mod risk;
pub mod sectors;
mod watchlists;
pub mod words;

use crate::gateway::Gateway;
use crate::identity::Lookup;
use crate::keys::Keys;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What trading needs beside accounts and events.
#[derive(Debug)]
pub struct Trading {
    /// What the engine was told of principals.
    known: principal::Known,
    /// Hashes the tokens of authorizations.
    lookup: Lookup,
}

impl Trading {
    /// The engine has been told nothing.
    pub fn new(keys: &Keys) -> Self {
        Self { known: principal::Known::default(), lookup: Lookup::new(keys) }
    }
}

/// The routes.
pub(crate) fn routes() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::list, accounts::open))
        .routes(routes!(accounts::get))
        .routes(routes!(orders::list, orders::submit, orders::cancel_all))
        .routes(routes!(orders::get, orders::replace, orders::cancel))
        .routes(routes!(queue::get))
        .routes(routes!(queue::list))
        .routes(routes!(lists::submit))
        .routes(routes!(lists::preview))
        .routes(routes!(lists::work))
        .routes(routes!(lists::preview_parent))
        .routes(routes!(lists::flatten))
        .routes(routes!(authorize::preview))
        .routes(routes!(authorize::authorize))
        .routes(routes!(portfolio::positions))
        .routes(routes!(portfolio::portfolio))
        .routes(routes!(history::history))
        .routes(routes!(portfolio::executions))
        .routes(routes!(risk::limits, risk::set_limits))
        .routes(routes!(risk::stopped))
        .routes(routes!(controls::list))
        .routes(routes!(controls::history))
        .routes(routes!(sectors::list))
        .routes(routes!(sectors::put))
        .routes(routes!(risk::kill))
        .routes(routes!(risk::release))
        .routes(routes!(risk::proposals))
        .routes(routes!(risk::decide))
        .routes(routes!(audit_log::list))
        .routes(routes!(plans::list))
        .routes(routes!(watchlists::list, watchlists::add))
        .routes(routes!(watchlists::get, watchlists::put, watchlists::delete))
}
