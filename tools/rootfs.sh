#!/usr/bin/env bash
# Builds a root for SANDBOX_ROOTFS: rootfs.sh DIR CACHE PACKAGE...
#
# Debian's smallest system and the packages named, less what only a package manager, a login or a
# reader needs. Nothing in it gains rights when executed, everything belongs to root. What decides
# its content is kept in DIR/rootfs.key: nothing is done when that has not changed. DIR/rootfs.sha256
# has the hash of all names, modes and contents (tools/rootfs_hash.py verifies it).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/debian.sh
. "$here/debian.sh"

folder=$(realpath -m -- "$1")
cache=$(realpath -m -- "$2")
shift 2
packages=$(printf '%s\n' "$@" | sort -u | paste -sd,)

# Files of these packages go: a root that jobs see has no use for them. perl-base stays when perl
# was asked for.
unneeded=(apt dpkg debconf adduser passwd login mount util-linux util-linux-extra e2fsprogs logsave
  bsdutils init-system-helpers sysvinit-utils gpgv debian-archive-keyring base-passwd usr-is-merged
  libpam-runtime libpam-modules libpam-modules-bin libpam0g libapt-pkg6.0 libsystemd0 libudev1
  libext2fs2 libss2 libblkid1 libmount1 libsmartcols1 libsemanage2 libsemanage-common libaudit-common)

if [[ $(id -u) != 0 ]]; then
  echo "rootfs.sh: only root can make a root: run it with sudo" >&2
  exit 1
fi
key=$( (echo "$packages" && cat "$here/rootfs.sh" "$here/debian.sh" "$here/rootfs_hash.py" &&
  debian_mirror) | sha256sum | cut -d ' ' -f 1)
if [[ -f $folder/rootfs.key && $(<"$folder/rootfs.key") == "$key" ]]; then
  echo "rootfs.sh: $folder is up to date"
  exit 0
fi
if [[ -e $folder && ! -f $folder/rootfs.key ]]; then
  echo "rootfs.sh: $folder exists and was not made by this program; name another folder" >&2
  exit 1
fi

new=$folder.new
rm -rf -- "$new"
mkdir -p "$(dirname "$new")"
umask 022
debian_tree "$new" "$cache" "$packages"

info=$new/var/lib/dpkg/info
[[ -f $info/perl.list ]] || unneeded+=(perl-base)
for package in "${unneeded[@]}"; do
  for list in "$info/$package.list" "$info/$package":*.list; do
    [[ -f $list ]] || continue
    while IFS= read -r path; do
      [[ -d $new$path ]] || rm -f -- "$new$path" # /bin and the like are links to folders
    done <"$list"
  done
done
# Only what sandboxes show is kept (src/sandbox/launcher/root.cc).
find "$new" -mindepth 1 -maxdepth 1 ! -name usr ! -name etc ! -name 'lib*' ! -name bin ! -name sbin \
  -exec rm -rf -- {} +
find "$new/etc" -mindepth 1 -maxdepth 1 ! -name ld.so.cache ! -name alternatives -exec rm -rf -- {} +
rm -rf -- "$new"/usr/share/{doc,man,info,locale,lintian,bug,bash-completion,debconf,polkit-1} \
  "$new"/usr/share/go-*/{test,api} "$new"/usr/{games,local/games,lib/systemd,lib/apt,lib/dpkg}
find "$new" -xdev -type f -perm /6000 -delete
find "$new" -xdev ! -type l -perm /022 -exec chmod go-w -- {} +

"$here/rootfs_hash.py" "$new" >"$new.sha256"
mv -- "$new.sha256" "$new/rootfs.sha256"
echo "$key" >"$new/rootfs.key"
rm -rf -- "$folder"
mv -- "$new" "$folder"
echo "rootfs.sh: $folder is ready ($(du -sh "$folder" | cut -f 1), hash $(cut -c 1-16 "$folder/rootfs.sha256"))"
