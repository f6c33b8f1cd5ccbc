/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the rx queue, in virtual time, with buffers of all shapes and frames of all sizes.
 * With an honest driver each frame comes once, whole and in order, or is in one drop counter, and
 * no byte changes that is not in a buffer of the device's. Whatever the guest does, work per turn
 * is bounded and no frame is unaccounted for.
 */
#include "datapath/rx.h"
#include "tests/fuzz/guest.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/test_backend.h"
#include "virtio/net_hdr.h"

#define STEPS_MAX     160
#define SIZE_LOG2     6
#define ENTRIES_MAX   (1U << SIZE_LOG2)
#define EXTRA         (64 * 1024) /* memory for buffers */
#define PARTS         8
#define GIVEN_MAX     512
#define TURNS         10000
#define RUNS_PER_TURN 8
#define RUN_MAX       256 /* frames */

/* One buffer of an honest driver's. */
struct buffer {
	unsigned start; /* in extra, gaps included */
	unsigned end;
	unsigned n_parts;
	unsigned at[PARTS];
	uint32_t part[PARTS];
	uint32_t len;
};

struct run {
	struct fuzz_guest g;
	struct fuzz_input in;
	bool honest;
	bool paused;
	bool fds;
	unsigned hdr_len;
	struct iothread *thread;
	struct backend *backend;
	struct rx_queue q;
	struct buffer buffers[ENTRIES_MAX]; /* number seq at seq % ENTRIES_MAX */
	uint64_t n_posted;
	uint64_t n_back;
	unsigned next_start;
	uint64_t n_given;
	uint64_t n_delivered;
	uint64_t next_in; /* no frame before this one may come any more */
	uint32_t frame_len[GIVEN_MAX];
	uint8_t shadow[EXTRA]; /* extra, as it must be where the device may not write */
};

static struct buffer *buffer_at(struct run *r, uint64_t seq)
{
	return &r->buffers[seq % ENTRIES_MAX];
}

/* Header and len bytes of frame number seq; num_buffers is the device's to fill. */
static void make_frame(const struct run *r, uint64_t seq, uint8_t *to, uint32_t len)
{
	uint32_t i;

	memset(to, 0, r->hdr_len);
	to[2] = (uint8_t)seq;
	for (i = 0; i < len; i++)
		to[r->hdr_len + i] = (uint8_t)(seq + i + (i >> 8) * 3);
}

static void give(struct run *r)
{
	static const unsigned maxima[] = { 200, 200, 1500, 1500, 4096, 20000, 60000 };
	static uint8_t bytes[SPILL_SIZE];
	uint32_t len = 14 + fuzz_below(&r->in, maxima[fuzz_below(&r->in, array_size(maxima))]);

	if (r->n_given == GIVEN_MAX)
		return;
	make_frame(r, r->n_given, bytes, len);
	r->frame_len[r->n_given++] = len;
	test_backend_give(r->backend, 0, bytes, r->hdr_len + len);
}

/* Room for need bytes that no buffer in flight has. */
static bool find_room(struct run *r, unsigned need, unsigned *start)
{
	uint64_t seq;

	if (need > EXTRA)
		return false;
	*start = r->next_start + need <= EXTRA ? r->next_start : 0;
	for (seq = r->n_back; seq < r->n_posted; seq++) {
		if (*start < buffer_at(r, seq)->end && buffer_at(r, seq)->start < *start + need)
			return false;
	}
	r->next_start = *start + need;
	return true;
}

/* Nobody has written there since it was the driver's. */
static void check_untouched(const struct run *r, const struct buffer *b)
{
	fuzz_require(!memcmp(r->shadow + b->start, r->g.extra + b->start, b->end - b->start));
}

/* Whatever the device wrote into a buffer is right, outside of its parts nothing is. */
static void take_back(struct run *r, const struct buffer *b)
{
	for (unsigned i = 0; i < b->n_parts; i++)
		memcpy(r->shadow + b->at[i], r->g.extra + b->at[i], b->part[i]);
	check_untouched(r, b);
}

/*
 * A buffer of n parts with gaps between them; its length is at least the header's. False: no room.
 */
static bool post_parts(struct run *r, unsigned n, unsigned part_max, bool indirect)
{
	struct buffer *b = buffer_at(r, r->n_posted);
	struct chain_part parts[PARTS];
	unsigned gaps[PARTS], need = 0, i;

	if (ring_reserve(&r->g.ring, n) < (indirect ? 1 : n) ||
	    r->n_posted - r->n_back == ENTRIES_MAX)
		return false;
	b->len = 0;
	for (i = 0; i < n; i++) {
		b->part[i] = 1 + fuzz_below(&r->in, part_max);
		if (i + 1 == n && b->len + b->part[i] < r->hdr_len)
			b->part[i] = r->hdr_len;
		gaps[i] = fuzz_below(&r->in, 4);
		b->len += b->part[i];
		need += gaps[i] + b->part[i];
	}
	if (!find_room(r, need, &b->start))
		return false;
	b->n_parts = n;
	b->end = b->start;
	for (i = 0; i < n; i++) {
		b->at[i] = b->end + gaps[i];
		b->end = b->at[i] + b->part[i];
		parts[i] = (struct chain_part){ fuzz_guest_gpa(&r->g, r->g.extra + b->at[i]),
						b->part[i], true };
	}
	check_untouched(r, b);
	if (indirect)
		ring_fill_indirect(&r->g.ring, parts, n, r->n_posted++);
	else
		ring_fill_chain(&r->g.ring, parts, n, r->n_posted++);
	return true;
}

