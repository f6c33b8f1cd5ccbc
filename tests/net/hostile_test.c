/* SPDX-License-Identifier: MIT */
/*
 * usage: hostile_test TXRINGD split|packed
 *
 * No guest can hurt us: a guest that writes into its rings and its memory whatever it likes, before
 * a real txringd. Each time the daemon lives, the queue concerned is broken and says so once, the
 * guest's other queue pair and another guest on the same iothread carry traffic throughout, and
 * after a reset of the ring all is well again. Runs in a network namespace of its own.
 *
 * Card 0, two pairs, is the hostile guest's, card 1 the bystander's; both are loops. Card 2 is a
 * tap: there the kernel touches the guest's memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/net/daemon.h"
#include "tests/net/echo.h"
#include "tests/net/peer.h"
#include "virtio/base.h"
#include "virtio/virtq.h"

#define TAP "txring0"

/* Guest memory of the test's own: two regions that touch, and nothing behind them. */
#define EXTRA_GPA   (4ULL << 30)
#define EXTRA_SIZE  (8ULL << 20)
#define EDGE_SIZE   (64ULL << 10)
#define EDGE_GPA    (EXTRA_GPA + EXTRA_SIZE)
#define END_GPA     (EDGE_GPA + EDGE_SIZE)
#define TABLE_AT    (1ULL << 20) /* in the first region: an indirect table */
#define TABLE_GPA   (EXTRA_GPA + TABLE_AT)
#define NOWHERE_GPA 0x1000

/* And one of huge pages. */
#define HUGE_GPA     (8ULL << 30)
#define HUGE_PAGE    (2ULL << 20)
#define N_HUGE_PAGES 2

#define NEXT     VRING_DESC_F_NEXT
#define WRITE    VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

static struct {
	bool packed;
	struct daemon daemon;
	struct driver_net *net;   /* card 0 */
	struct driver_net *other; /* card 1 */
	struct driver_net *tap;   /* card 2 */
	struct arena extra;       /* added to card 0 */
	struct arena huge;        /* likewise, if a test wants it */
	struct echo mate;         /* pair 1 of card 0 */
	struct echo bystander;
	unsigned n_broken; /* rings of card 0 so far */
} lab;

static const char *program;
static bool packed;

/* The world. */

static void start_daemon(void)
{
	char other[128], tap[128];
	const char *args[] = { "--backend",     "loop", "--queues",  "2",        "--nic",
			       "--socket-path", other,  "--backend", "loop",     "--nic",
			       "--socket-path", tap,    "--backend", "tap:" TAP, NULL };

	daemon_set_path(&lab.daemon);
	echo_path(&lab.daemon, 1, other);
	echo_path(&lab.daemon, 2, tap);
	daemon_start(&lab.daemon, program, args);
	peer_ip("link set " TAP " up");
}

static void check_zero(int err, const char *what)
{
	if (err)
		fail_msg("%s: %s", what, strerror(-err));
}

static void add_extra(struct driver_net *net, unsigned region)
{
	check_zero(frontend_add_region(&net->frontend, &lab.extra, region), "ADD_MEM_REG");
}

static void remove_extra(struct driver_net *net, unsigned region)
{
	check_zero(frontend_remove_region(&net->frontend, &lab.extra, region), "REM_MEM_REG");
}

static void new_extra(void)
{
	static const struct arena_span spans[] = { { EXTRA_GPA, EXTRA_SIZE },
						   { EDGE_GPA, EDGE_SIZE } };

	arena_deinit(&lab.extra);
	check_zero(arena_init(&lab.extra, spans, array_size(spans), false), "memory");
}

static void connect_hostile(void)
{
	check_zero(echo_connect(&lab.net, &lab.daemon, 0, 2, lab.packed), "card 0");
	new_extra();
	add_extra(lab.net, 0);
	add_extra(lab.net, 1);
	echo_start(&lab.mate, lab.net, 1);
}

static void disconnect_hostile(void)
{
	echo_stop(&lab.mate);
	driver_net_free(lab.net);
	lab.net = NULL;
}

static int set_up(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.extra.fd = -1;
	lab.huge.fd = -1;
	lab.packed = packed;
	start_daemon();
	connect_hostile();
	check_zero(echo_connect(&lab.other, &lab.daemon, 1, 1, lab.packed), "card 1");
	echo_start(&lab.bystander, lab.other, 0);
	return 0;
}

static int tear_down(void **state)
{
	bool alive = lab.daemon.pid > 0;

	(void)state;
	disconnect_hostile();
	echo_stop(&lab.bystander);
	driver_net_free(lab.other);
	driver_net_free(lab.tap);
	arena_deinit(&lab.extra);
	arena_deinit(&lab.huge);
	daemon_cleanup(&lab.daemon, alive);
	return 0;
}

