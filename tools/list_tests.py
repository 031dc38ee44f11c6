#!/usr/bin/env python3
"""Prints every test file and the sentence at its top: tools/list_tests.py [FOLDER…], folders below tests/."""
import pathlib
import re
import sys

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"


def sentence(path):
    text = path.read_text(errors="replace")
    if path.suffix == ".c":
        match = re.match(r"/\*(.*?)\*/", text, re.S)
        head = re.sub(r"\n\s*\*", "\n", match.group(1)) if match else ""
    elif path.suffix == ".py":
        match = re.search(r'"""(.*?)"""', text, re.S)
        head = match.group(1) if match else ""
    else:
        head = "\n".join(line[1:].strip() for line in text.splitlines()[1:8] if line.startswith("#"))
    first = head.strip().split("\n\n")[0]
    return " ".join(first.split())


def main():
    for folder in sys.argv[1:] or sorted(path.name for path in TESTS.iterdir() if path.is_dir()):
        files = [path for pattern in ("test_*.c", "*_gradients.c", "test_*.py", "*.bats")
                 for path in (TESTS / folder).rglob(pattern)]
        for path in sorted(files):
            print(f"{path.relative_to(TESTS)}\n    {sentence(path)}")


if __name__ == "__main__":
    main()