static void post(struct run *r)
{
	static const unsigned maxima[] = { 16, 100, 1000, 2000, 10000 };
	unsigned n = 1 + fuzz_below(&r->in, 16);
	unsigned part_max = maxima[fuzz_below(&r->in, array_size(maxima))];

	while (n--) {
		if (r->honest)
			post_parts(r, 1 + fuzz_below(&r->in, PARTS), part_max,
				   !fuzz_below(&r->in, 4) &&
					   feature_has(r->g.features, VIRTIO_RING_F_INDIRECT_DESC));
		else
			fuzz_guest_fill(&r->g, &r->in);
	}
	ring_submit(&r->g.ring);
	ring_kick(&r->g.ring);
}

/* The first len bytes of a buffer that came back. */
static void copy_buffer(struct run *r, const struct buffer *b, uint32_t len, uint8_t *to)
{
	for (unsigned i = 0; i < b->n_parts && len; i++) {
		uint32_t part = (uint32_t)min_u64(len, b->part[i]);

		memcpy(to, r->g.extra + b->at[i], part);
		to += part;
		len -= part;
	}
}

static void check_frame(struct run *r, const uint8_t *got, uint32_t len)
{
	static uint8_t want[SPILL_SIZE];
	uint64_t seq;

	for (seq = r->next_in; seq < r->n_given; seq++) {
		if (r->hdr_len + r->frame_len[seq] != len)
			continue;
		make_frame(r, seq, want, r->frame_len[seq]);
		if (!memcmp(got, want, NET_HDR_LEN_LEGACY) &&
		    !memcmp(got + r->hdr_len, want + r->hdr_len, r->frame_len[seq]))
			break;
	}
	fuzz_require(seq < r->n_given);
	r->next_in = seq + 1;
	r->n_delivered++;
}

/* One frame: the buffers that num_buffers counts, all there, all full but the last. */
static void receive_one(struct run *r, unsigned waiting)
{
	static uint8_t frame[SPILL_SIZE];
	struct ring_used used;
	uint16_t n = 1, i;
	uint32_t len = 0;

	for (i = 0; i < n; i++) {
		struct buffer *b = buffer_at(r, r->n_back);

		fuzz_require(ring_use(&r->g.ring, &used) == RING_USED);
		fuzz_require(used.token == r->n_back && used.len && used.len <= b->len);
		fuzz_require(len + used.len <= sizeof(frame));
		copy_buffer(r, b, used.len, frame + len);
		if (!i && r->hdr_len == NET_HDR_LEN) {
			fuzz_require(used.len >= NET_HDR_LEN);
			memcpy(&n, frame + NET_HDR_LEN_LEGACY, sizeof(n));
			/* A packed ring does not tell how many wait. */
			fuzz_require(n >= 1 && (n <= waiting || r->g.ring.packed));
		}
		fuzz_require(i + 1 == n || used.len == b->len);
		len += used.len;
		take_back(r, b);
		r->n_back++;
	}
	check_frame(r, frame, len);
}

static void receive(struct run *r)
{
	struct ring_used used;
	unsigned waiting;

	while (r->honest && (waiting = ring_peek(&r->g.ring)))
		receive_one(r, waiting);
	fuzz_require(!r->honest || r->g.ring.fault == RING_OK);
	if (r->honest)
		return;
	ring_peek(&r->g.ring);
	for (waiting = 0; waiting < r->g.size; waiting++) {
		if (ring_use(&r->g.ring, &used) != RING_USED)
			break;
	}
}

static void turn(struct run *r)
{
	uint64_t runs = r->q.stats.runs, frames = r->q.stats.frames;

	fake_iothread_turn(r->thread);
	runs = r->q.stats.runs - runs;
	fuzz_require(runs <= RUNS_PER_TURN && r->q.stats.frames - frames <= runs * (RUN_MAX + 1));
}

static void on_wake(void *ctx, unsigned events)
{
	struct run *r = ctx;

	if (events & BACKEND_FRAMES)
		rx_queue_ready(&r->q);
}

static void start(struct run *r)
{
	struct rx_queue_config cfg = { .vq = r->g.vq,
				       .kick_fd = r->g.kick_fd,
				       .hdr_len = r->hdr_len };

	fuzz_require(rx_queue_start(&r->q, &cfg) == 0);
	r->paused = false;
}

