//! The ways of calls that belong to traces of their callers (W3C Trace Context), for whoever collects them.

use crate::convert::latency::waterfall;
use crate::sync::lock;
use std::collections::BTreeMap;
use std::sync::Mutex;
use tidegate_client::{TRACEPARENT_KEY, proto};
use tidegate_engine::latency::Slow;
use tidegate_model::{PrincipalId, SessionId};
use tokio::sync::broadcast;
use tonic::Request;

/// Calls that are followed at one time; beyond, the oldest is not any more.
const WATCHED_MAX: usize = 4_096;
/// Ways that a collector may be behind before it misses some.
const BEHIND_MAX: usize = 1_024;
/// Characters of version 00.
const LEN: usize = 55;

/// A trace that a call belongs to, and whose token called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    owner: PrincipalId,
    parent: [u8; LEN],
}

impl Trace {
    /// The trace that a request of `owner` names, if that is to be recorded.
    pub fn of<T>(owner: PrincipalId, request: &Request<T>) -> Option<Self> {
        let text = request.metadata().get(TRACEPARENT_KEY)?;
        let parent: [u8; LEN] = text.as_bytes().try_into().ok()?;
        let is_lower_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_in_form = parent.iter().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => *byte == b'-',
            _ => is_lower_hex(byte),
        });
        // The last bit says whether anybody records it.
        let is_sampled =
            char::from(parent[LEN - 1]).to_digit(16).is_some_and(|flags| flags % 2 == 1);
        (is_in_form && parent.starts_with(b"00-") && is_sampled).then_some(Self { owner, parent })
    }
}

/// Calls that are followed, and who collects their ways.
#[derive(Debug)]
pub(crate) struct Traces {
    /// The session of all unary calls.
    session: SessionId,
    watched: Mutex<BTreeMap<u64, Trace>>,
    told: broadcast::Sender<(PrincipalId, proto::LatencyTrace)>,
}

impl Traces {
    pub fn new(session: SessionId) -> Self {
        Self { session, watched: Mutex::default(), told: broadcast::Sender::new(BEHIND_MAX) }
    }

    /// Follows a call that is about to be sent, if anybody collects.
    pub fn watch(&self, request_id: u64, trace: Trace) {
        if self.told.receiver_count() == 0 {
            return;
        }
        let mut watched = lock(&self.watched);
        watched.insert(request_id, trace);
        if watched.len() > WATCHED_MAX {
            watched.pop_first();
        }
    }

    /// A request has come to its end.
    pub fn ended(&self, way: &Slow) {
        if way.trace.session != self.session {
            return;
        }
        let Some(Trace { owner, parent }) = lock(&self.watched).remove(&way.trace.request_id)
        else {
            return;
        };
        let traceparent = String::from_utf8_lossy(&parent).into_owned();
        // Whoever collected may have gone.
        let _ =
            self.told.send((owner, proto::LatencyTrace { traceparent, way: Some(waterfall(way)) }));
    }

    /// Every way from now on, with whose call it was.
    pub fn subscribe(&self) -> broadcast::Receiver<(PrincipalId, proto::LatencyTrace)> {
        self.told.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn trace(text: &str) -> Option<Trace> {
        let mut request = Request::new(());
        request.metadata_mut().insert(TRACEPARENT_KEY, text.parse().expect("ASCII"));
        Trace::of(PrincipalId(5), &request)
    }

    #[test]
    fn only_what_is_recorded_is_followed() {
        assert!(trace(SAMPLED).is_some());
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7--01",
        ] {
            assert_eq!(trace(text), None, "{text}");
        }
    }

    #[test]
    fn nobody_is_followed_for_nobody_and_the_number_is_bounded() {
        let traces = Traces::new(SessionId(1));
        let trace = trace(SAMPLED).expect("a trace");
        traces.watch(1, trace);
        assert!(lock(&traces.watched).is_empty());
        let _collector = traces.subscribe();
        (0..WATCHED_MAX as u64 + 2).for_each(|request_id| traces.watch(request_id, trace));
        let watched = lock(&traces.watched);
        assert_eq!((watched.len(), watched.keys().next()), (WATCHED_MAX, Some(&2)));
    }
}
