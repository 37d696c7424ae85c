//! One consumer's way along the event log, at its own pace. The engine never waits for it; if it lets too much pile
//! up it is disconnected, and told where to resume. What the log holds is released at the deployment's level; a consumer that
//! asked for more waits here.

use crate::follow::Followed;
use crate::link::{EventCursor, EventLogError, EventPosition, Release};
use crate::outlet::{Gone, Inlet};
use crate::service::{Shared, not_released};
use std::sync::Arc;
use std::time::Duration;
use tidegate_model::{EventRecord, ReleaseLevel};
use tokio::sync::watch;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// An idle stream says how far it has read this often: the consumer learns that it lives, and resumes past what was
/// filtered away.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Events read before other tasks of the runtime get their turn.
const READS_PER_TURN: u32 = 256;

/// What a tail found.
#[derive(Debug)]
pub(crate) enum Read {
    /// The next event.
    Event(Box<EventRecord>),
    /// Nothing more for now; given once each time the end is reached.
    CaughtUp,
    /// Nothing for [`PROGRESS_EVERY`].
    Idle,
}

/// A consumer's place in the log.
pub(crate) struct Tail {
    cursor: EventCursor,
    followed: watch::Receiver<Followed>,
    shutdown: watch::Receiver<bool>,
    release: Arc<Release>,
    advance: watch::Receiver<()>,
    /// What each event has waited for before it is given out.
    level: ReleaseLevel,
    /// Read from the log, but beyond what the view has taken in, or what `level` has reached.
    ahead: Option<EventRecord>,
    /// The last event given out, or passed over by a filter.
    position: EventPosition,
    /// Events there were when the consumer last had them all, and those given out since.
    caught_up: Option<(u64, u64)>,
    is_end_told: bool,
    lag_max: u64,
    turn: u32,
}

/// Why a stream ends.
#[derive(Debug)]
pub(crate) enum End {
    /// The client has gone: nobody to tell.
    Gone,
    /// With a reason for the client.
    Because(Box<Status>),
}

impl From<Gone> for End {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        Self::Because(Box::new(status))
    }
}

pub(crate) fn log_failed(error: &EventLogError) -> Status {
    Status::data_loss(format!("the event log cannot be read: {error}"))
}

fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down; resume when it is back")
}

impl Tail {
    pub fn new(
        shared: &Shared,
        after: EventPosition,
        level: ReleaseLevel,
    ) -> Result<Self, EventLogError> {
        let cursor = shared.log.cursor(after)?;
        Ok(Self {
            cursor,
            followed: shared.followed.clone(),
            shutdown: shared.shutdown.clone(),
            release: Arc::clone(&shared.release),
            advance: shared.advance.clone(),
            level,
            ahead: None,
            position: after,
            caught_up: None,
            is_end_told: false,
            lag_max: shared.limits.event_lag_max,
            turn: 0,
        })
    }

    /// What each event has waited for.
    pub fn level(&self) -> ReleaseLevel {
        self.level
    }

    /// The last event given out, or passed over by a filter.
    pub fn position(&self) -> EventPosition {
        self.position
    }

    /// The next step; waits for it.
    pub async fn next(&mut self) -> Result<Read, End> {
        loop {
            self.turn += 1;
            if self.turn.is_multiple_of(READS_PER_TURN) {
                tokio::task::yield_now().await;
            }
            let followed = *self.followed.borrow_and_update();
            // Before the look at what is reached, so that no step in between is missed.
            self.advance.mark_unchanged();
            let mut is_held = false;
            let next = match self.ahead.take() {
                Some(record) => Some(record),
                None => self.cursor.next().map_err(|error| log_failed(&error))?,
            };
            match next {
                Some(record) => {
                    let position = EventPosition { seq: record.seq, ordinal: record.ordinal };
                    is_held = record.seq > self.release.reached(self.level);
                    if position <= followed.position && !is_held {
                        self.position = position;
                        self.is_end_told = false;
                        if let Some((_, given)) = &mut self.caught_up {
                            *given += 1;
                        }
                        return Ok(Read::Event(Box::new(record)));
                    }
                    if is_held {
                        self.hold(&record)?;
                    }
                    // Or the view that puts names to numbers is not there yet.
                    self.ahead = Some(record);
                }
                None if followed.is_broken => {
                    return Err(
                        Status::data_loss("the event log cannot be read any further").into()
                    );
                }
                None => {}
            }
            if *self.shutdown.borrow() {
                return Err(shutting_down().into());
            }
            self.caught_up = Some((followed.count, 0));
            if !self.is_end_told {
                self.is_end_told = true;
                return Ok(Read::CaughtUp);
            }
            tokio::select! {
                changed = self.followed.changed() => changed.map_err(|_| shutting_down())?,
                changed = self.advance.changed(), if is_held => changed.map_err(|_| shutting_down())?,
                _ = self.shutdown.changed() => {}
                () = tokio::time::sleep(PROGRESS_EVERY) => return Ok(Read::Idle),
            }
        }
    }

    /// Asks for what `record` waits for, if it is the disk.
    fn hold(&self, record: &EventRecord) -> Result<(), End> {
        if self.level.is_synced() {
            self.release.want_synced(record.seq);
        }
        match self.release.stopped() {
            Some(why) => Err(not_released(why).into()),
            None => Ok(()),
        }
    }

    /// Hands `item` to the consumer, for as long as what piles up meanwhile is within bounds.
    pub async fn deliver<T>(
        &mut self,
        inlet: &Inlet<T>,
        item: T,
        before: EventPosition,
    ) -> Result<(), End> {
        loop {
            tokio::select! {
                biased;
                room = inlet.reserve() => {
                    room?.send(item);
                    return Ok(());
                }
                changed = self.followed.changed() => {
                    changed.map_err(|_| shutting_down())?;
                    self.check_lag(before)?;
                }
                _ = self.shutdown.changed() => return Err(shutting_down().into()),
            }
        }
    }

    fn check_lag(&mut self, resume: EventPosition) -> Result<(), End> {
        let count = self.followed.borrow_and_update().count;
        let Some((then, given)) = self.caught_up else { return Ok(()) };
        let lag = count.saturating_sub(then).saturating_sub(given);
        if lag <= self.lag_max {
            return Ok(());
        }
        let mut trailers = MetadataMap::new();
        trailers.insert("tidegate-resume-seq", MetadataValue::from(resume.seq.0));
        trailers.insert("tidegate-resume-ordinal", MetadataValue::from(resume.ordinal));
        let text = format!(
            "this stream is {lag} events behind, more than the {} it may be (event_lag_max); resume after seq {} ordinal {}",
            self.lag_max, resume.seq, resume.ordinal
        );
        Err(Status::with_metadata(Code::ResourceExhausted, text, trailers).into())
    }
}
