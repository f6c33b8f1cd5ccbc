/* SPDX-License-Identifier: MIT */
/*
 * A network interface's queues as a card's queue pairs, by AF_XDP; xdp_tx.c and xdp_rx.c move the
 * frames, this file makes what they move them by, and makes it again when the interface was away.
 *
 * While the interface is lost its sockets are of no use: what the guest sends is dropped and
 * counted. One that only lost its carrier goes on with the sockets that it has; one that was down
 * or made again gets new ones, since the kernel would send from the old ones what waits there.
 * Sockets that were passed in cannot be made again: their interface may go down, but not away.
 */
#include "datapath/backend/xdp.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "datapath/backend/xdp_group.h"
#include "datapath/backend/xdp_link.h"
#include "datapath/backend/xdp_log.h"
#include "datapath/backend/xdp_prog.h"
#include "datapath/backend/xdp_rx.h"
#include "datapath/backend/xdp_sock.h"
#include "datapath/backend/xdp_tx.h"
#include "virtio/base.h"

/*
 * While frames are in flight that no system call completes, or that the kernel left waiting: looked
 * for so often at first, and ever less often while nothing is found. A frame may stay in a shaped
 * queue behind a veth for long.
 */
#define XDP_LOOK_US     50
#define XDP_LOOK_MAX_US 1000

/*
 * The kernel lets go of a queue a moment after its socket was closed: half a second at start, and
 * 60 ms where other cards wait for the control thread.
 */
#define XDP_BIND_TRIES   25
#define XDP_REBIND_TRIES 3

struct xdp_queue {
	struct backend_queue base;
	struct xdp_sock sock;
	struct xdp_tx tx;
	struct xdp_rx rx;
	int epoll;      /* to wait for the socket and rx.group_fd; -1: there is only the socket */
	uint8_t *whole; /* NET_FRAME_MAX bytes, for tx and rx, which take turns */
};

struct xdp_backend {
	struct backend base;
	struct xdp_config cfg; /* ifname and fds are not kept in it */
	struct xdp_link link;
	struct xdp_prog *prog; /* NULL: not attached, or somebody else's */
	bool passed;           /* the sockets were */
	enum xdp_mode mode;    /* what was got */
	unsigned mtu;          /* what set_mtu said last; 0: nothing yet */
	char note[4 * BACKEND_ERR_LEN];
	char describe[128];
	struct xdp_queue *list; /* the queues themselves */
	struct backend_queue *queues[];
};

static struct xdp_queue *xdp_queue_of(struct backend_queue *q)
{
	return container_of(q, struct xdp_queue, base);
}

/* The longest frame that may come or go at an MTU. */
static uint32_t max_len(const struct xdp_sock *s, int mtu)
{
	uint32_t most = xdp_sock_piece(s) * (s->segments ? XDP_SOCK_PIECES : 1);

	return (uint32_t)min_u64((uint32_t)mtu + XDP_LINK_HEADERS, most);
}

static void set_max_len(struct xdp_backend *x)
{
	int mtu = xdp_link_mtu(&x->link);
	unsigned i;

	for (i = 0; mtu > 0 && i < x->base.n_queues; i++)
		store_relaxed(&x->list[i].tx.max_len, max_len(&x->list[i].sock, mtu));
}

static int xdp_start(struct backend *backend, uint64_t features, unsigned hdr_len)
{
	struct xdp_backend *x = container_of(backend, struct xdp_backend, base);
	unsigned i;

	for (i = 0; i < backend->n_queues; i++) {
		struct xdp_queue *q = &x->list[i];

		q->rx.hdr_len = hdr_len;
		q->rx.guest_csum = feature_has(features, VIRTIO_NET_F_GUEST_CSUM);
		if (q->sock.fd >= 0)
			xdp_rx_flush(&q->rx);
	}
	return 0;
}

static int xdp_set_mtu(struct backend *backend, uint16_t mtu)
{
	struct xdp_backend *x = container_of(backend, struct xdp_backend, base);
	int code = xdp_link_raise_mtu(&x->link, mtu);

	if (code)
		return code;
	x->mtu = mtu;
	set_max_len(x);
	return 0;
}

