//! `tidegate book`: the book of one symbol at given points of a market data file.

use crate::time_text::time_of_day;
use anyhow::{Context, bail};
use clap::Args;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use tidegate_engine::book::{BookError, BookLimits, Books, Level};
use tidegate_feed_handler::source::{Format, Source};
use tidegate_model::market::{Definition, MarketEventKind};
use tidegate_model::units::NANO;
use tidegate_model::{InstrumentId, MarketEvent, Side, Symbol, Ticks, UnixNanos, decimal};

const NANOS_PER_DAY: u64 = 86_400_000_000_000;
/// The one book that is built.
const BOOK: InstrumentId = InstrumentId(0);
/// Channels of which events before their definition are counted; ITCH has no more.
const CHANNELS_MAX: usize = 1 << 16;
/// Usual prices are multiples of 0.01: the books are fast for them, and right for any.
const USUAL_STEP_NANO: i64 = NANO / 100;

/// Show the book of one symbol at given points of a file.
///
/// Reads Nasdaq ITCH 5.0 (BinaryFILE), Databento DBN and recorded Binance messages, plain, .gz or .zst. Each point is the book after a message,
/// counted from 1 over all symbols, or at a time of day; they are shown in the order in which the file reaches
/// them. Without points, the book at the end of the file. Messages that name orders from before the file's start are skipped and counted.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  tidegate book session.itch.gz --symbol TIDE\n  \
    tidegate book 12302019.NASDAQ_ITCH50.gz --symbol AAPL --at 09:30:00 --at 15:59:59.999999999 --depth 10\n  \
    tidegate book session.itch --symbol TIDE --at-message 1000 --at-message 2000 --json")]
pub struct BookArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The symbol, as the venue writes it
    #[arg(long, value_parser = parse_symbol)]
    symbol: Symbol,
    /// The book after message N of the file; can be repeated
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    at_message: Vec<u64>,
    /// The book after the last message that is not later than this time of day, on the clock of the feed
    /// (New York for ITCH, else UTC, on the day of its first record); can be repeated. A time after the last message is
    /// an error: the file does not tell what happened until then
    #[arg(long, value_name = "HH:MM:SS.nnnnnnnnn", value_parser = parse_time_of_day)]
    at: Vec<TimeOfDay>,
    /// Levels of each side to show
    #[arg(long, default_value_t = 5, value_name = "D", value_parser = parse_depth)]
    depth: usize,
    /// One JSON object a point, on a line of its own: price as text, quantity, number of orders, best first
    #[arg(long)]
    json: bool,
}

/// Nanoseconds since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TimeOfDay(u64);

/// Runs the command.
pub fn run(args: BookArgs) -> anyhow::Result<()> {
    let shown = args.file.display().to_string();
    let mut source = Source::open(&args.file).with_context(|| format!("reading {shown}"))?;
    let mut walk = Walk::new(&args, &source);
    let outcome = walk.read(&mut source);
    if source.stats().bars > 0 {
        bail!("{shown} holds bars, which make no book; `tidegate stats` counts them");
    }
    let mut out = std::io::stdout().lock();
    // A symbol that never occurs has no books, not empty ones.
    let pictures = if walk.definition.is_some() { walk.pictures.as_slice() } else { &[] };
    for picture in pictures {
        let text = if args.json { picture.to_json() } else { picture.to_table() };
        writeln!(out, "{text}")?;
    }
    out.flush()?;
    walk.report_refused();
    outcome.with_context(|| format!("reading {shown}"))?;
    walk.check_complete().with_context(|| shown)
}

/// What is known of the book at a point.
struct Picture {
    message: u64,
    symbol: Symbol,
    /// As [`Row`]s, best first.
    bids: Vec<Row>,
    asks: Vec<Row>,
    orders: u32,
}

/// A level, as text.
struct Row {
    price: String,
    qty: String,
    orders: u32,
}

/// The way through the file.
struct Walk {
    symbol: Symbol,
    depth: usize,
    /// Points that are left, the next one last.
    messages: Vec<u64>,
    times: Vec<TimeOfDay>,
    /// Whether the end of the file is the point.
    at_end: bool,
    /// The instant that times of day count from, once it is known.
    midnight: Option<u64>,
    books: Books,
    definition: Option<Definition>,
    channel: Option<u32>,
    /// By channel: events before its definition that name orders. They cannot be applied, since no order was added.
    early: Vec<u64>,
    last_time: Option<UnixNanos>,
    /// Messages read.
    done: u64,
    unknown: u64,
    refused: u64,
    first_refused: Option<(u64, BookError)>,
    pictures: Vec<Picture>,
}

