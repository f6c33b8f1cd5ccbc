#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""txbench show, diff and history on made-up results whose truth is known.

usage: tools_test.py TXBENCH_FOLDER     (bench/txbench)
"""
import os
import re
import subprocess
import sys
import tempfile

try:
    import numpy
    import scipy
except ModuleNotFoundError as error:
    print(f"skipped: needs python3 with {error.name} (tools/setup installs it)")
    sys.exit(77)

sys.dont_write_bytecode = True
import synthetic

IOTHREAD, TIMER = "txringd iothread", "txringd timer,delay=150us"
LOAD = [(label, "idle", load) for label in (IOTHREAD, TIMER) for load in ({"rate": 1000.0},
                                                                          {"kind": "flood"})]
failures = []


def expect(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}")


def run(program, *args):
    return subprocess.run([sys.executable, os.path.join(TXBENCH, program + ".py"), *args],
                          capture_output=True, text=True, check=False)


def folder(name, seed=1, commit=None, started=None, change=None, session=None):
    """A session of its own; change: what became slower."""
    keep, synthetic.HOST["commit"] = synthetic.HOST["commit"], commit or synthetic.HOST["commit"]
    where = os.path.join(SCRATCH, name)
    synthetic.STARTED = started or "2026-01-31T12:00:00Z"
    synthetic.session(where, numpy.random.default_rng(seed), session or name, 6, LOAD, change)
    synthetic.HOST["commit"] = keep
    return where


def one(where, words):
    return os.path.join(where, next(n for n in sorted(os.listdir(where)) if words in n))


def test_show():
    """The table says what is true, and a threshold which of them broke it."""
    path = one(folder("show"), "r01_txringd_timer_delay=150us_poisson")
    done = run("show", path)
    wait, cost, kicks = synthetic.truth(TIMER, 1000.0)
    for pattern, truth, share in ((r"  wire +([\d.]+)", wait / 1e3, .6),
                                  (r"CPU us a frame +([\d.]+) =", cost / 1e3, .3),
                                  (r"kicks ([\d.]+) of 3.00 us", kicks, .02)):
        found = re.search(pattern, done.stdout)
        expect(found and abs(float(found[1]) / truth - 1) < share,
               f"show: {pattern}, truth {truth}: {done.stdout}{done.stderr}")
    parts = [float(v) for v in re.search(r"a frame +([\d.]+) = back-end ([\d.]+) \+ interrupts ([\d.]+)"
                                         r" \+ kick ([\d.]+)", done.stdout).groups()]
    expect(abs(parts[0] - sum(parts[1:])) < .03, f"show: parts that make no whole: {parts}")
    expect("lost 0, duplicated 0, reordered 0, of 2,000" in done.stdout, "show: the counts")

    for limit, status in (("p99>20us", 1), ("p99>20ms", 0), ("cpu > 1us", 1), ("lost>0", 0),
                          ("lost>=0", 1), ("frames/s<900", 0), ("used.p50<1ms", 1), ("received.p50>1s", 1),
                          ("kicks>.5", 1)):
        done = run("show", path, "--fail-if", "lost>0", "--fail-if", limit)
        expect(done.returncode == status and (f"'{limit}'" in done.stderr) == bool(status),
               f"show --fail-if '{limit}': status {done.returncode}, {done.stderr}")
    for limit in ("p98>1us", "p99", "p99>>1us", "lost>0us", "p99>1.2.3us", "wire.p1>1", "p99>1e999us"):
        done = run("show", path, "--fail-if", limit)
        expect(done.returncode == 1 and done.stderr.count("\n") == 1 and not done.stdout,
               f"show --fail-if '{limit}': status {done.returncode}, {done.stderr}")


def test_failed_run():
    """What does not count is shown, with the reason."""
    data = synthetic.made_run(numpy.random.default_rng(1), TIMER, "neighbour", {"rate": 1000.0})
    data.update(failed="3 frames lost")
    data["repetitions"][0]["lost"] = 3
    synthetic.write(SCRATCH, "failed.json", data)
    done = run("show", os.path.join(SCRATCH, "failed.json"), "--fail-if", "lost>0")
    for words in ("DOES NOT COUNT: failed: 3 frames lost", "lost 3,", "neighbour       lost "):
        expect(words in done.stdout, f"a failed run: no '{words}': {done.stdout}")
    expect(done.returncode == 1, f"a failed run: status {done.returncode}")


def plotted(text):
    """As HdrHistogram's plotter reads it: lines of four words that are numbers, without comments."""
    for line in text.splitlines():
        words = line.split()
        if not line.startswith("#") and len(words) == 4 and words[0] != "Value":
            yield [float(w) for w in words]


