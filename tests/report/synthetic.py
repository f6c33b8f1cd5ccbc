# SPDX-License-Identifier: MIT
"""Result files as txbench writes them (txbench-2), of made-up devices: for tests of whatever reads them.

usage: synthetic.py DIRECTORY

Three sessions of three rounds each, as bench/compare leaves them: seven back-ends under three rates, two
bursts and a flood, some of them in three states of the machine. Beside them what does not count: a
failed try with the retry that does, incomplete runs, one with nothing measured but frames, and one run
of another host. No figure here was measured. What is true of them: truth().
"""
import json
import math
import os
import re
import sys

import numpy as np

HOST = {"kernel": "6.1.0-synthetic", "cpu": "Synthetic CPU", "cpus": 2, "driver_cpu": 1,
        "backend_cpus": [0], "hypervisor": "kvm", "clocksource": "tsc", "preempt": "voluntary",
        "hz": 250, "txbench": "0.1.0", "commit": "0123456789ab"}
STARTED = "2026-01-31T12:00:00Z"
# label: wake-up and way to the wire, delay of the timer (ns), CPU for each frame, for each kick, flood's rate
TARGETS = {
    "txringd iothread": (24e3, 0, 1200, 3000, 1.21e6),
    "txringd timer,delay=50us": (27e3, 50e3, 1250, 6500, 1.02e6),
    "txringd timer,delay=150us": (27e3, 150e3, 1250, 6500, 0.93e6),
    "qemu bh": (30e3, 0, 2400, 6800, 0.58e6),
    "qemu timer": (34e3, 150e3, 2500, 10000, 0.55e6),
    "dpdk tap": (4e3, 0, None, None, 0.83e6),  # it polls: all of its CPU
    "ceiling": (20e3, 0, 900, 1900, 1.6e6),
}
KICK_NS = 3000
IN_STATES = ("txringd iothread", "txringd timer,delay=150us", "qemu bh", "qemu timer", "ceiling")
# state: the wake-up, share of frames that meet the neighbour, how much dearer a kick is under a timer
STATES = {"idle": (1.0, 0.0, 1.0), "spinner": (0.4, 0.0, 1.0), "neighbour": (0.35, 0.015, 40.0)}
RATES = (1000.0, 10000.0, 100000.0)
SESSIONS, ROUNDS = 3, 3


def truth(label, rate, state="idle"):
    """(median wait at the wire, total CPU a frame, kicks a frame), in ns; rate None: a flood."""
    wake, delay, frame, kick, flood = TARGETS[label]
    idle, _, dearer = STATES[state]
    kicks = 1 / (1 + (rate or flood) * (delay or 20e3) / 1e9)
    waits = delay * (1 - 0.5 * min(rate / 2e4, 1)) if rate else 0
    cost = 1e9 / (rate or flood) if frame is None else \
        frame + kicks * (kick * (dearer if delay else 1) + KICK_NS)
    return wake * idle + waits, cost, kicks


