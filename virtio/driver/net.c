/* SPDX-License-Identifier: MIT */
/* The guest's network card: contracts in net.h. */
#include "virtio/driver/net.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Where the guest's memory begins. */
#define NET_GPA (1ULL << 30)

/* ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK (virtio 1.2 section 2.1). */
#define NET_STATUS_RUNNING 0xf

/*
 * What the alignment of a pair's allocations takes at most; and the unit of all memory: a huge
 * page.
 */
#define NET_SLACK (16ULL << 10)
#define NET_BLOCK (2ULL << 20)

static unsigned round_up(unsigned n, unsigned to)
{
	return (n + to - 1) / to * to;
}

static unsigned default_rx_len(const struct driver_net *net)
{
	if (feature_has(net->features, VIRTIO_NET_F_MRG_RXBUF) ||
	    !(net->features & FEATURES_GUEST_LARGE))
		return 2048;
	return NET_HDR_LEN + NET_FRAME_MAX;
}

static bool negotiated(const struct driver_net *net, unsigned protocol_feature)
{
	return feature_has(net->frontend.protocol, protocol_feature);
}

/* Memory. */

/* What one pair needs; the areas of a ring are less than 64 bytes an entry. */
static uint64_t pair_bytes(const struct driver_net *net)
{
	uint64_t size = net->cfg.ring_size;

	return 2 * size * (64 + net->cfg.table_len * sizeof(struct vring_desc)) +
	       (uint64_t)net->n_rx * net->rx_stride + size * net->tx_stride + NET_SLACK;
}

static int init_ring(struct driver_net *net, struct ring *ring, unsigned index)
{
	struct ring_config cfg = {
		.features = net->features,
		.size = net->cfg.ring_size,
		.base = net->cfg.base,
		.kick_fd = net->frontend.rings[index].kick_fd,
		.table_len = net->cfg.table_len,
	};
	int err = ring_place(&cfg, &net->arena, 0);

	return err ? err : ring_init(ring, &cfg);
}

static int init_pair(struct driver_net *net, unsigned i)
{
	struct driver_net_pair *p = &net->pairs[i];
	unsigned size = net->cfg.ring_size;
	int err;

	err = init_ring(net, &p->rx, 2 * i);
	if (!err)
		err = init_ring(net, &p->tx, 2 * i + 1);
	if (err)
		return err;
	p->base[0] = ring_base(&p->rx);
	p->base[1] = ring_base(&p->tx);
	p->rx_bufs = arena_alloc(&net->arena, 0, (size_t)net->n_rx * net->rx_stride, CACHE_LINE);
	p->tx_bufs = arena_alloc(&net->arena, 0, (size_t)size * net->tx_stride, CACHE_LINE);
	p->tx_free = calloc(size, sizeof(*p->tx_free));
	p->tx_next = calloc(size, sizeof(*p->tx_next));
	if (!p->rx_bufs || !p->tx_bufs || !p->tx_free || !p->tx_next)
		return -ENOMEM;
	p->rx_gpa = arena_gpa(&net->arena, p->rx_bufs);
	p->tx_gpa = arena_gpa(&net->arena, p->tx_bufs);
	return 0;
}

static int init_memory(struct driver_net *net)
{
	struct driver_net_config *cfg = &net->cfg;
	struct arena_span span = { .gpa = NET_GPA };
	size_t len = cfg->n_pairs * sizeof(*net->pairs);
	unsigned i;
	int err;

	if (!cfg->rx_buf_len)
		cfg->rx_buf_len = default_rx_len(net);
	net->n_rx = cfg->ring_size / cfg->rx_parts;
	net->rx_stride = round_up(cfg->rx_buf_len, CACHE_LINE);
	net->tx_stride = round_up(cfg->tx_buf_len, CACHE_LINE);
	span.size = (cfg->n_pairs * pair_bytes(net) + NET_BLOCK - 1) & ~(NET_BLOCK - 1);
	err = arena_init(&net->arena, &span, 1, cfg->hugetlb);
	if (err)
		return err;
	net->pairs = aligned_alloc(CACHE_LINE, len);
	if (!net->pairs)
		return -ENOMEM;
	memset(net->pairs, 0, len);
	for (i = 0; i < cfg->n_pairs; i++) {
		err = init_pair(net, i);
		if (err)
			return err;
	}
	return 0;
}

