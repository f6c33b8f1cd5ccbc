/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the tx queue with all engines, in virtual time, on the tests' difficult backend.
 * With an honest driver each frame leaves once, whole and in order, comes back in order, not before
 * the backend was done with it, and none is left when all is idle. Whatever the guest does, work
 * per turn and frames in flight are bounded, and every chain taken is in one counter.
 */
#include "datapath/tx/queue.h"
#include "tests/fuzz/guest.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/test_backend.h"
#include "virtio/net_hdr.h"

#define STEPS_MAX     200
#define SIZE_LOG2     6
#define ENTRIES_MAX   (1U << SIZE_LOG2)
#define SLOT          192 /* bytes of memory for a frame */
#define PARTS         6
#define BURST         16
#define TURNS         10000
#define SPIN_NS       20000
#define RUNS_PER_TURN 16 /* each of kick, timer, backend and work may cause a few */

struct run {
	struct fuzz_guest g;
	struct fuzz_input in;
	bool honest;
	bool paused;
	unsigned hdr_len;
	uint64_t features; /* by which frames leave: the driver's, and those of merging */
	struct iothread *thread;
	struct backend *backend;
	struct tx_queue q;
	uint64_t n_added; /* frames offered: the next one's number */
	uint64_t n_back;
	uint64_t next_out;          /* no frame before this one may reach the backend any more */
	uint64_t n_sent;            /* completed by the backend */
	uint64_t n_unsent;          /* came back without having been there */
	bool was_sent[ENTRIES_MAX]; /* of frame number seq, at seq % ENTRIES_MAX */
};

static uint8_t *slot_at(struct run *r, uint64_t seq)
{
	return r->g.extra + seq % ENTRIES_MAX * SLOT;
}

static uint32_t make_frame(const struct run *r, uint64_t seq, uint8_t *to)
{
	uint32_t len = r->hdr_len + 14 + (uint32_t)(seq * 7 % 160), i;

	memset(to, 0, r->hdr_len);
	for (i = r->hdr_len; i < len; i++)
		to[i] = (uint8_t)(seq >> (i % 2 * 8)) ^ (uint8_t)i;
	return len;
}

/* The backend is done with a frame. */
static void on_sent(void *ctx, unsigned queue, const struct virtio_net_hdr_v1 *hdr,
		    const uint8_t *bytes, uint32_t len, bool arrived)
{
	struct run *r = ctx;
	uint8_t want[SLOT];
	uint64_t seq;

	(void)queue;
	(void)arrived;
	r->n_sent++;
	fuzz_require(net_hdr_check(hdr, len, r->features) == NET_HDR_OK);
	if (!r->honest)
		return;
	for (seq = r->next_out; seq < r->n_added; seq++) {
		if (make_frame(r, seq, want) == r->hdr_len + len &&
		    !memcmp(bytes, want + r->hdr_len, len))
			break;
	}
	fuzz_require(net_hdr_is_plain(hdr));
	fuzz_require(seq < r->n_added && seq >= r->n_back);
	r->was_sent[seq % ENTRIES_MAX] = true;
	r->next_out = seq + 1;
}

static void on_wake(void *ctx, unsigned events)
{
	struct run *r = ctx;

	if (events & (BACKEND_ROOM | BACKEND_DONE))
		tx_queue_ready(&r->q, events);
}

static void add_frame(struct run *r)
{
	unsigned n = 1 + fuzz_below(&r->in, PARTS), i;
	bool indirect = fuzz_below(&r->in, 4) == 0;
	struct chain_part parts[PARTS];
	uint8_t *at = slot_at(r, r->n_added);
	uint32_t left;

	if (!feature_has(r->g.features, VIRTIO_RING_F_INDIRECT_DESC))
		indirect = false;
	if (ring_reserve(&r->g.ring, n) < (indirect ? 1 : n) ||
	    r->n_added - r->n_back == ENTRIES_MAX)
		return;
	left = make_frame(r, r->n_added, at);
	for (i = 0; i < n; i++) {
		uint32_t len = i + 1 < n ? 1 + fuzz_below(&r->in, left - (n - i - 1)) : left;

		parts[i] = (struct chain_part){ fuzz_guest_gpa(&r->g, at), len, false };
		at += len;
		left -= len;
	}
	r->was_sent[r->n_added % ENTRIES_MAX] = false;
	if (indirect)
		ring_fill_indirect(&r->g.ring, parts, n, r->n_added++);
	else
		ring_fill_chain(&r->g.ring, parts, n, r->n_added++);
}