static bool is_down(const struct xdp_backend *x)
{
	unsigned i;

	for (i = 0; i < x->base.n_queues; i++) {
		if (load_relaxed(&x->list[i].tx.down))
			return true;
	}
	return false;
}

static enum backend_health xdp_check(struct backend *backend, char why[BACKEND_ERR_LEN])
{
	struct xdp_backend *x = container_of(backend, struct xdp_backend, base);

	switch (xdp_link_state(&x->link)) {
	case XDP_LINK_UP:
		set_max_len(x);
		if (!is_down(x))
			return BACKEND_HEALTHY;
		snprintf(why, BACKEND_ERR_LEN, "its sockets failed");
		return BACKEND_LOST;
	case XDP_LINK_NO_CARRIER:
		snprintf(why, BACKEND_ERR_LEN, "it has no carrier");
		return BACKEND_LOST;
	case XDP_LINK_DOWN:
		snprintf(why, BACKEND_ERR_LEN, "it is down");
		return BACKEND_LOST;
	case XDP_LINK_GONE:
		break;
	}
	snprintf(why, BACKEND_ERR_LEN, "it was removed%s",
		 x->passed ? ", and its sockets were passed in as fds: they cannot be made again"
			   : "");
	return x->passed ? BACKEND_DEAD : BACKEND_LOST;
}

/* From here on the queue waits for what it has. */
static void set_fds(struct xdp_queue *q)
{
	q->base.frames.fd = q->epoll >= 0 ? q->epoll : q->sock.fd;
}

