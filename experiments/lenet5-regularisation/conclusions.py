#!/usr/bin/python3
"""The founding study's conclusions, tested one by one: conclusions.py RESULTS REPORT prints Markdown.

RESULTS is the folder of the reproduction, REPORT the report program. Differences are paired by seed: runs of one seed share
initial weights and the order of the images. p values are those of the paired t test (SciPy's), adjusted by Holm over the
comparisons of one conclusion; beside them the exact signed-rank test, zeros left out."""
import io
import subprocess
import sys

import pandas
from scipy import stats

NAMES = {"train": "Train Accuracy [%]", "test": "Test Accuracy [%]"}
RISE = 4  # epochs over which "still rising" is asked


def table(report, results, rows):
    text = subprocess.run([report, results, "--table", rows, "--format", "csv"], capture_output=True, text=True, check=True)
    return pandas.read_csv(io.StringIO(text.stdout))


def holm(values):
    """Adjusted p values, in the order given (Holm 1979)."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = largest
    return adjusted


def interval(differences):
    half = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return f"{differences.mean():+.2f} [{differences.mean() - half:+.2f}, {differences.mean() + half:+.2f}]"


def compare(runs, one, others, larger):
    """Markdown rows of one variant against others on both sets; whether it is the larger (or the smaller) everywhere."""
    rows = []
    for split, column in NAMES.items():
        seeds = runs.pivot(index="seed", columns="variant", values=column)
        for other in others:
            rows.append((split, other, (seeds[one] - seeds[other]).dropna()))
    adjusted = holm([stats.ttest_1samp(difference, 0).pvalue for _, _, difference in rows])
    holds = all((difference.mean() > 0) == larger and p < 0.05 for (_, _, difference), p in zip(rows, adjusted))
    lines = ["", "| set | against | difference, points | p (t, Holm) | p (signed rank) | seeds |", "|:--|:--|--:|--:|--:|--:|"]
    for (split, other, difference), p in zip(rows, adjusted):
        signed = stats.wilcoxon(difference[difference != 0], mode="exact").pvalue
        lines.append(f"| {split} | {other} | {interval(difference)} | {p:.2g} | {signed:.2g} | {len(difference)} |")
    return lines + [""], holds


def rise(history, variant):
    """By how much train accuracy grew over the last RISE epochs, in points, one number a seed."""
    rows = history[(history.variant == variant) & (history.split == "train") & (history.metric == "accuracy")]
    by_epoch = rows.pivot(index="seed", columns="epoch", values="value") * 100
    last = by_epoch.columns.max()
    return by_epoch[last] - by_epoch[max(last - RISE, 1)], by_epoch[last]


def verdict(number, sentence, holds, more=""):
    return f"{number}. **{sentence}** {'Holds' if holds else 'Does not hold'}{more}."


def main():
    results, report = sys.argv[1:]
    runs, history = table(report, results, "runs"), table(report, results, "history")
    runs = runs[runs.status == "finished"]
    others = lambda one: [name for name in dict.fromkeys(runs.variant) if name != one]

    lines, holds = compare(runs, "batch_norm", others("batch_norm"), True)
    print(verdict(1, "Batch normalisation is best, on the training and on the test images.", holds))
    print("\n".join(lines))

    grown, last = rise(history, "batch_norm")
    p = stats.ttest_1samp(grown, 0, alternative="greater").pvalue
    rising = p < 0.05 and grown.mean() > 0
    print(verdict(2, "Its train accuracy is almost perfect and can get better with more epochs.", rising,
                  f": {last.mean():.2f} % in the last epoch (running, in training mode), {interval(grown)} points over the last "
                  f"{RISE} epochs (p = {p:.2g}, one-sided)"))
    print()

    lines, holds = compare(runs, "dropout", others("dropout"), False)
    print(verdict(3, "Dropout is worst, on both, worse than the baseline too.", holds))
    print("\n".join(lines))


main()
