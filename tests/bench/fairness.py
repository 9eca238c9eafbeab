"""How long a modest client waits, alone and beside those who take much."""

import collections
import contextlib
import os
import statistics
import time

import frame
from frame import percentile, quartiles

TITLE = "Fairness: a modest client, alone and beside others"
SEGMENT = "bench/0"
COMMIT = 1 << 30
USERS = 500
# Who ask one thing after the other, each on a connection of his own.
ASKERS = 400
MANY = 64
WHERE = ("broker on the first CPU, clients on the second; the modest one asks "
         "one thing after the other, and runs before others on his processor, "
         "so that it is the broker who lets him wait")
SHARED = ("broker on the first CPU, clients on the second; the modest one "
          "shares his processor with the others, since it is not allowed here "
          "that he runs before them: so the figures say little of the broker, "
          "and are held against no target")

Other = collections.namedtuple("Other", "name arguments target")


def others(context):
    """Those beside whom he is measured; and what was left out, and why."""
    size = COMMIT // 16 if context.quick else COMMIT
    count = min(100 if context.quick else 1000, frame.descriptors())
    found = [
        Other("pings without pause", ["greedy"], "fairness"),
        Other("64 attaches at once without pause",
              ["greedy-attach", "--name", SEGMENT], "fairness"),
        Other("reloads", ["reload"], None),
        Other(f"{count:,} clients that come and go",
              ["crowd", "--count", count], None)]
    if frame.available_memory() < size + frame.MEMORY_SPARE:
        return found, (f"beside a commit of {size >> 20:,} MiB: left out, "
                       "the host has too little memory available")
    found.insert(2, Other(f"commits of {size >> 20:,} MiB",
                          ["commit", "--size", size], None))
    return found, None


def config():
    """One that takes a while to read."""
    sections = (f"[user {200000 + number}]\nbytes = 1GiB\nsegments = 10\n"
                for number in range(USERS))
    return frame.default_config() + "".join(sections)


def run_before_others(station):
    """False where that is not allowed."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(station.process.pid, os.SCHED_FIFO,
                              os.sched_param(1))
        return True
    return False


@contextlib.contextmanager
def disturbed_by(station):
    """While somebody takes much; `station` works until the second line."""
    station.process.stdin.write("1\n")
    station.process.stdin.flush()
    time.sleep(0.02)
    yield
    station.ask(1)


def measure(context, modest, other, rounds, count):
    alone, beside = [], []
    for _ in range(rounds):
        turns = ["alone", "beside"]
        context.random.shuffle(turns)
        for turn in turns:
            if turn == "alone":
                alone.append(modest.measure(count))
                continue
            with disturbed_by(other):
                beside.append(modest.measure(count))
    return alone, beside


def row_of(name, alone, beside, target, note):
    all_alone, all_beside = frame.flat(alone), frame.flat(beside)
    tail = percentile(all_alone, 0.99)
    low, middle, high = quartiles([statistics.median(a) / statistics.median(b)
                                   for a, b in zip(beside, alone)])
    return {"case": name, "unit": "us", "floor": "alone",
            "p50": statistics.median(all_beside) / 1e3,
            "p99": percentile(all_beside, 0.99) / 1e3,
            "floor_p50": statistics.median(all_alone) / 1e3,
            "floor_p99": tail / 1e3,
            "ratio": middle, "ratio_spread": [low, high],
            "ratio_p99": percentile(all_beside, 0.99) / tail,
            "target": target, "note": note}


@contextlib.contextmanager
def modest_clients(context, served):
    """By what they ask, in the order of the rows; and whether they run before
    others."""
    with contextlib.ExitStack() as stack:
        clients = {kind: stack.enter_context(context.station(argv + served,
                                                             cpu=1))
                   for kind, argv in (
                       ("ping", ["fairness_bench", "ping"]),
                       ("attach", ["fairness_bench", "attach",
                                   "--name", SEGMENT]),
                       (f"open_many of {MANY}",
                        ["many_bench", "library", "--count", MANY]))}
        yield clients, all([run_before_others(one)
                            for one in clients.values()])


def rows_beside(context, other, served, clients, note):
    """A row for each client."""
    rounds = max(3, context.rounds // 3)
    rows = []
    with context.station(["fairness_bench", *other.arguments, *served],
                         cpu=1) as station:
        for kind, (one, count) in clients.items():
            alone, beside = measure(context, one, station, rounds, count)
            rows.append(row_of(f"{kind} beside {other.name}", alone, beside,
                               other.target, note))
    return rows


def run(context):
    frame.need_descriptors(ASKERS, "fairness")
    count = 100 if context.quick else 300
    found, left_out = others(context)
    rows = []
    with context.broker(config()) as broker:
        served = ["--socket", broker.socket]
        with context.station(["segments_bench", "create", *served,
                              "--count", 0], cpu=1) as station:
            station.measure(1)
        with modest_clients(context, served) as (clients, before_others):
            note = WHERE if before_others else SHARED
            small = {kind: (clients[kind], count)
                     for kind in ("ping", "attach")}
            for other in found:
                if not before_others:
                    other = other._replace(target=None)
                rows += rows_beside(context, other, served, small, note)
            kind = f"open_many of {MANY}"
            asking = Other(f"{ASKERS} who ask one thing at a time",
                           ["ask", "--count", ASKERS], None)
            rows += rows_beside(context, asking, served,
                                {kind: (clients[kind], count // 10)}, note)
    if left_out:
        rows.append({"case": left_out})
    return rows
