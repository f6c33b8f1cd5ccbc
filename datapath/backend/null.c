/* SPDX-License-Identifier: MIT */
/* Takes everything, touches nothing: neither the frames nor a file. */
#include "datapath/backend/null.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "virtio/base.h"

#define NULL_FEATURES \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURES_HOST_TSO | FEATURE(VIRTIO_NET_F_HOST_USO) | \
	 FEATURE(VIRTIO_NET_F_MRG_RXBUF))

struct null_backend {
	struct backend base;
	char describe[32];
	struct backend_queue *list; /* the queues themselves */
	struct backend_queue *queues[];
};

static int null_start(struct backend *backend, uint64_t features, unsigned hdr_len)
{
	(void)backend;
	(void)features;
	(void)hdr_len;
	return 0;
}

static void null_free(struct backend *backend)
{
	struct null_backend *nb = container_of(backend, struct null_backend, base);

	free(nb->list);
	free(nb);
}

static unsigned null_tx(struct backend_queue *q, const struct frame *frames, unsigned n,
			struct tx_stats *stats)
{
	(void)q;
	(void)frames;
	(void)stats;
	return n;
}

static const struct backend_ops null_ops = {
	.name = "null",
	.start = null_start,
	.free = null_free,
	.tx = null_tx,
};

int null_backend_new(struct backend **backend, unsigned n_queues)
{
	struct null_backend *nb = calloc(1, sizeof(*nb) + n_queues * sizeof(nb->queues[0]));
	unsigned i;

	if (!nb)
		return -ENOMEM;
	nb->list = calloc(n_queues, sizeof(*nb->list));
	if (!nb->list) {
		free(nb);
		return -ENOMEM;
	}
	for (i = 0; i < n_queues; i++) {
		nb->list[i] = (struct backend_queue){ .ops = &null_ops,
						      .room = { .fd = -1 },
						      .done = { .fd = -1 },
						      .frames = { .fd = -1 },
						      .vhost_fd = -1 };
		nb->queues[i] = &nb->list[i];
	}
	snprintf(nb->describe, sizeof(nb->describe), "null (%u queue%s)", n_queues,
		 n_queues == 1 ? "" : "s");
	nb->base = (struct backend){
		.ops = &null_ops,
		.features = NULL_FEATURES,
		.n_queues = n_queues,
		.queues = nb->queues,
		.describe = nb->describe,
	};
	*backend = &nb->base;
	return 0;
}
