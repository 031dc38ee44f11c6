#!/usr/bin/env bash
# Installs what is missing of the named sections of tools/packages:   tools/setup.sh build run test
#
# Says nothing and asks nobody when everything is there: no apt-get update, no root needed. Where it may not install (no
# root and no sudo, or no apt-get), it looks for the libraries themselves, those of a prefix too (CMAKE_PREFIX_PATH,
# PKG_CONFIG_PATH, CONDA_PREFIX), and prints the commands of apt, dnf and conda for what is still missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Packages of one section, one a line.
section() {
  sed -n "/^\[$1\]/,/^\[/p" "$root/tools/packages" | grep -Ev '^(\[|#|$)'
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for name in "$@"; do
  if ! grep -qx "\[$name\]" "$root/tools/packages"; then
    echo "error: tools/packages has no section '$name'" >&2
    exit 2
  fi
  for package in $(section "$name"); do
    if ! command -v dpkg-query >/dev/null || ! is_installed "$package"; then
      missing+=("$package")
    fi
  done
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

# The row of tools/package_names: Debian's name, dnf's, conda-forge's, probe.
names_of() {
  grep -E "^$1 " "$root/tools/package_names" || true
}

IFS=: read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}:${CONDA_PREFIX:-}"
includes=(-I/usr/include/hdf5/serial)
for prefix in "${prefixes[@]}"; do
  if [ -n "$prefix" ]; then
    includes+=("-I$prefix/include" "-I$prefix/include/hdf5/serial")
    PKG_CONFIG_PATH="${PKG_CONFIG_PATH:-}:$prefix/lib/pkgconfig:$prefix/lib64/pkgconfig:$prefix/share/pkgconfig"
    for folder in "$prefix"/lib/*/pkgconfig; do
      PKG_CONFIG_PATH+=":$folder"
    done
  fi
done
export PKG_CONFIG_PATH

# Whether what the package is for can be used, wherever it comes from.
is_usable() {
  case $1 in
    optional) return 0 ;;
    module:*) pkg-config --exists "${1#module:}" 2>/dev/null ;;
    header:*) echo "#include <${1#header:}>" | "${CC:-cc}" "${includes[@]}" -E - >/dev/null 2>&1 ;;
    command:*)
      for name in $(tr , ' ' <<<"${1#command:}"); do
        if command -v "$name" >/dev/null; then
          return 0
        fi
      done
      return 1
      ;;
    *) return 1 ;;
  esac
}

# Leaves in `missing` what is not to be found at all; ends here where nothing is.
name_what_is_missing() {
  local absent=() dnf=() conda=() row
  for package in "${missing[@]}"; do
    read -r -a row <<<"$(names_of "$package")"
    if [ ${#row[@]} -eq 4 ] && is_usable "${row[3]}"; then
      continue
    fi
    absent+=("$package")
    if [ "${row[1]:--}" != - ]; then
      dnf+=("${row[1]}")
    fi
    if [ "${row[2]:--}" != - ]; then
      conda+=("${row[2]}")
    fi
  done
  if [ ${#absent[@]} -eq 0 ]; then
    exit 0
  fi
  {
    echo "error: $1. What is missing, by the way in which you may get it:"
    echo "  Debian, Ubuntu, as root:  apt-get update && apt-get install --no-install-recommends ${absent[*]}"
    if [ ${#dnf[@]} -gt 0 ]; then
      echo "  Fedora, RHEL, as root:    dnf install ${dnf[*]}"
    fi
    if [ ${#conda[@]} -gt 0 ]; then
      echo "  conda, without root:      conda create -n runner -c conda-forge ${conda[*]} && conda activate runner"
      echo "                            then: cmake --preset release -DCMAKE_PREFIX_PATH=\$CONDA_PREFIX"
    fi
    echo "  docs/install.md has more ways, a private prefix among them."
  } >&2
  exit 2
}

if ! command -v apt-get >/dev/null; then
  name_what_is_missing "this script installs with apt-get, which is not here"
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    name_what_is_missing "packages are missing, and neither root nor sudo is at hand"
  fi
  as_root=(sudo)
fi
as_root+=(env DEBIAN_FRONTEND=noninteractive)

echo "Installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d # Debian's way to keep packages from starting services: Slurm is wanted for tests, not on this machine
made_policy=false
clean_up() {
  rm -f "$log"
  if "$made_policy"; then
    "${as_root[@]}" rm -f "$policy"
  fi
}
trap clean_up EXIT
if [ ! -e "$policy" ]; then
  made_policy=true
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" sh -c "cat >$policy && chmod 755 $policy"
fi
options=(-o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
if ! "${as_root[@]}" apt-get "${options[@]}" update >"$log" 2>&1; then
  echo "warning: apt-get update had failures; trying with the lists at hand" >&2
fi
if ! "${as_root[@]}" apt-get "${options[@]}" install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1 </dev/null; then
  tail -n 20 "$log" >&2
  echo "error: apt-get could not install the packages above" >&2
  exit 1
fi
