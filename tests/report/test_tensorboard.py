"""report --tensorboard, read back by TensorBoard's own reader (PyPI's tensorboard; not in Debian, so skipped without it)."""
import csv
import os
import shutil
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as missing:
    print(f"skipped: {missing} (pip install tensorboard, or name its folder in PYTHONPATH)")
    sys.exit(77)

BUILD = os.environ["RUNNER_BUILD"]
folder = tempfile.mkdtemp()
grid, events = os.path.join(folder, "troubled"), os.path.join(folder, "events")
try:
    subprocess.run([os.path.join(BUILD, "tests", "make_grid"), grid, "troubled"], check=True)
    table = subprocess.run([os.path.join(BUILD, "report"), grid, "--tensorboard", events, "--format", "csv", "--table", "history"],
                           check=True, capture_output=True, text=True).stdout
    expected = {}
    for row in csv.DictReader(table.splitlines()):
        tag = row["metric"] + ("/" + row["split"] if row["split"] else "")
        expected.setdefault(row["id"][:8], {}).setdefault(tag, []).append((int(row["epoch"]), float(row["value"])))
    found = {}
    for run in os.listdir(events):
        reader = EventAccumulator(os.path.join(events, run))
        reader.Reload()
        found[run[-8:]] = {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}
    assert found.keys() == expected.keys() and len(found) == 8, (found.keys(), expected.keys())
    for run, tags in expected.items():
        assert found[run].keys() == tags.keys(), (found[run].keys(), tags.keys())
        for tag, points in tags.items():
            assert [step for step, _ in found[run][tag]] == [step for step, _ in points]
            assert all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(found[run][tag], points)), (run, tag)
    print(f"ok: TensorBoard read {sum(len(points) for tags in found.values() for points in tags.values())} values of {len(found)} runs")
finally:
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)
