#!/usr/bin/env bash
# usage: tests/fuzz/run.sh [SECONDS [BUILD]]
# Runs each fuzzer for SECONDS (60), one after the other, from the corpus of configurations. Prints executions and crashes; the
# exit code is 0 when there were no crashes, leaks, or inputs that took longer than 10 seconds. What crashed stays in
# BUILD/fuzz/<fuzzer>/.
set -euo pipefail
seconds=${1:-60}
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${2:-$source/build/fuzz}
status=0 total=0 found=0
for fuzzer in fuzz_expression fuzz_yaml fuzz_grid; do
  work=$build/fuzz/$fuzzer
  mkdir -p "$work/corpus" "$work/seeds"
  if [ "$fuzzer" = fuzz_expression ]; then
    printf '%s' "optimizer.lr < 0.1 && (seed == 3 || !(variant != 'plain'))" >"$work/seeds/1"
    printf '%s' 'model.parameters.dropout >= 5e-1 && optimizer.name == adam' >"$work/seeds/2"
  else
    for file in "$source"/tests/config/good/*.yaml "$source"/tests/config/bad/*.yaml; do
      # A configuration alone, as includes of the corpus would not be found from memory.
      { grep -ahv '^include: ' "$file" || true
        if grep -aq '^include: ' "$file"; then
          cat "$source/tests/config/parts/base.yaml" "$source/tests/config/parts/small.yaml"
        fi
      } >"$work/seeds/$(basename "$(dirname "$file")")_$(basename "$file")"
    done
    { printf 'seed=1,2\noptimizer.lr={logspace: [-2, -1, 2]}\n---\n'
      cat "$source/tests/config/parts/base.yaml" "$source/tests/config/parts/small.yaml"; } >"$work/seeds/overrides"
    cp "$source"/tests/config/bad/*.yaml "$work/seeds/"
  fi
  (cd "$work" && "$build/tests/$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -max_len=4096 \
    -print_final_stats=1 corpus seeds >log 2>&1) || status=1
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  crashes=$(find "$work" -maxdepth 1 \( -name 'crash-*' -o -name 'timeout-*' -o -name 'leak-*' -o -name 'oom-*' \) | wc -l)
  printf '%s: %s executions, %s crashes, hangs or leaks in %s s\n' "$fuzzer" "${executions:-0}" "$crashes" "$seconds"
  [ "$crashes" = 0 ] || status=1
  total=$((total + ${executions:-0})) found=$((found + crashes))
done
echo "# $total executions, $found crashes, hangs or leaks"
exit "$status"
