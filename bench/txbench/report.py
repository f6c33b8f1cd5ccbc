#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The report of txbench: one HTML file without script or outside reference, from result files.

It says what docs/txbench.md lists under "The report". figures.py draws, stats.py judges, results.py reads.
"""
import math
import os
import shlex
import sys
from typing import NamedTuple

sys.dont_write_bytecode = True  # nothing lands beside the scripts

import figures  # noqa: E402
import results  # noqa: E402
import stats  # noqa: E402
import tell  # noqa: E402
from figures import escape, short_number, short_time, three, time_text  # noqa: E402
from results import COUNTS, Name, Results, state_rank  # noqa: E402
from tables import Cell, Table, figure  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
STAGE_TEXT = {"wire": "on the wire", "used": "given back (used)", "received": "received"}
METRICS = ("p50", "p99", "cost")


def groups(items, key):
    out = {}
    for item in items:
        out.setdefault(key(item), []).append(item)
    return out


# What is compared with what.

class Comparison(NamedTuple):
    a: object           # cells
    b: object
    ratios: dict        # by METRICS: an Estimate or None
    added: dict         # the same, a - b in ns; empty if the two share no round
    verdicts: dict      # filled by judge()

    def told(self, metric):
        return tell.words(self.ratios[metric], self.verdicts[metric])


def compare(a, b):
    stage = a.wait() if a.wait() == b.wait() else None
    names = {"p50": f"{stage}.p50", "p99": f"{stage}.p99", "cost": "cpu.total"}
    ratios, added = {}, {}
    for metric, name in names.items():
        if stage is None and metric != "cost":
            ratios[metric] = None
            continue
        ratios[metric], paired = results.told(a, b, name)
        if paired:
            added[metric] = results.added(a, b, name)
    return Comparison(a, b, ratios, added, {})


def judge(comparisons):
    """All verdicts of the page at once, as each more is one more chance to be wrong."""
    every = [(c, m) for c in comparisons for m in METRICS]
    for (c, m), verdict in zip(every, stats.verdicts([c.ratios[m] for c, m in every])):
        c.verdicts[m] = verdict


def pairs_of(cells):
    """Of one load: modes against iothread of their family, then families in one mode; else all of them
    against the first one."""
    named = {c.label: Name(c.label) for c in cells if c.label != "ceiling"}
    cells = [c for c in cells if c.label in named]
    base = {named[c.label].family: c for c in cells if named[c.label].role == "iothread"}
    found = [(c, base[named[c.label].family]) for c in cells
             if named[c.label].role in ("timer", "poll") and named[c.label].family in base]
    own = {(named[c.label].role, named[c.label].delay_ns, named[c.label].more): c
           for c in reversed(cells) if named[c.label].family.startswith("txringd")}
    found += [(c, own[key]) for c in cells
              if not (n := named[c.label]).family.startswith("txringd")
              and (key := (n.role, n.delay_ns, n.more)) in own]
    return found or [(c, cells[0]) for c in cells[1:]]


def is_timer(c):
    a, b = Name(c.a.label), Name(c.b.label)
    return a.role == "timer" and b.role == "iothread" and a.family == b.family


# The answer: what timer adds, and above which rate it saves CPU.

def spread(e, text):
    """Its interval, the unit once."""
    if e is None or e.low is None:
        return ""
    (low, unit), (high, same) = (text(v).partition("\u00a0")[::2] for v in (e.low, e.high))
    return f"{low} to {high}\u00a0{unit}".rstrip("\u00a0") if unit == same else \
        f"{text(e.low)} to {text(e.high)}"


def interval(e, text):
    return f" [{inner}]" if (inner := spread(e, text)) else ""


def wait_answer(c, around=True):
    e, verdict = c.added.get("p50"), c.verdicts["p50"]
    if verdict not in (stats.MORE, stats.LESS):
        return f"p50 of the wait: {c.told('p50')}"
    if e is None:
        return f"waits {c.ratios['p50'].value:.2f} times as long"
    return f"{'adds' if e.value > 0 else 'saves'} {time_text(abs(e.value))}" + \
        (interval(e, time_text) if around else "")


def cost_answer(own, around=True):
    """own: the comparisons of one pair in one state, by rising rate."""
    verdicts = [c.verdicts["cost"] for c in own]
    last = own[-1]
    if len(own) == 1:
        if verdicts[0] not in (stats.LESS, stats.MORE):
            return f"CPU of a frame: {last.told('cost')}"
        share = last.ratios["cost"].value - 1
        return f"{'costs' if share > 0 else 'saves'} {abs(share) * 100:.0f} % CPU a frame" + \
            (" more" if share > 0 else "")
    top = f"{three(last.a.setup.rate)} frames/s"
    if stats.LESS not in verdicts:
        if not {stats.MORE, stats.SAME} & set(verdicts):
            return f"saves or costs CPU: {last.told('cost')} at {top}"
        return f"saves no CPU here, up to {top}" if verdicts[-1] in (stats.MORE, stats.SAME) else \
            f"was not shown to save CPU here, up to {top}: {last.told('cost')}"
    if set(verdicts) == {stats.LESS}:
        return f"saves CPU at every rate here, from {three(own[0].a.setup.rate)} frames/s on"
    at, _ = results.break_even([(c.a.setup.rate, c.a, c.b) for c in own])
    if at is None:
        rates = ", ".join(f"{three(c.a.setup.rate)}/s" for c, v in zip(own, verdicts)
                          if v == stats.LESS)
        return f"was shown to save CPU at {rates} only"
    return f"saves CPU only above {three(at.value)} frames/s" + \
        (interval(at, three) if around else "")


class Answer:
    """Of one timer against its iothread in one state, under one kind of load."""

    def __init__(self, own, reference):
        self.own = sorted(own, key=lambda c: c.a.setup.rate or 0)
        self.at = min(self.own, key=lambda c: abs(math.log(
            (c.a.setup.rate or 1) / (reference.rate or 1))))
        self.label, self.state = self.own[0].a.label, self.own[0].a.setup.state

    def item(self):
        rate = self.at.a.setup.rate
        at = f" at {three(rate)} frames/s" if rate else ""
        tail = self.at.added.get("p99")
        tail = f", {time_text(tail.value)}{interval(tail, time_text)} at p99" if tail else ""
        n = self.at.ratios["cost"] or self.at.ratios["p50"]
        n = f" ({n.n} pairs, {n.sessions} sessions)" if n and self.at.added else " (not paired)"
        return f"<li><b>{escape(self.label)}</b>, {escape(self.state)}: " + \
            escape(f"{wait_answer(self.at)} to p50{tail}{at}; {cost_answer(self.own)}{n}.") + "</li>"


def headline(answers, cells, reference, stage):
    """One sentence: of txringd's timer if it is there, of the delay nearest to the default."""
    def rank(a):
        name = Name(a.label)
        return (name.family != "txringd", abs(name.delay_ns - results.DELAY_NS), name.more)

    if answers:
        best = min(answers, key=rank)
        own = [a for a in answers if a.label == best.label]
        at = f" at {three(best.at.a.setup.rate)} frames/s" if best.at.a.setup.rate else ""
        first = f"{best.label} {wait_answer(best.at, False)}{at}"
        costs = groups(own, lambda a: cost_answer(a.own, False))
        if len(own) == 1:
            return f"{first} and {next(iter(costs))}"
        told = "; ".join(f"{', '.join(a.state for a in some)}: {text}" for text, some in costs.items())
        return f"{first}. {told[0].upper()}{told[1:]}"
    if not stage:
        rates = [(v.value, c.label) for c in cells if (v := c.level("frames_per_s"))]
        return ", ".join(f"{label}: {three(v / 1e6)} M frames/s" for v, label in sorted(rates)[::-1])
    known = sorted((v.value, c.label) for c in cells if (v := c.level(f"{stage}.p50")))
    return "A frame waits " + ", ".join(f"{time_text(v)} under {label}" for v, label in known) + \
        f" until it is {STAGE_TEXT[stage]} (p50)"


