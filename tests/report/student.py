# SPDX-License-Identifier: MIT
"""Student's t once more, for tests of intervals: no table, and nothing of bench/txbench."""
import math


def student_t(freedom):
    """The 97.5 % quantile: what integrates to 47.5 % from 0 (Simpson's rule)."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / \
        math.sqrt(freedom * math.pi)
    low, high = 0.0, 20.0
    for _ in range(40):
        t = (low + high) / 2
        step = t / 400
        ys = [scale * (1 + (i * step) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(401)]
        share = step / 3 * (ys[0] + ys[-1] + 4 * sum(ys[1:-1:2]) + 2 * sum(ys[2:-1:2]))
        low, high = (t, high) if share < .475 else (low, t)
    return low


def mean_of(values):
    return sum(values) / len(values)


def squared_error(values):
    """Of their mean."""
    mean = mean_of(values)
    return sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)
