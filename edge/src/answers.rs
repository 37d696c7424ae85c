//! Unary calls that wait for the engine's answer.
//!
//! One input may say several things about an order (accepted, filled, filled again): the last of them is the answer, and
//! it is handed on when the input's last event has come. What else it says to the caller goes with it: the proposal that a
//! change became, the verdicts of all controls.

use crate::error::Refusal;
use crate::sync::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use tidegate_model::event::ProposalStatus;
use tidegate_model::{Event, EventRecord, SessionId};
use tokio::sync::oneshot;

/// What kind of event answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// A report about an order.
    Report,
    /// The acknowledgement of a command.
    Ack,
    /// What an account is worth or, where that cannot be told, the acknowledgement.
    Equity,
    /// What becomes of a list.
    List,
    /// What each control says, then the acknowledgement.
    Verdicts,
}

/// Events that go with an answer at most: one for each control that can look at one order, in each of its scopes. Further ones
/// are counted.
pub(crate) const BESIDE_MAX: usize = 512;

/// Kills that may wait beside `waiting_max` other calls: more than people press a button at one time.
const KILLS_WAITING_MAX: usize = 64;

/// What the engine answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The event that answers.
    pub record: EventRecord,
    /// What goes with it, in its order.
    pub beside: Vec<EventRecord>,
    /// How many more there were.
    pub left_out: u64,
}

impl Answer {
    /// The number of the proposal that a change became; 0 if it waits for nobody.
    pub fn proposal(&self) -> u64 {
        let number = |record: &EventRecord| match record.event() {
            Some(Event::Proposal(proposal)) => Some(proposal.number),
            _ => None,
        };
        self.beside.iter().find_map(number).unwrap_or(0)
    }
}

#[derive(Debug)]
struct Waiter {
    expect: Expect,
    found: Option<EventRecord>,
    beside: Vec<EventRecord>,
    left_out: u64,
    tell: oneshot::Sender<Answer>,
}

impl Waiter {
    /// Takes note of an event that names the request; true if it is the first that answers it.
    fn hears(&mut self, record: &EventRecord) -> bool {
        if self.goes_beside(record) {
            if self.beside.len() < BESIDE_MAX {
                self.beside.push(*record);
            } else {
                self.left_out += 1;
            }
            return false;
        }
        let is_answer = match record.event() {
            Some(Event::Execution(_) | Event::CancelReject(_)) => self.expect == Expect::Report,
            Some(Event::Ack(_)) => {
                matches!(self.expect, Expect::Ack | Expect::Verdicts)
                    || self.expect == Expect::Equity && self.found.is_none()
            }
            Some(Event::Equity(_)) => self.expect == Expect::Equity,
            Some(Event::ListStatus(_)) => self.expect == Expect::List,
            _ => false,
        };
        is_answer && self.found.replace(*record).is_none()
    }

