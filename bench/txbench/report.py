#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report of txbench: one HTML file without any outside reference, from result files.

usage: report.py RESULTS... [-o report.html]

RESULTS: result files of txbench run, what bench/compare or bench/sweep wrote, or directories of
these. It computes what stands in docs/txbench.md under "The report"; figures.py draws, results.py
reads and pools. It measures nothing.
"""
import os
import shlex
import sys

sys.dont_write_bytecode = True  # nothing lands beside the scripts
try:
    import figures
except ModuleNotFoundError as missing:  # a python3 in PATH that is not the system's
    SYSTEM = "/usr/bin/python3"
    if os.access(SYSTEM, os.X_OK) and os.path.realpath(SYSTEM) != os.path.realpath(sys.executable):
        os.execv(SYSTEM, [SYSTEM, *sys.argv])
    print(f"txbench: report: python3 has no module {missing.name}: apt-get install"
          " python3-matplotlib", file=sys.stderr)
    sys.exit(1)

import results
from figures import Name, escape, short_number, three, time_text
from results import STAGES, BadInput, Results, difference, differ, ratio

HERE = os.path.dirname(os.path.abspath(__file__))
STAGE_TEXT = {"published": "visible in the ring", "wire": "on the wire", 
              "used": "given back (used)", "call": "call read", "received": "received"}
WAIT_TEXT = {"wire": "for the wire", "used": "until it is given back", "received":
             "until it is received"}


# Words.

def number(value):
    return "–" if value is None else three(value)


def spread(value, text):
    """low to high of an interval, short."""
    if value is None or value.low is None:
        return ""
    low, high = text(max(value.low, 0)), text(value.high)
    if low == high:
        return ""
    unit = "\u00a0" + low.split("\u00a0")[-1]
    if low.endswith(unit) and high.endswith(unit):
        low = low[:-len(unit)]
    return f"{low} to {high}"


def with_spread(value, text):
    if value is None:
        return "–"
    around = spread(value, text)
    return escape(text(value.mean)) + (f"<small>{escape(around)}</small>" if around else "")


def load_text(setup, rate=True):
    words = {"constant": "constant", "poisson": "Poisson", "onoff": "on-off", "trace": "trace",
             "flood": "flood (ring kept full)"}.get(setup.kind, str(setup.kind))
    if setup.kind == "inflight":
        words = "ping-pong" if setup.inflight == 1 else f"{setup.inflight} in flight"
    if setup.kind == "trace" and setup.trace:
        words += f" {os.path.basename(str(setup.trace))}"
    if setup.rate and rate:
        words += f" {three(setup.rate)} frames/s"
    if setup.on_ns:
        words += f" ({time_text(setup.on_ns)} on, {time_text(setup.off_ns or 0)} off)"
    return words


def ring_text(setup):
    size = f"{setup.size} bytes" if str(setup.size).isdigit() else str(setup.size)
    calls = {"each": ", a call for each frame", "none": ", no calls"}.get(setup.calls, "")
    return f"{size}, ring of {setup.ring_size} ({setup.layout}), {setup.direction}{calls}"


def times(value):
    """A ratio in words, with its interval."""
    words = f"{value.mean:.2f}" if value.mean < 10 else three(value.mean)
    if value.low is None:
        return f"{words} times (one repetition: no interval)"
    return f"{words} times ({value.low:.2f} to {value.high:.2f})"


# What is compared.

def stage_of(cells):
    """The stage at which these are compared: the one that most of them have, the last preferred."""
    order = {"tx": ("wire", "used"), "rx": ("received",), "rr": ("received", "wire", "used")}
    wanted = order.get(cells[0].setup.direction, STAGES)
    return max(wanted, key=lambda s: (sum(s in c.stages() for c in cells), -wanted.index(s)))


class Comparison:
    """Of two cells: wait and CPU, with intervals."""

    def __init__(self, a, b, stage):
        self.a, self.b, self.stage = a, b, stage

    def words(self, metric):
        """(ratio or None, "noise", "unknown", "more" or "less") of a against b."""
        a, b = self.a.values(metric), self.b.values(metric)
        apart = differ(self.a.interval(metric), self.b.interval(metric))
        value = ratio(a, b)
        if value is None:
            return None, "unknown"
        if apart is None:
            return value, "unknown"
        return value, ("more" if value.mean > 1 else "less") if apart else "noise"

    def wait(self):
        p50, p99 = f"{self.stage}.p50_ns", f"{self.stage}.p99_ns"
        value, verdict = self.words(p50)
        if value is None:
            return "how long a frame waits was not measured for both"
        a, b = (c.interval(p50) for c in (self.a, self.b))
        tail = [c.interval(p99) for c in (self.a, self.b)]
        tails = ""
        if all(tail):
            tails = f"; p99 {time_text(tail[0].mean)} against {time_text(tail[1].mean)}"
        if verdict == "noise":
            return (f"no difference beyond noise in the wait (p50 {time_text(a.mean)} against"
                    f" {time_text(b.mean)}{tails})")
        return (f"a frame waits {times(value)} as long: p50 {time_text(a.mean)} against"
                f" {time_text(b.mean)}{tails}")

    def cost(self):
        value, verdict = self.words("cpu.backend")
        if value is None:
            return "the CPU time was not measured for both"
        a, b = (c.interval("cpu.backend") for c in (self.a, self.b))
        both = f"{time_text(a.mean)} against {time_text(b.mean)}"
        if verdict == "noise":
            return f"no difference beyond noise in back-end CPU per frame ({both})"
        return f"it costs {times(value)} the back-end CPU per frame ({both})"


def pairs_of(cells):
    """(title, cell, against): modes with iothread in each family, then families in each mode."""
    named = [(Name(cell.label), cell) for cell in cells]
    base = {name.family: cell for name, cell in named if name.variant == "iothread"}
    found = [(f"{name.family}: {name.variant} against iothread", cell, base[name.family])
             for name, cell in named
             if name.variant not in ("", "iothread") and name.family in base]
    own = {name.variant: (name.family, cell) for name, cell in reversed(named)
           if name.head.startswith("txring") and name.mode}
    found += [(f"{name.variant}: {name.family} against {own[name.variant][0]}", cell,
               own[name.variant][1])
              for name, cell in named if name.variant in own and cell is not own[name.variant][1]]
    if not found:
        found = [(f"{cell.label} against {cells[0].label}", cell, cells[0]) for cell in cells[1:]]
    return found


def headline(cells, stage):
    """One sentence that answers; then the pairs."""
    if not cells:
        return "No run here counts"
    told = []
    for _, a, b in pairs_of(cells):
        if Name(a.label).mode != "timer" or Name(b.label).mode != "iothread":
            continue
        c = Comparison(a, b, stage)
        value, verdict = c.words(f"{stage}.p50_ns")
        if value is not None:
            name = Name(a.label)
            told.append((name.family + name.variant[len("timer"):], c, value, verdict))
    if told:
        waits, costs = [], []
        for family, c, value, verdict in told:
            a, b = (time_text(x.interval(f"{stage}.p50_ns").mean) for x in (c.a, c.b))
            waits.append(f"{a} instead of {b} ({family}" + (
                ", no difference beyond noise)" if verdict == "noise" else ")"))
            value, verdict = c.words("cpu.backend")
            if value is None:
                costs.append(f"not known ({family})")
            elif verdict == "noise":
                costs.append(f"the same within noise ({family})")
            else:
                percent = abs(value.mean - 1) * 100
                word = "more" if value.mean > 1 else "less"
                costs.append(f"{percent:.0f} % {word} ({family})" if value.mean < 3
                             else f"{value.mean:.1f} times ({family})")
        return (f"Under timer a frame waits {' and '.join(waits)} {WAIT_TEXT[stage]}."
                f" Back‑end CPU per frame: {', '.join(costs)}.")
    known = [(c, c.interval(f"{stage}.p50_ns")) for c in cells]
    known = sorted(((c, v) for c, v in known if v), key=lambda k: k[1].mean)
    if not known:
        return "No latency was measured"
    text = ", ".join(f"{time_text(v.mean)} under {c.label}" for c, v in known)
    return f"A frame waits {text} {WAIT_TEXT[stage]} (p50)."


# Pieces of the page.

class Page:
    """Collects sections; numbers the figures."""

    def __init__(self, styles):
        self.parts, self.n, self.styles = [], 0, styles

    def add(self, html):
        self.parts.append(html)

    def figure(self, drawn, title, note, desc, wide=False):
        """Nothing if nothing was drawn."""
        if drawn is None:
            return
        self.n += 1
        picture = figures.svg(drawn, f"f{self.n}", title, desc)
        self.add(f'<figure{" class=wide" if wide else ""}>'.replace("=wide", '="wide"') +
                 f"<h3>{escape(title)}</h3>{picture}"
                 f"<figcaption>{escape(note)}</figcaption></figure>")


def wait_desc(cells, stage):
    parts = []
    for cell in cells:
        p50, p99, cpu = (cell.interval(m) for m in (f"{stage}.p50_ns", f"{stage}.p99_ns",
                                                    "cpu.backend"))
        if p50 and p99:
            cost = f", CPU per frame {time_text(cpu.mean)}" if cpu else ""
            parts.append(f"{cell.label}: p50 {time_text(p50.mean)}, p99 {time_text(p99.mean)}"
                         + cost)
    return "; ".join(parts) + "."


def metric_desc(cells, metric, text):
    parts = [f"{c.label} at {three(c.setup.rate) if c.setup.rate else load_text(c.setup)}:"
             f" {text(v.mean)}" for c in cells if (v := c.interval(metric))]
    return "; ".join(parts) + "."


def tiles(cells, stage, styles):
    """A row for each family, a tile for each mode, in large figures."""
    by = groups(cells, lambda c: Name(c.label).family)
    rows = []
    for family, own in by.items():
        row = []
        for cell in own:
            p50, p99, cpu = (cell.interval(m) for m in (f"{stage}.p50_ns", f"{stage}.p99_ns",
                                                        "cpu.backend"))
            row.append(
                f'<div class="tile" style="border-color:var(--{styles[cell.label].name})">'
                f"<h3>{escape(Name(cell.label).variant)}</h3>"
                f"<b>{with_spread(p50, time_text)}</b>"
                f"<span>p99 {escape(time_text(p99.mean)) if p99 else '–'}</span>"
                f"<span>CPU {escape(time_text(cpu.mean)) if cpu else '–'}</span></div>")
        rows.append(f'<div class="family"><h2>{escape(family)}</h2>{"".join(row)}</div>')
    return f'<div class="tiles">{"".join(rows)}</div>'


def machine_line(cells):
    """The bare wake-up over all these repetitions, as cdf() wants it."""
    points = []
    for share, key in ((.5, "p50_ns"), (.99, "p99_ns"), (.999, "p999_ns")):
        values = [((r.get("noise") or {}).get("wake_up") or {}).get(key)
                  for c in cells for r in c.repetitions]
        values = [v for v in values if v]
        if values:
            points.append((share, min(values), sum(values) / len(values), max(values)))
    return points if len(points) > 1 else None


def cdf_figure(page, cells, stage, place=""):
    cells = [c for c in cells if c.histogram(stage).n]
    if not cells:
        return
    page.figure(figures.cdf(cells, page.styles, stage, machine_line(cells)),
                f"How long frames wait{place}",
                f"{load_text(cells[0].setup)}, {ring_text(cells[0].setup)}; from due to"
                f" {STAGE_TEXT[stage]}. Grey: this machine waking a bare thread, p50 to p99.9,"
                " around these runs. Repetitions pooled.", wait_desc(cells, stage))


def series_figures(page, cells, bad, stage, place=""):
    """Against the rate, where there are at least two rates."""
    if len({c.setup.rate for c in cells}) < 2:
        return
    marks = " ✕: failed or incomplete, does not count." if bad else ""
    kind = f"{load_text(cells[0].setup, rate=False)}, {ring_text(cells[0].setup)}."
    bars = " Bars: 95 % interval of the mean over repetitions." + marks
    ns = 1e-3
    draw = figures.against_load
    page.figure(draw(cells, bad, page.styles, [
        ("p50", f"{stage}.p50_ns", ns, figures.short_time),
        ("p99", f"{stage}.p99_ns", ns, figures.short_time)]),
        f"Wait against load{place}", kind + bars, "p50. " +
        metric_desc(cells, f"{stage}.p50_ns", time_text))
    page.figure(draw(cells, bad, page.styles, [
        ("back-end CPU per frame", "cpu.backend", ns, figures.short_time),
        ("softirq CPU per frame, both CPUs", "cpu.softirq", ns, figures.short_time)]),
        f"CPU against load{place}", kind + bars, metric_desc(cells, "cpu.backend", time_text))
    panels = [(text, metric, 1, lambda v: f"{v:g}") for text, metric in (
        ("kicks per frame", "kicks"), ("calls per frame", "calls"),
        ("back-end's system calls per frame", "syscalls"))
        if any(c.interval(metric) for c in cells)]
    if panels:
        page.figure(draw(cells, bad, page.styles, panels), f"Notifications and system calls{place}",
                    kind + bars, "Kicks. " + metric_desc(cells, "kicks", three))


def groups(cells, key):
    out = {}
    for cell in cells:
        out.setdefault(key(cell), []).append(cell)
    return out


def pick_reference(by_setup):
    """The load that most targets have; then tx before others, open-loop, nearest to 1000/s."""
    def score(setup):
        rate = setup.rate or 1e9
        return (len(by_setup[setup]), setup.direction == "tx", setup.open_loop(),
                -abs(results.math.log(rate / 1000)))
    latency = [s for s in by_setup if s.kind != "flood"]
    return max(latency or by_setup, key=score, default=None)


def figures_of(page, cells, bad, reference, place):
    """All figures of one host."""
    by_setup = groups(cells, lambda c: c.setup)
    own = by_setup[reference]
    stage = stage_of(own)
    more = []
    page.add('<div class="figures">')
    if reference.kind != "flood":
        rows = [c for c in own if stage in c.stages()]
        if rows:
            page.figure(figures.answer(rows, page.styles, stage), f"Wait and cost{place}",
                        f"{load_text(reference)}, {ring_text(reference)}; wait from due to"
                        f" {STAGE_TEXT[stage]}; CPU of the back-end's threads. Bars: 95 %"
                        " interval.",
                        wait_desc(rows, stage))
        cdf_figure(page, own, stage, place)
    by_series = groups([c for c in cells if c.setup.open_loop()], lambda c: c.setup.series())
    for series, members in sorted(by_series.items(), key=lambda s: s[0] != reference.series()):
        marked = [c for c in bad if c.setup.open_loop() and c.setup.series() == series
                  and c.repetitions and c.setup.rate]
        part = place if series == reference.series() else f"{place}: {load_text(series, False)}"
        if all(c.setup.rate for c in members):
            series_figures(page, members, marked, stage_of(members), part)
    for setup, members in by_setup.items():
        if setup.kind == "flood":
            page.figure(figures.bars(members, page.styles, "frames_per_s", 1e-6, "M frames/s"),
                        f"Throughput{place}", f"{load_text(setup)}, {ring_text(setup)}."
                        " Bars: 95 % interval.", metric_desc(members, "frames_per_s", three))
            page.figure(figures.bars(members, page.styles, "cpu.backend", 1e-3, "µs a frame"),
                        f"Back-end CPU per frame at full speed{place}", f"{load_text(setup)},"
                        f" {ring_text(setup)}. Bars: 95 % interval.",
                        metric_desc(members, "cpu.backend", time_text))
        elif setup != reference:
            more.append((setup, members))
    page.figure(figures.stages(own, page.styles, STAGES), f"Where the time goes{place}",
                f"{load_text(reference)}: from when a frame was due until each stage. Mark: p50"
                " (with its value); bar: up to p99. Each stage counts from due: they do not add up.",
                "Stages shown: " +
                f"{', '.join(s for s in STAGES if any(s in c.stages() for c in own))}.")
    page.figure(figures.timelines(own, page.styles), f"Time line{place}",
                f"{load_text(reference)}: p50 (line) and longest wait (dots) of each bin, of the"
                " last stage watched; grey: frames/s. Vertical lines part the repetitions.",
                "Shows whether waits drift or come in bursts; the table has the totals.")
    page.add("</div>")
    if more:
        page.add("<details><summary>How long frames wait under the other loads"
                 f" ({len(more)})</summary><div class=\"figures\">")
        for setup, members in sorted(more, key=lambda m: (m[0].kind, m[0].rate or 0)):
            cdf_figure(page, members, stage_of(members), f"{place}: {load_text(setup)}")
        page.add("</div></details>")


def verdict(cell, hosts):
    if cell.bad:
        return f'<td class="bad">{escape(cell.bad)}</td>'
    if not cell.compared:
        return f'<td class="apart">not compared: CPUs were {escape(cell.distance)}</td>'
    if len(hosts) > 1:
        return f'<td>counts, host {chr(65 + hosts.index(cell.host))}</td>'
    return "<td>counts</td>"


def table(cells, hosts, styles, caption, columns):
    """columns: (title, function of a cell that gives HTML)."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title, _ in columns)
    rows = []
    for cell in cells:
        state = "bad" if cell.bad else "" if cell.compared else "apart"
        row = "".join(f"<td>{make(cell)}</td>" for _, make in columns)
        rows.append(f'<tr class="{state}"><th scope="row" style="border-left-color:var(--'
                    f'{styles[cell.label].name})">{escape(cell.label)}'
                    f"<small>{escape(load_text(cell.setup))}</small></th>{row}"
                    f"{verdict(cell, hosts)}</tr>")
    return (f'<div class="scroll" tabindex="0"><table class="data"><caption>{escape(caption)}'
            f'</caption><thead><tr><th scope="col">target, load</th>{head}'
            f'<th scope="col">verdict</th></tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


def tables(cells, hosts, styles):
    def of(metric, text):
        return lambda c: with_spread(c.interval(metric), text)

    def wait(share):
        def make(cell):
            stage = next((s for s in ("received", "wire", "used") if s in cell.stages()), None)
            if not stage:
                return "–"
            if share == "stage":
                return stage
            if share != "max":
                needed = 1 / (1 - results.SHARES[share])
                if cell.histogram(stage).n < needed:
                    return "–"
                return with_spread(cell.interval(f"{stage}.{share}_ns"), time_text)
            return time_text(max(s.get("max_ns") or 0 for s in cell.stage(stage)))
        return make

    def counts(cell):
        names = ("lost", "duplicated", "reordered")
        return " / ".join("–" if (v := cell.total(k)) is None else f"{v}" for k in names)

    waits = [("frames/s", of("frames_per_s", three)), ("stage", wait("stage")),
             *((text, wait(share)) for text, share in (
                 ("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p999"),
                 ("p99.99", "p9999"), ("max", "max")))]
    costs = [("CPU back-end", of("cpu.backend", time_text)),
             ("of it user", of("cpu.backend_user", time_text)),
             ("of it kernel", of("cpu.backend_kernel", time_text)),
             ("softirq", of("cpu.softirq", time_text)),
             ("kicks", of("kicks", three)), ("forced kicks", of("forced_kicks", three)),
             ("calls", of("calls", three)), ("system calls", of("syscalls", three))]
    truth = [("repetitions", lambda c: str(len(c.repetitions))),
             ("frames", lambda c: number(c.total("frames"))),
             ("lost / duplicated / reordered", counts),
             ("generator late, p99", of("late_p99_ns", time_text)),
             ("CPUs", lambda c: escape(c.distance)),
             ("ring, frames", lambda c: f'<span class="long">{escape(ring_text(c.setup))}</span>')]
    return "".join(table(cells, hosts, styles, caption, columns) for caption, columns in (
        ("Waits. Mean over repetitions; small: its 95 % interval. –: not measured", waits),
        ("Costs, for each frame", costs), ("What they stand on", truth)))


def fact_list(facts):
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts
                            if v is not None) + "</dl>"


