/* SPDX-License-Identifier: MIT */
/* Which of the three kinds of device a port is: contracts in port.h. */
#include "bench/txbench/port.h"

#include <stdio.h>
#include <stdlib.h>

struct kind {
	int (*open)(struct port *p, const struct options *o, char *why, unsigned size);
	void (*close)(struct port *p);
	bool (*gone)(const struct port *p);
};

static const struct kind vhost_user = { port_vhost_user_open, port_vhost_user_close,
					port_vhost_user_gone };
static const struct kind qtest = { port_qtest_open, port_qtest_close, port_qtest_gone };
static const struct kind ceiling = { port_ceiling_open, port_ceiling_close, port_ceiling_gone };

struct opened {
	struct port port;
	const struct kind *kind;
};

static const struct kind *kind_of(const struct port *p)
{
	return ((const struct opened *)p)->kind;
}

struct port *port_open(const struct options *o, char *why, unsigned size)
{
	struct opened *opened = calloc(1, sizeof(*opened));

	if (!opened) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	opened->kind = o->socket_path ? &vhost_user : o->qtest ? &qtest : &ceiling;
	opened->port.tx_call_fd = opened->port.rx_call_fd = -1;
	if (!opened->kind->open(&opened->port, o, why, size))
		return &opened->port;
	free(opened);
	return NULL;
}

void port_close(struct port *p)
{
	if (!p)
		return;
	kind_of(p)->close(p);
	free(p);
}

bool port_gone(const struct port *p)
{
	return kind_of(p)->gone(p);
}

void port_post_rx(struct port *p, uint64_t n)
{
	const struct port_buffers *b = &p->rx_bufs;

	ring_fill(p->rx, (struct chain_part){ b->gpa + n * b->stride, b->stride, true }, n);
}
