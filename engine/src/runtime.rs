//! The thread around the state machine: poll the inputs in a fixed order, and for each of them
//!
//! 1. **sequence**: give it the next number;
//! 2. **journal**: append it to the mapped segment;
//! 3. **apply**: [`Core::apply`];
//! 4. **publish**: events to the event log's ring, public updates to the broadcast.
//!
//! Nothing leaves before step 2, so what anyone was told is in the journal (release level `process`).

use crate::broadcast;
use crate::core::output::Output;
use crate::core::route::ROUTE_RING_CAPACITY;
use crate::core::{Core, Input};
use crate::event_log::EventPosition;
use crate::replay::{BEHAVIOUR_VERSION, ReplayError, replay};
use rtrb::{Consumer, Producer, RingBuffer};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::writer::Check;
use tidegate_journal::{Checkpoint, JournalError};
use tidegate_model::command::{
    Configure, FLAG_CANCEL_ON_DISCONNECT, ROUTES_MAX, RouteLink, RouteStatus,
};
use tidegate_model::event::FLAG_LAST_OF_INPUT;
use tidegate_model::market::MarketEventKind;
use tidegate_model::{
    AccountId, Command, CommandRecord, EventRecord, InstrumentId, MarketEvent, PublicUpdate,
    RoutedRequest, SeqNo, Side, StateHash, UnixNanos,
};

/// Inputs between two recorded state hashes.
pub const CHECKPOINT_EVERY: u64 = 65_536;
/// Events between the engine and the event log: 16 MiB, the release buffer. When it is full the engine waits.
pub const EVENT_RING_CAPACITY: usize = 65_536;
/// Market events between a feed and the engine: 4 MiB.
pub const FEED_RING_CAPACITY: usize = 65_536;
/// Commands taken from one lane before the next is asked: a flood in one lane delays the others by this much.
const COMMANDS_PER_TURN: usize = 64;
/// Market events taken before the lanes are asked again.
const EVENTS_PER_TURN: usize = 256;
/// Stage samples between the engine and whoever reads them; more are dropped and counted.
pub const STAGE_RING_CAPACITY: usize = 65_536;
/// One market event in this many has its stages timed.
const SAMPLE_EVERY: u64 = 64;
/// The engine's time is never farther behind than this, even if nothing else tells it.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a parked thread sleeps.
const PARK: Duration = Duration::from_micros(50);
/// Turns between two looks at the clock, when nothing is on its way to the venue.
const TURNS_BETWEEN_CLOCK: u32 = 32;
/// Empty polls before a thread that may park begins to.
const POLLS_BEFORE_PARK: u32 = 200;

/// How the engine thread waits when no input is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Polls without pause.
    Spin,
    /// Offers its core to other threads between polls.
    Yield,
    /// Sleeps for some microseconds after some hundred empty polls.
    Park,
}

/// What shapes one engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The journal's directory.
    pub journal_dir: PathBuf,
    /// How the journal is laid out.
    pub journal: tidegate_journal::Config,
    /// The first input of a new journal; an existing one keeps its own.
    pub configure: Configure,
    /// The core to run on.
    pub pin_core: Option<usize>,
    /// How to wait.
    pub wait: Wait,
}

