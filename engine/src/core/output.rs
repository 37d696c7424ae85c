//! How the state machine speaks: events for those they concern, updates for everyone.

use tidegate_model::event::{Event, FLAG_LAST_OF_INPUT};
use tidegate_model::{
    AccountId, EventRecord, InstrumentId, PublicUpdate, RoutedRequest, SeqNo, UnixNanos,
};
use tidegate_oms::Requester;

/// Where the state machine's outputs go.
pub trait Output {
    /// Takes one event; in order, without loss.
    fn event(&mut self, event: &EventRecord);
    /// Takes one public update.
    fn public(&mut self, update: &PublicUpdate);
    /// Takes one request for the adapter of a route; in order. The default drops it, for whoever has no route.
    #[inline]
    fn routed(&mut self, _: &RoutedRequest) {}
    /// Input `seq` is applied; the event before, if it belongs to that input, is its last.
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
pub(super) struct Publisher<'o, O: Output> {
    pub out: &'o mut O,
    pub seq: SeqNo,
    pub ts: UnixNanos,
    pub ts_event: UnixNanos,
    ordinal: u32,
}

impl<'o, O: Output> Publisher<'o, O> {
    pub fn new(out: &'o mut O, seq: SeqNo, ts: UnixNanos, ts_event: UnixNanos) -> Self {
        Self { out, seq, ts, ts_event, ordinal: 0 }
    }

    pub fn event(
        &mut self,
        who: Requester,
        account: AccountId,
        instrument: InstrumentId,
        event: &Event,
    ) {
        let mut record = EventRecord::new(event);
        record.seq = self.seq;
        record.ordinal = self.ordinal;
        record.ts = self.ts;
        record.request_id = who.request_id;
        record.principal = who.principal;
        record.session = who.session;
        record.account = account;
        record.instrument = instrument;
        self.ordinal += 1;
        self.out.event(&record);
    }

    #[inline]
    pub fn public(&mut self, mut update: PublicUpdate) {
        update.seq = self.seq;
        update.ts = self.ts;
        update.ts_event = self.ts_event;
        self.out.public(&update);
    }
}
