# SPDX-License-Identifier: MIT
"""What no back-end can beat: the least possible device, in txbench itself, on a tap of its own."""
import subprocess

from peer import Failure, Peer, Target


class Ceiling(Peer):
    kind = "ceiling"

    @property
    def name(self):
        return self.kind

    def start(self, netns, cpu, scratch):
        for words in (("tuntap", "add", "dev", self.tap, "mode", "tap", "vnet_hdr"),
                      ("link", "set", self.tap, "up")):
            made = subprocess.run(["ip", "-n", netns.name, *words], capture_output=True, text=True)
            if made.returncode:
                raise Failure(f"{self.name}: no tap: {made.stderr.strip()}")
        self.up = True
        return Target(["--ceiling", self.tap], self.tap, None)

    up = False  # there is no process, only the tap

    def alive(self):
        return self.up

    def freeze(self, frozen):
        pass
