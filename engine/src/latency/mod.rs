//! What the stages of the way take: the thread behind the engine that puts together what the probe, the event log and the edge
//! have stamped, compares it with the budget, and keeps it for whoever asks.
//!
//! * Traces of the engine come through a ring that drops when nobody takes them ([`crate::runtime::Trace`]).
//! * The event log says how far it is after each batch; the edge says which report has left ([`Latency::delivered`]). Both go
//!   through bounded queues, and neither ever waits.
//! * What is put together ends in histograms, one a stage and one a path, in a list of the slowest of the last minute, and, above
//!   the budget, in an [`Alert`].
//!
//! **Invariant:** nothing here is an input or an output of the state machine. Without it the engine does the same.
//!
//! Start reading at [`Latency::report`], then [`Collector::turn`](collector::Collector::turn).

pub mod collector;
mod figures;
#[cfg(test)]
mod tests;

pub use collector::{Collector, LatencyHandle, start};
pub use figures::{Alert, Figures, SLOWEST_MAX, Slow, WINDOW_S};

use crate::event_log::EventPosition;
use crate::runtime::{Stage, Trace, Traced};
use crossbeam::queue::ArrayQueue;
use figures::Kept;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidegate_model::{SessionId, UnixNanos};

/// The budget of the whole path, from the packet or the request to the report: 50 ms.
pub const BUDGET_NS: u64 = 50_000_000;
/// Reports that have left, and releases, that wait for the collector: more than a tenth of a second brings.
const QUEUE_MAX: usize = 16_384;
/// Sessions that share memory and are remembered, those that are over included.
const SEATED_MAX: usize = 64;

/// A way from one end to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// A request: from its receipt, or from that of the market event that an in-process strategy answered, to its last report.
    Order,
    /// An order that rested was filled: from the receipt of the market event, or of the request of somebody else, to the last report.
    Fill,
}

/// What has a histogram and may have a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The whole of a path.
    Path(Path),
    /// The step to a stage from the one before it.
    Stage(Stage),
}

impl What {
    /// How many there are.
    pub const COUNT: usize = Stage::COUNT + 2;

    /// All of them: the paths, then the stages in the order of the way.
    pub fn all() -> impl Iterator<Item = Self> {
        let paths = [Path::Order, Path::Fill].into_iter().map(Self::Path);
        paths.chain(Stage::ALL.into_iter().map(Self::Stage))
    }

    const fn index(self) -> usize {
        match self {
            Self::Path(path) => path as usize,
            Self::Stage(stage) => stage as usize + 2,
        }
    }

    /// Its name, in configuration, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path(Path::Order) => "order",
            Self::Path(Path::Fill) => "fill",
            Self::Stage(stage) => stage.as_str(),
        }
    }
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets([Option<u64>; What::COUNT]);

impl Default for Budgets {
    fn default() -> Self {
        Self::whole(BUDGET_NS)
    }
}

impl Budgets {
    /// `ns` nanoseconds for each path, and none for a stage.
    pub fn whole(ns: u64) -> Self {
        let mut budgets = Self([None; What::COUNT]);
        budgets.set(What::Path(Path::Order), ns);
        budgets.set(What::Path(Path::Fill), ns);
        budgets
    }

    /// `ns` nanoseconds for `what`.
    pub fn set(&mut self, what: What, ns: u64) {
        self.0[what.index()] = Some(ns);
    }

    /// What `what` may take, in nanoseconds; `None` if that is not limited.
    pub fn of(&self, what: What) -> Option<u64> {
        self.0[what.index()]
    }
}

/// Which measurements are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    /// All since the start.
    #[default]
    Start,
    /// Those of the last minute, to ten seconds.
    Minute,
}

/// What is known, at one moment.
#[derive(Clone, Debug)]
pub struct Report {
    /// When.
    pub at: UnixNanos,
    /// One for each of [`What::all`], in that order.
    pub figures: Vec<Figures>,
    /// The slowest of the last minute, slowest first; at most [`SLOWEST_MAX`].
    pub slowest: Vec<Slow>,
    /// The slowest of each of the last [`WINDOW_S`] seconds, nanoseconds, oldest first; 0 where nothing ended.
    pub worst_by_second: Vec<u64>,
    /// Traces put together since the start.
    pub traces: u64,
    /// Stamps of log and edge that were dropped because the collector did not come round; what they belong to looks shorter than
    /// it was.
    pub dropped: u64,
    /// Traces that wait for the rest of them.
    pub pending: u64,
}

/// One histogram, counted up to given bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cumulative {
    /// Of what.
    pub what: What,
    /// How many took at most as long as each bound.
    pub counts: Vec<u64>,
    /// All of them.
    pub count: u64,
    /// What they took together, nanoseconds.
    pub sum_ns: u64,
}

