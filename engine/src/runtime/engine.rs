//! The state machine with its journal and its outputs, one step at a time: what the engine's thread repeats, and what a simulator
//! drives in time of its own.

use super::clock::unix_now;
use super::probe::{Cause, Stage};
use super::seats::{ORDERS_CAPACITY, SeatWork, Seats};
use super::status::Wanted;
use super::{
    BookRequests, COMMANDS_PER_TURN, EVENTS_PER_TURN, EngineError, EngineStatus, HEARTBEAT, Inputs,
    Orders, Publishing, Stopped, Strategy, TURNS_BETWEEN_CLOCK,
};
use crate::core::{Core, Input};
use rtrb::Consumer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Checkpoint, SyncThread, Syncer, Watermark};
use tidegate_model::{
    Command, CommandRecord, MarketEvent, PrincipalId, SeqNo, SessionId, StateHash, UnixNanos,
};

/// The state machine, its journal and its outputs: the four steps of one input.
pub struct Engine<S> {
    pub(super) core: Core,
    /// Before the journal, so that it ends before the lock is given up. `None` if whoever drives the engine syncs.
    pub(super) sync: Option<SyncThread>,
    pub(super) journal: tidegate_journal::Writer,
    pub(super) publishing: Publishing<S>,
    pub(super) orders: Orders,
    pub(super) status: Arc<EngineStatus>,
    pub(super) checkpoint_every: u64,
    /// Inputs that were replayed at the start.
    pub(super) recovered: u64,
    pub(super) turns: u32,
    pub(super) pictures: Pictures,
}

/// Paces whole pictures of books and of places in them, so that whoever asks for them without end neither keeps the engine from its
/// work nor floods who listens: after one of `n` levels or orders none is told for [`PICTURE_REST`] each.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    last: UnixNanos,
    rest: Duration,
    /// The last was one of places: a book has its turn.
    were_places: bool,
}

/// What a row of a picture costs the pictures after it: a million rows a second are told at most, a few percent of the engine's
/// time.
const PICTURE_REST: Duration = Duration::from_micros(1);

impl Pictures {
    /// True if one may be told. A clock that is set back ends a rest.
    fn may_tell(&self, now: UnixNanos) -> bool {
        u128::from(now.0.wrapping_sub(self.last.0)) >= self.rest.as_nanos()
    }

    fn told(&mut self, rows: usize, were_places: bool, now: UnixNanos) {
        // The marks around the levels are told as well.
        *self = Self { last: now, rest: PICTURE_REST * (rows as u32 + 2), were_places };
    }
}

impl<S: Strategy> Engine<S> {
    /// Takes what its rings hold, a bounded number from each, in their fixed order; `now` reads the clock. Returns how many inputs
    /// it took.
    ///
    /// # Errors
    /// [`EngineError`]: it must not go on.
    #[inline]
    pub fn turn(
        &mut self,
        inputs: &mut Inputs,
        mut now: impl FnMut() -> UnixNanos,
    ) -> Result<usize, EngineError> {
        if !self.publishing.move_backlog() {
            return self.check().map(|()| 0);
        }
        let mut taken = 0;
        for lane in &mut inputs.lanes {
            for _ in 0..COMMANDS_PER_TURN {
                let Ok(command) = lane.pop() else { break };
                self.command(&command)?;
                taken += 1;
            }
        }
        taken += self.serve_seats(&inputs.book_requests, &mut now)?;
        for _ in 0..EVENTS_PER_TURN {
            let Ok(event) = inputs.feed.pop() else { break };
            self.market(&event)?;
            taken += 1;
        }
        if inputs.book_requests.has_any() {
            self.publish_picture(&inputs.book_requests, now());
        }
        let due = self.next_due();
        self.turns = self.turns.wrapping_add(1);
        // Reading the clock takes as long as several polls.
        if due.is_some() || self.turns.is_multiple_of(TURNS_BETWEEN_CLOCK) {
            let now = now();
            self.look_at_rings(&inputs.feed);
            let behind = now.0.saturating_sub(self.core.now().0);
            if due.is_some_and(|due| due <= now) || behind >= HEARTBEAT.as_nanos() as u64 {
                let mut time = CommandRecord::new(Command::Time);
                time.ts_recv = now;
                self.command(&time)?;
                taken += 1;
            }
        }
        taken += self.ask_strategy(&mut now)?;
        if self.status.takes_ask() {
            self.record_state()?;
        }
        if taken > 0 {
            self.tell();
        }
        self.release().map(|()| taken)
    }

