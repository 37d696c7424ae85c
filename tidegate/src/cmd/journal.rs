//! `tidegate journal`: proving, reading and exporting a journal.

use crate::starting::log_advice;
use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tidegate_engine::runtime::EngineError;
use tidegate_journal::frame::{
    KIND_CHECKPOINT, KIND_COMMAND, KIND_EVENT, KIND_MARKET_EVENT, KIND_PRUNED, KIND_SEAL,
};
use tidegate_journal::{JournalError, Reader, Record, Report, SealReason};
use tidegate_model::{EventRecord, SeqNo};

mod archive;
mod columns;
mod fields;
mod head;
mod risk;
mod snapshot;

use columns::COLUMNS;
use fields::{Value, decode};

/// Prove that a journal is whole, read it, export it
#[derive(Args, Debug)]
pub struct JournalArgs {
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Subcommand, Debug)]
enum JournalCommand {
    /// Read every record and check it: CRC, numbers, seals
    ///
    /// Exits 0 if every record is whole. A torn end, which is what a crash leaves of a record that was never
    /// acknowledged, is reported and is no damage. Anything else exits 1 and says which file, which byte, and what to
    /// do. The event log in DIR/events is checked as well, if there is one, and that it goes to no input which the
    /// journal lacks. Works while an engine writes.
    #[command(after_help = "Examples:\n  tidegate journal verify ./data/journal\n  \
        tidegate journal verify ./data/journal --json | jq .journal.last_seq")]
    Verify {
        /// The journal's directory, or its `events` sub-folder
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
        /// Prove too that the journal leads through what `head` printed once: that line, or a file of such lines
        #[arg(long, value_name = "LINE|FILE")]
        head: Option<String>,
    },
    /// Print a line that proves later that no record up to now was changed, removed or inserted
    ///
    /// The line is a hash over every record, and is to be kept where whoever may write the journal may not: a mail, a ticket,
    /// paper. CRCs show what a disk did; this shows what somebody did. The last record is left out, since a
    /// recovery may still cut it.
    #[command(
        after_help = "Examples:\n  tidegate journal head ./data/journal >> /mnt/elsewhere/heads\n  \
        tidegate journal verify ./data/journal --head /mnt/elsewhere/heads"
    )]
    Head(head::HeadArgs),
    /// Copy sealed segments to a folder or an S3-compatible store, and read back what was stored
    Archive(archive::ArchiveArgs),
    /// Bring archived segments back, to the byte
    Restore(archive::RestoreArgs),
    /// Take away segments that are archived and old, and what the archive need not keep any more
    Prune(archive::PruneArgs),
    /// Take a snapshot of the state, so that a restart applies only what comes after it
    ///
    /// Applies the journal from its newest good snapshot on, up to the last input that is on disk, and writes the state into
    /// DIR/snapshots. The newest three are kept. Works while an engine writes.
    #[command(after_help = "Examples:\n  tidegate journal snapshot ./data/journal")]
    Snapshot {
        /// The journal's directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// List the snapshots, newest first, and check all of each: bytes, links, state hash
    ///
    /// Exits 1 if one of them cannot be used.
    #[command(after_help = "Examples:\n  tidegate journal snapshots ./data/journal")]
    Snapshots {
        /// The journal's directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// One JSON object a line instead of text
        #[arg(long)]
        json: bool,
    },
    /// Print records for people, one a line
    #[command(
        after_help = "Examples:\n  tidegate journal cat ./data/journal --from 1000 --to 1010\n  \
        tidegate journal cat ./data/journal --kind command,checkpoint\n  \
        tidegate journal cat ./data/journal/events | grep execution"
    )]
    Cat {
        #[command(flatten)]
        selection: Selection,
    },
    /// Write records for machines, as JSON lines or CSV, with every field
    ///
    /// A field's name ends in its unit: _ticks and _lots are integers of the instrument, _ns is UTC nanoseconds since
    /// the Unix epoch, _nano is 1e-9, _e18 is 1e-18 of a currency. Integers of 128 bits are strings in JSON. CSV has
    /// one column for every field that any record can have; it is empty where a record has none.
    #[command(
        after_help = "Examples:\n  tidegate journal export ./data/journal --format jsonl -o inputs.jsonl\n  \
        tidegate journal export ./data/journal/events --format csv > events.csv"
    )]
    Export {
        #[command(flatten)]
        selection: Selection,
        /// What to write
        #[arg(long, value_enum)]
        format: Format,
        /// Where to; without it, to standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Args, Debug)]
struct Selection {
    /// The journal's directory, or its `events` sub-folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// First record to print; without it, the first there is
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Last record to print; without it, the last there is
    #[arg(long, value_name = "SEQ")]
    to: Option<u64>,
    /// Only records of these kinds, separated by commas
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<Kind>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// One JSON object a line
    Jsonl,
    /// One header line, then one line a record
    Csv,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
enum Kind {
    /// What a feed said
    MarketEvent,
    /// What a session, an operator or the clock asked for
    Command,
    /// The state's hash after a record
    Checkpoint,
    /// What the engine answered (in the event log)
    Event,
    /// The end of a segment
    Seal,
    /// A run of market events that an archive did not keep
    Pruned,
}

impl Kind {
    const fn wire(self) -> u8 {
        match self {
            Self::MarketEvent => KIND_MARKET_EVENT,
            Self::Command => KIND_COMMAND,
            Self::Checkpoint => KIND_CHECKPOINT,
            Self::Event => KIND_EVENT,
            Self::Seal => KIND_SEAL,
            Self::Pruned => KIND_PRUNED,
        }
    }
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        KIND_MARKET_EVENT => "market_event",
        KIND_COMMAND => "command",
        KIND_CHECKPOINT => "checkpoint",
        KIND_EVENT => "event",
        KIND_SEAL => "seal",
        KIND_PRUNED => "pruned",
        _ => "unknown",
    }
}

/// Runs `tidegate journal`.
///
/// # Errors
/// Damage of the journal, with file and offset; a file that cannot be written.
pub fn run(args: JournalArgs) -> anyhow::Result<()> {
    match args.command {
        JournalCommand::Verify { dir, json, head } => verify(&dir, json, head.as_deref()),
        JournalCommand::Head(args) => head::head(&args),
        JournalCommand::Archive(args) => archive::archive(&args),
        JournalCommand::Restore(args) => archive::restore(&args),
        JournalCommand::Prune(args) => archive::prune(&args),
        JournalCommand::Snapshot { dir, json } => snapshot::take(&dir, json),
        JournalCommand::Snapshots { dir, json } => snapshot::list(&dir, json),
        JournalCommand::Cat { selection } => cat(&selection),
        JournalCommand::Export { selection, format, output } => {
            export(&selection, format, output.as_deref())
        }
    }
}

fn verify(dir: &Path, json: bool, head: Option<&str>) -> anyhow::Result<()> {
    let heads = head.map_or_else(|| Ok(Vec::new()), head::heads_in)?;
    let events_dir = dir.join("events");
    // The event log first: an engine that writes meanwhile has every input in the journal before its events.
    let events = match tidegate_journal::verify(&events_dir) {
        _ if !events_dir.is_dir() => None,
        Err(JournalError::NoJournal { .. }) => None,
        result => Some(result),
    };
    let logged = match &events {
        Some(Ok(report)) => last_logged(&events_dir, report)?,
        _ => SeqNo::ZERO,
    };
    let journal = tidegate_journal::verify(dir);
    let last = match &journal {
        Ok(report) => report.last_seq.unwrap_or(SeqNo::ZERO),
        // What is wrong with it is said below.
        Err(_) => logged,
    };
    let ahead = (logged > last).then_some(EngineError::EventLogAhead { logged, last });
    let mut out = io::stdout().lock();
    if json {
        let object = serde_json::json!({
            "ok": journal.is_ok() && events.as_ref().is_none_or(Result::is_ok) && ahead.is_none(),
            "journal": result_json(&journal),
            "events": events.as_ref().map(result_json),
            "error": ahead.as_ref().map(ToString::to_string),
        });
        writeln!(out, "{object}")?;
    } else if ahead.is_none() {
        if let Ok(report) = &journal {
            write!(out, "{}", report_text(dir, report))?;
        }
        if let Some(Ok(report)) = &events {
            write!(out, "{}", report_text(&events_dir, report))?;
        }
    }
    out.flush()?;
    let is_there = dir.is_dir() && !matches!(journal, Err(JournalError::NoJournal { .. }));
    journal.with_context(|| match is_there {
        true => "the journal is not whole",
        false => "there is no journal",
    })?;
    events
        .transpose()
        .with_context(|| format!("the event log is not whole: {}", log_advice(dir)))?;
    if let Some(ahead) = ahead {
        return Err(ahead).with_context(|| format!("{} is not whole", dir.display()));
    }
    for line in head::verify(dir, &heads)? {
        if !json {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// The last input that has an event in the event log `dir`, whose report is given.
fn last_logged(dir: &Path, report: &Report) -> anyhow::Result<SeqNo> {
    let Some(last) = report.last_seq else { return Ok(SeqNo::ZERO) };
    let mut reader = Reader::open(dir)?;
    reader.seek(last)?;
    match reader.next()? {
        Some(record) if record.kind == KIND_EVENT => Ok(record.pod::<EventRecord>()?.seq),
        _ => Ok(SeqNo::ZERO),
    }
}

fn result_json(result: &Result<Report, JournalError>) -> serde_json::Value {
    match result {
        Ok(report) => serde_json::json!({
            "instance": format!("{:032x}", report.instance),
            "epoch": report.epoch,
            "behaviour_version": report.behaviour_version,
            "segments": report.segment_count,
            "records": report.record_count,
            "first_seq": report.first_seq.map(|seq| seq.0),
            "last_seq": report.last_seq.map(|seq| seq.0),
            "checkpoints": report.checkpoint_count,
            "frames_by_kind": report
                .frame_count_by_kind
                .iter()
                .map(|(&kind, &count)| (kind_key(kind), count.into()))
                .collect::<serde_json::Map<_, _>>(),
            "frame_bytes": report.frame_bytes,
            "sealed": report.sealed.map(SealReason::as_str),
            "torn": report.torn.as_ref().map(|torn| serde_json::json!({
                "path": torn.path.display().to_string(), "offset": torn.offset, "bytes": torn.len,
            })),
        }),
        Err(error) => {
            let (path, offset) = match error {
                JournalError::Damaged { path, offset, .. }
                | JournalError::Truncated { path, offset, .. } => (Some(path), Some(offset)),
                JournalError::BadHeader { path, .. } => (Some(path), None),
                _ => (None, None),
            };
            serde_json::json!({
                "error": error.to_string(),
                "path": path.map(|path| path.display().to_string()),
                "offset": offset,
            })
        }
    }
}

fn kind_key(kind: u8) -> String {
    match kind_name(kind) {
        "unknown" => format!("unknown_{kind}"),
        name => name.to_string(),
    }
}

fn report_text(dir: &Path, report: &Report) -> String {
    let mut text = format!("{}: whole\n", dir.display());
    let mut line = |name: &str, value: String| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {name:<18} {value}");
    };
    line("instance", format!("{:032x}", report.instance));
    line("epoch", report.epoch.to_string());
    line("behaviour version", report.behaviour_version.to_string());
    line("segments", report.segment_count.to_string());
    let range = match (report.first_seq, report.last_seq) {
        (Some(first), Some(last)) => format!("{} ({first} to {last})", report.record_count),
        _ => "none".to_string(),
    };
    line("records", range);
    for (&kind, count) in &report.frame_count_by_kind {
        line(&format!("  {}", kind_key(kind)), count.to_string());
    }
    line("bytes of records", report.frame_bytes.to_string());
    let sealed = match report.sealed {
        Some(SealReason::Closed) => "closed in order",
        Some(SealReason::Recovered) => "recovered after a crash",
        Some(_) => "sealed, goes on in a segment that is not in use yet",
        None => "open: an engine writes it, or crashed",
    };
    line("end", sealed.to_string());
    if let Some(torn) = &report.torn {
        let place = format!("{} bytes at {} of {}", torn.len, torn.offset, torn.path.display());
        line("torn record", format!("{place}: never acknowledged, the next start clears it"));
    }
    text
}

/// The journal, at the first record that may be selected.
fn open(selection: &Selection) -> anyhow::Result<Reader> {
    let mut reader = Reader::open(&selection.dir)?;
    if let Some(from) = selection.from {
        reader.seek(SeqNo(from))?;
    }
    Ok(reader)
}

/// Calls `take` for each record that is selected.
fn each(
    mut reader: Reader,
    selection: &Selection,
    mut take: impl FnMut(&Record<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let to = SeqNo(selection.to.unwrap_or(u64::MAX));
    while let Some(record) = reader.next()? {
        if record.seq > to {
            return Ok(());
        }
        let wanted = selection.kind.is_empty()
            || selection.kind.iter().any(|kind| kind.wire() == record.kind);
        if wanted {
            take(&record)?;
        }
    }
    if let Some(torn) = reader.torn() {
        writeln!(
            io::stderr(),
            "note: {} bytes of a torn record at {} of {} are left out; it was never acknowledged",
            torn.len,
            torn.offset,
            torn.path.display()
        )?;
    }
    Ok(())
}

fn cat(selection: &Selection) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut fields = Vec::new();
    each(open(selection)?, selection, |record| {
        fields.clear();
        let name = decode(record, &mut fields);
        write!(out, "{:>10} {:<12} {name:<16}", record.seq.0, kind_name(record.kind))?;
        for (field, value) in &fields {
            match value {
                Value::Unsigned(ns) if field.ends_with("_ns") && *ns > NS_OF_A_DATE => {
                    write!(out, " {}={}", field.trim_end_matches("_ns"), utc(*ns))?;
                }
                value => write!(out, " {field}={}", value.text())?,
            }
        }
        writeln!(out)?;
        Ok(())
    })?;
    out.flush()?;
    Ok(())
}

fn export(selection: &Selection, format: Format, output: Option<&Path>) -> anyhow::Result<()> {
    // Before anything is written: no header of nothing, and no older file emptied for it.
    let reader = open(selection)?;
    let target: Box<dyn Write> = match output {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
        ),
        None => Box::new(io::stdout().lock()),
    };
    let mut out = BufWriter::new(target);
    match format {
        Format::Jsonl => export_jsonl(reader, selection, &mut out)?,
        Format::Csv => export_csv(reader, selection, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn export_jsonl(reader: Reader, selection: &Selection, out: &mut impl Write) -> anyhow::Result<()> {
    let mut fields = Vec::new();
    each(reader, selection, |record| {
        fields.clear();
        let name = decode(record, &mut fields);
        write!(
            out,
            "{{\"seq\":{},\"segment\":{},\"offset\":{},\"kind\":\"{}\",\"type\":\"{name}\"",
            record.seq.0,
            record.segment,
            record.offset,
            kind_name(record.kind)
        )?;
        for (field, value) in &fields {
            match value {
                Value::Unsigned(_) | Value::Signed(_) => {
                    write!(out, ",\"{field}\":{}", value.text())?;
                }
                value => {
                    write!(out, ",\"{field}\":{}", serde_json::to_string(&value.text())?)?;
                }
            }
        }
        writeln!(out, "}}")?;
        Ok(())
    })
}

fn export_csv(reader: Reader, selection: &Selection, out: &mut impl Write) -> anyhow::Result<()> {
    write!(out, "seq,segment,offset,kind,type")?;
    for column in COLUMNS {
        write!(out, ",{column}")?;
    }
    writeln!(out)?;
    let mut fields = Vec::new();
    each(reader, selection, |record| {
        fields.clear();
        let name = decode(record, &mut fields);
        let (seq, kind) = (record.seq.0, kind_name(record.kind));
        write!(out, "{seq},{},{},{kind},{name}", record.segment, record.offset)?;
        for column in COLUMNS {
            let value = fields.iter().find(|(field, _)| field == column);
            let text = value.map_or_else(String::new, |(_, value)| value.text());
            if text.contains([',', '"', '\n']) {
                write!(out, ",\"{}\"", text.replace('"', "\"\""))?;
            } else {
                write!(out, ",{text}")?;
            }
        }
        writeln!(out)?;
        Ok(())
    })
}

/// Nanoseconds above which a time is printed as a date; below, it is a duration or a time of a test.
const NS_OF_A_DATE: u64 = 1_000_000_000 * 60 * 60 * 24 * 365;

/// `ns` since the Unix epoch as `2019-01-30T14:30:00.000000001Z`.
fn utc(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days, counted from 0000-03-01: a year begins in March, so a leap day is its last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let fraction = ns % 1_000_000_000;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:09}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_in_utc() {
        for (ns, text) in [
            (1_548_858_600_000_000_001, "2019-01-30T14:30:00.000000001Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
            (0, "1970-01-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(utc(ns), text);
        }
    }
}