/// Why an engine stopped, or did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The journal cannot be opened, or an input could not be appended: the engine must not go on.
    #[error("the journal failed: {0}")]
    Journal(#[from] JournalError),
    /// The journal's inputs do not lead to the recorded state.
    #[error("replay failed: {0}")]
    Replay(#[from] ReplayError),
    /// The sizes asked for cannot be had.
    #[error("the engine cannot be configured so: {0}")]
    Configure(tidegate_model::Reject),
    /// The event log is of another journal, or the journal was cut: new events would pass for old ones.
    #[error(
        "the event log goes to input {logged}, the journal only to {last}: the journal lost its end, or they do not belong together; restore the journal's last segments from a copy; only to accept the loss, remove the event log's folder, which is then rebuilt from the journal"
    )]
    EventLogAhead {
        /// The last input with an event in the log.
        logged: SeqNo,
        /// The last input of the journal.
        last: SeqNo,
    },
    /// The thread that keeps the event log is gone.
    #[error("the event log's thread stopped, so events can no longer be kept")]
    EventLogGone,
    /// The core does not exist or may not be used.
    #[error("cannot pin the engine to core {core}: this machine offers cores 0 to {last}")]
    Pin {
        /// The core asked for.
        core: usize,
        /// The last core there is.
        last: usize,
    },
    /// The thread ended in a panic: an invariant does not hold. Replay shows the input.
    #[error("the engine stopped on a broken invariant: {0}")]
    Panicked(String),
    /// The operating system gave no thread.
    #[error("cannot start the engine's thread: {0}")]
    Thread(std::io::Error),
}

/// A strategy that runs on the engine's thread. It is trusted code: what it sends is journaled, it is not.
pub trait Strategy: Send {
    /// A market event was applied.
    fn on_market(&mut self, core: &Core, event: &MarketEvent, orders: &mut Orders);
    /// An event concerns somebody, perhaps this strategy.
    fn on_event(&mut self, event: &EventRecord);
}

/// No strategy.
impl Strategy for () {
    #[inline]
    fn on_market(&mut self, _: &Core, _: &MarketEvent, _: &mut Orders) {}
    #[inline]
    fn on_event(&mut self, _: &EventRecord) {}
}

/// Commands that an in-process strategy may send in answer to one market event.
pub const ORDERS_PER_EVENT_MAX: usize = 64;

/// Where an in-process strategy lays its commands; they become inputs right after the event.
#[derive(Debug)]
pub struct Orders(Vec<CommandRecord>);

impl Orders {
    fn new() -> Self {
        Self(Vec::with_capacity(ORDERS_PER_EVENT_MAX))
    }

    /// Sends `command`.
    ///
    /// # Errors
    /// Gives it back if [`ORDERS_PER_EVENT_MAX`] were sent already.
    #[expect(clippy::result_large_err, reason = "the command is given back whole")]
    pub fn send(&mut self, command: CommandRecord) -> Result<(), CommandRecord> {
        if self.0.len() == ORDERS_PER_EVENT_MAX {
            return Err(command);
        }
        self.0.push(command);
        Ok(())
    }
}

/// A stage of an input's way that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Market event: received by the feed handler, taken from the ring by the engine.
    FeedToEngine,
    /// Market event: sequenced, journaled, applied, published.
    MarketStep,
    /// Command: received by the edge, taken from its lane.
    EdgeToEngine,
    /// Command: sequenced, journaled, through risk and venue, published.
    CommandStep,
}

impl Stage {
    /// Every stage, in the order of the way.
    pub const ALL: [Self; 4] =
        [Self::FeedToEngine, Self::MarketStep, Self::EdgeToEngine, Self::CommandStep];

    /// What the stage spans, for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FeedToEngine => "feed received -> engine",
            Self::MarketStep => "market event: journal, book, publish",
            Self::EdgeToEngine => "order received -> engine",
            Self::CommandStep => "order: journal, risk, venue, publish",
        }
    }
}

/// One timed stage.
#[derive(Clone, Copy, Debug)]
pub struct StageSample {
    /// Which.
    pub stage: Stage,
    /// How long, in nanoseconds.
    pub ns: u64,
}

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
    /// True from the end of recovery until the thread ends.
    pub alive: AtomicBool,
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

    fn set_checkpoint(&self, checkpoint: Checkpoint) {
        self.checkpoint_seq.store(0, Ordering::SeqCst);
        self.checkpoint_hash.store(checkpoint.hash.0, Ordering::SeqCst);
        self.checkpoint_seq.store(checkpoint.seq.0, Ordering::SeqCst);
    }
}

