"""Draws of a sweep are those of Philox4x32-10 written down again in Python, fill their ranges evenly, and stay when more are asked for."""

import json
import math
import os
import subprocess
import sys
import tempfile

from scipy import stats

RUNNER = os.path.join(os.environ.get("RUNNER_BUILD", "build/release"), "runner")
STREAM_SEARCH = 5  # enum random_stream
GRID = """
dataset: {name: fashion-mnist}
optimizer: {name: sgd, lr: 0.1}
trainer: {max_epochs: 1}
model: {layers: [Flatten, Linear: {out_features: 10}]}
sweep:
  optimizer.lr: {loguniform: [1e-4, 1e-1]}
  optimizer.momentum: {uniform: [0.5, 0.99]}
  trainer.batch_size: {randint: [16, 129]}
  samples: SAMPLES
  sample_seed: 11
"""


def philox(counter, key):
    x, k = list(counter), list(key)
    for _ in range(10):
        low, high = x[0] * 0xD2511F53, x[2] * 0xCD9E8D57
        x = [(high >> 32) ^ x[1] ^ k[0], high & 0xFFFFFFFF, (low >> 32) ^ x[3] ^ k[1], low & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


def words(path, index):
    step = 2166136261
    for byte in path.encode():
        step = ((step ^ byte) * 16777619) & 0xFFFFFFFF
    return philox([index, STREAM_SEARCH << 16, step, 0], [11, 0])


def share(path, index):
    word = words(path, index)
    return ((word[0] << 32 | word[1]) >> 11) * 2.0**-53


def draws(samples, folder):
    path = os.path.join(folder, "grid.yaml")
    with open(path, "w") as out:
        out.write(GRID.replace("SAMPLES", str(samples)))
    text = subprocess.run([RUNNER, "config", path], check=True, capture_output=True, text=True).stdout
    rows = []
    for line in text.splitlines():
        if line.startswith("# "):
            rows.append({key: float(value.rstrip(",")) for key, value in
                         (word.split("=") for word in line.split() if "=" in word)})
    return rows


with tempfile.TemporaryDirectory() as folder:
    few, many = draws(50, folder), draws(1000, folder)
assert len(few) == 50 and len(many) == 1000, (len(few), len(many))
assert many[:50] == few, "more samples changed the earlier ones"
for index, row in enumerate(many):
    momentum = 0.5 + share("optimizer.momentum", index) * (0.99 - 0.5)
    rate = math.exp(math.log(1e-4) + share("optimizer.lr", index) * (math.log(1e-1) - math.log(1e-4)))
    batch = 16 + (words("trainer.batch_size", index)[0] * 113 >> 32)
    assert row["optimizer.momentum"] == float(f"{momentum:.6g}"), (index, row, momentum)
    assert row["optimizer.lr"] == float(f"{rate:.6g}"), (index, row, rate)
    assert row["trainer.batch_size"] == batch, (index, row, batch)
evenness = {
    "uniform": stats.kstest([row["optimizer.momentum"] for row in many], stats.uniform(0.5, 0.49).cdf).pvalue,
    "loguniform": stats.kstest([row["optimizer.lr"] for row in many], stats.loguniform(1e-4, 1e-1).cdf).pvalue,
    "randint": stats.chisquare([sum(row["trainer.batch_size"] == k for row in many) for k in range(16, 129)]).pvalue,
}
print(json.dumps(evenness))
assert min(evenness.values()) > 1e-3, evenness  # fixed seed: a verdict on these draws, not a lottery
sys.exit(0)
