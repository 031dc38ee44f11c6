#!/usr/bin/env bash
# Repeats the whole study from nothing: packages, build, six grids, tables, plots, page.
#
#   experiments/lenet5-regularisation/repeat.sh [RESULTS] [ARGUMENT…]
#
# RESULTS (results/lenet5-regularisation by default) takes the runs; what is there already is not done again, so after an
# interruption the same command does the rest. Outputs go to RESULTS/outputs, the choices to chosen/ beside this script.
# At the end the digests of all runs are compared with those in outputs/ beside this script: exit code 1 if any differs.
# Further arguments go to every grid; a rehearsal in a minute: dataset.train_limit=10600 trainer.max_epochs=2
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
study=experiments/lenet5-regularisation

results=${1:-results/lenet5-regularisation}
shift || true
arguments=("$@")
outputs=$results/outputs
mkdir -p "$outputs" "$study/chosen"

tools/setup.sh build run study
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null
runner=build/release/runner
report=build/release/report

step() {
  printf '\n== %s (%s)\n' "$1" "$(date -u +%H:%M:%S)"
}

# Trains a grid of this folder and writes its tables.
train() {
  "$runner" "$study/$1.yaml" -o "$results" --progress=none --no-report "${arguments[@]}"
  mkdir -p "$outputs/$1"
  "$report" "$results/$1" --write="$outputs/$1" >/dev/null
  rm "$outputs/$1/history.csv"
  "$report" "$results/$1" --table runs --format csv --columns id,content_sha256 -o "$outputs/$1/digests.csv"
}

# The best group of a grid by its mean over seeds on the validation images; no more arguments: all variants.
choose() {
  local file=$1 grid=$2
  shift 2
  "$report" "$results/$grid" --select validation_accuracy "$@" -o "$study/chosen/$file.yaml"
  grep '^#' "$study/chosen/$file.yaml" | head -n 3
}

step "optimiser and epochs, on validation"
train choose
choose choose choose --at any

step "reproduction: four variants, ten seeds"
train reproduce
"$report" "$results/reproduce" --reference "$study/published.csv" --format md -o "$outputs/reproduce/published.md"
"$report" "$results/reproduce" --compare baseline --format md -o "$outputs/reproduce/compare.md"
"$report" "$results/reproduce" --plot "$outputs/reproduce" --plot-format svg
"$report" "$results/reproduce" --format html -o "$outputs/reproduce/page.html"
/usr/bin/python3 "$study/conclusions.py" "$results/reproduce" "$report" >"$outputs/reproduce/conclusions.md"
cat "$outputs/reproduce/published.md" "$outputs/reproduce/conclusions.md"

step "dropout by rate and place"
train dropout
cat "$outputs/dropout/summary.md"

step "search: 4 variants, three seeds, on validation"
train search
for variant in baseline dropout weight_decay batch_norm; do
  choose "$variant" search --filter "variant=$variant"
done

step "search: networks of LeNet-5's size"
train networks
choose best_network networks
cat "$outputs/networks/summary.md"

step "finals: ten fresh seeds on all 60,000 images, tested once"
train finals
"$report" "$results/finals" --compare baseline --format md -o "$outputs/finals/compare.md"
"$report" "$results/finals" --plot "$outputs/finals" --plot-format svg
"$report" "$results/finals" --format html -o "$outputs/finals/page.html"
cat "$outputs/finals/compare.md"

step "digests of all runs against those in $study/outputs"
differing=0
for grid in choose reproduce dropout search networks finals; do
  if cmp -s "$outputs/$grid/digests.csv" "$study/outputs/$grid/digests.csv"; then
    echo "$grid: the same, $(($(wc -l <"$outputs/$grid/digests.csv") - 1)) runs"
  else
    echo "$grid: different"
    differing=1
  fi
done
exit "$differing"