def fingerprint(cells, name):
    """Host, versions and noise."""
    runs = list(dict.fromkeys(run for cell in cells for run in cell.runs))

    def all_of(key, where="host"):
        found = {run.data[where].get(key) for run in runs
                 if not isinstance(run.data[where].get(key), (list, dict))} - {None}
        return ", ".join(sorted(map(str, found))) or None

    started = sorted(str(run.data.get("started")) for run in runs if run.data.get("started"))
    facts = [("CPU", all_of("cpu")), ("CPUs", all_of("cpus")), ("kernel", all_of("kernel")),
             ("hypervisor", all_of("hypervisor")), ("clock source", all_of("clocksource")),
             ("preemption", all_of("preempt")), ("HZ", all_of("hz")),
             ("driver on CPU", all_of("driver_cpu")), ("txbench", all_of("txbench")),
             ("commit", all_of("commit")), ("back-ends", all_of("program_version", "target")),
             ("measured", f"{started[0]} to {started[-1]}" if started else None)]
    noise = [r.get("noise") or {} for cell in cells for r in cell.repetitions]

    def range_of(values, text):
        values = sorted(v for v in values if v is not None)
        return f"{text(values[len(values) // 2])} ({text(values[0])} to {text(values[-1])})" \
            if values else None

    for key, title in (("wake_up", "wakes a bare thread"), ("timer", "timer of 150 µs is late by")):
        for q, word in (("p50_ns", "p50"), ("p99_ns", "p99"), ("p999_ns", "p99.9")):
            facts.append((f"{title}, {word}", range_of(
                [(n.get(key) or {}).get(q) for n in noise], time_text)))
    facts.append(("cache line, CPU to CPU and back", range_of(
        [v for n in noise for v in n.get("c2c_ns") or []], time_text)))
    facts.append(("steal", range_of([n.get("steal_share") for n in noise],
                                    lambda v: f"{100 * v:.2g} %")))
    return f"<h3>{escape(name)}</h3>{fact_list(facts)}"


