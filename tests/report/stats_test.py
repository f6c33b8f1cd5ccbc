#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/txbench/stats.py on synthetic data of which the truth is known: do its intervals hold it
as often as they say, does it find what is there, and not what is not?

usage: stats_test.py DIRECTORY [PART...] [--draws N]
  DIRECTORY   where stats.py and tables.py are
  PART        coverage, power, ...: only these
  --draws     data sets a case (default 2000; of comparisons of quantiles an eighth)

Rounds of 1000 frames, each with a drift of its own that both of a pair share; stalls of
milliseconds in some, which hold up neighbouring frames. Prints a line for each case; status 1 if
one is not within its band.
"""
import argparse
import functools
import math
import sys

import numpy as np
from scipy import stats as scipy_stats

sys.dont_write_bytecode = True
parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("directory")
parser.add_argument("part", nargs="*")
parser.add_argument("--draws", type=int, default=2000)
ARGS = parser.parse_args()
sys.path.insert(0, ARGS.directory)
import stats   # noqa: E402
import tables  # noqa: E402

FEWER = max(ARGS.draws // 8, 1)
POOL, FRAMES = 1200, 1000  # rounds that there are in all; frames in each, one a millisecond
EDGES = np.array([2.0 ** k * (1 + i / 64) for k in range(11, 29) for i in range(64)])
MIDDLES = (EDGES[1:] + EDGES[:-1]) / 2
failed = []


def judge(what, got, low, high, form="{:.3f}"):
    good = low - 1e-12 <= got <= high + 1e-12
    print(f"{what:<62} {form.format(got):>9}   {low:g} to {high:g}{'' if good else '   WRONG'}",
          flush=True)
    if not good:
        failed.append(what)


def same(what, got, wanted, tolerance=1e-9):
    judge(what, float(got), wanted - tolerance * abs(wanted) - 1e-12,
          wanted + tolerance * abs(wanted) + 1e-12, "{:.6g}")


# What there is to be measured.

def rounds(rng, drift, stalls):
    """Histograms, as counts: 30 us, give or take 25 %, times the drift; stalls of 12 ms a round."""
    frames = np.exp(math.log(3e4) + 0.25 * rng.standard_normal((len(drift), FRAMES)))
    frames *= drift[:, None]
    came = np.arange(FRAMES) * 1e6
    for i, n in enumerate(rng.poisson(stalls, len(drift))):
        for at, length in zip(rng.random(n) * 1e9, rng.exponential(12e6, n)):
            frames[i] += np.where(came >= at, np.maximum(at + length - came, 0), 0)
    bucket = np.clip(np.searchsorted(EDGES, frames.ravel(), "right") - 1, 0, len(MIDDLES) - 1)
    row = np.repeat(np.arange(len(drift)), FRAMES) * len(MIDDLES)
    return np.bincount(row + bucket, minlength=len(drift) * len(MIDDLES)).reshape(len(drift), -1)


def hist(counts):
    at = np.flatnonzero(counts)
    return stats.Hist(MIDDLES[at], counts[at])


class World:
    """All the rounds that can come: a population of which every quantile is known."""

    def __init__(self, stalls, effect=1.05, own=0.03, session=0.0, wide=1.0):
        rng = np.random.default_rng([int(10 * stalls), int(1000 * session), int(1000 * own)])
        shared = rng.lognormal(0, 0.15, POOL)
        # Four rounds in a session; what differs between sessions differs between the two as well.
        between = [np.repeat(rng.lognormal(0, session, POOL // 4), 4) for _ in "ab"]
        self.counts = [rounds(rng, e * shared * there * rng.lognormal(0, own * w, POOL), stalls)
                       for e, there, w in zip((effect, 1.0), between, (wide, 1.0))]
        self.hists = [[hist(c) for c in counts] for counts in self.counts]
        self.whole = [stats.Shares([hist(c.sum(axis=0))], [0]) for c in self.counts]

    def truth(self, side, share):
        return self.whole[side].quantile(share)

    @functools.lru_cache(maxsize=None)
    def above(self, share):
        """Of each round of b: how much of it lies above the true quantile."""
        rounds_ = stats.Shares(self.hists[1], range(POOL))
        return 1 - rounds_.at(np.array([self.truth(1, share)]))[:, 0]


@functools.lru_cache(maxsize=None)
def world(*args, **kwargs):
    return World(*args, **kwargs)


# Do the intervals hold it?

def of_level(w, n, share, rng):
    """All draws at once: the test that makes the interval, at the truth."""
    above = w.above(share)[rng.integers(0, POOL, (n, ARGS.draws))]
    return stats.accepted(above, share).mean()


def of_level_of_sessions(w, n, share, rng):
    above = w.above(share).reshape(-1, 4).mean(axis=1)
    return stats.accepted(above[rng.integers(0, POOL // 4, (n, ARGS.draws))], share).mean()


def drawn(w, n, rng, per_session=1):
    at = rng.integers(0, POOL // per_session, n)
    at = (at[:, None] * per_session + np.arange(per_session)).ravel()
    return [(w.hists[0][i], w.hists[1][i]) for i in at], \
        list(np.repeat(np.arange(n), per_session)) if per_session > 1 else [0] * n


def of_pairs(w, n, share, rng, compare, per_session=1):
    a, b = w.truth(0, share), w.truth(1, share)
    truth, held = a / b if compare is stats.quantile_ratio else a - b, 0
    for _ in range(FEWER):
        e = compare(share, *drawn(w, n, rng, per_session))
        held += e.low is not None and e.low <= truth <= e.high
    return held / FEWER


def of_unpaired(w, share, rng):
    truth, held = w.truth(0, share) / w.truth(1, share), 0
    for _ in range(FEWER):
        sets = [([side[i] for i in rng.integers(0, POOL, n)], [0] * n)
                for side, n in zip(w.hists, (8, 10))]
        e = stats.quantile_unpaired(share, *sets)
        held += e.low is not None and e.low <= truth <= e.high
    return held / FEWER


def test_coverage():
    rng = np.random.default_rng(1)
    slack = 0.01 + 0.25 / math.sqrt(ARGS.draws)
    # Wider than 93 to 97 % by what so few draws leave open.
    for stalls in (0, 0.3, 1, 3):
        for n in (6, 10, 20):
            for share in (0.5, 0.99):
                # Six rounds have often not seen what is rare.
                low = 0.93 if share == 0.5 or n > 6 else 0.89
                judge(f"level of p{100 * share:.0f}, {n} rounds, {stalls} stalls a round",
                      of_level(world(stalls), n, share, rng), low - slack, 0.97 + slack)
    for share in (0.5, 0.99):
        judge(f"level of p{100 * share:.0f}, 5 sessions that differ", of_level_of_sessions(
            world(1, session=0.1), 5, share, rng), 0.93 - slack, 0.97 + slack)
    few = 1 / math.sqrt(FEWER)
    for compare in (stats.quantile_ratio, stats.quantile_difference):
        name = compare.__name__.split("_")[1]
        for stalls, n, share, high in ((0, 6, 0.5, 0.97), (0, 10, 0.99, 0.99), (1, 6, 0.99, 0.99),
                                       (1, 10, 0.99, 0.98), (0.3, 20, 0.99, 0.98))[
                                           :5 if compare is stats.quantile_ratio else 3]:
            judge(f"{name} of p{100 * share:.0f}s, {n} pairs, {stalls} stalls a round",
                  of_pairs(world(stalls), n, share, rng, compare), 0.95 - few, min(high + few, 1))
    for stalls, share in ((0, 0.5), (1, 0.99)):
        judge(f"ratio of p{100 * share:.0f}s of 8 and 10 rounds unpaired, {stalls} stalls a round",
              of_unpaired(world(stalls), share, rng), 0.94 - few, 1)
    judge("ratio of p50s, 5 sessions that differ", of_pairs(
        world(1, session=0.1), 5, 0.5, rng, stats.quantile_ratio, 4), 0.95 - few, 0.97 + few)
    judge("difference of p50s, one is ten times as long and uneven", of_pairs(
        world(0, effect=10.0, wide=4.0), 8, 0.5, rng, stats.quantile_difference),
          0.94 - few, 0.97 + few)


# Does it find what is there, and only that?

def figures(rng, n, effect, own=0.02):
    """Pairs as the issue has them: what the machine does in a round, both have."""
    shared = rng.lognormal(0, 0.15, n)
    return [(effect * s * a, s * b) for s, a, b in
            zip(shared, rng.lognormal(0, own, n), rng.lognormal(0, own, n))]


def test_power():
    rng, draws = np.random.default_rng(2), 1000
    found = {"pairs": 0, "Welch": 0, "intervals apart": 0}
    for _ in range(draws):
        pairs = figures(rng, 5, 1.05)
        found["pairs"] += stats.verdicts([stats.ratio(pairs, [0] * 5)]) == [stats.MORE]
        a, b = np.log(pairs).T
        found["Welch"] += scipy_stats.ttest_ind(a, b, equal_var=False).pvalue < 0.05
        a, b = (stats.level(side, [0] * 5) for side in zip(*pairs))
        found["intervals apart"] += a.low > b.high or b.low > a.high
    for how, n in found.items():
        band = (0.82, 0.95) if how == "pairs" else (0, 0.03)
        judge(f"5 % found in 5 rounds by {how}", n / draws, *band)
    found = {share: sum(stats.quantile_ratio(share, *drawn(world(0, 1.3), 6, rng)).p < 0.05
                        for _ in range(FEWER)) / FEWER for share in (0.5, 0.99)}
    judge("30 % found in 6 rounds, of the p50 of pooled frames", found[0.5], 0.98, 1)
    judge("30 % found in 6 rounds, of the p99 of pooled frames", found[0.99], 0.8, 1)
    w = world(0, own=0.02)
    found = sum(stats.quantile_ratio(0.5, *drawn(w, 5, rng)).p < 0.05 for _ in range(FEWER))
    judge("5 % found in 5 rounds, of the p50 of pooled frames", found / FEWER, 0.6, 0.97)


def test_tables_of_nothing():
    """Forty comparisons of the same with the same: a table with one wrong word in it is wrong."""
    rng, draws = np.random.default_rng(3), 400
    wrong, alone, same_, wide = 0, 0, 0, 0
    for _ in range(draws):
        estimates = [stats.ratio(figures(rng, 6, 1.0), [0] * 6) for _ in range(40)]
        told = stats.verdicts(estimates)
        wrong += stats.LESS in told or stats.MORE in told
        alone += any(e.p < 0.05 for e in estimates)
        same_ += told.count(stats.SAME)
        wide += stats.verdicts([stats.ratio(figures(rng, 6, 1.06), [0] * 6)]) == [stats.SAME]
    judge("tables of 40 without an effect: one found", wrong / draws, 0,
          0.05 + 0.65 / math.sqrt(draws))
    judge("the same without Holm's correction", alone / draws, 0.7, 1)
    judge("comparisons that are the same: so told, margin 5 %", same_ / draws / 40, 0.5, 1)
    judge("6 % apart: told the same, margin 5 %", wide / draws, 0, 0.03)


def test_small_p():
    """Holm's correction needs the p of what is rare: of p99s that are the same."""
    rng = np.random.default_rng(7)
    for stalls in (0, 1):
        w = world(stalls, effect=1.0)
        found = [stats.quantile_ratio(0.99, *drawn(w, 6, rng)).p for _ in range(FEWER)]
        judge(f"p99s the same, {stalls} stalls a round: p < 1/200", np.mean(np.array(found) < 0.005),
              0, 0.005 + 0.25 / math.sqrt(FEWER))


