/* SPDX-License-Identifier: MIT */
/* Frames of one known number each, from one end of a veth pair to the other. */
#include "tests/net/xdp_ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <xdp/xsk.h>

#include "datapath/backend/xdp_group.h"
#include "tests/net/peer.h"

#define CHUNKS  64
#define CHUNK   4096
#define WAIT_MS 1000
#define LEN     60

struct xsk {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons completion, rx;
	uint8_t *area;
};

const uint8_t ends_guest[6] = { 2, 0, 0, 0, 0, 0x77 };
const uint8_t ends_other[6] = { 2, 0, 0, 0, 0, 0x78 };
const uint8_t ends_all[6] = { 255, 255, 255, 255, 255, 255 };
const uint8_t ends_group[6] = { 1, 0, 0x5e, 1, 2, 3 };

static struct peer far;
static uint32_t number;

int ends_begin(bool bpffs)
{
	int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "try", 4, 4, 1, NULL), code = -errno;

	if (map < 0) {
		printf("skipped: needs the right to use BPF and AF_XDP: %s\n", strerror(-code));
		return 77;
	}
	close(map);
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/sys/fs/bpf", bpffs ? "bpf" : "tmpfs", 0, NULL)) {
		printf("skipped: needs a /sys/fs/bpf of its own: %s\n", strerror(errno));
		return 77;
	}
	return 0;
}

int ends_set_up(void **state)
{
	(void)state;
	far.fd = -1;
	peer_ip("link add " NEAR " type veth peer name " FAR);
	peer_ip("link set " NEAR " up");
	peer_open(&far, FAR);
	assert_true(peer_wait_link(&far, NEAR));
	return 0;
}

int ends_tear_down(void **state)
{
	(void)state;
	if (far.fd >= 0)
		peer_close(&far);
	(void)!system("ip link del " NEAR " 2>/dev/null");
	return 0;
}

unsigned ends_ifindex(void)
{
	return if_nametoindex(NEAR);
}

uint32_t ends_program(void)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)ends_ifindex(), 0, &id), 0);
	return id;
}

struct xsk *ends_open_xsk(void)
{
	struct xsk_umem_config umem = { .fill_size = CHUNKS,
					.comp_size = CHUNKS,
					.frame_size = CHUNK };
	struct xsk_socket_config config = { .rx_size = CHUNKS,
					    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
					    .bind_flags = XDP_COPY };
	struct xsk *x = calloc(1, sizeof(*x));
	uint32_t at = 0, i;

	assert_non_null(x);
	x->area = mmap(NULL, CHUNKS * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	assert_true(x->area != MAP_FAILED);
	assert_int_equal(xsk_umem__create(&x->umem, x->area, CHUNKS * CHUNK, &x->fill,
					  &x->completion, &umem),
			 0);
	assert_int_equal(xsk_socket__create(&x->socket, NEAR, 0, x->umem, &x->rx, NULL, &config),
			 0);
	assert_int_equal(xsk_ring_prod__reserve(&x->fill, CHUNKS, &at), CHUNKS);
	for (i = 0; i < CHUNKS; i++)
		*xsk_ring_prod__fill_addr(&x->fill, at + i) = (uint64_t)i * CHUNK;
	xsk_ring_prod__submit(&x->fill, CHUNKS);
	return x;
}

void ends_close_xsk(struct xsk *x)
{
	xsk_socket__delete(x->socket);
	xsk_umem__delete(x->umem);
	munmap(x->area, CHUNKS * CHUNK);
	free(x);
}

int ends_xsk_fd(const struct xsk *x)
{
	return xsk_socket__fd(x->socket);
}

int ends_open_host(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ENDS_TYPE),
				  .sll_ifindex = (int)ends_ifindex() };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

void ends_send_frame(const uint8_t *to, uint32_t len, const struct virtio_net_hdr_v1 *hdr,
		     unsigned vlan)
{
	uint8_t frame[PEER_MAX_LEN] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1 };
	uint16_t type = htons(ENDS_TYPE), tag[2] = { htons(0x8100), htons((uint16_t)vlan) };
	uint8_t *at = frame + 12;

	memcpy(frame, to, 6);
	if (vlan)
		at = (uint8_t *)memcpy(at, tag, sizeof(tag)) + sizeof(tag);
	memcpy(at, &type, sizeof(type));
	number++;
	memcpy(at + sizeof(type), &number, sizeof(number));
	assert_true(peer_send(&far, hdr, frame, len));
}

void ends_send(const uint8_t *to)
{
	struct virtio_net_hdr_v1 none = { 0 };

	ends_send_frame(to, LEN, &none, 0);
}

static bool is_last(const uint8_t *frame)
{
	uint16_t type = htons(ENDS_TYPE);

	return !memcmp(frame + 12, &type, sizeof(type)) &&
	       !memcmp(frame + 14, &number, sizeof(number));
}

static bool wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_MS) == 1;
}

bool ends_xsk_got(struct xsk *x)
{
	const struct xdp_desc *d;
	uint32_t at = 0, fill = 0;
	bool last = false;

	while (!last && wait_for(xsk_socket__fd(x->socket)) &&
	       xsk_ring_cons__peek(&x->rx, 1, &at)) {
		d = xsk_ring_cons__rx_desc(&x->rx, at);
		last = is_last(x->area + d->addr);
		assert_int_equal(xsk_ring_prod__reserve(&x->fill, 1, &fill), 1);
		*xsk_ring_prod__fill_addr(&x->fill, fill) = d->addr & ~(uint64_t)(CHUNK - 1);
		xsk_ring_prod__submit(&x->fill, 1);
		xsk_ring_cons__release(&x->rx, 1);
	}
	return last;
}

bool ends_host_got(int host)
{
	uint8_t frame[PEER_MAX_LEN];
	bool last = false;

	while (!last && wait_for(host) && recv(host, frame, sizeof(frame), 0) > 0)
		last = is_last(frame);
	return last;
}

bool ends_group_got(int group)
{
	static uint8_t frame[PEER_MAX_LEN];
	struct virtio_net_hdr_v1 hdr;
	bool last = false;

	while (!last && wait_for(group) && xdp_group_read(group, &hdr, frame, sizeof(frame)) > 0)
		last = is_last(frame);
	return last;
}
