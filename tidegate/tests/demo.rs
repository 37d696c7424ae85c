//! `tidegate demo`, as a newcomer runs it.

mod support;

use std::path::Path;
use std::process::Command;
use support::{run, spawn_command, text, tidegate};
use tempfile::TempDir;

/// Builds the strategies, which belong to another package, beside the binary; quick if they are there already.
fn build_strategies() {
    let binary = Path::new(env!("CARGO_BIN_EXE_tidegate"));
    let profile = binary.parent().expect("the binary lies in a folder");
    let target = profile.parent().expect("the profile's folder lies in the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "-p", "tidegate-examples", "--bins"]);
    cargo.env("CARGO_TARGET_DIR", target).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.status().expect("cargo starts");
    assert!(built.success(), "the strategies cannot be built: {cargo:?}");
}

/// The value behind `name` in a line of the summary.
fn figure<'t>(said: &'t str, name: &str) -> &'t str {
    let line = said.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no line begins with '{name}': {said}"));
    line[name.len()..].split_whitespace().next().expect("a value")
}

#[test]
fn the_demo_trades_and_its_replay_agrees() {
    build_strategies();
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path().join("demo");
    let mut command = tidegate();
    command.args(["demo", "--seconds", "6", "--dir", text(&dir)]);
    let said = spawn_command(&mut command).wait().ok();
    let live = figure(&said, "state hash live");
    assert_eq!(live, figure(&said, "state hash replayed"), "{said}");
    assert_eq!(live.len(), 16, "{said}");
    for strategy in ["market_maker", "momentum"] {
        let row = said.lines().find(|line| line.starts_with(strategy)).expect("a row");
        let fills: u64 = row.split_whitespace().nth(3).and_then(|n| n.parse().ok()).expect("fills");
        assert!(fills > 0, "{said}");
    }

    let journal = dir.join("journal");
    let verified = run(&["journal", "verify", text(&journal)]).ok();
    assert_eq!(verified.matches("closed in order").count(), 2, "{verified}");
    let replayed = run(&["replay", text(&journal)]).ok();
    assert!(replayed.contains(live), "{replayed}");

    // The same folder again would mix two runs.
    run(&["demo", "--seconds", "5", "--dir", text(&dir)]).refused(&["holds a journal", "--dir"]);
}
