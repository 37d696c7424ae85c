//! What a strategy did, in one line.

use anyhow::Result;
use serde::Serialize;
use std::io::Write;
use tidegate_client::strategy::Tally;

/// The one line that a strategy prints when it ends.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The program.
    pub strategy: String,
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
    /// Requests whose first answer was timed, from sending to hearing it.
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
    /// What `tally` counted.
    pub fn new(tally: &Tally, strategy: &str, account: u32, symbols: usize) -> Self {
        let [p50, p99, p999, max] = tally.quantiles_us([500, 990, 999, 1_000]);
        Self {
            strategy: strategy.replace('-', "_"),
            account,
            symbols,
            orders: tally.orders,
            cancels: tally.cancels,
            replaces: tally.replaces,
            fills: tally.fills,
            rejects: tally.rejects,
            round_trips: tally.round_trips,
            round_trip_p50_us: p50,
            round_trip_p99_us: p99,
            round_trip_p999_us: p999,
            round_trip_max_us: max,
        }
    }

    /// The line, as JSON.
    ///
    /// # Errors
    /// None that numbers and names could lead to.
    pub fn line(&self) -> Result<String> {
        Ok(serde_json::to_string(self)?)
    }
}

/// Tells whoever watches; a strategy goes on when nobody does.
pub(crate) fn note(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_who_and_what() {
        let line = Summary::new(&Tally::default(), "a-test", 1, 2).line().expect("text");
        assert!(line.starts_with(r#"{"strategy":"a_test","account":1,"symbols":2,"orders":0,"#));
        assert!(line.ends_with('}') && !line.contains('\n'), "{line}");
    }
}
