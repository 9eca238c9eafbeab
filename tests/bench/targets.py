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
EITHER = [["accept", "accept time"]]


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


def text(name, row):
    target = TARGETS[name]
    sign = ">=" if target.at_least else "<="
    what = {"ratio": "", "ratio_p99": "p99 ", "p50": ""}[target.field]
    unit = f" {row.get('unit', '')}" if target.field == "p50" else ""
    return f"{what}{sign} {target.limit:g}{unit}"


def verdict(group, row):
    """Of targets of which one is enough."""
    met = [is_met(name, row) for name in group]
    outcome = True if True in met else None if None in met else False
    return " or ".join(text(name, row) for name in group), outcome


def verdicts(row):
    """For each target of a row, as text, whether it is met; None where the
    row does not say. Where one of several is enough they are one."""
    named = names(row)
    groups = [group for group in EITHER if set(group) <= set(named)]
    grouped = {name for group in groups for name in group}
    return [verdict(group, row) for group in groups
            + [[name] for name in named if name not in grouped]]
