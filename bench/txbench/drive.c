/* SPDX-License-Identifier: MIT */
/*
 * One turn of the loop looks, for a memory load each, whether a frame is due, came back, came out
 * of the wire or was received; a clock reading (23 ns) is the rest of it. System calls are those of
 * the device that is driven: kicks, answers at the wire; and the call's eventfd, which is read only
 * when a call is owed and no frame is due within a microsecond.
 *
 * Longer than a station should be, as the loop's parts share its state: repetition, loop, then from
 * a frame's offer to its return.
 */
#include "bench/txbench/drive.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/txbench/frames.h"
#include "bench/txbench/load.h"
#include "bench/wire.h"
#include "virtio/base.h"
#include "virtio/features.h"

#define ETHERTYPE    0x88b5 /* IEEE: for local experiments; what the driver sends */
#define ETHERTYPE_RX 0x88b6 /* likewise; what is put in at the wire */
#define HEADER_LEN   14
#define NUMBER_AT    HEADER_LEN /* of 8 bytes */
#define MIN_FRAME    (NUMBER_AT + 8)

#define BATCH_MAX  1024
#define TURN       64         /* most frames of one kind, before others have their turn */
#define WINDOW     65536      /* frames that have a record, at least */
#define RX_FLOOD   512        /* on their way at once: less than a tap's queue (1000) holds */
#define LEAD_NS    50000      /* from here to the first frame */
#define GIVE_UP_NS 200000000  /* closed-loop: nothing came for so long, so go on without */
#define LOST_NS    1000000000 /* at the end: nothing came for so long, what is not there is lost */
#define STALL_NS   2000000000 /* nothing came for so long though the device has frames */
#define LOOK_NS    20000000   /* between two looks whether the back-end is still there */
#define SETTLE_NS  2000000    /* until the back-end sleeps and its last call has come */
#define SPARE_NS   1000       /* time for a system call */
#define TELL_NS    1000000000
#define TELL_SPARE 100000 /* time to write to a terminal */

struct drive {
	struct drive_config cfg;
	const struct options *o;
	struct port *port;
	struct ring *tx;
	struct ring *rx;
	struct frames frames;
	struct load load;
	uint8_t injected[LOAD_MAX_SIZE]; /* what is put in at the wire */

	/* what is done */
	bool open_loop;
	bool sends;    /* through the tx ring; else frames are put in at the wire */
	bool numbered; /* somebody reads the number in a frame */
	bool watches;  /* wire is open */
	bool receives; /* frames are awaited in the rx ring */
	uint16_t awaited_type;
	struct wire wire;
	int inject; /* fd, or -1 */

	uint16_t *free_bufs; /* tx buffers that are not in flight */
	unsigned n_free;
	unsigned rx_unseen; /* rx buffers that were posted, but not submitted */
	unsigned rx_rest;   /* further buffers of the frame that is being received */

	/* the present repetition */
	struct repetition *rep;
	uint64_t now_ns;   /* this turn's */
	uint64_t start_ns; /* moments of the load count from here */
	uint64_t length_ns;
	uint64_t due_ns;       /* of the next frame; UINT64_MAX: none is left */
	uint64_t full_ns;      /* when the ring was last found full by a frame that was due */
	bool forced;           /* and the device was kicked for it */
	uint64_t published_ns; /* the last frame's */
	uint64_t moved_ns;     /* when something last came back, or was sent with nothing out */
	uint64_t unanswered;   /* frames that were offered since */
	uint64_t look_ns;
	uint64_t tell_ns;
	uint64_t given_up; /* closed-loop: frames that are no longer waited for */
	uint64_t n_given_up_in_turn;

	/* --calls each */
	bool armed;        /* a call comes with the next used frame */
	bool called_for;   /* it is owed: a frame was used */
	uint64_t *waiting; /* numbers of frames that were used, and whose call has not come */
	unsigned n_waiting, max_waiting;

