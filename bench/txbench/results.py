# SPDX-License-Identifier: MIT
"""Result files of txbench, as Python sees them: read, checked, put together by what was measured.

    found = Results(["DIR", "one.json"])       raises BadInput, one line
    cells = found.cells()                      a back-end under a load, in a state of the machine
    cells[0].level("wire.p99")                 an Estimate of stats.py
    compared(a, b, "cpu.total")                the ratio of two cells, by rounds
    added(a, b, "wire.p50")                    the difference, ns
    unpaired(a, b, "wire.p99")                 the ratio of two that share no round
    threshold("p99>300us").broken_by(cell)

docs/txbench.md has the schema. It draws nothing and prints nothing.
"""
import argparse
import json
import lzma
import math
import operator
import os
import re
import sys
from typing import NamedTuple, Optional

import numpy as np

import stats

RUN, COMPARE = "txbench-2", "txbench-compare-2"
BUSY = "the machine was busy"  # why a run failed that counts in a trial
STAGES = ("published", "wire", "used", "call", "received")
STATES = ("idle", "spinner", "neighbour", "same-cpu")
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}
COUNTS = ("lost", "duplicated", "reordered")
UNITS = {"": 1, "ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
DELAY_NS = 150e3  # of a timer whose label names none


class BadInput(Exception):
    """What is wrong with a file, in one line."""


class NoResult(BadInput):
    """There is none, and nothing else is wrong."""


def state_rank(state):
    """For sorting: as in STATES, what is not known last."""
    return STATES.index(state) if state in STATES else len(STATES)


class Setup(NamedTuple):
    """What must be the same for two runs to be compared: the load, the ring, the machine's state."""
    direction: Optional[str]
    kind: Optional[str]
    rate: Optional[float]
    on_ns: Optional[int]
    off_ns: Optional[int]
    inflight: Optional[int]
    trace: Optional[str]
    size: Optional[str]
    batch: Optional[int]
    calls: Optional[str]
    kick_cost_ns: Optional[int]
    state: Optional[str]
    ring_size: Optional[int]
    layout: Optional[str]

    @classmethod
    def of(cls, data):
        both = {**data["load"], **{k: data["target"].get(k) for k in ("ring_size", "layout")}}
        both["size"] = None if both.get("size") is None else str(both["size"])
        return cls(*(both.get(field) for field in cls._fields))

    def series(self):
        """The same at any rate."""
        return self._replace(rate=None)

    def open_loop(self):
        return self.kind not in ("inflight", "flood")

    def load_text(self, rate=True):
        """"poisson 1,000/s", "onoff 200,000/s for 1 ms in 10 ms", "3 in flight"."""
        words = "ping-pong" if self.inflight == 1 else f"{self.inflight} in flight" \
            if self.kind == "inflight" else str(self.kind)
        if self.kind == "trace":
            words += f" {os.path.basename(str(self.trace))}"
        if self.rate and rate:
            words += f" {self.rate:,.0f}/s"
        if self.on_ns:
            both = self.on_ns + (self.off_ns or 0)
            words += f" for {self.on_ns / 1e6:g} ms in {both / 1e6:g} ms"
        if self.kick_cost_ns:
            words += f", a kick of {self.kick_cost_ns / 1e3:g} us"
        return words

    def ring_text(self):
        size = f"frames of {self.size} bytes" if str(self.size).isdigit() else f"sizes {self.size}"
        calls = {"each": ", a call for each frame", "none": ", no calls"}.get(self.calls, "")
        return f"{self.direction}, {size}, ring of {self.ring_size} ({self.layout}){calls}"

    def text(self):
        return ", ".join((self.load_text(), str(self.state), self.ring_text()))


class Name:
    """What a label says: "qemu timer,delay=50us": family qemu, mode timer, a delay of 50 us."""

    def __init__(self, label):
        self.label = label
        kind, _, variant = label.partition(" ")
        variant, _, backend = variant.partition("@")
        self.mode, *words = variant.split(",")
        self.family = f"{kind}@{backend}" if backend else kind
        words = dict(word.partition("=")[::2] for word in words)
        found = re.fullmatch(r"([\d.]+)([mun]?s)", words.pop("delay", ""))
        self.delay_ns = None if self.mode != "timer" else \
            float(found[1]) * UNITS[found[2]] if found else DELAY_NS
        self.more = ",".join("=".join(pair) for pair in words.items())
        # Which of the two ways to notify: now, or after a delay.
        self.role = "iothread" if self.mode in ("iothread", "bh") else self.mode


# What is counted on of the schema; anything may be null.
NUMBER = (int, float)
HIGHEST = 1e19  # 64 bits; beyond it somebody has damaged the file
HISTO = {"n": NUMBER, "min_ns": NUMBER, "max_ns": NUMBER, "sum_ns": NUMBER, "buckets": "buckets"}
REPETITION = {
    **{key: NUMBER for key in ("ns", "frames", "bytes", *COUNTS, "syscalls")},
    "generator": {"late": HISTO, "waited_ns": NUMBER, "wall_ns": NUMBER},
    "stages": {stage: HISTO for stage in STAGES},
    "notifications": {key: NUMBER for key in ("kicks", "forced_kicks", "calls")},
    "ring_fill": {"n": NUMBER, "sum": NUMBER},
    "cost": {**{key: NUMBER for key in ("frames", "kicks", "backend_ns", "kick_ns", "busy_ns",
                                    "others_ns")},
             "busy_from": str},
    "company": {key: NUMBER for key in ("lost_ns", "wall_ns", "times")},
    "counters": {key: NUMBER for key in ("frames", "runs", "kicks", "rechecks", "backend_full")},
    "noise": {"c2c_ns": [NUMBER], "class": str, "wake_up": HISTO, "timer": HISTO,
              "steal_share": NUMBER, "backend_waited_share": NUMBER},
    "timeline": {"bin_ns": NUMBER, "frames": [NUMBER], "p50_ns": [NUMBER], "max_ns": [NUMBER]}}
RUN_SHAPE = {
    "label": str, "incomplete": str, "failed": str, "started": str, "command": [str],
    "target": {"kind": str, "command": [str], "layout": str, "ring_size": NUMBER, "wire": str},
    "load": {**{key: NUMBER for key in ("rate", "on_ns", "off_ns", "inflight", "kick_cost_ns",
                                        "batch")},
             **{key: NUMBER for key in ("seconds", "cost_seconds")},
             **{key: str for key in ("direction", "kind", "trace", "calls")}, "state": STATES},
    "host": {"kernel": str, "cpu": str, "cpus": NUMBER, "hypervisor": str, "commit": str},
    "repetitions": [REPETITION]}
COMPARE_SHAPE = {"session": str, "files": [str], "skipped": "pairs", "retries": "pairs",
                 "no_result": "pairs", "baseline": str, "started": str, "command": [str],
                 "seconds": NUMBER, "load_average": [NUMBER], "seed": NUMBER}


def check(where, value, shape):
    """Raise BadInput where value, if it is not null, is not of this shape."""
    if value is None:
        return
    if shape == "buckets":
        try:
            table = np.asarray(value, dtype=float).reshape(-1, 2)
        except (ValueError, TypeError, OverflowError):
            table = np.array([[-1.0]])
        if not ((table >= 0).all() and (table < HIGHEST).all()):
            raise BadInput(f"{where} are not pairs of a value and a count, as the schema says:"
                           " measure again")
        return
    if shape == "pairs":
        if not isinstance(value, list) or any(
                not isinstance(pair, list) or len(pair) != 2 or
                not all(isinstance(word, str) for word in pair) for pair in value):
            raise BadInput(f"{where} are not pairs of texts, as the schema says: measure again")
        return
    if shape == STATES:
        if value not in STATES:
            raise BadInput(f"{where} is none of {', '.join(STATES)}: measure again")
        return
    kinds, named = ((dict,), "an object") if isinstance(shape, dict) else \
        ((list,), "an array") if isinstance(shape, list) else \
        (shape, "text" if shape is str else "a number")
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise BadInput(f"{where} is not {named}, as the schema says: measure again")
    if shape == NUMBER and not 0 <= value < HIGHEST:
        raise BadInput(f"{where} is not from 0 to 1e19, as the schema says: measure again")
    for key, inner in shape.items() if isinstance(shape, dict) else ():
        check(f"{where}.{key}", value.get(key), inner)
    for item in value if isinstance(shape, list) else ():
        check(f"{where}[]", item, shape[0])


# Figures of one repetition.

def inside(*path):
    def of(where):
        for key in path:
            where = (where or {}).get(key)
        return where
    return of


def over(part, whole):
    """part a whole; None where one of them was not measured."""
    def of(repetition):
        a, b = part(repetition), whole(repetition)
        return None if a is None or not b else a / b
    return of


def interrupts(repetition):
    """
    Of that CPU's time, what is no thread's: interrupts, softirqs, the way into and out of idle. Of a
    CPU that halts only: what a spinner or a neighbour loses holds the clock's ticks, too, and what
    the host takes, which no frame has caused.
    """
    cost = repetition.get("cost") or {}
    busy, own = cost.get("busy_ns"), cost.get("backend_ns")
    if busy is None or own is None or not cost.get("frames") or cost.get("busy_from") != "idle":
        return None
    return max(busy - (cost.get("others_ns") or 0) - own, 0) / cost["frames"]


def total_cost(repetition):
    """All that a frame costs both CPUs but for the driver's own loop: back-end, interrupts, kick."""
    cost = repetition.get("cost") or {}
    if cost.get("backend_ns") is None or cost.get("kick_ns") is None or not cost.get("frames"):
        return None
    own = (cost["backend_ns"] + cost["kick_ns"]) / cost["frames"]
    return own + (interrupts(repetition) or 0)


def asleep(repetition):
    """The share of the time in which no thread of the back-end ran or wanted to."""
    cost, noise = repetition.get("cost") or {}, repetition.get("noise") or {}
    if cost.get("backend_ns") is None or not cost.get("wall_ns"):
        return None
    awake = cost["backend_ns"] / cost["wall_ns"] + (noise.get("backend_waited_share") or 0)
    return max(1 - awake, 0.0)


FRAMES, COST_FRAMES = inside("frames"), inside("cost", "frames")
SCALARS = {
    "frames_per_s": lambda r: r["frames"] / r["ns"] * 1e9 if r.get("frames") and r.get("ns") else None,
    "bytes_per_s": lambda r: r["bytes"] / r["ns"] * 1e9 if r.get("bytes") and r.get("ns") else None,
    "kicks": over(inside("notifications", "kicks"), FRAMES),
    "forced_kicks": over(inside("notifications", "forced_kicks"), FRAMES),
    "calls": over(inside("notifications", "calls"), FRAMES),
    "syscalls": over(inside("syscalls"), FRAMES),
    "fill": over(inside("ring_fill", "sum"), inside("ring_fill", "n")),
    "cpu.backend": over(inside("cost", "backend_ns"), COST_FRAMES),
    "cpu.interrupts": interrupts,
    "cpu.kick": over(inside("cost", "kick_ns"), COST_FRAMES),
    "cpu.total": total_cost,
    "kick_price": over(inside("cost", "kick_ns"), inside("cost", "kicks")),
    # Of txringd, by its own counters: bench/peers/runner.py reads them.
    "batch": over(inside("counters", "frames"), inside("counters", "runs")),
    "rechecks": over(inside("counters", "rechecks"), inside("counters", "runs")),
    "backend_full": over(inside("counters", "backend_full"), inside("counters", "runs")),
    "asleep": asleep,
    "neighbour_lost": over(inside("company", "lost_ns"), inside("company", "wall_ns")),
    "waited": over(inside("generator", "waited_ns"), inside("generator", "wall_ns")),
}
HISTOGRAMS = {**{stage: inside("stages", stage) for stage in STAGES},
              "late": inside("generator", "late"), "wake_up": inside("noise", "wake_up"),
              "timer": inside("noise", "timer")}


def split(metric):
    """"wire.p99": the histogram and the share; None: a scalar."""
    where, _, share = metric.rpartition(".")
    return (where, SHARES[share]) if where in HISTOGRAMS and share in SHARES else None


class Unit:
    """A repetition in its place: which session, which round; None: of a file that stands alone."""

    def __init__(self, session, number, repetition):
        self.session, self.round, self.repetition = session, number, repetition
        self.hists = {}

    @property
    def key(self):
        return None if self.session is None else (self.session, self.round)

    def hist(self, name):
        if name not in self.hists:
            self.hists[name] = stats.Hist.of(HISTOGRAMS[name](self.repetition))
        return self.hists[name]

    def scalar(self, metric):
        return SCALARS[metric](self.repetition)

    @property
    def far(self):
        """Logarithm of what a cache line takes from CPU to CPU and back, or None."""
        found = [v for v in (self.repetition.get("noise") or {}).get("c2c_ns") or [] if v]
        return math.log(sum(found) / len(found)) if found else None

    @property
    def distance(self):
        return ((self.repetition.get("noise") or {}).get("class")) or "unknown"


class Run:
    """One result file."""

    def __init__(self, path, data, session):
        for key, kind in (("target", dict), ("load", dict), ("host", dict), ("repetitions", list)):
            if not isinstance(data.get(key), kind):
                raise BadInput(f"{path}: '{key}' is missing, so this is no whole {RUN} file:"
                               " measure again")
        size = data["load"].get("size")
        if isinstance(size, (list, dict)):
            raise BadInput(f"{path}: load.size is not text or a number: measure again")
        check(path, data, RUN_SHAPE)
        self.repetitions = [r for r in data["repetitions"] if r]
        found = re.match(r"r(\d+)_", os.path.basename(path.rpartition(": ")[2]))
        self.path, self.data, self.session = path, data, session
        self.round = int(found[1]) if found else None
        self.label = data.get("label") or "no label"
        self.setup = Setup.of(data)
        self.host = tuple(data["host"].get(k) for k in ("kernel", "cpu", "cpus", "hypervisor"))

    def bad(self):
        """Why it does not count, or None."""
        if self.data.get("failed"):
            return f"failed: {self.data['failed']}"
        if not self.data.get("complete", False):
            return f"incomplete: {self.data.get('incomplete') or 'it does not say why'}"
        return None if self.repetitions else "incomplete: no repetition"

    def units(self):
        """Several repetitions of one file are rounds of their own."""
        for i, repetition in enumerate(self.repetitions):
            yield Unit(self.session, i if self.round is None else self.round, repetition)


class Cell:
    """A back-end under one load: all that was measured of it and counts."""

    def __init__(self, label, setup, host):
        self.label, self.setup, self.host = label, setup, host
        self.runs, self.bad, self.units, self.levels = [], [], [], {}

    def add(self, run):
        self.runs.append(run)
        if run.bad():
            self.bad.append(run)
        else:
            self.units += run.units()

    def stages(self):
        return [s for s in STAGES if any(u.hist(s).n for u in self.units)]

    def sessions(self):
        return [u.session for u in self.units]

    def level(self, metric):
        """An Estimate, or None: not measured."""
        if metric not in self.levels:
            quantile = split(metric)
            self.levels[metric] = stats.quantile_level(
                quantile[1], [u.hist(quantile[0]) for u in self.units], self.sessions()) \
                if quantile else stats.level([u.scalar(metric) for u in self.units],
                                             self.sessions(), [u.far for u in self.units])
        return self.levels[metric]

    def histogram(self, name):
        return stats.pooled([u.hist(name) for u in self.units])

    def distances(self):
        """How many rounds with the CPUs near, mid, far from each other."""
        found = {}
        for u in self.units:
            found[u.distance] = found.get(u.distance, 0) + 1
        return found

    def wait(self):
        """The stage by which a back-end is judged: the last one watched; None without any."""
        return next((s for s in ("received", "wire", "used") if s in self.stages()), None)

    def largest(self, stage):
        found = [(HISTOGRAMS[stage](u.repetition) or {}).get("max_ns") for u in self.units]
        return max((v for v in found if v is not None), default=None)

    def total(self, key):
        """Over all that counts; None if nothing was counted."""
        found = [u.repetition.get(key) for u in self.units]
        found = [v for v in found if v is not None]
        return sum(found) if found else None


def pairs(a, b):
    """(unit of a, unit of b) of the same round of the same session."""
    ours, theirs = ({u.key: u for u in side.units if u.key} for side in (a, b))
    return [(ours[key], theirs[key]) for key in ours if key in theirs]


def _compare(a, b, metric, of_quantile, of_scalar):
    both = pairs(a, b)
    sessions = [u.session for u, _ in both]
    quantile = split(metric)
    if quantile:
        name, share = quantile
        return of_quantile(share, [(u.hist(name), v.hist(name)) for u, v in both], sessions)
    farther = [None if None in (u.far, v.far) else u.far - v.far for u, v in both]
    return of_scalar([(u.scalar(metric), v.scalar(metric)) for u, v in both], sessions, farther)


def compared(a, b, metric):
    """The ratio a / b, by rounds: an Estimate, or None where no round has both."""
    return _compare(a, b, metric, stats.quantile_ratio, stats.ratio)


def added(a, b, metric):
    """a - b."""
    return _compare(a, b, metric, stats.quantile_difference, stats.difference)


def unpaired(a, b, metric):
    """The ratio a / b of two that were not measured in turn: the machine's drift is in it."""
    quantile = split(metric)
    if quantile:
        name, share = quantile
        return stats.quantile_unpaired(share, *[([u.hist(name) for u in c.units], c.sessions())
                                                for c in (a, b)])
    return stats.unpaired(*[([u.scalar(metric) for u in c.units], c.sessions()) for c in (a, b)])


def told(a, b, metric):
    """compared() where a round has both, else unpaired(): (Estimate or None, paired)."""
    paired = bool(pairs(a, b))
    return (compared if paired else unpaired)(a, b, metric), paired


def break_even(both):
    """
    both: (rate, a, b) by rising rate. (The rate above which a costs less than b, an Estimate, and
    stats.FALLS); or (None, why there is none).
    """
    units = {}
    for column, (_, a, b) in enumerate(both):
        for u, v in pairs(a, b):
            costs = u.scalar("cpu.total"), v.scalar("cpu.total")
            if all(costs):
                units.setdefault(u.key, [None] * len(both))[column] = costs[0] / costs[1]
    found, how = stats.break_even([rate for rate, _, _ in both], list(units.values()),
                                  [key[0] for key in units])
    return (None, how) if how == stats.RISES else (found, how)


# Thresholds: "p99>300us", "used.p50 >= 20 us", "cpu>12us", "lost>0", "frames/s<9000".

NAMED = {"cpu": "cpu.total", "frames/s": "frames_per_s", "bytes/s": "bytes_per_s",
         "p99.9": "p999", "p99.99": "p9999"}
SIGNS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


class Threshold(NamedTuple):
    text: str
    metric: str  # of Cell.level, or of COUNTS, or a share without its stage
    sign: str
    limit: float

    def metric_of(self, cell):
        return f"{cell.wait()}.{self.metric}" if self.metric in SHARES else self.metric

    def value(self, cell, baseline=None):
        """Of this cell, or of its ratio to the baseline; None: not measured."""
        metric = self.metric_of(cell)
        if metric in COUNTS:
            return cell.total(metric)
        found = compared(cell, baseline, metric) if baseline else cell.level(metric)
        return found and found.value

    def holds(self, value):
        return SIGNS[self.sign](value, self.limit)

    def broken_by(self, cell):
        """What is wrong with this cell, or None. Not measured is wrong too: nobody looks then."""
        value, metric = self.value(cell), self.metric_of(cell)
        where = f"{cell.label}, {cell.setup.text()}"
        if value is None:
            return f"'{self.text}' cannot be told: {metric} was not measured ({where})"
        if not self.holds(value):
            return None
        form = f"{value / 1e3:,.3f} us" if self.is_time() else f"{value:,.4g}"
        return f"'{self.text}' holds: {metric} is {form} ({where})"

    def is_time(self):
        return self.metric in SHARES or split(self.metric) is not None or \
            self.metric.startswith(("cpu.", "kick_price"))


def threshold(text):
    """Of a value of --fail-if; BadInput says what is wrong with it."""
    found = re.fullmatch(r"\s*([\w./]+)\s*(>=|<=|>|<)\s*([\d.]+(?:e\d+)?)\s*([µmun]?s|)\s*", text)
    name = found and NAMED.get(found[1], found[1])
    if found and "." in name and name not in SCALARS:
        stage, _, share = name.partition(".")
        name = f"{stage}.{NAMED.get(share, share)}"
    known = found and (name in SHARES or name in COUNTS or name in SCALARS or split(name))
    try:
        limit = float(found[3]) * UNITS[found[4]] if known else None
    except ValueError:
        known = None
    if not known or math.isinf(limit):
        raise BadInput(f"'{text}' must be NAME>VALUE (or <, >=, <=) with NAME one of"
                       f" {', '.join(list(SHARES)[:3])}, p99.9, p99.99 (or STAGE.p99), cpu, frames/s,"
                       f" {', '.join(COUNTS)} or {', '.join(n for n in SCALARS if '_per_' not in n)},"
                       " such as p99>300us")
    made = Threshold(text, name, found[2], limit)
    if found[4] and not made.is_time():
        raise BadInput(f"'{text}': {found[1]} is no time, so its limit has no unit {found[4]}")
    return made


# Files.

def not_a_number(word):
    raise ValueError(f"{word} is no number")


def load_file(path):
    try:
        with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as file:
            return json.load(file, parse_constant=not_a_number)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError, EOFError, lzma.LZMAError) as error:
        what = str(error).splitlines()[0]
        raise BadInput(f"{path}: not JSON ({what}): give result files of txbench run") from None


