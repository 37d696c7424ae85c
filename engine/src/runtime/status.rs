//! What everyone may know of a running engine, and how they ask it for a picture of a book.

use crate::core::places::QueuePicture;
use crossbeam::atomic::AtomicCell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tidegate_journal::recovery::Cut;
use tidegate_journal::{Bell, Checkpoint, Watermark};
use tidegate_model::{InstrumentId, SeqNo, StateHash};

/// What everyone may know of a running engine.
#[derive(Debug, Default)]
pub struct EngineStatus {
    /// The last input applied. Stored last, with release: the other figures are of this input or a later one.
    pub seq: AtomicU64,
    /// The engine's time, UTC nanoseconds.
    pub now: AtomicU64,
    /// The last input whose state hash was recorded; 0 while that changes.
    checkpoint_seq: AtomicU64,
    /// That hash.
    checkpoint_hash: AtomicU64,
    /// Inputs that a recovery under way has applied so far, every now and then.
    pub recovering: AtomicU64,
    /// Somebody wants the state recorded before that is due.
    wants_checkpoint: AtomicBool,
    /// Market events applied.
    pub market_events: AtomicU64,
    /// Commands applied.
    pub commands: AtomicU64,
    /// Fills of our orders.
    pub fills: AtomicU64,
    /// Market events that named an order the book does not hold.
    pub unknown_orders: AtomicU64,
    /// Market events refused for another reason.
    pub refused_events: AtomicU64,
    /// Gaps that feeds declared.
    pub gaps: AtomicU64,
    /// Our orders that are open.
    pub open_orders: AtomicU64,
    /// Times that the engine waited for room in its release buffer.
    pub waits: AtomicU64,
    /// True while it does: nothing is taken from feeds and lanes.
    pub is_waiting: AtomicBool,
    /// Requests to adapters that wait for the release of their inputs, as of the last look.
    pub held_requests: AtomicU64,
    /// Events of before the engine led still wait for room on their way to the event log.
    pub has_backlog: AtomicBool,
    /// Market events that waited in the feed's ring, as of the last look; one is taken every few dozen turns.
    pub feed_waiting: AtomicU64,
    /// Sessions that share memory.
    pub seats_taken: AtomicU64,
    /// Traces of stages that were dropped because nobody took them.
    pub traces_dropped: AtomicU64,
    /// The journal, once it is open and replayed: for those who read it as it grows.
    pub journal: OnceLock<OpenJournal>,
    /// Where the engine sleeps when nothing has come for a while. Whoever brings something rings, or it waits for a millisecond at most.
    pub bell: Bell,
    /// True from the end of recovery until the thread ends.
    pub alive: AtomicBool,
    /// How the engine came to its state when it was started; set once, before it is alive.
    pub recovery: OnceLock<RecoveryReport>,
}

/// How an engine came to its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The input whose snapshot it began with; `None` where it began with the journal's first.
    pub from: Option<SeqNo>,
    /// Why newer snapshots were passed over; each wants a human's look.
    pub passed_over: Vec<String>,
    /// What the journal's recovery cut and set aside; a torn record of a process that was killed, or what a loss of power left.
    pub cut: Cut,
    /// Inputs that were applied from there.
    pub inputs: u64,
    /// How long reading and applying took.
    pub took: Duration,
}

/// A journal that is being written.
#[derive(Clone, Debug)]
pub struct OpenJournal {
    /// Which it is.
    pub instance: u128,
    /// How far its writer has come.
    pub watermark: Arc<Watermark>,
}

