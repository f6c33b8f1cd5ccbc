/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_test TXRINGD
 *
 * Frames between a guest and the host, through txringd and AF_XDP on one end of a veth: every byte
 * compared, in order within a flow, none lost, none twice; all tx modes, native and generic.
 * Runs in a network namespace of its own.
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

#define NEAR "txring0" /* txringd's end of the veth */
#define FAR  "txring1" /* the host's */

#define EVENT_IDX FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define IN_ORDER  FEATURE(VIRTIO_F_IN_ORDER)
#define MERGEABLE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define LEGACY    (FEATURE(VIRTIO_F_VERSION_1) | MERGEABLE | IN_ORDER)

static struct lab_config configs[] = {
	{ .name = "iothread, native" },
	{ .name = "timer, native", .txmode = "timer" },
	{ .name = "poll, native", .txmode = "poll" },
	{ .name = "iothread, generic", .backend = "xdp:" NEAR ",mode=skb" },
	{ .name = "iothread, packed", .with = FEATURE(VIRTIO_F_RING_PACKED) },
	{ .name = "iothread, small buffers", .rx_buf_len = 700, .without = IN_ORDER },
	{ .name = "timer, legacy",
	  .txmode = "timer",
	  .without = LEGACY,
	  .flags = DRIVER_NET_HEADER_APART },
	{ .name = "iothread, indirect, in 17 parts",
	  .without = EVENT_IDX | MERGEABLE,
	  .flags = DRIVER_NET_INDIRECT,
	  .table_len = 64,
	  .rx_parts = 17 },
	{ .name = "iothread, 2 pairs, 2 iothreads", .queues = 2, .iothreads = 2 },
	{ .name = "timer, 2 pairs, burst of one",
	  .txmode = "timer,delay=10us,burst=1",
	  .queues = 2 },
};

static struct lab lab;

static void carries_frames(void **state)
{
	struct lab_config cfg = *(const struct lab_config *)*state;

	cfg.without |= FEATURES_HOST_TSO;
	lab_open(&lab, &cfg);
	lab_traffic(&lab, FRAMES, FRAMES, WINDOW);
	if (cfg.queues < 2)
		lab_ping(&lab, 30);
	lab_check_counters(&lab);
	lab_close(&lab);
}

/* As many queues as the card has pairs: what comes to others would be the host's. */
static int make_link(void **state)
{
	const struct lab_config *cfg = *state;
	unsigned n = cfg->queues ? cfg->queues : 1;

	peer_ip("link add " NEAR " numtxqueues %u numrxqueues %u type veth peer name " FAR
		" numtxqueues %u numrxqueues %u",
		n, n, n, n);
	peer_ip("link set " NEAR " up");
	peer_ip("link set " FAR " up");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lab_cleanup(&lab);
	peer_ip("link del " NEAR);
	return 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[array_size(configs)];
	unsigned i;

	if (argc != 2)
		return 2;
	lab_init(argv[1]);
	for (i = 0; i < array_size(configs); i++) {
		configs[i].host_if = FAR;
		if (!configs[i].backend)
			configs[i].backend = "xdp:" NEAR;
		tests[i] = (struct CMUnitTest){ configs[i].name, carries_frames, make_link,
						tear_down, &configs[i] };
	}
	return cmocka_run_group_tests_name("xdp", tests, NULL, NULL);
}
