/* SPDX-License-Identifier: MIT */
/* Chains between ring and backend; see flight.h. */
#include "datapath/tx/flight.h"

#include <errno.h>
#include <stdlib.h>

int tx_flight_resize(struct tx_flight *f, unsigned size)
{
	struct tx_flight_chain *chains;
	size_t n = 1;

	/* A packed ring's size may be any; indices run free, so this one is a power of two. */
	while (n < size)
		n *= 2;
	chains = realloc(f->chains, n * sizeof(*chains));
	if (!chains)
		return -ENOMEM;
	*f = (struct tx_flight){ .chains = chains, .mask = (uint16_t)(n - 1) };
	return 0;
}

void tx_flight_deinit(struct tx_flight *f)
{
	free(f->chains);
	f->chains = NULL;
}

bool tx_flight_complete(struct tx_flight *f, struct virtq *vq, unsigned done)
{
	uint16_t head = f->head;

	for (; head != f->tail; head++) {
		const struct tx_flight_chain *c = &f->chains[head & f->mask];

		if (c->n_frames > done)
			break;
		done -= c->n_frames;
		virtq_push(vq, c->elem, 0);
	}
	if (head == f->head)
		return false;
	f->head = head;
	return true;
}
