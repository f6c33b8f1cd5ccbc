#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/study on results of known figures: what its tables say, what a document gets of them, a packed
session. Figures are computed here a second time, Student's t by integration. It measures nothing.

usage: study_test.py STUDY
"""
import contextlib
import io
import json
import lzma
import math
import os
import re
import sys
import tempfile
import types

sys.dont_write_bytecode = True
import synthetic
from compare_test import load
from student import mean_of, squared_error, student_t

FRAMES = 1000
WAKE_NS, LATE_NS, KICK_NS = 20032, 30080, 2000  # middles of buckets
OURS, TIMER, BH, QTIMER = "txringd iothread", "txringd timer", "qemu bh", "qemu timer"
SHARED = 0.3  # of the interrupts, beside the back-end's own CPU

# (label, state, rate): the wait in us and the back-end's CPU in us a frame, of each session's only round.
MADE = {
    (OURS, "idle", 1000): ((30, 20), (31, 21), (32, 20.5)),
    (TIMER, "idle", 1000): ((200, 40), (204, 41), (208, 42.5)),
    (BH, "idle", 1000): ((30, 19), (34, 23), (32, 20.5)),
    (QTIMER, "idle", 1000): ((210, 41), (220, 43), (212, 40)),
    (OURS, "idle", 10000): ((20, 10), (21, 10.2), (22, 10.1)),
    (TIMER, "idle", 10000): ((120, 5), (121, 5.2), (125, 5.1)),
    (OURS, "neighbour", 1000): ((10, 12), (11, 13), (10, 12.5)),
    (TIMER, "neighbour", 1000): ((160, 30), (165, 31), (163, 33)),
}
DELAYED = {25: ((75, 25), (77, 26), (76, 25.5)), 500: ((520, 15), (530, 14.5), (525, 15.2))}
LOST = 0.04  # of its CPU, by the neighbour
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def near(what, got, wanted, word="", n=""):
    """A quantile lies within a bucket; its interval is for stats_test.py."""
    found = re.fullmatch(r"(?:x|\+)?([0-9.,]+)((?: [a-z?]+)*)(?: \[.*\])?((?: n=[0-9]+)?)", got or "")
    expect(found and abs(float(found[1].replace(",", "")) / wanted - 1) < 0.02 and
           found[2].strip() == word and found[3].strip() == n,
           f"{what}: '{got}' instead of {wanted:.2f} {word} {n}")


def same(what, got, wanted):
    expect(got == wanted, f"{what}: '{got}' instead of '{wanted}'")


# The figures once more.

def form(value, sign=""):
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{sign},.{digits}f"


def told(values, log, sign="", before="", word=""):
    """Mean with its interval: geometric, or arithmetic."""
    parts = [math.log(v) for v in values] if log else values
    half = student_t(len(parts) - 1) * math.sqrt(squared_error(parts))
    mean, low, high = (mean_of(parts) + side for side in (0, -half, half))
    if log:
        mean, low, high = map(math.exp, (mean, low, high))
    f = ".2f" if before else form(mean, sign)
    return f"{before}{mean:{f}}{word} [{low:{f}}..{high:{f}}]"


def total(cpu, kicks=0.95):
    """Of a back-end that takes cpu a frame."""
    return cpu * (1 + SHARED) + kicks * KICK_NS / 1e3


def of(which, label, rate, state="idle"):
    return [pair[which] for pair in MADE[label, state, rate]]


def totals(label, rate, state="idle"):
    return [total(cpu) for cpu in of(1, label, rate, state)]


def ratios(a, b):
    return [x / y for x, y in zip(a, b)]


# Sessions as bench/study leaves them.

def histogram(ns):
    return {"n": FRAMES, "min_ns": ns, "max_ns": ns, "sum_ns": ns * FRAMES, "buckets": [[ns, FRAMES]]}


def repetition(wait_us, cpu_us, state="idle", distance="mid"):
    own = int(cpu_us * 1e3 * FRAMES)
    return {"ns": 10 ** 9, "frames": FRAMES, "bytes": 64 * FRAMES, "lost": 0, "duplicated": 0,
            "reordered": 0, "generator": {"late": histogram(100), "waited_ns": 0, "wall_ns": 10 ** 9},
            "stages": {"wire": histogram(int(wait_us * 1e3))},
            "notifications": {"kicks": 950, "forced_kicks": 0, "calls": 500},
            "ring_fill": {"n": 950, "sum": 1000}, "syscalls": None,
            "cost": {"observed": False, "ns": 10 ** 9, "wall_ns": 10 ** 9, "frames": FRAMES, "kicks": 950,
                     "backend_ns": own, "driver_ns": 10 ** 9, "kick_ns": 950 * KICK_NS,
                     "busy_ns": int(own * (1 + SHARED)), "busy_from": "idle"},
            "company": {"lost_ns": int(LOST * 1e9), "wall_ns": 10 ** 9, "times": 9}
            if state == "neighbour" else None,
            "noise": {"c2c_ns": [100, 100], "class": distance, "wake_up": histogram(WAKE_NS),
                      "timer": histogram(LATE_NS), "steal_share": 0, "backend_waited_share": 0},
            "timeline": {"bin_ns": 1, "frames": [1], "p50_ns": [1], "max_ns": [1]}}


def session(top, number):
    out, files = os.path.join(top, f"session{number}"), []
    busy = synthetic.run(QTIMER, [repetition(999, 999)], rate=1000.0)
    busy.update(failed="the machine was busy: the driver waited 3 % of the time for its CPU")
    runs = [(busy, 1)] if number == 0 else []
    runs += [(synthetic.run(label, [repetition(*pairs[number], state)], state, rate=float(rate)),
              1 + (number == 0 and label == QTIMER)) for (label, state, rate), pairs in MADE.items()]
    runs += [(synthetic.run(f"{TIMER},delay={us}us", [repetition(*pairs[number])], rate=1000.0), 1)
             for us, pairs in DELAYED.items()]
    for data, attempt in runs:
        if number == 2:
            data["host"]["cpu"] = "Another CPU"
        files.append(synthetic.file_name(1, data, attempt))
        synthetic.write(out, files[-1], data)
    synthetic.write(out, "compare.json", synthetic.compare(
        f"session {number}", files, command=["study", "--rounds", "1"], seconds=240, seed=number,
        load_average=[0.1, 0.3], retries=[["x", "busy"]] if number == 0 else [],
        skipped=[["dpdk:tap", "needs dpdk-testpmd"]],
        counters={synthetic.file_name(1, runs[-3 - len(DELAYED)][0]): {"frames": 3000, "runs": 1500}}))
    return out


# Reading what it says.

def study(*args):
    """In this process: numpy and scipy take a second to load."""
    sys.argv = ["study", *args]
    text, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(err):
        status = STUDY.runner.main(STUDY.main, STUDY.parse)
    return types.SimpleNamespace(returncode=status, stdout=text.getvalue(), stderr=err.getvalue())


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


# Tests.

def test_figures(blocks):
    """Of several sessions the session is the unit, also of several machines."""
    got = row(blocks["cost"], "idle, 1,000/s")
    for label in (OURS, TIMER, BH, QTIMER):
        same(f"cost of {label}", got[label], told(totals(label, 1000), True))
    same("rounds", got["n"], "3")
    same("not measured", got["ceiling"], "-")
    got = row(blocks["backend"], "idle, 10,000/s")
    same("back-end's CPU", got[TIMER], told(of(1, TIMER, 10000), True))
    same("kicks", row(blocks["kicks"], "idle, 1,000/s")[BH], "0.950")
    same("price of a kick", row(blocks["kick-cost"], "idle, 1,000/s")[BH], "2.00")
    # The pooled median of three rounds with one wait each is the middle one.
    near("p50", row(blocks["p50"], "idle, 1,000/s")[TIMER], 204)
    got = row(blocks["thousand"], TIMER)
    same("asleep", got["asleep, %"].split()[0],
         f"{math.exp(mean_of([math.log(100 * (1 - cpu / 1e3)) for cpu in of(1, TIMER, 1000)])):.1f}")
    same("neighbour", row(blocks["neighbour"], "1,000/s")[OURS], "4.00")
    same("no flood", blocks["flood"].count("\n"), 2)


def test_comparisons(blocks):
    """By sessions: differences of waits, ratios of costs, and what may be said of them."""
    got = row(blocks["added"], "idle, 1,000/s")
    near("added", got[f"{TIMER} : {OURS}"], 204 - 31, "more", "n=3")
    got = row(blocks["cost-ratio"], "idle, 1,000/s")
    same("dearer", got[f"{TIMER} : {OURS}"],
         told(ratios(totals(TIMER, 1000), totals(OURS, 1000)), True, before="x", word=" more") + " n=3")
    got = row(blocks["cost-ratio"], "idle, 10,000/s")
    same("cheaper", got[f"{TIMER} : {OURS}"],
         told(ratios(totals(TIMER, 10000), totals(OURS, 10000)), True, before="x", word=" less") + " n=3")
    same("one is missing", got[f"{QTIMER} : {BH}"], "-")
    got = row(blocks["ours-p50"], "idle, 1,000/s")
    near("not told apart", got[f"{OURS} : {BH}"], 31 / 32, "?", "n=3")


def test_words(blocks):
    """The answer; what was run, what does not count and why."""
    logs = [mean_of([math.log(r) for r in ratios(totals(TIMER, rate), totals(OURS, rate))])
            for rate in (1000, 10000)]
    rate = math.exp(math.log(1000) + math.log(10) * logs[0] / (logs[0] - logs[1]))
    same("break-even", row(blocks["break-even"], "idle")[f"{TIMER} : {OURS}"].split()[0], f"{rate:,.0f}")
    same("no break-even", row(blocks["break-even"], "neighbour")[f"{TIMER} : {OURS}"], "not measured")
    dear, cheap = (f"(x{math.exp(value):.2f})" for value in logs)
    for words in (f"- **idle**, {TIMER} against {OURS}, by", f"more at 1,000 {dear}; less at 10,000 {cheap}",
                  f"break-even: {rate:,.0f} ", "- **neighbour**"):
        expect(words in blocks["answer"], f"no word of '{words}' in:\n{blocks['answer']}")
    n = 3 * (len(MADE) + len(DELAYED)) + 1
    for words in ("- Synthetic CPU, 2 CPUs, Linux 6.1.0, hypervisor kvm: session session 0, session 1\n"
                  "- Another CPU, ", "hypervisor kvm: session session 2\n- ",
                  "3 sessions of up to 1 rounds; states idle, neighbour; a run: 2 s watched, then 1 s "
                  "unwatched", "session session 0: `study --rounds 1`, 4 minutes, seed 0, load of the "
                  "machine 0.1..0.3, 1 runs tried again", f"{n} runs, {n - 1} count; the CPUs' distance: "
                  f"mid {n - 1}", "- 1 run does not count: the machine was busy (qemu timer",
                  "- without dpdk:tap: needs dpdk-testpmd\n"):
        expect(words in blocks["run"], f"no word of '{words}' in:\n{blocks['run']}")


def test_page(page):
    """What is published: the answer says of a rate what the table of all rates says of it."""
    with open(page, encoding="utf-8") as file:
        blocks = dict(re.findall(r"<!-- bench/study begin ([a-z0-9-]+) -->\n(.*?)<!-- end -->", file.read(), re.S))
    words = {"more": "more", "less": "less", "same": "same", "?": "not told apart", "few": "too few pairs"}
    compared = 0
    for state, pair, costs in re.findall(r"- \*\*(\w+)\*\*, (.+), by .*Total cost of a frame: (.*); break-even",
                                         blocks["answer"]):
        for verdict, rates in re.findall(r"([a-z ]+) at ([^;]*)", costs):
            for rate in re.findall(r"([0-9,]+) \(x", rates):
                cell = row(blocks["cost-ratio"], f"{state}, {rate}/s")[pair.replace(" against ", " : ")]
                same(f"verdict of {state}, {pair}, {rate}/s", words[cell.split()[1]], verdict.strip())
                compared += 1
    expect(compared >= 20, f"the answer names {compared} rates")


def test_model(blocks):
    got = row(blocks["model"], f"idle, 1,000/s, {TIMER}")
    wait = WAKE_NS + 150e3 + LATE_NS
    p50, kicks = min(wait, (1e6 + wait) / 2) / 1e3, 1e6 / (1e6 + wait)
    same("p50 of the model", got["p50 expected, us"], f"{p50:.0f}")
    same("kicks of the model", got["kicks a frame expected"], f"{kicks:.3f}")
    same("its error", got["expected : measured"],
         told([p50 / w for w in of(0, TIMER, 1000)], True, before="x"))
    near("probes", row(blocks["probes"], "idle, 1,000/s")["wake-up p50, us"], 20.0)


def test_delays(blocks):
    lines = [line.split(" | ")[1] for line in blocks["delay"].splitlines()[2:]]
    same("order of delays", lines, ["iothread", "timer, 25 us", "timer, 150 us", "timer, 500 us",
                                    "iothread", "timer, 150 us"])
    got = row(blocks["delay"], "1,000", "timer, 500 us")
    same("against iothread", got["cost against iothread"].replace(" less", "").replace(" ?", ""),
         told(ratios([total(cpu) for _, cpu in DELAYED[500]], totals(OURS, 1000)), True, before="x"))


def test_pack(tops, blocks):
    """One file says the same as the folder, without timelines."""
    files = [os.path.join(SCRATCH, f"{n}.json.xz") for n in range(len(tops))]
    for file, top in zip(files, tops):
        done = study("--pack", file, top)
        expect(done.returncode == 0 and not done.stderr, f"--pack: {done.stderr}")
    with lzma.open(files[0], "rt") as file:
        data = json.load(file)
    expect(all(r["timeline"] is None for run in data["runs"].values() for r in run["repetitions"]),
           "a timeline is packed")
    same("packed sessions", tables(*files), blocks)


def marked(*names):
    return "".join(f"Before {name}.\n\n<!-- bench/study begin {name} -->\nold\n<!-- end -->\n\n"
                   for name in names) + "The end.\n"


def test_update(tops, blocks, document):
    with open(document, "w", encoding="utf-8") as file:
        file.write(marked("p50", "run", "cost-ratio"))
    wanted = marked("p50", "run", "cost-ratio")
    for name in ("p50", "run", "cost-ratio"):
        wanted = wanted.replace(f"begin {name} -->\nold\n", f"begin {name} -->\n{blocks[name]}")
    for times in ("once", "twice"):
        done = study("--update", document, *tops)
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
    refused("a document and no folder", "--update", "--update", document)
    refused("no folder", "No such file", "--tables", os.path.join(top, "gone"))
    refused("a session that is none", "No such file", "--pack", document + ".xz", SCRATCH)
    empty = os.path.join(SCRATCH, "empty")
    os.mkdir(empty)
    refused("a folder of something else", "no result", "--tables", empty)
    refused("no rounds", "'0'", "--rounds", "0", "-o", empty)
    # A row does not become dashes because one of its files is broken.
    with open(os.path.join(top, "r9.json"), "w", encoding="utf-8") as file:
        file.write('{"schema": "txbench-2", ')
    refused("a broken result", "r9.json", "--tables", top)


def refused(what, words, *args):
    done = study(*args)
    expect(done.returncode == 1 and done.stderr.count("\n") == 1 and words in done.stderr and
           done.stderr.startswith("study: ") and not done.stdout,
           f"{what}: status {done.returncode}, says: {done.stdout}{done.stderr}")


def main():
    top, document = os.path.join(SCRATCH, "study"), os.path.join(SCRATCH, "document.md")
    tops = [session(top, number) for number in range(3)]
    blocks = tables(top)
    test_figures(blocks)
    test_comparisons(blocks)
    test_page(PAGE)
    test_words(blocks)
    test_model(blocks)
    test_delays(blocks)
    test_pack(tops, blocks)
    test_update(tops, blocks, document)
    test_refusals(tops[0], document)
    expect(not [name for name in os.listdir(SCRATCH) if name.endswith(".new")], "it leaves a file")
    return 1 if failures else 0


if __name__ == "__main__":
    STUDY = load("study", sys.argv[1])
    PAGE = os.path.join(os.path.dirname(os.path.realpath(sys.argv[1])), "../docs/iothread-vs-timer.md")
    with tempfile.TemporaryDirectory() as SCRATCH:
        sys.exit(main())
