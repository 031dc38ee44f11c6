#!/usr/bin/env bats
# runner [run]: a grid from start to end, again, stopped, resumed, and with runs that fail.
load helpers

@test "the grid is trained and the table is printed and left in the folder" {
    run "$RUNNER" grid.yaml
    [ "$status" -eq 0 ]
    [ "$(event_count run_finished)" -eq 4 ]
    [[ "$output" == *"4 finished, 0 failed"* ]]
    [[ "$output" == *"| Model "* ]]
    [[ "$output" == *"the table again: report results/small"* ]]
    [ "$(head -1 results/small/summary.csv | cut -d, -f1-3)" = 'Model,Train Accuracy [%],Test Accuracy [%]' ]
    [ "$(tail -n +2 results/small/summary.csv | cut -d, -f1 | tr '\n' ' ' | tr -d '\r')" = 'plain decay ' ]
    grep -q '| Model ' results/small/summary.md
}

@test "the table goes to stdout and everything else to stderr" {
    "$RUNNER" grid.yaml >out 2>err
    [ "$(head -c 8 out)" = "| Model " ]
    [ "$(grep -c '^| Model' err)" -eq 0 ]
    grep -q "4 finished" err
}

@test "run may be said or left out" {
    run "$RUNNER" run grid.yaml --no-report
    [ "$status" -eq 0 ]
    [ "$(event_count run_finished)" -eq 4 ]
}

@test "the same command again does nothing but print the table" {
    "$RUNNER" grid.yaml 2>/dev/null
    before=$(stat -c '%n %Y %i' results/small/runs/*/run.h5)
    run "$RUNNER" grid.yaml
    [ "$status" -eq 0 ]
    [[ "$output" == *"4 finished"* ]]
    [[ "$output" == *"| Model "* ]]
    [ "$(event_count run_started)" -eq 4 ]
    [ "$before" = "$(stat -c '%n %Y %i' results/small/runs/*/run.h5)" ]
}

@test "results do not depend on jobs, threads, elastic teams or order" {
    "$RUNNER" grid.yaml --no-report -o one -j 1 -t 1 2>/dev/null
    "$RUNNER" grid.yaml --no-report -o two -j 2 -t 1 2>/dev/null
    "$RUNNER" grid.yaml --no-report -o three -j 1 -t 2 2>/dev/null
    "$RUNNER" grid.yaml --no-report -o four -j 2 -t 2 2>/dev/null
    "$RUNNER" grid.yaml --no-report -o five -j 3 -t 1 --no-elastic --no-pin 2>/dev/null
    digests one >expected
    [ "$(wc -l <expected)" -eq 4 ]
    [ "$(cut -d' ' -f1 expected | sort -u | wc -l)" -eq 4 ]
    for other in two three four five; do
        digests "$other" | diff expected -
    done
}

@test "a grid that was stopped exits with 3 and the same command ends it with the same results" {
    write_grid grid.yaml 40
    "$RUNNER" grid.yaml --no-report -o whole 2>/dev/null
    "$RUNNER" grid.yaml -j 1 --no-report 2>err &
    runner=$!
    wait_for 20 grep -qs epoch_saved results/small/events.jsonl
    kill -TERM $runner
    status=0
    wait $runner || status=$?
    [ "$status" -eq 3 ]
    grep -q "the same command goes on from here" err
    [ "$(event_count run_stopped)" -ge 1 ]
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    [ "$(event_count run_resumed)" -ge 1 ]
    [ "$(event_count run_finished)" -eq 4 ]
    digests whole >expected
    digests results | diff expected -
}

@test "under a batch system a stop exits with 75" {
    write_grid grid.yaml 400
    SLURM_JOB_ID=1 "$RUNNER" grid.yaml --no-report 2>/dev/null &
    runner=$!
    wait_for 20 grep -qs run_started results/small/events.jsonl
    kill -USR1 $runner
    status=0
    wait $runner || status=$?
    [ "$status" -eq 75 ]
}

@test "a killed grid is resumed from its last epoch" {
    write_grid grid.yaml 40
    "$RUNNER" grid.yaml --no-report -o whole 2>/dev/null
    "$RUNNER" grid.yaml --no-report 2>/dev/null &
    runner=$!
    wait_for 20 grep -qs epoch_saved results/small/events.jsonl
    kill -KILL $runner
    wait $runner || true
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    digests whole >expected
    digests results | diff expected -
}

