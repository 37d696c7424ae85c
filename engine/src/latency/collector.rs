//! Puts together what several threads have stamped of one order.

use super::{Delivery, Latency, Release, figures::Alert, lock};
use crate::event_log::{EventLog, EventPosition};
use crate::runtime::{Stage, Trace, Traced, unix_now};
use rtrb::Consumer;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_model::{ReleaseLevel, SeqNo, SessionId, UnixNanos};

/// How often the thread looks. What the rings hold lasts for ten times as long.
const TURN_EVERY: Duration = Duration::from_millis(10);
/// How long the rest of a trace is waited for after it was published and released: a report that nobody takes is not.
const HOLD_NS: u64 = 1_000_000_000;
/// How long its release is waited for.
const HOLD_UNRELEASED_NS: u64 = 60_000_000_000;
/// Traces that wait; beyond, the oldest count as they are. 30 MiB.
const PENDING_MAX: usize = 131_072;
/// Deliveries and releases that are remembered for traces that come later.
const REMEMBERED_MAX: usize = 16_384;

/// Names a trace: whose request it is and, of an execution of a resting order, the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    session: SessionId,
    request_id: u64,
    fill_seq: u64,
}

impl Key {
    fn of(trace: &Trace) -> Self {
        let fill_seq = if trace.followed == Traced::Fill { trace.seq.0 } else { 0 };
        Self { session: trace.session, request_id: trace.request_id, fill_seq }
    }
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    trace: Trace,
    /// The last event that tells of it.
    told: Option<EventPosition>,
}

/// Puts traces together, a turn at a time: what the thread repeats.
#[derive(Debug)]
pub struct Collector {
    latency: Arc<Latency>,
    traces: Consumer<Trace>,
    /// Events are released as soon as they are published.
    is_released_at_once: bool,
    pending: HashMap<Key, Pending>,
    /// When each is looked at again, soonest first.
    due: VecDeque<(u64, Key)>,
    /// Those whose events wait for their release, in the order of their inputs.
    unreleased: VecDeque<(EventPosition, Key)>,
    /// The latest releases.
    releases: VecDeque<Release>,
    /// The last deliveries of inputs that have not come yet, and when each of them is forgotten.
    early: HashMap<(SessionId, u64, SeqNo), Delivery>,
    early_due: VecDeque<(u64, (SessionId, u64, SeqNo))>,
}

impl Collector {
    /// Puts together what comes out of `traces`, of a deployment of that release level.
    pub fn new(latency: Arc<Latency>, traces: Consumer<Trace>, level: ReleaseLevel) -> Self {
        Self {
            latency,
            traces,
            is_released_at_once: !level.is_synced() && !level.is_replicated(),
            pending: HashMap::new(),
            due: VecDeque::new(),
            unreleased: VecDeque::new(),
            releases: VecDeque::new(),
            early: HashMap::new(),
            early_due: VecDeque::new(),
        }
    }

    /// Takes what has come by `now`. True if there was anything.
    pub fn turn(&mut self, now: UnixNanos) -> bool {
        let latency = Arc::clone(&self.latency);
        let kept = &mut *lock(&latency.kept);
        kept.pass_time(now.0);
        let mut whole = |trace: &Trace| {
            kept.take(trace);
            latency.tell(trace);
        };
        let mut has_worked = false;
        // Before the traces, so that each finds what was said of it; what is said of none yet is remembered.
        while let Some(release) = latency.releases.pop() {
            self.release(release, &mut whole);
            has_worked = true;
        }
        let deliveries = std::iter::from_fn(|| latency.deliveries.pop());
        for delivery in deliveries.take(REMEMBERED_MAX) {
            self.deliver(delivery, now.0, &mut whole);
            has_worked = true;
        }
        while let Some([received, at]) = latency.decoded.pop() {
            let mut trace = Trace::default();
            trace.set(Stage::MarketReceived, received.0);
            trace.set(Stage::Decoded, at.0);
            whole(&trace);
            has_worked = true;
        }
        while let Ok(trace) = self.traces.pop() {
            self.take(trace, now.0, &mut whole);
            has_worked = true;
        }
        self.expire(now.0, &mut whole);
        latency.pending.store(self.pending.len() as u64, Ordering::Relaxed);
        has_worked
    }

