#!/usr/bin/env bash
# Makes the runner image of the docker backend on a machine that reaches no container registry: a
# Debian root, built by debootstrap from the mirror that this machine's apt uses, is imported into the
# container engine. It holds what runner.Dockerfile describes. Needs root, debootstrap (Debian's
# package of that name) and the engine's command line client.
#
#   deploy/docker/import-runner.sh [OPTION...] [IMAGE]
#
#   IMAGE            name of the image (default: code-sandbox-runner)
#   --archive FILE   keep the root in this tar archive; an archive that exists is imported as it is
#   --no-import      stop when the archive is there; needs no container engine
#   --mirror URL     Debian mirror, where the machine's own apt has none for bookworm
#
# SANDBOX_DOCKER_BIN names the client (default: docker; podman works too).
set -euo pipefail

suite=bookworm
packages=ca-certificates,golang-go,python3

die() {
  printf 'import-runner: %s\n' "$*" >&2
  exit 1
}

arguments=("$@")
image=code-sandbox-runner archive='' mirror='' import=yes
while (($#)); do
  case $1 in
    --archive | --mirror)
      (($# > 1)) || die "$1 needs a value"
      if [[ $1 == --archive ]]; then archive=$(realpath -m -- "$2"); else mirror=$2; fi
      shift
      ;;
    --no-import) import=no ;;
    -h | --help)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
      exit
      ;;
    -*) die "unknown option $1; --help lists them" ;;
    *) image=$1 ;;
  esac
  shift
done
[[ $import == yes || -n $archive ]] || die "--no-import without --archive would leave nothing"

# The first mirror that apt has for the suite, whatever form its sources are in.
find_mirror() {
  local site file
  # The fields are apt's to expand.
  # shellcheck disable=SC2016
  site=$(apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(SITE)' |
    awk -v suite="$suite" '$1 == "Packages" && $2 == suite && $3 == "main" { print $4; exit }')
  case $site in
    mirror+file:*)
      file=${site#mirror+file:}
      site=$(awk 'NF && $1 !~ /^#/ { print $1; exit }' "$file")
      ;;
  esac
  [[ -n $site ]] || die "apt has no source for $suite main here; name a Debian mirror with --mirror"
  printf '%s\n' "$site"
}

# Removes what programs in a container do not need, and what would make them more than they are.
slim() {
  local root=$1
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log \
    "$root"/usr/share/{doc,man,locale,info} "$root"/usr/share/go-*/{test,api}
  find "$root" -xdev -type f -perm /6000 -exec chmod a-s {} +
}

make_archive() {
  local folder=$1 root=$1/root
  [[ $(id -u) == 0 ]] || die "debootstrap needs root"
  command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
  [[ -n $mirror ]] || mirror=$(find_mirror)
  local http_proxy_of_apt=''
  eval "$(apt-config shell http_proxy_of_apt Acquire::http::Proxy)"
  [[ -z $http_proxy_of_apt ]] || export http_proxy=$http_proxy_of_apt

  printf 'import-runner: debootstrap %s from %s, a minute or a few\n' "$suite" "$mirror" >&2
  if ! debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" \
    </dev/null >"$folder/log" 2>&1; then
    tail -n 20 "$folder/log" "$root/debootstrap/debootstrap.log" >&2 || true
    die "debootstrap failed, see above"
  fi
  # The same numbers as in runner.Dockerfile.
  chroot "$root" groupadd --gid 10001 sandbox
  chroot "$root" useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin sandbox
  slim "$root"
  tar -C "$root" --one-file-system --sort=name --exclude='./dev/*' --exclude='./proc/*' \
    --exclude='./sys/*' -cf "$folder/root.tar" .
  mv "$folder/root.tar" "$archive"
}

clean_up() {
  umount -R "$work/root/proc" "$work/root/sys" 2>/dev/null || true
  rm -rf --one-file-system "$work"
}

# Mounts that debootstrap makes stay in a mount namespace of this script, and go with it.
if [[ ! -f $archive && ${RUNNER_MOUNTS:-} != private && $(id -u) == 0 ]]; then
  RUNNER_MOUNTS=private exec unshare --mount --propagation private "$BASH" "$0" "${arguments[@]}"
fi

work=''
if [[ ! -f $archive ]]; then
  if [[ -n $archive ]]; then
    mkdir -p "$(dirname "$archive")"
    work=$(mktemp -d "$archive.XXXXXX")
  else
    work=$(mktemp -d "${TMPDIR:-/tmp}/runner.XXXXXX")
    archive=$work/archive.tar
  fi
  trap clean_up EXIT
  make_archive "$work"
fi
[[ $import == yes ]] || exit 0
"${SANDBOX_DOCKER_BIN:-docker}" import --change 'CMD ["sleep", "infinity"]' \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
  --change 'ENV LANG=C.UTF-8' "$archive" "$image"
