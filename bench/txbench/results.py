# SPDX-License-Identifier: MIT
"""Result files of txbench, as Python sees them: reading, pooling of repetitions, 95 % intervals.

For report.py and bench/sweep. docs/txbench.md has the schema. It draws nothing and prints nothing.
"""
import json
import math
import os
import re

RUN, SWEEP, COMPARE = "txbench-1", "txbench-sweep-1", "txbench-compare-1"
STAGES = ("published", "wire", "used", "call", "received")
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}

# Student's t, 97.5 %, by degrees of freedom, as in interval.c; the normal distribution's.
T975 = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157,
        2.228139, 2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922,
        2.093024, 2.085963, 2.079614, 2.073873, 2.068658, 2.063899, 2.059539, 2.055529, 2.051831,
        2.048407, 2.045230, 2.042272)
Z975 = 1.959964


class BadInput(Exception):
    """What is wrong with a file, in one line."""


class NoResult(BadInput):
    """There is none, and nothing else is wrong."""


class Interval:
    """A mean and the 95 % interval of it; low and high are None with a single value."""

    def __init__(self, mean, low, high, n):
        self.mean, self.low, self.high, self.n = mean, low, high, n

    def as_dict(self):
        return {"mean": self.mean, "low": self.low, "high": self.high, "n": self.n}


def t975(freedom):
    freedom = max(int(freedom + 1e-9), 1)  # Welch's is a fraction, or one but for the last bit
    index = freedom - 1
    if index < len(T975):
        return T975[index]
    # The beginning of Cornish and Fisher's expansion: off by less than 1e-4 from here on.
    z, n = Z975, freedom
    return z + (z ** 3 + z) / (4 * n) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * n ** 2)


def moments(values):
    """Mean, and the variance of that mean."""
    n = len(values)
    mean = sum(values) / n
    return mean, sum((v - mean) ** 2 for v in values) / (n - 1) / n if n > 1 else 0.0


def interval(values):
    """None if there is no value."""
    values = [v for v in values if v is not None]
    if not values:
        return None
    mean, variance = moments(values)
    if len(values) < 2:
        return Interval(mean, None, None, 1)
    half = t975(len(values) - 1) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, len(values))


def welch(a, b, scale_a, scale_b):
    """Half the interval of a sum of two scaled means, after Welch."""
    parts = [(moments(v)[1] * scale ** 2, len(v) - 1) for v, scale in ((a, scale_a), (b, scale_b))]
    total = sum(part for part, _ in parts)
    if total == 0:
        return 0.0
    return t975(total ** 2 / sum(part ** 2 / n for part, n in parts)) * math.sqrt(total)


def difference(a, b):
    """Of the means of two sets of values."""
    if not a or not b:
        return None
    mean = moments(a)[0] - moments(b)[0]
    if len(a) < 2 or len(b) < 2:
        return Interval(mean, None, None, 1)
    half = welch(a, b, 1, 1)
    return Interval(mean, mean - half, mean + half, min(len(a), len(b)))


def ratio(a, b):
    """Of the means; its logarithm has a symmetric interval. None where one of them is not > 0."""
    if not a or not b:
        return None
    mean_a, mean_b = moments(a)[0], moments(b)[0]
    if mean_a <= 0 or mean_b <= 0:
        return None
    if len(a) < 2 or len(b) < 2:
        return Interval(mean_a / mean_b, None, None, 1)
    factor = math.exp(min(welch(a, b, 1 / mean_a, 1 / mean_b), 50.0))
    return Interval(mean_a / mean_b, mean_a / mean_b / factor, mean_a / mean_b * factor,
                    min(len(a), len(b)))


def paired(pairs):
    """Of the ratio of two values that were measured side by side, over several such pairs."""
    found = interval([math.log(a / b) for a, b in pairs if a > 0 and b > 0])
    if found is None or found.low is None:
        return found and Interval(math.exp(found.mean), None, None, 1)
    return Interval(*(math.exp(min(v, 50.0)) for v in (found.mean, found.low, found.high)), found.n)


def differ(a, b):
    """Whether two intervals lie apart; None if one of them is not known."""
    if a is None or b is None or a.low is None or b.low is None:
        return None
    return a.high < b.low or b.high < a.low


class Histogram:
    """Counts by value, from the buckets of repetitions."""

    def __init__(self):
        self.counts, self.n, self.max = {}, 0, 0

    def add(self, stage):
        for value, count in stage.get("buckets") or []:
            self.counts[value] = self.counts.get(value, 0) + count
            self.n += count
        self.max = max(self.max, stage.get("max_ns") or 0)

    def curve(self):
        """(value, share of all that are at or below it), ascending."""
        seen, out = 0, []
        for value in sorted(self.counts):
            seen += self.counts[value]
            out.append((min(value, self.max) if self.max else value, seen / self.n))
        return out

    def at(self, share):
        """None if there are not enough values to tell."""
        if self.n * (1 - share) < 1 - 1e-9:
            return None
        return next(value for value, seen in self.curve() if seen >= share)


