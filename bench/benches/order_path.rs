//! What one order costs the engine's thread, without rings: a market event that refreshes a level, and the
//! immediate-or-cancel order of one lot that takes from it, through risk, order store, paper venue and ledger, every
//! event written out. One thread, warm; the unit is one market event with its order and fill.

#![allow(missing_docs, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tidegate_bench::desk;
use tidegate_engine::core::output::Output;
use tidegate_engine::core::{Core, Input};
use tidegate_model::{EventRecord, PublicUpdate, SeqNo, Side, Ticks};

/// Orders before a new engine is begun.
const ORDERS_MAX: u64 = 1_000_000;
const PRICES: [Ticks; 2] = [Ticks(1_000_000), Ticks(1_000_100)];

struct Seen;

impl Output for Seen {
    fn event(&mut self, event: &EventRecord) {
        black_box(event);
    }
    fn public(&mut self, update: &PublicUpdate) {
        black_box(update);
    }
    fn end_of_input(&mut self, _: SeqNo) {}
}

fn engine() -> Core {
    let mut core = Core::new(desk::CONFIGURE).expect("the sizes are allowed");
    let seen = &mut Seen;
    core.apply(core.seq().next(), Input::Market(&desk::definition()), seen);
    for command in desk::set_up() {
        core.apply(core.seq().next(), Input::Command(&command), seen);
    }
    for (side, order_ref) in [(Side::Buy, 1), (Side::Sell, 2)] {
        let event = desk::add(order_ref, side, PRICES[side.index()], 1_000);
        core.apply(core.seq().next(), Input::Market(&event), seen);
    }
    core
}

/// Market event `n`, and the order that answers it.
fn answer(core: &mut Core, n: u64) {
    let side = (n % 2) as usize;
    let event = desk::refresh(n + 1, n + 3, PRICES[side], 1_000, n);
    core.apply(core.seq().next(), Input::Market(&event), &mut Seen);
    let taker = if side == 0 { Side::Sell } else { Side::Buy };
    let order = desk::taking_order(n, taker, PRICES[side]);
    core.apply(core.seq().next(), Input::Command(&order), &mut Seen);
}

fn order_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("order_path");
    group.throughput(Throughput::Elements(1));
    let (mut core, mut orders) = (engine(), 0);
    group.bench_function("market_event_order_fill", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                if orders == ORDERS_MAX {
                    (core, orders) = (engine(), 0);
                }
                let count = left.min(ORDERS_MAX - orders);
                let started = Instant::now();
                for n in orders..orders + count {
                    answer(&mut core, n);
                }
                spent += started.elapsed();
                left -= count;
                orders += count;
                assert_eq!(core.counters().fills, orders, "each order fills");
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, order_path);
criterion_main!(benches);
