#!/usr/bin/env bash
# Fetches the libraries of the page, at the versions named here, into host/web/assets/vendor.
#
# Developers run it to update a library; building and testing never do. What is written is committed:
# ES modules that import each other by relative paths (a strict content security policy allows no inline
# import map), their types (for the type check, not embedded), their licences, and VERSIONS with the
# SHA-256 of each file, which `make web-check` compares.
set -euo pipefail
cd "$(dirname "$0")/.."

preact=11.2.0
htm=3.1.1
signals=2.11.4
signals_core=1.14.5
uplot=1.6.32

command -v npm >/dev/null 2>&1 || {
    echo "error: npm not found, which fetches the libraries" >&2
    echo "hint: install node and npm with this system's package manager, then run the command again" >&2
    exit 1
}

to=host/web/assets/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "# What lies here: SHA-256, file, package, version, licence. Written by scripts/vendor-web.sh." >"$work/VERSIONS"

fetch() { # package, version, folder
    mkdir "$work/$3"
    (cd "$work/$3" && npm pack --silent "$1@$2" >/dev/null 2>"$work/npm.log" && tar xzf ./*.tgz --strip-components=1) || {
        cat "$work/npm.log" >&2
        echo "error: could not fetch $1@$2 from the npm registry" >&2
        exit 1
    }
    package=$1 version=$2 folder=$work/$3
    licence=$(node -p 'require(process.argv[1]).license' "$folder/package.json")
    mkdir -p "$work/out/licences"
    copy LICENSE "licences/$3.txt"
}

# Bare names become neighbours; there are no source maps here.
copy() { # file of the package, file here
    sed -E \
        -e 's#(from ?|import ?)(["'\''])preact/hooks\2#\1\2./preact-hooks.js\2#g' \
        -e 's#(from ?|import ?)(["'\''])preact\2#\1\2./preact.js\2#g' \
        -e 's#(from ?|import ?)(["'\''])@preact/signals-core\2#\1\2./signals-core.js\2#g' \
        -e 's#//\# sourceMappingURL=.*$##' \
        -e "s#(['\"])(\./index|\.\./\.\./src/index)\1#'./preact.js'#; s#(['\"])\./(jsx|dom)\1#'./preact-\2.js'#" \
        "$folder/$1" >"$work/out/$2"
    record "$2"
}

record() { # file here
    (cd "$work/out" && printf '%s  %s  %s %s %s\n' "$(sha256sum <"$1" | cut -d' ' -f1)" "$1" "$package" "$version" "$licence") \
        >>"$work/VERSIONS"
}

fetch preact "$preact" preact
copy dist/preact.mjs preact.js
copy hooks/dist/hooks.mjs preact-hooks.js
copy src/index.d.ts preact.d.ts
copy src/jsx.d.ts preact-jsx.d.ts
copy src/dom.d.ts preact-dom.d.ts
copy hooks/src/index.d.ts preact-hooks.d.ts

fetch htm "$htm" htm
copy dist/htm.mjs htm.js
copy dist/htm.d.ts htm.d.ts

fetch @preact/signals "$signals" signals
copy dist/signals.mjs signals.js
copy dist/signals.d.ts signals.d.ts

fetch @preact/signals-core "$signals_core" signals-core
copy dist/signals-core.mjs signals-core.js
copy dist/signals-core.d.ts signals-core.d.ts

# The minified form is half as large on the wire as the module that the package brings, so the page gets
# that one with an export, which the single-file report takes off again.
fetch uplot "$uplot" uplot
copy dist/uPlot.iife.min.js uplot.js
printf '\nexport default uPlot;\n' >>"$work/out/uplot.js"
sed -i '$d' "$work/VERSIONS"
record uplot.js
copy dist/uPlot.min.css uplot.css
copy dist/uPlot.d.ts uplot.d.ts

if left=$(grep -nE "(from|import) ?[\"'][a-z@]" "$work"/out/*.js "$work"/out/*.d.ts); then
    echo "error: an import of a bare name is left, which no browser can follow:" >&2
    echo "$left" >&2
    exit 1
fi

rm -rf "$to"
mkdir -p "$(dirname "$to")"
cp -r "$work/out" "$to"
cp "$work/VERSIONS" "$to/VERSIONS"
git --no-pager diff --stat -- "$to" || true
