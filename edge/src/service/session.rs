//! An order session: a lane into the engine in one direction, the session's own events in the other.
//!
//! Two tasks serve it. One takes requests; when they end, for whatever reason, it tells the engine that the session
//! is closed and gives the lane back. The other reads the event log and passes on what belongs to the session; when
//! the client is gone or too slow, it ends the first one too.

use super::Shared;
use crate::auth::Caller;
use crate::clients::Client;
use crate::convert::{lists, reports, requests};
use crate::error::Refusal;
use crate::lanes::LentLane;
use crate::link::Latency;
use crate::outlet::{Inlet, Outlet, outlet};
use crate::tail::{End, Read, Tail};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tidegate_client::proto;
use tidegate_client::proto::order_event::Event as Told;
use tidegate_client::proto::order_request::Request as Asked;
use tidegate_engine::runtime::unix_now;
use tidegate_model::{Command, CommandRecord, PrincipalId, SessionId};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

/// Malformed requests whose refusals wait to be told; past it, requests wait.
const REFUSALS_MAX: usize = 64;
/// How long a session that asks for nothing more still hears: its last answers, and the cancels its end caused.
const LINGER: Duration = Duration::from_millis(500);

/// One request that is refused, or the reason for which no more can be read.
type Refused = Result<proto::RequestRefused, Status>;

/// Opens a session.
pub(super) fn open(
    shared: &Arc<Shared>,
    caller: Caller,
    client: &Arc<Client>,
    asked: Streaming<proto::OrderRequest>,
) -> Result<Reports, Status> {
    if !shared.status.alive.load(Ordering::Acquire) {
        return Err(Status::unavailable("the engine is not running"));
    }
    let permit = shared.stream_permit(client)?;
    let lane = shared.lanes.lend()?;
    let session = shared.next_session();
    // Before the first request, so that none of its events is missed.
    let tail = shared.tail(shared.log.last(), caller.level)?;
    let principal = caller.principal;
    let (inlet, out) = outlet(permit);
    let (refusals, refused) = mpsc::channel(REFUSALS_MAX);
    let (ended, end) = watch::channel(false);
    let requests = Requests { shared: Arc::clone(shared), principal, session, lane, refusals };
    let level = caller.level.as_str();
    tracing::info!(session = session.0, principal = principal.0, level, "order session opened");
    tokio::spawn(requests.run(asked, end));
    tokio::spawn(hear(Arc::clone(shared), caller, session, tail, inlet, refused, ended));
    Ok(Reports { out, latency: Arc::clone(&shared.latency) })
}

/// What a session hears, on its way to the connection: each report that this takes is noted as delivered.
#[derive(Debug)]
pub(crate) struct Reports {
    out: Outlet<proto::OrderEvent>,
    latency: Arc<Latency>,
}

impl Stream for Reports {
    type Item = Result<proto::OrderEvent, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.out).poll_next(context);
        if let Poll::Ready(Some(Ok(proto::OrderEvent { event: Some(Told::Engine(event)) }))) = &next
        {
            let position = reports::position_of(event.position);
            let session = SessionId(event.session);
            self.latency.delivered(session, event.request_id, position, unix_now());
        }
        next
    }
}

/// The direction into the engine.
struct Requests {
    shared: Arc<Shared>,
    principal: PrincipalId,
    session: SessionId,
    lane: LentLane,
    refusals: mpsc::Sender<Refused>,
}

impl Requests {
    async fn run(
        mut self,
        mut asked: Streaming<proto::OrderRequest>,
        mut end: watch::Receiver<bool>,
    ) {
        let mut shutdown = self.shared.shutdown.clone();
        let mut request_id = 0;
        loop {
            let message = tokio::select! {
                message = asked.message() => message,
                // True, or the hearing task is gone.
                _ = end.wait_for(|ended| *ended) => break,
                _ = shutdown.wait_for(|down| *down) => break,
            };
            let request = match message {
                Ok(Some(request)) => request,
                Ok(None) => break,
                // A message that cannot be read, or a broken connection; then there is nobody to tell.
                Err(status) => {
                    let _ = self.refusals.send(Err(status)).await;
                    break;
                }
            };
            request_id += 1;
            let client_order_id = match &request.request {
                Some(Asked::Submit(order)) => order.client_order_id.clone(),
                _ => String::new(),
            };
            if let Err(refusal) = self.pass_on(request, request_id) {
                let refused = proto::RequestRefused {
                    request_id,
                    client_order_id,
                    field: refusal.field.to_string(),
                    text: refusal.message(),
                };
                if self.refusals.send(Ok(refused)).await.is_err() {
                    break;
                }
            }
        }
        let closed = self.framed(Command::SessionClosed, 0);
        if !self.lane.send_surely(closed).await {
            tracing::error!(
                session = self.session.0,
                "the engine could not be told that a session closed; its orders stay open"
            );
        }
        tracing::info!(session = self.session.0, requests = request_id, "order session closed");
    }

