#!/usr/bin/python3
"""The checks of the tree catch what they are for, and let through what is allowed."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ.get("RUNNER_SOURCE", pathlib.Path(__file__).parents[2]))


class TreeChecks(unittest.TestCase):
    def setUp(self):
        self.tree = pathlib.Path(tempfile.mkdtemp())
        for name in ("src", "tools"):
            shutil.copytree(SOURCE / name, self.tree / name)

    def tearDown(self):
        shutil.rmtree(self.tree)

    def includes(self):
        return subprocess.run([sys.executable, SOURCE / "tools/check_includes.py", self.tree], capture_output=True,
                              text=True, check=False)

    def add(self, path, line):
        (self.tree / path).write_text(line + "\n")

    def test_the_tree_as_it_is_passes(self):
        result = self.includes()
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_each_forbidden_line_is_caught_at_its_place(self):
        cases = [
            ("src/base/wrong.c", '#include "data/dataset.h"', "does not link src/data"),
            ("src/data/wrong.c", '#include "nn/model.h"', "does not link src/nn"),
            ("src/kernel/wrong.h", '#include "train/trainer.h"', "does not link src/train"),
            ("src/sched/wrong.c", '#include "train/trainer.h"', "does not link src/train"),
            ("src/store/wrong.c", '#include "grid/grid.h"', "does not link src/grid"),
            ("src/app/wrong.c", "#include <hdf5.h>", "only src/store"),
            ("src/data/wrong.c", "#include <hdf5.h>", "only src/store and src/data/hdf5_source.c"),
            ("src/grid/wrong.c", "#include <yaml.h>", "only src/config"),
            ("src/nn/wrong.c", "#include <immintrin.h>", "only src/kernel"),
            ("src/nn/wrong.h", "  #  include <arm_neon.h>", "only src/kernel"),
            ("src/train/wrong.c", "#pragma omp parallel for", "only src/sched"),
            ("src/nn/wrong.c", "#include <zlib.h>", "needs ZLIB::ZLIB"),
            ("src/kernel/wrong.c", "#include <jansson.h>", "needs PkgConfig::JANSSON"),
        ]
        for path, line, words in cases:
            with self.subTest(path=path, line=line):
                self.add(path, line)
                result = self.includes()
                self.assertEqual(result.returncode, 1)
                self.assertIn(f"{path}:1: ", result.stdout)
                self.assertIn(words, result.stdout)
                (self.tree / path).unlink()

    def test_allowed_lines_pass(self):
        for path, line in [("src/train/right.c", '#include "kernel/kernel.h"'),  # through nn
                           ("src/app/right.c", '#include "sched/scheduler.h"'),
                           ("src/data/right.c", "#include <zlib.h>"),
                           ("src/store/right.c", "#include <hdf5.h>"),
                           ("src/base/right.c", '#include "base/error.h"')]:
            self.add(path, line)
        result = self.includes()
        self.assertEqual((result.returncode, result.stdout), (0, ""))

    def test_a_changed_link_list_changes_the_rule(self):
        self.add("src/data/wrong.c", '#include "sched/scheduler.h"')
        self.assertEqual(self.includes().returncode, 1)
        list_file = self.tree / "src/data/CMakeLists.txt"
        list_file.write_text(list_file.read_text().replace(" runner_base", " runner_base runner_sched"))
        self.assertEqual(self.includes().returncode, 0)

    def test_a_path_of_one_machine_is_caught(self):
        check = [SOURCE / "tools/check_paths.sh", self.tree]
        self.assertEqual(subprocess.run(check, capture_output=True, check=False).returncode, 0)
        self.add("src/base/wrong.c", "/* see /" + "home/somebody/notes */")
        result = subprocess.run(check, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("src/base/wrong.c:1:", result.stdout)


if __name__ == "__main__":
    unittest.main()
