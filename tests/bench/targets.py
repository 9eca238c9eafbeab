"""What is to be reached. Rows name their targets by these keys."""

import collections

# field: which field of a row is meant; limit: at most (or at least) so much.
Target = collections.namedtuple("Target", "field limit at_least",
                                defaults=(False,))

TARGETS = {
    "attach": Target("ratio", 0.95),
    "attach p99": Target("ratio_p99", 1.5),
    "attach cold": Target("ratio", 2.6),
    "create": Target("ratio", 2.6),
    "open many": Target("ratio", 1.1),
    "throughput": Target("ratio", 0.88, True),
    "throughput crowded": Target("ratio", 0.75, True),
    "idle memory": Target("p50", 320),
    "accept time": Target("p50", 8),
    "accept": Target("ratio", 1.1),
    "open among many": Target("ratio", 1.05),
    "fairness": Target("ratio_p99", 2),
}

# Where one of several is enough.
EITHER = [{"accept", "accept time"}]


def names(row):
    """The targets of a row: one name, or a list of them."""
    named = row.get("target") or []
    return [named] if isinstance(named, str) else list(named)


def is_met(name, row):
    """None when the row does not say."""
    target = TARGETS[name]
    value = row.get(target.field)
    if value is None:
        return None
    return value >= target.limit if target.at_least else value <= target.limit


def text(name):
    target = TARGETS[name]
    sign = ">=" if target.at_least else "<="
    what = {"ratio": "", "ratio_p99": "p99 ", "p50": ""}[target.field]
    return f"{what}{sign} {target.limit:g}"


def verdicts(row):
    """For each target of a row, as text, whether it is met; None where the
    row does not say."""
    named = names(row)
    met = {name: is_met(name, row) for name in named}
    for group in EITHER:
        if group <= set(named) and any(met[name] for name in group):
            met.update({name: True for name in group})
    return [(text(name), met[name]) for name in named]
