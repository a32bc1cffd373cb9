#!/usr/bin/env bash
# Sets up what the benchmark needs, then runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v wrk >/dev/null 2>&1; then
    echo "Installing wrk, to compare with" >&2
    apt-get install -qy --no-install-recommends wrk >/dev/null || {
        echo "error: wrk is missing" >&2
        echo "hint: apt-get install wrk (as root), then make bench again" >&2
        exit 1
    }
fi
exec python3 scripts/bench.py "$@"
