#!/usr/bin/env bash
# The tree must work anywhere: no absolute path of somebody's machine may stand in it.   tools/check_paths.sh [FOLDER]
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
pattern='(^|[^[:alnum:]_.}>-])/(work|home|root|Users|mnt|workspace)/[[:alnum:]_.-]'
exclude=(--exclude-dir=build --exclude-dir=.git --exclude=.git --exclude-dir=results --exclude-dir=__pycache__ --exclude=check_paths.sh)
if grep -rnIE "${exclude[@]}" "$pattern" .; then
  echo "error: the lines above name paths of one machine" >&2
  exit 1
fi
