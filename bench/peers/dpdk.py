# SPDX-License-Identifier: MIT
"""DPDK's vhost back-end as a peer: testpmd forwards between net_vhost and a tap (mode tap) or
nothing (mode null). It polls: it takes one CPU whatever the load, and that is what it is charged.

It does without hugepages. Its tap takes frames in at interrupt speed only: measure tx.
"""
import os

from peer import Failure, Peer, Target

PROGRAM = "dpdk-testpmd"
MEMORY_MB = 256


class Dpdk(Peer):
    kind = "dpdk"
    programs = (PROGRAM, "stdbuf")
    modes = ("tap", "null")

    def __init__(self, mode, build, packed=False):
        super().__init__(mode, build, packed)
        if mode not in self.modes:
            raise Failure(f"{self.name}: '{mode}' is neither tap nor null")

    def start(self, netns, cpu, scratch):
        socket = os.path.join(scratch, f"{self.id}.sock")
        tap = self.mode == "tap"
        self.spawn(netns, cpu, scratch, [
            "stdbuf", "-oL", PROGRAM, "--lcores", f"0@{cpu},1@{cpu}", "--no-pci", "--no-telemetry",
            "--no-huge", "-m", str(MEMORY_MB), f"--file-prefix={netns.name}-{self.id}",
            "--vdev", f"net_vhost0,iface={socket},queues=1",
            "--vdev", f"net_tap0,iface={self.tap}" if tap else "net_null0",
            "--", "-i", "--auto-start", "--forward-mode=io", "--no-mlockall",
            "--no-lsc-interrupt", "--total-num-mbufs=16384"],
            env={**os.environ, "RUNTIME_DIRECTORY": scratch})
        self.wait_for_socket(socket)
        self.wait_for_words("packet forwarding")
        if tap:
            self.wait_for_tap(netns)
        return Target(["--socket-path", socket], self.tap if tap else "none", self.child.pid)
