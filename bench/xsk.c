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

#define SEND_BUFFER (8 << 20)
#define MAX_BUDGET  9 /* XDP_MAX_TX_SKB_BUDGET, Linux 6.17 */

static void map_ring(struct xsk *x, struct xdp_ring *r, int option,
		     const struct xdp_ring_offset *offset, size_t entry, uint64_t page)
{
	uint8_t *at = mmap(NULL, offset->desc + XSK_RING * entry, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_POPULATE, x->fd, (off_t)page);

	if (at == MAP_FAILED)
		measure_die("ring %d of an AF_XDP socket: %s", option, strerror(errno));
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

	for (unsigned i = 0; i < array_size(options); i++) {
		if (setsockopt(x->fd, SOL_XDP, options[i], &size, sizeof(size)))
			measure_die("rings of an AF_XDP socket: %s", strerror(errno));
	}
	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len))
		measure_die("rings of an AF_XDP socket: %s", strerror(errno));
	map_ring(x, &x->tx, XDP_TX_RING, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
	map_ring(x, &x->rx, XDP_RX_RING, &offsets.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	map_ring(x, &x->fill, XDP_UMEM_FILL_RING, &offsets.fr, sizeof(uint64_t),
		 XDP_UMEM_PGOFF_FILL_RING);
	map_ring(x, &x->comp, XDP_UMEM_COMPLETION_RING, &offsets.cr, sizeof(uint64_t),
		 XDP_UMEM_PGOFF_COMPLETION_RING);
}

static void open_over(struct xsk *x, const char *interface, uint32_t flags)
{
	const struct xdp_umem_reg reg = {
		.addr = (uintptr_t)x->umem, .len = x->len, .chunk_size = XSK_CHUNK, .flags = flags
	};
	const struct sockaddr_xdp addr = { .sxdp_family = AF_XDP,
					   .sxdp_flags = XDP_COPY | XDP_USE_NEED_WAKEUP,
					   .sxdp_ifindex = if_nametoindex(interface) };
	int len = SEND_BUFFER, budget = XSK_RING;

	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0 || setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) ||
	    setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		measure_die("an AF_XDP socket: %s", strerror(errno));
	make_rings(x);
	/* All of a kick in one system call; a kernel that has it not takes 32 in each. */
	setsockopt(x->fd, SOL_XDP, MAX_BUDGET, &budget, sizeof(budget));
	if (bind(x->fd, (const struct sockaddr *)&addr, sizeof(addr)))
		measure_die("an AF_XDP socket on %s: %s", interface, strerror(errno));
}

void xsk_init(struct xsk *x, const char *interface)
{
	*x = (struct xsk){ .len = (size_t)2 * XSK_RING * XSK_CHUNK };
	x->umem = mmap(NULL, x->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (x->umem == MAP_FAILED)
		measure_die("memory for an AF_XDP socket: %s", strerror(errno));
	x->own = x->umem;
	madvise(x->umem, x->len, MADV_HUGEPAGE);
	open_over(x, interface, 0);
	for (uint64_t i = XSK_RING; i < 2 * XSK_RING; i++)
		*xdp_ring_addr(&x->fill, x->fill.idx++) = i * XSK_CHUNK;
	xdp_ring_submit(&x->fill);
}

void xsk_init_over(struct xsk *x, const char *interface, uint8_t *umem, size_t len)
{
	*x = (struct xsk){ .umem = umem, .len = len };
	open_over(x, interface, XDP_UMEM_UNALIGNED_CHUNK_FLAG);
}

void xsk_deinit(struct xsk *x)
{
	close(x->fd);
	if (x->own)
		munmap(x->own, x->len);
}

bool xsk_kick(struct xsk *x)
{
	int code;

	xdp_ring_submit(&x->tx);
	do {
		code = sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
	} while (code == EAGAIN && xdp_ring_pending(&x->tx));
	x->completed += xdp_ring_ready(&x->comp, 1);
	x->comp.idx = x->comp.seen;
	xdp_ring_release(&x->comp);
	return !code;
}
