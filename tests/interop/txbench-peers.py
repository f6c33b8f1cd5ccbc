#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/compare with the back-ends that are here: each is measured, paired and written down; what is
missing is skipped or refused in one line; nothing is left behind, also after Ctrl-C. bench/study once.
It judges no speed.

usage: txbench-peers.py BUILD"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "bench", "peers"), os.path.join(TOP, "bench", "txbench")]
import results  # noqa: E402
from peer import Namespace  # noqa: E402

SKIPPED = 77
BUILD = os.path.abspath(sys.argv[1])
LIMIT_S = 200
TRIES = 3
bad = 0


def say(ok, what, why=""):
    global bad
    bad += not ok
    if not ok:
        print(f"FAILED: {what}{': ' if why else ''}{why}", flush=True)


def start(*args, program="compare", path=None):
    env = dict(os.environ, TMPDIR=scratch, **({"PATH": path} if path else {}))
    return subprocess.Popen([sys.executable, os.path.join(TOP, "bench", program), "--build", BUILD,
                             *args], env=env, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def compare(*args, path=None):
    """(status, stdout, stderr)"""
    child = start(*args, path=path)
    out, err = child.communicate(timeout=LIMIT_S)
    return child.returncode, out, err


def compare_all(*args, path=None):
    """The same, with -o OUT added; again, if a run does not count or gave no result, as a busy
    machine may be it."""
    for _ in range(TRIES):
        out = tempfile.mkdtemp(dir=scratch)
        status, text, err = compare(*args, "-o", out, path=path)
        if " not count: " not in text and "no result: " not in text:
            break
    return status, text, err, out


def left_behind():
    """Namespaces and scratch directories whose session is gone."""
    names = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout.split()
    names += [os.path.basename(path) for where in ("/dev/shm", scratch)
              for path in glob.glob(os.path.join(where, "txbench-*-*"))]
    return {name for name in names if name.startswith("txbench-") and
            not os.path.exists(f"/proc/{name.split('-')[1]}")}


def of_compare(out):
    with open(os.path.join(out, "compare.json")) as f:
        return json.load(f)


def cells_of(out):
    """By label and kind of load."""
    return {(c.label, c.setup.kind): c for c in results.Results([out]).cells()}


def seed_of(run):
    """Of the random moments, as the command says that a result file keeps."""
    command = run.data["command"]
    return int(command[command.index("--seed") + 1])


def try_measuring():
    peers = ["txringd:timer,delay=200us", "txringd:poll@null", "ceiling"]
    peers += ["qemu:bh", "qemu:timer,delay=200us"] if shutil.which("qemu-system-x86_64") else []
    peers += ["dpdk:tap"] if shutil.which("dpdk-testpmd") else []
    status, text, err, out = compare_all(
        "--quick", "--peers", ",".join(peers), "--rounds", "2", "--seconds", "0.1", "--seed", "7",
        "--loads", "constant:1000,onoff:1000,5ms,5ms", "--baseline", peers[0])
    say(status == 0, "a set of back-ends", text + err)
    data, got = of_compare(out), cells_of(out)
    labels = [peer.replace(":", " ", 1) for peer in peers]
    say(len(got) == 2 * len(peers), "one cell each", " ".join(map(str, got)))
    for (label, kind), cell in got.items():
        say(label in labels and label in text, f"{label} is in the table")
        say(len(cell.units) == 2, f"two rounds of {label}")
        say(sorted(map(seed_of, cell.runs)) == [8, 9], f"{label}: a seed a round")
        wait = cell.level("wire.p50")
        say((wait is None) == label.endswith("@null"), f"{label}, {kind}: p50 {wait}")
        say("delay=200us" not in label or wait and wait.value > 200000, f"{label}, {kind}: waits for {wait} only")
        say(cell.level("cpu.total").value > 0, f"{label}, {kind}: cost")
        say((cell.level("batch") is not None) == label.startswith("txringd"), f"{label}: its counters")
        command = " ".join(cell.runs[0].data["target"]["command"] or [])
        say(not label.startswith("qemu") or "pit=off" in command, f"{label}: a PIT: {command}")
        base = got[labels[0], kind]
        say(cell is base or results.compared(cell, base, "cpu.total").n == 2, f"{label}: pairs")
    for file in data["files"]:
        say(os.path.exists(os.path.join(out, file)), f"{file} is there")
    say(len(data["files"]) == len(data["plan"]) == 4 * len(peers), "a result file for each run")


def try_states():
    status, text, err, out = compare_all(
        "--quick", "--peers", "txringd:iothread", "--states", "idle,spinner,neighbour,same-cpu",
        "--loads", "poisson:1000", "--fail-if", "p50>10s", "--fail-if", "p50<1s")
    say(status == 1 and "'p50<1s'" in err and "'p50>10s'" not in err, "states, and a limit", text + err)
    say(all(f"poisson 1,000/s, 64 bytes, {state}" in text
            for state in ("idle", "spinner", "neighbour", "same-cpu")), "a table a state", text)
    say(all(r.repetitions[0]["company"] for r in results.Results([out]).runs
            if r.setup.state == "neighbour"), "what the neighbour lost")


def refuses(what, words, *args, path=None):
    status, text, err = compare("--quick", "-o", tempfile.mkdtemp(dir=scratch), *args, path=path)
    say(status == 1, what, f"status {status}: {text}{err}")
    lines = err.splitlines()
    say(len(lines) == 1 and all(w in lines[0] for w in words), what, err)


def bare_path():
    """A PATH with what compare itself needs, and no back-end but ours."""
    where = os.path.join(scratch, "bin")
    os.mkdir(where)
    for program in ("ip", "taskset", "setpriv", "sh"):
        os.symlink(shutil.which(program), os.path.join(where, program))
    return where


def try_missing():
    path = bare_path()
    refuses("QEMU is named and missing", ["'qemu:bh'", "needs qemu-system-x86_64"],
            "--peers", "txringd:iothread,qemu:bh", path=path)
    refuses("DPDK is named and missing", ["'dpdk:null'", "needs dpdk-testpmd"],
            "--peers", "dpdk:null", path=path)
    refuses("no such kind", ["'vpp:tap'", "txringd, qemu, dpdk"], "--peers", "vpp:tap")
    refuses("no such mode of QEMU", ["qemu:poll", "neither bh nor timer"], "--peers", "qemu:poll")
    refuses("no such mode of txringd", ["txringd:soon", "soon"], "--peers", "txringd:soon")
    refuses("no such state", ["'busy'", "spinner"], "--states", "busy")
    refuses("a limit that is none", ["'p50>fast'"], "--fail-if", "p50>fast")
    refuses("no such baseline", ["'qemu:bh'", "txringd:poll"],
            "--peers", "txringd:poll", "--baseline", "qemu:bh")
    status, text, err, out = compare_all("--quick", "--loads", "constant:1000", path=path)
    say(status == 0, "the default set without QEMU and DPDK", text + err)
    for peer, program in (("qemu:bh", "qemu-system-x86_64"), ("dpdk:tap", "dpdk-testpmd")):
        say(f"skipped: {peer}: needs {program}" in text, f"{peer} is skipped aloud", text)
    say(of_compare(out)["baseline"] == "txringd:iothread", "another baseline")
    say({label for label, _ in cells_of(out)} == {"txringd iothread", "txringd timer", "ceiling"},
        "the rest was measured")


def try_study():
    out, before = os.path.join(scratch, "study"), left_behind()
    child = start("--quick", "-o", out, program="study")
    text, err = child.communicate(timeout=LIMIT_S)
    say(child.returncode == 0 and "## answer" in text and "minutes on a quiet machine" in text,
        "a quick study", text + err)
    found = glob.glob(os.path.join(out, "*", "compare.json"))
    say(len(found) == 1 and of_compare(os.path.dirname(found[0]))["complete"], "one session")
    say(os.path.exists(os.path.join(os.path.dirname(found[0]), "report.html")), "its report")
    say(not left_behind() - before, "nothing is left", " ".join(left_behind() - before))


class InterruptedNamespace(Namespace):
    """Ctrl-C while it is being made."""

    def inside(self, *command):
        raise KeyboardInterrupt


def try_interrupting_namespace():
    try:
        InterruptedNamespace()
        say(False, "a namespace is made with no command in it")
    except KeyboardInterrupt:
        pass
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
    say(f"txbench-{os.getpid()}-" not in spaces, "a namespace is left by Ctrl-C", spaces)


def try_interrupting():
    out = os.path.join(scratch, "interrupted")
    before = left_behind()
    child = start("--quick", "--peers", "txringd:iothread,txringd:timer", "--rounds", "1000",
                  "--loads", "constant:1000", "-o", out)
    end = time.monotonic() + LIMIT_S
    while len(glob.glob(os.path.join(out, "r*.json"))) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    text, err = child.communicate(timeout=LIMIT_S)
    say(child.returncode == 130, "Ctrl-C", f"status {child.returncode}: {err}")
    data = of_compare(out)
    say(not data["complete"] and len(data["files"]) >= 2, "what was measured is kept, as incomplete")
    say(not left_behind() - before, "nothing is left", " ".join(left_behind() - before))
    say(not err, "and it says no more", err)


why = None
if os.geteuid():
    why = "needs root, for a network namespace and taps"
elif not os.path.exists("/dev/net/tun"):
    why = "needs /dev/net/tun"
elif len(os.sched_getaffinity(0)) < 2:
    why = "needs two CPUs"
if why:
    print("skipped:", why)
    sys.exit(SKIPPED)
for absent in ("qemu-system-x86_64", "dpdk-testpmd"):
    if not shutil.which(absent):
        print(f"skipped: its back-end, needs {absent}")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
scratch = tempfile.mkdtemp(prefix="txbench-peers.")
try:
    try_measuring()
    try_missing()
    try_states()
    try_study()
    try_interrupting_namespace()
    try_interrupting()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(bad > 0)
