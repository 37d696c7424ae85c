//! What one operation costs the internal market, report included: a limit order that comes to rest, a cancel, an order that takes
//! one resting order whole, and the same with and of other order types.
//!
//! Two threads on two cores: one calls the market, the other reads the reports out of the ring that it writes them into. The unit is
//! one operation, from before the call until its reports are in the ring.
//!
//! * `mean`: a batch of operations between two looks at the clock; the median over batches. Nothing but the operations is in it.
//! * `p50`, `p99`, `p99.9`: a look at the clock (the time stamp counter) between any two operations. What a look costs is in them, and
//!   stands in the first line.
//!
//! Books of 100 to 1,000,000 orders, all of them one lot, at uniformly random prices: `dense` within 500 ticks of the middle on either
//! side, `wide` within 100,000, `sparse` within 1,000,000,000, where hardly two orders share a price. Operations
//! leave the book as it was: what is taken off is put back, outside of the clock. Cancels come in two kinds: of the orders
//! that came last, in random order, as most are in real markets; and of any order whatever, which in large books is
//! in no cache.

#![allow(missing_docs, reason = "a bench")]

use hdrhistogram::Histogram;
use quanta::Clock;
use std::cmp::Reverse;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidegate_bench::flow::Random;
use tidegate_bench::reports::{self, Counts};
use tidegate_engine::matching::{Entry, Markets, Peg, Plain, Reports, Trade};
use tidegate_matching_challenge::ring::{Record, Writer};
use tidegate_matching_challenge::session::{CANCEL_ACK, MODIFY_ACK, ORDER_ACK, TRADE};
use tidegate_model::command::{OrderType, PegKind, TimeInForce};
use tidegate_model::event::CancelReason;
use tidegate_model::{AccountId, Lots, Reject, Side, Ticks};

/// Orders that rest in a book.
const SIZES: [usize; 3] = [100, 10_000, 1_000_000];
/// How far from the middle they rest at most, in ticks.
const SPREADS: [(&str, u64); 3] = [("dense", 500), ("wide", 100_000), ("sparse", 1_000_000_000)];
const MIDDLE: i64 = 3_000_000_000;
/// Operations in a batch, or a quarter of the book if that is less.
const BATCH_MAX: usize = 256;
/// One book is measured for so long, and for so many rounds at least.
const TIME: Duration = Duration::from_millis(600);
const ROUNDS_MIN: u32 = 20;
/// Handles beyond those of the orders that rest.
const HANDLES_SPARE: usize = 8_192;

fn main() {
    // `cargo bench -- NAME` and `cargo test --benches` pass arguments; run only when meant.
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let is_test = std::env::args().any(|arg| arg == "--test");
    let wanted = names.iter().all(|name| "matching_operations".contains(name.as_str()));
    if is_test || !wanted {
        return;
    }
    let clock = Clock::new();
    let mut bare = Figures::new("");
    for round in 0..2_000 {
        bare.time(&clock, round, &[(); BATCH_MAX], |()| {});
    }
    println!(
        "matching_operations: nanoseconds; a look at the clock: p50 {}, p99 {}",
        bare.at(0.5),
        bare.at(0.99)
    );
    println!(
        "{:<28}{:<16}{:>8}{:>8}{:>8}{:>8}",
        "book", "operation", "mean", "p50", "p99", "p99.9"
    );
    for (name, spread) in SPREADS {
        for size in SIZES {
            measure(&clock, &format!("{name} {size}"), Desk::new(size, spread));
        }
    }
    measure_beside(&clock);
    measure_kinds(&clock);
}

/// Times of one kind of operation, in nanoseconds.
struct Figures {
    name: &'static str,
    /// Of batches: mean of their operations.
    means: Vec<f64>,
    each: Histogram<u64>,
    stamps: Vec<u64>,
}

impl Figures {
    fn new(name: &'static str) -> Self {
        let each = Histogram::new_with_bounds(1, 10_000_000_000, 3).expect("a valid shape");
        Self { name, means: Vec::new(), each, stamps: Vec::with_capacity(BATCH_MAX + 1) }
    }

    /// Does `each` to all items: in even rounds between two looks at the clock, in odd ones with a look after each item.
    fn time<T>(&mut self, clock: &Clock, round: u32, items: &[T], mut each: impl FnMut(&T)) {
        if round.is_multiple_of(2) {
            let before = clock.raw();
            items.iter().for_each(&mut each);
            let spent = clock.delta_as_nanos(before, clock.raw());
            self.means.push(spent as f64 / items.len() as f64);
            return;
        }
        self.stamps.clear();
        self.stamps.push(clock.raw());
        for item in items {
            each(item);
            self.stamps.push(clock.raw());
        }
        for pair in self.stamps.windows(2) {
            self.each.saturating_record(clock.delta_as_nanos(pair[0], pair[1]));
        }
    }

