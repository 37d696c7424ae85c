//! The thread that follows the event log from its beginning: it keeps the view, hands answers to waiting calls, and
//! tells streams how far there is something to read.

use crate::answers::Answers;
use crate::link::{EventCursor, EventLog, EventLogError, EventPosition};
use crate::sync::write;
use crate::view::View;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use tidegate_model::EventRecord;
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
    view: Arc<RwLock<View>>,
    followed: watch::Sender<Followed>,
    batch: Vec<EventRecord>,
}

impl Follower {
    pub fn new(
        log: &EventLog,
        view: Arc<RwLock<View>>,
    ) -> Result<(Self, watch::Receiver<Followed>), EventLogError> {
        let (followed, watch) = watch::channel(Followed::default());
        let cursor = log.cursor(EventPosition::default())?;
        let batch = Vec::with_capacity(BATCH);
        Ok((Self { cursor, view, followed, batch }, watch))
    }

    /// Reads one batch; false if there was nothing.
    pub fn step(&mut self, answers: Option<&Answers>) -> Result<bool, EventLogError> {
        self.batch.clear();
        while self.batch.len() < BATCH
            && let Some(record) = self.cursor.next()?
        {
            self.batch.push(record);
        }
        let Some(last) = self.batch.last() else { return Ok(false) };
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
