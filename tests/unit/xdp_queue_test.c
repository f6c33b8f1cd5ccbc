/* SPDX-License-Identifier: MIT */
/*
 * usage: xdp_queue_test [SEEDS]
 *
 * The tx queue over datapath/backend/xdp_tx.c and the fake kernel, by chance: frames of all kinds,
 * completions in any order, everything that sendto() may say, pauses, and sockets that die and are
 * made anew. Each frame leaves once, whole and in order; its buffer comes back in ring order, not
 * before the kernel was done with it; each that does not arrive is counted once.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "datapath/backend/xdp_tx.h"
#include "datapath/tx/engines.h"
#include "datapath/tx/queue.h"
#include "tests/unit/fake_iothread.h"
#include "tests/unit/guest.h"
#include "tests/unit/xdp_frames.h"

#define SIZE     64 /* ring entries */
#define BUF_LEN  10240
#define STEPS    400
#define SEGMENTS 22
#define FRAMES   (STEPS * SIZE)
#define LOOK_US  50
#define FEATURES \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4))
#define WORD UINT64_MAX

/* A frame of the guest's, at its number. */
struct entry {
	uint32_t len;
	uint16_t gso;
	bool bad;      /* the backend refuses it */
	bool lost;     /* it must be counted */
	bool forgiven; /* it may come back while the kernel has it: a pause, or the socket's end */
	uint32_t n_wire;
	uint32_t wired;
	uint32_t chunks; /* with the kernel */
};

struct rig {
	uint64_t seed, random;
	struct xdp_fake k;
	struct xdp_tx tx;
	struct backend_queue bq;
	struct guest guest;
	uint8_t *bufs;
	struct iothread *thread;
	struct tx_queue q;
	struct entry *entries;
	uint64_t n_added, n_taken, n_used, next_wire;
	uint64_t n_lost;       /* that must be counted */
	uint64_t cancel_drops; /* counted apart from any batch */
	bool was_down;
};

#define check(r, cond) \
	do { \
		if (!(cond)) { \
			print_error("%s:%d: %s, seed %" PRIu64 "\n", __FILE__, __LINE__, #cond, \
				    (r)->seed); \
			fail(); \
		} \
	} while (0)

static unsigned below(struct rig *r, unsigned n)
{
	return test_random_below(&r->random, n);
}

static void lose(struct rig *r, struct entry *e)
{
	r->n_lost += !e->lost;
	e->lost = true;
}

/* ---- the kernel's side ---- */

static void on_wire(void *ctx, const uint8_t *bytes, uint32_t len, unsigned n, bool dropped)
{
	static uint8_t frame[BUF_LEN], want[BUF_LEN];
	struct rig *r = ctx;
	struct entry *e;
	uint64_t tag;

	memcpy(&tag, bytes + XDP_FAKE_TAG_AT, sizeof(tag));
	if (tag == WORD)
		return;
	check(r, tag >= r->next_wire && tag < r->n_added);
	r->next_wire = tag;
	e = &r->entries[tag];
	check(r, !e->bad && e->wired < e->n_wire);
	xdp_frames_make(frame, e->len, tag, e->gso ? e->gso : e->len);
	check(r,
	      len == xdp_frames_segment(want, frame, e->len, e->gso ? e->gso : e->len, e->wired));
	check(r, !memcmp(bytes, want, len));
	e->wired++;
	e->chunks += n;
	if (dropped)
		lose(r, e);
}

static void on_complete(void *ctx, uint64_t tag)
{
	struct rig *r = ctx;

	if (tag != WORD)
		r->entries[tag].chunks--;
}

/* ---- the backend ---- */

static struct rig *rig_of(struct backend_queue *bq)
{
	return container_of(bq, struct rig, bq);
}

/* What was taken so far comes back, whatever the kernel does with it. */
static void forgive(struct rig *r)
{
	for (uint64_t i = r->n_used; i < r->n_taken; i++)
		r->entries[i].forgiven = true;
}

/* The socket may have died in the last call: what the kernel did not take is lost. */
static void see_down(struct rig *r)
{
	uint64_t i;

	if (r->tx.down == r->was_down)
		return;
	r->was_down = r->tx.down;
	/* Also what a pause gave back before the kernel had it. */
	for (i = 0; i < r->n_taken; i++) {
		if (!r->entries[i].bad && r->entries[i].wired < r->entries[i].n_wire)
			lose(r, &r->entries[i]);
	}
	forgive(r);
}

