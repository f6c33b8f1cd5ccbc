# SPDX-License-Identifier: MIT
"""The statistics of everything in bench/: one estimator for each question, each with its interval.

A measurement is made of *rounds*: in each, every back-end had its turn under every load, seconds
apart. Rounds belong to *sessions*, hours apart. What the machine did in a round, all back-ends of
that round had, so two of them are compared round by round. The *unit* is the round or, of several
sessions, the session: no number of rounds averages away what differs from one session to the next.
n is the number of rounds, or of pairs of them.

    level(values, sessions)                       geometric mean of a figure, e.g. CPU a frame
    ratio(pairs, sessions)                        of paired figures
    difference(pairs, sessions)
    quantile_level(share, hists, sessions)        of the pooled frames
    quantile_ratio(share, pairs, sessions)        of two such quantiles
    quantile_difference(share, pairs, sessions)
    unpaired(a, b), quantile_unpaired(share, a, b)   ratios of what was not measured in turn
    break_even(rates, ratios, sessions)           the rate at which a ratio is 1
    verdicts(estimates, margin)                   of a table's comparisons together

Figures: Student's t over units, of logarithms where a ratio is asked for. A covariate (how far
the CPUs were from each other in each run, as a logarithm) is regressed out where it varies.

Quantiles: the estimand is the quantile of the pooled frames, in which each session has the same
weight, and in it each round. Where a stall holds up neighbouring frames, the error of a quantile
cannot be estimated from few rounds. So values are tested; those not rejected are the interval:
- A value is the quantile if the mean share of a unit's frames below it is the share asked for.
  In the tail these shares are skewed: most rounds have nothing there, and one has all of it. So a
  value is rejected only if two tests do: t of the log odds, and t without its skewness.
- A value is the ratio of two quantiles if, in the mean of the pairs, the shares below the one
  quantile and below the other differ by 0. Drift and skewness cancel in these differences. A value
  is rejected too where the intervals of the two quantiles say so.
A covariate is not regressed out of quantiles, which are no sum of parts: the distance of the
CPUs widens their interval, and the report says how often it differed.

How often the intervals hold the truth (tests/report/stats_test.py): figures 95 %; p50 95 to 97 %;
the level of p99 93 to 97 % from ten rounds on, but 90 to 96 % of six: what happens in every third
round, six rounds may not have seen; ratios and differences of p99 95 to 98 % without stalls, and up
to 100 % where about one frame in a hundred meets a stall, so that p99 is now before the stalls and
now within.
"""
import math
from typing import NamedTuple, Optional

import numpy as np
from scipy import special

CONFIDENCE = 0.95
LEAST_PAIRS = 3  # with fewer nothing is told
MARGIN = 0.05    # two figures nearer than that are the same for a choice between them
VARIES = 0.1     # a covariate (a logarithm) that differs by less from run to run explains nothing


class Estimate(NamedTuple):
    """A figure with its interval: low and high are None where one cannot be had."""
    value: float
    low: Optional[float]
    high: Optional[float]
    n: int                    # rounds, or pairs of them
    sessions: int
    p: Optional[float] = None  # of no effect (a ratio of 1, a difference of 0)
    none: Optional[float] = None  # what no effect would be, or None: a level


class Hist:
    """Counts by value: middles of txbench's buckets, in ns."""

    def __init__(self, values=(), counts=()):
        self.values = np.asarray(values, dtype=float)
        self.counts = np.asarray(counts, dtype=float)

    @classmethod
    def of(cls, raw):
        """Of a histogram in a result file; None gives an empty one."""
        buckets = (raw or {}).get("buckets") or []
        return cls(*zip(*buckets)) if buckets else cls()

    @property
    def n(self):
        return int(self.counts.sum())

    def quantile(self, share):
        """None where fewer than one value lies above it."""
        if self.n * (1 - share) < 1 - 1e-9:
            return None
        return self.quantile_at(share)

    def quantile_at(self, share):
        """However many values there are."""
        at = np.searchsorted(np.cumsum(self.counts), share * self.counts.sum() * (1 - 1e-12))
        return float(self.values[min(at, len(self.values) - 1)])

    def mean_and_deviation(self):
        mean = np.average(self.values, weights=self.counts)
        return mean, math.sqrt(np.average((self.values - mean) ** 2, weights=self.counts))


