/* SPDX-License-Identifier: MIT */
/* The kernel's side of an AF_XDP socket; see xdp_fake.h. */
#include "tests/unit/xdp_fake.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "datapath/backend/xdp_group.h"
#include "tests/unit/test_backend.h"
#include "virtio/base.h"

#define FAKE_FD      1000000
#define FAKE_BUDGET  32
#define FAKE_META    24
#define FAKE_CONT    (1U << 0) /* XDP_PKT_CONTD */
#define FAKE_TX_META (1U << 1) /* XDP_TX_METADATA */

/* The kernel finds a socket by its fd; there is one. */
static struct xdp_fake *kernel;

ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);
ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			socklen_t *from_len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

static uint64_t sum_of(const uint8_t *bytes, uint32_t len)
{
	uint64_t sum = 14695981039346656037ULL;

	while (len--)
		sum = (sum ^ *bytes++) * 1099511628211ULL;
	return sum;
}

void xdp_fake_csum(uint8_t *bytes, uint32_t len, uint16_t csum_start, uint16_t csum_offset)
{
	uint32_t sum = 0, i;

	for (i = csum_start; i < len; i++) {
		sum += (i - csum_start) % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	sum = ~sum & 0xffff;
	if (!sum && csum_offset == 6)
		sum = 0xffff;
	bytes[csum_start + csum_offset] = (uint8_t)(sum >> 8);
	bytes[csum_start + csum_offset + 1] = (uint8_t)sum;
}

static void ring_init(struct xdp_ring *r, uint32_t words[3], size_t entry, uint32_t idx)
{
	words[0] = words[1] = idx;
	words[2] = 0;
	*r = (struct xdp_ring){ .producer = &words[0],
				.consumer = &words[1],
				.flags = &words[2],
				.entries = calloc(XDP_TX_CHUNKS, entry),
				.size = XDP_TX_CHUNKS,
				.idx = idx,
				.seen = idx };
	assert_non_null(r->entries);
}

void xdp_fake_init(struct xdp_fake *k, unsigned chunk_shift, uint32_t idx)
{
	uint64_t i;

	memset(k, 0, sizeof(*k));
	k->sock.fd = FAKE_FD;
	k->sock.chunk_shift = chunk_shift;
	k->sock.segments = true;
	k->sock.umem = calloc(XDP_TX_CHUNKS + XDP_RX_CHUNKS, 1U << chunk_shift);
	k->frame = malloc(NET_FRAME_MAX);
	assert_true(k->sock.umem && k->frame);
	ring_init(&k->sock.tx, k->words[0], sizeof(struct xdp_desc), idx);
	ring_init(&k->sock.comp, k->words[1], sizeof(uint64_t), idx);
	ring_init(&k->sock.rx, k->words[2], sizeof(struct xdp_desc), idx);
	ring_init(&k->sock.fill, k->words[3], sizeof(uint64_t), idx);
	k->words[0][2] = XDP_RING_NEED_WAKEUP;
	k->cached_prod = k->cached_cons = k->fill_seen = k->fill_cons = k->rx_prod = idx;
	for (i = 0; i < XDP_RX_CHUNKS; i++) {
		k->out[i] = true;
		*xdp_ring_addr(&k->sock.fill, k->sock.fill.idx++) = (XDP_TX_CHUNKS + i)
								    << chunk_shift;
	}
	xdp_ring_submit(&k->sock.fill);
	kernel = k;
}

void xdp_fake_deinit(struct xdp_fake *k)
{
	free(k->sock.umem);
	free(k->sock.tx.entries);
	free(k->sock.comp.entries);
	free(k->sock.rx.entries);
	free(k->sock.fill.entries);
	free(k->frame);
	kernel = NULL;
}

/* tx */

static bool peek(struct xdp_fake *k, struct xdp_desc *desc)
{
	if (k->cached_prod == k->cached_cons) {
		store_release(k->sock.tx.consumer, k->cached_cons);
		k->cached_prod = load_acquire(k->sock.tx.producer);
		assert_true(k->cached_prod - k->cached_cons <= XDP_TX_CHUNKS);
	}
	if (k->cached_prod == k->cached_cons)
		return false;
	*desc = *xdp_ring_desc(&k->sock.tx, k->cached_cons);
	return true;
}

static void check_desc(const struct xdp_fake *k, const struct xdp_desc *d, bool first)
{
	uint64_t size = 1U << k->sock.chunk_shift;

	assert_true(d->addr >> k->sock.chunk_shift < XDP_TX_CHUNKS);
	assert_true(d->len && (d->addr & (size - 1)) + d->len <= size);
	assert_false(d->options & ~(FAKE_CONT | FAKE_TX_META));
	assert_true(!(d->options & FAKE_TX_META) || (k->sock.meta && first));
	assert_true(!(d->options & FAKE_CONT) || k->sock.segments);
	assert_false(k->taken[d->addr >> k->sock.chunk_shift]);
}

void xdp_fake_complete_at(struct xdp_fake *k, unsigned i)
{
	struct xdp_ring *comp = &k->sock.comp;
	uint32_t prod = load_relaxed(comp->producer);

	assert_true(prod - load_acquire(comp->consumer) < comp->size);
	assert_true(k->held[i].sum == sum_of(k->sock.umem + k->held[i].addr, k->held[i].len));
	*xdp_ring_addr(comp, prod) = k->held[i].addr;
	store_release(comp->producer, prod + 1);
	k->taken[k->held[i].addr >> k->sock.chunk_shift] = false;
	if (k->complete)
		k->complete(k->ctx, k->held[i].tag);
	memmove(&k->held[i], &k->held[i + 1], (--k->n_held - i) * sizeof(k->held[0]));
}

unsigned xdp_fake_complete(struct xdp_fake *k, unsigned n, uint64_t *random)
{
	unsigned done = 0;

	for (; done < n && k->n_held; done++)
		xdp_fake_complete_at(k, random ? test_random_below(random, k->n_held) : 0);
	return done;
}

/* The descriptors that end before the kernel's own index become a frame of len bytes. */
static uint32_t gather(struct xdp_fake *k, unsigned n)
{
	uint64_t tag = 0;
	uint32_t len = 0;
	unsigned i;

	for (i = 0; i < n; i++) {
		const struct xdp_desc *d = xdp_ring_desc(&k->sock.tx, k->cached_cons - n + i);
		const uint8_t *from = k->sock.umem + d->addr;

		check_desc(k, d, !i);
		assert_true(len + d->len <= NET_FRAME_MAX);
		memcpy(k->frame + len, from, d->len);
		if (d->options & FAKE_TX_META) {
			uint64_t flags;
			uint16_t at[2];

			memcpy(&flags, from - FAKE_META, sizeof(flags));
			memcpy(at, from - FAKE_META + sizeof(flags), sizeof(at));
			assert_true(flags == 1U << 1 && at[0] + at[1] + 2U <= d->len && n == 1);
			xdp_fake_csum(k->frame, d->len, at[0], at[1]);
		}
		len += d->len;
	}
	if (len >= XDP_FAKE_TAG_AT + sizeof(tag))
		memcpy(&tag, k->frame + XDP_FAKE_TAG_AT, sizeof(tag));
	for (i = 0; i < n; i++) {
		const struct xdp_desc *d = xdp_ring_desc(&k->sock.tx, k->cached_cons - n + i);

		k->taken[d->addr >> k->sock.chunk_shift] = true;
		k->held[k->n_held].addr = d->addr;
		k->held[k->n_held].tag = tag;
		k->held[k->n_held].len = d->len;
		k->held[k->n_held++].sum = sum_of(k->sock.umem + d->addr, d->len);
	}
	return len;
}

/* The frame is the kernel's. True: it was sent. */
static bool send_frame(struct xdp_fake *k, unsigned n)
{
	bool drop = k->drop & 1;
	uint32_t len = gather(k, n);

	k->drop >>= 1;
	k->n_lost += drop;
	if (k->wire)
		k->wire(k->ctx, k->frame, len, n, drop);
	if (!k->hold)
		xdp_fake_complete(k, n, NULL);
	return !drop;
}

static bool comp_is_full(const struct xdp_fake *k)
{
	uint32_t unread = load_relaxed(k->sock.comp.producer) - load_acquire(k->sock.comp.consumer);

	return unread + k->n_held + k->n_part >= k->sock.comp.size;
}

/* The next descriptor; *sent counts the frames of this call. What it ends with, or 0: go on. */
static int xmit_desc(struct xdp_fake *k, const struct xdp_desc *desc, unsigned *sent)
{
	unsigned n = k->n_part + 1;

	if (comp_is_full(k))
		return EAGAIN;
	if (k->n_codes && *sent >= k->code_after && !k->n_part) {
		k->n_codes--;
		return k->code;
	}
	k->cached_cons++;
	k->n_part = n;
	if (desc->options & FAKE_CONT)
		return 0;
	k->n_part = 0;
	if (k->busy) {
		k->busy--;
		k->cached_cons -= n;
		return EAGAIN;
	}
	if (!send_frame(k, n))
		return EBUSY;
	++*sent;
	return 0;
}

static int xmit(struct xdp_fake *k)
{
	unsigned left = FAKE_BUDGET, sent = 0;
	struct xdp_desc desc;
	int code = 0;

	while (!code && peek(k, &desc))
		code = left-- ? xmit_desc(k, &desc, &sent) : EAGAIN;
	if (k->shows == XDP_FAKE_ALWAYS || (k->shows == XDP_FAKE_SENT && sent))
		store_release(k->sock.tx.consumer, k->cached_cons);
	return code;
}

void xdp_fake_poll(struct xdp_fake *k, unsigned n)
{
	unsigned descs = 0;
	struct xdp_desc desc;

	while (n && peek(k, &desc)) {
		k->cached_cons++;
		descs++;
		if (desc.options & FAKE_CONT)
			continue;
		send_frame(k, descs);
		descs = 0;
		n--;
	}
	store_release(k->sock.tx.consumer, k->cached_cons);
}

ssize_t __wrap_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	struct xdp_fake *k = kernel;
	int code = 0;

	(void)to_len;
	assert_true(k && fd == FAKE_FD && !buf && !len && flags == MSG_DONTWAIT && !to);
	k->n_sendto++;
	if (k->n_codes && (k->code == ENETDOWN || k->code == ENXIO || k->code == EINTR) &&
	    !k->code_after) {
		k->n_codes--;
		code = k->code;
	} else if (!k->sock.zerocopy) {
		code = xmit(k);
	} else if (k->n_codes) {
		k->n_codes--;
		code = k->code;
	}
	errno = code;
	return code ? -1 : 0;
}

