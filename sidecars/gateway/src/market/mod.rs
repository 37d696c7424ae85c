//! The market: what the engine's public data says, kept in memory. Reads never call the engine.

pub(crate) mod bars;
mod define;
mod follow;
pub(crate) mod picture;
pub(crate) mod report;
mod routes;

pub(crate) use routes::{Query, routes};

use crate::config;
use crate::error::{ApiError, Result};
use picture::{Instrument, Picture};
use std::sync::Arc;
use tidegate_client::Client;
use tokio::task::JoinSet;

/// The market as it stands, and the task that keeps it.
#[derive(Debug)]
pub(crate) struct Market {
    pub picture: Arc<Picture>,
    _task: JoinSet<()>,
}

impl Market {
    /// Begins to follow the engine.
    pub fn start(client: &Client, config: &config::Market) -> Self {
        let picture = Arc::new(Picture::new(config.trades_kept));
        let mut task = JoinSet::new();
        task.spawn(follow::follow(client.clone(), Arc::clone(&picture), config.clone()));
        Self { picture, _task: task }
    }

    /// The instrument of a symbol.
    ///
    /// # Errors
    /// [`crate::error::Code::NotFound`].
    pub fn instrument(&self, symbol: &str) -> Result<Arc<Instrument>> {
        let found = self.picture.index().get(symbol).cloned();
        found.ok_or_else(|| ApiError::not_found("instrument"))
    }
}
