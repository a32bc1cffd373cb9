#!/usr/bin/env bash
# Makes what compose.yaml needs beside it: keys of the broker, users, tokens and passwords (`secrets`), folders to keep things
# in (`data`), and the user that containers run as (`.env`): yours, or 65532 if you are root.
#   make-secrets.sh        asks for a password of `admin`, or takes the first line of its standard input
# What is there is kept, so it can be run again. Nothing of it is for git.
set -euo pipefail
cd "$(dirname "$0")"
loadhost=${LOADHOST_BIN:-loadhost}
command -v "$loadhost" >/dev/null || {
    echo "error: $loadhost is not to be found" >&2
    echo "hint: put loadhost into PATH, or its path into LOADHOST_BIN" >&2
    exit 1
}

umask 077
mkdir -p secrets data/nats data/prometheus data/grafana
"$loadhost" nats-config secrets --listen 0.0.0.0:4222 --monitor 0.0.0.0:8222 --store /data

users=secrets/users.toml
known() { [ -f "$users" ] && "$loadhost" user list --web-users "$users" | grep -q "^$1 "; }
if ! known "user admin"; then
    [ -t 0 ] && from=() || from=(--password-stdin)
    "$loadhost" user add admin --role admin --web-users "$users" "${from[@]}"
fi
if [ ! -s secrets/loadhost-token ]; then
    known "token metrics" && "$loadhost" user remove metrics --web-users "$users"
    token=$("$loadhost" user token metrics --role view --web-users "$users")
    printf '%s' "$token" >secrets/loadhost-token
fi
[ -s secrets/grafana-password ] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >secrets/grafana-password

owner=$(id -u):$(id -g)
if [ "$(id -u)" -eq 0 ]; then
    owner=65532:65532
    chown -R "$owner" secrets data
fi
echo "LOADHOST_USER=$owner" >.env
echo "made; Grafana's admin has the password in secrets/grafana-password. Now: docker compose up --detach"
