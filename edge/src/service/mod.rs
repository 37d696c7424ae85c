//! The gRPC services.

mod accounts;
mod admin;
mod desk;
mod events;
mod latency;
mod market_data;
mod orders;
mod risk;
mod session;

pub(crate) use accounts::Accounts;
pub(crate) use admin::Admin;
pub(crate) use desk::Desk;
pub(crate) use events::Events;
pub(crate) use latency::Latencies;
pub(crate) use market_data::{MarketData, quote_of, trade};
pub(crate) use orders::Orders;
pub(crate) use risk::Risk;

use crate::answers::{Answer, Answers, Expect};
use crate::auth::{Auth, Caller};
use crate::clients::Client;
use crate::config::Limits;
use crate::convert::reports;
use crate::error::Refusal;
use crate::follow::Followed;
use crate::lanes::Lanes;
use crate::link::{EngineStatus, EventLog, EventPosition, Latency, Release};
use crate::market::Board;
use crate::outlet::StreamPermit;
use crate::places::Places;
use crate::sync::read;
use crate::tail::Tail;
use crate::tail::log_failed;
use crate::traces::Traces;
use crate::view::View;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;
use tidegate_client::proto;
use tidegate_model::{Command, CommandRecord, Event, EventRecord, ReleaseLevel, SeqNo, SessionId};
use tokio::sync::{Semaphore, watch};
use tonic::{Response, Status};

/// How long an answer that was released may take through the event log.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// What came of an administrative command.
type Done = Result<Response<proto::AdminResponse>, Status>;

/// What all services work with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub auth: Auth,
    pub limits: Limits,
    pub routes: Vec<String>,
    pub lanes: Lanes,
    pub log: EventLog,
    pub view: Arc<RwLock<View>>,
    pub answers: Arc<Answers>,
    pub board: Arc<Board>,
    pub places: Places,
    pub status: Arc<EngineStatus>,
    pub release: Arc<Release>,
    pub latency: Arc<Latency>,
    pub traces: Arc<Traces>,
    /// Fires after something more was released.
    pub advance: watch::Receiver<()>,
    pub followed: watch::Receiver<Followed>,
    pub shutdown: watch::Receiver<bool>,
    pub streams: Arc<Semaphore>,
    pub request_last: AtomicU64,
    pub session_last: AtomicU32,
}

