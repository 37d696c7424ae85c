//! Bars from a file, for charts that begin before the gateway did.

use super::bars::{BASES, Bar, Bars, SECOND_NS};
use super::keep::{self, Written, kept_since};
use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use sqlx::AnyPool;
use std::collections::BTreeMap;
use std::path::Path;
use tidegate_client::decimal::parse_nano;

/// Rows of a file at most: a gigabyte of memory.
const ROWS_MAX: usize = 8_000_000;
/// Characters of a symbol at most.
const SYMBOL_MAX: usize = 32;

/// A line of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    symbol: String,
    /// RFC 3339.
    start: String,
    /// 60, 300, 900, 3600 or 86400.
    seconds: i64,
    open: String,
    high: String,
    low: String,
    close: String,
    volume: String,
    /// The average price by volume; without it, the mean of high, low and close is taken for it.
    vwap: Option<String>,
    trades: Option<u64>,
}

impl Line {
    fn read(&self, now_s: i64) -> Result<(i64, Bar)> {
        let number =
            |name: &str, text: &str| parse_nano(text).with_context(|| format!("{name} '{text}'"));
        let start: Timestamp =
            self.start.parse().with_context(|| format!("start '{}': not RFC 3339", self.start))?;
        let (seconds, start_s) = (self.seconds, start.as_second());
        ensure!(
            !self.symbol.is_empty() && self.symbol.len() <= SYMBOL_MAX,
            "symbol '{}': 1 to {SYMBOL_MAX} characters",
            self.symbol
        );
        let is_kept = BASES.iter().any(|(base, _)| *base == seconds && seconds > 1);
        ensure!(is_kept, "seconds {seconds}: one of 60, 300, 900, 3600, 86400");
        ensure!(
            start.subsec_nanosecond() == 0 && start_s % seconds == 0,
            "start {}: bars of {seconds} s begin at multiples of that since 1970-01-01T00:00:00Z",
            self.start
        );
        ensure!(start_s >= 0, "start {}: not before 1970", self.start);
        ensure!(start_s + seconds <= now_s, "start {}: the bar has not ended yet", self.start);
        let [open, high, low, close] = [
            number("open", &self.open)?,
            number("high", &self.high)?,
            number("low", &self.low)?,
            number("close", &self.close)?,
        ];
        ensure!(
            low <= open.min(close) && high >= open.max(close),
            "open {}, high {}, low {}, close {}: the others are not between low and high",
            self.open,
            self.high,
            self.low,
            self.close
        );
        let volume = i128::from(number("volume", &self.volume)?);
        ensure!(volume >= 0, "volume {}: not below 0", self.volume);
        let mean = match &self.vwap {
            Some(text) => number("vwap", text)?.into(),
            None => (i128::from(high) + i128::from(low) + i128::from(close)) / 3,
        };
        ensure!(
            (i128::from(low)..=i128::from(high)).contains(&mean),
            "vwap {}: between low and high",
            self.vwap.as_deref().unwrap_or_default()
        );
        let (start_ns, value) = (start_s * SECOND_NS, mean * volume);
        let trades = self.trades.unwrap_or(0);
        let bar = Bar { start_ns, open, high, low, close, volume, value, trades, is_whole: true };
        Ok((seconds, bar))
    }
}

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Lines that it has.
    pub lines: usize,
    /// Symbols of them.
    pub symbols: usize,
    /// Bars that were added, those among them that are made of shorter ones.
    pub added: u64,
    /// Bars that were there already, and stay.
    pub there: u64,
}

/// Adds the bars of a CSV file to those that are kept, all of them or none: `symbol,start,seconds,open,high,low,close,volume`, and
/// `vwap` and `trades` if it has them. Longer bars are made of them where they are whole.
///
/// # Errors
/// What is wrong with the file, and in which line; the database's.
pub(crate) async fn import(pool: &AnyPool, file: &Path) -> Result<Imported> {
    let now_s = Timestamp::now().as_second();
    let (lines, of) = read(file, now_s).with_context(|| file.display().to_string())?;
    let rows: Vec<Written> = of
        .iter()
        .flat_map(|(symbol, bars)| {
            let with_symbol = move |(seconds, bar)| (symbol.clone(), seconds, bar);
            whole(bars, now_s).into_iter().map(with_symbol)
        })
        .collect();
    let mut transaction = pool.begin().await?;
    let added = keep::write(&mut transaction, &rows, false).await?;
    transaction.commit().await?;
    let there = (rows.len() as u64).saturating_sub(added);
    Ok(Imported { lines, symbols: of.len(), added, there })
}

/// Bars of each symbol, with their seconds.
type BySymbol = BTreeMap<String, Vec<(i64, Bar)>>;

/// Bars in the order of time, and how many lines there were.
fn read(file: &Path, now_s: i64) -> Result<(usize, BySymbol)> {
    let mut of = BySymbol::new();
    let mut lines = 0;
    for line in csv::Reader::from_path(file)?.into_deserialize() {
        let line: Line = line?;
        lines += 1;
        ensure!(lines <= ROWS_MAX, "more than {ROWS_MAX} lines: import it in parts");
        // The first line is that of the names.
        let bar = line.read(now_s).with_context(|| format!("line {}", lines + 1))?;
        of.entry(line.symbol).or_default().push(bar);
    }
    for (symbol, bars) in &mut of {
        bars.sort_by_key(|(_, bar)| bar.start_ns);
        for pair in bars.windows(2) {
            let [(seconds, bar), (_, next)] = pair else { continue };
            if bar.start_ns + seconds * SECOND_NS > next.start_ns {
                let at = |bar: &Bar| super::report::time(bar.start_ns);
                let (first, second) = (at(bar), at(next));
                bail!("{symbol}: the bar of {second} begins before that of {first} ends");
            }
        }
    }
    Ok((lines, of))
}

