# SPDX-License-Identifier: MIT
"""QEMU's own virtio-net with a tap, without a guest, as a peer. Modes: bh, timer, and their
parameters as txringd writes them: timer,delay=50us,burst=64.

The machine runs a ROM that only halts, under TCG; its CPU sleeps. The datapath is QEMU's main loop.
The machine has no PIT: a Linux guest stops it, and with one that nobody stops the main loop wakes up
36 times a second for nothing. The parameter pit=on shows that.

What is not as with a guest: a call is a store into guest memory here, not an interrupt, and no vCPU
ever wants the lock that the main loop holds. Both flatter QEMU.
"""
import os
import re

from peer import Failure, Peer, Target

PROGRAM = "qemu-system-x86_64"
UNITS = {"ns": 1, "us": 1000, "ms": 1000000, "s": 1000000000}


def nanoseconds(text):
    match = re.fullmatch(r"(\d+)(ns|us|ms|s)", text)
    return int(match[1]) * UNITS[match[2]] if match else None


def device_options(mode):
    """Of virtio-net-pci, for this mode, and of the machine. ValueError: which word is wrong."""
    name, *parameters = mode.split(",")
    if name not in ("bh", "timer"):
        raise ValueError(f"'{name}' is neither bh nor timer")
    options, machine = [f"tx={name}"], "pit=off"
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "delay" and name == "timer" and nanoseconds(value):
            options.append(f"x-txtimer={nanoseconds(value)}")
        elif key == "burst" and value.isdigit() and int(value):
            options.append(f"x-txburst={value}")
        elif key == "pit" and value in ("on", "off"):
            machine = parameter
        else:
            raise ValueError(f"'{parameter}' is neither delay=TIME (of timer), burst=N, nor pit=on")
    return options, machine


class Qemu(Peer):
    kind = "qemu"
    programs = (PROGRAM,)
    memory_mb = 64

    def __init__(self, mode, build, packed=False):
        super().__init__(mode, build, packed)
        try:
            self.device, self.machine = device_options(mode)
        except ValueError as e:
            raise Failure(f"{self.name}: {e}") from None
        if packed:
            self.device.append("packed=on")

    def netdev(self):
        """QEMU's arguments for the network that the device is on, which is called n0."""
        return ["-netdev", f"tap,id=n0,ifname={self.tap},script=no,downscript=no"]

    def start(self, netns, cpu, scratch):
        rom, memory, socket = (os.path.join(scratch, f"{self.id}.{end}")
                               for end in ("rom", "mem", "sock"))
        with open(rom, "wb") as f:
            # 64 KiB of hlt; the CPU starts 16 bytes before the end: cli; hlt; jmp to the hlt.
            f.write(b"\xf4" * 65520 + b"\xfa\xf4\xeb\xfd" + b"\xf4" * 12)
        device = ",".join(["virtio-net-pci,netdev=n0,disable-legacy=on,romfile=", *self.device])
        self.spawn(netns, cpu, scratch, [
            PROGRAM, "-nodefaults", "-no-user-config", "-display", "none",
            "-accel", "tcg", "-bios", rom,
            "-M", f"q35,{self.machine},memory-backend=mem", "-m", str(self.memory_mb),
            "-object", "memory-backend-file,id=mem,share=on,"
            f"size={self.memory_mb}M,mem-path={memory}",
            "-qtest", f"unix:{socket},server=on,wait=off", "-qtest-log", "/dev/null",
            *self.netdev(), "-device", device])
        self.wait_for_socket(socket)
        self.wait_for_tap(netns)
        return Target(["--qtest", socket, "--memory", memory, "--pid", str(self.child.pid)],
                      self.tap, self.child.pid)
