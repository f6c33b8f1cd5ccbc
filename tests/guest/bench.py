#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench/guest, once round: what it writes down is whole, and nothing is left behind, also after Ctrl-C and when
it is killed; what it cannot do is said in one line. It judges no speed.

usage: bench.py BUILD"""
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
from peer import children  # noqa: E402

SKIPPED, INTERRUPTED = 77, 130
LIMIT_S = 400
SETTINGS = ("qemu:bh,ioeventfd=off", "txringd:timer")
LOADS = ("rr:1", "rr:8", "send", "receive")
bad = 0


def say(ok, what, why=""):
    global bad
    bad += not ok
    if not ok:
        print(f"FAILED: {what}{': ' if why else ''}{why}", flush=True)


def start(*args):
    # It has a session of its own, which does not get what is written for our terminal.
    return subprocess.Popen([os.path.join(TOP, "bench", "guest"), "--build", sys.argv[1], *args],
                            env=dict(os.environ, TMPDIR=scratch), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def run(*args):
    """(status, stdout, stderr)"""
    child = start(*args)
    out, err = child.communicate(timeout=LIMIT_S)
    return child.returncode, out, err


def left_behind(pids):
    """Processes, namespaces and scratch folders of those, which have ended."""
    found = [d for d in os.listdir(scratch) if d.startswith("txbench-guest.")]
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path) as f:
                text = f.read()
            if f"{scratch}/txbench-guest." in text:
                found.append(text.replace("\0", " ")[:100])
        except OSError:
            pass
    spaces = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout.split()
    return found + [s for s in spaces if any(s.startswith(f"txbench-{pid}-") for pid in pids)]


def nothing_left(what, pids):
    end = time.monotonic() + 60
    while left_behind(pids) and time.monotonic() < end:
        time.sleep(0.1)
    say(not left_behind(pids), f"{what}: is left", f"{left_behind(pids)}")


def load(out, name):
    with open(os.path.join(out, name)) as f:
        return json.load(f)


def check_turn(turn):
    what = f"{turn['setting']}, {turn['load']}"
    if turn["failed"]:
        say(False, what, turn["failed"])
        return
    host, guest, counters = turn["host_end"], turn["guest_end"], turn["counters"]
    say(host["measured"] > 0 and guest["total"] >= host["measured"] > 0, f"{what}: both count",
        f"{host['measured']}, {guest['total']}")
    if turn["clock"] != "tsc":  # the guest decides as it boots, and a busy machine disturbs it
        print(f"{what}: the guest's clock is {turn['clock']}, which is slow", flush=True)
    say(host["ns"] > turn["seconds"] * 0.9e9, f"{what}: measured for {host['ns']} ns")
    if turn["load"].startswith("rr"):
        for end in (host, guest):
            trips = end["round_trips"]
            say(trips["n"] > 0 and sum(n for _, n in trips["buckets"]) == trips["n"],
                f"{what}: a histogram", f"{trips}")
            say(0 < trips["min_ns"] <= trips["max_ns"], f"{what}: {trips['min_ns']} ns")
            say("timer" not in turn["setting"] or trips["min_ns"] > 100000,
                f"{what}: the timer is not waited for: {trips['min_ns']} ns")
    for name in ("interrupts.net", "queues.tx_queue_0_kicks", "eth0.tx_packets", "eth0.rx_packets",
                 "tcp.Tcp.OutSegs", "softirqs.NET_RX"):
        say((counters.get(name) or 0) > 0, f"{what}: {name} did not move")
    say("tcp.Tcp.RetransSegs" in counters, f"{what}: no retransmits, not even none")
    ours = turn["setting"].startswith("txringd")
    for name, known in (("backend_ns", True), ("guest_ns", True), ("main_loop_ns", ours)):
        say((turn["cpu"][name] or 0) > 0 if known else turn["cpu"][name] is None, f"{what}: {name}",
            f"{turn['cpu'][name]}")
    say(turn["txringd"]["tx"]["runs"] > 0 if ours else turn["txringd"] is None,
        f"{what}: txringd's counters")


def try_measuring():
    out = os.path.join(scratch, "out")
    child = start("--quick", "--seed", "7", "--settings", ",".join(SETTINGS), "-o", out)
    text, err = child.communicate(timeout=LIMIT_S)
    if child.returncode == SKIPPED:
        print(text.strip())
        sys.exit(SKIPPED)
    say(child.returncode == 0 and not err, "a quick run", f"status {child.returncode}: {text}{err}")
    session = load(out, "guest.json")
    say(session["complete"] and session["seed"] == 7, "a whole session")
    turns = [load(out, name) for name in session["files"]]
    say(sorted((t["setting"], t["load"]) for t in turns) ==
        sorted((s, l) for s in SETTINGS for l in LOADS), "each setting under each load")
    for turn in turns:
        check_turn(turn)
    say(text.count("compare rows") == len(LOADS), "each table says what it is worth", text)
    say(all(text.count(s) > len(LOADS) for s in SETTINGS), "each setting has its rows", text)
    status, again, err = run("--show", out)
    say(status == 0 and again and again in text, "--show prints the same tables", again + err)
    nothing_left("a quick run", [child.pid])


def try_ending(what, number, status):
    """bench/guest starts itself anew: the signal goes to that process if it is SIGKILL."""
    out = os.path.join(scratch, what.replace(" ", "-"))
    child = start("--quick", "--rounds", "1000", "--loads", "rr:1", "-o", out, "--settings",
                  "uml:iothread" if shutil.which("linux.uml") else "txringd:iothread")
    end = time.monotonic() + LIMIT_S
    while len(glob.glob(os.path.join(out, "r*.json"))) < 2 and time.monotonic() < end and \
            child.poll() is None:
        time.sleep(0.05)
    pids = children(child.pid)
    if child.poll() is None:
        os.kill(pids[1] if number == signal.SIGKILL else child.pid, number)
    text, err = child.communicate(timeout=LIMIT_S)
    say(child.returncode == status, what, f"status {child.returncode}: {err}")
    if child.returncode == INTERRUPTED:
        session = load(out, "guest.json")
        say(not session["complete"] and len(session["files"]) >= 2, f"{what}: an incomplete session")
        say(not err, f"{what}: it says no more", err)
    nothing_left(what, pids[:2])


def refuses(words, *args):
    status, text, err = run(*args)
    lines = err.splitlines()
    say(status == 1 and len(lines) == 1 and all(w in lines[0] for w in words), " ".join(args),
        f"status {status}: {text}{err}")


def try_refusing():
    refuses(["'vpp:tap'", "txringd, qemu, uml"], "--settings", "vpp:tap")
    refuses(["qemu:poll", "neither bh nor timer"], "--settings", "qemu:poll")
    refuses(["'ioeventfd=maybe'", "ioeventfd=off"], "--settings", "qemu:bh,ioeventfd=maybe")
    refuses(["'uml:timer' twice"], "--settings", "uml:timer,uml:timer")
    refuses(["'udp'", "rr:1"], "--loads", "udp")
    refuses(["--rounds '0'", "1000"], "--rounds", "0")
    refuses(["nowhere", "no whole session"], "--show", "nowhere")


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
scratch = tempfile.mkdtemp(prefix="txbench-guest-test.")
try:
    try_refusing()
    try_measuring()
    try_ending("Ctrl-C", signal.SIGINT, INTERRUPTED)
    try_ending("SIGKILL", signal.SIGKILL, 128 + signal.SIGKILL)
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(bad > 0)