# Pieces of the page.

class Page:
    """Collects sections; numbers the figures."""

    def __init__(self, styles):
        self.parts, self.n, self.styles = [], 0, styles

    def add(self, html):
        self.parts.append(html)

    def figure(self, drawn, title, note, desc):
        """Nothing if nothing was drawn."""
        if drawn is None:
            return
        self.n += 1
        picture = figures.svg(drawn, f"f{self.n}", title, desc)
        self.add(f"<figure><h3>{escape(title)}</h3>{picture}<figcaption>{escape(note)}</figcaption>"
                 "</figure>")


def metric_desc(cells, metric, text):
    return "; ".join(f"{c.label}, {c.setup.load_text()}, {c.setup.state}: {text(v.value)}"
                     for c in cells if (v := c.level(metric))) + "."


def tile(cell, stage, style):
    def words(metric):
        value = cell.level(metric)
        return ("–", "") if value is None else (time_text(value.value), spread(value, time_text))
    p50, p99, cost = (words(m) for m in (f"{stage}.p50", f"{stage}.p99", "cpu.total"))
    n, sessions = len(cell.units), len({u.session for u in cell.units})
    return (f'<div class="tile" style="border-color:var(--{style.name})"><h3>{escape(cell.label)}</h3>'
            f"<b>{escape(p50[0])}<small>{escape(p50[1])}</small></b><span>p99 {escape(p99[0])}</span>"
            f"<span>CPU {escape(cost[0])}</span><span>n = {n}"
            f"{f' in {sessions} sessions' if sessions > 1 else ''}</span></div>")


