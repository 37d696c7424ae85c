//! `tidegate-sim`: runs worlds from seeds, and replays one.

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
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let report = run(seed)?;
        print!("{}", report.trace);
        println!(
            "seed {seed}: {} inputs, {} events, {} ends, {} epochs, state {}",
            report.inputs, report.events, report.ends, report.epochs, report.hash
        );
        return Ok(());
    }
    let began = Instant::now();
    let (mut inputs, mut events, mut ends, mut epochs, mut refused) = (0, 0, 0, 0, 0);
    let mut failed = Vec::new();
    for seed in args.from..args.from + args.count {
        match run(seed) {
            Ok(report) => {
                inputs += report.inputs;
                events += report.events as u64;
                ends += report.ends;
                epochs += report.epochs;
                refused += report.refused;
            }
            Err(error) if error.is::<RefusedForGood>() => refused += 1,
            Err(error) => {
                println!("seed {seed} FAILED: {}", error.root_cause());
                failed.push(seed);
            }
        }
    }
    println!(
        "{} worlds in {:.1} s: {inputs} inputs, {events} events seen, {ends} ends of processes, {epochs} epochs, {refused} refused",
        args.count,
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
