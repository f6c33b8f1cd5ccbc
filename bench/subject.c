/* SPDX-License-Identifier: MIT */
/* Starts and stops a txringd: contracts in subject.h. */
#include "bench/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_daemon(const char *txringd, const struct subject_config *cfg, int sock)
{
	char fd[16], queues[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	measure_pin(MEASURE_CPU_SUBJECT);
	fcntl(sock, F_SETFD, 0); /* inherited */
	snprintf(fd, sizeof(fd), "%d", sock);
	snprintf(queues, sizeof(queues), "%u", cfg->pairs ? cfg->pairs : 1);
	execl(txringd, txringd, "--fd", fd, "--backend", cfg->backend ? cfg->backend : "null",
	      "--queues", queues, "--coalesce", cfg->coalesce ? "on" : "off", (char *)NULL);
	fprintf(stderr, "%s: %s\n", txringd, strerror(errno));
	_exit(127);
}

void subject_start(struct subject *s, const char *txringd, const struct subject_config *cfg)
{
	struct driver_net_config net = {
		.features = DRIVER_NET_FEATURES & ~cfg->without,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = cfg->pairs ? cfg->pairs : 1,
		.ring_size = cfg->ring_size,
	};
	int socks[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		measure_die("socketpair: %s", strerror(errno));
	s->pid = fork();
	measure_check(s->pid < 0 ? -errno : 0, "fork");
	if (!s->pid)
		run_daemon(txringd, cfg, socks[1]);
	close(socks[1]);
	net.fd = socks[0];
	measure_check(driver_net_new(&s->net, &net), "no device");
	s->tid = measure_thread(s->pid, "iothread0");
	if (!s->tid)
		measure_die("no thread iothread0 in %s", txringd);
	measure_thread_sleeps(s->tid);
}

void subject_stop(struct subject *s)
{
	int status;

	driver_net_free(s->net);
	waitpid(s->pid, &status, 0);
	if (status)
		measure_die("txringd ended with status %#x", (unsigned)status);
}

uint64_t subject_cpu_ns(const struct subject *s)
{
	clockid_t clock;

	measure_check(-clock_getcpuclockid(s->pid, &clock), "CPU time of txringd");
	return measure_ns(clock);
}

unsigned subject_reap(struct ring *r, unsigned len)
{
	enum ring_outcome outcome = RING_EMPTY;
	struct ring_used u;
	unsigned n = 0;

	if (!ring_peek(r))
		return 0;
	for (; (outcome = ring_use(r, &u)) == RING_USED; n++) {
		if (u.len != len)
			measure_die("%u bytes came instead of %u", u.len, len);
	}
	if (outcome == RING_BROKEN)
		measure_die("the device broke the ring: %s", ring_fault_name(r->fault));
	return n;
}
