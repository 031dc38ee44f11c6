#!/usr/bin/env bash
# clang-tidy over src and tools:   tools/check_tidy.sh BUILD [JOBS [SECONDS]]
#
# Of the tuned kernels two instruction sets are read, which between them have every branch but NEON's and the portable one's.
# The files changed last come first; when SECONDS are over no further file is begun, and the last line says how many were
# looked at. BUILD is a folder configured with clang (its compile_commands.json is read).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:?usage: tools/check_tidy.sh BUILD [JOBS [SECONDS]]}
jobs=${2:-$(nproc)}
limit=${3:-3600}
marks=$(mktemp -d)
trap 'rm -rf "$marks"' EXIT

python3 - "$build/compile_commands.json" "$marks/compile_commands.json" <<'PYTHON'
import json, sys
commands = json.load(open(sys.argv[1]))
left_out = ("TUNED_ISA=portable ", "TUNED_ISA=avx512 ")
json.dump([c for c in commands if not any(isa in c["command"] for isa in left_out)], open(sys.argv[2], "w"))
PYTHON

# Newest commit first; files that git does not know come last.
newest_first() {
  { git log --format= --name-only -- src tools 2>/dev/null || true
    find src tools -name '*.c'; } | grep '\.c$' | awk '!seen[$0]++'
}

# shellcheck disable=SC2317 # called through xargs
check_one() {
  [ "$(date +%s)" -lt "$deadline" ] || exit 0
  [ -f "$1" ] && grep -qF "$1" "$marks/compile_commands.json" || exit 0
  touch "$marks/${1//\//%}"
  clang-tidy-14 --quiet -p "$marks" "$1" 2>/dev/null
}
export -f check_one
export marks
deadline=$(($(date +%s) + limit))
export deadline

status=0
newest_first | xargs -P "$jobs" -I{} bash -c 'check_one {}' || status=1
echo "# $(find "$marks" -type f -name '*.c' | wc -l) of $(find src tools -name '*.c' | wc -l) files"
exit $status