/* Rx buffers: the token is the buffer's number. */

static uint8_t *rx_buf(const struct driver_net *net, const struct driver_net_pair *p, uint64_t i)
{
	return p->rx_bufs + i * net->rx_stride;
}

static void post_rx(struct driver_net *net, struct driver_net_pair *p, uint64_t i)
{
	struct chain_part parts[DRIVER_NET_MAX_PARTS];
	uint64_t addr = p->rx_gpa + i * net->rx_stride;
	unsigned n = net->cfg.rx_parts, left = net->cfg.rx_buf_len;

	for (unsigned k = 0; k < n; k++) {
		uint32_t len = k + 1 < n ? net->cfg.rx_buf_len / n : left;

		parts[k] = (struct chain_part){ addr, len, true };
		addr += len;
		left -= len;
	}
	ring_fill_chain(&p->rx, parts, n, i);
}

/* All buffers are the driver's: after a reset, or at first. */
static void post_all_rx(struct driver_net *net, struct driver_net_pair *p)
{
	unsigned i;

	for (i = 0; i < net->n_rx; i++)
		post_rx(net, p, i);
	ring_submit(&p->rx);
}

static void free_all_tx(struct driver_net *net, struct driver_net_pair *p)
{
	unsigned i;

	for (i = 0; i < net->cfg.ring_size; i++)
		p->tx_free[i] = (uint16_t)i;
	p->n_tx_free = net->cfg.ring_size;
}

static void post_all(struct driver_net *net, struct driver_net_pair *p)
{
	post_all_rx(net, p);
	free_all_tx(net, p);
}

/* The device's life. */

static int open_connection(struct driver_net *net)
{
	const struct driver_net_config *cfg = &net->cfg;

	if (!cfg->path) {
		frontend_adopt(&net->frontend, cfg->fd);
		return 0;
	}
	if (cfg->server)
		return frontend_accept(&net->frontend, cfg->path);
	return frontend_connect(&net->frontend, cfg->path);
}

static uint32_t *known_base(struct driver_net *net, unsigned i)
{
	return &net->pairs[i / 2].base[i % 2];
}

/* Enabled first, as QEMU does: what waits in a ring that is started disabled would be dropped. */
static int start_ring(struct driver_net *net, unsigned i)
{
	struct ring *ring = driver_net_ring(net, i);
	uint32_t base = ring->packed ? *known_base(net, i) : ring_base(ring);
	int err = 0;

	if (feature_has(net->frontend.features, VHOST_USER_F_PROTOCOL_FEATURES))
		err = frontend_ring_enable(&net->frontend, i, true);
	return err ? err : frontend_ring_start(&net->frontend, i, &ring->areas, ring->size, base);
}

int driver_net_start(struct driver_net *net)
{
	unsigned i;
	int err;

	for (i = 0; i < 2 * net->cfg.n_pairs; i++) {
		err = start_ring(net, i);
		if (err)
			return err;
	}
	if (negotiated(net, VHOST_USER_PROTOCOL_F_STATUS))
		return frontend_set_status(&net->frontend, NET_STATUS_RUNNING);
	return 0;
}

static int set_up_device(struct driver_net *net)
{
	struct frontend *f = &net->frontend;
	int err = 0;

	if (net->cfg.mtu && negotiated(net, VHOST_USER_PROTOCOL_F_MTU))
		err = frontend_set_mtu(f, net->cfg.mtu);
	if (!err)
		err = frontend_set_features(f, net->features);
	return err;
}

