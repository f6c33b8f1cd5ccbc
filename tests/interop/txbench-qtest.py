#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""txbench drives QEMU's own virtio-net without a guest (bench/txbench/port_qtest.c): every ring layout,
both tx modes, calls, both directions, and a vhost-user back-end behind QEMU; no frame is lost. What
cannot be is refused in one line. It judges no speed but that tx=timer waits.

usage: txbench-qtest.py BUILD"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench", "peers"))

from peer import Failure, Namespace, have_own_session, missing  # noqa: E402
from qemu import Qemu                               # noqa: E402
from txringd import Txringd                         # noqa: E402

SKIPPED = 77
DELAY_NS = 3000000
TRIES = 3
BUILD = os.path.abspath(sys.argv[1])
TXBENCH = os.path.join(BUILD, "bench", "txbench", "txbench")
bad = 0


class VhostUserQemu(Qemu):
    """QEMU as the front-end of txringd, which makes the tap."""
    kind = "vhost"

    def __init__(self, packed=False):
        super().__init__("bh", BUILD, packed)
        self.device_end = Txringd("iothread", BUILD)

    def netdev(self):
        return ["-chardev", f"socket,id=c0,path={self.socket}",
                "-netdev", "vhost-user,id=n0,chardev=c0"]

    def start(self, netns, cpu, scratch):
        inner = self.device_end.start(netns, cpu, scratch)
        self.socket, self.tap = inner.options[1], inner.wire
        return super().start(netns, cpu, scratch)

    def stop(self):
        super().stop()
        self.device_end.stop()


def say(ok, what, why=""):
    global bad
    bad += not ok
    if not ok:
        print(f"FAILED: {what}{': ' if why else ''}{why}", flush=True)


def txbench(netns, target, *options):
    """(its result or None, status, what it says)"""
    out = os.path.join(scratch, "out.json")
    if os.path.exists(out):
        os.unlink(out)
    done = subprocess.run(
        netns.inside(TXBENCH, "run", *target.options, "--wire", target.wire, "--quiet",
                     "--repeat", "1", "--seconds", "0.3", "--warm-up", "0.05",
                     "--no-syscalls", *driver, *options, "-o", out),
        capture_output=True, text=True, timeout=60)
    result = None
    if os.path.exists(out):
        with open(out) as f:
            result = json.load(f)
    return result, done.returncode, done.stderr


def busy(result):
    """txbench itself had to wait for its CPU, so QEMU may have waited longer than frames live."""
    return any(r["generator"]["waited_ns"] > 0.02 * r["generator"]["wall_ns"] for r in result["repetitions"])


def measures(netns, target, what, stages, *options):
    """All frames come to each of these stages. That the machine is busy is no failure."""
    for left in reversed(range(TRIES)):
        result, _, text = txbench(netns, target, *options)
        if not result or not result["complete"] or not result["repetitions"]:
            say(False, what, text)
            return None
        r = result["repetitions"][0]
        if not r["lost"] or not busy(result) or not left:
            break
    failed = result["failed"]
    say(r["frames"] > 0 and r["lost"] == 0, what, f"{r['lost']} of {r['frames']} frames lost")
    say(not failed or failed.startswith("the machine was busy"), what, failed)
    for stage in stages:
        say(r["stages"].get(stage, {}).get("n", 0) > 0, what, f"nothing seen at {stage}")
    return r


def refuses(netns, target, what, words, *options):
    result, status, text = txbench(netns, target, *options)
    say(status == 1 and result is None, what, f"status {status}")
    lines = text.splitlines()
    say(len(lines) == 1 and all(word in lines[0] for word in words), what, text)


def try_modes(netns):
    for mode in ("bh", f"timer,delay={DELAY_NS}ns"):
        for packed in (False, True):
            peer = Qemu(mode, BUILD, packed)
            try:
                target = peer.start(netns, cpu, scratch)
                for event_idx in (True, False):
                    ring = (["--packed"] if packed else []) + \
                        ([] if event_idx else ["--no-event-idx"])
                    what = " ".join(["qemu", mode, *ring])
                    # So slow that hardly any second kick ends the wait for the timer.
                    r = measures(netns, target, what, ["wire", "used"], "--load", "constant:50",
                                 "--seconds", "0.6", *ring)
                    if r and mode != "bh":
                        wire = r["stages"]["wire"]
                        long = sum(n for ns, n in wire["buckets"] if ns > DELAY_NS)
                        say(2 * long > wire["n"], what, f"only {long} of {wire['n']} frames wait for the timer")
                    # What the timer does not delay, bh has.
                    if mode != "bh":
                        continue
                    r = measures(netns, target, what + ", calls", ["used", "call"],
                                 "--load", "inflight:1", "--calls", "each", *ring)
                    say(r is None or r["notifications"]["calls"] > 0, what, "no calls")
                    measures(netns, target, what + ", rx", ["received"], "--direction", "rx",
                             "--load", "constant:500", *ring)
                    measures(netns, target, what + ", flood", [], "--load", "flood", *ring)
            finally:
                peer.stop()


def try_vhost_user(netns):
    for packed in (False, True):
        peer = VhostUserQemu(packed)
        ring = ["--packed"] if packed else []
        try:
            target = peer.start(netns, cpu, scratch)
            for direction, stages in (("tx", ["wire", "used"]), ("rr", ["wire", "received"])):
                measures(netns, target, " ".join(["vhost-user", direction, *ring]), stages,
                         "--load", "constant:500", "--direction", direction, *ring)
        finally:
            peer.stop()


def try_refusals(netns):
    peer = Qemu("bh", BUILD)
    try:
        target = peer.start(netns, cpu, scratch)
        refuses(netns, target, "packed of a split device", ["RING_PACKED", "packed=on"], "--packed")
        refuses(netns, target, "a ring too long", ["--ring-size 512", "256"], "--ring-size", "512")
        refuses(netns, target, "memory that is none", ["--memory", "-m 64"],
                "--memory", os.path.join(BUILD, "build.ninja"))
        refuses(netns, target, "no memory", ["--memory", "No such file"], "--memory", "/nowhere")
        refuses(netns, target, "no socket", ["--qtest '/nowhere'"], "--qtest", "/nowhere")
        refuses(netns, target, "another process", ["eventfds", "QEMU"], "--pid", str(os.getpid()))
        measures(netns, target, "after all that", ["wire"], "--load", "constant:500")
        peer.freeze(True)
        refuses(netns, target, "a stopped process", ["--qtest", "does not answer"])
    finally:
        peer.freeze(False)
        peer.stop()


why = missing("ip", "taskset", "setpriv", *Qemu.programs)
if not why and os.geteuid():
    why = "needs root, for a network namespace and a tap"
if not why and not os.path.exists("/dev/net/tun"):
    why = "needs /dev/net/tun"
if why:
    print("skipped:", why)
    sys.exit(SKIPPED)
have_own_session()
cpu, *others = sorted(os.sched_getaffinity(0))
driver = ["--cpu", str(others[0])] if others else ["--state", "same-cpu"]
shm = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
scratch = tempfile.mkdtemp(prefix="txbench-qtest.", dir=shm)
try:
    space = Namespace()
    try:
        try_modes(space)
        try_vhost_user(space)
        try_refusals(space)
    finally:
        space.close()
except Failure as e:
    say(False, str(e))
finally:
    shutil.rmtree(scratch, ignore_errors=True)
sys.exit(bad > 0)
