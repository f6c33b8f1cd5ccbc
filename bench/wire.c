/* SPDX-License-Identifier: MIT */
/*
 * AF_PACKET sockets; /proc/net/dev, which is of this namespace always.
 *
 * TPACKET_V2, as V3 gives frames away in blocks that it holds back for a millisecond. A slot's time
 * is that of the skb, taken when the interface receives it (netif_receive_skb), if any socket wants
 * time stamps; so this one does. Until the kernel has switched them on, some milliseconds later, it
 * is the time at which the slot was written.
 */
#include "bench/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK (64 << 10)
#define BYTES ((size_t)WIRE_SLOTS * WIRE_SLOT_SIZE)

_Static_assert(BLOCK % WIRE_SLOT_SIZE == 0, "slots lie behind each other without gaps");
/* tpacket_rcv() puts the frame so that its Ethernet header ends 16 bytes aligned. */
_Static_assert(WIRE_SLOT_SIZE - (TPACKET_ALIGN(TPACKET2_HDRLEN + 16) + 16 - 14) >= 40,
	       "the beginning of a frame fits into a slot");

/* A bound socket of that protocol, or a negative errno. */
static int open_socket(const char *interface, uint16_t protocol)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(protocol),
				    .sll_ifindex = (int)if_nametoindex(interface) };
	int fd, err;

	if (!addr.sll_ifindex)
		return -ENODEV;
	/* Protocol 0: nothing is received before the bind says of what and where. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int map_ring(struct wire *w)
{
	const struct tpacket_req req = { .tp_block_size = BLOCK,
					 .tp_block_nr = (unsigned)(BYTES / BLOCK),
					 .tp_frame_size = WIRE_SLOT_SIZE,
					 .tp_frame_nr = WIRE_SLOTS };
	int version = TPACKET_V2, on = 1;
	void *map;

	if (setsockopt(w->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    setsockopt(w->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) ||
	    setsockopt(w->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		return -errno;
	map = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, w->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	w->slots = map;
	return 0;
}

int wire_open(struct wire *w, const char *interface, uint16_t ethertype)
{
	int err;

	*w = (struct wire){ .fd = open_socket(interface, ethertype) };
	if (w->fd < 0)
		return w->fd;
	err = map_ring(w);
	if (err)
		wire_close(w);
	return err;
}

void wire_close(struct wire *w)
{
	if (w->slots)
		munmap(w->slots, BYTES);
	if (w->fd >= 0)
		close(w->fd);
	*w = (struct wire){ .fd = -1 };
}

unsigned wire_missed(const struct wire *w)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	if (getsockopt(w->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		return 0;
	return stats.tp_drops;
}

int wire_inject_open(const char *interface)
{
	int fd = open_socket(interface, 0), on = 1, len = 4 << 20, err;

	if (fd < 0)
		return fd;
	if (!setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &len, sizeof(len)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int wire_inject(int fd, const void *frame, size_t len)
{
	return send(fd, frame, len, MSG_DONTWAIT) < 0 ? errno == EAGAIN ? -ENOBUFS : -errno : 0;
}

int wire_count(const char *interface, struct wire_counts *n)
{
	FILE *f = fopen("/proc/net/dev", "re");
	size_t len = strlen(interface);
	bool found = false;
	char line[512], *at;

	if (!f)
		return -errno;
	while (!found && fgets(line, sizeof(line), f)) {
		at = line + strspn(line, " ");
		found = !strncmp(at, interface, len) &&
			sscanf(at + len, ": %" SCNu64 " %" SCNu64, &n->bytes, &n->frames) == 2;
	}
	fclose(f);
	return found ? 0 : -ENODEV;
}
