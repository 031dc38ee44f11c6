#!/usr/bin/env bats
# The command line of report on stored grids that make_grid writes: no training, every figure a formula.

setup() {
    GRIDS=$(mktemp -d)
    REPORT=$RUNNER_BUILD/report
    MAKE_GRID=$RUNNER_BUILD/tests/make_grid
}

teardown() {
    chmod -R u+w "$GRIDS"
    rm -rf "$GRIDS"
}

@test "the summary starts with the model and its two accuracies, in the order of the config" {
    "$MAKE_GRID" "$GRIDS/small" small
    run "$REPORT" "$GRIDS/small" --format csv
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "Model,Train Accuracy [%],Test Accuracy [%],"* ]]
    [[ "${lines[1]}" == baseline,* && "${lines[2]}" == dropout,* ]]
    [[ "${lines[3]}" == weight_decay,* && "${lines[4]}" == batch_norm,* ]]
}

@test "Markdown shows mean and deviation over seeds and the best in bold" {
    "$MAKE_GRID" "$GRIDS/small" small
    run "$REPORT" "$GRIDS/small" --format md
    [[ "${lines[0]}" == "| Model "*"| Train Accuracy [%] |"*"Test Accuracy [%] |"* ]]
    [[ "$output" == *"**95.84 ± 0.36**"* ]]
}

@test "a run that is unfinished, diverged, failed, unreadable or not started is named" {
    "$MAKE_GRID" "$GRIDS/troubled" troubled
    run "$REPORT" "$GRIDS/troubled"
    [ "$status" -eq 0 ]
    [[ "$output" == *"1 of 12 runs unfinished: baseline seed=1 (3 of 5 epochs done)"* ]]
    [[ "$output" == *"1 of 12 runs diverged: dropout seed=1 (the loss is not finite in epoch 3)"* ]]
    [[ "$output" == *"1 of 12 runs failed: dropout seed=2 (no space left on the disk)"* ]]
    [[ "$output" == *"1 of 12 runs unreadable: weight\_decay seed=1"* || "$output" == *"1 of 12 runs unreadable: weight_decay seed=1"* ]]
    [[ "$output" == *"3 of 12 runs not started: batch_norm seed=0"* ]]
}

@test "--write leaves the four files in the results folder" {
    "$MAKE_GRID" "$GRIDS/small" small
    run "$REPORT" --write "$GRIDS/small"
    [ "$status" -eq 0 ]
    for file in summary.md summary.csv runs.csv history.csv; do [ -s "$GRIDS/small/$file" ]; done
    [ "$(wc -l < "$GRIDS/small/runs.csv")" -eq 13 ]
    [ "$(wc -l < "$GRIDS/small/history.csv")" -eq $((1 + 12 * 5 * 5)) ]
}

@test "--plot draws curves, intervals, confusion and filters as SVG and PNG" {
    command -v gnuplot || skip "gnuplot is not installed"
    "$MAKE_GRID" "$GRIDS/small" small
    run "$REPORT" "$GRIDS/small" --plot "$GRIDS/plots"
    [ "$status" -eq 0 ]
    for name in curves_baseline curves_dropout curves_weight_decay curves_batch_norm curves_all final_accuracy \
                confusion_baseline filters_baseline; do
        [ "$(head -c 4 "$GRIDS/plots/$name.png" | tail -c 3)" = PNG ]
        grep -q '</svg>' "$GRIDS/plots/$name.svg"
    done
}

@test "two swept settings make a heat map, and PDF is drawn when asked for" {
    command -v gnuplot || skip "gnuplot is not installed"
    "$MAKE_GRID" "$GRIDS/sweep" sweep
    run "$REPORT" "$GRIDS/sweep" --plot "$GRIDS/plots" --plot-format pdf
    [ "$status" -eq 0 ]
    [ "$(head -c 4 "$GRIDS/plots/heat_map.pdf")" = %PDF ]
    [ ! -e "$GRIDS/plots/heat_map.png" ]
}

@test "settings group runs, columns are chosen, rows sorted and filtered" {
    "$MAKE_GRID" "$GRIDS/sweep" sweep
    run "$REPORT" "$GRIDS/sweep" --format csv --by optimizer.lr --columns optimizer.lr,test_accuracy,runs \
        --sort -test_accuracy --filter "optimizer.lr>=0.001"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = $'optimizer.lr,Test Accuracy [%],Runs\r' ]
    [[ "${lines[1]}" == 0.001,*,6$'\r' ]]
    [[ "${lines[2]}" == 0.01,*,6$'\r' ]]
    [ "${#lines[@]}" -eq 3 ]
}

@test "an epoch of the history can be shown, also of runs that did not finish" {
    "$MAKE_GRID" "$GRIDS/troubled" troubled
    run "$REPORT" "$GRIDS/troubled" --at 2 --format csv --columns model,runs
    [ "${lines[1]}" = $'baseline,3\r' ]
    [ "${lines[2]}" = $'dropout,2\r' ]
}

@test "an empty folder, a folder of another tool and a path that is not there are told from results" {
    mkdir "$GRIDS/empty" "$GRIDS/other"
    echo "events" > "$GRIDS/other/metrics.json"
    for folder in "$GRIDS/empty" "$GRIDS/other"; do
        run "$REPORT" "$folder"
        [ "$status" -eq 4 ]
        [[ "$output" == *"holds no results"* ]]
    done
    run "$REPORT" "$GRIDS/nowhere"
    [ "$status" -eq 4 ]
    [[ "$output" == *"does not exist"* ]]
}