impl Walk {
    fn new(args: &BookArgs, source: &Source) -> Self {
        let (mut messages, mut times) = (args.at_message.clone(), args.at.clone());
        messages.sort_unstable_by(|a, b| b.cmp(a));
        times.sort_unstable_by(|a, b| b.cmp(a));
        let midnight = (source.format() == Format::Itch).then(|| source.midnight().0);
        Self {
            symbol: args.symbol,
            depth: args.depth,
            at_end: messages.is_empty() && times.is_empty(),
            messages,
            times,
            midnight,
            books: Books::new(BookLimits::default()),
            definition: None,
            channel: None,
            early: Vec::new(),
            last_time: None,
            done: 0,
            unknown: 0,
            refused: 0,
            first_refused: None,
            pictures: Vec::new(),
        }
    }

    /// Reads up to the last point, or until the symbol is seen if it was not before.
    fn read(&mut self, source: &mut Source) -> Result<(), tidegate_feed_handler::Error> {
        while self.wants_more() {
            if !source.read_message(|event| self.event(&event))? {
                break;
            }
            self.done = source.messages();
            while self.messages.last() == Some(&self.done) {
                self.messages.pop();
                self.take_picture();
            }
        }
        if self.at_end {
            self.take_picture();
        }
        // A point at the very time of the last message is within the file.
        if let (Some(last), Some(midnight)) = (self.last_time, self.midnight) {
            while self.times.last().is_some_and(|time| time.0.saturating_add(midnight) == last.0) {
                self.times.pop();
                self.take_picture();
            }
        }
        Ok(())
    }

    fn wants_more(&self) -> bool {
        let points_left = !self.messages.is_empty() || !self.times.is_empty();
        self.at_end || points_left || self.definition.is_none()
    }

    fn event(&mut self, event: &MarketEvent) {
        // ITCH has one time; of DBN's two, the time of receipt is the one that never goes back.
        self.pass_time(event.ts_recv);
        self.last_time = self.last_time.max(Some(event.ts_recv));
        if let Some(definition) = event.definition() {
            self.define(definition);
        } else if self.channel == Some(event.channel_id) {
            self.apply(event);
        } else if self.definition.is_none() && names_order(event) {
            let at = event.channel_id as usize;
            if at < CHANNELS_MAX {
                self.early.resize(self.early.len().max(at + 1), 0);
                self.early[at] += 1;
            }
        }
    }

    /// Takes the pictures of times that `now` has passed. The message of `now` is not applied yet.
    fn pass_time(&mut self, now: UnixNanos) {
        if self.times.is_empty() {
            return;
        }
        let midnight = *self.midnight.get_or_insert(now.0 - now.0 % NANOS_PER_DAY);
        while self.times.last().is_some_and(|time| now.0 > time.0.saturating_add(midnight)) {
            self.times.pop();
            self.take_picture();
        }
    }

    fn define(&mut self, definition: Definition) {
        if definition.symbol != self.symbol {
            // The channel may be given to another instrument.
            if self.channel == Some(definition.channel_id) {
                self.channel = None;
            }
            return;
        }
        if self.definition.is_none() {
            let stride = (USUAL_STEP_NANO / definition.tick_size_nano.max(1)).max(1);
            self.books.define(BOOK, Ticks(stride)).expect("the stride is at most 10^7");
            let early = self.early.get(definition.channel_id as usize);
            self.unknown += early.copied().unwrap_or_default();
            self.early = Vec::new();
        }
        self.definition = Some(definition);
        self.channel = Some(definition.channel_id);
    }

    fn apply(&mut self, event: &MarketEvent) {
        match self.books.apply(BOOK, event, &mut ()) {
            Ok(()) => {}
            Err(BookError::UnknownOrder { .. }) => self.unknown += 1,
            Err(error) => {
                self.refused += 1;
                self.first_refused.get_or_insert((self.done + 1, error));
            }
        }
    }

    fn take_picture(&mut self) {
        let picture = Picture {
            message: self.done,
            symbol: self.symbol,
            bids: self.rows(Side::Buy),
            asks: self.rows(Side::Sell),
            orders: self.books.orders_count(BOOK),
        };
        self.pictures.push(picture);
    }

