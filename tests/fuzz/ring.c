/* SPDX-License-Identifier: MIT */
/*
 * Each verb of virtio/virtq.h in any order, on a ring that the guest fills, overwrites, and
 * rewrites between two loads. Checked: every iovec lies in a region and the lengths add up; no more
 * chains than the ring has entries; what was rewound comes again just so while memory stays as it
 * is; after a fault nothing comes and it is told once; a call is one signal. The regions are heap
 * blocks of their exact size: a sanitizer sees a byte too far.
 */
#include "tests/fuzz/ring.h"

#include "tests/fuzz/guest.h"

#define STEPS_MAX   256
#define SIZE_LOG2   6
#define ENTRIES_MAX (1U << SIZE_LOG2)

struct run {
	struct fuzz_guest g;
	struct fuzz_input in;
	struct virtq vq;
	/* Popped and not pushed, oldest first; the last n_fresh of them may be rewound. */
	struct chain out[ENTRIES_MAX];
	unsigned n_out;
	unsigned n_fresh;
	uint64_t n_err;
};

static void check_fault(struct run *r)
{
	r->n_err += fuzz_guest_signals(r->g.err_fd);
	fuzz_require(r->n_err == (r->vq.fault != VIRTQ_OK));
	fuzz_require(r->vq.fault < VIRTQ_FAULTS);
}

/* The chains of a second pop are those of the first one. */
static void check_same(const struct chain *a, const struct chain *b, unsigned n)
{
	unsigned i, k;

	for (i = 0; i < n; i++) {
		fuzz_require(a[i].elem.id == b[i].elem.id && a[i].elem.slots == b[i].elem.slots);
		fuzz_require(a[i].n_out == b[i].n_out && a[i].n_in == b[i].n_in);
		fuzz_require(a[i].out_len == b[i].out_len && a[i].in_len == b[i].in_len);
		for (k = 0; k < (unsigned)a[i].n_out + a[i].n_in; k++)
			fuzz_require(a[i].iov[k].iov_base == b[i].iov[k].iov_base &&
				     a[i].iov[k].iov_len == b[i].iov[k].iov_len);
	}
}

static struct iov_pool pool_new(unsigned cap)
{
	struct iov_pool pool = { .iov = malloc(cap * sizeof(struct iovec)), .cap = cap };

	fuzz_require(pool.iov);
	return pool;
}

static unsigned pop(struct run *r, struct chain *chains, unsigned n, struct iov_pool *pool)
{
	bool broken = r->vq.fault;
	unsigned got = virtq_pop(&r->vq, chains, n, pool), i, iovs = 0;

	fuzz_require(got <= n && pool->n <= pool->cap);
	fuzz_require(!broken || !got);
	for (i = 0; i < got; i++) {
		fuzz_require(chains[i].iov == pool->iov + iovs);
		fuzz_guest_check_chain(&r->g, &chains[i]);
		iovs += (unsigned)chains[i].n_out + chains[i].n_in;
	}
	fuzz_require(r->vq.fault || virtq_seen(&r->vq) <= r->g.size);
	fuzz_require(iovs == pool->n);
	fuzz_require(broken || !r->vq.fault || !got);
	check_fault(r);
	return got;
}

/* A split ring's index that is more than a ring ahead is a fault, and nothing else. */
static void check_wild(const struct run *r, bool wild, unsigned got)
{
	if (!r->g.ring.packed && wild)
		fuzz_require(!got && r->vq.fault == VIRTQ_FAULT_AVAIL_IDX);
}

static unsigned slots_out(const struct run *r)
{
	unsigned n = 0, i;

	for (i = 0; i < r->n_out; i++)
		n += r->out[i].elem.slots;
	return n;
}

static void step_pop(struct run *r)
{
	unsigned room = r->g.size - r->n_out, n = 1 + fuzz_below(&r->in, ENTRIES_MAX), got;
	unsigned more = (unsigned)fuzz_take(&r->in, 1), cap = CHAIN_MAX_IOV + more % 64;
	struct iov_pool pool = pool_new(cap), again = pool_new(cap);
	struct chain second[ENTRIES_MAX], *first = &r->out[r->n_out];
	bool still = !r->g.n_flips && !r->vq.fault, wild = false;

	/* What was pushed is published before more is taken: as every queue does. */
	virtq_publish(&r->vq);
	if (more & 64 && still)
		wild = virtq_peek(&r->vq) > r->g.size;
	n = n < room ? n : room;
	got = pop(r, first, n, &pool);
	check_wild(r, wild, got);
	if (still && !r->vq.fault) {
		virtq_rewind(&r->vq, first, got);
		fuzz_require(pop(r, second, n, &again) == got);
		check_same(first, second, got);
	}
	r->n_out += got;
	r->n_fresh += got;
	fuzz_require(slots_out(r) <= r->g.size);
	free(pool.iov);
	free(again.iov);
}

