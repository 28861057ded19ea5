# shellcheck shell=bash
# Shell functions to make Debian trees out of what this machine's apt knows. Sourced, not run.

debian_codename() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# debian_mirror: the archive of the release that this machine runs, as apt's configuration has it.
debian_mirror() {
  local codename
  codename=$(debian_codename)
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN) $(COMPONENT)' \
    'Created-By: Packages' 2>/dev/null |
    awk -v codename="$codename" '$2 == codename && $3 == "Debian" && $4 == "main" { print $1; exit }'
}

# debian_tree DIR CACHE PACKAGES: debootstrap with the smallest set of packages and those named
# (commas between). CACHE keeps the downloaded packages. Its mounts live in a namespace of their own.
debian_tree() {
  local folder=$1 cache=$2 packages=$3 mirror codename proxy
  mirror=$(debian_mirror)
  codename=$(debian_codename)
  if [[ -z $mirror ]]; then
    echo "apt knows no archive of $codename: run apt-get update, and look at /etc/apt/sources.list*" >&2
    return 1
  fi
  proxy=$(apt-config shell proxy Acquire::http::Proxy)
  eval "local ${proxy:-proxy=}"
  mkdir -p "$cache"
  local -a environment=(env LC_ALL=C)
  [[ -n ${proxy:-} ]] && environment+=("http_proxy=$proxy")
  "${environment[@]}" unshare --mount --pid --fork --kill-child debootstrap --variant=minbase \
    --cache-dir="$cache" --include="$packages" "$codename" "$folder" "$mirror"
}
