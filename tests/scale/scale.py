#!/usr/bin/python3
"""Measures what issues of scale depend on: the scheduler's overhead, status over many runs, memory, the tail, 64 cores.

    tests/scale/scale.py [--build build/release] [overhead] [status] [memory] [tail] [simulate] [--runs N] [--json]

Without names, all of them. Works in a folder of its own under /dev/shm (memory, where fsync costs nothing) or $TMPDIR.
Times of processes are CPU times where a loaded machine would falsify the clock."""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRID = """name: {name}
dataset: {{name: rectangles, format: idx, root: {data}, train_images: train-images-idx3-ubyte.gz,
          train_labels: train-labels-idx1-ubyte.gz, test_images: t10k-images-idx3-ubyte.gz,
          test_labels: t10k-labels-idx1-ubyte.gz}}
model:
  name: tiny
  layers: [{layers}]
optimizer: {{name: adam}}
trainer: {{max_epochs: {epochs}, batch_size: {batch}}}
sweep:
  seed: {{range: [0, {runs}]}}
"""
TINY = "Flatten, Linear: {name: linear1, out_features: 3}"
LARGER = ("Conv2d: {name: conv1, out_channels: 16, kernel_size: 5}, Tanh, Conv2d: {name: conv2, out_channels: 32, kernel_size: 5}, "
          "Tanh, Flatten, Linear: {name: linear1, out_features: 3}")


class Bench:
    def __init__(self, build, folder):
        self.build = pathlib.Path(build).resolve()
        self.folder = pathlib.Path(folder)
        self.runner = self.build / "runner"

    def data(self, name, train, size):
        data = self.folder / name
        if not data.exists():
            subprocess.run(["/usr/bin/python3", ROOT / "tests/data/make_idx.py", data, "--train", str(train), "--test", "32",
                            "--height", str(size), "--width", str(size), "--classes", "3"], check=True,
                           stdout=subprocess.DEVNULL)
        return data

    def grid(self, name, runs, train=32, size=8, epochs=1, batch=16, layers=TINY):
        listed = ", ".join("{" + part + "}" if ":" in part else part for part in split_layers(layers))
        path = self.folder / f"{name}.yaml"
        path.write_text(GRID.format(name=name, data=self.data(f"data-{train}-{size}", train, size), layers=listed,
                                    epochs=epochs, batch=batch, runs=runs))
        return path

    def run(self, grid, *options):
        """The grid_ended event, with the CPU seconds of the process and the sum of the runs' own seconds."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([self.runner, grid, "--no-report", "--progress=none", "-o", self.folder / "results", *options],
                       check=True, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        events = [json.loads(line) for line in (self.folder / "results" / grid.stem / "events.jsonl").read_text().splitlines()]
        ended = events[-1]
        ended["workers"] = [event for event in events if event["event"] == "grid_started"][-1]["workers"]
        ended["cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        ended["run_seconds"] = [event["seconds"] for event in events if event["event"] == "run_finished"]
        return ended


def split_layers(layers):
    parts, depth, part = [], 0, ""
    for letter in layers + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += letter
    return parts


def overhead(bench, runs):
    """Everything of a grid of tiny runs that is not inside a run, and what a whole tiny run costs."""
    alone = json.loads(subprocess.run([bench.build / "tests/schedule_nothing", str(runs)], check=True, capture_output=True).stdout)
    ended = bench.run(bench.grid("overhead", runs), "-j", "1", "-t", "1")
    outside = ended["wall_seconds"] - sum(ended["run_seconds"])
    return {"runs": runs, "scheduler_cpu_ms_per_run": alone["cpu_microseconds_per_job"] / 1000,
            "outside_runs_ms_per_run": 1000 * outside / runs, "whole_run_cpu_ms": 1000 * ended["cpu_seconds"] / runs}


def status(bench, runs):
    """runner status over a folder of many finished runs, written by make_grid without training."""
    folder = bench.folder / "many"
    if not folder.exists():
        subprocess.run([bench.build / "tests/make_grid", folder, "large", str(runs)], check=True, stdout=subprocess.DEVNULL)
    result = {"runs": runs}
    for name, options in (("text", []), ("json", ["--json"])):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run([bench.runner, "status", folder, *options], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        result[f"{name}_cpu_seconds"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        result[f"{name}_wall_seconds"] = time.monotonic() - start
    return result


def memory(bench, runs):
    """Resident size of the runner early and late in one grid: what a finished run leaves behind."""
    grid = bench.grid("memory", runs)
    events = bench.folder / "results" / "memory" / "events.jsonl"
    process = subprocess.Popen([bench.runner, grid, "--no-report", "--progress=none", "-j", "1", "-t", "1", "-o",
                                bench.folder / "results"], stderr=subprocess.DEVNULL)
    samples = []
    while process.poll() is None:
        time.sleep(0.05)
        done = events.read_text().count('"run_finished"') if events.exists() else 0
        try:
            lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
            size = next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
        except (OSError, ProcessLookupError):
            break
        if size and done:
            samples.append((done, size))
    early = [size for done, size in samples if done >= runs // 10] or [samples[0][1]]
    late = samples[-1]
    return {"runs": runs, "early_kb": early[0], "late_kb": late[1], "growth_bytes_per_run": 1024 * (late[1] - early[0]) / (0.9 * runs)}


def tail(bench, _runs):
    """Three equal runs on two threads: the idle part of the threads' time with and without elastic teams; -j 1 against -j 2."""
    result = {}
    options = {"fixed": ["-j", "2", "-t", "1", "--no-elastic"], "elastic": ["-j", "2", "-t", "1"], "one": ["-j", "1", "-t", "1"]}
    for name, words in options.items():
        grid = bench.grid(f"tail-{name}", 3, train=600, size=20, epochs=4, batch=64, layers=LARGER)
        ended = bench.run(grid, *words)
        result[f"{name}_wall_seconds"] = ended["wall_seconds"]
        result[f"{name}_idle"] = ended["idle_seconds"] / (ended["wall_seconds"] * ended["workers"])
    return result


