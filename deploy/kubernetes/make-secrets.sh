#!/usr/bin/env bash
# Makes the secrets of an overlay in its folder `secrets`, from which its kustomization.yaml generates Secrets: keys and
# configurations of the broker, the users of page and API, and a token with which Prometheus may look.
#   make-secrets.sh overlays/prod        asks for a password of `admin`, or takes the first line of its standard input
# What is there is kept, so it can be run again. The folder is not for git: keep it as you keep other secrets.
set -euo pipefail

overlay=${1:?"usage: make-secrets.sh OVERLAY, such as overlays/prod"}
loadhost=${LOADHOST_BIN:-loadhost}
fail() { echo "error: $1" >&2; echo "hint: $2" >&2; exit 1; }
[ -f "$overlay/kustomization.yaml" ] || fail "$overlay has no kustomization.yaml" "name the folder of an overlay, such as overlays/dev"
command -v "$loadhost" >/dev/null || fail "$loadhost is not to be found" "put loadhost into PATH, or its path into LOADHOST_BIN"

umask 077
secrets=$overlay/secrets
mkdir -p "$secrets"

# Names and hosts of the StatefulSet's pods; rights of the workers' key are for the fleet of this name (LOADHOST_CLUSTER).
nodes=()
for number in 0 1 2; do
    nodes+=(--node "loadhost-nats-$number=loadhost-nats-$number.loadhost-nats:6222")
done
"$loadhost" nats-config "$secrets" "${nodes[@]}" --cluster "${LOADHOST_CLUSTER:-default}" \
    --listen 0.0.0.0:4222 --monitor 0.0.0.0:8222 --store /data

users=$secrets/users.toml
known() { [ -f "$users" ] && "$loadhost" user list --web-users "$users" | grep -q "^$1 "; }
if ! known "user admin"; then
    [ -t 0 ] && from=() || from=(--password-stdin)
    "$loadhost" user add admin --role admin --web-users "$users" "${from[@]}"
fi
if [ ! -s "$secrets/metrics.token" ]; then
    known "token metrics" && "$loadhost" user remove metrics --web-users "$users"
    "$loadhost" user token metrics --role view --web-users "$users" >"$secrets/metrics.token.new"
    tr -d '\n' <"$secrets/metrics.token.new" >"$secrets/metrics.token"
    rm "$secrets/metrics.token.new"
fi
echo "made in $secrets; now: kubectl apply -k $overlay"
