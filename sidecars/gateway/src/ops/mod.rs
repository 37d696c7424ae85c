//! How the gateway is watched: health, readiness, figures, traces, and how the engine behind it stands.

pub mod health;
pub mod metrics;
pub(crate) mod stages;
pub(crate) mod system;
pub mod trace;

use crate::config::Config;
use crate::gateway::Gateway;
use crate::http::limits::Limits;
use anyhow::Result;
use jiff::Timestamp;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often the engine is asked how it is, and limits forget who has everything left.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two sweeps.
const SWEEP_EVERY: u32 = 60;
/// Looks between two clearings of the database.
const CLEAR_EVERY: u32 = 60 * 60;

/// What watches.
#[derive(Debug)]
pub struct Ops {
    /// Figures.
    pub metrics: metrics::Metrics,
    /// How many requests each may make.
    pub limits: Limits,
    /// How engine and database are.
    pub pulse: health::Pulse,
    /// Where traces go.
    pub traces: trace::Traces,
    /// What the engine's stages take.
    pub(crate) latencies: system::Latencies,
    /// Since when the gateway runs.
    pub(crate) started_at: Timestamp,
}

impl Ops {
    /// As configured.
    ///
    /// # Errors
    /// A collector's address that cannot be one.
    pub fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            metrics: metrics::Metrics::new(),
            limits: Limits::new(&config.limits),
            pulse: health::Pulse::default(),
            traces: trace::Traces::open(&config.telemetry)?,
            latencies: system::Latencies::default(),
            started_at: Timestamp::now(),
        })
    }
}

/// Feels the pulse of engine and database, and forgets what need not be kept, for as long as the gateway lives.
pub(crate) async fn look_after(gateway: Weak<Gateway>) {
    for look in 0u32.. {
        let Some(gateway) = Weak::upgrade(&gateway) else { return };
        gateway.ops.pulse.feel(&gateway.engine, &gateway.pool).await;
        gateway.ops.metrics.see(&gateway);
        if look.is_multiple_of(SWEEP_EVERY) {
            gateway.ops.limits.sweep();
        }
        if look.is_multiple_of(CLEAR_EVERY)
            && let Err(error) = gateway.identity.clear(crate::now_ms()).await
        {
            tracing::warn!(
                "what is over stays in the database for another hour: {}",
                error.message
            );
        }
        drop::<Arc<Gateway>>(gateway);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
