//! The event log: every event, in order, numbered, on disk; kept by a thread behind the engine.
//!
//! It is a journal of its own whose frames hold [`EventRecord`]s; a frame's number counts events from 1. It is
//! derived: what is missing after a crash, the engine sends again as it replays its inputs. Every stream of events
//! reads it at its own pace, so a slow consumer delays nobody.
//!
//! An event enters the log when its input is released, and stays in the ring until then: whatever reads the log sees
//! only what may leave. The log's own sync is lazy, by a thread of its own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_journal::frame::KIND_EVENT;
use tidegate_journal::protection::{Protection, is_removed};
use tidegate_journal::recovery::{cut_after, find_end};
use tidegate_journal::writer::Check;
use tidegate_journal::{
    Config, Dir, JournalError, Reader, Release, Rest, SyncPolicy, SyncThread, Syncer, Watermark,
    Writer, headers,
};
use tidegate_model::{EventRecord, ReleaseLevel, SeqNo};
use tidegate_ring::queue::Receiver;

/// How long the log's thread sleeps when no event is there.
const PARK: Duration = Duration::from_micros(20);
/// How long it goes on like that when nothing comes: each look takes a core from whoever has it.
const QUIET: Duration = Duration::from_micros(500);
/// How long it sleeps then where somebody would wake it.
const SLEEP: Duration = Duration::from_millis(5);
/// Events taken before listeners are woken.
const BATCH: usize = 256;
/// How long the end waits for what is not released: longer than any disk takes, and than a follower to come back.
pub const RELEASE_PATIENCE: Duration = Duration::from_secs(10);

/// Where an event stands: the input that caused it, and its place among that input's events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventPosition {
    /// The input.
    pub seq: SeqNo,
    /// The place, from 0.
    pub ordinal: u32,
}

impl EventPosition {
    /// The position of `event`.
    pub const fn of(event: &EventRecord) -> Self {
        Self { seq: event.seq, ordinal: event.ordinal }
    }
}

/// Why the event log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventLogError {
    /// The files.
    #[error("the event log failed: {0}")]
    Journal(#[from] JournalError),
    /// The journal that the log belongs to.
    #[error("the journal failed: {0}")]
    Beside(#[source] JournalError),
    /// Its first segments are gone. Queries are answered from all events, and resumed streams would miss some.
    #[error(
        "the event log in {dir} begins with event {first}: restore its first segments (tidegate journal restore), or remove that folder, which is rebuilt if the journal goes back to its first input"
    )]
    NoBeginning {
        /// Its folder.
        dir: std::path::PathBuf,
        /// The first event that is there.
        first: u64,
    },
    /// A record that is no event.
    #[error("record {number} of the event log is no event")]
    NotAnEvent {
        /// Its number.
        number: u64,
    },
    /// The operating system gave no thread.
    #[error("cannot start the event log's thread: {0}")]
    Thread(std::io::Error),
    /// The thread has ended before it was told to.
    #[error("the event log's thread has ended")]
    Stopped,
    /// The thread panicked.
    #[error("the event log's thread stopped on a broken invariant")]
    Panicked,
    /// The log's files cannot be made to last.
    #[error("the event log cannot be synced: {0}; restart, what is missing is written anew")]
    Sync(String),
    /// The end came before the release of the last outputs.
    #[error(
        "{events} events of inputs {first} to {last} were never released: the level '{level}' holds up to input {released}; they are in the journal, and are told after a restart as soon as they may"
    )]
    Unreleased {
        /// How many.
        events: usize,
        /// The input of the first of them.
        first: SeqNo,
        /// The input of the last of them.
        last: SeqNo,
        /// What they waited for.
        level: ReleaseLevel,
        /// How far that had come.
        released: SeqNo,
    },
}

type Listener = Box<dyn Fn() + Send + Sync>;

/// How far the thread was asked to get, and has got: see [`EventLogHandle::settle`].
#[derive(Debug, Default)]
struct Settling {
    asked: AtomicU64,
    done: AtomicU64,
}

