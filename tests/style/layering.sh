#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The rules of the tree that a compiler does not keep: which layer may include what, what a library
# may not do, what each file starts with, what it may export. It does not judge code.
#
# usage: layering.sh [ROOT [BUILD]]
# ROOT: the source tree. BUILD: a build directory with objects, for the rule on exported names.
set -uo pipefail
root=$(cd "${1:-$(dirname "$0")/../..}" && pwd) || exit 1
build=${2-}
[ -z "$build" ] || build=$(cd "$build" && pwd) || exit 1
cd "$root" || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

shopt -s globstar nullglob
layers=(virtio datapath tools bench tests)
c_files=()
h_files=()
texts=(meson.buil[d] meson_options.tx[t] .ci/*)
for layer in "${layers[@]}"; do
	c_files+=("$layer"/**/*.c)
	h_files+=("$layer"/**/*.h)
	for f in "$layer"/**; do
		[ -f "$f" ] || continue
		case $f in
		*.[ch] | *.sh | *.py | */meson.build) texts+=("$f") ;;
		tests/fuzz/corpus/*) ;;
		*) LC_ALL=C read -r -N 2 first <"$f" && [ "$first" = "#!" ] && texts+=("$f") ;;
		esac
	done
done
sources=("${c_files[@]}" "${h_files[@]}")
if [ "${#sources[@]}" -eq 0 ]; then
	echo "layering: no C source under $root"
	exit 1
fi

# Include lines, as: file, line, " or <, what is included.
includes()
{
	awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*[<"]/) {
		kind = substr($0, RLENGTH, 1)
		name = substr($0, RLENGTH + 1)
		sub(/[>"].*/, "", name)
		print FILENAME, FNR, kind, name
	}' "${sources[@]}"
}

# The order inside a layer: which file stands on which, as: order, level, pattern of a path without its suffix. No file
# includes what stands above it in its order, or calls it. What is in no order is not judged.
orders='
datapath 1 datapath/(iothread|latency|ticks|probe)
datapath 2 datapath/(tx/.*|rx|device_types|device_log|rarp)
datapath 3 datapath/pair
datapath 4 datapath/handover.*
datapath 5 datapath/device
datapath 6 datapath/txring.*
session 1 virtio/vhost_user/(proto|conn)
session 2 virtio/vhost_user/report
session 3 virtio/vhost_user/(inflight|backend_req)
session 4 virtio/vhost_user/vring
session 5 virtio/vhost_user/(memory|vring_fds)
session 6 virtio/vhost_user/requests
session 7 virtio/vhost_user/session
virtq 1 virtio/(gmem|foreign|notifier)
virtq 2 virtio/(chain|virtq_inflight|virtq_recover)
virtq 3 virtio/virtq_state
virtq 4 virtio/virtq_(split|packed)
virtq 5 virtio/virtq
'

