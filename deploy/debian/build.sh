#!/usr/bin/env bash
# Makes a Debian package of what `cargo build --release --locked -p loadhost` made: program, manual pages, completions,
# units, settings. It needs dpkg-deb and binutils, and no network.
#   deploy/debian/build.sh [FOLDER]      prints the name of loadhost_VERSION_ARCHITECTURE.deb, which it makes there
# LOADHOST_BIN names the program (default: that of cargo's release profile), COMPRESSION how it is packed (xz),
# MAINTAINER who you are, for your own repository of packages.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
folder=${1:-.}
target=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/loadhost/target}
program=${LOADHOST_BIN:-$target/release/loadhost}

fail() { echo "error: $1" >&2; echo "hint: $2" >&2; exit 1; }
[ -x "$program" ] || fail "$program is not there" "cargo build --release --locked -p loadhost, or give LOADHOST_BIN"
for tool in dpkg-deb strip objdump gzip; do
    command -v "$tool" >/dev/null || fail "$tool is missing" "apt-get install dpkg binutils gzip"
done

version=$("$program" --version | awk '{ print $2 }')-1
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"

put() { install -D -m "$1" "$2" "$root$3"; }

install -d -m 0755 "$root/usr/bin"
strip --strip-unneeded -o "$root/usr/bin/loadhost" "$program"
chmod 0755 "$root/usr/bin/loadhost"
# What the program was linked against says which libc it needs.
libc=$(objdump -T "$root/usr/bin/loadhost" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
[ -n "$libc" ] || fail "$program is linked against no libc" "build it for this Debian, with its gcc"

"$program" man "$root/usr/share/man/man1" >/dev/null
gzip -9n "$root"/usr/share/man/man1/*.1
completions() { # shell, file
    install -d -m 0755 "$(dirname "$root$2")"
    "$program" completions "$1" >"$root$2"
}
completions bash /usr/share/bash-completion/completions/loadhost
completions zsh /usr/share/zsh/vendor-completions/_loadhost
completions fish /usr/share/fish/vendor_completions.d/loadhost.fish

for unit in loadhost-master loadhost-worker loadhost-nats; do
    put 0644 "$here/../systemd/$unit.service" "/usr/lib/systemd/system/$unit.service"
done
put 0644 "$here/sysusers.conf" /usr/lib/sysusers.d/loadhost.conf
put 0640 "$here/master.env" /etc/loadhost/master.env
put 0640 "$here/worker.env" /etc/loadhost/worker.env
chmod 0750 "$root/etc/loadhost"

doc=/usr/share/doc/loadhost
put 0644 "$here/copyright" "$doc/copyright"
put 0644 "$checkout/LICENSE-MIT" "$doc/LICENSE-MIT"
put 0644 "$checkout/CHANGELOG.md" "$doc/changelog"
gzip -9n "$root$doc/changelog"
for page in "$checkout"/docs/*.md; do
    put 0644 "$page" "$doc/$(basename "$page")"
done
for example in nginx haproxy prometheus alertmanager grafana logging; do
    if [ -d "$here/../$example" ]; then
        install -d -m 0755 "$root$doc/examples"
        cp -r "$here/../$example" "$root$doc/examples/"
    fi
done
find "$root/usr/share" -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +

install -d -m 0755 "$root/DEBIAN"
for script in postinst prerm postrm; do
    install -m 0755 "$here/$script" "$root/DEBIAN/$script"
done
printf '%s\n' /etc/loadhost/master.env /etc/loadhost/worker.env >"$root/DEBIAN/conffiles"
(cd "$root" && find etc usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<END
Package: loadhost
Version: $version
Architecture: $architecture
Maintainer: ${MAINTAINER:-loadhost <maintainers@loadhost.invalid>}
Installed-Size: $(du -ks --exclude=DEBIAN "$root" | cut -f1)
Depends: libc6 (>= ${libc#GLIBC_}), libgcc-s1, systemd | systemd-standalone-sysusers
Recommends: ca-certificates
Suggests: nats-server (>= 2.9), nginx | haproxy, prometheus
Section: net
Priority: optional
Homepage: https://github.com/loadhost/loadhost
Description: distributed load generator whose scenarios are WebAssembly components
 One program that makes load on HTTP services: from one process, or from a fleet
 of workers behind a NATS server, led by masters with a page and an API.
 .
 Each virtual user runs in a sandbox of its own. Percentiles come from merged
 histograms, and latency counts from the intended start.
END

package=$folder/loadhost_${version}_$architecture.deb
mkdir -p "$folder"
dpkg-deb --root-owner-group -Z"${COMPRESSION:-xz}" --build "$root" "$package" >/dev/null
echo "$package"
