# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What a test undoes when it is killed with SIGKILL, too, as meson does when its time is over. Sourced.
#
#   undo_later COMMAND...   runs when this shell, and what it started, has ended; it may be undone already
#   mortal COMMAND...       becomes COMMAND, which ends with the process that started it

# A process in a session of its own, no child of ours to be waited for, sees the end of a pipe. COMMAND may be
# a function.
undo_later()
{
	local function

	function=$(declare -f "$1") || true
	exec {undo_fd}> >(exec setsid --fork bash -c "$function"$'\ncat >/dev/null; "$@"' undo "$@" >/dev/null 2>&1)
}

# For the last command of a pipeline or a background one: it replaces the subshell.
mortal()
{
	exec setpriv --pdeathsig KILL "$@"
}
