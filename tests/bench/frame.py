"""What the sections of the benchmarks have in common: brokers, stations, and
rounds in which stations take turns."""

import collections
import contextlib
import ctypes
import functools
import grp
import os
import pwd
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

US = 1000  # nanoseconds
# One segment of a broker cannot be larger, whatever goes wrong.
FILE_SIZE = 1 << 30
START_SECONDS = 20
TURN_SECONDS = 5
PR_SET_PDEATHSIG = 1
# What must be free besides, for the host's sake.
MEMORY_SPARE = 2 << 30
# Descriptors that a broker or a station needs besides those that are counted.
DESCRIPTORS_SPARE = 200

# Quotas and rules of every kind, so that what they cost is in.
DEFAULT_CONFIG = """\
[total]
segments = 1000000
bytes = 90%
grants = 10000000
[default]
segments = 1000
[user {user}]
segments = 1000000
bytes = 80%
segment_bytes = 2GiB
grants = 1000000
connections = 200000
requests_per_second = 100000000
[group {group}]
segments = 1000000
bytes = 80%
grants = 1000000
[access global/bench/*]
create = user:{user}
write = user:{user}
read = user:{user}, group:{group}
[access global/bench/private/*]
create = user:{user}
read = user:{user}
list = user:{user}
[access global/other/*]
create = group:{group}
write = group:{group}
read = everyone
"""


class BenchError(Exception):
    """Says to the user why there are no figures."""


# ---- this process, and the host ----

def stop_on_signals():
    """So that whoever ends this program has everything put away."""
    def stop_at_once(_signal, _frame):
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_at_once)


@functools.lru_cache(maxsize=None)
def processors():
    """The two that this program may use: a CPU of 0 or 1, here and in the
    sections, is the first or the second of them."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("two processors are needed, and this process may use "
                         f"only CPU {allowed[0]} (see taskset -p)")
    return tuple(allowed[:2])


def available_memory():
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def descriptors():
    """How many connections or segments the limit of descriptors lets be."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - DESCRIPTORS_SPARE


def need_descriptors(count, what):
    """So many besides the spare ones."""
    if descriptors() < count:
        least = count + DESCRIPTORS_SPARE
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        raise BenchError(f"{what} needs at least {least:,} descriptors, and "
                         f"the hard limit is {limit:,} (ulimit -Hn)")


def own_names():
    """The user and a group of his, by name where they have one."""
    user, group = str(os.getuid()), str(os.getgid())
    with contextlib.suppress(KeyError):
        user = pwd.getpwuid(os.getuid()).pw_name
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(os.getgid()).gr_name
    return {"user": user, "group": group}


def default_config():
    return DEFAULT_CONFIG.format(**own_names())


def start(argv, cpu=None, ends_by=signal.SIGKILL, **streams):
    """Starts a program on one of processors(). It gets a signal when this one
    ends, however that does; `ends_by` None: it ends by itself."""
    libc = ctypes.CDLL(None)
    where = None if cpu is None else {processors()[cpu]}

    def prepare():
        # A Ctrl-C is for this program to act on. Not a session of its own:
        # Linux shares processors out by sessions, and a floor's two processes
        # would get as much as a broker alone.
        os.setpgid(0, 0)
        if ends_by is not None:
            libc.prctl(PR_SET_PDEATHSIG, ends_by)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
        if where is not None:
            os.sched_setaffinity(0, where)

    try:
        return subprocess.Popen(argv, preexec_fn=prepare, **streams)
    except FileNotFoundError:
        raise BenchError(f"{argv[0]} is not there: `make bench` builds "
                         "it") from None


def await_idle(pid):
    """Until a process sleeps, because it has done all that there was to do."""
    deadline = time.monotonic() + START_SECONDS
    state = None
    while state != "S":
        if time.monotonic() > deadline:
            raise BenchError(f"process {pid} does not come to rest, but is in "
                             f"state {state}")
        time.sleep(0.002)
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            state = "Z"
        if state in "ZX":
            raise BenchError(f"process {pid} has ended")


# ---- brokers ----

