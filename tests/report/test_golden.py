"""Report's output in every format for the small stored grid with troubles, byte for byte. After a change that is meant:

    RUNNER_BUILD=build/release /usr/bin/python3 tests/report/test_golden.py --rewrite

and read the difference before committing it. Digests of runs are replaced by a word: they belong to the store's tests."""
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(os.environ["RUNNER_BUILD"])
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
COMPARE = ["--compare", "baseline", "--reference", "published.csv"]
OUTPUTS = {
    "summary.md": ["--format", "md"],
    "summary.csv": ["--format", "csv"],
    "summary.json": ["--format", "json"],
    "summary.tex": ["--format", "latex"],
    "summary.txt": ["--format", "text"],
    "runs.md": ["--table", "runs", "--format", "md"],
    "runs.csv": ["--table", "runs", "--format", "csv"],
    "history.csv": ["--table", "history", "--format", "csv"],
    "best.csv": ["--at", "best", "--format", "csv"],
    "epoch_2.md": ["--at", "2", "--format", "md"],
    "by_seed.md": ["--by", "seed", "--format", "md"],
    "comparison.md": COMPARE + ["--format", "md"],
    "comparison.csv": COMPARE + ["--format", "csv"],
    "comparison.tex": COMPARE + ["--format", "latex"],
    "page.json": COMPARE + ["--format", "html"],
}


def produce(arguments, folder):
    answer = subprocess.run([os.path.join(BUILD, "report"), "troubled", *arguments], cwd=folder, capture_output=True, check=True)
    text = answer.stdout.decode("utf-8")
    if "html" in arguments:  # the page around its data is checked by test_page.py in a browser
        text = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S).group(1)
    return re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", text)


def main():
    rewrite = "--rewrite" in sys.argv[1:]
    folder = tempfile.mkdtemp()
    failures = 0
    try:
        subprocess.run([os.path.join(BUILD, "tests", "make_grid"), "troubled", "troubled"], cwd=folder, check=True)
        with open(os.path.join(folder, "published.csv"), "w", encoding="utf-8") as file:
            file.write("model,train_accuracy_percent,test_accuracy_percent\nlenet5,94.98,89.1\nlenet5_dropout,89.26,85.39\n")
        for name, arguments in OUTPUTS.items():
            ours, path = produce(arguments, folder), os.path.join(GOLDEN, name)
            if rewrite:
                with open(path, "w", encoding="utf-8", newline="") as file:
                    file.write(ours)
                continue
            with open(path, encoding="utf-8", newline="") as file:
                golden = file.read()
            if ours != golden:
                failures += 1
                print("".join(difflib.unified_diff(golden.splitlines(True), ours.splitlines(True), name + " (golden)", name + " (now)")))
        print(f"{'rewrote' if rewrite else 'compared'} {len(OUTPUTS)} outputs, {failures} differ")
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.rmtree(folder)
    sys.exit(1 if failures else 0)


main()
