#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The library as it is installed: the example of docs/examples is compiled against a DESTDIR by pkg-config alone, with all
# warnings, and serves our own guest; the header does for C++, too; a program that uses what is no part of it does not link.
#
# usage: library.sh BUILD PREFIX GUEST
set -uo pipefail
build=$1 prefix=$2 guest=$(realpath "$3")
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/undo.sh"
command -v pkg-config >/dev/null || { echo "skipped: needs pkg-config (pkgconf)"; exit 77; }
work=$(mktemp -d)
undo_later rm -rf "$work"
trap 'rm -rf "$work"' EXIT
frames=500

fail()
{
	echo "FAILED: $*"
	exit 1
}

meson install -C "$build" --no-rebuild --quiet --destdir "$work/root" >"$work/log" 2>&1 || fail "$(cat "$work/log")"
# Nothing of the source tree from here on.
cp "$source"/docs/examples/embed.c "$work"
cd "$work" || exit 1
export PKG_CONFIG_PATH= PKG_CONFIG_SYSROOT_DIR=$work/root
PKG_CONFIG_LIBDIR=$(find "$work/root" -name pkgconfig -type d)
export PKG_CONFIG_LIBDIR
[ "$(pkg-config --modversion txring)" ] || fail "pkg-config knows no txring"
[ "$(pkg-config --print-requires txring)" = "" ] || fail "needs: $(pkg-config --print-requires txring)"
read -r -a flags <<<"$(pkg-config --cflags --libs txring)"
[ "$(wc -l <embed.c)" -le 60 ] || fail "the example is longer than 60 lines"
${CC:-cc} -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror embed.c -o embed "${flags[@]}" ||
	fail "embed.c does not build against what is installed"
printf '#include <txring.h>\nint main() { return !txring_version(); }\n' >cpp.cc
if command -v c++ >/dev/null; then
	c++ -Wall -Wextra -Werror cpp.cc -o cpp "${flags[@]}" || fail "the header is none for C++"
fi
printf 'int device_new(void); int main(void) { return device_new(); }\n' >inner.c
! ${CC:-cc} inner.c -o inner "${flags[@]}" 2>/dev/null || fail "device_new can be had from outside"

LD_LIBRARY_PATH=$(dirname "$(find "$work/root$prefix" -name libtxring.so)")
export LD_LIBRARY_PATH
mkfifo stdin
./embed "$work/card" loop <stdin >counters 2>errors &
exec 9>stdin
for _ in 1 2; do
	"$guest" "$work/card" $frames || fail "the guest: $(cat errors)"
done
exec 9>&-
wait $! || fail "embed ended with $?: $(cat errors)"
grep -qx "frames $((2 * frames)) frames" counters || fail "counted otherwise: $(cat counters)"
[ ! -e "$work/card" ] || fail "its socket stays behind"
! ./embed "$work/card" no-such-backend </dev/null 2>errors || fail "no-such-backend passes"
grep -q "no backend 'no-such-backend'" errors || fail "not told: $(cat errors)"
! ./embed "$work/no/such/card" null </dev/null 2>errors || fail "a socket in no folder passes"
grep -q "No such file" errors || fail "not told why: $(cat errors)"
echo "embed: $frames frames twice, $(wc -l <counters) counters"
