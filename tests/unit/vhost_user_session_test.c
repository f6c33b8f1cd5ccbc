/* SPDX-License-Identifier: MIT */
/*
 * What a vhost-user session does with messages that are well-formed: the sequences of real
 * front-ends and each rule of rings, memory, features and answers. Malformed ones are in
 * vhost_user_hostile_test.c. Long because the rules are many.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/virtio_net.h>

#include "tests/unit/vhost_user_peer.h"

#define CONFIG_HEAD offsetof(struct vhost_user_config_space, data)

/* Sequences of real front-ends */

static void qemu_connect(struct fixture *f)
{
	unsigned i;

	assert_int_equal(ask(f, VHOST_USER_GET_FEATURES), OFFERED | BIT30);
	assert_int_equal(ask(f, VHOST_USER_GET_PROTOCOL_FEATURES), PROTOCOL);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
	assert_int_equal(ask(f, VHOST_USER_GET_QUEUE_NUM), PAIRS);
	assert_int_equal(ask(f, VHOST_USER_GET_MAX_MEM_SLOTS), GMEM_MAX_REGIONS);
	tell(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	assert_int_equal(ask(f, VHOST_USER_GET_FEATURES), OFFERED | BIT30);
	for (i = 0; i < 2; i++) {
		tell_fd(f, VHOST_USER_SET_VRING_CALL, i, f->event);
		tell_fd(f, VHOST_USER_SET_VRING_ERR, i, f->event);
	}
	f->need_reply = true;
}

static void qemu_start(struct fixture *f)
{
	unsigned i;

	for (i = 0; i < 2; i++)
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	for (i = 0; i < 2; i++) {
		tell_state(f, VHOST_USER_SET_VRING_NUM, i, ENTRIES);
		tell_state(f, VHOST_USER_SET_VRING_BASE, i, 0);
		tell_addr(f, i);
		tell_fd(f, VHOST_USER_SET_VRING_KICK, i, f->event);
		tell_fd(f, VHOST_USER_SET_VRING_CALL, i, f->event);
	}
	tell_u64(f, VHOST_USER_SET_STATUS, 15);
	assert_events(f, "enable 0; enable 1; features 110008000; "
			 "start 0 (256 from 0); fds 0 call err; "
			 "start 1 (256 from 0); fds 1 call err; ");
}

/* QEMU's order of messages sets a device up, and hanging up takes it down again. */
static void test_qemu(void **state)
{
	struct fixture *f = *state;

	qemu_connect(f);
	tell_u64(f, VHOST_USER_NET_SET_MTU, 1500);
	assert_events(f, "mtu 1500; ");
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_a, 1);
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_b, 1);
	qemu_start(f);
	assert_int_equal(f->dev.cfg[0].features, OFFERED);
	hang_up(f);
	assert_int_equal(vhost_user_session_dispatch(f->session), VHOST_USER_CLOSED);
	vhost_user_session_free(f->session);
	f->session = NULL;
	assert_events(f, "stop 0; disable 0; stop 1; disable 1; ");
	assert_string_equal(f->dev.log, "");
}

/* At a guest's reboot QEMU stops, resets, starts; it does not send memory and err fds again. */
static void test_qemu_reboot(void **state)
{
	struct fixture *f = *state;

	qemu_connect(f);
	tell_table(f);
	qemu_start(f);
	assert_int_equal(get_base(f, 0), 7);
	assert_int_equal(get_base(f, 1), 7);
	tell_u64(f, VHOST_USER_SET_STATUS, 0);
	assert_events(f, "stop 0; stop 1; disable 0; disable 1; ");
	qemu_start(f);
}

/* DPDK's virtio-user: calls before features, one region whose user address is its guest address. */
static void test_dpdk(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_mem_table table = {
		.n = 1, .regions = { { 0x1180200000, FILE_SIZE, 0x1180200000, 0 } }
	};
	struct vhost_user_vring_addr addr;
	unsigned i;

	tell(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	ask(f, VHOST_USER_GET_FEATURES);
	ask(f, VHOST_USER_GET_PROTOCOL_FEATURES);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, P(MQ) | P(REPLY_ACK) | P(STATUS));
	for (i = 0; i < 2; i++)
		tell_fd(f, VHOST_USER_SET_VRING_CALL, i, f->event);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	f->need_reply = true;
	tell_u64(f, VHOST_USER_SET_STATUS, 11);
	assert_int_equal(ask(f, VHOST_USER_GET_STATUS), 11);
	tell(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(1), &f->memfd, 1);
	f->need_reply = false;
	for (i = 0; i < 2; i++) {
		addr = ring_addr(i);
		addr.desc += 0x1180200000 - region_a.uva;
		addr.avail += 0x1180200000 - region_a.uva;
		addr.used += 0x1180200000 - region_a.uva;
		tell_state(f, VHOST_USER_SET_VRING_NUM, i, ENTRIES);
		tell_state(f, VHOST_USER_SET_VRING_BASE, i, 0);
		tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		tell_fd(f, VHOST_USER_SET_VRING_KICK, i, f->event);
	}
	for (i = 0; i < 2; i++)
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1);
	tell_u64(f, VHOST_USER_SET_STATUS, 15);
	assert_events(f, "features 110008000; start 0 (256 from 0); start 1 (256 from 0); "
			 "enable 0; enable 1; ");
	assert_ptr_equal((uint8_t *)f->dev.cfg[1].rings.desc,
			 (uint8_t *)f->dev.cfg[0].rings.desc + 0x4000);
	/* Stop, and start where it stood. */
	assert_int_equal(get_base(f, 0), 7);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
}

/*
 * Linux' virtio_uml: a channel for our messages, room for two regions in the table and one in it,
 * sockets for calls, a log address without logging; and every message asks for an answer.
 */
