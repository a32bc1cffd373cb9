#!/usr/bin/env bash
# Starts a loadhost master, waits until it is ready, and stays with it: for machines without systemd (deploy/systemd) or
# containers (deploy/compose, deploy/kubernetes).
#
# Settings are environment variables. Each setting of the program works as it is (docs/settings.md), and is stronger than
# the names below, which are those that Locust's scripts have:
#
#   name            default                       becomes
#   MASTER_HOST     127.0.0.1                     LOADHOST_NATS=nats://MASTER_HOST:MASTER_PORT: the broker,
#   MASTER_PORT     4222                          where masters and workers meet
#   WEB_HOST        127.0.0.1 (0.0.0.0 if         LOADHOST_LISTEN=WEB_HOST:WEB_PORT: page, API, /health, /ready and
#   WEB_PORT        WEB_USERS is set), 8089       /metrics
#   WEB_USERS       none                          LOADHOST_WEB_USERS: who may log in (`loadhost user add NAME`)
#   LOCUSTFILE      none                          LOADHOST_SCENARIO: a .wasm to run at once; without it runs are started
#                                                 from the page or with `loadhost start`
#   EXPECT_WORKERS  60                            LOADHOST_EXPECT_WORKERS
#   LOG_LEVEL       INFO                          LOADHOST_LOG_LEVEL: Locust's DEBUG, INFO, WARNING, ERROR and
#                                                 CRITICAL, or ours
#   LOG_FILE        /var/log/loadhost/master.log  LOADHOST_LOG_FILE; its folder is made; empty: none
#
# and of this script: LOADHOST (the program, `loadhost` on the PATH), PID_FILE (/run/loadhost/master.pid; empty: none),
# HEALTH_ATTEMPTS (30) looks at /ready, HEALTH_INTERVAL (2) seconds apart.
#
# Exit codes: the program's own (`loadhost help exit-codes`: 104 a setting is wrong, 113 the port is in use, 115 the broker
# cannot be reached), 1 if it does not get ready in time.
set -euo pipefail

program=${LOADHOST:-loadhost}
attempts=${HEALTH_ATTEMPTS:-30}
interval=${HEALTH_INTERVAL:-2}
pid_file=${PID_FILE-/run/loadhost/master.pid}

say() { printf '%s\n' "$*" >&2; }
wrong() { say "error: $1 is \`${!1}\`"; say "hint: give $2"; exit 104; }
[[ $attempts =~ ^[1-9][0-9]{0,5}$ ]] || wrong HEALTH_ATTEMPTS "a whole number from 1 on, such as 30"
[[ $interval =~ ^[0-9]{1,5}([.][0-9]{1,3})?$ ]] || wrong HEALTH_INTERVAL "seconds, such as 2 or 0.5"

export LOADHOST_NATS=${LOADHOST_NATS:-nats://${MASTER_HOST:-127.0.0.1}:${MASTER_PORT:-4222}}
if [ -z "${LOADHOST_WEB_USERS:-}" ] && [ -n "${WEB_USERS:-}" ]; then
    export LOADHOST_WEB_USERS=$WEB_USERS
fi
if [ -z "${LOADHOST_LISTEN:-}" ]; then
    # Without a login nobody else is let in.
    anyone=127.0.0.1
    if [ -n "${LOADHOST_WEB_USERS:-}" ]; then anyone=0.0.0.0; fi
    export LOADHOST_LISTEN=${WEB_HOST:-$anyone}:${WEB_PORT:-8089}
fi
if [ -z "${LOADHOST_SCENARIO:-}" ] && [ -n "${LOCUSTFILE:-}" ]; then
    export LOADHOST_SCENARIO=$LOCUSTFILE
fi
export LOADHOST_EXPECT_WORKERS=${LOADHOST_EXPECT_WORKERS:-${EXPECT_WORKERS:-60}}
level=${LOG_LEVEL:-INFO}
level=${level,,}
case $level in
    warning) level=warn ;;
    critical) level=error ;;
esac
export LOADHOST_LOG_LEVEL=${LOADHOST_LOG_LEVEL:-$level}
log=${LOADHOST_LOG_FILE-${LOG_FILE-/var/log/loadhost/master.log}}
if [ -n "$log" ]; then
    mkdir -p "$(dirname "$log")"
    export LOADHOST_LOG_FILE=$log
fi
if [ -n "$pid_file" ]; then mkdir -p "$(dirname "$pid_file")"; fi
for tool in "$program" curl; do
    command -v "$tool" >/dev/null || { say "error: $tool is not installed"; exit 1; }
done

# Where this machine reaches it: what listens everywhere listens on loopback, too.
scheme=http
if [ -n "${LOADHOST_TLS_CERT:-}" ]; then scheme=https; fi
asked=${LOADHOST_LISTEN/#0.0.0.0:/127.0.0.1:}
asked=${asked/#\[::\]:/[::1]:}
ready=$scheme://$asked${LOADHOST_WEB_BASE_PATH:-}/ready

# Whoever answers there already is not the master that is started here, which will say that the port is taken.
taken=
host=${asked%:*}
host=${host#[}
# shellcheck disable=SC2016
if timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "${host%]}" "${asked##*:}" 2>/dev/null; then taken=yes; fi
is_ready() {
    # The certificate is of another name than loopback's.
    [ -z "$taken" ] && curl --fail --silent --insecure --max-time 2 --output /dev/null --noproxy '*' "$ready"
}

say "starting a loadhost master"
say "  broker:           ${LOADHOST_NATS//:\/\/*@/://***@}"
say "  page and API:     $LOADHOST_LISTEN"
say "  scenario:         ${LOADHOST_SCENARIO:-none}"
say "  expected workers: $LOADHOST_EXPECT_WORKERS"

"$program" master "$@" &
master=$!
# Who stops this script stops the master, which hands over first.
trap 'kill -TERM "$master" 2>/dev/null || true' TERM INT

# The master's exit code. A signal ends the first wait, not the master.
ended() {
    local code=0
    wait "$master" || code=$?
    while kill -0 "$master" 2>/dev/null; do
        code=0
        wait "$master" || code=$?
    done
    if [ -n "$pid_file" ]; then rm -f "$pid_file"; fi
    return "$code"
}

attempt=1
until is_ready; do
    if ! kill -0 "$master" 2>/dev/null; then
        code=0
        ended || code=$?
        say "error: the master has ended with exit code $code before it was ready"
        exit "$code"
    fi
    say "not ready yet ($attempt of $attempts)"
    if [ "$attempt" -ge "$attempts" ]; then
        say "error: the master is not ready at $ready after $attempts looks; it is stopped"
        kill -TERM "$master" 2>/dev/null || true
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -0 "$master" 2>/dev/null || break
            sleep 1
        done
        kill -KILL "$master" 2>/dev/null || true
        ended || true
        exit 1
    fi
    attempt=$((attempt + 1))
    # In the background, so that a signal need not wait for it.
    sleep "$interval" &
    wait $! || true
done

if [ -n "$pid_file" ]; then echo "$master" > "$pid_file"; fi
say "the master is ready (process $master)"
ended
