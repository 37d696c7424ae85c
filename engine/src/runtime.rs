//! The thread around the state machine: poll the inputs in a fixed order, and for each of them
//!
//! 1. **sequence**: give it the next number;
//! 2. **journal**: append it to the mapped segment;
//! 3. **apply**: [`Core::apply`];
//! 4. **publish**: events to the event log's ring, public updates to the broadcast, requests to the rings of their routes.
//!
//! Nothing leaves before step 2, nor before the release level holds: events wait in the event log's ring, public updates
//! in the broadcast, and requests in a queue here ([`tidegate_journal::Release`]).

pub mod clock;
mod engine;
mod follow;
mod probe;
mod publishing;
mod recovery;
mod resident;
pub mod seats;
mod status;

pub use clock::unix_now;
pub use engine::Engine;
pub use follow::{Followed, Primary};
pub use probe::{Followed as Traced, STAGE_RING_CAPACITY, Stage, Trace, stage_ring};
pub use resident::{Guest, Host, Resident, resident};
pub use status::{BookRequests, EngineStatus, OpenJournal, RecoveryReport};
pub use tidegate_journal::{Release, SyncPolicy};

use crate::broadcast;
use crate::core::Core;
use crate::core::route::ROUTE_RING_CAPACITY;
use crate::event_log::EventPosition;
use crate::replay::ReplayError;
use clock::EngineClock;
use publishing::Publishing;
use rtrb::{Consumer, Producer, RingBuffer};
use seats::Seats;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tidegate_journal::{Bell, Dir, JournalError, Rest};
use tidegate_model::command::Configure;
use tidegate_model::{
    CommandRecord, EventRecord, MarketEvent, PublicUpdate, RoutedRequest, SeqNo, StateHash,
    UnixNanos,
};
use tidegate_ring::MemoryError;
use tidegate_ring::queue::{Receiver, Sender, queue};

/// Inputs between two recorded state hashes, but for a simulator's.
pub const CHECKPOINT_EVERY: u64 = 65_536;
/// Events between the engine and the event log: 16 MiB, the release buffer. When it is full the engine waits.
pub const EVENT_RING_CAPACITY: usize = 65_536;
/// Market events between a feed and the engine: 4 MiB.
pub const FEED_RING_CAPACITY: usize = 65_536;
/// Commands taken from one lane before the next is asked: a flood in one lane delays the others by this much.
const COMMANDS_PER_TURN: usize = 64;
/// Market events taken before the lanes are asked again.
const EVENTS_PER_TURN: usize = 256;
/// The engine's time is never farther behind than this, even if nothing else tells it.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a parked thread sleeps.
const PARK: Duration = Duration::from_micros(20);
/// How long it goes on like that when nothing comes: each look takes a core from whoever has it.
const QUIET: Duration = Duration::from_micros(500);
/// How long it sleeps then, unless it is woken: what comes from those who wake nobody waits that much longer.
const SLEEP: Duration = Duration::from_millis(1);
/// The same where such may come: what is due at a time, and orders over shared memory.
const DOZE: Duration = Duration::from_micros(100);
/// Turns between two looks at the clock, when nothing is on its way to the venue.
const TURNS_BETWEEN_CLOCK: u32 = 32;
/// Empty polls before a thread that may park begins to.
const POLLS_BEFORE_PARK: u32 = 32;

/// How the engine thread waits when no input is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Polls without pause.
    Spin,
    /// Offers its core to other threads between polls.
    Yield,
    /// Sleeps for some microseconds after some empty polls, longer when nothing has come for a while; then it is woken by those
    /// who bring something, and wakes those who wait for what it makes of it.
    Park,
}

