/* SPDX-License-Identifier: MIT */
/* The fuzzer's guest; see guest.h. Host failures abort. */
#include "tests/fuzz/guest.h"

#include <sys/eventfd.h>

#include "virtio/base.h"

/* Whose flips the loads of the code under test count down. */
static struct fuzz_guest *loading;

/* Kept open from input to input: three system calls fewer for each. */
static int fds[3] = { -1, -1, -1 };

void fuzz_guest_load(void)
{
	struct fuzz_flip *f;

	if (!loading || !loading->n_flips)
		return;
	f = &loading->flips[0];
	if (f->after_loads) {
		f->after_loads--;
		return;
	}
	memcpy(f->host, f->bytes, f->len);
	loading->n_flips--;
	memmove(f, f + 1, loading->n_flips * sizeof(*f));
}

uint64_t fuzz_guest_signals(int fd)
{
	eventfd_t n = 0;

	(void)!eventfd_read(fd, &n);
	return n;
}

static void open_fds(struct fuzz_guest *g)
{
	unsigned i;

	for (i = 0; i < array_size(fds); i++) {
		if (fds[i] < 0)
			fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		fuzz_require(fds[i] >= 0);
		fuzz_guest_signals(fds[i]);
	}
	g->kick_fd = fds[0];
	g->call_fd = fds[1];
	g->err_fd = fds[2];
}

/* One region behind the last one, at any distance; its host address is odd by skew bytes. */
static void add_region(struct fuzz_guest *g, uint64_t *gpa, uint64_t size, unsigned skew)
{
	struct gmem_region *r = &g->regions[g->mem.n];
	void *block;

	fuzz_require(posix_memalign(&block, 64, size + skew) == 0);
	memset(block, 0, size + skew);
	g->blocks[g->mem.n++] = block;
	*r = (struct gmem_region){ .gpa = *gpa,
				   .size = size,
				   .host = (uint8_t *)block + skew,
				   .map = block,
				   .map_len = size };
	r->uva = (uintptr_t)r->host;
	*gpa += size;
}

static void add_regions(struct fuzz_guest *g, const struct fuzz_guest_config *cfg, size_t ring_len,
			struct fuzz_input *in)
{
	static const uint64_t starts[] = { 0, 0x40000000, 0x100000001, 0xfffffffffff00000 };
	uint64_t gpa = starts[fuzz_below(in, array_size(starts))];
	unsigned i, n = 1 + fuzz_below(in, cfg->n_regions), skew;
	uint64_t size;

	g->mem.regions = g->regions;
	for (i = 0; i < n; i++) {
		size = 1 + fuzz_below(in, cfg->region_max) + (i ? 0 : ring_len);
		skew = cfg->honest || !i ? 0 : fuzz_below(in, 16);
		add_region(g, &gpa, size, skew);
		gpa += fuzz_below(in, 4) ? 0 : 1 + fuzz_take(in, 2);
	}
}

static bool is_packed(const struct fuzz_guest *g)
{
	return feature_has(g->features, VIRTIO_F_RING_PACKED);
}

/* Bytes of the driver's and of the device's area. */
static size_t driver_len(const struct fuzz_guest *g)
{
	return is_packed(g) ? sizeof(struct vring_packed_desc_event) : vring_avail_len(g->size);
}

static size_t device_len(const struct fuzz_guest *g)
{
	return is_packed(g) ? sizeof(struct vring_packed_desc_event) : vring_used_len(g->size);
}

static int resolve(struct fuzz_guest *g, const uint64_t at[3])
{
	if (is_packed(g))
		return virtq_resolve_packed(&g->vq.rings, &g->mem, g->size, at[0], at[1], at[2]);
	return virtq_resolve(&g->vq.rings, &g->mem, g->size, at[0], at[1], at[2]);
}

uint32_t fuzz_guest_base(const struct fuzz_guest *g, struct fuzz_input *in)
{
	uint32_t base = (uint32_t)fuzz_take(in, 2);

	if (!is_packed(g))
		return base;
	base = vring_packed_slot((uint16_t)base) % g->size | (base & VRING_PACKED_WRAP);
	return base | base << 16;
}

