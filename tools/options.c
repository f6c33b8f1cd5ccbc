/* SPDX-License-Identifier: MIT */
/*
 * Parses argv into struct options; every refusal is one line that names option, value and what is
 * allowed.
 */
#include "tools/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/log.h"
#include "tools/txmode.h"
#include "tools/version.h"
#include "virtio/vhost_user/session.h"

#define MAX_QUEUES (VHOST_USER_MAX_RINGS / 2)
#define MIN_MTU    68 /* RFC 791 */

enum option_id {
	OPT_SOCKET_PATH = 256,
	OPT_CLIENT,
	OPT_FD,
	OPT_BACKEND,
	OPT_TXMODE,
	OPT_QUEUES,
	OPT_IOTHREADS,
	OPT_MAC,
	OPT_MTU,
	OPT_HELP,
	OPT_VERSION,
	OPT_PRINT_CAPABILITIES,
};

static const struct option long_options[] = {
	{ "socket-path", required_argument, NULL, OPT_SOCKET_PATH },
	{ "client", no_argument, NULL, OPT_CLIENT },
	{ "fd", required_argument, NULL, OPT_FD },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "txmode", required_argument, NULL, OPT_TXMODE },
	{ "queues", required_argument, NULL, OPT_QUEUES },
	{ "iothreads", required_argument, NULL, OPT_IOTHREADS },
	{ "mac", required_argument, NULL, OPT_MAC },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "print-capabilities", no_argument, NULL, OPT_PRINT_CAPABILITIES },
	{ 0 },
};

static void print_help(void)
{
	char modes[2048];

	txmode_help(modes, sizeof(modes));
	printf("usage: txringd (--socket-path PATH [--client] | --fd N) --backend BACKEND "
	       "[option...]\n"
	       "A vhost-user back-end for virtio-net with selectable tx scheduling.\n"
	       "\n"
	       "  --socket-path PATH  listen on PATH for front-ends (VMMs), one at a time\n"
	       "  --client            connect to PATH instead, and again whenever the front-end "
	       "goes away\n"
	       "  --fd N              an inherited socket: connected (txringd ends with it) or "
	       "listening\n"
	       "  --backend BACKEND   where frames go and come from:");
	for (unsigned i = 0; backend_choices[i]; i++)
		printf("%s %s", i ? " |" : "", backend_choices[i]->syntax);
	printf("\n"
	       "  --txmode MODE       when a tx queue runs: NAME[,param=value...], default "
	       "iothread\n"
	       "  --queues N          queue pairs, 1 to %u, default 1\n"
	       "  --iothreads N       threads that run them, 1 to the number of queue pairs, "
	       "default 1\n"
	       "  --mac MAC           tell a front-end that asks (GET_CONFIG) that the device has "
	       "this address\n"
	       "  --mtu N             %u to 65535: set the tap's MTU, and offer it to the driver\n"
	       "  --help, --version, --print-capabilities\n"
	       "\n"
	       "tx modes, with defaults and ranges:\n"
	       "%s"
	       "\n"
	       "SIGUSR1 logs the counters of all queues; SIGTERM and SIGINT end txringd.\n",
	       MAX_QUEUES, MIN_MTU, modes);
}

/* A decimal number in [min, max], or -1 with a line on stderr. */
static long parse_number(const char *option, const char *text, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (end == text || *end || errno || n < min || n > max) {
		log_line("--%s '%s' must be a number from %ld to %ld", option, text, min, max);
		return -1;
	}
	return n;
}

static bool parse_mac(struct options *o, const char *text)
{
	unsigned b[6], i;
	char rest;

	if (strlen(text) == 17 &&
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &rest) == 6 &&
	    !(b[0] & 1)) {
		for (i = 0; i < 6; i++)
			o->mac[i] = (uint8_t)b[i];
		o->has_mac = true;
		return true;
	}
	log_line("--mac '%s' must be a unicast address like 52:54:00:12:34:56", text);
	return false;
}

