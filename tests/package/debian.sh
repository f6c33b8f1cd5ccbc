#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Debian's packages: tools/package builds them, lintian finds nothing, each file is in the package where it belongs. Then, in a root
# of its own (this machine's under an overlay that is memory, in namespaces that end with the test): they are installed, txringd
# serves a guest, the example is built against libtxring-dev and serves one too, and after a purge no file is left.
#
# usage: debian.sh GUEST
set -uo pipefail
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
frames=200

skip()
{
	echo "skipped: $1"
	exit 77
}

fail()
{
	echo "FAILED: $*"
	exit 1
}

# All files of the system, without what belongs to no package: caches, logs, backups, dpkg's own state.
files()
{
	{
		find / -maxdepth 1
		find /etc /opt /srv /usr /var \( -path /var/cache -o -path /var/log -o -path /var/backups -o \
			-path /var/tmp -o -path /var/lib/dpkg \) -prune -o -print
	} | grep -vx '/etc/ld\.so\.cache' | sort
}

# serve SOCKET COMMAND...: start it, have a guest's frames go through, end it.
serve()
{
	local socket=$1 pid i
	shift
	mkfifo /test/stdin
	"$@" </test/stdin >/test/out 2>&1 &
	pid=$!
	exec 9>/test/stdin
	for ((i = 0; i < 300; i++)); do
		[ ! -S "$socket" ] || break
		sleep 0.1
	done
	/test/guest "$socket" $frames || fail "$1 serves no guest: $(cat /test/out)"
	exec 9>&-
	kill "$pid" 2>/dev/null
	wait "$pid" || [ $? = 143 ] || fail "$1 ended with $?: $(cat /test/out)"
	rm -f /test/stdin
}

