/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_sizes_test TXRINGD
 *
 * Frames of all lengths between a guest and the far end of a veth: every byte both ways, at MTUs
 * with one chunk a frame and with several, native and generic. What is longer than the interface
 * takes is dropped and counted. Runs in a network namespace of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/peer.h"
#include "tests/net/xdp_rig.h"
#include "virtio/base.h"

#define ETHERTYPE   0x88b5 /* for experiments */
#define HEADER      18     /* Ethernet's, and the frame's length */
#define MAX_LEN     41000
#define PATIENCE_MS 10000
#define BATCH       64

static struct rig rig;
static int far_fd;

/* Frames of each length from first to last. */
struct range {
	uint32_t first, last, step;
};

static void make(uint8_t *frame, uint32_t len, bool to_far)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC, far[6] = RIG_FAR_MAC;
	uint64_t state = 0x9e3779b97f4a7c15ULL * (2 * len + to_far);
	uint32_t i;

	memcpy(frame, to_far ? far : guest, 6);
	memcpy(frame + 6, to_far ? guest : far, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	memcpy(frame + 14, &len, sizeof(len));
	for (i = HEADER; i < len; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		frame[i] = (uint8_t)(state >> 56);
	}
}

static void compare(const uint8_t *got, size_t len, uint32_t want_len, bool to_far)
{
	static uint8_t want[MAX_LEN];
	size_t at;

	make(want, want_len, to_far);
	for (at = 0; at < len && at < want_len && got[at] == want[at]; at++)
		;
	if (len != want_len || at < len)
		fail_msg("%s: %zu bytes of %u, byte %zu differs", to_far ? "to far" : "to guest",
			 len, want_len, at);
}

static bool is_ours(const uint8_t *frame, size_t len)
{
	return len >= HEADER && frame[12] == ETHERTYPE >> 8 && frame[13] == (ETHERTYPE & 0xff);
}

/* The next frame at the far end, or 0 when none comes for so long. */
static size_t far_receive(uint8_t *frame, unsigned timeout_ms)
{
	uint64_t end_ns = monotonic_ns() + timeout_ms * 1000000ULL;
	uint8_t buf[10 + MAX_LEN];
	ssize_t len;

	do {
		len = recv(far_fd, buf, sizeof(buf), 0);
		if (len > 10 && is_ours(buf + 10, (size_t)len - 10)) {
			memcpy(frame, buf + 10, (size_t)len - 10);
			return (size_t)len - 10;
		}
		if (len < 0)
			usleep(50);
	} while (monotonic_ns() < end_ns);
	return 0;
}

static void far_send(uint32_t len)
{
	uint8_t buf[10 + MAX_LEN] = { 0 };

	make(buf + 10, len, false);
	if (send(far_fd, buf, 10 + len, 0) != 10 + (ssize_t)len)
		fail_msg("the far end cannot send %u bytes: %s", len, strerror(errno));
}

static void guest_send(uint32_t len)
{
	static const struct virtio_net_hdr_v1 hdr;
	uint8_t frame[MAX_LEN];

	make(frame, len, true);
	rig_send(&rig, 0, &hdr, frame, len);
}

static void to_far(const struct range *r)
{
	uint8_t frame[MAX_LEN];
	uint32_t sent = r->first, seen;

	for (seen = r->first; seen <= r->last; seen += r->step) {
		for (; sent <= r->last && sent < seen + BATCH * r->step; sent += r->step)
			guest_send(sent);
		compare(frame, far_receive(frame, PATIENCE_MS), seen, true);
	}
}

