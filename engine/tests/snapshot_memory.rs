//! A state that was read from a snapshot has all the room that a new one has: what comes next costs no allocation.
#![allow(unsafe_code, reason = "a counting allocator implements an unsafe trait")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::saved::saved;
use support::*;
use tidegate_engine::core::{Core, Input, NoOutput, STATE_VERSION};
use tidegate_model::command::TimeInForce;
use tidegate_model::*;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn inputs_after_a_load_cost_no_allocation() {
    let mut desk = Desk::new(300);
    // What grows as it is used has grown: ladders, lists of our resting orders.
    for n in 0..2_000u64 {
        let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
        let away = (n % 40) as i64 + 1;
        let price = cents(10_000 + if n % 2 == 0 { -away } else { away });
        desk.now.0 += 100;
        desk.market(add(n + 1, side, price, 50));
        if n > 1_000 {
            desk.market(execute(n - 400, 20));
        }
        if n % 4 < 2 && n % 8 < 4 {
            desk.order(side, Some(price), 10, TimeInForce::Gtc);
        }
    }
    let bytes = saved(&desk.core);
    let mut core = Core::load(STATE_VERSION, &bytes, desk.core.state_hash()).expect("it reads");

    let orders: Vec<_> = (0..500u64)
        .map(|n| {
            let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
            let price = cents(10_000 + if n % 2 == 0 { -3 } else { 3 });
            let order = new_order(&format!("later-{n}"), side, Some(price), 7, TimeInForce::Day);
            CommandRecord::new(Command::NewOrder(order))
        })
        .collect();
    let mut now = desk.now.0;
    let (kept, fills) = (core.oms().kept_count(), core.counters().fills);
    let before = ALLOCATIONS.with(Cell::get);
    for (n, order) in (0u64..).zip(&orders) {
        now += 100;
        let ts = UnixNanos(now);
        let record = CommandRecord { ts_recv: ts, ..*order };
        core.apply(core.seq().next(), Input::Command(&record), &mut NoOutput);
        for event in [execute(n + 1, 20), add(10_000 + n, Side::Buy, cents(9_990), 5)] {
            let event = MarketEvent { ts_recv: ts, ts_event: ts, ..event };
            core.apply(core.seq().next(), Input::Market(&event), &mut NoOutput);
        }
    }
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0, "after a load");
    let (kept_now, fills_now) = (core.oms().kept_count(), core.counters().fills);
    assert!(kept_now > kept + 100, "orders come: {kept} and {kept_now}");
    assert!(fills_now > fills, "and some are filled: {fills} and {fills_now}");
}