/// What shapes one engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The journal's directory.
    pub journal_dir: Dir,
    /// How the journal is laid out.
    pub journal: tidegate_journal::Config,
    /// The first input of a new journal; an existing one keeps its own.
    pub configure: Configure,
    /// The core to run on.
    pub pin_core: Option<usize>,
    /// How to wait.
    pub wait: Wait,
    /// What outputs wait for: the one that their readers have.
    pub release: Arc<Release>,
    /// When the journal is synced beyond what the release level asks; `None` if whoever drives the engine syncs
    /// ([`Engine::syncer`]) and moves `release` on.
    pub sync: Option<SyncPolicy>,
    /// Inputs between two recorded state hashes.
    pub checkpoint_every: u64,
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
    /// A sync failed, or this machine may not speak for the system any more.
    #[error("nothing may leave any more: {why}; restart, the replay finds what the disk holds")]
    ReleaseStopped {
        /// Why.
        why: String,
    },
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
///
/// What it hears within an input ([`Self::on_event`], [`Self::on_public`]) it can only note, since the input is not done; a replay and
/// a standby tell it as well. It answers when it is asked: after each market event, and at the end of each turn.
pub trait Strategy: Send {
    /// False if there is none: then nothing is measured for it, and it is not asked.
    #[inline]
    fn is_there(&self) -> bool {
        true
    }
    /// A market event was applied; what is sent goes in before anything else.
    fn on_market(&mut self, core: &Core, event: &MarketEvent, orders: &mut Orders);
    /// An event concerns somebody, perhaps this strategy.
    fn on_event(&mut self, event: &EventRecord);
    /// Something is public.
    #[inline]
    fn on_public(&mut self, _: &PublicUpdate) {}
    /// When it is to be asked, should nothing happen before: the engine's time is at least that then, or now if that is past.
    #[inline]
    fn due(&self) -> Option<UnixNanos> {
        None
    }
    /// A turn is over, in which perhaps nothing happened. What is sent goes in now; what comes of that is answered after the next turn
    /// of the rings, so that one that answers each refusal with the same order holds nobody up.
    #[inline]
    fn on_turn(&mut self, _: &Core, _: &mut Orders) {}
}

/// No strategy.
impl Strategy for () {
    #[inline]
    fn is_there(&self) -> bool {
        false
    }
    #[inline]
    fn on_market(&mut self, _: &Core, _: &MarketEvent, _: &mut Orders) {}
    #[inline]
    fn on_event(&mut self, _: &EventRecord) {}
}

/// One, or none: a server has the same engine with and without, which is compiled once.
impl<S: Strategy> Strategy for Option<S> {
    #[inline]
    fn is_there(&self) -> bool {
        self.as_ref().is_some_and(Strategy::is_there)
    }
    #[inline]
    fn on_market(&mut self, core: &Core, event: &MarketEvent, orders: &mut Orders) {
        if let Some(strategy) = self {
            strategy.on_market(core, event, orders);
        }
    }
    #[inline]
    fn on_event(&mut self, event: &EventRecord) {
        if let Some(strategy) = self {
            strategy.on_event(event);
        }
    }
    #[inline]
    fn on_public(&mut self, update: &PublicUpdate) {
        if let Some(strategy) = self {
            strategy.on_public(update);
        }
    }
    #[inline]
    fn due(&self) -> Option<UnixNanos> {
        self.as_ref()?.due()
    }
    #[inline]
    fn on_turn(&mut self, core: &Core, orders: &mut Orders) {
        if let Some(strategy) = self {
            strategy.on_turn(core, orders);
        }
    }
}

/// Commands that an in-process strategy may send each time it is asked.
pub const ORDERS_PER_EVENT_MAX: usize = 64;

/// Where an in-process strategy lays its commands; they become inputs as soon as it has answered.
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

impl Inputs {
    /// True if no ring holds anything.
    fn is_empty(&self) -> bool {
        self.feed.is_empty() && self.lanes.iter().all(Consumer::is_empty)
    }
}

