/* SPDX-License-Identifier: MIT */
/*
 * usage: handover_test TXRINGD TXRINGCTL
 *
 * A front-end in front of a txringd that would rather have the kernel, where there is no vhost-net:
 * it gets all features and all frames, and txringctl tells who moves them and why. Runs in a
 * network namespace of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/net/daemon.h"
#include "tests/net/peer.h"
#include "virtio/driver/net.h"

#define TAP  "txring0"
#define NONE "/nonexistent/vhost-net"

static const char *txringd, *txringctl;
static struct daemon daemon_;
static char control[160];

/* What txringctl prints; its status must be this. */
static const char *ask(const char *command, int status)
{
	static char out[16384];
	char line[512];
	FILE *p;

	snprintf(line, sizeof(line), "%s --control %s %s 2>&1", txringctl, control, command);
	p = popen(line, "r");
	assert_non_null(p);
	out[fread(out, 1, sizeof(out) - 1, p)] = '\0';
	assert_int_equal(pclose(p), status << 8);
	return out;
}

static void assert_says(const char *out, const char *text)
{
	if (!strstr(out, text))
		fail_msg("no '%s' in: %s", text, out);
}

static struct driver_net *connect_guest(uint64_t features)
{
	const struct driver_net_config cfg = {
		.path = daemon_.path,
		.fd = -1,
		.features = features,
		.protocol = DRIVER_NET_PROTOCOL,
		.n_pairs = 1,
		.ring_size = 64,
	};
	struct driver_net *net;

	assert_int_equal(driver_net_new(&net, &cfg), 0);
	return net;
}

static void send_frames(struct driver_net *net, unsigned n)
{
	uint64_t before = daemon_counter(&daemon_, "tx0", "frames");
	uint8_t frame[60] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(driver_net_send(net, 0, NULL, frame, sizeof(frame), 0), 0);
		assert_true(driver_net_wait(net, 1, 30000) > 0);
		assert_int_equal(driver_net_reap(net, 0), 1);
	}
	assert_int_equal(daemon_counter(&daemon_, "tx0", "frames"), before + n);
}

/* Of every layout, in each policy that does not need the kernel. */
static void user_datapath_goes_on(void **state)
{
	static const uint64_t layouts[] = { 0, FEATURE(VIRTIO_F_RING_PACKED) };
	const char *const args[] = { "--backend", "tap:" TAP, "--vhost-device", NONE, "--control",
				     control,     NULL };
	struct driver_net *net;
	struct peer peer;

	(void)state;
	daemon_set_path(&daemon_);
	snprintf(control, sizeof(control), "%s.control", daemon_.path);
	daemon_start(&daemon_, txringd, args);
	peer_open(&peer, TAP);
	daemon_wait_log(&daemon_, "vhost: driver user: " NONE ": No such file or directory", 1);
	for (unsigned i = 0; i < 2; i++) {
		net = connect_guest(DRIVER_NET_FEATURES | layouts[i]);
		/* Nothing is withheld for a kernel that is not there. */
		assert_true(feature_has(net->frontend.offered, VIRTIO_F_RING_PACKED));
		assert_true(feature_has(net->frontend.offered, VIRTIO_F_IN_ORDER));
		send_frames(net, 10);
		assert_says(ask("show", 0), "nic0: front-end connected\n");
		assert_says(ask("show", 0), "nic0: driver user: " NONE);
		assert_says(ask("show", 0), "nic0: pair 0: driver user: " NONE);
		assert_says(ask("show", 0), " VERSION_1");
		assert_says(ask("vhost on", 1), "txringctl: nic0: driver user: " NONE);
		send_frames(net, 10);
		assert_says(ask("vhost off", 0), "nic0: driver user: ");
		send_frames(net, 10);
		driver_net_free(net);
		daemon_wait_log(&daemon_, "front-end gone", i + 1);
		assert_says(ask("show", 0), "nic0: front-end none\n");
	}
	/* Not again with each driver. */
	daemon_check_log(&daemon_, "driver user", 1);
	peer_close(&peer);
	daemon_stop(&daemon_);
}

static int tear_down(void **state)
{
	(void)state;
	daemon_cleanup(&daemon_, false);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(user_datapath_goes_on, tear_down),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: handover_test TXRINGD TXRINGCTL\n");
		return 2;
	}
	txringd = argv[1];
	txringctl = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
