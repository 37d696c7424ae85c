//! Comma-separated bars: a header that names `date` or `time`, `open`, `high`, `low`, `close` and `volume`, then a row a bar.
//!
//! * Separators are commas, semicolons or tabs. A column `symbol`, `name` or `ticker` names the instrument; without one it is
//!   called as the file is, up to the first `_` or `.`. Other columns are skipped. Rows come in the order of their times.
//! * A row's time is when its bar begins: `2006-01-03`, `20060103`, with a time of day after a space or `T` (UTC, unless it
//!   ends in an offset), or seconds, milli-, micro- or nanoseconds since 1970. `date` and `time` may be two columns.
//! * A date alone is a session in New York, from 09:30 to 16:00. If dates lie more than four days apart, as weeks and months
//!   do, a bar ends where the next one begins.
//! * Other bars are as long as most of the first are apart. If most are not equally far apart (bars of ticks or volume), a bar
//!   ends where the next one begins. No bar is told before its end.
//! * A row without a figure, or whose open or close lies outside of its range, is skipped: what was traded is not known.
//! * Prices count in 0.0001 and quantities in units of one, as for US shares, if the first rows have no more decimals;
//!   otherwise prices in 1e-9 and quantities in 1e-8. Decimals beyond those are cut off.
//!
//! Rows are split here and not by a CSV library: their lines are bounded, and nothing in them needs quotes.

use crate::error::Error;
use crate::lines::{Lines, wrong};
use crate::session_date::{days_of, new_york_midnight};
use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use tidegate_model::market::{Bar, Definition, MarketEvent, MarketEventKind};
use tidegate_model::units::NANO;
use tidegate_model::{InstrumentId, Lots, Symbol, Ticks, UnixNanos, decimal};

/// Rows that are looked at before the first bar is given out, to learn how long bars are and how fine prices.
const ROWS_AHEAD: usize = 1_024;
/// Instruments a file may have.
const CHANNELS_MAX: usize = InstrumentId::COUNT_MAX;
const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;
/// Dates farther apart than this are not those of a bar a day: the longest closure of an exchange that is left out is short.
const DAYS_APART_MAX: u64 = 4;

/// What the columns are.
#[derive(Clone, Copy, Debug)]
struct Columns {
    separator: char,
    count: usize,
    date: usize,
    /// A time of day of its own.
    time: Option<usize>,
    /// Open, high, low, close, volume.
    figures: [usize; 5],
    symbol: Option<usize>,
}

/// A row, as text that its units are not known of yet.
#[derive(Clone, Debug)]
struct Row {
    line: u64,
    begin: Stamp,
    symbol: Symbol,
    /// Open, high, low, close, volume.
    figures: [String; 5],
}

/// When a bar begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// UTC nanoseconds; of a date alone, its opening in New York.
    at: u64,
    /// The row says no time of day.
    is_date: bool,
}

/// How long bars are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many nanoseconds.
    Fixed(u64),
    /// As long as it takes until another begins.
    ToNext,
}

/// What ticks and lots are, in 1e-9.
#[derive(Clone, Copy, Debug)]
struct Units {
    tick: i64,
    lot: i64,
    price_scale: u8,
}

/// Reads bars of one stream.
pub struct CsvBars<R> {
    lines: Lines<R>,
    columns: Columns,
    named: Symbol,
    /// Read and not given out.
    ahead: VecDeque<Row>,
    length: Length,
    units: Units,
    /// By symbol: its number, and when its last bar began.
    channels: BTreeMap<Symbol, (u32, Option<u64>)>,
    /// Bars whose end is not known, all of one beginning.
    open: Vec<Bar>,
    last_begin: u64,
    /// From the beginning before to that.
    last_step: u64,
    rows: u64,
    skipped: u64,
    finished: bool,
}

/// True if `text`, the begin of a stream, has a header of bars.
pub fn is_header(text: &str) -> bool {
    Columns::of(text.lines().next().unwrap_or_default()).is_ok()
}

