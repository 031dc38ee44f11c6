#!/usr/bin/python3
"""Stands in for sbatch, squeue, scancel and scontrol: linked under these names in a folder that a test puts on PATH.

Each call adds a JSON line (its words) to $STUB_FOLDER/calls. What is answered is decided by files in that folder: `queue` is
squeue's output; sbatch refuses its `refuse_at`-th call (from 1) with sbatch's own words for a site's limit; a program named
in `hang` sleeps; `garbage` makes sbatch print no job id."""
import json
import os
import pathlib
import sys
import time

folder = pathlib.Path(os.environ["STUB_FOLDER"])
program = pathlib.Path(sys.argv[0]).name


def read(name, default=""):
    path = folder / name
    return path.read_text().strip() if path.exists() else default


def sbatch():
    calls = [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
    number = sum(call[0] == "sbatch" for call in calls)
    if read("refuse_at") == str(number):
        sys.exit("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates "
                 "accounting/QOS policy (job submit limit, user's size and/or time limits)")
    print("Submitted" if read("garbage") else 100 + number)


with open(folder / "calls", "a", encoding="utf-8") as calls:
    calls.write(json.dumps([program, *sys.argv[1:]]) + "\n")
if read("hang") == program:
    time.sleep(60)
if program == "sbatch":
    sbatch()
elif program == "squeue":
    sys.stdout.write((folder / "queue").read_text() if (folder / "queue").exists() else "")
elif program == "scontrol" and sys.argv[1:3] == ["show", "config"]:
    print("MaxArraySize            = " + read("max_array_size", "1001"))