static void test_virtio_uml(void **state)
{
	struct vhost_user_mem_table table = { .n = 1, .regions = { REGION_A } };
	struct fixture *f = *state;
	struct vhost_user_vring_addr addr;
	int channel[2], calls[2];
	unsigned i;

	disconnect(f);
	connect_session(f, true);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, calls),
			 0);
	tell(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	ask(f, VHOST_USER_GET_FEATURES);
	ask(f, VHOST_USER_GET_PROTOCOL_FEATURES);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, P(REPLY_ACK) | P(BACKEND_REQ) | P(CONFIG));
	f->need_reply = true;
	tell(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &channel[1], 1);
	close(channel[1]);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	tell(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(2), &f->memfd, 1);
	for (i = 0; i < 2; i++) {
		addr = ring_addr(i);
		addr.log = UINT64_MAX;
		tell_fd(f, VHOST_USER_SET_VRING_CALL, i, calls[1]);
		tell_state(f, VHOST_USER_SET_VRING_NUM, i, ENTRIES);
		tell_state(f, VHOST_USER_SET_VRING_BASE, i, 0);
		tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	}
	for (i = 0; i < 2; i++) {
		tell_fd(f, VHOST_USER_SET_VRING_KICK, i, f->event);
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
	assert_events(f, "features 110008000; start 0 (256 from 0); enable 0; "
			 "start 1 (256 from 0); enable 1; ");
	assert_string_equal(f->dev.log, "");
	assert_int_equal(recv(channel[0], &i, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	f->need_reply = false;
	close(channel[0]);
	close(calls[0]);
	close(calls[1]);
}

/* Answers */

/* NEED_REPLY means nothing before REPLY_ACK; a message with its own reply gets no second one. */
static void test_acks(void **state)
{
	struct fixture *f = *state;
	uint64_t owner = P(REPLY_ACK);

	f->need_reply = true;
	put_message(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	go(f);
	assert_silent(f);
	put_message(f, VHOST_USER_SET_PROTOCOL_FEATURES, &owner, sizeof(owner), NULL, 0);
	go(f);
	assert_int_equal(get_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES), 0);
	tell(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	tell(f, VHOST_USER_RESET_OWNER, NULL, 0, NULL, 0);
	ask(f, VHOST_USER_GET_FEATURES);
	assert_int_equal(get_base(f, 3), 0);
	f->need_reply = false;
	tell(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
}

/* A front-end that asks can live with a refused MTU; one that does not would use the wrong one. */
static void test_mtu(void **state)
{
	struct fixture *f = *state;
	static const uint64_t bad[] = { 0, 67, 65536, UINT64_MAX };
	uint64_t good = 9000;
	unsigned i;

	for (i = 0; i < array_size(bad); i++) {
		negotiate(f);
		f->need_reply = true;
		put_message(f, VHOST_USER_NET_SET_MTU, &bad[i], sizeof(bad[i]), NULL, 0);
		go(f);
		assert_int_equal(get_u64(f, VHOST_USER_NET_SET_MTU), 1);
		assert_log(f, "NET_SET_MTU: ");
		f->need_reply = false;
		refuse_u64(f, VHOST_USER_NET_SET_MTU, bad[i], "is not between 68 and 65535");
		assert_events(f, "");
		reconnect(f);
	}
	negotiate(f);
	tell_u64(f, VHOST_USER_NET_SET_MTU, 68);
	tell_u64(f, VHOST_USER_NET_SET_MTU, 65535);
	f->need_reply = true;
	f->dev.refuse = -ERANGE;
	put_message(f, VHOST_USER_NET_SET_MTU, &good, sizeof(good), NULL, 0);
	go(f);
	assert_int_equal(get_u64(f, VHOST_USER_NET_SET_MTU), 1);
	f->need_reply = false;
	refuse_u64(f, VHOST_USER_NET_SET_MTU, good, "the device does not take 9000");
	assert_events(f, "mtu 68; mtu 65535; mtu 9000; mtu 9000; ");
}

/* Replies that nobody reads must end the session, not block the daemon. */
static void test_replies_not_read(void **state)
{
	struct fixture *f = *state;
	enum vhost_user_outcome outcome = VHOST_USER_GO_ON;
	unsigned i;

	for (i = 0; i < 100000 && outcome == VHOST_USER_GO_ON; i++) {
		put_message(f, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0);
		outcome = vhost_user_session_dispatch(f->session);
	}
	assert_int_equal(outcome, VHOST_USER_VIOLATION);
	assert_log(f, "GET_FEATURES: cannot send the reply: replies are not read");
}

/* Gone before its answer: that is no violation. */
static void test_gone_before_reply(void **state)
{
	struct fixture *f = *state;

	put_message(f, VHOST_USER_GET_FEATURES, NULL, 0, NULL, 0);
	hang_up(f);
	assert_int_equal(vhost_user_session_dispatch(f->session), VHOST_USER_CLOSED);
	assert_string_equal(f->dev.log, "");
}

/* One front-end must not keep the control thread; what is left over is not lost. */
static void test_bounded_dispatch(void **state)
{
	struct fixture *f = *state;
	unsigned i, calls = 0;
	char byte;

	for (i = 0; i < 100; i++)
		put_message(f, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	do {
		go(f);
		calls++;
	} while (recv(vhost_user_session_fd(f->session), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
	assert_in_range(calls, 2, 100);
}

/* Features */

/* Without protocol features there is no SET_VRING_ENABLE: rings are enabled from the start. */
static void test_enabled_without_bit30(void **state)
{
	struct fixture *f = *state;

	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED);
	assert_events(f, "features 110008000; enable 0; enable 1; enable 2; enable 3; ");
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	assert_events(f, "features 110008000; disable 0; disable 1; disable 2; disable 3; ");
	tell_state(f, VHOST_USER_SET_VRING_ENABLE, 2, 1);
	tell_u64(f, VHOST_USER_SET_FEATURES, BIT30);
	assert_events(f, "enable 2; features 0; ");
	tell_u64(f, VHOST_USER_SET_FEATURES, 0);
	refuse_state(f, VHOST_USER_SET_VRING_ENABLE, 0, 1, "PROTOCOL_FEATURES was not negotiated");
}

/* SET_VRING_ENABLE has two values, and a repeated one is no news. */
static void test_enable(void **state)
{
	struct fixture *f = *state;

	tell_state(f, VHOST_USER_SET_VRING_ENABLE, 3, 1);
	tell_state(f, VHOST_USER_SET_VRING_ENABLE, 3, 1);
	tell_state(f, VHOST_USER_SET_VRING_ENABLE, 3, 0);
	assert_events(f, "enable 3; disable 3; ");
	refuse_state(f, VHOST_USER_SET_VRING_ENABLE, 3, 2, "2 is neither 0 nor 1");
}

/* A feature that was not offered is named in the log. */
static void test_features_not_offered(void **state)
{
	struct fixture *f = *state;

	refuse_u64(f, VHOST_USER_SET_FEATURES, OFFERED | FEATURE(VIRTIO_NET_F_CSUM),
		   "SET_FEATURES: never offered: CSUM");
	assert_events(f, "");
	reconnect(f);
	/* A dirty log is asked for with bit 26. */
	refuse_u64(f, VHOST_USER_SET_FEATURES, FEATURE(26), "never offered");
	reconnect(f);
	f->dev.refuse = -EINVAL;
	refuse_u64(f, VHOST_USER_SET_FEATURES, OFFERED, "the device does not take");
}

/* An offload without its ground is named and left out; a layout without it ends the session. */
static void test_contradictory_features(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_config cfg = {
		.ops = &fake_ops,
		.dev = &f->dev,
		.features = FEATURE(VIRTIO_NET_F_CSUM) | FEATURES_HOST_TSO |
			    FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_IN_ORDER),
		.max_pairs = PAIRS,
	};
	int socks[2];

	disconnect(f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(vhost_user_session_new(&f->session, &cfg, socks[1]), 0);
	f->sock = socks[0];
	tell_u64(f, VHOST_USER_SET_FEATURES,
		 FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_ECN) |
			 FEATURE(VIRTIO_F_VERSION_1) | BIT30);
	assert_events(f, "features 100000000; ");
	assert_log(f, "SET_FEATURES: without effect: HOST_TSO4 without CSUM");
	refuse_u64(f, VHOST_USER_SET_FEATURES, FEATURE(VIRTIO_F_IN_ORDER),
		   "SET_FEATURES: contradictory: IN_ORDER without VERSION_1");
	assert_events(f, "");
	disconnect(f);
	cfg.features = FEATURES_HOST_TSO;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(vhost_user_session_new(&f->session, &cfg, socks[1]), -EINVAL);
	f->sock = socks[0];
}

/* SEND_RARP carries a MAC in its first six bytes, and needs its protocol feature. */
static void test_rarp(void **state)
{
	static const uint8_t payload[8] = { 2, 3, 5, 7, 11, 13, 0xee, 0xee };
	struct fixture *f = *state;

	negotiate(f);
	tell(f, VHOST_USER_SEND_RARP, payload, sizeof(payload), NULL, 0);
	assert_events(f, "rarp 020305070b0d; ");
	f->need_reply = true;
	tell(f, VHOST_USER_SEND_RARP, payload, sizeof(payload), NULL, 0);
	assert_events(f, "rarp 020305070b0d; ");
	f->need_reply = false;
	reconnect(f);
	refuse(f, VHOST_USER_SEND_RARP, payload, sizeof(payload),
	       "SEND_RARP: its protocol feature was not acknowledged");
	reconnect(f);
	negotiate(f);
	refuse(f, VHOST_USER_SEND_RARP, payload, 6, "SEND_RARP: a payload of 6 bytes");
	assert_events(f, "");
}

/* Nothing about a running ring may change under it. */
static void test_features_while_started(void **state)
{
	struct fixture *f = *state;

	start_rings(f, 1);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	assert_events(f, "");
	refuse_u64(f, VHOST_USER_SET_FEATURES, (OFFERED | BIT30) & ~FEATURE(VIRTIO_F_VERSION_1),
		   "changes while a ring is started: VERSION_1");
}

/* Protocol features come first, are a subset of the offer, and the log is not in it. */
static void test_protocol_features(void **state)
{
	struct fixture *f = *state;
	static const unsigned absent[] = { 1, 6, 8, 9, 11, 14, 17, 63 };
	unsigned i;

	for (i = 0; i < array_size(absent); i++) {
		assert_int_equal(ask(f, VHOST_USER_GET_PROTOCOL_FEATURES), PROTOCOL);
		refuse_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, P(MQ) | FEATURE(absent[i]),
			   "SET_PROTOCOL_FEATURES: never offered: bits 0x");
		reconnect(f);
	}
}

/* The configuration space is offered with a MAC only, read within its bounds and never written. */
static void test_config(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_config_space c = { .offset = 0,
					     .size = sizeof(struct virtio_net_config) };
	const uint32_t head = offsetof(struct vhost_user_config_space, data);
	struct virtio_net_config net;
	unsigned i;

	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
	refuse(f, VHOST_USER_GET_CONFIG, &c, head + c.size, "was not acknowledged");
	disconnect(f);
	connect_session(f, true);
	assert_int_equal(ask(f, VHOST_USER_GET_PROTOCOL_FEATURES), PROTOCOL | P(CONFIG));
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, P(CONFIG) | P(REPLY_ACK));
	put_message(f, VHOST_USER_GET_CONFIG, &c, head + c.size, NULL, 0);
	go(f);
	assert_int_equal(get_reply(f, VHOST_USER_GET_CONFIG, &c, sizeof(c)), head + sizeof(net));
	memcpy(&net, c.data, sizeof(net));
	assert_memory_equal(net.mac, ((uint8_t[]){ 2, 3, 5, 7, 11, 13 }), 6);
	assert_int_equal(net.mtu, 1400);
	assert_int_equal(net.max_virtqueue_pairs, PAIRS);
	/* Out of bounds, or a size that is not the payload's. */
	for (i = 0; i < 4; i++) {
		c.offset = (uint32_t[]){ 249, UINT32_MAX, 257, 0 }[i];
		c.size = (uint32_t[]){ 8, 8, 0, UINT32_MAX - 3 }[i];
		put_message(f, VHOST_USER_GET_CONFIG, &c, head + (i < 3 ? c.size : 8), NULL, 0);
		go(f);
		assert_int_equal(get_reply(f, VHOST_USER_GET_CONFIG, &c, sizeof(c)), 0);
	}
	f->need_reply = true;
	put_message(f, VHOST_USER_SET_CONFIG, &c, head + 8, NULL, 0);
	go(f);
	assert_int_equal(get_u64(f, VHOST_USER_SET_CONFIG), 1);
	f->need_reply = false;
	refuse(f, VHOST_USER_SET_CONFIG, &c, head + 8, "read-only");
}

static uint16_t shown_status(struct fixture *f)
{
	struct vhost_user_config_space c = { .size = sizeof(struct virtio_net_config) };
	struct virtio_net_config net;

	put_message(f, VHOST_USER_GET_CONFIG, &c, CONFIG_HEAD + c.size, NULL, 0);
	go(f);
	assert_int_equal(get_reply(f, VHOST_USER_GET_CONFIG, &c, sizeof(c)),
			 CONFIG_HEAD + sizeof(net));
	memcpy(&net, c.data, sizeof(net));
	return net.status;
}

/* The next message on the front-end's end of the back-end's channel, or that there is none. */
static bool told_of_change(int sock)
{
	struct vhost_user_header hdr;
	ssize_t n = recv(sock, &hdr, sizeof(hdr), MSG_DONTWAIT);

	if (n < 0)
		return false;
	assert_int_equal(n, sizeof(hdr));
	assert_int_equal(hdr.request, VHOST_USER_BACKEND_CONFIG_CHANGE);
	assert_int_equal(hdr.flags, VHOST_USER_VERSION);
	assert_int_equal(hdr.size, 0);
	return true;
}

/* A session that offers CONFIG, and the front-end's end of its channel. */
static int connect_channel(struct fixture *f, uint64_t protocol)
{
	int pair[2];

	disconnect(f);
	connect_session(f, true);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
	tell(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1);
	close(pair[1]);
	return pair[0];
}

/* The link is shown, and a front-end with both features is told when it changes. */
static void test_config_change(void **state)
{
	struct fixture *f = *state;
	int sock = connect_channel(f, PROTOCOL | P(CONFIG));

	assert_true(ask(f, VHOST_USER_GET_FEATURES) & FEATURE(VIRTIO_NET_F_STATUS));
	assert_int_equal(shown_status(f), VIRTIO_NET_S_LINK_UP);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | FEATURE(VIRTIO_NET_F_STATUS));
	assert_events(f, "features 110018000; ");
	assert_int_equal(vhost_user_session_hearing(f->session), VHOST_USER_HEARS);
	tell_table(f);
	/* While all rings are stopped nothing is sent: then at the first start. */
	vhost_user_session_set_link(f->session, false);
	assert_false(told_of_change(sock));
	lay_ring(f, 0);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_true(told_of_change(sock));
	assert_false(told_of_change(sock));
	assert_int_equal(shown_status(f), 0);
	vhost_user_session_set_link(f->session, false);
	assert_false(told_of_change(sock));
	vhost_user_session_set_link(f->session, true);
	assert_true(told_of_change(sock));
	assert_int_equal(shown_status(f), VIRTIO_NET_S_LINK_UP);
	close(sock);
	vhost_user_session_set_link(f->session, false);
	assert_log(f, "cannot be told of a changed configuration");
}

/* The channel is open as long as the session, and a front-end that never reads it is no fault. */
static void test_channel(void **state)
{
	struct fixture *f = *state;
	int sock = connect_channel(f, PROTOCOL), other, i;

	assert_int_equal(vhost_user_session_hearing(f->session), VHOST_USER_DEAF);
	/* Not without CONFIG. */
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	tell_table(f);
	lay_ring(f, 0);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	vhost_user_session_set_link(f->session, false);
	assert_false(told_of_change(sock));
	disconnect(f);
	assert_int_equal(recv(sock, &i, 1, MSG_DONTWAIT), 0);
	close(sock);
	connect_session(f, true);
	/* Nothing is known yet; then, once a ring runs, that no socket came. */
	assert_int_equal(vhost_user_session_hearing(f->session), VHOST_USER_HEARING_UNKNOWN);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL | P(CONFIG));
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	tell_table(f);
	lay_ring(f, 0);
	assert_int_equal(vhost_user_session_hearing(f->session), VHOST_USER_HEARS);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(vhost_user_session_hearing(f->session), VHOST_USER_DEAF);

	sock = connect_channel(f, PROTOCOL | P(CONFIG));
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	tell_table(f);
	lay_ring(f, 0);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	for (i = 0; i < 10000; i++)
		vhost_user_session_set_link(f->session, i % 2);
	assert_string_equal(f->dev.log, "");
	/* Another one replaces it; what is no unix socket does not. */
	other = dup(sock);
	tell(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &other, 1);
	close(other);
	f->need_reply = true;
	put_message(f, VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, &f->event, 1);
	go(f);
	assert_int_equal(get_u64(f, VHOST_USER_SET_BACKEND_REQ_FD), 1);
	assert_log(f, "SET_BACKEND_REQ_FD: its fd is not a unix socket");
	f->need_reply = false;
	close(sock);
}

/* Memory */

/* A new table moves the rings that it still holds; those that it lost wait for their memory. */
static void test_table_while_started(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_mem_table table = { .n = 1, .regions = { REGION_B } };

	start_rings(f, 3);
	tell_table(f);
	assert_events(f, "quiesce; moved 0; moved 1; moved 2; resume; ");
	tell(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(1), &f->memfd, 1);
	assert_events(f, "stop 0; stop 1; quiesce; moved 2; resume; ");
	assert_log(f, "SET_MEM_TABLE: ring 0 lost its memory and waits for it");
	assert_int_equal(get_base(f, 0), 7);
	assert_int_equal(get_base(f, 2), 7);
	assert_events(f, "stop 2; ");
	/* Nobody is disturbed by a change that no running ring can see. */
	tell_table(f);
	assert_events(f, "start 1 (256 from 7); ");
	assert_int_equal(get_base(f, 1), 14);
	tell_table(f);
	assert_events(f, "stop 1; ");
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_events(f, "start 0 (256 from 7); ");
	table.n = 0;
	tell(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(0), NULL, 0);
	assert_events(f, "stop 0; ");
}

/* A table that cannot be mapped is refused whole: the old one stays, and so do the rings on it. */
static void test_bad_tables(void **state)
{
	struct fixture *f = *state;
	static const struct {
		struct vhost_user_region second;
		const char *text;
	} bad[] = {
		{ { 0x200000000, 0, 0x7d0000000000, 0 }, "size 0x0" },
		{ { REGION_SIZE - 1, 0x1000, 0x7d0000000000, 0 }, "guest 0xffff" },
		{ { 0x200000000, 0x1000, 0x7f000000ffff, 0 }, "user 0x7f000000ffff" },
		{ { UINT64_MAX - 0xfff, 0x2000, 0x7d0000000000, 0 }, "guest 0xfffffffffffff000" },
		{ { 0x200000000, 0x1000, UINT64_MAX - 0xff, 0 }, "user 0xffffffffffffff00" },
		{ { 0x200000000, 0x1000, 0x7d0000000000, FILE_SIZE }, "file is shorter" },
		{ { 0x200000000, FILE_SIZE + 1, 0x7d0000000000, 0 }, "size 0x20001" },
		{ { 0x200000000, 0x1000, 0x7d0000000000, UINT64_MAX - 0xfff }, "file is shorter" },
	};
	unsigned i;

	for (i = 0; i < array_size(bad); i++) {
		struct vhost_user_mem_table table = { .n = 2,
						      .regions = { REGION_A, bad[i].second } };
		int fds[] = { f->memfd, f->memfd };

		start_rings(f, 3);
		f->need_reply = true;
		put_message(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(2), fds, 2);
		go(f);
		assert_int_equal(get_u64(f, VHOST_USER_SET_MEM_TABLE), 1);
		assert_log(f, bad[i].text);
		put_region(f, VHOST_USER_ADD_MEM_REG, bad[i].second, 1);
		go(f);
		assert_int_equal(get_u64(f, VHOST_USER_ADD_MEM_REG), 1);
		assert_log(f, bad[i].text);
		assert_events(f, "quiesce; resume; ");
		f->need_reply = false;
		put_message(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(2), fds, 2);
		assert_violation(f, "SET_MEM_TABLE: region 1 (");
		reconnect(f);
	}
}

/*
 * A ring that lost its memory keeps what it was told, and what it is told meanwhile, and goes on
 * where it stood when its memory is there again: by ADD_MEM_REG or by a table.
 */
static void test_lost_and_found(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < 2; i++) {
		reconnect(f);
		start_rings(f, 1);
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, 0, 1);
		f->need_reply = true;
		tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
		assert_events(f, "enable 0; stop 0; ");
		tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
		if (i)
			tell_table(f);
		else
			tell_region(f, VHOST_USER_ADD_MEM_REG, region_a, 1);
		assert_events(f, "start 0 (256 from 7); ");
		assert_log(f, "ring 0 has its memory again");
		tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, -1);
		assert_events(f, "fds 0; ");
		assert_int_equal(get_base(f, 0), 14);
	}
	/* The host may refuse. */
	reconnect(f);
	start_rings(f, 1);
	tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
	f->dev.refuse = -ENOMEM;
	put_region(f, VHOST_USER_ADD_MEM_REG, region_a, 1);
	assert_violation(f, "ADD_MEM_REG: ring 0 cannot start");
}

