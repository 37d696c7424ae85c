//! `tidegate-sim`: runs worlds from seeds, replays one, and shows what a build without a protection loses.

use anyhow::{Result, bail};
use clap::Parser;
use std::time::Instant;
use tidegate_sim::world::{RefusedForGood, run};

/// Simulates machines that fail: the real engine, journal and replication on simulated disks, network, store and clocks.
///
/// Each seed is a world of its own: a release level, machines, and what goes wrong with them. A failure names its seed;
/// --seed N runs that world again, step by step the same.
#[derive(Debug, Parser)]
struct Args {
    /// Run this one world, and tell what happens in it.
    #[arg(long, conflicts_with_all = ["from", "count"])]
    seed: Option<u64>,
    /// The first of many.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many.
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// Take each protection away in turn, and tell which seed shows it; needs --features breakable.
    #[arg(long, conflicts_with = "seed")]
    broken: bool,
    /// Take this one away; needs --features breakable.
    #[arg(long, value_name = "PROTECTION", conflicts_with = "broken")]
    without: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.broken {
        return broken(args.from, args.count);
    }
    if let Some(name) = &args.without {
        remove(name)?;
    }
    match args.seed {
        Some(seed) => tell_one(seed),
        None => run_many(args.from, args.count),
    }
}

fn tell_one(seed: u64) -> Result<()> {
    let report = run(seed)?;
    print!("{}", report.trace);
    println!(
        "seed {seed}: everything held. {} inputs, {} events, {} ends, {} epochs, state {}",
        report.inputs, report.events, report.ends, report.epochs, report.hash
    );
    Ok(())
}

fn run_many(from: u64, count: u64) -> Result<()> {
    let began = Instant::now();
    let (mut inputs, mut events, mut ends, mut epochs) = (0, 0, 0, 0);
    let (mut refused, mut caught_up) = (0, 0);
    let mut failed = Vec::new();
    for seed in from..from + count {
        match run(seed) {
            Ok(report) => {
                inputs += report.inputs;
                events += report.events as u64;
                ends += report.ends;
                epochs += report.epochs;
                refused += report.refused;
                caught_up += report.caught_up;
            }
            Err(error) if error.is::<RefusedForGood>() => refused += 1,
            Err(error) => {
                println!("seed {seed} FAILED: {}", error.root_cause());
                failed.push(seed);
            }
        }
    }
    println!(
        "{count} worlds in {:.1} s: {inputs} inputs, {events} events seen, {ends} ends of processes, {epochs} epochs, {refused} starts refused, {caught_up} standbys began with a snapshot",
        began.elapsed().as_secs_f64()
    );
    if !failed.is_empty() {
        bail!(
            "{} worlds failed: {failed:?}; tidegate-sim --seed N tells what happened",
            failed.len()
        );
    }
    Ok(())
}

#[cfg(not(feature = "breakable"))]
fn remove(_: &str) -> Result<()> {
    bail!(
        "nothing can be taken away from this build: cargo run -p tidegate-sim --features breakable"
    )
}

#[cfg(not(feature = "breakable"))]
fn broken(_: u64, _: u64) -> Result<()> {
    remove("")
}

#[cfg(feature = "breakable")]
fn remove(name: &str) -> Result<()> {
    use tidegate_journal::protection::{Protection, remove};
    let found = Protection::ALL.iter().find(|protection| protection.as_str() == name);
    let Some(protection) = found else {
        let names: Vec<_> = Protection::ALL.iter().map(|protection| protection.as_str()).collect();
        bail!("no protection is called '{name}': one of {}", names.join(", "));
    };
    remove(Some(*protection));
    Ok(())
}

#[cfg(feature = "breakable")]
fn broken(from: u64, count: u64) -> Result<()> {
    use tidegate_sim::broken::{Caught, catch};
    println!("| protection taken away | seed | worlds | seconds | what did not hold |");
    println!("|---|---|---|---|---|");
    let mut missed = 0;
    for protection in tidegate_journal::protection::Protection::ALL {
        match catch(*protection, from, count) {
            Some(Caught { seed, worlds, seconds, why }) => {
                let why: String = why.chars().take(120).collect();
                println!("| {} | {seed} | {worlds} | {seconds:.1} | {why} |", protection.as_str());
            }
            None => {
                missed += 1;
                println!("| {} | none | {count} | | MISSED |", protection.as_str());
            }
        }
    }
    if missed > 0 {
        bail!("{missed} broken builds went unseen in {count} worlds each");
    }
    Ok(())
}