/* The others have carried frames in the last moments, and do now. */
static void check_others(void)
{
	if (lab.mate.net && !echo_goes_on(&lab.mate, 10))
		fail_msg("the other queue pair: %s", lab.mate.failed ? lab.mate.failed : "stalls");
	if (!echo_goes_on(&lab.bystander, 10))
		fail_msg("the bystander: %s",
			 lab.bystander.failed ? lab.bystander.failed : "stalls");
}

/* The end of each test: no more is broken than should be, and the daemon ends well. */
static void close_lab(void)
{
	check_others();
	daemon_check_log(&lab.daemon, "is broken", lab.n_broken);
	assert_null(echo_stop(&lab.mate));
	assert_null(echo_stop(&lab.bystander));
	/* What the loop dropped is in its counter, all of it. */
	if (lab.mate.lossy)
		assert_int_equal(daemon_counter(&lab.daemon, "nic0: tx1", "drop_backend"),
				 lab.mate.lost);
	daemon_stop(&lab.daemon);
}

static void check_pair_0(unsigned n)
{
	const char *failed = echo_frames(lab.net, 0, n);

	if (failed)
		fail_msg("pair 0: %s", failed);
}

static void restart(unsigned ring)
{
	check_zero(driver_net_ring_stop(lab.net, ring), "GET_VRING_BASE");
	check_zero(driver_net_ring_restart(lab.net, ring), "starting the ring again");
}

/* Raw access to rings. */

