//! The thread that follows the event log from its beginning: it keeps the view, hands answers to waiting calls, and
//! tells streams how far there is something to read.

use crate::answers::Answers;
use crate::link::{EngineStatus, EventCursor, EventLog, EventLogError, EventPosition};
use crate::sync::write;
use crate::view::View;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use tidegate_model::{EventRecord, SeqNo};
use tokio::sync::watch;

/// Events taken in under one lock of the view.
const BATCH: usize = 256;
/// The thread looks for itself this often, should a wake-up be lost.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How far the edge has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Events read since the edge started.
    pub count: u64,
    /// The last of them.
    pub position: EventPosition,
    /// True if the log cannot be read any further: streams end.
    pub is_broken: bool,
}

/// What the thread works on.
pub(crate) struct Follower {
    cursor: EventCursor,
    status: Arc<EngineStatus>,
    view: Arc<RwLock<View>>,
    followed: watch::Sender<Followed>,
    batch: Vec<EventRecord>,
    /// Where the engine stood when the log was last found read to its end; zero after an event was read.
    stood: SeqNo,
}

impl Follower {
    pub fn new(
        log: &EventLog,
        status: Arc<EngineStatus>,
        view: Arc<RwLock<View>>,
    ) -> Result<(Self, watch::Receiver<Followed>), EventLogError> {
        let (followed, watch) = watch::channel(Followed::default());
        let cursor = log.cursor(EventPosition::default())?;
        let (batch, stood) = (Vec::with_capacity(BATCH), SeqNo::ZERO);
        Ok((Self { cursor, status, view, followed, batch, stood }, watch))
    }

    /// Reads one batch; false if there was nothing.
    pub fn step(&mut self, answers: Option<&Answers>) -> Result<bool, EventLogError> {
        // Read before the log: what the engine said about these inputs is in there, or in the ring before it.
        let stands = SeqNo(self.status.seq.load(Ordering::Acquire));
        self.batch.clear();
        while self.batch.len() < BATCH
            && let Some(record) = self.cursor.next()?
        {
            self.batch.push(record);
        }
        let Some(last) = self.batch.last() else {
            if let Some(answers) = answers {
                // The ring cannot be seen from here. The log's thread is not asleep: it looks again right after it
                // has handed over the beginning of an input, and the second look in vain leaves it time to.
                answers.settle(self.stood);
            }
            self.stood = stands;
            return Ok(false);
        };
        self.stood = SeqNo::ZERO;
        let position = EventPosition { seq: last.seq, ordinal: last.ordinal };
        {
            let mut view = write(&self.view);
            self.batch.iter().for_each(|record| view.apply(record));
        }
        if let Some(answers) = answers {
            answers.hand_on(&self.batch);
        }
        let count = self.batch.len() as u64;
        self.followed.send_modify(|followed| {
            followed.count += count;
            followed.position = position;
        });
        Ok(true)
    }

