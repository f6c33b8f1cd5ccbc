/* SPDX-License-Identifier: MIT */
/*
 * A repetition from begin to end, and its loop. One turn of it looks, for a memory load each,
 * whether a frame is due, came back, came out of the wire or was received; a clock reading (23 ns)
 * is the rest of it. System calls are those of the device that is driven: kicks, calls, answers at
 * the wire. How a frame goes out is in out.c, where it is seen again in back.c.
 */
#include "bench/txbench/drive.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/txbench/drive_state.h"

#define WINDOW     65536      /* frames that have a record, at least */
#define RX_FLOOD   512        /* on their way at once: less than a tap's queue (1000) holds */
#define LEAD_NS    50000      /* from here to the first frame */
#define LOST_NS    1000000000 /* at the end: nothing came for so long, what is not there is lost */
#define STALL_NS   2000000000 /* nothing came for so long though the device has frames */
#define LOOK_NS    20000000   /* between two looks whether the back-end is still there */
#define SETTLE_NS  2000000    /* until the back-end sleeps, and its last call and copy are there */
#define TELL_NS    1000000000
#define TELL_SPARE 100000 /* time to write to a terminal */

void drive_fail(struct drive *d, const char *fmt, ...)
{
	va_list args;

	if (d->broken)
		return;
	d->broken = true;
	va_start(args, fmt);
	vsnprintf(d->why, d->why_size, fmt, args);
	va_end(args);
}

/* The loop. */

/* Nothing came for a while. */
static void judge_silence(struct drive *d)
{
	uint64_t silent_ns = d->now_ns - d->moved_ns;

	d->look_ns = d->now_ns + LOOK_NS;
	if (port_gone(d->port))
		drive_fail(d, "the back-end hung up, with %" PRIu64 " frames on their way",
			   drive_in_flight(d));
	else if (silent_ns > STALL_NS && (drive_in_ring(d) || d->unanswered >= 16))
		drive_fail(d,
			   "the back-end stalled: nothing for 2 s, with %" PRIu64
			   " frames on their way",
			   drive_in_flight(d));
}

/* Reads the clock for this turn. False: it is over. */
static bool go_on(struct drive *d)
{
	uint64_t now_ns = drive_clock_ns();

	if (now_ns < d->now_ns || d->frames.backwards)
		drive_fail(d, "the clock (CLOCK_REALTIME) was set back during the run");
	d->now_ns = now_ns;
	if (now_ns > d->moved_ns + LOOK_NS && now_ns > d->look_ns &&
	    (drive_in_flight(d) || drive_in_ring(d)))
		judge_silence(d);
	if (now_ns > d->tell_ns && d->cfg.progress && drive_has_time(d, TELL_SPARE)) {
		d->tell_ns = now_ns + TELL_NS;
		d->cfg.progress(d->cfg.arg, drive_sent(d));
	}
	return !d->broken;
}

static bool stopped(const struct drive *d)
{
	return *d->cfg.stop;
}

static void run_open(struct drive *d)
{
	uint64_t patience_ns = d->start_ns + d->length_ns + max_u64(d->length_ns, STALL_NS);

	out_next_due(d);
	while (go_on(d) && !stopped(d) && d->due_ns != UINT64_MAX) {
		if (d->due_ns <= d->now_ns)
			out_offer_due(d);
		back_look(d);
		if (d->now_ns > patience_ns)
			drive_fail(d,
				   "overload: %" PRIu64
				   " frames were taken in %.1f s, and more are due",
				   drive_sent(d), (double)(d->now_ns - d->start_ns) / 1e9);
	}
	d->rep->ns = d->published_ns - d->start_ns;
	if (d->due_ns == UINT64_MAX)
		d->rep->ns = max_u64(d->rep->ns, d->length_ns);
	/* Stopped early: no frame is due any more for which a system call must wait. */
	d->due_ns = UINT64_MAX;
}

/* How many frames are on their way in a closed loop. */
static unsigned loop_size(const struct drive *d)
{
	if (d->o->load == LOAD_INFLIGHT)
		return d->o->inflight;
	return d->sends ? d->tx->size : (unsigned)min_u64(d->rx->size, RX_FLOOD);
}

