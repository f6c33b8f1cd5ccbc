/* SPDX-License-Identifier: MIT */
/*
 * txbench: measures how long frames wait between a virtio-net driver's kick and the wire
 * (docs/txbench.md). A run is in run.c; the report and the self-test are programs of their own,
 * which this one hands over to.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/txbench/die.h"
#include "bench/txbench/run.h"
#include "tools/version.h"
#include "virtio/base.h"

/* Where this program lies. */
static void find_self(char dir[PATH_MAX])
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	snprintf(dir, PATH_MAX, "%s", dirname(self));
}

/* A file that lies beside this program, or where meson installs it. */
static void find(const char *name, const char *dir, char path[PATH_MAX])
{
	static const char *const places[] = { "", TXBENCH_LIBEXEC "/" };

	for (unsigned i = 0; i < array_size(places); i++) {
		if (snprintf(path, PATH_MAX, "%s/%s%s", dir, places[i], name) < PATH_MAX &&
		    !access(path, R_OK))
			return;
	}
	txbench_die("%s is missing: it is neither in %s nor in %s/%s", name, dir, dir,
		    TXBENCH_LIBEXEC);
}

/* To a script, with what follows argv[1]. option: NULL, or one that says where programs are. */
static void hand_over(const char *script, const char *option, int argc, char **argv)
{
	static char dir[PATH_MAX], path[PATH_MAX];
	const char **args = calloc((size_t)argc + 4, sizeof(*args));
	unsigned n = 0;

	if (!args)
		txbench_die("out of memory");
	find_self(dir);
	find(script, dir, path);
	args[n++] = "python3";
	args[n++] = path;
	if (option) {
		args[n++] = option;
		args[n++] = dir;
	}
	for (int i = 2; i < argc; i++)
		args[n++] = argv[i];
	execvp(args[0], (char **)(uintptr_t)args);
	txbench_die("%s cannot be started: %s", args[0], strerror(errno));
}

static void print_help(void)
{
	puts("usage: txbench run TARGET --wire WIRE [option...]   one target, one load: measure "
	     "it\n"
	     "       txbench selftest [option...]               is txbench right?\n"
	     "       txbench report FILE... -o report.html      look at results\n"
	     "       txbench --version\n"
	     "Each takes --help.");
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "run"))
		return run_main(argc, argv);
	if (!strcmp(word, "report"))
		hand_over("report.py", NULL, argc, argv);
	if (!strcmp(word, "selftest"))
		hand_over("selftest", "--programs", argc, argv);
	if (!strcmp(word, "--help"))
		print_help();
	else if (!strcmp(word, "--version"))
		puts("txbench " TXRING_VERSION);
	else
		txbench_die("'%s' must be run, selftest, report, --help or --version%s", word,
			    argc > 1 ? "" : ": nothing was given");
	return EXIT_SUCCESS;
}
