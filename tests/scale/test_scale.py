#!/usr/bin/python3
"""The limits of scale, in their short form: status over 10,000 runs, overhead a run, flat memory, the tail, 64 to 128 cores."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import scale  # noqa: E402


class Scale(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        cls.bench = scale.Bench(os.environ["RUNNER_BUILD"], cls.folder)

    @classmethod
    def tearDownClass(cls):
        subprocess.run(["chmod", "-R", "u+w", cls.folder], check=False)
        shutil.rmtree(cls.folder)

    def test_status_over_ten_thousand_runs_takes_under_a_second(self):
        found = scale.status(self.bench, 10000)
        self.assertLess(found["text_cpu_seconds"], 1.0)
        self.assertLess(found["json_cpu_seconds"], 1.0)

    def test_the_scheduler_adds_under_two_milliseconds_a_run(self):
        found = scale.overhead(self.bench, 300)
        self.assertLess(found["scheduler_cpu_ms_per_run"], 2.0)
        self.assertLess(found["outside_runs_ms_per_run"], 2.0)

    def test_a_finished_run_leaves_nothing_behind_in_memory(self):
        script = [sys.executable, "-W", "always", scale.__file__, "memory", "--runs", "500", "--json"]
        answer = subprocess.run(script, check=True, capture_output=True, text=True)
        self.assertLess(json.loads(answer.stdout)["memory"]["growth_bytes_per_run"], 2048)
        self.assertEqual(answer.stderr, "", "the script leaves files open")

    @unittest.skipIf(len(os.sched_getaffinity(0)) < 2, "one core: no tail to share")
    def test_elastic_teams_shorten_the_idle_tail(self):
        found = scale.tail(self.bench, 0)
        self.assertLess(found["elastic_idle"], found["fixed_idle"])

    def test_two_hundred_runs_on_64_to_128_cores_end_within_5_percent_of_the_bound(self):
        for row in scale.simulate(self.bench, 0):
            self.assertLess(row["over_bound"], 0.05, row)
            self.assertLess(row["elastic_seconds"], row["fixed_seconds"], row)


if __name__ == "__main__":
    unittest.main(verbosity=2)