def pooled(hists, weights=None):
    """All of them as one; each has the weight that it is given, else that of its frames."""
    hists = [h for h in hists if len(h.values)]
    if not hists:
        return Hist()
    weights = [h.counts.sum() for h in hists] if weights is None else weights
    values, at = np.unique(np.concatenate([h.values for h in hists]), return_inverse=True)
    counts = np.concatenate([h.counts * (w / h.counts.sum()) for h, w in zip(hists, weights)])
    return Hist(values, np.bincount(at, counts))


def median(values):
    """None of none."""
    return float(np.median(values)) if len(values) else None


def by_session(rows, sessions):
    """The mean of each session's rows, or the rows themselves if there is one session."""
    rows = np.asarray(rows, dtype=float)
    names = list(dict.fromkeys(sessions))
    if len(names) < 2:
        return rows
    at = np.array([names.index(s) for s in sessions])
    return np.array([rows[at == i].mean(axis=0) for i in range(len(names))])


def measured(items, sessions, good=lambda item: item is not None):
    found = [(item, s) for item, s in zip(items, sessions) if good(item)]
    return [item for item, _ in found], [s for _, s in found]


def critical(freedom):
    return float(special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


def p_of(t, freedom):
    return float(2 * special.stdtr(freedom, -abs(t)))


# Of numbers.

def student(values, sessions, none=None, covariate=None):
    """
    Mean, with Student's interval over units. With a covariate, which is 0 where a pair is alike:
    the mean that it would be at 0 or, of a level, at the covariate's own mean.
    """
    units, n_sessions = by_session(values, sessions), len(set(sessions))
    mean, freedom, beside = float(units.mean()), len(units) - 1, 0.0
    x = usable(covariate, len(values))
    if x is not None:
        x = x - x.mean() if none is None else x
        slope, about = np.polyfit(x, values, 1), x - x.mean()
        rest = np.asarray(values) - np.polyval(slope, x)
        freedom -= n_sessions < 2
        beside = (rest @ rest) / (len(values) - 2) / (about @ about) * x.mean() ** 2
        units = by_session(values - slope[0] * x, sessions)
        mean = float(units.mean())
    if freedom < 1:
        return Estimate(mean, None, None, len(values), n_sessions, None, none)
    spread = ((units - mean) ** 2).sum() / freedom
    error, p = math.sqrt(spread / len(units) + beside), None
    half = critical(freedom) * error
    if none is not None:
        p = p_of((mean - none) / error, freedom) if error else float(mean == none)
    return Estimate(mean, mean - half, mean + half, len(values), n_sessions, p, none)


def usable(covariate, n):
    """As an array, if it is known of every run, varies, and leaves three degrees of freedom."""
    if covariate is None or n < 5 or any(x is None for x in covariate):
        return None
    covariate = np.asarray(covariate, dtype=float)
    return covariate if covariate.std() >= VARIES else None


def exp_of(e):
    """An estimate of logarithms as one of what they are the logarithms of."""
    low, high = (v if v is None else math.exp(min(v, 50)) for v in (e.low, e.high))
    return e._replace(value=math.exp(e.value), low=low, high=high,
                      none=None if e.none is None else math.exp(e.none))


def of_pairs(values, sessions, covariate, none):
    """values with their covariates; those that were not measured left out. None: nothing was."""
    both = list(zip(values, [0.0] * len(values) if covariate is None else covariate))
    both, sessions = measured(both, sessions, lambda v: v[0] is not None)
    if not both:
        return None
    values, covariate = zip(*both)
    return student(values, sessions, none, covariate)


def level(values, sessions, covariate=None):
    """Geometric mean; None if nothing was measured. A figure of 0 makes it the arithmetic one."""
    logs = all(v is None or v > 0 for v in values)
    found = of_pairs([math.log(v) if v is not None and logs else v for v in values], sessions,
                     covariate, None)
    return exp_of(found) if found and logs else found


def ratio(pairs, sessions, covariate=None):
    """Of (a, b) of one round each: a / b. None if none was measured, or one of them is 0."""
    pairs = list(pairs)
    if any(v is not None and v <= 0 for pair in pairs for v in pair):
        return None
    found = of_pairs([None if None in pair else math.log(pair[0] / pair[1]) for pair in pairs],
                     sessions, covariate, 0.0)
    return found and exp_of(found)


def difference(pairs, sessions, covariate=None):
    """Of (a, b) of one round each: a - b."""
    return of_pairs([None if None in pair else pair[0] - pair[1] for pair in pairs], sessions,
                    covariate, 0.0)


def welch(spreads, units):
    """Degrees of freedom of the difference of two means, from the squared errors of both."""
    return sum(spreads) ** 2 / sum(v ** 2 / (n - 1) for v, n in zip(spreads, units))


def unpaired(a, b):
    """Ratio of two sets, each (values, sessions), that were not measured in turn: Welch."""
    sides = [measured(*side) for side in (a, b)]
    if not all(values and min(values) > 0 for values, _ in sides):
        return None
    logs = [by_session(np.log(values), sessions) for values, sessions in sides]
    n = min(len(values) for values, _ in sides), min(len(set(s)) for _, s in sides)
    value, units = float(logs[0].mean() - logs[1].mean()), [len(side) for side in logs]
    if min(units) < 2:
        return exp_of(Estimate(value, None, None, *n, None, 0.0))
    spreads = [side.var(ddof=1) / len(side) for side in logs]
    error = math.sqrt(sum(spreads))
    if not error:
        return exp_of(Estimate(value, value, value, *n, float(value == 0), 0.0))
    freedom = welch(spreads, units)
    half = critical(freedom) * error
    p = p_of(value / error, freedom)
    return exp_of(Estimate(value, value - half, value + half, *n, p, 0.0))


# Of quantiles.

class Shares:
    """
    What share of each unit's frames lies below a value; within a bucket they lie evenly. A bucket
    is as wide as datapath/histogram.h makes it.
    """

    def __init__(self, hists, sessions):
        values, at = np.unique(np.concatenate([h.values for h in hists]), return_inverse=True)
        rows = np.repeat(np.arange(len(hists)), [len(h.values) for h in hists])
        counts = np.concatenate([h.counts / h.counts.sum() for h in hists])
        table = np.bincount(rows * len(values) + at, counts, len(hists) * len(values))
        below = np.cumsum(by_session(table.reshape(len(hists), -1), sessions), axis=1)
        half = 2.0 ** (np.floor(np.log2(np.maximum(values, 64))) - 6) / 2
        middles = (values[1:] + values[:-1]) / 2
        self.edges = np.empty(2 * len(values))
        self.edges[0::2], self.edges[1::2] = values - half, values + half
        self.edges[2::2] = np.maximum(self.edges[2::2], middles)
        self.edges[1:-1:2] = np.minimum(self.edges[1:-1:2], middles)
        self.below = np.zeros((len(below), 2 * len(values)))
        self.below[:, 1::2], self.below[:, 2::2] = below, below[:, :-1]
        self.mean = self.below.mean(axis=0)

    def at(self, values):
        """A row for each unit."""
        i = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, len(self.edges) - 2)
        width = self.edges[i + 1] - self.edges[i]
        part = np.clip((values - self.edges[i]) / np.where(width > 0, width, 1), 0, 1)
        return self.below[:, i] * (1 - part) + self.below[:, i + 1] * part

    def quantile(self, share):
        i = int(np.clip(np.searchsorted(self.mean, share - 1e-12), 1, len(self.edges) - 1))
        step = self.mean[i] - self.mean[i - 1]
        part = (share - self.mean[i - 1]) / step if step > 0 else 0.5
        return float(self.edges[i - 1] + min(max(part, 0), 1) * (self.edges[i] - self.edges[i - 1]))

    def interval(self, share):
        """Of the quantile; None where it has no end."""
        above, last = 1 - self.below, len(self.edges) - 1
        if len(above) < 2 or accepted(above[:, -1:], share):
            return None, None
        found = np.flatnonzero(accepted(above, share))
        found = np.append(found, np.searchsorted(self.edges[:-1], self.quantile(share)))
        return map(float, self.edges[[max(min(found) - 1, 0), min(max(found) + 1, last)]])


