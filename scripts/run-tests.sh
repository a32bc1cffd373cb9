#!/usr/bin/env bash
# Runs tests with cargo-nextest where it is installed (each test in its own process,
# with a time limit), else with cargo test. Arguments choose the packages. Benchmarks are not built: clippy sees to them.
set -euo pipefail
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --tests --locked --no-fail-fast "$@"
fi
# Doc tests are run apart, as nextest knows none.
exec cargo test --tests --locked --no-fail-fast "$@"