    /// When something is due by itself, of the state or of the strategy.
    #[inline]
    pub(super) fn next_due(&self) -> Option<UnixNanos> {
        let due = self.core.next_due();
        if !self.publishing.strategy.is_there() {
            return due;
        }
        let of_strategy = self.publishing.strategy.due();
        due.into_iter().chain(of_strategy).min()
    }

    #[inline]
    fn look_at_rings(&self, feed: &Consumer<MarketEvent>) {
        self.status.feed_waiting.store(feed.slots() as u64, Ordering::Relaxed);
        self.status.seats_taken.store(self.publishing.seats.len() as u64, Ordering::Relaxed);
    }

    /// Takes what sessions that share memory ask for, and lets them in and out.
    #[inline]
    fn serve_seats(
        &mut self,
        books: &BookRequests,
        now: &mut impl FnMut() -> UnixNanos,
    ) -> Result<usize, EngineError> {
        let mut taken = 0;
        loop {
            let told = self.publishing.told;
            let Some((session, principal)) = self.seats().hear_usher(told) else { break };
            taken += self.close_seat(session, principal, books, now)?;
        }
        for place in 0..self.seats().len() {
            taken += self.serve_seat(place, COMMANDS_PER_TURN, books, now)?;
        }
        Ok(taken)
    }

    #[inline]
    fn serve_seat(
        &mut self,
        place: usize,
        most: usize,
        books: &BookRequests,
        now: &mut impl FnMut() -> UnixNanos,
    ) -> Result<usize, EngineError> {
        let mut taken = 0;
        while taken < most && self.seats().is_heard(place) {
            match self.seats().take(place, &mut *now) {
                Some(SeatWork::Command(command)) => self.command(&command)?,
                Some(SeatWork::Picture(instrument)) => books.request(instrument),
                None => break,
            }
            taken += 1;
        }
        Ok(taken)
    }

    /// The end of a session: what it had sent is taken, as much as its ring holds, then the engine knows that it is gone.
    #[cold]
    fn close_seat(
        &mut self,
        session: SessionId,
        principal: PrincipalId,
        books: &BookRequests,
        now: &mut impl FnMut() -> UnixNanos,
    ) -> Result<usize, EngineError> {
        let Some(place) = self.seats().place_of(session) else { return Ok(0) };
        let taken = self.serve_seat(place, ORDERS_CAPACITY, books, now)?;
        let closed = CommandRecord::new(Command::SessionClosed).from_session(principal, session, 0);
        self.command(&CommandRecord { ts_recv: now(), ..closed })?;
        self.seats().leave(session);
        Ok(taken + 1)
    }

    /// True if a session shares memory.
    pub(super) fn has_seats(&self) -> bool {
        self.publishing.seats.len() > 0
    }

    #[inline]
    fn seats(&mut self) -> &mut Seats {
        &mut self.publishing.seats
    }

    /// Lets go what may leave by now, and takes nothing.
    ///
    /// # Errors
    /// [`EngineError`]: it must not go on.
    #[inline]
    pub fn release(&mut self) -> Result<(), EngineError> {
        self.publishing.move_backlog();
        if self.publishing.holds_requests() {
            self.publishing.release_requests();
        }
        self.check()
    }

    /// Wakes those who wait for what it makes, where it has the time to.
    #[inline]
    pub(super) fn ring(&self) {
        if let Some(bell) = self.publishing.release.bell() {
            bell.ring();
        }
    }

