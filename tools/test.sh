#!/usr/bin/env bash
# Every test of the project, from a bare Debian 12:   tools/test.sh [--long] [--jobs N]
#
#   --long     also the long campaigns (hours): full kill, power-cut and fuzz counts, every file through clang-tidy
#   --jobs N   at once; by default the cores at hand
#
# A failing stage does not stop the others. The last line counts: N passed, N failed[, N skipped].
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

long=OFF
jobs=$(nproc)
while [ $# -gt 0 ]; do
  case $1 in
  --long) long=ON ;;
  --jobs) jobs=${2:?--jobs needs a number} && shift ;;
  -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
  *) echo "tools/test.sh: unknown option '$1'; --help lists them" >&2 && exit 2 ;;
  esac
  shift
done

passed=0 failed=0 skipped=0
failures=()

# stage NAME COMMAND…: one check; its output is shown when it fails.
stage() {
  local name=$1 log start=$SECONDS
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %-44s %4d s  %s\n' "$name" $((SECONDS - start)) "$(grep '^# ' "$log" | tail -n 1)"
  else
    failed=$((failed + 1))
    failures+=("$name")
    printf 'FAIL  %-44s %4d s\n' "$name" $((SECONDS - start))
    tail -n 60 "$log"
  fi
  rm -f "$log"
}

# build PRESET [TARGET…]: all of it, or what is named.
build() {
  local preset=$1
  shift
  cmake --preset "$preset" -DRUNNER_LONG=$long && cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}

# run_tests NAME PRESET ARGUMENT…: a set of ctest's tests; each one counts.
run_tests() {
  local name=$1 preset=$2 results start=$SECONDS
  shift 2
  results=$(mktemp)
  ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error --output-junit "$results" "$@" >"$results.log" 2>&1
  read -r ran bad left <<<"$(python3 - "$results" <<'END'
import sys, xml.etree.ElementTree as tree
try:
    suite = tree.parse(sys.argv[1]).getroot()
    total, bad, left = (int(suite.get(key, 0)) for key in ("tests", "failures", "skipped"))
    print(total - bad - left, bad, left)
except (tree.ParseError, OSError):
    print(0, 1, 0)
END
)"
  passed=$((passed + ran)) failed=$((failed + bad)) skipped=$((skipped + left))
  if [ "$bad" -eq 0 ]; then
    printf 'ok    %-44s %4d s  # %d tests' "$name" $((SECONDS - start)) "$ran"
    [ "$left" -eq 0 ] || printf ', %d skipped' "$left"
    echo
  else
    failures+=("$name")
    printf 'FAIL  %-44s %4d s  # %d of %d tests\n' "$name" $((SECONDS - start)) "$bad" $((ran + bad + left))
    tail -n 120 "$results.log"
  fi
  grep -E '\*\*\*Skipped' "$results.log" | sed 's/^ *[0-9/]* Test *#[0-9]*: /      skipped: /'
  rm -f "$results" "$results.log"
}

# The fuzzers of configurations, so many seconds each, or `same`: the inputs of one seed.
fuzz() {
  cmake --preset fuzz && cmake --build --preset fuzz -j "$jobs" --target fuzz_yaml fuzz_grid fuzz_expression && tests/fuzz/run.sh "$1"
}

export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

if ! tools/setup.sh build run test; then
  echo "0 passed, 1 failed"
  exit 1
fi
stage "build by GCC, warnings are errors" build release
stage "build by clang, warnings are errors" build clang
stage "include directions" tools/check_includes.py
stage "no machine's paths in the tree" tools/check_paths.sh
stage "format of C" tools/check_format.sh
stage "shell scripts" tools/check_shell.sh
stage "clang-tidy" tools/check_tidy.sh build/clang "$jobs" "$([ $long = ON ] && echo 7200 || echo 150)"
run_tests "all tests, GCC's build" release
stage "build with AddressSanitizer and UBSan" build asan
run_tests "unit tests under AddressSanitizer and UBSan" asan -L unit
stage "fuzzers of configurations" fuzz "$([ $long = ON ] && echo 1200 || echo same)"
stage "build with ThreadSanitizer" build tsan runner seeded_race test_team test_scheduler
run_tests "tests of threads under ThreadSanitizer" tsan -L unit -R 'team|scheduler'
run_tests "grids and seeded races under ThreadSanitizer" tsan -R races

if [ $failed -gt 0 ]; then
  printf 'failed: %s\n' "${failures[@]}"
fi
printf '%d s in all\n' $SECONDS
printf '%d passed, %d failed' $passed $failed
[ $skipped -eq 0 ] || printf ', %d skipped' $skipped
echo
[ $failed -eq 0 ]
