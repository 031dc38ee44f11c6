#!/usr/bin/env bats
# From a search to the configuration that is trained again: runner's files, report's choice, runner's files.

setup() {
    FOLDER=$(mktemp -d)
    RUNNER=$RUNNER_BUILD/runner
    REPORT=$RUNNER_BUILD/report
    SMALL=(trainer.max_epochs=1 dataset.train_limit=300 dataset.validation_size=100 dataset.test_limit=50
           trainer.evaluate_test=never)
}

teardown() {
    chmod -R u+w "$FOLDER"
    rm -rf "$FOLDER"
}

@test "the selected YAML is the winning run: the same id and the same bytes" {
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
    "$RUNNER" "$RUNNER_SOURCE/configs/all.yaml" -o "$FOLDER/search" --no-report --progress=none "${SMALL[@]}"
    "$REPORT" "$FOLDER/search" --by variant --select validation_accuracy -o "$FOLDER/best.yaml"
    grep -q '^# By: mean Validation Accuracy \[%\] over 1 runs' "$FOLDER/best.yaml"
    "$RUNNER" "$FOLDER/best.yaml" -o "$FOLDER/again" --no-report --progress=none
    winner=$(sed -n 's/^# Run: \([0-9a-f]*\) content_sha256 .*/\1/p' "$FOLDER/best.yaml")
    digest=$(sed -n 's/^# Run: .* content_sha256 //p' "$FOLDER/best.yaml")
    run "$REPORT" "$FOLDER/again" --table runs --format csv --columns id,content_sha256
    [ "${lines[1]}" = "$winner,$digest"$'\r' ]
    best=$("$REPORT" "$FOLDER/search" --format csv --sort -validation_accuracy --columns validation_accuracy | sed -n 2p)
    chosen=$("$REPORT" "$FOLDER/again" --format csv --columns validation_accuracy | sed -n 2p)
    [ "$best" = "$chosen" ]
}

@test "a search that never looks at the test set has no test figure to show" {
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
    "$RUNNER" "$RUNNER_SOURCE/configs/baseline.yaml" -o "$FOLDER/search" --no-report --progress=none "${SMALL[@]}"
    run "$REPORT" "$FOLDER/search" --format csv --columns model,test_accuracy,test_loss
    [ "${lines[1]}" = $'baseline,,\r' ]
}

@test "the epoch is chosen too, by its mean over seeds, and becomes max_epochs" {
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
    cat >"$FOLDER/search.yaml" <<'YAML'
dataset: {name: fashion-mnist, train_limit: 300, validation_size: 100, test_limit: 50}
optimizer: {name: sgd, momentum: 0.9}
trainer: {max_epochs: 8, batch_size: 20, evaluate_test: never}
model: {layers: [Flatten, Linear: {out_features: 10}]}
sweep: {optimizer.lr: [0.001, 0.2, 0.1], seed: [3, 4]}
YAML
    "$RUNNER" "$FOLDER/search.yaml" -o "$FOLDER" --no-report --progress=none
    "$REPORT" "$FOLDER/search" --select validation_loss --at any -o "$FOLDER/best.yaml"
    "$REPORT" "$FOLDER/search" --table history --format csv -o "$FOLDER/history.csv"
    "$REPORT" "$FOLDER/search" --table runs --format csv -o "$FOLDER/runs.csv"
    "$RUNNER" "$FOLDER/best.yaml" -o "$FOLDER/again" --no-report --progress=none
    "$REPORT" "$FOLDER/again" --table history --format csv -o "$FOLDER/again.csv"
    "$REPORT" "$FOLDER/again" --table runs --format csv -o "$FOLDER/again_runs.csv"
    /usr/bin/python3 - "$FOLDER" <<'PYTHON'
import sys, pandas, yaml
folder = sys.argv[1]
chosen = yaml.safe_load(open(f"{folder}/best.yaml"))
read = lambda history, runs: pandas.read_csv(f"{folder}/{history}").merge(
    pandas.read_csv(f"{folder}/{runs}"), on="id", suffixes=("", "_run"))
rows, again = read("history.csv", "runs.csv"), read("again.csv", "again_runs.csv")
rows["lr"] = rows["param.optimizer.lr"]
valid = rows[(rows.split == "validation") & (rows.metric == "loss")]
means = valid.groupby(["lr", "epoch"], sort=False).value.mean()
best = means.min()
ties = [key for key, value in means.items() if abs(value - best) < 1e-9]
assert (chosen["optimizer"]["lr"], chosen["trainer"]["max_epochs"]) in ties, (ties, chosen["trainer"])
assert chosen["trainer"]["max_epochs"] < 8, "a choice that shows nothing"
assert chosen["sweep"]["seed"] == [3, 4]
keys = ["seed", "epoch", "split", "metric"]
first = rows[(rows.lr == chosen["optimizer"]["lr"]) & (rows.epoch <= chosen["trainer"]["max_epochs"])]
pair = first.merge(again, on=keys, suffixes=("", "_again"))
assert len(pair) == len(first) == len(again), (len(pair), len(first), len(again))
assert (pair.value == pair.value_again).all()
PYTHON
}

@test "what a cosine schedule had at an earlier epoch is no run of fewer epochs" {
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
    "$RUNNER" "$RUNNER_SOURCE/configs/baseline.yaml" -o "$FOLDER" --no-report --progress=none "${SMALL[@]}" \
        trainer.max_epochs=3 scheduler.name=cosine
    "$REPORT" "$FOLDER/baseline" --select validation_loss --at any -o "$FOLDER/best.yaml"
    grep -q '^  max_epochs: 3$' "$FOLDER/best.yaml"
    run "$REPORT" "$FOLDER/baseline" --select validation_loss --at 2
    [ "$status" -ne 0 ]
    [[ "$output" == *"follows max_epochs"* ]]
}

@test "the test set chooses nothing, and --at any nothing but a selection" {
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
    "$RUNNER" "$RUNNER_SOURCE/configs/baseline.yaml" -o "$FOLDER" --no-report --progress=none "${SMALL[@]}" \
        trainer.evaluate_test=epoch
    for metric in test_accuracy test_loss; do
        run "$REPORT" "$FOLDER/baseline" --select $metric --at any
        [ "$status" -eq 2 ]
        [[ "$output" == *"would choose by the test set"* ]]
    done
    run "$REPORT" "$FOLDER/baseline" --at any
    [ "$status" -eq 2 ]
    [[ "$output" == *"--at any goes with --select"* ]]
}

@test "a row is named after the settings that tell it from others, not after those that follow from them" {
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
    cat >"$FOLDER/search.yaml" <<'YAML'
dataset: {name: fashion-mnist, train_limit: 100, test_limit: 50}
trainer.max_epochs: 1
model: {layers: [Flatten, Linear: {out_features: 10}]}
sweep:
  optimizer: [{name: sgd, lr: 0.1, momentum: 0.9}, {name: sgd, lr: 0.2, momentum: 0.9}, {name: adam, lr: 0.1}]
YAML
    "$RUNNER" "$FOLDER/search.yaml" -o "$FOLDER" --no-report --progress=none
    run "$REPORT" "$FOLDER/search" --format csv --columns model
    [ "${lines[1]}" = $'search optimizer.name=sgd optimizer.lr=0.1\r' ]
    [ "${lines[2]}" = $'search optimizer.name=sgd optimizer.lr=0.2\r' ]
    [ "${lines[3]}" = $'search optimizer.name=adam optimizer.lr=0.1\r' ]
}
