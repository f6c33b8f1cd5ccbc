#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Shows that layering.sh, format.sh and specmap.sh can fail: one small good tree passes, and of each file
# in it that breaks a rule, that rule is named; of no other file. All of it in a scratch directory.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree
mkdir "$tree"
spdx="SPDX-License-Identifier: MIT"
bad=0
n=0 # broken rules so far
wanted=()

# put FILE LINE...: a source file with a proper head.
put()
{
	local file=$tree/$1
	shift
	[ -d "${file%/*}" ] || mkdir -p "${file%/*}"
	printf '%s\n' "/* $spdx */" '/* One of the files of a small tree. */' "$@" >"$file"
}

good_tree()
{
	rm -rf "${tree:?}"/*
	[ ! -d "$scratch/good" ] || { cp -r "$scratch/good/." "$tree" && return; }
	put virtio/base.h '#pragma once' '#include <stdint.h>' 'struct base {' '	char n;' '};'
	put virtio/base.c '#include "virtio/base.h"' '#include <linux/virtio_ring.h>' \
		'int base_n(void);' '/* getenv( and exit(1) in a comment */' \
		'int base_n(void)' '{' '	return "abort()"[0];' '}'
	put virtio/part.h '#ifndef VIRTIO_WHOLE_H' '#error "include virtio/whole.h"' '#endif'
	put virtio/whole.h '#ifndef VIRTIO_WHOLE_H' '#define VIRTIO_WHOLE_H' \
		'#include "virtio/part.h"' '#endif'
	put datapath/iothread.c '#include <liburing.h>' '#include "virtio/base.h"'
	put datapath/backend/tap.c '#include "datapath/backend.h"' '#include "virtio/base.h"'
	put datapath/backend/xdp_prog.c '#include <xdp/libxdp.h>' '#include <bpf/bpf.h>'
	put datapath/backend/xdp_prog.bpf.c '#include <bpf/bpf_helpers.h>'
	put datapath/backend.h '#pragma once'
	put tools/main.c '#include <stdlib.h>' '#include "datapath/backend.h"'
	put tests/unit.c '#include <cmocka.h>' '#include "virtio/base.h"'
	cp -r "$tree" "$scratch/good"
}

# broken WHAT FILE: in the tree as it is now, FILE breaks the rule that WHAT tells of.
broken()
{
	n=$((n + 1))
	wanted+=("$2"$'\t'"$1")
}

# judge: layering.sh fails on the tree, says of each broken file what is broken, and nothing of the other files.
judge()
{
	local out lines line want found=()

	if out=$("$here/layering.sh" "$tree" "$([ ! -d "$tree/build" ] || echo "$tree/build")"); then
		echo "layering.sh did not see: ${wanted[*]}"
		bad=1
	fi
	mapfile -t lines <<<"$out"
	for want in "${wanted[@]}"; do
		for line in "${lines[@]}"; do
			[[ $line != "${want%%$'\t'*}:"*"${want#*$'\t'}"* ]] || continue 2
		done
		echo "layering.sh did not say '${want#*$'\t'}' of ${want%%$'\t'*}: $out"
		bad=1
	done
	for line in "${lines[@]}"; do
		[[ " ${wanted[*]%%$'\t'*} layering " == *" ${line%%:*} "* ]] && continue
		echo "layering.sh says of a good file: $line"
		bad=1
	done
	wanted=()
	good_tree
}

# reject WHAT FILE LINE...: one more file that breaks a rule. An a.c is another one each time.
reject()
{
	local what=$1 file=${2/\/a./\/a$n.}

	shift 2
	put "$file" "$@"
	broken "$what" "$file"
}

good_tree
if ! out=$("$here/layering.sh" "$tree"); then
	echo "layering.sh fails on a good tree: $out"
	exit 1
fi

