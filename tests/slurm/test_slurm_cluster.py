#!/usr/bin/python3
"""`runner submit` on a real Slurm: every promise of docs/cluster.md, shown on slurmctld and two slurmd that this test starts.

Scenarios that leave the nodes alone share the cluster's four cores at once; those that take a node away come one by one.
Nothing waits for a time of its own: each step waits for what it needs (a saved epoch, a second attempt in a log). With
RUNNER_LONG=1 a real time limit of three minutes is added, which Slurm looks at twice a minute."""
import os
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import grids
from grids import Grid
from slurm_cluster import SlurmCluster, missing, wait_until

LONG_SECONDS = 10  # of a run alone on this machine, however fast it is: long enough to be caught in the middle


def is_alive(process):
    """False for zombies, too."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class OnTheCluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = pathlib.Path(tempfile.mkdtemp(prefix="grids-"))
        grids.make_data(cls.top / "data", 3000)
        cls.trained_here = {}
        cls.long_epochs = cls.epochs_in(LONG_SECONDS)
        cls.cluster = cls.enterClassContext(SlurmCluster(max_array_size=5))

    @classmethod
    def epochs_in(cls, seconds, sample=40):
        folder = cls.top / "calibration"
        folder.mkdir()
        grid = Grid(folder, "calibration", cls.top / "data", epochs=sample)
        begin = time.monotonic()
        grid.train_here()
        return max(sample, round(sample * seconds / (time.monotonic() - begin)))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.top, ignore_errors=True)

    def grid(self, name, **options):
        folder = self.top / name
        folder.mkdir()
        return Grid(folder, name, self.top / "data", **options)

    def long_grid(self, name, epochs=None):
        return self.grid(name, epochs=epochs or self.long_epochs)

    def submit(self, grid, *options, check=True, cores=1):
        words = ("submit", "--engine", "slurm", grid.file, "--cores", cores, *options)
        return grid.runner(*words, environment=self.cluster.environment, check=check)

    def wait_finished(self, grid, seconds=120):
        name = grid.job_name()
        self.cluster.wait_jobs_end(seconds, name=f"{name},{name}-report")

    def wait_epochs(self, grid, count, seconds=60):
        def enough():
            return (grid.results / "grid.json").exists() and grid.epochs() >= count

        wait_until(enough, seconds, f"{grid.name} has not saved {count} epochs: {grid.logs()}")

    def wait_attempt(self, grid, number, seconds=60):
        wait_until(lambda: self.attempts(grid) >= number, seconds, f"no attempt {number} of {grid.name}: {grid.logs()}")

    def attempts(self, grid):
        return sum(len(re.findall("^attempt ", text, re.MULTILINE)) for text in grid.logs().values())

    def task_node(self, grid):
        rows = self.cluster.jobs("%T %N", name=grid.job_name())
        return next(row[1] for row in rows if row[0] == "RUNNING" and len(row) > 1)

    def task_states(self, grid):
        return {row[1]: row[2] for row in self.cluster.jobs("%F %K %T", name=grid.job_name())}

    def batch_process(self, grid, node):
        """The process id of the grid's task on a node."""
        command = str(grid.results).encode()
        for process in self.cluster.task_processes(node):
            words = pathlib.Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if b"worker" in words and any(command in word for word in words):
                return process
        raise AssertionError(f"no worker of {grid.name} on {node}")

    def assert_same_as_here(self, grid):
        """Every run of the cluster has the digest that it has on this machine alone, and nothing torn lies about. Grids of
        the same settings are trained here once: neither ids nor digests depend on a grid's name."""
        settings = grid.file.read_text().partition("\n")[2]
        if settings not in self.trained_here:
            self.trained_here[settings] = grid.train_here()
        here = self.trained_here[settings]
        self.assertGreater(len(here), 0)
        self.assertEqual(grid.digests(), here)
        self.assertEqual(grid.leftovers(), [])

    # The scenarios without trouble on the nodes, in one test since they run at the same time.
    def test_1_together(self):
        founding = self.submit_founding()
        big = self.submit_big()
        failing = self.grid("failing", runs="  good: {}\n  bad: {optimizer.name: sgd, optimizer.lr: 1000, optimizer.weight_decay: 1000}\n")
        self.submit(failing, "--minutes-per-task", "1e-6")
        cancelled = self.long_grid("cancelled", epochs=50 * self.long_epochs)
        self.submit(cancelled)
        warned = self.long_grid("warned")
        self.submit(warned)
        self.check_double_submission(warned)
        self.cancel_when_running(cancelled)
        self.warn_when_running(warned)
        for grid in (founding, big, failing, cancelled, warned):
            self.wait_finished(grid)
        with self.subTest("the founding grid ends with its table, to the bytes of one machine"):
            self.check_founding(founding)
        with self.subTest("a grid larger than MaxArraySize is several arrays, and each chunk is one task"):
            self.check_big(big)
        with self.subTest("a failing run fails its task, the others finish, the report lists it"):
            self.check_failing(failing)
        with self.subTest("scancel is final, and the next submission goes on from the save"):
            self.check_cancelled(cancelled)
        with self.subTest("SIGUSR1 saves, requeues and goes on to the same bytes, with both attempts in the log"):
            self.check_warned(warned)

    def submit_founding(self):
        folder = self.top / "founding"
        folder.mkdir()
        grid = Grid(folder, "all", self.top / "data")
        grid.file = grids.SOURCE / "configs" / "all.yaml"
        self.founding_settings = ("dataset.train_limit=600", "dataset.test_limit=200", "trainer.max_epochs=2")
        self.submit(grid, *self.founding_settings, cores=2)
        return grid

    def check_founding(self, grid):
        grid.runner("run", grid.file, *self.founding_settings, "-o", "local", "--no-report", "--progress=none")
        self.assertEqual(grid.digests(), grid.digests(grid.folder / "local" / "all"))
        self.assertEqual(len(grid.digests()), 4)
        table = (grid.results / "summary.md").read_text()
        for variant in ("baseline", "dropout", "weight_decay", "batch_norm"):
            self.assertIn(variant, table)
        self.assertTrue((grid.results / "summary.csv").read_text().startswith(("variant", "model", "Model", "group")))

    def submit_big(self):
        grid = self.grid("big", seeds=12, epochs=1)
        answer = self.submit(grid, "--minutes-per-task", "1e-9", "--max-parallel", "3")
        self.assertEqual(len(re.findall("^job .*chunks", answer.stdout, re.MULTILINE)), 3, answer.stdout)
        return grid

    def check_big(self, grid):
        rows = self.cluster.jobs("%F %K", name=grid.job_name())
        self.assertEqual(len(rows), 12)
        self.assertEqual(len({job for job, _ in rows}), 3)
        self.assertTrue(all(int(index) < 5 for _, index in rows))
        self.assertEqual(self.attempts(grid), 12)
        self.assert_same_as_here(grid)

    def check_double_submission(self, grid):
        before = len(self.cluster.jobs())
        answer = self.submit(grid)
        self.assertEqual(answer.stdout, "")
        self.assertIn("0 to send", answer.stderr)
        self.assertEqual(len(self.cluster.jobs()), before)
        self.assertEqual(len(grid.submissions()), 1)

    def check_failing(self, grid):
        states = sorted(self.task_states(grid).values())
        self.assertEqual(states, ["COMPLETED", "FAILED"])
        self.assertEqual({run["variant"]: run["state"] for run in grid.states().values()},
                         {"good": "finished", "bad": "failed"})
        self.assertIn("bad", (grid.results / "summary.md").read_text())
        answer = grid.runner("status", "--slurm", grid.results, environment=self.cluster.environment, check=False)
        self.assertRegex(answer.stdout, r"task \d+_\d \(chunk \d\) FAILED on n\d: log .*\.log")

    def cancel_when_running(self, grid):
        self.wait_epochs(grid, 2)
        answer = grid.runner("cancel", grid.results, environment=self.cluster.environment)
        self.assertEqual(len(re.findall("^cancelled job", answer.stdout, re.MULTILINE)), 2)

    def check_cancelled(self, grid):
        self.assertEqual(list(self.task_states(grid).values()), ["CANCELLED"] * 1)
        self.assertEqual(self.attempts(grid), 1)
        (log,) = grid.logs().values()
        self.assertIn("1 stopped", log)
        saved = grid.epochs()
        self.assertGreaterEqual(saved, 2)
        answer = self.submit(grid)
        self.assertIn("1 to send", answer.stderr)
        self.wait_epochs(grid, saved + 1)
        again = grid.runner("cancel", grid.results, environment=self.cluster.environment)
        self.assertIn("1 task of", again.stderr)
        self.wait_finished(grid)
        nothing = grid.runner("cancel", grid.results, environment=self.cluster.environment, check=False)
        self.assertEqual(nothing.returncode, 4)

    def warn_when_running(self, grid):
        self.wait_epochs(grid, 2)
        (job,) = {row[0] for row in self.cluster.jobs("%F", name=grid.job_name())}
        self.cluster.run("scancel", "-b", "-s", "USR1", f"{job}_0")

    def check_warned(self, grid):
        (log,) = grid.logs().values()
        self.assertEqual(self.attempts(grid), 2)
        self.assertIn("everything is saved; requeueing", log)
        self.assertIn("1 to resume", log)
        self.assertLess(log.index("requeueing"), log.index("1 to resume"))
        self.assertEqual(list(self.task_states(grid).values()), ["COMPLETED"])
        self.assert_same_as_here(grid)

    def test_2_a_node_set_down_costs_nothing(self):
        grid = self.long_grid("down")
        self.submit(grid)
        self.wait_epochs(grid, 2)
        node = self.task_node(grid)
        self.cluster.node_set(node, "DOWN")
        self.wait_attempt(grid, 2)
        self.wait_finished(grid)
        (log,) = grid.logs().values()
        self.assertIn("1 to resume", log)
        self.assert_same_as_here(grid)
        self.cluster.wait_nodes_idle()

    def test_3_a_killed_node_costs_what_was_not_saved(self):
        grid = self.long_grid("killed")
        self.submit(grid)
        self.wait_epochs(grid, 2)
        node = self.task_node(grid)
        process = self.batch_process(grid, node)
        self.cluster.kill_node(node)
        wait_until(lambda: not is_alive(process), 10, "the task does not die")
        self.wait_attempt(grid, 2)
        self.wait_finished(grid)
        self.cluster.start_node(node)
        self.assertIn("1 to resume", "".join(grid.logs().values()))
        self.assert_same_as_here(grid)
        self.cluster.wait_nodes_idle()

    def test_4_an_orphan_beside_its_copy_is_harmless(self):
        grid = self.long_grid("orphan")
        self.submit(grid)
        self.wait_epochs(grid, 2)
        node = self.task_node(grid)
        orphan = self.batch_process(grid, node)
        os.kill(orphan, signal.SIGSTOP)
        self.cluster.kill_node(node, tasks=False)
        saved = grid.epochs()
        self.wait_attempt(grid, 2)
        self.wait_epochs(grid, saved + 1)
        self.assertIn("going on beside it", "".join(grid.logs().values()))
        os.kill(orphan, signal.SIGCONT)
        self.wait_finished(grid)
        wait_until(lambda: not is_alive(orphan), 60, "the orphan does not end")
        self.cluster.start_node(node)
        self.assertEqual([run["state"] for run in grid.states().values()], ["finished"])
        self.assert_same_as_here(grid)
        self.cluster.wait_nodes_idle()

    def test_5_a_results_folder_that_nodes_do_not_see_is_named(self):
        grid = self.grid("unshared")
        for node in ("n1", "n2"):
            self.cluster.node_set(node, "DRAIN")  # so that the task waits until the folder is gone
        self.submit(grid)
        name = grid.job_name()
        hidden = grid.folder / "elsewhere"
        (grid.folder / "results").rename(hidden)
        for node in ("n1", "n2"):
            self.cluster.node_set(node, "RESUME")
        self.cluster.wait_jobs_end(60, name=f"{name},{name}-report")
        self.assertEqual(self.cluster.jobs("%T", name=name), [["FAILED"]])
        hidden.rename(grid.folder / "results")
        answer = grid.runner("status", "--slurm", grid.results, environment=self.cluster.environment, check=False)
        self.assertIn("left no log; can its node see", answer.stdout)

    def test_6_refused_by_the_controller(self):
        grid = self.grid("refused")
        answer = self.submit(grid, "--partition-name", "nowhere", check=False)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("invalid partition", answer.stderr.lower())
        self.assertIn("nothing was submitted", answer.stderr)
        self.assertEqual(grid.submissions(), [])

    @unittest.skipUnless(os.environ.get("RUNNER_LONG") == "1", "takes five minutes: RUNNER_LONG=1")
    def test_7_a_real_time_limit_is_met_by_a_requeue(self):
        grid = self.long_grid("limited", epochs=100000)
        begin = time.monotonic()
        self.submit(grid, "--time", "3")
        self.wait_attempt(grid, 2, seconds=240)
        self.assertGreater(time.monotonic() - begin, 30)
        saved = grid.epochs()
        self.wait_epochs(grid, saved + 1)
        grid.runner("cancel", grid.results, environment=self.cluster.environment)
        self.wait_finished(grid)
        (log,) = grid.logs().values()
        self.assertIn("everything is saved; requeueing", log)
        self.assertIn("1 to resume", log)


    def setUp(self):
        self.begin = time.monotonic()

    def tearDown(self):
        print(f"({time.monotonic() - self.begin:.1f} s) ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    absent = missing()
    if absent:
        print(f"skipped: not here: {', '.join(absent)} (tools/packages names Slurm's packages)")
        sys.exit(77)
    unittest.main(verbosity=2)