/* Where an area goes: at *at of region 0, or wherever the input says. */
static uint64_t area(struct fuzz_guest *g, bool honest, size_t *at, size_t len,
		     struct fuzz_input *in)
{
	const struct gmem_region *r = &g->regions[0];
	size_t here = *at;

	*at += (len + 63) & ~(size_t)63;
	if (!honest && !fuzz_below(in, 8)) {
		r = &g->regions[fuzz_below(in, g->mem.n)];
		here = fuzz_take(in, 2) & (fuzz_below(in, 2) ? ~15ULL : ~0ULL);
	}
	return r->uva + here;
}

static unsigned take_size(const struct fuzz_guest *g, unsigned log2, struct fuzz_input *in)
{
	if (is_packed(g))
		return 1 + fuzz_below(in, 1U << log2);
	return 1U << fuzz_below(in, log2 + 1);
}

/* The ring's areas, as the device finds them. False: it refuses them. */
static bool place_ring(struct fuzz_guest *g, const struct fuzz_guest_config *cfg,
		       struct ring_config *rc, struct fuzz_input *in)
{
	size_t lens[] = { vring_desc_len(g->size), driver_len(g), device_len(g) }, at = 0;
	size_t tables_len = lens[0] * FUZZ_TABLE_LEN, total = tables_len + cfg->extra + 256;
	uint64_t uva[array_size(lens)];
	unsigned i;

	for (i = 0; i < array_size(lens); i++)
		total += lens[i];
	add_regions(g, cfg, total, in);
	g->extra = g->regions[0].host + g->regions[0].size - cfg->extra;
	for (i = 0; i < array_size(lens); i++)
		uva[i] = area(g, cfg->honest, &at, lens[i], in);
	rc->tables = (struct vring_desc *)(void *)(g->regions[0].host + at);
	rc->tables_gpa = g->regions[0].gpa + at;
	return resolve(g, uva) == 0;
}

bool fuzz_guest_init(struct fuzz_guest *g, const struct fuzz_guest_config *cfg,
		     struct fuzz_input *in)
{
	struct ring_config rc = { .features = cfg->features, .table_len = FUZZ_TABLE_LEN };

	memset(g, 0, sizeof(*g));
	g->features = cfg->features;
	g->size = take_size(g, cfg->max_size_log2, in);
	rc.base = (uint16_t)(fuzz_below(in, 2) ? 65536 - fuzz_below(in, 256) : fuzz_take(in, 1));
	open_fds(g);
	g->vq = (struct virtq_config){ .mem = &g->mem,
				       .features = g->features,
				       .size = (uint16_t)g->size,
				       .call = notifier_eventfd(g->call_fd),
				       .err = notifier_eventfd(g->err_fd) };
	if (!place_ring(g, cfg, &rc, in)) {
		fuzz_guest_deinit(g);
		return false;
	}
	rc.areas = g->vq.rings;
	rc.size = g->size;
	rc.kick_fd = g->kick_fd;
	fuzz_require(ring_init(&g->ring, &rc) == 0);
	g->vq.base = ring_base(&g->ring);
	loading = g;
	return true;
}

void fuzz_guest_deinit(struct fuzz_guest *g)
{
	unsigned i;

	loading = NULL;
	ring_deinit(&g->ring);
	for (i = 0; i < g->mem.n; i++)
		free(g->blocks[i]);
}

uint64_t fuzz_guest_gpa(const struct fuzz_guest *g, const uint8_t *host)
{
	unsigned i;

	for (i = 0; i < g->mem.n; i++) {
		const struct gmem_region *r = &g->regions[i];

		if ((uintptr_t)host - (uintptr_t)r->host < r->size)
			return r->gpa + (uint64_t)(host - r->host);
	}
	fuzz_fail("a host address in a region", __FILE__, __LINE__);
}

uint8_t *fuzz_guest_place(struct fuzz_guest *g, struct fuzz_input *in, unsigned *len)
{
	unsigned kind = fuzz_below(in, 4 + g->mem.n), off;
	uint8_t *start;
	size_t n;

	if (kind == 0) {
		start = (uint8_t *)g->vq.rings.desc;
		n = vring_desc_len(g->size);
	} else if (kind == 1) {
		start = (uint8_t *)g->vq.rings.avail;
		n = driver_len(g);
	} else if (kind == 2) {
		start = (uint8_t *)g->vq.rings.used;
		n = device_len(g);
	} else if (kind == 3) {
		start = (uint8_t *)g->ring.cfg.tables;
		n = vring_desc_len(g->size) * FUZZ_TABLE_LEN;
	} else {
		start = g->regions[kind - 4].host;
		n = g->regions[kind - 4].size;
	}
	off = fuzz_below(in, (unsigned)min_u64(n, 65536));
	*len = (unsigned)n - off;
	return start + off;
}

