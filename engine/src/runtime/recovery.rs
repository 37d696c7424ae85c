//! From a journal to an engine that runs: what is replayed, and what the end of the process before it means.

use super::{
    Engine, EngineConfig, EngineError, EngineStatus, OpenJournal, Orders, Outputs, Publishing,
    RecoveryReport, Strategy,
};
use crate::core::Core;
use crate::event_log::EventPosition;
use crate::replay::{BEHAVIOUR_VERSION, resume};
use crate::snapshot;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate_journal::SyncThread;
use tidegate_journal::writer::Check;
use tidegate_model::command::{Configure, ROUTES_MAX, RouteLink, RouteStatus};
use tidegate_model::market::MarketEventKind;
use tidegate_model::{Command, CommandRecord, InstrumentId, MarketEvent, SeqNo, Side, UnixNanos};

/// Lets a snapshot pass with which an engine may begin whose journal goes to input `held`, and its event log to `logged`.
fn fits(header: &snapshot::Header, held: SeqNo, logged: EventPosition) -> Result<(), String> {
    if header.seq > held {
        return Err(format!("the journal goes to input {held} only"));
    }
    let EventPosition { seq, ordinal } = header.events.last;
    if header.events.last > logged {
        // What the log lacks is told again by applying the inputs, and those after the snapshot do not tell it.
        return Err(format!(
            "the event log ends before event {ordinal} of input {seq}, which the state has told"
        ));
    }
    Ok(())
}