inside()
{
	PATH=/usr/sbin:/usr/bin:/sbin:/bin
	unset LD_LIBRARY_PATH
	cd /test || exit 1
	mount -t proc proc /proc || fail "no /proc"
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d # no service starts here
	chmod 755 /usr/sbin/policy-rc.d
	files >before

	dpkg -i ./*.deb >log 2>&1 || fail "dpkg -i: $(tail -n 20 log)"
	[ "$(command -v txringd)" = /usr/bin/txringd ] || fail "txringd is $(command -v txringd)"
	txringctl --version >version || fail "txringctl does not run"
	grep -q "$(dpkg-query -W -f '${Version}' txring)" version || fail "txringctl is of another version: $(cat version)"
	serve /test/daemon.sock txringd --socket-path /test/daemon.sock --backend loop
	read -r -a flags <<<"$(pkg-config --cflags --libs txring)"
	# A machine may have dpkg leave /usr/share/doc out.
	dpkg-deb --fsys-tarfile libtxring-dev_*.deb | tar -xO ./usr/share/doc/libtxring-dev/examples/embed.c >embed.c ||
		fail "no example in libtxring-dev"
	cc -Wall -Werror embed.c -o embed "${flags[@]}" || fail "embed.c does not build"
	serve /test/embed.sock ./embed /test/embed.sock loop
	ldd embed | grep 'libtxring.so.0 => /' >/dev/null || fail "embed does without the library"
	if [ ! -e /etc/dpkg/dpkg.cfg.d/excludes ] && command -v man >/dev/null; then
		for page in txringd txringctl txbench txring-engines; do
			man -w $page >/dev/null || fail "no page $page"
		done
	fi
	dpkg --verify txring libtxring0 libtxring-dev >verify
	grep -vE '^missing +/usr/share/(man|doc)/' verify && fail "not as packed"
	dpkg -i ./*.deb >log 2>&1 || fail "dpkg -i a second time: $(tail -n 20 log)"

	dpkg -P txring libtxring-dev libtxring0 >log 2>&1 || fail "dpkg -P: $(tail -n 20 log)"
	! grep -iE 'warning|error' log || fail "dpkg -P complains"
	files >after
	diff before after || fail "left behind (>) or taken along (<)"
	! ldconfig -p | grep libtxring || fail "the library is in ldconfig's cache still"
	echo "installed, served 2 x $frames frames, purged"
	exit 0
}

# A root of its own, in namespaces of its own; $1: folder with the packages and the guest.
own_root()
{
	local ram=$1/ram root=$1/ram/root

	mkdir "$ram"
	mount -t tmpfs tmpfs "$ram" && mkdir "$ram"/{upper,work,root} &&
		mount -t overlay -o "lowerdir=/,upperdir=$ram/upper,workdir=$ram/work" overlay "$root" ||
		skip "needs an overlay over / in a mount namespace"
	mount --rbind /dev "$root/dev" || skip "needs /dev in another root"
	mkdir "$root/test"
	cp "$1"/*.deb "$1/guest" "$0" "$root/test"
	exec chroot "$root" /bin/bash /test/debian.sh --inside
}

case ${1-} in
--own-root) own_root "$2" ;;
--inside) inside ;;
esac

guest=$(realpath "$1")
source=$(cd "$(dirname "$0")/../.." && pwd)
. "$source/tests/undo.sh"
for tool in dpkg-buildpackage dh lintian pkg-config; do
	command -v $tool >/dev/null || skip "needs $tool (tools/setup --package)"
done
work=$(mktemp -d)
undo_later rm -rf "$work"
trap 'rm -rf "$work"' EXIT
# Without what would be stripped.
DEB_BUILD_OPTIONS=noautodbgsym DEB_CFLAGS_APPEND=-g0 "$source/tools/package" -o "$work/debs" >"$work/log" 2>&1 ||
	{
		missing=$(sed -n 's/^dpkg-checkbuilddeps: error: Unmet build dependencies: //p' "$work/log")
		[ -z "$missing" ] || skip "needs what the packages are built with: $missing"
		fail "tools/package: $(tail -n 40 "$work/log")"
	}
# Of init scripts there are none, and shall be none. A short text may be a constant of an instruction, cut off in a word.
env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 lintian --allow-root --display-info --fail-on error,warning,info \
	--suppress-tags package-supports-alternative-init-but-no-init.d-script,spelling-error-in-binary "$work"/debs/*.changes >"$work/log" 2>&1
rc=$?
[ $rc = 0 ] && [ ! -s "$work/log" ] || fail "lintian, status $rc: $(cat "$work/log")"

# has PACKAGE PATTERN...: these and no other files, links aside.
has()
{
	local package=$1 file list pattern left
	shift
	list=$(dpkg-deb -c "$work/debs/${package}_"*.deb | awk '$1 !~ /^d/ { print $6 }' | grep -vE '^\./usr/(share/(doc|lintian)|lib/systemd)/')
	left=$list
	for pattern; do
		grep -qE -- "^\./$pattern\$" <<<"$list" || fail "$package has no $pattern: $list"
		left=$(grep -vE -- "^\./$pattern\$" <<<"$left")
	done
	[ -z "$left" ] || fail "$package has what belongs elsewhere: $left"
}

has libtxring0 'usr/lib/[^/]*/libtxring\.so\.0(\.[0-9.]*)?'
has libtxring-dev usr/include/txring.h 'usr/lib/[^/]*/libtxring\.so' 'usr/lib/[^/]*/pkgconfig/txring.pc'
has txring usr/bin/{txringd,txringctl,txbench,txbench-known,txring-xdp} \
	usr/share/man/man{1/{txringd,txringctl,txbench,txbench-known,txring-xdp}.1,5/txring-xml.5,7/txring-engines.7}.gz \
	usr/share/qemu/vhost-user/50-txring.json 'usr/share/bash-completion/completions/[a-z-]*' 'usr/lib/txring/[a-z.]*'

[ "$(id -u)" = 0 ] || skip "built, and lintian finds nothing; to install them in a root of its own it needs to be root"
unshare -mpnf --kill-child true 2>/dev/null || skip "built, and lintian finds nothing; needs namespaces to install them in"
cp "$guest" "$work/debs/guest"
unshare -mpnf --kill-child /bin/bash "$(realpath "$0")" --own-root "$work/debs"
