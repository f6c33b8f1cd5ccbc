/* SPDX-License-Identifier: MIT */
/* txringctl metrics; see metrics_command.h. */
#include "tools/txringctl/metrics_command.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/log.h"
#include "tools/txringctl/client.h"
#include "tools/txringctl/metrics_serve.h"
#include "virtio/base.h"

struct arguments {
	struct metrics_controls controls;
	const char *output, *listen; /* NULL: not given */
	enum metrics_format format;
	bool has_format;
};

static const struct option long_options[] = {
	{ "control", required_argument, NULL, 'c' }, { "format", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },          { "listen", required_argument, NULL, 'l' },
	{ "output", required_argument, NULL, 'o' },  { 0 },
};

static void print_help(void)
{
	puts("usage: txringctl metrics [--control PATH]... [--format FORMAT]\n"
	     "                         [--output FILE | --listen ADDRESS]\n"
	     "Writes what running txringds count as metrics for Prometheus.\n"
	     "\n"
	     "  --control PATH    ask the txringd of this control socket; may be given several\n"
	     "                    times; without it all *.ctl and */control are asked that are\n"
	     "                    in /run/txring, or in $XDG_RUNTIME_DIR/txring\n"
	     "  --format FORMAT   openmetrics, or prometheus, its older text; the default is\n"
	     "                    openmetrics, with --output prometheus\n"
	     "  --output FILE     write FILE in one step, as node_exporter's textfile collector\n"
	     "                    wants it; its name must end in .prom for that\n"
	     "  --listen ADDRESS  serve GET /metrics at 127.0.0.1:PORT, [::1]:PORT or unix:PATH\n"
	     "                    until SIGTERM, and ask anew each time; the format is what the\n"
	     "                    client asks for\n"
	     "  --help\n"
	     "\n"
	     "The status is 0 if all txringds have answered; else 1, and a line on stderr says "
	     "why.");
}

static bool parse_format(struct arguments *a, const char *value)
{
	a->has_format = true;
	a->format = !strcmp(value, "prometheus") ? METRICS_PROMETHEUS : METRICS_OPENMETRICS;
	if (!strcmp(value, "prometheus") || !strcmp(value, "openmetrics"))
		return true;
	log_line("metrics: --format '%s' must be one of: openmetrics | prometheus", value);
	return false;
}

/* One that is asked twice would be there twice, which no scraper takes. */
static bool parse_control(struct arguments *a, const char *path)
{
	if (a->controls.n == METRICS_MAX_DAEMONS) {
		log_line("metrics: --control: more than %d", METRICS_MAX_DAEMONS);
		return false;
	}
	for (unsigned i = 0; i < a->controls.n; i++) {
		if (!strcmp(a->controls.paths[i], path)) {
			log_line("metrics: --control '%s' was given twice", path);
			return false;
		}
	}
	a->controls.paths[a->controls.n++] = path;
	return true;
}

static bool parse_option(struct arguments *a, int id, const char *given)
{
	switch (id) {
	case 'c':
		return parse_control(a, optarg);
	case 'f':
		return parse_format(a, optarg);
	case 'l':
		a->listen = optarg;
		return true;
	case 'o':
		a->output = optarg;
		return true;
	default:
		log_line("metrics: option '%s' is unknown or lacks its value (see metrics --help)",
			 given);
		return false;
	}
}

/* 0: go on; 1: help was printed; -1: refused. */
static int parse(struct arguments *a, int argc, char **argv)
{
	int id, at = 1;

	opterr = 0;
	for (; (id = getopt_long(argc, argv, ":", long_options, NULL)) != -1; at = optind) {
		if (id == 'h') {
			print_help();
			return 1;
		}
		if (!parse_option(a, id, argv[at]))
			return -1;
	}
	if (optind < argc) {
		log_line("metrics: unexpected argument '%s' (see metrics --help)", argv[optind]);
		return -1;
	}
	if (a->listen && (a->output || a->has_format)) {
		log_line("metrics: --listen '%s' goes with neither --output nor --format",
			 a->listen);
		return -1;
	}
	if (!a->has_format && a->output)
		a->format = METRICS_PROMETHEUS;
	return 0;
}

/* The text, even if somebody has not answered. */
static bool print(const struct arguments *a, FILE *out)
{
	struct metrics_outcome outcome;

	metrics_collect(&a->controls, CLIENT_PATIENCE_MS, a->format, out, &outcome);
	if (*outcome.err)
		log_line("metrics: %s", outcome.err);
	return !*outcome.err;
}

/* What is there is replaced, which a device or a pipe must not be. */
static bool may_replace(const char *path)
{
	struct stat st;

	if (lstat(path, &st) || S_ISREG(st.st_mode))
		return true;
	log_line("metrics: --output '%s' must be a file: it would be replaced", path);
	return false;
}

/* Under another name first, in the same folder, so that no reader sees half of it. */
static bool write_file(const struct arguments *a)
{
	char temporary[4096];
	bool answered = true, written = false;
	FILE *out = NULL;
	int fd;

	if (!may_replace(a->output))
		return false;
	snprintf(temporary, sizeof(temporary), "%.4000s.XXXXXX", a->output);
	fd = mkostemp(temporary, 0);
	if (fd >= 0 && !fchmod(fd, 0644))
		out = fdopen(fd, "w");
	if (out) {
		answered = print(a, out);
		written = !fflush(out) && !ferror(out) && !rename(temporary, a->output);
	}
	if (!written)
		log_line("metrics: --output '%s': %s", a->output, strerror(errno));
	if (fd >= 0 && !written)
		unlink(temporary);
	if (out)
		fclose(out);
	else if (fd >= 0)
		close(fd);
	return written && answered;
}

static bool serve(const struct arguments *a)
{
	char err[METRICS_ERR_LEN];
	const char *path;
	int fd = metrics_listen(a->listen, &path, err), error = fd;

	if (fd >= 0) {
		error = metrics_serve(fd, &a->controls, err);
		if (path)
			unlink(path);
	}
	if (error < 0)
		log_line("metrics: %s", err);
	return error >= 0;
}

int metrics_run(int argc, char **argv)
{
	struct arguments a = { .format = METRICS_OPENMETRICS };
	int outcome = parse(&a, argc, argv);

	if (outcome)
		return outcome > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	if (a.listen)
		return serve(&a) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (a.output)
		return write_file(&a) ? EXIT_SUCCESS : EXIT_FAILURE;
	return print(&a, stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
