/* SPDX-License-Identifier: MIT */
/* From the ring to the backend and back, by spans; see batch.h. */
#include "datapath/tx/batch.h"

/*
 * The counter that a chain is dropped for, or NULL: it goes out as frame f.
 *
 * Only a copy of the header is judged; but the tap gets the guest's own by address, which may have
 * changed by then. So this finds honest mistakes and names them; it keeps nothing from the kernel,
 * which judges again what it copies itself.
 */
static uint64_t *tx_batch_judge(const struct chain *c, struct frame *f,
				const struct tx_rules *rules, struct tx_stats *stats)
{
	struct virtio_net_hdr_v1 hdr;
	enum net_hdr_fault fault;

	if (!rules->enabled)
		return &stats->drop_disabled;
	if (c->out_len > NET_FRAME_MAX + rules->hdr_len)
		return &stats->drop_size;
	net_hdr_get(&hdr, NET_HDR_LEN_LEGACY, c->iov);
	fault = net_hdr_check(&hdr, c->out_len - rules->hdr_len, rules->features);
	if (fault)
		return &stats->drop_header[fault];
	*f = (struct frame){ .iov = c->iov, .n_iov = c->n_out, .n_chains = 1, .len = c->out_len };
	return NULL;
}

void tx_batch_pop(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
		  struct tx_stats *stats, unsigned n)
{
	struct iov_pool pool = { .iov = b->iov, .cap = TX_IOV };
	unsigned popped = virtq_pop(vq, b->chains, n, &pool), n_frames = 0, i;

	for (i = 0; i < popped; i++) {
		if (b->chains[i].out_len < rules->hdr_len) {
			virtq_rewind(vq, &b->chains[i], popped - i);
			if (!i)
				virtq_break(vq, VIRTQ_FAULT_NO_HEADER);
			break;
		}
		b->drop[i] = tx_batch_judge(&b->chains[i], &b->frames[n_frames], rules, stats);
		n_frames += !b->drop[i];
	}
	b->n_chains = i;
	b->n_frames = n_frames;
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

void tx_batch_settle(struct tx_batch *b, struct virtq *vq, const struct tx_rules *rules,
		     struct tx_stats *stats, unsigned taken)
{
	unsigned n = taken < b->n_frames ? tx_batch_reach(b, taken) : b->n_chains, dropped = 0, i;
	uint64_t bytes = 0;

	virtq_rewind(vq, &b->chains[n], b->n_chains - n);
	b->n_chains = n;
	b->n_frames = taken;
	for (i = 0; i < n; i++) {
		if (b->drop[i]) {
			count_add(b->drop[i], 1);
			dropped++;
		} else {
			bytes += b->chains[i].out_len - rules->hdr_len;
		}
	}
	count_add(&stats->frames, n - dropped - (stats->drop_backend - b->refused));
	count_add(&stats->bytes, bytes);
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