static unsigned on_tx(struct backend_queue *bq, const struct frame *frames, unsigned n,
		      struct tx_stats *stats)
{
	struct rig *r = rig_of(bq);
	bool down = r->tx.down;
	unsigned taken = xdp_tx_send(&r->tx, frames, n, stats), i;

	check(r, !down || taken == n);
	for (i = 0; i < taken; i++) {
		struct entry *e = &r->entries[r->n_taken++];

		e->bad |= down;
		if (e->bad)
			lose(r, e);
	}
	see_down(r);
	return taken;
}

static unsigned on_done(struct backend_queue *bq)
{
	struct rig *r = rig_of(bq);
	unsigned n = xdp_tx_done(&r->tx);

	see_down(r);
	return n;
}

static bool on_cancel(struct backend_queue *bq, struct tx_stats *stats)
{
	struct rig *r = rig_of(bq);
	uint64_t before = stats->drop_backend;

	xdp_tx_cancel(&r->tx, stats);
	r->cancel_drops += stats->drop_backend - before;
	see_down(r);
	forgive(r);
	return true;
}

static const struct backend_ops ops = {
	.name = "xdp", .tx = on_tx, .tx_done = on_done, .tx_cancel = on_cancel
};

/* ---- the guest ---- */

static void make_entry(struct rig *r, struct entry *e)
{
	/* A kernel that shows little does not tell which frame it lost: that needs equal ones. */
	unsigned kind = r->k.shows == XDP_FAKE_LATE ? 0 : below(r, 8);

	*e = (struct entry){ .len = 64 + below(r, 1400) };
	if (kind == 1 || kind == 2) {
		e->len = 1000 + below(r, 8000);
		e->gso = (uint16_t)(400 + below(r, 1060));
		/* The last one has room for the tag. */
		if ((e->len - XDP_FRAMES_HDR) % e->gso < 16)
			e->len += 16;
	} else if (kind == 3) {
		e->len = 64 + below(r, 9200);
	} else if (kind == 4) {
		e->gso = (uint16_t)(1 + r->tx.max_len + below(r, 10));
		e->len = XDP_FRAMES_HDR + e->gso;
	}
	e->n_wire = xdp_frames_segments(e->len, e->gso);
	e->bad = (e->gso ? XDP_FRAMES_HDR + e->gso : e->len) > r->tx.max_len;
}

/* The entry that was made for it becomes a chain. */
static void add_entry(struct rig *r)
{
	const struct entry *e = &r->entries[r->n_added];
	uint8_t *buf = r->bufs + r->n_added % SIZE * BUF_LEN;
	struct virtio_net_hdr_v1 hdr = xdp_frames_hdr(e->gso);
	uint32_t cut = 1 + below(r, 59);
	struct chain_part parts[3];

	memcpy(buf, &hdr, NET_HDR_LEN);
	xdp_frames_make(buf + NET_HDR_LEN, e->len, r->n_added, e->gso ? e->gso : e->len);
	parts[0] = guest_part(&r->guest, buf, cut, false);
	parts[1] = guest_part(&r->guest, buf + cut, 1, false);
	parts[2] = guest_part(&r->guest, buf + cut + 1, NET_HDR_LEN + e->len - cut - 1, false);
	ring_fill_chain(&r->guest.ring, parts, 3, r->n_added++);
}

static void add(struct rig *r)
{
	unsigned n = below(r, SIZE);

	for (; n && ring_reserve(&r->guest.ring, 3) >= 3; n--) {
		check(r, r->n_added < FRAMES);
		make_entry(r, &r->entries[r->n_added]);
		add_entry(r);
	}
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
}

static void reclaim(struct rig *r)
{
	struct ring_used used;

	ring_peek(&r->guest.ring);
	while (ring_use(&r->guest.ring, &used) == RING_USED) {
		struct entry *e = &r->entries[used.token];

		check(r, used.token == r->n_used && used.token < r->n_taken);
		check(r, e->bad || e->forgiven || (e->wired == e->n_wire && !e->chunks));
		memset(r->bufs + used.token % SIZE * BUF_LEN, 0xdd, BUF_LEN);
		r->n_used++;
	}
}

static void check_counts(struct rig *r)
{
	const struct tx_stats *s = &r->q.stats;

	check(r, s->drop_backend + r->tx.drops == r->n_lost);
	check(r, s->frames + s->drop_backend - r->cancel_drops == r->n_taken);
}

/* ---- chance ---- */