struct piece {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

static void write_split(struct vring_desc *desc, const struct piece *p)
{
	store_relaxed(&desc->addr, p->addr);
	store_relaxed((vring_u64 *)(void *)&desc->len,
		      p->len | (uint64_t)p->flags << 32 | (uint64_t)p->next << 48);
}

static void write_packed(struct vring_packed_desc *desc, const struct piece *p, uint16_t flags)
{
	store_relaxed(&desc->addr, p->addr);
	store_release(vring_packed_word(desc), vring_packed_join(p->len, 0, p->flags | flags));
}

/* Pieces from the ring's next place on; a split ring makes them one chain, whose head is given. */
static void offer(struct ring *r, const struct piece *pieces, unsigned n, uint16_t head,
		  uint16_t jump)
{
	uint16_t at = r->avail_idx;
	unsigned i;

	if (r->packed) {
		for (i = n; i-- > 0;) {
			uint16_t place = vring_packed_forward(at, i, r->size);

			write_packed(&r->areas.packed[vring_packed_slot(place)], &pieces[i],
				     vring_packed_avail_flags(place));
		}
		return;
	}
	for (i = 0; i < n; i++)
		write_split(&r->areas.desc[i], &pieces[i]);
	store_relaxed(&r->areas.avail->ring[at & (r->size - 1)], head);
	store_release(&r->areas.avail->idx, (uint16_t)(at + jump));
}

/* One chain of one piece, behind those that were offered before. */
static void offer_next(struct ring *r, const struct piece *p)
{
	offer(r, p, 1, 0, 1);
	r->avail_idx = r->packed ? vring_packed_forward(r->avail_idx, 1, r->size)
				 : (uint16_t)(r->avail_idx + 1);
}

static void write_table(const struct piece *pieces, unsigned n)
{
	void *table = lab.extra.regions[0].host + TABLE_AT;
	unsigned i;

	for (i = 0; i < n; i++) {
		if (lab.packed)
			write_packed((struct vring_packed_desc *)table + i, &pieces[i], 0);
		else
			write_split((struct vring_desc *)table + i, &pieces[i]);
	}
}

/* Attacks that a single look at the ring must find out. */

#define MANY 1100 /* pieces: more than a chain may have */

struct attack {
	const char *name;
	enum virtq_fault split, packed; /* how it breaks the ring; VIRTQ_OK: does not exist there */
	bool rx;
	struct piece ring[2];
	struct piece table[2];
	unsigned ring_len;  /* pieces, ring[] over and over, each with the next; 0: as given */
	unsigned table_len; /* likewise */
	uint16_t head;
	uint16_t jump; /* of the available index; 0: 1 */
};

#define BOTH(fault)   VIRTQ_FAULT_##fault, VIRTQ_FAULT_##fault
#define SPLIT(fault)  VIRTQ_FAULT_##fault, VIRTQ_OK
#define PACKED(fault) VIRTQ_OK, VIRTQ_FAULT_##fault
#define TABLE(len) \
	{ \
		{ \
			TABLE_GPA, len, INDIRECT, 0 \
		} \
	}
#define ONE(...) \
	{ \
		{ \
			__VA_ARGS__ \
		} \
	}
#define ENTRY 16

static const struct attack attacks[] = {
	{ "a chain round the ring", BOTH(LOOP), .ring = ONE(EXTRA_GPA, 16, NEXT, 0),
	  .ring_len = ECHO_RING },
	{ "a descriptor behind itself", SPLIT(LOOP), .ring = ONE(EXTRA_GPA, 16, NEXT, 0) },
	{ "next just beyond", SPLIT(HEAD), .ring = ONE(EXTRA_GPA, 16, NEXT, ECHO_RING) },
	{ "next far beyond", SPLIT(HEAD), .ring = ONE(EXTRA_GPA, 16, NEXT, 65535) },
	{ "head just beyond", SPLIT(HEAD), .ring = ONE(EXTRA_GPA, 100, 0, 0), .head = ECHO_RING },
	{ "head far beyond", SPLIT(HEAD), .ring = ONE(EXTRA_GPA, 100, 0, 0), .head = 65535 },
	{ "index back by one", SPLIT(AVAIL_IDX), .jump = 65535 },
	{ "index ahead by one too many", SPLIT(AVAIL_IDX), .jump = ECHO_RING + 1 },
	{ "index half way round", SPLIT(AVAIL_IDX), .jump = 32768 },

	{ "table in a table", SPLIT(INDIRECT), .ring = TABLE(ENTRY),
	  .table = ONE(TABLE_GPA, ENTRY, INDIRECT, 0) },
	{ "table behind a descriptor", PACKED(INDIRECT),
	  .ring = { { EXTRA_GPA, 16, NEXT, 1 }, { TABLE_GPA, ENTRY, INDIRECT, 0 } } },
	{ "table and next", BOTH(INDIRECT), .ring = ONE(TABLE_GPA, ENTRY, INDIRECT | NEXT, 1) },
	{ "table of no length", BOTH(INDIRECT), .ring = TABLE(0) },
	{ "table of one and a half", BOTH(INDIRECT), .ring = TABLE(ENTRY * 3 / 2) },
	{ "table nowhere", BOTH(INDIRECT), .ring = ONE(NOWHERE_GPA, ENTRY, INDIRECT, 0) },
	{ "table past the end", BOTH(INDIRECT),
	  .ring = ONE(END_GPA - ENTRY, 2 * ENTRY, INDIRECT, 0) },
	{ "table across regions", BOTH(INDIRECT),
	  .ring = ONE(EDGE_GPA - ENTRY, 2 * ENTRY, INDIRECT, 0) },
	{ "table at an odd address", BOTH(INDIRECT),
	  .ring = ONE(TABLE_GPA + 4, ENTRY, INDIRECT, 0) },
	{ "table as long as can be said", BOTH(INDIRECT), .ring = TABLE(0xfffffff0) },
	{ "table that loops", SPLIT(LOOP), .ring = TABLE(ENTRY),
	  .table = ONE(EXTRA_GPA, 16, NEXT, 0) },
	{ "table's next beyond", SPLIT(HEAD), .ring = TABLE(ENTRY),
	  .table = ONE(EXTRA_GPA, 16, NEXT, 1) },
	{ "too many pieces", BOTH(TOO_LONG), .ring = TABLE(MANY * ENTRY),
	  .table = ONE(EXTRA_GPA, 16, NEXT, 0), .table_len = MANY },
	{ "more than 4 GiB", BOTH(TOO_LONG), .ring = TABLE(600 * ENTRY),
	  .table = ONE(EXTRA_GPA, EXTRA_SIZE, NEXT, 0), .table_len = 600 },

	{ "nowhere", BOTH(ADDRESS), .ring = ONE(NOWHERE_GPA, 100, 0, 0) },
	{ "past the end", BOTH(ADDRESS), .ring = ONE(END_GPA - 50, 100, 0, 0) },
	{ "from before the beginning", BOTH(ADDRESS), .ring = ONE(EXTRA_GPA - 50, 100, 0, 0) },
	{ "round the address space", BOTH(ADDRESS), .ring = ONE(UINT64_MAX - 15, 100, 0, 0) },
	{ "as long as can be said", BOTH(ADDRESS), .ring = ONE(EXTRA_GPA, UINT32_MAX, 0, 0) },
	{ "no length", BOTH(EMPTY), .ring = ONE(EXTRA_GPA, 0, 0, 0) },
	{ "readable after writable", BOTH(ORDER),
	  .ring = { { EXTRA_GPA, 100, NEXT | WRITE, 1 }, { EXTRA_GPA, 100, 0, 0 } } },
	{ "no room for a header", BOTH(NO_HEADER), .ring = ONE(EXTRA_GPA, 5, 0, 0) },
	{ "only writable", BOTH(NO_HEADER), .ring = ONE(EXTRA_GPA, 100, WRITE, 0) },

	{ "rx: readable", BOTH(DIRECTION), .rx = true, .ring = ONE(EXTRA_GPA, 100, 0, 0) },
	{ "rx: no room for a header", BOTH(NO_HEADER), .rx = true,
	  .ring = ONE(EXTRA_GPA, 5, WRITE, 0) },
	{ "rx: nowhere", BOTH(ADDRESS), .rx = true, .ring = ONE(NOWHERE_GPA, 2048, WRITE, 0) },
	{ "rx: past the end", BOTH(ADDRESS), .rx = true, .ring = ONE(END_GPA - 50, 100, WRITE, 0) },
	{ "rx: no length", BOTH(EMPTY), .rx = true, .ring = ONE(EXTRA_GPA, 0, WRITE, 0) },
	{ "rx: a chain round the ring", BOTH(LOOP), .rx = true,
	  .ring = ONE(EXTRA_GPA, 16, NEXT | WRITE, 0), .ring_len = ECHO_RING },
	{ "rx: index back by one", SPLIT(AVAIL_IDX), .rx = true, .jump = 65535 },
};

/* n pieces out of two, over and over, each with the next; the last one has none if it may end. */
static void repeat(struct piece *pieces, const struct piece two[2], unsigned n, bool round)
{
	for (unsigned i = 0; i < n; i++) {
		pieces[i] = two[two[1].len ? i % 2 : 0];
		pieces[i].next = (uint16_t)(i + 1 < n || !round ? i + 1 : 0);
		if (i + 1 == n && !round)
			pieces[i].flags &= (uint16_t)~NEXT;
	}
}

static void write_attack(const struct attack *a, struct ring *r)
{
	struct piece pieces[MANY];
	unsigned n = a->ring_len ? a->ring_len : a->ring[1].len ? 2 : a->jump ? 0 : 1;

	if (a->table_len)
		repeat(pieces, a->table, a->table_len, false);
	else
		memcpy(pieces, a->table, sizeof(a->table));
	write_table(pieces, a->table_len ? a->table_len : 2);
	if (a->ring_len)
		repeat(pieces, a->ring, n, true);
	else
		memcpy(pieces, a->ring, sizeof(a->ring));
	offer(r, pieces, n, a->head, a->jump ? a->jump : 1);
	ring_kick_now(r);
}

/* Empty but for the attack; the device sees it when a frame comes. */
static void attack_rx(const struct attack *a)
{
	struct ring *r = driver_net_ring(lab.net, 0);
	uint8_t frame[60] = { 0 };

	check_zero(driver_net_ring_stop(lab.net, 0), "GET_VRING_BASE");
	ring_reset(r, 0);
	write_attack(a, r);
	check_zero(frontend_ring_start(&lab.net->frontend, 0, &r->areas, r->size, ring_base(r)),
		   "starting rx");
	check_zero(driver_net_send(lab.net, 0, NULL, frame, sizeof(frame), 0), "sending");
}

/* That frame was kept. */
static void take_kept_frame(void)
{
	uint8_t frame[60];

	assert_true(driver_net_wait(lab.net, 0, 30000) > 0);
	assert_int_equal(driver_net_receive(lab.net, 0, NULL, frame, sizeof(frame)), 60);
	assert_true(driver_net_wait(lab.net, 1, 30000) > 0);
	assert_int_equal(driver_net_reap(lab.net, 0), 1);
}

/* How often an eventfd was signalled, waiting for the first time. */
static unsigned signalled(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t n;

	return poll(&p, 1, timeout_ms) == 1 && eventfd_read(fd, &n) == 0 ? (unsigned)n : 0;
}

/* The same of faults of the tx ring of pair 0, which are counted. */
static unsigned tx_faults(int timeout_ms)
{
	unsigned n = signalled(lab.net->frontend.rings[1].err_fd, timeout_ms);

	lab.n_broken += n;
	return n;
}

/* The fault is told in all three ways, once. */
static void check_told(const struct attack *a, enum virtq_fault fault, unsigned at)
{
	unsigned ring = !a->rx;
	int err_fd = lab.net->frontend.rings[ring].err_fd;
	char line[200];

	if (!signalled(err_fd, 30000))
		fail_msg("%s: the ring does not break", a->name);
	snprintf(line, sizeof(line),
		 "nic0: ring %u (%s of queue pair 0) is broken: %s, at available index %u\n", ring,
		 a->rx ? "rx" : "tx", virtq_fault_name(fault), at);
	/* One before may have said the same: this is for its own line. */
	daemon_wait_log(&lab.daemon, "is broken", lab.n_broken + 1);
	daemon_wait_log(&lab.daemon, line, 1);
	for (unsigned i = 0; i < 20; i++)
		ring_kick_now(driver_net_ring(lab.net, ring));
	check_others();
	if (signalled(err_fd, 0))
		fail_msg("%s: told twice", a->name);
	if (daemon_log_count(&lab.daemon, "is broken") != ++lab.n_broken)
		fail_msg("%s: not one line in the log", a->name);
}

static void attack_once(const struct attack *a, unsigned *n_tx, unsigned *n_rx)
{
	enum virtq_fault fault = lab.packed ? a->packed : a->split;
	struct ring *r = driver_net_ring(lab.net, !a->rx);
	unsigned at;

	if (!fault)
		return;
	if (a->rx)
		attack_rx(a);
	else
		write_attack(a, r);
	at = lab.packed ? vring_packed_slot(r->avail_idx) : r->avail_idx;
	check_told(a, fault, at);
	restart(!a->rx);
	if (a->rx)
		take_kept_frame();
	check_pair_0(5);
	++*(a->rx ? n_rx : n_tx);
}

static void wrong_chains(void **state)
{
	unsigned n_tx = 0, n_rx = 0;

	(void)state;
	for (unsigned i = 0; i < array_size(attacks); i++)
		attack_once(&attacks[i], &n_tx, &n_rx);
	assert_int_equal(daemon_counter(&lab.daemon, "nic0: tx0", "broken"), n_tx);
	assert_int_equal(daemon_counter(&lab.daemon, "nic0: rx0", "broken"), n_rx);
	/* The whole device likewise. */
	write_attack(&attacks[0], driver_net_ring(lab.net, 1));
	assert_int_equal(tx_faults(30000), 1);
	assert_null(echo_stop(&lab.mate));
	check_zero(driver_net_reset(lab.net), "reset");
	echo_start(&lab.mate, lab.net, 1);
	check_pair_0(20);
	close_lab();
}

/* What is right, if odd: a frame across the border of two regions arrives whole. */
static void frame_across_regions(void **state)
{
	struct piece p = { EDGE_GPA - 100, 300, 0, 0 };
	uint8_t sent[300], came[300];

	(void)state;
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = i < lab.net->hdr_len ? 0 : (uint8_t)i;
	/* The two are one after the other in guest memory only. */
	memcpy(lab.extra.regions[0].host + EXTRA_SIZE - 100, sent, 100);
	memcpy(lab.extra.regions[1].host, sent + 100, 200);
	offer(driver_net_ring(lab.net, 1), &p, 1, 0, 1);
	ring_kick_now(driver_net_ring(lab.net, 1));
	assert_true(driver_net_wait(lab.net, 0, 30000) > 0);
	assert_int_equal(driver_net_receive(lab.net, 0, NULL, came, sizeof(came)),
			 300 - lab.net->hdr_len);
	assert_memory_equal(came, sent + lab.net->hdr_len, 300 - lab.net->hdr_len);
	restart(1);
	check_pair_0(5);
	close_lab();
}

/* Things that change under the device's eyes. */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

#define SCRIBBLE_MS   500
#define SCRIBBLE_MOST 200 /* broken rings: the log has 1000 lines a minute for a card */

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

struct scribbler {
	pthread_t thread;
	bool stop;
	uint8_t *at;
	unsigned n; /* words of 8 bytes to change, stride apart */
	unsigned stride;
	uint64_t mask; /* of the bits that change */
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	uint64_t state = 0x9e3779b97f4a7c15ULL;

