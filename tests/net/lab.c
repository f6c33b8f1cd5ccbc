/* SPDX-License-Identifier: MIT */
/* What lab.h says. One thread plays guest and host in turns. */
#include "tests/net/lab.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "virtio/base.h"

#define PATIENCE_MS 30000
#define MAX_ARGS    32
#define TURN        32 /* frames of one kind, before the others have their turn */

static const char *program;

void lab_init(const char *txringd)
{
	program = txringd;
}

static unsigned n_pairs(const struct lab *lab)
{
	return lab->cfg.pairs ? lab->cfg.pairs : lab->cfg.queues;
}

static const char *host_if(const struct lab *lab)
{
	return lab->cfg.host_if ? lab->cfg.host_if : LAB_TAP;
}

static void start_daemon(struct lab *lab)
{
	const struct lab_config *cfg = &lab->cfg;
	char queues[16], iothreads[16];
	const char *args[MAX_ARGS] = { "--backend",   cfg->backend ? cfg->backend : "tap:" LAB_TAP,
				       "--queues",    queues,
				       "--iothreads", iothreads,
				       "--txmode",    cfg->txmode ? cfg->txmode : "iothread" };
	unsigned n = 8, i;

	for (i = 0; cfg->options && cfg->options[i]; i++) {
		assert_true(n < MAX_ARGS - 1);
		args[n++] = cfg->options[i];
	}
	snprintf(queues, sizeof(queues), "%u", cfg->queues);
	snprintf(iothreads, sizeof(iothreads), "%u", cfg->iothreads ? cfg->iothreads : 1);
	daemon_start(&lab->daemon, program, args);
}

void lab_connect(struct lab *lab)
{
	const struct lab_config *cfg = &lab->cfg;
	const struct driver_net_config net = {
		.path = lab->daemon.path,
		.fd = -1,
		.features = (DRIVER_NET_FEATURES | cfg->with) & ~cfg->without,
		.protocol = DRIVER_NET_PROTOCOL | lab->cfg.protocol,
		.n_pairs = n_pairs(lab),
		.ring_size = cfg->ring_size ? cfg->ring_size : 256,
		.base = cfg->base,
		.rx_buf_len = cfg->rx_buf_len,
		.rx_parts = cfg->rx_parts,
		.table_len = cfg->table_len,
	};
	int err = driver_net_new(&lab->net, &net);
	bool host_tso, guest_tso;
	unsigned i;

	if (err)
		fail_msg("the front-end cannot set up the device: %s", strerror(-err));
	host_tso = feature_has(lab->net->features, VIRTIO_NET_F_HOST_TSO4);
	guest_tso = feature_has(lab->net->features, VIRTIO_NET_F_GUEST_TSO4);
	for (i = 0; i < LAB_FLOWS; i++) {
		stream_forget(&lab->to_host[i]);
		stream_forget(&lab->to_guest[i]);
		lab->to_host[i].max_len = host_tso ? PEER_MAX_LEN : PEER_MTU_LEN;
		lab->to_guest[i].max_len = guest_tso ? PEER_MAX_LEN : PEER_MTU_LEN;
	}
}

void lab_open(struct lab *lab, const struct lab_config *cfg)
{
	unsigned i;

	lab->cfg = *cfg;
	lab->peer.fd = -1;
	lab->turn = NULL;
	if (!lab->cfg.queues)
		lab->cfg.queues = 1;
	for (i = 0; i < LAB_FLOWS; i++) {
		lab->to_host[i] = (struct stream){ .flow = i, .to_host = true };
		lab->to_guest[i] = (struct stream){ .flow = i };
	}
	start_daemon(lab);
	peer_open(&lab->peer, host_if(lab));
	lab_connect(lab);
}

static void end_daemon(struct lab *lab, int signal)
{
	kill(lab->daemon.pid, signal);
	assert_int_equal(waitpid(lab->daemon.pid, NULL, 0), lab->daemon.pid);
	close(lab->daemon.log_fd);
}

void lab_kill(struct lab *lab)
{
	end_daemon(lab, SIGKILL);
	start_daemon(lab);
}

void lab_close(struct lab *lab)
{
	driver_net_free(lab->net);
	lab->net = NULL;
	peer_close(&lab->peer);
	daemon_stop(&lab->daemon);
	daemon_cleanup(&lab->daemon, false);
}