impl Shared {
    /// The picture queries are answered from. Hold it briefly: events wait for it.
    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        read(&self.view)
    }

    /// Counts one more stream of a client.
    pub fn stream_permit(&self, client: &Arc<Client>) -> Result<StreamPermit, Status> {
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let max = self.limits.streams_max;
            Status::resource_exhausted(format!("all {max} streams are taken (streams_max)"))
        })?;
        Ok(StreamPermit { _place: place, _open: client.open_stream() })
    }

    /// A number for a new session.
    pub fn next_session(&self) -> SessionId {
        SessionId(self.session_last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A way along the event log after `after`, as far as `level` has come.
    pub fn tail(&self, after: EventPosition, level: ReleaseLevel) -> Result<Tail, Status> {
        Tail::new(self, after, level).map_err(|error| log_failed(&error))
    }

    /// Waits until `level` holds for the input `seq`.
    async fn reach(&self, level: ReleaseLevel, seq: SeqNo) -> Result<(), Status> {
        let mut advance = self.advance.clone();
        loop {
            // Before the look, so that no step in between is missed.
            advance.mark_unchanged();
            if seq <= self.release.reached(level) {
                return Ok(());
            }
            if level.is_synced() {
                self.release.want_synced(seq);
            }
            if let Some(why) = self.release.stopped() {
                return Err(not_released(why));
            }
            advance.changed().await.map_err(|_| not_released("the engine is gone"))?;
        }
    }

    /// Sends a unary call's command and waits for the engine's answer.
    pub async fn ask(
        &self,
        caller: Caller,
        command: Command,
        expect: Expect,
    ) -> Result<EventRecord, Status> {
        self.ask_all(caller, &[command], expect).await
    }

    /// The same with commands that belong together.
    pub async fn ask_all(
        &self,
        caller: Caller,
        commands: &[Command],
        expect: Expect,
    ) -> Result<EventRecord, Status> {
        Ok(self.answer(caller, commands, expect).await?.record)
    }

    /// Sends an administrative command, and tells what came of it.
    pub async fn administer(&self, caller: Caller, command: Command) -> Done {
        let answer = self.answer(caller, &[command], Expect::Ack).await?;
        let record = &answer.record;
        let Some(Event::Ack(ack)) = record.event() else { return Err(misfit(record)) };
        Ok(Response::new(reports::admin(record, &ack, answer.proposal(), caller.level)))
    }

    /// Sends commands that belong together, and waits for the answer with what goes with it.
    pub async fn answer(
        &self,
        Caller { principal, level, trace }: Caller,
        commands: &[Command],
        expect: Expect,
    ) -> Result<Answer, Status> {
        if !self.status.alive.load(Ordering::Acquire) {
            return Err(Status::unavailable("the engine is not running; the request was not sent"));
        }
        let request_id = self.request_last.fetch_add(1, Ordering::Relaxed) + 1;
        let session = self.answers.session();
        let ts_recv = tidegate_engine::runtime::unix_now();
        let framed = |command: &Command| CommandRecord {
            ts_recv,
            ..CommandRecord::new(*command).from_session(principal, session, request_id)
        };
        let records: Vec<_> = commands.iter().map(framed).collect();
        let is_kill = matches!(commands, [Command::KillSwitch(kill)] if kill.engaged != 0);
        let answer = if is_kill {
            self.answers.expect_kill(request_id)?
        } else {
            self.answers.expect(request_id, expect)?
        };
        // Also when the caller goes away while it waits.
        let _forget = Forget { answers: &self.answers, request_id };
        if let Some(trace) = trace {
            self.traces.watch(request_id, trace);
        }
        match &records[..] {
            // Nothing that others send can fill its way.
            [kill] if is_kill => self.lanes.send_kill(*kill)?,
            records => self.lanes.send(records)?,
        }
        let released = async {
            let Ok(answer) = answer.await else { return Err(outcome_unknown(self, request_id)) };
            self.reach(level, answer.record.seq).await?;
            Ok(answer)
        };
        let released = tokio::time::timeout(self.limits.answer_timeout, released);
        let answer = tokio::select! {
            biased;
            released = released => {
                released.unwrap_or_else(|_| Err(outcome_unknown(self, request_id)))
            }
            why = self.stopped() => Err(not_released(why)),
        }?;
        // The answer stands for all that the input said to the caller.
        let position = EventPosition { seq: answer.record.seq, ordinal: u32::MAX };
        self.latency.delivered(session, request_id, position, tidegate_engine::runtime::unix_now());
        Ok(answer)
    }

    /// Why nothing is released any more, once that is so, and a moment later: what was released before is on its way.
    async fn stopped(&self) -> &str {
        let mut advance = self.advance.clone();
        loop {
            // Before the look, so that no step in between is missed.
            advance.mark_unchanged();
            if let Some(why) = self.release.stopped() {
                tokio::time::sleep(ON_ITS_WAY).await;
                return why;
            }
            if advance.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

struct Forget<'a> {
    answers: &'a Answers,
    request_id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.answers.forget(self.request_id);
    }
}

fn outcome_unknown(shared: &Shared, request_id: u64) -> Status {
    let at = shared.followed.borrow().position;
    Status::deadline_exceeded(format!(
        "the outcome is unknown: the engine has the request, but its answer was not there and released within {:?} (answer_timeout). \
         Do not send it again; GetOrder with its client_order_id tells, or StreamEvents after seq {} ordinal {}: \
         session {} request_id {request_id}",
        shared.limits.answer_timeout,
        at.seq,
        at.ordinal,
        shared.answers.session()
    ))
}

/// What was asked for may be done, and must not be told.
pub(crate) fn not_released(why: &str) -> Status {
    Status::unavailable(format!(
        "the outcome is unknown: nothing is released any more ({why}); ask again when the server is back"
    ))
}

/// The engine answered with an event that is no answer; both sides are ours, so this is a defect.
fn misfit(record: &EventRecord) -> Status {
    tracing::error!(seq = record.seq.0, kind = record.kind, "an answer of the wrong kind");
    Status::internal("the engine's answer is not of the kind that was asked for")
}

/// Rows of one page and the token of the next.
///
/// `rows` begin where the page does and go one beyond it, if there is more.
fn page<T>(mut rows: Vec<T>, size: usize, token: impl Fn(&T) -> String) -> (Vec<T>, String) {
    if rows.len() <= size {
        return (rows, String::new());
    }
    rows.truncate(size);
    let next = rows.last().map(token).unwrap_or_default();
    (rows, next)
}

/// Fields a page token has, as whole numbers.
fn token_numbers<const N: usize>(text: &str) -> Result<Option<[u64; N]>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let numbers: Option<Vec<u64>> = text.split('-').map(|part| part.parse().ok()).collect();
    let numbers = numbers.and_then(|numbers| <[u64; N]>::try_from(numbers).ok());
    let foreign = || Refusal::invalid("page_token", "is not one that this call gave out");
    numbers.map(Some).ok_or_else(foreign)
}