struct Shared {
    dir: Dir,
    watermark: Arc<Watermark>,
    /// The first event of each segment: its number, and where it stands. A reader walks through one segment anyway, to check its
    /// frames, so that more entries would spare nothing.
    index: RwLock<Vec<(u64, EventPosition)>>,
    /// The number of events.
    count: AtomicU64,
    last: RwLock<EventPosition>,
    listeners: RwLock<Vec<Listener>>,
}

/// A handle on the event log: clone it freely.
#[derive(Clone)]
pub struct EventLog(Arc<Shared>);

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventLog({}, {} events)", self.0.dir.path().display(), self.count())
    }
}

/// The one who writes; hand it to [`start`].
#[derive(Debug)]
pub struct EventLogWriter {
    writer: Writer,
    /// The segment that the last event went to; 0 before the first, which goes to a new one.
    segment: u64,
    log: EventLog,
}

/// Opens the event log of the journal in `journal`: the folder `events` in it. Events of inputs that the journal lost when its
/// machine lost power are cut and set aside, unless `level` waited for the disk; how many that were is the last of what is returned.
///
/// # Errors
/// As [`open`], and what is wrong with the journal.
pub fn open_beside(
    journal: impl Into<Dir>,
    config: Config,
    level: ReleaseLevel,
) -> Result<(EventLogWriter, EventLog, u64), EventLogError> {
    let journal = journal.into();
    let dir = journal.join("events");
    let opened = open(&dir, config.clone())?;
    let end = find_end(&journal).map_err(EventLogError::Beside)?;
    let kept_to = match end {
        // The disk had it before anybody was told: the engine finds that the journal lost it, and refuses.
        Some(_) if level.is_synced() => return Ok((opened.0, opened.1, 0)),
        // One that was closed in order lost nothing: the two do not belong together, which the engine finds.
        Some(end)
            if !end.was_closed
                && opened.1.last().seq > end.last_seq
                && !is_removed(Protection::LogCut) =>
        {
            end.last_seq
        }
        _ => return Ok((opened.0, opened.1, 0)),
    };
    let lost = cut(&dir, opened, kept_to)?;
    let (writer, log) = open(&dir, config)?;
    Ok((writer, log, lost))
}

/// Cuts the events of inputs behind `after` from the event log of the journal in `journal`, and sets them aside; how many they were.
/// For a journal of which those inputs are to be cut next: a log that is shorter is told again, one that is longer is refused.
///
/// # Errors
/// As [`open`].
pub fn cut_beside(
    journal: impl Into<Dir>,
    config: Config,
    after: SeqNo,
) -> Result<u64, EventLogError> {
    let dir = journal.into().join("events");
    let opened = open(&dir, config)?;
    cut(&dir, opened, after)
}

fn cut(
    dir: &Dir,
    (writer, log): (EventLogWriter, EventLog),
    after: SeqNo,
) -> Result<u64, EventLogError> {
    let (count, kept) = (log.count(), log.count_up_to(after)?);
    drop(writer);
    if kept < count {
        cut_after(dir, SeqNo(kept))?;
    }
    Ok(count - kept)
}