@test "one run makes a table without deviations" {
    "$MAKE_GRID" "$GRIDS/single" single
    run "$REPORT" "$GRIDS/single"
    [ "$status" -eq 0 ]
    [[ "$output" != *±* && "$output" == *"| baseline |"* ]]
}

@test "two grids of equal name stay apart" {
    "$MAKE_GRID" "$GRIDS/a/small" small
    "$MAKE_GRID" "$GRIDS/b/small" small
    run "$REPORT" "$GRIDS/a/small" "$GRIDS/b/small" --format csv --columns model,runs
    [ "${#lines[@]}" -eq 9 ]
    [ "${lines[1]}" = "small ($GRIDS/a/small): baseline,3"$'\r' ]
    [ "${lines[5]}" = "small ($GRIDS/b/small): baseline,3"$'\r' ]
}

@test "mistakes on the command line end with 2 and say what to write" {
    "$MAKE_GRID" "$GRIDS/single" single
    run "$REPORT" "$GRIDS/single" --format word
    [ "$status" -eq 2 ]
    [[ "$output" == *"--format takes md, csv, json, latex, text or html"* ]]
    run "$REPORT" "$GRIDS/single" --columns test_acuracy
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean 'test_accuracy'?"* ]]
    run "$REPORT" "$GRIDS/single" --filter variant
    [ "$status" -eq 2 ]
}

@test "rows are compared with one of them, paired by seed, in figures and in words" {
    "$MAKE_GRID" "$GRIDS/small" small
    run "$REPORT" "$GRIDS/small" --compare baseline --columns model,difference,pairs --format md
    [ "$status" -eq 0 ]
    [[ "$output" == *"| dropout "*"-4.31 |     3 |"* ]]
    [[ "$output" == *"dropout is worse than baseline by 4.31 points (95% interval -4.91 to -3.71, p = 0.0021 after Holm, 3 pairs)"* ]]
    [[ "$output" == *"With 3 pairs the exact signed-rank test cannot fall below p = 0.25"* ]]
    run "$REPORT" "$GRIDS/small" --compare nobody
    [ "$status" -eq 2 ]
    [[ "$output" == *"no row is called 'nobody'; the rows are 'baseline', 'dropout'"* ]]
}

@test "published figures are joined by reference_name, and the distance is ours minus theirs" {
    "$MAKE_GRID" "$GRIDS/small" small
    printf 'model,train_accuracy_percent,test_accuracy_percent\nlenet5,94.98,89.1\n"other, one",1,2\n' > "$GRIDS/published.csv"
    run "$REPORT" "$GRIDS/small" --reference "$GRIDS/published.csv" --format json \
        --columns model,reference.test_accuracy,distance.test_accuracy
    [ "$status" -eq 0 ]
    [[ "$output" == *'"model": "baseline", "reference.test_accuracy": 89.1, "distance.test_accuracy": -1.0'* ]]
    [[ "$output" == *'"model": "dropout", "reference.test_accuracy": null'* ]]
    [[ "$output" == *"Published, but no run has such a reference_name: other, one"* ]]
    printf 'model,test_accuracy\nlenet5,high\n' > "$GRIDS/published.csv"
    run "$REPORT" "$GRIDS/small" --reference "$GRIDS/published.csv"
    [ "$status" -eq 1 ]
    [[ "$output" == *"published.csv:2: 'high' is not a number"* ]]
}

@test "the best setting is selected by its mean over seeds, and never by the test set" {
    "$MAKE_GRID" "$GRIDS/sweep" sweep
    run "$REPORT" "$GRIDS/sweep" --by optimizer.lr,optimizer.momentum --select train_accuracy -o "$GRIDS/best.yaml"
    [ "$status" -eq 0 ]
    grep -q '^# Selected: optimizer.lr=0.001 optimizer.momentum=0.9$' "$GRIDS/best.yaml"
    grep -q '^  lr: 0.001$' "$GRIDS/best.yaml"
    run "$REPORT" "$GRIDS/sweep" --by optimizer.lr --select test_accuracy
    [ "$status" -eq 2 ]
    [[ "$output" == *"would choose by the test set"* ]]
}

@test "--watch draws again until every run has ended, and keeps the page new" {
    "$MAKE_GRID" "$GRIDS/troubled" troubled
    "$REPORT" "$GRIDS/troubled" --filter variant=baseline --watch=1 --format html -o "$GRIDS/page.html" > "$GRIDS/screen" &
    local watcher=$!
    for _ in $(seq 50); do [ -s "$GRIDS/screen" ] && break; sleep 0.1; done
    grep -q '2 finished, 1 unfinished' "$GRIDS/screen"
    grep -q '"unfinished":1' "$GRIDS/page.html"
    "$MAKE_GRID" "$GRIDS/small" small
    id=$(grep -l 'baseline seed=1' "$GRIDS"/small/runs/*/run.h5 | xargs dirname | xargs basename)
    mv -f "$GRIDS/small/runs/$id/run.h5" "$GRIDS/troubled/runs/$id/run.h5"
    wait "$watcher"
    grep -q '"conditions":{"finished":3}' "$GRIDS/page.html"
}