    fn rows(&self, side: Side) -> Vec<Row> {
        let Some(definition) = self.definition else { return Vec::new() };
        let row = |level: Level| Row {
            price: decimal::format_ticks(
                level.price,
                definition.tick_size_nano,
                definition.price_scale,
            ),
            qty: decimal::format_lots(level.qty, definition.lot_size_nano, 0),
            orders: level.orders,
        };
        self.books.levels(BOOK, side).take(self.depth).map(row).collect()
    }

    fn report_refused(&self) {
        if self.unknown > 0 {
            eprintln!(
                "tidegate: {} messages name orders from before the start of the file: skipped",
                self.unknown
            );
        }
        if let Some((message, error)) = self.first_refused {
            let refused = self.refused;
            eprintln!(
                "tidegate: {refused} messages contradict the book: skipped; the first is message {message}: {error}"
            );
        }
    }

    /// An error if a point was not reached, or the symbol never seen.
    fn check_complete(&self) -> anyhow::Result<()> {
        let symbol = self.symbol;
        if self.definition.is_none() {
            bail!("no message names the symbol {symbol}; `tidegate stats` lists those that occur");
        }
        if let Some(message) = self.messages.last() {
            bail!("message {message} is beyond the end: the file has {} messages", self.done);
        }
        if let Some(time) = self.times.last() {
            let midnight = self.midnight.unwrap_or_default();
            let last = self.last_time.map_or(0, |last| last.0.saturating_sub(midnight));
            let (time, last) = (show_time(*time), show_time(TimeOfDay(last)));
            bail!("{time} is beyond the end: the last message of the file is of {last}");
        }
        Ok(())
    }
}

/// Whether an event can only be applied to an order that was added before.
fn names_order(event: &MarketEvent) -> bool {
    matches!(
        event.kind(),
        Some(
            MarketEventKind::Execute
                | MarketEventKind::ExecuteAtPrice
                | MarketEventKind::Reduce
                | MarketEventKind::Delete
                | MarketEventKind::Replace
                | MarketEventKind::Modify
        )
    )
}

impl Picture {
    fn to_json(&self) -> String {
        let side = |rows: &[Row]| {
            let mut text = String::from("[");
            for (index, row) in rows.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                // Both are decimal numbers; the quantity stands as one.
                let _ = write!(text, "{comma}[\"{}\",{},{}]", row.price, row.qty, row.orders);
            }
            text + "]"
        };
        let symbol = serde_json::Value::from(self.symbol.as_str());
        format!(
            "{{\"message\":{},\"symbol\":{symbol},\"bids\":{},\"asks\":{},\"orders\":{}}}",
            self.message,
            side(&self.bids),
            side(&self.asks),
            self.orders
        )
    }

    fn to_table(&self) -> String {
        let mut text =
            format!("{} after message {}: {} orders\n", self.symbol, self.message, self.orders);
        let _ = writeln!(
            text,
            "{:>7} {:>12} {:>14} | {:<14} {:>12} {:>7}",
            "orders", "quantity", "bid", "ask", "quantity", "orders"
        );
        for index in 0..self.bids.len().max(self.asks.len()) {
            match self.bids.get(index) {
                Some(bid) => {
                    let _ = write!(text, "{:>7} {:>12} {:>14} |", bid.orders, bid.qty, bid.price);
                }
                None => {
                    let _ = write!(text, "{:>35} |", "");
                }
            }
            if let Some(ask) = self.asks.get(index) {
                let _ = write!(text, " {:<14} {:>12} {:>7}", ask.price, ask.qty, ask.orders);
            }
            text.push('\n');
        }
        text
    }
}

fn parse_symbol(text: &str) -> Result<Symbol, String> {
    Symbol::new(text).map_err(|error| error.to_string())
}

fn parse_depth(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(depth) if depth > 0 => Ok(depth),
        _ => Err("a number of levels from 1 up is needed".to_string()),
    }
}

fn parse_time_of_day(text: &str) -> Result<TimeOfDay, String> {
    time_of_day(text)
        .map(TimeOfDay)
        .ok_or_else(|| "a time such as 09:30:00 or 09:30:00.000000001 is needed".to_string())
}

