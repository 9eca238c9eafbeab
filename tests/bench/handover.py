"""Whole buffers that go to another process, and other programs' ways for the
descriptor itself."""

import contextlib
import os
import shutil
import socket
import subprocess
import time

import frame
from frame import BenchError, Case

TITLE = "Handing over"
MIB = 1 << 20
GIB = 1 << 30
# Redis takes no value above this one.
REDIS_MAX = 512 * MIB
START_SECONDS = 10

COUNTED = ("counted from when the sender begins until the receiver has read "
           "every byte; the sender's memory is filled before; sender and "
           "broker on the first CPU, receiver on the second")


def size_text(size):
    return f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"


# ---- other programs ----

@contextlib.contextmanager
def program(argv, ready, **streams):
    """A server of somebody else's, once `ready()`."""
    if not shutil.which(argv[0]):
        raise BenchError(f"{argv[0]} is not installed: `make bench PEERS=1` "
                         "installs it")
    process = frame.start(argv, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, **streams)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None:
                raise BenchError(f"{argv[0]} ended at its start: "
                                 f"{process.stderr.read().strip()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{argv[0]} does not serve")
            time.sleep(0.01)
        yield
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()


def answers(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


@contextlib.contextmanager
def listening(path):
    """A socket for a server that is given one."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(16)
        yield server
    os.unlink(path)


@contextlib.contextmanager
def redis(context):
    path = os.path.join(context.folder, "redis.sock")
    with program(["redis-server", "--port", "0", "--unixsocket", path,
                  "--save", "", "--appendonly", "no", "--dir",
                  context.folder], lambda: answers(path)):
        yield path


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


@contextlib.contextmanager
def fdholder(context):
    path = os.path.join(context.folder, "fdholder.sock")
    rules = os.path.join(context.folder, "fdholder")
    write(f"{rules}/uid/default/allow", "")
    for what in ("STORE", "RETRIEVE"):
        write(f"{rules}/uid/default/env/S6_FDHOLDER_{what}_REGEX", "^bench\n")
    with listening(path) as server:
        with program(["s6-fdholderd", "-i", rules], lambda: True, cpu=0,
                     stdin=server):
            yield path
    shutil.rmtree(rules)


# ---- buffers ----

def sender(context, kind, size, path=None):
    where = ["--socket", path] if path else []
    return context.station(["handover_bench", kind, "--size", size,
                            "--server-cpu", frame.processors()[1], *where],
                           cpu=0)


def buffers(context, broker, redis_path, size, rounds, n):
    name = f"{size_text(size)} by segment"
    if frame.available_memory() < 5 * size + frame.MEMORY_SPARE:
        return [{"case": f"{name}: left out, the host has too little memory "
                 "available"}]
    with contextlib.ExitStack() as stack:
        def start(*arguments):
            return stack.enter_context(sender(context, *arguments))

        own = start("segment", size, broker.socket)
        stream = start("socket", size)
        kept = start("mapped", size, broker.socket)
        cases = [Case(name, own, stream, "Unix socket", note=COUNTED),
                 Case(f"{name}, kept mapped", kept, stream, "Unix socket"),
                 Case(name, own, start("pipe", size), "pipe")]
        if redis_path and size <= REDIS_MAX:
            cases.append(Case(name, own, start("redis", size, redis_path),
                              "Redis", note="SET there and GET here, over its "
                              "Unix socket; it runs on any processor"))
        for case in cases:  # the first time costs page tables
            case.station.measure(1)
            case.floor.measure(1)
        rows = context.compare(cases, rounds, n)
    if redis_path and size > REDIS_MAX:
        rows[-1]["note"] = ("Redis is left out: it takes no value above "
                            f"{size_text(REDIS_MAX)}")
    return rows


# ---- descriptors ----

def descriptors(context, broker):
    """All three do what an attach does, with their servers on one processor."""
    rows = []
    with contextlib.ExitStack() as stack:
        def start(*argv):
            return stack.enter_context(context.station(argv, cpu=0))

        own = start("attach_bench", "library", "--socket", broker.socket)
        holder = start("fdholder_bench", "retrieve", "--size", MIB,
                       "--socket", stack.enter_context(fdholder(context)))
        caller = start("dbus_bench", "call", "--size", MIB, "--socket",
                       os.path.join(context.folder, "bus.sock"),
                       "--server-cpu", frame.processors()[0])
        note = ("a descriptor fetched, 1 MiB mapped, unmapped and closed, by "
                "each one's own library")
        rows += context.compare([
            Case("attach", own, holder, "s6-fdholderd", note=note),
            Case("attach", own, caller, "dbus-broker")], n=100)
    return rows


def run(context):
    rows = []
    rounds = context.rounds
    sizes = ([(MIB, rounds, 5), (16 * MIB, rounds, 1)] if context.quick else
             [(MIB, rounds, 10), (64 * MIB, max(3, rounds // 3), 1),
              (GIB, max(3, rounds // 10), 1)])
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(context.broker())
        path = stack.enter_context(redis(context)) if context.peers else None
        for size, rounds, n in sizes:
            rows += buffers(context, broker, path, size, rounds, n)
        if context.peers:
            rows += descriptors(context, broker)
    return rows
