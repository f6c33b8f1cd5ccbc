/* SPDX-License-Identifier: MIT */
/* From the ring to the backend and back, by spans; see batch.h. */
#include "datapath/tx/batch.h"

/* What lies behind the header of chain c becomes the payload of f. */
static void tx_batch_split(struct frame *f, const struct chain *c, size_t hdr_len)
{
	struct iovec *iov = c->iov;

	/* As most do. */
	f->in_place = iov->iov_len > hdr_len;
	for (; iov->iov_len <= hdr_len; iov++)
		hdr_len -= iov->iov_len;
	*iov = (struct iovec){ (uint8_t *)iov->iov_base + hdr_len, iov->iov_len - hdr_len };
	f->iov = iov;
	f->n_iov = (uint16_t)(c->n_out - (iov - c->iov));
}

/*
 * Chain c, of len bytes behind its header, as frame f; or the counter that it is dropped for.
 *
 * The header is read once, into the frame. A guest may change its own copy afterwards; where that
 * one is sent (in_place), whatever gets it judges it again.
 */
static uint64_t *tx_batch_judge(struct frame *f, const struct chain *c, uint32_t len,
				const struct tx_rules *rules, struct tx_stats *stats)
{
	enum net_hdr_fault fault;

	net_hdr_get(&f->hdr, NET_HDR_LEN_LEGACY, c->iov);
	f->hdr.num_buffers = 0;
	tx_batch_split(f, c, rules->hdr_len);
	f->n_chains = 1;
	f->len = len;
	f->parts = NULL;
	if (net_hdr_is_plain(&f->hdr))
		return NULL;
	fault = net_hdr_check(&f->hdr, len, rules->features);
	if (fault)
		return &stats->drop_header[fault];
	if (net_hdr_has_garbage(&f->hdr, len)) {
		net_hdr_mend(&f->hdr, len);
		f->in_place = false;
	}
	return NULL;
}

void tx_batch_pop(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
		  struct tx_stats *stats, unsigned n, uint64_t max_bytes)
{
	struct iov_pool pool = { .iov = b->iov, .cap = TX_IOV };
	unsigned popped = virtq_pop(vq, b->chains, n, &pool), n_frames = 0, i;
	const struct tx_rules r = *rules;
	uint64_t bytes = 0, *drop;

	for (i = 0; i < popped && bytes < max_bytes; i++) {
		const struct chain *c = &b->chains[i];
		uint32_t len = c->out_len - r.hdr_len;

		if (r.enabled && len - NET_FRAME_MIN <= NET_FRAME_MAX - NET_FRAME_MIN) {
			drop = tx_batch_judge(&b->frames[n_frames], c, len, &r, stats);
		} else if (c->out_len >= r.hdr_len) {
			drop = r.enabled ? &stats->drop_size : &stats->drop_disabled;
		} else {
			break;
		}
		b->drop[i] = drop;
		n_frames += !drop;
		bytes += drop ? 0 : len;
	}
	if (i < popped) {
		virtq_rewind(vq, &b->chains[i], popped - i);
		if (!i)
			virtq_break(vq, VIRTQ_FAULT_NO_HEADER);
	}
	b->n_chains = i;
	b->n_frames = n_frames;
	b->bytes = bytes;
	b->refused = stats->drop_backend;
}

/* How many chains leave with the first n frames: theirs, and dropped ones up to the next frame. */
static unsigned tx_batch_reach(const struct tx_batch *b, unsigned n)
{
	unsigned left = 0, i;

	for (i = 0; i < n; i++)
		left += b->frames[i].n_chains;
	for (i = 0; i < b->n_chains; i++) {
		if (!b->drop[i] && !left--)
			break;
	}
	return i;
}

/* The last n chains go back to the ring. */
static void tx_batch_rewind(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
			    unsigned n)
{
	unsigned first = b->n_chains - n, i;

	virtq_rewind(vq, &b->chains[first], n);
	for (i = first; i < b->n_chains; i++)
		b->bytes -= b->drop[i] ? 0 : b->chains[i].out_len - rules->hdr_len;
	b->n_chains = first;
}

/* Count what leaves as one. */
static void tx_batch_count_merged(const struct tx_batch *b, struct tx_stats *stats)
{
	for (unsigned i = 0; i < b->n_frames; i++) {
		if (b->frames[i].parts) {
			count_add(&stats->merges, 1);
			count_add(&stats->merged, b->frames[i].n_chains);
		}
	}
}

/* Count the dropped chains. Returns how many there are. */
static unsigned tx_batch_count_drops(const struct tx_batch *b)
{
	unsigned n = 0, i;

	for (i = 0; i < b->n_chains; i++) {
		if (b->drop[i]) {
			count_add(b->drop[i], 1);
			n++;
		}
	}
	return n;
}

void tx_batch_settle(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
		     struct tx_stats *stats, unsigned taken)
{
	unsigned n;

	if (taken < b->n_frames)
		tx_batch_rewind(b, vq, rules, b->n_chains - tx_batch_reach(b, taken));
	b->n_frames = taken;
	n = b->n_chains;
	/* Fewer frames than chains: some are dropped, or merged. */
	if (taken < n) {
		tx_batch_count_merged(b, stats);
		n -= tx_batch_count_drops(b);
	}
	count_add(&stats->frames, n - (stats->drop_backend - b->refused));
	count_add(&stats->bytes, b->bytes);
}

void tx_batch_push(const struct tx_batch *b, struct virtq *vq)
{
	for (unsigned i = 0; i < b->n_chains; i++)
		virtq_push(vq, b->chains[i].elem, 0);
}

void tx_batch_fly(const struct tx_batch *b, struct tx_flight *flight)
{
	const struct frame *f = b->frames;
	unsigned left = 0, i;

	for (i = 0; i < b->n_chains; i++) {
		bool first = !b->drop[i] && !left;

		tx_flight_add(flight, b->chains[i].elem, first);
		if (first)
			left = f++->n_chains;
		left -= !b->drop[i];
	}
}