void lab_cleanup(struct lab *lab)
{
	driver_net_free(lab->net);
	lab->net = NULL;
	if (lab->peer.fd >= 0)
		peer_close(&lab->peer);
	if (lab->daemon.log_fd)
		daemon_cleanup(&lab->daemon, true);
}

static uint32_t under_way(const struct stream *streams)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < LAB_FLOWS; i++)
		n += streams[i].sent - streams[i].seen;
	return n;
}

/* The flows have their turns. */
static struct stream *next_stream(struct stream *streams)
{
	struct stream *s = streams;

	for (unsigned i = 1; i < LAB_FLOWS; i++) {
		if (streams[i].sent < s->sent)
			s = &streams[i];
	}
	return s;
}

static void take_turn(struct lab *lab)
{
	if (lab->turn)
		lab->turn(lab->turn_ctx);
}

/* The following return how many frames they dealt with. */

static unsigned guest_sends(struct lab *lab, unsigned n, unsigned window)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned done, i;
	int err = 0;

	for (done = 0; done < n && done < TURN && under_way(lab->to_host) < window; done++) {
		struct stream *s = next_stream(lab->to_host);
		size_t len = stream_make(s, &hdr, lab->frame);

		err = driver_net_send(lab->net, s->flow % n_pairs(lab), &hdr, lab->frame, len,
				      lab->cfg.flags | DRIVER_NET_MORE);
		if (err)
			break;
		s->sent++;
	}
	if (err && err != -EAGAIN)
		fail_msg("the guest cannot send: %s", strerror(-err));
	for (i = 0; done && i < n_pairs(lab); i++)
		driver_net_flush(lab->net, i);
	return done;
}

static unsigned guest_takes(struct lab *lab)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned done = 0, i;
	ssize_t len;

	for (i = 0; i < n_pairs(lab); i++) {
		len = driver_net_reap(lab->net, i);
		if (len < 0)
			fail_msg("pair %u: the device broke the tx ring", i);
		done += len > 0;
		while ((len = driver_net_receive(lab->net, i, &hdr, lab->frame,
						 sizeof(lab->frame))) >= 0) {
			if (stream_owns(lab->frame, (size_t)len, false))
				stream_take(lab->to_guest, LAB_FLOWS, &hdr, lab->frame,
					    (size_t)len);
			done++;
		}
		if (len != -EAGAIN)
			fail_msg("pair %u: the guest cannot receive: %s", i, strerror((int)-len));
	}
	return done;
}

static unsigned host_sends(struct lab *lab, unsigned n, unsigned window)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned done;

	for (done = 0; done < n && done < TURN && under_way(lab->to_guest) < window; done++) {
		struct stream *s = next_stream(lab->to_guest);
		size_t len = stream_make(s, &hdr, lab->frame);

		if (!peer_send(&lab->peer, &hdr, lab->frame, len))
			break;
		s->sent++;
	}
	return done;
}

static unsigned host_takes(struct lab *lab)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned done = 0;
	ssize_t len;

	while ((len = peer_receive(&lab->peer, &hdr, lab->frame, sizeof(lab->frame))) >= 0) {
		stream_take(lab->to_host, LAB_FLOWS, &hdr, lab->frame, (size_t)len);
		done++;
	}
	if (len != -EAGAIN)
		fail_msg("the host cannot receive: %s", strerror((int)-len));
	return done;
}

void lab_restart(struct lab *lab, int signal)
{
	unsigned i;
	int err;

	end_daemon(lab, signal);
	/* What the host has now was sent; of the rest, none is lost. */
	host_takes(lab);
	for (i = 0; i < LAB_FLOWS; i++) {
		lab->to_host[i].first = lab->to_host[i].seen;
		stream_forget(&lab->to_guest[i]);
	}
	start_daemon(lab);
	err = driver_net_reconnect(lab->net);
	if (err)
		fail_msg("the front-end cannot go on: %s", strerror(-err));
	/* In mid-traffic: what the host sends before is lost, and would be missed for ever. */
	assert_true(peer_wait_link(&lab->peer, host_if(lab)));
}

static bool all_complete(const struct lab *lab)
{
	for (unsigned i = 0; i < n_pairs(lab); i++) {
		if (lab->net->pairs[i].n_tx_free < lab->net->cfg.ring_size)
			return false;
	}
	return true;
}

