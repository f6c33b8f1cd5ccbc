/* SPDX-License-Identifier: MIT */
/*
 * usage: control_test TXRINGD
 *
 * What drivers and front-ends say beside frames, to a whole txringd on a tap: headers that lie, one
 * ring stopped, reset and started while the others run, a ring that breaks, a guest that moved
 * here. Runs in a network namespace of its own.
 */
#include <errno.h>
#include <net/ethernet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/lab.h"
#include "virtio/base.h"
#include "virtio/virtq.h"

#define WINDOW 128

static const struct lab_config one_pair = { .queues = 1 };
static const struct lab_config two_pairs = { .queues = 2, .iothreads = 2 };
static struct lab lab;

/* One flow's frames out of one pair, each of them arrived and complete before the next. */
static void send_on(unsigned pair, unsigned n)
{
	struct stream *s = &lab.to_host[pair];
	struct pollfd p = { .fd = lab.peer.fd, .events = POLLIN };
	struct virtio_net_hdr_v1 hdr;
	ssize_t len;

	while (n--) {
		len = (ssize_t)stream_make(s, &hdr, lab.frame);
		assert_int_equal(driver_net_send(lab.net, pair, &hdr, lab.frame, (size_t)len, 0),
				 0);
		s->sent++;
		do {
			assert_int_equal(poll(&p, 1, 30000), 1);
			len = peer_receive(&lab.peer, &hdr, lab.frame, sizeof(lab.frame));
		} while (len == -EAGAIN);
		assert_true(len > 0);
		stream_take(lab.to_host, LAB_FLOWS, &hdr, lab.frame, (size_t)len);
		assert_true(driver_net_wait(lab.net, 2 * pair + 1, 30000) > 0);
		assert_true(driver_net_reap(lab.net, pair) > 0);
	}
}

#define NEEDS_CSUM .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16
#define TCP        .gso_type = VIRTIO_NET_HDR_GSO_TCPV4

/* A header that lies costs its frame, which is counted under its reason; the next one goes out. */
static void headers_that_lie(void **state)
{
	static const struct {
		const char *counter;
		struct virtio_net_hdr_v1 hdr;
	} lies[] = {
		{ "drop_csum",
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 990, .csum_offset = 9 } },
		{ "drop_gso_type", { NEEDS_CSUM, .gso_type = 2, .gso_size = 100 } },
		{ "drop_ecn", { .gso_type = VIRTIO_NET_HDR_GSO_ECN } },
		{ "drop_gso_size", { NEEDS_CSUM, TCP } },
		{ "drop_gso_csum", { TCP, .gso_size = 100 } },
	};

	(void)state;
	lab_open(&lab, &one_pair);
	memset(lab.frame, 0, 1000);
	for (unsigned i = 0; i < array_size(lies); i++) {
		assert_int_equal(driver_net_send(lab.net, 0, &lies[i].hdr, lab.frame, 1000, 0), 0);
		assert_true(driver_net_wait(lab.net, 1, 30000) > 0);
		assert_int_equal(driver_net_reap(lab.net, 0), 1);
		for (unsigned k = 0; k < array_size(lies); k++)
			assert_int_equal(daemon_counter(&lab.daemon, "tx0", lies[k].counter),
					 k <= i);
	}
	lab_traffic(&lab, 200, 200, WINDOW);
	assert_int_equal(daemon_counter(&lab.daemon, "tx0", "drop_backend"), 0);
	lab_close(&lab);
}

/*
 * What a driver leaves in a field that means nothing, or in hdr_len, a hint, costs no frame: the
 * kernel gets a header that it takes.
 */