/// Opens the event log in `dir`, recovering what a crash left.
///
/// # Errors
/// [`EventLogError`] for damage, or a file that is no event log.
pub fn open(
    dir: impl Into<Dir>,
    config: Config,
) -> Result<(EventLogWriter, EventLog), EventLogError> {
    let dir = dir.into();
    // Every record is read: whoever leads must be able to serve all of them, and finds out before it leads.
    let (writer, _) = Writer::open(&dir, Config { check: Check::All, ..config })?;
    let count = writer.last_seq().0;
    let mut reader = Reader::open(&dir)?;
    let mut first_from = |number: SeqNo| {
        reader.seek(number)?;
        next_event(&mut reader)
    };
    let mut index: Vec<(u64, EventPosition)> = Vec::new();
    for first in headers(&dir)?.into_iter().filter_map(|header| header.first_seq) {
        let is_new = index.last().is_none_or(|(number, _)| *number < first.0);
        if is_new && let Some((number, event)) = first_from(first)? {
            index.push((number, EventPosition::of(&event)));
        }
    }
    let begins_at = index.first().map_or(count + 1, |(number, _)| *number);
    if begins_at > 1 {
        return Err(EventLogError::NoBeginning { dir: dir.path().to_path_buf(), first: begins_at });
    }
    let last = match count {
        0 => None,
        count => first_from(SeqNo(count))?,
    };
    let last = last.map_or_else(EventPosition::default, |(_, event)| EventPosition::of(&event));
    let log = EventLog(Arc::new(Shared {
        dir,
        watermark: writer.watermark(),
        index: RwLock::new(index),
        count: AtomicU64::new(count),
        last: RwLock::new(last),
        listeners: RwLock::new(Vec::new()),
    }));
    Ok((EventLogWriter { writer, segment: 0, log: log.clone() }, log))
}

/// The next event with its number; `None` if there is none yet.
fn next_event(reader: &mut Reader) -> Result<Option<(u64, EventRecord)>, EventLogError> {
    while let Some(record) = reader.next()? {
        if record.kind == KIND_EVENT {
            return Ok(Some((record.seq.0, record.pod()?)));
        }
    }
    Ok(None)
}

/// The running thread.
#[derive(Debug)]
pub struct EventLogHandle {
    thread: JoinHandle<Result<(), EventLogError>>,
    stop: Arc<AtomicBool>,
    settling: Arc<Settling>,
}

impl EventLogHandle {
    /// Waits until every event that was in the ring before this call is in the log: at a level that waits for others as
    /// long as they take, and as `goes_on` is true, which is asked every now and then.
    ///
    /// # Errors
    /// [`EventLogError::Stopped`] if the thread has ended, or nothing goes on; [`Self::stop`] says why.
    pub fn settle(&self, mut goes_on: impl FnMut() -> bool) -> Result<(), EventLogError> {
        let asked = self.settling.asked.fetch_add(1, Ordering::Release) + 1;
        while self.settling.done.load(Ordering::Acquire) < asked {
            if self.thread.is_finished() || !goes_on() {
                return Err(EventLogError::Stopped);
            }
            std::thread::sleep(PARK);
        }
        Ok(())
    }

    /// Stops once the ring is empty, and seals the log. Call it after the engine has stopped. Waits for what is not
    /// released for [`RELEASE_PATIENCE`] at most.
    ///
    /// # Errors
    /// What stopped the thread before; [`EventLogError::Unreleased`] with what stayed behind.
    pub fn stop(self) -> Result<(), EventLogError> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap_or(Err(EventLogError::Panicked))
    }
}

/// Starts the thread that moves events from `ring` into the log, each when `release` lets it.
///
/// # Errors
/// [`EventLogError::Thread`].
pub fn start(
    writer: EventLogWriter,
    ring: Receiver<EventRecord>,
    release: Arc<Release>,
) -> Result<EventLogHandle, EventLogError> {
    let stop = Arc::new(AtomicBool::new(false));
    let settling = Arc::<Settling>::default();
    let syncing = Arc::<Release>::default();
    let (syncer, watermark) = (writer.writer.syncer(), writer.writer.watermark());
    let policy = SyncPolicy::default();
    let sync = SyncThread::start("event-log-sync", syncer, watermark, Arc::clone(&syncing), policy);
    let moving = Moving {
        mover: Mover::new(writer, ring, release),
        syncing,
        sync: sync.map_err(EventLogError::Thread)?,
        stop: Arc::clone(&stop),
        settling: Arc::clone(&settling),
    };
    let thread = std::thread::Builder::new().name("event-log".into()).spawn(|| moving.run());
    Ok(EventLogHandle { thread: thread.map_err(EventLogError::Thread)?, stop, settling })
}

/// Moves events from a ring into the log, each when it is released, step by step: what the log's thread repeats, and what a
/// simulator drives.
#[derive(Debug)]
pub struct Mover {
    writer: EventLogWriter,
    ring: Receiver<EventRecord>,
    release: Arc<Release>,
}