	while (!load_relaxed(&s->stop)) {
		uint64_t r = next_random(&state);
		vring_u64 *word = (void *)(s->at + r % s->n * s->stride);

		store_relaxed(word, load_relaxed(word) ^ (next_random(&state) & s->mask));
	}
	return NULL;
}

static void scribbler_start(struct scribbler *s)
{
	s->stop = false;
	assert_int_equal(pthread_create(&s->thread, NULL, scribble, s), 0);
}

static void scribbler_stop(struct scribbler *s)
{
	store_relaxed(&s->stop, true);
	pthread_join(s->thread, NULL);
}

/* Take what came back on pair 0, whatever it is; false: a ring of ours is broken. */
static bool drain_pair_0(struct driver_net *net)
{
	static uint8_t frame[65536 + 64];
	ssize_t len;

	while ((len = driver_net_receive(net, 0, NULL, frame, sizeof(frame))) >= 0)
		;
	return len == -EAGAIN && driver_net_reap(net, 0) >= 0;
}

/* Send as fast as can be for a while; the number of frames. */
static unsigned send_all(struct driver_net *net)
{
	uint64_t end = now_ms() + SCRIBBLE_MS;
	uint8_t frame[200] = { 0 };
	unsigned n = 0;

	while (now_ms() < end) {
		if (driver_net_send(net, 0, NULL, frame, 60 + n % 140, 0) == 0)
			n++;
		assert_true(drain_pair_0(net));
	}
	for (end = now_ms() + 30000; net->pairs[0].n_tx_free < ECHO_RING && now_ms() < end;)
		assert_true(drain_pair_0(net));
	assert_int_equal(net->pairs[0].n_tx_free, ECHO_RING);
	/* What came back with the last ones, after the look for it. */
	assert_true(drain_pair_0(net));
	return n;
}

/*
 * Headers that change while they are checked and sent, by a loop and by a tap: each frame goes out
 * or is dropped for a reason, and no ring breaks.
 */
static void changing_headers(void **state)
{
	static const char *const queues[] = { "nic0: tx0", "nic2: tx0" };
	struct driver_net *net;

	(void)state;
	check_zero(echo_connect(&lab.tap, &lab.daemon, 2, 1, lab.packed), "card 2");
	for (unsigned i = 0; i < 2; i++) {
		uint64_t before = daemon_counter(&lab.daemon, queues[i], "frames") +
				  daemon_drops(&lab.daemon, queues[i]);
		struct scribbler s;
		unsigned n;

		net = i ? lab.tap : lab.net;
		s = (struct scribbler){ .at = net->pairs[0].tx_bufs,
					.n = ECHO_RING,
					.stride = net->tx_stride,
					.mask = UINT64_MAX };
		scribbler_start(&s);
		n = send_all(net);
		check_others();
		scribbler_stop(&s);
		assert_true(n > 100);
		assert_int_equal(daemon_counter(&lab.daemon, queues[i], "frames") +
					 daemon_drops(&lab.daemon, queues[i]) - before,
				 n);
	}
	check_pair_0(5);
	close_lab();
}

/* Two words of a descriptor, and what a driver may scribble into them. */
static const uint64_t scribbles[] = {
	0xffffffffffffffff, /* anything */
	0x0000000000ffffff, /* addresses and lengths that are often right */
	0x0007000000000000, /* packed: flags */
	0x003f000700000000, /* split: flags and next; packed: ids and flags */
};

/* Descriptors that change while they are read: the ring breaks at times, and each time tells. */
static void changing_descriptors(void **state)
{
	struct ring *tx = driver_net_ring(lab.net, 1);
	uint8_t frame[1000] = { 0 };

	(void)state;
	for (unsigned i = 0; i < array_size(scribbles); i++) {
		struct scribbler s = { .at = (uint8_t *)tx->areas.desc,
				       .n = 2 * ECHO_RING,
				       .stride = 8,
				       .mask = scribbles[i] };
		uint64_t end = now_ms() + SCRIBBLE_MS, since = now_ms();
		unsigned most = lab.n_broken + SCRIBBLE_MOST;

		scribbler_start(&s);
		while (now_ms() < end && lab.n_broken < most) {
			if (driver_net_send(lab.net, 0, NULL, frame, sizeof(frame), 0) == 0)
				since = now_ms();
			/* Broken; ours, too; or the device never saw what it was sent. */
			if (tx_faults(0) || !drain_pair_0(lab.net) || now_ms() - since > 100) {
				restart(1);
				restart(0);
				since = now_ms();
			}
		}
		scribbler_stop(&s);
		check_others();
		restart(1);
		restart(0);
		tx_faults(0);
		check_pair_0(5);
	}
	assert_true(lab.n_broken > 0);
	assert_int_equal(daemon_counter(&lab.daemon, "nic0: tx0", "broken"), lab.n_broken);
	close_lab();
}

/* Kicks as fast as a processor can, on four rings, one of them broken. */
static void *storm(void *arg)
{
	struct scribbler *s = arg;

	while (!load_relaxed(&s->stop)) {
		for (unsigned ring = 0; ring < 4; ring++)
			ring_kick_now(driver_net_ring(lab.net, ring));
	}
	return NULL;
}

static void kicks_in_storms(void **state)
{
	struct scribbler s = { 0 };

	(void)state;
	assert_int_equal(pthread_create(&s.thread, NULL, storm, &s), 0);
	for (unsigned i = 0; i < 50; i++)
		check_others();
	check_pair_0(100);
	write_attack(&attacks[0], driver_net_ring(lab.net, 1));
	assert_int_equal(tx_faults(30000), 1);
	for (unsigned i = 0; i < 50; i++)
		check_others();
	scribbler_stop(&s);
	restart(1);
	check_pair_0(5);
	close_lab();
}

/* Memory that comes and goes. */

/* Regions that nobody uses, under full traffic. */
static void regions_come_and_go(void **state)
{
	(void)state;
	store_relaxed(&lab.mate.lossy, true);
	for (unsigned i = 0; i < 200; i++) {
		remove_extra(lab.net, i % 2);
		add_extra(lab.net, i % 2);
	}
	check_pair_0(20);
	close_lab();
}

/* A ring in a region that is removed while it is full: it stops, and starts anew elsewhere. */
static void ring_memory_is_removed(void **state)
{
	struct ring *tx = driver_net_ring(lab.net, 1);
	struct ring_config cfg = tx->cfg;
	struct virtq_rings home = tx->areas;

	(void)state;
	store_relaxed(&lab.mate.lossy, true);
	for (unsigned i = 1; i <= 5; i++) {
		struct piece p = { EXTRA_GPA, 100, 0, 0 };

		check_zero(driver_net_ring_stop(lab.net, 1), "GET_VRING_BASE");
		lab.extra.regions[1].used = 0;
		check_zero(ring_place(&cfg, &lab.extra, 1), "ring_place");
		tx->areas = cfg.areas;
		check_zero(driver_net_ring_restart(lab.net, 1), "restart");
		check_pair_0(5);
		offer(tx, &p, 1, 0, 1);
		ring_kick_now(tx);
		remove_extra(lab.net, 1);
		daemon_wait_log(&lab.daemon, "nic0: REM_MEM_REG: ring 1 lost its memory", i);
		ring_kick_now(tx);
		check_others();
		tx->areas = home;
		check_zero(driver_net_ring_restart(lab.net, 1), "restart");
		add_extra(lab.net, 1);
		restart(0);
		check_pair_0(5);
	}
	close_lab();
}

/* Frames under way in memory that is removed: nothing reads it any more; new ones are faults. */
static void frame_memory_is_removed(void **state)
{
	struct ring *tx = driver_net_ring(lab.net, 1);
	struct piece pieces[ECHO_RING];

	(void)state;
	store_relaxed(&lab.mate.lossy, true);
	for (unsigned i = 0; i < 50; i++) {
		for (unsigned k = 0; k < ECHO_RING; k++)
			pieces[k] = (struct piece){ EXTRA_GPA + 4096 * k, 1500, 0, 0 };
		/* With no rx ring the loop keeps them; else they are on their way. */
		if (i % 2)
			check_zero(driver_net_ring_stop(lab.net, 0), "GET_VRING_BASE");
		for (unsigned k = 0; k + 1 < ECHO_RING; k++)
			offer_next(tx, &pieces[k]);
		ring_kick_now(tx);
		remove_extra(lab.net, 0);
		check_others();
		/* What it had not taken yet, or the one that it is offered now. */
		offer_next(tx, &pieces[0]);
		ring_kick_now(tx);
		assert_int_equal(tx_faults(30000), 1);
		check_zero(driver_net_ring_stop(lab.net, 1), "GET_VRING_BASE");
		add_extra(lab.net, 0);
		if (!(i % 2))
			check_zero(driver_net_ring_stop(lab.net, 0), "GET_VRING_BASE");
		check_zero(driver_net_ring_restart(lab.net, 0), "restart");
		check_zero(driver_net_ring_restart(lab.net, 1), "restart");
		check_pair_0(5);
	}
	close_lab();
}

/* Memory that is cut off behind our back. */

#define TAKEN "nic0: front-end took memory away"

static void check_thrown_out(unsigned n)
{
	daemon_wait_log(&lab.daemon, TAKEN, n);
	check_zero(frontend_wait_closed(&lab.net->frontend), "hanging up");
	/* Rings that are all zero may break before the session ends. */
	lab.n_broken = daemon_log_count(&lab.daemon, "is broken");
	assert_true(echo_goes_on(&lab.bystander, 100));
	disconnect_hostile();
	connect_hostile();
	check_pair_0(5);
}

/* The file with the rings is cut to nothing: that session ends, and nothing else. */
static void rings_are_cut_off(void **state)
{
	unsigned fds = daemon_n_fds(&lab.daemon);

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_null(echo_stop(&lab.mate));
		assert_int_equal(ftruncate(lab.net->arena.fd, 0), 0);
		for (unsigned ring = 0; ring < 4; ring++)
			assert_int_equal(eventfd_write(lab.net->frontend.rings[ring].kick_fd, 1),
					 0);
		check_thrown_out(i);
		daemon_wait_n_fds(&lab.daemon, fds);
	}
	close_lab();
}

