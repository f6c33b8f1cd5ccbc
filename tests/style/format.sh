#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The shape of the C sources: what .clang-format decides, and 100 columns also where that breaks no
# line. It changes nothing; to mend: clang-format -i FILE.
#
# usage: format.sh [ROOT]
set -uo pipefail
cd "${1:-$(dirname "$0")/../..}" || exit 1

if ! command -v clang-format >/dev/null; then
	echo "skipped: needs clang-format"
	exit 77
fi
shopt -s globstar nullglob
sources=({virtio,datapath,tools,bench,tests}/**/*.[ch])
if [ "${#sources[@]}" -eq 0 ]; then
	echo "format: no C source here"
	exit 1
fi

found=$(
	clang-format --dry-run "${sources[@]}" 2>&1 |
		awk -F: '/clang-format-violations/ { bad[$1] = 1 }
			END { for (f in bad) print f ": run clang-format -i on it" }'
	awk 'function report() {
			if (n)
				print file ":" first ": over 100 columns, so many lines: " n
		}
		FNR == 1 {
			report()
			file = FILENAME
			n = 0
		}
		{
			width = length($0)
			if (pieces = split($0, piece, "\t")) {
				width = length(piece[1])
				for (i = 2; i <= pieces; i++)
					width += 8 - width % 8 + length(piece[i])
			}
			if (width > 100 && !n++)
				first = FNR
		}
		END { report() }' "${sources[@]}"
)
[ -z "$found" ] || sort <<<"$found"
[ -z "$found" ]