def pick_reference(cells):
    """The load that most have; then a wait to be seen, idle, tx, open-loop, nearest to 1000/s."""
    by_setup = groups(cells, lambda c: c.setup)

    def score(setup):
        return (any(c.wait() for c in by_setup[setup]) and setup.kind != "flood",
                len(by_setup[setup]), setup.state == "idle", setup.direction == "tx",
                setup.open_loop(), -abs(math.log((setup.rate or 1e9) / 1000)))
    return max(by_setup, key=score)


def load_figures(page, cells, styles, place):
    """Against the rate, where there are at least two."""
    if not cells or len({c.setup.rate for c in cells}) < 2 or not all(c.setup.rate for c in cells):
        return
    stage = cells[0].wait()
    note = f"{cells[0].setup.load_text(rate=False)}, {cells[0].setup.state}," \
           f" {cells[0].setup.ring_text()}. Bars: 95 % intervals."
    for title, metric, panels in (
            ("Wait against load", f"{stage}.p50", [
                ("wait, p50", f"{stage}.p50", short_time, 1e-3),
                ("wait, p99", f"{stage}.p99", short_time, 1e-3)]),
            ("CPU against load", "cpu.total", [
                ("CPU of a frame, in all", "cpu.total", short_time, 1e-3),
                ("kicks a frame", "kicks", lambda v: f"{v:g}", 1)])):
        page.figure(figures.against_load(cells, styles, panels), title + place, note,
                    metric_desc(cells, metric, time_text))
    by_label = groups(cells, lambda c: c.label)
    page.figure(figures.rows([(label, [(f"{short_number(c.setup.rate)}/s", c) for c in own])
                              for label, own in by_label.items()], styles),
                f"What a frame costs{place}", note + " Dark to pale: the back-end's threads, interrupts"
                " and idle path on their CPU, the kick in the driver.",
                metric_desc(cells, "cpu.total", time_text))


def heat_figures(page, comparisons, place):
    """Delay against rate, where there are at least two of both."""
    timers = [c for c in comparisons if is_timer(c) and c.ratios["cost"] and c.a.setup.rate]
    for (series, family, more), own in groups(timers, lambda c: (
            c.a.setup.series(), Name(c.a.label).family, Name(c.a.label).more)).items():
        delays = {Name(c.a.label).delay_ns for c in own}
        if len(delays) < 2 or len({c.a.setup.rate for c in own}) < 2:
            continue
        points = [(c.a.setup.rate, Name(c.a.label).delay_ns / 1e3, c.ratios["cost"].value,
                   c.verdicts["cost"] in (stats.LESS, stats.MORE),
                   *((e := c.added.get(m)) and e.value / 1e3 for m in ("p50", "p99"))) for c in own]
        page.figure(figures.heat(points), f"{family}: delay by rate{', ' + more if more else ''}{place}",
                    f"{series.load_text()}, {series.state}, {series.ring_text()}. Bold: CPU of a frame,"
                    " timer : iothread (blue: timer is cheaper); ≈: not told apart. Below: what timer adds"
                    " to p50/p99.", f"{len(points)} points.")


