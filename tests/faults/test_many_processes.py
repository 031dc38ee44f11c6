"""Eight runners on one results folder, some of them killed, again and again.

Checked after every round: all files are whole, the digests are those of a single runner, no lock outlives its process, and
the epochs that were trained twice are at most (kills x (checkpoint interval + 1)) for every run that a killed process can
have held. Two live processes on one run would train all of its epochs twice and break that bound."""
import os
import re
import shutil
import subprocess
import sys
import time

import faults

PROCESSES, JOBS, EPOCHS, INTERVAL = 8, 1, 10, 1


def count_epochs(output):
    """Epochs called saved in all logs."""
    total = 0
    for path in faults.run_files(output):
        with open(os.path.join(os.path.dirname(path), "run.log"), encoding="utf-8") as log:
            total += len(re.findall(r"epoch \d+ saved:", log.read()))
    return total


def round_of(config, output, random, duration):
    command = faults.runner_command(config, output, "-j", JOBS, "-t", 1)
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  env=faults.environment()) for _ in range(PROCESSES)]
    kills = 0
    for process in random.sample(processes, PROCESSES // 2):
        time.sleep(random.uniform(0, duration / 5))
        if process.poll() is None:
            process.kill()
            kills += 1
    for process in processes:
        _, said = process.communicate(timeout=300)
        assert process.returncode in (0, 3, -9), f"exit {process.returncode}: {said}"
        assert "damaged" not in said, said
    return kills


def main():
    chosen = faults.options(__doc__, rounds=(2, 20))
    kills = again = 0
    with faults.scratch() as folder:
        config = faults.make_grid(folder, images=800, epochs=EPOCHS, runs=8)
        reference = os.path.join(folder, "reference")
        begin = time.monotonic()
        assert faults.run_grid(config, reference).returncode == 0
        whole, duration = faults.verify(reference), time.monotonic() - begin
        for number in range(chosen.rounds):
            output = os.path.join(folder, "shared")
            killed = round_of(config, output, chosen.random, duration)
            begin = time.monotonic()
            last = faults.run_grid(config, output)
            assert last.returncode == 0, f"round {number}: {last.stderr}"
            assert "held by" not in last.stderr, f"round {number}: a stale lock: {last.stderr}"
            assert faults.verify(output) == whole, f"round {number}: other digests"
            extra = count_epochs(output) - len(whole) * EPOCHS
            assert extra <= killed * JOBS * (INTERVAL + 1), f"round {number}: {extra} epochs again after {killed} kills"
            kills, again = kills + killed, again + max(extra, 0)
            shutil.rmtree(output)
    print(f"{chosen.rounds} rounds of {PROCESSES} processes, {kills} killed: all digests as from one process, 0 stale locks, "
          f"{again} epochs trained again (bound {kills * JOBS * (INTERVAL + 1)})")


if __name__ == "__main__":
    sys.exit(main())