impl Columns {
    /// Reads the header.
    fn of(header: &str) -> Result<Self, String> {
        let header = header.trim_start_matches('\u{feff}');
        let separator = [',', ';', '\t'].into_iter().find(|&c| header.contains(c)).unwrap_or(',');
        let names: Vec<String> =
            header.split(separator).map(|name| plain(name).to_lowercase()).collect();
        let find = |wanted: &[&str]| {
            wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted))
        };
        let need = |wanted: &[&str]| {
            find(wanted).ok_or_else(|| format!("the header has no column {:?}", wanted[0]))
        };
        const DATES: [&str; 7] =
            ["date", "datetime", "timestamp", "open_time", "open time", "ts_event", "ts"];
        let date = find(&DATES).or(find(&["time"])).ok_or("the header has no column \"date\"")?;
        Ok(Self {
            separator,
            count: names.len(),
            date,
            time: find(&["time"]).filter(|&time| time != date),
            figures: [
                need(&["open"])?,
                need(&["high"])?,
                need(&["low"])?,
                need(&["close"])?,
                need(&["volume", "vol"])?,
            ],
            symbol: find(&["symbol", "name", "ticker"]),
        })
    }
}

impl<R: Read> CsvBars<R> {
    /// Reads the header of `input` and its first rows. `named` is what the instrument is called if no column says.
    ///
    /// # Errors
    /// [`Error::Line`] or [`Error::Read`].
    pub fn new(input: R, named: Symbol) -> Result<Self, Error> {
        let mut lines = Lines::new(input);
        let header = lines.next_line()?.unwrap_or_default();
        let columns = Columns::of(header).map_err(|reason| wrong(1, reason))?;
        let mut reader = Self {
            lines,
            columns,
            named,
            ahead: VecDeque::with_capacity(ROWS_AHEAD),
            length: Length::ToNext,
            units: Units { tick: 1, lot: 1, price_scale: 0 },
            channels: BTreeMap::new(),
            open: Vec::new(),
            last_begin: 0,
            last_step: 1,
            rows: 0,
            skipped: 0,
            finished: false,
        };
        while reader.ahead.len() < ROWS_AHEAD
            && let Some(row) = reader.next_row()?
        {
            reader.ahead.push_back(row);
        }
        reader.length = length_of(&reader.ahead);
        reader.units = units_of(&reader.ahead);
        Ok(reader)
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that gave no bar: without a figure, or with figures that contradict each other.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes of the stream read so far.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes()
    }

    fn next_row(&mut self) -> Result<Option<Row>, Error> {
        let columns = self.columns;
        let text = loop {
            match self.lines.next_line()? {
                None => return Ok(None),
                Some(text) if text.trim().is_empty() => {}
                // Borrowed anew, since a line that is skipped must be let go.
                Some(text) => break text.to_string(),
            }
        };
        let line = self.lines.lines();
        let fields: Vec<&str> = text.split(columns.separator).map(plain).collect();
        if fields.len() != columns.count {
            let reason = format!("it has {} fields, the header {}", fields.len(), columns.count);
            return Err(wrong(line, reason));
        }
        let date = fields[columns.date];
        let stamp = match columns.time {
            Some(time) => stamp_of(&format!("{date} {}", fields[time])),
            None => stamp_of(date),
        };
        let begin = stamp.ok_or_else(|| {
            wrong(
                line,
                format!(
                    "{date:?} is no time such as 2006-01-03, 2006-01-03 09:30:00 or 1136241000"
                ),
            )
        })?;
        let symbol = match columns.symbol {
            Some(at) => Symbol::new(fields[at])
                .map_err(|error| wrong(line, format!("symbol {:?}: {error}", fields[at])))?,
            None => self.named,
        };
        let figures = columns.figures.map(|at| fields[at].to_string());
        Ok(Some(Row { line, begin, symbol, figures }))
    }

