//! `tidegate gen`: makes up a session of market data.

use anyhow::{Context, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidegate_feed_handler::binary_file;
use tidegate_feed_handler::synthetic::{self, Length, Parameters, Session};

/// Bytes gathered before they go to the compressor or the disk.
const BUFFER_LEN: usize = 256 * 1024;
/// Messages between two looks at the progress.
const REPORT_EVERY: u64 = 65_536;

/// Make up a session: valid Nasdaq ITCH 5.0 in BinaryFILE framing, the same bytes for the same options.
///
/// The session behaves like a market: arrivals come in clusters, most orders are canceled, prices trend and rest,
/// the open is busy, one symbol is halted for a while, and there is a volatile spell.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidegate gen -o session.itch\n  \
    tidegate gen --seed 7 --symbols 100 --messages 5000000 -o big.itch.zst\n  \
    tidegate gen --duration 60 --rate 5000 -o minute.itch.gz && tidegate stats minute.itch.gz")]
pub struct GenArgs {
    /// Number that everything follows from: equal seeds and options give equal files
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many symbols trade, 1 to 10000
    #[arg(long, default_value_t = 8)]
    symbols: u16,
    /// How many messages the file has, all counted [default: 1000000]
    #[arg(long, conflicts_with = "duration")]
    messages: Option<u64>,
    /// How many seconds of market hours the session has, instead of a number of messages
    #[arg(long, value_name = "SECONDS")]
    duration: Option<u64>,
    /// Messages a second of session time in quiet times; the open has four times as many
    #[arg(long, default_value_t = synthetic::MESSAGES_PER_SEC)]
    rate: u32,
    /// When market hours begin, New York time
    #[arg(long, default_value = "09:30:00", value_name = "HH:MM:SS")]
    start: String,
    /// The file to write; a name that ends in .gz or .zst is compressed
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Runs the command.
pub fn run(args: GenArgs) -> anyhow::Result<()> {
    let length = match args.duration {
        Some(secs) => Length::DurationNs(
            secs.checked_mul(1_000_000_000).context("--duration is out of range: a day at most")?,
        ),
        None => Length::Messages(args.messages.unwrap_or(1_000_000)),
    };
    let parameters = Parameters {
        seed: args.seed,
        symbols: args.symbols,
        length,
        messages_per_sec: args.rate,
        start_time_ns: parse_time(&args.start)?,
    };
    let mut session = Session::new(parameters).context("cannot make such a session")?;
    let shown = args.output.display();
    if args.output.is_dir() {
        bail!("cannot write {shown}: it is a directory; name a file in it");
    }
    let output = binary_file::create(&args.output)
        .with_context(|| format!("cannot write {shown}; does the directory exist?"))?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).context("cannot listen to Ctrl-C")?;
    }
    let begin = Instant::now();
    let bar = ProgressBar::new(1_000);
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left")
        .context("the progress template is valid")?;
    bar.set_style(style);
    let mut out = BufWriter::with_capacity(BUFFER_LEN, output);
    let written = write(&mut session, &mut out, &stop, &bar);
    bar.finish_and_clear();
    // Whatever is still buffered belongs to the file only if all of it was written.
    let whole = written.and_then(|()| out.flush().map_err(anyhow::Error::from));
    let (output, _) = out.into_parts();
    if let Err(error) = whole {
        output
            .discard()
            .with_context(|| format!("cannot remove the unfinished part of {shown}"))?;
        return Err(error.context(format!("{shown} was not written")));
    }
    output.finish().with_context(|| format!("cannot complete {shown}"))?;
    let took = begin.elapsed().max(Duration::from_nanos(1)).as_secs_f64();
    let messages = session.messages();
    writeln!(
        io::stdout(),
        "{shown}: {messages} messages, {} symbols, seed {}, in {took:.1} s ({:.1} million a second)",
        args.symbols,
        args.seed,
        messages as f64 / took / 1e6
    )?;
    Ok(())
}

fn write(
    session: &mut Session,
    out: &mut impl Write,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    while let Some(message) = session.next_message() {
        binary_file::write_frame(out, message)?;
        if session.messages().is_multiple_of(REPORT_EVERY) {
            bar.set_position(session.progress_per_mille());
            bar.set_message(format!("{} messages", session.messages()));
            if stop.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
        }
    }
    binary_file::write_end_of_session(out)?;
    Ok(())
}

/// Nanoseconds after midnight of a time of day.
fn parse_time(text: &str) -> anyhow::Result<u64> {
    let parse = || -> Option<u64> {
        let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
        let (hours, minutes, secs) = (parts.next()??, parts.next()??, parts.next()??);
        let valid = hours < 24 && minutes < 60 && secs < 60 && parts.next().is_none();
        valid.then_some((hours * 3_600 + minutes * 60 + secs) * 1_000_000_000)
    };
    parse().with_context(|| format!("--start '{text}' is not a time of day such as 09:30:00"))
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_of_day() {
        assert_eq!(parse_time("09:30:00").expect("valid"), 34_200_000_000_000);
        for wrong in ["9", "24:00:00", "09:60:00", "09:30", "09:30:00:00", "a:b:c", ""] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }
}
