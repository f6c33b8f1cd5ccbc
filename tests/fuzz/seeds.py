#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes first inputs of the session target, in the form that session.c takes: whole lives of a session, which a fuzzer
takes long to find by itself. The other targets find their way alone.

usage: seeds.py FOLDER
"""
import pathlib
import struct
import sys

USUAL = 255  # for an fd: what the message usually carries
MEM_64K, MEM_1M, MEM_ODD, MEM_EMPTY = range(4)


def message(request, *fields, odd=1):
    return bytes([5, odd, request, *fields])


def protocol():
    return message(16, 1, 1)


def features(without=0):
    if not without:
        return message(2, 1, 1)
    return message(2, 1, 0) + struct.pack("<Q", without)


def table(*regions):
    return message(5, len(regions), *[b for region in regions for b in region])


def add_region(kind, fd=USUAL):
    return message(37, kind, fd)


def remove_region(kind):
    return message(38, kind)


def set_up(ring, base=0, page=0, log2=4, kick=USUAL):
    return (message(8, ring, log2)
            + message(10, ring, 0, 0)
            + message(9, ring, base, page, 1, 1)
            + message(13, ring, 1, USUAL)
            + message(14, ring, 1, USUAL)
            + message(12, ring, 1, kick))


def enable(ring, on):
    return message(18, ring, 0, 0, on)


def get_base(ring):
    return message(11, ring, 0, 0, 0)


def get_inflight(queues=4, log2=9):
    return message(31, 1, 1, queues, log2)


def set_inflight(queues=4, log2=9, fd=USUAL):
    return message(32, 1, 1, queues, log2, fd)


def channel():
    return message(21, USUAL)


PACKED = 1 << 34
A, B = (0, USUAL), (1, USUAL)
lives = {}
for layout, without in (("packed", 0), ("split", PACKED)):
    start = protocol() + features(without) + table(A, B)
    two = start + set_up(0) + set_up(1, page=1) + enable(0, 1) + enable(1, 1)
    lives |= {
        f"{layout}-whole": two + get_base(0) + get_base(1),
        f"{layout}-call-replaced": two + message(13, 1, 1, USUAL) + message(14, 1, 0) + message(13, 1, 0),
        f"{layout}-kick-replaced": two + message(12, 1, 1, USUAL) + message(12, 0, 1, 5),
        f"{layout}-table-replaced": two + table(A) + table(A, B) + get_base(0),
        f"{layout}-table-lost": two + set_up(2, base=1) + table(A) + get_base(2),
        f"{layout}-region-removed": two + set_up(2, base=1) + remove_region(1) + remove_region(0) + get_base(1),
        f"{layout}-region-added": start + set_up(0) + add_region(2) + add_region(3, MEM_ODD) + add_region(3, MEM_ODD)
        + remove_region(3) + remove_region(3),
        f"{layout}-file-too-short": protocol() + features(without) + table((0, MEM_EMPTY)) + set_up(0),
        f"{layout}-file-odd": protocol() + features(without) + table((0, MEM_ODD)) + set_up(0, page=4),
        f"{layout}-reset": two + message(34) + features(without) + set_up(0) + message(39, 0, 0, 1, 1) + get_base(0),
        f"{layout}-owner-reset": two + message(4) + get_base(0) + get_base(1),
        f"{layout}-gone": two,
        f"{layout}-region-twice": two + add_region(0) + remove_region(0) + remove_region(0) + add_region(0) + get_base(0),
        f"{layout}-lost-and-found": two + remove_region(0) + message(13, 0, 1, USUAL) + table(A, B) + get_base(0),
        f"{layout}-laid-anew": two + enable(0, 0) + set_up(0, page=2) + enable(0, 1) + get_base(0),
        f"{layout}-inflight": start + get_inflight() + set_inflight() + set_up(0) + enable(0, 1) + get_base(0) + set_up(0),
        f"{layout}-inflight-small": start + set_inflight(1, 2) + set_up(0) + set_up(1, page=1),
        f"{layout}-channel": start + channel() + set_up(0) + channel() + get_base(0),
    }

folder = pathlib.Path(sys.argv[1])
for name, life in lives.items():
    for bits in (0, 2):
        (folder / f"{name}-{bits}").write_bytes(bytes([bits]) + life)
