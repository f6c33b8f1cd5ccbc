/* SPDX-License-Identifier: MIT */
/*
 * txringctl: asks a running txringd over its control socket, and prints what it answers (ask.c,
 * watch.c, with render_*.c); or runs one of the commands of the table here, which need no txringd
 * and have a file of their own each.
 */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/txringctl/ask.h"
#include "tools/txringctl/client.h"
#include "tools/txringctl/convert.h"
#include "tools/txringctl/find.h"
#include "tools/txringctl/metrics_command.h"
#include "tools/txringctl/probe.h"
#include "tools/txringctl/watch.h"
#include "tools/log.h"
#include "tools/version.h"
#include "virtio/base.h"

/* A command that needs no txringd. argv[0] is its name; the status is what run() returns. */
static const struct local {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} locals[] = {
	{ "convert", convert_run, "libvirt's XML to txring and back, or as QEMU's arguments" },
	{ "metrics", metrics_run, "what txringds count, for Prometheus: text, a file, or by HTTP" },
	{ "probe", probe_run, "what this host, and QEMUs on it, can do" },
};

static const struct option long_options[] = {
	{ "control", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },
	{ 0 },
};

static void print_help(void)
{
	puts("usage: txringctl [--control PATH] [--json] COMMAND [ARGUMENT...]\n"
	     "       txringctl LOCAL-COMMAND [ARGUMENT...]\n"
	     "Asks the txringd that was started with --control PATH.\n");
	ask_help();
	puts("  stats [NIC] [--watch [SECONDS]]\n"
	     "                      counters as a table; --watch: what they grow by in a second,\n"
	     "                      and p50 and p99 of the frames since the table before\n"
	     "  watch               a line for each thing that happens to a card\n"
	     "\n"
	     "  --control PATH      the socket of the txringd that is asked; without it the only\n"
	     "                      one in /run/txring, or in $XDG_RUNTIME_DIR/txring\n"
	     "  --json              print the answer as it is\n"
	     "  --help, --version\n"
	     "\n"
	     "NIC is a card's name, nic0 and so on; without it the command is for all cards.\n"
	     "The status is 0 if it was done; else 1, and a line on stderr says why.\n"
	     "\n"
	     "Local commands need no txringd; each has a --help of its own:\n");
	for (size_t i = 0; i < array_size(locals); i++)
		printf("  %-18s  %s\n", locals[i].name, locals[i].help);
}

static const struct local *find_local(const char *name)
{
	for (size_t i = 0; i < array_size(locals); i++) {
		if (!strcmp(name, locals[i].name))
			return &locals[i];
	}
	return NULL;
}

/* What was printed has arrived. */
static int printed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_SUCCESS;
	log_line("cannot write to stdout: %s", strerror(errno));
	return EXIT_FAILURE;
}

static int run(const char *path, char *const *words, unsigned n, bool json)
{
	watch_command *watch = watch_find(words[0]);
	char err[ASK_ERR_LEN], found[FIND_PATH_LEN];
	struct client c;
	bool done;

	if ((!watch && !ask_check(words, n, err)) ||
	    (!path && !find_socket(found, err, sizeof(err))) ||
	    client_open(&c, path ? path : found, err, sizeof(err))) {
		log_line("%s", err);
		return EXIT_FAILURE;
	}
	if (watch)
		done = watch(&c, words, n, json, err, sizeof(err));
	else
		done = ask_run(&c, words, n, json, stdout, err);
	client_close(&c);
	if (!done)
		log_line("%s", err);
	return done ? printed() : EXIT_FAILURE;
}

static int run_local(const struct local *local, const char *path, int argc, char **argv)
{
	int status;

	if (path) {
		log_line("--control '%s': %s takes none here; those that take one have it behind "
			 "their name (txringctl %s --help)",
			 path, local->name, local->name);
		return EXIT_FAILURE;
	}
	/* The command has options of its own. */
	optind = 0;
	status = local->run(argc, argv);
	return status == EXIT_SUCCESS ? printed() : status;
}

int main(int argc, char **argv)
{
	const struct local *local;
	const char *path = NULL;
	bool json = false;
	int id, at = 1;

	opterr = 0;
	for (; (id = getopt_long(argc, argv, "+:", long_options, NULL)) != -1; at = optind) {
		switch (id) {
		case 'c':
			path = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return printed();
		case 'v':
			puts("txringctl " TXRING_VERSION);
			return printed();
		default:
			log_line("option '%s' is unknown or lacks its value (see --help)",
				 argv[at]);
			return EXIT_FAILURE;
		}
	}
	local = optind < argc ? find_local(argv[optind]) : NULL;
	if (local)
		return run_local(local, path, argc - optind, argv + optind);
	if (optind == argc) {
		log_line("usage: txringctl [--control PATH] COMMAND (see --help)");
		return EXIT_FAILURE;
	}
	return run(path, argv + optind, (unsigned)(argc - optind), json);
}