	bool broken;
	char *why;
	unsigned why_size;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The first reason stays. */
static void fail(struct drive *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct drive *d, const char *fmt, ...)
{
	va_list args;

	if (d->broken)
		return;
	d->broken = true;
	va_start(args, fmt);
	vsnprintf(d->why, d->why_size, fmt, args);
	va_end(args);
}

/* Chains that the device has. */
static unsigned in_ring(const struct drive *d)
{
	return d->tx->size - d->tx->n_free;
}

/* Frames on their way: until they are used, or received where that is awaited. */
static uint64_t in_flight(const struct drive *d)
{
	const struct frames *f = &d->frames;
	uint64_t answered = f->seen + d->given_up;

	if (!d->receives)
		return in_ring(d);
	/* Who was given up may come after all. */
	return f->next - f->base - min_u64(answered, f->next - f->base);
}

static void moved(struct drive *d, uint64_t at_ns)
{
	d->moved_ns = at_ns;
	d->unanswered = 0;
	d->n_given_up_in_turn = 0;
}

/* Out: offer, kick. */

static void fill(struct drive *d, uint64_t number)
{
	const struct port_buffers *b = &d->port->tx_bufs;
	uint16_t buf = d->free_bufs[--d->n_free];
	uint64_t at = (uint64_t)buf * b->stride;
	unsigned len = load_size(&d->load, number - d->frames.base);

	if (d->numbered)
		memcpy(b->host + at + d->port->hdr_len + NUMBER_AT, &number, sizeof(number));
	ring_fill(d->tx, (struct chain_part){ b->gpa + at, d->port->hdr_len + len, false },
		  number << 16 | buf);
	d->rep->bytes += len;
}

/* A frame went out at at_ns. due_ns: open-loop only. */
static void account(struct drive *d, uint64_t due_ns, uint64_t at_ns)
{
	uint64_t number = d->frames.next, could_ns;

	d->unanswered++;
	if (!d->open_loop) {
		frames_add(&d->frames, at_ns);
		return;
	}
	frames_add(&d->frames, due_ns);
	frames_saw(&d->frames, STAGE_PUBLISHED, number, at_ns);
	could_ns = max_u64(due_ns, d->full_ns);
	histogram_add(&d->rep->late, at_ns > could_ns ? at_ns - could_ns : 0);
}

static void ask_for_calls(struct drive *d)
{
	if (d->o->calls == CALLS_LINUX)
		ring_arm_call(d->tx, d->tx->event_idx ? (uint16_t)(in_ring(d) * 3 / 4) : 0);
}

/* Make the n frames visible that were filled. due_ns: of each, or NULL. */
static void publish(struct drive *d, const uint64_t *due_ns, unsigned n)
{
	uint64_t at_ns;

	if (in_ring(d) == n) /* there was none before */
		d->moved_ns = d->now_ns;
	at_ns = clock_ns();
	ring_submit(d->tx);
	d->rep->kicks += ring_kick(d->tx);
	ask_for_calls(d);
	for (unsigned i = 0; i < n; i++)
		account(d, due_ns ? due_ns[i] : 0, at_ns);
	d->published_ns = at_ns;
	d->forced = false;
}

/* A frame is due, but has to wait. Linux' ring code kicks when it finds no room. */
static void found_full(struct drive *d)
{
	d->full_ns = d->now_ns;
	if (d->forced)
		return;
	d->forced = true;
	ring_kick_now(d->tx);
	d->rep->kicks++;
	d->rep->forced_kicks++;
}

/* The next frame at the wire. due_ns: open-loop only. */
static void inject(struct drive *d, uint64_t due_ns)
{
	uint64_t number = d->frames.next;
	unsigned len = load_size(&d->load, number - d->frames.base);
	int err;

	memcpy(d->injected + NUMBER_AT, &number, sizeof(number));
	if (!in_flight(d))
		d->moved_ns = d->now_ns;
	d->published_ns = clock_ns();
	err = wire_inject(d->inject, d->injected, len);
	account(d, due_ns, d->published_ns);
	d->rep->bytes += len;
	/* With its queue full the system has lost the frame. */
	if (err && err != -ENOBUFS)
		fail(d, "--wire '%s': a frame cannot be put in there: %s", d->o->wire,
		     strerror(-err));
}

/* Back: used, calls. */

static void wait_for_call(struct drive *d, uint64_t number)
{
	if (d->n_waiting < d->max_waiting)
		d->waiting[d->n_waiting++] = number;
}

static void take_back(struct drive *d)
{
	struct ring_used used;
	uint64_t at_ns, number;

	if (!ring_peek(d->tx))
		return;
	at_ns = clock_ns();
	d->called_for |= d->armed;
	d->armed = false;
	for (unsigned n = 0; n < TURN && ring_use(d->tx, &used) == RING_USED; n++) {
		number = used.token >> 16;
		d->free_bufs[d->n_free++] = (uint16_t)used.token;
		if (d->o->direction != DIRECTION_RX)
			frames_saw(&d->frames, STAGE_USED, number, at_ns);
		if (d->called_for)
			wait_for_call(d, number);
	}
	if (d->tx->fault)
		fail(d, "the back-end broke the tx ring: %s", ring_fault_name(d->tx->fault));
	moved(d, at_ns);
}

/* Calls since the last time. */
static uint64_t read_calls(const struct drive *d)
{
	eventfd_t n;

	if (d->port->tx_call_fd >= 0)
		return eventfd_read(d->port->tx_call_fd, &n) ? 0 : n;
	return d->port->tx_call_word && load_relaxed(d->port->tx_call_word) &&
	       __atomic_exchange_n(d->port->tx_call_word, 0, __ATOMIC_ACQUIRE);
}

static bool has_time(const struct drive *d, uint64_t ns)
{
	return d->due_ns > d->now_ns + ns;
}

/*
 * Frames that are used before the call is read share it; those that slip in before the next one is
 * asked for have none, as a driver then goes on without.
 */
static void look_for_call(struct drive *d)
{
	uint64_t at_ns, n;

	if (d->called_for) {
		if (d->port->tx_call_fd >= 0 && !has_time(d, SPARE_NS))
			return;
		n = read_calls(d);
		if (!n && d->now_ns < d->moved_ns + GIVE_UP_NS)
			return;
		d->rep->calls += n;
		at_ns = clock_ns();
		for (unsigned i = 0; n && i < d->n_waiting; i++)
			frames_saw(&d->frames, STAGE_CALL, d->waiting[i], at_ns);
		d->n_waiting = 0;
		d->called_for = false;
	}
	if (d->armed || !has_time(d, SPARE_NS))
		return;
	/* A call for what had slipped in. */
	d->rep->calls += read_calls(d);
	d->armed = !ring_arm_call(d->tx, 0);
}

/* In: the wire, the rx ring. */

static void watch(struct drive *d)
{
	struct wire_frame f;
	uint64_t number;

	for (unsigned n = 0; n < TURN && wire_peek(&d->wire, &f); n++) {
		if (f.captured >= MIN_FRAME) {
			memcpy(&number, f.data + NUMBER_AT, sizeof(number));
			if (frames_saw(&d->frames, STAGE_WIRE, number, f.at_ns) == FRAMES_NEW &&
			    d->o->direction == DIRECTION_RR) {
				memcpy(d->injected + NUMBER_AT, &number, sizeof(number));
				/* What does not fit there is lost, and shows as such. */
				(void)wire_inject(d->inject, d->injected, f.len);
			}
		}
		wire_release(&d->wire);
		moved(d, d->now_ns);
	}
}

/* An rx buffer with the beginning of a frame. */
static void receive_frame(struct drive *d, const uint8_t *buf, uint32_t len, uint64_t at_ns)
{
	const struct virtio_net_hdr_v1 *hdr = (const void *)buf;
	const uint8_t *frame = buf + d->port->hdr_len;
	uint64_t number;

	if (feature_has(d->port->features, VIRTIO_NET_F_MRG_RXBUF) && hdr->num_buffers)
		d->rx_rest = hdr->num_buffers - 1U;
	if (len < d->port->hdr_len + MIN_FRAME || (frame[12] << 8 | frame[13]) != d->awaited_type)
		return;
	memcpy(&number, frame + NUMBER_AT, sizeof(number));
	frames_saw(&d->frames, STAGE_RECEIVED, number, at_ns);
}

/* Buffers go back as Linux gives them: when there are 32, or half of a smaller ring. */
static void post_again(struct drive *d, uint64_t buf)
{
	port_post_rx(d->port, buf);
	if (++d->rx_unseen < min_u64(64, d->rx->size) / 2)
		return;
	d->rx_unseen = 0;
	ring_submit(d->rx);
	if (ring_kick(d->rx) && !d->sends)
		d->rep->kicks++;
}

static void receive(struct drive *d)
{
	const struct port_buffers *b = &d->port->rx_bufs;
	struct ring_used used;
	uint64_t at_ns;

	if (!ring_peek(d->rx))
		return;
	at_ns = clock_ns();
	for (unsigned n = 0; n < TURN && ring_use(d->rx, &used) == RING_USED; n++) {
		if (d->rx_rest)
			d->rx_rest--;
		else
			receive_frame(d, b->host + used.token * b->stride, used.len, at_ns);
		post_again(d, used.token);
	}
	if (d->rx->fault)
		fail(d, "the back-end broke the rx ring: %s", ring_fault_name(d->rx->fault));
	moved(d, at_ns);
	if (d->o->calls != CALLS_NONE)
		ring_arm_call(d->rx, 0);
}

/* The loop. */

static void look_around(struct drive *d)
{
	take_back(d);
	if (d->watches)
		watch(d);
	if (d->receives)
		receive(d);
	if (d->o->calls == CALLS_EACH)
		look_for_call(d);
	if (d->o->share_cpu)
		sched_yield();
}

/* Nothing came for a while. */
static void judge_silence(struct drive *d)
{
	uint64_t silent_ns = d->now_ns - d->moved_ns;

	d->look_ns = d->now_ns + LOOK_NS;
	if (port_gone(d->port))
		fail(d, "the back-end hung up, with %" PRIu64 " frames on their way", in_flight(d));
	else if (silent_ns > STALL_NS && (in_ring(d) || d->unanswered >= 16))
		fail(d,
		     "the back-end stalled: nothing for 2 s, with %" PRIu64 " frames on their way",
		     in_flight(d));
}

/* Reads the clock for this turn. False: it is over. */
static bool go_on(struct drive *d)
{
	uint64_t now_ns = clock_ns();

	if (now_ns < d->now_ns || d->frames.backwards)
		fail(d, "the clock (CLOCK_REALTIME) was set back during the run");
	d->now_ns = now_ns;
	if (now_ns > d->moved_ns + LOOK_NS && now_ns > d->look_ns && (in_flight(d) || in_ring(d)))
		judge_silence(d);
	if (now_ns > d->tell_ns && d->cfg.progress && has_time(d, TELL_SPARE)) {
		d->tell_ns = now_ns + TELL_NS;
		d->cfg.progress(d->cfg.arg, d->frames.next - d->frames.base);
	}
	return !d->broken;
}

static bool stopped(const struct drive *d)
{
	return *d->cfg.stop;
}

static void next_due(struct drive *d)
{
	uint64_t at_ns = load_next_ns(&d->load);

	d->due_ns = at_ns < d->length_ns ? d->start_ns + at_ns : UINT64_MAX;
}

static void offer_due(struct drive *d)
{
	uint64_t due_ns[BATCH_MAX];
	unsigned n = 0, room;

	if (!d->sends) {
		inject(d, d->due_ns);
		next_due(d);
		return;
	}
	room = ring_reserve(d->tx, d->o->batch);
	if (!room) {
		found_full(d);
		return;
	}
	for (; n < room && d->due_ns <= d->now_ns; n++) {
		due_ns[n] = d->due_ns;
		fill(d, d->frames.next + n);
		next_due(d);
	}
	publish(d, due_ns, n);
}

static void run_open(struct drive *d)
{
	uint64_t patience_ns = d->start_ns + d->length_ns + max_u64(d->length_ns, STALL_NS);

	next_due(d);
	while (go_on(d) && !stopped(d) && d->due_ns != UINT64_MAX) {
		if (d->due_ns <= d->now_ns)
			offer_due(d);
		look_around(d);
		if (d->now_ns > patience_ns)
			fail(d,
			     "overload: %" PRIu64 " frames were taken in %.1f s, and more are due",
			     d->frames.next - d->frames.base,
			     (double)(d->now_ns - d->start_ns) / 1e9);
	}
}

/* How many frames are on their way in a closed loop. */
static unsigned loop_size(const struct drive *d)
{
	if (d->o->load == LOAD_INFLIGHT)
		return d->o->inflight;
	return d->sends ? d->tx->size : (unsigned)min_u64(d->rx->size, RX_FLOOD);
}

static void offer_more(struct drive *d, unsigned room)
{
	if (!d->sends) {
		inject(d, 0);
		return;
	}
	room = ring_reserve(d->tx, (unsigned)min_u64(room, d->o->batch));
	for (unsigned n = 0; n < room; n++)
		fill(d, d->frames.next + n);
	if (room)
		publish(d, NULL, room);
}

static void run_closed(struct drive *d)
{
	unsigned size = loop_size(d), least = 1;
	uint64_t out;

	/* Refilling single places would cost a kick and a fence for each frame. */
	if (d->o->load == LOAD_FLOOD)
		least = (unsigned)max_u64(min_u64(d->o->batch, size / 4), 1);
	while (go_on(d) && !stopped(d)) {
		out = min_u64(in_flight(d), size);
		if (size - out >= least) {
			if (d->now_ns >= d->start_ns + d->length_ns)
				return;
			offer_more(d, (unsigned)(size - out));
		}
		look_around(d);
		if (d->receives && out && d->now_ns > d->moved_ns + GIVE_UP_NS) {
			d->given_up += in_flight(d);
			d->moved_ns = d->now_ns;
			if (++d->n_given_up_in_turn == STALL_NS / GIVE_UP_NS)
				fail(d, "the back-end stalled: no frame came back for 2 s");
		}
	}
}

/* The counter of the interface, where nobody looks at each frame. */
static bool counts_wire(const struct drive *d)
{
	return d->o->wire_kind == WIRE_INTERFACE && d->sends && !d->watches;
}

static uint64_t wire_counted(struct drive *d)
{
	uint64_t n = 0;
	int err = wire_count(d->o->wire, &n);

	if (err)
		fail(d, "--wire '%s': its counters cannot be read: %s", d->o->wire, strerror(-err));
	return n;
}

/* Until all came back, or what is missing is lost. */
static void drain(struct drive *d)
{
	uint64_t last_ns;

	while (go_on(d)) {
		last_ns = max_u64(d->moved_ns, d->published_ns);
		if (!in_ring(d) && !d->called_for &&
		    (d->frames.seen == d->frames.next - d->frames.base ||
		     d->now_ns > last_ns + LOST_NS))
			return;
		look_around(d);
	}
}

/* A repetition. */

static void settle(void)
{
	const struct timespec ts = { .tv_nsec = SETTLE_NS };

	nanosleep(&ts, NULL);
}

static uint64_t all_calls(const struct drive *d)
{
	uint64_t n = d->sends ? read_calls(d) : 0;
	eventfd_t rx;

	if (d->port->rx_call_fd >= 0 && !eventfd_read(d->port->rx_call_fd, &rx) &&
	    (!d->sends || d->o->direction == DIRECTION_RR))
		n += rx;
	return n;
}

static void begin(struct drive *d, struct repetition *rep, uint64_t ns, uint64_t seed)
{
	enum stage last = d->receives ? STAGE_RECEIVED : d->watches ? STAGE_WIRE : STAGE_USED;

	settle();
	all_calls(d);
	load_start(&d->load, d->o, d->cfg.trace, seed);
	d->rep = rep;
	d->n_waiting = 0;
	d->armed = d->called_for = d->forced = false;
	d->given_up = d->n_given_up_in_turn = 0;
	d->full_ns = 0;
	d->length_ns = ns;
	d->due_ns = UINT64_MAX;
	d->now_ns = clock_ns();
	d->start_ns = d->now_ns + (d->open_loop ? LEAD_NS : 0);
	d->published_ns = d->moved_ns = d->start_ns;
	d->look_ns = 0;
	d->tell_ns = d->now_ns + TELL_NS;
	frames_begin(&d->frames, rep, last, d->start_ns, ns);
}

/* What came out of the wire uncounted frame by frame. */
static void count_lost(struct drive *d, uint64_t counted)
{
	struct repetition *rep = d->rep;
	uint64_t until_ns = clock_ns() + LOST_NS, n;

	do
		n = wire_counted(d) - counted;
	while (n < rep->frames && !d->broken && clock_ns() < until_ns);
	rep->lost = max_u64(rep->lost, rep->frames - min_u64(n, rep->frames));
	rep->duplicated = rep->reordered = RESULT_UNKNOWN;
}

static void end(struct drive *d, uint64_t counted)
{
	struct repetition *rep = d->rep;
	unsigned missed;

	frames_end(&d->frames);
	rep->ns = max_u64(d->published_ns, d->moved_ns) - d->start_ns;
	if (d->open_loop)
		rep->ns = d->published_ns - d->start_ns;
	if (d->open_loop && d->due_ns == UINT64_MAX)
		rep->ns = max_u64(rep->ns, d->length_ns);
	settle();
	rep->calls += all_calls(d);
	if (counts_wire(d))
		count_lost(d, counted);
	missed = d->watches ? wire_missed(&d->wire) : 0;
	if (missed)
		fail(d, "--wire '%s': txbench was too slow to see %u frames there", d->o->wire,
		     missed);
	if (stopped(d) || !rep->frames)
		return;
	if (!d->frames.seen && d->receives)
		fail(d, "none of %" PRIu64 " frames came back through the rx ring", rep->frames);
	else if (!d->frames.seen || (counts_wire(d) && rep->lost == rep->frames))
		fail(d, "--wire '%s': none of %" PRIu64 " frames came out of it", d->o->wire,
		     rep->frames);
}

enum drive_end drive_run(struct drive *d, struct repetition *rep, uint64_t ns, uint64_t seed,
			 char *why, unsigned size)
{
	uint64_t counted;

	d->broken = false;
	d->why = why;
	d->why_size = size;
	begin(d, rep, ns, seed);
	counted = counts_wire(d) ? wire_counted(d) : 0;
	if (d->open_loop)
		run_open(d);
	else
		run_closed(d);
	drain(d);
	end(d, counted);
	return d->broken ? DRIVE_BROKEN : stopped(d) ? DRIVE_STOPPED : DRIVE_DONE;
}

/* Set-up. */

static void write_header(uint8_t *frame, uint16_t type)
{
	/* The card's own address is QEMU's first; towards the wire it is the source. */
	static const uint8_t card[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
	static const uint8_t other[6] = { 0x02, 0, 0, 0, 0, 1 };
	bool in = type == ETHERTYPE_RX;

	memcpy(frame, in ? card : other, 6);
	memcpy(frame + 6, in ? other : card, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

static int open_wire(struct drive *d)
{
	int err;

	if (d->o->wire_kind != WIRE_INTERFACE)
		return 0;
	if (d->sends && d->o->watch) {
		err = wire_open(&d->wire, d->o->wire, ETHERTYPE);
		if (err)
			return err;
		d->watches = true;
	}
	if (d->o->direction != DIRECTION_TX) {
		d->inject = wire_inject_open(d->o->wire);
		if (d->inject < 0)
			return d->inject;
	}
	return 0;
}

static int set_up_buffers(struct drive *d)
{
	const struct port_buffers *b = &d->port->tx_bufs;
	uint64_t window = d->watches || d->receives ? WINDOW : 0;
	int err;

	d->max_waiting = 4U * d->tx->size;
	d->free_bufs = calloc(b->n, sizeof(*d->free_bufs));
	d->waiting = calloc(d->max_waiting, sizeof(*d->waiting));
	if (!d->free_bufs || !d->waiting)
		return -ENOMEM;
	err = frames_init(&d->frames, max_u64(window, 4 * d->tx->size));
	if (err)
		return err;
	for (d->n_free = 0; d->n_free < b->n; d->n_free++) {
		write_header(b->host + (size_t)d->n_free * b->stride + d->port->hdr_len, ETHERTYPE);
		d->free_bufs[d->n_free] = (uint16_t)d->n_free;
	}
	write_header(d->injected, ETHERTYPE_RX);
	ring_disarm_call(d->tx);
	ring_disarm_call(d->rx);
	return 0;
}

struct drive *drive_new(const struct drive_config *cfg, char *why, unsigned size)
{
	struct drive *d = calloc(1, sizeof(*d));
	bool loop = cfg->options->wire_kind == WIRE_LOOP;
	int err;

	if (!d) {
		snprintf(why, size, "out of memory");
		return NULL;
	}
	d->cfg = *cfg;
	d->o = cfg->options;
	d->port = cfg->port;
	d->tx = cfg->port->tx;
	d->rx = cfg->port->rx;
	d->wire.fd = d->inject = -1;
	d->open_loop = options_open_loop(d->o);
	d->sends = d->o->direction != DIRECTION_RX || loop;
	d->receives = d->o->direction != DIRECTION_TX || loop;
	d->awaited_type = loop ? ETHERTYPE : ETHERTYPE_RX;
	err = open_wire(d);
	if (err) {
		snprintf(why, size, "--wire '%s': %s%s", d->o->wire,
			 err == -ENODEV ? "no such interface in this network namespace"
					: strerror(-err),
			 err == -EPERM || err == -EACCES ? ": needs root, or CAP_NET_RAW and "
							   "CAP_NET_ADMIN"
							 : "");
		goto free_drive;
	}
	d->numbered = d->watches || d->receives;
	err = set_up_buffers(d);
	if (err) {
		snprintf(why, size, "out of memory");
		goto free_drive;
	}
	return d;
free_drive:
	drive_free(d);
	return NULL;
}

void drive_free(struct drive *d)
{
	if (!d)
		return;
	wire_close(&d->wire);
	if (d->inject >= 0)
		close(d->inject);
	frames_deinit(&d->frames);
	free(d->free_bufs);
	free(d->waiting);
	free(d);
}
