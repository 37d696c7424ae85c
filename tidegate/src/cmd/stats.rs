//! `tidegate stats`: counts what is in a market data file.

use crate::time_text::date_text;
use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tidegate_feed_handler::source::{ChannelStats, Format, Source};
use tidegate_model::UnixNanos;

/// Messages between two looks at the progress.
const REPORT_EVERY: u64 = 1 << 20;
const NANOS_PER_SEC: u64 = 1_000_000_000;
const SECS_PER_DAY: u64 = 86_400;

/// Count what is in a file: messages by type, symbols, first and last time, messages a second.
///
/// Reads Nasdaq ITCH 5.0 (BinaryFILE), Databento DBN, recorded Binance messages and CSV bars, plain, .gz or .zst, recognized by content. ITCH does not say
/// the day: it is taken from the file's name (20191230 or 12302019), without one times count from 1970-01-01.
/// A damaged file is counted up to the damage; then the exit code is 1 and the error says where it is.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidegate stats session.itch.gz\n  \
    tidegate stats 12302019.NASDAQ_ITCH50.gz --top 50\n  \
    tidegate stats session.itch --json | jq .messages")]
pub struct StatsArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// How many of the busiest symbols to list
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
}

/// Runs the command.
pub fn run(args: StatsArgs) -> anyhow::Result<()> {
    let shown = args.file.display();
    let mut source = Source::open(&args.file).with_context(|| format!("reading {shown}"))?;
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg}");
    bar.set_style(style.context("the progress template is valid")?);
    let begin = Instant::now();
    let mut read = || -> Result<(), tidegate_feed_handler::Error> {
        while source.read_message(|_| ())? {
            if source.messages().is_multiple_of(REPORT_EVERY) {
                bar.set_message(format!("{} messages", source.messages()));
                bar.tick();
            }
        }
        Ok(())
    };
    let outcome = read();
    let took = begin.elapsed().max(Duration::from_nanos(1));
    bar.finish_and_clear();
    if outcome.is_ok() && source.format() == Format::Itch && source.messages() == 0 {
        bail!("{shown} is empty: a market data file has a message at least");
    }
    let mut symbols: Vec<ChannelStats> = source.channels().copied().collect();
    symbols.sort_by(|a, b| b.events.cmp(&a.events).then(a.channel_id.cmp(&b.channel_id)));
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", report_json(&args, &source, &symbols, took, outcome.is_ok()))?;
    } else {
        print_report(&mut out, &args, &source, &symbols, took)?;
    }
    outcome.with_context(|| match source.messages() {
        0 => format!("{shown} is not a market data file, or damaged from its start"),
        _ => format!("{shown} is damaged; what is said above counts the part before the damage"),
    })
}

/// Seconds between the first and the last event.
fn session_secs(source: &Source) -> f64 {
    let stats = source.stats();
    match (stats.first_event, stats.last_event) {
        (Some(first), Some(last)) => (last.0 - first.0) as f64 / NANOS_PER_SEC as f64,
        _ => 0.0,
    }
}

fn rate(messages: u64, secs: f64) -> Option<f64> {
    (secs > 0.0).then(|| messages as f64 / secs)
}

fn report_json(
    args: &StatsArgs,
    source: &Source,
    symbols: &[ChannelStats],
    took: Duration,
    complete: bool,
) -> serde_json::Value {
    let stats = source.stats();
    let types: Vec<_> = source
        .message_types()
        .into_iter()
        .map(|(kind, name, count)| json!({"type": kind, "name": name, "count": count}))
        .collect();
    let top: Vec<_> = symbols
        .iter()
        .take(args.top)
        .map(|s| {
            let symbol = s.symbol.as_str();
            json!({"symbol": symbol, "channel_id": s.channel_id, "events": s.events})
        })
        .collect();
    let time = |at: Option<UnixNanos>| at.map(|at| time_text(source, at));
    let secs = session_secs(source);
    json!({
        "file": args.file.display().to_string(),
        "format": source.format().as_str(),
        "complete": complete,
        "messages": stats.messages,
        "events": stats.events,
        "bars": stats.bars,
        "skipped": stats.skipped,
        "bytes": stats.bytes,
        "types": types,
        "symbols": symbols.len(),
        "top_symbols": top,
        "first_time": time(stats.first_event),
        "last_time": time(stats.last_event),
        "first_time_ns": stats.first_event.map(|at| at.0),
        "last_time_ns": stats.last_event.map(|at| at.0),
        "session_seconds": secs,
        "messages_per_session_second": rate(stats.messages, secs),
        "processing_seconds": took.as_secs_f64(),
        "messages_per_processing_second": rate(stats.messages, took.as_secs_f64()),
    })
}

fn print_report(
    out: &mut impl Write,
    args: &StatsArgs,
    source: &Source,
    symbols: &[ChannelStats],
    took: Duration,
) -> io::Result<()> {
    let stats = source.stats();
    writeln!(out, "{}: {}", args.file.display(), source.format().as_str())?;
    writeln!(
        out,
        "{:>14}  messages, {} bytes uncompressed",
        grouped(stats.messages),
        grouped(stats.bytes)
    )?;
    for (kind, name, count) in source.message_types() {
        writeln!(out, "{:>14}  {kind} {name}", grouped(count))?;
    }
    if stats.bars > 0 {
        writeln!(out, "{:>14}  bars", grouped(stats.bars))?;
    }
    if stats.skipped > 0 {
        writeln!(out, "{:>14}  of no use: skipped", grouped(stats.skipped))?;
    }
    writeln!(out, "{:>14}  symbols, the busiest:", grouped(symbols.len() as u64))?;
    for symbol in symbols.iter().take(args.top) {
        let name = if symbol.symbol.is_empty() { "(not named)" } else { symbol.symbol.as_str() };
        writeln!(out, "{:>14}  {name}", grouped(symbol.events))?;
    }
    if let (Some(first), Some(last)) = (stats.first_event, stats.last_event) {
        writeln!(out, "first event     {}", time_text(source, first))?;
        writeln!(out, "last event      {}", time_text(source, last))?;
    }
    if let Some(rate) = rate(stats.messages, session_secs(source)) {
        let rate = if rate < 100.0 { format!("{rate:.2}") } else { grouped(rate as u64) };
        writeln!(out, "{rate:>14}  messages a second of the session")?;
    }
    if let Some(rate) = rate(stats.messages, took.as_secs_f64()) {
        writeln!(
            out,
            "{:>14}  messages a second of reading ({:.2} s)",
            grouped(rate as u64),
            took.as_secs_f64()
        )?;
    }
    Ok(())
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A time as the file's readers expect it: ITCH as New York's time of day (with the date, where it is known), DBN as UTC.
fn time_text(source: &Source, at: UnixNanos) -> String {
    let midnight = source.midnight().0;
    let of_day = |ns: u64| {
        let (secs, nanos) = (ns / NANOS_PER_SEC, ns % NANOS_PER_SEC);
        format!("{:02}:{:02}:{:02}.{nanos:09}", secs / 3_600, secs / 60 % 60, secs % 60)
    };
    match source.format() {
        Format::Itch if midnight == 0 => of_day(at.0),
        Format::Itch => {
            // New York's midnight is 4 or 5 hours after UTC's of the same date.
            let date = date_text(midnight / NANOS_PER_SEC / SECS_PER_DAY);
            format!("{date} {} New York", of_day(at.0 - midnight))
        }
        _ => {
            let date = date_text(at.0 / NANOS_PER_SEC / SECS_PER_DAY);
            format!("{date} {} UTC", of_day(at.0 % (SECS_PER_DAY * NANOS_PER_SEC)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
