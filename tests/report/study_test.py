#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/study on results of known figures: what its tables say, and what a document gets of them.
Means and intervals are computed here a second time, Student's t by integration. It measures nothing.

usage: study_test.py STUDY
"""
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import synthetic
from student import mean_of, squared_error, student_t

FRAMES = 1000
WAKE_NS, TIMER_NS = 20e3, 30e3
POISSON = {"kind": "poisson", "rate": 1000.0}
LATE = "the generator was late: repetition 1: 31.0 us at p99, the limit is 10.0 us (--late-limit)"
CEILING = "no ring: wake-up, write()"
OURS, TIMER, BH, QTIMER = "txringd iothread", "txringd timer", "qemu bh", "qemu timer"

# label: p50 in us and CPU in ns a frame, of each repetition that counts.
SLOW = {OURS: ((30, 2000), (31, 2070), (32, 2100)),
        TIMER: ((200, 4000), (204, 4090), (208, 4200)),
        BH: ((30, 1900), (34, 2300), (32, 2050)),
        QTIMER: ((210, 4100),)}
FAST = {OURS: ((20, 1000), (21, 1010)), TIMER: ((120, 500), (121, 510))}
# The machine changes from round to round, for both.
MOVING = {OURS: ((10, 100), (20, 200), (30, 300)), TIMER: ((11, 90), (22, 181), (33, 268))}
SWEPT = {"iothread": ((20, 1000), (22, 1010)), "timer,delay=25us,burst=256": ((75, 700), (77, 703)),
         "timer,delay=1000us,burst=256": ((600, 950), (603, 1040))}
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


# The figures once more.

def cell(values, digits):
    half = student_t(len(values) - 1) * math.sqrt(squared_error(values))
    mean = mean_of(values)
    return (f"{mean:,.{digits}f} [{max(mean - half, 0):,.{digits}f}.."
            f"{mean + half:,.{digits}f}]")


def added(a, b):
    """Round by round."""
    parts = [x - y for x, y in zip(a, b)]
    mean, half = mean_of(parts), student_t(len(parts) - 1) * math.sqrt(squared_error(parts))
    return f"{mean:+,.1f} [{mean - half:+,.1f}..{mean + half:+,.1f}]"


def ratio(a, b):
    logs = [math.log(x / y) for x, y in zip(a, b)]
    mean, half = mean_of(logs), student_t(len(logs) - 1) * math.sqrt(squared_error(logs))
    return (f"x{math.exp(mean):.2f} [{math.exp(mean - half):.2f}.."
            f"{math.exp(mean + half):.2f}]")


def of(measured, label, which):
    return [pair[which] for pair in measured[label]]


# A folder as bench/study leaves it.

def repetition(p50_us, cpu_ns, distance="mid", stage="wire"):
    ns = p50_us * 1e3
    values = {"n": FRAMES, "min_ns": ns / 2, "p50_ns": ns, "p90_ns": ns, "p99_ns": 2 * ns,
              "p999_ns": 3 * ns, "p9999_ns": None, "max_ns": 4 * ns, "mean_ns": ns, "buckets": []}
    late = {"p99_ns": 1e5, "p999_ns": None}
    return {"ns": 10 ** 9, "frames": FRAMES, "bytes": 64 * FRAMES, "frames_per_s": 1e3,
            "bytes_per_s": 64e3, "lost": 0, "duplicated": 0, "reordered": 0,
            "generator": {"late_p99_ns": 3000}, "stages": {stage: values},
            "notifications": {"kicks": 950, "forced_kicks": 0, "calls": 500}, "syscalls": None,
            "cpu_ns": {"driver": 10 ** 9, "backend": cpu_ns * FRAMES, "backend_user": None,
                       "backend_kernel": None, "softirq": 0},
            "noise": {"c2c_ns": [100, 100], "class": distance,
                      "wake_up": {"p50_ns": WAKE_NS, **late},
                      "timer": {"p50_ns": TIMER_NS, **late}, "steal_share": 0,
                      "backend_waited_share": 0},
            "timeline": None}


class Folder:
    """A part: result files, and what stands beside them."""

    def __init__(self, top, name):
        self.path, self.files, self.sweep = os.path.join(top, name), [], name == "delay"
        os.mkdir(self.path)

    def run(self, label, made, why=None, incomplete=None, n=0, **load):
        """n: the round, which the name tells."""
        data = synthetic.run(label, [made] if made else [], **{**POISSON, **load})
        data.update(failed=why, complete=incomplete is None, incomplete=incomplete)
        name = f"{label}-{len(self.files)}-{n}" if self.sweep else f"r{n}_{len(self.files)}"
        self.files.append(name + ".json")
        synthetic.write(self.path, self.files[-1].removesuffix(".json"), data)

    def measured(self, measured, prefix="", **load):
        for label, pairs in measured.items():
            for n, pair in enumerate(pairs):
                self.run(prefix + label, repetition(*pair), n=n, **load)

    def end(self, schema, **more):
        name = schema.split("-")[1]
        synthetic.write(self.path, name, {"schema": schema, "complete": True, "cells": [],
                                          "files": self.files, **more})


def make(top, count_late=False):
    os.mkdir(top)
    rate = Folder(top, "rate")
    rate.measured(SLOW)
    rate.measured(FAST, rate=10000.0)
    rate.measured(MOVING, rate=50000.0)
    # None of these counts in the row: another class, CPUs that moved, late, ended early.
    rate.run(TIMER, repetition(999, 99999, "far"))
    rate.run(BH, repetition(999, 99999, "mixed"))
    for _ in range(3):
        rate.run(CEILING, repetition(5, 600, "far"))
    rate.run(QTIMER, repetition(214, 4300), why=LATE, n=1)
    rate.run(QTIMER, repetition(999, 99999), incomplete="the back-end hung up, with 3 frames")
    rate.run(QTIMER, None, incomplete="interrupted")
    rate.measured({OURS: ((9, 700), (9, 720))}, kind="flood", rate=None)
    rate.end("txbench-compare-1", skipped=[["dpdk:tap", "needs dpdk-testpmd"]])
    delay = Folder(top, "delay")
    delay.measured(SWEPT, prefix="txringd ")
    for _ in range(2):
        delay.run("txringd timer,delay=500us,burst=256", repetition(300, 9), why=LATE)
    delay.end("txbench-sweep-1", started="2026-01-31T12:00:00Z", command=["bench/sweep"])
    Folder(top, "limit").end("txbench-sweep-1", started="x", command=[])  # ended at once
    part = {"status": 0, "load_before": 0.1, "load_after": 0.3, "seconds": 80}
    with open(os.path.join(top, "study.info"), "w", encoding="utf-8") as file:
        json.dump({"command": ["bench/study", "--rounds", "3"], "quick": False, "rounds": 3,
                   "seconds": 0.5, "count_late": count_late, "started": "2026-01-31 12:00 UTC",
                   "parts": [{"name": name, **part} for name in ("rate", "delay", "limit")]}, file)


# Reading what it says.

def study(*args):
    return subprocess.run([sys.executable, STUDY, *args], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)


def tables(*args):
    """Its blocks by name."""
    done = study("--tables", *args)
    expect(done.returncode == 0 and not done.stderr, f"--tables: {done.returncode} {done.stderr}")
    parts = re.split(r"^## ([a-z0-9-]+)\n\n", done.stdout, flags=re.M)
    return dict(zip(parts[1::2], (text[:-1] for text in parts[2::2])))


def row(text, *begin):
    """The cells of the table's only line that begins with these, by column; a name that two
    columns have is kept of the first."""
    lines = [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]
    found = [cells for cells in lines if cells[:len(begin)] == list(begin)]
    if len(found) != 1:
        expect(False, f"{len(found)} lines of {begin} in:\n{text}")
        return dict.fromkeys(lines[0] if lines else ())
    got = {}
    for name, value in zip(lines[0], found[0]):
        got.setdefault(name, value)
    return got


def same(what, got, wanted):
    expect(got == wanted, f"{what}: '{got}' instead of '{wanted}'")


# Tests.

def test_figures(blocks):
    """Mean and interval of the repetitions that count, all of them of one class."""
    for block, which, digits in (("p50", 0, 1), ("cpu", 1, 0)):
        got = row(blocks[block], "poisson 1,000")
        for label in (OURS, TIMER, BH):
            same(f"{block} of {label}", got[label], cell(of(SLOW, label, which), digits))
        same(f"{block}, one repetition", got[QTIMER], f"{SLOW[QTIMER][0][which]:,.{digits}f}")
        same(f"{block}, skipped", got["dpdk tap"], "-")
        same(f"{block}, another class", got["wake-up, write()"], "-")
        same(f"{block}, repetitions", got["n, class"], "1 to 3, mid")
    got = row(blocks["p50"], "poisson 10,000")
    same("two repetitions", got[OURS], cell(of(FAST, OURS, 0), 1))
    same("not measured", got[BH], "-")
    same("p99", row(blocks["p99"], "poisson 10,000")[TIMER],
         cell([2 * v for v in of(FAST, TIMER, 0)], 1))
    # No spread, no interval.
    same("kicks", row(blocks["kicks"], "poisson 1,000")[OURS], "0.950")
    same("flood", row(blocks["flood"], "64 bytes", OURS)["CPU, ns a frame"],
         cell([700, 720], 0))
    same("a part that was not measured", blocks["burst-p50"].count("\n"), 2)
    same("a part that was ended at once", blocks["limit-256"].count("\n"), 2)


def test_comparisons(blocks):
    """Round by round: a difference is one whose interval does not hold 0, or 1 of a ratio."""
    got = row(blocks["added"], "poisson 1,000")
    p50 = {label: of(SLOW, label, 0) for label in SLOW}
    same("apart", got[f"{TIMER} : {OURS}"], added(p50[TIMER], p50[OURS]))
    same("overlapping", got[f"{OURS} : {BH}"], f"noise ({added(p50[OURS], p50[BH])})")
    same("no interval", got[f"{TIMER} : {QTIMER}"], "-10.0 (one round)")
    got = row(blocks["cpu-ratio"], "poisson 1,000")
    cpu = {label: of(SLOW, label, 1) for label in SLOW}
    same("ratio", got[f"{TIMER} : {OURS}"], ratio(cpu[TIMER], cpu[OURS]))
    same("ratio that is noise", got[f"{OURS} : {BH}"], f"noise ({ratio(cpu[OURS], cpu[BH])})")
    same("one is missing", row(blocks["cpu-ratio"], "poisson 10,000")[f"{OURS} : {BH}"], "-")
    # Their own intervals overlap by far.
    same("a machine that moves", row(blocks["cpu-ratio"], "poisson 50,000")[f"{TIMER} : {OURS}"],
         ratio(of(MOVING, TIMER, 1), of(MOVING, OURS, 1)))
    answer = blocks["answer"]
    x, y, z = (ratio(of(what, TIMER, 1), of(what, OURS, 1)).split()[0]
               for what in (SLOW, FAST, MOVING))
    expect(f"txringd **more at 1,000 ({x}); less at 10,000 ({y}), 50,000 ({z})**" in answer and
           "QEMU **not known (one round) at 1,000 (x" in answer and
           "p50 no difference beyond noise at 1,000" in answer, f"the answer is: {answer}")


def test_sweep(blocks):
    text = blocks["delay-256"]
    names = [line.split(" | ")[1] for line in text.splitlines()[2:]]
    same("order of delays", names, ["iothread", "delay=25us, burst=256", "delay=500us, burst=256",
                                    "delay=1000us, burst=256"])
    base, fast, slow = (of(SWEPT, mode, 1) for mode in SWEPT)
    got = row(text, "1,000", "delay=25us, burst=256")
    same("CPU against iothread", got["CPU : iothread"], ratio(fast, base))
    same("p50", got["p50, us"], cell([75, 77], 1))
    got = row(text, "1,000", "delay=1000us, burst=256")
    same("noise", got["CPU : iothread"], f"noise ({ratio(slow, base)})")
    same("late", row(text, "1,000", "delay=500us, burst=256")["p50, us"], "the generator was late")


def test_words(blocks):
    """What was run, what does not count and why; the model; the machine."""
    run = blocks["run"]
    for words in ("`bench/study --rounds 3`, 2026-01-31 12:00 UTC, 4 minutes: 3 rounds, 0.5 s",
                  "load of the machine 0.1 to 0.3",
                  "38 runs, 33 count; class of the CPUs' distance: far 4, mid 32, mixed 1",
                  "- 3 do not count: the generator was late\n",
                  "- 1 do not count: the back-end hung up, with 3 frames\n",
                  "- 1 do not count: interrupted\n", "- without dpdk:tap: needs dpdk-testpmd\n"):
        expect(words in run, f"no word of '{words}' in:\n{run}")
    expect("settle nothing" not in run, "a study is called a trial")
    got = row(blocks["model"], "1,000")
    wait = WAKE_NS + 150e3 + TIMER_NS
    same("W", got["W, us"], f"{WAKE_NS / 1e3:.1f} + 150 + {TIMER_NS / 1e3:.1f}")
    same("p50 of the model", got["p50 expected, us"], f"{min(wait, (1e6 + wait) / 2) / 1e3:.1f}")
    same("kicks of the model", got["kicks a frame expected"], f"{1e6 / (1e6 + wait):.3f}")
    same("noise", row(blocks["noise"], "far")["wake-up, p50"], "20.0 [20.0..20.0]")


def test_trial(top):
    """Late runs count in a trial, which says so, and not with --strict."""
    blocks = tables(top)
    same("a trial", row(blocks["p50"], "poisson 1,000")[QTIMER], cell([210, 214], 1))
    expect("In 3 runs txbench itself was late" in blocks["run"], f"no trial: {blocks['run']}")
    blocks = tables(top, "--strict")
    same("a strict trial", row(blocks["p50"], "poisson 1,000")[QTIMER], "210.0")
    expect("This was a trial" in blocks["run"], f"no strict trial: {blocks['run']}")


def marked(*names):
    return "".join(f"Before {name}.\n\n<!-- bench/study begin {name} -->\nold\n<!-- end -->\n\n"
                   for name in names) + "The end.\n"


def test_update(top, blocks, document):
    with open(document, "w", encoding="utf-8") as file:
        file.write(marked("p50", "run", "cpu-ratio"))
    wanted = marked("p50", "run", "cpu-ratio")
    for name in ("p50", "run", "cpu-ratio"):
        wanted = wanted.replace(f"begin {name} -->\nold\n", f"begin {name} -->\n{blocks[name]}")
    for times in ("once", "twice"):
        done = study("--update", document, top)
        expect(done.returncode == 0 and not done.stderr, f"--update: {done.stderr}")
        with open(document, encoding="utf-8") as file:
            same(f"a document updated {times}", file.read(), wanted)


def test_refusals(top, document):
    """One line, status 1, and the document as it was."""
    begin = "<!-- bench/study begin "
    for what, text, words in (
            ("no block", "Nothing.\n", "no block"),
            ("an unknown block", marked("p50", "p51"), "'p51'"),
            ("a block without end", marked("p50") + begin + "run -->\nold\n", "end"),
            ("the first without end", begin + "run -->\nold\n" + marked("p50"), "end"),
            ("a marker that is none", marked("p50") + begin + "Burst_p50 -->\nold\n<!-- end -->\n",
             "Burst_p50")):
        with open(document, "w", encoding="utf-8") as file:
            file.write(text)
        refused(what, words, "--update", document, top)
        with open(document, encoding="utf-8") as file:
            same(f"the document with {what}", file.read(), text)
    with open(document, "wb") as file:
        file.write(b"\xff\xfe")
    refused("a document that is no text", "document", "--update", document, top)
    refused("no document", "No such file", "--update", document + ".gone", top)
    refused("no folder", "No such file", "--tables", os.path.join(top, "gone"))
    empty = os.path.join(SCRATCH, "empty")
    os.mkdir(empty)
    refused("a folder of something else", "study.info", "--tables", empty)
    shutil.copy(os.path.join(top, "study.info"), empty)
    refused("no result", "no result", "--tables", empty)
    with open(os.path.join(empty, "study.info"), "w", encoding="utf-8") as file:
        file.write("[]")
    refused("another study.info", "holds no study", "--tables", empty)
    # A part does not become dashes because one of its files is broken.
    with open(os.path.join(top, "delay", "r9.json"), "w", encoding="utf-8") as file:
        file.write('{"schema": "txbench-1", ')
    refused("a broken result", "r9.json", "--tables", top)


def refused(what, words, *args):
    done = study(*args)
    expect(done.returncode == 1 and done.stderr.count("\n") == 1 and words in done.stderr and
           done.stderr.startswith("study: ") and not done.stdout,
           f"{what}: status {done.returncode}, says: {done.stdout}{done.stderr}")


def main():
    top, trial = os.path.join(SCRATCH, "study"), os.path.join(SCRATCH, "trial")
    document = os.path.join(SCRATCH, "document.md")
    make(top)
    make(trial, count_late=True)
    blocks = tables(top)
    test_figures(blocks)
    test_comparisons(blocks)
    test_sweep(blocks)
    test_words(blocks)
    test_trial(trial)
    test_update(top, blocks, document)
    test_refusals(top, document)
    expect(not [name for name in os.listdir(SCRATCH) if name.endswith(".new")], "it leaves a file")
    return 1 if failures else 0


if __name__ == "__main__":
    STUDY = sys.argv[1]
    with tempfile.TemporaryDirectory() as SCRATCH:
        sys.exit(main())
