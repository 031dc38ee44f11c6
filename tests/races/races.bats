#!/usr/bin/env bats
# ThreadSanitizer (clang, libomp, Archer) over a small grid with stops, and over races made on purpose that it must catch.
# Run by `ctest --test-dir build/tsan -R races`; elsewhere skipped, since only that build is instrumented.

load ../cli/helpers

setup() {
    if ! nm "$RUNNER_BUILD/runner" 2>/dev/null | grep -q __tsan_init; then
        skip "not a build with ThreadSanitizer: cmake --preset tsan && cmake --build --preset tsan"
    fi
    archer=$(find /usr/lib/llvm-* -name libarcher.so 2>/dev/null | head -1)
    [ -n "$archer" ] || skip "libomp's Archer is not installed (libomp-14-dev)"
    export OMP_TOOL_LIBRARIES=$archer
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1 exitcode=66 halt_on_error=0"
    export RUNNER_KERNELS=portable # ThreadSanitizer does not see accesses of 32 bytes and more, as vectors are elsewhere
    FOLDER=$(mktemp -d)
    RUNNER=$RUNNER_BUILD/runner
    cd "$FOLDER" || return 1
    /usr/bin/python3 "$RUNNER_SOURCE/tests/data/make_idx.py" data --train 96 --test 48 --height 8 --width 8 --classes 3 >/dev/null
    write_grid grid.yaml 3
}

teardown() {
    cd /
    [ -z "${FOLDER:-}" ] || { chmod -R u+w "$FOLDER" && rm -rf "$FOLDER"; }
}

@test "a program without a race is not reported" {
    for _ in 1 2 3; do
        run "$RUNNER_BUILD/tests/seeded_race" clean
        [ "$status" -eq 0 ]
        [[ "$output" != *"WARNING: ThreadSanitizer"* ]]
    done
}

@test "members that add to one counter are caught" {
    run "$RUNNER_BUILD/tests/seeded_race" members
    [ "$status" -eq 66 ]
    [[ "$output" == *"data race"*"step"* ]]
}

@test "jobs that add to one counter are caught" {
    run "$RUNNER_BUILD/tests/seeded_race" jobs
    [ "$status" -eq 66 ]
    [[ "$output" == *"data race"* ]]
}

@test "a barrier left out is caught" {
    run "$RUNNER_BUILD/tests/seeded_race" barrier
    [ "$status" -eq 66 ]
    [[ "$output" == *"data race"*"step"* ]]
}

@test "a grid with elastic teams has no race" {
    run "$RUNNER" grid.yaml --no-report -j 2 -t 2
    [ "$status" -eq 0 ]
    [[ "$output" != *"WARNING: ThreadSanitizer"* ]]
    run "$RUNNER" grid.yaml --no-report -j 3 -t 1 -o more
    [ "$status" -eq 0 ]
    [[ "$output" != *"WARNING: ThreadSanitizer"* ]]
}

# The members of a team meet only where they read each other's blocks: networks of every kind of neighbours, batches that the
# members divide evenly and not, and more blocks than a part of the batch takes.
@test "a team that trains together has no race" {
    /usr/bin/python3 "$RUNNER_SOURCE/tests/data/make_idx.py" data --train 330 --test 48 --height 28 --width 28 --classes 3 >/dev/null
    { write_grid team.yaml 1
      sed -n '/^dataset:/,/test_labels/p' team.yaml >data.yaml
      cat data.yaml
      cat <<'YAML'
name: team
optimizer: {name: adam, lr: 0.001}
trainer: {max_epochs: 1, batch_size: 320, evaluate_test: epoch}
model: {name: several}
runs:
  lenet5: {include: lenet5.yaml}
  batch_norm: {include: lenet5.yaml, model.parameters.batch_norm: true, model.parameters.dropout: 0.2}
  winograd: {include: lenet5.yaml, trainer.convolution: winograd}
  frozen: {include: lenet5.yaml, model.freeze: [conv2, linear1]}
  perceptron:
    model:
      layers:
        - Flatten
        - Linear: {name: linear1, out_features: 20}
        - Tanh: {name: tanh1}
        - Linear: {name: linear2, out_features: 10}
  one_convolution:
    model:
      layers:
        - BatchNorm2d: {name: norm1}
        - Conv2d: {name: conv1, out_channels: 4, kernel_size: 3, padding: 1}
        - ReLU: {name: relu1}
        - MaxPool2d: {name: pool1, kernel_size: 2}
        - Flatten
        - Linear: {name: linear1, out_features: 10}
  neighbours:
    model:
      layers:
        - AvgPool2d: {kernel_size: 2}
        - Sigmoid
        - Conv2d: {name: conv0, out_channels: 4, kernel_size: 3, padding: 1}
        - Conv2d: {name: conv1, out_channels: 4, kernel_size: 3, padding: 1}
        - Conv2d: {name: conv2, out_channels: 4, kernel_size: 3, padding: 1}
        - ReLU: {name: relu1}
        - MaxPool2d: {kernel_size: 2}
        - Conv2d: {name: conv3, out_channels: 4, kernel_size: 3, padding: 1, groups: 2}
        - Conv2d: {name: conv4, out_channels: 4, kernel_size: 3, padding: 1}
        - Add: {name: sum1, inputs: [conv3, conv4]}
        - GELU
        - Conv2d: {name: conv5, out_channels: 4, kernel_size: 3, padding: 1}
        - Add: {name: sum2, inputs: [sum1, conv5]}
        - Flatten
        - Linear: {out_features: 10}
sweep:
  trainer.batch_size: [64, 320]
YAML
    } >all.yaml
    cp "$RUNNER_SOURCE/configs/models/lenet5.yaml" lenet5.yaml
    for threads in 2 3; do
        run "$RUNNER" all.yaml --no-report -j 1 -t $threads -o team$threads
        [ "$status" -eq 0 ]
        [[ "$output" != *"WARNING: ThreadSanitizer"* ]]
    done
}

@test "a grid that is stopped and resumed again and again has no race" {
    write_grid grid.yaml 400
    for _ in 1 2 3 4 5; do
        events=$(event_count epoch_saved)
        "$RUNNER" grid.yaml --no-report -j 2 -t 2 2>err &
        runner=$!
        more_epochs() { [ "$(event_count epoch_saved)" -gt "${events:-0}" ]; }
        wait_for 30 more_epochs
        kill -TERM $runner
        code=0
        wait $runner || code=$?
        run ! grep -q "WARNING: ThreadSanitizer" err
        [ "$code" -eq 3 ] || [ "$code" -eq 0 ]
    done
}

@test "the live table has no race with the runs it shows" {
    write_grid grid.yaml 300
    command -v script >/dev/null || skip "script (bsdutils) is not installed"
    unset NO_COLOR
    TERM=xterm timeout -s INT 5 script -qec "$RUNNER grid.yaml --no-report -j 2 -t 2" out >/dev/null || true
    grep -q "ETA" out
    run ! grep -q "WARNING: ThreadSanitizer" out
}
