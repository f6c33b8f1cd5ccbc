/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_receive SPEC TEXT
 * What a daemon without privilege does with the socket of SPEC, as txring-xdp writes it: gives it
 * memory and rings, binds it, says "bound", and "got TEXT" once a frame has that in it. One socket.
 */
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "virtio/base.h"

#define N_CHUNKS    64
#define CHUNK       4096
#define PATIENCE_MS 20000

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void set(int fd, int name, const void *value, socklen_t len)
{
	if (setsockopt(fd, SOL_XDP, name, value, len))
		fail("setsockopt");
}

static void *map_ring(int fd, const struct xdp_ring_offset *at, size_t entry, off_t page)
{
	void *ring = mmap(NULL, at->desc + N_CHUNKS * entry, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, fd, page);

	if (ring == MAP_FAILED)
		fail("mmap");
	return ring;
}

/* All chunks are the kernel's to fill. */
static void fill(char *ring, const struct xdp_ring_offset *at)
{
	for (unsigned i = 0; i < N_CHUNKS; i++)
		((uint64_t *)(ring + at->desc))[i] = (uint64_t)i * CHUNK;
	store_release((uint32_t *)(ring + at->producer), N_CHUNKS);
}

static bool has_text(const char *umem, char *ring, const struct xdp_ring_offset *at,
		     const char *text)
{
	uint32_t n = load_acquire((uint32_t *)(ring + at->producer));
	const struct xdp_desc *desc = (const void *)(ring + at->desc);

	for (uint32_t i = 0; i < n; i++) {
		if (memmem(umem + desc[i].addr, desc[i].len, text, strlen(text)))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP };
	struct xdp_umem_reg reg = { .len = N_CHUNKS * CHUNK, .chunk_size = CHUNK };
	struct xdp_mmap_offsets at;
	socklen_t len = sizeof(at);
	char ifname[16], *umem, *rx;
	int fd, n = N_CHUNKS;

	if (argc != 3 || sscanf(argv[1], "xdp-fd:%d,ifname=%15[^,],start-queue=%u,", &fd, ifname,
				&addr.sxdp_queue_id) != 3) {
		fprintf(stderr, "usage: xdp_receive SPEC TEXT\n");
		return 1;
	}
	addr.sxdp_ifindex = if_nametoindex(ifname);
	umem = mmap(NULL, reg.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (umem == MAP_FAILED)
		fail("mmap");
	reg.addr = (uintptr_t)umem;
	set(fd, XDP_UMEM_REG, &reg, sizeof(reg));
	set(fd, XDP_UMEM_FILL_RING, &n, sizeof(n));
	set(fd, XDP_UMEM_COMPLETION_RING, &n, sizeof(n));
	set(fd, XDP_RX_RING, &n, sizeof(n));
	if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &len))
		fail("getsockopt");
	rx = map_ring(fd, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	fill(map_ring(fd, &at.fr, sizeof(uint64_t), (off_t)XDP_UMEM_PGOFF_FILL_RING), &at.fr);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail("bind");
	puts("bound");
	fflush(stdout);
	while (!has_text(umem, rx, &at.rx, argv[2])) {
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PATIENCE_MS) <= 0)
			fail("nothing came");
		poll(NULL, 0, 10); /* what is there already is not consumed */
	}
	printf("got %s\n", argv[2]);
	return 0;
}
