/* SPDX-License-Identifier: MIT */
/* Moments and sizes: contracts in load.h. A moment is computed from its number, so none drifts. */
#include "bench/txbench/load.h"

#include <math.h>

#include "virtio/base.h"

/* Seven of 64, four of 576, one of 1514, spread out. */
static const uint16_t imix[12] = { 64, 576, 64, 64, 576, 64, 1514, 64, 576, 64, 64, 576 };

/* Frames of a burst: at 0, 1/rate, ... before on_ns; what is a whole number is not rounded up. */
static uint64_t burst_of(const struct options *o)
{
	return max_u64(1, (uint64_t)ceil((double)o->on_ns * o->rate / 1e9 - 1e-6));
}

void load_start(struct load *l, const struct options *o, const struct trace *trace, uint64_t seed)
{
	*l = (struct load){ .options = o, .trace = trace };
	/* Spread over all bits, and not 0, from which xorshift would never come away. */
	l->random = (seed + 1) * 0x9e3779b97f4a7c15;
	l->burst = burst_of(o);
}

static double random_distance_ns(struct load *l)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return -log((double)((l->random >> 11) + 1) / 0x1p53) * 1e9 / l->options->rate;
}

uint64_t load_next_ns(struct load *l)
{
	const struct options *o = l->options;
	uint64_t i = l->n++;

	switch (o->load) {
	case LOAD_CONSTANT:
		return (uint64_t)((double)i * 1e9 / o->rate);
	case LOAD_POISSON:
		l->at_ns += random_distance_ns(l);
		return (uint64_t)l->at_ns;
	case LOAD_ONOFF:
		return i / l->burst * (o->on_ns + o->off_ns) +
		       (uint64_t)((double)(i % l->burst) * 1e9 / o->rate);
	case LOAD_TRACE:
		return i < l->trace->n ? l->trace->frames[i].at_ns : UINT64_MAX;
	case LOAD_INFLIGHT:
	case LOAD_FLOOD:
		break;
	}
	return UINT64_MAX;
}

double load_gap_ns(const struct options *o, const struct trace *trace)
{
	switch (o->load) {
	case LOAD_CONSTANT:
	case LOAD_POISSON:
		return 1e9 / o->rate;
	case LOAD_ONOFF:
		return (double)(o->on_ns + o->off_ns) / (double)burst_of(o);
	case LOAD_TRACE:
		return (double)trace->frames[trace->n - 1].at_ns / (double)trace->n;
	case LOAD_INFLIGHT:
	case LOAD_FLOOD:
		break;
	}
	return 0;
}

unsigned load_size(const struct load *l, uint64_t n)
{
	const struct options *o = l->options;
	uint32_t len;

	if (o->size == SIZE_FIXED || options_flow(o))
		return o->size_bytes;
	if (o->size == SIZE_IMIX)
		return imix[n % 12];
	len = l->trace->frames[n % l->trace->n].len;
	return len < LOAD_MIN_SIZE ? LOAD_MIN_SIZE : len;
}