def enough(share, hists):
    """One frame or more is expected above the quantile, else there is none."""
    return sum(h.n for h in hists) * (1 - share) >= 1 - 1e-9


def t_of(rows, none=0.0):
    """Student's t of each column's mean."""
    return t_from(rows.mean(axis=0) - none, rows.std(axis=0, ddof=1) / math.sqrt(len(rows)))


def t_from(over, error):
    """Without any error it is infinite, or 0 where there is no difference."""
    return np.where(error > 1e-12, over / np.maximum(error, 1e-12),
                    np.where(np.abs(over) > 1e-9, np.copysign(np.inf, over), 0.0))


def t_of_odds(above, none):
    """The same of log odds (delta method)."""
    mean = np.clip(above.mean(axis=0), 1e-9, 1 - 1e-9)
    odds = np.log(mean / (1 - mean)) - math.log(none / (1 - none))
    error = above.std(axis=0, ddof=1) / math.sqrt(len(above)) / (mean * (1 - mean))
    return np.where(error > 1e-12, odds / np.maximum(error, 1e-12), np.copysign(np.inf, odds))


def skewness(rows):
    n, about = len(rows), rows - rows.mean(axis=0)
    spread = (about ** 2).mean(axis=0)
    skew = (about ** 3).mean(axis=0) / np.maximum(spread, 1e-24) ** 1.5
    return skew * math.sqrt(n * (n - 1)) / max(n - 2, 1)