void lab_traffic(struct lab *lab, unsigned to_host, unsigned to_guest, unsigned window)
{
	struct pollfd p = { .fd = lab->peer.fd, .events = POLLIN };
	unsigned idle = 0, n, sent;

	/* The carrier follows the guest. */
	assert_true(!to_guest || peer_wait_link(&lab->peer, host_if(lab)));
	while (to_host || to_guest || under_way(lab->to_host) || under_way(lab->to_guest) ||
	       !all_complete(lab)) {
		take_turn(lab);
		sent = guest_sends(lab, to_host, window);
		to_host -= sent;
		n = sent + host_takes(lab);
		sent = host_sends(lab, to_guest, window);
		to_guest -= sent;
		n += sent + guest_takes(lab);
		idle = n ? 0 : idle + 1;
		if (!n)
			poll(&p, 1, 1);
		if (idle > PATIENCE_MS)
			fail_msg("nothing moves: %u to host and %u to guest under way, %u and %u "
				 "unsent",
				 under_way(lab->to_host), under_way(lab->to_guest), to_host,
				 to_guest);
	}
}

void lab_host_sends(struct lab *lab, unsigned n)
{
	assert_true(!lab->net || peer_wait_link(&lab->peer, host_if(lab)));
	while (n)
		n -= host_sends(lab, n, UINT32_MAX);
}

/* From here on the device must call when it uses a chain of this ring; nothing is used yet. */
static void want_call(struct lab *lab, unsigned ring)
{
	eventfd_t n;

	(void)!eventfd_read(lab->net->frontend.rings[ring].call_fd, &n);
	assert_false(ring_arm_call(driver_net_ring(lab->net, ring), 0));
}

/* Asleep until the device calls, and has used something. */
static void await_call(struct lab *lab, unsigned ring)
{
	struct pollfd p = { .fd = lab->net->frontend.rings[ring].call_fd, .events = POLLIN };
	struct ring *r = driver_net_ring(lab->net, ring);
	eventfd_t n;

	do {
		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail_msg("ring %u: no call, %u chains used", ring, ring_peek(r));
		assert_int_equal(eventfd_read(p.fd, &n), 0);
	} while (!ring_peek(r));
	ring_disarm_call(r);
}

void lab_ping(struct lab *lab, unsigned n)
{
	struct pollfd p = { .fd = lab->peer.fd, .events = POLLIN };

	assert_true(peer_wait_link(&lab->peer, host_if(lab)));
	while (n--) {
		take_turn(lab);
		want_call(lab, 1);
		assert_int_equal(guest_sends(lab, 1, 1), 1);
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(host_takes(lab), 1);
		await_call(lab, 1);
		want_call(lab, 0);
		assert_int_equal(host_sends(lab, 1, 1), 1);
		await_call(lab, 0);
		guest_takes(lab);
		assert_int_equal(under_way(lab->to_host) + under_way(lab->to_guest), 0);
		assert_true(all_complete(lab));
	}
}

uint64_t lab_counter(struct lab *lab, const char *kind, const char *name)
{
	uint64_t sum = 0;
	char queue[16];

	for (unsigned i = 0; i < lab->cfg.queues; i++) {
		snprintf(queue, sizeof(queue), "%s%u", kind, i);
		sum += daemon_counter(&lab->daemon, queue, name);
	}
	return sum;
}

static uint64_t total(const struct stream *streams)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < LAB_FLOWS; i++)
		n += streams[i].sent;
	return n;
}

void lab_check_counters(struct lab *lab)
{
	static const char *const kinds[] = { "tx", "rx" };
	char queue[16];

	assert_int_equal(lab_counter(lab, "tx", "frames"), total(lab->to_host));
	/* The host may have said something of its own. */
	assert_true(lab_counter(lab, "rx", "frames") >= total(lab->to_guest));
	for (unsigned i = 0; i < 2 * lab->cfg.queues; i++) {
		snprintf(queue, sizeof(queue), "%s%u", kinds[i % 2], i / 2);
		if (daemon_drops(&lab->daemon, queue))
			fail_msg("%s dropped frames", queue);
		assert_int_equal(daemon_counter(&lab->daemon, queue, "broken"), 0);
	}
	assert_int_equal(lab_counter(lab, "tx", "unsafe_plans"), 0);
}
