/* SPDX-License-Identifier: MIT */
/* Starts, feeds and looks at a txringd: contracts in subject.h. */
#include "bench/subject.h"

#include <dirent.h>
#include <errno.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virtio/base.h"

/* Chains that the driver fills before it makes them visible. */
#define OFFER_BATCH 32

/* Where the child finds what it inherits. */
#define CHILD_SOCKET 100
#define CHILD_TAP    101

static void run_daemon(const struct subject_config *cfg, int sock, int log_fd)
{
	char fd[16], queues[16], backend[24];

	snprintf(backend, sizeof(backend), "%s", cfg->backend ? cfg->backend : "null");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	measure_pin(MEASURE_CPU_SUBJECT);
	snprintf(fd, sizeof(fd), "%d", CHILD_SOCKET);
	snprintf(queues, sizeof(queues), "%u", cfg->pairs ? cfg->pairs : 1);
	dup2(log_fd, STDERR_FILENO);
	dup2(sock, CHILD_SOCKET);
	if (cfg->tap_fd >= 0) {
		dup2(cfg->tap_fd, CHILD_TAP);
		snprintf(backend, sizeof(backend), "tap-fd:%d", CHILD_TAP);
	}
	execl(cfg->program, cfg->program, "--fd", fd, "--backend", backend, "--txmode", cfg->txmode,
	      "--queues", queues, (char *)NULL);
	fprintf(stderr, "%s: %s\n", cfg->program, strerror(errno));
	_exit(127);
}

static void print_log(const struct subject *s)
{
	char text[4096];
	ssize_t len = pread(s->log_fd, text, sizeof(text), 0);

	if (len > 0)
		fwrite(text, 1, (size_t)len, stderr);
}

void subject_start(struct subject *s, const struct subject_config *cfg)
{
	struct driver_net_config net = {
		.features = cfg->features ? cfg->features : DRIVER_NET_FEATURES,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = cfg->pairs ? cfg->pairs : 1,
		.ring_size = cfg->ring_size,
	};
	int socks[2], err;

	s->log_fd = memfd_create("log", MFD_CLOEXEC);
	if (s->log_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks))
		measure_die("memfd, socketpair: %s", strerror(errno));
	s->pid = fork();
	measure_check(s->pid < 0 ? -errno : 0, "fork");
	if (!s->pid)
		run_daemon(cfg, socks[1], s->log_fd);
	close(socks[1]);
	net.fd = socks[0];
	err = driver_net_new(&s->net, &net);
	if (err)
		print_log(s);
	measure_check(err, "no device");
	if (!measure_task_find(&s->task, s->pid, "iothread0"))
		measure_die("no thread iothread0 in %s", cfg->program);
	measure_task_sleeps(&s->task);
}

void subject_stop(struct subject *s)
{
	int status;

	driver_net_free(s->net);
	waitpid(s->pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		print_log(s);
		measure_die("txringd ended with status %#x", (unsigned)status);
	}
	close(s->log_fd);
}

bool subject_has_backend(const char *program, const char *backend)
{
	char command[512], line[256], syntax[32];
	bool found = false;
	FILE *f;

	snprintf(command, sizeof(command), "%s --help", program);
	snprintf(syntax, sizeof(syntax), " %s:", backend);
	f = popen(command, "re");
	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, syntax) != NULL;
	if (f)
		pclose(f);
	return found;
}

void subject_fill_tx(struct subject *s, const void *frame, unsigned len)
{
	for (unsigned k = 0; k < s->net->cfg.n_pairs; k++) {
		struct driver_net_pair *p = &s->net->pairs[k];

		for (unsigned i = 0; i < s->net->cfg.ring_size; i++) {
			uint8_t *buf = p->tx_bufs + (size_t)i * s->net->tx_stride;

			memset(buf, 0, s->net->hdr_len);
			memcpy(buf + s->net->hdr_len, frame, len);
		}
		ring_disarm_call(&p->tx);
	}
}

void subject_write_headers(struct subject *s, struct measure_turns *turns, uint64_t rounds)
{
	uint8_t *bufs = s->net->pairs[0].tx_bufs;

	for (; rounds; rounds--) {
		measure_turns_wait_taken(turns);
		for (unsigned i = 0; i < s->net->cfg.ring_size; i++)
			memset(bufs + (size_t)i * s->net->tx_stride, 0, NET_HDR_LEN);
		measure_turns_give(turns);
	}
}

static void reap(struct ring *r, uint64_t *back)
{
	enum ring_outcome outcome = RING_EMPTY;
	struct ring_used u;

	if (!ring_peek(r))
		return;
	while ((outcome = ring_use(r, &u)) == RING_USED)
		(*back)++;
	if (outcome == RING_BROKEN)
		measure_die("the device broke the ring: %s", ring_fault_name(r->fault));
}

/* Offer up to n frames on a pair, and take back what came. How many were offered. */
static unsigned offer(struct subject *s, struct driver_net_pair *p, struct chain_part part,
		      unsigned n, bool fresh, uint64_t *back)
{
	unsigned room = ring_reserve(&p->tx, n), i;

	for (i = 0; i < room; i++) {
		/* Chains come back in order: the free buffers are those behind the last one. */
		uint64_t at = p->tx_next[0] * (uint64_t)s->net->tx_stride;

		p->tx_next[0] = (uint16_t)((p->tx_next[0] + 1U) & (p->tx.size - 1U));
		part.addr = p->tx_gpa + at;
		if (fresh)
			memset(p->tx_bufs + at, 0, NET_HDR_LEN);
		ring_fill(&p->tx, part, 0);
	}
	if (room) {
		ring_submit(&p->tx);
		ring_kick(&p->tx);
	}
	if (room < OFFER_BATCH)
		reap(&p->tx, back);
	return room;
}

double subject_send(struct subject *s, unsigned len, bool fresh, uint64_t n)
{
	struct measure_times before = measure_task_times(&s->task);
	struct chain_part part = { .len = len + s->net->hdr_len };
	unsigned n_pairs = s->net->cfg.n_pairs, turn = 0;
	uint64_t offered = 0, back = 0;

	for (; back < n; turn = (turn + 1) % n_pairs)
		offered += offer(s, &s->net->pairs[turn], part,
				 (unsigned)min_u64(OFFER_BATCH, n - offered), fresh, &back);
	if (!measure_task_sleeps(&s->task))
		return -1;
	return (double)(measure_task_times(&s->task).cpu_ns - before.cpu_ns) / (double)n;
}

/* The value in kB of a line of /proc/PID/status. */
static uint64_t status_kb(const struct subject *s, const char *name)
{
	unsigned long long kb = 0;
	char line[128];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/status", s->pid);
	f = fopen(line, "re");
	if (!f)
		measure_die("%s: %s", line, strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			sscanf(line + strlen(name) + 1, "%llu", &kb);
	}
	fclose(f);
	return kb;
}

uint64_t subject_resident(const struct subject *s)
{
	return (status_kb(s, "VmRSS") - status_kb(s, "RssShmem")) * 1024;
}

uint64_t subject_cpu_ns(const struct subject *s)
{
	struct measure_task t = { .pid = s->pid };
	uint64_t sum = 0;
	char path[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", s->pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		t.tid = atoi(e->d_name);
		if (t.tid)
			sum += measure_task_times(&t).cpu_ns;
	}
	if (dir)
		closedir(dir);
	return sum;
}