def t_of_skewed(above, none):
    """Student's t without its skewness (P. Hall, Removal of skewness by transformation, 1992)."""
    n, g = len(above), skewness(above)
    t = np.clip(t_of(above, none), -1e6, 1e6)
    x = t / math.sqrt(n)
    return math.sqrt(n) * (x + g * x ** 2 / 3 + g ** 2 * x ** 3 / 27 + g / (6 * n))


def accepted(above, share):
    """
    Which values may be the quantile: a row for each unit, its shares above them. Where one unit has
    most of the tail, there may be another such among those that were not measured: it is
    counted twice if that raises the upper end.
    """
    t = critical(len(above) - 1)
    odds, skewed = t_of_odds(above, 1 - share), t_of_skewed(above, 1 - share)
    again = t_of_odds(np.vstack([above, above.max(axis=0)]), 1 - share)
    highest = np.maximum(np.maximum(odds, skewed), np.where(skewness(above) > 1, again, -np.inf))
    return (np.minimum(odds, skewed) <= t) & (highest >= -t)


def quantile_level(share, hists, sessions):
    """None where the frames of all rounds together are too few. See above for the interval."""
    hists, sessions = measured(hists, sessions, lambda h: h is not None and h.n)
    if not hists or not enough(share, hists):
        return None
    units = Shares(hists, sessions)
    low, high = units.interval(share)
    return Estimate(units.quantile(share), low, high, len(hists), len(set(sessions)))


