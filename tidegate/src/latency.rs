//! How long the ways to the paper venue and back take, as people say it: a span, or a table in a file.
//!
//! A table is a CSV file whose first line names its columns. Times are UTC nanoseconds.
//!
//! * `ts,latency_ns`: what a leg took at those times.
//! * `req_ts,exch_ts,resp_ts`: round trips as hftbacktest records them: sent here, arrived at the exchange, its answer here.
//!   The entry leg is the first to the second, the answer leg the second to the third.
//! * `exch_ts,local_ts`: market data, told by the exchange and arrived here: the feed leg.
//! * `quantile,latency_ns`: a distribution; quantiles from 0 to 1.
//!
//! `recorded:FILE` replays one of the first three by time; `random:FILE` draws from the distribution that any of them has.

use crate::time_text::{span, span_text};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use tidegate_model::Command;
use tidegate_model::command::{
    AddLatencyPoints, LATENCY_POINTS_MAX, LatencyLeg, LatencyModel, LatencyPoint, SetLatency,
};
use tidegate_model::decimal::parse_nano;

/// The longest that all legs together may take: whoever stops a server waits so long for its last cancels.
const TOGETHER_MAX_NS: u64 = 60_000_000_000;
/// MiB that a table may have: far more than the points that are kept.
const FILE_MIB_MAX: u64 = 64;
/// Points of a distribution that is made from a recording: every tenth of a per cent.
const QUANTILES: usize = 1_001;
/// What quantiles count in.
const SHARE_ONE: u64 = 1_000_000_000;

/// How long a leg takes, as it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Always the same, in nanoseconds.
    Always(u64),
    /// What was recorded in the file, by time.
    Recorded(PathBuf),
    /// Drawn from the distribution in the file.
    Random(PathBuf),
}

impl Way {
    /// A span such as `250us`, `recorded:FILE` or `random:FILE`.
    ///
    /// # Errors
    /// What is needed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = |prefix: &str| text.strip_prefix(prefix).filter(|path| !path.is_empty());
        if let Some(path) = path("recorded:") {
            return Ok(Self::Recorded(path.into()));
        }
        if let Some(path) = path("random:") {
            return Ok(Self::Random(path.into()));
        }
        span(text).map(Self::Always).ok_or_else(|| {
            "a span such as 250us, 10ms or 1.5s, recorded:FILE or random:FILE is needed".to_string()
        })
    }
}

impl<'de> Deserialize<'de> for Way {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|needed| D::Error::custom(format!("'{text}': {needed}")))
    }
}

/// All ways, as they were said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    /// The market's news, to us.
    pub feed: Way,
    /// Requests, to the venue.
    pub entry: Way,
    /// The venue's answers, to us.
    pub answer: Way,
    /// Where random draws begin.
    pub seed: u64,
}

/// One leg as the engine takes it.
#[derive(Clone, Debug)]
struct Leg {
    leg: LatencyLeg,
    way: Way,
    points: Vec<LatencyPoint>,
}

impl Leg {
    fn read(leg: LatencyLeg, way: &Way) -> Result<Self> {
        let points = match way {
            Way::Always(_) => Vec::new(),
            Way::Recorded(path) => read(path, leg, true)?,
            Way::Random(path) => read(path, leg, false)?,
        };
        Ok(Self { leg, way: way.clone(), points })
    }

    fn longest_ns(&self) -> u64 {
        match self.way {
            Way::Always(ns) => ns,
            _ => self.points.iter().map(|point| point.ns).max().unwrap_or(0),
        }
    }

    /// `250 us`, `98 us to 4 ms as recorded in entry.csv`; `None` if it takes no time.
    fn text(&self, seed: u64) -> Option<String> {
        let spans = || {
            let shortest = self.points.iter().map(|point| point.ns).min().unwrap_or(0);
            format!("{} to {}", span_text(shortest), span_text(self.longest_ns()))
        };
        match &self.way {
            Way::Always(0) => None,
            Way::Always(ns) => Some(span_text(*ns)),
            Way::Recorded(path) => Some(format!("{} as recorded in {}", spans(), path.display())),
            Way::Random(path) => {
                Some(format!("{} drawn from {} with seed {seed}", spans(), path.display()))
            }
        }
    }
}

