#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The manual pages: groff renders them without a warning, and that of the XML names each element and attribute of
# the table that is read, so that none is read and not told.
#
# usage: man.sh [ROOT]
set -uo pipefail
cd "${1:-$(dirname "$0")/../..}" || exit 1

if ! command -v groff >/dev/null; then
	echo "skipped: needs groff"
	exit 77
fi
bad=0
for page in docs/*.[1-8]; do
	said=$(groff -ww -man -Tutf8 -z -rLL=100n "$page" 2>&1) || bad=1
	[ -z "$said" ] || bad=1
	[ -z "$said" ] || echo "$said"
done

words=$(groff -man -Tascii -P-cbou -rLL=200n docs/txring-xml.5 2>/dev/null | tr -c 'A-Za-z0-9_' '\n' | sort -u)
n=0
for name in $(sed -nE 's/^\t(\{ \.element = |[A-Z_]+\()"([^"]*)"(, "([^"]*)")?.*/\2 \4/p
	s/^\t  \.attribute = "([^"]*)".*/\1/p' tools/config/iface_keys.c | tr '/ ' '\n\n' | sort -u); do
	n=$((n + 1))
	grep -qx -- "$name" <<<"$words" || {
		echo "docs/txring-xml.5: no word of $name, which is in tools/config/iface_keys.c"
		bad=1
	}
done
[ $n -gt 80 ] || {
	echo "only $n names found in tools/config/iface_keys.c"
	bad=1
}
exit $bad
