#!/usr/bin/env bash
# Lays out what loadhost's image holds: the program without symbols, the libraries it is linked with, certificates of authorities, and a user
# `nonroot`; neither a shell nor a package manager.
#   deploy/image/root.sh PROGRAM FOLDER
set -euo pipefail
program=$1 root=$2
certificates=${CERTIFICATES:-/etc/ssl/certs/ca-certificates.crt}
if [ ! -s "$certificates" ]; then
    echo "error: $certificates is not there" >&2
    echo "hint: apt-get install ca-certificates, or name a file with CERTIFICATES" >&2
    exit 1
fi

install -d "$root"/usr/local/bin "$root"/etc/ssl/certs "$root"/home "$root"/proc "$root"/sys "$root"/dev
install -d -m 1777 "$root/tmp"
# Owned by root, as nothing of the image is to be written to.
install -d -m 0755 "$root/home/nonroot"
strip --strip-all -o "$root/usr/local/bin/loadhost" "$program"
chmod 0755 "$root/usr/local/bin/loadhost"
# Each library where the program looks for it, the loader itself among them.
ldd "$program" | grep -oE '/[^ )]+' | sort -u | while read -r library; do
    install -D -m 0755 "$(readlink -f "$library")" "$root$library"
done
install -m 0644 "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
# Names come from /etc/hosts and DNS: without it glibc would look for modules that are not here.
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