def figures_of(page, cells, comparisons, reference, place):
    """All figures of one host."""
    own = [c for c in cells if c.setup == reference]
    stage, styles = own[0].wait(), page.styles
    about = f"{reference.load_text()}, {reference.state}, {reference.ring_text()}"
    page.add('<div class="figures">')
    if stage and reference.kind != "flood":
        ceiling = "" if any(c.label == "ceiling" for c in own) else " No ceiling was measured here."
        page.figure(figures.pareto(own, styles, stage), f"Wait against CPU{place}",
                    f"{about}. Wait: from due to {STAGE_TEXT[stage]}. Best is low and left; grey: the best"
                    f" there is. ceiling: the least possible device.{ceiling}",
                    metric_desc(own, f"{stage}.p50", time_text))
        page.figure(figures.cdf(own, styles, stage), f"How long frames wait{place}",
                    f"{about}. All rounds pooled.", metric_desc(own, f"{stage}.p99", time_text))
    series = groups([c for c in cells if c.setup.open_loop()], lambda c: c.setup.series())
    load_figures(page, series.pop(reference.series(), []), styles, place)
    states = [c for c in cells if c.setup._replace(state=None) == reference._replace(state=None)]
    if len({c.setup.state for c in states}) > 1:
        states.sort(key=lambda c: state_rank(c.setup.state))
        by_label = groups(states, lambda c: c.label)
        page.figure(figures.rows([(label, [(c.setup.state, c) for c in by_label[label]])
                                  for label in styles if label in by_label], styles, stage),
                    f"States of the machine{place}", f"{reference.load_text()}. idle: as it is; spinner: the"
                    " back-end's CPU never halts; neighbour: a busy process on it. CPU, dark to pale:"
                    " back-end, interrupts, kick.", metric_desc(states, "cpu.total", time_text))
    heat_figures(page, comparisons, place)
    for setup, members in groups(cells, lambda c: c.setup).items():
        if setup.kind == "flood":
            page.figure(figures.bars(members, styles, "frames_per_s", 1e-6, "M frames/s"),
                        f"Throughput{place}", f"{setup.load_text()}, {setup.state}, {setup.ring_text()}.",
                        metric_desc(members, "frames_per_s", three))
    page.figure(figures.timelines(own, styles), f"Time line{place}",
                f"{about}: p50 (line) and longest wait (dots) of each bin.",
                "Shows whether waits drift or come in bursts; the table has the totals.")
    page.add("</div>")
    page.add('<details><summary>The other loads and states</summary><div class="figures">')
    for setup, members in groups(cells, lambda c: c.setup).items():
        if setup != reference and setup.kind != "flood" and members[0].wait():
            where = f"{place}: {setup.load_text()}, {setup.state}"
            page.figure(figures.cdf(members, styles, members[0].wait()), f"How long frames wait{where}",
                        setup.ring_text(), metric_desc(members, f"{members[0].wait()}.p50", time_text))
    for key, members in series.items():
        load_figures(page, members, styles, f"{place}: {key.load_text()}, {key.state}")
    page.add("</div></details>")


def comparison_table(comparisons, place):
    table = Table(f"Compared, a : b{place}", ["a : b", "load, state", "p50", "p50 added, µs", "p99",
                                              "p99 added, µs", "CPU of a frame", "", "n"],
                  "Ratios and differences of rounds in which both were measured, with 95 % intervals. The"
                  f" words are corrected for all {3 * len(comparisons)} comparisons of this page; same:"
                  f" within {stats.MARGIN * 100:.0f} %.")
    for c in comparisons:
        def ratio(metric):
            tone = {stats.LESS: "less", stats.MORE: "more"}.get(c.verdicts[metric], "")
            return Cell(c.told(metric), "", None, tone)
        n = next((e for e in c.ratios.values() if e), None)
        table.add([f"{c.a.label} : {c.b.label}", f"{c.a.setup.load_text()}, {c.a.setup.state}",
                   ratio("p50"), figure(c.added.get("p50"), 1e-3, 1, "+"), ratio("p99"),
                   figure(c.added.get("p99"), 1e-3, 1, "+"), figure(c.ratios["cost"], 1, 2),
                   ratio("cost"), n and (f"{n.n} pairs" if c.added else f"{n.n}, not paired")])
    return table.html() if table.rows else ""