/// What comes out of it.
#[derive(Debug)]
pub struct Outputs {
    /// To the event log.
    pub events: Sender<EventRecord>,
    /// To everyone.
    pub public: broadcast::Writer,
    /// To whoever measures.
    pub stages: Producer<Trace>,
    /// To the adapters, by the number of their route.
    pub routes: Vec<Producer<RoutedRequest>>,
    /// Sessions that share memory: what they ask for comes in here as well.
    pub seats: Seats,
}

/// A ring for market events of [`FEED_RING_CAPACITY`].
pub fn feed_ring() -> (Producer<MarketEvent>, Consumer<MarketEvent>) {
    RingBuffer::new(FEED_RING_CAPACITY)
}

/// A ring for events of [`EVENT_RING_CAPACITY`].
///
/// # Errors
/// The system's, if it has no memory.
pub fn event_ring() -> Result<(Sender<EventRecord>, Receiver<EventRecord>), MemoryError> {
    queue(EVENT_RING_CAPACITY)
}

/// A ring for requests to an adapter.
pub fn route_ring() -> (Producer<RoutedRequest>, Consumer<RoutedRequest>) {
    RingBuffer::new(ROUTE_RING_CAPACITY)
}

/// Whether an engine is to take no inputs any more, and whether it has seen that.
#[derive(Debug, Default)]
pub struct Drain {
    asked: AtomicBool,
    heeded: AtomicBool,
}

impl Drain {
    /// Asks for it, or takes that back.
    pub fn ask(&self, is_asked: bool) {
        self.asked.store(is_asked, Ordering::Release);
    }

    /// True once the engine takes no inputs any more: its last one is in its journal.
    pub fn is_done(&self) -> bool {
        self.heeded.load(Ordering::Acquire)
    }

    /// For the engine's thread, between two turns.
    #[inline]
    fn heed(&self) -> bool {
        let is_asked = self.asked.load(Ordering::Acquire);
        if is_asked != self.heeded.load(Ordering::Relaxed) {
            self.heeded.store(is_asked, Ordering::Release);
        }
        is_asked
    }
}

/// A running engine.
#[derive(Debug)]
pub struct EngineHandle {
    thread: JoinHandle<Result<Stopped, EngineError>>,
    stop: Arc<AtomicBool>,
    drain: Arc<Drain>,
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
        self.ask_to_stop();
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                Err(EngineError::Panicked(text.unwrap_or_default()))
            }
        }
    }

    /// From when it is asked on no input is taken any more, while outputs still leave as they are released.
    pub fn drain(&self) -> Arc<Drain> {
        Arc::clone(&self.drain)
    }

    /// Asks it to stop once its rings are empty, and does not wait.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.status.bell.ring();
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
    strategy: S,
) -> Result<EngineHandle, EngineError> {
    spawn(config, inputs, move |config, status, _| {
        Engine::recover(config, outputs, logged, strategy, status).map(Begun::Live)
    })
}

/// Starts the thread of a standby's engine: it replays its journal, follows `primary`, and goes on live when that says so;
/// [`EngineStatus::alive`] tells when it does.
///
/// # Errors
/// As [`start`].
pub fn start_standby<S: Strategy + 'static>(
    config: EngineConfig,
    inputs: Inputs,
    outputs: Outputs,
    logged: EventPosition,
    strategy: S,
    mut primary: impl Primary<S> + 'static,
) -> Result<EngineHandle, EngineError> {
    spawn(config, inputs, move |config, status, stop| {
        let mut engine = Engine::replay(config, outputs, logged, strategy, status)?;
        engine.tell();
        let mut pause = Pause::new(config.wait);
        loop {
            let stopping = stop.load(Ordering::Acquire);
            match primary.follow(&mut engine)? {
                Followed::Some => {
                    engine.tell();
                    engine.ring();
                    pause.worked();
                }
                Followed::Nothing if !stopping => {
                    pause.pause(config.release.bell(), SLEEP, || false)
                }
                Followed::Nothing | Followed::End => return engine.finish().map(Begun::Ended),
                Followed::Lead(epoch) => {
                    engine.lead(epoch, config.configure, unix_now())?;
                    return Ok(Begun::Live(engine));
                }
            }
            engine.release()?;
        }
    })
}

