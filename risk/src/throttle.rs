//! When the last executions of a scope were: as many as a throttle counts.

use serde::{Deserialize, Serialize};
use tidegate_model::UnixNanos;

/// The times of the last `len` executions, the oldest of them at hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ring {
    times: Box<[UnixNanos]>,
    next: usize,
    count: usize,
}

impl Ring {
    /// Room for `limit` executions and the one that is too many.
    pub fn new(limit: usize) -> Self {
        Self { times: vec![UnixNanos::ZERO; limit + 1].into(), next: 0, count: 0 }
    }

    /// Notes one more; true if all that there is room for lie within `window_ns`.
    pub fn push(&mut self, now: UnixNanos, window_ns: u64) -> bool {
        let len = self.times.len();
        self.times[self.next] = now;
        self.next = (self.next + 1) % len;
        self.count = (self.count + 1).min(len);
        // The slot that is written next holds the oldest.
        self.count == len && now.0.saturating_sub(self.times[self.next].0) < window_ns
    }

    /// True if what it counts lies in it.
    pub fn is_sound(&self) -> bool {
        self.next < self.times.len() && self.count <= self.times.len()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        (self.next, self.count) = (0, 0);
    }

    /// The times, oldest first.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        let len = self.times.len();
        (0..self.count).map(move |at| self.times[(self.next + len - self.count + at) % len].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_within_the_window_is_told() {
        for (limit, window, times, told) in [
            (1, 10, &[0, 9][..], &[false, true][..]),
            (1, 10, &[0, 10], &[false, false]),
            (3, 10, &[0, 1, 2, 3], &[false, false, false, true]),
            (3, 10, &[0, 1, 2, 10, 11, 12], &[false, false, false, false, false, false]),
            // Three in any ten, whatever came before: 5, 6, 7 and 8.
            (3, 10, &[0, 1, 5, 15, 16, 17, 18], &[false, false, false, false, false, false, true]),
        ] {
            let mut ring = Ring::new(limit);
            let heard: Vec<_> = times.iter().map(|at| ring.push(UnixNanos(*at), window)).collect();
            assert_eq!(heard, told, "{limit} in {window}: {times:?}");
        }
    }
}
