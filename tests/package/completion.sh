#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash completion, in a bash that has sourced it and nothing else: what a line of words may go on with.
#
# usage: completion.sh BUILD
set -uo pipefail
build=$(realpath "$1")
source=$(cd "$(dirname "$0")/../.." && pwd)
PATH=$build/tools:$build/bench/txbench:$build/tools/txring-xdp:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
touch vm.xml
bad=0
. "$source/tools/completion/txring" || exit 1

# complete_line LINE: what bash would offer, a word a line.
complete_line()
{
	COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD=0 COMPREPLY=()
	set -- $1
	_txring "$1" "" "" 2>>errors
	printf '%s\n' "${COMPREPLY[@]}"
}

# offers LINE WORD...: each is among what is offered, and with "only" first nothing else.
offers()
{
	local line=$1 got word
	shift
	got=$(complete_line "$line")
	if [ "$1" = only ]; then
		shift
		[ "$(sort <<<"$got")" = "$(printf '%s\n' "$@" | sort)" ] ||
			{ echo "FAILED: '$line' offers: $got; not: $*"; bad=1; }
		return
	fi
	for word; do
		grep -qxF -- "$word" <<<"$got" || { echo "FAILED: '$line' offers no $word, but: $got"; bad=1; }
	done
}

for program in txringd txringctl; do
	mapfile -t options < <("$program" --help | grep -oE '^  --[a-z][a-z-]*' | tr -d ' ')
	[ "${#options[@]}" -gt 0 ] || { echo "FAILED: no options in $program --help"; bad=1; }
	offers "$program --" "${options[@]}"
	complete -p "$program" >/dev/null || { echo "FAILED: nothing completes $program"; bad=1; }
done
offers 'txringd --txm' only --txmode
offers 'txringd --txmode ' iothread timer poll bh
offers 'txringd --txmode ti' only timer
offers 'txringd --socket-path x --txmode timer,' timer,delay= timer,burst=
offers 'txringd --txmode timer,delay=1us,b' only 1us,burst= # what stands before the last = is there
offers 'txringd --backend ' null loop tap:
offers 'txringd --vhost ' only default require disable
offers 'txringd --link d' only down
offers 'txringd --coalesce ' only on off
offers 'txringd --log-level d' only debug
offers 'txringctl log-level ' only error warning info debug
offers 'txringd --interface v' only vm.xml
offers 'txringctl ' show latency dumpxml link vhost set convert metrics probe
offers 'txringctl --control x sh' only show
offers 'txringctl link ' up down
offers 'txringctl convert --' --to --back --check
offers 'txringctl metrics --' --control --listen --output --format
offers 'txringctl metrics --format ' only openmetrics prometheus
offers 'txringctl convert --to ' only vhostuser qemu vhost-user

# A txringctl with other words, and cards.
mkdir bin
cat >bin/txringctl <<'STUB'
#!/bin/sh
case "$*" in
--help)	cat <<'HELP'
usage: txringctl [--control PATH] COMMAND

  link up|down [NIC]  the link
  set NIC KEY=VALUE...  change
  --control PATH      the socket
  --json              as it is
HELP
	;;
"--control x --json show") printf '{\n  "nics": [\n    {\n      "name": "nic0",\n      "driver": {\n        "name": "user"\n' ;;
esac
STUB
chmod +x bin/txringctl
kept=$PATH
PATH=$PWD/bin:$PATH
_txring_kept=()
offers 'txringctl --control x set ' only nic0
offers 'txringctl --control x link up ' only nic0
offers 'txringctl link ' only up down
offers 'txringctl set nic0 ' only txmode= coalesce= delay= burst= spin=
offers 'txringctl set nic0 coalesce=' only on off
offers 'txringctl set nic0 txmode=ti' only timer
PATH=$kept
_txring_kept=()
if command -v txbench >/dev/null; then
	offers 'txbench ' run show report diff history selftest
	offers 'txbench run --dir' only --direction
	offers 'txbench run --direction ' only tx rx rr
fi
[ ! -s errors ] || { echo "FAILED: said $(cat errors)"; bad=1; }
exit $bad
