#!/usr/bin/python3
"""`runner submit`, `worker` and `cancel` against stand-ins for Slurm's programs: what is asked of Slurm, word for word, and
that nothing is left half-submitted whatever it answers. Runs everywhere, no Slurm needed."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import grids
from grids import Grid

FOUR_RUNS = "  plain: {}\n  decay: {optimizer.weight_decay: 0.01}\n"


class AgainstStubs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.data = pathlib.Path(tempfile.mkdtemp(prefix="stub-data-"))
        grids.make_data(cls.data, 1000)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.data, ignore_errors=True)

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="stub-"))
        self.stub = self.folder / "stub"
        self.stub.mkdir()
        for name in ("sbatch", "squeue", "scancel", "scontrol"):
            (self.stub / name).symlink_to(pathlib.Path(__file__).parent / "stub_slurm.py")
        (self.stub / "calls").touch()
        self.environment = dict(os.environ, STUB_FOLDER=str(self.stub), SBATCH_PARTITION="surprise",
                                PATH=f"{self.stub}:{os.environ['PATH']}", RUNNER_SLURM_SECONDS="2")
        self.grid = Grid(self.folder, "small", self.data, runs=FOUR_RUNS, seeds=2)

    def tearDown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def say(self, **answers):
        for name, text in answers.items():
            (self.stub / name).write_text(text)

    def calls(self, program):
        rows = [json.loads(line) for line in (self.stub / "calls").read_text().splitlines()]
        return [row[1:] for row in rows if row[0] == program]

    def submit(self, *options, check=False):
        words = ("submit", "--engine", "slurm", self.grid.file, *options)
        return self.grid.runner(*words, environment=self.environment, check=check)

    def test_what_is_asked_of_sbatch(self):
        self.say(max_array_size="3")
        self.submit("--minutes-per-task", "1e-9", "--max-parallel", "2", "--cores", "3", "--time", "1:30:00",
                    "--partition-name", "long", "--account", "lab", "--sbatch=--qos=low", check=True)
        (submission,) = self.grid.submissions()
        script, report = str(submission / "job.sh"), str(submission / "report.sh")
        mark = f"--comment={submission.name}"
        self.assertEqual(self.calls("sbatch"), [
            ["--parsable", "--array=0-2%1", f"{mark}+0", script, "0"],
            ["--parsable", "--array=0-0%1", f"{mark}+3", script, "3"],
            ["--parsable", "--dependency=afterany:101:102", report],
        ])
        lines = (submission / "job.sh").read_text().splitlines()
        for line in ("#SBATCH --cpus-per-task=3", "#SBATCH --time=90", "#SBATCH --requeue", "#SBATCH --open-mode=append",
                     "#SBATCH --signal=B:USR1@120", "#SBATCH --partition=long", "#SBATCH --account=lab",
                     "#SBATCH --qos=low"):
            self.assertIn(line, lines)
        self.assertTrue(lines[-1].startswith("exec "))
        self.assertEqual((submission / "jobids").read_text(),
                         "array 101 first_chunk 0 chunks 3\narray 102 first_chunk 3 chunks 1\nreport 103\n")

    def test_dry_run_sends_and_writes_nothing(self):
        answer = self.submit("--dry-run", check=True)
        self.assertIn("#SBATCH --requeue", answer.stdout)
        self.assertRegex(answer.stdout, r"\n +0 +4 +\d")
        self.assertEqual(self.calls("sbatch"), [])
        self.assertFalse((self.folder / "results").exists())

    def test_dry_run_needs_no_slurm(self):
        self.environment["PATH"] = "/nowhere"
        answer = self.submit("--dry-run", check=True)
        self.assertIn("planned without the queue", answer.stderr)
        self.assertIn("4 runs in 1 chunk of at most", answer.stdout)

    def test_without_slurm_the_missing_program_is_named(self):
        self.environment["PATH"] = "/nowhere"
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("there is no program 'squeue' on PATH", answer.stderr)
        self.assertEqual(self.grid.submissions(), [])

    def test_a_refused_array_takes_the_earlier_ones_back(self):
        self.say(max_array_size="2", refuse_at="2")
        answer = self.submit("--minutes-per-task", "1e-9")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("job submit limit", answer.stderr)
        self.assertIn("nothing was submitted", answer.stderr)
        self.assertEqual(self.calls("scancel"), [["101"]])
        self.assertEqual(self.grid.submissions(), [])

    def test_a_refused_report_job_takes_all_back(self):
        self.say(refuse_at="2")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertEqual(self.calls("scancel"), [["101"]])
        self.assertEqual(self.grid.submissions(), [])

    def test_an_sbatch_that_does_not_answer_is_looked_up_in_the_queue(self):
        self.say(hang="sbatch")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("sbatch did not answer within 2 seconds", answer.stderr)
        self.assertEqual(len(self.calls("squeue")), 2)
        self.assertEqual(self.grid.submissions(), [])

    def test_no_answer_from_squeue_sends_nothing(self):
        self.say(hang="squeue")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("squeue did not answer within 2 seconds", answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])

    def test_an_unreadable_answer_sends_nothing(self):
        self.say(queue="slurm_load_jobs error\n")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("squeue answered with a line that is not of the form asked for", answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])

    def test_no_job_id_is_no_submission(self):
        self.say(garbage="yes")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("sbatch printed no job id but 'Submitted", answer.stderr)
        self.assertEqual(self.grid.submissions(), [])

    def test_only_what_is_neither_finished_nor_queued_is_sent(self):
        self.submit("--minutes-per-task", "1e-9", check=True)
        (first,) = self.grid.submissions()
        ids = [chunk["runs"] for chunk in json.loads((first / "manifest.json").read_text())["chunks"]]
        self.say(queue=f"101|0|101|RUNNING|n1|x|None|{first.name}+0\n101|1|102|COMPLETED|n1|x|None|{first.name}+0\n"
                       f"101|2|103|FAILED|n1|x|None|{first.name}+0\n101|3|104|PENDING||x|None|{first.name}+0\n")
        time.sleep(1.1)  # the name of a submission has its second in it
        answer = self.submit(check=True)
        self.assertIn("2 in the queue, 2 to send", answer.stderr)
        second = [path for path in self.grid.submissions() if path != first]
        sent = [run for chunk in json.loads((second[0] / "manifest.json").read_text())["chunks"] for run in chunk["runs"]]
        self.assertEqual(sorted(sent), sorted(ids[1] + ids[2]))
        self.assertIn("--dependency=afterany:103:101", self.calls("sbatch")[-1])

    def test_a_lost_manifest_of_a_live_task_sends_nothing(self):
        self.say(queue="101|0|101|RUNNING|n1|x|None|20200101T000000Z-1+0\n")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("20200101T000000Z-1/manifest.json", answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])

    def test_a_task_that_does_not_say_what_it_holds_sends_nothing(self):
        self.say(queue="101|0|101|RUNNING|n1|x|None|a comment of the site\n")
        answer = self.submit()
        self.assertEqual(answer.returncode, 1)
        self.assertIn("task 101_0 is this grid's by its name", answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])

    def test_status_tells_programs_what_each_task_holds(self):
        self.submit("--minutes-per-task", "1e-9", check=True)
        (submission,) = self.grid.submissions()
        chunks = json.loads((submission / "manifest.json").read_text())["chunks"]
        self.say(queue=f"101|0|101|RUNNING|n1|x|None|{submission.name}+0\n101|2|103|PENDING||x|Priority|{submission.name}+0\n"
                       f"102|N/A|102|PENDING||x|Dependency|(null)\n")
        answer = self.grid.runner("status", "--slurm", "--json", self.grid.results, environment=self.environment)
        slurm = json.loads(answer.stdout)["slurm"]
        self.assertEqual(slurm["runs"], {chunks[0]["runs"][0]: "running", chunks[2]["runs"][0]: "pending"})
        self.assertEqual([(task["array_job"], task["index"], task["state"]) for task in slurm["tasks"]],
                         [(101, 0, "RUNNING"), (101, 2, "PENDING")])

    def test_mistakes_on_the_command_line(self):
        for options, words in ((["--time", "soon"], "--time is minutes"), (["--cores", "0"], "--cores needs"),
                               (["--minutes-per-task", "-1"], "--minutes-per-task needs"),
                               (["--sbatch", "-p long"], "--sbatch wants one long option"),
                               (["--engine", "pbs"], "slurm or files, not 'pbs'")):
            answer = self.submit(*options)
            self.assertEqual(answer.returncode, 2, answer.stderr)
            self.assertIn(words, answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])

    def test_a_search_by_halving_is_refused(self):
        with self.grid.file.open("a") as file:
            file.write("halving: {min_epochs: 1, metric: validation_loss}\n")
        answer = self.submit("dataset.validation_size=100")
        self.assertEqual(answer.returncode, 2, answer.stderr)
        self.assertIn("a search by halving decides between its rungs", answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])
        self.assertEqual(self.grid.submissions(), [])

    def test_what_a_task_would_fail_on_is_answered_before_anything_is_sent(self):
        source = Grid(self.folder, "source", self.data, epochs=1)
        source.runner("run", source.file, "--no-report", environment=self.environment)
        weights = "  initial_weights: results/source/plain\n"
        text = self.grid.file.read_text().replace("model:\n", "model:\n" + weights)
        self.grid.file.write_text(text.replace("out_channels: 6", "out_channels: 7"))
        answer = self.submit()
        self.assertEqual(answer.returncode, 2, answer.stderr)
        self.assertIn("small.yaml:11:20: error: ", answer.stderr)
        self.assertIn("[7, 1, 5, 5] here", answer.stderr)
        self.assertEqual(answer.stderr.count("error: "), 1)
        self.grid.file.write_text(text.replace("out_features: 10", "out_features: 9").replace("kernel_size: 5", "kernel_size: 50"))
        answer = self.submit("--dry-run")
        self.assertEqual(answer.returncode, 2, answer.stderr)
        self.assertIn("the kernel 50x50 of Conv2d 'conv1' is larger than its padded input", answer.stderr)
        self.assertEqual(self.calls("sbatch"), [])
        self.grid.file.write_text(text)
        self.submit(check=True)

    def start_worker(self, epochs, **environment):
        """A worker on chunk 0 of a fresh submission, in the middle of its run."""
        self.grid = Grid(self.folder, "long", self.data, epochs=epochs)
        self.submit("--cores", "1", check=True)
        (submission,) = self.grid.submissions()
        words = [grids.RUNNER, "worker", "--manifest", submission / "manifest.json", "--chunk", "0", "--max-requeues", "3"]
        environment = dict(self.environment, SLURM_JOB_ID="102", SLURM_ARRAY_JOB_ID="101", SLURM_ARRAY_TASK_ID="0",
                           **environment)
        worker = subprocess.Popen([str(word) for word in words], env=environment, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while self.grid.epochs() < 1:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        return worker

    def end_worker(self, worker, number):
        worker.send_signal(number)
        said = worker.communicate(timeout=60)[1]
        return worker.returncode, said

    def requeues(self):
        return [call for call in self.calls("scontrol") if call[0] == "requeue"]

    def test_the_warning_signal_saves_and_requeues(self):
        code, said = self.end_worker(self.start_worker(100000), signal.SIGUSR1)
        self.assertEqual(code, 75, said)
        self.assertEqual(self.requeues(), [["requeue", "101_0"]])

    def test_termination_saves_and_does_not_requeue(self):
        code, said = self.end_worker(self.start_worker(100000), signal.SIGTERM)
        self.assertEqual(code, 75, said)
        self.assertEqual(self.requeues(), [])

    def test_requeues_are_bounded(self):
        code, said = self.end_worker(self.start_worker(100000, SLURM_RESTART_COUNT="3"), signal.SIGUSR1)
        self.assertEqual(code, 75)
        self.assertEqual(self.requeues(), [])
        self.assertIn("restarted 3 times", said)

    def test_an_attempt_without_progress_is_not_requeued(self):
        worker = self.start_worker(100000)
        self.end_worker(worker, signal.SIGTERM)
        (submission,) = self.grid.submissions()
        run = next(self.grid.results.glob("runs/*"))
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(run / "lock")], stdout=subprocess.PIPE)
        holder.stdout.readline()
        words = [str(grids.RUNNER), "worker", "--manifest", str(submission / "manifest.json"), "--chunk", "0"]
        environment = dict(self.environment, SLURM_JOB_ID="102")
        worker = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
        for line in worker.stderr:
            if "in other hands" in line:  # the pass without the lock begins only after a pause
                break
        code, said = self.end_worker(worker, signal.SIGUSR1)
        holder.kill()
        holder.wait()
        holder.stdout.close()
        self.assertEqual(code, 75, said)
        self.assertIn("saved no step", said)
        self.assertEqual(self.requeues(), [])

    def test_a_worker_says_what_is_wrong_with_its_chunk(self):
        missing = self.grid.runner("worker", "--manifest", self.folder / "manifest.json", "--chunk", "0", check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("results must be on a file system that all nodes share", missing.stderr)
        self.submit(check=True)
        (submission,) = self.grid.submissions()
        other = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        grids.make_data(other, 900)
        changed = dict(self.environment, RUNNER_DATASET_ROOT=str(other))
        words = ("worker", "--manifest", submission / "manifest.json", "--chunk", "0")
        answer = self.grid.runner(*words, environment=changed, check=False)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("the data files or the program differ from those at submission", answer.stderr)

    def test_the_files_engine_prepares_chunks_for_any_batch_system(self):
        self.environment["PATH"] = "/usr/bin:/bin"
        words = ("submit", "--engine", "files", self.grid.file, "--minutes-per-task", "1e-9")
        answer = self.grid.runner(*words, environment=self.environment)
        (submission,) = self.grid.submissions()
        self.assertEqual(answer.stdout, f"{submission}/manifest.json\n4\n")
        for chunk in range(4):
            self.grid.runner("worker", "--manifest", submission / "manifest.json", "--chunk", chunk)
        self.assertEqual(self.grid.digests(), self.grid.train_here())

    def test_cancel_ends_the_report_job_first(self):
        self.submit(check=True)
        (submission,) = self.grid.submissions()
        self.say(queue=f"101|0|101|RUNNING|n1|x|None|{submission.name}+0\n101|1|105|PENDING||x|None|{submission.name}+0\n"
                       f"102|N/A|102|PENDING||x|Dependency|(null)\n")
        self.grid.runner("cancel", self.grid.results, environment=self.environment)
        self.assertEqual(self.calls("scancel"), [["102"], ["101"]])

    def test_status_asks_the_controller_once_in_half_a_minute(self):
        self.submit(check=True)
        asked = len(self.calls("squeue"))
        for _ in range(3):
            self.grid.runner("status", "--slurm", self.grid.results, environment=self.environment)
        self.assertEqual(len(self.calls("squeue")), asked + 1)

    def test_status_shows_the_files_when_the_queue_is_silent(self):
        self.submit(check=True)
        self.say(hang="squeue")
        answer = self.grid.runner("status", "--slurm", self.grid.results, environment=self.environment)
        self.assertIn("[0/4]", answer.stdout)
        self.assertIn("Slurm's queue is not shown: squeue did not answer within 2 seconds", answer.stderr)


HOLDER = """
import fcntl, struct, sys, time
file = open(sys.argv[1], "r+")
fcntl.fcntl(file, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
print("held", flush=True)
time.sleep(600)
"""

if __name__ == "__main__":
    unittest.main(verbosity=2)
