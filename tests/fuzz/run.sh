#!/usr/bin/env bash
# usage: tests/fuzz/run.sh [SECONDS|same [BUILD]]
# Runs each fuzzer from the corpus of configurations, one after the other: for SECONDS (60) from a seed drawn anew, to explore, or
# (`same`) some seconds' number of inputs from one seed, so that one tree gets one answer on every machine. Prints executions
# and crashes; the exit code is 0 when there were no crashes, leaks, or inputs that took longer than 10 seconds. What crashed is
# printed and stays in BUILD/fuzz/<fuzzer>/.
set -euo pipefail
amount=${1:-60}
source=$(cd "$(dirname "$0")/../.." && pwd)
build=${2:-$source/build/fuzz}
declare -A inputs=([fuzz_expression]=100000 [fuzz_yaml]=200000 [fuzz_grid]=25000)
status=0 total=0 found=0
for fuzzer in fuzz_expression fuzz_yaml fuzz_grid; do
  work=$build/fuzz/$fuzzer
  mkdir -p "$work/corpus" "$work/seeds"
  dictionary=(-dict="$source/tests/fuzz/configuration.dict")
  if [ "$fuzzer" = fuzz_expression ]; then
    dictionary=()
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
  if [ "$amount" = same ]; then
    rm -rf "$work/corpus" && mkdir "$work/corpus"
    limits=(-seed=1 -runs="${inputs[$fuzzer]}")
  else
    limits=(-max_total_time="$amount")
  fi
  start=$SECONDS
  (cd "$work" && "$build/tests/$fuzzer" "${limits[@]}" -timeout=10 -rss_limit_mb=4096 -max_len=4096 \
    -print_final_stats=1 "${dictionary[@]}" corpus seeds >log 2>&1) || status=1
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
  mapfile -t crashes < <(find "$work" -maxdepth 1 \( -name 'crash-*' -o -name 'timeout-*' -o -name 'leak-*' -o -name 'oom-*' \))
  # What is needed to see the crash again, should this log be all that is left of the machine.
  for crash in "${crashes[@]}"; do
    echo "== $(basename "$crash"), in base64:"
    base64 -w 0 "$crash" && echo
    grep -av -e '^#[0-9]' -e NEW_FUNC "$work/log" | grep -an -m 1 -A 40 -e 'ERROR:' -e '==ERROR' || tail -n 40 "$work/log"
  done
  printf '%s: %s executions, %s crashes, hangs or leaks in %s s\n' "$fuzzer" "${executions:-0}" "${#crashes[@]}" $((SECONDS - start))
  [ ${#crashes[@]} = 0 ] || status=1
  total=$((total + ${executions:-0})) found=$((found + ${#crashes[@]}))
done
echo "# $total executions, $found crashes, hangs or leaks"
exit "$status"