impl<S: Strategy> Engine<S> {
    /// Opens the journal, replays it, and tells the engine what is gone with the process before. `logged` is the last position in
    /// the event log: events up to there are not sent again.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn recover(
        config: &EngineConfig,
        outputs: Outputs,
        logged: EventPosition,
        strategy: S,
        status: Arc<EngineStatus>,
    ) -> Result<Self, EngineError> {
        let mut engine = Self::replay(config, outputs, logged, strategy, status)?;
        let now = config.journal_dir.storage().now();
        match config.journal.epoch {
            0 => engine.go_live(config.configure, now)?,
            epoch => engine.lead(epoch, config.configure, now)?,
        }
        Ok(engine)
    }

    /// Opens the journal and replays it, and leaves it at that: a standby goes on from there with what its primary sends.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn replay(
        config: &EngineConfig,
        outputs: Outputs,
        logged: EventPosition,
        strategy: S,
        status: Arc<EngineStatus>,
    ) -> Result<Self, EngineError> {
        let release = Arc::clone(&config.release);
        let mut publishing =
            Publishing::new(outputs, strategy, logged, release, Arc::clone(&status));
        // The replay reads every record, and refuses what is damaged.
        let once = tidegate_journal::Config {
            check: Check::LastSegment,
            behaviour_version: BEHAVIOUR_VERSION,
            ..config.journal.clone()
        };
        let (journal, recovery) = tidegate_journal::Writer::open(&config.journal_dir, once)?;
        // What was recovered is on disk: its outputs may leave before anything new is synced.
        let release = Arc::clone(&config.release);
        release.set_synced(journal.last_seq());
        // What the log has was let out before: whoever had to confirm it did, and a follower that catches up need not hold its events.
        if release.level().is_replicated() {
            release.set_replicated(logged.seq.min(journal.last_seq()));
        }
        let start = |policy| {
            let (syncer, watermark) = (journal.syncer(), journal.watermark());
            SyncThread::start("journal-sync", syncer, watermark, release, policy)
        };
        let sync = config.sync.clone().map(start).transpose().map_err(EngineError::Thread)?;
        let begun = std::time::Instant::now();
        let (held, logged) = (journal.last_seq(), publishing.logged);
        let fits = |header: &snapshot::Header| fits(header, held, logged);
        let mut resumed = resume(&config.journal_dir, fits)?;
        let on_progress = |inputs| status.recovering.store(inputs, Ordering::Relaxed);
        resumed.finish(&mut publishing, on_progress)?;
        let report = RecoveryReport {
            from: resumed.from.map(|header| header.seq),
            passed_over: resumed.passed_over.iter().map(ToString::to_string).collect(),
            cut: recovery.cut,
            inputs: resumed.replayed.as_ref().map_or(0, |replayed| replayed.inputs),
            took: begun.elapsed(),
        };
        if let (Some(_), Some(replayed)) = (report.from, &resumed.replayed) {
            // What was told before the snapshot nobody heard in this run.
            for id in 0..replayed.core.listing().count() as u32 {
                replayed.core.publish_picture(InstrumentId(id), &mut publishing);
            }
        }
        // It is told once: this status is of this recovery.
        let _ = status.recovery.set(report);
        let replayed = resumed.replayed;
        let last = replayed.as_ref().map_or(SeqNo::ZERO, |replayed| replayed.core.seq());
        let logged = std::mem::take(&mut publishing.logged).seq;
        if logged > last {
            return Err(EngineError::EventLogAhead { logged, last });
        }
        let recovered = replayed.as_ref().map_or(0, |replayed| replayed.inputs);
        if let Some(checkpoint) = replayed.as_ref().and_then(|replayed| replayed.last_checkpoint) {
            status.set_checkpoint(checkpoint);
        }
        let core = match replayed {
            Some(replayed) => replayed.core,
            None => Core::new(config.configure).map_err(EngineError::Configure)?,
        };
        let open = OpenJournal { instance: journal.instance(), watermark: journal.watermark() };
        let _ = status.journal.set(open);
        let (orders, checkpoint_every, turns) = (Orders::new(), config.checkpoint_every, 0);
        Ok(Self {
            core,
            sync,
            journal,
            publishing,
            orders,
            status,
            checkpoint_every,
            recovered,
            turns,
            pictures: Default::default(),
        })
    }

    /// From here on inputs come from this machine and requests leave it: what was gone with the process or the primary before is told
    /// to the engine. A new journal begins with `configure`.
    ///
    /// # Errors
    /// [`EngineError::Journal`].
    pub fn go_live(&mut self, configure: Configure, now: UnixNanos) -> Result<(), EngineError> {
        self.publishing.is_live = true;
        if self.core.seq() == SeqNo::ZERO {
            let mut first = CommandRecord::new(Command::Configure(configure));
            first.ts_recv = now;
            return self.command(&first);
        }
        self.close_sessions(now)?;
        self.lose_routes(now)?;
        self.forget_market(now)
    }

    /// The sessions of the run before are gone with its process.
    fn close_sessions(&mut self, now: UnixNanos) -> Result<(), EngineError> {
        for (session, principal) in self.core.sessions_to_close() {
            let mut closed =
                CommandRecord::new(Command::SessionClosed).from_session(principal, session, 0);
            closed.ts_recv = now;
            self.command(&closed)?;
        }
        Ok(())
    }

    /// The adapters of the run before are gone with its process, and what left last has no known outcome.
    fn lose_routes(&mut self, now: UnixNanos) -> Result<(), EngineError> {
        for route in 0..ROUTES_MAX as u8 {
            if self.core.routes().all()[usize::from(route)].link == RouteLink::Down {
                continue;
            }
            let link = RouteLink::Down.wire();
            let status = RouteStatus { cursor: [0; 2], route, link, reserved: [0; 6] };
            let mut lost = CommandRecord::new(Command::RouteStatus(status));
            lost.ts_recv = now;
            self.command(&lost)?;
        }
        Ok(())
    }

    /// Nobody listened since the last input: what the market did is unknown, and a feed that begins again must not be
    /// applied on top of books of before. A gap of unknown length says so and empties them all.
    fn forget_market(&mut self, now: UnixNanos) -> Result<(), EngineError> {
        let books = self.core.books();
        let is_empty = (0..self.core.listing().count() as u32)
            .map(InstrumentId)
            .all(|id| [Side::Buy, Side::Sell].iter().all(|&side| books.best(id, side).is_none()));
        if is_empty {
            return Ok(());
        }
        let gap = MarketEvent {
            kind: MarketEventKind::Gap.wire(),
            ts_event: now,
            ts_recv: now,
            ..Default::default()
        };
        self.market(&gap)
    }
}
