//! Once warm, the engine's path allocates nothing: market events, orders, fills, cancels, replaces.

#![allow(unsafe_code, reason = "a global allocator that counts can only be written so")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use tidegate_bench::{desk, market};
use tidegate_engine::core::{Core, Input, NoOutput};
use tidegate_engine::runtime;
use tidegate_journal::frame::KIND_MARKET_EVENT;
use tidegate_journal::{Config, Writer};
use tidegate_model::command::{CancelOrder, NewOrder, OrderType, ReplaceOrder, TimeInForce};
use tidegate_model::{
    ClientOrderId, Command, CommandRecord, InstrumentId, Lots, MarketEvent, OrderId, Side, Ticks,
};

struct Counting;

thread_local! {
    static COUNT: AtomicU64 = const { AtomicU64::new(0) };
}

fn count() {
    // The counter is gone while a thread ends; nothing is measured then.
    let _ = COUNT.try_with(|count| count.fetch_add(1, Ordering::Relaxed));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
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

/// Allocations of this thread while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.with(|count| count.load(Ordering::Relaxed));
    work();
    COUNT.with(|count| count.load(Ordering::Relaxed)) - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
}

#[test]
fn market_events_of_a_whole_session_allocate_nothing_when_warm() {
    let events = market::events_of(&market::session_bytes(400_000));
    let mut core = Core::new(desk::CONFIGURE).expect("the sizes are allowed");
    let apply = |core: &mut Core, event: &MarketEvent| {
        core.apply(core.seq().next(), Input::Market(event), &mut NoOutput);
    };
    // The same session once more, after a clear of each book, meets only what is there already.
    let mut clears: Vec<MarketEvent> = Vec::new();
    for event in &events {
        if event.definition().is_some() {
            let kind = tidegate_model::MarketEventKind::Clear.wire();
            clears.push(MarketEvent { kind, channel_id: event.channel_id, ..Default::default() });
        }
        apply(&mut core, event);
    }
    for clear in &clears {
        apply(&mut core, clear);
    }
    let counted = allocations(|| events.iter().for_each(|event| apply(&mut core, event)));
    assert_eq!(counted, 0, "allocations in {} events", events.len());
    assert!(core.counters().market_events >= 2 * events.len() as u64);
    assert!(core.books().orders_count_total() > 1_000);
}

#[test]
fn orders_and_journal_allocate_nothing_when_warm() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (mut writer, _) = Writer::open(dir.path(), Config::default()).expect("a new journal");
    let mut core = Core::new(desk::CONFIGURE).expect("the sizes are allowed");
    let (bid, offer) = (Ticks(1_000_000), Ticks(1_000_100));
    let command = |core: &mut Core, record: &CommandRecord| {
        core.apply(core.seq().next(), Input::Command(record), &mut NoOutput);
    };
    let event = |core: &mut Core, event: &MarketEvent| {
        core.apply(core.seq().next(), Input::Market(event), &mut NoOutput);
    };
    event(&mut core, &desk::definition());
    for record in desk::set_up() {
        command(&mut core, &record);
    }
    event(&mut core, &desk::add(1, Side::Buy, bid, 1_000));
    event(&mut core, &desk::add(2, Side::Sell, offer, 1_000));
    let mut round = |core: &mut Core, n: u64| {
        // Fresh liquidity, taken by an order; one that rests, is replaced, filled by flow or canceled.
        let (side, price) = if n.is_multiple_of(2) { (0, bid) } else { (1, offer) };
        let old = if n < 2 { side + 1 } else { n + 1 };
        let market_event = desk::refresh(old, n + 3, price, 1_000, n);
        writer.append_pod(KIND_MARKET_EVENT, core.seq().next(), &market_event).ok();
        event(core, &market_event);
        let taker = if side == 0 { Side::Sell } else { Side::Buy };
        command(core, &desk::taking_order(2 * n, taker, price));
        let mut resting = desk::taking_order(2 * n + 1, taker.opposite(), price);
        if let Some(Command::NewOrder(order)) = resting.command() {
            let time_in_force = TimeInForce::Gtc.wire();
            resting = CommandRecord::new(Command::NewOrder(NewOrder { time_in_force, ..order }));
        }
        command(core, &resting);
        let order_id = OrderId(2 * n + 2);
        let (client_order_id, account) = (ClientOrderId::EMPTY, desk::ACCOUNT);
        let (qty, reserved) = (Lots(3), [0; 4]);
        let replace = ReplaceOrder {
            client_order_id,
            order_id,
            account,
            reserved,
            qty,
            price,
            stop_price: Ticks::ZERO,
        };
        command(core, &CommandRecord::new(Command::ReplaceOrder(replace)));
        let cancel = CancelOrder { client_order_id, order_id, account, reserved };
        command(core, &CommandRecord::new(Command::CancelOrder(cancel)));
    };
    (0..10_000).for_each(|n| round(&mut core, n));
    let fills_warm = core.counters().fills;
    let counted = allocations(|| (10_000..50_000).for_each(|n| round(&mut core, n)));
    assert_eq!(counted, 0, "allocations in 40,000 rounds");
    assert!(core.counters().fills >= fills_warm + 40_000, "each round trades");
    assert!(core.oms().position(desk::ACCOUNT, InstrumentId(0)).bought.0 > 10_000);
}

