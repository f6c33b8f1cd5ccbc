/* SPDX-License-Identifier: MIT */
/*
 * Segments, beside the kernel's own: a large frame goes from a packet socket into a tap that takes
 * no large ones, so the kernel segments it in software. What the tap gives is compared byte by byte
 * with what offload makes of the same frame. Runs in a network namespace of its own (run.sh).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/offload.h"
#include "tests/unit/offload_frames.h"
#include "virtio/base.h"

#define ROUNDS   60
#define SEGMENTS 400 /* at most, which a tap's queue holds easily */
#define USO      64  /* of a UDP frame the kernel takes no more; of late 128 */
#define MACS     12

struct lab {
	int tap;
	int packet;
	uint64_t seed;
	struct made made;
};

static struct lab lab = { .tap = -1, .packet = -1, .seed = 88172645463325252ULL };

static void open_tap(struct ifreq *ifr)
{
	int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ifr->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	lab.tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(lab.tap >= 0 && control >= 0);
	assert_int_equal(ioctl(lab.tap, TUNSETIFF, ifr), 0);
	ifr->ifr_flags = IFF_UP;
	assert_int_equal(ioctl(control, SIOCSIFFLAGS, ifr), 0);
	close(control);
}

static int set_up(void **state)
{
	struct ifreq ifr = { .ifr_name = "txringgso" };
	struct sockaddr_ll addr = { .sll_family = AF_PACKET };
	int one = 1;

	(void)state;
	open_tap(&ifr);
	addr.sll_ifindex = (int)if_nametoindex(ifr.ifr_name);
	/* Of protocol 0: it sends, and receives nothing. */
	lab.packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(lab.packet >= 0);
	assert_int_equal(setsockopt(lab.packet, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(lab.packet, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(lab.packet);
	close(lab.tap);
	return 0;
}

/* False: it is refused. */
static bool give(const struct made *m, const struct virtio_net_hdr_v1 *h)
{
	struct virtio_net_hdr_v1 copy = *h;
	struct iovec iov[] = { { &copy, NET_HDR_LEN_LEGACY },
			       { (void *)(uintptr_t)m->bytes, m->len } };
	ssize_t done = writev(lab.packet, iov, 2);

	if (done < 0 && errno == EINVAL)
		return false;
	if (done != (ssize_t)(NET_HDR_LEN_LEGACY + m->len))
		fail_msg("sending %u bytes: %s", m->len, strerror(errno));
	return true;
}

/* The kernel's next segment of m; its length. Frames of the host's own are passed over. */
static uint32_t take(const struct made *m, struct virtio_net_hdr_v1 *h, uint8_t *to)
{
	struct iovec iov[] = { { h, NET_HDR_LEN_LEGACY }, { to, OFFLOAD_FRAME_MAX } };
	struct pollfd p = { .fd = lab.tap, .events = POLLIN };
	ssize_t len;

	do {
		if (poll(&p, 1, 2000) <= 0)
			fail_msg("no segment came out of the tap");
		len = readv(lab.tap, iov, 2);
	} while (len < NET_HDR_LEN_LEGACY + MACS || memcmp(to, m->bytes, MACS) != 0);
	return (uint32_t)len - NET_HDR_LEN_LEGACY;
}

static void compare(const struct made *m, const struct virtio_net_hdr_v1 *h, bool partial)
{
	static uint8_t ours[OFFLOAD_FRAME_MAX], kernels[OFFLOAD_FRAME_MAX];
	struct iovec iov = { (void *)(uintptr_t)m->bytes, m->len };
	struct virtio_net_hdr_v1 got = { 0 };
	struct offload_segments s;

	assert_true(offload_segments_init(&s, &iov, m->len, h));
	for (uint32_t i = 0; i < s.n; i++) {
		uint32_t len = take(m, &got, kernels);

		assert_int_equal(got.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(got.flags, partial ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
		assert_int_equal(got.csum_start, partial ? s.csum_start : 0);
		assert_int_equal(got.csum_offset, partial ? s.csum_offset : 0);
		assert_int_equal(offload_segment(&s, ours, partial), len);
		assert_memory_equal(ours, kernels, len);
	}
}

static void make(const struct shape *shape, struct virtio_net_hdr_v1 *h, unsigned round)
{
	uint32_t size = 1 + frames_random(&lab.seed) % 1460;
	uint32_t payload = frames_random(&lab.seed) % (round % 4 ? 5000 : 60000);
	uint32_t most = shape->udp ? USO : SEGMENTS;

	/* Between the two the kernel refuses TCP with options; we make one segment of it. */
	if (payload <= size && payload + shape->l4_opt > size)
		payload = size + 1;
	if (payload > size * most)
		payload = size * most;
	frames_make(&lab.made, shape, payload, &lab.seed);
	/* A sum that is wrong, and a length that is, come out of the kernel so, too. */
	if (round % 8 == 7)
		lab.made.bytes[lab.made.csum_at] ^= 0x55;
	if (round % 16 == 5 && shape->udp)
		lab.made.bytes[lab.made.l4 + 5] ^= 0x55;
	*h = frames_hdr(&lab.made, (uint16_t)size);
	if (!shape->udp && round % 2)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

static void compare_all(bool v6, bool udp)
{
	struct virtio_net_hdr_v1 h;
	unsigned n = 0;

	for (unsigned partial = 0; partial < 2; partial++) {
		assert_int_equal(ioctl(lab.tap, TUNSETOFFLOAD, partial ? TUN_F_CSUM : 0), 0);
		for (unsigned k = 0; frames_shape(k); k++) {
			const struct shape *shape = frames_shape(k);

			if (shape->v6 != v6 || shape->udp != udp)
				continue;
			for (unsigned round = 0; round < ROUNDS; round++, n++) {
				make(shape, &h, round);
				if (!give(&lab.made, &h)) {
					/* Before 6.2 the kernel segments no UDP. */
					if (udp && !n)
						skip();
					fail_msg("the kernel refuses %u bytes", lab.made.len);
				}
				compare(&lab.made, &h, partial);
			}
		}
	}
	assert_true(n >= 2 * ROUNDS);
}

static void tcp_over_ipv4(void **state)
{
	(void)state;
	compare_all(false, false);
}

static void tcp_over_ipv6(void **state)
{
	(void)state;
	compare_all(true, false);
}

static void udp_over_ipv4(void **state)
{
	(void)state;
	compare_all(false, true);
}

static void udp_over_ipv6(void **state)
{
	(void)state;
	compare_all(true, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_over_ipv4),
		cmocka_unit_test(tcp_over_ipv6),
		cmocka_unit_test(udp_over_ipv4),
		cmocka_unit_test(udp_over_ipv6),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