/* While it waits it may get another place, be stopped, or be reset. */
static void test_lost_and_changed(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_vring_addr addr = ring_addr(2);
	int fds = open_fds();

	start_rings(f, 1);
	tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
	addr.index = 0;
	tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	assert_events(f, "stop 0; start 0 (256 from 7); ");
	tell_region(f, VHOST_USER_REM_MEM_REG, region_b, 0);
	assert_int_equal(get_base(f, 0), 14);
	assert_int_equal(open_fds(), fds);
	tell_table(f);
	assert_events(f, "stop 0; ");
	reconnect(f);
	start_rings(f, 1);
	tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
	tell(f, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
	tell_table(f);
	assert_events(f, "stop 0; ");
	assert_int_equal(get_base(f, 0), 7);
}

/*
 * QEMU before 8.0 adds and removes each region once for every queue pair: no ring is disturbed
 * before the last one.
 */
static void test_region_twice(void **state)
{
	struct fixture *f = *state;

	start_rings(f, 1);
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_a, 1);
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_b, 1);
	assert_events(f, "");
	tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
	tell_region(f, VHOST_USER_REM_MEM_REG, region_b, 0);
	assert_events(f, "");
	tell_region(f, VHOST_USER_REM_MEM_REG, region_b, 0);
	assert_events(f, "quiesce; resume; ");
	tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
	assert_events(f, "stop 0; ");
}