def schema_of(path, data):
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema not in (RUN, COMPARE):
        old = " (another txbench's: measure again)" if str(schema).startswith("txbench-") else ""
        raise BadInput(f"{path}: the schema is {json.dumps(schema)}, not {RUN} or {COMPARE}{old}")
    if schema == COMPARE:
        check(path, data, COMPARE_SHAPE)
    return schema


def of_session(data, compare, name):
    """What compare.json says of that run: bench/peers/runner.py wrote it down."""
    counters = compare.get("counters")
    counters = counters.get(name) if isinstance(counters, dict) else None
    if counters and data.get("repetitions") and data["repetitions"][0]:
        data["repetitions"][0]["counters"] = counters
    if compare.get("trial") and str(data.get("failed") or "").startswith(BUSY):
        data["forgiven"], data["failed"] = data["failed"], None
    return data


class Results:
    """Everything that was given: runs, and what bench/compare wrote beside them."""

    def __init__(self, paths):
        self.runs, self.compares, self.seen = [], [], set()
        for path in paths:
            found = self.files(path) if os.path.isdir(path) else [path]
            if not found:
                raise NoResult(f"{path}: no result file (*.json) in this directory")
            for file in sorted(found, key=lambda f: os.path.basename(f) != "compare.json"):
                self.read(file)
        if not self.runs:
            raise NoResult("nothing to report: give result files or directories of them")

    @staticmethod
    def files(directory):
        return sorted(os.path.join(where, name) for where, _, names in os.walk(directory)
                      for name in names if name.endswith((".json", ".json.xz")))

    def read(self, path, compare=None, name=None):
        real = os.path.realpath(path)
        if real in self.seen:
            return
        self.seen.add(real)
        data = load_file(path)
        if isinstance(data, dict) and data.get("packed"):  # a whole session in one file
            if not isinstance(data.get("runs"), dict):
                raise BadInput(f"{path}: 'runs' is missing, so this is no packed session")
            self.take(path, data["packed"], data["runs"])
        elif schema_of(path, data) == RUN:
            self.runs.append(Run(path, of_session(data, compare, name), compare.get("session")) if
                             compare else Run(path, data, None))
        else:
            data["session"] = data.get("session") or path
            self.compares.append(data)
            for name in data.get("files") or []:
                self.read(os.path.join(os.path.dirname(path), name), data, name)

    def take(self, path, compare, runs):
        if schema_of(path, compare) != COMPARE:
            raise BadInput(f"{path}: 'packed' is no {COMPARE}")
        self.compares.append(compare)
        for name, data in runs.items():
            if schema_of(f"{path}: {name}", data) != RUN:
                raise BadInput(f"{path}: {name} is no {RUN}")
            self.runs.append(Run(f"{path}: {name}", of_session(data, compare, name),
                                 compare.get("session") or path))

    def cells(self, more=lambda run: None, by_host=True):
        """more: what else keeps runs apart."""
        cells = {}
        for run in self.runs:
            key = (by_host and run.host, run.label, run.setup, more(run))
            cells.setdefault(key, Cell(run.label, run.setup, run.host)).add(run)
        return list(cells.values())


# What the commands of txbench begin and end with.

class Arguments(argparse.ArgumentParser):
    """Errors are BadInput."""

    def error(self, message):
        raise BadInput(message)


def run_command(name, main):
    """main(arguments) gives the exit status; BadInput is one line on stderr, status 1."""
    try:
        sys.exit(main(sys.argv[1:]))
    except BadInput as error:
        print(f"txbench: {name}: {error}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:  # its reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)


def write_file(path, text):
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
