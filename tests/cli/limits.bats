#!/usr/bin/env bats
# What does not fit is answered at its line, all of it at once and with nothing written; what is slow here is said once.
load helpers

# write_model LINE...: grid.yaml whose model has these layers, from line 13 on, on the data of the helpers (1x8x8, 3 classes)
write_model() {
    {
        sed '/layers:/,$d' grid.yaml
        printf '  layers:\n'
        printf '    - %s\n' "$@"
        sed -n '/^optimizer/,$p' grid.yaml
    } >model.yaml
    grep -v 'decay:\|^runs:\|plain:' model.yaml >grid.yaml
}

# answers TEXT: the grid is refused with just these lines, each followed by the line of the file and a caret
answers() {
    run "$RUNNER" grid.yaml
    [ "$status" -eq 2 ]
    [ "$(grep -c 'error: ' <<<"$output")" -eq 1 ]
    [ "${lines[0]}" = "$1" ] || { printf 'expected: %s\nobserved: %s\n' "$1" "$output" && return 1; }
    [ ! -e results ]
}

@test "a kernel larger than its input" {
    write_model 'Conv2d: {out_channels: 2, kernel_size: 9}' Flatten 'Linear: {out_features: 3}'
    answers "grid.yaml:13:7: error: the kernel 9x9 of Conv2d 'conv2d1' is larger than its padded input 8x8; make it smaller or add \
padding; shapes up to here: data 1x8x8"
}

@test "a kernel larger than what the layers before it leave" {
    write_model 'Conv2d: {name: a, out_channels: 2, kernel_size: 5}' 'MaxPool2d: {name: b, kernel_size: 2}' \
        'Conv2d: {name: c, out_channels: 2, kernel_size: [1, 3]}' Flatten 'Linear: {out_features: 3}'
    answers "grid.yaml:15:7: error: the kernel 1x3 of Conv2d 'c' is larger than its padded input 2x2; make it smaller or add \
padding; shapes up to here: data 1x8x8, a 2x4x4, b 2x2x2"
}

@test "a pool larger than its input" {
    write_model 'AvgPool2d: {name: a, kernel_size: 9}' Flatten 'Linear: {out_features: 3}'
    answers "grid.yaml:13:7: error: the window 9x9 of AvgPool2d 'a' is larger than its padded input 8x8; shapes up to here: data \
1x8x8"
}

@test "an output size that does not divide its input" {
    write_model 'AdaptiveAvgPool2d: {name: a, output_size: 3}' Flatten 'Linear: {out_features: 3}'
    answers "grid.yaml:13:7: error: output_size 3x3 of AdaptiveAvgPool2d 'a' does not divide its input 1x8x8; 1 always does; shapes \
up to here: data 1x8x8"
}

@test "groups that do not divide the channels that come" {
    write_model 'Conv2d: {name: a, out_channels: 4, kernel_size: 1, groups: 2}' Flatten 'Linear: {out_features: 3}'
    answers "grid.yaml:13:7: error: the 1 channels that Conv2d 'a' reads cannot be divided into 2 groups; shapes up to here: data \
1x8x8"
}

@test "fewer class scores than classes" {
    write_model Flatten 'Linear: {out_features: 2}'
    answers "grid.yaml:14:7: error: the model 'tiny' gives 2 class scores, but the data set 'rectangles' has 3 classes"
}

@test "batch norm of one value a channel in every step" {
    write_model Flatten 'BatchNorm1d: {name: a}' 'Linear: {out_features: 3}'
    sed -i 's/batch_size: 16/batch_size: 1/' grid.yaml
    answers "grid.yaml:14:7: error: batch norm 'a' gets one value a channel from each step of one image, so its output is always its \
bias; raise trainer.batch_size, or use LayerNorm"
}

@test "batch norm of one value a channel in the last step is warned of, once, and trains" {
    write_model Flatten 'BatchNorm1d: {name: a}' 'Linear: {out_features: 3}'
    sed -i 's/batch_size: 16/batch_size: 19/' grid.yaml
    run "$RUNNER" grid.yaml --no-report
    [ "$status" -eq 0 ]
    [ "$(grep -c 'warning: ' <<<"$output")" -eq 1 ]
    [[ "$output" == *"warning: grid.yaml:14:7: batch norm 'a' gets one value a channel from the last step of an epoch, which is one \
image (96 images, trainer.batch_size 19)"* ]]
    write_grid grid.yaml
    write_model 'BatchNorm2d: {name: a}' Flatten 'Linear: {out_features: 3}' # 64 values a channel even of one image
    sed -i 's/batch_size: 16/batch_size: 19/' grid.yaml
    run "$RUNNER" grid.yaml --no-report
    [ "$status" -eq 0 ]
    [[ "$output" != *"warning: "* ]]
}

@test "images of one pixel are vectors, and a convolution of them is told so" {
    /usr/bin/python3 "$RUNNER_SOURCE/tests/data/make_idx.py" data --train 96 --test 48 --height 1 --width 1 --classes 3 >/dev/null
    write_model 'Conv2d: {name: a, out_channels: 2, kernel_size: 1}' Flatten 'Linear: {out_features: 3}'
    answers "grid.yaml:13:7: error: Conv2d 'a' needs channels x height x width, but reads 1 flat values; put it before Flatten; shapes \
up to here: data 1 (vectors, or images of one pixel)"
    write_grid grid.yaml
    write_model 'Linear: {out_features: 3}'
    "$RUNNER" grid.yaml --no-report
}

@test "kernels that do not exist or do not run here are answered by every command that computes" {
    "$RUNNER" grid.yaml --no-report
    file=$(find results -name run.h5 | head -n 1)
    for words in "grid.yaml --force" "evaluate $file" "predict $file" "verify --from-epoch=0 $file" "summary --forward=1 grid.yaml seed=0"; do
        read -ra arguments <<<"$words"
        run env RUNNER_KERNELS=sse9 "$RUNNER" "${arguments[@]}"
        [ "$status" -eq 2 ] || { echo "$words: $status $output" && return 1; }
        [[ "$output" == *"RUNNER_KERNELS names kernels that are unknown or that this CPU cannot run"* ]]
    done
}

@test "a processor without AVX2 trains to the same bytes and is told once that it is slow" {
    command -v qemu-x86_64 >/dev/null || skip "qemu-x86_64 is not installed (package qemu-user)"
    [ "$(uname -m)" = x86_64 ] || skip "the runner of $(uname -m) does not run under qemu-x86_64"
    "$RUNNER" grid.yaml --no-report -o here
    run qemu-x86_64 -cpu Nehalem "$RUNNER" grid.yaml --no-report -o there
    [ "$status" -eq 0 ]
    [[ "$output" == *"4 finished"* ]]
    [ "$(grep -c 'no AVX2' <<<"$output")" -eq 1 ]
    [ "$(digests here)" = "$(digests there)" ]
    run qemu-x86_64 -cpu Nehalem "$RUNNER" grid.yaml --no-report -o there # nothing to do, nothing to say
    [ "$status" -eq 0 ]
    [[ "$output" != *"no AVX2"* ]]
    run env RUNNER_KERNELS=portable "$RUNNER" grid.yaml --no-report -o asked # who asks for them knows
    [ "$status" -eq 0 ]
    [[ "$output" == *"(portable)"* ]]
    [[ "$output" != *"no AVX2"* ]]
    [ "$(digests here)" = "$(digests asked)" ]
}