    fn goes_beside(&self, record: &EventRecord) -> bool {
        match record.event() {
            Some(Event::Verdict(_)) => self.expect == Expect::Verdicts,
            Some(Event::Proposal(proposal)) => {
                self.expect == Expect::Ack && proposal.status == ProposalStatus::Pending.wire()
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
    /// Requests that the input whose events are coming has answered.
    answered: Vec<u64>,
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
    ) -> Result<oneshot::Receiver<Answer>, Refusal> {
        self.begin(request_id, expect, self.waiting_max)
    }

    /// The same for what stops trading: there is room for it when others have to wait.
    pub fn expect_kill(&self, request_id: u64) -> Result<oneshot::Receiver<Answer>, Refusal> {
        self.begin(request_id, Expect::Ack, self.waiting_max.saturating_add(KILLS_WAITING_MAX))
    }

    fn begin(
        &self,
        request_id: u64,
        expect: Expect,
        waiting_max: usize,
    ) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let (tell, answer) = oneshot::channel();
        let waiters = &mut lock(&self.waiting).waiters;
        if waiters.len() >= waiting_max {
            return Err(Refusal::exhausted(format_args!(
                "{waiting_max} calls wait for the engine already, the most that may (waiting_max); try again"
            )));
        }
        let waiter = Waiter { expect, found: None, beside: Vec::new(), left_out: 0, tell };
        waiters.insert(request_id, waiter);
        Ok(answer)
    }

    /// Stops waiting.
    pub fn forget(&self, request_id: u64) {
        let waiting = &mut *lock(&self.waiting);
        waiting.waiters.remove(&request_id);
        waiting.answered.retain(|answered| *answered != request_id);
    }

    /// Takes note of the answers among `events`, which follow those of the last call, and hands on what is complete.
    pub fn hand_on(&self, events: &[EventRecord]) {
        let Waiting { waiters, answered } = &mut *lock(&self.waiting);
        for record in events {
            if record.session == self.session
                && let Some(waiter) = waiters.get_mut(&record.request_id)
                && waiter.hears(record)
            {
                answered.push(record.request_id);
            }
            if record.is_last_of_input() {
                for request_id in answered.drain(..) {
                    let waiter = waiters.remove(&request_id);
                    if let Some(Waiter { found: Some(record), beside, left_out, tell, .. }) = waiter
                    {
                        // The caller may have gone; then nobody wants to know.
                        let _ = tell.send(Answer { record, beside, left_out });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use tidegate_model::SeqNo;
    use tidegate_model::event::{
        Account, Ack, ExecType, Execution, FLAG_LAST_OF_INPUT, Proposal, Verdict,
    };

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

    fn last(record: EventRecord) -> EventRecord {
        EventRecord { flags: FLAG_LAST_OF_INPUT, ..record }
    }

    #[test]
    fn last_report_of_the_first_input_answers() {
        let answers = Answers::new(SessionId(3), 8);
        let mut answer = answers.expect(1, Expect::Report).expect("room");
        // However the log's reader cuts the input.
        for event in [
            last(record(2, 1, 4, report(ExecType::Rejected))),
            record(3, 1, 5, Event::Ack(Ack::zeroed())),
            record(3, 1, 5, report(ExecType::New)),
            record(3, 1, 5, report(ExecType::Trade)),
        ] {
            answers.hand_on(&[event]);
            assert!(answer.try_recv().is_err(), "the input may say more");
        }
        answers.hand_on(&[
            last(record(3, 1, 5, Event::Account(Account::zeroed()))),
            last(record(3, 1, 6, report(ExecType::Canceled))),
        ]);
        let found = answer.try_recv().expect("an answer").record;
        let Some(Event::Execution(execution)) = found.event() else { panic!("not a report") };
        assert_eq!(execution.exec_type, ExecType::Trade.wire());
    }

    #[test]
    fn each_call_of_an_input_is_answered_and_one_that_gave_up_is_forgotten() {
        let answers = Answers::new(SessionId(3), 8);
        let mut first = answers.expect(1, Expect::Report).expect("room");
        let mut second = answers.expect(2, Expect::Report).expect("room");
        let third = answers.expect(4, Expect::Report).expect("room");
        let canceled = || report(ExecType::Canceled);
        answers.hand_on(&[record(3, 1, 5, canceled()), record(3, 4, 5, canceled())]);
        drop(third);
        answers.forget(4);
        answers.hand_on(&[last(record(3, 2, 5, canceled()))]);
        assert_eq!(first.try_recv().expect("an answer").record.request_id, 1);
        assert_eq!(second.try_recv().expect("an answer").record.request_id, 2);
        assert!(answers.expect(5, Expect::Ack).is_ok());
    }

    #[test]
    fn verdicts_go_with_the_answer_up_to_their_bound() {
        for (count, kept, left_out) in
            [(0, 0, 0), (3, 3, 0), (BESIDE_MAX as u64 + 2, BESIDE_MAX, 2)]
        {
            let answers = Answers::new(SessionId(3), 8);
            let mut answer = answers.expect(1, Expect::Verdicts).expect("room");
            for limit in 0..i128::from(count) {
                let verdict = Verdict { limit, ..Verdict::zeroed() };
                // Those of another request are not this one's.
                answers.hand_on(&[record(3, 2, 5, Event::Verdict(verdict))]);
                answers.hand_on(&[record(3, 1, 5, Event::Verdict(verdict))]);
            }
            answers.hand_on(&[last(record(3, 1, 5, Event::Ack(Ack::zeroed())))]);
            let Answer { beside, left_out: more, .. } = answer.try_recv().expect("an answer");
            assert_eq!((beside.len(), more), (kept, left_out));
            for (at, record) in (0..).zip(&beside) {
                assert!(matches!(record.event(), Some(Event::Verdict(v)) if v.limit == at));
            }
        }
    }

    #[test]
    fn a_change_that_waits_is_answered_with_its_proposal() {
        for (status, number) in [(ProposalStatus::Pending, 17), (ProposalStatus::Approved, 0)] {
            let answers = Answers::new(SessionId(3), 8);
            let mut answer = answers.expect(1, Expect::Ack).expect("room");
            let proposal = Proposal { number: 17, status: status.wire(), ..Proposal::zeroed() };
            answers.hand_on(&[
                record(3, 1, 5, Event::Proposal(proposal)),
                last(record(3, 1, 5, Event::Ack(Ack::zeroed()))),
            ]);
            assert_eq!(answer.try_recv().expect("an answer").proposal(), number, "{status}");
        }
    }

    #[test]
    fn waiting_calls_are_bounded() {
        let answers = Answers::new(SessionId(1), 1);
        let _first = answers.expect(1, Expect::Ack).expect("room");
        let refusal = answers.expect(2, Expect::Ack).expect_err("full");
        let kills = 100..100 + KILLS_WAITING_MAX as u64;
        let waiting: Vec<_> = kills.clone().map(|id| answers.expect_kill(id)).collect();
        assert!(waiting.iter().all(Result::is_ok), "there is room for kills");
        assert!(answers.expect_kill(99).is_err(), "and it has a bound");
        kills.for_each(|id| answers.forget(id));
        assert!(refusal.text.contains("waiting_max"), "{}", refusal.text);
        answers.forget(1);
        assert!(answers.expect(2, Expect::Ack).is_ok());
    }
}
