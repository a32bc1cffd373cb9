# The two commands of the README are `make demo` and `make test`; each does the set-up it needs.
# Everything compiled goes below TARGET, outside the checkout, so that clones share it.

TARGET ?= $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),$(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/loadhost/target)
export CARGO_TARGET_DIR := $(TARGET)
GUESTS := $(TARGET)/guests
export LOADHOST_GUESTS := $(GUESTS)/wasm32-wasip2/release
export LOADHOST_BIN := $(TARGET)/debug/loadhost

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: build scenarios ## Load a demo shop from one process, then from a fleet over NATS
	scripts/demo.sh

.PHONY: test
test: setup-tests check web-check build guests tests web-tests test-deploy ## Everything that CI runs

.PHONY: build
build: ## Build the loadhost program (the first time takes a quarter of an hour on two cores)
	@scripts/say-first-build.sh "$(TARGET)"
	cargo build --workspace --locked

.PHONY: scenarios
scenarios: wasm-target ## Build the example scenarios to WebAssembly
	cargo build --release --locked --target wasm32-wasip2 --target-dir "$(GUESTS)" --manifest-path scenarios/Cargo.toml

.PHONY: guests
guests: scenarios ## Build the tests' guests too, good and hostile
	cargo build --release --locked --target wasm32-wasip2 --target-dir "$(GUESTS)" --manifest-path tests/guests/Cargo.toml

.PHONY: wasm-target
wasm-target:
	@scripts/wasm-target.sh

.PHONY: setup-tests
setup-tests:
	@scripts/setup-tests.sh

.PHONY: check
check: fmt clippy doc ## Formatting, lints and documentation

.PHONY: fmt
fmt:
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path scenarios/Cargo.toml
	cargo fmt --all --check --manifest-path tests/guests/Cargo.toml

.PHONY: clippy
clippy:
	cargo clippy --workspace --all-targets --locked -- --deny warnings

.PHONY: doc
doc:
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

# All packages at once: a choice of packages would choose other features of their dependencies, and
# compile those again.
.PHONY: tests
tests: ## The tests of each crate, of the scenarios, and of the real program against real servers
	scripts/run-tests.sh --workspace
	cargo test --doc --locked --workspace
	cargo test --locked --target-dir "$(TARGET)/guests-native" --manifest-path scenarios/Cargo.toml

.PHONY: web-check
web-check: ## Types, words and vendored files of the page
	scripts/web-check.sh

.PHONY: web-tests
web-tests: ## The page in Chromium, before a stage and before a real fleet
	scripts/web-tests.sh

.PHONY: screenshots
screenshots: build guests ## Renew the pictures in docs/screenshots
	scripts/screenshots.sh

.PHONY: test-deploy
test-deploy: ## What deploy/ holds, with the real servers it is made for
	scripts/test-deploy.sh

.PHONY: bench
bench: build scenarios ## Cost per request beside wrk, memory per user, start-up times
	scripts/bench.sh