class Broker:
    """A private broker: its socket, its keeper's pid, its serving process."""

    def __init__(self, build, folder, config, cpu, environment):
        self.folder = folder
        self.runtime = os.path.join(folder, "run")
        self.socket = os.path.join(self.runtime, "broker.sock")
        self.log = os.path.join(folder, "log")
        config_path = os.path.join(folder, "segbroker.conf")
        os.mkdir(self.runtime, 0o755)
        with open(config_path, "w", encoding="utf-8") as file:
            file.write(config)
        with open(self.log, "wb") as log:
            self.process = start(
                [os.path.join(build, "segbrokerd"), "--config", config_path,
                 "--runtime-dir", self.runtime, "--socket", self.socket,
                 "--restart-pause", "0"],
                # Who killed a keeper would only make its broker start another.
                cpu, signal.SIGTERM, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, env={**os.environ, **(environment or {})})
        self.keeper = self.process.pid
        self.serving = None

    def await_service(self):
        deadline = time.monotonic() + START_SECONDS
        while not (self.answers() and self.find_serving()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"the broker does not serve:\n{self.logged()}")
            time.sleep(0.01)

    def answers(self):
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.socket) == 0

    def find_serving(self):
        path = f"/proc/{self.keeper}/task/{self.keeper}/children"
        with open(path, encoding="ascii") as file:
            children = file.read().split()
        self.serving = int(children[0]) if children else None
        return self.serving is not None

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.terminate()
        try:
            status = self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError("the broker goes on after SIGTERM") from None
        if status != 0:
            raise BenchError(f"the broker ended with {status}:\n"
                             f"{self.logged()}")

    def processes(self):
        """Keeper and broker, also such that they have started themselves."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if self.runtime.encode() in file.read().split(b"\0"):
                        found.append(int(pid))
        return found

    def kill(self):
        """All at once, so that none starts another."""
        while found := self.processes():
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            self.process.poll()
            time.sleep(0.002)
        self.process.wait()


# ---- stations ----

class Station:
    """A program that does operations when it is told to (station.h)."""

    def __init__(self, argv, cpu):
        self.text = " ".join(os.path.basename(word) for word in argv[:2])
        # The end of its input ends it, and it puts away what it has made: a
        # signal that kills would leave that.
        self.process = start(argv, cpu, None, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self.text} ended with {self.process.wait()}")
        return line

    def await_ready(self):
        line = self.read().strip()
        if line != "ready":
            raise BenchError(f"{self.text}: expected `ready`, not `{line}`")

    def ask(self, line):
        """Any line; for stations that understand more than numbers."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.read()

    def measure(self, count):
        """Nanoseconds that each of so many operations took."""
        return [int(word) for word in self.ask(count).split()]

    def stop(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchError(f"{self.text} does not end") from None
        if status != 0:
            raise BenchError(f"{self.text} ended with {status}")

    def kill(self):
        """Lets it end its turn, and put away what it has made."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(TURN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# ---- comparing ----

def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def quartiles(values):
    """The first one, the median, and the third one."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


# One line of the table. `floor`: the station that it is compared to, and
# `floor_name` what that is; `target`: a key of targets.py, or several; `items`:
# so many things one operation does, its own and its floor's.
Case = collections.namedtuple(
    "Case", "name station floor floor_name target items note",
    defaults=(None, "", None, 1, ""))

# A row, whoever makes it, is a dict with `case`, and what there is to say of:
# unit (of p50, p99, floor_p50), p50, p99, floor (its name), floor_p50, ratio,
# ratio_spread ([low, high]), ratio_p99, target (as in Case), note (a sentence
# below the table). `curve` and `x` make it a point of a line in the drawing.


class Context:
    """What sections get."""

    def __init__(self, build, quick=False, rounds=None, peers=False):
        self.build = build
        self.only = ""
        self.quick = quick
        self.rounds = rounds or (6 if quick else 60)
        self.peers = peers
        self.folder = tempfile.mkdtemp(prefix="segbench-")
        self.random = random.Random()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def wants(self, group):
        """Whether --only leaves this group of a section's cases in."""
        return self.only in group

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    @contextlib.contextmanager
    def _running(self, made, await_it):
        """Ends it well, or at once when something went wrong."""
        try:
            await_it()
            yield made
        except BaseException:
            made.kill()
            raise
        made.stop()

    @contextlib.contextmanager
    def broker(self, config=None, cpu=0, environment=None):
        """A broker on that processor, with quotas and rules. `environment`:
        what is in it besides the own one."""
        folder = tempfile.mkdtemp(prefix="broker-", dir=self.folder)
        os.chmod(folder, 0o755)
        made = Broker(self.build, folder, config or default_config(), cpu,
                      environment)
        with self._running(made, made.await_service) as running:
            yield running
        shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def station(self, argv, cpu=0):
        """`argv`: the program's name without its folder, its kind, options."""
        made = Station([self.program(argv[0])] + [str(a) for a in argv[1:]],
                       cpu)
        with self._running(made, made.await_ready) as running:
            yield running

    def compare(self, cases, rounds=None, n=50, counts=None):
        """Lets the stations of the cases take turns, in another order each
        round, and gives the rows. A station that several cases share is
        measured once a round. `counts`: operations a round of stations that
        do not do `n`."""
        stations = []
        for case in cases:
            for station in (case.station, case.floor):
                if station and station not in stations:
                    stations.append(station)
        samples = {station: [] for station in stations}
        for _ in range(rounds or self.rounds):
            self.random.shuffle(stations)
            for station in stations:
                count = (counts or {}).get(station, n)
                samples[station].append(station.measure(count))
        return [row_of(case, samples) for case in cases]


def flat(rounds):
    return [value for values in rounds for value in values]


def row_of(case, samples):
    """p50 and p99 over all samples; ratios are of each round's medians."""
    own = samples[case.station]
    scale = US * case.items
    row = {"case": case.name, "unit": "us", "target": case.target,
           "note": case.note,
           "p50": statistics.median(flat(own)) / scale,
           "p99": percentile(flat(own), 0.99) / scale}
    if case.floor is None:
        return row
    other = samples[case.floor]
    low, middle, high = quartiles(
        [statistics.median(a) / statistics.median(b)
         for a, b in zip(own, other)])
    floor_p99 = percentile(flat(other), 0.99) / scale
    row.update({"floor": case.floor_name,
                "floor_p50": statistics.median(flat(other)) / scale,
                "floor_p99": floor_p99,
                "ratio": middle, "ratio_spread": [low, high],
                "ratio_p99": row["p99"] / floor_p99})
    return row
