/* SPDX-License-Identifier: MIT */
/* txringctl probe: its options, and how answers are printed. */
#include "tools/txringctl/probe.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/log.h"
#include "tools/txringctl/probe_host.h"

static const struct option long_options[] = {
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void print_help(void)
{
	puts("usage: txringctl probe\n"
	     "Asks this host what it lets this user do, and prints a line for each thing: yes; "
	     "no, what\n"
	     "lacks, and what helps; or that it could not be asked, and why.");
}

static void print_line(const struct probe_line *line)
{
	static const char *const words[] = {
		[PROBE_NOT_ASKED] = "not asked",
		[PROBE_NO] = "no",
		[PROBE_YES] = "yes",
	};

	printf("  %-16s %s", line->name, words[line->answer]);
	if (line->says[0])
		printf(": %s", line->says);
	if (line->remedy[0])
		printf(": %s", line->remedy);
	putchar('\n');
}

int probe_run(int argc, char **argv)
{
	struct probe_line lines[PROBE_HOST_MAX];
	unsigned n;
	int id, at = 1;

	for (; (id = getopt_long(argc, argv, "+:", long_options, NULL)) != -1; at = optind) {
		if (id != 'h') {
			log_line("probe: option '%s' is unknown or lacks its value (see probe "
				 "--help)",
				 argv[at]);
			return EXIT_FAILURE;
		}
		print_help();
		return EXIT_SUCCESS;
	}
	if (optind < argc) {
		log_line("probe: '%s' is too much: it takes options only (see probe --help)",
			 argv[optind]);
		return EXIT_FAILURE;
	}
	n = probe_host(lines);
	puts("this host:");
	for (unsigned i = 0; i < n; i++)
		print_line(&lines[i]);
	return EXIT_SUCCESS;
}
