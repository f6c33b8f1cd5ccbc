/* SPDX-License-Identifier: MIT */
/*
 * Parses argv into struct options; every refusal is one line that names option, value and what is
 * allowed.
 */
#include "tools/txringd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device.h"
#include "datapath/iothread.h"
#include "tools/log.h"
#include "tools/txringd/txmode.h"
#include "tools/version.h"
#include "virtio/vhost_user/session.h"

#define MAX_NICS      512
#define MAX_IOTHREADS 64
#define MAX_QUEUES    (VHOST_USER_MAX_RINGS / 2)
#define MIN_MTU       68 /* RFC 791 */

/* Queue pairs that one iothread has room for. */
#define PAIRS_PER_IOTHREAD ((IOTHREAD_MAX_WATCHES - 1) / DEVICE_PAIR_WATCHES)

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
	OPT_VHOST,
	OPT_VHOST_DEVICE,
	OPT_VHOST_FD,
	OPT_VHOST_POLL,
	OPT_NIC,
	OPT_CONTROL,
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
	{ "vhost", required_argument, NULL, OPT_VHOST },
	{ "vhost-device", required_argument, NULL, OPT_VHOST_DEVICE },
	{ "vhost-fd", required_argument, NULL, OPT_VHOST_FD },
	{ "vhost-poll", required_argument, NULL, OPT_VHOST_POLL },
	{ "nic", no_argument, NULL, OPT_NIC },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "print-capabilities", no_argument, NULL, OPT_PRINT_CAPABILITIES },
	{ 0 },
};

static void print_help(void)
{
	char modes[2048];

	txmode_help(modes, sizeof(modes));
	printf("usage: txringd [--iothreads N] [--control PATH] NIC [--nic NIC]...\n"
	       "   NIC: (--socket-path PATH [--client] | --fd N) --backend BACKEND [option...]\n"
	       "A vhost-user back-end for virtio-net with selectable tx scheduling.\n"
	       "\n"
	       "  --socket-path PATH  listen on PATH for front-ends (VMMs), one at a time\n"
	       "  --client            connect to PATH instead, and again whenever the front-end\n"
	       "                      goes away\n"
	       "  --fd N              an inherited socket: connected (served once) or listening\n"
	       "  --backend BACKEND   where frames go and come from:\n"
	       "                     ");
	for (unsigned i = 0; backend_choices[i]; i++)
		printf("%s %s", i ? " |" : "", backend_choices[i]->syntax);
	printf("\n"
	       "  --txmode MODE       when a tx queue runs: NAME[,param=value...], default "
	       "iothread\n"
	       "  --queues N          queue pairs, 1 to %u, default 1\n"
	       "  --mac MAC           tell a front-end that asks (GET_CONFIG) that this is its "
	       "address\n"
	       "  --mtu N             %u to 65535: set the tap's MTU, and offer it to the driver\n"
	       "  --vhost POLICY      the kernel's vhost-net in our place: default (where it "
	       "can),\n"
	       "                      require (or fail), disable (never)\n"
	       "  --vhost-device PATH  where it is, default " VHOST_NET_DEVICE "\n"
	       "  --vhost-fd N[,N...]  it is open already, an fd for each queue pair\n"
	       "  --vhost-poll TIME   it polls so long before it sleeps, 1us to 1s\n"
	       "  --nic               what follows is about one more network card\n"
	       "\n"
	       "  --iothreads N       threads that run the queue pairs of all cards in turn, "
	       "default 1\n"
	       "  --control PATH      listen on PATH for txringctl\n"
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

static bool parse_mac(struct nic_options *o, const char *text)
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

static bool parse_backend(struct nic_options *o, const char *text)
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

static bool parse_txmode(struct nic_options *o, const char *text)
{
	char err[256];

	if (txmode_parse(&o->mode, text, err, sizeof(err)) == 0)
		return true;
	log_line("--txmode '%s': %s", text, err);
	return false;
}

/* The card that the options from here on are about. */
static bool add_nic(struct options *o)
{
	struct nic_options *nics;

	if (o->n_nics == MAX_NICS) {
		log_line("--nic: more than %d network cards", MAX_NICS);
		return false;
	}
	nics = realloc(o->nics, (o->n_nics + 1) * sizeof(*nics));
	if (!nics) {
		log_line("out of memory");
		return false;
	}
	o->nics = nics;
	nics[o->n_nics] = (struct nic_options){ .fd = -1, .queues = 1 };
	return parse_txmode(&nics[o->n_nics++], "iothread");
}

/* An option of one card; false when it was refused. */
static bool parse_nic_option(struct nic_options *o, int id, const char *arg)
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
	case OPT_MAC:
		return parse_mac(o, arg);
	case OPT_VHOST:
		return vhost_parse_policy(&o->vhost, arg);
	case OPT_VHOST_DEVICE:
		o->vhost.device = arg;
		break;
	case OPT_VHOST_FD:
		return vhost_parse_fds(&o->vhost, arg);
	case OPT_VHOST_POLL:
		return vhost_parse_poll(&o->vhost, arg);
	case OPT_MTU:
		o->mtu = (uint16_t)(n = parse_number("mtu", arg, MIN_MTU, 65535));
		break;
	}
	return n >= 0;
}

