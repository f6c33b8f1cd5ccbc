/* SPDX-License-Identifier: MIT */
/*
 * A guest's network card in this process: memory, rings and front-end put together, so that a test
 * says "send this frame" and "what arrived?". Simple before fast: frames are copied in and out; a
 * bench fills pairs[].rx and tx by itself with the verbs of ring.h.
 *
 * Owner: one thread, which may be another for each pair once the device runs.
 */
#ifndef VIRTIO_DRIVER_NET_H
#define VIRTIO_DRIVER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "virtio/driver/arena.h"
#include "virtio/driver/frontend.h"
#include "virtio/driver/ring.h"
#include "virtio/features.h"
#include "virtio/net_hdr.h"

/* What a present-day Linux guest takes of what is offered, the packed ring aside. */
#define DRIVER_NET_FEATURES \
	((FEATURES_RING & ~FEATURE(VIRTIO_F_RING_PACKED)) | \
	 FEATURE(VHOST_USER_F_PROTOCOL_FEATURES) | FEATURE(VIRTIO_NET_F_CSUM) | \
	 FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURES_HOST_TSO | FEATURES_GUEST_LARGE | \
	 FEATURE(VIRTIO_NET_F_HOST_USO) | FEATURE(VIRTIO_NET_F_MRG_RXBUF) | \
	 FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_STATUS))

#define DRIVER_NET_PROTOCOL \
	(FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_RARP) | \
	 FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | FEATURE(VHOST_USER_PROTOCOL_F_MTU) | \
	 FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | \
	 FEATURE(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS) | \
	 FEATURE(VHOST_USER_PROTOCOL_F_STATUS))

/* Most descriptors of one frame. */
#define DRIVER_NET_MAX_PARTS 256

struct driver_net_config {
	/* The back-end: a connected socket (owned from here on, also on failure) if path is NULL */
	const char *path;
	bool server; /* listen at path and let the back-end connect */
	int fd;
	int timeout_ms; /* of each answer; 0: FRONTEND_TIMEOUT_MS */

	uint64_t features; /* wanted: taken where offered */
	uint64_t protocol; /* likewise */
	uint16_t mtu;      /* told to the back-end if not 0 */

	unsigned n_pairs;
	unsigned ring_size;
	uint16_t base;       /* entries that went through each ring before */
	unsigned rx_buf_len; /* with header; 0: as the features need */
	unsigned rx_parts;   /* descriptors of one rx buffer; 0: 1 */
	unsigned tx_buf_len; /* of a frame's pieces, at least a header; 0: 2048 */
	unsigned table_len;  /* descriptors of an indirect table; 0: none */
	bool hugetlb;
};

struct driver_net_pair {
	struct ring rx;
	struct ring tx;
	/* What the front-end knows of both: from a new ring, or the last GET_VRING_BASE. */
	uint32_t base[2];
	uint8_t *rx_bufs; /* n_rx of them, rx_stride apart */
	uint64_t rx_gpa;
	uint8_t *tx_bufs; /* ring_size of them, tx_stride apart */
	uint64_t tx_gpa;
	uint16_t *tx_free; /* a stack of those not in flight */
	uint16_t *tx_next; /* for each: the next piece of the same frame */
	unsigned n_tx_free;
	uint64_t forced_kicks; /* the ring was full */
};

struct driver_net {
	struct driver_net_config cfg; /* defaults filled in */
	struct frontend frontend;
	struct arena arena;
	uint64_t features; /* negotiated */
	unsigned hdr_len;
	unsigned n_rx; /* rx buffers of a pair */
	unsigned rx_stride;
	unsigned tx_stride;
	struct driver_net_pair *pairs;
};

/*
 * Connect, negotiate, share memory, post rx buffers, start and enable all rings. 0, or a negative
 * errno of frontend.h, of arena.h, -EINVAL (a size), or -ENOTSUP: the back-end has fewer queue
 * pairs.
 */
int driver_net_new(struct driver_net **net, const struct driver_net_config *cfg);
/* Hangs up; the back-end sees the front-end go. Takes NULL. */
void driver_net_free(struct driver_net *net);

/* Stop all rings; -EPROTO: an index that cannot be. What is in flight stays so. */
int driver_net_stop(struct driver_net *net);
/*
 * Go on where the device stopped, as far as QEMU knows it: of a split ring by its used index, which
 * all completed chains are behind; of a packed ring at the base of its first start, or of the last
 * stop.
 */
int driver_net_start(struct driver_net *net);
/*
 * A guest's reboot: RESET_DEVICE (where negotiated), rings empty, features and buffers as at
 * first.
 */
int driver_net_reset(struct driver_net *net);
/*
 * RING_RESET of one ring (2 * pair: rx, 2 * pair + 1: tx) while the others run: stop it, then start
 * it anew with buffers as at first. Between the two calls, chains that the device used can still be
 * taken; chains that it did not see are lost with the restart.
 */
int driver_net_ring_stop(struct driver_net *net, unsigned ring);
int driver_net_ring_restart(struct driver_net *net, unsigned ring);
/*
 * The back-end is gone: connect to its successor and go on as driver_net_start() does, which is to
 * say where a packed ring once began. -ENOTSUP: it offers less.
 */
int driver_net_reconnect(struct driver_net *net);

/* How send lays a frame out. */
enum driver_net_flag {
	DRIVER_NET_HEADER_APART =
		1, /* the header in a descriptor of its own, as drivers before 1.0 do */
	DRIVER_NET_INDIRECT = 2, /* in an indirect table; not negotiated or too short: -EINVAL */
	DRIVER_NET_MORE = 4,     /* more follows: neither submit nor kick yet */
};

/*
 * Offer one frame of len bytes behind hdr (its first 10 or 12 bytes are sent; NULL: all zero).
 * -EAGAIN: the ring is full; what was held back is submitted and the device kicked: reap, then
 * again. -EMSGSIZE: more than DRIVER_NET_MAX_PARTS pieces, or than the ring has.
 */
int driver_net_send(struct driver_net *net, unsigned pair, const struct virtio_net_hdr_v1 *hdr,
		    const void *frame, size_t len, unsigned flags);

/* Submit what DRIVER_NET_MORE held back and kick if wanted. */
void driver_net_flush(struct driver_net *net, unsigned pair);

/* Take back sent frames: how many, or -EPROTO: the device broke the ring (pairs[].tx.fault). */
int driver_net_reap(struct driver_net *net, unsigned pair);

/*
 * The next frame, put together from its buffers, which are posted again. Its length; -EAGAIN: none;
 * -EMSGSIZE: longer than cap, and lost; -EPROTO: the device broke the ring or the header is wrong.
 */
ssize_t driver_net_receive(struct driver_net *net, unsigned pair, struct virtio_net_hdr_v1 *hdr,
			   void *frame, size_t cap);

/*
 * Wait for used chains in a ring (2 * pair: rx, 2 * pair + 1: tx), asleep on its call eventfd.
 * How many wait, as ring_peek() counts, or -ETIMEDOUT.
 */
int driver_net_wait(struct driver_net *net, unsigned ring, int timeout_ms);

static inline struct ring *driver_net_ring(struct driver_net *net, unsigned ring)
{
	struct driver_net_pair *p = &net->pairs[ring / 2];

	return ring % 2 ? &p->tx : &p->rx;
}

#endif
