#!/usr/bin/env bash
# Waits for the broker, and becomes a loadhost worker: for machines without systemd (deploy/systemd) or containers
# (deploy/compose, deploy/kubernetes). The scenario comes from the masters; a worker needs no file.
#
# Settings are environment variables. Each setting of the program works as it is (docs/settings.md), and is stronger than
# the names below, which are those that Locust's scripts have:
#
#   name            default                             becomes
#   MASTER_HOST     127.0.0.1                           LOADHOST_NATS=nats://MASTER_HOST:MASTER_PORT: the broker, where
#   MASTER_PORT     4222                                masters and workers meet
#   WORKER_NODE_ID  the machine's name                  LOADHOST_WORKER_ID
#   LOG_LEVEL       INFO                                LOADHOST_LOG_LEVEL: Locust's DEBUG, INFO, WARNING, ERROR and
#                                                       CRITICAL, or ours
#   LOG_FILE        /var/log/loadhost/worker-ID.log     LOADHOST_LOG_FILE; its folder is made; empty: none
#
# and of this script: LOADHOST (the program, `loadhost` on the PATH), HEALTH_ATTEMPTS (30) attempts to connect,
# HEALTH_INTERVAL (2) seconds apart. /health and /ready are at 127.0.0.1:8080, /metrics at 127.0.0.1:9090, unless
# LOADHOST_WORKER_HEALTH_LISTEN and LOADHOST_WORKER_METRICS_LISTEN say otherwise.
#
# Exit codes: the program's own (`loadhost help exit-codes`: 104 a setting is wrong, 113 a port that was given is in use), 115
# if the broker cannot be reached, as the program has it.
set -euo pipefail

program=${LOADHOST:-loadhost}
attempts=${HEALTH_ATTEMPTS:-30}
interval=${HEALTH_INTERVAL:-2}

say() { printf '%s\n' "$*" >&2; }
wrong() { say "error: $1 is \`${!1}\`"; say "hint: give $2"; exit 104; }
[[ $attempts =~ ^[1-9][0-9]{0,5}$ ]] || wrong HEALTH_ATTEMPTS "a whole number from 1 on, such as 30"
[[ $interval =~ ^[0-9]{1,5}([.][0-9]{1,3})?$ ]] || wrong HEALTH_INTERVAL "seconds, such as 2 or 0.5"

export LOADHOST_NATS=${LOADHOST_NATS:-nats://${MASTER_HOST:-127.0.0.1}:${MASTER_PORT:-4222}}
export LOADHOST_WORKER_ID=${LOADHOST_WORKER_ID:-${WORKER_NODE_ID:-$(uname -n)}}
level=${LOG_LEVEL:-INFO}
level=${level,,}
case $level in
    warning) level=warn ;;
    critical) level=error ;;
esac
export LOADHOST_LOG_LEVEL=${LOADHOST_LOG_LEVEL:-$level}
log=${LOADHOST_LOG_FILE-${LOG_FILE-/var/log/loadhost/worker-$LOADHOST_WORKER_ID.log}}
if [ -n "$log" ]; then
    mkdir -p "$(dirname "$log")"
    export LOADHOST_LOG_FILE=$log
fi
command -v "$program" >/dev/null || { say "error: $program is not installed"; exit 1; }

# Whether one of the broker's addresses takes connections.
reachable() {
    local url host port
    for url in ${LOADHOST_NATS//,/ }; do
        url=${url#*://}
        url=${url##*@}
        url=${url%%/*}
        host=${url%:*}
        port=${url##*:}
        if [ "$host" = "$port" ]; then port=4222; fi
        host=${host#[}
        host=${host%]}
        # In a shell of its own, whose end closes the connection.
        # shellcheck disable=SC2016
        if timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null; then return 0; fi
    done
    return 1
}

say "starting loadhost worker $LOADHOST_WORKER_ID"
shown=${LOADHOST_NATS//:\/\/*@/://***@}
say "  broker: $shown"

attempt=1
until reachable; do
    say "the broker does not answer yet ($attempt of $attempts)"
    if [ "$attempt" -ge "$attempts" ]; then
        say "error: the broker at $shown cannot be reached after $attempts attempts"
        exit 115
    fi
    attempt=$((attempt + 1))
    sleep "$interval"
done
exec "$program" worker "$@"
