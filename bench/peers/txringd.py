# SPDX-License-Identifier: MIT
"""txringd as a peer. Modes: what --txmode takes, with a backend behind @ if it is not a tap:
iothread, timer,delay=50us, poll@null, iothread@loop, iothread@xdp: the near end of a veth, by AF_XDP."""
import os
import subprocess

from peer import Failure, Peer, Target


class Txringd(Peer):
    kind = "txringd"
    backends = ("tap", "null", "loop", "xdp")

    def __init__(self, mode, build, packed=False):
        super().__init__(mode, build, packed)
        self.txmode, _, backend = mode.partition("@")
        self.backend = backend or "tap"
        if self.backend not in self.backends:
            raise Failure(f"{self.name}: backend '{backend}' is none of {', '.join(self.backends)}")
        self.program = os.path.join(build, "tools", "txringd")

    def is_available(self):
        if not os.access(self.program, os.X_OK):
            return f"there is no {self.program} (ninja -C {self.build})"
        if self.backend == "xdp" and "xdp:" not in subprocess.run(
                [self.program, "--help"], capture_output=True, text=True).stdout:
            return "txringd was built without its AF_XDP backend (it needs libxdp and libbpf)"
        return super().is_available()

    def make_veth(self, netns):
        far = f"{self.tap}w"
        for words in (("add", self.tap, "type", "veth", "peer", "name", far),
                      ("set", self.tap, "up"), ("set", far, "up")):
            made = subprocess.run(["ip", "-n", netns.name, "link", *words], capture_output=True,
                                  text=True)
            if made.returncode:
                raise Failure(f"{self.name}: no veth: {made.stderr.strip()}")
        return far

    def start(self, netns, cpu, scratch):
        socket = os.path.join(scratch, f"{self.id}.sock")
        tap = self.backend == "tap"
        wire = self.make_veth(netns) if self.backend == "xdp" else \
            {"tap": self.tap, "null": "none", "loop": "loop"}[self.backend]
        self.spawn(netns, cpu, scratch, [
            self.program, "--socket-path", socket, "--txmode", self.txmode,
            "--backend", f"{self.backend}:{self.tap}" if self.backend in ("tap", "xdp") else
            self.backend])
        self.wait_for_socket(socket)
        if tap:
            self.wait_for_tap(netns)
        return Target(["--socket-path", socket], wire, self.child.pid)
