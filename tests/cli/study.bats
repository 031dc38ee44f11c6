#!/usr/bin/env bats
# The study under experiments/: its grids are the runs whose digests it keeps, and what chooses never sees the test set.

setup() {
    RUNNER=$RUNNER_BUILD/runner
    STUDY=$RUNNER_SOURCE/experiments/lenet5-regularisation
    [ -e /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz ] || skip "dataset-fashion-mnist is not installed"
}

@test "every grid of the study asks for the runs whose digests are kept" {
    for grid in choose reproduce dropout search networks finals; do
        asked=$("$RUNNER" config "$STUDY/$grid.yaml" | sed -n 's/^# .*, id //p' | sort)
        kept=$(tail -n +2 "$STUDY/outputs/$grid/digests.csv" | cut -d, -f1 | sort)
        echo "$grid: $(wc -l <<<"$kept") runs"
        [ "$asked" = "$kept" ]
    done
}

@test "what chooses is never tested, and shares no seed with what is tested" {
    for grid in choose search networks; do
        "$RUNNER" config "$STUDY/$grid.yaml" >"$BATS_TEST_TMPDIR/$grid"
        ! grep -E '^  evaluate_test: (end|epoch)' "$BATS_TEST_TMPDIR/$grid"
        ! grep -vE '^seed: 10[012]$' <(grep '^seed:' "$BATS_TEST_TMPDIR/$grid")
    done
    "$RUNNER" config "$STUDY/finals.yaml" >"$BATS_TEST_TMPDIR/finals"
    [ "$(grep -cE '^seed: [0-9]$' "$BATS_TEST_TMPDIR/finals")" -eq 50 ]
    [ "$(grep -c '^  evaluate_test: end' "$BATS_TEST_TMPDIR/finals")" -eq 50 ]
    [ "$(grep -c '^  validation_size: 0' "$BATS_TEST_TMPDIR/finals")" -eq 50 ]
}
