/* SPDX-License-Identifier: MIT */
/*
 * usage: tap_test TXRINGD
 *
 * Frames of 60 to 65535 bytes between a guest and the host, through txringd and a tap: every byte
 * compared, in order within a flow, none lost, none twice; in both tx modes and all that guests
 * negotiate. Runs in a network namespace of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/net/lab.h"
#include "virtio/base.h"

#define FRAMES 4000
#define WINDOW 128

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)
#define MERGEABLE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define LEGACY    (FEATURE(VIRTIO_F_VERSION_1) | MERGEABLE | IN_ORDER)

/* What guests differ in, in both tx modes; each value of each at least once in each mode. */
static struct lab_config configs[] = {
	{ .name = "iothread, all features", .queues = 1 },
	{ .name = "timer, all features", .txmode = "timer", .queues = 1 },
	{ .name = "iothread, no EVENT_IDX, not mergeable, indirect",
	  .queues = 1,
	  .without = EVENT_IDX | IN_ORDER | MERGEABLE,
	  .flags = DRIVER_NET_INDIRECT | DRIVER_NET_HEADER_APART,
	  .table_len = 64,
	  .rx_parts = 17,
	  .ring_size = 1024 },
	{ .name = "timer, no EVENT_IDX, not mergeable, indirect",
	  .txmode = "timer,delay=50us,burst=64",
	  .queues = 1,
	  .without = EVENT_IDX | MERGEABLE,
	  .flags = DRIVER_NET_INDIRECT,
	  .table_len = 64 },
	{ .name = "iothread, no offloads, wrap-around",
	  .queues = 1,
	  .without = FEATURES_GUEST_LARGE | FEATURES_HOST_TSO | MERGEABLE,
	  .rx_buf_len = 1530,
	  .base = 65000 },
	{ .name = "timer, legacy",
	  .txmode = "timer",
	  .queues = 1,
	  .without = LEGACY,
	  .flags = DRIVER_NET_HEADER_APART },
	{ .name = "iothread, small buffers, no IN_ORDER",
	  .queues = 1,
	  .without = IN_ORDER,
	  .rx_buf_len = 700,
	  .ring_size = 256 },
	{ .name = "iothread, 4 pairs, 2 iothreads", .queues = 4, .iothreads = 2 },
	{ .name = "timer, 4 pairs, indirect",
	  .txmode = "timer",
	  .queues = 4,
	  .without = IN_ORDER,
	  .flags = DRIVER_NET_INDIRECT,
	  .table_len = 64 },
	{ .name = "timer, burst of one", .txmode = "timer,delay=10us,burst=1", .queues = 4 },
	{ .name = "guest uses 1 pair of 4", .queues = 4, .pairs = 1 },
};

static struct lab lab;

static void carries_frames(void **state)
{
	const struct lab_config *cfg = *state;

	lab_open(&lab, cfg);
	lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
	if (cfg->queues == 1)
		lab_ping(&lab, 30);
	lab_check_counters(&lab);
	lab_close(&lab);
}

/* A guest that sends faster than its ring empties: it waits for room, and nothing is lost. */
static void survives_full_tx_ring(void **state)
{
	static const char *const modes[] = { "iothread", "timer" };
	struct lab_config cfg = { .queues = 1, .without = FEATURES_HOST_TSO, .ring_size = 64 };

	(void)state;
	for (unsigned i = 0; i < array_size(modes); i++) {
		cfg.txmode = modes[i];
		lab_open(&lab, &cfg);
		lab_traffic(&lab, 20000, 0, UINT32_MAX);
		assert_true(lab.net->pairs[0].forced_kicks > 0);
		lab_check_counters(&lab);
		lab_close(&lab);
	}
}

/*
 * A guest that takes its frames late: they wait in the tap, and arrive when there are buffers
 * again.
 */
static void survives_empty_rx_ring(void **state)
{
	struct lab_config cfg = { .queues = 1, .without = FEATURES_GUEST_LARGE };

	(void)state;
	lab_open(&lab, &cfg);
	for (unsigned i = 0; i < 5; i++) {
		lab_host_sends(&lab, 900);
		assert_true(daemon_counter_reaches(&lab.daemon, "rx0", "no_buffers", i + 1));
		lab_traffic(&lab, 0, 100, UINT32_MAX);
	}
	lab_check_counters(&lab);
	lab_close(&lab);
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	return 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[array_size(configs) + 2];
	size_t n = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: tap_test TXRINGD\n");
		return 1;
	}
	lab_init(argv[1]);
	for (; n < array_size(configs); n++)
		tests[n] = (struct CMUnitTest){ configs[n].name, carries_frames, NULL, tear_down,
						&configs[n] };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_teardown(survives_full_tx_ring, tear_down);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test_teardown(survives_empty_rx_ring, tear_down);
	return _cmocka_run_group_tests("tap_test", tests, n, NULL, NULL);
}
