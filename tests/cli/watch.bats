#!/usr/bin/env bats
# status, logs, clean, verify, reproduce and summary: what is read of a grid from another shell.
load helpers

@test "status counts and lists the runs, --json says the same to programs" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    run "$RUNNER" status results/small
    [ "$status" -eq 0 ]
    [[ "$output" == *"small: [4/4] 4 finished"* ]]
    [ "$(echo "$output" | grep -c '^finished ')" -eq 4 ]
    "$RUNNER" status results/small --json | /usr/bin/python3 -c '
import json, sys
status = json.load(sys.stdin)
assert status["total"] == 4 and status["counts"]["finished"] == 4
assert all(run["epoch"] == run["max_epochs"] == 2 and run["test_accuracy"] is not None for run in status["runs"])'
}

@test "status in a narrow window leaves out cells before it cuts names" {
    command -v script >/dev/null || skip "script (bsdutils) is not installed"
    "$RUNNER" grid.yaml --no-report --progress=none
    run script -qec "stty cols 40; $RUNNER status results/small" /dev/null
    [[ "$output" == *"plain seed=0   2/2 "* && "$output" == *"decay seed=1   2/2 "* ]]
    [[ "$output" != *"~"* && "$output" != *"loss"* ]]
    run script -qec "stty cols 100; $RUNNER status results/small" /dev/null
    [[ "$output" == *"id "*"loss"*"train %"*"ETA"* ]]
}

@test "a finished grid that others may only read prints its table" {
    [ "$(id -u)" -eq 0 ] || skip "only root can be somebody else, for whom the folder is read-only"
    "$RUNNER" grid.yaml --no-report --progress=none
    chmod -R a+rX,go-w "$FOLDER"
    other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${other[@]}" test -x "$RUNNER" || skip "nobody else may run $RUNNER"
    run "${other[@]}" "$RUNNER" grid.yaml
    [ "$status" -eq 0 ]
    [[ "$output" == *"results/small/grid.json: Permission denied; nothing is left to train"* ]]
    [[ "$output" == *"| plain |"* ]]
    run "${other[@]}" "$RUNNER" grid.yaml trainer.max_epochs=3
    [ "$status" -eq 1 ]
}

@test "status of a folder of several grids has a line for each, and one object for programs" {
    "$RUNNER" grid.yaml --no-report --progress=none
    sed 's/^name: small/name: other/' grid.yaml >other.yaml
    "$RUNNER" other.yaml --no-report --progress=none --limit 1 || [ $? -eq 3 ]
    run --separate-stderr "$RUNNER" status results
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "other: [1/4] 1 finished 3 queued" ]
    [ "${lines[1]}" = "small: [4/4] 4 finished" ]
    "$RUNNER" status results --json | /usr/bin/python3 -c '
import json, sys
assert [grid["grid"] for grid in json.load(sys.stdin)] == ["other", "small"]'
    echo rubbish >results/other/grid.json
    run "$RUNNER" status results
    [ "$status" -eq 1 ]
    [[ "$output" == *"results/other: "* && "$output" == *"small: [4/4] 4 finished"* ]]
    mkdir empty
    run "$RUNNER" status empty
    [ "$status" -ne 0 ]
    [[ "$output" == *"empty is no results folder"* ]]
}

@test "a run that is under way is seen from another shell, and a killed one becomes stale" {
    write_grid grid.yaml 4000
    "$RUNNER" grid.yaml --no-report -j 1 2>/dev/null &
    runner=$!
    wait_for 20 grep -qs epoch_saved results/small/events.jsonl
    running() { "$RUNNER" status results/small --json | grep -q '"state": "running"'; }
    wait_for 20 running
    "$RUNNER" status results/small | grep -q '^running '
    kill -TERM $runner
    wait $runner || true
    [ ! -e results/small/live ]
    "$RUNNER" status results/small | grep -q '^stale '
}