/* The number of regions, of fds and of bytes must fit each other. */
static void test_table_counts(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t n, n_sent;
		unsigned n_fds;
	} bad[] = { { 2, 2, 1 }, { 1, 1, 2 }, { 0, 0, 1 },   { 2, 1, 2 },
		    { 9, 8, 8 }, { 8, 8, 0 }, { ~0u, 8, 8 }, { 0x08000000, 0, 0 } };
	unsigned i;

	for (i = 0; i < array_size(bad); i++) {
		struct vhost_user_mem_table table = { .n = bad[i].n,
						      .regions = { REGION_A, REGION_B } };
		int fds[8] = { f->memfd, f->memfd, f->memfd, f->memfd,
			       f->memfd, f->memfd, f->memfd, f->memfd };

		put_message(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(bad[i].n_sent), fds,
			    bad[i].n_fds);
		assert_violation(f, "SET_MEM_TABLE: ");
		reconnect(f);
	}
}

/* virtio_uml sends room for two regions whether it has two or one. */
static void test_table_room(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_mem_table table = { .n = 1, .regions = { REGION_A } };

	negotiate(f);
	tell(f, VHOST_USER_SET_MEM_TABLE, &table, table_size(2), &f->memfd, 1);
	lay_ring(f, 0);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_events(f, "start 0 (256 from 0); ");
}

/* Slots come and go under running rings; only those whose memory goes are stopped. */
static void test_slots(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_region wrong = region_b;

	negotiate(f);
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_b, 1);
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_a, 1);
	assert_events(f, "");
	lay_ring(f, 0);
	lay_ring(f, 2);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 2, f->event);
	f->dev.events[0] = '\0';
	tell_region(f, VHOST_USER_REM_MEM_REG, region_a, 0);
	assert_events(f, "stop 0; quiesce; resume; ");
	assert_log(f, "REM_MEM_REG: ring 0 lost its memory");
	f->need_reply = true;
	wrong.size--;
	put_region(f, VHOST_USER_REM_MEM_REG, wrong, 0);
	go(f);
	assert_int_equal(get_u64(f, VHOST_USER_REM_MEM_REG), 1);
	assert_log(f, "REM_MEM_REG: no region (guest 0x100000000, size 0xffff, user 0x7e");
	assert_events(f, "");
	f->need_reply = false;
	/* Older front-ends send an fd along; it must not stay open. */
	tell_region(f, VHOST_USER_REM_MEM_REG, region_b, 1);
	assert_events(f, "stop 2; ");
	put_region(f, VHOST_USER_REM_MEM_REG, region_b, 0);
	assert_violation(f, "REM_MEM_REG: no region");
}

/* A ring whose areas lie in two regions is lost with either. */
static void test_slots_split_ring(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_vring_addr addr;
	unsigned i;

	for (i = 0; i < 6; i++) {
		reconnect(f);
		negotiate(f);
		tell_table(f);
		lay_ring(f, 0);
		addr = ring_addr(0);
		*(uint64_t *[]){ &addr.desc, &addr.avail, &addr.used }[i % 3] = region_b.uva;
		tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
		tell_region(f, VHOST_USER_REM_MEM_REG, i < 3 ? region_a : region_b, 0);
		assert_events(f, "start 0 (256 from 0); stop 0; ");
	}
}

/* As many slots as were promised, and not one more. */
static void test_slot_limit(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_region r = { 0, 0x1000, 0x7f0000000000, 0 };
	unsigned i;

	negotiate(f);
	for (i = 0; i < ask(f, VHOST_USER_GET_MAX_MEM_SLOTS); i++) {
		tell_region(f, VHOST_USER_ADD_MEM_REG, r, 1);
		r.gpa += 0x1000;
		r.uva += 0x1000;
	}
	put_region(f, VHOST_USER_ADD_MEM_REG, r, 1);
	assert_violation(f, "too many regions");
}

/* Mapped fds are not kept: 8 regions a table, hundreds of slots, and a limit on open files. */
static void test_region_fds_closed(void **state)
{
	struct fixture *f = *state;
	int before = open_fds();

	negotiate(f);
	tell_table(f);
	tell_table(f);
	tell_region(f, VHOST_USER_REM_MEM_REG, region_b, 1);
	tell_region(f, VHOST_USER_ADD_MEM_REG, region_b, 1);
	assert_int_equal(open_fds(), before);
}

/* Rings */

