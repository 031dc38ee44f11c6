"""benchmark.py BUILD [RUNS] [FOLDER]: times of report over RUNS (10,000) finished runs of 30 epochs, in FOLDER or a new one.

Prints the median of five of each output (wall clock, and processor time where the machine is shared) beside its limit; the first call, with a cold cache of directories, is apart. Making
the folder takes minutes, since every stored run is synced to the disk; a FOLDER that is there is used again."""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

build = sys.argv[1]
runs = sys.argv[2] if len(sys.argv) > 2 else "10000"
folder = sys.argv[3] if len(sys.argv) > 3 else tempfile.mkdtemp()
grid = os.path.join(folder, f"large_{runs}")
OUTPUTS = [("table", ["--format", "md"], 2), ("page", ["--format", "html", "-o", os.path.join(folder, "page.html")], 5),
           ("runs.csv", ["--format", "csv", "--table", "runs"], None), ("results.h5", ["--merge", os.path.join(folder, "results.h5")], None)]


def seconds(arguments):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run([os.path.join(build, "report"), grid, *arguments], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if not os.path.exists(os.path.join(grid, "grid.json")):
    subprocess.run([os.path.join(build, "tests", "make_grid"), grid, "large", runs], check=True)
print(f"{runs} runs of 30 epochs in {grid}")
print(f"first call: {seconds(OUTPUTS[0][1])[0]:.2f} s")
for name, arguments, limit in OUTPUTS:
    wall, processor = zip(*(seconds(arguments) for _ in range(5)))
    print(f"{name:12}{statistics.median(wall):6.2f} s, processor {statistics.median(processor):5.2f} s{f'   limit {limit} s' if limit else ''}")