/* The file with frames is cut, or a part of it; we copy them ourselves. */
static void frames_are_cut_off(void **state)
{
	struct piece p = { EXTRA_GPA + (1 << 20), 1500, 0, 0 };

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_null(echo_stop(&lab.mate));
		/* All; from the middle of a page on; all but the frame's first page. */
		assert_int_equal(ftruncate(lab.extra.fd, i == 1 ? 0 : (1 << 20) + 4096 * (i - 2)),
				 0);
		p.addr = EXTRA_GPA + (1 << 20) + (i == 3 ? 4000 : 0);
		offer(driver_net_ring(lab.net, 1), &p, 1, 0, 1);
		ring_kick_now(driver_net_ring(lab.net, 1));
		check_thrown_out(i);
	}
	close_lab();
}

/* The machine's number of huge pages, and what it was. -1: not ours to set. */
static int huge_pages_fd = -1;
static unsigned long huge_pages_before;

static unsigned long huge_pages(void)
{
	char text[32] = "";

	assert_true(pread(huge_pages_fd, text, sizeof(text) - 1, 0) > 0);
	return strtoul(text, NULL, 10);
}

static void set_huge_pages(unsigned long n)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%lu\n", n);

	(void)!pwrite(huge_pages_fd, text, (size_t)len, 0);
}

