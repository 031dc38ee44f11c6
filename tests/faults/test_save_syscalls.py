"""Kills a save at every system call it makes, and fails every one of them with ENOSPC, EIO and EINTR; cuts writes short.

Whatever happens, the file that was there or the new one loads afterwards, with the digest that its step has, and a save
that did not take place is answered by a line and a non-zero exit."""
import os
import re
import shutil
import subprocess
import sys

import faults

BEFORE = 2  # steps that are saved when the trial begins
ERRORS = ["ENOSPC", "EIO", "EINTR"]
# What the kernel can answer where it is not a file that is asked for: brk has no error, it returns the old end.
MEMORY_ERRORS = {"brk": [], "mmap": ["ENOMEM"], "mremap": ["ENOMEM"], "munmap": ["ENOMEM"]}


def list_calls(scratch, good):
    """(name, n): the n-th call of that name in the process, for every call of the one save."""
    work, log = os.path.join(scratch, "trace"), os.path.join(scratch, "trace.log")
    shutil.copytree(good, work)
    faults.driver("save", work, "a", 1, prefix=["strace", "-o", log])
    shutil.rmtree(work)
    seen, calls, inside = {}, [], False
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            match = re.match(r"(\w+)\(", line)
            if not match:
                continue
            name = match.group(1)
            if 'write(1, "saved' in line:
                break
            seen[name] = seen.get(name, 0) + 1
            if inside and name not in ("exit_group", "exit"):
                calls.append((name, seen[name]))
            if 'write(1, "loaded' in line:
                inside = True
    return calls


def check_after(work, answer, digests, what):
    acknowledged = max(BEFORE, faults.last_saved(answer.stdout))
    after = faults.driver("load", work, "a")
    step = faults.last_saved(after.stdout, "loaded")
    assert after.returncode == 0, f"{what}: {after.stderr}"
    assert step in (acknowledged, BEFORE + 1), f"{what}: acknowledged {acknowledged}, found {after.stdout}"
    assert after.stdout.split()[2] == digests[step], f"{what}: another digest"
    assert "damaged" not in after.stderr, f"{what}: {after.stderr}"
    strays = [name for name in os.listdir(faults.run_folder(work)) if name.endswith(".tmp")]
    assert not strays, f"{what}: {strays} left behind"


def trial(scratch, good, prefix, what, killed, digests, **environment):
    """True when the save took place in spite of it."""
    work = os.path.join(scratch, "work")
    shutil.copytree(good, work)
    answer = faults.driver("save", work, "a", 1, prefix=prefix, **environment)
    saved = faults.last_saved(answer.stdout) == BEFORE + 1
    if killed:
        assert answer.returncode != 0, f"{what}: was not killed"
    elif answer.returncode != 0:
        assert answer.returncode > 0 and "error:" in answer.stderr, f"{what}: {answer.returncode}, {answer.stderr}"
    else:
        assert saved, f"{what}: exit 0 and nothing saved"
    check_after(work, answer, digests, what)
    shutil.rmtree(work)
    return saved


def inject(name, number, effect):
    return ["strace", "-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:{effect}:when={number}"]


def main():
    chosen = faults.options(__doc__, stride=(3, 1))
    if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        faults.skip("strace is not installed or may not trace here")
    digests = faults.Digests()
    kills = failures = survived = short = 0
    with faults.scratch() as scratch:
        good = os.path.join(scratch, "good")
        faults.driver("save", good, "a", BEFORE)
        calls = list_calls(scratch, good)
        assert len(calls) > 10, calls
        for index, (name, number) in enumerate(calls):
            trial(scratch, good, inject(name, number, "signal=KILL"), f"KILL at {name} {number}", True, digests)
            kills += 1
            for error in MEMORY_ERRORS.get(name, ERRORS[index % chosen.stride::chosen.stride]):
                survived += trial(scratch, good, inject(name, number, f"error={error}"), f"{error} at {name} {number}",
                                  False, digests)
                failures += 1
        for number in range(1, 5):
            for then in ("", "ENOSPC"):
                short += 1
                survived += trial(scratch, good, [], f"short write {number} {then}", False, digests,
                                  LD_PRELOAD=faults.SHIM, FAULT_SHORT_WRITE=str(number), FAULT_THEN=then)
    print(f"{len(calls)} system calls in a save: {kills} kills, {failures} errors, {short} short writes: 0 damaged files, "
          f"0 acknowledged saves lost, {survived} saves took place all the same")


if __name__ == "__main__":
    sys.exit(main())