class Two:
    """
    Two quantiles, and the test of how far they are apart. moved(value, by): that much larger.
    paired: unit i of a belongs to unit i of b.
    """

    def __init__(self, share, a, b, moved, paired):
        self.share, self.sides, self.moved, self.paired = share, (a, b), moved, paired
        self.found = np.array([side.quantile(share) for side in self.sides])
        # How far each quantile moves with its share weighs the two against each other.
        part = 0.5 * min(share, 1 - share)
        apart = []
        for side in self.sides:
            high, low = side.quantile(share + part), side.quantile(share - part)
            apart.append(max(high - low, 1e-3 * high, 1e-9) / (high if moved is scaled else 1))
        self.weights = [w / sum(apart) for w in apart]
        self.units = [len(side.below) for side in self.sides]
        self.freedom = self.units[0] - 1

    def common(self, by):
        """For each of by: b's value that, with a's moved by it, has the share below in the mean."""
        a, b = self.sides
        low = np.full(len(by), max(min(a.edges[0], b.edges[0]), 0.5) / 1e3)
        high = np.full(len(by), max(a.edges[-1], b.edges[-1]) * 1e3)
        for _ in range(36):
            middle = np.sqrt(low * high)
            below = np.interp(self.moved(middle, by), a.edges, a.mean) + \
                np.interp(middle, b.edges, b.mean) < 2 * self.share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return high

    def over(self, by):
        """Of each unit of a, and of b: its share below the one quantile, the other."""
        value = self.common(by)
        return [w * (side.at(at) - self.share) for w, side, at in
                zip(self.weights, self.sides, (self.moved(value, by), value))]

    def over_and_error(self, by):
        a, b = self.over(by)
        spreads = [a - b] if self.paired else [a, b]
        return a.mean(axis=0) - b.mean(axis=0), \
            np.sqrt(sum(side.var(axis=0, ddof=1) / len(side) for side in spreads))

    def t(self, by):
        """
        The error is between the one there and the one at what was found. The former grows with the
        distance from what is true, so that nothing far away would be rejected; the latter is too
        small where units are few.
        """
        (over, there), (_, here) = map(self.over_and_error, (by, np.array([self.of(*self.found)])))
        return t_from(over, np.cbrt(there ** 2 * here))

    def of(self, a, b):
        return math.log(a / b) if self.moved is scaled else a - b

    def farthest(self):
        """Where the intervals of both end. It is wider than need be of what is near."""
        (a_low, a_high), (b_low, b_high) = (side.interval(self.share) for side in self.sides)
        if None in (a_low, b_low) or self.moved is scaled and min(a_low, b_low) <= 0:
            return -math.inf, math.inf
        return self.of(a_low, b_high), self.of(a_high, b_low)

    def ends(self, value, scale):
        """Of what is not rejected; None where it has none."""
        steps, limit = scale * 1e-4 * 1.25 ** np.arange(50), critical(self.freedom)
        t = self.t(np.concatenate([value - steps, value + steps])).reshape(2, -1)
        found = []
        for side, row in zip((-1, 1), np.abs(t)):
            last = np.flatnonzero(row <= limit)
            if len(last) and last[-1] == len(steps) - 1:
                found.append(side * math.inf)
                continue
            inner, outer = (steps[last[-1]], steps[last[-1] + 1]) if len(last) else (0, steps[0])
            fine = np.linspace(inner, outer, 16)
            may = np.abs(self.t(value + side * fine)) <= limit
            found.append(float(value + side * fine[np.flatnonzero(may)[-1] if may.any() else 0]))
        low, high = self.farthest()
        low, high = max(found[0], low), min(found[1], high)
        return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)

    def t_of_none(self, value, low, high):
        """
        Of no effect, by the interval's end on that side. The test itself says little more of what
        is far away than of what is near: shares end at 1.
        """
        if low is None:
            return float(self.t(np.zeros(1))[0])
        end = low if value > 0 else high
        return critical(self.freedom) * value / abs(value - end) if value != end else \
            math.inf if value else 0.0

    def estimate(self, n, sessions):
        ratio_of = self.moved is scaled
        if ratio_of and self.found.min() <= 0:
            return None
        value, low, high, p = self.of(*self.found), None, None, None
        if min(self.units) > 1:
            if not self.paired:
                spreads = [side.var(ddof=1) / len(side) for side in self.over(np.array([value]))]
                self.freedom = welch(spreads, self.units) if sum(spreads) else min(self.units) - 1
            low, high = self.ends(value, 1.0 if ratio_of else max(self.found))
            p = p_of(self.t_of_none(value, low, high), self.freedom)
        found = Estimate(value, low, high, n, sessions, p, 0.0)
        return exp_of(found) if ratio_of else found


def scaled(value, by):
    return value * np.exp(by)


def shifted(value, by):
    return value + by


def quantiles_apart(share, pairs, sessions, moved):
    """None where the frames of one side are too few."""
    pairs, sessions = measured(pairs, sessions, lambda p: all(h is not None and h.n for h in p))
    sides = list(zip(*pairs))
    if not pairs or not all(enough(share, side) for side in sides):
        return None
    sides = [Shares(side, sessions) for side in sides]
    return Two(share, *sides, moved, True).estimate(len(pairs), len(set(sessions)))


