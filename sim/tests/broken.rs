//! Each protection taken away in turn: the simulator must notice.
#![cfg(feature = "breakable")]

use tidegate_journal::protection::Protection;
use tidegate_sim::broken::catch;

/// Worlds in which a broken build must show itself.
const WORLDS: u64 = 3_000;

#[test]
fn every_broken_build_is_caught() {
    let mut missed = Vec::new();
    for protection in Protection::ALL {
        match catch(*protection, 1, WORLDS) {
            Some(caught) => println!("{}: seed {}", protection.as_str(), caught.seed),
            None => missed.push(protection.as_str()),
        }
    }
    assert!(missed.is_empty(), "went unseen in {WORLDS} worlds: {missed:?}");
}
