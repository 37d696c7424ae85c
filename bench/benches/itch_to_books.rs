//! From the bytes of an ITCH 5.0 BinaryFILE in memory to L3 books, state hash always on. One thread; the unit is one
//! message of the file; the clock runs over the whole file and covers nothing else.
//!
//! * `frames`: walks the frames, which is the floor;
//! * `decode`: makes events of them;
//! * `books`: and applies the events to fresh books;
//! * `books_warm`: and applies them to books that have seen the file before, so that no page is touched first;
//! * `books_and_best`: as `books`, reading both sides' best price after every event.
//!
//! Events are applied some dozens at a time after they were decoded, as the engine takes them out of a feed's ring. One that is applied
//! the moment it is decoded is copied before its bytes have left the processor's store buffer, which costs more than decoding it.
//!
//! The workload is a made-up session over 100 symbols, or the file that `TIDEGATE_BENCH_ITCH` names.

#![allow(missing_docs, reason = "a bench")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tidegate_bench::market;
use tidegate_engine::book::{BookLimits, Books};
use tidegate_feed_handler::binary_file::Frames;
use tidegate_feed_handler::itch::Decoder;
use tidegate_model::{InstrumentId, MarketEvent, MarketEventKind, Side, Ticks, UnixNanos};

/// Messages of the made-up session.
const MESSAGES: u64 = 4_600_000;
/// Events that are decoded before they are applied: 4 KiB, small beside a first-level cache.
const LOT: usize = 64;
/// A share's order tick in ITCH's price units.
const CENT: Ticks = Ticks(100);

fn frames(bytes: &[u8]) -> u64 {
    let mut messages = 0;
    for frame in Frames::new(bytes) {
        black_box(frame.expect("the file is whole").message.first());
        messages += 1;
    }
    messages
}

/// Decodes the file and gives each event to `each`.
#[inline(always)]
fn decode(bytes: &[u8], mut each: impl FnMut(MarketEvent)) {
    let mut decoder = Decoder::new(UnixNanos(0));
    for frame in Frames::new(bytes) {
        let message = frame.expect("the file is whole").message;
        decoder.decode(message, &mut each).expect("the file is valid");
    }
}

/// Applies one event to the book of its channel; gives 1 if it was refused.
#[inline(always)]
fn apply(books: &mut Books, event: &MarketEvent) -> u64 {
    let instrument = InstrumentId(event.channel_id);
    if event.kind == MarketEventKind::Definition.wire() {
        books.define(instrument, CENT).expect("the workload has fewer symbols than the books");
        return 0;
    }
    u64::from(books.apply(instrument, event, &mut ()).is_err())
}

/// Decodes the file and gives its events to `each`, some at a time.
#[inline(always)]
fn decode_lots(bytes: &[u8], mut each: impl FnMut(&[MarketEvent])) {
    let mut decoder = Decoder::new(UnixNanos(0));
    let mut frames = Frames::new(bytes);
    let mut lot = Vec::with_capacity(LOT + 1);
    while decode_lot(&mut frames, &mut decoder, &mut lot) {
        each(&lot);
        lot.clear();
    }
}

/// Decodes until there are some events; false at the end.
#[inline(never)]
fn decode_lot(frames: &mut Frames<'_>, decoder: &mut Decoder, lot: &mut Vec<MarketEvent>) -> bool {
    while lot.len() < LOT {
        let Some(frame) = frames.next() else { break };
        let message = frame.expect("the file is whole").message;
        decoder.decode(message, |event| lot.push(event)).expect("the file is valid");
    }
    !lot.is_empty()
}

/// Books as they are after the file.
fn build(bytes: &[u8], books: &mut Books) -> u64 {
    let mut refused = 0;
    decode_lots(bytes, |lot| {
        for event in lot {
            refused += apply(books, event);
        }
    });
    refused
}

/// Takes all orders out again; memory stays.
fn clear(books: &mut Books) {
    let clear = MarketEvent { kind: MarketEventKind::Clear.wire(), ..MarketEvent::default() };
    for instrument in (0..InstrumentId::COUNT_MAX as u32).map(InstrumentId) {
        // Instruments that are not defined have nothing to clear.
        let _ = books.apply(instrument, &clear, &mut ());
    }
}

/// Criterion's clock, with what is around each run left out.
fn timed<S>(
    iterations: u64,
    mut prepare: impl FnMut() -> S,
    mut run: impl FnMut(&mut S),
) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..iterations {
        let mut state = prepare();
        let started = Instant::now();
        run(&mut state);
        spent += started.elapsed();
    }
    spent
}

fn itch_to_books(criterion: &mut Criterion) {
    let (name, bytes) = market::workload(MESSAGES);
    let messages = frames(&bytes);
    let mut group = criterion.benchmark_group("itch_to_books");
    group.sample_size(15);
    group.throughput(Throughput::Elements(messages));

    group.bench_function(BenchmarkId::new("frames", &name), |bencher| {
        bencher.iter(|| frames(black_box(&bytes)));
    });
    group.bench_function(BenchmarkId::new("decode", &name), |bencher| {
        bencher.iter(|| {
            decode(black_box(&bytes), |event| {
                black_box(&event);
            });
        });
    });
    group.bench_function(BenchmarkId::new("books", &name), |bencher| {
        bencher.iter_custom(|iterations| {
            let fresh = || Books::new(BookLimits::default());
            timed(iterations, fresh, |books| {
                black_box(build(black_box(&bytes), books));
            })
        });
    });
    group.bench_function(BenchmarkId::new("books_warm", &name), |bencher| {
        let mut books = Books::new(BookLimits::default());
        build(&bytes, &mut books);
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations {
                clear(&mut books);
                let started = Instant::now();
                black_box(build(black_box(&bytes), &mut books));
                spent += started.elapsed();
            }
            spent
        });
    });
    group.bench_function(BenchmarkId::new("books_and_best", &name), |bencher| {
        bencher.iter_custom(|iterations| {
            let fresh = || Books::new(BookLimits::default());
            timed(iterations, fresh, |books| {
                decode_lots(black_box(&bytes), |lot| {
                    for event in lot {
                        apply(books, event);
                        let instrument = InstrumentId(event.channel_id);
                        black_box(books.best(instrument, Side::Buy));
                        black_box(books.best(instrument, Side::Sell));
                    }
                });
            })
        });
    });
    group.finish();
}

criterion_group!(benches, itch_to_books);
criterion_main!(benches);
