//! When each order came to each stage of its way: stamps taken on the engine's thread, outside of the state machine, which knows no
//! clock. What was taken goes into a ring that drops when nobody reads it; [`crate::latency`] puts it together.

use super::clock::unix_now;
use rtrb::{Consumer, Producer, RingBuffer};
use std::mem::offset_of;
use tidegate_model::command::CommandKind;
use tidegate_model::event::{EventKind, ExecType, Execution};
use tidegate_model::{CommandRecord, EventRecord, MarketEvent, SeqNo, SessionId};

/// Traces between the engine and whoever reads them, 2.3 MiB: what a tenth of a second brings at 160,000 orders a second.
pub const STAGE_RING_CAPACITY: usize = 16_384;
/// One market event in this many is traced, whether or not it concerns an order.
const SAMPLE_EVERY: u64 = 64;

/// A stage that an order, or the market event behind it, comes to. In the order of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Stage {
    /// The packet of the market event was read from the socket.
    MarketReceived,
    /// The market event was decoded, and put into the engine's ring.
    Decoded,
    /// The engine took the market event from its ring.
    Taken,
    /// Books and what rests at the venue have the market event.
    Applied,
    /// The in-process strategy answered with an order.
    Decided,
    /// The edge has read the request; of a session that shares memory, the engine has found it in the session's ring.
    Received,
    /// The engine took the request from its ring and gave it its number.
    Sequenced,
    /// The request is in the mapped journal: it survives the end of the process.
    Journaled,
    /// The gate let the order pass.
    RiskPassed,
    /// The venue has the order, or has done what was asked of one: of a live route, once its answer is here.
    AtVenue,
    /// The first execution.
    Filled,
    /// Every event of the input is in the engine's outgoing rings: the engine is done with it.
    Published,
    /// The release level holds, and the event log has the input's events.
    Released,
    /// The last report has left: its connection took it to write it out; of a session that shares memory, it may see it.
    Delivered,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 14;
    /// Every stage, in the order of the way.
    pub const ALL: [Self; Self::COUNT] = [
        Self::MarketReceived,
        Self::Decoded,
        Self::Taken,
        Self::Applied,
        Self::Decided,
        Self::Received,
        Self::Sequenced,
        Self::Journaled,
        Self::RiskPassed,
        Self::AtVenue,
        Self::Filled,
        Self::Published,
        Self::Released,
        Self::Delivered,
    ];

    /// Its name, in configuration, metrics and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MarketReceived => "market_received",
            Self::Decoded => "decoded",
            Self::Taken => "taken",
            Self::Applied => "applied",
            Self::Decided => "decided",
            Self::Received => "received",
            Self::Sequenced => "sequenced",
            Self::Journaled => "journaled",
            Self::RiskPassed => "risk_passed",
            Self::AtVenue => "at_venue",
            Self::Filled => "filled",
            Self::Published => "published",
            Self::Released => "released",
            Self::Delivered => "delivered",
        }
    }

    /// The stage of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == name)
    }
}

/// What a trace follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Followed {
    /// A market event that told nobody anything: one in 64.
    #[default]
    Market,
    /// A request: an order, a cancel, a change, a list.
    Request(CommandKind),
    /// An order that came to its venue some time after its request: the later part of that trace.
    Arrival,
    /// An execution of an order that rested.
    Fill,
}

/// When one thing came to which stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// What it is.
    pub followed: Followed,
    /// The input.
    pub seq: SeqNo,
    /// Whose request, or whose order.
    pub session: SessionId,
    /// The session's number for the request that is followed, or that the order came with.
    pub request_id: u64,
    /// The place of the last event that tells of it among those of the input; `None` if none does yet.
    pub told: Option<u32>,
    /// UTC nanoseconds by stage; 0 where it was not.
    pub stamps: [u64; Stage::COUNT],
}

impl Trace {
    /// When it came to `stage`, UTC nanoseconds.
    #[inline]
    pub const fn at(&self, stage: Stage) -> Option<u64> {
        match self.stamps[stage as usize] {
            0 => None,
            at => Some(at),
        }
    }

    /// Notes that it came to `stage` at `at`, UTC nanoseconds.
    #[inline]
    pub const fn set(&mut self, stage: Stage, at: u64) {
        self.stamps[stage as usize] = at;
    }

    #[inline]
    fn is_of(&self, event: &EventRecord) -> bool {
        self.request_id == event.request_id
            && self.session == event.session
            && self.followed != Followed::Market
    }
}

/// A ring for traces of [`STAGE_RING_CAPACITY`], whose memory is there already.
pub fn stage_ring() -> (Producer<Trace>, Consumer<Trace>) {
    let (mut traces, mut out) = RingBuffer::new(STAGE_RING_CAPACITY);
    while traces.push(Trace::default()).is_ok() {}
    while out.pop().is_ok() {}
    (traces, out)
}

/// The kind of a request that is followed from the beginning.
const fn followed(kind: u8) -> Option<CommandKind> {
    use CommandKind as K;
    match K::from_wire(kind) {
        Some(
            kind @ (K::NewOrder
            | K::CancelOrder
            | K::ReplaceOrder
            | K::MassCancel
            | K::NewList
            | K::NewAlgorithm
            | K::Flatten),
        ) => Some(kind),
        _ => None,
    }
}

