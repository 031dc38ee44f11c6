#!/usr/bin/python3
"""tools/csv_to_hdf5.py: what it writes is what the CSV says, and a row that it cannot use is answered by its line."""
import subprocess
import sys

import foreign_sets as sets
from foreign_sets import SOURCE, h5py, numpy, run

TOOL = SOURCE / "tools/csv_to_hdf5.py"


def convert(folder, text, *options):
    (folder / "in.csv").write_text(text)
    print("  " + run(sys.executable, TOOL, folder / "in.csv", folder / "out.h5", *options)[0].strip().split("/")[-1])
    return h5py.File(folder / "out.h5")


def test_classes_that_are_numbers_stay_what_they_are(folder):
    with convert(folder, "a,label,b\n1.5,2,3\n-4,0,1e-3\n") as file:
        assert file["images"].dtype == numpy.float32 and "class_names" not in file
        assert (file["images"][:] == numpy.float32([[1.5, 3], [-4, 1e-3]])).all()
        assert file["labels"][:].tolist() == [2, 0]


def test_names_are_sorted_and_kept(folder):
    with convert(folder, 'kind;a\n"b, x";1\nä;2\nb, x;3\n', "--label", "kind", "--delimiter", ";") as file:
        assert file["labels"][:].tolist() == [0, 1, 0]
        assert [name.decode() for name in file["class_names"][:]] == ["b, x", "ä"]


def test_targets_of_a_regression(folder):
    with convert(folder, "a,b,c,d\n1,2,3,4\n5,6,7,8\n", "--target", "d", "--target", "b") as file:
        assert file["targets"][:].tolist() == [[4, 2], [8, 6]] and file["images"][:].tolist() == [[1, 3], [5, 7]]


def test_images_of_bytes(folder):
    row = ",".join(str(i * 20) for i in range(12))
    header = ",".join(f"p{i}" for i in range(12))
    with convert(folder, f"label,{header}\n3,{row}\n", "--shape", "1,3,4", "--bytes") as file:
        assert file["images"].dtype == numpy.uint8 and file["images"].shape == (1, 1, 3, 4)
        assert file["images"][0, 0, 2, 3] == 220


def test_a_part_for_testing(folder):
    text = "label,a\n" + "".join(f"{i % 3},{i}\n" for i in range(50))
    with convert(folder, text, "--test", "0.2", "--seed", "4") as file:
        seen = [file[part]["images"][:, 0].astype(int).tolist() for part in ("train", "test")]
        assert [len(rows) for rows in seen] == [40, 10] and sorted(seen[0] + seen[1]) == list(range(50))
        for part, rows in zip(("train", "test"), seen):
            assert file[part]["labels"][:].tolist() == [row % 3 for row in rows]
    with convert(folder, text, "--test", "0.2", "--seed", "5") as file:
        assert file["test/images"][:, 0].astype(int).tolist() != seen[1]


def test_what_cannot_be_used_is_answered_by_its_line(folder):
    for text, options, words in (("a,label\n1,2\nx,3\n", (), "in.csv:3: column 'a': expected a number, got 'x'"),
                                 ("a,label\n1,2\n,3\n", (), "in.csv:3: column 'a': expected a number, got ''"),
                                 ("a,label\nnan,2\n", (), "in.csv:2: column 'a': 'nan' is no finite number"),
                                 ("a,label\n1,2\n1,2,3\n", (), "in.csv:3: has 3 columns, but the header 2"),
                                 ("a,b\n1,2\n", (), "no single column 'label' (use --label or --target); there are: a, b"),
                                 ("a,label\n300,2\n", ("--bytes",), "--bytes needs whole numbers from 0 to 255"),
                                 ("a,label\n1e39,2\n", (), "too large for a 32-bit float"),
                                 ("a,label\n3,2\n", ("--shape", "1,2,2"), "--shape 1,2,2 does not hold 1 features"),
                                 ("a,label\n3,2\n", ("--test", "0.1"), "leaves nothing on one side"),
                                 ("label\n3\n", (), "no rows or no features"), ("", (), "is empty")):
        (folder / "in.csv").write_text(text)
        done = subprocess.run([sys.executable, TOOL, folder / "in.csv", folder / "out.h5", *options], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, (text, done.stderr)


if __name__ == "__main__":
    sets.main(globals())
