#!/usr/bin/env bash
# Makes loadhost's image without a registry: from a program that cargo has built, the libraries it is linked with, and this
# machine's certificates of authorities. Labels, user, ports and health check are those of the Containerfile beside it.
#   deploy/image/build.sh [TAG]
# TAG is localhost/loadhost:VERSION unless given. LOADHOST_BIN is the program (target/release/loadhost), OUTPUT an archive to write
# besides, such as oci-archive:loadhost.tar or docker-archive:loadhost.tar. Needs buildah; as root, or where users may have namespaces.
set -euo pipefail
cd "$(dirname "$0")/../.."
fail() { echo "error: $1" >&2; echo "hint: $2" >&2; exit 1; }

program=${LOADHOST_BIN:-${CARGO_TARGET_DIR:-target}/release/loadhost}
[ -x "$program" ] || fail "$program is no program" "build it (cargo build --release --locked), or name it with LOADHOST_BIN"
for tool in buildah ldd strip; do
    command -v "$tool" >/dev/null || fail "$tool is missing" "apt-get install buildah binutils libc-bin"
done
version=$("$program" --version | awk '{print $2}')
tag=${1:-localhost/loadhost:$version}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
deploy/image/root.sh "$program" "$root"

# Of the Containerfile, the last stage without what it is made from.
sed -e '1,/^FROM scratch/d' -e '/^COPY /d' deploy/image/Containerfile >"$work/tail"
{ echo "FROM scratch"; echo "COPY root /"; cat "$work/tail"; } >"$work/Containerfile"
# Docker's format, as OCI's has no health check.
buildah build --quiet --format docker --isolation chroot --timestamp "${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$revision" \
    --tag "$tag" --file "$work/Containerfile" "$work" >"$work/id"
[ -z "${OUTPUT:-}" ] || buildah push --quiet "$tag" "$OUTPUT"
size=$(stat -c %s "$root/usr/local/bin/loadhost")
echo "made $tag: the program has $((size / 1048576)) MiB, of $(($(stat -c %s "$program") / 1048576)) MiB with symbols"
