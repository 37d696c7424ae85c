//! After accounts and instruments are known, orders cost no allocation: not the first of a pair, not a
//! reject, not the end of the day.
#![allow(unsafe_code, reason = "a counting allocator implements an unsafe trait")]

mod desk;

use desk::{Desk, order};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidegate_model::command::NewOrder;
use tidegate_model::event::Liquidity;
use tidegate_model::{AccountId, Lots, Side, Ticks};

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

/// Orders of every kind of end, prepared beforehand, since their names are made of text.
#[test]
fn orders_cost_no_allocation() {
    const ACCOUNTS: u32 = 4;
    const INSTRUMENTS: u32 = 600;
    let mut desk = Desk::new(4_096, ACCOUNTS, INSTRUMENTS);
    let orders: Vec<_> = (0..3_000_u64)
        .map(|n| {
            let side = if n % 3 == 0 { Side::Sell } else { Side::Buy };
            order(n as u32 % ACCOUNTS, n as u32 % INSTRUMENTS, n, side, 1 + n % 50)
        })
        .collect();
    let terms = desk.terms;

    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..3 {
        for (number, new) in orders.iter().enumerate() {
            let slot = desk.enter(*new).expect("sensible");
            assert_eq!(desk.enter(*new), Ok(slot), "sent again");
            let other = NewOrder { qty: Lots(51), ..*new };
            assert!(desk.enter(other).is_err(), "the name is taken");
            desk.oms.accepted(slot).expect("pending new");
            let before = desk.oms.exposure(slot);
            match number % 4 {
                0 => {
                    let fill = desk.oms.fill(slot, new.qty, Ticks(99), Liquidity::Taker, &terms);
                    let booking = fill.expect("fits").booking;
                    desk.risk.position_changed(
                        new.account,
                        new.instrument,
                        booking.position_qty,
                        booking.position_cost,
                    );
                }
                1 => {
                    let replace = desk.approve_replace(slot, 500, 101).expect("sensible");
                    desk.oms.replace_requested(slot, &replace, desk::WHO).expect("working");
                    desk.oms.replaced(slot).expect("asked for");
                }
                2 => {
                    desk.oms.cancel_requested(slot).expect("working");
                    desk.oms.canceled(slot).expect("asked for");
                }
                _ => {}
            }
            desk.oms.recount(&mut desk.risk, slot, &before);
        }
        let mut walk = desk.oms.first_open(AccountId::NONE);
        while let Some(slot) = walk {
            walk = desk.oms.next_open(AccountId::NONE, slot);
            let before = desk.oms.exposure(slot);
            desk.oms.expired(slot).expect("open");
            desk.oms.recount(&mut desk.risk, slot, &before);
        }
        desk.oms.day_roll();
        assert_eq!(desk.oms.kept_count(), 0);
    }
    let allocations = ALLOCATIONS.with(Cell::get) - before;
    assert_eq!(allocations, 0);
    assert!(before > 0, "the counter counts");
    assert_eq!(desk.oms.position(AccountId(0), orders[0].instrument).bought, Lots(0));
}