def commands(runs):
    """Each distinct command once, copyable."""
    blocks = {}
    for run in runs:
        blocks.setdefault((run.label, shlex.join(run.target_command)), []).append(
            shlex.join(run.command))
    out = []
    for (label, target), lines in blocks.items():
        text = "\n".join(dict.fromkeys(line for line in lines if line))
        back = f"<pre># the back-end\n{escape(target)}</pre>" if target else ""
        out.append(f"<h3>{escape(label)}</h3>{back}<pre>{escape(text)}</pre>")
    return "".join(out)


def sweep_section(page, data):
    cells = data.get("cells") or []
    try:
        sure = [c for c in cells if c.get("cpu_verdict") in ("timer", "iothread")]
        wins = sorted((c for c in sure if c["cpu_verdict"] == "timer"),
                      key=lambda c: c["cpu_ratio"]["mean"])
        noise = sum(c.get("cpu_verdict") == "noise" for c in cells)
        broken = [c for c in cells if c.get("bad")]
        page.add("<section><h2>Sweep: where timer is cheaper than iothread</h2>")
        state = "" if data.get("complete") else ' <b class="bad">The sweep is incomplete.</b>'
        if wins:
            best = wins[0]
            page.add(f"<p>timer takes less back-end CPU per frame at {len(wins)} of {len(cells)}"
                     f" points, more at {len(sure) - len(wins)}; at {noise} there is no difference"
                     f" beyond noise. Cheapest: {best['cpu_ratio']['mean']:.2f} of iothread's"
                     f" ({best['cpu_ratio']['low']:.2f} to {best['cpu_ratio']['high']:.2f}) at"
                     f" {short_number(best['rate'])} frames/s, delay"
                     f" {figures.short_time(best['delay_us'])}, burst {best['burst']}, ring"
                     f" {best['ring_size']}, for"
                     f" {best['added_p50_ns']['mean'] / 1e3:+.0f} µs at p50 and"
                     f" {best['added_p99_ns']['mean'] / 1e3:+.0f} µs at p99.{state}</p>")
        else:
            page.add(f"<p>timer takes less back-end CPU at none of {len(cells)} points; at {noise}"
                     f" there is no difference beyond noise.{state}</p>")
        for c in broken:
            page.add(f'<p class="note bad">ring {c["ring_size"]}, burst {c["burst"]}, delay'
                     f' {c["delay_us"]:g} µs, {short_number(c["rate"])}/s: {escape(c["bad"])}</p>')
        page.add('<div class="figures">')
        for ring in sorted({c["ring_size"] for c in cells}):
            page.figure(figures.sweep(cells, ring), f"timer against iothread, ring of {ring}",
                        "Bold: back-end CPU per frame, timer divided by iothread (blue: timer is"
                        " cheaper). Below: what timer adds to p50/p99. Hatched, ≈: no difference"
                        " beyond noise.", f"{len(cells)} points of delay, burst and rate.")
        page.add("</div></section>")
    except (KeyError, TypeError) as error:
        raise BadInput(f"sweep.json: a point without {error}: run bench/sweep again") from None