static void reclaim(struct run *r)
{
	struct ring_used used;
	unsigned n;

	ring_peek(&r->g.ring);
	for (n = 0; n < r->g.size && ring_use(&r->g.ring, &used) == RING_USED; n++) {
		if (!r->honest)
			continue;
		fuzz_require(used.token == r->n_back && used.len == 0);
		r->n_unsent += !r->was_sent[r->n_back % ENTRIES_MAX];
		memset(slot_at(r, r->n_back), 0xdd, SLOT);
		r->n_back++;
	}
	fuzz_require(!r->honest || r->g.ring.fault == RING_OK);
}

static uint64_t drops(const struct run *r)
{
	const struct tx_stats *s = &r->q.stats;

	uint64_t n = s->drop_size + s->drop_disabled;

	for (unsigned i = 0; i < NET_HDR_FAULTS; i++)
		n += s->drop_header[i];
	return n;
}

/* False: there was nothing to do. A run may take several turns, but no more than its burst. */
static bool turn(struct run *r)
{
	uint64_t runs = r->q.stats.runs;
	bool busy = fake_iothread_turn(r->thread);

	fuzz_require(r->q.stats.runs - runs <= RUNS_PER_TURN);
	fuzz_require(r->q.stats.frames + drops(r) <= r->q.stats.runs * BURST);
	return busy;
}

static void start(struct run *r)
{
	struct tx_queue_config cfg = { .vq = r->g.vq,
				       .kick_fd = r->g.kick_fd,
				       .hdr_len = r->hdr_len };

	fuzz_require(tx_queue_start(&r->q, &cfg) == 0);
	r->paused = false;
}

static struct tx_mode mode(unsigned which)
{
	if (which == 0)
		return (struct tx_mode){ &bh_tx_engine, { BURST } };
	if (which == 1)
		return (struct tx_mode){ &timer_tx_engine, { 150000, BURST } };
	return (struct tx_mode){ &poll_tx_engine, { SPIN_NS, BURST } };
}

static void control(struct run *r)
{
	struct tx_mode m;

	switch (fuzz_below(&r->in, 5)) {
	case 0:
		if (r->paused)
			tx_queue_resume(&r->q);
		else
			tx_queue_pause(&r->q);
		r->paused = !r->paused;
		break;
	case 1:
		r->g.vq.base = tx_queue_stop(&r->q);
		start(r);
		break;
	case 2:
		tx_queue_enable(&r->q, fuzz_below(&r->in, 2));
		break;
	case 3:
		m = mode(fuzz_below(&r->in, 3));
		tx_queue_set_mode(&r->q, &m);
		break;
	default:
		tx_queue_ready(&r->q, 1 + fuzz_below(&r->in, 3));
		break;
	}
}

static void backend_step(struct run *r)
{
	unsigned n = fuzz_below(&r->in, 32);

	switch (fuzz_below(&r->in, 3)) {
	case 0:
		test_backend_room(r->backend, 0, n < 31 ? n : TEST_BACKEND_NO_LIMIT);
		break;
	case 1:
		test_backend_refuse(r->backend, 0, n);
		break;
	default:
		test_backend_finish(r->backend, 0, n);
		break;
	}
}

static void add(struct run *r)
{
	unsigned n = 1 + fuzz_below(&r->in, 8);

	while (n--) {
		if (r->honest)
			add_frame(r);
		else
			fuzz_guest_fill(&r->g, &r->in);
	}
	ring_submit(&r->g.ring);
	ring_kick(&r->g.ring);
}

static void step(struct run *r)
{
	switch (fuzz_below(&r->in, 12)) {
	case 0:
	case 1:
	case 2:
		add(r);
		break;
	case 3:
		backend_step(r);
		break;
	case 4:
		reclaim(r);
		break;
	case 5:
		fake_iothread_advance(r->thread, fuzz_take(&r->in, 2) * 16);
		break;
	case 6:
		control(r);
		break;
	case 7:
		ring_kick_now(&r->g.ring);
		break;
	case 8:
		if (!r->honest)
			fuzz_guest_write(&r->g, &r->in);
		break;
	case 9:
		if (!r->honest)
			fuzz_guest_flip(&r->g, &r->in);
		break;
	default:
		turn(r);
		break;
	}
	fuzz_require(test_backend_held(r->backend, 0) <= r->g.size);
}

