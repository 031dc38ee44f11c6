"""A search by halving ends with the same promotions and digests however many run at once and however often it is killed; pandas comes to the same promotions."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import pandas

BUILD = os.environ.get("RUNNER_BUILD", "build/release")
RUNNER, REPORT = os.path.join(BUILD, "runner"), os.path.join(BUILD, "report")
DATA = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"
SEARCH = """
name: search
dataset: {name: fashion-mnist, train_limit: 1000, validation_size: 300, test_limit: 50}
optimizer: {name: sgd, momentum: 0.9, lr: 0.1}
scheduler: {name: cosine}
trainer: {max_epochs: 9, batch_size: 10}
checkpoint: {every_seconds: 0.02}
model: {layers: [Flatten, Linear: {out_features: 24}, Tanh, Linear: {out_features: 10}]}
halving: {min_epochs: 1, eta: 3}
sweep:
  optimizer.lr: {loguniform: [1e-4, 3]}
  seed: [0, 1]
  samples: 9
"""
TIES = """
name: ties
dataset: {name: fashion-mnist, train_limit: 200, validation_size: 50, test_limit: 50}
optimizer: {name: sgd}
trainer: {max_epochs: 4, batch_size: 20}
model: {layers: [Flatten, Linear: {out_features: 10}]}
halving: {min_epochs: 1, eta: 2, metric: validation_loss}
sweep: {zip: {optimizer.lr: [1000, 2e-30, 1e-30, 0.01], optimizer.weight_decay: [1000, 0, 0, 0]}}
"""


def command(config, output, *options):
    return [RUNNER, config, "-o", output, "--no-report", "--progress=none", *options]


def train(config, output, *options):
    done = subprocess.run(command(config, output, *options), capture_output=True, text=True)
    return done.returncode, done.stderr


def outcome(folder):
    rows = subprocess.run([REPORT, folder, "--table", "runs", "--format", "csv", "--columns",
                           "id,status,problem,content_sha256,validation_accuracy"],
                          capture_output=True, text=True, check=True).stdout
    with open(os.path.join(folder, "halving.json")) as file:
        return rows, file.read()


def kill_and_resume(config, output, dice):
    """SIGKILL after one to four events, again and again, until the search ends by itself; how often it was killed."""
    kills, journal = 0, os.path.join(output, "search", "events.jsonl")
    while True:
        last = lines_of(journal) + dice.randint(2, 5)
        process = subprocess.Popen(command(config, output), stderr=subprocess.DEVNULL)
        while kills < 6 and process.poll() is None and lines_of(journal) < last:
            time.sleep(0.001)
        if kills < 6 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
        code = process.wait()
        if code == 0:
            return kills
        assert code == -signal.SIGKILL, code
        kills += 1


def lines_of(path):
    try:
        with open(path, "rb") as file:
            return file.read().count(b"\n")
    except FileNotFoundError:
        return 0


def promotions_by_pandas(folder):
    read = lambda table: pandas.read_csv(
        subprocess.Popen([REPORT, folder, "--table", table, "--format", "csv"], stdout=subprocess.PIPE).stdout)
    rows = read("history").merge(read("runs")[["id", "param.optimizer.lr"]], on="id")
    rows = rows[(rows.split == "validation") & (rows.metric == "accuracy")]
    alive, result = list(dict.fromkeys(rows["param.optimizer.lr"])), []
    for epoch in (1, 3):
        here = rows[(rows.epoch == epoch) & rows["param.optimizer.lr"].isin(alive)]
        means = here.groupby("param.optimizer.lr", sort=False).value.mean().reindex(alive)
        means = means.round(9).sort_values(ascending=False, kind="stable")
        alive = [lr for lr in alive if lr in list(means.index[: len(alive) // 3])]
        result.append(alive)
    return result


def promotions(folder):
    with open(os.path.join(folder, "halving.json")) as file:
        rungs = json.load(file)["rungs"]
    names = lambda rung: [float(s["name"].split("optimizer.lr=")[1].split()[0]) for s in rung["settings"] if s["promoted"]]
    return [names(rung) for rung in rungs[:-1]]


def main():
    if not os.path.exists(DATA):
        print("dataset-fashion-mnist is not installed")
        return 77
    dice = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        path = lambda *names: os.path.join(folder, *names)
        for name, text in (("search", SEARCH), ("ties", TIES), ("larger", SEARCH.replace("samples: 9", "samples: 14"))):
            with open(path(name + ".yaml"), "w") as file:
                file.write(text)
        assert train(path("search.yaml"), path("one"), "-j", "1", "-t", "1")[0] == 0
        wanted = outcome(path("one", "search"))
        assert train(path("search.yaml"), path("two"), "-j", "2", "-t", "2")[0] == 0
        kills = kill_and_resume(path("search.yaml"), path("killed"), dice)
        for other in ("two", "killed"):
            assert outcome(path(other, "search")) == wanted, f"{other} differs"
        assert kills >= 3, f"only {kills} kills: the search is too short to show anything"
        by_pandas = promotions_by_pandas(path("one", "search"))
        assert [sorted(rung) for rung in promotions(path("one", "search"))] == [sorted(rung) for rung in by_pandas]
        assert [len(rung) for rung in by_pandas] == [3, 1]

        # The winner, trained alone under a schedule that follows max_epochs, is the same run.
        with open(path("best.yaml"), "w") as file:
            subprocess.run([REPORT, path("one", "search"), "--select", "validation_accuracy"], stdout=file, check=True)
        assert train(path("best.yaml"), path("alone"))[0] == 0
        rows = outcome_rows(path("alone", "best"))
        assert len(rows) == 2 and set(rows) <= set(outcome_rows(path("one", "search"))), rows

        # A search made larger decides as one that was so large from the start.
        assert train(path("larger.yaml"), path("two"))[0] == 0
        assert train(path("larger.yaml"), path("fresh"))[0] == 0
        assert promotions(path("two", "search")) == promotions(path("fresh", "search"))

        # Part of the runs: the rung waits, and says for what.
        code, words = train(path("search.yaml"), path("part"), "--limit", "4")
        assert code == 3 and "waits for 14 runs" in words, (code, words)

        # What diverged ranks last and never goes on; equal ones go on in the order of the file.
        code, words = train(path("ties.yaml"), path("ties"))
        assert code == 0, (code, words)
        with open(path("ties", "ties", "halving.json")) as file:
            first, second, _ = json.load(file)["rungs"]
        order = lambda rung: [setting["name"].split("=")[1].split()[0] for setting in rung["settings"]]
        assert order(first) == ["0.01", "2e-30", "1e-30", "1000"], order(first)
        assert [setting["promoted"] for setting in first["settings"]] == [True, True, False, False]
        assert first["settings"][-1]["score"] is None and order(second) == ["0.01", "2e-30"]
        status = subprocess.run([RUNNER, "status", "--all", path("ties", "ties")], capture_output=True, text=True).stdout
        assert "rank 3 of 4 at epoch 1" in status and "epoch 1: 2 of 4 settings went on" in status, status

        # A run that fails keeps its rung waiting, and nothing is promoted; when its cause is gone the search ends as without it.
        wanted, blocked = outcome(path("ties", "ties")), path("blocked", "ties", "runs", sorted(os.listdir(path("ties", "ties", "runs")))[0])
        os.makedirs(os.path.dirname(blocked))
        with open(blocked, "w"):  # a file where the run's folder must be
            pass
        code, words = train(path("ties.yaml"), path("blocked"))
        assert code == 1 and "the rung at epoch 1 waits for" in words, (code, words)
        os.unlink(blocked)
        assert train(path("ties.yaml"), path("blocked"))[0] == 0
        assert outcome(path("blocked", "ties")) == wanted
    print(f"{kills} kills")
    return 0


def outcome_rows(folder):
    rows = subprocess.run([REPORT, folder, "--table", "runs", "--format", "csv", "--columns", "id,content_sha256"],
                          capture_output=True, text=True, check=True).stdout
    return rows.split()[1:]


sys.exit(main())
