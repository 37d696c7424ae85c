//! This process as one of several nodes: what it leads with, how it follows, and the way from one to the other.

use crate::config::{Config, Replication};
use anyhow::{Context, Result, anyhow, bail};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidegate_engine::event_log;
use tidegate_engine::replay::BEHAVIOUR_VERSION;
use tidegate_engine::runtime::{EngineHandle, OpenJournal};
use tidegate_journal::{Dir, JournalError, Reader, Release, Watermark, exchange};
use tidegate_model::SeqNo;
use tidegate_replication::catchup::{Place, back_to};
use tidegate_replication::complete;
use tidegate_replication::leader::Identity;
use tidegate_replication::message::Stands;
use tidegate_replication::node::{Known, Node};
use tidegate_replication::primary::Lead;
use tidegate_replication::standby::{Outcome, Start, Unbegun};
use tidegate_replication::tail;
use tidegate_replication::tls::Tls;

/// Between two looks at a standby's engine and link.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How long a new standby looks for a primary that tells it which journal to begin.
const PRIMARY_PATIENCE: Duration = Duration::from_secs(3_600);

/// What this process is, as the engine starts.
pub enum Role<'n> {
    /// It has no standby and is none.
    Alone,
    /// It leads in this epoch.
    Primary(&'n Node, Leading),
    /// It follows, and leads when it is its turn.
    Standby(&'n Node, Following<'n>),
}

/// With what a primary starts.
pub struct Leading {
    /// The epoch that it begins.
    pub epoch: u64,
    /// Its journal.
    pub instance: u128,
}

/// With what a standby starts.
pub struct Following<'n> {
    /// The journal that it follows.
    pub instance: u128,
    /// The newest epoch in its own.
    pub epoch: u64,
    /// Set when the process is to end.
    pub stop: &'n AtomicBool,
}

/// Why a standby's start did not end in leading.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotLed {
    /// The process is to end.
    #[error("the standby was stopped")]
    Stopped,
    /// Records behind this number were never confirmed, and the primary does not have them.
    #[error("what lies behind input {0} is to be cut")]
    Cut(SeqNo),
    /// A snapshot of this input is there, and is to take the place of the journal.
    #[error("the snapshot of input {0} is to take the place of the journal")]
    CaughtUp(SeqNo),
}

/// The node that the configuration describes.
pub fn node(replication: &Replication) -> Result<Node> {
    let tls = Tls::read(&replication.files())?;
    Ok(Node::start(replication.node(), &tls)?)
}

/// What the journal in `dir` says before it is opened.
struct Found {
    instance: Option<u128>,
    epoch: u64,
}

fn look(dir: &Path) -> Result<Found> {
    // What a crash interrupted, and a snapshot of which nothing came.
    exchange::finish(&dir.into())?;
    exchange::clear(&dir.into())?;
    let mut reader = match Reader::open(dir) {
        Ok(reader) => reader,
        Err(JournalError::NoJournal { .. } | JournalError::Io { .. }) => {
            return Ok(Found { instance: None, epoch: 0 });
        }
        Err(error) => return Err(error.into()),
    };
    let has_records = reader.next()?.is_some();
    let instance = reader.header().filter(|_| has_records).map(|header| header.instance);
    let epochs = tidegate_journal::epochs(dir)?;
    Ok(Found { instance, epoch: epochs.last().map_or(0, |(epoch, _)| *epoch) })
}

/// How the journal in `dir` stands, as recovery would find it.
fn stands(dir: &Path, instance: Option<u128>) -> Result<Stands> {
    let last = tidegate_journal::recovery::find_end(dir)?.map_or(SeqNo::ZERO, |end| end.last_seq);
    let epoch = if last == SeqNo::ZERO { None } else { tail::history(dir, last)?.last_epoch() };
    Ok(Stands { leads: None, is_asked: false, instance, epoch, last })
}

/// Takes the lead for a primary that starts on the journal in `dir`.
///
/// # Errors
/// If somebody else leads, or may have what this journal has lost.
pub fn lead(node: &Node, dir: &Path, force: bool) -> Result<Leading> {
    let found = look(dir)?;
    // Nobody waited for followers of a journal that never had any.
    let is_complete = complete::is_complete(dir)?.unwrap_or(true);
    let instance = match found.instance {
        Some(instance) => instance,
        None => draw()?,
    };
    if !node.has_lease() && !is_complete && !force {
        bail!(
            "this machine has lost power since it led, and a follower may have more: start it as a standby and promote the follower, \
             or accept the loss with --force"
        );
    }
    // Without a store nobody else says who leads: one that is restarted out of habit must not lead beside the one promoted, nor
    // begin anew what others have.
    if !node.has_lease()
        && !force
        && let Some(why) = node.objection(&stands(dir, found.instance)?)
    {
        bail!(
            "{why}: start this one with tidegate standby; only to lose what it lacks, stop the other and lead with --force"
        );
    }
    let known = Known { instance, is_complete, newest_epoch: found.epoch, force };
    let (epoch, _) = node.acquire(&known, Duration::from_secs(5))?;
    Ok(Leading { epoch, instance })
}

