//! A backtest on price levels and trades (L2): one thread, no file. The unit is a row of the event array, decoded and played.
//!
//! * `decode`: rows to events, alone;
//! * `replay`: and through the engine, looked at every 100 ms by a trader that does nothing;
//! * `grid`: that trader keeps 20 orders on each side, with 1 ms to the venue and back and a queue model (`power:2`).
//!
//! `TIDEGATE_BENCH_LEVELS=FILE` takes any event array; `bench/peers` runs the whole command beside others.

#![allow(missing_docs, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::convert::Infallible;
use std::hint::black_box;
use tidegate_bench::{desk, levels};
use tidegate_engine::backtest::{Backtest, Config};
use tidegate_engine::core::Core;
use tidegate_engine::trader::{Answer, Heard, Step, Trader, Watch};
use tidegate_model::command::{
    CancelOrder, Configure, FillModelKind, LatencyLeg, LatencyModel, NewOrder, OrderType,
    SetFillModel, SetLatency, TimeInForce,
};
use tidegate_model::event::{Event, ExecType};
use tidegate_model::{
    ClientOrderId, Command, Instrument, InstrumentId, Lots, OrderId, Side, StateHash, Symbol,
    Ticks, UnixNanos,
};

const ROWS: usize = 500_000;
const MILLI: u64 = 1_000_000;
const COIN: InstrumentId = InstrumentId(0);
/// 0.1 and 0.001 in 1e-8.
const TICK: i64 = 10_000_000;
const LOT: u64 = 100_000;
const ORDERS_A_SIDE: i64 = 20;
const GAP: i64 = 10 * TICK;
const HALF: i64 = 20 * TICK;

/// Looks every 100 ms; keeps a grid if it is to.
struct Looks {
    quotes: bool,
    next_at: UnixNanos,
    working: Vec<(u64, Side, Ticks, bool)>,
    requests: u64,
}

fn name(number: u64) -> ClientOrderId {
    ClientOrderId::new(&number.to_string()).expect("digits fit")
}

impl Looks {
    fn new(quotes: bool) -> Self {
        Self { quotes, next_at: UnixNanos::ZERO, working: Vec::new(), requests: 0 }
    }

    fn look(&mut self, core: &Core, answer: &mut Answer) {
        let best = |side| core.books().best(COIN, side).map(|level| level.price.0);
        let (Some(bid), Some(ask)) = (best(Side::Buy), best(Side::Sell)) else { return };
        let low = (bid + ask - 2 * HALF).div_euclid(2 * GAP);
        let high = -(-(bid + ask + 2 * HALF)).div_euclid(2 * GAP);
        let (bids, asks) = (low - ORDERS_A_SIDE + 1..=low, high..=high + ORDERS_A_SIDE - 1);
        let mut send = |requests: &mut u64, command| {
            *requests += 1;
            answer.send(*requests, command).expect("few enough");
        };
        for (number, side, price, can_cancel) in &mut self.working {
            let wanted = if *side == Side::Buy { &bids } else { &asks };
            if *can_cancel && !wanted.contains(&(price.0 / GAP)) {
                *can_cancel = false;
                let cancel = CancelOrder {
                    client_order_id: name(*number),
                    order_id: OrderId(0),
                    account: desk::ACCOUNT,
                    reserved: [0; 4],
                };
                send(&mut self.requests, Command::CancelOrder(cancel));
            }
        }
        for (side, at) in bids.map(|at| (Side::Buy, at)).chain(asks.map(|at| (Side::Sell, at))) {
            let price = Ticks(at * GAP);
            if self.working.iter().any(|order| (order.1, order.2) == (side, price)) {
                continue;
            }
            let number = self.requests + 1;
            let order = NewOrder {
                client_order_id: name(number),
                account: desk::ACCOUNT,
                instrument: COIN,
                side: side.wire(),
                order_type: OrderType::Limit.wire(),
                time_in_force: TimeInForce::Gtc.wire(),
                qty: Lots(LOT),
                price,
                ..NewOrder::BLANK
            };
            send(&mut self.requests, Command::NewOrder(order));
            self.working.push((number, side, price, false));
        }
    }
}

