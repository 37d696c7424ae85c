//! What only shows when it is tried: how often a core is taken away, and how far two cores are from each other.

use super::{Finding, Patient};
use crate::machine::place;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const AREA: &str = "measured";
/// How long a thread spins on the engine's core.
const SPIN: Duration = Duration::from_secs(1);
/// A step between two looks at the clock that is none of the clock's own.
const GAP_NS: u64 = 1_000;
/// A gap that an order would notice.
const GAP_MAX: Duration = Duration::from_micros(100);
/// Round trips of a cache line, and how many are timed together.
const HOPS: u64 = 200_000;
const HOPS_TOGETHER: u64 = 1_000;
/// A round trip within one processor takes less.
const HOP_NS_MAX: u64 = 800;
/// A partner that does not run holds the other up: not for longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn look(patient: &Patient<'_>, is_quick: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some([engine, near]) = patient.plan.two_cores() else {
        found.push(Finding::note(AREA, "cores", "one only: nothing to measure between two"));
        return found;
    };
    if !is_quick {
        found.push(noise(engine, spin(engine)));
    }
    found.push(match hop(engine, near) {
        Some(ns) => distance(engine, near, ns),
        None => Finding::note(
            AREA,
            "two cores",
            format!("cores {engine} and {near} were too busy to measure"),
        ),
    });
    found
}

/// The gaps that a thread meets which does nothing but look at the clock, sorted, in nanoseconds.
fn spin(core: usize) -> Vec<u64> {
    let spinning = move || {
        // Where it may not be placed, the system's choice is measured.
        let _ = place(None, &[core]);
        let mut gaps = Vec::with_capacity(1 << 20);
        let began = Instant::now();
        let mut last = 0;
        while last < SPIN.as_nanos() as u64 && gaps.len() < gaps.capacity() {
            let now = began.elapsed().as_nanos() as u64;
            if now - last > GAP_NS {
                gaps.push(now - last);
            }
            last = now;
        }
        gaps.sort_unstable();
        gaps
    };
    thread::spawn(spinning).join().unwrap_or_default()
}

fn noise(core: usize, gaps: Vec<u64>) -> Finding {
    let Some(longest) = gaps.last() else {
        return Finding::fine(
            AREA,
            "noise",
            format!("core {core} was never taken away in a second"),
        );
    };
    let us = |ns: u64| ns as f64 / 1e3;
    let all: u64 = gaps.iter().sum();
    let p999 = gaps[gaps.len() * 999 / 1_000];
    let is = format!(
        "core {core} was taken away {} times in a second, {:.2} % of it: {:.0} us at p99.9 of those, {:.0} us at most",
        gaps.len(),
        all as f64 / SPIN.as_nanos() as f64 * 100.0,
        us(p999),
        us(*longest)
    );
    if Duration::from_nanos(*longest) <= GAP_MAX {
        return Finding::fine(AREA, "noise", is);
    }
    Finding::advice(AREA, "noise", is)
        .should(format!("{} us at most", GAP_MAX.as_micros()))
        .costs("an order that comes meanwhile waits as long")
        .change("nothing else on this core: see isolated cores and steal")
}

/// The median time of a cache line to the other core and back; `None` if that did not come about in time.
fn hop(one: usize, other: usize) -> Option<u64> {
    let line = AtomicU64::new(0);
    let until = Instant::now() + PATIENCE;
    let wait_for = |value: u64| {
        let mut looks = 0u32;
        while line.load(Ordering::Acquire) != value {
            std::hint::spin_loop();
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(1 << 14) && Instant::now() > until {
                return false;
            }
        }
        true
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = place(None, &[other]);
            (0..HOPS).all(|n| {
                let has_come = wait_for(2 * n + 1);
                line.store(2 * n + 2, Ordering::Release);
                has_come
            })
        });
        let timing = scope.spawn(|| {
            let _ = place(None, &[one]);
            let mut times = Vec::new();
            let mut began = Instant::now();
            for n in 0..HOPS {
                line.store(2 * n + 1, Ordering::Release);
                if !wait_for(2 * n + 2) {
                    return None;
                }
                if n % HOPS_TOGETHER == HOPS_TOGETHER - 1 {
                    times.push(began.elapsed().as_nanos() as u64 / HOPS_TOGETHER);
                    began = Instant::now();
                }
            }
            times.sort_unstable();
            times.get(times.len() / 2).copied()
        });
        timing.join().ok().flatten()
    })
}

fn distance(engine: usize, near: usize, ns: u64) -> Finding {
    let is = format!("{ns} ns for a cache line from core {engine} to core {near} and back");
    if ns <= HOP_NS_MAX {
        return Finding::fine(AREA, "two cores", is);
    }
    Finding::advice(AREA, "two cores", is)
        .should(format!("{HOP_NS_MAX} ns at most: two cores of one processor"))
        .costs("that much on the way from feed to engine and from engine to whoever hears of it")
        .change("[threads.cores] with cores that share a cache (lscpu -e)")
}

#[cfg(test)]
mod tests {
    use super::super::Level::{Advice, Fine};
    use super::*;

    #[test]
    fn gaps_are_judged_by_the_longest() {
        assert_eq!(noise(1, Vec::new()).level, Fine);
        let few = noise(1, vec![2_000, 90_000]);
        assert!(
            few.level == Fine && few.is.contains("2 times") && few.is.contains("90 us at most"),
            "{few:?}"
        );
        assert_eq!(noise(1, vec![2_000, 4_000_000]).level, Advice);
        assert_eq!(distance(0, 1, 300).level, Fine);
        assert_eq!(distance(0, 9, 3_000).level, Advice);
    }
}
