#!/usr/bin/env bash
# Tests the gateway where `cargo test` alone does not: on a real PostgreSQL, with a real OpenID Connect provider, and with what
# schemathesis makes of its OpenAPI document.
#   MAX_EXAMPLES        examples of each operation for schemathesis (20; more for a deep run)
#   SCHEMATHESIS_SEED   what is drawn (1, so that a failure is the change's doing; test-deep draws anew)
#   GATEWAY_TESTS       postgres or schemathesis for one of the two (both)
# Arguments go to schemathesis, e.g. scripts/gateway.sh --include-path /api/v1/orders
set -euo pipefail
cd "$(dirname "$0")/.."

schemathesis=4.32.5
oidc_mock=0.3.4
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
python=${PYTHON:-python3}
venv="$target/schemathesis-venv"
folder=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-gateway.XXXXXX")
server=

say() { echo "gateway: $*"; }
fail() { echo "gateway: $*" >&2; exit 1; }

# as_postgres COMMAND...: PostgreSQL does not run as root.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid postgres --regid postgres --clear-groups -- "$@"; else "$@"; fi
}

end() {
    local code=$?
    # The pipe that keeps the gateway running.
    exec 3>&- || true
    if [ -n "$server" ]; then wait "$server" 2>/dev/null || true; fi
    if [ -e "$folder/data/postmaster.pid" ]; then
        as_postgres "$binaries/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null || true
    fi
    rm -rf "$folder"
    exit "$code"
}
trap end EXIT

# programs: schemathesis and the provider, in a folder of their own.
programs() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv is missing; scripts/setup.sh --test installs it"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$schemathesis" "oidc-provider-mock==$oidc_mock"
    export TIDEGATE_OIDC_MOCK="$venv/bin/oidc-provider-mock"
}

postgres() {
    binaries=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n1)
    [ -n "$binaries" ] || binaries=$(dirname "$(command -v postgres || true)")
    [ -x "$binaries/initdb" ] || fail "PostgreSQL is missing; scripts/setup.sh --test installs it"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$folder"; fi
    as_postgres "$binaries/initdb" -D "$folder/data" -U gateway --auth trust -E UTF8 --locale C >/dev/null
    # On a socket of its own folder: no port that another run may have.
    as_postgres "$binaries/pg_ctl" -D "$folder/data" -l "$folder/log" -w start \
        -o "-c listen_addresses= -c unix_socket_directories=$folder -c fsync=off -c max_connections=300" >/dev/null \
        || fail "PostgreSQL does not start: $(tail -n3 "$folder/log")"
    say "tests on $("$binaries/postgres" --version)"
    export TIDEGATE_POSTGRES="postgres://gateway@localhost/postgres?host=$folder"
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --locked -p tidegate-gateway --no-fail-fast
    else
        cargo test --locked -p tidegate-gateway --lib --tests --no-fail-fast
    fi
    unset TIDEGATE_POSTGRES
}

fuzz() {
    [ -n "${SKIP_BUILD:-}" ] || cargo build --locked -p tidegate-gateway --example served
    mkfifo "$folder/alive"
    "$target/debug/examples/served" <"$folder/alive" >"$folder/served" 2>"$folder/log.gateway" &
    server=$!
    exec 3>"$folder/alive"
    for _ in $(seq 1 300); do
        [ -s "$folder/served" ] && break
        kill -0 "$server" 2>/dev/null || fail "the gateway does not start: $(tail -n5 "$folder/log.gateway")"
        sleep 0.1
    done
    local url seed role token
    said() { "$venv/bin/python" -c 'import json, sys; said = json.load(open(sys.argv[1])); print(said[sys.argv[2]] if len(sys.argv) == 3 else said[sys.argv[2]][sys.argv[3]])' "$folder/served" "$@"; }
    url=$(said url)
    seed=${SCHEMATHESIS_SEED:-1}
    say "schemathesis $schemathesis on $url, to repeat it: SCHEMATHESIS_SEED=$seed"
    # Each role sees what the others may not. Those who end the session that asks would leave nothing to test after them.
    for role in trader administrator; do
        token=$(said tokens "$role")
        say "as $role"
        # In the temporary folder: it keeps what it found beside where it runs.
        (cd "$folder" && "$venv/bin/schemathesis" run "$url/api/v1/openapi.json" --url "$url" \
            --header "Authorization: Bearer $token" \
            --phases examples,coverage,fuzzing --max-examples "${MAX_EXAMPLES:-20}" --seed "$seed" \
            --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection \
            --exclude-path-regex '/auth/(logout|password)|/sessions/|/stream' \
            --request-timeout 30 --generation-database none --no-color "$@") \
            || fail "schemathesis found something; the gateway's log: $(tail -n5 "$folder/log.gateway")"
    done
}

programs
case "${GATEWAY_TESTS:-both}" in
    both) postgres; fuzz "$@" ;;
    postgres) postgres ;;
    schemathesis) fuzz "$@" ;;
    *) fail "GATEWAY_TESTS: postgres, schemathesis or both" ;;
esac
say "everything passed"