impl EngineStatus {
    /// The last state hash that was recorded, and the input it was recorded after; `None` before the first
    /// and for the moment in which it changes.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        loop {
            let seq = self.checkpoint_seq.load(Ordering::SeqCst);
            let hash = StateHash(self.checkpoint_hash.load(Ordering::SeqCst));
            // Changed while it was read once in 65,536 inputs, for some nanoseconds.
            if self.checkpoint_seq.load(Ordering::SeqCst) == seq {
                return (seq > 0).then_some(Checkpoint { seq: SeqNo(seq), hash });
            }
        }
    }

    /// Asks the engine to record the hash of its state in the journal with its next turn, for a follower that compares.
    pub fn ask_for_checkpoint(&self) {
        self.wants_checkpoint.store(true, Ordering::Release);
    }

    /// True once for each time that it was asked, or for several.
    #[inline]
    pub(super) fn takes_ask(&self) -> bool {
        self.wants_checkpoint.load(Ordering::Relaxed)
            && self.wants_checkpoint.swap(false, Ordering::Acquire)
    }

    pub(super) fn set_checkpoint(&self, checkpoint: Checkpoint) {
        self.checkpoint_seq.store(0, Ordering::SeqCst);
        self.checkpoint_hash.store(checkpoint.hash.0, Ordering::SeqCst);
        self.checkpoint_seq.store(checkpoint.seq.0, Ordering::SeqCst);
    }
}

/// What somebody wants to see of a book: instruments of which a whole picture is wanted, one bit each, set by anyone, cleared by the
/// engine; and one where it is asked for the places of the orders that rest there.
pub struct BookRequests {
    any: AtomicBool,
    bits: Box<[AtomicU64]>,
    /// The picture that waits to be filled.
    asked: AtomicCell<Option<Box<QueuePicture>>>,
    /// The one that waits to be fetched.
    filled: AtomicCell<Option<Box<QueuePicture>>>,
}

const _: () = assert!(
    AtomicCell::<Option<Box<QueuePicture>>>::is_lock_free(),
    "handing a picture over makes nobody wait"
);

impl fmt::Debug for BookRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BookRequests").field("any", &self.any).finish_non_exhaustive()
    }
}

impl Default for BookRequests {
    fn default() -> Self {
        let bits = (0..InstrumentId::COUNT_MAX / 64).map(|_| AtomicU64::new(0)).collect();
        let (asked, filled) = (None, Some(Box::new(QueuePicture::new())));
        Self { any: AtomicBool::new(false), bits, asked: asked.into(), filled: filled.into() }
    }
}

/// What is to be shown next.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A book.
    Book(InstrumentId),
    /// The places in the picture's instrument.
    Places(Box<QueuePicture>),
}

impl BookRequests {
    /// Asks for a picture of one book on the broadcast: `Clear`, its levels, `PictureEnd`.
    pub fn request(&self, instrument: InstrumentId) {
        if let Some(word) = self.bits.get(instrument.index() / 64) {
            word.fetch_or(1 << (instrument.0 % 64), Ordering::Relaxed);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Takes the one picture of places that there is; `None` while the engine has it, or somebody else.
    pub fn take_places(&self) -> Option<Box<QueuePicture>> {
        self.filled.take()
    }

    /// Asks for the places in one instrument. They come back by [`Self::take_places`].
    pub fn ask_places(&self, mut picture: Box<QueuePicture>, instrument: InstrumentId) {
        picture.instrument = instrument;
        self.asked.store(Some(picture));
        self.any.store(true, Ordering::Release);
    }

    /// Lays the picture back, filled or read.
    pub fn return_places(&self, picture: Box<QueuePicture>) {
        self.filled.store(Some(picture));
    }

    /// True if one may be wanted.
    #[inline]
    pub(super) fn has_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// The next that is wanted: a book first if `book_first`, else places.
    pub(super) fn take_next(&self, book_first: bool) -> Option<Wanted> {
        if !self.any.swap(false, Ordering::Acquire) {
            return None;
        }
        let book = || self.next_book().map(Wanted::Book);
        let places = || self.asked.take().map(Wanted::Places);
        let next = if book_first { book().or_else(places) } else { places().or_else(book) };
        if next.is_some() {
            // There may be more; the next turn looks again.
            self.any.store(true, Ordering::Release);
        }
        next
    }

    fn next_book(&self) -> Option<InstrumentId> {
        let at = self.bits.iter().position(|word| word.load(Ordering::Relaxed) != 0)?;
        let bit = self.bits[at].load(Ordering::Relaxed).trailing_zeros();
        self.bits[at].fetch_and(!(1 << bit), Ordering::Relaxed);
        Some(InstrumentId((at * 64) as u32 + bit))
    }
}
