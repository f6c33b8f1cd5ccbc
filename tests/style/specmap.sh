#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs/spec-map.md tells the truth: every file that it names exists and has every function and test
# named behind it, and no message that a session carries out is missing. It cannot judge whether a
# test tests.
#
# usage: specmap.sh [ROOT]
set -uo pipefail
cd "${1:-$(dirname "$0")/../..}" || exit 1
page=docs/spec-map.md
requests=virtio/vhost_user/requests.c
bad=0
n=0

say()
{
	echo "$page: $1"
	bad=1
}

# The words of a file, between blanks, into words: read once, as its entries follow each other.
words_of()
{
	[ "$1" != "${had-}" ] || return 0
	had=$1
	words=" $(grep -oE '[A-Za-z0-9_]+' "$1" | sort -u | tr '\n' ' ')"
}

# What stands between backquotes in the rows of tables: "file" or "file: name, name".
while IFS= read -r entry; do
	n=$((n + 1))
	file=${entry%%:*}
	if [ ! -f "$file" ]; then
		say "there is no $file"
		continue
	fi
	[ "$entry" != "$file" ] || continue
	words_of "$file"
	for name in ${entry#*:}; do
		name=${name%,}
		[[ $words == *" $name "* ]] || grep -qw -- "$name" "$file" || say "$file has no $name"
	done
done < <(grep '^|' "$page" | grep -oE '`[^`]+`' | tr -d '`' | sort -u)
[ $n -gt 0 ] || say "names nothing"

rows=" $(grep '^|' "$page" | cut -d '|' -f 2 | grep -oE '[A-Z_]+' | tr '\n' ' ')"
for message in $(sed -n 's/.*REQUEST(\([A-Z_]*\), RUN(.*/\1/p' "$requests"); do
	[[ $rows == *" $message "* ]] || say "has no row for $message"
done
echo "specmap: $n entries"
exit "$bad"