int driver_net_stop(struct driver_net *net)
{
	uint32_t base;
	unsigned i;
	int err;

	for (i = 0; i < 2 * net->cfg.n_pairs; i++) {
		const struct ring *ring = driver_net_ring(net, i);

		err = frontend_ring_stop(&net->frontend, i, &base);
		if (err)
			return err;
		/* Stopped means drained: nothing is popped that is not used. */
		if (base != ring_base(ring))
			return -EPROTO;
		*known_base(net, i) = base;
	}
	return 0;
}

static void empty_ring(struct driver_net *net, unsigned i)
{
	struct ring *ring = driver_net_ring(net, i);

	ring_reset(ring, 0);
	*known_base(net, i) = ring_base(ring);
}

int driver_net_reset(struct driver_net *net)
{
	bool reset = negotiated(net, VHOST_USER_PROTOCOL_F_RESET_DEVICE);
	unsigned i;
	int err;

	err = driver_net_stop(net);
	if (!err && negotiated(net, VHOST_USER_PROTOCOL_F_STATUS))
		err = frontend_set_status(&net->frontend, 0);
	if (!err && reset)
		err = frontend_reset_device(&net->frontend);
	if (err)
		return err;
	for (i = 0; i < net->cfg.n_pairs; i++) {
		empty_ring(net, 2 * i);
		empty_ring(net, 2 * i + 1);
		post_all(net, &net->pairs[i]);
	}
	err = set_up_device(net);
	return err ? err : driver_net_start(net);
}

int driver_net_ring_stop(struct driver_net *net, unsigned index)
{
	return frontend_ring_stop(&net->frontend, index, known_base(net, index));
}

int driver_net_ring_restart(struct driver_net *net, unsigned index)
{
	struct driver_net_pair *p = &net->pairs[index / 2];

	empty_ring(net, index);
	if (index % 2)
		free_all_tx(net, p);
	else
		post_all_rx(net, p);
	return start_ring(net, index);
}

int driver_net_reconnect(struct driver_net *net)
{
	struct frontend *f = &net->frontend;
	uint64_t features = net->features;
	int err;

	frontend_close(f);
	err = open_connection(net);
	if (!err)
		err = frontend_negotiate(f, features, net->cfg.protocol);
	if (err)
		return err;
	if (f->features != features || f->max_pairs < net->cfg.n_pairs)
		return -ENOTSUP;
	err = set_up_device(net);
	if (!err)
		err = frontend_set_memory(f, &net->arena);
	return err ? err : driver_net_start(net);
}

static int fill_in(struct driver_net_config *cfg)
{
	if (!cfg->timeout_ms)
		cfg->timeout_ms = FRONTEND_TIMEOUT_MS;
	if (!cfg->rx_parts)
		cfg->rx_parts = 1;
	if (!cfg->tx_buf_len)
		cfg->tx_buf_len = 2048;
	if (!cfg->n_pairs || cfg->n_pairs > FRONTEND_MAX_RINGS / 2 ||
	    cfg->rx_parts > DRIVER_NET_MAX_PARTS || cfg->rx_parts > cfg->ring_size ||
	    cfg->tx_buf_len < NET_HDR_LEN || cfg->ring_size > VRING_MAX_SIZE ||
	    (cfg->rx_buf_len && cfg->rx_buf_len < cfg->rx_parts))
		return -EINVAL;
	return 0;
}

/* What the back-end offers decides how much memory the device needs. */
static int negotiate(struct driver_net *net)
{
	const struct driver_net_config *cfg = &net->cfg;
	int err;

	net->frontend.timeout_ms = cfg->timeout_ms;
	err = open_connection(net);
	if (!err)
		err = frontend_negotiate(&net->frontend, cfg->features, cfg->protocol);
	if (err)
		return err;
	net->features = net->frontend.features;
	net->hdr_len = net_hdr_len(net->features);
	return net->frontend.max_pairs < cfg->n_pairs ? -ENOTSUP : 0;
}

static int bring_up(struct driver_net *net)
{
	unsigned i;
	int err;

	for (i = 0; i < net->cfg.n_pairs; i++)
		post_all(net, &net->pairs[i]);
	err = set_up_device(net);
	if (!err)
		err = frontend_set_memory(&net->frontend, &net->arena);
	return err ? err : driver_net_start(net);
}

