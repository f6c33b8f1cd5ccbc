/* SPDX-License-Identifier: MIT */
/*
 * How a frame comes in by AF_XDP: its descriptors are taken off the rx ring, xdp_rx_deliver copies
 * header and payload into guest memory, and xdp_rx_recycle gives the chunks back to the fill ring.
 *
 * A frame from a socket of this host has a partial checksum: the field holds the sum of the
 * pseudo-header only. The driver is told so (NEEDS_CSUM), or the sum is completed for one that
 * cannot. Nothing else is said of a checksum: a wrong one stays wrong.
 */
#include "datapath/backend/xdp_rx.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/backend/xdp_group.h"
#include "datapath/offload.h"

/* How often the kernel's counters are asked: each so many times that the ring has been emptied. */
#define XDP_RX_LOOKS 64

/* A frame as it came: pieces in the UMEM. */
struct xdp_rx_frame {
	uint32_t n;   /* descriptors */
	uint32_t len; /* bytes */
};

static struct xdp_desc *desc_at(const struct xdp_rx *r, uint32_t i)
{
	return xdp_ring_desc(&r->sock->rx, r->sock->rx.idx + i);
}

static uint8_t *bytes_of(const struct xdp_rx *r, const struct xdp_desc *d)
{
	return r->sock->umem + d->addr;
}

/* The next frame of the ring; false: there is none that is there as a whole. */
static bool next_frame(struct xdp_rx *r, struct xdp_rx_frame *f)
{
	const struct xdp_desc *d;

	*f = (struct xdp_rx_frame){ 0 };
	while (xdp_ring_ready(&r->sock->rx, f->n + 1) > f->n) {
		d = desc_at(r, f->n++);
		f->len += d->len;
		if (!(d->options & XDP_SOCK_CONTINUES))
			return true;
	}
	return false;
}

/* Its chunks are the kernel's again, once xdp_rx_publish() says so. */
static void recycle(struct xdp_rx *r, const struct xdp_rx_frame *f)
{
	struct xdp_ring *fill = &r->sock->fill;
	uint64_t mask = (1ULL << r->sock->chunk_shift) - 1;
	uint32_t i;

	for (i = 0; i < f->n; i++)
		*xdp_ring_addr(fill, fill->idx++) = desc_at(r, i)->addr & ~mask;
	r->sock->rx.idx += f->n;
}

static void publish(struct xdp_rx *r)
{
	xdp_ring_release(&r->sock->rx);
	xdp_ring_submit(&r->sock->fill);
}

/* Put the pieces of a frame together. */
static uint8_t *join(const struct xdp_rx *r, const struct xdp_rx_frame *f)
{
	uint8_t *to = r->whole;
	uint32_t i;

	for (i = 0; i < f->n; to += desc_at(r, i++)->len)
		memcpy(to, bytes_of(r, desc_at(r, i)), desc_at(r, i)->len);
	return r->whole;
}

/*
 * The frame's header. A checksum that has to be completed is completed where the frame lies, in its
 * chunk or put together; that is returned.
 */
static const uint8_t *describe(const struct xdp_rx *r, const struct xdp_rx_frame *f,
			       struct virtio_net_hdr_v1 *hdr)
{
	uint8_t *bytes = f->n > 1 ? join(r, f) : bytes_of(r, desc_at(r, 0));

	if (!r->local || !offload_is_partial(bytes, f->len, hdr) || r->guest_csum)
		return bytes;
	offload_csum(bytes, f->len, hdr);
	*hdr = (struct virtio_net_hdr_v1){ 0 };
	return bytes;
}

/* len bytes and their header into `to`. */
static void deliver(const struct xdp_rx *r, const struct virtio_net_hdr_v1 *hdr,
		    const uint8_t *bytes, uint32_t len, struct frame *to, struct spill *spill)
{
	struct frame_cursor cursor = { .iov = to->iov, .room = to->len, .spill = spill };

	if (r->hdr_len + len <= to->iov->iov_len) {
		frame_put_header(to->iov->iov_base, hdr);
		memcpy((uint8_t *)to->iov->iov_base + r->hdr_len, bytes, len);
	} else {
		frame_copy(&cursor, (const uint8_t *)hdr, r->hdr_len);
		frame_copy(&cursor, bytes, len);
	}
	to->len = r->hdr_len + len - spill->used;
}

