/* SPDX-License-Identifier: MIT */
/* What is changed of a card while its frames move: tx mode, iothread; and waiting for it. */
#include <stdio.h>

#include "datapath/device.h"
#include "tools/config/txmode.h"
#include "tools/txringd/nic_state.h"

/* The modes of all pairs in question, changed. False: one cannot be, and said tells why. */
static bool change_modes(const struct nic *nic, unsigned pair, const char *text,
			 struct tx_mode *modes, char said[NIC_SAID_LEN])
{
	bool waits;

	for (unsigned i = 0; i < nic->backend->n_queues; i++) {
		modes[i] = *device_pair_mode(nic->device, i, &waits);
		if ((pair == NIC_ALL_PAIRS || pair == i) &&
		    txmode_change(&modes[i], text, said, NIC_SAID_LEN))
			return false;
	}
	return true;
}

static const char in_kernel[] = ": applies when the kernel gives the rings back";

static void say_mode(const struct nic *nic, unsigned pair, char said[NIC_SAID_LEN])
{
	unsigned i = pair == NIC_ALL_PAIRS ? 0 : pair;
	char text[TXMODE_TEXT_LEN], which[32] = "";
	bool waits;

	txmode_text(device_pair_mode(nic->device, i, &waits), text);
	if (pair != NIC_ALL_PAIRS)
		snprintf(which, sizeof(which), "pair %u: ", pair);
	snprintf(said, NIC_SAID_LEN, "%stx mode %s%s", which, text, waits ? in_kernel : "");
}

bool nic_set_txmode(struct nic *nic, unsigned pair, const char *text, char said[NIC_SAID_LEN])
{
	unsigned n = nic->backend->n_queues;
	struct tx_mode modes[NIC_CONFIG_MAX_PAIRS];

	if (pair != NIC_ALL_PAIRS && pair >= n) {
		snprintf(said, NIC_SAID_LEN, "pair '%u' must be 0 to %u", pair, n - 1);
		return false;
	}
	if (!change_modes(nic, pair, text, modes, said))
		return false;
	if (pair == NIC_ALL_PAIRS && *text == ',') {
		/* Each keeps what is not changed of its own. */
		for (unsigned i = 0; i < n; i++)
			device_set_mode(nic->device, i, &modes[i]);
	} else {
		device_set_mode(nic->device, pair, &modes[pair == NIC_ALL_PAIRS ? 0 : pair]);
	}
	say_mode(nic, pair, said);
	nic_log(nic, LOG_INFO, said);
	return true;
}

void nic_set_coalesce(struct nic *nic, bool on, char said[NIC_SAID_LEN])
{
	const char *but = "";

	nic->coalesces = on;
	device_set_coalesce(nic->device, on);
	if (on && !nic->backend->merges)
		but = ": this backend does not gain by it, and merges nothing";
	else if (device_driver_status(nic->device).driver == DEVICE_KERNEL)
		but = in_kernel;
	snprintf(said, NIC_SAID_LEN, "coalesce %s%s", on ? "on" : "off", but);
	nic_log(nic, LOG_INFO, said);
}

unsigned nic_pairs(const struct nic *nic)
{
	return nic->backend->n_queues;
}

unsigned nic_pairs_on(const struct nic *nic, const struct iothread *thread)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nic->backend->n_queues; i++)
		n += device_pair_thread(nic->device, i) == thread;
	return n;
}

/* Not the guest's own: what keeps a frame here. */
static const char *waits_for(const struct device_progress *p)
{
	if (p->full)
		return "the backend was full";
	if (p->in_flight)
		return "the backend had not completed them";
	return p->put_off ? "the tx mode's time had not come" : "they had no turn yet";
}

enum nic_vhost nic_drain(struct nic *nic, unsigned pair, struct nic_drain *drain,
			 char said[NIC_SAID_LEN])
{
	struct device_progress p;

	if (device_pair_in_kernel(nic->device, pair)) {
		snprintf(said, NIC_SAID_LEN, "pair %u: the kernel moves its frames", pair);
		return NIC_VHOST_CANNOT;
	}
	p = device_pair_progress(nic->device, pair);
	if (!drain->begun)
		*drain = (struct nic_drain){ .begun = true, .until = p.left + p.ring_size };
	/* They leave in order, and the ring holds no more than its size. */
	drain->done |= p.rests || p.left >= drain->until;
	if (drain->done)
		return NIC_VHOST_DONE;
	if (p.broken) {
		snprintf(said, NIC_SAID_LEN, "pair %u: the guest has broken its tx ring", pair);
		return NIC_VHOST_CANNOT;
	}
	snprintf(said, NIC_SAID_LEN, "pair %u: %s", pair, waits_for(&p));
	return NIC_VHOST_LATER;
}

enum nic_vhost nic_move(struct nic *nic, unsigned pair, struct iothread *thread,
			char said[NIC_SAID_LEN])
{
	enum device_move outcome = device_move_pair(nic->device, pair, thread);

	nic_hand_over(nic);
	if (outcome == DEVICE_MOVE_LATER)
		snprintf(said, NIC_SAID_LEN,
			 "pair %u: a received frame waits for the guest's buffers", pair);
	else if (outcome == DEVICE_MOVE_BROKEN)
		snprintf(said, NIC_SAID_LEN,
			 "pair %u: the guest has broken a ring of it: it stays until that is reset",
			 pair);
	else
		snprintf(said, NIC_SAID_LEN, "pair %u: %s runs it", pair, iothread_name(thread));
	if (outcome == DEVICE_MOVED)
		nic_log(nic, LOG_INFO, said);
	return outcome == DEVICE_MOVED        ? NIC_VHOST_DONE
	       : outcome == DEVICE_MOVE_LATER ? NIC_VHOST_LATER
					      : NIC_VHOST_CANNOT;
}