/* rx */

unsigned xdp_fake_filled(struct xdp_fake *k)
{
	uint32_t prod = load_acquire(k->sock.fill.producer);
	unsigned n = 0, i;

	for (; k->fill_seen != prod; k->fill_seen++) {
		uint64_t addr = *xdp_ring_addr(&k->sock.fill, k->fill_seen);
		uint64_t chunk = addr >> k->sock.chunk_shift;

		assert_true(addr == chunk << k->sock.chunk_shift);
		assert_true(chunk >= XDP_TX_CHUNKS && chunk < XDP_TX_CHUNKS + XDP_RX_CHUNKS);
		assert_true(k->out[chunk - XDP_TX_CHUNKS]);
		k->out[chunk - XDP_TX_CHUNKS] = false;
	}
	for (i = 0; i < XDP_RX_CHUNKS; i++)
		n += !k->out[i];
	return n;
}

bool xdp_fake_give(struct xdp_fake *k, const void *bytes, uint32_t len, uint32_t piece)
{
	unsigned n = len ? (len + piece - 1) / piece : 1;
	const uint8_t *from = bytes;
	uint32_t part;
	uint64_t addr;

	xdp_fake_filled(k);
	if (k->fill_seen - k->fill_cons < n) {
		k->kernel.rx_dropped++;
		return false;
	}
	if (k->rx_prod - load_acquire(k->sock.rx.consumer) + n > k->sock.rx.size) {
		k->kernel.rx_ring_full++;
		return false;
	}
	for (; n; n--, from += part, len -= part) {
		part = len < piece ? len : piece;
		addr = *xdp_ring_addr(&k->sock.fill, k->fill_cons++);
		k->out[(addr >> k->sock.chunk_shift) - XDP_TX_CHUNKS] = true;
		memcpy(k->sock.umem + addr + XDP_RX_ROOM, from, part);
		*xdp_ring_desc(&k->sock.rx, k->rx_prod++) = (struct xdp_desc){
			.addr = addr + XDP_RX_ROOM, .len = part, .options = n > 1 ? FAKE_CONT : 0
		};
	}
	store_release(k->sock.fill.consumer, k->fill_cons);
	return true;
}

