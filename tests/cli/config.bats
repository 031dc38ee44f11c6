#!/usr/bin/env bats
# runner config, diff, schema, help, --dry-run and --filter: what is said of a configuration without training it.
load helpers

CONFIGS="$RUNNER_SOURCE/configs"

@test "config prints a configuration that gives the same run" {
    "$RUNNER" config --canonical "$CONFIGS/batch_norm.yaml" >first
    "$RUNNER" config "$CONFIGS/batch_norm.yaml" >resolved.yaml
    "$RUNNER" config --canonical resolved.yaml >second
    [ "$(tail -n +2 first)" = "$(tail -n +2 second)" ]
}

@test "config --origin names the file and line of every value" {
    run "$RUNNER" config --origin "$CONFIGS/dropout.yaml" optimizer.lr=0.25
    [ "$status" -eq 0 ]
    [[ "$output" == *"configs/base.yaml:"*"dataset.std: 0.353"* ]]
    [[ "$output" == *"command line:1:14"*"optimizer.lr: 0.25"* ]]
    [[ "$output" == *"default"*"optimizer.eps: 1e-08"* ]]
}

@test "diff says in what two configurations differ and ends with 1" {
    run "$RUNNER" diff "$CONFIGS/baseline.yaml" "$CONFIGS/weight_decay.yaml"
    [ "$status" -eq 1 ]
    [[ "$output" == *"optimizer.weight_decay"*"- 0"*"+ 0.0003"* ]]
    run "$RUNNER" diff "$CONFIGS/baseline.yaml" "$CONFIGS/all.yaml:baseline"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "diff compares a finished run with its configuration" {
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    name=$("$RUNNER" config grid.yaml --limit 1 | sed -n '1s/^# \(.*\), id .*/\1/p')
    id=$("$RUNNER" config grid.yaml --limit 1 | sed -n '1s/.*, id //p')
    run "$RUNNER" diff "results/small/runs/$id" "grid.yaml:$name"
    [ "$status" -eq 0 ]
    [ -z "$output" ]
}

@test "help explains settings, layers and commands, and guesses" {
    run "$RUNNER" help optimizer.weight_decay
    [ "$status" -eq 0 ]
    [[ "$output" == *"default   0"* ]]
    run "$RUNNER" help Conv2d
    [ "$status" -eq 0 ]
    [[ "$output" == *"kernel_size"* ]]
    run "$RUNNER" help weigth_decay
    [ "$status" -eq 2 ]
    run "$RUNNER" help lr
    [[ "$output" == *"did you mean 'optimizer.lr'"* ]]
}

@test "help explains the keys of a grid, by examples that work" {
    run "$RUNNER" help grid
    [[ "$output" == *"zip          sweep "* ]]
    sed '/^runs:/,$d' grid.yaml >base.yaml
    sed -i 's/p: 0.0/p: $dropout/; s/^  name: tiny/  name: tiny\n  parameters: {dropout: 0.1}/' base.yaml
    sed -i 's/^  test_labels.*/&\n  validation_size: 10/' base.yaml
    keys=$("$RUNNER" help grid | awk 'NF == 0 { exit } { print $1 }')
    [ "$(wc -w <<<"$keys")" -eq 20 ]
    for key in $keys; do
        example=$("$RUNNER" help "$key" | sed -n 's/^        //p')
        echo "$key: $example"
        case $key in
            name | include) continue ;; # of files that are not here
            runs | sweep) printf 'include: base.yaml\n%s\n' "$example" ;;
            halving) printf 'include: base.yaml\ntrainer.max_epochs: 9\n%s\n' "$example" ;;
            *) printf 'include: base.yaml\nsweep:\n  seed: {range: [0, 3]}\n  %s\n' "$example" ;;
        esac >try.yaml
        case $key in
            range) sed -i '3d' try.yaml ;;
            exclude) sed -i 's/seed: .*/seed: [3, 4]\n  optimizer.lr: [0.1, 0.2]/' try.yaml ;;
            when) sed -i 's/seed: .*/optimizer.name: [adam, sgd]/' try.yaml ;;
            uniform | loguniform | randint | lograndint | choice) echo '  samples: 2' >>try.yaml ;;
            samples | sample_seed) printf '  optimizer.lr: {uniform: [0.1, 1]}\n' >>try.yaml ;;
        esac
        [ "$key" != sample_seed ] || echo '  samples: 3' >>try.yaml
        run "$RUNNER" config try.yaml
        echo "$output" | head -5
        [ "$status" -eq 0 ]
    done
}

@test "schema prints the schema that lies beside the configurations" {
    "$RUNNER" schema >schema.json
    cmp schema.json "$CONFIGS/schema.json"
}

@test "dry-run counts, estimates and writes nothing" {
    run "$RUNNER" grid.yaml --dry-run
    [ "$status" -eq 0 ]
    [[ "$output" == *"4 of 4 runs: 4 new, 0 finished, 0 resumable, 0 failed"* ]]
    [[ "$output" == *"core-hours"* ]]
    [ ! -e results ]
    "$RUNNER" grid.yaml --no-report 2>/dev/null
    run "$RUNNER" grid.yaml --dry-run
    [[ "$output" == *"4 of 4 runs: 0 new, 4 finished"* ]]
    [[ "$output" == *"nothing to do"* ]]
}

@test "filter, partition and limit choose runs and leave grid.json whole" {
    "$RUNNER" grid.yaml --no-report --filter 'seed == 0' --limit 1 2>/dev/null
    [ "$(event_count run_finished)" -eq 1 ]
    [ "$(grep -o '"id"' results/small/grid.json | wc -l)" -eq 4 ]
    run "$RUNNER" grid.yaml --filter 'seed == 99'
    [ "$status" -eq 4 ]
    run "$RUNNER" grid.yaml --filter 'sed == 1'
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean 'seed'"* ]]
    run "$RUNNER" grid.yaml --partition 3/2
    [ "$status" -eq 2 ]
}

@test "the parts of a partition are the whole, each run once" {
    for part in 1 2 3; do
        "$RUNNER" config grid.yaml --partition "$part/3" | grep '^# ' || true
    done | sort >parts
    "$RUNNER" config grid.yaml | grep '^# ' | sort >whole
    cmp parts whole
}

@test "a model that does not fit its data is answered at its layer, with nothing written" {
    printf 'include: %s/base.yaml\nmodel:\n  layers:\n    - Linear: {out_features: 10}\n' "$CONFIGS" >wrong.yaml
    run "$RUNNER" wrong.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"wrong.yaml:4:7: error: "*"Flatten"*"1x28x28"* ]]
    [[ "$output" == *"4 |     - Linear: {out_features: 10}"* ]]
    [ ! -e results ]
}

@test "a first-time user is told what to do next" {
    run "$RUNNER"
    [ "$status" -eq 2 ]
    [[ "$output" == *"configs/all.yaml"* ]]
    run "$RUNNER" nowhere.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"nowhere.yaml"*"No such file"* ]]
    run "$RUNNER" "$CONFIGS"
    [ "$status" -eq 2 ]
    [[ "$output" == *"is a folder"* ]]
}
