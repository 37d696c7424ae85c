#!/usr/bin/env bash
# What takes too long for every commit: fuzz targets, property tests with many cases, kill loops, advisories.
#   FUZZ_SECONDS    seconds for each fuzz target (120)
#   PROPTEST_CASES  cases of each property test (20000; the everyday number is 256)
#   ROUNDS          rounds in which primary and standby are killed (40)
#   SIM_WORLDS      worlds of the simulator (20000; the everyday number is 2000)
set -euo pipefail
cd "$(dirname "$0")/.."

fuzz_secs=${FUZZ_SECONDS:-120}
export ROUNDS="${ROUNDS:-40}"
export PROPTEST_CASES="${PROPTEST_CASES:-20000}"

# A crate's fuzz targets lie in CRATE/fuzz, a workspace of its own for cargo-fuzz.
targets_count=0
for manifest in */fuzz/Cargo.toml; do
    [ -e "$manifest" ] || continue
    crate=$(dirname "$(dirname "$manifest")")
    targets=$(cd "$crate" && cargo +nightly fuzz list)
    [ -n "$targets" ] || { echo "$manifest names no fuzz target" >&2; exit 1; }
    for target in $targets; do
        echo "==> fuzz $crate $target for $fuzz_secs s"
        (cd "$crate" && cargo +nightly fuzz run "$target" -- \
            -max_total_time="$fuzz_secs" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1) || {
            echo "==> fuzz $crate $target found something; the input is in $crate/fuzz/artifacts/$target" >&2
            exit 1
        }
        targets_count=$((targets_count + 1))
    done
done

# Tests marked #[ignore = "deep: ..."] are the long ones: kill loops, long simulations.
echo "==> every test with PROPTEST_CASES=$PROPTEST_CASES, the ignored ones too"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --locked --release --workspace --profile deep --run-ignored all --no-fail-fast
else
    cargo test --locked --release --workspace --lib --bins --tests --no-fail-fast -- --include-ignored
fi

echo "==> worlds of the simulator, and builds without a protection, which it must catch"
cargo run --locked --release -p tidegate-sim -- --from 10000 --count "${SIM_WORLDS:-20000}"
cargo run --locked --release -p tidegate-sim --features breakable -- --broken --count 3000

echo "==> clippy of the Python package, a workspace of its own"
PYO3_BUILD_EXTENSION_MODULE=1 cargo clippy --locked --manifest-path python/Cargo.toml -- -D warnings

if cargo deny --version >/dev/null 2>&1; then
    echo "==> licences, sources and today's advisories"
    cargo deny --locked check
else
    echo "==> cargo-deny is not here: today's advisories were not asked for"
fi

echo
echo "make test-deep: everything passed; $targets_count fuzz targets ran for $fuzz_secs s each"