    fn framed(&self, command: Command, request_id: u64) -> CommandRecord {
        let mut record =
            CommandRecord::new(command).from_session(self.principal, self.session, request_id);
        record.ts_recv = unix_now();
        record
    }

    fn pass_on_together(&mut self, commands: &[Command], request_id: u64) -> Result<(), Refusal> {
        let records: Vec<_> =
            commands.iter().map(|command| self.framed(*command, request_id)).collect();
        self.lane.send_all(&records)
    }

    fn pass_on(&mut self, request: proto::OrderRequest, request_id: u64) -> Result<(), Refusal> {
        let command = match &request.request {
            Some(Asked::Submit(order)) => requests::new_order(&self.shared.view(), order),
            Some(Asked::Cancel(cancel)) => requests::cancel(cancel),
            Some(Asked::Replace(replace)) => requests::replace(&self.shared.view(), replace),
            Some(Asked::MassCancel(scope)) => requests::mass_cancel(&self.shared.view(), scope),
            Some(Asked::List(list)) => {
                let commands = lists::list(&self.shared.view(), list)?;
                return self.pass_on_together(&commands, request_id);
            }
            Some(Asked::Algorithm(parent)) => {
                let commands = lists::algorithm(&self.shared.view(), parent)?;
                return self.pass_on_together(&commands, request_id);
            }
            None => Err(Refusal::invalid("request", "is empty")),
        }?;
        let record = self.framed(command, request_id);
        self.lane.send(record)
    }
}

/// The direction out of the engine.
async fn hear(
    shared: Arc<Shared>,
    caller: Caller,
    session: SessionId,
    mut tail: Tail,
    inlet: Inlet<proto::OrderEvent>,
    mut refused: mpsc::Receiver<Refused>,
    ended: watch::Sender<bool>,
) {
    let opened = proto::SessionOpened {
        session: session.0,
        principal: caller.principal.0,
        position: Some(reports::position(tail.position())),
        release_level: reports::level(caller.level),
    };
    let end = hear_until(&shared, session, opened, &mut tail, &inlet, &mut refused).await;
    // The requests end first: nothing is taken any more when the client hears the reason.
    let _ = ended.send(true);
    if let End::Because(status) = end {
        tracing::info!(session = session.0, reason = status.message(), "order session ends");
        inlet.close(*status);
    }
}

async fn hear_until(
    shared: &Shared,
    session: SessionId,
    opened: proto::SessionOpened,
    tail: &mut Tail,
    inlet: &Inlet<proto::OrderEvent>,
    refused: &mut mpsc::Receiver<Refused>,
) -> End {
    let told = |event| proto::OrderEvent { event: Some(event) };
    let mut before = tail.position();
    let mut next = Some(told(Told::Opened(opened)));
    let mut is_asking = true;
    let mut reason = None;
    let linger = tokio::time::sleep(Duration::ZERO);
    tokio::pin!(linger);
    loop {
        if let Some(message) = next.take()
            && let Err(end) = tail.deliver(inlet, message, before).await
        {
            return end;
        }
        before = tail.position();
        tokio::select! {
            read = tail.next() => match read {
                Ok(Read::Event(record)) if record.session == session => {
                    next = Some(told(Told::Engine(reports::event(&shared.view(), &record))));
                }
                Ok(_) => {}
                Err(end) => return end,
            },
            refusal = refused.recv(), if is_asking => match refusal {
                Some(Ok(refusal)) => next = Some(told(Told::Refused(refusal))),
                Some(Err(status)) => reason = Some(status),
                None => {
                    is_asking = false;
                    linger.as_mut().reset(tokio::time::Instant::now() + LINGER);
                }
            },
            () = &mut linger, if !is_asking => return reason.map_or(End::Gone, End::from),
            () = inlet.closed() => return End::Gone,
        }
    }
}
