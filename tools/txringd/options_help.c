/* SPDX-License-Identifier: MIT */
/* txringd --help: the options, the keys of a card and what their values are. */
#include <stdio.h>
#include <string.h>

#include "tools/config/backends.h"
#include "tools/config/txmode.h"
#include "tools/txringd/options.h"

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

void options_help(void)
{
	char modes[2048];

	txmode_help(modes, sizeof(modes));
	printf("usage: txringd [--iothreads N] [--control PATH] NIC [--nic NIC]...\n"
	       "   NIC: (--socket-path PATH [--client] | --fd N) --backend BACKEND [option...]\n"
	       "        --interface FILE [option...]\n"
	       "A vhost-user back-end for virtio-net with selectable tx scheduling.\n"
	       "\n");
	print_keys();
	print_option("nic", NULL, "what follows is about one more network card");
	print_option("interface", "FILE",
		     "one more card, as libvirt's <interface> in FILE, alone or in a <domain>,\n"
		     "says it (txring-xml(5)); of several the one chosen behind FILE with\n"
		     ",mac=MAC ,alias=NAME ,dev=NAME or ,n=N; options that follow go before it");
	print_option("config", "FILE",
		     "options of FILE, one a line: NAME = VALUE, [nic] for another card, # before\n"
		     "a comment; FILE.xml is --interface. SIGHUP reads it again");
	printf("\n");
	print_option("iothreads", "N",
		     "threads that run the queue pairs of all cards in turn, default 1");
	print_option("control", "PATH",
		     "listen on PATH for txringctl; behind it ,mode=MODE ,owner=USER ,group=GROUP\n"
		     "as for the sockets of cards: whoever may connect may look, but only root\n"
		     "and txringd's own user may change anything; default mode 0600");
	print_option("log-level", "LEVEL",
		     "log what is at least so urgent: error, warning, info (default), or debug,\n"
		     "which logs each message of a front-end, too");
	printf("  --help, --version, --print-capabilities\n"
	       "\n"
	       "tx modes, with defaults and ranges:\n"
	       "%s",
	       modes);
	print_backend_params();
	printf("\n"
	       "SIGUSR1 logs the counters of all queues; SIGTERM and SIGINT end txringd, as "
	       "does SIGHUP without --config.\n");
}
