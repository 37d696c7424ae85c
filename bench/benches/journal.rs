//! One journal append: a 64-byte payload framed with length, kind, sequence and CRC32C, into a mapped segment that
//! was allocated and faulted in beforehand. One thread; level `process`; the unit is one append, rolls included.
//!
//! And replay: a made-up session's journal read, checked and applied by a fresh engine; the unit is one input.

#![allow(missing_docs, reason = "a bench")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tidegate_bench::{desk, market};
use tidegate_engine::core::{Core, Input, NoOutput};
use tidegate_engine::replay::replay;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Writer};
use tidegate_model::{Command, CommandRecord, Lots, MarketEvent, SeqNo};

/// Appends into one journal before a new one is begun: 160 MB.
const APPENDS_MAX: u64 = 2_000_000;

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(1));
    group.bench_function("append_64_bytes", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let count = left.min(APPENDS_MAX);
                left -= count;
                let dir = tempfile::tempdir().expect("a temporary folder");
                let config = Config { segment_len: 256 << 20, ..Default::default() };
                let (mut writer, _) = Writer::open(dir.path(), config).expect("a new journal");
                let mut event = MarketEvent::default();
                let started = Instant::now();
                for n in 1..=count {
                    event.qty = Lots(n);
                    writer
                        .append_pod(KIND_MARKET_EVENT, SeqNo(n), black_box(&event))
                        .expect("there is room");
                }
                spent += started.elapsed();
                writer.close().expect("the journal closes");
            }
            spent
        });
    });
    group.finish();
}

fn replay_inputs(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let events = market::events_of(&market::session_bytes(1_000_000));
    let (mut writer, _) = Writer::open(dir.path(), Config::default()).expect("a new journal");
    let mut core = Core::new(desk::CONFIGURE_MARKET).expect("the sizes are allowed");
    let configure = CommandRecord::new(Command::Configure(desk::CONFIGURE_MARKET));
    writer.append_pod(KIND_COMMAND, SeqNo(1), &configure).expect("there is room");
    core.apply(SeqNo(1), Input::Command(&configure), &mut NoOutput);
    for event in &events {
        let seq = core.seq().next();
        writer.append_pod(KIND_MARKET_EVENT, seq, event).expect("there is room");
        core.apply(seq, Input::Market(event), &mut NoOutput);
        if seq.0.is_multiple_of(65_536) {
            writer.append_checkpoint(core.state_hash()).expect("there is room");
        }
    }
    writer.close().expect("the journal closes");

    let mut group = criterion.benchmark_group("replay");
    group.sample_size(10);
    group.throughput(Throughput::Elements(events.len() as u64 + 1));
    group.bench_function("made_up_session", |bencher| {
        bencher.iter(|| {
            let replayed = replay(dir.path(), &mut NoOutput, |_| {}).expect("the hashes agree");
            replayed.expect("the journal has inputs").core.state_hash()
        });
    });
    group.finish();
}

criterion_group!(benches, append, replay_inputs);
criterion_main!(benches);
