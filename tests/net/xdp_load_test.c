/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_load_test TXRINGD
 *
 * A card on an interface under load, where frames are lost and drivers come and go: a guest that
 * gives no buffers, a far end that takes nothing, resets and reconnects with frames in flight. Each
 * frame arrived or is counted. Runs in a network namespace of its own.
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

#define PATIENCE_MS 10000
#define LEN         200
#define BURST       6000 /* more than all chunks and buffers */

static struct rig rig;
static int far_fd = -1;

static void make(uint8_t frame[LEN], bool to_far, uint32_t seq)
{
	static const uint8_t guest[6] = RIG_GUEST_MAC, far[6] = RIG_FAR_MAC;

	memcpy(frame, to_far ? far : guest, 6);
	memcpy(frame + 6, to_far ? guest : far, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memset(frame + 14, (int)(seq * 7), LEN - 14);
	memcpy(frame + 14, &seq, sizeof(seq));
}

static void far_sends(uint32_t seq)
{
	uint8_t buf[10 + LEN] = { 0 };

	make(buf + 10, false, seq);
	assert_int_equal(send(far_fd, buf, sizeof(buf), 0), sizeof(buf));
}

/* All that is there, whole; how many. *next: the least number that may come; NULL: any may. */
static unsigned guest_takes(uint32_t *next, unsigned timeout_ms)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t want[LEN];
	unsigned n = 0;
	uint32_t seq;
	size_t len;

	while ((len = rig_receive(&rig, &hdr, timeout_ms)) != 0) {
		if (len != LEN || rig.frame[12] != 0x88 || rig.frame[13] != 0xb5)
			continue;
		memcpy(&seq, rig.frame + 14, sizeof(seq));
		if (next) {
			assert_true(seq >= *next);
			*next = seq + 1;
		}
		make(want, false, seq);
		assert_memory_equal(rig.frame, want, LEN);
		n++;
	}
	return n;
}

static unsigned far_takes(uint32_t *next)
{
	uint8_t buf[10 + 2000], want[LEN];
	unsigned n = 0;
	uint32_t seq;
	ssize_t len;

	while ((len = recv(far_fd, buf, sizeof(buf), 0)) >= 0) {
		if (len != 10 + LEN || buf[22] != 0x88 || buf[23] != 0xb5)
			continue;
		memcpy(&seq, buf + 24, sizeof(seq));
		if (next) {
			assert_true(seq >= *next);
			*next = seq + 1;
		}
		make(want, true, seq);
		assert_memory_equal(buf + 10, want, LEN);
		n++;
	}
	assert_int_equal(errno, EAGAIN);
	return n;
}

static void guest_sends(unsigned pair, uint32_t first, unsigned n)
{
	static const struct virtio_net_hdr_v1 hdr;
	uint8_t frame[LEN];

	for (uint32_t seq = first; seq < first + n; seq++) {
		make(frame, true, seq);
		rig_send(&rig, pair, &hdr, frame, LEN);
	}
}

static void carries_both_ways(void)
{
	uint32_t next = 0, next_in = 0;
	unsigned n = 0, i;

	far_takes(NULL);
	guest_sends(0, 0, 1000);
	rig_wait_sent(&rig);
	for (i = 0; i < PATIENCE_MS && (n += far_takes(&next)) < 1000; i++)
		usleep(1000);
	assert_int_equal(n, 1000);
	while (guest_takes(NULL, 50))
		;
	for (i = 0, n = 0; i < 1000; i++) {
		far_sends(i);
		if (i % 50 == 49)
			n += guest_takes(&next_in, 1);
	}
	for (i = 0; i < 100 && n < 1000; i++)
		n += guest_takes(&next_in, 100);
	assert_int_equal(n, 1000);
}

static void open_rig(const struct rig_config *cfg)
{
	rig_open(&rig, cfg);
	far_fd = rig_far_packet(&rig);
}

static void close_rig(void)
{
	close(far_fd);
	far_fd = -1;
	rig_close(&rig);
}

static uint64_t rx_drops(void)
{
	uint64_t sum = 0;
	char queue[16];

	for (unsigned i = 0; i < rig.cfg.queues; i++) {
		snprintf(queue, sizeof(queue), "rx%u", i);
		sum += daemon_drops(&rig.daemon, queue);
	}
	return sum;
}

/*
 * The guest takes nothing for a while, and the chunks run out. What was sent has been received, or
 * is counted once the ring moved on; what is on the way through veth's own ring is not lost.
 */
static void guest_gives_no_buffers(void **state)
{
	uint64_t drops = 0, sent = 0, got = 0;
	uint32_t next = 0;
	unsigned round, i;

	open_rig(*state);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < BURST; i++)
			far_sends((uint32_t)sent++);
		usleep(50000);
		for (i = 0; i < 100 && got + drops < sent; i++) {
			got += guest_takes(&next, 100);
			/* The kernel's counters are asked now and then, as frames come. */
			for (unsigned k = 0; k < 100; k++) {
				far_sends((uint32_t)sent++);
				got += guest_takes(&next, 1);
			}
			drops = rx_drops();
		}
		if (got + drops != sent)
			fail_msg("%u sent, %u received, %u dropped", (unsigned)sent, (unsigned)got,
				 (unsigned)drops);
		assert_true(drops >= (round + 1) * 500);
	}
	assert_int_equal(rig_counter(&rig, "rx", "drop_backend"), drops);
	carries_both_ways();
	close_rig();
}

