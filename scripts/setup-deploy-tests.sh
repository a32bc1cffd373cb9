#!/usr/bin/env bash
# Installs the Python packages of tests/deploy/requirements.txt. Does nothing where they are there already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/deploy-env.sh

mkdir -p "$deploy_tests"
exec 9>"$deploy_tests/lock"
flock 9
[ -e "$deploy_py/complete" ] && exit 0
echo "Installing the Python packages of the tests of deploy/" >&2
rm -rf "$deploy_py"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ python3 -m venv "$deploy_py" && "$deploy_py/bin/pip" install --quiet --disable-pip-version-check --requirement tests/deploy/requirements.txt; } >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "error: the Python packages of tests/deploy/requirements.txt could not be installed" >&2
    echo "hint: see pip's words above; building loadhost does not need them, testing deploy/ does" >&2
    exit 1
}
touch "$deploy_py/complete"
