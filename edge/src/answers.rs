//! Unary calls that wait for the engine's answer.

use crate::error::Refusal;
use crate::sync::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use tidegate_model::{Event, EventRecord, SessionId};
use tokio::sync::oneshot;

/// What kind of event answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A report about an order.
    Report,
    /// The acknowledgement of a command.
    Ack,
}

#[derive(Debug)]
struct Waiter {
    expect: Expect,
    found: Option<EventRecord>,
    tell: oneshot::Sender<EventRecord>,
}

/// Requests under way, by their number in the session that all unary calls share.
#[derive(Debug)]
pub(crate) struct Answers {
    session: SessionId,
    waiting_max: usize,
    waiting: Mutex<HashMap<u64, Waiter>>,
}

impl Answers {
    pub fn new(session: SessionId, waiting_max: usize) -> Self {
        Self { session, waiting_max, waiting: Mutex::default() }
    }

    /// The session of all unary calls.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Begins to wait for the answer to `request_id`; must precede the request.
    pub fn expect(
        &self,
        request_id: u64,
        expect: Expect,
    ) -> Result<oneshot::Receiver<EventRecord>, Refusal> {
        let (tell, answer) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= self.waiting_max {
            return Err(Refusal::exhausted(format_args!(
                "{} calls wait for the engine already, the most that may (waiting_max); try again",
                self.waiting_max
            )));
        }
        waiting.insert(request_id, Waiter { expect, found: None, tell });
        Ok(answer)
    }

    /// Stops waiting.
    pub fn forget(&self, request_id: u64) {
        lock(&self.waiting).remove(&request_id);
    }

    /// Takes note of the answers among `events`, which end with the last event of an input, and hands them on.
    ///
    /// One input may say several things about an order (accepted, filled): the last is the answer.
    pub fn hand_on(&self, events: &[EventRecord]) {
        let mut waiting = lock(&self.waiting);
        if waiting.is_empty() {
            return;
        }
        let mut answered = Vec::new();
        for record in events.iter().filter(|record| record.session == self.session) {
            let Some(waiter) = waiting.get_mut(&record.request_id) else { continue };
            let is_answer = match record.event() {
                Some(Event::Execution(_) | Event::CancelReject(_)) => {
                    waiter.expect == Expect::Report
                }
                Some(Event::Ack(_)) => waiter.expect == Expect::Ack,
                _ => false,
            };
            if is_answer {
                if waiter.found.is_none() {
                    answered.push(record.request_id);
                }
                let first_seq = waiter.found.map(|found| found.seq);
                if first_seq.is_none_or(|seq| seq == record.seq) {
                    waiter.found = Some(*record);
                }
            }
        }
        for request_id in answered {
            if let Some(Waiter { found: Some(record), tell, .. }) = waiting.remove(&request_id) {
                // The caller may have gone; then nobody wants to know.
                let _ = tell.send(record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use tidegate_model::SeqNo;
    use tidegate_model::event::{Ack, ExecType, Execution};

    fn record(session: u32, request_id: u64, seq: u64, event: Event) -> EventRecord {
        let mut record = EventRecord::new(&event);
        record.session = SessionId(session);
        record.request_id = request_id;
        record.seq = SeqNo(seq);
        record
    }

    fn report(exec_type: ExecType) -> Event {
        Event::Execution(Execution { exec_type: exec_type.wire(), ..Execution::zeroed() })
    }

    #[test]
    fn last_report_of_the_first_input_answers() {
        let answers = Answers::new(SessionId(3), 8);
        let mut answer = answers.expect(1, Expect::Report).expect("room");
        answers.hand_on(&[
            record(2, 1, 4, report(ExecType::Rejected)),
            record(3, 1, 5, Event::Ack(Ack::zeroed())),
            record(3, 1, 5, report(ExecType::New)),
            record(3, 1, 5, report(ExecType::Trade)),
            record(3, 1, 6, report(ExecType::Canceled)),
        ]);
        let found = answer.try_recv().expect("an answer");
        let Some(Event::Execution(execution)) = found.event() else { panic!("not a report") };
        assert_eq!(execution.exec_type, ExecType::Trade.wire());
    }

    #[test]
    fn waiting_calls_are_bounded() {
        let answers = Answers::new(SessionId(1), 1);
        let _first = answers.expect(1, Expect::Ack).expect("room");
        let refusal = answers.expect(2, Expect::Ack).expect_err("full");
        assert!(refusal.text.contains("waiting_max"), "{}", refusal.text);
        answers.forget(1);
        assert!(answers.expect(2, Expect::Ack).is_ok());
    }
}
