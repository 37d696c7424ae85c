//! The clock beside the engine: it gives inputs their time of arrival, and time of its own when nothing else does.
//!
//! Where the kernel itself keeps time by the processor's counter, that counter is read here ([`start`]): it has been found to run
//! evenly and alike on all cores, and reading it is no call. A thread compares it with the system's clock every second, and lets
//! it run a little faster or slower until they agree. Elsewhere the system is asked each time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_model::UnixNanos;

/// How often the counter is compared with the system's clock. A good oscillator is off by some microseconds by then.
const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// The counter runs faster or slower by this at most, in millionths, until it agrees with the system's clock: as NTP does.
const SLEW_PPM_MAX: u64 = 500;
/// A difference beyond this is not made good by and by: somebody has set the clock, or the machine was asleep.
const STEP_NS: u64 = 1_000_000;
/// Comparisons of which the tightest counts: the thread may be interrupted between the two clocks.
const TRIES: usize = 9;
/// Where the kernel says what it keeps time by.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// The nanoseconds since the Unix epoch by this machine's clock.
#[inline]
pub fn unix_now() -> UnixNanos {
    match Reading::by_counter() {
        Some(reading) => reading.unix,
        None => system_now(),
    }
}

fn system_now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(since.as_nanos() as u64)
}

/// Nanoseconds by a clock that nobody sets, from the first call on.
fn steady_now() -> u64 {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    BEGINNING.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// What a clock is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSource {
    /// The processor's counter.
    Counter,
    /// The system.
    System,
}

/// Lets [`unix_now`] read the processor's counter from some milliseconds later on, for as long as the process lives, if the kernel keeps
/// time by it. Further calls change nothing.
pub fn start() -> ClockSource {
    static STARTED: OnceLock<ClockSource> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let source = std::fs::read_to_string(CLOCK_SOURCE).unwrap_or_default();
        if !is_counter(&source) {
            return ClockSource::System;
        }
        match std::thread::Builder::new().name("clock".into()).spawn(keep) {
            Ok(_) => ClockSource::Counter,
            Err(_) => ClockSource::System,
        }
    })
}

/// True if `source` is the kernel's name for a counter that programs may read.
fn is_counter(source: &str) -> bool {
    match std::env::consts::ARCH {
        "x86_64" => source.trim() == "tsc",
        "aarch64" => source.trim() == "arch_sys_counter",
        _ => false,
    }
}

/// Compares for ever.
fn keep() {
    let counter = quanta::Clock::new();
    let mut line = Line::first(compare(&counter), counter.delta_as_nanos(0, 1 << 32));
    let counter = COUNTER.get_or_init(|| counter);
    loop {
        PUBLISHED.publish(&line);
        std::thread::sleep(COMPARE_EVERY);
        line = line.next(compare(counter));
    }
}

/// The counter, once it has been compared with the system's clock.
static COUNTER: OnceLock<quanta::Clock> = OnceLock::new();
static PUBLISHED: Published = Published::new();

/// Both clocks of the system at one value of the counter.
#[derive(Clone, Copy, Debug)]
struct Compared {
    count: u64,
    unix: u64,
    steady: u64,
}

