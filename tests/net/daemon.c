/* SPDX-License-Identifier: MIT */
/* What daemon.h says, by fork, signals and /proc. */
#include "tests/net/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_ARGS 2048
#define MAX_LOG  (4 << 20)
#define STEP_US  2000
#define PATIENCE (30000000 / STEP_US) /* for a machine that is busy */

static char *read_log(const struct daemon *d)
{
	static char log[MAX_LOG];
	ssize_t len = pread(d->log_fd, log, sizeof(log) - 1, 0);

	log[len > 0 ? len : 0] = 0;
	return log;
}

unsigned daemon_log_count(const struct daemon *d, const char *text)
{
	const char *at = read_log(d);
	unsigned n = 0;

	for (; (at = strstr(at, text)); at++)
		n++;
	return n;
}

/* The last line is complete: what writes it may be in the midst of it. */
static bool line_ends(const struct daemon *d)
{
	const char *log = read_log(d);
	size_t len = strlen(log);

	return len && log[len - 1] == '\n';
}

static bool log_reaches(const struct daemon *d, const char *text, unsigned n)
{
	for (unsigned i = 0; i < PATIENCE; i++) {
		if (daemon_log_count(d, text) >= n && line_ends(d))
			return true;
		usleep(STEP_US);
	}
	return false;
}

void daemon_wait_log(struct daemon *d, const char *text, unsigned n)
{
	if (!log_reaches(d, text, n))
		fail_msg("the log has '%s' %u times, not %u", text, daemon_log_count(d, text), n);
}

void daemon_check_log(struct daemon *d, const char *text, unsigned n)
{
	daemon_wait_log(d, text, n);
	assert_int_equal(daemon_log_count(d, text), n);
}

static void run(const struct daemon *d, const char *program, const char *const *args, pid_t parent)
{
	const char *argv[MAX_ARGS] = { program, "--socket-path", d->path };
	unsigned n = 3;

	while (*args && n < MAX_ARGS - 1)
		argv[n++] = *args++;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(d->log_fd, STDERR_FILENO);
	execv(program, (char *const *)(uintptr_t)argv);
	_exit(127);
}

void daemon_set_path(struct daemon *d)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(d->path, sizeof(d->path), "%s/txringd.%d.sock", tmp ? tmp : "/tmp", getpid());
}

void daemon_start(struct daemon *d, const char *program, const char *const *args)
{
	pid_t parent = getpid();

	daemon_set_path(d);
	d->log_fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(d->log_fd >= 0);
	assert_int_equal(fcntl(d->log_fd, F_SETFL, O_APPEND), 0);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (!d->pid)
		run(d, program, args, parent);
	if (!log_reaches(d, "listening on", 1))
		fail_msg("%s does not come up: %s", program, read_log(d));
}

static bool ended(struct daemon *d, int *status)
{
	for (unsigned i = 0; i < PATIENCE; i++) {
		if (waitpid(d->pid, status, WNOHANG) == d->pid)
			return true;
		usleep(STEP_US);
	}
	return false;
}

void daemon_stop(struct daemon *d)
{
	struct stat st;
	int status;

	if (d->pid <= 0)
		return;
	kill(d->pid, SIGTERM);
	if (!ended(d, &status))
		fail_msg("SIGTERM does not end the daemon");
	d->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fail_msg("the daemon ended with status %#x", status);
	assert_int_equal(stat(d->path, &st), -1);
}

void daemon_cleanup(struct daemon *d, bool print_log)
{
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		waitpid(d->pid, NULL, 0);
		unlink(d->path);
	}
	/* print_message() ends after a thousand bytes. */
	if (print_log)
		fputs(read_log(d), stderr);
	if (d->log_fd > 0)
		close(d->log_fd);
	memset(d, 0, sizeof(*d));
}

/* The newest line of counters of a queue, without its end. Valid until the log is read again. */
static const char *counters(struct daemon *d, const char *queue)
{
	const char *at;
	char start[16], *line = NULL;
	unsigned n;

	snprintf(start, sizeof(start), ": %s ", queue);
	n = daemon_log_count(d, start);
	kill(d->pid, SIGUSR1);
	daemon_wait_log(d, start, n + 1);
	for (at = read_log(d); (at = strstr(at, start)); at++)
		line = (char *)(uintptr_t)at;
	*strchrnul(line, '\n') = 0;
	return line;
}

uint64_t daemon_counter(struct daemon *d, const char *queue, const char *name)
{
	const char *at;
	char key[40];

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(counters(d, queue), key);
	if (!at)
		fail_msg("no counter %s of %s", name, queue);
	return strtoull(at + strlen(key), NULL, 10);
}

uint64_t daemon_drops(struct daemon *d, const char *queue)
{
	const char *at = counters(d, queue);
	uint64_t sum = 0;
	unsigned n = 0;

	for (; (at = strstr(at, " drop_")); at++, n++)
		sum += strtoull(strchrnul(at, '=') + 1, NULL, 10);
	assert_true(n > 0);
	return sum;
}

bool daemon_counter_reaches(struct daemon *d, const char *queue, const char *name, uint64_t value)
{
	for (unsigned i = 0; i < 1500; i++) {
		if (daemon_counter(d, queue, name) >= value)
			return true;
		usleep(20000);
	}
	return false;
}

static DIR *open_proc(const struct daemon *d, const char *what)
{
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", d->pid, what);
	dir = opendir(path);
	assert_non_null(dir);
	return dir;
}

static unsigned count_in(const struct daemon *d, const char *what)
{
	DIR *dir = open_proc(d, what);
	const struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(dir)))
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* What front-ends sent is closed by a thread, in its time. It ends when it is idle for a second. */
static bool has_closer(const struct daemon *d)
{
	DIR *dir = open_proc(d, "task");
	const struct dirent *e;
	bool found = false;
	char path[320], name[16];
	FILE *f;

	while (!found && (e = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", d->pid, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		found = fscanf(f, "%15s", name) == 1 && !strcmp(name, "closer");
		fclose(f);
	}
	closedir(dir);
	return found;
}

unsigned daemon_n_fds(const struct daemon *d)
{
	unsigned n = count_in(d, "fd"), now, same, tries;

	for (same = tries = 0; same < 10 && tries < 1000; tries++) {
		usleep(10000);
		now = count_in(d, "fd");
		same = now == n && !has_closer(d) ? same + 1 : 0;
		n = now;
	}
	return n;
}

void daemon_wait_n_fds(const struct daemon *d, unsigned n)
{
	for (unsigned tries = 0; tries < 1000 && count_in(d, "fd") != n; tries++)
		usleep(10000);
	assert_int_equal(daemon_n_fds(d), n);
}

void daemon_wait_threads(const struct daemon *d, unsigned n)
{
	unsigned tries;

	for (tries = 0; count_in(d, "task") != n; tries++) {
		if (tries == 1000)
			fail_msg("there are %u threads, not %u", count_in(d, "task"), n);
		usleep(10000);
	}
}

/* Threads come and go, so it is the process that is asked. */
uint64_t daemon_cpu_ns(const struct daemon *d)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(d->pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t daemon_own_kib(const struct daemon *d)
{
	uint64_t rss = 0, shmem = 0;
	char path[64], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", d->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "VmRSS: %" SCNu64, &rss);
		sscanf(line, "RssShmem: %" SCNu64, &shmem);
	}
	fclose(f);
	assert_true(rss > shmem);
	return rss - shmem;
}
