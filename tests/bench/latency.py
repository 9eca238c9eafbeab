"""How long one call takes, beside what it takes without a broker."""

import contextlib
import os
import signal

import frame
from frame import Case

TITLE = "Latency"
WHERE = {0: "one CPU", 1: "two CPUs"}
MIB = 1 << 20
EXCHANGE = "bare exchange"


class Stations:
    """Starts stations that end with the block; the broker, and the servers of
    floors, are on the first CPU."""

    def __init__(self, context, broker, stack, cpu=0):
        self.context = context
        self.broker = broker
        self.stack = stack
        self.cpu = cpu

    def start(self, *argv):
        return self.stack.enter_context(
            self.context.station(argv, cpu=self.cpu))

    def served(self, *argv):
        return self.start(*argv, "--socket", self.broker.socket)

    def paired(self, *argv):
        return self.start(*argv, "--server-cpu", frame.processors()[0])


@contextlib.contextmanager
def stations(context, broker, cpu=0):
    with contextlib.ExitStack() as stack:
        yield Stations(context, broker, stack, cpu)


# ---- attach ----

RELEASES = ("Its floor does the same and also sends the release line: "
            "what is exchanged in all.")

COLD_LAZY = ("With close_lazily: the connection's end gives back.")
LAZY = ("With close_lazily: the release goes with the next open.")
JOINED = ("The release is sent with the next open, and not by itself: on one "
          "CPU a line that is sent alone may wake the broker for it alone.")
EPOLL = ("The same fixed reply by a server that waits by epoll_wait, as one "
         "for many clients must.")


def attach(context, broker, cpu):
    where = WHERE[cpu]
    with stations(context, broker, cpu) as s:
        floor = s.paired("floor_bench", "attach")
        release = s.paired("floor_bench", "attach-release")
        library = s.served("attach_bench", "library")
        raw = s.served("attach_bench", "raw")
        cold = s.served("attach_bench", "cold")
        first = cpu == 0
        return context.compare([
            Case(f"attach, library, {where}", library, floor, EXCHANGE,
                 ["attach", "attach p99"] if first else None),
            Case(f"attach, library, {where}", library, release,
                 "and a release", note=RELEASES),
            Case(f"attach, library, lazy, {where}",
                 s.served("attach_bench", "lazy"), floor, EXCHANGE,
                 ["attach", "attach p99"] if first else None, note=LAZY),
            Case(f"attach, by hand, {where}", raw, floor, EXCHANGE),
            Case(f"attach, by hand, {where}", raw, release, "and a release",
                 note=RELEASES),
            Case(f"attach, by hand, joined, {where}",
                 s.served("attach_bench", "joined"), floor, EXCHANGE,
                 note=JOINED),
            Case(f"bare epoll server, {where}",
                 s.paired("floor_bench", "attach-epoll"), floor, EXCHANGE,
                 note=EPOLL),
            Case(f"attach, cold, {where}", cold, floor, EXCHANGE,
                 "attach cold" if first else None),
            Case(f"attach, cold, {where}", cold,
                 s.paired("floor_bench", "cold"), "bare, cold"),
            Case(f"attach, cold, lazy, {where}",
                 s.served("attach_bench", "cold-lazy"), floor, EXCHANGE,
                 "attach cold" if first else None, note=COLD_LAZY),
            Case(f"bare epoll server, cold, {where}",
                 s.paired("floor_bench", "cold-epoll"), floor, EXCHANGE,
                 note=EPOLL),
        ], n=400)


# ---- create ----

class Halting:
    """A station whose broker's keeper stands still while it works: what the
    keeper does with a record and its handle is not in its figures."""

    def __init__(self, station, keeper):
        self.station = station
        self.keeper = keeper

    def measure(self, count):
        frame.await_idle(self.keeper)
        os.kill(self.keeper, signal.SIGSTOP)
        try:
            return self.station.measure(count)
        finally:
            os.kill(self.keeper, signal.SIGCONT)
            frame.await_idle(self.keeper)


KEEPER = ("The broker sends its keeper a record and a handle before it "
          "answers, and tells it when they go. `keeper halted` is without what "
          "the keeper then does on the same CPU: it is stopped meanwhile. The "
          "sending, which is in both, costs what the last line says.")
# So few that all they say to a keeper that stands still fits its socket: a
# broker takes one that reads nothing for dead.
KEEPER_COUNT = 20


