//! What a start looks at before it opens anything, what it waits for, and what it tells of it.

use crate::cmd::run::stop_on_signal;
use anyhow::{Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tidegate_engine::event_log::{EventLogError, EventLogHandle};
use tidegate_engine::runtime::{EngineHandle, EngineStatus};
use tidegate_journal::frame::KIND_COMMAND;
use tidegate_journal::{JournalError, Reader, Release};
use tidegate_model::command::Configure;
use tidegate_model::{Command, CommandRecord, SeqNo};

/// How often a start that takes long says what it waits for.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Asks for as many open files as this process may have: many systems begin with 1,024, and connections, journal and event log
/// share them. What it may not have, `tidegate doctor` tells.
pub fn raise_open_files() {
    let files = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: files.maximum, ..files };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Refuses sizes that are not those of the journal in `dir`. What else may be wrong with it, the engine tells.
pub fn check_sizes(dir: &Path, asked: &Configure) -> Result<()> {
    let Some(kept) = first_configure(dir) else { return Ok(()) };
    for (key, kept, asked) in [
        ("orders_max", kept.orders_max, asked.orders_max),
        ("book_orders_max", kept.book_orders_max, asked.book_orders_max),
    ] {
        ensure!(
            kept == asked,
            "the journal in {} has engine.{key} = {kept}, the configuration asks for {asked}: a journal keeps the sizes \
             that it began with; set {key} = {kept}, or begin a new journal in another journal.dir",
            dir.display()
        );
    }
    Ok(())
}

/// The first input of the journal in `dir`.
fn first_configure(dir: &Path) -> Option<Configure> {
    let mut reader = Reader::open(dir).ok()?;
    let first = reader.next().ok()?.filter(|record| record.kind == KIND_COMMAND)?;
    match first.pod::<CommandRecord>().ok()?.command()? {
        Command::Configure(configure) => Some(configure),
        _ => None,
    }
}

/// Says so where nothing tells how far the disk has the journal.
pub fn tell_of_watermark(dir: &Path) -> Result<()> {
    let has_records = dir.is_dir() && tidegate_journal::oldest(dir)?.is_some();
    if has_records && tidegate_journal::synced::read(dir)?.is_none() {
        tracing::warn!(
            "{} is missing or empty, which says how far the disk has the journal: it was written before there was one, or somebody took it \
             away. Any damage is refused now, but for a record torn at the very end; the file is made anew",
            dir.join("SYNCED").display()
        );
    }
    Ok(())
}

/// What to do about an event log that is not whole.
pub fn log_advice(dir: &Path) -> String {
    let events = dir.join("events");
    let begins = tidegate_journal::oldest(dir).ok().flatten().and_then(|oldest| oldest.first_seq);
    match begins {
        Some(first) if first > SeqNo(1) => format!(
            "restore {} from an archive or a copy (tidegate journal restore); the journal begins with input {first}, so that it cannot be rebuilt",
            events.display()
        ),
        _ => format!("remove {}, it is rebuilt from the journal", events.display()),
    }
}

/// What it means that the event log cannot be opened, and what can be done about it.
pub fn log_refused(dir: &Path, error: &EventLogError) -> String {
    let events = dir.join("events");
    match error {
        EventLogError::Beside(_) => {
            format!("cannot open the journal in {}", dir.display())
        }
        EventLogError::Journal(JournalError::Locked { .. }) => {
            format!("the journal in {} is in use", dir.display())
        }
        EventLogError::Journal(JournalError::Io { .. } | JournalError::NoSpace { .. }) => {
            format!("cannot open the event log in {}", events.display())
        }
        _ => format!("cannot open the event log: {}", log_advice(dir)),
    }
}

/// Waits for what `look` finds in the status of an engine that recovers; `None` once the process is to end.
///
/// # Errors
/// If the engine ended.
pub fn wait_for<T>(
    engine: &EngineHandle,
    is_stopped: impl Fn() -> bool,
    look: impl Fn(&EngineStatus) -> Option<T>,
) -> Result<Option<T>> {
    let mut tell_at = Instant::now() + TELL_EVERY;
    loop {
        if let Some(found) = look(&engine.status) {
            return Ok(Some(found));
        }
        if engine.is_finished() {
            bail!("the engine ended while it started");
        }
        if is_stopped() {
            return Ok(None);
        }
        if Instant::now() >= tell_at {
            tell_at += TELL_EVERY;
            let inputs = engine.status.recovering.load(Ordering::Relaxed);
            tracing::warn!(inputs, "still recovering: so many inputs of the journal are applied");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until everything that was recovered is released and in the event log.
pub fn settle(engine: &EngineHandle, log: &EventLogHandle, release: &Release) -> Result<()> {
    let mut tell_at = Instant::now() + TELL_EVERY;
    let is_stopped = stop_on_signal()?;
    let mut goes_on = || {
        if Instant::now() >= tell_at {
            tell_at = Instant::now() + TELL_EVERY;
            tracing::warn!(
                level = release.level().as_str(),
                recovered = engine.status.seq.load(Ordering::Acquire),
                released = release.released().0,
                "what was recovered waits for its release; nothing is served before"
            );
        }
        !engine.is_finished() && !is_stopped.load(Ordering::Relaxed)
    };
    loop {
        let settled = log.settle(&mut goes_on);
        ensure!(
            settled.is_ok() || engine.is_finished() || goes_on(),
            "stopped while what was recovered waited for its release"
        );
        settled?;
        if !engine.status.has_backlog.load(Ordering::Acquire) {
            return Ok(());
        }
    }
}

/// Tells how the engine came to its state.
pub fn tell_recovery(status: &EngineStatus) {
    let Some(report) = status.recovery.get() else { return };
    for why in &report.passed_over {
        tracing::error!(snapshot = %why, "a snapshot was passed over");
    }
    if let Some((path, offset)) = &report.cut.at {
        tracing::warn!(
            file = %path.display(),
            offset,
            bytes = report.cut.bytes,
            segments = report.cut.segments,
            "the journal was cut where it was not valid any more, above what was certainly on the disk; what was cut is in its folder cut"
        );
    } else if report.cut.segments > 0 {
        tracing::warn!(
            segments = report.cut.segments,
            "whole segments were cut and set aside in the journal's folder cut"
        );
    }
    let from = report.from.map_or(0, |seq| seq.0);
    let took_ms = report.took.as_millis();
    tracing::info!(snapshot = from, inputs = report.inputs, took_ms, "the state is recovered");
}
