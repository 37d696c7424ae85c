//! Many worlds, and that each is the same whenever it is run.

use tidegate_sim::world::{RefusedForGood, run};

/// Worlds of each of the tests below, which run beside each other: two thousand in every run of the tests. `tidegate-sim --count N --from M`
/// runs others.
const WORLDS: u64 = 500;

fn live_through(first: u64) {
    let mut failed = Vec::new();
    let (mut events, mut epochs, mut refused) = (0, 0, 0u64);
    for seed in first..first + WORLDS {
        match run(seed) {
            Ok(report) => {
                events += report.events;
                epochs += report.epochs;
            }
            Err(error) if error.is::<RefusedForGood>() => refused += 1,
            Err(error) => {
                failed.push(format!("{error:#}\n(cargo run -p tidegate-sim -- --seed {seed})"))
            }
        }
    }
    println!("{WORLDS} worlds: {events} events seen, {epochs} epochs, {refused} refused for good");
    assert!(failed.is_empty(), "{} worlds failed:\n{}", failed.len(), failed.join("\n\n"));
    // Worlds in which nothing happens would show nothing.
    assert!(events > 1_000 * WORLDS as usize && epochs > WORLDS && refused < WORLDS / 10);
}

#[test]
fn what_left_stays_in_every_world_from_1() {
    live_through(1);
}

#[test]
fn what_left_stays_in_every_world_from_501() {
    live_through(501);
}

#[test]
fn what_left_stays_in_every_world_from_1001() {
    live_through(1_001);
}

#[test]
fn what_left_stays_in_every_world_from_1501() {
    live_through(1_501);
}

#[test]
fn a_seed_is_the_same_world_whenever_it_is_run() {
    for seed in [1, 5, 12, 20, 33, 48] {
        let once = run(seed).map(|report| (report.trace, report.hash, report.events));
        let again = run(seed).map(|report| (report.trace, report.hash, report.events));
        match (once, again) {
            (Ok(once), Ok(again)) => assert_eq!(once, again, "seed {seed}"),
            (once, again) => {
                let text =
                    |result: anyhow::Result<_>| result.err().map(|error| format!("{error:#}"));
                assert_eq!(text(once.map(|_| ())), text(again.map(|_| ())), "seed {seed}");
            }
        }
    }
}