static void start(struct rig *r, uint32_t base)
{
	struct tx_queue_config cfg = { .vq = guest_vq(&r->guest, base),
				       .kick_fd = r->guest.kick_fd,
				       .hdr_len = NET_HDR_LEN };

	check(r, !tx_queue_start(&r->q, &cfg));
}

static void kernel_up(struct rig *r, enum xdp_fake_shows shows, bool zerocopy)
{
	bool large = r->seed & 1;
	uint32_t idx = zerocopy || r->tx.sock ? 0 : UINT32_MAX - below(r, 3000);

	xdp_fake_init(&r->k, large ? 12 : 11, idx);
	r->k.shows = shows;
	r->k.hold = true;
	r->k.wire = on_wire;
	r->k.complete = on_complete;
	r->k.ctx = r;
	r->k.sock.meta = r->seed & 2;
	r->k.sock.zerocopy = zerocopy;
	if (!r->tx.sock) {
		xdp_tx_init(&r->tx, &r->k.sock);
		r->tx.head = r->tx.tail = r->tx.taken = idx;
		r->tx.max_len = large ? 9018 : 1518;
		r->tx.whole = malloc(NET_FRAME_MAX);
		check(r, r->tx.whole);
	}
}

/* The queue pauses, its socket is closed and another opened. */
static void new_socket(struct rig *r)
{
	enum xdp_fake_shows shows = r->k.shows;
	bool zerocopy = r->k.sock.zerocopy;
	uint64_t i;

	if (shows == XDP_FAKE_LATE)
		return;
	check(r, tx_queue_pause(&r->q));
	xdp_tx_restart(&r->tx);
	for (i = 0; i < r->n_taken; i++) {
		struct entry *e = &r->entries[i];

		if (!e->bad && (e->wired < e->n_wire || e->chunks))
			lose(r, e);
		/* What was on its way is gone. */
		e->wired = e->n_wire;
		e->chunks = 0;
	}
	r->was_down = false;
	check_counts(r);
	xdp_fake_deinit(&r->k);
	kernel_up(r, shows, zerocopy);
	tx_queue_resume(&r->q);
}

static void trouble(struct rig *r)
{
	static const int codes[] = { ENOBUFS, EINTR, ENOMEM, EAGAIN };

	r->k.code = codes[below(r, 4)];
	r->k.n_codes = below(r, 4);
	r->k.code_after = r->k.code == EINTR ? 0 : below(r, 8);
	r->k.busy = below(r, 4) ? 0 : below(r, 5);
	if (!r->k.sock.zerocopy)
		r->k.drop = test_random(&r->random) & test_random(&r->random);
	else
		r->k.words[0][2] = below(r, 2) ? XDP_RING_NEED_WAKEUP : 0;
	if (!below(r, 20) && r->k.shows != XDP_FAKE_LATE) {
		r->k.code = below(r, 2) ? ENETDOWN : ENXIO;
		r->k.n_codes = 1;
		r->k.code_after = 0;
	}
}

static void control(struct rig *r)
{
	uint8_t word[64] = { 0 };

	switch (r->tx.down ? 3 : below(r, 6)) {
	case 0:
	case 1:
		check(r, tx_queue_pause(&r->q));
		tx_queue_resume(&r->q);
		break;
	case 2:
		start(r, tx_queue_stop(&r->q));
		break;
	case 3:
		new_socket(r);
		break;
	default:
		memset(word + XDP_FAKE_TAG_AT, 0xff, sizeof(uint64_t));
		if (r->k.shows != XDP_FAKE_LATE)
			xdp_tx_word(&r->tx, word, sizeof(word));
		see_down(r);
		break;
	}
}

static void step(struct rig *r)
{
	switch (below(r, 12)) {
	case 0:
	case 1:
	case 2:
		add(r);
		break;
	case 3:
		reclaim(r);
		break;
	case 4:
	case 5:
		xdp_fake_complete(&r->k, below(r, 2) ? below(r, 30) : UINT_MAX, &r->random);
		break;
	case 6:
		fake_iothread_advance(r->thread, below(r, 200) * 1000);
		break;
	case 7:
		trouble(r);
		break;
	case 8:
		if (r->tx.down || !below(r, 3))
			control(r);
		break;
	case 9:
		if (r->k.sock.zerocopy)
			xdp_fake_poll(&r->k, below(r, 50));
		break;
	default:
		fake_iothread_turn(r->thread);
		break;
	}
	check_counts(r);
}

