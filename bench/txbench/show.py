#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Results of txbench as text: `txbench show FILE...`, and what `txbench run` prints in the end.

Each back-end under each load has a block. Runs of the same are put together; behind each figure stands its
95 % interval over the rounds, or over the sessions if there are several. --hgrm writes a distribution
in the format that HdrHistogram's plotter reads, in microseconds.
"""
import math
import sys

sys.dont_write_bytecode = True  # nothing lands beside the scripts

import results  # noqa: E402
import stats  # noqa: E402
from results import COUNTS, STAGES, BadInput, Results  # noqa: E402
from tables import Table, figure, number  # noqa: E402

QUANTILES = (("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999"), ("p99.99", "p9999"))
WAITED_SHARE, STEAL_SHARE = 0.02, 0.01  # more makes figures doubtful
TICKS = 5                               # of a .hgrm file: rows for each halving of what is left


def level(c, metric, scale=1.0, digits=1):
    return figure(c.level(metric), scale, digits).plain()


def largest(c, of):
    """Over all repetitions; None if it was never measured."""
    return max((v for u in c.units if (v := of(u)) is not None), default=None)


def head(c):
    run = c.runs[-1]
    target, host = run.data["target"], run.data["host"]
    seconds = run.data["load"].get("seconds")
    rounds = f"{len(c.units)} x {seconds:g} s" if isinstance(seconds, (int, float)) else \
        f"{len(c.units)} repetitions"
    sessions = len({u.session for u in c.units})
    cpus = ", ".join(map(str, host.get("backend_cpus") or [])) or "any"
    lines = [f"{c.label}: {c.setup.text()}; wire {target.get('wire') or 'not watched'};"
             f" {rounds}{f' in {sessions} sessions' if sessions > 1 else ''}",
             ", ".join(f"{before}{host[key]}" for before, key in (
                 ("Linux ", "kernel"), ("", "cpu"), ("hypervisor ", "hypervisor"),
                 ("commit ", "commit")) if host.get(key))
             + f"; driver on CPU {host.get('driver_cpu')}, back-end on CPU {cpus}"]
    return "\n".join(lines) + "\n"


def stage_table(c):
    table = Table("", ["us from " + ("due" if c.setup.open_loop() else "published"),
                       *(text for text, _ in QUANTILES), "max"])
    for stage in c.stages():
        top = c.largest(stage)
        table.add([f"  {stage}", *(figure(c.level(f"{stage}.{share}"), 1e-3) for _, share in QUANTILES),
                   number(top and top / 1e3)])
    return table.text() if table.rows else ""


def cost_line(c):
    parts = [f"{name} {level(c, f'cpu.{key}', 1e-3, 2)}" for name, key in (
        ("back-end", "backend"), ("interrupts", "interrupts"), ("kick", "kick"))]
    seen = {(u.repetition.get("cost") or {}).get("observed") for u in c.units}
    watched = "; the wire was watched meanwhile" if True in seen else ""
    return f"{level(c, 'cpu.total', 1e-3, 2)} = {' + '.join(parts)}{watched}"


def count_line(c):
    frames = c.total("frames")
    told = [f"{name} {'not known' if (n := c.total(name)) is None else format(n, ',')}"
            for name in COUNTS]
    return f"{', '.join(told)}, of {number(frames, 0)}"


def machine_line(c):
    def both(name):
        return f"{level(c, name + '.p50', 1e-3)} us (p99 {level(c, name + '.p99', 1e-3)})"
    distances = [v for u in c.units for v in (u.repetition.get("noise") or {}).get("c2c_ns") or []
                 if v is not None]
    classes = ", ".join(f"{name} {n}" for name, n in sorted(c.distances().items()))
    return f"wakes a thread in {both('wake_up')}, a timer is {both('timer')} late; cache line to the" \
           f" back-end's CPU and back {number(stats.median(distances), 0)} ns (rounds: {classes})"


def warnings(c):
    waited = largest(c, lambda u: u.scalar("waited")) or 0
    steal = largest(c, lambda u: (u.repetition.get("noise") or {}).get("steal_share")) or 0
    if "mixed" in c.distances():
        yield "Mind: the host moved the CPUs: their distance was not the same all the time."
    if waited > WAITED_SHARE:
        yield f"Mind: the driver waited for its CPU for up to {100 * waited:.0f} % of a repetition."
    if steal > STEAL_SHARE:
        yield f"Mind: the host took up to {100 * steal:.0f} % of the CPUs' time (steal)."
    for run in c.bad:
        yield f"DOES NOT COUNT: {run.bad()} ({run.path})"


def block(c):
    """All of one back-end under one load."""
    if not c.units:  # then what there is, with the reason beside it
        c.units = [u for run in c.bad for u in run.units()]
    lines = [head(c), stage_table(c)]
    if c.units:
        company = level(c, "neighbour_lost", 100)
        late = c.largest("late") if c.setup.open_loop() else None
        rows = [("frames/s", level(c, "frames_per_s")),
                ("CPU us a frame", cost_line(c)),
                ("a frame", f"kicks {level(c, 'kicks', 1, 3)} of {level(c, 'kick_price', 1e-3, 2)} us,"
                 f" calls {level(c, 'calls', 1, 3)}, system calls {level(c, 'syscalls', 1, 2)}"),
                ("tx ring", f"{level(c, 'fill')} frames after a publish"),
                ("the back-end", f"asleep {level(c, 'asleep', 100)} % of the time" +
                 (f", {level(c, 'batch')} frames a run, rechecks {level(c, 'rechecks', 1, 2)} a run"
                  if c.level("batch") else "")),
                ("frames", count_line(c)),
                (str(c.setup.state), None if company == "-" else f"lost {company} % of that CPU's time"),
                ("this machine", machine_line(c)),
                ("the generator", late and f"late by p99 {level(c, 'late.p99', 1e-3, 2)} us, max"
                 f" {number(late / 1e3)} us")]
        lines.append("".join(f"{name:<15} {text}\n" for name, text in rows if text))
    lines.append("".join(line + "\n" for line in warnings(c)))
    return "\n".join(part for part in lines if part)


def hgrm(hist, top_ns):
    """HdrHistogram's percentile distribution of a Hist; the plotter takes what has four columns."""
    total = hist.n
    rows, share = [], 0.0
    for value, seen in zip(hist.values, hist.counts.cumsum()):
        while seen / total >= share and seen < total:
            rows.append((value, share, seen, f"{1 / (1 - share):14.2f}"))
            share += 1 / (TICKS * 2 ** (math.floor(math.log2(1 / (1 - share))) + 1))
    rows.append((top_ns, 1.0, total, f"{'inf':>14}"))
    mean, deviation = hist.mean_and_deviation()
    lines = ["       Value     Percentile TotalCount 1/(1-Percentile)\n"]
    lines += [f"{value / 1e3:12.3f} {share:14.12f} {int(seen):10d} {inverse}"
              for value, share, seen, inverse in rows]
    lines += [f"#[Mean    = {mean / 1e3:12.3f}, StdDeviation   = {deviation / 1e3:12.3f}]",
              f"#[Max     = {top_ns / 1e3:12.3f}, Total count    = {total:12d}]",
              f"#[Buckets = {58:12d}, SubBuckets     = {128:12d}]"]  # of datapath/histogram.h
    return "\n".join(lines) + "\n"


