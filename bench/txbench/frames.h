/* SPDX-License-Identifier: MIT */
/*
 * What became of each frame: stage by stage into the histograms and the time line of a repetition,
 * and what was lost, came twice or out of order. Frames are numbered and a number is used once in
 * the life of the program, so that one from a former repetition is known as such.
 *
 * There is a record for each of the last frames, as many as the window is long. A frame that was
 * not seen when its record is needed again is lost; what is seen of it after that counts as seen
 * twice, so that it is not forgotten. So the window is far longer than what may be on its way.
 *
 * Owner: one thread. It knows no time but what it is told.
 */
#ifndef BENCH_TXBENCH_FRAMES_H
#define BENCH_TXBENCH_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/histogram.h"
#include "bench/txbench/result.h"

struct frame {
	uint64_t from_ns; /* latencies count from here */
	uint32_t seen;    /* a bit for each stage */
};

struct frames {
	struct frame *window;
	struct histogram *bins; /* TIMELINE_BINS of them */
	uint64_t mask;
	enum stage last; /* the last stage that is watched: what was not seen there is lost */

	/* of the present repetition */
	struct repetition *rep;
	uint64_t start_ns;
	uint64_t base;    /* number of its first frame */
	uint64_t next;    /* number of the next frame */
	uint64_t highest; /* 1 + the highest number seen at the last stage */
	uint64_t seen;    /* frames that were seen there */
	bool backwards;   /* a frame got somewhere before it was sent: the clock was set back */
};

/* Window: rounded up to a power of two. 0 or -ENOMEM. The memory is faulted in. */
int frames_init(struct frames *f, uint64_t window);
/* May run twice. */
void frames_deinit(struct frames *f);

/* What comes now goes to *rep: from start_ns on, for ns. rep is all zero. */
void frames_begin(struct frames *f, struct repetition *rep, enum stage last, uint64_t start_ns,
		  uint64_t ns);
/* Fill in the time line and what was lost; the number of frames is set already. */
void frames_end(struct frames *f);

/* What frames_saw says. */
enum frames_outcome {
	FRAMES_NEW,   /* seen at this stage for the first time */
	FRAMES_TWICE, /* was there before, or is older than the window */
	FRAMES_OTHER, /* not of this repetition */
};

/* Frame number f->next goes out; its latencies count from from_ns. */
static inline void frames_add(struct frames *f, uint64_t from_ns)
{
	f->window[f->next++ & f->mask] = (struct frame){ .from_ns = from_ns };
}

/* At most a clock's resolution, and what two CPUs' clocks differ. */
#define FRAMES_CLOCK_NS 1000

/* Frame number was at that stage at at_ns. */
static inline enum frames_outcome frames_saw(struct frames *f, enum stage stage, uint64_t number,
					     uint64_t at_ns)
{
	struct frame *frame = &f->window[number & f->mask];
	struct repetition *rep = f->rep;
	uint64_t ns, bin;

	if (number < f->base || number >= f->next)
		return FRAMES_OTHER;
	if (f->next - number > f->mask + 1 || frame->seen & 1U << stage) {
		rep->duplicated += stage == f->last;
		return FRAMES_TWICE;
	}
	frame->seen |= 1U << stage;
	f->backwards |= at_ns + FRAMES_CLOCK_NS < frame->from_ns;
	ns = at_ns > frame->from_ns ? at_ns - frame->from_ns : 0;
	timings_add(&rep->stages[stage], ns);
	if (stage != f->last)
		return FRAMES_NEW;
	if (number < f->highest)
		rep->reordered++;
	else
		f->highest = number + 1;
	f->seen++;
	bin = (frame->from_ns - f->start_ns) / rep->bin_ns;
	bin = bin < rep->n_bins ? bin : rep->n_bins - 1;
	histogram_add(&f->bins[bin], ns);
	return FRAMES_NEW;
}

#endif
