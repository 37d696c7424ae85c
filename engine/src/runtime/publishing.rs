//! Outputs on their way out.

use super::probe::{Probe, Stage};
use super::seats::Seats;
use super::{EngineStatus, Outputs, Strategy};
use crate::broadcast;
use crate::core::output::Output;
use crate::core::route::ROUTE_RING_CAPACITY;
use crate::event_log::EventPosition;
use rtrb::Producer;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidegate_journal::Release;
use tidegate_model::event::FLAG_LAST_OF_INPUT;
use tidegate_model::{EventRecord, PublicUpdate, RoutedRequest, SeqNo};
use tidegate_ring::queue::Sender;

/// Requests to adapters that wait for the release of their inputs: for each route a queue beside its ring, as long as
/// that.
struct Held {
    queues: Vec<VecDeque<(SeqNo, RoutedRequest)>>,
    count: usize,
}

impl Held {
    fn new(routes: usize) -> Self {
        let queue = || VecDeque::with_capacity(ROUTE_RING_CAPACITY);
        Self { queues: (0..routes).map(|_| queue()).collect(), count: 0 }
    }
}

/// Sends outputs on their way.
pub(super) struct Publishing<S> {
    pub(super) events: Sender<EventRecord>,
    public: broadcast::Writer,
    routes: Vec<Producer<RoutedRequest>>,
    pub(super) seats: Seats,
    pub(super) probe: Probe,
    pub(super) strategy: S,
    /// Events up to here are in the event log already (recovery).
    pub(super) logged: EventPosition,
    /// The input that is being applied.
    pub(super) seq: SeqNo,
    /// False during recovery: what left before the restart never leaves again.
    pub(super) is_live: bool,
    /// How far outputs may leave.
    pub(super) release: Arc<Release>,
    status: Arc<EngineStatus>,
    /// The latest event, which waits to hear whether it is its input's last.
    latest: Option<EventRecord>,
    /// The last event before that, or that the log had.
    pub(super) told: EventPosition,
    held: Held,
    /// Events that the ring had no room for while this engine did not lead yet: whoever must confirm is asked only after the
    /// replay. As many as the log lacks at most, the primary's if this is a standby's: that one stops when its ring is full. No input of
    /// its own is taken before the ring has them ([`super::Engine::turn`]).
    backlog: VecDeque<EventRecord>,
    /// An event could not be handed on: none after it may be.
    is_closed: bool,
}

impl<S> Publishing<S> {
    pub(super) fn new(
        outputs: Outputs,
        strategy: S,
        logged: EventPosition,
        release: Arc<Release>,
        status: Arc<EngineStatus>,
    ) -> Self {
        let Outputs { events, public, stages, routes, seats } = outputs;
        let held = Held::new(routes.len());
        let (seq, is_live, latest, is_closed) = (SeqNo::ZERO, false, None, false);
        let backlog = VecDeque::new();
        Self {
            events,
            public,
            routes,
            seats,
            probe: Probe::new(stages),
            strategy,
            logged,
            seq,
            is_live,
            release,
            status,
            latest,
            told: logged,
            held,
            backlog,
            is_closed,
        }
    }

    /// Hands the latest event to the event log. The one thing that may hold the engine: events are never dropped.
    #[inline]
    fn send_latest(&mut self) {
        let Some(latest) = self.latest.take() else { return };
        self.told = EventPosition { seq: latest.seq, ordinal: latest.ordinal };
        self.seats.tell(&latest);
        if !self.backlog.is_empty() {
            self.backlog.push_back(latest);
            return;
        }
        if self.events.push(&latest).is_err() {
            self.wait_for_room(latest);
        }
    }

    /// The release buffer is full: disk or followers take longer than it has room for.
    #[cold]
    #[inline(never)]
    fn wait_for_room(&mut self, latest: EventRecord) {
        if !self.is_live {
            self.backlog.push_back(latest);
            self.status.has_backlog.store(true, Ordering::Release);
            return;
        }
        self.status.waits.fetch_add(1, Ordering::Relaxed);
        self.status.is_waiting.store(true, Ordering::Relaxed);
        while !self.is_closed && self.events.push(&latest).is_err() {
            // The thread's loop sees either as well, and ends.
            self.is_closed = self.events.is_abandoned() || self.release.is_stopped();
            std::thread::yield_now();
        }
        self.status.is_waiting.store(false, Ordering::Relaxed);
    }

    /// Moves on what waits for room in the ring; true if there is nothing more.
    #[inline]
    pub(super) fn move_backlog(&mut self) -> bool {
        if self.backlog.is_empty() {
            return true;
        }
        while let Some(event) = self.backlog.front() {
            if self.events.push(event).is_err() {
                return false;
            }
            self.backlog.pop_front();
        }
        self.status.has_backlog.store(false, Ordering::Release);
        true
    }

    /// True if requests to adapters wait for their release.
    #[inline]
    pub(super) fn holds_requests(&self) -> bool {
        self.held.count > 0
    }

    /// Lets the requests go whose inputs are released.
    pub(super) fn release_requests(&mut self) {
        let released = self.release.released();
        for (queue, ring) in self.held.queues.iter_mut().zip(&mut self.routes) {
            while queue.front().is_some_and(|(seq, _)| *seq <= released) {
                let Some((_, request)) = queue.pop_front() else { break };
                self.held.count -= 1;
                // As in `routed`.
                let _ = ring.push(request);
            }
        }
        self.status.held_requests.store(self.held.count as u64, Ordering::Relaxed);
    }
}

impl<S: Strategy> Output for Publishing<S> {
    #[inline]
    fn event(&mut self, event: &EventRecord) {
        self.strategy.on_event(event);
        if (event.seq, event.ordinal) <= (self.logged.seq, self.logged.ordinal) {
            return;
        }
        if self.probe.is_open() {
            self.probe.told(event);
        }
        self.send_latest();
        self.latest = Some(*event);
    }

    #[inline]
    fn happened(&mut self, event: &EventRecord) {
        if self.is_live {
            self.probe.happened(self.seq, event);
        }
    }

    #[inline]
    fn passed(&mut self) {
        self.probe.reach(Stage::RiskPassed);
    }

    #[inline]
    fn public(&mut self, update: &PublicUpdate) {
        self.strategy.on_public(update);
        self.public.publish(update);
    }

    fn routed(&mut self, request: &RoutedRequest) {
        if !self.is_live {
            return;
        }
        let route = usize::from(request.route);
        let Some(ring) = self.routes.get_mut(route) else { return };
        let queue = &mut self.held.queues[route];
        // Ring or queue is full only of an adapter that stands still, or of an engine that is not released for long: the
        // adapter finds the gap in the numbers, and reconciles.
        if queue.is_empty() && self.seq <= self.release.released() {
            let _ = ring.push(*request);
        } else if queue.len() < ROUTE_RING_CAPACITY {
            queue.push_back((self.seq, *request));
            self.held.count += 1;
        }
    }

    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {
        if let Some(last) = &mut self.latest {
            last.flags |= FLAG_LAST_OF_INPUT;
            self.send_latest();
        }
    }
}