impl Mover {
    /// From `ring` to `writer`, as `release` lets it.
    pub fn new(writer: EventLogWriter, ring: Receiver<EventRecord>, release: Arc<Release>) -> Self {
        Self { writer, ring, release }
    }

    /// Moves what may leave, at most a batch; how much that was.
    ///
    /// # Errors
    /// The log's files.
    pub fn turn(&mut self) -> Result<usize, EventLogError> {
        let released = match is_removed(Protection::Release) {
            true => SeqNo::MAX,
            false => self.release.released(),
        };
        let mut taken = 0;
        while taken < BATCH
            && let Some(event) = self.ring.peek()
            && event.seq <= released
        {
            self.writer.append(&event)?;
            self.ring.advance();
            taken += 1;
        }
        Ok(taken)
    }
}

/// The thread's own.
struct Moving {
    mover: Mover,
    /// How far the log itself is on disk, which nobody waits for.
    syncing: Arc<Release>,
    sync: SyncThread,
    stop: Arc<AtomicBool>,
    settling: Arc<Settling>,
}

impl Moving {
    fn run(mut self) -> Result<(), EventLogError> {
        let mut patience = None;
        let mut rest = Rest::new(PARK, QUIET);
        loop {
            // Both are read before the ring, so that whatever was sent before is still taken.
            let stopping = self.stop.load(Ordering::Acquire);
            let asked = self.settling.asked.load(Ordering::Acquire);
            if self.mover.turn()? > 0 {
                self.mover.writer.log.wake();
                rest.worked();
                continue;
            }
            if let Some(why) = self.syncing.stopped() {
                return Err(EventLogError::Sync(why.to_string()));
            }
            let is_empty = self.mover.ring.is_empty();
            if is_empty {
                self.settling.done.store(asked, Ordering::Release);
            }
            if stopping {
                let until = *patience.get_or_insert_with(|| Instant::now() + RELEASE_PATIENCE);
                if is_empty || self.mover.release.is_stopped() || Instant::now() >= until {
                    return self.end();
                }
            }
            let Mover { ring, release, .. } = &self.mover;
            rest.sleep(release.bell().filter(|_| is_empty), SLEEP, || !ring.is_empty());
        }
    }

    /// Seals the log, and tells what was left behind.
    fn end(self) -> Result<(), EventLogError> {
        drop(self.sync);
        let Mover { writer, mut ring, release } = self.mover;
        writer.writer.close()?;
        let (level, released) = (release.level(), release.released());
        let Some(first) = ring.pop().map(|event| event.seq) else { return Ok(()) };
        let (mut events, mut last) = (1, first);
        while let Some(event) = ring.pop() {
            (events, last) = (events + 1, event.seq);
        }
        Err(EventLogError::Unreleased { events, first, last, level, released })
    }
}

impl EventLogWriter {
    /// A syncer of its files, for whoever drives the log without a thread.
    pub fn syncer(&self) -> Syncer {
        self.writer.syncer()
    }

    fn append(&mut self, event: &EventRecord) -> Result<(), EventLogError> {
        let shared = &self.log.0;
        let count = shared.count.load(Ordering::Relaxed);
        let position = EventPosition::of(event);
        self.writer.append_pod(KIND_EVENT, SeqNo(count + 1), event)?;
        let segment = shared.watermark.position().segment;
        if segment != self.segment {
            self.segment = segment;
            locked(shared.index.write()).push((count + 1, position));
        }
        *locked(shared.last.write()) = position;
        shared.count.store(count + 1, Ordering::Release);
        Ok(())
    }
}