@test "logs prints a run's log by name, variant with seed, or id" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    run "$RUNNER" logs "results/small/plain seed=0"
    [ "$status" -eq 0 ]
    [[ "$output" == *"started: plain seed=0"*"epoch 2 saved:"*"finished in"* ]]
    id=$(ls results/small/runs | head -1)
    run "$RUNNER" logs "results/small/${id:0:10}"
    [ "$status" -eq 0 ]
    run "$RUNNER" logs results/small/plain
    [ "$status" -eq 2 ]
    [[ "$output" == *"'plain' means 2 runs"* ]]
}

@test "logs -f goes on with what is added" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    timeout 2 "$RUNNER" logs -f "results/small/plain seed=0" >out &
    sleep 0.3
    for log in results/small/runs/*/run.log; do
        echo "added later" >>"$log"
    done
    wait $! || true
    grep -q "added later" out
}

@test "clean deletes what was asked for and nothing else" {
    sed -i 's/^  decay: .*/  broken: {optimizer.lr: 1000, optimizer.weight_decay: 1, optimizer.name: sgd, trainer.max_epochs: 8}/' grid.yaml
    "$RUNNER" grid.yaml --no-report 2>/dev/null || true
    run "$RUNNER" clean results/small
    [ "$status" -eq 2 ]
    run "$RUNNER" clean results/small --state finished
    [ "$status" -eq 2 ]
    run "$RUNNER" clean results/small --state failed --older-than 30d
    [ "$status" -eq 4 ]
    run "$RUNNER" clean results/small --state failed --dry-run
    [ "$status" -eq 0 ]
    [[ "$output" == *"2 of 4 runs would be deleted"* ]]
    [ "$(ls results/small/runs/*/run.h5 | wc -l)" -eq 4 ]
    run "$RUNNER" clean results/small --state failed
    [ "$status" -eq 0 ]
    [ "$(ls results/small/runs/*/run.h5 | wc -l)" -eq 2 ]
    "$RUNNER" status results/small | grep -q "2 finished"
    run "$RUNNER" clean results/small --state failed --state stale
    [ "$status" -eq 4 ]
}

@test "verify finds a changed byte" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    run "$RUNNER" verify results/small/runs/*
    [ "$status" -eq 0 ]
    file=$(ls results/small/runs/*/run.h5 | head -1)
    chmod u+w "$file"
    printf 'x' | dd of="$file" bs=1 seek=3000 conv=notrunc status=none
    run "$RUNNER" verify results/small/runs/*
    [ "$status" -eq 1 ]
}

@test "reproduce trains a finished run again to the same bytes, from its file alone" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    file=$(ls results/small/runs/*/run.h5 | head -1)
    cp "$file" kept.h5
    rm -rf results grid.yaml
    run "$RUNNER" reproduce kept.h5
    [ "$status" -eq 0 ]
    [[ "$output" == *"the same bytes"* ]]
}

@test "provenance is in every file" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    /usr/bin/python3 - results/small/runs/*/run.h5 <<'PYTHON'
import sys
import h5py
wanted = ["commit", "dirty", "compiler", "flags", "cpu", "instruction_set", "library.hdf5", "data.train_images", "command_line",
          "started", "ended", "core_seconds", "host"]
for path in sys.argv[1:]:
    with h5py.File(path, "r") as file:
        found = {}
        file["/provenance"].visititems(lambda name, item: found.__setitem__(name, item))
        found.update(file["/provenance"].attrs)
        missing = [key for key in wanted if key not in found]
        assert not missing, (missing, sorted(found))
PYTHON
}

@test "summary prints the layers and the totals" {
    run "$RUNNER" summary grid.yaml
    [ "$status" -eq 0 ]
    [[ "$output" == *"conv1 (Conv2d)"*"[4, 6, 6]"*"[4, 1, 3, 3] + [4]"*"40"*"1,296"* ]]
    [[ "$output" == *"Total params: 151"* ]]
}