def test_against_scipy():
    rng = np.random.default_rng(4)
    pairs = figures(rng, 7, 1.1)
    a, b = np.log(pairs).T
    e, theirs = stats.ratio(pairs, [0] * 7), scipy_stats.ttest_rel(a, b)
    around = theirs.confidence_interval(0.95)
    for what, got, wanted in (
            ("value", e.value, math.exp((a - b).mean())), ("p", e.p, theirs.pvalue),
            ("low", e.low, math.exp(around.low)), ("high", e.high, math.exp(around.high))):
        same(f"ratio, as scipy's ttest_rel: {what}", got, wanted)
    e, theirs = stats.difference(pairs, [0] * 7), scipy_stats.ttest_rel(*np.array(pairs).T)
    same("difference, as scipy's ttest_rel: p", e.p, theirs.pvalue)
    values = rng.lognormal(3, 0.5, 12)
    e, logs = stats.level(values, [0] * 12), np.log(values)
    around = scipy_stats.t.interval(0.95, 11, logs.mean(), scipy_stats.sem(logs))
    same("level, as scipy's t.interval: low", e.low, math.exp(around[0]))
    same("level, geometric mean", e.value, scipy_stats.gmean(values))
    e = stats.level(values, [0] * 4 + [1] * 4 + [2] * 4)
    means = [logs[i:i + 4].mean() for i in (0, 4, 8)]
    around = scipy_stats.t.interval(0.95, 2, np.mean(means), scipy_stats.sem(means))
    same("level of three sessions: of their means", e.high, math.exp(around[1]))
    judge("n is rounds, not sessions", e.n, 12, 12, "{}")

    e = stats.unpaired((values, [0] * 12), (values[:7] * 1.5, [0] * 7))
    theirs = scipy_stats.ttest_ind(logs, logs[:7] + math.log(1.5), equal_var=False)
    same("unpaired ratio, as scipy's ttest_ind: p", e.p, theirs.pvalue)

    x = rng.normal(0.3, 1, 9)
    y = 0.2 + 0.5 * x + rng.normal(0, 0.1, 9)
    line = scipy_stats.linregress(x, y)
    e = stats.ratio([(math.exp(v), 1.0) for v in y], [0] * 9, list(x))
    half = scipy_stats.t.ppf(0.975, 7) * line.intercept_stderr
    same("covariate: scipy's intercept", math.log(e.value), line.intercept)
    same("covariate: its interval", math.log(e.high), line.intercept + half)