static void step_rewind(struct run *r)
{
	unsigned n = fuzz_below(&r->in, r->n_fresh + 1);

	r->n_out -= n;
	r->n_fresh -= n;
	virtq_rewind(&r->vq, &r->out[r->n_out], n);
}

/* The oldest one; without IN_ORDER any of those that cannot be rewound any more. */
static void step_push(struct run *r)
{
	unsigned i = fuzz_below(&r->in, ENTRIES_MAX);

	if (!r->n_out)
		return;
	i = feature_has(r->g.features, VIRTIO_F_IN_ORDER) ? 0 : i % r->n_out;
	virtq_push(&r->vq, r->out[i].elem, (uint32_t)fuzz_take(&r->in, 2));
	r->n_out--;
	memmove(&r->out[i], &r->out[i + 1], (r->n_out - i) * sizeof(r->out[0]));
	r->n_fresh = (unsigned)min_u64(r->n_fresh, r->n_out - i);
}

static void step_call(struct run *r)
{
	bool called;

	virtq_publish(&r->vq);
	called = virtq_call(&r->vq);
	fuzz_require(fuzz_guest_signals(r->g.call_fd) == called);
}

/* Whatever the ring shows, the place is one in it. */
static void find_base(struct run *r)
{
	uint16_t at;

	virtq_find_base(&r->g.vq);
	fuzz_guest_signals(r->g.call_fd);
	if (!r->g.ring.packed)
		return;
	at = vring_packed_base(r->g.vq.base);
	fuzz_require(vring_packed_slot(at) < r->g.size);
}

/* As the session does when rings move, or a front-end starts anew. */
static void step_restart(struct run *r)
{
	if (fuzz_below(&r->in, 2)) {
		virtq_move(&r->vq, &r->g.vq.rings);
		return;
	}
	r->g.vq.base = fuzz_guest_base(&r->g, &r->in);
	if (fuzz_below(&r->in, 2))
		find_base(r);
	virtq_start(&r->vq, &r->g.vq);
	r->n_out = r->n_fresh = 0;
	r->n_err = 0;
}

static void step_use(struct run *r)
{
	struct ring_used used;
	unsigned n;

	ring_peek(&r->g.ring);
	for (n = 0; n < r->g.size && ring_use(&r->g.ring, &used) == RING_USED; n++)
		;
	ring_arm_call(&r->g.ring, (uint16_t)fuzz_take(&r->in, 1));
}

static void step(struct run *r)
{
	switch (fuzz_below(&r->in, 16)) {
	case 0:
	case 1:
		fuzz_guest_fill(&r->g, &r->in);
		break;
	case 2:
		ring_submit(&r->g.ring);
		ring_kick(&r->g.ring);
		break;
	case 3:
		fuzz_guest_fill(&r->g, &r->in);
		ring_submit(&r->g.ring);
		break;
	case 4:
	case 5:
		step_pop(r);
		break;
	case 6:
		step_rewind(r);
		break;
	case 7:
		step_push(r);
		break;
	case 8:
		step_call(r);
		break;
	case 9:
		step_use(r);
		break;
	case 10:
		fuzz_guest_flip(&r->g, &r->in);
		break;
	case 11:
		virtq_disarm_notify(&r->vq);
		break;
	case 12:
		virtq_arm_notify(&r->vq);
		break;
	case 13:
		virtq_arm_notify_more(&r->vq);
		fuzz_require(virtq_peek(&r->vq) <= UINT16_MAX);
		break;
	case 14:
		step_restart(r);
		break;
	default:
		fuzz_guest_write(&r->g, &r->in);
		break;
	}
}

void ring_fuzz(uint64_t layout, const uint8_t *data, size_t size)
{
	struct fuzz_guest_config cfg = { .max_size_log2 = SIZE_LOG2,
					 .n_regions = FUZZ_REGIONS,
					 .region_max = 4096 };
	struct run r = { .in = { data, data + size } };
	unsigned i, bits = (unsigned)fuzz_take(&r.in, 1);

	cfg.features = layout | FEATURE(VIRTIO_F_VERSION_1);
	cfg.features |= bits & 1 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
	cfg.features |= bits & 2 ? 0 : FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	cfg.features |= bits & 4 ? FEATURE(VIRTIO_F_IN_ORDER) : 0;
	if (bits & 8)
		cfg.region_max = 65536;
	if (!fuzz_guest_init(&r.g, &cfg, &r.in))
		return;
	virtq_start(&r.vq, &r.g.vq);
	for (i = 0; i < STEPS_MAX && fuzz_more(&r.in); i++)
		step(&r);
	check_fault(&r);
	fuzz_guest_deinit(&r.g);
}
