//! One machine: a disk that outlives processes, a clock that is its own, and perhaps a process: the engine with its journal, its
//! event log and its release, driven step by step.

use crate::dice::Dice;
use crate::disk::Disk;
use crate::load;
use anyhow::{Context, Result};
use rtrb::{Consumer, Producer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidegate_engine::broadcast;
use tidegate_engine::event_log::{self, EventLog, Mover};
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::runtime::{self, Engine, EngineConfig, Inputs, Outputs, Release, Trace, Wait};
use tidegate_journal::recovery::cut_after;
use tidegate_journal::writer::SEGMENT_LEN_MIN;
use tidegate_journal::{Config, Dir, Syncer, epochs};
use tidegate_model::{CommandRecord, MarketEvent, ReleaseLevel, SeqNo, UnixNanos};
use tidegate_replication::catchup::Place;

/// The journal that a deployment has.
pub const INSTANCE: u128 = 0x51de;
/// Inputs between two recorded hashes: small, so that each run has some.
const CHECKPOINT_EVERY: u64 = 32;
/// When simulations begin, UTC.
const BEGIN: u64 = 1_700_000_000_000_000_000;

/// A machine.
#[derive(Debug)]
pub struct Machine {
    /// Its name, which followers are known by.
    pub name: String,
    /// Its disk.
    pub disk: Disk,
    /// Nanoseconds that its clock shows more than the world's.
    pub ahead: u64,
    /// Millionths that its clock goes faster than the world's, or slower.
    pub drift_ppm: i64,
    /// Whether power was lost, or the disk replaced, since its journal was last known to hold all that it confirmed.
    pub is_complete: bool,
    /// Whether its process led when it last ran.
    pub has_led: bool,
}

impl Machine {
    /// A new one.
    pub fn new(name: &str, dice: &mut Dice, drift_ppm_max: u64) -> Self {
        let disk = Disk::new(dice.fork(), 64 << 20);
        let drift = dice.within(0, 2 * drift_ppm_max) as i64 - drift_ppm_max as i64;
        let ahead = dice.below(10_000_000_000);
        Self {
            name: name.to_string(),
            disk,
            ahead,
            drift_ppm: drift,
            is_complete: true,
            has_led: false,
        }
    }

    /// What its clock shows: nanoseconds since some beginning.
    pub fn clock(&self, now: u64) -> u64 {
        let drift = i128::from(now) * i128::from(self.drift_ppm) / 1_000_000;
        (i128::from(now) + drift) as u64 + self.ahead
    }

    /// The same as a date.
    pub fn date(&self, now: u64) -> UnixNanos {
        UnixNanos(BEGIN + self.clock(now))
    }

    /// Where its journal is.
    pub fn dir(&self) -> Dir {
        Dir::on(Arc::new(self.disk.clone()), dir_path())
    }

    /// Cuts what lies behind input `after`, which its leader does not have.
    ///
    /// # Errors
    /// What the event log or the journal refuse, and the disk's.
    pub fn cut(&self, after: SeqNo) -> Result<()> {
        event_log::cut_beside(self.dir(), config(0), after).context("event log")?;
        cut_after(self.dir(), after)?;
        Ok(())
    }
}

/// Where every machine has its journal.
pub fn dir_path() -> PathBuf {
    Path::new("/journal").to_path_buf()
}

/// Where a machine's process begins anew with a snapshot.
pub fn place(machine: &Machine) -> Place {
    Place { dir: machine.dir(), journal: config(0), log: config(0) }
}

/// The engine's part of a process.
pub struct Rig {
    /// The engine.
    pub engine: Engine<()>,
    inputs: Inputs,
    mover: Mover,
    /// Everything that was released.
    pub log: EventLog,
    /// What outputs wait for.
    pub release: Arc<Release>,
    syncer: Syncer,
    log_syncer: Syncer,
    /// Where a client sends orders.
    pub lane: CommandLane,
    /// Where the feed sends news.
    pub feed: Producer<MarketEvent>,
    _stages: Consumer<Trace>,
}

impl std::fmt::Debug for Rig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rig(at {})", self.engine.core().seq())
    }
}

fn config(epoch: u64) -> Config {
    Config {
        segment_len: SEGMENT_LEN_MIN,
        instance: Some(INSTANCE),
        epoch,
        is_inline: true,
        ..Config::default()
    }
}

impl Rig {
    /// Opens what is on the disk, and replays it.
    ///
    /// # Errors
    /// What the journal, the event log or the replay refuse.
    pub fn boot(machine: &Machine, level: ReleaseLevel, now: UnixNanos) -> Result<Self> {
        machine.disk.set_now(now);
        let dir = machine.dir();
        let epoch = newest_epoch(&dir)?;
        let (log_writer, log, _) =
            event_log::open_beside(&dir, config(0), level).context("event log")?;
        let log_syncer = log_writer.syncer();
        let (events, events_in) = runtime::event_ring().expect("memory");
        let (stages, stages_in) = runtime::stage_ring();
        let (feed, feed_in) = runtime::feed_ring();
        let (lane, lane_in) = lane();
        let release = Arc::new(Release::with_followers(level));
        let (public, _) = broadcast::channel(Arc::clone(&release))?;
        let outputs =
            Outputs { events, public, stages, routes: Vec::new(), seats: Default::default() };
        let engine_config = EngineConfig {
            journal_dir: dir,
            journal: config(epoch),
            configure: load::configure(),
            pin_core: None,
            wait: Wait::Yield,
            release: Arc::clone(&release),
            sync: None,
            checkpoint_every: CHECKPOINT_EVERY,
        };
        let status = Arc::default();
        let engine = Engine::replay(&engine_config, outputs, log.last(), (), status)?;
        let syncer = engine.syncer();
        let mover = Mover::new(log_writer, events_in, Arc::clone(&release));
        let inputs = Inputs { feed: feed_in, lanes: vec![lane_in], book_requests: Arc::default() };
        Ok(Self {
            engine,
            inputs,
            mover,
            log,
            release,
            syncer,
            log_syncer,
            lane,
            feed,
            _stages: stages_in,
        })
    }

    /// Takes what its rings hold.
    ///
    /// # Errors
    /// The engine must not go on.
    pub fn turn(&mut self, now: UnixNanos) -> Result<usize> {
        Ok(self.engine.turn(&mut self.inputs, || now)?)
    }

    /// Moves released events into the log; how many.
    ///
    /// # Errors
    /// The log's files.
    pub fn publish(&mut self) -> Result<usize> {
        Ok(self.mover.turn()?)
    }

    /// Makes what is appended last.
    ///
    /// # Errors
    /// The disk's, after which the process must end.
    pub fn sync(&mut self) -> Result<()> {
        let synced = self.syncer.sync()?;
        self.release.set_synced(synced);
        Ok(())
    }

    /// The same of the event log, which nobody waits for.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync_log(&mut self) -> Result<()> {
        self.log_syncer.sync()?;
        Ok(())
    }

    /// The last input.
    pub fn last(&self) -> SeqNo {
        self.engine.core().seq()
    }

    /// Sends a client's order; false if there is no room.
    pub fn send(&mut self, record: CommandRecord) -> bool {
        self.lane.try_send(record).is_ok()
    }
}

/// The newest epoch that a segment of the journal was written in; 0 if there is none.
fn newest_epoch(dir: &Dir) -> Result<u64> {
    match epochs(dir) {
        Ok(epochs) => Ok(epochs.last().map_or(0, |(epoch, _)| *epoch)),
        Err(tidegate_journal::JournalError::Io { error, .. })
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(0)
        }
        Err(error) => Err(error.into()),
    }
}
