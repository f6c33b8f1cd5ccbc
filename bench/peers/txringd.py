# SPDX-License-Identifier: MIT
"""txringd as a peer. Modes: what --txmode takes, with a backend behind @ if it is not a tap:
iothread, timer,delay=50us, poll@null, iothread@loop."""
import os

from peer import Failure, Peer, Target


class Txringd(Peer):
    kind = "txringd"
    backends = ("tap", "null", "loop")

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
        return super().is_available()

    def start(self, netns, cpu, scratch):
        socket = os.path.join(scratch, f"{self.id}.sock")
        tap = self.backend == "tap"
        self.spawn(netns, cpu, scratch, [
            self.program, "--socket-path", socket, "--txmode", self.txmode,
            "--backend", f"tap:{self.tap}" if tap else self.backend])
        self.wait_for_socket(socket)
        if tap:
            self.wait_for_tap(netns)
        wire = {"tap": self.tap, "null": "none", "loop": "loop"}[self.backend]
        return Target(["--socket-path", socket], wire, self.child.pid)
