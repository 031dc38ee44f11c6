#!/usr/bin/env bats
# What runner says to wrong words, and its exit codes.
load helpers

@test "without arguments the usage is printed and the exit code is 2" {
    run "$RUNNER"
    [ "$status" -eq 2 ]
    [[ "${lines[0]}" == "Usage: runner [run] GRID.yaml"* ]]
}

@test "--help lists the commands, --version the version" {
    run "$RUNNER" --help
    [ "$status" -eq 0 ]
    [[ "$output" == *"status"*"summary"* ]]
    run "$RUNNER" --version
    [ "$status" -eq 0 ]
    [[ "$output" == "runner "[0-9]* ]]
}

@test "every command has --help" {
    for command in run status logs summary verify reproduce evaluate predict clean; do
        run "$RUNNER" "$command" --help
        [ "$status" -eq 0 ]
        [[ "${lines[0]}" == "Usage: runner $command"* ]]
    done
}

@test "a mistyped command is answered with the one that was meant" {
    run "$RUNNER" statsu results
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean 'runner status'?"* ]]
}

@test "a wrong path, a folder and a second grid are answered with exit code 2" {
    run "$RUNNER" configs/none.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"configs/none.yaml"* ]]
    run "$RUNNER" .
    [ "$status" -eq 2 ]
    [[ "$output" == *"is a folder"* ]]
    run "$RUNNER" grid.yaml other.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"one configuration at a time"* ]]
}

@test "wrong numbers and words of options are answered with what they may be" {
    run "$RUNNER" grid.yaml -j 0
    [ "$status" -eq 2 ]
    [[ "$output" == *"--jobs needs a whole number from 1"* ]]
    run "$RUNNER" grid.yaml -t many
    [ "$status" -eq 2 ]
    run "$RUNNER" grid.yaml --progress=loud
    [ "$status" -eq 2 ]
    [[ "$output" == *"auto, live, plain or none"* ]]
}

@test "absent data are one line that says what to do" {
    rm -r data
    run "$RUNNER" grid.yaml
    [ "$status" -ne 0 ]
    [[ "$output" == *"dataset.root"* ]]
    [ ! -e results/small/events.jsonl ] || [ "$(event_count run_started)" -eq 0 ]
}

@test "a mistake in the configuration is answered at its line" {
    echo "weigth: 1" >>grid.yaml
    run "$RUNNER" grid.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"grid.yaml:"[0-9]*":1: error: "* ]]
}

@test "a folder without a grid has no status, an unknown run no log" {
    run "$RUNNER" status .
    [ "$status" -eq 1 ]
    [[ "$output" == *"no results folder"* ]]
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    run "$RUNNER" logs results/small/nobody
    [ "$status" -eq 1 ]
    [[ "$output" == *"no run is called 'nobody'"* ]]
}

@test "a folder of a grid is found from inside it, and is no run" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    cd results/small/runs
    for place in . .. ../runs/.; do
        run "$RUNNER" status "$place"
        [ "$status" -eq 0 ]
        [[ "$output" == *"small: [4/4] 4 finished"* ]]
    done
    cd ../../..
    for command in verify logs evaluate; do
        run "$RUNNER" "$command" results/small
        [ "$status" -eq 2 ]
        [[ "$output" == *"results/small is the folder of a whole grid; name one of its runs"* ]]
    done
}
