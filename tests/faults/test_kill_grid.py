"""Kills a two-run grid (kill -9) at random instants and starts it again, until it has been killed often enough.

After every kill each run file passes `runner verify`, and no epoch that the run's log calls saved is missing from it. Whenever
the grid gets to its end, its digests are those of the grid that was never interrupted; it then starts from nothing again.
The runs use one thread and save after every epoch, then two threads and save within epochs as well."""
import os
import shutil
import subprocess
import sys
import time

import h5py

import faults


def check_files(output):
    """(run files, epochs that were acknowledged and are there)."""
    faults.verify(output)
    epochs = 0
    files = faults.run_files(output)
    for path in files:
        said = faults.acknowledged_epochs(path)
        with h5py.File(path, "r") as file:
            kept = len(file["history/epoch"])
        assert kept >= said, f"{path}: {said} epochs acknowledged, {kept} kept"
        epochs += said
    return len(files), epochs


def start_and_kill(command, delay):
    """True when it had come to its end before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env=faults.environment())
    try:
        _, said = process.communicate(timeout=delay)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    assert process.returncode == 0, said
    assert "damaged" not in said and "set aside" not in said, said
    return True


def campaign(folder, config, threads, chosen):
    reference = os.path.join(folder, "reference")
    begin = time.monotonic()
    answer = faults.run_grid(config, reference, "-j", 2, "-t", threads)
    assert answer.returncode == 0, answer.stderr
    whole, duration = faults.verify(reference), time.monotonic() - begin
    output = os.path.join(folder, "killed")
    # Two threads also save within epochs; how often a run is saved is no part of its identity, and may not change its bits.
    arguments = ["-j", 2, "-t", threads] + (["checkpoint.every_seconds=0.005"] if threads == 2 else [])
    command = faults.runner_command(config, output, *arguments)
    kills = ends = files = epochs = 0
    while kills < chosen.kills:
        if start_and_kill(command, chosen.random.uniform(0.01, 0.5 * duration)):
            assert faults.verify(output) == whole, f"other digests after {kills} kills"
            ends += 1
            shutil.rmtree(output)
            continue
        kills += 1
        seen = check_files(output)
        files, epochs = files + seen[0], epochs + seen[1]
    last = faults.run_grid(config, output, *arguments)
    assert last.returncode == 0 and faults.verify(output) == whole, last.stderr
    shutil.rmtree(reference)
    shutil.rmtree(output)
    return kills, ends + 1, files, epochs, whole


def main():
    chosen = faults.options(__doc__, kills=(15, 500))
    results = []
    with faults.scratch() as folder:
        config = faults.make_grid(folder, epochs=20)
        results = [campaign(folder, config, threads, chosen) for threads in (1, 2)]
    assert results[0][4] == results[1][4], "one and two threads give other digests"
    kills, ends, files, epochs = (sum(result[i] for result in results) for i in range(4))
    print(f"{kills} kills at 1 and 2 threads, half of them with saves within epochs: {files} files read, 0 unreadable; {epochs} acknowledged epochs looked for, "
          f"0 lost; {ends} grids came to their end, all digests identical to the uninterrupted grid's")


if __name__ == "__main__":
    sys.exit(main())