    /// Counts everything that waits as it is: nothing more comes.
    fn finish(&mut self, now: UnixNanos) {
        self.turn(now);
        let latency = Arc::clone(&self.latency);
        let kept = &mut *lock(&latency.kept);
        while let Some((_, key)) = self.due.pop_front() {
            if let Some(pending) = self.pending.remove(&key) {
                kept.take(&pending.trace);
            }
        }
    }

    fn take(&mut self, trace: Trace, now: u64, whole: &mut impl FnMut(&Trace)) {
        if trace.followed == Traced::Market {
            return whole(&trace);
        }
        let key = Key::of(&trace);
        let told = trace.told.map(|ordinal| EventPosition { seq: trace.seq, ordinal });
        match self.pending.get_mut(&key) {
            Some(pending) => {
                // What came first counts, but for what tells of it: there the last.
                for stage in Stage::ALL {
                    if stage == Stage::Published || pending.trace.at(stage).is_none() {
                        pending.trace.set(stage, trace.at(stage).unwrap_or(0));
                    }
                }
                if told.is_some() {
                    pending.told = told;
                    pending.trace.set(Stage::Released, 0);
                }
            }
            // Its request was so long ago that it does not wait any more.
            None if trace.followed == Traced::Arrival => return,
            None => {
                if self.pending.len() >= PENDING_MAX {
                    self.force_first(whole);
                }
                self.pending.insert(key, Pending { trace, told });
                self.due.push_back((now + HOLD_NS, key));
            }
        }
        let Some(told) = told else { return };
        if let Some(release) = self.release_of(told) {
            self.note_release(key, release.at);
        } else {
            self.unreleased.push_back((told, key));
        }
        match self.early.remove(&(key.session, key.request_id, told.seq)) {
            Some(delivery) => self.deliver(delivery, now, whole),
            None => self.settle(key, whole),
        }
    }

    /// The release of an event, if that has been.
    fn release_of(&self, told: EventPosition) -> Option<&Release> {
        let at = self.releases.partition_point(|release| release.position < told);
        self.releases.get(at)
    }

    fn release(&mut self, release: Release, whole: &mut impl FnMut(&Trace)) {
        if self.releases.len() == REMEMBERED_MAX {
            self.releases.pop_front();
        }
        self.releases.push_back(release);
        while let Some((told, key)) = self.unreleased.front().copied()
            && told <= release.position
        {
            self.unreleased.pop_front();
            if self.pending.get(&key).is_some_and(|pending| pending.told == Some(told)) {
                self.note_release(key, release.at);
                self.settle(key, whole);
            }
        }
    }

