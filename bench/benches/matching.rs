//! The internal market on the kind of workload that the public matching-engine benchmark runs (`tidegate_bench::flow` says which),
//! and peers that are published as crates beside it, on the same messages in the same run.
//!
//! Two threads on two cores: one gives the messages to the market, one after the other, the other reads the reports that it writes
//! into a ring. The unit is one message; the clock runs from the first message until the second thread has read the last
//! report. What is made before: the messages, an empty market, a ring whose pages are touched.
//!
//! * `tidegate`: [`Session`], the code that the public benchmark drives: ids of 64 bits, the market of production with every order
//!   type compiled in, and its state hash.
//! * `orderbook-rs`: `OrderBook` of that crate, by `add_order_with_committed` with GTC and IOC orders; a modify is `cancel_order`
//!   and an order anew, since its own `update_order` does not return the trades. Its answers become the same records
//!   in the same ring. Its clock is its stub that counts calls, so that no time is spent on reading one.
//! * `lobster`: `OrderBook` of that crate, by limit orders. An immediate order is one whose rest is canceled, and a modify a cancel and an
//!   order anew. It does not say whether an order to cancel was there: a table of those that rest, beside it, knows.

#![allow(missing_docs, reason = "a bench")]

use criterion::{
    BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use lobster::{FillMetadata, OrderEvent};
use orderbook_rs::{OrderBook, OrderBookError, StubClock};
use pricelevel::{Hash32, Id, OrderType, Price, Quantity, TimeInForce, TimestampMs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidegate_bench::flow::{self, Ask, Message, SCENARIOS};
use tidegate_bench::reports::{self, Counts};
use tidegate_matching_challenge::ring::{Record, Writer};
use tidegate_matching_challenge::session::{
    CANCEL_ACK, CANCEL_REJECT, Cancel, MODIFY_ACK, MODIFY_REJECT, Modify, NewOrder, ORDER_ACK,
    Session, TRADE,
};
use tidegate_model::Side;

/// A market that reads messages and writes records.
trait Engine: Default {
    fn apply(&mut self, seq: u64, message: &Message, out: &mut Writer);
}

impl Engine for Session {
    #[inline(always)]
    fn apply(&mut self, seq: u64, message: &Message, out: &mut Writer) {
        let push = |record| out.push(record);
        let &Message { ask, side, qty, order_id, price } = message;
        match ask {
            Ask::Rest | Ask::Ioc => {
                let order = NewOrder {
                    order_id,
                    sequence_number: seq,
                    price_ticks: price,
                    quantity: qty,
                    side,
                    ioc: u8::from(ask == Ask::Ioc),
                    reserved: [0; 2],
                };
                self.enter(&order, push);
            }
            Ask::Cancel => self.cancel(&Cancel { order_id, sequence_number: seq }, push),
            Ask::Modify => {
                let modify = Modify {
                    order_id,
                    sequence_number: seq,
                    new_price_ticks: price,
                    new_quantity: qty,
                    side,
                    reserved: [0; 3],
                };
                self.modify(&modify, push);
            }
        }
    }
}

struct OrderBookRs(OrderBook<()>);

impl Default for OrderBookRs {
    fn default() -> Self {
        Self(OrderBook::with_clock("BENCH", Arc::new(StubClock::new())))
    }
}

impl OrderBookRs {
    /// The message's order comes; `record` is its acknowledgement.
    fn enter(&self, message: &Message, record: Record, out: &mut Writer) {
        let is_ioc = message.ask == Ask::Ioc;
        let order = OrderType::Standard {
            id: Id::Sequential(message.order_id),
            price: Price::new(message.price as u128),
            quantity: Quantity::new(message.qty.into()),
            side: if message.side == 0 { pricelevel::Side::Buy } else { pricelevel::Side::Sell },
            user_id: Hash32::zero(),
            timestamp: TimestampMs::new(record.seq),
            time_in_force: if is_ioc { TimeInForce::Ioc } else { TimeInForce::Gtc },
            extra_fields: (),
        };
        out.push(record);
        let (traded, is_left) = match self.0.add_order_with_committed(order) {
            Ok((_, traded)) => (traded, false),
            Err(failure) => {
                let is_unfilled =
                    matches!(failure.error, OrderBookError::InsufficientLiquidity { .. });
                assert!(is_ioc && is_unfilled, "{}", failure.error);
                (failure.committed.map(|traded| *traded), true)
            }
        };
        let mut left = message.qty;
        for trade in traded.iter().flat_map(|traded| traded.match_result.trades().as_vec()) {
            let Id::Sequential(maker) = trade.maker_order_id() else { continue };
            let qty = trade.quantity().as_u64() as u32;
            left -= qty;
            out.push(Record {
                kind: TRADE,
                price: trade.price().as_u128() as i64,
                qty,
                maker: maker as u32,
                ..record
            });
        }
        if is_left {
            out.push(Record { kind: CANCEL_ACK, qty: left, ..record });
        }
    }
}

impl Engine for OrderBookRs {
    fn apply(&mut self, seq: u64, message: &Message, out: &mut Writer) {
        let &Message { ask, order_id, .. } = message;
        let record = |kind| record_of(seq, message, kind);
        if matches!(ask, Ask::Rest | Ask::Ioc) {
            return self.enter(message, record(ORDER_ACK), out);
        }
        let canceled = self.0.cancel_order(Id::Sequential(order_id)).expect("its levels are sound");
        match (ask, canceled.is_some()) {
            (Ask::Modify, true) => self.enter(message, record(MODIFY_ACK), out),
            (Ask::Modify, false) => out.push(record(MODIFY_REJECT)),
            (_, true) => out.push(record(CANCEL_ACK)),
            (_, false) => out.push(record(CANCEL_REJECT)),
        }
    }
}

struct Lobster {
    book: lobster::OrderBook,
    /// By order id: whether it rests.
    rests: Vec<bool>,
}

impl Default for Lobster {
    fn default() -> Self {
        // Room for every order; levels, no statistics.
        let orders = flow::ORDERS;
        Self { book: lobster::OrderBook::new(orders, 64, false), rests: vec![false; 4 * orders] }
    }
}

impl Lobster {
    fn set(&mut self, order: u32, rests: bool) {
        let at = order as usize;
        if at >= self.rests.len() {
            self.rests.resize(2 * at, false);
        }
        self.rests[at] = rests;
    }

    fn enter(&mut self, message: &Message, record: Record, out: &mut Writer) {
        out.push(record);
        let told = self.book.execute(lobster::OrderType::Limit {
            id: message.order_id.into(),
            side: if message.side == 0 { lobster::Side::Bid } else { lobster::Side::Ask },
            qty: message.qty.into(),
            price: message.price as u64,
        });
        let (fills, filled) = match told {
            OrderEvent::Filled { fills, filled_qty, .. }
            | OrderEvent::PartiallyFilled { fills, filled_qty, .. } => (fills, filled_qty as u32),
            _ => (Vec::new(), 0),
        };
        for FillMetadata { order_2, qty, price, total_fill, .. } in fills {
            let maker = order_2 as u32;
            if total_fill {
                self.set(maker, false);
            }
            let (price, qty) = (price as i64, qty as u32);
            out.push(Record { kind: TRADE, price, qty, maker, ..record });
        }
        let left = message.qty - filled;
        if left > 0 && message.ask == Ask::Ioc {
            self.book.execute(lobster::OrderType::Cancel { id: message.order_id.into() });
            out.push(Record { kind: CANCEL_ACK, qty: left, ..record });
        } else {
            self.set(record.order, left > 0);
        }
    }
}

impl Engine for Lobster {
    fn apply(&mut self, seq: u64, message: &Message, out: &mut Writer) {
        let record = |kind| record_of(seq, message, kind);
        if matches!(message.ask, Ask::Rest | Ask::Ioc) {
            return self.enter(message, record(ORDER_ACK), out);
        }
        let order = message.order_id as u32;
        let rested = self.rests.get(order as usize) == Some(&true);
        if rested {
            self.book.execute(lobster::OrderType::Cancel { id: message.order_id.into() });
            self.set(order, false);
        }
        match (message.ask, rested) {
            (Ask::Modify, true) => self.enter(message, record(MODIFY_ACK), out),
            (Ask::Modify, false) => out.push(record(MODIFY_REJECT)),
            (_, true) => out.push(record(CANCEL_ACK)),
            (_, false) => out.push(record(CANCEL_REJECT)),
        }
    }
}

/// What is said of a message's order.
fn record_of(seq: u64, message: &Message, kind: u16) -> Record {
    let &Message { side, qty, order_id, price, .. } = message;
    Record { seq, price, qty, order: order_id as u32, kind, side: side.into(), maker: 0 }
}

/// One run: how long it took and what was reported.
fn run<E: Engine>(messages: &[Message]) -> (Duration, Counts, E) {
    let (mut out, reader) = reports::reading();
    let mut engine = E::default();
    let started = Instant::now();
    for (seq, message) in messages.iter().enumerate() {
        engine.apply(seq as u64, message, &mut out);
    }
    out.flush();
    drop(out);
    let counts = reader.join().expect("the reader does not fail");
    (started.elapsed(), counts, engine)
}

fn timed<E: Engine>(messages: &[Message], iterations: u64) -> Duration {
    (0..iterations).map(|_| run::<E>(messages).0).sum()
}

/// Says what the workload is: what stands in the end, and what was reported.
fn describe(name: &str, messages: &[Message]) {
    let (_, ours, session) = run::<Session>(messages);
    let standing = [Side::Buy, Side::Sell].map(|side| {
        session.levels(side).fold((0, 0), |(prices, orders), level| (prices + 1, orders + level.2))
    });
    let [acks, trades, cancels, modifies, cancel_rejects, modify_rejects] = ours;
    println!(
        "{name}: {} messages; reports: {acks} new, {trades} trades, {cancels} canceled, {modifies} modified, {} refused; \
         standing at the end: {} orders at {} prices",
        messages.len(),
        cancel_rejects + modify_rejects,
        standing[0].1 + standing[1].1,
        standing[0].0 + standing[1].0,
    );
    let peers =
        [("orderbook-rs", run::<OrderBookRs>(messages).1), ("lobster", run::<Lobster>(messages).1)];
    for (peer, theirs) in peers.into_iter().filter(|(_, theirs)| *theirs != ours) {
        println!("{name}: {peer} reported otherwise: {theirs:?}");
    }
}

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matching");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_millis(500));
    for scenario in SCENARIOS {
        let messages = flow::messages(&scenario, flow::ORDERS, flow::SEED);
        group.throughput(Throughput::Elements(messages.len() as u64));
        let mut is_described = false;
        let mut first = |name: &str| {
            if !std::mem::replace(&mut is_described, true) {
                describe(name, &messages);
            }
        };
        group.bench_function(BenchmarkId::new("tidegate", scenario.name), |bencher| {
            first(scenario.name);
            bencher.iter_custom(|iterations| timed::<Session>(&messages, iterations));
        });
        group.bench_function(BenchmarkId::new("orderbook-rs", scenario.name), |bencher| {
            first(scenario.name);
            bencher.iter_custom(|iterations| timed::<OrderBookRs>(&messages, iterations));
        });
        group.bench_function(BenchmarkId::new("lobster", scenario.name), |bencher| {
            first(scenario.name);
            bencher.iter_custom(|iterations| timed::<Lobster>(&messages, iterations));
        });
    }
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