def measured_table(cells, place):
    """Everything of everybody."""
    rings = list(dict.fromkeys(c.setup.ring_text() for c in cells))
    table = Table(f"Everything measured{place}", [
        "back-end", "load, state", "stage", *(f"{q}, µs" for q in ("p50", "p90", "p99", "p99.9", "max")),
        "CPU, µs", "back-end", "interrupts", "kick", "kicks", "calls", "system calls", "ring fill",
        "frames a run", "asleep, %",
        "late p99, µs", "frames/s", " / ".join(COUNTS), "CPUs: rounds", "n"],
        "-: not measured. Small: 95 % interval. CPU, kicks, calls: of a frame. " +
        (f"All: {rings[0]}." if len(rings) == 1 else ""))
    for c in cells:
        stage = c.wait()
        top = c.largest(stage) if stage else None
        table.add([c.label, f"{c.setup.load_text()}, {c.setup.state}" if len(rings) == 1 else
                   c.setup.text(), stage,
                   *(figure(stage and c.level(f"{stage}.{q}"), 1e-3)
                     for q in ("p50", "p90", "p99", "p999")), top and f"{top / 1e3:,.1f}",
                   *(figure(c.level(f"cpu.{part}"), 1e-3, 2)
                     for part in ("total", "backend", "interrupts", "kick")),
                   *(figure(c.level(m), 1, 2) for m in ("kicks", "calls", "syscalls", "fill")),
                   figure(c.level("batch"), 1, 1), figure(c.level("asleep"), 100, 0),
                   figure(c.level("late.p99"), 1e-3, 2), figure(c.level("frames_per_s"), 1, 0),
                   " / ".join("-" if (n := c.total(k)) is None else f"{n:,}" for k in COUNTS),
                   ", ".join(f"{k} {n}" for k, n in sorted(c.distances().items())),
                   len(c.units)])
    return table.html()


def failures(found):
    """What does not count, folded away but named in its summary."""
    bad = [run for run in found.runs if run.bad()]
    lines = [f"{run.label}, {run.setup.text()}: {run.bad()} ({os.path.basename(run.path)})"
             for run in bad]
    for data in found.compares:
        session = f"session {data.get('session')}"
        lines += [] if data.get("complete") else [f"{session} ended early: some runs are missing"]
        lines += [f"{session}: skipped: {': '.join(pair)}" for pair in data.get("skipped") or []]
        lines += [f"{session}: tried again: {': '.join(pair)}" for pair in data.get("retries") or []]
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines))
    return f'<details class="note"><summary>{len(bad)} of {len(found.runs)} runs do not count; skipped,' \
           f" tried again</summary><ul>{items}</ul></details>"


def machine(cells, name):
    """The host in facts."""
    runs = [run for cell in cells for run in cell.runs]
    units = [u for cell in cells for u in cell.units]
    facts = []
    for title, key in (("CPU", "cpu"), ("CPUs", "cpus"), ("kernel", "kernel"),
                       ("hypervisor", "hypervisor"), ("clock source", "clocksource"),
                       ("preemption", "preempt"), ("driver on CPU", "driver_cpu"),
                       ("txbench", "txbench"), ("commit", "commit")):
        values = {str(v) for run in runs if (v := run.data["host"].get(key)) is not None}
        facts.append((title, ", ".join(sorted(values))))
    started = sorted(run.data["started"] for run in runs if run.data.get("started"))
    facts.append(("measured", f"{started[0]} to {started[-1]}" if started else ""))
    for key, title in (("wake_up", "wakes a bare thread in"), ("timer", "a timer is late by")):
        hist = stats.pooled([u.hist(key) for u in units])
        told = [f"{q} {time_text(v)}" for q, share in (("p50", .5), ("p99", .99))
                if (v := hist.quantile(share)) is not None] if hist.n else []
        facts.append((title, ", ".join(told)))
    classes = groups(units, lambda u: u.distance)
    facts.append(("distance of the CPUs", ", ".join(f"{k}: {len(v)} rounds" for k, v in classes.items())))
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts if v)
    return f"<h3>{escape(name)}</h3><dl>{items}</dl>"