check_includes()
{
	includes | awk -v orders="$orders" '
	function say(text) { print file ":" line ": includes " name ": " text }
	# The level of a path in an order, or 0.
	function level(path, order, i) {
		sub(/\.[a-z]*$/, "", path)
		for (i = 1; i <= n_levels; i++)
			if (of[i] == order && path ~ ("^(" pattern[i] ")$"))
				return at[i]
		return 0
	}
	function goes_up(path, target, i, from) {
		for (i = 1; i <= n_levels; i++)
			if ((from = level(path, of[i])) && level(target, of[i]) > from)
				return 1
		return 0
	}
	function starts(prefix) { return index(name, prefix) == 1 }
	BEGIN {
		n = split("alloca assert byteswap ctype dirent dlfcn elf endian errno fcntl " \
			"float immintrin inttypes limits math netdb poll sched setjmp signal " \
			"stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib string " \
			"strings syscall time unistd wchar x86intrin", word)
		for (i = 1; i <= n; i++)
			libc[word[i] ".h"] = 1
		n = split("backend.h frame.h offload.h stats.h", word)
		for (i = 1; i <= n; i++)
			seen_by_backend["datapath/" word[i]] = 1
		n_levels = split(orders, rule, "\n")
		for (i = 1; i <= n_levels; i++)
			if (split(rule[i], word, " ") == 3) {
				of[i] = word[1]
				at[i] = word[2] + 0
				pattern[i] = word[3]
			}
		seen_by_backend["virtio/base.h"] = seen_by_backend["virtio/net_hdr.h"] = 1
	}
	{
		file = $1; line = $2; kind = $3; name = $4
		split(file, part, "/")
		layer = part[1]
		own = kind == "\""
		uring = name ~ /^(liburing|linux\/io_uring)/
		xdp = name ~ /^(xdp|bpf)\// || name == "linux/if_xdp.h"
	}
	own && name ~ /\.\.\// { say("write it from the root, without ../"); next }
	own && name !~ /^(virtio|datapath|tools|bench|tests)\// {
		say("write it from the root, as \"layer/name.h\"")
		next
	}
	!own && name ~ /^(virtio|datapath|tools|bench|tests)\// {
		say("the project itself is included with quotes")
		next
	}

	own && goes_up(file, name) { say("that stands above it") }
	layer == "virtio" && own && !starts("virtio/") { say("virtio/ includes only virtio/") }
	layer == "virtio" && !own && !(name in libc) &&
	name !~ /^(linux|sys|asm|netinet|net|arpa|netpacket)\// {
		say("virtio/ includes only libc and kernel UAPI")
	}
	layer == "virtio" &&
	(name ~ /^sys\/(epoll|timerfd)\.h$/ || name == "linux/if_tun.h" || uring || xdp) {
		say("virtio/ has no event loop, no backend, no io_uring and no XDP")
	}
	layer == "datapath" && own && !starts("virtio/") && !starts("datapath/") {
		say("datapath/ includes only datapath/ and virtio/")
	}
	file ~ /^datapath\/backend\// && own && !(name in seen_by_backend) &&
	!starts("datapath/backend/") {
		say("a backend sees backend.h, frame.h, offload.h, stats.h, virtio/base.h, virtio/net_hdr.h")
	}
	(layer == "tools" || layer == "bench") && own && starts("tests/") {
		say(layer "/ does not need tests/")
	}

	uring && layer != "bench" && file != "datapath/iothread.c" &&
	file !~ /^datapath\/backend\/[a-z0-9_]*\.c$/ {
		say("io_uring has one door: datapath/iothread.c and backends that submit to it")
	}
	xdp && layer != "bench" && layer != "tests" &&
	file !~ /^datapath\/backend\/xdp[a-z_]*(\.bpf)?\.c$/ &&
	!(name == "linux/if_xdp.h" && file ~ /^datapath\/backend\/xdp[a-z_]*\.h$/) {
		say("libxdp and libbpf have one door: datapath/backend/xdp*.c")
	}
	name ~ /^libxml/ {
		if (file !~ /^tools\/.*\.c$/ || (door && door != file))
			say("libxml2 has one door: one file of tools/")
		else
			door = file
	}
	name == "cmocka.h" && layer != "tests" { say("cmocka is for tests/") }
	'
}

# The C files given, without comments and with empty strings, each line with its place.
code()
{
	awk '
	FNR == 1 { inside = 0 }
	{
		rest = $0
		out = ""
		while (rest != "") {
			if (inside) {
				end = index(rest, "*/")
				inside = !end
				rest = end ? substr(rest, end + 2) : ""
			} else if (match(rest, /\/\*|\/\/|"([^"\\]|\\.)*"|'\''([^'\''\\]|\\.)*'\''/)) {
				token = substr(rest, RSTART, RLENGTH)
				out = out substr(rest, 1, RSTART - 1)
				rest = token == "//" ? "" : substr(rest, RSTART + RLENGTH)
				inside = token == "/*"
				if (token !~ /^\//)
					out = out "\"\""
			} else {
				out = out rest
				rest = ""
			}
		}
		print FILENAME ":" FNR ": " out
	}' "$@"
}

