/* SPDX-License-Identifier: MIT */
/*
 * A bounded run of a foreign program; see probe_child.h. While it runs we adopt what its group
 * leaves behind (PR_SET_CHILD_SUBREAPER), so that the whole group can be reaped. The group's leader
 * is reaped last but for them: until then its number cannot be another group's.
 */
#include "tools/txringctl/probe_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virtio/base.h"

/* How often it is looked whether the leader has ended: its output may be held open by others. */
#define TICK_MS 10
/* SIGKILL takes no longer, but for a process that the kernel does not let go. */
#define REAP_TICKS 200

extern char **environ;

static int failed(char err[PROBE_ERR_LEN], int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int failed(char err[PROBE_ERR_LEN], int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, PROBE_ERR_LEN, fmt, args);
	va_end(args);
	return code;
}

static int spawn_failed(int code, char err[PROBE_ERR_LEN])
{
	switch (code) {
	case ENOENT:
		return failed(err, -code, "there is no such program");
	case EACCES:
		return failed(err, -code, "it is not executable for this user");
	case ENOEXEC:
		return failed(err, -code, "it is not a program that runs on this machine");
	default:
		return failed(err, -code, "it cannot be run: %s", strerror(code));
	}
}

static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
}

/* The ends are for its stdout and stderr. 0 or an errno. */
static int spawn(pid_t *pid, char *const argv[], const int ends[2])
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int code = posix_spawn_file_actions_init(&files);

	if (code)
		return code;
	code = posix_spawnattr_init(&attr);
	if (code)
		goto destroy_files;
	code = set_attributes(&attr);
	if (!code)
		code = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY,
							0);
	for (int i = 0; i < 2 && !code; i++)
		code = posix_spawn_file_actions_adddup2(&files, ends[i], STDOUT_FILENO + i);
	if (!code)
		code = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	if (!code)
		code = posix_spawnp(pid, argv[0], &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
destroy_files:
	posix_spawn_file_actions_destroy(&files);
	return code;
}

/* What there is now. False: no more will come, *code says why: 0, the end; or -EFBIG, -ENOMEM. */
static bool read_some(struct probe_child *child, unsigned stream, int fd, int *code)
{
	struct probe_child_text *out = &child->out[stream];
	size_t others = child->out[!stream].len;
	ssize_t n;

	if (!out->text)
		out->text = malloc(PROBE_CHILD_MAX + 1);
	if (!out->text) {
		*code = -ENOMEM;
		return false;
	}
	n = read(fd, out->text + out->len, PROBE_CHILD_MAX + 1 - others - out->len);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	out->len += (size_t)n;
	if (out->len + others > PROBE_CHILD_MAX)
		*code = -EFBIG;
	return n && !*code;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == pid;
}

/* Until the leader has ended and what it printed is read. 0, -ETIME, -EFBIG or -ENOMEM. */
static int attend(struct probe_child *child, pid_t pid, const int fds[2], uint64_t end_ns)
{
	struct pollfd p[2] = { { .fd = fds[0], .events = POLLIN },
			       { .fd = fds[1], .events = POLLIN } };
	bool ended = false, quiet = false;
	int code = 0;

	while (!code && !(ended && quiet)) {
		if (monotonic_ns() >= end_ns)
			return -ETIME;
		/* In this order: what is there after its end was printed before. */
		ended = has_ended(pid);
		quiet = poll(p, 2, ended ? 0 : TICK_MS) == 0;
		for (unsigned i = 0; i < 2; i++) {
			if (p[i].fd >= 0 && p[i].revents && !read_some(child, i, p[i].fd, &code))
				p[i].fd = -1;
		}
	}
	return code;
}

/* End the group and reap it. The leader's status as waitpid() has it, or -1. */
static int end_group(pid_t pid)
{
	const struct timespec tick = { .tv_nsec = TICK_MS * 1000000 };
	int status, leaders = -1;
	pid_t got = 0;

	kill(-pid, SIGKILL);
	for (int i = 0; i < REAP_TICKS && got >= 0; i++) {
		while ((got = waitpid(-pid, &status, WNOHANG)) > 0) {
			if (got == pid)
				leaders = status;
		}
		if (!got)
			nanosleep(&tick, NULL);
	}
	return leaders;
}

static int judge(int code, int status, char err[PROBE_ERR_LEN])
{
	switch (code) {
	case 0:
		break;
	case -ETIME:
		return failed(err, code, "it did not end in time, and was killed");
	case -EFBIG:
		return failed(err, code, "it prints more than %d KiB", PROBE_CHILD_MAX >> 10);
	default:
		return failed(err, code, "out of memory");
	}
	if (WIFSIGNALED(status))
		return failed(err, -ECHILD, "it died of signal %d (%s)", WTERMSIG(status),
			      strsignal(WTERMSIG(status)));
	return 0;
}

/* fds: ends to read from; they are ours. */
static int run(struct probe_child *child, char *const argv[], const int fds[2], const int ends[2],
	       uint64_t end_ns, char err[PROBE_ERR_LEN])
{
	int code, status, adopts = 0;
	pid_t pid;

	prctl(PR_GET_CHILD_SUBREAPER, &adopts);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	/* Were it ignored, as our parent may have left it, nobody could be waited for. */
	signal(SIGCHLD, SIG_DFL);
	code = spawn(&pid, argv, ends);
	close(ends[0]);
	close(ends[1]);
	if (code) {
		code = spawn_failed(code, err);
	} else {
		code = attend(child, pid, fds, end_ns);
		status = end_group(pid);
		code = judge(code, status, err);
	}
	prctl(PR_SET_CHILD_SUBREAPER, adopts);
	return code;
}

int probe_child_run(struct probe_child *child, char *const argv[], uint64_t end_ns,
		    char err[PROBE_ERR_LEN])
{
	int out[2], error[2], code;

	*child = (struct probe_child){ 0 };
	if (pipe2(out, O_CLOEXEC))
		return failed(err, -errno, "a pipe: %s", strerror(errno));
	if (pipe2(error, O_CLOEXEC)) {
		code = failed(err, -errno, "a pipe: %s", strerror(errno));
		close(out[1]);
		goto close_out;
	}
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(error[0], F_SETFL, O_NONBLOCK);
	code = run(child, argv, (int[]){ out[0], error[0] }, (int[]){ out[1], error[1] }, end_ns,
		   err);
	if (code)
		probe_child_deinit(child);
	close(error[0]);
close_out:
	close(out[0]);
	return code;
}

void probe_child_deinit(struct probe_child *child)
{
	free(child->out[0].text);
	free(child->out[1].text);
	*child = (struct probe_child){ 0 };
}
