#!/usr/bin/env bash
# Lays out a finished build as it is installed, for images and packages.
#
#   tools/stage.sh BUILD_FOLDER OUT
#
#   OUT/usr/local/...   programs, language files, seccomp policies
#   OUT/packages        the Debian packages of the libraries that the programs load, one a line
set -euo pipefail
(($# == 2)) || {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0" >&2
  exit 2
}
build=$1 out=$2
root=$(dirname "$0")/..
programs=$out/usr/local/bin
share=$out/usr/local/share/code-sandbox

# The programs; the tests have other names.
find "$build" -maxdepth 1 -type f -name "sandbox*" -perm -u+x -exec install -D -m 755 -t "$programs" {} +
install -D -m 644 -t "$share/languages" "$root"/config/languages/*.toml
install -D -m 644 -t "$share/seccomp" "$root"/config/seccomp/*.toml
# A library is found below /lib, and its package may say /usr/lib.
ldd "$programs/sandboxd" | awk '$2 == "=>" { sub("^/(usr/)?", "*/", $3); print $3 }' |
  xargs dpkg -S | sed 's/:.*//' | sort -u >"$out/packages"
