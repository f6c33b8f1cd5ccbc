#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Is B another than A? `txbench diff A B`: two sets of results, files or directories.

Of each back-end under each load that both sets have: the ratio B : A of the waits at p50 and p99, of all CPU
that a frame costs, and of frames/s in a closed loop. Rounds that both sets share are compared pair by pair.
Else the sets are not paired, and what the machine did meanwhile is in the ratio; its interval is then
Welch's. "no change": the whole interval lies within the margin. The words are corrected for their number.
"""
import sys
from typing import NamedTuple

sys.dont_write_bytecode = True  # nothing lands beside the scripts

import results  # noqa: E402
import stats  # noqa: E402
import tell  # noqa: E402
from results import BadInput, Results  # noqa: E402
from tables import Table, figure  # noqa: E402

# name: its metric, scale and digits
FIGURES = {"p50, us": ("p50", 1e-3, 1), "p99, us": ("p99", 1e-3, 1),
           "CPU us a frame": ("cpu.total", 1e-3, 2), "frames/s": ("frames_per_s", 1, 0)}


class Change(NamedTuple):
    """Of one figure of one back-end under one load."""
    name: str
    a: object        # cells
    b: object
    ratio: object    # B : A
    paired: bool

    def level(self, cell):
        return metric_level(cell, self.name)

    def regressed_by(self, verdict):
        """Percent, or None: it did not."""
        worse = stats.LESS if self.name == "frames/s" else stats.MORE
        if verdict != worse:
            return None
        value = 1 / self.ratio.value if self.name == "frames/s" else self.ratio.value
        return 100 * (value - 1)

    def words(self, verdict):
        if verdict in (stats.LESS, stats.MORE):
            percent = self.regressed_by(verdict)
            return f"{'improved' if percent is None else 'regressed'}" \
                   f" ({100 * (self.ratio.value - 1):+.1f} %)"
        text = tell.words(self.ratio, verdict)
        return text.replace(stats.SAME, "no change", 1) if verdict == stats.SAME else text


def metric_of(cell, name):
    metric = FIGURES[name][0]
    return f"{cell.wait()}.{metric}" if metric in results.SHARES else metric


def metric_level(cell, name):
    _, scale, digits = FIGURES[name]
    return figure(cell.level(metric_of(cell, name)), scale, digits)


def changes(a, b):
    """Between two cells of one back-end under one load."""
    for name in FIGURES:
        metric = metric_of(b, name)
        if metric_of(a, name) != metric or (name == "frames/s" and a.setup.open_loop()):
            continue
        ratio, paired = results.told(b, a, metric)
        if ratio:
            yield Change(name, a, b, ratio, paired)


def judged(found):
    """(change, verdict) of all of them."""
    return list(zip(found, stats.verdicts([c.ratio for c in found])))


def by_key(cells, with_host):
    return {(c.label, c.setup, c.host if with_host else None): c for c in cells}


def matched(a, b):
    """[(cell, cell)], and those that only one set has."""
    a, b = ([c for c in cells if c.units] for cells in (a, b))
    hosts = [{c.host for c in cells} for cells in (a, b)]
    with_host = bool(hosts[0] & hosts[1])
    if not with_host and max(map(len, hosts)) > 1:
        raise BadInput("A and B are of several hosts and share none: give sets of one host each")
    ours, theirs = by_key(a, with_host), by_key(b, with_host)
    both = [(ours[key], theirs[key]) for key in ours if key in theirs]
    return both, [c for key, c in ours.items() if key not in theirs], \
        [c for key, c in theirs.items() if key not in ours], with_host


def notes(both, only_a, only_b, with_host):
    if not with_host and both:
        yield f"Mind: A and B are of different hosts: {both[0][0].host} and {both[0][1].host}."
    apart = [(a, b) for a, b in both if set(a.distances()) != set(b.distances())]
    if apart:
        yield f"Mind: in {len(apart)} of {len(both)} the CPUs were not equally far apart: " + \
            "; ".join(sorted({f"A {', '.join(a.distances())}, B {', '.join(b.distances())}"
                              for a, b in apart})) + "."
    for name, cells in (("A", only_a), ("B", only_b)):
        for cell in cells:
            yield f"only in {name}: {cell.label}, {cell.setup.text()}"


def percent(text):
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def main(argv):
    parser = results.Arguments(prog="txbench diff", description=__doc__.partition("\n")[0])
    parser.add_argument("a", metavar="A", help="a directory of results, or a file")
    parser.add_argument("b", metavar="B", help="another one")
    parser.add_argument("--fail-on-regression", metavar="PERCENT", nargs="?", const=0.0, type=percent,
                        help="status 1 if a figure regressed by more than that (0)")
    args = parser.parse_args(argv)
    sets = matched(*(Results([path]).cells() for path in (args.a, args.b)))
    if not sets[0]:
        raise BadInput(f"{args.a} and {args.b} have no back-end under the same load")
    told = judged([c for a, b in sets[0] for c in changes(a, b)])
    paired = {c.paired for c, _ in told}
    table = Table("", ["back-end", "load, state", "figure", "A", "B", "B : A", "verdict", "rounds"],
                  "" if paired == {True} else "not paired: the sets share no round, so what the machine"
                  " did meanwhile is in the ratio\n")
    for c, verdict in told:
        table.add([c.a.label, f"{c.a.setup.load_text()}, {c.a.setup.state}", c.name, c.level(c.a),
                   c.level(c.b), figure(c.ratio, 1, 3), c.words(verdict), f"{c.ratio.n} pairs" if c.paired
                   else f"{len(c.a.units)} and {len(c.b.units)}, not paired"])
    sys.stdout.write(table.text() + "".join(line + "\n" for line in notes(*sets)))
    if args.fail_on_regression is None:
        return 0
    worse = [(c, by) for c, v in told if (by := c.regressed_by(v)) is not None
             and by > args.fail_on_regression]
    for c, by in worse:
        print(f"txbench: diff: {c.name} of {c.b.label} regressed by {by:.1f} %"
              f" ({c.b.setup.text()})", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    results.run_command("diff", main)