    /// Reads one row and gives the bars that are over to `emit`; false at the end. After an error there is nothing more.
    ///
    /// # Errors
    /// [`Error::Line`], [`Error::Read`] or [`Error::TooManyInstruments`].
    pub fn read_row(&mut self, mut emit: impl FnMut(MarketEvent)) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        self.finished = true;
        let row = match self.ahead.pop_front() {
            Some(row) => Some(row),
            None => self.next_row()?,
        };
        let Some(row) = row else {
            // Nothing tells how long the last ones are: as long as those before.
            let end = self.last_begin.saturating_add(self.last_step);
            self.close(end, &mut emit);
            return Ok(false);
        };
        let begin = row.begin.at;
        if begin < self.last_begin {
            return Err(wrong(
                row.line,
                "its time is before that of the row before: rows must be in the order of time",
            ));
        }
        if begin > self.last_begin {
            self.close(begin, &mut emit);
            if self.last_begin > 0 {
                self.last_step = begin - self.last_begin;
            }
            self.last_begin = begin;
        }
        let (channel_id, since) = self.channel(&row, &mut emit)?;
        if since == Some(0) {
            return Err(wrong(row.line, format!("{} has a bar of that time already", row.symbol)));
        }
        let bar = self.bar(&row, channel_id)?;
        self.skipped += u64::from(bar.is_none());
        match self.length {
            Length::Fixed(length) => {
                if since.is_some_and(|since| since < length) {
                    let reason = format!(
                        "it begins before the bar before is over, {length} ns long as the first are"
                    );
                    return Err(wrong(row.line, reason));
                }
                let end = begin
                    .checked_add(length)
                    .ok_or_else(|| wrong(row.line, "its end does not fit"))?;
                if let Some(bar) = bar {
                    give(Bar { end: UnixNanos(end), ..bar }, &mut emit);
                }
            }
            Length::ToNext => self.open.extend(bar),
        }
        self.rows += 1;
        self.finished = false;
        Ok(true)
    }

    /// The bars that wait for their end get it.
    fn close(&mut self, end: u64, emit: &mut impl FnMut(MarketEvent)) {
        for bar in self.open.drain(..) {
            give(Bar { end: UnixNanos(end), ..bar }, emit);
        }
    }

    /// The row's channel, defined before its first bar, and how long ago the bar before it began.
    fn channel(
        &mut self,
        row: &Row,
        emit: &mut impl FnMut(MarketEvent),
    ) -> Result<(u32, Option<u64>), Error> {
        let begin = row.begin.at;
        if let Some((id, last)) = self.channels.get_mut(&row.symbol) {
            let since = last.replace(begin).map(|last| begin - last);
            return Ok((*id, since));
        }
        let id = self.channels.len();
        if id == CHANNELS_MAX {
            let (offset, record) = (self.lines.bytes(), row.line);
            return Err(Error::TooManyInstruments { offset, record, limit: CHANNELS_MAX });
        }
        self.channels.insert(row.symbol, (id as u32, Some(begin)));
        let at = UnixNanos(begin);
        let definition = Definition {
            kind: MarketEventKind::Definition.wire(),
            price_scale: self.units.price_scale,
            flags: 0,
            channel_id: id as u32,
            ts_event: at,
            ts_recv: at,
            symbol: row.symbol,
            tick_size_nano: self.units.tick,
            lot_size_nano: self.units.lot,
        };
        emit(definition.into_event());
        Ok((id as u32, None))
    }

    /// The row's bar, without its end; `None` if it lacks a figure, or if its open and close do not lie within its range: what
    /// was traded then is not known.
    fn bar(&self, row: &Row, channel_id: u32) -> Result<Option<Bar>, Error> {
        const NAMES: [&str; 5] = ["open", "high", "low", "close", "volume"];
        if row.figures.iter().any(|text| is_missing(text)) {
            return Ok(None);
        }
        let figure = |at: usize, per: i64| -> Result<i64, Error> {
            let text = &row.figures[at];
            let refuse =
                || wrong(row.line, format!("{} {text:?} is no number that fits", NAMES[at]));
            scaled(text, per).ok_or_else(refuse)
        };
        let price = |at: usize| figure(at, self.units.tick).map(Ticks);
        let Ok(volume) = u64::try_from(figure(4, self.units.lot)?) else {
            return Err(wrong(row.line, "its volume is negative"));
        };
        let begin = UnixNanos(row.begin.at);
        let bar = Bar {
            channel_id,
            begin,
            end: UnixNanos(begin.0.saturating_add(1)),
            open: price(0)?,
            high: price(1)?,
            low: price(2)?,
            close: price(3)?,
            volume: Lots(volume),
            feed_seq: row.line,
        };
        Ok(Some(bar).filter(Bar::is_consistent))
    }
}

/// How files write that they have no figure.
fn is_missing(text: &str) -> bool {
    text.is_empty() || ["nan", "null", "none", "na", "n/a"].contains(&text.to_lowercase().as_str())
}

fn give(bar: Bar, emit: &mut impl FnMut(MarketEvent)) {
    bar.into_events().into_iter().for_each(emit);
}

/// A field without spaces and quotes around it.
fn plain(field: &str) -> &str {
    field.trim().trim_matches('"').trim()
}

/// A number in units of `per` 1e-9; what is finer is cut off.
fn scaled(text: &str, per: i64) -> Option<i64> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nano =
        i128::from(whole.parse::<u64>().ok()?) * i128::from(NANO) + nine.parse::<i128>().ok()?;
    i64::try_from(sign * nano / i128::from(per)).ok()
}

