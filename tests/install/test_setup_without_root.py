"""tools/setup.sh, run by somebody without rights or without apt, names what is missing for apt, dnf and conda, and installs nothing."""

import os
import subprocess
import sys
import tempfile

SOURCE = os.environ.get("RUNNER_SOURCE", os.getcwd())
TOOLS = ["bash", "cat", "dirname", "env", "grep", "sed", "tr", "id", "mktemp", "tail", "rm", "cc", "gcc", "cmake", "git", "ninja", "pkg-config", "cpp"]


def stub(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text + "\n")
    os.chmod(path, 0o755)


def tools(folder, *without):
    os.makedirs(folder)
    for name in TOOLS:
        for place in ("/usr/bin", "/bin"):
            if name not in without and os.path.exists(f"{place}/{name}") and not os.path.lexists(f"{folder}/{name}"):
                os.symlink(f"{place}/{name}", f"{folder}/{name}")
    return folder


def setup(path, *sections, **variables):
    environment = {"PATH": path, "HOME": "/nonexistent", **variables}
    done = subprocess.run(["bash", os.path.join(SOURCE, "tools", "setup.sh"), *sections], capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout + done.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        # Somebody without rights: dpkg knows nothing, apt-get must not be called, id says 1000.
        path = tools(os.path.join(folder, "user"), "id")
        stub(path, "id", "echo 1000")
        stub(path, "apt-get", f"echo called >>{log}; exit 100")
        stub(path, "dpkg-query", "exit 1")
        code, words = setup(path, "build")
        assert code == 0, f"everything is there, though dpkg does not know it: {words}"

        # Without the modules of pkg-config and one header.
        stub(path, "hidden", "exit 1")
        os.remove(os.path.join(path, "pkg-config"))
        os.symlink(os.path.join(path, "hidden"), os.path.join(path, "pkg-config"))
        os.remove(os.path.join(path, "ninja"))
        code, words = setup(path, "build", CC=os.path.join(path, "hidden"))
        assert code == 2, (code, words)
        for line in ("apt-get update && apt-get install --no-install-recommends", "dnf install", "conda create -n runner -c conda-forge",
                     "docs/install.md"):
            assert line in words, (line, words)
        for name in ("libhdf5-dev", "hdf5-devel", " hdf5 ", "libyaml-devel", "librandom123-dev", "jansson-devel", "ninja-build"):
            assert name in words, (name, words)
        for name in ("libjs-chart.js", " git ", "pkgconf-pkg-config"):
            assert name not in words, (name, words)
        assert not os.path.exists(log), "apt-get was called"

        # The libraries of a prefix count as there.
        prefix = os.path.join(folder, "prefix")
        os.makedirs(os.path.join(prefix, "lib", "pkgconfig"))
        stub(path, "pkgconfig", f'case "$PKG_CONFIG_PATH" in *{prefix}/lib/pkgconfig*) [ "$2" = jansson ];; *) exit 1;; esac')
        os.remove(os.path.join(path, "pkg-config"))
        os.symlink(os.path.join(path, "pkgconfig"), os.path.join(path, "pkg-config"))
        for name in ("CMAKE_PREFIX_PATH", "CONDA_PREFIX"):
            code, words = setup(path, "build", **{name: prefix})
            assert code == 2 and "jansson" not in words and "gsl-devel" in words, words

        # No apt-get at all, and no dpkg.
        path = tools(os.path.join(folder, "fedora"), "ninja")
        code, words = setup(path, "build")
        assert code == 2 and "dnf install ninja-build" in words and "apt-get, which is not here" in words, (code, words)
        assert "hdf5-devel" not in words, words
        code, words = setup(path, "nonsense")
        assert code == 2 and "no section 'nonsense'" in words, (code, words)

    # Every package that the build needs has its row.
    with open(os.path.join(SOURCE, "tools", "packages")) as file:
        build = file.read().split("[build]")[1].split("[")[0].split()
    with open(os.path.join(SOURCE, "tools", "package_names")) as file:
        rows = [line.split() for line in file if not line.startswith("#")]
    assert sorted(build) == sorted(row[0] for row in rows), set(build) ^ {row[0] for row in rows}
    assert all(len(row) == 4 for row in rows)
    return 0


sys.exit(main())