/// How an engine's beginning ended.
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
enum Begun<S> {
    /// It takes inputs.
    Live(Engine<S>),
    /// It never did, and is closed.
    Ended(Stopped),
}

fn spawn<S: Strategy + 'static>(
    config: EngineConfig,
    inputs: Inputs,
    begin: impl FnOnce(&EngineConfig, Arc<EngineStatus>, &AtomicBool) -> Result<Begun<S>, EngineError>
    + Send
    + 'static,
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
    let drain = Arc::<Drain>::default();
    let drain_inner = Arc::clone(&drain);
    let run = move || {
        let _life = Life(Arc::clone(&status_inner));
        config.release.set_rung(config.wait == Wait::Park);
        let engine = match begin(&config, status_inner, &stop_inner)? {
            Begun::Live(engine) => engine,
            Begun::Ended(stopped) => return Ok(stopped),
        };
        // Not earlier: the threads that prepare segments and sync would be bound to the same core.
        if let Some(core) = pin {
            core_affinity::set_for_current(core);
        }
        run(engine, inputs, config.wait, &stop_inner, &drain_inner)
    };
    let thread = std::thread::Builder::new().name("engine".into()).spawn(run);
    let thread = thread.map_err(EngineError::Thread)?;
    Ok(EngineHandle { thread, stop, drain, status })
}

/// Says that the engine is not alive any more, however its thread ends.
struct Life(Arc<EngineStatus>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.alive.store(false, Ordering::Release);
    }
}

fn run<S: Strategy>(
    mut engine: Engine<S>,
    mut inputs: Inputs,
    wait: Wait,
    stop: &AtomicBool,
    drain: &Drain,
) -> Result<Stopped, EngineError> {
    engine.tell();
    engine.status.alive.store(true, Ordering::Release);

    let mut pause = Pause::new(wait);
    let mut clock = EngineClock::new(engine.core.now());
    loop {
        // Read before the rings, so that whatever was sent before the stop is still taken.
        let stopping = stop.load(Ordering::Acquire);
        if drain.heed() {
            engine.release()?;
        } else if engine.turn(&mut inputs, || clock.now())? > 0 {
            engine.ring();
            pause.worked();
            continue;
        }
        if stopping {
            return engine.finish();
        }
        let is_rung_for = engine.next_due().is_none() && !engine.has_seats();
        let long = if is_rung_for { SLEEP } else { DOZE };
        let has_work = || stop.load(Ordering::Acquire) || !inputs.is_empty();
        pause.pause(Some(&engine.status.bell), long, has_work);
    }
}

/// What a thread does after a turn in which nothing came.
struct Pause {
    wait: Wait,
    /// Empty polls in a row.
    polls: u32,
    rest: Rest,
}

impl Pause {
    fn new(wait: Wait) -> Self {
        Self { wait, polls: 0, rest: Rest::new(PARK, QUIET) }
    }

    /// Something came.
    #[inline]
    fn worked(&mut self) {
        self.polls = 0;
        self.rest.worked();
    }

    /// Nothing came. `has_work` looks again before a sleep of `long` at most at `bell`.
    #[inline]
    fn pause(&mut self, bell: Option<&Bell>, long: Duration, has_work: impl FnOnce() -> bool) {
        match self.wait {
            Wait::Spin => std::hint::spin_loop(),
            Wait::Yield => std::thread::yield_now(),
            Wait::Park if self.polls < POLLS_BEFORE_PARK => {
                self.polls += 1;
                std::thread::yield_now();
            }
            Wait::Park => self.rest.sleep(bell, long, has_work),
        }
    }
}
