/* SPDX-License-Identifier: MIT */
/* The command line of txbench-known. Of its own, as txbench must not judge itself. */
#include "bench/txbench/known_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/base.h"

void known_options_die(const char *fmt, ...)
{
	va_list args;

	fputs("txbench-known: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static void print_help(void)
{
	puts("usage: txbench-known --socket-path PATH {--tap NAME | --null | --loop}\n"
	     "                     [option...]\n"
	     "       txbench-known --socket-path PATH --no-op [--loop]\n"
	     "A vhost-user back-end of known behaviour, for txbench selftest. It spins: give it a\n"
	     "CPU of its own.\n"
	     "\n"
	     "  --tap NAME         write frames to this tap, which is made and brought up\n"
	     "  --null             frames end here\n"
	     "  --loop             frames come back through the rx ring\n"
	     "  --no-op            without a look at the clock or at a frame: as --null; with "
	     "--loop\n"
	     "                     what lay in a buffer comes back as a frame of the length sent\n"
	     "  --delay TIME       each frame leaves so long after it was seen in the ring\n"
	     "  --drop N           every Nth frame is not written\n"
	     "  --duplicate N      every Nth frame is written twice\n"
	     "  --reorder N        every Nth frame swaps place with its successor\n"
	     "  --stall TIME,EVERY sleep for TIME at the start of each EVERY since the first "
	     "frame\n"
	     "  --kicks            ask for a kick of whatever is published, and count them\n"
	     "  TIME: a number with ns, us, ms or s\n"
	     "\n"
	     "At its end (SIGTERM) it prints what it did, as a line of JSON.");
}

static uint64_t number(const char *option, const char *text)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < 2)
		known_options_die("--%s '%s' must be a number, 2 or more", option, text);
	return n;
}

/* A time and what follows it; at most 100 s. */
static uint64_t duration(const char *option, const char *text, char **end)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
	uint64_t n = strtoul(text, end, 10);

	for (unsigned i = 0; i < array_size(units) && *text >= '0' && *text <= '9'; i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*end, units[i].name, len) || n < 1 || n > 100000000000 / units[i].ns)
			continue;
		*end += len;
		return n * units[i].ns;
	}
	known_options_die("--%s '%s' must be a time from 1ns to 100s, such as 100us", option, text);
}

static void parse_stall(struct known_options *o, const char *text)
{
	char *end;

	o->stall_ns = duration("stall", text, &end);
	o->period_ns = *end == ',' ? duration("stall", end + 1, &end) : 0;
	if (*end || o->period_ns <= o->stall_ns)
		known_options_die(
			"--stall '%s' must be TIME,EVERY with TIME below EVERY, such as 10ms,1s",
			text);
}

static void set_output(struct known_options *o, enum known_output output)
{
	if (o->output)
		known_options_die("--tap, --null and --loop exclude each other");
	o->output = output;
}

static void check(const struct known_options *o)
{
	unsigned marks = !!o->drop + !!o->duplicate + !!o->reorder;

	if (!o->path || !(o->output || o->no_op))
		known_options_die(
			"--socket-path and one of --tap, --null, --loop and --no-op are needed");
	if (o->no_op && (marks || o->delay_ns || o->stall_ns || o->kicks || o->output == KNOWN_TAP))
		known_options_die("--no-op does nothing: no option but --loop goes with it");
	if (marks > 1)
		known_options_die("--drop, --duplicate and --reorder exclude each other");
	if (marks && o->output == KNOWN_NULL)
		known_options_die("--drop, --duplicate and --reorder cannot be seen with --null");
}

static void parse_option(struct known_options *o, int id)
{
	char *end = "";

	switch (id) {
	case 's':
		o->path = optarg;
		break;
	case 't':
		set_output(o, KNOWN_TAP);
		o->tap = optarg;
		break;
	case 'n':
		set_output(o, KNOWN_NULL);
		break;
	case 'l':
		set_output(o, KNOWN_LOOP);
		break;
	case 'o':
		o->no_op = true;
		break;
	case 'd':
		o->delay_ns = duration("delay", optarg, &end);
		break;
	case 'x':
		o->drop = number("drop", optarg);
		break;
	case '2':
		o->duplicate = number("duplicate", optarg);
		break;
	case 'r':
		o->reorder = number("reorder", optarg);
		break;
	case 'S':
		parse_stall(o, optarg);
		break;
	case 'k':
		o->kicks = true;
		break;
	case 'h':
		print_help();
		exit(EXIT_SUCCESS);
	default:
		exit(EXIT_FAILURE);
	}
	if (*end)
		known_options_die("--delay '%s' must be a time such as 100us", optarg);
}

void known_options_parse(struct known_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket-path", required_argument, NULL, 's' },
		{ "tap", required_argument, NULL, 't' },
		{ "null", no_argument, NULL, 'n' },
		{ "loop", no_argument, NULL, 'l' },
		{ "no-op", no_argument, NULL, 'o' },
		{ "delay", required_argument, NULL, 'd' },
		{ "drop", required_argument, NULL, 'x' },
		{ "duplicate", required_argument, NULL, '2' },
		{ "reorder", required_argument, NULL, 'r' },
		{ "stall", required_argument, NULL, 'S' },
		{ "kicks", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int id;

	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
		parse_option(o, id);
	if (optind < argc)
		known_options_die("'%s' is no option (see --help)", argv[optind]);
	check(o);
}