/* The first queue of a shared interface waits for two fds by one. */
static int open_group(struct xdp_backend *x, char err[BACKEND_ERR_LEN])
{
	struct xdp_queue *q = &x->list[0];
	struct epoll_event ready = { .events = EPOLLIN };

	q->rx.group_fd = xdp_group_open(x->link.name, x->link.ifindex, x->cfg.mac, err);
	if (q->rx.group_fd < 0)
		return q->rx.group_fd;
	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (q->epoll < 0 || epoll_ctl(q->epoll, EPOLL_CTL_ADD, q->sock.fd, &ready) ||
	    epoll_ctl(q->epoll, EPOLL_CTL_ADD, q->rx.group_fd, &ready))
		return xdp_log_failed(err, -errno, "epoll: %s", strerror(errno));
	set_fds(q);
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_queues(struct xdp_backend *x)
{
	unsigned i;

	xdp_prog_free(x->prog);
	x->prog = NULL;
	for (i = 0; i < x->base.n_queues; i++) {
		struct xdp_queue *q = &x->list[i];

		xdp_tx_restart(&q->tx);
		store_relaxed(&q->tx.down, true);
		close_fd(&q->epoll);
		close_fd(&q->rx.group_fd);
		xdp_sock_close(&q->sock);
		set_fds(q);
	}
}

static int attach(struct xdp_backend *x, char err[BACKEND_ERR_LEN])
{
	struct xdp_prog_config cfg = {
		.ifname = x->link.name,
		.ifindex = x->link.ifindex,
		.mode = x->cfg.mode,
		.share = x->cfg.share,
		.has_mac = x->cfg.has_mac,
		.n_queues = x->cfg.start_queue + x->base.n_queues,
	};

	memcpy(cfg.mac, x->cfg.mac, sizeof(cfg.mac));
	return xdp_prog_attach(&x->prog, &cfg, &x->mode, x->note, err);
}

/* A driver's zero-copy goes with its native mode only. */
static enum xdp_copy copy_of(const struct xdp_backend *x)
{
	return x->mode == XDP_MODE_SKB && x->cfg.copy == XDP_COPY_AUTO ? XDP_COPY_FORCE
								       : x->cfg.copy;
}

static int open_queue(struct xdp_backend *x, unsigned i, int fd, unsigned tries,
		      char note[BACKEND_ERR_LEN], char err[BACKEND_ERR_LEN])
{
	struct xdp_queue *q = &x->list[i];
	int mtu = xdp_link_mtu(&x->link), code;
	struct xdp_sock_config cfg = {
		.ifname = x->link.name,
		.ifindex = x->link.ifindex,
		.queue = x->cfg.start_queue + i,
		.fd = fd,
		.copy = copy_of(x),
		.busy_poll_us = x->cfg.busy_poll_us,
		.max_len = (uint32_t)(mtu > 0 ? mtu : 1500) + XDP_LINK_HEADERS,
		.meta = x->link.meta,
		.tries = tries,
	};

	code = xdp_sock_open(&q->sock, &cfg, note, err);
	if (code)
		return code;
	if (x->prog)
		code = xdp_prog_set_socket(x->prog, cfg.queue, q->sock.fd);
	if (code)
		return xdp_log_failed(err, code, "queue %u of %s does not get its socket: %s",
				      cfg.queue, x->link.name, strerror(-code));
	q->rx.local = x->link.local;
	q->rx.dropped = 0;
	set_fds(q);
	return 0;
}

/* The tx halves begin anew, with sockets that are all open. */
static void restart(struct xdp_backend *x)
{
	unsigned i;

	for (i = 0; i < x->base.n_queues; i++)
		xdp_tx_restart(&x->list[i].tx);
	set_max_len(x);
}

/* One thing more that it has to do without. */
static void add_note(struct xdp_backend *x, const char *fmt, ...)
{
	size_t len = strlen(x->note);
	va_list args;

	va_start(args, fmt);
	len += (size_t)snprintf(x->note + len, sizeof(x->note) - len, "%s", len ? "; " : "");
	vsnprintf(x->note + len, sizeof(x->note) - len, fmt, args);
	va_end(args);
}

/* What keeps frames for the guest from the card's queues. */
static void note_missing_frames(struct xdp_backend *x)
{
	const struct xdp_link *l = &x->link;

	if (l->n_queues > x->base.n_queues)
		add_note(x,
			 "frames of %u of the %u queues of %s: those that come to others are the "
			 "host's (--queues, ethtool -L %s combined N, or ethtool -X)",
			 x->base.n_queues, l->n_queues, l->name, l->name);
	if (x->mode == XDP_MODE_SKB && !x->passed)
		add_note(x,
			 "frames that a sender on this host leaves to be segmented (TSO) are lost "
			 "in generic mode");
}

static void describe(struct xdp_backend *x)
{
	const struct xdp_sock *s = &x->list[0].sock;
	unsigned n = x->base.n_queues;
	char queues[32];

	if (n > 1)
		snprintf(queues, sizeof(queues), "queues %u to %u", x->cfg.start_queue,
			 x->cfg.start_queue + n - 1);
	else
		snprintf(queues, sizeof(queues), "queue %u", x->cfg.start_queue);
	snprintf(x->describe, sizeof(x->describe), "xdp %s (%s, %s%s%s)", x->link.name, queues,
		 x->passed                 ? "passed in, "
		 : x->mode == XDP_MODE_SKB ? "generic, "
					   : "native, ",
		 s->zerocopy ? "zero-copy" : "copy", s->meta ? ", csum by the kernel" : "");
}

/*
 * A card passes on what is for its own address, and the guest has another. A veth passes on
 * everything; on a shared interface xdp_group_open() sees to it, and with sockets that were passed
 * in, whoever made them.
 */
static int take_all(struct xdp_backend *x, char err[BACKEND_ERR_LEN])
{
	int code = x->passed || x->link.local || x->cfg.share ? 0 : xdp_link_promisc(&x->link);

	return code ? xdp_log_failed(err, code, "%s does not become promiscuous: %s", x->link.name,
				     strerror(-code))
		    : 0;
}

/* Program and sockets, new. On failure all are closed. */
static int open_queues(struct xdp_backend *x, const int *fds, unsigned tries,
		       char err[BACKEND_ERR_LEN])
{
	char note[BACKEND_ERR_LEN] = "";
	unsigned i;
	int code = 0;

	x->note[0] = '\0';
	if (!x->passed)
		code = attach(x, err);
	if (!code)
		code = take_all(x, err);
	for (i = 0; !code && i < x->base.n_queues; i++)
		code = open_queue(x, i, fds ? fds[i] : -1, tries, note, err);
	if (!code && x->cfg.share)
		code = open_group(x, err);
	if (code) {
		close_queues(x);
		return code;
	}
	restart(x);
	if (*note)
		add_note(x, "%s", note);
	note_missing_frames(x);
	describe(x);
	return 0;
}

static int check_queues(const struct xdp_backend *x, char err[BACKEND_ERR_LEN])
{
	unsigned last = x->cfg.start_queue + x->base.n_queues - 1;

	if (!x->link.n_queues || last < x->link.n_queues)
		return 0;
	return xdp_log_failed(err, -EINVAL,
			      "%s has %u queue%s, from 0 on: there is no queue %u (ethtool -L %s "
			      "changes how many, --queues how many are used)",
			      x->link.name, x->link.n_queues, x->link.n_queues == 1 ? "" : "s",
			      last, x->link.name);
}

/* Has what was lost left the sockets as they were? */
static bool is_unharmed(const struct xdp_backend *x)
{
	return x->list[0].sock.fd >= 0 && !is_down(x);
}

static int state_failed(const struct xdp_backend *x, char err[BACKEND_ERR_LEN])
{
	switch (xdp_link_state(&x->link)) {
	case XDP_LINK_UP:
		return 0;
	case XDP_LINK_NO_CARRIER:
		return xdp_log_failed(err, -ENODEV, "%s has no carrier", x->link.name);
	case XDP_LINK_DOWN:
		return xdp_log_failed(err, -ENODEV, "%s is down", x->link.name);
	case XDP_LINK_GONE:
		break;
	}
	return xdp_log_failed(err, -ENODEV, "there is no interface %s", x->link.name);
}

/* Sockets that were passed in go on; what waits in them leaves late, and was counted as lost. */
static int revive(struct xdp_backend *x)
{
	unsigned i;

	for (i = 0; i < x->base.n_queues; i++)
		store_relaxed(&x->list[i].tx.down, false);
	set_max_len(x);
	return 0;
}

/*
 * A new interface of the old one's name. It may take a while to be up: the sockets, which are the
 * old one's, must not be taken for its own then.
 */
static int find_again(struct xdp_backend *x, char err[BACKEND_ERR_LEN])
{
	if (x->passed)
		return xdp_log_failed(err, -EBADFD,
				      "sockets that were passed in as fds cannot be made again");
	close_queues(x);
	return xdp_link_find(&x->link, err);
}

static int xdp_reopen(struct backend *backend, char err[BACKEND_ERR_LEN])
{
	struct xdp_backend *x = container_of(backend, struct xdp_backend, base);
	int code = 0;

	if (xdp_link_state(&x->link) == XDP_LINK_GONE)
		code = find_again(x, err);
	if (!code)
		code = check_queues(x, err);
	if (!code)
		code = state_failed(x, err);
	if (code)
		return code;
	if (x->passed || is_unharmed(x))
		return revive(x);
	close_queues(x);
	if (x->mtu)
		xdp_link_raise_mtu(&x->link, x->mtu);
	return open_queues(x, NULL, XDP_REBIND_TRIES, err);
}

static void xdp_free(struct backend *backend)
{
	struct xdp_backend *x = container_of(backend, struct xdp_backend, base);
	unsigned i;

	close_queues(x);
	for (i = 0; i < backend->n_queues; i++)
		free(x->list[i].whole);
	xdp_link_deinit(&x->link);
	free(x->list);
	free(x);
}

static unsigned xdp_send_frames(struct backend_queue *q, const struct frame *frames, unsigned n,
				struct tx_stats *stats)
{
	return xdp_tx_send(&xdp_queue_of(q)->tx, frames, n, stats);
}

static unsigned xdp_done(struct backend_queue *q)
{
	unsigned n = xdp_tx_done(&xdp_queue_of(q)->tx);

	q->done.look_us = n ? XDP_LOOK_US : (uint32_t)min_u64(2 * q->done.look_us, XDP_LOOK_MAX_US);
	q->room.look_us = q->done.look_us;
	return n;
}

static bool xdp_cancel(struct backend_queue *q, struct tx_stats *stats)
{
	xdp_tx_cancel(&xdp_queue_of(q)->tx, stats);
	return true;
}

static unsigned xdp_receive(struct backend_queue *base, struct frame *frames, unsigned n,
			    struct spill *spill, struct rx_stats *stats)
{
	struct xdp_queue *q = xdp_queue_of(base);

	spill->used = 0;
	return q->sock.fd >= 0 ? xdp_rx_receive(&q->rx, frames, n, spill, stats) : 0;
}

static int xdp_send_word(struct backend *backend, const void *frame, unsigned len)
{
	struct xdp_backend *x = container_of(backend, struct xdp_backend, base);

	return xdp_tx_word(&x->list[0].tx, frame, len);
}

static const struct backend_ops xdp_ops = {
	.name = "xdp",
	.start = xdp_start,
	.set_mtu = xdp_set_mtu,
	.check = xdp_check,
	.reopen = xdp_reopen,
	.free = xdp_free,
	.tx = xdp_send_frames,
	.tx_done = xdp_done,
	.tx_cancel = xdp_cancel,
	.rx = xdp_receive,
	.send = xdp_send_word,
};

static int init_queue(struct xdp_queue *q, const struct xdp_config *cfg)
{
	q->base = (struct backend_queue){
		.ops = &xdp_ops,
		.room = { .fd = -1, .look_us = XDP_LOOK_US },
		.done = { .fd = -1, .look_us = XDP_LOOK_US },
		.frames = { .fd = -1, .events = POLLIN },
		.vhost_fd = -1,
	};
	q->sock.fd = q->epoll = -1;
	q->whole = malloc(NET_FRAME_MAX);
	xdp_tx_init(&q->tx, &q->sock);
	q->tx.whole = q->whole;
	q->rx = (struct xdp_rx){ .sock = &q->sock,
				 .hdr_len = NET_HDR_LEN,
				 .busy_poll = cfg->busy_poll_us,
				 .group_fd = -1,
				 .whole = q->whole };
	return q->whole ? 0 : -ENOMEM;
}

static struct xdp_backend *make(const struct xdp_config *cfg, unsigned n)
{
	struct xdp_backend *x = calloc(1, sizeof(*x) + n * sizeof(x->queues[0]));
	int code = 0;
	unsigned i;

	if (!x)
		return NULL;
	x->cfg = *cfg;
	x->passed = cfg->fds;
	x->link.sock = x->link.promisc = -1;
	x->list = calloc(n, sizeof(*x->list));
	x->base = (struct backend){
		.ops = &xdp_ops,
		.features = FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_CSUM) |
			    FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURES_HOST_TSO |
			    FEATURE(VIRTIO_NET_F_HOST_USO),
		.n_queues = x->list ? n : 0,
		.queues = x->queues,
		.describe = x->describe,
		.note = x->note,
	};
	for (i = 0; i < x->base.n_queues; i++) {
		x->queues[i] = &x->list[i].base;
		code |= init_queue(&x->list[i], cfg);
	}
	if (!code && x->list)
		return x;
	xdp_free(&x->base);
	return NULL;
}

