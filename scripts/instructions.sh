#!/usr/bin/env bash
# Counts the instructions that pieces of work take on the engine's thread, and compares them with bench/instructions.tsv. Unlike times,
# counts are the same on a busy machine. More than 2 % over fails; what got cheaper is to be written down.
#   --write  writes bench/instructions.tsv anew
set -euo pipefail
cd "$(dirname "$0")/.."

allowed=2
baseline=bench/instructions.tsv
command -v valgrind >/dev/null || { echo "instructions: valgrind is missing: scripts/setup.sh --test installs it" >&2; exit 1; }
# As released, but for line tables.
export CARGO_PROFILE_RELEASE_DEBUG=0
target=${CARGO_TARGET_DIR:-target}/instructions
cargo build --quiet --locked --release -p tidegate-bench --bin instructions --target-dir "$target"

# total WORK COUNT: all instructions of a run.
total() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$target/release/instructions" "$1" "$2" 2>&1 \
        | sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

compiler=$(rustc --version)
written=$(sed -n 's/^# //p' "$baseline" 2>/dev/null | head -n1 || true)
now=$(mktemp)
trap 'rm -f "$now"' EXIT
echo "# $compiler" >"$now"
failed=no
for work in $("$target/release/instructions" list); do
    # What comes before the work is in both runs.
    count=$((($(total "$work" 3000) - $(total "$work" 1000)) / 2000))
    printf '%s\t%s\n' "$work" "$count" >>"$now"
    was=$(awk -v work="$work" '$1 == work { print $2 }' "$baseline" 2>/dev/null || true)
    if [ -z "$was" ]; then
        echo "instructions: $work $count, nothing to compare with"
        continue
    fi
    change=$(awk -v was="$was" -v is="$count" 'BEGIN { printf "%+.1f", 100 * (is - was) / was }')
    echo "instructions: $work $count, $was before, $change %"
    if awk -v change="$change" -v allowed="$allowed" 'BEGIN { exit !(change > allowed) }'; then failed=yes; fi
done
if [ "${1:-}" = --write ]; then
    cp "$now" "$baseline"
    echo "instructions: $baseline is written"
elif [ "$failed" = yes ]; then
    if [ "$compiler" != "$written" ]; then
        echo "instructions: the baseline is of another compiler ($written): compared, not failed"
        exit 0
    fi
    echo "instructions: more than $allowed % over; if that is meant: scripts/instructions.sh --write" >&2
    exit 1
fi