static void run_closed(struct drive *d)
{
	unsigned size = loop_size(d), least = 1;
	uint64_t out;

	/* Refilling single places would cost a kick and a fence for each frame. */
	if (d->o->load == LOAD_FLOOD)
		least = (unsigned)max_u64(min_u64(d->o->batch, size / 4), 1);
	while (go_on(d) && !stopped(d)) {
		out = min_u64(drive_in_flight(d), size);
		if (size - out >= least) {
			if (d->now_ns >= d->start_ns + d->length_ns)
				return;
			out_offer(d, (unsigned)(size - out));
		}
		back_look(d);
		if (d->receives && out && d->now_ns > d->moved_ns + GIVE_UP_NS) {
			d->given_up += drive_in_flight(d);
			d->moved_ns = d->now_ns;
			if (++d->n_given_up_in_turn == STALL_NS / GIVE_UP_NS)
				drive_fail(d, "the back-end stalled: no frame came back for 2 s");
		}
	}
}

/* Frames on the wire are counted by the interface's counter, as the ring of wire.h is closed. */
static bool counts_wire(const struct drive *d)
{
	return d->o->wire_kind == WIRE_INTERFACE && d->sends && !d->watches;
}

static struct wire_counts wire_counted(struct drive *d)
{
	struct wire_counts n = { 0 };
	int err = wire_count(d->o->wire, &n);

	if (err)
		drive_fail(d, "--wire '%s': its counters cannot be read: %s", d->o->wire,
			   strerror(-err));
	return n;
}

/* Frames since *before; merged ones are told by their bytes. */
static uint64_t wire_since(struct drive *d, const struct wire_counts *before)
{
	struct wire_counts now = wire_counted(d);
	uint64_t frames = now.frames - before->frames;

	return options_flow(d->o) ? flow_count(&d->flow, now.bytes - before->bytes, frames)
				  : frames;
}

/* Until each frame has come back, or the missing ones have been awaited for LOST_NS. */
static void drain(struct drive *d)
{
	uint64_t last_ns;

	while (go_on(d)) {
		last_ns = max_u64(d->moved_ns, d->published_ns);
		if (!drive_in_ring(d) && !d->called_for &&
		    (d->frames.seen == drive_sent(d) || d->now_ns > last_ns + LOST_NS))
			return;
		back_look(d);
	}
}

/* A repetition. */

static void settle(void)
{
	const struct timespec ts = { .tv_nsec = SETTLE_NS };

	nanosleep(&ts, NULL);
}

/* Each frame was seen; look for second copies, but not for ever if the back-end sends on. */
static void look_again(struct drive *d)
{
	settle();
	for (unsigned n = 0; n < WIRE_SLOTS / TURN && back_has_more(d); n++)
		back_look(d);
}

/* An open wire costs the back-end time for each frame, so it is open only while it is read. */
static void watch_or_not(struct drive *d, bool watched)
{
	int err;

	watched = watched && d->sends && d->o->watch;
	if (!watched)
		wire_close(&d->wire);
	err = watched && !d->watches ? wire_open(&d->wire, d->o->wire, ETHERTYPE_TX) : 0;
	d->watches = watched && !err;
	if (err)
		drive_fail(d, "--wire '%s': it cannot be watched again: %s", d->o->wire,
			   strerror(-err));
}

bool drive_watched(const struct drive *d)
{
	return d->watches;
}

static void begin(struct drive *d, struct repetition *rep, const struct drive_part *part)
{
	enum stage last = d->receives ? STAGE_RECEIVED : d->watches ? STAGE_WIRE : STAGE_USED;

	settle();
	back_take_calls(d);
	load_start(&d->load, d->o, d->cfg.trace, part->seed);
	d->rep = rep;
	d->n_waiting = 0;
	d->armed = d->called_for = d->forced = false;
	d->given_up = d->n_given_up_in_turn = 0;
	d->full_ns = 0;
	d->length_ns = part->ns;
	d->due_ns = UINT64_MAX;
	d->now_ns = drive_clock_ns();
	d->start_ns = d->now_ns + (d->open_loop ? LEAD_NS : 0);
	d->published_ns = d->moved_ns = d->start_ns;
	d->look_ns = 0;
	d->tell_ns = d->now_ns + TELL_NS;
	frames_begin(&d->frames, rep, last, d->start_ns, part->ns);
}

/* What came out of the wire uncounted frame by frame. */
static void count_lost(struct drive *d, const struct wire_counts *before)
{
	struct repetition *rep = d->rep;
	uint64_t until_ns = drive_clock_ns() + LOST_NS, n;

	do
		n = wire_since(d, before);
	while (n < rep->frames && !d->broken && drive_clock_ns() < until_ns);
	rep->lost = max_u64(rep->lost, rep->frames - min_u64(n, rep->frames));
	rep->duplicated = rep->reordered = RESULT_UNKNOWN;
}

