/* SPDX-License-Identifier: MIT */
/*
 * The least possible device: what no back-end can beat here. A thread on the back-end's CPU sleeps
 * until it is kicked, takes what the tx ring has (split, EVENT_IDX), writes each frame into a tap,
 * asks for the next kick, looks once more and sleeps again. The rings are in its own address space,
 * so it neither checks nor translates anything, and it speaks no protocol. It never waits for more
 * frames, and the driver's calls are the only notifications that it sends.
 *
 * The barriers are those of the right column of the drawing in virtio/virtq_split.h.
 */
#include "bench/txbench/port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/txbench/cpu.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"
#include "virtio/vring.h"

#define BUF_LEN  2048
#define TURN     64 /* frames that become used at once */
#define FEATURES (FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX))

struct ceiling {
	struct ring rings[2]; /* the driver's half; rx is never used */
	struct arena arena;   /* guest addresses are pointers */
	int tap;
	int kick_fd, call_fd;
	pthread_t thread;
	bool runs;
	uint32_t stop; /* the driver's */
	pid_t tid;     /* the thread's; 0: not yet there */

	/* the thread's */
	struct virtq_rings areas cache_aligned;
	uint16_t size;
	uint16_t at; /* next entry of the available ring, and of the used ring */
};

/* The device. */

static void write_frame(struct ceiling *c)
{
	uint16_t slot = c->at++ & (c->size - 1U);
	uint16_t head = load_relaxed(&c->areas.avail->ring[slot]);
	const struct vring_desc *desc = &c->areas.desc[head];

	/* What the tap does not take is lost, and missed at the wire. */
	if (write(c->tap, (const void *)(uintptr_t)desc->addr, desc->len) < 0)
		errno = 0;
	store_relaxed(&c->areas.used->ring[slot].id, head);
	store_relaxed(&c->areas.used->ring[slot].len, 0);
}

/* At most a turn of those up to end; then the driver sees them, and is called if it wants that. */
static void work(struct ceiling *c, uint16_t end)
{
	uint16_t old = c->at;

	while (c->at != end && (uint16_t)(c->at - old) < TURN)
		write_frame(c);
	store_release(&c->areas.used->idx, c->at);
	full_fence();
	if (vring_need_event(load_relaxed(vring_avail_used_event(c->areas.avail, c->size)), c->at,
			     old))
		eventfd_write(c->call_fd, 1);
}

/* Until there is nothing more, and a kick will tell of what comes. */
static void empty_ring(struct ceiling *c)
{
	uint16_t end;

	for (;;) {
		while (c->at != (end = load_acquire(&c->areas.avail->idx)))
			work(c, end);
		store_relaxed(vring_used_avail_event(c->areas.used, c->size), c->at);
		full_fence();
		if (c->at == load_acquire(&c->areas.avail->idx))
			return;
	}
}

static void *device(void *arg)
{
	struct ceiling *c = arg;
	eventfd_t n;

	store_release(&c->tid, gettid());
	while (!eventfd_read(c->kick_fd, &n) && !load_acquire(&c->stop))
		empty_ring(c);
	return NULL;
}

/* Set-up. */

static int open_tap(struct ceiling *c, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int len = NET_HDR_LEN, sock, err = 0;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	/* As txringd: the kernel's short way is for those that do not wait. */
	c->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (c->tap < 0 || sock < 0 || ioctl(c->tap, TUNSETIFF, &ifr) ||
	    ioctl(c->tap, TUNSETVNETHDRSZ, &len) || ioctl(sock, SIOCGIFFLAGS, &ifr))
		err = -errno;
	ifr.ifr_flags |= IFF_UP;
	if (!err && ioctl(sock, SIOCSIFFLAGS, &ifr))
		err = -errno;
	if (sock >= 0)
		close(sock);
	return err;
}

static int set_up_rings(struct ceiling *c, struct port *p, unsigned size)
{
	uint64_t bytes = (uint64_t)size * (BUF_LEN + 128) + (64 << 10), page = 64 << 10;
	const struct arena_span span = { 0, (bytes + page - 1) & ~(page - 1) };
	struct ring_config cfg = { .features = FEATURES, .size = size };
	int err = arena_init(&c->arena, &span, 1, false);

	if (err)
		return err;
	c->arena.regions[0].gpa = (uint64_t)(uintptr_t)c->arena.regions[0].host;
	for (unsigned i = 0; i < array_size(c->rings) && !err; i++) {
		cfg.kick_fd = i ? c->kick_fd : -1;
		err = ring_place(&cfg, &c->arena, 0);
		if (!err)
			err = ring_init(&c->rings[i], &cfg);
	}
	if (err)
		return err;
	c->areas = cfg.areas;
	c->size = (uint16_t)size;
	p->rx = &c->rings[0];
	p->tx = &c->rings[1];
	p->tx_bufs.n = size;
	p->tx_bufs.stride = BUF_LEN;
	p->tx_bufs.host = arena_alloc(&c->arena, 0, (size_t)size * BUF_LEN, CACHE_LINE);
	p->tx_bufs.gpa = arena_gpa(&c->arena, p->tx_bufs.host);
	return p->tx_bufs.host ? 0 : -ENOSPC;
}

static int start(struct ceiling *c, struct port *p, int cpu)
{
	int err = cpu_thread(&c->thread, cpu, device, c);

	if (err)
		return err;
	c->runs = true;
	while (!load_acquire(&c->tid))
		usleep(100);
	p->who = (struct usage_target){ getpid(), c->tid };
	p->tx_call_fd = c->call_fd;
	p->hdr_len = NET_HDR_LEN;
	p->features = FEATURES;
	return 0;
}

int port_ceiling_open(struct port *p, const struct options *o, char *why, unsigned size)
{
	struct ceiling *c = aligned_alloc(CACHE_LINE, sizeof(*c));
	int err;

	if (!c) {
		snprintf(why, size, "out of memory");
		return -ENOMEM;
	}
	memset(c, 0, sizeof(*c));
	c->arena.fd = c->tap = -1;
	c->kick_fd = eventfd(0, EFD_CLOEXEC);
	c->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->impl = c;
	err = c->kick_fd < 0 || c->call_fd < 0 ? -errno : open_tap(c, o->ceiling);
	if (!err)
		err = set_up_rings(c, p, o->ring_size);
	if (!err)
		err = start(c, p, o->backend_cpu);
	if (!err)
		return 0;
	snprintf(why, size,
		 "--ceiling '%s': %s (a tap that nobody uses: ip tuntap add dev %s mode tap "
		 "vnet_hdr)",
		 o->ceiling, strerror(-err), o->ceiling);
	port_ceiling_close(p);
	return err;
}

void port_ceiling_close(struct port *p)
{
	struct ceiling *c = p->impl;

	if (c->runs) {
		store_release(&c->stop, 1);
		eventfd_write(c->kick_fd, 1);
		pthread_join(c->thread, NULL);
	}
	for (unsigned i = 0; i < array_size(c->rings); i++)
		ring_deinit(&c->rings[i]);
	arena_deinit(&c->arena);
	close(c->tap);
	close(c->kick_fd);
	close(c->call_fd);
	free(c);
}

bool port_ceiling_gone(const struct port *p)
{
	(void)p;
	return false;
}