def test_hgrm():
    where = os.path.join(SCRATCH, "show")
    done = run("show", "--hgrm", one(where, "r01_txringd_iothread_poisson"))
    lines = list(plotted(done.stdout))
    total = re.search(r"#\[Max +=.*, Total count +=\s+(\d+)\]", done.stdout)
    expect(done.stdout.split()[:4] == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
           and total and int(total[1]) == 2000, f"hgrm: header and footer: {done.stdout[:200]}")
    expect(len(lines) > 30 and lines == sorted(lines), f"hgrm: {len(lines)} lines, or not rising")
    expect(lines[-1][1:] == [1.0, 2000.0, float("inf")], f"hgrm ends with {lines[-1]}")
    for value, share, count, inverse in lines[:-1]:
        expect(count >= share * 2000 and abs(inverse * (1 - share) - 1) < .02,
               f"hgrm: {value} {share} {count} {inverse}")
    shown = run("show", one(where, "r01_txringd_iothread_poisson")).stdout
    p50 = float(re.search(r"  wire +([\d.]+)", shown)[1])
    there = next(value for value, share, _, _ in lines if share >= .5)
    expect(abs(there / p50 - 1) < .015, f"hgrm: p50 {there}, the table {p50}")
    done = run("show", "--hgrm", "call", one(where, "r01_txringd_iothread_poisson"))
    expect(next(plotted(done.stdout))[0] > lines[0][0] + 5, "hgrm: another stage is not another one")
    for args in (("--hgrm", "received", one(where, "r01_txringd_iothread_poisson")), ("--hgrm", where)):
        done = run("show", *args)
        expect(done.returncode == 1 and done.stderr.count("\n") == 1, f"hgrm {args}: {done.stderr}")


def verdicts(text):
    """{(back-end, load, figure): verdict}"""
    return {(m[1], m[2], m[3]): m[4] for m in re.finditer(
        r"^(txringd \S+) +(\w+).*? idle +(p50|p99|CPU|frames/s).*?  (improved|regressed|no change|not told"
        r" apart|too few)", text, re.M)}


def test_diff():
    a, b = folder("a", 1), folder("b", 2, change={IOTHREAD: 2.0})
    done = run("diff", a, b, "--fail-on-regression", "50")
    told = verdicts(done.stdout)
    for key, words in (((IOTHREAD, "poisson", "p50"), "regressed"), ((IOTHREAD, "poisson", "CPU"), "regressed"),
                       ((IOTHREAD, "flood", "frames/s"), "no change"),
                       ((TIMER, "flood", "frames/s"), "no change")):
        expect(told.get(key) == words, f"diff: {key} is {told.get(key)}, not {words}:\n{done.stdout}")
    expect(all(v in ("not told apart", "no change") for k, v in told.items() if k[0] == TIMER),
           f"diff: what did not change: {told}")
    expect(done.returncode == 1 and f"p50, us of {IOTHREAD} regressed" in done.stderr
           and TIMER not in done.stderr, f"diff: status {done.returncode}: {done.stderr}")
    expect("not paired" in done.stdout and "6 and 6" in done.stdout, "diff does not say: not paired")
    back = run("diff", b, a, "--fail-on-regression", "50")
    expect(back.returncode == 0 and verdicts(back.stdout)[IOTHREAD, "poisson", "p50"] == "improved",
           f"diff the other way: {back.stdout}{back.stderr}")
    done = run("diff", a, b, "--fail-on-regression", "400")
    expect(done.returncode == 0, f"diff: twice is not 400 % more: {done.stderr}")
    same = run("diff", a, folder("same", 3, session="a"))
    expect("6 pairs" in same.stdout and "not paired" not in same.stdout, "diff: shared rounds are pairs")
    few = run("diff", one(a, "r01_txringd_iothread_poisson"), one(b, "r01_txringd_iothread_poisson"))
    expect(set(verdicts(few.stdout).values()) == {"too few"}, f"diff: verdicts of n = 1: {few.stdout}")
    none = run("diff", one(a, "r01_txringd_iothread_poisson"), one(b, "r01_txringd_iothread_flood"))
    expect(none.returncode == 1 and "under the same load" in none.stderr, f"diff: {none.stderr}")


def test_history():
    names = [folder(f"history/{i}", 10 + i, commit, f"2026-0{i + 1}-01T12:00:00Z", change)
             for i, (commit, change) in enumerate((("aaaaaaaaaaaa", None), ("bbbbbbbbbbbb", None),
                                                   ("cccccccccccc", {TIMER: 1.6})))]
    folder("history/again", 20, "aaaaaaaaaaaa", "2026-01-02T12:00:00Z")
    done = run("history", os.path.dirname(names[0]))
    lines = [line for line in done.stdout.splitlines() if re.match("[abc]{12} ", line)]
    expect([line[0] for line in lines] == list("abc") * 4, f"history: {done.stdout}{done.stderr}")
    marked = [line for line in lines if "! p50 regressed" in line]
    expect(len(marked) == 2 and all(line[0] == "c" for line in marked) and
           "12" in lines[0].split(), f"history: marks {marked}")
    tables = done.stdout.split("\n\n")
    expect(all(TIMER in table for table in tables if "! p50" in table), "history: marks another one")


def main():
    for test in (test_show, test_failed_run, test_hgrm, test_diff, test_history):
        test()
    return 1 if failures else 0


if __name__ == "__main__":
    TXBENCH = sys.argv[1]
    with tempfile.TemporaryDirectory() as SCRATCH:
        sys.exit(main())
