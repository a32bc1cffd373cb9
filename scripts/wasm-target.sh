#!/usr/bin/env bash
# Makes sure that rustc can compile for wasm32-wasip2, which Rust scenarios need.
#
# The first way that works is taken:
#   1. the target is there: done
#   2. rustup     rustup target add wasm32-wasip2
#   3. debian     Debian's signed packages rust-src and wasi-libc, for networks
#                 that reach a Debian mirror and a Rust registry but not rustup's server
#
# Everything is built in a temporary folder and moved into the toolchain last, so a
# run that fails or is interrupted leaves the toolchain as it was.
set -euo pipefail

readonly TARGET=wasm32-wasip2
readonly RUSTUP_TIMEOUT=${WASM_TARGET_RUSTUP_TIMEOUT:-120}  # seconds

usage() {
    cat <<USAGE
usage: scripts/wasm-target.sh [--way auto|rustup|debian] [--sysroot DIR] [--quiet]

  --way      auto: the first that works. Another: that one only, even if the target is there.
  --sysroot  install into DIR instead of the toolchain (way debian; made if missing).
             Try it with: rustc --sysroot DIR --target $TARGET FILE.rs
  --quiet    say nothing if the target is there already
USAGE
}

way=auto sysroot= quiet=
while [ $# -gt 0 ]; do
    case "$1" in
        --way) way=${2:?--way needs a value}; shift 2 ;;
        --sysroot) sysroot=${2:?--sysroot needs a folder}; shift 2 ;;
        --quiet) quiet=yes; shift ;;
        -h | --help) usage; exit 0 ;;
        *) echo "error: unknown argument \`$1\`" >&2; usage >&2; exit 2 ;;
    esac
done
case "$way" in auto | rustup | debian) ;; *) echo "error: unknown way \`$way\`" >&2; usage >&2; exit 2 ;; esac

say() { printf 'wasm-target: %s\n' "$*" >&2; }
need() { command -v "$1" >/dev/null 2>&1 || { say "$2"; return 1; }; }

need rustc "rustc is missing: install Rust from https://rustup.rs" || exit 1
# Settings of the caller's build would leak into the build of the standard library.
for name in $(env | sed -n 's/^\(CARGO_[A-Z_]*\|__CARGO_[A-Z_]*\|RUSTFLAGS\|RUSTC_WRAPPER\|RUSTC_WORKSPACE_WRAPPER\|RUSTC\)=.*/\1/p'); do
    case "$name" in CARGO_HOME | CARGO_REGISTRIES_* | CARGO_REGISTRY_* | CARGO_HTTP_* | CARGO_NET_* | CARGO_SOURCE_*) ;; *) unset "$name" ;; esac
done
toolchain_sysroot=$(rustc --print sysroot)
host=$(rustc -vV | sed -n 's/^host: //p')
version=$(rustc -vV | sed -n 's/^release: //p')
destination=${sysroot:-$toolchain_sysroot}
libraries=$destination/lib/rustlib

present() {
    compgen -G "$libraries/$TARGET/lib/libstd-*.rlib" >/dev/null \
        && [ -e "$libraries/$TARGET/lib/self-contained/crt1-command.o" ]
}

# A component comes out of a program: standard library, C library and linkers fit together.
works() {
    local probe=$1
    echo 'fn main() { println!("{}", std::env::args().count()); }' >"$probe/probe.rs"
    rustc --sysroot "$destination" --target "$TARGET" -o "$probe/probe.wasm" "$probe/probe.rs"
}

by_rustup() {
    [ -z "$sysroot" ] || { say "way rustup cannot install into another sysroot"; return 1; }
    need rustup "rustup is not installed" || return 1
    say "rustup target add $TARGET (at most ${RUSTUP_TIMEOUT} s) …"
    timeout "$RUSTUP_TIMEOUT" rustup target add "$TARGET" >&2 || { say "rustup could not get the target"; return 1; }
    present
}