static void control(struct run *r)
{
	switch (fuzz_below(&r->in, 4)) {
	case 0:
		if (r->paused)
			rx_queue_resume(&r->q);
		else
			rx_queue_pause(&r->q);
		r->paused = !r->paused;
		break;
	case 1:
		r->g.vq.base = rx_queue_stop(&r->q);
		start(r);
		break;
	case 2:
		rx_queue_enable(&r->q, fuzz_below(&r->in, 2));
		break;
	default:
		rx_queue_ready(&r->q);
		break;
	}
}

static void step(struct run *r)
{
	switch (fuzz_below(&r->in, 12)) {
	case 0:
	case 1:
	case 2:
		give(r);
		break;
	case 3:
	case 4:
		post(r);
		break;
	case 5:
		receive(r);
		break;
	case 6:
		test_backend_rx_limit(r->backend, 0, 1 + fuzz_below(&r->in, 16));
		break;
	case 7:
		control(r);
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
}

/*
 * An honest driver goes on posting and taking until all is there; any other one only waits. It may
 * run out of memory for buffers while its ring has room for more: a frame then waits for ever.
 */
static void settle(struct run *r)
{
	uint64_t before;
	unsigned i, k;

	if (r->paused)
		rx_queue_resume(&r->q);
	rx_queue_enable(&r->q, true);
	fuzz_require(fake_iothread_run_until_idle(r->thread, TURNS));
	receive(r);
	for (i = 0; r->honest && i < TURNS; i++) {
		if (!test_backend_waiting(r->backend, 0) && !r->q.parked)
			break;
		before = r->n_posted + r->n_back;
		for (k = 0; k < r->g.size; k++)
			post_parts(r, 1, 2000, false);
		ring_submit(&r->g.ring);
		ring_kick(&r->g.ring);
		fuzz_require(fake_iothread_run_until_idle(r->thread, TURNS));
		receive(r);
		if (before == r->n_posted + r->n_back) {
			fuzz_require(r->q.parked && ring_reserve(&r->g.ring, 1));
			break;
		}
	}
	fuzz_require(i < TURNS);
}

static void check_end(struct run *r)
{
	const struct rx_stats *s = &r->q.stats;

	fuzz_require(test_backend_counts(r->backend, 0)->misuse == 0);
	fuzz_require(s->frames + s->drop_size + s->drop_no_room + s->drop_stopped +
			     test_backend_waiting(r->backend, 0) + (r->q.parked != NULL) ==
		     r->n_given);
	if (!r->honest)
		return;
	fuzz_require(!r->q.vq.fault && r->n_delivered == s->frames);
	for (; r->n_back < r->n_posted; r->n_back++)
		take_back(r, buffer_at(r, r->n_back));
	fuzz_require(!memcmp(r->shadow, r->g.extra, EXTRA));
}

static bool guest_up(struct run *r)
{
	unsigned bits = (unsigned)fuzz_take(&r->in, 1);
	struct fuzz_guest_config cfg = { .max_size_log2 = SIZE_LOG2,
					 .n_regions = 2,
					 .region_max = 4096,
					 .honest = bits & 1,
					 .extra = EXTRA };

	r->honest = bits & 1;
	r->fds = bits & 32;
	cfg.features = bits & 2 ? FEATURE(VIRTIO_F_VERSION_1) : 0;
	cfg.features |= bits & 4 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
	cfg.features |= bits & 8 ? 0 : FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	cfg.features |= bits & 16 ? FEATURE(VIRTIO_NET_F_MRG_RXBUF) : 0;
	cfg.features |= bits & 64 ? FEATURE(VIRTIO_F_IN_ORDER) : 0;
	cfg.features |= bits & 128 ? FEATURE(VIRTIO_F_RING_PACKED) : 0;
	r->hdr_len = net_hdr_len(cfg.features);
	return fuzz_guest_init(&r->g, &cfg, &r->in);
}

static void set_up(struct run *r)
{
	struct test_backend_config backend = {
		.n_queues = 1, .fds = r->fds, .wake = on_wake, .ctx = r
	};

	iothread_new(&r->thread, "fuzz");
	r->backend = test_backend_new(&backend);
	fuzz_require(rx_queue_init(&r->q, r->thread, r->backend->queues[0]) == 0);
	rx_queue_enable(&r->q, true);
	start(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct run r;
	unsigned i;

	memset(&r, 0, sizeof(r));
	r.in = (struct fuzz_input){ data, data + size };
	if (!guest_up(&r))
		return 0;
	set_up(&r);
	for (i = 0; i < STEPS_MAX && fuzz_more(&r.in); i++)
		step(&r);
	settle(&r);
	check_end(&r);
	rx_queue_stop(&r.q);
	rx_queue_deinit(&r.q);
	backend_free(r.backend);
	iothread_free(r.thread);
	fuzz_guest_deinit(&r.g);
	return 0;
}