def distribution(cells, stage):
    if len(cells) > 1:
        raise BadInput(f"--hgrm writes one distribution, and these files hold {len(cells)}: give those of"
                       " one back-end under one load")
    stage = stage or cells[0].wait()
    if stage not in cells[0].stages():
        raise BadInput(f"--hgrm {stage or ''}: the stages measured are"
                       f" {', '.join(cells[0].stages()) or 'none'}")
    return hgrm(cells[0].histogram(stage), cells[0].largest(stage))


def main(argv):
    parser = results.Arguments(prog="txbench show", description=__doc__.partition("\n")[0])
    parser.add_argument("files", metavar="FILE", nargs="*", help="result files, or directories of them")
    parser.add_argument("--hgrm", metavar="STAGE", nargs="?", const="",
                        help=f"a distribution: of {', '.join(STAGES)}, else of the last one watched")
    parser.add_argument("--fail-if", metavar="EXPR", action="append", default=[],
                        help="status 1 where it holds: p99>300us, cpu>12us, lost>0, frames/s<9000")
    args = parser.parse_args(argv)
    if args.hgrm and args.hgrm not in STAGES:  # it was a file
        args.files.insert(0, args.hgrm)
        args.hgrm = ""
    limits = [results.threshold(text) for text in args.fail_if]
    cells = Results(args.files).cells()
    if args.hgrm is not None:
        sys.stdout.write(distribution(cells, args.hgrm))
    else:
        sys.stdout.write("\n".join(map(block, cells)))
    broken = [text for limit in limits for c in cells if (text := limit.broken_by(c))]
    for text in broken:
        print(f"txbench: show: {text}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    results.run_command("show", main)
