/* SPDX-License-Identifier: MIT */
/*
 * The timer engine (QEMU's tx=timer): a kick arms a timer and turns the driver's notifications off;
 * the queue runs when it expires. A second kick can then only mean that the driver ran out of room,
 * so the queue runs at once. A full burst, or something found on the way to sleep, arms the timer
 * again. QEMU: hw/net/virtio-net.c, virtio_net_handle_tx_timer and virtio_net_tx_timer, as since
 * 8.0 (commit 7550a82259; Debian's 7.2 has it, too).
 */
#include <stdbool.h>

#include "datapath/tx/engine.h"

struct timer_state {
	uint64_t delay_ns;
	uint32_t burst;
	bool armed;
};

static const struct tx_param params[] = {
	{ "delay", "ns", "time from the kick to the run", 1000, TX_WAIT_MAX_NS, 150000 },
	{ "burst", "frames", "most frames of one run", 1, TX_BURST_MAX, 256 },
};

static void timer_tx_init(void *state, const uint64_t *values)
{
	struct timer_state *s = state;

	s->delay_ns = values[0];
	s->burst = (uint32_t)values[1];
}

static struct tx_plan timer_tx_plan(void *state, enum tx_event event, const struct tx_view *view)
{
	struct timer_state *s = state;
	bool wait;

	switch (event) {
	case TX_START:
		/* With nothing owed nothing is armed, else the first kick would be a second one. */
		s->armed = false;
		if (!view->pending)
			return (struct tx_plan){ .when = TX_ON_KICK, .burst = s->burst };
		wait = true;
		break;
	case TX_RECHECKED:
		wait = true;
		break;
	case TX_KICK:
		wait = !s->armed;
		break;
	case TX_RAN:
		s->armed = false;
		if (view->stop != TX_STOP_BURST)
			return (struct tx_plan){ .when = TX_ON_KICK, .burst = s->burst };
		wait = true;
		break;
	default:
		wait = false;
		break;
	}
	s->armed = wait;
	if (!wait)
		return (struct tx_plan){ .when = TX_NOW, .burst = s->burst };
	return (struct tx_plan){ .when = TX_AT,
				 .at_ns = view->now_ns + s->delay_ns,
				 .burst = s->burst };
}

const struct tx_engine timer_tx_engine = {
	.name = "timer",
	.help = "run a fixed time after the driver kicked",
	.abi = TX_ENGINE_ABI,
	.n_params = sizeof(params) / sizeof(params[0]),
	.params = params,
	.state_size = sizeof(struct timer_state),
	.init = timer_tx_init,
	.plan = timer_tx_plan,
};