/* Nobody reads at the far end, whose queues overflow: the guest's ring goes on. */
static void far_end_is_slow(void **state)
{
	int rcvbuf = 4096;
	unsigned i;

	open_rig(*state);
	assert_int_equal(setsockopt(far_fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)),
			 0);
	for (i = 0; i < 20; i++) {
		guest_sends(0, 0, 1000);
		usleep(1000);
	}
	rig_wait_sent(&rig);
	assert_int_equal(daemon_drops(&rig.daemon, "tx0") + rig_counter(&rig, "tx", "frames"),
			 20000);
	rcvbuf = 64 << 20;
	assert_int_equal(setsockopt(far_fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)),
			 0);
	carries_both_ways();
	close_rig();
}

/* Sent, and neither waited for nor taken. */
static void put_in_flight(uint32_t seq)
{
	static const struct virtio_net_hdr_v1 hdr;
	uint8_t frame[LEN];
	unsigned i;

	for (i = 0; i < 100; i++)
		far_sends(i);
	for (i = 0; i < 100; i++) {
		make(frame, true, seq + i);
		assert_int_equal(driver_net_send(rig.net, 0, &hdr, frame, LEN, 0), 0);
	}
}

static void driver_resets(void **state)
{
	open_rig(*state);
	for (unsigned i = 0; i < 20; i++) {
		put_in_flight(100 * i);
		assert_int_equal(driver_net_reset(rig.net), 0);
	}
	carries_both_ways();
	assert_int_equal(rig_counter(&rig, "tx", "broken") + rig_counter(&rig, "rx", "broken"), 0);
	close_rig();
}

/* All that a stopped ring had is complete, in either state of the kernel's. */
static void driver_stops(void **state)
{
	unsigned i;

	open_rig(*state);
	for (i = 0; i < 20; i++) {
		put_in_flight(100 * i);
		assert_int_equal(driver_net_stop(rig.net), 0);
		assert_int_equal(driver_net_start(rig.net), 0);
		rig_wait_sent(&rig);
	}
	carries_both_ways();
	close_rig();
}

static void front_end_leaves(void **state)
{
	open_rig(*state);
	for (unsigned i = 0; i < 10; i++) {
		put_in_flight(100 * i);
		driver_net_free(rig.net);
		rig.net = NULL;
		rig_connect(&rig);
	}
	carries_both_ways();
	close_rig();
}

static void front_end_reconnects(void **state)
{
	open_rig(*state);
	for (unsigned i = 0; i < 10; i++) {
		put_in_flight(100 * i);
		assert_int_equal(driver_net_reconnect(rig.net), 0);
		rig_wait_sent(&rig);
		guest_takes(NULL, 1);
	}
	carries_both_ways();
	close_rig();
}

/* Frames leave by the queue that they were given to, both at once. */
static void both_queues_send(void **state)
{
	unsigned i, n = 0;

	open_rig(*state);
	for (i = 0; i < 50; i++) {
		guest_sends(0, 100 * i, 100);
		guest_sends(1, 100 * i, 100);
		n += far_takes(NULL);
	}
	rig_wait_sent(&rig);
	for (i = 0; i < PATIENCE_MS && (n += far_takes(NULL)) < 10000; i++)
		usleep(1000);
	assert_int_equal(n, 10000);
	assert_int_equal(daemon_counter(&rig.daemon, "tx0", "frames"), 5000);
	assert_int_equal(daemon_counter(&rig.daemon, "tx1", "frames"), 5000);
	carries_both_ways();
	close_rig();
}

static int tear_down(void **state)
{
	(void)state;
	if (far_fd >= 0)
		close(far_fd);
	far_fd = -1;
	rig_cleanup(&rig);
	return 0;
}

#define TEST(name, test, cfg) \
	{ \
		name, test, NULL, tear_down, cfg \
	}

int main(int argc, char **argv)
{
	static struct rig_config native, generic = { .words = ",mode=skb" };
	static struct rig_config timer = { .txmode = "timer" }, poll = { .txmode = "poll" };
	static struct rig_config pairs = { .queues = 2 };
	static struct rig_config pairs_timer = { .queues = 2, .txmode = "timer" };
	static struct rig_config busy = { .words = ",busy-poll=20us" };
	const struct CMUnitTest tests[] = {
		TEST("no buffers, native", guest_gives_no_buffers, &native),
		TEST("no buffers, generic", guest_gives_no_buffers, &generic),
		TEST("no buffers, 2 pairs", guest_gives_no_buffers, &pairs),
		TEST("slow far end, iothread", far_end_is_slow, &native),
		TEST("slow far end, timer", far_end_is_slow, &timer),
		TEST("slow far end, poll", far_end_is_slow, &poll),
		TEST("resets, iothread", driver_resets, &native),
		TEST("resets, timer", driver_resets, &timer),
		TEST("resets, poll", driver_resets, &poll),
		TEST("stops, iothread", driver_stops, &native),
		TEST("stops, timer", driver_stops, &timer),
		TEST("stops, poll", driver_stops, &poll),
		TEST("a front-end leaves", front_end_leaves, &native),
		TEST("a front-end leaves, timer, 2 pairs", front_end_leaves, &pairs_timer),
		TEST("a front-end reconnects", front_end_reconnects, &native),
		TEST("2 pairs", both_queues_send, &pairs),
		TEST("2 pairs, timer", both_queues_send, &pairs_timer),
		TEST("a front-end leaves, busy poll", front_end_leaves, &busy),
	};

	if (argc != 2)
		return 2;
	rig_init(argv[1]);
	return cmocka_run_group_tests_name("xdp load", tests, NULL, NULL);
}
