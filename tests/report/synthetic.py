# SPDX-License-Identifier: MIT
"""Result files as txbench writes them, of made-up devices: for tests of the report.

usage: synthetic.py DIRECTORY

Six targets under several loads, a ping-pong and a flood, repetitions in files of their own; beside
them an incomplete run, a failed one, one with nothing measured but frames, one with the CPUs in
another place, one of another host, and a sweep. No figure here was measured.
"""
import json
import math
import os
import random
import sys

HOST = {"kernel": "6.1.0-synthetic", "cpu": "Synthetic CPU", "cpus": 2, "driver_cpu": 1,
        "backend_cpus": [0], "hypervisor": "kvm", "clocksource": "tsc", "preempt": "voluntary",
        "hz": 250, "txbench": "0.1.0", "commit": None}
# label: median wait for the wire, spread, delay of the timer, CPU per frame at 1000/s, flood's rate
TARGETS = {
    "txringd iothread": (38e3, 0.16, 0, 6.1e3, 1.21e6),
    "txringd timer": (42e3, 0.16, 150e3, 5.5e3, 0.93e6),
    "QEMU iothread": (45e3, 0.22, 0, 9.2e3, 0.58e6),
    "QEMU timer": (50e3, 0.22, 150e3, 8.8e3, 0.55e6),
    "DPDK net_tap": (4e3, 0.12, 0, 980e3, 0.83e6),
    "txringd poll": (9e3, 0.3, 0, 55e3, 1.25e6),
}


def bucket(value):
    """The middle of the bucket of datapath/histogram.h."""
    value = int(value)
    shift = 0 if value < 128 else value.bit_length() - 7
    return ((value >> shift) << shift) + (1 << shift) // 2


def stage(values):
    values = sorted(int(v) for v in values)
    counts = {}
    for value in values:
        counts[bucket(value)] = counts.get(bucket(value), 0) + 1

    def at(share):
        return values[min(int(math.ceil(share * len(values))) - 1, len(values) - 1)]

    return {"n": len(values), "min_ns": values[0], "p50_ns": at(.5), "p90_ns": at(.9),
            "p99_ns": at(.99), "p999_ns": at(.999), "p9999_ns": at(.9999), "max_ns": values[-1],
            "mean_ns": sum(values) / len(values),
            "buckets": [list(b) for b in sorted(counts.items())]}