/* Frames of the AF_XDP socket. Returns how many. */
static unsigned take_frames(struct xdp_rx *r, struct frame *frames, unsigned n, struct spill *spill,
			    struct rx_stats *stats)
{
	struct virtio_net_hdr_v1 hdr;
	struct xdp_rx_frame f;
	const uint8_t *bytes;
	unsigned got = 0;

	while (got < n && !spill->used && next_frame(r, &f)) {
		if (f.len >= NET_FRAME_MIN && f.len <= NET_FRAME_MAX) {
			memset(&hdr, 0, sizeof(hdr));
			bytes = describe(r, &f, &hdr);
			deliver(r, &hdr, bytes, f.len, &frames[got++], spill);
		} else {
			count_add(&stats->drop_size, 1);
		}
		recycle(r, &f);
	}
	publish(r);
	return got;
}

/* What the packet socket says of the frame in r->whole, in words that the driver knows. */
static void translate(const struct xdp_rx *r, struct virtio_net_hdr_v1 *hdr, uint32_t len)
{
	bool partial = hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	if (partial && !r->guest_csum)
		offload_csum(r->whole, len, hdr);
	if (!partial || !r->guest_csum)
		memset(hdr, 0, sizeof(*hdr));
}

/*
 * Frames to groups. One that is yet to be segmented is dropped: no driver was promised any, and
 * nobody sends such to a group but by UDP_SEGMENT.
 */
static unsigned take_group(struct xdp_rx *r, struct frame *frames, unsigned n, struct spill *spill,
			   struct rx_stats *stats)
{
	struct virtio_net_hdr_v1 hdr;
	unsigned got = 0, tries;
	int len;

	for (tries = 0; tries < n && !spill->used; tries++) {
		memset(&hdr, 0, sizeof(hdr));
		len = xdp_group_read(r->group_fd, &hdr, r->whole, NET_FRAME_MAX);
		if (len == -EAGAIN || len == -ENETDOWN)
			break;
		if (len < NET_FRAME_MIN || hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
			count_add(&stats->drop_backend, 1);
			continue;
		}
		translate(r, &hdr, (uint32_t)len);
		deliver(r, &hdr, r->whole, (uint32_t)len, &frames[got++], spill);
	}
	return got;
}

/* What the kernel threw away for want of room. */
static void count_dropped(struct xdp_rx *r, struct rx_stats *stats)
{
	struct xdp_statistics kernel = { 0 };
	socklen_t len = sizeof(kernel);
	uint64_t dropped;

	r->n_looks = 0;
	if (getsockopt(r->sock->fd, SOL_XDP, XDP_STATISTICS, &kernel, &len))
		return;
	dropped = kernel.rx_dropped + kernel.rx_ring_full;
	count_add(&stats->drop_backend, dropped - r->dropped);
	r->dropped = dropped;
}

unsigned xdp_rx_receive(struct xdp_rx *r, struct frame *frames, unsigned n, struct spill *spill,
			struct rx_stats *stats)
{
	bool crowded;
	unsigned got;

	if (r->busy_poll)
		recvfrom(r->sock->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	crowded = xdp_ring_ready(&r->sock->rx, 1) > XDP_RX_CHUNKS / 2;
	spill->used = 0;
	got = take_frames(r, frames, n, spill, stats);
	if (r->group_fd >= 0 && !spill->used)
		got += take_group(r, &frames[got], n - got, spill, stats);
	if (r->flushed) {
		count_add(&stats->drop_backend, r->flushed);
		r->flushed = 0;
	}
	if (crowded || (got < n && ++r->n_looks == XDP_RX_LOOKS))
		count_dropped(r, stats);
	/* A driver that ran out of chunks waits for a call. */
	if (xdp_ring_needs_wakeup(&r->sock->fill) && !r->busy_poll)
		recvfrom(r->sock->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	return got;
}

void xdp_rx_flush(struct xdp_rx *r)
{
	struct xdp_rx_frame f;

	while (next_frame(r, &f)) {
		recycle(r, &f);
		r->flushed++;
	}
	publish(r);
	while (r->group_fd >= 0 && recv(r->group_fd, r->whole, NET_FRAME_MAX, MSG_DONTWAIT) > 0)
		r->flushed++;
}