    fn at(&self, quantile: f64) -> u64 {
        self.each.value_at_quantile(quantile)
    }

    fn print(&mut self, book: &str) {
        self.means.sort_by(f64::total_cmp);
        let mean = self.means[self.means.len() / 2];
        print!("{book:<28}{:<16}{mean:>8.1}", self.name);
        match self.each.is_empty() {
            true => println!(),
            false => {
                println!("{:>8}{:>8}{:>8}", self.at(0.5), self.at(0.99), self.at(0.999))
            }
        }
    }
}

/// Writes what happens into the ring, and remembers whom takers met and how many orders were triggered.
struct Sink {
    out: Writer,
    seq: u64,
    makers: Vec<u32>,
    triggered: usize,
}

impl Sink {
    #[inline(always)]
    fn push(&mut self, kind: u16, order: u32, maker: u32, price: i64, qty: u64) {
        self.seq += 1;
        let record = Record { seq: self.seq, price, qty: qty as u32, order, maker, kind, side: 0 };
        self.out.push(record);
    }
}

impl Reports for Sink {
    #[inline(always)]
    fn accepted(&mut self, handle: u32, price: Ticks) {
        self.push(ORDER_ACK, handle, 0, price.0, 0);
    }
    #[inline(always)]
    fn trade(&mut self, trade: &Trade) {
        self.makers.push(trade.maker);
        self.push(TRADE, trade.taker, trade.maker, trade.price.0, trade.qty.0);
    }
    #[inline(always)]
    fn canceled(&mut self, handle: u32, qty: Lots, _: CancelReason) {
        self.push(CANCEL_ACK, handle, 0, 0, qty.0);
    }
    fn replaced(&mut self, handle: u32, price: Ticks, leaves: Lots) {
        self.push(MODIFY_ACK, handle, 0, price.0, leaves.0);
    }
    fn triggered(&mut self, handle: u32, _: Ticks) {
        self.triggered += 1;
        self.push(MODIFY_ACK, handle, 0, 0, 0);
    }
    fn rejected(&mut self, _: u32, reject: Reject) {
        panic!("the bench's orders are in order: {reject}");
    }
    fn refused(&mut self, _: u32, reject: Reject) {
        panic!("the bench's cancels and replaces are in order: {reject}");
    }
}

/// A market whose book stays as it is, and who trades there.
struct Desk {
    markets: Markets,
    sink: Sink,
    random: Random,
    spread: u64,
    /// By handle: the orders that rest, and those that did.
    orders: Vec<Plain>,
    /// Who rests.
    resting: Vec<u32>,
    /// Handles that nobody has, the last one first to be used.
    free: Vec<u32>,
    reader: JoinHandle<Counts>,
}

impl Desk {
    fn new(size: usize, spread: u64) -> Self {
        let (out, reader) = reports::reading();
        let sink = Sink { out, seq: 0, makers: Vec::with_capacity(BATCH_MAX), triggered: 0 };
        let mut markets = Markets::new(1 << 21);
        markets.define(Ticks(1));
        markets.define(Ticks(1));
        let random = Random(size as u64);
        let (orders, resting, free) = (Vec::new(), Vec::new(), Vec::new());
        let mut desk = Self { markets, sink, random, spread, orders, resting, free, reader };
        for handle in 0..size + HANDLES_SPARE {
            let order = desk.order(handle as u32);
            desk.orders.push(order);
        }
        desk.free.extend((size..size + HANDLES_SPARE).map(|handle| handle as u32));
        desk.resting.extend((0..size).map(|handle| handle as u32));
        // From the worst price to the best, which is quick however a market keeps its prices.
        let mut orders = desk.orders[..size].to_vec();
        orders.sort_by_key(|order| Reverse((order.price.0 - MIDDLE).abs()));
        orders.iter().for_each(|order| desk.markets.enter_plain(0, order, &mut desk.sink));
        desk
    }

    /// A limit order of one lot, buyers and sellers in turn.
    fn order(&mut self, handle: u32) -> Plain {
        let side = [Side::Buy, Side::Sell][handle as usize % 2];
        let away = 1 + self.random.below(self.spread) as i64;
        Plain {
            handle,
            account: AccountId(1),
            side,
            time_in_force: TimeInForce::Gtc,
            qty: Lots(1),
            price: Ticks(MIDDLE + if side == Side::Buy { -away } else { away }),
        }
    }

    /// Moves `count` random ones to the end of what rests, and gives their handles.
    fn pick(&mut self, count: usize) -> Vec<u32> {
        let len = self.resting.len();
        for last in (len - count..len).rev() {
            self.resting.swap(last, self.random.below(last as u64 + 1) as usize);
        }
        self.resting[len - count..].to_vec()
    }