def create(context, broker, name, kind, size, n, rounds=None):
    """One way of making memory, beside the same by hand. Several a round: the
    broker frees what is closed behind its answer, so before the next one."""
    with stations(context, broker) as s:
        size = ["--size", size]
        made = s.served("create_bench", kind, *size)
        memfd = s.start("create_bench", f"memfd-{kind}", *size)
        shm = s.start("create_bench", f"shm-{kind}", *size)
        return context.compare([
            Case(f"create {name}", made, memfd, "memfd by hand"),
            Case(f"create {name}", made, shm, "shm_open"),
        ], n=n, rounds=rounds)


def create_and_keep(context, broker):
    """1 MiB, beside the attach's floor; and what of it is the keeper's."""
    with stations(context, broker) as s:
        made = s.served("create_bench", "reserve", "--size", MIB)
        floor = s.paired("floor_bench", "attach")
        halted = Halting(made, broker.keeper)
        keeper = s.paired("floor_bench", "keeper")
        return context.compare([
            Case("create 1 MiB reserve", made, floor, EXCHANGE, "create"),
            Case("create 1 MiB, keeper halted", halted, made, "keeper at work",
                 note=KEEPER),
            Case("sendmsg of a record and a handle", keeper, note=KEEPER),
        ], n=KEEPER_COUNT)


def creates(context, broker):
    commit = 4 * MIB if context.quick else 64 * MIB
    return (create(context, broker, "4 KiB", "commit", 4096, 100)
            + create(context, broker, "1 MiB reserve", "reserve", MIB, 100)
            + create(context, broker, "1 GiB reserve", "reserve", 1024 * MIB,
                     100)
            + create(context, broker, f"{commit // MIB} MiB commit", "commit",
                     commit, 6, -(-context.rounds // 3))
            + create_and_keep(context, broker))


# ---- requests without memory, and with many ----

LIST_PAGE = 64000  # bytes that a page of a list has, about
LIST_ROW = 215     # and a row


def asks(context, broker):
    with stations(context, broker) as s:
        ping = s.paired("floor_bench", "ping")
        stat = s.paired("floor_bench", "stat")
        plain = "bare, no handle"
        return context.compare([
            Case("ping", s.served("ask_bench", "ping"), ping, plain),
            Case("stat", s.served("ask_bench", "stat"), stat, plain),
            Case("release, answered, by hand",
                 s.served("ask_bench", "release"), ping, plain),
            Case("close, not waiting", s.served("ask_bench", "close"), ping,
                 plain),
        ], n=100)


def lists(context, broker):
    count = 1000 if context.quick else 10000
    pages = -(-count * LIST_ROW // LIST_PAGE)
    floor_argv = ["floor_bench", "list", "--count", pages, "--size", LIST_PAGE]
    with stations(context, broker) as s:
        floor = s.paired(*floor_argv)
        made = s.served("ask_bench", "list", "--count", count)
        rows = context.compare([
            Case(f"list of {count:,}, library", made, floor, "as many bytes"),
        ], n=2)
    with stations(context, broker) as s:
        floor = s.paired(*floor_argv)
        made = s.served("ask_bench", "list-raw", "--count", count)
        return rows + context.compare([
            Case(f"list of {count:,}, not read", made, floor, "as many bytes"),
        ], n=2)


def many(context, broker, count, target):
    with stations(context, broker) as s:
        count_option = ["--count", count]
        opened = s.served("many_bench", "library", *count_option)
        shm = s.start("many_bench", "shm", *count_option)
        return context.compare([
            Case(f"open_many of {count}, an item", opened, shm, "shm_open",
                 target, count),
        ], n=50)


# ---- doorbells ----

def doorbell(context, broker, cpu):
    with stations(context, broker, cpu) as s:
        rung = s.paired("doorbell_bench", "library", "--socket", broker.socket)
        name = f"doorbell, there and back, {WHERE[cpu]}"
        return context.compare([
            Case(name, rung, s.paired("doorbell_bench", "eventfd"), "eventfd"),
            Case(name, rung, s.paired("doorbell_bench", "futex"), "futex"),
        ], n=200)


# ---- all of it ----

ALL = {
    "attach": lambda c, b: attach(c, b, 0) + attach(c, b, 1),
    "create": creates,
    "ask": asks,
    "many": lambda c, b: many(c, b, 8, None) + many(c, b, 64, "open many"),
    "doorbell": lambda c, b: doorbell(c, b, 0) + doorbell(c, b, 1),
    "list": lists,
}
GROUPS = list(ALL)


def run(context):
    rows = []
    with context.broker() as broker:
        for group, measure in ALL.items():
            if context.wants(group):
                rows += measure(context, broker)
    return rows
