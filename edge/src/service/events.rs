//! Every event, resumable.

use super::Shared;
use crate::convert::{reports, requests};
use crate::error::Refusal;
use crate::link::EventPosition;
use crate::outlet::{Inlet, Outlet, outlet};
use crate::tail::{End, Read, Tail};
use std::sync::Arc;
use tidegate_client::proto;
use tidegate_client::proto::event_service_server::EventService;
use tidegate_client::proto::stream_events_response::Step;
use tidegate_model::event::EventKind;
use tidegate_model::{AccountId, EventRecord, PrincipalId};
use tonic::{Request, Response, Status};

/// EventService.
#[derive(Clone, Debug)]
pub(crate) struct Events(pub Arc<Shared>);

/// What a stream lets through.
#[derive(Clone, Debug)]
struct Filter {
    account: Option<AccountId>,
    principal: Option<PrincipalId>,
    /// One bit a kind; all, if none was named.
    kinds: u64,
}

/// The bit of a kind; none, if its number is beyond all that have one.
fn bit(kind: u8) -> u64 {
    1u64.checked_shl(kind.into()).unwrap_or(0)
}

impl Filter {
    fn new(request: &proto::StreamEventsRequest) -> Result<Self, Refusal> {
        let mut kinds = 0;
        for &number in &request.kinds {
            let kind =
                u8::try_from(number).ok().and_then(EventKind::from_wire).ok_or_else(|| {
                    Refusal::invalid("kinds", format_args!("{number} is no EventKind"))
                })?;
            kinds |= bit(kind.wire());
        }
        Ok(Self {
            account: request.account.map(requests::account).transpose()?,
            principal: request.principal.map(PrincipalId),
            kinds: if kinds == 0 { u64::MAX } else { kinds },
        })
    }

    fn passes(&self, record: &EventRecord) -> bool {
        self.account.is_none_or(|account| account == record.account)
            && self.principal.is_none_or(|principal| principal == record.principal)
            // Kinds newer than this server pass where no kind is named.
            && (self.kinds == u64::MAX || self.kinds & bit(record.kind) != 0)
    }
}

#[tonic::async_trait]
impl EventService for Events {
    type StreamEventsStream = Outlet<proto::StreamEventsResponse>;

    async fn stream_events(
        &self,
        request: Request<proto::StreamEventsRequest>,
    ) -> Result<Response<Self::StreamEventsStream>, Status> {
        let client = self.0.auth.reader(&request)?;
        let level = self.0.auth.level(&request)?;
        let request = request.into_inner();
        let filter = Filter::new(&request)?;
        let after = reports::position_of(request.after);
        let last = self.0.log.last();
        if after > last {
            return Err(Status::out_of_range(format!(
                "after: seq {} ordinal {} lies beyond the last event, seq {} ordinal {}: it is from another journal",
                after.seq, after.ordinal, last.seq, last.ordinal
            )));
        }
        let (inlet, out) = outlet(self.0.stream_permit(client)?);
        let tail = self.0.tail(after, level)?;
        let stop_after = request.stop_at_end.then_some(last);
        tokio::spawn(stream(Arc::clone(&self.0), tail, filter, stop_after, inlet));
        Ok(Response::new(out))
    }
}

async fn stream(
    shared: Arc<Shared>,
    mut tail: Tail,
    filter: Filter,
    stop_after: Option<EventPosition>,
    inlet: Inlet<proto::StreamEventsResponse>,
) {
    match stream_until(&shared, &mut tail, &filter, stop_after, &inlet).await {
        Ok(()) | Err(End::Gone) => {}
        Err(End::Because(status)) => {
            tracing::info!(reason = status.message(), "event stream ends");
            inlet.close(*status);
        }
    }
}

async fn stream_until(
    shared: &Shared,
    tail: &mut Tail,
    filter: &Filter,
    stop_after: Option<EventPosition>,
    inlet: &Inlet<proto::StreamEventsResponse>,
) -> Result<(), End> {
    if stop_after == Some(tail.position()) {
        return Ok(());
    }
    loop {
        let before = tail.position();
        let read = tokio::select! {
            read = tail.next() => read?,
            () = inlet.closed() => return Ok(()),
        };
        let step = match read {
            Read::Event(record) if filter.passes(&record) => {
                Some(Step::Event(reports::event(&shared.view(), &record)))
            }
            Read::Event(_) => None,
            Read::CaughtUp | Read::Idle => Some(Step::Progress(proto::Progress {
                position: Some(reports::position(tail.position())),
            })),
        };
        if let Some(step) = step {
            let release_level = reports::level(tail.level());
            let message = proto::StreamEventsResponse { step: Some(step), release_level };
            tail.deliver(inlet, message, before).await?;
        }
        if stop_after.is_some_and(|stop| tail.position() >= stop) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::Event;
    use tidegate_model::event::{Account, Execution};

    #[test]
    fn filters_let_through_what_they_name() {
        use bytemuck::Zeroable;
        let mut fill = EventRecord::new(&Event::Execution(Execution::zeroed()));
        fill.account = AccountId(3);
        fill.principal = PrincipalId(9);
        let cash = EventRecord::new(&Event::Account(Account::zeroed()));
        let check = |request: proto::StreamEventsRequest, passes: [bool; 2]| {
            let filter = Filter::new(&request).expect("a filter");
            assert_eq!([filter.passes(&fill), filter.passes(&cash)], passes, "{request:?}");
        };
        let all = proto::StreamEventsRequest::default();
        check(all.clone(), [true, true]);
        check(proto::StreamEventsRequest { account: Some(3), ..all.clone() }, [true, false]);
        check(proto::StreamEventsRequest { principal: Some(9), ..all.clone() }, [true, false]);
        check(proto::StreamEventsRequest { principal: Some(8), ..all.clone() }, [false, false]);
        check(proto::StreamEventsRequest { kinds: vec![4], ..all.clone() }, [false, true]);
        check(proto::StreamEventsRequest { kinds: vec![4, 1], ..all.clone() }, [true, true]);
        // Every kind has a bit of its own.
        for &kind in EventKind::ALL {
            let only =
                proto::StreamEventsRequest { kinds: vec![kind.wire().into()], ..all.clone() };
            let filter = Filter::new(&only).expect("a filter");
            let passes =
                |other: &EventKind| filter.passes(&EventRecord { kind: other.wire(), ..fill });
            let passed: Vec<_> = EventKind::ALL.iter().filter(|kind| passes(kind)).collect();
            assert_eq!(passed, [&kind]);
        }
        for kinds in [vec![0], vec![99], vec![-1]] {
            assert!(Filter::new(&proto::StreamEventsRequest { kinds, ..all.clone() }).is_err());
        }
    }
}