static bool parse_option(struct options *o, int id, const char *arg)
{
	long n;

	if (id == OPT_NIC)
		return add_nic(o);
	if (id == OPT_CONTROL) {
		o->control_path = arg;
		return true;
	}
	if (id != OPT_IOTHREADS)
		return parse_nic_option(&o->nics[o->n_nics - 1], id, arg);
	n = parse_number("iothreads", arg, 1, MAX_IOTHREADS);
	o->iothreads = (unsigned)n;
	return n >= 0;
}

/* What the options of a card together must be. */
static bool check_nic(const struct nic_options *o)
{
	if (!o->socket_path == (o->fd < 0))
		log_line("give one of --socket-path PATH and --fd N (see --help)");
	else if (o->client && !o->socket_path)
		log_line("--client needs --socket-path PATH");
	else if (!o->backend)
		log_line("--backend is missing (see --help)");
	else
		return vhost_check(&o->vhost, o->queues);
	return false;
}

static bool check(struct options *o)
{
	unsigned queues = 0, i;

	for (i = 0; i < o->n_nics; i++) {
		if (!check_nic(&o->nics[i]))
			return false;
		queues += o->nics[i].queues;
		snprintf(o->nics[i].name, sizeof(o->nics[i].name), "nic%u", i);
		o->nics[i].alone = o->n_nics == 1;
	}
	if ((queues + PAIRS_PER_IOTHREAD - 1) / PAIRS_PER_IOTHREAD > o->iothreads) {
		log_line("--iothreads '%u' must be more for %u queue pairs: one runs %u at most",
			 o->iothreads, queues, PAIRS_PER_IOTHREAD);
		return false;
	}
	if (o->iothreads <= queues)
		return true;
	log_line("--iothreads '%u' must be at most the number of queue pairs (--queues), which is "
		 "%u",
		 o->iothreads, queues);
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

void options_deinit(struct options *o)
{
	free(o->nics);
	o->nics = NULL;
}

enum options_outcome options_parse(struct options *o, int argc, char **argv)
{
	int id;

	*o = (struct options){ .iothreads = 1 };
	if (answered(argc, argv))
		return OPTIONS_DONE;
	if (!add_nic(o))
		return OPTIONS_BAD;
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
		if (!parse_option(o, id, optarg))
			return OPTIONS_BAD;
	}
	if (optind < argc) {
		log_line("unexpected argument '%s' (see --help)", argv[optind]);
		return OPTIONS_BAD;
	}
	return check(o) ? OPTIONS_RUN : OPTIONS_BAD;
}
