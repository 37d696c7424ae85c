# `make` alone lists what one can do. A line `target: ## text` is that list's source.

CARGO ?= cargo
# Arguments of the command that `make run` starts, e.g. make run ARGS="--seconds 60"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup page run test test-page test-python test-deep bench load fmt lint doc clean

help: ## List the targets (this text)
	@echo "Tidegate: make TARGET"
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  %-14s%s\n' "$$name" "$$text"; done

setup: ## Check what building needs and install what is missing (run and test do this themselves)
	@scripts/setup.sh

page: setup ## Build the web page, which the gateway takes into its binary
	@scripts/ui.sh build

run: page ## Build and start the demo: feed, engine, journal, gRPC edge, two strategies, the web page (ARGS="--seconds 60")
	$(CARGO) build --locked --release -p tidegate
	"$${CARGO_TARGET_DIR:-target}/release/tidegate" demo $(ARGS)

test: ## Format, clippy, every test, doc tests, the Python package, documentation: what must pass before a commit is shared
	@scripts/setup.sh --test
	@scripts/test.sh

test-page: page ## The web page in a browser, before a demo of its own (ARGS="trade" runs tests of that name)
	$(CARGO) build --locked -p tidegate
	@scripts/ui.sh browser $(ARGS)

test-python: setup ## The Python package as a user installs it: its tests against the real server, its types (ARGS="-k aio")
	@scripts/python.sh $(ARGS)

test-deep: ## Fuzzing (nightly Rust), long property runs, kill loops (FUZZ_SECONDS=120 PROPTEST_CASES=20000)
	@scripts/setup.sh --test --deep
	@scripts/test-deep.sh

bench: setup ## Measure every stage, ours and peers beside it, and write docs/figures.md (ARGS="itch" runs only benches of that name)
	@scripts/bench.sh $(ARGS)

load: setup ## What the gateway bears: reads, orders and thousands of sockets before the demo (LOADS="sockets" SOCKETS=1000)
	@scripts/load.sh

fmt: ## Format every crate in place
	$(CARGO) fmt --all

lint: ## Clippy on everything with warnings denied
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: ## Build the API documentation of every crate, without dependencies
	$(CARGO) doc --locked --workspace --no-deps

clean: ## Remove everything that was built
	$(CARGO) clean
