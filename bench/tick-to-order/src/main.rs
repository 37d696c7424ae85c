//! From a market event to the order that answers it, measured between pinned threads and processes.
//!
//! Open loop: events are due at fixed times whatever the system does, and the clock of each starts when it is *due*, not when it is sent,
//! so a stall counts for every event that it delays (no coordinated omission). It stops when the order is at the venue, which is when
//! the engine tells so: what is behind it is sequence, journal, book, strategy, sequence, journal, risk and order store. Release level
//! is `process`. Each way says which thread runs where.

mod desk;
mod direct;
mod feed;
mod grpc;
mod open_loop;
mod rings;
mod round_trip;
mod server;
mod shared_memory;
mod whole_path;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use core_affinity::CoreId;
use grpc::{Pace, Whom};
use open_loop::{Figures, Load};
use rustix::process::Signal;
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
    /// Market events a second, one order each; ways are measured at a fifth of it, too
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(5_000..=5_000_000))]
    rate: u64,
    /// Seconds that are measured, after a fifth as long that is not
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=30))]
    seconds: u64,
    /// Repeats everything so often, in turn; figures are those of the run with the median p50
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
    /// A bare tonic service.
    #[command(hide = true)]
    GrpcEcho { said: PathBuf, core: usize },
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
    /// Market events that are journaled and applied, as fast as the engine takes them
    Ingest,
    /// An order over gRPC to a whole server, and the first word about it; beside it a bare tonic service
    Grpc,
    /// From a feed packet on UDP to the fill over gRPC, through a whole server
    WholePath,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
enum Job {
    Direct(Load),
    Rings(Load),
    SharedMemory(Load),
    RoundTrip,
    Ingest,
    Grpc(Whom, Pace),
    WholePath(Load),
}

impl Way {
    fn jobs(self, rate: u64, seconds: u64) -> Vec<Job> {
        let (load, calm) = (Load::at(rate, seconds), Load::at(rate / CALM, seconds));
        match self {
            Self::Direct => vec![Job::Direct(calm)],
            Self::Rings => [calm, load, Load::flood()].map(Job::Rings).to_vec(),
            Self::SharedMemory => [calm, load, Load::flood()].map(Job::SharedMemory).to_vec(),
            Self::RoundTrip => vec![Job::RoundTrip],
            Self::Ingest => vec![Job::Ingest],
            Self::Grpc => {
                let paces = [Pace::OneByOne(GRPC_TRIPS), Pace::Due(Load::at(GRPC_RATE, seconds))];
                let both = |pace| [Whom::Server, Whom::Echo].map(|whom| Job::Grpc(whom, pace));
                paces.into_iter().flat_map(both).collect()
            }
            Self::WholePath => {
                vec![Job::WholePath(Load::at(
                    WHOLE_PATH_RATE / whole_path::EVENTS_PER_PACKET,
                    seconds,
                ))]
            }
        }
    }
}

impl Job {
    /// Its name, and what it measures.
    fn text(self) -> (&'static str, &'static str) {
        match self {
            Self::Direct(_) => ("direct", "event -> order at venue, strategy inside, one thread"),
            Self::Rings(load) if load.rate == 0 => ("rings_flood", "the same, as fast as taken"),
            Self::Rings(_) => {
                ("rings", "event -> order at venue, strategy inside, two rings, two cores")
            }
            Self::SharedMemory(load) if load.rate == 0 => {
                ("shared_memory_flood", "the same, as fast as taken")
            }
            Self::SharedMemory(_) => {
                ("shared_memory", "event -> order at venue, strategy in another process")
            }
            Self::RoundTrip => ("round_trip", "64 bytes to another process and back"),
            Self::Ingest => ("ingest", "market events journaled and applied, as fast as taken"),
            Self::Grpc(Whom::Server, Pace::OneByOne(_)) => {
                ("grpc", "order -> answer over gRPC, one by one")
            }
            Self::Grpc(Whom::Echo, Pace::OneByOne(_)) => ("grpc_echo", "bare tonic, one by one"),
            Self::Grpc(Whom::Server, Pace::Due(_)) => {
                ("grpc_due", "order -> answer over gRPC, when due")
            }
            Self::Grpc(Whom::Echo, Pace::Due(_)) => ("grpc_echo_due", "bare tonic, when due"),
            Self::WholePath(_) => ("whole_path", "feed packet on UDP -> fill over gRPC"),
        }
    }

