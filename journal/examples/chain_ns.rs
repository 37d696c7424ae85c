//! Nanoseconds a record that the chain's thread takes: reading out of the page cache, checking, hashing; and hashing alone.
//!
//! One thread; 64-byte market events and 160-byte commands; the median of seven runs.
//! `cargo run --release -p tidegate-journal --example chain_ns [DIR]`

use std::path::{Path, PathBuf};
use std::time::Instant;
use tidegate_journal::chain::{self, Fold, Head};
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Reader, Writer};
use tidegate_model::SeqNo;

const RUNS: usize = 7;
const RECORDS: u64 = 2_000_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn median_ns(mut run: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begin = Instant::now();
        run()?;
        times.push(begin.elapsed().as_nanos() as f64 / RECORDS as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}

fn measure(dir: &Path, kind: u8, len: usize) -> Outcome<()> {
    let _ = std::fs::remove_dir_all(dir);
    let (mut writer, _) = Writer::open(dir, Config::default())?;
    let payload = vec![7; len];
    for seq in 1..=RECORDS {
        writer.append(kind, SeqNo(seq), &payload)?;
    }
    writer.close()?;
    let read = median_ns(|| {
        let mut reader = Reader::open(dir)?;
        while reader.next()?.is_some() {}
        Ok(())
    })?;
    let hash = median_ns(|| {
        let mut fold = Fold::from(Head::default());
        (1..=RECORDS).for_each(|seq| fold.add(kind, SeqNo(seq), &payload));
        std::hint::black_box(fold.head(SeqNo(RECORDS)));
        Ok(())
    })?;
    let both = median_ns(|| chain::verify(dir, None).map(|_| ()).map_err(Into::into))?;
    println!("{len} B: read and check {read:.0} ns, hash {hash:.0} ns, both {both:.0} ns a record");
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

fn main() -> Outcome<()> {
    let dir = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("tidegate-chain-ns"), PathBuf::from);
    measure(&dir, KIND_MARKET_EVENT, 64)?;
    measure(&dir, KIND_COMMAND, 160)
}