from_root="write it from the root"
reject "virtio/ includes only virtio/" virtio/a.c '#include "datapath/backend.h"'
judge # alone: one broken rule is enough to fail
reject "virtio/ includes only virtio/" virtio/driver/a.c '#include "tests/unit.h"'
reject "virtio/ includes only libc and kernel UAPI" virtio/a.c '#include <pthread.h>'
reject "virtio/ includes only libc and kernel UAPI" virtio/a.c '#include <liburing.h>'
reject "virtio/ has no event loop" virtio/a.c '#include <sys/epoll.h>'
reject "virtio/ has no event loop" virtio/a.c '# include <linux/if_xdp.h>'
reject "virtio/ has no event loop" virtio/a.c '#include <linux/io_uring.h>'
reject "virtio/ has no threads" virtio/a.c 'static _Thread_local int a;'
reject "datapath/ includes only datapath/ and virtio/" datapath/a.c '#include "tools/main.h"'
reject "datapath/ includes only datapath/ and virtio/" datapath/tx/a.c '#include "bench/a.h"'
reject "a backend sees" datapath/backend/a.c '#include "virtio/virtq.h"'
reject "a backend sees" datapath/backend/a.c '#include "datapath/tx/queue.h"'
reject "io_uring has one door" datapath/device.c '#include <liburing.h>'
reject "io_uring has one door" datapath/backend/a.h '#include <liburing.h>'
reject "io_uring has one door" tools/a.c '#include <liburing/io_uring.h>'
reject "libxdp and libbpf have one door" datapath/backend/tap.c '#include <xdp/xsk.h>'
reject "libxdp and libbpf have one door" datapath/backend/xdp_prog.h '#include <xdp/libxdp.h>'
reject "libxdp and libbpf have one door" datapath/xdp.c '#include <bpf/libbpf.h>'
reject "libxdp and libbpf have one door" datapath/pair.c '#include <bpf/bpf.h>'
reject "libxdp and libbpf have one door" tools/a.c '#include <linux/if_xdp.h>'
reject "libxml2 has one door" datapath/a.c '#include <libxml/tree.h>'
put tools/a.c '#include <libxml/tree.h>'
reject "libxml2 has one door" tools/b.c '#include <libxml/tree.h>'
reject "cmocka is for tests/" tools/a.c '#include <cmocka.h>'
reject "tools/ does not need tests/" tools/a.c '#include "tests/unit.h"'
reject "$from_root" virtio/a.c '#include "base.h"'
reject "$from_root" virtio/driver/a.c '#include "../base.h"'
reject "the project itself is included with quotes" virtio/a.c '#include <virtio/base.h>'

for call in 'getopt(0, 0, 0);' 'getopt_long(0, 0, 0, 0, 0);' 'getenv("A");'; do
	reject "a library reads no arguments" datapath/a.c "$call"
done
for call in 'exit(1);' '	_exit (1);' '	abort();'; do
	reject "a library does not end the program" virtio/a.c "$call"
done
for call in 'printf("a");' 'puts("a");' 'fprintf(stderr, "a");' 'fputs("a", stdout);'; do
	reject "a library does not print" datapath/a.c "$call"
done
reject "a library does not handle signals" datapath/a.c 'sigaction(1, &a, &b);'

reject "does not stand alone" virtio/a.h '#pragma once' 'uint32_t a;'
reject "does not stand alone" datapath/a.h 'struct a {' '	int n;' '};'
reject "that is a part of virtio/whole.h" virtio/a.c '#include "virtio/part.h"'

printf '/* %s */\nint a;\n' 'A file of some use to someone' >"$tree/virtio/b.c"
broken "1: does not start with SPDX" virtio/b.c
printf '/* %s */\nint a;\n' "$spdx" >"$tree/virtio/c.c"
broken "1: does not say" virtio/c.c
printf '#!/bin/sh\n# %s\n\necho\n' "$spdx" >"$tree/tools/a"
broken "1: does not say" tools/a
printf 'project()\n' >"$tree/meson.build"
broken "1: does not start with SPDX" meson.build
reject "a mark of unfinished work" tests/a.c '/* TO''DO: more */'
reject "a mark of unfinished work" bench/a.py '# FIX''ME'
judge

# The order inside a layer, of includes.
put virtio/gmem.h '#pragma once'
put virtio/virtq_split.h '#include "virtio/gmem.h"'
put datapath/iothread.h '#pragma once'
put datapath/tx/queue.c '#include "datapath/iothread.h"' '#include "datapath/backend.h"'
put datapath/pair.h '#include "datapath/iothread.h"' '#include "virtio/gmem.h"'
put datapath/device.c '#include "datapath/pair.h"'
if ! out=$("$here/layering.sh" "$tree"); then
	echo "layering.sh refuses a good order: $out"
	bad=1
