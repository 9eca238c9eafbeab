"""What many connections and many segments cost, and whether they slow down."""

import contextlib
import os
import signal
import socket
import statistics
import time

import frame
from frame import BenchError, Case, descriptors, percentile, quartiles

TITLE = "Scale"
# Descriptors without which there is nothing to be seen.
LEAST = 200
SEGMENT = "bench/0"
CROWD = 64
# The two numbers of connections that a target compares.
SOME, CROWDED = 64, 5000
# Connections or more of which memory is held against its target: of fewer it is
# not known well enough, as the kernel counts whole pages.
WEIGHABLE = 1000
ANSWER_SECONDS = 20
HELLO_AND_PING = (b'{"id":1,"op":"hello","version":1}\n'
                  b'{"id":2,"op":"ping"}\n')


def reachable(wanted, what):
    """The largest number up to the one wanted, and what is to be said."""
    room = descriptors()
    if wanted <= room:
        return wanted, ""
    return room, (f"{wanted:,} {what} need more descriptors than the hard "
                  f"limit of {room + frame.DESCRIPTORS_SPARE:,} lets a "
                  "process have")


def sizes(context, what, small, full):
    """Pairs of a size and a note, each size once."""
    found = dict(reachable(size, what)
                 for size in (small if context.quick else full))
    return sorted(found.items())


