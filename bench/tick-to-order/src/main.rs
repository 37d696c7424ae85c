//! From a market event to the order that answers it, measured between pinned threads and processes.
//!
//! Open loop: events are due at fixed times whatever the system does, and the clock of each starts when it is *due*, not when it is sent,
//! so a stall counts for every event that it delays (no coordinated omission). It stops when the order is at the venue, which is when
//! the engine tells so: what is behind it is sequence, journal, book, strategy, sequence, journal, risk and order store. Release level
//! is `process`. Each way says which thread runs where.

mod desk;
mod direct;
mod open_loop;
mod rings;
mod round_trip;
mod shared_memory;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use core_affinity::CoreId;
use open_loop::{Figures, Load};
use serde::Serialize;
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: tidegate_engine::memory::HugePages = tidegate_engine::memory::HugePages;

/// Measures the way from a market event to the order that answers it.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    /// What is measured; everything unless said
    #[arg(value_enum)]
    ways: Vec<Way>,
    /// Market events a second, one order each
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1_000..=5_000_000))]
    rate: u64,
    /// Seconds that are measured, after a fifth as long that is not
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=30))]
    seconds: u64,
    /// Repeats everything so often; figures are those of the run with the median p50
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    rounds: u64,
    /// Writes the figures to a file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The other process of a way. It is started by the first.
#[derive(Clone, Debug, Subcommand)]
#[command(hide = true)]
enum Role {
    /// Answers market data with orders.
    #[command(hide = true)]
    Strategy { door: PathBuf, core: usize },
    /// Sends back what comes.
    #[command(hide = true)]
    Echo { door: PathBuf, core: usize },
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// The strategy inside the engine, and nothing else: one thread, no ring between threads
    Direct,
    /// Over two rings and two cores: a feed ring in, an event ring out; the strategy inside the engine
    Rings,
    /// The strategy in another process, over shared memory: the broadcast to it, its order ring back
    SharedMemory,
    /// 64 bytes to another process and back
    RoundTrip,
}

impl Way {
    fn text(self) -> &'static str {
        match self {
            Self::Direct => "event -> order at venue, strategy inside, one thread",
            Self::Rings => "event -> order at venue, strategy inside, two rings, two cores",
            Self::SharedMemory => "event -> order at venue, strategy in another process",
            Self::RoundTrip => "64 bytes to another process and back",
        }
    }
}

/// Where things run.
#[derive(Clone, Copy, Debug)]
struct Cores {
    /// The engine.
    engine: CoreId,
    /// What stands opposite.
    other: CoreId,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    what: &'static str,
    /// Events a second; 0: as fast as they are taken.
    rate: u64,
    figures: Figures,
    /// p50 of each round, in nanoseconds.
    rounds: Vec<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.role {
        Some(Role::Strategy { door, core }) => return shared_memory::strategy(&door, core),
        Some(Role::Echo { door, core }) => return round_trip::echo(&door, core),
        None => {}
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [other, engine, ..] = cores[..] else {
        bail!("two cores are needed; this process may use {}", cores.len());
    };
    let cores = Cores { engine, other };
    let ways = match args.ways.is_empty() {
        true => Way::value_variants().to_vec(),
        false => args.ways.clone(),
    };
    println!(
        "engine on core {}, what stands opposite on core {}; nanoseconds",
        engine.id, other.id
    );
    let mut rows = Vec::new();
    for way in ways {
        println!("{}", way.text());
        let mut loads = vec![Load::at(args.rate, args.seconds)];
        if way != Way::Direct && way != Way::RoundTrip {
            loads.push(Load::flood());
        }
        for load in loads {
            rows.push(measure(way, load, cores, args.rounds)?);
        }
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn measure(way: Way, load: Load, cores: Cores, rounds: u64) -> Result<Row> {
    let mut all = Vec::new();
    for _ in 0..rounds {
        // A thread of its own: who is pinned stays so, and what it starts is pinned with it.
        let run = std::thread::spawn(move || match way {
            Way::Direct => direct::measure(load, cores),
            Way::Rings => rings::measure(load, cores),
            Way::SharedMemory => shared_memory::measure(load, cores),
            Way::RoundTrip => round_trip::measure(cores),
        });
        let Ok(figures) = run.join() else { bail!("the measurement failed") };
        let figures = figures?;
        println!("  {figures}");
        all.push(figures);
    }
    all.sort_by_key(|figures| figures.p50);
    let rounds = all.iter().map(|figures| figures.p50).collect();
    let figures = all.swap_remove(all.len() / 2);
    let name = way.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    Ok(Row { name, what: way.text(), rate: load.rate, figures, rounds })
}