fn show_time(time: TimeOfDay) -> String {
    let (seconds, nanos) = (time.0 / NANO as u64, time.0 % NANO as u64);
    format!("{:02}:{:02}:{:02}.{nanos:09}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the real market data is, if it is on this machine.
    fn shared_data() -> Option<PathBuf> {
        let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
        let path = std::env::var_os("TIDEGATE_SHARED_DATA").unwrap_or_else(|| beside.into());
        let path = PathBuf::from(path);
        if path.is_dir() {
            return Some(path);
        }
        println!("skipped: no market data in {}; set TIDEGATE_SHARED_DATA", path.display());
        None
    }

    fn args(file: PathBuf, symbol: &str) -> BookArgs {
        BookArgs {
            file,
            symbol: Symbol::new(symbol).expect("a symbol"),
            at_message: Vec::new(),
            at: Vec::new(),
            depth: 5,
            json: true,
        }
    }

    fn walk(args: &BookArgs) -> (Walk, anyhow::Result<()>) {
        let mut source = Source::open(&args.file).expect("the file opens");
        let mut walk = Walk::new(args, &source);
        walk.read(&mut source).expect("the file is whole");
        let complete = walk.check_complete();
        (walk, complete)
    }

    #[test]
    fn equals_the_expected_books_of_real_files() {
        let Some(data) = shared_data() else { return };
        let text = std::fs::read_to_string(data.join("itch/expected_books.json")).expect("text");
        let expected: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let files = expected.as_object().expect("an object of files");
        assert_eq!(files.len(), 2);
        for (name, file) in files {
            let books = file["books"].as_array().expect("an array of books");
            let mut args = args(data.join("itch").join(name), "AAPL");
            args.at_message =
                books.iter().map(|book| book["message"].as_u64().expect("a number")).collect();
            let (walk, complete) = walk(&args);
            complete.expect("every point is reached");
            let got: Vec<serde_json::Value> = walk
                .pictures
                .iter()
                .map(|picture| serde_json::from_str(&picture.to_json()).expect("JSON"))
                .collect();
            assert_eq!(&got, books, "{name}");
        }
    }

    #[test]
    fn counts_what_a_file_that_starts_in_mid_session_names() {
        let Some(data) = shared_data() else { return };
        let file = data.join("itch/AAPL_20191230_0935-0939.itch");
        let (whole, complete) = walk(&args(file.clone(), "AAPL"));
        complete.expect("the end is reached");
        assert_eq!((whole.unknown, whole.refused, whole.done), (3_970, 0, 49_947));
        let mut beyond = args(file.clone(), "AAPL");
        beyond.at_message = vec![49_948];
        let error = walk(&beyond).1.expect_err("there is no such message").to_string();
        assert_eq!(error, "message 49948 is beyond the end: the file has 49947 messages");
        let mut late = args(file.clone(), "AAPL");
        late.at = vec![parse_time_of_day("09:39:36.663326").expect("a time")];
        let error = walk(&late).1.expect_err("there is nothing so late").to_string();
        assert!(error.starts_with("09:39:36.663326000 is beyond the end"), "{error}");
        let error = walk(&args(file, "MSFT")).1.expect_err("it has only AAPL").to_string();
        assert!(error.starts_with("no message names the symbol MSFT"), "{error}");
    }

    #[test]
    fn a_time_is_the_point_after_the_last_message_not_later() {
        let Some(data) = shared_data() else { return };
        let file = data.join("itch/AAPL_20191230_clean.itch");
        let mut source = Source::open(&file).expect("the file opens");
        let mut times = Vec::new();
        while source.read_message(|event| times.push(event.ts_event.0)).expect("whole") {}
        let midnight = source.midnight().0;
        // The directory message gives a definition and nothing else: one event a message.
        assert_eq!(times.len() as u64, source.messages());
        for index in [1_000, 20_000, times.len() - 1] {
            for late_by in [0, 1] {
                let time = times[index] - midnight - 1 + late_by;
                let mut at = args(file.clone(), "AAPL");
                at.at = vec![TimeOfDay(time)];
                let expected = times.iter().filter(|&&t| t - midnight <= time).count() as u64;
                let (by_time, complete) = walk(&at);
                complete.expect("the time is within the file");
                assert_eq!(by_time.pictures[0].message, expected, "{}", show_time(TimeOfDay(time)));
                at.at.clear();
                at.at_message = vec![expected];
                let (by_message, _) = walk(&at);
                assert_eq!(by_time.pictures[0].to_json(), by_message.pictures[0].to_json());
            }
        }
    }
}
