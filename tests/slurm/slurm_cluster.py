"""A real Slurm on one machine, for as long as a test needs it: munged, slurmctld and two slurmd.

Everything lives in one private folder and runs as the user who runs the test: nothing below /etc, no service manager, no
root. The daemons are children in the foreground; slurmstepd detaches itself, so this process becomes the subreaper and ends
what it inherits. `credential_seconds` of 5 cuts the delay of a requeue from two minutes to six seconds.

The two nodes are one machine under two names, so what a node killed in the middle leaves behind is a matter of processes:
kill_node(name, tasks=True) is a lost machine, tasks=False a lost daemon whose task runs on beside its requeued copy.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo")
PR_SET_CHILD_SUBREAPER = 36
CONFIGURATION = """\
ClusterName=ci
SlurmctldHost={host}({address})
SlurmctldPort={port}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock,cred_expire={credential_seconds}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser={user}
SlurmdUser={user}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
PlugStackConfig={folder}/plugstack.conf
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait={kill_wait}
SlurmdTimeout=5
MessageTimeout=5
MaxArraySize={max_array_size}
MinJobAge=300
NodeName=n1 NodeHostname={host} NodeAddr={address} Port={port1} CPUs=2 RealMemory=1000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr={address} Port={port2} CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """What keeps a cluster from being started here, for the reason of a skip; empty when nothing does."""
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    absent = [name for name in DAEMONS if shutil.which(name, path=search) is None]
    host = socket.gethostname().split(".")[0]
    if subprocess.run(["getent", "ahostsv4", host], stdout=subprocess.DEVNULL, check=False).returncode != 0:
        absent.append(f"an address for this machine's name '{host}'")
    return absent


def wait_until(condition, seconds, what):
    """The first true value of condition(); an AssertionError that says `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"after {seconds} s: {what}")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def processes_below(root):
    """Ids of all descendants of a process, children before their own."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


class SlurmCluster:
    """with SlurmCluster() as cluster: … ; its environment is what programs that talk to it need."""

    def __init__(self, credential_seconds=5, kill_wait=3, max_array_size=101):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)  # munged refuses a socket below a folder that others cannot search
        self.settings = dict(credential_seconds=credential_seconds, kill_wait=kill_wait, max_array_size=max_array_size)
        self.daemons = {}
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SINFO_", "SCANCEL_"))
        }
        self.environment["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        self.environment["SLURM_CONF"] = str(self.folder / "slurm.conf")

    def __enter__(self):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        try:
            self._configure()
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.run("scancel", "--me", "-f", "-s", "KILL", check=False, timeout=10)
        except (subprocess.TimeoutExpired, OSError):
            pass
        for name in reversed(list(self.daemons)):
            self._end(name, signal.SIGTERM)
        self._end_inherited()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command, check=True, timeout=60, **options):
        """A Slurm command's (or any program's) standard output; its standard error is in the exception."""
        answer = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, **options
        )
        if check and answer.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {answer.returncode}\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def jobs(self, fields="%F %K %T %N", name=None):
        """Rows of squeue, finished jobs included, one a task."""
        chosen = ("-n", name) if name else ()
        lines = self.run("squeue", "-h", "--me", "-r", "-t", "all", *chosen, "-o", fields).splitlines()
        return [line.split() for line in lines]

    def wait_jobs_end(self, seconds, name=None):
        over = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE"}
        try:
            wait_until(lambda: all(row[0] in over for row in self.jobs("%T", name)), seconds, "jobs are still in the queue")
        except AssertionError as problem:
            raise AssertionError(f"{problem}: {self.jobs('%F %K %T %N %r', name)}") from None

    def node_set(self, name, state):
        self.run("scontrol", "update", f"NodeName={name}", f"State={state}", "Reason=test")

    def kill_node(self, name, tasks=True):
        """SIGKILL to a node's slurmd and, with tasks, to everything that runs on it (never anything else). Shepherds die
        before their tasks: a machine that is gone tells nobody how its tasks ended."""
        running = self.task_processes(name) if tasks else []
        self._end(name, signal.SIGKILL)
        for process in sorted(running, key=lambda one: not self._is_shepherd(one)):
            os.kill(process, signal.SIGKILL)

    def start_node(self, name):
        self._start(name, "slurmd", "-D", "-N", name)

    def task_processes(self, node):
        """Ids of what runs on a node: its job steps' processes and their shepherds."""
        return [process for process in processes_below(os.getpid()) if self._runs_on(process, node)]

    def _is_shepherd(self, process):
        try:
            return pathlib.Path(f"/proc/{process}/cmdline").read_bytes().startswith(b"slurmstepd")
        except OSError:
            return False

    def _runs_on(self, process, node):
        if self._is_shepherd(process):
            return any(self._runs_on(child, node) for child in processes_below(process))
        try:
            environment = pathlib.Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        return f"SLURMD_NODENAME={node}".encode() in environment

    def _configure(self):
        host = socket.gethostname().split(".")[0]
        address = self.run("getent", "ahostsv4", host).split()[0]
        port, port1, port2 = free_ports(3)
        user = self.run("id", "-un").strip()
        text = CONFIGURATION.format(
            folder=self.folder, host=host, address=address, user=user, port=port, port1=port1, port2=port2,
            **self.settings,
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "plugstack.conf").touch()
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        (self.folder / "state").mkdir(mode=0o700)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)

    def _start_all(self):
        folder = self.folder
        self._start(
            "munged", "munged", "-F", "--socket", f"{folder}/munge.sock", "--key-file", f"{folder}/munge.key",
            "--pid-file", f"{folder}/munged.pid", "--log-file", f"{folder}/munged.log",
            "--seed-file", f"{folder}/munge.seed",
        )
        wait_until((folder / "munge.sock").exists, 10, "munged has made no socket:\n" + self._read("munged.log"))
        self._start("slurmctld", "slurmctld", "-D", "-c")
        for node in ("n1", "n2"):
            self.start_node(node)
        self.wait_nodes_idle()

    def wait_nodes_idle(self, seconds=30):
        def idle():
            try:
                states = self.run("sinfo", "-h", "-N", "-o", "%T", check=False, timeout=10).split()
            except subprocess.TimeoutExpired:
                return False
            return states == ["idle", "idle"]

        try:
            wait_until(idle, seconds, "the nodes are not idle")
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self._read('slurmctld.log')[-3000:]}") from None

    def _start(self, name, *command):
        log = open(self.folder / f"{name}.out", "ab")
        self.daemons[name] = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def _end(self, name, number):
        daemon = self.daemons.pop(name, None)
        if daemon is None:
            return
        daemon.send_signal(number)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _end_inherited(self):
        """Ends what came to this process as the subreaper: shepherds and what they left."""
        for _ in range(50):
            below = processes_below(os.getpid())
            for process in below:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            try:
                while os.waitpid(-1, os.WNOHANG)[0] != 0:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.02)

    def _read(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else "(no log)"