/// What goes into the engine.
#[derive(Debug)]
pub struct Inputs {
    /// Market events.
    pub feed: Consumer<MarketEvent>,
    /// One ring per session, polled in this order.
    pub lanes: Vec<Consumer<CommandRecord>>,
    /// Instruments of which a whole picture is asked for.
    pub book_requests: Arc<BookRequests>,
}

/// What comes out of it.
#[derive(Debug)]
pub struct Outputs {
    /// To the event log.
    pub events: Producer<EventRecord>,
    /// To everyone.
    pub public: broadcast::Writer,
    /// To whoever measures.
    pub stages: Producer<StageSample>,
    /// To the adapters, by the number of their route.
    pub routes: Vec<Producer<RoutedRequest>>,
}

/// A ring for market events of [`FEED_RING_CAPACITY`].
pub fn feed_ring() -> (Producer<MarketEvent>, Consumer<MarketEvent>) {
    RingBuffer::new(FEED_RING_CAPACITY)
}

/// A ring for events of [`EVENT_RING_CAPACITY`].
pub fn event_ring() -> (Producer<EventRecord>, Consumer<EventRecord>) {
    RingBuffer::new(EVENT_RING_CAPACITY)
}

/// A ring for stage samples of [`STAGE_RING_CAPACITY`].
pub fn stage_ring() -> (Producer<StageSample>, Consumer<StageSample>) {
    RingBuffer::new(STAGE_RING_CAPACITY)
}

/// A ring for requests to an adapter.
pub fn route_ring() -> (Producer<RoutedRequest>, Consumer<RoutedRequest>) {
    RingBuffer::new(ROUTE_RING_CAPACITY)
}

/// Instruments of which somebody wants a whole picture: one bit each, set by anyone, cleared by the engine.
#[derive(Debug)]
pub struct BookRequests {
    any: AtomicBool,
    bits: Box<[AtomicU64]>,
}

impl Default for BookRequests {
    fn default() -> Self {
        let bits = (0..InstrumentId::COUNT_MAX / 64).map(|_| AtomicU64::new(0)).collect();
        Self { any: AtomicBool::new(false), bits }
    }
}

impl BookRequests {
    /// Asks for a picture of one book on the broadcast: `Clear`, its levels, `PictureEnd`.
    pub fn request(&self, instrument: InstrumentId) {
        if let Some(word) = self.bits.get(instrument.index() / 64) {
            word.fetch_or(1 << (instrument.0 % 64), Ordering::Relaxed);
            self.any.store(true, Ordering::Release);
        }
    }

    fn take_next(&self) -> Option<InstrumentId> {
        if !self.any.load(Ordering::Relaxed) || !self.any.swap(false, Ordering::Acquire) {
            return None;
        }
        let at = self.bits.iter().position(|word| word.load(Ordering::Relaxed) != 0)?;
        let bit = self.bits[at].load(Ordering::Relaxed).trailing_zeros();
        self.bits[at].fetch_and(!(1 << bit), Ordering::Relaxed);
        // There may be more; the next turn looks again.
        self.any.store(true, Ordering::Release);
        Some(InstrumentId((at * 64) as u32 + bit))
    }
}

/// The nanoseconds since the Unix epoch by this machine's clock.
pub fn unix_now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(since.as_nanos() as u64)
}

/// Sends outputs on their way.
struct Publishing<'s, S> {
    outputs: Outputs,
    strategy: &'s mut S,
    /// Events up to here are in the event log already (recovery).
    logged: EventPosition,
    /// The latest event, which waits to hear whether it is its input's last.
    latest: Option<EventRecord>,
    /// False during recovery: what left before the restart never leaves again.
    is_live: bool,
}