    fn note_release(&mut self, key: Key, at: u64) {
        let is_seated = self.latency.is_seated(key.session);
        let is_at_once = self.is_released_at_once;
        let Some(Pending { trace, .. }) = self.pending.get_mut(&key) else { return };
        let published = trace.at(Stage::Published).unwrap_or(0);
        if is_seated && is_at_once {
            // What it waits for is no thread of ours.
            trace.set(Stage::Delivered, published);
        } else {
            trace.set(Stage::Released, at.max(published));
            if is_seated {
                trace.set(Stage::Delivered, at.max(published));
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery, now: u64, whole: &mut impl FnMut(&Trace)) {
        let Delivery { session, request_id, position, at } = delivery;
        let fill = Key { session, request_id, fill_seq: position.seq.0 };
        let request = Key { fill_seq: 0, ..fill };
        let key = if self.pending.contains_key(&fill) { fill } else { request };
        let is_its = |pending: &Pending| pending.told.is_none_or(|told| told.seq == position.seq);
        match self.pending.get_mut(&key).filter(|pending| is_its(pending)) {
            Some(pending) => {
                pending.trace.set(Stage::Delivered, at);
                if pending.told.is_none_or(|told| position >= told) {
                    self.settle(key, whole);
                }
            }
            None if self.early.len() < REMEMBERED_MAX => {
                let key = (session, request_id, position.seq);
                if self.early.insert(key, delivery).is_none() {
                    self.early_due.push_back((now + HOLD_NS, key));
                }
            }
            None => {}
        }
    }

    /// Counts a trace that nothing is missing of.
    fn settle(&mut self, key: Key, whole: &mut impl FnMut(&Trace)) {
        let Some(Pending { trace, told }) = self.pending.get(&key) else { return };
        let has = |stage| trace.at(stage).is_some();
        let is_under_way = has(Stage::RiskPassed) && !has(Stage::AtVenue);
        let is_released =
            has(Stage::Released) || self.is_released_at_once && self.latency.is_seated(key.session);
        let is_told = told.is_some() && has(Stage::Delivered) && is_released;
        if is_told
            && !is_under_way
            && let Some(pending) = self.pending.remove(&key)
        {
            whole(&pending.trace);
        }
    }

    /// Counts those whose time is over as they are.
    fn expire(&mut self, now: u64, whole: &mut impl FnMut(&Trace)) {
        while let Some((due, key)) = self.due.front().copied()
            && due <= now
        {
            self.due.pop_front();
            let Some(Pending { trace, told }) = self.pending.get(&key) else { continue };
            let published = trace.at(Stage::Published).unwrap_or(0);
            // One that took its place has a later time of its own.
            let is_young = published.saturating_add(HOLD_NS) > now;
            let is_unreleased = told.is_some()
                && trace.at(Stage::Released).is_none()
                && trace.at(Stage::Delivered).is_none();
            if is_young || is_unreleased && published.saturating_add(HOLD_UNRELEASED_NS) > now {
                self.due.push_back((now + HOLD_NS, key));
            } else if let Some(pending) = self.pending.remove(&key) {
                whole(&pending.trace);
            }
        }
        while self.early_due.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, key)) = self.early_due.pop_front() {
                self.early.remove(&key);
            }
        }
    }

    fn force_first(&mut self, whole: &mut impl FnMut(&Trace)) {
        while let Some((_, key)) = self.due.pop_front() {
            if let Some(pending) = self.pending.remove(&key) {
                return whole(&pending.trace);
            }
        }
    }
}

/// The running thread.
#[derive(Debug)]
pub struct LatencyHandle {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

/// Stops it, once everything that has come is counted. Drop it when engine, log and edge have stopped.
impl Drop for LatencyHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Telemetry: what a panic of it leaves is what was counted before.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Starts the thread; `on_alert` is called on it for each alert. From now on `log` says how far it is.
///
/// # Errors
/// If the system gives no thread.
pub fn start(
    mut collector: Collector,
    log: &EventLog,
    mut on_alert: impl FnMut(&Alert) + Send + 'static,
) -> std::io::Result<LatencyHandle> {
    let latency = Arc::clone(&collector.latency);
    let (telling, appended) = (Arc::clone(&latency), log.clone());
    log.on_append(Box::new(move || telling.released(appended.last(), unix_now())));
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let run = move || {
        let mut told = 0;
        loop {
            let is_last = stopping.load(Ordering::Acquire);
            match is_last {
                true => collector.finish(unix_now()),
                false => drop(collector.turn(unix_now())),
            }
            let (alerts, last) = latency.alerts_after(told);
            alerts.iter().for_each(&mut on_alert);
            told = last;
            if is_last {
                return;
            }
            std::thread::sleep(TURN_EVERY);
        }
    };
    let thread = std::thread::Builder::new().name("latency".into()).spawn(run)?;
    Ok(LatencyHandle { thread: Some(thread), stop })
}