def notices(cells, hosts):
    out = []
    bad = [c for c in cells if c.bad]
    if bad:
        out.append(f"{len(bad)} of {len(bad) + sum(len(c.runs) for c in cells if not c.bad)} runs"
                   " do not count (failed or incomplete). They are in the table, and in figures"
                   " against load as ✕.")
    apart = [c for c in cells if not c.bad and not c.compared]
    if apart:
        names = ", ".join(sorted({c.distance for c in apart}))
        kept = ", ".join(sorted({c.distance for c in cells if c.compared}))
        out.append(f"{sum(len(c.repetitions) for c in apart)} repetitions were made while the two"
                   f" CPUs were at another distance ({names}) than in the others ({kept}). They are"
                   " in the table and in no figure.")
    if len(hosts) > 1:
        out.append(f"These runs are of {len(hosts)} hosts. Each has its own figures; none is"
                   " compared with another's.")
    single = [c for c in cells if c.compared and len(c.repetitions) < 2]
    if single:
        points = "1 point has" if len(single) == 1 else f"{len(single)} points have"
        out.append(f"{points} one repetition, so no interval: differences there may be noise.")
    return "".join(f'<p class="note">{escape(text)}</p>' for text in out)


def compare_notices(compares):
    """What bench/compare could not do."""
    out = []
    for data in compares:
        if not data.get("complete"):
            out.append("bench/compare ended early: some runs are missing.")
        out += [f"Skipped: {': '.join(map(str, pair))}." for pair in data.get("skipped") or []]
    return "".join(f'<p class="note">{escape(text)}</p>' for text in out)


