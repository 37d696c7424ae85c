//! One journal append: a 64-byte payload framed with length, kind, sequence and CRC32C, into a mapped segment that
//! was allocated and faulted in beforehand. One thread; level `process`; the unit is one append.
//!
//! And replay: a journal read, checked and applied by a fresh engine; the unit is one input.

#![allow(missing_docs, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tidegate_bench::{desk, market};
use tidegate_engine::core::{Core, Input, NoOutput};
use tidegate_engine::replay::replay;
use tidegate_engine::runtime::CHECKPOINT_EVERY;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Writer};
use tidegate_model::command::Configure;
use tidegate_model::{Command, CommandRecord, Lots, MarketEvent, SeqNo, Side, Ticks};

/// Appends into one journal before a new one is begun, so that all of them go into one segment: 160 MB.
const APPENDS_MAX: u64 = 2_000_000;
const SEGMENT_LEN: u64 = 256 << 20;

/// A new journal and its folder, with the first record in place: the first segment is in use.
fn journal() -> (tempfile::TempDir, Writer) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let config = Config { segment_len: SEGMENT_LEN, ..Default::default() };
    let (mut writer, _) = Writer::open(dir.path(), config).expect("a new journal");
    writer.append_pod(KIND_MARKET_EVENT, SeqNo(1), &MarketEvent::default()).expect("there is room");
    (dir, writer)
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(1));
    let (mut dir, mut writer) = journal();
    group.bench_function("append_64_bytes", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            let mut event = MarketEvent::default();
            while left > 0 {
                if writer.last_seq().0 >= APPENDS_MAX {
                    // The new one first: the old one's pages are written back in its own time.
                    (dir, writer) = journal();
                }
                let first = writer.last_seq().0 + 1;
                let count = left.min(APPENDS_MAX + 1 - first);
                let started = Instant::now();
                for n in first..first + count {
                    event.qty = Lots(n);
                    writer
                        .append_pod(KIND_MARKET_EVENT, SeqNo(n), black_box(&event))
                        .expect("there is room");
                }
                spent += started.elapsed();
                left -= count;
            }
            spent
        });
    });
    drop((writer, dir));
    group.finish();
}

/// A journal of what a state machine was given.
struct Recording {
    dir: tempfile::TempDir,
    writer: Writer,
    core: Core,
}

impl Recording {
    fn new(configure: Configure) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (writer, _) = Writer::open(dir.path(), Config::default()).expect("a new journal");
        let core = Core::new(configure).expect("the sizes are allowed");
        let mut recording = Self { dir, writer, core };
        recording.command(&CommandRecord::new(Command::Configure(configure)));
        recording
    }

    fn command(&mut self, command: &CommandRecord) {
        let seq = self.core.seq().next();
        self.writer.append_pod(KIND_COMMAND, seq, command).expect("there is room");
        self.core.apply(seq, Input::Command(command), &mut NoOutput);
    }

    fn market(&mut self, event: &MarketEvent) {
        let seq = self.core.seq().next();
        self.writer.append_pod(KIND_MARKET_EVENT, seq, event).expect("there is room");
        self.core.apply(seq, Input::Market(event), &mut NoOutput);
        if seq.0.is_multiple_of(CHECKPOINT_EVERY) {
            self.writer.append_checkpoint(self.core.state_hash()).expect("there is room");
        }
    }

    /// The journal's folder and its number of inputs.
    fn finish(self) -> (tempfile::TempDir, u64) {
        self.writer.close().expect("the journal closes");
        (self.dir, self.core.seq().0)
    }
}

/// Every event of a made-up session, and no order.
fn session() -> (tempfile::TempDir, u64) {
    let mut recording = Recording::new(desk::CONFIGURE_MARKET);
    for event in market::events_of(&market::session_bytes(1_000_000)) {
        recording.market(&event);
    }
    recording.finish()
}

/// One instrument; one input in ten is an order that takes a lot and fills.
fn session_with_orders() -> (tempfile::TempDir, u64) {
    let prices = [Ticks(1_000_000), Ticks(1_000_100)];
    let mut recording = Recording::new(desk::CONFIGURE);
    recording.market(&desk::definition());
    for command in desk::set_up() {
        recording.command(&command);
    }
    recording.market(&desk::add(1, Side::Buy, prices[0], 1_000));
    recording.market(&desk::add(2, Side::Sell, prices[1], 1_000));
    for n in 0..900_000 {
        let side = (n % 2) as usize;
        recording.market(&desk::refresh(n + 1, n + 3, prices[side], 1_000, n));
        if n % 9 == 0 {
            let taker = [Side::Sell, Side::Buy][side];
            recording.command(&desk::taking_order(n, taker, prices[side]));
        }
    }
    assert_eq!(recording.core.counters().fills, 100_000, "each order fills");
    recording.finish()
}

fn replay_inputs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10);
    for (name, (dir, inputs)) in
        [("made_up_session", session()), ("one_order_in_ten", session_with_orders())]
    {
        group.throughput(Throughput::Elements(inputs));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let replayed = replay(dir.path(), &mut NoOutput, |_| {}).expect("the hashes agree");
                replayed.expect("the journal has inputs").core.state_hash()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, append, replay_inputs);
criterion_main!(benches);
