#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/compare and bench/peers' runner.py and testpmd.py without a back-end: the plan, retries, what is printed
of made-up results, --fail-if. tests/interop/txbench-peers.py starts back-ends.

usage: compare_test.py COMPARE
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import json
import math
import os
import sys
import tempfile
import types

sys.dont_write_bytecode = True
import numpy as np
import synthetic
from student import mean_of, squared_error, student_t

failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def load(name, path):
    """A program as a module."""
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


# The plan.

PEERS = ["txringd:iothread", "txringd:timer,delay=25us", "qemu:bh", "ceiling"]


def blocks_of(jobs):
    """Runs of jobs under one load, in one state, as they follow each other."""
    out = []
    for job in jobs:
        place = job.round, job.load, job.size, job.state
        if not out or out[-1][0] != place:
            out.append((place, []))
        out[-1][1].append(job.peer)
    return out


def test_plan(runner):
    loads, states = ["poisson:1000", "flood"], ["idle", "neighbour"]
    made = [runner.plan(PEERS, loads, ["64", "imix"], states, 5, seed) for seed in (1, 1, 2)]
    expect(made[0] == made[1] and made[0] != made[2], "the seed, and it alone, makes the order")
    blocks = blocks_of(made[0])
    places = {place for place, _ in blocks}
    expect(len(blocks) == len(places) == 5 * 2 * 2 * 2, "each load of a round once, in one piece")
    expect(all(sorted(peers) == sorted(PEERS) for _, peers in blocks), "each back-end once in each")
    expect(len({tuple(peers) for _, peers in blocks}) > 10, "in many orders")
    expect([place[0] for place, _ in blocks] == sorted(place[0] for place, _ in blocks),
           "one round after the other")
    files = [job.file for job in made[0]]
    expect(len(set(files)) == len(files) and
           "r05_txringd_timer_delay=25us_poisson_1000_64_idle.json" in files, f"files: {files[:3]}")
    few = runner.plan(PEERS, loads, ["64"], ["idle"], 1, 1, lambda peer, load, *_:
                      peer != "ceiling" or load == "flood")
    expect(sorted(job.load for job in few if job.peer == "ceiling") == ["flood"], "not taken")
    expect(runner.split_peers("txringd:timer,delay=1ms,burst=2,ceiling,qemu:bh,pit=on") ==
           ["txringd:timer,delay=1ms,burst=2", "ceiling", "qemu:bh,pit=on"], "peers with commas")


# Retries: a session whose runs are made up.

GONE = "txbench left no result"


class Peer:
    def __init__(self, spec):
        self.spec, self.stopped = spec, False

    def stop(self):
        self.stopped = True


def make_session(runner, out, fates, **more):
    """fates: by peer, what its tries say: None, why it is worth another, or a Failure."""
    class Session(runner.Session):
        def measure(self, job, options):
            fate = fates[job.peer].pop(0) if fates.get(job.peer) else None
            if isinstance(fate, Exception):
                raise fate
            if fate != GONE:
                self.data["files"].append(job.file)
            return fate
    peers = {spec: Peer(spec) for spec in PEERS}
    return Session(out, "txbench", peers, 1, 0, baseline=PEERS[2], **more)


def test_retries(runner, out):
    busy = "the machine was busy: the driver waited 3 % of the time for its CPU"
    session = make_session(runner, out, {PEERS[0]: [busy], PEERS[1]: [busy, busy, busy]})
    session.run(runner.plan(PEERS, ["flood"], ["64"], ["idle"], 1, 1), lambda job: [])
    session.__exit__()
    with open(os.path.join(out, "compare.json"), encoding="utf-8") as file:
        data = json.load(file)
    first, second = (f"r01_{name}_flood_64_idle" for name in ("txringd_iothread", "txringd_timer_delay=25us"))
    expect(sorted(data["files"]) == sorted(
        [f"{first}.json", f"{first}_t2.json", f"{second}.json", f"{second}_t2.json",
         "r01_qemu_bh_flood_64_idle.json", "r01_ceiling_flood_64_idle.json"]), f"{data['files']}")
    expect(sorted(data["retries"]) == [[f"{first}.json", busy], [f"{second}.json", busy]],
           f"retries: {data['retries']}")
    expect(data["complete"] and data["schema"] == "txbench-compare-2" and len(data["plan"]) == 4,
           f"compare.json: {data}")
    expect(all(p.stopped for p in session.peers.values()), "a back-end is left")


