//! `tidegate journal archive`, `restore` and `prune`.

use crate::s3::S3;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidegate_engine::replay::{ReplayError, resume};
use tidegate_engine::snapshot::newest_certain;
use tidegate_journal::Dir;
use tidegate_journal::archive::{self, Folder, Look, Progress, Store};
use tidegate_model::{SeqNo, UnixNanos};

const SECS_PER_DAY: u64 = 86_400;
/// Seven years, two of them leap years.
const AUDIT_DAYS: u64 = 7 * 365 + 2;
const MARKET_DAYS: u64 = 30;

/// Where the archive is.
const STORE_HELP: &str = "\
A store is file:///FOLDER, or s3://BUCKET/PREFIX. For S3, keys and address come from the environment, as for other tools: \
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_SHARED_CREDENTIALS_FILE with AWS_PROFILE; AWS_REGION; \
AWS_ENDPOINT_URL for a server of your own; AWS_CA_BUNDLE for its certificate authority.

One node archives a journal: two that write the same names would each find the other's segments.";

#[derive(Args, Debug)]
#[command(after_help = STORE_HELP)]
pub(super) struct ArchiveArgs {
    /// The journal's directory; its event log is archived as well
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The store
    #[arg(long, value_name = "STORE")]
    to: String,
    /// Read everything that was archived before as well, and archive again what is damaged there
    #[arg(long)]
    verify: bool,
    /// Say what would be archived, and store nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
#[command(after_help = STORE_HELP)]
pub(super) struct RestoreArgs {
    /// Where the journal is to be; segments that are there and the same stay
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The store
    #[arg(long, value_name = "STORE")]
    from: String,
    /// The journal, by the instance that `archive` and `head` print; needed only if the store has several
    #[arg(long, value_name = "HEX", value_parser = instance)]
    instance: Option<u128>,
    /// The event log's instance; needed only if the store has several
    #[arg(long, value_name = "HEX", value_parser = instance)]
    events_instance: Option<u128>,
    /// Say what would be restored, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args, Debug)]
#[command(after_help = STORE_HELP)]
pub(super) struct PruneArgs {
    /// The journal's directory; of its event log only what the archive has is pruned
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The store that it was archived to
    #[arg(long, value_name = "STORE")]
    archive: String,
    /// How long segments stay here after they were written
    #[arg(long, value_name = "DAYS", default_value_t = MARKET_DAYS)]
    local_days: u64,
    /// How long the archive keeps market inputs: replay is possible as far back
    #[arg(long, value_name = "DAYS", default_value_t = MARKET_DAYS)]
    market_days: u64,
    /// How long the archive keeps everything else: commands, events, checkpoints
    #[arg(long, value_name = "DAYS", default_value_t = AUDIT_DAYS)]
    audit_days: u64,
    /// Let inputs go that a restart needs, because no snapshot is behind them: it would have to restore them first
    #[arg(long)]
    without_snapshot: bool,
    /// Say what would be taken away, and take nothing
    #[arg(long)]
    dry_run: bool,
}

fn instance(text: &str) -> Result<u128, String> {
    u128::from_str_radix(text, 16).map_err(|_| "an instance has up to 32 hexadecimal digits".into())
}

/// The two journals of a directory, and their names in a store.
fn streams(dir: &Path) -> [(&'static str, PathBuf); 2] {
    [("inputs", dir.to_path_buf()), ("events", dir.join("events"))]
}

/// The part `stream` of the store that `text` names.
fn open_store(text: &str, stream: &str) -> Result<Box<dyn Store>> {
    if let Some(path) = text.strip_prefix("file://") {
        if !path.starts_with('/') {
            bail!("'{text}' is no store: a folder is written file:///PATH, from the root on");
        }
        return Ok(Box::new(Folder::new(Path::new(path).join(stream))));
    }
    match text.strip_prefix("s3://") {
        Some(rest) => Ok(Box::new(S3::open(&format!("{}/{stream}", rest.trim_end_matches('/')))?)),
        None => bail!("'{text}' is no store: write file:///FOLDER or s3://BUCKET/PREFIX"),
    }
}

/// Shows on a terminal which segment is being worked on.
fn watch(stream: &'static str) -> impl FnMut(Progress) {
    let shown = io::stderr().is_terminal();
    move |step| {
        if shown {
            let Progress { what, index, done, total } = step;
            // Whoever cannot be shown it misses nothing.
            let _ = write!(
                io::stderr(),
                "\r{what} {stream}: segment {index}, {done} of {total} done  "
            );
            let _ = io::stderr().flush();
        }
    }
}

fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

fn days(days: u64) -> Duration {
    Duration::from_secs(days.saturating_mul(SECS_PER_DAY))
}

fn would(dry_run: bool) -> &'static str {
    if dry_run { "would be " } else { "" }
}

pub(super) fn archive(args: &ArchiveArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    let look = if args.verify { Look::Bytes } else { Look::Names };
    let mut lost = 0;
    for (stream, dir) in streams(&args.dir) {
        if stream == "events" && !dir.is_dir() {
            continue;
        }
        let store = open_store(&args.to, stream)?;
        let (store, dry_run) = (store.as_ref(), args.dry_run);
        let archived = archive::archive(&dir, store, look, dry_run, &mut watch(stream))
            .with_context(|| {
                format!("the {stream} are not all archived; what was done stays, run it again")
            })?;
        let would = would(args.dry_run);
        for text in &archived.repaired {
            writeln!(out, "{stream}: damaged and {would}archived again: {text}")?;
        }
        for text in &archived.lost {
            writeln!(out, "{stream}: damaged, and its segment is not here any more: {text}")?;
        }
        lost += archived.lost.len();
        write!(
            out,
            "{stream}: {} segments {would}archived, {} were",
            archived.segments, archived.already
        )?;
        if archived.without_market > 0 {
            write!(
                out,
                "; {} others are not here any more, and the archive has no market events of them: they were pruned, or somebody took them away",
                archived.without_market
            )?;
        }
        if archived.stored_bytes > 0 {
            write!(out, "; {} bytes became {}", archived.segment_bytes, archived.stored_bytes)?;
        }
        writeln!(out)?;
    }
    if lost > 0 {
        bail!(
            "{lost} segments in the archive are damaged; put those objects back from a copy of the archive"
        );
    }
    Ok(())
}

/// The one journal that a store has, or the one asked for.
fn choose(store: &dyn Store, stream: &str, asked: Option<u128>) -> Result<Option<u128>> {
    if asked.is_some() {
        return Ok(asked);
    }
    let all = archive::instances(store)?;
    if all.len() > 1 {
        let names: Vec<_> = all.iter().map(|instance| format!("{instance:032x}")).collect();
        let option = if stream == "events" { "--events-instance" } else { "--instance" };
        bail!(
            "{} has {stream} of several journals, choose one with {option}: {}",
            store.place(),
            names.join(", ")
        );
    }
    Ok(all.first().copied())
}

pub(super) fn restore(args: &RestoreArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    let asked = [args.instance, args.events_instance];
    for ((stream, dir), asked) in streams(&args.dir).into_iter().zip(asked) {
        let store = open_store(&args.from, stream)?;
        let Some(instance) = choose(store.as_ref(), stream, asked)? else {
            if stream == "inputs" {
                bail!("{} holds no archive", store.place());
            }
            continue;
        };
        let restored =
            archive::restore(&dir, store.as_ref(), instance, args.dry_run, &mut watch(stream))
                .with_context(|| {
                    format!("the {stream} are not all restored; what was done stays, run it again")
                })?;
        let would = would(args.dry_run);
        write!(
            out,
            "{stream}: {} segments {would}restored, {} were there",
            restored.segments, restored.already
        )?;
        if let Some((first, last)) = restored.range {
            write!(out, "; records {first} to {last}")?;
        }
        if restored.pruned > 0 {
            write!(out, "; {} of them without their market events", restored.pruned)?;
        }
        let from = if restored.from_origin { "the first record" } else { "the first link" };
        writeln!(out, "; the chain leads through them from {from} on")?;
    }
    Ok(())
}

/// The input behind which a restart of the journal in `dir` begins, whatever is lost with the power: that of its newest snapshot that
/// can be read, belongs to it, and tells nothing that the disk may lack; zero if there is none.
fn restart_point(dir: &Path) -> Result<SeqNo> {
    let dir = &Dir::from(dir);
    match resume(dir, |_| Ok(())) {
        Ok(resumed) => {
            for error in &resumed.passed_over {
                writeln!(io::stderr(), "note: {error}")?;
            }
        }
        Err(error @ ReplayError::Pruned { .. }) => writeln!(io::stderr(), "note: {error}")?,
        Err(error) => return Err(error).context("cannot tell what a restart needs"),
    }
    let certain = newest_certain(dir).context("cannot look through the snapshots")?;
    Ok(certain.map_or(SeqNo::ZERO, |header| header.seq))
}

pub(super) fn prune(args: &PruneArgs) -> Result<()> {
    let mut out = io::stdout().lock();
    let (now, would) = (now(), would(args.dry_run));
    for (stream, dir) in streams(&args.dir) {
        if stream == "events" && !dir.is_dir() {
            continue;
        }
        let store = open_store(&args.archive, stream)?;
        let (store, dry_run) = (store.as_ref(), args.dry_run);
        if stream == "events" {
            // Queries are answered from all of them.
            writeln!(out, "{stream} here: all stay, a start reads them")?;
        } else {
            let below = match restart_point(&dir)? {
                SeqNo::ZERO if args.without_snapshot => SeqNo(u64::MAX),
                below => below,
            };
            let age = days(args.local_days);
            let watch = &mut watch(stream);
            let local = archive::prune_local(&dir, store, below, age, now, dry_run, watch)?;
            write!(
                out,
                "{stream} here: {} segments {would}taken away ({} bytes)",
                local.segments, local.bytes
            )?;
            match local.kept_because {
                Some(because) => writeln!(out, "; the next stays: {because}")?,
                None => writeln!(out)?,
            }
        }
        let (market, audit) = (days(args.market_days), days(args.audit_days));
        for instance in archive::instances(store)? {
            let away = archive::prune_archive(store, instance, market, audit, now, dry_run)?;
            writeln!(
                out,
                "{stream} in the archive, {instance:032x}: market events of {} segments and {} whole segments {would}taken away ({} bytes)",
                away.market_objects, away.segments, away.bytes
            )?;
        }
    }
    Ok(())
}