def timeline(values, ns, bins=100):
    part = max(len(values) // bins, 1)
    pieces = [sorted(values[i * part:(i + 1) * part]) for i in range(bins)]
    return {"bin_ns": ns // bins, "frames": [len(p) for p in pieces],
            "p50_ns": [int(p[len(p) // 2]) if p else 0 for p in pieces],
            "max_ns": [int(p[-1]) if p else 0 for p in pieces]}


def late(rng, scale):
    return {f"{p}_ns": int(scale * f * rng.uniform(.95, 1.05))
            for p, f in (("p50", 1), ("p99", 1.7), ("p999", 4))}


def repetition(rng, label, rate, frames=4000, distance="mid", stages=("wire", "used", "call")):
    median, spread, delay, cpu, flood = TARGETS[label]
    tail = [0 if rng.random() > .004 else rng.expovariate(1 / 300e3) for _ in range(frames)]
    wire = [median * rng.lognormvariate(0, spread) + t + delay * (1 - rng.random() ** 4 * rate / 2e5
            if rate else 1) for t in tail]
    drift = rng.uniform(.97, 1.03)
    wire = [w * drift for w in wire]
    made = {"published": stage([rng.lognormvariate(5.5, .3) for _ in wire]), "wire": stage(wire),
            "used": stage([w + 1500 + 900 * rng.random() for w in wire]),
            "call": stage([w + 9e3 + 5e3 * rng.random() for w in wire])}
    if not rate:
        made.pop("published")
        stages = [s for s in stages if s != "published"]
    per_s = (rate or flood) * rng.uniform(.98, 1.02)
    ns = int(frames / per_s * 1e9)
    backend = int(frames * max(cpu * (1000 / rate) ** .6, 700) * drift if rate else frames * 790)
    batch = max(1, (rate or 1e6) * delay / 1e9)
    c2c = {"near": 44, "mid": 121, "far": 560, "mixed": 200}[distance]
    return {"ns": ns, "frames": frames, "bytes": frames * 64, "frames_per_s": per_s,
            "bytes_per_s": per_s * 64, "lost": 0, "duplicated": 0, "reordered": 0,
            "generator": {"late_p50_ns": 40, "late_p99_ns": 310, "late_max_ns": 8000,
                          "waited_share": 0.0, "kept_up": True},
            "stages": {name: made[name] for name in ("published", *stages) if name in made},
            "notifications": {"kicks": int(frames / batch), "forced_kicks": 0,
                              "calls": int(frames / max(batch, 1.3))},
            "syscalls": int(frames / batch * 2 + frames),
            "cpu_ns": {"driver": ns, "backend": backend, "backend_user": backend // 4,
                       "backend_kernel": backend * 3 // 4, "softirq": frames * 300},
            "noise": {"c2c_ns": [c2c, c2c + 2.0], "class": distance, "wake_up": late(rng, 30e3),
                      "timer": late(rng, 55e3), "steal_share": 0.001, "backend_waited_share": 0.0},
            "timeline": timeline(wire, ns)}


def run(label, repetitions, **load):
    base = {"direction": "tx", "kind": "poisson", "rate": None, "on_ns": None, "off_ns": None,
            "inflight": None, "trace": None, "size": "64", "batch": 64, "calls": "each",
            "seconds": 2.0, "warm_up": 0.3}
    base.update(load)
    mode = label.split()[1]
    arg = base["kind"] + (f":{base['rate']:.0f}" if base["rate"] else
                          f":{base['inflight']}" if base["inflight"] else "")
    return {"schema": "txbench-1", "label": label, "complete": True, "incomplete": None,
            "failed": None, "started": "2026-01-31T12:00:00Z",
            "command": ["txbench", "run", "--socket-path", "a socket", "--load", arg],
            "target": {"kind": "vhost-user", "pid": 17,
                       "command": [label.split()[0], "--txmode", mode, "<&'\">"],
                       "program_version": None, "features": ["VERSION_1"], "layout": "split",
                       "ring_size": 256, "wire": "tap0", "wire_kind": "tap"},
            "load": base, "host": dict(HOST), "repetitions": repetitions, "summary": {}}


def write(directory, name, data):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name + ".json"), "w", encoding="utf-8") as file:
        json.dump(data, file)


def sweep(directory, rng):
    """Where timer is cheaper, dearer, and not to be told apart from iothread."""
    cells, files = [], []

    def interval(mean, share):
        return {"mean": mean, "low": mean - abs(mean) * share, "high": mean + abs(mean) * share,
                "n": 3}

    for ring in (256, 1024):
        for burst in (32, 256):
            for delay in (50, 150, 500):
                for rate in (1000, 10000, 100000):
                    cpu = 1.15 * (rate * delay / 1e6 + 1) ** -.25 * rng.uniform(.97, 1.03)
                    apart = abs(cpu - 1) > .06
                    cells.append({
                        "rate": rate, "ring_size": ring, "burst": burst, "delay_us": delay,
                        "cpu_ratio": interval(cpu, .04), "added_p50_ns": interval(delay * 1e3, .03),
                        "added_p99_ns": interval(delay * 1.4e3, .1), "bad": None,
                        "cpu_verdict": ("timer" if cpu < 1 else "iothread") if apart else "noise"})
    cells[5].update(cpu_ratio=None, added_p50_ns=None, added_p99_ns=None, cpu_verdict=None,
                    bad="failed: the generator was late")
    for label in ("txringd iothread", "txringd timer"):
        name = f"sweep-{label.split()[1]}"
        data = run(label, [repetition(rng, label, 1000, 500)], rate=1000.0)
        write(directory, name, data)
        files.append(name + ".json")
    write(directory, "sweep", {"schema": "txbench-sweep-1", "complete": True,
                               "command": ["bench/sweep"], "started": "2026-01-31T12:00:00Z",
                               "files": files, "cells": cells})


def main(directory):
    rng = random.Random(4)
    for label in TARGETS:
        short = label.replace(" ", "-")
        for part in range(4):
            for rate in (1000.0, 10000.0, 100000.0):
                made = run(label, [repetition(rng, label, rate)], rate=rate)
                write(directory, f"{short}-{rate:.0f}-{part}", made)
            made = repetition(rng, label, None, 4000, stages=("used",))
            made.update(duplicated=None, reordered=None)
            write(directory, f"{short}-flood-{part}", run(label, [made], kind="flood"))
        pings = [repetition(rng, label, None, 1000) for _ in range(3)]
        write(directory, f"{short}-ping", run(label, pings, kind="inflight", inflight=1))

    ended = run("txringd timer", [repetition(rng, "txringd timer", 50000.0)], rate=50000.0)
    ended.update(complete=False, incomplete="the back-end closed the connection")
    write(directory, "incomplete", ended)
    empty = run("QEMU timer", [], rate=50000.0)
    empty.update(complete=False, incomplete="interrupted")
    write(directory, "empty", empty)
    failed = run("QEMU iothread", [repetition(rng, "QEMU iothread", 50000.0)], rate=50000.0)
    failed.update(failed="the generator was late: p99 31 us, the limit is 10 us")
    failed["repetitions"][0].update(lost=3)
    write(directory, "failed", failed)
    nulls = run("DPDK net_tap", [repetition(rng, "DPDK net_tap", 50000.0)], rate=50000.0)
    nulls["repetitions"][0].update(
        generator=None, stages={}, notifications=None, syscalls=None, cpu_ns=None, noise=None,
        timeline=None, lost=None, duplicated=None, reordered=None, frames_per_s=None)
    nulls["target"].update(features=None, command=None, pid=None)
    write(directory, "nulls", nulls)
    far = [repetition(rng, "txringd iothread", 1000.0, distance="far") for _ in range(2)]
    write(directory, "far", run("txringd iothread", far, rate=1000.0))
    other = run("txringd iothread", [repetition(rng, "txringd iothread", 1000.0)], rate=1000.0)
    other["host"].update(kernel="5.10.0-other", cpu="Another CPU")
    write(directory, "other-host", other)
    write(directory, "compare", {"schema": "txbench-compare-1", "complete": False, "files": [],
                                 "skipped": [["vhost-net:tap", "there is no /dev/vhost-net"]],
                                 "cells": [{"label": "DPDK net_tap", "ceiling": True}]})
    sweep(os.path.join(directory, "sweep"), rng)


if __name__ == "__main__":
    main(sys.argv[1])