fi
above="that stands above it"
put datapath/device.h '#pragma once'
reject "3: includes datapath/device.h: $above" datapath/pair.h '#include "datapath/device.h"'
put datapath/rx.h '#pragma once'
reject "3: includes datapath/rx.h: $above" datapath/iothread.h '#include "datapath/rx.h"'
put virtio/vhost_user/vring.h '#pragma once'
reject "3: includes virtio/vhost_user/vring.h: $above" virtio/vhost_user/report.h '#include "virtio/vhost_user/vring.h"'
put virtio/virtq.h '#pragma once'
reject "3: includes virtio/virtq.h: $above" virtio/virtq_packed.h '#include "virtio/virtq.h"'
judge

# Calls and exported names, of objects.

# object FILE LINE...: this source, and its object in a build directory.
object()
{
	local build=$tree/build
	put "$@"
	mkdir -p "$build"
	${CC:-cc} -c -o "$build/${1##*/}.o" "$tree/$1"
	printf '{"directory": "%s", "file": "../%s", "output": "%s"}\n' "$build" "$1" "${1##*/}.o" \
		>>"$build/entries"
	printf '[%s]\n' "$(paste -s -d , "$build/entries")" >"$build/compile_commands.json"
}
object datapath/tx/queue.c 'int tx_queue_a, queue_b, queue;'
object datapath/pair.c 'int pair_a(void);' 'int pair_a(void) { return 0; }'
object datapath/device.c 'int device_a(void), pair_a(void);' 'int device_a(void) { return pair_a(); }'
if ! out=$("$here/layering.sh" "$tree" "$tree/build"); then
	echo "layering.sh refuses good names and calls: $out"
	bad=1
fi
object datapath/tx/queue.c 'int queues_run;'
broken "exports queues_run" datapath/tx/queue.c
judge
object datapath/pair.c 'int pair_a(void), device_a(void);' 'int pair_a(void) { return device_a(); }'
object datapath/device.c 'int device_a(void);' 'int device_a(void) { return 0; }'
broken "calls device_a of datapath/device.c, which stands above it" datapath/pair.c
judge

rm -rf "${tree:?}"/*
broken "no C source" layering
judge

if command -v clang-format >/dev/null; then
	good_tree
	cp "$here/../../.clang-format" "$tree"
	put virtio/base.c '#include "virtio/base.h"'
	n=$((n + 2))
	if ! out=$("$here/format.sh" "$tree"); then
		echo "format.sh fails on a good tree: $out"
		bad=1
	fi
	put virtio/a.c 'int  a;' "/* $(printf '%0100d' 0) */"
	out=$("$here/format.sh" "$tree") && bad=1
	for what in 'virtio/a.c: run clang-format' 'virtio/a.c:4: over 100 columns'; do
		if ! grep -qF "$what" <<<"$out"; then
			echo "format.sh did not say '$what': $out"
			bad=1
		fi
	done
fi
# map ENTRY WHAT: specmap.sh says WHAT of a page with one row that names this.
map()
{
	local out
	n=$((n + 1))
	printf '| 2.1 | `%s` | X |\n' "$1" >"$tree/docs/spec-map.md"
	out=$("$here/specmap.sh" "$tree")
	if ! grep -qF "$2" <<<"$out"; then
		echo "specmap.sh did not say '$2' of '$1': $out"
		bad=1
	fi
}
good_tree
mkdir -p "$tree/docs"
put virtio/vhost_user/requests.c '	REQUEST(SET_X, RUN(set_x)),' '	REQUEST(SET_Y, NAME_ONLY),'
map 'virtio/base.c: base_n' 'has no row for SET_X'
map 'virtio/none.c: base_n' 'there is no virtio/none.c'
map 'virtio/base.c: base_n, base_x' 'virtio/base.c has no base_x'
map '' 'names nothing'
printf '| SET_X | `virtio/base.c: base_n` |\n' >"$tree/docs/spec-map.md"
if ! out=$("$here/specmap.sh" "$tree"); then
	echo "specmap.sh fails on a good page: $out"
	bad=1
fi
echo "selftest: $n broken rules tried"
exit "$bad"
