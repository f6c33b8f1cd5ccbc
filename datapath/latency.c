/* SPDX-License-Identifier: MIT */
/* Residence of frames: what is cold, and what is for backends that complete late; see latency.h. */
#include "datapath/latency.h"

#include <sys/mman.h>

/* A reader that finds the writer within its few stores looks again; it gives up some time. */
#define TRIES 1000

const char *const latency_parts[LATENCY_PARTS] = {
	[LATENCY_IDLE] = "paused",     [LATENCY_TURN] = "turn", [LATENCY_DELAY] = "delay",
	[LATENCY_LATE] = "timer_late", [LATENCY_FULL] = "full", [LATENCY_RUN] = "run",
	[LATENCY_DONE] = "backend",
};

const char *const latency_causes[LATENCY_CAUSES] = {
	[LATENCY_KICK] = "kick",
	[LATENCY_LOOK] = "look",
	[LATENCY_BUSY] = "busy",
};

_Static_assert(sizeof(struct latency_worst) % sizeof(uint64_t) == 0, "it is copied by words");

struct latency *latency_new(void)
{
	/*
	 * What is not touched takes no memory. From calloc() it would once others have been freed:
	 * they are used again, and are cleared for that.
	 */
	void *l = mmap(NULL, sizeof(struct latency), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return l == MAP_FAILED ? NULL : l;
}

void latency_free(struct latency *l)
{
	if (l)
		munmap(l, sizeof(*l));
}

void latency_start(struct latency *l, uint64_t now_ns)
{
	l->at_ns = now_ns;
	l->told_ns = now_ns;
	l->part = LATENCY_IDLE;
	l->known = 0;
	l->n_marks = 0;
}

static void copy_words(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		store_relaxed((uint64_t *)to + i, load_relaxed((const uint64_t *)from + i));
}

/* The present interval becomes the one before. */
static void begin_interval(struct latency *l, uint64_t now_ns)
{
	struct latency_interval *i = l->record.intervals;

	copy_words(&i[1], &i[0], sizeof(i[0]));
	store_relaxed(&i[0].start_ns, now_ns);
	store_relaxed(&i[0].n, 0);
	l->end_ns = now_ns + LATENCY_INTERVAL_NS;
}

static const struct latency_worst *least(const struct latency_interval *i)
{
	const struct latency_worst *w = &i->worst[0];

	for (unsigned k = 1; k < i->n; k++) {
		if (i->worst[k].residence_ns < w->residence_ns)
			w = &i->worst[k];
	}
	return w;
}

static enum latency_part reason_of(const uint64_t waited_ns[LATENCY_PARTS])
{
	unsigned reason = 0;

