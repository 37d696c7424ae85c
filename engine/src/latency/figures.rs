//! What is kept of the measurements: histograms, the slowest, alerts. Each has its bound.

use super::{Budgets, Cumulative, Path, What, Window};
use crate::runtime::{Stage, Trace, Traced};
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use tidegate_model::UnixNanos;

/// Seconds that "the last minute" has.
pub const WINDOW_S: usize = 60;
/// How many of the slowest are kept, of each second and altogether.
pub const SLOWEST_MAX: usize = 10;
/// The longest that is told apart, in nanoseconds: a minute.
const LONGEST_NS: u64 = 60_000_000_000;
/// Parts of the last minute that have histograms of their own.
const SLICES: usize = 6;
/// How long each is.
const SLICE_S: u64 = WINDOW_S as u64 / SLICES as u64;
/// Digits of the histograms since the start, and of those of the last minute: 0.1 and 1 per cent.
const DIGITS: [u8; 2] = [3, 2];
/// Alerts that are kept for those who come later.
const ALERTS_MAX: usize = 256;
/// Breaches of one kind are told at most this often; those in between are counted.
const ALERT_EVERY_NS: u64 = 1_000_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// What one stage or path took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Which.
    pub what: What,
    /// Measurements.
    pub count: u64,
    /// Nanoseconds that half of them took at most.
    pub p50_ns: u64,
    /// The same for 90 in 100.
    pub p90_ns: u64,
    /// 99 in 100.
    pub p99_ns: u64,
    /// 999 in 1,000.
    pub p999_ns: u64,
    /// 9,999 in 10,000.
    pub p9999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// What it may take; `None` if that is not limited.
    pub budget_ns: Option<u64>,
    /// How many took longer since the start.
    pub breaches: u64,
}

/// One that was slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Which way it took.
    pub path: Path,
    /// From its first stamp to its last, nanoseconds.
    pub took_ns: u64,
    /// Its stamps.
    pub trace: Trace,
}

impl Slow {
    /// A trace as one of the slowest on `path`.
    pub fn of(path: Path, trace: Trace) -> Self {
        let (steps, count) = steps(&trace);
        let took_ns = match &steps[..count] {
            [(_, first), .., (_, last)] => last - first,
            _ => 0,
        };
        Self { path, took_ns, trace }
    }

    /// The stages that it came to, in the order of time: when, UTC nanoseconds.
    pub fn steps(&self) -> impl Iterator<Item = (Stage, u64)> + use<> {
        let (steps, count) = steps(&self.trace);
        steps.into_iter().take(count)
    }
}

/// Something took longer than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Counts alerts from 1.
    pub number: u64,
    /// When it was noticed.
    pub at: UnixNanos,
    /// What took too long.
    pub what: What,
    /// How long the worst took, nanoseconds.
    pub took_ns: u64,
    /// How long it may.
    pub budget_ns: u64,
    /// Breaches that this alert stands for: those since the last one of its kind.
    pub breaches: u64,
    /// The worst of them.
    pub trace: Trace,
}

/// The stages that a trace came to, in the order of time, and how many.
fn steps(trace: &Trace) -> ([(Stage, u64); Stage::COUNT], usize) {
    let mut steps = Stage::ALL.map(|stage| (stage, trace.stamps[stage as usize]));
    // Stamps of several threads may be a few nanoseconds out of order.
    steps.sort_by_key(|(stage, at)| if *at == 0 { (u64::MAX, *stage) } else { (*at, *stage) });
    let count = steps.iter().take_while(|(_, at)| *at > 0).count();
    (steps, count)
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_NS, digits)
        .expect("one nanosecond to a minute is a shape")
}

/// Measurements of some time.
#[derive(Debug)]
struct Slice {
    /// Which ten seconds since the epoch.
    number: u64,
    histograms: Vec<Histogram<u64>>,
}

/// The slowest of one second.
#[derive(Debug, Default)]
struct Second {
    /// Which since the epoch.
    number: u64,
    /// Slowest first.
    slowest: Vec<Slow>,
}

/// Breaches of one kind that were not told yet.
#[derive(Clone, Copy, Debug, Default)]
struct Untold {
    told_at: u64,
    breaches: u64,
    worst_ns: u64,
    trace: Trace,
}

/// All that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    budgets: Budgets,
    histograms: Vec<Histogram<u64>>,
    sums_ns: [u64; What::COUNT],
    breaches: [u64; What::COUNT],
    slices: VecDeque<Slice>,
    seconds: VecDeque<Second>,
    now: u64,
    untold: [Untold; What::COUNT],
    alerts: VecDeque<Alert>,
    alerts_count: u64,
    pub traces: u64,
}

impl Kept {
    pub fn new(budgets: Budgets) -> Self {
        Self {
            budgets,
            histograms: (0..What::COUNT).map(|_| histogram(DIGITS[0])).collect(),
            sums_ns: [0; What::COUNT],
            breaches: [0; What::COUNT],
            slices: VecDeque::new(),
            seconds: VecDeque::new(),
            now: 0,
            untold: [Untold::default(); What::COUNT],
            alerts: VecDeque::new(),
            alerts_count: 0,
            traces: 0,
        }
    }

    /// Forgets what is older than the window, and tells breaches that waited.
    pub fn pass_time(&mut self, now: u64) {
        // A clock that is set back does not bring back what is over.
        self.now = self.now.max(now);
        let second = self.now / NS_PER_S;
        let is_over = |number: u64| number + WINDOW_S as u64 <= second;
        while self.seconds.front().is_some_and(|first| is_over(first.number)) {
            self.seconds.pop_front();
        }
        let is_old = |number: u64| number + SLICES as u64 <= second / SLICE_S;
        while self.slices.front().is_some_and(|first| is_old(first.number)) {
            self.slices.pop_front();
        }
        for what in What::all() {
            self.tell(what);
        }
    }

