"""Names that try to break out of their cell, in every format but the page's behaviour (test_page.py): each must come back as
itself from a reader of that format, and nothing may run."""
import csv
import html.parser
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree

import h5py

BUILD = os.path.abspath(os.environ["RUNNER_BUILD"])
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = tempfile.mkdtemp()
NAMES = open(os.path.join(HERE, "hostile_names.txt"), encoding="utf-8", newline="\n").read().rstrip("\n").split("\n")


def report(*arguments):
    return subprocess.run([os.path.join(BUILD, "report"), "names", *arguments], cwd=FOLDER, capture_output=True, check=True).stdout.decode()


def test_there_are_at_least_fifty():
    assert len(NAMES) == len(set(NAMES)) >= 50


def test_csv_gives_every_name_back_and_no_formula():
    for table in ("summary", "runs"):
        rows = list(csv.reader(io.StringIO(report("--format", "csv", "--table", table), newline="")))
        assert len({len(row) for row in rows}) == 1
        for row in rows[1:]:
            assert not any(cell[:1] in "=+@\t\r" and cell for cell in row), row
        if table == "summary":
            assert [re.sub(r"^'(?=[=+\-@\t])", "", row[0]) for row in rows[1:]] == NAMES


def test_json_gives_every_name_back():
    assert [row["model"] for row in json.loads(report("--format", "json"))["rows"]] == NAMES


def test_markdown_keeps_one_row_a_name_and_no_markup():
    lines = report("--format", "md").splitlines()[2:2 + len(NAMES)]
    cells = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines}
    assert len(cells) == 1, cells
    for line in lines:
        assert "<" not in line and ">" not in line, line
        assert not re.search(r"(?<!\\)\]\(", line), line
        assert not re.search(r"(?<!\\)(?:\\\\)*`", line), line


def test_latex_has_no_live_command_from_a_name():
    body = report("--format", "latex").split("\\midrule\n")[1].split("\\bottomrule")[0]
    lines = body.rstrip("\n").split("\n")
    assert len(lines) == len(NAMES)
    known = r"\\(textbf|textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar|textquotedbl|texttt|[{}$&#%_]|\\$)"
    for line in lines:
        rest = re.sub(r"\$\\pm\$", "", line)
        assert not re.search(r"\\(?!\\)", re.sub(known, "", rest)), line
        assert len(re.findall(r"(?<!\\)&", rest)) == len(re.findall(r"(?<!\\)&", lines[0].replace("$\\pm$", ""))), line


def test_terminal_text_has_no_control_character():
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e]", report("--format", "text"))


class Scripts(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.elements = []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))


def test_the_page_has_no_element_from_a_name():
    page = report("--format", "html")
    scripts = Scripts()
    scripts.feed(page)
    assert [tag for tag, _ in scripts.elements].count("script") == 3
    assert not [tag for tag, _ in scripts.elements if tag in ("img", "iframe", "svg", "b")]
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))
    assert [row[0] for row in data["summary"]["rows"]] == NAMES


def test_merged_file_gives_every_name_back():
    report("--merge", "names.h5")
    with h5py.File(os.path.join(FOLDER, "names.h5")) as file:
        assert [value.decode() for value in file["summary"]["variant"]] == [name for name in NAMES for _ in range(2)]


def test_event_folders_stay_below_their_folder():
    report("--tensorboard", "events")
    runs = os.listdir(os.path.join(FOLDER, "events"))
    assert len(runs) == 2 * len(NAMES)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", run) for run in runs)


def test_pictures_show_names_and_run_nothing():
    if not shutil.which("gnuplot"):
        print("not tested: gnuplot is not installed")
        return
    report("--plot", "plots", "--plot-format", "svg")
    pictures = os.listdir(os.path.join(FOLDER, "plots"))
    assert len([name for name in pictures if name.startswith("curves_")]) == len(NAMES) + 1
    for name in pictures:
        xml.etree.ElementTree.parse(os.path.join(FOLDER, "plots", name))
    assert not any(name == "owned" for _, folders, files in os.walk(FOLDER) for name in folders + files)
    assert not os.path.exists("owned")


subprocess.run([os.path.join(BUILD, "tests", "make_grid"), "names", "names", os.path.join(HERE, "hostile_names.txt")], cwd=FOLDER, check=True)
try:
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("ok", name)
finally:
    subprocess.run(["chmod", "-R", "u+w", FOLDER], check=True)
    shutil.rmtree(FOLDER)
