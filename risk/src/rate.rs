//! How many messages an account may send: a token bucket in integers, on event time.

use serde::{Deserialize, Serialize};
use tidegate_model::UnixNanos;

/// What one message costs. The unit is chosen so that a rate of one a second gains one unit a nanosecond.
const TOKEN: u64 = 1_000_000_000;

/// A token bucket. It starts full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    /// What is in it, in 1e-9 tokens; at most `burst x TOKEN`, which 64 bits hold for any `burst`.
    level: u64,
    /// Event time up to which it has been refilled.
    refilled_at: UnixNanos,
    per_sec: u32,
    burst: u32,
}

impl TokenBucket {
    /// A full bucket that gains `per_sec` tokens a second and holds `burst`.
    pub const fn full(per_sec: u32, burst: u32) -> Self {
        Self { level: burst as u64 * TOKEN, refilled_at: UnixNanos::ZERO, per_sec, burst }
    }

    /// Changes rate and depth and keeps what is in it, so that setting limits again is no way to more messages.
    pub fn resize(&mut self, per_sec: u32, burst: u32) {
        self.per_sec = per_sec;
        self.burst = burst;
        self.level = self.level.min(self.capacity());
    }

    const fn capacity(&self) -> u64 {
        self.burst as u64 * TOKEN
    }

    /// Whole tokens left, as of the last message.
    #[inline]
    pub const fn tokens(&self) -> u64 {
        self.level / TOKEN
    }

    /// Tokens gained a second.
    #[inline]
    pub const fn per_sec(&self) -> u32 {
        self.per_sec
    }

    #[inline]
    fn refill(&mut self, now: UnixNanos) {
        // Time that runs backwards gains nothing, and the time it then makes good is not gained twice.
        let Some(elapsed_ns) = now.0.checked_sub(self.refilled_at.0) else { return };
        self.refilled_at = now;
        let gained = elapsed_ns.saturating_mul(u64::from(self.per_sec));
        self.level = self.level.saturating_add(gained).min(self.capacity());
    }

    /// Takes one token at `now`; false if there is none, and then nothing is taken.
    #[inline]
    pub fn take(&mut self, now: UnixNanos) -> bool {
        self.refill(now);
        match self.level.checked_sub(TOKEN) {
            Some(rest) => {
                self.level = rest;
                true
            }
            None => false,
        }
    }

    /// Takes one token at `now`, or what is left of one.
    #[inline]
    pub fn drain(&mut self, now: UnixNanos) {
        self.refill(now);
        self.level = self.level.saturating_sub(TOKEN);
    }

    /// Whole tokens at `now`; nothing is changed.
    #[inline]
    pub fn tokens_at(&self, now: UnixNanos) -> u64 {
        let mut later = *self;
        later.refill(now);
        later.tokens()
    }

    /// The words of the state hash.
    #[inline]
    pub const fn words(&self) -> [u64; 2] {
        [self.level, self.refilled_at.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: u64 = 1_000_000_000;

    fn taken(bucket: &mut TokenBucket, now: u64, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(bucket.take(UnixNanos(now)))).sum()
    }

    #[test]
    fn burst_then_rate() {
        let mut bucket = TokenBucket::full(10, 3);
        let start = 1_700_000_000 * SEC;
        assert_eq!(taken(&mut bucket, start, 5), 3, "the burst");
        assert_eq!(taken(&mut bucket, start + SEC / 10 - 1, 2), 0, "a nanosecond early");
        assert_eq!(taken(&mut bucket, start + SEC / 10, 2), 1, "on time");
        assert_eq!(taken(&mut bucket, start + 100 * SEC, 9), 3, "never more than the burst");
    }

    #[test]
    fn time_running_backwards_gains_nothing() {
        let mut bucket = TokenBucket::full(1, 1);
        assert_eq!(taken(&mut bucket, 100 * SEC, 1), 1);
        assert_eq!(taken(&mut bucket, 50 * SEC, 1), 0);
        assert_eq!(taken(&mut bucket, 100 * SEC, 1), 0, "the way back is not gained twice");
        assert_eq!(taken(&mut bucket, 101 * SEC, 2), 1);
    }

    #[test]
    fn extremes() {
        assert_eq!(taken(&mut TokenBucket::full(0, 0), u64::MAX, 3), 0);
        assert_eq!(taken(&mut TokenBucket::full(0, 2), u64::MAX, 3), 2, "no refill");
        assert_eq!(taken(&mut TokenBucket::full(u32::MAX, 0), u64::MAX, 3), 0, "no depth");
        assert_eq!(taken(&mut TokenBucket::full(u32::MAX, u32::MAX), u64::MAX, 3), 3);
    }

    #[test]
    fn a_new_size_brings_no_new_tokens() {
        let mut bucket = TokenBucket::full(1, 2);
        assert_eq!(taken(&mut bucket, SEC, 2), 2);
        bucket.resize(1, 100);
        assert_eq!(taken(&mut bucket, SEC, 1), 0);
        let mut bucket = TokenBucket::full(1, 100);
        bucket.resize(1, 1);
        assert_eq!(taken(&mut bucket, SEC, 2), 1);
    }

    #[test]
    fn a_drain_is_never_refused() {
        let mut bucket = TokenBucket::full(1, 1);
        for _ in 0..3 {
            bucket.drain(UnixNanos(SEC));
        }
        assert_eq!(bucket.tokens(), 0);
        assert_eq!(taken(&mut bucket, 2 * SEC, 2), 1, "and leaves no debt");
    }
}
