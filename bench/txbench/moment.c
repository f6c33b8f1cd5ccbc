/* SPDX-License-Identifier: MIT */
/* Two moments and what lies between them: contracts in moment.h. */
#include "bench/txbench/moment.h"

#include <time.h>
#include <unistd.h>

#include "virtio/base.h"

static bool may_be_idle(const struct moment_of *of)
{
	return of->state == STATE_IDLE && of->backend_cpu >= 0 && of->backend_cpu != of->driver_cpu;
}

static uint64_t clock_of(pid_t pid)
{
	struct timespec ts = { 0 };
	clockid_t clock;

	if (pid > 0 && !clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void take_clocks(struct moment *m, const struct moment_of *of)
{
	static const struct usage_target nobody;

	company_take(of->company, &m->company);
	/* A process that is gone has no figures more; the run ends by itself then. */
	if (usage_take(&m->usage, of->backend))
		(void)usage_take(&m->usage, &nobody);
	/* Reading the clock of a thread that runs brings its CPU's sum up to date. */
	m->company_ns = clock_of(of->company->pid);
	if (of->backend_cpu != of->driver_cpu)
		m->threads_ns = others_and_mine_ns(of->backend_cpu);
}

/* Usage is that between the two. The sum has programs that came and went, which no list has. */
static uint64_t others_ns(const struct moment *before, const struct moment *after,
			  const struct moment_of *of, const pid_t *mine)
{
	uint64_t own_ns = after->usage.backend_ns + after->company_ns - before->company_ns;
	uint64_t all_ns = after->threads_ns - before->threads_ns;

	if (!before->threads_ns || !after->threads_ns || !after->usage.backend_ns)
		return others_between(&before->others, &after->others, of->backend_cpu, mine);
	return all_ns > own_ns ? all_ns - own_ns : 0;
}

void moment_begin(struct moment *m, const struct moment_of *of)
{
	*m = (struct moment){ 0 };
	(void)others_take(&m->others);
	if (may_be_idle(of))
		busy_take(&m->busy, of->backend_cpu);
	take_clocks(m, of);
}

void moment_end(struct moment *m, const struct moment_of *of)
{
	*m = (struct moment){ 0 };
	take_clocks(m, of);
	if (may_be_idle(of))
		busy_take(&m->busy, of->backend_cpu);
	(void)others_take(&m->others);
}

void moment_account(struct moment *before, struct moment *after, const struct moment_of *of,
		    struct repetition *rep, bool observed)
{
	const pid_t mine[] = { getpid(), of->backend->pid, of->company->pid, 0 };
	struct cost *c = &rep->cost;
	pid_t known[array_size(mine)] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < array_size(mine); i++)
		if (mine[i] > 0)
			known[n++] = mine[i];
	usage_subtract(&after->usage, &before->usage);
	company_subtract(&after->company, &before->company);
	rep->usage = after->usage;
	rep->company = after->company;
	*c = (struct cost){ .observed = observed,
			    .ns = rep->ns,
			    .frames = rep->frames,
			    .lost = rep->lost,
			    .kicks = rep->kicks,
			    .kick_ns = rep->kick_ns,
			    .usage = rep->usage,
			    .others_ns = others_ns(before, after, of, known) };
	if (may_be_idle(of) && busy_between(&before->busy, &after->busy, &c->busy_ns))
		c->busy_from = BUSY_IDLE;
	if (of->company->pid) {
		c->busy_from = of->state == STATE_SPINNER ? BUSY_SPINNER : BUSY_NEIGHBOUR;
		c->busy_ns = rep->company.lost_ns;
	}
	others_free(&before->others);
	others_free(&after->others);
}
