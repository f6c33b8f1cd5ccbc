/* SPDX-License-Identifier: MIT */
/*
 * txbench: measures how long frames wait between a virtio-net driver's kick and the wire
 * (docs/txbench.md). A run is in run.c; what looks at results is Python, which this program hands
 * over to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/txbench/die.h"
#include "bench/txbench/run.h"
#include "bench/txbench/script.h"
#include "tools/version.h"
#include "virtio/base.h"

static const struct command {
	const char *name;
	const char *script;
	const char *option; /* which says where programs are; or NULL */
} commands[] = {
	{ "show", "show.py", NULL },
	{ "report", "report.py", NULL },
	{ "diff", "diff.py", NULL },
	{ "history", "history.py", NULL },
	{ "selftest", "selftest", "--programs" },
};

static void hand_over(const struct command *c, int argc, char **argv)
{
	int err = script_exec(c->script, c->option, argv + 2, argc - 2);

	if (err == -ENOENT)
		txbench_die("%s is missing: it is %s", c->script, script_places());
	txbench_die("python3 cannot be started: %s",
		    err == -ENOEXEC ? "it is not installed" : strerror(-err));
}

static void print_help(void)
{
	puts("usage: txbench run TARGET [--wire WIRE] [option...]   one target, one load: measure "
	     "it\n"
	     "       txbench show FILE...                         results as a table\n"
	     "       txbench report FILE... -o report.html        as a page\n"
	     "       txbench diff A B                             is B another than A?\n"
	     "       txbench history DIR                          results over time\n"
	     "       txbench selftest [option...]                 is txbench right?\n"
	     "       txbench --version\n"
	     "Each takes --help.");
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "run"))
		return run_main(argc, argv);
	for (unsigned i = 0; i < array_size(commands); i++) {
		if (!strcmp(word, commands[i].name))
			hand_over(&commands[i], argc, argv);
	}
	if (!strcmp(word, "--help"))
		print_help();
	else if (!strcmp(word, "--version"))
		puts("txbench " TXRING_VERSION);
	else
		txbench_die("'%s' must be run, show, report, diff, history, selftest, --help or "
			    "--version%s",
			    word, argc > 1 ? "" : ": nothing was given");
	return EXIT_SUCCESS;
}