impl<S> Publishing<'_, S> {
    /// Hands the latest event to the event log. The one thing that may hold the engine: events are never dropped.
    #[inline]
    fn send_latest(&mut self) {
        let Some(latest) = self.latest.take() else { return };
        while let Err(rtrb::PushError::Full(_)) = self.outputs.events.push(latest) {
            if self.outputs.events.is_abandoned() {
                // The thread's loop sees it as well, and ends.
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl<S: Strategy> Output for Publishing<'_, S> {
    #[inline]
    fn event(&mut self, event: &EventRecord) {
        self.strategy.on_event(event);
        if (event.seq, event.ordinal) <= (self.logged.seq, self.logged.ordinal) {
            return;
        }
        self.send_latest();
        self.latest = Some(*event);
    }

    #[inline]
    fn public(&mut self, update: &PublicUpdate) {
        self.outputs.public.publish(update);
    }

    fn routed(&mut self, request: &RoutedRequest) {
        if !self.is_live {
            return;
        }
        if let Some(ring) = self.outputs.routes.get_mut(usize::from(request.route)) {
            // Full only of an adapter that stands still: it finds the gap in the numbers, and reconciles.
            let _ = ring.push(*request);
        }
    }

    #[inline]
    fn end_of_input(&mut self, _: SeqNo) {
        if let Some(last) = &mut self.latest {
            last.flags |= FLAG_LAST_OF_INPUT;
            self.send_latest();
        }
    }
}

/// A running engine.
#[derive(Debug)]
pub struct EngineHandle {
    thread: JoinHandle<Result<Stopped, EngineError>>,
    stop: Arc<AtomicBool>,
    /// What everyone may know of it.
    pub status: Arc<EngineStatus>,
}

/// Where an engine ended.
#[derive(Clone, Copy, Debug)]
pub struct Stopped {
    /// The last input.
    pub seq: SeqNo,
    /// The state after it.
    pub state_hash: StateHash,
    /// Inputs that were replayed at the start.
    pub recovered: u64,
    /// Counters of the state machine.
    pub counters: crate::core::Counters,
}

impl EngineHandle {
    /// Asks the engine to stop once its rings are empty, and waits for it. The journal is sealed.
    ///
    /// # Errors
    /// What stopped the engine, if it was not this call.
    pub fn stop(self) -> Result<Stopped, EngineError> {
        self.stop.store(true, Ordering::Release);
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                Err(EngineError::Panicked(text.unwrap_or_default()))
            }
        }
    }

    /// True if the engine has stopped by itself.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Starts the engine's thread. Recovery runs on it first: [`EngineStatus::alive`] tells when it is done.
///
/// `logged` is the last position in the event log: events up to there are not sent again.
///
/// # Errors
/// [`EngineError::Thread`] and [`EngineError::Pin`]; everything else is told by [`EngineHandle::stop`].
pub fn start<S: Strategy + 'static>(
    config: EngineConfig,
    inputs: Inputs,
    outputs: Outputs,
    logged: EventPosition,
    mut strategy: S,
) -> Result<EngineHandle, EngineError> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pin = match config.pin_core {
        None => None,
        Some(core) => {
            let last = cores.last().map_or(0, |core| core.id);
            let found = cores.iter().find(|id| id.id == core).copied();
            Some(found.ok_or(EngineError::Pin { core, last })?)
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let status = Arc::new(EngineStatus::default());
    let (stop_inner, status_inner) = (Arc::clone(&stop), Arc::clone(&status));
    let run = move || {
        if let Some(core) = pin {
            core_affinity::set_for_current(core);
        }
        let _life = Life(&status_inner);
        let publishing =
            Publishing { outputs, strategy: &mut strategy, logged, latest: None, is_live: false };
        run(&config, inputs, publishing, &stop_inner, &status_inner)
    };
    let thread = std::thread::Builder::new().name("engine".into()).spawn(run);
    let thread = thread.map_err(EngineError::Thread)?;
    Ok(EngineHandle { thread, stop, status })
}

/// Says that the engine is not alive any more, however its thread ends.
struct Life<'s>(&'s EngineStatus);

impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.0.alive.store(false, Ordering::Release);
    }
}