    /// Whether it may go on.
    #[inline]
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if let Some(why) = self.publishing.release.stopped() {
            return Err(EngineError::ReleaseStopped { why: why.to_string() });
        }
        if self.publishing.events.is_abandoned() {
            return Err(EngineError::EventLogGone);
        }
        Ok(())
    }

    /// The state.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What everyone may know of it.
    pub fn status(&self) -> &EngineStatus {
        &self.status
    }

    /// A syncer of its journal, for whoever drives an engine without a thread that syncs.
    pub fn syncer(&self) -> Syncer {
        self.journal.syncer()
    }

    /// How far its journal has come.
    pub fn watermark(&self) -> Arc<Watermark> {
        self.journal.watermark()
    }

    #[inline]
    pub(super) fn market(&mut self, event: &MarketEvent) -> Result<(), EngineError> {
        let seq = self.core.seq().next();
        self.publishing.probe.begin_market(seq, event);
        self.journal.append_pod(KIND_MARKET_EVENT, seq, event)?;
        self.publishing.seq = seq;
        self.core.apply(seq, Input::Market(event), &mut self.publishing);
        self.end_of_trace();
        self.checkpoint(seq)?;
        if !self.publishing.strategy.is_there() {
            return Ok(());
        }
        let applied = unix_now();
        self.publishing.strategy.on_market(&self.core, event, &mut self.orders);
        if !self.orders.0.is_empty() {
            let (received, decided) = (event.ts_recv.0, unix_now().0);
            self.answer(Some(Cause { received, applied: applied.0, decided }))?;
        }
        Ok(())
    }

    /// Asks the strategy at the end of a turn; how many inputs it sent.
    #[inline]
    fn ask_strategy(&mut self, now: &mut impl FnMut() -> UnixNanos) -> Result<usize, EngineError> {
        if !self.publishing.strategy.is_there() {
            return Ok(0);
        }
        self.publishing.strategy.on_turn(&self.core, &mut self.orders);
        let sent = self.orders.0.len();
        if sent > 0 {
            let decided = now();
            for command in &mut self.orders.0 {
                command.ts_recv = command.ts_recv.max(decided);
            }
            self.answer(None)?;
        }
        Ok(sent)
    }

    /// What an in-process strategy sent becomes input, in order; because of a market event, if that is the cause.
    fn answer(&mut self, cause: Option<Cause>) -> Result<(), EngineError> {
        self.publishing.probe.cause = cause;
        for at in 0..self.orders.0.len() {
            let command = self.orders.0[at];
            self.command(&command)?;
        }
        self.publishing.probe.cause = None;
        self.orders.0.clear();
        Ok(())
    }

    pub(super) fn command(&mut self, command: &CommandRecord) -> Result<(), EngineError> {
        let seq = self.core.seq().next();
        self.publishing.probe.begin_command(seq, command);
        self.journal.append_pod(KIND_COMMAND, seq, command)?;
        self.publishing.probe.reach(Stage::Journaled);
        self.publishing.seq = seq;
        self.core.apply(seq, Input::Command(command), &mut self.publishing);
        self.end_of_trace();
        self.checkpoint(seq)
    }

    #[inline]
    fn end_of_trace(&mut self) {
        if self.publishing.probe.is_open() {
            self.publishing.probe.end();
        }
    }

    #[inline]
    fn checkpoint(&mut self, seq: SeqNo) -> Result<(), EngineError> {
        if !seq.0.is_multiple_of(self.checkpoint_every) {
            return Ok(());
        }
        self.record_state().map(|_| ())
    }

    fn record_state(&mut self) -> Result<StateHash, EngineError> {
        let hash = self.core.state_hash();
        self.journal.append_checkpoint(hash)?;
        self.status.set_checkpoint(Checkpoint { seq: self.core.seq(), hash });
        Ok(hash)
    }

    fn publish_picture(&mut self, wanted: &BookRequests, now: UnixNanos) {
        if !self.pictures.may_tell(now) {
            return;
        }
        match wanted.take_next(self.pictures.were_places) {
            None => {}
            Some(Wanted::Book(instrument)) => {
                let levels = self.core.publish_picture(instrument, &mut self.publishing);
                self.pictures.told(levels, false, now);
            }
            Some(Wanted::Places(mut picture)) => {
                self.core.picture_places(&mut picture);
                self.pictures.told(picture.count(), true, now);
                wanted.return_places(picture);
            }
        }
    }

    pub(super) fn tell(&self) {
        let status = &self.status;
        let set = |cell: &AtomicU64, value: u64| cell.store(value, Ordering::Relaxed);
        let counters = self.core.counters();
        set(&status.now, self.core.now().0);
        set(&status.market_events, counters.market_events);
        set(&status.commands, counters.commands);
        set(&status.fills, counters.fills);
        set(&status.unknown_orders, counters.unknown_orders);
        set(&status.refused_events, counters.refused_events);
        set(&status.gaps, counters.gaps);
        set(&status.traces_dropped, self.publishing.probe.dropped);
        set(&status.open_orders, self.core.oms().open_count().into());
        status.seq.store(self.core.seq().0, Ordering::Release);
    }

    /// Records the state, unless it is a standby's, and seals the journal.
    ///
    /// # Errors
    /// The journal's.
    pub fn finish(mut self) -> Result<Stopped, EngineError> {
        let recovered = self.recovered;
        // A standby's journal holds what its primary recorded, and nothing else.
        let is_live = self.publishing.is_live;
        let state_hash = if is_live { self.record_state()? } else { self.core.state_hash() };
        let seq = self.core.seq();
        self.tell();
        let counters = *self.core.counters();
        drop(self.sync);
        self.journal.close()?;
        self.publishing.release.set_synced(seq);
        self.publishing.release_requests();
        Ok(Stopped { seq, state_hash, recovered, counters })
    }
}
