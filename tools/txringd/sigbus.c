/* SPDX-License-Identifier: MIT */
/*
 * The list of mappings is under a spin lock that the handler takes, too. That is safe: a thread
 * that holds it touches no guest memory, so the handler never interrupts its own thread's critical
 * section, and a mapping is on the list only while it is mapped.
 */
#include "tools/txringd/sigbus.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/base.h"

struct mapping {
	struct mapping *next;
	struct sigbus_guard *guard;
	uint8_t *start;
	uint64_t len;
};

static struct {
	bool locked;
	struct mapping *first;
	int fd;
} sigbus = { .fd = -1 };

static void lock(void)
{
	while (__atomic_test_and_set(&sigbus.locked, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(void)
{
	__atomic_clear(&sigbus.locked, __ATOMIC_RELEASE);
}

/* Zero pages in place of the mapping that addr is in. False: it is in none. */
static bool replace(const uint8_t *addr)
{
	struct mapping *m;
	void *map = MAP_FAILED;

	lock();
	for (m = sigbus.first; m && (uint64_t)(addr - m->start) >= m->len; m = m->next)
		;
	if (m)
		map = mmap(m->start, m->len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (map != MAP_FAILED)
		store_release(&m->guard->lost, true);
	unlock();
	return map != MAP_FAILED;
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	/* Where it is not ours the same access faults again, and that is the end. */
	if (info->si_code == BUS_ADRERR && replace(info->si_addr))
		eventfd_write(sigbus.fd, 1);
	else
		signal(sig, SIG_DFL);
	errno = saved;
}

int sigbus_init(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigbus.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sigbus.fd < 0 || sigaction(SIGBUS, &action, NULL) < 0)
		return -errno;
	return 0;
}

void sigbus_deinit(void)
{
	signal(SIGBUS, SIG_DFL);
	if (sigbus.fd >= 0)
		close(sigbus.fd);
	sigbus.fd = -1;
}

int sigbus_fd(void)
{
	return sigbus.fd;
}

void sigbus_ack(void)
{
	eventfd_t n;

	eventfd_read(sigbus.fd, &n);
}

static int guard_mapped(struct gmem_watcher *watcher, void *map, uint64_t len)
{
	struct mapping *m = malloc(sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct mapping){
		.guard = container_of(watcher, struct sigbus_guard, watcher),
		.start = map,
		.len = len,
	};
	lock();
	m->next = sigbus.first;
	sigbus.first = m;
	unlock();
	return 0;
}

static void guard_unmapping(struct gmem_watcher *watcher, void *map)
{
	struct mapping **at, *m;

	(void)watcher;
	lock();
	for (at = &sigbus.first; (*at)->start != map; at = &(*at)->next)
		;
	m = *at;
	*at = m->next;
	unlock();
	free(m);
}

void sigbus_guard_init(struct sigbus_guard *guard)
{
	*guard = (struct sigbus_guard){ .watcher = { .mapped = guard_mapped,
						     .unmapping = guard_unmapping } };
}

bool sigbus_lost(struct sigbus_guard *guard)
{
	return __atomic_exchange_n(&guard->lost, false, __ATOMIC_ACQUIRE);
}
