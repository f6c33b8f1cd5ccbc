/* SPDX-License-Identifier: MIT */
/* Contracts in xsk.h. */
#include "bench/xsk.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/measure.h"

#define UMEM_LEN    ((size_t)2 * XSK_RING * XSK_CHUNK)
#define SEND_BUFFER (8 << 20)
#define MAX_BUDGET  9 /* XDP_MAX_TX_SKB_BUDGET, Linux 6.17 */

static void set(const struct xsk *x, int option, const void *value, socklen_t len)
{
	if (setsockopt(x->fd, SOL_XDP, option, value, len))
		measure_die("option %d of an AF_XDP socket: %s", option, strerror(errno));
}

static void map_ring(const struct xsk *x, struct xdp_ring *r, const struct xdp_ring_offset *offset,
		     size_t entry, uint64_t page)
{
	uint8_t *at = mmap(NULL, offset->desc + XSK_RING * entry, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_POPULATE, x->fd, (off_t)page);

	if (at == MAP_FAILED)
		measure_die("a ring of an AF_XDP socket: %s", strerror(errno));
	*r = (struct xdp_ring){ .producer = (uint32_t *)(void *)(at + offset->producer),
				.consumer = (uint32_t *)(void *)(at + offset->consumer),
				.flags = (uint32_t *)(void *)(at + offset->flags),
				.entries = at + offset->desc,
				.size = XSK_RING };
}

static void make_rings(struct xsk *x)
{
	static const int options[] = { XDP_TX_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
				       XDP_UMEM_FILL_RING };
	struct xdp_mmap_offsets offsets;
	socklen_t len = sizeof(offsets);
	int size = XSK_RING;

	for (unsigned i = 0; i < array_size(options); i++)
		set(x, options[i], &size, sizeof(size));
	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len))
		measure_die("rings of an AF_XDP socket: %s", strerror(errno));
	map_ring(x, &x->tx, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
	map_ring(x, &x->rx, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	map_ring(x, &x->fill, &offsets.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
	map_ring(x, &x->comp, &offsets.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING);
}

void xsk_init(struct xsk *x, const char *interface)
{
	struct xdp_umem_reg reg = { .len = UMEM_LEN, .chunk_size = XSK_CHUNK };
	const struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
					   .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
					   .sxdp_ifindex = if_nametoindex(interface) };
	int len = SEND_BUFFER, budget = XSK_RING;

	x->umem = mmap(NULL, UMEM_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->umem == MAP_FAILED || x->fd < 0 ||
	    setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		measure_die("an AF_XDP socket: %s", strerror(errno));
	madvise(x->umem, UMEM_LEN, MADV_HUGEPAGE);
	reg.addr = (uintptr_t)x->umem;
	set(x, XDP_UMEM_REG, &reg, sizeof(reg));
	make_rings(x);
	/* All of a kick in one system call; a kernel that has it not takes 32 in each. */
	setsockopt(x->fd, SOL_XDP, MAX_BUDGET, &budget, sizeof(budget));
	if (bind(x->fd, (const struct sockaddr *)&addr, sizeof(addr)))
		measure_die("an AF_XDP socket on %s: %s", interface, strerror(errno));
	for (uint64_t i = XSK_RING; i < 2 * XSK_RING; i++)
		*xdp_ring_addr(&x->fill, x->fill.idx++) = i * XSK_CHUNK;
	xdp_ring_submit(&x->fill);
}

void xsk_deinit(struct xsk *x)
{
	close(x->fd);
	munmap(x->umem, UMEM_LEN);
}

void xsk_add(struct xsk *x, const uint8_t *frame, uint32_t len)
{
	uint64_t at = (uint64_t)(x->tx.idx % XSK_RING) * XSK_CHUNK;

	memcpy(x->umem + at, frame, len);
	*xdp_ring_desc(&x->tx, x->tx.idx++) = (struct xdp_desc){ .addr = at, .len = len };
}

void xsk_kick(struct xsk *x)
{
	xdp_ring_submit(&x->tx);
	while (sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno == EAGAIN &&
	       xdp_ring_pending(&x->tx))
		;
	xdp_ring_ready(&x->comp, 1);
	x->comp.idx = x->comp.seen;
	xdp_ring_release(&x->comp);
}
