"""What the system may refuse: space, memory, quota, a file size, a folder, a disk that fails; and settings changed while stopped.

A full disk is waited for: the runner says so, tries again, goes on when there is space, and the digests are those of a
grid that never waited. Everything else ends the run it hit with a line that names the path and the cause; the others go
on, and the same command finishes the rest."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import faults


class Started:
    """A runner under way, whose narration is read while it goes on."""

    def __init__(self, command, log):
        self.log = log
        with open(log, "w", encoding="utf-8") as file:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file, env=faults.environment())

    def said(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def wait_for(self, words, seconds=60):
        end = time.monotonic() + seconds
        while words not in self.said() and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.05)
        assert words in self.said(), f"'{words}' was never said: {self.said()!r}"
        return self.said()

    def end(self, seconds=120):
        """(exit code, everything it said)."""
        return self.process.wait(seconds), self.said()


def check_waits_for_space(folder, config, whole):
    place = os.path.join(folder, "small")
    os.makedirs(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", place], check=False, capture_output=True).returncode:
        return "full disk left out (mounting is not allowed)"
    try:
        filler = os.path.join(place, "filler")
        with open(filler, "wb") as file:
            file.write(bytes((4 << 20) - (64 << 10)))
        started = Started(faults.runner_command(config, os.path.join(place, "out")), place + ".log")
        said = started.wait_for("the run waits")
        assert "No space left on device" in said and place in said, said
        os.unlink(filler)
        code, rest = started.end()
        assert code == 0, rest
        assert faults.verify(os.path.join(place, "out")) == whole, "another digest after waiting"
    finally:
        subprocess.run(["umount", "-l", place], check=False)
    return "full disk: waited, went on, same digests"


def strace(call, effect):
    return ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{effect}"]


def check_quota(folder, config, whole):
    """EDQUOT is a full disk, too. SIGTERM while it waits stops the run without its last save, and says so."""
    output = os.path.join(folder, "quota")
    command = [*strace("fallocate", "error=EDQUOT:when=4+"), *faults.runner_command(config, output, "-j", 1, "-t", 1)]
    started = Started(command, output + ".log")
    assert "Disk quota exceeded" in started.wait_for("the run waits"), started.said()
    subprocess.run(["pkill", "-TERM", "-P", str(started.process.pid)], check=True)
    code, said = started.end()
    assert code == 3 and "without its last save" in said, said
    answer = faults.run_grid(config, output)
    assert answer.returncode == 0 and faults.verify(output) == whole, answer.stderr


def check_file_size(folder, config):
    """ulimit -f: EFBIG instead of the death that SIGXFSZ brings."""
    output = os.path.join(folder, "limited")
    started = Started(["prlimit", "--fsize=16384", *faults.runner_command(config, output, "-j", 1, "-t", 1)], output + ".log")
    assert "File too large" in started.wait_for("the run waits"), started.said()
    started.process.send_signal(signal.SIGTERM)
    code, said = started.end()
    assert code == 3, f"exit {code}: {said}"


def check_failing_disk(folder, config, whole):
    """EIO from one fsync ends one run; the other one finishes, and the same command finishes the rest."""
    output = os.path.join(folder, "failing")
    answer = faults.run_grid(config, output, "-j", 1, "-t", 1, prefix=strace("fsync", "error=EIO:when=12"))
    assert answer.returncode == 1, f"exit {answer.returncode}: {answer.stderr}"
    assert re.search(r"failed: .*run\.h5: Input/output error", answer.stderr), answer.stderr
    assert "1 finished, 1 failed" in answer.stderr, answer.stderr
    again = faults.run_grid(config, output)
    assert again.returncode == 0 and faults.verify(output) == whole, again.stderr


def check_little_memory(folder, config, whole):
    """From too little to load the libraries up to enough: a line and an exit code each time, never a crash, and nothing lost."""
    output, refused = os.path.join(folder, "little"), 0
    for megabytes in range(20, 400, 2):
        answer = faults.run_grid(config, output, "-j", 1, "-t", 1, prefix=["prlimit", f"--as={megabytes << 20}"])
        assert answer.returncode in (0, 1, 2, 127), f"{megabytes} MB: exit {answer.returncode}: {answer.stderr}"
        if answer.returncode == 0:
            break
        refused += answer.returncode in (1, 2)
        assert answer.stderr.strip(), f"{megabytes} MB: not a word"
        faults.verify(output)
    assert refused > 0 and faults.verify(output) == whole, f"{refused} refusals, then another digest"


def check_read_only(folder, config):
    place = os.path.join(folder, "frozen")
    os.makedirs(place)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", place], check=False, capture_output=True).returncode:
        return "read-only folder left out (mounting is not allowed)"
    try:
        answer = faults.run_grid(config, os.path.join(place, "out"))
        assert answer.returncode not in (0, 3) and answer.returncode > 0, answer.returncode
        assert place in answer.stderr and "Read-only file system" in answer.stderr, answer.stderr
    finally:
        subprocess.run(["umount", "-l", place], check=False)
    return "read-only folder: named, exit non-zero"


def check_changed_settings(folder):
    """Another learning rate is another run; the stopped one is kept and named, and goes on when the rate is put back."""
    own = os.path.join(folder, "changed")
    os.makedirs(own)
    config, output = faults.make_grid(own, images=2000, runs=1), os.path.join(own, "out")
    reference = os.path.join(own, "reference")
    assert faults.run_grid(config, reference).returncode == 0
    whole = faults.verify(reference)
    prefix = strace("renameat", "signal=SIGTERM:when=6")
    assert faults.run_grid(config, output, "-j", 1, "-t", 1, prefix=prefix).returncode == 3
    stopped = faults.run_files(output)
    changed = faults.run_grid(config, output, "optimizer.lr=0.002")
    assert changed.returncode == 0, changed.stderr
    assert re.search(r"was stopped after \d+ of 12 epochs under other settings", changed.stderr), changed.stderr
    assert stopped[0] in changed.stderr and os.path.exists(stopped[0]), changed.stderr
    back = faults.run_grid(config, output)
    assert back.returncode == 0 and "was stopped" not in back.stderr, back.stderr
    told = subprocess.run([faults.RUNNER, config, "-o", output, "--no-report"], capture_output=True, text=True, timeout=60)
    assert "1 finished run under other settings kept" in told.stderr, told.stderr
    assert whole.items() <= faults.verify(output).items(), "the stopped run ended with another digest"


def check_diverging(folder):
    """Two of four runs diverge: the others' bits are as without them, and every option about failures does what it says."""
    own = os.path.join(folder, "diverging")
    os.makedirs(own)
    config, output, calm = faults.make_grid(own), os.path.join(own, "out"), os.path.join(own, "calm")
    with open(config, encoding="utf-8") as file:
        text = file.read().replace("name: adam", "name: sgd, lr: 1000")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    assert faults.run_grid(config, calm).returncode == 0
    with open(config, "w", encoding="utf-8") as file:
        file.write(text + "  optimizer.weight_decay: [0, 1000]\n")
    for options, expected in (((), "2 finished, 2 failed"), (("--retry-failed",), "0 finished, 2 failed"),
                              (("--restart-failed",), "0 finished, 2 failed"),
                              (("--restart-failed", "--max-failures=1", "-j", 1), "0 finished, 1 failed"),
                              (("--force", "-j", 1), "2 finished, 2 failed")):
        answer = faults.run_grid(config, output, *options)
        assert answer.returncode == 1 and expected in answer.stderr, f"{options}: {answer.stderr}"
        assert "stopped being finite" in answer.stderr and "run.log" in answer.stderr, answer.stderr
        assert faults.verify(calm).items() <= faults.verify(output).items(), f"{options}: other runs' bits changed"
    left = faults.run_grid(config, output)
    assert left.returncode == 1 and "failed earlier" in left.stderr and "--retry-failed" in left.stderr, left.stderr
    fast = faults.run_grid(config, os.path.join(own, "fast"), "--fail-fast", "-j", 2)
    assert fast.returncode == 1 and "0 finished" in fast.stderr, fast.stderr


def main():
    faults.options(__doc__)
    if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        faults.skip("strace is not installed or may not trace here")
    with faults.scratch() as folder:
        config = faults.make_grid(folder)
        reference = os.path.join(folder, "reference")
        assert faults.run_grid(config, reference).returncode == 0
        whole = faults.verify(reference)
        notes = [check_waits_for_space(folder, config, whole), check_read_only(folder, config)]
        check_little_memory(folder, config, whole)
        check_quota(folder, config, whole)
        check_file_size(folder, config)
        check_failing_disk(folder, config, whole)
        check_changed_settings(folder)
        check_diverging(folder)
    notes.append("little memory, quota, file size limit, failing disk, changed settings, divergence: each named, nothing lost")
    print("; ".join(notes))


if __name__ == "__main__":
    sys.exit(main())
