/* SPDX-License-Identifier: MIT */
/*
 * A frame goes out: filled, published and kicked through the tx ring, or put in at the wire.
 * Contracts in drive_state.h; when it is offered is the business of drive.c.
 */
#include <errno.h>
#include <string.h>

#include "bench/txbench/drive_state.h"

static void fill(struct drive *d, uint64_t number)
{
	const struct port_buffers *b = &d->port->tx_bufs;
	uint16_t buf = d->free_bufs[--d->n_free];
	uint64_t at = (uint64_t)buf * b->stride;
	unsigned len = load_size(&d->load, number - d->frames.base);

	if (options_flow(d->o))
		flow_next(&d->flow, b->host + at + d->port->hdr_len);
	if (d->numbered)
		memcpy(b->host + at + d->port->hdr_len + NUMBER_AT, &number, sizeof(number));
	ring_fill(d->tx, (struct chain_part){ b->gpa + at, d->port->hdr_len + len, false },
		  number << 16 | buf);
	d->rep->bytes += len;
}

/* A frame went out at at_ns. due_ns: open-loop only. */
static inline void account(struct drive *d, uint64_t due_ns, uint64_t at_ns)
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
	timings_add(&d->rep->late, at_ns > could_ns ? at_ns - could_ns : 0);
}

/*
 * The driver can do nothing else meanwhile, so frames that become due during a kick are published
 * together after it. At high rates the number of kicks for each frame depends on what one kick
 * takes: another figure on each machine, and with --kick-cost the one that was asked for.
 */
void out_kick(struct drive *d, struct ring *r)
{
	uint64_t from_ns = monotonic_ns(), now_ns;

	ring_kick_now(r);
	do
		now_ns = monotonic_ns();
	while (now_ns - from_ns < d->o->kick_cost_ns);
	d->rep->kick_ns += now_ns - from_ns;
	d->rep->kicks++;
}

static void ask_for_calls(struct drive *d)
{
	if (d->o->calls != CALLS_LINUX)
		return;
	/* An eventfd counts; of a word the last call must be read before the next one can come. */
	if (d->port->tx_call_word)
		d->rep->calls += back_take_calls(d);
	ring_arm_call(d->tx, d->tx->event_idx ? (uint16_t)(drive_in_ring(d) * 3 / 4) : 0);
}

/* Make the n frames visible that were filled. due_ns: of each, or NULL. */
static void publish(struct drive *d, const uint64_t *due_ns, unsigned n)
{
	uint64_t at_ns;

	if (drive_in_ring(d) == n) /* there was none before */
		d->moved_ns = d->now_ns;
	at_ns = drive_clock_ns();
	ring_submit(d->tx);
	d->rep->publishes++;
	d->rep->fill_sum += drive_in_ring(d);
	if (ring_kick_wanted(d->tx))
		out_kick(d, d->tx);
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
	out_kick(d, d->tx);
	d->rep->forced_kicks++;
}

/* The next frame at the wire. due_ns: open-loop only. */
static void inject(struct drive *d, uint64_t due_ns)
{
	uint64_t number = d->frames.next;
	unsigned len = load_size(&d->load, drive_sent(d));
	int err;

	memcpy(d->injected + NUMBER_AT, &number, sizeof(number));
	if (!drive_in_flight(d))
		d->moved_ns = d->now_ns;
	d->published_ns = drive_clock_ns();
	err = wire_inject(d->inject_fd, d->injected, len);
	account(d, due_ns, d->published_ns);
	d->rep->bytes += len;
	/* With its queue full the system has lost the frame. */
	if (err && err != -ENOBUFS)
		drive_fail(d, "--wire '%s': a frame cannot be put in there: %s", d->o->wire,
			   strerror(-err));
}

void out_next_due(struct drive *d)
{
	uint64_t at_ns = load_next_ns(&d->load);

	d->due_ns = at_ns < d->length_ns ? d->start_ns + at_ns : UINT64_MAX;
}

void out_offer_due(struct drive *d)
{
	uint64_t due_ns[OPTIONS_MAX_BATCH];
	unsigned n = 0, room;

	if (!d->sends) {
		inject(d, d->due_ns);
		out_next_due(d);
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
		out_next_due(d);
	}
	publish(d, due_ns, n);
}

void out_offer(struct drive *d, unsigned n)
{
	if (!d->sends) {
		inject(d, 0);
		return;
	}
	n = ring_reserve(d->tx, (unsigned)min_u64(n, d->o->batch));
	for (unsigned i = 0; i < n; i++)
		fill(d, d->frames.next + i);
	if (n)
		publish(d, NULL, n);
}