/// All legs, with the tables that they name.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// Feed, entry, answer.
    legs: [Leg; 3],
    seed: u64,
}

impl Latencies {
    /// Reads the tables.
    ///
    /// # Errors
    /// If a table cannot be read or means nothing, or all legs together take longer than a minute.
    pub fn read(ways: &Ways) -> Result<Self> {
        let read = |leg: LatencyLeg, way| {
            Leg::read(leg, way).with_context(|| format!("the {} latency", leg.as_str()))
        };
        let legs = [
            read(LatencyLeg::Feed, &ways.feed)?,
            read(LatencyLeg::Entry, &ways.entry)?,
            read(LatencyLeg::Answer, &ways.answer)?,
        ];
        let latencies = Self { legs, seed: ways.seed };
        let longest_ns = latencies.longest_ns();
        ensure!(
            longest_ns <= TOGETHER_MAX_NS,
            "a latency of {} is not allowed: at most {} for feed, entry and answer together",
            span_text(longest_ns),
            span_text(TOGETHER_MAX_NS)
        );
        Ok(latencies)
    }

    /// The longest that a request and its answer can take.
    pub fn longest_ns(&self) -> u64 {
        self.legs.iter().fold(0, |sum, leg| sum.saturating_add(leg.longest_ns()))
    }

    /// True if requests are at the venue at once.
    pub fn is_immediate(&self) -> bool {
        let [feed, entry, _] = &self.legs;
        feed.longest_ns() == 0 && entry.longest_ns() == 0
    }

    /// What [`tidegate_model::command::Configure`] sets: the entry leg, as far as it is constant.
    pub fn entry_ns(&self) -> u64 {
        match self.legs[1].way {
            Way::Always(ns) => ns,
            _ => 0,
        }
    }

    /// The commands that set, after [`tidegate_model::command::Configure`], what that has not.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        for Leg { leg, way, points } in &self.legs {
            let (model, constant_ns) = match way {
                Way::Always(0) => continue,
                Way::Always(_) if *leg == LatencyLeg::Entry => continue,
                Way::Always(ns) => (LatencyModel::Constant, *ns),
                Way::Recorded(_) => (LatencyModel::Recorded, 0),
                Way::Random(_) => (LatencyModel::Distribution, 0),
            };
            let (leg, model) = (leg.wire(), model.wire());
            let seed = self.seed;
            commands.push(Command::SetLatency(SetLatency {
                constant_ns,
                seed,
                leg,
                model,
                reserved: [0; 6],
            }));
            let mut add = AddLatencyPoints { leg, ..Default::default() };
            for chunk in points.chunks(add.points.len()) {
                add.count = chunk.len() as u8;
                add.points[..chunk.len()].copy_from_slice(chunk);
                commands.push(Command::AddLatencyPoints(add));
            }
        }
        commands
    }

    /// All of it in words.
    pub fn text(&self) -> String {
        let [feed, entry, answer] =
            self.legs.each_ref().map(|leg| leg.text(self.seed).unwrap_or("no time".to_string()));
        format!("orders take {entry} to the venue, market data {feed}, answers {answer}")
    }
}

/// The points of one leg in a file: by time, or by quantile.
fn read(path: &Path, leg: LatencyLeg, by_time: bool) -> Result<Vec<LatencyPoint>> {
    let shown = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(shown)?;
    parse(BufReader::new(file.take(FILE_MIB_MAX << 20)), leg, by_time).with_context(shown)
}