static void take_write(struct fuzz_guest *g, struct fuzz_input *in, struct fuzz_flip *f)
{
	unsigned room, i;

	f->host = fuzz_guest_place(g, in, &room);
	f->len = (unsigned)min_u64(1 + fuzz_below(in, sizeof(f->bytes)), room);
	for (i = 0; i < f->len; i++)
		f->bytes[i] = (uint8_t)fuzz_take(in, 1);
}

void fuzz_guest_write(struct fuzz_guest *g, struct fuzz_input *in)
{
	struct fuzz_flip now;

	take_write(g, in, &now);
	memcpy(now.host, now.bytes, now.len);
}

void fuzz_guest_flip(struct fuzz_guest *g, struct fuzz_input *in)
{
	struct fuzz_flip *f = &g->flips[g->n_flips];

	if (g->n_flips == FUZZ_FLIPS)
		return;
	f->after_loads = (unsigned)fuzz_take(in, 1);
	take_write(g, in, f);
	g->n_flips++;
}

/* Mostly inside memory, and mostly not longer than what is there. */
static struct chain_part take_part(struct fuzz_guest *g, struct fuzz_input *in)
{
	unsigned kind = fuzz_below(in, 32), room;
	uint8_t *host = fuzz_guest_place(g, in, &room);
	struct chain_part p = { .addr = fuzz_guest_gpa(g, host), .in = fuzz_below(in, 2) };

	p.len = 1 + fuzz_below(in, kind & 1 ? 256 : 65536);
	if (kind >= 8)
		p.len = (uint32_t)min_u64(p.len, room);
	else if (kind == 4)
		p.len = (uint32_t)fuzz_take(in, 4);
	else if (kind == 5)
		p.addr = fuzz_take(in, 8);
	else if (kind == 6)
		p.len = 0;
	return p;
}

void fuzz_guest_fill(struct fuzz_guest *g, struct fuzz_input *in)
{
	bool indirect = fuzz_below(in, 4) == 0;
	unsigned n = 1 + fuzz_below(in, indirect ? FUZZ_TABLE_LEN : FUZZ_PARTS), i;
	struct chain_part parts[FUZZ_PARTS];

	if (ring_reserve(&g->ring, indirect ? 1 : n) < (indirect ? 1 : n))
		return;
	for (i = 0; i < n; i++)
		parts[i] = take_part(g, in);
	if (indirect)
		ring_fill_indirect(&g->ring, parts, n, 0);
	else if (n == 1)
		ring_fill(&g->ring, parts[0], 0);
	else
		ring_fill_chain(&g->ring, parts, n, 0);
}

static uint64_t check_iovecs(const struct fuzz_guest *g, const struct iovec *iov, unsigned n)
{
	uint64_t sum = 0, off = 0;
	unsigned i, k;

	for (i = 0; i < n; i++) {
		fuzz_require(iov[i].iov_len);
		for (k = 0; k < g->mem.n; k++) {
			off = (uintptr_t)iov[i].iov_base - (uintptr_t)g->regions[k].host;
			if (off < g->regions[k].size)
				break;
		}
		fuzz_require(k < g->mem.n && iov[i].iov_len <= g->regions[k].size - off);
		sum += iov[i].iov_len;
	}
	return sum;
}

void fuzz_guest_check_chain(const struct fuzz_guest *g, const struct chain *c)
{
	fuzz_require(c->n_out + c->n_in >= 1 && c->n_out + c->n_in <= CHAIN_MAX_IOV);
	fuzz_require(c->elem.slots >= 1 && c->elem.slots <= g->size);
	fuzz_require(check_iovecs(g, c->iov, c->n_out) == c->out_len);
	fuzz_require(check_iovecs(g, c->iov + c->n_out, c->n_in) == c->in_len);
}