def host_section(page, cells, place, number_of_host):
    """Headline and figures of one host."""
    good = [c for c in cells if c.compared]
    reference = pick_reference(groups(good, lambda c: c.setup))
    if reference is None:
        page.add(f"<header><h1>No run here counts{escape(place)}</h1>")
        page.add("</header>")
        return
    order = list(page.styles)
    good.sort(key=lambda c: order.index(c.label))
    own = [c for c in good if c.setup == reference]
    stage = stage_of(own)
    level = "h1" if number_of_host == 0 else "h2"
    flood = reference.kind == "flood"
    title = headline(own, stage) if not flood else "Throughput" + place
    page.add(f"<header><p class=\"what\">txbench{escape(place)} · {escape(load_text(reference))} ·"
             f" {escape(ring_text(reference))}</p><{level}>{escape(title)}</{level}>")
    if not flood:
        page.add(tiles([c for c in own if stage in c.stages()], stage, page.styles))
        page.add('<p class="what">Large: p50 of the wait from due to '
                 f"{STAGE_TEXT[stage]}, and its 95 % interval. CPU: of the back-end, for each"
                 " frame.</p>")
        items = []
        for pair, a, b in pairs_of(own):
            told = Comparison(a, b, stage)
            items.append(f"<li><b>{escape(pair)}</b>: {escape(told.wait())};"
                         f" {escape(told.cost())}.</li>")
        page.add(f"<ul>{''.join(items)}</ul>" if items else "")
    page.add("</header>")
    figures_of(page, good, [c for c in cells if c.bad], reference, place)


