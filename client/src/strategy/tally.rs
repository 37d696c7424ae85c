//! What a strategy did over a connection.

use super::Request;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Round trips that are remembered; more are only counted.
const ROUND_TRIPS_MAX: usize = 1_000_000;
/// Requests whose answer is awaited; an answer takes milliseconds, so these are many.
const AWAITED_MAX: usize = 10_000;

/// Counts as it goes.
#[derive(Debug, Default)]
pub struct Tally {
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
    /// Requests whose first answer was timed, from sending to hearing it.
    pub round_trips: u64,
    awaited: HashMap<u64, Awaited>,
    round_trips_us: Vec<u64>,
}

/// A request without an answer.
#[derive(Debug)]
struct Awaited {
    sent: Instant,
    request: Request,
}

impl Tally {
    /// `request` was sent as number `request_id`.
    pub(super) fn sent(&mut self, request_id: u64, request: Request) {
        match request {
            Request::Submit(..) => self.orders += 1,
            Request::Replace(..) => self.replaces += 1,
            Request::Cancel(_) => self.cancels += 1,
            Request::CancelAll => {}
        }
        if self.awaited.len() < AWAITED_MAX {
            self.awaited.insert(request_id, Awaited { sent: Instant::now(), request });
        }
    }

    /// Something was heard that names a request, which is returned; its first answer is timed.
    pub(super) fn heard(&mut self, request_id: u64) -> Option<Request> {
        let Awaited { sent, request } = self.awaited.remove(&request_id)?;
        self.round_trips += 1;
        if self.round_trips_us.len() < ROUND_TRIPS_MAX {
            self.round_trips_us.push(micros(sent.elapsed()));
        }
        Some(request)
    }

    /// So many of 1,000 round trips took at most this many microseconds, for each of `per_mille`.
    pub fn quantiles_us<const N: usize>(&self, per_mille: [usize; N]) -> [u64; N] {
        let mut sorted = self.round_trips_us.clone();
        sorted.sort_unstable();
        per_mille.map(|per_mille| {
            let at = (sorted.len() * per_mille).div_ceil(1_000).saturating_sub(1);
            sorted.get(at).copied().unwrap_or_default()
        })
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::OrderKey;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let tally = Tally { round_trips_us: (1..=1_000).rev().collect(), ..Tally::default() };
        assert_eq!(tally.quantiles_us([500, 990, 999, 1_000]), [500, 990, 999, 1_000]);
        assert_eq!(Tally::default().quantiles_us([1_000]), [0]);
    }

    #[test]
    fn only_the_first_answer_is_timed_and_says_which_request() {
        let mut tally = Tally::default();
        let request = Request::Cancel(OrderKey(7));
        tally.sent(1, request);
        assert_eq!(tally.heard(1), Some(request));
        assert_eq!(tally.heard(1), None);
        assert_eq!(tally.heard(2), None);
        assert_eq!((tally.round_trips, tally.cancels), (1, 1));
    }
}
