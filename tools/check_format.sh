#!/usr/bin/env bash
# Holds every C file to .clang-format; --fix formats them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=(--dry-run --Werror)
[ "${1:-}" = --fix ] && mode=(-i)
find src tools tests -name '*.[ch]' -print0 | xargs -0 clang-format-14 "${mode[@]}"