/// A panic elsewhere does not make these plain values wrong.
fn locked<T>(lock: Result<T, std::sync::PoisonError<T>>) -> T {
    lock.unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl EventLog {
    /// How far the log is written, for those who follow its files.
    pub fn watermark(&self) -> Arc<Watermark> {
        Arc::clone(&self.0.watermark)
    }

    /// A cursor that gives every event after `after`; from the beginning for the default position.
    ///
    /// # Errors
    /// [`EventLogError::Journal`] if the files cannot be read.
    pub fn cursor(&self, after: EventPosition) -> Result<EventCursor, EventLogError> {
        let mut reader = Reader::follow(&self.0.dir, Arc::clone(&self.0.watermark))?;
        let index = locked(self.0.index.read());
        let segment = index.partition_point(|(_, position)| *position <= after);
        // The segment before may hold events after the position as well.
        let first = index.get(segment.saturating_sub(1)).map_or(1, |(number, _)| *number);
        drop(index);
        if first > 1 {
            reader.seek(SeqNo(first))?;
        }
        Ok(EventCursor { reader, after, number: first - 1 })
    }

    /// How many events are of inputs up to `seq`.
    fn count_up_to(&self, seq: SeqNo) -> Result<u64, EventLogError> {
        let all_of = EventPosition { seq, ordinal: u32::MAX };
        let mut cursor = self.cursor(all_of)?;
        Ok(match cursor.next()? {
            Some(_) => cursor.number() - 1,
            None => self.count(),
        })
    }

    /// Where the last event stands.
    pub fn last(&self) -> EventPosition {
        *locked(self.0.last.read())
    }

    /// How many events there are.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }

    /// Calls `listener` after each batch of events, on the log's thread; it must be quick.
    pub fn on_append(&self, listener: Listener) {
        locked(self.0.listeners.write()).push(listener);
    }

    fn wake(&self) {
        for listener in locked(self.0.listeners.read()).iter() {
            listener();
        }
    }
}

/// A place in the event log.
#[derive(Debug)]
pub struct EventCursor {
    reader: Reader,
    after: EventPosition,
    number: u64,
}

impl EventCursor {
    /// The next event; `None` if there is none yet.
    ///
    /// # Errors
    /// [`EventLogError`] for damage.
    // Not an `Iterator`: `None` is not the end.
    #[expect(clippy::should_implement_trait, reason = "None is not the end")]
    pub fn next(&mut self) -> Result<Option<EventRecord>, EventLogError> {
        while let Some((number, event)) = next_event(&mut self.reader)? {
            self.number = number;
            if EventPosition::of(&event) > self.after {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The number of the last event read: how far behind a reader is, is the log's count less this.
    pub fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use tidegate_journal::writer::SEGMENT_LEN_MIN;

    #[test]
    fn a_log_without_its_first_segment_is_refused_and_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = Config { segment_len: SEGMENT_LEN_MIN, ..Config::default() };
        let (mut writer, log) = open(dir.path(), config.clone()).expect("a new log");
        for seq in 1..=2_000 {
            let event = EventRecord { seq: SeqNo(seq), ..EventRecord::zeroed() };
            writer.append(&event).expect("appended");
        }
        writer.writer.close().expect("closed");
        drop(log);
        std::fs::remove_file(dir.path().join(format!("{:020}.tgj", 1))).expect("it is there");
        let error = open(dir.path(), config).expect_err("events are missing");
        assert!(matches!(error, EventLogError::NoBeginning { first: 2.., .. }), "{error:?}");
        assert!(error.to_string().contains("restore"), "{error}");
    }

    #[test]
    fn settled_means_that_everything_sent_before_is_there() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (writer, log) = open(dir.path(), Config::default()).expect("a new log");
        let (mut ring, events) = tidegate_ring::queue::queue(4_096).expect("memory");
        let handle = start(writer, events, Arc::default()).expect("a thread");
        let mut sent = 0;
        for burst in [1, 2, 300, 4_096, 7] {
            for _ in 0..burst {
                sent += 1;
                let event = EventRecord { seq: SeqNo(sent), ..EventRecord::zeroed() };
                ring.push(&event).expect("room: the ring was empty");
            }
            handle.settle(|| true).expect("the thread runs");
            assert_eq!((log.count(), log.last().seq), (sent, SeqNo(sent)));
        }
        handle.stop().expect("a clean end");
    }
}