def quantile_ratio(share, pairs, sessions):
    return quantiles_apart(share, pairs, sessions, scaled)


def quantile_difference(share, pairs, sessions):
    return quantiles_apart(share, pairs, sessions, shifted)


def quantile_unpaired(share, a, b):
    """The ratio of a quantile of two sets, each (histograms, sessions), not measured in turn."""
    sides = [measured(*side, lambda h: h is not None and h.n) for side in (a, b)]
    if not all(hists and enough(share, hists) for hists, _ in sides):
        return None
    return Two(share, *(Shares(*side) for side in sides), scaled, False).estimate(
        min(len(hists) for hists, _ in sides), min(len(set(s)) for _, s in sides))


# The rate at which two cost the same.

FALLS, RISES = "less above it", "more above it"


def break_even(rates, ratios, sessions):
    """
    (Estimate of the rate at which a ratio is 1, FALLS or RISES), or (None, why there is none).
    ratios: of each round, at each of the rising rates; None where it was not measured. Straight
    lines in logarithms between the rates. The interval holds the rates at which the mean over units
    is not found to differ from 1; an end that is the first or last rate may lie beyond it.
    """
    rows = np.array([[math.log(v) if v else math.nan for v in row] for row in ratios])
    whole = ~np.isnan(rows).any(axis=1) if len(rows) else rows
    if not whole.any() or len(rates) < 2:
        return None, "not measured"
    rows, sessions = rows[whole], [s for s, good in zip(sessions, whole) if good]
    units = by_session(rows, sessions)
    at, mean = np.log(np.asarray(rates, dtype=float)), units.mean(axis=0)
    crossings = np.flatnonzero((mean[1:] > 0) != (mean[:-1] > 0))
    if len(crossings) != 1:
        return None, "crosses 1 more than once" if len(crossings) else \
            "more at every rate" if mean[0] > 0 else "less at every rate"
    i = crossings[0]
    value, low, high = at[i] + (at[i + 1] - at[i]) * mean[i] / (mean[i] - mean[i + 1]), None, None
    if len(units) > 1:
        fine = np.union1d(np.linspace(at[0], at[-1], 2001), value)
        t = t_of(np.array([np.interp(fine, at, unit) for unit in units]))
        may = fine[(np.abs(t) <= critical(len(units) - 1)) | (fine == value)]
        low, high = float(may[0]), float(may[-1])
    found = Estimate(float(value), low, high, len(rows), len(set(sessions)))
    return exp_of(found), FALLS if mean[0] > 0 else RISES


# Verdicts.

LESS, MORE, SAME, OPEN, FEW = "less", "more", "same", "not told apart", "too few pairs"


def verdicts(estimates, margin=MARGIN):
    """
    One for each, None for None. A table of forty comparisons would hold two wrong ones by chance,
    so "less" and "more" are corrected for their number (Holm). "same": two one-sided tests say that
    it is within the margin, i.e. the whole interval is (of a ratio; for differences margin is in
    their unit). Else it is not told apart: not found does not mean that there is none.
    """
    told = [None if e is None else FEW if e.n < LEAST_PAIRS or e.p is None else OPEN
            for e in estimates]
    order = sorted((i for i, t in enumerate(told) if t == OPEN), key=lambda i: estimates[i].p)
    for rank, i in enumerate(order):
        if estimates[i].p * (len(order) - rank) > 1 - CONFIDENCE:
            break
        told[i] = LESS if estimates[i].value < estimates[i].none else MORE
    for i in order:
        if told[i] == OPEN and within(estimates[i], margin):
            told[i] = SAME
    return told


def within(e, margin):
    if e.low is None:
        return False
    if e.none == 1:
        return e.low > 1 / (1 + margin) and e.high < 1 + margin
    return e.low > -margin and e.high < margin


def apart(e):
    """How far from no effect it may be at most: of a ratio as a share, else in its unit."""
    if e.low is None:
        return None
    return max(e.high, 1 / e.low) - 1 if e.none == 1 else max(abs(e.low), abs(e.high))