int driver_net_new(struct driver_net **out, const struct driver_net_config *cfg)
{
	struct driver_net *net = calloc(1, sizeof(*net));
	int err = net ? 0 : -ENOMEM;

	if (net) {
		net->cfg = *cfg;
		net->arena.fd = -1;
		net->frontend.sock = -1;
		err = fill_in(&net->cfg);
	}
	if (!err)
		err = frontend_init(&net->frontend, 2 * cfg->n_pairs);
	if (err) {
		if (!cfg->path)
			close(cfg->fd);
		goto free_net;
	}
	err = negotiate(net);
	if (!err)
		err = init_memory(net);
	if (!err)
		err = bring_up(net);
	if (err)
		goto free_net;
	*out = net;
	return 0;
free_net:
	driver_net_free(net);
	return err;
}

void driver_net_free(struct driver_net *net)
{
	unsigned i;

	if (!net)
		return;
	frontend_deinit(&net->frontend);
	for (i = 0; net->pairs && i < net->cfg.n_pairs; i++) {
		ring_deinit(&net->pairs[i].rx);
		ring_deinit(&net->pairs[i].tx);
		free(net->pairs[i].tx_free);
		free(net->pairs[i].tx_next);
	}
	free(net->pairs);
	arena_deinit(&net->arena);
	free(net);
}

/* Frames out: the token is the first piece's number, and above it how many pieces there are. */

static uint8_t *tx_buf(const struct driver_net *net, const struct driver_net_pair *p, unsigned i)
{
	return p->tx_bufs + (size_t)i * net->tx_stride;
}

/* Copies header and frame into free pieces; the number of parts that this makes. */
static unsigned lay_out(struct driver_net *net, struct driver_net_pair *p, const void *hdr,
			const uint8_t *frame, size_t len, bool apart, struct chain_part *parts)
{
	unsigned n = 0, head = net->hdr_len, piece = 0;
	size_t done = 0;

	do {
		unsigned last = piece, at = n ? 0 : head;
		size_t room = net->cfg.tx_buf_len - at;
		size_t take = len - done < room ? len - done : room;
		uint64_t addr;

		piece = p->tx_free[--p->n_tx_free];
		if (n)
			p->tx_next[last] = (uint16_t)piece;
		else
			memcpy(tx_buf(net, p, piece), hdr, head);
		memcpy(tx_buf(net, p, piece) + at, frame + done, take);
		addr = p->tx_gpa + (uint64_t)piece * net->tx_stride;
		if (at && apart) {
			parts[n++] = (struct chain_part){ addr, head, false };
			if (take)
				parts[n++] =
					(struct chain_part){ addr + head, (uint32_t)take, false };
		} else {
			parts[n++] = (struct chain_part){ addr, (uint32_t)(at + take), false };
		}
		done += take;
	} while (done < len);
	return n;
}

int driver_net_send(struct driver_net *net, unsigned pair, const struct virtio_net_hdr_v1 *hdr,
		    const void *frame, size_t len, unsigned flags)
{
	static const struct virtio_net_hdr_v1 plain;
	struct driver_net_pair *p = &net->pairs[pair];
	struct chain_part parts[DRIVER_NET_MAX_PARTS];
	bool apart = flags & DRIVER_NET_HEADER_APART, indirect = flags & DRIVER_NET_INDIRECT;
	size_t pieces = (net->hdr_len + len + net->cfg.tx_buf_len - 1) / net->cfg.tx_buf_len;
	unsigned n = (unsigned)pieces + apart;
	uint64_t token;

	if (pieces > net->cfg.ring_size || pieces + apart > DRIVER_NET_MAX_PARTS ||
	    (!indirect && n > net->cfg.ring_size))
		return -EMSGSIZE;
	if (indirect &&
	    (n > net->cfg.table_len || !feature_has(net->features, VIRTIO_RING_F_INDIRECT_DESC)))
		return -EINVAL;
	if (p->n_tx_free < pieces || ring_reserve(&p->tx, indirect ? 1 : n) < (indirect ? 1 : n)) {
		driver_net_flush(net, pair);
		ring_kick_now(&p->tx);
		p->forced_kicks++;
		return -EAGAIN;
	}
	token = p->tx_free[p->n_tx_free - 1] | (uint64_t)pieces << 16;
	n = lay_out(net, p, hdr ? hdr : &plain, frame, len, apart, parts);
	if (indirect)
		ring_fill_indirect(&p->tx, parts, n, token);
	else
		ring_fill_chain(&p->tx, parts, n, token);
	if (!(flags & DRIVER_NET_MORE))
		driver_net_flush(net, pair);
	return 0;
}