def test_no_result(runner, out):
    """Of one that ran before: said, and the others go on. Of one that never did: the end of it."""
    jobs = runner.plan(PEERS, ["flood"], ["64"], ["idle"], 2, 1)
    for fates, status in (([None, GONE, GONE], 0), ([GONE, GONE], 1)):
        session, said = make_session(runner, out, {PEERS[0]: fates}), io.StringIO()
        with contextlib.redirect_stderr(said):
            session.run(jobs, lambda job: [])
        lost = session.data["no_result"]
        expect(session.status == status, f"status {session.status}: {said.getvalue()}")
        if status:
            expect(said.getvalue().count("\n") == 1 and GONE in said.getvalue(), said.getvalue())
        else:
            expect(lost == [["r02_txringd_iothread_flood_64_idle_t2.json", GONE]] and
                   len(session.data["files"]) == 7, f"lost: {lost}")


def test_absent(runner, out):
    """One that does not come up: skipped if it is of the default set, else the end."""
    for named in (False, True):
        gone = runner.Failure("qemu:bh: no socket: it said nothing")
        session = make_session(runner, out, {PEERS[2]: [gone]}, named=named)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            session.run(runner.plan(PEERS, ["flood"], ["64"], ["idle"], 2, 1), lambda job: [])
        if named:
            expect(session.status == 1 and str(gone) in said.getvalue(), f"named: {said.getvalue()}")
        else:
            expect(session.status == 0 and session.data["skipped"] == [[PEERS[2], str(gone)]] and
                   session.data["baseline"] == PEERS[0], f"skipped: {session.data['skipped']}")
            expect(not any("qemu" in f for f in session.data["files"]), "it has a further turn")


# What is printed.

def show(module, out, *limits):
    """(status, stdout, stderr)"""
    with open(os.path.join(out, "compare.json"), encoding="utf-8") as file:
        session = types.SimpleNamespace(data=json.load(file))
    opt = types.SimpleNamespace(out=out, fail_if=[module.Limit(text) for text in limits])
    text, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(err):
        status = module.show(opt, session, module.results.Results([out]))
    return status, text.getvalue(), err.getvalue()


def cost(repetition):
    """Total cost of a frame, us, once more."""
    part = repetition["cost"]
    return (part["busy_ns"] - part["others_ns"] + part["kick_ns"]) / part["frames"] / 1e3


def interval(values):
    """Of a geometric mean: (mean, low, high)."""
    logs = [math.log(v) for v in values]
    half = student_t(len(logs) - 1) * math.sqrt(squared_error(logs))
    return [math.exp(mean_of(logs) + side) for side in (0, -half, half)]


def line_of(text, table, name):
    """The line of a row in the first table whose first line begins so."""
    return next(line for line in text[text.index(table):].splitlines() if line.startswith(name))