static int set_up(struct xdp_backend *x, const struct xdp_config *cfg, char err[BACKEND_ERR_LEN])
{
	int code = xdp_link_init(&x->link, cfg->ifname, err);

	if (!code)
		code = xdp_link_find(&x->link, err);
	if (!code)
		code = check_queues(x, err);
	if (!code && xdp_link_state(&x->link) == XDP_LINK_DOWN)
		code = xdp_log_failed(err, -ENETDOWN, "%s is down: ip link set %s up", cfg->ifname,
				      cfg->ifname);
	return code ? code : open_queues(x, cfg->fds, XDP_BIND_TRIES, err);
}

int xdp_backend_new(struct backend **backend, const struct xdp_config *cfg, unsigned n_queues,
		    char err[BACKEND_ERR_LEN])
{
	struct xdp_backend *x;
	int code;

	if (!n_queues || n_queues > XDP_MAX_QUEUES)
		return xdp_log_failed(err, -EINVAL, "an interface has 1 to %d queues, not %u",
				      XDP_MAX_QUEUES, n_queues);
	x = make(cfg, n_queues);
	if (!x)
		return xdp_log_failed(err, -ENOMEM, "no memory for an interface's queues");
	code = set_up(x, cfg, err);
	if (code) {
		xdp_free(&x->base);
		return code;
	}
	x->cfg.ifname = NULL;
	x->cfg.fds = NULL;
	*backend = &x->base;
	return 0;
}
