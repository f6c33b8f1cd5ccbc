/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of an AF_XDP socket, over plain memory: datapath/backend/xdp_{tx,rx}.c run on
 * it as on a real one; xdp_group.h's packet socket beside it. Link with
 * -Wl,--wrap=sendto,--wrap=recvfrom,--wrap=getsockopt.
 *
 * On the way out it goes as __xsk_generic_xmit() of net/xdp/xsk.c: 32 descriptors a call, and a
 * consumer index that lags in one of three ways. It carries out the metadata in front of a frame by
 * a checksum of its own. What no kernel could work with (descriptors outside of chunks, a chunk
 * that is its own already, bytes that change before they are complete) fails the test.
 */
#ifndef TESTS_UNIT_XDP_FAKE_H
#define TESTS_UNIT_XDP_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/backend/xdp_sock.h"
#include "virtio/net_hdr.h"

/* When user space sees the consumer index of the tx ring. */
enum xdp_fake_shows {
	XDP_FAKE_ALWAYS, /* at the end of each call: Linux 6.18.44 */
	XDP_FAKE_SENT,   /* at the end of each call in which a frame was sent: 6.17 */
	XDP_FAKE_LATE,   /* when all that the kernel knew of is taken: before 6.17 */
	XDP_FAKE_SHOWS,
};

struct xdp_fake {
	struct xdp_sock sock; /* for what is under test */

	/* What it shall do; may be changed at any time. */
	enum xdp_fake_shows shows;
	bool hold;     /* completions wait for xdp_fake_complete() */
	uint64_t drop; /* bit i: the frame after i others is lost, and the call says EBUSY */
	unsigned busy; /* so many times the device has no room: EAGAIN, nothing taken */
	int code;      /* the next n_codes calls end with it after code_after frames */
	unsigned n_codes, code_after;
	/* A frame of n chunks was taken and sent, or dropped. May be NULL. */
	void (*wire)(void *ctx, const uint8_t *bytes, uint32_t len, unsigned n, bool dropped);
	/* A chunk of the frame with this tag is complete. May be NULL. */
	void (*complete)(void *ctx, uint64_t tag);
	void *ctx;
	struct xdp_statistics kernel;
	/* What xdp_group_read() gives next, in turn; len 0: nothing more, negative: its error. */
	struct {
		struct virtio_net_hdr_v1 hdr;
		const uint8_t *bytes;
		int len;
	} group[8];
	unsigned group_at;

	/* What it saw. */
	unsigned n_sendto, n_recvfrom, n_getsockopt, n_lost;

	/* Private. */
	uint32_t cached_prod, cached_cons, fill_seen, fill_cons, rx_prod;
	struct {
		uint64_t addr;
		uint64_t tag;
		uint64_t sum;
		uint32_t len;
	} held[XDP_TX_CHUNKS];
	unsigned n_held;
	unsigned n_part;           /* descriptors taken of a frame that goes on */
	bool taken[XDP_TX_CHUNKS]; /* by the kernel, and not complete */
	bool out[XDP_RX_CHUNKS]; /* it is the socket's: neither in the fill ring nor the kernel's */
	uint8_t *frame;          /* NET_FRAME_MAX bytes, as long as a frame of the wire */
	uint32_t words[4][3];
};

/* Where a frame says which it is: 8 bytes, behind the headers of TCP over IPv4. */
#define XDP_FAKE_TAG_AT 56

/* chunk_shift: 11 or 12; all indices begin at idx. */
void xdp_fake_init(struct xdp_fake *k, unsigned chunk_shift, uint32_t idx);
void xdp_fake_deinit(struct xdp_fake *k);

/* Post completions that were held: n of them, the oldest first or, with random, any. How many. */
unsigned xdp_fake_complete(struct xdp_fake *k, unsigned n, uint64_t *random);
/* Post number i of those that are held. */
void xdp_fake_complete_at(struct xdp_fake *k, unsigned i);
/* A driver's zero-copy: takes up to n frames off the tx ring, and says so at once. */
void xdp_fake_poll(struct xdp_fake *k, unsigned n);

/*
 * A frame comes, in chunks that hold piece bytes each. Not seen before xdp_fake_show(). False: no
 * room; it is counted.
 */
bool xdp_fake_give(struct xdp_fake *k, const void *bytes, uint32_t len, uint32_t piece);
/* The descriptors of the rx ring but the last n can be seen. */
void xdp_fake_show(struct xdp_fake *k, unsigned n);
/* Look at the fill ring. How many rx chunks are the kernel's. */
unsigned xdp_fake_filled(struct xdp_fake *k);

/*
 * The checksum as RFC 1071 has it, byte by byte: of all from csum_start on, into its field; where
 * that is UDP's, 0 becomes 0xffff.
 */
void xdp_fake_csum(uint8_t *bytes, uint32_t len, uint16_t csum_start, uint16_t csum_offset);

#endif