/// How long the bars of the first rows are.
fn length_of(rows: &VecDeque<Row>) -> Length {
    let mut steps: Vec<u64> = Vec::new();
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        if next.begin.at > row.begin.at {
            steps.push(next.begin.at - row.begin.at);
        }
    }
    let shortest = steps.iter().copied().min();
    if rows.iter().all(|row| row.begin.is_date) {
        let is_daily = shortest.is_none_or(|step| step <= DAYS_APART_MAX * DAY);
        return if is_daily { Length::Fixed(SESSION) } else { Length::ToNext };
    }
    match shortest {
        Some(step) if steps.iter().filter(|&&other| other == step).count() * 2 >= steps.len() => {
            Length::Fixed(step)
        }
        _ => Length::ToNext,
    }
}

/// From 09:30 to 16:00.
const SESSION: u64 = 23_400 * SECOND;
/// From midnight to 09:30.
const OPENING: u64 = 34_200 * SECOND;

/// How fine prices and quantities of the first rows are.
fn units_of(rows: &VecDeque<Row>) -> Units {
    let decimals = |text: &String| {
        text.split_once('.').map_or(0, |(_, part)| part.trim_end_matches('0').len())
    };
    let most = |figures: std::ops::Range<usize>| {
        rows.iter().flat_map(|row| &row.figures[figures.clone()]).map(decimals).max().unwrap_or(0)
    };
    let (price, volume) = (most(0..4), most(4..5));
    Units {
        tick: if price <= 4 { 100_000 } else { 1 },
        lot: if volume == 0 { 1_000_000_000 } else { 10 },
        price_scale: price.clamp(2, 9) as u8,
    }
}

/// Reads a time; `None` if it is none.
fn stamp_of(text: &str) -> Option<Stamp> {
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let is_number = number(text).is_some();
    if is_number && text.len() != 8 {
        // By its length a number since 1970 says what it counts, from 2001 to 2286.
        let per = match text.len() {
            10 => SECOND,
            13 => 1_000_000,
            16 => 1_000,
            19 => 1,
            _ => return None,
        };
        return number(text)?.checked_mul(per).map(|at| Stamp { at, is_date: false });
    }
    let (date, clock) =
        text.split_once([' ', 'T']).map_or((text, ""), |(date, clock)| (date, clock.trim()));
    let digits: String = date.chars().filter(|c| !matches!(c, '-' | '/')).collect();
    if digits.len() != 8 || !(date.len() == 8 || date.len() == 10) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| number(digits.get(range)?).map(|part| part as u32);
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    if clock.is_empty() {
        let at = new_york_midnight(year, month, day)?.0 + OPENING;
        return Some(Stamp { at, is_date: true });
    }
    let at = (days_of(year, month, day)? * DAY).checked_add_signed(clock_of(clock)?)?;
    Some(Stamp { at, is_date: false })
}

/// Nanoseconds since midnight of `HH:MM[:SS[.fraction]]`, with `Z` or an offset as `+01:00` behind it, taken off.
fn clock_of(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('Z').trim_end();
    let (clock, offset) = match text.rfind(['+', '-']) {
        Some(at) => {
            let sign = if text[at..].starts_with('-') { -1 } else { 1 };
            let digits: String = text[at + 1..].chars().filter(|&c| c != ':').collect();
            let all = matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit());
            let hours: i64 = digits.get(..2).filter(|_| all)?.parse().ok()?;
            let minutes: i64 = digits.get(2..)?.parse().unwrap_or(0);
            (&text[..at], sign * (hours * 3_600 + minutes * 60))
        }
        None => (text, 0),
    };
    let mut parts = clock.split(':');
    let mut two = |most: i64| -> Option<i64> {
        let part = parts.next()?;
        let right = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        right.then(|| part.parse().ok()).flatten().filter(|&part| part < most)
    };
    let (hour, minute) = (two(24)?, two(60)?);
    let seconds = clock.splitn(3, ':').nth(2).unwrap_or("00");
    let nano =
        decimal::parse_nano(seconds).ok().filter(|nano| (0..60 * SECOND as i64).contains(nano))?;
    Some((hour * 3_600 + minute * 60 - offset) * SECOND as i64 + nano)
}

#[cfg(test)]
#[path = "csv_bars_tests.rs"]
mod tests;