/// As [`read`], from what is in the file.
fn parse(file: impl Read, leg: LatencyLeg, by_time: bool) -> Result<Vec<LatencyPoint>> {
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let head = csv.headers()?.clone();
    let column = |name: &str| head.iter().position(|column| column == name);
    let ends = match leg {
        LatencyLeg::Feed => ["exch_ts", "local_ts"],
        LatencyLeg::Entry => ["req_ts", "exch_ts"],
        LatencyLeg::Answer => ["exch_ts", "resp_ts"],
    };
    let (quantile, ts, ns) = (column("quantile"), column("ts"), column("latency_ns"));
    let (from, to) = (column(ends[0]), column(ends[1]));
    ensure!(
        !by_time || quantile.is_none(),
        "a distribution says nothing of times: write random:FILE to draw from it"
    );
    let mut points = Vec::new();
    for row in csv.records() {
        let row = row?;
        let at = || format!("line {}", row.position().map_or(0, csv::Position::line));
        let number = |column: usize| -> Result<u64> {
            let text = row.get(column).unwrap_or_default();
            text.parse().with_context(|| format!("{}: '{text}' is no whole number", at()))
        };
        points.push(match (quantile, ts, ns, from, to) {
            (Some(quantile), _, Some(ns), ..) => {
                let text = row.get(quantile).unwrap_or_default();
                let share = parse_nano(text).ok().and_then(|nano| u64::try_from(nano).ok());
                let share = share.filter(|share| *share <= SHARE_ONE);
                let share =
                    share.with_context(|| format!("{}: '{text}' is not from 0 to 1", at()))?;
                LatencyPoint { at: share, ns: number(ns)? }
            }
            (None, Some(ts), Some(ns), ..) => LatencyPoint { at: number(ts)?, ns: number(ns)? },
            (.., Some(from), Some(to)) => {
                let (from, to) = (number(from)?, number(to)?);
                let ns = to.checked_sub(from).with_context(|| {
                    format!("{}: {} is before {}", at(), ends[1], ends[0])
                })?;
                LatencyPoint { at: from, ns }
            }
            _ => bail!(
                "the columns are not known: ts,latency_ns or quantile,latency_ns, or {},{} for the {} latency",
                ends[0],
                ends[1],
                leg.as_str()
            ),
        });
    }
    ensure!(!points.is_empty(), "there is no line with a latency in it");
    let points = match (quantile.is_some(), by_time) {
        (true, _) => in_order(points)?,
        (false, true) => by_times(points),
        (false, false) => quantiles(points),
    };
    ensure!(
        points.len() <= LATENCY_POINTS_MAX,
        "{} points are too many: at most {LATENCY_POINTS_MAX}; keep one of a second or more",
        points.len()
    );
    Ok(points)
}

/// Quantiles, as they were written.
fn in_order(points: Vec<LatencyPoint>) -> Result<Vec<LatencyPoint>> {
    for pair in points.windows(2) {
        ensure!(
            pair[0].at < pair[1].at && pair[0].ns <= pair[1].ns,
            "quantiles must rise from line to line, and their latencies may not fall"
        );
    }
    Ok(points)
}

/// A recording in the order of time; of those at one time the longest.
fn by_times(mut points: Vec<LatencyPoint>) -> Vec<LatencyPoint> {
    points.sort_unstable_by_key(|point| (point.at, std::cmp::Reverse(point.ns)));
    points.dedup_by_key(|point| point.at);
    points
}

