# What a person needs: `make serve`, `make test`. Both install and build whatever is missing.
#
#   make serve       a server on a copy of the demo project, with a token and a first call to try
#   make test        the whole suite
#   make lint        formatting and lints, in all workspaces
#   make bench       the figures, on a release build
#   make bench-queue   durable queues side by side; ARGS="--claims" for more, ARGS="--help" for all
#   make guests      the guests that tests and `serve` need
#   make examples    the examples of policies, which tests need, too (installs npm and Python's venv)
#   make command-lines   installs the tools that command lines are compared with (Debian's)
#   make guests-complete   the same with every coreutils command
#   make audit       licences, bans and duplicate crates (installs cargo-deny)
#   make clean       everything that was built

SHELL := /bin/bash
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR
GUESTS := $(CARGO_TARGET_DIR)/guests
DEMO := $(CARGO_TARGET_DIR)/demo-project
LISTEN ?= 127.0.0.1:7420
# The example in Rust is a workspace of its own, as a user's is.
EXAMPLE := cd examples/policies/rust && cargo
# So are tools of our own.
TOOLS := $(wildcard plugins/tools/*/Cargo.toml)
export LONGHOUSE_PLUGINS_DIR ?= $(GUESTS)

.PHONY: serve test lint bench bench-queue guests examples command-lines guests-complete native native-echo native-coreutils toolchain demo build audit clean

serve: guests demo
	$(CARGO_TARGET_DIR)/debug/longhouse serve $(DEMO) --listen $(LISTEN) --plugins $(GUESTS) --print-token 8h

test: guests examples native command-lines
	cargo test --workspace
	plugins/toolchain/cargo test --workspace --lib
	for tool in $(TOOLS); do cargo test --locked --manifest-path $$tool || exit 1; done
	$(EXAMPLE) test

lint: toolchain
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	plugins/toolchain/cargo fmt --all --check
	plugins/toolchain/cargo clippy --workspace -- -D warnings
	for tool in $(TOOLS); do \
		cargo fmt --check --manifest-path $$tool && \
		cargo clippy --locked --all-targets --manifest-path $$tool -- -D warnings || exit 1; \
	done
	$(EXAMPLE) fmt --check
	$(EXAMPLE) clippy --all-targets -- -D warnings

bench: guests native native-echo
	cargo build --release -p longhouse -p longhouse-tests -p longhouse-engine --bins --examples
	$(CARGO_TARGET_DIR)/release/bench

bench-queue:
	tests/bench/queue/install-peers
	cargo build --release -p longhouse -p longhouse-bench-queue --bins
	$(CARGO_TARGET_DIR)/release/bench-queue $(ARGS)

# The same ripgrep, natively, for comparison.
native: $(CARGO_TARGET_DIR)/native/bin/rg

$(CARGO_TARGET_DIR)/native/bin/rg:
	cargo install --quiet --locked ripgrep --version 15.2.0 --no-default-features --root $(CARGO_TARGET_DIR)/native

native-echo:
	@mkdir -p $(CARGO_TARGET_DIR)/native/bin
	rustc --edition 2024 -C opt-level=2 -C panic=abort -C strip=symbols plugins/fixtures/echo/src/main.rs \
		-o $(CARGO_TARGET_DIR)/native/bin/fixture-echo --crate-name fixture_echo

# The native side of what `make guests-complete` builds, with the same settings; takes some minutes.
native-coreutils:
	CARGO_PROFILE_RELEASE_OPT_LEVEL=2 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	CARGO_PROFILE_RELEASE_PANIC=abort cargo install --quiet --locked coreutils --version 0.12.0 --no-default-features --features feat_wasm \
		--root $(CARGO_TARGET_DIR)/native

# All at once, tests included: building part of the workspace selects other features of shared crates, and
# then wasmtime, the longest part, would be built twice.
build:
	cargo build --workspace --all-targets

guests: toolchain build
	$(CARGO_TARGET_DIR)/debug/guests --out $(GUESTS)

examples: toolchain build
	@plugins/toolchain/install --examples
	$(CARGO_TARGET_DIR)/debug/guests --out $(GUESTS) --examples

command-lines:
	@plugins/toolchain/install --command-lines

guests-complete: toolchain build
	$(CARGO_TARGET_DIR)/debug/guests --out $(GUESTS) --complete

toolchain:
	@plugins/toolchain/install

demo: $(DEMO)

$(DEMO):
	mkdir -p $(@D)
	cp -R examples/demo-project $@

audit:
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check bans licenses sources

clean:
	rm -rf $(CARGO_TARGET_DIR)
