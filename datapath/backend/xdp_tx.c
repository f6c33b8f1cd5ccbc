/* SPDX-License-Identifier: MIT */
/*
 * How a frame leaves by AF_XDP: xdp_tx_send -> xdp_tx_frame (copy into chunks, descriptors) ->
 * xdp_tx_kick (the system call that makes the kernel send) -> xdp_tx_reap (completions).
 *
 * Chunks are used in the order of the tx ring's descriptors. The kernel completes chunks in any
 * order; a frame is reported when its chunks and all before them are complete, so in ring order.
 * When no chunk is in flight, the next frame takes the first one: the few that a turn needs stay
 * in the CPU's cache, where all XDP_TX_CHUNKS have no room.
 *
 * In copy mode the kernel sends within our sendto(), and tells by errno what it did with the last
 * descriptor that it took. Its consumer index lags: Linux before 6.17 writes it only when it has
 * taken all that it knew of, 6.17 only after a call in which a frame was sent. xdp_tx.taken is what
 * is known for certain. A driver's own zero-copy sends on its own, once it was woken.
 */
#include "datapath/backend/xdp_tx.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/offload.h"

/* An option of a descriptor that is newer than Debian 12's <linux/if_xdp.h>. */
#define XDP_TX_META (1U << 1) /* XDP_TX_METADATA */

#define XDP_TX_META_CSUM (1U << 1) /* XDP_TXMD_FLAGS_CHECKSUM */

/* Descriptors that the kernel takes in a call in copy mode, unless it was told otherwise. */
#define XDP_TX_BUDGET 32

/* Linux 6.8's struct xsk_tx_metadata: lies right in front of the frame. */
struct xdp_tx_meta {
	uint64_t flags;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint32_t unused[3];
};

_Static_assert(sizeof(struct xdp_tx_meta) <= XDP_TX_ROOM, "metadata fits in front of a frame");

/* The chunk of descriptor idx. */
static uint32_t chunk_of(const struct xdp_tx *t, uint32_t idx)
{
	return (idx - t->first) % XDP_TX_CHUNKS;
}

static struct xdp_slot *slot_of(struct xdp_tx *t, uint32_t idx)
{
	return &t->slots[chunk_of(t, idx)];
}

static uint32_t room(const struct xdp_tx *t)
{
	return XDP_TX_CHUNKS - (t->tail - t->head);
}

/* Where the frame's bytes lie in the chunk of descriptor idx, as an offset in the UMEM. */
static uint64_t chunk_at(const struct xdp_tx *t, uint32_t idx)
{
	return ((uint64_t)chunk_of(t, idx) << t->sock->chunk_shift) + XDP_TX_ROOM;
}

static uint8_t *chunk(const struct xdp_tx *t, uint32_t idx)
{
	return t->sock->umem + chunk_at(t, idx);
}

/* Before frames are added: what is in flight keeps its chunks. */
static void begin(struct xdp_tx *t)
{
	if (t->head == t->tail)
		t->first = t->tail;
}

void xdp_tx_init(struct xdp_tx *t, struct xdp_sock *sock)
{
	*t = (struct xdp_tx){ .sock = sock };
}

static void copy_out(uint8_t *to, const struct iovec *iov, unsigned n_iov)
{
	for (; n_iov; n_iov--, to += iov->iov_len, iov++)
		memcpy(to, iov->iov_base, iov->iov_len);
}

/* The next chunk holds len bytes: give it to the tx ring. */
static struct xdp_slot *add_chunk(struct xdp_tx *t, uint32_t len, uint32_t options)
{
	struct xdp_slot *slot = slot_of(t, t->tail);

	*xdp_ring_desc(&t->sock->tx, t->sock->tx.idx++) =
		(struct xdp_desc){ .addr = chunk_at(t, t->tail), .len = len, .options = options };
	*slot = (struct xdp_slot){ 0 };
	t->tail++;
	return slot;
}

/* The chunk that was added last ends a frame of so many chains. */
static void end_frame(struct xdp_slot *slot, unsigned frames, unsigned chains)
{
	slot->frames = (uint16_t)frames;
	slot->chains = (uint16_t)chains;
	slot->last = true;
}

/* A frame that does not leave: it is complete when what is in flight before it is. */
static void refuse(struct xdp_tx *t, unsigned chains, struct tx_stats *stats)
{
	count_add(&stats->drop_backend, chains);
	if (t->down || t->tail == t->head)
		t->n_done++;
	else
		slot_of(t, t->tail - 1)->frames++;
}

/* Ask the kernel for the sum of the frame in the next chunk. Returns the descriptor's option. */
static uint32_t ask_for_csum(struct xdp_tx *t, uint16_t start, uint16_t offset)
{
	const struct xdp_tx_meta meta = { .flags = XDP_TX_META_CSUM,
					  .csum_start = start,
					  .csum_offset = offset };

	memcpy(chunk(t, t->tail) - sizeof(meta), &meta, sizeof(meta));
	return XDP_TX_META;
}

