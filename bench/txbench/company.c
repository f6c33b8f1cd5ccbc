/* SPDX-License-Identifier: MIT */
/*
 * A spinner or a neighbour: contracts in company.h.
 *
 * The child reads the clock all the time. The time between two readings is the child's own if it
 * is short; else the child was not running. LOST_NS tells them apart: a turn takes 26 to 40 ns
 * here and at most 256 ns (the kernel updates what the clock is read from), the shortest interrupt
 * 4 us; of 3 s on a busy machine 0.4 ms were in between, from 0.25 to 2 us.
 *
 * The scheduler shares a CPU between sessions first (autogroup), and SCHED_IDLE says something
 * within one session only. So the spinner is the weakest by both: of its session, and its session
 * of all. A neighbour's session has the weight of any other.
 */
#include "bench/txbench/company.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/txbench/cpu.h"
#include "virtio/base.h"

#define LOST_NS   1000
#define WEAKEST   "19" /* nice of a session */
#define ORDINARY  "0"
#define START_NS  10000000000
#define LOOK_NS   1000000
#define CANNOT_BE 1

/* Written by the child. What it lost is the rest of the time, so that one word tells all. */
struct company_account {
	uint64_t had_ns;
	uint64_t times;
	uint64_t runs; /* not 0 once it does */
};

static void count(struct company_account *a)
{
	uint64_t last_ns = monotonic_ns(), now_ns, had_ns = 0, times = 0;

	for (;;) {
		now_ns = monotonic_ns();
		if (now_ns - last_ns < LOST_NS)
			store_release(&a->had_ns, had_ns += now_ns - last_ns);
		else
			store_release(&a->times, ++times);
		last_ns = now_ns;
		store_relaxed(&a->runs, 1);
	}
}

static _Noreturn void child(struct company_account *a, int cpu, pid_t parent)
{
	sigset_t none;

	/*
	 * A back-end's socket would otherwise stay open for as long as this process lives, and so
	 * would a pipe that somebody reads to its end.
	 */
	close_range(0, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (getppid() == parent && !cpu_pin(cpu) && !setpriority(PRIO_PROCESS, 0, 0) &&
	    !sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ 0 }))
		count(a);
	_exit(CANNOT_BE);
}

/* Until it runs. */
static int await(struct company *c)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	uint64_t until_ns = monotonic_ns() + START_NS;

	while (!load_relaxed(&c->account->runs)) {
		if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
			c->pid = 0;
			return -EPERM;
		}
		if (monotonic_ns() > until_ns)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* What its session counts for beside others. A kernel without autogroup has no such file. */
static int weigh_session(pid_t pid, const char *nice)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	uint64_t until_ns = monotonic_ns() + START_NS;
	int fd, err = -EAGAIN;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/autogroup", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	/* Without CAP_SYS_ADMIN all of the machine may do so ten times a second. */
	while (err == -EAGAIN && monotonic_ns() < until_ns) {
		err = write(fd, nice, strlen(nice)) < 0 ? -errno : 0;
		if (err == -EAGAIN)
			nanosleep(&pause, NULL);
	}
	close(fd);
	return err;
}

/*
 * Once it runs: where others take the whole CPU, a spinner that is weak from the start may not
 * begin within START_NS, though all that it must tell is that it does not run.
 */
static int weaken(pid_t pid)
{
	if (sched_setscheduler(pid, SCHED_IDLE, &(struct sched_param){ 0 }))
		return -errno;
	return weigh_session(pid, WEAKEST);
}

int company_start(struct company *c, enum state state, int cpu)
{
	pid_t parent = getpid();
	void *shared;
	int err;

	*c = (struct company){ 0 };
	if (state != STATE_SPINNER && state != STATE_NEIGHBOUR)
		return 0;
	shared = mmap(NULL, sizeof(*c->account), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	c->account = shared;
	c->pid = fork();
	err = c->pid < 0 ? -errno : 0;
	if (!c->pid)
		child(c->account, cpu, parent);
	if (!err)
		err = await(c);
	if (!err && state == STATE_SPINNER)
		err = weaken(c->pid);
	if (err)
		company_stop(c);
	return err;
}

void company_stop(struct company *c)
{
	if (c->pid > 0) {
		/* On a busy CPU the weakest would take long to die. Not everybody may do so. */
		sched_setscheduler(c->pid, SCHED_OTHER, &(struct sched_param){ 0 });
		weigh_session(c->pid, ORDINARY);
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	if (c->account)
		munmap(c->account, sizeof(*c->account));
	*c = (struct company){ 0 };
}

void company_take(const struct company *c, struct company_loss *loss)
{
	*loss = (struct company_loss){ 0 };
	if (!c->account)
		return;
	loss->wall_ns = monotonic_ns();
	loss->lost_ns = loss->wall_ns - load_acquire(&c->account->had_ns);
	loss->times = load_relaxed(&c->account->times);
}

void company_subtract(struct company_loss *loss, const struct company_loss *from)
{
	loss->wall_ns -= from->wall_ns;
	loss->lost_ns -= from->lost_ns;
	loss->times -= from->times;
}