fn compare(counter: &quanta::Clock) -> Compared {
    let once = || {
        let before = counter.raw();
        let unix = system_now().0;
        let after = counter.raw();
        let steady = steady_now();
        (after.saturating_sub(before), Compared { count: before.midpoint(after), unix, steady })
    };
    let mut best = once();
    for _ in 1..TRIES {
        let next = once();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

/// Time as a line over the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    /// The counter where it begins.
    count: u64,
    /// UTC there.
    unix: u64,
    /// The clock that nobody sets, there.
    steady: u64,
    /// Nanoseconds that 2^32 of the counter take, as they are shown.
    rate: u64,
    /// The same, as the system's clock has it.
    rate_measured: u64,
    /// The system's clock at `count`.
    unix_measured: u64,
}

impl Line {
    fn first(at: Compared, rate: u64) -> Self {
        let Compared { count, unix, steady } = at;
        Self { count, unix, steady, rate, rate_measured: rate, unix_measured: unix }
    }

    /// The line from `at` on: without a leap, unless this one has gone too far wrong.
    fn next(&self, at: Compared) -> Self {
        let here = self.at(at.count);
        let (off, is_ahead) = (here.unix.0.abs_diff(at.unix), here.unix.0 > at.unix);
        let (ticks, steady) = (at.count.saturating_sub(self.count), here.steady);
        let next = Self { count: at.count, steady, unix_measured: at.unix, ..*self };
        if ticks == 0 || off > STEP_NS {
            return Self { unix: at.unix, rate: self.rate_measured, ..next };
        }
        let slew_max = self.rate_measured / 1_000_000 * SLEW_PPM_MAX;
        let (low, high) = (self.rate_measured - slew_max, self.rate_measured + slew_max);
        let measured = rate_of(at.unix.saturating_sub(self.unix_measured), ticks).clamp(low, high);
        // Half of what is new: a bad comparison does half its harm.
        let rate_measured = self.rate_measured.midpoint(measured);
        // What it is off by is made good until the next comparison.
        let slew = rate_of(off, ticks).min(slew_max);
        let rate = if is_ahead { rate_measured - slew } else { rate_measured + slew };
        Self { unix: here.unix.0, rate, rate_measured, ..next }
    }

    #[inline]
    fn at(&self, count: u64) -> Reading {
        // Counters of two cores may differ by a few ticks: never before its beginning.
        let ticks = count.saturating_sub(self.count);
        let passed = ((u128::from(ticks) * u128::from(self.rate)) >> 32) as u64;
        let unix = UnixNanos(self.unix.saturating_add(passed));
        Reading { unix, steady: self.steady.saturating_add(passed) }
    }
}

/// Nanoseconds that 2^32 of the counter take.
fn rate_of(ns: u64, ticks: u64) -> u64 {
    u64::try_from((u128::from(ns) << 32) / u128::from(ticks)).unwrap_or(u64::MAX)
}

/// The line in use, for all threads: two places that take turns, so that nobody waits for the one who writes.
struct Published {
    /// Lines published so far; 0: none.
    count: AtomicU64,
    lines: [[AtomicU64; 4]; 2],
}

impl Published {
    const fn new() -> Self {
        Self { count: AtomicU64::new(0), lines: [const { [const { AtomicU64::new(0) }; 4] }; 2] }
    }

    fn publish(&self, line: &Line) {
        let count = self.count.load(Ordering::Relaxed) + 1;
        let cells = &self.lines[(count & 1) as usize];
        fence(Ordering::Release);
        for (cell, value) in cells.iter().zip([line.count, line.unix, line.steady, line.rate]) {
            cell.store(value, Ordering::Relaxed);
        }
        self.count.store(count, Ordering::Release);
    }

    /// The line in use; `None` before the first.
    #[inline]
    fn line(&self) -> Option<Line> {
        loop {
            let count = self.count.load(Ordering::Acquire);
            if count == 0 {
                return None;
            }
            let cells = &self.lines[(count & 1) as usize];
            let [begin, unix, steady, rate] =
                std::array::from_fn(|at| cells[at].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            // This place is written to again only after the other was published.
            if self.count.load(Ordering::Relaxed) == count {
                let (rate_measured, unix_measured) = (rate, unix);
                return Some(Line {
                    count: begin,
                    unix,
                    steady,
                    rate,
                    rate_measured,
                    unix_measured,
                });
            }
        }
    }
}

/// The time, by the system's clock and by one that nobody sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    unix: UnixNanos,
    /// Nanoseconds.
    steady: u64,
}

impl Reading {
    #[inline]
    fn now() -> Self {
        Self::by_counter().unwrap_or_else(|| Self { unix: system_now(), steady: steady_now() })
    }

    #[inline]
    fn by_counter() -> Option<Self> {
        let line = PUBLISHED.line()?;
        COUNTER.get().map(|counter| line.at(counter.raw()))
    }
}

/// The system's clock, but it never stands still: when that is set back, or stood ahead when the journal was written, this
/// one goes on at its own pace until it is reached. Message rates and requests on their way wait for no correction.
pub(super) struct EngineClock {
    since: u64,
    at: UnixNanos,
}

impl EngineClock {
    /// A clock that begins at `engine_time`, or at the system's time if that is later.
    pub(super) fn new(engine_time: UnixNanos) -> Self {
        let now = Reading::now();
        Self { since: now.steady, at: now.unix.max(engine_time) }
    }

    pub(super) fn now(&mut self) -> UnixNanos {
        self.read(Reading::now())
    }

    fn read(&mut self, now: Reading) -> UnixNanos {
        let passed = now.steady.saturating_sub(self.since);
        let own = UnixNanos(self.at.0.saturating_add(passed));
        if now.unix > own {
            *self = Self { since: now.steady, at: now.unix };
        }
        own.max(now.unix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_engines_clock_goes_on_when_the_systems_is_set_back() {
        let mut clock = EngineClock { since: 7, at: UnixNanos(1_000) };
        let mut read = |unix: u64, passed: u64| {
            clock.read(Reading { unix: UnixNanos(unix), steady: 7 + passed }).0
        };
        assert_eq!(read(1_050, 50), 1_050);
        assert_eq!(read(1_300, 60), 1_300, "set forward: it follows");
        assert_eq!(read(100, 160), 1_400, "set back: it goes on by itself");
        assert_eq!(read(200, 260), 1_500);
        assert_eq!(read(1_600, 270), 1_600, "reached again");
    }

    /// A counter of `hz`, and a system's clock that began at `unix` when the counter stood at 1,000,000.
    fn compared(hz: u64, unix: u64, ns: u64) -> Compared {
        let ticks = (u128::from(ns) * u128::from(hz) / 1_000_000_000) as u64;
        Compared { count: 1_000_000 + ticks, unix: unix + ns, steady: 5 + ns }
    }

    const UNIX: u64 = 1_700_000_000_000_000_000;

    proptest! {
        /// Begun with a rate that is wrong by up to 200 millionths, and compared with up to 200 ns of error, it is right to a
        /// microsecond after ten comparisons, and on no way there does it go back.
        #[test]
        fn it_agrees_with_the_systems_clock_and_never_goes_back(
            hz in 10_000_000u64..6_000_000_000,
            wrong_ppm in -200i64..=200,
            steps in proptest::collection::vec((900_000_000u64..1_100_000_000, 0u64..200), 12..40),
        ) {
            let right = rate_of(1_000_000_000, hz);
            let wrong = right.saturating_add_signed(right as i64 / 1_000_000 * wrong_ppm);
            let mut line = Line::first(compared(hz, UNIX, 0), wrong);
            let mut ns = 0;
            for (number, (passed, error)) in steps.iter().enumerate() {
                ns += passed;
                let exact = compared(hz, UNIX, ns);
                let before = line.at(exact.count);
                prop_assert!(before.unix > line.at(exact.count - hz / 100).unix);
                if number > 10 {
                    let off = before.unix.0.abs_diff(exact.unix);
                    prop_assert!(off < 1_000, "{off} ns off at comparison {number}");
                }
                line = line.next(Compared { unix: exact.unix + error, ..exact });
                let after = line.at(exact.count);
                prop_assert_eq!(after.steady, before.steady);
                prop_assert_eq!(after.unix, before.unix, "no leap");
                prop_assert!(line.at(exact.count - 5).unix == after.unix, "a counter behind by some ticks");
            }
        }

        /// Whatever the two clocks say, there is an answer, and the clock that nobody sets does not go back.
        #[test]
        fn it_lives_through_anything(
            first in any::<[u64; 3]>(), rate in 1u64..1 << 40, then in proptest::collection::vec(any::<[u64; 2]>(), 1..20),
        ) {
            let [count, unix, steady] = first;
            let mut line = Line::first(Compared { count, unix, steady }, rate);
            for [count, unix] in then {
                let before = line.at(count);
                line = line.next(Compared { count, unix, steady: 0 });
                let after = line.at(count);
                prop_assert_eq!(after.steady, before.steady);
                prop_assert!(after.unix.0.abs_diff(unix) <= STEP_NS);
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_is_followed_at_once() {
        let hz = 3_000_000_000;
        for leap in [3_600_000_000_000i64, -3_600_000_000_000, 2_000_000, -2_000_000] {
            let line = Line::first(compared(hz, UNIX, 0), rate_of(1_000_000_000, hz));
            let unix = UNIX.saturating_add_signed(leap);
            let line = line.next(compared(hz, unix, 1_000_000_000));
            let later = compared(hz, unix, 1_500_000_000);
            assert!(line.at(later.count).unix.0.abs_diff(later.unix) < 10, "{leap}");
        }
    }

    #[test]
    fn readers_see_whole_lines_while_others_are_published() {
        let published = Published::new();
        assert_eq!(published.line(), None);
        let of = |n: u64| Line {
            count: n,
            unix: 3 * n,
            steady: 5 * n,
            rate: 7 * n,
            rate_measured: 0,
            unix_measured: 0,
        };
        published.publish(&of(1));
        std::thread::scope(|scope| {
            scope.spawn(|| (2..300_000).for_each(|n| published.publish(&of(n))));
            let mut last = 0;
            while last < 299_999 {
                let line = published.line().expect("there is one");
                let n = line.count;
                assert!(n >= last, "{n} after {last}");
                assert_eq!((line.unix, line.steady, line.rate), (3 * n, 5 * n, 7 * n));
                last = n;
            }
        });
    }

    #[test]
    fn once_started_it_is_the_time_all_the_same() {
        let source = start();
        assert_eq!(start(), source);
        let deadline = Instant::now() + Duration::from_secs(5);
        while source == ClockSource::Counter && Reading::by_counter().is_none() {
            assert!(Instant::now() < deadline, "no first comparison");
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut clock = EngineClock::new(UnixNanos::ZERO);
        let mut last = clock.now();
        for _ in 0..100_000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
        // As far as a machine lets this thread run between the two.
        let (before, now, after) = (system_now(), unix_now(), system_now());
        let slack = 50_000;
        assert!(
            before.0 - slack <= now.0 && now.0 <= after.0 + slack,
            "{before:?} {now:?} {after:?}"
        );
    }

    #[test]
    fn only_the_kernels_own_counter_is_taken() {
        assert!(!is_counter("kvm-clock\n") && !is_counter("hpet") && !is_counter(""));
        assert_eq!(is_counter("tsc\n"), cfg!(target_arch = "x86_64"));
    }
}
