#!/usr/bin/env bats
# What `cmake --install` brings besides the programs: man pages and completions, and whether they know every option.

setup() {
    RUNNER=$RUNNER_BUILD/runner
    COMPLETION=$RUNNER_SOURCE/tools/completion
    cd "$BATS_TEST_TMPDIR" || return 1 # an empty folder: completion offers the names of files, too
}

long_options() {
    "$@" --help | grep -o -- '^ *\(-[a-zA-Z?], *\)\?--[a-z][a-z-]*' | grep -o -- '--[a-z-]*' | sort -u |
        grep -vx -e --help -e --usage -e --version
}

# Man pages write each '-' of an option as '\-'.
in_man_page() {
    grep -qF -- "${2//-/\\-}" "$RUNNER_SOURCE/docs/man/$1"
}

@test "the man page of runner names every command and every option of those that train or use models" {
    for command in run evaluate predict; do
        for option in $(long_options "$RUNNER" "$command"); do
            in_man_page runner.1 "$option" || { echo "$command $option"; false; }
        done
    done
    for command in $("$RUNNER" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
        grep -qx "\.B $command" "$RUNNER_SOURCE/docs/man/runner.1" || { echo "$command"; false; }
    done
}

@test "the man page of report names every option" {
    [ -x "$RUNNER_BUILD/report" ] || skip "report is not built"
    for option in $(long_options "$RUNNER_BUILD/report"); do
        in_man_page report.1 "$option" || { echo "$option"; false; }
    done
}

@test "man reads the pages without a warning" {
    command -v man >/dev/null || skip "no man here"
    for page in runner report; do
        [ -z "$(man --warnings -l "$RUNNER_SOURCE/docs/man/$page.1" 2>&1 >/dev/null)" ]
    done
}

complete_in_bash() {
    PATH="$RUNNER_BUILD:$PATH" bash -c "
        source '$COMPLETION/runner.bash'
        compopt() { :; }
        COMP_WORDS=($1 '$2'); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1))
        _runner runner
        printf '%s\n' \"\${COMPREPLY[@]}\""
}

@test "bash completes commands, options and settings" {
    [ "$(complete_in_bash runner stat)" = status ]
    [ "$(complete_in_bash 'runner run grid.yaml' --dry)" = --dry-run ]
    [ "$(complete_in_bash 'runner config grid.yaml' --ori)" = --origin ]
    [ "$(complete_in_bash 'runner grid.yaml' optimizer.mom)" = optimizer.momentum= ]
    [ "$(complete_in_bash 'runner help' BatchNorm2)" = BatchNorm2d ]
}

@test "zsh and fish read their completions" {
    if command -v zsh >/dev/null; then zsh -n "$COMPLETION/_runner"; fi
    if command -v fish >/dev/null; then fish --no-execute "$COMPLETION"/*.fish; fi
    command -v zsh >/dev/null || command -v fish >/dev/null || skip "neither zsh nor fish is here"
}

@test "a mistyped option is answered with the one meant" {
    run "$RUNNER" config grid.yaml --cannonical
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean '--canonical'"* ]]
    run "$RUNNER" grid.yaml --dryrun
    [ "$status" -eq 2 ]
    [[ "$output" == *"did you mean '--dry-run'"* ]]
    run "$RUNNER" grid.yaml --jbos 3
    [ "$status" -eq 2 ]
    [[ "$output" == *"--jobs"* ]]
}
