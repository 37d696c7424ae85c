#!/usr/bin/env bash
# The web page (`ui/`): built for the gateway to take into its binary, or tested.
#   scripts/ui.sh build   types from the gateway's description, then ui/dist; does nothing where that is newer than its sources
#   scripts/ui.sh test    types, format and lint, component tests, the build
#   scripts/ui.sh journey a browser before a demo of its own, from registration to a kill switch released by two persons
#   scripts/ui.sh browser all of it: tests, build, frames a second, the journey, every page
#   TIDEGATE_BIN          the program whose demo the browser meets (CARGO_TARGET_DIR/debug/tidegate)
#   ARTIFACTS             where screenshots go (ui/artifacts)
# Arguments after `browser` go to Playwright, e.g. scripts/ui.sh browser trade
set -euo pipefail
cd "$(dirname "$0")/../ui"
source ../scripts/demo.sh

# Where scripts/setup.sh puts Node.js if the system's is too old.
node_home=${TIDEGATE_NODE:-${XDG_DATA_HOME:-$HOME/.local/share}/tidegate/node}
[ ! -d "$node_home/node_modules/.bin" ] || PATH="$node_home/node_modules/.bin:$PATH"

say() { echo "ui: $*"; }
fail() { echo "ui: $*" >&2; exit 1; }

# packages: those of package-lock.json, asked for anew when that has changed.
packages() {
    if ! cmp -s package-lock.json node_modules/.installed; then
        say "installing packages"
        npm ci --no-progress --loglevel=error
        cp package-lock.json node_modules/.installed
    fi
    npm run --silent types
}

# is_built: the page is newer than everything that it is made of.
is_built() {
    [ -e dist/index.html ] \
        && [ -z "$(find src public index.html openapi.json package-lock.json vite.config.ts -newer dist/index.html -print -quit)" ]
}

demo=
folder=
program=
# A demo of its own folder on a free port, with this said in [trading]; TIDEGATE_URL and TIDEGATE_PASSWORD lead to it.
begin() {
    folder=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-ui.XXXXXX")
    printf 'listen = "127.0.0.1:0"\n[identity]\nregistrations_per_network = 1000\n[trading]\n%s\n' "$1" >"$folder/gateway.toml"
    begin_demo "$program" "$folder"
    TIDEGATE_URL=$(word "$folder" open 2)
    TIDEGATE_PASSWORD=$(word "$folder" log-in 4)
    export TIDEGATE_URL TIDEGATE_PASSWORD
}
end() {
    if [ -n "$demo" ]; then
        kill -INT "$demo" 2>/dev/null || true
        wait "$demo" 2>/dev/null || true
    fi
    [ -z "$folder" ] || rm -rf "$folder"
    demo= folder=
}
trap end EXIT

# The program whose demo the browser meets.
is_there() {
    local target
    target=$(realpath -m "${CARGO_TARGET_DIR:-../target}")
    program=${TIDEGATE_BIN:-$target/debug/tidegate}
    [ -x "$program" ] || fail "$program is missing; build it: cargo build -p tidegate"
}

# journey: before a demo that asks a second factor for every order.
journey() {
    begin 'authorization = "always"'
    npx playwright test --project=journey --pass-with-no-tests "$@"
    end
}

# browser: Playwright with the page alone, then the journey, then the pages before a demo that asks no second factor.
browser() {
    npx playwright test --list "$@" >/dev/null || fail "no test has $* in its name"
    npx playwright test --project=frames --pass-with-no-tests "$@"
    journey "$@"
    begin ''
    npx playwright test --project=pages --pass-with-no-tests "$@"
}

case "${1:-}" in
    build)
        is_built && exit 0
        packages
        npm run --silent build
        ;;
    test | browser)
        if [ "$1" = browser ]; then is_there; fi
        packages
        npm run --silent check
        npm test --silent
        npm run --silent build
        if [ "$1" = browser ]; then browser "${@:2}"; fi
        ;;
    journey)
        is_there
        packages
        journey
        ;;
    *) fail "build, test, journey or browser?" ;;
esac