/* How many chunks a frame of len bytes takes. */
static uint32_t pieces(const struct xdp_tx *t, uint32_t len)
{
	return (len + xdp_sock_piece(t->sock) - 1) / xdp_sock_piece(t->sock);
}

/* A frame of len bytes that is finished, and too long for one chunk. */
static void add_long(struct xdp_tx *t, const uint8_t *from, uint32_t len, unsigned chains)
{
	struct xdp_slot *slot;
	uint32_t part;

	do {
		part = (uint32_t)min_u64(len, xdp_sock_piece(t->sock));
		memcpy(chunk(t, t->tail), from, part);
		len -= part;
		from += part;
		slot = add_chunk(t, part, len ? XDP_SOCK_CONTINUES : 0);
	} while (len);
	end_frame(slot, chains ? 1 : 0, chains);
}

/* A frame as it is, but for its checksum. */
static bool add_plain(struct xdp_tx *t, const struct frame *f)
{
	bool csum = f->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	uint32_t n = pieces(t, f->len), options = 0;
	uint8_t *to = n > 1 ? t->whole : chunk(t, t->tail);

	if (n > room(t))
		return false;
	copy_out(to, f->iov, f->n_iov);
	if (csum && n == 1 && t->sock->meta)
		options = ask_for_csum(t, f->hdr.csum_start, f->hdr.csum_offset);
	else if (csum)
		offload_csum(to, f->len, &f->hdr);
	if (n > 1)
		add_long(t, to, f->len, f->n_chains);
	else
		end_frame(add_chunk(t, f->len, options), 1, f->n_chains);
	return true;
}

/* The segments of a frame, each a chunk or several. */
static void add_segments(struct xdp_tx *t, struct offload_segments *s)
{
	bool meta = t->sock->meta && pieces(t, s->max_len) == 1;
	uint32_t i, len;

	for (i = 0; i < s->n; i++) {
		if (pieces(t, s->max_len) > 1) {
			len = offload_segment(s, t->whole, false);
			add_long(t, t->whole, len, 0);
			slot_of(t, t->tail - 1)->last = false;
			continue;
		}
		len = offload_segment(s, chunk(t, t->tail), meta);
		add_chunk(t, len, meta ? ask_for_csum(t, s->csum_start, s->csum_offset) : 0);
	}
}

enum xdp_fate { XDP_TAKEN, XDP_REFUSED, XDP_NO_ROOM };

static enum xdp_fate add_segmented(struct xdp_tx *t, const struct frame *f)
{
	struct offload_segments s;

	if (!offload_segments_init(&s, f->iov, f->len, &f->hdr) ||
	    s.max_len > load_relaxed(&t->max_len) ||
	    (uint64_t)s.n * pieces(t, s.max_len) > XDP_TX_CHUNKS)
		return XDP_REFUSED;
	if (s.n * pieces(t, s.max_len) > room(t))
		return XDP_NO_ROOM;
	add_segments(t, &s);
	end_frame(slot_of(t, t->tail - 1), 1, f->n_chains);
	return XDP_TAKEN;
}