def own_memory(pid):
    """Bytes of memory that are a process's own."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} does not tell its memory")


def cpu_time(pid):
    """Nanoseconds that a process's first thread was on a processor."""
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def do_exactly(station, count):
    """So many operations, those that warm a station up included."""
    taken = []
    while count > 0:
        turn = next(n for n in range(count, 0, -1) if n + n // 10 <= count)
        taken += station.measure(turn)
        count -= turn + turn // 10
    return taken


@contextlib.contextmanager
def bare_server(context):
    path = os.path.join(context.folder, "bare.sock")
    with context.station(["bare_bench", "answers", "--socket", path],
                         cpu=0) as station:
        yield path, station.process.pid
    os.unlink(path)


def make_segments(context, broker, count, first=0):
    """How long each took, once the others were there."""
    with context.station(["segments_bench", "create", "--socket",
                          broker.socket, "--count", first], cpu=1) as station:
        last = max(1, count // 10)
        do_exactly(station, count - last)
        return do_exactly(station, last)


# ---- throughput ----

def load(context, path, count, batch, kind="attach"):
    return context.station(
        ["load_bench", kind, "--socket", path, "--name", SEGMENT,
         "--count", count, "--size", batch], cpu=1)


def rate_row(name, rates, floor_name, floor_rates, target=None, note="",
             **more):
    ratios = [a / b for a, b in zip(rates, floor_rates)]
    low, middle, high = quartiles(ratios)
    return {"case": name, "unit": "/s", "p50": statistics.median(rates),
            "floor": floor_name, "floor_p50": statistics.median(floor_rates),
            "ratio": middle, "ratio_spread": [low, high], "target": target,
            "note": note, **more}


def batch_of(count):
    return max(500 * min(count, 16), 4 * count)


def measure_rates(context, rounds, stations, pids):
    """Attaches a second, and nanoseconds of its processor that each took the
    server, of each round, by the stations' keys."""
    rates = {key: [] for key in stations}
    used = {key: [] for key in stations}
    order = list(stations)
    for turn in range(rounds + 1):
        context.random.shuffle(order)
        for key in order:
            before = cpu_time(pids[key[0]])
            taken = stations[key].measure(1)[0]
            if turn > 0:  # the first one fills the caches
                done = batch_of(key[1])
                rates[key].append(done * 1e9 / taken)
                used[key].append((cpu_time(pids[key[0]]) - before) / done)
    return rates, used


def time_row(name, used, floor_used, target=None, note=""):
    """Nanoseconds that something took the broker, beside the bare server."""
    low, middle, high = quartiles([a / b for a, b in zip(used, floor_used)])
    return {"case": name, "unit": "us", "p50": statistics.median(used) / 1e3,
            "floor": "epoll server",
            "floor_p50": statistics.median(floor_used) / 1e3,
            "ratio": middle, "ratio_spread": [low, high],
            "target": target, "note": note}


def throughput(context, broker, bare, bare_pid):
    counts = [n for n in ([1, SOME, 500] if context.quick
                          else [1, 8, SOME, 512, CROWDED])
              if 2 * n < descriptors()]
    make_segments(context, broker, 1)
    with contextlib.ExitStack() as stack:
        stations = {}
        for count in counts:
            for kind, path in (("attach", broker.socket), ("floor", bare)):
                stations[kind, count] = stack.enter_context(
                    load(context, path, count, batch_of(count)))
        stations["open", SOME] = stack.enter_context(
            load(context, broker.socket, SOME, batch_of(SOME), "open"))
        rates, used = measure_rates(
            context, max(3, context.rounds // 2), stations,
            {"attach": broker.serving, "open": broker.serving,
             "floor": bare_pid})
    note = ("one request under way on each connection, without mmap, the "
            "release of the former grant with it; server on the first CPU, "
            "clients on the second")
    rows = [rate_row(f"attaches, connections: {count:,}",
                     rates["attach", count], "epoll server",
                     rates["floor", count],
                     "throughput" if count == SOME else None, note,
                     curve="attaches a second, by connections", x=count)
            for count in counts]
    rows.append(rate_row(f"opens alone, connections: {SOME}",
                         rates["open", SOME], "epoll server",
                         rates["floor", SOME],
                         note="nothing is released: grants pile up"))
    rows.append(time_row(f"server's time an attach, connections: {SOME}",
                         used["attach", SOME], used["floor", SOME],
                         note="what the server is on its processor"))
    return rows + crowded_rows(rates, counts[-1])


def crowded_rows(rates, most):
    """What many connections leave of the rate that some have."""
    if most <= SOME:
        return [{"case": "attaches over more connections: left out, the hard "
                 "limit of descriptors is too low"}]
    note = "" if most == CROWDED else (
        f"the target is for {CROWDED:,} connections: with --quick, or few "
        "descriptors, there are fewer, and nothing is held against it")
    return [rate_row(
        f"{name}, {most:,} connections to {SOME}", rates[kind, most],
        f"{SOME} connections", rates[kind, SOME], note=note,
        target="throughput crowded"
        if kind == "attach" and most == CROWDED else None)
            for kind, name in (("attach", "attaches"),
                               ("floor", "epoll server"))]


# ---- connections ----

def connect_crowds(context, path, pid, crowds):
    """Nanoseconds a connection: of the clock, and of the server's time."""
    with context.station(["idle_bench", "connect", "--socket", path,
                          "--count", CROWD], cpu=1) as station:
        began = cpu_time(pid)
        taken = do_exactly(station, crowds)
        used = cpu_time(pid) - began
    return statistics.median(taken) / CROWD, used / (crowds * CROWD)


def accepting(context, broker, bare, bare_pid):
    total = min(1000 if context.quick else 10000, descriptors())
    total -= total % CROWD
    servers = {"own": (broker.socket, broker.serving),
               "bare": (bare, bare_pid)}
    clock, used = {"own": [], "bare": []}, {"own": [], "bare": []}
    order = list(servers)
    for _ in range(max(3, context.rounds // 6)):
        context.random.shuffle(order)
        for name in order:
            times = connect_crowds(context, *servers[name], total // CROWD)
            clock[name].append(times[0])
            used[name].append(times[1])
    rows = []
    for what, times, target, note in (
            ("server's time", used, ["accept", "accept time"],
             f"connect, hello and its answer, {total:,} times, {CROWD} at "
             "once; what the server is on its processor"),
            ("both", clock, "accept", "the same by the clock")):
        rows.append(time_row(f"accept, {what}", times["own"], times["bare"],
                             target, note))
    return rows


def ping_among(context, broker, empty, count):
    """Both are on the client's processor, and take turns."""
    with contextlib.ExitStack() as stack:
        pair = [stack.enter_context(context.station(
            ["fairness_bench", "ping", "--socket", where.socket], cpu=0))
                for where in (broker, empty)]
        return context.compare(
            [Case(f"ping among {count:,} connections, one CPU", *pair,
                  "alone")], n=50)


def idle_rows(context, count, note, empty):
    with context.broker() as broker:
        with context.station(["idle_bench", "connect", "--socket",
                              broker.socket, "--count", 1], cpu=1) as station:
            station.measure(1)
            before = own_memory(broker.serving)
            began = time.monotonic()
            do_exactly(station, count)
            seconds = time.monotonic() - began
            each = (own_memory(broker.serving) - before) / count
            pings = ping_among(context, broker, empty, count)
    return [{"case": f"memory an idle connection, {count:,}", "unit": "B",
             "p50": each, "note": note,
             "target": "idle memory" if count >= WEIGHABLE else None,
             "curve": "memory an idle connection", "x": count},
            {"case": f"{count:,} connections, one by one", "unit": "ms",
             "p50": seconds * 1e3, "note": note}] + pings


def connections(context):
    rows = []
    with context.broker() as empty:
        for count, note in sizes(context, "connections", [1000],
                                 [10000, 100000]):
            rows += idle_rows(context, count, note, empty)
    return rows


# ---- segments ----

def answers(path):
    """Whether a broker answered a ping."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(ANSWER_SECONDS)
        try:
            client.connect(path)
            client.sendall(HELLO_AND_PING)
            got = b""
            while got.count(b"\n") < 2:
                part = client.recv(65536)
                if not part:
                    return False
                got += part
        except (ConnectionError, BlockingIOError):
            return False
    return True


def restart(broker):
    """Seconds from the broker's death to an answer of the next one."""
    killed = broker.serving
    began = time.monotonic()
    os.kill(killed, signal.SIGKILL)
    while not answers(broker.socket):
        if time.monotonic() - began > ANSWER_SECONDS:
            raise BenchError("no broker serves again after SIGKILL")
    taken = time.monotonic() - began
    while not broker.find_serving() or broker.serving == killed:
        time.sleep(0.01)
    return taken


def open_cases(context, broker, small, count, few, stack):
    """Opening one of `count`, beside opening one of `few`."""
    cases = []
    for kind, name, target in (
            ("same", "one name", None), ("open", "any name",
                                         "open among many")):
        pair = [stack.enter_context(context.station(
            ["segments_bench", kind, "--socket", where.socket,
             "--count", many], cpu=0)) for where, many in
            ((broker, count), (small, few))]
        cases.append(Case(f"open {name} of {count:,}", *pair, f"of {few}",
                          target))
    pair = [stack.enter_context(context.station(
        ["segments_bench", "floor", "--count", many], cpu=0))
            for many in (count, few)]
    cases.append(Case(f"reopen any memfd of {count:,}, no broker", *pair,
                      f"of {few}", note="what the kernel's part of that "
                      "becomes when nothing is in a cache"))
    return cases


def segments_rows(context, count, note, small, few):
    rows = []
    with context.broker() as broker:
        before = own_memory(broker.serving), own_memory(broker.keeper)
        taken = make_segments(context, broker, count)
        behind = own_memory(broker.serving), own_memory(broker.keeper)
        rows.append({"case": f"create among {count:,}", "unit": "us",
                     "p50": statistics.median(taken) / 1e3,
                     "p99": percentile(taken, 0.99) / 1e3,
                     "curve": "create, by segments that are there",
                     "x": count,
                     "note": "4 KiB reserved, with a name, kept until it is "
                             "removed; two CPUs"})
        for index, who in enumerate(("broker", "keeper")):
            rows.append({"case": f"memory a segment, {count:,}, {who}",
                         "unit": "B", "note": note, "x": count,
                         "curve": f"memory a segment, {who}",
                         "p50": (behind[index] - before[index]) / count})
        with contextlib.ExitStack() as stack:
            rows += context.compare(
                open_cases(context, broker, small, count, few, stack),
                n=100)
        times = [restart(broker) for _ in range(3 if context.quick else 7)]
        rows.append({"case": f"restart with {count:,} segments", "unit": "ms",
                     "p50": statistics.median(times) * 1e3,
                     "p99": max(times) * 1e3,
                     "curve": "restart, by segments", "x": count,
                     "note": "from SIGKILL of the broker to the answer to a "
                             "client's ping; in place of p99 the longest"})
    return rows


def segments(context):
    few = 10
    rows = []
    with context.broker() as small:
        make_segments(context, small, few)
        for count, note in sizes(context, "segments", [100, 1000],
                                 [1000, 10000, 100000]):
            rows += segments_rows(context, count, note, small, few)
    return rows


def many_connections(context):
    with context.broker() as broker, bare_server(context) as (bare, pid):
        return (throughput(context, broker, bare, pid) +
                accepting(context, broker, bare, pid))


ALL = {"throughput": many_connections, "idle": connections,
       "segments": segments}
GROUPS = list(ALL)


def run(context):
    frame.need_descriptors(LEAST, "scale")
    rows = []
    for group, measure in ALL.items():
        if context.wants(group):
            rows += measure(context)
    return rows