def build(found):
    own = [run for run in found.runs if not found.is_swept(run)]
    swept = [run for run in found.runs if found.is_swept(run)]
    cells, swept_cells = found.cells(own), found.cells(swept)
    every = cells + swept_cells
    hosts = sorted({c.host for c in every}, key=lambda h: (
        -sum(len(c.repetitions) for c in every if c.host == h), str(h)))
    ceilings = {c.get("label") for data in found.compares for c in data.get("cells") or []
                if isinstance(c, dict) and c.get("ceiling")}
    page = Page(figures.styles_of(dict.fromkeys(c.label for c in every), ceilings))
    own_hosts = [h for h in hosts if any(c.host == h for c in cells)]
    for i, host in enumerate(own_hosts):
        place = f", host {chr(65 + i)}" if len(own_hosts) > 1 else ""
        host_section(page, [c for c in cells if c.host == host], place, i)
        if i == 0:
            page.parts.insert(page.parts.index("</header>") + 1,
                              notices(cells, own_hosts) + compare_notices(found.compares))
    if not own_hosts:
        page.add('<header><p class="what">txbench</p><h1>timer against iothread</h1></header>')
    for data in found.sweeps:
        sweep_section(page, data)
    order = list(page.styles)
    every.sort(key=lambda c: (own_hosts.index(c.host) if c.host in own_hosts else 99,
                              c.setup.kind or "", c.setup.rate or 0, order.index(c.label)))
    page.add(f"<section><h2>Everything that was measured</h2>{tables(every, hosts, page.styles)}"
             "</section><section><h2>The machine</h2>")
    for i, host in enumerate(hosts):
        page.add(fingerprint([c for c in every if c.host == host], f"Host {chr(65 + i)}"
                             if len(hosts) > 1 else "Host"))
    page.add("</section><section><h2>The commands</h2><details open=\"open\"><summary>"
             f"{len(found.runs)} runs</summary>{commands(found.runs)}</details></section>")
    return page