/// Why an in-process strategy sent what it sent: when the market event behind it came to which stages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cause {
    pub received: u64,
    pub applied: u64,
    pub decided: u64,
}

/// Takes the stamps of one input at a time.
#[derive(Debug)]
pub(super) struct Probe {
    traces: Producer<Trace>,
    /// The request, or the sampled market event, that is the input.
    own: Option<Trace>,
    /// An order of another request that the input does something to.
    other: Option<Trace>,
    /// When the market event that is the input was received; 0 of other inputs.
    market_received: u64,
    /// What a strategy answers, while its answers are taken.
    pub cause: Option<Cause>,
    /// Traces that found the ring full.
    pub dropped: u64,
}

impl Probe {
    pub fn new(traces: Producer<Trace>) -> Self {
        Self { traces, own: None, other: None, market_received: 0, cause: None, dropped: 0 }
    }

    /// A market event is the next input.
    #[inline]
    pub fn begin_market(&mut self, seq: SeqNo, event: &MarketEvent) {
        self.market_received = event.ts_recv.0;
        if seq.0.is_multiple_of(SAMPLE_EVERY) {
            let mut trace = Trace { seq, ..Trace::default() };
            trace.set(Stage::MarketReceived, event.ts_recv.0);
            trace.set(Stage::Taken, unix_now().0);
            self.own = Some(trace);
        }
    }

    /// A command is the next input.
    #[inline]
    pub fn begin_command(&mut self, seq: SeqNo, command: &CommandRecord) {
        self.market_received = 0;
        let Some(kind) = followed(command.kind) else { return };
        let (session, request_id) = (command.session, command.request_id);
        let followed = Followed::Request(kind);
        let mut trace = Trace { followed, seq, session, request_id, ..Trace::default() };
        match self.cause {
            None => trace.set(Stage::Received, command.ts_recv.0),
            Some(Cause { received, applied, decided }) => {
                trace.set(Stage::MarketReceived, received);
                trace.set(Stage::Applied, applied);
                trace.set(Stage::Decided, decided);
            }
        }
        trace.set(Stage::Sequenced, unix_now().0);
        self.own = Some(trace);
    }

    /// The input has come to `stage`; the first time counts.
    #[inline]
    pub fn reach(&mut self, stage: Stage) {
        if let Some(trace) = &mut self.own
            && trace.stamps[stage as usize] == 0
        {
            trace.set(stage, unix_now().0);
        }
    }

    /// An event happened, of an input that is live.
    #[inline]
    pub fn happened(&mut self, seq: SeqNo, event: &EventRecord) {
        if event.kind != EventKind::Execution.wire() {
            return;
        }
        let exec_type = event.body[offset_of!(Execution, exec_type)];
        let stage = if exec_type == ExecType::Trade.wire() {
            Stage::Filled
        } else if exec_type == ExecType::New.wire()
            || exec_type == ExecType::Canceled.wire()
            || exec_type == ExecType::Replaced.wire()
        {
            Stage::AtVenue
        } else {
            return;
        };
        if self.own.as_ref().is_some_and(|own| own.is_of(event)) {
            return self.reach(stage);
        }
        let is_new = exec_type == ExecType::New.wire();
        if stage == Stage::Filled || is_new {
            self.happened_to_other(seq, event, stage, is_new);
        }
    }

    #[inline(never)]
    fn happened_to_other(&mut self, seq: SeqNo, event: &EventRecord, stage: Stage, is_new: bool) {
        if let Some(other) = self.other.take_if(|other| !other.is_of(event)) {
            self.push_published(other, unix_now().0);
        }
        let session = event.session;
        // What an order of somebody else fills begins with the receipt of that.
        let cause = self.own.filter(|own| own.followed != Followed::Market).unwrap_or_default();
        let market_received =
            self.market_received.max(cause.stamps[Stage::MarketReceived as usize]);
        let other = self.other.get_or_insert_with(|| {
            let followed = if is_new { Followed::Arrival } else { Followed::Fill };
            let request_id = event.request_id;
            let mut trace = Trace { followed, seq, session, request_id, ..Trace::default() };
            if !is_new {
                trace.set(Stage::MarketReceived, market_received);
                for stage in [Stage::Received, Stage::Sequenced, Stage::Journaled] {
                    trace.set(stage, cause.stamps[stage as usize]);
                }
            }
            trace
        });
        if other.stamps[stage as usize] == 0 {
            other.set(stage, unix_now().0);
        }
    }

    /// An event is told.
    #[inline]
    pub fn told(&mut self, event: &EventRecord) {
        for trace in [&mut self.own, &mut self.other].into_iter().flatten() {
            if trace.is_of(event) {
                trace.told = Some(event.ordinal);
            }
        }
    }

    /// True if something is to be handed on at the end of the input.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.own.is_some() || self.other.is_some()
    }

    /// The input is done, its events are published.
    pub fn end(&mut self) {
        let now = unix_now().0;
        for mut trace in [self.own.take(), self.other.take()].into_iter().flatten() {
            if trace.followed == Followed::Market {
                trace.set(Stage::Applied, now);
                self.push(trace);
            } else {
                self.push_published(trace, now);
            }
        }
    }

    fn push_published(&mut self, mut trace: Trace, now: u64) {
        trace.set(Stage::Published, now);
        self.push(trace);
    }

    fn push(&mut self, trace: Trace) {
        self.dropped += u64::from(self.traces.push(trace).is_err());
    }
}