/* Enough of them for a test. False: the machine has none to give. */
static bool reserve_huge_pages(void)
{
	huge_pages_fd = open("/proc/sys/vm/nr_hugepages", O_RDWR | O_CLOEXEC);
	if (huge_pages_fd < 0)
		return false;
	/* The same test beside this one must not take for given what is ours. */
	assert_int_equal(flock(huge_pages_fd, LOCK_EX), 0);
	huge_pages_before = huge_pages();
	set_huge_pages(huge_pages_before + N_HUGE_PAGES);
	return huge_pages() == huge_pages_before + N_HUGE_PAGES;
}

static int tear_down_huge(void **state)
{
	int err = tear_down(state);

	if (huge_pages_fd >= 0) {
		set_huge_pages(huge_pages_before);
		close(huge_pages_fd);
	}
	huge_pages_fd = -1;
	return err;
}

static void add_huge(void)
{
	const struct arena_span span = { HUGE_GPA, N_HUGE_PAGES * HUGE_PAGE };
	unsigned tries = 0;
	int err;

	arena_deinit(&lab.huge);
	/* Those of the memory before are free when txringd has closed it, after the socket. */
	while ((err = arena_init(&lab.huge, &span, 1, true)) == -ENOMEM && tries++ < 3000)
		usleep(10000);
	check_zero(err, "huge pages");
	check_zero(frontend_add_region(&lab.net->frontend, &lab.huge, 0), "ADD_MEM_REG");
}

