/* SPDX-License-Identifier: MIT */
/* Begin and end of a repetition's accounts: contracts in frames.h. */
#include "bench/txbench/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int frames_init(struct frames *f, uint64_t window)
{
	uint64_t n = 1;

	while (n < window)
		n *= 2;
	*f = (struct frames){ .mask = n - 1 };
	f->window = malloc(n * sizeof(*f->window));
	f->bins = malloc(TIMELINE_BINS * sizeof(*f->bins));
	if (!f->window || !f->bins) {
		frames_deinit(f);
		return -ENOMEM;
	}
	memset(f->window, 0, n * sizeof(*f->window));
	return 0;
}

void frames_deinit(struct frames *f)
{
	free(f->window);
	free(f->bins);
	f->window = NULL;
	f->bins = NULL;
}

void frames_begin(struct frames *f, struct repetition *rep, enum stage last, uint64_t start_ns,
		  uint64_t ns)
{
	f->rep = rep;
	f->last = last;
	f->start_ns = start_ns;
	f->base = f->highest = f->next;
	f->seen = 0;
	f->backwards = false;
	rep->bin_ns = ns / TIMELINE_BINS ? (ns + TIMELINE_BINS - 1) / TIMELINE_BINS : 1;
	rep->n_bins = TIMELINE_BINS;
	memset(f->bins, 0, TIMELINE_BINS * sizeof(*f->bins));
}

void frames_end(struct frames *f)
{
	struct repetition *rep = f->rep;

	rep->frames = f->next - f->base;
	rep->lost = rep->frames - f->seen;
	for (unsigned i = 0; i < rep->n_bins; i++) {
		const struct histogram *h = &f->bins[i];

		rep->bins[i] =
			(struct timeline_bin){ h->n, histogram_at(h, 0.5), h->n ? h->max : 0 };
	}
}