fn run<S: Strategy>(
    config: &EngineConfig,
    mut inputs: Inputs,
    mut publishing: Publishing<'_, S>,
    stop: &AtomicBool,
    status: &EngineStatus,
) -> Result<Stopped, EngineError> {
    // The replay reads every record, and refuses what is damaged.
    let once = tidegate_journal::Config {
        check: Check::LastSegment,
        behaviour_version: BEHAVIOUR_VERSION,
        ..config.journal.clone()
    };
    let (journal, _) = tidegate_journal::Writer::open(&config.journal_dir, once)?;
    let replayed = replay(&config.journal_dir, &mut publishing, |_| {})?;
    let last = replayed.as_ref().map_or(SeqNo::ZERO, |replayed| replayed.core.seq());
    let logged = std::mem::take(&mut publishing.logged).seq;
    publishing.is_live = true;
    if logged > last {
        return Err(EngineError::EventLogAhead { logged, last });
    }
    let recovered = replayed.as_ref().map_or(0, |replayed| replayed.inputs);
    if let Some(checkpoint) = replayed.as_ref().and_then(|replayed| replayed.last_checkpoint) {
        status.set_checkpoint(checkpoint);
    }
    let is_new = replayed.is_none();
    let core = match replayed {
        Some(replayed) => replayed.core,
        None => Core::new(config.configure).map_err(EngineError::Configure)?,
    };
    let mut engine = Running { core, journal, publishing, orders: Orders::new(), status };
    if is_new {
        let mut first = CommandRecord::new(Command::Configure(config.configure));
        first.ts_recv = unix_now();
        engine.command(&first)?;
    } else {
        engine.close_sessions()?;
        engine.lose_routes()?;
        engine.forget_market()?;
    }
    engine.tell();
    status.alive.store(true, Ordering::Release);

    let mut idle_polls = 0u32;
    let mut turns = 0u32;
    let mut clock = EngineClock::new(engine.core.now());
    loop {
        // Read before the rings, so that whatever was sent before the stop is still taken.
        let stopping = stop.load(Ordering::Acquire);
        let mut taken = 0;
        for lane in &mut inputs.lanes {
            for _ in 0..COMMANDS_PER_TURN {
                let Ok(command) = lane.pop() else { break };
                engine.timed_command(&command)?;
                taken += 1;
            }
        }
        for _ in 0..EVENTS_PER_TURN {
            let Ok(event) = inputs.feed.pop() else { break };
            engine.timed_market(&event)?;
            taken += 1;
        }
        if let Some(instrument) = inputs.book_requests.take_next() {
            engine.publish_picture(instrument);
        }
        let due = engine.core.next_due();
        turns = turns.wrapping_add(1);
        // Reading the clock takes as long as several polls.
        if due.is_some() || turns.is_multiple_of(TURNS_BETWEEN_CLOCK) {
            let now = clock.now();
            let behind = now.0.saturating_sub(engine.core.now().0);
            if due.is_some_and(|due| due <= now) || behind >= HEARTBEAT.as_nanos() as u64 {
                let mut time = CommandRecord::new(Command::Time);
                time.ts_recv = now;
                engine.command(&time)?;
                taken += 1;
            }
        }
        if taken > 0 {
            engine.tell();
        }
        if engine.publishing.outputs.events.is_abandoned() {
            return Err(EngineError::EventLogGone);
        }
        if taken > 0 {
            idle_polls = 0;
            continue;
        }
        if stopping {
            return engine.finish(recovered);
        }
        idle_polls = idle_polls.wrapping_add(1);
        match config.wait {
            Wait::Spin => std::hint::spin_loop(),
            Wait::Yield => std::thread::yield_now(),
            Wait::Park if idle_polls < POLLS_BEFORE_PARK => std::thread::yield_now(),
            Wait::Park => std::thread::sleep(PARK),
        }
    }
}