/// The bars, and the longer ones of which no part is missing at the ends; those that are kept long enough to be seen.
fn whole(bars: &[(i64, Bar)], now_s: i64) -> Vec<(i64, Bar)> {
    let mut all = Bars::default();
    for (seconds, bar) in bars {
        all.add(*seconds, *bar);
    }
    let mut found = Vec::new();
    for (length, keep) in BASES {
        let mut short = bars.iter().filter(|(seconds, _)| *seconds <= length);
        let Some(first) = short.next() else { continue };
        let (seconds, last) = short.next_back().unwrap_or(first);
        let young_ns = kept_since(now_s, length, keep) * SECOND_NS;
        let (from_ns, to_ns) =
            (first.1.start_ns.max(young_ns), last.start_ns + seconds * SECOND_NS);
        let of_length = all.ended(i64::MIN, to_ns).filter(|(seconds, _)| *seconds == length);
        let is_inside = |(_, bar): &(i64, &Bar)| bar.start_ns >= from_ns;
        found.extend(of_length.filter(is_inside).map(|(_, bar)| (length, *bar)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "symbol,start,seconds,open,high,low,close,volume";

    fn write(lines: &[&str]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(&file, [&[HEAD], lines].concat().join("\n")).expect("written");
        file
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let now_s = 1_700_000_040;
        for (line, error) in [
            ("A,2023-11-14T22:13:00Z,60,1,2,0.5,1,5", None),
            (",2023-11-14T22:13:00Z,60,1,2,0.5,1,5", Some("symbol")),
            ("A,2023-11-14T22:13:01Z,60,1,2,0.5,1,5", Some("multiples")),
            ("A,2023-11-14T22:13:00Z,1,1,2,0.5,1,5", Some("one of 60")),
            ("A,2023-11-14T22:14:00Z,60,1,2,0.5,1,5", Some("not ended")),
            ("A,1969-11-14T22:14:00Z,60,1,2,0.5,1,5", Some("1970")),
            ("A,2023-11-14T22:13:00Z,60,1,2,1.5,1,5", Some("between low and high")),
            ("A,2023-11-14T22:13:00Z,60,x,2,0.5,1,5", Some("open 'x'")),
            ("A,2023-11-14T22:13:00Z,60,1,2,0.5,1,-5", Some("volume -5")),
            ("A,yesterday,60,1,2,0.5,1,5", Some("start")),
            ("A,2023-11-14T22:13:00Z,60,1,2,0.5,1", Some("fields")),
        ] {
            let file = write(&["A,2023-11-14T22:12:00Z,60,1,1,1,1,1", line]);
            let told = read(file.path(), now_s).err().map(|told| format!("{told:#}"));
            match (&told, error) {
                (None, None) => {}
                (Some(told), Some(error)) => {
                    assert!(told.contains(error) && told.contains("line"), "{told}");
                }
                _ => panic!("{line}: {told:?}"),
            }
        }
        let minute = "A,2023-11-14T22:00:00Z,60,1,1,1,1,1";
        let overlaps = write(&["A,2023-11-14T21:00:00Z,3600,1,1,1,1,1", minute, minute]);
        let told = read(overlaps.path(), now_s).expect_err("twice").to_string();
        assert!(told.contains("22:00:00"), "{told}");
    }

    #[test]
    fn longer_bars_are_made_where_no_part_is_missing() {
        // From 21:58 to 22:12, without 22:05.
        let minutes = (58..72).filter(|minute| *minute != 65).map(|minute: i64| {
            let at = Timestamp::from_second(1_699_995_600 + minute * 60).expect("a time");
            format!("A,{at},60,{minute},{},{minute},{minute},2", minute + 1)
        });
        let minutes: Vec<_> = minutes.collect();
        let file = write(&minutes.iter().map(String::as_str).collect::<Vec<_>>());
        let (lines, of) = read(file.path(), 1_700_000_040).expect("it is right");
        assert_eq!((lines, of.len()), (13, 1));
        let bars = whole(&of["A"], 1_700_000_040);
        let of_five: Vec<&Bar> =
            bars.iter().filter(|(seconds, _)| *seconds == 300).map(|(_, bar)| bar).collect();
        let [first, second] = of_five[..] else { panic!("{bars:?}") };
        assert_eq!(first.start_ns, 1_699_999_200 * SECOND_NS);
        assert_eq!(
            (first.open, first.high, first.volume),
            (60 * SECOND_NS, 65 * SECOND_NS, 10 * i128::from(SECOND_NS))
        );
        assert_eq!((second.open, second.close), (66 * SECOND_NS, 69 * SECOND_NS));
        assert_eq!(bars.len(), 13 + 2);
        assert!(whole(&of["A"], 1_700_000_040 + 3 * 86_400).len() == 2, "minutes are too old");
    }
}