/* A split ring's size is a power of two up to 32768. */
static void test_vring_num(void **state)
{
	struct fixture *f = *state;
	static const uint32_t bad[] = { 0, 3, 255, 257, 65536, 1u << 31, UINT32_MAX };
	unsigned i;

	tell_state(f, VHOST_USER_SET_VRING_NUM, 0, 1);
	tell_state(f, VHOST_USER_SET_VRING_NUM, 0, 32768);
	for (i = 0; i < array_size(bad); i++) {
		refuse_state(f, VHOST_USER_SET_VRING_NUM, 0, bad[i], "SET_VRING_NUM: ring 0: ");
		reconnect(f);
	}
}

/* An enabled ring is not laid anew under the device, but what it has may be said again. */
static void test_set_while_started(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_vring_addr addr;
	unsigned i;

	for (i = 0; i < 5; i++) {
		start_rings(f, 1);
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, 0, 1);
		tell_addr(f, 0);
		tell_state(f, VHOST_USER_SET_VRING_NUM, 0, ENTRIES);
		assert_events(f, "enable 0; ");
		addr = ring_addr(0);
		*(uint64_t *[]){ &addr.desc, &addr.avail, &addr.used }[i % 3] += 0x100;
		if (i < 3)
			refuse(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
			       "SET_VRING_ADDR: ring 0 is started");
		else
			refuse_state(f,
				     i == 3 ? VHOST_USER_SET_VRING_NUM : VHOST_USER_SET_VRING_BASE,
				     0, ENTRIES / 2, "ring 0 is started");
		reconnect(f);
	}
}

/*
 * virtio_uml, when a driver is bound again: rings are disabled, not stopped, and all but the
 * features of the device is sent anew.
 */
static void test_laid_anew(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	start_rings(f, 2);
	for (i = 0; i < 2; i++)
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1);
	for (i = 2; i > 0; i--)
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, i - 1, 0);
	ask(f, VHOST_USER_GET_FEATURES);
	f->dev.events[0] = '\0';
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	tell_table(f);
	assert_events(f, "quiesce; moved 0; moved 1; resume; ");
	for (i = 0; i < 2; i++) {
		tell_fd(f, VHOST_USER_SET_VRING_CALL, i, f->event);
		lay_ring(f, i);
	}
	assert_events(f, "fds 0 call; stop 0; fds 1 call; stop 1; ");
	for (i = 0; i < 2; i++) {
		tell_fd(f, VHOST_USER_SET_VRING_KICK, i, f->event);
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
	assert_events(f, "start 0 (256 from 0); enable 0; start 1 (256 from 0); enable 1; ");
}

/* Logging of used rings was not offered. */
static void test_vring_addr_flags(void **state)
{
	struct fixture *f = *state;
	struct vhost_user_vring_addr addr = ring_addr(1);

	addr.flags = 1;
	refuse(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr),
	       "SET_VRING_ADDR: ring 1: flags 0x1");
}

/* As assert_violation(); no_memory: the log also says what to do so that memory is shared. */
static void refuse_start(struct fixture *f, const char *text, bool no_memory)
{
	assert_int_equal(vhost_user_session_dispatch(f->session), VHOST_USER_VIOLATION);
	assert_silent(f);
	assert_int_equal(!!strstr(f->dev.log, "<access mode='shared'/>"), no_memory);
	assert_int_equal(!!strstr(f->dev.log, "share=on"), no_memory);
	assert_log(f, text);
}

/* SET_VRING_KICK starts a ring only when all that it needs has come; the log names what has not. */
static void test_kick_needs(void **state)
{
	struct fixture *f = *state;
	uint64_t ring = 2;
	static const char *const text[] = {
		"ring 2 cannot start before SET_FEATURES",
		"ring 2 cannot start before SET_VRING_NUM",
		"ring 2 cannot start before SET_VRING_ADDR",
		"used 0x7e0000002000: not inside a memory region",
	};
	unsigned i;

	for (i = 0; i < 5; i++) {
		if (i != 0)
			tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
		if (i != 1)
			tell_state(f, VHOST_USER_SET_VRING_NUM, ring, ENTRIES);
		if (i != 2)
			tell_addr(f, ring);
		if (i != 3)
			tell_table(f);
		f->dev.events[0] = '\0';
		put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &f->event, 1);
		if (i < 4) {
			refuse_start(f, text[i], i == 3);
			assert_events(f, "");
		} else {
			go(f);
			assert_events(f, "start 2 (256 from 0); ");
		}
		reconnect(f);
	}
}

/* Areas that end outside their region, or that cannot be touched atomically. */
static void test_kick_bad_areas(void **state)
{
	struct fixture *f = *state;
	static const uint64_t areas[][3] = {
		{ REGION_SIZE - 0xff0, 0x1000, 0x2000 },
		{ 0, REGION_SIZE - 0x200, 0x2000 },
		{ 0, 0x1000, REGION_SIZE - 0x800 },
		{ 0, 0x1000, REGION_SIZE },
		{ 8, 0x2000, 0x4000 },
		{ 0, 0x1001, 0x2000 },
		{ 0, 0x1000, 0x2002 },
		{ UINT64_MAX - 15, 0x1000, 0x2000 },
	};
	uint64_t ring = 0;
	unsigned i;

	for (i = 0; i < array_size(areas); i++) {
		struct vhost_user_vring_addr addr = {
			.desc = region_a.uva + areas[i][0],
			.avail = region_a.uva + areas[i][1],
			.used = region_a.uva + areas[i][2],
		};

		negotiate(f);
		tell_table(f);
		tell_state(f, VHOST_USER_SET_VRING_NUM, 0, ENTRIES);
		tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
		put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &f->event, 1);
		refuse_start(f, i >= 4 && i < 7 ? "misaligned" : "not inside a memory region",
			     false);
		reconnect(f);
	}
}

/* A second kick fd takes over where the ring stands; a ring that cannot start ends the session. */
static void test_kick_again(void **state)
{
	struct fixture *f = *state;
	uint64_t ring = 1;
	int fds = open_fds();

	start_rings(f, 2);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->event);
	assert_events(f, "stop 1; start 1 (256 from 7); ");
	assert_int_equal(open_fds(), fds + 2);
	f->dev.refuse = -ENOMEM;
	put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &f->event, 1);
	assert_violation(f, "SET_VRING_KICK: ring 1 cannot start: ");
}

/* Without a kick fd a ring would have to be polled; a file or a pipe is no eventfd. */
static void test_bad_notifiers(void **state)
{
	static const uint32_t requests[] = { VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
					     VHOST_USER_SET_VRING_ERR };
	struct fixture *f = *state;
	uint64_t ring = 0;
	unsigned i;

	start_rings(f, 1);
	refuse_u64(f, VHOST_USER_SET_VRING_KICK, VHOST_USER_VRING_NOFD,
		   "ring 0: polling instead of a kick fd is not supported");
	for (i = 0; i < array_size(requests); i++) {
		reconnect(f);
		start_rings(f, 1);
		put_message(f, requests[i], &ring, sizeof(ring), &f->memfd, 1);
		assert_violation(f, "ring 0: not an eventfd");
		reconnect(f);
		refuse_u64(f, requests[i], 0, "ring 0: 0 fds, not 1");
		reconnect(f);
		ring = VHOST_USER_VRING_NOFD;
		put_message(f, requests[i], &ring, sizeof(ring), &f->event, 1);
		assert_violation(f, "ring 0: 1 fds, not 0");
		ring = 0;
		reconnect(f);
		refuse_u64(f, requests[i], 1u << 9, "unknown bits in 0x200");
	}
}

/* A file that is always ready, as those are that know no waiting: its waiter would never sleep. */
static void test_notifier_always_ready(void **state)
{
	static const uint32_t requests[] = { VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
					     VHOST_USER_SET_VRING_ERR };
	struct epoll_event ready = { .events = EPOLLIN };
	struct fixture *f = *state;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t ring = 0;
	unsigned i;

	assert_int_equal(eventfd_write(f->event, 1), 0);
	assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, f->event, &ready), 0);
	for (i = 0; i < array_size(requests); i++) {
		reconnect(f);
		put_message(f, requests[i], &ring, sizeof(ring), &epoll, 1);
		assert_violation(f, "ring 0: not an eventfd");
	}
	close(epoll);
	/* An eventfd may be full, or hold a kick. */
	reconnect(f);
	start_rings(f, 1);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
	assert_int_equal(eventfd_write(f->event, UINT64_MAX - 2), 0);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
}

