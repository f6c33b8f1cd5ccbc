# SPDX-License-Identifier: MIT
"""What was measured as cells of a table: figures, and comparisons with their verdicts.

Forms of figures and verdicts that several programs print; stats.py computes, tables.py sets.
"""
from typing import NamedTuple

import stats
from results import compared, state_rank
from tables import Cell, Table, figure

US = 1e-3
LEGEND = f"""\
[..]: 95 % interval. x: a ratio, by pairs of the same round. less, more: with 95 % confidence for the
whole table. same: within {100 * stats.MARGIN:.0f} %. ?: not told apart, which does not mean the same:
the interval says how far apart they may be. few: fewer than {stats.LEAST_PAIRS} pairs."""
SHORT = {stats.OPEN: "?", stats.FEW: "few"}


class Metric(NamedTuple):
    """A figure: how it is called on a command line, in a head, and in results.py."""
    name: str
    head: str
    key: str
    scale: float = 1.0


def metrics(direction):
    """By name, in the order of a table."""
    last = "wire" if direction == "tx" else "received"
    return {m.name: m for m in (
        Metric("p50", "p50, us", f"{last}.p50", US), Metric("p99", "p99, us", f"{last}.p99", US),
        Metric("frames/s", "frames/s", "frames_per_s"),
        Metric("cpu", "total cost, us", "cpu.total", US),
        Metric("backend", "back-end, us", "cpu.backend", US),
        Metric("kicks", "kicks a frame", "kicks"), Metric("batch", "frames a run", "batch"),
        Metric("fill", "ring fill", "fill"), Metric("asleep", "asleep, %", "asleep", 100),
        Metric("rechecks", "rechecks", "rechecks"))}


def level(cell, metric, with_n=False):
    """A figure with its interval."""
    return estimate(cell and cell.level(metric.key), metric.scale, with_n=with_n)


def estimate(e, scale=1.0, sign="", with_n=False):
    return figure(e, scale, None, sign, with_n)


def verdict(e, told, scale=1.0, with_n=False):
    """A ratio, or a difference, and what may be said of it."""
    if e is None:
        return Cell("-")
    if e.none == 1:
        text, around = f"x{e.value:.2f}", e.low is not None and f"{e.low:.2f}..{e.high:.2f}"
    else:
        text, around, _, _ = estimate(e, scale, "+")
    return Cell(f"{text} {SHORT.get(told, told)}".strip(), around or "", e.n if with_n else None,
                told if told in (stats.LESS, stats.MORE) else "")


def within(e):
    """How far from no effect a ratio may be at most."""
    apart = stats.apart(e)
    return f"±{100 * apart:.0f} %" if apart < 1 else f"a factor of {apart + 1:.{apart < 9:d}f}"


def words(e, told):
    """A ratio and its verdict, for a sentence."""
    if e is None:
        return "not measured for both"
    if told in (stats.SAME, stats.OPEN) and stats.apart(e) is not None:
        return f"{told} (within {within(e)})"
    share = e.value - 1
    return told if told not in (stats.LESS, stats.MORE) else \
        f"{e.value:.2f} times" if share >= 1 else f"{abs(share) * 100:.0f} % {told}"


def verdicts(rows, scale=1.0, margin=stats.MARGIN, with_n=False):
    """Cells of a table of estimates, judged together."""
    told = iter(stats.verdicts([e for row in rows for e in row], margin))
    return [[verdict(e, next(told), scale, with_n) for e in row] for row in rows]


def setup_name(setup):
    size = f"{setup.size} bytes" if str(setup.size).isdigit() else setup.size
    return f"{setup.load_text()}, {size}, {setup.state or 'idle'}"


def by_setup(cells):
    """In the order of tables; a layout that is not known does not tell two rows apart."""
    groups = {}
    for cell in cells:
        groups.setdefault(cell.setup._replace(layout=None), []).append(cell)
    return dict(sorted(groups.items(), key=lambda g: order(g[0])))


def order(setup):
    return (state_rank(setup.state), setup.kind == "flood",
            setup.kind or "", setup.rate or 0, setup.off_ns or 0, setup.inflight or 0,
            setup.size or "")


def block(setup, cells, baseline):
    """The tables of all peers under one load: figures, comparisons, what lies behind them."""
    of = metrics(setup.direction)
    speed = ("p50", "p99") if setup.open_loop() else ("frames/s",)
    shown = [of[n] for n in (*speed, "cpu", "backend")]
    first = Table(setup_name(setup), ["", *(m.head for m in shown)])
    for cell in cells:
        first.add([cell.label, *(level(cell, m) for m in shown)])
    out = [first]
    others = [c for c in cells if baseline and c is not baseline]
    if others:
        rows = [[compared(c, baseline, m.key) for m in shown[:-1]] for c in others]
        heads = [m.head.partition(",")[0] for m in shown[:-1]]
        second = Table("", [f"against {baseline.label}", *heads, "pairs"])
        for cell, row, told in zip(others, rows, verdicts(rows)):
            second.add([cell.label, *told, max((e.n for e in row if e), default=0)])
        out.append(second)
    behind = [of[n] for n in ("kicks", "batch", "fill", "asleep", "rechecks")]
    third = Table("", ["", *(m.head for m in behind), "CPUs apart"])
    for cell in cells:
        third.add([cell.label, *(level(cell, m)._replace(around="") if m is not behind[1] else
                                 level(cell, m) for m in behind), distances([cell])])
    return [*out, third]


def distances(cells):
    """In how many rounds the CPUs were how far from each other."""
    found = {}
    for cell in cells:
        for name, n in cell.distances().items():
            found[name] = found.get(name, 0) + n
    return ", ".join(f"{name} {n}" for name, n in sorted(found.items()))


def trial(runs):
    """What is to be said of runs that count only since they are of a trial."""
    busy = sum("forgiven" in run.data for run in runs)
    return [f"Mind: the machine was too busy for {busy} of {len(runs)} runs, which count only as "
            "this is a trial: these figures settle nothing."] if busy else []


def excluded(runs):
    """A line for each kind of reason, with how many runs do not count for it."""
    reasons = {}
    for run in runs:
        if run.bad():
            words = run.bad().removeprefix("failed: ").removeprefix("incomplete: ")
            reasons.setdefault(words.partition(":")[0], []).append((run, words))
    for name, found in sorted(reasons.items()):
        run, words = found[-1]
        more = words.partition(": ")[2]
        yield f"{len(found)} run{'s do' if len(found) > 1 else ' does'} not count: {name}" + \
            f" ({run.label}, {setup_name(run.setup)}{': ' if more else ''}{more})"
