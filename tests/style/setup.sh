#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tools/setup installs by purpose: each purpose has what the smaller one has, and a look at the demo fetches no
# browser, no DPDK and no fuzzer; a build has AF_XDP in it, with a program of its own. That the packages suffice shows
# on a bare machine only.
#
# usage: setup.sh [ROOT]
set -uo pipefail
cd "${1:-$(dirname "$0")/../..}" || exit 1
bad=0

fail()
{
	echo "FAILED: $1"
	bad=1
}

smaller=
for purpose in build demo guest tests; do
	list=$(tools/setup --list "--$purpose") || fail "--list --$purpose: status $?"
	[ -z "$(uniq -d <<<"$(sort <<<"$list")")" ] || fail "$purpose names a package twice"
	[ -z "$(comm -23 <(sort <<<"$smaller") <(sort <<<"$list") | tr -d '\n')" ] ||
		fail "$purpose lacks what a smaller purpose has"
	[ "$list" != "$smaller" ] || fail "$purpose is no purpose of its own"
	smaller=$list
	case $purpose in
	tests)	[ "$list" = "$(tools/setup --list)" ] || fail "tests are not the default" ;;
	*)	! grep -E 'chromium|dpdk|rte|libvirt|clang-' <<<"$list" || fail "$purpose has these" ;;
	esac
done
list=$(tools/setup --list --build)
for package in libxdp-dev libbpf-dev clang; do
	grep -qx "$package" <<<"$list" || fail "a build lacks $package"
done
! tools/setup --bogus 2>/dev/null || fail "an unknown argument passes"
exit "$bad"
