#!/usr/bin/env bash
# From a bare Debian 12 to the summary table: packages, build, the four founding runs on Fashion-MNIST.
#
#   tools/quickstart.sh [ARGUMENT…]     arguments go to runner: -j 4, trainer.max_epochs=5, …
#
# The same command again does only what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools/setup.sh build run
cmake --preset release >/dev/null
cmake --build --preset release
exec build/release/runner configs/all.yaml "$@"
