#!/usr/bin/env bats
# The live table on a real terminal (tmux), compared as text; and what is written where there is none.
load helpers

setup_terminal() { # COLUMNS ROWS [VARIABLE=VALUE...]
    command -v tmux >/dev/null || skip "tmux is not installed"
    local columns=$1 rows=$2
    shift 2
    unset NO_COLOR
    write_grid grid.yaml 20000
    TMUX_NAME=runner-test-$$-$BATS_TEST_NUMBER
    tmux -L "$TMUX_NAME" -f /dev/null new-session -d -x "$columns" -y "$rows" \
        "env $* bash --norc --noprofile -c 'echo a line above; \"$RUNNER\" grid.yaml --no-report -j 2 -t 1; echo code=\$?; sleep 60'"
}

teardown() {
    if [ -n "${TMUX_NAME:-}" ]; then
        tmux -L "$TMUX_NAME" send-keys C-c || true
        wait_for 10 shows '^code=' || true
        tmux -L "$TMUX_NAME" kill-server || true
    fi
    cd /
    chmod -R u+w "$FOLDER"
    rm -rf "$FOLDER"
}

screen() { # with the history, without blank lines
    tmux -L "$TMUX_NAME" capture-pane -p -S -200 "$@" | grep -v '^ *$'
}

shows() {
    screen | grep -qE "$1"
}

@test "the live table shows each run in a row and the total below" {
    setup_terminal 100 24
    wait_for 20 shows '^training plain seed=0 .* [0-9]+/20000 .*%'
    wait_for 20 shows '^\[0/4\] 2 running 2 queued \| 0% \| ETA [0-9-]'
    screen | grep -qE '^state +run +epoch +part +loss +accuracy +images/s +threads +ETA'
    [ "$(screen | grep -c '^training')" -eq 2 ]
    sleep 1.2 # it is redrawn in place: no second copy appears
    [ "$(screen | grep -c '^state ')" -eq 1 ]
    tmux -L "$TMUX_NAME" send-keys C-c
    wait_for 10 shows '^code=3'
    [ "$(screen | grep -c '^training')" -eq 0 ]
    [ "$(screen | head -1)" = "a line above" ]
}

@test "in 40 columns no line is cut in two" {
    setup_terminal 40 24
    wait_for 20 shows '^run +epoch +accuracy +ETA$'
    wait_for 20 shows '^plain se[^ ]* +[0-9]+/20000 '
    [ "$(screen | awk 'length > 39' | grep -c '20000')" -eq 0 ]
    shows '^\[0/4\] 2r 0f 2q 0% '
}

@test "a window that shrinks and grows keeps what stood above the table" {
    setup_terminal 100 24
    wait_for 20 shows '^training plain seed=0'
    for columns in 45 120 60 30 100; do
        tmux -L "$TMUX_NAME" resize-window -x "$columns" -y 24
        sleep 0.6
    done
    [ "$(screen | grep -c '^a line above$')" -eq 1 ]
    [ "$(screen -J | grep -c '^small: 4 runs: 4 new, 0 to resume, 0 finished, 0 failed earlier')" -eq 1 ]
    [ "$(screen -J | grep -c '^2 at once on 2 threads')" -eq 1 ]
    tmux -L "$TMUX_NAME" capture-pane -p | grep -q '^state '
    tmux -L "$TMUX_NAME" send-keys C-c
    wait_for 10 shows '^code=3'
}

@test "a window of few rows shows the first runs and says that there are more" {
    setup_terminal 100 5
    wait_for 20 shows '^and 1 more running'
    wait_for 20 shows '^\[0/4\] 2 running'
}

@test "NO_COLOR takes the colours away and leaves the table" {
    setup_terminal 100 24 NO_COLOR=1
    wait_for 20 shows '^training plain seed=0'
    tmux -L "$TMUX_NAME" capture-pane -p -e >coloured
    grep -q '0/4' coloured
    run ! grep -q "$(printf '\033')\[3[0-9]m" coloured
}

@test "TERM=dumb gets plain lines" {
    setup_terminal 160 24 TERM=dumb
    wait_for 20 shows '^\[0/4\] 2 running 2 queued .* \| plain seed=0 epoch [0-9]+/20000'
    [ "$(screen | grep -c '^state ')" -eq 0 ]
}

@test "what is no terminal gets lines without escape sequences, few of them" {
    write_grid grid.yaml 20000
    timeout -s INT 4 "$RUNNER" grid.yaml --no-report 2>err || true
    run ! grep -q "$(printf '\033')" err
    grep -qE '^\[0/4\] [0-9]+ running [0-9]+ queued \| [0-9]+% \| ETA ' err
    [ "$(grep -c '^\[' err)" -le 2 ]
}

@test "--progress=none is silent but for the end" {
    "$RUNNER" grid.yaml --no-report --progress=none 2>err
    [ "$(wc -l <err)" -le 2 ]
    grep -q "4 finished" err
}

@test "status --watch draws over itself and ends with the grid" {
    setup_terminal 100 24
    wait_for 20 shows '^training plain seed=0'
    tmux -L "$TMUX_NAME" split-window -l 11 "echo a line above; \"$RUNNER\" status results/small --watch; echo watched; sleep 60"
    wait_for 20 shows '^running +[0-9a-f]{8} plain seed=0'
    sleep 5
    [ "$(screen | grep -c '^state ')" -eq 1 ]
    [ "$(screen | head -1)" = "a line above" ]
    tmux -L "$TMUX_NAME" send-keys -t 0 C-c
    wait_for 10 shows '^watched'
    [ "$(screen | grep -c '^state ')" -eq 1 ]
    tmux -L "$TMUX_NAME" select-pane -t 0
}
