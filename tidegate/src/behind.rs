//! What follows the journal behind the engine and holds nobody up: the chains of hashes over the journal and its event log, and the
//! state of which snapshots are taken. A standby has them as a primary does.

use crate::config::Config;
use anyhow::Result;
use std::sync::Arc;
use tidegate_engine::runtime::OpenJournal;
use tidegate_engine::snapshot::{News, Shadow};
use tidegate_journal::chain::Follower;
use tidegate_journal::{Release, Watermark};
use tidegate_model::ReleaseLevel;

/// The threads behind an engine. Dropped, they end; nothing may take the journal's place or cut it before.
pub struct Behind {
    chains: [Follower; 2],
    shadow: Option<Shadow>,
}

impl Behind {
    /// Starts them behind the journal that an engine has open; `log` is the watermark of its event log.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        config: &Config,
        open: &OpenJournal,
        log: Arc<Watermark>,
        release: &Arc<Release>,
    ) -> Result<Self> {
        let dir = &config.journal.dir;
        let journal = Follower::start(dir, Arc::clone(&open.watermark))?;
        let chains = [journal, Follower::start(&dir.join("events"), log)?];
        Ok(Self { chains, shadow: start_shadow(config, release)? })
    }

    /// Ends them, the chains at the end of what was written.
    pub fn finish(self) {
        drop(self.shadow);
        for chain in self.chains {
            if let Err(error) = chain.finish() {
                // The records are as good as before; the next start computes it anew.
                tracing::error!(%error, "the chain of hashes is not complete");
            }
        }
    }
}

/// Starts what takes snapshots, if any are to be taken.
fn start_shadow(config: &Config, release: &Arc<Release>) -> Result<Option<Shadow>> {
    let every_inputs = config.snapshots.every_inputs.get();
    if every_inputs == 0 {
        return Ok(None);
    }
    let release = Arc::clone(release);
    let tell = |news: News| match news {
        News::PassedOver(why) => tracing::error!(snapshot = %why, "a snapshot was passed over"),
        News::Taken(header) => {
            let (seq, bytes) = (header.seq.0, header.body_len);
            tracing::info!(seq, bytes, "a snapshot was taken");
        }
        News::Failed(error) => tracing::error!(
            %error,
            "no snapshots are taken any more; trading goes on, and the next start takes longer"
        ),
    };
    // The event log must have what came before a snapshot: it holds only what was released.
    let level = release.level().union(ReleaseLevel::Power);
    let synced = move || release.reached(level);
    let dir = (&config.journal.dir).into();
    Ok(Some(Shadow::start(dir, every_inputs, synced, tell)?))
}
