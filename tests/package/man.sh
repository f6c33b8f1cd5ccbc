#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The manual pages of programs, as they were built: groff renders them without a warning and man finds their name; each
# option that --help prints is in the page, and no other; txring-engines(7) has each engine, parameter and default of txringd's
# own table, and a section about each engine.
#
# usage: man.sh TXRINGD PAGE... -- NAME=PROGRAM...
set -uo pipefail
export COLUMNS=88 LC_ALL=C.UTF-8
for tool in groff lexgrog; do
	command -v $tool >/dev/null || { echo "skipped: needs $tool (groff-base, man-db)"; exit 77; }
done
txringd=$1
shift
pages=()
while [ "${1-}" != -- ]; do
	pages+=("$1")
	shift
done
shift
declare -A programs
for word; do
	programs[${word%%=*}]=${word#*=}
done
bad=0

fail()
{
	echo "FAILED: $1"
	bad=1
}

text()
{
	groff -man -Tascii -P-cbou -rLL=400n "$1"
}

# Options of the text on stdin, sorted.
options()
{
	grep -oE '(^|[^a-z0-9-])--?[a-z][a-z-]*' | grep -oE -- '--?[a-z][a-z-]*$' | grep -E '^(--..|-.$)' | sort -u
}

# The help of a program and of its commands; the usage of txbench and the list of txringctl name them.
all_help()
{
	local program=$1 command help

	help=$("$program" --help)
	echo "$help"
	for command in $(sed -nE 's/^(usage:| {6}) txbench ([a-z]+) .*/\2/p; /^Local commands/,$s/^  ([a-z]+) .*/\1/p' <<<"$help"); do
		if ! "$program" "$command" --help 2>"$scratch/errors"; then
			grep -o "No module named.*" "$scratch/errors" >>"$scratch/lacks"
		fi
	done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
touch "$scratch/lacks"
for page in "${pages[@]}"; do
	name=$(basename "$page")
	said=$(groff -ww -man -Tutf8 -z -rLL=100n "$page" 2>&1) || said+=" (status $?)"
	[ -z "$said" ] || fail "$name: groff says $said"
	lexgrog -m "$page" >"$scratch/name" || fail "$name: no name for apropos"
	! grep -nE '^@|@VERSION@' "$page" || fail "$name: a directive is left"
	program=${programs[${name%.*}]-}
	[ -n "$program" ] || continue
	# The examples have other programs' options, too.
	diff <(all_help "$program" | options) <(text "$page" | sed '/^EXAMPLES/,/^SEE/d' | options) >"$scratch/diff" ||
		fail "$name: options that only --help has (<), or only the page (>): $(cat "$scratch/diff")"
done

page=$(printf '%s\n' "${pages[@]}" | grep 'txring-engines\.7$') || fail "no txring-engines(7)"
text "$page" >"$scratch/engines"
"$txringd" --help | sed -n '/^tx modes/,/^$/{/^  /p}' >"$scratch/table"
[ "$(grep -c '^  [a-z]' "$scratch/table")" -ge 3 ] || fail "no table of engines in txringd --help"
while IFS=$'\t' read -r left right; do
	grep -A1 -E "^ *${left//  /}( |\$)" "$scratch/engines" | grep -F -- "$right" >/dev/null ||
		fail "txring-engines(7) has no '$left: $right'"
	case $left in
	'    '*) ;;
	*)	grep -qE "^   ${left//[ ,]*/}\$|^   $(tr -d ' ' <<<"${left%%,*}")\$" "$scratch/engines" ||
			fail "txring-engines(7) has no section about $left" ;;
	esac
done <"$scratch/table"
if [ -s "$scratch/lacks" ] && [ $bad = 0 ]; then
	echo "skipped: needs Python's packages for txbench's commands: $(sort -u "$scratch/lacks" | head -n 1)"
	exit 77
fi
exit $bad