def document(page):
    with open(os.path.join(HERE, "report.css"), encoding="utf-8") as file:
        css = file.read()
    for theme, i in (("light", 0), ("dark", 1)):
        css = css.replace(f"/* colours: {theme} */", "".join(
            f"--{name}:{pair[i]};" for name, pair in figures.COLOURS.items()))
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
            '<meta name="color-scheme" content="light dark"/>'
            f"<title>txbench report</title><style>{css}</style></head>\n<body><main>"
            + "\n".join(page.parts) + "</main></body></html>\n")


def arguments(argv):
    paths, out = [], "report.html"
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            print("usage: txbench report RESULTS... [-o report.html]")
            sys.exit(0)
        if word in ("-o", "--output"):
            if not rest:
                raise BadInput(f"{word} needs a value: the HTML file to write")
            out = rest.pop(0)
        elif word.startswith("-") and len(word) > 1:
            raise BadInput(f"unknown option '{word}': it takes RESULTS... and -o FILE")
        else:
            paths.append(word)
    if not paths:
        raise BadInput("nothing to report: give result files or directories of them")
    return paths, out


def main(argv):
    try:
        paths, out = arguments(argv)
        text = document(build(Results(paths)))
        try:
            with open(out, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise BadInput(f"{out}: {error.strerror}") from None
    except BadInput as error:
        print(f"txbench: report: {error}", file=sys.stderr)
        return 1
    print(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