    /// Runs until `stop`, on a thread of its own.
    pub fn spawn(
        mut self,
        log: &EventLog,
        answers: Arc<Answers>,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<JoinHandle<()>> {
        let sleeper: Arc<OnceLock<Thread>> = Arc::default();
        let wake = Arc::clone(&sleeper);
        log.on_append(Box::new(move || {
            if let Some(thread) = wake.get() {
                thread.unpark();
            }
        }));
        std::thread::Builder::new().name("edge-follow".into()).spawn(move || {
            sleeper.get_or_init(std::thread::current);
            while !stop.load(Ordering::Acquire) {
                match self.step(Some(&answers)) {
                    Ok(true) => {}
                    // The engine ends an input within microseconds, and the log's thread takes it over.
                    Ok(false) if answers.is_any_open() => std::thread::yield_now(),
                    Ok(false) => std::thread::park_timeout(LOOK_EVERY),
                    Err(error) => {
                        tracing::error!(%error, "the event log cannot be read; streams and queries stand still");
                        self.followed.send_modify(|followed| followed.is_broken = true);
                        return;
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Expect;
    use bytemuck::Zeroable;
    use tidegate_engine::event_log::{self, EventLogHandle};
    use tidegate_model::event::{Account, ExecType, Execution, OrdStatus, Position};
    use tidegate_model::{Event, SessionId};

    /// A log that shows events one by one, an engine whose place the test sets, and a follower that is not a thread.
    struct Bench {
        ring: rtrb::Producer<EventRecord>,
        log: EventLogHandle,
        status: Arc<EngineStatus>,
        follower: Follower,
        answers: Answers,
        _dir: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let (writer, events) = event_log::open(dir.path(), Default::default()).expect("a log");
            let (ring, taken) = rtrb::RingBuffer::new(64);
            let log = event_log::start(writer, taken).expect("a thread");
            let status = Arc::<EngineStatus>::default();
            let view = Arc::new(RwLock::new(View::new(8)));
            let (follower, _) =
                Follower::new(&events, Arc::clone(&status), view).expect("a cursor");
            Self { ring, log, status, follower, answers: Answers::new(SessionId(1), 8), _dir: dir }
        }

        /// One more event is in the log, and the follower has looked until there was nothing more, and once again.
        fn shows(&mut self, seq: u64, ordinal: u32, request_id: u64, event: Event) {
            let mut record = EventRecord::new(&event);
            (record.seq, record.ordinal) = (SeqNo(seq), ordinal);
            (record.session, record.request_id) = (SessionId(1), request_id);
            self.ring.push(record).expect("room");
            self.log.settle().expect("the thread runs");
            self.looks(3);
        }

        fn looks(&mut self, times: u32) {
            for _ in 0..times {
                self.follower.step(Some(&self.answers)).expect("a log");
            }
        }

        fn engine_has_applied(&self, seq: u64) {
            self.status.seq.store(seq, Ordering::Release);
        }
    }

    fn report(exec_type: ExecType, ord_status: OrdStatus, cum_qty: u64) -> Event {
        Event::Execution(Execution {
            exec_type: exec_type.wire(),
            ord_status: ord_status.wire(),
            cum_qty: tidegate_model::Lots(cum_qty),
            ..Execution::zeroed()
        })
    }

    fn new() -> Event {
        report(ExecType::New, OrdStatus::New, 0)
    }

    fn partial_fill() -> Event {
        report(ExecType::Trade, OrdStatus::PartiallyFilled, 5)
    }

    fn last_fill() -> Event {
        report(ExecType::Trade, OrdStatus::Filled, 9)
    }

    fn cum_qty(record: &EventRecord) -> u64 {
        let Some(Event::Execution(execution)) = record.event() else { panic!("not a report") };
        execution.cum_qty.0
    }

    #[test]
    fn an_input_that_is_shown_piecemeal_is_answered_whole() {
        let mut bench = Bench::new();
        bench.engine_has_applied(6);
        let mut answer = bench.answers.expect(1, Expect::Report).expect("room");
        let position = || Event::Position(Position::zeroed());
        let account = || Event::Account(Account::zeroed());
        let events =
            [new(), partial_fill(), position(), account(), last_fill(), position(), account()];
        for (ordinal, event) in (0..).zip(events) {
            assert!(answer.try_recv().is_err(), "answered before event {ordinal}");
            bench.shows(7, ordinal, 1, event);
        }
        // The engine still stands before the input; a filled order has nothing more to say.
        assert_eq!(cum_qty(&answer.try_recv().expect("an answer")), 9);
    }

    #[test]
    fn an_open_order_is_answered_when_the_engine_has_gone_past_it() {
        let mut bench = Bench::new();
        let mut answer = bench.answers.expect(1, Expect::Report).expect("room");
        bench.shows(7, 0, 1, new());
        bench.engine_has_applied(6);
        bench.looks(3);
        assert!(answer.try_recv().is_err(), "the engine is at this input");
        bench.engine_has_applied(7);
        bench.looks(1);
        assert!(answer.try_recv().is_err(), "a look that began before may have missed the ring");
        // What was still in the ring comes in time.
        bench.shows(7, 1, 1, partial_fill());
        assert_eq!(cum_qty(&answer.try_recv().expect("an answer")), 5);
        assert!(!bench.answers.is_any_open());
    }

    #[test]
    fn an_open_order_is_answered_when_a_later_input_speaks() {
        let mut bench = Bench::new();
        let mut answer = bench.answers.expect(1, Expect::Report).expect("room");
        bench.shows(7, 0, 1, new());
        bench.shows(7, 1, 1, partial_fill());
        assert!(answer.try_recv().is_err());
        bench.shows(9, 0, 0, Event::Account(Account::zeroed()));
        assert_eq!(cum_qty(&answer.try_recv().expect("an answer")), 5);
    }

    #[test]
    fn nobody_waits_for_a_call_that_gave_up() {
        let mut bench = Bench::new();
        let answer = bench.answers.expect(1, Expect::Report).expect("room");
        bench.shows(7, 0, 1, new());
        assert!(bench.answers.is_any_open());
        drop(answer);
        bench.answers.forget(1);
        assert!(!bench.answers.is_any_open());
    }
}