def simulate(bench, _runs):
    """200 runs on 64 and 128 cores: recorded times of the founding variants on one thread, spread as seeds spread them, and
    the measured speed-up of a team (two threads measured, a team of n taken as Amdahl's law continues it, flat from 16 on)."""
    generator = random.Random(1)
    recorded = {"baseline": 100.0, "dropout": 108.0, "weight_decay": 100.0, "batch_norm": 125.0}
    times = "\n".join(str(seconds * generator.uniform(1.0, 1.1)) for _ in range(50) for seconds in recorded.values())
    serial = 2 / 1.85 - 1
    curve = ",".join(f"{1 / (serial + (1 - serial) / min(n, 16)):.3f}" for n in range(1, 17))
    return [json.loads(subprocess.run([bench.build / "tests/simulate_schedule", str(cores), curve], input=times.encode(), check=True,
                                      capture_output=True).stdout) for cores in (64, 96, 128)]


def main():
    parts = {function.__name__: function for function in (overhead, status, memory, tail, simulate)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts))
    parser.add_argument("--build", default=os.environ.get("RUNNER_BUILD", ROOT / "build/release"))
    parser.add_argument("--runs", type=int, help="runs of overhead, status and memory (default: 1000, 10000, 1000)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in parts]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(parts)}")
    memory_folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="runner-scale-", dir=memory_folder)
    results = {}
    try:
        bench = Bench(options.build, folder)
        for name in options.parts or parts:
            results[name] = parts[name](bench, options.runs or {"status": 10000}.get(name, 1000))
            if not options.json:
                print(f"{name}: {parts[name].__doc__.split('.')[0].split(':')[0].strip()}")
                for row in results[name] if isinstance(results[name], list) else [results[name]]:
                    print("  " + "  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()), flush=True)
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=False)
        shutil.rmtree(folder)
    if options.json:
        json.dump(results, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
