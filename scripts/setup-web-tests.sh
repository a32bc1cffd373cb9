#!/usr/bin/env bash
# Installs what checks and drives the page: npm packages at the versions of tests/browser/package-lock.json, and
# Python packages at those of tests/browser/requirements.txt. Does nothing where they are there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/web-env.sh

fail() { # what, hint, log
    [ -s "$3" ] && tail -n 20 "$3" >&2
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 1
}

node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge 20 ] ||
    fail "node $(node --version) is too old for the page's tests, which need 20 or newer" "install a newer node, then run the command again" /dev/null

mkdir -p "$web_tests"
exec 9>"$web_tests/lock"
flock 9
work=$(mktemp -d "$web_tests/new-XXXXXX")
trap 'rm -rf "$work"' EXIT

# Made aside and moved into place: a set-up that was cut off leaves nothing that looks complete.
if [ ! -d "$npm_home" ]; then
    echo "Installing the npm packages of the page's tests" >&2
    mkdir "$work/npm"
    cp tests/browser/package.json tests/browser/package-lock.json tests/browser/.npmrc "$work/npm"
    (cd "$work/npm" && npm ci --ignore-scripts) >"$work/npm.log" 2>&1 ||
        fail "the npm packages of tests/browser/package-lock.json could not be installed" \
            "see npm's words above; building loadhost does not need them, testing the page does" "$work/npm.log"
    mv -T "$work/npm" "$npm_home" 2>/dev/null || [ -d "$npm_home" ]
fi

# A Python environment knows its own path, so it is made where it stays and marked when it is complete.
if [ ! -e "$py_home/complete" ]; then
    echo "Installing the Python packages of the page's tests" >&2
    rm -rf "$py_home"
    { python3 -m venv "$py_home" && "$py_home/bin/pip" install --quiet --disable-pip-version-check --requirement tests/browser/requirements.txt; } \
        >"$work/pip.log" 2>&1 ||
        fail "the Python packages of tests/browser/requirements.txt could not be installed" \
            "see pip's words above; building loadhost does not need them, testing its API does" "$work/pip.log"
    touch "$py_home/complete"
fi
