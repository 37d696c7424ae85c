//! The memory of a backtest does not follow the length of its file.

mod support;

use std::io::{self, Write};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;
use support::{text, tidegate};
use tempfile::TempDir;

/// The instrument that a pipe is called after, in ticks of 0.1.
const CONFIG: &str = r#"
[engine]
orders_max = 65536
book_orders_max = 65536
[[instruments]]
symbol = "stdin"
asset_class = "crypto"
price_unit = "0.00000001"
tick = "0.1"
lot = "0.00000001"
[[accounts]]
id = 1
cash = "1000000"
[accounts.limits]
max_order_notional = "1000000"
max_order_qty = 1000000000
max_position = 1000000000
credit = "0"
price_collar_bp = 1000
max_open_orders = 10000
messages_per_sec = 100000
message_burst = 100000
"#;

const MILLI: u64 = 1_000_000;
const BEGIN: u64 = 1_700_000_000_000 * MILLI;
/// What `ev` of a row has that both the exchange and we see, and its kinds.
const OF_BOTH: u64 = 1 << 31 | 1 << 30;
const BUY: u64 = 1 << 29;
const SELL: u64 = 1 << 28;
const LEVEL: u64 = 1;
const TRADE: u64 = 2;

/// A row of an event array.
fn row(to: &mut impl Write, ev: u64, at: u64, tick: u64, lots: u64) -> io::Result<()> {
    let (px, qty) = (tick as f64 / 10.0, lots as f64 / 1_000.0);
    let words = [OF_BOTH | ev, at, at + 3 * MILLI, px.to_bits(), qty.to_bits(), 0, 0, 0];
    words.iter().try_for_each(|word| to.write_all(&word.to_le_bytes()))
}

/// An event array of `rows` rows: the middle goes up and down over 200 ticks, both sides are told anew around it all the time,
/// and every tenth row trades at the touch.
fn session(to: &mut impl Write, rows: u64) -> io::Result<()> {
    let text = format!(
        "{{'descr': [('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), ('qty', '<f8'), \
         ('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')], 'fortran_order': False, 'shape': ({rows},), }}\n"
    );
    to.write_all(b"\x93NUMPY\x01\x00")?;
    to.write_all(&(text.len() as u16).to_le_bytes())?;
    to.write_all(text.as_bytes())?;
    let (mut at, mut middle, mut up) = (BEGIN, 600_000, true);
    for number in 0..rows {
        at += MILLI;
        if number % 50 == 0 {
            // The touch that the middle goes through is gone first.
            let (ev, gone) = if up { (SELL, middle + 1) } else { (BUY, middle) };
            row(to, ev | LEVEL, at, gone, 0)?;
            middle = if up { middle + 1 } else { middle - 1 };
            up = if up { middle < 600_200 } else { middle <= 600_000 };
            continue;
        }
        let away = number * 7 % 300;
        let is_bid = number % 2 == 0;
        if number % 10 == 0 {
            row(to, if is_bid { SELL } else { BUY } | TRADE, at, middle + u64::from(!is_bid), 50)?;
        } else {
            let tick = if is_bid { middle - away } else { middle + 1 + away };
            let ev = if is_bid { BUY } else { SELL };
            row(to, ev | LEVEL, at, tick, 1 + number % 97)?;
        }
    }
    Ok(())
}

/// The most memory that a process had so far, in KiB.
fn high_water(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The most memory that a backtest of so many rows has, in KiB.
fn peak(rows: u64) -> u64 {
    let dir = TempDir::new().expect("a temporary folder");
    let config = dir.path().join("config.toml");
    std::fs::write(&config, CONFIG).expect("it is written");
    let grid = ["size=100000", "orders=5", "gap=10", "half=1", "every_ms=200"];
    let mut child = tidegate()
        .args(["backtest", "/dev/stdin", "--interval", "200ms", "--strategy", "grid"])
        .args(grid.iter().flat_map(|param| ["--param", param]))
        .args(["--config", text(&config), "--fill-model", "power:2"])
        .args(["--answer-latency", "1ms", "--output", "json"])
        .args(["--equity", "/dev/null", "--fills", "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut to = io::BufWriter::with_capacity(1 << 16, child.stdin.take().expect("a pipe"));
    let writer = thread::spawn(move || session(&mut to, rows).and_then(|()| to.flush()));
    let mut most = 0;
    while child.try_wait().expect("it is ours").is_none() {
        most = most.max(high_water(&child).unwrap_or(0));
        thread::sleep(Duration::from_millis(2));
    }
    writer.join().expect("no panic").expect("all of it was read");
    let done = child.wait_with_output().expect("it ends");
    assert!(done.status.success());
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).expect("a report");
    let fills = report["orders"]["maker_fills"].as_u64().expect("a count");
    let orders = report["orders"]["orders"].as_u64().expect("a count");
    println!("{rows} rows, {orders} orders, {fills} fills: {most} KiB");
    assert!(orders > rows / 2_000 && fills > rows / 4_000, "it trades all the time");
    most
}

/// What may be more although nothing grows: pages that are touched late, and the orders of the day, 850 bytes each, up to `orders_max`.
fn check(lengths: &[u64]) {
    let peaks: Vec<_> = lengths.iter().map(|rows| peak(*rows)).collect();
    let first = peaks[0];
    assert!(
        peaks.iter().all(|peak| *peak < first + first / 7),
        "it grows with the file: {peaks:?}"
    );
}

#[test]
fn memory_is_flat_in_the_length_of_the_file() {
    // Of the last million events it knows which input each was: the shorter file fills that table.
    check(&[1_200_000, 3_600_000]);
}

#[test]
#[ignore = "deep: fifty million rows"]
fn memory_is_flat_over_a_hundred_times_the_length() {
    check(&[500_000, 5_000_000, 50_000_000]);
}