/// A report of an order has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub session: SessionId,
    pub request_id: u64,
    pub position: EventPosition,
    pub at: u64,
}

/// The event log has every event up to an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub position: EventPosition,
    pub at: u64,
}

type OnRequest = dyn Fn(&Slow) + Send;

/// Who hears of requests that have come to their end.
#[derive(Default)]
struct Listener(Option<Box<OnRequest>>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What the stages take, for all who tell of them and all who ask.
#[derive(Debug)]
pub struct Latency {
    budgets: Budgets,
    deliveries: ArrayQueue<Delivery>,
    releases: ArrayQueue<Release>,
    /// Packets read and messages decoded.
    decoded: ArrayQueue<[UnixNanos; 2]>,
    dropped: AtomicU64,
    pending: AtomicU64,
    seated: Mutex<VecDeque<SessionId>>,
    listener: Mutex<Listener>,
    kept: Mutex<Kept>,
}

impl Default for Latency {
    fn default() -> Self {
        Self::new(Budgets::default())
    }
}

/// A panic elsewhere does not make what is kept wrong.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Latency {
    /// Nothing is known yet; `budgets` is what things may take.
    pub fn new(budgets: Budgets) -> Self {
        Self {
            kept: Mutex::new(Kept::new(budgets.clone())),
            budgets,
            deliveries: ArrayQueue::new(QUEUE_MAX),
            releases: ArrayQueue::new(QUEUE_MAX),
            decoded: ArrayQueue::new(QUEUE_MAX),
            dropped: AtomicU64::new(0),
            pending: AtomicU64::new(0),
            seated: Mutex::default(),
            listener: Mutex::default(),
        }
    }

    /// What things may take.
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// The event at `position`, which answers the request `request_id` of `session` or tells of the order that it brought, has left
    /// at `at`. Dropped and counted if the collector does not come round.
    pub fn delivered(
        &self,
        session: SessionId,
        request_id: u64,
        position: EventPosition,
        at: UnixNanos,
    ) {
        let delivery = Delivery { session, request_id, position, at: at.0 };
        if self.deliveries.push(delivery).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The event log has every event up to `position` at `at`. Dropped and counted as well.
    pub fn released(&self, position: EventPosition, at: UnixNanos) {
        if self.releases.push(Release { position, at: at.0 }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The packet of a message was read at `received`, and its events were in the engine's ring at `at`. Dropped and counted as well.
    pub fn decoded(&self, received: UnixNanos, at: UnixNanos) {
        if self.decoded.push([received, at]).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// `session` shares memory with the engine: its reports are there when they are published, as soon as they are released.
    pub fn seated(&self, session: SessionId) {
        let mut seated = lock(&self.seated);
        if seated.len() == SEATED_MAX {
            seated.pop_front();
        }
        seated.push_back(session);
    }

    /// `session` is over.
    pub fn unseated(&self, session: SessionId) {
        lock(&self.seated).retain(|seated| *seated != session);
    }

    fn is_seated(&self, session: SessionId) -> bool {
        lock(&self.seated).contains(&session)
    }

    /// Calls `listener` with each request that has come to its end, on the collector's thread; it must be quick. There is one: it
    /// takes the place of the one before.
    pub fn on_request(&self, listener: impl Fn(&Slow) + Send + 'static) {
        lock(&self.listener).0 = Some(Box::new(listener));
    }

    fn tell(&self, trace: &Trace) {
        if let (Traced::Request(_), Some(listener)) = (trace.followed, &lock(&self.listener).0) {
            listener(&Slow::of(Path::Order, *trace));
        }
    }

    /// What is known at `now`.
    pub fn report(&self, window: Window, now: UnixNanos) -> Report {
        let kept = &mut *lock(&self.kept);
        kept.pass_time(now.0);
        Report {
            at: now,
            figures: kept.figures(window),
            slowest: kept.slowest(),
            worst_by_second: kept.worst_by_second(),
            traces: kept.traces,
            dropped: self.dropped.load(Ordering::Relaxed),
            pending: self.pending.load(Ordering::Relaxed),
        }
    }

    /// All measurements since the start, counted up to each of `bounds_ns`, for each of [`What::all`] in that order.
    pub fn cumulative(&self, bounds_ns: &[u64]) -> Vec<Cumulative> {
        lock(&self.kept).cumulative(bounds_ns)
    }

    /// The alerts after the one of that number that are still kept, and the number of the last; 0 is before the first.
    pub fn alerts_after(&self, number: u64) -> (Vec<Alert>, u64) {
        lock(&self.kept).alerts_after(number)
    }
}
