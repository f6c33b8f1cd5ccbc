/* SPDX-License-Identifier: MIT */
/* CPU time and system calls, as the kernel counts them: contracts in usage.h. */
#include "bench/txbench/usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "virtio/base.h"

#define SYSCALL_THREADS 64

/* From ready to running on a CPU that is free. */
#define WAKE_UP_NS 4000

/* A file of /proc as text; false: it is not there. */
static bool read_start(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, cap - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static uint64_t ns_of(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

/* The kernel's number of a thread's clock: glibc names it for threads of this process only. */
static int clock_of(const struct usage_target *t, clockid_t *clock)
{
	if (!t->tid)
		return clock_getcpuclockid(t->pid, clock);
	*clock = ~t->tid * 8 + 6; /* CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED */
	return 0;
}

/* Each thread that counts, until one is refused: the first negative errno of fn, or 0. */
static int each_thread(const struct usage_target *t, int (*fn)(pid_t tid, void *arg), void *arg)
{
	struct dirent *e;
	char path[64];
	int err = 0;
	DIR *dir;

	if (t->tid)
		return fn(t->tid, arg);
	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	dir = opendir(path);
	if (!dir)
		return -ESRCH;
	while (!err && (e = readdir(dir))) {
		if (e->d_name[0] != '.')
			err = fn(atoi(e->d_name), arg);
	}
	closedir(dir);
	return err;
}

static void take_steal(struct usage *u)
{
	unsigned long long steal = 0;
	char text[256];

	if (read_start("/proc/stat", text, sizeof(text)))
		sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal);
	u->steal_ns = steal * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* A thread that is gone does not count. */
static int add_waits(pid_t tid, void *arg)
{
	unsigned long long waited, turns;
	struct usage *u = arg;
	char path[64], text[96];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", tid);
	if (read_start(path, text, sizeof(text)) &&
	    sscanf(text, "%*u %llu %llu", &waited, &turns) == 2) {
		u->backend_waited_ns += waited;
		u->backend_turns += turns;
	}
	return 0;
}

int usage_take(struct usage *u, const struct usage_target *t)
{
	unsigned long long waited = 0;
	struct timespec ts;
	clockid_t clock;
	char text[96];

	*u = (struct usage){ .wall_ns = monotonic_ns() };
	take_steal(u);
	if (read_start("/proc/thread-self/schedstat", text, sizeof(text)))
		sscanf(text, "%*u %llu", &waited);
	u->waited_ns = waited;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	u->driver_ns = ns_of(&ts);
	if (!t->pid)
		return 0;
	if (clock_of(t, &clock) || clock_gettime(clock, &ts))
		return -ESRCH;
	u->backend_ns = ns_of(&ts);
	return each_thread(t, add_waits, u);
}

/* A process may go away. */
static void subtract(uint64_t *v, uint64_t from)
{
	*v = *v > from ? *v - from : 0;
}

void usage_subtract(struct usage *u, const struct usage *from)
{
	subtract(&u->wall_ns, from->wall_ns);
	subtract(&u->driver_ns, from->driver_ns);
	subtract(&u->backend_ns, from->backend_ns);
	subtract(&u->waited_ns, from->waited_ns);
	subtract(&u->backend_waited_ns, from->backend_waited_ns);
	subtract(&u->backend_turns, from->backend_turns);
	subtract(&u->backend_waited_ns, u->backend_turns * WAKE_UP_NS);
	subtract(&u->steal_ns, from->steal_ns);
}

double usage_steal_share(const struct usage *u)
{
	double all = (double)u->wall_ns * (double)sysconf(_SC_NPROCESSORS_ONLN);

	return all > 0 ? (double)u->steal_ns / all : 0;
}

/* System calls. */

/* One count at a time; its handle is 0. */
static struct {
	unsigned n;
	int fds[SYSCALL_THREADS];
} counting;

static int read_id(int dir, const char *path)
{
	char text[16] = "";
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	return len > 0 ? atoi(text) : -EIO;
}

/* From a tracefs that is mounted nowhere, and gone with its fd. */
static int id_of_own_tracefs(const char *path)
{
	int fs = fsopen("tracefs", FSOPEN_CLOEXEC), dir = -1, id = -errno;

	if (fs >= 0 && !fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		dir = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	if (dir < 0)
		id = -errno;
	if (fs >= 0)
		close(fs);
	if (dir < 0)
		return id;
	id = read_id(dir, path);
	close(dir);
	return id;
}

/* The number of the trace point at the start of each system call. */
static int sys_enter_id(void)
{
	static const char path[] = "events/raw_syscalls/sys_enter/id";
	static const char *const mounts[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	int dir, id;

	for (unsigned i = 0; i < array_size(mounts); i++) {
		dir = open(mounts[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			continue;
		id = read_id(dir, path);
		close(dir);
		if (id >= 0)
			return id;
	}
	return id_of_own_tracefs(path);
}

static int count_thread(pid_t tid, void *arg)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = (uint64_t) * (const int *)arg,
		.inherit = 1, /* threads that it starts */
	};
	long fd;

	if (counting.n == SYSCALL_THREADS)
		return -E2BIG;
	fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno; /* it has ended meanwhile */
	counting.fds[counting.n++] = (int)fd;
	return 0;
}

int usage_syscalls_start(const struct usage_target *t)
{
	int id = sys_enter_id(), err;

	if (id < 0)
		return id;
	if (counting.n)
		return -EBUSY;
	err = each_thread(t, count_thread, &id);
	if (!err && !counting.n)
		err = -ESRCH;
	if (err)
		usage_syscalls_stop(0);
	return err;
}

uint64_t usage_syscalls_stop(int handle)
{
	uint64_t sum = 0, n;

	(void)handle;
	while (counting.n) {
		int fd = counting.fds[--counting.n];

		if (read(fd, &n, sizeof(n)) == sizeof(n))
			sum += n;
		close(fd);
	}
	return sum;
}