class Setup(tuple):
    """What must be the same for two runs to be compared: the load and the ring."""

    FIELDS = ("direction", "kind", "rate", "on_ns", "off_ns", "inflight", "trace", "size", "batch",
              "calls", "ring_size", "layout")

    @classmethod
    def of(cls, run):
        both = dict(run["load"])
        both.update({k: run["target"].get(k) for k in ("ring_size", "layout")})
        both["size"] = None if both.get("size") is None else str(both["size"])
        return cls(both.get(field) for field in cls.FIELDS)

    def __getattr__(self, field):
        if field not in self.FIELDS:
            raise AttributeError(field)
        return self[self.FIELDS.index(field)]

    def series(self):
        """The same at any rate."""
        return Setup(None if field == "rate" else value
                     for field, value in zip(self.FIELDS, self))

    def open_loop(self):
        return self.kind not in ("inflight", "flood")


# Of what the schema says, what is counted on; anything may be null.
NUMBER = (int, float)
COUNTS = [NUMBER]
STAGE = {"n": NUMBER, "buckets": [COUNTS], **{f"{s}_ns": NUMBER for s in (*SHARES, "max")}}
LATE = {f"{s}_ns": NUMBER for s in ("p50", "p99", "p999")}
REPETITION = {
    **{key: NUMBER for key in ("ns", "frames", "frames_per_s", "bytes_per_s", "lost", "duplicated",
                               "reordered", "syscalls")},
    "generator": {"late_p99_ns": NUMBER}, "stages": {stage: STAGE for stage in STAGES},
    "notifications": {key: NUMBER for key in ("kicks", "forced_kicks", "calls")},
    "cpu_ns": {key: NUMBER for key in ("driver", "backend", "backend_user", "backend_kernel",
                                       "softirq")},
    "noise": {"c2c_ns": COUNTS, "class": str, "wake_up": LATE, "timer": LATE,
              "steal_share": NUMBER, "backend_waited_share": NUMBER},
    "timeline": {"bin_ns": NUMBER, "frames": COUNTS, "p50_ns": COUNTS, "max_ns": COUNTS}}
LOAD = {key: NUMBER for key in ("rate", "on_ns", "off_ns", "inflight")}


def check(where, value, shape):
    """Raise BadInput where value, if it is not null, is not of this shape."""
    if isinstance(shape, dict):
        kinds, named = (dict,), "an object"
    elif isinstance(shape, list):
        kinds, named = (list,), "an array"
    else:
        kinds, named = shape, "text" if shape is str else "a number"
    if value is None:
        return
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise BadInput(f"{where} is not {named}, as the schema says: measure again")
    if isinstance(shape, dict):
        for key, inner in shape.items():
            check(f"{where}.{key}", value.get(key), inner)
    elif isinstance(shape, list):
        for item in value:
            check(f"{where}[]", item, shape[0])


def round_of(path):
    """Runs of one round lie seconds apart; bench/compare and bench/sweep put it into the name."""
    found = re.search(r"^r(\d+)_|-(\d+)\.json$", os.path.basename(path))
    return found and int(found[1] or found[2])


class Run:
    """One result file."""

    def __init__(self, path, data):
        for key, kind in (("target", dict), ("load", dict), ("host", dict), ("repetitions", list)):
            if not isinstance(data.get(key), kind):
                raise BadInput(f"{path}: '{key}' is missing, so this is no whole {RUN} file:"
                               " measure again")
        check(f"{path}: load", data["load"], LOAD)
        for repetition in data["repetitions"]:
            check(f"{path}: repetition", repetition, REPETITION)
        self.path, self.data, self.round = path, data, round_of(path)
        self.label = str(data.get("label") or "no label")
        self.setup = Setup.of(data)
        self.repetitions = [r for r in data["repetitions"] if isinstance(r, dict)]
        host = data["host"]
        self.host = tuple(host.get(k) for k in ("kernel", "cpu", "cpus", "hypervisor"))
        self.command = [str(word) for word in data.get("command") or []]
        target = data["target"].get("command") or []
        self.target_command = [target] if isinstance(target, str) else [str(w) for w in target]

    def bad(self):
        """Why it does not count, or None."""
        if self.data.get("failed"):
            return f"failed: {self.data['failed']}"
        if not self.data.get("complete", False):
            return f"incomplete: {self.data.get('incomplete') or 'it does not say why'}"
        return None if self.repetitions else "incomplete: no repetition"


def noise_class(repetition):
    return (repetition.get("noise") or {}).get("class") or "unknown"


def per_frame(path):
    def value(repetition):
        where = repetition
        for key in path:
            where = (where or {}).get(key)
        frames = repetition.get("frames")
        return where / frames if where is not None and frames else None
    return value


METRICS = {
    "frames_per_s": lambda r: r.get("frames_per_s"),
    "bytes_per_s": lambda r: r.get("bytes_per_s"),
    "late_p99_ns": lambda r: (r.get("generator") or {}).get("late_p99_ns"),
    "kicks": per_frame(("notifications", "kicks")),
    "forced_kicks": per_frame(("notifications", "forced_kicks")),
    "calls": per_frame(("notifications", "calls")),
    "syscalls": per_frame(("syscalls",)),
    **{f"cpu.{who}": per_frame(("cpu_ns", who))
       for who in ("driver", "backend", "backend_user", "backend_kernel", "softirq")},
}


