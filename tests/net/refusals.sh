# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the tests of command lines share: a scratch folder, and the demand that what is wrong gives status 1
# and one line. Sourced; it runs no case. The script sets its exit trap, to leave() or to more.
scratch=$(mktemp -d)
bad=0
n=0 # cases so far
# Under a sanitizer, where each start takes a tenth of a second, one value of those that end at one place of the code.
brief=false
[ -z "${TXRING_BRIEF-}" ] || brief=true

# What most scripts end with: their daemon, even a stopped one, and their files go.
leave()
{
	# Not the other way round: a SIGCONT takes back the SIGSTOP by which LeakSanitizer stops what ends.
	[ -z "${daemon-}" ] || { kill -CONT "$daemon" && kill "$daemon"; } 2>/dev/null
	wait
	rm -rf "$scratch"
}

# fail WHAT: and what the last command said; the test goes on.
fail()
{
	local name

	echo "FAILED: $1"
	for name in out err log; do
		[ ! -s "$scratch/$name" ] || sed "s/^/	$name: /" "$scratch/$name"
	done
	bad=1
}

# comes COMMAND...: it succeeds within a minute.
comes()
{
	local end=$((SECONDS + 60))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

# start_txringd COMMAND...: in the background, as daemon, and it listens. What an earlier one said is gone from the log
# before: a shell empties it only once the new process runs.
start_txringd()
{
	: >"$scratch/log"
	"$@" <&0 2>"$scratch/log" &
	daemon=$!
	comes_up
}

listens_or_ended()
{
	grep -q "listening on" "$scratch/log" || [ ! -e "/proc/$daemon" ]
}

# The daemon, whose log is there, listens.
comes_up()
{
	comes listens_or_ended && [ -e "/proc/$daemon" ]
}

# take_texts TEXT... -- ...: what stands before the -- into the caller's texts.
take_texts()
{
	texts=()
	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
}

# says TEXT... -- COMMAND...: it ends with status 1, and its only line on stderr has each TEXT. No search for
# leaks, which takes as long as all the rest: a program that refuses ends at once, and what it calls has unit tests.
says()
{
	local texts text status lines
	take_texts "$@"
	shift $((${#texts[@]} + 1))
	ASAN_OPTIONS=${ASAN_OPTIONS-}:detect_leaks=0 timeout 60 "$@" >"$scratch/out" 2>"$scratch/err"
	status=$?
	n=$((n + 1))
	[ "$status" = 1 ] || fail "${*:2}: status $status"
	mapfile lines <"$scratch/err"
	[ ${#lines[@]} = 1 ] && [[ ${lines[0]} == *$'\n' ]] || fail "${*:2}: not one line"
	for text in "${texts[@]}"; do
		[[ ${lines[*]} == *"$text"* ]] || fail "${*:2}: no word of '$text'"
	done
}

# says_only TEXT... -- COMMAND...: the same, and nothing on stdout.
says_only()
{
	says "$@"
	[ ! -s "$scratch/out" ] || fail "$*: writes to stdout"
}