# apt-get with its own lists and state, so that the system's stay as they are.
fetch_debian_packages() {
    local work=$1 mirror
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    need apt-get "apt-get is missing: this way needs Debian or a relative" || return 1
    need dpkg "dpkg is missing" || return 1
    [ -e "$keyring" ] || { say "$keyring is missing: apt-get install debian-archive-keyring"; return 1; }
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1 || true)
    # Before the first `apt-get update` there are no index targets, only sources.
    mirror=${mirror:-$(grep -rhE '^(deb|URIs:) ' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?' | grep -v security | head -n 1 || true)}
    [ -n "$mirror" ] || { say "apt-get knows no Debian mirror: add one to /etc/apt/sources.list"; return 1; }
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/packages"
    echo "deb [signed-by=$keyring] $mirror trixie-backports main" >"$work/apt/sources.list"
    echo "deb [signed-by=$keyring] $mirror trixie main" >>"$work/apt/sources.list"
    : >"$work/apt/status"
    local options=(
        -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$work/apt/lists" -o Dir::State::Status="$work/apt/status"
        -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::http::Timeout=30 -o Acquire::Retries=2 -q
    )
    say "Debian packages rust-src $version and wasi-libc from $mirror …"
    apt-get "${options[@]}" update >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; return 1; }
    (cd "$work/packages" && apt-get "${options[@]}" -t trixie-backports download "rust-src=$version*" wasi-libc) >"$work/apt.log" 2>&1 || {
        cat "$work/apt.log" >&2
        say "Debian has no rust-src $version (trixie-backports); use a toolchain of a version that it has"
        return 1
    }
    local package
    for package in "$work"/packages/*.deb; do dpkg -x "$package" "$work/unpacked" || return 1; done
}

# A sysroot aside: the toolchain's own libraries by link, and the library's sources.
make_build_sysroot() {
    local work=$1 sources=$1/unpacked/usr/src/rustc-$version/library
    [ -d "$sources" ] || { say "rust-src holds no usr/src/rustc-$version/library"; return 1; }
    mkdir -p "$work/sysroot/lib/rustlib/src/rust"
    ln -s "$toolchain_sysroot/lib/rustlib/$host" "$work/sysroot/lib/rustlib/$host"
    ln -s "$sources" "$work/sysroot/lib/rustlib/src/rust/library"
    printf '#!/bin/sh\nexec "%s" --sysroot "%s" "$@"\n' "$toolchain_sysroot/bin/rustc" "$work/sysroot" >"$work/rustc"
    chmod +x "$work/rustc"
}

build_standard_library() {
    local work=$1
    mkdir -p "$work/empty/src"
    : >"$work/empty/src/lib.rs"
    printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n' >"$work/empty/Cargo.toml"
    say "compiling the standard library for $TARGET (about 40 s) …"
    (cd "$work/empty" && RUSTC=$work/rustc RUSTC_BOOTSTRAP=1 "$toolchain_sysroot/bin/cargo" build --quiet --release \
        -Z build-std=std,panic_abort,proc_macro --target "$TARGET" --target-dir "$work/target") >&2
}

by_debian() {
    need cargo "cargo is missing: install Rust from https://rustup.rs" || return 1
    local work=$1
    fetch_debian_packages "$work" && make_build_sysroot "$work" && build_standard_library "$work" || return 1

    local staged=$libraries/.$TARGET.$$ libc=$work/unpacked/usr/lib/$TARGET file
    mkdir -p "$staged/lib/self-contained"
    unfinished=$staged
    for file in "$work/target/$TARGET/release/deps"/*.rlib; do
        case "$file" in */libempty-*) ;; *) cp "$file" "$staged/lib/" || return 1 ;; esac
    done
    cp "$libc/crt1-command.o" "$libc/crt1-reactor.o" "$libc/libc.a" "$staged/lib/self-contained/" || return 1
    if [ -n "$sysroot" ] && [ ! -e "$libraries/$host" ]; then
        ln -s "$toolchain_sysroot/lib/rustlib/$host" "$libraries/$host"
    fi
    rm -rf "${libraries:?}/$TARGET"
    mv "$staged" "$libraries/$TARGET"
    unfinished=
    present
}

if [ "$way" = auto ] && present; then
    [ -n "$quiet" ] || say "$TARGET is there ($libraries/$TARGET)"
    exit 0
fi

mkdir -p "$libraries" 2>/dev/null && [ -w "$libraries" ] || {
    say "cannot write to $libraries: install the target as the toolchain's owner"
    exit 1
}
# Two callers at once: the second waits, then finds the target there.
if command -v flock >/dev/null 2>&1; then
    lock=${TMPDIR:-/tmp}/loadhost-wasm-target-$(id -u).lock
    exec 9>"$lock"
    flock -w 900 9 || { say "another installation has been holding $lock for 15 minutes"; exit 1; }
    if [ "$way" = auto ] && present; then exit 0; fi
fi

unfinished=
work=$(mktemp -d)
cleanup() {
    rm -rf "$work"
    [ -z "$unfinished" ] || rm -rf "$unfinished"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
started=$SECONDS

attempt() {
    case "$1" in
        rustup) by_rustup ;;
        debian) by_debian "$work" ;;
    esac && works "$work"
}

ways=$way
if [ "$way" = auto ]; then ways='rustup debian'; fi
for each in $ways; do
    if attempt "$each"; then
        say "$TARGET is ready after $((SECONDS - started)) s (way: $each, $libraries/$TARGET)"
        exit 0
    fi
done

cat >&2 <<REMEDY
error: could not install the Rust target $TARGET
  hint: with access to static.rust-lang.org:   rustup target add $TARGET
  hint: on Debian or a relative, as root:      apt-get install apt dpkg debian-archive-keyring, then again
  hint: with a toolchain from elsewhere:       install its standard library for $TARGET
REMEDY
exit 1