/* All trouble is over: nothing may be left. */
static void settle(struct rig *r)
{
	unsigned i;

	r->k.n_codes = r->k.busy = 0;
	r->k.drop = 0;
	for (i = 0; i < 1000 && r->n_used < r->n_added; i++) {
		fake_iothread_advance(r->thread, 100000);
		fake_iothread_run_until_idle(r->thread, 1000);
		if (r->k.sock.zerocopy)
			xdp_fake_poll(&r->k, UINT_MAX);
		xdp_fake_complete(&r->k, UINT_MAX, &r->random);
		reclaim(r);
	}
	check(r, r->n_used == r->n_added && r->n_taken == r->n_added);
	check_counts(r);
}

static void up(struct rig *r, uint64_t seed)
{
	struct tx_mode mode = { .engine = seed & 4 ? &timer_tx_engine : &bh_tx_engine };
	bool zerocopy = seed % 8 == 7;

	*r = (struct rig){ .seed = seed, .random = seed };
	r->entries = calloc(FRAMES, sizeof(*r->entries));
	check(r, r->entries);
	kernel_up(r, zerocopy ? XDP_FAKE_ALWAYS : (enum xdp_fake_shows)(seed % XDP_FAKE_SHOWS),
		  zerocopy);
	r->bq = (struct backend_queue){ .ops = &ops,
					.room = { .fd = -1, .look_us = LOOK_US },
					.done = { .fd = -1, .look_us = LOOK_US },
					.frames = { .fd = -1 },
					.vhost_fd = -1 };
	guest_init(&r->guest, SIZE, FEATURES | guest_layout, 0);
	r->bufs = guest_alloc(&r->guest, SIZE * BUF_LEN);
	iothread_new(&r->thread, "fake");
	mode.values[0] = seed & 4 ? 150000 : 1 + below(r, SIZE);
	mode.values[1] = 1 + below(r, SIZE);
	tx_queue_init(&r->q, r->thread, &r->bq, &mode);
	tx_queue_enable(&r->q, true);
	start(r, ring_base(&r->guest.ring));
}

static void down(struct rig *r)
{
	tx_queue_stop(&r->q);
	tx_queue_deinit(&r->q);
	iothread_free(r->thread);
	guest_deinit(&r->guest);
	xdp_fake_deinit(&r->k);
	free(r->tx.whole);
	free(r->entries);
}

static uint64_t n_seeds = 400;

static void test_chance(void **state)
{
	static struct rig r;
	uint64_t seed, n_frames = 0, n_lost = 0;
	unsigned i;

	(void)state;
	for (seed = 1; seed <= n_seeds; seed++) {
		up(&r, seed);
		for (i = 0; i < STEPS; i++)
			step(&r);
		settle(&r);
		n_frames += r.n_added;
		n_lost += r.n_lost;
		down(&r);
	}
	print_message("%" PRIu64 " frames, %" PRIu64 " of them lost and counted\n", n_frames,
		      n_lost);
	assert_true(n_lost > n_frames / 100 && n_lost < n_frames / 2);
}

/* A frame of SEGMENTS chunks, for which the queue has its turn. */
static void send_segments(struct rig *r)
{
	struct entry *e = &r->entries[r->n_added];

	check(r, ring_reserve(&r->guest.ring, 3) >= 3);
	*e = (struct entry){ .len = XDP_FRAMES_HDR + SEGMENTS * 400, .gso = 400 };
	e->n_wire = xdp_frames_segments(e->len, e->gso);
	add_entry(r);
	ring_submit(&r->guest.ring);
	ring_kick(&r->guest.ring);
	fake_iothread_run_until_idle(r->thread, 1000);
}

/*
 * Pauses give up frames that the kernel keeps, until a frame finds no room in the backend while
 * none is in flight. When the kernel is done with those, it leaves.
 */
static void test_room_given_up(void **state)
{
	static struct rig r;

	(void)state;
	up(&r, 3);
	while (r.tx.tail - r.tx.head + SEGMENTS <= XDP_TX_CHUNKS) {
		send_segments(&r);
		check(&r, tx_queue_pause(&r.q));
		tx_queue_resume(&r.q);
		reclaim(&r);
	}
	send_segments(&r);
	check(&r, r.n_used + 1 == r.n_added);
	settle(&r);
	down(&r);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_chance, guest_split),
		cmocka_unit_test_setup(test_chance, guest_packed),
		cmocka_unit_test_setup(test_room_given_up, guest_split),
	};

	if (argc > 1)
		n_seeds = strtoull(argv[1], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