    /// They come again as they were.
    fn put_back(&mut self, handles: &[u32]) {
        for handle in handles {
            self.markets.enter_plain(0, &self.orders[*handle as usize], &mut self.sink);
        }
    }

    fn close(self) {
        drop(self.sink);
        self.reader.join().expect("the reader does not fail");
    }
}

/// Calls `round` with its number until there are enough.
fn repeat(mut round: impl FnMut(u32)) {
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < ROUNDS_MIN || started.elapsed() < TIME {
        round(rounds);
        rounds += 1;
    }
}

/// Rest, cancel and fill on a book.
fn measure(clock: &Clock, book: &str, mut desk: Desk) {
    let batch = BATCH_MAX.min(desk.resting.len() / 4);
    let mut figures = ["rest", "cancel", "cancel any", "fill"].map(Figures::new);
    let [rest, cancel, cancel_any, fill] = &mut figures;
    repeat(|round| {
        let fresh = desk.free.len() - batch;
        let mut orders: Vec<Plain> = Vec::with_capacity(batch);
        for at in (fresh..fresh + batch).rev() {
            orders.push(desk.order(desk.free[at]));
        }
        let Desk { markets, sink, random, .. } = &mut desk;
        rest.time(clock, round, &orders, |order| markets.enter_plain(0, order, sink));
        for last in (1..batch).rev() {
            orders.swap(last, random.below(last as u64 + 1) as usize);
        }
        cancel.time(clock, round, &orders, |order| markets.cancel(order.handle, sink));

        let picked = desk.pick(batch);
        let Desk { markets, sink, .. } = &mut desk;
        cancel_any.time(clock, round, &picked, |handle| markets.cancel(*handle, sink));
        desk.put_back(&picked);

        let takers: Vec<Plain> = (0..batch as u32).map(|at| taker(&desk, at)).collect();
        desk.sink.makers.clear();
        let Desk { markets, sink, .. } = &mut desk;
        fill.time(clock, round, &takers, |taker| markets.enter_plain(0, taker, sink));
        let makers = std::mem::take(&mut desk.sink.makers);
        assert_eq!(makers.len(), batch, "each taker meets one order");
        desk.put_back(&makers);
        desk.sink.makers = makers;
        desk.sink.out.flush();
    });
    figures.iter_mut().for_each(|figures| figures.print(book));
    desk.close();
}

/// An order of one lot at any price, buyers and sellers in turn.
fn taker(desk: &Desk, at: u32) -> Plain {
    let away = 2 * desk.spread as i64;
    let (side, price) = [(Side::Buy, MIDDLE + away), (Side::Sell, MIDDLE - away)][at as usize % 2];
    Plain {
        handle: *desk.free.last().expect("there are more handles than orders"),
        account: AccountId(2),
        side,
        time_in_force: TimeInForce::Ioc,
        qty: Lots(1),
        price: Ticks(price),
    }
}

