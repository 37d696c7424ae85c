//! Nanoseconds per append and per record read, for a 64-byte record with CRC32C.
//!
//! One thread, into segments that are prepared ahead; the clock is read every 1,000 appends, and the figure is the
//! median over those batches. `cargo run --release -p tidegate-journal --example append_ns [DIR]`

use std::path::PathBuf;
use std::time::Instant;
use tidegate_journal::frame::{KIND_COMMAND, KIND_MARKET_EVENT};
use tidegate_journal::{Config, Reader, Writer};
use tidegate_model::{CommandRecord, MarketEvent, SeqNo};

const RUNS: usize = 7;
const RECORDS: u64 = 2_000_000;
const BATCH: u64 = 1_000;

fn append<T: bytemuck::Pod>(
    dir: &std::path::Path,
    kind: u8,
    record: T,
    slice: bool,
) -> Result<(f64, f64, f64), Box<dyn std::error::Error>> {
    let _ = std::fs::remove_dir_all(dir);
    let (mut writer, _) =
        Writer::open(dir, Config { segment_len: 512 << 20, ..Config::default() })?;
    let mut batches = Vec::with_capacity((RECORDS / BATCH) as usize);
    let mut seq = SeqNo(0);
    let bytes = bytemuck::bytes_of(&record);
    for _ in 0..RECORDS / BATCH {
        let begin = Instant::now();
        for _ in 0..BATCH {
            seq = seq.next();
            if slice {
                writer.append(kind, seq, std::hint::black_box(bytes))?;
            } else {
                writer.append_pod(kind, seq, std::hint::black_box(&record))?;
            }
        }
        batches.push(begin.elapsed().as_nanos() as f64 / BATCH as f64);
    }
    drop(writer);
    batches.sort_by(f64::total_cmp);
    let at = |share: f64| batches[((batches.len() - 1) as f64 * share) as usize];
    Ok((at(0.5), at(0.99), batches.iter().sum::<f64>() / batches.len() as f64))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("tidegate-append-ns"), PathBuf::from);
    let event = MarketEvent { kind: 1, order_ref: 7, ..MarketEvent::default() };
    let command = CommandRecord::new(tidegate_model::Command::Time);
    for _ in 0..RUNS {
        let (median, p99, mean) = append(&dir, KIND_COMMAND, command, false)?;
        print!("160 B pod {median:5.1} p99 {p99:5.1} mean {mean:5.1}  | ");
        let (median, p99, mean) = append(&dir, KIND_MARKET_EVENT, event, true)?;
        print!("64 B slice {median:5.1} p99 {p99:5.1} mean {mean:5.1}  | ");
        let (median, p99, mean) = append(&dir, KIND_MARKET_EVENT, event, false)?;
        print!("64 B pod {median:5.1} p99 {p99:5.1} mean {mean:5.1}  | ");
        let mut reader = Reader::open(&dir)?;
        let begin = Instant::now();
        let mut sum = 0;
        let mut count = 0u64;
        while let Some(record) = reader.next()? {
            sum += record.pod::<MarketEvent>()?.order_ref;
            count += 1;
        }
        let rate = count as f64 / begin.elapsed().as_secs_f64() / 1e6;
        println!("read {rate:.1} M/s ({})", sum / 7);
    }
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
