//! `tidegate match`: the internal market on JSON Lines. (`match` is a word of the language, hence this module's name.)

mod line;
mod output;
mod session;

use anyhow::Context;
use clap::Args;
use session::{Session, Show};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use tidegate_model::Ticks;
use tidegate_model::decimal::parse_nano;

/// The market that is asked.
type Market = tidegate_engine::matching::SingleMarket;

/// Bytes of the longest line: some fifty times what an order with every field needs.
const LINE_LEN_MAX: usize = 16 * 1024;

/// What one may ask of the command.
#[derive(Args, Debug)]
#[command(after_help = HELP, after_long_help = LONG_HELP)]
pub struct MatchArgs {
    /// The file with one JSON object a line; standard input without one
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// What trades: the steps of prices and of quantities
    #[arg(long, default_value = "tick=0.01,lot=1", value_name = "TERMS", value_parser = parse_instrument)]
    instrument: Instrument,
    /// Also print the displayed book after each line: price as text, quantity, number of orders, best first
    #[arg(long)]
    book: bool,
    /// Levels of each side that --book prints [default: all]
    #[arg(long, value_name = "D", requires = "book", value_parser = clap::value_parser!(u64).range(1..))]
    depth: Option<u64>,
    /// Also print what an auction would do, while orders are collected for one and whenever it changes
    #[arg(long)]
    indicative: bool,
}

const HELP: &str = "Example:\n  tidegate match orders.jsonl --book      (--help lists every field)";

const LONG_HELP: &str = r#"Example:
  $ tidegate match <<'END'
  {"op":"new","id":1,"side":"buy","type":"limit","price":"100.05","qty":10}
  {"op":"new","id":2,"side":"sell","type":"market","qty":4}
  {"op":"cancel","id":1}
  END
  {"ev":"accepted","id":1}
  {"ev":"accepted","id":2}
  {"ev":"trade","maker":1,"taker":2,"price":"100.05","qty":4}
  {"ev":"canceled","id":1,"qty":6,"reason":"user"}

The market is one instrument's, without accounts or risk, in continuous trading until a line says otherwise; what it
does stands in docs/rule-book.md. Each line is answered at once. Prices and quantities are JSON numbers or decimal texts, read
exactly. A refused order is an answer like any other; a line that is no request ends the run with exit code 2.

In:
  op new          id, side (buy, sell), type, qty, and where the type has them:
                  price, stop_price, trail ("0.50" or "1%"), peg (primary, market, mid), offset
                  tif (gtc by default, day, ioc, fok, at_the_open, at_the_close, gtd with expire_ns)
                  account (0 by default), display_qty, min_qty, hidden (true, false), post_only (reject, slide),
                  stp (cancel_newest, cancel_oldest, cancel_both, decrement)
     type         market, limit, stop, stop_limit, trailing_stop, trailing_stop_limit, market_to_limit,
                  market_if_touched, limit_if_touched, pegged
  op cancel       id
  op replace      id, qty (the new OrderQty, executed part included), price and stop_price (as they were if not given)
  op mass_cancel  account, side (all if not given)
  op phase        to (pre_open, open_auction, continuous, halt, close_auction, closed)
  op time         ns (since the Unix epoch)
  op bands        low, high (no bands if not given)
  op reference    price (of an auction, until there is a trade)
Out:
  ev accepted (with the price of an order that slid), trade (in an auction with buy and sell in place of maker and taker),
  canceled, replaced, triggered, rejected, phase (when a price band pauses the market), indicative, book"#;

/// What trades.
#[derive(Clone, Copy, Debug)]
struct Instrument {
    tick_nano: i64,
    lot_nano: i64,
    /// Digits after the point of the tick, which prices are printed with.
    decimals: u8,
}

/// A line that is no request. Ends the run with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("line {number}{}: {why}", if *.column > 0 { format!(", column {column}") } else { String::new() })]
pub struct BadLine {
    /// Its number, from 1.
    number: u64,
    /// Where in it, from 1; 0 for the line as a whole.
    column: usize,
    why: String,
}

/// Runs the command.
pub fn run(args: MatchArgs) -> anyhow::Result<()> {
    let (input, shown): (Box<dyn Read>, _) = match &args.file {
        None => (Box::new(io::stdin()), "standard input".to_string()),
        Some(path) => {
            let shown = path.display().to_string();
            (Box::new(File::open(path).with_context(|| format!("reading {shown}"))?), shown)
        }
    };
    let show = Show {
        book: args.book,
        depth: args.depth.map_or(usize::MAX, |depth| depth.try_into().unwrap_or(usize::MAX)),
        indicative: args.indicative,
    };
    let session = Session::new(Market::new(Ticks(1)), args.instrument, show);
    let mut out = io::stdout().lock();
    answer(BufReader::new(input), session, &mut out).map_err(|error| match error {
        Stop::Write(error) => error.into(),
        Stop::Read(error) => anyhow::Error::from(error).context(format!("reading {shown}")),
        Stop::Line(bad) => anyhow::Error::from(bad).context(shown),
    })
}

/// Why the answers end before the lines do.
#[derive(Debug)]
enum Stop {
    Read(io::Error),
    Write(io::Error),
    Line(BadLine),
}

/// Answers every line. What was said is out before more input is waited for.
fn answer(
    mut input: BufReader<impl Read>,
    mut session: Session,
    out: &mut impl Write,
) -> Result<(), Stop> {
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        if !input.buffer().contains(&b'\n') {
            session.flush(out).map_err(Stop::Write)?;
        }
        line.clear();
        let mut bounded = input.by_ref().take(LINE_LEN_MAX as u64 + 1);
        if bounded.read_until(b'\n', &mut line).map_err(Stop::Read)? == 0 {
            return session.flush(out).map_err(Stop::Write);
        }
        number += 1;
        let done = if line.len() > LINE_LEN_MAX {
            Err(line::Fault::whole(format!("longer than {LINE_LEN_MAX} bytes")))
        } else if line.trim_ascii().is_empty() {
            Ok(())
        } else {
            line::parse(&line).and_then(|request| session.take(number, &request))
        };
        if let Err(line::Fault { column, why }) = done {
            session.flush(out).map_err(Stop::Write)?;
            return Err(Stop::Line(BadLine { number, column, why }));
        }
    }
}

fn parse_instrument(text: &str) -> Result<Instrument, String> {
    let mut instrument = Instrument { tick_nano: 10_000_000, lot_nano: 1_000_000_000, decimals: 2 };
    for part in text.split(',') {
        let (key, value) =
            part.split_once('=').ok_or("terms such as tick=0.01,lot=1 are needed")?;
        let nano = parse_nano(value).map_err(|error| error.to_string())?;
        if nano <= 0 {
            return Err(format!("the {key} {value} is not above 0"));
        }
        match key {
            "tick" => {
                let fraction = value.split_once('.').map_or("", |(_, fraction)| fraction);
                let digits = fraction.trim_end_matches('0').len();
                instrument.tick_nano = nano;
                instrument.decimals = u8::try_from(digits).map_err(|error| error.to_string())?;
            }
            "lot" => instrument.lot_nano = nano,
            _ => return Err(format!("'{key}' is not known; tick and lot are")),
        }
    }
    Ok(instrument)
}
