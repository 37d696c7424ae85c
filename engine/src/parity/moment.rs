//! Where in an input something was asked for.
//!
//! The engine's own requests, of lists and algorithms, are no inputs: they leave in the middle of one. There it matters
//! whether the book had changed already, which order left before, and whether a bar was being applied, in which nothing has a
//! latency. So the recording counts what had happened in the input before each request, and the simulation makes it after as
//! much.

use crate::core::output::{Output, Pause, Supposed};
use std::collections::VecDeque;
use tidegate_model::event::{Event, ExecType};
use tidegate_model::{EventRecord, PublicUpdate, SeqNo, UnixNanos};

/// A place within an input, by what has happened in it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// When what is done was due, while the input itself is not applied yet.
    pub due_at: Option<UnixNanos>,
    /// Public updates of the input itself. They are the same whatever our orders do, and that of a bar comes after it.
    updates: u32,
    /// Executions.
    trades: u32,
    /// Orders whose stop price was reached.
    triggers: u32,
}

impl Moment {
    /// Before all that happens in an input.
    pub const FIRST: Self =
        Self { due_at: Some(UnixNanos::ZERO), updates: 0, trades: 0, triggers: 0 };

    /// When the input itself is applied.
    pub const OF_INPUT: Self = Self { due_at: None, ..Self::FIRST };

    /// True if as much has happened by now as had by `other`.
    fn has_reached(&self, other: &Self) -> bool {
        (self.due_at.is_none() || other.due_at.is_some())
            && self.updates >= other.updates
            && self.trades >= other.trades
            && self.triggers >= other.triggers
    }

    fn after(&mut self, event: &EventRecord) {
        let Some(Event::Execution(execution)) = event.event() else { return };
        match ExecType::from_wire(execution.exec_type) {
            Some(ExecType::Trade) => self.trades += 1,
            Some(ExecType::Triggered) => self.triggers += 1,
            _ => {}
        }
    }

    fn after_update(&mut self) {
        self.updates += u32::from(self.due_at.is_none());
    }
}

/// Events of an input of the journal as they happen, whenever they are told, each with the moment before it.
#[derive(Debug)]
pub(super) struct Happened {
    pub events: Vec<(Moment, EventRecord)>,
    now: Moment,
    /// Events of which it is known when they were due.
    dated: usize,
}

impl Happened {
    pub fn new() -> Self {
        Self { events: Vec::new(), now: Moment::FIRST, dated: 0 }
    }
}

impl Output for Happened {
    fn event(&mut self, _: &EventRecord) {}

    fn happened(&mut self, event: &EventRecord) {
        self.events.push((self.now, *event));
        self.now.after(event);
    }

    fn public(&mut self, _: &PublicUpdate) {
        self.now.after_update();
    }

    fn has_pauses(&self) -> bool {
        true
    }
    fn supposed(&mut self, pause: Pause, at: UnixNanos) -> Option<Supposed> {
        for (moment, _) in &mut self.events[self.dated..] {
            moment.due_at = moment.due_at.map(|_| at);
        }
        self.dated = self.events.len();
        if pause == Pause::BeforeInput {
            self.now.due_at = None;
        }
        None
    }

    fn end_of_input(&mut self, _: SeqNo) {
        (self.now, self.dated) = (Moment::FIRST, 0);
    }
}

/// Events of an input as it is simulated, and the requests that are to be made in it: each at its moment, or at the end of the
/// input where so much does not happen.
#[derive(Debug)]
pub(super) struct Steered {
    events: Vec<EventRecord>,
    requests: VecDeque<(Moment, Supposed)>,
    /// How far the input is.
    now: Moment,
    /// It is at its end: requests that are left are made before whatever is next.
    is_over: bool,
}

impl Steered {
    pub fn new() -> Self {
        let (events, requests) = (Vec::new(), VecDeque::new());
        Self { events, requests, now: Moment::FIRST, is_over: false }
    }

    /// The next input begins.
    pub fn begin(&mut self) {
        (self.now, self.is_over) = (Moment::FIRST, false);
    }

    /// A request that is to be made in it, after those before.
    pub fn ask(&mut self, at: Moment, request: Supposed) {
        self.requests.push_back((at, request));
    }

    /// The input is at its end; true if requests are left, which another one is to make.
    pub fn ends_with_the_rest(&mut self) -> bool {
        self.is_over = true;
        !self.requests.is_empty()
    }

    /// Takes the events.
    pub fn drain(&mut self) -> impl Iterator<Item = EventRecord> {
        self.events.drain(..)
    }
}

impl Output for Steered {
    fn event(&mut self, _: &EventRecord) {}

    fn happened(&mut self, event: &EventRecord) {
        self.events.push(*event);
        self.now.after(event);
    }

    fn public(&mut self, _: &PublicUpdate) {
        self.now.after_update();
    }

    fn has_pauses(&self) -> bool {
        true
    }
    fn supposed(&mut self, pause: Pause, _: UnixNanos) -> Option<Supposed> {
        let (at, _) = self.requests.front()?;
        let is_next = match pause {
            Pause::BeforeInput => self.is_over || at.due_at.is_some(),
            Pause::Settled => self.now.has_reached(at),
        };
        if is_next {
            return self.requests.pop_front().map(|(_, request)| request);
        }
        if pause == Pause::BeforeInput {
            self.now.due_at = None;
        }
        None
    }

    fn end_of_input(&mut self, _: SeqNo) {}
}