@test "one failing run does not stop the others, and is named with its log" {
    sed -i 's/^  decay: .*/&\n  broken: {optimizer.lr: 1000, optimizer.weight_decay: 1, optimizer.name: sgd, trainer.max_epochs: 8}/' grid.yaml
    run "$RUNNER" grid.yaml
    [ "$status" -eq 1 ]
    [ "$(event_count run_finished)" -eq 4 ]
    [ "$(event_count run_failed)" -eq 2 ]
    [[ "$output" == *"4 finished, 2 failed"* ]]
    [[ "$output" == *"failed: broken"* ]]
    log=$(echo "$output" | sed -n 's/^ *log: //p' | head -1)
    grep -q "failed" "$log"
}

@test "failed runs are not tried again unless asked, and still count" {
    sed -i 's/^  decay: .*/  broken: {optimizer.lr: 1000, optimizer.weight_decay: 1, optimizer.name: sgd, trainer.max_epochs: 8}/' grid.yaml
    run "$RUNNER" grid.yaml --no-report
    [ "$status" -eq 1 ]
    run "$RUNNER" grid.yaml --no-report
    [ "$status" -eq 1 ]
    [[ "$output" == *"2 failed earlier"* ]]
    [[ "$output" == *"--retry-failed"* ]]
    [ "$(event_count run_failed)" -eq 2 ]
    run "$RUNNER" grid.yaml --no-report --restart-failed
    [ "$status" -eq 1 ]
    [ "$(event_count run_failed)" -eq 4 ]
}

@test "after --max-failures no run starts, with --fail-fast all stop" {
    sed -i 's/^  plain: .*/  plain: {optimizer.lr: 1000, optimizer.weight_decay: 1, optimizer.name: sgd, trainer.max_epochs: 8}/' grid.yaml
    run "$RUNNER" grid.yaml --no-report -j 1 -t 1 --max-failures 1 -o capped
    [ "$status" -eq 1 ]
    [[ "$output" == *"1 failed, 0 stopped, 0 elsewhere, 3 not started"* ]]
    run "$RUNNER" grid.yaml --no-report -j 1 -t 1 --fail-fast -o fast
    [ "$status" -eq 1 ]
    [[ "$output" == *"1 failed, 0 stopped, 0 elsewhere, 3 not started"* ]]
}

@test "--force trains finished runs again to the same bytes" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    digests results >expected
    "$RUNNER" grid.yaml --no-report --force 2>/dev/null
    [ "$(event_count run_started)" -eq 8 ]
    digests results | diff expected -
}

@test "two runners on one folder train each run once" {
    write_grid grid.yaml 20
    "$RUNNER" grid.yaml --no-report -j 2 2>/dev/null &
    first=$!
    "$RUNNER" grid.yaml --no-report -j 2 2>/dev/null
    wait $first
    [ "$(event_count run_finished)" -eq 4 ]
    [ "$(event_count run_failed)" -eq 0 ]
}

@test "every line of events.jsonl is JSON with time, event, host and pid" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    /usr/bin/python3 - results/small/events.jsonl <<'PYTHON'
import json, sys
names = []
for line in open(sys.argv[1]):
    event = json.loads(line)
    assert {"time", "event", "host", "pid"} <= event.keys(), event
    names.append(event["event"])
assert names[0] == "grid_started" and names[-1] == "grid_ended", names
assert names.count("epoch_saved") == 8, names
PYTHON
}

@test "the second signal ends the program at once with 128 and its number" {
    write_grid grid.yaml 20000
    "$RUNNER" grid.yaml --no-report 2>/dev/null &
    runner=$!
    wait_for 20 grep -qs epoch_saved results/small/events.jsonl
    kill -USR1 $runner
    kill -TERM $runner
    code=0
    wait $runner || code=$?
    [ "$code" -eq 143 ] || [ "$code" -eq 138 ] # whichever the kernel delivered second
}

@test "every stopping signal saves and is gone within five seconds" {
    write_grid grid.yaml 20000
    for signal in TERM USR1 HUP; do
        rm -f results/small/events.jsonl
        "$RUNNER" grid.yaml --no-report 2>/dev/null &
        runner=$!
        wait_for 20 grep -qs epoch_saved results/small/events.jsonl
        start=$SECONDS
        kill -$signal $runner
        code=0
        wait $runner || code=$?
        [ "$code" -eq 3 ]
        [ $((SECONDS - start)) -le 5 ]
        [ "$(event_count run_stopped)" -ge 1 ]
    done
}
