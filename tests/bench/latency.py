"""How long one call takes, beside what it would take without a broker."""

import contextlib

from frame import Case

TITLE = "Latency"
WHERE = {0: "one CPU", 1: "two CPUs"}


def attach(context, broker, cpu):
    """The broker is on CPU 0, the client on `cpu`."""
    with contextlib.ExitStack() as stack:
        def station(kind, *options):
            return stack.enter_context(context.station(
                ["attach_bench", kind, *options], cpu=cpu))

        floor = station("floor", "--server-cpu", 0)
        served = ["--socket", broker.socket]
        library = station("library", *served)
        where = WHERE[cpu]
        name = "bare exchange"
        return context.compare([
            Case(f"attach, library, {where}", library, floor, name,
                 ["attach", "attach p99"] if cpu == 0 else None),
            Case(f"attach, by hand, {where}", station("raw", *served), floor,
                 name),
            Case(f"attach, cold, {where}", station("cold", *served), floor,
                 name, "attach cold" if cpu == 0 else None),
        ])


def run(context):
    rows = []
    with context.broker() as broker:
        for cpu in (0, 1):
            rows += attach(context, broker, cpu)
    return rows
