"""Cuts the power of a file system in the middle of saves: loop-mounted ext4 and xfs, the shutdown ioctl.

EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN without flushing the log stop the file system at once; what comes back after
unmounting and mounting is what a power cut would leave. Two mutants must lose acknowledged saves, or the test proves nothing:
without fsync of the file and without fsync of the folder (fault_shim.c leaves them out)."""
import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time

import faults

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), shared by ext4 and xfs
WITHOUT_LOG = 2        # *_GOING_FLAGS_NOLOGFLUSH
SYSTEMS = {
    "ext4": {"size": 64 << 20, "make": ["mkfs.ext4", "-q", "-F"]},
    "xfs": {"size": 320 << 20, "make": ["mkfs.xfs", "-q", "-f"]},
}


@contextlib.contextmanager
def mounted(image, place):
    subprocess.run(["mount", "-o", "loop", image, place], check=True, capture_output=True)
    try:
        yield
    finally:
        for _ in range(50):
            if subprocess.run(["umount", place], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.05)


def can_mount(system, scratch):
    recipe = SYSTEMS[system]
    if not shutil.which(recipe["make"][0]):
        return f"{recipe['make'][0]} is not installed"
    image, place = os.path.join(scratch, system), os.path.join(scratch, system + ".d")
    with open(image, "wb") as file:
        file.truncate(recipe["size"])
    os.makedirs(place, exist_ok=True)
    made = subprocess.run([*recipe["make"], image], check=False, capture_output=True, text=True)
    if made.returncode:
        return f"{recipe['make'][0]}: {made.stderr.strip()}"
    tried = subprocess.run(["mount", "-o", "loop", image, place], check=False, capture_output=True, text=True)
    if tried.returncode:
        return f"mount: {tried.stderr.strip()}"
    subprocess.run(["umount", place], check=True)
    return None


def cut_power(place):
    folder = os.open(place, os.O_RDONLY)
    fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", WITHOUT_LOG))
    os.close(folder)


def saves_until_cut(place, log, milliseconds, environment):
    """Saves as fast as it can until the cut. (last step acknowledged before the cut, last one that was said at all).

    What is acknowledged after the cut does not count: there is no power then, and xfs answers fsync of a folder whose log
    it has just thrown away with success."""
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen([faults.DRIVER, "save", os.path.join(place, "runs"), "a", "100000"], stdout=output,
                                   stderr=subprocess.DEVNULL, env={**os.environ, **environment})
    time.sleep(milliseconds / 1000)
    with open(log, encoding="utf-8") as output:
        before = faults.last_saved(output.read())
        cut_power(place)
        process.wait(60)
        output.seek(0)
        return before, faults.last_saved(output.read())


def trial(scratch, system, random, digests, environment):
    """What is wrong with what came back, None where everything acknowledged did."""
    image, place = os.path.join(scratch, system), os.path.join(scratch, system + ".d")
    subprocess.run([*SYSTEMS[system]["make"], image], check=True, capture_output=True)
    with mounted(image, place):
        acknowledged, said = saves_until_cut(place, image + ".log", random.uniform(20, 120), environment)
    with mounted(image, place):
        runs = os.path.join(place, "runs")
        if not os.path.isdir(runs):
            return f"step {acknowledged} acknowledged, no folder" if acknowledged else None
        answer = faults.driver("load", runs, "a")
        step = faults.last_saved(answer.stdout, "loaded")
        whole = answer.returncode == 0 and "damaged" not in answer.stderr
        if whole and acknowledged <= step <= said + 1 and (step == 0 or digests[step] in answer.stdout):
            return None
        return f"step {acknowledged} acknowledged, then exit {answer.returncode}: {answer.stdout} {answer.stderr}"


def campaign(scratch, system, count, random, digests, environment, until_lost=False):
    """(cuts, what was wrong in those that lost something)."""
    lost = []
    for number in range(count):
        wrong = trial(scratch, system, random, digests, environment)
        if wrong:
            lost.append(wrong)
        if lost and until_lost:
            return number + 1, lost
    return count, lost


def main():
    chosen = faults.options(__doc__, trials=(6, 100), mutants=(60, 60))
    digests = faults.Digests()
    with faults.scratch() as scratch:
        reasons = {system: can_mount(system, scratch) for system in SYSTEMS}
        usable = [system for system in SYSTEMS if not reasons[system]]
        notes = [f"{system} left out ({reason})" for system, reason in reasons.items() if reason]
        if not usable:
            faults.skip("; ".join(notes))
        for system in usable:
            _, lost = campaign(scratch, system, chosen.trials, chosen.random, digests, {})
            assert not lost, f"{system}: {len(lost)} of {chosen.trials} cuts lost an acknowledged save: {lost}"
            told = [f"{system}: {chosen.trials} cuts, 0 acknowledged saves lost"]
            for left_out in ("files", "folders"):
                environment = {"LD_PRELOAD": faults.SHIM, "FAULT_FSYNC": left_out}
                cuts, lost = campaign(scratch, system, chosen.mutants, chosen.random, digests, environment, not chosen.long)
                assert lost, f"{system}: the mutant without fsync of {left_out} lost nothing in {cuts} cuts"
                told.append(f"without fsync of {left_out} {len(lost)} of {cuts} lost one")
            notes.append(", ".join(told))
    print("; ".join(notes))


if __name__ == "__main__":
    sys.exit(main())