def commands(runs):
    """What to type to get these figures again; one of each kind."""
    lines = {(run.label, run.setup): shlex.join(run.data.get("command") or []) for run in runs}
    targets = {run.label: shlex.join(run.data["target"].get("command") or []) for run in runs}
    return "".join(
        f"<h3>{escape(label)}</h3><pre># the back-end\n{escape(target)}</pre>"
        f"<pre>{escape(chr(10).join(dict.fromkeys(v for k, v in lines.items() if k[0] == label)))}</pre>"
        for label, target in targets.items())


def host_section(page, cells, comparisons, place):
    """Headline, tiles and figures of one host."""
    if not cells:
        page.add(f"<header><h1>No run here counts{escape(place)}</h1>")
        page.add("</header>")
        return
    reference = pick_reference(cells)
    own = [c for c in cells if c.setup == reference]
    stage = own[0].wait() if reference.kind != "flood" else None
    comparisons.sort(key=lambda c: state_rank(c.a.setup.state))
    timers = groups([c for c in comparisons if is_timer(c) and c.ratios["p50"] and
                     c.a.setup.series()._replace(state=None) == reference.series()._replace(state=None)],
                    lambda c: (c.a.label, c.a.setup.state))
    answers = sorted((Answer(some, reference) for some in timers.values()),
                     key=lambda a: list(page.styles).index(a.label))
    page.add(f'<header><p class="what">txbench{escape(place)} · {escape(reference.text())}</p>'
             f"<h1>{escape(headline(answers, own, reference, stage))}.</h1>")
    if answers:
        page.add(f"<ul>{''.join(a.item() for a in answers)}</ul>")
    if stage:
        page.add('<div class="tiles">' + "".join(tile(c, stage, page.styles[c.label]) for c in own) +
                 f'</div><p class="what">Large: p50 of the wait from due to {STAGE_TEXT[stage]}, with its'
                 " 95 % interval. CPU: all that a frame costs: back-end, interrupts, kick.</p>")
    page.add("</header>")
    figures_of(page, cells, comparisons, reference, place)


def build(found):
    page = Page(figures.styles_of(list(dict.fromkeys(run.label for run in found.runs))))
    order = list(page.styles)
    every = sorted(found.cells(), key=lambda c: (c.setup.kind or "", c.setup.rate or 0,
                                                 c.setup.state or "", order.index(c.label)))
    hosts = sorted(groups(every, lambda c: c.host).values(),
                   key=lambda own: -sum(len(c.units) for c in own))
    compared = [[compare(a, b) for own in groups([c for c in cells if c.units], lambda c: c.setup).values()
                 for a, b in pairs_of(own)] for cells in hosts]
    judge([c for comparisons in compared for c in comparisons])
    places = [f", host {chr(65 + i)}" if len(hosts) > 1 else "" for i in range(len(hosts))]
    for i, (cells, comparisons, place) in enumerate(zip(hosts, compared, places)):
        host_section(page, [c for c in cells if c.units], comparisons, place)
        if i == 0:
            page.parts.insert(page.parts.index("</header>") + 1, failures(found))
    page.add("<section><h2>The figures</h2>")
    for cells, comparisons, place in zip(hosts, compared, places):
        page.add(comparison_table(comparisons, place))
        page.add(measured_table([c for c in cells if c.units], place))
    page.add("</section><section><h2>The machine</h2>")
    for cells, place in zip(hosts, places):
        page.add(machine(cells, place[2:].replace("h", "H") or "Host"))
    page.add(f"</section><details><summary>The commands</summary>{commands(found.runs)}</details>")
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


def main(argv):
    parser = results.Arguments(prog="txbench report", description=__doc__.partition("\n")[0])
    parser.add_argument("results", metavar="RESULTS", nargs="*",
                        help="result files, what bench/compare wrote, or directories of these")
    parser.add_argument("-o", "--output", metavar="FILE", default="report.html")
    args = parser.parse_args(argv)
    results.write_file(args.output, document(build(Results(args.results))))
    print(args.output)
    return 0


if __name__ == "__main__":
    results.run_command("report", main)