/* A ring to huge pages, where it works. */
static void move_ring_to_huge(unsigned ring)
{
	struct ring *r = driver_net_ring(lab.net, ring);
	struct ring_config cfg = r->cfg;

	check_zero(driver_net_ring_stop(lab.net, ring), "GET_VRING_BASE");
	check_zero(ring_place(&cfg, &lab.huge, 0), "ring_place");
	r->areas = cfg.areas;
	check_zero(driver_net_ring_restart(lab.net, ring), "restart");
	check_pair_0(5);
}

/* Huge pages go as a whole: with the frame, with its end, with the ring. */
static void huge_pages_are_cut_off(void **state)
{
	struct piece p = { HUGE_GPA, 1500, 0, 0 };

	(void)state;
	if (!reserve_huge_pages()) {
		close_lab();
		print_message("skipped: needs %d huge pages more (/proc/sys/vm/nr_hugepages)\n",
			      N_HUGE_PAGES);
		skip();
	}
	for (unsigned i = 1; i <= 3; i++) {
		assert_null(echo_stop(&lab.mate));
		add_huge();
		if (i == 3)
			move_ring_to_huge(1);
		assert_int_equal(ftruncate(lab.huge.fd, i == 2 ? HUGE_PAGE : 0), 0);
		p.addr = HUGE_GPA + (i == 2 ? HUGE_PAGE - 100 : 0);
		if (i < 3)
			offer(driver_net_ring(lab.net, 1), &p, 1, 0, 1);
		ring_kick_now(driver_net_ring(lab.net, 1));
		check_thrown_out(i);
	}
	close_lab();
}

