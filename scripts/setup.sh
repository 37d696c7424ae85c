#!/usr/bin/env bash
# Checks what building needs, installs what is missing where it may, and says what and why.
#   --test   also what `make test` needs (rustfmt, clippy, etcd, iproute2, valgrind, PostgreSQL, Python, Chromium)
#   --deep   also what `make test-deep` needs (nightly Rust, cargo-fuzz)
set -euo pipefail
cd "$(dirname "$0")/.."

want_test=no
want_deep=no
for argument in "$@"; do
    case "$argument" in
        --test) want_test=yes ;;
        --deep) want_deep=yes ;;
        *) echo "setup: unknown argument '$argument'; allowed: --test, --deep" >&2; exit 2 ;;
    esac
done

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# apt PACKAGE...: installs with the rights we have, or fails and prints the command to type.
apt() {
    local become=()
    if ! command -v apt-get >/dev/null; then
        fail "no apt-get here; install the equivalents of: $*"
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            become=(sudo -n)
        else
            fail "no right to install packages; please run: sudo apt-get install -y $*"
        fi
    fi
    "${become[@]}" apt-get update -qq || say "the package lists could not be refreshed; trying with the old ones"
    DEBIAN_FRONTEND=noninteractive "${become[@]}" apt-get install -y -qq "$@" \
        || fail "apt-get could not install: $*"
}

# builds COMPILER LANGUAGE: true if a small program can be compiled and linked, headers included.
builds() {
    local program code=0
    command -v "$1" >/dev/null || return 1
    program=$(mktemp)
    printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' \
        | "$1" -x "$2" -o "$program" - 2>/dev/null || code=1
    rm -f "$program"
    return "$code"
}

# Rust: never installed behind the user's back; a version that is too old would fail later and less clearly.
if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    fail "cargo is in ~/.cargo/bin but not on the PATH; please run: . ~/.cargo/env"
fi
command -v cargo >/dev/null || fail "cargo is missing; install stable Rust from https://rustup.rs and try again"
need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
have=$(rustc --version | cut -d' ' -f2 | cut -d- -f1)
if [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -n1)" != "$need" ]; then
    fail "Rust $have is too old, $need is needed; please run: rustup update stable"
fi

# A C compiler and linker: zstd, which reads .zst recordings, is C; Rust links through cc as well.
if ! builds cc c; then
    say "installing a C compiler and headers (gcc, libc6-dev): Rust links with it and the zstd library is written in C"
    apt gcc libc6-dev
    builds cc c || fail "cc still cannot build a program; please look at: cc --version"
fi

# Node.js: the web page is built with it. Debian's may be too old; then a newer one from the npm registry goes below the home folder.
node_need=20.19.0
node_home=${TIDEGATE_NODE:-${XDG_DATA_HOME:-$HOME/.local/share}/tidegate/node}
has_node() {
    command -v node >/dev/null && command -v npm >/dev/null \
        && [ "$(printf '%s\n%s\n' "$node_need" "$(node --version | tr -d v)" | sort -V | head -n1)" = "$node_need" ]
}
[ ! -d "$node_home/node_modules/.bin" ] || PATH="$node_home/node_modules/.bin:$PATH"
if ! has_node; then
    if ! command -v npm >/dev/null; then
        say "installing Node.js and npm: the web page is built with them"
        apt nodejs npm
    fi
    if ! has_node; then
        say "installing Node.js 22 in $node_home: $(node --version 2>/dev/null || echo none) is older than $node_need"
        npm install --prefix "$node_home" --no-progress --loglevel=error node@22 npm@11 \
            || fail "npm could not install node@22; please install Node.js $node_need or newer"
        PATH="$node_home/node_modules/.bin:$PATH"
        has_node || fail "Node.js is still too old; please install $node_need or newer"
    fi
fi

# component NAME COMMAND: a part of the Rust toolchain.
component() {
    if cargo "$2" --version >/dev/null 2>&1; then return; fi
    command -v rustup >/dev/null || fail "cargo $2 is missing; install the toolchain's component $1"
    say "installing $1 with rustup: make test runs cargo $2"
    rustup component add "$1"
}

if [ "$want_test" = yes ]; then
    component rustfmt fmt
    component clippy clippy
    if ! command -v etcd >/dev/null; then
        say "installing etcd: the tests of failover hold a real lease in it"
        apt etcd-server
    fi
    if ! command -v ip >/dev/null; then
        say "installing iproute2: the tests of failover pull the cables between network namespaces"
        apt iproute2
    fi
    if ! command -v valgrind >/dev/null; then
        say "installing valgrind: instructions of the engine's thread are counted with it"
        apt valgrind
    fi
    if ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && ! command -v initdb >/dev/null; then
        say "installing postgresql: the gateway is tested on it as on SQLite"
        apt postgresql
    fi
    if ! python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        say "installing python3 and python3-venv: the tests of the Python package install it as its users do"
        apt python3 python3-venv
    fi
    if ! command -v chromium >/dev/null && [ ! -x "${CHROMIUM:-}" ]; then
        say "installing Chromium: the web page is tested in it"
        apt chromium
    fi
    cargo nextest --version >/dev/null 2>&1 \
        || say "cargo-nextest is not here: the tests run with cargo test, one crate after the other"
fi

if [ "$want_deep" = yes ]; then
    command -v rustup >/dev/null || fail "rustup is missing; fuzzing needs the nightly toolchain beside the stable one"
    if ! rustup run nightly rustc --version >/dev/null 2>&1; then
        say "installing nightly Rust: cargo-fuzz needs its sanitizers"
        rustup toolchain install nightly --profile minimal
    fi
    # libFuzzer is C++.
    if ! builds c++ c++; then
        say "installing a C++ compiler (g++): libFuzzer is written in C++"
        apt g++
        builds c++ c++ || fail "c++ still cannot build a program; please look at: c++ --version"
    fi
    if ! cargo fuzz --version >/dev/null 2>&1; then
        say "installing cargo-fuzz: it builds and runs the fuzz targets"
        cargo install cargo-fuzz --locked
    fi
fi
