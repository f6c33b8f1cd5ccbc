/* SPDX-License-Identifier: MIT */
/*
 * The host's end of a tap in a test: an AF_PACKET socket that sends and takes frames with their
 * vnet header, and numbered frames of which every byte is known at the other end.
 */
#ifndef TESTS_NET_PEER_H
#define TESTS_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "virtio/net_hdr.h"

#define PEER_MSS     1448
#define PEER_MIN_LEN 60
#define PEER_MTU_LEN 1514
#define PEER_MAX_LEN 65535

struct peer {
	int fd;
	int ifindex;
};

/* Set the interface up and open it. Fails the test if that cannot be. */
void peer_open(struct peer *peer, const char *ifname);
void peer_close(struct peer *peer);

/*
 * Wait, for two seconds at most, until the host sends through an interface: a moment after its
 * carrier came. False: it does not.
 */
bool peer_wait_link(const struct peer *peer, const char *ifname);

/* False: no room just now. */
bool peer_send(struct peer *peer, const struct virtio_net_hdr_v1 *hdr, const void *frame,
	       size_t len);

/* The next frame of a stream; -EAGAIN: none. Frames of the host's own are passed over. */
ssize_t peer_receive(struct peer *peer, struct virtio_net_hdr_v1 *hdr, void *frame, size_t cap);

/* Run a command of ip(8), such as "link set tap0 down". Fails the test if it fails. */
void peer_ip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Frames of one flow in one direction. What frame seq holds follows from this and seq alone. */
struct stream {
	unsigned flow;
	bool to_host;     /* by the guest, to the host; else the other way */
	uint32_t max_len; /* frames are 60 bytes and up to this; above PEER_MTU_LEN as TSO */
	uint32_t sent;    /* the next to send */
	uint32_t seen;    /* the next to arrive */
	uint32_t first;   /* earlier ones are of a former guest: they may be lost or come late */
};

/* Frame number s->sent; its length. Does not count it as sent. */
size_t stream_make(const struct stream *s, struct virtio_net_hdr_v1 *hdr, uint8_t *frame);

/*
 * Fails the test unless this is frame number s->seen of the stream that the frame names; counts it.
 */
void stream_take(struct stream *streams, unsigned n, const struct virtio_net_hdr_v1 *hdr,
		 const uint8_t *frame, size_t len);

/* What was sent up to here and has not arrived need not do so any more. */
void stream_forget(struct stream *s);

/* Whether this is a frame of a stream in that direction. */
bool stream_owns(const uint8_t *frame, size_t len, bool to_host);

#endif