/// What a standby starts with on the journal in `dir`; one that is new asks the primary.
///
/// # Errors
/// If no primary is found.
pub fn follow<'n>(
    node: &Node,
    dir: &Path,
    out: &mut impl Write,
    stop: &'n AtomicBool,
) -> Result<Following<'n>> {
    let found = look(dir)?;
    let instance = match found.instance {
        Some(instance) => instance,
        None => {
            writeln!(out, "standby   has no journal yet, and asks the primary which to begin")?;
            let began = std::time::Instant::now();
            let mut told = String::new();
            loop {
                match node.instance(BEHAVIOUR_VERSION, Duration::from_millis(500)) {
                    Ok(instance) => break instance,
                    Err(_) if stop.load(Ordering::Relaxed) => bail!(NotLed::Stopped),
                    Err(why) if began.elapsed() > PRIMARY_PATIENCE => {
                        return Err(anyhow!(why))
                            .context("no primary tells which journal to follow");
                    }
                    Err(why) if why != told => {
                        tracing::warn!("{why}");
                        told = why;
                    }
                    Err(_) => {}
                }
            }
        }
    };
    Ok(Following { instance, epoch: found.epoch, stop })
}

fn draw() -> Result<u128> {
    let text = crate::cmd::run::random_token()?;
    u128::from_str_radix(&text, 16).context("random bytes are hexadecimal")
}

impl Following<'_> {
    /// Follows until it is this node's turn to lead.
    ///
    /// # Errors
    /// [`NotLed`], or what ended the engine.
    pub fn until_led(
        &self,
        node: &Node,
        dir: &Path,
        engine: &EngineHandle,
        open: &OpenJournal,
        unbegun: Unbegun,
        files: &tidegate_journal::Config,
    ) -> Result<()> {
        let last = open.watermark.seq();
        let history = tail::history(dir, last)?;
        // An empty disk in place of one that confirmed things is not complete, whatever anybody takes it for.
        let mut is_marked = complete::is_complete(dir)?.unwrap_or(false);
        if is_marked {
            complete::mark(dir)?;
        }
        let journal = tidegate_journal::Config { instance: Some(open.instance), ..files.clone() };
        let start = Start {
            instance: open.instance,
            history,
            behaviour_version: BEHAVIOUR_VERSION,
            is_complete: is_marked,
            back_to: back_to(&dir.into())?,
            place: Place { dir: dir.into(), journal, log: files.clone() },
        };
        node.begin(unbegun, start);
        while !engine.status.alive.load(Ordering::Acquire) {
            if engine.is_finished() {
                bail!("the standby's engine ended");
            }
            if !is_marked && node.is_complete() {
                complete::mark(dir)?;
                is_marked = true;
            }
            match node.outcome() {
                Some(Outcome::Cut { after }) => bail!(NotLed::Cut(after)),
                Some(Outcome::CaughtUp { seq }) => bail!(NotLed::CaughtUp(seq)),
                Some(Outcome::Failed { why }) => bail!(why),
                _ if self.stop.load(Ordering::Relaxed) => bail!(NotLed::Stopped),
                _ => std::thread::sleep(LOOK_EVERY),
            }
        }
        Ok(())
    }
}

/// Leads from now on, with an engine that takes inputs.
///
/// # Errors
/// If the journal cannot be read.
pub fn take_lead(
    node: &Node,
    dir: &Path,
    engine: &EngineHandle,
    open: &OpenJournal,
    events: Arc<Watermark>,
    release: &Arc<Release>,
) -> Result<()> {
    complete::mark(dir)?;
    let last = open.watermark.seq();
    let history = tail::history(dir, last)?;
    let epoch = history.last_epoch().context("an epoch begins with an input")?;
    node.lead(Lead {
        dir: Dir::from(dir),
        watermark: Arc::clone(&open.watermark),
        events,
        release: Arc::clone(release),
        drain: engine.drain(),
        status: Arc::clone(&engine.status),
        identity: Identity { instance: open.instance, epoch, behaviour_version: BEHAVIOUR_VERSION },
        history,
        in_sync: node.in_sync(),
    });
    Ok(())
}

/// What was closed in order is complete, whatever becomes of the machine.
pub fn closed(config: &Config, was_complete: bool) {
    if config.replication.is_some()
        && was_complete
        && let Err(error) = complete::close(&config.journal.dir)
    {
        tracing::warn!("cannot note that the journal was closed: {error}");
    }
}

/// Lets the snapshot that a standby was sent take the place of its journal; where that lies from then on.
///
/// # Errors
/// If files cannot be moved. It goes on with the next start.
pub fn exchange(dir: &Path) -> Result<std::path::PathBuf> {
    let dir = dir.into();
    exchange::commit(&dir)?;
    exchange::finish(&dir)?.context("it was just committed")
}

/// Cuts what a primary never confirmed, and its events; how many of those there were, which clients of this node may have heard of.
///
/// # Errors
/// If the journal or its event log cannot be cut.
pub fn cut(config: &Config, after: SeqNo) -> Result<u64> {
    let dir = &config.journal.dir;
    let events = event_log::cut_beside(dir, config.journal.files(), after)?;
    tidegate_journal::recovery::cut_after(dir, after)?;
    Ok(events)
}
