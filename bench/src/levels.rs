//! Price levels and trades for benches: a made-up session, or the event array that `TIDEGATE_BENCH_LEVELS` names.

use std::path::PathBuf;
use tidegate_feed_handler::event_array::EventArray;
use tidegate_model::{MarketEvent, Symbol};

/// Prices of a side in the made-up session.
const DEPTH: u64 = 600;
/// Nanoseconds in a millisecond.
const MILLI: u64 = 1_000_000;
/// What `ev` of a row has where both the exchange and we see it at that place.
const OF_BOTH: u64 = 1 << 31 | 1 << 30;
const BUY: u64 = 1 << 29;
const SELL: u64 = 1 << 28;
const LEVEL: u64 = 1;
const TRADE: u64 = 2;

/// An event array of a random walk of a coin at 60,000 in ticks of 0.1: `rows` rows, most of them levels near the middle, one
/// in 20 a trade.
pub fn session_bytes(rows: usize) -> Vec<u8> {
    let head = format!(
        "{{'descr': [('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), ('qty', '<f8'), \
         ('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')], 'fortran_order': False, 'shape': ({rows},), }}\n"
    );
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.as_bytes());
    let mut state = 7u64;
    let mut below = |bound: u64| {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut row = |ev: u64, at: u64, tick: u64, lots: u64| {
        let (px, qty) = (tick as f64 / 10.0, lots as f64 / 1_000.0);
        let words = [OF_BOTH | ev, at, at + 3 * MILLI, px.to_bits(), qty.to_bits(), 0, 0, 0];
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    };
    let (mut middle, mut at, mut made) = (600_000, 1_700_000_000_000 * MILLI, 0);
    while made < rows {
        at += (1 + below(3)) * MILLI;
        let moved = below(7);
        // What the middle passes is gone: bids lie at it and below, offers above.
        for _ in 0..moved.abs_diff(3).min((rows - made) as u64) {
            let up = moved > 3;
            let (ev, tick) = if up { (SELL, middle + 1) } else { (BUY, middle) };
            row(ev | LEVEL, at, tick, 0);
            middle = if up { middle + 1 } else { middle - 1 };
            made += 1;
        }
        for _ in 0..(1 + below(16)).min((rows - made) as u64) {
            let side = if below(2) == 0 { BUY } else { SELL };
            let away = below(DEPTH).min(below(DEPTH)).min(below(DEPTH)).min(below(DEPTH));
            let tick = if side == BUY { middle - away } else { middle + 1 + away };
            match below(20) {
                0 => row(side ^ (BUY | SELL) | TRADE, at, tick, 1 + below(200)),
                lots => row(side | LEVEL, at, tick, if lots < 4 { 0 } else { 1 + below(3_000) }),
            }
            made += 1;
        }
    }
    bytes
}

/// The file that `TIDEGATE_BENCH_LEVELS` names, or a made-up session; with a name for the report.
///
/// # Panics
/// If the file cannot be read.
pub fn workload(rows: usize) -> (String, Vec<u8>) {
    match std::env::var_os("TIDEGATE_BENCH_LEVELS").map(PathBuf::from) {
        Some(path) => {
            let bytes = std::fs::read(&path).expect("TIDEGATE_BENCH_LEVELS names a readable file");
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, bytes)
        }
        None => (format!("made-up-{rows}"), session_bytes(rows)),
    }
}

/// Gives every event of an array to `emit`; how many rows it has.
///
/// # Panics
/// If the bytes are no valid array.
pub fn read(bytes: &[u8], mut emit: impl FnMut(MarketEvent)) -> u64 {
    let symbol = Symbol::new("COIN").expect("a valid symbol");
    let mut reader = EventArray::new(bytes, symbol).expect("an event array");
    while reader.read_row(&mut emit).expect("valid rows") {}
    reader.rows()
}
