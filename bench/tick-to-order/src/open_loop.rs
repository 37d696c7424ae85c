//! When events are due, and what became of them.

use core::fmt;
use hdrhistogram::Histogram;
use quanta::Clock;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many events, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Events a second; 0: each as soon as there is room.
    pub rate: u64,
    /// Events that are not measured, at the start.
    pub warm_up: u64,
    /// All events.
    pub total: u64,
}

impl Load {
    /// So many a second, for so long.
    pub fn at(rate: u64, seconds: u64) -> Self {
        let measured = rate * seconds;
        Self { rate, warm_up: measured / 5, total: measured + measured / 5 }
    }

    /// As fast as they are taken.
    pub fn flood() -> Self {
        Self { rate: 0, warm_up: 0, total: 1_000_000 }
    }
}

/// Due times and stamps of a run. The stamps are there from the beginning, so that a stamp is a look at the clock and a store.
#[derive(Clone, Debug)]
pub struct Stamps {
    clock: Clock,
    began: u64,
    load: Load,
    stamps: Arc<[AtomicU64]>,
    count: Arc<AtomicU64>,
}

impl Stamps {
    /// The first event is due now.
    pub fn begin(load: Load) -> Self {
        let clock = Clock::new();
        let stamps = (0..load.total).map(|_| AtomicU64::new(1)).collect();
        let began = clock.raw();
        Self { clock, began, load, stamps, count: Arc::default() }
    }

    /// The same, from now on.
    pub fn restart(&mut self) {
        self.began = self.clock.raw();
    }

    /// Nanoseconds since the start.
    #[inline]
    pub fn now(&self) -> u64 {
        self.clock.delta_as_nanos(self.began, self.clock.raw())
    }

    /// When an event is due, in nanoseconds since the start.
    #[inline]
    pub fn due(&self, event: u64) -> u64 {
        (event * 1_000_000_000).checked_div(self.load.rate).unwrap_or(0)
    }

    /// The answer to the next event is there.
    #[inline]
    pub fn stamp(&self) {
        let at = self.count.load(Ordering::Relaxed);
        if let Some(stamp) = self.stamps.get(at as usize) {
            stamp.store(self.clock.raw(), Ordering::Relaxed);
            self.count.store(at + 1, Ordering::Release);
        }
    }

    /// Events that were answered.
    #[inline]
    pub fn answered(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// What came of it.
    pub fn figures(&self) -> Figures {
        let mut times =
            Histogram::<u64>::new_with_bounds(1, 10_000_000_000, 3).expect("a valid shape");
        let answered = self.answered();
        let at = |event: u64| {
            let raw = self.stamps[event as usize].load(Ordering::Relaxed);
            self.clock.delta_as_nanos(self.began, raw)
        };
        for event in self.load.warm_up..answered {
            times.saturating_record(at(event).saturating_sub(self.due(event)));
        }
        let took = if answered == 0 { 0 } else { at(answered - 1) };
        Figures::of(&times, answered, took)
    }
}

/// Times in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
    pub p99_99: u64,
    pub max: u64,
    /// Answers a second, all in all.
    pub throughput: u64,
}

impl Figures {
    /// Of `answered` that took so long together.
    pub fn of(times: &Histogram<u64>, answered: u64, took_ns: u64) -> Self {
        let at = |quantile| times.value_at_quantile(quantile);
        let throughput = u128::from(answered) * 1_000_000_000 / u128::from(took_ns.max(1));
        Self {
            count: times.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            p99_99: at(0.9999),
            max: times.max(),
            throughput: throughput as u64,
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50, p90, p99, p99_9, p99_99, max, throughput } = self;
        write!(
            f,
            "p50 {p50}  p90 {p90}  p99 {p99}  p99.9 {p99_9}  p99.99 {p99_99}  max {max}  of {count}; {throughput} a second"
        )
    }
}