void xdp_fake_show(struct xdp_fake *k, unsigned n)
{
	store_release(k->sock.rx.producer, k->rx_prod - n);
}

ssize_t __wrap_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			socklen_t *from_len)
{
	assert_true(kernel && fd == FAKE_FD && !buf && !len && flags == MSG_DONTWAIT && !from &&
		    !from_len);
	kernel->n_recvfrom++;
	return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	assert_true(kernel && fd == FAKE_FD && level == SOL_XDP && name == XDP_STATISTICS &&
		    *len == sizeof(kernel->kernel));
	kernel->n_getsockopt++;
	memcpy(value, &kernel->kernel, sizeof(kernel->kernel));
	return 0;
}

int xdp_group_read(int fd, struct virtio_net_hdr_v1 *hdr, void *frame, uint32_t cap)
{
	unsigned i = kernel->group_at;
	int len = kernel->group[i].len;

	assert_true(kernel && fd == FAKE_FD && cap == NET_FRAME_MAX);
	if (!len)
		return -EAGAIN;
	kernel->group_at++;
	if (len < 0)
		return len;
	memcpy(hdr, &kernel->group[i].hdr, NET_HDR_LEN_LEGACY);
	memcpy(frame, kernel->group[i].bytes, (size_t)len);
	return len;
}
