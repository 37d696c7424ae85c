//! Every event of the engine, resumed by itself.

use crate::ClientError;
use crate::client::{Client, Events};
use crate::proto::stream_events_response::Step;
use crate::proto::{Event, EventKind, EventPosition, StreamEventsRequest, StreamEventsResponse};
use std::time::Duration;
use tonic::{Code, Streaming};

/// First wait before a reconnect; it doubles up to [`RECONNECT_WAIT_MAX`].
const RECONNECT_WAIT_MIN: Duration = Duration::from_millis(50);
/// Longest wait between two tries, so that a restart of the server is noticed soon.
const RECONNECT_WAIT_MAX: Duration = Duration::from_secs(2);

/// Which events to hear; the default is all.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Only of this account.
    pub account: Option<u32>,
    /// Only of requests by this principal.
    pub principal: Option<u32>,
    /// Only these kinds; empty: all.
    pub kinds: Vec<EventKind>,
}

/// Events after a position, oldest first, then live. Reconnects for ever and resumes after the last event it gave
/// out: none is left out, none comes twice.
#[derive(Debug)]
pub struct EventStream {
    events: Events,
    filter: EventFilter,
    position: Option<EventPosition>,
    stream: Option<Streaming<StreamEventsResponse>>,
    wait: Duration,
}

impl EventStream {
    pub(crate) fn new(client: &Client, after: Option<EventPosition>, filter: EventFilter) -> Self {
        let events = client.event_service();
        Self { events, filter, position: after, stream: None, wait: RECONNECT_WAIT_MIN }
    }

    /// The next event; waits for as long as it takes, over disconnects too.
    ///
    /// # Errors
    /// [`ClientError::Call`] if the edge refuses the request as such: a wrong filter or token, a position it cannot
    /// have given out.
    pub async fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            let status = match self.step().await {
                Ok(Some(Step::Event(event))) => {
                    self.wait = RECONNECT_WAIT_MIN;
                    self.position = event.position;
                    return Ok(event);
                }
                Ok(Some(Step::Progress(progress))) => {
                    self.wait = RECONNECT_WAIT_MIN;
                    self.position = progress.position.or(self.position);
                    continue;
                }
                Ok(None) => None,
                Err(status) => Some(status),
            };
            self.stream = None;
            if let Some(status) = status.filter(|status| is_final(status.code())) {
                return Err(ClientError::call("StreamEvents")(status));
            }
            tokio::time::sleep(self.wait).await;
            self.wait = (self.wait * 2).min(RECONNECT_WAIT_MAX);
        }
    }

    /// Asks for the stream and waits until the edge has begun it.
    ///
    /// # Errors
    /// [`ClientError::Call`] if the edge refuses.
    pub async fn open(&mut self) -> Result<(), ClientError> {
        self.opened().await.map(drop).map_err(ClientError::call("StreamEvents"))
    }

    /// One step of the stream, without reconnecting: an event, or `None` where only [`Self::position`] moved. For whoever
    /// has to know of every break. Dropped before it is done, it has taken nothing, as long as [`Self::open`] was called
    /// before: one that is dropped while it opens the stream begins anew.
    ///
    /// # Errors
    /// [`ClientError::Call`] if the stream breaks, [`ClientError::SessionClosed`] if it ends.
    pub async fn step_once(&mut self) -> Result<Option<Event>, ClientError> {
        match self.step().await.map_err(ClientError::call("StreamEvents"))? {
            Some(Step::Event(event)) => {
                self.position = event.position;
                Ok(Some(event))
            }
            Some(Step::Progress(progress)) => {
                self.position = progress.position.or(self.position);
                Ok(None)
            }
            None => Err(ClientError::SessionClosed),
        }
    }

    /// How far the stream has read, events that the filter left out included.
    pub fn position(&self) -> Option<EventPosition> {
        self.position
    }

    async fn opened(&mut self) -> Result<&mut Streaming<StreamEventsResponse>, tonic::Status> {
        if self.stream.is_none() {
            let request = StreamEventsRequest {
                after: self.position,
                account: self.filter.account,
                principal: self.filter.principal,
                kinds: self.filter.kinds.iter().map(|&kind| kind.into()).collect(),
                stop_at_end: false,
            };
            self.stream = Some(self.events.stream_events(request).await?.into_inner());
        }
        Ok(self.stream.as_mut().expect("it was put there"))
    }

    async fn step(&mut self) -> Result<Option<Step>, tonic::Status> {
        let stream = self.opened().await?;
        // A step without content is a kind newer than this client.
        while let Some(message) = stream.message().await? {
            if message.step.is_some() {
                return Ok(message.step);
            }
        }
        Ok(None)
    }
}

/// True if trying again cannot help.
pub(crate) fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::Unimplemented
            | Code::OutOfRange
            | Code::DataLoss
    )
}
