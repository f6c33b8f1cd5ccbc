/* SPDX-License-Identifier: MIT */
/* Frames through a tap backend, one at a time. */
#include "tests/net/world.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A veth's frames are brought by a thread of the kernel where the CPUs are busy. */
#define COMES_MS 10000

int world_set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->spill.buf = malloc(SPILL_SIZE);
	assert_non_null(w->spill.buf);
	w->peer.fd = -1;
	w->in = (struct stream){ .max_len = PEER_MTU_LEN };
	w->out = (struct stream){ .max_len = PEER_MAX_LEN, .to_host = true };
	*state = w;
	return 0;
}

int world_tear_down(void **state)
{
	struct world *w = *state;

	if (w->peer.fd >= 0)
		peer_close(&w->peer);
	backend_free(w->backend);
	free(w->spill.buf);
	free(w);
	/* Of a test that failed; the next one needs the name. */
	(void)!system("ip link del " NAME " 2>/dev/null");
	return 0;
}

void world_open_tap(struct world *w, unsigned n_queues, uint64_t features)
{
	char err[BACKEND_ERR_LEN];

	if (tap_backend_new(&w->backend, NAME, n_queues, err))
		fail_msg("%s", err);
	assert_int_equal(w->backend->ops->start(w->backend, features, NET_HDR_LEN), 0);
	peer_open(&w->peer, NAME);
}

void world_host_sends(struct world *w)
{
	struct virtio_net_hdr_v1 hdr;
	size_t len = stream_make(&w->in, &hdr, w->frame);

	assert_true(peer_send(&w->peer, &hdr, w->frame, len));
	w->in.sent++;
}

static unsigned rx_within(struct world *w, unsigned q, struct frame *f, int ms)
{
	struct backend_queue *bq = w->backend->queues[q];
	struct pollfd p = { .fd = bq->frames.fd, .events = bq->frames.events };

	if (poll(&p, 1, ms) <= 0)
		return 0;
	return bq->ops->rx(bq, f, 1, &w->spill, &w->rx_stats);
}

unsigned world_rx(struct world *w, unsigned q, struct frame *f)
{
	return rx_within(w, q, f, 200);
}

void world_guest_takes(struct world *w, uint32_t room, unsigned n)
{
	static struct iovec iov[IOV_MAX];
	struct frame f = { .iov = iov, .n_iov = (uint16_t)n, .len = room };
	struct virtio_net_hdr_v1 hdr;
	unsigned i;

	for (i = 0; i < n; i++)
		iov[i] = (struct iovec){ w->room + (size_t)i * (room / n),
					 i + 1 < n ? room / n : room - (n - 1) * (room / n) };
	assert_int_equal(rx_within(w, w->queue, &f, COMES_MS), 1);
	assert_int_equal(w->spill.used ? f.len : 0, w->spill.used ? room : 0);
	memcpy(w->room + f.len, w->spill.buf, w->spill.used);
	memcpy(&hdr, w->room, sizeof(hdr));
	stream_take(&w->in, 1, &hdr, w->room + NET_HDR_LEN, f.len + w->spill.used - NET_HDR_LEN);
}

void world_guest_sends(struct world *w, unsigned n, bool in_place)
{
	struct iovec iov[8];
	struct frame f = { .iov = iov, .n_iov = (uint16_t)n, .n_chains = 1, .in_place = in_place };
	struct backend_queue *q = w->backend->queues[w->queue];
	uint8_t *payload = w->frame + NET_HDR_LEN;
	unsigned i;

	f.len = (uint32_t)stream_make(&w->out, &f.hdr, payload);
	memcpy(w->frame, &f.hdr, NET_HDR_LEN);
	if (!in_place)
		memset(w->frame, 0xff, NET_HDR_LEN);
	for (i = 0; i < n; i++)
		iov[i] = (struct iovec){ payload + i * (f.len / n),
					 i + 1 < n ? f.len / n : f.len - i * (f.len / n) };
	assert_int_equal(q->ops->tx(q, &f, 1, &w->tx_stats), 1);
	w->out.sent++;
}

void world_host_takes(struct world *w)
{
	struct pollfd p = { .fd = w->peer.fd, .events = POLLIN };
	struct virtio_net_hdr_v1 hdr;
	ssize_t len;

	do {
		len = peer_receive(&w->peer, &hdr, w->room, sizeof(w->room));
	} while (len == -EAGAIN && poll(&p, 1, COMES_MS) > 0);
	if (len < 0)
		fail_msg("frame %u did not reach the host: %s", w->out.seen, strerror((int)-len));
	stream_take(&w->out, 1, &hdr, w->room, (size_t)len);
}
