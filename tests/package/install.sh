#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What `meson install` puts into a DESTDIR: each file that belongs there, with the mode that it ought to have, nothing
# elsewhere, no path of the build or of the DESTDIR in any of them; the programs start from there; QEMU's descriptor names a
# program that says of itself what the descriptor says.
#
# usage: install.sh BUILD PREFIX BINDIR LIBDIR
set -uo pipefail
build=$(realpath "$1") prefix=$2 bindir=$3 libdir=$4
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/undo.sh"
work=$(mktemp -d)
undo_later rm -rf "$work"
trap 'rm -rf "$work"' EXIT
root=$work/root
bad=0

fail()
{
	echo "FAILED: $*"
	bad=1
}

# As one whose umask lets nobody read.
(umask 077 && meson install -C "$build" --no-rebuild --quiet --strip --destdir "$root" >"$work/log" 2>&1) ||
	{ cat "$work/log"; exit 1; }
cd "$root$prefix" || exit 1

wanted=("$bindir"/{txringd,txringctl} "$libdir"/libtxring.so{,.0,.0.1.0} "$libdir/pkgconfig/txring.pc" include/txring.h
	share/qemu/vhost-user/50-txring.json share/bash-completion/completions/{txringd,txringctl}
	share/man/man1/{txringd,txringctl}.1 share/man/man5/txring-xml.5 share/man/man7/txring-engines.7)
for name in txring-xdp txbench txbench-known; do
	[ ! -e "$bindir/$name" ] || wanted+=("share/man/man1/$name.1")
done
for file in "${wanted[@]}"; do
	[ -e "$file" ] || fail "no $prefix/$file"
done

# Modes: programs and scripts that are run 0755, all else 0644, folders 0755; root's all.
while read -r mode type file; do
	want=644
	case $file in
	"./$bindir"/* | */libtxring.so.*) want=755 ;;
	./libexec/txring/*) IFS= read -r -N 2 first <"$file"; [ "$first" != "#!" ] || want="(644|755)" ;;
	esac
	[ "$type" != d ] || want=755
	[ "$type" = l ] || [[ $mode =~ ^$want$ ]] || fail "$file: mode $mode, not $want"
done < <(find . -printf '%m %y %p\n')
# Links lead to something that is installed.
while IFS= read -r file; do
	fail "$file: leads nowhere"
done < <(find . -xtype l)
# Nothing but what is known by its folder.
while IFS= read -r file; do
	case ${file#"$root"} in
	"$prefix"/{"$bindir","$libdir",include,libexec/txring,share,lib/systemd}/* | "$prefix/lib/systemd"/* | /etc/libvirt/hooks/*) ;;
	"$prefix/$bindir"/* | "$prefix/$libdir"/* | "$prefix"/include/txring.h | "$prefix"/libexec/txring/* | "$prefix"/share/*) ;;
	*) fail "what is ${file#"$root"}?" ;;
	esac
done < <(find "$root" -type f)
for path in "$build" "$source" "$root"; do
	found=$(grep -rlaF "$path" "$root") || continue
	fail "$path is in: $found"
done
for file in "$bindir"/* "$libdir"/libtxring.so; do
	# A script has none.
	! readelf -d "$file" 2>/dev/null | grep -E 'R(UN)?PATH' || fail "$file has a run path"
done

for name in txringd txringctl; do
	"$bindir/$name" --version >"$work/version" || fail "$name --version: status $?"
done
"$bindir/txringd" --print-capabilities >"$work/says" || fail "txringd --print-capabilities: status $?"
python3 - share/qemu/vhost-user/50-txring.json "$work/says" "$prefix/$bindir/txringd" <<'PYTHON' || bad=1
import json, sys
told, says = (json.load(open(name)) for name in sys.argv[1:3])
if set(told) - {"tags"} != {"description", "type", "binary"}:
    sys.exit(f"FAILED: the descriptor has {sorted(told)}")
if told["type"] != says["type"] or told["binary"] != sys.argv[3]:
    sys.exit(f"FAILED: the descriptor says {told}, the program {says}")
PYTHON
MANPATH=$PWD/share/man man -w txringd txring-engines >/dev/null 2>&1 || ! command -v man >/dev/null ||
	fail "man does not find the pages"
echo "$(find . -type f | wc -l) files"
exit $bad
