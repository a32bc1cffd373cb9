#!/usr/bin/env bash
# Installs the programs that the tests run against, from the distribution's packages, and what drives the page.
# Does nothing where they are there already.
set -euo pipefail
here=$(dirname "$0")

missing=()
need() { # program, package
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2")
}
need nats-server nats-server
need cc gcc
need ip iproute2
need unshare util-linux
need chromium chromium
need node nodejs
need npm npm
need python3 python3
python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=(python3-venv)
# What deploy/ is made for.
need nginx nginx
need haproxy haproxy
need promtool prometheus
need prometheus-alertmanager prometheus-alertmanager
need prometheus-node-exporter prometheus-node-exporter
need kubectl kubernetes-client
need buildah buildah
need skopeo skopeo
need shellcheck shellcheck
need systemd-analyze systemd
need openssl openssl
need man man-db
need strace strace
need strip binutils
need curl curl

packages_of_the_tests() {
    "$here/setup-web-tests.sh"
    "$here/setup-deploy-tests.sh"
}
if [ ${#missing[@]} -eq 0 ]; then
    packages_of_the_tests
    exit
fi

echo "Installing for the tests: ${missing[*]}" >&2
if ! command -v apt-get >/dev/null 2>&1; then
    echo "error: ${missing[*]} not found, and there is no apt-get here" >&2
    echo "hint: install ${missing[*]} with this system's package manager, then run the command again" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "error: ${missing[*]} not found, and installing needs root" >&2
        echo "hint: run as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
"${as_root[@]}" apt-get update -q
# The tests start servers of their own: RUNLEVEL=1 keeps the packages' services off.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qy --no-install-recommends "${missing[@]}"
packages_of_the_tests