void driver_net_flush(struct driver_net *net, unsigned pair)
{
	ring_submit(&net->pairs[pair].tx);
	ring_kick(&net->pairs[pair].tx);
}

int driver_net_reap(struct driver_net *net, unsigned pair)
{
	struct driver_net_pair *p = &net->pairs[pair];
	enum ring_outcome outcome;
	struct ring_used used;
	int n = 0;

	ring_peek(&p->tx);
	while ((outcome = ring_use(&p->tx, &used)) == RING_USED) {
		uint16_t piece = (uint16_t)used.token;

		for (uint64_t left = used.token >> 16; left > 0; left--) {
			p->tx_free[p->n_tx_free++] = piece;
			piece = p->tx_next[piece];
		}
		n++;
	}
	return outcome == RING_BROKEN ? -EPROTO : n;
}

/* Frames in. */

struct copy_out {
	uint8_t *to;
	size_t cap;
	size_t len; /* of the frame so far, which may be more than cap */
};

static void copy_part(struct copy_out *out, const uint8_t *from, size_t len)
{
	if (out->len < out->cap)
		memcpy(out->to + out->len, from, min_u64(len, out->cap - out->len));
	out->len += len;
}

ssize_t driver_net_receive(struct driver_net *net, unsigned pair, struct virtio_net_hdr_v1 *hdr,
			   void *frame, size_t cap)
{
	struct driver_net_pair *p = &net->pairs[pair];
	struct copy_out out = { .to = frame, .cap = cap };
	struct virtio_net_hdr_v1 h = { .num_buffers = 1 };
	enum ring_outcome outcome;
	struct ring_used used;
	unsigned n = 1, i;

	if (!ring_peek(&p->rx))
		return -EAGAIN;
	for (i = 0; i < n; i++) {
		const uint8_t *buf;
		unsigned skip = i ? 0 : net->hdr_len;

		outcome = ring_use(&p->rx, &used);
		if (outcome != RING_USED || used.len < skip)
			return -EPROTO;
		buf = rx_buf(net, p, used.token);
		if (!i)
			memcpy(&h, buf, net->hdr_len);
		if (!i && feature_has(net->features, VIRTIO_NET_F_MRG_RXBUF)) {
			n = h.num_buffers;
			if (!n || n > net->n_rx)
				return -EPROTO;
		}
		copy_part(&out, buf + skip, used.len - skip);
		post_rx(net, p, used.token);
	}
	ring_submit(&p->rx);
	ring_kick(&p->rx);
	if (hdr)
		*hdr = h;
	return out.len <= cap ? (ssize_t)out.len : -EMSGSIZE;
}

int driver_net_wait(struct driver_net *net, unsigned ring, int timeout_ms)
{
	struct ring *r = driver_net_ring(net, ring);
	struct pollfd p = { .fd = net->frontend.rings[ring].call_fd, .events = POLLIN };
	struct timespec ts;
	int64_t now, deadline = 0;
	eventfd_t count;

	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		now = ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
		if (!deadline)
			deadline = now + timeout_ms;
		if (ring_arm_call(r, 0)) {
			ring_disarm_call(r);
			return (int)ring_peek(r);
		}
		if (now >= deadline)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(deadline - now)) > 0)
			(void)!eventfd_read(p.fd, &count);
	}
}
