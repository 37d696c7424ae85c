#!/usr/bin/env bash
# Everything that must pass, on stable Rust (and Python 3.10 or newer): what `make test` runs once the set-up is done.
# Each step says its name and how long it took; the first that fails ends the run with its exit code.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"
started_total=$SECONDS

# step NAME COMMAND...
step() {
    local name=$1 started=$SECONDS
    shift
    echo
    echo "==> $name: $*"
    local code=0
    "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        echo "==> $name FAILED (exit $code) after $((SECONDS - started)) s; to repeat it alone: $*" >&2
        exit "$code"
    fi
    echo "==> $name passed in $((SECONDS - started)) s"
}

# First, for the gateway is tested with its page.
step page scripts/ui.sh test
step format cargo fmt --all -- --check
# --all-targets takes the benches along, so they cannot rot; building them in release is left to `make bench`.
step clippy cargo clippy --locked --workspace --all-targets -- -D warnings
if cargo nextest --version >/dev/null 2>&1; then
    step tests cargo nextest run --locked --workspace --no-fail-fast
else
    step tests cargo test --locked --workspace --lib --bins --tests --no-fail-fast
fi
# The demo of the program that the tests have built; all pages, at every width: `make test-page`.
step journey scripts/ui.sh journey
step doctests cargo test --locked --workspace --doc
step gateway scripts/gateway.sh
step python scripts/python.sh
step documentation env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
step instructions scripts/instructions.sh
if cargo deny --version >/dev/null 2>&1; then
    # Advisories change with the day, not with the code: they are asked for in test-deep.
    step licences cargo deny --locked check licenses bans sources
fi

echo
echo "make test: everything passed in $((SECONDS - started_total)) s"
