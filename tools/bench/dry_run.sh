#!/usr/bin/env bash
# usage: tools/bench/dry_run.sh [RUNNER [PAIRS]]
# The estimate of --dry-run against the time that the same grid then takes: PAIRS (5) of them, and the median of their ratios.
# Needs the Fashion-MNIST data set and an otherwise idle machine.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
runner=${1:-$source/build/release/runner}
pairs=${2:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for ((pair = 1; pair <= pairs; pair++)); do
  arguments=("$source/configs/all.yaml" trainer.max_epochs=2 "seed=$pair" -o "$work/$pair")
  estimate=$("$runner" "${arguments[@]}" --dry-run | sed -n 's/.*(\([0-9.]*\) seconds).*/\1/p')
  begin=$(date +%s.%N)
  "$runner" "${arguments[@]}" --no-report --progress=none >/dev/null 2>&1
  end=$(date +%s.%N)
  awk -v e="$estimate" -v b="$begin" -v n="$end" 'BEGIN {printf "%.1f s estimated, %.1f s taken, ratio %.3f\n", e, n - b, e / (n - b)}'
done | tee "$work/pairs"
sed 's/.*ratio //' "$work/pairs" | sort -n | awk '{r[NR] = $1} END {printf "median ratio %.3f\n", NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2}'
