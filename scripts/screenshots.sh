#!/usr/bin/env bash
# Renews docs/screenshots from a real run; takes a minute and a half. Fonts are this machine's: with fonts-roboto and fonts-noto-cjk both
# languages look as they do for most people.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup-web-tests.sh
. scripts/web-env.sh
export LOADHOST_WEB_PACKAGES=$npm_home LOADHOST_SCREENSHOTS=docs/screenshots
exec node --test tests/browser/pictures/docs.js
