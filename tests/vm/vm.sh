#!/usr/bin/env bash
# Runs modes of the suite in a virtual machine that has control groups of version 2 alone:
# vm.sh BUILD MODE...
#
# Debian's kernel for virtual machines and a small Debian tree, from the archive that this machine's
# apt knows, under qemu's software emulation; nothing of the machine is changed, no device needed.
# The kernel, the tree and the packages stay in BUILD/vm for the next run. tests/vm/init is the
# machine's first program; it runs the modes one by one and says "vm: MODE: STATUS" on the console,
# which is kept in BUILD/log/vm.console.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(realpath "$here/../..")
# shellcheck source=tools/debian.sh
. "$repository/tools/debian.sh"

umask 022
build=$(realpath -- "$1")
shift
modes=("$@")
vm=$build/vm
tree=$vm/tree
image=$vm/disk.img
console=$build/log/vm.console
seconds=${VM_SECONDS:-1500}  # after which the machine is given up
# Two processors, so that what runs at the same time does so; each is a thread of the emulator.
cpus=${VM_CPUS:-2}

# What sandboxd is linked with, what the tests import, and what a running system needs.
packages=python3,python3-pytest,python3-requests,python3-jsonschema,python3-yaml,procps
packages+=,libsqlite3-0,libspdlog1.10,libtomlplusplus3,libseccomp2,libssl3,systemd,systemd-sysv,dbus

if [[ $(id -u) != 0 ]]; then
  echo "vm.sh: only root can make the disk: run it with sudo" >&2
  exit 1
fi

# Everything that is kept between runs, made again when what decides it has changed.
prepare() {
  local key kernel
  mkdir -p "$vm" "$build/log"
  key=$( (declare -f prepare debian_tree && echo "$packages" && debian_mirror) | sha256sum)
  [[ -f $vm/key && $(<"$vm/key") == "$key" ]] && return
  rm -rf -- "$tree" "$vm/kernel" "$vm/key"
  mkdir -p "$vm/kernel"
  kernel=$(apt-cache depends linux-image-cloud-amd64 |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2 }')
  (cd "$vm/kernel" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" &&
    dpkg-deb --fsys-tarfile "$kernel"_*.deb | tar -x --wildcards './boot/vmlinuz-*')
  umask 022
  debian_tree "$tree" "$build/debs" "$packages"
  rm -rf -- "$tree"/usr/share/{doc,man,info,locale} "$tree"/var/cache/apt/*
  echo "$key" >"$vm/key"
}

# The disk: the tree with the programs under test and their tests as /code.
make_disk() {
  local code=$tree/code
  rm -rf -- "$code" "$image"
  mkdir -p "$code/build"
  cp -- "$build/sandboxd" "$build/sandbox-launcher" "$build/unit_tests" "$code/build/"
  strip -- "$code"/build/*
  local library
  for library in $(ldd "$build/sandboxd" "$build/unit_tests" | awk '$2 == "=>" { print $3 }'); do
    [[ -e $tree/usr$library || -e $tree$library ]] ||
      cp -L -- "$library" "$tree/usr/lib/x86_64-linux-gnu/"
  done
  (cd "$repository" && tar -c --exclude=__pycache__ VERSION README.md docs api config tests deploy \
    pytest.ini) | tar -x -C "$code"
  chown -R 0:0 "$code"
  # The unit tests know the paths of their own build.
  mkdir -p "$tree$(dirname "$repository")"
  ln -sfn /code "$tree$repository"
  if [[ $build != "$repository"/build ]]; then
    mkdir -p "$tree$(dirname "$build")"
    ln -sfn /code/build "$tree$build"
  fi
  mke2fs -q -t ext4 -d "$tree" -E root_owner=0:0 -O ^has_journal "$image" 2G
}

prepare
((${#modes[@]})) || exit 0 # made ready, for another time
make_disk
started=$SECONDS
timeout "$seconds" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi,tb-size=512 \
  -cpu max,la57=off -smp "$cpus" -m 2048 -nodefaults -no-reboot -display none -serial stdio \
  -drive "file=$image,if=none,id=disk,format=raw,snapshot=on" -device nvme,drive=disk,serial=disk \
  -kernel "$(echo "$vm"/kernel/boot/vmlinuz-*)" \
  -append "root=/dev/nvme0n1 rw console=ttyS0 quiet panic=-1 mitigations=off \
init=/code/tests/vm/init -- ${modes[*]}" </dev/null 2>&1 | stdbuf -oL tr -d '\r' | tee "$console" || true
echo "vm: the machine ran for $((SECONDS - started)) s"
status=0
for mode in "${modes[@]}"; do
  grep -qx "vm: $mode: 0" "$console" || status=1
done
exit "$status"
