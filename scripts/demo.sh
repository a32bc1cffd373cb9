#!/usr/bin/env bash
# Shows what loadhost does: a demo shop under load from one process, then from a fleet.
# DEMO_SECONDS (20) is the length of each run, DEMO_USERS (50) its users.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${DEMO_SECONDS:-20}
users=${DEMO_USERS:-50}
loadhost=$LOADHOST_BIN
scenario=$LOADHOST_GUESTS/checkout.wasm
work=$(mktemp -d)
children=()

cleanup() {
    for pid in "${children[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${children[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# Waits until the file has a line that matches, at most 30 s; prints the matched part.
wait_for() { # file, pattern, what
    for _ in $(seq 300); do
        if found=$(grep -oEm1 "$2" "$1" 2>/dev/null); then printf '%s' "$found"; return; fi
        sleep 0.1
    done
    echo "error: $3 did not come up within 30 s" >&2
    cat "$1" >&2
    exit 1
}

say "1. A shop to load"
"$loadhost" demo-shop --listen 127.0.0.1:0 --delay 2ms >"$work/shop.log" 2>&1 &
children+=($!)
shop=$(wait_for "$work/shop.log" 'http://127\.0\.0\.1:[0-9]+' "the demo shop")
echo "loadhost demo-shop is listening on $shop"

say "2. One process: $users users log in, browse, fill a cart and check out, for $seconds s"
"$loadhost" run --scenario "$scenario" --host "$shop" --users "$users" --spawn-rate "$users" --run-time "${seconds}s"

if command -v nats-server >/dev/null 2>&1 || [ -x /usr/sbin/nats-server ]; then
    say "3. The same over a fleet: one master, nats-server, two workers"
    nats_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo 42220)
    PATH=$PATH:/usr/sbin nats-server -a 127.0.0.1 -p "$nats_port" -js -sd "$work/nats" >"$work/nats.log" 2>&1 &
    children+=($!)
    wait_for "$work/nats.log" 'Server is ready' "nats-server" >/dev/null
    for name in worker-1 worker-2; do
        "$loadhost" worker --nats "nats://127.0.0.1:$nats_port" --id "$name" --listen 127.0.0.1:0 >"$work/$name.log" 2>&1 &
        children+=($!)
    done
    "$loadhost" master --nats "nats://127.0.0.1:$nats_port" --listen 127.0.0.1:0 --expect-workers 2 --max-wait 30s \
        --scenario "$scenario" --host "$shop" --users "$users" --spawn-rate "$users" --run-time "${seconds}s"
else
    say "3. The fleet is left out: nats-server is not installed"
    echo "apt-get install nats-server, then make demo again"
fi

say "What next"
cat <<TEXT
  alias loadhost=${loadhost/#$HOME/\~}

  A scenario of your own:    loadhost new my-shop && cd my-shop && loadhost build
  The shop again:            loadhost demo-shop &
  The page, to start runs:   loadhost master, then http://127.0.0.1:8089
  What a scenario contains:  loadhost check ${scenario/#$HOME/\~}
  One user, each request:    loadhost trace … --host http://127.0.0.1:8000
  All commands and flags:    loadhost help
TEXT
