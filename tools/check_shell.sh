#!/usr/bin/env bash
# Lints every shell script of the tree, the command-line tests included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
find .ci tools tests experiments -type f \( -name '*.sh' -o -name '*.bash' -o -path '.ci/run' \) -print0 |
  xargs -0 shellcheck --severity=style --exclude=SC1091
find tests -name '*.bats' -print0 | xargs -0 -r shellcheck --shell=bats --severity=warning --exclude=SC1091,SC2030,SC2031