/* The kernel reads the frame, and gets nothing: a drop like any other. */
static void tap_frames_are_cut_off(void **state)
{
	struct piece pieces[2] = { { EXTRA_GPA, 100, NEXT, 1 }, { EXTRA_GPA + 8192, 1000, 0, 0 } };

	(void)state;
	check_zero(echo_connect(&lab.tap, &lab.daemon, 2, 1, lab.packed), "card 2");
	add_extra(lab.tap, 0);
	assert_null(echo_stop(&lab.mate));
	assert_int_equal(ftruncate(lab.extra.fd, 4096), 0);
	offer(driver_net_ring(lab.tap, 1), pieces, 2, 0, 1);
	ring_kick_now(driver_net_ring(lab.tap, 1));
	assert_true(daemon_counter_reaches(&lab.daemon, "nic2: tx0", "drop_backend", 1));
	check_zero(driver_net_ring_stop(lab.tap, 1), "GET_VRING_BASE");
	check_zero(driver_net_ring_restart(lab.tap, 1), "restart");
	send_all(lab.tap);
	assert_int_equal(daemon_counter(&lab.daemon, "nic2: tx0", "drop_backend"), 1);
	daemon_check_log(&lab.daemon, "took memory away", 0);
	close_lab();
}

int main(int argc, char **argv)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(wrong_chains),
		TEST(frame_across_regions),
		TEST(changing_headers),
		TEST(changing_descriptors),
		TEST(kicks_in_storms),
		TEST(regions_come_and_go),
		TEST(ring_memory_is_removed),
		TEST(frame_memory_is_removed),
		TEST(rings_are_cut_off),
		TEST(frames_are_cut_off),
		TEST(tap_frames_are_cut_off),
		cmocka_unit_test_setup_teardown(huge_pages_are_cut_off, set_up, tear_down_huge),
	};

	if (argc != 3) {
		fprintf(stderr, "usage: hostile_test TXRINGD split|packed\n");
		return 1;
	}
	program = argv[1];
	packed = !strcmp(argv[2], "packed");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