    /// Events or orders a second; 0: as fast as they are taken.
    fn rate(self) -> u64 {
        match self {
            Self::Direct(load) | Self::Rings(load) | Self::SharedMemory(load) => load.rate,
            Self::Grpc(_, Pace::Due(load)) => load.rate,
            Self::WholePath(load) => load.rate * whole_path::EVENTS_PER_PACKET,
            Self::RoundTrip | Self::Ingest | Self::Grpc(..) => 0,
        }
    }

    fn measure(self, cores: Cores) -> Result<Figures> {
        match self {
            Self::Direct(load) => direct::measure(load, cores),
            Self::Rings(load) => rings::measure(load, cores),
            Self::SharedMemory(load) => shared_memory::measure(load, cores),
            Self::RoundTrip => round_trip::measure(cores),
            Self::Ingest => rings::ingest(INGESTED, cores),
            Self::Grpc(whom, pace) => grpc::measure(whom, pace),
            Self::WholePath(load) => whole_path::measure(load),
        }
    }
}

/// How much slower events come where the way itself is to be seen, and no queue.
const CALM: u64 = 5;
/// Orders one by one over gRPC, and orders a second when they are due.
const GRPC_TRIPS: u64 = 20_000;
const GRPC_RATE: u64 = 10_000;
/// Market events that are only taken in.
const INGESTED: u64 = 4_000_000;
/// Market events a second of the whole path.
const WHOLE_PATH_RATE: u64 = 100_000;

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
    name: &'static str,
    what: &'static str,
    /// Events or orders a second; 0: as fast as they are taken.
    rate: u64,
    figures: Figures,
    /// p50 of each round, in nanoseconds.
    rounds: Vec<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.role.is_some() {
        // Nobody else would end it: it spins.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    match args.role {
        Some(Role::Strategy { door, core }) => return shared_memory::strategy(&door, core),
        Some(Role::Echo { door, core }) => return round_trip::echo(&door, core),
        Some(Role::GrpcEcho { said, .. }) => return grpc::echo(&said),
        None => {}
    }
    // As a server does.
    let clock = tidegate_engine::runtime::clock::start();
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let [other, engine, ..] = cores[..] else {
        bail!("two cores are needed; this process may use {}", cores.len());
    };
    let cores = Cores { engine, other };
    let ways = match args.ways.is_empty() {
        true => Way::value_variants(),
        false => &args.ways,
    };
    let jobs: Vec<Job> = ways.iter().flat_map(|way| way.jobs(args.rate, args.seconds)).collect();
    println!(
        "engine on core {}, what stands opposite on core {}; servers where the system puts them; time by {clock:?}; nanoseconds",
        engine.id, other.id
    );
    let mut measured = vec![Vec::new(); jobs.len()];
    for round in 1..=args.rounds {
        println!("round {round} of {}", args.rounds);
        for (job, all) in jobs.iter().copied().zip(&mut measured) {
            // A thread of its own: who is pinned stays so, and what it starts is pinned with it.
            let run = std::thread::spawn(move || job.measure(cores));
            let Ok(figures) = run.join() else { bail!("{} failed", job.text().0) };
            let figures = figures.with_context(|| format!("{} failed", job.text().0))?;
            let rate = match job.rate() {
                0 => String::new(),
                rate => format!(", {rate} a second"),
            };
            println!("  {}{rate}\n    {figures}", job.text().1);
            all.push(figures);
        }
    }
    let rows: Vec<Row> = jobs.iter().zip(measured).map(|(job, all)| row(*job, all)).collect();
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&rows)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn row(job: Job, mut all: Vec<Figures>) -> Row {
    all.sort_by_key(|figures| figures.p50);
    let rounds = all.iter().map(|figures| figures.p50).collect();
    let figures = all.swap_remove(all.len() / 2);
    let (name, what) = job.text();
    Row { name, what, rate: job.rate(), figures, rounds }
}