/// The distribution that a recording has.
fn quantiles(points: Vec<LatencyPoint>) -> Vec<LatencyPoint> {
    let mut sorted: Vec<u64> = points.iter().map(|point| point.ns).collect();
    sorted.sort_unstable();
    let (count, last) = (sorted.len().min(QUANTILES), sorted.len() - 1);
    let steps = (count - 1).max(1);
    let point = |step: usize| LatencyPoint {
        at: SHARE_ONE * step as u64 / steps as u64,
        ns: sorted[last * step / steps],
    };
    (0..count).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str, leg: LatencyLeg, by_time: bool) -> String {
        match parse(text.as_bytes(), leg, by_time) {
            Ok(points) => {
                let texts: Vec<_> = points.iter().map(|p| format!("{}:{}", p.at, p.ns)).collect();
                texts.join(" ")
            }
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn ways_are_spans_or_files() {
        for (text, want) in [
            ("0", Some(Way::Always(0))),
            ("250us", Some(Way::Always(250_000))),
            ("recorded:a/b.csv", Some(Way::Recorded("a/b.csv".into()))),
            ("random:c", Some(Way::Random("c".into()))),
            ("random:", None),
            ("5", None),
            ("entry.csv", None),
        ] {
            assert_eq!(Way::parse(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn every_form_of_table() {
        use LatencyLeg::{Answer, Entry, Feed};
        let trips = "req_ts, exch_ts, resp_ts\n20,25,27\n10,13,19\n10,12,20\n";
        let feed = "exch_ts,local_ts\n5,9\n";
        let spans = "ts,latency_ns\n30,4\n20,3\n";
        let shares = "quantile,latency_ns\n0,100\n0.5,200\n1,900\n";
        let needed = |ends: &str, leg: &str| {
            format!(
                "the columns are not known: ts,latency_ns or quantile,latency_ns, or {ends} for the {leg} latency"
            )
        };
        for (text, leg, by_time, want) in [
            (trips, Entry, true, "10:3 20:5".to_string()),
            (trips, Answer, true, "12:8 13:6 25:2".to_string()),
            (trips, Entry, false, "0:2 500000000:3 1000000000:5".to_string()),
            (trips, Feed, true, needed("exch_ts,local_ts", "feed")),
            (feed, Feed, true, "5:4".to_string()),
            (feed, Feed, false, "0:4".to_string()),
            (spans, Answer, true, "20:3 30:4".to_string()),
            (shares, Entry, false, "0:100 500000000:200 1000000000:900".to_string()),
            (
                shares,
                Entry,
                true,
                "a distribution says nothing of times: write random:FILE to draw from it"
                    .to_string(),
            ),
            ("ts,latency_ns\n", Entry, true, "there is no line with a latency in it".to_string()),
            (
                "ts,latency_ns\n1,fast\n",
                Entry,
                true,
                "line 2: 'fast' is no whole number: invalid digit found in string".to_string(),
            ),
            ("req_ts,exch_ts\n5,4\n", Entry, true, "line 2: exch_ts is before req_ts".to_string()),
            (
                "quantile,latency_ns\n1.5,4\n",
                Entry,
                false,
                "line 2: '1.5' is not from 0 to 1".to_string(),
            ),
            (
                "quantile,latency_ns\n0,4\n1,3\n",
                Entry,
                false,
                "quantiles must rise from line to line, and their latencies may not fall"
                    .to_string(),
            ),
        ] {
            assert_eq!(points(text, leg, by_time), want, "{text}");
        }
    }

    #[test]
    fn a_long_recording_becomes_a_thousand_quantiles() {
        let rows: String = (0..5_001).map(|n| format!("{},{}\n", n, 5_000 - n)).collect();
        let text = format!("ts,latency_ns\n{rows}");
        let points = parse(text.as_bytes(), LatencyLeg::Entry, false).expect("valid");
        assert_eq!(points.len(), QUANTILES);
        for (at, want) in [(0, 0), (500, 2_500), (999, 4_995), (1_000, 5_000)] {
            assert_eq!((points[at].at, points[at].ns), (at as u64 * 1_000_000, want));
        }
        let many: String = (0..=LATENCY_POINTS_MAX).map(|n| format!("{n},1\n")).collect();
        let told = points_error(&format!("ts,latency_ns\n{many}"));
        assert!(told.contains("65537 points are too many"), "{told}");
    }

    fn points_error(text: &str) -> String {
        points(text, LatencyLeg::Entry, true)
    }
}
