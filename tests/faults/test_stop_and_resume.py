"""Stops a run behind every one of its steps, resumes it, and compares digests with the run that was never stopped.

The run saves after every step, and strace sends SIGTERM at the n-th rename: that is a stop at step n, evaluation included.
It goes on with another number of threads. Then SIGTERM under load: four runs and two busy loops on the machine, the signal at a
random instant; saved and gone within five seconds, exit code 3, and the grid's digests at its end as if nothing had been.
And a second signal, which ends the program at once."""
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

import faults

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)
LIMIT = 5.0  # seconds from the signal to the end of the process


def stop_at(config, output, number):
    """Runs until the number-th save, which brings SIGTERM with it; False: it had ended before."""
    prefix = ["strace", "-f", "-o", "/dev/null", "-e", "trace=renameat", "-e",
              f"inject=renameat:signal=SIGTERM:when={number}"]
    answer = faults.run_grid(config, output, "-j", 1, "-t", 1, prefix=prefix)
    assert answer.returncode in (0, 3), f"stop {number}: exit {answer.returncode}, {answer.stderr}"
    return answer.returncode == 3


def stop_at_every_step(folder):
    # The shortest interval: whatever time a step takes, it is due.
    config = faults.make_grid(folder, images=140, epochs=3, runs=1, every_seconds="1e-9")
    reference = os.path.join(folder, "whole")
    assert faults.run_grid(config, reference, "-j", 1, "-t", 1).returncode == 0
    whole = faults.verify(reference)
    stops = number = 0
    while True:
        number += 1
        output = os.path.join(folder, f"stopped-{number}")
        stopped = stop_at(config, output, number)
        if stopped:
            stops += 1
            answer = faults.run_grid(config, output, "-j", 1, "-t", 1 + number % 2)
            assert answer.returncode == 0, f"resuming after stop {number}: {answer.stderr}"
        assert faults.verify(output) == whole, f"stop {number}: another digest"
        shutil.rmtree(output)
        if not stopped:
            return stops


@contextlib.contextmanager
def load():
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def stop_once(command, delay, name):
    """(exit code, seconds from the signal to the end): 0 for a grid that had ended before, 3 for one that was stopped."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               env=faults.environment())
    try:
        _, said = process.communicate(timeout=delay)
        assert process.returncode == 0, said
        return 0, 0.0
    except subprocess.TimeoutExpired:
        pass
    begin = time.monotonic()
    process.send_signal(name)
    _, said = process.communicate(timeout=60)
    # A signal before the handlers are set ends the process as any other; nothing had begun then.
    assert process.returncode in (0, 3, -name), f"{name}: exit {process.returncode}, {said}"
    return process.returncode, time.monotonic() - begin


def stop_under_load(folder, chosen):
    config = faults.make_grid(folder, images=3000, epochs=6, runs=4, channels=12)
    reference, output = os.path.join(folder, "reference"), os.path.join(folder, "loaded")
    begin = time.monotonic()
    assert faults.run_grid(config, reference).returncode == 0
    longest = time.monotonic() - begin  # without the load: a machine of any speed is hit while it trains
    whole, times, stops = faults.verify(reference), [], 0
    count = dict.fromkeys(SIGNALS, 0)
    with load():
        while stops < chosen.stops:
            name = min(count, key=count.get)  # each as often as the others
            code, seconds = stop_once(faults.runner_command(config, output), chosen.random.uniform(0.05, longest), name)
            if code == 0:
                assert faults.verify(output) == whole, "another digest"
                shutil.rmtree(output)
            elif code == 3:
                stops += 1
                count[name] += 1
                times.append(seconds)
                faults.verify(output)
    answer = faults.run_grid(config, output)
    assert answer.returncode == 0 and faults.verify(output) == whole, answer.stderr
    assert max(times) < LIMIT, f"{max(times):.2f} s from the signal to the end"
    return count, max(times)


def stop_at_once(folder):
    """A second signal does not wait: exit code 128 + its number, and nothing that was saved is lost."""
    config = faults.make_grid(folder, images=3000, epochs=40, runs=2, channels=12)
    reference, output = os.path.join(folder, "reference"), os.path.join(folder, "hurried")
    assert faults.run_grid(config, reference).returncode == 0
    codes = []
    for _ in range(10):
        process = subprocess.Popen(faults.runner_command(config, output), stderr=subprocess.DEVNULL,
                                   env=faults.environment())
        while not faults.run_files(output) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        codes.append(process.wait(60))
        faults.verify(output)
        if codes[-1] > 128:
            break
        shutil.rmtree(output, ignore_errors=True)
    # Both may arrive before the program looks; either may be taken as the second one.
    assert codes[-1] in (128 + signal.SIGINT, 128 + signal.SIGTERM), codes
    assert faults.run_grid(config, output).returncode == 0
    assert faults.verify(output) == faults.verify(reference), "another digest"


def main():
    chosen = faults.options(__doc__, stops=(5, 100))
    if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        faults.skip("strace is not installed or may not trace here")
    with faults.scratch() as folder:
        steps = stop_at_every_step(folder)
    with faults.scratch() as folder:
        stops, slowest = stop_under_load(folder, chosen)
    with faults.scratch() as folder:
        stop_at_once(folder)
    assert steps > 10, steps
    each = ", ".join(f"{count} {name.name}" for name, count in stops.items())
    print(f"stopped at each of {steps} saves and resumed: all digests identical; under load {each}: all saved and "
          f"gone, the slowest in {slowest:.2f} s, digests identical; a second signal ends it at once")


if __name__ == "__main__":
    sys.exit(main())
