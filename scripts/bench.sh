#!/usr/bin/env bash
# Measures everything, ours and peers beside it, and writes docs/figures.md and its plots: what `make bench` runs. Takes half an hour, and
# wants a machine on which nothing else runs.
#   NAME  runs only the criterion benches whose name contains it, and writes nothing
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
figures=$target/figures
started=$SECONDS
say() { echo; echo "bench: $* ($((SECONDS - started)) s so far)"; }

if [ "$#" -gt 0 ]; then
    exec cargo bench --locked --workspace --benches -- "$@"
fi

# Nothing of an earlier run is told as of this one.
rm -rf "$figures" "$target/criterion"
mkdir -p "$figures"
say "building"
cargo build --locked --release -p tidegate -p tidegate-tick-to-order -p tidegate-bench --bins
cargo bench --locked --workspace --benches --no-run
(cd bench/peers/rings && cargo build --locked --release --target-dir "$target/peers")

say "from event to order, and over gRPC"
"$target/release/tick-to-order" --json "$figures/tick-to-order.json"
say "rings beside those of others"
"$target/peers/release/rings" --json "$figures/rings.json"
if command -v python3 >/dev/null && [ -e bench/peers/run.py ]; then
    say "backtests beside those of others"
    python3 bench/peers/run.py --json "$figures/backtest.json" || say "they could not be compared"
else
    say "no python3: backtests are not compared with those of others"
fi
say "every stage"
cargo bench --locked --workspace --benches
say "instructions"
if command -v valgrind >/dev/null; then
    scripts/instructions.sh || say "instructions are not what they were"
fi
"$target/release/figures" "$figures"
say "done"