def test_tables(module, out):
    labels = ("qemu bh", "qemu timer", "ceiling", "txringd iothread")
    what = [(label, "idle", load) for label in labels for load in ({"rate": 1000.0}, {"kind": "flood"})]
    files = synthetic.session(out, np.random.default_rng(1), "one", rounds=4, what=what)
    costs = {}
    for name in files:
        with open(os.path.join(out, name), encoding="utf-8") as file:
            data = json.load(file)
        if data["load"]["kind"] == "poisson":
            costs.setdefault(data["label"], []).append(cost(data["repetitions"][0]))
    counters = {files[2 * labels.index("txringd iothread")]:
                {"frames": 3000, "runs": 1500, "kicks": 9, "rechecks": 150, "backend_full": 0}}
    synthetic.write(out, "compare.json", synthetic.compare(
        "one", files, baseline="qemu:bh", counters=counters, skipped=[["dpdk:tap", "needs it"]]))
    status, text, err = show(module, out)
    expect(status == 0 and not err, f"status {status}: {err}")
    paced = text[text.index("poisson 1,000/s, 64 bytes, idle"):]
    mean, low, high = interval(costs["txringd iothread"])
    expect(f"{mean:.2f} [{low:.2f}..{high:.2f}]" in line_of(paced, "total cost", "txringd iothread"),
           f"cost {mean} [{low}..{high}] in: {paced}")
    mean, low, high = interval([a / b for a, b in zip(costs["txringd iothread"], costs["qemu bh"])])
    line = line_of(paced, "against qemu bh", "txringd iothread")
    expect(f"x{mean:.2f} less [{low:.2f}..{high:.2f}]" in line and line.endswith(" 4"),
           f"ratio {mean} [{low}..{high}] in: {line}")
    line = line_of(paced, "kicks a frame", "txringd iothread")
    expect(line.split()[3:4] == ["2.00"] and "0.100" in line, f"frames a run: {line}")
    expect("frames/s" in text[text.index("flood, 64 bytes"):] and "skipped: dpdk:tap: needs it" in text,
           f"flood and skipped: {text}")
    limits(module, out)


def test_windows(path):
    """What dpdk-ring and dpdk-xdp say of their windows: each stack's ratio to DPDK, and whether that is enough."""
    windows = load("testpmd", os.path.join(os.path.dirname(path), "peers", "testpmd.py"))
    turns = [{"rates": {"txringd poll": ours * drift, "dpdk": 1e6 * drift}, "class": "mid",
              "c2c_ns": {"txringd poll": 140, "dpdk": 140}}
             for drift, ours in zip((1.0, 1.3, 0.8, 1.1), (1.21e6, 1.19e6, 1.2e6, 1.2e6))]
    row = {"turns": turns, "stalls": {"txringd poll": 0, "dpdk": 0}, "notes": {}}
    bench = types.SimpleNamespace(unit=("kpps", 1e3), targets={"tx": 1.1, "io": 1.4}, noted="")
    text = windows.tables(bench, [("one", {"tx 64": row, "io 64": row})])
    told = [line.split() for line in text[text.index("to dpdk"):].splitlines() if line[:2] in ("tx", "io")]
    expect(len(told) == 2 and all(words[2:4] == ["x1.20", "more"] for words in told), f"ratios: {text}")
    expect([words[-1] for words in told] == ["met", "missed"] and "1 met, 1 missed (0 of" in text, f"targets: {text}")


def limits(module, out):
    for limit, broken in (("wire.p99>1us", 4), ("txringd:iothread p99>1us", 2), ("p99>1s", 0), ("cpu>1ns", 8),
                          ("qemu:bh ratio p50>0.1", None), ("qemu:timer ratio wire.p50>3", 1),
                          ("ratio cpu<0.5", 3), ("frames/s<1000000", 6), ("lost>0", 0), ("batch>1.9", 1),
                          ("call.p50>1us", 4)):
        status, _, err = show(module, out, limit)
        lines = err.splitlines()
        if broken is None:
            expect(status == 1 and "no row" in err, f"{limit}: {err}")
        else:
            expect(len(lines) == broken and status == (broken > 0) and
                   all(f"--fail-if '{limit}': " in line for line in lines), f"{limit}: {err}")
    for limit in ("p99", "p99>", "p98>1us", "kicks>1us", "vpp:tap p99>1us", "p99>1ks"):
        try:
            module.Limit(limit)
            expect(False, f"--fail-if '{limit}' is taken")
        except module.Failure as e:
            expect(str(e).startswith("--fail-if '") and "\n" not in str(e), f"{limit}: {e}")


def main(path):
    module = load("compare", path)
    test_plan(module.runner)
    test_windows(path)
    with tempfile.TemporaryDirectory() as scratch:
        for test, argument in ((test_retries, module.runner), (test_absent, module.runner),
                               (test_no_result, module.runner), (test_tables, module)):
            out = os.path.join(scratch, test.__name__)
            os.mkdir(out)
            test(argument, out)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
