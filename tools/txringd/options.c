/* SPDX-License-Identifier: MIT */
/*
 * Parses argv into struct options; every refusal is one line that names option, value and what is
 * allowed.
 */
#include "tools/txringd/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/device.h"
#include "datapath/iothread.h"
#include "tools/config/backends.h"
#include "tools/config/txmode.h"
#include "tools/config/values.h"
#include "tools/log.h"
#include "tools/txringd/activation.h"
#include "tools/version.h"
#include "virtio/base.h"

#define MAX_NICS      512
#define MAX_IOTHREADS 64

/* Queue pairs that one iothread has room for. */
#define PAIRS_PER_IOTHREAD ((IOTHREAD_MAX_WATCHES - 1) / DEVICE_PAIR_WATCHES)

/* Most keys that a card may have, for the table that getopt reads. */
#define MAX_KEYS 64

enum option_id {
	OPT_IOTHREADS = 256,
	OPT_NIC,
	OPT_CONTROL,
	OPT_HELP,
	OPT_VERSION,
	OPT_PRINT_CAPABILITIES,
	OPT_KEYS, /* and as many more as nic_config_keys[] has */
};

static const struct option own_options[] = {
	{ "iothreads", required_argument, NULL, OPT_IOTHREADS },
	{ "nic", no_argument, NULL, OPT_NIC },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "print-capabilities", no_argument, NULL, OPT_PRINT_CAPABILITIES },
};

/* Our own options and the keys of a card, ended by zeroes. */
static void collect_options(struct option all[array_size(own_options) + MAX_KEYS + 1])
{
	unsigned n = array_size(own_options);

	memcpy(all, own_options, sizeof(own_options));
	for (unsigned i = 0; nic_config_keys[i].name; i++) {
		assert(i < MAX_KEYS);
		all[n++] = (struct option){
			.name = nic_config_keys[i].name,
			.has_arg = nic_config_keys[i].arg ? required_argument : no_argument,
			.val = OPT_KEYS + (int)i,
		};
	}
	all[n] = (struct option){ 0 };
}

/* "  --NAME ARG" and the help, of which each line begins in the same column. */
static void print_option(const char *name, const char *arg, const char *help)
{
	char left[32];

	snprintf(left, sizeof(left), "--%s%s%s", name, arg ? " " : "", arg ? arg : "");
	printf("  %-19s", left);
	for (size_t len; *help; help += len + (help[len] == '\n')) {
		len = strcspn(help, "\n");
		printf(" %.*s\n", (int)len, help);
		if (help[len])
			printf("%21s", "");
	}
}

static void print_keys(void)
{
	char help[512];

	for (const struct config_key *key = nic_config_keys; key->name; key++) {
		snprintf(help, sizeof(help), "%s", key->help);
		if (key->list)
			key->list(help, sizeof(help));
		print_option(key->name, key->arg, help);
	}
}

static void print_backend_params(void)
{
	char params[2048];

	for (const struct backend_kind *kind = backends_known; kind->name; kind++) {
		if (!kind->params)
			continue;
		params[0] = '\0';
		kind->params(params, sizeof(params));
		printf("\n%s parameters, with defaults:\n%s", kind->name, params);
	}
}

static void print_help(void)
{
	char modes[2048];

	txmode_help(modes, sizeof(modes));
	printf("usage: txringd [--iothreads N] [--control PATH] NIC [--nic NIC]...\n"
	       "   NIC: (--socket-path PATH [--client] | --fd N) --backend BACKEND [option...]\n"
	       "A vhost-user back-end for virtio-net with selectable tx scheduling.\n"
	       "\n");
	print_keys();
	print_option("nic", NULL, "what follows is about one more network card");
	printf("\n");
	print_option("iothreads", "N",
		     "threads that run the queue pairs of all cards in turn, default 1");
	print_option("control", "PATH", "listen on PATH for txringctl");
	printf("  --help, --version, --print-capabilities\n"
	       "\n"
	       "tx modes, with defaults and ranges:\n"
	       "%s",
	       modes);
	print_backend_params();
	printf("\n"
	       "SIGUSR1 logs the counters of all queues; SIGTERM, SIGINT and SIGHUP end "
	       "txringd.\n");
}

/* The card that the options from here on are about. */
static bool add_nic(struct options *o)
{
	struct nic_config *nics;

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
	nic_config_init(&nics[o->n_nics], "--");
	snprintf(nics[o->n_nics].name, sizeof(nics->name), "nic%u", o->n_nics);
	o->n_nics++;
	return true;
}

static bool parse_iothreads(struct options *o, const char *text)
{
	uint64_t n;

	if (!values_number(text, strlen(text), 1, MAX_IOTHREADS, &n)) {
		log_line("--iothreads '%s' must be a number from 1 to %d", text, MAX_IOTHREADS);
		return false;
	}
	o->iothreads = (unsigned)n;
	return true;
}

/* False when it was refused. */
static bool parse_option(struct options *o, int id, const char *arg)
{
	char err[NIC_CONFIG_ERR_LEN];

	if (id == OPT_NIC)
		return add_nic(o);
	if (id == OPT_IOTHREADS)
		return parse_iothreads(o, arg);
	if (id == OPT_CONTROL) {
		o->control_path = arg;
		return true;
	}
	if (!nic_config_set(&o->nics[o->n_nics - 1], &nic_config_keys[id - OPT_KEYS], arg, err))
		return true;
	log_line("%s", err);
	return false;
}

static bool check(struct options *o)
{
	char err[NIC_CONFIG_ERR_LEN];
	unsigned queues = 0, i;

	for (i = 0; i < o->n_nics; i++) {
		if (nic_config_check(&o->nics[i], err)) {
			log_line("%s%s%s (see --help)", o->n_nics > 1 ? o->nics[i].name : "",
				 o->n_nics > 1 ? ": " : "", err);
			return false;
		}
		if (o->control_path && o->nics[i].socket_path &&
		    !strcmp(o->control_path, o->nics[i].socket_path)) {
			log_line("--control '%s' is --socket-path of %s, too: each needs its own",
				 o->control_path, o->nics[i].name);
			return false;
		}
		queues += o->nics[i].pairs;
	}
	if (activation_resolve(o->nics, o->n_nics, err) ||
	    nic_config_check_all(o->nics, o->n_nics, err)) {
		log_line("%s", err);
		return false;
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
	for (unsigned i = 0; i < o->n_nics; i++)
		nic_config_deinit(&o->nics[i]);
	free(o->nics);
	*o = (struct options){ 0 };
}

enum options_outcome options_parse(struct options *o, int argc, char **argv)
{
	struct option long_options[array_size(own_options) + MAX_KEYS + 1];
	char letter[] = "-?";
	int id;

	*o = (struct options){ .iothreads = 1 };
	collect_options(long_options);
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
			/* The first of the letters behind one '-', of which none is an option. */
			letter[1] = (char)optopt;
			log_line(id == ':' ? "option '%s' needs a value (see --help)"
					   : "unknown option '%s', or one that takes no value (see "
					     "--help)",
				 optopt && optopt < OPT_IOTHREADS ? letter : argv[optind - 1]);
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
