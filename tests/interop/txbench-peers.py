#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/compare with the back-ends that are here: each is measured, paired and written down; what is
missing is skipped or refused in one line; nothing is left behind, also after Ctrl-C. bench/sweep once.
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
sys.path.insert(0, os.path.join(TOP, "bench", "peers"))
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
    """The same, with -o OUT added; again, if a run does not count, as a busy machine may be it."""
    for _ in range(TRIES):
        out = tempfile.mkdtemp(dir=scratch)
        status, text, err = compare(*args, "-o", out, path=path)
        if "does not count" not in text:
            break
    return status, text, err, out


def left_behind():
    """Namespaces whose compare is gone, and scratch directories."""
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout.split()
    return {s for s in spaces if s.startswith("txbench-") and
            not os.path.exists(f"/proc/{s.split('-')[1]}")} | \
        set(glob.glob("/dev/shm/txbench-compare.*")) | \
        set(glob.glob(os.path.join(scratch, "txbench-compare.*")))


def seed_of(path):
    """Of the random moments, as the command says that a result file keeps."""
    with open(path) as f:
        command = json.load(f)["command"]
    return command[command.index("--seed") + 1] if "--seed" in command else None


def results(out):
    with open(os.path.join(out, "compare.json")) as f:
        return json.load(f)


def try_measuring():
    peers = ["txringd:timer,delay=200us", "txringd:poll@null"]
    peers += ["qemu:bh", "qemu:timer,delay=200us"] if shutil.which("qemu-system-x86_64") else []
    peers += ["dpdk:tap"] if shutil.which("dpdk-testpmd") else []
    status, text, err, out = compare_all(
        "--quick", "--peers", ",".join(peers), "--rounds", "3", "--seconds", "0.1",
        "--loads", "constant:1000,onoff:1000,5ms,5ms", "--baseline", peers[0])
    say(status == 0, "a set of back-ends", text + err)
    data = results(out)
    got = {(c["peer"], c["load"]): c for c in data["cells"]}
    say(len(got) == len(data["cells"]) == 2 * (len(peers) + 1), "one cell each", " ".join(map(str, got)))
    for (peer, load), cell in got.items():
        say(len(cell["runs"]) == 3, f"three rounds of {peer}")
        seeds = [seed_of(os.path.join(out, r["file"])) for r in cell["runs"]]
        say(seeds == [str(r["round"]) for r in cell["runs"]], f"{peer}: a seed a round", f"{seeds}")
        wire = cell["medians"]["p50_ns"]
        say((wire is None) == peer.endswith("@null"), f"{peer}, {load}: p50 {wire}")
        say("delay=200us" not in peer or wire > 200000, f"{peer}, {load}: waits for {wire} ns only")
        say(cell["medians"]["cpu_ns_per_frame.backend"] > 0, f"{peer}, {load}: CPU time")
        say(peer in text, f"{peer} is in the table")
        base = {r["round"]: r["class"] for r in got[peers[0], load]["runs"] if r["counts"]}
        pairs = [r for r in cell["runs"] if r["counts"] and r["class"] == base.get(r["round"])
                 and r["class"] != "mixed"]
        ratio = cell["ratios"]["frames_per_s"]
        say((ratio["n"] if ratio else 0) == (0 if peer == peers[0] else len(pairs)),
            f"{peer}, {load}: pairs of one class only")
    for file in data["files"]:
        say(os.path.exists(os.path.join(out, file)), f"{file} is there")
    say(len(data["files"]) == 6 * (len(peers) + 1), "a result file for each run")


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
    refuses("no such baseline", ["'qemu:bh'", "txringd:poll"],
            "--peers", "txringd:poll", "--baseline", "qemu:bh")
    status, text, err, out = compare_all("--quick", "--loads", "constant:1000", path=path)
    say(status == 0, "the default set without QEMU and DPDK", text + err)
    for peer, program in (("qemu:bh", "qemu-system-x86_64"), ("dpdk:tap", "dpdk-testpmd")):
        say(f"skipped: {peer}: needs {program}" in text, f"{peer} is skipped aloud", text)
    say(results(out)["baseline"] == "txringd:iothread", "another baseline")
    say({"txringd:iothread", "txringd:timer"} < {c["peer"] for c in results(out)["cells"]},
        "the rest was measured")


def try_sweep():
    out, before = os.path.join(scratch, "sweep"), left_behind()
    child = start("--delays", "200us", "--bursts", "256", "--rates", "1000", "--ring-sizes", "256",
                  "--rounds", "2", "--seconds", "0.2", "-o", out, program="sweep")
    text, err = child.communicate(timeout=LIMIT_S)
    # 1: the machine was too busy for the only point there is.
    say(child.returncode in (0, 1) and "200us" in text, "a sweep", text + err)
    with open(os.path.join(out, "sweep.json")) as f:
        data = json.load(f)
    say(data["complete"] and len(data["cells"]) == 1 and len(data["files"]) == 4, "one point of two")
    point = data["cells"][0]
    say(point["bad"] or point["added_p50_ns"] is None or point["added_p50_ns"]["mean"] > 150000,
        "200 us are waited", f"{point}")
    seeds = sorted(str(seed_of(os.path.join(out, name))) for name in data["files"])
    say(seeds == ["0", "0", "1", "1"], "a seed a round", f"{seeds}")
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
    while len(glob.glob(os.path.join(out, "*.json"))) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    text, err = child.communicate(timeout=LIMIT_S)
    say(child.returncode == 130, "Ctrl-C", f"status {child.returncode}: {err}")
    data = results(out)
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
    try_sweep()
    try_interrupting_namespace()
    try_interrupting()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(bad > 0)