def histogram(values):
    """In the buckets of datapath/histogram.h; None of no values."""
    values = np.sort(np.asarray(values).astype(np.int64))
    if not len(values):
        return None
    shift = np.maximum(np.frexp(values.astype(float))[1] - 7, 0)
    middles, counts = np.unique(((values >> shift) << shift) + (1 << shift) // 2, return_counts=True)
    return {"n": len(values), "min_ns": int(values[0]), "max_ns": int(values[-1]),
            "sum_ns": int(values.sum()), "buckets": np.stack([middles, counts], 1).tolist()}


def timeline(values, ns, bins=100):
    pieces = np.array_split(values, bins)
    return {"bin_ns": int(ns // bins), "frames": [len(p) for p in pieces],
            "p50_ns": [int(np.median(p)) if len(p) else None for p in pieces],
            "max_ns": [int(p.max()) if len(p) else None for p in pieces]}


def repetition(rng, label, rate, frames=4000, distance="mid", stages=("wire", "used", "call"),
               state="idle", drift=1.0):
    """rate None: a closed loop. drift: what the machine did to everybody in that round."""
    median, total, kicks = truth(label, rate, state)
    flood = TARGETS[label][4]
    noise = drift * rng.lognormal(0, .02)
    wire = median * noise * rng.lognormal(0, .12, frames)
    wire += np.where(rng.random(frames) < .003, rng.exponential(200e3, frames), 0)
    wire += np.where(rng.random(frames) < STATES[state][1], rng.uniform(.5e6, 2e6, frames), 0)
    made = {"published": rng.lognormal(5.5, .3, frames) if rate else (), "wire": wire,
            "used": wire + 1500 + 900 * rng.random(frames),
            "call": wire + 9e3 + 5e3 * rng.random(frames)}
    ns = int(frames / (rate or flood * rng.uniform(.98, 1.02)) * 1e9)
    n_kicks = max(int(frames * kicks), 1)
    kick_ns = n_kicks * KICK_NS
    busy = int(max(total * frames - kick_ns, 0) * drift ** .5 * rng.lognormal(0, .01))
    c2c = {"near": 44, "mid": 121, "far": 560, "mixed": 200}[distance]
    spinner = state if state != "idle" else None
    return {"ns": ns, "frames": frames, "bytes": frames * 64, "lost": 0, "duplicated": 0,
            "reordered": 0,
            "generator": {"late": histogram(rng.lognormal(4, .6, frames)) if rate else None,
                          "waited_ns": ns // 1000, "wall_ns": ns},
            "stages": {s: h for s in ("published", *stages) if (h := histogram(made[s]))},
            "notifications": {"kicks": n_kicks, "forced_kicks": 0,
                              "calls": int(frames * min(kicks, .8))},
            "ring_fill": {"n": n_kicks, "sum": frames},
            "syscalls": int(frames * kicks * 2 + frames),
            "cost": {"observed": False, "ns": ns, "wall_ns": ns, "frames": frames, "kicks": n_kicks,
                     # Others had that CPU, too; and beside a spinner ticks are lost, which are no
                     # cost of a frame.
                     "backend_ns": busy if spinner else int(busy * .86), "driver_ns": ns,
                     "kick_ns": kick_ns, "others_ns": ns // 50,
                     "busy_ns": busy + ns // 50 + (ns // 20 if spinner else 0),
                     "busy_from": spinner or "idle"},
            "company": spinner and {"lost_ns": busy, "wall_ns": ns, "times": n_kicks},
            "noise": {"c2c_ns": [c2c, c2c + 2.0], "class": distance,
                      "wake_up": histogram(rng.lognormal(math.log(14e3), .3, 1000)),
                      "timer": histogram(rng.lognormal(math.log(55e3), .3, 1000)),
                      "steal_share": 0.001, "backend_waited_share": 0.0},
            "timeline": timeline(wire, ns)}


def run(label, repetitions, state="idle", **load):
    base = {"direction": "tx", "kind": "poisson", "rate": None, "on_ns": None, "off_ns": None,
            "inflight": None, "trace": None, "size": "64", "batch": 64, "calls": "each",
            "seconds": 2.0, "warm_up": 0.3, "cost_seconds": 1.0, "kick_cost_ns": None,
            "state": state, "seed": 0, **load}
    kind, _, mode = label.partition(" ")
    return {"schema": "txbench-2", "label": label, "complete": True, "incomplete": None,
            "failed": None, "started": STARTED,
            "command": ["txbench", "run", "--socket-path", "a socket", "--load", load_word(base)],
            "target": {"kind": {"qemu": "qtest", "ceiling": "ceiling"}.get(kind, "vhost-user"),
                       "pid": 17, "command": [kind, "--txmode", mode, "<&'\">"],
                       "features": ["VERSION_1"], "layout": "split", "ring_size": 256,
                       "wire": "tap0", "wire_kind": "tap"},
            "load": base, "host": dict(HOST), "repetitions": repetitions}


def load_word(load):
    more = [load[k] for k in ("rate", "inflight") if load[k]]
    more += [f"{load[k] / 1e6:g}ms" for k in ("on_ns", "off_ns") if load[k]]
    return load["kind"] + (":" + ",".join(f"{m:g}" if isinstance(m, float) else str(m)
                                          for m in more) if more else "")


def file_name(number, data, attempt=1):
    """As bench/peers/runner.py names it."""
    words = f"r{number:02d} {data['label']} {load_word(data['load'])} 64 {data['load']['state']}"
    return re.sub(r"[^A-Za-z0-9.=-]+", "_", words) + (f"_t{attempt}" if attempt > 1 else "") + ".json"


def write(directory, name, data):
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        json.dump(data, file)


def compare(session, files, **more):
    """What stands in compare.json."""
    return {"schema": "txbench-compare-2", "session": session, "complete": True,
            "command": ["bench/compare"], "started": STARTED,
            "baseline": "txringd iothread", "seed": 1, "plan": [], "retries": [], "skipped": [],
            "files": files, **more}


def loads():
    """(label, state, load) of a round."""
    for label in TARGETS:
        for rate in RATES:
            yield label, "idle", {"rate": rate}
        yield label, "idle", {"rate": 200000.0, "kind": "onoff", "on_ns": 1000000, "off_ns": 9000000}
        yield label, "idle", {"kind": "flood"}
    for state in list(STATES)[1:]:
        for label in IN_STATES:
            for rate in RATES[:2]:
                yield label, state, {"rate": rate}


def made_run(rng, label, state, load, drift=1.0, frames=2000, **more):
    """One run of one repetition."""
    rate = load.get("rate")
    if load.get("kind") == "onoff":
        rate /= 10
    one = repetition(rng, label, rate, frames, stages=("used",) if rate is None else
                     ("wire", "used", "call"), state=state, drift=drift, **more)
    if load.get("kind") == "flood":
        one.update(duplicated=None, reordered=None)
    return run(label, [one], state, **load)


def session(directory, rng, name, rounds=ROUNDS, what=None, change=None, **more):
    """One call of bench/compare. change: label -> factor on the wait, for a back-end that changed."""
    files = []
    between = rng.lognormal(0, .1)
    for number in range(1, rounds + 1):
        drift = between * rng.lognormal(0, .08)
        for label, state, load in what or list(loads()):
            distance = "mid" if number > 1 else "near"
            data = made_run(rng, label, state, load, drift * (change or {}).get(label, 1.0),
                            distance=distance)
            files.append(file_name(number, data))
            write(directory, files[-1], data)
    write(directory, "compare.json", compare(name, files, **more))
    return files


def bad_runs(directory, rng):
    """What does not count, each in its own way, as further files of that session."""
    load = {"rate": 50000.0}
    ended = made_run(rng, "txringd timer,delay=150us", "idle", load)
    ended.update(complete=False, incomplete="the back-end closed the connection")
    empty = run("qemu timer", [], rate=50000.0)
    empty.update(complete=False, incomplete="interrupted")
    failed = made_run(rng, "qemu bh", "idle", load)
    failed.update(failed="the machine was busy: the driver waited 3 % of the time for its CPU")
    failed["repetitions"][0].update(lost=3)
    again = made_run(rng, "qemu bh", "idle", load)
    nulls = made_run(rng, "dpdk tap", "idle", load)
    nulls["repetitions"][0].update(
        generator=None, stages={}, notifications=None, ring_fill=None, syscalls=None, cost=None,
        company=None, noise=None, timeline=None, lost=None, duplicated=None, reordered=None)
    nulls["target"].update(features=None, command=None, pid=None)
    files = [file_name(1, ended), file_name(1, empty), file_name(1, failed), file_name(1, again, 2),
             file_name(1, nulls)]
    for name, data in zip(files, (ended, empty, failed, again, nulls)):
        write(directory, name, data)
    return files


def main(directory):
    rng = np.random.default_rng(4)
    for n in range(SESSIONS):
        where, name = os.path.join(directory, f"session{n + 1}"), f"2026-01-2{n}T12:00:00Z"
        files = session(where, rng, name)
        if n == 0:
            bad = bad_runs(where, rng)
            write(where, "compare.json", compare(
                name, files + bad, complete=False, retries=[[bad[2], "the machine was busy"]],
                skipped=[["vhost-net:tap", "there is no /dev/vhost-net"]]))
    other = made_run(rng, "txringd iothread", "idle", {"rate": 1000.0}, distance="far")
    other["host"].update(kernel="5.10.0-other", cpu="Another CPU")
    write(directory, "other-host.json", other)


if __name__ == "__main__":
    main(sys.argv[1])