class Cell:
    """Repetitions of one target under one load, on one host, with the CPUs equally far apart."""

    def __init__(self, run, distance, bad=None):
        self.label, self.setup, self.host = run.label, run.setup, run.host
        self.distance, self.bad = distance, bad
        self.runs, self.repetitions, self.rounds = [run], [], []
        self.compared = bad is None

    def stages(self):
        return [s for s in STAGES if any((r.get("stages") or {}).get(s) for r in self.repetitions)]

    def stage(self, name):
        """That stage of each repetition which has it."""
        found = ((r.get("stages") or {}).get(name) for r in self.repetitions)
        return [s for s in found if s and s.get("n")]

    @staticmethod
    def value(repetition, metric):
        """metric: of METRICS, or "stage.p50_ns"."""
        if metric in METRICS:
            return METRICS[metric](repetition)
        stage, key = metric.split(".")
        found = (repetition.get("stages") or {}).get(stage)
        return found.get(key) if found and found.get("n") else None

    def values(self, metric):
        """One for each repetition that measured it."""
        found = [self.value(r, metric) for r in self.repetitions]
        return [v for v in found if v is not None]

    def pairs(self, other, metric):
        """Its values beside the other's of the same rounds."""
        theirs = dict(zip(other.rounds, other.repetitions))
        found = ((self.value(r, metric), self.value(theirs[n], metric))
                 for n, r in zip(self.rounds, self.repetitions) if n is not None and n in theirs)
        return [(a, b) for a, b in found if a is not None and b is not None]

    def interval(self, metric):
        return interval(self.values(metric))

    def histogram(self, stage):
        pooled = Histogram()
        for s in self.stage(stage):
            pooled.add(s)
        return pooled

    def total(self, key):
        """Over all repetitions; None if none of them counted."""
        found = [r.get(key) for r in self.repetitions if r.get(key) is not None]
        return sum(found) if found else None


def load_file(path):
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        what = str(error).splitlines()[0]
        raise BadInput(f"{path}: not JSON ({what}): give result files of txbench run") from None
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema not in (RUN, SWEEP, COMPARE):
        raise BadInput(f"{path}: the schema is {json.dumps(schema)}, not {RUN}, {SWEEP}"
                       f" or {COMPARE}")
    return data


class Results:
    """Everything that was given: runs, and what bench/sweep and bench/compare wrote beside them."""

    def __init__(self, paths):
        self.runs, self.sweeps, self.compares = [], [], []
        self.swept = set()  # real paths of runs that belong to a sweep
        self.seen = set()
        for path in paths:
            found = self.files(path) if os.path.isdir(path) else [path]
            if not found:
                raise NoResult(f"{path}: no result file (*.json) in this directory")
            for file in found:
                self.read(file)
        if not self.runs and not self.sweeps:
            raise NoResult("nothing to report: give result files or directories of them")

    @staticmethod
    def files(directory):
        return sorted(os.path.join(where, name) for where, _, names in os.walk(directory)
                      for name in names if name.endswith(".json"))

    def read(self, path):
        real = os.path.realpath(path)
        if real in self.seen:
            return
        self.seen.add(real)
        data = load_file(path)
        if data["schema"] == RUN:
            self.runs.append(Run(path, data))
            return
        (self.sweeps if data["schema"] == SWEEP else self.compares).append(data)
        for name in data.get("files") or []:
            file = os.path.join(os.path.dirname(path), str(name))
            if data["schema"] == SWEEP:
                self.swept.add(os.path.realpath(file))
            self.read(file)

    def is_swept(self, run):
        return os.path.realpath(run.path) in self.swept

    @staticmethod
    def cells(runs):
        """Pooled; cells that may be compared with each other have .compared set."""
        cells = {}
        for run in runs:
            bad = run.bad()
            if bad:
                distances = sorted({noise_class(r) for r in run.repetitions})
                cell = Cell(run, ", ".join(distances) or "unknown", bad)
                cell.repetitions = run.repetitions
                cell.rounds = [run.round] * len(run.repetitions)
                cells[id(run)] = cell
                continue
            for r in run.repetitions:
                key = (run.host, run.label, run.setup, noise_class(r))
                cell = cells.setdefault(key, Cell(run, noise_class(r)))
                cell.repetitions.append(r)
                cell.rounds.append(run.round)
                if run not in cell.runs:
                    cell.runs.append(run)
        for host in {cell.host for cell in cells.values()}:
            mark_distances([c for c in cells.values() if c.host == host and not c.bad])
        return list(cells.values())


def mark_distances(cells):
    """Only the distance of the CPUs that most repetitions have is compared; "mixed" is none."""
    count = {}
    for cell in (c for c in cells if c.distance != "mixed"):
        count[cell.distance] = count.get(cell.distance, 0) + len(cell.repetitions)
    most = max(count, key=lambda d: (count[d], d), default=None)
    for cell in cells:
        cell.compared = cell.distance == most
