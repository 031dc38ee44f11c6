# Shared by tests/cli/*.bats: a folder of its own for each test, a data set of 96 tiny images, a grid of four runs on it.

bats_require_minimum_version 1.5.0

setup() {
    FOLDER=$(mktemp -d)
    RUNNER=$RUNNER_BUILD/runner
    cd "$FOLDER" || return 1
    /usr/bin/python3 "$RUNNER_SOURCE/tests/data/make_idx.py" "$FOLDER/data" --train 96 --test 48 --height 8 --width 8 \
        --classes 3 >/dev/null
    write_grid grid.yaml
}

teardown() {
    cd /
    chmod -R u+w "$FOLDER"
    rm -rf "$FOLDER"
}

# write_grid FILE [EPOCHS]: four runs, two variants by two seeds
write_grid() {
    cat >"$1" <<YAML
name: small
dataset:
  name: rectangles
  format: idx
  root: $FOLDER/data
  train_images: train-images-idx3-ubyte.gz
  train_labels: train-labels-idx1-ubyte.gz
  test_images: t10k-images-idx3-ubyte.gz
  test_labels: t10k-labels-idx1-ubyte.gz
model:
  name: tiny
  layers:
    - Conv2d: {name: conv1, out_channels: 4, kernel_size: 3}
    - Tanh
    - AvgPool2d: {kernel_size: 2}
    - Flatten
    - Dropout: {name: dropout1, p: 0.0}
    - Linear: {name: linear1, out_features: 3}
optimizer: {name: adam, lr: 0.01}
trainer: {max_epochs: ${2:-2}, batch_size: 16, evaluate_test: epoch}
runs:
  plain: {}
  decay: {optimizer.weight_decay: 0.01}
sweep:
  seed: [0, 1]
YAML
}

# digests [OUTPUT]: one line a run, "content_sha256 id", in the order of the ids
digests() {
    for run in "${1:-results}"/small/runs/*/run.h5; do
        printf '%s %s\n' "$("$RUNNER" verify --digest "$run" | cut -d' ' -f1)" "$(basename "$(dirname "$run")")"
    done
}

# event_count NAME: events of that name so far
event_count() {
    [ -e results/small/events.jsonl ] || { echo 0 && return; }
    grep -c "\"event\":\"$1\"" results/small/events.jsonl || true
}

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
    local left=$(($1 * 20))
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.05
    done
}
