/* SPDX-License-Identifier: MIT */
/* Starting the Python programs: contracts in script.h. */
#include "bench/txbench/script.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virtio/base.h"

/* Debian's own, which has numpy and scipy; another one in PATH may have none. */
#define PYTHON "/usr/bin/python3"

/* The folder of this program. */
static const char *own_folder(void)
{
	static char self[PATH_MAX], *folder;
	ssize_t len;

	if (folder)
		return folder;
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len > 0 ? len : 0] = '\0';
	folder = dirname(self);
	return folder;
}

const char *script_places(void)
{
	static char text[2 * PATH_MAX + 64];

	snprintf(text, sizeof(text), "neither in %s nor in %s/%s", own_folder(), own_folder(),
		 TXBENCH_LIBEXEC);
	return text;
}

static bool find(const char *name, char path[PATH_MAX])
{
	static const char *const places[] = { "", TXBENCH_LIBEXEC "/" };

	for (unsigned i = 0; i < array_size(places); i++) {
		if (snprintf(path, PATH_MAX, "%s/%s%s", own_folder(), places[i], name) < PATH_MAX &&
		    !access(path, R_OK))
			return true;
	}
	return false;
}

int script_exec(const char *name, const char *option, char *const *args, int n)
{
	static char path[PATH_MAX];
	const char **all = calloc((size_t)n + 5, sizeof(*all));
	unsigned at = 0;

	if (!all)
		return -ENOMEM;
	if (!find(name, path))
		return -ENOENT;
	all[at++] = access(PYTHON, X_OK) ? "python3" : PYTHON;
	all[at++] = path;
	if (option) {
		all[at++] = option;
		all[at++] = own_folder();
	}
	for (int i = 0; i < n; i++)
		all[at++] = args[i];
	execvp(all[0], (char **)(uintptr_t)all);
	return errno == ENOENT ? -ENOEXEC : -errno;
}

int script_run(const char *name, char *arg)
{
	char path[PATH_MAX];
	int status;
	pid_t pid;

	if (!find(name, path))
		return -ENOENT;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		script_exec(name, NULL, &arg, 1);
		_exit(127); /* as a shell says of what cannot be started */
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