static enum xdp_fate add_frame(struct xdp_tx *t, const struct frame *f)
{
	if (f->hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		return add_segmented(t, f);
	if (f->len > load_relaxed(&t->max_len))
		return XDP_REFUSED;
	return add_plain(t, f) ? XDP_TAKEN : XDP_NO_ROOM;
}

/* How many descriptors the kernel has yet to take, or fewer. */
static uint32_t pending(struct xdp_tx *t)
{
	uint32_t left = xdp_ring_pending(&t->sock->tx);

	/* What is complete was taken; so was what had been found so before. */
	left = (uint32_t)min_u64(left, t->tail - t->head);
	left = (uint32_t)min_u64(left, t->tail - t->taken);
	t->taken = t->tail - left;
	return left;
}

/* The frame that descriptor idx is of is lost: count it, once for all its chunks. */
static void lose(struct xdp_tx *t, uint32_t idx)
{
	while (!slot_of(t, idx)->last)
		idx++;
	t->drops += slot_of(t, idx)->chains;
	slot_of(t, idx)->chains = 0;
}

/*
 * The device dropped the last frame that the kernel took: the one before t->taken if the kernel
 * showed in this call that it went on. Else that call took it unseen, and it is the next; a kernel
 * that had taken more unseen lost one behind it, for which this one stands.
 */
static void lose_last(struct xdp_tx *t, bool shown)
{
	lose(t, t->taken - shown);
	if (shown)
		return;
	while (xdp_ring_desc(&t->sock->tx, t->taken++)->options & XDP_SOCK_CONTINUES)
		;
}

/* From here on the chunks in flight stand for no frame of a driver. */
static void disown(struct xdp_tx *t)
{
	uint32_t idx;

	for (idx = t->head; idx != t->tail; idx++) {
		t->n_done += slot_of(t, idx)->frames;
		slot_of(t, idx)->frames = 0;
	}
}

/* Nothing can be sent any more: what the kernel has not taken is lost. */
static void go_down(struct xdp_tx *t)
{
	uint32_t idx;

	for (idx = t->tail - pending(t); idx != t->tail; idx++)
		lose(t, idx);
	disown(t);
	store_relaxed(&t->down, true);
}

/*
 * What sendto() says of a socket that will not send any more: its interface is down or gone, or the
 * kernel refuses a descriptor, which would stay in the ring for ever. The others are: a limit of
 * one call is reached, the device dropped a frame (the last one taken), no memory.
 */
static bool is_fatal(int code)
{
	return code && code != EAGAIN && code != EBUSY && code != EINTR && code != ENOBUFS &&
	       code != ENOMEM;
}

/*
 * Make the kernel send. Each turn of the loop takes a descriptor or more off the tx ring, or is the
 * last; but while more wait than a call takes, EAGAIN may be for these, with nothing to show. That
 * is followed up to as many times as those would take.
 */
static void xdp_tx_kick(struct xdp_tx *t)
{
	uint32_t left = pending(t), was, unseen = (left - 1) / XDP_TX_BUDGET;
	bool again = true;
	int code;

	while (again && left && xdp_ring_needs_wakeup(&t->sock->tx)) {
		code = sendto(t->sock->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 ? errno : 0;
		if (is_fatal(code)) {
			go_down(t);
			return;
		}
		was = left;
		left = pending(t);
		if (code == EBUSY && !t->sock->zerocopy) {
			lose_last(t, left != was);
			left = pending(t);
		}
		again = code && (left != was || code == EINTR || (code == EAGAIN && unseen--));
	}
	t->stuck = left;
	t->looked = false;
}

/* What the kernel completed; a frame is done when all before it are. */
static void xdp_tx_reap(struct xdp_tx *t)
{
	struct xdp_ring *comp = &t->sock->comp;
	uint32_t n = xdp_ring_ready(comp, 1);
	struct xdp_slot *slot;

	for (; n; n--)
		t->slots[(*xdp_ring_addr(comp, comp->idx++) >> t->sock->chunk_shift) %
			 XDP_TX_CHUNKS]
			.done = true;
	xdp_ring_release(comp);
	for (; t->head != t->tail && (slot = slot_of(t, t->head))->done; t->head++)
		t->n_done += slot->frames;
}

unsigned xdp_tx_send(struct xdp_tx *t, const struct frame *frames, unsigned n,
		     struct tx_stats *stats)
{
	enum xdp_fate fate;
	unsigned i;

	begin(t);
	for (i = 0; i < n; i++) {
		fate = t->down ? XDP_REFUSED : add_frame(t, &frames[i]);
		if (fate == XDP_NO_ROOM)
			break;
		if (fate == XDP_REFUSED)
			refuse(t, frames[i].n_chains, stats);
	}
	if (!t->down) {
		xdp_ring_submit(&t->sock->tx);
		xdp_tx_kick(t);
	}
	count_add(&stats->drop_backend, t->drops);
	t->drops = 0;
	return i;
}

unsigned xdp_tx_done(struct xdp_tx *t)
{
	unsigned n;

	if (!t->down) {
		/* Right after xdp_tx_send() there is nothing new to be found. */
		if (t->stuck && t->looked)
			xdp_tx_kick(t);
		t->looked = true;
		if (!t->down)
			xdp_tx_reap(t);
	}
	n = t->n_done;
	t->n_done = 0;
	return n;
}

void xdp_tx_cancel(struct xdp_tx *t, struct tx_stats *stats)
{
	if (!t->down && t->stuck)
		xdp_tx_kick(t);
	disown(t);
	count_add(&stats->drop_backend, t->drops);
	t->drops = 0;
}

int xdp_tx_word(struct xdp_tx *t, const void *frame, uint32_t len)
{
	if (t->down)
		return -ENETDOWN;
	xdp_tx_reap(t);
	begin(t);
	if (!room(t))
		return -EAGAIN;
	memcpy(chunk(t, t->tail), frame, len);
	end_frame(add_chunk(t, len, 0), 0, 0);
	xdp_ring_submit(&t->sock->tx);
	xdp_tx_kick(t);
	return t->down ? -ENETDOWN : 0;
}

void xdp_tx_restart(struct xdp_tx *t)
{
	uint32_t idx;

	if (t->sock->fd >= 0)
		xdp_tx_reap(t);
	for (idx = t->head; idx != t->tail; idx++) {
		if (!slot_of(t, idx)->done)
			lose(t, idx);
	}
	disown(t);
	t->head = t->tail = t->taken = t->first = 0;
	t->stuck = false;
	store_relaxed(&t->down, false);
}
