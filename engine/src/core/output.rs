//! How the state machine speaks: events for those they concern, updates for everyone.

use super::answers::Answers;
use tidegate_model::event::{Event, FLAG_LAST_OF_INPUT};
use tidegate_model::{
    AccountId, Command, EventRecord, InstrumentId, PublicUpdate, RoutedRequest, SeqNo, StrategyId,
    UnixNanos,
};
use tidegate_oms::Requester;

/// A place within an input at which more may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// What was due by the time of the input is done; the input itself is next.
    BeforeInput,
    /// What follows from what was done so far is done.
    Settled,
}

/// A request that a simulation makes.
#[derive(Clone, Copy, Debug)]
pub struct Supposed {
    /// What is asked for.
    pub command: Command,
    /// Nanoseconds to the paper venue, in place of what is configured.
    pub latency_ns: Option<u64>,
    /// When it is there if it takes no time, if that is not the time of the input: it was due before.
    pub due_at: Option<UnixNanos>,
}

/// Where the state machine's outputs go.
pub trait Output {
    /// Takes one event; in order, without loss.
    fn event(&mut self, event: &EventRecord);
    /// Takes one event as it happens; [`Self::event`] takes it when it is told, which is later where answers take time. The
    /// default drops it, for whoever trades.
    #[inline]
    fn happened(&mut self, _: &EventRecord) {}
    /// The order of the input has passed the gate, and goes on to its venue. The default does nothing; it is for whoever measures.
    #[inline]
    fn passed(&mut self) {}
    /// Takes one public update.
    fn public(&mut self, update: &PublicUpdate);
    /// Takes one request for the adapter of a route; in order. The default drops it, for whoever has no route.
    #[inline]
    fn routed(&mut self, _: &RoutedRequest) {}
    /// Whether [`Self::supposed`] is asked at all, for every input anew. The default says no.
    fn has_pauses(&self) -> bool {
        false
    }
    /// What is asked for in this place of the input by a simulation, whose recording says what lists and algorithms did
    /// there; asked until nothing is. What was done since the pause before was due at the time that is given. The default asks
    /// for nothing, for whoever trades: all requests are inputs.
    #[inline]
    fn supposed(&mut self, _: Pause, _: UnixNanos) -> Option<Supposed> {
        None
    }
    /// Input `seq` is applied; the event before, if it belongs to that input, is its last. Not called where nothing was told, but for
    /// those who have pauses.
    fn end_of_input(&mut self, seq: SeqNo);
}

/// Drops everything: for replay, where only the state matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutput;

impl Output for NoOutput {
    #[inline]
    fn event(&mut self, _: &EventRecord) {}
    #[inline]
    fn public(&mut self, _: &PublicUpdate) {}
    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {}
}

/// Keeps everything: for tests and for tools that look at outputs.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Events, in order.
    pub events: Vec<EventRecord>,
    /// Public updates, in order.
    pub updates: Vec<PublicUpdate>,
    /// Requests for adapters, in order.
    pub routed: Vec<RoutedRequest>,
}

impl Output for Collected {
    fn event(&mut self, event: &EventRecord) {
        self.events.push(*event);
    }
    fn public(&mut self, update: &PublicUpdate) {
        self.updates.push(*update);
    }
    fn routed(&mut self, request: &RoutedRequest) {
        self.routed.push(*request);
    }
    fn end_of_input(&mut self, seq: SeqNo) {
        if let Some(last) = self.events.last_mut().filter(|last| last.seq == seq) {
            last.flags |= FLAG_LAST_OF_INPUT;
        }
    }
}

/// Numbers and dates the outputs of one input.
pub(super) struct Publisher<'o> {
    pub out: &'o mut dyn Output,
    pub seq: SeqNo,
    pub ts: UnixNanos,
    pub ts_event: UnixNanos,
    ordinal: u32,
    pub has_pauses: bool,
    /// Where reports wait for their latency to pass, if they have any.
    answers: Option<&'o mut Answers>,
    /// When the reports that are told now leave, if they come from the paper venue.
    leave_at: Option<UnixNanos>,
}

impl<'o> Publisher<'o> {
    pub fn new(
        out: &'o mut dyn Output,
        seq: SeqNo,
        ts: UnixNanos,
        ts_event: UnixNanos,
        answers: Option<&'o mut Answers>,
    ) -> Self {
        let has_pauses = out.has_pauses();
        Self { out, seq, ts, ts_event, ordinal: 0, has_pauses, answers, leave_at: None }
    }

    /// The input is applied.
    #[inline]
    pub fn end_of_input(&mut self) {
        if self.ordinal > 0 || self.has_pauses {
            self.out.end_of_input(self.seq);
        }
    }

    /// True if reports have a latency, or had one when some of them were sent that are still on their way.
    #[inline]
    pub fn holds_answers(&self) -> bool {
        self.answers.is_some()
    }

    /// Reports that are told from now on leave then, or at once; when it was before.
    #[inline]
    pub fn reports_leave_at(&mut self, leave_at: Option<UnixNanos>) -> Option<UnixNanos> {
        std::mem::replace(&mut self.leave_at, leave_at)
    }

    /// Tells the reports that leave by `until`.
    #[inline]
    pub fn release(&mut self, until: UnixNanos) {
        while let Some(mut record) = self.answers.as_mut().and_then(|answers| answers.pop(until)) {
            self.tell(&mut record);
        }
    }

    #[inline(always)]
    pub fn event(
        &mut self,
        who: Requester,
        account: AccountId,
        instrument: InstrumentId,
        event: &Event,
    ) {
        self.event_of(who, (account, instrument, StrategyId::NONE), event);
    }

    /// An event about an order of an account, in an instrument, of a strategy. Inlined, as [`EventRecord::new`] is.
    #[inline(always)]
    pub fn event_of(
        &mut self,
        who: Requester,
        (account, instrument, strategy): (AccountId, InstrumentId, StrategyId),
        event: &Event,
    ) {
        let mut record = EventRecord::new(event);
        record.strategy = strategy;
        record.request_id = who.request_id;
        record.principal = who.principal;
        record.session = who.session;
        record.account = account;
        record.instrument = instrument;
        self.happened(&mut record);
    }

    fn happened(&mut self, record: &mut EventRecord) {
        (record.seq, record.ts) = (self.seq, self.ts);
        self.out.happened(record);
        if self.answers.is_some() {
            return self.answer(record);
        }
        self.tell(record);
    }

    /// Tells an event now, or lets it wait for its latency to pass.
    #[cold]
    fn answer(&mut self, record: &mut EventRecord) {
        let Some(answers) = &mut self.answers else { return };
        let (due, account) = (self.leave_at.unwrap_or(self.ts), record.account);
        // What is told of an account keeps its order, whoever tells it.
        if answers.has_of(account) || (due > self.ts && account != AccountId::NONE) {
            if let Some(mut early) = answers.push(due, *record) {
                self.tell(&mut early);
            }
            return;
        }
        self.tell(record);
    }

    #[inline]
    fn tell(&mut self, record: &mut EventRecord) {
        record.seq = self.seq;
        record.ordinal = self.ordinal;
        record.ts = self.ts;
        self.ordinal += 1;
        self.out.event(record);
    }

    #[inline]
    pub fn public(&mut self, mut update: PublicUpdate) {
        update.seq = self.seq;
        update.ts = self.ts;
        update.ts_event = self.ts_event;
        self.out.public(&update);
    }
}
