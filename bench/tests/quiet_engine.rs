//! Once warm, the engine's thread allocates nothing, makes no system call and meets no page fault: market events, orders, fills,
//! cancels and the roll to the next segment, through the real thread, with its journal and its event log.
//!
//! System calls are caught by the kernel (`PR_SET_SYSCALL_USER_DISPATCH`): while a byte of ours says so, each one raises a signal on
//! the thread that makes it. The handler counts it and lets it pass.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    unsafe_code,
    reason = "an allocator that counts and a handler of signals can only be written so"
)]

use rtrb::{Consumer, Producer};
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegate_bench::desk::{self, Taker};
use tidegate_engine::broadcast;
use tidegate_engine::core::Core;
use tidegate_engine::event_log::{self, EventPosition};
use tidegate_engine::lane::{CommandLane, lane};
use tidegate_engine::memory;
use tidegate_engine::runtime::{
    self, BookRequests, EngineConfig, EngineHandle, EngineStatus, Inputs, Orders, Outputs,
    Strategy, SyncPolicy, Trace, Wait,
};
use tidegate_model::command::{CancelOrder, Configure, NewOrder, TimeInForce};
use tidegate_model::{
    ClientOrderId, Command, CommandRecord, EventRecord, MarketEvent, OrderId, Side, Ticks,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

fn count() {
    // The counter is gone while a thread ends; nothing is measured then.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`, as all do.
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the pointer came from `System`, as all do.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PR_SET_SYSCALL_USER_DISPATCH: libc::c_int = 59;
const PASS: u8 = 0;
const CATCH: u8 = 1;

/// What the kernel looks at before each system call of the watched thread.
static SELECTOR: AtomicU8 = AtomicU8::new(PASS);
static CALLS: AtomicU64 = AtomicU64::new(0);
/// The number of the last call that was caught.
static LAST_CALL: AtomicI64 = AtomicI64::new(-1);

extern "C" fn on_system_call(
    _: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    SELECTOR.store(PASS, Ordering::Relaxed);
    CALLS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the kernel gives both for as long as the handler runs; of this signal the number of the call stands at byte 24. The
    // registers are as before the call, but for the place, which goes back over its two bytes.
    unsafe {
        LAST_CALL.store(i64::from(*info.cast::<i32>().add(6)), Ordering::Relaxed);
        let context = &mut *context.cast::<libc::ucontext_t>();
        context.uc_mcontext.gregs[libc::REG_RIP as usize] -= 2;
    }
}

/// From now on system calls of this thread are counted while `SELECTOR` says so.
fn watch_this_thread() -> std::io::Result<()> {
    // SAFETY: the handler has the form that the flag asks for and only touches atomics; the selector is a byte that lives for ever.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_system_call as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        let set = libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut());
        let none: libc::c_ulong = 0;
        let watched = libc::prctl(
            PR_SET_SYSCALL_USER_DISPATCH,
            1 as libc::c_ulong,
            none,
            none,
            SELECTOR.as_ptr(),
        );
        if set != 0 || watched != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Page faults of this thread so far.
fn faults() -> u64 {
    // SAFETY: the structure is the system's own, and is written whole.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    (usage.ru_minflt + usage.ru_majflt) as u64
}

/// The longest that one fault makes present.
const HUGE_PAGE_LEN: usize = 2 << 20;

const MEASURING: u32 = 1;
const DONE: u32 = 2;
const TOLD: u32 = 3;

/// What was counted, and how far it is.
#[derive(Debug, Default)]
struct Counts {
    phase: AtomicU32,
    allocations: AtomicU64,
    faults: AtomicU64,
    events: AtomicU64,
}

/// What goes wrong on purpose, so that the counts are known to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Allocation,
    Call,
    Page,
}

/// Answers market events with orders, on the engine's thread, and counts there.
struct Watch {
    taker: Taker,
    counts: Arc<Counts>,
    before: Option<[u64; 2]>,
    fault: Fault,
    untouched: Vec<u8>,
}

impl Watch {
    fn measure(&mut self) {
        match (self.counts.phase.load(Ordering::Acquire), self.before) {
            (MEASURING, None) => {
                watch_this_thread()
                    .expect("Linux 5.11 or later, for programs of this machine's kind");
                // Zeroed memory of the system's is not there before it is written to.
                self.untouched = vec![0; 64 * HUGE_PAGE_LEN];
                self.before = Some([ALLOCATIONS.get(), faults()]);
                SELECTOR.store(CATCH, Ordering::Relaxed);
            }
            (MEASURING, Some(_)) => {
                SELECTOR.store(CATCH, Ordering::Relaxed);
                let n = self.counts.events.fetch_add(1, Ordering::Relaxed);
                match self.fault {
                    Fault::Allocation => drop(std::hint::black_box(Box::new(n))),
                    Fault::Call => {
                        // SAFETY: the call takes no argument and touches no memory.
                        let parent = unsafe { libc::syscall(libc::SYS_getppid) };
                        std::hint::black_box(parent);
                    }
                    Fault::Page => self.untouched[n as usize % 64 * HUGE_PAGE_LEN] = 1,
                    Fault::None => {}
                }
            }
            (DONE, Some([allocations, faulted])) => {
                SELECTOR.store(PASS, Ordering::Relaxed);
                let counts = &self.counts;
                counts.allocations.store(ALLOCATIONS.get() - allocations, Ordering::Relaxed);
                counts.faults.store(faults() - faulted, Ordering::Relaxed);
                counts.phase.store(TOLD, Ordering::Release);
            }
            _ => {}
        }
    }
}

impl Strategy for Watch {
    fn on_market(&mut self, core: &Core, event: &MarketEvent, orders: &mut Orders) {
        self.measure();
        self.taker.on_market(core, event, orders);
    }
    fn on_event(&mut self, event: &EventRecord) {
        self.taker.on_event(event);
    }
}

/// An engine with everything around it that its thread meets.
struct Desk {
    engine: EngineHandle,
    log: event_log::EventLogHandle,
    feed: Producer<MarketEvent>,
    lane: CommandLane,
    stages: Consumer<Trace>,
    _public: broadcast::Reader,
    _feeding: Producer<MarketEvent>,
    /// Market events sent.
    events: u64,
}

const PATIENCE: Duration = Duration::from_secs(60);
const SEGMENT_LEN: u64 = 1 << 20;
/// Room for the orders of a run.
const CONFIGURE: Configure =
    Configure { orders_max: 1 << 16, book_orders_max: 1 << 16, ..desk::CONFIGURE };
const PRICES: [Ticks; 2] = [Ticks(1_000_000), Ticks(1_000_100)];

impl Desk {
    fn start(dir: &Path, strategy: Watch) -> Self {
        let journal = tidegate_journal::Config { segment_len: SEGMENT_LEN, ..Default::default() };
        let release = Arc::<runtime::Release>::default();
        let (writer, _log, _) =
            event_log::open_beside(dir, journal.clone(), release.level()).expect("a new log");
        let (events, events_in) = runtime::event_ring().expect("memory");
        let log = event_log::start(writer, events_in, Arc::clone(&release)).expect("a thread");
        let (feed, feed_in) = runtime::feed_ring();
        let (stages_in, stages) = runtime::stage_ring();
        let (public, _public) = broadcast::channel(Arc::clone(&release)).expect("memory");
        let (lane, lane_in) = lane();
        let (_feeding, _) = runtime::feed_ring();
        let config = EngineConfig {
            journal_dir: dir.into(),
            journal,
            configure: CONFIGURE,
            pin_core: None,
            wait: Wait::Spin,
            release,
            // A sync makes the page that it writes read-only: the next append meets a fault there. Every second by default.
            sync: Some(SyncPolicy { every: Duration::from_secs(600), ..Default::default() }),
            checkpoint_every: runtime::CHECKPOINT_EVERY,
        };
        let book_requests = Arc::new(BookRequests::default());
        let inputs = Inputs { feed: feed_in, lanes: vec![lane_in], book_requests };
        let outputs = Outputs {
            events,
            public,
            stages: stages_in,
            routes: Vec::new(),
            seats: Default::default(),
        };
        let last = EventPosition::default();
        let engine = runtime::start(config, inputs, outputs, last, strategy).expect("a thread");
        let mut desk = Self { engine, log, feed, lane, stages, _public, _feeding, events: 0 };
        desk.wait(|status| status.alive.load(Ordering::Acquire));
        desk.event(desk::definition());
        desk.event(desk::add(1, Side::Buy, PRICES[0], 1_000));
        desk.event(desk::add(2, Side::Sell, PRICES[1], 1_000));
        for command in desk::set_up() {
            desk.command(command);
        }
        desk
    }

    /// Waits until the engine's thread has done something.
    fn wait(&self, is_done: impl Fn(&EngineStatus) -> bool) {
        let began = Instant::now();
        while !is_done(&self.engine.status) {
            assert!(!self.engine.is_finished(), "the engine has stopped");
            assert!(began.elapsed() < PATIENCE, "{:?}", self.engine.status);
            std::thread::yield_now();
        }
    }

    fn event(&mut self, event: MarketEvent) {
        self.feed.push(event).expect("it is empty");
        self.events += 1;
        self.wait(|status| status.market_events.load(Ordering::Acquire) == self.events);
    }

    /// Once the engine has taken it, or has told itself the time.
    fn command(&mut self, command: CommandRecord) {
        let before = self.engine.status.commands.load(Ordering::Acquire);
        self.lane.try_send(command).expect("there is room");
        self.wait(|status| status.commands.load(Ordering::Acquire) > before);
    }

    /// Fresh liquidity, which the strategy takes one lot of; an order that rests, and is canceled.
    fn round(&mut self, n: u64) {
        let side = (n % 2) as usize;
        let old = if n < 2 { side as u64 + 1 } else { n + 1 };
        self.event(desk::refresh(old, n + 3, PRICES[side], 1_000, n));
        let mut order = desk::taking_order(1 << 40 | n, Side::Buy, PRICES[0]);
        if let Some(Command::NewOrder(limit)) = order.command() {
            let time_in_force = TimeInForce::Day.wire();
            order = CommandRecord::new(Command::NewOrder(NewOrder { time_in_force, ..limit }));
        }
        self.command(order);
        let order_id = OrderId(2 * n + 2);
        let (client_order_id, account) = (ClientOrderId::EMPTY, desk::ACCOUNT);
        let cancel = CancelOrder { client_order_id, order_id, account, reserved: [0; 4] };
        self.command(CommandRecord::new(Command::CancelOrder(cancel)));
        while self.stages.pop().is_ok() {}
    }

    /// Waits until the segment behind the one in use is made. An engine that fills segments faster than that waits for it.
    fn wait_for_next_segment(&self, dir: &Path) -> u64 {
        let journal = self.engine.status.journal.get().expect("it is open");
        let segment = journal.watermark.position().segment;
        let began = Instant::now();
        let is_next = |name: &str| {
            let number = name.strip_suffix(".tgj").and_then(|number| number.parse().ok());
            number == Some(segment + 1)
        };
        loop {
            let names = std::fs::read_dir(dir).expect("it is there").flatten();
            let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
            if names.any(|name| is_next(&name)) {
                // It has its name before its folder is synced.
                std::thread::sleep(Duration::from_millis(50));
                return segment;
            }
            assert!(began.elapsed() < PATIENCE, "no segment {}", segment + 1);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What was counted over rounds that fill several segments, and how many those were.
fn measured(fault: Fault) -> (u64, u64, u64, u64) {
    // One engine at a time is watched.
    static WATCHED: Mutex<()> = Mutex::new(());
    let _watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    CALLS.store(0, Ordering::Relaxed);
    // In memory: a disk makes pages read-only when it writes them, and what is new there takes as long as the disk is busy.
    let dir = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let counts = Arc::<Counts>::default();
    let (taker, before, untouched) = (Taker, None, Vec::new());
    let watch = Watch { taker, counts: Arc::clone(&counts), before, fault, untouched };
    let mut desk = Desk::start(dir.path(), watch);
    // As a server does that keeps its memory; tables have room for orders to come.
    memory::populate().expect("the system tells");
    // The event ring has gone round, and every stage of an order's life was met.
    let warm = 8_000;
    (0..warm).for_each(|n| desk.round(n));
    counts.phase.store(MEASURING, Ordering::Release);
    let mut segments = Vec::new();
    let rounds = 5_000;
    for n in warm..warm + rounds {
        if n % 500 == 0 {
            segments.push(desk.wait_for_next_segment(dir.path()));
        }
        desk.round(n);
    }
    counts.phase.store(DONE, Ordering::Release);
    desk.event(desk::add(9 << 40, Side::Buy, Ticks(900_000), 1));
    desk.wait(|_| counts.phase.load(Ordering::Acquire) == TOLD);
    segments.dedup();
    let Desk { engine, log, feed, .. } = desk;
    drop(feed);
    let stopped = engine.stop().expect("it does not fail");
    log.stop().expect("it does not fail");
    assert!(stopped.counters.fills >= warm + rounds, "each round trades: {:?}", stopped.counters);
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    assert!(get(&counts.events) >= rounds - 1);
    (
        get(&counts.allocations),
        CALLS.load(Ordering::Relaxed),
        get(&counts.faults),
        segments.len() as u64,
    )
}

/// How often a run may be repeated in which pages were taken away. The kernel does so by itself where memory is scattered, as after a
/// build: it moves pages together (`vm.compaction_proactiveness`), and who touches one meanwhile faults. What the engine does to itself
/// it does in every run.
const RUNS_MAX: usize = 5;

#[test]
fn a_warm_engine_allocates_nothing_calls_nobody_and_meets_no_page_fault() {
    let mut faulted = Vec::new();
    while faulted.len() < RUNS_MAX {
        let (allocations, calls, faults, segments) = measured(Fault::None);
        let last = LAST_CALL.load(Ordering::Relaxed);
        assert_eq!((allocations, calls), (0, 0), "the last call was number {last}");
        assert!(segments >= 3, "{segments} segments");
        if faults == 0 {
            return;
        }
        faulted.push(faults);
    }
    panic!("page faults in every run: {faulted:?}");
}

#[test]
fn what_is_done_on_purpose_is_counted() {
    assert!(measured(Fault::Allocation).0 > 3_000);
    assert!(measured(Fault::Call).1 > 3_000);
    let faults = measured(Fault::Page).2;
    assert!(faults >= 60, "{faults} page faults");
}
