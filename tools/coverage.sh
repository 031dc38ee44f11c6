#!/usr/bin/env bash
# Lines and branches that the tests execute, by file:   tools/coverage.sh [ctest ARGUMENT…]     (default: -L unit)
#
# The pages are in build/coverage/report/index.html.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/setup.sh build run test coverage
cmake --preset coverage >/dev/null
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete
[ $# -gt 0 ] || set -- -L unit
ctest --test-dir build/coverage -j "$(nproc)" --output-on-failure "$@" || true
mkdir -p build/coverage/report
gcovr --root . --filter src/ --filter tools/ --object-directory build/coverage \
  --exclude-unreachable-branches --exclude-throw-branches --gcov-ignore-parse-errors \
  --txt - --html-details build/coverage/report/index.html --print-summary
