#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# vmlinux.py BZIMAGE VMLINUX: takes the ELF kernel out of a compressed x86 one. QEMU boots the ELF
# file through its PVH note, which spares the decompression under emulation. Field offsets are those
# of Linux' Documentation/arch/x86/boot.rst.

import struct
import subprocess
import sys

TOOLS = {b"\xfd7": "xz", b"\x02\x21": "lz4", b"\x28\xb5": "zstd", b"\x1f\x8b": "gzip"}


def main(source, target):
    with open(source, "rb") as file:
        image = file.read()
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = image[start : start + length - 4]  # the last word is the size unpacked
    tool = TOOLS.get(payload[:2])
    if tool is None:
        sys.exit(f"{source}: unknown compression {payload[:2]!r}")
    elf = subprocess.run([tool, "-dc"], input=payload, check=True, stdout=subprocess.PIPE).stdout
    if elf[:4] != b"\x7fELF":
        sys.exit(f"{source}: no ELF file inside")
    with open(target, "wb") as file:
        file.write(elf)


main(*sys.argv[1:])
