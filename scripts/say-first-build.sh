#!/usr/bin/env bash
# Says how long the first build takes, so that nobody wonders whether it hangs.
set -euo pipefail
target=$1
if ! compgen -G "$target/debug/deps/libwasmtime-*.rlib" >/dev/null; then
    echo "First build: about 480 packages, among them a WebAssembly compiler." >&2
    echo "Expect 15 to 20 minutes on two cores, 3 to 5 on eight; later builds take seconds." >&2
    echo "Compiled files go to $target" >&2
fi