/*
 * User-mode Linux takes its calls from a socket. A kick fd is not read, so it must be an eventfd:
 * a socket or pipe would stay readable for ever.
 */
static void test_notifier_kinds(void **state)
{
	struct fixture *f = *state;
	int sockets[2], ends[2];
	uint64_t ring = 0;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	start_rings(f, 1);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, sockets[1]);
	tell_fd(f, VHOST_USER_SET_VRING_ERR, 0, ends[1]);
	assert_int_equal(f->dev.cfg[0].call.kind, NOTIFIER_SOCKET);
	assert_int_equal(f->dev.cfg[0].err.kind, NOTIFIER_PIPE);
	put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &sockets[1], 1);
	assert_violation(f, "ring 0: its kick fd is a socket, not an eventfd");
	reconnect(f);
	put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &ends[1], 1);
	assert_violation(f, "ring 0: its kick fd is a pipe, not an eventfd");
	close(sockets[0]);
	close(sockets[1]);
	close(ends[0]);
	close(ends[1]);
}

static void on_signal(int number)
{
	(void)number;
}

struct storm {
	pthread_t target;
	bool over;
};

static void *storm(void *arg)
{
	struct storm *s = arg;

	while (!load_relaxed(&s->over))
		pthread_kill(s->target, SIGUSR2);
	return NULL;
}

/* A signal that comes while a message is read is nobody's fault. */
static void test_notifier_and_signals(void **state)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct storm s = { .target = pthread_self() };
	struct fixture *f = *state;
	pthread_t thread;
	unsigned i;

	start_rings(f, 1);
	assert_int_equal(sigaction(SIGUSR2, &action, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, storm, &s), 0);
	for (i = 0; i < 500; i++)
		tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
	store_relaxed(&s.over, true);
	pthread_join(thread, NULL);
}

/* Call and err fds may change at any time, come as "none", and are each held once. */
static void test_call_err(void **state)
{
	struct fixture *f = *state;
	int fds = open_fds();

	start_rings(f, 1);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
	tell_fd(f, VHOST_USER_SET_VRING_ERR, 0, f->event);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 1, f->event);
	assert_int_equal(open_fds(), fds + 4);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, -1);
	tell_fd(f, VHOST_USER_SET_VRING_ERR, 0, -1);
	tell_fd(f, VHOST_USER_SET_VRING_CALL, 1, -1);
	assert_events(f, "fds 0 call; fds 0 call err; fds 0 call err; fds 0 err; fds 0; ");
	assert_int_equal(open_fds(), fds + 1);
}

/* GET_VRING_BASE stops, closes the kick fd, and the next start goes on there. 16 bits count. */
static void test_base(void **state)
{
	struct fixture *f = *state;
	int fds = open_fds();

	assert_int_equal(get_base(f, 0), 0);
	start_rings(f, 1);
	assert_int_equal(get_base(f, 0), 7);
	assert_int_equal(open_fds(), fds);
	assert_int_equal(get_base(f, 0), 7);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(get_base(f, 0), 14);
	tell_state(f, VHOST_USER_SET_VRING_BASE, 0, 0xabcdfffe);
	assert_int_equal(get_base(f, 0), 0xfffe);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(get_base(f, 0), 5);
	assert_events(f,
		      "stop 0; start 0 (256 from 7); stop 0; start 0 (256 from 65534); stop 0; ");
}

/* What start_rings() does, for ring 0 as a packed one; no word of its base. */
static void lay_new_packed(struct fixture *f, uint32_t size)
{
	struct vhost_user_vring_addr addr = ring_addr(0);

	f->more = PACKED;
	reconnect(f);
	tell_u64(f, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
	tell_table(f);
	tell_state(f, VHOST_USER_SET_VRING_NUM, 0, size);
	/* The event areas are the region's last bytes: a split ring would not fit. */
	addr.avail = region_a.uva + region_a.size - 8;
	addr.used = region_a.uva + region_a.size - 4;
	tell(f, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
	f->packed_addr = addr;
}

/* As a device leaves ring 0 that used the first n descriptors of its first lap. */
static void mark_used(struct fixture *f, unsigned n)
{
	struct vring_packed_desc used = { .flags = VRING_PACKED_AVAIL | VRING_PACKED_USED };
	off_t at = (off_t)(ring_addr(0).desc - region_a.uva + region_a.mmap_offset);
	unsigned i;

	for (i = 0; i < n; i++)
		assert_int_equal(pwrite(f->memfd, &used, sizeof(used),
					at + i * (off_t)sizeof(used)),
				 sizeof(used));
}

static void lay_packed(struct fixture *f, uint32_t size, uint32_t base)
{
	lay_new_packed(f, size);
	tell_state(f, VHOST_USER_SET_VRING_BASE, 0, base);
}

static void refuse_kick(struct fixture *f, uint64_t features, const char *text)
{
	uint64_t ring = 0;

	tell_u64(f, VHOST_USER_SET_FEATURES, features);
	put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &f->event, 1);
	assert_violation(f, text);
}

/*
 * A packed ring has any size, 32 bits of base and small areas, in a new memory table too. What
 * does not fit the layout shows at the start, since features may come last.
 */
static void test_packed(void **state)
{
	struct fixture *f = *state;

	lay_packed(f, 255, 0x80fe80fe);
	mark_used(f, 254);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	tell_table(f);
	assert_true(f->dev.started[0]);
	assert_int_equal(f->dev.cfg[0].base, 0x80fe80fe);
	assert_int_equal(f->dev.cfg[0].size, 255);
	assert_int_equal(get_base(f, 0), 0x80fe80fe + 7);

	lay_packed(f, 255, 0x80ff8000);
	refuse_kick(f, OFFERED | BIT30 | PACKED, "base 0x80ff8000 is not in a ring of 255");
	lay_packed(f, 255, 0x000000ff);
	refuse_kick(f, OFFERED | BIT30 | PACKED, "base 0xff is not in a ring of 255");
	lay_packed(f, 255, 0);
	refuse_kick(f, OFFERED | BIT30, "255 is no power of two");
	lay_packed(f, 256, 0);
	refuse_kick(f, OFFERED | BIT30, "not inside a memory region");
	lay_packed(f, 256, 0);
	refuse_state(f, VHOST_USER_SET_VRING_NUM, 0, 0, "0 is no size up to 32768");
	lay_packed(f, 256, 0);
	refuse_state(f, VHOST_USER_SET_VRING_NUM, 0, 32769, "32769 is no size up to 32768");
}

/*
 * virtio 1.2 section 2.8.1: without SET_VRING_BASE a packed ring begins with both wrap counters 1,
 * and later where it stopped, after a reset too. A base of 0 would mean wrap counters 0, which a
 * ring that was never used contradicts: user-mode Linux says it of a new ring.
 */
static void test_packed_base(void **state)
{
	struct fixture *f = *state;

	lay_new_packed(f, 255);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	assert_int_equal(get_base(f, 0), 0x80008000);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80008000);
	assert_int_equal(get_base(f, 0), 0x80008000 + 7);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80008000 + 7);
	/* QEMU 7.2 asks between the two: both halves of the base are there. */
	tell_u64(f, VHOST_USER_SET_STATUS, 0);
	assert_int_equal(get_base(f, 0), 0x80008000 + 14);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	assert_int_equal(get_base(f, 0), 0x80008000 + 14);
	/* It is no base of a ring of the other layout. */
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30);
	assert_int_equal(get_base(f, 0), 0);

	lay_packed(f, 255, 0);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80008000);
	assert_log(f, "ring 0: base 0x0 contradicts the ring: it goes on at 0x80008000");
}

/* The inflight buffer */

#define INFLIGHT_LEN 20u

/* Ask for a buffer; its fd, and what the answer says of it. */
static int get_inflight(struct fixture *f, struct vhost_user_inflight *i, uint32_t size)
{
	struct vhost_user_msg msg;
	struct iovec iov[] = { { &msg.hdr, sizeof(msg.hdr) }, { &msg.payload, size } };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr mh = { .msg_iov = iov,
			     .msg_iovlen = 2,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf) };
	int fd;

	put_message(f, VHOST_USER_GET_INFLIGHT_FD, i, size, NULL, 0);
	go(f);
	assert_int_equal(recvmsg(f->sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC),
			 sizeof(msg.hdr) + size);
	assert_int_equal(msg.hdr.request, VHOST_USER_GET_INFLIGHT_FD);
	assert_int_equal(msg.hdr.flags, VHOST_USER_VERSION | VHOST_USER_FLAG_REPLY);
	assert_int_equal(msg.hdr.size, size);
	assert_int_equal(CMSG_FIRSTHDR(&mh)->cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(fd));
	memcpy(i, &msg.payload, INFLIGHT_LEN);
	return fd;
}

