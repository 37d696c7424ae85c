//! Builds without a protection, which the simulator must catch.

use crate::world::{RefusedForGood, run};
use std::time::Instant;
use tidegate_journal::protection::{Protection, remove};

/// A world in which a broken build lost something.
#[derive(Clone, Debug)]
pub struct Caught {
    /// Its seed.
    pub seed: u64,
    /// Worlds that were run, this one included.
    pub worlds: u64,
    /// How long they took.
    pub seconds: f64,
    /// What did not hold.
    pub why: String,
}

/// Runs worlds without `protection` until one shows it, `count` at most; `None` if none did.
pub fn catch(protection: Protection, from: u64, count: u64) -> Option<Caught> {
    remove(Some(protection));
    let began = Instant::now();
    // A broken engine may stop on an assertion, which catches it as well.
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let caught = (from..from + count).find_map(|seed| {
        let why = match std::panic::catch_unwind(|| run(seed)) {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) if error.is::<RefusedForGood>() => return None,
            Ok(Err(error)) => error.root_cause().to_string(),
            Err(_) => "an assertion failed".to_string(),
        };
        let seconds = began.elapsed().as_secs_f64();
        Some(Caught { seed, worlds: seed - from + 1, seconds, why })
    });
    std::panic::set_hook(quiet);
    remove(None);
    caught
}
