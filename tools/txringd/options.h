/* SPDX-License-Identifier: MIT */
/* txringd's command line, checked. */
#ifndef TOOLS_TXRINGD_OPTIONS_H
#define TOOLS_TXRINGD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/tx/engine.h"
#include "tools/txringd/choice/choice.h"
#include "tools/txringd/vhost.h"

/* One network card. */
struct nic_options {
	char name[16];           /* "nic0" */
	bool alone;              /* the log need not name it */
	const char *socket_path; /* NULL: fd */
	bool client;             /* connect to socket_path, do not listen on it */
	int fd;                  /* -1: socket_path */
	const struct backend_choice *backend;
	const char *backend_spec;
	struct tx_mode mode;
	unsigned queues;
	bool has_mac;
	uint8_t mac[6];
	uint16_t mtu; /* 0: not given */
	struct vhost_options vhost;
};

struct options {
	struct nic_options *nics; /* n_nics */
	unsigned n_nics;
	unsigned iothreads;
	const char *control_path; /* NULL: no control socket */
};

enum options_outcome {
	OPTIONS_RUN,  /* o is filled in */
	OPTIONS_DONE, /* --help and the like have been answered: exit 0 */
	OPTIONS_BAD,  /* one line has been written to stderr: exit 1 */
};

/* To be given back with options_deinit, whatever comes of it. */
enum options_outcome options_parse(struct options *o, int argc, char **argv);
void options_deinit(struct options *o);

#endif
