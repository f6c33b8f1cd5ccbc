#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What libtxring exports is what its version script names, and that is what its header declares; it has its SONAME, and
# leaves nothing open that only some program of ours would have.
#
# usage: symbols.sh LIBRARY HEADER MAP
set -uo pipefail
shopt -s extglob
library=$1 header=$2 map=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
bad=0

exported=$(nm -D --defined-only --with-symbol-versions "$library" | awk '$2 == "T" { print $3 }' | sort)
named=$(awk '/^TXRING_/ { version = $1 } /^\ttxring_/ { sub(";", "", $1); print $1 "@@" version }' "$map" | sort)
declared=$(${CC:-cc} -E -P -xc "$header" | tr '\n' ' ' | grep -oE '\btxring_[a-z_]+ *\(' | tr -d ' (' | sort -u)

same()
{
	diff <(echo "$2") <(echo "$3") >"$scratch/diff" && return
	echo "FAILED: $1:"
	cat "$scratch/diff"
	bad=1
}

[ "$(wc -l <<<"$declared")" -ge 11 ] || same "functions in $header" "at least 11" "$declared"
same "exported (<) and in the version script (>)" "$exported" "$named"
same "declared in the header (<) and in the version script (>)" "$declared" "${named//@@TXRING_+([0-9.])/}"
same "other symbols that are exported" "" \
	"$(nm -D --defined-only "$library" | awk '$2 != "T" && $2 != "A" { print }')"
same "its SONAME" "libtxring.so.0" "$(readelf -d "$library" | sed -nE 's/.*SONAME.*\[(.*)\]/\1/p')"
exit $bad
