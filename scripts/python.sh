#!/usr/bin/env bash
# Builds the Python package in a virtual environment of its own, runs its tests against the real server, and checks its types.
#   TIDEGATE_BINARY  the server that the tests start (built here unless it is named)
# Arguments go to pytest, e.g. scripts/python.sh -k shared_memory
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
python=${PYTHON:-python3}
venv="$target/python-venv"

say() { echo "python: $*"; }
fail() { echo "python: $*" >&2; exit 1; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
    || fail "Python 3.10 or newer is needed, as '$python'; set PYTHON to another"
"$python" -c 'import ensurepip, venv' 2>/dev/null \
    || fail "Python's venv is missing; scripts/setup.sh --test installs it"

if [ -z "${TIDEGATE_BINARY:-}" ]; then
    cargo build --locked -p tidegate
    TIDEGATE_BINARY="$target/debug/tidegate"
fi
export TIDEGATE_BINARY

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
say "installing ./python into $venv"
# Its own folder below the target: a release build of the package, kept from one run to the next.
CARGO_TARGET_DIR="$target/python" "$venv/bin/pip" install --quiet --disable-pip-version-check "./python[test]"

cargo fmt --manifest-path python/Cargo.toml -- --check
cd python
"$venv/bin/python" -m pytest "$@"
"$venv/bin/python" -m mypy
