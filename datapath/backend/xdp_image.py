#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# usage: xdp_image.py [FILE]
# Writes C that holds the bytes of FILE, the compiled XDP program; none without FILE.
import sys

data = open(sys.argv[1], "rb").read() if len(sys.argv) > 1 else b""
rows = [data[i:i + 16] for i in range(0, len(data), 16)] or [b"\0"]
print('#include "datapath/backend/xdp_image.h"\n')
print("_Alignas(8) const unsigned char xdp_image[] = {")
for row in rows:
    print("\t" + ", ".join(f"0x{byte:02x}" for byte in row) + ",")
print("};")
print(f"const size_t xdp_image_len = {len(data)};")
