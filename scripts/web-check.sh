#!/usr/bin/env bash
# Checks the page without a browser: types, words, vendored files, addresses, and the logic that needs no document.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup-web-tests.sh
. scripts/web-env.sh
"$npm_home/node_modules/.bin/tsc" --project tests/browser/tsconfig.json
node --test tests/browser/static/*.test.js