/* The backend takes everything, time goes by; the driver only takes back. */
static void settle(struct run *r)
{
	unsigned i;

	/* Both look into the ring: not where a sleeper should have been woken by a kick. */
	if (r->paused)
		tx_queue_resume(&r->q);
	if (!r->q.rules.enabled)
		tx_queue_enable(&r->q, true);
	test_backend_room(r->backend, 0, TEST_BACKEND_NO_LIMIT);
	for (i = 0; i < TURNS; i++) {
		if (turn(r)) {
			/* Only who polls needs time to come to rest. */
			if (r->q.engine == &poll_tx_engine)
				fake_iothread_advance(r->thread, SPIN_NS / 3);
			continue;
		}
		reclaim(r);
		if (test_backend_finish(r->backend, 0, UINT_MAX))
			continue;
		if (fake_iothread_next_timer(r->thread) == FAKE_IOTHREAD_NO_TIMER)
			break;
		fake_iothread_advance(r->thread, fake_iothread_next_timer(r->thread) -
							 iothread_now_ns(r->thread));
	}
	fuzz_require(i < TURNS);
	reclaim(r);
}

static void check_end(struct run *r)
{
	fuzz_require(test_backend_counts(r->backend, 0)->misuse == 0);
	fuzz_require(r->q.stats.unsafe_plans == 0);
	if (!r->honest)
		return;
	fuzz_require(!r->q.vq.fault && r->n_back == r->n_added);
	fuzz_require(r->n_unsent == drops(r) && r->n_sent + drops(r) == r->n_added);
}

static void set_up(struct run *r)
{
	unsigned bits = (unsigned)fuzz_take(&r->in, 1);
	struct test_backend_config backend = {
		.n_queues = 1, .sent = on_sent, .wake = on_wake, .ctx = r
	};
	struct tx_mode m = mode(bits & 8 ? 2 : bits & 1);

	backend.fds = bits & 2;
	backend.late = bits & 4;
	iothread_new(&r->thread, "fuzz");
	r->backend = test_backend_new(&backend);
	r->backend->ops->start(r->backend, r->g.features, r->hdr_len);
	tx_queue_init(&r->q, r->thread, r->backend->queues[0], &m);
	r->features = r->g.features;
	if (bits & 16 && !backend.late) {
		r->q.rules.merges = FEATURES_MERGES;
		r->features |= FEATURES_MERGES | FEATURE(VIRTIO_NET_F_CSUM);
	}
	tx_queue_enable(&r->q, true);
	start(r);
}

static bool guest_up(struct run *r)
{
	unsigned bits = (unsigned)fuzz_take(&r->in, 1);
	struct fuzz_guest_config cfg = { .max_size_log2 = SIZE_LOG2,
					 .n_regions = 2,
					 .region_max = 2048,
					 .honest = bits & 1,
					 .extra = ENTRIES_MAX * SLOT };

	r->honest = bits & 1;
	cfg.features = bits & 2 ? FEATURE(VIRTIO_F_VERSION_1) : 0;
	cfg.features |= bits & 4 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
	cfg.features |= bits & 8 ? 0 : FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	cfg.features |= bits & 16 ? FEATURE(VIRTIO_F_IN_ORDER) : 0;
	cfg.features |= bits & 32 ? FEATURE(VIRTIO_NET_F_CSUM) | FEATURES_HOST_TSO : 0;
	cfg.features |= bits & 64 ? FEATURE(VIRTIO_F_RING_PACKED) : 0;
	r->hdr_len = net_hdr_len(cfg.features);
	return fuzz_guest_init(&r->g, &cfg, &r->in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .in = { data, data + size } };
	unsigned i;

	if (!guest_up(&r))
		return 0;
	set_up(&r);
	for (i = 0; i < STEPS_MAX && fuzz_more(&r.in); i++)
		step(&r);
	settle(&r);
	check_end(&r);
	tx_queue_stop(&r.q);
	tx_queue_deinit(&r.q);
	backend_free(r.backend);
	iothread_free(r.thread);
	fuzz_guest_deinit(&r.g);
	return 0;
}
