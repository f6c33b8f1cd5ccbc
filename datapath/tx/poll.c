/* SPDX-License-Identifier: MIT */
/*
 * The poll engine: like bh, but a queue whose ring is drained looks again, with the driver's
 * notifications off, for some time after its last frame before it sleeps. A kick to a queue that
 * sleeps costs the driver microseconds, and its frame the latency of a wake-up; to look costs a
 * CPU.
 *
 * The time is measured at each look, so other queues of the iothread get their turns in between.
 */
#include <stdbool.h>

#include "datapath/tx/engine.h"

struct poll_state {
	uint64_t spin_ns;
	uint64_t idle_ns; /* the ring is known to be drained since then; 0: it is not */
	uint32_t burst;
};

static const struct tx_param params[] = {
	{ "spin", "ns", "time from the last frame to sleep", 1000, TX_WAIT_MAX_NS, 50000 },
	{ "burst", "frames", "most frames of one run", 1, TX_BURST_MAX, 256 },
};

static void poll_tx_init(void *state, const uint64_t *values)
{
	struct poll_state *s = state;

	s->spin_ns = values[0];
	s->burst = (uint32_t)values[1];
}

/* After a run that ended for want of frames: is it time to sleep? */
static bool poll_tx_tired(struct poll_state *s, const struct tx_view *view)
{
	if (view->sent || !s->idle_ns)
		s->idle_ns = view->now_ns;
	return view->now_ns - s->idle_ns >= s->spin_ns;
}

static struct tx_plan poll_tx_plan(void *state, enum tx_event event, const struct tx_view *view)
{
	struct poll_state *s = state;
	struct tx_plan plan = { .when = TX_SOON, .burst = s->burst };

	if (event == TX_WRITABLE)
		plan.when = TX_NOW;
	if (event != TX_RAN || view->stop != TX_STOP_EMPTY)
		s->idle_ns = 0;
	else if (poll_tx_tired(s, view))
		plan.when = TX_ON_KICK;
	return plan;
}

const struct tx_engine poll_tx_engine = {
	.name = "poll",
	.help = "run as soon as the driver kicks, and look for more for some time",
	.abi = TX_ENGINE_ABI,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params = params,
	.state_size = sizeof(struct poll_state),
	.init = poll_tx_init,
	.plan = poll_tx_plan,
};