/// The system's clock, but it never stands still: when that is set back, or stood ahead when the journal was written, this
/// one goes on at its own pace until it is reached. Message rates and requests on their way wait for no correction.
struct EngineClock {
    since: Instant,
    at: UnixNanos,
}

impl EngineClock {
    /// A clock that begins at `engine_time`, or at the system's time if that is later.
    fn new(engine_time: UnixNanos) -> Self {
        Self { since: Instant::now(), at: unix_now().max(engine_time) }
    }

    fn now(&mut self) -> UnixNanos {
        self.read(unix_now(), Instant::now())
    }

    fn read(&mut self, system: UnixNanos, instant: Instant) -> UnixNanos {
        let passed = instant.saturating_duration_since(self.since).as_nanos() as u64;
        let own = UnixNanos(self.at.0.saturating_add(passed));
        if system > own {
            *self = Self { since: instant, at: system };
        }
        own.max(system)
    }
}

/// The state machine, its journal and its outputs: the four steps of one input.
struct Running<'s, S> {
    core: Core,
    journal: tidegate_journal::Writer,
    publishing: Publishing<'s, S>,
    orders: Orders,
    status: &'s EngineStatus,
}

impl<S: Strategy> Running<'_, S> {
    #[inline]
    fn market(&mut self, event: &MarketEvent) -> Result<(), EngineError> {
        let seq = self.core.seq().next();
        self.journal.append_pod(KIND_MARKET_EVENT, seq, event)?;
        self.core.apply(seq, Input::Market(event), &mut self.publishing);
        self.checkpoint(seq)?;
        self.publishing.strategy.on_market(&self.core, event, &mut self.orders);
        if !self.orders.0.is_empty() {
            self.answer()?;
        }
        Ok(())
    }

    /// What an in-process strategy sent becomes input, in order.
    fn answer(&mut self) -> Result<(), EngineError> {
        for at in 0..self.orders.0.len() {
            let command = self.orders.0[at];
            self.command(&command)?;
        }
        self.orders.0.clear();
        Ok(())
    }

    fn command(&mut self, command: &CommandRecord) -> Result<(), EngineError> {
        let seq = self.core.seq().next();
        self.journal.append_pod(KIND_COMMAND, seq, command)?;
        self.core.apply(seq, Input::Command(command), &mut self.publishing);
        self.checkpoint(seq)
    }

    /// The sessions of the run before are gone with its process: their orders that asked for it go as well.
    fn close_sessions(&mut self) -> Result<(), EngineError> {
        let open = self.core.oms().open_orders(AccountId::NONE).map(|(_, order)| order);
        let mut gone: Vec<_> = open
            .filter(|order| order.flags & FLAG_CANCEL_ON_DISCONNECT != 0)
            .map(|order| (order.who.session, order.who.principal))
            .collect();
        gone.sort_unstable();
        gone.dedup_by_key(|(session, _)| *session);
        for (session, principal) in gone {
            let mut closed =
                CommandRecord::new(Command::SessionClosed).from_session(principal, session, 0);
            closed.ts_recv = unix_now();
            self.command(&closed)?;
        }
        Ok(())
    }

    /// The adapters of the run before are gone with its process, and what left last has no known outcome.
    fn lose_routes(&mut self) -> Result<(), EngineError> {
        for route in 0..ROUTES_MAX as u8 {
            if self.core.routes().all()[usize::from(route)].link == RouteLink::Down {
                continue;
            }
            let link = RouteLink::Down.wire();
            let status = RouteStatus { cursor: [0; 2], route, link, reserved: [0; 6] };
            let mut lost = CommandRecord::new(Command::RouteStatus(status));
            lost.ts_recv = unix_now();
            self.command(&lost)?;
        }
        Ok(())
    }

    /// Nobody listened since the last input: what the market did is unknown, and a feed that begins again must not be
    /// applied on top of books of before. A gap of unknown length says so and empties them all.
    fn forget_market(&mut self) -> Result<(), EngineError> {
        let books = self.core.books();
        let is_empty = (0..self.core.listing().count() as u32)
            .map(InstrumentId)
            .all(|id| [Side::Buy, Side::Sell].iter().all(|&side| books.best(id, side).is_none()));
        if is_empty {
            return Ok(());
        }
        let now = unix_now();
        let gap = MarketEvent {
            kind: MarketEventKind::Gap.wire(),
            ts_event: now,
            ts_recv: now,
            ..Default::default()
        };
        self.market(&gap)
    }

    #[inline]
    fn checkpoint(&mut self, seq: SeqNo) -> Result<(), EngineError> {
        if !seq.0.is_multiple_of(CHECKPOINT_EVERY) {
            return Ok(());
        }
        self.record_state().map(|_| ())
    }

    fn record_state(&mut self) -> Result<StateHash, EngineError> {
        let hash = self.core.state_hash();
        self.journal.append_checkpoint(hash)?;
        self.status.set_checkpoint(Checkpoint { seq: self.core.seq(), hash });
        Ok(hash)
    }

    #[inline]
    fn timed_market(&mut self, event: &MarketEvent) -> Result<(), EngineError> {
        if !self.core.seq().0.is_multiple_of(SAMPLE_EVERY) {
            return self.market(event);
        }
        let taken = unix_now();
        self.sample(Stage::FeedToEngine, event.ts_recv, taken);
        self.market(event)?;
        self.sample(Stage::MarketStep, taken, unix_now());
        Ok(())
    }

    fn timed_command(&mut self, command: &CommandRecord) -> Result<(), EngineError> {
        let taken = unix_now();
        self.sample(Stage::EdgeToEngine, command.ts_recv, taken);
        self.command(command)?;
        self.sample(Stage::CommandStep, taken, unix_now());
        Ok(())
    }

    /// Telemetry: dropped when nobody reads it.
    fn sample(&mut self, stage: Stage, from: UnixNanos, to: UnixNanos) {
        let sample = StageSample { stage, ns: to.0.saturating_sub(from.0) };
        let _ = self.publishing.outputs.stages.push(sample);
    }

    fn publish_picture(&mut self, instrument: InstrumentId) {
        self.core.publish_picture(instrument, &mut self.publishing);
    }

    fn tell(&self) {
        let status = self.status;
        let set = |cell: &AtomicU64, value: u64| cell.store(value, Ordering::Relaxed);
        let counters = self.core.counters();
        set(&status.now, self.core.now().0);
        set(&status.market_events, counters.market_events);
        set(&status.commands, counters.commands);
        set(&status.fills, counters.fills);
        set(&status.unknown_orders, counters.unknown_orders);
        set(&status.refused_events, counters.refused_events);
        set(&status.gaps, counters.gaps);
        set(&status.open_orders, self.core.oms().open_count().into());
        status.seq.store(self.core.seq().0, Ordering::Release);
    }

    fn finish(mut self, recovered: u64) -> Result<Stopped, EngineError> {
        let state_hash = self.record_state()?;
        let seq = self.core.seq();
        self.tell();
        let counters = *self.core.counters();
        self.journal.close()?;
        Ok(Stopped { seq, state_hash, recovered, counters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_clock_goes_on_when_the_systems_is_set_back() {
        let start = Instant::now();
        let after = |ns: u64| start + Duration::from_nanos(ns);
        let mut clock = EngineClock { since: start, at: UnixNanos(1_000) };
        let mut read = |system: u64, ns: u64| clock.read(UnixNanos(system), after(ns)).0;
        assert_eq!(read(1_050, 50), 1_050);
        assert_eq!(read(1_300, 60), 1_300, "set forward: it follows");
        assert_eq!(read(100, 160), 1_400, "set back: it goes on by itself");
        assert_eq!(read(200, 260), 1_500);
        assert_eq!(read(1_600, 270), 1_600, "reached again");
    }
}
