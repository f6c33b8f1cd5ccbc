# SPDX-License-Identifier: MIT
"""txringd as a peer. Modes: what --txmode takes, with a backend behind @ if it is not a tap:
iothread, timer,delay=50us, poll@null, iothread@loop, iothread@xdp: the near end of a veth."""
import collections
import json
import os
import socket
import subprocess

from peer import Failure, Peer, Target

CONTROL_S = 5
COUNTED = ("frames", "runs", "kicks", "rechecks", "backend_full")  # of the tx queues


class Txringd(Peer):
    kind = "txringd"
    backends = ("tap", "null", "loop", "xdp")
    vhost = "disable"  # else the kernel's vhost-net has the frames, where there is one

    def __init__(self, mode, build, packed=False):
        super().__init__(mode, build, packed)
        self.txmode, _, backend = mode.partition("@")
        self.backend = backend or "tap"
        if self.backend not in self.backends:
            raise Failure(f"{self.name}: backend '{backend}' is none of {', '.join(self.backends)}")
        self.program = os.path.join(build, "tools", "txringd")
        self.control = None

    def is_available(self):
        if not os.access(self.program, os.X_OK):
            return f"there is no {self.program} (ninja -C {self.build})"
        if self.backend == "xdp" and "xdp:" not in subprocess.run(
                [self.program, "--help"], capture_output=True, text=True).stdout:
            return "txringd was built without its AF_XDP backend (it needs libxdp and libbpf)"
        return super().is_available()

    def start(self, netns, cpu, scratch):
        listener, self.control = (os.path.join(scratch, f"{self.id}.{end}")
                                  for end in ("sock", "ctl"))
        tap = self.backend == "tap"
        wire = self.make_veth(netns) if self.backend == "xdp" else \
            {"tap": self.tap, "null": "none", "loop": "loop"}[self.backend]
        self.spawn(netns, cpu, scratch, [
            self.program, "--socket-path", listener, "--control", self.control,
            "--txmode", self.txmode, "--vhost", self.vhost,
            "--backend", f"{self.backend}:{self.tap}" if self.backend in ("tap", "xdp") else
            self.backend])
        self.wait_for_socket(listener)
        self.wait_for_socket(self.control)
        if tap:
            self.wait_for_tap(netns)
        return Target(["--socket-path", listener], wire, self.child.pid)

    def ask(self, command, **arguments):
        """What it answers at its control socket (docs/control.md): a dict with "return" or "error"."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(CONTROL_S)
            s.connect(self.control)
            s.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            with s.makefile(encoding="utf-8") as lines:
                lines.readline()  # its greeting
                answer = lines.readline()
        if not answer.endswith("\n"):
            raise ConnectionError("txringd broke off its answer")
        return json.loads(answer)

    def all_counters(self):
        """{"tx": {name: count}, "rx": ...}: over all queues, from its start up to now."""
        found = {"tx": collections.Counter(), "rx": collections.Counter()}
        for nic in self.ask("stats")["return"]["nics"]:
            for pair in nic["pairs"]:
                for way, counters in pair.items():
                    found[way].update(counters)
        return found

    def counters(self):
        try:
            tx = self.all_counters()["tx"]
        except OSError:
            return None  # it is gone
        return {name: tx[name] for name in COUNTED}