/// What an order of another type is made of: name, and a change of a limit order `deep` ticks from the middle.
type Kind = (&'static str, fn(&mut Entry));

/// A limit order of 10 lots that shows one.
fn iceberg(entry: &mut Entry) {
    entry.qty = Lots(10);
    entry.terms.display_qty = Some(Lots(1));
}

fn hidden(entry: &mut Entry) {
    entry.terms.hidden = true;
}

/// Behind its own side's best price.
fn peg(entry: &mut Entry) {
    entry.order_type = OrderType::Pegged;
    entry.price = Ticks(0);
    let offset = Ticks(if entry.side == Side::Buy { -100 } else { 100 });
    entry.terms.peg = Some(Peg { kind: PegKind::Primary, offset });
}

/// Waits for a price that does not come.
fn stop(entry: &mut Entry) {
    entry.order_type = OrderType::StopLimit;
    let away = if entry.side == Side::Buy { 100_000 } else { -100_000 };
    entry.terms.stop_price = Some(Ticks(MIDDLE + away));
}

/// Nothing that it could trade with has two lots.
fn minimum(entry: &mut Entry) {
    entry.qty = Lots(2);
    entry.terms.min_qty = Some(Lots(2));
}

const KINDS: [Kind; 5] =
    [("iceberg", iceberg), ("hidden", hidden), ("peg", peg), ("stop", stop), ("minimum", minimum)];

/// Orders of a kind, 400 to 500 ticks from the middle.
fn entries(desk: &mut Desk, (_, change): Kind, first: usize, count: usize) -> Vec<Entry> {
    let handles = desk.free[first..first + count].to_vec();
    let entry = |handle: u32| {
        let Plain { side, price, .. } = desk.order(handle);
        let price = Ticks(MIDDLE + (price.0 - MIDDLE).signum() * (400 + i64::from(handle % 100)));
        let mut entry = Entry::limit(handle, side, price, Lots(1));
        change(&mut entry);
        entry
    };
    handles.into_iter().map(entry).collect()
}

/// What plain orders cost where others rest too.
fn measure_beside(clock: &Clock) {
    let desk = || Desk::new(10_000, 500);
    let mut elsewhere = desk();
    for (at, kind) in KINDS.into_iter().enumerate() {
        for entry in entries(&mut elsewhere, kind, at * 1_000, 1_000) {
            elsewhere.markets.enter(1, &entry, &mut elsewhere.sink);
        }
    }
    measure(clock, "all kinds in another market", elsewhere);
    for (kind, count) in
        [(0, 1_000), (3, 1_000), (1, 1), (1, 1_000), (2, 1), (2, 100), (4, 1), (4, 100)]
    {
        let mut desk = desk();
        for entry in entries(&mut desk, KINDS[kind], 0, count) {
            desk.markets.enter(0, &entry, &mut desk.sink);
        }
        measure(clock, &format!("beside {count} x {}", KINDS[kind].0), desk);
    }
}

/// What orders of other types cost themselves, as the only ones of their kind.
fn measure_kinds(clock: &Clock) {
    for kind in KINDS {
        let mut desk = Desk::new(10_000, 500);
        let mut figures = ["rest", "cancel"].map(Figures::new);
        let [rest, cancel] = &mut figures;
        let first = desk.free.len() - BATCH_MAX;
        repeat(|round| {
            let entries = entries(&mut desk, kind, first, BATCH_MAX);
            let Desk { markets, sink, .. } = &mut desk;
            rest.time(clock, round, &entries, |entry| markets.enter(0, entry, sink));
            cancel.time(clock, round, &entries, |entry| markets.cancel(entry.handle, sink));
            desk.sink.out.flush();
        });
        figures.iter_mut().for_each(|figures| figures.print(kind.0));
        desk.close();
    }
    show_again(clock);
    trigger(clock);
}

/// An order of one lot takes what an iceberg shows, which then shows the next lot.
fn show_again(clock: &Clock) {
    let mut desk = Desk::new(10_000, 500);
    let mut figures = Figures::new("fill, show next");
    repeat(|round| {
        let handle = desk.free[0];
        let mut entry = Entry::limit(handle, Side::Sell, Ticks(MIDDLE), Lots(BATCH_MAX as u64 + 1));
        entry.terms.display_qty = Some(Lots(1));
        desk.markets.enter(0, &entry, &mut desk.sink);
        let takers: Vec<Plain> = (0..BATCH_MAX).map(|_| taker(&desk, 0)).collect();
        desk.sink.makers.clear();
        let Desk { markets, sink, .. } = &mut desk;
        figures.time(clock, round, &takers, |taker| markets.enter_plain(0, taker, sink));
        assert!(desk.sink.makers.iter().all(|maker| *maker == handle), "all meet the iceberg");
        desk.markets.cancel(handle, &mut desk.sink);
        desk.sink.out.flush();
    });
    figures.print("iceberg");
    desk.close();
}

/// One trade triggers a batch of stop-limit orders, which then rest.
fn trigger(clock: &Clock) {
    let mut desk = Desk::new(10_000, 500);
    let mut figures = Figures::new("trigger, rest");
    let first = desk.free.len() - BATCH_MAX - 1;
    repeat(|round| {
        desk.sink.makers.clear();
        let [buyer, seller] = [taker(&desk, 0), taker(&desk, 1)];
        // The last trade is below the middle, at which the stops wait for the next one.
        desk.markets.enter_plain(0, &seller, &mut desk.sink);
        let stop: Kind = ("stop", |entry| {
            entry.side = Side::Buy;
            entry.order_type = OrderType::StopLimit;
            entry.terms.stop_price = Some(Ticks(MIDDLE));
            entry.price = Ticks(MIDDLE - 400 - i64::from(entry.handle % 100));
        });
        let entries = entries(&mut desk, stop, first, BATCH_MAX);
        for entry in &entries {
            desk.markets.enter(0, entry, &mut desk.sink);
        }
        desk.sink.triggered = 0;
        let Desk { markets, sink, .. } = &mut desk;
        // One look before and one after, for all of them.
        let mut all = Some(());
        figures.time(clock, 2 * round, &entries, |_| {
            if all.take().is_some() {
                markets.enter_plain(0, &buyer, sink);
            }
        });
        assert_eq!(desk.sink.triggered, BATCH_MAX, "one trade triggers all");
        for entry in &entries {
            desk.markets.cancel(entry.handle, &mut desk.sink);
        }
        let makers = desk.sink.makers.clone();
        desk.put_back(&makers);
        desk.sink.out.flush();
    });
    figures.print("stop");
    desk.close();
}