static bool parse_backend(struct options *o, const char *text)
{
	char valid[256] = "";

	o->backend_spec = text;
	for (unsigned i = 0; backend_choices[i]; i++) {
		if (backend_choices[i]->match(text)) {
			o->backend = backend_choices[i];
			return true;
		}
		strncat(valid, i ? " | " : "", sizeof(valid) - strlen(valid) - 1);
		strncat(valid, backend_choices[i]->syntax, sizeof(valid) - strlen(valid) - 1);
	}
	log_line("--backend '%s' must be one of: %s", text, valid);
	return false;
}

static bool parse_txmode(struct options *o, const char *text)
{
	char err[256];

	if (txmode_parse(&o->mode, text, err, sizeof(err)) == 0)
		return true;
	log_line("--txmode '%s': %s", text, err);
	return false;
}

/* One option; false when it was refused. */
static bool parse_one(struct options *o, int id, const char *arg)
{
	long n = 0;

	switch (id) {
	case OPT_SOCKET_PATH:
		o->socket_path = arg;
		break;
	case OPT_CLIENT:
		o->client = true;
		break;
	case OPT_FD:
		o->fd = (int)(n = parse_number("fd", arg, 0, 1048575));
		break;
	case OPT_BACKEND:
		return parse_backend(o, arg);
	case OPT_TXMODE:
		return parse_txmode(o, arg);
	case OPT_QUEUES:
		o->queues = (unsigned)(n = parse_number("queues", arg, 1, MAX_QUEUES));
		break;
	case OPT_IOTHREADS:
		o->iothreads = (unsigned)(n = parse_number("iothreads", arg, 1, MAX_QUEUES));
		break;
	case OPT_MAC:
		return parse_mac(o, arg);
	case OPT_MTU:
		o->mtu = (uint16_t)(n = parse_number("mtu", arg, MIN_MTU, 65535));
		break;
	default:
		return false;
	}
	return n >= 0;
}

/* What the options together must be. */
static bool check(const struct options *o)
{
	if (!o->socket_path == (o->fd < 0))
		log_line("give one of --socket-path PATH and --fd N (see --help)");
	else if (o->client && !o->socket_path)
		log_line("--client needs --socket-path PATH");
	else if (!o->backend)
		log_line("--backend is missing (see --help)");
	else if (o->iothreads > o->queues)
		log_line("--iothreads '%u' must be at most --queues, which is %u", o->iothreads,
			 o->queues);
	else
		return true;
	return false;
}

/* Conventions of QEMU's docs/interop/vhost-user.json: print and exit 0, whatever else was asked. */
static bool answered(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--print-capabilities")) {
			puts("{\n  \"type\": \"net\"\n}");
			return true;
		}
	}
	return false;
}

enum options_outcome options_parse(struct options *o, int argc, char **argv)
{
	int id;

	*o = (struct options){ .fd = -1, .queues = 1, .iothreads = 1 };
	if (!parse_txmode(o, "iothread"))
		return OPTIONS_BAD;
	if (answered(argc, argv))
		return OPTIONS_DONE;
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (id == OPT_HELP) {
			print_help();
			return OPTIONS_DONE;
		}
		if (id == OPT_VERSION) {
			puts("txringd " TXRING_VERSION);
			return OPTIONS_DONE;
		}
		if (id == ':' || id == '?') {
			log_line(id == ':' ? "option '%s' needs a value (see --help)"
					   : "unknown option '%s', or one that takes no value (see "
					     "--help)",
				 argv[optind - 1]);
			return OPTIONS_BAD;
		}
		if (!parse_one(o, id, optarg))
			return OPTIONS_BAD;
	}
	if (optind < argc) {
		log_line("unexpected argument '%s' (see --help)", argv[optind]);
		return OPTIONS_BAD;
	}
	return check(o) ? OPTIONS_RUN : OPTIONS_BAD;
}
