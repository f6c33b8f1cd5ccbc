/* SPDX-License-Identifier: MIT */
/* Whether the iothreads turn; see pulse.h. */
#include "tools/txringd/pulse.h"

#include <errno.h>
#include <stdlib.h>

#include "virtio/base.h"

static void on_beat(struct iothread_job *job)
{
	struct pulse_beat *beat = container_of(job, struct pulse_beat, job);

	store_release(&beat->ended, true);
	iothread_job_done(job);
}

int pulse_init(struct pulse *p, struct iothread *const *threads, unsigned n)
{
	*p = (struct pulse){ .threads = threads, .n = n };
	p->beats = calloc(n, sizeof(*p->beats));
	if (p->beats)
		return 0;
	p->n = 0;
	return -ENOMEM;
}

/* The job is over, or nearly so. */
static void end(struct pulse_beat *beat)
{
	iothread_batch_wait(&beat->batch);
	beat->posted = false;
}

static void begin(struct iothread *thread, struct pulse_beat *beat)
{
	*beat = (struct pulse_beat){ .job.fn = on_beat, .posted = true };
	iothread_batch_init(&beat->batch);
	iothread_post(thread, &beat->batch, &beat->job);
	iothread_batch_start(&beat->batch);
}

bool pulse_check(struct pulse *p)
{
	bool all = true;

	for (unsigned i = 0; i < p->n; i++) {
		struct pulse_beat *beat = &p->beats[i];

		if (beat->posted && !load_acquire(&beat->ended)) {
			all = false;
			continue;
		}
		if (beat->posted)
			end(beat);
		begin(p->threads[i], beat);
	}
	return all;
}

void pulse_deinit(struct pulse *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->beats[i].posted)
			end(&p->beats[i]);
	}
	free(p->beats);
	*p = (struct pulse){ 0 };
}
