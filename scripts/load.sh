#!/usr/bin/env bash
# What the gateway bears: the demo with a market of its own, whose gateway is read at a fixed rate, then given orders, then followed by
# thousands of sockets, each beside what the engine's own path took meanwhile. `make load`.
#   LOADS         which: reads orders sockets (all)
#   SECONDS_EACH  how long each is measured (20)
#   RATE          reads a second (10000)
#   ORDERS        orders a second (40; an account may send 50 messages a second)
#   SOCKETS       sockets, each of which follows five symbols (10000)
#   SYMBOLS       symbols of the market (50)
#   MARKET        messages of the market a second (200)
#   APART         1: engine, feed and strategies have the first core to themselves; gateway and load have the others
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/demo.sh

loads=${LOADS:-reads orders sockets}
seconds=${SECONDS_EACH:-20}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release
folder=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-load.XXXXXX")
demo=

end() {
    local code=$?
    if [ -n "$demo" ]; then
        kill -INT "$demo" 2>/dev/null || true
        wait "$demo" 2>/dev/null || true
    fi
    rm -rf "$folder"
    exit "$code"
}
trap end EXIT
fail() { echo "load: $*" >&2; exit 1; }

command -v curl >/dev/null || fail "curl is missing: apt install curl"
[ -n "${SKIP_BUILD:-}" ] || cargo build --locked --release -p tidegate -p tidegate-gateway --bin tidegate \
    --example requests --example sockets
ulimit -n "$(ulimit -Hn)"

# A market of half an hour at most, in quiet hours.
"$target/tidegate" gen -o "$folder/market.itch" --symbols "${SYMBOLS:-50}" --duration 1800 --rate "${MARKET:-200}" \
    --start 11:00:00 >/dev/null
# One user and one address do all of it.
cat >"$folder/gateway.toml" <<'TOML'
[limits]
user_per_minute = 4000000
user_burst = 4000000
connections = 65536
connections_per_ip = 65536
[live]
connections = 65536
connections_per_user = 65536
TOML
export RUST_LOG=${RUST_LOG:-warn}
begin_demo "$target/tidegate" "$folder" --input "$folder/market.itch" --speed 1
url=$(word "$folder" open 2)
edge=$(word "$folder" gRPC 2)
guest=$(word "$folder" your 3)
gateway=$(pgrep -P "$demo" -f 'tidegate gateway')
on=()
if [ -n "${APART:-}" ]; then
    others=1-$(($(nproc) - 1))
    for process in "$demo" $(pgrep -P "$demo"); do taskset -acp 0 "$process" >/dev/null; done
    taskset -acp "$others" "$gateway" >/dev/null
    on=(taskset -c "$others")
fi
# json PATH: one value of the JSON on standard input.
json() { python3 -c 'import json, sys; value = json.load(sys.stdin)
for key in sys.argv[1].split("."): value = value[int(key)] if key.isdigit() else value[key]
print(value)' "$1"; }
user="{\"email\":\"$(word "$folder" log-in 2)\",\"password\":\"$(word "$folder" log-in 4)\"}"
token=$(curl -sf "$url/api/v1/auth/login" -H 'Content-Type: application/json' -d "$user" | json data.access_token)
export TIDEGATE_TOKEN=$token
ask() { curl -sf -H "Authorization: Bearer $token" "$url$1"; }
account=$(ask /api/v1/accounts | json data.0.id)
sleep 5
symbols=$(ask '/api/v1/instruments?limit=1000' | python3 -c 'import json, sys
print(",".join(one["symbol"] for one in json.load(sys.stdin)["data"]))')
one=${symbols%%,*}
addr=${url#http://}

engine() {
    echo "engine, order path of the last minute: $(TIDEGATE_TOKEN=$guest "$target/tidegate" latency --once --minute --addr "$edge" \
        | grep -m1 -A1 '^ *order' | tr -s ' \n' ' ')"
}
echo "a market of ${SYMBOLS:-50} symbols and ${MARKET:-200} messages a second; gateway is process $gateway"
echo "waiting for a minute: books fill at first, and the market is denser"
sleep 60
engine
for load in $loads; do
    echo
    case $load in
    reads)
        echo "== reads: quotes, books, positions, orders, portfolio, accounts, ${RATE:-10000} a second"
        paths="/api/v1/quotes/$one,/api/v1/quotes?symbols=$(cut -d, -f1-5 <<<"$symbols" | sed 's/,/%2C/g')"
        paths="$paths,/api/v1/quotes/$one,/api/v1/books/$one,/api/v1/positions,/api/v1/orders?limit=20"
        paths="$paths,/api/v1/portfolio?account=$account,/api/v1/accounts"
        "${on[@]}" "$target/examples/requests" --addr "$addr" --rate "${RATE:-10000}" --seconds "$seconds" --paths "$paths"
        ;;
    orders)
        echo "== orders over REST, ${ORDERS:-40} a second, until the engine's answer"
        "${on[@]}" "$target/examples/requests" --addr "$addr" --rate "${ORDERS:-40}" --connections 4 --seconds "$seconds" \
            --orders-of "$account" --symbol "$one"
        ;;
    sockets)
        echo "== ${SOCKETS:-10000} sockets with five symbols each"
        "${on[@]}" "$target/examples/sockets" --addr "$addr" --clients "${SOCKETS:-10000}" --seconds "$seconds" --pid "$gateway" \
            --symbols "$symbols"
        ;;
    *) fail "no load '$load': reads, orders, sockets" ;;
    esac
    engine
done
