#!/usr/bin/env bash
# Tests what deploy/ holds with the real program, and the real servers it is made for. Arguments are pytest's; all tests by default.
# Needs what `make build scenarios` makes.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup-deploy-tests.sh
. scripts/deploy-env.sh
target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/loadhost/target}
export LOADHOST_BIN=${LOADHOST_BIN:-$target/debug/loadhost}
export LOADHOST_GUESTS=${LOADHOST_GUESTS:-$target/guests/wasm32-wasip2/release}
export PYTHONDONTWRITEBYTECODE=1
[ $# -gt 0 ] || set -- --numprocesses 2 --dist loadfile tests/deploy
exec "$deploy_py/bin/python" -m pytest -c tests/deploy/pytest.ini --rootdir tests/deploy "$@"
