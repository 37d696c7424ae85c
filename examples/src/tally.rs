//! What a strategy did.

use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

/// Round trips that are remembered; more are only counted.
const ROUND_TRIPS_MAX: usize = 1_000_000;
/// Requests whose answer is awaited; an answer takes milliseconds, so these are many.
const AWAITED_MAX: usize = 10_000;

/// Counts as it goes.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// New orders sent.
    pub orders: u64,
    /// Cancels sent.
    pub cancels: u64,
    /// Replaces sent.
    pub replaces: u64,
    /// Executions of our orders.
    pub fills: u64,
    /// Requests that were refused.
    pub rejects: u64,
    awaited: HashMap<u64, Instant>,
    round_trips_us: Vec<u64>,
    round_trips: u64,
}

/// The one line that a strategy prints when it ends.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The strategy.
    pub strategy: &'static str,
    /// The account it traded for.
    pub account: u32,
    /// Symbols it traded.
    pub symbols: usize,
    /// New orders sent.
    pub orders: u64,
    /// Cancels sent.
    pub cancels: u64,
    /// Replaces sent.
    pub replaces: u64,
    /// Executions of its orders.
    pub fills: u64,
    /// Requests that were refused.
    pub rejects: u64,
    /// Requests whose first answer was timed, from sending to hearing it, over gRPC and back.
    pub round_trips: u64,
    /// Half of them took at most this many microseconds.
    pub round_trip_p50_us: u64,
    /// 99 % of them did.
    pub round_trip_p99_us: u64,
    /// 99.9 % of them did.
    pub round_trip_p999_us: u64,
    /// All of them did.
    pub round_trip_max_us: u64,
}

impl Summary {
    /// Prints the line to standard output. If nobody reads that any more, nobody wants to know.
    ///
    /// # Errors
    /// If it cannot be written for any other reason.
    pub fn print(&self) -> Result<()> {
        self.print_to(&mut std::io::stdout().lock())
    }

    fn print_to(&self, out: &mut impl Write) -> Result<()> {
        let line = serde_json::to_string(self)?;
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            outcome => outcome.context("cannot write the summary to standard output"),
        }
    }
}

/// Tells whoever watches; a strategy goes on when nobody does.
pub(crate) fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Tally {
    /// A request was sent.
    pub fn sent(&mut self, request_id: u64) {
        if self.awaited.len() < AWAITED_MAX {
            self.awaited.insert(request_id, Instant::now());
        }
    }

    /// Something was heard that names a request; its first answer is timed.
    pub fn heard(&mut self, request_id: u64) {
        let Some(sent) = self.awaited.remove(&request_id) else { return };
        self.round_trips += 1;
        if self.round_trips_us.len() < ROUND_TRIPS_MAX {
            self.round_trips_us.push(micros(sent.elapsed()));
        }
    }

    /// What is to be printed.
    pub fn summary(mut self, strategy: &'static str, account: u32, symbols: usize) -> Summary {
        self.round_trips_us.sort_unstable();
        let quantile = |per_mille: usize| {
            let count = self.round_trips_us.len();
            let at = (count * per_mille).div_ceil(1_000).saturating_sub(1);
            self.round_trips_us.get(at).copied().unwrap_or_default()
        };
        Summary {
            strategy,
            account,
            symbols,
            orders: self.orders,
            cancels: self.cancels,
            replaces: self.replaces,
            fills: self.fills,
            rejects: self.rejects,
            round_trips: self.round_trips,
            round_trip_p50_us: quantile(500),
            round_trip_p99_us: quantile(990),
            round_trip_p999_us: quantile(999),
            round_trip_max_us: quantile(1_000),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let tally = Tally {
            round_trips_us: (1..=1_000).rev().collect(),
            round_trips: 1_000,
            ..Tally::default()
        };
        let summary = tally.summary("test", 1, 1);
        let found = (
            summary.round_trip_p50_us,
            summary.round_trip_p99_us,
            summary.round_trip_p999_us,
            summary.round_trip_max_us,
        );
        assert_eq!(found, (500, 990, 999, 1_000));
        assert_eq!(Tally::default().summary("test", 1, 1).round_trip_max_us, 0);
    }

    #[test]
    fn a_summary_without_reader_is_fine_and_one_that_is_lost_is_not() {
        let summary = Tally::default().summary("test", 1, 2);
        let mut line = Vec::new();
        summary.print_to(&mut line).expect("room");
        assert!(line.starts_with(br#"{"strategy":"test","account":1,"symbols":2,"#));
        assert!(line.ends_with(b"}\n"));

        let (reader, mut pipe) = std::io::pipe().expect("a pipe");
        drop(reader);
        summary.print_to(&mut pipe).expect("nobody reads it");
        let mut full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let error = summary.print_to(&mut full).expect_err("no room");
        assert!(error.to_string().contains("cannot write the summary"), "{error}");
    }

    #[test]
    fn only_the_first_answer_is_timed() {
        let mut tally = Tally::default();
        tally.sent(1);
        tally.heard(1);
        tally.heard(1);
        tally.heard(2);
        assert_eq!(tally.round_trips, 1);
    }
}