    /// Takes in a trace that is whole.
    pub fn take(&mut self, trace: &Trace) {
        self.traces += 1;
        let (steps, count) = steps(trace);
        let steps = &steps[..count];
        for pair in steps.windows(2) {
            let [(_, from), (stage, to)] = pair else { continue };
            self.record(What::Stage(*stage), to - from, trace);
        }
        let path = match trace.followed {
            Traced::Request(_) => Path::Order,
            Traced::Fill => Path::Fill,
            Traced::Market | Traced::Arrival => return,
        };
        let slow = Slow::of(path, *trace);
        self.record(What::Path(path), slow.took_ns, trace);
        self.note_slow(slow);
    }

    fn record(&mut self, what: What, ns: u64, trace: &Trace) {
        let at = what.index();
        // The histograms begin at 1.
        self.histograms[at].saturating_record(ns.max(1));
        self.sums_ns[at] = self.sums_ns[at].saturating_add(ns);
        let number = self.now / NS_PER_S / SLICE_S;
        if self.slices.back().is_none_or(|last| last.number < number) {
            let emptied = (self.slices.len() == SLICES).then(|| self.slices.pop_front()).flatten();
            let mut slice = emptied.unwrap_or_else(|| Slice {
                number,
                histograms: (0..What::COUNT).map(|_| histogram(DIGITS[1])).collect(),
            });
            slice.number = number;
            slice.histograms.iter_mut().for_each(Histogram::reset);
            self.slices.push_back(slice);
        }
        if let Some(slice) = self.slices.back_mut() {
            slice.histograms[at].saturating_record(ns.max(1));
        }
        let Some(_) = self.budgets.of(what).filter(|budget| ns > *budget) else { return };
        self.breaches[at] += 1;
        let untold = &mut self.untold[at];
        untold.breaches += 1;
        if ns > untold.worst_ns {
            (untold.worst_ns, untold.trace) = (ns, *trace);
        }
        self.tell(what);
    }

    /// Makes an alert of what was not told, unless one was made a moment ago.
    fn tell(&mut self, what: What) {
        let (now, untold) = (self.now, &mut self.untold[what.index()]);
        let Some(budget_ns) = self.budgets.of(what) else { return };
        if untold.breaches == 0 || now < untold.told_at.saturating_add(ALERT_EVERY_NS) {
            return;
        }
        let Untold { breaches, worst_ns, trace, .. } = *untold;
        *untold = Untold { told_at: now, ..Untold::default() };
        self.alerts_count += 1;
        let (number, at) = (self.alerts_count, UnixNanos(now));
        if self.alerts.len() == ALERTS_MAX {
            self.alerts.pop_front();
        }
        let alert = Alert { number, at, what, took_ns: worst_ns, budget_ns, breaches, trace };
        self.alerts.push_back(alert);
    }

    fn note_slow(&mut self, slow: Slow) {
        let number = self.now / NS_PER_S;
        if self.seconds.back().is_none_or(|last| last.number < number) {
            self.seconds.push_back(Second { number, ..Second::default() });
        }
        let Some(Second { slowest, .. }) = self.seconds.back_mut() else { return };
        let at = slowest.partition_point(|other| other.took_ns >= slow.took_ns);
        if at < SLOWEST_MAX {
            slowest.truncate(SLOWEST_MAX - 1);
            slowest.insert(at, slow);
        }
    }

    pub fn figures(&self, window: Window) -> Vec<Figures> {
        What::all()
            .map(|what| {
                let of = match window {
                    Window::Start => return self.figures_of(what, &self.histograms[what.index()]),
                    Window::Minute => &self.slices,
                };
                let mut sum = histogram(DIGITS[1]);
                for slice in of {
                    sum.add(&slice.histograms[what.index()]).expect("all have one shape");
                }
                self.figures_of(what, &sum)
            })
            .collect()
    }

    fn figures_of(&self, what: What, histogram: &Histogram<u64>) -> Figures {
        // The upper end of the last bucket is above what was measured.
        let at = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        Figures {
            what,
            count: histogram.len(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: histogram.max(),
            budget_ns: self.budgets.of(what),
            breaches: self.breaches[what.index()],
        }
    }

    pub fn slowest(&self) -> Vec<Slow> {
        let mut all: Vec<_> =
            self.seconds.iter().flat_map(|second| second.slowest.clone()).collect();
        all.sort_by_key(|slow| std::cmp::Reverse(slow.took_ns));
        all.truncate(SLOWEST_MAX);
        all
    }

    pub fn worst_by_second(&self) -> Vec<u64> {
        let mut worst = vec![0; WINDOW_S];
        let first = (self.now / NS_PER_S + 1).saturating_sub(WINDOW_S as u64);
        for second in &self.seconds {
            let place = second.number.checked_sub(first).and_then(|at| worst.get_mut(at as usize));
            if let (Some(place), Some(slow)) = (place, second.slowest.first()) {
                *place = slow.took_ns;
            }
        }
        worst
    }

    pub fn cumulative(&self, bounds_ns: &[u64]) -> Vec<Cumulative> {
        What::all()
            .map(|what| {
                let histogram = &self.histograms[what.index()];
                let up_to = |bound: &u64| histogram.count_between(0, *bound);
                Cumulative {
                    what,
                    counts: bounds_ns.iter().map(up_to).collect(),
                    count: histogram.len(),
                    sum_ns: self.sums_ns[what.index()],
                }
            })
            .collect()
    }

    pub fn alerts_after(&self, number: u64) -> (Vec<Alert>, u64) {
        let newer = self.alerts.iter().filter(|alert| alert.number > number);
        (newer.copied().collect(), self.alerts_count)
    }
}