static void tell_inflight(struct fixture *f, const struct vhost_user_inflight *i, int fd)
{
	tell(f, VHOST_USER_SET_INFLIGHT_FD, i, sizeof(*i), &fd, 1);
}

/* A buffer has room for each queue, cannot shrink, and comes with sizes and offset. */
static void test_inflight_buffer(void **state)
{
	struct vhost_user_inflight asked = { .n_queues = RINGS, .queue_size = ENTRIES }, i;
	struct fixture *f = *state;
	int fds = open_fds(), fd;
	unsigned round;

	for (round = 0; round < 3; round++) {
		negotiate(f);
		i = asked;
		fd = get_inflight(f, &i, round == 1 ? INFLIGHT_LEN : sizeof(i));
		assert_int_equal(i.n_queues, RINGS);
		assert_int_equal(i.queue_size, ENTRIES);
		assert_int_equal(i.mmap_offset, 0);
		assert_int_equal(i.mmap_size, RINGS * virtq_inflight_len(false, ENTRIES));
		assert_int_equal(lseek(fd, 0, SEEK_END), i.mmap_size);
		assert_int_equal(ftruncate(fd, 0), -1);
		tell_inflight(f, &i, fd);
		close(fd);
		assert_int_equal(open_fds(), fds);
		reconnect(f);
	}
	negotiate(f);
	asked.n_queues = RINGS + 1;
	refuse(f, VHOST_USER_GET_INFLIGHT_FD, &asked, sizeof(asked), "5 queues of 256 entries");
	reconnect(f);
	negotiate(f);
	asked = (struct vhost_user_inflight){ .n_queues = 1, .queue_size = 32769 };
	refuse(f, VHOST_USER_GET_INFLIGHT_FD, &asked, sizeof(asked), "1 queues of 32769 entries");
	reconnect(f);
	negotiate(f);
	asked.queue_size = 0;
	refuse(f, VHOST_USER_GET_INFLIGHT_FD, &asked, sizeof(asked), "1 queues of 0 entries");
}

/* A buffer that comes is checked as guest memory is, and does not change under a ring. */
static void test_inflight_refused(void **state)
{
	static const struct vhost_user_inflight bad[] = {
		{ FILE_SIZE + 1, 0, 1, 256 },
		{ FILE_SIZE, 1, 1, 256 },
		{ 0, 0, 1, 256 },
		{ 4096, UINT64_MAX - 4095, 1, 256 },
	};
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < array_size(bad); i++) {
		negotiate(f);
		f->need_reply = true;
		put_message(f, VHOST_USER_SET_INFLIGHT_FD, &bad[i], sizeof(bad[i]), &f->memfd, 1);
		go(f);
		assert_int_equal(get_u64(f, VHOST_USER_SET_INFLIGHT_FD), 1);
		assert_log(f, "SET_INFLIGHT_FD: 0x");
		f->need_reply = false;
		put_message(f, VHOST_USER_SET_INFLIGHT_FD, &bad[i], sizeof(bad[i]), &f->memfd, 1);
		assert_violation(f, "cannot be mapped");
		reconnect(f);
	}
	start_rings(f, 1);
	put_message(f, VHOST_USER_SET_INFLIGHT_FD, &(struct vhost_user_inflight){ 4096, 0, 1, 8 },
		    sizeof(struct vhost_user_inflight), &f->memfd, 1);
	assert_violation(f, "SET_INFLIGHT_FD: a ring is started");
}

/* A ring that is larger than the buffer was made for, or has no queue in it, goes without. */
static void test_inflight_too_small(void **state)
{
	struct vhost_user_inflight i = { .n_queues = 1, .queue_size = ENTRIES };
	struct fixture *f = *state;
	int fd;

	negotiate(f);
	tell_table(f);
	fd = get_inflight(f, &i, sizeof(i));
	tell_inflight(f, &i, fd);
	lay_ring(f, 0);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_non_null(f->dev.cfg[0].inflight);
	lay_ring(f, 1);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 1, f->event);
	assert_null(f->dev.cfg[1].inflight);
	assert_log(f, "ring 1 of 256 entries has no place in the inflight buffer (1 queues of 256");
	get_base(f, 0);
	tell_state(f, VHOST_USER_SET_VRING_NUM, 0, 2 * ENTRIES);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_null(f->dev.cfg[0].inflight);
	close(fd);
}

/* The driver's half of a packed ring, as far as needed: n chains of one descriptor, from slot 0. */
static void offer_packed(struct fixture *f, unsigned n)
{
	struct vring_packed_desc d = { .addr = region_b.gpa, .len = 64 };
	unsigned i;

	for (i = 0; i < n; i++) {
		d.id = (uint16_t)i;
		d.flags = 1 << VRING_PACKED_DESC_F_AVAIL;
		assert_int_equal(pwrite(f->memfd, &d, sizeof(d), (off_t)(i * sizeof(d))),
				 sizeof(d));
	}
}

/* The device's half uses the next n chains; where the ring stands then. */
static void use_chains(struct fixture *f, struct virtq *vq, unsigned n)
{
	struct iovec iov[CHAIN_MAX_IOV];
	struct chain c;

	virtq_start(vq, &f->dev.cfg[0]);
	while (n-- > 0) {
		struct iov_pool pool = { .iov = iov, .cap = CHAIN_MAX_IOV };

		assert_int_equal(virtq_pop(vq, &c, 1, &pool), 1);
		virtq_push(vq, c.elem, 0);
		virtq_publish(vq);
	}
}

/*
 * The back-end dies in the middle, and the front-end, which cannot ask for the base, says a wrong
 * one: a packed ring goes on where it stood. Where the front-end could ask, it is believed. The
 * ring is too small to tell its place itself.
 */
static void test_inflight_packed(void **state)
{
	struct vhost_user_inflight i = { .n_queues = RINGS, .queue_size = 3 };
	struct fixture *f = *state;
	struct virtq vq;
	int fd;

	lay_packed(f, 3, 0x80008000);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	fd = get_inflight(f, &i, sizeof(i));
	assert_int_equal(i.mmap_size, RINGS * virtq_inflight_len(true, 3));
	tell_inflight(f, &i, fd);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80008000);
	assert_string_equal(f->dev.log, "");
	offer_packed(f, 3);
	use_chains(f, &vq, 2);

	lay_packed(f, 3, 0x80008000);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	tell_inflight(f, &i, fd);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80028002);
	assert_log(f, "ring 0: base 0x80008000 contradicts the ring: it goes on at 0x80028002");
	use_chains(f, &vq, 1);
	assert_int_equal(virtq_base(&vq), 0);

	/* Stopped as it should be, and begun anew elsewhere. */
	get_base(f, 0);
	tell_state(f, VHOST_USER_SET_VRING_BASE, 0, 0x80018001);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80018001);
	virtq_start(&vq, &f->dev.cfg[0]);
	/* Laid anew while it was disabled; reset. */
	tell_state(f, VHOST_USER_SET_VRING_BASE, 0, 0x80028002);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80028002);
	virtq_start(&vq, &f->dev.cfg[0]);
	tell_u64(f, VHOST_USER_SET_STATUS, 0);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED | BIT30 | PACKED);
	tell_state(f, VHOST_USER_SET_VRING_NUM, 0, 3);
	tell(f, VHOST_USER_SET_VRING_ADDR, &f->packed_addr, sizeof(f->packed_addr), NULL, 0);
	tell_state(f, VHOST_USER_SET_VRING_BASE, 0, 0x80008000);
	tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
	assert_int_equal(f->dev.cfg[0].base, 0x80008000);
	assert_string_equal(f->dev.log, "");
	close(fd);
}