check_library_calls()
{
	local files=() f
	for f in "${sources[@]}"; do
		case $f in virtio/* | datapath/*) files+=("$f") ;; esac
	done
	[ "${#files[@]}" -gt 0 ] || return 0
	code "${files[@]}" | awk '
	function uses(words, text) {
		if ($0 ~ "[^A-Za-z0-9_.>](" words ")")
			print $1, text
	}
	{
		uses("(getopt|getopt_long|getenv|secure_getenv)[ ]*\\(",
			"a library reads no arguments and no environment")
		uses("(exit|_exit|quick_exit|abort)[ ]*\\(", "a library does not end the program")
		uses("(v?printf|puts|putchar|perror)[ ]*\\(", "a library does not print")
		uses("(stdout|stderr)([^A-Za-z0-9_]|$)", "a library does not print")
		uses("(signal|sigaction)[ ]*\\(", "a library does not handle signals")
	}
	/^virtio\// { uses("pthread_[a-z_]+|thrd_[a-z]+|_Thread_local|__thread", "virtio/ has no threads") }
	'
}

# Calls of objects that go up in an order, and names that a file must not export: tx/queue.c exports queue_* or
# tx_queue_*, its own name, with its folder's before it or without.
check_objects()
{
	[ -n "$build" ] && [ -f "$build/compile_commands.json" ] || return 0
	ORDERS=$orders python3 - "$root" "$build" <<'PYTHON'
import json, os, re, subprocess, sys
root, build = sys.argv[1:]
orders = [line.split() for line in os.environ["ORDERS"].split("\n") if line]

def goes_up(source, target):
    def levels(path):
        return [(o, int(n)) for o, n, p in orders if re.fullmatch(p, os.path.splitext(path)[0])]
    return any(o == p and n < m for o, n in levels(source) for p, m in levels(target))

objects = {}
for entry in json.load(open(build + "/compile_commands.json")):
    source = os.path.relpath(os.path.join(build, entry["file"]), root)
    target = os.path.join(build, entry.get("output", ""))
    if re.match(r"(virtio|datapath)/", source) and os.path.isfile(target):
        objects[source] = target
home, calls = {}, []
sources = {target: source for source, target in objects.items()}
told = subprocess.check_output(["nm", "-gA", *sources], text=True) if sources else ""
for line in told.splitlines():
    target, _, rest = line.partition(":")
    source = sources[target]
    folder, name = source[:-2].split("/")[-2:]
    kind, symbol = rest.split()[-2:]
    if kind == "U":
        calls.append((source, symbol))
        continue
    home[symbol] = source
    if not symbol.startswith(("__", "_.")) and not re.match(rf"({folder}_)?{name}(_|$)", symbol):
        print(f"{source}: exports {symbol}, which is not {name}_* or {folder}_{name}_*")
for source, symbol in calls:
    if symbol in home and goes_up(source, home[symbol]):
        print(f"{source}: calls {symbol} of {home[symbol]}, which stands above it")
PYTHON
}

syntax()
{
	${CC:-cc} -fsyntax-only -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -I . "$@"
}

# Each header alone, twice, so that its guard is tried too: many in one run of the compiler, and one by one if that
# fails. A header that is a part of another says so with #error "include THE OTHER"; then only that one may include it.
check_headers()
{
	local h whole line f alone=()
	mkdir "$scratch/headers"
	declare -A part_of=()
	while IFS= read -r line; do
		part_of[${line%%:*}]=$(sed -E 's/.*error "include ([^"]+)"$/\1/' <<<"$line")
	done < <(grep -HE '^#[ 	]*error "include [^"]+"$' /dev/null "${h_files[@]}")
	for h in "${h_files[@]}"; do
		whole=${part_of[$h]-}
		if [ -n "$whole" ]; then
			grep -lF "#include \"$h\"" "${sources[@]}" | grep -vxF "$whole" |
				awk -v h="$h" -v whole="$whole" \
					'{ print $1 ": includes " h ": that is a part of " whole }'
			continue
		fi
		f=$scratch/headers/${#alone[@]}.c
		printf '#include "%s"\n#include "%s"\n' "$h" "$h" >"$f"
		alone+=("$h")
	done
	[ "${#alone[@]}" -gt 0 ] || return 0
	export -f syntax
	printf '%s\0' "$scratch/headers"/*.c |
		xargs -0 -P 2 -n 16 bash -c 'syntax "$@"' bash >"$scratch/cc" 2>&1 && return 0
	for f in "${!alone[@]}"; do
		syntax "$scratch/headers/$f.c" >"$scratch/cc" 2>&1 ||
			echo "${alone[f]}: does not stand alone:" \
				"$(grep -m 1 -E 'error|warning' "$scratch/cc")"
	done
}

# SPDX within the first three lines, then a comment of at least three words within four more.
check_heads()
{
	awk '
	function report() {
		if (!spdx)
			print name ":1: does not start with SPDX-License-Identifier: MIT"
		else if (!comment)
			print name ":1: does not say in a first comment what it is for"
	}
	FNR == 1 {
		if (name)
			report()
		name = FILENAME
		spdx = comment = 0
	}
	FNR <= 3 && /SPDX-License-Identifier: MIT( |$)/ { spdx = FNR; next }
	spdx && FNR <= spdx + 4 && /^[ \t]*(\/\*|\*|\/\/|#|""")/ && NF >= 4 { comment = 1 }
	END { report() }' "${texts[@]}"
}

check_marks()
{
	grep -nwE 'TO''DO|FIX''ME|XX''X' "${texts[@]}" /dev/null |
		awk -F: '{ print $1 ":" $2 ": a mark of unfinished work" }'
}

{
	check_includes
	check_library_calls
	check_headers
	check_heads
	check_marks
	check_objects || echo "layering.sh: could not read the symbols"
} | sort -u >"$scratch/found"
cat "$scratch/found"
n=$(wc -l <"$scratch/found")
echo "layering: ${#sources[@]} sources, ${#texts[@]} files, $n broken rules"
[ "$n" -eq 0 ]