def test_covariate():
    """The distance of the CPUs of each run costs 10 % a doubling, and there is an effect of 5 %."""
    rng, draws, held, narrower = np.random.default_rng(5), 1000, [0, 0], 0
    for i in range(draws):
        sessions = [k // 4 for k in range(16)] if i % 2 else [0] * 16
        far = rng.choice([-1.0, 0.0, 0.0, 1.0], 16)
        pairs = [(1.05 * 1.1 ** d * a, a * rng.lognormal(0, 0.02)) for d, a in
                 zip(far, rng.lognormal(0, 0.2, 16))]
        e = stats.ratio(pairs, sessions, list(far * math.log(2)))
        plain = stats.ratio(pairs, sessions)
        held[i % 2] += e.low <= 1.05 <= e.high
        narrower += e.high / e.low < plain.high / plain.low
    for what, n in zip(("", ", 4 sessions"), held):
        judge(f"ratio with a covariate{what}", n / draws * 2, 0.92, 0.975)
    judge("the covariate makes it narrower", narrower / draws, 0.9, 1)
    e = stats.ratio([(2.0, 1.0), (2.2, 1.0), (2.1, 1.0)], [0] * 3, [0.0, None, 1.0])
    same("a distance that is not known is no covariate", e.value, (2.0 * 2.2 * 2.1) ** (1 / 3))


def test_break_even():
    rng, rates, draws, held = np.random.default_rng(6), [1e3, 1e4, 1e5], 1000, [0, 0]
    for i in range(draws):
        sessions = [k // 4 for k in range(20)] if i % 2 else [0] * 8
        there = rng.normal(0, 0.1, 5)
        # Log ratio 0.4 at 1000, -0.6 at 100,000, a straight line between: 1 at 10^3.8.
        rows = [[math.exp(0.4 - 0.5 * k + there[s] * (i % 2) + rng.normal(0, 0.1))
                 for k in range(3)] for s in sessions]
        e, how = stats.break_even(rates, rows, sessions)
        held[i % 2] += how == stats.FALLS and e.low <= 10 ** 3.8 <= e.high
    for what, n in zip(("8 rounds", "5 sessions"), held):
        judge(f"break-even, {what}", n / draws * 2, 0.93, 0.975)
    for row, word in (([2, 2, 2], "more at every rate"), ([.5, .6, .7], "less at every rate"),
                      ([2, .5, 2], "crosses 1 more than once"), ([None, 1, 2], "not measured")):
        good = stats.break_even(rates, [row] * 3, [0] * 3) == (None, word)
        judge(f"break-even: {word}", good, 1, 1, "{}")


# Weights, few values, none.

def test_edges():
    def told(what, got, wanted=True):
        judge(what, got == wanted, 1, 1, "{}")
    small, large = stats.Hist([1000.0], [100]), stats.Hist([2000.0], [900])
    told("each round has the same weight", abs(stats.quantile_level(
        0.6, [small, small, large, large], [0] * 4).value / 2000 - 1) < 0.02)
    told("each session has the same weight", abs(stats.quantile_level(
        0.4, [small, large, large, large], [0, 1, 1, 1]).value / 1000 - 1) < 0.02)
    told("pooled without weights: frames count", stats.pooled([small, large]).quantile(0.5), 2000.0)
    one = stats.quantile_ratio(0.5, [(large, small)], [0])
    told("one round: no interval, no p", (one.low, one.p, one.n), (None, None, 1))
    told("one round: too few", stats.verdicts([one, stats.ratio([(1, 2)], [0])]), [stats.FEW] * 2)
    empty = stats.Hist()
    told("nothing measured", [
        stats.level([None], [0]), stats.ratio([(None, 1)], [0]), stats.difference([], []),
        stats.quantile_level(0.5, [empty, None], [0, 0]),
        stats.quantile_ratio(0.5, [(empty, small)], [0])], [None] * 5)
    told("no verdict of nothing", stats.verdicts([None]), [None])
    told("p99 of 60 frames: none", stats.quantile_level(0.99, [stats.Hist([5.0], [60])], [0]), None)
    told("a figure of 0: arithmetic mean, no ratio", (
        stats.level([0, 2], [0, 0]).value, stats.ratio([(0, 1), (1, 1)], [0, 0])), (1.0, None))
    alike = stats.quantile_ratio(0.5, [(small, small)] * 4, [0] * 4)
    told("the same in every round", (round(alike.value, 9), alike.p, stats.verdicts([alike])),
         (1.0, 1.0, [stats.SAME]))
    estimates = [stats.Estimate(v, v / 1.01, v * 1.01, 9, 1, p, 1.0) for v, p in
                 ((0.9, 0.012), (1.1, 0.03), (1.001, 0.5))]
    told("Holm: the second is not found at 0.03 of two", stats.verdicts(estimates),
         [stats.LESS, stats.OPEN, stats.SAME])


def test_tables():
    def told(what, got, wanted):
        judge(what, got == wanted, 1, 1, "{}")
        if got != wanted:
            print(got)
    table = tables.Table("p50, us", ["load", "a|b"], "note <1>")
    table.add(["poisson", tables.Cell("2.0", "1..3", n=4, tone="less")])
    table.add(["x", None])
    told("table as text", table.text(), "p50, us\nload                a|b\n"
         "poisson  2.0 [1..3] n=4\nx                     -\nnote <1>\n")
    told("table as markdown", table.markdown(), "| load | a\\|b |\n| --- | ---: |\n"
         "| poisson | 2.0 [1..3] n=4 |\n| x | - |\n\nnote <1>\n")
    told("table as HTML", table.html(),
         '<div class="scroll"><table><caption>p50, us</caption><thead><tr>'
         '<th>load</th><th>a|b</th></tr></thead>'
         '<tbody><tr><th>poisson</th><td class="less">2.0'
         '<small>1..3 n=4</small></td></tr><tr><th>x</th><td>-</td></tr></tbody></table></div>'
         '<p>note &lt;1&gt;</p>')
    told("an estimate as a cell", tables.figure(
        stats.Estimate(2500.0, 1e3, 4e3, 5, 1), 1e-3, with_n=True),
         tables.Cell("2.5", "1.0..4.0", 5))
    wide = tables.Table("", ["load"] + [f"back-end {i}" for i in range(9)])
    wide.add(["a"] + [f"{i}{'x' * 20}" for i in range(9)])
    lines = wide.text(80).splitlines()
    told("a wide table goes on below", (max(map(len, lines)) <= 80, sum(
        line.startswith("load") for line in lines), wide.text(80).count("back-end")), (True, 3, 9))


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_") and (not ARGS.part or name[5:] in ARGS.part):
            test()
    if not failed:
        return 0
    print(f"stats_test.py: {len(failed)} wrong: {'; '.join(failed)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
