//! Unary calls that wait for the engine's answer.
//!
//! One input may say several things about an order (accepted, filled, filled again): the last of them is the answer. Its
//! events come one by one, and nothing in an event says that it is its input's last. A call is answered when
//!
//! 1. an event comes that nothing of the same request can follow in its input, see [`Waiter::is_answered_by`], or
//! 2. an event of a later input comes, or
//! 3. the engine is known to have gone past the input, and all that it said has been read: [`Answers::settle`].

use crate::error::Refusal;
use crate::sync::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use tidegate_model::event::{ExecType, OrdStatus};
use tidegate_model::{Event, EventRecord, SeqNo, SessionId};
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

impl Waiter {
    /// Takes note of an event that names the request; true if nothing of this request can follow it in its input.
    fn is_answered_by(&mut self, record: &EventRecord) -> bool {
        if self.found.is_some_and(|found| found.seq != record.seq) {
            return false;
        }
        match (self.expect, record.event()) {
            // The engine acknowledges a command after all that the command did.
            (Expect::Ack, Some(Event::Ack(_))) | (Expect::Report, Some(Event::CancelReject(_))) => {
                self.found = Some(*record);
                true
            }
            (Expect::Report, Some(Event::Execution(execution))) => {
                self.found = Some(*record);
                // On its way, or at its end. A fill has position and account still to come.
                ExecType::from_wire(execution.exec_type).is_some_and(|exec_type| {
                    matches!(
                        exec_type,
                        ExecType::PendingNew
                            | ExecType::PendingCancel
                            | ExecType::PendingReplace
                            | ExecType::Rejected
                            | ExecType::Canceled
                            | ExecType::Expired
                    )
                })
            }
            // The account is the last word about a fill, and a fill that leaves nothing open is the last one.
            (Expect::Report, Some(Event::Account(_))) => {
                let found = self.found.and_then(|found| found.event());
                matches!(found, Some(Event::Execution(execution))
                    if execution.ord_status == OrdStatus::Filled.wire())
            }
            _ => false,
        }
    }
}

/// Requests under way, by their number in the session that all unary calls share.
#[derive(Debug)]
pub(crate) struct Answers {
    session: SessionId,
    waiting_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    waiters: HashMap<u64, Waiter>,
    /// Requests of `input` that have an answer which may not be the last.
    open: Vec<u64>,
    /// The input that those belong to.
    input: SeqNo,
}

impl Waiting {
    fn answer(&mut self, request_id: u64) {
        if let Some(Waiter { found: Some(record), tell, .. }) = self.waiters.remove(&request_id) {
            // The caller may have gone; then nobody wants to know.
            let _ = tell.send(record);
        }
    }

    /// The input behind the open answers has said everything.
    fn answer_open(&mut self) {
        while let Some(request_id) = self.open.pop() {
            self.answer(request_id);
        }
    }
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
        let waiters = &mut lock(&self.waiting).waiters;
        if waiters.len() >= self.waiting_max {
            return Err(Refusal::exhausted(format_args!(
                "{} calls wait for the engine already, the most that may (waiting_max); try again",
                self.waiting_max
            )));
        }
        waiters.insert(request_id, Waiter { expect, found: None, tell });
        Ok(answer)
    }

    /// Stops waiting.
    pub fn forget(&self, request_id: u64) {
        let waiting = &mut *lock(&self.waiting);
        waiting.waiters.remove(&request_id);
        waiting.open.retain(|open| *open != request_id);
    }

    /// Takes note of the answers among `events`, which follow those of the last call, and hands on what is complete.
    pub fn hand_on(&self, events: &[EventRecord]) {
        let waiting = &mut *lock(&self.waiting);
        for record in events {
            if record.seq > waiting.input {
                waiting.answer_open();
                waiting.input = record.seq;
            }
            if record.session != self.session {
                continue;
            }
            let Some(waiter) = waiting.waiters.get_mut(&record.request_id) else { continue };
            let was_open = waiter.found.is_some();
            if waiter.is_answered_by(record) {
                waiting.answer(record.request_id);
            } else if !was_open && waiter.found.is_some() {
                waiting.open.push(record.request_id);
            }
        }
    }

    /// Every event of the inputs up to `seq` has been handed on: what they said is complete.
    pub fn settle(&self, seq: SeqNo) {
        let waiting = &mut *lock(&self.waiting);
        if waiting.input <= seq {
            waiting.answer_open();
        }
    }

    /// True if a call has an answer that may not be complete.
    pub fn is_any_open(&self) -> bool {
        !lock(&self.waiting).open.is_empty()
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
