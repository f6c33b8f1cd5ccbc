/* SPDX-License-Identifier: MIT */
/*
 * A frame is seen again: used and called for in the tx ring, on the wire, in the rx ring. Contracts
 * in drive_state.h. Each look costs a memory load if there is nothing; a call's eventfd, which
 * costs a system call, is read only when a call is owed and no frame is due within a microsecond.
 */
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/virtio_net.h>

#include "bench/txbench/drive_state.h"
#include "virtio/features.h"

#define MIN_FRAME (NUMBER_AT + 8)
#define SPARE_NS  1000 /* time for a system call */

/* The tx ring: used, calls. */

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
	at_ns = drive_clock_ns();
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
		drive_fail(d, "the back-end broke the tx ring: %s", ring_fault_name(d->tx->fault));
	drive_moved(d, at_ns);
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

/*
 * Frames that are used before the call is read share it; those that slip in before the next one is
 * asked for have none, as a driver then goes on without.
 */
static void look_for_call(struct drive *d)
{
	uint64_t at_ns, n;

	if (d->called_for) {
		if (d->port->tx_call_fd >= 0 && !drive_has_time(d, SPARE_NS))
			return;
		n = read_calls(d);
		if (!n && d->now_ns < d->moved_ns + GIVE_UP_NS)
			return;
		d->rep->calls += n;
		at_ns = drive_clock_ns();
		for (unsigned i = 0; n && i < d->n_waiting; i++)
			frames_saw(&d->frames, STAGE_CALL, d->waiting[i], at_ns);
		d->n_waiting = 0;
		d->called_for = false;
	}
	if (d->armed || !drive_has_time(d, SPARE_NS))
		return;
	/* A call for what had slipped in. */
	d->rep->calls += read_calls(d);
	d->armed = !ring_arm_call(d->tx, 0);
}

/* The wire. */

static void answer(struct drive *d, uint64_t number, unsigned len)
{
	memcpy(d->injected + NUMBER_AT, &number, sizeof(number));
	/* What does not fit there is lost, and shows as such. */
	(void)wire_inject(d->inject_fd, d->injected, len);
}

static void watch(struct drive *d)
{
	struct wire_frame f;
	uint64_t number;

	for (unsigned n = 0; n < TURN && wire_peek(&d->wire, &f); n++) {
		if (f.captured >= MIN_FRAME) {
			memcpy(&number, f.data + NUMBER_AT, sizeof(number));
			if (frames_saw(&d->frames, STAGE_WIRE, number, f.at_ns) == FRAMES_NEW &&
			    d->o->direction == DIRECTION_RR)
				answer(d, number, f.len);
		}
		wire_release(&d->wire);
		drive_moved(d, d->now_ns);
	}
}

/* The rx ring. */

/* A buffer with the beginning of a frame. */
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
	if (!ring_kick_wanted(d->rx))
		return;
	if (d->sends)
		ring_kick_now(d->rx);
	else
		out_kick(d, d->rx);
}

static void receive(struct drive *d)
{
	const struct port_buffers *b = &d->port->rx_bufs;
	struct ring_used used;
	uint64_t at_ns;

	if (!ring_peek(d->rx))
		return;
	at_ns = drive_clock_ns();
	for (unsigned n = 0; n < TURN && ring_use(d->rx, &used) == RING_USED; n++) {
		if (d->rx_rest)
			d->rx_rest--;
		else
			receive_frame(d, b->host + used.token * b->stride, used.len, at_ns);
		post_again(d, used.token);
	}
	if (d->rx->fault)
		drive_fail(d, "the back-end broke the rx ring: %s", ring_fault_name(d->rx->fault));
	drive_moved(d, at_ns);
	if (d->o->calls != CALLS_NONE)
		ring_arm_call(d->rx, 0);
}

bool back_has_more(const struct drive *d)
{
	struct wire_frame f;

	return (d->watches && wire_peek(&d->wire, &f)) || (d->receives && ring_peek(d->rx));
}

uint64_t back_take_calls(struct drive *d)
{
	uint64_t n = d->sends ? read_calls(d) : 0;
	eventfd_t rx;

	if (d->port->rx_call_fd >= 0 && !eventfd_read(d->port->rx_call_fd, &rx) &&
	    (!d->sends || d->o->direction == DIRECTION_RR))
		n += rx;
	return n;
}

void back_look(struct drive *d)
{
	take_back(d);
	if (d->watches)
		watch(d);
	if (d->receives)
		receive(d);
	if (d->o->calls == CALLS_EACH)
		look_for_call(d);
	if (options_share_cpu(d->o))
		sched_yield();
}