/* A split ring shows where it stands; the buffer does no harm. */
static void test_inflight_split(void **state)
{
	struct vhost_user_inflight i = { .n_queues = RINGS, .queue_size = ENTRIES };
	const uint16_t used = 5, avail = 9;
	struct fixture *f = *state;
	struct virtq vq;
	unsigned round;
	int fd = -1;

	for (round = 0; round < 2; round++) {
		reconnect(f);
		negotiate(f);
		tell_table(f);
		if (!round)
			fd = get_inflight(f, &i, sizeof(i));
		tell_inflight(f, &i, fd);
		lay_ring(f, 0);
		tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
		assert_non_null(f->dev.cfg[0].inflight);
		assert_string_equal(f->dev.log, "");
		assert_int_equal(pwrite(f->memfd, &avail, sizeof(avail), 0x1002), sizeof(avail));
		assert_int_equal(pwrite(f->memfd, &used, sizeof(used), 0x2002), sizeof(used));
		virtq_start(&vq, &f->dev.cfg[0]);
		assert_int_equal(virtq_base(&vq), 5);
		assert_int_equal(virtq_peek(&vq), 4);
	}
	close(fd);
}

/* The device as a whole */

/* A reset stops all rings; memory and err fds stay for the next driver. */
static void test_reset(void **state)
{
	static const uint32_t requests[] = { VHOST_USER_RESET_DEVICE, VHOST_USER_SET_STATUS };
	struct fixture *f = *state;
	uint64_t zero = 0;
	unsigned i;

	for (i = 0; i < 2; i++) {
		tell_fd(f, VHOST_USER_SET_VRING_ERR, 0, f->event);
		start_rings(f, 1);
		tell_state(f, VHOST_USER_SET_VRING_ENABLE, 0, 1);
		tell_u64(f, VHOST_USER_SET_STATUS, 15);
		tell(f, requests[i], &zero, i ? sizeof(zero) : 0, NULL, 0);
		assert_events(f, "enable 0; stop 0; disable 0; ");
		assert_int_equal(ask(f, VHOST_USER_GET_STATUS), 0);
		tell_u64(f, VHOST_USER_SET_FEATURES, BIT30);
		lay_ring(f, 0);
		tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
		assert_events(f, "features 0; start 0 (256 from 0); ");
		assert_true(f->dev.cfg[0].err.fd >= 0);
		reconnect(f);
	}
}

/* QEMU 7.2 pauses a guest with SET_STATUS 0 and only then asks where the rings stood. */
static void test_base_after_status(void **state)
{
	struct fixture *f = *state;

	start_rings(f, 2);
	tell_u64(f, VHOST_USER_SET_STATUS, 0);
	assert_int_equal(get_base(f, 0), 7);
	assert_int_equal(get_base(f, 1), 7);
	assert_events(f, "stop 0; stop 1; ");
}

/* A reset ring starts only when the next driver has said all of it again. */
static void test_reset_forgets(void **state)
{
	static const char *const text[] = { "before SET_FEATURES", "before SET_VRING_NUM",
					    "before SET_VRING_ADDR" };
	struct fixture *f = *state;
	uint64_t ring = 0;
	unsigned i;

	for (i = 0; i < array_size(text); i++) {
		reconnect(f);
		start_rings(f, 1);
		tell(f, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
		if (i > 0)
			tell_u64(f, VHOST_USER_SET_FEATURES, BIT30);
		if (i > 1)
			tell_state(f, VHOST_USER_SET_VRING_NUM, 0, ENTRIES);
		put_message(f, VHOST_USER_SET_VRING_KICK, &ring, sizeof(ring), &f->event, 1);
		assert_violation(f, text[i]);
	}
}

/* Deprecated, and harmless: the rings are disabled. */
static void test_reset_owner(void **state)
{
	struct fixture *f = *state;

	start_rings(f, 1);
	tell_state(f, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	tell(f, VHOST_USER_RESET_OWNER, NULL, 0, NULL, 0);
	assert_events(f, "enable 0; disable 0; ");
	assert_int_equal(get_base(f, 0), 7);
	/* Without protocol features no message would enable them again. */
	reconnect(f);
	tell_u64(f, VHOST_USER_SET_FEATURES, OFFERED);
	tell(f, VHOST_USER_RESET_OWNER, NULL, 0, NULL, 0);
	assert_events(f, "features 110008000; enable 0; enable 1; enable 2; enable 3; ");
}

/* The status is the driver's byte, kept for it. */
static void test_status(void **state)
{
	struct fixture *f = *state;

	negotiate(f);
	assert_int_equal(ask(f, VHOST_USER_GET_STATUS), 0);
	tell_u64(f, VHOST_USER_SET_STATUS, 0x83);
	assert_int_equal(ask(f, VHOST_USER_GET_STATUS), 0x83);
	refuse_u64(f, VHOST_USER_SET_STATUS, 0x100, "0x100 is not a byte");
}

/* A socket is the session's even when there will be none. */
static void test_bad_pairs(void **state)
{
	static const unsigned bad[] = { 0, VHOST_USER_MAX_RINGS / 2 + 1, UINT32_MAX };
	struct vhost_user_session *session;
	int socks[2];
	unsigned i;
	char byte;

	(void)state;
	for (i = 0; i < array_size(bad); i++) {
		struct vhost_user_config cfg = { .ops = &fake_ops, .max_pairs = bad[i] };

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, socks), 0);
		assert_int_equal(vhost_user_session_new(&session, &cfg, socks[1]), -EINVAL);
		assert_int_equal(recv(socks[0], &byte, 1, MSG_DONTWAIT), 0);
		close(socks[0]);
	}
	vhost_user_session_free(NULL);
}

/* The session may be freed after any message of a set-up. */
static void test_free_anywhere(void **state)
{
	struct fixture *f = *state;
	unsigned stop, step;

	for (stop = 0; stop < 8; stop++) {
		reconnect(f);
		for (step = 0; step < stop; step++) {
			switch (step) {
			case 0:
				negotiate(f);
				break;
			case 1:
				tell_table(f);
				break;
			case 2:
				tell_fd(f, VHOST_USER_SET_VRING_CALL, 0, f->event);
				break;
			case 3:
				tell_fd(f, VHOST_USER_SET_VRING_ERR, 0, f->event);
				break;
			case 4:
				lay_ring(f, 0);
				break;
			case 5:
				tell_fd(f, VHOST_USER_SET_VRING_KICK, 0, f->event);
				break;
			case 6:
				tell_state(f, VHOST_USER_SET_VRING_ENABLE, 0, 1);
			}
		}
	}
}

static const struct CMUnitTest tests[] = {
	TEST(test_qemu),
	TEST(test_qemu_reboot),
	TEST(test_dpdk),
	TEST(test_virtio_uml),
	TEST(test_acks),
	TEST(test_mtu),
	TEST(test_replies_not_read),
	TEST(test_gone_before_reply),
	TEST(test_bounded_dispatch),
	TEST(test_enabled_without_bit30),
	TEST(test_enable),
	TEST(test_features_not_offered),
	TEST(test_contradictory_features),
	TEST(test_rarp),
	TEST(test_features_while_started),
	TEST(test_protocol_features),
	TEST(test_config),
	TEST(test_config_change),
	TEST(test_channel),
	TEST(test_table_while_started),
	TEST(test_bad_tables),
	TEST(test_lost_and_found),
	TEST(test_lost_and_changed),
	TEST(test_region_twice),
	TEST(test_table_counts),
	TEST(test_table_room),
	TEST(test_slots),
	TEST(test_slots_split_ring),
	TEST(test_slot_limit),
	TEST(test_region_fds_closed),
	TEST(test_vring_num),
	TEST(test_set_while_started),
	TEST(test_laid_anew),
	TEST(test_vring_addr_flags),
	TEST(test_kick_needs),
	TEST(test_kick_bad_areas),
	TEST(test_kick_again),
	TEST(test_bad_notifiers),
	TEST(test_notifier_always_ready),
	TEST(test_notifier_kinds),
	TEST(test_notifier_and_signals),
	TEST(test_call_err),
	TEST(test_base),
	TEST(test_packed_base),
	TEST(test_packed),
	TEST(test_inflight_buffer),
	TEST(test_inflight_refused),
	TEST(test_inflight_too_small),
	TEST(test_inflight_packed),
	TEST(test_inflight_split),
	TEST(test_reset),
	TEST(test_base_after_status),
	TEST(test_reset_forgets),
	TEST(test_reset_owner),
	TEST(test_status),
	TEST(test_bad_pairs),
	TEST(test_free_anywhere),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
