#!/usr/bin/env bash
# Drives the page in the distribution's Chromium. Arguments choose the files; all of them by default.
# LOADHOST_SCREENSHOTS=FOLDER keeps pictures of what was seen; LOADHOST_PAGE_FROM=checkout shows the page as it lies there, whatever
# was built into the program.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup-web-tests.sh
. scripts/web-env.sh
export LOADHOST_WEB_PACKAGES=$npm_home LOADHOST_WEB_PYTHON=$py_home/bin
[ $# -gt 0 ] || set -- tests/browser/stage/*.test.js tests/browser/fleet/*.test.js
exec node --test --test-concurrency=2 "$@"