impl Trader for Looks {
    type Error = Infallible;

    fn step(
        &mut self,
        core: &Core,
        step: &Step<'_>,
        answer: &mut Answer,
    ) -> Result<(), Infallible> {
        for heard in step.heard {
            let Heard::Event(record) = heard else { continue };
            let Some(Event::Execution(execution)) = record.event() else { continue };
            let number = execution.client_order_id.as_str().parse().unwrap_or(0);
            let Some(at) = self.working.iter().position(|order| order.0 == number) else {
                continue;
            };
            match ExecType::from_wire(execution.exec_type) {
                _ if execution.leaves_qty == Lots::ZERO => drop(self.working.swap_remove(at)),
                Some(ExecType::New) => self.working[at].3 = true,
                _ => {}
            }
        }
        if step.now >= self.next_at {
            self.next_at = UnixNanos(step.now.0 + 100 * MILLI);
            if self.quotes {
                self.look(core, answer);
            }
        }
        answer.wake_at = Some(self.next_at);
        Ok(())
    }
}

/// Plays the array; rows, orders, fills and the state that it ended in.
fn play(bytes: &[u8], quotes: bool) -> (u64, u64, u64, StateHash) {
    let config = Config {
        configure: Configure {
            paper_latency_ns: MILLI,
            orders_max: 1 << 16,
            ..desk::CONFIGURE_MARKET
        },
        begin: UnixNanos(1),
        account: desk::ACCOUNT,
        watch: Watch::First(1),
        interval_ns: 100 * MILLI,
        journal: None,
    };
    let mut backtest = Backtest::new(config, Looks::new(quotes), ()).expect("it can be had");
    let latency = SetLatency {
        constant_ns: MILLI,
        leg: LatencyLeg::Answer.wire(),
        model: LatencyModel::Constant.wire(),
        ..SetLatency::default()
    };
    let coin = Instrument {
        tick_size_nano: 10,
        lot_size_nano: 10,
        order_tick: Ticks(TICK),
        order_tick_from: Ticks(i64::MIN),
        ..Instrument::us_equity(Symbol::new("COIN").expect("valid"))
    };
    let model = SetFillModel {
        instrument: COIN,
        model: FillModelKind::Power.wire(),
        exponent_e3: 2_000,
        ..SetFillModel::default()
    };
    let set_up = [
        Command::SetLatency(latency),
        Command::DefineInstrument(coin),
        Command::SetFillModel(model),
    ];
    let wide = desk::set_up().map(|record| record.command().expect("one of ours"));
    for command in set_up.into_iter().chain(wide) {
        let command = match command {
            Command::SetLimits(limits) => Command::SetLimits(tidegate_model::command::SetLimits {
                max_order_qty: Lots(1_000 * LOT),
                max_position: Lots(1_000_000 * LOT),
                ..limits
            }),
            other => other,
        };
        backtest.command(command).expect("it is allowed");
    }
    backtest.start().expect("nothing fails here");
    let rows = levels::read(bytes, |event| backtest.market(&event).expect("nothing fails here"));
    let finished = backtest.finish().expect("nothing fails here");
    let fills = finished.core.counters().fills;
    (rows, finished.trader.requests, fills, finished.state_hash)
}

fn backtest(criterion: &mut Criterion) {
    let (file, bytes) = levels::workload(ROWS);
    let rows = levels::read(&bytes, |_| {});
    for quotes in [false, true] {
        let (rows, requests, fills, hash) = play(&bytes, quotes);
        println!("{file}: {rows} rows, {requests} requests, {fills} fills, state {hash}");
    }
    let mut group = criterion.benchmark_group("backtest");
    group.throughput(Throughput::Elements(rows)).sample_size(10);
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            levels::read(&bytes, |event| {
                black_box(event);
            })
        });
    });
    group.bench_function("replay", |bencher| bencher.iter(|| play(&bytes, false)));
    group.bench_function("grid", |bencher| bencher.iter(|| play(&bytes, true)));
    group.finish();
}

criterion_group!(benches, backtest);
criterion_main!(benches);
