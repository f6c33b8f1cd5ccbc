/* SPDX-License-Identifier: MIT */
/* The time-stamp counter as a clock; see ticks.h. */
#include "datapath/ticks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "virtio/base.h"

#define FIRST_NS 10000000  /* to the first comparison: 100 ns of error are 10 ppm */
#define SPAN_NS  100000000 /* to each further one */
#define APART    20000     /* ticks between which the real clock must have been read */
#define ONE      4294967296.0

static bool counter_is_steady(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d = 0;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1U << 8;
#else
	return false;
#endif
}

void ticks_init(struct ticks *t)
{
	*t = (struct ticks){ .usable = counter_is_steady() };
}

/* The counter's rate since the mark, in ns a tick; 0: it is no clock. */
static double rate_since(const struct ticks *t, uint64_t counter, uint64_t now_ns)
{
	double rate = (double)(now_ns - t->mark_ns) / (double)(counter - t->mark);
	double was = (double)t->rate / ONE;

	/* From 0.6 to 10 GHz. A rate that jumps is that of another machine, or of none. */
	if (counter <= t->mark || rate < 0.1 || rate > 1.6 ||
	    (t->span && (rate < was * 0.99 || rate > was * 1.01)))
		return 0;
	return rate;
}

uint64_t ticks_look(struct ticks *t)
{
	uint64_t before = ticks_counter(), now_ns = monotonic_ns(), counter, said_ns;
	double rate, ahead_ns;

	if (!t->usable)
		return max_u64(now_ns, t->base_ns);
	counter = ticks_counter();
	/* What could have been said since the base at most. */
	said_ns = t->span ? t->base_ns + (t->span * t->rate >> 32) : 0;
	if (counter - before > APART)
		return max_u64(now_ns, said_ns);
	if (!t->mark_ns) {
		t->mark = counter;
		t->mark_ns = now_ns;
	}
	if (now_ns - t->mark_ns < FIRST_NS)
		return max_u64(now_ns, said_ns);
	rate = rate_since(t, counter, now_ns);
	t->base = t->mark = counter;
	t->mark_ns = now_ns;
	t->base_ns = max_u64(now_ns, said_ns);
	ahead_ns = (double)(t->base_ns - now_ns);
	if (rate == 0 || ahead_ns > SPAN_NS / 2.0) {
		t->usable = false;
		t->span = 0;
		return t->base_ns;
	}
	t->span = (uint64_t)(SPAN_NS / rate);
	t->rate = (uint64_t)(rate * ONE * (1 - ahead_ns / SPAN_NS));
	return t->base_ns;
}