	for (unsigned i = 1; i < LATENCY_PARTS; i++) {
		if (waited_ns[i] > waited_ns[reason])
			reason = i;
	}
	return reason;
}

/* In place of the least of the worst, if there are as many as can be. */
static void insert(struct latency_interval *i, const struct latency_worst *worst)
{
	size_t place = i->n;

	if (i->n < LATENCY_WORST)
		store_relaxed(&i->n, i->n + 1);
	else
		place = (size_t)(least(i) - i->worst);
	copy_words(&i->worst[place], worst, sizeof(*worst));
}

/*
 * The writer makes the number odd, writes, and makes it even; a reader that found it odd, or
 * changed, has copied a mixture. A: the number is odd before anything is written. B: what was
 * copied is read before the number is looked at again.
 */
void latency_remember(struct latency *l, uint64_t now_ns, const struct latency_mark *m)
{
	struct latency_interval *i = &l->record.intervals[0];
	struct latency_worst worst = { .when_ns = now_ns,
				       .residence_ns = now_ns - m->seen_ns,
				       .frames = m->n,
				       .cause = m->cause,
				       .reason = reason_of(m->waited_ns) };

	memcpy(worst.waited_ns, m->waited_ns, sizeof(worst.waited_ns));
	store_relaxed(&l->sequence, l->sequence + 1);
	full_fence(); /* A */
	if (now_ns >= l->end_ns)
		begin_interval(l, now_ns);
	insert(i, &worst);
	store_release(&l->sequence, l->sequence + 1);
	l->worst_ns = i->n < LATENCY_WORST ? 0 : least(i)->residence_ns;
}

static void copy_intervals(struct latency_record *to, const struct latency *l)
{
	uint64_t before, after;
	unsigned tries = TRIES;

	do {
		before = load_acquire(&l->sequence);
		copy_words(to->intervals, l->record.intervals, sizeof(to->intervals));
		full_fence(); /* B */
		after = load_relaxed(&l->sequence);
	} while ((before != after || before & 1) && --tries);
	if (!tries)
		memset(to->intervals, 0, sizeof(to->intervals));
}

void latency_copy(struct latency_record *to, const struct latency *l)
{
	histogram_copy(&to->residence, &l->record.residence);
	histogram_copy(&to->to_sent, &l->record.to_sent);
	histogram_copy(&to->to_used, &l->record.to_used);
	histogram_copy(&to->batch, &l->record.batch);
	histogram_copy(&to->wake, &l->record.wake);
	histogram_copy(&to->late, &l->record.late);
	histogram_copy(&to->run, &l->record.run);
	copy_intervals(to, l);
}

/* The backend has n frames that were seen at from_ns; total_ns as in latency_add(). */
static void mark_add(struct latency *l, uint64_t from_ns, uint32_t n, const uint64_t *total_ns)
{
	struct latency_mark *m = &l->marks[(l->first_mark + l->n_marks) % LATENCY_MARKS];

	histogram_add_n(&l->record.to_sent, l->at_ns - from_ns, n);
	if (l->n_marks == LATENCY_MARKS) {
		l->marks[(l->first_mark + LATENCY_MARKS - 1) % LATENCY_MARKS].n += n;
		return;
	}
	*m = (struct latency_mark){
		.seen_ns = from_ns, .sent_ns = l->at_ns, .n = n, .cause = LATENCY_BUSY
	};
	if (total_ns) {
		m->cause = l->cause;
		latency_waited(l, m->waited_ns, total_ns);
	} else {
		m->waited_ns[LATENCY_RUN] = l->at_ns - from_ns;
	}
	l->n_marks++;
}

void latency_sent(struct latency *l, uint64_t now_ns, uint32_t n, uint32_t left)
{
	uint32_t known = n < l->known ? n : l->known;
	uint64_t from_ns = l->at_ns;

	latency_enter(l, now_ns, LATENCY_RUN);
	if (n)
		histogram_add(&l->record.batch, n);
	if (known)
		mark_add(l, l->known_ns, known, l->known_total_ns);
	if (n > known)
		mark_add(l, from_ns, n - known, NULL);
	latency_left(l, from_ns, n, left);
}

/* n frames of the mark m are used. */
static void mark_done(struct latency *l, uint64_t now_ns, struct latency_mark *m, uint32_t n)
{
	struct latency_mark done;
	uint64_t ns = now_ns - m->seen_ns;

	histogram_add_n(&l->record.residence, ns, n);
	histogram_add_n(&l->record.to_used, now_ns - m->sent_ns, n);
	if (ns > l->worst_ns || now_ns >= l->end_ns) {
		done = *m;
		done.n = n;
		done.waited_ns[LATENCY_DONE] = now_ns - m->sent_ns;
		latency_remember(l, now_ns, &done);
	}
	m->n -= n;
}

void latency_done(struct latency *l, uint64_t now_ns, uint32_t n)
{
	while (n && l->n_marks) {
		struct latency_mark *m = &l->marks[l->first_mark];
		uint32_t part = n < m->n ? n : m->n;

		mark_done(l, now_ns, m, part);
		n -= part;
		if (m->n)
			return;
		l->first_mark = (l->first_mark + 1) % LATENCY_MARKS;
		l->n_marks--;
	}
}
