#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Results over time: `txbench history DIR`, a folder of results by commit and host.

A table for each back-end under each load on each host, a line for each commit, oldest first; each is compared
with the commit before it, as `txbench diff` does. Results without a commit are left out, and told.
"""
import sys

sys.dont_write_bytecode = True  # nothing lands beside the scripts

import diff  # noqa: E402
import results  # noqa: E402
import stats  # noqa: E402
from results import Results  # noqa: E402
from tables import Table  # noqa: E402


def commit_of(run):
    return run.data["host"].get("commit")


def started(cell):
    return min((run.data.get("started") or "" for run in cell.runs), default="")


def remark(told):
    """What changed since the commit before; what stayed needs no word, what is not known does."""
    words = [f"{c.name.partition(',')[0]} {c.words(v)}" for c, v in told if v in (stats.LESS, stats.MORE)]
    if any(c.regressed_by(v) is not None for c, v in told):
        words[0] = "! " + words[0]
    if words or not told:
        return "; ".join(words)
    return "no change" if all(v == stats.SAME for _, v in told) else "not told apart"


def main(argv):
    parser = results.Arguments(prog="txbench history", description=__doc__.partition("\n")[0])
    parser.add_argument("directory", metavar="DIR")
    args = parser.parse_args(argv)
    found = Results([args.directory])
    known = [c for c in found.cells(commit_of) if c.units and commit_of(c.runs[0])]
    lines = {}  # (host, label, setup): its cells, one for each commit, by time
    for cell in sorted(known, key=started):
        lines.setdefault((cell.host, cell.label, cell.setup), []).append(cell)
    steps = [(b, change) for cells in lines.values() for a, b in zip(cells, cells[1:])
             for change in diff.changes(a, b)]
    verdicts = {}
    for (cell, _), told in zip(steps, diff.judged([change for _, change in steps])):
        verdicts.setdefault(id(cell), []).append(told)
    host = None
    for (where, label, setup), cells in lines.items():
        if where != host:
            host = where
            print("Host: " + ", ".join(str(v) for v in host if v is not None))
        table = Table(f"\n{label}, {setup.text()}", ["commit", "measured", *diff.FIGURES, "rounds",
                                                     "against the one before"])
        for cell in cells:
            table.add([commit_of(cell.runs[0]), started(cell)[:10],
                       *(diff.metric_level(cell, name) for name in diff.FIGURES), len(cell.units),
                       remark(verdicts.get(id(cell), []))])
        sys.stdout.write(table.text())
    unknown = sum(commit_of(run) is None for run in found.runs)
    if unknown:
        print(f"{unknown} of {len(found.runs)} runs name no commit and are left out")
    return 0


if __name__ == "__main__":
    results.run_command("history", main)
