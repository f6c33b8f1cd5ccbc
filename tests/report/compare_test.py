#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The ratios of bench/compare: which runs are a pair, and the interval over the pairs. It starts no
back-end; tests/interop/txbench-peers.py does.

usage: compare_test.py COMPARE
"""
import importlib.machinery
import importlib.util
import math
import sys

sys.dont_write_bytecode = True
from student import mean_of, squared_error, student_t

failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def load(path):
    loader = importlib.machinery.SourceFileLoader("compare", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("compare", loader))
    loader.exec_module(module)
    return module


def runs(module, *made):
    """made: (round, CPU in ns a frame, class of distance, why it does not count)."""
    out = []
    for number, cpu, distance, why in made:
        run = module.Run(None, "flood", "64", number, "")
        run.distance, run.why = distance, why
        run.values = {m.name: None for m in module.METRICS}
        run.values["cpu_ns_per_frame.backend"] = cpu
        out.append(run)
    return out


def main(path):
    module = load(path)
    metric = next(m for m in module.METRICS if m.name == "cpu_ns_per_frame.backend")
    base = runs(module, *((n, cpu, "mid", None) for n, cpu in enumerate((100, 110, 90, 100, 100))),
                (5, 100, "mixed", None), (6, 100, "mid", "late"), (7, None, "mid", None))
    other = runs(module, (0, 200, "mid", None), (1, 240, "mid", None), (2, 170, "mid", None),
                 (3, 999, "far", None), (4, 999, "mid", "the machine was busy"),
                 (5, 999, "mixed", None), (6, 999, "mid", None), (7, 999, "mid", None),
                 (8, 999, "mid", None))
    told = module.ratio(other, base, metric)
    logs = [math.log(ratio) for ratio in (200 / 100, 240 / 110, 170 / 90)]
    half = student_t(2) * math.sqrt(squared_error(logs))
    for name, wanted in (("n", 3), ("ratio", math.exp(mean_of(logs))),
                         ("low", math.exp(mean_of(logs) - half)),
                         ("high", math.exp(mean_of(logs) + half))):
        expect(abs(told[name] / wanted - 1) < 1e-3, f"{name}: {told[name]} instead of {wanted}")
    told = module.ratio(other[:1], base, metric)
    expect(told == {"ratio": 2.0, "low": None, "high": None, "n": 1}, f"one pair: {told}")
    told = module.ratio(other[3:], base, metric)
    expect(told is None, f"runs that may not be compared: {told}")
    told = module.split_list("flood,onoff:1000,5ms,5ms,poisson:10", module.LOADS)
    expect(told == ["flood", "onoff:1000,5ms,5ms", "poisson:10"], f"loads: {told}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
