//! The market: what the engine's public data says, kept in memory. Reads never call the engine.

pub(crate) mod bars;
mod define;
mod follow;
pub(crate) mod import;
mod keep;
pub(crate) mod picture;
pub(crate) mod report;
mod routes;

pub(crate) use routes::{Query, routes};

use crate::config;
use crate::error::{ApiError, Result};
use picture::{Instrument, Picture};
use sqlx::AnyPool;
use std::collections::HashMap;
use std::sync::Arc;
use tidegate_client::Client;
use tokio::task::JoinSet;

/// The market as it stands, and the tasks that keep it.
#[derive(Debug)]
pub(crate) struct Market {
    pub picture: Arc<Picture>,
    _tasks: JoinSet<()>,
}

impl Market {
    /// Begins to follow the engine, with the bars that were kept.
    ///
    /// # Errors
    /// The database's.
    pub async fn start(
        client: &Client,
        config: &config::Market,
        pool: AnyPool,
    ) -> sqlx::Result<Self> {
        let written = if config.bars_are_kept { keep::read(&pool).await? } else { HashMap::new() };
        let picture = Arc::new(Picture::new(config.trades_kept, written));
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::follow(client.clone(), Arc::clone(&picture), config.clone()));
        if config.bars_are_kept {
            tasks.spawn(keep::keep(pool, Arc::clone(&picture)));
        }
        Ok(Self { picture, _tasks: tasks })
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
