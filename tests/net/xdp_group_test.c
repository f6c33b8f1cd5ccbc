/* SPDX-License-Identifier: MIT */
/*
 * The packet socket for frames to groups: it has those that come in, whole and with their headers,
 * and no others. Runs in a network namespace of its own (run.sh).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/backend/xdp_group.h"
#include "tests/net/peer.h"
#include "tests/net/xdp_ends.h"

static const struct virtio_net_hdr_v1 no_hdr;

static int open_group(void)
{
	char err[BACKEND_ERR_LEN];
	int fd = xdp_group_open(NEAR, ends_ifindex(), ends_guest, err);

	if (fd < 0)
		fail_msg("%s", err);
	return fd;
}

/* Broadcast and multicast come, while the host has them, too; what is for one address does not. */
static void groups_only(void **state)
{
	int group = open_group(), host = ends_open_host();

	(void)state;
	ends_send(ends_all);
	assert_true(ends_group_got(group));
	assert_true(ends_host_got(host));
	ends_send(ends_group);
	assert_true(ends_group_got(group));
	assert_true(ends_host_got(host));
	ends_send(ends_guest);
	assert_false(ends_group_got(group));
	assert_true(ends_host_got(host));
	close(host);
	close(group);
}

/* What the host sends there is not for the guest. */
static void not_outgoing(void **state)
{
	uint8_t frame[60] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x88, 0xb5 };
	struct virtio_net_hdr_v1 hdr;
	int group = open_group();
	struct peer near;

	(void)state;
	peer_open(&near, NEAR);
	assert_true(peer_send(&near, &no_hdr, frame, sizeof(frame)));
	usleep(50000);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), -EAGAIN);
	peer_close(&near);
	close(group);
}

/* A partial checksum arrives as one, behind a VLAN tag, too, which is where it was sent. */
static void header_and_tag(void **state)
{
	struct virtio_net_hdr_v1 hdr,
		want = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6 };
	uint8_t frame[200], tag[6] = { 0x81, 0x00, 0x20, 0x05, 0x88, 0xb5 };
	int group = open_group();

	(void)state;
	ends_send_frame(ends_all, 100, &want, 0);
	usleep(50000);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), 100);
	assert_memory_equal(&hdr, &want, NET_HDR_LEN_LEGACY);
	want.csum_start = 38;
	ends_send_frame(ends_all, 104, &want, 0x2005);
	usleep(50000);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), 104);
	assert_memory_equal(&hdr, &want, NET_HDR_LEN_LEGACY);
	assert_memory_equal(frame, ends_all, 6);
	assert_memory_equal(frame + 12, tag, sizeof(tag));
	close(group);
}

/* A frame that is too long is lost alone. */
static void too_long(void **state)
{
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[104];
	int group = open_group();

	(void)state;
	ends_send_frame(ends_all, 101, &no_hdr, 0);
	ends_send_frame(ends_all, 100, &no_hdr, 0);
	usleep(50000);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), -EMSGSIZE);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), 100);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), -EAGAIN);
	close(group);
}

/* An interface that is down and up again goes on; one that is not there is named. */
static void down_and_gone(void **state)
{
	char err[BACKEND_ERR_LEN];
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[104];
	int group = open_group();

	(void)state;
	peer_ip("link set " NEAR " down");
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), -ENETDOWN);
	assert_int_equal(xdp_group_read(group, &hdr, frame, sizeof(frame)), -EAGAIN);
	peer_ip("link set " NEAR " up");
	usleep(50000);
	ends_send(ends_all);
	assert_true(ends_group_got(group));
	close(group);
	assert_int_equal(xdp_group_open("txringx9", 999999, ends_guest, err), -ENODEV);
	assert_non_null(strstr(err, "interface txringx9: no packet socket"));
}

int main(void)
{
#define ENDS_TEST(name) cmocka_unit_test_setup_teardown(name, ends_set_up, ends_tear_down)
	const struct CMUnitTest tests[] = {
		ENDS_TEST(groups_only), ENDS_TEST(not_outgoing),  ENDS_TEST(header_and_tag),
		ENDS_TEST(too_long),    ENDS_TEST(down_and_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