#[test]
fn orders_in_a_market_of_the_house_allocate_nothing_when_warm() {
    let mut core = Core::new(desk::CONFIGURE).expect("the sizes are allowed");
    let command = |core: &mut Core, record: &CommandRecord| {
        core.apply(core.seq().next(), Input::Command(record), &mut NoOutput);
    };
    for record in desk::set_up().iter().chain(&desk::house()) {
        command(&mut core, record);
    }
    let round = |core: &mut Core, n: u64| {
        let (side, price) = match n % 2 {
            0 => (Side::Buy, Ticks(999_900)),
            _ => (Side::Sell, Ticks(1_000_100)),
        };
        let mut enter = |n: u64, side: Side, life: TimeInForce, kind: OrderType| {
            let record = desk::taking_order(n, side, price);
            let Some(Command::NewOrder(order)) = record.command() else {
                unreachable!("it is one")
            };
            let price = if kind == OrderType::Market { Ticks::ZERO } else { price };
            let (time_in_force, order_type) = (life.wire(), kind.wire());
            let order = NewOrder { time_in_force, order_type, price, qty: Lots(3), ..order };
            command(core, &CommandRecord::new(Command::NewOrder(order)));
        };
        // Two that rest and are taken, by an order with a price and by one without, and one that is replaced and canceled.
        enter(5 * n, side, TimeInForce::Gtc, OrderType::Limit);
        enter(5 * n + 1, side.opposite(), TimeInForce::Ioc, OrderType::Limit);
        enter(5 * n + 2, side, TimeInForce::Gtc, OrderType::Limit);
        enter(5 * n + 3, side.opposite(), TimeInForce::Day, OrderType::Market);
        enter(5 * n + 4, side, TimeInForce::Gtc, OrderType::Limit);
        let order_id = OrderId(5 * n + 5);
        let (client_order_id, account) = (ClientOrderId::EMPTY, desk::ACCOUNT);
        let (qty, reserved, stop_price) = (Lots(4), [0; 4], Ticks::ZERO);
        let replace =
            ReplaceOrder { client_order_id, order_id, account, reserved, qty, price, stop_price };
        command(core, &CommandRecord::new(Command::ReplaceOrder(replace)));
        let cancel = CancelOrder { client_order_id, order_id, account, reserved };
        command(core, &CommandRecord::new(Command::CancelOrder(cancel)));
    };
    (0..5_000).for_each(|n| round(&mut core, n));
    let fills_warm = core.counters().fills;
    let counted = allocations(|| (5_000..50_000).for_each(|n| round(&mut core, n)));
    assert_eq!(counted, 0, "allocations in 45,000 rounds");
    assert_eq!(core.counters().fills, fills_warm + 4 * 45_000, "each round trades");
}

#[test]
fn rings_allocate_nothing() {
    let (mut feed, mut feed_in) = runtime::feed_ring();
    let counted = allocations(|| {
        for n in 0..1_000_000u64 {
            feed.push(MarketEvent { feed_seq: n, ..Default::default() }).expect("it is emptied");
            assert_eq!(feed_in.pop().expect("just pushed").feed_seq, n);
        }
    });
    assert_eq!(counted, 0);
}