static void headers_with_garbage(void **state)
{
	static const struct virtio_net_hdr_v1 hdrs[] = {
		{ .hdr_len = 1001 },
		{ .hdr_len = UINT16_MAX },
		{ .hdr_len = 13 },
		{ .hdr_len = 1 },
		{ NEEDS_CSUM, .hdr_len = 1001 },
		{ NEEDS_CSUM, TCP, .gso_size = 100, .hdr_len = 1001 },
		{ NEEDS_CSUM, TCP, .gso_size = 100, .hdr_len = 2 },
		{ NEEDS_CSUM, TCP, .gso_size = UINT16_MAX, .hdr_len = 54 },
		{ .gso_size = UINT16_MAX },
		{ .csum_start = UINT16_MAX, .csum_offset = UINT16_MAX },
		{ .flags = (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM },
		{ .num_buffers = UINT16_MAX },
		{ .flags = (uint8_t)~VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .hdr_len = 3,
		  .gso_size = 1,
		  .csum_start = 1000,
		  .csum_offset = 1000,
		  .num_buffers = 9 },
	};

	(void)state;
	lab_open(&lab, &one_pair);
	memset(lab.frame, 0, 1000);
	for (unsigned i = 0; i < array_size(hdrs); i++) {
		assert_int_equal(driver_net_send(lab.net, 0, &hdrs[i], lab.frame, 1000, 0), 0);
		assert_true(driver_net_wait(lab.net, 1, 2000) > 0);
		assert_int_equal(driver_net_reap(lab.net, 0), 1);
		if (daemon_counter(&lab.daemon, "tx0", "frames") != i + 1)
			fail_msg("header %u costs its frame", i);
	}
	lab_close(&lab);
}

/*
 * Each ring in turn is stopped, emptied and started: the others carry frames meanwhile, and not one
 * is lost; those for the stopped ring wait in the tap.
 */
static void one_ring_is_reset(void **state)
{
	(void)state;
	lab_open(&lab, &two_pairs);
	for (unsigned i = 0; i < 12; i++) {
		unsigned ring = i % 4, other = !(ring / 2);

		lab_traffic(&lab, 200, 200, WINDOW);
		assert_int_equal(driver_net_ring_stop(lab.net, ring), 0);
		send_on(other, 20);
		if (ring % 2)
			lab_traffic(&lab, 0, 200, WINDOW);
		else
			lab_host_sends(&lab, 200);
		send_on(other, 20);
		assert_int_equal(driver_net_ring_restart(lab.net, ring), 0);
		lab_traffic(&lab, 200, 200, WINDOW);
	}
	lab_check_counters(&lab);
	lab_close(&lab);
}

static void break_ring(unsigned index)
{
	struct ring *ring = driver_net_ring(lab.net, index);
	struct pollfd p = { .fd = lab.net->frontend.rings[index].err_fd, .events = POLLIN };
	uint64_t n;

	/* More than a ring can hold. */
	store_release(&ring->areas.avail->idx, (uint16_t)(ring->avail_idx + 1000));
	ring_kick_now(ring);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(read(p.fd, &n, sizeof(n)), sizeof(n));
}

/*
 * A broken ring is named once in the log, with index and rule, however often it is kicked; the
 * other pair goes on; a reset of that ring alone mends it, as often as it takes.
 */
static void broken_ring_is_reset(void **state)
{
	char line[128];

	(void)state;
	lab_open(&lab, &two_pairs);
	for (unsigned i = 1; i < 4; i++) {
		struct ring *ring = driver_net_ring(lab.net, 3);

		lab_traffic(&lab, 200, 200, WINDOW);
		snprintf(line, sizeof(line),
			 "ring 3 (tx of queue pair 1) is broken: %s, at available index %u\n",
			 virtq_fault_name(VIRTQ_FAULT_AVAIL_IDX), ring->avail_idx);
		break_ring(3);
		daemon_wait_log(&lab.daemon, line, 1);
		for (unsigned k = 0; k < 10; k++) {
			ring_kick_now(ring);
			send_on(0, 5);
		}
		daemon_check_log(&lab.daemon, "is broken", i);
		assert_int_equal(daemon_counter(&lab.daemon, "tx1", "broken"), i);
		assert_int_equal(driver_net_ring_stop(lab.net, 3), 0);
		assert_int_equal(driver_net_ring_restart(lab.net, 3), 0);
		send_on(1, 20);
	}
	lab_traffic(&lab, 500, 500, WINDOW);
	assert_int_equal(lab_counter(&lab, "tx", "broken") + lab_counter(&lab, "rx", "broken"), 3);
	lab_close(&lab);
}

/* The next frame on the tap that is RARP, without its vnet header; others are passed over. */
static size_t next_rarp(uint8_t *frame, size_t cap)
{
	struct pollfd p = { .fd = lab.peer.fd, .events = POLLIN };
	uint8_t bytes[2048];
	ssize_t len;

	for (;;) {
		assert_int_equal(poll(&p, 1, 30000), 1);
		len = read(p.fd, bytes, sizeof(bytes));
		assert_true(len > NET_HDR_LEN_LEGACY);
		len -= NET_HDR_LEN_LEGACY;
		if (len >= 14 && bytes[NET_HDR_LEN_LEGACY + 12] == 0x80 &&
		    bytes[NET_HDR_LEN_LEGACY + 13] == 0x35)
			break;
	}
	assert_true((size_t)len <= cap);
	memcpy(frame, bytes + NET_HDR_LEN_LEGACY, (size_t)len);
	return (size_t)len;
}

/*
 * SEND_RARP: a RARP request with the guest's MAC, 60 bytes, leaves by the tap, whether rings run or
 * not and whatever the header's length; it is no frame of the guest's.
 */
static void guest_that_moved(void **state)
{
	static const uint8_t mac[6] = { 2, 0x11, 0x22, 0x33, 0x44, 0x55 };
	static const uint8_t want[60] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,    0x11, 0x22, 0x33, 0x44, 0x55, 0x80, 0x35,
		0,    1,    8,    0,    6,    4,    0,    3,    2,    0x11, 0x22, 0x33, 0x44, 0x55,
		0,    0,    0,    0,    2,    0x11, 0x22, 0x33, 0x44, 0x55, 0,    0,    0,    0,
	};
	static const struct lab_config configs[] = {
		{ .queues = 2, .iothreads = 2 },
		{ .queues = 1,
		  .without = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
			     FEATURE(VIRTIO_F_IN_ORDER) },
	};
	uint8_t frame[64];

	(void)state;
	for (unsigned i = 0; i < array_size(configs); i++) {
		lab_open(&lab, &configs[i]);
		for (unsigned k = 0; k < 3; k++) {
			if (k == 2)
				assert_int_equal(driver_net_stop(lab.net), 0);
			assert_int_equal(frontend_send_rarp(&lab.net->frontend, mac), 0);
			assert_int_equal(next_rarp(frame, sizeof(frame)), sizeof(want));
			assert_memory_equal(frame, want, sizeof(want));
			if (k == 2)
				assert_int_equal(driver_net_start(lab.net), 0);
			lab_traffic(&lab, 200, 200, WINDOW);
		}
		lab_check_counters(&lab);
		/* It cannot go out: that is no fault of the front-end's. */
		peer_ip("link set " LAB_TAP " down");
		assert_int_equal(frontend_send_rarp(&lab.net->frontend, mac), 0);
		daemon_wait_log(&lab.daemon, "a RARP is lost: ", 1);
		lab_close(&lab);
	}
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(headers_that_lie, tear_down),
		cmocka_unit_test_teardown(headers_with_garbage, tear_down),
		cmocka_unit_test_teardown(one_ring_is_reset, tear_down),
		cmocka_unit_test_teardown(broken_ring_is_reset, tear_down),
		cmocka_unit_test_teardown(guest_that_moved, tear_down),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: control_test TXRINGD\n");
		return 1;
	}
	lab_init(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