static void end(struct drive *d, const struct wire_counts *before)
{
	struct repetition *rep = d->rep;
	unsigned missed;

	frames_end(&d->frames);
	if (!d->open_loop)
		rep->ns = max_u64(d->published_ns, d->moved_ns) - d->start_ns;
	rep->calls += back_take_calls(d);
	if (counts_wire(d))
		count_lost(d, before);
	missed = d->watches ? wire_missed(&d->wire) : 0;
	if (missed)
		drive_fail(d, "--wire '%s': txbench was too slow to see %u frames there",
			   d->o->wire, missed);
	if (stopped(d) || !rep->frames)
		return;
	if (!d->frames.seen && d->receives)
		drive_fail(d, "none of %" PRIu64 " frames came back through the rx ring",
			   rep->frames);
	else if (!d->frames.seen || (counts_wire(d) && rep->lost == rep->frames))
		drive_fail(d, "--wire '%s': none of %" PRIu64 " frames came out of it", d->o->wire,
			   rep->frames);
}

enum drive_end drive_run(struct drive *d, struct repetition *rep, const struct drive_part *part,
			 char *why, unsigned size)
{
	struct wire_counts before = { 0 };

	d->broken = false;
	d->why = why;
	d->why_size = size;
	watch_or_not(d, part->watched);
	begin(d, rep, part);
	if (counts_wire(d))
		before = wire_counted(d);
	if (d->open_loop)
		run_open(d);
	else
		run_closed(d);
	drain(d);
	look_again(d);
	end(d, &before);
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
		err = wire_open(&d->wire, d->o->wire, ETHERTYPE_TX);
		if (err)
			return err;
		d->watches = true;
	}
	if (d->o->direction != DIRECTION_TX) {
		d->inject_fd = wire_inject_open(d->o->wire);
		if (d->inject_fd < 0)
			return d->inject_fd;
	}
	return 0;
}

static int set_up_buffers(struct drive *d)
{
	const struct port_buffers *b = &d->port->tx_bufs;
	uint64_t window = d->watches || d->receives ? WINDOW : 0;
	uint8_t addresses[NUMBER_AT];
	int err;

	d->max_waiting = 4U * d->tx->size;
	d->free_bufs = calloc(b->n, sizeof(*d->free_bufs));
	d->waiting = calloc(d->max_waiting, sizeof(*d->waiting));
	if (!d->free_bufs || !d->waiting)
		return -ENOMEM;
	err = frames_init(&d->frames, max_u64(window, 4 * d->tx->size));
	if (err)
		return err;
	if (options_flow(d->o)) {
		write_header(addresses, ETHERTYPE_TX);
		flow_start(&d->flow, d->o->size == SIZE_UDP, d->o->size_bytes, addresses);
	}
	for (d->n_free = 0; d->n_free < b->n; d->n_free++) {
		write_header(b->host + (size_t)d->n_free * b->stride + d->port->hdr_len,
			     ETHERTYPE_TX);
		d->free_bufs[d->n_free] = (uint16_t)d->n_free;
	}
	write_header(d->injected, ETHERTYPE_RX);
	ring_disarm_call(d->tx);
	ring_disarm_call(d->rx);
	return 0;
}

static void tell_wire_error(const struct drive *d, int err, char *why, unsigned size)
{
	const char *what = strerror(-err), *hint = "";

	if (err == -ENODEV)
		what = "no such interface in this network namespace";
	if (err == -EPERM || err == -EACCES)
		hint = ": needs root, or CAP_NET_RAW and CAP_NET_ADMIN";
	snprintf(why, size, "--wire '%s': %s%s", d->o->wire, what, hint);
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
	d->wire.fd = d->inject_fd = -1;
	d->open_loop = options_open_loop(d->o);
	d->sends = d->o->direction != DIRECTION_RX || loop;
	d->receives = d->o->direction != DIRECTION_TX || loop;
	d->awaited_type = loop ? ETHERTYPE_TX : ETHERTYPE_RX;
	err = open_wire(d);
	if (err) {
		tell_wire_error(d, err, why, size);
		goto free_drive;
	}
	d->numbered = d->watches || d->receives;
	if (set_up_buffers(d)) {
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
	if (d->inject_fd >= 0)
		close(d->inject_fd);
	frames_deinit(&d->frames);
	free(d->free_bufs);
	free(d->waiting);
	free(d);
}