static void to_guest(const struct range *r)
{
	struct virtio_net_hdr_v1 hdr;
	uint32_t sent = r->first, seen;
	size_t len;

	for (seen = r->first; seen <= r->last; seen += r->step) {
		for (; sent <= r->last && sent < seen + BATCH * r->step; sent += r->step)
			far_send(sent);
		do
			len = rig_receive(&rig, &hdr, PATIENCE_MS);
		while (len && !is_ours(rig.frame, len));
		compare(rig.frame, len, seen, false);
		assert_int_equal(hdr.flags, 0);
		assert_int_equal(hdr.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
}

static void both_ways(uint32_t first, uint32_t last, uint32_t step)
{
	const struct range r = { first, last, step };

	to_far(&r);
	to_guest(&r);
}

static void open_rig(const struct rig_config *cfg)
{
	rig_open(&rig, cfg);
	far_fd = rig_far_packet(&rig);
}

static void expect_no_drops(void)
{
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 0);
	assert_int_equal(daemon_drops(&rig.daemon, "rx0"), 0);
}

static void close_rig(void)
{
	close(far_fd);
	far_fd = -1;
	rig_close(&rig);
}

/* Each length up to the MTU; the chunks' edges (1792 and 3840 bytes) byte by byte. */
static void carries_all_sizes(void **state)
{
	const struct rig_config *cfg = *state;
	uint32_t max = (cfg->mtu ? cfg->mtu : 1500) + 14;

	open_rig(cfg);
	both_ways(60, 1514, max > 1514 ? 7 : 1);
	if (max > 1800) {
		both_ways(1760, 1800, 1);
		both_ways(2030, 2060, 1);
	}
	if (max > 3800) {
		both_ways(3780, 3860, 1);
		both_ways(4080, 4110, 1);
	}
	if (max > 7700)
		both_ways(7670, 7700, 1);
	if (max > 1514)
		both_ways(1515, max, max > 4000 ? 41 : 17);
	both_ways(max - 3, max, 1);
	expect_no_drops();
	close_rig();
}

/* MTUs around the one from which on chunks are of 4096 bytes. */
static void carries_the_longest(void **state)
{
	struct rig_config cfg = *(const struct rig_config *)*state;

	for (cfg.mtu = 1773; cfg.mtu <= 1776; cfg.mtu++) {
		open_rig(&cfg);
		both_ways(cfg.mtu + 12, cfg.mtu + 14, 1);
		expect_no_drops();
		close_rig();
	}
}

/* A frame with a VLAN tag has four bytes more; a longer one is dropped and counted. */
static void drops_what_is_too_long(void **state)
{
	uint8_t frame[MAX_LEN];

	open_rig(*state);
	guest_send(1518);
	compare(frame, far_receive(frame, PATIENCE_MS), 1518, true);
	guest_send(1519);
	guest_send(9000);
	guest_send(100);
	compare(frame, far_receive(frame, PATIENCE_MS), 100, true);
	rig_wait_sent(&rig);
	assert_int_equal(rig_counter(&rig, "tx", "drop_backend"), 2);
	assert_int_equal(daemon_drops(&rig.daemon, "tx0"), 2);
	close_rig();
}

/* Raised and lowered while it runs; chunks stay as they are. */
static void follows_the_mtu(void **state)
{
	static const unsigned mtus[] = { 3000, 9000, 1500, 4000 };
	const struct rig_config *cfg = *state;
	uint8_t frame[MAX_LEN];
	uint64_t drops = 0;

	open_rig(cfg);
	both_ways(1510, 1514, 1);
	for (unsigned i = 0; i < array_size(mtus); i++) {
		peer_ip("link set " RIG_NEAR " mtu %u", mtus[i]);
		rig_far_ip(&rig, "link set " RIG_FAR " mtu %u", mtus[i]);
		/* txringd hears of it. */
		usleep(300000);
		both_ways(mtus[i] + 5, mtus[i] + 14, 1);
		both_ways(60, 1500, 97);
		guest_send(mtus[i] + 19);
		guest_send(60);
		compare(frame, far_receive(frame, PATIENCE_MS), 60, true);
		rig_wait_sent(&rig);
		assert_int_equal(rig_counter(&rig, "tx", "drop_backend"), ++drops);
	}
	assert_int_equal(daemon_drops(&rig.daemon, "rx0"), 0);
	close_rig();
}

/* A frame has 18 chunks at most, here of 1792 bytes: the kernel would lose a longer one. */
static void drops_what_has_too_many_chunks(void **state)
{
	uint8_t frame[MAX_LEN];

	open_rig(*state);
	peer_ip("link set " RIG_NEAR " mtu 40000");
	rig_far_ip(&rig, "link set " RIG_FAR " mtu 40000");
	usleep(300000);
	both_ways(20000, 20002, 1);
	guest_send(18 * 1792);
	compare(frame, far_receive(frame, PATIENCE_MS), 18 * 1792, true);
	guest_send(18 * 1792 + 1);
	guest_send(40000);
	guest_send(100);
	compare(frame, far_receive(frame, PATIENCE_MS), 100, true);
	rig_wait_sent(&rig);
	assert_int_equal(rig_counter(&rig, "tx", "drop_backend"), 2);
	close_rig();
}

static int tear_down(void **state)
{
	(void)state;
	rig_cleanup(&rig);
	return 0;
}

int main(int argc, char **argv)
{
	static struct rig_config native = { .name = "native" };
	static struct rig_config generic = { .words = ",mode=skb" };
	static struct rig_config native_3000 = { .mtu = 3000 };
	static struct rig_config generic_3000 = { .words = ",mode=skb", .mtu = 3000 };
	static struct rig_config native_9000 = { .mtu = 9000 };
	static struct rig_config generic_9000 = { .words = ",mode=skb", .mtu = 9000 };
	const struct CMUnitTest tests[] = {
		{ "native", carries_all_sizes, NULL, tear_down, &native },
		{ "generic", carries_all_sizes, NULL, tear_down, &generic },
		{ "native, MTU 3000", carries_all_sizes, NULL, tear_down, &native_3000 },
		{ "generic, MTU 3000", carries_all_sizes, NULL, tear_down, &generic_3000 },
		{ "native, MTU 9000", carries_all_sizes, NULL, tear_down, &native_9000 },
		{ "generic, MTU 9000", carries_all_sizes, NULL, tear_down, &generic_9000 },
		{ "native, the longest of a chunk", carries_the_longest, NULL, tear_down, &native },
		{ "generic, the longest of a chunk", carries_the_longest, NULL, tear_down,
		  &generic },
		{ "native, too long", drops_what_is_too_long, NULL, tear_down, &native },
		{ "generic, too long", drops_what_is_too_long, NULL, tear_down, &generic },
		{ "native, too many chunks", drops_what_has_too_many_chunks, NULL, tear_down,
		  &native },
		{ "generic, too many chunks", drops_what_has_too_many_chunks, NULL, tear_down,
		  &generic },
		{ "native, another MTU", follows_the_mtu, NULL, tear_down, &native },
		{ "generic, another MTU", follows_the_mtu, NULL, tear_down, &generic },
	};

	if (argc != 2)
		return 2;
	rig_init(argv[1]);
	return cmocka_run_group_tests_name("xdp sizes", tests, NULL, NULL);
}
