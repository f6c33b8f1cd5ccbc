/* SPDX-License-Identifier: MIT */
/*
 * CPU time and system calls, as the kernel counts them: contracts in usage.h. What its tick samples
 * (user and kernel, softirqs, steal) is off by some ticks in each snapshot.
 */
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

/* From ready to running with nobody in the way. */
#define WAKE_UP_NS 4000

/* The beginning of a file of /proc; false: it is not there. */
static bool read_start(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, cap - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t ticks_ns(unsigned long long ticks)
{
	return ticks * (1000000000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void take_all_cpus(struct usage *u)
{
	unsigned long long softirq = 0, steal = 0;
	char text[256];

	if (read_start("/proc/stat", text, sizeof(text)))
		sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %llu %llu", &softirq, &steal);
	u->softirq_ns = ticks_ns(softirq);
	u->steal_ns = ticks_ns(steal);
}

/* Threads that are gone do not count. */
static void take_backend_waits(struct usage *u, pid_t pid)
{
	unsigned long long waited, turns;
	char path[64], text[96];
	struct dirent *thread;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (thread = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", pid, thread->d_name);
		if (thread->d_name[0] == '.' || !read_start(path, text, sizeof(text)) ||
		    sscanf(text, "%*u %llu %llu", &waited, &turns) != 2)
			continue;
		u->backend_waited_ns += waited;
		u->backend_turns += turns;
	}
	if (dir)
		closedir(dir);
}

/* The clock of a process: its threads that are gone count, too. */
static int take_backend(struct usage *u, pid_t pid)
{
	unsigned long long user = 0, kernel = 0;
	char path[64], text[512];
	clockid_t clock;
	const char *rest;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (clock_getcpuclockid(pid, &clock) || !read_start(path, text, sizeof(text)))
		return -ESRCH;
	rest = strrchr(text, ')'); /* the name may hold anything */
	if (rest)
		sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		       &kernel);
	u->backend_ns = clock_ns(clock);
	u->backend_user_ns = ticks_ns(user);
	u->backend_kernel_ns = ticks_ns(kernel);
	take_backend_waits(u, pid);
	return 0;
}

int usage_take(struct usage *u, pid_t pid)
{
	unsigned long long waited = 0;
	char text[96];

	*u = (struct usage){ .wall_ns = clock_ns(CLOCK_MONOTONIC) };
	take_all_cpus(u);
	if (read_start("/proc/thread-self/schedstat", text, sizeof(text)))
		sscanf(text, "%*u %llu", &waited);
	u->waited_ns = waited;
	u->driver_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	return pid ? take_backend(u, pid) : 0;
}

/* The kernel's sampled figures may go back by a tick, and a process may go away. */
static void subtract(uint64_t *v, uint64_t from)
{
	*v = *v > from ? *v - from : 0;
}

void usage_subtract(struct usage *u, const struct usage *from)
{
	uint64_t sampled;

	subtract(&u->driver_ns, from->driver_ns);
	subtract(&u->backend_ns, from->backend_ns);
	subtract(&u->backend_user_ns, from->backend_user_ns);
	subtract(&u->backend_kernel_ns, from->backend_kernel_ns);
	subtract(&u->softirq_ns, from->softirq_ns);
	subtract(&u->waited_ns, from->waited_ns);
	subtract(&u->backend_waited_ns, from->backend_waited_ns);
	subtract(&u->backend_turns, from->backend_turns);
	subtract(&u->backend_waited_ns, u->backend_turns * WAKE_UP_NS);
	subtract(&u->steal_ns, from->steal_ns);
	subtract(&u->wall_ns, from->wall_ns);

	/* The sum is exact, the parts are sampled: keep their ratio. */
	sampled = u->backend_user_ns + u->backend_kernel_ns;
	if (!sampled)
		return;
	u->backend_user_ns =
		(uint64_t)((double)u->backend_ns * (double)u->backend_user_ns / (double)sampled);
	u->backend_kernel_ns = u->backend_ns - u->backend_user_ns;
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

static int count_thread(int id, pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = (uint64_t)id,
		.inherit = 1, /* threads that it starts */
	};
	long fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return errno == ESRCH ? 0 : -errno; /* it has ended meanwhile */
	counting.fds[counting.n++] = (int)fd;
	return 0;
}

int usage_syscalls_start(pid_t pid)
{
	int id = sys_enter_id(), err = 0;
	struct dirent *e;
	char path[64];
	DIR *tasks;

	if (id < 0)
		return id;
	if (counting.n)
		return -EBUSY;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return -ESRCH;
	while (!err && (e = readdir(tasks))) {
		if (e->d_name[0] == '.')
			continue;
		err = counting.n < SYSCALL_THREADS ? count_thread(id, atoi(e->d_name)) : -E2BIG;
	}
	closedir(tasks);
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
